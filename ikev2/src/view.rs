//! What `show` may see of an IKE SA: facts, no keys.

use alloc::sync::Arc;

use crate::{
    crypto::{
        Role,
        suite::{EspSuite, IkeSuite},
    },
    event::{ChildExchanges, ChildId, Instant, Path, SaId},
    sa::{
        IkeSa,
        established::{Child, Established},
        link::Form,
        state::State,
    },
    wire::{
        header::{InitiatorSpi, ResponderSpi},
        payload::{ConfigAttribute, Identification, TrafficSelector},
    },
};

/// One keyed IKE SA.
#[derive(Clone)]
pub struct SaView<'a> {
    /// Its name.
    pub id: SaId,
    /// Which end we are.
    pub role: Role,
    /// The initiator's SPI.
    pub initiator_spi: InitiatorSpi,
    /// The responder's SPI.
    pub responder_spi: ResponderSpi,
    /// Where the peer is.
    pub path: Path,
    /// The negotiated algorithms.
    pub suite: IkeSuite,
    /// The name of the state.
    pub state: &'static str,
    /// Both sides are authenticated and the SA is in use.
    pub ready: bool,
    /// Our Delete is out.
    pub closing: bool,
    /// It has ended, and is only there to answer repeats.
    pub over: bool,
    /// When IKE_SA_INIT was answered.
    pub created: Instant,
    /// The message ID of our next request.
    pub next_request: u32,
    /// How many of our requests wait for an answer or their turn.
    pub queued: usize,
    /// The message ID that the peer's next request must have.
    pub next_expected: u32,
    /// How many requests the peer may have outstanding.
    pub window: u32,
    /// How many requests we may have outstanding.
    pub peer_window: u32,
    /// We are behind a NAT.
    pub nat_local: bool,
    /// The peer is behind a NAT, or says so.
    pub nat_remote: bool,
    /// Both ends speak MOBIKE (RFC 4555).
    pub mobike: bool,
    /// The fragmentation that is agreed, if any.
    pub fragmentation: Option<Fragmentation>,
    /// The peer sent CISCO-ANYCONNECT-EAP.
    pub anyconnect: bool,
    /// The peer's identity, claimed or proven.
    pub identity: Option<&'a Identification>,
    /// The user that EAP authenticated.
    pub eap_user: Option<&'a Arc<str>>,
    /// A post-quantum pre-shared key is mixed into its keys (RFC 8784).
    pub ppk: bool,
    /// The profile that serves it.
    pub profile: Option<&'a Arc<str>>,
    /// What was assigned by configuration payload.
    pub configuration: &'a [ConfigAttribute],
    /// The child SA.
    pub child: Option<ChildView<'a>>,
    established: Option<&'a Established>,
}

/// The form of fragments that both ends announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fragmentation {
    /// RFC 7383.
    Ietf,
    /// Cisco's.
    Cisco,
}

/// An IKE SA beside the one in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BesideView {
    /// The initiator's SPI.
    pub initiator_spi: InitiatorSpi,
    /// The responder's SPI.
    pub responder_spi: ResponderSpi,
    /// It is deleted, and is only there to answer repeats.
    pub over: bool,
}

/// One child SA.
#[derive(Clone, Copy)]
pub struct ChildView<'a> {
    /// Its name, which those that replace it have, too.
    pub id: ChildId,
    /// The outside sends on it.
    pub sending: bool,
    /// The key exchanges of its own.
    pub exchanges: ChildExchanges,
    /// The SPI of what we receive.
    pub inbound_spi: u32,
    /// The SPI of what we send.
    pub outbound_spi: u32,
    /// The negotiated algorithms.
    pub suite: EspSuite,
    /// Our side's selectors.
    pub local: &'a [TrafficSelector],
    /// The peer's side's selectors.
    pub remote: &'a [TrafficSelector],
}

impl<'a> SaView<'a> {
    pub(crate) fn of(sa: &'a IkeSa) -> Option<Self> {
        let IkeSa::Keyed { link, state } = sa else {
            return None;
        };
        let established = match state {
            State::Established(state) => Some(&**state),
            _ => None,
        };
        let identity = match state {
            State::Responder(state) => state.identity(),
            _ => established.map(|state| &state.authenticated().peer),
        };
        Some(Self {
            id: link.id,
            role: link.role,
            initiator_spi: link.spi_i,
            responder_spi: link.spi_r,
            path: link.path,
            suite: link.suite,
            state: state.name(),
            ready: established.is_some_and(|state| state.ending().is_none()),
            closing: matches!(state, State::Leaving(_) | State::Closing(_))
                || established.is_some_and(|state| state.ending().is_some()),
            over: matches!(state, State::Lingering),
            created: link.created,
            next_request: link.requests.next(),
            queued: link
                .requests
                .queued()
                .saturating_add(link.requests.waiting()),
            next_expected: link.responses.expected(),
            window: link.window,
            peer_window: link.requests.window(),
            nat_local: link.nat.local,
            nat_remote: link.nat.remote,
            mobike: link.mobike,
            fragmentation: link.form().map(|form| match form {
                Form::Ietf => Fragmentation::Ietf,
                Form::Cisco => Fragmentation::Cisco,
            }),
            anyconnect: link.traits.anyconnect,
            identity,
            eap_user: established.and_then(|state| state.authenticated().eap_user.as_ref()),
            ppk: established.is_some_and(|state| state.authenticated().ppk),
            profile: established.and_then(|state| state.profile()),
            configuration: established.map_or(&[], |state| state.configuration()),
            child: established
                .and_then(|state| state.child())
                .map(|child| ChildView::of(child, true)),
            established,
        })
    }

    /// The IKE SAs beside this one that share its child SAs: replaced ones that are not deleted yet, and while both ends
    /// replace it at once those of which one will be in use.
    pub fn beside(&self) -> impl Iterator<Item = BesideView> + use<'a> {
        let others = self.established.into_iter();
        others
            .flat_map(|state| state.others())
            .map(|(link, over)| BesideView {
                initiator_spi: link.spi_i,
                responder_spi: link.spi_r,
                over,
            })
    }

    /// Every child SA, those included that replace one and those that have been replaced.
    pub fn children(&self) -> impl Iterator<Item = ChildView<'a>> + use<'a> {
        let children = self.established.into_iter();
        children
            .flat_map(|state| state.children())
            .map(|(child, sending)| ChildView::of(child, sending))
    }
}

impl<'a> ChildView<'a> {
    fn of(child: &'a Child, sending: bool) -> Self {
        Self {
            id: child.id,
            sending,
            exchanges: child.exchanges,
            inbound_spi: child.inbound_spi,
            outbound_spi: child.outbound_spi,
            suite: child.suite,
            local: &child.local,
            remote: &child.remote,
        }
    }
}
