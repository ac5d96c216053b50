//! `docs/json.md`: written from the types whose fields it names, and compared with what commands say.
//!
//! With `IRONFLEX_UPDATE_GOLDENS=1` it is written anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::Arc,
    time::{Duration, SystemTime},
};

use ironflex_profiles::{parse, render_all, resolve};
use serde_json::Value;

use super::{
    admission::Memory,
    house_tests::{
        attempts, interface_facts, listed, log, neighbors, processor, terminals, translations,
        trustpoints, version_facts,
    },
    tests::{address, assert_golden, ipv6_pools, pools, several, statistics},
    *,
};
use crate::{
    cli::{
        debug_words::DebugFlags,
        exec::{DebugFlag, KeyKind, ObjectKind},
    },
    kernel_clock::Standing,
    metrics::{Metric, Tally},
    state::{State, attempts::Room, logging::ConditionFacts},
};

/// Where the types stand.
const SOURCES: [&str; 19] = [
    include_str!("../../state.rs"),
    include_str!("../../state/attempts.rs"),
    include_str!("../../state/logging.rs"),
    include_str!("aaa.rs"),
    include_str!("access_lists.rs"),
    include_str!("admission.rs"),
    include_str!("pki.rs"),
    include_str!("../../statistics.rs"),
    include_str!("../../metrics.rs"),
    include_str!("facts.rs"),
    include_str!("interfaces.rs"),
    include_str!("neighbors.rs"),
    include_str!("objects.rs"),
    include_str!("diagnose.rs"),
    include_str!("ikev2_sa.rs"),
    include_str!("ipv6.rs"),
    include_str!("directory.rs"),
    include_str!("machine.rs"),
    include_str!("processor.rs"),
];

/// Types that look other than they are written.
const FORMS: &[(&str, &str)] = &[
    ("form::end", "object: `address`, `port`"),
    ("form::seconds", "number of seconds"),
    ("form::ike_spi", "string of 16 hexadecimal digits"),
    ("form::esp_spi", "string: `0x` and 8 hexadecimal digits"),
    ("form::dpd", "object: `interval`, `retry`"),
    ("form::ranges", "list of objects: `first`, `last`"),
    ("form::prefix", "string"),
    ("form::moment", "number of seconds since 1970"),
    ("form::fraction", "number of seconds"),
    ("form::severity", "number of syslog: 3 to 7"),
    ("StepKind", "string"),
    (
        "AttemptOutcome",
        "string: `under_way`, `up`, `left` or `failed`",
    ),
    ("Failure", "object: `kind`, and what belongs to it"),
    ("Cipher", "object: `name`, `key_bits`"),
    ("Hash", "string: `SHA1`, `SHA256`, `SHA384` or `SHA512`"),
    (
        "AuthMethod",
        "string: `RSA`, `ECDSA`, `PSK` or `AnyConnect-EAP`",
    ),
    ("IkeStatus", "string: `READY`, `IN-NEG` or `DELETE`"),
    ("Nat", "string: `none`, `outside` or `inside`"),
    (
        "Fragmentation",
        "object: `state`, which is `not_configured`, `configured` or `enabled`, and then `mtu`",
    ),
];

/// What each command says: the name at the top and its type. One with several has a row for each.
const COMMANDS: &[(&str, &str, &str)] = &[
    ("dir", "directory", "Directory"),
    (
        "show aaa local user lockout",
        "locked_out",
        "Vec<LockedOutUser>",
    ),
    ("show aaa method-lists", "method_lists", "Vec<MethodList>"),
    ("show aaa sessions", "sessions", "Vec<AaaSession>"),
    (
        "show archive config differences",
        "config_differences",
        "Vec<String>",
    ),
    (
        "show archive config rollback timer",
        "rollback",
        "Option<RollbackFacts>",
    ),
    ("show clock", "seconds_since_1970", "f64"),
    (
        "show crypto call admission statistics",
        "ikev2_stats",
        "Statistics",
    ),
    (
        "show crypto debug-condition",
        "conditions",
        "ConditionFacts",
    ),
    (
        "show crypto ikev2 authorization policy",
        "authorization_policies",
        "Vec<AuthorizationPolicyFacts>",
    ),
    ("show crypto ikev2 diagnose", "attempts", "Vec<Attempt>"),
    (
        "show crypto ikev2 diagnose error",
        "errors",
        "Vec<ErrorFacts>",
    ),
    (
        "show crypto ikev2 policy",
        "ikev2_policies",
        "Vec<PolicyFacts>",
    ),
    (
        "show crypto ikev2 profile",
        "ikev2_profiles",
        "Vec<ProfileFacts>",
    ),
    (
        "show crypto ikev2 proposal",
        "ikev2_proposals",
        "Vec<ProposalFacts>",
    ),
    ("show crypto ikev2 sa", "ike_sas", "Vec<IkeSa>"),
    ("show crypto ikev2 sa count", "ike_sa_count", "SaNumbers"),
    ("show crypto ikev2 session", "ike_sas", "Vec<IkeSa>"),
    ("show crypto ikev2 stats", "ikev2_stats", "Statistics"),
    (
        "show crypto ipsec profile",
        "ipsec_profiles",
        "Vec<IpsecProfileFacts>",
    ),
    ("show crypto ipsec sa", "ike_sas", "Vec<IkeSa>"),
    ("show crypto ipsec sa count", "ipsec_sas", "Count"),
    (
        "show crypto ipsec transform-set",
        "transform_sets",
        "Vec<TransformSetFacts>",
    ),
    ("show crypto isakmp sa", "isakmp_sas", "Vec<String>"),
    (
        "show crypto key mypubkey rsa",
        "trustpoints",
        "Vec<TrustpointFacts>",
    ),
    (
        "show crypto pki certificates",
        "trustpoints",
        "Vec<TrustpointFacts>",
    ),
    (
        "show crypto pki trustpoints",
        "trustpoints",
        "Vec<TrustpointFacts>",
    ),
    ("show crypto session", "ike_sas", "Vec<IkeSa>"),
    ("show debugging", "debugging", "Vec<String>"),
    ("show derived-config", "derived_config", "DerivedInterface"),
    ("show interfaces", "interfaces", "Vec<InterfaceFacts>"),
    ("show interfaces Virtual-Access 1", "session", "Session"),
    (
        "show interfaces description",
        "interfaces",
        "Vec<InterfaceFacts>",
    ),
    ("show inventory", "inventory", "Vec<Part>"),
    ("show access-lists", "access_lists", "Vec<AccessListFacts>"),
    (
        "show ip access-lists",
        "access_lists",
        "Vec<AccessListFacts>",
    ),
    ("show ip arp", "neighbors", "Vec<NeighborFacts>"),
    ("show ip interface", "interfaces", "Vec<InterfaceFacts>"),
    (
        "show ip interface brief",
        "interfaces",
        "Vec<InterfaceFacts>",
    ),
    ("show ip local pool", "pools", "Vec<Pool>"),
    ("show ip nat statistics", "nat", "NatFacts"),
    (
        "show ip nat translations",
        "translations",
        "Vec<TranslationFacts>",
    ),
    ("show ip route", "routes", "Vec<RouteFacts>"),
    ("show ipv6 local pool", "ipv6_pools", "Vec<Ipv6Pool>"),
    ("show ipv6 neighbors", "neighbors", "Vec<NeighborFacts>"),
    ("show logging", "log", "LogFacts"),
    ("show metrics", "metrics", "Vec<Sample>"),
    ("show processes cpu", "processor", "ProcessorFacts"),
    ("show processes memory", "memory", "Memory"),
    ("show running-config", "running_config", "Vec<String>"),
    ("show running-config all", "running_config", "Vec<String>"),
    (
        "show running-config interface",
        "running_config",
        "Vec<String>",
    ),
    ("show startup-config", "startup_config", "Vec<String>"),
    ("show tech-support", "tech_support", "BTreeMap"),
    ("show users", "sessions", "Vec<AaaSession>"),
    ("show users", "terminals", "Vec<TerminalFacts>"),
    ("show version", "version", "Version"),
];

/// A field of a type, with its line of documentation.
struct Field {
    name: String,
    kind: String,
    meaning: String,
}

/// A type, with its line of documentation.
#[derive(Default)]
struct Described {
    meaning: String,
    fields: Vec<Field>,
}

/// The types of the sources that have named fields.
fn types() -> BTreeMap<String, Described> {
    let mut types = BTreeMap::new();
    for source in SOURCES {
        let mut docs = String::new();
        let mut form = None;
        let mut inside: Option<(String, Described)> = None;
        for line in source.lines() {
            let line = line.trim();
            if let Some(more) = line.strip_prefix("///") {
                let gap = if docs.is_empty() { "" } else { " " };
                docs += &format!("{gap}{}", more.trim());
                continue;
            }
            if let Some(with) = line.strip_prefix("#[serde(serialize_with = \"") {
                form = with.split('"').next().map(str::to_owned);
                continue;
            }
            if line.starts_with("#[") {
                continue;
            }
            let bare = line.strip_prefix("pub ").unwrap_or(line);
            if let Some(rest) = bare.strip_prefix("struct ") {
                let name = rest.split(['<', ' ', '(']).next().unwrap().to_owned();
                if rest.ends_with('{') {
                    let meaning = std::mem::take(&mut docs);
                    let fields = Vec::new();
                    inside = Some((name, Described { meaning, fields }));
                }
            } else if line == "}" {
                types.extend(inside.take());
            } else if let (Some((_, open)), Some((name, kind))) =
                (&mut inside, bare.split_once(": "))
            {
                let kind = form
                    .take()
                    .unwrap_or_else(|| kind.trim_end_matches(',').to_owned());
                open.fields.push(Field {
                    name: name.to_owned(),
                    kind,
                    meaning: docs.clone(),
                });
            }
            docs.clear();
            form = None;
        }
    }
    types
}

/// What is between these in a type.
fn between<'t>(kind: &'t str, before: &str) -> Option<&'t str> {
    kind.strip_prefix(before)?.strip_suffix('>')
}

/// The type with names of its own that another is made of.
fn core_of(kind: &str) -> &str {
    for wrap in ["Option<", "Vec<"] {
        if let Some(inner) = between(kind, wrap) {
            return core_of(inner);
        }
    }
    kind.split('<').next().unwrap_or(kind)
}

fn told(kind: &str, types: &BTreeMap<String, Described>) -> String {
    if let Some((_, told)) = FORMS.iter().find(|(form, _)| *form == kind) {
        return (*told).to_owned();
    }
    if let Some(inner) = between(kind, "Option<") {
        return format!("{}, or `null`", told(inner, types));
    }
    if let Some(inner) = between(kind, "Vec<") {
        return format!("list: {}", told(inner, types));
    }
    match core_of(kind) {
        "u8" | "u16" | "u32" | "u64" | "usize" | "i32" | "i64" | "f64" => "number".to_owned(),
        "bool" => "boolean".to_owned(),
        "String" | "&'static str" | "&'f str" | "IpAddr" | "Ipv4Addr" | "Ipv6Addr" | "A" => {
            "string".to_owned()
        }
        "(u64, u64)" => "list of two numbers".to_owned(),
        "(String, u64)" => "list of a string and a number".to_owned(),
        "BTreeMap" => "object".to_owned(),
        own if types.contains_key(own) => format!("object: [{own}](#{})", own.to_lowercase()),
        other => panic!("no words for {other}"),
    }
}

/// The types that these lead to, those included.
fn reached(start: &str, types: &BTreeMap<String, Described>, found: &mut BTreeSet<String>) {
    if !types.contains_key(start) || !found.insert(start.to_owned()) {
        return;
    }
    for field in &types[start].fields {
        reached(core_of(&field.kind), types, found);
    }
}

fn document() -> String {
    let types = types();
    let mut out = String::from(
        "# JSON\n\nBehind a `show` command, `| json` gives the same facts with stable names: what is here stays, more may come. Times are \
         numbers of seconds, addresses strings; there are no keys and no passwords. Filters and words for details stand before the `|`: \
         details are always there.\n\nThe tables are written from the types; a test compares them with what commands say.\n\n\
         | command | name | what it is |\n| --- | --- | --- |\n",
    );
    let mut found = BTreeSet::new();
    for (command, name, kind) in COMMANDS {
        let _ = writeln!(out, "| `{command}` | `{name}` | {} |", told(kind, &types));
        reached(core_of(kind), &types, &mut found);
    }
    for name in found {
        let described = &types[&name];
        let _ = write!(
            out,
            "\n## {name}\n\n{}\n\n| name | type | meaning |\n| --- | --- | --- |\n",
            described.meaning
        );
        for field in &described.fields {
            let kind = told(&field.kind, &types);
            let _ = writeln!(out, "| `{}` | {kind} | {} |", field.name, field.meaning);
        }
    }
    out
}

#[test]
fn the_documentation_names_every_field() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/json.md");
    let document = document();
    if std::env::var_os("IRONFLEX_UPDATE_GOLDENS").is_some_and(|value| value == "1") {
        std::fs::write(&path, &document).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        document, written,
        "IRONFLEX_UPDATE_GOLDENS=1 writes it anew"
    );
}

/// The names of an object are those of its type, all the way down.
fn check(value: &Value, kind: &str, types: &BTreeMap<String, Described>, at: &str) {
    match value {
        Value::Array(list) => {
            let inner = between(kind, "Vec<").unwrap_or(kind);
            for one in list {
                check(one, inner, types, at);
            }
        }
        Value::Object(object) => {
            let Some(described) = types.get(core_of(kind)) else {
                return;
            };
            let names: BTreeSet<&str> = object.keys().map(String::as_str).collect();
            let fields = described.fields.iter().map(|field| field.name.as_str());
            assert_eq!(names, fields.collect(), "{at}");
            for field in &described.fields {
                let at = format!("{at}.{}", field.name);
                check(&object[&field.name], core_of(&field.kind), types, &at);
            }
        }
        _ => {}
    }
}

pub(super) fn configured() -> Box<Configured> {
    let text = include_str!("../../../examples/flexvpn-headend.conf");
    let lines = parse(text, "startup-config").candidate;
    let resolved = Arc::new(resolve(&lines).unwrap());
    Box::new(Configured {
        lines,
        resolved,
        inactive: BTreeMap::new(),
    })
}

/// Something of every command.
fn samples() -> Vec<(&'static str, Facts)> {
    let mut tally = Tally::default();
    tally.count_of(Metric::Discarded, "forged");
    let mut flags = DebugFlags::default();
    flags.set(DebugFlag::Ikev2, true);
    let object = |kind| Facts::Object(configured(), kind, None);
    let moment = SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_millis(1_500))
        .unwrap();
    vec![
        ("dir", Facts::Directory(listed())),
        ("show aaa local user lockout", Facts::AaaLockout(Vec::new())),
        (
            "show aaa method-lists",
            Facts::AaaMethodLists(configured(), MethodLists::All),
        ),
        ("show aaa sessions", Facts::AaaSessions(several())),
        (
            "show archive config differences",
            Facts::ConfigDifferences("+username a password 0 hidden\n".into()),
        ),
        (
            "show archive config rollback timer",
            Facts::RollbackTimer(Some(RollbackFacts {
                left: Duration::from_secs(90),
                by: "user 'ann'".into(),
            })),
        ),
        ("show clock", Facts::Clock(moment, Standing::Set, false)),
        (
            "show crypto call admission statistics",
            Facts::CallAdmission(Box::new(statistics())),
        ),
        (
            "show crypto debug-condition",
            Facts::DebugCondition(ConditionFacts {
                peers: vec![address("192.0.2.1")],
                usernames: vec!["test".into()],
            }),
        ),
        (
            "show crypto ikev2 authorization policy",
            object(ObjectKind::AuthorizationPolicy),
        ),
        (
            "show crypto ikev2 diagnose",
            Facts::Ikev2Diagnose(attempts(), None),
        ),
        (
            "show crypto ikev2 diagnose error",
            Facts::Ikev2DiagnoseError(attempts(), Room::default()),
        ),
        ("show crypto ikev2 policy", object(ObjectKind::Ikev2Policy)),
        (
            "show crypto ikev2 profile",
            object(ObjectKind::Ikev2Profile),
        ),
        (
            "show crypto ikev2 proposal",
            object(ObjectKind::Ikev2Proposal),
        ),
        (
            "show crypto ikev2 sa",
            Facts::Ikev2Sa(several(), Ikev2SaQuery::default()),
        ),
        (
            "show crypto ikev2 sa count",
            Facts::Ikev2SaCount(SaNumbers::default()),
        ),
        (
            "show crypto ikev2 session",
            Facts::Ikev2Session(several(), false),
        ),
        (
            "show crypto ikev2 stats",
            Facts::Ikev2Stats(Box::new(statistics()), Ikev2Stats::Summary),
        ),
        (
            "show crypto ipsec profile",
            object(ObjectKind::IpsecProfile),
        ),
        (
            "show crypto ipsec sa",
            Facts::IpsecSa(several(), IpsecSaQuery::default()),
        ),
        ("show crypto ipsec sa count", Facts::IpsecSaCount(several())),
        (
            "show crypto ipsec transform-set",
            object(ObjectKind::TransformSet),
        ),
        ("show crypto isakmp sa", Facts::IsakmpSa),
        (
            "show crypto key mypubkey rsa",
            Facts::MyPublicKeys(trustpoints(), KeyKind::Rsa),
        ),
        (
            "show crypto pki certificates",
            Facts::PkiCertificates(trustpoints(), false),
        ),
        (
            "show crypto pki trustpoints",
            Facts::PkiTrustpoints(trustpoints(), true),
        ),
        (
            "show crypto session",
            Facts::CryptoSession(several(), SessionQuery::default()),
        ),
        ("show debugging", Facts::Debugging(flags)),
        ("show derived-config", Facts::DerivedConfig(several(), 1)),
        (
            "show interfaces",
            Facts::Interfaces(interface_facts(), several()),
        ),
        (
            "show interfaces Virtual-Access 1",
            Facts::Interface(several(), 1),
        ),
        (
            "show interfaces description",
            Facts::InterfaceDescription(interface_facts()),
        ),
        ("show inventory", Facts::Inventory(version_facts())),
        ("show access-lists", Facts::AccessLists(configured(), None)),
        (
            "show ip access-lists",
            Facts::IpAccessLists(configured(), None),
        ),
        ("show ip arp", Facts::Arp(neighbors(false))),
        ("show ip interface", Facts::IpInterface(interface_facts())),
        (
            "show ip interface brief",
            Facts::InterfaceBrief(interface_facts()),
        ),
        ("show ip local pool", Facts::IpLocalPool(pools(), None)),
        (
            "show ip nat statistics",
            Facts::IpNatStatistics(configured(), Some(2)),
        ),
        (
            "show ip nat translations",
            Facts::IpNatTranslations(translations()),
        ),
        ("show ip route", Facts::IpRoute(several(), Vec::new(), None)),
        (
            "show ipv6 local pool",
            Facts::Ipv6LocalPool(ipv6_pools(), None),
        ),
        ("show ipv6 neighbors", Facts::Ipv6Neighbors(neighbors(true))),
        ("show logging", Facts::Logging(log())),
        ("show metrics", Facts::Metrics(tally)),
        ("show processes cpu", Facts::Processor(processor())),
        ("show processes memory", Facts::Memory(Memory::default())),
        (
            "show running-config",
            Facts::RunningConfig("hostname R\nusername a password 0 hidden\n".into()),
        ),
        (
            "show running-config all",
            Facts::RunningConfig(render_all(&configured().lines)),
        ),
        (
            "show running-config interface",
            Facts::RunningConfigInterface("interface Loopback1\n shutdown\n".into()),
        ),
        (
            "show startup-config",
            Facts::StartupConfig("username a password 0 hidden\n".into()),
        ),
        (
            "show tech-support",
            Facts::TechSupport(
                vec![("show ip route", Facts::IpRoute(several(), Vec::new(), None))],
                Secrets::default(),
            ),
        ),
        ("show users", Facts::Users(several(), terminals())),
        ("show version", Facts::Version(version_facts())),
    ]
}

#[test]
fn every_command_says_what_is_documented() {
    let types = types();
    let samples = samples();
    let commands: Vec<&str> = samples.iter().map(|(command, _)| *command).collect();
    let mut documented: Vec<&str> = COMMANDS.iter().map(|(command, ..)| *command).collect();
    documented.dedup();
    assert_eq!(commands, documented);
    let mut all = String::new();
    for (command, facts) in &samples {
        let text = facts.told(Form::Json).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        let object = value.as_object().unwrap();
        let rows = COMMANDS.iter().filter(|(one, ..)| one == command);
        let (names, kinds): (Vec<&str>, Vec<&str>) =
            rows.map(|(_, name, kind)| (name, kind)).unzip();
        assert_eq!(object.keys().collect::<Vec<_>>(), names, "{command}");
        for (name, kind) in names.into_iter().zip(kinds) {
            check(&object[name], kind, &types, command);
        }
        assert!(!text.contains("hidden"), "{text}");
        all += &text;
    }
    assert!(all.contains("username a password <removed>"), "{all}");
}

#[test]
fn facts_look_in_json_as_they_always_did() {
    for (name, command) in [
        ("json_ike_sas", "show crypto ikev2 sa"),
        ("json_pools", "show ip local pool"),
        ("json_profiles", "show crypto ikev2 profile"),
    ] {
        let samples = samples();
        let (_, facts) = samples.iter().find(|(one, _)| *one == command).unwrap();
        assert_golden(name, &facts.told(Form::Json).unwrap());
    }
    let none = Facts::IpLocalPool(State::default(), Some("x".into()));
    assert_eq!(none.json(), Err("% Pool x does not exist".into()));
}
