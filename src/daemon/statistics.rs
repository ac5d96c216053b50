//! What the daemon counts, and the numbers behind `show crypto ikev2 stats` and `show metrics`.

use ironflex_ikev2::{
    Endpoint,
    counters::{Counters, Messages},
    event::{Answer, Ask, CloseReason, Discard, EapOutput, Event, PeerProof},
    refusal::{PeerIncompatible, Refusal},
    wire::registry::{ExchangeType, NotifyType},
};
use ironflex_xfrm::Counters as Traffic;

use super::{
    driver::Driver,
    init_queue::Refused,
    lease::{Address, Pools},
    session::Session,
};
use crate::{
    cli::show::SaNumbers,
    metrics::{Metric, Tally},
    statistics::{Operations, Outcome, Ppks, Row, SaCount, Statistics, Timers, Tokens},
};

/// What has no registered name is counted under this.
const OTHER: &str = "other";

/// The same in the tables of `show crypto ikev2 stats`.
const OTHER_ROW: &str = "OTHER";

/// What a router says of SAs that it begins where no line limits them. The headend begins none.
const OUTGOING_LIMIT: u64 = 400;

/// What was done for an SA, of what is counted in [`Metric::Operations`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A profile for a peer.
    Profile,
    /// A peer's certificate.
    Certificate,
    /// A signature of ours.
    Signature,
    /// An EAP conversation.
    Eap,
    /// Address and attributes for an authenticated peer.
    Authorization,
    /// A child SA in the dataplane.
    SaCreation,
    /// Its removal.
    SaDeletion,
    /// A peer's proposals and traffic selectors for a child SA, against its profile.
    Policy,
    /// The authorities that a peer is told of.
    Issuers,
    /// The certificate that we show to a peer.
    OwnCertificate,
    /// The name in a peer's certificate.
    CertifiedName,
}

impl Operation {
    /// What a question of the core is about.
    #[must_use]
    pub const fn of(ask: &Ask) -> Self {
        match ask {
            Ask::Peer(_) => Self::Profile,
            Ask::Chain { .. } => Self::Certificate,
            Ask::Sign { .. } => Self::Signature,
            Ask::Eap(_) => Self::Eap,
            Ask::Lease(_) => Self::Authorization,
            Ask::Install(_) | Ask::Rekey(_) => Self::SaCreation,
        }
    }

    /// Whether it judges a peer: then what is found wrong is noted with the peer's attempt ([`super::attempts::Attempts`]).
    #[must_use]
    pub const fn is_judged(self) -> bool {
        matches!(
            self,
            Self::Profile | Self::Certificate | Self::Authorization | Self::SaCreation
        )
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Certificate => "certificate",
            Self::Signature => "signature",
            Self::Eap => "eap",
            Self::Authorization => "authorization",
            Self::SaCreation => "sa_creation",
            Self::SaDeletion => "sa_deletion",
            Self::Policy => "policy",
            Self::Issuers => "issuers",
            Self::OwnCertificate => "own_certificate",
            Self::CertifiedName => "certified_name",
        }
    }

    /// Counts how it ended. An EAP conversation that goes on has not.
    pub fn answered(self, tally: &mut Tally, answer: &Result<Answer, String>) {
        let passed = match answer {
            Ok(Answer::Eap(EapOutput::Success { .. })) => true,
            Ok(Answer::Eap(EapOutput::Failure { .. })) => false,
            Ok(Answer::Eap(_)) => return,
            answer => answer.is_ok(),
        };
        self.ended(tally, passed);
    }

    /// Counts how it ended.
    pub fn ended(self, tally: &mut Tally, passed: bool) {
        let result = if passed { "passed" } else { "failed" };
        tally.add(Metric::Operations, [self.name(), result], 1);
        // What had to be done for it.
        let before = match self {
            Self::SaCreation => Some(Self::Policy),
            Self::Signature => Some(Self::OwnCertificate),
            Self::Certificate if passed => Some(Self::CertifiedName),
            _ => None,
        };
        if let Some(before) = before {
            tally.add(Metric::Operations, [before.name(), "passed"], 1);
        }
    }

    fn outcome(self, tally: &Tally) -> Outcome {
        Outcome {
            passed: tally.of(Metric::Operations, [self.name(), "passed"]),
            failed: tally.of(Metric::Operations, [self.name(), "failed"]),
        }
    }
}

/// What an SA is refused for whose user did not know the password.
const LOGIN_FAILED: &str = "login_failed";

/// What an SA is refused for whose profile makes interfaces from one that is shut down.
const TEMPLATE_SHUT_DOWN: &str = "template_shut_down";

/// Counts an event of the core about a session.
pub fn note(tally: &mut Tally, session: Option<&Session>, event: &Event) {
    match event {
        Event::HalfOpen => tally.count(Metric::Accepted),
        Event::Authenticated(peer) => {
            let method = match peer.proof {
                PeerProof::Eap => "anyconnect_eap",
                PeerProof::RsaSignature => "rsa_sig",
                PeerProof::EcdsaSignature => "ecdsa_sig",
                PeerProof::PreSharedKey => "pre_share",
            };
            tally.count_of(Metric::Authenticated, method);
        }
        Event::Established { .. } => tally.count(Metric::Established),
        Event::ChildRefused { why, .. } => {
            if let Refusal::Incompatible(
                PeerIncompatible::NoProposalChosen | PeerIncompatible::TsUnacceptable,
            ) = why
            {
                Operation::Policy.ended(tally, false);
            }
            tally.count_of(Metric::Refused, why.name());
        }
        Event::Rekeyed { .. } => tally.count_of(Metric::Rekeyed, "ike"),
        Event::RekeyRefused(_) => tally.count(Metric::RekeyRefused),
        Event::RequestRefused(why) => tally.count_of(Metric::Refused, why.name()),
        Event::Closed(reason) => {
            tally.count_of(Metric::Closed, reason.name());
            match reason {
                // A child SA that was refused has ended it, and has been counted.
                CloseReason::Refused(_) if session.is_some_and(|one| one.child_refused) => {}
                CloseReason::Refused(refusal) => {
                    let by_login = session.is_some_and(|session| session.ends_by_login(reason));
                    let serving = session.and_then(|session| session.profile.as_ref());
                    let name = if by_login {
                        LOGIN_FAILED
                    } else if serving.is_some_and(|serving| serving.is_shut_down()) {
                        TEMPLATE_SHUT_DOWN
                    } else {
                        refusal.name()
                    };
                    tally.count_of(Metric::Refused, name);
                }
                CloseReason::Redirected(_) => tally.count_of(Metric::Redirected, "auth"),
                _ => {}
            }
        }
        // What is switched to, and whether that is a rekeying, is known where it is done.
        Event::Initiated
        | Event::ChildSwitched { .. }
        | Event::ChildRetired { .. }
        | Event::ChildDeleted { .. }
        | Event::Quiet
        | Event::PeerMoved { .. }
        | Event::Notified(_)
        | Event::Trace(_)
        | Event::KeyLog(_) => {}
    }
}

/// Counts a datagram that the core discarded, or kept.
pub fn discarded(tally: &mut Tally, discard: &Discard) {
    if *discard == Discard::FragmentKept {
        return tally.count(Metric::FragmentsKept);
    }
    tally.count_of(Metric::Discarded, discard.name());
    match discard {
        Discard::InitRefused(refusal) => tally.count_of(Metric::Refused, refusal.name()),
        Discard::Redirected => tally.count_of(Metric::Redirected, "init"),
        _ => {}
    }
}

/// Adds what went through a child SA's tunnel.
pub fn traffic(tally: &mut Tally, through: &Traffic) {
    for (way, traffic) in [("in", &through.inbound), ("out", &through.outbound)] {
        tally.add(Metric::EspPackets, [way, ""], traffic.packets);
        tally.add(Metric::EspBytes, [way, ""], traffic.bytes);
        for (reason, packets) in traffic.drops.iter() {
            tally.add(Metric::EspDropped, [way, reason.name()], packets);
        }
    }
}

/// A number of things as a metric has it.
fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// IKE SAs by where they stand.
#[derive(Default)]
pub(super) struct Standing {
    /// Both ends are authenticated.
    pub(super) established: u64,
    /// Not yet.
    pub(super) negotiating: u64,
    /// Our Delete is not answered yet.
    pub(super) closing: u64,
    /// Ended, and still there to answer what is repeated.
    over: u64,
    /// Of the established ones those with a post-quantum pre-shared key.
    with_ppk: u64,
}

/// Counts them.
pub(super) fn standing(endpoint: &Endpoint) -> Standing {
    let mut standing = Standing::default();
    for view in endpoint.views() {
        let ppk = u64::from(view.ready && view.ppk);
        standing.with_ppk = standing.with_ppk.saturating_add(ppk);
        let count = if view.ready {
            &mut standing.established
        } else if view.closing {
            &mut standing.closing
        } else if view.over {
            &mut standing.over
        } else {
            &mut standing.negotiating
        };
        *count = count.saturating_add(1);
    }
    standing
}

/// How many IKE SAs there are and were.
pub(super) fn sa_numbers(driver: &Driver) -> SaNumbers {
    let stand = standing(&driver.endpoint);
    let tally = &driver.house.tally;
    // Each rekeying has made one more.
    let created = tally
        .of(Metric::Accepted, ["", ""])
        .saturating_add(tally.of(Metric::Rekeyed, ["ike", ""]));
    let there = [stand.negotiating, stand.established, stand.closing];
    let there = there.into_iter().fold(0, u64::saturating_add);
    let up = |session: &&Session| !session.installed.is_empty();
    let sessions = driver.house.sessions.iter().map(|(_, session)| session);
    SaNumbers {
        negotiating: stand.negotiating,
        sessions: number(sessions.filter(up).count()),
        active: stand.established,
        created,
        deleted: created.saturating_sub(there),
        closing: stand.closing,
    }
}

fn pools<A: Address>(all: &mut Tally, pools: &Pools<A>) {
    for range in pools.ranges() {
        let held = number(range.held.len());
        all.add(Metric::PoolAddresses, ["in_use", ""], held);
        let free = range.size().saturating_sub(held);
        all.add(Metric::PoolAddresses, ["free", ""], free);
    }
}

/// Every number at this moment.
pub fn metrics(driver: &mut Driver) -> Tally {
    count_lost(driver);
    let mut all = driver.house.tally.clone();
    let half_open = number(driver.endpoint.half_open());
    let stand = standing(&driver.endpoint);
    let negotiating = stand.negotiating.saturating_sub(half_open);
    for (state, count) in [
        ("half_open", half_open),
        ("negotiating", negotiating),
        ("established", stand.established),
        ("closing", stand.closing),
        ("over", stand.over),
    ] {
        all.add(Metric::IkeSas, [state, ""], count);
    }
    let waiting = number(driver.first_requests.len());
    all.add(Metric::WaitingRequests, ["", ""], waiting);
    let fragments = number(driver.endpoint.fragment_octets());
    all.add(Metric::FragmentBytes, ["", ""], fragments);
    pools(&mut all, &driver.house.pools.ipv4);
    pools(&mut all, &driver.house.pools.ipv6);
    let through = driver.house.counters();
    // What could not be removed is counted with the SAs that are gone only when it is.
    let left = driver.house.leftovers.ids();
    for carried in left.iter().filter_map(|id| through.get(id)) {
        traffic(&mut all, carried);
    }
    for (_, session) in driver.house.sessions.iter() {
        let up = u64::from(!session.installed.is_empty());
        all.add(Metric::Sessions, ["", ""], up);
        for carried in session
            .installed
            .iter()
            .filter_map(|one| through.get(&one.id))
        {
            traffic(&mut all, carried);
        }
    }
    let counters = driver.endpoint.counters();
    for (exchange, messages) in &counters.exchanges {
        let name = exchange.and_then(|one| one.name()).unwrap_or(OTHER);
        ways(&mut all, Metric::Messages, name, messages);
    }
    for (kind, messages) in &counters.notifies {
        let name = kind.and_then(|one| one.name()).unwrap_or(OTHER);
        ways(&mut all, Metric::Notifies, name, messages);
    }
    all.add(Metric::Retransmissions, ["", ""], counters.retransmitted);
    for (timer, count) in [
        ("auth", counters.timed_out),
        ("retransmission", counters.unanswered),
        ("liveness", counters.unanswered_probes),
    ] {
        all.add(Metric::Timeouts, [timer, ""], count);
    }
    let cookies = &counters.cookies;
    for (result, count) in [
        ("sent", cookies.sent),
        ("accepted", cookies.accepted),
        ("rejected", cookies.rejected),
        ("missing", cookies.missing),
    ] {
        all.add(Metric::Cookies, [result, ""], count);
    }
    let tokens = &counters.tokens;
    for (result, count) in [
        ("sent", tokens.sent),
        ("accepted", tokens.accepted),
        ("rejected", tokens.rejected),
    ] {
        all.add(Metric::CrashTokens, [result, ""], count);
    }
    let ppks = &counters.ppks;
    for (result, count) in [
        ("used", ppks.used),
        ("not_used", ppks.unused),
        ("required", ppks.required),
        ("unknown_identity", ppks.unknown),
        ("wrong", ppks.unproven),
    ] {
        all.add(Metric::Ppks, [result, ""], count);
    }
    all
}

fn ways(all: &mut Tally, metric: Metric, name: &'static str, messages: &Messages) {
    for (way, count) in [
        ("request_sent", messages.sent_requests),
        ("response_sent", messages.sent_responses),
        ("request_received", messages.received_requests),
        ("response_received", messages.received_responses),
    ] {
        if count > 0 {
            all.add(metric, [name, way], count);
        }
    }
}

fn row(name: Option<&str>, messages: &Messages) -> Row {
    Row {
        name: name.unwrap_or(OTHER_ROW).to_owned(),
        sent_requests: messages.sent_requests,
        sent_responses: messages.sent_responses,
        received_requests: messages.received_requests,
        received_responses: messages.received_responses,
    }
}

/// Messages by exchange, and below CREATE_CHILD_SA what its exchanges were for.
fn exchanges(counters: &Counters) -> Vec<Row> {
    let creations = &counters.creations;
    let purposes = [
        ("CREATE_CHILD_SA_IPSEC", &creations.child),
        ("CREATE_CHILD_SA_IPSEC_REKEY", &creations.child_rekey),
        ("CREATE_CHILD_SA_IKE_REKEY", &creations.ike_rekey),
    ];
    let mut rows = Vec::new();
    for (exchange, messages) in &counters.exchanges {
        rows.push(row(exchange.and_then(|one| one.name()), messages));
        if *exchange == Some(ExchangeType::CREATE_CHILD_SA) {
            let counted = purposes
                .iter()
                .filter(|(_, all)| **all != Messages::default());
            rows.extend(counted.map(|(name, messages)| row(Some(name), messages)));
        }
    }
    rows
}

/// Datagrams that belong to no SA and could begin none.
const UNDISPATCHED: [&str; 6] = [
    "malformed",
    "major_version",
    "unknown_spi",
    "unknown_spi_answered",
    "oversized_init",
    "contradictory_init",
];

/// First requests that were refused or dropped, by what for. No other discard is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Rejected {
    refused: u64,
    low_resources: u64,
    /// Those among these that met the limit on unauthenticated SAs.
    negotiating_limited: u64,
    sa_limited: u64,
    queue_limited: u64,
}

impl Rejected {
    fn of(tally: &Tally) -> Self {
        Self {
            refused: discards(tally, &["init_refused"]),
            low_resources: discards(
                tally,
                &[
                    "source_limited",
                    "half_open_table_full",
                    "negotiating_table_full",
                ],
            ),
            negotiating_limited: discards(
                tally,
                &["half_open_table_full", "negotiating_table_full"],
            ),
            sa_limited: discards(tally, &["sa_limited"]),
            queue_limited: discards(tally, &Refused::ALL.map(Refused::name)),
        }
    }

    const fn all(self) -> u64 {
        self.refused
            .saturating_add(self.low_resources)
            .saturating_add(self.sa_limited)
            .saturating_add(self.queue_limited)
    }
}

/// How many datagrams were discarded for one of these reasons.
fn discards(tally: &Tally, names: &[&'static str]) -> u64 {
    let counts = names.iter().map(|name| tally.one(Metric::Discarded, name));
    counts.fold(0, u64::saturating_add)
}

/// A metric's numbers by their one label.
fn by_reason(tally: &Tally, metric: Metric) -> Vec<(String, u64)> {
    let all = tally.all(metric);
    all.map(|([name, _], count)| (name.to_owned(), count))
        .collect()
}

/// Adds what was lost on the way to the core since this was last asked for.
fn count_lost(driver: &mut Driver) {
    let (lost, read) = driver.transport.lost();
    for (name, count) in lost.into_iter().filter(|(_, count)| *count > 0) {
        driver.house.tally.add(Metric::Discarded, [name, ""], count);
    }
    if let Err(error) = read {
        let told = format_args!("what the sockets had no room for cannot be counted: {error}");
        driver.house.log.trouble(&told);
    }
}

/// The numbers of `show crypto ikev2 stats` at this moment.
pub fn statistics(driver: &mut Driver) -> Statistics {
    count_lost(driver);
    let tally = &driver.house.tally;
    let counters = driver.endpoint.counters();
    let limits = &driver.house.plan.snapshot.ikev2.limits;
    let rejected = Rejected::of(tally);
    let stand = standing(&driver.endpoint);
    let notifies = |errors: bool| {
        let all = counters.notifies.iter();
        all.filter(move |(kind, _)| kind.is_some_and(NotifyType::is_error) == errors)
            .map(|(kind, messages)| row(kind.and_then(|one| one.name()), messages))
    };
    let probes = Some(&counters.probes).filter(|probes| **probes != Messages::default());
    let deletes = Some(&counters.deletes).filter(|deletes| **deletes != Messages::default());
    Statistics {
        sa_limit: limits.most_sas().map_or(0, u64::from),
        negotiating_limits: (
            number(driver.house.plan.endpoint.negotiating_limit),
            limits
                .negotiating_outgoing
                .map_or(OUTGOING_LIMIT, u64::from),
        ),
        incoming: SaCount {
            active: stand.established,
            negotiating: stand.negotiating,
        },
        outgoing: SaCount::default(),
        accepted: tally.of(Metric::Accepted, ["", ""]),
        rejected: rejected.all(),
        low_resources: rejected.low_resources,
        negotiating_limited: rejected.negotiating_limited,
        sa_limited: rejected.sa_limited,
        queue_limited: rejected.queue_limited,
        undispatched: discards(tally, &UNDISPATCHED),
        fragments_kept: tally.of(Metric::FragmentsKept, ["", ""]),
        challenged: counters.cookies.sent,
        cookies_accepted: counters.cookies.accepted,
        cookies_rejected: counters.cookies.rejected,
        cookies_missing: counters.cookies.missing,
        crash_tokens: Tokens {
            sent: counters.tokens.sent,
            accepted: counters.tokens.accepted,
            rejected: counters.tokens.rejected,
        },
        quantum_sessions: stand.with_ppk,
        ppks: Ppks {
            used: counters.ppks.used,
            unused: counters.ppks.unused,
            refused: tally.one(Metric::Refused, "no_post_quantum_key"),
            required: counters.ppks.required,
            unknown: counters.ppks.unknown,
            wrong: counters.ppks.unproven,
            wrong_required: counters.ppks.unproven_required,
        },
        without_nat: counters.without_nat,
        exchanges: exchanges(counters),
        errors: notifies(true).collect(),
        notifies: notifies(false)
            .chain(deletes.map(|deletes| row(Some("DELETE"), deletes)))
            .chain(probes.map(|probes| row(Some("DPD"), probes)))
            .collect(),
        configurations: counters
            .configurations
            .iter()
            .map(|(one, messages)| row(one.and_then(|one| one.name()), messages))
            .collect(),
        timers: Timers {
            auth: counters.timed_out,
            retransmissions: counters.unanswered,
            liveness: counters.unanswered_probes,
        },
        operations: Operations {
            eap: Operation::Eap.outcome(tally),
            authorization: Operation::Authorization.outcome(tally),
            sa_creation: Operation::SaCreation.outcome(tally),
            sa_deletion: Operation::SaDeletion.outcome(tally),
            signature: Operation::Signature.outcome(tally),
            certificate: Operation::Certificate.outcome(tally),
            policy: Operation::Policy.outcome(tally),
            public_values: driver.house.provider.public_values(),
            secrets: driver.house.provider.secrets(),
            verification: driver.house.provider.verifications(),
            issuers: Operation::Issuers.outcome(tally),
            own_certificates: Operation::OwnCertificate.outcome(tally),
            certified_names: Operation::CertifiedName.outcome(tally),
        },
        discards: by_reason(tally, Metric::Discarded),
        refusals: by_reason(tally, Metric::Refused),
    }
}

#[cfg(test)]
mod tests {
    use ironflex_ikev2::refusal::Refusal;

    use super::*;
    use crate::{
        cli::show::{Ikev2Stats, ikev2_stats},
        transport::LOST,
    };

    /// Every name under which a datagram is discarded.
    fn discard_names() -> Vec<&'static str> {
        let own = Refused::ALL.map(Refused::name).into_iter().chain(LOST);
        Discard::names().chain(own).collect()
    }

    fn refusal_names() -> Vec<&'static str> {
        Refusal::names()
            .chain([LOGIN_FAILED, TEMPLATE_SHUT_DOWN])
            .collect()
    }

    #[test]
    fn every_reason_to_discard_or_refuse_is_told_with_its_number() {
        let mut tally = Tally::default();
        let families = [
            (Metric::Discarded, discard_names()),
            (Metric::Refused, refusal_names()),
        ];
        let mut number = 1_000;
        for (metric, names) in &families {
            for name in names {
                number += 1;
                tally.add(*metric, [name, ""], number);
            }
        }
        let statistics = Statistics {
            discards: by_reason(&tally, Metric::Discarded),
            refusals: by_reason(&tally, Metric::Refused),
            ..Statistics::default()
        };
        let shown = ikev2_stats(&statistics, Ikev2Stats::Summary);
        let rows: Vec<Vec<&str>> = shown
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        let prometheus = tally.prometheus();
        let mut number = 1_000;
        for (metric, names) in &families {
            assert!(names.len() > 30, "{}", names.len());
            for name in names {
                number += 1;
                let count = number.to_string();
                assert!(rows.contains(&vec![*name, &count]), "{name}\n{shown}");
                let line = format!("{}{{reason=\"{name}\"}} {count}", metric.name());
                assert!(prometheus.lines().any(|one| one == line), "{line}");
            }
        }
    }

    #[test]
    fn every_first_request_that_was_turned_away_is_counted_once_as_rejected() {
        let rejecting = |name: &'static str| {
            let mut tally = Tally::default();
            tally.count_of(Metric::Discarded, name);
            Rejected::of(&tally)
        };
        for refused in Refused::ALL {
            let expected = Rejected {
                queue_limited: 1,
                ..Rejected::default()
            };
            assert_eq!(rejecting(refused.name()), expected, "{refused:?}");
        }
        let rejected = discard_names()
            .into_iter()
            .filter(|name| rejecting(name).all() == 1);
        assert_eq!(rejected.count(), 5 + Refused::ALL.len());
        // The names are those that there are.
        for name in UNDISPATCHED {
            assert!(Discard::names().any(|one| one == name), "{name}");
        }
    }

    #[test]
    fn a_fragment_that_is_kept_is_not_counted_with_what_is_discarded() {
        let mut tally = Tally::default();
        discarded(&mut tally, &Discard::FragmentKept);
        assert_eq!(tally.all(Metric::Discarded).count(), 0);
        let told = tally.prometheus();
        assert!(
            told.contains("\nironflex_ike_fragments_kept_total 1\n"),
            "{told}"
        );
        discarded(&mut tally, &Discard::FragmentRefused);
        assert_eq!(tally.one(Metric::Discarded, "fragment_refused"), 1);
    }
}
