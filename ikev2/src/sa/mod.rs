//! One IKE SA: its [`Link`](link::Link), which every state has, and its [`State`](state::State),
//! which holds exactly what is known by then.
//!
//! ```text
//! responder (responder.rs)                            initiator (initiator.rs)
//!   HalfOpen ─IKE_AUTH─► AwaitPeer                      InitSent ─► [ExpectIntermediate ⟲] ─► [AwaitSign]
//!     ⟲ IKE_INTERMEDIATE                                  ─► ExpectResponder
//!     certificate: AwaitChain ─► AwaitSign                 ─► AwaitChain ─┬─ EAP: AwaitEap ⇄ ExpectEap
//!     EAP: AwaitSign ─► AwaitEapStart ─► ExpectEap ⇄ AwaitEap             │        ─► ExpectFinal
//!                                   ─► ExpectFinalAuth                    └───────────────┐
//!   ─► AwaitLease ─► AwaitInstall ─► Established          AwaitInstall ◄──────────────────┘ ─► Established
//!
//! any ─► Lingering: over, but repeats still get their answer     Established ─► Closing ─► gone
//!                                        an initiator leaves: its IKE_AUTH is out ─► Leaving ─► Closing
//!                                        rekeying: the link of Established is replaced by another
//! ```

pub(crate) mod child;
pub(crate) mod established;
pub(crate) mod init;
pub(crate) mod init_sent;
pub(crate) mod initiator;
pub(crate) mod intermediate;
pub(crate) mod keylog;
pub(crate) mod link;
pub(crate) mod nat;
pub(crate) mod ppk;
pub(crate) mod reassembly;
pub(crate) mod responder;
pub(crate) mod signature;
pub(crate) mod state;
pub(crate) mod traits;
pub(crate) mod window;

use alloc::{boxed::Box, collections::VecDeque, sync::Arc, vec::Vec};

use crate::{
    config::EndpointConfig,
    counters::Counters,
    crypto::{Provider, Rng},
    endpoint::table::Taken,
    event::{Ask, AskId, Event, Instant, Output, Path, SaId, Trace, Transmit},
};

/// What handling an input may use: the time, the configuration, randomness, and where outputs go.
pub(crate) struct Cx<'a> {
    pub(crate) now: Instant,
    pub(crate) config: &'a Arc<EndpointConfig>,
    pub(crate) provider: &'static dyn Provider,
    pub(crate) rng: &'a mut (dyn Rng + Send),
    pub(crate) counters: &'a mut Counters,
    pub(crate) out: &'a mut VecDeque<Output>,
    pub(crate) asks: &'a mut u64,
    /// The SPIs that may not be chosen.
    pub(crate) taken: Taken<'a>,
    pub(crate) tracing: bool,
    pub(crate) key_log: bool,
}

/// Times that a free SPI is looked for among random ones before giving up.
const SPI_TRIES: u32 = 8;

impl Cx<'_> {
    /// A random IKE SPI that is not in use, with the shard's number in its first octet.
    pub(crate) fn fresh_ike_spi(&mut self) -> Option<u64> {
        (0..SPI_TRIES).find_map(|_| {
            let mut octets = [0; 8];
            self.rng.fill(&mut octets);
            if let Some(first) = octets.first_mut() {
                *first = self.config.shard;
            }
            let spi = u64::from_be_bytes(octets);
            // RFC 7296 §2.6#1, §3.1#3: an SPI is drawn, not zero, and names one SA.
            // RFC 6290 §9.3#1: nobody foretells it who does not know the random numbers.
            (spi != 0 && !self.taken.contains(spi)).then_some(spi)
        })
    }

    /// A random inbound SPI for a child SA, none of the reserved ones (RFC 4303 §2.1). Whether it is in
    /// use the dataplane says when it is installed.
    pub(crate) fn fresh_esp_spi(&mut self) -> u32 {
        // RFC 4303 §2.1#6, RFC 3948 §1#3, §2.1#4: no SPI is zero, nor one of the reserved ones.
        const RESERVED: u32 = 256;
        let mut octets = [0; 4];
        self.rng.fill(&mut octets);
        let spi = u32::from_be_bytes(octets);
        if spi < RESERVED {
            spi.saturating_add(RESERVED)
        } else {
            spi
        }
    }

    pub(crate) fn event(&mut self, id: SaId, event: Event) {
        self.out.push_back(Output::Event(id, event));
    }

    /// Sends one datagram.
    pub(crate) fn transmit(&mut self, path: Path, octets: Arc<[u8]>) {
        self.out
            .push_back(Output::Transmit(Transmit { path, octets }));
    }

    /// Keeps a NAT's mapping open.
    pub(crate) fn keepalive(&mut self, id: SaId, path: Path) {
        self.out.push_back(Output::Keepalive(id, path));
    }

    /// Asks the outside; the state keeps the name to know the answer by.
    pub(crate) fn ask(&mut self, id: SaId, ask: Ask) -> AskId {
        *self.asks = self.asks.wrapping_add(1);
        let name = AskId(*self.asks);
        self.out.push_back(Output::Ask(id, name, ask));
        name
    }

    /// One step for `debug`; costs a branch while tracing is off.
    pub(crate) fn trace(&mut self, id: SaId, step: impl FnOnce() -> Trace) {
        if self.tracing {
            let step = Box::new(step());
            self.out.push_back(Output::Event(id, Event::Trace(step)));
        }
    }
}

/// One IKE SA of the endpoint.
pub(crate) enum IkeSa {
    /// We sent IKE_SA_INIT; there are no keys.
    Starting(Box<init_sent::InitSent>),
    /// There are keys.
    Keyed {
        /// What it has in every state.
        link: Box<link::Link>,
        /// What it is waiting for.
        state: state::State,
    },
}

impl IkeSa {
    /// The SPIs that the peer may address it by, beside the one that names it, and those of IKE SAs that are being made:
    /// the peer may have such a one already, and use it before its answer has come here.
    pub(crate) fn further_spis(&self, id: SaId) -> Vec<u64> {
        let Self::Keyed { link, state } = self else {
            return Vec::new();
        };
        let main = Some(link.our_spi()).into_iter();
        main.chain(state.other_links().map(link::Link::our_spi))
            .chain(state.coming_spis())
            .filter(|&spi| spi != id.spi())
            .collect()
    }
}
