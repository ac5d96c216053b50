//! Links: making, finding, changing and removing network devices.
//!
//! Requests are put together with the packet crate's types. Answers are read by hand, only the six attributes that
//! matter: a kernel newer than the packet crate may send forms of the others that it refuses.

use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, InfoXfrm, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};

use super::DEVICE_PREFIX;
use super::error::NetlinkError;
use super::message::{AttributesOf, Request, name_of};
use super::network::{LinkIndex, Network};
use super::owner::Owner;

/// Message types of linux/rtnetlink.h.
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;

/// Attribute types of linux/if_link.h.
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINKINFO: u16 = 18;
const IFLA_IFALIAS: u16 = 20;
const IFLA_STATS64: u16 = 23;
const IFLA_INFO_KIND: u16 = 1;

/// Octets of `struct ifinfomsg`.
const HEADER_OCTETS: usize = 16;

/// IFF_UP of linux/if.h.
const IFF_UP: u32 = 1;

/// IFF_NOARP of linux/if.h: nobody asks who is there.
const IFF_NOARP: u32 = 0x80;

/// ARPHRD_ETHER of linux/if_arp.h.
const ETHERNET: u16 = 1;

/// IFF_RUNNING of linux/if.h.
const IFF_RUNNING: u32 = 0x40;

/// Octets of the longest name of a link (IFNAMSIZ without the closing NUL).
pub const NAME_OCTETS: usize = 15;

/// A link as the kernel lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number in the namespace.
    pub index: LinkIndex,
    /// Its name.
    pub name: String,
    /// What somebody wrote on it; on our own devices [`Owner::alias`].
    pub alias: Option<String>,
    /// The kind that it was created as (`dummy`, `veth`, `xfrm`, `tun`); `None` for hardware and lo.
    pub kind: Option<String>,
    /// Whether it is set up.
    pub up: bool,
    /// Whether packets can go through it: a cable may be out.
    pub running: bool,
    /// Its MTU in octets.
    pub mtu: u32,
    /// Its hardware address, where others on an Ethernet find it by that.
    pub hardware: Option<[u8; 6]>,
    /// What has gone through it since it was made.
    pub traffic: LinkTraffic,
}

/// What has gone through a link, as the kernel counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkTraffic {
    /// What came in.
    pub received: Through,
    /// What went out.
    pub sent: Through,
}

/// What has gone through a link in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Through {
    /// Packets.
    pub packets: u64,
    /// Their octets.
    pub octets: u64,
    /// Packets with errors.
    pub errors: u64,
    /// Packets that were let fall without one.
    pub dropped: u64,
}

impl LinkTraffic {
    /// Reads the first eight numbers of `struct rtnl_link_stats64`, those of both directions in turn.
    fn parse(value: &[u8]) -> Option<Self> {
        let numbers = value.as_chunks::<8>().0.first_chunk::<8>()?;
        let of = |[packets, octets, errors, dropped]: [[u8; 8]; 4]| Through {
            packets: u64::from_ne_bytes(packets),
            octets: u64::from_ne_bytes(octets),
            errors: u64::from_ne_bytes(errors),
            dropped: u64::from_ne_bytes(dropped),
        };
        let [r0, s0, r1, s1, r2, s2, r3, s3] = *numbers;
        Some(Self {
            received: of([r0, r1, r2, r3]),
            sent: of([s0, s1, s2, s3]),
        })
    }

    /// What has gone through since it was `before`.
    #[must_use]
    pub const fn since(self, before: Self) -> Self {
        Self {
            received: self.received.since(before.received),
            sent: self.sent.since(before.sent),
        }
    }
}

impl Through {
    const fn since(self, before: Self) -> Self {
        Self {
            packets: self.packets.saturating_sub(before.packets),
            octets: self.octets.saturating_sub(before.octets),
            errors: self.errors.saturating_sub(before.errors),
            dropped: self.dropped.saturating_sub(before.dropped),
        }
    }
}

impl Link {
    /// Whether it is a device of this owner's: by its name and its alias, since a name alone anyone may choose.
    #[must_use]
    pub fn is_of(&self, owner: Owner) -> bool {
        self.name.starts_with(DEVICE_PREFIX) && self.alias == Some(owner.alias())
    }
}

/// A link that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLink {
    /// Its name, at most [`NAME_OCTETS`] octets.
    pub name: String,
    /// What to write on it; [`Owner::alias`] marks it for [`super::cleanup()`].
    pub alias: Option<String>,
    /// What it is to be.
    pub kind: LinkKind,
}

/// The kinds of links that we make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// A device that swallows what is sent to it, to hold addresses: the Loopback interfaces of the configuration.
    Dummy,
    /// One end of a cable; the other end has the name `peer` and no alias.
    Veth {
        /// Name of the other end.
        peer: String,
    },
    /// An xfrm interface: what is routed to it goes through the SAs with its `if_id`.
    Xfrm {
        /// The number that ties states and policies to it; not 0.
        if_id: u32,
        /// The device that encrypted packets leave by, where it is fixed.
        underlying: Option<LinkIndex>,
    },
}

impl Network {
    /// Makes a link; it is down at first.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Unusable`] for a name that the kernel cannot have; [`NetlinkError::Refused`] with EEXIST when
    /// the name is taken, with EOPNOTSUPP when the kernel has no such kind.
    pub fn create_link(&mut self, link: &NewLink) -> Result<LinkIndex, NetlinkError> {
        let operation = format!("create link {}", link.name);
        check_name(&operation, &link.name)?;
        let (kind, data) = match &link.kind {
            LinkKind::Dummy => (InfoKind::Dummy, None),
            LinkKind::Veth { peer } => {
                check_name(&operation, peer)?;
                let mut other = LinkMessage::default();
                other.attributes.push(LinkAttribute::IfName(peer.clone()));
                (InfoKind::Veth, Some(InfoData::Veth(InfoVeth::Peer(other))))
            }
            LinkKind::Xfrm { if_id, underlying } => {
                let mut data = vec![InfoXfrm::IfId(*if_id)];
                data.extend(underlying.map(|link| InfoXfrm::Link(link.value())));
                (InfoKind::Xfrm, Some(InfoData::Xfrm(data)))
            }
        };
        let mut info = vec![LinkInfo::Kind(kind)];
        info.extend(data.map(LinkInfo::Data));
        let mut message = LinkMessage::default();
        message
            .attributes
            .push(LinkAttribute::IfName(link.name.clone()));
        message.attributes.push(LinkAttribute::LinkInfo(info));
        self.socket.execute(
            Request::new(operation, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL).emit(&message),
        )?;

        let created = self.link(&link.name)?.ok_or_else(|| {
            NetlinkError::malformed(
                format!("create link {}", link.name),
                "it is not there afterwards",
            )
        })?;
        if let Some(alias) = &link.alias {
            // The kernel takes an alias only from RTM_SETLINK and from a second RTM_NEWLINK, not at creation.
            if let Err(error) = self.set_alias(created.index, alias) {
                let _ = self.delete_link(created.index);
                return Err(error);
            }
        }
        Ok(created.index)
    }

    /// Removes a link.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Refused`]; [`NetlinkError::is_absent`] when there is none.
    pub fn delete_link(&mut self, index: LinkIndex) -> Result<(), NetlinkError> {
        let message = addressed(index);
        self.socket
            .execute(Request::new(format!("delete {index}"), RTM_DELLINK, 0).emit(&message))
    }

    /// Sets a link up or down.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Refused`].
    pub fn set_up(&mut self, index: LinkIndex, up: bool) -> Result<(), NetlinkError> {
        let mut message = addressed(index);
        message.header.change_mask = LinkFlags::Up;
        message.header.flags = if up {
            LinkFlags::Up
        } else {
            LinkFlags::empty()
        };
        let operation = format!("set {index} {}", if up { "up" } else { "down" });
        self.socket
            .execute(Request::new(operation, RTM_NEWLINK, 0).emit(&message))
    }

    /// Sets a link's MTU, in octets.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Refused`] with EINVAL outside what the device can.
    pub fn set_mtu(&mut self, index: LinkIndex, mtu: u32) -> Result<(), NetlinkError> {
        self.change(
            index,
            format!("set the MTU of {index} to {mtu}"),
            LinkAttribute::Mtu(mtu),
        )
    }

    /// Writes an alias on a link.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Refused`].
    pub fn set_alias(&mut self, index: LinkIndex, alias: &str) -> Result<(), NetlinkError> {
        self.change(
            index,
            format!("set the alias of {index}"),
            LinkAttribute::IfAlias(alias.to_owned()),
        )
    }

    /// Moves a link into another network namespace; it is down there, and its number may be another.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Refused`] with EEXIST when its name is taken there.
    pub fn move_link(
        &mut self,
        index: LinkIndex,
        namespace: BorrowedFd<'_>,
    ) -> Result<(), NetlinkError> {
        self.change(
            index,
            format!("move {index} to another namespace"),
            LinkAttribute::NetNsFd(namespace.as_raw_fd()),
        )
    }

    /// All links.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Malformed`] and as the socket fails.
    pub fn links(&mut self) -> Result<Vec<Link>, NetlinkError> {
        let operation = "list links";
        self.socket.dump(
            || Request::dump(operation, RTM_GETLINK).emit(&LinkMessage::default()),
            |message_type, body| match message_type {
                RTM_NEWLINK => parse(operation, body).map(Some),
                _ => Ok(None),
            },
        )
    }

    /// The link with this name.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Malformed`] and as the socket fails; that there is none is `None`.
    pub fn link(&mut self, name: &str) -> Result<Option<Link>, NetlinkError> {
        let operation = format!("look for link {name}");
        check_name(&operation, name)?;
        let mut message = LinkMessage::default();
        message
            .attributes
            .push(LinkAttribute::IfName(name.to_owned()));
        let mut found = None;
        let request = Request::new(operation.clone(), RTM_GETLINK, 0).emit(&message);
        let answered = self.socket.query(request, |message_type, body| {
            if message_type == RTM_NEWLINK {
                found = Some(parse(&operation, body)?);
            }
            Ok(())
        });
        match answered {
            Err(error) if error.is_absent() => Ok(None),
            answered => answered.map(|()| found),
        }
    }

    fn change(
        &mut self,
        index: LinkIndex,
        operation: String,
        attribute: LinkAttribute,
    ) -> Result<(), NetlinkError> {
        let mut message = addressed(index);
        message.attributes.push(attribute);
        self.socket
            .execute(Request::new(operation, RTM_NEWLINK, 0).emit(&message))
    }
}

fn addressed(index: LinkIndex) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index.value();
    message
}

/// What the kernel's dev_valid_name asks of a name.
pub(crate) fn check_name(operation: &str, name: &str) -> Result<(), NetlinkError> {
    let fits = (1..=NAME_OCTETS).contains(&name.len());
    let clean = !name.contains(|c: char| c == '/' || c == ':' || c == '\0' || c.is_whitespace());
    if fits && clean && name != "." && name != ".." {
        return Ok(());
    }
    Err(NetlinkError::unusable(
        operation,
        format!(
            "{name:?} is no name for a link: 1 to {NAME_OCTETS} octets without blanks, '/' and ':' were expected"
        ),
    ))
}

/// Reads `struct ifinfomsg` and the attributes behind it.
pub(super) fn parse(operation: &str, body: &[u8]) -> Result<Link, NetlinkError> {
    let short = || NetlinkError::malformed(operation, "a link without its header");
    let [_, _, t0, t1, i0, i1, i2, i3, f0, f1, f2, f3, ..] =
        *body.first_chunk::<HEADER_OCTETS>().ok_or_else(short)?;
    let index = u32::from_ne_bytes([i0, i1, i2, i3]);
    let flags = u32::from_ne_bytes([f0, f1, f2, f3]);
    let is_found = u16::from_ne_bytes([t0, t1]) == ETHERNET && flags & IFF_NOARP == 0;
    let mut link = Link {
        index: LinkIndex::new(index)
            .ok_or_else(|| NetlinkError::malformed(operation, "a link with number 0"))?,
        name: String::new(),
        alias: None,
        kind: None,
        up: flags & IFF_UP != 0,
        running: flags & IFF_RUNNING != 0,
        mtu: 0,
        hardware: None,
        traffic: LinkTraffic::default(),
    };
    for (kind, value) in AttributesOf(body.get(HEADER_OCTETS..).unwrap_or_default()) {
        match kind {
            IFLA_ADDRESS if is_found => link.hardware = value.first_chunk().copied(),
            IFLA_IFNAME => link.name = name_of(value),
            IFLA_IFALIAS => link.alias = Some(name_of(value)),
            IFLA_MTU => {
                let octets = value.first_chunk::<4>();
                link.mtu = octets
                    .map(|octets| u32::from_ne_bytes(*octets))
                    .ok_or_else(|| {
                        NetlinkError::malformed(operation, "an MTU of less than four octets")
                    })?;
            }
            IFLA_STATS64 => {
                link.traffic = LinkTraffic::parse(value).ok_or_else(|| {
                    NetlinkError::malformed(operation, "counters that end too early")
                })?;
            }
            IFLA_LINKINFO => {
                link.kind = AttributesOf(value)
                    .find(|(kind, _)| *kind == IFLA_INFO_KIND)
                    .map(|(_, kind)| name_of(kind));
            }
            _ => {}
        }
    }
    Ok(link)
}

#[cfg(test)]
mod tests {
    use super::*;
    use netlink_packet_core::Emitable;
    use netlink_packet_route::link::{LinkLayerType, Stats64};

    /// Each number another.
    fn counted() -> Stats64 {
        let mut counted = Stats64::default();
        counted.rx_packets = 1;
        counted.tx_packets = 2;
        counted.rx_bytes = 3;
        counted.tx_bytes = 4;
        counted.rx_errors = 5;
        counted.tx_errors = 6;
        counted.rx_dropped = 7;
        counted.tx_dropped = 8;
        counted
    }

    #[test]
    fn a_link_is_read_whatever_else_the_kernel_says_of_it() {
        let mut message = LinkMessage::default();
        message.header.index = 7;
        message.header.flags = LinkFlags::Up | LinkFlags::Running;
        message.attributes = vec![
            LinkAttribute::IfName("ironflex0".into()),
            LinkAttribute::Mtu(1400),
            LinkAttribute::Other(netlink_packet_core::DefaultNla::new(4000, vec![0xa5; 3])),
            LinkAttribute::IfAlias("ironflex".into()),
            LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Dummy)]),
            LinkAttribute::Stats64(counted()),
        ];
        let mut octets = vec![0; message.buffer_len()];
        message.emit(&mut octets);
        let link = parse("test", &octets).unwrap();
        assert_eq!(
            link,
            Link {
                index: LinkIndex::new(7).unwrap(),
                name: "ironflex0".into(),
                alias: Some("ironflex".into()),
                kind: Some("dummy".into()),
                up: true,
                running: true,
                mtu: 1400,
                hardware: None,
                traffic: LinkTraffic {
                    received: Through {
                        packets: 1,
                        octets: 3,
                        errors: 5,
                        dropped: 7,
                    },
                    sent: Through {
                        packets: 2,
                        octets: 4,
                        errors: 6,
                        dropped: 8,
                    },
                },
            }
        );
        // On an Ethernet it is found by its address; what is sent there without being asked for (IFF_NOARP) is not.
        message.header.link_layer_type = LinkLayerType::Ether;
        let address = vec![2, 0, 0, 0, 0, 7];
        message.attributes.push(LinkAttribute::Address(address));
        for (flags, hardware) in [
            (LinkFlags::Up, Some([2, 0, 0, 0, 0, 7])),
            (LinkFlags::Up | LinkFlags::Noarp, None),
        ] {
            message.header.flags = flags;
            let mut octets = vec![0; message.buffer_len()];
            message.emit(&mut octets);
            assert_eq!(parse("test", &octets).unwrap().hardware, hardware);
        }
        assert!(link.is_of(Owner::Headend));
        let client = Owner::Client(crate::netlink::ClientNumber::new(0).unwrap());
        assert!(!link.is_of(client));
        assert!(
            !Link {
                alias: None,
                ..link.clone()
            }
            .is_of(Owner::Headend)
        );
        assert!(
            !Link {
                name: "eth0".into(),
                ..link
            }
            .is_of(Owner::Headend)
        );
        for cut in 0..octets.len() {
            let result = parse("test", &octets[..cut]);
            assert_eq!(result.is_err(), cut < HEADER_OCTETS, "cut to {cut}");
        }
    }

    #[test]
    fn names_that_the_kernel_cannot_have_are_refused_before_it_is_asked() {
        for name in ["", "a234567890123456", "a/b", "a b", "..", "a:1", "a\0"] {
            assert!(
                matches!(check_name("test", name), Err(NetlinkError::Unusable { .. })),
                "{name:?}"
            );
        }
        assert_eq!(check_name("test", "ironflex-lo0"), Ok(()));
        assert_eq!(check_name("test", "a23456789012345"), Ok(()));
    }

    proptest::proptest! {
        #[test]
        fn any_octets_are_a_link_or_an_error(octets: Vec<u8>) {
            proptest::prop_assert!(parse("test", &octets).is_err() || octets.len() >= HEADER_OCTETS);
        }
    }
}
