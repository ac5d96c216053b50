//! All IKE SAs behind one set of addresses: routing, stateless answers, budgets.
//!
//! The order of distrust: length and header, budget, route, cookie, window, integrity, parse, act.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    vec::Vec,
};
use core::time::Duration;

use crate::{
    config::EndpointConfig,
    cookie::CookieJar,
    crypto::{Provider, Rng, Role},
    error::InvalidMessage,
    event::{
        Answer, AskId, CloseReason, Command, Discard, Event, Input, Instant, Output, Path, SaId,
        Trace, Transmit,
    },
    refusal::{PeerMisbehaved, Refusal},
    sa::{
        Cx, IkeSa,
        init::{self, InitSent},
        link::{Received, fingerprint, kinds},
        state::{Outcome, State},
        window::{Admit, Fingerprint},
    },
    view::SaView,
    wire::{
        header::{Flags, Header, InitiatorSpi, ResponderSpi, Version},
        message::{Body, PartialMessage, write_message},
        payload::{Notify, Payload},
        registry::{ExchangeType, NotifyType, PayloadType},
    },
};

/// The longest IKE_SA_INIT request that is taken, in octets: it is kept until IKE_AUTH is done, and a
/// long one is many proposals and little else.
const MAX_INIT: usize = 8 * 1024;

/// Times that a free SPI is looked for among random ones before giving up.
const SPI_TRIES: u32 = 8;

/// Bad key exchange values are counted this long.
const SPOILED_PERIOD: Duration = Duration::from_secs(10);

/// The sans-IO IKEv2 endpoint. See the crate's documentation for how it is driven.
pub struct Endpoint {
    config: Arc<EndpointConfig>,
    provider: &'static dyn Provider,
    rng: Box<dyn Rng + Send>,
    /// Keyed by SPIs that we chose at random, so no peer can aim at its shape.
    sas: BTreeMap<SaId, Slot>,
    /// IKE_SA_INIT requests that were answered, by the digest of the whole packet: a repeat is known by
    /// its octets, never by SPI and address.
    inits: BTreeMap<Fingerprint, SaId>,
    timers: BTreeSet<(Instant, SaId)>,
    cookies: CookieJar,
    half_open: usize,
    /// SAs whose peer is not authenticated, those inside EAP included.
    negotiating: usize,
    /// Key exchanges of late whose public value was bad, and since when they are counted.
    spoiled: usize,
    spoiled_since: Instant,
    out: VecDeque<Output>,
    asks: u64,
    tracing: bool,
    key_log: bool,
}

struct Slot {
    sa: IkeSa,
    timer: Option<Instant>,
    half_open: bool,
    negotiating: bool,
    init: Option<Fingerprint>,
}

impl Endpoint {
    /// An endpoint without SAs.
    pub fn new(
        now: Instant,
        config: EndpointConfig,
        provider: &'static dyn Provider,
        mut rng: Box<dyn Rng + Send>,
    ) -> Self {
        let cookies = CookieJar::new(now, &mut *rng);
        Self {
            config: Arc::new(config),
            provider,
            rng,
            sas: BTreeMap::new(),
            inits: BTreeMap::new(),
            timers: BTreeSet::new(),
            cookies,
            half_open: 0,
            negotiating: 0,
            spoiled: 0,
            spoiled_since: now,
            out: VecDeque::new(),
            asks: 0,
            tracing: false,
            key_log: false,
        }
    }

    /// Whether [`Event::Trace`] is sent.
    pub const fn trace(&mut self, on: bool) {
        self.tracing = on;
    }

    /// Whether [`Event::KeyLog`] is sent.
    pub const fn key_log(&mut self, on: bool) {
        self.key_log = on;
    }

    /// How many SAs there are, half-open and lingering ones included.
    pub fn len(&self) -> usize {
        self.sas.len()
    }

    /// Whether there is no SA.
    pub fn is_empty(&self) -> bool {
        self.sas.is_empty()
    }

    /// How many SAs have answered IKE_SA_INIT and heard nothing since.
    pub const fn half_open(&self) -> usize {
        self.half_open
    }

    /// What is to be seen of one SA.
    pub fn view(&self, id: SaId) -> Option<SaView<'_>> {
        SaView::of(&self.sas.get(&id)?.sa)
    }

    /// What is to be seen of every keyed SA.
    pub fn views(&self) -> impl Iterator<Item = SaView<'_>> {
        self.sas.values().filter_map(|slot| SaView::of(&slot.sa))
    }

    /// Takes one input. Call [`poll`](Self::poll) until it says [`Output::Timeout`] afterwards.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Datagram(path, datagram) => {
                if let Err(discard) = self.datagram(now, path, datagram) {
                    self.out.push_back(Output::Discarded(path, discard));
                }
            }
            Input::Answer(id, ask, answer) => self.answer(now, id, ask, answer),
            Input::Command(command) => self.command(now, command),
            Input::Timeout => self.timeout(now),
        }
    }

    /// The next output; [`Output::Timeout`] when there is none left.
    pub fn poll(&mut self) -> Output {
        self.out
            .pop_front()
            .unwrap_or_else(|| Output::Timeout(self.timers.first().map(|&(instant, _)| instant)))
    }

    // --- Routing ---

    fn datagram(&mut self, now: Instant, path: Path, datagram: &[u8]) -> Result<(), Discard> {
        let header = Header::peek(datagram).map_err(Discard::Malformed)?;
        if header.version.major != Version::V2.major {
            return Err(self.other_version(path, &header));
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
        let id = ours.map(SaId).ok_or(Discard::UnknownSpi)?;
        let theirs = if header.flags.is_initiator() {
            Some(header.initiator_spi.get())
        } else {
            header.responder_spi.map(ResponderSpi::get)
        };
        let known = self.sas.get(&id).is_some_and(|slot| match &slot.sa {
            IkeSa::Starting(_) => header.exchange == ExchangeType::IKE_SA_INIT,
            IkeSa::Keyed { link, .. } => {
                let spi = match link.role {
                    Role::Initiator => link.spi_r.get(),
                    Role::Responder => link.spi_i.get(),
                };
                theirs == Some(spi)
            }
        });
        if !known {
            return Err(Discard::UnknownSpi);
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
            IkeSa::Keyed { mut link, state } => {
                let outcome = match link.receive(cx, path, datagram) {
                    Received::Request(opened) => state.request(&mut link, cx, opened),
                    Received::Response(opened) => state.response(&mut link, cx, opened),
                    Received::Nothing(discard) => {
                        discarded = Some(discard);
                        Outcome::Go(state)
                    }
                };
                let Outcome::Go(mut state) = outcome else {
                    return None;
                };
                while let Some(opened) = link.next_kept() {
                    match state.request(&mut link, cx, opened) {
                        Outcome::Go(next) => state = next,
                        Outcome::Gone => return None,
                    }
                }
                Some(IkeSa::Keyed { link, state })
            }
        });
        discarded.map_or(Ok(()), Err)
    }

    /// RFC 7296 §2.5: a request of a higher major version is answered with ours, in clear; nothing else is.
    fn other_version(&mut self, path: Path, header: &Header) -> Discard {
        let major = header.version.major;
        if major > Version::V2.major && !header.flags.is_response() {
            let answer = Notify::plain(NotifyType::INVALID_MAJOR_VERSION);
            self.stateless(path, header, answer);
        }
        Discard::MajorVersion(major)
    }

    /// Answers without remembering anything: the request's SPIs, exchange and message ID come back.
    fn stateless(&mut self, path: Path, request: &Header, said: Notify) {
        let header = Header::new(
            request.initiator_spi,
            request.responder_spi,
            request.exchange,
            Flags::new(!request.flags.is_initiator(), true),
            request.message_id,
        );
        let mut octets = Vec::new();
        write_message(&header, &[Payload::Notify(said)], &mut octets);
        self.out.push_back(Output::Transmit(Transmit {
            path,
            octets: Arc::from(octets),
        }));
    }

    // --- IKE_SA_INIT ---

    fn init_request(
        &mut self,
        now: Instant,
        path: Path,
        header: &Header,
        datagram: &[u8],
    ) -> Result<(), Discard> {
        // RFC 7296 §3.1: the first request has message ID 0, no responder SPI, and comes from the initiator.
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
                && let Some(said) = Refusal::from(error.clone()).notify()
            {
                self.stateless(path, header, said);
            }
            Discard::Malformed(error)
        })?;
        if message.body != Body::Clear {
            return Err(Discard::ContradictoryInit);
        }
        // What was refused after a key exchange has cost as much as a half-open SA.
        if now.since(self.spoiled_since) >= SPOILED_PERIOD {
            self.spoiled = 0;
        }
        if self.half_open.saturating_add(self.spoiled) >= self.config.cookie_watermark {
            self.demand_cookie(now, path, header, &message.outer)?;
        }
        if self.half_open >= self.config.half_open_limit
            || self.negotiating >= self.config.negotiating_limit
        {
            return Err(Discard::HalfOpenTableFull);
        }
        let Some(spi) = self.free_spi() else {
            return Err(Discard::HalfOpenTableFull);
        };
        let (Some(spi_r), id) = (ResponderSpi::new(spi), SaId(spi)) else {
            return Err(Discard::HalfOpenTableFull);
        };
        let mut cx = Self::cx(
            now,
            &self.config,
            self.provider,
            &mut *self.rng,
            &mut self.out,
            &mut self.asks,
            (self.tracing, self.key_log),
        );
        cx.trace(id, || Trace::Received {
            path,
            header: *header,
            payloads: kinds(&message.outer),
            protected: false,
        });
        for payload in &message.outer {
            if let Payload::Vendor(vendor) = payload {
                cx.trace(id, || Trace::VendorReceived(vendor.0.clone()));
            }
        }
        match init::respond(&mut cx, id, spi_r, path, header, &message.outer, datagram) {
            Ok(sa) => {
                self.inits.insert(digest, id);
                self.keep(id, sa, Some(digest));
                Ok(())
            }
            Err(refusal) => {
                if refusal == PeerMisbehaved::BadKeyExchange.into() {
                    if self.spoiled == 0 {
                        self.spoiled_since = now;
                    }
                    self.spoiled = self.spoiled.saturating_add(1);
                }
                if let Some(said) = refusal.notify() {
                    self.stateless(path, header, said);
                }
                Err(Discard::InitRefused(refusal))
            }
        }
    }

    fn init_repeat(&mut self, now: Instant, id: SaId) -> Result<(), Discard> {
        let Some(Slot {
            sa: IkeSa::Keyed { link, .. },
            ..
        }) = self.sas.get_mut(&id)
        else {
            return Err(Discard::Duplicate);
        };
        let per_second = crate::config::REPEATS_PER_SECOND;
        match link.responses.admit(now, 0, true, 1, per_second) {
            Admit::Repeat(repeat) => {
                // To where the SA is, not to whoever sent a copy.
                let path = link.path;
                for octets in repeat.datagrams {
                    self.out
                        .push_back(Output::Transmit(Transmit { path, octets }));
                }
                Err(Discard::Repeated)
            }
            Admit::Discard(discard) => Err(discard),
            _ => Err(Discard::Duplicate),
        }
    }

    /// RFC 7296 §2.6: above the watermark no work is done for an address that has not shown that it
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
        let valid = init::cookie_of(payloads)
            .is_some_and(|cookie| self.cookies.accepts(now, cookie, address, spi, nonce));
        if valid {
            return Ok(());
        }
        let cookie = self
            .cookies
            .demand(now, &mut *self.rng, address, spi, nonce);
        self.stateless(path, header, Notify::new(NotifyType::COOKIE, cookie));
        Err(Discard::CookieSent)
    }

    /// A random SPI that is not in use, with the shard's number in its first octet.
    fn free_spi(&mut self) -> Option<u64> {
        (0..SPI_TRIES).find_map(|_| {
            let mut octets = [0; 8];
            self.rng.fill(&mut octets);
            if let Some(first) = octets.first_mut() {
                *first = self.config.shard;
            }
            let spi = u64::from_be_bytes(octets);
            (spi != 0 && !self.sas.contains_key(&SaId(spi))).then_some(spi)
        })
    }

    // --- Other inputs ---

    fn answer(&mut self, now: Instant, id: SaId, ask: AskId, answer: Answer) {
        self.with(now, id, |sa, cx| match sa {
            IkeSa::Keyed { mut link, state } => match state.answer(&mut link, cx, ask, answer) {
                Outcome::Go(state) => Some(IkeSa::Keyed { link, state }),
                Outcome::Gone => None,
            },
            starting @ IkeSa::Starting(_) => Some(starting),
        });
    }

    fn command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Connect(config) => self.connect(now, config),
            Command::Delete(id) => self.with(now, id, |sa, cx| match sa {
                IkeSa::Keyed { mut link, state } => match state.delete(&mut link, cx) {
                    Outcome::Go(state) => Some(IkeSa::Keyed { link, state }),
                    Outcome::Gone => None,
                },
                IkeSa::Starting(sent) => {
                    cx.event(sent.id, Event::Closed(CloseReason::Deleted));
                    None
                }
            }),
            Command::Forget(id) => self.with(now, id, |_, cx| {
                cx.event(id, Event::Closed(CloseReason::Forgotten));
                None
            }),
            Command::Probe(id) => self.with(now, id, |sa, cx| {
                let IkeSa::Keyed { mut link, state } = sa else {
                    return Some(sa);
                };
                let idle = link.requests.outstanding().is_none();
                let up = matches!(state, State::Established(_));
                if up
                    && idle
                    && link
                        .request(cx, ExchangeType::INFORMATIONAL, Vec::new())
                        .is_err()
                {
                    let failed = Refusal::Local("a probe could not be sent");
                    cx.event(id, Event::Closed(CloseReason::Refused(failed)));
                    return None;
                }
                Some(IkeSa::Keyed { link, state })
            }),
        }
    }

    fn connect(&mut self, now: Instant, config: Box<crate::config::ConnectConfig>) {
        let Some(spi) = self.free_spi() else {
            return;
        };
        let (Some(spi_i), id) = (InitiatorSpi::new(spi), SaId(spi)) else {
            return;
        };
        let mut cx = Self::cx(
            now,
            &self.config,
            self.provider,
            &mut *self.rng,
            &mut self.out,
            &mut self.asks,
            (self.tracing, self.key_log),
        );
        cx.event(id, Event::Initiated);
        match InitSent::start(&mut cx, id, spi_i, config) {
            Ok(sent) => self.keep(id, IkeSa::Starting(Box::new(sent)), None),
            Err(refusal) => cx.event(id, Event::Closed(CloseReason::Refused(refusal))),
        }
    }

    fn timeout(&mut self, now: Instant) {
        while let Some(&(instant, id)) = self.timers.first() {
            if instant > now {
                break;
            }
            self.timers.remove(&(instant, id));
            if let Some(slot) = self.sas.get_mut(&id) {
                slot.timer = None;
            }
            self.with(now, id, |sa, cx| match sa {
                IkeSa::Starting(sent) => sent.timeout(cx),
                IkeSa::Keyed { mut link, state } => {
                    link.expire_fragments(now);
                    let outcome = if link.deadline.is_some_and(|deadline| deadline <= now) {
                        link.deadline = None;
                        state.expired(&link, cx)
                    } else if link.retransmit(cx) {
                        Outcome::Go(state)
                    } else {
                        state.unanswered(&link, cx)
                    };
                    match outcome {
                        Outcome::Go(state) => Some(IkeSa::Keyed { link, state }),
                        Outcome::Gone => None,
                    }
                }
            });
        }
    }

    // --- The table ---

    fn cx<'a>(
        now: Instant,
        config: &'a Arc<EndpointConfig>,
        provider: &'static dyn Provider,
        rng: &'a mut (dyn Rng + Send + 'static),
        out: &'a mut VecDeque<Output>,
        asks: &'a mut u64,
        (tracing, key_log): (bool, bool),
    ) -> Cx<'a> {
        Cx {
            now,
            config,
            provider,
            rng,
            out,
            asks,
            tracing,
            key_log,
        }
    }

    /// Lets an SA be consumed and puts its successor back, if it has one.
    fn with(
        &mut self,
        now: Instant,
        id: SaId,
        change: impl FnOnce(IkeSa, &mut Cx<'_>) -> Option<IkeSa>,
    ) {
        let Some(slot) = self.sas.remove(&id) else {
            return;
        };
        let mut cx = Self::cx(
            now,
            &self.config,
            self.provider,
            &mut *self.rng,
            &mut self.out,
            &mut self.asks,
            (self.tracing, self.key_log),
        );
        let successor = change(slot.sa, &mut cx);
        if let Some(timer) = slot.timer {
            self.timers.remove(&(timer, id));
        }
        if slot.half_open {
            self.half_open = self.half_open.saturating_sub(1);
        }
        if slot.negotiating {
            self.negotiating = self.negotiating.saturating_sub(1);
        }
        match successor {
            Some(sa) => self.keep(id, sa, slot.init),
            None => {
                if let Some(digest) = slot.init {
                    self.inits.remove(&digest);
                }
            }
        }
    }

    fn keep(&mut self, id: SaId, sa: IkeSa, mut init: Option<Fingerprint>) {
        let (timer, half_open, negotiating, forget) = match &sa {
            IkeSa::Starting(sent) => (Some(sent.deadline()), false, false, false),
            IkeSa::Keyed { link, state } => {
                let half_open = matches!(state, State::Responder(state) if state.is_half_open());
                let negotiating = matches!(state, State::Responder(_));
                let forget = matches!(state, State::Established(_));
                (link.next_deadline(), half_open, negotiating, forget)
            }
        };
        if forget && let Some(digest) = init.take() {
            self.inits.remove(&digest);
        }
        if let Some(timer) = timer {
            self.timers.insert((timer, id));
        }
        if half_open {
            self.half_open = self.half_open.saturating_add(1);
        }
        if negotiating {
            self.negotiating = self.negotiating.saturating_add(1);
        }
        self.sas.insert(
            id,
            Slot {
                sa,
                timer,
                half_open,
                negotiating,
                init,
            },
        );
    }
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
