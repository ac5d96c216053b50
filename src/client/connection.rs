//! One connection, from the first message to the Delete, and the loop that connects again.

use std::{
    collections::VecDeque,
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket},
    time::Duration,
};

use ironflex_eap::anyconnect::{ClientConfig, config_auth::DeviceInfo};
use ironflex_ikev2::{
    Endpoint, Input, Output,
    config::{
        Ciphers, ConnectConfig, EndpointConfig, FragmentationConfig, IkeProposal,
        InitiatorAuthentication,
    },
    crypto::{
        default_provider,
        suite::{
            AeadAlgorithm, CbcAlgorithm, EspSuite, Group, Integrity, PrfAlgorithm, Protection,
        },
    },
    event::{Answer, AskId, CloseReason, Command, Event, Framing, Instant, Path, SaId},
    refusal::{PeerMisbehaved, Refusal},
    wire::{
        payload::{AddressRange, ConfigAttribute, Identification, KnownVendor, TrafficSelector},
        registry::{ConfigAttributeType, NotifyType},
    },
};
use ironflex_profiles::anyconnect::{ClientProfile, PrimaryProtocol};
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

use super::{
    End, Options,
    options::ANYCONNECT_IDENTITY,
    outside::{Login, Outside},
    report::{Report, Step},
    trust::Trust,
};
use crate::{
    clock::Clock,
    daemon::{IKE_PORT, NAT_PORT, load::read_bounded},
    dataplane::{self, Chosen},
    keylog::KeyLogWriter,
    random::{self, OsRandom},
    translate::{self, esp_algorithm},
    transport::{Handed, Transport, handing},
    udp::UdpEndpoint,
};

/// A sign of life is asked for this often, as Cisco's client does.
const PROBE_INTERVAL: Duration = Duration::from_secs(20);

/// How long our Delete may take.
const FAREWELL: Duration = Duration::from_secs(3);

/// The first wait before another try, and the longest.
const RETRY: (u64, u64) = (2, 60);

/// The longest client profile, in octets.
const MAX_PROFILE: u64 = 256 * 1024;

/// Whom to call, out of the command line and a client profile.
#[derive(Clone, Debug)]
struct Target {
    /// The name or address to call, which the certificate must cover.
    host: String,
    /// The IKE identity.
    identity: String,
    /// The user group of the profile.
    group_access: String,
}

fn target(options: &Options) -> Result<Target, End> {
    let mut target = Target {
        host: options.host.clone(),
        identity: ANYCONNECT_IDENTITY.to_owned(),
        group_access: options.host.clone(),
    };
    if let Some(path) = &options.profile {
        let octets =
            read_bounded(path, MAX_PROFILE).map_err(|error| End::Local(error.to_string()))?;
        let profile = ClientProfile::read(&String::from_utf8_lossy(&octets))
            .map_err(|error| End::Local(format!("{}: {error}", path.display())))?;
        let Some(entry) = profile.host(&options.host) else {
            let names: Vec<&str> = profile
                .hosts
                .iter()
                .map(|host| host.name.as_str())
                .collect();
            return Err(End::Local(format!(
                "{} has no host entry {:?}; it has: {}",
                path.display(),
                options.host,
                names.join(", ")
            )));
        };
        if let Some(address) = &entry.address {
            target.host.clone_from(address);
        }
        target.group_access.clone_from(&target.host);
        if let Some(group) = &entry.user_group {
            target.group_access = format!("{}/{group}", target.host);
        }
        if let PrimaryProtocol::Ipsec(ipsec) = &entry.protocol
            && let Some(identity) = &ipsec.ike_identity
        {
            target.identity.clone_from(identity);
        }
    }
    if let Some(identity) = &options.identity {
        target.identity.clone_from(identity);
    }
    Ok(target)
}

/// Runs the client to its end. Returns why it ended.
pub fn run(options: &Options) -> End {
    let report = Report { json: options.json };
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return End::Local(error.to_string()),
    };
    let end = runtime.block_on(connect_again(options, report));
    report.tell(&Step::Disconnected {
        reason: end.word(),
        message: end.to_string(),
    });
    end
}

async fn connect_again(options: &Options, report: Report) -> End {
    let mut login = match login(options) {
        Ok(login) => login,
        Err(end) => return end,
    };
    let mut wait = RETRY.0;
    let mut ever_up = false;
    let device = device();
    loop {
        let mut connection = match Connection::start(options, login, device.clone()).await {
            Ok(connection) => connection,
            Err(end) => return end,
        };
        let end = connection.serve(stop_signal()).await;
        let was_up = connection.was_up;
        login = connection.into_login();
        ever_up |= was_up;
        let again = ever_up && matches!(end, End::Lost(_) | End::Unreachable(_));
        if !again || options.once {
            return end;
        }
        if was_up {
            wait = RETRY.0;
        }
        report.tell(&Step::Reconnecting { seconds: wait });
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(wait)) => {}
            () = stop_signal() => return End::Disconnected,
        }
        wait = wait.saturating_mul(2).min(RETRY.1);
    }
}

/// Resolves at SIGINT, SIGTERM or SIGHUP.
async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let wait = |kind| async move {
        match signal(kind) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = wait(SignalKind::interrupt()) => {}
        () = wait(SignalKind::terminate()) => {}
        () = wait(SignalKind::hangup()) => {}
    }
}

fn login(options: &Options) -> Result<Login, End> {
    let password = if options.password_stdin {
        let mut line = Zeroizing::new(String::new());
        io::stdin()
            .read_line(&mut line)
            .map_err(|error| End::Local(format!("standard input: {error}")))?;
        let password = line.trim_end_matches(['\r', '\n']);
        Some(Zeroizing::new(password.to_owned()))
    } else {
        None
    };
    Ok(Login {
        user: options.user.clone(),
        password,
        batch: options.password_stdin,
    })
}

/// The ESP suites that a client offers.
fn esp_suites() -> Vec<EspSuite> {
    let suite = |protection| EspSuite {
        protection,
        esn: false,
    };
    vec![
        suite(Protection::Aead(AeadAlgorithm::AesGcm16_256)),
        suite(Protection::EncryptThenMac(
            CbcAlgorithm::AesCbc256,
            Integrity::HmacSha2_256_128,
        )),
        suite(Protection::Aead(AeadAlgorithm::AesGcm16_128)),
        suite(Protection::EncryptThenMac(
            CbcAlgorithm::AesCbc128,
            Integrity::HmacSha2_256_128,
        )),
        suite(Protection::EncryptThenMac(
            CbcAlgorithm::AesCbc256,
            Integrity::HmacSha1_96,
        )),
        suite(Protection::EncryptThenMac(
            CbcAlgorithm::AesCbc128,
            Integrity::HmacSha1_96,
        )),
    ]
}

/// The IKE proposals that a client offers.
fn ike_proposals() -> Vec<IkeProposal> {
    let groups = vec![
        Group::Modp2048,
        Group::EcpP256,
        Group::EcpP384,
        Group::EcpP521,
        Group::Curve25519,
        Group::Modp3072,
        Group::Modp4096,
    ];
    let prf = vec![
        PrfAlgorithm::HmacSha2_256,
        PrfAlgorithm::HmacSha2_384,
        PrfAlgorithm::HmacSha2_512,
        PrfAlgorithm::HmacSha1,
    ];
    vec![
        IkeProposal {
            ciphers: Ciphers::EncryptThenMac(
                vec![
                    CbcAlgorithm::AesCbc256,
                    CbcAlgorithm::AesCbc192,
                    CbcAlgorithm::AesCbc128,
                ],
                vec![
                    Integrity::HmacSha2_256_128,
                    Integrity::HmacSha2_384_192,
                    Integrity::HmacSha2_512_256,
                    Integrity::HmacSha1_96,
                ],
            ),
            prf: prf.clone(),
            groups: groups.clone(),
        },
        IkeProposal {
            ciphers: Ciphers::Aead(vec![
                AeadAlgorithm::AesGcm16_256,
                AeadAlgorithm::AesGcm16_128,
            ]),
            prf,
            groups,
        },
    ]
}

/// One connection.
pub struct Connection {
    endpoint: Endpoint,
    clock: Clock,
    transport: Transport,
    handed: mpsc::Receiver<Handed>,
    /// Everything that is not IKE.
    pub outside: Outside,
    sa: Option<SaId>,
    key_log: Option<KeyLogWriter>,
    end: Option<End>,
    /// The tunnel has been up.
    pub was_up: bool,
    /// The user wants to leave: what ends from now on ends by us.
    leaving: bool,
    up: Option<oneshot::Sender<()>>,
}

impl Connection {
    /// Resolves the headend, binds sockets and sends the first message. Must be called inside a tokio
    /// runtime.
    ///
    /// # Errors
    ///
    /// [`End`], mostly [`End::Local`].
    pub async fn start(options: &Options, login: Login, device: DeviceInfo) -> Result<Self, End> {
        let report = Report { json: options.json };
        let local = |error: &dyn std::fmt::Display| End::Local(error.to_string());
        let target = target(options)?;
        let trust = Trust::read(options.ca.as_deref(), &target.host).map_err(End::Local)?;
        let remote = resolve(&target.host)?;
        report.tell(&Step::Resolved {
            host: target.host.clone(),
            address: remote,
        });
        let suites = esp_suites();
        let algorithms: Vec<_> = suites
            .iter()
            .map(|one| esp_algorithm(one.protection))
            .collect();
        let (chosen, why) =
            dataplane::choose(options.dataplane, &algorithms).map_err(|error| local(&error))?;
        let _ = writeln!(io::stderr(), "{why}");
        let userspace = matches!(chosen, Chosen::Userspace);
        let source = source_for(remote)
            .map_err(|error| End::Unreachable(format!("no way to {remote}: {error}")))?;
        let (transport, ports) =
            bind(source, &chosen).map_err(|error| End::Local(format!("UDP sockets: {error}")))?;
        let path = |framing, (ours, theirs)| Path {
            local: SocketAddr::new(source, ours),
            remote: SocketAddr::new(remote, theirs),
            framing,
        };
        let connect = ConnectConfig {
            path: path(Framing::Bare, (ports.0, IKE_PORT)),
            float_path: path(Framing::Marked, (ports.1, NAT_PORT)),
            always_float: true,
            force_encapsulation: userspace,
            proposals: ike_proposals(),
            identity: Identification::key_id(target.identity.into_bytes()),
            wanted: None,
            authentication: InitiatorAuthentication::AnyConnectEap,
            esp: suites,
            spi: translate::fresh_spi(),
            request: requested(),
            local: vec![TrafficSelector::addresses(AddressRange::ANY_V4)],
            remote: vec![TrafficSelector::addresses(AddressRange::ANY_V4)],
            authorities: trust.authorities(),
            vendor_ids: [
                KnownVendor::DeleteReason,
                KnownVendor::Copyright,
                KnownVendor::AnyConnectEap,
            ]
            .map(|vendor| vendor.bytes().to_vec())
            .to_vec(),
            signature_hashes: false,
            fragmentation: FragmentationConfig {
                ietf: true,
                cisco: true,
                mtu: 1280,
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
        let mut connection = Self {
            endpoint: Endpoint::new(
                clock.now(),
                EndpointConfig::new(Vec::new()),
                default_provider(),
                Box::new(OsRandom),
            ),
            clock,
            transport,
            handed,
            outside: Outside::new(options, trust, login, config, chosen, sink),
            sa: None,
            key_log,
            end: None,
            was_up: false,
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

    /// The user and password as they were last accepted, for another try.
    #[must_use]
    pub fn into_login(mut self) -> Login {
        self.outside.take_login()
    }

    /// Serves until the connection ends or `stop` resolves; everything is undone then.
    pub async fn serve(&mut self, stop: impl Future<Output = ()>) -> End {
        tokio::pin!(stop);
        let mut probes = tokio::time::interval(PROBE_INTERVAL);
        probes.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // The first would be due at once.
        probes.reset();
        let mut stopping: Option<Instant> = None;
        let mut deadline = self.drain();
        loop {
            if let Some(end) = self.end.take() {
                self.outside.tear_down();
                return end;
            }
            if stopping.is_some_and(|end| self.clock.until(end).is_zero()) {
                self.outside.tear_down();
                return End::Disconnected;
            }
            let deadlines = [deadline, stopping];
            let next = deadlines.into_iter().flatten().min();
            let wait = next.map(|instant| self.clock.until(instant));
            deadline = tokio::select! {
                () = &mut stop, if stopping.is_none() => {
                    stopping = Some(self.clock.now().after(FAREWELL));
                    self.leaving = true;
                    match self.sa {
                        Some(sa) => self.command(Command::Delete(sa)),
                        None => { self.end = Some(End::Disconnected); None }
                    }
                }
                index = self.transport.readable() => self.read(index),
                Some(one) = self.handed.recv() => {
                    let now = self.clock.now();
                    self.endpoint.handle(now, Input::Datagram(one.path, &one.octets));
                    self.drain()
                }
                _ = probes.tick(), if self.was_up && stopping.is_none() => match self.sa {
                    Some(sa) => self.command(Command::Probe(sa)),
                    None => deadline,
                },
                () = sleep(wait) => {
                    self.endpoint.handle(self.clock.now(), Input::Timeout);
                    self.drain()
                }
            };
        }
    }

    fn read(&mut self, index: usize) -> Option<Instant> {
        while let Ok(Some((path, octets))) = self.transport.receive(index) {
            let now = self.clock.now();
            self.endpoint.handle(now, Input::Datagram(path, octets));
            self.drain();
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
                    let answer = self.outside.answer(&mut self.transport, question);
                    answers.push_back((sa, ask, answer));
                }
                Output::Event(sa, event) => self.event(sa, event),
                Output::Discarded(..) => {}
                Output::Timeout(instant) => {
                    let Some((sa, ask, answer)) = answers.pop_front() else {
                        return instant;
                    };
                    let now = self.clock.now();
                    self.endpoint.handle(now, Input::Answer(sa, ask, answer));
                }
            }
        }
    }

    fn event(&mut self, sa: SaId, event: Event) {
        match event {
            Event::Initiated => self.sa = Some(sa),
            Event::Established { .. } => {
                self.was_up = true;
                if let Some(up) = self.up.take() {
                    // Whoever wanted to know may be gone.
                    let _ = up.send(());
                }
            }
            Event::ChildRefused(refusal) => {
                self.outside.blame = Some(End::NoTunnel(refusal.to_string()));
            }
            Event::ChildDeleted { .. } => {
                if !self.leaving {
                    self.outside.blame = Some(End::Lost("the headend deleted the child SA".into()));
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
                let blame = self.outside.blame.take();
                self.end = Some(why(reason, blame, self.was_up));
            }
            _ => {}
        }
    }
}

/// What the end of the SA means to the user.
fn why(reason: CloseReason, blame: Option<End>, was_up: bool) -> End {
    // The user's own wish is nobody's fault.
    if reason == CloseReason::Deleted {
        return End::Disconnected;
    }
    if let Some(end) = blame {
        return end;
    }
    match reason {
        CloseReason::Deleted | CloseReason::Forgotten => End::Disconnected,
        CloseReason::PeerDeleted => End::Lost("the headend ended the session".into()),
        CloseReason::Unanswered | CloseReason::TimedOut if was_up => {
            End::Lost("the headend does not answer any more".into())
        }
        CloseReason::Unanswered | CloseReason::TimedOut => {
            End::Unreachable("nothing came back on UDP 500 and 4500".into())
        }
        CloseReason::Refused(Refusal::ByPeer(kind)) => match kind {
            NotifyType::AUTHENTICATION_FAILED => {
                End::LoginRefused("the headend answered AUTHENTICATION_FAILED".into())
            }
            NotifyType::NO_PROPOSAL_CHOSEN => End::NoTunnel("no IKE proposal is in common".into()),
            other => End::NoTunnel(format!("the headend answered {other}")),
        },
        CloseReason::Refused(Refusal::Misbehaved(
            error @ (PeerMisbehaved::AuthenticationFailed | PeerMisbehaved::ResponderUnproven),
        )) => End::Untrusted(error.to_string()),
        CloseReason::Refused(refusal) => End::NoTunnel(refusal.to_string()),
    }
}

fn resolve(host: &str) -> Result<IpAddr, End> {
    if let Ok(address) = host.parse() {
        return Ok(address);
    }
    let found = (host, IKE_PORT)
        .to_socket_addrs()
        .map_err(|error| End::Unreachable(format!("{host}: {error}")))?;
    let mut found: Vec<IpAddr> = found.map(|address| address.ip()).collect();
    found.sort_by_key(IpAddr::is_ipv6);
    found
        .first()
        .copied()
        .ok_or_else(|| End::Unreachable(format!("{host} has no address")))
}

/// The address that packets to `remote` leave from.
fn source_for(remote: IpAddr) -> io::Result<IpAddr> {
    let any = match remote {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let probe = UdpSocket::bind((any, 0))?;
    // Connecting a UDP socket sends nothing; it only chooses a route.
    probe.connect((remote, IKE_PORT))?;
    Ok(probe.local_addr()?.ip())
}

/// Sockets for both framings: ports 500 and 4500 where they are free, others else. Returns the ports.
fn bind(source: IpAddr, chosen: &Chosen) -> io::Result<(Transport, (u16, u16))> {
    let any = match source {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let mut transport = Transport::default();
    let mut ports = Vec::new();
    for (port, framing) in [(IKE_PORT, Framing::Bare), (NAT_PORT, Framing::Marked)] {
        let endpoint = UdpEndpoint::bind(SocketAddr::new(any, port))
            .or_else(|_| UdpEndpoint::bind(SocketAddr::new(any, 0)))?;
        ports.push(endpoint.port());
        if matches!(chosen, Chosen::Kernel(_)) {
            use ironflex_xfrm::netlink::{bypass_policies, take_esp_in_udp};
            bypass_policies(&endpoint).map_err(io::Error::other)?;
            if framing == Framing::Marked {
                take_esp_in_udp(&endpoint).map_err(io::Error::other)?;
            }
        }
        transport.add(endpoint, framing)?;
    }
    match ports.as_slice() {
        &[bare, marked] => Ok((transport, (bare, marked))),
        _ => Err(io::ErrorKind::AddrNotAvailable.into()),
    }
}

fn requested() -> Vec<ConfigAttribute> {
    use ConfigAttributeType as Kind;
    [
        Kind::INTERNAL_IP4_ADDRESS,
        Kind::INTERNAL_IP4_NETMASK,
        Kind::INTERNAL_IP4_DNS,
        Kind::INTERNAL_IP4_NBNS,
        Kind::INTERNAL_IP4_SUBNET,
        Kind::APPLICATION_VERSION,
        Kind::UNITY_BANNER,
        Kind::UNITY_DEF_DOMAIN,
        Kind::UNITY_SPLITDNS_NAME,
    ]
    .map(ConfigAttribute::empty)
    .to_vec()
}

/// What the client says of its machine. The number is made anew for each run: nothing is to be
/// tracked by it, and a connection that was lost is known for the same client's all the same.
#[must_use]
pub fn device() -> DeviceInfo {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let hex: String = random::octets::<20>()
        .iter()
        .map(|octet| format!("{octet:02X}"))
        .collect();
    DeviceInfo {
        client_version: Some(concat!("ironflex ", env!("CARGO_PKG_VERSION")).into()),
        computer_name: Some(name.trim().to_owned()),
        platform: Some("linux-64".into()),
        unique_id_global: Some(hex),
        ..DeviceInfo::default()
    }
}

async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_cause_of_an_end() {
        let refused = |refusal| CloseReason::Refused(refusal);
        let by_peer = refused(Refusal::ByPeer(NotifyType::AUTHENTICATION_FAILED));
        assert_eq!(why(by_peer, None, false).code(), 4);
        assert_eq!(why(CloseReason::Unanswered, None, false).code(), 2);
        assert_eq!(why(CloseReason::Unanswered, None, true).code(), 6);
        assert_eq!(why(CloseReason::PeerDeleted, None, true).code(), 6);
        assert_eq!(why(CloseReason::Deleted, None, true).code(), 0);
        let forged = refused(PeerMisbehaved::AuthenticationFailed.into());
        assert_eq!(why(forged, None, false).code(), 3);
        let blamed = Some(End::Untrusted("expired".into()));
        let closed = refused(Refusal::Denied("expired".into()));
        assert_eq!(why(closed, blamed, false).code(), 3);
        let late = Some(End::Lost("the child SA went with it".into()));
        assert_eq!(why(CloseReason::Deleted, late, true).code(), 0);
    }
}
