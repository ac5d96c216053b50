//! The public-key operations of one login on the headend, which no implementation can do without.

use std::{fmt, time::Instant};

use ironflex::{
    clock::wall_clock,
    pki::authority::{Authority, KeyAlgorithm, Validity},
    random::OsRandom,
};
use ironflex_ikev2::crypto::{Group, KeyExchange, SignatureScheme, Signer, default_provider};

use super::headend::{VALIDITY, server_certificate};

/// Rounds of each operation in one [`Floor::sample`].
const ROUNDS: usize = 100;

/// Times of the operations in microseconds, through the provider that the headend uses.
pub(crate) struct Floor {
    signer: Signer,
    scheme: SignatureScheme,
    peer: Vec<u8>,
    sign: Vec<f64>,
    key_pair: Vec<f64>,
    agree: Vec<f64>,
}

impl Floor {
    pub(crate) fn new() -> Self {
        let validity = Validity::starting(wall_clock(), VALIDITY);
        let authority = Authority::root("floor", KeyAlgorithm::EcdsaP256, validity).unwrap();
        let identity = authority.issue(&server_certificate(validity)).unwrap();
        let signer = Signer::from_pkcs8(identity.key().pkcs8_der()).unwrap();
        // What a client that announces no hashes is answered with; ring cannot sign with SHA-1.
        let sha1 = SignatureScheme::RsaPkcs1Sha1;
        let scheme = match signer.sign(sha1, b"message") {
            Ok(_) => sha1,
            Err(_) => SignatureScheme::RsaPkcs1Sha256,
        };
        Self {
            signer,
            scheme,
            peer: pair().public().to_vec(),
            sign: Vec::new(),
            key_pair: Vec::new(),
            agree: Vec::new(),
        }
    }

    /// Measures some rounds more.
    pub(crate) fn sample(&mut self) {
        for _ in 0..ROUNDS {
            self.sign.push(time(|| {
                drop(self.signer.sign(self.scheme, b"message").unwrap())
            }));
            self.key_pair.push(time(|| drop(pair())));
            let ours = pair();
            self.agree
                .push(time(|| drop(ours.agree(&self.peer).ok().unwrap())));
        }
        for times in [&mut self.sign, &mut self.key_pair, &mut self.agree] {
            times.sort_by(f64::total_cmp);
        }
    }

    /// The sum of the fastest of each.
    pub(crate) fn fastest(&self) -> f64 {
        self.sign[0] + self.key_pair[0] + self.agree[0]
    }

    /// The fastest key exchange alone.
    pub(crate) fn key_exchange(&self) -> f64 {
        self.key_pair[0] + self.agree[0]
    }

    /// The sum of the medians: what the same operations cost while the machine was as busy as for the logins.
    pub(crate) fn median(&self) -> f64 {
        [&self.sign, &self.key_pair, &self.agree]
            .map(|times| times[times.len() / 2])
            .iter()
            .sum()
    }
}

impl fmt::Display for Floor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: RSA-2048 signature {:.0}, group 14 key pair {:.0}, agreement {:.0} us at the fastest, {:.0} in sum; {:.0} in the median",
            default_provider().name(),
            self.sign[0],
            self.key_pair[0],
            self.agree[0],
            self.fastest(),
            self.median(),
        )
    }
}

fn pair() -> Box<dyn KeyExchange> {
    default_provider()
        .key_exchange(Group::Modp2048, &mut OsRandom)
        .unwrap()
}

/// Microseconds that `work` takes.
fn time(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64() * 1e6
}
