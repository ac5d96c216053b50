//! One netlink request in its wire form: header, fixed part, attributes.
//!
//! Octets are built here and nowhere printed: a request for an SA holds its keys, so the buffer is wiped when it
//! goes, is made large enough at the start that it never moves, and has no `Debug`.

use netlink_packet_core::{Emitable, NLA_F_NESTED, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST};
use zeroize::Zeroizing;

/// Octets of `struct nlmsghdr`.
pub(crate) const HEADER_OCTETS: usize = 16;

/// Room for the largest key-bearing request (an SA with two algorithms and a 1024-packet window takes about 700
/// octets), so that no unwiped copy stays behind where a growing vector stood.
const CAPACITY: usize = 2048;

/// A request that is being put together.
pub(crate) struct Request {
    operation: String,
    octets: Zeroizing<Vec<u8>>,
}

impl Request {
    /// A request of `message_type` with `flags` beside NLM_F_REQUEST and NLM_F_ACK; `operation` names it in errors.
    pub(crate) fn new(operation: impl Into<String>, message_type: u16, flags: u16) -> Self {
        Self::with_flags(operation, message_type, flags | NLM_F_REQUEST | NLM_F_ACK)
    }

    /// A request for the whole of a table.
    pub(crate) fn dump(operation: impl Into<String>, message_type: u16) -> Self {
        Self::with_flags(operation, message_type, NLM_F_REQUEST | NLM_F_DUMP)
    }

    /// A request with exactly these flags.
    pub(crate) fn with_flags(operation: impl Into<String>, message_type: u16, flags: u16) -> Self {
        let mut octets = Zeroizing::new(Vec::with_capacity(CAPACITY));
        octets.extend_from_slice(&0_u32.to_ne_bytes());
        octets.extend_from_slice(&message_type.to_ne_bytes());
        octets.extend_from_slice(&flags.to_ne_bytes());
        octets.extend_from_slice(&0_u32.to_ne_bytes());
        octets.extend_from_slice(&0_u32.to_ne_bytes());
        Self {
            operation: operation.into(),
            octets,
        }
    }

    /// The words that errors use for this request.
    pub(crate) fn operation(&self) -> &str {
        &self.operation
    }

    /// Appends a structure of the packet crates.
    pub(crate) fn emit(mut self, part: &impl Emitable) -> Self {
        let start = self.octets.len();
        self.octets
            .resize(start.saturating_add(part.buffer_len()), 0);
        if let Some(tail) = self.octets.get_mut(start..) {
            part.emit(tail);
        }
        self.pad();
        self
    }

    /// Appends octets as they are, then padding to four.
    pub(crate) fn octets(mut self, octets: &[u8]) -> Self {
        self.octets.extend_from_slice(octets);
        self.pad();
        self
    }

    /// Appends one attribute.
    pub(crate) fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        put_attribute(&mut self.octets, kind, value);
        self
    }

    /// Appends an attribute that holds a name, with its closing NUL.
    pub(crate) fn name(self, kind: u16, name: &str) -> Self {
        let mut value = name.as_bytes().to_vec();
        value.push(0);
        self.attribute(kind, &value)
    }

    /// Appends an attribute whose value is attributes.
    pub(crate) fn nested(mut self, kind: u16, inside: &Attributes) -> Self {
        put_attribute(&mut self.octets, kind | NLA_F_NESTED, &inside.octets);
        self
    }

    /// Writes the message's length and its sequence number into the header.
    pub(crate) fn finish(&mut self, sequence: u32) {
        let length = u32::try_from(self.octets.len()).unwrap_or(u32::MAX);
        if let Some(field) = self.octets.get_mut(0..4) {
            field.copy_from_slice(&length.to_ne_bytes());
        }
        if let Some(field) = self.octets.get_mut(8..12) {
            field.copy_from_slice(&sequence.to_ne_bytes());
        }
    }

    /// The message as it goes out, once it is finished.
    pub(crate) fn wire(&self) -> &[u8] {
        &self.octets
    }

    fn pad(&mut self) {
        let aligned = self.octets.len().next_multiple_of(4);
        self.octets.resize(aligned, 0);
    }
}

/// Attributes on their own, to be nested. For what holds no secret: unlike [`Request`] they are not wiped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attributes {
    octets: Vec<u8>,
}

impl Attributes {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Appends one attribute.
    pub(crate) fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        put_attribute(&mut self.octets, kind, value);
        self
    }

    /// Appends a 32-bit number in network order, as nf_tables wants them.
    pub(crate) fn be32(self, kind: u16, value: u32) -> Self {
        self.attribute(kind, &value.to_be_bytes())
    }

    /// Appends a name with its closing NUL.
    pub(crate) fn name(self, kind: u16, name: &str) -> Self {
        let mut value = name.as_bytes().to_vec();
        value.push(0);
        self.attribute(kind, &value)
    }

    /// Appends attributes inside an attribute.
    pub(crate) fn nested(mut self, kind: u16, inside: &Self) -> Self {
        put_attribute(&mut self.octets, kind | NLA_F_NESTED, &inside.octets);
        self
    }
}

fn put_attribute(octets: &mut Vec<u8>, kind: u16, value: &[u8]) {
    // struct nlattr: a length of sixteen bits that counts the header, then the type. A value beyond 65,531 octets
    // cannot be said and is never built here; the length would then tell the kernel to refuse.
    let length = u16::try_from(value.len().saturating_add(4)).unwrap_or(u16::MAX);
    octets.extend_from_slice(&length.to_ne_bytes());
    octets.extend_from_slice(&kind.to_ne_bytes());
    octets.extend_from_slice(value);
    let aligned = octets.len().next_multiple_of(4);
    octets.resize(aligned, 0);
}

/// One message of an answer.
#[derive(Clone, Copy)]
pub(crate) struct Reply<'a> {
    pub(crate) message_type: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    pub(crate) body: &'a [u8],
}

/// Cuts a datagram into its messages; ends at the first one whose length contradicts the datagram.
pub(crate) struct Replies<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Replies<'a> {
    type Item = Reply<'a>;

    fn next(&mut self) -> Option<Reply<'a>> {
        let header = self.0.first_chunk::<HEADER_OCTETS>()?;
        let [l0, l1, l2, l3, t0, t1, f0, f1, s0, s1, s2, s3, ..] = *header;
        let length = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).ok()?;
        let body = self.0.get(HEADER_OCTETS..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Reply {
            message_type: u16::from_ne_bytes([t0, t1]),
            flags: u16::from_ne_bytes([f0, f1]),
            sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
            body,
        })
    }
}

/// Walks attributes without copying their values; ends at the first one whose length contradicts the buffer.
pub(crate) struct AttributesOf<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for AttributesOf<'a> {
    /// Type without the flag bits, and value.
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let [l0, l1, k0, k1] = *self.0.first_chunk::<4>()?;
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((
            u16::from_ne_bytes([k0, k1]) & netlink_packet_core::NLA_TYPE_MASK,
            value,
        ))
    }
}

/// A NUL-terminated name out of an attribute.
pub(crate) fn name_of(value: &[u8]) -> String {
    let end = value
        .iter()
        .position(|octet| *octet == 0)
        .unwrap_or(value.len());
    String::from_utf8_lossy(value.get(..end).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_has_length_sequence_and_padded_attributes() {
        let mut request = Request::new("test", 0x1234, 0x0400)
            .octets(&[0xa5; 3])
            .attribute(7, &[1, 2, 3, 4, 5])
            .nested(8, &Attributes::new().name(1, "ab"));
        request.finish(0x0102_0304);
        let octets = request.wire().to_vec();
        let mut expected = Vec::new();
        expected.extend_from_slice(&44_u32.to_ne_bytes());
        expected.extend_from_slice(&0x1234_u16.to_ne_bytes());
        expected.extend_from_slice(&0x0405_u16.to_ne_bytes());
        expected.extend_from_slice(&0x0102_0304_u32.to_ne_bytes());
        expected.extend_from_slice(&[0; 4]);
        expected.extend_from_slice(&[0xa5, 0xa5, 0xa5, 0]);
        expected.extend_from_slice(&9_u16.to_ne_bytes());
        expected.extend_from_slice(&7_u16.to_ne_bytes());
        expected.extend_from_slice(&[1, 2, 3, 4, 5, 0, 0, 0]);
        expected.extend_from_slice(&12_u16.to_ne_bytes());
        expected.extend_from_slice(&0x8008_u16.to_ne_bytes());
        expected.extend_from_slice(&7_u16.to_ne_bytes());
        expected.extend_from_slice(&1_u16.to_ne_bytes());
        expected.extend_from_slice(&[b'a', b'b', 0, 0]);
        assert_eq!(octets.len(), expected.len());
        assert_eq!(octets, expected);
    }

    #[test]
    fn replies_and_attributes_end_at_a_length_that_lies() {
        let mut request = Request::new("test", 2, 0)
            .attribute(1, &[9; 4])
            .attribute(2, &[8]);
        request.finish(5);
        let mut message = request.wire().to_vec();
        let replies: Vec<_> = Replies(&message)
            .map(|reply| (reply.message_type, reply.sequence))
            .collect();
        assert_eq!(replies, [(2, 5)]);
        let body = message.split_off(HEADER_OCTETS);
        assert_eq!(
            AttributesOf(&body).collect::<Vec<_>>(),
            [(1, &[9; 4][..]), (2, &[8][..])]
        );
        for cut in 0..body.len() {
            assert!(AttributesOf(&body[..cut]).count() <= 2);
            let mut whole = message.clone();
            whole.extend_from_slice(&body[..cut]);
            assert_eq!(Replies(&whole).count(), 0, "cut to {cut}");
        }
        // A length shorter than its own header must not loop.
        assert_eq!(AttributesOf(&[3, 0, 1, 0, 4, 0, 1, 0]).count(), 0);
        assert_eq!(Replies(&[0; 32]).count(), 0);
    }

    proptest::proptest! {
        #[test]
        fn any_octets_are_walked_to_their_end(octets: Vec<u8>) {
            let attributes: usize = AttributesOf(&octets).map(|(_, value)| value.len() + 4).sum();
            proptest::prop_assert!(attributes <= octets.len());
            let replies: usize = Replies(&octets).map(|reply| reply.body.len() + HEADER_OCTETS).sum();
            proptest::prop_assert!(replies <= octets.len());
        }

        #[test]
        fn attributes_are_read_as_they_were_written(values: Vec<(u16, Vec<u8>)>) {
            let values: Vec<_> = values.into_iter().map(|(kind, value)| (kind & 0x3fff, value)).collect();
            let written = values.iter().fold(Attributes::new(), |all, (kind, value)| all.attribute(*kind, value));
            let read: Vec<_> = AttributesOf(&written.octets).map(|(kind, value)| (kind, value.to_vec())).collect();
            proptest::prop_assert_eq!(read, values);
        }
    }
}
