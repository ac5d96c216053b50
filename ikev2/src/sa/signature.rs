//! Which signature we send, and how the peer's is judged (RFC 7296 §2.15, RFC 7427).

use alloc::{sync::Arc, vec::Vec};

use crate::{
    authn::signature::{
        decode_method14, encode_method14, method1_scheme_to_send, rsa_scheme_for_peer,
        verify_method1,
    },
    crypto::{Provider, SignatureScheme, suite::PrfAlgorithm},
    event::Answer,
    proof::PeerAuthenticated,
    refusal::{PeerIncompatible, PeerMisbehaved, Refusal},
    sa::{state::WRONG_ANSWER, traits::PeerTraits},
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

/// Judges the peer's AUTH under the public key of its verified certificate.
///
/// # Errors
///
/// [`PeerMisbehaved::UnexpectedAuthMethod`] for a method that is no signature of ours to judge,
/// [`PeerMisbehaved::AuthenticationFailed`] otherwise.
pub(crate) fn verify(
    provider: &dyn Provider,
    auth: &AuthPayload,
    spki: &[u8],
    prf: PrfAlgorithm,
    octets: &[u8],
) -> Result<PeerAuthenticated, PeerMisbehaved> {
    let verdict = match auth.method {
        AuthMethod::RSA_DIGITAL_SIGNATURE => {
            verify_method1(provider, prf, spki, octets, &auth.data).map(|_| ())
        }
        AuthMethod::DIGITAL_SIGNATURE => decode_method14(&auth.data)
            .and_then(|(scheme, signature)| provider.verify(scheme, spki, octets, signature)),
        _ => return Err(PeerMisbehaved::UnexpectedAuthMethod),
    };
    verdict
        .map(|()| PeerAuthenticated::assertion())
        .map_err(|_| PeerMisbehaved::AuthenticationFailed)
}
