//! The nftables table, judged by what happens to packets.

use std::fs::{read_link, read_to_string};
use std::io::{ErrorKind, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::process::{Command, Stdio};
use std::time::Duration;

use ironflex_xfrm::netlink::{
    Clamp, ClampPlace, Fate, FilterProbe, Firewall, KernelErrno, Masquerade, NetlinkError,
    PoolGuard, Ruleset, SourceRule, Stop, translations,
};

use socket2::SockRef;

use crate::Ignored;
use crate::support::{Side, behind, cabled, ip, prefix};

cases![
    masquerades_permitted_sources_alone,
    pool_addresses_travel_on_carriers_alone,
    forwarded_connections_are_opened_with_smaller_segments,
    an_unusable_ruleset_leaves_the_old_one,
    a_ruleset_of_thousands_of_rules_takes_effect,
    there_is_room_for_all_of_a_change_and_for_all_answers_to_it,
    a_socket_that_has_little_room_gets_what_a_change_needs,
    what_became_of_a_change_whose_answer_is_lost_is_looked_for,
    what_nft_does_with_ike_and_esp_is_read_from_its_rules,
    nft_reads_back_what_was_meant,
];

/// Puts a ruleset into a side's namespace; `Err` when this kernel has no nf_tables, or not for addresses in `inet`.
pub(crate) fn apply(side: &Side, ruleset: &Ruleset) -> Result<Firewall, Ignored> {
    let lacking = |error: &NetlinkError| {
        // No module for the family, a chain type or an expression: all come as ENOENT or EOPNOTSUPP.
        matches!(
            error.errno(),
            Some(KernelErrno::EPROTONOSUPPORT | KernelErrno::EOPNOTSUPP | KernelErrno::ENOENT)
        )
    };
    let opened = side.namespace.run(Firewall::open).unwrap();
    match opened.and_then(|mut firewall| firewall.replace(ruleset).map(|()| firewall)) {
        Err(error) if lacking(&error) => {
            Err(Ignored(format!("the kernel lacks nf_tables: {error}")))
        }
        applied => Ok(applied.unwrap()),
    }
}

fn masquerade(sources: &[(&str, bool)]) -> Ruleset {
    let sources = sources.iter().map(|(network, permit)| SourceRule {
        network: prefix(network),
        permit: *permit,
    });
    Ruleset {
        masquerades: vec![Masquerade {
            outside: "cable".into(),
            sources: sources.collect(),
            kernel_ipsec: true,
        }],
        ..Ruleset::default()
    }
}

fn masquerades_permitted_sources_alone() -> Result<(), Ignored> {
    let (mut router, server) = cabled();
    let host = behind(&mut router, "inside", "10.10.0");
    let other = behind(&mut router, "inside2", "10.10.1");
    router.forward();
    // The server has no way back to either.
    assert!(host.pings_in_vain("10.10.0.2", "192.0.2.2"));
    let mut firewall = apply(
        &router,
        &masquerade(&[("10.10.1.0/24", false), ("10.10.0.0/16", true)]),
    )?;
    assert!(firewall.exists().unwrap());
    assert!(host.pings("10.10.0.2", "192.0.2.2", 56));
    let translated = |inside: &str| {
        let inside = [prefix(inside)];
        let found = router.namespace.run(|| translations(&inside)).unwrap();
        found.unwrap()
    };
    // The ping, under the router's own address outside.
    let Some(found) = translated("10.10.0.0/24") else {
        return Err(Ignored("the kernel lists no connections".into()));
    };
    let ends: Vec<[String; 3]> = found
        .iter()
        .map(|one| {
            let ends = [one.inside_local, one.inside_global, one.outside_global];
            ends.map(|end| end.ip().to_string())
        })
        .collect();
    assert_eq!(
        ends,
        [["10.10.0.2", "192.0.2.1", "192.0.2.2"].map(str::to_owned)]
    );
    assert_eq!(found[0].protocol, 1);
    assert_eq!(translated("10.10.1.0/24"), Some(Vec::new()));
    assert!(
        other.pings_in_vain("10.10.1.2", "192.0.2.2"),
        "an earlier deny wins"
    );
    assert!(firewall.delete().unwrap());
    assert!(!firewall.delete().unwrap());
    assert!(!firewall.exists().unwrap());
    drop(server);
    Ok(())
}

fn pool_addresses_travel_on_carriers_alone() -> Result<(), Ignored> {
    let (mut router, mut server) = cabled();
    let inside = behind(&mut router, "inside", "10.10.0");
    router.forward();
    server.route("10.10.0.0/24", Some("192.0.2.1"), None);
    assert!(inside.pings("10.10.0.2", "192.0.2.2", 56));
    let guard = |pool: &str, carriers: &[&str]| Ruleset {
        guard: Some(PoolGuard {
            pools: vec![prefix(pool)],
            carriers: carriers.iter().map(|name| (*name).to_owned()).collect(),
            kernel_ipsec: true,
        }),
        ..Ruleset::default()
    };
    let mut firewall = apply(&router, &guard("10.10.0.0/16", &["inside"]))?;
    assert!(
        inside.pings("10.10.0.2", "192.0.2.2", 56),
        "its device carries the pool"
    );
    firewall.replace(&guard("10.10.0.0/16", &[])).unwrap();
    assert!(
        inside.pings_in_vain("10.10.0.2", "192.0.2.2"),
        "in clear from a device that is no carrier"
    );
    firewall.replace(&guard("10.11.0.0/16", &[])).unwrap();
    assert!(inside.pings("10.10.0.2", "192.0.2.2", 56), "another pool");

    // A stranger outside claims an address of the pool.
    server.add_address(server.lo, "10.11.0.9/32");
    assert!(server.pings_in_vain("10.11.0.9", "192.0.2.1"));
    // What this machine sends to a pool address must not leave in clear either.
    router.route("10.11.0.9/32", None, None);
    assert!(router.pings_in_vain("192.0.2.1", "10.11.0.9"));
    firewall.delete().unwrap();
    assert!(router.pings("192.0.2.1", "10.11.0.9", 56));
    Ok(())
}

/// The segments that the server of a new connection may send, without what timestamps take of them.
fn segments(from: &Side, server: &Side, address: &str) -> u32 {
    let listener = server.namespace.run(|| TcpListener::bind((ip(address), 0)));
    let listener = listener.unwrap().unwrap();
    let port = listener.local_addr().unwrap().port();
    let client = from
        .namespace
        .run(|| TcpStream::connect_timeout(&(ip(address), port).into(), Duration::from_secs(10)));
    let client = client.unwrap().unwrap();
    let (accepted, _) = listener.accept().unwrap();
    let size = SockRef::from(&accepted).tcp_mss().unwrap();
    drop(client);
    size
}

fn forwarded_connections_are_opened_with_smaller_segments() -> Result<(), Ignored> {
    const TIMESTAMPS: u32 = 12;
    let (mut router, mut server) = cabled();
    let host = behind(&mut router, "inside", "10.10.0");
    let other = behind(&mut router, "inside2", "10.10.1");
    router.forward();
    server.route("10.10.0.0/16", Some("192.0.2.1"), None);
    assert!(host.pings("10.10.0.2", "192.0.2.2", 56));
    let whole = segments(&host, &server, "192.0.2.2");
    assert!(whole + TIMESTAMPS >= 1400, "{whole}");
    let clamps = |place| Ruleset {
        clamps: vec![Clamp { place, size: 1000 }],
        ..Ruleset::default()
    };
    let device = ClampPlace::Device("inside".into());
    let mut firewall = apply(&router, &clamps(device))?;
    assert_eq!(segments(&host, &server, "192.0.2.2") + TIMESTAMPS, 1000);
    // The answer to a SYN says a size too.
    assert_eq!(segments(&server, &host, "10.10.0.2") + TIMESTAMPS, 1000);
    assert_eq!(segments(&other, &server, "192.0.2.2"), whole);
    assert_eq!(
        segments(&router, &server, "192.0.2.2"),
        whole,
        "not forwarded"
    );
    let network = ClampPlace::Network(prefix("10.10.1.0/24"));
    firewall.replace(&clamps(network)).unwrap();
    assert_eq!(segments(&other, &server, "192.0.2.2") + TIMESTAMPS, 1000);
    assert_eq!(segments(&host, &server, "192.0.2.2"), whole);
    // What is smaller already stays as it is.
    let large = Clamp {
        place: ClampPlace::Device("inside2".into()),
        size: 9000,
    };
    let large = Ruleset {
        clamps: vec![large],
        ..Ruleset::default()
    };
    firewall.replace(&large).unwrap();
    assert_eq!(segments(&other, &server, "192.0.2.2"), whole);
    Ok(())
}

fn an_unusable_ruleset_leaves_the_old_one() -> Result<(), Ignored> {
    let (mut router, server) = cabled();
    let host = behind(&mut router, "inside", "10.10.0");
    router.forward();
    let mut firewall = apply(&router, &masquerade(&[("10.10.0.0/16", true)]))?;
    let mut broken = masquerade(&[("10.10.0.0/16", false)]);
    broken.masquerades[0].outside = "a name too long for it".into();
    let error = firewall.replace(&broken).unwrap_err();
    assert!(matches!(error, NetlinkError::Unusable { .. }), "{error}");
    assert!(host.pings("10.10.0.2", "192.0.2.2", 56));
    drop(server);
    Ok(())
}

// One prefix for each address that a client still holds of a pool that is no more.
fn a_ruleset_of_thousands_of_rules_takes_effect() -> Result<(), Ignored> {
    let (mut router, mut server) = cabled();
    let inside = behind(&mut router, "inside", "10.10.0");
    router.forward();
    server.route("10.10.0.0/24", Some("192.0.2.1"), None);
    let hosts =
        (0..2_000_u32).map(|host| prefix(&format!("10.11.{}.{}/32", host / 250, host % 250)));
    let guard = |pools| Ruleset {
        guard: Some(PoolGuard {
            pools,
            carriers: Vec::new(),
            kernel_ipsec: true,
        }),
        ..Ruleset::default()
    };
    let mut firewall = apply(&router, &guard(hosts.clone().collect()))?;
    assert!(
        inside.pings("10.10.0.2", "192.0.2.2", 56),
        "it is in no pool"
    );
    let last = [prefix("10.10.0.2/32")];
    let all = guard(hosts.chain(last).collect());
    firewall.replace(&all).unwrap();
    assert!(inside.pings_in_vain("10.10.0.2", "192.0.2.2"));
    Ok(())
}

/// Translates for `network` and leaves so many others alone.
fn many(others: u32, network: &str, permit: bool) -> Ruleset {
    let others = (0..others).map(|host| format!("10.11.{}.{}/32", host / 250, host % 250));
    let others: Vec<String> = others.collect();
    let others = others.iter().map(|one| (one.as_str(), false));
    let sources: Vec<(&str, bool)> = [(network, permit)].into_iter().chain(others).collect();
    masquerade(&sources)
}

fn there_is_room_for_all_of_a_change_and_for_all_answers_to_it() -> Result<(), Ignored> {
    let (router, _server) = cabled();
    let mut firewall = apply(&router, &many(0, "10.10.0.0/16", true))?;
    let room = |firewall: &Firewall| {
        let socket = SockRef::from(firewall);
        let sizes = [socket.send_buffer_size(), socket.recv_buffer_size()];
        sizes.map(|octets| octets.unwrap())
    };
    let before = room(&firewall);
    firewall
        .replace(&many(4_000, "10.10.0.0/16", true))
        .unwrap();
    let [sending, receiving] = room(&firewall);
    // A rule takes over a hundred octets, and an acknowledgement of it some hundreds of the kernel's memory.
    assert!(sending > before[0] && sending >= 4_000 * 100, "{sending}");
    assert!(
        receiving > before[1] && receiving >= 4_000 * 768,
        "{receiving}"
    );
    Ok(())
}

// What a socket has at first is the system's to say (net.core.wmem_default): as little as a socket may have, for one.
fn a_socket_that_has_little_room_gets_what_a_change_needs() -> Result<(), Ignored> {
    let (router, _server) = cabled();
    let mut firewall = apply(&router, &Ruleset::default())?;
    let socket = SockRef::from(&firewall);
    // They become the least that there is.
    socket.set_send_buffer_size(1).unwrap();
    socket.set_recv_buffer_size(1).unwrap();
    firewall.replace(&guards(true)).unwrap();
    let before = lost(&router, &firewall);
    assert_eq!(before, 0);
    Ok(())
}

/// Keeps forty addresses inside ESP, and `10.10.0.2` if it is `guarded`.
fn guards(guarded: bool) -> Ruleset {
    guards_of(40, guarded)
}

fn guards_of(others: u8, guarded: bool) -> Ruleset {
    let others = (0..others).map(|host| prefix(&format!("10.11.0.{host}/32")));
    let host = guarded.then(|| prefix("10.10.0.2/32"));
    Ruleset {
        guard: Some(PoolGuard {
            pools: others.chain(host).collect(),
            carriers: Vec::new(),
            kernel_ipsec: true,
        }),
        ..Ruleset::default()
    }
}

/// How often the kernel had no room for what it had to say to a handle.
fn lost(side: &Side, firewall: &Firewall) -> u64 {
    let link = format!("/proc/self/fd/{}", firewall.as_fd().as_raw_fd());
    let link = read_link(link).unwrap().to_string_lossy().into_owned();
    let inode = link.strip_prefix("socket:[").unwrap();
    let inode = inode.strip_suffix(']').unwrap();
    let sockets = || read_to_string("/proc/thread-self/net/netlink");
    let sockets = side.namespace.run(sockets).unwrap().unwrap();
    let own = sockets.lines().find_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        // … Drops Inode
        let [.., drops, of] = columns[..] else {
            return None;
        };
        (of == inode).then(|| drops.parse().unwrap())
    });
    own.unwrap()
}

// Nothing that is reported as refused stands, and nothing that is reported as done does not.
fn what_became_of_a_change_whose_answer_is_lost_is_looked_for() -> Result<(), Ignored> {
    let (mut router, mut server) = cabled();
    let host = behind(&mut router, "inside", "10.10.0");
    router.forward();
    server.route("10.10.0.0/24", Some("192.0.2.1"), None);
    let mut firewall = apply(&router, &guards_of(50, false))?;
    assert!(host.pings("10.10.0.2", "192.0.2.2", 56));
    // It becomes the least that there is, now that there is room for whatever is smaller than that.
    SockRef::from(&firewall).set_recv_buffer_size(1).unwrap();
    let mut before = lost(&router, &firewall);
    let mut has_lost_more = |firewall: &Firewall| {
        let now = lost(&router, firewall);
        std::mem::replace(&mut before, now) < now
    };
    firewall.replace(&guards(true)).unwrap();
    assert!(has_lost_more(&firewall));
    assert!(host.pings_in_vain("10.10.0.2", "192.0.2.2"));
    firewall.replace(&guards(false)).unwrap();
    assert!(has_lost_more(&firewall));
    assert!(host.pings("10.10.0.2", "192.0.2.2", 56));
    // The handle is of use after that, also where there is no table before.
    assert_eq!(firewall.delete(), Ok(true));
    assert_eq!(firewall.exists(), Ok(false));
    firewall.replace(&guards(true)).unwrap();
    assert!(has_lost_more(&firewall));
    assert!(host.pings_in_vain("10.10.0.2", "192.0.2.2"));

    // And the other outcome: nobody reads that the last chain of it is refused, for the kernel takes no more at its hook
    // (MAX_HOOK_COUNT of net/netfilter/core.c).
    let chains = (0..1_024).map(|number| {
        format!("add chain inet full c{number} {{ type filter hook forward priority 0; }}\n")
    });
    let full: String = ["add table inet full\n".to_owned()]
        .into_iter()
        .chain(chains)
        .collect();
    if nft(&router, &full).is_none() {
        return Err(Ignored("there is no program nft".into()));
    }
    let mut refused = guards(false);
    refused.clamps = vec![Clamp {
        place: ClampPlace::Device("inside".into()),
        size: 1000,
    }];
    let error = firewall.replace(&refused).unwrap_err();
    assert!(has_lost_more(&firewall));
    // Not that nothing more came after that.
    let lost =
        matches!(&error, NetlinkError::System { errno, .. } if *errno == KernelErrno::ENOBUFS);
    assert!(lost, "not ENOBUFS: {error:?}");
    assert!(host.pings_in_vain("10.10.0.2", "192.0.2.2"));
    Ok(())
}

/// Has nft do what stands in `script`. `None` where there is no nft.
fn nft(side: &Side, script: &str) -> Option<()> {
    let run = || {
        let started = Command::new("nft")
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = match started {
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            started => started.unwrap(),
        };
        let written = child.stdin.take().unwrap().write_all(script.as_bytes());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        written.unwrap();
        Some(())
    };
    side.namespace.run(run).unwrap()
}

/// What becomes of IKE and ESP in the chain `input` of a table `other` with these statements of nft.
fn fates(side: &Side, flags: &str, policy: &str, rules: &[&str]) -> Option<Vec<Fate>> {
    let mut script = format!(
        "add table inet other\ndelete table inet other\nadd table inet other {{ {flags} }}\n\
         add chain inet other input {{ type filter hook input priority 0; policy {policy}; }}\n\
         add set inet other ports {{ type inet_service; flags interval; counter; elements = {{ 500-501, 22 }}; }}\n\
         add set inet other changing {{ type inet_service; timeout 1h; elements = {{ 500, 4500 }}; }}\n\
         add set inet other friends {{ type ipv4_addr; flags interval; elements = {{ 192.0.2.0/24 }}; }}\n"
    );
    for rule in rules {
        script.push_str(&format!("add rule inet other input {rule}\n"));
    }
    nft(side, &script)?;
    let look = || {
        let mut firewall = Firewall::open().unwrap();
        let chains = firewall.base_chains().unwrap();
        let rules = firewall.filter_rules().unwrap();
        let others = chains.iter().filter(|chain| chain.table == "other");
        let of_chain = |chain| FilterProbe::ALL.map(|probe| rules.fate(chain, probe, &[]));
        others.flat_map(of_chain).collect()
    };
    Some(side.namespace.run(look).unwrap())
}

// As nft writes them, and the kernel gives them back.
fn what_nft_does_with_ike_and_esp_is_read_from_its_rules() -> Result<(), Ignored> {
    let (router, _server) = cabled();
    apply(&router, &Ruleset::default())?;
    let here = |fate: &Fate| match fate {
        Fate::Passes => "passes",
        Fate::MayStop(Stop::Policy) => "may stop, by the policy",
        Fate::MayStop(_) => "may stop",
        Fate::Stops(Stop::Policy) => "stops, by the policy",
        Fate::Stops(_) => "stops",
    };
    let (accept, drop) = ("accept", "drop");
    let (passes, stops) = ("passes", "stops, by the policy");
    let may = "may stop, by the policy";
    // The sets that have a name stand in front of the rules.
    let cases: [(_, &[&str], [&str; 3]); 19] = [
        (accept, &[], [passes; 3]),
        (drop, &[], [stops; 3]),
        (drop, &["udp dport 500 accept"], [passes, stops, stops]),
        (accept, &["udp dport 4500 drop"], [passes, "stops", passes]),
        (drop, &["meta l4proto esp accept"], [stops, stops, passes]),
        (
            drop,
            &["udp dport { 500, 4500 } accept"],
            [passes, passes, stops],
        ),
        (
            drop,
            &["udp dport { 22, 400-600 } accept"],
            [passes, stops, stops],
        ),
        (
            drop,
            &["udp dport != { 400-600, 4500-65535 } drop", "accept"],
            [passes; 3],
        ),
        (
            drop,
            &["meta l4proto . th dport { udp . 500, tcp . 4500 } accept"],
            [passes, stops, stops],
        ),
        (
            drop,
            &["meta l4proto . th dport { udp . 400-600, tcp . 4500 } accept"],
            [passes, stops, stops],
        ),
        (
            drop,
            &["udp dport vmap { 500 : accept, 4500 : accept }"],
            [passes, passes, stops],
        ),
        (
            accept,
            &["udp dport vmap { 500 : drop }"],
            ["stops", passes, passes],
        ),
        (
            accept,
            &["udp dport vmap { 1-600 : drop, 601-65535 : continue }"],
            ["stops", passes, passes],
        ),
        (
            drop,
            &["iifname vmap { \"eth0\" : accept, \"eth1\" : drop }"],
            ["may stop"; 3],
        ),
        (
            accept,
            &["iifname vmap { \"lo\" : drop, \"eth1\" : accept }"],
            [passes; 3],
        ),
        (
            accept,
            &["ct state vmap { established : accept, invalid : drop }"],
            [passes; 3],
        ),
        (drop, &["udp dport @ports accept"], [passes, stops, stops]),
        (drop, &["udp dport @changing accept"], [may, may, stops]),
        (drop, &["ip saddr @friends accept"], [may; 3]),
    ];
    for (policy, rules, expected) in cases {
        let Some(found) = fates(&router, "", policy, rules) else {
            return Err(Ignored("there is no program nft".into()));
        };
        let found: Vec<&str> = found.iter().map(here).collect();
        assert_eq!(found, expected, "policy {policy}, {rules:?}");
    }
    // A table that sleeps does nothing to anybody.
    assert_eq!(fates(&router, "flags dormant;", drop, &[]), Some(vec![]));
    Ok(())
}

fn nft_reads_back_what_was_meant() -> Result<(), Ignored> {
    let (router, _server) = cabled();
    let mut ruleset = masquerade(&[("10.10.1.0/24", false), ("10.10.0.0/16", true)]);
    ruleset.guard = Some(PoolGuard {
        pools: vec![prefix("10.10.0.0/16"), prefix("2001:db8:10::/64")],
        carriers: vec!["ironflex1".into()],
        kernel_ipsec: true,
    });
    ruleset.clamps = vec![Clamp {
        place: ClampPlace::Device("ironflex1".into()),
        size: 1360,
    }];
    apply(&router, &ruleset)?;
    let Some(listing) = router.output("nft", &["-s", "list", "table", "inet", "ironflex"]) else {
        return Err(Ignored("there is no program nft".into()));
    };
    let listing: Vec<&str> = listing
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && *line != "}")
        .collect();
    // nft writes `meta secpath` in its newer form.
    assert_eq!(
        listing,
        [
            "table inet ironflex {",
            "chain pool-in {",
            "type filter hook prerouting priority mangle; policy accept;",
            "iifname != \"lo\" iifname != \"ironflex1\" ip saddr 10.10.0.0/16 meta ipsec missing counter drop",
            "iifname != \"lo\" iifname != \"ironflex1\" ip6 saddr 2001:db8:10::/64 meta ipsec missing counter drop",
            "chain pool-out {",
            "type filter hook postrouting priority filter; policy accept;",
            "oifname != \"lo\" oifname != \"ironflex1\" ip daddr 10.10.0.0/16 rt ipsec missing counter drop",
            "oifname != \"lo\" oifname != \"ironflex1\" ip6 daddr 2001:db8:10::/64 rt ipsec missing counter drop",
            "chain mss {",
            "type filter hook forward priority mangle; policy accept;",
            "iifname \"ironflex1\" tcp flags syn tcp option maxseg size set 1360",
            "oifname \"ironflex1\" tcp flags syn tcp option maxseg size set 1360",
            "chain nat {",
            "type nat hook postrouting priority srcnat; policy accept;",
            "oifname \"cable\" ip saddr 10.10.1.0/24 rt ipsec missing counter return",
            "oifname \"cable\" ip saddr 10.10.0.0/16 rt ipsec missing counter masquerade",
        ]
    );
    Ok(())
}
