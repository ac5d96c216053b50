//! XFRM policies: which packets must go through which session's SAs.

use std::net::IpAddr;

use netlink_packet_xfrm::constants::{
    IPPROTO_ESP, XFRM_MODE_TUNNEL, XFRM_MSG_DELPOLICY, XFRM_MSG_GETPOLICY, XFRM_MSG_NEWPOLICY,
    XFRM_MSG_UPDPOLICY, XFRM_POLICY_ALLOW, XFRM_POLICY_FWD, XFRM_POLICY_IN, XFRM_POLICY_OUT,
    XFRM_SHARE_ANY, XFRMA_IF_ID, XFRMA_TMPL,
};
use netlink_packet_xfrm::policy::{DelGetMessage, ModifyMessage};
use netlink_packet_xfrm::{
    Address, Id, LifetimeConfig, Selector, UserPolicyId, UserPolicyInfo, UserTemplate,
    XFRM_USER_POLICY_INFO_LEN, XfrmAttrs,
};

use super::error::NetlinkError;
use super::message::{AttributesOf, Request};
use super::owner::{Owner, Reqid};
use super::socket::NetlinkSocket;
use super::state::{address, family};
use crate::{IpPrefix, OuterPath, Selectors, SessionId};

/// Where our priorities start; smaller wins. Within our range a narrower selector beats a wider one.
const PRIORITY_BASE: u32 = 0x0001_0000;

/// Which packets a policy looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum PolicyDirection {
    /// To this machine.
    In,
    /// From this machine, forwarded ones too.
    Out,
    /// From the peer through this machine.
    Forward,
}

impl PolicyDirection {
    const fn wire(self) -> u8 {
        match self {
            Self::In => XFRM_POLICY_IN,
            Self::Out => XFRM_POLICY_OUT,
            Self::Forward => XFRM_POLICY_FWD,
        }
    }

    const fn from_wire(direction: u8) -> Option<Self> {
        match direction {
            XFRM_POLICY_IN => Some(Self::In),
            XFRM_POLICY_OUT => Some(Self::Out),
            XFRM_POLICY_FWD => Some(Self::Forward),
            _ => None,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
            Self::Forward => "fwd",
        }
    }
}

/// What the kernel finds a policy by, and what therefore only one session can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PolicyKey {
    pub(crate) direction: PolicyDirection,
    pub(crate) source: IpPrefix,
    pub(crate) destination: IpPrefix,
    /// The xfrm interface, 0 for none.
    pub(crate) if_id: u32,
}

impl PolicyKey {
    /// The policies that `selectors` come to, in the order in which they are to be installed: what comes in is
    /// let in before anything is sent out.
    pub(crate) fn of(selectors: &Selectors, if_id: u32) -> Vec<Self> {
        let mut keys = Vec::new();
        for direction in [
            PolicyDirection::In,
            PolicyDirection::Forward,
            PolicyDirection::Out,
        ] {
            for local in &selectors.local {
                for remote in &selectors.remote {
                    // Traffic selectors of different families name no packet together.
                    if local.address().is_ipv4() != remote.address().is_ipv4() {
                        continue;
                    }
                    let (source, destination) = match direction {
                        PolicyDirection::Out => (*local, *remote),
                        PolicyDirection::In | PolicyDirection::Forward => (*remote, *local),
                    };
                    let key = Self {
                        direction,
                        source,
                        destination,
                        if_id,
                    };
                    // Selectors may say a network twice; the kernel takes it once.
                    if !keys.contains(&key) {
                        keys.push(key);
                    }
                }
            }
        }
        keys
    }

    fn selector(&self) -> Selector {
        Selector {
            daddr: Address::from_ip(&self.destination.address()),
            saddr: Address::from_ip(&self.source.address()),
            family: family(self.source.address()),
            prefixlen_d: self.destination.length(),
            prefixlen_s: self.source.length(),
            ..Selector::default()
        }
    }

    fn priority(&self) -> u32 {
        let covered =
            u32::from(self.source.length()).saturating_add(u32::from(self.destination.length()));
        PRIORITY_BASE.saturating_sub(covered)
    }

    fn words(&self, verb: &str) -> String {
        let interface = match self.if_id {
            0 => String::new(),
            if_id => format!(" if_id {if_id}"),
        };
        format!(
            "{verb} {} policy {} to {}{interface}",
            self.direction.word(),
            self.source,
            self.destination
        )
    }

    fn interface(&self) -> Vec<XfrmAttrs> {
        match self.if_id {
            0 => Vec::new(),
            if_id => vec![XfrmAttrs::IfId(if_id)],
        }
    }
}

/// XFRM_MSG_NEWPOLICY: refused when the key is taken.
pub(crate) fn add(key: &PolicyKey, reqid: Reqid, path: &OuterPath) -> Request {
    Request::new(key.words("add"), XFRM_MSG_NEWPOLICY, 0).emit(&wire(key, reqid, path))
}

/// XFRM_MSG_UPDPOLICY: the policy with this key leads to this session from now on.
pub(crate) fn replace(key: &PolicyKey, reqid: Reqid, path: &OuterPath) -> Request {
    Request::new(key.words("replace"), XFRM_MSG_UPDPOLICY, 0).emit(&wire(key, reqid, path))
}

/// XFRM_MSG_DELPOLICY.
pub(crate) fn delete(key: &PolicyKey) -> Request {
    let message = DelGetMessage {
        user_policy_id: UserPolicyId {
            selector: key.selector(),
            index: 0,
            direction: key.direction.wire(),
        },
        nlas: key.interface(),
    };
    Request::new(key.words("delete"), XFRM_MSG_DELPOLICY, 0).emit(&message)
}

fn wire(key: &PolicyKey, reqid: Reqid, path: &OuterPath) -> ModifyMessage {
    let (source, destination) = match key.direction {
        PolicyDirection::Out => (path.local, path.remote),
        PolicyDirection::In | PolicyDirection::Forward => (path.remote, path.local),
    };
    let template = UserTemplate {
        // SPI 0: whichever SA of the session is current. The reqid is the session's own, since with a shared one
        // two clients behind one NAT would be given each other's packets.
        id: Id {
            daddr: Address::from_ip(&destination),
            spi: 0,
            proto: IPPROTO_ESP,
        },
        family: family(source),
        saddr: Address::from_ip(&source),
        reqid: reqid.0,
        mode: XFRM_MODE_TUNNEL,
        share: XFRM_SHARE_ANY,
        ..UserTemplate::default()
    };
    let mut nlas = vec![XfrmAttrs::Template(vec![template])];
    nlas.extend(key.interface());
    ModifyMessage {
        user_policy_info: UserPolicyInfo {
            selector: key.selector(),
            lifetime_cfg: LifetimeConfig::default(),
            priority: key.priority(),
            direction: key.direction.wire(),
            action: XFRM_POLICY_ALLOW,
            share: XFRM_SHARE_ANY,
            ..UserPolicyInfo::default()
        },
        nlas,
    }
}

/// Every policy of an owner in the kernel, by the reqid of its template.
///
/// # Errors
///
/// As [`NetlinkSocket::dump`].
pub(crate) fn list_ours(
    socket: &mut NetlinkSocket,
    owner: Owner,
) -> Result<Vec<(SessionId, PolicyKey)>, NetlinkError> {
    let operation = "list policies";
    socket.dump(
        || Request::dump(operation, XFRM_MSG_GETPOLICY),
        |message_type, body| {
            if message_type != XFRM_MSG_NEWPOLICY {
                return Ok(None);
            }
            identify(owner, body).map_err(|error| NetlinkError::malformed(operation, error))
        },
    )
}

/// Which session's policy this is: `None` for one that is not the owner's, and for the policies of sockets.
pub(super) fn identify(
    owner: Owner,
    body: &[u8],
) -> Result<Option<(SessionId, PolicyKey)>, netlink_packet_core::DecodeError> {
    let info = UserPolicyInfo::parse(body)?;
    let (mut id, mut if_id) = (None, 0);
    for (kind, value) in AttributesOf(body.get(XFRM_USER_POLICY_INFO_LEN..).unwrap_or_default()) {
        match kind {
            XFRMA_TMPL => id = owner.session(Reqid(UserTemplate::parse(value)?.reqid)),
            XFRMA_IF_ID => if_id = netlink_packet_core::parse_u32(value)?,
            _ => {}
        }
    }
    let prefix = |field: &Address, length| {
        address(field, info.selector.family)
            .and_then(|address: IpAddr| IpPrefix::new(address, length))
    };
    Ok((|| {
        Some((
            id?,
            PolicyKey {
                direction: PolicyDirection::from_wire(info.direction)?,
                source: prefix(&info.selector.saddr, info.selector.prefixlen_s)?,
                destination: prefix(&info.selector.daddr, info.selector.prefixlen_d)?,
                if_id,
            },
        ))
    })())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Encapsulation;
    use netlink_packet_core::Emitable;

    fn prefix(text: &str, length: u8) -> IpPrefix {
        IpPrefix::new(text.parse().unwrap(), length).unwrap()
    }

    fn path() -> OuterPath {
        OuterPath {
            local: "192.0.2.1".parse().unwrap(),
            remote: "198.51.100.7".parse().unwrap(),
            encapsulation: Encapsulation::None,
        }
    }

    #[test]
    fn selectors_become_policies_of_one_family_each_way_in_before_out() {
        let selectors = Selectors {
            local: vec![IpPrefix::ANY_V4, IpPrefix::ANY_V6],
            remote: vec![prefix("10.10.0.5", 32)],
        };
        let client = prefix("10.10.0.5", 32);
        let key = |direction, source, destination| PolicyKey {
            direction,
            source,
            destination,
            if_id: 3,
        };
        assert_eq!(
            PolicyKey::of(&selectors, 3),
            [
                key(PolicyDirection::In, client, IpPrefix::ANY_V4),
                key(PolicyDirection::Forward, client, IpPrefix::ANY_V4),
                key(PolicyDirection::Out, IpPrefix::ANY_V4, client),
            ]
        );
    }

    #[test]
    fn a_network_that_is_named_twice_has_one_policy() {
        let client = prefix("10.10.0.5", 32);
        let selectors = Selectors {
            local: vec![IpPrefix::ANY_V4, IpPrefix::ANY_V4],
            remote: vec![client, client],
        };
        assert_eq!(PolicyKey::of(&selectors, 0).len(), 3);
    }

    #[test]
    fn a_narrower_policy_goes_first() {
        let key = |length| PolicyKey {
            direction: PolicyDirection::Out,
            source: IpPrefix::ANY_V4,
            destination: prefix("10.0.0.0", length),
            if_id: 0,
        };
        assert!(key(32).priority() < key(24).priority());
        assert!(key(24).priority() < key(0).priority());
    }

    #[test]
    fn what_is_sent_is_recognised_again_and_a_foreign_reqid_is_not() {
        for key in [
            PolicyKey {
                direction: PolicyDirection::Forward,
                source: prefix("10.10.0.5", 32),
                destination: IpPrefix::ANY_V4,
                if_id: 0,
            },
            PolicyKey {
                direction: PolicyDirection::Out,
                source: IpPrefix::ANY_V6,
                destination: prefix("2001:db8::5", 128),
                if_id: 17,
            },
        ] {
            let id = SessionId::new(77).unwrap();
            let mut message = wire(&key, Owner::Headend.reqid(id), &path());
            let encode = |message: &ModifyMessage| {
                let mut octets = vec![0; message.buffer_len()];
                message.emit(&mut octets);
                octets
            };
            let octets = encode(&message);
            assert_eq!(identify(Owner::Headend, &octets).unwrap(), Some((id, key)));
            for cut in 0..XFRM_USER_POLICY_INFO_LEN {
                assert!(
                    identify(Owner::Headend, &octets[..cut]).is_err(),
                    "cut to {cut}"
                );
            }
            if let Some(XfrmAttrs::Template(templates)) = message.nlas.first_mut() {
                templates[0].reqid = 16;
            }
            assert_eq!(identify(Owner::Headend, &encode(&message)).unwrap(), None);
        }
    }

    /// struct xfrm_userpolicy_info and struct xfrm_user_tmpl, octet for octet where they are not zero.
    #[test]
    fn request_is_laid_out_as_linux_xfrm_h_says() {
        let key = PolicyKey {
            direction: PolicyDirection::Out,
            source: IpPrefix::ANY_V4,
            destination: prefix("10.10.0.5", 32),
            if_id: 0,
        };
        let mut request = add(
            &key,
            Owner::Headend.reqid(SessionId::new(9).unwrap()),
            &path(),
        );
        request.finish(1);
        let wire = request.wire();
        assert_eq!(
            request.operation(),
            "add out policy 0.0.0.0/0 to 10.10.0.5/32"
        );
        assert_eq!(wire.len(), 16 + 168 + 4 + 64);
        let info = &wire[16..16 + 168];
        assert_eq!(info[..4], [10, 10, 0, 5], "destination");
        assert_eq!(info[40..44], [2, 0, 32, 0], "family, prefix lengths");
        assert_eq!(info[56..88], [0xff; 32], "no limits of amount");
        assert_eq!(
            info[152..156],
            (0x0001_0000_u32 - 32).to_ne_bytes(),
            "priority"
        );
        assert_eq!(
            info[160..164],
            [XFRM_POLICY_OUT, XFRM_POLICY_ALLOW, 0, XFRM_SHARE_ANY]
        );
        let template = &wire[16 + 168..];
        assert_eq!(template[..4], [68, 0, 5, 0]);
        assert_eq!(template[4..8], [198, 51, 100, 7], "outer destination");
        assert_eq!(template[20..25], [0, 0, 0, 0, 50], "any SPI, ESP");
        assert_eq!(template[28..30], [2, 0], "outer family");
        assert_eq!(template[32..36], [192, 0, 2, 1], "outer source");
        assert_eq!(template[48..52], 0x4900_0009_u32.to_ne_bytes(), "reqid");
        assert_eq!(
            template[52..55],
            [XFRM_MODE_TUNNEL, XFRM_SHARE_ANY, 0],
            "mode, share, required"
        );
        assert_eq!(template[56..68], [0xff; 12], "any algorithm");
    }

    proptest::proptest! {
        #[test]
        fn any_policy_is_recognised_again(
            source: std::net::Ipv6Addr, destination: std::net::Ipv6Addr,
            lengths in (0..=128_u8, 0..=128_u8), if_id: u32, number in 0..=SessionId::MAX,
        ) {
            let key = PolicyKey {
                direction: PolicyDirection::In,
                source: IpPrefix::new(source.into(), lengths.0).unwrap(),
                destination: IpPrefix::new(destination.into(), lengths.1).unwrap(),
                if_id,
            };
            let id = SessionId::new(number).unwrap();
            let message = wire(&key, Owner::Headend.reqid(id), &path());
            let mut octets = vec![0; message.buffer_len()];
            message.emit(&mut octets);
            proptest::prop_assert_eq!(identify(Owner::Headend, &octets).unwrap(), Some((id, key)));
        }

        #[test]
        fn any_octets_are_a_policy_or_an_error(octets in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
            let _ = identify(Owner::Headend, &octets);
        }
    }
}
