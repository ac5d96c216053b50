//! Lines outside every object: names, leaving a mode, the branches that other families fill, and
//! the lines of IOS-XE that are refused by name.

use alloc::{boxed::Box, format, string::String, vec::Vec};

use super::{Args, Edit, Form, Mode, acl, add, ikev2, ikev2_limit, ipsec, objection, pki, ssl};
use crate::{
    error::{Diagnostic, Fault},
    model::{
        Located,
        name::InvalidName,
        nat::NatRule,
        pool::{Pool, PoolRange},
    },
    tree::{ModeKind, Node, Token},
};

/// Longest host name, in characters.
const HOSTNAME_LIMIT: usize = 63;

pub(super) const LINES: &[Node] = &[
    Node::word("hostname", "Set system's network name")
        .then(&[Node::value(
            Token::Name {
                label: "WORD",
                limit: HOSTNAME_LIMIT,
            },
            "This system's network name",
        )
        .set(|edit, args| {
            let name = args.name()?;
            let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            if !name.value.as_str().chars().all(letters) {
                return Err(objection(
                    Fault::Value,
                    name.at,
                    format!("{}", InvalidName::Character),
                ));
            }
            edit.candidate.hostname = Some(name.value);
            Ok(())
        })])
        .unset(|edit, _| {
            edit.candidate.hostname = None;
            Ok(())
        }),
    // A pasted terminal session holds this line; it changes nothing.
    Node::word("configure", "Enter configuration mode").then(&[Node::word(
        "terminal",
        "Configure from the terminal",
    )
    .set(|_, _| Ok(()))]),
];

/// Lines that leave a mode, in every one.
pub(super) const LEAVE: &[Node] = &[
    Node::word("exit", "Exit from this mode").set(|edit, _| {
        *edit.mode = match &*edit.mode {
            Mode::KeyringPeer { keyring, .. } => {
                Mode::Object(ModeKind::Ikev2Keyring, keyring.clone())
            }
            Mode::Global | Mode::Object(..) | Mode::Interface(_) => Mode::Global,
        };
        Ok(())
    }),
    Node::word("end", "Exit from configure mode").set(|edit, _| {
        *edit.mode = Mode::Global;
        Ok(())
    }),
];

pub(super) const CRYPTO: &[Node] = &[Node::word("crypto", "Encryption module").then(&[
    Node::word("pki", "Public Key components").then(pki::LINES),
    Node::word("ikev2", "Configure IKEv2 Options").then(ikev2::LINES),
    Node::word("ipsec", "Configure IPSEC policy").then(ipsec::LINES),
    Node::word("ssl", "Configure SSL parameters").then(ssl::LINES),
    Node::word("vpn", "Configure crypto vpn commands").then(ssl::VPN),
    Node::refused_but("isakmp", "IKEv1", ISAKMP),
    Node::refused_block("map", "crypto maps").prompting("config-crypto-map"),
    Node::refused_block("dynamic-map", "crypto maps").prompting("config-crypto-map"),
    Node::refused_block("keyring", "IKEv1").prompting("conf-keyring"),
    Node::refused_block("gdoi", "group encryption").prompting("config-gdoi-group"),
    Node::refused_block("gkm", "group encryption").prompting("config-gkm-group"),
    Node::word("call", "Configure Crypto Call Admission Control").then(ikev2_limit::CALL),
    Node::refused("engine", "crypto engines"),
    Node::refused_block("identity", "identities of crypto maps")
        .prompting("config-crypto-identity"),
    Node::refused("ike", "strength rules between IKE and IPsec"),
    Node::refused_even_negated(
        "key",
        "key pairs by command (they come with their certificate)",
    ),
    Node::word("logging", "Logging of crypto events").then(LOGGING),
    Node::refused("session", "session statistics"),
])];

/// Of the lines of IKEv1 those with lines of their own.
const ISAKMP: &[Node] = &[
    Node::refused_block("policy", "IKEv1").prompting("config-isakmp"),
    Node::refused_block("profile", "IKEv1").prompting("conf-isa-prof"),
    Node::refused_block("client", "IKEv1").prompting("config-isakmp-group"),
    Node::refused_value(Token::Line, "IKEv1"),
];

/// Of the lines of DHCP the one with lines of its own.
const DHCP: &[Node] = &[
    Node::refused_block("pool", "DHCP").prompting("dhcp-config"),
    Node::refused_value(Token::Line, "DHCP"),
];

/// What the lines of IKEv2 say of sessions is said until a line takes it away; the others say it once a line wants them.
const LOGGING: &[Node] = &[
    Node::word("ikev2", "IKEv2 logging")
        .set(|edit, _| {
            edit.candidate.logging.ikev2 = true;
            Ok(())
        })
        .unset(|edit, _| {
            edit.candidate.logging.ikev2 = edit.form != Form::No;
            Ok(())
        }),
    Node::word("session", "Log up/down sessions")
        .set(|edit, _| {
            edit.candidate.logging.session = true;
            Ok(())
        })
        .unset(|edit, _| {
            edit.candidate.logging.session = false;
            Ok(())
        }),
    Node::refused("ezvpn", "IKEv1"),
    Node::refused("isakmp", "IKEv1"),
];

pub(super) const IP: &[Node] = &[
    Node::word("ip", "Global IP configuration subcommands").then(&[
        Node::word("local", "Specify local options").then(&[Node::word(
            "pool",
            "IP Local address pool lists",
        )
        .then(&[Node::name("Create named local address pool")
            .then(&[Node::value(Token::Ipv4, "First IP address of range")
                .set(add_range)
                .then(&[
                    Node::value(Token::Ipv4, "Last IP address of range")
                        .set(add_range)
                        .then(&[
                            Node::refused("group", "groups of pools"),
                            Node::refused("cache-size", "pool cache sizes"),
                            Node::refused("recycle", "delayed reuse of addresses"),
                        ]),
                    Node::refused("group", "groups of pools"),
                ])])
            .unset(remove_pool)])]),
        Node::word("access-list", "Named access-list").then(acl::LINES),
        Node::word("nat", "NAT configuration commands").then(NAT),
        Node::word("http", "HTTP server configuration").then(HTTP),
        Node::refused_even_negated("route", "static routes (they are Linux's)"),
        Node::refused("domain", "the router's own name resolution"),
        Node::refused("domain-name", "the router's own name resolution"),
        Node::refused("domain-lookup", "the router's own name resolution"),
        Node::refused("name-server", "the router's own name resolution"),
        Node::refused("host", "the router's own name resolution"),
        Node::refused_block("vrf", "VRFs").prompting("config-vrf"),
        Node::refused_but("dhcp", "DHCP", DHCP),
        Node::refused("radius", "RADIUS"),
        Node::refused("tacacs", "TACACS+"),
        Node::refused("ssh", "the router's own SSH server"),
        Node::refused("ftp", "the router's own FTP client"),
        Node::refused("tftp", "the router's own TFTP client"),
        Node::refused("scp", "the router's own SCP server"),
        Node::refused("finger", "the router's own servers"),
        Node::refused("bootp", "BOOTP"),
        Node::refused("tcp", "TCP of the router's own"),
        Node::refused("source-route", "source routing"),
        Node::refused_even_negated("classless", "forwarding by the router (it is Linux's)"),
        Node::refused_even_negated("subnet-zero", "forwarding by the router (it is Linux's)"),
        Node::refused_even_negated("gratuitous-arps", "ARP by command (it is Linux's)"),
        Node::refused_even_negated("arp", "ARP by command (it is Linux's)"),
        Node::refused("forward-protocol", "forwarding of broadcasts"),
        Node::refused("prefix-list", "routing protocols"),
        Node::refused_even_negated("cef", "forwarding by the router (it is Linux's)"),
        Node::refused_even_negated("routing", "forwarding by the router (it is Linux's)"),
        Node::refused("multicast-routing", "multicast"),
        Node::refused_block("sla", "service level measurements").prompting("config-ip-sla"),
    ]),
];

/// HTTP servers are not there; the lines that say so are taken, their opposites refused.
const HTTP: &[Node] = &[
    Node::word("server", "Enable http server")
        .set(no_http)
        .unset(without_http),
    Node::word("secure-server", "Enable HTTP secure server")
        .set(no_http)
        .unset(without_http),
    Node::refused("authentication", "HTTP servers"),
    Node::refused("client", "HTTP clients"),
    Node::refused("port", "HTTP servers"),
    Node::refused("secure-port", "HTTP servers"),
    Node::refused("secure-trustpoint", "HTTP servers"),
    Node::refused("access-class", "HTTP servers"),
    Node::refused("timeout-policy", "HTTP servers"),
];

const NAT: &[Node] = &[
    Node::word("inside", "Inside address translation").then(&[
        Node::word("source", "Source address translation").then(&[
            Node::word("list", "Specify access list describing local addresses").then(&[
                Node::name("Access list name for local addresses").then(&[
                    Node::word("interface", "Specify interface for global address").then(&[
                        Node::value(Token::Interface, "Interface whose address is taken").then(&[
                            Node::word("overload", "Overload an address translation")
                                .set(add_nat_rule)
                                .unset(remove_nat_rule),
                        ]),
                    ]),
                    Node::refused("pool", "NAT pools"),
                ]),
            ]),
            Node::refused("static", "static NAT"),
            Node::refused("route-map", "NAT by route map"),
        ]),
        Node::refused("destination", "destination NAT"),
    ]),
    Node::word("outside", "Outside address translation")
        .then(&[Node::refused("source", "NAT of outside addresses")]),
    Node::refused("pool", "NAT pools"),
    Node::refused("translation", "NAT timers"),
    Node::refused("log", "NAT logging"),
    Node::refused("service", "NAT helpers"),
    Node::refused("settings", "NAT settings"),
];

/// Lines that are told by which a pool grows.
const GROWTH: usize = 2;

fn add_range(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let name = args.name()?;
    let first = args.ipv4()?;
    let last = args.maybe_ipv4().unwrap_or_else(|| first.clone());
    let Some(range) = PoolRange::new(first.value, last.value) else {
        let why = "the last address comes before the first";
        let fault = objection(Fault::Value, last.at, why);
        let other = format!(
            "ip local pool {} {} {}",
            name.value, last.value, first.value
        );
        return Err(Box::new(fault.expecting([other])));
    };
    let at = edit.at.clone();
    let named = Located::new(name.value, at.clone());
    let pool = edit
        .candidate
        .pools
        .get_or_insert_with(&named, Pool::default);
    if let Some(known) = pool.overlapping(range) {
        if known.value == range {
            return Ok(());
        }
        let known = known.clone();
        let mut why = format!("the range overlaps {}, another of this pool", known.value);
        // A pool grows by further ranges, and somebody who types a larger one wants that.
        let lacking: Vec<String> = pool
            .lacking(range)
            .map(|range| {
                let (first, last) = (range.first(), range.last());
                format!("`ip local pool {} {first} {last}`", named.value)
            })
            .collect();
        match lacking.as_slice() {
            [] => why.push_str("; the pool has all of these addresses"),
            lines => {
                let shown = lines.get(..GROWTH).unwrap_or(lines).join(" and ");
                why.push_str(&format!("; to grow the pool, add {shown}"));
            }
        }
        let fault = objection(Fault::Conflict, first.at, why);
        return Err(fault.beside(known.at, "that range").into());
    }
    pool.add(Located::new(range, at));
    Ok(())
}

fn remove_pool(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let name = args.name()?;
    let Some(first) = args.maybe_ipv4() else {
        edit.candidate.pools.remove(name.value.as_str());
        return Ok(());
    };
    let last = args.maybe_ipv4().unwrap_or_else(|| first.clone());
    if let Some(pool) = edit.candidate.pools.get_mut(name.value.as_str()) {
        if let Some(named) = PoolRange::new(first.value, last.value) {
            pool.remove(named);
        }
        if pool.ranges().is_empty() {
            edit.candidate.pools.remove(name.value.as_str());
        }
    }
    Ok(())
}

fn add_nat_rule(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let rule = NatRule {
        access_list: args.name()?,
        interface: args.interface()?,
    };
    add(
        &mut edit.candidate.nat_rules,
        Located::new(rule, edit.at.clone()),
    );
    Ok(())
}

fn remove_nat_rule(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let rule = NatRule {
        access_list: args.name()?,
        interface: args.interface()?,
    };
    edit.candidate.nat_rules.retain(|known| known.value != rule);
    Ok(())
}

fn no_http(edit: &mut Edit<'_>, _: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let why = "not supported by this headend: HTTP servers; only the `no` form is taken";
    Err(objection(Fault::Unsupported, edit.at.clone(), why))
}

fn without_http(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    // The router's default is a server that runs.
    if edit.form == Form::Default {
        no_http(edit, args)
    } else {
        Ok(())
    }
}

/// What a router's configuration may hold and this headend has no part in, or not yet.
pub(super) const REFUSED: &[Node] = &[
    Node::refused("alias", "aliases of commands"),
    Node::refused_block("app-hosting", "applications on the router")
        .prompting("config-app-hosting"),
    Node::refused_block("archive", "configuration archives").prompting("config-archive"),
    Node::refused_text("banner", "login banners of the router"),
    Node::refused("boot", "boot settings"),
    Node::refused("boot-start-marker", "boot settings"),
    Node::refused("boot-end-marker", "boot settings"),
    Node::refused_block("bridge-domain", "bridging").prompting("config-bdomain"),
    Node::refused_block("call-home", "Smart Call Home").prompting("cfg-call-home"),
    Node::refused("cdp", "CDP"),
    Node::refused_block("class-map", "quality of service").prompting("config-cmap"),
    Node::refused_even_negated("clock", "the clock (it is Linux's)"),
    Node::refused_block("control-plane", "control plane policing").prompting("config-cp"),
    Node::refused_block("controller", "controllers of lines").prompting("config-controller"),
    Node::refused("diagnostic", "hardware diagnostics"),
    Node::refused_block("dial-peer", "voice").prompting("config-dial-peer"),
    Node::refused_even_negated("do", "commands of the exec mode"),
    Node::refused("enable", "enable passwords"),
    Node::refused_block("event", "event manager").prompting("config-applet"),
    Node::refused_block("flow", "flow monitoring").prompting("config-flow"),
    Node::refused("iox", "applications on the router"),
    Node::refused_block("key", "key chains").prompting("config-keychain"),
    Node::refused("license", "licenses"),
    Node::refused_block("line", "terminal lines").prompting("config-line"),
    Node::refused("lldp", "LLDP"),
    Node::refused_even_negated("logging", "logging by command"),
    Node::refused("login", "rules for logging in to the router"),
    Node::refused_but("macro", "macros of commands", MACRO),
    Node::refused("memory", "memory settings"),
    Node::refused("multilink", "PPP"),
    Node::refused("netconf-yang", "NETCONF"),
    Node::refused_even_negated("ntp", "the clock (it is Linux's)"),
    Node::refused_block("object-group", "object groups").prompting("config-network-group"),
    Node::refused_block("parameter-map", "parameter maps").prompting("config-profile"),
    Node::refused_block("parser", "views of commands").prompting("config-view"),
    // Down to the word that makes it a line of this mode: a line below a refused one may be a `password`.
    Node::word("password", "Configure encryption password (key)").then(&[Node::refused(
        "encryption",
        "encryption of passwords by a master key",
    )]),
    Node::refused("platform", "platform settings"),
    Node::refused_block("policy-map", "quality of service").prompting("config-pmap"),
    Node::refused("privilege", "privileges of commands"),
    Node::refused_block("radius", "RADIUS").prompting("config-radius-server"),
    Node::refused("radius-server", "RADIUS"),
    Node::refused_block("redundancy", "redundancy").prompting("config-red"),
    Node::refused("restconf", "RESTCONF"),
    Node::refused_block("route-map", "routing protocols").prompting("config-route-map"),
    Node::refused_block("router", "routing protocols").prompting("config-router"),
    Node::refused("security", "password rules"),
    Node::refused_even_negated("service", "services of the router"),
    Node::refused("snmp-server", "SNMP"),
    Node::refused("spanning-tree", "bridging"),
    Node::refused("subscriber", "subscriber sessions"),
    Node::refused_block("tacacs", "TACACS+").prompting("config-server-tacacs"),
    Node::refused("tacacs-server", "TACACS+"),
    Node::refused_block("sip-ua", "voice").prompting("config-sip-ua"),
    Node::refused_block("telemetry", "model-driven telemetry").prompting("config-mdt-subs"),
    Node::refused_block("track", "object tracking").prompting("config-track"),
    Node::refused_even_negated("version", "versions of IOS-XE"),
    Node::refused_block("vlan", "bridging").prompting("config-vlan"),
    Node::refused_block("voice", "voice").prompting("config-voice"),
    Node::refused_block("voice-card", "voice").prompting("config-voicecard"),
    Node::refused_block("voice-port", "voice").prompting("config-voiceport"),
    Node::refused_block("vrf", "VRFs").prompting("config-vrf"),
    Node::refused_block("webvpn", "SSL VPN"),
    Node::refused_block("zone", "zone firewalls").prompting("config-sec-zone"),
    Node::refused_block("zone-pair", "zone firewalls").prompting("config-sec-zone-pair"),
];

/// Of these lines one has a text.
const MACRO: &[Node] = &[
    Node::refused("auto", "macros of commands"),
    Node::refused("description", "macros of commands"),
    Node::refused("global", "macros of commands"),
    Node::refused_text("name", "macros of commands"),
];
