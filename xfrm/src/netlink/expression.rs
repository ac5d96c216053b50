//! The expressions of one nf_tables rule, in the encoding of linux/netfilter/nf_tables.h.
//!
//! A rule is a list of small instructions over registers: load something, compare it, and on with the next one or on to
//! the next rule. Only those that our table needs are here.

use std::net::IpAddr;

use super::message::Attributes;
use crate::IpPrefix;

/// Attribute types common to all: an element of a list, an expression's name and its data.
const LIST_ELEMENT: u16 = 1;
const EXPRESSION_NAME: u16 = 1;
const EXPRESSION_DATA: u16 = 2;

/// NFT_REG_VERDICT, and NFT_REG_1 with its sixteen octets.
const REGISTER_VERDICT: u32 = 0;
const REGISTER: u32 = 1;

/// enum nft_meta_keys.
const META_INPUT_NAME: u32 = 6;
const META_OUTPUT_NAME: u32 = 7;
const META_FAMILY: u32 = 15;
const META_PROTOCOL: u32 = 16;
const META_SECPATH: u32 = 25;

/// enum nft_rt_keys.
const ROUTE_IPSEC: u32 = 4;

/// enum nft_cmp_ops.
const EQUAL: u32 = 0;
const NOT_EQUAL: u32 = 1;

/// NFT_PAYLOAD_NETWORK_HEADER and NFT_PAYLOAD_TRANSPORT_HEADER.
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;

/// IPPROTO_TCP; where the flags stand in its header, in octets, and SYN among them (RFC 9293 §3.1).
const TCP: u8 = 6;
const TCP_FLAGS: u32 = 13;
const SYN: u8 = 2;

/// Verdicts.
const VERDICT_DROP: i32 = 0;
const VERDICT_RETURN: i32 = -5;

/// Octets of an interface name in a register.
const NAME_OCTETS: usize = 16;

/// NFPROTO_IPV4 and NFPROTO_IPV6.
const FAMILY_V4: u8 = 2;
const FAMILY_V6: u8 = 10;

/// Where the addresses stand in an IP header, in octets.
const V4_SOURCE: u32 = 12;
const V4_DESTINATION: u32 = 16;
const V6_SOURCE: u32 = 8;
const V6_DESTINATION: u32 = 24;

/// A rule under construction; each condition must hold for the next expression to be reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Expressions(Attributes);

impl Expressions {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The list, for the rule's attribute.
    pub(crate) fn attributes(&self) -> &Attributes {
        &self.0
    }

    /// The packet came in by the device of this name, or by another one.
    pub(crate) fn input_name(self, name: &str, is: bool) -> Self {
        self.meta(META_INPUT_NAME)
            .compare(if is { EQUAL } else { NOT_EQUAL }, &padded(name))
    }

    /// The packet leaves by the device of this name, or by another one.
    pub(crate) fn output_name(self, name: &str, is: bool) -> Self {
        self.meta(META_OUTPUT_NAME)
            .compare(if is { EQUAL } else { NOT_EQUAL }, &padded(name))
    }

    /// The packet came out of an SA, or did not (`meta secpath`). In prerouting, input and forward.
    pub(crate) fn was_decrypted(self, was: bool) -> Self {
        self.meta(META_SECPATH).compare(EQUAL, &[u8::from(was)])
    }

    /// The packet's route leads through an SA, or does not (`rt ipsec`). In forward, output and postrouting.
    pub(crate) fn will_be_encrypted(self, will: bool) -> Self {
        /// NFTA_RT_DREG and NFTA_RT_KEY.
        const DESTINATION: u16 = 1;
        const KEY: u16 = 2;
        self.expression(
            "rt",
            &Attributes::new()
                .be32(DESTINATION, REGISTER)
                .be32(KEY, ROUTE_IPSEC),
        )
        .compare(EQUAL, &[u8::from(will)])
    }

    /// The packet's source lies in this network.
    pub(crate) fn source(self, network: &IpPrefix) -> Self {
        self.address(network, V4_SOURCE, V6_SOURCE)
    }

    /// The packet's destination lies in this network.
    pub(crate) fn destination(self, network: &IpPrefix) -> Self {
        self.address(network, V4_DESTINATION, V6_DESTINATION)
    }

    /// The packet opens a TCP connection, or answers one that does.
    pub(crate) fn tcp_syn(self) -> Self {
        self.meta(META_PROTOCOL)
            .compare(EQUAL, &[TCP])
            .header(TRANSPORT_HEADER, TCP_FLAGS, 1)
            .masked(&[SYN])
            .compare(NOT_EQUAL, &[0])
    }

    /// The segments that the packet's sender takes are at most so large, in octets. The kernel makes them no larger.
    pub(crate) fn clamp_segments(self, size: u16) -> Self {
        /// NFTA_IMMEDIATE_DREG and _DATA.
        const DESTINATION: u16 = 1;
        const DATA: u16 = 2;
        /// NFTA_EXTHDR_*; its operation on options of TCP, of which 2 is the maximum segment size (RFC 9293 §3.2), a
        /// number behind kind and length.
        const KIND: u16 = 2;
        const OFFSET: u16 = 3;
        const LENGTH: u16 = 4;
        const OPERATION: u16 = 6;
        const SOURCE: u16 = 7;
        const TCP_OPTION: u32 = 1;
        const SEGMENT_SIZE: u8 = 2;
        let immediate = Attributes::new()
            .be32(DESTINATION, REGISTER)
            .nested(DATA, &value(&size.to_be_bytes()));
        let option = Attributes::new()
            .attribute(KIND, &[SEGMENT_SIZE])
            .be32(OFFSET, 2)
            .be32(LENGTH, 2)
            .be32(OPERATION, TCP_OPTION)
            .be32(SOURCE, REGISTER);
        self.expression("immediate", &immediate)
            .expression("exthdr", &option)
    }

    /// Counts packets and octets that come this far.
    pub(crate) fn counter(self) -> Self {
        self.expression("counter", &Attributes::new())
    }

    /// The packet takes the address of the device that it leaves by.
    pub(crate) fn masquerade(self) -> Self {
        self.expression("masq", &Attributes::new())
    }

    /// The packet is discarded.
    pub(crate) fn drop(self) -> Self {
        self.verdict(VERDICT_DROP)
    }

    /// The packet leaves the chain, whose policy lets it pass.
    pub(crate) fn leave(self) -> Self {
        self.verdict(VERDICT_RETURN)
    }

    fn address(self, network: &IpPrefix, v4_offset: u32, v6_offset: u32) -> Self {
        let (family, offset, value) = match network.address() {
            IpAddr::V4(address) => (FAMILY_V4, v4_offset, address.octets().to_vec()),
            IpAddr::V6(address) => (FAMILY_V6, v6_offset, address.octets().to_vec()),
        };
        // The table sees both families: an IPv6 header must not be read as an IPv4 one.
        let this = self.meta(META_FAMILY).compare(EQUAL, &[family]);
        if network.length() == 0 {
            return this;
        }
        let this = this.header(NETWORK_HEADER, offset, value.len());
        if network.is_host() {
            return this.compare(EQUAL, &value);
        }
        this.masked(&mask(value.len(), network.length()))
            .compare(EQUAL, &value)
    }

    pub(super) fn meta(self, key: u32) -> Self {
        /// NFTA_META_DREG and NFTA_META_KEY.
        const DESTINATION: u16 = 1;
        const KEY: u16 = 2;
        self.expression(
            "meta",
            &Attributes::new().be32(DESTINATION, REGISTER).be32(KEY, key),
        )
    }

    pub(super) fn header(self, base: u32, offset: u32, octets: usize) -> Self {
        /// NFTA_PAYLOAD_*.
        const DESTINATION: u16 = 1;
        const BASE: u16 = 2;
        const OFFSET: u16 = 3;
        const LENGTH: u16 = 4;
        let data = Attributes::new()
            .be32(DESTINATION, REGISTER)
            .be32(BASE, base)
            .be32(OFFSET, offset)
            .be32(LENGTH, u32::try_from(octets).unwrap_or(u32::MAX));
        self.expression("payload", &data)
    }

    pub(super) fn masked(self, mask: &[u8]) -> Self {
        /// NFTA_BITWISE_*.
        const SOURCE: u16 = 1;
        const DESTINATION: u16 = 2;
        const LENGTH: u16 = 3;
        const MASK: u16 = 4;
        const XOR: u16 = 5;
        let data = Attributes::new()
            .be32(SOURCE, REGISTER)
            .be32(DESTINATION, REGISTER)
            .be32(LENGTH, u32::try_from(mask.len()).unwrap_or(u32::MAX))
            .nested(MASK, &value(mask))
            .nested(XOR, &value(&vec![0; mask.len()]));
        self.expression("bitwise", &data)
    }

    pub(super) fn compare(self, operator: u32, with: &[u8]) -> Self {
        /// NFTA_CMP_*.
        const SOURCE: u16 = 1;
        const OPERATOR: u16 = 2;
        const DATA: u16 = 3;
        let data = Attributes::new()
            .be32(SOURCE, REGISTER)
            .be32(OPERATOR, operator)
            .nested(DATA, &value(with));
        self.expression("cmp", &data)
    }

    pub(super) fn verdict(self, code: i32) -> Self {
        /// NFTA_IMMEDIATE_DREG and _DATA, NFTA_DATA_VERDICT, NFTA_VERDICT_CODE.
        const DESTINATION: u16 = 1;
        const DATA: u16 = 2;
        const VERDICT: u16 = 2;
        const CODE: u16 = 1;
        let verdict = Attributes::new().nested(
            VERDICT,
            &Attributes::new().attribute(CODE, &code.to_be_bytes()),
        );
        let data = Attributes::new()
            .be32(DESTINATION, REGISTER_VERDICT)
            .nested(DATA, &verdict);
        self.expression("immediate", &data)
    }

    /// `ct state`, for tests of those who read rules.
    #[cfg(test)]
    pub(super) fn connection_state(self) -> Self {
        self.expression("ct", &Attributes::new().be32(1, REGISTER).be32(2, 0))
    }

    /// A look into a set, for the same.
    #[cfg(test)]
    pub(super) fn lookup(self) -> Self {
        self.expression(
            "lookup",
            &Attributes::new().name(1, "__set0").be32(2, REGISTER),
        )
    }

    /// Whether nothing is found there, for the same.
    #[cfg(test)]
    pub(super) fn lookup_in_vain(self) -> Self {
        let data = Attributes::new().name(1, "__set0").be32(2, REGISTER);
        self.expression("lookup", &data.be32(5, 1))
    }

    /// A look into a map of values, which come to where the key was, for the same.
    #[cfg(test)]
    pub(super) fn map(self) -> Self {
        let data = Attributes::new().name(1, "__map1").be32(2, REGISTER);
        self.expression("lookup", &data.be32(3, REGISTER))
    }

    /// A part of the packet in another register, for the same.
    #[cfg(test)]
    pub(super) fn header_into(self, register: u32, [base, offset, octets]: [u32; 3]) -> Self {
        let data = Attributes::new().be32(1, register).be32(2, base);
        self.expression("payload", &data.be32(3, offset).be32(4, octets))
    }

    /// A look into a map of verdicts, for the same.
    #[cfg(test)]
    pub(super) fn verdict_map(self) -> Self {
        self.expression(
            "lookup",
            &Attributes::new()
                .name(1, "__map0")
                .be32(2, REGISTER)
                .be32(3, REGISTER_VERDICT),
        )
    }

    /// An expression that nobody knows, for the same.
    #[cfg(test)]
    pub(super) fn unheard_of(self) -> Self {
        self.expression("oracle", &Attributes::new().be32(1, 7))
    }

    /// A target of iptables, for the same.
    #[cfg(test)]
    pub(super) fn target(self, name: &str) -> Self {
        self.expression("target", &Attributes::new().name(1, name))
    }

    /// A verdict that leads to another chain, for the same.
    #[cfg(test)]
    pub(super) fn lead(self, code: i32, chain: &str) -> Self {
        let verdict = Attributes::new()
            .attribute(1, &code.to_be_bytes())
            .name(2, chain);
        let data = Attributes::new()
            .be32(1, REGISTER_VERDICT)
            .nested(2, &Attributes::new().nested(2, &verdict));
        self.expression("immediate", &data)
    }

    fn expression(self, name: &str, data: &Attributes) -> Self {
        let expression = Attributes::new()
            .name(EXPRESSION_NAME, name)
            .nested(EXPRESSION_DATA, data);
        Self(self.0.nested(LIST_ELEMENT, &expression))
    }
}

fn value(octets: &[u8]) -> Attributes {
    /// NFTA_DATA_VALUE.
    const VALUE: u16 = 1;
    Attributes::new().attribute(VALUE, octets)
}

fn padded(name: &str) -> [u8; NAME_OCTETS] {
    let mut octets = [0; NAME_OCTETS];
    for (to, from) in octets.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    octets
}

/// `length` ones, then zeros.
fn mask(octets: usize, length: u8) -> Vec<u8> {
    let mut left = u32::from(length);
    (0..octets)
        .map(|_| {
            let ones = left.min(8);
            left = left.saturating_sub(8);
            u8::MAX.checked_shl(8_u32.saturating_sub(ones)).unwrap_or(0)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::message::{AttributesOf, Request};

    fn encoded(expressions: &Expressions) -> Vec<u8> {
        let mut request = Request::new("test", 0, 0).nested(4, expressions.attributes());
        request.finish(0);
        request.wire()[20..].to_vec()
    }

    fn prefix(text: &str, length: u8) -> IpPrefix {
        IpPrefix::new(text.parse().unwrap(), length).unwrap()
    }

    #[test]
    fn masks_cover_every_length() {
        for length in 0..=32_u8 {
            let expected = u32::MAX
                .checked_shl(32 - u32::from(length))
                .unwrap_or(0)
                .to_be_bytes();
            assert_eq!(mask(4, length), expected, "{length}");
        }
        assert_eq!(mask(16, 68)[7..10], [0xff, 0xf0, 0]);
    }

    /// What `nft --debug=netlink` shows as [ meta load secpath => reg 1 ] [ cmp eq reg 1 0x00 ].
    #[test]
    fn secpath_missing_is_a_load_and_a_comparison() {
        let expected: &[u8] = &[
            36, 0, 1, 0x80, // element
            9, 0, 1, 0, b'm', b'e', b't', b'a', 0, 0, 0, 0, // name
            20, 0, 2, 0x80, 8, 0, 1, 0, 0, 0, 0, 1, 8, 0, 2, 0, 0, 0, 0,
            25, // register 1, key
            44, 0, 1, 0x80, //
            8, 0, 1, 0, b'c', b'm', b'p', 0, //
            32, 0, 2, 0x80, 8, 0, 1, 0, 0, 0, 0, 1, 8, 0, 2, 0, 0, 0, 0,
            0, // register 1, equal
            12, 0, 3, 0x80, 5, 0, 1, 0, 0, 0, 0, 0, // one octet, padded
        ];
        assert_eq!(encoded(&Expressions::new().was_decrypted(false)), expected);
    }

    fn names(expressions: &Expressions) -> Vec<String> {
        AttributesOf(&encoded(expressions))
            .map(|(_, element)| {
                let (_, name) = AttributesOf(element).next().unwrap();
                crate::netlink::message::name_of(name)
            })
            .collect()
    }

    /// What `nft --debug=netlink` shows of `tcp flags syn tcp option maxseg size set 1360`: the octet of the flags, at offset 13 of
    /// the header (RFC 9293 §3.1), has the bit of SYN, whatever else it has.
    #[test]
    fn segments_are_clamped_in_packets_with_syn() {
        let expected: &[u8] = &[
            36, 0, 1, 0x80, 9, 0, 1, 0, b'm', b'e', b't', b'a', 0, 0, 0, 0, //
            20, 0, 2, 0x80, 8, 0, 1, 0, 0, 0, 0, 1, 8, 0, 2, 0, 0, 0, 0,
            16, // register 1, protocol
            44, 0, 1, 0x80, 8, 0, 1, 0, b'c', b'm', b'p', 0, //
            32, 0, 2, 0x80, 8, 0, 1, 0, 0, 0, 0, 1, 8, 0, 2, 0, 0, 0, 0,
            0, // register 1, equal
            12, 0, 3, 0x80, 5, 0, 1, 0, 6, 0, 0, 0, // TCP
            52, 0, 1, 0x80, 12, 0, 1, 0, b'p', b'a', b'y', b'l', b'o', b'a', b'd', 0, //
            36, 0, 2, 0x80, 8, 0, 1, 0, 0, 0, 0, 1, 8, 0, 2, 0, 0, 0, 0,
            2, // register 1, transport header
            8, 0, 3, 0, 0, 0, 0, 13, 8, 0, 4, 0, 0, 0, 0, 1, // offset, length
            68, 0, 1, 0x80, 12, 0, 1, 0, b'b', b'i', b't', b'w', b'i', b's', b'e', 0, //
            52, 0, 2, 0x80, 8, 0, 1, 0, 0, 0, 0, 1, 8, 0, 2, 0, 0, 0, 0,
            1, // register 1 to register 1
            8, 0, 3, 0, 0, 0, 0, 1, // length
            12, 0, 4, 0x80, 5, 0, 1, 0, 2, 0, 0, 0, // and SYN
            12, 0, 5, 0x80, 5, 0, 1, 0, 0, 0, 0, 0, // xor nothing
            44, 0, 1, 0x80, 8, 0, 1, 0, b'c', b'm', b'p', 0, //
            32, 0, 2, 0x80, 8, 0, 1, 0, 0, 0, 0, 1, 8, 0, 2, 0, 0, 0, 0,
            1, // register 1, not equal
            12, 0, 3, 0x80, 5, 0, 1, 0, 0, 0, 0, 0, //
            44, 0, 1, 0x80, 14, 0, 1, 0, b'i', b'm', b'm', b'e', b'd', b'i', b'a', b't', b'e', 0,
            0, 0, //
            24, 0, 2, 0x80, 8, 0, 1, 0, 0, 0, 0, 1, 12, 0, 2, 0x80, 6, 0, 1, 0, 0x05, 0x50, 0,
            0, // 1360
            60, 0, 1, 0x80, 11, 0, 1, 0, b'e', b'x', b't', b'h', b'd', b'r', 0, 0, //
            44, 0, 2, 0x80, 5, 0, 2, 0, 2, 0, 0, 0, 8, 0, 3, 0, 0, 0, 0, 2, // kind, offset
            8, 0, 4, 0, 0, 0, 0, 2, 8, 0, 6, 0, 0, 0, 0, 1, 8, 0, 7, 0, 0, 0, 0,
            1, // length, TCP option, register 1
        ];
        assert_eq!(
            encoded(&Expressions::new().tcp_syn().clamp_segments(1360)),
            expected
        );
    }

    #[test]
    fn addresses_are_compared_only_in_their_own_family_and_masked_only_where_needed() {
        let of = |prefix: IpPrefix| names(&Expressions::new().source(&prefix));
        assert_eq!(of(IpPrefix::ANY_V4), ["meta", "cmp"]);
        assert_eq!(
            of(prefix("10.0.0.1", 32)),
            ["meta", "cmp", "payload", "cmp"]
        );
        assert_eq!(
            of(prefix("10.0.0.0", 9)),
            ["meta", "cmp", "payload", "bitwise", "cmp"]
        );
        assert_eq!(
            of(prefix("2001:db8::", 64)),
            ["meta", "cmp", "payload", "bitwise", "cmp"]
        );
    }
}
