//! A headend between its neighbours, each in a network namespace of its own.
//!
//! ```text
//!   inside 10.0.1.1 ──── 10.0.1.254 ┐                    ┌ 198.51.100.1 ──── .2  first client
//!                                   │      headend       │
//!                                   │    192.0.2.1 on lo ├ 198.51.100.5 ──── .6  second client
//!   outside 203.0.113.2 ─ 203.0.113.1 ┘  2001:db8:2::1   └ …
//! ```
//!
//! The inside host sends everything to the headend; the outside host knows no way but its own cable; a client knows
//! the way to the headend's address alone.

use std::{
    cell::{Cell, RefCell},
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::AsFd,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use ironflex_xfrm::{
    IpPrefix,
    netlink::{
        ClientNumber, LinkAddress, LinkIndex, LinkKind, MAIN_TABLE, Network, NetworkNamespace,
        NewLink, Owner, Route, RouteTarget, Rule, sysctl,
    },
};
use serde::Deserialize;
use tempfile::TempDir;

use super::{
    PATIENCE,
    pki::{PASSWORD, PKI},
    process::Process,
    prometheus::Metrics,
};

/// The address that clients call.
pub(crate) const HEADEND: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// The same for IPv6.
pub(crate) const HEADEND_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 1));

/// `interface loopback100` of the example.
pub(crate) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

/// The host behind the headend.
pub(crate) const INSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 1, 1));

/// The host that has no way back to the pool.
pub(crate) const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 2));

/// The headend's address towards it.
pub(crate) const OUTSIDE_INTERFACE: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));

/// The device towards it.
pub(crate) const OUTSIDE_DEVICE: &str = "outside";

/// The example's user; its password is [`PASSWORD`].
pub(crate) const USER: &str = "test";

/// The metric of the tests' own routes, which none of the program's has.
const METRIC: u32 = 10;

const EXAMPLE: &str = include_str!("../../examples/flexvpn-headend.conf");

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Every process of ours that a namespace can have.
fn owners() -> Vec<Owner> {
    let clients = ClientNumber::all().map(Owner::Client);
    [Owner::Headend].into_iter().chain(clients).collect()
}

/// The name of a cable's other end.
fn far_end(device: &str) -> String {
    format!("{device}-2")
}

/// A namespace with lo up.
pub(crate) struct Host {
    pub(crate) namespace: NetworkNamespace,
    network: RefCell<Network>,
}

impl Host {
    /// A namespace that nobody else is in.
    pub(crate) fn new() -> Self {
        let namespace = NetworkNamespace::create().unwrap();
        let open = || {
            // An address that is still being checked for duplicates cannot be used.
            let _ = sysctl::write("net.ipv6.conf.default.accept_dad", 0);
            Network::open_as_administrator()
        };
        let mut network = namespace.run(open).unwrap().unwrap();
        let lo = network.link("lo").unwrap().unwrap().index;
        network.set_up(lo, true).unwrap();
        Self {
            namespace,
            network: RefCell::new(network),
        }
    }

    /// The number of a device.
    ///
    /// # Panics
    ///
    /// When it is not there.
    pub(crate) fn link(&self, name: &str) -> LinkIndex {
        let link = self.network.borrow_mut().link(name).unwrap();
        link.unwrap_or_else(|| panic!("no device {name}")).index
    }

    /// The names of all devices, sorted.
    pub(crate) fn links(&self) -> Vec<String> {
        let links = self.network.borrow_mut().links().unwrap();
        let mut names: Vec<String> = links.into_iter().map(|link| link.name).collect();
        names.sort();
        names
    }

    /// Makes a cable to nowhere, to have a device.
    pub(crate) fn add_link(&self, name: &str, alias: Option<&str>) -> LinkIndex {
        let kind = LinkKind::Veth {
            peer: far_end(name),
        };
        let link = NewLink {
            name: name.to_owned(),
            alias: alias.map(str::to_owned),
            kind,
        };
        let mut network = self.network.borrow_mut();
        let index = network.create_link(&link).unwrap();
        network.set_up(index, true).unwrap();
        index
    }

    /// Sets a device up.
    pub(crate) fn set_up(&self, device: &str) {
        let link = self.link(device);
        self.network.borrow_mut().set_up(link, true).unwrap();
    }

    /// The addresses of all devices, sorted.
    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        let all = self.network.borrow_mut().addresses().unwrap();
        let mut addresses: Vec<IpAddr> = all.into_iter().map(|one| one.address).collect();
        addresses.sort();
        addresses
    }

    /// Whether an address is on some device.
    pub(crate) fn has_address(&self, address: IpAddr) -> bool {
        self.addresses().contains(&address)
    }

    /// Puts an address on a device, with the prefix of its network.
    pub(crate) fn add_address(&self, device: &str, address: IpAddr, length: u8) {
        let link = self.link(device);
        let address = LinkAddress {
            link,
            address,
            prefix_length: length,
        };
        self.network.borrow_mut().add_address(&address).unwrap();
    }

    /// Takes an address from a device.
    pub(crate) fn delete_address(&self, device: &str, address: IpAddr, length: u8) {
        let link = self.link(device);
        let address = LinkAddress {
            link,
            address,
            prefix_length: length,
        };
        self.network.borrow_mut().delete_address(&address).unwrap();
    }

    /// A handle on what one process of ours has here.
    fn network_of(&self, owner: Owner) -> Network {
        let open = || Network::open(owner);
        self.namespace.run(open).unwrap().unwrap()
    }

    /// The routes of all processes of ours.
    pub(crate) fn routes(&self) -> Vec<Route> {
        let all = owners().into_iter();
        all.flat_map(|owner| self.belongings(owner).routes)
            .collect()
    }

    /// The routing rules of all processes of ours.
    pub(crate) fn rules(&self) -> Vec<Rule> {
        let all = owners().into_iter();
        all.flat_map(|owner| self.belongings(owner).rules).collect()
    }

    /// What one process of ours has here.
    pub(crate) fn belongings(&self, owner: Owner) -> Belongings {
        let mut network = self.network_of(owner);
        let links = network.links().unwrap().into_iter();
        let devices = links.filter(|link| link.is_of(owner)).map(|link| link.name);
        Belongings {
            devices: devices.collect(),
            routes: network.routes().unwrap(),
            rules: network.rules().unwrap(),
        }
    }

    /// Takes the routing rules of all processes of ours away.
    pub(crate) fn delete_rules(&self) {
        for owner in owners() {
            let mut network = self.network_of(owner);
            for rule in network.rules().unwrap() {
                network.delete_rule(&rule).unwrap();
            }
        }
    }

    /// Adds a route as an administrator.
    pub(crate) fn add_route(&self, route: &Route) {
        self.network.borrow_mut().add_route(route).unwrap();
    }

    /// Adds a route as one of our processes would.
    pub(crate) fn add_route_of(&self, owner: Owner, route: &Route) {
        self.network_of(owner).add_route(route).unwrap();
    }

    /// A route via a neighbour.
    pub(crate) fn route(&self, destination: IpPrefix, router: IpAddr) {
        self.add_route(&Route {
            destination,
            target: RouteTarget::Gateway {
                address: router,
                link: None,
            },
            metric: METRIC,
            source: None,
            table: MAIN_TABLE,
        });
    }

    /// A route onto a device.
    pub(crate) fn route_onto(&self, destination: IpPrefix, device: &str) {
        let link = self.link(device);
        self.add_route(&Route {
            metric: METRIC,
            ..Route::onto(Owner::Headend, destination, link)
        });
    }
}

/// What bears one owner's marks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Belongings {
    /// The names of devices.
    pub(crate) devices: Vec<String>,
    pub(crate) routes: Vec<Route>,
    pub(crate) rules: Vec<Rule>,
}

/// A client's namespace.
pub(crate) struct ClientHost {
    pub(crate) host: Host,
    /// Its end of the cable.
    pub(crate) device: String,
    /// Its own address on the cable.
    pub(crate) outer: IpAddr,
    /// The headend's address on the cable.
    pub(crate) router: IpAddr,
    /// The same two of IPv6.
    pub(crate) outer_v6: IpAddr,
    pub(crate) router_v6: IpAddr,
}

/// What a client reports when the tunnel is up.
#[derive(Debug, Deserialize)]
pub(crate) struct Connected {
    pub(crate) address: IpAddr,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) routes: Vec<String>,
    pub(crate) dns: Vec<IpAddr>,
    pub(crate) esp: String,
    pub(crate) dataplane: String,
    pub(crate) device: String,
}

/// The headend's namespace, its files, and who is around it.
pub(crate) struct Lab {
    pub(crate) headend: Host,
    folder: TempDir,
    clients: Cell<u8>,
}

impl Lab {
    /// A headend that is not running yet, with the example configuration.
    pub(crate) fn new() -> Self {
        let headend = Host::new();
        let forward = || sysctl::write("net.ipv4.ip_forward", 1);
        headend.namespace.run(forward).unwrap().unwrap();
        headend.add_address("lo", HEADEND, 32);
        headend.add_address("lo", HEADEND_V6, 128);
        let folder = tempfile::Builder::new()
            .prefix("ironflex-test-")
            .tempdir()
            .unwrap();
        let lab = Self {
            headend,
            folder,
            clients: Cell::new(0),
        };
        fs::create_dir(lab.path("boot")).unwrap();
        fs::write(lab.config(), EXAMPLE).unwrap();
        fs::write(lab.identity(), &PKI.headend).unwrap();
        fs::write(lab.path("ca.pem"), &PKI.authority).unwrap();
        fs::write(lab.path("stranger.pem"), &PKI.stranger).unwrap();
        lab
    }

    /// A file of this lab.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same as text.
    pub(crate) fn name(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// The configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.path("boot/flexvpn-headend.conf")
    }

    /// The PKCS#12 file that the configuration imports.
    pub(crate) fn identity(&self) -> PathBuf {
        self.path("boot/IKEv2-TP.p12")
    }

    /// The control socket.
    pub(crate) fn control(&self) -> PathBuf {
        self.path("state/control")
    }

    /// Replaces a piece of the configuration.
    pub(crate) fn edit(&self, old: &str, new: &str) {
        let text = fs::read_to_string(self.config()).unwrap();
        assert!(text.contains(old), "the example has no {old:?}");
        fs::write(self.config(), text.replace(old, new)).unwrap();
    }

    /// Writes further lines behind the configuration.
    pub(crate) fn add_lines(&self, lines: &str) {
        let text = fs::read_to_string(self.config()).unwrap();
        fs::write(self.config(), format!("{text}\n{lines}")).unwrap();
    }

    /// Leaves the split list out: everything of the clients goes through the tunnel.
    pub(crate) fn tunnel_everything(&self) {
        self.edit(" route set access-list split_tunnel\n", "");
    }

    /// Adds a user with the usual password.
    pub(crate) fn add_user(&self, name: &str) {
        self.edit(
            "username test",
            &format!("username {name} password {PASSWORD}\nusername test"),
        );
    }

    /// Starts the headend with further arguments, ready or not.
    pub(crate) fn launch(&self, state: &str, arguments: &[&str]) -> Process {
        self.launch_in(&self.headend, &self.config(), state, arguments)
    }

    /// The same on another host, with another configuration.
    pub(crate) fn launch_in(
        &self,
        host: &Host,
        config: &Path,
        state: &str,
        arguments: &[&str],
    ) -> Process {
        let state = self.name(state);
        let mut all = vec!["run", "--config", config.to_str().unwrap()];
        all.extend(["--state-dir", &state, "--dataplane", "userspace"]);
        all.extend(arguments);
        Process::start(&host.namespace, &all, "")
    }

    /// Starts the headend as systemd does, its standard error being the journal's.
    pub(crate) fn launch_under_journal(&self) -> Process {
        let (config, state) = (self.name("boot/flexvpn-headend.conf"), self.name("state"));
        let words = ["run", "--config", &config, "--state-dir", &state];
        let all = [&words[..], &["--dataplane", "userspace"]].concat();
        Process::start_under_journal(&self.headend.namespace, &all)
    }

    /// Starts the headend and waits until it serves.
    pub(crate) fn start(&self) -> Process {
        self.start_with(&[])
    }

    /// The same with further arguments.
    pub(crate) fn start_with(&self, arguments: &[&str]) -> Process {
        let process = self.launch("state", arguments);
        process.line(" ready");
        process
    }

    /// Runs a command on the headend. Returns what it prints.
    pub(crate) fn exec(&self, line: &str) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_ironflex"))
            .args(["exec", "--state-dir", &self.name("state"), line])
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && errors.is_empty(),
            "{line}: {errors}"
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// What `ironflex metrics` prints of the headend with this state folder.
    pub(crate) fn metrics(&self, state: &str) -> Metrics {
        let output = Command::new(env!("CARGO_BIN_EXE_ironflex"))
            .args(["metrics", "--state-dir", &self.name(state)])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        Metrics::read(&String::from_utf8(output.stdout).unwrap())
    }

    /// Waits until the headend's numbers are as they should be.
    pub(crate) fn metrics_when(&self, what: &str, holds: impl Fn(&Metrics) -> bool) -> Metrics {
        let end = Instant::now() + PATIENCE;
        loop {
            let metrics = self.metrics("state");
            if holds(&metrics) {
                return metrics;
            }
            assert!(Instant::now() < end, "it does not come to {what}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Lays a cable from the headend to a new host; both addresses with their prefix length.
    fn neighbour(&self, device: &str, addresses: [(IpAddr, IpAddr, u8); 2], count: usize) -> Host {
        neighbour_of(
            &self.headend,
            device,
            addresses.get(..count).unwrap_or(&addresses),
        )
    }

    /// The host behind the headend.
    pub(crate) fn inside(&self) -> Host {
        let router = ip("10.0.1.254");
        let unused = (router, INSIDE, 24);
        let host = self.neighbour("inside", [(router, INSIDE, 24), unused], 1);
        host.route(IpPrefix::ANY_V4, router);
        host
    }

    /// The host beyond the outside interface.
    pub(crate) fn outside(&self) -> Host {
        let ends = (OUTSIDE_INTERFACE, OUTSIDE, 24);
        self.neighbour(OUTSIDE_DEVICE, [ends, ends], 1)
    }

    /// A further client's host.
    pub(crate) fn client(&self) -> ClientHost {
        let number = self.clients.get();
        self.clients.set(number + 1);
        let v4 = |end| IpAddr::V4(Ipv4Addr::new(198, 51, 100, number * 4 + end));
        let v6 = |end| IpAddr::V6(Ipv6Addr::new(0xfd00, number.into(), 0, 0, 0, 0, 0, end));
        let ends = [(v4(1), v4(2), 30), (v6(1), v6(2), 64)];
        let device = format!("client{number}");
        let host = self.neighbour(&device, ends, 2);
        host.route(IpPrefix::host(HEADEND), v4(1));
        host.route(IpPrefix::host(HEADEND_V6), v6(1));
        ClientHost {
            host,
            device: far_end(&device),
            outer: v4(2),
            router: v4(1),
            outer_v6: v6(2),
            router_v6: v6(1),
        }
    }

    /// Starts a client that does not reconnect, with further arguments.
    pub(crate) fn connect_to(
        &self,
        target: &str,
        client: &ClientHost,
        login: [&str; 2],
        arguments: &[&str],
    ) -> Process {
        let all = [&["--once"], arguments].concat();
        self.connect_for_good(target, client, login, &all)
    }

    /// Starts a client that reconnects, with further arguments.
    pub(crate) fn connect_for_good(
        &self,
        target: &str,
        client: &ClientHost,
        [user, password]: [&str; 2],
        arguments: &[&str],
    ) -> Process {
        let authority = self.name("ca.pem");
        let mut all = vec!["connect", target, "--user", user, "--password-stdin"];
        if !arguments.contains(&"--ca") {
            all.extend(["--ca", &authority]);
        }
        all.extend(["--no-dns", "--json", "--dataplane", "userspace"]);
        all.extend(arguments);
        Process::start(&client.host.namespace, &all, &format!("{password}\n"))
    }

    /// Starts a client and waits until its tunnel is up on both sides.
    pub(crate) fn log_in(&self, client: &ClientHost, user: &str) -> (Process, Connected) {
        let process = self.connect_to(&HEADEND.to_string(), client, [user, PASSWORD], &[]);
        let connected = connected(&process);
        (process, connected)
    }
}

/// Lays a cable from a host to a new one; both addresses with their prefix length.
pub(crate) fn neighbour_of(near: &Host, device: &str, addresses: &[(IpAddr, IpAddr, u8)]) -> Host {
    let host = Host::new();
    near.add_link(device, None);
    let far = far_end(device);
    let index = near.link(&far);
    let target = host.namespace.as_fd();
    near.network.borrow_mut().move_link(index, target).unwrap();
    let index = host.link(&far);
    host.network.borrow_mut().set_up(index, true).unwrap();
    for &(own, other, length) in addresses {
        near.add_address(device, own, length);
        host.add_address(&far, other, length);
    }
    host
}

/// Waits for a client's tunnel.
pub(crate) fn connected(client: &Process) -> Connected {
    serde_json::from_str(&client.line(r#"{"event":"connected""#)).unwrap()
}

/// The permission bits of a file.
pub(crate) fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}
