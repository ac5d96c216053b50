//! The outbound SA (RFC 4303 §3.3): numbers, pads, encrypts.

use std::sync::atomic::{AtomicU64, Ordering};

use super::cipher::SealingKey;
use super::packet::{HEADER, Layout, TRAILER};
use super::wear::{Wear, Worn};
use crate::{DropReason, Error, EspSpi, SaSpec};

/// An outbound SA. Several threads may seal on it; each packet gets a number of its own.
pub(super) struct OutboundSa {
    spi: EspSpi,
    layout: Layout,
    key: SealingKey,
    esn: bool,
    /// How many sequence numbers are used up; the next packet gets one more.
    used: AtomicU64,
    pub(super) wear: Wear,
}

impl OutboundSa {
    /// # Errors
    /// [`Error::Unsupported`] when the crypto provider lacks the algorithm.
    pub(super) fn new(spec: &SaSpec) -> Result<Self, Error> {
        Ok(Self {
            spi: spec.spi,
            layout: Layout::of(spec.keys.algorithm()),
            key: SealingKey::new(&spec.keys)?,
            esn: spec.esn,
            used: AtomicU64::new(0),
            wear: Wear::new(spec),
        })
    }

    pub(super) const fn spi(&self) -> EspSpi {
        self.spi
    }

    /// How an ESP packet of this SA is laid out: the inner packet starts at [`Layout::headroom`].
    pub(super) const fn layout(&self) -> Layout {
        self.layout
    }

    /// Makes an ESP packet of `packet`, [`Layout::sealed`] octets in which the `inner` octets of the
    /// inner packet stand in their place already.
    ///
    /// # Errors
    /// [`DropReason::Expired`] or [`DropReason::SequenceExhausted`]: nothing was sealed and no number used.
    pub(super) fn seal(
        &self,
        packet: &mut [u8],
        inner: usize,
        next_header: u8,
    ) -> Result<Worn, DropReason> {
        if self.wear.is_expired() {
            return Err(DropReason::Expired);
        }
        if packet.len() != self.layout.sealed(inner) {
            return Err(DropReason::BadTunPacket);
        }
        let sequence = self.next_sequence()?;

        let padding = self.layout.padding(inner);
        let end = self.layout.headroom().saturating_add(inner);
        let trailer = packet
            .get_mut(end..)
            .and_then(|rest| rest.get_mut(..padding.saturating_add(TRAILER)))
            .ok_or(DropReason::BadTunPacket)?;
        // RFC 4303 §2.4#1-2: 1, 2, 3, …
        for (octet, value) in trailer.iter_mut().zip(1_u8..) {
            *octet = value;
        }
        if let Some(last) = trailer.last_chunk_mut::<TRAILER>() {
            // Padding is less than one cipher block.
            *last = [padding as u8, next_header];
        }
        let header = packet
            .first_chunk_mut::<HEADER>()
            .ok_or(DropReason::BadTunPacket)?;
        let [a, b, c, d] = self.spi.to_be_bytes();
        // RFC 4303 §2.2.1#1: the high half of an extended number stays off the wire.
        let [.., e, f, g, h] = sequence.to_be_bytes();
        // RFC 4303 §2.2#2,4: the number is always there.
        *header = [a, b, c, d, e, f, g, h];

        self.key.seal(packet, self.layout, sequence, self.esn)?;
        Ok(self.wear.count(inner as u64))
    }

    /// RFC 4303 §2.2#1,5, §3.3.3#1: the first number is 1, and none is used again: after the last one the SA is of no use.
    fn next_sequence(&self) -> Result<u64, DropReason> {
        let last = if self.esn {
            u64::MAX
        } else {
            u64::from(u32::MAX)
        };
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                (used < last).then(|| used.wrapping_add(1))
            })
            .map(|used| used.wrapping_add(1))
            .map_err(|_| DropReason::SequenceExhausted)
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn use_up_to(&self, sequence: u64) {
        self.used.store(sequence, Ordering::Relaxed);
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}
