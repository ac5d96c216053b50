//! The sockets of a client.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use ironflex_ikev2::event::Framing;

use super::target::any_of;
use crate::{dataplane::Chosen, transport::Transport, udp::UdpEndpoint};

/// Sockets for both framings, on ports that the kernel chooses: 500 and 4500 are the headend's, should there be one on this
/// machine, and RFC 7296 §2.23 lets an initiator send from any. Returns the ports.
pub(super) fn bind(source: IpAddr, chosen: &Chosen) -> io::Result<(Transport, (u16, u16))> {
    let any = any_of(source);
    let mut transport = Transport::default();
    let mut ports = Vec::new();
    for framing in [Framing::Bare, Framing::Marked] {
        let endpoint = UdpEndpoint::bind(SocketAddr::new(any, 0))?;
        ports.push(endpoint.port());
        if matches!(chosen, Chosen::Kernel(_)) {
            use ironflex_xfrm::netlink::{bypass_policies, take_esp_in_udp};
            bypass_policies(&endpoint).map_err(io::Error::other)?;
            if framing == Framing::Marked {
                take_esp_in_udp(&endpoint).map_err(io::Error::other)?;
            }
        }
        transport.add(endpoint, framing)?;
    }
    match ports.as_slice() {
        &[bare, marked] => Ok((transport, (bare, marked))),
        _ => Err(io::ErrorKind::AddrNotAvailable.into()),
    }
}
