//! Options of IKE's UDP sockets that make them live together with XFRM.

use std::os::fd::AsFd;

use netlink_packet_core::Emitable;
use netlink_packet_xfrm::constants::{
    AF_INET, AF_INET6, UDP_ENCAP_ESPINUDP, XFRM_POLICY_ALLOW, XFRM_POLICY_IN, XFRM_POLICY_OUT,
};
use netlink_packet_xfrm::{Selector, UserPolicyInfo, XFRM_USER_POLICY_INFO_LEN};
use nix::libc;
use nix::sys::socket::sockopt::{SetStruct, SetUsize};
use nix::sys::socket::{AddressFamily, SetSockOpt, SockaddrLike, SockaddrStorage, getsockname};

use super::error::NetlinkError;

/// `struct xfrm_userpolicy_info`.
const POLICY_OCTETS: usize = XFRM_USER_POLICY_INFO_LEN;

#[derive(Clone, Copy)]
struct UdpEncapsulation;

#[derive(Clone, Copy)]
struct PolicyV4;

#[derive(Clone, Copy)]
struct PolicyV6;

// nix has these three options not built in, and lends the macros that its own are made with.
nix::setsockopt_impl!(
    UdpEncapsulation,
    libc::IPPROTO_UDP,
    libc::UDP_ENCAP,
    usize,
    SetUsize
);
nix::setsockopt_impl!(
    PolicyV4,
    libc::IPPROTO_IP,
    libc::IP_XFRM_POLICY,
    [u8; POLICY_OCTETS],
    SetStruct<'_, [u8; POLICY_OCTETS]>
);
nix::setsockopt_impl!(
    PolicyV6,
    libc::IPPROTO_IPV6,
    libc::IPV6_XFRM_POLICY,
    [u8; POLICY_OCTETS],
    SetStruct<'_, [u8; POLICY_OCTETS]>
);

/// Lets the kernel take ESP in UDP (RFC 3948) out of what arrives at a socket; the rest comes to us as before.
///
/// Only with the kernel backend, and only where its probe succeeded: on a kernel without ESP the socket would
/// swallow ESP and keepalives in silence.
///
/// # Errors
///
/// [`NetlinkError::System`], with ENOPROTOOPT on a kernel that cannot.
pub fn take_esp_in_udp(socket: &impl AsFd) -> Result<(), NetlinkError> {
    UdpEncapsulation
        .set(socket, &usize::from(UDP_ENCAP_ESPINUDP))
        .map_err(|errno| NetlinkError::system("set UDP_ENCAP", errno))
}

/// Exempts a socket from every policy, in and out: IKE must never travel inside the SAs that it makes (RFC 7296 §2).
///
/// The kernel keeps a socket's policies for the socket's own family alone: what an IPv6 socket sends to an IPv4-mapped
/// address is not exempt. Use a socket for each family (IPV6_V6ONLY).
///
/// # Errors
///
/// [`NetlinkError::System`], with EPERM without CAP_NET_ADMIN, with ENOPROTOOPT on a kernel without XFRM.
pub fn bypass_policies(socket: &impl AsFd) -> Result<(), NetlinkError> {
    let failed =
        |errno: nix::errno::Errno| NetlinkError::system("set a socket's bypass policy", errno);
    let local: SockaddrStorage =
        getsockname(std::os::fd::AsRawFd::as_raw_fd(&socket.as_fd())).map_err(failed)?;
    let v6 = local.family() == Some(AddressFamily::Inet6);
    for direction in [XFRM_POLICY_IN, XFRM_POLICY_OUT] {
        let set = match v6 {
            true => PolicyV6.set(socket, &bypass(AF_INET6, direction)),
            false => PolicyV4.set(socket, &bypass(AF_INET, direction)),
        };
        set.map_err(failed)?;
    }
    Ok(())
}

/// A policy that lets everything of a family pass as it is.
fn bypass(family: u16, direction: u8) -> [u8; POLICY_OCTETS] {
    let policy = UserPolicyInfo {
        selector: Selector {
            family,
            ..Selector::default()
        },
        direction,
        action: XFRM_POLICY_ALLOW,
        ..UserPolicyInfo::default()
    };
    let mut octets = [0; POLICY_OCTETS];
    policy.emit(&mut octets);
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bypass_allows_its_family_in_its_direction_without_limits() {
        let octets = bypass(AF_INET6, XFRM_POLICY_OUT);
        assert_eq!(octets[40..42], AF_INET6.to_ne_bytes());
        assert_eq!(octets[56..88], [0xff; 32]);
        assert_eq!(octets[160..164], [XFRM_POLICY_OUT, XFRM_POLICY_ALLOW, 0, 0]);
    }
}
