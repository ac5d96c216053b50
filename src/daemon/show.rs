//! Gathers the facts behind a `show` command. They are told outside of the loop.

use std::{
    collections::BTreeSet,
    io,
    net::IpAddr,
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use ironflex_ikev2::event::Instant;
use ironflex_profiles::{model::interface::InterfaceName, render_all};
use ironflex_xfrm::netlink::{self, Network, Owner};
use nix::sys::statvfs::statvfs;

use super::{
    configure::{Person, Work},
    counters::ClearedCounters,
    driver::Driver,
    interfaces, ipv6_interfaces,
    snapshot::{pools, state},
    statistics,
};
use crate::{
    aaa::LockedOut,
    cli::{
        exec::{KeyKind, NamedInterface, ObjectKind, Show, absent},
        show::{
            Configured, Facts, Ikev2SaQuery, Ikev2Stats, InterfaceFacts, IpsecSaQuery,
            LockedOutUser, MethodLists, RollbackFacts, Secrets, SessionQuery, TerminalFacts,
            Version,
            admission::Memory,
            directory::{Directory, FileFacts},
            interface_named, lines_of,
            neighbors::NeighborFacts,
            pki::TrustpointFacts,
            without_secrets,
        },
    },
    kernel_clock,
    state::State,
};

/// The facts at this moment.
pub fn facts(driver: &mut Driver, what: Show) -> Facts {
    match what {
        Show::AaaLockout => {
            let locked = driver.house.lockout.locked_out().into_iter();
            let facts = locked.map(|LockedOut { user, since }| LockedOutUser { user, since });
            Facts::AaaLockout(facts.collect())
        }
        Show::AaaMethodLists(which) => Facts::AaaMethodLists(configured(driver), which),
        Show::AaaSessions => Facts::AaaSessions(state(driver)),
        Show::CallAdmission => Facts::CallAdmission(Box::new(statistics::statistics(driver))),
        Show::DebugCondition => Facts::DebugCondition(driver.house.log.conditions.facts()),
        Show::Ikev2Diagnose(filter) => Facts::Ikev2Diagnose(driver.house.attempts.facts(), filter),
        Show::Ikev2DiagnoseError => {
            let attempts = &driver.house.attempts;
            Facts::Ikev2DiagnoseError(attempts.facts(), attempts.room())
        }
        Show::InterfaceLines(named) => interface_lines(driver, &named),
        Show::Interfaces(None) => {
            let state = since_cleared(driver);
            Facts::Interfaces(interfaces::facts(driver, &state), state)
        }
        Show::Interfaces(Some(NamedInterface::VirtualAccess(number))) => {
            Facts::Interface(since_cleared(driver), number)
        }
        Show::Interfaces(named) => wanted_interfaces(driver, named, |all| {
            Facts::Interfaces(all, State::default())
        }),
        Show::InterfaceBrief(named) => wanted_interfaces(driver, named, Facts::InterfaceBrief),
        Show::InterfaceDescription(named) => {
            wanted_interfaces(driver, named, Facts::InterfaceDescription)
        }
        Show::IpInterface(named) => wanted_interfaces(driver, named, Facts::IpInterface),
        Show::Inventory => Facts::Inventory(Box::new(version(driver))),
        Show::IsakmpSa => Facts::IsakmpSa,
        Show::AccessLists { name } => Facts::AccessLists(configured(driver), name),
        Show::RunningConfigInterface(named) => running_config_interface(driver, named),
        Show::IpAccessLists { name } => Facts::IpAccessLists(configured(driver), name),
        Show::IpNatStatistics => Facts::IpNatStatistics(configured(driver), None),
        Show::IpRoute(address) => {
            let state = state(driver);
            let connected = interfaces::connected(&interfaces::facts(driver, &state));
            Facts::IpRoute(state, connected, address)
        }
        Show::Logging => Facts::Logging(driver.house.log.facts()),
        Show::PkiCertificates { verbose, name } => {
            at_once(certificates(driver, verbose, name.as_deref()))
        }
        Show::MyPublicKeys(kind) => at_once(public_keys(driver, kind)),
        Show::PkiTrustpoints { status, name } => {
            at_once(trustpoint_names(driver, status, name.as_deref()))
        }
        Show::ProcessesCpu => Facts::Processor(driver.processor.facts()),
        Show::ProcessesMemory => {
            let read = |path| std::fs::read_to_string(path).unwrap_or_default();
            Facts::Memory(Memory::read(
                &read("/proc/self/status"),
                &read("/proc/meminfo"),
            ))
        }
        Show::TechSupport => at_once(tech_support(driver)),
        Show::Users => users(driver, &Person::default()),
        Show::Clock { detail } => clock(detail),
        Show::CryptoSession(query) => Facts::CryptoSession(state(driver), query),
        Show::CryptoSessionBrief => Facts::CryptoSessionBrief(state(driver)),
        Show::CryptoSessionGroups => Facts::CryptoSessionGroups(state(driver)),
        Show::CryptoSessionSummary => Facts::CryptoSessionSummary(state(driver)),
        Show::Debugging => Facts::Debugging(driver.house.log.flags),
        Show::DerivedConfig { virtual_access } => {
            Facts::DerivedConfig(state(driver), virtual_access)
        }
        Show::Ikev2Sa(query) => Facts::Ikev2Sa(state(driver), query),
        Show::Ikev2SaCount => Facts::Ikev2SaCount(statistics::sa_numbers(driver)),
        Show::Ikev2Session { detailed } => Facts::Ikev2Session(state(driver), detailed),
        Show::Ikev2Stats(which) => {
            let since = statistics::statistics(driver).since(&driver.cleared);
            Facts::Ikev2Stats(Box::new(since), which)
        }
        Show::IpLocalPool { name } => Facts::IpLocalPool(pools(driver), name),
        Show::IpsecSa(query) => Facts::IpsecSa(state(driver), query),
        Show::IpsecSaCount => Facts::IpsecSaCount(state(driver)),
        Show::Ipv6AccessLists { name } => Facts::Ipv6AccessLists(configured(driver), name),
        Show::Ipv6InterfaceBrief => {
            let state = state(driver);
            Facts::Ipv6InterfaceBrief(ipv6_interfaces::facts(driver, &state))
        }
        Show::Ipv6Route(address) => Facts::Ipv6Route(state(driver), address),
        Show::Ipv6LocalPool { name } => Facts::Ipv6LocalPool(pools(driver), name),
        Show::Metrics => Facts::Metrics(statistics::metrics(driver)),
        Show::Object { kind, name } => Facts::Object(configured(driver), kind, name),
        Show::RollbackTimer => {
            let pending = driver.rollback_timer();
            Facts::RollbackTimer(pending.map(|(left, by)| RollbackFacts { left, by }))
        }
        Show::RunningConfig { all: false } => {
            Facts::RunningConfig(driver.house.running_config.clone())
        }
        Show::RunningConfig { all: true } => {
            Facts::RunningConfig(render_all(&driver.house.configured))
        }
        Show::Version => Facts::Version(Box::new(version(driver))),
    }
}

fn clock(detail: bool) -> Facts {
    Facts::Clock(SystemTime::now(), kernel_clock::standing(), detail)
}

fn all_interfaces(driver: &mut Driver) -> Vec<InterfaceFacts> {
    let state = since_cleared(driver);
    interfaces::facts(driver, &state)
}

/// All interfaces, or the one that is named, as one command tells them.
fn wanted_interfaces(
    driver: &mut Driver,
    named: Option<NamedInterface>,
    told: impl FnOnce(Vec<InterfaceFacts>) -> Facts,
) -> Facts {
    let all = all_interfaces(driver);
    let Some(named) = named else {
        return told(all);
    };
    match interface_named(all, &named) {
        Ok(one) => told(vec![one]),
        Err(why) => Facts::Refused(why),
    }
}

/// `show interfaces INTERFACE configuration`, which a router has of a session's alone.
fn interface_lines(driver: &mut Driver, named: &NamedInterface) -> Facts {
    if let NamedInterface::VirtualAccess(number) = *named {
        return Facts::InterfaceLines(state(driver), number);
    }
    Facts::Refused(match interface_named(all_interfaces(driver), named) {
        Ok(InterfaceFacts { name, .. }) => format!(
            "% {name} is no session's interface: 'show running-config interface {name}' shows its lines"
        ),
        Err(why) => why,
    })
}

/// The state, with what has gone through interfaces since `clear counters`.
fn since_cleared(driver: &mut Driver) -> State {
    let state = state(driver);
    driver.cleared_counters.since(state, driver.clock.now())
}

fn version(driver: &Driver) -> Version {
    let of_linux = |name: &str| {
        let said = std::fs::read_to_string(format!("/proc/sys/kernel/{name}"));
        said.map_or_else(|_| "unknown".to_owned(), |said| said.trim().to_owned())
    };
    let image = std::env::current_exe().ok();
    let terms = &driver.house.configure.terms;
    Version {
        software: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        hostname: driver.house.plan.snapshot.hostname.to_string(),
        uptime: driver.clock.now().since(Instant::new(Duration::ZERO)),
        image: image.map(|path| path.display().to_string()),
        kernel: of_linux("osrelease"),
        architecture: std::env::consts::ARCH,
        machine: of_linux("hostname"),
        dataplane: match (terms.kernel, terms.userspace) {
            (true, _) => "kernel",
            (false, true) => "userspace",
            (false, false) => "none",
        },
    }
}

/// `clear counters [INTERFACE]`
pub(super) fn clear_counters(
    driver: &mut Driver,
    named: Option<NamedInterface>,
) -> Result<String, String> {
    let state = state(driver);
    let now = driver.clock.now();
    let of = match named {
        None => {
            let devices = interfaces::traffic(driver).into_values();
            driver.cleared_counters = ClearedCounters::by(&state, devices, now);
            "all interfaces".to_owned()
        }
        Some(named) => {
            let all = interfaces::facts(driver, &state);
            let names: BTreeSet<String> = all.iter().map(|one| one.name.clone()).collect();
            let one = interface_named(all, &named)?;
            let cleared = &mut driver.cleared_counters;
            if let Some(number) = one.virtual_access {
                cleared.clear_one(&state, number, now);
            } else {
                let device = one.device;
                let device = device.and_then(|name| interfaces::traffic(driver).remove(&name));
                let cleared = &mut driver.cleared_counters;
                cleared.clear_named(&one.name, device, &names, now);
            }
            format!("interface {}", one.name)
        }
    };
    let log = &driver.house.log;
    log.notice(format_args!(
        "%CLEAR-5-COUNTERS: Clear counter on {of} by console"
    ));
    Ok(String::new())
}

/// `dir`: reads the folder that `bootflash:` means.
pub(super) fn bootflash(driver: &Driver) -> Work<Facts> {
    let folder = driver.house.configure.bootflash.clone();
    Work::new(move || {
        let read = directory(&folder);
        let read = read.map_err(|error| format!("%Error opening bootflash:/ ({error})"))?;
        Ok(Facts::Directory(read))
    })
}

fn directory(folder: &Path) -> io::Result<Directory> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        // One that has gone meanwhile is none.
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        let may = |bit: u32, letter| {
            if metadata.mode() & bit == 0 {
                '-'
            } else {
                letter
            }
        };
        let kind = if metadata.is_dir() { 'd' } else { '-' };
        files.push(FileFacts {
            name: entry.file_name().to_string_lossy().into_owned(),
            number: metadata.ino(),
            permissions: [kind, may(0o400, 'r'), may(0o200, 'w'), may(0o100, 'x')]
                .iter()
                .collect(),
            size: metadata.len(),
            changed: metadata.mtime(),
        });
    }
    files.sort_by(|one, other| one.name.cmp(&other.name));
    let room = statvfs(folder)?;
    let octets = |blocks: u64| blocks.saturating_mul(room.fragment_size());
    Ok(Directory {
        files,
        total: octets(room.blocks()),
        free: octets(room.blocks_available()),
    })
}

/// Looks at the kernel's table of connections, which may be long, for those of clients.
pub(super) fn translations(driver: &Driver) -> Work<Facts> {
    let clients = driver.house.network.wanted().clients();
    Work::new(move || {
        let found = netlink::translations(&clients).map_err(|error| format!("% {error}"))?;
        let found =
            found.ok_or("% This kernel lists no connections: it has no nf_conntrack_netlink")?;
        Ok(Facts::IpNatTranslations(found))
    })
}

/// The same table's length, beside what is configured.
pub(super) fn nat_statistics(driver: &Driver) -> Work<Facts> {
    let clients = driver.house.network.wanted().clients();
    let configured = configured(driver);
    Work::new(move || {
        let found = netlink::translations(&clients).map_err(|error| format!("% {error}"))?;
        let active = found.map(|found| found.len());
        Ok(Facts::IpNatStatistics(configured, active))
    })
}

/// Asks the kernel for its neighbours, of which a large network has many.
pub(super) fn neighbors(driver: &Driver, ipv6: bool, address: Option<IpAddr>) -> Work<Facts> {
    let interfaces = interfaces::of_devices(driver);
    Work::new(move || {
        let mut network = Network::open(Owner::Headend).map_err(|error| format!("% {error}"))?;
        let found = network.neighbours(ipv6);
        let found = found.map_err(|error| format!("% {error}"))?;
        let mut all = NeighborFacts::of(found, &interfaces);
        all.retain(|one| address.is_none_or(|address| one.address == address));
        Ok(if ipv6 {
            Facts::Ipv6Neighbors(all)
        } else {
            Facts::Arp(all)
        })
    })
}

fn configured(driver: &Driver) -> Box<Configured> {
    let house = &driver.house;
    Box::new(Configured {
        lines: house.configured.clone(),
        resolved: Arc::clone(&house.plan.snapshot),
        inactive: {
            let inactive = house.plan.inactive();
            inactive
                .map(|(name, why)| (name.clone(), why.to_owned()))
                .collect()
        },
    })
}

/// The lines of one interface.
fn running_config_interface(driver: &mut Driver, named: NamedInterface) -> Facts {
    let unknown = || Facts::Refused(absent(&named, " in the configuration"));
    let name = match &named {
        NamedInterface::Configured(name) => Some(name.clone()),
        NamedInterface::Device(_) | NamedInterface::VirtualAccess(_) => {
            let Ok(one) = interface_named(all_interfaces(driver), &named) else {
                return unknown();
            };
            if one.virtual_access.is_some() {
                let name = one.name;
                return Facts::Refused(format!(
                    "% {name} has no lines of its own: 'show derived-config interface {name}' shows what its Virtual-Template \
                     makes of it"
                ));
            }
            InterfaceName::parse(&one.name).ok()
        }
    };
    let lines = name.map(|name| lines_of(&driver.house.running_config, &name));
    match lines.filter(|lines| !lines.is_empty()) {
        Some(lines) => Facts::RunningConfigInterface(lines),
        None => unknown(),
    }
}

/// `show users`, for who asks.
pub(super) fn users(driver: &mut Driver, asker: &Person) -> Facts {
    let terminals = terminals(driver, asker);
    Facts::Users(state(driver), terminals)
}

/// Who sits at a shell, and who configures or has the log copied without one.
fn terminals(driver: &Driver, asker: &Person) -> Vec<TerminalFacts> {
    let mut working: Vec<(Person, &'static str)> = Vec::new();
    let configures = driver.at_configuration().cloned();
    working.extend(configures.map(|person| (person, "configure")));
    let monitors = driver.house.log.watching().into_iter();
    working.extend(monitors.map(|person| (person, "monitor")));
    let facts = |person: Person, does, idle: Option<Duration>| TerminalFacts {
        asks: idle_asks(&person, idle, asker),
        user: person.user,
        does,
        terminal: person.terminal,
        process: person.process,
        idle_seconds: idle.map(|idle| idle.as_secs()),
    };
    let mut all = Vec::new();
    for (person, idle) in driver.shells.all() {
        let same = |other: &Person| other.process.is_some() && other.process == person.process;
        let does = working.iter().find(|(other, _)| same(other));
        let does = does.map_or("idle", |(_, does)| *does);
        working.retain(|(other, _)| !same(other));
        all.push(facts(person, does, Some(idle)));
    }
    all.extend(
        working
            .into_iter()
            .map(|(person, does)| facts(person, does, None)),
    );
    all
}

/// Whether the shell is the one that asks.
fn idle_asks(person: &Person, idle: Option<Duration>, asker: &Person) -> bool {
    idle.is_some() && person.process.is_some() && person.process == asker.process
}

/// `show crypto pki certificates [verbose] [TRUSTPOINT]`
pub(super) fn certificates(driver: &Driver, verbose: bool, name: Option<&str>) -> Work<Facts> {
    trustpoints(driver, name, move |all| {
        Facts::PkiCertificates(all, verbose)
    })
}

/// `show crypto pki trustpoints [NAME] [status]`
pub(super) fn trustpoint_names(driver: &Driver, status: bool, name: Option<&str>) -> Work<Facts> {
    trustpoints(driver, name, move |all| Facts::PkiTrustpoints(all, status))
}

/// `show crypto key mypubkey {ec|rsa}`
pub(super) fn public_keys(driver: &Driver, kind: KeyKind) -> Work<Facts> {
    trustpoints(driver, None, move |all| Facts::MyPublicKeys(all, kind))
}

/// Reads what the store has of the configured trustpoints, or of one: files.
fn trustpoints(
    driver: &Driver,
    name: Option<&str>,
    told: impl FnOnce(Vec<TrustpointFacts>) -> Facts + Send + 'static,
) -> Work<Facts> {
    let all = driver.house.plan.snapshot.trustpoints.keys();
    let wanted = all
        .map(ToString::to_string)
        .filter(|own| name.is_none_or(|name| name == own));
    let wanted: Vec<String> = wanted.collect();
    let store = driver.house.configure.store.clone();
    Work::new(move || {
        let read = wanted.into_iter().map(|name| {
            let held = store.load(&name).map_err(|error| format!("% {error}"))?;
            Ok(TrustpointFacts::of(&name, &held.unwrap_or_default()))
        });
        Ok(told(read.collect::<Result<_, String>>()?))
    })
}

/// What is looked for, at once.
fn at_once(look: Work<Facts>) -> Facts {
    look.carry_out().unwrap_or_else(Facts::Refused)
}

/// What somebody who helps from afar asks for first. Secrets are left out, also where people have typed one in the place of a
/// name. Its files, and what the kernel has to be asked for, are looked for behind the rest.
pub(super) fn tech_support(driver: &mut Driver) -> Work<Facts> {
    let object = |kind| Show::Object { kind, name: None };
    let commands = [
        ("show version", Show::Version),
        ("show clock", Show::Clock { detail: false }),
        ("show processes memory", Show::ProcessesMemory),
        (
            "show crypto ikev2 proposal",
            object(ObjectKind::Ikev2Proposal),
        ),
        ("show crypto ikev2 policy", object(ObjectKind::Ikev2Policy)),
        (
            "show crypto ikev2 profile",
            object(ObjectKind::Ikev2Profile),
        ),
        (
            "show crypto ikev2 authorization policy",
            object(ObjectKind::AuthorizationPolicy),
        ),
        (
            "show crypto ipsec transform-set",
            object(ObjectKind::TransformSet),
        ),
        (
            "show crypto ipsec profile",
            object(ObjectKind::IpsecProfile),
        ),
        (
            "show aaa method-lists all",
            Show::AaaMethodLists(MethodLists::All),
        ),
        ("show ip local pool", Show::IpLocalPool { name: None }),
        ("show ipv6 local pool", Show::Ipv6LocalPool { name: None }),
        ("show ip interface brief", Show::InterfaceBrief(None)),
        ("show interfaces", Show::Interfaces(None)),
        ("show ip route", Show::IpRoute(None)),
        ("show ip access-lists", Show::IpAccessLists { name: None }),
        ("show ip nat statistics", Show::IpNatStatistics),
        (
            "show crypto ikev2 sa detailed",
            Show::Ikev2Sa(Ikev2SaQuery {
                detailed: true,
                filter: None,
            }),
        ),
        (
            "show crypto session detail",
            Show::CryptoSession(SessionQuery {
                detail: true,
                filter: None,
            }),
        ),
        (
            "show crypto ipsec sa detail",
            Show::IpsecSa(IpsecSaQuery {
                detail: true,
                filter: None,
            }),
        ),
        (
            "show crypto ikev2 stats",
            Show::Ikev2Stats(Ikev2Stats::Summary),
        ),
        (
            "show crypto ikev2 stats exchange",
            Show::Ikev2Stats(Ikev2Stats::Exchange),
        ),
        (
            "show crypto ikev2 stats ext-service",
            Show::Ikev2Stats(Ikev2Stats::ExtService),
        ),
        (
            "show crypto ikev2 stats timeout",
            Show::Ikev2Stats(Ikev2Stats::Timeout),
        ),
        ("show crypto call admission statistics", Show::CallAdmission),
        ("show metrics", Show::Metrics),
        ("show users", Show::Users),
        ("show crypto ikev2 diagnose", Show::Ikev2Diagnose(None)),
        ("show debugging", Show::Debugging),
        ("show crypto debug-condition", Show::DebugCondition),
        ("show logging", Show::Logging),
    ];
    let secrets = Secrets::of(&driver.house.configured);
    let lines = driver.house.running_config.lines();
    let clear = lines.map(|line| format!("{}\n", without_secrets(line)));
    let running: String = clear.collect();
    let running = ("show running-config", Facts::RunningConfig(running));
    let others = commands.map(|(command, what)| (command, facts(driver, what)));
    let looks = [
        (
            "show crypto pki trustpoints status",
            trustpoint_names(driver, true, None),
        ),
        (
            "show crypto pki certificates verbose",
            certificates(driver, true, None),
        ),
        ("show arp", neighbors(driver, false, None)),
        ("show ipv6 neighbors", neighbors(driver, true, None)),
    ];
    Work::new(move || {
        let looks = looks.map(|(command, look)| (command, at_once(look)));
        let all = [running].into_iter().chain(others).chain(looks);
        Ok(Facts::TechSupport(all.collect(), secrets))
    })
}
