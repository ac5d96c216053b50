//! What the cases share: two namespaces and a cable, a ping of our own, a look at the kernel by another program.

use std::io::{ErrorKind, Read};
use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use ironflex_xfrm::IpPrefix;
use ironflex_xfrm::netlink::{
    CleanupScope, KernelDataplane, KernelOptions, LinkAddress, LinkIndex, LinkKind, MAIN_TABLE,
    Network, NetworkNamespace, NewLink, Owner, Removed, Route, RouteTarget, cleanup, sysctl,
};
use socket2::{Domain, Protocol, Socket, Type};

use crate::Ignored;

/// How long a ping waits for its answer. Under emulation the first packet takes long.
const PING_LIMIT: Duration = Duration::from_secs(5);

/// How long a packet that must not come through is waited for.
const SILENCE: Duration = Duration::from_millis(300);

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn prefix(text: &str) -> IpPrefix {
    let (address, length) = text.split_once('/').unwrap();
    IpPrefix::new(ip(address), length.parse().unwrap()).unwrap()
}

/// One side of a cable: its namespace, handles on it, its end of the cable.
pub(crate) struct Side {
    pub(crate) namespace: NetworkNamespace,
    pub(crate) network: Network,
    pub(crate) cable: LinkIndex,
    pub(crate) lo: LinkIndex,
}

impl Side {
    /// A namespace with lo up and a cable that is not there yet.
    fn new() -> Self {
        let namespace = NetworkNamespace::create().unwrap();
        let mut network = namespace
            .run(|| Network::open(Owner::Headend))
            .unwrap()
            .unwrap();
        let lo = network.link("lo").unwrap().unwrap().index;
        network.set_up(lo, true).unwrap();
        Self {
            namespace,
            network,
            cable: lo,
            lo,
        }
    }

    pub(crate) fn add_address(&mut self, link: LinkIndex, text: &str) {
        let (address, length) = text.split_once('/').unwrap();
        let address = LinkAddress {
            link,
            address: ip(address),
            prefix_length: length.parse().unwrap(),
        };
        self.network.add_address(&address).unwrap();
    }

    /// A route onto the cable, or via a router on it, with a source address.
    pub(crate) fn route(&mut self, destination: &str, via: Option<&str>, source: Option<&str>) {
        let target = match via {
            Some(router) => RouteTarget::Gateway {
                address: ip(router),
                link: Some(self.cable),
            },
            None => RouteTarget::Link(self.cable),
        };
        let route = Route {
            destination: prefix(destination),
            target,
            metric: 50,
            source: source.map(ip),
            table: MAIN_TABLE,
        };
        self.network.add_route(&route).unwrap();
    }

    /// Whether `target` answers a ping of `octets` from `source`.
    pub(crate) fn pings(&self, source: &str, target: &str, octets: usize) -> bool {
        let (source, target) = (ip(source), ip(target));
        self.namespace
            .run(|| ping(source, target, octets, PING_LIMIT))
            .unwrap()
    }

    /// Whether a ping that must fail does.
    pub(crate) fn pings_in_vain(&self, source: &str, target: &str) -> bool {
        let (source, target) = (ip(source), ip(target));
        !self
            .namespace
            .run(|| ping(source, target, 8, SILENCE))
            .unwrap()
    }

    /// One of the kernel's counters of discarded packets.
    pub(crate) fn xfrm_statistic(&self, name: &str) -> u64 {
        let read = || std::fs::read_to_string("/proc/thread-self/net/xfrm_stat");
        let text = self.namespace.run(read).unwrap().unwrap();
        let mut words = text.split_ascii_whitespace();
        words.find(|word| *word == name).unwrap();
        words.next().unwrap().parse().unwrap()
    }

    /// A kernel dataplane of this namespace.
    pub(crate) fn dataplane(&self) -> KernelDataplane {
        self.namespace
            .run(|| KernelDataplane::open(Owner::Headend, KernelOptions::default()))
            .unwrap()
            .unwrap()
    }

    /// Clears what a dataplane that crashed has left in this namespace.
    pub(crate) fn clean_up(&self, owner: Owner, scope: CleanupScope) -> Removed {
        self.namespace
            .run(|| cleanup(owner, scope))
            .unwrap()
            .unwrap()
    }

    /// A further handle on this namespace's devices and routes.
    pub(crate) fn open_network(&self) -> Network {
        self.namespace
            .run(|| Network::open(Owner::Headend))
            .unwrap()
            .unwrap()
    }

    /// Has this namespace forward IPv4.
    pub(crate) fn forward(&self) {
        self.namespace
            .run(|| sysctl::write("net.ipv4.ip_forward", 1))
            .unwrap()
            .unwrap();
    }

    /// `Err` on a machine without iproute2's `ip`.
    pub(crate) fn needs_ip(&self) -> Result<(), Ignored> {
        match self.output("ip", &["-V"]) {
            Some(_) => Ok(()),
            None => Err(Ignored("there is no program ip".into())),
        }
    }

    /// What `ip` prints when it is called with these words in this namespace.
    ///
    /// # Panics
    ///
    /// When the machine does not have it.
    pub(crate) fn ip(&self, words: &str) -> String {
        let words: Vec<&str> = words.split_whitespace().collect();
        self.output("ip", &words).expect("there is a program ip")
    }

    /// What a program prints when it runs in this namespace; `None` when the machine does not have it.
    pub(crate) fn output(&self, program: &str, arguments: &[&str]) -> Option<String> {
        let run = || Command::new(program).args(arguments).output();
        let output = match self.namespace.run(run).unwrap() {
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            output => output.unwrap(),
        };
        assert!(
            output.status.success(),
            "{program} {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        Some(String::from_utf8(output.stdout).unwrap())
    }
}

/// Two namespaces with a cable between them, 192.0.2.1 and 2001:db8:2::1 on the left, .2 and ::2 on the right.
pub(crate) fn cabled() -> (Side, Side) {
    let (mut left, mut right) = (Side::new(), Side::new());
    cable(&mut left, &mut right, "cable", "192.0.2");
    left.add_address(left.cable, "2001:db8:2::1/64");
    right.add_address(right.cable, "2001:db8:2::2/64");
    (left, right)
}

/// A namespace that hangs on `router` by a further cable, 24 bits of network `net`: the router is .1, it is .2.
pub(crate) fn behind(router: &mut Side, name: &str, net: &str) -> Side {
    let mut host = Side::new();
    let outside = router.cable;
    cable(router, &mut host, name, net);
    router.cable = outside;
    host.route("0.0.0.0/0", Some(&format!("{net}.1")), None);
    host
}

fn cable(left: &mut Side, right: &mut Side, name: &str, net: &str) {
    let kind = LinkKind::Veth {
        peer: format!("{name}-far"),
    };
    left.cable = left
        .network
        .create_link(&NewLink {
            name: name.into(),
            alias: None,
            kind,
        })
        .unwrap();
    let far = left
        .network
        .link(&format!("{name}-far"))
        .unwrap()
        .unwrap()
        .index;
    left.network
        .move_link(far, std::os::fd::AsFd::as_fd(&right.namespace))
        .unwrap();
    right.cable = right
        .network
        .link(&format!("{name}-far"))
        .unwrap()
        .unwrap()
        .index;
    left.add_address(left.cable, &format!("{net}.1/24"));
    right.add_address(right.cable, &format!("{net}.2/24"));
    left.network.set_up(left.cable, true).unwrap();
    right.network.set_up(right.cable, true).unwrap();
}

/// Sends one echo request in the calling thread's namespace and waits for its answer.
fn ping(source: IpAddr, target: IpAddr, octets: usize, limit: Duration) -> bool {
    let v6 = target.is_ipv6();
    let (domain, protocol) = if v6 {
        (Domain::IPV6, Protocol::ICMPV6)
    } else {
        (Domain::IPV4, Protocol::ICMPV4)
    };
    let socket = Socket::new(domain, Type::RAW, Some(protocol)).unwrap();
    socket.bind(&SocketAddr::new(source, 0).into()).unwrap();
    let (request, answer) = if v6 { (128, 129) } else { (8, 0) };
    let mut message = vec![request, 0, 0, 0, 0x49, 0x46];
    message.extend(next_number().to_be_bytes());
    message.extend((0..octets).map(|octet| u8::try_from(octet % 251).unwrap()));
    if !v6 {
        let sum = checksum(&message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    let until = Instant::now() + limit;
    if socket
        .send_to(&message, &SocketAddr::new(target, 0).into())
        .is_err()
    {
        return false;
    }
    let mut buffer = [0_u8; 4096];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        socket.set_read_timeout(Some(left)).unwrap();
        let Ok(length) = (&socket).read(&mut buffer) else {
            return false;
        };
        // An IPv4 raw socket hands over the IP header too, an IPv6 one does not.
        let header = if v6 {
            0
        } else {
            usize::from(buffer[0] & 0xf) * 4
        };
        let icmp = &buffer[header..length];
        if icmp[0] == answer && icmp[4..] == message[4..] {
            return true;
        }
    }
}

/// A number for each ping, so that a late answer is not taken for another's.
fn next_number() -> u16 {
    static NUMBER: AtomicU16 = AtomicU16::new(0);
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

fn checksum(message: &[u8]) -> u16 {
    let mut sum: u32 = message
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap()
}
