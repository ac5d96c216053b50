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

/// Seconds between two reports of the same changed address of a peer (XFRMA_MTIMER_THRESH, kernel 5.17). Kernels
/// without it report once per packet.
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
                proto: IPPROTO_ESP,
            },
            saddr: Address::from_ip(&self.source()),
            lifetime_cfg: lifetime_config(&spec.soft, &spec.hard),
            reqid: self.reqid.0,
            family: family(self.path.local),
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

/// Every ESP state of an owner in the kernel, by its reqid.
///
/// # Errors
///
/// As [`NetlinkSocket::dump`].
pub(crate) fn list_ours(
    socket: &mut NetlinkSocket,
    owner: Owner,
) -> Result<Vec<(SessionId, StateKey)>, NetlinkError> {
    let operation = "list SAs";
    socket.dump(
        || Request::dump(operation, XFRM_MSG_GETSA),
        |message_type, body| {
            if message_type != XFRM_MSG_NEWSA {
                return Ok(None);
            }
            let info = parse_info(operation, body)?;
            Ok(identify(owner, &info))
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
mod tests {
    use super::*;
    use crate::{AesKeySize, EspAlgorithm, SaKeys};
    use std::num::NonZeroU64;

    const REQID: Reqid = Reqid(0x4900_0009);
    const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const REMOTE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 7));

    fn spec(esn: bool, window: ReplayWindow) -> SaSpec {
        let algorithm = EspAlgorithm::AesGcm16(AesKeySize::Aes128);
        SaSpec {
            spi: EspSpi::new(0x0102_0304).unwrap(),
            keys: SaKeys::new(algorithm, &[0x77; 20], &[]).unwrap(),
            esn,
            replay_window: window,
            soft: Limits::NONE,
            hard: Limits {
                seconds: NonZeroU64::new(3600),
                bytes: NonZeroU64::new(4_608_000),
                packets: None,
            },
        }
    }

    fn path(encapsulation: Encapsulation) -> OuterPath {
        OuterPath {
            local: LOCAL,
            remote: REMOTE,
            encapsulation,
        }
    }

    fn message(direction: Direction, path: &OuterPath, spec: &SaSpec) -> ModifyMessage {
        State {
            reqid: REQID,
            direction,
            path,
            spec,
            if_id: 0,
            output_mark: None,
        }
        .wire(None)
    }

    #[test]
    fn windows_stand_in_the_wide_attribute_with_or_without_extended_numbers() {
        let plain = path(Encapsulation::None);
        for (direction, esn, window, expected) in [
            (Direction::Inbound, false, 64, Some((2, 64))),
            (Direction::Inbound, true, 1024, Some((32, 1024))),
            (Direction::Inbound, true, 100, Some((4, 100))),
            (Direction::Inbound, false, 0, None),
            (Direction::Inbound, true, 0, Some((32, 1024))),
            (Direction::Outbound, false, 512, None),
            (Direction::Outbound, true, 512, Some((1, 1))),
        ] {
            let spec = spec(esn, ReplayWindow::new(window).unwrap());
            let message = message(direction, &plain, &spec);
            let replay = message.nlas.iter().find_map(|attribute| match attribute {
                XfrmAttrs::ReplayStateEsn(replay) => {
                    assert_eq!(replay.bmp.len(), replay.bmp_len as usize);
                    assert!(replay.bmp.iter().all(|word| *word == 0));
                    Some((replay.bmp_len, replay.replay_window))
                }
                _ => None,
            });
            assert_eq!(replay, expected, "{direction:?} {esn} {window}");
            assert_eq!(message.user_sa_info.replay_window, 0);
            assert_eq!(message.user_sa_info.flags & XFRM_STATE_ESN != 0, esn);
        }
    }

    #[test]
    fn unused_amounts_are_infinite_and_unused_seconds_are_zero() {
        let spec = spec(false, ReplayWindow::DEFAULT);
        let message = message(Direction::Inbound, &path(Encapsulation::None), &spec);
        assert_eq!(
            message.user_sa_info.lifetime_cfg,
            LifetimeConfig {
                soft_byte_limit: u64::MAX,
                hard_byte_limit: 4_608_000,
                soft_packet_limit: u64::MAX,
                hard_packet_limit: u64::MAX,
                soft_add_expires_seconds: 0,
                hard_add_expires_seconds: 3600,
                soft_use_expires_seconds: 0,
                hard_use_expires_seconds: 0,
            }
        );
    }

    #[test]
    fn ports_and_addresses_follow_the_direction() {
        let spec = spec(false, ReplayWindow::DEFAULT);
        let path = path(Encapsulation::Udp {
            local_port: 4500,
            remote_port: 61_234,
        });
        let inbound = message(Direction::Inbound, &path, &spec);
        let outbound = message(Direction::Outbound, &path, &spec);
        let ports = |message: &ModifyMessage| {
            message.nlas.iter().find_map(|attribute| match attribute {
                XfrmAttrs::EncapsulationTemplate(encap) => {
                    Some((encap.encap_type, encap.encap_sport, encap.encap_dport))
                }
                _ => None,
            })
        };
        assert_eq!(ports(&inbound), Some((2, 61_234, 4500)));
        assert_eq!(ports(&outbound), Some((2, 4500, 61_234)));
        assert_eq!(inbound.user_sa_info.saddr, Address::from_ip(&REMOTE));
        assert_eq!(inbound.user_sa_info.id.daddr, Address::from_ip(&LOCAL));
        assert_eq!(outbound.user_sa_info.saddr, Address::from_ip(&LOCAL));
        assert_eq!(outbound.user_sa_info.id.daddr, Address::from_ip(&REMOTE));
        assert_eq!(inbound.user_sa_info.reqid, 0x4900_0009);
        assert_eq!(inbound.user_sa_info.flags, XFRM_STATE_AF_UNSPEC);
        // The kernel refuses the mapping threshold on an SA that is not in UDP.
        let bare = message(
            Direction::Inbound,
            &OuterPath {
                encapsulation: Encapsulation::None,
                ..path
            },
            &spec,
        );
        assert!(
            !bare
                .nlas
                .iter()
                .any(|attribute| matches!(attribute, XfrmAttrs::MappingTimeThreshold(_)))
        );
    }

    #[test]
    fn an_interface_and_an_output_mark_are_attributes_of_the_right_states() {
        let spec = spec(false, ReplayWindow::DEFAULT);
        let path = path(Encapsulation::None);
        let state = |direction| State {
            reqid: REQID,
            direction,
            path: &path,
            spec: &spec,
            if_id: 7,
            output_mark: Some((0x49, 0xff)),
        };
        let extra = |direction| {
            state(direction)
                .wire(None)
                .nlas
                .into_iter()
                .filter(|a| {
                    matches!(
                        a,
                        XfrmAttrs::IfId(_) | XfrmAttrs::MarkVal(_) | XfrmAttrs::MarkMask(_)
                    )
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(extra(Direction::Inbound), [XfrmAttrs::IfId(7)]);
        assert_eq!(
            extra(Direction::Outbound),
            [
                XfrmAttrs::IfId(7),
                XfrmAttrs::MarkVal(0x49),
                XfrmAttrs::MarkMask(0xff)
            ]
        );
    }

    /// Octet for octet what `ip xfrm state add` sends for the same SA, apart from what iproute2 does not set
    /// (reqid range, AF_UNSPEC, wide window): header, struct xfrm_usersa_info, attributes.
    #[test]
    fn request_is_laid_out_as_linux_xfrm_h_says() {
        let spec = spec(false, ReplayWindow::DEFAULT);
        let path = path(Encapsulation::None);
        let state = State {
            reqid: REQID,
            direction: Direction::Inbound,
            path: &path,
            spec: &spec,
            if_id: 0,
            output_mark: None,
        };
        let mut request = state.add(None);
        request.finish(1);
        let wire = request.wire();
        assert_eq!(
            request.operation(),
            "add inbound SA 0x01020304 to 192.0.2.1"
        );
        assert_eq!(wire.len(), 16 + 224 + (4 + 72 + 20) + (4 + 24 + 8));
        assert_eq!(wire[4..6], XFRM_MSG_NEWSA.to_ne_bytes());
        let info = &wire[16..16 + 224];
        assert_eq!(info[..56], [0; 56], "empty selector");
        assert_eq!(info[56..60], [192, 0, 2, 1], "destination");
        assert_eq!(info[72..77], [1, 2, 3, 4, 50], "SPI in network order, ESP");
        assert_eq!(info[80..84], [198, 51, 100, 7], "source");
        assert_eq!(info[208..212], 0x4900_0009_u32.to_ne_bytes(), "reqid");
        assert_eq!(info[212..214], AF_INET.to_ne_bytes(), "family");
        assert_eq!(
            info[214..217],
            [XFRM_MODE_TUNNEL, 0, XFRM_STATE_AF_UNSPEC],
            "mode, old window, flags"
        );
        let replay = &wire[wire.len() - 36..];
        assert_eq!(replay[..4], [36, 0, 23, 0]);
        assert_eq!(replay[4..8], 2_u32.to_ne_bytes());
        assert_eq!(replay[24..28], 64_u32.to_ne_bytes());
    }

    #[test]
    fn the_notice_of_a_deletion_is_read_like_an_answer() {
        use netlink_packet_core::{DefaultNla, Emitable};
        let key = StateKey {
            destination: LOCAL,
            spi: EspSpi::new(0x100).unwrap(),
        };
        let info = UserSaInfo {
            id: Id {
                daddr: Address::from_ip(&LOCAL),
                spi: 0x100,
                proto: IPPROTO_ESP,
            },
            family: AF_INET,
            reqid: 0x4900_0009,
            lifetime_cur: Lifetime {
                packets: 12,
                ..Lifetime::default()
            },
            ..UserSaInfo::default()
        };
        let replay = Replay {
            oseq: 77,
            ..Replay::default()
        };
        let mut structure = vec![0; info.buffer_len()];
        info.emit(&mut structure);
        let mut notice = key.wire();
        notice.nlas = vec![
            XfrmAttrs::Other(DefaultNla::new(
                netlink_packet_xfrm::constants::XFRMA_SA,
                structure,
            )),
            XfrmAttrs::ReplayState(replay),
        ];
        let mut octets = vec![0; notice.buffer_len()];
        notice.emit(&mut octets);
        let (of, progress) = parse_deletion(Owner::Headend, &octets).unwrap();
        assert_eq!(of, key);
        assert_eq!(progress.replay, ReplayProgress::Plain(replay));
        assert_eq!(progress.lifetime.packets, 12);
        for cut in 0..netlink_packet_xfrm::XFRM_USER_SA_ID_LEN + 4 + XFRM_USER_SA_INFO_LEN {
            assert_eq!(
                parse_deletion(Owner::Headend, &octets[..cut]),
                None,
                "cut to {cut}"
            );
        }
    }

    fn answer(info: UserSaInfo, nlas: Vec<XfrmAttrs>) -> Vec<u8> {
        use netlink_packet_core::Emitable;
        let message = ModifyMessage {
            user_sa_info: info,
            nlas,
        };
        let mut octets = vec![0; message.buffer_len()];
        message.emit(&mut octets);
        octets
    }

    #[test]
    fn progress_is_read_and_every_truncation_is_an_error_or_less_progress() {
        let info = UserSaInfo {
            lifetime_cur: Lifetime {
                bytes: 11,
                packets: 12,
                add_time: 13,
                use_time: 14,
            },
            stats: netlink_packet_xfrm::Stats {
                replay_window: 1,
                replay: 2,
                integrity_failed: 3,
            },
            ..UserSaInfo::default()
        };
        let replay = ReplayEsn {
            bmp_len: 2,
            oseq: 5,
            seq: 6,
            replay_window: 64,
            bmp: vec![7, 8],
            ..ReplayEsn::default()
        };
        let octets = answer(info, vec![XfrmAttrs::ReplayStateEsn(replay.clone())]);
        let progress = parse_progress("test", &octets).unwrap();
        assert_eq!(progress.replay, ReplayProgress::Wide(replay));
        assert_eq!(progress.lifetime, info.lifetime_cur);
        assert_eq!(progress.traffic().packets, 12);
        assert_eq!(progress.drops.of(DropReason::Replayed), 3);
        assert_eq!(progress.drops.of(DropReason::BadIcv), 3);
        for cut in 0..octets.len() {
            let result = parse_progress("test", &octets[..cut]);
            assert_eq!(result.is_err(), cut < XFRM_USER_SA_INFO_LEN, "cut to {cut}");
        }
    }

    #[test]
    fn skipping_carries_into_the_upper_half_and_refuses_to_wrap() {
        let progress = |replay| Progress {
            lifetime: Lifetime::default(),
            replay,
            drops: DropCounts::default(),
        };
        let plain = |oseq| {
            progress(ReplayProgress::Plain(Replay {
                oseq,
                ..Replay::default()
            }))
        };
        assert_eq!(plain(5).skip(10), Some(plain(15)));
        assert_eq!(plain(u32::MAX - 5).skip(10), None);
        let wide = |oseq_hi, oseq| {
            progress(ReplayProgress::Wide(ReplayEsn {
                oseq,
                oseq_hi,
                ..ReplayEsn::default()
            }))
        };
        assert_eq!(wide(1, u32::MAX).skip(10), Some(wide(2, 9)));
        assert_eq!(wide(u32::MAX, u32::MAX).skip(1), None);
    }

    #[test]
    fn foreign_states_are_not_ours() {
        let ours = UserSaInfo {
            id: Id {
                daddr: Address::from_ip(&LOCAL),
                spi: 0x100,
                proto: IPPROTO_ESP,
            },
            family: AF_INET,
            reqid: 0x4900_0009,
            ..UserSaInfo::default()
        };
        let key = StateKey {
            destination: LOCAL,
            spi: EspSpi::new(0x100).unwrap(),
        };
        assert_eq!(
            identify(Owner::Headend, &ours),
            Some((SessionId::new(9).unwrap(), key))
        );
        assert_eq!(
            identify(Owner::Headend, &UserSaInfo { reqid: 1, ..ours }),
            None
        );
        assert_eq!(
            identify(
                Owner::Headend,
                &UserSaInfo {
                    reqid: 0x4a00_0000,
                    ..ours
                }
            ),
            None
        );
        assert_eq!(
            identify(
                Owner::Headend,
                &UserSaInfo {
                    id: Id {
                        proto: 51,
                        ..ours.id
                    },
                    ..ours
                }
            ),
            None
        );
    }

    proptest::proptest! {
        #[test]
        fn any_octets_are_progress_or_an_error(octets in proptest::collection::vec(proptest::num::u8::ANY, 0..600)) {
            let read = parse_progress("test", &octets);
            proptest::prop_assert!(read.is_err() || octets.len() >= XFRM_USER_SA_INFO_LEN);
            let _ = parse_deletion(Owner::Headend, &octets);
        }
    }
}
