//! Programs that hold on to an address of the tunnel after its end.
//!
//! Linux asks at no packet whether an IPv6 source is still an address of the machine (of an IPv4 one it does): a socket
//! that is bound to one that is gone goes on sending from it, in clear. So the rule that leads it nowhere has to stay
//! for as long as there is such a socket.

use std::{fmt::Write, fs, net::Ipv6Addr};

/// The tables of sockets that can send by themselves.
const TABLES: [&str; 5] = ["tcp6", "udp6", "udplite6", "raw6", "icmp6"];

/// TCP_TIME_WAIT of net/tcp_states.h, as the tables write it: such a socket answers, and sends nothing of itself.
const TIME_WAIT: &str = "06";

/// Whether a socket of this network namespace sends from an address. A kernel without one of the tables has none of its
/// sockets.
pub(super) fn is_bound(address: Ipv6Addr) -> bool {
    TABLES.iter().any(|table| {
        let text = fs::read_to_string(format!("/proc/thread-self/net/{table}"));
        text.is_ok_and(|text| names(&text, address))
    })
}

/// Whether a table has a socket with this address of its own: behind the socket's number stand the own address, the
/// other one and the state.
fn names(table: &str, address: Ipv6Addr) -> bool {
    let own = format!("{}:", written(address));
    table.lines().skip(1).any(|line| {
        let mut words = line.split_whitespace().skip(1);
        let is_own = words.next().is_some_and(|word| word.starts_with(&own));
        is_own && words.nth(1) != Some(TIME_WAIT)
    })
}

/// The address in the words of the tables: four numbers in the machine's order.
fn written(address: Ipv6Addr) -> String {
    let mut text = String::new();
    for word in address.octets().as_chunks::<4>().0 {
        // A String takes everything.
        let _ = write!(text, "{:08X}", u32::from_ne_bytes(*word));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    // That the kernel writes its tables so is the whole program's tests to show (tests/headend/ipv6.rs).
    #[test]
    fn a_socket_that_only_waits_for_stragglers_does_not_count() {
        let address: Ipv6Addr = "2001:db8:a::1".parse().unwrap();
        let line = |own: Ipv6Addr, state: &str| {
            let (own, other) = (written(own), written(Ipv6Addr::LOCALHOST));
            format!(
                "  sl  local_address\n   0: {own}:1389 {other}:0050 {state} 00000000:00000000\n"
            )
        };
        assert!(names(&line(address, "01"), address));
        assert!(!names(&line(address, TIME_WAIT), address));
        assert!(!names(&line(Ipv6Addr::LOCALHOST, "01"), address));
    }
}
