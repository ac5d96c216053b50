//! Sets and maps of nf_tables: what is in them, and whether a packet of which not everything is known is.
//!
//! An element is a range of keys, both ends included, whatever form the kernel keeps it in. A key is made of one part or, in a
//! concatenation, of several, each of which is compared by itself.

use std::collections::BTreeMap;

use super::{Verdict, attribute, expression, number, verdict_in};
use crate::netlink::error::{KernelErrno, NetlinkError};
use crate::netlink::message::{AttributesOf, Request, name_of};
use crate::netlink::nft::{HEADER_OCTETS, SUBSYSTEM};
use crate::netlink::socket::NetlinkSocket;

/// Message types of nf_tables.
const NEW_SET: u16 = 9;
const GET_SET: u16 = 10;
const NEW_ELEMENTS: u16 = 12;
const GET_ELEMENTS: u16 = 13;

/// Bits of a set's flags: ranges, which stand there by their beginnings and ends but in a concatenation; elements that go by
/// themselves, or that packets put there.
const INTERVAL: u32 = 0x4;
const CONCATENATION: u32 = 0x80;
const TIMEOUT: u32 = 0x10;
const EVALUATED: u32 = 0x20;

/// Bits of an element's flags.
const INTERVAL_END: u32 = 1;
const CATCH_ALL: u32 = 2;

/// Expressions beside an element that decide nothing.
const COUNTING: [&str; 2] = ["counter", "last"];

/// Elements of one set that are looked at; a larger one is not known. A list of the world's networks has some hundred thousand.
const MOST: usize = 1 << 19;

/// A set's place: family, table, name.
pub(super) type Place = (u8, String, String);

/// What is known of everybody's sets.
pub(super) type Sets = BTreeMap<Place, Set>;

/// A set or a map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Set {
    /// Octets of a key.
    key: usize,
    /// What is in it; `None` where that is not known, or is another at any moment.
    elements: Option<Vec<Element>>,
}

/// An element of a set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    from: Vec<u8>,
    /// The last key of it.
    to: Vec<u8>,
    /// It has all keys that no other has.
    catch_all: bool,
    /// It goes by itself, or is there only for some packets.
    conditional: bool,
    /// What a map says of it.
    pub(super) data: Data,
}

/// What a map says of an element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Data {
    /// Nothing: it is none.
    #[default]
    None,
    /// These octets.
    Value(Vec<u8>),
    /// What becomes of the packet.
    Verdict(Verdict),
}

/// One part of a key, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// These octets.
    Is(Vec<u8>),
    /// The name of any device but loopback.
    Device,
    /// The number of such a device.
    DeviceNumber,
    /// So many octets, whatever they are.
    Unknown(usize),
}

/// What is found in a set.
pub(super) struct Found<'s> {
    /// The element, or those one of which it may be.
    pub(super) elements: Vec<&'s Element>,
    /// It may be none.
    pub(super) may_miss: bool,
}

impl Part {
    pub(super) const fn octets(&self) -> usize {
        /// IFNAMSIZ.
        const NAME: usize = 16;
        match self {
            Self::Is(octets) => octets.len(),
            Self::Device => NAME,
            Self::DeviceNumber => 4,
            Self::Unknown(octets) => *octets,
        }
    }

    /// Whether it lies in a range; `None` where that is not known.
    fn lies(&self, from: &[u8], to: &[u8]) -> Option<bool> {
        match self {
            Self::Is(octets) => Some(from <= octets.as_slice() && octets.as_slice() <= to),
            _ if is_all(from, 0) && is_all(to, u8::MAX) => Some(true),
            // Loopback is the first device of every network namespace.
            Self::Device if from == to && name_of(from) == "lo" => Some(false),
            Self::DeviceNumber if from == to && from == 1_u32.to_ne_bytes() => Some(false),
            Self::Device | Self::DeviceNumber | Self::Unknown(_) => None,
        }
    }
}

fn is_all(octets: &[u8], value: u8) -> bool {
    octets.iter().all(|octet| *octet == value)
}

impl Element {
    /// Whether a key of these parts is the element's; `None` where that is not known.
    fn has(&self, parts: &[Part]) -> Option<bool> {
        let mut at = 0_usize;
        let mut certain = true;
        for part in parts {
            let end = at.saturating_add(part.octets());
            // A key that is shorter than its parts is none of ours.
            let (Some(from), Some(to)) = (self.from.get(at..end), self.to.get(at..end)) else {
                return None;
            };
            match part.lies(from, to) {
                Some(true) => {}
                Some(false) => return Some(false),
                None => certain = false,
            }
            // Each part of a concatenation begins at a register.
            at = end.next_multiple_of(4);
        }
        certain.then_some(true)
    }
}

impl Set {
    /// Octets of a key.
    pub(super) const fn key(&self) -> usize {
        self.key
    }

    /// What is found by a key of these parts; `None` where nothing is known of the set.
    pub(super) fn find(&self, parts: &[Part]) -> Option<Found<'_>> {
        let elements = self.elements.as_ref()?;
        let mut perhaps = Vec::new();
        for element in elements.iter().filter(|element| !element.catch_all) {
            match element.has(parts) {
                Some(false) => {}
                Some(true) if !element.conditional => {
                    return Some(Found {
                        elements: vec![element],
                        may_miss: false,
                    });
                }
                Some(true) | None => perhaps.push(element),
            }
        }
        let others = elements.iter().find(|element| element.catch_all);
        perhaps.extend(others);
        Some(Found {
            elements: perhaps,
            may_miss: others.is_none_or(|others| others.conditional),
        })
    }

    /// One of these elements, for tests of those who look into sets.
    #[cfg(test)]
    pub(super) fn of(key: usize, elements: Vec<Element>) -> Self {
        Self {
            key,
            elements: Some(elements),
        }
    }

    /// One that changes by itself, for the same.
    #[cfg(test)]
    pub(super) const fn dynamic(key: usize) -> Self {
        Self {
            key,
            elements: None,
        }
    }
}

#[cfg(test)]
impl Element {
    /// A range of keys.
    pub(super) fn range(from: &[u8], to: &[u8]) -> Self {
        Self {
            from: from.to_vec(),
            to: to.to_vec(),
            ..Self::default()
        }
    }

    /// All keys that no other has.
    pub(super) fn others() -> Self {
        Self {
            catch_all: true,
            ..Self::default()
        }
    }

    /// The same with what a map says of it.
    pub(super) fn says(self, data: Data) -> Self {
        Self { data, ..self }
    }

    /// The same, which may be gone when a packet comes.
    pub(super) fn perhaps(self) -> Self {
        Self {
            conditional: true,
            ..self
        }
    }
}

/// Everybody's sets for IP, with what is in them.
///
/// # Errors
///
/// As [`NetlinkSocket::dump`].
pub(super) fn list(socket: &mut NetlinkSocket) -> Result<Sets, NetlinkError> {
    let listed = socket.dump(
        || {
            Request::dump("list nftables sets", (SUBSYSTEM << 8) | GET_SET)
                .octets(&[0; HEADER_OCTETS])
        },
        |message_type, body| {
            let is_set = message_type == (SUBSYSTEM << 8) | NEW_SET;
            Ok(is_set.then(|| read_set(body)).flatten())
        },
    )?;
    let mut sets = Sets::new();
    for (place, flags, key) in listed {
        let changes = flags & (TIMEOUT | EVALUATED) != 0;
        let elements = if changes {
            None
        } else {
            elements(
                socket,
                &place,
                flags & (INTERVAL | CONCATENATION) == INTERVAL,
            )?
        };
        sets.insert(place, Set { key, elements });
    }
    Ok(sets)
}

/// What is in a set; nothing where there are too many, or it has gone meanwhile.
fn elements(
    socket: &mut NetlinkSocket,
    (family, table, name): &Place,
    by_ends: bool,
) -> Result<Option<Vec<Element>>, NetlinkError> {
    let mut count = 0_usize;
    let listed = socket.dump(
        || {
            Request::dump("list elements of a set", (SUBSYSTEM << 8) | GET_ELEMENTS)
                .octets(&[*family, 0, 0, 0])
                .name(1, table)
                .name(2, name)
        },
        |message_type, body| {
            if message_type != (SUBSYSTEM << 8) | NEW_ELEMENTS {
                return Ok(None);
            }
            let read = read_elements(body.get(HEADER_OCTETS..).unwrap_or_default());
            count = count.saturating_add(read.len());
            Ok((count <= MOST).then_some(read))
        },
    );
    match listed {
        Err(error) if error.errno() == Some(KernelErrno::ENOENT) => Ok(None),
        Err(error) => Err(error),
        Ok(_) if count > MOST => Ok(None),
        Ok(listed) => Ok(Some(as_ranges(listed.concat(), by_ends))),
    }
}

/// Reads a set of the kernel's list: its place, its flags, and the octets of a key.
fn read_set(body: &[u8]) -> Option<(Place, u32, usize)> {
    const TABLE: u16 = 1;
    const NAME: u16 = 2;
    const FLAGS: u16 = 3;
    const KEY_LENGTH: u16 = 5;
    let attributes = body.get(HEADER_OCTETS..)?;
    let text = |kind| attribute(attributes, kind).map(name_of);
    let place = (*body.first()?, text(TABLE)?, text(NAME)?);
    let key = usize::try_from(number(attributes, KEY_LENGTH)?).ok()?;
    Some((place, number(attributes, FLAGS).unwrap_or_default(), key))
}

/// An element as the kernel lists it, and whether it is only the end of a range: what comes behind it.
type Listed = (Element, bool);

/// Reads the elements of one message.
pub(super) fn read_elements(attributes: &[u8]) -> Vec<Listed> {
    const ELEMENTS: u16 = 3;
    let list = attribute(attributes, ELEMENTS).unwrap_or_default();
    AttributesOf(list)
        .map(|(_, element)| read_element(element))
        .collect()
}

fn read_element(attributes: &[u8]) -> Listed {
    const KEY: u16 = 1;
    const DATA: u16 = 2;
    const FLAGS: u16 = 3;
    const EXPIRATION: u16 = 5;
    const EXPRESSION: u16 = 7;
    const KEY_END: u16 = 10;
    const EXPRESSIONS: u16 = 11;
    /// NFTA_DATA_VALUE and NFTA_DATA_VERDICT.
    const VALUE: u16 = 1;
    const VERDICT: u16 = 2;
    let key = |kind| attribute(attributes, kind).and_then(|key| attribute(key, VALUE));
    let flags = number(attributes, FLAGS).unwrap_or_default();
    let from = key(KEY).unwrap_or_default().to_vec();
    let data = attribute(attributes, DATA).unwrap_or_default();
    let data = match (attribute(data, VALUE), attribute(data, VERDICT)) {
        (Some(value), _) => Data::Value(value.to_vec()),
        (None, Some(verdict)) => Data::Verdict(verdict_in(verdict)),
        (None, None) => Data::None,
    };
    let own = attribute(attributes, EXPRESSION).into_iter();
    let list = attribute(attributes, EXPRESSIONS).unwrap_or_default();
    let mut all = own.chain(AttributesOf(list).map(|(_, one)| one));
    let element = Element {
        to: key(KEY_END).map_or_else(|| from.clone(), <[u8]>::to_vec),
        from,
        catch_all: flags & CATCH_ALL != 0,
        conditional: attribute(attributes, EXPIRATION).is_some()
            || all.any(|one| !COUNTING.contains(&expression(one).0.as_str())),
        data,
    };
    (element, flags & INTERVAL_END != 0)
}

/// The elements as ranges. Where those stand there by their ends, each element begins one that ends before the next key, or
/// nowhere.
pub(super) fn as_ranges(mut listed: Vec<Listed>, by_ends: bool) -> Vec<Element> {
    if !by_ends {
        return listed
            .into_iter()
            .filter(|(_, ends)| !ends)
            .map(|(element, _)| element)
            .collect();
    }
    // Where one ends another may begin.
    listed.sort_by(|(one, one_ends), (other, other_ends)| {
        let keys = one.from.cmp(&other.from);
        keys.then(other_ends.cmp(one_ends))
    });
    let mut ranges: Vec<Element> = Vec::new();
    let mut open: Option<Element> = None;
    for (element, ends) in listed {
        if element.catch_all {
            ranges.push(element);
            continue;
        }
        if let Some(mut begun) = open.take() {
            begun.to = before(&element.from);
            ranges.push(begun);
        }
        if !ends {
            open = Some(element);
        }
    }
    if let Some(mut begun) = open {
        begun.to = vec![u8::MAX; begun.from.len()];
        ranges.push(begun);
    }
    ranges
}

/// The key in front of one.
fn before(key: &[u8]) -> Vec<u8> {
    let mut key = key.to_vec();
    for octet in key.iter_mut().rev() {
        let (less, borrows) = octet.overflowing_sub(1);
        *octet = less;
        if !borrows {
            break;
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(key: &[u8], ends: bool) -> Listed {
        (Element::range(key, key), ends)
    }

    fn ranges(elements: &[Element]) -> Vec<(u8, u8)> {
        let ends = elements.iter().map(|one| (one.from[0], one.to[0]));
        ends.collect()
    }

    #[test]
    fn beginnings_and_ends_make_ranges_in_whatever_order_they_come() {
        let all = [
            (9, true),
            (0, true),
            (7, false),
            (5, true),
            (3, false),
            (20, false),
        ];
        let all = all.map(|(key, ends)| listed(&[key], ends));
        assert_eq!(
            ranges(&as_ranges(all.to_vec(), true)),
            [(3, 4), (7, 8), (20, 255)]
        );
        // One that begins where another ends.
        let beside = [(5, true), (5, false), (3, false), (6, true)];
        let beside = beside.map(|(key, ends)| listed(&[key], ends));
        assert_eq!(ranges(&as_ranges(beside.to_vec(), true)), [(3, 4), (5, 5)]);
        assert_eq!(before(&[1, 0, 0]), [0, 255, 255]);
        // Without intervals each is by itself.
        let single = [listed(&[7], false), listed(&[3], false)];
        assert_eq!(ranges(&as_ranges(single.to_vec(), false)), [(7, 7), (3, 3)]);
    }

    #[test]
    fn a_key_is_found_by_what_is_known_of_it() {
        let set = Set::of(
            8,
            vec![
                Element::range(&[17, 0, 0, 0, 1, 0, 0, 0], &[17, 0, 0, 0, 2, 0, 0, 0]),
                Element::range(&[50, 0, 0, 0, 0, 0, 0, 0], &[50, 0, 0, 0, 255, 255, 0, 0]),
            ],
        );
        let find = |protocol: u8, port: Part| {
            let found = set.find(&[Part::Is(vec![protocol]), port]).unwrap();
            (found.elements.len(), found.may_miss)
        };
        assert_eq!(find(17, Part::Is(vec![1, 244])), (1, false));
        assert_eq!(find(17, Part::Is(vec![17, 148])), (0, true));
        assert_eq!(find(17, Part::Unknown(2)), (1, true));
        // Whatever it is, it is there.
        assert_eq!(find(50, Part::Unknown(2)), (1, false));
        assert_eq!(find(6, Part::Unknown(2)), (0, true));
    }

    #[test]
    fn what_may_go_is_no_certain_hit_and_others_have_what_nobody_has() {
        let known = |octet| [Part::Is(vec![octet])];
        let element = |octet: u8| Element::range(&[octet], &[octet]);
        let set = Set::of(1, vec![element(1).perhaps(), element(2)]);
        let find = |set: &Set, octet| {
            let found = set.find(&known(octet)).unwrap();
            (found.elements.len(), found.may_miss)
        };
        assert_eq!(find(&set, 1), (1, true));
        assert_eq!(find(&set, 2), (1, false));
        let set = Set::of(1, vec![element(1), Element::others()]);
        assert_eq!(find(&set, 1), (1, false));
        assert_eq!(find(&set, 9), (1, false));
        assert!(Set::dynamic(1).find(&known(1)).is_none());
        // Every device but loopback.
        let lo = Element::range(
            b"lo\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            b"lo\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        );
        let set = Set::of(16, vec![lo]);
        assert!(set.find(&[Part::Device]).unwrap().elements.is_empty());
    }

    proptest::proptest! {
        #[test]
        fn any_octets_are_elements_of_some_kind(attributes: Vec<u8>, keys: Vec<(Vec<u8>, bool)>) {
            read_elements(&attributes);
            let listed = keys.iter().map(|(key, ends)| listed(key, *ends));
            let set = Set::of(4, as_ranges(listed.collect(), true));
            set.find(&[Part::Is(attributes), Part::Device, Part::Unknown(4)]);
        }
    }
}
