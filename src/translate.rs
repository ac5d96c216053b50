//! Between the leaf crates' types, by exhaustive `match`: a new algorithm does not compile until
//! every side knows it.

use std::{net::IpAddr, num::NonZeroU64};

use ironflex_ikev2 as ikev2;
use ironflex_xfrm as xfrm;

use ikev2::{
    crypto::{
        keys::ProtectionKeys,
        suite::{AeadAlgorithm, CbcAlgorithm, Integrity, Protection},
    },
    event::{ChildSa, Path},
    wire::payload::TrafficSelector,
};

/// The dataplane's name for an ESP protection.
#[must_use]
pub const fn esp_algorithm(protection: Protection) -> xfrm::EspAlgorithm {
    use xfrm::AesKeySize::{Aes128, Aes192, Aes256};
    match protection {
        Protection::Aead(algorithm) => xfrm::EspAlgorithm::AesGcm16(match algorithm {
            AeadAlgorithm::AesGcm16_128 => Aes128,
            AeadAlgorithm::AesGcm16_192 => Aes192,
            AeadAlgorithm::AesGcm16_256 => Aes256,
        }),
        Protection::EncryptThenMac(cipher, integrity) => xfrm::EspAlgorithm::AesCbcHmac {
            key_size: match cipher {
                CbcAlgorithm::AesCbc128 => Aes128,
                CbcAlgorithm::AesCbc192 => Aes192,
                CbcAlgorithm::AesCbc256 => Aes256,
            },
            integrity: match integrity {
                Integrity::HmacSha1_96 => xfrm::Integrity::HmacSha1_96,
                Integrity::HmacSha2_256_128 => xfrm::Integrity::HmacSha256_128,
                Integrity::HmacSha2_384_192 => xfrm::Integrity::HmacSha384_192,
                Integrity::HmacSha2_512_256 => xfrm::Integrity::HmacSha512_256,
            },
        },
    }
}

/// One direction's keys for the dataplane.
///
/// # Errors
///
/// [`xfrm::Error::KeyLength`], which the key schedule makes impossible.
fn sa_keys(keys: &ProtectionKeys) -> Result<xfrm::SaKeys, xfrm::Error> {
    xfrm::SaKeys::new(
        esp_algorithm(keys.protection()),
        keys.encryption().as_bytes(),
        keys.integrity().map_or(&[], |key| key.as_bytes()),
    )
}

/// The networks that selectors cover together. Protocols and ports are not the dataplane's: a child
/// SA narrowed to them cannot be installed as such.
fn networks(selectors: &[TrafficSelector]) -> Vec<xfrm::IpPrefix> {
    selectors
        .iter()
        .flat_map(|one| xfrm::IpPrefix::spanning(one.addresses.start(), one.addresses.end()))
        .collect()
}

/// The way that ESP takes.
#[must_use]
pub fn outer_path(path: &Path, udp_encapsulation: bool) -> xfrm::OuterPath {
    xfrm::OuterPath {
        local: path.local.ip().to_canonical(),
        remote: path.remote.ip().to_canonical(),
        encapsulation: if udp_encapsulation {
            // RFC 3948 §2.1#1: ESP has the ports of IKE.
            xfrm::Encapsulation::Udp {
                local_port: path.local.port(),
                remote_port: path.remote.port(),
            }
        } else {
            xfrm::Encapsulation::None
        },
    }
}

/// What a session wants of its SAs beyond what was negotiated.
#[derive(Clone, Copy, Debug)]
pub struct SaWishes {
    /// `set security-association replay window-size`.
    pub replay_window: xfrm::ReplayWindow,
    /// When to say that an SA is old.
    pub soft: xfrm::Limits,
    /// When an SA is over.
    pub hard: xfrm::Limits,
    /// The interface that the session belongs to, where there are xfrm interfaces.
    pub if_id: Option<std::num::NonZeroU32>,
    /// Follow the peer's source port.
    pub follow_peer: bool,
}

/// Both directions of a negotiated child SA, the inbound one first.
///
/// # Errors
///
/// [`xfrm::Error::Misuse`] for a reserved SPI.
pub fn sa_specs(
    child: &ChildSa,
    wishes: &SaWishes,
) -> Result<(xfrm::SaSpec, xfrm::SaSpec), xfrm::Error> {
    let (soft, hard) = if child.suite.esn {
        (wishes.soft, wishes.hard)
    } else {
        within_sequence_numbers(wishes)
    };
    let spec = |spi: u32, keys: &ProtectionKeys, replay_window| {
        Ok::<_, xfrm::Error>(xfrm::SaSpec {
            spi: xfrm::EspSpi::new(spi).ok_or(xfrm::Error::Misuse("a reserved SPI"))?,
            keys: sa_keys(keys)?,
            esn: child.suite.esn,
            replay_window,
            soft,
            hard,
        })
    };
    Ok((
        spec(child.inbound_spi, &child.keys.inbound, wishes.replay_window)?,
        spec(
            child.outbound_spi,
            &child.keys.outbound,
            xfrm::ReplayWindow::DISABLED,
        )?,
    ))
}

/// A negotiated child SA as the dataplane takes it.
///
/// # Errors
///
/// [`xfrm::Error::Misuse`] for a reserved SPI.
pub fn sa_pair(
    id: xfrm::SessionId,
    child: &ChildSa,
    wishes: &SaWishes,
) -> Result<xfrm::SaPair, xfrm::Error> {
    let (inbound, outbound) = sa_specs(child, wishes)?;
    Ok(xfrm::SaPair {
        id,
        path: outer_path(&child.path, child.udp_encapsulation),
        selectors: xfrm::Selectors {
            local: networks(&child.local),
            remote: networks(&child.remote),
        },
        inbound,
        outbound,
        follow_peer: wishes.follow_peer,
        if_id: wishes.if_id,
    })
}

/// Who keeps an SA fresh. Whoever is the client rekeys well before the end; the headend lets it, and does so itself shortly
/// before (RFC 7296 §2.8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeper {
    /// The client: between an eighth and a sixteenth of the lifetime before its end.
    Client,
    /// The headend: between three and two sixty-fourths before it. A client of the same lifetime has begun by then: ours by
    /// four of them, strongSwan, where nothing else is configured, by an eleventh of the lifetime.
    Headend,
}

impl Keeper {
    /// The least margin before the end of a lifetime, and the random part that comes to it, both in sixty-fourths.
    const fn margin(self) -> (u64, u64) {
        match self {
            Self::Client => (4, 4),
            Self::Headend => (2, 1),
        }
    }
}

/// When an SA of this lifetime is to be rekeyed by this end: some time before its end, and a random part more, so that
/// even ends of the same kind rarely begin together.
// RFC 7296 §2.8.1#1: the time is jittered.
#[must_use]
pub fn soft_limits(hard: xfrm::Limits, keeper: Keeper) -> xfrm::Limits {
    let [random] = crate::random::octets::<1>();
    let before = |limit: NonZeroU64, keeper: Keeper| {
        let (least, spread) = keeper.margin();
        // Of 64 × 256 parts.
        let parts = least
            .saturating_mul(256)
            .saturating_add(spread.saturating_mul(u64::from(random)));
        let margin = u128::from(limit.get()).saturating_mul(u128::from(parts)) >> 14;
        let margin = u64::try_from(margin).unwrap_or(u64::MAX).max(1);
        NonZeroU64::new(limit.get().saturating_sub(margin))
    };
    // A volume is each end's own affair, which the other one knows nothing of: nobody goes first, and what is left has to
    // last for a lost message at the line's full speed.
    let of_volume = |limit| before(limit, Keeper::Client);
    xfrm::Limits {
        bytes: hard.bytes.and_then(of_volume),
        packets: hard.packets.and_then(of_volume),
        seconds: hard.seconds.and_then(|limit| before(limit, keeper)),
    }
}

/// How many packets go over an SA without extended sequence numbers.
const SEQUENCE_NUMBERS: NonZeroU64 = NonZeroU64::MIN.saturating_add(u32::MAX as u64 - 1);

/// RFC 4303 §3.3.3: the limits of an SA whose sequence numbers have 32 bits, and which is replaced before they are used up, or
/// those that come before. The kernel does not tell that it drops what finds no number.
fn within_sequence_numbers(wishes: &SaWishes) -> (xfrm::Limits, xfrm::Limits) {
    let packets = wishes.hard.packets.unwrap_or(SEQUENCE_NUMBERS);
    let packets = Some(packets.min(SEQUENCE_NUMBERS));
    let numbers = xfrm::Limits {
        packets,
        ..xfrm::Limits::NONE
    };
    let drawn = soft_limits(numbers, Keeper::Client).packets;
    let soft = xfrm::Limits {
        packets: wishes.soft.packets.or(drawn),
        ..wishes.soft
    };
    let hard = xfrm::Limits {
        packets,
        ..wishes.hard
    };
    (soft, hard)
}

/// A fresh inbound SPI: random, and not one of the reserved ones (RFC 4303 §2.1).
#[must_use]
pub fn fresh_spi() -> u32 {
    loop {
        let spi = u32::from_be_bytes(crate::random::octets());
        if xfrm::EspSpi::new(spi).is_some() {
            return spi;
        }
    }
}

/// The selector of exactly one address.
#[must_use]
pub const fn host_selector(address: IpAddr) -> TrafficSelector {
    TrafficSelector::addresses(ikev2::wire::payload::AddressRange::host(address))
}

#[cfg(test)]
mod tests {
    use ikev2::{
        crypto::{keys::RoleChildKeys, suite::EspSuite},
        event::{ChildExchanges, ChildId, Framing},
        secret::SecretBytes,
    };

    use super::*;

    // RFC 4303 §3.3.3: no number is used twice, and the kernel does not say that it has none left.
    #[test]
    fn an_sa_is_replaced_before_its_sequence_numbers_are_used_up() {
        let keys = || ProtectionKeys::Aead {
            algorithm: AeadAlgorithm::AesGcm16_128,
            key: SecretBytes::copied_from(&[0xa5; 20]),
        };
        let here = (std::net::Ipv4Addr::LOCALHOST, 4500).into();
        let mut child = ChildSa {
            id: ChildId::default(),
            suite: EspSuite {
                protection: Protection::Aead(AeadAlgorithm::AesGcm16_128),
                esn: false,
            },
            exchanges: ChildExchanges::default(),
            keys: RoleChildKeys {
                inbound: keys(),
                outbound: keys(),
            },
            inbound_spi: 0x1000,
            outbound_spi: 0x2000,
            local: Vec::new(),
            remote: Vec::new(),
            path: Path {
                local: here,
                remote: here,
                framing: Framing::Marked,
            },
            udp_encapsulation: true,
            configuration: Vec::new(),
            by_peer: false,
        };
        let mut wishes = SaWishes {
            replay_window: xfrm::ReplayWindow::default(),
            soft: xfrm::Limits::NONE,
            hard: xfrm::Limits::NONE,
            if_id: None,
            follow_peer: false,
        };
        let packets = |child: &ChildSa, wishes: &SaWishes| {
            let (inbound, outbound) = sa_specs(child, wishes).unwrap();
            assert_eq!(inbound.hard, outbound.hard);
            let [soft, hard] = [outbound.soft, outbound.hard].map(|one| one.packets);
            assert_eq!([outbound.soft.bytes, outbound.hard.seconds], [None, None]);
            (soft.map(NonZeroU64::get), hard.map(NonZeroU64::get))
        };
        let last = u64::from(u32::MAX);
        let (soft, hard) = packets(&child, &wishes);
        assert_eq!(hard, Some(last));
        assert!(soft.is_some_and(|soft| (last / 8 * 7 - 8..=last / 16 * 15).contains(&soft)));
        // What is less is less.
        wishes.hard.packets = NonZeroU64::new(10_000);
        wishes.soft.packets = NonZeroU64::new(9_000);
        let both = (Some(9_000), Some(10_000));
        assert_eq!(packets(&child, &wishes), both);
        child.suite.esn = true;
        assert_eq!(packets(&child, &wishes), both);
        wishes.hard.packets = None;
        wishes.soft.packets = None;
        assert_eq!(packets(&child, &wishes), (None, None));
    }

    /// The earliest and the latest of many soft limits of this lifetime, in seconds and octets.
    fn spread(hard: u64, keeper: Keeper) -> (u64, u64) {
        let limit = NonZeroU64::new(hard);
        let hard = xfrm::Limits {
            bytes: limit,
            packets: None,
            seconds: limit,
        };
        let draws = (0..4_000).map(|_| {
            let soft = soft_limits(hard, keeper);
            let volume = soft.bytes.unwrap().get();
            let left = limit.unwrap().get().saturating_sub(volume);
            assert!(left >= limit.unwrap().get() / 16, "{left}");
            assert_eq!(soft.packets, None);
            soft.seconds.unwrap().get()
        });
        draws.fold((u64::MAX, 0), |(least, most), one| {
            (least.min(one), most.max(one))
        })
    }

    // RFC 7296 §2.8.1#1: jittered, within bounds; the client's whole window lies before the headend's, and that before the end.
    #[test]
    fn a_client_rekeys_before_its_headend_whatever_both_draw() {
        for hard in [
            120,
            600,
            3_600,
            86_400,
            2_592_000,
            2_560 << 10,
            4_294_967_295 << 10,
        ] {
            let (client_least, client_most) = spread(hard, Keeper::Client);
            let (headend_least, headend_most) = spread(hard, Keeper::Headend);
            assert!(
                client_least >= hard - hard / 8 - 1,
                "{hard}: {client_least}"
            );
            assert!(client_most <= hard - hard / 16, "{hard}: {client_most}");
            assert!(
                client_most < headend_least,
                "{hard}: {client_most} {headend_least}"
            );
            // strongSwan's default: between a ninth and an eleventh of its lifetime goes by before that is over.
            assert!(headend_least * 11 > hard * 10, "{hard}: {headend_least}");
            assert!(
                headend_least >= hard - hard * 3 / 64 - 1,
                "{hard}: {headend_least}"
            );
            assert!(
                headend_most < hard && headend_most <= hard - hard / 32 + 1,
                "{hard}: {headend_most}"
            );
            // Not constant: most of the window is drawn from.
            assert!(client_most - client_least > hard / 20, "{hard}");
            assert!(headend_most - headend_least > hard / 80, "{hard}");
        }
    }
}
