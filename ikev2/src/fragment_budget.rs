//! How much memory incomplete messages may occupy in all, and which go first when that is too much.

use alloc::collections::BTreeSet;

use crate::{
    event::{Instant, SaId},
    sa::link::Form,
};

/// How much is lost with a message that is dropped, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// Of a peer that is not authenticated: anybody may have sent it.
    Stranger,
    /// In Cisco's fragments, which prove nothing, of a peer that is.
    Unauthentic,
    /// In RFC 7383's fragments of an authenticated peer.
    Authentic,
}

impl Rank {
    pub(crate) const fn of(stranger: bool, form: Form) -> Self {
        match (stranger, form) {
            (true, _) => Self::Stranger,
            (false, Form::Cisco) => Self::Unauthentic,
            (false, Form::Ietf) => Self::Authentic,
        }
    }
}

/// An incomplete message. The order of the fields is the order in which they go: by rank, then the oldest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Partial {
    pub(crate) rank: Rank,
    /// When its first fragment came.
    pub(crate) since: Instant,
    /// The SA that it is for.
    pub(crate) id: SaId,
    /// Our SPI in it: while an IKE SA is being replaced there is more than one.
    pub(crate) spi: u64,
    /// Whether it is a response.
    pub(crate) response: bool,
    /// The form of its fragments.
    pub(crate) form: Form,
    /// The memory that it occupies.
    pub(crate) octets: usize,
}

/// All incomplete messages of an endpoint.
#[derive(Default)]
pub(crate) struct FragmentBudget {
    octets: usize,
    partials: BTreeSet<Partial>,
}

impl FragmentBudget {
    /// The memory that all occupy.
    pub(crate) const fn octets(&self) -> usize {
        self.octets
    }

    pub(crate) fn insert(&mut self, partial: Partial) {
        if self.partials.insert(partial) {
            self.octets = self.octets.saturating_add(partial.octets);
        }
    }

    pub(crate) fn remove(&mut self, partial: &Partial) {
        if self.partials.remove(partial) {
            self.octets = self.octets.saturating_sub(partial.octets);
        }
    }

    /// What is to be dropped first, if there is more than `limit`.
    pub(crate) fn excess(&self, limit: usize) -> Option<Partial> {
        (self.octets > limit)
            .then(|| self.partials.first().copied())
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    fn partial(rank: Rank, since: u64, id: u64) -> Partial {
        Partial {
            rank,
            since: Instant::new(Duration::from_secs(since)),
            id: SaId(id),
            spi: id,
            response: false,
            form: Form::Cisco,
            octets: 100,
        }
    }

    #[test]
    fn strangers_go_first_then_unauthentic_ones_and_the_oldest_of_each() {
        let mut budget = FragmentBudget::default();
        let order = [
            partial(Rank::Stranger, 7, 1),
            partial(Rank::Stranger, 8, 2),
            partial(Rank::Unauthentic, 5, 3),
            partial(Rank::Unauthentic, 6, 4),
            partial(Rank::Authentic, 1, 5),
        ];
        for at in [4, 1, 3, 0, 2] {
            budget.insert(order[at]);
        }
        assert_eq!((budget.octets(), budget.excess(500)), (500, None));
        for next in order {
            assert_eq!(budget.excess(0), Some(next));
            budget.remove(&next);
            budget.remove(&next);
        }
        assert_eq!((budget.octets(), budget.excess(0)), (0, None));
    }
}
