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
    /// It is to be deleted, as soon as it is not the peer's to delete.
    pub(crate) worn_out: bool,
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
            worn_out: false,
            sending: false,
        }
    }
}

/// An inbound SA that waits for its last packets.
struct Retiring {
    at: Instant,
    child: ChildId,
    inbound_spi: u32,
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
        let most = if replaces {
            MAX_CHILDREN.saturating_mul(2)
        } else {
            MAX_CHILDREN
        };
        self.list.len().saturating_add(self.retiring.len()) >= most
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

    /// Whether one of them is being deleted by us.
    pub(crate) fn closing(&self) -> bool {
        self.list
            .iter()
            .any(|child| child.standing == Standing::Closing)
    }

    /// One that is worn out and that nothing replaces any more, by its inbound SPI.
    pub(crate) fn overdue(&self) -> Option<u32> {
        let mut list = self.list.iter();
        let overdue = list.find(|one| one.worn_out && one.standing == Standing::Live);
        overdue.map(|one| one.inbound_spi)
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
    pub(crate) fn add(&mut self, mut child: Child) {
        child.sending = !self.list.iter().any(|other| other.id == child.id);
        self.list.push(child);
        self.none_yet = false;
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
        // RFC 7296 §2.8: with the Delete of the replaced one the peer is ready to receive on the new.
        let heir = self.list.iter().rev().find(|one| lives(one));
        let Some(heir) = heir.map(|heir| heir.inbound_spi) else {
            // RFC 7296 §2.25.1: what we are deleting never takes its place; the peer may have no such SA any more.
            self.list.retain(|one| one.id != child);
            self.retiring.retain(|one| one.child != child);
            cx.event(sa, Event::ChildDeleted { child, inbound_spi });
            return;
        };
        if gone.sending {
            self.switch(sa, cx, heir);
        }
        self.retiring.push(Retiring {
            at: cx.now.after(RETIRE_AFTER),
            child,
            inbound_spi,
        });
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
