//! Which AUTH we send, and how the peer's is judged where it is no EAP's (RFC 7296 §2.15, RFC 4754,
//! RFC 7427).

use alloc::{sync::Arc, vec::Vec};

use crate::{
    authn::{
        shared_key_mic, shared_key_mic_holds,
        signature::{
            decode_method14, encode_ecdsa, encode_method14, method1_scheme_to_send,
            scheme_for_peer, verify_ecdsa, verify_method1,
        },
    },
    config::AcceptedProofs,
    crypto::{Curve, Provider, SignatureScheme, SigningKey, suite::PrfAlgorithm},
    event::{Answer, PeerProof},
    proof::PeerAuthenticated,
    refusal::{AuthFault, PeerIncompatible, PeerMisbehaved, Refusal},
    sa::{state::WRONG_ANSWER, traits::PeerTraits},
    secret::PreSharedKey,
    wire::{
        payload::{AuthPayload, Certificate, Payload},
        registry::AuthMethod,
    },
};

/// The form of an AUTH payload that carries a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthForm {
    /// Method 1, which does not say its hash.
    RsaDigitalSignature(SignatureScheme),
    /// Methods 9, 10 and 11: one for each curve (RFC 4754).
    Ecdsa(Curve),
    /// Method 14, which names its scheme (RFC 7427).
    DigitalSignature(SignatureScheme),
}

impl AuthForm {
    /// What the peer can verify. Cisco's clients do not speak RFC 7427, whatever they announce
    /// (docs/anyconnect-eap.md): by RSA they expect the hash of the PRF. Other peers get what they announced,
    /// and SHA-1 with RSA if they announced nothing. `answers` is what the peer signed with just now.
    pub(crate) fn for_peer(
        traits: &PeerTraits,
        prf: PrfAlgorithm,
        key: SigningKey,
        answers: Option<SignatureScheme>,
    ) -> Result<Self, PeerIncompatible> {
        // RFC 7427 §3#2, §4#1: whoever has named hashes is answered by method 14 and one of them
        // (AnyConnect, which is captured so, names none).
        if traits.signature_hashes_sent && !traits.anyconnect {
            let announced = traits.signature_hashes.iter().map(|hash| hash.number());
            let answers_pss = answers.is_some_and(SignatureScheme::is_rsa_pss);
            return scheme_for_peer(key, announced, answers_pss)
                .map(Self::DigitalSignature)
                .ok_or(PeerIncompatible::NoSignatureScheme);
        }
        Ok(match key {
            SigningKey::Rsa => {
                Self::RsaDigitalSignature(method1_scheme_to_send(traits.anyconnect, prf))
            }
            SigningKey::Ecdsa(curve) => Self::Ecdsa(curve),
        })
    }

    pub(crate) const fn scheme(self) -> SignatureScheme {
        match self {
            Self::RsaDigitalSignature(scheme) | Self::DigitalSignature(scheme) => scheme,
            Self::Ecdsa(curve) => curve.scheme(),
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
        let auth = self.payload(signature)?;
        let certificates = chain
            .iter()
            // RFC 7296 §1.2#1, §3.6#2,4: each certificate of the chain in a CERT of its own, ours
            // first.
            .map(|der| Payload::Cert(Certificate::x509(der.to_vec())));
        Ok(certificates.chain([Payload::Auth(auth)]))
    }

    /// The AUTH payload around a signature.
    fn payload(self, signature: Vec<u8>) -> Result<AuthPayload, Refusal> {
        let (method, data) = match self {
            Self::RsaDigitalSignature(_) => (AuthMethod::RSA_DIGITAL_SIGNATURE, signature),
            Self::Ecdsa(curve) => {
                let data = encode_ecdsa(curve, &signature);
                let data = data.ok_or(Refusal::Local("the signature is not of the key's curve"))?;
                (ecdsa_method(curve), data)
            }
            Self::DigitalSignature(scheme) => (
                AuthMethod::DIGITAL_SIGNATURE,
                encode_method14(scheme, &signature),
            ),
        };
        Ok(AuthPayload { method, data })
    }
}

/// RFC 4754 §6.
const fn ecdsa_method(curve: Curve) -> AuthMethod {
    match curve {
        Curve::P256 => AuthMethod::ECDSA_256,
        Curve::P384 => AuthMethod::ECDSA_384,
        Curve::P521 => AuthMethod::ECDSA_521,
    }
}

/// The curve of an RFC 4754 method.
fn curve_of(method: AuthMethod) -> Option<Curve> {
    let mut curves = Curve::ALL.into_iter();
    curves.find(|curve| ecdsa_method(*curve) == method)
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
        let refused = PeerIncompatible::MethodNotConfigured(method);
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
            method => certificate(self.ecdsa_signature && curve_of(method).is_some()),
        }
    }

    /// Judges a signature under the public key of a verified certificate.
    ///
    /// # Errors
    ///
    /// [`PeerIncompatible::MethodNotConfigured`] for a key of a kind that is not taken,
    /// [`PeerMisbehaved::UnexpectedAuthMethod`] for a method that is no signature of ours to judge, or that of
    /// RFC 7427 from a peer that did not announce it, [`PeerMisbehaved::AuthenticationFailed`] if it does not
    /// hold.
    pub(crate) fn verify_signature(
        &self,
        provider: &dyn Provider,
        traits: &PeerTraits,
        auth: &AuthPayload,
        spki: &[u8],
        prf: PrfAlgorithm,
        octets: &[u8],
    ) -> Result<Verified, Refusal> {
        // RFC 7296 §1.2#2: a signature is judged under the key of the verified certificate.
        let verdict = match auth.method {
            AuthMethod::RSA_DIGITAL_SIGNATURE => {
                verify_method1(provider, prf, spki, octets, &auth.data)
            }
            // RFC 7427 §3: only where both ends have sent and received SIGNATURE_HASH_ALGORITHMS. We answer
            // it, and are not answered by who did not see it.
            AuthMethod::DIGITAL_SIGNATURE if traits.signature_hashes_sent => {
                decode_method14(&auth.data).and_then(|(scheme, signature)| {
                    provider
                        .verify(scheme, spki, octets, signature)
                        .map(|()| scheme)
                })
            }
            method => match curve_of(method) {
                Some(curve) => verify_ecdsa(provider, curve, spki, octets, &auth.data),
                None => return Err(PeerMisbehaved::UnexpectedAuthMethod.into()),
            },
        };
        let scheme = verdict.map_err(|error| PeerMisbehaved::AuthenticationFailed(error.into()))?;
        let (accepted, by) = if scheme.is_rsa() {
            (self.rsa_signature, PeerProof::RsaSignature)
        } else {
            (self.ecdsa_signature, PeerProof::EcdsaSignature)
        };
        if accepted {
            Ok(Verified {
                proof: PeerAuthenticated::assertion(),
                by,
                scheme: Some(scheme),
            })
        } else {
            Err(PeerIncompatible::MethodNotConfigured(auth.method).into())
        }
    }
}

/// The peer's AUTH holds.
pub(crate) struct Verified {
    pub(crate) proof: PeerAuthenticated,
    pub(crate) by: PeerProof,
    /// What it signed with, if it did.
    pub(crate) scheme: Option<SignatureScheme>,
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
) -> Result<Verified, PeerMisbehaved> {
    if shared_key_mic_holds(prf, key.as_bytes(), octets, &auth.data) {
        Ok(Verified {
            proof: PeerAuthenticated::assertion(),
            by: PeerProof::PreSharedKey,
            scheme: None,
        })
    } else {
        Err(PeerMisbehaved::AuthenticationFailed(AuthFault::OtherKey))
    }
}

#[cfg(all(test, feature = "aws-lc"))]
mod tests;
