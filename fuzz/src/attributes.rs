//! Lists of attributes and their values, each against a reader that knows nothing of what they mean.
//!
//! RADIUS's attributes (RFC 2865 §5) are to come here as list 3 when there is RADIUS.

use ironflex_eap::anyconnect::frame::{Frame, MAX_TLVS};
use ironflex_ikev2::wire::{
    Payload, parse_chain,
    payload::{AttributeValue, Transform, cp::MAX_ATTRIBUTES, sa::MAX_TRANSFORMS},
    registry::PayloadType,
};

/// The type of an attribute and its value.
type Pair<'a> = (u16, &'a [u8]);

/// The first octet chooses the list, the others are it.
pub fn attributes(data: &[u8]) {
    let Some((list, octets)) = data.split_first() else {
        return;
    };
    match list % 3 {
        0 => configuration(octets),
        1 => transform(octets),
        _ => anyconnect(octets),
    }
}

/// Type and length of two octets each, then the value, up to the end; `None` where one reaches past it.
fn pairs(mut rest: &[u8]) -> Option<Vec<Pair<'_>>> {
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (&[t0, t1, l0, l1], after) = rest.split_first_chunk()?;
        let length = u16::from_be_bytes([l0, l1]);
        let (value, after) = after.split_at_checked(usize::from(length))?;
        found.push((u16::from_be_bytes([t0, t1]), value));
        rest = after;
    }
    Some(found)
}

/// A payload of this type with this body, read.
fn payload(kind: PayloadType, body: &[&[u8]]) -> Option<Payload> {
    let body = body.concat();
    let length = u16::try_from(body.len() + 4).ok()?;
    let octets = [&[0, 0], &length.to_be_bytes()[..], &body].concat();
    let mut payloads = parse_chain(kind, &octets).ok()?;
    assert_eq!(payloads.len(), 1);
    payloads.pop()
}

/// Configuration attributes (RFC 7296 §3.15.1): the first bit of the type is reserved.
fn configuration(octets: &[u8]) {
    if octets.len() > 60_000 {
        return;
    }
    let expected = pairs(octets);
    let read = payload(PayloadType::CP, &[&[1, 0, 0, 0], octets]);
    let Some(Payload::Cp(configuration)) = read else {
        let bounded = expected.is_some_and(|list| list.len() <= MAX_ATTRIBUTES);
        assert!(!bounded, "a whole list is refused");
        return;
    };
    let read = configuration.attributes.iter();
    let read: Vec<Pair<'_>> = read.map(|one| (one.kind.0, &one.value[..])).collect();
    let expected: Option<Vec<Pair<'_>>> = expected.map(|list| {
        let list = list.into_iter();
        list.map(|(kind, value)| (kind & 0x7fff, value)).collect()
    });
    assert_eq!(Some(read), expected, "the attributes are read otherwise");
    for one in &configuration.attributes {
        assert_eq!(one.ipv4().is_some(), one.value.len() == 4);
        assert_eq!(one.ipv4_subnet().is_some(), one.value.len() == 8);
        assert_eq!(one.ipv6().is_some(), one.value.len() == 16);
        assert!(one.ipv6_prefix().is_none_or(|(_, length)| length <= 128));
    }
}

/// Transform attributes (RFC 7296 §3.3.5): with the first bit set, the value stands in the length's place.
fn transform(octets: &[u8]) {
    let expected = || {
        let (mut rest, mut found) = (octets, Vec::new());
        while !rest.is_empty() {
            let (&[t0, t1, v0, v1], after) = rest.split_first_chunk()?;
            let (kind, word) = (u16::from_be_bytes([t0, t1]), u16::from_be_bytes([v0, v1]));
            rest = after;
            found.push(if kind & 0x8000 != 0 {
                (kind & 0x7fff, AttributeValue::Short(word))
            } else {
                let (value, after) = rest.split_at_checked(usize::from(word))?;
                rest = after;
                (kind, AttributeValue::Long(value.to_vec()))
            });
        }
        Some(found)
    };
    let Ok(inner) = u16::try_from(octets.len() + 8) else {
        return;
    };
    let Some(outer) = inner.checked_add(8 + 4).map(|_| inner + 8) else {
        return;
    };
    // One proposal for an IKE SA with one transform of type ENCR.
    let body: [&[u8]; 5] = [
        &[0, 0],
        &outer.to_be_bytes(),
        &[1, 1, 0, 1, 0, 0],
        &inner.to_be_bytes(),
        &[1, 0, 0, 12],
    ];
    let read = payload(PayloadType::SA, &[&body.concat(), octets]);
    let Some(Payload::Sa(sa)) = read else {
        // The transform counts, too.
        let bounded = expected().is_some_and(|list| list.len() < MAX_TRANSFORMS);
        assert!(!bounded, "a whole list is refused");
        return;
    };
    let [proposal] = &sa.proposals[..] else {
        panic!("{} proposals out of one", sa.proposals.len());
    };
    let [
        Transform {
            key_length,
            attributes,
            ..
        },
    ] = &proposal.transforms[..]
    else {
        panic!("{} transforms out of one", proposal.transforms.len());
    };
    // The first Key Length in two octets has a place of its own.
    let mut expected = expected().expect("what was read is a whole list");
    let is_key_length = |(kind, value): &(u16, AttributeValue)| {
        *kind == 14 && matches!(value, AttributeValue::Short(_))
    };
    let length = expected.iter().position(is_key_length);
    let length = length.map(|at| expected.remove(at).1);
    assert_eq!(
        length,
        key_length.map(AttributeValue::Short),
        "another key length"
    );
    let read: Vec<_> = attributes
        .iter()
        .map(|one| (one.kind, one.value.clone()))
        .collect();
    assert_eq!(read, expected, "the attributes are read otherwise");
}

/// AnyConnect's TLVs (docs/anyconnect-eap.md, Framing): three types are known, each at most once, the document always.
fn anyconnect(octets: &[u8]) {
    let expected = pairs(octets);
    let Ok(frame) = Frame::parse(octets) else {
        let whole = expected.is_some_and(|list| {
            let times = |number| list.iter().filter(|(kind, _)| *kind == number).count();
            list.len() <= MAX_TLVS && times(0) == 1 && times(1) <= 1 && times(3) <= 1
        });
        assert!(!whole, "a whole list is refused");
        return;
    };
    let expected = expected.expect("what was read is a whole list");
    assert!(expected.len() <= MAX_TLVS, "too many TLVs");
    let only = |number| {
        let mut all = expected.iter().filter(|(kind, _)| *kind == number);
        let first = all.next().map(|(_, value)| *value);
        assert!(all.next().is_none(), "TLV {number} stands twice");
        first
    };
    assert_eq!(Some(frame.document), only(0), "another document");
    assert_eq!(frame.signature, only(1), "another signature");
    assert_eq!(frame.certificates, only(3), "other certificates");
    let skipped = frame.skipped.iter();
    let skipped: Vec<_> = skipped
        .map(|one| (one.number, usize::from(one.length)))
        .collect();
    let others = expected
        .iter()
        .filter(|(kind, _)| ![0, 1, 3].contains(kind));
    let others: Vec<_> = others.map(|(kind, value)| (*kind, value.len())).collect();
    assert_eq!(skipped, others, "other TLVs were passed over");
}
