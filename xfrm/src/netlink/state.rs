//! XFRM states: one ESP SA each, as messages to and from the kernel.

use std::net::IpAddr;

use netlink_packet_xfrm::constants::{
    AF_INET, AF_INET6, IPPROTO_ESP, UDP_ENCAP_ESPINUDP, XFRM_INF, XFRM_MODE_TUNNEL, XFRM_MSG_DELSA,
    XFRM_MSG_GETSA, XFRM_MSG_NEWSA, XFRM_MSG_UPDSA, XFRM_STATE_AF_UNSPEC, XFRM_STATE_ESN,
    XFRMA_LTIME_VAL, XFRMA_REPLAY_ESN_VAL, XFRMA_REPLAY_VAL,
};
use netlink_packet_xfrm::state::{DelGetMessage, ModifyMessage};
use netlink_packet_xfrm::{
    Address, EncapTmpl, Id, Lifetime, LifetimeConfig, Replay, ReplayEsn, UserSaId, UserSaInfo,
    XFRM_USER_SA_INFO_LEN, XfrmAttrs,
};

use super::algorithm;
use super::error::NetlinkError;
use super::message::{AttributesOf, Request};
use super::owner::{Owner, Reqid};
use super::socket::NetlinkSocket;
use crate::{
    Direction, DropCounts, DropReason, Encapsulation, EspSpi, Limits, OuterPath, ReplayWindow,
    SaSpec, SessionId, Traffic,
};

/// Seconds that have to go by between two reports of a changed place of a peer, so that every second or two there is one; that of
/// another port comes at once (XFRMA_MTIMER_THRESH, kernel 5.17). Kernels without it report once per packet.
const MAPPING_INTERVAL: u32 = 1;

/// What the kernel finds an SA by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StateKey {
    pub(crate) destination: IpAddr,
    pub(crate) spi: EspSpi,
}

impl StateKey {
    fn wire(self) -> DelGetMessage {
        DelGetMessage {
            user_sa_id: UserSaId {
                daddr: Address::from_ip(&self.destination),
                spi: self.spi.value(),
                family: family(self.destination),
                proto: IPPROTO_ESP,
            },
            nlas: Vec::new(),
        }
    }
}

/// Everything that one state is made from.
#[derive(Clone, Copy)]
pub(crate) struct State<'a> {
    pub(crate) reqid: Reqid,
    pub(crate) direction: Direction,
    pub(crate) path: &'a OuterPath,
    pub(crate) spec: &'a SaSpec,
    /// The xfrm interface, 0 for none.
    pub(crate) if_id: u32,
    /// The mark on packets that this SA has encrypted, with its mask.
    pub(crate) output_mark: Option<(u32, u32)>,
}

/// What an SA has done so far and a successor under the same key must know: the sequence numbers above all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) lifetime: Lifetime,
    pub(crate) replay: ReplayProgress,
    pub(crate) drops: DropCounts,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReplayProgress {
    /// The 32-packet form.
    Plain(Replay),
    /// The form with a bitmap of any width, used with and without extended sequence numbers.
    Wide(ReplayEsn),
}

impl Progress {
    pub(crate) fn traffic(&self) -> Traffic {
        Traffic {
            packets: self.lifetime.packets,
            bytes: self.lifetime.bytes,
            drops: self.drops,
        }
    }
}

impl State<'_> {
    pub(crate) const fn key(&self) -> StateKey {
        let destination = match self.direction {
            Direction::Inbound => self.path.local,
            Direction::Outbound => self.path.remote,
        };
        StateKey {
            destination,
            spi: self.spec.spi,
        }
    }

    fn source(&self) -> IpAddr {
        match self.direction {
            Direction::Inbound => self.path.remote,
            Direction::Outbound => self.path.local,
        }
    }

    /// XFRM_MSG_NEWSA. With `carried`, the new state goes on where an earlier one with the same keys stopped.
    pub(crate) fn add(&self, carried: Option<&Progress>) -> Request {
        self.request("add", XFRM_MSG_NEWSA, carried)
    }

    /// XFRM_MSG_UPDSA. Of an existing SA it changes the encapsulation's ports and the limits, nothing else.
    pub(crate) fn update(&self) -> Request {
        self.request("update", XFRM_MSG_UPDSA, None)
    }

    fn request(&self, verb: &str, message_type: u16, carried: Option<&Progress>) -> Request {
        let operation = format!(
            "{verb} {} SA {} to {}",
            self.word(),
            self.spec.spi,
            self.key().destination
        );
        let mut message = self.wire(carried);
        let request = Request::new(operation, message_type, 0).emit(&message);
        algorithm::wipe(&mut message.nlas);
        request
    }

    const fn word(&self) -> &'static str {
        match self.direction {
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
        }
    }

    fn wire(&self, carried: Option<&Progress>) -> ModifyMessage {
        let spec = self.spec;
        let mut flags = XFRM_STATE_AF_UNSPEC;
        if spec.esn {
            flags |= XFRM_STATE_ESN;
        }
        let user_sa_info = UserSaInfo {
            // The selector stays empty, and AF_UNSPEC says that this means both families: policies do the
            // selecting, and an IPv4 tunnel may carry IPv6.
            id: Id {
                daddr: Address::from_ip(&self.key().destination),
                spi: spec.spi.value(),
                // RFC 4303 §2#1: ESP is IP protocol 50.
                proto: IPPROTO_ESP,
            },
            saddr: Address::from_ip(&self.source()),
            lifetime_cfg: lifetime_config(&spec.soft, &spec.hard),
            reqid: self.reqid.0,
            family: family(self.path.local),
            // RFC 3948 §1#2: every SA is one of tunnel mode.
            mode: XFRM_MODE_TUNNEL,
            // Eight bits; wide enough for nothing. The window's width stands in XFRMA_REPLAY_ESN_VAL.
            replay_window: 0,
            flags,
            ..UserSaInfo::default()
        };
        let mut nlas = algorithm::attributes(&spec.keys);
        if let Encapsulation::Udp {
            local_port,
            remote_port,
        } = self.path.encapsulation
        {
            let (source, destination) = match self.direction {
                Direction::Inbound => (remote_port, local_port),
                Direction::Outbound => (local_port, remote_port),
            };
            nlas.push(XfrmAttrs::EncapsulationTemplate(EncapTmpl {
                encap_type: UDP_ENCAP_ESPINUDP,
                encap_sport: source,
                encap_dport: destination,
                encap_oa: Address::default(),
            }));
            if self.direction == Direction::Inbound {
                nlas.push(XfrmAttrs::MappingTimeThreshold(MAPPING_INTERVAL));
            }
        }
        match (carried, self.fresh_replay()) {
            (
                Some(Progress {
                    replay: ReplayProgress::Wide(replay),
                    ..
                }),
                _,
            ) => {
                nlas.push(XfrmAttrs::ReplayStateEsn(replay.clone()));
            }
            (
                Some(Progress {
                    replay: ReplayProgress::Plain(replay),
                    ..
                }),
                _,
            ) => {
                nlas.push(XfrmAttrs::ReplayState(*replay));
            }
            (None, Some(replay)) => nlas.push(XfrmAttrs::ReplayStateEsn(replay)),
            (None, None) => {}
        }
        if let Some(Progress { lifetime, .. }) = carried {
            nlas.push(XfrmAttrs::LifetimeBytes(*lifetime));
        }
        if self.if_id != 0 {
            nlas.push(XfrmAttrs::IfId(self.if_id));
        }
        if let (Direction::Outbound, Some((value, mask))) = (self.direction, self.output_mark) {
            nlas.push(XfrmAttrs::MarkVal(value));
            nlas.push(XfrmAttrs::MarkMask(mask));
        }
        ModifyMessage { user_sa_info, nlas }
    }

    /// The replay attribute of an SA that starts at its first packet; none where the kernel needs none.
    fn fresh_replay(&self) -> Option<ReplayEsn> {
        let width = match (self.direction, self.spec.esn) {
            (Direction::Inbound, false) if self.spec.replay_window == ReplayWindow::DISABLED => {
                return None;
            }
            // RFC 4303 §2.2.1: the unsent half of the sequence number is inferred from the window, so a receiver
            // with extended numbers cannot do without; the kernel refuses width 0. The widest is nearest to none.
            (Direction::Inbound, true) if self.spec.replay_window == ReplayWindow::DISABLED => {
                ReplayWindow::MAX.packets()
            }
            (Direction::Inbound, _) => self.spec.replay_window.packets(),
            (Direction::Outbound, false) => return None,
            // A sender has no window; the kernel up to 6.9 refuses extended numbers with width 0 here too.
            (Direction::Outbound, true) => 1,
        };
        let words = width.div_ceil(u32::BITS);
        Some(ReplayEsn {
            bmp_len: words,
            replay_window: width,
            bmp: vec![0; usize::try_from(words).unwrap_or_default()],
            ..ReplayEsn::default()
        })
    }
}

/// XFRM_MSG_DELSA.
pub(crate) fn delete(key: StateKey) -> Request {
    Request::new(
        format!("delete SA {} to {}", key.spi, key.destination),
        XFRM_MSG_DELSA,
        0,
    )
    .emit(&key.wire())
}

/// XFRM_MSG_GETSA: how far an SA has come; `None` when it does not exist.
///
/// # Errors
///
/// Every refusal but absence, and an answer that cannot be read.
pub(crate) fn read(
    socket: &mut NetlinkSocket,
    key: StateKey,
) -> Result<Option<Progress>, NetlinkError> {
    let operation = format!("read SA {} to {}", key.spi, key.destination);
    let request = Request::new(operation.clone(), XFRM_MSG_GETSA, 0).emit(&key.wire());
    let mut progress = None;
    let answered = socket.query(request, |message_type, body| {
        if message_type == XFRM_MSG_NEWSA {
            progress = Some(parse_progress(&operation, body)?);
        }
        Ok(())
    });
    match answered {
        Ok(()) => Ok(progress),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Every ESP state of an owner in the kernel, by its reqid, and what it has carried.
///
/// # Errors
///
/// As [`NetlinkSocket::dump`].
pub(crate) fn list_ours(
    socket: &mut NetlinkSocket,
    owner: Owner,
) -> Result<Vec<(StateKey, Traffic)>, NetlinkError> {
    let operation = "list SAs";
    socket.dump(
        || Request::dump(operation, XFRM_MSG_GETSA),
        |message_type, body| {
            if message_type != XFRM_MSG_NEWSA {
                return Ok(None);
            }
            let Some((_, key)) = identify(owner, &parse_info(operation, body)?) else {
                return Ok(None);
            };
            Ok(Some((key, parse_progress(operation, body)?.traffic())))
        },
    )
}

/// Which session's state this is: `None` for one that is not the owner's.
pub(crate) fn identify(owner: Owner, info: &UserSaInfo) -> Option<(SessionId, StateKey)> {
    if info.id.proto != IPPROTO_ESP {
        return None;
    }
    let id = owner.session(Reqid(info.reqid))?;
    let key = StateKey {
        destination: address(&info.id.daddr, info.family)?,
        spi: EspSpi::new(info.id.spi)?,
    };
    Some((id, key))
}

/// The address in one of XFRM's 16-octet fields.
pub(crate) fn address(field: &Address, family: u16) -> Option<IpAddr> {
    match family {
        AF_INET => Some(IpAddr::V4(field.to_ipv4())),
        AF_INET6 => Some(IpAddr::V6(field.to_ipv6())),
        _ => None,
    }
}

pub(crate) const fn family(address: IpAddr) -> u16 {
    match address {
        IpAddr::V4(_) => AF_INET,
        IpAddr::V6(_) => AF_INET6,
    }
}

pub(crate) fn parse_info(operation: &str, body: &[u8]) -> Result<UserSaInfo, NetlinkError> {
    UserSaInfo::parse(body).map_err(|error| NetlinkError::malformed(operation, error))
}

/// Reads how far a state has come out of `struct xfrm_usersa_info` and the attributes behind it. The attributes with
/// keys in them are passed over without being copied.
pub(crate) fn parse_progress(operation: &str, body: &[u8]) -> Result<Progress, NetlinkError> {
    let info = parse_info(operation, body)?;
    let mut progress = Progress {
        lifetime: info.lifetime_cur,
        replay: ReplayProgress::Plain(Replay::default()),
        drops: DropCounts::default(),
    };
    progress.drops.add(
        DropReason::Replayed,
        u64::from(info.stats.replay).saturating_add(u64::from(info.stats.replay_window)),
    );
    progress
        .drops
        .add(DropReason::BadIcv, u64::from(info.stats.integrity_failed));
    for (kind, value) in AttributesOf(body.get(XFRM_USER_SA_INFO_LEN..).unwrap_or_default()) {
        let parsed = match kind {
            XFRMA_REPLAY_VAL => {
                Replay::parse(value).map(|replay| progress.replay = ReplayProgress::Plain(replay))
            }
            XFRMA_REPLAY_ESN_VAL => {
                ReplayEsn::parse(value).map(|replay| progress.replay = ReplayProgress::Wide(replay))
            }
            XFRMA_LTIME_VAL => Lifetime::parse(value).map(|lifetime| progress.lifetime = lifetime),
            _ => Ok(()),
        };
        parsed.map_err(|error| NetlinkError::malformed(operation, error))?;
    }
    Ok(progress)
}

/// Limits in the kernel's form. Absent ones of octets and packets are XFRM_INF: zero would expire the SA at once. For
/// seconds it is the other way round: zero is none.
fn lifetime_config(soft: &Limits, hard: &Limits) -> LifetimeConfig {
    let amount =
        |limit: Option<std::num::NonZeroU64>| limit.map_or(XFRM_INF, std::num::NonZeroU64::get);
    let seconds = |limit: Option<std::num::NonZeroU64>| limit.map_or(0, std::num::NonZeroU64::get);
    LifetimeConfig {
        soft_byte_limit: amount(soft.bytes),
        hard_byte_limit: amount(hard.bytes),
        soft_packet_limit: amount(soft.packets),
        hard_packet_limit: amount(hard.packets),
        soft_add_expires_seconds: seconds(soft.seconds),
        hard_add_expires_seconds: seconds(hard.seconds),
        soft_use_expires_seconds: 0,
        hard_use_expires_seconds: 0,
    }
}

/// Reads the notice of a deleted SA (XFRM_MSG_DELSA of group XFRMNLGRP_SA): which one it was, and how far it had come
/// when it died. Nothing was sent or accepted on it later.
pub(crate) fn parse_deletion(owner: Owner, body: &[u8]) -> Option<(StateKey, Progress)> {
    let operation = "read the notice of a deleted SA";
    let attributes = body.get(netlink_packet_xfrm::XFRM_USER_SA_ID_LEN..)?;
    let (_, info) = AttributesOf(attributes)
        .find(|(kind, _)| *kind == netlink_packet_xfrm::constants::XFRMA_SA)?;
    let (_, key) = identify(owner, &parse_info(operation, info).ok()?)?;
    // Put together what parse_progress reads: the structure, then the attributes beside it.
    let mut whole = zeroize::Zeroizing::new(Vec::with_capacity(
        info.len().saturating_add(attributes.len()),
    ));
    whole.extend_from_slice(info);
    whole.extend_from_slice(attributes);
    Some((key, parse_progress(operation, &whole).ok()?))
}

impl Progress {
    /// The same, `packets` sequence numbers further on: for a sender of which it is not known how many packets went
    /// out since. A receiver takes the gap for lost packets (RFC 4303 §3.4.3). `None` when the numbers run out.
    pub(crate) fn skip(&self, packets: u32) -> Option<Self> {
        let mut skipped_to = self.clone();
        match &mut skipped_to.replay {
            ReplayProgress::Plain(replay) => replay.oseq = replay.oseq.checked_add(packets)?,
            ReplayProgress::Wide(replay) => {
                let sent = (u64::from(replay.oseq_hi) << 32) | u64::from(replay.oseq);
                let skipped = sent.checked_add(u64::from(packets))?;
                replay.oseq = u32::try_from(skipped & u64::from(u32::MAX)).ok()?;
                replay.oseq_hi = u32::try_from(skipped >> 32).ok()?;
            }
        }
        Some(skipped_to)
    }
}

#[cfg(test)]
mod tests;
