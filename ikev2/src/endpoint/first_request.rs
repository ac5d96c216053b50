//! IKE_SA_INIT requests: what is checked, counted and demanded before a key exchange is done for them.

use super::{
    Endpoint,
    table::{Origin, Slot},
};
use crate::{
    counters::more,
    error::InvalidMessage,
    event::{Discard, Instant, Output, Path, SaId, Transmit},
    refusal::{PeerMisbehaved, Refusal},
    sa::{IkeSa, init, link::fingerprint, traits::PeerTraits},
    source::Source,
    wire::{
        header::{Header, ResponderSpi},
        message::{Body, PartialMessage},
        payload::{Notify, Payload},
        registry::{NotifyType, PayloadType},
    },
};

/// The longest IKE_SA_INIT request that is taken, in octets: it is kept until IKE_AUTH is done, and a
/// long one is many proposals and little else.
// RFC 7296 §2#1-2: 3000 octets fit, and an authentic message may fill a datagram.
const MAX_INIT: usize = 8 * 1024;

impl Endpoint {
    pub(super) fn init_request(
        &mut self,
        now: Instant,
        path: Path,
        header: &Header,
        datagram: &[u8],
    ) -> Result<(), Discard> {
        // RFC 7296 §3.1#4: the first request has message ID 0, no responder SPI, and comes from the initiator.
        if header.responder_spi.is_some()
            || header.message_id.0 != 0
            || !header.flags.is_initiator()
        {
            return Err(Discard::ContradictoryInit);
        }
        if datagram.len() > MAX_INIT {
            return Err(Discard::OversizedInit);
        }
        let digest = fingerprint(datagram);
        if let Some(&id) = self.inits.get(&digest) {
            return self.init_repeat(now, id);
        }
        let message = PartialMessage::parse(datagram).map_err(|error| {
            // RFC 7296 §2.21.1: an unknown critical payload is worth an answer; broken octets are not.
            if let InvalidMessage::UnsupportedCriticalPayload(_) = &error
                && let Some(said) = Refusal::from(error.clone()).notify(header.exchange)
            {
                self.stateless(path, header, said);
            }
            Discard::Malformed(error)
        })?;
        if message.body != Body::Clear {
            return Err(Discard::ContradictoryInit);
        }
        self.counters.glanced(header);
        // Before anything is demanded or limited: it costs nothing, and helps whoever has too much to do.
        if let Some(said) = self.redirect(path, &message.outer) {
            // Unless it is longer than what it answers: somebody whose address was forged gets no more than was sent.
            let length = Header::LEN
                .saturating_add(8)
                .saturating_add(said.data.len());
            if length > datagram.len() {
                self.demand_cookie(now, path, header, &message.outer)?;
            }
            self.stateless(path, header, said);
            return Err(Discard::Redirected);
        }
        let source = Source::of(path.remote.ip());
        if self.is_full() {
            return Err(Discard::SaLimited);
        }
        let wanted = self.strangers.wants_cookie(now, source, &self.config);
        let share = self.share();
        // Of its share too a source takes the last half only where it receives.
        if wanted || self.is_half_full() || self.strangers.holds(source, share / 2) {
            self.demand_cookie(now, path, header, &message.outer)?;
        }
        self.strangers.admits(source, &self.config)?;
        if self.strangers.holds(source, share) {
            return Err(Discard::SourceLimited);
        }
        let mut cx = self.cx(now);
        let Some(spi_r) = cx.fresh_ike_spi().and_then(ResponderSpi::new) else {
            return Err(Discard::HalfOpenTableFull);
        };
        let id = SaId(spi_r.get());
        match init::respond(&mut cx, id, spi_r, path, header, &message.outer, datagram) {
            Ok(sa) => {
                self.inits.insert(digest, id);
                self.keep(id, Slot::new(sa, Some(Origin::new(digest, source))));
                Ok(())
            }
            Err(refusal) => {
                // Nothing is kept of it, so its steps are told of no session.
                init::trace_request(&mut cx, id, path, header, &message.outer);
                if refusal == PeerMisbehaved::BadKeyExchange.into() {
                    self.strangers.spoil(now, source);
                }
                if let Some(said) = refusal.notify(header.exchange) {
                    self.stateless(path, header, said);
                }
                Err(Discard::InitRefused(refusal))
            }
        }
    }

    /// Whether there are as many SAs as there may be.
    fn is_full(&self) -> bool {
        let limit = self.config.sa_limit;
        limit.is_some_and(|limit| self.sas.len() >= limit)
    }

    /// Whether what is left of the room for SAs is for those who receive at their address: forged
    /// requests do not take it.
    fn is_half_full(&self) -> bool {
        let limit = self.config.sa_limit;
        limit.is_some_and(|limit| self.sas.len() >= limit / 2)
    }

    /// The SAs that one source may have without having proven anything: a quarter of the room that there is for such, so
    /// that however little that is, one host with a cookie does not take it all. The networks of one site have half.
    fn share(&self) -> usize {
        let up = self.sas.len().saturating_sub(self.strangers.unproven());
        let left = self.config.sa_limit.map(|limit| limit.saturating_sub(up));
        let room = self.config.negotiating_limit;
        (left.map_or(room, |left| left.min(room)) / 4).max(1)
    }

    /// RFC 5685 §9.2#4: REDIRECT with the nonce of the request, if this client is to go elsewhere.
    fn redirect(&self, path: Path, payloads: &[Payload]) -> Option<Notify> {
        let gateway = self.config.redirect.as_ref()?;
        // What is no request for an SA is answered as such.
        let request = init::Essentials::read(payloads).ok()?;
        PeerTraits::read(payloads)
            .may_be_sent_to(gateway, path.local.ip())
            .then(|| gateway.redirect(request.nonce.as_bytes()))
    }

    fn init_repeat(&mut self, now: Instant, id: SaId) -> Result<(), Discard> {
        let Some(Slot {
            sa: IkeSa::Keyed { link, .. },
            ..
        }) = self.sas.get_mut(&id)
        else {
            return Err(Discard::Duplicate);
        };
        // To where the SA is, not to whoever sent a copy.
        let path = link.path;
        for octets in link.responses.repeat(now, 0, path, path)? {
            self.out
                .push_back(Output::Transmit(Transmit { path, octets }));
        }
        Err(Discard::Repeated)
    }

    /// RFC 7296 §2.6#2,5: above the watermark no work is done for an address that has not shown that it
    /// receives what we send there.
    fn demand_cookie(
        &mut self,
        now: Instant,
        path: Path,
        header: &Header,
        payloads: &[Payload],
    ) -> Result<(), Discard> {
        let Some(nonce) = init::nonce_of(payloads) else {
            let missing = PeerMisbehaved::MissingPayload(PayloadType::NONCE);
            return Err(Discard::InitRefused(missing.into()));
        };
        let (address, spi) = (path.remote.ip(), header.initiator_spi);
        let counts = &mut self.counters.cookies;
        match init::cookie_of(payloads) {
            Some(cookie) if self.cookies.accepts(now, cookie, address, spi, nonce) => {
                more(&mut counts.accepted);
                return Ok(());
            }
            Some(_) => more(&mut counts.rejected),
            None => more(&mut counts.missing),
        }
        more(&mut counts.sent);
        let cookie = self
            .cookies
            .demand(now, &mut *self.rng, address, spi, nonce);
        self.stateless(path, header, Notify::new(NotifyType::COOKIE, cookie));
        Err(Discard::CookieSent)
    }
}
