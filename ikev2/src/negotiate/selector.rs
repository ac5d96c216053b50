//! Traffic selectors (RFC 7296 §2.9): what the peer proposes, narrowed to what it may have.

use alloc::vec::Vec;

use crate::{
    refusal::{PeerIncompatible, PeerMisbehaved},
    wire::payload::{AddressRange, TrafficSelector},
};

/// The common part of two selectors, if there is any.
pub(crate) fn intersect(a: &TrafficSelector, b: &TrafficSelector) -> Option<TrafficSelector> {
    let protocol = match (a.protocol, b.protocol) {
        (0, other) | (other, 0) => other,
        (one, other) if one == other => one,
        _ => return None,
    };
    let (a_range, b_range) = (&a.addresses, &b.addresses);
    if a_range.kind() != b_range.kind() {
        return None;
    }
    let addresses = AddressRange::new(
        a_range.start().max(b_range.start()),
        a_range.end().min(b_range.end()),
    )?;
    let both = TrafficSelector {
        protocol,
        start_port: a.start_port.max(b.start_port),
        end_port: a.end_port.min(b.end_port),
        addresses,
    };
    (both.start_port <= both.end_port).then_some(both)
}

/// Whether everything that `narrower` selects is selected by `wider`.
fn contains(wider: &TrafficSelector, narrower: &TrafficSelector) -> bool {
    intersect(wider, narrower).as_ref() == Some(narrower)
}

/// The part of `proposed` that lies within `allowed`, in the order of `allowed`. A selector within
/// another is left out: a peer may name the packet that it began for before all that it wants.
///
/// # Errors
///
/// [`PeerIncompatible::TsUnacceptable`] when nothing is left.
pub(crate) fn narrow(
    proposed: &[TrafficSelector],
    allowed: &[TrafficSelector],
) -> Result<Vec<TrafficSelector>, PeerIncompatible> {
    // RFC 7296 §2.9#2: whatever is allowed of the first choice is within the answer.
    let mut narrowed: Vec<TrafficSelector> = Vec::new();
    for one in allowed {
        for other in proposed {
            if let Some(both) = intersect(one, other)
                && !narrowed.iter().any(|wider| contains(wider, &both))
            {
                narrowed.retain(|narrower| !contains(&both, narrower));
                narrowed.push(both);
            }
        }
    }
    if narrowed.is_empty() {
        return Err(PeerIncompatible::TsUnacceptable);
    }
    Ok(narrowed)
}

/// Whether every selector of an answer lies within one that was proposed.
///
/// # Errors
///
/// [`PeerMisbehaved::SelectorTooWide`].
pub(crate) fn within(
    answer: &[TrafficSelector],
    proposed: &[TrafficSelector],
) -> Result<(), PeerMisbehaved> {
    let fits = |one: &TrafficSelector| proposed.iter().any(|other| contains(other, one));
    if !answer.is_empty() && answer.iter().all(fits) {
        Ok(())
    } else {
        Err(PeerMisbehaved::SelectorTooWide)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(start: [u8; 4], end: [u8; 4]) -> TrafficSelector {
        TrafficSelector::addresses(AddressRange::V4 {
            start: start.into(),
            end: end.into(),
        })
    }

    fn any_v6() -> TrafficSelector {
        TrafficSelector::addresses(AddressRange::ANY_V6)
    }

    // RFC 7296 §2.9: the responder may answer with a subset of what was proposed.
    #[test]
    fn narrows_everything_to_the_assigned_address() {
        let everything = [v4([0; 4], [255; 4]), any_v6()];
        let host = v4([192, 168, 10, 8], [192, 168, 10, 8]);
        let narrowed = narrow(&everything, &[host]).unwrap();
        assert_eq!(narrowed, [host]);
        assert_eq!(within(&narrowed, &everything), Ok(()));
    }

    #[test]
    fn keeps_ports_and_protocol_of_both_sides() {
        let web = TrafficSelector {
            protocol: 6,
            start_port: 443,
            end_port: 443,
            ..v4([10, 0, 0, 0], [10, 255, 255, 255])
        };
        let narrowed = narrow(&[web], &[v4([10, 1, 0, 0], [10, 1, 255, 255])]).unwrap();
        assert_eq!(
            narrowed,
            [TrafficSelector {
                addresses: v4([10, 1, 0, 0], [10, 1, 255, 255]).addresses,
                ..web
            }]
        );
        let udp = TrafficSelector {
            protocol: 17,
            ..web
        };
        assert_eq!(
            narrow(&[web], &[udp]),
            Err(PeerIncompatible::TsUnacceptable)
        );
    }

    // RFC 7296 §2.9#2: the first choice, where it is allowed, is part of what remains.
    #[test]
    fn the_packet_that_began_it_is_within_what_is_left() {
        let everything = v4([0; 4], [255; 4]);
        let packet = TrafficSelector {
            protocol: 6,
            start_port: 443,
            end_port: 443,
            ..v4([10, 1, 2, 3], [10, 1, 2, 3])
        };
        let net = v4([10, 1, 0, 0], [10, 1, 255, 255]);
        for proposed in [[packet, everything], [everything, packet]] {
            let narrowed = narrow(&proposed, &[net]).unwrap();
            assert_eq!(narrowed, [net]);
            assert_eq!(within(&[packet], &narrowed), Ok(()));
        }
    }

    #[test]
    fn refuses_when_nothing_is_left_or_families_differ() {
        let a = [v4([10, 0, 0, 0], [10, 0, 0, 255])];
        let b = [v4([10, 0, 1, 0], [10, 0, 1, 255])];
        assert_eq!(narrow(&a, &b), Err(PeerIncompatible::TsUnacceptable));
        assert_eq!(
            narrow(&a, &[any_v6()]),
            Err(PeerIncompatible::TsUnacceptable)
        );
    }

    #[test]
    fn refuses_an_answer_wider_than_the_question_or_empty() {
        let asked = [v4([10, 0, 0, 0], [10, 0, 0, 255])];
        assert_eq!(
            within(&[v4([10, 0, 0, 0], [10, 0, 1, 255])], &asked),
            Err(PeerMisbehaved::SelectorTooWide)
        );
        assert_eq!(within(&[], &asked), Err(PeerMisbehaved::SelectorTooWide));
    }
}
