//! ESP in userspace (RFC 4303) inside UDP (RFC 3948), on a TUN device.
//!
//! ```text
//!  UDP sockets on port 4500                                                  TUN device
//!        │                                                                       │
//!        ├─ receive thread ─ encap ─ table(SPI) ─ open ─ selectors ─ coalesce ──▶│
//!        │      └─ IKE messages to the sink                                      │
//!        │◀── send ── seal ── table(inner destination) ── segment ── transmit thread
//! ```
//!
//! It knows no IKE: [`Userspace`] is a [`crate::Dataplane`] that is told SAs, and hands on whatever arrives on its
//! sockets and is not ESP. A client uses the same engine with one session. Addresses and routes of the TUN device
//! are others' business.
//!
//! Only UDP encapsulation is offered; whoever negotiates has to force NAT detection. The outer UDP checksum is
//! sent, though RFC 3948 §2.1 would rather have it zero over IPv4: the socket is IKE's too, and the
//! kernel's segmentation needs it.

mod cipher;
mod encap;
mod engine;
mod event;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod offload;
mod open;
mod packet;
mod receive;
mod replay;
mod seal;
mod socket;
mod table;
mod transmit;
mod tun;
#[cfg(test)]
mod vector_tests;
mod wear;

pub use engine::Userspace;
pub use receive::{NonEsp, Sink};
pub use tun::Tun;

#[cfg(any(test, fuzzing))]
pub(crate) mod tests_support {
    //! SAs for the tests of every module.
    #![allow(
        clippy::arithmetic_side_effects,
        clippy::panic,
        clippy::unwrap_used,
        reason = "tests end where an expectation fails"
    )]
    #![cfg_attr(fuzzing, allow(dead_code, reason = "a fuzz target uses a part"))]

    use crate::{
        AesKeySize, Encapsulation, EspAlgorithm, EspSpi, Integrity, IpPrefix, Limits, OuterPath,
        ReplayWindow, SaKeys, SaPair, SaSpec, Selectors, SessionId,
    };

    pub(crate) const GCM_256: EspAlgorithm = EspAlgorithm::AesGcm16(AesKeySize::Aes256);

    pub(crate) const ALGORITHMS: [EspAlgorithm; 7] = [
        GCM_256,
        EspAlgorithm::AesGcm16(AesKeySize::Aes128),
        cbc(AesKeySize::Aes256, Integrity::HmacSha256_128),
        cbc(AesKeySize::Aes128, Integrity::HmacSha1_96),
        cbc(AesKeySize::Aes192, Integrity::HmacSha384_192),
        cbc(AesKeySize::Aes256, Integrity::HmacSha512_256),
        cbc(AesKeySize::Aes128, Integrity::HmacSha256_128),
    ];

    const fn cbc(key_size: AesKeySize, integrity: Integrity) -> EspAlgorithm {
        EspAlgorithm::AesCbcHmac {
            key_size,
            integrity,
        }
    }

    /// An SA without limits; its keys follow from its SPI.
    pub(crate) fn sa(spi: u32, algorithm: EspAlgorithm) -> SaSpec {
        let octets = |count: usize, seed: u8| -> Vec<u8> {
            (0..count)
                .map(|n| seed.wrapping_add((n as u8).wrapping_mul(29)))
                .collect()
        };
        let seed = spi as u8;
        let keys = SaKeys::new(
            algorithm,
            &octets(algorithm.encryption_octets(), seed),
            &octets(algorithm.integrity_octets(), !seed),
        );
        SaSpec {
            spi: EspSpi::new(spi).unwrap(),
            keys: keys.unwrap(),
            esn: false,
            replay_window: ReplayWindow::DEFAULT,
            soft: Limits::NONE,
            hard: Limits::NONE,
        }
    }

    pub(crate) fn session(number: u32) -> SessionId {
        SessionId::new(number).unwrap()
    }

    /// A headend's session number `number` with a client that has 10.9.0.`number`; outbound its SPI is one higher.
    pub(crate) fn pair(number: u32, spi: u32, algorithm: EspAlgorithm) -> SaPair {
        SaPair {
            id: session(number),
            path: OuterPath {
                local: [192, 0, 2, 1].into(),
                remote: [192, 0, 2, 100].into(),
                encapsulation: Encapsulation::Udp {
                    local_port: 4500,
                    remote_port: 40_000,
                },
            },
            selectors: Selectors {
                local: vec![IpPrefix::ANY_V4],
                remote: vec![IpPrefix::host([10, 9, 0, number as u8].into())],
            },
            inbound: sa(spi, algorithm),
            outbound: sa(spi + 1, algorithm),
            follow_peer: true,
            if_id: None,
        }
    }

    /// The same session as its client sees it, at 192.0.2.100.
    pub(crate) fn mirrored(pair: &SaPair) -> SaPair {
        let Encapsulation::Udp {
            local_port,
            remote_port,
        } = pair.path.encapsulation
        else {
            panic!("tests use UDP");
        };
        SaPair {
            id: pair.id,
            path: OuterPath {
                local: pair.path.remote,
                remote: pair.path.local,
                encapsulation: Encapsulation::Udp {
                    local_port: remote_port,
                    remote_port: local_port,
                },
            },
            selectors: Selectors {
                local: pair.selectors.remote.clone(),
                remote: pair.selectors.local.clone(),
            },
            inbound: pair.outbound.clone(),
            outbound: pair.inbound.clone(),
            follow_peer: false,
            if_id: None,
        }
    }
}
