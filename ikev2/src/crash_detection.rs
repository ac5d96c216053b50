//! Quick crash detection (RFC 6290): the tokens by which an end that has lost its IKE SAs shows that it has.
//!
//! Whoever makes a token hands it out inside each IKE SA, and can make it anew from the SPIs alone. Asked under SPIs
//! that it does not know any more, it says the token in clear, and the other end forgets that SA at once instead of
//! waiting for signs of life. So nobody else may ever learn the token of an IKE SA that is up: it is said in clear only
//! where none of the two SPIs is in use (`Endpoint::unknown_spi`).

use alloc::{sync::Arc, vec::Vec};
use core::{mem, ops::RangeInclusive};

use subtle::{Choice, ConstantTimeEq};

use crate::{
    crypto::{keys::Role, prf::prf, suite::PrfAlgorithm},
    secret::SecretBytes,
    wire::{
        payload::{Notify, Payload},
        registry::{NotifyType, ProtocolId},
    },
};

/// Octets of a token that we make: as many as RFC 6290 §5 wants at least, so that the answer with the token in clear is
/// hardly longer than the shortest request that draws it.
pub(crate) const TOKEN_LEN: usize = 16;

/// Octets of a token that is taken.
// RFC 6290 §5#1: at least 16, and 128 at most.
const TAKEN: RangeInclusive<usize> = 16..=128;

/// Tokens of one message that are compared.
// RFC 6290 §4.5#1: four at least.
const COMPARED: usize = 4;

/// QCD_SECRET (RFC 6290 §5.1): 32 random octets, the same after every restart. Whoever has them can end every IKE SA that
/// a token was made for. Copies share the octets, which are wiped with the last of them.
#[derive(Clone)]
pub struct QcdSecret(Arc<SecretBytes>);

impl QcdSecret {
    /// Its length in octets.
    pub const LEN: usize = 32;

    /// Takes a secret over; `None` if it has not its length.
    pub fn new(secret: SecretBytes) -> Option<Self> {
        (secret.len() == Self::LEN).then(|| Self(Arc::new(secret)))
    }

    /// The token of an IKE SA in which its maker has this role.
    ///
    /// The hash of §5.1 is an HMAC here, and takes the role in: who turns the initiator flag of a message round is given
    /// the token of no SA that there could be.
    // RFC 6290 §1.1#1, §5#4: the same input and secret give the same token.
    // RFC 6290 §5#2-3,5, §9.1#1-3: an HMAC under a secret of 32 octets looks random, cannot be guessed from other tokens, and
    // does not collide.
    fn token(&self, maker: Role, spi_i: u64, spi_r: u64) -> Vec<u8> {
        let role = match maker {
            Role::Initiator => b"I",
            Role::Responder => b"R",
        };
        let (spi_i, spi_r) = (spi_i.to_be_bytes(), spi_r.to_be_bytes());
        let mut token = prf(
            PrfAlgorithm::HmacSha2_256,
            self.0.as_bytes(),
            &[role, &spi_i, &spi_r],
        );
        token.truncate(TOKEN_LEN);
        token.as_bytes().to_vec()
    }
}

/// What an endpoint does about crashes, its own and its peers'.
// RFC 6290 §8.1#4: whoever configures the endpoint chooses both.
#[derive(Clone)]
pub struct CrashDetection {
    /// Make tokens from this secret. It must be the same after a restart, and no other endpoint that peers could reach under
    /// the same address may have it while both are up (RFC 6290 §9.2). Default `None`: make none.
    pub secret: Option<QcdSecret>,
    /// Believe peers' tokens; on by default.
    pub taker: bool,
}

impl Default for CrashDetection {
    fn default() -> Self {
        Self {
            secret: None,
            taker: true,
        }
    }
}

impl CrashDetection {
    /// The notify with our token of an IKE SA, if we make tokens.
    pub(crate) fn notify(&self, maker: Role, spi_i: u64, spi_r: u64) -> Option<Notify> {
        let data = self.secret.as_ref()?.token(maker, spi_i, spi_r);
        Some(Notify {
            // RFC 6290 §4.1#1-3: it is about an IKE SA, which no SPI names, and has its number.
            protocol: ProtocolId::IKE,
            spi: Vec::new(),
            kind: NotifyType::QUICK_CRASH_DETECTION,
            data,
        })
    }

    /// The peer's token out of an authentic message, if there is one and tokens are taken. It does not stay in the message.
    // RFC 6290 §4.2#1: a message without one says nothing.
    pub(crate) fn take(&self, payloads: &mut [Payload]) -> Option<Token> {
        if !self.taker {
            return None;
        }
        payloads.iter_mut().find_map(|payload| match payload {
            Payload::Notify(said) if is_token(said) && TAKEN.contains(&said.data.len()) => {
                Some(Token(SecretBytes::new(mem::take(&mut said.data))))
            }
            _ => None,
        })
    }
}

fn is_token(said: &Notify) -> bool {
    said.kind == NotifyType::QUICK_CRASH_DETECTION && said.spi.is_empty()
}

/// Whether there is a token in this message.
pub(crate) fn has_token(payloads: &[Payload]) -> bool {
    payloads
        .iter()
        .any(|payload| matches!(payload, Payload::Notify(said) if is_token(said)))
}

/// A peer's token. It has no `Debug`, and is wiped when dropped.
// RFC 6290 §9.1#4: nobody reads it out of here; it is only compared.
pub(crate) struct Token(SecretBytes);

impl Token {
    /// Whether it is among the tokens that a message in clear brings, judged in constant time.
    pub(crate) fn is_among(&self, payloads: &[Payload]) -> bool {
        let tokens = payloads.iter().filter_map(|payload| match payload {
            Payload::Notify(said) if is_token(said) => Some(said.data.as_slice()),
            _ => None,
        });
        let found = tokens.take(COMPARED).fold(Choice::from(0), |found, data| {
            found | self.0.as_bytes().ct_eq(data)
        });
        found.into()
    }

    /// A second copy, wiped on its own.
    pub(crate) fn duplicate(&self) -> Self {
        Self(self.0.duplicate())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn maker(octet: u8) -> CrashDetection {
        let secret = SecretBytes::copied_from(&[octet; QcdSecret::LEN]);
        CrashDetection {
            secret: QcdSecret::new(secret),
            taker: true,
        }
    }

    fn notify(octet: u8, role: Role, spi_i: u64, spi_r: u64) -> Notify {
        maker(octet).notify(role, spi_i, spi_r).unwrap()
    }

    fn with(data: &[u8]) -> Payload {
        let said = Notify::new(NotifyType::QUICK_CRASH_DETECTION, data.to_vec());
        Payload::Notify(said)
    }

    // RFC 6290 §4.1#1-3: protocol 1, no SPI, message type 16419.
    #[test]
    fn the_notify_has_its_form() {
        use crate::wire::codec::Wire;
        let mut out = Vec::new();
        notify(1, Role::Responder, 2, 3).write(&mut out);
        assert_eq!(out[..4], [1, 0, 0x40, 0x23]);
        assert_eq!(out.len(), 4 + TOKEN_LEN);
    }

    // RFC 6290 §1.1#1, §5#1-5, §9.1#1-3: a token is made again from secret and SPIs alone; any other input makes another
    // one, which has nothing in common with it.
    #[test]
    fn a_token_is_made_again_and_differs_from_every_other() {
        let token = |octet, role, i, r| notify(octet, role, i, r).data.clone();
        let one = token(1, Role::Responder, 2, 3);
        assert_eq!(one, token(1, Role::Responder, 2, 3));
        assert!(TAKEN.contains(&one.len()));
        let mut all = BTreeSet::from([one.clone()]);
        for spi in 0..1_000 {
            all.insert(token(1, Role::Responder, 1 << 32 | spi, 7));
            all.insert(token(1, Role::Responder, 7, 1 << 32 | spi));
            all.insert(token(1, Role::Initiator, 1 << 32 | spi, 7));
        }
        all.insert(token(2, Role::Responder, 2, 3));
        all.insert(token(1, Role::Initiator, 2, 3));
        assert_eq!(all.len(), 3_003);
        // Half of the bits, more or less, are set in each place.
        for at in 0..TOKEN_LEN * 8 {
            let set = all.iter().filter(|one| one[at / 8] >> (at % 8) & 1 == 1);
            let set = set.count();
            assert!((1_300..1_700).contains(&set), "bit {at}: {set}");
        }
    }

    #[test]
    fn a_secret_has_32_octets() {
        for length in [0, 16, 31, 33, 64] {
            assert!(QcdSecret::new(SecretBytes::zeroed(length)).is_none());
        }
        assert!(QcdSecret::new(SecretBytes::zeroed(32)).is_some());
    }

    // RFC 6290 §5#1: what is no token by its length is not taken for one.
    #[test]
    fn tokens_of_16_to_128_octets_are_taken_out_of_the_message() {
        for (length, taken) in [
            (0, false),
            (15, false),
            (16, true),
            (128, true),
            (129, false),
        ] {
            let mut payloads = [with(&[7; 200][..length])];
            let token = maker(1).take(&mut payloads);
            assert_eq!(token.is_some(), taken, "{length}");
            assert!(!token.is_some_and(|token| token.is_among(&payloads)));
        }
        let off = CrashDetection {
            taker: false,
            ..maker(1)
        };
        assert!(off.take(&mut [with(&[7; 16])]).is_none());
    }

    // RFC 6290 §4.5#1: four tokens in a message are read, and one that fits is enough.
    #[test]
    fn one_of_four_is_enough() {
        let token = maker(1).take(&mut [with(&[7; 16])]).unwrap();
        for at in 0..4 {
            let mut payloads = [1, 2, 3, 4].map(|octet| with(&[octet; 16]));
            assert!(!token.is_among(&payloads));
            payloads[at] = with(&[7; 16]);
            assert!(token.is_among(&payloads), "{at}");
        }
        for other in [&[][..], &[7; 15], &[7; 17], &[7; 32]] {
            assert!(!token.is_among(&[with(other)]));
        }
        assert!(!token.is_among(&[]));
    }

    // RFC 6290 §9.1#4: a message that holds one shows its length alone.
    #[test]
    fn debug_shows_no_octet_of_a_token() {
        let shown = std::format!("{:?}", with(&[0xab; 16]));
        assert!(!shown.contains("171"), "{shown}");
        assert!(shown.contains("16 octets"), "{shown}");
    }
}
