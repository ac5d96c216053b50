//! Which SA a datagram belongs to, and what is said to those that belong to none.

use alloc::{boxed::Box, sync::Arc, vec::Vec};

use super::{Endpoint, table::Slot};
use crate::{
    event::{Discard, Instant, Output, Path, SaId, Transmit},
    sa::{
        Cx, IkeSa,
        link::{Link, Received},
        state::Outcome,
    },
    source::Source,
    wire::{
        header::{Flags, Header, ResponderSpi, Version},
        message::{Body, PartialMessage, write_message},
        payload::{Notify, Payload},
        registry::{ExchangeType, NotifyType, PayloadType},
    },
};

/// Messages that belong to no SA and start none are answered this often per second at most (RFC 7296
/// §2.21.4), and a tenth as often to one host, see [`crate::source`].
const OUTSIDER_ANSWERS_PER_SECOND: usize = 50;

impl Endpoint {
    pub(super) fn datagram(
        &mut self,
        now: Instant,
        path: Path,
        datagram: &[u8],
    ) -> Result<(), Discard> {
        let header = Header::peek(datagram).map_err(Discard::Malformed)?;
        if header.version.major != Version::V2.major {
            return Err(self.other_version(now, path, &header));
        }
        let first = header.exchange == ExchangeType::IKE_SA_INIT && !header.flags.is_response();
        if first {
            return self.init_request(now, path, &header, datagram);
        }
        // RFC 7296 §3.1: the I flag says whose SPI is whose.
        let ours = if header.flags.is_initiator() {
            header.responder_spi.map(ResponderSpi::get)
        } else {
            Some(header.initiator_spi.get())
        };
        let ours = ours.ok_or(Discard::UnknownSpi)?;
        // An SA keeps its first SPI as its name, whatever it is addressed by.
        let id = self.further.get(&ours).copied().unwrap_or(SaId(ours));
        let theirs = if header.flags.is_initiator() {
            Some(header.initiator_spi.get())
        } else {
            header.responder_spi.map(ResponderSpi::get)
        };
        let known = self.sas.get(&id).is_some_and(|slot| match &slot.sa {
            // RFC 7296 §1#1: before IKE_SA_INIT is done no other exchange is known.
            IkeSa::Starting(_) => header.exchange == ExchangeType::IKE_SA_INIT,
            IkeSa::Keyed { link, .. } if link.our_spi() == ours => theirs == Some(link.peer_spi()),
            IkeSa::Keyed { state, .. } => state.has_other(ours, theirs),
        });
        if !known {
            // An IKE SA that is being made: the peer has it already, and will say so once more when we have it too.
            let coming = self.sas.get(&id).is_some_and(|slot| match &slot.sa {
                IkeSa::Keyed { state, .. } => state.coming_spis().any(|spi| spi == ours),
                IkeSa::Starting(_) => false,
            });
            if coming {
                return Err(Discard::UnknownSpi);
            }
            return Err(self.unknown_spi(now, path, &header, datagram));
        }
        if let Some(said) = self.in_clear(&header, datagram, id) {
            if let Some(judged) = self.judge_token(now, (id, ours), &said) {
                return judged;
            }
            if header.flags.is_response() && has_error(&said) {
                return Err(self.hint(now, id));
            }
        }
        let mut discarded = None;
        self.with(now, id, |sa, cx| match sa {
            IkeSa::Starting(sent) => match init_response(&header, datagram) {
                Ok(message) => sent.response(cx, path, &header, &message, datagram),
                Err(discard) => {
                    discarded = Some(discard);
                    Some(IkeSa::Starting(sent))
                }
            },
            IkeSa::Keyed { mut link, state } if link.our_spi() != ours => {
                let (outcome, discard) = state.datagram(&mut link, cx, ours, path, datagram);
                discarded = discard;
                take_kept(link, cx, outcome)
            }
            IkeSa::Keyed { mut link, state } => {
                let outcome = match link.receive(cx, path, datagram) {
                    Received::Request(opened) => state.request(&mut link, cx, opened),
                    Received::Response(opened) => state.response(&mut link, cx, opened),
                    Received::Nothing(discard) => {
                        discarded = Some(discard);
                        Outcome::Go(state)
                    }
                };
                take_kept(link, cx, outcome)
            }
        });
        discarded.map_or(Ok(()), Err)
    }

    /// RFC 7296 §2.5#2-3, §3.1#7: a request of a higher major version is answered with ours, in clear;
    /// nothing else is.
    fn other_version(&mut self, now: Instant, path: Path, header: &Header) -> Discard {
        let major = header.version.major;
        let asks = major > Version::V2.major && !header.flags.is_response();
        if asks && self.answers_outsider(now, path) {
            let answer = Notify::plain(NotifyType::INVALID_MAJOR_VERSION);
            self.stateless(path, header, answer);
        }
        Discard::MajorVersion(major)
    }

    /// Whether what belongs to no SA and starts none is answered, once more in this second in all, and once more to this
    /// source (RFC 7296 §2.21.4).
    fn answers_outsider(&mut self, now: Instant, path: Path) -> bool {
        let source = Source::of(path.remote.ip());
        self.outsiders
            .admits(now, source, OUTSIDER_ANSWERS_PER_SECOND)
    }

    /// RFC 7296 §2.21.4#2-4: a request for an SA that is not known here is a sign that this end has forgotten
    /// it. Its sender is told, in clear and not too often; a response never is, and no answer is longer
    /// than what caused it, but for one with a token by eleven octets at most.
    fn unknown_spi(
        &mut self,
        now: Instant,
        path: Path,
        header: &Header,
        datagram: &[u8],
    ) -> Discard {
        const ANSWER: usize = Header::LEN + 8;
        // Payload header, explicit IV, pad length and the shortest check value.
        const SHORTEST_SEALED: usize = Header::LEN + 4 + 8 + 1 + 8;
        // RFC 7296 §1.5#1, §2.21.4#1: what says that it is an answer gets none.
        let is_request = is_protected(header) && !header.flags.is_response();
        if !is_request || datagram.len() < ANSWER || PartialMessage::parse(datagram).is_err() {
            return Discard::UnknownSpi;
        }
        if datagram.len() >= SHORTEST_SEALED && self.tells_token(now, path, header) {
            return Discard::UnknownSpiAnswered;
        }
        if !self.answers_outsider(now, path) {
            return Discard::UnknownSpi;
        }
        self.stateless(path, header, Notify::plain(NotifyType::INVALID_IKE_SPI));
        Discard::UnknownSpiAnswered
    }

    /// RFC 7296 §2.4#3,5, §2.21.4#5-7: an error in clear may come from anybody and changes no SA; it is reason enough
    /// to ask the peer for a sign of life, not too often.
    pub(super) fn hint(&mut self, now: Instant, id: SaId) -> Discard {
        let fresh = self
            .sas
            .get_mut(&id)
            .is_some_and(|slot| slot.take_hint(now));
        if !fresh {
            return Discard::Unprotected;
        }
        self.probe(now, id);
        Discard::Hint
    }

    /// What a message in clear says to a keyed SA. The answer to an IKE_SA_INIT of ours is not meant.
    fn in_clear(&self, header: &Header, datagram: &[u8], id: SaId) -> Option<Vec<Payload>> {
        let outside = header.exchange != ExchangeType::IKE_SA_INIT && !is_protected(header);
        let keyed = outside && self.sas.get(&id).is_some_and(Slot::is_keyed);
        let message = keyed.then(|| PartialMessage::parse(datagram).ok())??;
        Some(message.outer)
    }

    /// Answers without remembering anything: the request's SPIs, exchange and message ID come back.
    pub(super) fn stateless(&mut self, path: Path, request: &Header, said: Notify) {
        self.stateless_with(path, request, &[Payload::Notify(said)]);
    }

    pub(super) fn stateless_with(&mut self, path: Path, request: &Header, payloads: &[Payload]) {
        let header = Header::new(
            request.initiator_spi,
            request.responder_spi,
            request.exchange,
            Flags::new(!request.flags.is_initiator(), true),
            request.message_id,
        );
        self.counters.sent(&header, payloads);
        let mut octets = Vec::new();
        write_message(&header, payloads, &mut octets);
        self.out.push_back(Output::Transmit(Transmit {
            path,
            octets: Arc::from(octets),
        }));
    }
}

/// RFC 7296 §2.3: an answer has been given, so it may be the turn of requests that came before theirs.
pub(super) fn take_kept(
    mut link: Box<Link>,
    cx: &mut Cx<'_>,
    mut outcome: Outcome,
) -> Option<IkeSa> {
    loop {
        let Outcome::Go(state) = outcome else {
            return None;
        };
        outcome = match link.next_kept() {
            Some(opened) => state.request(&mut link, cx, opened),
            None => match state.kept_beside(&mut link, cx) {
                Ok(outcome) => outcome,
                Err(state) => return Some(IkeSa::Keyed { link, state }),
            },
        };
    }
}

/// Whether the message says of itself that it is encrypted, whole or in part.
fn is_protected(header: &Header) -> bool {
    [
        PayloadType::SK,
        PayloadType::SKF,
        PayloadType::CISCO_FRAGMENT,
    ]
    .contains(&header.next_payload)
}

/// Whether there is an error among these.
pub(super) fn has_error(said: &[Payload]) -> bool {
    said.iter()
        .any(|one| matches!(one, Payload::Notify(said) if said.kind.is_error()))
}

/// The payloads of an answer to IKE_SA_INIT.
fn init_response(header: &Header, datagram: &[u8]) -> Result<Vec<Payload>, Discard> {
    if !header.flags.is_response() || header.message_id.0 != 0 {
        return Err(Discard::UnexpectedResponse);
    }
    let message = PartialMessage::parse(datagram).map_err(Discard::Malformed)?;
    match message.body {
        Body::Clear => Ok(message.outer),
        _ => Err(Discard::UnexpectedResponse),
    }
}
