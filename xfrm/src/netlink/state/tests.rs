//! What goes over the socket for a state, and what comes back of it.

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
