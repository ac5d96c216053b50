//! What the end of an SA means to the user.

use ironflex_ikev2::{
    event::CloseReason,
    refusal::{PeerIncompatible, PeerMisbehaved, Refusal},
    wire::registry::NotifyType,
};

use super::{
    End,
    notify::{About, refusal, sentence},
};
use crate::daemon::identity;

/// How far a connection came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The headend has not proven itself.
    Before,
    /// It has not, and we have: both proofs are in the first IKE_AUTH exchange.
    Proving,
    /// It has; the login is under way.
    Trusted,
    /// The tunnel was up.
    Up,
    /// The user had enough of it, and waits for nothing but its end.
    Leaving,
}

/// Who is who, in words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names<'a> {
    /// The identity that we show, with its type.
    pub(super) own: &'a str,
    /// That of the headend that is wanted, if the user named one.
    pub(super) wanted: Option<&'a str>,
    /// Those of the certificate that the headend has shown.
    pub(super) certified: Option<&'a str>,
}

/// What the end of the SA means to the user.
pub(super) fn why(reason: CloseReason, blame: Option<End>, stage: Stage, names: Names<'_>) -> End {
    // The user's own wish is nobody's fault.
    if stage == Stage::Leaving {
        return End::Disconnected;
    }
    if let Some(end) = blame {
        return end;
    }
    match reason {
        CloseReason::Deleted | CloseReason::Forgotten => End::Disconnected,
        CloseReason::Redirected(gateway) => {
            End::NoTunnel(format!("the headend sends us to {gateway}"))
        }
        CloseReason::Expired => End::Lost("the headend did not rekey in time".into()),
        CloseReason::PeerDeleted if stage == Stage::Up => {
            End::Lost("the headend ended the session".into())
        }
        CloseReason::PeerDeleted => {
            End::NoTunnel("the headend ended the session before it was up".into())
        }
        CloseReason::Unanswered | CloseReason::TimedOut if stage == Stage::Up => {
            End::Lost("the headend does not answer any more".into())
        }
        CloseReason::PeerCrashed if stage == Stage::Up => End::Lost(
            "the headend does not know the session any more; it may have been started anew".into(),
        ),
        CloseReason::PeerCrashed => {
            End::Unreachable("the headend does not know the login any more that was under way".into())
        }
        CloseReason::Unanswered | CloseReason::TimedOut => End::Unreachable(
            match stage {
                Stage::Before | Stage::Proving => {
                    "no answer from the headend: nothing came back from its UDP ports 500 and 4500"
                }
                _ => "no answer from the headend: it fell silent during the login",
            }
            .into(),
        ),
        // Whoever is refused now was served before.
        CloseReason::Refused(why) if stage == Stage::Up => End::Lost(refusal(&why, About::IkeSa)),
        CloseReason::Refused(Refusal::ByPeer(kind)) => match kind {
            // RFC 7296 §2.21.2: before its own proof that can only be about who we are.
            NotifyType::AUTHENTICATION_FAILED if stage == Stage::Before => {
                End::NoProfile(no_profile(names.own))
            }
            // Which of the two it is, it does not tell strangers.
            NotifyType::AUTHENTICATION_FAILED if stage == Stage::Proving => {
                End::LoginRefused(format!(
                    "the headend does not know the identity {}, or not by this proof; its log says more [{kind}]",
                    names.own
                ))
            }
            NotifyType::AUTHENTICATION_FAILED => End::LoginRefused(sentence(kind, About::IkeSa)),
            other => End::NoTunnel(sentence(other, About::IkeSa)),
        },
        CloseReason::Refused(Refusal::OtherResponder(responder)) => {
            End::Untrusted(other_responder(&identity::words(&responder), names))
        }
        CloseReason::Refused(Refusal::Incompatible(PeerIncompatible::NotChildless)) => {
            End::NoTunnel(
                "the headend does not offer to begin without the tunnel's SA, as --childless wants it, or not to clients of \
                 this kind [CHILDLESS_IKEV2_SUPPORTED]"
                    .into(),
            )
        }
        CloseReason::Refused(Refusal::Misbehaved(
            error @ (PeerMisbehaved::AuthenticationFailed(_) | PeerMisbehaved::ResponderUnproven),
        )) => End::Untrusted(error.to_string()),
        CloseReason::Refused(Refusal::Incompatible(
            error @ PeerIncompatible::MethodNotConfigured(_),
        )) => End::Untrusted(error.to_string()),
        CloseReason::Refused(refusal) => End::NoTunnel(refusal.to_string()),
    }
}

/// What to check when the headend refuses us by our identity alone.
fn no_profile(identity: &str) -> String {
    format!(
        "it refused the identity {identity} before any login; compare it with 'match identity remote' in the IKEv2 profile \
         there, and set it here by --identity or --profile; the headend's log says more [AUTHENTICATION_FAILED]"
    )
}

/// The headend is not whom `--remote-id` names: what it calls itself, and what it may be called.
fn other_responder(itself: &str, names: Names<'_>) -> String {
    let wanted = names
        .wanted
        .map(|wanted| format!(", and not {wanted}, as --remote-id says"))
        .unwrap_or_default();
    let certified = names
        .certified
        .map(|certified| format!("; its certificate names {certified}"))
        .unwrap_or_default();
    format!("it calls itself {itself}{wanted}{certified}")
}

#[cfg(test)]
mod tests {
    use ironflex_ikev2::{refusal::AuthFault, wire::payload::Identification};

    use super::*;

    const SOMEBODY: Names<'_> = Names {
        own: r#"key-id "*$AnyConnectClient$*""#,
        wanted: Some("fqdn vpn.example"),
        certified: Some("cn=gw; DNS:gw.example"),
    };

    #[test]
    fn names_the_cause_of_an_end() {
        let code = |reason, blame, stage| why(reason, blame, stage, SOMEBODY).code();
        let refused = CloseReason::Refused;
        let failed = || refused(Refusal::ByPeer(NotifyType::AUTHENTICATION_FAILED));
        assert_eq!(code(failed(), None, Stage::Trusted), 4);
        assert_eq!(code(failed(), None, Stage::Proving), 4);
        assert_eq!(code(failed(), None, Stage::Up), 6);
        let none = refused(Refusal::ByPeer(NotifyType::NO_PROPOSAL_CHOSEN));
        assert_eq!(code(none.clone(), None, Stage::Before), 5);
        assert_eq!(code(none, None, Stage::Up), 6);
        let other = Identification::fqdn("other.example");
        let other = refused(Refusal::OtherResponder(other.into()));
        assert_eq!(code(other, None, Stage::Proving), 3);
        assert_eq!(code(CloseReason::Unanswered, None, Stage::Before), 8);
        assert_eq!(code(CloseReason::Unanswered, None, Stage::Up), 6);
        assert_eq!(code(CloseReason::PeerCrashed, None, Stage::Up), 6);
        assert_eq!(code(CloseReason::PeerDeleted, None, Stage::Trusted), 5);
        assert_eq!(code(CloseReason::PeerDeleted, None, Stage::Up), 6);
        assert_eq!(code(CloseReason::Deleted, None, Stage::Up), 0);
        let forged = refused(PeerMisbehaved::AuthenticationFailed(AuthFault::OtherKey).into());
        assert_eq!(code(forged.clone(), None, Stage::Before), 3);
        assert_eq!(code(forged, None, Stage::Up), 6);
        let blamed = Some(End::Untrusted("expired".into()));
        let closed = refused(Refusal::Denied("expired".into()));
        assert_eq!(code(closed, blamed, Stage::Before), 3);
        for reason in [
            CloseReason::PeerCrashed,
            CloseReason::Unanswered,
            CloseReason::PeerDeleted,
            failed(),
        ] {
            let blamed = Some(End::Lost("the network".into()));
            assert_eq!(code(reason.clone(), None, Stage::Leaving), 0);
            assert_eq!(code(reason, blamed, Stage::Leaving), 0);
        }
        let late = Some(End::Lost("the child SA went with it".into()));
        assert_eq!(code(CloseReason::Deleted, late.clone(), Stage::Leaving), 0);
        // What was wrong here had it deleted.
        assert_eq!(code(CloseReason::Deleted, late, Stage::Up), 6);
    }

    #[test]
    fn a_refusal_before_the_headends_proof_names_the_identity_to_compare() {
        let failed = CloseReason::Refused(Refusal::ByPeer(NotifyType::AUTHENTICATION_FAILED));
        let end = why(failed, None, Stage::Before, SOMEBODY);
        assert_eq!(end.code(), 7);
        assert!(
            end.to_string()
                .contains("the identity key-id \"*$AnyConnectClient$*\" before"),
            "{end}"
        );
    }

    #[test]
    fn another_headend_than_the_one_that_was_named_says_who_it_is() {
        let itself = Identification::fqdn("gw.example");
        let reason = CloseReason::Refused(Refusal::OtherResponder(itself.into()));
        let told = |names| why(reason.clone(), None, Stage::Trusted, names).to_string();
        assert_eq!(
            told(SOMEBODY),
            "the headend is not trusted: it calls itself fqdn gw.example, and not fqdn vpn.example, as --remote-id says; \
             its certificate names cn=gw; DNS:gw.example"
        );
        let by_key = Names {
            certified: None,
            ..SOMEBODY
        };
        assert!(told(by_key).ends_with("as --remote-id says"));
    }
}
