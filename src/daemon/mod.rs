//! `ironflex run`: the headend daemon.
//!
//! ```text
//!   control socket ──► control ──┐
//!   UDP 500, 4500 ──────────────►│ driver ──► ikev2::Endpoint
//!   userspace ESP (4500) ───────►│    │  ▲
//!   deadlines, signals ─────────►│    ▼  │ answers
//!                                └── work: profiles, EAP, AAA, pools, dataplane, routes
//! ```
//!
//! One task owns the core and the sessions, without locks. What a datagram costs, all others wait for: at most the key
//! exchanges of one message, the verification of one chain of certificates, and one private-key operation. Of one socket it
//! takes up to 64 datagrams of SAs that there are before another socket, a deadline or a command has its turn, and requests for
//! new SAs for 2 ms.

pub mod apart;
pub mod assignment;
pub mod attempts;
pub mod bootflash;
pub mod budget;
mod children;
pub mod compile;
pub mod configure;
pub mod control;
pub mod counted_provider;
mod counters;
pub mod crash_secret;
pub mod difference;
pub mod driver;
pub mod identity;
pub mod idle;
pub mod init_queue;
mod interfaces;
mod ipv6_interfaces;
pub mod journal;
pub mod lease;
pub mod leftovers;
pub mod load;
pub mod log;
mod misfit;
pub mod network;
mod processor;
pub mod quota;
pub mod scrape;
pub mod service_manager;
pub mod session;
pub mod show;
pub mod snapshot;
mod standard_error;
pub mod statistics;
pub mod unproven;
pub mod work;

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

use ironflex_ikev2::{Endpoint, event::Framing};
use ironflex_profiles::{
    model::interface::{DeviceName, InterfaceName},
    render,
};
use ironflex_xfrm::{
    esp::{Tun, Userspace},
    netlink::{Owner, bypass_policies, take_esp_in_udp},
    record::Recorder,
};
use tokio::sync::mpsc;

use self::{
    apart::Serving,
    assignment::Pools,
    configure::{Configure, Said, Startup, Terms},
    control::{FILES, Listener, holder, shells::Shells, socket_path},
    counted_provider::CountedProvider,
    counters::ClearedCounters,
    driver::{Driver, Request},
    init_queue::InitQueue,
    journal::Journal,
    load::LoadError,
    log::Log,
    network::HouseNetwork,
    processor::Processor,
    service_manager::{Environment, ServiceManager},
    session::Sessions,
    work::House,
};
use crate::{
    aaa::Lockout,
    clock::Clock,
    dataplane::{self, Backend, Choice, Chosen},
    lifetimes,
    metrics::Tally,
    pki::{Draft, Store},
    random::OsRandom,
    signals::StopSignals,
    transport::{Handed, Transport, handing},
    udp::UdpEndpoint,
};

/// The UDP port of IKE.
pub const IKE_PORT: u16 = 500;

/// The UDP port of IKE with the non-ESP marker (RFC 7296 §2.23).
pub const NAT_PORT: u16 = 4500;

/// Control requests that may wait.
const REQUEST_LIMIT: usize = 16;

/// How the daemon is to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The configuration file.
    pub config: PathBuf,
    /// Where keys, the control socket and the journal live.
    pub state_dir: PathBuf,
    /// What `bootflash:` means; the configuration file's own folder when it is not said.
    pub bootflash: Option<PathBuf>,
    /// Router interfaces tied to Linux devices.
    pub devices: Vec<(InterfaceName, DeviceName)>,
    /// The dataplane.
    pub dataplane: Choice,
    /// Where the numbers are served over HTTP, if anywhere.
    pub metrics: Option<scrape::Place>,
    /// No lines but of our own errors (benchmarks).
    pub quiet: bool,
}

/// Why the daemon did not start.
#[derive(Debug)]
pub struct StartError {
    text: String,
    /// Another start comes to the same, as long as the configuration is what it is.
    pub refuses_configuration: bool,
}

impl StartError {
    const fn of(text: String) -> Self {
        Self {
            text,
            refuses_configuration: false,
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for StartError {}

fn because<E: fmt::Display>(what: impl fmt::Display) -> impl FnOnce(E) -> StartError {
    move |error| StartError::of(format!("{what}: {error}"))
}

/// Why a configuration keeps the daemon from starting. Whoever reads of a single error is told that the rest did not come to
/// work either.
fn refused_file(error: LoadError) -> StartError {
    let text = match error {
        LoadError::Text { .. } | LoadError::NoText { .. } => {
            format!("{error}: nothing of it was applied")
        }
        ref other => other.to_string(),
    };
    StartError {
        text,
        refuses_configuration: error.is_refusal(),
    }
}

/// A daemon whose sockets are bound and whose dataplane is chosen, about to serve.
pub struct Daemon {
    driver: Driver,
    control: Serving,
    scraping: Option<Serving>,
    requests: mpsc::Receiver<Request>,
    handed: mpsc::Receiver<Handed>,
}

impl Daemon {
    /// Does everything that may fail before the first packet. Must be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`StartError`] in the words of what failed. The network is as it was then, but for what an earlier run had left there
    /// and was cleared away.
    pub fn start(options: &Options) -> Result<Self, StartError> {
        let clock = Clock::start();
        let mut log = Log::new(options.quiet, clock);
        if let Some(interface) = load::tied_twice(&options.devices) {
            return Err(StartError::of(format!("--device names {interface} twice")));
        }
        let checked = load::check(&options.config, &options.devices).map_err(refused_file)?;
        log.logging = checked.snapshot.ikev2.logging;
        let state_dir = &options.state_dir;
        prepare_state_dir(state_dir)
            .map_err(because(format!("state folder {}", state_dir.display())))?;
        let control = socket_path(state_dir);
        let journal = || Journal::open(state_dir).map_err(because("journal"));
        let mut journal = holder::take(&control, journal, StartError::of)?;
        let store = Store::open(state_dir).map_err(because("key store"))?;
        let unconfirmed = store.draft().and_then(Draft::take_back_unconfirmed);
        let unconfirmed = unconfirmed.map_err(because("key store"))?;
        if !unconfirmed.is_empty() {
            log.warning(format_args!(
                "the last run ended before a change of the configuration was confirmed: trustpoints have the keys of before: {}",
                unconfirmed.join(", ")
            ));
        }
        let (sending, requests) = mpsc::channel(REQUEST_LIMIT);
        let processor = Processor::default();
        let shells = Shells::default();
        let control = Listener::bind(&control)
            .and_then(|listener| {
                listener.serve_apart(sending.clone(), processor.clone(), shells.clone())
            })
            .map_err(because("control socket"))?;
        let scraping = match &options.metrics {
            Some(place) => {
                let scraping = scrape::Scraping::open(place);
                let scraping = scraping.map_err(because(format!("--metrics: {place}")))?;
                let place = scraping.place().map_err(because("--metrics"))?;
                log.info(format_args!("metrics: {place}"));
                Some(
                    scraping
                        .serve_apart(sending)
                        .map_err(because("--metrics"))?,
                )
            }
            None => None,
        };
        let bootflash = load::bootflash(options.bootflash.as_deref(), &options.config);
        let (plan, configured, lines) =
            load::apply(checked, &store, &bootflash).map_err(refused_file)?;
        for line in lines.into_iter().chain(introduction(&plan)) {
            log.info(line);
        }
        let ties = ironflex_profiles::ties(&configured);
        for fault in &ties {
            log.warning(&fault.message);
        }
        if let Some(why) = load::nobody_can_log_in(&plan.snapshot) {
            log.warning(format_args!("nobody can log in: {why}"));
        }
        let (chosen, why) = dataplane::choose(Owner::Headend, options.dataplane, &plan.algorithms)
            .map_err(because("dataplane"))?;
        log.info(why);
        // Before anything is cleared away: whoever has the ports may be a living headend.
        let mut transport = bind_sockets(matches!(chosen, Chosen::Kernel(_)))?;
        let touches_kernel = !matches!(chosen, Chosen::Record);
        if touches_kernel {
            let clearing = "clearing what was left";
            let guards = network::Guards::left().map_err(because(clearing))?;
            let removed =
                network::clear_leftovers(&journal.unfinished).map_err(because(clearing))?;
            if !removed.is_empty() {
                log.info(format_args!(
                    "removed what an earlier run left behind: {removed}"
                ));
            }
            if !guards.is_empty() {
                log.info(format_args!(
                    "replacing what an earlier run left to keep pool addresses from travelling in clear: {guards}"
                ));
            }
        }
        let mut terms = Terms {
            state_dir: state_dir.clone(),
            userspace: matches!(chosen, Chosen::Userspace),
            kernel: matches!(chosen, Chosen::Kernel(_)),
            kernel_ipsec: touches_kernel && dataplane::kernel_ipsec(),
            secret: None,
        };
        if let Some(remark) = terms.open_secret(&plan) {
            log.warning(remark);
        }
        let (sink, handed) = handing();
        let (backend, device): (Backend, Option<String>) = match chosen {
            Chosen::Record => (Box::new(Recorder::new()), None),
            Chosen::Kernel(kernel) => (kernel, None),
            Chosen::Userspace => {
                let mtu = network::templates(&plan.snapshot)
                    .map(|(_, mtu)| mtu)
                    .min()
                    .unwrap_or(network::DEFAULT_MTU);
                let tun = Tun::create(network::TUN, mtu).map_err(because("TUN device"))?;
                let name = tun.name().to_owned();
                let sockets = transport.hand_over().map_err(because("UDP sockets"))?;
                let engine =
                    Userspace::start(sockets, tun, sink).map_err(because("userspace dataplane"))?;
                (Box::new(engine), Some(name))
            }
        };
        let descriptor = lifetimes::watch_events(&*backend).map_err(because("dataplane events"))?;
        // The last that may fail, because it takes back what it made and nobody else does.
        let network = if touches_kernel {
            let devices = network::devices(&plan.snapshot);
            journal.note(devices).map_err(because("journal"))?;
            let (network, warnings) =
                HouseNetwork::set_up(&plan.snapshot, device.as_deref(), terms.kernel_ipsec)
                    .map_err(because("network"))?;
            for warning in warnings {
                log.warning(warning);
            }
            network
        } else {
            HouseNetwork::untouched()
        };
        log.info("ready");
        let pools = Pools::new(&plan.snapshot);
        let provider = CountedProvider::new();
        let waiting = usize::try_from(plan.snapshot.ikev2.limits.waiting());
        Ok(Self {
            driver: Driver {
                endpoint: Endpoint::new(
                    clock.now(),
                    terms.endpoint(&plan),
                    provider,
                    Box::new(OsRandom),
                ),
                house: House {
                    configure: Configure::new(
                        store,
                        bootflash,
                        terms,
                        Startup::new(options.config.clone(), state_dir),
                        options.devices.clone(),
                        plan.snapshot.warnings.iter().chain(&ties),
                    ),
                    plan,
                    sessions: Sessions::default(),
                    lockout: Lockout::default(),
                    idle: idle::IdleTimers::default(),
                    leftovers: leftovers::Leftovers::default(),
                    pools,
                    dataplane: backend,
                    network,
                    log,
                    attempts: attempts::Attempts::default(),
                    clock,
                    running_config: render(&configured),
                    configured,
                    journal,
                    provider,
                    tally: Tally::default(),
                },
                transport,
                clock,
                first_requests: InitQueue::new(waiting.unwrap_or(usize::MAX)),
                dataplane: descriptor,
                dataplane_waits: false,
                key_log: None,
                cleared: crate::statistics::Statistics::default(),
                cleared_counters: ClearedCounters::default(),
                processor,
                shells,
            },
            control,
            scraping,
            requests,
            handed,
        })
    }

    /// Serves until `stop` says something or is closed, tells the clients and takes everything away again. What it says
    /// after that ends the telling at once.
    pub async fn serve(self, mut stop: mpsc::Receiver<()>) {
        let Self {
            mut driver,
            control,
            scraping,
            requests,
            mut handed,
        } = self;
        let mut manager = ServiceManager::new(&Environment::read());
        manager.ready();
        driver
            .serve(&mut handed, requests, &mut stop, &mut manager)
            .await;
        manager.stopping();
        driver.farewell(&mut handed, &mut stop).await;
        let Driver { house, .. } = driver;
        let House {
            mut configure,
            dataplane,
            network,
            journal,
            log,
            ..
        } = house;
        // Before anything that may wait for a disk. The engine's device goes with it; the guards go last.
        drop(dataplane);
        let torn_down = network.tear_down();
        // Files that are being written decide which keys stay.
        drop((control, scraping));
        for said in configure.end(FILES) {
            match said {
                Said::Done(text) => log.info(text),
                Said::Failed(text) => log.trouble(&text),
            }
        }
        match torn_down {
            // What it says may still be there.
            Err(error) => log.trouble(&error),
            Ok(()) => {
                if let Err(error) = journal.forget() {
                    log.trouble(&error);
                }
            }
        }
        log.info("stopped");
    }
}

/// What the log says of the profiles at the start.
fn introduction(plan: &compile::Plan) -> impl Iterator<Item = String> {
    plan.profiles.values().flat_map(|serving| {
        let name = &serving.profile.name;
        let proof = work::certificate_line(serving);
        let unserved = serving.profile.anyconnect_profile.as_ref().map(|_| {
            format!(
                "profile {name}: the client profile is not served over HTTPS yet and so not advertised; \
                 set BypassDownloader on clients that look for one"
            )
        });
        [format!("profile {name} proves itself as {proof}")]
            .into_iter()
            .chain(unserved)
    })
}

/// Makes the state folder, for the daemon's user alone, or looks whether one that is there is so. Its mode is not changed:
/// somebody may have named a folder that has other uses.
///
/// # Errors
///
/// Of the system calls, and for a folder that is another user's or open to others.
pub fn prepare_state_dir(path: &Path) -> io::Result<()> {
    let mut private = std::fs::DirBuilder::new();
    private.mode(0o700);
    if let Some(above) = path.parent() {
        private.recursive(true).create(above)?;
    }
    match private.recursive(false).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => return made,
    }
    let metadata = std::fs::metadata(path)?;
    let (mode, owner) = (metadata.mode() & 0o7777, metadata.uid());
    if !metadata.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    if owner != nix::unistd::geteuid().as_raw() {
        return Err(io::Error::other(format!(
            "it belongs to another user ({owner})"
        )));
    }
    if mode & 0o077 != 0 {
        let why = format!(
            "it is open to others (mode {mode:04o}): if it has no other use, 'chmod 0700 {}'",
            path.display()
        );
        return Err(io::Error::other(why));
    }
    Ok(())
}

/// Binds ports 500 and 4500 of both families. A machine without IPv6 serves IPv4 alone.
fn bind_sockets(kernel: bool) -> Result<Transport, StartError> {
    let mut transport = Transport::default();
    for address in [
        IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    ] {
        for (port, framing) in [(IKE_PORT, Framing::Bare), (NAT_PORT, Framing::Marked)] {
            let endpoint = match UdpEndpoint::bind(SocketAddr::new(address, port)) {
                Ok(endpoint) => endpoint,
                Err(error)
                    if address.is_ipv6()
                        && error.raw_os_error() == Some(nix::libc::EAFNOSUPPORT) =>
                {
                    continue;
                }
                Err(error) => return Err(because(format!("UDP port {port}"))(error)),
            };
            if kernel {
                bypass_policies(&endpoint).map_err(because("IPsec bypass"))?;
                // On a kernel without ESP this would swallow ESP and keepalives in silence.
                if framing == Framing::Marked {
                    take_esp_in_udp(&endpoint).map_err(because("ESP in UDP"))?;
                }
            }
            transport
                .add(endpoint, framing)
                .map_err(because("UDP sockets"))?;
        }
    }
    Ok(transport)
}

/// Runs the daemon until a signal asks it to end ([`StopSignals`]), which lets it tell its clients; a second one lets it end
/// at once.
///
/// # Errors
///
/// [`StartError`].
pub fn run(options: &Options) -> Result<(), StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(because("runtime"))?;
    runtime.block_on(async {
        let mut signals = StopSignals::listen().map_err(because("signals"))?;
        let daemon = Daemon::start(options)?;
        let (stopping, stop) = mpsc::channel(1);
        tokio::spawn(async move {
            loop {
                signals.received().await;
                if stopping.send(()).await.is_err() {
                    break;
                }
            }
        });
        daemon.serve(stop).await;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, chown},
    };

    use super::*;

    #[test]
    fn a_state_folder_is_made_for_its_user_alone_and_no_other_folder_is_changed() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        let made = folder.path().join("above/state");
        prepare_state_dir(&made).unwrap();
        assert_eq!(mode(&made), 0o700);
        prepare_state_dir(&made).unwrap();

        let shared = folder.path().join("shared");
        fs::create_dir(&shared).unwrap();
        for open in [0o755, 0o1777, 0o750, 0o701] {
            fs::set_permissions(&shared, fs::Permissions::from_mode(open)).unwrap();
            let refused = prepare_state_dir(&shared).unwrap_err().to_string();
            assert!(refused.contains("chmod 0700"), "{refused}");
            assert_eq!(mode(&shared), open);
        }
        fs::set_permissions(&shared, fs::Permissions::from_mode(0o700)).unwrap();
        prepare_state_dir(&shared).unwrap();
        // Only who may give folders away can make one of another user.
        if chown(&shared, Some(4321), Some(4321)).is_ok() {
            let refused = prepare_state_dir(&shared).unwrap_err().to_string();
            assert!(refused.contains("another user (4321)"), "{refused}");
        }
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(prepare_state_dir(&file).is_err());
    }
}
