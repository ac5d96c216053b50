//! Why a peer is refused, sorted by who is to blame, and what the wire says of it.

use alloc::{sync::Arc, vec::Vec};

use thiserror::Error;

use crate::{
    crypto::{
        SignatureError,
        suite::{Group, Hash},
    },
    error::InvalidMessage,
    wire::{
        payload::{Identification, Notify},
        registry::{AuthMethod, ExchangeType, NotifyType, PayloadType, ProtocolId},
    },
};

/// Why a peer, a request or a child SA was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The octets are not what IKEv2 allows.
    #[error("invalid message: {0}")]
    InvalidMessage(#[from] InvalidMessage),
    /// The octets are well formed and break the protocol.
    #[error("peer misbehaved: {0}")]
    Misbehaved(#[from] PeerMisbehaved),
    /// Nothing wrong, but nothing in common either.
    #[error("nothing in common: {0}")]
    Incompatible(#[from] PeerIncompatible),
    /// The responder calls itself so, and not as it was asked for.
    #[error("the responder calls itself {}, other than it was asked for", .0.typed())]
    OtherResponder(Arc<Identification>),
    /// The outside said no.
    #[error("{0}")]
    Denied(Arc<str>),
    /// The peer refused us with this error notify.
    #[error("the peer answered {0}")]
    ByPeer(NotifyType),
    /// Something of our own failed.
    #[error("local failure: {0}")]
    Local(&'static str),
}

/// One sentence of the protocol that the peer broke, each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PeerMisbehaved {
    /// A payload that the message cannot do without is missing.
    #[error("payload {0} is missing")]
    MissingPayload(PayloadType),
    /// A payload that may stand once stands more often.
    #[error("payload {0} is repeated")]
    RepeatedPayload(PayloadType),
    /// The first request asks for more than is kept for a peer that has proven nothing.
    #[error("the first request asks for too much")]
    RequestTooLarge,
    /// The AUTH payload does not hold.
    #[error("{0}")]
    AuthenticationFailed(AuthFault),
    /// The AUTH payload uses a method that was not agreed.
    #[error("AUTH uses a method that was not agreed")]
    UnexpectedAuthMethod,
    /// Something other than EAP where EAP is due, or EAP where it is not.
    #[error("EAP is out of place")]
    UnexpectedEap,
    /// The exchange has no place in this state.
    #[error("the exchange is out of place")]
    UnexpectedExchange,
    /// The answer chooses what was not offered.
    #[error("the answer chooses what was not offered")]
    SelectedUnoffered,
    /// The key exchange value has the wrong length or is not a member of its group.
    #[error("the key exchange value is not valid for its group")]
    BadKeyExchange,
    /// COOKIE or INVALID_KE_PAYLOAD came again and again.
    #[error("the peer keeps asking for another IKE_SA_INIT")]
    EndlessInit,
    /// The responder is authenticated by EAP alone, which nobody configured.
    #[error("the responder did not prove itself before EAP")]
    ResponderUnproven,
    /// The answer to COOKIE2 has another value (RFC 4555 §3.7).
    #[error("COOKIE2 came back changed")]
    WrongCookie2,
    /// REDIRECT names no gateway that can be one (RFC 5685 §9.2).
    #[error("REDIRECT names no gateway")]
    BadRedirect,
    /// The SPI in REKEY_SA has not the four octets of a child SA's.
    #[error("the SPI in REKEY_SA has not four octets")]
    BadRekeyNotify,
    /// A traffic selector of the answer lies outside of what was proposed.
    #[error("a traffic selector lies outside of what was proposed")]
    SelectorTooWide,
}

/// Why an AUTH payload does not hold. The peer is told none of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AuthFault {
    /// It was judged, and was not made with the key that it is judged by, or not over what both ends have sent.
    #[error("AUTH does not verify")]
    OtherKey,
    /// The same where a post-quantum pre-shared key is mixed in: that may be the other one, too (RFC 8784 §3).
    #[error("AUTH does not verify, with the post-quantum pre-shared key mixed in")]
    OtherKeyOrPpk,
    /// Its signature is by no algorithm that is known here.
    #[error("AUTH is signed by an unknown algorithm")]
    UnknownAlgorithm,
    /// Its signature is made with a hash that the peer was not told of (RFC 7427 §4).
    #[error("AUTH is signed with {0}, which was not announced")]
    HashNotAnnounced(Hash),
    /// The key of the certificate is of no use for its signature, or for any.
    #[error("AUTH is signed by an algorithm that does not fit the key of the certificate")]
    UnfitKey,
    /// Its octets are no signature of its method.
    #[error("AUTH holds no signature of its method")]
    Malformed,
}

impl From<SignatureError> for AuthFault {
    fn from(error: SignatureError) -> Self {
        match error {
            SignatureError::Mismatch => Self::OtherKey,
            SignatureError::UnknownAlgorithm => Self::UnknownAlgorithm,
            SignatureError::HashNotAnnounced { hash } => Self::HashNotAnnounced(hash),
            SignatureError::Truncated | SignatureError::Length { .. } => Self::Malformed,
            SignatureError::MalformedKey
            | SignatureError::UnsupportedKey
            | SignatureError::ModulusLength { .. }
            | SignatureError::Exponent
            | SignatureError::WrongKind { .. }
            | SignatureError::UnsupportedScheme { .. } => Self::UnfitKey,
        }
    }
}

/// Where nothing is in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PeerIncompatible {
    /// No proposal of the peer fits one of ours.
    #[error("no proposal fits")]
    NoProposalChosen,
    /// The proposal fits, but its key exchange value is of another group than this one of ours.
    #[error("the key exchange must be by {0}")]
    InvalidKeyExchange(Group),
    /// No traffic selector is left after narrowing.
    #[error("no traffic selector is left after narrowing")]
    TsUnacceptable,
    /// The peer does no NAT detection and this dataplane receives only ESP in UDP.
    #[error("the peer does no NAT detection, and ESP is only received in UDP here")]
    NoNatDetection,
    /// The peer wants EAP, and no method that it speaks is configured.
    #[error("the peer wants EAP, and no method that it speaks is configured")]
    NoEapMethod,
    /// The peer proves itself by a method that is not configured for it.
    #[error("the peer proves itself by a method that is not configured for it")]
    MethodNotConfigured(AuthMethod),
    /// The responder does not offer to begin without a child SA (RFC 6023), as we were told to.
    #[error("the responder does not offer to begin without a child SA")]
    NotChildless,
    /// No address is left for the peer, or none may be given to it.
    #[error("no address is left for the peer")]
    NoAddress,
    /// No post-quantum pre-shared key is in common, and it does not go without (RFC 8784 §3).
    #[error("no post-quantum pre-shared key is in common")]
    NoPpk,
    /// The peer asks for no configuration, which it is not served without.
    #[error("the peer asks for no configuration, and is not served without")]
    NoConfiguration,
    /// No signature scheme is in common.
    #[error("no signature scheme is in common")]
    NoSignatureScheme,
    /// Another exchange about the same SA is under way (RFC 7296 §2.25).
    #[error("another exchange about the same SA is under way")]
    Busy,
    /// No CREATE_CHILD_SA is known that this IKE_FOLLOWUP_KE follows (RFC 9370).
    #[error("there is nothing that this key exchange could follow")]
    NoState,
    /// The child SA to be replaced, by the SPI that its sender receives with, does not exist.
    #[error("there is no child SA 0x{1:08X} to be replaced")]
    NoSuchChild(ProtocolId, u32),
    /// The IKE SA has as many child SAs as it may.
    #[error("no further child SAs are taken")]
    TooManyChildren,
    /// The peer receives on another child SA under the SPI that it has chosen.
    #[error("the peer has another child SA of the SPI that it has chosen")]
    SpiInUse,
    /// The peer has deleted the child SA that it was asked for, before it was installed here.
    #[error("the peer has deleted the child SA again")]
    Withdrawn,
}

impl PeerMisbehaved {
    names! {
        fn name:
        Self::MissingPayload(_) => "missing_payload",
        Self::RepeatedPayload(_) => "repeated_payload",
        Self::RequestTooLarge => "request_too_large",
        Self::AuthenticationFailed(_) => "authentication_failed",
        Self::UnexpectedAuthMethod => "unexpected_auth_method",
        Self::UnexpectedEap => "unexpected_eap",
        Self::UnexpectedExchange => "unexpected_exchange",
        Self::SelectedUnoffered => "selected_unoffered",
        Self::BadKeyExchange => "bad_key_exchange",
        Self::EndlessInit => "endless_init",
        Self::ResponderUnproven => "responder_unproven",
        Self::WrongCookie2 => "wrong_cookie2",
        Self::BadRedirect => "bad_redirect",
        Self::BadRekeyNotify => "bad_rekey_notify",
        Self::SelectorTooWide => "selector_too_wide",
    }
}

impl PeerIncompatible {
    names! {
        fn name:
        Self::NoProposalChosen => "no_proposal_chosen",
        Self::InvalidKeyExchange(_) => "other_key_exchange_group",
        Self::TsUnacceptable => "ts_unacceptable",
        Self::NoNatDetection => "no_nat_detection",
        Self::NoEapMethod => "no_eap_method",
        Self::MethodNotConfigured(_) => "method_not_configured",
        Self::NotChildless => "not_childless",
        Self::NoAddress => "no_address",
        Self::NoPpk => "no_post_quantum_key",
        Self::NoConfiguration => "no_configuration",
        Self::NoSignatureScheme => "no_signature_scheme",
        Self::NoState => "no_state",
        Self::Busy => "busy",
        Self::NoSuchChild(..) => "no_such_child",
        Self::TooManyChildren => "too_many_children",
        Self::SpiInUse => "spi_in_use",
        Self::Withdrawn => "withdrawn",
    }
}

impl Refusal {
    /// Every [`name`](Self::name) that there is.
    pub fn names() -> impl Iterator<Item = &'static str> {
        let all = [Self::NAMES, PeerMisbehaved::NAMES, PeerIncompatible::NAMES];
        all.into_iter().flatten().copied()
    }

    names! {
        pub fn name:
        Self::InvalidMessage(_) => "invalid_message",
        Self::OtherResponder(_) => "other_responder",
        Self::Denied(_) => "denied",
        Self::ByPeer(_) => "by_peer",
        Self::Local(_) => "local_failure",
        ;
        Self::Misbehaved(error) => error,
        Self::Incompatible(error) => error,
    }

    /// The notify that tells the peer in this exchange, or `None` where nothing is to be said.
    pub fn notify(&self, exchange: ExchangeType) -> Option<Notify> {
        let kind = match self {
            Self::InvalidMessage(error) => {
                // RFC 7296 §2.5#11: the notify's data is the one octet of the payload type.
                let data = match error {
                    InvalidMessage::UnsupportedCriticalPayload(kind) => [kind.0].to_vec(),
                    _ => Vec::new(),
                };
                return Some(Notify::new(error.notify(), data));
            }
            Self::Misbehaved(error) => match error {
                PeerMisbehaved::AuthenticationFailed(_)
                | PeerMisbehaved::UnexpectedAuthMethod
                | PeerMisbehaved::ResponderUnproven => NotifyType::AUTHENTICATION_FAILED,
                _ => NotifyType::INVALID_SYNTAX,
            },
            Self::Incompatible(error) => match error {
                PeerIncompatible::NoProposalChosen
                | PeerIncompatible::NoNatDetection
                | PeerIncompatible::SpiInUse
                | PeerIncompatible::NotChildless => NotifyType::NO_PROPOSAL_CHOSEN,
                // RFC 7296 §1.3, §3.10.1: the data is the number of the group that is accepted.
                PeerIncompatible::InvalidKeyExchange(group) => {
                    let number = group.number().to_be_bytes().to_vec();
                    return Some(Notify::new(NotifyType::INVALID_KE_PAYLOAD, number));
                }
                // RFC 7296 §2.25: the SPI and protocol of the REKEY_SA come back.
                PeerIncompatible::NoSuchChild(protocol, spi) => {
                    return Some(Notify {
                        protocol: *protocol,
                        spi: spi.to_be_bytes().to_vec(),
                        kind: NotifyType::CHILD_SA_NOT_FOUND,
                        data: Vec::new(),
                    });
                }
                PeerIncompatible::NoState => NotifyType::STATE_NOT_FOUND,
                PeerIncompatible::Busy | PeerIncompatible::Withdrawn => {
                    NotifyType::TEMPORARY_FAILURE
                }
                PeerIncompatible::TooManyChildren => NotifyType::NO_ADDITIONAL_SAS,
                PeerIncompatible::TsUnacceptable => NotifyType::TS_UNACCEPTABLE,
                PeerIncompatible::NoAddress => NotifyType::INTERNAL_ADDRESS_FAILURE,
                PeerIncompatible::NoConfiguration => NotifyType::FAILED_CP_REQUIRED,
                PeerIncompatible::NoEapMethod
                | PeerIncompatible::MethodNotConfigured(_)
                | PeerIncompatible::NoPpk
                | PeerIncompatible::NoSignatureScheme => NotifyType::AUTHENTICATION_FAILED,
            },
            Self::OtherResponder(_) | Self::Denied(_) => NotifyType::AUTHENTICATION_FAILED,
            // What failed here is no verdict on the peer, which may try again: in IKE_SA_INIT of itself, and later
            // when it is told so. RFC 7296 §2.21.2: what ends IKE_AUTH has this name.
            Self::Local(_) => match exchange {
                ExchangeType::IKE_SA_INIT => return None,
                ExchangeType::IKE_INTERMEDIATE | ExchangeType::IKE_AUTH => {
                    NotifyType::AUTHENTICATION_FAILED
                }
                _ => NotifyType::TEMPORARY_FAILURE,
            },
            Self::ByPeer(_) => return None,
        };
        Some(Notify::new(kind, Vec::new()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7296 §2.25: an SA that is up is not ended by what is for the moment.
    #[test]
    fn what_fails_here_is_no_verdict_on_the_peer() {
        let failed = Refusal::Local("no memory");
        let said = |exchange| failed.notify(exchange).map(|said| said.kind);
        assert_eq!(said(ExchangeType::IKE_SA_INIT), None);
        let auth = Some(NotifyType::AUTHENTICATION_FAILED);
        assert_eq!(said(ExchangeType::IKE_AUTH), auth);
        for exchange in [
            ExchangeType::CREATE_CHILD_SA,
            ExchangeType::IKE_FOLLOWUP_KE,
            ExchangeType::INFORMATIONAL,
        ] {
            assert_eq!(said(exchange), Some(NotifyType::TEMPORARY_FAILURE));
        }
    }
}
