//! What the kernel tells of its own accord: limits reached, peers that moved.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use netlink_packet_xfrm::constants::{
    XFRM_MSG_EXPIRE, XFRM_MSG_MAPPING, XFRMNLGRP_EXPIRE, XFRMNLGRP_MAPPING,
};
use netlink_packet_xfrm::{Lifetime, LifetimeConfig, UserExpire, UserMapping};

use super::error::NetlinkError;
use super::owner::{Owner, Reqid};
use super::socket::{NetlinkSocket, Subsystem};
use super::state::{StateKey, address, identify};
use crate::{EspSpi, Limit, SessionId, Traffic};

/// A message of the kernel about an SA of the owner's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// A limit was reached; with `hard` the SA is gone.
    Expired {
        /// Whose SA.
        id: SessionId,
        /// Which SA.
        key: StateKey,
        /// Which limit it was.
        limit: Limit,
        /// Whether the kernel has removed it.
        hard: bool,
        /// What went through it.
        traffic: Traffic,
    },
    /// An authentic packet came on this SA from elsewhere. Comes again every second or two, with the packets, until the SA is updated.
    Moved {
        /// Whose SA.
        id: SessionId,
        /// The inbound SA.
        key: StateKey,
        /// Where it came from.
        remote: SocketAddr,
    },
}

/// A socket in the groups of XFRM that matter to a headend.
pub(crate) struct Monitor {
    socket: NetlinkSocket,
    owner: Owner,
    waiting: VecDeque<Notice>,
}

impl Monitor {
    /// Listens in the calling thread's network namespace.
    pub(crate) fn open(owner: Owner) -> Result<Self, NetlinkError> {
        let socket = NetlinkSocket::open(Subsystem::Xfrm)?;
        socket.join("join XFRM group EXPIRE", XFRMNLGRP_EXPIRE)?;
        socket.join("join XFRM group MAPPING", XFRMNLGRP_MAPPING)?;
        Ok(Self {
            socket,
            owner,
            waiting: VecDeque::new(),
        })
    }

    /// The next notice that is waiting; never waits itself.
    pub(crate) fn poll(&mut self) -> Option<Notice> {
        let (owner, waiting) = (self.owner, &mut self.waiting);
        loop {
            if let Some(notice) = waiting.pop_front() {
                return Some(notice);
            }
            let polled = self
                .socket
                .poll("receive XFRM notices", |message_type, body| {
                    waiting.extend(Notice::read(owner, message_type, body));
                });
            match polled {
                Ok(true) => {}
                Ok(false) => return None,
                // Notices were lost: the queue is readable again behind the error. A lost move is told again with the
                // peer's next packet. A lost expiry is not told again: what the kernel has removed then carries nothing until
                // the peer replaces it, which has limits of its own, or its IKE SA ends.
                Err(NetlinkError::System { errno, .. })
                    if errno == super::error::KernelErrno::ENOBUFS => {}
                Err(_) => return None,
            }
        }
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Notice {
    /// `None` for what is not about the owner's SAs, is of a type that does not matter, or cannot be read.
    pub(super) fn read(owner: Owner, message_type: u16, body: &[u8]) -> Option<Self> {
        match message_type {
            XFRM_MSG_EXPIRE => {
                let expire = UserExpire::parse(body).ok()?;
                let (id, key) = identify(owner, &expire.state)?;
                let lifetime = expire.state.lifetime_cur;
                let hard = expire.hard != 0;
                let traffic = Traffic {
                    packets: lifetime.packets,
                    bytes: lifetime.bytes,
                    ..Traffic::default()
                };
                Some(Self::Expired {
                    id,
                    key,
                    limit: reached(&expire.state.lifetime_cfg, lifetime, hard),
                    hard,
                    traffic,
                })
            }
            XFRM_MSG_MAPPING => {
                let mapping = UserMapping::parse(body).ok()?;
                let id = owner.session(Reqid(mapping.reqid))?;
                let destination: IpAddr = address(&mapping.id.daddr, mapping.id.family)?;
                let key = StateKey {
                    destination,
                    spi: EspSpi::new(mapping.id.spi)?,
                };
                let remote = SocketAddr::new(
                    address(&mapping.new_saddr, mapping.id.family)?,
                    mapping.new_sport,
                );
                Some(Self::Moved { id, key, remote })
            }
            _ => None,
        }
    }
}

/// Which limit it is that has been reached: the kernel does not say.
const fn reached(limits: &LifetimeConfig, so_far: Lifetime, hard: bool) -> Limit {
    let (packets, bytes) = if hard {
        (limits.hard_packet_limit, limits.hard_byte_limit)
    } else {
        (limits.soft_packet_limit, limits.soft_byte_limit)
    };
    if so_far.packets >= packets {
        Limit::Packets
    } else if so_far.bytes >= bytes {
        Limit::Bytes
    } else {
        Limit::Seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netlink_packet_core::Emitable;
    use netlink_packet_xfrm::constants::{AF_INET, IPPROTO_ESP};
    use netlink_packet_xfrm::{Address, Id, UserSaId, UserSaInfo};

    fn encoded(message: &impl Emitable) -> Vec<u8> {
        let mut octets = vec![0; message.buffer_len()];
        message.emit(&mut octets);
        octets
    }

    fn key() -> StateKey {
        StateKey {
            destination: "192.0.2.1".parse().unwrap(),
            spi: EspSpi::new(0x1000).unwrap(),
        }
    }

    #[test]
    fn expiry_is_read_with_its_limit_and_counters() {
        let none = u64::MAX;
        let mut state = UserSaInfo {
            id: Id {
                daddr: Address::from_ip(&key().destination),
                spi: 0x1000,
                proto: IPPROTO_ESP,
            },
            family: AF_INET,
            reqid: 0x4900_0002,
            lifetime_cur: Lifetime {
                bytes: 500,
                packets: 5,
                ..Lifetime::default()
            },
            ..UserSaInfo::default()
        };
        // Those of octets, soft and hard, and those of packets.
        for (limits, hard, limit) in [
            ([500, 600, none, none], false, Limit::Bytes),
            ([500, 600, none, none], true, Limit::Seconds),
            ([400, 500, 6, 7], true, Limit::Bytes),
            ([501, 600, 5, 6], false, Limit::Packets),
            ([none, none, 4, 5], true, Limit::Packets),
            ([none, none, none, none], true, Limit::Seconds),
        ] {
            let [soft_bytes, hard_bytes, soft_packets, hard_packets] = limits;
            state.lifetime_cfg = LifetimeConfig {
                soft_byte_limit: soft_bytes,
                hard_byte_limit: hard_bytes,
                soft_packet_limit: soft_packets,
                hard_packet_limit: hard_packets,
                ..LifetimeConfig::default()
            };
            let octets = encoded(&UserExpire {
                state,
                hard: u8::from(hard),
            });
            assert_eq!(
                Notice::read(Owner::Headend, XFRM_MSG_EXPIRE, &octets),
                Some(Notice::Expired {
                    id: SessionId::new(2).unwrap(),
                    key: key(),
                    limit,
                    hard,
                    traffic: Traffic {
                        packets: 5,
                        bytes: 500,
                        ..Traffic::default()
                    },
                })
            );
        }
        let octets = encoded(&UserExpire { state, hard: 1 });
        let foreign = encoded(&UserExpire {
            state: UserSaInfo { reqid: 2, ..state },
            hard: 1,
        });
        assert_eq!(
            Notice::read(Owner::Headend, XFRM_MSG_EXPIRE, &foreign),
            None
        );
        for cut in 0..octets.len() {
            assert_eq!(
                Notice::read(Owner::Headend, XFRM_MSG_EXPIRE, &octets[..cut]),
                None,
                "cut to {cut}"
            );
        }
    }

    #[test]
    fn mapping_is_read_with_the_new_place() {
        let mapping = UserMapping {
            id: UserSaId {
                daddr: Address::from_ip(&key().destination),
                spi: 0x1000,
                family: AF_INET,
                proto: IPPROTO_ESP,
            },
            reqid: 0x4900_0002,
            old_saddr: Address::from_ip(&"198.51.100.1".parse().unwrap()),
            new_saddr: Address::from_ip(&"198.51.100.9".parse().unwrap()),
            old_sport: 4500,
            new_sport: 1027,
        };
        let octets = encoded(&mapping);
        assert_eq!(
            Notice::read(Owner::Headend, XFRM_MSG_MAPPING, &octets),
            Some(Notice::Moved {
                id: SessionId::new(2).unwrap(),
                key: key(),
                remote: "198.51.100.9:1027".parse().unwrap(),
            })
        );
        for cut in 0..octets.len() {
            assert_eq!(
                Notice::read(Owner::Headend, XFRM_MSG_MAPPING, &octets[..cut]),
                None,
                "cut to {cut}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn any_octets_are_a_notice_or_none(
            message_type in XFRM_MSG_EXPIRE..=XFRM_MSG_MAPPING,
            octets in proptest::collection::vec(proptest::num::u8::ANY, 0..300),
        ) {
            let _ = Notice::read(Owner::Headend, message_type, &octets);
        }
    }
}
