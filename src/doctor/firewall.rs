//! Other people's packet filters: which of them drop what no rule of theirs accepts.

use ironflex_xfrm::netlink::{BaseChain, Firewall, Hook};

use super::Examination;

/// The headend's own table.
const OURS: &str = "ironflex";

/// The tables that legacy iptables has in the kernel; they are not nf_tables' and are not looked into.
const LEGACY_TABLES: [&str; 2] = ["/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"];

/// Looks at the base chains of nf_tables. What their rules say is for their author to judge.
pub(super) fn examine(found: &mut Examination<'_>) {
    match Firewall::open().and_then(|mut firewall| firewall.base_chains()) {
        Err(error) => found.skip(format_args!("nf_tables cannot be looked at: {error}")),
        Ok(chains) => judge(&chains, found),
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

fn judge(chains: &[BaseChain], found: &mut Examination<'_>) {
    let mut all_pass = true;
    // Our own only drops what nobody has sealed.
    let others = |chain: &&BaseChain| chain.table != OURS;
    for chain in chains.iter().filter(|chain| chain.drops) {
        let must = match chain.hook {
            Hook::Input => "UDP 500 and 4500 and protocol 50 (ESP)",
            Hook::Forward => "what clients send and what is sent to them",
            Hook::Output => "UDP from ports 500 and 4500 and protocol 50 (ESP)",
            Hook::Prerouting | Hook::Postrouting | Hook::Other => continue,
        };
        all_pass = false;
        found.warn(format_args!(
            "chain {} of table {} drops what no rule accepts; its rules must accept {must}",
            chain.name, chain.table
        ));
    }
    let filters = |chain: &&BaseChain| {
        matches!(chain.hook, Hook::Input | Hook::Forward | Hook::Output) && !chain.drops
    };
    let filters: Vec<String> = chains
        .iter()
        .filter(others)
        .filter(filters)
        .map(|chain| format!("{} of table {}", chain.name, chain.table))
        .collect();
    match filters.as_slice() {
        [] if all_pass => found.good("nobody filters packets to this machine or through it"),
        [] => {}
        some => found.skip(format_args!(
            "the rules of {} are not read: they must not drop UDP 500 and 4500, protocol 50 (ESP), or what clients send and get",
            some.join(", ")
        )),
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
            table: "filter".into(),
            name: name.into(),
            hook,
            drops,
        }
    }

    #[test]
    fn a_chain_that_drops_by_default_is_named_with_what_it_must_accept() {
        let mut verdicts = Vec::new();
        let chains = [
            chain("input", Hook::Input, true),
            chain("forward", Hook::Forward, true),
            chain("output", Hook::Output, false),
            chain("raw", Hook::Prerouting, true),
        ];
        judge(&chains, &mut on("firewall", &mut verdicts));
        let texts: Vec<&str> = verdicts.iter().map(|one| one.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "chain input of table filter drops what no rule accepts; its rules must accept UDP 500 and 4500 and protocol 50 (ESP)",
                "chain forward of table filter drops what no rule accepts; its rules must accept what clients send and what is sent to them",
                "the rules of output of table filter are not read: they must not drop UDP 500 and 4500, protocol 50 (ESP), or what clients send and get",
            ]
        );
        verdicts.clear();
        judge(&chains[2..], &mut on("firewall", &mut verdicts));
        assert_eq!(verdicts.first().map(|one| one.grade), Some(Grade::Skipped));
        verdicts.clear();
        judge(&chains[3..], &mut on("firewall", &mut verdicts));
        assert_eq!(verdicts.first().map(|one| one.grade), Some(Grade::Good));
    }
}
