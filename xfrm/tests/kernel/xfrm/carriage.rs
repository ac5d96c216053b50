//! What SAs carry, and what passes them by.

use ironflex_xfrm::netlink::{ALL_ALGORITHMS, Masquerade, PoolGuard, Ruleset, SourceRule};
use ironflex_xfrm::{
    AesKeySize, Dataplane, DropReason, Encapsulation, EspAlgorithm, Integrity, OuterPath,
    ReplayWindow,
};

use super::{GCM, Lab, UDP, id, pair};
use crate::Ignored;
use crate::firewall;
use crate::support::{ip, prefix};

cases![
    every_algorithm_carries_packets_bare_and_in_udp,
    extended_sequence_numbers_and_every_window_carry_packets,
    ipv6_travels_inside_ipv4_and_ipv4_inside_ipv6,
    two_clients_behind_one_address_keep_apart,
    clear_packets_of_a_session_are_refused,
    the_firewall_leaves_alone_what_sas_carry,
];

// RFC 3948 §1#2: tunnel mode, bare and in UDP.
fn every_algorithm_carries_packets_bare_and_in_udp() -> Result<(), Ignored> {
    let mut lab = Lab::new(&ALL_ALGORITHMS)?;
    lab.open_udp(&["192.0.2.1:4500", "192.0.2.2:4500"]);
    let mut number = 1;
    for algorithm in ALL_ALGORITHMS {
        for encapsulation in [Encapsulation::None, UDP] {
            lab.install(&pair(number, algorithm, encapsulation));
            let sizes = [0, 1, 56, 1300];
            for octets in sizes {
                assert!(lab.ping(octets), "{algorithm} {encapsulation:?} {octets}");
            }
            let (headend, client) = lab.remove(id(number));
            let octets: u64 = sizes
                .iter()
                .map(|octets| 28 + u64::try_from(*octets).unwrap())
                .sum();
            for (ours, theirs) in [
                (headend.inbound, client.outbound),
                (headend.outbound, client.inbound),
            ] {
                assert_eq!(
                    (ours.packets, ours.bytes),
                    (4, octets),
                    "{algorithm} {encapsulation:?}"
                );
                assert_eq!(ours, theirs, "{algorithm} {encapsulation:?}");
                assert_eq!(ours.drops.total(), 0);
            }
            lab.assert_clean();
            number += 1;
        }
    }
    Ok(())
}

// RFC 4303 §2.2.1#1: extended sequence numbers carry packets.
fn extended_sequence_numbers_and_every_window_carry_packets() -> Result<(), Ignored> {
    let cbc = EspAlgorithm::AesCbcHmac {
        key_size: AesKeySize::Aes256,
        integrity: Integrity::HmacSha256_128,
    };
    let mut lab = Lab::new(&[GCM, cbc])?;
    let mut number = 1;
    for algorithm in [GCM, cbc] {
        for esn in [false, true] {
            for window in [0, 64, 100, 1024] {
                let mut pair = pair(number, algorithm, Encapsulation::None);
                for sa in [&mut pair.inbound, &mut pair.outbound] {
                    sa.esn = esn;
                    sa.replay_window = ReplayWindow::new(window).unwrap();
                }
                lab.install(&pair);
                for _ in 0..3 {
                    assert!(lab.ping(100), "{algorithm} esn {esn} window {window}");
                }
                let states = Lab::listing(&lab.left).0;
                let width = if esn && window == 0 { 1024 } else { window };
                if width > 0 {
                    assert!(
                        states.contains(&format!("replay_window {width},")),
                        "{states}"
                    );
                }
                assert_eq!(states.contains("flag af-unspec esn"), esn, "{states}");
                lab.remove(id(number));
                lab.assert_clean();
                number += 1;
            }
        }
    }
    Ok(())
}

fn ipv6_travels_inside_ipv4_and_ipv4_inside_ipv6() -> Result<(), Ignored> {
    let mut lab = Lab::new(&[GCM])?;
    lab.left.add_address(lab.left.lo, "2001:db8:1::1/128");
    lab.right.add_address(lab.right.lo, "2001:db8:10::5/128");
    lab.left.route("2001:db8:10::5/128", None, None);
    lab.right.route("2001:db8:1::1/128", None, None);
    let v6_path = OuterPath {
        local: ip("2001:db8:2::1"),
        remote: ip("2001:db8:2::2"),
        encapsulation: Encapsulation::None,
    };
    for (number, path) in [(1, pair(1, GCM, Encapsulation::None).path), (2, v6_path)] {
        let mut pair = pair(number, GCM, Encapsulation::None);
        pair.path = path;
        pair.selectors.local.push(prefix("::/0"));
        pair.selectors.remote.push(prefix("2001:db8:10::5/128"));
        lab.install(&pair);
        assert!(lab.ping(500), "IPv4 over {}", path.local);
        assert!(
            lab.right.pings("2001:db8:10::5", "2001:db8:1::1", 500),
            "IPv6 over {}",
            path.local
        );
        let (headend, _) = lab.remove(id(number));
        assert_eq!(
            (headend.inbound.packets, headend.outbound.packets),
            (2, 2),
            "over {}",
            path.local
        );
        lab.assert_clean();
    }
    Ok(())
}

fn two_clients_behind_one_address_keep_apart() -> Result<(), Ignored> {
    let mut lab = Lab::new(&[GCM])?;
    lab.open_udp(&["192.0.2.1:4500", "192.0.2.2:4500", "192.0.2.2:4501"]);
    lab.right.add_address(lab.right.lo, "10.10.0.6/32");
    lab.left.route("10.10.0.6/32", None, Some("10.1.0.1"));
    let first = pair(1, GCM, UDP);
    let mut second = pair(
        2,
        GCM,
        Encapsulation::Udp {
            local_port: 4500,
            remote_port: 4501,
        },
    );
    second.selectors.remote = vec![prefix("10.10.0.6/32")];
    lab.install(&first);
    lab.install(&second);
    for _ in 0..3 {
        assert!(lab.left.pings("10.1.0.1", "10.10.0.5", 100));
    }
    assert!(lab.left.pings("10.1.0.1", "10.10.0.6", 100));
    let (one, _) = lab.remove(id(1));
    let (two, _) = lab.remove(id(2));
    assert_eq!((one.outbound.packets, one.inbound.packets), (3, 3));
    assert_eq!((two.outbound.packets, two.inbound.packets), (1, 1));
    lab.assert_clean();
    Ok(())
}

fn clear_packets_of_a_session_are_refused() -> Result<(), Ignored> {
    let mut lab = Lab::new(&[GCM])?;
    assert!(lab.ping(10), "in clear, since there is no session yet");
    let pair = pair(1, GCM, Encapsulation::None);
    lab.headend.install(&pair).unwrap();
    let before = lab
        .headend
        .unmatched()
        .unwrap()
        .of(DropReason::SelectorMismatch);
    assert!(lab.right.pings_in_vain("10.10.0.5", "10.1.0.1"));
    let refused = lab
        .headend
        .unmatched()
        .unwrap()
        .of(DropReason::SelectorMismatch)
        - before;
    if std::path::Path::new("/proc/net/xfrm_stat").exists() {
        assert_eq!(refused, 1);
    }
    lab.headend.remove(id(1)).unwrap();
    assert!(lab.ping(10));
    Ok(())
}

fn the_firewall_leaves_alone_what_sas_carry() -> Result<(), Ignored> {
    let mut lab = Lab::new(&[GCM])?;
    let ruleset = |kernel_ipsec| Ruleset {
        masquerades: vec![Masquerade {
            outside: "cable".into(),
            sources: vec![SourceRule {
                network: prefix("10.0.0.0/8"),
                permit: true,
            }],
            kernel_ipsec,
        }],
        guard: Some(PoolGuard {
            pools: vec![prefix("10.10.0.0/16")],
            carriers: vec![],
            kernel_ipsec,
        }),
        ..Ruleset::default()
    };
    let mut firewall = firewall::apply(&lab.left, &ruleset(true))?;
    assert!(
        lab.right.pings_in_vain("10.10.0.5", "10.1.0.1"),
        "a pool address in clear, before the session"
    );
    let pair = pair(1, GCM, Encapsulation::None);
    lab.install(&pair);
    assert!(lab.ping(100));
    assert!(lab.left.pings("10.1.0.1", "10.10.0.5", 100), "untranslated");
    assert_eq!(lab.headend.counters(id(1)).unwrap().outbound.packets, 2);
    // What the conditions on IPsec are for.
    firewall.replace(&ruleset(false)).unwrap();
    assert!(lab.right.pings_in_vain("10.10.0.5", "10.1.0.1"));
    firewall.replace(&ruleset(true)).unwrap();
    assert!(lab.ping(100));

    lab.headend.remove(id(1)).unwrap();
    lab.client.remove(id(1)).unwrap();
    lab.assert_clean();
    assert!(
        lab.left.pings_in_vain("10.1.0.1", "10.10.0.5"),
        "nor after it"
    );
    firewall.delete().unwrap();
    assert!(
        lab.left.pings("10.1.0.1", "10.10.0.5", 10),
        "only the table was in the way"
    );
    Ok(())
}
