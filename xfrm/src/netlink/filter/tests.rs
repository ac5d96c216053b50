//! Rules as they come in netlink messages, and what they mean for a datagram.

use super::set::{Element, Set};
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
    with_sets(rules, Vec::new())
}

/// The same with sets.
fn with_sets(rules: Vec<(&str, Expressions)>, sets: Vec<(&str, Set)>) -> FilterRules {
    let rules = rules.into_iter().zip(1..);
    let rule = |((chain, expressions), handle): ((&str, Expressions), u64)| FilterRule {
        family: 1,
        table: "filter".into(),
        chain: chain.into(),
        handle,
        expressions: octets_of(&expressions),
    };
    let place = |(name, set): (&str, Set)| ((1, "filter".to_owned(), name.to_owned()), set);
    FilterRules::new(
        rules.map(rule).collect(),
        sets.into_iter().map(place).collect(),
    )
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
    FilterProbe::ALL.map(|probe| rules.fate(&input(drops), probe, &[]))
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
    // `udp dport @other accept`, and what is in the set is not known.
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

// What is in the map is not known: it may let a packet pass, stop it, or say nothing of it.
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

/// `udp dport`, without what it is compared with.
fn port() -> Expressions {
    new().meta(16).compare(EQUAL, &[UDP]).header(2, 2, 2)
}

fn ports(ports: &[u16]) -> Set {
    let one = |port: &u16| Element::range(&port.to_be_bytes(), &port.to_be_bytes());
    Set::of(2, ports.iter().map(one).collect())
}

fn verdicts(key: usize, of: Vec<(&[u8], Verdict)>) -> Set {
    let element =
        |(key, verdict): (&[u8], Verdict)| Element::range(key, key).says(Data::Verdict(verdict));
    Set::of(key, of.into_iter().map(element).collect())
}

#[test]
fn what_is_in_a_set_is_known() {
    let look = |set: Set, rule: Expressions, drops| {
        let rules = with_sets(vec![("input", rule)], vec![("__set0", set)]);
        fates(&rules, drops)
    };
    let (passes, stops) = (Fate::Passes, Fate::Stops(Stop::Policy));
    let both = || ports(&[500, 4500]);
    assert_eq!(
        look(both(), port().lookup().verdict(ACCEPT), true),
        [passes.clone(), passes.clone(), stops.clone()]
    );
    assert_eq!(
        look(ports(&[22, 500]), port().lookup().verdict(ACCEPT), true),
        [passes.clone(), stops.clone(), stops.clone()]
    );
    // `udp dport != { 500, 4500 } drop`
    assert_eq!(
        look(both(), port().lookup_in_vain().drop(), false),
        [(); 3].map(|()| passes.clone())
    );
    assert_eq!(
        look(ports(&[22]), port().lookup_in_vain().drop(), false),
        [Fate::Stops(rule(1)), Fate::Stops(rule(1)), passes.clone()]
    );
    // What changes by itself, or has gone when a packet comes.
    let may = Fate::MayStop(Stop::Policy);
    for set in [
        Set::dynamic(2),
        Set::of(2, vec![Element::range(&[0, 0], &[255, 255]).perhaps()]),
    ] {
        let found = look(set, port().lookup().verdict(ACCEPT), true);
        assert_eq!(found, [may.clone(), may.clone(), stops.clone()]);
    }
    // Whose source is in a list is not known, unless nobody's is, or everybody's.
    let source = || new().meta(15).compare(EQUAL, &[FAMILY_V4]).header(1, 12, 4);
    let some = Set::of(4, vec![Element::range(&[192, 0, 2, 0], &[192, 0, 2, 255])]);
    assert_eq!(
        look(some, source().lookup().drop(), false),
        [(); 3].map(|()| Fate::MayStop(rule(1)))
    );
    assert_eq!(
        look(Set::of(4, vec![]), source().lookup().drop(), false),
        [(); 3].map(|()| passes.clone())
    );
    // IPv6 passes still.
    let all = Set::of(4, vec![Element::range(&[0; 4], &[255; 4])]);
    let found = look(all, source().lookup().drop(), false);
    assert_eq!(found, [(); 3].map(|()| Fate::MayStop(rule(1))));
    let all = Set::of(16, vec![Element::range(&[0; 16], &[255; 16])]);
    let anybody = new().header(1, 8, 16).lookup().drop();
    let found = look(all, anybody, false);
    assert_eq!(found, [(); 3].map(|()| Fate::Stops(rule(1))));
}

// `meta l4proto . th dport { udp . 500, udp . 4500 } accept`: the second part stands behind the first.
#[test]
fn a_concatenation_is_found_by_all_of_its_parts() {
    let key = |protocol: u8, port: u16| {
        let [high, low] = port.to_be_bytes();
        [protocol, 0, 0, 0, high, low, 0, 0]
    };
    let element = |protocol, port| Element::range(&key(protocol, port), &key(protocol, port));
    let set = || Set::of(8, vec![element(UDP, 500), element(6, 4500)]);
    let both = new().meta(16).header_into(9, [2, 2, 2]);
    let rules = with_sets(
        vec![("input", both.lookup().verdict(ACCEPT))],
        vec![("__set0", set())],
    );
    let stops = Fate::Stops(Stop::Policy);
    assert_eq!(fates(&rules, true), [Fate::Passes, stops.clone(), stops]);
}

#[test]
fn a_map_says_what_becomes_of_a_packet() {
    let of = |map: Set, rule: Expressions| {
        let inner = ("inner", udp(500).verdict(ACCEPT));
        with_sets(vec![("input", rule), inner], vec![("__map0", map)])
    };
    let (first, second) = (500_u16.to_be_bytes(), 4500_u16.to_be_bytes());
    let map = || verdicts(2, vec![(&first, Verdict::Accept), (&second, Verdict::Drop)]);
    let rules = of(map(), port().verdict_map());
    let stops = Fate::Stops(Stop::Policy);
    let (own, passes) = (Fate::Stops(rule(1)), Fate::Passes);
    assert_eq!(
        fates(&rules, true),
        [passes.clone(), own.clone(), stops.clone()]
    );
    assert_eq!(fates(&rules, false), [passes.clone(), own, passes.clone()]);
    // `ct state vmap { established : accept, invalid : drop }`: what begins is neither.
    let (established, invalid) = (ESTABLISHED.to_ne_bytes(), 1_u32.to_ne_bytes());
    let states = verdicts(
        4,
        vec![(&established, Verdict::Accept), (&invalid, Verdict::Drop)],
    );
    let rules = of(states, new().connection_state().verdict_map());
    assert_eq!(fates(&rules, true), [(); 3].map(|()| stops.clone()));
    assert_eq!(fates(&rules, false), [(); 3].map(|()| passes.clone()));
    // `iifname vmap { "lo" : drop, "eth0" : jump inner }`: it comes by no loopback, and perhaps by neither.
    let name = |name: &str| {
        let mut octets = [0; 16];
        octets[..name.len()].copy_from_slice(name.as_bytes());
        octets
    };
    let (lo, eth0) = (name("lo"), name("eth0"));
    let devices = verdicts(
        16,
        vec![(&lo, Verdict::Drop), (&eth0, Verdict::Jump("inner".into()))],
    );
    let rules = of(devices, new().meta(6).verdict_map());
    let may = Fate::MayStop(Stop::Policy);
    assert_eq!(fates(&rules, true), [may, stops.clone(), stops.clone()]);
    assert_eq!(fates(&rules, false), [(); 3].map(|()| passes.clone()));
    // `… vmap { 500 : continue, * : drop }`
    let mut elements = vec![Element::range(&first, &first).says(Data::Verdict(Verdict::Continue))];
    elements.push(Element::others().says(Data::Verdict(Verdict::Drop)));
    let rules = of(Set::of(2, elements), port().verdict_map());
    let own = Fate::Stops(rule(1));
    assert_eq!(fates(&rules, false), [passes.clone(), own, passes]);
}

#[test]
fn a_map_of_values_goes_on_with_what_it_says() {
    let (first, second) = (500_u16.to_be_bytes(), 4500_u16.to_be_bytes());
    let element = |from: &[u8], to: u8| Element::range(from, from).says(Data::Value(vec![to]));
    let map = Set::of(2, vec![element(&first, 1), element(&second, 2)]);
    let drops = port().map().compare(EQUAL, &[2]).drop();
    let rules = with_sets(vec![("input", drops)], vec![("__map1", map)]);
    let stops = Fate::Stops(rule(1));
    assert_eq!(fates(&rules, false), [Fate::Passes, stops, Fate::Passes]);
}

#[test]
fn an_address_of_ours_is_known_where_it_was_said() {
    let ours = |text: &str| -> IpAddr { text.parse().unwrap() };
    let here = IpPrefix::new(ours("192.0.2.0"), 24).unwrap();
    let rules = table(vec![("input", new().destination(&here).verdict(ACCEPT))]);
    let fate = |own: &[IpAddr]| rules.fate(&input(true), FilterProbe::Esp, own);
    let stops = Fate::Stops(Stop::Policy);
    let may = Fate::MayStop(Stop::Policy);
    assert_eq!(fate(&[]), may);
    assert_eq!(fate(&[ours("192.0.2.1")]), Fate::Passes);
    assert_eq!(fate(&[ours("198.51.100.1")]), stops);
    assert_eq!(fate(&[ours("192.0.2.1"), ours("198.51.100.1")]), may);
    assert_eq!(fate(&[ours("192.0.2.1"), ours("2001:db8::1")]), may);
    // In a set, and as the source of what leaves.
    let set = Set::of(4, vec![Element::range(&[192, 0, 2, 1], &[192, 0, 2, 9])]);
    let source = new().meta(15).compare(EQUAL, &[FAMILY_V4]).header(1, 12, 4);
    let rules = with_sets(
        vec![("input", source.lookup().verdict(ACCEPT))],
        vec![("__set0", set)],
    );
    let output = BaseChain {
        hook: Hook::Output,
        ..input(true)
    };
    let fate = |own| rules.fate(&output, FilterProbe::Udp(500), &[ours(own)]);
    assert_eq!(fate("192.0.2.7"), Fate::Passes);
    assert_eq!(fate("192.0.2.10"), stops);
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
    let one = |rules| table(rules).fate(&input(false), FilterProbe::Udp(500), &[]);
    assert_eq!(one(vec![jump(-3), inner(DROP)]), Fate::Stops(stopped));
    assert_eq!(one(vec![jump(-3), inner(ACCEPT), end()]), Fate::Passes);
    assert_eq!(
        one(vec![jump(-3), inner(RETURN), end()]),
        Fate::Stops(rule(3))
    );
    assert_eq!(one(vec![jump(-4), inner(RETURN), end()]), Fate::Passes);
    // One that leads to itself, which the kernel does not take.
    let circle = table(vec![("input", new().lead(-3, "input"))]);
    let fate = circle.fate(&input(false), FilterProbe::Esp, &[]);
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
        }], Sets::new());
        fates(&rules, true);
        body.splice(0..0, [1, 0, 0, 0]);
        read_rule(4, &body);
    }
}
