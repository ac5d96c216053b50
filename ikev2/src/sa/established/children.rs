//! The child SAs of an IKE SA: which are there, on which the outside sends, and which are on their
//! way out (RFC 7296 §1.4.1, §2.8).
//!
//! A child SA and those that replace it share a name. Of those that share it the outside receives on
//! all and sends on one.

use alloc::vec::Vec;

use crate::{
    config::{MAX_CHILDREN, RETIRE_AFTER},
    crypto::suite::EspSuite,
    event::{ChildExchanges, ChildId, ChildSa, Event, Instant, SaId},
    sa::Cx,
    wire::payload::TrafficSelector,
};

/// Child SAs at most, those included that are being replaced and that still receive.
const MOST: usize = MAX_CHILDREN.saturating_mul(2);

/// What is to become of a child SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing in particular.
    Live,
    /// The peer has made one that replaces it, and deletes it when it sees fit; it has forgotten to if it has not by then.
    Replaced { overdue: Instant },
    /// Our Delete is out.
    Closing,
}

/// How worn the outside says that a child SA is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wear {
    /// It has said nothing.
    Fresh,
    /// The soft limit is reached: it is to be replaced.
    Old,
    /// The hard limit is reached: nothing goes over it any more, and it is to be deleted, as soon as it is not the peer's to
    /// delete.
    WornOut,
}

/// An installed child SA.
#[derive(Clone)]
pub(crate) struct Child {
    pub(crate) id: ChildId,
    pub(crate) suite: EspSuite,
    pub(crate) exchanges: ChildExchanges,
    pub(crate) inbound_spi: u32,
    pub(crate) outbound_spi: u32,
    pub(crate) local: Vec<TrafficSelector>,
    pub(crate) remote: Vec<TrafficSelector>,
    pub(crate) standing: Standing,
    pub(crate) wear: Wear,
    /// The outside sends on it.
    sending: bool,
}

impl Child {
    /// What stays of a child SA once its keys are with the outside.
    pub(crate) fn of(sa: &ChildSa) -> Self {
        Self {
            id: sa.id,
            suite: sa.suite,
            exchanges: sa.exchanges,
            inbound_spi: sa.inbound_spi,
            outbound_spi: sa.outbound_spi,
            local: sa.local.clone(),
            remote: sa.remote.clone(),
            standing: Standing::Live,
            wear: Wear::Fresh,
            sending: false,
        }
    }

    /// Whether it is there to be sent on, and to be replaced.
    pub(crate) fn is_usable(&self) -> bool {
        self.standing == Standing::Live && self.wear != Wear::WornOut
    }
}

/// An inbound SA that waits for its last packets.
struct Retiring {
    at: Instant,
    child: ChildId,
    inbound_spi: u32,
    outbound_spi: u32,
}

/// The child SAs of one IKE SA.
pub(crate) struct Children {
    list: Vec<Child>,
    retiring: Vec<Retiring>,
    last: ChildId,
    /// The IKE SA began without a child SA (RFC 6023), and has had none since.
    none_yet: bool,
}

impl Children {
    /// The first child SA, if there is one: the outside sends on it.
    pub(crate) fn new(first: Option<Child>) -> Self {
        let mut list: Vec<Child> = first.into_iter().collect();
        for child in &mut list {
            child.sending = true;
        }
        Self {
            none_yet: list.is_empty(),
            list,
            retiring: Vec::new(),
            last: ChildId::FIRST,
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether the IKE SA has none and never had: then it waits for its first one.
    pub(crate) const fn none_yet(&self) -> bool {
        self.none_yet
    }

    /// RFC 7296 §1.3: so many are enough, those included that still receive. What replaces one of them stays beside it for
    /// a while and is no further one.
    pub(crate) fn is_full(&self, replaces: bool) -> bool {
        if replaces {
            self.list.len() >= MOST
        } else {
            self.all() >= MAX_CHILDREN
        }
    }

    /// Whether so many still receive that nothing costly is done for one that comes in the place of another.
    pub(crate) fn is_crowded(&self) -> bool {
        self.all() >= MOST
    }

    fn all(&self) -> usize {
        self.list.len().saturating_add(self.retiring.len())
    }

    /// There was one: it has been deleted before it was here.
    pub(crate) const fn had_one(&mut self) {
        self.none_yet = false;
    }

    /// Whether there is one of this name.
    pub(crate) fn has(&self, id: ChildId) -> bool {
        self.list.iter().any(|child| child.id == id)
    }

    /// A name that no child SA had.
    pub(crate) fn next_id(&mut self) -> ChildId {
        self.last = ChildId(self.last.0.wrapping_add(1));
        self.last
    }

    /// The one that is used now: of the oldest name, the one that the outside sends on.
    pub(crate) fn in_use(&self) -> Option<&Child> {
        self.list.iter().find(|child| child.sending)
    }

    /// Every one, and whether the outside sends on it, in the order in which they were made.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Child, bool)> {
        self.list.iter().map(|child| (child, child.sending))
    }

    /// The one that we receive on under this SPI.
    pub(crate) fn by_inbound(&mut self, spi: u32) -> Option<&mut Child> {
        self.list.iter_mut().find(|child| child.inbound_spi == spi)
    }

    /// The one that the peer receives on under this SPI: what it calls it in Delete and REKEY_SA.
    pub(crate) fn by_outbound(&mut self, spi: u32) -> Option<&mut Child> {
        self.list.iter_mut().find(|child| child.outbound_spi == spi)
    }

    /// Whether the outside has one that is sent on under this SPI, be it one that only still receives.
    pub(crate) fn has_outbound(&self, spi: u32) -> bool {
        let there = self.list.iter().map(|child| child.outbound_spi);
        let gone = self.retiring.iter().map(|one| one.outbound_spi);
        there.chain(gone).any(|one| one == spi)
    }

    /// Whether another of its name goes on without this one.
    pub(crate) fn has_heir(&self, inbound_spi: u32) -> bool {
        let mut list = self.list.iter();
        let name = list
            .find(|one| one.inbound_spi == inbound_spi)
            .map(|one| one.id);
        self.list.iter().any(|one| {
            one.inbound_spi != inbound_spi && Some(one.id) == name && one.standing == Standing::Live
        })
    }

    /// Whether one of them is being deleted by us.
    pub(crate) fn closing(&self) -> bool {
        self.list
            .iter()
            .any(|child| child.standing == Standing::Closing)
    }

    fn youngest_usable(&self, id: ChildId) -> Option<u32> {
        let mut list = self.list.iter().rev();
        let found = list.find(|one| one.id == id && one.is_usable());
        found.map(|one| one.inbound_spi)
    }

    /// The outside says that one is worn.
    pub(crate) fn wear(&mut self, inbound_spi: u32, wear: Wear) {
        if let Some(child) = self.by_inbound(inbound_spi) {
            child.wear = child.wear.max(wear);
        }
    }

    /// One that is worn out is sent on no more where its successor is there, which the peer has, or will have with our answer:
    /// whichever of the two has come first.
    pub(crate) fn leave_worn_out(&mut self, sa: SaId, cx: &mut Cx<'_>) {
        let left = self.list.iter();
        let left = left.filter(|one| one.sending && one.wear == Wear::WornOut);
        let successors = left.filter_map(|one| self.youngest_usable(one.id));
        for successor in successors.collect::<Vec<_>>() {
            self.switch(sa, cx, successor);
        }
    }

    /// Those that have grown old or are worn out, and that nothing replaces: by their inbound SPIs.
    pub(crate) fn worn(&self, wear: Wear) -> impl Iterator<Item = u32> {
        let live = self.list.iter();
        let live = live.filter(move |one| one.standing == Standing::Live && one.wear == wear);
        live.map(|one| one.inbound_spi)
    }

    /// Our Delete of this one and of those that it has replaced goes out: their inbound SPIs, its own first.
    pub(crate) fn close(&mut self, inbound_spi: u32) -> Vec<u32> {
        let mut closed = Vec::new();
        let mut name = None;
        // Those that it has replaced were made before it.
        for child in self.list.iter_mut().rev() {
            let goes_along =
                name == Some(child.id) && matches!(child.standing, Standing::Replaced { .. });
            if child.inbound_spi == inbound_spi || goes_along {
                name = Some(child.id);
                child.standing = Standing::Closing;
                closed.push(child.inbound_spi);
            }
        }
        closed
    }

    /// A further one is installed: inbound if its name is known, else in both directions.
    // RFC 7296 §2.8.1#2: all of a name are received on.
    pub(crate) fn add(&mut self, sa: SaId, cx: &mut Cx<'_>, mut child: Child) {
        child.sending = !self.list.iter().any(|other| other.id == child.id);
        self.list.push(child);
        self.none_yet = false;
        self.make_room(sa, cx);
    }

    /// The outside is to send on this one.
    pub(crate) fn switch(&mut self, sa: SaId, cx: &mut Cx<'_>, inbound_spi: u32) {
        let found = self
            .list
            .iter()
            .find(|child| child.inbound_spi == inbound_spi);
        let Some(id) = found.filter(|one| !one.sending).map(|one| one.id) else {
            return;
        };
        for child in self.list.iter_mut().filter(|child| child.id == id) {
            child.sending = child.inbound_spi == inbound_spi;
        }
        let child = id;
        cx.event(sa, Event::ChildSwitched { child, inbound_spi });
    }

    /// One is gone. What is under way to it is still received for a while if another of its name goes
    /// on; else the name is over, with those whose Delete is out.
    pub(crate) fn remove(&mut self, sa: SaId, cx: &mut Cx<'_>, inbound_spi: u32) {
        let found = self
            .list
            .iter()
            .position(|child| child.inbound_spi == inbound_spi);
        let Some(index) = found else {
            return;
        };
        let gone = self.list.remove(index);
        let child = gone.id;
        // What was to replace it is gone before it: it may be replaced by another.
        let lives = |one: &Child| one.id == child && one.standing == Standing::Live;
        if !self.list.iter().any(lives)
            && let Some(one) =
                self.list.iter_mut().rev().find(|one| {
                    one.id == child && matches!(one.standing, Standing::Replaced { .. })
                })
        {
            one.standing = Standing::Live;
        }
        if !self.list.iter().any(lives) {
            // RFC 7296 §2.25.1: what we are deleting never takes its place; the peer may have no such SA any more.
            self.list.retain(|one| one.id != child);
            self.retiring.retain(|one| one.child != child);
            cx.event(sa, Event::ChildDeleted { child, inbound_spi });
            return;
        }
        // RFC 7296 §2.8: with the Delete of the replaced one the peer is ready to receive on the new. Nothing goes back to one
        // that is worn out, which the outside has no more.
        if gone.sending
            && let Some(heir) = self.youngest_usable(child)
        {
            self.switch(sa, cx, heir);
        }
        self.retiring.push(Retiring {
            at: cx.now.after(RETIRE_AFTER),
            child,
            inbound_spi,
            outbound_spi: gone.outbound_spi,
        });
        self.make_room(sa, cx);
    }

    /// However fast they are replaced, which nobody is to be refused for: those that have waited longest go.
    fn make_room(&mut self, sa: SaId, cx: &mut Cx<'_>) {
        while self.all() > MOST && !self.retiring.is_empty() {
            let oldest = self.retiring.remove(0);
            let (child, inbound_spi) = (oldest.child, oldest.inbound_spi);
            cx.event(sa, Event::ChildRetired { child, inbound_spi });
        }
    }

    /// Ends the reception on those that have waited long enough.
    pub(crate) fn retire(&mut self, sa: SaId, cx: &mut Cx<'_>) {
        let now = cx.now;
        self.retiring.retain(|one| {
            if one.at > now {
                return true;
            }
            let (child, inbound_spi) = (one.child, one.inbound_spi);
            cx.event(sa, Event::ChildRetired { child, inbound_spi });
            false
        });
    }

    /// When [`retire`](Self::retire) has something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.retiring.iter().map(|one| one.at).min()
    }

    /// All of them end with their IKE SA.
    pub(crate) fn end(&mut self, sa: SaId, cx: &mut Cx<'_>) {
        while let Some(child) = self.list.first() {
            let inbound_spi = child.inbound_spi;
            self.remove(sa, cx, inbound_spi);
        }
    }
}
