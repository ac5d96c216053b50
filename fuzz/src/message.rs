//! An IKE message as it comes from the wire, and its payloads as they come out of an Encrypted payload.

use ironflex_ikev2::wire::{
    Body, Header, MAX_PAYLOADS, PartialMessage, Payload, parse_chain, registry::PayloadType,
    write_chain, write_message,
};

/// A datagram is read within its bounds, and what was read is written and read back as the same. The octets behind
/// the header are read once more as an opened chain.
pub fn message(data: &[u8]) {
    if let Ok(read) = PartialMessage::parse(data) {
        assert_eq!(read.raw, data);
        assert_eq!(
            usize::try_from(read.header.length),
            Ok(data.len()),
            "the header's length is not the datagram's"
        );
        assert!(read.outer.len() <= MAX_PAYLOADS, "too many payloads");
        frame(&read);
        let mut out = Vec::new();
        write_message(&read.header, &read.outer, &mut out);
        let again = PartialMessage::parse(&out).expect("what was written is read");
        assert!(again.header.same_message(&read.header), "another header");
        assert_eq!(
            again.outer,
            as_written(read.outer.clone()),
            "the payloads read back otherwise"
        );
        assert_eq!(again.body, Body::Clear);
        shown(&read.outer);
    }
    if let Some((head, octets)) = data.split_at_checked(Header::LEN) {
        chain(PayloadType(head[16]), octets);
    }
}

/// The frame of what is encrypted covers the datagram to its end.
fn frame(read: &PartialMessage<'_>) {
    match read.body {
        Body::Clear => {}
        Body::Encrypted(closed) => {
            assert_eq!([closed.aad, closed.sealed].concat(), read.raw);
        }
        Body::Fragment(closed) => {
            assert_eq!([closed.aad, closed.sealed].concat(), read.raw);
            assert!(
                closed.number <= closed.total,
                "a fragment behind the last one"
            );
        }
        Body::CiscoFragment(fragment) => {
            assert!(read.outer.is_empty(), "a payload before a fragment");
            assert!(read.raw.ends_with(fragment.data));
        }
    }
}

/// What was read of a chain is written and read back as the same, and no part of it is taken for the whole.
fn chain(first: PayloadType, octets: &[u8]) {
    let Ok(payloads) = parse_chain(first, octets) else {
        return;
    };
    assert!(payloads.len() <= MAX_PAYLOADS, "too many payloads");
    if let Some((_, cut)) = octets.split_last() {
        assert!(
            parse_chain(first, cut).is_err(),
            "a part is taken for the whole"
        );
    }
    let mut out = Vec::new();
    let again = write_chain(&payloads, &mut out);
    assert_eq!(again, first, "the chain begins with another type");
    assert_eq!(
        parse_chain(again, &out).as_ref(),
        Ok(&as_written(payloads.clone())),
        "the payloads read back otherwise"
    );
    shown(&payloads);
}

/// Traffic selectors of unknown types are counted when they are read, and not kept.
fn as_written(mut payloads: Vec<Payload>) -> Vec<Payload> {
    for payload in &mut payloads {
        if let Payload::TsI(selectors) | Payload::TsR(selectors) = payload {
            selectors.skipped = 0;
        }
    }
    payloads
}

/// What logs show of an identity is printable and short.
fn shown(payloads: &[Payload]) {
    for payload in payloads {
        if let Payload::IdI(id) | Payload::IdR(id) = payload {
            let text = id.to_string();
            assert!(text.chars().all(|one| one == ' ' || one.is_ascii_graphic()));
            assert!(
                text.len() <= 4 * 128 + 3,
                "an identity of {} octets",
                text.len()
            );
        }
    }
}
