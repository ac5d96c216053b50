//! Rules as they come in netlink messages, and what they mean for a datagram.

use super::*;
use crate::IpPrefix;
use crate::netlink::{expression::Expressions, message::Request};

const DROP: i32 = 0;
const ACCEPT: i32 = 1;
const RETURN: i32 = -5;
const EQUAL: u32 = 0;
const NOT_EQUAL: u32 = 1;

fn octets_of(expressions: &Expressions) -> Vec<u8> {
    let mut request = Request::new("test", 0, 0).nested(4, expressions.attributes());
    request.finish(0);
    request.wire()[20..].to_vec()
}

/// A table of the family `inet` with these rules, numbered from 1.
fn table(rules: Vec<(&str, Expressions)>) -> FilterRules {
    let rules = rules.into_iter().zip(1..);
    let rule = |((chain, expressions), handle): ((&str, Expressions), u64)| FilterRule {
        family: 1,
        table: "filter".into(),
        chain: chain.into(),
        handle,
        expressions: octets_of(&expressions),
    };
    FilterRules::new(rules.map(rule).collect())
}

fn input(drops: bool) -> BaseChain {
    BaseChain {
        family: 1,
        table: "filter".into(),
        name: "input".into(),
        hook: Hook::Input,
        drops,
    }
}

fn fates(rules: &FilterRules, drops: bool) -> [Fate; 3] {
    FilterProbe::ALL.map(|probe| rules.fate(&input(drops), probe))
}

fn new() -> Expressions {
    Expressions::new()
}

fn udp(port: u16) -> Expressions {
    new()
        .meta(16)
        .compare(EQUAL, &[UDP])
        .header(2, 2, 2)
        .compare(EQUAL, &port.to_be_bytes())
}

/// `ct state …`, which nft writes as a mask.
fn state(bits: u32) -> Expressions {
    new()
        .connection_state()
        .masked(&bits.to_ne_bytes())
        .compare(NOT_EQUAL, &[0; 4])
}

fn rule(handle: u64) -> Stop {
    Stop::Rule {
        chain: "input".into(),
        handle,
    }
}

#[test]
fn what_a_chain_drops_by_default_passes_by_its_own_rule_alone() {
    let usual = |more: Vec<(&'static str, Expressions)>| {
        let mut rules = vec![
            ("input", state(6).counter().verdict(ACCEPT)),
            ("input", state(1).drop()),
            ("input", new().input_name("lo", true).verdict(ACCEPT)),
        ];
        rules.extend(more);
        table(rules)
    };
    let stopped = Fate::Stops(Stop::Policy);
    assert_eq!(
        fates(&usual(Vec::new()), true),
        [(); 3].map(|()| stopped.clone())
    );
    assert_eq!(
        fates(&usual(Vec::new()), false),
        [(); 3].map(|()| Fate::Passes)
    );
    let ike = usual(vec![("input", udp(500).verdict(ACCEPT))]);
    assert_eq!(
        fates(&ike, true),
        [Fate::Passes, stopped.clone(), stopped.clone()]
    );
    let esp = new().meta(16).compare(EQUAL, &[ESP]).verdict(ACCEPT);
    let esp = usual(vec![("input", esp)]);
    assert_eq!(fates(&esp, true), [stopped.clone(), stopped, Fate::Passes]);
}

#[test]
fn a_rule_that_drops_is_named_and_one_before_it_that_accepts_wins() {
    let drop = || ("input", udp(4500).counter().drop());
    let stopped = [Fate::Passes, Fate::Stops(rule(1)), Fate::Passes];
    assert_eq!(fates(&table(vec![drop()]), false), stopped);
    let before = table(vec![("input", udp(4500).verdict(ACCEPT)), drop()]);
    assert_eq!(fates(&before, false), [(); 3].map(|()| Fate::Passes));
}

#[test]
fn what_depends_on_more_than_is_known_may_stop_a_packet() {
    let from = IpPrefix::new("192.0.2.0".parse().unwrap(), 24).unwrap();
    let some = table(vec![("input", new().source(&from).drop())]);
    assert_eq!(
        fates(&some, false),
        [(); 3].map(|()| Fate::MayStop(rule(1)))
    );
    let by_device = new().input_name("eth0", true).verdict(ACCEPT);
    let some = table(vec![("input", by_device)]);
    assert_eq!(
        fates(&some, true),
        [(); 3].map(|()| Fate::MayStop(Stop::Policy))
    );
    // `udp dport { … } accept`: what is in the set is not looked at.
    let set = new().meta(16).compare(EQUAL, &[UDP]).header(2, 2, 2);
    let some = table(vec![("input", set.lookup().verdict(ACCEPT))]);
    let maybe = Fate::MayStop(Stop::Policy);
    assert_eq!(
        fates(&some, true),
        [maybe.clone(), maybe, Fate::Stops(Stop::Policy)]
    );
    // One family alone.
    let v6 = new().meta(15).compare(EQUAL, &[FAMILY_V6]).drop();
    let fates = fates(&table(vec![("input", v6)]), false);
    assert_eq!(fates, [(); 3].map(|()| Fate::MayStop(rule(1))));
}

// What is in the map is not looked at: it may let a packet pass, stop it, or say nothing of it.
#[test]
fn a_map_of_verdicts_may_do_anything_with_what_it_is_asked_about() {
    let ports = || {
        let port = new().meta(16).compare(EQUAL, &[UDP]).header(2, 2, 2);
        ("input", port.verdict_map())
    };
    let may = |stop: Stop| Fate::MayStop(stop);
    // Nobody asks it about ESP.
    for (drops, esp) in [(true, Fate::Stops(Stop::Policy)), (false, Fate::Passes)] {
        let found = fates(&table(vec![ports()]), drops);
        assert_eq!(found, [may(rule(1)), may(rule(1)), esp], "{drops}");
    }
    let devices = || ("input", new().meta(6).verdict_map());
    let found = fates(&table(vec![devices()]), true);
    assert_eq!(found, [(); 3].map(|()| may(rule(1))));
    // What stands behind it is reached, or is not.
    let found = fates(&table(vec![devices(), ("input", new().drop())]), false);
    assert_eq!(found, [(); 3].map(|()| may(rule(1))));
    let found = fates(&table(vec![("input", udp(500).drop()), devices()]), false);
    let stopped = Fate::Stops(rule(1));
    assert_eq!(found, [stopped, may(rule(2)), may(rule(2))]);
    // It may lead back out of a chain, too.
    let inner = table(vec![
        ("input", new().lead(-3, "inner")),
        ("input", udp(500).verdict(ACCEPT)),
        ("inner", new().meta(6).verdict_map()),
        ("inner", new().drop()),
    ]);
    let stop = Stop::Rule {
        chain: "inner".into(),
        handle: 3,
    };
    assert_eq!(fates(&inner, true), [(); 3].map(|()| may(stop.clone())));
}

// It may decide, for all that is known of it.
#[test]
fn what_nobody_has_heard_of_may_do_anything_with_a_packet() {
    let any = [(); 3].map(|()| Fate::MayStop(rule(1)));
    for odd in [new().unheard_of(), new().target("ORACLE")] {
        for drops in [true, false] {
            assert_eq!(fates(&table(vec![("input", odd.clone())]), drops), any);
        }
    }
    // As the kernel's modules call themselves.
    for target in [
        "MARK",
        "TEE",
        "CONNSECMARK",
        "SECMARK",
        "TCPOPTSTRIP",
        "RATEEST",
        "HMARK",
        "IDLETIMER",
        "LED",
    ] {
        let rules = table(vec![("input", new().target(target))]);
        let policy = [(); 3].map(|()| Fate::Stops(Stop::Policy));
        assert_eq!(
            fates(&rules, false),
            [(); 3].map(|()| Fate::Passes),
            "{target}"
        );
        assert_eq!(fates(&rules, true), policy, "{target}");
    }
    let accepts = table(vec![("input", new().target("ACCEPT"))]);
    assert_eq!(fates(&accepts, true), [(); 3].map(|()| Fate::Passes));
}

#[test]
fn chains_lead_to_chains_and_back() {
    let inner = |verdict| ("inner", udp(500).verdict(verdict));
    let jump = |code| ("input", new().lead(code, "inner"));
    let end = || ("input", new().drop());
    let stopped = Stop::Rule {
        chain: "inner".into(),
        handle: 2,
    };
    let one = |rules| table(rules).fate(&input(false), FilterProbe::Udp(500));
    assert_eq!(one(vec![jump(-3), inner(DROP)]), Fate::Stops(stopped));
    assert_eq!(one(vec![jump(-3), inner(ACCEPT), end()]), Fate::Passes);
    assert_eq!(
        one(vec![jump(-3), inner(RETURN), end()]),
        Fate::Stops(rule(3))
    );
    assert_eq!(one(vec![jump(-4), inner(RETURN), end()]), Fate::Passes);
    // One that leads to itself, which the kernel does not take.
    let circle = table(vec![("input", new().lead(-3, "input"))]);
    let fate = circle.fate(&input(false), FilterProbe::Esp);
    assert_eq!(fate, Fate::MayStop(rule(1)));
}

proptest::proptest! {
    #[test]
    fn any_rule_has_a_fate(expressions: Vec<u8>, mut body: Vec<u8>) {
        let rules = FilterRules::new(vec![FilterRule {
            family: 1,
            table: "filter".into(),
            chain: "input".into(),
            handle: 1,
            expressions,
        }]);
        fates(&rules, true);
        body.splice(0..0, [1, 0, 0, 0]);
        read_rule(4, &body);
    }
}
