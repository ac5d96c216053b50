//! Why a peer that a profile serves did not prove itself, in the words of the configuration: the core knows only that its
//! AUTH does not verify, or is by another method than is taken.

use ironflex_ikev2::{
    event::{CloseReason, SaId},
    refusal::{PeerIncompatible, PeerMisbehaved, Refusal},
};
use ironflex_profiles::snapshot::KeySource;

use super::{
    compile::{Caller, LocalCredentials, NoKey, ServingProfile},
    session::Session,
    work::House,
};
use crate::state::attempts::Failure;

/// The pre-shared key that a peer must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DueKey {
    /// That of the profile's own line.
    Line,
    /// That of a peer of a keyring.
    Keyring {
        /// The keyring.
        keyring: String,
        /// The peer's name there.
        peer: String,
    },
    /// The keyring has none.
    Missing {
        /// The keyring.
        keyring: String,
    },
}

impl DueKey {
    /// The one of a caller; `None` if the profile takes no keys.
    #[must_use]
    pub fn of(serving: &ServingProfile, caller: Caller<'_>) -> Option<Self> {
        Some(match serving.profile.remote.pre_share.as_ref()? {
            KeySource::Line(_) => Self::Line,
            KeySource::Keyring(keyring) => {
                let found = keyring.peer_for(caller.from, caller.claimed);
                let found = found.filter(|(_, peer)| peer.keys.remote().is_some());
                let keyring = keyring.name.to_string();
                match found {
                    Some((name, _)) => Self::Keyring {
                        keyring,
                        peer: name.to_string(),
                    },
                    None => Self::Missing { keyring },
                }
            }
        })
    }

    /// What a peer with another key is told of by its proof.
    fn differs(&self) -> Option<String> {
        Some(match self {
            Self::Line => "the client's pre-shared key is another than that of the profile's line 'authentication remote pre-share': compare both keys".to_owned(),
            Self::Keyring { keyring, peer } => format!(
                "the client's pre-shared key is another than that of peer {peer} in 'crypto ikev2 keyring {keyring}': compare both keys"
            ),
            Self::Missing { .. } => return None,
        })
    }
}

fn no_key_in(keyring: &str) -> String {
    format!(
        "'crypto ikev2 keyring {keyring}' has no key for the client: add a peer with its identity or address there, or correct the client's identity"
    )
}

/// Why we cannot prove ourselves towards a peer ([`NoKey`]).
pub(super) fn without_key(serving: &ServingProfile) -> String {
    match &serving.credentials {
        LocalCredentials::PreShare(KeySource::Keyring(keyring)) => no_key_in(keyring.name.as_str()),
        _ => NoKey.to_string(),
    }
}

/// What is taken of a client, as the lines of the profile say it.
fn taken(serving: &ServingProfile) -> String {
    let remote = &serving.profile.remote;
    let all = [
        ("anyconnect-eap", remote.anyconnect_eap.is_some()),
        ("rsa-sig", remote.rsa_sig),
        ("ecdsa-sig", remote.ecdsa_sig),
        ("pre-share", remote.pre_share.is_some()),
    ];
    let taken = all.into_iter().filter(|(_, taken)| *taken);
    let names: Vec<&str> = taken.map(|(name, _)| name).collect();
    names.join(", ")
}

/// Why this session's peer is not authenticated, if that is what ended it.
fn why(session: &Session, reason: &CloseReason) -> Option<String> {
    let CloseReason::Refused(refusal) = reason else {
        return None;
    };
    let serving = session.profile.as_ref().filter(|_| session.who.is_none())?;
    let by_certificate = session.certified.as_ref();
    match refusal {
        Refusal::Misbehaved(PeerMisbehaved::AuthenticationFailed) => match by_certificate {
            Some(certified) => Some(format!(
                "the client's signature was not made with the key of its certificate ({})",
                certified.subject
            )),
            // EAP was content, and what follows it is made with no key of ours.
            None if session.tried.is_some() => Some(
                "the client's AUTH after its login was not made with the keys of this IKE SA"
                    .to_owned(),
            ),
            None => session.due_key.as_ref()?.differs(),
        },
        Refusal::Incompatible(PeerIncompatible::MethodNotConfigured) => {
            Some(match (&session.due_key, by_certificate) {
                (Some(DueKey::Missing { keyring }), None) => no_key_in(keyring),
                _ => format!(
                    "the client proves itself by another method than 'authentication remote' takes: {}",
                    taken(serving)
                ),
            })
        }
        _ => None,
    }
}

impl House {
    /// A session ends: if it is for want of a proof, that is said, and noted with its attempt.
    pub(super) fn tell_unproven(&mut self, sa: SaId, reason: &CloseReason) {
        let session = self.sessions.view(sa);
        let Some(why) = session.and_then(|session| why(session, reason)) else {
            return;
        };
        self.log.refused(session, &why);
        self.attempts.fail(sa, Failure::Other { why });
    }
}
