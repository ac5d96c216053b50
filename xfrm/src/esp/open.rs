//! The inbound SA (RFC 4303 §3.4): replay check, integrity, decryption, what is inside.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::cipher::OpeningKey;
use super::packet::{self, Layout};
use super::replay::Replay;
use super::wear::Wear;
use crate::{DropReason, Error, EspSpi, SaSpec};

/// An inbound SA. Several threads may open on it.
pub(super) struct InboundSa {
    spi: EspSpi,
    layout: Layout,
    key: OpeningKey,
    esn: bool,
    replay: Mutex<Replay>,
    pub(super) wear: Wear,
    /// Its first packet is to be told.
    untold: AtomicBool,
}

/// An authentic packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Opened {
    /// Where in the ESP packet the payload is, padding and trailer excluded.
    pub(super) payload: Range<usize>,
    /// What the payload says it is.
    pub(super) next_header: u8,
    /// Whether its number is higher than every one before.
    pub(super) newer: bool,
}

/// Why an ESP packet was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// Nobody knows who sent it.
    Forged(DropReason),
    /// The peer sent it, and it is wrong all the same.
    Malformed(DropReason),
}

impl Refused {
    pub(super) const fn reason(self) -> DropReason {
        match self {
            Self::Forged(reason) | Self::Malformed(reason) => reason,
        }
    }
}

impl InboundSa {
    /// # Errors
    /// [`Error::Unsupported`] when the crypto provider lacks the algorithm.
    pub(super) fn new(spec: &SaSpec) -> Result<Self, Error> {
        Ok(Self {
            spi: spec.spi,
            layout: Layout::of(spec.keys.algorithm()),
            key: OpeningKey::new(&spec.keys)?,
            esn: spec.esn,
            replay: Mutex::new(Replay::new(spec.replay_window)),
            wear: Wear::new(spec),
            untold: AtomicBool::new(false),
        })
    }

    /// As [`new`](Self::new), for one that replaces another: its first packet is news.
    pub(super) fn successor(spec: &SaSpec) -> Result<Self, Error> {
        let mut sa = Self::new(spec)?;
        sa.untold = AtomicBool::new(true);
        Ok(sa)
    }

    /// An authentic packet came in: whether that is to be told, as the first one is.
    pub(super) fn is_news(&self) -> bool {
        self.untold.load(Ordering::Relaxed) && self.untold.swap(false, Ordering::Relaxed)
    }

    pub(super) const fn spi(&self) -> EspSpi {
        self.spi
    }

    /// Opens an ESP packet of this SA in place; `low` is the sequence number in its header.
    ///
    /// # Errors
    /// [`Refused`] with the reason. Until the packet has proven authentic nothing of the SA changes.
    pub(super) fn open(&self, packet: &mut [u8], low: u32) -> Result<Opened, Refused> {
        let forged = Refused::Forged;
        if self.wear.is_expired() {
            return Err(forged(DropReason::Expired));
        }
        let sequence = {
            let replay = self.replay.lock().unwrap_or_else(PoisonError::into_inner);
            let sequence = if self.esn {
                replay
                    .extend(low)
                    .ok_or(Refused::Forged(DropReason::Replayed))?
            } else {
                u64::from(low)
            };
            // RFC 4303 §2.2#3, §3.4.3#1,5-6: a repeated packet is refused before the cost of its integrity check.
            replay
                .check(sequence)
                .map_err(|_| forged(DropReason::Replayed))?;
            sequence
        };
        self.key
            .open(packet, self.layout, sequence, self.esn)
            .map_err(forged)?;
        let newer = self
            .replay
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .accept(sequence)
            .map_err(|_| forged(DropReason::Replayed))?;

        let start = self.layout.headroom();
        let body = packet
            .len()
            .checked_sub(self.layout.icv)
            .and_then(|end| packet.get(start..end))
            .ok_or(Refused::Malformed(DropReason::Truncated))?;
        // RFC 4303 §5#1: unicast ESP in tunnel mode, as described.
        let (next_header, length) = packet::strip_trailer(body).map_err(Refused::Malformed)?;
        Ok(Opened {
            payload: start..start.saturating_add(length),
            next_header,
            newer,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::esp::seal::OutboundSa;
    use crate::esp::tests_support::{ALGORITHMS, GCM_256, sa};
    use crate::esp::wear::Worn;

    fn seal(outbound: &OutboundSa, inner: &[u8]) -> Vec<u8> {
        let mut packet = vec![0xa5; outbound.layout().sealed(inner.len())];
        let start = outbound.layout().headroom();
        packet[start..start + inner.len()].copy_from_slice(inner);
        assert_eq!(outbound.seal(&mut packet, inner.len(), 4), Ok(Worn::No));
        packet
    }

    fn open(inbound: &InboundSa, packet: &[u8]) -> Result<Vec<u8>, Refused> {
        let mut packet = packet.to_vec();
        let (_, low) = packet::header(&packet).map_err(Refused::Forged)?;
        inbound
            .open(&mut packet, low)
            .map(|opened| packet[opened.payload].to_vec())
    }

    fn pair(algorithm: crate::EspAlgorithm, esn: bool) -> (OutboundSa, InboundSa) {
        let mut spec = sa(0x1234_5678, algorithm);
        spec.esn = esn;
        (
            OutboundSa::new(&spec).unwrap(),
            InboundSa::new(&spec).unwrap(),
        )
    }

    // RFC 4303 §2.2#2-4, §2.4#1, §3.4.3#1,5, §3.4.4.1#5: numbered, padded and opened, once.
    #[test]
    fn opens_what_was_sealed_with_every_algorithm_and_length() {
        for algorithm in ALGORITHMS {
            for esn in [false, true] {
                let (outbound, inbound) = pair(algorithm, esn);
                for length in 0..70 {
                    let inner: Vec<u8> = (0..length).collect();
                    let packet = seal(&outbound, &inner);
                    assert_eq!(
                        open(&inbound, &packet),
                        Ok(inner),
                        "{algorithm}, {length} octets"
                    );
                    assert_eq!(
                        open(&inbound, &packet),
                        Err(Refused::Forged(DropReason::Replayed))
                    );
                }
            }
        }
    }

    // RFC 4303 §3.4.3#7, §3.4.4.1#1,5, §3.4.4.2#1: what was changed is not opened, and not passed
    // on.
    #[test]
    fn refuses_every_flipped_bit_and_changes_nothing() {
        for algorithm in ALGORITHMS {
            let (outbound, inbound) = pair(algorithm, false);
            let packet = seal(&outbound, b"some inner packet");
            for octet in 4..packet.len() {
                for bit in 0..8 {
                    let mut damaged = packet.clone();
                    damaged[octet] ^= 1 << bit;
                    let refused = open(&inbound, &damaged).unwrap_err();
                    // A number of 0 is refused before anything is looked at.
                    let expected = if damaged[4..8] == [0; 4] {
                        DropReason::Replayed
                    } else {
                        DropReason::BadIcv
                    };
                    assert_eq!(refused, Refused::Forged(expected), "{algorithm} {octet}");
                }
            }
            assert!(open(&inbound, &packet).is_ok());
        }
    }

    #[test]
    fn refuses_every_truncation_and_extension() {
        for algorithm in ALGORITHMS {
            let (outbound, inbound) = pair(algorithm, false);
            let packet = seal(&outbound, &[9; 100]);
            for length in 0..packet.len() {
                let Err(Refused::Forged(reason)) = open(&inbound, &packet[..length]) else {
                    panic!("{algorithm} took {length} octets");
                };
                assert!(
                    matches!(
                        reason,
                        DropReason::Truncated | DropReason::Misaligned | DropReason::BadIcv
                    ),
                    "{algorithm}: {reason:?}"
                );
            }
            for more in 1..40 {
                let mut longer = packet.clone();
                longer.resize(packet.len() + more, 0);
                assert!(matches!(
                    open(&inbound, &longer),
                    Err(Refused::Forged(DropReason::Misaligned | DropReason::BadIcv))
                ));
            }
            assert!(open(&inbound, &packet).is_ok());
        }
    }

    #[test]
    fn never_uses_an_initialization_vector_twice() {
        for algorithm in ALGORITHMS {
            let (outbound, _) = pair(algorithm, false);
            let mut seen = std::collections::HashSet::new();
            for _ in 0..1000 {
                let packet = seal(&outbound, &[0; 20]);
                let iv = packet[8..outbound.layout().headroom()].to_vec();
                assert!(seen.insert(iv), "{algorithm}");
            }
        }
    }

    // RFC 3602 §3: a counter in the clear would let others foresee the next IV.
    #[test]
    fn cbc_vectors_are_not_a_counter() {
        let (outbound, _) = pair(ALGORITHMS[3], false);
        let first = seal(&outbound, &[0; 20])[8..24].to_vec();
        let second = seal(&outbound, &[0; 20])[8..24].to_vec();
        let differing: u32 = first
            .iter()
            .zip(&second)
            .map(|(a, b)| (a ^ b).count_ones())
            .sum();
        assert!(differing > 30, "{differing} bits of 128 differ");
    }

    // RFC 4303 §2.2#1,5, §3.3.3#1: the counter goes up to its end and not beyond.
    #[test]
    fn stops_after_the_last_sequence_number() {
        let (outbound, inbound) = pair(GCM_256, false);
        outbound.use_up_to(u64::from(u32::MAX) - 1);
        assert!(open(&inbound, &seal(&outbound, &[1])).is_ok());
        let mut packet = vec![0; outbound.layout().sealed(1)];
        for _ in 0..3 {
            assert_eq!(
                outbound.seal(&mut packet, 1, 4),
                Err(DropReason::SequenceExhausted)
            );
        }
        assert_eq!(packet, vec![0; packet.len()]);
    }

    // RFC 4303 §2.2.1: extended numbers go on past 32 bits.
    #[test]
    fn extended_numbers_pass_32_bits() {
        for algorithm in ALGORITHMS {
            let (outbound, inbound) = pair(algorithm, true);
            // A receiver that has seen nothing yet would take numbers this high for ones before the first.
            outbound.use_up_to(u64::from(u32::MAX) - 70);
            assert!(open(&inbound, &seal(&outbound, &[0; 30])).is_ok());
            outbound.use_up_to(u64::from(u32::MAX) - 2);
            let packets: Vec<Vec<u8>> = (0..6).map(|n| seal(&outbound, &[n; 30])).collect();
            for (n, packet) in packets.iter().enumerate() {
                assert_eq!(open(&inbound, packet), Ok(vec![n as u8; 30]), "{algorithm}");
            }
            assert_eq!(packets[2][4..8], [0, 0, 0, 0]);
        }
    }

    #[test]
    fn a_hard_limit_ends_both_directions() {
        let mut spec = sa(0x1234_5678, GCM_256);
        spec.hard.packets = std::num::NonZeroU64::new(1);
        let outbound = OutboundSa::new(&spec).unwrap();
        let mut packet = vec![0; outbound.layout().sealed(4)];
        assert_eq!(
            outbound.seal(&mut packet, 4, 4),
            Ok(Worn::Hard(crate::Limit::Packets))
        );
        assert_eq!(outbound.seal(&mut packet, 4, 4), Err(DropReason::Expired));
        let inbound = InboundSa::new(&spec).unwrap();
        inbound.wear.expire();
        assert_eq!(
            open(&inbound, &packet),
            Err(Refused::Forged(DropReason::Expired))
        );
    }

    proptest! {
        #[test]
        fn forged_packets_never_open(octets in prop::collection::vec(any::<u8>(), 0..200), which in 0..ALGORITHMS.len()) {
            let (_, inbound) = pair(ALGORITHMS[which], false);
            prop_assert!(matches!(open(&inbound, &octets), Err(Refused::Forged(_))));
        }
    }
}
