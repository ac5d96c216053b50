//! Transform Types 6 to 12: the key exchanges after the first (RFC 9370).

use alloc::vec::Vec;

use super::proposal::lists;
use crate::{
    crypto::suite::{Additional, Group},
    wire::{
        payload::{Proposal, Transform},
        registry::{GroupId, TransformType},
    },
};

/// The Transform Types 6 to 12 in the order of their key exchanges.
pub(crate) const KINDS: [TransformType; Additional::SLOTS] = [
    TransformType::ADDKE1,
    TransformType::ADDKE2,
    TransformType::ADDKE3,
    TransformType::ADDKE4,
    TransformType::ADDKE5,
    TransformType::ADDKE6,
    TransformType::ADDKE7,
];

/// What a child SA is offered with: the key exchanges after the first, one for each entry, in which any of its methods will do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Alternatives<'a> {
    /// There are none.
    None,
    /// These.
    All(&'a [Vec<Group>]),
    /// None, which is preferred, or these.
    NoneOr(&'a [Vec<Group>]),
}

impl<'a> Alternatives<'a> {
    /// Each of them, those that are preferred first; there is one at least.
    pub(crate) fn each(self) -> impl Iterator<Item = &'a [Vec<Group>]> {
        let (first, second): (&[Vec<Group>], _) = match self {
            Self::None => (&[], None),
            Self::All(these) => (these, None),
            Self::NoneOr(these) => (&[], Some(these)),
        };
        core::iter::once(first).chain(second)
    }
}

/// What was chosen of the additional key exchanges that an offer lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Those that take place.
    pub(crate) exchanges: Additional,
    /// The types that were offered with NONE, and for which NONE was taken.
    declined: [bool; Additional::SLOTS],
}

impl Choice {
    /// RFC 7296 §2.7: the answer names one transform of each type that the proposal has, NONE included.
    pub(crate) fn transforms(self) -> impl Iterator<Item = Transform> {
        let taken = self.exchanges.slots().filter_map(|(slot, group)| {
            Some(Transform::new(KINDS.get(slot).copied()?, group.number()))
        });
        let declined = KINDS.into_iter().zip(self.declined);
        let declined = declined.filter(|&(_, declined)| declined);
        taken.chain(declined.map(|(kind, _)| Transform::new(kind, GroupId::NONE.0)))
    }

    /// Whether it is an answer to an offer of exactly these.
    pub(crate) fn answers(self, slots: &[Vec<Group>]) -> bool {
        let taken = self.exchanges.slots().map(|(slot, _)| slot);
        !self.declined.contains(&true) && taken.eq(0..slots.len())
    }
}

/// The transforms of an offer: one type for each of `slots`, in which either method will do.
pub(crate) fn offer(slots: &[Vec<Group>]) -> impl Iterator<Item = Transform> {
    KINDS.into_iter().zip(slots).flat_map(|(kind, groups)| {
        groups
            .iter()
            .map(move |group| Transform::new(kind, group.number()))
    })
}

/// Chooses from the types of a proposal, in our order of preference; `None` if it does not do. `first` is
/// the method of the first key exchange, `required` says that ours must all take place.
pub(crate) fn choose(
    slots: &[Vec<Group>],
    required: bool,
    offer: &Proposal,
    first: Option<Group>,
) -> Option<Choice> {
    // RFC 9370 §rules#2: each type chooses one of the methods of type 4, or NONE.
    let mut choice = Choice::default();
    let mut used: Vec<Group> = first.into_iter().collect();
    let mut slots = slots.iter();
    let mut wanted = slots.next();
    for ((at, kind), declined) in KINDS.into_iter().enumerate().zip(&mut choice.declined) {
        if offer.transforms_of(kind).next().is_none() {
            continue;
        }
        // RFC 9370 §rules#2: the methods of each type are those of type 4, or NONE.
        let listed = |id: u16| lists(offer, &Transform::new(kind, id));
        // No method is used twice for one SA.
        let group = wanted
            .into_iter()
            .flatten()
            .copied()
            .find(|&group| !used.contains(&group) && listed(group.number()));
        match group {
            Some(group) => {
                choice.exchanges = choice.exchanges.with(at, group);
                used.push(group);
                wanted = slots.next();
            }
            None if listed(GroupId::NONE.0) => *declined = true,
            None => return None,
        }
    }
    (wanted.is_none() || !required).then_some(choice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::registry::ProtocolId;

    const FIRST: Option<Group> = Some(Group::Curve25519);
    const KEM: Group = Group::MlKem768;
    const LARGE: Group = Group::MlKem1024;

    fn proposal(types: &[(TransformType, &[u16])]) -> Proposal {
        let each = types
            .iter()
            .flat_map(|&(kind, ids)| ids.iter().map(move |&id| Transform::new(kind, id)));
        Proposal {
            number: 1,
            protocol: ProtocolId::IKE,
            spi: Vec::new(),
            transforms: each.collect(),
        }
    }

    fn chosen(slots: &[Vec<Group>], offer: &Proposal) -> Option<Vec<Group>> {
        choose(slots, true, offer, FIRST).map(|one| one.exchanges.groups().collect())
    }

    // RFC 9370 §rules#2: one method of each type that was offered, in our order of preference.
    #[test]
    fn one_method_of_each_type_is_chosen_in_our_order() {
        let both = proposal(&[(TransformType::ADDKE1, &[36, 37])]);
        assert_eq!(chosen(&[vec![LARGE, KEM]], &both), Some(vec![LARGE]));
        assert_eq!(chosen(&[vec![KEM]], &both), Some(vec![KEM]));
        assert_eq!(chosen(&[vec![Group::MlKem512]], &both), None);
        let two = proposal(&[
            (TransformType::ADDKE1, &[36]),
            (TransformType::ADDKE2, &[37]),
        ]);
        assert_eq!(
            chosen(&[vec![KEM], vec![LARGE]], &two),
            Some(vec![KEM, LARGE])
        );
        // A type of the peer's that is none of ours, and one of ours that is none of the peer's.
        assert_eq!(chosen(&[vec![KEM]], &two), None);
        assert_eq!(chosen(&[vec![KEM], vec![LARGE]], &both), None);
        assert_eq!(chosen(&[], &both), None);
    }

    // RFC 9370 §rules#2: NONE stands for no exchange of that type.
    #[test]
    fn what_is_offered_with_none_may_be_declined_and_the_answer_says_so() {
        let offer = proposal(&[
            (TransformType::ADDKE1, &[36, 0]),
            (TransformType::ADDKE3, &[37, 0]),
        ]);
        let choice = choose(&[], true, &offer, FIRST).unwrap();
        assert!(choice.exchanges.is_empty());
        let answer: Vec<Transform> = choice.transforms().collect();
        let none = |kind| Transform::new(kind, 0);
        assert_eq!(
            answer,
            [none(TransformType::ADDKE1), none(TransformType::ADDKE3)]
        );
        // The second type alone.
        let choice = choose(&[vec![LARGE]], true, &offer, FIRST).unwrap();
        assert_eq!(choice.exchanges.slots().collect::<Vec<_>>(), [(2, LARGE)]);
        assert!(!choice.answers(&[vec![LARGE]]));
    }

    // The methods of one SA differ from each other.
    #[test]
    fn no_method_is_chosen_twice() {
        let twice = proposal(&[
            (TransformType::ADDKE1, &[36]),
            (TransformType::ADDKE2, &[36]),
        ]);
        assert_eq!(chosen(&[vec![KEM], vec![KEM]], &twice), None);
        let first = proposal(&[(TransformType::ADDKE1, &[36])]);
        assert_eq!(choose(&[vec![KEM]], true, &first, Some(KEM)), None);
        assert_eq!(chosen(&[vec![KEM]], &first), Some(vec![KEM]));
    }

    #[test]
    fn an_answer_has_a_method_in_each_type_that_was_offered_and_no_other() {
        let slots = [vec![KEM, LARGE]];
        let answer = |types: &[(TransformType, &[u16])]| {
            choose(&slots, true, &proposal(types), FIRST).is_some_and(|one| one.answers(&slots))
        };
        assert!(answer(&[(TransformType::ADDKE1, &[37])]));
        assert!(!answer(&[(TransformType::ADDKE2, &[37])]));
        assert!(!answer(&[]));
        assert!(!answer(&[(TransformType::ADDKE1, &[35])]));
        assert!(!answer(&[
            (TransformType::ADDKE1, &[37]),
            (TransformType::ADDKE2, &[0])
        ]));
    }
}
