//! The child SA that comes up with IKE_AUTH (RFC 7296 §1.2, §2.9, §2.19). Those of CREATE_CHILD_SA are
//! in `established`.

use alloc::{boxed::Box, vec::Vec};

use crate::{
    config::PeerConfig,
    crypto::keys::DerivationKey,
    event::{ChildExchanges, ChildId, ChildSa, Lease},
    negotiate::{proposal, selector},
    proof::PeerAuthenticated,
    refusal::{PeerIncompatible, PeerMisbehaved, Refusal},
    sa::link::Link,
    wire::{
        payload::{
            ConfigAttribute, Configuration, Identification, Notify, Payload, SaPayload,
            TrafficSelector, TrafficSelectors,
        },
        registry::{ConfigType, ExchangeType, NotifyType, PayloadType},
    },
};

/// Selectors of both sides together, at most.
const MAX_SELECTORS: usize = 16;

/// Octets of memory that the first request of a peer may occupy, identity included: it is kept until the peer has
/// authenticated itself, which takes minutes where a user types. A client's is some 5 KB; 255 selectors for each side beside
/// 255 transforms are within it.
const MAX_KEPT: usize = 32 * 1024;

/// What the initiator's first IKE_AUTH request asks for beside authentication.
pub(crate) struct ChildRequest {
    /// `None` where the IKE SA is all that it wants for now (RFC 6023 §5).
    pub(crate) offer: Option<Offer>,
    pub(crate) configuration: Vec<ConfigAttribute>,
    /// Whether there was a CFG_REQUEST, be it an empty one.
    pub(crate) asks_for_configuration: bool,
}

/// The child SA that an initiator proposes.
pub(crate) struct Offer {
    pub(crate) sa: SaPayload,
    initiator: Vec<TrafficSelector>,
    responder: Vec<TrafficSelector>,
}

impl Offer {
    /// Octets of memory that it occupies, about.
    fn memory(&self) -> usize {
        let selectors = self.initiator.len().saturating_add(self.responder.len());
        selectors
            .saturating_mul(size_of::<TrafficSelector>())
            .saturating_add(self.sa.memory())
    }
}

impl ChildRequest {
    /// Neither a child SA nor an address is wanted.
    pub(crate) const fn is_empty(&self) -> bool {
        self.offer.is_none() && !self.asks_for_configuration
    }

    /// # Errors
    ///
    /// [`PeerMisbehaved::RequestTooLarge`] where this and the identity would take more memory than a stranger may have.
    pub(crate) fn may_be_kept(&self, identity: &Identification) -> Result<(), PeerMisbehaved> {
        let attributes = self.configuration.iter().map(|one| &one.value);
        let offer = self.offer.as_ref().map_or(0, Offer::memory);
        let octets = attributes.fold(identity.data.len().saturating_add(offer), |sum, value| {
            sum.saturating_add(size_of::<ConfigAttribute>())
                .saturating_add(value.len())
        });
        if octets > MAX_KEPT {
            return Err(PeerMisbehaved::RequestTooLarge);
        }
        Ok(())
    }

    /// What an authenticated peer is told of its configuration.
    pub(crate) fn assigned(&self, attributes: Vec<ConfigAttribute>) -> Vec<Payload> {
        let kind = ConfigType::CFG_REPLY;
        // RFC 7296 §2.19#5: a CFG_REPLY answers a CFG_REQUEST and nothing else.
        let told = self.asks_for_configuration && !attributes.is_empty();
        let reply = told.then_some(Configuration { kind, attributes });
        reply.map(Payload::Cp).into_iter().collect()
    }

    /// Takes the payloads of a child SA out of an IKE_AUTH request.
    ///
    /// # Errors
    ///
    /// [`PeerMisbehaved::MissingPayload`] where some of SA, TSi and TSr are missing, or all of them and initiation
    /// without a child SA was not offered (`may_lack`).
    pub(crate) fn read(
        payloads: &mut Vec<Payload>,
        may_lack: bool,
    ) -> Result<Self, PeerMisbehaved> {
        let mut offer = None;
        let mut initiator = None;
        let mut responder = None;
        let mut configuration = Vec::new();
        let mut asks_for_configuration = false;
        for payload in payloads.drain(..) {
            let kind = payload.kind();
            let repeated = match payload {
                Payload::Sa(sa) => offer.replace(sa).is_some(),
                Payload::TsI(selectors) => initiator.replace(selectors.selectors).is_some(),
                Payload::TsR(selectors) => responder.replace(selectors.selectors).is_some(),
                Payload::Cp(cp) if cp.kind == ConfigType::CFG_REQUEST => {
                    configuration = cp.attributes;
                    asks_for_configuration = true;
                    false
                }
                _ => false,
            };
            if repeated {
                return Err(PeerMisbehaved::RepeatedPayload(kind));
            }
        }
        let missing = PeerMisbehaved::MissingPayload;
        let offer = match (offer, initiator, responder) {
            // RFC 6023 §3#3: who was told that it may leaves all of them out.
            // RFC 6023 §3#6, §3#8: who was not is answered with INVALID_SYNTAX, as ever.
            (None, None, None) if may_lack => None,
            (offer, initiator, responder) => Some(Offer {
                sa: offer.ok_or_else(|| missing(PayloadType::SA))?,
                initiator: initiator.ok_or_else(|| missing(PayloadType::TS_I))?,
                responder: responder.ok_or_else(|| missing(PayloadType::TS_R))?,
            }),
        };
        Ok(Self {
            offer,
            configuration,
            asks_for_configuration,
        })
    }
}

/// Why there is no child SA although both sides are authenticated: the notify that says so.
pub(crate) fn refused(refusal: &Refusal) -> Payload {
    let said = match refusal {
        Refusal::Incompatible(_) => refusal.notify(ExchangeType::CREATE_CHILD_SA),
        // Whatever failed here is not the peer's to know.
        _ => None,
    };
    Payload::Notify(said.unwrap_or_else(|| Notify::plain(NotifyType::NO_PROPOSAL_CHOSEN)))
}

/// A child SA that the responder agrees to, and the payloads that say so.
pub(crate) struct Plan {
    pub(crate) sa: Box<ChildSa>,
    pub(crate) payloads: Vec<Payload>,
}

/// Chooses suite and selectors for an authenticated peer and derives the keys.
///
/// # Errors
///
/// [`PeerIncompatible`] where nothing is in common: the IKE SA lives without the child SA.
#[expect(
    clippy::too_many_arguments,
    reason = "each is one input of the decision"
)]
pub(crate) fn plan(
    link: &Link,
    config: &PeerConfig,
    (asked, request): (&ChildRequest, &Offer),
    lease: Lease,
    derivation: &DerivationKey,
    ni: &[u8],
    nr: &[u8],
    _proof: &PeerAuthenticated,
) -> Result<Plan, PeerIncompatible> {
    let choice = proposal::choose_esp(&config.esp, &request.sa)?;
    let chosen = choice.chosen;
    let (local, remote) = narrow(
        (&request.responder, &lease.local),
        (&request.initiator, &lease.remote),
    )?;
    // RFC 7296 §2.19#2-3, §4#9: the address that was given stands before SA.
    let mut payloads = asked.assigned(lease.reply);
    payloads.push(Payload::Sa(proposal::answer_esp(chosen, None, lease.spi)));
    payloads.push(Payload::TsI(selectors(&remote)));
    payloads.push(Payload::TsR(selectors(&local)));
    let sa = Box::new(ChildSa {
        id: ChildId::FIRST,
        suite: chosen.suite,
        exchanges: ChildExchanges::default(),
        keys: derivation
            .child_keys(chosen.suite, None, ni, nr)
            .into_role(link.role),
        inbound_spi: lease.spi,
        outbound_spi: choice.spi,
        local,
        remote,
        path: link.path,
        udp_encapsulation: link.nat.udp_encapsulation(),
        configuration: Vec::new(),
        by_peer: true,
    });
    Ok(Plan { sa, payloads })
}

/// Narrows both sides' selectors, each given as what the peer proposed and what it may have: local
/// first, in the arguments and in the result (RFC 7296 §2.9).
///
/// # Errors
///
/// [`PeerIncompatible::TsUnacceptable`] where nothing is left, or more than the dataplane can select:
/// it selects by address alone, and each range costs it policies.
pub(crate) fn narrow(
    local: (&[TrafficSelector], &[TrafficSelector]),
    remote: (&[TrafficSelector], &[TrafficSelector]),
) -> Result<(Vec<TrafficSelector>, Vec<TrafficSelector>), PeerIncompatible> {
    let remote = selector::narrow(remote.0, remote.1)?;
    let local = selector::narrow(local.0, local.1)?;
    let plain =
        |one: &TrafficSelector| (one.protocol, one.start_port, one.end_port) == (0, 0, u16::MAX);
    if local.len().saturating_add(remote.len()) > MAX_SELECTORS
        || !local.iter().chain(&remote).all(plain)
    {
        return Err(PeerIncompatible::TsUnacceptable);
    }
    Ok((local, remote))
}

/// A TS payload's content.
pub(crate) fn selectors(list: &[TrafficSelector]) -> TrafficSelectors {
    TrafficSelectors {
        selectors: list.to_vec(),
        skipped: 0,
    }
}
