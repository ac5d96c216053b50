use ironflex_xfrm::netlink::LinkAddress;

use super::*;

#[test]
fn every_loopback_has_a_device_name_of_its_own_that_linux_takes() {
    let device = |number: u32| {
        let name = format!("Loopback{number}");
        loopback_device(&InterfaceName::parse(&name).unwrap())
    };
    assert_eq!(
        [0, 100, 9_999].map(device),
        ["ironflex-lo0", "ironflex-lo100", "ironflex-lo9999"]
    );
    let numbers = (9_990..10_100).chain([46_655, 46_656, 2_147_483_646, 2_147_483_647]);
    let names: std::collections::BTreeSet<String> = numbers.clone().map(device).collect();
    assert_eq!(names.len(), numbers.count());
    assert!(names.iter().all(|name| name.len() < 16), "{names:?}");
}

#[test]
fn a_device_that_was_not_marked_any_more_is_known_by_the_journal_and_by_its_kind() {
    let link = |name: &str, kind: &str, alias: Option<&str>, up| Link {
        index: LinkIndex::new(7).unwrap(),
        name: name.into(),
        alias: alias.map(str::to_owned),
        kind: Some(kind.into()),
        up,
        running: up,
        mtu: 1400,
        hardware: None,
        traffic: Default::default(),
    };
    let journal = ["ironflex-vt100".to_owned(), "ironflex-lo100".to_owned()];
    let unfinished = |link| is_unfinished(&link, &journal);
    assert!(unfinished(link("ironflex-vt100", "xfrm", None, false)));
    assert!(unfinished(link("ironflex-lo100", "dummy", None, false)));
    // Another name, another kind, somebody's mark, in use: each alone says that it is not ours.
    assert!(!unfinished(link("ironflex-vt1", "xfrm", None, false)));
    assert!(!unfinished(link("ironflex-vt100", "veth", None, false)));
    let alias = Some("mine");
    assert!(!unfinished(link("ironflex-vt100", "xfrm", alias, false)));
    assert!(!unfinished(link("ironflex-vt100", "xfrm", None, true)));
}

// --- Changes ---

/// Configurations between which a headend may be led, each with all others.
const CONFIGURATIONS: &[&str] = &[
    "",
    "ip local pool a 192.0.2.0 192.0.2.255\n\
     interface Loopback1\n ip address 10.0.0.1 255.255.255.0\n ipv6 address 2001:db8::1/64\n\
     interface Virtual-Template1 type tunnel\n",
    // Another MTU, another address of the same network, another prefix of the same address.
    "ip local pool a 192.0.2.0 192.0.2.255\n\
     interface Loopback1\n ip address 10.0.0.2 255.255.255.0\n ipv6 address 2001:db8::1/128\n\
     interface Virtual-Template1 type tunnel\n ip mtu 1300\n",
    // The address is another Loopback's.
    "ip local pool a 192.0.2.0 192.0.2.255\nip local pool b 198.51.100.0 198.51.100.9\n\
     interface Loopback2\n ip address 10.0.0.1 255.255.255.0\n ipv6 address 2001:db8::2/64\n\
     interface Virtual-Template1 type tunnel\ninterface Virtual-Template2 type tunnel\n ip mtu 1200\n",
    // Both, of which one came first.
    "ip local pool b 198.51.100.0 198.51.100.9\n\
     interface Loopback1\n ip address 10.0.0.1 255.255.255.0\n\
     interface Loopback2\n ip address 10.0.0.2 255.255.255.0\n ipv6 address 2001:db8::1/64\n\
     interface Virtual-Template2 type tunnel\n",
    "ip local pool b 198.51.100.0 198.51.100.9\n\
     interface Loopback1\n ip address 10.0.0.1 255.255.255.128\n\
     interface Loopback2\n ip address 10.0.0.2 255.255.255.0\n ipv6 address 2001:db8::1/48\n\
     interface Virtual-Template2 type tunnel\n ip mtu 1280\n",
];

fn snapshot(text: &str) -> Snapshot {
    let parsed = ironflex_profiles::parse(text, "test");
    assert_eq!(parsed.diagnostics, []);
    ironflex_profiles::resolve_live(&parsed.candidate).snapshot
}

/// A headend's network on each kind of machine, brought to a configuration.
fn machines(text: &str) -> Vec<(model::Model, HouseNetwork)> {
    let kinds = |dummy, xfrm| model::Kinds { dummy, xfrm };
    let on = |kinds, device: Option<&str>| {
        let machine = model::Model::new(kinds);
        machine.add_device("eth0");
        if let Some(device) = device {
            machine.add_device(device);
        }
        let boxed = Box::new(machine.clone());
        let made = HouseNetwork::set_up_on(boxed, &snapshot(text), device, true);
        (machine, made.unwrap().0)
    };
    vec![
        on(kinds(true, true), None),
        on(kinds(true, false), None),
        on(kinds(true, false), Some(TUN)),
        // All addresses are on one device here.
        on(kinds(false, false), Some(TUN)),
    ]
}

fn change(network: &mut HouseNetwork, text: &str) -> Result<Vec<Warning>, NotChanged> {
    let wanted = Wanted::of(&snapshot(text), std::iter::empty());
    network.change(wanted, |_| false, true)
}

#[test]
fn a_change_leads_to_what_a_start_would_have_made() {
    for before in CONFIGURATIONS {
        for after in CONFIGURATIONS {
            let started = machines(after);
            for ((machine, mut network), (other, _)) in machines(before).into_iter().zip(started) {
                let warnings = change(&mut network, after).unwrap();
                let (seen, mut wanted) = (machine.seen(), other.seen());
                let lacking = |one: &Warning| one.contains("has no device");
                assert!(warnings.iter().all(lacking), "{before}{after}{warnings:?}");
                // A device that is there for all keeps the MTU of the last template.
                if network.wanted().templates.is_empty() {
                    wanted.links.clone_from(&seen.links);
                }
                // What came first on a device may be another.
                let sorted = |mut seen: model::Seen| {
                    seen.addresses.sort();
                    seen
                };
                assert_eq!(sorted(seen), sorted(wanted), "from\n{before}to\n{after}");
            }
        }
    }
}

#[test]
fn a_change_that_is_refused_at_any_step_leaves_everything_as_it_was() {
    let mut refusals = 0_u32;
    for before in CONFIGURATIONS {
        for after in CONFIGURATIONS {
            for (machine, mut network) in machines(before) {
                let (seen, wanted) = (machine.seen(), network.wanted().clone());
                let in_place = format!("{:?}", network.in_place);
                for step in 0.. {
                    machine.refuse_after(step);
                    let changed = change(&mut network, after);
                    if !machine.has_refused() {
                        break;
                    }
                    // What is taken away at the end harms nobody if it stays, and is told of.
                    let Err(why) = changed else {
                        assert_ne!(changed.unwrap(), [""; 0]);
                        break;
                    };
                    refusals = refusals.saturating_add(1);
                    assert_eq!(why.left, []);
                    let place = format!("step {step} from\n{before}to\n{after}{why}");
                    assert_eq!(machine.seen(), seen, "{place}");
                    assert_eq!(network.wanted(), &wanted, "{place}");
                    assert_eq!(format!("{:?}", network.in_place), in_place, "{place}");
                }
            }
        }
    }
    assert!(refusals > 300, "{refusals}");
}

// Whether it was made is not known then, so what was there before is put there again.
#[test]
fn a_change_whose_answer_is_lost_leaves_everything_as_it_was() {
    for before in CONFIGURATIONS {
        for after in CONFIGURATIONS {
            for (machine, mut network) in machines(before) {
                let seen = machine.seen();
                machine.lose_an_answer();
                match change(&mut network, after) {
                    Err(why) => {
                        assert!(
                            matches!(why.error, NetlinkError::Unanswered { .. }),
                            "{why}"
                        );
                        assert_eq!(why.left, []);
                        assert_eq!(machine.seen(), seen, "from\n{before}to\n{after}");
                        // And it can be made afterwards.
                        change(&mut network, after).unwrap();
                    }
                    Ok(_) => assert_eq!(machine.seen().rules, seen.rules, "nothing was asked"),
                }
            }
        }
    }
    let (machine, mut network) = machines(CONFIGURATIONS[1]).remove(0);
    machine.lose_an_answer();
    assert!(change(&mut network, CONFIGURATIONS[3]).is_err());
}

#[test]
fn what_cannot_be_put_back_is_told_of() {
    let (machine, mut network) = machines(CONFIGURATIONS[1]).remove(0);
    // The MTU is set, and nothing is possible after that.
    machine.refuse_for_good_after(2);
    let why = change(&mut network, CONFIGURATIONS[2]).unwrap_err();
    assert_eq!(why.left.len(), 1);
    let said = why.to_string();
    assert!(
        said.contains("and what was changed by then stays: "),
        "{said}"
    );
}

// Whoever has come up goes on as before.
#[test]
fn segments_stay_small_while_somebody_comes_from_a_template_that_is_no_more() {
    const POOL: &str = "ip local pool a 192.0.2.0 192.0.2.255\n";
    let clamped =
        format!("{POOL}interface Virtual-Template1 type tunnel\n ip tcp adjust-mss 1300\n");
    let without = |rest: &str| format!("{POOL}{rest}");
    let others = "interface Loopback1\n ip address 10.0.0.1 255.255.255.0\ninterface Virtual-Template2 type tunnel\n";
    for (machine, mut network) in machines(&clamped) {
        let clamps = machine.seen().rules.clamps;
        assert!(!clamps.is_empty() && clamps.iter().all(|clamp| clamp.size == 1300));
        for rest in ["", others, ""] {
            let wanted = Wanted::of(&snapshot(&without(rest)), std::iter::empty());
            network.change(wanted, |number| number == 1, true).unwrap();
            assert_eq!(machine.seen().rules.clamps, clamps, "{rest}");
        }
        // Nobody does any more.
        change(&mut network, &without(others)).unwrap();
        assert_eq!(machine.seen().rules.clamps, []);
    }
}

// --- Devices of the machine ---

#[test]
fn an_address_that_a_device_does_not_have_is_told_of_with_those_that_it_has() {
    let told = |lines: &str| {
        let machine = model::Model::new(model::Kinds::default());
        machine.add_device("eth0");
        machine.add_device("eth1");
        for (link, address) in [(1, [203, 0, 113, 1]), (1, [203, 0, 113, 2])] {
            let mut machine = machine.clone();
            let address = LinkAddress {
                link: LinkIndex::new(link).unwrap(),
                address: address.into(),
                prefix_length: 24,
            };
            machine.add_address(&address).unwrap();
        }
        let snapshot = snapshot(lines);
        let made = HouseNetwork::set_up_on(Box::new(machine), &snapshot, None, true);
        let mut warnings = made.unwrap().1;
        warnings.retain(|one| !one.starts_with("net.ipv4."));
        warnings
    };
    let of = |device: &str, lines: &str| {
        told(&format!(
            "interface GigabitEthernet1\n device {device}\n{lines}"
        ))
    };
    for own in ["203.0.113.1", "203.0.113.2"] {
        let lines = format!(" ip address {own} 255.255.255.0\n");
        assert_eq!(of("eth0", &lines), [""; 0]);
    }
    assert_eq!(of("eth0", " ip nat outside\n"), [""; 0]);
    assert_eq!(
        of(
            "eth0",
            " ip address 203.0.113.9 255.255.255.0\n ipv6 address 2001:db8::1/64\n"
        ),
        [
            "'ip address 203.0.113.9' under GigabitEthernet1 has no effect: the addresses of a Linux device are the machine's \
             to set, and eth0 has 203.0.113.1, 203.0.113.2",
            "'ipv6 address 2001:db8::1' under GigabitEthernet1 has no effect: the addresses of a Linux device are the machine's \
             to set, and eth0 has no IPv6 address",
        ]
    );
    // One that is not there has no address to compare.
    let lines = " ip address 203.0.113.1 255.255.255.0\n";
    assert_eq!(
        of("eth7", lines),
        ["GigabitEthernet1 is tied to eth7, and there is no such device here"]
    );
    assert_eq!(of("eth1", lines).len(), 1);
    // What the headend itself puts on its devices is no matter of the machine's.
    let loopback = "interface Loopback1\n ip address 203.0.113.9 255.255.255.0\n";
    assert!(!told(loopback).iter().any(|one| one.contains("no effect")));
}
