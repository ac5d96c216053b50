//! What an endpoint has sent, received and demanded so far. Numbers that only grow; what they mean to an
//! operator is the outside's to say.

use alloc::collections::BTreeMap;

use crate::wire::{
    header::Header,
    payload::Payload,
    registry::{ConfigType, ExchangeType, NotifyType},
};

/// Messages, or payloads in them, by direction and kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Messages {
    /// In requests that we sent, repeats not counted.
    pub sent_requests: u64,
    /// In responses that we sent, repeats not counted.
    pub sent_responses: u64,
    /// In requests of peers.
    pub received_requests: u64,
    /// In responses of peers.
    pub received_responses: u64,
}

impl Messages {
    const fn of(&mut self, sent: bool, response: bool) -> &mut u64 {
        match (sent, response) {
            (true, false) => &mut self.sent_requests,
            (true, true) => &mut self.sent_responses,
            (false, false) => &mut self.received_requests,
            (false, true) => &mut self.received_responses,
        }
    }
}

/// CREATE_CHILD_SA exchanges (RFC 7296 §1.3). A response is of the kind of its request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Creations {
    /// For a new child SA.
    pub child: Messages,
    /// For a child SA in the place of another.
    pub child_rekey: Messages,
    /// For an IKE SA in the place of this one.
    pub ike_rekey: Messages,
}

/// What became of the requests that had to bring a cookie (RFC 7296 §2.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cookies {
    /// Cookies sent.
    pub sent: u64,
    /// Requests that brought a good one.
    pub accepted: u64,
    /// Requests that brought one which is not good, or not any more.
    pub rejected: u64,
    /// Requests that brought none.
    pub missing: u64,
}

/// Tokens of quick crash detection in clear (RFC 6290).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Messages with a token that we sent, for SAs that are not known here.
    pub sent: u64,
    /// Messages with the token of an SA, which was ended.
    pub accepted: u64,
    /// Messages with another token.
    pub rejected: u64,
}

/// What became of post-quantum pre-shared keys, login by login (RFC 8784 §6: who configures one wants to know where it
/// is not used).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PostQuantumKeys {
    /// Peers that proved themselves with one mixed in.
    pub used: u64,
    /// Peers that did so without, although one is configured for them.
    pub unused: u64,
    /// SAs that were refused because one is required here, and the peer did not use it.
    pub required: u64,
    /// Peers that named one that is not known here, whatever became of them.
    pub unknown: u64,
    /// Peers whose proof did not hold with one mixed in.
    pub unproven: u64,
    /// Those among them for which it is required.
    pub unproven_required: u64,
}

/// The counters of one endpoint.
///
/// A type that has no registered name is counted under `None`: what peers send must not make a table grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages by exchange. Received ones have passed the integrity check, if they are of an SA.
    pub exchanges: BTreeMap<Option<ExchangeType>, Messages>,
    /// Notify payloads in them.
    pub notifies: BTreeMap<Option<NotifyType>, Messages>,
    /// Configuration payloads in them.
    pub configurations: BTreeMap<Option<ConfigType>, Messages>,
    /// Delete payloads in them.
    pub deletes: Messages,
    /// CREATE_CHILD_SA exchanges by what they are for.
    pub creations: Creations,
    /// INFORMATIONAL exchanges that ask for nothing but an answer (RFC 7296 §1.4), and for where the asker is seen (RFC 4555
    /// §3.8).
    pub probes: Messages,
    /// IKE_SA_INIT requests of peers that were taken, with no NAT between as both ends' hashes say.
    pub without_nat: u64,
    /// Requests that were sent again because no answer had come.
    pub retransmitted: u64,
    /// Requests that were given up because no answer came; see [`unanswered_probes`](Self::unanswered_probes).
    pub unanswered: u64,
    /// Signs of life that were asked for and did not come.
    pub unanswered_probes: u64,
    /// SAs whose peer did not go on in time.
    pub timed_out: u64,
    /// Cookies.
    pub cookies: Cookies,
    /// Tokens of quick crash detection.
    pub tokens: Tokens,
    /// Post-quantum pre-shared keys.
    pub ppks: PostQuantumKeys,
}

/// One more.
pub(crate) const fn more(count: &mut u64) {
    *count = count.saturating_add(1);
}

impl Counters {
    pub(crate) fn sent(&mut self, header: &Header, payloads: &[Payload]) {
        self.message(true, header);
        self.payloads(true, header, payloads);
    }

    pub(crate) fn received(&mut self, header: &Header, payloads: &[Payload]) {
        self.message(false, header);
        self.payloads(false, header, payloads);
    }

    fn message(&mut self, sent: bool, header: &Header) {
        let known = header.exchange.name().map(|_| header.exchange);
        let messages = self.exchanges.entry(known).or_default();
        more(messages.of(sent, header.flags.is_response()));
    }

    /// A request whose payloads are not looked at: nobody has shown that it comes from where it says.
    pub(crate) fn glanced(&mut self, header: &Header) {
        self.message(false, header);
    }

    /// The payloads of a message that was counted before.
    pub(crate) fn payloads(&mut self, sent: bool, header: &Header, payloads: &[Payload]) {
        let response = header.flags.is_response();
        for payload in payloads {
            let messages = match payload {
                Payload::Notify(said) => {
                    let known = said.kind.name().map(|_| said.kind);
                    self.notifies.entry(known).or_default()
                }
                Payload::Cp(configuration) => {
                    let kind = configuration.kind;
                    let known = kind.name().map(|_| kind);
                    self.configurations.entry(known).or_default()
                }
                Payload::Delete(_) => &mut self.deletes,
                _ => continue,
            };
            more(messages.of(sent, response));
        }
    }

    /// A message of an exchange for this.
    pub(crate) const fn exchanged(&mut self, purpose: Purpose, sent: bool, response: bool) {
        let messages = match purpose {
            Purpose::Probe => &mut self.probes,
            Purpose::Child => &mut self.creations.child,
            Purpose::ChildRekey => &mut self.creations.child_rekey,
            Purpose::IkeRekey => &mut self.creations.ike_rekey,
        };
        more(messages.of(sent, response));
    }
}

/// What an exchange is for, where its type alone does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To see whether the peer lives.
    Probe,
    /// A new child SA.
    Child,
    /// A child SA in the place of another.
    ChildRekey,
    /// An IKE SA in the place of this one.
    IkeRekey,
}

impl Purpose {
    /// The purpose of a request with these payloads.
    pub(crate) fn of(exchange: ExchangeType, payloads: &[Payload]) -> Option<Self> {
        match exchange {
            ExchangeType::INFORMATIONAL => payloads
                .iter()
                .all(is_of_nat_detection)
                .then_some(Self::Probe),
            ExchangeType::CREATE_CHILD_SA => {
                let has = |wanted: fn(&Payload) -> bool| payloads.iter().any(wanted);
                let replaces = has(
                    |one| matches!(one, Payload::Notify(said) if said.kind == NotifyType::REKEY_SA),
                );
                let selects = has(|one| matches!(one, Payload::TsI(_)));
                Some(match (replaces, selects) {
                    (true, _) => Self::ChildRekey,
                    (false, true) => Self::Child,
                    (false, false) => Self::IkeRekey,
                })
            }
            _ => None,
        }
    }
}

const fn is_of_nat_detection(payload: &Payload) -> bool {
    let Payload::Notify(said) = payload else {
        return false;
    };
    matches!(
        said.kind,
        NotifyType::NAT_DETECTION_SOURCE_IP | NotifyType::NAT_DETECTION_DESTINATION_IP
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{
        header::{Flags, InitiatorSpi, MessageId},
        payload::{Notify, TrafficSelectors},
    };

    #[test]
    fn requests_are_told_apart_by_what_they_are_for() {
        let selectors = || {
            Payload::TsI(TrafficSelectors {
                selectors: Vec::new(),
                skipped: 0,
            })
        };
        let said = |kind| Payload::Notify(Notify::plain(kind));
        let rekey = || said(NotifyType::REKEY_SA);
        let seen = || said(NotifyType::NAT_DETECTION_SOURCE_IP);
        let creation = |payloads: &[Payload]| Purpose::of(ExchangeType::CREATE_CHILD_SA, payloads);
        assert_eq!(creation(&[rekey(), selectors()]), Some(Purpose::ChildRekey));
        assert_eq!(creation(&[selectors()]), Some(Purpose::Child));
        assert_eq!(creation(&[seen()]), Some(Purpose::IkeRekey));
        let informational =
            |payloads: &[Payload]| Purpose::of(ExchangeType::INFORMATIONAL, payloads);
        assert_eq!(informational(&[]), Some(Purpose::Probe));
        assert_eq!(informational(&[seen()]), Some(Purpose::Probe));
        assert_eq!(informational(&[seen(), said(NotifyType::COOKIE2)]), None);
        assert_eq!(informational(&[selectors()]), None);
        assert_eq!(Purpose::of(ExchangeType::IKE_AUTH, &[]), None);
    }

    #[test]
    fn what_has_no_name_is_counted_together() {
        let header = Header::new(
            InitiatorSpi::new(1).unwrap(),
            None,
            ExchangeType(200),
            Flags::new(true, false),
            MessageId(0),
        );
        let payloads: Vec<Payload> = (40_000..41_000)
            .chain([NotifyType::COOKIE.0])
            .map(|kind| Payload::Notify(Notify::plain(NotifyType(kind))))
            .collect();
        let mut counters = Counters::default();
        counters.received(&header, &payloads);
        counters.sent(&header, &payloads[1_000..]);
        let once = |sent_requests, received_requests| Messages {
            sent_requests,
            received_requests,
            ..Messages::default()
        };
        assert_eq!(counters.exchanges, [(None, once(1, 1))].into());
        let expected = [
            (None, once(0, 1_000)),
            (Some(NotifyType::COOKIE), once(1, 1)),
        ];
        assert_eq!(counters.notifies, expected.into());
    }
}
