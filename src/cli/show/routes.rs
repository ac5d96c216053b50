//! `show ip route ADDRESS` and `show ipv6 route ADDRESS`: the route that packets to an address take, of those that the headend has made.

use std::{fmt::Write as _, net::IpAddr};

use super::{
    Elapsed,
    access_lists::{RouteFacts, with_connected},
    text,
};
use crate::state::State;

/// Of an address: all of it, its length in bits, and its first octet, by which classes of networks are told apart.
struct Bits {
    value: u128,
    length: u32,
}

impl Bits {
    const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self {
                value: address.to_bits() as u128,
                length: 32,
            },
            IpAddr::V6(address) => Self {
                value: address.to_bits(),
                length: 128,
            },
        }
    }

    /// Whether so many bits at the beginning are the same.
    fn shares(&self, other: &Self, bits: u32) -> bool {
        let rest = self.length.saturating_sub(bits);
        let beginning = |one: &Self| one.value.checked_shr(rest).unwrap_or(0);
        self.length == other.length && beginning(self) == beginning(other)
    }
}

/// The address and the length of a route.
fn prefix(route: &RouteFacts) -> Option<(IpAddr, u32)> {
    let (address, length) = route.prefix.split_once('/')?;
    Some((address.parse().ok()?, length.parse().ok()?))
}

/// The route that packets to `address` take: the longest that it is in.
///
/// # Errors
///
/// What a router says where there is none.
pub(super) fn route_to(
    state: &State,
    connected: &[RouteFacts],
    address: IpAddr,
) -> Result<RouteFacts, String> {
    let wanted = Bits::of(address);
    let all = with_connected(state, connected);
    let known = || all.iter().filter_map(|one| Some((one, prefix(one)?)));
    let leading =
        known().filter(|(_, (network, length))| Bits::of(*network).shares(&wanted, *length));
    if let Some((route, _)) = leading.max_by_key(|(_, (_, length))| *length) {
        return Ok(route.clone());
    }
    let (absent, command) = match address {
        IpAddr::V6(_) => ("% Route not found", "ip -6 route get"),
        IpAddr::V4(of_v4) => {
            // A router looks for the network of its class first.
            let class = match of_v4.octets()[0] {
                0..=127 => 8,
                128..=191 => 16,
                192..=223 => 24,
                224.. => 32,
            };
            let beside = known().any(|(_, (network, _))| Bits::of(network).shares(&wanted, class));
            let absent = if beside {
                "% Subnet not in table"
            } else {
                "% Network not in table"
            };
            (absent, "ip route get")
        }
    };
    Err(format!(
        "{absent}\n% These are the routes that the headend has made; the machine's: {command} {address}"
    ))
}

/// The same, in a router's layout.
///
/// # Errors
///
/// As [`route_to`].
pub(super) fn routing_entry(
    state: &State,
    connected: &[RouteFacts],
    address: IpAddr,
) -> Result<String, String> {
    let route = route_to(state, connected, address)?;
    let prefix = route.prefix.to_ascii_uppercase();
    let interface = &route.interface;
    let mut sessions = state.ike_sas.iter().filter_map(|sa| sa.session.as_ref());
    let session = sessions.find(|session| Some(session.virtual_access) == route.virtual_access);
    let since = session.map(|session| session.uptime).unwrap_or_default();
    Ok(text(|out| {
        writeln!(out, "Routing entry for {prefix}")?;
        if address.is_ipv6() {
            writeln!(out, "  Known via \"static\", distance 1, metric 0")?;
            writeln!(out, "  Route count is 1/1, share count 0")?;
            writeln!(out, "  Routing paths:")?;
            writeln!(out, "    directly connected via {interface}")?;
            return writeln!(out, "      Last updated {} ago", Elapsed(since));
        }
        let known = match route.source {
            "connected" => "\"connected\", distance 0, metric 0 (connected, via interface)",
            "local" => "\"connected\", distance 0, metric 0 (connected)",
            _ => "\"static\", distance 1, metric 0 (connected)",
        };
        writeln!(out, "  Known via {known}")?;
        writeln!(out, "  Routing Descriptor Blocks:")?;
        writeln!(out, "  * directly connected, via {interface}")?;
        writeln!(out, "      Route metric is 0, traffic share count is 1")
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::show::{access_lists::ip_route, tests::seed_sa};

    /// Sessions with these routes, the first of which is Virtual-Access1.
    fn with(routes: &[&str]) -> State {
        let mut state = State::default();
        for (number, route) in (1..).zip(routes) {
            let mut sa = seed_sa();
            let session = sa.session.as_mut().unwrap();
            session.virtual_access = number;
            session.routes = vec![(*route).to_owned()];
            state.ike_sas.push(sa);
        }
        state
    }

    fn entry(state: &State, address: &str) -> Result<String, String> {
        routing_entry(state, &[], address.parse().unwrap())
    }

    #[test]
    fn the_longest_route_is_told_as_on_a_router() {
        let state = with(&["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "2001:db8::/64"]);
        assert_eq!(
            entry(&state, "10.1.2.3").unwrap(),
            "Routing entry for 10.1.2.3/32\n  \
             Known via \"static\", distance 1, metric 0 (connected)\n  \
             Routing Descriptor Blocks:\n  \
             * directly connected, via Virtual-Access3\n      \
             Route metric is 0, traffic share count is 1\n"
        );
        for (address, prefix) in [
            ("10.1.9.9", "10.1.0.0/16"),
            ("10.255.0.1", "10.0.0.0/8"),
            ("2001:db8::9", "2001:DB8::/64"),
        ] {
            let said = entry(&state, address).unwrap();
            assert!(
                said.starts_with(&format!("Routing entry for {prefix}\n")),
                "{said}"
            );
        }
        assert_eq!(
            entry(&state, "2001:db8::9").unwrap(),
            "Routing entry for 2001:DB8::/64\n  \
             Known via \"static\", distance 1, metric 0\n  \
             Route count is 1/1, share count 0\n  \
             Routing paths:\n    \
             directly connected via Virtual-Access4\n      \
             Last updated 00:14:54 ago\n"
        );
        let everything = with(&["0.0.0.0/0", "::/0"]);
        assert!(entry(&everything, "192.0.2.1").is_ok());
        assert!(entry(&everything, "2001:db8::1").is_ok());
    }

    #[test]
    fn networks_and_addresses_of_own_interfaces_have_routes() {
        let state = with(&["10.0.0.2/32"]);
        let of = |address: &str, length, interface| {
            RouteFacts::connected(address.parse().unwrap(), length, interface).unwrap()
        };
        let mut connected = of("10.0.0.1", 32, "Loopback100");
        connected.extend(of("172.16.1.9", 24, "Loopback7"));
        assert_eq!(
            ip_route(&state, &connected),
            "Codes: L - local, C - connected, S - static, by the headend;\n       \
             the other routes are the machine's: ip route\n\n\
             C        10.0.0.1/32 is directly connected, Loopback100\n\
             C        172.16.1.0/24 is directly connected, Loopback7\n\
             L        172.16.1.9/32 is directly connected, Loopback7\n\
             S        10.0.0.2/32 is directly connected, Virtual-Access1\n"
        );
        for (address, prefix, known, interface) in [
            (
                "10.0.0.1",
                "10.0.0.1/32",
                "connected, via interface",
                "Loopback100",
            ),
            (
                "172.16.1.1",
                "172.16.1.0/24",
                "connected, via interface",
                "Loopback7",
            ),
            ("172.16.1.9", "172.16.1.9/32", "connected", "Loopback7"),
        ] {
            let said = routing_entry(&state, &connected, address.parse().unwrap());
            let expected = format!(
                "Routing entry for {prefix}\n  \
                 Known via \"connected\", distance 0, metric 0 ({known})\n  \
                 Routing Descriptor Blocks:\n  \
                 * directly connected, via {interface}\n      \
                 Route metric is 0, traffic share count is 1\n"
            );
            assert_eq!(said.unwrap(), expected);
        }
        let everything = of("203.0.113.9", 0, "Loopback0");
        assert_eq!(everything[0].prefix, "0.0.0.0/0");
        assert_eq!(
            RouteFacts::connected("10.0.0.1".parse().unwrap(), 33, "a"),
            None
        );
    }

    #[test]
    fn an_address_without_a_route_is_told_of_as_on_a_router() {
        let state = with(&["192.168.10.8/32", "172.16.0.0/24", "2001:db8::/64"]);
        for (address, absent) in [
            ("192.168.10.9", "% Subnet not in table\n"),
            ("192.168.11.8", "% Network not in table\n"),
            ("172.16.1.1", "% Subnet not in table\n"),
            ("172.17.0.1", "% Network not in table\n"),
            ("10.0.0.1", "% Network not in table\n"),
            ("2001:db8:0:1::1", "% Route not found\n"),
        ] {
            let why = entry(&state, address).unwrap_err();
            assert!(why.starts_with(absent), "{address}: {why}");
            assert!(why.ends_with(&format!("route get {address}")), "{why}");
        }
    }
}
