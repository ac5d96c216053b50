//! IKE_SA_INIT in both roles (RFC 7296 §1.2, §2.6, §2.14), and what later exchanges need of it.

use alloc::{boxed::Box, sync::Arc, vec::Vec};

use crate::{
    authn::signed_octets,
    config::ConnectConfig,
    crypto::{
        KeyExchange, Role, SkeySeed,
        keys::{DerivationKey, RoleKeys},
        suite::{Group, IkeSuite, PrfAlgorithm},
    },
    event::{CloseReason, Event, Path, SaId, Trace},
    negotiate::proposal::{self, Chosen},
    refusal::{PeerIncompatible, PeerMisbehaved, Refusal},
    sa::{
        Cx, IkeSa, initiator,
        link::{Link, Parts, kinds},
        nat::{self, Nat},
        responder::Responder,
        signature,
        state::{Outcome, State, log_ike},
        traits::PeerTraits,
        window::{Due, Requests, Responses, Schedule},
    },
    secret::{SecretBytes, SharedSecret},
    wire::{
        header::{Flags, Header, InitiatorSpi, MessageId, ResponderSpi},
        message::write_message,
        payload::{
            CertificateRequest, KePayload, KnownVendor, Nonce, Notify, Payload, SaPayload, VendorId,
        },
        registry::{ExchangeType, GroupId, NotifyType, PayloadType},
    },
};

/// Octets of the nonces that we make; at least half the key size of any PRF (RFC 7296 §2.10).
const NONCE_LEN: usize = 32;

/// COOKIE and INVALID_KE_PAYLOAD are followed this often before the peer counts as misbehaving.
const INIT_RESTARTS: u32 = 5;

/// What IKE_SA_INIT leaves behind for AUTH and the keys of child SAs.
pub(crate) struct Handshake {
    request: Vec<u8>,
    response: Vec<u8>,
    pub(crate) ni: Vec<u8>,
    pub(crate) nr: Vec<u8>,
    pub(crate) derivation: DerivationKey,
    pub(crate) local_proof: SecretBytes,
    pub(crate) remote_proof: SecretBytes,
}

impl Handshake {
    /// The octets that our AUTH covers.
    pub(crate) fn local_octets(&self, role: Role, prf: PrfAlgorithm, id_body: &[u8]) -> Vec<u8> {
        self.octets(role, prf, &self.local_proof, id_body)
    }

    /// The octets that the peer's AUTH covers, the peer having the other role.
    pub(crate) fn remote_octets(&self, role: Role, prf: PrfAlgorithm, id_body: &[u8]) -> Vec<u8> {
        let theirs = match role {
            Role::Initiator => Role::Responder,
            Role::Responder => Role::Initiator,
        };
        self.octets(theirs, prf, &self.remote_proof, id_body)
    }

    fn octets(
        &self,
        signer: Role,
        prf: PrfAlgorithm,
        key: &SecretBytes,
        id_body: &[u8],
    ) -> Vec<u8> {
        let (message, nonce) = match signer {
            Role::Initiator => (&self.request, &self.nr),
            Role::Responder => (&self.response, &self.ni),
        };
        signed_octets(message, nonce, prf, key, id_body)
    }
}

/// The payloads of an IKE_SA_INIT message that neither role can do without.
struct Essentials<'a> {
    sa: &'a SaPayload,
    ke: &'a KePayload,
    nonce: &'a Nonce,
}

impl<'a> Essentials<'a> {
    fn read(payloads: &'a [Payload]) -> Result<Self, PeerMisbehaved> {
        let mut sa = None;
        let mut ke = None;
        let mut nonce = None;
        for payload in payloads {
            let repeated = match payload {
                Payload::Sa(one) => sa.replace(one).is_some(),
                Payload::Ke(one) => ke.replace(one).is_some(),
                Payload::Nonce(one) => nonce.replace(one).is_some(),
                _ => false,
            };
            if repeated {
                return Err(PeerMisbehaved::RepeatedPayload(payload.kind()));
            }
        }
        let missing = PeerMisbehaved::MissingPayload;
        Ok(Self {
            sa: sa.ok_or_else(|| missing(PayloadType::SA))?,
            ke: ke.ok_or_else(|| missing(PayloadType::KE))?,
            nonce: nonce.ok_or_else(|| missing(PayloadType::NONCE))?,
        })
    }
}

/// The notify of this type, if the message has one.
fn find(payloads: &[Payload], kind: NotifyType) -> Option<&Notify> {
    payloads.iter().find_map(|payload| match payload {
        Payload::Notify(said) if said.kind == kind => Some(said),
        _ => None,
    })
}

fn vendor_ids(list: &[Vec<u8>], cisco_fragmentation: bool) -> impl Iterator<Item = Payload> {
    let fragmentation = cisco_fragmentation.then(|| KnownVendor::Fragmentation.bytes().to_vec());
    fragmentation
        .into_iter()
        .chain(list.iter().cloned())
        .map(|octets| Payload::Vendor(VendorId(octets)))
}

fn status(kind: NotifyType) -> Payload {
    Payload::Notify(Notify::new(kind, Vec::new()))
}

/// SIGNATURE_HASH_ALGORITHMS (RFC 7427 §4).
fn signature_hashes() -> Payload {
    let numbers = crate::authn::signature::ANNOUNCED_HASHES
        .iter()
        .flat_map(|hash| hash.number().to_be_bytes());
    Payload::Notify(Notify::new(
        NotifyType::SIGNATURE_HASH_ALGORITHMS,
        numbers.collect(),
    ))
}

fn fresh_nonce(cx: &mut Cx<'_>) -> Result<Nonce, Refusal> {
    let mut nonce = [0; NONCE_LEN];
    cx.rng.fill(&mut nonce);
    Ok(Nonce::new(nonce.to_vec())?)
}

fn derive(
    suite: IkeSuite,
    secret: &SharedSecret,
    (ni, nr): (&[u8], &[u8]),
    spi_i: InitiatorSpi,
    spi_r: ResponderSpi,
    role: Role,
) -> RoleKeys {
    SkeySeed::initial(suite.prf, ni, nr, secret)
        .derive(suite, ni, nr, spi_i.get(), spi_r.get())
        .into_role(role)
}

// --- Responder ---

/// The cookie that a request carries and the nonce that it was made for, without judging the rest.
pub(crate) fn cookie_of(payloads: &[Payload]) -> Option<&[u8]> {
    find(payloads, NotifyType::COOKIE).map(|said| said.data.as_slice())
}

/// Ni, without judging the rest.
pub(crate) fn nonce_of(payloads: &[Payload]) -> Option<&[u8]> {
    payloads.iter().find_map(|payload| match payload {
        Payload::Nonce(nonce) => Some(nonce.as_bytes()),
        _ => None,
    })
}

/// Answers IKE_SA_INIT: negotiates, exchanges keys, and makes the half-open SA.
///
/// # Errors
///
/// What the peer is told statelessly; nothing is remembered of it.
pub(crate) fn respond(
    cx: &mut Cx<'_>,
    id: SaId,
    spi_r: ResponderSpi,
    path: Path,
    header: &Header,
    payloads: &[Payload],
    datagram: &[u8],
) -> Result<IkeSa, Refusal> {
    let essentials = Essentials::read(payloads)?;
    let config = Arc::clone(cx.config);
    let spi_i = header.initiator_spi;
    let force = config.nat.force_encapsulation;
    let nat = Nat::detect(payloads, spi_i, None, &path, force);
    if config.nat.encapsulation_required && !nat.supported {
        return Err(PeerIncompatible::NoNatDetection.into());
    }
    let proposals = config.proposals(path.local.ip());
    let chosen = proposal::choose_ike(proposals, essentials.sa, essentials.ke.group.0)?;
    let suite = chosen.suite;
    // Before any work is done for it: a public value has one length for each group.
    if essentials.ke.data.len() != suite.group.public_len() {
        return Err(PeerMisbehaved::BadKeyExchange.into());
    }
    let pair = cx
        .provider
        .key_exchange(suite.group, cx.rng)
        .map_err(|_| Refusal::Local("the key exchange could not be started"))?;
    let public = pair.public().to_vec();
    let secret = agree(pair, &essentials.ke.data)?;
    let traits = PeerTraits::read(payloads);
    let ni = essentials.nonce.as_bytes().to_vec();
    let nr = fresh_nonce(cx)?;
    let response = write_response(cx, spi_r, path, header, chosen, public, &nr, &traits);
    let keys = derive(
        suite,
        &secret,
        (&ni, nr.as_bytes()),
        spi_i,
        spi_r,
        Role::Responder,
    );
    let octets: Arc<[u8]> = Arc::from(response.as_slice());
    let mut link = Link::new(
        cx,
        Parts {
            id,
            role: Role::Responder,
            spi_i,
            spi_r,
            path,
            suite,
            traits,
            nat,
            inbound: keys.inbound,
            outbound: keys.outbound,
            fragmentation: config.fragmentation,
            responses: Responses::after_init(cx.now, Arc::clone(&octets)),
            requests: Requests::default(),
        },
    );
    link.deadline = Some(cx.now.after(config.half_open_timeout));
    cx.event(id, Event::HalfOpen);
    trace_init(cx, &link);
    log_ike(&link, cx);
    cx.transmit(path, octets);
    let handshake = Handshake {
        request: datagram.to_vec(),
        response,
        ni,
        nr: nr.as_bytes().to_vec(),
        derivation: keys.derivation,
        local_proof: keys.local_proof,
        remote_proof: keys.remote_proof,
    };
    let state = State::Responder(Box::new(Responder::HalfOpen(handshake)));
    Ok(IkeSa::Keyed {
        link: Box::new(link),
        state,
    })
}

fn agree(pair: Box<dyn KeyExchange>, public: &[u8]) -> Result<SharedSecret, Refusal> {
    pair.agree(public).map_err(|error| match error {
        crate::crypto::KexError::Provider { .. } => Refusal::Local("the key exchange failed"),
        _ => PeerMisbehaved::BadKeyExchange.into(),
    })
}

fn trace_init(cx: &mut Cx<'_>, link: &Link) {
    cx.trace(link.id, || Trace::SuiteChosen(link.suite));
    cx.trace(link.id, || Trace::NatDetected {
        local: link.nat.local,
        remote: link.nat.remote,
    });
    cx.trace(link.id, || Trace::KeysDerived);
}

#[expect(clippy::too_many_arguments, reason = "each goes into one payload")]
fn write_response(
    cx: &mut Cx<'_>,
    spi_r: ResponderSpi,
    path: Path,
    request: &Header,
    chosen: Chosen<IkeSuite>,
    public: Vec<u8>,
    nr: &Nonce,
    traits: &PeerTraits,
) -> Vec<u8> {
    let config = Arc::clone(cx.config);
    let spi_i = request.initiator_spi;
    let mut payloads = [
        Payload::Sa(proposal::answer_ike(chosen)),
        Payload::Ke(KePayload {
            group: GroupId(chosen.suite.group.number()),
            data: public,
        }),
        Payload::Nonce(nr.clone()),
    ]
    .to_vec();
    // The Cisco client wants its own vendor IDs back; others are not bothered with them.
    let cisco = config.fragmentation.cisco && traits.cisco_fragmentation;
    let own: &[Vec<u8>] = if traits.anyconnect {
        &config.vendor_ids
    } else {
        &[]
    };
    for octets in own {
        cx.trace(SaId(spi_r.get()), || Trace::VendorSent(octets.clone()));
    }
    payloads.extend(vendor_ids(own, cisco));
    let force = config.nat.force_encapsulation;
    payloads.extend(nat::announce(spi_i, Some(spi_r), &path, force, cx.rng));
    if !config.authorities.is_empty() {
        payloads.push(Payload::CertReq(CertificateRequest::x509(
            config.authorities.clone(),
        )));
    }
    // RFC 7383 §2.3, RFC 7427 §4: announced by the responder only to who announced it.
    if config.fragmentation.ietf && traits.ietf_fragmentation {
        payloads.push(status(NotifyType::IKEV2_FRAGMENTATION_SUPPORTED));
    }
    if traits.signature_hashes_sent {
        payloads.push(signature_hashes());
    }
    let header = Header::new(
        spi_i,
        Some(spi_r),
        ExchangeType::IKE_SA_INIT,
        Flags::new(false, true),
        MessageId(0),
    );
    let mut octets = Vec::new();
    write_message(&header, &payloads, &mut octets);
    cx.trace(SaId(spi_r.get()), || Trace::Sent {
        path,
        header,
        payloads: kinds(&payloads),
        protected: false,
        datagrams: 1,
    });
    octets
}

// --- Initiator ---

/// IKE_SA_INIT is out; nothing is agreed.
pub(crate) struct InitSent {
    pub(crate) id: SaId,
    pub(crate) config: Box<ConnectConfig>,
    spi_i: InitiatorSpi,
    group: Group,
    pair: Box<dyn KeyExchange>,
    nonce: Nonce,
    cookie: Option<Vec<u8>>,
    octets: Arc<[u8]>,
    schedule: Schedule,
    restarts: u32,
}

impl InitSent {
    /// Sends the first request.
    pub(crate) fn start(
        cx: &mut Cx<'_>,
        id: SaId,
        spi_i: InitiatorSpi,
        config: Box<ConnectConfig>,
    ) -> Result<Self, Refusal> {
        let group = config
            .proposals
            .iter()
            .flat_map(|proposal| proposal.groups.iter().copied())
            .next()
            .ok_or(Refusal::Local("no key exchange group is configured"))?;
        let pair = key_pair(cx, group)?;
        let nonce = fresh_nonce(cx)?;
        let mut sent = Self {
            id,
            config,
            spi_i,
            group,
            pair,
            nonce,
            cookie: None,
            octets: Arc::from([]),
            schedule: Schedule::start(cx.now, cx.config),
            restarts: 0,
        };
        sent.send(cx);
        Ok(sent)
    }

    fn send(&mut self, cx: &mut Cx<'_>) {
        let config = &self.config;
        let mut payloads = Vec::new();
        if let Some(cookie) = &self.cookie {
            // RFC 7296 §2.6: the cookie comes back first in an otherwise unchanged request.
            payloads.push(Payload::Notify(Notify::new(
                NotifyType::COOKIE,
                cookie.clone(),
            )));
        }
        payloads.push(Payload::Sa(proposal::offer_ike(&config.proposals)));
        payloads.push(Payload::Ke(KePayload {
            group: GroupId(self.group.number()),
            data: self.pair.public().to_vec(),
        }));
        payloads.push(Payload::Nonce(self.nonce.clone()));
        let force = config.force_encapsulation;
        payloads.extend(nat::announce(self.spi_i, None, &config.path, force, cx.rng));
        if config.fragmentation.ietf {
            payloads.push(status(NotifyType::IKEV2_FRAGMENTATION_SUPPORTED));
        }
        if config.signature_hashes {
            payloads.push(signature_hashes());
        }
        payloads.extend(vendor_ids(&config.vendor_ids, config.fragmentation.cisco));
        let header = Header::new(
            self.spi_i,
            None,
            ExchangeType::IKE_SA_INIT,
            Flags::new(true, false),
            MessageId(0),
        );
        let path = config.path;
        let mut octets = Vec::new();
        write_message(&header, &payloads, &mut octets);
        self.octets = Arc::from(octets);
        self.schedule = Schedule::start(cx.now, cx.config);
        cx.trace(self.id, || Trace::Sent {
            path,
            header,
            payloads: kinds(&payloads),
            protected: false,
            datagrams: 1,
        });
        cx.transmit(path, Arc::clone(&self.octets));
    }

    /// When the request is to be sent again.
    pub(crate) const fn deadline(&self) -> crate::event::Instant {
        self.schedule.next()
    }

    /// The instant has come.
    pub(crate) fn timeout(mut self: Box<Self>, cx: &mut Cx<'_>) -> Option<IkeSa> {
        match self.schedule.due(cx.now) {
            Due::Later => {}
            Due::Again(attempt) => {
                cx.trace(self.id, || Trace::Retransmitted { attempt });
                cx.transmit(self.config.path, Arc::clone(&self.octets));
            }
            Due::Never => {
                cx.event(self.id, Event::Closed(CloseReason::Unanswered));
                return None;
            }
        }
        Some(IkeSa::Starting(self))
    }

    /// The answer, in clear and from nobody proven.
    pub(crate) fn response(
        mut self: Box<Self>,
        cx: &mut Cx<'_>,
        path: Path,
        header: &Header,
        payloads: &[Payload],
        datagram: &[u8],
    ) -> Option<IkeSa> {
        cx.trace(self.id, || Trace::Received {
            path,
            header: *header,
            payloads: kinds(payloads),
            protected: false,
        });
        let id = self.id;
        let result = if let Some(said) = find(payloads, NotifyType::COOKIE) {
            self.cookie = Some(said.data.clone());
            self.restart(cx)
        } else if let Some(said) = find(payloads, NotifyType::INVALID_KE_PAYLOAD) {
            self.other_group(cx, said)
        } else if let Some(said) = payloads.iter().find_map(|payload| match payload {
            Payload::Notify(said) if said.kind.is_error() => Some(said.kind),
            _ => None,
        }) {
            Err(Refusal::ByPeer(said))
        } else {
            self.agreed(cx, header, payloads, datagram)
        };
        match result {
            Ok(sa) => Some(sa),
            Err(refusal) => {
                cx.event(id, Event::Closed(CloseReason::Refused(refusal)));
                None
            }
        }
    }

    /// RFC 7296 §2.6.1, §2.21.1: a responder that never ends asking is not followed.
    fn restart(mut self: Box<Self>, cx: &mut Cx<'_>) -> Result<IkeSa, Refusal> {
        self.restarts = self.restarts.saturating_add(1);
        if self.restarts > INIT_RESTARTS {
            return Err(PeerMisbehaved::EndlessInit.into());
        }
        self.send(cx);
        Ok(IkeSa::Starting(self))
    }

    /// RFC 7296 §1.2: the group must be one that was offered; everything else stays as it was.
    fn other_group(mut self: Box<Self>, cx: &mut Cx<'_>, said: &Notify) -> Result<IkeSa, Refusal> {
        let wanted = <[u8; 2]>::try_from(said.data.as_slice())
            .ok()
            .and_then(|octets| Group::from_number(u16::from_be_bytes(octets)))
            .filter(|&group| {
                let mut offered = self.config.proposals.iter();
                group != self.group && offered.any(|one| one.groups.contains(&group))
            })
            .ok_or(PeerMisbehaved::SelectedUnoffered)?;
        self.pair = key_pair(cx, wanted)?;
        self.group = wanted;
        self.restart(cx)
    }

    fn agreed(
        self,
        cx: &mut Cx<'_>,
        header: &Header,
        payloads: &[Payload],
        datagram: &[u8],
    ) -> Result<IkeSa, Refusal> {
        let sent = self;
        let spi_r = header
            .responder_spi
            .ok_or(PeerMisbehaved::UnexpectedExchange)?;
        let essentials = Essentials::read(payloads)?;
        let suite = proposal::accept_ike(&sent.config.proposals, essentials.sa)?;
        if suite.group != sent.group || essentials.ke.group.0 != sent.group.number() {
            return Err(PeerMisbehaved::SelectedUnoffered.into());
        }
        let secret = agree(sent.pair, &essentials.ke.data)?;
        let ni = sent.nonce.as_bytes().to_vec();
        let nr = essentials.nonce.as_bytes().to_vec();
        let keys = derive(
            suite,
            &secret,
            (&ni, &nr),
            sent.spi_i,
            spi_r,
            Role::Initiator,
        );
        let config = sent.config;
        let nat = Nat::detect(
            payloads,
            sent.spi_i,
            Some(spi_r),
            &config.path,
            config.force_encapsulation,
        );
        // RFC 7296 §2.23: with a NAT found, or by choice, the initiator moves to port 4500.
        let path = if nat.supported && (nat.found() || config.always_float) {
            config.float_path
        } else {
            config.path
        };
        let mut link = Link::new(
            cx,
            Parts {
                id: sent.id,
                role: Role::Initiator,
                spi_i: sent.spi_i,
                spi_r,
                path,
                suite,
                traits: PeerTraits::read(payloads),
                nat,
                inbound: keys.inbound,
                outbound: keys.outbound,
                fragmentation: config.fragmentation,
                responses: Responses::default(),
                requests: Requests::after_init(),
            },
        );
        trace_init(cx, &link);
        log_ike(&link, cx);
        let handshake = Handshake {
            request: sent.octets.to_vec(),
            response: datagram.to_vec(),
            ni,
            nr,
            derivation: keys.derivation,
            local_proof: keys.local_proof,
            remote_proof: keys.remote_proof,
        };
        match initiator::start(&mut link, cx, handshake, config)? {
            Outcome::Go(state) => Ok(IkeSa::Keyed {
                link: Box::new(link),
                state,
            }),
            Outcome::Gone => Err(Refusal::Local("the SA ended at once")),
        }
    }
}

fn key_pair(cx: &mut Cx<'_>, group: Group) -> Result<Box<dyn KeyExchange>, Refusal> {
    cx.provider
        .key_exchange(group, cx.rng)
        .map_err(|_| Refusal::Local("the key exchange could not be started"))
}

/// The authorities that this side takes, as a CERTREQ.
pub(crate) fn certificate_request(authorities: &[[u8; 20]]) -> Option<Payload> {
    (!authorities.is_empty())
        .then(|| Payload::CertReq(CertificateRequest::x509(authorities.to_vec())))
}

/// How an AUTH payload with a signature is made for this peer.
pub(crate) fn auth_form(link: &Link) -> Result<signature::AuthForm, PeerIncompatible> {
    signature::AuthForm::for_peer(&link.traits, link.suite.prf)
}
