//! What the outside says of the child SAs: that one is worn, and that the peer sends on one (RFC 7296 §2.8).

use alloc::boxed::Box;

use super::{Established, Wish, children::Wear};
use crate::{
    refusal::Refusal,
    sa::{
        Cx,
        link::Link,
        state::{Outcome, State},
    },
};

impl Established {
    /// A child SA has reached its soft limit: it is to be replaced.
    pub(crate) fn grows_old(
        mut self: Box<Self>,
        link: &mut Link,
        cx: &mut Cx<'_>,
        inbound_spi: u32,
    ) -> Result<Outcome, Refusal> {
        self.children.wear(inbound_spi, Wear::Old);
        self.wants(link, cx, Wish::RekeyChild(inbound_spi))
    }

    /// A child SA has reached its hard limit: it is to be deleted.
    pub(crate) fn wears_out(
        mut self: Box<Self>,
        link: &mut Link,
        cx: &mut Cx<'_>,
        inbound_spi: u32,
    ) -> Result<Outcome, Refusal> {
        self.children.wear(inbound_spi, Wear::WornOut);
        self.wants(link, cx, Wish::DeleteChild(inbound_spi))
    }

    /// RFC 7296 §2.8: the peer sends on it, so it receives on it.
    pub(crate) fn child_used(
        mut self: Box<Self>,
        link: &Link,
        cx: &mut Cx<'_>,
        inbound_spi: u32,
    ) -> Outcome {
        let live = self
            .children
            .by_inbound(inbound_spi)
            .is_some_and(|child| child.is_usable());
        if live {
            self.children.switch(link.id, cx, inbound_spi);
        }
        Outcome::Go(State::Established(self))
    }

    /// A worn child SA is replaced or deleted, whatever came between: what was to take its place may have been refused, or taken
    /// back by the peer.
    pub(super) fn wish_by_wear(&mut self, cx: &mut Cx<'_>) {
        for inbound_spi in self.children.worn(Wear::Old) {
            let wish = Wish::RekeyChild(inbound_spi);
            if !self.pending.replaces(inbound_spi) && !self.wishes.has(wish.clone()) {
                self.wishes.again(cx, wish);
            }
        }
        // Nobody else deletes these any more, so that there is nothing to wait for.
        for inbound_spi in self.children.worn(Wear::WornOut) {
            let wish = Wish::DeleteChild(inbound_spi);
            self.wishes.forget(&wish);
            self.wishes.add(cx.now, wish);
        }
    }
}
