//! The kernel's SAs and policies, everybody's, as text for whoever helps from afar: all that is known of them but their keys.
//!
//! Of an algorithm its name and the sizes are read, which stand in front of its key; the octets behind them are not touched.

use std::fmt::{self, Write as _};

use netlink_packet_core::parse_u32;
use netlink_packet_xfrm::constants::{
    IPPROTO_AH, IPPROTO_COMP, IPPROTO_ESP, XFRM_INF, XFRM_MODE_BEET, XFRM_MODE_TRANSPORT,
    XFRM_MODE_TUNNEL, XFRM_MSG_GETPOLICY, XFRM_MSG_GETSA, XFRM_MSG_NEWPOLICY, XFRM_MSG_NEWSA,
    XFRM_POLICY_ALLOW, XFRM_STATE_AF_UNSPEC, XFRM_STATE_ESN, XFRMA_ALG_AEAD, XFRMA_ALG_AUTH,
    XFRMA_ALG_AUTH_TRUNC, XFRMA_ALG_CRYPT, XFRMA_ENCAP, XFRMA_IF_ID, XFRMA_MARK, XFRMA_OFFLOAD_DEV,
    XFRMA_REPLAY_ESN_VAL, XFRMA_REPLAY_VAL, XFRMA_TMPL,
};
use netlink_packet_xfrm::{
    Address, EncapTmpl, LifetimeConfig, Replay, ReplayEsn, UserPolicyInfo, UserSaInfo,
    UserTemplate, XFRM_USER_POLICY_INFO_LEN, XFRM_USER_SA_INFO_LEN,
};

use super::error::NetlinkError;
use super::message::{AttributesOf, Request, name_of};
use super::socket::{NetlinkSocket, Subsystem};
use super::state::address;

/// Octets of the name in front of every algorithm (`struct xfrm_algo` and its kin).
const ALGORITHM_NAME: usize = 64;

/// Every SA and every policy of this network namespace, some lines each, without any key.
///
/// # Errors
///
/// [`NetlinkError::System`] on a kernel without XFRM, [`NetlinkError::Refused`] without the right to look.
pub fn outline() -> Result<String, NetlinkError> {
    let mut socket = NetlinkSocket::open(Subsystem::Xfrm)?;
    let states = socket.dump(
        || Request::dump("list SAs", XFRM_MSG_GETSA),
        |message_type, body| Ok((message_type == XFRM_MSG_NEWSA).then(|| told(state(body)))),
    )?;
    let policies = socket.dump(
        || Request::dump("list policies", XFRM_MSG_GETPOLICY),
        |message_type, body| Ok((message_type == XFRM_MSG_NEWPOLICY).then(|| told(policy(body)))),
    )?;
    let heading = |count: usize, what: &str| format!("{count} {what}\n\n");
    Ok(heading(states.len(), "SAs")
        + &states.concat()
        + &heading(policies.len(), "policies")
        + &policies.concat())
}

fn told(read: Option<String>) -> String {
    read.unwrap_or_else(|| "one that cannot be read\n\n".to_owned())
}

/// One SA, out of XFRM_MSG_NEWSA.
pub(super) fn state(body: &[u8]) -> Option<String> {
    let info = UserSaInfo::parse(body).ok()?;
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_state(&mut out, &info, body);
    Some(out)
}

fn write_state(out: &mut String, info: &UserSaInfo, body: &[u8]) -> fmt::Result {
    let family = info.family;
    writeln!(
        out,
        "{} to {}: {} SPI {:#010x}, reqid {:#x}, mode {}",
        End(&info.saddr, family),
        End(&info.id.daddr, family),
        protocol(info.id.proto),
        info.id.spi,
        info.reqid,
        mode(info.mode)
    )?;
    let known = [
        (XFRM_STATE_ESN, "ESN"),
        (XFRM_STATE_AF_UNSPEC, "any family"),
    ];
    let named = known.iter().filter(|(flag, _)| info.flags & flag != 0);
    let named: Vec<&str> = named.map(|(_, name)| *name).collect();
    writeln!(out, "  flags {:#04x} {}", info.flags, named.join(", "))?;
    let mut window = u32::from(info.replay_window);
    for (kind, value) in AttributesOf(body.get(XFRM_USER_SA_INFO_LEN..).unwrap_or_default()) {
        match kind {
            XFRMA_ALG_AEAD => algorithm(out, "AEAD", value)?,
            XFRMA_ALG_CRYPT => algorithm(out, "cipher", value)?,
            XFRMA_ALG_AUTH_TRUNC => algorithm(out, "integrity", value)?,
            // The same as above where that is there, without how much of it is sent.
            XFRMA_ALG_AUTH => {}
            XFRMA_ENCAP => {
                if let Ok(encapsulation) = EncapTmpl::parse(value) {
                    writeln!(
                        out,
                        "  in UDP from port {} to port {}",
                        encapsulation.encap_sport, encapsulation.encap_dport
                    )?;
                }
            }
            XFRMA_REPLAY_VAL => {
                if let Ok(replay) = Replay::parse(value) {
                    writeln!(
                        out,
                        "  sequence numbers: {} received, {} sent",
                        replay.seq, replay.oseq
                    )?;
                }
            }
            XFRMA_REPLAY_ESN_VAL => {
                if let Ok(replay) = ReplayEsn::parse(value) {
                    window = replay.replay_window;
                    let whole = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
                    writeln!(
                        out,
                        "  sequence numbers: {} received, {} sent",
                        whole(replay.seq_hi, replay.seq),
                        whole(replay.oseq_hi, replay.oseq)
                    )?;
                }
            }
            XFRMA_IF_ID | XFRMA_MARK | XFRMA_OFFLOAD_DEV => small(out, kind, value)?,
            _ => {}
        }
    }
    writeln!(out, "  replay window {window}")?;
    limits(out, &info.lifetime_cfg)?;
    let carried = &info.lifetime_cur;
    writeln!(
        out,
        "  carried {} packets, {} bytes; made {}, used {} (seconds since 1970)",
        carried.packets, carried.bytes, carried.add_time, carried.use_time
    )?;
    let dropped = &info.stats;
    writeln!(
        out,
        "  dropped: {} before the window, {} repeated, {} with a wrong check value",
        dropped.replay_window, dropped.replay, dropped.integrity_failed
    )?;
    writeln!(out)
}

/// One policy, out of XFRM_MSG_NEWPOLICY.
pub(super) fn policy(body: &[u8]) -> Option<String> {
    let info = UserPolicyInfo::parse(body).ok()?;
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_policy(&mut out, &info, body);
    Some(out)
}

fn write_policy(out: &mut String, info: &UserPolicyInfo, body: &[u8]) -> fmt::Result {
    let selector = &info.selector;
    let (way, family) = (info.direction, selector.family);
    // Those of sockets bypass all others, and are numbered behind them.
    let way = ["in", "out", "forward", "in of a socket", "out of a socket"]
        .get(usize::from(way))
        .copied()
        .unwrap_or("of an unknown direction");
    writeln!(
        out,
        "{way}: {}/{} to {}/{}, protocol {}, priority {}, {}",
        End(&selector.saddr, family),
        selector.prefixlen_s,
        End(&selector.daddr, family),
        selector.prefixlen_d,
        selector.proto,
        info.priority,
        if info.action == XFRM_POLICY_ALLOW {
            "allow"
        } else {
            "block"
        }
    )?;
    for (kind, value) in AttributesOf(body.get(XFRM_USER_POLICY_INFO_LEN..).unwrap_or_default()) {
        match kind {
            XFRMA_TMPL => {
                let templates = value.chunks(netlink_packet_xfrm::XFRM_USER_TEMPLATE_LEN);
                for template in templates.filter_map(|one| UserTemplate::parse(one).ok()) {
                    let family = template.family;
                    writeln!(
                        out,
                        "  by {} from {} to {}, reqid {:#x}, mode {}{}",
                        protocol(template.id.proto),
                        End(&template.saddr, family),
                        End(&template.id.daddr, family),
                        template.reqid,
                        mode(template.mode),
                        if template.optional == 0 {
                            ""
                        } else {
                            ", optional"
                        }
                    )?;
                }
            }
            XFRMA_IF_ID | XFRMA_MARK => small(out, kind, value)?,
            _ => {}
        }
    }
    writeln!(out)
}

/// An address of a family; the octets of another are passed over.
struct End<'a>(&'a Address, u16);

impl fmt::Display for End<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match address(self.0, self.1) {
            Some(address) => address.fmt(f),
            None => f.write_str("any"),
        }
    }
}

/// An algorithm without its key: the name, and the two numbers of bits behind it. A cipher has but one of them.
fn algorithm(out: &mut String, what: &str, value: &[u8]) -> fmt::Result {
    let (name, sizes) = value.split_at_checked(ALGORITHM_NAME).unwrap_or_default();
    let number = |at: usize| {
        let octets = sizes.get(at..).and_then(|from| from.first_chunk());
        octets.map_or(0, |octets| u32::from_ne_bytes(*octets))
    };
    write!(out, "  {what} {}, key of {} bits", name_of(name), number(0))?;
    if what != "cipher" {
        write!(out, ", check value of {} bits", number(4))?;
    }
    writeln!(out)
}

fn limits(out: &mut String, limits: &LifetimeConfig) -> fmt::Result {
    let amount = |limit: u64| match limit {
        XFRM_INF => "none".to_owned(),
        some => some.to_string(),
    };
    let seconds = |limit: u64| match limit {
        0 => "none".to_owned(),
        some => some.to_string(),
    };
    writeln!(
        out,
        "  limits, soft and hard: seconds {} {}, bytes {} {}, packets {} {}",
        seconds(limits.soft_add_expires_seconds),
        seconds(limits.hard_add_expires_seconds),
        amount(limits.soft_byte_limit),
        amount(limits.hard_byte_limit),
        amount(limits.soft_packet_limit),
        amount(limits.hard_packet_limit)
    )
}

/// An attribute that begins with a number.
fn small(out: &mut String, kind: u16, value: &[u8]) -> fmt::Result {
    let name = match kind {
        XFRMA_IF_ID => "if_id",
        XFRMA_MARK => "mark",
        _ => "offloaded to device",
    };
    match value.get(..4).map(parse_u32) {
        Some(Ok(number)) => writeln!(out, "  {name} {number:#x}"),
        _ => Ok(()),
    }
}

fn protocol(number: u8) -> String {
    match number {
        IPPROTO_ESP => "ESP".to_owned(),
        IPPROTO_AH => "AH".to_owned(),
        IPPROTO_COMP => "IPComp".to_owned(),
        other => format!("protocol {other}"),
    }
}

fn mode(number: u8) -> String {
    match number {
        XFRM_MODE_TRANSPORT => "transport".to_owned(),
        XFRM_MODE_TUNNEL => "tunnel".to_owned(),
        XFRM_MODE_BEET => "beet".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::{
        AesKeySize, Direction, Encapsulation, EspAlgorithm, EspSpi, Integrity, IpPrefix, Limits,
        OuterPath, ReplayWindow, SaKeys, SaSpec, Selectors,
        netlink::{
            message::HEADER_OCTETS,
            owner::Reqid,
            policy::{self, PolicyKey},
            state::State,
        },
    };

    fn path() -> OuterPath {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        OuterPath {
            local: ip("192.0.2.1"),
            remote: ip("198.51.100.7"),
            encapsulation: Encapsulation::Udp {
                local_port: 4500,
                remote_port: 40_000,
            },
        }
    }

    /// What the kernel says of an SA is what it was told, in the same form.
    fn body_of(keys: SaKeys) -> Vec<u8> {
        let spec = SaSpec {
            spi: EspSpi::new(0x0102_0304).unwrap(),
            keys,
            esn: true,
            replay_window: ReplayWindow::new(128).unwrap(),
            soft: Limits::NONE,
            hard: Limits {
                seconds: std::num::NonZeroU64::new(3600),
                ..Limits::NONE
            },
        };
        let state = State {
            reqid: Reqid(0x4900_0009),
            direction: Direction::Outbound,
            path: &path(),
            spec: &spec,
            if_id: 7,
            output_mark: None,
        };
        state.add(None).wire()[HEADER_OCTETS..].to_vec()
    }

    #[test]
    fn everything_of_an_sa_is_told_but_its_keys() {
        let gcm = EspAlgorithm::AesGcm16(AesKeySize::Aes256);
        let cbc = EspAlgorithm::AesCbcHmac {
            key_size: AesKeySize::Aes128,
            integrity: Integrity::HmacSha256_128,
        };
        // Octets that are letters would be read as text, if anything read them.
        let (key, check) = (b"hunter2hunter2hunter2hunter2hunter22", [b'Q'; 32]);
        for (algorithm, encryption, integrity, told) in [
            (
                gcm,
                &key[..36],
                &check[..0],
                "  AEAD rfc4106(gcm(aes)), key of 288 bits, check value of 128 bits\n",
            ),
            (
                cbc,
                &key[..16],
                &check[..],
                "  integrity hmac(sha256), key of 256 bits, check value of 128 bits\n",
            ),
        ] {
            let keys = SaKeys::new(algorithm, encryption, integrity).unwrap();
            let body = body_of(keys);
            assert!(body.windows(16).any(|some| some == &key[..16]));
            let text = state(&body).unwrap();
            assert!(text.contains(told), "{text}");
            assert!(
                text.starts_with(
                    "192.0.2.1 to 198.51.100.7: ESP SPI 0x01020304, reqid 0x49000009, mode tunnel\n"
                ),
                "{text}"
            );
            assert!(
                text.contains("  in UDP from port 4500 to port 40000\n"),
                "{text}"
            );
            assert!(
                text.contains("ESN") && text.contains("  if_id 0x7\n"),
                "{text}"
            );
            assert!(
                text.contains("seconds none 3600, bytes none none"),
                "{text}"
            );
            for secret in ["hunter", "QQQQ", "68756e", "51515151"] {
                assert!(!text.contains(secret), "{text}");
            }
        }
    }

    #[test]
    fn a_policy_is_told_with_what_it_leads_to() {
        let prefix = |text: &str, length| IpPrefix::new(text.parse().unwrap(), length).unwrap();
        let selectors = Selectors {
            local: vec![IpPrefix::ANY_V4],
            remote: vec![prefix("10.9.0.1", 32)],
        };
        let key = PolicyKey::of(&selectors, 7)
            .into_iter()
            .next_back()
            .unwrap();
        let request = policy::add(&key, Reqid(9), &path());
        let text = policy(&request.wire()[HEADER_OCTETS..]).unwrap();
        assert!(
            text.starts_with("out: 0.0.0.0/0 to 10.9.0.1/32, protocol 0, priority "),
            "{text}"
        );
        assert!(
            text.contains("  by ESP from 192.0.2.1 to 198.51.100.7, reqid 0x9, mode tunnel\n"),
            "{text}"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_octets_are_told_somehow(body: Vec<u8>) {
            let long: Vec<u8> = [&[0xa5; XFRM_USER_SA_INFO_LEN][..], &body].concat();
            for body in [&body, &long] {
                let _ = (state(body), policy(body));
            }
        }
    }
}
