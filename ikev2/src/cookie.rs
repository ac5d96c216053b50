//! Stateless cookies (RFC 7296 §2.6).
//!
//! A cookie is one octet that numbers the secret, then a prf over who asks. It costs one HMAC and
//! no memory, and is demanded before any Diffie-Hellman work once the watermark is reached.

use alloc::vec::Vec;
use core::{net::IpAddr, time::Duration};

use subtle::ConstantTimeEq;

use crate::{
    crypto::{Rng, prf::prf, suite::PrfAlgorithm},
    event::Instant,
    secret::SecretBytes,
    wire::header::InitiatorSpi,
};

/// A secret is used this long to make cookies, and as long again to check them.
const SECRET_LIFETIME: Duration = Duration::from_secs(60);

/// Length of a secret in octets.
const SECRET_LEN: usize = 32;

/// The secrets that cookies are made with.
pub(crate) struct CookieJar {
    current: Secret,
    previous: Option<Secret>,
}

struct Secret {
    number: u8,
    since: Instant,
    key: SecretBytes,
}

impl Secret {
    fn fresh(number: u8, now: Instant, rng: &mut dyn Rng) -> Self {
        let mut key = [0; SECRET_LEN];
        rng.fill(&mut key);
        Self {
            number,
            since: now,
            key: SecretBytes::copied_from(&key),
        }
    }

    fn cookie(&self, address: IpAddr, spi: InitiatorSpi, nonce: &[u8]) -> Vec<u8> {
        let address = match address.to_canonical() {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        // RFC 7296 §2.6#3: it has 33 octets.
        // §2.6 lists what a cookie should depend on: Ni, the address and SPIi, under a
        // secret; the number of the secret stands in front so that it can be changed.
        let mac = prf(
            PrfAlgorithm::HmacSha2_256,
            self.key.as_bytes(),
            &[nonce, &address, &spi.get().to_be_bytes()],
        );
        let mut cookie = Vec::with_capacity(33);
        cookie.push(self.number);
        cookie.extend_from_slice(mac.as_bytes());
        cookie
    }
}

impl CookieJar {
    pub(crate) fn new(now: Instant, rng: &mut dyn Rng) -> Self {
        Self {
            current: Secret::fresh(0, now, rng),
            previous: None,
        }
    }

    /// The cookie to demand from whoever sent this IKE_SA_INIT.
    pub(crate) fn demand(
        &mut self,
        now: Instant,
        rng: &mut dyn Rng,
        address: IpAddr,
        spi: InitiatorSpi,
        nonce: &[u8],
    ) -> Vec<u8> {
        if now.since(self.current.since) >= SECRET_LIFETIME {
            let number = self.current.number.wrapping_add(1);
            let fresh = Secret::fresh(number, now, rng);
            self.previous = Some(core::mem::replace(&mut self.current, fresh));
        }
        self.current.cookie(address, spi, nonce)
    }

    /// Whether `cookie` is one that we demanded from this peer under a secret still in use.
    pub(crate) fn accepts(
        &self,
        now: Instant,
        cookie: &[u8],
        address: IpAddr,
        spi: InitiatorSpi,
        nonce: &[u8],
    ) -> bool {
        [Some(&self.current), self.previous.as_ref()]
            .into_iter()
            .flatten()
            .filter(|secret| now.since(secret.since) < SECRET_LIFETIME.saturating_mul(2))
            .any(|secret| bool::from(secret.cookie(address, spi, nonce).as_slice().ct_eq(cookie)))
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use super::*;

    struct Counting(u8);

    impl Rng for Counting {
        fn fill(&mut self, out: &mut [u8]) {
            for octet in out {
                self.0 = self.0.wrapping_add(1);
                *octet = self.0;
            }
        }
    }

    const ALICE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 100));
    const MALLORY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 101));

    fn at(seconds: u64) -> Instant {
        Instant::new(Duration::from_secs(seconds))
    }

    // RFC 7296 §2.6: a cookie proves that the initiator receives at its address, and for this request.
    #[test]
    fn accepts_a_cookie_from_its_address_spi_and_nonce_alone() {
        let mut rng = Counting(0);
        let mut jar = CookieJar::new(at(0), &mut rng);
        let spi = InitiatorSpi::new(7).unwrap();
        let other = InitiatorSpi::new(8).unwrap();
        let cookie = jar.demand(at(1), &mut rng, ALICE, spi, b"nonce");
        assert!(cookie.len() <= 64);
        assert!(jar.accepts(at(2), &cookie, ALICE, spi, b"nonce"));
        assert!(!jar.accepts(at(2), &cookie, MALLORY, spi, b"nonce"));
        assert!(!jar.accepts(at(2), &cookie, ALICE, other, b"nonce"));
        assert!(!jar.accepts(at(2), &cookie, ALICE, spi, b"other"));
        assert!(!jar.accepts(at(2), &[], ALICE, spi, b"nonce"));
    }

    #[test]
    fn accepts_a_cookie_across_one_change_of_the_secret_and_not_two() {
        let mut rng = Counting(0);
        let mut jar = CookieJar::new(at(0), &mut rng);
        let spi = InitiatorSpi::new(7).unwrap();
        let cookie = jar.demand(at(59), &mut rng, ALICE, spi, b"nonce");
        assert_ne!(cookie, jar.demand(at(61), &mut rng, ALICE, spi, b"nonce"));
        assert!(jar.accepts(at(100), &cookie, ALICE, spi, b"nonce"));
        assert!(!jar.accepts(at(121), &cookie, ALICE, spi, b"nonce"));
    }
}
