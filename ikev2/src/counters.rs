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

/// CREATE_CHILD_SA requests (RFC 7296 §1.3). Of responses it cannot be told.
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
    /// CREATE_CHILD_SA requests by what they are for.
    pub creations: Creations,
    /// Requests that ask for nothing but an answer (RFC 7296 §1.4).
    pub probes: Messages,
    /// IKE_SA_INIT requests of peers that were taken, with no NAT between.
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
        if !response {
            self.request(sent, header.exchange, payloads);
        }
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

    /// What a request is for, by what is in it.
    fn request(&mut self, sent: bool, exchange: ExchangeType, payloads: &[Payload]) {
        let has = |wanted: fn(&Payload) -> bool| payloads.iter().any(wanted);
        let messages = match exchange {
            ExchangeType::INFORMATIONAL if payloads.is_empty() => &mut self.probes,
            ExchangeType::CREATE_CHILD_SA => {
                let selects = has(|one| matches!(one, Payload::TsI(_)));
                let replaces = has(
                    |one| matches!(one, Payload::Notify(said) if said.kind == NotifyType::REKEY_SA),
                );
                match (selects, replaces) {
                    (_, true) => &mut self.creations.child_rekey,
                    (true, false) => &mut self.creations.child,
                    (false, false) => &mut self.creations.ike_rekey,
                }
            }
            _ => return,
        };
        more(messages.of(sent, false));
    }
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
        let header = |exchange, response| {
            let spi = InitiatorSpi::new(1).unwrap();
            Header::new(
                spi,
                None,
                exchange,
                Flags::new(true, response),
                MessageId(7),
            )
        };
        let child = header(ExchangeType::CREATE_CHILD_SA, false);
        let selectors = || {
            Payload::TsI(TrafficSelectors {
                selectors: Vec::new(),
                skipped: 0,
            })
        };
        let rekey = || Payload::Notify(Notify::plain(NotifyType::REKEY_SA));
        let mut counters = Counters::default();
        counters.received(&child, &[rekey(), selectors()]);
        counters.received(&child, &[selectors()]);
        counters.sent(&child, &[]);
        counters.sent(&header(ExchangeType::CREATE_CHILD_SA, true), &[selectors()]);
        counters.sent(&header(ExchangeType::INFORMATIONAL, false), &[]);
        counters.received(&header(ExchangeType::INFORMATIONAL, true), &[]);
        counters.received(&header(ExchangeType::INFORMATIONAL, false), &[rekey()]);
        let sent = Messages {
            sent_requests: 1,
            ..Messages::default()
        };
        let received = Messages {
            received_requests: 1,
            ..Messages::default()
        };
        let expected = Creations {
            child: received,
            child_rekey: received,
            ike_rekey: sent,
        };
        assert_eq!((counters.creations, counters.probes), (expected, sent));
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
