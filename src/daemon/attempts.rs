//! The last attempts of clients to get in, as far as the headend can see them.
//!
//! An attempt begins where the core asks for a profile: by then its client has shown that it receives where it says
//! to be. What is refused before that anybody can provoke, under any address; it has a place of its own, where young
//! entries are not pushed out, so that a flood neither costs more than a look nor takes the place of anything.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use ironflex_ikev2::{
    event::{Answer, CloseReason, EapOutput, Instant, SaId},
    refusal::Refusal,
    source::Source,
    wire::{InitiatorSpi, header::Header},
};
use ironflex_profiles::model::ikev2::IdentityMatch;

use super::statistics::Operation;
use crate::state::attempts::{
    Attempt, AttemptOutcome, AttemptStep, EarlierFailure, Failure, Room, StepKind,
};

/// How many failed attempts are kept, and how many of one host; the networks around it have more ([`Source`]).
const FAILED: usize = 128;
const FAILED_OF_ONE: usize = 8;

/// How many that came up.
const SUCCEEDED: usize = 32;

/// How many hosts that were refused before anything was known of them.
const REFUSED: usize = 32;

/// How many other failures of such a host are kept.
const EARLIER: usize = 4;

/// How many of its requests are looked at in a second; of the others the last one looked at speaks.
const LOOKS: u32 = 4;

/// For how long such an entry is not pushed out by another source's.
const KEPT: Duration = Duration::from_secs(10);

/// For how long after a client came up what it sent before may still arrive.
const LATE: Duration = Duration::from_secs(30);

/// Steps of one attempt at most: EAP may take many turns.
const STEPS: usize = 32;

/// What a client stays at least that has found everything it needs.
const SETTLED: Duration = Duration::from_secs(10);

/// The longest answer that IP carries in one piece through most networks, in octets of UDP payload.
const ONE_PIECE: usize = 1_400;

/// How often an answer is asked for again before it counts as lost.
const LOST: u32 = 2;

/// An attempt that has not come to its end.
struct Open {
    attempt: Attempt,
    since: Instant,
    /// The message ID of the last answer.
    answer: u32,
    /// The length of its longest datagram in octets.
    answered: usize,
    /// How often it was asked for again.
    repeats: u32,
    /// Since when it is up.
    up: Option<Instant>,
    /// It looks for files over HTTPS once it is in, and leaves where it finds none: Cisco's client.
    downloads: bool,
}

/// The last of a host's first requests that were refused.
struct RefusedRequest {
    attempt: Attempt,
    since: Instant,
    /// When a second began in which requests are looked at, and how many were.
    looks: (Instant, u32),
    /// How many of the tries ended for the last one's failure.
    same: u32,
    /// It was told which group it is to be, and its IKE_AUTH has not come yet.
    searches: Option<Search>,
    /// The last ones, for several clients may be behind one address.
    last: VecDeque<Request>,
}

/// How many of one host are told from what they send again.
const TOLD_APART: usize = 8;

/// What is known of a client whose first request came with another group than the headend's.
#[derive(Debug)]
pub struct Search {
    /// The group that it began with.
    pub began: String,
    /// The one that it was told.
    pub wanted: String,
    /// A proposal of the headend's could have the first one, and has not.
    pub could_be_added: bool,
}

impl Search {
    /// What is told of it, by whether it has come back with the group that it was told.
    fn failure(&self, came_back: bool) -> Failure {
        let Self {
            began,
            wanted,
            could_be_added,
        } = self;
        let why = if came_back {
            format!(
                "the client began with group {began}, came back with the headend's {wanted} and was answered, and no IKE_AUTH of it has \
                 come since: look for what drops UDP 500 or 4500 on the way"
            )
        } else {
            let or_add = if *could_be_added {
                format!(", or add {began} to the 'crypto ikev2 proposal'")
            } else {
                String::new()
            };
            format!(
                "the client began with group {began}, was told that the headend wants {wanted}, and no SA has come of it since: have it \
                 begin with {wanted}, which it offers{or_add}"
            )
        };
        Failure::Other { why }
    }
}

/// What tells a refused request from another one: the client sends the same again until it is heard.
#[derive(PartialEq)]
struct Request {
    peer: SocketAddr,
    initiator_spi: Option<InitiatorSpi>,
    refusal: Refusal,
}

impl RefusedRequest {
    /// It has begun anew, with another group than ours again.
    fn searches_again(&mut self, now: Instant, request: Request, search: impl FnOnce() -> Search) {
        self.last.truncate(TOLD_APART.saturating_sub(1));
        self.last.push_front(request);
        self.attempt.tries = self.attempt.tries.saturating_add(1);
        self.same = self.same.saturating_add(1);
        let (second, looked) = self.looks;
        self.looks = match now.since(second) < Duration::from_secs(1) {
            true if looked >= LOOKS => return,
            true => (second, looked.saturating_add(1)),
            false => (now, 1),
        };
        let search = search();
        self.since = now;
        self.attempt = Attempt {
            tries: self.attempt.tries,
            ..refused_at_once(self.attempt.peer, search.failure(false))
        };
        self.searches = Some(search);
    }

    /// What is known of this host once a request of it ended for `failure`: how many did, and what others ended for.
    fn followed_by(&mut self, failure: &Failure) -> (u32, Vec<EarlierFailure>) {
        let mut earlier = std::mem::take(&mut self.attempt.earlier);
        let Some(last) = self.attempt.failure.take() else {
            return (1, earlier);
        };
        if last == *failure {
            return (self.same.saturating_add(1), earlier);
        }
        let known = earlier.iter().position(|one| one.failure == *failure);
        let before = known.map_or(0, |at| earlier.remove(at).tries);
        let last = EarlierFailure {
            failure: last,
            tries: self.same,
            last: self.attempt.begun,
        };
        earlier.insert(0, last);
        earlier.truncate(EARLIER);
        (before.saturating_add(1), earlier)
    }
}

/// All of them.
#[derive(Default)]
pub struct Attempts {
    open: BTreeMap<SaId, Open>,
    by_peer: BTreeMap<SocketAddr, SaId>,
    failed: VecDeque<Attempt>,
    succeeded: VecDeque<(SaId, Open)>,
    refused: Vec<RefusedRequest>,
    /// How many that failed had to make room for others.
    displaced: u64,
}

impl Attempts {
    /// A client is known so far that a profile is looked for.
    pub fn begin(
        &mut self,
        sa: SaId,
        peer: SocketAddr,
        identity: String,
        (created, now): (Instant, Instant),
    ) {
        self.has_found(peer);
        let before = now.since(created);
        let begun = SystemTime::now();
        let begun = begun.checked_sub(before).unwrap_or(begun);
        let attempt = Attempt {
            begun,
            peer,
            identity: Some(identity),
            user: None,
            profile: None,
            tries: 1,
            steps: vec![AttemptStep {
                after: Duration::ZERO,
                what: StepKind::Init,
                passed: true,
                detail: None,
            }],
            outcome: AttemptOutcome::UnderWay,
            failure: None,
            earlier: Vec::new(),
        };
        let open = Open {
            attempt,
            since: created,
            answer: 0,
            answered: 0,
            repeats: 0,
            up: None,
            downloads: false,
        };
        self.by_peer.insert(peer, sa);
        self.open.insert(sa, open);
    }

    fn note(
        &mut self,
        now: Instant,
        sa: SaId,
        what: StepKind,
        passed: bool,
        detail: Option<String>,
    ) {
        if let Some(open) = self.open.get_mut(&sa) {
            open.note(now, what, passed, detail);
        }
    }

    /// What it is called where it is told: the profile, the user.
    pub fn name(&mut self, sa: SaId, profile: Option<&str>, user: Option<&str>) {
        if let Some(open) = self.open.get_mut(&sa) {
            if let Some(profile) = profile {
                open.attempt.profile = Some(profile.to_owned());
            }
            if let Some(user) = user {
                open.attempt.user = Some(user.to_owned());
            }
        }
    }

    /// What went wrong; the last word counts. One that came up has failed for it all the same.
    pub fn fail(&mut self, sa: SaId, failure: Failure) {
        if let Some(open) = self.open.get_mut(&sa) {
            open.attempt.failure = Some(failure);
            return;
        }
        let at = self.succeeded.iter().position(|(one, _)| *one == sa);
        if let Some((_, Open { mut attempt, .. })) = at.and_then(|at| self.succeeded.remove(at)) {
            attempt.outcome = AttemptOutcome::Failed;
            attempt.failure = Some(failure);
            self.keep(attempt);
        }
    }

    /// What is wrong with one that goes on, as far as it is known.
    #[must_use]
    pub fn failure(&self, sa: SaId) -> Option<&Failure> {
        self.open.get(&sa)?.attempt.failure.as_ref()
    }

    /// A question of the core was answered.
    pub fn answered(
        &mut self,
        now: Instant,
        sa: SaId,
        operation: Operation,
        answer: &Result<Answer, String>,
    ) {
        let what = match (operation, answer) {
            // Its turns are told where they end.
            (Operation::Eap, Ok(Answer::Eap(EapOutput::Packet(_) | EapOutput::Ignore))) => return,
            (Operation::Eap, _) => StepKind::Eap,
            (Operation::Profile, _) => StepKind::Profile,
            (Operation::Certificate, _) => StepKind::Certificate,
            (Operation::Signature, _) => StepKind::Signature,
            (Operation::Authorization, _) => StepKind::Authorization,
            (Operation::SaCreation, _) => StepKind::ChildSa,
            (
                Operation::SaDeletion
                | Operation::Policy
                | Operation::Issuers
                | Operation::OwnCertificate
                | Operation::CertifiedName,
                _,
            ) => return,
        };
        let why = match answer {
            Ok(Answer::Eap(EapOutput::Failure { why, .. })) => Some(why.to_string()),
            Ok(_) => None,
            Err(why) => Some(why.clone()),
        };
        let Some(why) = why else {
            return self.note(now, sa, what, true, None);
        };
        let failure = match operation {
            Operation::Certificate => Some(Failure::Certificate { why: why.clone() }),
            Operation::Authorization => Some(Failure::Authorization { why: why.clone() }),
            Operation::SaCreation => Some(Failure::Child { why: why.clone() }),
            // What was wrong has been said where it was found.
            _ => None,
        };
        let open = self.open.get_mut(&sa);
        if let Some(open) = open {
            match failure {
                Some(failure) => open.attempt.failure = Some(failure),
                None => {
                    let why = why.clone();
                    let failure = &mut open.attempt.failure;
                    failure.get_or_insert(Failure::Other { why });
                }
            }
        }
        self.note(now, sa, what, false, Some(why));
    }

    /// A password or a certificate in EAP was judged.
    pub fn logged_in(&mut self, now: Instant, sa: SaId, failure: Option<Failure>) {
        let detail = match &failure {
            Some(Failure::Login { why, .. } | Failure::Certificate { why }) => Some(why.clone()),
            _ => None,
        };
        self.note(now, sa, StepKind::Login, failure.is_none(), detail);
        if let Some(open) = self.open.get_mut(&sa) {
            open.attempt.failure = failure;
        }
    }

    /// It has proven who it is. `downloads` is whether it is a client that looks for files over HTTPS next.
    pub fn authenticated(&mut self, now: Instant, sa: SaId, user: &str, downloads: bool) {
        self.note(now, sa, StepKind::Authenticated, true, None);
        self.name(sa, None, Some(user));
        if let Some(open) = self.open.get_mut(&sa) {
            open.downloads = downloads;
        }
    }

    /// There will be no child SA.
    pub fn childless(&mut self, now: Instant, sa: SaId, why: &Refusal, failure: Failure) {
        if let Some(open) = self.open.get_mut(&sa) {
            open.attempt.failure.get_or_insert(failure);
        }
        self.note(now, sa, StepKind::ChildSa, false, Some(why.to_string()));
    }

    /// A datagram went out.
    pub fn sent(&mut self, peer: SocketAddr, octets: &[u8]) {
        let Some(sa) = self.by_peer.get(&peer) else {
            return;
        };
        let Some(open) = self.open.get_mut(sa) else {
            return;
        };
        let Ok(header) = Header::peek(octets) else {
            return;
        };
        if !header.flags.is_response() {
            return;
        }
        // Of an answer in fragments the last one is short; what was asked for again before has arrived since.
        let id = header.message_id.0;
        if open.answer != id {
            (open.answer, open.answered, open.repeats) = (id, 0, 0);
        }
        open.answered = open.answered.max(octets.len());
    }

    /// A request came again, and was answered again.
    pub fn repeated(&mut self, now: Instant, peer: SocketAddr) {
        let sa = self.by_peer.get(&peer);
        if let Some(open) = sa.and_then(|sa| self.open.get_mut(sa)) {
            open.repeated(now);
        }
    }

    /// Its place is no more its own, unless another attempt has come there.
    fn leave(&mut self, peer: SocketAddr, sa: SaId) {
        if self.by_peer.get(&peer) == Some(&sa) {
            self.by_peer.remove(&peer);
        }
    }

    /// It is up.
    pub fn up(&mut self, now: Instant, sa: SaId) {
        self.note(now, sa, StepKind::Up, true, None);
        let Some(mut open) = self.open.remove(&sa) else {
            return;
        };
        self.leave(open.attempt.peer, sa);
        open.attempt.outcome = AttemptOutcome::Up;
        open.attempt.failure = None;
        open.up = Some(now);
        self.succeeded.push_back((sa, open));
        if self.succeeded.len() > SUCCEEDED {
            self.succeeded.pop_front();
        }
    }

    /// It is over. `fragmentation` is whether both ends could have sent fragments.
    pub fn closed(&mut self, now: Instant, sa: SaId, reason: &CloseReason, fragmentation: bool) {
        let detail = match self.failure(sa) {
            // What a client says then is no cause.
            Some(Failure::Login { why, .. }) => {
                format!("after the refusal ({why}): {reason}")
            }
            _ => reason.to_string(),
        };
        self.note(now, sa, StepKind::Ended, false, Some(detail));
        if let Some(mut open) = self.open.remove(&sa) {
            self.leave(open.attempt.peer, sa);
            open.attempt.outcome = AttemptOutcome::Failed;
            if open.attempt.failure.is_none() {
                open.attempt.failure = Some(open.explain(reason, fragmentation));
            }
            self.keep(open.attempt);
            return;
        }
        if !matches!(reason, CloseReason::PeerDeleted) {
            return;
        }
        let mut came_up = self.succeeded.iter_mut().rev();
        let Some((_, open)) = came_up.find(|(one, _)| *one == sa) else {
            return;
        };
        let stayed = open.up.map(|up| now.since(up));
        if let Some(stayed) = stayed.filter(|stayed| *stayed < SETTLED) {
            open.note(now, StepKind::Ended, true, Some(reason.to_string()));
            open.attempt.outcome = AttemptOutcome::Left;
            let seconds = stayed.as_secs();
            open.attempt.failure = open.downloads.then_some(Failure::LeftEarly { seconds });
        }
    }

    fn keep(&mut self, attempt: Attempt) {
        for (network, times) in source(attempt.peer).networks() {
            let own = |one: &Attempt| source(one.peer).is_in(network);
            let count = self.failed.iter().filter(|&one| own(one)).count();
            if count >= times.of(FAILED_OF_ONE, FAILED)
                && let Some(first) = self.failed.iter().position(own)
            {
                self.failed.remove(first);
                self.displaced = self.displaced.saturating_add(1);
            }
        }
        if self.failed.len() >= FAILED {
            self.failed.pop_front();
            self.displaced = self.displaced.saturating_add(1);
        }
        self.failed.push_back(attempt);
    }

    /// A first request came with another group than ours, and its sender was told which one to come back with. Most do at once, so
    /// that it takes the place of nothing but what is older and of its own kind, and gives it to whatever is refused. `search` is only
    /// called if it is kept.
    pub fn searches(
        &mut self,
        now: Instant,
        peer: SocketAddr,
        (initiator_spi, refusal): (Option<InitiatorSpi>, &Refusal),
        search: impl FnOnce() -> Search,
    ) {
        let own = source(peer);
        let request = Request {
            peer,
            initiator_spi,
            refusal: refusal.clone(),
        };
        if let Some(known) = self.refused_of(own).and_then(|at| self.refused.get_mut(at)) {
            // What it is refused for is told instead.
            if known.searches.is_some() && !known.last.contains(&request) {
                known.searches_again(now, request, search);
            }
            return;
        }
        let place = match self.place_of_refused(own) {
            None => None,
            Some((at, true, last)) if now.since(last) >= KEPT => Some(at),
            Some(_) => return,
        };
        // It may be a copy of what it sent first.
        if self.is_there(now, own) {
            return;
        }
        let search = search();
        let refused = RefusedRequest {
            attempt: refused_at_once(peer, search.failure(false)),
            since: now,
            looks: (now, 1),
            same: 1,
            searches: Some(search),
            last: VecDeque::from([request]),
        };
        match place.and_then(|at| self.refused.get_mut(at)) {
            Some(old) => *old = refused,
            None => self.refused.push(refused),
        }
    }

    /// Where there is something of this host that was refused.
    fn refused_of(&self, host: Source) -> Option<usize> {
        let mut entries = self.refused.iter();
        entries.position(|one| source(one.attempt.peer).is_one_host_with(host))
    }

    /// Whether a client of this host is on its way in, or has come in lately.
    fn is_there(&self, now: Instant, host: Source) -> bool {
        let is_own = |peer: &SocketAddr| source(*peer).is_one_host_with(host);
        let lately = |open: &Open| open.up.is_some_and(|up| now.since(up) < LATE);
        let mut succeeded = self.succeeded.iter().map(|(_, open)| open);
        self.by_peer.keys().any(is_own)
            || succeeded.any(|open| lately(open) && is_own(&open.attempt.peer))
    }

    /// A first request of this host was answered: it may be the one that was told another group.
    pub fn half_open(&mut self, peer: SocketAddr) {
        let known = self.refused_of(source(peer));
        let Some(one) = known.and_then(|at| self.refused.get_mut(at)) else {
            return;
        };
        if let Some(search) = &one.searches {
            one.attempt.failure = Some(search.failure(true));
            one.attempt
                .steps
                .iter_mut()
                .for_each(|step| step.passed = true);
        }
    }

    /// This host has come back with the group that it was told, and goes on.
    fn has_found(&mut self, peer: SocketAddr) {
        let own = source(peer);
        self.refused.retain(|one| {
            one.searches.is_none() || !source(one.attempt.peer).is_one_host_with(own)
        });
    }

    /// A first request was refused, before anything was known of its sender. `failure` is only called if it is kept. Returns whether
    /// it is another one than this host's last: a client sends the same again and again, and is refused for the same.
    pub fn refused(
        &mut self,
        now: Instant,
        peer: SocketAddr,
        (initiator_spi, refusal): (Option<InitiatorSpi>, &Refusal),
        failure: impl FnOnce() -> Failure,
    ) -> bool {
        self.has_found(peer);
        let own = source(peer);
        let known = self.refused_of(own);
        let place = match known {
            Some(at) => Some(at),
            None => match self.place_of_refused(own) {
                Some((_, false, last)) if now.since(last) < KEPT => return true,
                place => place.map(|(at, ..)| at),
            },
        };
        let request = Request {
            peer,
            initiator_spi,
            refusal: refusal.clone(),
        };
        let mut last = VecDeque::new();
        let mut looks = (now, 1);
        let mut tries = 1;
        let mut before = None;
        if let Some(one) = known.and_then(|at| self.refused.get_mut(at)) {
            if one.last.contains(&request) {
                return false;
            }
            one.last.truncate(TOLD_APART.saturating_sub(1));
            one.last.push_front(request);
            tries = one.attempt.tries.saturating_add(1);
            let (second, looked) = one.looks;
            if now.since(second) < Duration::from_secs(1) {
                if looked >= LOOKS {
                    one.attempt.tries = tries;
                    one.same = one.same.saturating_add(1);
                    return true;
                }
                looks = (second, looked.saturating_add(1));
            }
            last = std::mem::take(&mut one.last);
            before = Some(one);
        } else {
            last.push_front(request);
        }
        let failure = failure();
        let (same, earlier) = before.map_or((1, Vec::new()), |one| one.followed_by(&failure));
        let refused = RefusedRequest {
            attempt: Attempt {
                tries,
                earlier,
                ..refused_at_once(peer, failure)
            },
            since: now,
            looks,
            same,
            searches: None,
            last,
        };
        match place.and_then(|at| self.refused.get_mut(at)) {
            Some(old) => {
                if known.is_none() {
                    self.displaced = self.displaced.saturating_add(1);
                }
                *old = refused;
            }
            None => self.refused.push(refused),
        }
        true
    }

    /// Whose place this source may take, whether that one only searches, and since when it is that one's; `None` where there is room.
    fn place_of_refused(&self, source_of_one: Source) -> Option<(usize, bool, Instant)> {
        // One host has one entry, see above.
        let crowded = source_of_one.networks().find(|&(network, times)| {
            let held = self.refused.iter();
            let held = held.filter(|one| source(one.attempt.peer).is_in(network));
            held.count() >= times.of(1, REFUSED)
        });
        if crowded.is_none() && self.refused.len() < REFUSED {
            return None;
        }
        let entries = self.refused.iter().enumerate();
        let entries = entries.filter(|(_, one)| {
            crowded.is_none_or(|(network, _)| source(one.attempt.peer).is_in(network))
        });
        let last = entries.map(|(at, one)| (at, one.searches.is_some(), one.since));
        last.min_by_key(|&(_, searches, last)| (!searches, last))
    }

    /// How much room there is for those that failed.
    #[must_use]
    pub const fn room(&self) -> Room {
        Room {
            most: FAILED.saturating_add(REFUSED),
            displaced: self.displaced,
        }
    }

    /// All that are on record, the newest first.
    #[must_use]
    pub fn facts(&self) -> Vec<Attempt> {
        let refused = self.refused.iter().map(|one| &one.attempt);
        let succeeded = self.succeeded.iter().map(|(_, open)| &open.attempt);
        let open = self.open.values().map(|open| &open.attempt);
        let mut all: Vec<Attempt> = self
            .failed
            .iter()
            .chain(refused)
            .chain(succeeded)
            // Those under way may be many, and are in the tables of SAs.
            .chain(open.take(FAILED))
            .cloned()
            .collect();
        all.sort_by_key(|attempt| std::cmp::Reverse(attempt.begun));
        all
    }
}

/// What was refused before anything was known of its sender.
fn refused_at_once(peer: SocketAddr, failure: Failure) -> Attempt {
    Attempt {
        begun: SystemTime::now(),
        peer,
        identity: None,
        user: None,
        profile: None,
        tries: 1,
        steps: vec![AttemptStep {
            after: Duration::ZERO,
            what: StepKind::Init,
            passed: false,
            detail: None,
        }],
        outcome: AttemptOutcome::Failed,
        failure: Some(failure),
        earlier: Vec::new(),
    }
}

fn source(peer: SocketAddr) -> Source {
    Source::of(peer.ip())
}

impl Open {
    /// Adds a step. Where there is no room it takes the place of the last one: the beginning and the end are told.
    fn note(&mut self, now: Instant, what: StepKind, passed: bool, detail: Option<String>) {
        self.attempt.steps.truncate(STEPS.saturating_sub(1));
        self.attempt.steps.push(AttemptStep {
            after: now.since(self.since),
            what,
            passed,
            detail,
        });
    }

    /// The last answer was asked for again: one step, however often.
    fn repeated(&mut self, now: Instant) {
        self.repeats = self.repeats.saturating_add(1);
        let octets = self.answered;
        let detail = match self.repeats {
            1 => format!("the answer has {octets} octets"),
            times => format!("{times} times; the answer has {octets} octets"),
        };
        let last = self.attempt.steps.last();
        let goes_on = last.is_some_and(|last| last.what == StepKind::Repeated);
        if goes_on && self.repeats > 1 {
            self.attempt.steps.pop();
        }
        self.note(now, StepKind::Repeated, true, Some(detail));
    }

    /// What it ended for, where nothing has been found wrong.
    fn explain(&self, reason: &CloseReason, fragmentation: bool) -> Failure {
        let waits = matches!(reason, CloseReason::TimedOut | CloseReason::PeerDeleted);
        if waits && self.repeats >= LOST && self.answered > ONE_PIECE {
            return Failure::AnswerLost {
                octets: self.answered,
                repeats: self.repeats,
                fragmentation,
            };
        }
        match reason {
            CloseReason::TimedOut => {
                let done = self.attempt.steps.iter().rev().map(|step| step.what);
                let mut done =
                    done.filter(|what| !matches!(what, StepKind::Ended | StepKind::Repeated));
                let after = done.next().unwrap_or(StepKind::Init);
                Failure::NotGoneOn { after }
            }
            other => Failure::Other {
                why: other.to_string(),
            },
        }
    }
}

/// The rules that come nearest to an identity: those that share most with it.
#[must_use]
pub fn nearest<'r>(identity: &str, rules: impl Iterator<Item = &'r IdentityMatch>) -> Vec<String> {
    const TOLD: usize = 3;
    let identity = identity.to_ascii_lowercase();
    let shared = |rule: &str| {
        let rule = rule.to_ascii_lowercase();
        let value = rule.rsplit(' ').next().unwrap_or_default();
        let same = |(one, other): &(char, char)| one == other;
        let front = value.chars().zip(identity.chars()).take_while(same).count();
        let back = value.chars().rev().zip(identity.chars().rev());
        front.max(back.take_while(same).count())
    };
    let mut rules: Vec<String> = rules.map(ToString::to_string).collect();
    rules.sort_by_key(|rule| std::cmp::Reverse(shared(rule)));
    rules.dedup();
    rules.truncate(TOLD);
    rules
}

#[cfg(test)]
mod tests;
