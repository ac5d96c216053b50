//! One connection, from the first message to the Delete.

use std::{
    collections::{BTreeSet, VecDeque},
    io::{self, Write},
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use ironflex_eap::anyconnect::{ClientConfig, config_auth::DeviceInfo};
use ironflex_ikev2::{
    Endpoint, Input, Output,
    config::{
        ConnectConfig, EndpointConfig, FragmentationConfig, InitiatorAuthentication, Redirection,
        Upkeep,
    },
    crypto::default_provider,
    event::{Answer, AskId, CloseReason, Command, Event, Framing, Instant, Path, SaId},
    wire::payload::{Gateway, Identification, KnownVendor},
};
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

use super::{
    End, Options,
    asking::{Asking, typed},
    cause::{Names, Stage, why},
    login::Login,
    network::Reach,
    notify::{About, refusal},
    offer::{esp_suites, everything, ike_proposals, requested, takes_ipv6},
    outside::{Outside, Reply},
    place::Held,
    proof::{Auth, Proofs, post_quantum_key},
    redirect::Redirected,
    report::{Report, Step},
    roaming::{Roaming, Turn, source_for, turn},
    sockets::bind,
    target::Target,
    trust::Trust,
    unheard::{Heard, LOOK, Unheard},
    written_identity::identification,
};
use crate::{
    clock::{Clock, sleep},
    daemon::{IKE_PORT, NAT_PORT, compile::any_ml_kem, identity::words},
    dataplane::{self, Chosen},
    keylog::KeyLogWriter,
    lifetimes::has_events,
    random::OsRandom,
    translate::{self, esp_algorithm},
    transport::{Handed, Transport, handing},
};

mod waiting;

/// When a request is sent again for the first time, and how often it is sent: with the waits doubling, a headend that says
/// nothing is given up after 31 s.
const RETRANSMIT: (Duration, u32) = (Duration::from_secs(1), 5);

/// How long our IKE SA lives: a day, as on IOS.
const IKE_LIFETIME: Duration = Duration::from_secs(86_400);

/// A NAT in front of us is reminded of us this often: the default of RFC 3948 §4.
const NAT_KEEPALIVE: Duration = Duration::from_secs(20);

/// How long our Delete may take.
const FAREWELL: Duration = Duration::from_secs(3);

/// A headend that says nothing for so long before the tunnel is up is mentioned, once: most answer at once, and the last of
/// the retransmissions is far away.
const SILENCE: Duration = Duration::from_secs(3);

/// Datagrams taken from one socket before others have their turn.
const BURST: usize = 64;

/// How long a change of the network goes on before it is looked at: one brings many notices. With MOBIKE a look too early costs
/// another move at worst, and what is sent until the headend knows is lost.
const GLANCE: Duration = Duration::from_millis(20);

/// How long a change may go on before it is judged.
const SETTLING: Duration = Duration::from_millis(100);

/// When a change of the network is looked at.
#[derive(Clone, Copy)]
enum Look {
    /// Early: the tunnel moves if it can; nothing else is concluded.
    Glance(Instant),
    /// When it has settled.
    Judge(Instant),
}

impl Look {
    const fn due(self) -> Instant {
        match self {
            Self::Glance(due) | Self::Judge(due) => due,
        }
    }
}

/// One connection.
pub struct Connection {
    endpoint: Endpoint,
    clock: Clock,
    transport: Transport,
    handed: mpsc::Receiver<Handed>,
    /// Everything that is not IKE.
    outside: Outside,
    sa: Option<SaId>,
    /// The identity that we show, with its type, for the user to compare.
    identity: String,
    /// That of the headend that is wanted, with its type, if one is.
    wanted: Option<String>,
    /// We prove ourselves by EAP, after the headend did.
    by_eap: bool,
    /// The user is being asked; the core waits for the answer.
    asking: Option<Asking>,
    probe_interval: Duration,
    /// What the core is to do after what is being carried out.
    commands: VecDeque<Command>,
    key_log: Option<KeyLogWriter>,
    end: Option<End>,
    report: Report,
    /// When the headend's silence is to be mentioned: not while the user is asked, not twice, and not once the tunnel is up.
    silence: Option<Instant>,
    /// Word of changes in this machine's network.
    roaming: Roaming,
    /// What is sent and not answered.
    unheard: Unheard,
    look_at_network: Option<Look>,
    /// When the headend was last heard.
    heard: Heard,
    /// What came last from the network was discarded.
    discarded: bool,
    /// This machine's address on the way to the headend, as the login began.
    source: IpAddr,
    /// The headend's address.
    remote: IpAddr,
    /// The headend has sent us on: from its address to another gateway.
    pub sent_on: Option<(IpAddr, Gateway)>,
    /// The IKE SA is up, with the tunnel or before it.
    established: bool,
    /// How long the tunnel's SA may be missing once the IKE SA is up.
    tunnel_wait: Duration,
    /// When the tunnel has to be up, while it is not and the IKE SA is.
    tunnel_due: Option<Instant>,
    /// The tunnel has been up, since then.
    up_since: Option<Instant>,
    /// The headend has shown that it does not know our session: it is there, and takes another.
    pub is_back: bool,
    /// The login was under way when this machine's address became another: it is to begin anew at once.
    pub begins_anew: bool,
    /// The inbound SPI of the SA that was deleted for its age.
    outlived: Option<u32>,
    /// The user wants to leave: what ends from now on ends by us.
    leaving: bool,
    up: Option<oneshot::Sender<()>>,
}

impl Connection {
    /// Resolves the headend, unless another one has `redirected` us, takes its `place`, binds sockets and sends the first message. Must be called inside a tokio
    /// runtime. Of the authorities it gives no warning that is among those that were `warned` of before.
    ///
    /// # Errors
    ///
    /// [`End::Local`] for files, [`End::Network`] for this machine's network, [`End::Unreachable`] for a name without an address
    /// and an address without a way.
    pub async fn start(
        options: &Options,
        login: Login,
        device: DeviceInfo,
        redirected: Option<Redirected>,
        place: &mut Held,
        warned: &mut BTreeSet<String>,
    ) -> Result<Self, End> {
        let report = Report { json: options.json };
        let local = |error: &dyn std::fmt::Display| End::Local(error.to_string());
        let network = |error: &dyn std::fmt::Display| End::Network(error.to_string());
        let target = Target::read(options)?;
        let own = login.own.as_deref();
        let proofs = Proofs::read(options, own)?;
        let by_eap = matches!(proofs.own, InitiatorAuthentication::AnyConnectEap);
        let trust = match options.auth {
            Auth::PreShare => None,
            Auth::AnyconnectEap | Auth::RsaSig | Auth::EcdsaSig => {
                let brought = own.map_or(&[][..], |own| &own.authorities);
                let trust = Trust::read(options.ca.as_deref(), brought, &target.host);
                Some(trust.map_err(End::Local)?)
            }
        };
        for warning in trust.iter().flat_map(Trust::warnings) {
            if !warned.contains(&warning) {
                report.show(&warning);
                warned.insert(warning);
            }
        }
        // Before anything is looked up or sent: a dead client's routes must not be taken for the way.
        let claim = place.take(report, options.no_dns)?;
        let remote = match redirected {
            Some(redirected) => redirected.to,
            None => {
                let address = place.find(&target.host).await?;
                let host = target.host.clone();
                report.tell(&Step::Resolved { host, address });
                address
            }
        };
        {
            let mut barrier = claim.barrier();
            if barrier.stands() {
                // Where there is no way, the next line says so.
                let _ = barrier.lead(remote);
            }
        }
        let source = source_for(remote).map_err(|error| {
            End::Unreachable(format!(
                "there is no way to the headend at {remote}: {error}"
            ))
        })?;
        let suites = esp_suites();
        let algorithms: Vec<_> = suites
            .iter()
            .map(|one| esp_algorithm(one.protection))
            .collect();
        let (chosen, why) = dataplane::choose(claim.owner(), options.dataplane, &algorithms)
            .map_err(|error| network(&error))?;
        report.show(&why);
        let userspace = matches!(chosen, Chosen::Userspace);
        let (transport, ports) =
            bind(source, &chosen).map_err(|error| End::Network(format!("UDP sockets: {error}")))?;
        let path = |framing, (ours, theirs)| Path {
            local: SocketAddr::new(source, ours),
            remote: SocketAddr::new(remote, theirs),
            framing,
        };
        let identity = match (&options.identity, own) {
            (None, Some(own)) if matches!(options.auth, Auth::RsaSig | Auth::EcdsaSig) => {
                own.identity()?
            }
            (None, _) if !by_eap => Identification::address(source.to_canonical()),
            _ => identification(&target.identity).map_err(End::Local)?,
        };
        let shown = words(&identity);
        let ipv6 = takes_ipv6();
        let wanted = options.remote_id.as_deref().map(identification);
        let wanted = wanted.transpose().map_err(End::Local)?;
        let shown_wanted = wanted.as_ref().map(words);
        let connect = ConnectConfig {
            path: path(Framing::Bare, (ports.0, IKE_PORT)),
            float_path: path(Framing::Marked, (ports.1, NAT_PORT)),
            // RFC 4555 §3.3#1: MOBIKE wants port 4500 from the beginning.
            always_float: true,
            force_encapsulation: userspace,
            proposals: if options.proposals.is_empty() {
                ike_proposals()
            } else {
                options.proposals.clone()
            },
            identity,
            wanted,
            authentication: proofs.own,
            responder: proofs.headend,
            ppk: post_quantum_key(options)?,
            esp: suites,
            spi: translate::fresh_spi(),
            request: requested(ipv6),
            local: everything(ipv6),
            remote: everything(ipv6),
            authorities: trust.as_ref().map_or_else(Vec::new, Trust::authorities),
            vendor_ids: if by_eap {
                [
                    KnownVendor::DeleteReason,
                    KnownVendor::Copyright,
                    KnownVendor::AnyConnectEap,
                ]
                .map(|vendor| vendor.bytes().to_vec())
                .to_vec()
            } else {
                Vec::new()
            },
            // Cisco's clients do not speak RFC 7427, and the headend takes us for one of them.
            signature_hashes: !by_eap,
            childless: options.childless,
            fragmentation: FragmentationConfig {
                ietf: true,
                cisco: true,
                mtu: 1280,
            },
            upkeep: Upkeep {
                pfs_additional: any_ml_kem(),
                lifetime: Some(
                    options
                        .lifetime
                        .map_or(IKE_LIFETIME, |seconds| Duration::from_secs(seconds.into())),
                ),
                keepalive: Some(NAT_KEEPALIVE),
                mobike: !options.no_mobike,
                ..Upkeep::default()
            },
            redirection: match redirected {
                Some(redirected) => Redirection::From(redirected.from),
                None if options.max_redirects > 0 => Redirection::Followed,
                None => Redirection::Refused,
            },
        };
        let (sink, handed) = handing();
        let clock = Clock::start();
        let key_log = match &options.keylog {
            Some(folder) => Some(KeyLogWriter::open(folder).map_err(|error| local(&error))?),
            None => None,
        };
        let config = ClientConfig {
            device,
            group_access: Some(target.group_access),
            group_select: options.group.clone(),
            capabilities: Vec::new(),
            opaque: None,
        };
        let (retransmit_first, retransmit_tries) = RETRANSMIT;
        let endpoint = EndpointConfig {
            retransmit_first,
            retransmit_tries,
            ..EndpointConfig::new(Vec::new())
        };
        let mut connection = Self {
            endpoint: Endpoint::new(
                clock.now(),
                endpoint,
                default_provider(),
                Box::new(OsRandom),
            ),
            clock,
            transport,
            handed,
            outside: Outside::new(options, claim, trust, login, config, chosen, sink),
            sa: None,
            identity: shown,
            wanted: shown_wanted,
            by_eap,
            asking: None,
            probe_interval: Duration::from_secs(options.dpd.into()),
            commands: VecDeque::new(),
            key_log,
            end: None,
            report,
            silence: Some(clock.now().after(SILENCE)),
            roaming: Roaming::open()
                .map_err(|error| End::Network(format!("changes of the network: {error}")))?,
            unheard: Unheard::default(),
            look_at_network: None,
            heard: Heard::default(),
            discarded: false,
            source,
            remote,
            sent_on: None,
            established: false,
            tunnel_wait: Duration::from_secs(options.tunnel_wait.into()),
            tunnel_due: None,
            up_since: None,
            is_back: false,
            begins_anew: false,
            outlived: None,
            leaving: false,
            up: None,
        };
        connection.endpoint.key_log(connection.key_log.is_some());
        report.tell(&Step::Connecting {
            remote: SocketAddr::new(remote, IKE_PORT),
        });
        connection.command(Command::Connect(Box::new(connect)));
        Ok(connection)
    }

    /// Resolves when the tunnel is up; fails when the connection ends before.
    pub fn when_up(&mut self) -> oneshot::Receiver<()> {
        let (up, is_up) = oneshot::channel();
        self.up = Some(up);
        is_up
    }

    /// Whether whoever was called has proven to be the headend.
    #[must_use]
    pub const fn is_trusted(&self) -> bool {
        self.outside.trusted
    }

    const fn was_up(&self) -> bool {
        self.up_since.is_some()
    }

    /// How long the tunnel was in use, up to when the headend was last heard; none if it never was up.
    #[must_use]
    pub fn up_for(&self) -> Option<Duration> {
        self.up_since.map(|since| self.heard.since(since))
    }

    /// The user and password as they were last given, for another try.
    #[must_use]
    pub fn login(&self) -> Login {
        self.outside.login()
    }

    /// Serves until the connection ends or `stop` resolves; everything is undone then.
    pub async fn serve(&mut self, stop: impl Future<Output = ()>) -> End {
        tokio::pin!(stop);
        let mut probes = tokio::time::interval(self.probe_interval);
        probes.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // The first would be due at once.
        probes.reset();
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut stopping: Option<Instant> = None;
        let mut deadline = self.drain();
        loop {
            if let Some(end) = self.end.take() {
                self.asking = None;
                self.outside.tear_down();
                return end;
            }
            if stopping.is_some_and(|end| self.clock.until(end).is_zero()) {
                self.outside.tear_down();
                return End::Disconnected;
            }
            self.mention_silence();
            if let Some(sa) = self.tunnel_is_missing() {
                deadline = self.command(Command::Delete(sa));
                continue;
            }
            let clock = &self.clock;
            let look = self
                .look_at_network
                .take_if(|look| clock.until(look.due()).is_zero());
            if let Some(look) = look {
                deadline = self.network_changed(look);
                continue;
            }
            let deadlines = [
                deadline,
                stopping,
                self.silence(),
                self.tunnel_due,
                self.look_at_network.map(Look::due),
            ];
            let next = deadlines.into_iter().flatten().min();
            let wait = next.map(|instant| self.clock.until(instant));
            deadline = tokio::select! {
                () = &mut stop, if stopping.is_none() => {
                    stopping = Some(self.clock.now().after(FAREWELL));
                    self.leaving = true;
                    self.asking = None;
                    match self.sa {
                        Some(sa) => self.command(Command::Delete(sa)),
                        None => { self.end = Some(End::Disconnected); None }
                    }
                }
                line = typed(&mut self.asking) => self.typed(line),
                index = self.transport.readable() => {
                    // However fast datagrams come, deadlines and signals have their turn.
                    tokio::task::yield_now().await;
                    self.read(index)
                }
                Some(one) = self.handed.recv() => {
                    self.datagram(one.path, &one.octets)
                }
                () = has_events(self.outside.events.as_ref()) => self.dataplane_events(),
                () = self.roaming.changed() => {
                    if self.roaming.take() {
                        let due = self.clock.now().after(GLANCE);
                        self.look_at_network.get_or_insert(Look::Glance(due));
                    }
                    deadline
                }
                _ = probes.tick(), if self.established && stopping.is_none() => match self.sa {
                    Some(sa) => self.command(Command::Probe(sa)),
                    None => deadline,
                },
                _ = looks.tick(), if self.was_up() && stopping.is_none() => self.look(),
                () = sleep(wait) => {
                    self.endpoint.handle(self.clock.now(), Input::Timeout);
                    self.drain()
                }
            };
        }
    }

    /// Asks the headend for a sign of life where nothing comes back of what is sent.
    fn look(&mut self) -> Option<Instant> {
        let traffic = self.outside.traffic();
        let now = self.clock.now();
        if let Some((_, heard)) = traffic {
            self.heard.packets(now, heard);
        }
        match (self.sa, traffic) {
            (Some(sa), Some((sent, heard))) if self.unheard.look(now, sent, heard) => {
                self.command(Command::Probe(sa))
            }
            _ => self.drain(),
        }
    }

    /// The IKE SA, if it has been without the tunnel for too long: it is of no use then.
    fn tunnel_is_missing(&mut self) -> Option<SaId> {
        let clock = &self.clock;
        self.tunnel_due
            .take_if(|due| clock.until(*due).is_zero())
            .filter(|_| !self.leaving)?;
        let why = format!(
            "the headend has let this client in, and has made no SA for its tunnel within {} s",
            self.tunnel_wait.as_secs()
        );
        self.outside.blame.get_or_insert(End::NoTunnel(why));
        self.sa
    }

    /// What the user typed, for the question that the core has been waiting on.
    fn typed(&mut self, line: io::Result<Zeroizing<String>>) -> Option<Instant> {
        let Some(Asking { sa, ask, .. }) = self.asking.take() else {
            return self.drain();
        };
        match self.outside.typed(line) {
            Reply::Now(answer) => {
                let now = self.clock.now();
                self.endpoint.handle(now, Input::Answer(sa, ask, answer));
                self.expect_headend();
            }
            Reply::Ask(prompt) => self.asking = Some(Asking::begin(sa, ask, prompt)),
        }
        self.drain()
    }

    /// Takes what the dataplane took from our port.
    fn datagram(&mut self, path: Path, octets: &[u8]) -> Option<Instant> {
        let now = self.clock.now();
        self.discarded = false;
        self.endpoint.handle(now, Input::Datagram(path, octets));
        let deadline = self.drain();
        self.was_heard(now);
        deadline
    }

    /// What has just come was the headend, unless it was discarded, or only told that the headend has lost us.
    const fn was_heard(&mut self, now: Instant) {
        if !self.discarded && !self.is_back {
            self.heard.message(now);
        }
    }

    /// Takes what waits at a socket, up to a bound, and then what is due.
    fn read(&mut self, index: usize) -> Option<Instant> {
        for _ in 0..BURST {
            let Ok(Some((path, octets))) = self.transport.receive(index) else {
                break;
            };
            let now = self.clock.now();
            self.discarded = false;
            self.endpoint.handle(now, Input::Datagram(path, octets));
            self.drain();
            self.was_heard(now);
        }
        self.endpoint.handle(self.clock.now(), Input::Timeout);
        self.drain()
    }

    /// The dataplane tells when an SA wears out; what else it tells a client needs nothing.
    fn dataplane_events(&mut self) -> Option<Instant> {
        while let Some(sa) = self.sa
            && let Some(command) = self.outside.worn(sa)
        {
            if let Command::DeleteChild(_, inbound_spi) = command {
                self.outlived = Some(inbound_spi);
            }
            self.command(command);
        }
        self.drain()
    }

    /// The network of this machine is another: the tunnel takes the way that there is to the headend now.
    fn network_changed(&mut self, look: Look) -> Option<Instant> {
        if self.leaving {
            return self.drain();
        }
        let early = matches!(look, Look::Glance(_));
        if early {
            let due = self.clock.now().after(SETTLING.saturating_sub(GLANCE));
            self.look_at_network = Some(Look::Judge(due));
        }
        if !self.was_up() {
            if early {
                return self.drain();
            }
            // MOBIKE is for SAs that are up; what began with the old address cannot be answered.
            self.outside.lead(self.remote);
            let moved = source_for(self.remote).is_ok_and(|source| source != self.source);
            if moved {
                self.begins_anew = true;
                let why = "this machine's address has changed during the login";
                self.end = Some(End::Unreachable(why.into()));
            }
            return self.drain();
        }
        let view = self.sa.and_then(|sa| self.endpoint.view(sa));
        let view = view.filter(|view| view.ready);
        let Some((sa, path, mobike)) = view.map(|view| (view.id, view.path, view.mobike)) else {
            return self.drain();
        };
        let remote = path.remote.ip().to_canonical();
        let turn = match self.outside.follow(remote) {
            Ok(Reach::Led) => turn(path, source_for(remote).ok(), self.outside.inner(), mobike),
            Ok(Reach::Elsewhere) => Turn::Again,
            // The next change is waited for.
            Ok(Reach::Nowhere) => Turn::Stay,
            Err(_) if early => Turn::Stay,
            Err(error) => {
                self.report.show(&format!(
                    "warning: the way to the headend stays what it was: {error}"
                ));
                Turn::Stay
            }
        };
        match turn {
            Turn::Stay => {}
            Turn::Again if early => {}
            Turn::Move(path) => {
                self.report.tell(&Step::Moved {
                    address: path.local.ip(),
                });
                self.commands.push_back(Command::Move(sa, path));
            }
            Turn::Again => {
                self.end = Some(End::Lost(
                    "this machine's address has changed, and the tunnel cannot follow".into(),
                ));
            }
        }
        self.drain()
    }

    fn command(&mut self, command: Command) -> Option<Instant> {
        self.endpoint
            .handle(self.clock.now(), Input::Command(command));
        self.drain()
    }

    fn drain(&mut self) -> Option<Instant> {
        let mut answers: VecDeque<(SaId, AskId, Answer)> = VecDeque::new();
        loop {
            match self.endpoint.poll() {
                // A datagram that cannot be sent is a lost one: retransmission is the core's business.
                Output::Transmit(transmit) => {
                    let _ = self.transport.send(&transmit);
                }
                Output::Ask(sa, ask, question) => {
                    self.expect_headend();
                    match self.outside.answer(&mut self.transport, question) {
                        Reply::Now(answer) => answers.push_back((sa, ask, answer)),
                        Reply::Ask(prompt) => self.asking = Some(Asking::begin(sa, ask, prompt)),
                    }
                }
                Output::Keepalive(sa, path) => {
                    if self.outside.take_sent_esp() {
                        self.commands.push_back(Command::EspSent(sa));
                    } else {
                        let _ = self.transport.keep_alive(&path);
                    }
                }
                Output::Event(sa, event) => self.event(sa, event),
                Output::Discarded(..) => self.discarded = true,
                Output::Timeout(instant) => {
                    let now = self.clock.now();
                    if let Some(command) = self.commands.pop_front() {
                        self.endpoint.handle(now, Input::Command(command));
                    } else if let Some((sa, ask, answer)) = answers.pop_front() {
                        self.endpoint.handle(now, Input::Answer(sa, ask, answer));
                    } else {
                        self.note_up();
                        return instant;
                    }
                }
            }
        }
    }

    /// The tunnel comes up with the IKE SA or after it.
    fn note_up(&mut self) {
        if self.established && self.outside.dataplane.is_some() && self.up_since.is_none() {
            self.up_since = Some(self.clock.now());
            self.tunnel_due = None;
            if let Some(up) = self.up.take() {
                // Whoever wanted to know may be gone.
                let _ = up.send(());
            }
        }
    }

    fn event(&mut self, sa: SaId, event: Event) {
        match event {
            Event::Initiated => self.sa = Some(sa),
            Event::Notified(kind) if !self.outside.trusted => self.mention_doubt(kind),
            Event::Authenticated(who) => self.outside.proven(&who),
            Event::Established { child } => {
                self.established = true;
                if !self.was_up() {
                    self.tunnel_due = Some(self.clock.now().after(self.tunnel_wait));
                }
                if !child {
                    self.commands.push_back(Command::NewChild(sa));
                }
            }
            Event::ChildRefused { why, .. } => {
                self.outside.blame = Some(End::NoTunnel(refusal(&why, About::ChildSa)));
            }
            // The IKE SA has begun without the tunnel, and is of no use without it.
            Event::RekeyRefused(why) if !self.was_up() => {
                let blame = || End::NoTunnel(refusal(&why, About::ChildSa));
                self.outside.blame.get_or_insert_with(blame);
                self.commands.push_back(Command::Delete(sa));
            }
            Event::ChildSwitched { inbound_spi, .. } => {
                if let Err(error) = self.outside.switch(inbound_spi) {
                    self.outside.blame = Some(End::Lost(error.to_string()));
                    self.commands.push_back(Command::Delete(sa));
                }
            }
            Event::ChildRetired { inbound_spi, .. } => self.outside.retire(inbound_spi),
            Event::PeerMoved {
                path,
                udp_encapsulation,
            } => {
                if let Err(error) = self.outside.move_peer(&path, udp_encapsulation) {
                    self.outside.blame = Some(End::Lost(error.to_string()));
                    self.commands.push_back(Command::Delete(sa));
                }
            }
            Event::ChildDeleted { inbound_spi, .. } => {
                if !self.leaving {
                    let why = if self.outlived == Some(inbound_spi) {
                        "the tunnel's SA has reached the end of its lifetime"
                    } else {
                        "the headend deleted the child SA"
                    };
                    self.outside.blame = Some(End::Lost(why.into()));
                    // Without its tunnel the IKE SA is of no use, whatever else is under way on it.
                    self.commands.push_back(Command::Delete(sa));
                }
                self.outside.tear_down();
                // The answer to our Delete comes where the dataplane has been reading.
                self.transport.take_back();
            }
            Event::KeyLog(keys) => {
                if let Some(writer) = &mut self.key_log
                    && let Err(error) = writer.write(&keys)
                {
                    let _ = writeln!(io::stderr(), "key tables: {error}");
                }
            }
            Event::Closed(reason) => {
                if let CloseReason::Redirected(gateway) = &reason
                    && !self.leaving
                {
                    self.sent_on = Some((self.remote, gateway.clone()));
                }
                self.is_back = reason == CloseReason::PeerCrashed;
                let blame = self.outside.blame.take();
                let stage = match (self.was_up(), self.outside.trusted) {
                    _ if self.leaving => Stage::Leaving,
                    (true, _) => Stage::Up,
                    (false, true) => Stage::Trusted,
                    (false, false) if !self.by_eap => Stage::Proving,
                    (false, false) => Stage::Before,
                };
                let names = Names {
                    own: &self.identity,
                    wanted: self.wanted.as_deref(),
                    certified: self.outside.certified.as_deref(),
                };
                self.end = Some(why(reason, blame, stage, names));
            }
            _ => {}
        }
    }
}
