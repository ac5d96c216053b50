//! The anti-replay window (RFC 4303 §3.4.3), in RFC 6479's shape.
//!
//! The bitmap is a ring of 64-bit blocks, one more than the window needs. A newer sequence number clears
//! the blocks that it passes; nothing is ever shifted, and a bit's place depends on its sequence number alone.

use crate::ReplayWindow;

const BLOCK_BITS: u64 = 64;

/// Which sequence numbers an inbound SA has seen.
pub(super) struct Replay {
    /// Width of the window in packets; 0 accepts everything.
    width: u64,
    /// The highest sequence number that was authentic; 0 before the first packet.
    newest: u64,
    /// A power of two of blocks, so that a number finds its block by a mask.
    blocks: Box<[u64]>,
}

/// The sequence number was seen, lies behind the window, or is zero.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Replayed;

impl Replay {
    pub(super) fn new(window: ReplayWindow) -> Self {
        let width = u64::from(window.packets());
        let blocks = match width {
            0 => 0,
            _ => usize::try_from(width.div_ceil(BLOCK_BITS).saturating_add(1))
                .unwrap_or(1)
                .next_power_of_two(),
        };
        Self {
            width,
            // RFC 4303 §3.4.3#4: nothing has been seen.
            newest: 0,
            blocks: vec![0; blocks].into_boxed_slice(),
        }
    }

    /// The whole sequence number of a packet that shows only its low 32 bits.
    ///
    /// RFC 4303 §A2.2: the high half is the one that puts the number nearest to the window. `None`
    /// when that would lie before the first packet.
    pub(super) fn extend(&self, low: u32) -> Option<u64> {
        // RFC 4303 §3.4.3 wants no ESN without a window; should it happen, the least window is assumed.
        let width = self.width.max(u64::from(ReplayWindow::DEFAULT.packets()));
        let high = self.newest >> 32;
        let newest_low = self.newest & u64::from(u32::MAX);
        let behind = width.saturating_sub(1);
        let high = if newest_low >= behind {
            // The window lies within one subspace: a number below it belongs to the next.
            if u64::from(low) >= newest_low.saturating_sub(behind) {
                high
            } else {
                high.checked_add(1)?
            }
        } else {
            // The window reaches back into the subspace before.
            let bottom = newest_low.wrapping_sub(behind) & u64::from(u32::MAX);
            if u64::from(low) >= bottom {
                high.checked_sub(1)?
            } else {
                high
            }
        };
        Some(high.checked_shl(32)? | u64::from(low))
    }

    /// Whether `sequence` may still be accepted; asked before the costly look at the packet.
    pub(super) fn check(&self, sequence: u64) -> Result<(), Replayed> {
        if self.width == 0 || sequence > self.newest {
            // RFC 4303 §3.3.3: the first packet has number 1, so 0 is never right.
            return if sequence == 0 && self.width != 0 {
                Err(Replayed)
            } else {
                Ok(())
            };
        }
        if sequence == 0 || self.newest.saturating_sub(sequence) >= self.width {
            return Err(Replayed);
        }
        let (block, bit) = self.place(sequence);
        match self.blocks.get(block) {
            Some(bits) if bits & bit == 0 => Ok(()),
            _ => Err(Replayed),
        }
    }

    /// Marks `sequence` as seen, of a packet whose integrity was proven, and says whether it is newer
    /// than every one before.
    ///
    /// RFC 4303 §3.4.3: the window moves only after the integrity check. It is asked again here, as
    /// another thread may have accepted the same number meanwhile.
    pub(super) fn accept(&mut self, sequence: u64) -> Result<bool, Replayed> {
        self.check(sequence)?;
        let newer = sequence > self.newest;
        if newer {
            let passed = (sequence / BLOCK_BITS).saturating_sub(self.newest / BLOCK_BITS);
            let count = u64::try_from(self.blocks.len()).unwrap_or(0);
            for step in 1..=passed.min(count) {
                let number = (self.newest / BLOCK_BITS).saturating_add(step);
                let (block, _) = self.place(number.saturating_mul(BLOCK_BITS));
                if let Some(bits) = self.blocks.get_mut(block) {
                    *bits = 0;
                }
            }
            self.newest = sequence;
        }
        let (block, bit) = self.place(sequence);
        if let Some(bits) = self.blocks.get_mut(block) {
            *bits |= bit;
        }
        Ok(newer)
    }

    /// Block index and bit of a sequence number. Only meaningful while there are blocks.
    fn place(&self, sequence: u64) -> (usize, u64) {
        let mask = self.blocks.len().saturating_sub(1);
        // The mask keeps the low bits only, so cutting the number to a usize loses nothing.
        let block = (sequence / BLOCK_BITS) as usize & mask;
        (block, 1_u64.rotate_left((sequence % BLOCK_BITS) as u32))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn replay(packets: u32) -> Replay {
        Replay::new(ReplayWindow::new(packets).unwrap())
    }

    #[test]
    fn refuses_zero_and_repeats_and_what_lies_behind() {
        for width in [64_u32, 100, 128, 512, 1000, 1024] {
            let mut window = replay(width);
            assert_eq!(window.accept(0), Err(Replayed));
            assert_eq!(window.accept(1), Ok(true));
            assert_eq!(window.accept(1), Err(Replayed));
            let newest = u64::from(width) + 5000;
            assert_eq!(window.accept(newest), Ok(true));
            // RFC 4303 §3.4.3#1,4-5: the window's left edge is newest - width + 1.
            let left = newest - u64::from(width) + 1;
            assert_eq!(window.accept(left - 1), Err(Replayed), "width {width}");
            assert_eq!(window.accept(left), Ok(false), "width {width}");
            assert_eq!(window.accept(left), Err(Replayed), "width {width}");
            assert_eq!(window.accept(newest - 1), Ok(false));
        }
    }

    #[test]
    fn checking_changes_nothing() {
        let mut window = replay(64);
        assert_eq!(window.accept(10), Ok(true));
        assert_eq!(window.check(500), Ok(()));
        assert_eq!(window.check(9), Ok(()));
        assert_eq!(window.accept(9), Ok(false));
        assert_eq!(window.newest, 10);
    }

    #[test]
    fn disabled_accepts_everything() {
        let mut window = replay(0);
        assert_eq!(window.accept(7), Ok(true));
        assert_eq!(window.accept(7), Ok(false));
        assert_eq!(window.accept(3), Ok(false));
    }

    // RFC 4303 §A2.2, both cases of the window's place in the 32-bit subspace.
    #[test]
    fn extends_to_the_nearest_subspace() {
        let mut window = replay(64);
        assert_eq!(window.extend(5), Some(5));
        assert_eq!(
            window.extend(0xffff_fff0),
            None,
            "before the very first packet"
        );
        window.accept(0xffff_ffff).unwrap();
        assert_eq!(window.extend(0xffff_fff0), Some(0xffff_fff0));
        assert_eq!(window.extend(3), Some(0x1_0000_0003));
        window.accept(0x1_0000_0003).unwrap();
        assert_eq!(window.extend(0xffff_fff0), Some(0xffff_fff0));
        assert_eq!(window.extend(4), Some(0x1_0000_0004));
        window.accept(0x7_0000_1000).unwrap();
        assert_eq!(window.extend(0x1000), Some(0x7_0000_1000));
        assert_eq!(window.extend(0x0fc1), Some(0x7_0000_0fc1));
        assert_eq!(window.extend(0x0fc0), Some(0x8_0000_0fc0));
    }

    proptest! {
        /// Against a window that simply remembers everything.
        // RFC 4303 §3.4.3#9-10: widths from 64 on.
        #[test]
        fn agrees_with_a_naive_model(
            width in prop_oneof![Just(64_u32), 64_u32..=1024, Just(1024)],
            start in prop_oneof![Just(0_u64), Just(u64::from(u32::MAX) - 700), any::<u32>().prop_map(u64::from)],
            steps in prop::collection::vec((-1100_i64..1100, any::<bool>()), 1..400),
        ) {
            let mut window = replay(width);
            let mut seen = HashSet::new();
            let mut newest = 0_u64;
            let mut at = start;
            for (step, jump) in steps {
                at = at.saturating_add_signed(if jump { step * 37 } else { step / 50 });
                let fresh = at != 0
                    && !seen.contains(&at)
                    && (at > newest || newest - at < u64::from(width));
                prop_assert_eq!(window.check(at).is_ok(), fresh);
                prop_assert_eq!(window.accept(at), if fresh { Ok(at > newest) } else { Err(Replayed) });
                if fresh {
                    seen.insert(at);
                    newest = newest.max(at);
                }
            }
        }

        /// Whatever is at most a window behind or half the number space ahead is extended rightly.
        #[test]
        fn extension_finds_the_true_number(
            newest in 2000_u64..u64::from(u32::MAX) * 5,
            offset in -63_i64..0x7fff_0000,
        ) {
            let mut window = replay(64);
            window.accept(newest).unwrap();
            let sequence = newest.saturating_add_signed(offset);
            prop_assert_eq!(window.extend(sequence as u32), Some(sequence));
        }
    }
}
