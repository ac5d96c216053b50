//! A reader for the few DER structures that signatures come with: SubjectPublicKeyInfo and
//! AlgorithmIdentifier (RFC 5280 §4.1.1.2, §4.1.2.7). It borrows, never panics and knows no types; it
//! is no ASN.1 library.

/// Universal and context tags that occur.
pub(crate) mod tag {
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const NULL: u8 = 0x05;
    pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
    pub(crate) const SEQUENCE: u8 = 0x30;

    /// The constructed context tag \[number\].
    pub(crate) const fn context(number: u8) -> u8 {
        0xa0 | number
    }
}

/// Elements not yet read, one after the other.
#[derive(Clone, Copy)]
pub(crate) struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    pub(crate) fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    /// The contents of the next element, if it has this tag and a DER length that fits.
    pub(crate) fn element(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, rest) = self.0.split_first()?;
        if *found != tag {
            return None;
        }
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match *first {
            short @ ..=0x7f => (usize::from(short), rest),
            0x81 => {
                let (length, rest) = rest.split_first()?;
                (usize::from(*length), rest)
            }
            0x82 => {
                let (length, rest) = rest.split_first_chunk::<2>()?;
                (usize::from(u16::from_be_bytes(*length)), rest)
            }
            // 64 KiB holds every key and parameter there is; 0x80 would be BER's indefinite form.
            _ => return None,
        };
        // DER has one form for each length: the shortest.
        let least = match *first {
            0x81 => 0x80,
            0x82 => 0x100,
            _ => 0,
        };
        if length < least {
            return None;
        }
        let (contents, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(contents)
    }

    /// A reader of the next element's contents, if it has this tag.
    pub(crate) fn inside(&mut self, tag: u8) -> Option<Self> {
        self.element(tag).map(Self)
    }

    /// The magnitude of the next INTEGER, most significant octet first and not zero unless it is the
    /// only one. Negative numbers and padded ones are refused.
    pub(crate) fn magnitude(&mut self) -> Option<&'a [u8]> {
        match self.element(tag::INTEGER)? {
            [0] => Some(&[0]),
            [0, rest @ ..] if rest.first()? & 0x80 != 0 => Some(rest),
            contents if *contents.first()? != 0 && contents.first()? & 0x80 == 0 => Some(contents),
            _ => None,
        }
    }

    /// Nothing, if what is left are the parameters of an algorithm that has none: NULL, or left out.
    pub(crate) fn null_or_nothing(mut self) -> Option<()> {
        if !self.is_empty() && !self.element(tag::NULL)?.is_empty() {
            return None;
        }
        self.finish()
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Nothing, if nothing is left.
    pub(crate) fn finish(self) -> Option<()> {
        self.is_empty().then_some(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn reads_short_and_long_lengths() {
        for (length, head) in [
            (0_usize, vec![0x30, 0x00]),
            (127, vec![0x30, 0x7f]),
            (128, vec![0x30, 0x81, 0x80]),
            (256, vec![0x30, 0x82, 0x01, 0x00]),
        ] {
            let mut octets = head.clone();
            octets.extend(vec![0xa5; length]);
            let mut der = Der::new(&octets);
            assert_eq!(
                der.element(tag::SEQUENCE),
                Some(vec![0xa5; length].as_slice())
            );
            assert_eq!(der.finish(), Some(()));
        }
    }

    #[test]
    fn refuses_lengths_that_are_not_the_shortest_or_do_not_fit() {
        for octets in [
            &[0x30, 0x80, 0x00, 0x00][..],
            &[0x30, 0x81, 0x01, 0x00],
            &[0x30, 0x82, 0x00, 0x01, 0x00],
            &[0x30, 0x83, 0x01, 0x00, 0x00],
            &[0x30, 0x01],
            &[0x30],
            &[],
        ] {
            assert_eq!(
                Der::new(octets).element(tag::SEQUENCE),
                None,
                "{octets:02x?}"
            );
        }
    }

    #[test]
    fn integers_are_positive_and_unpadded() {
        let read = |octets: &'static [u8]| Der::new(octets).magnitude();
        assert_eq!(read(&[0x02, 0x01, 0x00]), Some(&[0][..]));
        assert_eq!(read(&[0x02, 0x01, 0x03]), Some(&[3][..]));
        assert_eq!(read(&[0x02, 0x02, 0x00, 0x80]), Some(&[0x80][..]));
        assert_eq!(read(&[0x02, 0x00]), None);
        assert_eq!(read(&[0x02, 0x01, 0x80]), None);
        assert_eq!(read(&[0x02, 0x02, 0x00, 0x7f]), None);
        assert_eq!(read(&[0x02, 0x02, 0x00, 0x00]), None);
    }
}
