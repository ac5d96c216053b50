//! What others have in a namespace: a route of a routing daemon, a table of a firewall. Made and looked at by netlink
//! messages of our own, because the library under test deals with nothing but what is ours.

use std::{io::Read, net::Ipv4Addr};

use ironflex_xfrm::netlink::NetworkNamespace;
use socket2::{Domain, Protocol, Socket, Type};

const NETLINK_ROUTE: i32 = 0;
const NETLINK_NETFILTER: i32 = 12;

const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_CREATE: u16 = 0x400;

const NLA_F_NESTED: u16 = 0x8000;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const NFNL_MSG_BATCH_BEGIN: u16 = 16;
const NFNL_MSG_BATCH_END: u16 = 17;
/// nf_tables' subsystem number with its message numbers (linux/netfilter/nf_tables.h).
const NFT_MSG_NEWTABLE: u16 = 10 << 8;
const NFT_MSG_GETTABLE: u16 = 10 << 8 | 1;
const NFT_MSG_NEWCHAIN: u16 = 10 << 8 | 3;
const NFT_MSG_GETRULE: u16 = 10 << 8 | 7;

/// A route as others see it: destination, its prefix length, and the protocol number of who made it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ForeignRoute {
    pub(crate) destination: Ipv4Addr,
    pub(crate) length: u8,
    pub(crate) protocol: u8,
}

/// The protocol number of routes that an administrator made.
pub(crate) const STATIC: u8 = 4;

fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let mut octets = u32::try_from(16 + body.len())
        .unwrap()
        .to_ne_bytes()
        .to_vec();
    octets.extend(kind.to_ne_bytes());
    octets.extend((flags | NLM_F_REQUEST).to_ne_bytes());
    octets.extend([0; 8]);
    octets.extend(body);
    octets
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut octets = u16::try_from(4 + value.len())
        .unwrap()
        .to_ne_bytes()
        .to_vec();
    octets.extend(kind.to_ne_bytes());
    octets.extend(value);
    octets.resize(octets.len().next_multiple_of(4), 0);
    octets
}

/// Sends messages and returns the answers, each its type and body, until an acknowledgement or the end of a list.
fn converse(namespace: &NetworkNamespace, protocol: i32, octets: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let open = || Socket::new(Domain::from(16), Type::RAW, Some(Protocol::from(protocol)));
    let mut socket = namespace.run(open).unwrap().unwrap();
    socket.set_read_timeout(Some(super::PATIENCE)).unwrap();
    socket.send(octets).unwrap();
    let mut answers = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let length = socket.read(&mut buffer).unwrap();
        let mut rest = &buffer[..length];
        while rest.len() >= 16 {
            let size = u32::from_ne_bytes(rest[..4].try_into().unwrap()) as usize;
            let kind = u16::from_ne_bytes(rest[4..6].try_into().unwrap());
            let body = rest[16..size].to_vec();
            rest = rest.get(size.next_multiple_of(4)..).unwrap_or_default();
            match kind {
                NLMSG_DONE => return answers,
                NLMSG_ERROR => {
                    let code = i32::from_ne_bytes(body[..4].try_into().unwrap());
                    assert_eq!(code, 0, "{}", std::io::Error::from_raw_os_error(-code));
                    return answers;
                }
                _ => answers.push((kind, body)),
            }
        }
    }
}

/// Adds an unreachable route as an administrator would.
pub(crate) fn add_route(namespace: &NetworkNamespace, destination: Ipv4Addr, length: u8) {
    const MAIN: u8 = 254;
    const UNREACHABLE: u8 = 7;
    let mut body = vec![2, length, 0, 0, MAIN, STATIC, 0, UNREACHABLE, 0, 0, 0, 0];
    body.extend(attribute(1, &destination.octets()));
    let flags = NLM_F_ACK | NLM_F_CREATE;
    converse(
        namespace,
        NETLINK_ROUTE,
        &message(RTM_NEWROUTE, flags, &body),
    );
}

/// Every IPv4 route of the main table, whoever made it.
pub(crate) fn routes(namespace: &NetworkNamespace) -> Vec<ForeignRoute> {
    const MAIN: u8 = 254;
    let mut body = [0; 12];
    body[0] = 2;
    let answers = converse(
        namespace,
        NETLINK_ROUTE,
        &message(RTM_GETROUTE, NLM_F_DUMP, &body),
    );
    let mut routes: Vec<ForeignRoute> = answers
        .iter()
        .filter(|(kind, body)| *kind == RTM_NEWROUTE && body[4] == MAIN)
        .map(|(_, body)| {
            let destination = find(&body[12..], 1).and_then(|value| value.try_into().ok());
            ForeignRoute {
                destination: Ipv4Addr::from(destination.unwrap_or([0; 4])),
                length: body[1],
                protocol: body[5],
            }
        })
        .collect();
    routes.sort();
    routes
}

fn find(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    while attributes.len() >= 4 {
        let length = u16::from_ne_bytes(attributes[..2].try_into().unwrap()) as usize;
        let kind = u16::from_ne_bytes(attributes[2..4].try_into().unwrap());
        if kind == wanted {
            return attributes.get(4..length);
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
    None
}

/// The header of nfnetlink: family inet, version 0, a resource in network order.
const fn netfilter(resource: u16) -> [u8; 4] {
    let [high, low] = resource.to_be_bytes();
    [1, 0, high, low]
}

/// Makes an nftables table of the inet family. It belongs to its namespace and outlives the socket.
pub(crate) fn add_table(namespace: &NetworkNamespace, name: &str) {
    let mut body = netfilter(0).to_vec();
    body.extend(attribute(1, format!("{name}\0").as_bytes()));
    let mut batch = message(NFNL_MSG_BATCH_BEGIN, 0, &netfilter(10));
    batch.extend(message(NFT_MSG_NEWTABLE, NLM_F_ACK | NLM_F_CREATE, &body));
    batch.extend(message(NFNL_MSG_BATCH_END, 0, &netfilter(10)));
    converse(namespace, NETLINK_NETFILTER, &batch);
}

/// NF_INET_LOCAL_IN.
pub(crate) const INPUT: u32 = 1;

/// Makes such a table with a filter chain whose policy is to drop.
pub(crate) fn add_dropping_chain(namespace: &NetworkNamespace, table: &str, name: &str, hook: u32) {
    add_table(namespace, table);
    let mut place = attribute(1, &hook.to_be_bytes());
    place.extend(attribute(2, &0_u32.to_be_bytes()));
    let mut body = netfilter(0).to_vec();
    body.extend(attribute(1, format!("{table}\0").as_bytes()));
    body.extend(attribute(3, format!("{name}\0").as_bytes()));
    body.extend(attribute(4 | NLA_F_NESTED, &place));
    // NF_DROP.
    body.extend(attribute(5, &0_u32.to_be_bytes()));
    body.extend(attribute(7, b"filter\0"));
    let mut batch = message(NFNL_MSG_BATCH_BEGIN, 0, &netfilter(10));
    batch.extend(message(NFT_MSG_NEWCHAIN, NLM_F_ACK | NLM_F_CREATE, &body));
    batch.extend(message(NFNL_MSG_BATCH_END, 0, &netfilter(10)));
    converse(namespace, NETLINK_NETFILTER, &batch);
}

/// The names of the inet family's nftables tables.
pub(crate) fn tables(namespace: &NetworkNamespace) -> Vec<String> {
    let request = message(NFT_MSG_GETTABLE, NLM_F_DUMP, &netfilter(0));
    let mut names: Vec<String> = converse(namespace, NETLINK_NETFILTER, &request)
        .iter()
        .filter_map(|(_, body)| find(&body[4..], 1))
        .map(|name| {
            String::from_utf8_lossy(name)
                .trim_end_matches('\0')
                .to_owned()
        })
        .collect();
    names.sort();
    names
}

/// Every rule of the inet family's nftables tables, as the kernel writes it, its number included.
pub(crate) fn rules(namespace: &NetworkNamespace) -> Vec<Vec<u8>> {
    let request = message(NFT_MSG_GETRULE, NLM_F_DUMP, &netfilter(0));
    let answers = converse(namespace, NETLINK_NETFILTER, &request);
    // The first four octets hold the number of the dump's generation.
    let bodies = answers.into_iter().map(|(_, body)| body[4..].to_vec());
    bodies.collect()
}
