//! The kernel's answers and notices, whatever they hold.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a body ends where an expectation fails"
)]

use super::message::{Attributes, AttributesOf, HEADER_OCTETS, Replies, Request, name_of};
use super::{address, link, monitor, neighbour, owner::Owner, policy, route, rule, socket, state};
use crate::fuzzing::input::Input;

const OPERATION: &str = "fuzz";

/// The first octet chooses: a datagram of messages, each of which everybody reads, or attributes to write and read back.
pub fn netlink(data: &[u8]) {
    let Some((choice, octets)) = data.split_first() else {
        return;
    };
    if choice & 1 == 0 {
        datagram(octets);
    } else {
        attributes(octets);
    }
}

fn is_within(part: &[u8], whole: &[u8]) -> bool {
    part.is_empty()
        || whole.as_ptr_range().contains(&part.as_ptr())
            && part.as_ptr_range().end <= whole.as_ptr_range().end
}

fn datagram(octets: &[u8]) {
    let mut total = 0;
    for reply in Replies(octets) {
        total += HEADER_OCTETS + reply.body.len();
        assert!(is_within(reply.body, octets), "a message from elsewhere");
        let _ = socket::Answer::read(OPERATION, reply);
        everybody_reads(reply.message_type, reply.body);
    }
    assert!(
        total <= octets.len(),
        "more messages than the datagram holds"
    );
}

fn everybody_reads(message_type: u16, body: &[u8]) {
    let owner = Owner::Headend;
    let mut values = 0;
    for (_, value) in AttributesOf(body) {
        values += 4 + value.len();
        assert!(is_within(value, body), "an attribute from elsewhere");
    }
    assert!(
        values <= body.len(),
        "more attributes than the message holds"
    );

    if let Ok(link) = link::parse(OPERATION, body) {
        assert!(
            link.name.len() <= 3 * body.len(),
            "a name longer than the message"
        );
    }
    let _ = address::parse(OPERATION, body);
    let _ = neighbour::parse(OPERATION, body);
    // Those of one protocol number are ours; what we read we write so that it reads as the same.
    const OURS: u8 = 0x49;
    if let Ok(Some(route)) = route::parse(OPERATION, OURS, body) {
        let written = Request::new(OPERATION, 0, 0).emit(&route::wire(&route, OURS));
        let again = route::parse(OPERATION, OURS, &written.wire()[HEADER_OCTETS..]);
        // Routes that are unreachable have neither gateway nor link.
        assert_eq!(again, Ok(Some(route)), "a route reads back otherwise");
    }
    if let Ok(Some(rule)) = rule::parse(OPERATION, OURS, body) {
        let written = Request::new(OPERATION, 0, 0).emit(&rule::wire(&rule, OURS));
        let again = rule::parse(OPERATION, OURS, &written.wire()[HEADER_OCTETS..]);
        assert_eq!(again, Ok(Some(rule)), "a rule reads back otherwise");
    }
    if let Ok(info) = state::parse_info(OPERATION, body) {
        let ours = state::identify(owner, &info);
        assert!(
            ours.is_none() || info.id.proto == 50,
            "an SA that is not ESP's"
        );
    }
    let _ = state::parse_progress(OPERATION, body);
    let _ = state::parse_deletion(owner, body);
    let _ = policy::identify(owner, body);
    let _ = monitor::Notice::read(owner, message_type, body);
}

/// Attributes are read as they were written.
fn attributes(octets: &[u8]) {
    let mut input = Input::new(octets);
    let mut expected = Vec::new();
    let mut written = Attributes::new();
    while !input.is_empty() {
        let kind = input.u16() & netlink_packet_core::NLA_TYPE_MASK;
        let value = input.chunk();
        if value.len() > 60_000 {
            return;
        }
        written = written.attribute(kind, value);
        expected.push((kind, value));
    }
    let request = Request::new(OPERATION, 1, 0).nested(7, &written);
    let Some((7, inside)) = AttributesOf(&request.wire()[HEADER_OCTETS..]).next() else {
        // Too long for the attribute around it: what cannot be said is not read as something else.
        assert!(
            expected
                .iter()
                .map(|(_, value)| value.len() + 8)
                .sum::<usize>()
                > 60_000
        );
        return;
    };
    let read: Vec<_> = AttributesOf(inside).collect();
    assert_eq!(read, expected, "the attributes read back otherwise");
    for (_, value) in read {
        assert!(!name_of(value).contains('\0'));
    }
}
