//! The public-key operations of one login on the headend, which no implementation can do without.

use std::{fmt, time::Instant};

use ironflex::{
    pki::authority::{Authority, KeyAlgorithm, Validity},
    random::OsRandom,
};
use ironflex_ikev2::crypto::{Group, RsaSigner, SignatureScheme, default_provider};

/// Rounds of each operation.
const ROUNDS: usize = 300;

/// Microseconds of the fastest round of each operation, through the provider that the headend uses.
#[derive(Clone, Copy)]
pub(crate) struct Floor {
    sign: f64,
    key_pair: f64,
    agree: f64,
}

impl Floor {
    pub(crate) fn measure() -> Self {
        let provider = default_provider();
        let pair = || provider.key_exchange(Group::Modp2048, &mut OsRandom).unwrap();
        let peer = pair().public().to_vec();
        let signer = signer();
        let schemes = [SignatureScheme::RsaPkcs1Sha1, SignatureScheme::RsaPkcs1Sha256];
        let signatures = schemes
            .iter()
            // ring cannot sign with SHA-1.
            .filter(|&&scheme| signer.sign(scheme, b"message").is_ok())
            .map(|&scheme| fastest(|| (), |()| drop(signer.sign(scheme, b"message"))));
        Self {
            sign: signatures.fold(f64::INFINITY, f64::min),
            key_pair: fastest(|| (), |()| drop(pair())),
            agree: fastest(pair, |pair| drop(pair.agree(&peer).ok().unwrap())),
        }
    }

    /// The faster of each operation in two measurements.
    pub(crate) fn or_faster(self, other: Self) -> Self {
        Self {
            sign: self.sign.min(other.sign),
            key_pair: self.key_pair.min(other.key_pair),
            agree: self.agree.min(other.agree),
        }
    }

    pub(crate) fn sum(&self) -> f64 {
        self.sign + self.key_pair + self.agree
    }
}

impl fmt::Display for Floor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sign,
            key_pair,
            agree,
        } = self;
        let provider = default_provider().name();
        write!(
            f,
            "{provider}: RSA-2048 signature {sign:.0} us, group 14 key pair {key_pair:.0} us, agreement {agree:.0} us"
        )
    }
}

fn signer() -> RsaSigner {
    let validity = Validity::starting(ironflex::clock::wall_clock(), super::headend::VALIDITY);
    let authority = Authority::root("floor", KeyAlgorithm::EcdsaP256, validity).unwrap();
    let identity = authority.issue(&super::headend::server_certificate(validity)).unwrap();
    RsaSigner::from_pkcs8(identity.key().pkcs8_der()).unwrap()
}

/// Microseconds of the fastest `work`; `prepare` is not counted.
fn fastest<T>(mut prepare: impl FnMut() -> T, mut work: impl FnMut(T)) -> f64 {
    let round = |_| {
        let input = prepare();
        let start = Instant::now();
        work(input);
        start.elapsed()
    };
    (0..ROUNDS).map(round).min().unwrap().as_secs_f64() * 1e6
}
