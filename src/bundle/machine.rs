//! What the machine says of itself: system, network, kernel's SAs, and which files there are.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::Read as _,
    os::unix::fs::MetadataExt as _,
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use ironflex_xfrm::netlink::{
    Firewall, LinkAddress, NetlinkError, Network, Owner, outline, sysctl,
};

use super::stamp;
use crate::daemon::{Options, load};

/// The most of one of the kernel's tables that is taken, in octets: a router with all routes of the Internet has a long one, of which the
/// beginning helps.
const TABLE: u64 = 4 << 20;

/// Files of a folder that are listed.
const LISTED: usize = 1000;

/// Settings that decide whether packets go through.
const SETTINGS: [&str; 9] = [
    "net.ipv4.ip_forward",
    "net.ipv4.conf.all.rp_filter",
    "net.ipv4.conf.default.rp_filter",
    "net.ipv4.conf.all.accept_local",
    "net.ipv4.ip_no_pmtu_disc",
    "net.ipv6.conf.all.forwarding",
    "net.ipv6.conf.all.disable_ipv6",
    "net.core.rmem_max",
    "net.core.xfrm_acq_expires",
];

/// The kernel, the distribution and what the machine has.
pub(super) fn system() -> String {
    let mut out = String::new();
    for path in [
        "/proc/version",
        "/etc/os-release",
        "/proc/uptime",
        "/proc/loadavg",
    ] {
        table(&mut out, path);
    }
    column(&mut out, "/proc/cpuinfo", |line| {
        line.strip_prefix("model name")
    });
    table(&mut out, "/proc/meminfo");
    column(&mut out, "/proc/crypto", |line| line.strip_prefix("name"));
    column(&mut out, "/proc/modules", |line| line.split(' ').next());
    column(&mut out, "/proc/self/status", |line| {
        line.strip_prefix("CapEff:")
            .or_else(|| line.strip_prefix("Uid:"))
    });
    out
}

/// Devices, addresses, routes, packet filters and what decides between them, in the network namespace of this process.
pub(super) fn network() -> String {
    let mut out = String::new();
    let _ = match devices() {
        Ok(text) => out.write_str(&text),
        Err(error) => writeln!(out, "devices: {error}"),
    };
    let _ = writeln!(out);
    for setting in SETTINGS {
        let _ = match sysctl::read(setting) {
            Ok(value) => writeln!(out, "{setting} = {value}"),
            Err(error) => writeln!(out, "{setting}: {error}"),
        };
    }
    let chains = Firewall::open().and_then(|mut firewall| firewall.base_chains());
    let _ = writeln!(out, "\nBase chains of nf_tables:");
    let _ = match chains {
        Ok(chains) => chains.iter().try_for_each(|chain| {
            let policy = if chain.drops { "drop" } else { "accept" };
            writeln!(
                out,
                "chain {} of table {} (family {}) at {:?}, policy {policy}",
                chain.name, chain.table, chain.family, chain.hook
            )
        }),
        Err(error) => writeln!(out, "{error}"),
    };
    let _ = writeln!(out);
    for path in [
        "/proc/self/net/route",
        "/proc/self/net/ipv6_route",
        "/proc/self/net/dev",
        "/proc/self/net/udp",
        "/proc/self/net/udp6",
        "/proc/self/net/snmp",
        "/proc/self/net/snmp6",
        "/proc/self/net/netstat",
    ] {
        table(&mut out, path);
    }
    out
}

fn devices() -> Result<String, NetlinkError> {
    let mut network = Network::open(Owner::Headend)?;
    let (links, addresses) = (network.links()?, network.addresses()?);
    let mut out = String::new();
    for link in links {
        let on_it = |address: &&LinkAddress| address.link == link.index;
        let _ = writeln!(
            out,
            "{}: {}{}, kind {}, MTU {}, alias {:?}",
            link.name,
            if link.up { "up" } else { "down" },
            if link.running { "" } else { ", no carrier" },
            link.kind.as_deref().unwrap_or("none"),
            link.mtu,
            link.alias.as_deref().unwrap_or_default()
        );
        for address in addresses.iter().filter(on_it) {
            let _ = writeln!(out, "    {}/{}", address.address, address.prefix_length);
        }
    }
    Ok(out)
}

/// The kernel's SAs and policies without keys, and what it has dropped.
///
/// # Errors
///
/// Where the kernel has none, or does not let this user look.
pub(super) fn dataplane() -> Result<String, NetlinkError> {
    let mut out = outline()?;
    table(&mut out, "/proc/self/net/xfrm_stat");
    Ok(out)
}

/// Which files the headend starts from and leaves, and whose they are: nothing of what is in them.
pub(super) fn files(options: &Options) -> String {
    let mut out = String::new();
    let bootflash = load::bootflash(options.bootflash.as_deref(), &options.config);
    // What else stands beside the configuration is nobody's business.
    entry(&mut out, &options.config);
    entry(&mut out, &bootflash);
    list(&mut out, &options.state_dir);
    list(&mut out, &options.state_dir.join("archive"));
    out
}

fn entry(out: &mut String, path: &Path) {
    let _ = match fs::symlink_metadata(path) {
        Ok(found) => writeln!(out, "{} {}", properties(&found), path.display()),
        Err(error) => writeln!(out, "{}: {error}", path.display()),
    };
}

/// A folder with what is in it.
fn list(out: &mut String, path: &Path) {
    entry(out, path);
    let mut inside: Vec<_> = fs::read_dir(path).into_iter().flatten().flatten().collect();
    inside.sort_by_key(fs::DirEntry::file_name);
    for one in inside.iter().take(LISTED) {
        // A name may have anything in it.
        let name = one.file_name();
        let _ = match one.metadata() {
            Ok(found) => writeln!(out, "  {} {name:?}", properties(&found)),
            Err(error) => writeln!(out, "  {name:?}: {error}"),
        };
    }
    if inside.len() > LISTED {
        let _ = writeln!(out, "  and {} more", inside.len().saturating_sub(LISTED));
    }
}

/// Mode, owner, size and time.
fn properties(found: &fs::Metadata) -> String {
    let since = Duration::from_secs(u64::try_from(found.mtime()).unwrap_or_default());
    let modified = UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH);
    format!(
        "{:06o} {:>5} {:>5} {:>9} {}",
        found.mode(),
        found.uid(),
        found.gid(),
        found.len(),
        stamp(modified)
    )
}

/// Appends one of the kernel's tables, or a file of its distribution, below its name.
fn table(out: &mut String, path: &str) {
    let _ = match text(path) {
        Ok(text) => writeln!(out, "{path}:\n{}\n", text.trim_end()),
        Err(error) => writeln!(out, "{path}: {error}\n"),
    };
}

/// Appends what is wanted of each line, every value once, in the order in which they come.
fn column(out: &mut String, path: &str, wanted: impl Fn(&str) -> Option<&str>) {
    let text = match text(path) {
        Ok(text) => text,
        Err(error) => {
            let _ = writeln!(out, "{path}: {error}\n");
            return;
        }
    };
    let mut values: Vec<&str> = Vec::new();
    for value in text.lines().filter_map(wanted) {
        let value = value.trim_start_matches([' ', '\t', ':']);
        if !values.contains(&value) {
            values.push(value);
        }
    }
    let _ = writeln!(out, "{path}:\n{}\n", values.join(", "));
}

/// The beginning of a table, in whole lines; where that is not all, it says so.
fn text(path: &str) -> std::io::Result<String> {
    let mut octets = Vec::new();
    let file = File::open(path)?;
    file.take(TABLE + 1).read_to_end(&mut octets)?;
    Ok(bounded(&octets, TABLE))
}

fn bounded(octets: &[u8], limit: u64) -> String {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let Some((kept, [_, ..])) = octets.split_at_checked(limit) else {
        return String::from_utf8_lossy(octets).into_owned();
    };
    let whole = kept.rsplitn(2, |octet| *octet == b'\n').nth(1);
    let text = String::from_utf8_lossy(whole.unwrap_or(kept));
    format!("{text}\n… and more: these are the first {limit} octets\n")
}

#[cfg(test)]
mod tests {
    use super::bounded;

    #[test]
    fn a_long_table_is_cut_behind_a_line() {
        assert_eq!(bounded(b"one\ntwo\n", 8), "one\ntwo\n");
        assert_eq!(
            bounded(b"one\ntwo\nthree", 10),
            "one\ntwo\n… and more: these are the first 10 octets\n"
        );
    }
}
