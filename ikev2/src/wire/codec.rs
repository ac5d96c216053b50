//! Reading and writing octets: bounded readers, and length fields that cannot be left wrong.
//!
//! A [`Reader`] never reads past its own end, and a nested field gets a child reader of exactly its length. A length field
//! is written by a [`LengthGuard`], which puts in the real length when it is finished.

use alloc::vec::Vec;

use crate::error::InvalidMessage;

/// What can be read from a [`Reader`] and written behind octets already there.
pub trait Wire: Sized {
    /// Reads one value.
    ///
    /// A type whose size is not in its own octets takes everything the reader has: give it a [`Reader::sub`].
    ///
    /// # Errors
    /// [`InvalidMessage`] with the field that was wrong.
    fn read(reader: &mut Reader<'_>) -> Result<Self, InvalidMessage>;

    /// Appends the octets of this value to `out`.
    fn write(&self, out: &mut Vec<u8>);
}

/// A position in borrowed octets that moves forward only.
///
/// Integers are big-endian (RFC 7296 §3). Every method that takes `what` names the field for
/// [`InvalidMessage::Truncated`].
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first of `octets`.
    #[must_use]
    pub const fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets }
    }

    /// The next `count` octets.
    ///
    /// # Errors
    /// [`InvalidMessage::Truncated`] if fewer are left; nothing is consumed then.
    pub const fn take(
        &mut self,
        count: usize,
        what: &'static str,
    ) -> Result<&'a [u8], InvalidMessage> {
        match self.rest.split_at_checked(count) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(self.truncated(count, what)),
        }
    }

    /// The next `N` octets as an array.
    ///
    /// # Errors
    /// As [`Reader::take`].
    pub const fn array<const N: usize>(
        &mut self,
        what: &'static str,
    ) -> Result<[u8; N], InvalidMessage> {
        match self.rest.split_first_chunk::<N>() {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(*taken)
            }
            None => Err(self.truncated(N, what)),
        }
    }

    /// The next octet.
    ///
    /// # Errors
    /// As [`Reader::take`].
    pub fn u8(&mut self, what: &'static str) -> Result<u8, InvalidMessage> {
        self.array(what).map(u8::from_be_bytes)
    }

    /// The next two octets as an integer.
    ///
    /// # Errors
    /// As [`Reader::take`].
    pub fn u16(&mut self, what: &'static str) -> Result<u16, InvalidMessage> {
        self.array(what).map(u16::from_be_bytes)
    }

    /// The next four octets as an integer.
    ///
    /// # Errors
    /// As [`Reader::take`].
    pub fn u32(&mut self, what: &'static str) -> Result<u32, InvalidMessage> {
        self.array(what).map(u32::from_be_bytes)
    }

    /// The next eight octets as an integer.
    ///
    /// # Errors
    /// As [`Reader::take`].
    pub fn u64(&mut self, what: &'static str) -> Result<u64, InvalidMessage> {
        self.array(what).map(u64::from_be_bytes)
    }

    /// A reader of the next `count` octets, which this one then has behind it.
    ///
    /// # Errors
    /// As [`Reader::take`].
    pub fn sub(&mut self, count: usize, what: &'static str) -> Result<Self, InvalidMessage> {
        self.take(count, what).map(Self::new)
    }

    /// A reader of the body of a structure that starts with `header` octets already read and has `length` octets in all, as a
    /// length field of the IKE formats counts them.
    ///
    /// # Errors
    /// [`InvalidMessage::LengthTooSmall`] if `length` does not even cover the header, else as [`Reader::take`].
    pub fn body(
        &mut self,
        length: u16,
        header: usize,
        what: &'static str,
    ) -> Result<Self, InvalidMessage> {
        let length = usize::from(length);
        let Some(count) = length.checked_sub(header) else {
            return Err(InvalidMessage::LengthTooSmall {
                what,
                length,
                least: header,
            });
        };
        self.sub(count, what)
    }

    /// Everything that is left, which is consumed.
    pub const fn rest(&mut self) -> &'a [u8] {
        let rest = self.rest;
        self.rest = &[];
        rest
    }

    /// Whether nothing is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// How many octets are left.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Asserts that nothing is left of the structure `what`.
    ///
    /// # Errors
    /// [`InvalidMessage::TrailingOctets`] if something is.
    pub const fn finish(self, what: &'static str) -> Result<(), InvalidMessage> {
        match self.rest.len() {
            0 => Ok(()),
            count => Err(InvalidMessage::TrailingOctets { what, count }),
        }
    }

    const fn truncated(&self, needed: usize, what: &'static str) -> InvalidMessage {
        InvalidMessage::Truncated {
            what,
            needed,
            available: self.rest.len(),
        }
    }
}

/// A length field of `N` octets (2 or 4) that is filled in last.
///
/// It holds all ones until [`LengthGuard::finish`]. So an encoding that was interrupted, or whose true length has no room
/// in the field, cannot be taken for a valid shorter one: its reader finds a length that exceeds what is there.
#[must_use = "the length field stays all ones until finish() is called"]
pub struct LengthGuard<'a, const N: usize> {
    out: &'a mut Vec<u8>,
    field: usize,
    counted_from: usize,
}

impl<'a, const N: usize> LengthGuard<'a, N> {
    /// Writes the placeholder at the end of `out`. The length counts from offset `counted_from` of `out`: the start of the
    /// structure where the length includes its own header.
    pub fn open(out: &'a mut Vec<u8>, counted_from: usize) -> Self {
        let field = out.len();
        out.extend_from_slice(&[0xff; N]);
        Self {
            out,
            field,
            counted_from,
        }
    }

    /// Writes the placeholder at the end of `out`. The length counts only what is written after it.
    pub fn open_after(out: &'a mut Vec<u8>) -> Self {
        let counted_from = out.len().saturating_add(N);
        Self::open(out, counted_from)
    }

    /// Where the measured octets are written.
    pub const fn out(&mut self) -> &mut Vec<u8> {
        self.out
    }

    /// Puts the length in place; one that does not fit leaves the placeholder.
    pub fn finish(self) {
        let length = self.out.len().saturating_sub(self.counted_from);
        let octets = u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes();
        let (high, low) = octets.split_at(octets.len().saturating_sub(N));
        if high.iter().any(|octet| *octet != 0) {
            return;
        }
        let end = self.field.saturating_add(N);
        if let Some(field) = self.out.get_mut(self.field..end) {
            field.copy_from_slice(low);
        }
    }
}

/// A count of elements in one octet; 255 where there are more, which then disagrees with what follows.
pub(crate) fn count_u8(count: usize) -> u8 {
    u8::try_from(count).unwrap_or(u8::MAX)
}

/// A count of elements in two octets; 65535 where there are more.
pub(crate) fn count_u16(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_big_endian_integers_and_names_what_is_missing() {
        let mut reader = Reader::new(&[
            0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e,
            0x0f,
        ]);
        assert_eq!(reader.u8("a"), Ok(0x01));
        assert_eq!(reader.u16("b"), Ok(0x0203));
        assert_eq!(reader.u32("c"), Ok(0x0405_0607));
        assert_eq!(reader.u64("d"), Ok(0x0809_0a0b_0c0d_0e0f));
        assert_eq!(
            reader.u16("e"),
            Err(InvalidMessage::Truncated {
                what: "e",
                needed: 2,
                available: 0
            })
        );
    }

    #[test]
    fn a_child_reader_cannot_see_past_its_end() {
        let mut reader = Reader::new(&[1, 2, 3, 4]);
        let mut child = reader.sub(2, "child").unwrap();
        assert_eq!(child.array::<2>("pair"), Ok([1, 2]));
        assert_eq!(
            child.u8("beyond"),
            Err(InvalidMessage::Truncated {
                what: "beyond",
                needed: 1,
                available: 0
            })
        );
        assert_eq!(reader.rest(), &[3, 4]);
        assert!(reader.is_empty());
    }

    #[test]
    fn a_failed_read_consumes_nothing() {
        let mut reader = Reader::new(&[1, 2, 3]);
        assert!(reader.u32("word").is_err());
        assert_eq!(reader.remaining(), 3);
    }

    #[test]
    fn rejects_trailing_octets() {
        assert_eq!(
            Reader::new(&[0, 0]).finish("structure"),
            Err(InvalidMessage::TrailingOctets {
                what: "structure",
                count: 2
            })
        );
        assert_eq!(Reader::new(&[]).finish("structure"), Ok(()));
    }

    #[test]
    fn rejects_a_body_shorter_than_its_header() {
        assert_eq!(
            Reader::new(&[0; 8]).body(3, 4, "payload").err(),
            Some(InvalidMessage::LengthTooSmall {
                what: "payload",
                length: 3,
                least: 4
            })
        );
        assert_eq!(
            Reader::new(&[0; 8])
                .body(4, 4, "payload")
                .unwrap()
                .remaining(),
            0
        );
    }

    #[test]
    fn an_interrupted_length_stays_all_ones() {
        let mut out = vec![0xa5];
        let mut guard = LengthGuard::<2>::open(&mut out, 1);
        guard.out().extend_from_slice(&[1, 2, 3]);
        drop(guard);
        assert_eq!(out, [0xa5, 0xff, 0xff, 1, 2, 3]);
    }

    #[test]
    fn a_finished_length_counts_from_where_it_was_told() {
        let mut out = vec![0xa5, 0xa5];
        let mut guard = LengthGuard::<2>::open(&mut out, 1);
        guard.out().push(7);
        guard.finish();
        assert_eq!(out, [0xa5, 0xa5, 0x00, 0x04, 7]);

        let mut out = vec![0xa5];
        let mut guard = LengthGuard::<4>::open_after(&mut out);
        guard.out().push(7);
        guard.finish();
        assert_eq!(out, [0xa5, 0, 0, 0, 1, 7]);
    }

    #[test]
    fn a_length_without_room_stays_all_ones() {
        let mut out = Vec::new();
        let mut guard = LengthGuard::<2>::open_after(&mut out);
        guard.out().resize(2 + 0x1_0000, 0);
        guard.finish();
        assert_eq!(out[..2], [0xff, 0xff]);
    }
}
