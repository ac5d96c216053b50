//! Time of one key pair, one agreement, one RSA signature and one verification, in microseconds.
//!
//! `cargo bench -p ironflex-ikev2 --bench public_key`; for the other provider with
//! `--no-default-features --features ring`. The quickest of 400 rounds is shown, which
//! leaves out what else the machine was doing.

#![allow(
    clippy::ok_expect,
    clippy::print_stdout,
    reason = "a benchmark's result is what it prints"
)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a benchmark ends where an expectation fails"
)]
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

fn main() {
    #[cfg(any(feature = "aws-lc", feature = "ring"))]
    measure::run();
}

#[cfg(any(feature = "aws-lc", feature = "ring"))]
mod measure {
    use std::time::{Duration, Instant};

    use ironflex_ikev2::crypto::{Group, Rng, SignatureScheme, Signer, default_provider};

    const ROUNDS: usize = 400;

    pub(crate) fn run() {
        let provider = default_provider();
        println!("{}, release build: microseconds", provider.name());
        for group in Group::DIFFIE_HELLMAN {
            let mut rng = Seeded(1);
            let mut pair = || provider.key_exchange(group, &mut rng).expect("a key pair");
            let peer = pair().public().to_vec();
            let make = best(|| (), |()| drop(pair()));
            let agree = best(&mut pair, |pair| {
                drop(pair.agree(&peer).ok().expect("a secret"))
            });
            println!(
                "{:>12}  key pair {make:>8.1}  agree {agree:>8.1}",
                group.to_string()
            );
        }

        let vectors = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/signatures/");
        let file = |name: &str| std::fs::read(format!("{vectors}{name}")).expect("a vector");
        let signer = Signer::from_pkcs8(&file("rsa-2048.pk8"))
            .ok()
            .expect("an RSA key");
        let key = file("rsa-2048.spki");
        for scheme in [
            SignatureScheme::RsaPkcs1Sha1,
            SignatureScheme::RsaPkcs1Sha256,
        ] {
            let Ok(signature) = signer.sign(scheme, b"message") else {
                continue;
            };
            let sign = best(|| (), |()| drop(signer.sign(scheme, b"message")));
            let verify = best(
                || (),
                |()| {
                    provider
                        .verify(scheme, &key, b"message", &signature)
                        .expect("it holds")
                },
            );
            println!("{scheme:?} with 2048 bits  sign {sign:>8.1}  verify {verify:>8.1}");
        }
    }

    /// Microseconds of the quickest `work`; `prepare` is not counted.
    fn best<T>(mut prepare: impl FnMut() -> T, mut work: impl FnMut(T)) -> f64 {
        let round = |_| {
            let input = prepare();
            let start = Instant::now();
            work(input);
            start.elapsed()
        };
        let best: Duration = (0..ROUNDS).map(round).min().expect("there are rounds");
        best.as_secs_f64() * 1e6
    }

    struct Seeded(u64);

    impl Rng for Seeded {
        fn fill(&mut self, out: &mut [u8]) {
            for octet in out {
                self.0 = self
                    .0
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                *octet = self.0.to_be_bytes()[0];
            }
        }
    }
}
