//! All IKE SAs behind one set of addresses: routing, stateless answers, budgets.
//!
//! The order of distrust: length and header, budget, route, cookie, window, integrity, parse, act.

mod crash;
mod first_request;
mod routing;
pub(crate) mod table;

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use self::table::Slot;
use crate::{
    config::{ConnectConfig, EndpointConfig},
    cookie::CookieJar,
    counters::Counters,
    crypto::{Provider, Rng},
    event::{Answer, AskId, CloseReason, Command, Event, Input, Instant, Output, SaId},
    fragment_budget::FragmentBudget,
    rate::RateLimit,
    refusal::Refusal,
    sa::{
        Cx, IkeSa,
        established::{Established, Wish},
        init_sent::InitSent,
        link::Link,
        state::Outcome,
        window::Fingerprint,
    },
    strangers::Strangers,
    view::SaView,
    wire::header::InitiatorSpi,
};

/// The sans-IO IKEv2 endpoint. See the crate's documentation for how it is driven.
pub struct Endpoint {
    config: Arc<EndpointConfig>,
    provider: &'static dyn Provider,
    rng: Box<dyn Rng + Send>,
    /// Keyed by SPIs that we chose at random, so no peer can aim at its shape.
    sas: BTreeMap<SaId, Slot>,
    /// The SPIs that came by rekeying.
    further: BTreeMap<u64, SaId>,
    /// IKE_SA_INIT requests that were answered, by the digest of the whole packet: a repeat is known by
    /// its octets, never by SPI and address.
    inits: BTreeMap<Fingerprint, SaId>,
    timers: BTreeSet<(Instant, SaId)>,
    cookies: CookieJar,
    /// SAs whose peers are not authenticated, by where they came from.
    strangers: Strangers,
    fragments: FragmentBudget,
    /// Answers in clear to what belongs to no SA and starts none.
    outsiders: RateLimit,
    /// Those among them that bring a token (RFC 6290).
    tokens: RateLimit,
    began: Instant,
    counters: Counters,
    out: VecDeque<Output>,
    asks: u64,
    tracing: bool,
    key_log: bool,
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
            further: BTreeMap::new(),
            inits: BTreeMap::new(),
            timers: BTreeSet::new(),
            cookies,
            strangers: Strangers::default(),
            fragments: FragmentBudget::default(),
            outsiders: RateLimit::default(),
            tokens: RateLimit::default(),
            began: now,
            counters: Counters::default(),
            out: VecDeque::new(),
            asks: 0,
            tracing: false,
            key_log: false,
        }
    }

    /// Goes by another configuration from here on. SAs that there are keep what they have agreed on; what is asked of
    /// them later (a rekey, a further child SA, a repeat) is judged by the new one.
    pub fn reconfigure(&mut self, config: EndpointConfig) {
        self.config = Arc::new(config);
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
        self.strangers.half_open()
    }

    /// Octets of memory that fragments of messages occupy that are not whole yet, those of all SAs
    /// together. At rest at most [`EndpointConfig::fragment_budget`].
    pub const fn fragment_octets(&self) -> usize {
        self.fragments.octets()
    }

    /// What was sent and received so far.
    pub const fn counters(&self) -> &Counters {
        &self.counters
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
                self.evict_fragments(now);
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

    // --- Other inputs ---

    fn answer(&mut self, now: Instant, id: SaId, ask: AskId, answer: Answer) {
        self.with(now, id, |sa, cx| match sa {
            IkeSa::Keyed { mut link, state } => {
                let outcome = state.answer(&mut link, cx, ask, answer);
                routing::take_kept(link, cx, outcome)
            }
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
            Command::Probe(id) => self.probe(now, id),
            Command::Move(id, path) => {
                self.when_up(now, id, |state, link, cx| state.move_to(link, cx, path));
            }
            Command::Rekey(id) => {
                self.when_up(now, id, |state, link, cx| {
                    state.wants(link, cx, Wish::RekeyIke)
                });
            }
            Command::NewChild(id) => {
                self.when_up(now, id, |state, link, cx| state.wants_child(link, cx));
            }
            Command::RekeyChild(id, spi) => {
                self.when_up(now, id, |state, link, cx| state.grows_old(link, cx, spi));
            }
            Command::DeleteChild(id, spi) => {
                self.when_up(now, id, |state, link, cx| state.wears_out(link, cx, spi));
            }
            Command::EspSent(id) => {
                self.when_up(now, id, |state, _, cx| Ok(state.esp_sent(cx)));
            }
            Command::ChildUsed(id, spi) => {
                self.when_up(now, id, |state, link, cx| {
                    Ok(state.child_used(link, cx, spi))
                });
            }
        }
    }

    /// Asks an established peer for a sign of life, unless an answer is due from it anyway.
    fn probe(&mut self, now: Instant, id: SaId) {
        self.when_up(now, id, |state, link, cx| state.probe(link, cx));
    }

    /// Lets an SA that is up do something.
    fn when_up(
        &mut self,
        now: Instant,
        id: SaId,
        act: impl FnOnce(Box<Established>, &mut Link, &mut Cx<'_>) -> Result<Outcome, Refusal>,
    ) {
        self.with(now, id, |sa, cx| match sa {
            IkeSa::Keyed { mut link, state } => match state.when_up(&mut link, cx, act) {
                Outcome::Go(state) => Some(IkeSa::Keyed { link, state }),
                Outcome::Gone => None,
            },
            starting @ IkeSa::Starting(_) => Some(starting),
        });
    }

    fn connect(&mut self, now: Instant, config: Box<ConnectConfig>) {
        let mut cx = self.cx(now);
        let Some(spi_i) = cx.fresh_ike_spi().and_then(InitiatorSpi::new) else {
            return;
        };
        let id = SaId(spi_i.get());
        cx.event(id, Event::Initiated);
        match InitSent::start(&mut cx, id, spi_i, config) {
            Ok(sent) => self.keep(id, Slot::new(IkeSa::Starting(Box::new(sent)), None)),
            Err(refusal) => cx.event(id, Event::Closed(CloseReason::Refused(refusal))),
        }
    }

    fn timeout(&mut self, now: Instant) {
        while let Some(&(instant, id)) = self.timers.first() {
            if instant > now {
                break;
            }
            self.timers.remove(&(instant, id));
            self.with(now, id, |sa, cx| match sa {
                IkeSa::Starting(sent) => sent.timeout(cx),
                IkeSa::Keyed { mut link, state } => {
                    link.expire_fragments(now);
                    let outcome = if link.deadline.is_some_and(|deadline| deadline <= now) {
                        link.deadline = None;
                        state.expired(&mut link, cx)
                    } else if link.retransmit(cx) {
                        Outcome::Go(state)
                    } else {
                        state.unanswered(&link, cx)
                    };
                    let outcome = match outcome {
                        Outcome::Go(state) if state.deadline().is_some_and(|at| at <= now) => {
                            state.timeout(&mut link, cx)
                        }
                        other => other,
                    };
                    match outcome {
                        Outcome::Go(state) => Some(IkeSa::Keyed { link, state }),
                        Outcome::Gone => None,
                    }
                }
            });
        }
    }
}
