//! IKE_SA_INIT as the initiator (RFC 7296 §1.2, §2.6, §2.21.1).
//!
//! Nothing in an answer to it is proven. Who sees the request can answer before the responder does, so
//! an answer that does not lead on only raises a doubt: the request is sent again as before, a good
//! answer is still taken, and only when none has come for a while is the attempt given up.
//!
//! What this does not help against is an answer that is good but for its sender's name, or a COOKIE that
//! nobody asked for: the one leads to keys that the responder does not have, the other to two requests of
//! which both are answered. IKE_AUTH fails then, and the login is tried anew.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::time::Duration;

use crate::{
    config::{ConnectConfig, Redirection},
    counters::more,
    crypto::{
        KeyExchange, Role,
        suite::{Group, IkeSuite},
    },
    event::{CloseReason, Discard, Event, Instant, Output, Path, SaId, Trace},
    negotiate::proposal,
    refusal::{PeerIncompatible, PeerMisbehaved, Refusal},
    sa::{
        Cx, IkeSa,
        init::{
            Essentials, Handshake, derive, error_of, failed_exchange, find, fresh_nonce,
            signature_hashes, status, trace_agreed, vendor_ids,
        },
        initiator,
        intermediate::Intermediates,
        keylog::log_ike,
        link::{Link, Parts, kinds},
        nat::{self, Nat},
        state::Outcome,
        traits::PeerTraits,
        window::{Due, Requests, Responses, Schedule},
    },
    wire::{
        header::{Flags, Header, InitiatorSpi, MessageId, ResponderSpi},
        message::write_message,
        payload::{Gateway, KePayload, Nonce, Notify, Payload},
        registry::{ExchangeType, GroupId, NotifyType},
    },
};

/// COOKIE and INVALID_KE_PAYLOAD are followed this often.
const INIT_RESTARTS: u32 = 5;

/// How long a better answer is awaited after one that does not lead on: long enough for two
/// retransmissions, short enough for a user who is really refused.
const PATIENCE: Duration = Duration::from_secs(8);

/// The longest cookie, in octets (RFC 7296 §2.6).
const MAX_COOKIE: usize = 64;

/// IKE_SA_INIT is out; nothing is agreed.
pub(crate) struct InitSent {
    pub(crate) id: SaId,
    config: Box<ConnectConfig>,
    spi_i: InitiatorSpi,
    group: Group,
    pair: Box<dyn KeyExchange>,
    nonce: Nonce,
    cookie: Option<Vec<u8>>,
    /// NAT detection, drawn once: with a cookie everything else stays as it was.
    nat: [Payload; 2],
    octets: Arc<[u8]>,
    schedule: Schedule,
    restarts: u32,
    doubt: Option<Doubt>,
}

/// An answer that does not lead on, and until when a better one is awaited.
struct Doubt {
    reason: CloseReason,
    until: Instant,
}

/// An answer that is good as far as can be told before the key exchange.
struct Accepted<'a> {
    spi_r: ResponderSpi,
    suite: IkeSuite,
    essentials: Essentials<'a>,
}

impl InitSent {
    /// Sends the first request.
    pub(crate) fn start(
        cx: &mut Cx<'_>,
        id: SaId,
        spi_i: InitiatorSpi,
        config: Box<ConnectConfig>,
    ) -> Result<Self, Refusal> {
        let group = config
            .proposals
            .iter()
            .flat_map(|proposal| proposal.groups.iter().copied())
            .next()
            .ok_or(Refusal::Local("no key exchange group is configured"))?;
        let pair = key_pair(cx, group)?;
        let nonce = fresh_nonce(cx)?;
        let force = config.force_encapsulation;
        let nat = nat::announce(spi_i, None, &config.path, force, cx.rng);
        let mut sent = Self {
            id,
            config,
            spi_i,
            group,
            pair,
            nonce,
            cookie: None,
            nat,
            octets: Arc::from([]),
            schedule: Schedule::start(cx.now, cx.config),
            restarts: 0,
            doubt: None,
        };
        sent.send(cx);
        Ok(sent)
    }

    fn send(&mut self, cx: &mut Cx<'_>) {
        let config = &self.config;
        let mut payloads = Vec::new();
        if let Some(cookie) = &self.cookie {
            // RFC 7296 §2.6#4: the cookie comes back first in an otherwise unchanged request.
            payloads.push(Payload::Notify(Notify::new(
                NotifyType::COOKIE,
                cookie.clone(),
            )));
        }
        payloads.push(Payload::Sa(proposal::offer_ike(&config.proposals, &[])));
        payloads.push(Payload::Ke(KePayload {
            group: GroupId(self.group.number()),
            data: self.pair.public().to_vec(),
        }));
        payloads.push(Payload::Nonce(self.nonce.clone()));
        // RFC 7296 §2.23#9: both hashes are in the request.
        payloads.extend(self.nat.iter().cloned());
        if config.fragmentation.ietf {
            payloads.push(status(NotifyType::IKEV2_FRAGMENTATION_SUPPORTED));
        }
        if config.signature_hashes {
            payloads.push(signature_hashes());
        }
        // RFC 8784 §3#1: whether or not it goes without; with a cookie again.
        if config.ppk.is_some() {
            payloads.push(status(NotifyType::USE_PPK));
        }
        // RFC 9370 §rules#1: said by who offers what needs it.
        if config
            .proposals
            .iter()
            .any(|one| !one.additional.is_empty())
        {
            payloads.push(status(NotifyType::INTERMEDIATE_EXCHANGE_SUPPORTED));
        }
        match config.redirection {
            Redirection::Refused => {}
            Redirection::Followed => payloads.push(status(NotifyType::REDIRECT_SUPPORTED)),
            // RFC 5685 §3#5: it says too that we can be redirected again.
            Redirection::From(gateway) => {
                payloads.push(Payload::Notify(Gateway::redirected_from(gateway)));
            }
        }
        payloads.extend(vendor_ids(&config.vendor_ids, config.fragmentation.cisco));
        let header = Header::new(
            self.spi_i,
            None,
            ExchangeType::IKE_SA_INIT,
            Flags::new(true, false),
            MessageId(0),
        );
        let path = config.path;
        let mut octets = Vec::new();
        write_message(&header, &payloads, &mut octets);
        cx.counters.sent(&header, &payloads);
        self.octets = Arc::from(octets);
        self.schedule = Schedule::start(cx.now, cx.config);
        cx.trace(self.id, || Trace::Sent {
            path,
            header: Header::peek(&self.octets).unwrap_or(header),
            payloads: kinds(&payloads),
            protected: false,
            datagrams: 1,
        });
        cx.transmit(path, Arc::clone(&self.octets));
    }

    /// When something is due: the request again, or the end of a doubt.
    pub(crate) fn deadline(&self) -> Instant {
        let next = self.schedule.next();
        self.doubt
            .as_ref()
            .map_or(next, |doubt| doubt.until.min(next))
    }

    /// The instant has come.
    pub(crate) fn timeout(mut self: Box<Self>, cx: &mut Cx<'_>) -> Option<IkeSa> {
        if let Some(doubt) = self.doubt.take_if(|doubt| doubt.until <= cx.now) {
            cx.event(self.id, Event::Closed(doubt.reason));
            return None;
        }
        match self.schedule.due(cx.now) {
            Due::Later => {}
            Due::Again(attempt) => {
                more(&mut cx.counters.retransmitted);
                cx.trace(self.id, || Trace::Retransmitted { attempt });
                cx.transmit(self.config.path, Arc::clone(&self.octets));
            }
            Due::Never => {
                more(&mut cx.counters.unanswered);
                let doubt = self.doubt.map(|doubt| doubt.reason);
                let reason = doubt.unwrap_or(CloseReason::Unanswered);
                cx.event(self.id, Event::Closed(reason));
                return None;
            }
        }
        Some(IkeSa::Starting(self))
    }

    /// The answer, in clear and from nobody proven.
    pub(crate) fn response(
        self: Box<Self>,
        cx: &mut Cx<'_>,
        path: Path,
        header: &Header,
        payloads: &[Payload],
        datagram: &[u8],
    ) -> Option<IkeSa> {
        cx.counters.received(header, payloads);
        cx.trace(self.id, || Trace::Received {
            path,
            header: *header,
            payloads: kinds(payloads),
            protected: false,
        });
        let id = self.id;
        let follows = self.config.redirection != Redirection::Refused;
        let redirect = find(payloads, NotifyType::REDIRECT).filter(|_| follows);
        let result = if let Some(said) = redirect {
            return self.redirected(cx, path, said);
        } else if let Some(said) = find(payloads, NotifyType::COOKIE) {
            self.with_cookie(cx, said)
        } else if let Some(said) = find(payloads, NotifyType::INVALID_KE_PAYLOAD) {
            self.other_group(cx, said)
        } else {
            match self.judge(header, payloads) {
                Ok(accepted) => self.agreed(cx, accepted, payloads, datagram),
                Err(refusal) => Ok(self.doubt(cx, refusal)),
            }
        };
        match result {
            Ok(sa) => Some(sa),
            Err(refusal) => {
                cx.event(id, Event::Closed(CloseReason::Refused(refusal)));
                None
            }
        }
    }

    /// RFC 7296 §2.21.1: since no error is proven, none is acted upon at once but those that say how to
    /// go on.
    fn doubt(mut self: Box<Self>, cx: &mut Cx<'_>, refusal: Refusal) -> IkeSa {
        if let (None, Refusal::ByPeer(kind)) = (&self.doubt, &refusal) {
            cx.event(self.id, Event::Notified(*kind));
        }
        self.wait_for_better(cx, CloseReason::Refused(refusal));
        IkeSa::Starting(self)
    }

    fn wait_for_better(&mut self, cx: &Cx<'_>, reason: CloseReason) {
        self.doubt.get_or_insert_with(|| Doubt {
            reason,
            until: cx.now.after(PATIENCE),
        });
    }

    /// RFC 5685 §3#3-4: only who has seen our request knows its nonce; an answer without it is passed over in
    /// silence, and the wait goes on. Where the way leads next is the outside's to judge; one that leads
    /// back at once is no way, and whoever has seen the request may have said it (RFC 7296 §2.21.1).
    fn redirected(
        mut self: Box<Self>,
        cx: &mut Cx<'_>,
        path: Path,
        said: &Notify,
    ) -> Option<IkeSa> {
        match Gateway::of_redirect(said) {
            Some((gateway, nonce)) if nonce == self.nonce.as_bytes() => {
                let leads_back = self.leads_back(&gateway);
                let reason = CloseReason::Redirected(gateway);
                if leads_back {
                    self.wait_for_better(cx, reason);
                    return Some(IkeSa::Starting(self));
                }
                cx.event(self.id, Event::Closed(reason));
                None
            }
            _ => {
                cx.out
                    .push_back(Output::Discarded(path, Discard::ForgedRedirect));
                Some(IkeSa::Starting(self))
            }
        }
    }

    /// Whether a gateway is the one that was called, or the one that sent us there.
    fn leads_back(&self, gateway: &Gateway) -> bool {
        let Gateway::Address(to) = gateway else {
            return false;
        };
        let called = self.config.path.remote.ip().to_canonical();
        let to = to.to_canonical();
        let sent_us = match self.config.redirection {
            Redirection::From(from) => Some(from.to_canonical()),
            Redirection::Followed | Redirection::Refused => None,
        };
        to == called || Some(to) == sent_us
    }

    /// RFC 7296 §2.6.1#1-2: cookie and group may be asked for together or one after the other, but a
    /// responder that never ends asking is not followed.
    fn restart(mut self: Box<Self>, cx: &mut Cx<'_>) -> IkeSa {
        self.restarts = self.restarts.saturating_add(1);
        self.doubt = None;
        self.send(cx);
        IkeSa::Starting(self)
    }

    /// RFC 7296 §2.6: the same request again, the cookie in front of it.
    fn with_cookie(mut self: Box<Self>, cx: &mut Cx<'_>, said: &Notify) -> Result<IkeSa, Refusal> {
        // What has been brought is not asked for again but by a repeat, and no cookie is longer.
        let news = self.cookie.as_ref() != Some(&said.data);
        if !news || said.data.is_empty() || said.data.len() > MAX_COOKIE {
            return Ok(IkeSa::Starting(self));
        }
        if self.restarts >= INIT_RESTARTS {
            return Ok(self.doubt(cx, PeerMisbehaved::EndlessInit.into()));
        }
        self.cookie = Some(said.data.clone());
        Ok(self.restart(cx))
    }

    /// RFC 7296 §1.2: the group must be one that was offered; everything else stays as it was.
    fn other_group(mut self: Box<Self>, cx: &mut Cx<'_>, said: &Notify) -> Result<IkeSa, Refusal> {
        let wanted = <[u8; 2]>::try_from(said.data.as_slice())
            .ok()
            .and_then(|octets| Group::from_number(u16::from_be_bytes(octets)))
            .filter(|&group| {
                let mut offered = self.config.proposals.iter();
                group != self.group && offered.any(|one| one.groups.contains(&group))
            });
        let Some(wanted) = wanted else {
            return Ok(self.doubt(cx, PeerMisbehaved::SelectedUnoffered.into()));
        };
        if self.restarts >= INIT_RESTARTS {
            return Ok(self.doubt(cx, PeerMisbehaved::EndlessInit.into()));
        }
        // RFC 7296 §1.2#4-5: the request goes out again with that group, and with the whole offer.
        self.pair = key_pair(cx, wanted)?;
        self.group = wanted;
        Ok(self.restart(cx))
    }

    /// Everything that can be told of an answer without spending the private key on it.
    fn judge<'a>(&self, header: &Header, payloads: &'a [Payload]) -> Result<Accepted<'a>, Refusal> {
        if let Some(said) = error_of(payloads) {
            return Err(Refusal::ByPeer(said.kind));
        }
        // RFC 8784 §3#2: without the responder's USE_PPK there is none, and where it must be, no SA.
        let required = self.config.ppk.as_ref().is_some_and(|ppk| ppk.required);
        if required && find(payloads, NotifyType::USE_PPK).is_none() {
            return Err(PeerIncompatible::NoPpk.into());
        }
        // RFC 6023 §3#2: only who was told that it may leaves the child SA out.
        let offered = find(payloads, NotifyType::CHILDLESS_IKEV2_SUPPORTED).is_some();
        if self.config.childless && !offered {
            return Err(PeerIncompatible::NotChildless.into());
        }
        let spi_r = header
            .responder_spi
            .ok_or(PeerMisbehaved::UnexpectedExchange)?;
        let essentials = Essentials::read(payloads)?;
        let intermediate = find(payloads, NotifyType::INTERMEDIATE_EXCHANGE_SUPPORTED).is_some();
        // RFC 7296 §3.3.6#5-6: an answer has to be one of the proposals.
        let suite = proposal::accept_ike(&self.config.proposals, essentials.sa, intermediate)?;
        if suite.group != self.group || essentials.ke.group.0 != self.group.number() {
            return Err(PeerMisbehaved::SelectedUnoffered.into());
        }
        if essentials.ke.data.len() != suite.group.answer_len() {
            return Err(PeerMisbehaved::BadKeyExchange.into());
        }
        Ok(Accepted {
            spi_r,
            suite,
            essentials,
        })
    }

    /// The key exchange is done, and IKE_AUTH begins.
    fn agreed(
        self,
        cx: &mut Cx<'_>,
        accepted: Accepted<'_>,
        payloads: &[Payload],
        datagram: &[u8],
    ) -> Result<IkeSa, Refusal> {
        let Accepted {
            spi_r,
            suite,
            essentials,
        } = accepted;
        let agreed = self.pair.agree(&essentials.ke.data);
        let secret = agreed.map_err(failed_exchange)?;
        let ni = self.nonce.as_bytes().to_vec();
        let nr = essentials.nonce.as_bytes().to_vec();
        let keys = derive(
            suite,
            &secret,
            (&ni, &nr),
            self.spi_i,
            spi_r,
            Role::Initiator,
        );
        let config = self.config;
        let nat = Nat::detect(
            payloads,
            self.spi_i,
            Some(spi_r),
            &config.path,
            config.force_encapsulation,
        );
        // RFC 7296 §2.23#4,12-13: with a NAT found, or by choice, the initiator moves to port 4500.
        // RFC 4555 §3.3#1: an initiator that speaks MOBIKE goes to port 4500 in any case.
        let path = if nat.supported && (nat.found() || config.always_float) {
            config.float_path
        } else {
            config.path
        };
        let mut link = Link::new(
            cx,
            Parts {
                id: self.id,
                role: Role::Initiator,
                spi_i: self.spi_i,
                spi_r,
                path,
                suite,
                traits: PeerTraits::read(payloads),
                nat,
                inbound: keys.inbound,
                outbound: keys.outbound,
                fragmentation: config.fragmentation,
                responses: Responses::default(),
                requests: Requests::after_init(),
            },
        );
        trace_agreed(cx, link.id, link.suite, &link.nat);
        log_ike(&link, cx);
        let handshake = Handshake {
            request: self.octets.to_vec(),
            response: datagram.to_vec(),
            ni,
            nr,
            derivation: keys.derivation,
            local_proof: keys.local_proof,
            remote_proof: keys.remote_proof,
            intermediates: Intermediates::of(suite.additional),
        };
        match initiator::start(&mut link, cx, handshake, config)? {
            Outcome::Go(state) => Ok(IkeSa::Keyed {
                link: Box::new(link),
                state,
            }),
            Outcome::Gone => Err(Refusal::Local("the SA ended at once")),
        }
    }
}

pub(super) fn key_pair(cx: &mut Cx<'_>, group: Group) -> Result<Box<dyn KeyExchange>, Refusal> {
    cx.provider
        .key_exchange(group, cx.rng)
        .map_err(|_| Refusal::Local("the key exchange could not be started"))
}
