//! Other people's packet filters: which of them stop IKE and ESP, and which drop what no rule of theirs accepts.

use std::net::IpAddr;

use ironflex_xfrm::netlink::{BaseChain, Fate, FilterProbe, FilterRules, Firewall, Hook, Stop};

use super::Examination;

/// The headend's own table.
const OURS: &str = "ironflex";

/// The tables that legacy iptables has in the kernel; they are not nf_tables' and are not looked into.
const LEGACY_TABLES: [&str; 2] = ["/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"];

/// Looks at the base chains of nf_tables, and at their rules and sets where those are about IKE and ESP, by our addresses as far as
/// they are known. What they say of what clients send is for their author to judge.
pub(super) fn examine(ours: &[IpAddr], found: &mut Examination<'_>) {
    let both = Firewall::open()
        .and_then(|mut firewall| Ok((firewall.base_chains()?, firewall.filter_rules()?)));
    match both {
        Err(error) => found.skip(format_args!("nf_tables cannot be looked at: {error}")),
        Ok((chains, rules)) => judge(&chains, &rules, ours, found),
    }
    let legacy = LEGACY_TABLES.map(|path| std::fs::read_to_string(path).unwrap_or_default());
    if legacy
        .iter()
        .any(|tables| tables.lines().any(|table| table == "filter"))
    {
        found.skip(
            "legacy iptables has a filter table, which is not looked into: it must accept UDP 500 and 4500 and \
             protocol 50, and forward what clients send and get",
        );
    }
}

fn judge(chains: &[BaseChain], rules: &FilterRules, ours: &[IpAddr], found: &mut Examination<'_>) {
    let mut all_pass = true;
    // Our own only drops what nobody has sealed.
    for chain in chains.iter().filter(|chain| chain.table != OURS) {
        let named = format!("chain {} of table {}", chain.name, chain.table);
        match chain.hook {
            Hook::Forward if chain.drops => {
                all_pass = false;
                found.warn(format_args!(
                    "{named} drops what no rule accepts; its rules must accept what clients send and what is sent to them"
                ));
            }
            Hook::Forward if !rules.is_empty(chain) => {
                all_pass = false;
                found.skip(format_args!(
                    "the rules of {named} are not read: they must not drop what clients send and get"
                ));
            }
            Hook::Forward | Hook::Other => {}
            Hook::Input | Hook::Output | Hook::Prerouting | Hook::Postrouting => {
                all_pass &= outer(chain, &named, (rules, ours), found);
            }
        }
    }
    if all_pass {
        found
            .good("nobody filters packets to this machine or through it in the way of IKE and ESP");
    }
}

/// Judges a chain by what becomes of IKE and ESP in it. Says whether they pass.
fn outer(
    chain: &BaseChain,
    named: &str,
    (rules, ours): (&FilterRules, &[IpAddr]),
    found: &mut Examination<'_>,
) -> bool {
    let way = match chain.hook {
        Hook::Output | Hook::Postrouting => "from",
        _ => "to",
    };
    let mut fates: Vec<(Fate, Vec<String>)> = Vec::new();
    for probe in FilterProbe::ALL {
        let fate = rules.fate(chain, probe, ours);
        let name = match probe {
            FilterProbe::Udp(port) => format!("UDP {way} port {port}"),
            FilterProbe::Esp => "protocol 50 (ESP)".to_owned(),
        };
        match fates.iter_mut().find(|(known, _)| *known == fate) {
            Some((_, names)) => names.push(name),
            None => fates.push((fate, [name].into())),
        }
    }
    let mut pass = true;
    for (fate, names) in fates {
        let what = names.join(", ");
        match fate {
            Fate::Passes => continue,
            Fate::Stops(stop) => found.warn(format_args!(
                "{named} drops {what} {}: add a rule that accepts it",
                by(&stop, chain)
            )),
            Fate::MayStop(stop) => found.skip(format_args!(
                "{named} may drop {what} {}: that depends on the client's address, on devices, limits or sets that change, which are not \
                 looked at",
                by(&stop, chain)
            )),
        }
        pass = false;
    }
    pass
}

/// What of a chain it is that drops.
fn by(stop: &Stop, base: &BaseChain) -> String {
    match stop {
        Stop::Policy => "by its policy".to_owned(),
        Stop::Rule { chain, handle } if *chain == base.name => {
            format!("by its rule with the handle {handle}")
        }
        Stop::Rule { chain, handle } => {
            format!("by the rule with the handle {handle} of chain {chain}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Grade, on},
        *,
    };

    fn chain(name: &str, hook: Hook, drops: bool) -> BaseChain {
        BaseChain {
            family: 1,
            table: "filter".into(),
            name: name.into(),
            hook,
            drops,
        }
    }

    #[test]
    fn a_chain_that_drops_by_default_is_named_with_what_it_drops() {
        let mut verdicts = Vec::new();
        let none = FilterRules::default();
        let chains = [
            chain("input", Hook::Input, true),
            chain("forward", Hook::Forward, true),
            chain("output", Hook::Output, false),
            chain("raw", Hook::Prerouting, false),
        ];
        judge(&chains, &none, &[], &mut on("firewall", &mut verdicts));
        let texts: Vec<&str> = verdicts.iter().map(|one| one.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "chain input of table filter drops UDP to port 500, UDP to port 4500, protocol 50 (ESP) by its policy: add a rule that \
                 accepts it",
                "chain forward of table filter drops what no rule accepts; its rules must accept what clients send and what is sent to them",
            ]
        );
        verdicts.clear();
        judge(&chains[2..], &none, &[], &mut on("firewall", &mut verdicts));
        assert_eq!(verdicts.first().map(|one| one.grade), Some(Grade::Good));
    }
}
