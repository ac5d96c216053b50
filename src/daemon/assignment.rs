//! What a client is given: its addresses, and the configuration that goes with them.
//!
//! A client that asks for addresses of both families gets both in one child SA. Where only one family has an address
//! for it, that one is given and the log says why the other is not; only a client that would get none at all is refused
//! (RFC 7296 §3.15.4).

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use ironflex_ikev2::{
    event::{Answer, Instant, Lease, LeaseQuestion, PeerProof, SaId},
    wire::{
        payload::{AddressRange, ConfigAttribute, TrafficSelector},
        registry::ConfigAttributeType as Kind,
    },
};
use ironflex_profiles::{
    model::{
        ikev2::AuthorizationFor,
        net::{Ipv4Net, Ipv6Net},
    },
    snapshot::{AnnouncedInterface, AuthorizationPolicy, Snapshot},
};
use ironflex_xfrm::IpPrefix;

use super::{
    lease::{self, Holder, NoAddress},
    log::Step as LogStep,
    session::Session,
    work::House,
};
use crate::{
    cli::{Printable, show::Elapsed},
    translate,
};

/// The pools of both families.
#[derive(Clone, Debug, Default)]
pub struct Pools {
    /// `ip local pool`.
    pub ipv4: lease::Pools<Ipv4Addr>,
    /// `ipv6 local pool`: networks of the assigned length, by their first address.
    pub ipv6: lease::Pools<Ipv6Addr>,
}

impl Pools {
    /// The configured pools, nobody holding anything.
    #[must_use]
    pub fn new(snapshot: &Snapshot) -> Self {
        let mut pools = Self::default();
        pools.reconfigure(snapshot);
        pools
    }

    /// The pools of another configuration. What is held stays held.
    pub fn reconfigure(&mut self, snapshot: &Snapshot) {
        let ipv4 = snapshot.pools.values().map(|pool| {
            let ranges = pool.ranges.iter();
            let ranges = ranges.map(|range| (range.first(), range.last()));
            (pool.name.to_string(), ranges.collect(), 0)
        });
        let ipv6 = snapshot.ipv6_pools.values().map(|pool| {
            let ranges = vec![(pool.range.first(), pool.range.last())];
            (pool.name.to_string(), ranges, pool.range.host_bits())
        });
        self.ipv4.reconfigure(ipv4);
        self.ipv6.reconfigure(ipv6);
    }

    /// What is held and in none of the pools.
    pub fn strays(&self) -> impl Iterator<Item = IpPrefix> {
        let length = |bits: u8, host_bits: u8| bits.saturating_sub(host_bits);
        let ipv4 = self.ipv4.strays();
        let ipv4 = ipv4.filter_map(move |(at, bits)| IpPrefix::new(at.into(), length(32, bits)));
        let ipv6 = self.ipv6.strays();
        ipv4.chain(ipv6.filter_map(move |(at, bits)| IpPrefix::new(at.into(), length(128, bits))))
    }

    /// Takes back what an IKE SA holds.
    pub fn release(&mut self, leases: Leases, sa: SaId) {
        if let Some((_, address)) = leases.ipv4 {
            self.ipv4.release(address, sa);
        }
        if let Some(lease) = leases.ipv6 {
            self.ipv6.release(lease.network.address(), sa);
        }
    }
}

/// What a session holds of the pools.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leases {
    /// Pool and address.
    pub ipv4: Option<(String, Ipv4Addr)>,
    /// The same of IPv6.
    pub ipv6: Option<Ipv6Lease>,
}

/// What a session holds of an IPv6 pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ipv6Lease {
    /// The pool.
    pub pool: String,
    /// All that is the client's.
    pub network: Ipv6Net,
    /// The address in it that the client is told.
    pub address: Ipv6Addr,
}

impl Leases {
    /// The client's addresses, that of IPv4 first.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let ipv4 = self.ipv4.as_ref().map(|&(_, address)| address.into());
        let ipv6 = self.ipv6.as_ref().map(|lease| lease.address.into());
        ipv4.into_iter().chain(ipv6)
    }

    /// The networks that lead to the client.
    #[must_use]
    pub fn networks(&self) -> Vec<IpPrefix> {
        let ipv4 = self.ipv4.as_ref();
        let ipv6 = self.ipv6.as_ref().map(|lease| lease.network);
        ipv4.map(|&(_, address)| IpPrefix::host(address.into()))
            .into_iter()
            .chain(ipv6.and_then(|net| IpPrefix::new(net.address().into(), net.length())))
            .collect()
    }

    /// What the client may send from.
    fn remote(&self) -> Vec<TrafficSelector> {
        let ipv4 = self.ipv4.as_ref();
        let ipv6 = self.ipv6.as_ref().map(|lease| lease.network);
        ipv4.map(|&(_, address)| translate::host_selector(address.into()))
            .into_iter()
            .chain(ipv6.map(|net| {
                TrafficSelector::addresses(AddressRange::V6 {
                    start: net.address(),
                    end: net.last(),
                })
            }))
            .collect()
    }

    /// Everything of the families that the client has an address of.
    fn local(&self) -> Vec<TrafficSelector> {
        let ipv4 = self.ipv4.as_ref().map(|_| AddressRange::ANY_V4);
        let ipv6 = self.ipv6.as_ref().map(|_| AddressRange::ANY_V6);
        let ranges = ipv4.into_iter().chain(ipv6);
        ranges.map(TrafficSelector::addresses).collect()
    }
}

impl House {
    pub(super) fn lease(&mut self, sa: SaId, question: &LeaseQuestion) -> Result<Answer, String> {
        let serving = self.serving(sa)?;
        let kind = match question.proof {
            PeerProof::Eap => AuthorizationFor::AnyConnectEap,
            PeerProof::RsaSignature | PeerProof::EcdsaSignature => AuthorizationFor::Cert,
            PeerProof::PreSharedKey => AuthorizationFor::Psk,
        };
        let authorization = serving.profile.group_authorization.get(&kind);
        if let Some(group) = authorization {
            self.log.step(
                self.sessions.view(sa),
                LogStep::AaaAuthorization(group.list.as_str()),
            );
        }
        let policy = authorization.map(|group| Arc::clone(&group.policy));
        let policy = policy.ok_or(
            "the profile has no authorization policy for the peer's method of authentication",
        )?;
        let announced = match policy.route_set_interface {
            Some(AnnouncedInterface::Tunnel) => serving.profile.virtual_template.address,
            Some(AnnouncedInterface::Named(_, address)) => address,
            None => None,
        };
        let carries_ipv6 = serving.profile.virtual_template.interface.ipv6.is_enabled();
        let leases = self.allocate(sa, question, &policy, carries_ipv6)?;
        let lease = Lease {
            reply: reply(&question.requested, &policy, &leases, announced),
            remote: leases.remote(),
            local: leases.local(),
            spi: translate::fresh_spi(),
            session_lifetime: policy
                .session_lifetime
                .map(|seconds| Duration::from_secs(u64::from(seconds))),
        };
        Ok(Answer::Lease(Box::new(lease)))
    }

    fn allocate(
        &mut self,
        sa: SaId,
        question: &LeaseQuestion,
        policy: &AuthorizationPolicy,
        carries_ipv6: bool,
    ) -> Result<Leases, String> {
        // RFC 7296 §4#8: whoever asks for an address is known by that attribute.
        let asks = |kind| question.requested.iter().any(|one| one.kind == kind);
        let asks_ipv4 = asks(Kind::INTERNAL_IP4_ADDRESS);
        let asks_ipv6 = asks(Kind::INTERNAL_IP6_ADDRESS);
        if !asks_ipv4 && !asks_ipv6 {
            let why =
                "the peer asks for no address, and one with an address of its own is not served";
            return Err(why.into());
        }
        let ipv4 = policy.pool.as_ref().filter(|_| asks_ipv4);
        let ipv6 = policy.ipv6.pool.as_ref();
        let ipv6 = ipv6.filter(|_| asks_ipv6 && carries_ipv6);
        if ipv4.is_none() && ipv6.is_none() {
            return Err(no_pool(asks_ipv4, asks_ipv6).into());
        }
        let (key, user) = self.proven(sa, question.eap_user.as_ref(), &question.identity);
        let user = user.to_string();
        let device = self.sessions.view(sa).and_then(Session::device_name);
        let device = device.map(str::to_owned);
        let holder = Holder {
            sa,
            key,
            user,
            device,
        };
        let mut leases = Leases::default();
        let mut missing: Vec<String> = Vec::new();
        if let Some(pool) = ipv4 {
            let name = pool.name.as_str();
            match self.pools.ipv4.allocate(name, holder.clone()) {
                Ok(address) => {
                    leases.ipv4 = Some((name.to_owned(), address));
                    let filled = self.pools.ipv4.fills_up(name);
                    self.tell_of_pool("ip local pool", name, filled);
                }
                Err(error) => {
                    let of = |one: &Leases| one.ipv4.as_ref().is_some_and(|(pool, _)| pool == name);
                    let oldest = self.oldest_of_pool(&error, of);
                    missing.push(format!("no IPv4 address: {error}{oldest}"));
                }
            }
        }
        if let Some(pool) = ipv6 {
            let name = pool.name.as_str();
            match self.pools.ipv6.allocate(name, holder) {
                Ok(first) => {
                    let network = Ipv6Net::new(first, pool.range.assigned());
                    leases.ipv6 = Some(Ipv6Lease {
                        pool: name.to_owned(),
                        network: network.unwrap_or_else(|| Ipv6Net::host(first)),
                        address: pool.range.client_of(first),
                    });
                    let filled = self.pools.ipv6.fills_up(name);
                    self.tell_of_pool("ipv6 local pool", name, filled);
                }
                Err(error) => {
                    let of = |one: &Leases| one.ipv6.as_ref().is_some_and(|one| one.pool == name);
                    let oldest = self.oldest_of_pool(&error, of);
                    missing.push(format!("no IPv6 address: {error}{oldest}"));
                }
            }
        }
        // RFC 7296 §3.15.4: INTERNAL_ADDRESS_FAILURE says that no address could be given at all.
        if leases == Leases::default() {
            return Err(missing.join("; "));
        }
        self.session(sa)?.leases = leases.clone();
        for why in &missing {
            self.log.without(self.sessions.view(sa), why);
        }
        Ok(leases)
    }
}

impl House {
    /// A pool fills up: whoever keeps it is told before it is exhausted.
    fn tell_of_pool(&self, kind: &str, name: &str, filled: Option<(usize, u64)>) {
        let Some((held, size)) = filled else {
            return;
        };
        let percent = u128::try_from(held)
            .unwrap_or(u128::MAX)
            .saturating_mul(100);
        let percent = percent.checked_div(size.into()).unwrap_or_default();
        self.log.warning(format_args!(
            "{kind} {name} fills up: {held} of {size} addresses are in use ({percent} %)"
        ));
    }

    /// Who of an exhausted pool's holders has not used it for the longest time, as far as that is looked at
    /// (`set security-association idle-time`), else who has been there for the longest.
    fn oldest_of_pool(&self, error: &NoAddress, holds: impl Fn(&Leases) -> bool) -> String {
        if !matches!(error, NoAddress::Exhausted { .. }) {
            return String::new();
        }
        let sessions = self.sessions.iter().map(|(_, session)| session);
        let holders = sessions.filter(|session| holds(&session.leases));
        let holders = holders.map(|session| {
            let who = session.who.as_ref().map(|who| who.user.to_string());
            LastUse {
                idle_since: session.in_use.as_ref().map(|one| one.since()),
                up_since: session.up_since,
                user: who.unwrap_or_default(),
            }
        });
        oldest(self.clock.now(), &holders.collect::<Vec<_>>())
    }
}

/// Who holds an address of a pool.
struct LastUse {
    /// When something went through last, where that is looked at.
    idle_since: Option<Instant>,
    up_since: Option<Instant>,
    user: String,
}

/// What is told of the one of an exhausted pool's holders whose address could be free the soonest.
fn oldest(now: Instant, holders: &[LastUse]) -> String {
    let first = |since: fn(&LastUse) -> Option<Instant>| {
        let all = holders.iter().filter_map(|one| Some((since(one)?, one)));
        all.min_by_key(|(since, _)| *since)
    };
    let told = |what: &str, (since, one): (Instant, &LastUse)| {
        let ago = Elapsed(now.since(since));
        format!(" ({what} {ago}, user {})", Printable(&one.user))
    };
    let idle = first(|one| one.idle_since).map(|one| told("oldest idle", one));
    idle.or_else(|| first(|one| one.up_since).map(|one| told("longest up", one)))
        .unwrap_or_default()
}

/// Why there is no pool for what a client asks for.
const fn no_pool(asks_ipv4: bool, asks_ipv6: bool) -> &'static str {
    match (asks_ipv4, asks_ipv6) {
        (false, true) => {
            "the peer asks for an IPv6 address alone, and there is no IPv6 pool for it \
             ('ipv6 pool NAME' in its authorization policy, 'ipv6 unnumbered' or 'ipv6 enable' in its Virtual-Template)"
        }
        _ => "the peer asks for an address and its authorization policy names no pool",
    }
}

/// The CFG_REPLY: what was asked for and the policy has (docs/anyconnect-eap.md, Configuration). Of a family that the
/// client has no address of, nothing.
fn reply(
    requested: &[ConfigAttribute],
    policy: &AuthorizationPolicy,
    leases: &Leases,
    announced: Option<Ipv4Addr>,
) -> Vec<ConfigAttribute> {
    // RFC 7296 §1.7#5, §3.15.1#6: what is not known, or no longer means anything, such as attribute
    // 5, is passed over.
    let asked = |kind| requested.iter().any(|one| one.kind == kind);
    let mut reply = Vec::new();
    if let Some((_, address)) = &leases.ipv4 {
        let kind = Kind::INTERNAL_IP4_ADDRESS;
        reply.push(ConfigAttribute::from_ipv4(kind, *address));
    }
    if leases.ipv4.is_some() {
        let with_netmask = asked(Kind::INTERNAL_IP4_NETMASK);
        ipv4(&mut reply, policy, with_netmask, announced);
    }
    if let Some(lease) = &leases.ipv6 {
        ipv6(&mut reply, policy, lease);
    }
    let text = |kind, text: &str| ConfigAttribute::new(kind, text.as_bytes().to_vec());
    if let Some(banner) = &policy.banner {
        reply.push(text(Kind::UNITY_BANNER, banner));
    }
    if let Some(domain) = &policy.def_domain {
        reply.push(text(Kind::UNITY_DEF_DOMAIN, domain.as_str()));
    }
    if !policy.split_dns.is_empty() {
        let names: Vec<&str> = policy.split_dns.iter().map(|name| name.as_str()).collect();
        reply.push(text(Kind::UNITY_SPLITDNS_NAME, &names.join(",")));
    }
    if policy.include_local_lan {
        reply.push(ConfigAttribute::empty(Kind::UNITY_LOCAL_LAN));
    }
    if policy.pfs {
        reply.push(ConfigAttribute::new(Kind::UNITY_PFS, vec![0, 1]));
    }
    for gateway in &policy.backup_gateways {
        reply.push(text(Kind::UNITY_BACKUP_SERVERS, gateway.as_str()));
    }
    // RFC 7296 §2.20#1: told to who has logged in and asks, and to nobody else.
    if asked(Kind::APPLICATION_VERSION) {
        let version = concat!("ironflex ", env!("CARGO_PKG_VERSION"));
        reply.push(text(Kind::APPLICATION_VERSION, version));
    }
    reply
}

/// What goes with an IPv4 address.
fn ipv4(
    reply: &mut Vec<ConfigAttribute>,
    policy: &AuthorizationPolicy,
    with_netmask: bool,
    announced: Option<Ipv4Addr>,
) {
    if let Some(netmask) = policy.netmask
        // RFC 7296 §3.15.1#3: a netmask goes with an address, which every reply has.
        && with_netmask
    {
        let kind = Kind::INTERNAL_IP4_NETMASK;
        reply.push(ConfigAttribute::from_ipv4(kind, netmask));
    }
    for dns in &policy.dns {
        reply.push(ConfigAttribute::from_ipv4(Kind::INTERNAL_IP4_DNS, *dns));
    }
    for wins in &policy.wins {
        reply.push(ConfigAttribute::from_ipv4(Kind::INTERNAL_IP4_NBNS, *wins));
    }
    let mut networks = policy.tunnelled_networks();
    // A client that is told of no network sends everything, and that one as well. Told of that one alone, it would send
    // nothing else.
    let covered = |address| networks.iter().any(|network| network.contains(address));
    if let Some(own) = announced.filter(|own| !networks.is_empty() && !covered(*own)) {
        networks.extend(Ipv4Net::new(own, 32));
    }
    for network in networks {
        reply.push(ConfigAttribute::from_ipv4_subnet(
            Kind::INTERNAL_IP4_SUBNET,
            network.address(),
            network.mask(),
        ));
    }
}

/// An IPv6 address and what goes with it.
fn ipv6(reply: &mut Vec<ConfigAttribute>, policy: &AuthorizationPolicy, lease: &Ipv6Lease) {
    let prefix = |kind, (address, length)| ConfigAttribute::from_ipv6_prefix(kind, address, length);
    // RFC 7296 §3.15.1: the address goes with a prefix length.
    let length = policy.ipv6.prefix.unwrap_or_else(|| lease.network.length());
    let address = (lease.address, length);
    reply.push(prefix(Kind::INTERNAL_IP6_ADDRESS, address));
    for dns in &policy.ipv6.dns {
        reply.push(ConfigAttribute::from_ipv6(Kind::INTERNAL_IP6_DNS, *dns));
    }
    for network in policy.ipv6.tunnelled_networks() {
        let network = (network.address(), network.length());
        reply.push(prefix(Kind::INTERNAL_IP6_SUBNET, network));
    }
}

#[cfg(test)]
mod tests {
    use ironflex_profiles::{model::name::Name, snapshot::Ipv6Authorization};

    use super::*;

    fn policy() -> AuthorizationPolicy {
        AuthorizationPolicy {
            name: Name::new("policy").unwrap(),
            pool: None,
            netmask: None,
            dns: Vec::new(),
            wins: Vec::new(),
            def_domain: None,
            split_dns: Vec::new(),
            banner: None,
            include_local_lan: false,
            pfs: false,
            backup_gateways: Vec::new(),
            session_lifetime: None,
            split_networks: None,
            remote_networks: Vec::new(),
            route_set_interface: None,
            route_accept: None,
            ipv6: Ipv6Authorization::default(),
        }
    }

    fn leased() -> (Ipv4Addr, Leases) {
        let address = Ipv4Addr::new(192, 168, 10, 5);
        let leases = Leases {
            ipv4: Some(("pool".into(), address)),
            ipv6: None,
        };
        (address, leases)
    }

    #[test]
    fn of_an_exhausted_pool_that_holder_is_named_who_has_not_used_it_for_the_longest_time() {
        let at = |seconds| Instant::new(Duration::from_secs(seconds));
        let holder = |idle_since: Option<u64>, up_since: Option<u64>, user: &str| LastUse {
            idle_since: idle_since.map(at),
            up_since: up_since.map(at),
            user: user.to_owned(),
        };
        let told = |holders: &[LastUse]| oldest(at(10_000), holders);
        assert_eq!(told(&[]), "");
        assert_eq!(told(&[holder(None, None, "early")]), "");
        let up = || {
            [
                holder(None, Some(9_000), "ann"),
                holder(None, Some(2_800), "bob\u{1b}"),
                holder(None, None, "early"),
            ]
        };
        assert_eq!(told(&up()), " (longest up 02:00:00, user bob.)");
        // Who is looked at for being idle goes before who has been there for longer.
        let mut idle = Vec::from(up());
        idle.push(holder(Some(9_940), Some(3_000), "cid"));
        idle.push(holder(Some(9_000), Some(4_000), "dan"));
        assert_eq!(told(&idle), " (oldest idle 00:16:40, user dan)");
    }

    // RFC 7296 §1.7#5, §3.15.1#6: what is not known, and what no longer means anything, is passed over.
    #[test]
    fn a_reply_passes_over_what_it_does_not_know() {
        let asked = [1, 5, 14, 999, 28_700].map(Kind);
        let asked = asked.map(ConfigAttribute::empty);
        let policy = policy();
        let (address, leases) = leased();
        assert_eq!(
            reply(&asked, &policy, &leases, None),
            [ConfigAttribute::from_ipv4(
                Kind::INTERNAL_IP4_ADDRESS,
                address
            )]
        );
    }

    #[test]
    fn the_tunnels_own_address_is_announced_beside_networks_that_do_not_hold_it() {
        let own = Ipv4Addr::new(10, 0, 0, 1);
        let told = |networks: &[Ipv4Net]| {
            let policy = AuthorizationPolicy {
                remote_networks: networks.to_vec(),
                ..policy()
            };
            let all = reply(&[], &policy, &leased().1, Some(own));
            let mut networks = all.into_iter();
            networks.next();
            networks.collect::<Vec<_>>()
        };
        let net = |address: [u8; 4], length| Ipv4Net::new(address.into(), length).unwrap();
        let said = |network: Ipv4Net| {
            let kind = Kind::INTERNAL_IP4_SUBNET;
            ConfigAttribute::from_ipv4_subnet(kind, network.address(), network.mask())
        };
        let (other, around) = (net([172, 16, 0, 0], 12), net([10, 0, 0, 0], 8));
        assert_eq!(told(&[]), []);
        assert_eq!(told(&[around]), [said(around)]);
        assert_eq!(told(&[other]), [said(other), said(net([10, 0, 0, 1], 32))]);
    }

    #[test]
    fn selectors_are_of_the_families_that_were_assigned() {
        let kinds = |leases: &Leases| {
            let all = [leases.local(), leases.remote()];
            all.map(|side| {
                let families = side.iter().map(|one| one.addresses.start().is_ipv6());
                families.collect::<Vec<_>>()
            })
        };
        let network = Ipv6Net::parse("2001:db8:a::/64").unwrap();
        let dual = Leases {
            ipv4: Some(("pool".into(), Ipv4Addr::new(192, 168, 10, 5))),
            ipv6: Some(Ipv6Lease {
                pool: "pool".into(),
                network,
                address: "2001:db8:a::1".parse().unwrap(),
            }),
        };
        assert_eq!(kinds(&dual), [vec![false, true], vec![false, true]]);
        assert_eq!(dual.remote()[1].addresses.end(), network.last());
        let ipv4 = Leases {
            ipv6: None,
            ..dual.clone()
        };
        assert_eq!(kinds(&ipv4), [vec![false], vec![false]]);
        let ipv6 = Leases { ipv4: None, ..dual };
        assert_eq!(kinds(&ipv6), [vec![true], vec![true]]);
    }
}
