//! `ironflex demo`: the whole job on one machine, in network namespaces of its own.
//!
//! ```text
//!   client ────── 192.0.2.0/24 ────── headend ────── 10.0.1.0/24 ────── server
//!   .100          (the Internet)      .1   .254      (behind it)        .1
//! ```
//!
//! Everything is made here: authority, certificate, PKCS#12, namespaces, cables; no other program is
//! started. Devices are in network namespaces and files in a memory file system of the process's own, so the
//! kernel takes all of it away when the process ends, by whatever signal that may be.

use std::{
    collections::BTreeSet,
    fmt::Display,
    fs::{self, File},
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use ironflex_xfrm::{
    AesKeySize, EspAlgorithm, Integrity, IpPrefix,
    netlink::{
        LinkAddress, LinkKind, MAIN_TABLE, NetlinkError, Network, NetworkNamespace, NewLink, Owner,
        Route, RouteTarget,
        namespace::{enter_mount_namespace, enter_user_namespace, mount_memory},
        sysctl,
    },
};
use sha2::{Digest, Sha256};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use crate::{
    client::{self, Connection, End, login::Login, place::Held},
    clock,
    daemon::{self, Daemon, control},
    dataplane::{self, Choice},
    pki::{
        ServerIdentity,
        authority::{Authority, KeyAlgorithm, LeafRequest, Validity},
        pem, write_pkcs12,
    },
};

/// The configuration of the public Cisco document, to the letter.
const CONFIG: &str = include_str!("../examples/flexvpn-headend.conf");

const HEADEND: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 100);
const INSIDE: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 254);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 1);

/// The transform-set of that configuration.
const TRANSFORM: EspAlgorithm = EspAlgorithm::AesCbcHmac {
    key_size: AesKeySize::Aes256,
    integrity: Integrity::HmacSha256_128,
};

/// What is copied through the tunnel, in octets.
const COPY: usize = 50_000_000;

/// The TCP port of the server.
const PORT: u16 = 8080;

/// The metric of the server's route to everywhere.
const ROUTE_METRIC: u32 = 10;

/// How long any one step may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Something went wrong, in words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DemoError(String);

fn because<E: Display>(what: &str) -> impl FnOnce(E) -> DemoError {
    let what = what.to_owned();
    move |error| DemoError(format!("{what}: {error}"))
}

fn say(text: impl Display) {
    let _ = writeln!(io::stdout(), "==> {text}");
}

/// Where the demonstration keeps its files: hidden below a memory file system that this process alone sees.
const FOLDER: &str = "/tmp";

/// What userspace ESP is read from and written to.
const TUN: &str = "/dev/net/tun";

/// Runs the demonstration. The process must have one thread still.
///
/// # Errors
///
/// [`DemoError`]: which step did not work, and why.
pub fn run() -> Result<(), DemoError> {
    let begun = Instant::now();
    let folder = Path::new(FOLDER);
    enter_namespaces()?;
    mount_memory(folder).map_err(because("a memory file system for the demo's files"))?;
    say("making three network namespaces: client, headend, server");
    let house = House::build().map_err(because("network namespaces"))?;
    house.check_dataplane()?;
    say("making an authority, a headend certificate and its PKCS#12");
    make_files(folder)?;
    house.demonstrate(folder)?;
    say(format_args!(
        "done in {:.1} s; nothing is left behind",
        begun.elapsed().as_secs_f64()
    ));
    Ok(())
}

/// Puts the process where it may make network namespaces and mounts that are its own: root into a mount namespace,
/// anyone else, and a root without its capabilities, into a user namespace.
fn enter_namespaces() -> Result<(), DemoError> {
    if nix::unistd::geteuid().is_root() && enter_mount_namespace().is_ok() {
        return Ok(());
    }
    say("making a user namespace, to be root without privilege");
    enter_user_namespace().map_err(because(
        "this machine lets this user have no namespaces; run the demo as root (with CAP_SYS_ADMIN), or allow user namespaces",
    ))
}

fn make_files(folder: &Path) -> Result<(), DemoError> {
    let validity = Validity::starting(clock::wall_clock(), Duration::from_secs(86_400));
    let failed = because::<crate::pki::authority::AuthorityError>;
    let root = Authority::root("ironflex demo CA", KeyAlgorithm::Rsa2048, validity)
        .map_err(failed("authority"))?;
    let names = [
        ServerIdentity::Dns("vpn.example.com".into()),
        ServerIdentity::Ip(IpAddr::V4(HEADEND)),
    ];
    let request = LeafRequest::server(&names, KeyAlgorithm::Rsa2048, validity);
    let identity = root.issue(&request).map_err(failed("certificate"))?;
    let file = write_pkcs12(&identity, &[root.certificate()], "IKEv2-TP", "cisco123")
        .map_err(because("PKCS#12"))?;
    let write =
        |name: &str, octets: &[u8]| fs::write(folder.join(name), octets).map_err(because(name));
    write("IKEv2-TP.p12", &file)?;
    write("flexvpn-headend.conf", CONFIG.as_bytes())?;
    let authority = pem::write_pem_certificates(&[root.certificate()]);
    write("ca.pem", authority.as_bytes())
}

/// The three namespaces.
struct House {
    client: NetworkNamespace,
    headend: NetworkNamespace,
    server: NetworkNamespace,
}

impl House {
    fn build() -> Result<Self, NetlinkError> {
        let house = Self {
            client: NetworkNamespace::create()?,
            headend: NetworkNamespace::create()?,
            server: NetworkNamespace::create()?,
        };
        house.cable("outside0", &house.client, HEADEND, CLIENT)?;
        house.cable("inside0", &house.server, INSIDE, SERVER)?;
        house
            .headend
            .run(|| sysctl::write("net.ipv4.ip_forward", 1))??;
        house.server.run(|| {
            Network::open_as_administrator()?.add_route(&Route {
                destination: IpPrefix::ANY_V4,
                target: RouteTarget::Gateway {
                    address: INSIDE.into(),
                    link: None,
                },
                metric: ROUTE_METRIC,
                source: None,
                table: MAIN_TABLE,
            })
        })??;
        Ok(house)
    }

    /// Refuses a machine that can carry ESP neither in its kernel nor on a TUN device.
    fn check_dataplane(&self) -> Result<(), DemoError> {
        let Err(error) = File::options().read(true).write(true).open(TUN) else {
            return Ok(());
        };
        let kernel = self
            .headend
            .run(|| dataplane::choose(Owner::Headend, Choice::Kernel, &[TRANSFORM]).map(drop))
            .map_err(because("network namespaces"))?;
        let Err(lack) = kernel else {
            return Ok(());
        };
        let remedy = match error.kind() {
            io::ErrorKind::PermissionDenied => {
                "it is not open to this user ('chmod 0666' is usual for it), so run the demo as root"
            }
            _ => "load it by 'modprobe tun', or give this container the device",
        };
        Err(DemoError(format!(
            "nothing here can carry ESP: not the kernel ({lack}), and not userspace, which needs {TUN} ({error}): {remedy}"
        )))
    }

    /// A cable from the headend's device `name` to `eth0` in another namespace.
    fn cable(
        &self,
        name: &str,
        other: &NetworkNamespace,
        ours: Ipv4Addr,
        theirs: Ipv4Addr,
    ) -> Result<(), NetlinkError> {
        self.headend.run(|| {
            let mut network = Network::open_as_administrator()?;
            up(&mut network, "lo", None)?;
            network.create_link(&NewLink {
                name: name.to_owned(),
                alias: None,
                kind: LinkKind::Veth {
                    peer: "eth0".into(),
                },
            })?;
            if let Some(end) = network.link("eth0")? {
                use std::os::fd::AsFd;
                network.move_link(end.index, other.as_fd())?;
            }
            up(&mut network, name, Some(ours))
        })??;
        other.run(|| {
            let mut network = Network::open_as_administrator()?;
            up(&mut network, "lo", None)?;
            up(&mut network, "eth0", Some(theirs))
        })?
    }

    fn demonstrate(&self, folder: &Path) -> Result<(), DemoError> {
        let state_dir = folder.join("state");
        say("starting the headend on the configuration of the Cisco document");
        thread::scope(|scope| {
            let (stop_headend, stop) = mpsc::channel(1);
            let (ready, is_ready) = std::sync::mpsc::channel();
            let options = headend_options(folder, &state_dir);
            let headend = scope.spawn(move || {
                self.headend
                    .run(|| serve_headend(&options, ready, stop))
                    .map_err(because("headend"))?
            });
            let shown = match is_ready.recv() {
                Ok(()) => self.log_in(folder, &state_dir),
                // It said why when it is joined.
                Err(_) => Ok(()),
            };
            say("stopping the headend");
            drop(stop_headend);
            let served = headend
                .join()
                .unwrap_or_else(|_| Err(DemoError("the headend's thread panicked".into())));
            served.and(shown)
        })
    }

    fn log_in(&self, folder: &Path, state_dir: &Path) -> Result<(), DemoError> {
        say("logging in as test with a wrong password");
        let refused = self.connect(folder, "not-the-password", async { Ok(()) })?;
        match &refused {
            End::LoginRefused(why) => say(format_args!("refused, as it should be: {why}")),
            other => return Err(DemoError(format!("a wrong password led to: {other}"))),
        }
        say("logging in as test / cisco123");
        let end = self.connect(folder, "cisco123", async {
            let seen = tokio::task::spawn_blocking({
                let state_dir = state_dir.to_owned();
                let client = NetworkNamespace::current().map_err(because("namespace"))?;
                let server = self
                    .server
                    .run(NetworkNamespace::current)
                    .map_err(because("namespace"))?
                    .map_err(because("namespace"))?;
                move || traffic(&client, &server).and_then(|()| shows(&state_dir))
            });
            seen.await.map_err(because("traffic"))?
        })?;
        match end {
            End::Disconnected => Ok(()),
            other => Err(DemoError(format!("the login led to: {other}"))),
        }
    }

    /// Connects from the client's namespace, does `work` when the tunnel is up, and disconnects.
    fn connect(
        &self,
        folder: &Path,
        password: &str,
        work: impl Future<Output = Result<(), DemoError>> + Send,
    ) -> Result<End, DemoError> {
        let options = client_options(folder);
        let login = Login {
            own: None,
            user: Some("test".into()),
            password: Some(Zeroizing::new(password.to_owned())),
            batch: true,
        };
        let inside = || -> Result<End, DemoError> {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(because("runtime"))?;
            runtime.block_on(async {
                let (device, mut place) = (client::device::device(), Held::default());
                let mut warned = BTreeSet::new();
                let started =
                    Connection::start(&options, login, device, None, &mut place, &mut warned);
                let mut connection = match started.await {
                    Ok(connection) => connection,
                    Err(end) => return Ok(end),
                };
                let up = connection.when_up();
                let mut worked = Ok(());
                let stop = async {
                    match up.await {
                        Ok(()) => worked = work.await,
                        // It ended before it was up; serve() says why.
                        Err(_) => std::future::pending().await,
                    }
                };
                let end = connection.serve(stop).await;
                drop(connection);
                worked.map(|()| end)
            })
        };
        self.client.run(inside).map_err(because("client"))?
    }
}

fn up(network: &mut Network, name: &str, address: Option<Ipv4Addr>) -> Result<(), NetlinkError> {
    if let Some(link) = network.link(name)? {
        if let Some(address) = address {
            network.add_address(&LinkAddress {
                link: link.index,
                address: address.into(),
                prefix_length: 24,
            })?;
        }
        network.set_up(link.index, true)?;
    }
    Ok(())
}

fn headend_options(folder: &Path, state_dir: &Path) -> daemon::Options {
    daemon::Options {
        config: folder.join("flexvpn-headend.conf"),
        state_dir: state_dir.to_owned(),
        bootflash: None,
        devices: crate::operation::tie("GigabitEthernet1=outside0")
            .into_iter()
            .collect(),
        dataplane: Choice::Auto,
        metrics: None,
        quiet: false,
    }
}

fn client_options(folder: &Path) -> client::Options {
    client::Options {
        host: HEADEND.to_string(),
        user: Some("test".into()),
        password_stdin: true,
        ca: Some(folder.join("ca.pem")),
        profile: None,
        auth: client::proof::Auth::AnyconnectEap,
        cert: None,
        key: None,
        pkcs12: None,
        pkcs12_password_file: None,
        psk_file: None,
        ppk_id: None,
        ppk_file: None,
        ppk_required: false,
        identity: None,
        remote_id: None,
        childless: false,
        tunnel_wait: client::options::TUNNEL_WAIT,
        proposals: Vec::new(),
        group: None,
        no_dns: true,
        dataplane: Choice::Auto,
        json: false,
        once: true,
        no_mobike: false,
        dpd: 20,
        max_redirects: client::redirect::MAX_REDIRECTS,
        lifetime: None,
        keylog: None,
    }
}

fn serve_headend(
    options: &daemon::Options,
    ready: std::sync::mpsc::Sender<()>,
    stop: mpsc::Receiver<()>,
) -> Result<(), DemoError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(because("runtime"))?;
    runtime.block_on(async {
        let daemon = Daemon::start(options).map_err(because("headend"))?;
        let _ = ready.send(());
        daemon.serve(stop).await;
        Ok(())
    })
}

// --- Traffic ---

fn traffic(client: &NetworkNamespace, server: &NetworkNamespace) -> Result<(), DemoError> {
    say(format_args!(
        "pinging {SERVER}, behind the headend, through the tunnel"
    ));
    let times = client
        .run(|| ping(SERVER, 5))
        .map_err(because("ping"))?
        .map_err(because("ping"))?;
    let words: Vec<String> = times
        .iter()
        .map(|time| format!("{:.2} ms", time.as_secs_f64() * 1000.0))
        .collect();
    say(format_args!(
        "{} answers of 5: {}",
        times.len(),
        words.join(", ")
    ));
    if times.len() < 5 {
        return Err(DemoError("some pings were not answered".into()));
    }
    say(format_args!(
        "copying {} MB by TCP through the tunnel",
        COPY / 1_000_000
    ));
    let took = thread::scope(|scope| {
        let (listening, is_listening) = std::sync::mpsc::channel();
        let serving = scope.spawn(|| server.run(move || give(listening)));
        let taken = match is_listening.recv_timeout(PATIENCE) {
            Ok(()) => client.run(|| take(SocketAddr::new(SERVER.into(), PORT))),
            Err(_) => Ok(Err(io::ErrorKind::TimedOut.into())),
        };
        let given = serving.join();
        let taken = taken.map_err(because("TCP"))?.map_err(because("TCP"))?;
        match given {
            Ok(Ok(Ok(()))) => Ok(taken),
            _ => Err(DemoError("the server did not send everything".into())),
        }
    })?;
    let rate = (COPY as f64) * 8.0 / took.as_secs_f64() / 1e6;
    say(format_args!(
        "{} MB in {:.2} s ({rate:.0} Mbit/s), SHA-256 equal at both ends",
        COPY / 1_000_000,
        took.as_secs_f64()
    ));
    Ok(())
}

/// Octet `at` of what is copied.
fn pattern(at: usize) -> u8 {
    (at.wrapping_mul(2_654_435_761) >> 13) as u8
}

fn give(listening: std::sync::mpsc::Sender<()>) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT))?;
    let _ = listening.send(());
    let (mut stream, _) = listener.accept()?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let data: Vec<u8> = (0..COPY).map(pattern).collect();
    stream.write_all(&data)
}

fn take(server: SocketAddr) -> io::Result<Duration> {
    let begun = Instant::now();
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut data = Vec::with_capacity(COPY);
    stream.read_to_end(&mut data)?;
    let took = begun.elapsed();
    let expected: Vec<u8> = (0..COPY).map(pattern).collect();
    if Sha256::digest(&data) == Sha256::digest(&expected) {
        Ok(took)
    } else {
        Err(io::Error::other(format!(
            "{} octets came, and not the ones that were sent",
            data.len()
        )))
    }
}

/// Sends echo requests one after another. Returns how long each answer took.
fn ping(to: Ipv4Addr, count: u16) -> io::Result<Vec<Duration>> {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))?;
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    let target = SocketAddr::new(to.into(), 0).into();
    let id = std::process::id() as u16;
    let mut times = Vec::new();
    for sequence in 1..=count {
        let begun = Instant::now();
        socket.send_to(&echo_request(id, sequence), &target)?;
        let mut buffer = [0; 256];
        while begun.elapsed() < Duration::from_secs(2) {
            let length = match (&socket).read(&mut buffer) {
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            };
            if is_reply(buffer.get(..length).unwrap_or_default(), id, sequence) {
                times.push(begun.elapsed());
                break;
            }
        }
    }
    Ok(times)
}

/// An ICMP echo request (RFC 792) with 48 octets of data.
fn echo_request(id: u16, sequence: u16) -> Vec<u8> {
    let mut packet = vec![8, 0, 0, 0];
    packet.extend_from_slice(&id.to_be_bytes());
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend((0..48).map(|octet: u8| octet));
    let sum = packet.as_chunks::<2>().0.iter().fold(0_u32, |sum, pair| {
        sum.wrapping_add(u32::from(u16::from_be_bytes(*pair)))
    });
    let folded = (sum & 0xffff).wrapping_add(sum >> 16);
    let folded = (folded & 0xffff).wrapping_add(folded >> 16);
    let checksum = !(folded as u16);
    for (octet, value) in packet.iter_mut().skip(2).zip(checksum.to_be_bytes()) {
        *octet = value;
    }
    packet
}

/// Whether an IPv4 packet is the answer to our request.
fn is_reply(packet: &[u8], id: u16, sequence: u16) -> bool {
    let header = packet
        .first()
        .map_or(0, |first| usize::from(first & 15).wrapping_mul(4));
    let expected = [[0, 0], id.to_be_bytes(), sequence.to_be_bytes()];
    let Some(icmp) = packet.get(header..) else {
        return false;
    };
    let parts = [icmp.get(0..2), icmp.get(4..6), icmp.get(6..8)];
    parts
        .iter()
        .zip(expected)
        .all(|(part, expected)| *part == Some(expected.as_slice()))
}

fn shows(state_dir: &Path) -> Result<(), DemoError> {
    for line in [
        "show crypto ikev2 sa detailed",
        "show crypto session detail",
        "show derived-config interface virtual-access 1",
    ] {
        let reply = control::connect(state_dir, PATIENCE)
            .and_then(|stream| control::ask(stream, line))
            .map_err(because(line))?;
        if reply.status != 0 {
            return Err(DemoError(format!("{line}: {}", reply.output)));
        }
        let _ = writeln!(io::stdout(), "\nRouter# {line}\n{}", reply.output);
    }
    Ok(())
}
