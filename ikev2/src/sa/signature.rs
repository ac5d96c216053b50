//! Which AUTH we send, and how the peer's is judged where it is no EAP's (RFC 7296 §2.15, RFC 7427).

use alloc::{sync::Arc, vec::Vec};

use crate::{
    authn::{
        shared_key_mic, shared_key_mic_holds,
        signature::{
            decode_method14, encode_method14, method1_scheme_to_send, rsa_scheme_for_peer,
            verify_method1,
        },
    },
    config::AcceptedProofs,
    crypto::{Provider, SignatureScheme, suite::PrfAlgorithm},
    event::{Answer, PeerProof},
    proof::PeerAuthenticated,
    refusal::{PeerIncompatible, PeerMisbehaved, Refusal},
    sa::{state::WRONG_ANSWER, traits::PeerTraits},
    secret::PreSharedKey,
    wire::{
        payload::{AuthPayload, Certificate, Payload},
        registry::AuthMethod,
    },
};

/// The form of an AUTH payload that carries an RSA signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthForm {
    /// Method 1, which does not say its hash.
    RsaDigitalSignature(SignatureScheme),
    /// Method 14, which names its scheme (RFC 7427).
    DigitalSignature(SignatureScheme),
}

impl AuthForm {
    /// What the peer can verify: Cisco's clients the hash of the PRF, whatever else they announce;
    /// RFC 7427's the strongest hash they named; all others SHA-1 (docs/anyconnect-eap.md).
    pub(crate) fn for_peer(
        traits: &PeerTraits,
        prf: PrfAlgorithm,
    ) -> Result<Self, PeerIncompatible> {
        // RFC 7427 §3#2, §4#1: whoever has named hashes is answered by method 14 and one of them
        // (AnyConnect, which is captured so, names none).
        if traits.signature_hashes_sent && !traits.anyconnect {
            let announced = traits.signature_hashes.iter().map(|hash| hash.number());
            return rsa_scheme_for_peer(announced)
                .map(Self::DigitalSignature)
                .ok_or(PeerIncompatible::NoSignatureScheme);
        }
        let scheme = method1_scheme_to_send(traits.anyconnect, prf);
        Ok(Self::RsaDigitalSignature(scheme))
    }

    pub(crate) const fn scheme(self) -> SignatureScheme {
        match self {
            Self::RsaDigitalSignature(scheme) | Self::DigitalSignature(scheme) => scheme,
        }
    }

    /// Our proof around the outside's answer to [`Ask::Sign`](crate::event::Ask::Sign): a CERT for each
    /// certificate of the chain, the end entity first, and AUTH.
    ///
    /// # Errors
    ///
    /// [`Refusal::Denied`] if the outside would not sign, [`Refusal::Local`] for an answer of another kind.
    pub(crate) fn proof(
        self,
        chain: &[Arc<[u8]>],
        answer: Answer,
    ) -> Result<impl Iterator<Item = Payload>, Refusal> {
        let signature = match answer {
            Answer::Signature(signature) => signature,
            Answer::Refused(why) => return Err(Refusal::Denied(why)),
            _ => return Err(WRONG_ANSWER),
        };
        let certificates = chain
            .iter()
            // RFC 7296 §1.2#1, §3.6#2,4: each certificate of the chain in a CERT of its own, ours
            // first.
            .map(|der| Payload::Cert(Certificate::x509(der.to_vec())));
        Ok(certificates.chain([Payload::Auth(self.payload(signature))]))
    }

    /// The AUTH payload around a signature.
    fn payload(self, signature: Vec<u8>) -> AuthPayload {
        match self {
            Self::RsaDigitalSignature(_) => AuthPayload {
                method: AuthMethod::RSA_DIGITAL_SIGNATURE,
                data: signature,
            },
            Self::DigitalSignature(scheme) => AuthPayload {
                method: AuthMethod::DIGITAL_SIGNATURE,
                data: encode_method14(scheme, &signature),
            },
        }
    }
}

/// Our AUTH payload under a pre-shared key (RFC 7296 §2.15).
pub(crate) fn shared_key_auth(key: &PreSharedKey, prf: PrfAlgorithm, octets: &[u8]) -> AuthPayload {
    AuthPayload {
        method: AuthMethod::SHARED_KEY_MIC,
        data: shared_key_mic(prf, key.as_bytes(), octets)
            .as_bytes()
            .to_vec(),
    }
}

/// What an AUTH payload is judged by.
pub(crate) enum Basis {
    /// The key that both ends have.
    SharedKey(PreSharedKey),
    /// The certificates beside it.
    Certificate,
}

impl AcceptedProofs {
    /// What decides about an AUTH payload of this method.
    ///
    /// # Errors
    ///
    /// [`PeerIncompatible::MethodNotConfigured`] if nothing does.
    pub(crate) fn basis(&self, method: AuthMethod) -> Result<Basis, PeerIncompatible> {
        let refused = PeerIncompatible::MethodNotConfigured;
        let certificate = |accepted: bool| accepted.then_some(Basis::Certificate).ok_or(refused);
        match method {
            AuthMethod::SHARED_KEY_MIC => {
                let key = self.pre_shared_key.clone();
                key.map(Basis::SharedKey).ok_or(refused)
            }
            AuthMethod::RSA_DIGITAL_SIGNATURE => certificate(self.rsa_signature),
            AuthMethod::DIGITAL_SIGNATURE => {
                certificate(self.rsa_signature || self.ecdsa_signature)
            }
            _ => Err(refused),
        }
    }

    /// Judges a signature under the public key of a verified certificate.
    ///
    /// # Errors
    ///
    /// [`PeerIncompatible::MethodNotConfigured`] for a key of a kind that is not taken,
    /// [`PeerMisbehaved::UnexpectedAuthMethod`] for a method that is no signature of ours to judge,
    /// [`PeerMisbehaved::AuthenticationFailed`] if it does not hold.
    pub(crate) fn verify_signature(
        &self,
        provider: &dyn Provider,
        auth: &AuthPayload,
        spki: &[u8],
        prf: PrfAlgorithm,
        octets: &[u8],
    ) -> Result<(PeerAuthenticated, PeerProof), Refusal> {
        // RFC 7296 §1.2#2: a signature is judged under the key of the verified certificate.
        let verdict = match auth.method {
            AuthMethod::RSA_DIGITAL_SIGNATURE => {
                verify_method1(provider, prf, spki, octets, &auth.data)
            }
            AuthMethod::DIGITAL_SIGNATURE => {
                decode_method14(&auth.data).and_then(|(scheme, signature)| {
                    provider
                        .verify(scheme, spki, octets, signature)
                        .map(|()| scheme)
                })
            }
            _ => return Err(PeerMisbehaved::UnexpectedAuthMethod.into()),
        };
        let scheme = verdict.map_err(|_| PeerMisbehaved::AuthenticationFailed)?;
        let (accepted, proof) = if scheme.is_rsa() {
            (self.rsa_signature, PeerProof::RsaSignature)
        } else {
            (self.ecdsa_signature, PeerProof::EcdsaSignature)
        };
        if accepted {
            Ok((PeerAuthenticated::assertion(), proof))
        } else {
            Err(PeerIncompatible::MethodNotConfigured.into())
        }
    }
}

/// Judges the peer's AUTH under a pre-shared key, in constant time.
///
/// # Errors
///
/// [`PeerMisbehaved::AuthenticationFailed`] if it was not made with the key.
pub(crate) fn verify_shared_key(
    key: &PreSharedKey,
    auth: &AuthPayload,
    prf: PrfAlgorithm,
    octets: &[u8],
) -> Result<(PeerAuthenticated, PeerProof), PeerMisbehaved> {
    if shared_key_mic_holds(prf, key.as_bytes(), octets, &auth.data) {
        Ok((PeerAuthenticated::assertion(), PeerProof::PreSharedKey))
    } else {
        Err(PeerMisbehaved::AuthenticationFailed)
    }
}
