//! What a headend's error notifies mean to the user, and what is to be done (RFC 7296 §3.10.1).

use ironflex_ikev2::{refusal::Refusal, wire::registry::NotifyType};

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// The IKE SA: the ends' proofs and algorithms.
    IkeSa,
    /// The tunnel's SA.
    ChildSa,
}

/// A sentence, and the notify's name in brackets for who looks it up.
pub(super) fn sentence(kind: NotifyType, about: About) -> String {
    format!("{} [{kind}]", meaning(kind, about))
}

/// Why there is no tunnel: a headend's notify in words, whatever else as it says itself.
pub(super) fn refusal(refusal: &Refusal, about: About) -> String {
    match refusal {
        Refusal::ByPeer(kind) => sentence(*kind, about),
        other => other.to_string(),
    }
}

const fn meaning(kind: NotifyType, about: About) -> &'static str {
    match kind {
        NotifyType::NO_PROPOSAL_CHOSEN => match about {
            About::IkeSa => {
                "the headend takes none of the IKE algorithms that were offered; set those of its IKEv2 proposal by --proposal"
            }
            About::ChildSa => {
                "the headend takes none of the ESP algorithms that were offered; its transform set has to have AES-GCM of 128 or 256 \
                 bits, or AES-CBC of 128 or 256 bits with SHA-1 or SHA-256"
            }
        },
        NotifyType::INVALID_KE_PAYLOAD => match about {
            About::IkeSa => {
                "the headend wants another key exchange than was offered; set its group by --proposal"
            }
            About::ChildSa => {
                "the headend wants another key exchange for the tunnel's SA than was offered; 'set pfs' in its IPsec profile has to name \
                 a group that this client has (14, 15, 16, 19, 20, 21 or 31), or to go"
            }
        },
        NotifyType::AUTHENTICATION_FAILED => {
            "the headend refuses the login without saying why; check user, password and the proof that --auth names"
        }
        NotifyType::INTERNAL_ADDRESS_FAILURE => {
            "the headend has no free address for this client; try again later, or have its pool enlarged"
        }
        NotifyType::FAILED_CP_REQUIRED => {
            "the headend serves only clients that ask for an address in a way that it knows; its profile is for others"
        }
        NotifyType::TS_UNACCEPTABLE => {
            "the headend takes none of the networks that the tunnel is asked for; its profile may be for another kind of client"
        }
        NotifyType::SINGLE_PAIR_REQUIRED => {
            "the headend makes tunnels between single addresses only, which this client has no use for"
        }
        NotifyType::NO_ADDITIONAL_SAS => "the headend makes no further SA for this session",
        NotifyType::TEMPORARY_FAILURE => {
            "the headend cannot do it at the moment; try again in a minute"
        }
        NotifyType::INVALID_SYNTAX => {
            "the headend found a message of ours wrong, so the two do not understand each other; its debug output may say why"
        }
        NotifyType::AUTHORIZATION_FAILED => {
            "the headend knows who this is, and does not let him in; have him authorized there"
        }
        NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD | NotifyType::INVALID_MAJOR_VERSION => {
            "the headend speaks another protocol, or an older one; it has to speak IKEv2"
        }
        NotifyType::UNACCEPTABLE_ADDRESSES => {
            "the headend does not take the address that this machine has now; connect anew"
        }
        NotifyType::CHILD_SA_NOT_FOUND | NotifyType::STATE_NOT_FOUND => {
            "the headend does not know the SA any more that was to be replaced; connect anew"
        }
        _ => "the headend refuses without a reason that is known here",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notify_is_a_sentence_with_its_name_behind() {
        let said = sentence(NotifyType::INTERNAL_ADDRESS_FAILURE, About::ChildSa);
        assert!(
            said.starts_with("the headend has no free address"),
            "{said}"
        );
        assert!(said.ends_with(" [INTERNAL_ADDRESS_FAILURE]"), "{said}");
        let kind = NotifyType::NO_PROPOSAL_CHOSEN;
        assert!(sentence(kind, About::IkeSa).contains("IKE algorithms"));
        let said = sentence(kind, About::ChildSa);
        assert!(said.contains("ESP algorithms"));
        assert!(said.contains("AES-CBC of 128 or 256 bits with SHA-1 or SHA-256"));
        let kind = NotifyType::INVALID_KE_PAYLOAD;
        assert!(sentence(kind, About::IkeSa).contains("--proposal"));
        assert!(sentence(kind, About::ChildSa).contains("set pfs"));
        // One that nobody has named goes by its number.
        let said = sentence(NotifyType(9_999), About::IkeSa);
        assert!(said.ends_with(" [9999]"), "{said}");
    }

    #[test]
    fn what_is_no_notify_speaks_for_itself() {
        let denied = Refusal::Denied("no such algorithm".into());
        assert_eq!(refusal(&denied, About::ChildSa), "no such algorithm");
        let told = Refusal::ByPeer(NotifyType::TS_UNACCEPTABLE);
        assert!(refusal(&told, About::ChildSa).ends_with(" [TS_UNACCEPTABLE]"));
    }
}
