//! What goes into an [`Endpoint`](crate::Endpoint) and what comes out of it.
//!
//! Every input is followed by a complete drain of the outputs, up to and including
//! [`Output::Timeout`]; nothing is awaited and nothing calls back.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::{fmt, net::SocketAddr, time::Duration};

use thiserror::Error;

use crate::{
    config::{ConnectConfig, PeerConfig},
    crypto::{
        keys::RoleChildKeys,
        sign::SignatureScheme,
        suite::{Additional, EspSuite, Group, IkeSuite, PrfAlgorithm},
    },
    error::InvalidMessage,
    refusal::Refusal,
    secret::SecretBytes,
    wire::{
        header::{Header, InitiatorSpi, ResponderSpi},
        payload::{ConfigAttribute, Gateway, Identification, Proposal, TrafficSelector},
        registry::{NotifyType, PayloadType},
    },
};

/// A point on the caller's monotonic clock, as the time since an origin of the caller's choosing.
///
/// The core reads no clock: every call says what time it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(Duration);

impl Instant {
    /// The instant `since_origin` after the caller's origin.
    pub const fn new(since_origin: Duration) -> Self {
        Self(since_origin)
    }

    /// The time since the caller's origin.
    pub const fn since_origin(self) -> Duration {
        self.0
    }

    /// The instant `by` later; stops at the end of time instead of wrapping.
    #[must_use]
    pub const fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by))
    }

    /// How long ago `earlier` was; zero when it lies ahead.
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// How an IKE message is framed in its datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Framing {
    /// Alone in the datagram, as on port 500.
    Bare,
    /// Behind the four zero octets of the non-ESP marker, as on port 4500 (RFC 3948 §2.2).
    Marked,
}

/// Where a datagram came from and reached us, or is to go and leave from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path {
    /// Our address and port. Answers leave from the address that the request reached.
    pub local: SocketAddr,
    /// The peer's address and port.
    pub remote: SocketAddr,
    /// Whether the non-ESP marker stands in front.
    pub framing: Framing,
}

/// Names one IKE SA of an endpoint, and those that replace it by rekeying: the SPI that we chose for the
/// first of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SaId(pub(crate) u64);

impl SaId {
    /// The SA for which we chose this SPI at first, if there is one.
    pub const fn from_spi(spi: u64) -> Self {
        Self(spi)
    }

    /// Our first SPI as a number.
    pub const fn spi(self) -> u64 {
        self.0
    }
}

impl fmt::Display for SaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", self.0)
    }
}

/// Names one child SA of an IKE SA, and those that replace it by rekeying.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChildId(pub(crate) u32);

impl ChildId {
    /// The one that comes up with IKE_AUTH.
    pub(crate) const FIRST: Self = Self(1);

    /// Counts from 1 within its IKE SA.
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for ChildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names one question to the outside; its answer carries the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AskId(pub(crate) u64);

/// One input. Drain the outputs after each.
pub enum Input<'a> {
    /// A datagram arrived, its non-ESP marker already removed.
    Datagram(Path, &'a [u8]),
    /// The outside answers an [`Ask`].
    Answer(SaId, AskId, Answer),
    /// The operator wants something.
    Command(Command),
    /// The instant of the last [`Output::Timeout`] has come.
    Timeout,
}

/// What an operator may want of the endpoint.
pub enum Command {
    /// Start an IKE SA as the initiator; [`Endpoint::handle`](crate::Endpoint::handle) reports its name by [`Event::Initiated`].
    Connect(Box<ConnectConfig>),
    /// Delete an IKE SA and its children: the peer is told, and retransmission is bounded (RFC 7296 §1.4.1).
    Delete(SaId),
    /// Drop an IKE SA and its children without a word: the peer said INITIAL_CONTACT elsewhere and has
    /// forgotten it (RFC 7296 §2.4).
    Forget(SaId),
    /// Ask the peer for a sign of life with an empty INFORMATIONAL (RFC 7296 §1.4).
    Probe(SaId),
    /// Our own address has changed: the SA takes this way from now on (RFC 4555 §3.5).
    Move(SaId, Path),
    /// Replace the IKE SA by a new one (RFC 7296 §2.18).
    Rekey(SaId),
    /// Make a child SA (RFC 7296 §1.3.1) with all that the peer may be reached by: the first one of an SA that began
    /// without (RFC 6023), or a further one.
    NewChild(SaId),
    /// Replace the child SA with this inbound SPI by a new one (RFC 7296 §2.17): it will soon be worn out.
    RekeyChild(SaId, u32),
    /// After [`Output::Keepalive`]: ESP has gone out in its place (RFC 3948 §4).
    EspSent(SaId),
    /// Delete the child SA with this inbound SPI: it is worn out. Those that it has replaced go along; while the peer is replacing it
    /// itself, it is left to the peer to delete (RFC 7296 §2.8). The IKE SA goes with its last one.
    DeleteChild(SaId, u32),
    /// The first authentic packet came in on the child SA with this inbound SPI, so the peer sends and
    /// receives on it (RFC 7296 §2.8).
    ChildUsed(SaId, u32),
}

/// One output.
pub enum Output {
    /// Send these octets.
    Transmit(Transmit),
    /// Decide this, then answer by [`Input::Answer`] with the same names.
    Ask(SaId, AskId, Ask),
    /// Send the one octet 0xff that keeps a NAT's mapping open (RFC 3948 §2.3), without the marker; or, where ESP of this
    /// SA has gone out since the last of these outputs, say [`Command::EspSent`] in its place.
    Keepalive(SaId, Path),
    /// Something happened to an SA.
    Event(SaId, Event),
    /// A datagram was refused or discarded without touching any SA.
    Discarded(Path, Discard),
    /// Nothing more to do before this instant, if any. Always the last output of a drain.
    Timeout(Option<Instant>),
}

/// One datagram to send.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Transmit {
    /// Where to, from where, and whether the non-ESP marker is to be put in front.
    pub path: Path,
    /// The IKE message or fragment, without the marker.
    pub octets: Arc<[u8]>,
}

/// What only the outside can decide. Each variant has a waiting state of its own.
pub enum Ask {
    /// Which profile serves this peer?
    Peer(PeerQuestion),
    /// Is this certificate chain good for this identity? Answer with its public key.
    Chain {
        /// DER certificates in wire order, the end entity first.
        certificates: Vec<Vec<u8>>,
        /// The identity that the peer claims.
        identity: Identification,
    },
    /// Sign these octets with the private key of the profile.
    Sign {
        /// The signature scheme that the peer can verify.
        scheme: SignatureScheme,
        /// The signed octets of RFC 7296 §2.15.
        octets: Vec<u8>,
    },
    /// The next step of the EAP conversation.
    Eap(EapInput),
    /// Which address and attributes does this authenticated peer get?
    Lease(LeaseQuestion),
    /// Install this first child SA of its name, in both directions.
    Install(Box<ChildSa>),
    /// Install the inbound direction of this further child SA beside the present ones of its name. The
    /// outbound one is to be kept until [`Event::ChildSwitched`] (RFC 7296 §2.8).
    Rekey(Box<ChildSa>),
}

/// Who is it that wants in, as far as it says.
#[derive(Clone)]
pub struct PeerQuestion {
    /// The claimed identity (IDi).
    pub identity: Identification,
    /// The identity by which the peer names us (IDr of the request), if any.
    pub wanted: Option<Identification>,
    /// Where the request came from and which address of ours it reached.
    pub path: Path,
    /// The peer left AUTH out: it wants EAP (RFC 7296 §2.16).
    pub wants_eap: bool,
    /// The peer sent the CISCO-ANYCONNECT-EAP vendor ID.
    pub anyconnect: bool,
}

/// What EAP is to work on.
pub enum EapInput {
    /// As the authenticator: give the first request.
    Start(EapContext),
    /// As the peer: the authenticator's first request.
    Begin(EapContext, Vec<u8>),
    /// The other side's next EAP packet.
    Packet(Vec<u8>),
}

/// What an EAP method may bind itself to.
#[derive(Clone)]
pub struct EapContext {
    /// The octets that the initiator would sign (RFC 7296 §2.15); AnyConnect-EAP's certificate signature covers them.
    pub initiator_signed_octets: Vec<u8>,
    /// The negotiated PRF, whose hash that signature uses.
    pub prf: PrfAlgorithm,
}

/// Which configuration an authenticated peer asks for.
pub struct LeaseQuestion {
    /// The attributes of its CFG_REQUEST; empty when it sent none.
    pub requested: Vec<ConfigAttribute>,
    /// The peer's proven identity (IDi).
    pub identity: Identification,
    /// The user that EAP authenticated, if it was EAP.
    pub eap_user: Option<Arc<str>>,
    /// How the peer proved itself.
    pub proof: PeerProof,
}

/// How a peer proved itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerProof {
    /// By an EAP method, and AUTH after it (RFC 7296 §2.16).
    Eap,
    /// By a signature of an RSA key.
    RsaSignature,
    /// By a signature of an elliptic-curve key.
    EcdsaSignature,
    /// By a pre-shared key.
    PreSharedKey,
}

/// The outside's answer to an [`Ask`].
pub enum Answer {
    /// To [`Ask::Peer`].
    Peer(Arc<PeerConfig>),
    /// To [`Ask::Chain`]: the DER SubjectPublicKeyInfo of the verified end entity.
    Chain {
        /// The public key that AUTH must verify under.
        spki: Vec<u8>,
    },
    /// To [`Ask::Sign`].
    Signature(Vec<u8>),
    /// To [`Ask::Eap`].
    Eap(EapOutput),
    /// To [`Ask::Lease`].
    Lease(Box<Lease>),
    /// To [`Ask::Install`] and [`Ask::Rekey`]: the dataplane has acknowledged what was to be installed.
    Installed,
    /// To any of them: no, and why.
    Refused(Arc<str>),
}

/// What EAP wants next.
pub enum EapOutput {
    /// Send this packet: a request of the authenticator, a response of the peer.
    Packet(Vec<u8>),
    /// The authenticator is satisfied: send this EAP-Success.
    Success {
        /// The EAP-Success packet.
        packet: Vec<u8>,
        /// Who the user is.
        user: Arc<str>,
        /// The method's key; `None` for methods without one, AnyConnect-EAP among them (docs/anyconnect-eap.md).
        msk: Option<SecretBytes>,
    },
    /// The authenticator refuses: send this EAP-Failure.
    Failure {
        /// The EAP-Failure packet.
        packet: Vec<u8>,
        /// Why, for the log.
        why: Arc<str>,
    },
    /// As the peer: EAP-Success was received where the method allows it.
    Concluded {
        /// The method's key; `None` for methods without one.
        msk: Option<SecretBytes>,
    },
    /// Not a packet to react to (RFC 3748 §4.1): wait for another.
    Ignore,
}

/// What an authenticated peer is given; nothing by default.
#[derive(Default)]
pub struct Lease {
    /// The attributes of the CFG_REPLY; none means that no CP payload is sent.
    pub reply: Vec<ConfigAttribute>,
    /// What TSi may be narrowed to: the assigned addresses.
    pub remote: Vec<TrafficSelector>,
    /// What TSr may be narrowed to.
    pub local: Vec<TrafficSelector>,
    /// The inbound SPI that the outside chose.
    pub spi: u32,
    /// How long the session may last, rekeyed or not. `None`: as long as it likes.
    pub session_lifetime: Option<Duration>,
}

/// The key exchanges of a child SA's own: its perfect forward secrecy (RFC 7296 §2.17, RFC 9370).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChildExchanges {
    /// The group of the first one; `None` where the keys come of the IKE SA's alone.
    pub group: Option<Group>,
    /// Those after it.
    pub additional: Additional,
}

/// A child SA ready to be installed.
pub struct ChildSa {
    /// Its name within the IKE SA, kept when it is rekeyed.
    pub id: ChildId,
    /// The negotiated transforms.
    pub suite: EspSuite,
    /// The key exchanges of its own that its keys come of.
    pub exchanges: ChildExchanges,
    /// Both directions' keys.
    pub keys: RoleChildKeys,
    /// The SPI of what we receive.
    pub inbound_spi: u32,
    /// The SPI of what we send.
    pub outbound_spi: u32,
    /// Our side's selectors.
    pub local: Vec<TrafficSelector>,
    /// The peer's side's selectors.
    pub remote: Vec<TrafficSelector>,
    /// The path that ESP takes.
    pub path: Path,
    /// ESP travels in UDP (RFC 3948).
    pub udp_encapsulation: bool,
    /// The attributes that the headend assigned, on the initiator's side.
    pub configuration: Vec<ConfigAttribute>,
    /// The peer has asked for it.
    pub by_peer: bool,
}

/// What happens to an SA, for logs, `show` and the session's owner.
pub enum Event {
    /// An SA was started on command.
    Initiated,
    /// A request has been accepted as the start of an SA; nobody is proven.
    HalfOpen,
    /// Both sides are authenticated.
    Authenticated(Authenticated),
    /// The final message is out: the SA is up.
    Established {
        /// Its child SA came up with it.
        child: bool,
    },
    /// The child SA could not be created; the IKE SA lives without it.
    ChildRefused {
        /// Why.
        why: Refusal,
        /// Where nothing in common was found, the peer's proposals; nothing otherwise.
        offered: Vec<Proposal>,
    },
    /// The outside sends on the child SA with this inbound SPI from now on, in the place of the one
    /// before.
    ChildSwitched {
        /// Which child SA.
        child: ChildId,
        /// The SPI of what we receive.
        inbound_spi: u32,
    },
    /// Nothing is received any more on the child SA with this inbound SPI, which has been replaced; the
    /// outside removes it.
    ChildRetired {
        /// Which child SA.
        child: ChildId,
        /// The SPI of what we received.
        inbound_spi: u32,
    },
    /// The child SA ended; the outside removes everything that it installed for it.
    ChildDeleted {
        /// Which child SA.
        child: ChildId,
        /// The SPI of what we received last.
        inbound_spi: u32,
    },
    /// Nothing of the peer has come in IKE for the interval of
    /// [`Liveness`](crate::config::Liveness). The outside says [`Command::Probe`] unless it knows better:
    /// packets of the peer came in on a child SA, or nobody has sent it any.
    Quiet,
    /// The IKE SA was replaced by one with new keys and SPIs.
    Rekeyed {
        /// The peer has asked for it.
        by_peer: bool,
    },
    /// The peer does not replace the IKE SA, or a child SA, now.
    RekeyRefused(Refusal),
    /// A request of the peer's is refused, and the SA goes on.
    RequestRefused(Refusal),
    /// The SA takes another way: an authentic new message came from elsewhere, or by MOBIKE one end said so.
    PeerMoved {
        /// The way that the SA takes from now on.
        path: Path,
        /// ESP travels in UDP on it.
        udp_encapsulation: bool,
    },
    /// The peer sent an error or status notify that changes nothing here.
    Notified(NotifyType),
    /// The SA is no more. Always the last event of an SA.
    Closed(CloseReason),
    /// One step, for `debug`; only sent while tracing is on.
    Trace(Box<Trace>),
    /// Key material, for a capture's reader; only sent while the key log is on.
    KeyLog(Box<KeyLog>),
}

/// What is known when both sides are authenticated.
#[derive(Clone)]
pub struct Authenticated {
    /// The peer's identity, as AUTH covers it.
    pub peer: Identification,
    /// How it proved itself.
    pub proof: PeerProof,
    /// The user that EAP authenticated.
    pub eap_user: Option<Arc<str>>,
    /// The peer says that this is its only SA (RFC 7296 §2.4).
    pub initial_contact: bool,
    /// A post-quantum pre-shared key is mixed into the keys (RFC 8784).
    pub ppk: bool,
}

/// Why an SA ended.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CloseReason {
    /// The peer sent a Delete.
    #[error("deleted by the peer")]
    PeerDeleted,
    /// We sent a Delete and it was answered, or its retransmissions ended.
    #[error("deleted")]
    Deleted,
    /// The outside had it forgotten ([`Command::Forget`]).
    #[error("replaced by a newer session of the same client")]
    Forgotten,
    /// The peer did not answer a request.
    #[error("the peer does not answer")]
    Unanswered,
    /// The peer has shown by its token that it has lost the SA (RFC 6290).
    #[error("the peer has lost it, as its token shows")]
    PeerCrashed,
    /// The peer did not send what was due in time.
    #[error("the peer did not go on in time")]
    TimedOut,
    /// The IKE SA or its last child SA is worn out and was not replaced in time (RFC 7296 §2.8), or the
    /// session has lasted as long as it may.
    #[error("the lifetime is over")]
    Expired,
    /// The peer was sent to another gateway, or we were (RFC 5685).
    #[error("redirected to {0}")]
    Redirected(Gateway),
    /// Somebody was refused.
    #[error("{0}")]
    Refused(Refusal),
}

impl CloseReason {
    /// The reason without its details, for counters.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::PeerDeleted => "deleted_by_peer",
            Self::Deleted => "deleted",
            Self::Forgotten => "forgotten",
            Self::Unanswered => "unanswered",
            Self::PeerCrashed => "peer_crashed",
            Self::TimedOut => "timed_out",
            Self::Expired => "expired",
            Self::Redirected(_) => "redirected",
            Self::Refused(_) => "refused",
        }
    }
}

/// Why a datagram was discarded. Tests forbid reasons; operators count them by [`name`](Self::name).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Discard {
    /// Its octets are not an IKE message.
    #[error("malformed: {0}")]
    Malformed(InvalidMessage),
    /// Major version other than 2; it was answered with INVALID_MAJOR_VERSION if a request.
    #[error("major version {0}")]
    MajorVersion(u8),
    /// No SA has this SPI.
    #[error("no SA has this SPI")]
    UnknownSpi,
    /// A request for an SPI that no SA has was answered with INVALID_IKE_SPI (RFC 7296 §2.21.4).
    #[error("no SA has this SPI, which was said")]
    UnknownSpiAnswered,
    /// IKE_SA_INIT is longer than any that is taken.
    #[error("IKE_SA_INIT is too long")]
    OversizedInit,
    /// IKE_SA_INIT fields contradict each other (RFC 7296 §2.6, §3.1).
    #[error("contradictory IKE_SA_INIT")]
    ContradictoryInit,
    /// IKE_SA_INIT was answered with an error notify.
    #[error("IKE_SA_INIT refused: {0}")]
    InitRefused(Refusal),
    /// IKE_SA_INIT was answered with a COOKIE (RFC 7296 §2.6).
    #[error("a cookie was demanded")]
    CookieSent,
    /// IKE_SA_INIT was answered with REDIRECT (RFC 5685 §3).
    #[error("redirected")]
    Redirected,
    /// An answer to IKE_SA_INIT redirects, and not with our nonce (RFC 5685 §3): not the responder's.
    #[error("redirected with another nonce")]
    ForgedRedirect,
    /// The source has its share of half-open or unauthenticated SAs, whatever cookie it has.
    #[error("too many half-open SAs of this source")]
    SourceLimited,
    /// The half-open table is full even for those with a cookie.
    #[error("too many half-open SAs")]
    HalfOpenTableFull,
    /// There are too many SAs whose peers are not authenticated.
    #[error("too many unauthenticated SAs")]
    NegotiatingTableFull,
    /// There are as many SAs as there may be ([`EndpointConfig::sa_limit`](crate::config::EndpointConfig::sa_limit)).
    #[error("as many SAs as there may be")]
    SaLimited,
    /// The message ID is behind the window.
    #[error("message ID behind the window")]
    OldMessageId,
    /// The message ID is ahead of the window, or its turn has not come yet.
    #[error("message ID ahead of the window")]
    AheadOfWindow,
    /// A repeated request is still being worked on.
    #[error("repeated request still being worked on")]
    InProgress,
    /// A repeated request was answered from the cache.
    #[error("repeated request, answered again")]
    Repeated,
    /// A further fragment of a repeated request, which its first fragment answers (RFC 7383 §2.6.1).
    #[error("further fragment of a repeated request")]
    RepeatedFragment,
    /// A repeated request came too fast to be answered again.
    #[error("repeated request, too fast to be answered")]
    RepeatLimited,
    /// A response to nothing that was asked.
    #[error("response to nothing that was asked")]
    UnexpectedResponse,
    /// The integrity check failed.
    #[error("integrity check failed")]
    Forged,
    /// A message that must be encrypted was not.
    #[error("not encrypted")]
    Unprotected,
    /// An error notify in clear was taken as a hint, and the peer asked for a sign of life
    /// (RFC 7296 §2.21.4).
    #[error("error in clear, taken as a hint")]
    Hint,
    /// A message in clear had a token in it which is not that of the SA (RFC 6290).
    #[error("a token that is not this SA's")]
    WrongToken,
    /// A fragment was kept for later. Of all that stand here this alone is not lost.
    #[error("fragment kept")]
    FragmentKept,
    /// A fragment was refused.
    #[error("fragment refused")]
    FragmentRefused,
    /// The fragments of an incomplete message were dropped: there are too many of all SAs together.
    #[error("fragments dropped, too many are kept")]
    FragmentsEvicted,
    /// The same octets came twice.
    #[error("duplicate")]
    Duplicate,
}

impl Discard {
    /// Every [`name`](Self::name) that there is.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Self::NAMES.iter().copied()
    }

    names! {
        pub fn name:
        Self::Malformed(_) => "malformed",
        Self::MajorVersion(_) => "major_version",
        Self::UnknownSpi => "unknown_spi",
        Self::UnknownSpiAnswered => "unknown_spi_answered",
        Self::OversizedInit => "oversized_init",
        Self::ContradictoryInit => "contradictory_init",
        Self::InitRefused(_) => "init_refused",
        Self::CookieSent => "cookie_sent",
        Self::Redirected => "redirected",
        Self::ForgedRedirect => "forged_redirect",
        Self::SourceLimited => "source_limited",
        Self::HalfOpenTableFull => "half_open_table_full",
        Self::NegotiatingTableFull => "negotiating_table_full",
        Self::SaLimited => "sa_limited",
        Self::OldMessageId => "old_message_id",
        Self::AheadOfWindow => "ahead_of_window",
        Self::InProgress => "in_progress",
        Self::Repeated => "repeated",
        Self::RepeatedFragment => "repeated_fragment",
        Self::RepeatLimited => "repeat_limited",
        Self::UnexpectedResponse => "unexpected_response",
        Self::Forged => "forged",
        Self::Unprotected => "unprotected",
        Self::Hint => "hint",
        Self::WrongToken => "wrong_token",
        Self::FragmentKept => "fragment_kept",
        Self::FragmentRefused => "fragment_refused",
        Self::FragmentsEvicted => "fragments_evicted",
        Self::Duplicate => "duplicate",
    }
}

/// What a Delete payload takes away (RFC 7296 §3.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// The IKE SA that the message belongs to.
    IkeSa,
    /// Child SAs.
    ChildSas {
        /// The first of their SPIs.
        first: u32,
        /// How many more there are.
        others: usize,
    },
}

/// A payload as `debug` lists it: its type, and which notify it is or what it deletes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayloadName {
    /// Its type.
    pub kind: PayloadType,
    /// The notify message type of a Notify payload.
    pub notify: Option<NotifyType>,
    /// What a Delete payload takes away; absent where that names nothing.
    pub deleted: Option<Deleted>,
}

impl From<PayloadType> for PayloadName {
    fn from(kind: PayloadType) -> Self {
        Self {
            kind,
            notify: None,
            deleted: None,
        }
    }
}

/// One step of an SA's life in typed form; `debug` renders it in IOS-XE's words.
#[derive(Clone)]
pub enum Trace {
    /// A message was received and its payloads are known.
    Received {
        /// Its way.
        path: Path,
        /// Its header.
        header: Header,
        /// Its payloads in order.
        payloads: Vec<PayloadName>,
        /// It was encrypted.
        protected: bool,
    },
    /// A message was built and sent.
    Sent {
        /// Its way.
        path: Path,
        /// Its header, as its first datagram has it.
        header: Header,
        /// Its payloads in order, before encryption.
        payloads: Vec<PayloadName>,
        /// It was encrypted.
        protected: bool,
        /// Into how many datagrams it was cut.
        datagrams: usize,
    },
    /// A vendor ID was recognised or not.
    VendorReceived(Vec<u8>),
    /// A vendor ID was sent.
    VendorSent(Vec<u8>),
    /// The IKE suite was chosen.
    SuiteChosen(IkeSuite),
    /// Keys were derived.
    KeysDerived,
    /// NAT detection ended.
    NatDetected {
        /// We are behind one.
        local: bool,
        /// The peer is behind one.
        remote: bool,
    },
    /// The state changed.
    State(&'static str),
    /// AUTH of the peer held.
    PeerVerified,
    /// The lifetime of the IKE SA is nearly over: it is to be rekeyed.
    GrowsOld,
    /// AUTH of the peer did not hold; which other keys would have matched.
    PeerRefused(&'static str),
    /// Configuration attributes of the peer.
    ConfigReceived(Vec<(u16, usize)>),
    /// Configuration attributes for the peer.
    ConfigSent(Vec<ConfigAttribute>),
    /// A request was sent again.
    Retransmitted {
        /// How often it had been sent before.
        attempt: u32,
    },
}

/// Keys for Wireshark's tables. Has no `Debug`.
pub enum KeyLog {
    /// An IKE SA's keys.
    Ike {
        /// The initiator's SPI.
        initiator_spi: InitiatorSpi,
        /// The responder's SPI.
        responder_spi: ResponderSpi,
        /// SK_ei, SK_er, SK_ai, SK_ar; the last two are empty with an AEAD.
        keys: Box<[SecretBytes; 4]>,
        /// The suite that they belong to.
        suite: IkeSuite,
    },
    /// One direction of a child SA.
    Esp {
        /// From where.
        source: SocketAddr,
        /// To where.
        destination: SocketAddr,
        /// The SPI.
        spi: u32,
        /// The transforms.
        suite: EspSuite,
        /// Encryption key (with an AEAD's salt) and integrity key (empty with an AEAD).
        keys: Box<[SecretBytes; 2]>,
    },
}
