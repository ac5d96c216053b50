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
mod wear;

pub use engine::Userspace;
pub use receive::{NonEsp, Sink};
pub use tun::Tun;

#[cfg(test)]
mod tests_support {
    //! SAs for the tests of every module.

    use crate::{
        AesKeySize, EspAlgorithm, EspSpi, Integrity, Limits, ReplayWindow, SaKeys, SaSpec,
    };

    pub(super) const GCM_256: EspAlgorithm = EspAlgorithm::AesGcm16(AesKeySize::Aes256);

    pub(super) const ALGORITHMS: [EspAlgorithm; 7] = [
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
    pub(super) fn sa(spi: u32, algorithm: EspAlgorithm) -> SaSpec {
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
}
