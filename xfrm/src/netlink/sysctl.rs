//! Kernel settings that forwarding depends on, read from /proc/sys of the calling thread's network namespace.

use std::fs;
use std::io;

use super::error::NetlinkError;

/// Whether the kernel forwards IPv4 packets between links (`net.ipv4.ip_forward`).
///
/// # Errors
///
/// [`NetlinkError::System`] when the setting cannot be read, [`NetlinkError::Malformed`] when it is no number.
pub fn ipv4_forwarding() -> Result<bool, NetlinkError> {
    read("net.ipv4.ip_forward").map(|value| value != 0)
}

/// Whether the kernel forwards IPv6 packets between links (`net.ipv6.conf.all.forwarding`).
///
/// # Errors
///
/// As [`ipv4_forwarding`].
pub fn ipv6_forwarding() -> Result<bool, NetlinkError> {
    read("net.ipv6.conf.all.forwarding").map(|value| value != 0)
}

/// The value of a numeric setting by its dotted name.
///
/// # Errors
///
/// As [`ipv4_forwarding`].
pub fn read(name: &str) -> Result<i64, NetlinkError> {
    let text = fs::read_to_string(path(name)).map_err(|error| failed("read", name, &error))?;
    text.trim().parse().map_err(|_| {
        NetlinkError::malformed(format!("read {name}"), format!("{text:?} is no number"))
    })
}

/// Sets a numeric setting; for namespaces of our own.
///
/// # Errors
///
/// [`NetlinkError::System`].
pub fn write(name: &str, value: i64) -> Result<(), NetlinkError> {
    fs::write(path(name), value.to_string()).map_err(|error| failed("write", name, &error))
}

fn path(name: &str) -> String {
    format!("/proc/sys/{}", name.replace('.', "/"))
}

fn failed(verb: &str, name: &str, error: &io::Error) -> NetlinkError {
    NetlinkError::system(format!("{verb} {name}"), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_paths() {
        assert_eq!(path("net.ipv4.ip_forward"), "/proc/sys/net/ipv4/ip_forward");
    }
}
