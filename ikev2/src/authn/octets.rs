//! The octets that AUTH covers, and the shared-key message integrity code over them.

use alloc::vec::Vec;

use subtle::ConstantTimeEq;

use crate::crypto::prf::prf;
use crate::crypto::suite::PrfAlgorithm;
use crate::secret::SecretBytes;

/// InitiatorSignedOctets or ResponderSignedOctets: RealMessage ∣ Nonce ∣ prf(SK_p, ID').
///
/// | argument | initiator's AUTH | responder's AUTH |
/// | --- | --- | --- |
/// | `real_message` | the last IKE_SA_INIT request | the IKE_SA_INIT response |
/// | `nonce` | Nr, without payload header | Ni, without payload header |
/// | `proof_key` | SK_pi | SK_pr |
/// | `id_body` | IDi without its generic header | IDr without its generic header |
///
/// `real_message` runs from the first octet of the header on, without a non-ESP marker, exactly as it
/// travelled. `id_body` is type, three reserved octets as they came, and identification data.
pub fn signed_octets(
    real_message: &[u8],
    nonce: &[u8],
    algorithm: PrfAlgorithm,
    proof_key: &SecretBytes,
    id_body: &[u8],
) -> Vec<u8> {
    // RFC 7296 §2.15: the peer's nonce, but one's own message and identity.
    let maced_id = prf(algorithm, proof_key.as_bytes(), &[id_body]);
    [real_message, nonce, maced_id.as_bytes()].concat()
}

/// The shared-key message integrity code: prf(prf(shared, "Key Pad for IKEv2"), octets);
/// [`PrfAlgorithm::key_len`] octets.
///
/// `shared` is the pre-shared key, an EAP method's MSK, or, for a method that yields no key, SK_pi in
/// the initiator's and SK_pr in the responder's AUTH (RFC 7296 §2.16). AnyConnect-EAP is of the last
/// kind (docs/anyconnect-eap.md).
pub fn shared_key_mic(algorithm: PrfAlgorithm, shared: &[u8], octets: &[u8]) -> SecretBytes {
    // RFC 7296 §2.15: the pad is 17 ASCII characters without a terminator.
    let padded = prf(algorithm, shared, &[b"Key Pad for IKEv2"]);
    prf(algorithm, padded.as_bytes(), &[octets])
}

/// Whether `mic` is [`shared_key_mic`], judged in constant time. Any other length is wrong.
pub fn shared_key_mic_holds(
    algorithm: PrfAlgorithm,
    shared: &[u8],
    octets: &[u8],
    mic: &[u8],
) -> bool {
    shared_key_mic(algorithm, shared, octets)
        .as_bytes()
        .ct_eq(mic)
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7296 §2.15, composed by hand from prf, which has vectors of its own. The capture tests judge
    // the same against values that another implementation made.
    #[test]
    fn signed_octets_end_in_the_maced_identity() {
        let key = SecretBytes::copied_from(&[7; 32]);
        let octets = signed_octets(
            b"message",
            b"nonce",
            PrfAlgorithm::HmacSha2_256,
            &key,
            b"id",
        );
        let maced = prf(PrfAlgorithm::HmacSha2_256, &[7; 32], &[b"id"]);
        assert_eq!(octets, [b"messagenonce", maced.as_bytes()].concat());
    }

    #[test]
    fn a_mic_holds_only_for_its_key_its_octets_and_its_length() {
        for algorithm in PrfAlgorithm::ALL {
            let mic = shared_key_mic(algorithm, b"secret", b"octets");
            let holds = |shared: &[u8], octets: &[u8], mic: &[u8]| {
                shared_key_mic_holds(algorithm, shared, octets, mic)
            };
            let whole = mic.as_bytes();
            assert_eq!(whole.len(), algorithm.key_len());
            assert!(holds(b"secret", b"octets", whole));
            assert!(!holds(b"Secret", b"octets", whole));
            assert!(!holds(b"secret", b"octet", whole));
            assert!(!holds(b"secret", b"octets", &whole[..whole.len() - 1]));
            assert!(!holds(b"secret", b"octets", &[]));
            assert!(!holds(b"secret", b"octets", &[whole, &[0]].concat()));
            for at in 0..whole.len() * 8 {
                let mut flipped = whole.to_vec();
                flipped[at / 8] ^= 1 << (at % 8);
                assert!(!holds(b"secret", b"octets", &flipped));
            }
        }
    }
}
