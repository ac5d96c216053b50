//! The table of IKE SAs: what is kept beside each, and what is counted as they change.

use alloc::{collections::BTreeMap, vec::Vec};
use core::time::Duration;

use super::Endpoint;
use crate::{
    event::{Discard, Instant, Output, SaId},
    fragment_budget::{Partial, Rank},
    sa::{Cx, IkeSa, state::State, window::Fingerprint},
    source::Source,
    strangers::Stage,
};

/// Errors in clear make an SA ask for a sign of life once in this time.
const HINT_PERIOD: Duration = Duration::from_secs(30);

/// The SPIs that are in use.
#[derive(Clone, Copy)]
pub(crate) struct Taken<'a> {
    sas: &'a BTreeMap<SaId, Slot>,
    further: &'a BTreeMap<u64, SaId>,
}

impl Taken<'_> {
    pub(crate) fn contains(&self, spi: u64) -> bool {
        self.sas.contains_key(&SaId(spi)) || self.further.contains_key(&spi)
    }
}

/// An SA and what the endpoint keeps beside it.
pub(crate) struct Slot {
    pub(super) sa: IkeSa,
    /// Its SPIs that came by rekeying.
    further: Vec<u64>,
    timer: Option<Instant>,
    /// Whose first request made the SA, until the peer is authenticated. None for one that we started.
    origin: Option<Origin>,
    /// What its incomplete messages are entered as in the budget.
    partials: Vec<Partial>,
    /// When an error in clear was last taken as a hint.
    hinted: Option<Instant>,
}

/// Where an SA of an unproven peer comes from.
pub(super) struct Origin {
    digest: Fingerprint,
    source: Source,
    stage: Stage,
}

impl Origin {
    pub(super) const fn new(digest: Fingerprint, source: Source) -> Self {
        Self {
            digest,
            source,
            stage: Stage::HalfOpen,
        }
    }
}

impl Slot {
    pub(super) const fn new(sa: IkeSa, origin: Option<Origin>) -> Self {
        Self {
            sa,
            further: Vec::new(),
            timer: None,
            origin,
            partials: Vec::new(),
            hinted: None,
        }
    }

    pub(super) const fn is_keyed(&self) -> bool {
        matches!(self.sa, IkeSa::Keyed { .. })
    }

    /// Whether an error in clear is to be followed now: the SA is up, waits for no answer, and has not
    /// followed one of late.
    pub(super) fn take_hint(&mut self, now: Instant) -> bool {
        let IkeSa::Keyed {
            link,
            state: State::Established(_),
        } = &self.sa
        else {
            return false;
        };
        let early = self
            .hinted
            .is_some_and(|last| now.since(last) < HINT_PERIOD);
        if early || link.requests.waiting() > 0 {
            return false;
        }
        self.hinted = Some(now);
        true
    }
}

impl Endpoint {
    pub(super) const fn taken(&self) -> Taken<'_> {
        Taken {
            sas: &self.sas,
            further: &self.further,
        }
    }

    pub(super) fn cx(&mut self, now: Instant) -> Cx<'_> {
        Cx {
            now,
            config: &self.config,
            provider: self.provider,
            rng: &mut *self.rng,
            counters: &mut self.counters,
            out: &mut self.out,
            asks: &mut self.asks,
            taken: Taken {
                sas: &self.sas,
                further: &self.further,
            },
            tracing: self.tracing,
            key_log: self.key_log,
        }
    }

    /// Lets an SA be consumed and puts its successor back, if it has one.
    pub(super) fn with(
        &mut self,
        now: Instant,
        id: SaId,
        change: impl FnOnce(IkeSa, &mut Cx<'_>) -> Option<IkeSa>,
    ) {
        let Some(slot) = self.sas.remove(&id) else {
            return;
        };
        if let Some(timer) = slot.timer {
            self.timers.remove(&(timer, id));
        }
        if let Some(origin) = &slot.origin {
            self.strangers.remove(origin.source, origin.stage);
        }
        for partial in &slot.partials {
            self.fragments.remove(partial);
        }
        let successor = change(slot.sa, &mut self.cx(now));
        for spi in &slot.further {
            self.further.remove(spi);
        }
        match successor {
            Some(sa) => self.keep(id, Slot { sa, ..slot }),
            None => {
                if let Some(origin) = slot.origin {
                    self.inits.remove(&origin.digest);
                }
            }
        }
    }

    /// Enters an SA and everything that is counted of it.
    pub(super) fn keep(&mut self, id: SaId, mut slot: Slot) {
        slot.partials.clear();
        match &slot.sa {
            IkeSa::Starting(sent) => slot.timer = Some(sent.deadline()),
            IkeSa::Keyed { link, state } => {
                let timers = [link.next_deadline(), state.deadline()];
                slot.timer = timers.into_iter().flatten().min();
                if matches!(state, State::Established(_))
                    && let Some(origin) = slot.origin.take()
                {
                    self.inits.remove(&origin.digest);
                }
                if let Some(origin) = &mut slot.origin {
                    let half_open =
                        matches!(state, State::Responder(state) if state.is_half_open());
                    origin.stage = if half_open {
                        Stage::HalfOpen
                    } else {
                        Stage::Negotiating
                    };
                    self.strangers.add(origin.source, origin.stage);
                }
                let stranger = slot.origin.is_some();
                for link in core::iter::once(&**link).chain(state.other_links()) {
                    slot.partials.extend(link.incomplete().map(|one| Partial {
                        rank: Rank::of(stranger, one.form),
                        since: one.since,
                        id,
                        spi: link.our_spi(),
                        response: one.response,
                        form: one.form,
                        octets: one.octets,
                    }));
                }
            }
        }
        for partial in &slot.partials {
            self.fragments.insert(*partial);
        }
        if let Some(timer) = slot.timer {
            self.timers.insert((timer, id));
        }
        slot.further = slot.sa.further_spis(id);
        self.further
            .extend(slot.further.iter().map(|&spi| (spi, id)));
        self.sas.insert(id, slot);
    }

    /// Drops incomplete messages until the rest is within the budget.
    pub(super) fn evict_fragments(&mut self, now: Instant) {
        while let Some(partial) = self.fragments.excess(self.config.fragment_budget) {
            let mut path = None;
            self.with(now, partial.id, |mut sa, _| {
                if let IkeSa::Keyed { link, state } = &mut sa {
                    let links = core::iter::once(&mut **link).chain(state.other_links_mut());
                    for link in links.filter(|link| link.our_spi() == partial.spi) {
                        link.drop_incomplete(partial.response, partial.form);
                        path = Some(link.path);
                    }
                }
                Some(sa)
            });
            // What is in the budget belongs to an SA; were it not so, this would not end.
            self.fragments.remove(&partial);
            if let Some(path) = path {
                let evicted = Output::Discarded(path, Discard::FragmentsEvicted);
                self.out.push_back(evicted);
            }
        }
    }
}
