//! Whose something in a network namespace is: the marks by which one process of ours tells its own from what another
//! one has there, and from what is nobody's of us.
//!
//! | mark | headend | client `n` of 0 to 7 |
//! | --- | --- | --- |
//! | reqid of states and templates, `if_id` | `0x49……` | `0x4a……` + `n` · 2^24 |
//! | protocol of routes and rules | 241 | 242 + `n` |
//! | alias of devices, whose names begin with [`super::DEVICE_PREFIX`] | `ironflex` | `ironflex client n` |
//! | metric of routes | 50 | 51 + `n` |
//! | routing tables beside the main one | none | its reqids' first two |
//! | nftables table | [`super::TABLE`] | none |

use std::fmt;
use std::io;
use std::num::NonZeroU32;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use crate::SessionId;

/// The headend's reqids start here and are [`SessionId::MAX`] + 1 many; each client's follow.
const REQID_BASE: u32 = 0x4900_0000;

/// The headend's protocol number of routes, each client's follow. 241 to 249 are neither in the kernel's rtnetlink.h
/// nor in iproute2's rt_protos.
const PROTOCOL_BASE: u8 = 241;

/// The headend's metric of routes that lead somewhere.
const METRIC_BASE: u32 = 50;

/// The headend's metric of routes that lead nowhere.
const GUARD_METRIC_BASE: u32 = 0xffff_fff0;

/// How the alias of a device of ours begins; the headend's has no more.
const ALIAS: &str = "ironflex";

/// A process of ours, by the place that it has in its network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The headend, of which there can be one: it holds UDP ports 500 and 4500.
    Headend,
    /// One of several clients.
    Client(ClientNumber),
}

/// Which client of its network namespace a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientNumber(u8);

/// What states and templates of one session have in common in the kernel (`reqid`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Reqid(pub(crate) u32);

impl ClientNumber {
    /// Clients that one network namespace can have.
    pub const COUNT: u8 = 8;

    /// Client `number`; `None` from [`ClientNumber::COUNT`] on.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if number < Self::COUNT {
            Some(Self(number))
        } else {
            None
        }
    }

    /// Its number.
    #[must_use]
    pub const fn value(self) -> u8 {
        self.0
    }

    /// Every client that there can be.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).map(Self)
    }
}

impl Owner {
    /// 0 for the headend, 1 + n for client n.
    const fn place(self) -> u8 {
        match self {
            Self::Headend => 0,
            Self::Client(number) => number.0.saturating_add(1),
        }
    }

    const fn reqids(self) -> u32 {
        // At most 0x49 + 8: the addition stays within its octet.
        REQID_BASE.saturating_add((self.place() as u32) << 24)
    }

    /// The reqid of a session's kernel states and templates.
    pub(crate) const fn reqid(self, session: SessionId) -> Reqid {
        Reqid(self.reqids() | session.number())
    }

    /// The session that has this reqid; `None` when it is none of this owner's.
    pub(crate) const fn session(self, reqid: Reqid) -> Option<SessionId> {
        match reqid.0.checked_sub(self.reqids()) {
            Some(number) => SessionId::new(number),
            None => None,
        }
    }

    /// The `if_id` of this owner's xfrm interface `number`; `None` above [`SessionId::MAX`] and for 0 of none.
    #[must_use]
    pub const fn if_id(self, number: u32) -> Option<NonZeroU32> {
        if number > SessionId::MAX {
            return None;
        }
        NonZeroU32::new(self.reqids() | number)
    }

    /// The protocol number (`rtm_protocol`, FRA_PROTOCOL) of this owner's routes and rules.
    #[must_use]
    pub const fn route_protocol(self) -> u8 {
        PROTOCOL_BASE.saturating_add(self.place())
    }

    /// Whether some owner's routes have this protocol number.
    pub(crate) const fn is_route_protocol(protocol: u8) -> bool {
        match protocol.checked_sub(PROTOCOL_BASE) {
            Some(place) => place <= ClientNumber::COUNT,
            None => false,
        }
    }

    /// The metric of this owner's routes that lead somewhere. Each has its own, so that routes of two owners for one
    /// prefix stand side by side and neither's removal is the other's.
    #[must_use]
    pub const fn metric(self) -> u32 {
        METRIC_BASE.saturating_add(self.place() as u32)
    }

    /// The metric of this owner's routes that lead nowhere: they lose to every other route for the same prefix.
    #[must_use]
    pub const fn guard_metric(self) -> u32 {
        GUARD_METRIC_BASE.saturating_add(self.place() as u32)
    }

    /// The routing table that is this owner's alone.
    #[must_use]
    pub const fn table(self) -> u32 {
        self.reqids()
    }

    /// This owner's other routing table, which leads nowhere: for addresses of tunnels that are gone.
    #[must_use]
    pub const fn nowhere_table(self) -> u32 {
        self.reqids().saturating_add(1)
    }

    /// The priority of this owner's routing rules: behind the local table (0), before everybody else's.
    #[must_use]
    pub const fn rule_priority(self) -> u32 {
        self.route_protocol() as u32
    }

    /// The alias (`ip link set … alias`) of this owner's devices.
    #[must_use]
    pub fn alias(self) -> String {
        match self {
            Self::Headend => ALIAS.to_owned(),
            Self::Client(number) => format!("{ALIAS} {number}"),
        }
    }
}

impl fmt::Display for ClientNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {}", self.0)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Headend => f.write_str("headend"),
            Self::Client(number) => number.fmt(f),
        }
    }
}

/// A client's number in one network namespace, held until this value is dropped or its process ends, however it ends.
///
/// It is an abstract Unix address, which the kernel keeps apart by network namespace and gives back with the process: whoever
/// holds it knows that what bears the number's marks was left by the dead.
pub struct ClientClaim {
    number: ClientNumber,
    _address: UnixDatagram,
}

impl ClientClaim {
    /// Takes a number in the calling thread's network namespace; `None`: a living client has it.
    ///
    /// # Errors
    ///
    /// Of socket and bind, but for EADDRINUSE.
    pub fn take(number: ClientNumber) -> io::Result<Option<Self>> {
        let name = format!("{ALIAS} {number}");
        let address = SocketAddr::from_abstract_name(name)?;
        match UnixDatagram::bind_addr(&address) {
            Ok(address) => Ok(Some(Self {
                number,
                _address: address,
            })),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The number.
    #[must_use]
    pub const fn number(&self) -> ClientNumber {
        self.number
    }

    /// The number as an owner of marks.
    #[must_use]
    pub const fn owner(&self) -> Owner {
        Owner::Client(self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn everybody() -> Vec<Owner> {
        let clients = ClientNumber::all().map(Owner::Client);
        [Owner::Headend].into_iter().chain(clients).collect()
    }

    #[test]
    fn the_headends_marks_are_those_that_decisions_md_names() {
        let last = SessionId::new(SessionId::MAX).unwrap();
        let headend = Owner::Headend;
        assert_eq!(headend.reqid(last), Reqid(0x49ff_ffff));
        assert_eq!(headend.session(Reqid(0x49ff_ffff)), Some(last));
        assert_eq!(headend.session(Reqid(0x4900_0000)), SessionId::new(0));
        assert_eq!(headend.route_protocol(), 241);
        assert_eq!(headend.alias(), "ironflex");
        for foreign in [0, 1, 0x48ff_ffff, 0x4a00_0000, u32::MAX] {
            assert_eq!(headend.session(Reqid(foreign)), None, "{foreign:#x}");
        }
    }

    #[test]
    fn no_two_owners_share_a_mark() {
        let (first, last) = (
            SessionId::new(0).unwrap(),
            SessionId::new(SessionId::MAX).unwrap(),
        );
        for one in everybody() {
            for other in everybody() {
                if one == other {
                    continue;
                }
                for id in [first, last] {
                    assert_eq!(one.session(other.reqid(id)), None, "{one}, {other}");
                }
                assert_ne!(one.if_id(7), other.if_id(7));
                assert_ne!(one.route_protocol(), other.route_protocol());
                assert_ne!(one.metric(), other.metric());
                assert_ne!(one.guard_metric(), other.guard_metric());
                let tables = |owner: Owner| [owner.table(), owner.nowhere_table()];
                for table in tables(one) {
                    assert!(!tables(other).contains(&table));
                }
                assert_ne!(one.rule_priority(), other.rule_priority());
                assert_ne!(one.alias(), other.alias());
            }
        }
    }

    #[test]
    fn every_session_of_every_owner_is_known_by_its_reqid() {
        for owner in everybody() {
            for number in [0, 1, SessionId::MAX] {
                let id = SessionId::new(number).unwrap();
                assert_eq!(owner.session(owner.reqid(id)), Some(id), "{owner}");
            }
        }
        assert_eq!(ClientNumber::new(ClientNumber::COUNT), None);
        assert_eq!(Owner::Headend.if_id(SessionId::MAX + 1), None);
    }
}
