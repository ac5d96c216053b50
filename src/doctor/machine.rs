//! The machine: clock, state folder, ports, devices, forwarding, the kernel's ESP, and the room for tunnelled packets.

use std::{
    collections::BTreeSet,
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
};

use ironflex_profiles::{
    Snapshot,
    model::{interface::InterfaceKind, name::Name},
    snapshot::Interface,
};
use ironflex_xfrm::{
    EspAlgorithm, IpPrefix,
    netlink::{Link, LinkAddress, NetlinkError, Network, Owner, sysctl},
};

use super::{Examination, Patient, Verdict, on};
use crate::{
    daemon::{
        IKE_PORT, NAT_PORT, compile,
        network::{DEFAULT_MTU, template_number, vain_addresses},
    },
    dataplane,
    kernel_clock::{self, Standing},
    pki::Timestamp,
    udp::{self, UdpEndpoint},
};

/// Looks at everything that the configuration needs of the machine, but for the ports.
pub(super) fn examine(patient: &Patient<'_>, verdicts: &mut Vec<Verdict>) {
    clock(patient, &mut on("clock", verdicts));
    state_dir(&patient.options.state_dir, &mut on("state", verdicts));
    match Machine::read() {
        Err(error) => {
            on("devices", verdicts).skip(format_args!("the network cannot be looked at: {error}"))
        }
        Ok(machine) => {
            machine.devices(patient.snapshot, &mut on("devices", verdicts));
            machine.pools(patient.snapshot, &mut on("pools", verdicts));
            machine.room(patient.snapshot, &mut on("mtu", verdicts));
        }
    }
    forwarding(patient.snapshot, &mut on("forwarding", verdicts));
    reverse_path(patient.snapshot, &mut on("rp_filter", verdicts));
    esp(patient, &mut on("dataplane", verdicts));
}

/// Certificates are judged by the clock, so a clock that is wrong is looked for before they are.
fn clock(patient: &Patient<'_>, found: &mut Examination<'_>) {
    let written = fs::metadata(&patient.options.config)
        .and_then(|metadata| metadata.modified())
        .ok()
        .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok())
        .and_then(|since| i64::try_from(since.as_secs()).ok())
        .map(Timestamp::from_unix_seconds);
    let by_systemd = kernel_clock::is_set_by_systemd();
    clock_of(
        patient.now,
        written,
        (kernel_clock::standing(), by_systemd),
        found,
    );
}

/// The same of a clock that says this, where the configuration was written then.
fn clock_of(
    now: Timestamp,
    written: Option<Timestamp>,
    (standing, by_systemd): (Standing, bool),
    found: &mut Examination<'_>,
) {
    match written {
        Some(written) if written > now => found.warn(format_args!(
            "it says {now}, and the configuration was written at {written}: certificates will be judged by a clock that is wrong",
        )),
        _ => clock_standing(now, standing, by_systemd, found),
    }
}

/// Whether somebody keeps the clock in step: one that is right today need not be right when a certificate is judged.
fn clock_standing(
    now: Timestamp,
    standing: Standing,
    by_systemd: bool,
    found: &mut Examination<'_>,
) {
    match standing {
        Standing::Synchronised if by_systemd => {
            found.good(format_args!("{now}, set by systemd-timesyncd"));
        }
        Standing::Synchronised => found.good(format_args!("{now}, synchronised")),
        Standing::Set => found.warn(format_args!(
            "{now}, set once and not synchronised any more (timedatectl): certificates are judged by it"
        )),
        Standing::Unanswered => found.warn(format_args!(
            "{now}, not synchronised with any source (timedatectl, chronyc tracking): certificates are judged by it"
        )),
    }
}

fn state_dir(path: &Path, found: &mut Examination<'_>) {
    use nix::unistd::{AccessFlags, access};
    let existing = path.ancestors().find(|folder| folder.is_dir());
    let existing = existing.unwrap_or_else(|| Path::new("."));
    match access(existing, AccessFlags::W_OK | AccessFlags::X_OK) {
        Ok(()) if existing == path => found.good(path.display()),
        Ok(()) => found.good(format_args!("{} will be made", path.display())),
        Err(error) => found.fail(format_args!(
            "{} cannot be written to: {}",
            existing.display(),
            error.desc()
        )),
    }
}

/// The machine's links and addresses.
struct Machine {
    links: Vec<Link>,
    addresses: Vec<LinkAddress>,
}

impl Machine {
    fn read() -> Result<Self, NetlinkError> {
        let mut network = Network::open(Owner::Headend)?;
        Ok(Self {
            links: network.links()?,
            addresses: network.addresses()?,
        })
    }

    fn link(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }

    /// The devices that interfaces are tied to.
    fn devices(&self, snapshot: &Snapshot, found: &mut Examination<'_>) {
        for rule in &snapshot.nat {
            if rule.interface.device.is_none() {
                found.warn(format_args!(
                    "ip nat … interface {} has no effect: it is tied to no device ('device NAME' under the interface, or --device {}=NAME)",
                    rule.interface.name, rule.interface.name
                ));
            }
        }
        for interface in tied(snapshot) {
            let Some(device) = &interface.device else {
                continue;
            };
            let Some(link) = self.link(device.as_str()) else {
                found.fail(format_args!(
                    "{} is tied to {device}, and there is no such device here",
                    interface.name
                ));
                continue;
            };
            let addresses: Vec<IpAddr> = self
                .addresses
                .iter()
                .filter(|address| address.link == link.index)
                .map(|address| address.address)
                .collect();
            match (link.up, addresses.as_slice()) {
                (false, _) => found.warn(format_args!("{device} ({}) is down", interface.name)),
                (true, []) => {
                    found.warn(format_args!("{device} ({}) has no address", interface.name));
                }
                (true, some) => {
                    let some: Vec<String> = some.iter().map(ToString::to_string).collect();
                    found.good(format_args!(
                        "{device} ({}): {}",
                        interface.name,
                        some.join(", ")
                    ));
                }
            }
            for vain in vain_addresses(interface, device, &addresses) {
                found.warn(vain);
            }
        }
    }

    /// Pools against the networks that the machine itself is in.
    fn pools(&self, snapshot: &Snapshot, found: &mut Examination<'_>) {
        let mut apart = true;
        for (pool, networks) in pool_networks(snapshot) {
            for (link, address) in self.addresses_of_others() {
                let Some(beside) = IpPrefix::new(address.address, address.prefix_length) else {
                    continue;
                };
                if networks.iter().any(|network| overlap(beside, *network)) {
                    apart = false;
                    found.warn(format_args!(
                        "pool {pool} has addresses of the network of {} on {} ({beside}): neighbours there do not find \
                         clients without proxy ARP; give clients a network of their own",
                        address.address, link.name
                    ));
                }
            }
        }
        if apart {
            found.good("they share no network with this machine's own addresses");
        }
    }

    /// Addresses, but for those that the headend itself has put there.
    fn addresses_of_others(&self) -> impl Iterator<Item = (&Link, &LinkAddress)> {
        let foreign = self.links.iter().filter(|link| !link.is_of(Owner::Headend));
        foreign.flat_map(|link| {
            let own = self
                .addresses
                .iter()
                .filter(|address| address.link == link.index);
            own.map(move |address| (link, address))
        })
    }

    /// Whether an inner packet of `ip mtu` fits the outside device once it is in ESP and UDP.
    fn room(&self, snapshot: &Snapshot, found: &mut Examination<'_>) {
        let outside = tied(snapshot)
            .filter_map(|interface| self.link(interface.device.as_ref()?.as_str()))
            .min_by_key(|link| link.mtu);
        let (name, mtu) = outside.map_or(("Ethernet", 1500), |link| (link.name.as_str(), link.mtu));
        for profile in &snapshot.profiles {
            let template = &profile.virtual_template;
            if template_number(&template.interface.name).is_none() {
                continue;
            }
            let inner = template.interface.ip_mtu.unwrap_or(DEFAULT_MTU);
            for algorithm in compile::esp_algorithms(&template.ipsec) {
                let outer = outer_octets(algorithm, u32::from(inner));
                let sum = format!(
                    "{}: an inner packet of {inner} octets makes {outer} of {mtu} on {name}",
                    template.interface.name
                );
                if outer > mtu {
                    found.warn(format_args!(
                        "{sum}: large transfers will hang where fragments are dropped; set a smaller 'ip mtu'"
                    ));
                } else {
                    found.good(sum);
                }
            }
        }
    }
}

/// Interfaces that stand for Linux devices.
fn tied(snapshot: &Snapshot) -> impl Iterator<Item = &Interface> {
    let interfaces = snapshot.interfaces.values();
    interfaces
        .map(std::sync::Arc::as_ref)
        .filter(|interface| interface.device.is_some())
        .filter(|interface| interface.name.kind() != InterfaceKind::Loopback)
}

/// The addresses of the devices that interfaces are tied to; none where the network cannot be looked at.
pub(super) fn outside_addresses(snapshot: &Snapshot) -> Vec<IpAddr> {
    addresses_of(snapshot, None)
}

/// The same with what somebody has put on loopback for others to call, if anything is known of the outside.
pub(super) fn called_addresses(snapshot: &Snapshot) -> Vec<IpAddr> {
    let outside = outside_addresses(snapshot);
    if outside.is_empty() {
        return outside;
    }
    addresses_of(snapshot, Some("lo"))
}

fn addresses_of(snapshot: &Snapshot, beside: Option<&str>) -> Vec<IpAddr> {
    let Ok(machine) = Machine::read() else {
        return Vec::new();
    };
    let outside = tied(snapshot).filter_map(|one| Some(one.device.as_ref()?.as_str()));
    let links = outside.chain(beside).filter_map(|name| machine.link(name));
    links
        .flat_map(|link| {
            let own = machine.addresses.iter();
            own.filter(|address| address.link == link.index)
        })
        .map(|address| address.address)
        .filter(|address| !is_link_local(*address) && !address.is_loopback())
        .collect()
}

/// Whether nobody outside the link can call it.
const fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// Each pool and the networks that it is made of.
fn pool_networks(snapshot: &Snapshot) -> impl Iterator<Item = (&Name, Vec<IpPrefix>)> {
    let ipv4 = snapshot.pools.values().map(|pool| {
        let ranges = pool.ranges.iter();
        let networks =
            ranges.flat_map(|range| IpPrefix::spanning(range.first().into(), range.last().into()));
        (&pool.name, networks.collect())
    });
    let ipv6 = snapshot.ipv6_pools.values().map(|pool| {
        let prefix = pool.range.prefix();
        let network = IpPrefix::new(prefix.address().into(), prefix.length());
        (&pool.name, network.into_iter().collect())
    });
    ipv4.chain(ipv6)
}

fn overlap(one: IpPrefix, other: IpPrefix) -> bool {
    one.contains(other.address()) || other.contains(one.address())
}

/// Octets of the outer IPv4 packet of an inner one: IP, UDP, ESP's header and IV, padding to the cipher's block, the
/// trailer's two octets, the check value (RFC 4303 §2, RFC 3948 §2.1).
fn outer_octets(algorithm: EspAlgorithm, inner: u32) -> u32 {
    const IP_UDP_ESP: u32 = 20 + 8 + 8;
    const TRAILER: u32 = 2;
    let (iv, block, check_value) = match algorithm {
        EspAlgorithm::AesGcm16(_) => (8, 4, 16),
        EspAlgorithm::AesCbcHmac { integrity, .. } => (
            16,
            16,
            u32::try_from(integrity.icv_octets()).unwrap_or(u32::MAX),
        ),
    };
    let sealed = inner.saturating_add(TRAILER).next_multiple_of(block);
    [IP_UDP_ESP, iv, sealed, check_value]
        .into_iter()
        .fold(0, u32::saturating_add)
}

fn forwarding(snapshot: &Snapshot, found: &mut Examination<'_>) {
    let mut say = |setting: &str, forwards: Result<bool, NetlinkError>| match forwards {
        Ok(true) => found.good(format_args!("{setting} = 1")),
        Ok(false) => found.fail(format_args!(
            "{setting} = 0, so clients reach nothing behind this machine: sysctl -w {setting}=1"
        )),
        Err(error) => found.skip(error),
    };
    say("net.ipv4.ip_forward", sysctl::ipv4_forwarding());
    if !snapshot.ipv6_pools.is_empty() {
        say("net.ipv6.conf.all.forwarding", sysctl::ipv6_forwarding());
    }
}

/// Strict reverse-path filtering drops what comes in by another way than the route back leads.
fn reverse_path(snapshot: &Snapshot, found: &mut Examination<'_>) {
    let outside: Vec<&str> = tied(snapshot)
        .filter_map(|interface| Some(interface.device.as_ref()?.as_str()))
        .collect();
    if outside.is_empty() {
        return found.skip("no interface is tied to a device");
    }
    for device in outside {
        // A device's name with a dot in it cannot be part of a dotted name.
        let strictness = sysctl::read("net.ipv4.conf.all.rp_filter").and_then(|all| {
            let own = match device.contains('.') {
                true => Ok(0),
                false => sysctl::read(&format!("net.ipv4.conf.{device}.rp_filter")),
            };
            own.map(|own| own.max(all))
        });
        match strictness {
            Ok(1) => found.warn(format_args!(
                "strict on {device}: clients whose packets come in by another device than the route back to them leads \
                 are not heard; sysctl -w net.ipv4.conf.{device}.rp_filter=2 unless there is one way out only"
            )),
            Ok(_) => found.good(format_args!("not strict on {device}")),
            Err(error) => found.skip(error),
        }
    }
}

/// Which dataplane `run` will take, and why.
fn esp(patient: &Patient<'_>, found: &mut Examination<'_>) {
    if patient.running {
        return found.skip("a headend is running and has said in its log what it took");
    }
    let mut algorithms = Vec::new();
    for profile in &patient.snapshot.profiles {
        for algorithm in compile::esp_algorithms(&profile.virtual_template.ipsec) {
            if !algorithms.contains(&algorithm) {
                algorithms.push(algorithm);
            }
        }
    }
    match dataplane::choose(Owner::Headend, patient.options.dataplane, &algorithms) {
        Ok((chosen, why)) => {
            let why = why.strip_prefix("dataplane: ").unwrap_or(&why);
            let needs_tun = matches!(chosen, dataplane::Chosen::Userspace);
            if needs_tun && !Path::new("/dev/net/tun").exists() {
                found.fail(format_args!(
                    "{why}; and there is no /dev/net/tun for it: modprobe tun"
                ));
            } else {
                found.good(why);
            }
        }
        Err(error) => found.fail(error),
    }
}

/// The ports of IKE.
pub(super) fn ports(running: bool, found: &mut Examination<'_>) {
    if running {
        return found.good("UDP 500 and 4500 are served by the ironflex that is running");
    }
    let mut free = Vec::new();
    for port in [IKE_PORT, NAT_PORT] {
        let mut taken = None;
        for address in [
            IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        ] {
            match UdpEndpoint::bind(SocketAddr::new(address, port)) {
                Ok(_) => {}
                Err(error) if error.raw_os_error() == Some(nix::libc::EAFNOSUPPORT) => {}
                Err(error) => taken = Some(error),
            }
        }
        match taken {
            None => free.push(port.to_string()),
            Some(error) if error.kind() == io::ErrorKind::AddrInUse => found.fail(format_args!(
                "UDP {port} is taken{}",
                match holders(Path::new("/proc"), port) {
                    names if names.is_empty() => " by a process that cannot be seen from here".to_owned(),
                    names => format!(" by {}: stop it", names.into_iter().collect::<Vec<_>>().join(", ")),
                }
            )),
            Some(error) if error.kind() == io::ErrorKind::PermissionDenied => found.fail(format_args!(
                "UDP {port} cannot be served by this user: {error} (root, or CAP_NET_BIND_SERVICE)"
            )),
            Some(error) => found.fail(format_args!("UDP {port} cannot be served: {error}")),
        }
    }
    if !free.is_empty() {
        found.good(format_args!(
            "UDP {} free",
            match free.as_slice() {
                [one] => format!("{one} is"),
                some => format!("{} are", some.join(" and ")),
            }
        ));
    }
}

/// Who has a UDP port open, as `name (pid N)`, in the network namespace of this thread.
fn holders(proc: &Path, port: u16) -> BTreeSet<String> {
    let mut sockets = BTreeSet::new();
    for table in udp::TABLES {
        let table = fs::read_to_string(proc.join("thread-self").join(table)).unwrap_or_default();
        let own = udp::rows(&table).filter(|row| row.port == port);
        sockets.extend(own.map(|row| PathBuf::from(format!("socket:[{}]", row.inode))));
    }
    let processes = fs::read_dir(proc).into_iter().flatten().flatten();
    processes
        .filter_map(|process| {
            let pid: u32 = process.file_name().to_str()?.parse().ok()?;
            let mut descriptors = fs::read_dir(process.path().join("fd")).ok()?.flatten();
            let holds = descriptors
                .any(|one| fs::read_link(one.path()).is_ok_and(|link| sockets.contains(&link)));
            let name = fs::read_to_string(process.path().join("comm")).ok()?;
            holds.then(|| format!("{} (pid {pid})", name.trim()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use ironflex_xfrm::{AesKeySize, Integrity};

    use super::*;

    #[test]
    fn a_clock_that_is_wrong_or_that_nobody_keeps_is_warned_of() {
        use super::super::Grade;
        let now = Timestamp::from_unix_seconds(1_795_682_253);
        let later = Timestamp::from_unix_seconds(1_795_682_254);
        let told = |written, standing| {
            let mut verdicts = Vec::new();
            clock_of(now, written, standing, &mut on("clock", &mut verdicts));
            let [verdict] = verdicts.try_into().unwrap();
            (verdict.grade, verdict.text)
        };
        let kept = (Standing::Synchronised, false);
        assert_eq!(
            told(Some(later), kept),
            (
                Grade::Warning,
                format!(
                    "it says {now}, and the configuration was written at {later}: certificates will be judged by a clock that is wrong"
                )
            )
        );
        for (standing, grade, words) in [
            (kept, Grade::Good, "synchronised"),
            (
                (Standing::Synchronised, true),
                Grade::Good,
                "set by systemd-timesyncd",
            ),
            (
                (Standing::Set, true),
                Grade::Warning,
                "set once and not synchronised any more (timedatectl): certificates are judged by it",
            ),
            (
                (Standing::Unanswered, false),
                Grade::Warning,
                "not synchronised with any source (timedatectl, chronyc tracking): certificates are judged by it",
            ),
        ] {
            for written in [None, Some(now)] {
                let said = (grade, format!("{now}, {words}"));
                assert_eq!(told(written, standing), said);
            }
        }
    }

    #[test]
    fn a_packet_of_1400_octets_grows_by_what_the_rfcs_say() {
        // 1402 octets padded to 1408; 36 in front, 16 of IV, 16 of check value.
        let cbc = EspAlgorithm::AesCbcHmac {
            key_size: AesKeySize::Aes256,
            integrity: Integrity::HmacSha256_128,
        };
        assert_eq!(outer_octets(cbc, 1400), 36 + 16 + 1408 + 16);
        // 1402 padded to 1404; 36 in front, 8 of IV, 16 of check value.
        let gcm = EspAlgorithm::AesGcm16(AesKeySize::Aes256);
        assert_eq!(outer_octets(gcm, 1400), 36 + 8 + 1404 + 16);
    }

    #[test]
    fn the_holder_of_a_port_is_found_by_its_socket() {
        let socket = UdpEndpoint::bind(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)).unwrap();
        let holders = holders(Path::new("/proc"), socket.port());
        let ours = format!("(pid {})", std::process::id());
        assert!(
            holders.iter().any(|one| one.ends_with(&ours)),
            "{holders:?}"
        );
        drop(socket);
    }

    #[test]
    fn networks_overlap_where_one_holds_the_other() {
        let prefix = |text: &str, length| IpPrefix::new(text.parse().unwrap(), length).unwrap();
        assert!(overlap(prefix("10.0.0.1", 24), prefix("10.0.0.77", 32)));
        assert!(overlap(prefix("10.0.0.77", 32), prefix("10.0.0.0", 8)));
        assert!(!overlap(prefix("10.0.0.0", 24), prefix("10.0.1.0", 24)));
        assert!(!overlap(prefix("10.0.0.0", 8), prefix("2001:db8::", 32)));
    }
}
