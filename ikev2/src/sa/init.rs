//! IKE_SA_INIT as the responder, what both roles need for it, and what it leaves for later exchanges
//! (RFC 7296 §1.2, §2.6, §2.14).

use alloc::{boxed::Box, sync::Arc, vec::Vec};

use crate::{
    authn::signed_octets,
    config::EndpointConfig,
    crypto::{
        Answered, KexError, Role, SkeySeed,
        keys::{DerivationKey, RoleKeys},
        suite::{IkeSuite, PrfAlgorithm},
    },
    event::{Event, Path, SaId, Trace},
    negotiate::proposal::{self, Chosen},
    refusal::{PeerIncompatible, PeerMisbehaved, Refusal},
    sa::{
        Cx, IkeSa,
        intermediate::Intermediates,
        keylog::log_ike,
        link::{Link, Parts, kinds},
        nat::{self, Nat},
        responder::Responder,
        state::State,
        traits::PeerTraits,
        window::{Requests, Responses},
    },
    secret::{SecretBytes, SharedSecret},
    wire::{
        header::{Flags, Header, InitiatorSpi, MessageId, ResponderSpi},
        message::write_message,
        payload::{
            CertificateRequest, KePayload, KnownVendor, Nonce, Notify, Payload, SaPayload, VendorId,
        },
        registry::{ExchangeType, GroupId, NotifyType, PayloadType, ProtocolId},
    },
};

/// Octets of the nonces that we make; at least half the key size of any PRF (RFC 7296 §2.10).
// RFC 7296 §2.10#2-3: 256 bits, half of SHA2-512's key.
const NONCE_LEN: usize = 32;

/// What IKE_SA_INIT leaves behind for AUTH and the keys of child SAs.
pub(crate) struct Handshake {
    pub(super) request: Vec<u8>,
    pub(super) response: Vec<u8>,
    pub(crate) ni: Vec<u8>,
    pub(crate) nr: Vec<u8>,
    pub(crate) derivation: DerivationKey,
    pub(crate) local_proof: SecretBytes,
    pub(crate) remote_proof: SecretBytes,
    pub(super) intermediates: Intermediates,
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
        let mut octets = signed_octets(message, nonce, prf, key, id_body);
        self.intermediates.cover(&mut octets);
        octets
    }
}

/// The payloads of an IKE_SA_INIT message that neither role can do without.
pub(crate) struct Essentials<'a> {
    pub(super) sa: &'a SaPayload,
    pub(super) ke: &'a KePayload,
    pub(crate) nonce: &'a Nonce,
}

impl<'a> Essentials<'a> {
    pub(crate) fn read(payloads: &'a [Payload]) -> Result<Self, PeerMisbehaved> {
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
pub(super) fn find(payloads: &[Payload], kind: NotifyType) -> Option<&Notify> {
    payloads.iter().find_map(|payload| match payload {
        Payload::Notify(said) if said.kind == kind => Some(said),
        _ => None,
    })
}

/// The first error that a message says.
pub(super) fn error_of(payloads: &[Payload]) -> Option<&Notify> {
    payloads.iter().find_map(|payload| match payload {
        // RFC 7296 §3.10.1#1: whatever the error is, what was asked for has failed.
        Payload::Notify(said) if said.kind.is_error() => Some(said),
        _ => None,
    })
}

pub(super) fn vendor_ids(
    list: &[Vec<u8>],
    cisco_fragmentation: bool,
) -> impl Iterator<Item = Payload> {
    let fragmentation = cisco_fragmentation.then(|| KnownVendor::Fragmentation.bytes().to_vec());
    fragmentation
        .into_iter()
        .chain(list.iter().cloned())
        .map(|octets| Payload::Vendor(VendorId(octets)))
}

// RFC 7383 §2.3#1-3: a notify of its number without protocol, SPI or data.
pub(super) fn status(kind: NotifyType) -> Payload {
    Payload::Notify(Notify::new(kind, Vec::new()))
}

/// SIGNATURE_HASH_ALGORITHMS (RFC 7427 §4).
pub(super) fn signature_hashes() -> Payload {
    let numbers = crate::authn::signature::ANNOUNCED_HASHES
        .iter()
        .flat_map(|hash| hash.number().to_be_bytes());
    Payload::Notify(Notify::new(
        NotifyType::SIGNATURE_HASH_ALGORITHMS,
        numbers.collect(),
    ))
}

pub(super) fn fresh_nonce(cx: &mut Cx<'_>) -> Result<Nonce, Refusal> {
    let mut nonce = [0; NONCE_LEN];
    // RFC 7296 §2.10#1, §3.9#2: a nonce is drawn anew for each exchange.
    cx.rng.fill(&mut nonce);
    Ok(Nonce::new(nonce.to_vec())?)
}

pub(super) fn derive(
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
    let mut traits = PeerTraits::read(payloads);
    traits.use_ppk &= config.ppk;
    let chosen = proposal::choose_ike(
        proposals,
        essentials.sa,
        essentials.ke.group.0,
        traits.intermediate,
    )?;
    let suite = chosen.suite;
    // Before any work is done for it: a public value has one length for each group.
    if essentials.ke.data.len() != suite.group.public_len() {
        return Err(PeerMisbehaved::BadKeyExchange.into());
    }
    let Answered { public, secret } = cx
        .provider
        .answer_exchange(suite.group, cx.rng, &essentials.ke.data)
        .map_err(failed_exchange)?;
    let ni = essentials.nonce.as_bytes().to_vec();
    let nr = fresh_nonce(cx)?;
    // Nothing can refuse it any more: from here on, and for all its steps, the SA has its name.
    cx.event(id, Event::HalfOpen);
    cx.counters.payloads(false, header, payloads);
    trace_request(cx, id, path, header, payloads);
    let keys = derive(
        suite,
        &secret,
        (&ni, nr.as_bytes()),
        spi_i,
        spi_r,
        Role::Responder,
    );
    trace_agreed(cx, id, suite, &nat);
    if nat.supported && !nat.found() {
        crate::counters::more(&mut cx.counters.without_nat);
    }
    let response = write_response(cx, spi_r, path, header, chosen, public, &nr, &traits);
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
            responses: Responses::after_init(cx.now, path, Arc::clone(&octets)),
            requests: Requests::default(),
        },
    );
    link.deadline = Some(cx.now.after(config.half_open_timeout));
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
        intermediates: Intermediates::of(suite.additional),
    };
    // RFC 7296 §4#4: IKE_AUTH is awaited, and two exchanges are enough.
    let state = State::Responder(Box::new(Responder::HalfOpen(handshake)));
    Ok(IkeSa::Keyed {
        link: Box::new(link),
        state,
    })
}

/// Tells of a first request and the vendor IDs in it.
pub(crate) fn trace_request(
    cx: &mut Cx<'_>,
    id: SaId,
    path: Path,
    header: &Header,
    payloads: &[Payload],
) {
    cx.trace(id, || Trace::Received {
        path,
        header: *header,
        payloads: kinds(payloads),
        protected: false,
    });
    for payload in payloads {
        if let Payload::Vendor(vendor) = payload {
            cx.trace(id, || Trace::VendorReceived(vendor.0.clone()));
        }
    }
}

/// Why no secret came out of the peer's public value.
pub(super) fn failed_exchange(error: KexError) -> Refusal {
    match error {
        KexError::Provider { .. } => Refusal::Local("the key exchange failed"),
        _ => PeerMisbehaved::BadKeyExchange.into(),
    }
}

/// Tells of what IKE_SA_INIT has agreed.
pub(super) fn trace_agreed(cx: &mut Cx<'_>, id: SaId, suite: IkeSuite, nat: &Nat) {
    cx.trace(id, || Trace::SuiteChosen(suite));
    cx.trace(id, || Trace::NatDetected {
        local: nat.local,
        remote: nat.remote,
    });
    cx.trace(id, || Trace::KeysDerived);
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
        Payload::Sa(proposal::answer_ike(chosen, &[])),
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
    // RFC 7296 §2.23#9: both hashes are in the answer.
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
    // RFC 8784 §3: said by who has some PPK, to who said it.
    if traits.use_ppk {
        payloads.push(status(NotifyType::USE_PPK));
    }
    // RFC 6023 §3#1, §3#7, §4#1-3: who takes IKE_AUTH without a child SA says so, and nobody else does. The notify
    // names the protocol of IKE, unlike others, and has no SPI.
    if offers_childless(&config, traits) {
        payloads.push(Payload::Notify(Notify {
            protocol: ProtocolId::IKE,
            spi: Vec::new(),
            kind: NotifyType::CHILDLESS_IKEV2_SUPPORTED,
            data: Vec::new(),
        }));
    }
    // RFC 9242 §3.1, §5: where there is something for it to do, and no more than that.
    if !chosen.suite.additional.is_empty() {
        payloads.push(status(NotifyType::INTERMEDIATE_EXCHANGE_SUPPORTED));
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
    cx.counters.sent(&header, &payloads);
    cx.trace(SaId(spi_r.get()), || Trace::Sent {
        path,
        header: Header::peek(&octets).unwrap_or(header),
        payloads: kinds(&payloads),
        protected: false,
        datagrams: 1,
    });
    octets
}

/// Whether this peer may begin without a child SA (RFC 6023). Cisco's clients always want their tunnel, and are told
/// nothing that an IOS-XE headend would not tell them.
pub(crate) const fn offers_childless(config: &EndpointConfig, traits: &PeerTraits) -> bool {
    config.childless && !traits.anyconnect
}

/// The authorities that this side takes, as a CERTREQ.
pub(crate) fn certificate_request(authorities: &[[u8; 20]]) -> Option<Payload> {
    (!authorities.is_empty())
        .then(|| Payload::CertReq(CertificateRequest::x509(authorities.to_vec())))
}
