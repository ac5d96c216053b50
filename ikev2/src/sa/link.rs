//! What every keyed IKE SA has whatever its state: SPIs, keys, windows, fragmentation, the path.
//!
//! A datagram goes through [`Link::receive`] before any state sees it: header and window first, then the
//! frame of its encrypted payload, the integrity check, and parsing last (cheap refusals before costly ones).

mod open;

use alloc::{sync::Arc, vec::Vec};

use zeroize::Zeroizing;

use self::open::Unsealed;
use crate::{
    config::FragmentationConfig,
    counters::{Purpose, more},
    crash_detection::Token,
    crypto::{
        Hash,
        cipher::MessageKeys,
        hash::digest,
        keys::Role,
        suite::{IkeSuite, Protection},
    },
    event::{Deleted, Discard, Event, Framing, Instant, Path, PayloadName, SaId, Trace},
    proof::Authentic,
    refusal::Refusal,
    sa::{
        Cx,
        nat::Nat,
        reassembly::{Incomplete, Reassembly},
        traits::PeerTraits,
        window::{Admit, Due, Fingerprint, Pace, Queued, Request, Requests, Responses},
    },
    wire::{
        covered_of_received, covered_of_sent,
        fragment::{self, CISCO_FRAGMENT_DATA},
        header::{Flags, Header, InitiatorSpi, MessageId, ResponderSpi},
        message::{PartialMessage, parse_chain, write_chain},
        payload::{Delete, Notify, Payload},
        registry::{ExchangeType, NotifyType, ProtocolId},
        sk::{self, SkShape},
    },
};

/// The smallest MTU of IPv6 (RFC 8200 §5), in octets.
const IPV6_FRAGMENT_MTU: u16 = 1_280;

/// An IKE message longer than this is cut in Cisco's way, if that is agreed (docs/anyconnect-eap.md).
const CISCO_WHOLE_LIMIT: usize = 1_248;

/// The number of every set of Cisco's fragments; sets are told apart by the header.
const CISCO_FRAGMENT_ID: u16 = 1;

/// IPv4 or IPv6 header, UDP header and non-ESP marker in front of an IKE message, at most.
const fn overhead(path: &Path) -> usize {
    const UDP_AND_MARKER: usize = 8 + 4;
    if path.remote.is_ipv4() {
        20 + UDP_AND_MARKER
    } else {
        40 + UDP_AND_MARKER
    }
}

/// The form in which a message too long for a datagram travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Form {
    /// RFC 7383.
    Ietf,
    /// Cisco's, over the encrypted message.
    Cisco,
}

/// Everything about a keyed IKE SA but its state.
pub(crate) struct Link {
    pub(crate) id: SaId,
    pub(crate) role: Role,
    pub(crate) spi_i: InitiatorSpi,
    pub(crate) spi_r: ResponderSpi,
    pub(crate) path: Path,
    pub(crate) suite: IkeSuite,
    pub(crate) traits: PeerTraits,
    pub(crate) nat: Nat,
    /// Both ends speak MOBIKE (RFC 4555).
    pub(crate) mobike: bool,
    /// Where the request came from that is being worked on: its answer goes back there (RFC 7296 §2.11).
    pub(crate) asked_from: Path,
    /// What that request is for, if it could be read.
    asked_for: Option<Purpose>,
    pub(crate) created: Instant,
    pub(crate) responses: Responses,
    pub(crate) requests: Requests,
    /// How many requests the peer may have outstanding; 1 until it has been told otherwise.
    pub(crate) window: u32,
    /// The peer has yet to be told of a larger window: this IKE SA has replaced another.
    untold: bool,
    /// We are the initiator of the IKE SA that was the first one.
    began: bool,
    /// When something was last sent to where the peer is.
    pub(crate) sent: Instant,
    /// When the state gives up waiting.
    pub(crate) deadline: Option<Instant>,
    /// The owner has been told of the end, and is told nothing more.
    pub(crate) over: bool,
    /// By what the peer will show that it has lost this SA (RFC 6290).
    // RFC 6290 §3#1, §5.3#1: it is kept with the IKE SA, and goes with it.
    pub(crate) token: Option<Token>,
    inbound: MessageKeys,
    /// What the peer's messages were sealed with before its last request changed the keys.
    former: Option<MessageKeys>,
    outbound: MessageKeys,
    fragmentation: FragmentationConfig,
    last_form: Option<Form>,
    reassembly: Reassembly,
}

/// What a new link is made of.
pub(crate) struct Parts {
    pub(crate) id: SaId,
    pub(crate) role: Role,
    pub(crate) spi_i: InitiatorSpi,
    pub(crate) spi_r: ResponderSpi,
    pub(crate) path: Path,
    pub(crate) suite: IkeSuite,
    pub(crate) traits: PeerTraits,
    pub(crate) nat: Nat,
    pub(crate) inbound: MessageKeys,
    pub(crate) outbound: MessageKeys,
    pub(crate) fragmentation: FragmentationConfig,
    pub(crate) responses: Responses,
    pub(crate) requests: Requests,
}

/// A message of the peer that passed the integrity check.
pub(crate) struct Opened {
    pub(crate) exchange: ExchangeType,
    pub(crate) payloads: Result<Vec<Payload>, Refusal>,
    /// What AUTH will cover of it, if it is IKE_INTERMEDIATE (RFC 9242 §3.3.2).
    pub(crate) covered: Option<Vec<u8>>,
}

/// What a datagram turned out to be.
pub(crate) enum Received {
    /// The next request, which is now being worked on.
    Request(Opened),
    /// The answer to our outstanding request.
    Response(Opened),
    /// Nothing for the state.
    Nothing(Discard),
}

impl Link {
    pub(crate) fn new(cx: &Cx<'_>, parts: Parts) -> Self {
        Self {
            id: parts.id,
            role: parts.role,
            spi_i: parts.spi_i,
            spi_r: parts.spi_r,
            path: parts.path,
            suite: parts.suite,
            traits: parts.traits,
            nat: parts.nat,
            mobike: false,
            asked_from: parts.path,
            asked_for: None,
            created: cx.now,
            responses: parts.responses,
            requests: parts.requests,
            window: 1,
            untold: false,
            began: parts.role == Role::Initiator,
            sent: cx.now,
            deadline: None,
            over: false,
            token: None,
            inbound: parts.inbound,
            former: None,
            outbound: parts.outbound,
            fragmentation: parts.fragmentation,
            last_form: None,
            reassembly: Reassembly::default(),
        }
    }

    /// The SPI that we chose.
    pub(crate) const fn our_spi(&self) -> u64 {
        match self.role {
            Role::Initiator => self.spi_i.get(),
            Role::Responder => self.spi_r.get(),
        }
    }

    /// The SPI that the peer chose.
    pub(crate) const fn peer_spi(&self) -> u64 {
        match self.role {
            Role::Initiator => self.spi_r.get(),
            Role::Responder => self.spi_i.get(),
        }
    }

    /// RFC 7296 §2.18#4: in an IKE SA that replaces this one message IDs begin at 0 and the window is 1 in
    /// both directions; what was announced and found in IKE_SA_INIT stays.
    pub(crate) fn successor(
        &self,
        cx: &Cx<'_>,
        role: Role,
        (spi_i, spi_r): (InitiatorSpi, ResponderSpi),
        suite: IkeSuite,
        inbound: MessageKeys,
        outbound: MessageKeys,
    ) -> Self {
        let mut new = Self::new(
            cx,
            Parts {
                id: self.id,
                role,
                spi_i,
                spi_r,
                path: self.path,
                suite,
                traits: self.traits.clone(),
                nat: self.nat,
                inbound,
                outbound,
                fragmentation: self.fragmentation,
                responses: Responses::default(),
                requests: Requests::default(),
            },
        );
        new.untold = true;
        new.began = self.began;
        new.sent = self.sent;
        new.last_form = self.last_form;
        new.mobike = self.mobike;
        new
    }

    /// The forms that both sides announced.
    fn agreed(&self, form: Form) -> bool {
        match form {
            // RFC 7383 §2.4#1: only where both ends have announced it.
            Form::Ietf => self.fragmentation.ietf && self.traits.ietf_fragmentation,
            Form::Cisco => self.fragmentation.cisco && self.traits.cisco_fragmentation,
        }
    }

    /// The form that is used when a message is too long: the one that the peer used last, before
    /// any RFC 7383's; only what both announced.
    pub(crate) fn form(&self) -> Option<Form> {
        self.last_form
            .into_iter()
            .chain([Form::Ietf, Form::Cisco])
            .find(|&form| self.agreed(form))
    }

    /// The keys for a capture's reader: inbound and outbound.
    pub(crate) const fn message_keys(&self) -> (&MessageKeys, &MessageKeys) {
        (&self.inbound, &self.outbound)
    }

    /// The earliest instant at which something is due.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        [
            self.deadline,
            self.requests.deadline(),
            self.reassembly.deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Drops fragments whose rest has not come in time.
    pub(crate) fn expire_fragments(&mut self, now: Instant) {
        self.reassembly.expire(now);
    }

    /// The messages that are not whole yet.
    pub(crate) fn incomplete(&self) -> impl Iterator<Item = Incomplete> {
        self.reassembly.incomplete()
    }

    /// Drops a message that is not whole yet; its sender will say it again.
    pub(crate) fn drop_incomplete(&mut self, response: bool, form: Form) {
        self.reassembly.drop_incomplete(response, form);
    }

    fn header(&self, exchange: ExchangeType, id: u32, response: bool) -> Header {
        Header::new(
            self.spi_i,
            Some(self.spi_r),
            exchange,
            Flags::new(self.role == Role::Initiator, response),
            MessageId(id),
        )
    }

    /// Takes a datagram that was routed to this SA.
    pub(crate) fn receive(&mut self, cx: &mut Cx<'_>, path: Path, datagram: &[u8]) -> Received {
        let header = match Header::peek(datagram) {
            Ok(header) => header,
            Err(error) => return Received::Nothing(Discard::Malformed(error)),
        };
        let id = header.message_id.0;
        // RFC 7296 §3.1#17-18: the I flag says who sent the message; it must be the other side.
        if header.flags.is_initiator() == (self.role == Role::Initiator) {
            return Received::Nothing(Discard::UnknownSpi);
        }
        let response = header.flags.is_response();
        let mut ahead = false;
        if response {
            let awaited = self.requests.awaits(id, header.exchange);
            // RFC 7296 §3.1#14: an answer is never answered.
            if !awaited {
                return Received::Nothing(Discard::UnexpectedResponse);
            }
        } else {
            match self.responses.admit(id, self.window) {
                Admit::Fresh => {}
                Admit::Ahead => ahead = true,
                Admit::Repeat => return Received::Nothing(self.repeat(cx, path, id, datagram)),
                Admit::Discard(reason) => return Received::Nothing(reason),
            }
        }
        let unsealed = PartialMessage::parse_sealed(datagram)
            .map_err(Discard::Malformed)
            .and_then(|message| self.open(cx.now, &message, ahead));
        let Unsealed {
            first,
            content,
            head,
            beginning,
            proof,
        } = match unsealed {
            Ok(Some(unsealed)) => unsealed,
            Ok(None) => return Received::Nothing(Discard::FragmentKept),
            Err(discard) => return Received::Nothing(discard),
        };
        let mut payloads = parse_chain(first, &content).map_err(Refusal::from);
        cx.counters
            .received(&header, payloads.as_deref().unwrap_or_default());
        // Of a request that cannot be read nobody knows what it is for.
        let purpose = if response {
            self.requests.purpose(id)
        } else {
            let read = payloads.as_deref().ok();
            read.and_then(|payloads| Purpose::of(header.exchange, payloads))
        };
        if let Some(purpose) = purpose {
            cx.counters.exchanged(purpose, false, response);
        }
        cx.trace(self.id, || Trace::Received {
            path,
            header,
            payloads: kinds(payloads.as_deref().unwrap_or_default()),
            protected: true,
        });
        if let Ok(payloads) = &mut payloads {
            self.read_window(payloads);
            self.read_token(cx, header.exchange, payloads);
        }
        if ahead {
            // RFC 7296 §2.3: it is authentic and within the window; its turn comes.
            if payloads.is_ok() {
                let request = Request {
                    path,
                    exchange: header.exchange,
                    first,
                    content,
                    beginning,
                };
                self.responses.keep(id, request);
                self.follow(cx, path, proof);
            }
            return Received::Nothing(Discard::AheadOfWindow);
        }
        if !response {
            // RFC 7296 §2.11#1-2, §2.23#2-3: the answer goes to where the request came from, whatever
            // its port.
            self.asked_from = path;
            self.asked_for = purpose;
            self.follow(cx, path, proof);
            // Whoever asks for the next thing has had the answer that changed the keys.
            self.former = None;
        }
        let opened = Opened {
            exchange: header.exchange,
            payloads,
            covered: (header.exchange == ExchangeType::IKE_INTERMEDIATE)
                .then(|| covered_of_received(&head, &content))
                .flatten(),
        };
        if response {
            self.requests.conclude(id);
            Received::Response(opened)
        } else {
            self.responses.begin(beginning);
            Received::Request(opened)
        }
    }

    /// RFC 7296 §2.3: how many of our requests the peer takes at once. A notify of another form says nothing.
    fn read_window(&mut self, payloads: &[Payload]) {
        let said = payloads.iter().find_map(|payload| match payload {
            Payload::Notify(said) if said.kind == NotifyType::SET_WINDOW_SIZE => {
                <[u8; 4]>::try_from(said.data.as_slice()).ok()
            }
            _ => None,
        });
        if let Some(octets) = said {
            self.requests.announce(u32::from_be_bytes(octets));
        }
    }

    /// The peer's token of this IKE SA, or a newer one in its place (RFC 6290 §4.2). In CREATE_CHILD_SA it is that
    /// of another SA.
    // RFC 6290 §4.4#2: every INFORMATIONAL message may bring a new one.
    fn read_token(&mut self, cx: &Cx<'_>, exchange: ExchangeType, payloads: &mut [Payload]) {
        if [ExchangeType::IKE_AUTH, ExchangeType::INFORMATIONAL].contains(&exchange)
            && let Some(token) = cx.config.crash_detection.take(payloads)
        {
            self.token = Some(token);
        }
    }

    /// The notify with our own token of this IKE SA, if we make tokens.
    pub(crate) fn own_token(&self, cx: &Cx<'_>) -> Option<Payload> {
        let (spi_i, spi_r) = (self.spi_i.get(), self.spi_r.get());
        let made = cx.config.crash_detection.notify(self.role, spi_i, spi_r);
        made.map(Payload::Notify)
    }

    /// RFC 7296 §2.23#16-18: whoever sends authentic new requests from elsewhere has moved there, when they come here and
    /// not when it is their turn.
    fn follow(&mut self, cx: &mut Cx<'_>, path: Path, _proof: Authentic) {
        // RFC 4555 §3.8#4: with MOBIKE the peer says where it is, and nothing else moves it in IKE.
        if self.mobike {
            return;
        }
        // RFC 7296 §2.23: an end behind a NAT does not follow, for then anybody who can replay a message from elsewhere could
        // lead it astray. The responder does all the same: behind a port forwarding it is found where it was, and its peers
        // are clients, whose NATs give them other addresses; what it follows is authentic and new.
        if self.began && self.nat.local {
            return;
        }
        // Whoever has moved to port 4500 does not go back to 500 (RFC 7296 §2.23).
        let back = self.path.framing == Framing::Marked && path.framing == Framing::Bare;
        if path != self.path && !back {
            self.path = path;
            let udp_encapsulation = self.nat.udp_encapsulation();
            let moved = Event::PeerMoved {
                path,
                udp_encapsulation,
            };
            if !self.over {
                cx.event(self.id, moved);
            }
        }
    }

    /// A key exchange has given the SA new keys, for all messages to come (RFC 9242 §3.3.1).
    pub(crate) fn change_keys(&mut self, inbound: MessageKeys, outbound: MessageKeys) {
        let former = core::mem::replace(&mut self.inbound, inbound);
        // Only requests are repeated, and here only those of the initiator.
        self.former = (self.role == Role::Responder).then_some(former);
        self.outbound = outbound;
    }

    /// What AUTH will cover of the IKE_INTERMEDIATE message that is sent next (RFC 9242 §3.3.2).
    pub(crate) fn covers(&self, response: bool, payloads: &[Payload]) -> Vec<u8> {
        let id = if response {
            self.responses.expected()
        } else {
            self.requests.next()
        };
        let mut content = Vec::new();
        let first = write_chain(payloads, &mut content);
        let header = self.header(ExchangeType::IKE_INTERMEDIATE, id, response);
        covered_of_sent(&header, first, &content)
    }

    /// The kept request whose turn has come.
    pub(crate) fn next_kept(&mut self) -> Option<Opened> {
        let request = self.responses.next_kept()?;
        self.asked_from = request.path;
        self.responses.begin(request.beginning);
        let payloads = parse_chain(request.first, &request.content).map_err(Refusal::from);
        let read = payloads.as_deref().ok();
        self.asked_for = read.and_then(|payloads| Purpose::of(request.exchange, payloads));
        Some(Opened {
            exchange: request.exchange,
            payloads,
            covered: None,
        })
    }

    /// Whether one of the two ends has used up its message IDs, but for the one of a last request of ours.
    pub(crate) const fn is_used_up(&self) -> bool {
        self.responses.is_spent() || self.requests.next() == u32::MAX
    }

    /// RFC 7296 §2.3#1, §2.18#4: an IKE SA that replaces another begins with a window of 1 whatever was said before, so
    /// the first answer on it says again how many requests the peer may have outstanding.
    pub(crate) fn announce_window(&mut self, cx: &Cx<'_>, answer: &mut Vec<Payload>) {
        if core::mem::take(&mut self.untold) && cx.config.window > 1 {
            answer.push(window_size(cx));
            self.window = cx.config.window;
        }
    }

    /// Answers the request that is being worked on by what was wrong with it. Says whether that ends the IKE SA.
    ///
    /// RFC 7296 §2.21.3#1, §3.10.1#4: an error in an authentic request is answered, and INVALID_SYNTAX ends the IKE SA at
    /// both ends without a Delete.
    pub(crate) fn respond_error(
        &mut self,
        cx: &mut Cx<'_>,
        exchange: ExchangeType,
        refusal: &Refusal,
    ) -> Result<bool, Refusal> {
        let said = refusal.notify(exchange);
        let fatal = said
            .as_ref()
            .is_some_and(|said| said.kind == NotifyType::INVALID_SYNTAX);
        let said = said.map(Payload::Notify);
        self.respond(cx, exchange, said.as_slice())?;
        Ok(fatal)
    }

    /// Sends a datagram.
    fn transmit(&mut self, cx: &mut Cx<'_>, path: Path, octets: Arc<[u8]>) {
        if path == self.path {
            self.sent = cx.now;
        }
        cx.transmit(path, octets);
    }

    /// Answers the request that is being worked on and remembers the answer.
    pub(crate) fn respond(
        &mut self,
        cx: &mut Cx<'_>,
        exchange: ExchangeType,
        payloads: &[Payload],
    ) -> Result<(), Refusal> {
        let id = self.responses.expected();
        let datagrams = self.seal(cx, exchange, id, true, payloads)?;
        if let Some(purpose) = self.asked_for.take() {
            cx.counters.exchanged(purpose, true, true);
        }
        for octets in &datagrams {
            self.transmit(cx, self.asked_from, Arc::clone(octets));
        }
        self.responses
            .answer(cx.now, self.asked_from, datagrams, self.window);
        Ok(())
    }

    /// Sends a request, at once or when the outstanding one has been answered.
    pub(crate) fn request(
        &mut self,
        cx: &mut Cx<'_>,
        exchange: ExchangeType,
        payloads: Vec<Payload>,
    ) -> Result<(), Refusal> {
        self.request_at(cx, exchange, payloads, Pace::Usual)
    }

    /// As [`request`](Self::request), sent again at this pace.
    pub(crate) fn request_at(
        &mut self,
        cx: &mut Cx<'_>,
        exchange: ExchangeType,
        payloads: Vec<Payload>,
        pace: Pace,
    ) -> Result<(), Refusal> {
        self.requests.push(Queued {
            exchange,
            payloads,
            pace,
        });
        self.pump(cx)
    }

    /// Sends the next queued request if the window allows.
    pub(crate) fn pump(&mut self, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        while let Some(queued) = self.requests.pop_ready() {
            let id = self.requests.next();
            let purpose = Purpose::of(queued.exchange, &queued.payloads);
            let datagrams = self.seal(cx, queued.exchange, id, false, &queued.payloads)?;
            if let Some(purpose) = purpose {
                cx.counters.exchanged(purpose, true, false);
            }
            for octets in &datagrams {
                self.transmit(cx, self.path, Arc::clone(octets));
            }
            let sent = (queued.exchange, purpose, queued.pace);
            self.requests.sent(cx.now, cx.config, sent, datagrams);
        }
        Ok(())
    }

    /// Sends what waits for its answer again now, the way that the SA takes now.
    pub(crate) fn send_again(&mut self, cx: &mut Cx<'_>) {
        for octets in self.requests.datagrams() {
            cx.transmit(self.path, Arc::clone(octets));
            self.sent = cx.now;
        }
    }

    /// Sends again what is due. `false` when the peer has not answered for too long.
    pub(crate) fn retransmit(&mut self, cx: &mut Cx<'_>) -> bool {
        while let Some((due, datagrams)) = self.requests.due(cx.now) {
            let Due::Again(attempt) = due else {
                more(if self.requests.awaited_a_sign_of_life() {
                    &mut cx.counters.unanswered_probes
                } else {
                    &mut cx.counters.unanswered
                });
                return false;
            };
            more(&mut cx.counters.retransmitted);
            cx.trace(self.id, || Trace::Retransmitted { attempt });
            for octets in datagrams {
                self.transmit(cx, self.path, octets);
            }
        }
        true
    }

    /// The largest IP datagram of an RFC 7383 fragment on the path in use, in octets.
    fn fragment_size(&self) -> usize {
        let mtu = self.fragmentation.mtu;
        // RFC 7383 §2.5.1: every link of IPv6 takes 1280 octets, so less is never needed there.
        usize::from(if self.path.remote.ip().to_canonical().is_ipv6() {
            mtu.max(IPV6_FRAGMENT_MTU)
        } else {
            mtu
        })
    }

    /// Encrypts a message and cuts it if it must be.
    fn seal(
        &mut self,
        cx: &mut Cx<'_>,
        exchange: ExchangeType,
        id: u32,
        response: bool,
        payloads: &[Payload],
    ) -> Result<Vec<Arc<[u8]>>, Refusal> {
        const FAILED: Refusal = Refusal::Local("a message could not be encrypted");
        let header = self.header(exchange, id, response);
        let mut content = Zeroizing::new(Vec::new());
        let first = write_chain(payloads, &mut content);
        let shape = shape(self.outbound.protection());
        let whole_len = shape.message_len(0, content.len());
        let datagram = whole_len.saturating_add(overhead(&self.path));
        let form = self.form().filter(|form| match form {
            Form::Ietf => datagram > self.fragment_size(),
            Form::Cisco => whole_len > CISCO_WHOLE_LIMIT,
        });
        let datagrams: Vec<Arc<[u8]>> = if form == Some(Form::Ietf) {
            let budget = self.fragment_size().saturating_sub(overhead(&self.path));
            let frames = fragment::cut_skf(&header, &[], first, &content, budget, shape)
                .map_err(|_| FAILED)?;
            let mut sealed = Vec::with_capacity(frames.len());
            for mut frame in frames {
                let (aad, body) = frame.aad_and_sealed();
                self.outbound.seal(cx.rng, aad, body).map_err(|_| FAILED)?;
                sealed.push(Arc::from(frame.into_message()));
            }
            sealed
        } else {
            let mut frame =
                sk::SkFrame::encrypted(&header, &[], first, &content, shape).map_err(|_| FAILED)?;
            let (aad, body) = frame.aad_and_sealed();
            self.outbound.seal(cx.rng, aad, body).map_err(|_| FAILED)?;
            let whole = frame.into_message();
            if form == Some(Form::Cisco) {
                fragment::cut_cisco(&whole, CISCO_FRAGMENT_ID, CISCO_FRAGMENT_DATA)
                    .map_err(|_| FAILED)?
                    .into_iter()
                    .map(Arc::from)
                    .collect()
            } else {
                [Arc::from(whole)].to_vec()
            }
        };
        let (path, count) = (self.path, datagrams.len());
        // As it stands on the wire: only there the next payload and the length are filled in.
        let sent = datagrams.first().map(|first| Header::peek(first));
        let header = sent.and_then(Result::ok).unwrap_or(header);
        cx.counters.sent(&header, payloads);
        cx.trace(self.id, || Trace::Sent {
            path,
            header,
            payloads: kinds(payloads),
            protected: true,
            datagrams: count,
        });
        Ok(datagrams)
    }
}

/// How many requests the peer may have outstanding (RFC 7296 §2.3#1: the number has four octets).
pub(crate) fn window_size(cx: &Cx<'_>) -> Payload {
    let octets = cx.config.window.to_be_bytes().to_vec();
    Payload::Notify(Notify::new(NotifyType::SET_WINDOW_SIZE, octets))
}

/// The sizes that the codec lays a message out with.
const fn shape(protection: Protection) -> SkShape {
    SkShape {
        iv_len: protection.iv_len(),
        block: protection.block_len(),
        icv_len: protection.icv_len(),
    }
}

/// These payloads' names in order.
pub(crate) fn kinds(payloads: &[Payload]) -> Vec<PayloadName> {
    payloads
        .iter()
        .map(|payload| PayloadName {
            kind: payload.kind(),
            notify: match payload {
                Payload::Notify(said) => Some(said.kind),
                _ => None,
            },
            deleted: match payload {
                Payload::Delete(delete) => deleted(delete),
                _ => None,
            },
        })
        .collect()
}

fn deleted(delete: &Delete) -> Option<Deleted> {
    if delete.protocol == ProtocolId::IKE {
        return Some(Deleted::IkeSa);
    }
    let (first, others) = delete.spis.split_first()?;
    let first = <[u8; 4]>::try_from(first.as_slice()).ok()?;
    Some(Deleted::ChildSas {
        first: u32::from_be_bytes(first),
        others: others.len(),
    })
}

/// The fingerprint of a datagram.
pub(crate) fn fingerprint(datagram: &[u8]) -> Fingerprint {
    let digest = digest(Hash::Sha2_256, &[datagram]);
    Fingerprint::try_from(digest.as_slice()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delete_is_named_by_what_it_takes_away() {
        let deleted = |delete| {
            let names = kinds(&[Payload::Delete(delete)]);
            names.iter().map(|name| name.deleted).collect::<Vec<_>>()
        };
        assert_eq!(deleted(Delete::ike_sa()), [Some(Deleted::IkeSa)]);
        let (one, other) = ([0xA1, 0x53, 0xCF, 0x67], [0, 0, 0, 1]);
        for (spis, others) in [(vec![one], 0), (vec![one, other, other], 2)] {
            let first = 0xA153_CF67;
            let expected = Deleted::ChildSas { first, others };
            assert_eq!(deleted(Delete::esp(&spis)), [Some(expected)]);
        }
        assert_eq!(deleted(Delete::esp(&[])), [None]);
    }
}
