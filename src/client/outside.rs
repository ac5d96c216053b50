//! Answers the core's questions on the client's side.

use std::{io, net::IpAddr, os::fd::OwnedFd, sync::Arc};

use ironflex_eap::anyconnect::ClientConfig;
use ironflex_ikev2::{
    event::{Answer, Ask, Authenticated, ChildSa, EapInput, EapOutput, Path},
    wire::payload::Identification,
};
use ironflex_xfrm::{
    IpPrefix, SessionId,
    esp::{Tun, Userspace},
    netlink::{LinkIndex, LinkKind, NetlinkError, Network, NewLink, Route, xfrm_interfaces},
};
use tokio::io::unix::AsyncFd;
use zeroize::Zeroizing;

use super::{
    End, Options,
    login::{Dialogue, Login, Progress, Prompt},
    network::{self, Assigned, Reach, TunnelNetwork, Way},
    place::Place,
    rekey::Waiting,
    report::{Report, Step},
    resolver::device_name,
    trust::Trust,
    written_identity::names,
};
use crate::{
    daemon::identity,
    dataplane::{Backend, Chosen},
    lifetimes::{Pairs, watch_events},
    pki::VerifiedPeer,
    translate::{self, esp_algorithm},
    transport::Transport,
};

/// The MTU inside the tunnel, in octets: what Cisco's documents set on the headend's template.
const MTU: u16 = 1400;

/// The number of the client's one xfrm interface.
const INTERFACE: u32 = 1;

/// The one session of the client.
pub(super) const SESSION: SessionId = match SessionId::new(1) {
    Some(id) => id,
    None => unreachable!(),
};

/// What comes of a question of the core's.
pub enum Reply {
    /// The answer.
    Now(Answer),
    /// The user has to be asked first; what is typed goes to [`Outside::typed`].
    Ask(Prompt),
}

/// Everything of the client that is not IKE.
pub struct Outside {
    /// Whose marks everything in the kernel bears, for as long as this lives.
    claim: Arc<Place>,
    /// By whose certificate the headend proves itself, where it does.
    trust: Option<Trust>,
    dialogue: Dialogue,
    report: Report,
    no_dns: bool,
    /// How long the SAs of the tunnel live, in seconds, if the command line says it.
    pub(super) lifetime: Option<u32>,
    chosen: Option<Chosen>,
    hand_over: Option<ironflex_xfrm::esp::Sink>,
    /// The headend has proven itself.
    pub trusted: bool,
    /// The names that its certificate gives it, where it has shown one that is good.
    pub(super) certified: Option<String>,
    /// ESP, once it is installed.
    pub dataplane: Option<Backend>,
    /// Readable while the dataplane has events.
    pub(super) events: Option<AsyncFd<OwnedFd>>,
    /// The SAs of the tunnel in the dataplane.
    pub(super) pairs: Pairs,
    /// Outbound SAs that are not sent on yet.
    pub(super) waiting: Vec<Waiting>,
    /// The packets that had gone into the tunnel when a NAT in between was last to be reminded of us.
    sent_before: u64,
    tunnel: Option<TunnelNetwork>,
    /// The tunnel's own addresses.
    inner: Vec<IpAddr>,
    own_link: Option<String>,
    guards: Vec<Route>,
    /// What the end is to be blamed on, when the core only knows that somebody refused.
    pub blame: Option<End>,
}

impl Outside {
    /// An outside that has not been asked anything.
    pub fn new(
        options: &Options,
        claim: Arc<Place>,
        trust: Option<Trust>,
        login: Login,
        config: ClientConfig,
        chosen: Chosen,
        sink: ironflex_xfrm::esp::Sink,
    ) -> Self {
        let report = Report { json: options.json };
        Self {
            claim,
            trust,
            dialogue: Dialogue::new(login, config, report),
            report,
            no_dns: options.no_dns,
            lifetime: options.lifetime,
            chosen: Some(chosen),
            hand_over: Some(sink),
            trusted: false,
            certified: None,
            dataplane: None,
            events: None,
            pairs: Pairs::default(),
            waiting: Vec::new(),
            sent_before: 0,
            tunnel: None,
            inner: Vec::new(),
            own_link: None,
            guards: Vec::new(),
            blame: None,
        }
    }

    /// The user and password as they were last given, for another try.
    #[must_use]
    pub fn login(&self) -> Login {
        self.dialogue.login().clone()
    }

    /// The packets that went into the tunnel and came out of it, while there is one.
    pub fn traffic(&mut self) -> Option<(u64, u64)> {
        let through = self.dataplane.as_mut()?.counters(SESSION).ok()?;
        Some((through.outbound.packets, through.inbound.packets))
    }

    /// Takes note of what has gone into the tunnel. Returns whether there was anything since this was asked last.
    pub(super) fn take_sent_esp(&mut self) -> bool {
        let Some((sent, _)) = self.traffic() else {
            return false;
        };
        std::mem::replace(&mut self.sent_before, sent) != sent
    }

    fn refuse(&mut self, end: End) -> Answer {
        let why: Arc<str> = Arc::from(end.to_string());
        self.blame = Some(end);
        Answer::Refused(why)
    }

    /// The answer to one question.
    pub fn answer(&mut self, transport: &mut Transport, ask: Ask) -> Reply {
        Reply::Now(match ask {
            Ask::Chain {
                certificates,
                identity,
            } => match self.judge(&certificates, &identity) {
                Ok(peer) => {
                    self.trusted = true;
                    self.certified = Some(names(peer.certificate()));
                    self.report.tell(&Step::Trusted {
                        subject: peer.certificate().subject.to_string(),
                    });
                    Answer::Chain {
                        spki: peer.spki_der().to_vec(),
                    }
                }
                Err(why) => self.refuse(End::Untrusted(why)),
            },
            Ask::Eap(EapInput::Begin(context, packet)) => {
                let progress = self.dialogue.begin(context, &packet);
                return self.progress(progress);
            }
            Ask::Eap(EapInput::Packet(packet)) => {
                let progress = self.dialogue.packet(&packet);
                return self.progress(progress);
            }
            Ask::Sign { scheme, octets } => {
                let own = self.dialogue.login().own.as_ref();
                match own.map(|own| own.signer.sign(scheme, &octets)) {
                    Some(Ok(signature)) => Answer::Signature(signature),
                    Some(Err(error)) => self.refuse(End::Local(error.to_string())),
                    None => self.refuse(End::Local("there is no key to sign with".into())),
                }
            }
            // The tunnel that there is goes on. One that is over is not made again: what it was made of has gone with it, and
            // the client begins anew.
            Ask::Install(_) if self.dataplane.is_some() || self.chosen.is_none() => {
                Answer::Refused("a client has one child SA".into())
            }
            Ask::Install(child) => match self.install(transport, &child) {
                Ok(()) => Answer::Installed,
                Err(end) => {
                    self.tear_down();
                    // The answer to our Delete comes where the dataplane has been reading.
                    transport.take_back();
                    self.refuse(end)
                }
            },
            Ask::Rekey(child) => self.install_successor(&child),
            Ask::Peer(_) | Ask::Lease(_) | Ask::Eap(EapInput::Start(_)) => {
                self.refuse(End::Local("a client is not asked this".into()))
            }
        })
    }

    fn judge(
        &self,
        certificates: &[Vec<u8>],
        identity: &Identification,
    ) -> Result<VerifiedPeer, String> {
        let trust = self.trust.as_ref();
        let trust = trust.ok_or("it shows a certificate where a key was asked for")?;
        trust.judge(certificates, identity)
    }

    /// Both ends are proven. A headend with a certificate has been told of when that was judged.
    pub fn proven(&mut self, who: &Authenticated) {
        if !self.trusted {
            self.trusted = true;
            self.report.tell(&Step::Trusted {
                subject: identity::words(&who.peer),
            });
        }
    }

    /// What the user typed to the last [`Reply::Ask`], or why nobody could.
    pub fn typed(&mut self, line: io::Result<Zeroizing<String>>) -> Reply {
        let progress = self.dialogue.typed(line);
        self.progress(progress)
    }

    fn progress(&mut self, progress: Progress) -> Reply {
        match progress {
            Progress::Answer(answer) => Reply::Now(answer),
            Progress::Ask(prompt) => Reply::Ask(prompt),
            Progress::Ignore(end) => {
                self.blame = Some(end);
                Reply::Now(Answer::Eap(EapOutput::Ignore))
            }
            Progress::End(end) => Reply::Now(self.refuse(end)),
        }
    }

    fn install(&mut self, transport: &mut Transport, child: &ChildSa) -> Result<(), End> {
        let assigned = Assigned::read(&child.configuration);
        if assigned.addresses().next().is_none() {
            return Err(End::NoTunnel("the headend assigned no address".into()));
        }
        let headend = child.path.remote.ip().to_canonical();
        let text = |error: &dyn std::fmt::Display| End::Network(error.to_string());
        let in_use = || End::Local("the dataplane is in use".into());
        let owner = self.claim.owner();
        let chosen = self.chosen.take().ok_or_else(in_use)?;
        let (mut backend, place, device, if_id): (Backend, _, _, _) = match chosen {
            Chosen::Userspace => {
                let tun = Tun::create(&self.device(), MTU).map_err(|error| text(&error))?;
                let name = tun.name().to_owned();
                let sockets = transport.hand_over().map_err(|error| text(&error))?;
                let sink = self.hand_over.take().ok_or_else(in_use)?;
                let engine = Userspace::start(sockets, tun, sink).map_err(|error| text(&error))?;
                let index = self.link_index(&name).map_err(|error| text(&error))?;
                (
                    Box::new(engine),
                    network::Place::Device(index),
                    Some(name),
                    None,
                )
            }
            Chosen::Kernel(kernel) => {
                let (place, device, if_id) =
                    self.kernel_place(child).map_err(|error| text(&error))?;
                (kernel, place, device, if_id)
            }
            Chosen::Record => {
                let why = "a client needs a dataplane that carries packets";
                return Err(End::Local(why.into()));
            }
        };
        let wishes = super::rekey::wishes(if_id, self.lifetime);
        let pair = translate::sa_pair(SESSION, child, &wishes).map_err(|error| text(&error))?;
        let assigned = assigned.within(&pair.selectors.remote);
        let address = assigned.addresses().next().ok_or_else(|| {
            End::NoTunnel(
                "the tunnel carries nothing of the family of the address that the headend assigned"
                    .into(),
            )
        })?;
        // What comes out of the tunnel before the address is ours would be forwarded in clear on a
        // machine that forwards: it goes nowhere instead.
        for address in assigned.addresses() {
            let guard = Route::guard(owner, IpPrefix::host(address));
            Network::open(owner)
                .and_then(|mut network| network.add_route(&guard))
                .map_err(|error| text(&error))?;
            self.guards.push(guard);
        }
        backend.install(&pair).map_err(|error| text(&error))?;
        self.pairs.add(pair.inbound.spi, pair.outbound.spi);
        self.events = watch_events(&*backend).map_err(|error| text(&error))?;
        let name = backend.name().to_owned();
        self.dataplane = Some(backend);
        let way = Way {
            place,
            headend,
            carried: &pair.selectors.remote,
        };
        let mut tunnel = TunnelNetwork::set_up(owner, &way, &assigned, &mut self.claim.barrier())
            .map_err(|error| text(&error))?;
        if !self.no_dns && !assigned.dns.is_empty() {
            if assigned.has_no_such_domain {
                let why = "the headend's domain is no name of a domain, and is left out";
                self.report.show(&format!("warning: {why}"));
            }
            let told = match &device {
                Some(device) => tunnel.set_dns(device, &assigned),
                None => Err(
                    "the headend's name servers are not used: resolvers are told them for a device, and this tunnel has none"
                        .into(),
                ),
            };
            if let Err(error) = told {
                self.report.show(&format!("warning: {error}"));
            }
        }
        self.tunnel = Some(tunnel);
        self.inner = assigned.addresses().collect();
        if let Some(text) = &assigned.banner {
            self.report.tell(&Step::Banner { text: text.clone() });
        }
        self.report.tell(&Step::Connected {
            address,
            addresses: assigned.addresses().collect(),
            routes: assigned
                .destinations()
                .iter()
                .map(ToString::to_string)
                .collect(),
            dns: assigned.dns.clone(),
            esp: esp_algorithm(child.suite.protection).to_string(),
            dataplane: name,
            device,
        });
        Ok(())
    }

    /// The tunnel's own addresses, once it is up.
    pub(super) fn inner(&self) -> &[IpAddr] {
        &self.inner
    }

    /// The way to a headend without a tunnel, while what belongs into one is kept in, is the one that there is now.
    pub(super) fn lead(&self, headend: IpAddr) {
        let mut barrier = self.claim.barrier();
        if barrier.stands() {
            // The next change is waited for; what there is may still lead there.
            let _ = barrier.lead(headend);
        }
    }

    /// The network is another: the headend is reached by the way that there is to it now.
    pub(super) fn follow(&self, headend: IpAddr) -> Result<Reach, NetlinkError> {
        match &self.tunnel {
            Some(tunnel) => tunnel.follow(headend, &mut self.claim.barrier()),
            None => Ok(Reach::Elsewhere),
        }
    }

    /// ESP takes another way from now on.
    ///
    /// # Errors
    ///
    /// What the dataplane says: the tunnel is of no use any more.
    pub(super) fn move_peer(
        &mut self,
        path: &Path,
        udp_encapsulation: bool,
    ) -> Result<(), ironflex_xfrm::Error> {
        let way = translate::outer_path(path, udp_encapsulation);
        match &mut self.dataplane {
            Some(dataplane) => dataplane.move_peer(SESSION, way),
            None => Ok(()),
        }
    }

    /// The name of the tunnel's device, in a namespace that may have other clients.
    fn device(&self) -> String {
        device_name(self.claim.number())
    }

    fn link_index(&self, name: &str) -> Result<LinkIndex, NetlinkError> {
        match Network::open(self.claim.owner())?.link(name)? {
            Some(link) => Ok(link.index),
            None => Err(NetlinkError::Unusable {
                operation: format!("use device {name}"),
                what: "it is not there".into(),
            }),
        }
    }

    /// With the kernel's ESP: an xfrm interface of our own, or the device that ESP leaves by.
    fn kernel_place(
        &mut self,
        child: &ChildSa,
    ) -> Result<(network::Place, Option<String>, Option<std::num::NonZeroU32>), NetlinkError> {
        let owner = self.claim.owner();
        let mut network = Network::open(owner)?;
        if let Some(if_id) = owner.if_id(INTERFACE)
            && xfrm_interfaces(&mut network)?
        {
            let name = self.device();
            let index = network.create_link(&NewLink {
                name: name.clone(),
                alias: Some(owner.alias()),
                kind: LinkKind::Xfrm {
                    if_id: if_id.get(),
                    underlying: None,
                },
            })?;
            self.own_link = Some(name.clone());
            network.set_mtu(index, u32::from(MTU))?;
            return Ok((network::Place::Device(index), Some(name), Some(if_id)));
        }
        let local = child.path.local.ip().to_canonical();
        let outer = network
            .addresses()?
            .into_iter()
            .find(|one| one.address == local);
        match outer {
            Some(outer) => Ok((network::Place::Outer(outer.link), None, None)),
            None => Err(NetlinkError::Unusable {
                operation: "find the outer device".into(),
                what: format!("no device has {local}"),
            }),
        }
    }

    /// Takes routes, address, SAs and device away again.
    pub fn tear_down(&mut self) {
        // The routes go first, while the device still stands.
        let tunnel = self.tunnel.take();
        let kept = tunnel.map_or_else(Vec::new, |mut tunnel| tunnel.tear_down());
        for address in kept {
            self.report.show(&format!(
                "programs are still bound to {address}: what they send leads nowhere"
            ));
        }
        self.events = None;
        self.pairs = Pairs::default();
        self.waiting.clear();
        if let Some(mut backend) = self.dataplane.take() {
            let _ = backend.remove(SESSION);
        }
        let guards = std::mem::take(&mut self.guards);
        if !guards.is_empty()
            && let Ok(mut network) = Network::open(self.claim.owner())
        {
            for guard in &guards {
                let _ = network.delete_route(guard);
            }
        }
        if let Some(name) = self.own_link.take()
            && let Ok(mut network) = Network::open(self.claim.owner())
            && let Ok(Some(link)) = network.link(&name)
        {
            let _ = network.delete_link(link.index);
        }
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.tear_down();
    }
}
