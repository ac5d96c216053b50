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
    let spec = |spi: u32, keys: &ProtectionKeys, replay_window| {
        Ok::<_, xfrm::Error>(xfrm::SaSpec {
            spi: xfrm::EspSpi::new(spi).ok_or(xfrm::Error::Misuse("a reserved SPI"))?,
            keys: sa_keys(keys)?,
            esn: child.suite.esn,
            replay_window,
            soft: wishes.soft,
            hard: wishes.hard,
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

/// When an SA of this lifetime is to be rekeyed: a sixteenth before its end, and a random part of as
/// much again, so that both ends rarely begin together (RFC 7296 §2.8.1).
#[must_use]
pub fn soft_limits(hard: xfrm::Limits) -> xfrm::Limits {
    let [random] = crate::random::octets::<1>();
    let before = |limit: NonZeroU64| {
        let part = limit.get().checked_div(16).unwrap_or_default().max(1);
        let more = part.saturating_mul(u64::from(random)).checked_div(256);
        let margin = part.saturating_add(more.unwrap_or_default());
        NonZeroU64::new(limit.get().saturating_sub(margin))
    };
    xfrm::Limits {
        bytes: hard.bytes.and_then(before),
        packets: hard.packets.and_then(before),
        seconds: hard.seconds.and_then(before),
    }
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
