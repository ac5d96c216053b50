//! Why a peer that a profile serves did not prove itself, in the words of the configuration: the core knows what is wrong with
//! its AUTH, and not which lines it was judged by.

use std::time::Duration;

use ironflex_eap::anyconnect::config_auth::DocumentKind;
use ironflex_ikev2::{
    event::{CloseReason, Instant, SaId},
    refusal::{AuthFault, PeerIncompatible, PeerMisbehaved, Refusal},
    wire::registry::{AuthMethod, NotifyType},
};
use ironflex_profiles::snapshot::KeySource;

use super::{
    compile::{Caller, LocalCredentials, NoKey, ServingProfile},
    session::Session,
    work::House,
};
use crate::{pki::describe, state::attempts::Failure};

/// Within what time a peer that is up has judged the certificate that came last.
const AT_ONCE: Duration = Duration::from_secs(10);

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
    match &*serving.credentials {
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
    match refusal {
        Refusal::Misbehaved(PeerMisbehaved::AuthenticationFailed(fault)) => {
            wrong_proof(session, serving, *fault)
        }
        Refusal::Incompatible(PeerIncompatible::MethodNotConfigured(method)) => {
            Some(match &session.due_key {
                // Nothing but the key is missing.
                Some(DueKey::Missing { keyring }) if *method == AuthMethod::SHARED_KEY_MIC => {
                    no_key_in(keyring)
                }
                _ => format!(
                    "the client proves itself by another method than 'authentication remote' takes: {}",
                    taken(serving)
                ),
            })
        }
        _ => None,
    }
}

/// What is wrong with an AUTH that was judged.
fn wrong_proof(session: &Session, serving: &ServingProfile, fault: AuthFault) -> Option<String> {
    let after_login = session.device.is_some();
    let certificate = session.certified.as_ref();
    let subject = certificate.map(|one| format!(" ({})", one.subject));
    let subject = subject.unwrap_or_default();
    // What it is made with, where it is not what was agreed.
    let other_key = || match certificate {
        Some(_) => Some(format!(
            "the client's signature was not made with the key of its certificate{subject}"
        )),
        None => session.due_key.as_ref()?.differs(),
    };
    Some(match fault {
        // EAP was content, and what follows it is made with no key of ours.
        AuthFault::OtherKey if after_login => {
            "the client's AUTH after its login was not made with the keys of this IKE SA".to_owned()
        }
        AuthFault::OtherKey => other_key()?,
        AuthFault::OtherKeyOrPpk => {
            let keyring = serving.profile.ppk.as_ref()?;
            let ppk = format!(
                "the client's post-quantum pre-shared key is another than the one of its name in 'crypto ikev2 keyring {}': \
                 compare both keys",
                keyring.name
            );
            // It is mixed into what every other key is applied to.
            match other_key().filter(|_| !after_login) {
                Some(other) => format!("{ppk}; or {other}"),
                None => ppk,
            }
        }
        AuthFault::UnknownAlgorithm => format!(
            "the client signs by an algorithm that the headend does not know{subject}: it takes RSA and ECDSA with SHA2-256, \
             SHA2-384 or SHA2-512"
        ),
        AuthFault::HashNotAnnounced(hash) => format!(
            "the client signs with {hash}, which the headend does not take{subject}: it announces SHA2-256, SHA2-384 and \
             SHA2-512"
        ),
        AuthFault::UnfitKey => format!(
            "the client's signature is by an algorithm that the key of its certificate{subject} is not of, or is of a size \
             that is not taken"
        ),
        // What is to come is told as the core tells it.
        fault => format!("the client's {fault}{subject}"),
    })
}

/// Why this session's peer probably gave up, if it did so when it had seen our certificate and before anything else: it does not
/// say what it dislikes.
fn distrust(session: &Session, reason: &CloseReason, now: Instant) -> Option<String> {
    let CloseReason::Refused(Refusal::ByPeer(kind)) = reason else {
        return None;
    };
    let chain = session.profile.as_ref()?.credentials.chain();
    let certificate = describe(chain.first()?).ok()?;
    // With EAP it is shown first, and else at the very end.
    let fresh = match (&session.eap, session.up_since) {
        (Some(eap), _) => eap.asked() == DocumentKind::Hello,
        (None, Some(up)) => session.device.is_none() && now.since(up) < AT_ONCE,
        (None, None) => false,
    };
    (fresh && *kind == NotifyType::AUTHENTICATION_FAILED).then(|| {
        let authorities = chain.len().saturating_sub(1);
        format!(
            "the client gave up at once when it had seen our certificate, which it probably does not trust: subject {}, issuer {}, \
             sent with {authorities} certificates of authorities: compare the authorities that the client trusts with that issuer, \
             and the name that it calls with the names of the certificate [{kind}]",
            certificate.subject, certificate.issuer
        )
    })
}

impl House {
    /// A session ends: if it is for want of a proof, the peer's or ours, that is said, and noted with its attempt.
    pub(super) fn tell_unproven(&mut self, now: Instant, sa: SaId, reason: &CloseReason) {
        let session = self.sessions.view(sa);
        if let Some(why) = session.and_then(|session| distrust(session, reason, now)) {
            self.log.refused(session, &why);
            if let Some(session) = self.sessions.of(sa) {
                session.told_distrust = true;
            }
            return self.attempts.fail(sa, Failure::Other { why });
        }
        let Some(why) = session.and_then(|session| why(session, reason)) else {
            return;
        };
        self.log.refused(session, &why);
        if let Some(session) = self.sessions.of(sa) {
            session.told_unproven = true;
        }
        self.attempts.fail(sa, Failure::Other { why });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ironflex_eap::anyconnect::config_auth::DeviceInfo;
    use ironflex_ikev2::crypto::suite::Hash;
    use ironflex_profiles::{PeerIdentity, parse, resolve_live};

    use super::{
        super::compile::{Before, compile_live},
        *,
    };
    use crate::{
        daemon::{identity::Certified, session::Sessions},
        pki::{Store, authenticate_pem},
    };

    const LINES: &str = "aaa new-model\n\
        aaa authorization network L local\n\
        ip local pool P 192.0.2.1 192.0.2.9\n\
        crypto ikev2 authorization policy A\n pool P\n\
        crypto ikev2 keyring K\n peer X\n  identity fqdn x.example\n  pre-shared-key k\n  \
        ppk manual id one key q\n\
        crypto ikev2 profile R\n match identity remote any\n authentication local pre-share key k\n \
        authentication remote pre-share\n authentication remote rsa-sig\n keyring local K\n keyring ppk K\n \
        pki trustpoint T verify\n \
        aaa authorization group psk list L A\n aaa authorization group cert list L A\n virtual-template 1\n\
        crypto pki trustpoint T\n\
        interface Loopback1\n ip address 10.0.0.1 255.255.255.255\n\
        interface Virtual-Template1 type tunnel\n ip unnumbered Loopback1\n tunnel mode ipsec ipv4\n \
        tunnel protection ipsec profile default\n";

    /// The profile above.
    fn serving() -> Arc<ServingProfile> {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let authority = include_bytes!("../../tests/data/pki/sub.pem");
        authenticate_pem(&store, "T", authority).unwrap();
        let parsed = parse(LINES, "test");
        assert_eq!(parsed.diagnostics, []);
        let snapshot = Arc::new(resolve_live(&parsed.candidate).snapshot);
        let compiled = compile_live(snapshot, &store, |_| Before::Another);
        assert!(compiled.faults.is_empty(), "{}", compiled.faults[0]);
        Arc::clone(compiled.plan.profiles.values().next().unwrap())
    }

    /// What is said of a session that `as_it_was` sets up, called by this name.
    fn told(
        name: &str,
        refusal: impl Into<Refusal>,
        as_it_was: impl FnOnce(&mut Session),
    ) -> Option<String> {
        let mut sessions = Sessions::default();
        let session = sessions.open(SaId::from_spi(1));
        let serving = serving();
        let caller = Caller {
            from: "192.0.2.7".parse().unwrap(),
            claimed: PeerIdentity::Fqdn(name),
        };
        session.due_key = DueKey::of(&serving, caller);
        session.profile = Some(serving);
        as_it_was(session);
        why(session, &CloseReason::Refused(refusal.into()))
    }

    fn nothing(_: &mut Session) {}

    fn with_certificate(session: &mut Session) {
        session.certified = Some(Certified {
            subject: Arc::from("cn=one"),
            key: Arc::from(b"one".as_slice()),
        });
    }

    // By a certificate: no password was tried.
    fn logged_in(session: &mut Session) {
        session.device = Some(DeviceInfo::default());
    }

    const X: &str = "x.example";

    #[test]
    fn each_fault_of_an_auth_has_its_own_sentence() {
        let failed = PeerMisbehaved::AuthenticationFailed;
        let key = "the client's pre-shared key is another than that of peer X in 'crypto ikev2 keyring K'";
        let signature =
            "the client's signature was not made with the key of its certificate (cn=one)";
        let login = "the client's AUTH after its login was not made with the keys of this IKE SA";
        let ppk = "the client's post-quantum pre-shared key is another than the one of its name in 'crypto ikev2 keyring K'";
        let check = |fault, session: fn(&mut Session), said: &[&str], unsaid: &str| {
            let text = told(X, failed(fault), session).unwrap();
            for part in said {
                assert!(text.contains(part), "{fault:?}: {text}");
            }
            assert!(!text.contains(unsaid), "{fault:?}: {text}");
        };
        check(AuthFault::OtherKey, nothing, &[key], ppk);
        check(AuthFault::OtherKey, with_certificate, &[signature], key);
        check(AuthFault::OtherKey, logged_in, &[login], key);
        check(AuthFault::OtherKeyOrPpk, nothing, &[ppk, key], login);
        let both = [ppk, signature];
        check(AuthFault::OtherKeyOrPpk, with_certificate, &both, key);
        check(AuthFault::OtherKeyOrPpk, logged_in, &[ppk], key);
        for (fault, said) in [
            (
                AuthFault::HashNotAnnounced(Hash::Sha1),
                "signs with SHA-1, which the headend does not take (cn=one)",
            ),
            (
                AuthFault::UnknownAlgorithm,
                "an algorithm that the headend does not know (cn=one)",
            ),
            (
                AuthFault::UnfitKey,
                "the key of its certificate (cn=one) is not of",
            ),
        ] {
            check(fault, with_certificate, &[said], signature);
        }
        let malformed = told(X, failed(AuthFault::Malformed), with_certificate);
        let expected = "the client's AUTH holds no signature of its method (cn=one)";
        assert_eq!(malformed.as_deref(), Some(expected));
    }

    #[test]
    fn a_key_is_missed_where_one_was_to_be_had_alone() {
        let method = PeerIncompatible::MethodNotConfigured;
        let by_key = told("y.example", method(AuthMethod::SHARED_KEY_MIC), nothing);
        let missing = "'crypto ikev2 keyring K' has no key for the client";
        assert!(by_key.unwrap().starts_with(missing));
        // No peer of a keyring helps who signs.
        for other in [AuthMethod::ECDSA_256, AuthMethod::DIGITAL_SIGNATURE] {
            let text = told("y.example", method(other), nothing);
            let taken = "the client proves itself by another method than 'authentication remote' takes: rsa-sig, pre-share";
            assert_eq!(text.as_deref(), Some(taken));
        }
    }

    #[test]
    fn nothing_is_said_of_who_has_proven_itself_or_ends_otherwise() {
        let failed = || PeerMisbehaved::AuthenticationFailed(AuthFault::OtherKey);
        assert!(told(X, failed(), nothing).is_some());
        let proven = |session: &mut Session| {
            session.who = Some(Arc::new(super::super::session::Who::of_user("x", None)));
        };
        assert_eq!(told(X, failed(), proven), None);
        let unknown = |session: &mut Session| session.profile = None;
        assert_eq!(told(X, failed(), unknown), None);
        assert_eq!(told(X, PeerIncompatible::NoPpk, nothing), None);
    }
}
