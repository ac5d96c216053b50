//! Post-quantum pre-shared keys (RFC 8784): mixed into SK_d, SK_pi and SK_pr of the initial exchanges.

use alloc::vec::Vec;

use crate::{
    config::Ppk,
    counters::{PostQuantumKeys, more},
    crypto::keys::DerivationKey,
    refusal::PeerIncompatible,
    sa::init::Handshake,
    secret::{PreSharedKey, SecretBytes},
    wire::{
        payload::{AuthPayload, Notify, Payload},
        registry::NotifyType,
    },
};

/// RFC 8784 §5.1: the first octet of a PPK_ID whose rest is a fixed string.
const PPK_ID_FIXED: u8 = 2;

/// What the request with the initiator's AUTH says of a PPK.
#[derive(Default)]
pub(crate) struct Claim {
    identity: Option<Vec<u8>>,
    without: Option<Vec<u8>>,
}

/// What the responder makes of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The keys are as without one.
    None,
    /// The key that is configured for the peer is mixed in.
    Use,
    /// The peer can do without: this is the data of its AUTH then.
    Without(Vec<u8>),
}

impl Claim {
    pub(crate) fn read(payloads: &[Payload]) -> Self {
        let mut claim = Self::default();
        for payload in payloads {
            let Payload::Notify(said) = payload else {
                continue;
            };
            match said.kind {
                NotifyType::PPK_IDENTITY => claim.identity = Some(said.data.clone()),
                NotifyType::NO_PPK_AUTH => claim.without = Some(said.data.clone()),
                _ => {}
            }
        }
        claim
    }

    /// Whether it names a key that is not the one for this peer.
    pub(crate) fn is_foreign(&self, own: Option<&Ppk>) -> bool {
        let named = self.identity.as_ref();
        named.is_some_and(|named| own.is_none_or(|own| own.identity() != *named))
    }

    /// RFC 8784 §3, table 1. `agreed` says whether both ends have sent USE_PPK.
    ///
    /// # Errors
    ///
    /// [`PeerIncompatible::NoPpk`].
    pub(crate) fn decide(
        self,
        agreed: bool,
        own: Option<&Ppk>,
    ) -> Result<Decision, PeerIncompatible> {
        let refused = Err(PeerIncompatible::NoPpk);
        let required = own.is_some_and(|own| own.required);
        if !agreed {
            return if required {
                refused
            } else {
                Ok(Decision::None)
            };
        }
        // RFC 8784 §3#6: with USE_PPK from both ends the initiator must name one.
        let Some(identity) = self.identity else {
            return refused;
        };
        if own.is_some_and(|own| own.identity() == identity) {
            return Ok(Decision::Use);
        }
        // RFC 8784 §3#7: an unknown name is fatal where it must be or nothing else was brought.
        match self.without {
            Some(data) if !required => Ok(Decision::Without(data)),
            _ => refused,
        }
    }
}

impl PostQuantumKeys {
    /// A peer has proven itself, with our key for it mixed in or not.
    pub(crate) const fn proven(&mut self, own: Option<&Ppk>, used: bool) {
        if used {
            more(&mut self.used);
        } else if own.is_some() {
            more(&mut self.unused);
        }
    }

    /// A peer's proof did not hold, with our key for it mixed in or not.
    pub(crate) fn failed(&mut self, own: Option<&Ppk>, used: bool) {
        if used {
            more(&mut self.unproven);
            if own.is_some_and(|own| own.required) {
                more(&mut self.unproven_required);
            }
        }
    }

    /// A peer is refused that does not use our key for it.
    pub(crate) fn refused(&mut self, own: Option<&Ppk>) {
        if own.is_some_and(|own| own.required) {
            more(&mut self.required);
        }
    }
}

impl Ppk {
    /// The PPK_ID.
    fn identity(&self) -> Vec<u8> {
        [&[PPK_ID_FIXED], self.id.as_slice()].concat()
    }
}

/// The initiator's name of its key, and its AUTH data for a responder that does not have it.
pub(crate) fn claim(ppk: &Ppk, without: Option<Vec<u8>>) -> impl Iterator<Item = Payload> {
    let identity = Notify::new(NotifyType::PPK_IDENTITY, ppk.identity());
    let without = without.map(|data| Notify::new(NotifyType::NO_PPK_AUTH, data));
    [identity].into_iter().chain(without).map(Payload::Notify)
}

/// The responder says that it has mixed the key in (RFC 8784 §3: without data).
pub(crate) fn used() -> Payload {
    Payload::Notify(Notify::plain(NotifyType::PPK_IDENTITY))
}

/// Whether the responder says so.
pub(crate) fn is_used(payloads: &[Payload]) -> bool {
    crate::sa::init::find(payloads, NotifyType::PPK_IDENTITY).is_some()
}

/// The AUTH data among our payloads.
pub(crate) fn auth_data(payloads: impl IntoIterator<Item = Payload>) -> Option<Vec<u8>> {
    payloads.into_iter().find_map(|payload| match payload {
        Payload::Auth(AuthPayload { data, .. }) => Some(data),
        _ => None,
    })
}

/// SK_d, SK_pi and SK_pr as they were before a PPK was mixed in.
pub(crate) struct Unmixed {
    derivation: DerivationKey,
    local_proof: SecretBytes,
    remote_proof: SecretBytes,
}

impl Handshake {
    /// Mixes a PPK in.
    pub(crate) fn mix(&mut self, ppk: &PreSharedKey) -> Unmixed {
        // RFC 8784 §3: SK_d = prf+ (PPK, SK_d'), and SK_pi and SK_pr alike.
        let derivation = self.derivation.mixed(ppk);
        let algorithm = derivation.algorithm();
        let mix = |key: &SecretBytes| crate::crypto::keys::mixed(algorithm, ppk, key);
        let (local_proof, remote_proof) = (mix(&self.local_proof), mix(&self.remote_proof));
        Unmixed {
            derivation: core::mem::replace(&mut self.derivation, derivation),
            local_proof: core::mem::replace(&mut self.local_proof, local_proof),
            remote_proof: core::mem::replace(&mut self.remote_proof, remote_proof),
        }
    }

    /// The responder does without.
    pub(crate) fn unmix(&mut self, before: Unmixed) {
        self.derivation = before.derivation;
        self.local_proof = before.local_proof;
        self.remote_proof = before.remote_proof;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(required: bool) -> Ppk {
        Ppk {
            id: b"ours".to_vec(),
            key: PreSharedKey::new(SecretBytes::copied_from(b"key")).unwrap(),
            required,
        }
    }

    fn claim_of(identity: Option<&[u8]>, without: bool) -> Claim {
        Claim {
            identity: identity.map(<[u8]>::to_vec),
            without: without.then(|| b"auth".to_vec()),
        }
    }

    // RFC 8784 §3#6-7: as its table 1 has it, whether USE_PPK came, NO_PPK_AUTH came, the PPK is configured and is required.
    #[test]
    fn the_responder_decides_as_the_table_says() {
        let ours: Option<&[u8]> = Some(b"\x02ours");
        let other: Option<&[u8]> = Some(b"\x02other");
        let refused = || Err(PeerIncompatible::NoPpk);
        let without = || Ok(Decision::Without(b"auth".to_vec()));
        for no_ppk_auth in [false, true] {
            let claim = |identity| claim_of(identity, no_ppk_auth);
            assert_eq!(claim(None).decide(false, None), Ok(Decision::None));
            assert_eq!(
                claim(None).decide(false, Some(&own(false))),
                Ok(Decision::None)
            );
            assert_eq!(claim(None).decide(false, Some(&own(true))), refused());
            for required in [false, true] {
                let own = own(required);
                assert_eq!(claim(ours).decide(true, Some(&own)), Ok(Decision::Use));
                let expected = if no_ppk_auth && !required {
                    without()
                } else {
                    refused()
                };
                assert_eq!(claim(other).decide(true, Some(&own)), expected);
                assert_eq!(claim(None).decide(true, Some(&own)), refused());
            }
            let expected = if no_ppk_auth { without() } else { refused() };
            assert_eq!(claim(ours).decide(true, None), expected);
        }
    }

    // RFC 8784 §5.1: an opaque identity is another one, whatever follows its type.
    #[test]
    fn an_identity_of_another_type_is_another_identity() {
        for identity in [&b"ours"[..], b"\x01ours", b"\x02our", b"\x02ours!", b""] {
            let claim = claim_of(Some(identity), false);
            assert!(claim.decide(true, Some(&own(false))).is_err());
        }
    }
}
