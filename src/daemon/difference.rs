//! What is different between two plans, as a value: what has to be done to get from one to the other, and whom it concerns.
//!
//! ```text
//!   Plan, Plan ──between──▶ Difference ──▶ carried out by `apply`
//! ```

use std::{collections::BTreeMap, sync::Arc};

use ironflex_profiles::{
    model::name::Name,
    snapshot::{IpsecProfile, Profile, Snapshot, VirtualTemplate},
};
use ironflex_xfrm::EspAlgorithm;

use super::compile::{Plan, ServingProfile};

/// What became of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is new.
    Added,
    /// It is another by the same name.
    Changed,
    /// It serves nobody any more.
    Removed,
}

/// The difference between two plans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// What holds for all IKE SAs.
    pub endpoint: bool,
    /// How many first requests may wait, if it is another number.
    pub init_queue: Option<u32>,
    /// The addresses that are given out.
    pub pools: bool,
    /// Profiles that are not as they were.
    pub profiles: BTreeMap<Name, Fate>,
    /// Users that can log in no more, or by another password.
    pub users: Vec<Name>,
    /// ESP algorithms that nobody has negotiated before.
    pub algorithms: Vec<EspAlgorithm>,
}

impl Difference {
    /// Compares two plans.
    #[must_use]
    pub fn between(before: &Plan, after: &Plan) -> Self {
        let (old, new) = (&*before.snapshot, &*after.snapshot);
        let algorithms = after.algorithms.iter();
        Self {
            endpoint: endpoint(old) != endpoint(new)
                || before.endpoint.authorities != after.endpoint.authorities
                || before.endpoint.ppk != after.endpoint.ppk
                || before.endpoint.nat != after.endpoint.nat,
            init_queue: Some(new.ikev2.limits.waiting())
                .filter(|waiting| *waiting != old.ikev2.limits.waiting()),
            pools: old.pools != new.pools || old.ipv6_pools != new.ipv6_pools,
            profiles: profiles(&before.profiles, &after.profiles),
            users: {
                let users = old.users.iter();
                let changed = users.filter(|(name, user)| new.users.get(*name) != Some(user));
                changed.map(|(name, _)| name.clone()).collect()
            },
            algorithms: algorithms
                .filter(|algorithm| !before.algorithms.contains(algorithm))
                .copied()
                .collect(),
        }
    }
}

/// What the endpoint's configuration is made from, but for what profiles have a part in.
fn endpoint(snapshot: &Snapshot) -> impl PartialEq + '_ {
    (
        &snapshot.ikev2,
        &snapshot.policies,
        &snapshot.default_policy,
    )
}

type Profiles = BTreeMap<Name, Arc<ServingProfile>>;

fn profiles(before: &Profiles, after: &Profiles) -> BTreeMap<Name, Fate> {
    let gone = before
        .keys()
        .filter(|name| !after.contains_key(*name))
        .map(|name| (name.clone(), Fate::Removed));
    let others = after.iter().filter_map(|(name, profile)| {
        let fate = match before.get(name) {
            None => Fate::Added,
            Some(known) if Arc::ptr_eq(known, profile) => return None,
            Some(_) => Fate::Changed,
        };
        Some((name.clone(), fate))
    });
    gone.chain(others).collect()
}

/// The lines by which a profile is another than it was, in the words of a configuration: its own, and those that it takes over from
/// elsewhere.
#[must_use]
pub fn changed_lines(before: &Profile, after: &Profile) -> Vec<String> {
    // Whoever adds something to a profile is asked here for its line.
    let Profile {
        name: _,
        match_address_local,
        match_identity_remote,
        identity_local,
        local,
        remote,
        ppk,
        verify,
        lifetime,
        dpd,
        nat_keepalive,
        nat_force_encap,
        redirect,
        group_authorization,
        user_authorization_cached,
        virtual_template,
        anyconnect_profile,
    } = after;
    let lines = [
        (
            *match_address_local != before.match_address_local,
            "match address local",
        ),
        (
            *match_identity_remote != before.match_identity_remote,
            "match identity remote",
        ),
        (*identity_local != before.identity_local, "identity local"),
        (*local != before.local, "authentication local"),
        (*remote != before.remote, "authentication remote"),
        (*ppk != before.ppk, "keyring ppk"),
        (*verify != before.verify, "pki trustpoint"),
        (*lifetime != before.lifetime, "lifetime"),
        (*dpd != before.dpd, "dpd"),
        (*nat_keepalive != before.nat_keepalive, "nat keepalive"),
        (
            *nat_force_encap != before.nat_force_encap,
            "nat force-encap",
        ),
        (*redirect != before.redirect, "redirect gateway auth"),
        (
            *user_authorization_cached != before.user_authorization_cached,
            "aaa authorization user",
        ),
        (
            *anyconnect_profile != before.anyconnect_profile,
            "anyconnect profile",
        ),
    ];
    let lines = lines.into_iter().filter(|(differs, _)| *differs);
    let mut all: Vec<String> = lines.map(|(_, line)| line.to_owned()).collect();
    for (way, group) in group_authorization {
        match before.group_authorization.get(way) {
            Some(known) if known == group => {}
            // It is the same line, of a policy that is another.
            Some(known) if known.policy.name == group.policy.name && known.list == group.list => {
                let policy = &group.policy.name;
                all.push(format!("crypto ikev2 authorization policy {policy}"));
            }
            _ => all.push("aaa authorization group".to_owned()),
        }
    }
    let known = &before.group_authorization;
    if known
        .keys()
        .any(|way| !group_authorization.contains_key(way))
    {
        all.push("aaa authorization group".to_owned());
    }
    all.extend(template_lines(&before.virtual_template, virtual_template));
    all.dedup();
    all
}

/// The same of the template of its interfaces.
fn template_lines(before: &VirtualTemplate, after: &VirtualTemplate) -> Vec<String> {
    let VirtualTemplate {
        interface,
        unnumbered,
        address,
        ipsec,
    } = after;
    let mut all = Vec::new();
    if (interface, unnumbered, address) != (&before.interface, &before.unnumbered, &before.address)
    {
        all.push(format!("interface {}", interface.name));
    }
    let IpsecProfile {
        name,
        transform_sets,
        ikev2_profile,
        lifetime_seconds,
        lifetime_kilobytes,
        replay_window,
        idle_time,
        pfs,
        pfs_pqc,
    } = &**ipsec;
    let known = &*before.ipsec;
    if *name != known.name || *ikev2_profile != known.ikev2_profile {
        all.push(format!("crypto ipsec profile {name}"));
    }
    let lines = [
        (*transform_sets != known.transform_sets, "transform-set"),
        (
            *lifetime_seconds != known.lifetime_seconds,
            "security-association lifetime seconds",
        ),
        (
            *lifetime_kilobytes != known.lifetime_kilobytes,
            "security-association lifetime kilobytes",
        ),
        (
            *replay_window != known.replay_window,
            "security-association replay window-size",
        ),
        (
            *idle_time != known.idle_time,
            "security-association idle-time",
        ),
        (*pfs != known.pfs || *pfs_pqc != known.pfs_pqc, "pfs"),
    ];
    let lines = lines.into_iter().filter(|(differs, _)| *differs);
    all.extend(lines.map(|(_, line)| format!("crypto ipsec {line}")));
    all
}

#[cfg(test)]
mod tests {
    use ironflex_profiles::{Candidate, parse, resolve_live};

    use super::super::compile::{Before, compile_live};
    use super::*;
    use crate::pki::Store;

    const LINES: &str = "aaa new-model\n\
        aaa authorization network L local\n\
        ip local pool P 192.0.2.1 192.0.2.9\n\
        crypto ikev2 authorization policy A\n pool P\n\
        crypto ikev2 keyring K\n peer X\n  address 0.0.0.0 0.0.0.0\n  pre-shared-key k\n\
        crypto ikev2 profile R\n match identity remote any\n authentication local pre-share\n \
        authentication remote pre-share\n keyring local K\n aaa authorization group psk list L A\n virtual-template 1\n\
        interface Loopback1\n ip address 10.0.0.1 255.255.255.255\n\
        interface Virtual-Template1 type tunnel\n ip unnumbered Loopback1\n tunnel mode ipsec ipv4\n \
        tunnel protection ipsec profile default\n";

    fn candidate(text: &str) -> Candidate {
        let parsed = parse(text, "test");
        assert_eq!(parsed.diagnostics, []);
        parsed.candidate
    }

    fn plan(text: &str, before: Option<&Plan>) -> Plan {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let snapshot = Arc::new(resolve_live(&candidate(text)).snapshot);
        let compiled = compile_live(snapshot, &store, |profile| {
            let known = before.and_then(|before| before.profiles.get(&profile.name));
            match known {
                Some(known) if *known.profile == *profile => Before::Same(Arc::clone(known)),
                _ => Before::Another,
            }
        });
        assert!(compiled.faults.is_empty());
        compiled.plan
    }

    /// What further lines change.
    fn with(lines: &str) -> Difference {
        let before = plan(LINES, None);
        assert_eq!(before.profiles.len(), 1);
        Difference::between(&before, &plan(&format!("{LINES}{lines}"), Some(&before)))
    }

    fn profiles(fate: Fate) -> BTreeMap<Name, Fate> {
        [(Name::new("R").unwrap(), fate)].into()
    }

    #[test]
    fn the_same_makes_no_difference() {
        assert_eq!(with(""), Difference::default());
        // Nor does what concerns nobody, and what is looked up anew for each login.
        for lines in ["hostname other\n", "username u password p\n"] {
            assert_eq!(with(lines), Difference::default(), "{lines}");
        }
    }

    #[test]
    fn each_line_makes_the_difference_that_it_says() {
        let endpoint = Difference {
            endpoint: true,
            ..Difference::default()
        };
        assert_eq!(with("crypto ikev2 window 9\n"), endpoint);
        let queue = Difference {
            init_queue: Some(777),
            ..endpoint
        };
        assert_eq!(with("crypto ikev2 limit queue sa-init 777\n"), queue);
        let pools = Difference {
            pools: true,
            ..Difference::default()
        };
        assert_eq!(with("ip local pool Q 198.51.100.1\n"), pools);
        let changed = Difference {
            profiles: profiles(Fate::Changed),
            ..Difference::default()
        };
        assert_eq!(with("crypto ikev2 profile R\n lifetime 999\n"), changed);
        assert_eq!(with("crypto ikev2 authorization policy A\n pfs\n"), changed);
        let removed = Difference {
            profiles: profiles(Fate::Removed),
            ..Difference::default()
        };
        assert_eq!(with("no crypto ikev2 profile R\n"), removed);
        assert_eq!(with("crypto ikev2 profile R\n shutdown\n"), removed);
        let transform = with("crypto ipsec transform-set default esp-gcm 256\n");
        assert_eq!(transform.profiles, profiles(Fate::Changed));
        assert_eq!(transform.algorithms.len(), 1);
    }

    #[test]
    fn the_lines_by_which_a_profile_is_another_are_named() {
        let before = plan(LINES, None);
        for (lines, told) in [
            ("crypto ikev2 profile R\n lifetime 999\n", &["lifetime"][..]),
            ("crypto ikev2 dpd 30 5 periodic\n", &["dpd"]),
            ("crypto ikev2 nat keepalive 30\n", &["nat keepalive"]),
            (
                "crypto ikev2 authorization policy A\n pfs\n",
                &["crypto ikev2 authorization policy A"],
            ),
            (
                "crypto ipsec security-association lifetime seconds 999\ncrypto ikev2 dpd 30 5 periodic\n",
                &["dpd", "crypto ipsec security-association lifetime seconds"],
            ),
            (
                "crypto ipsec transform-set default esp-gcm 256\n",
                &["crypto ipsec transform-set"],
            ),
            (
                "interface Virtual-Template1\n ip mtu 1300\n",
                &["interface Virtual-Template1"],
            ),
            ("hostname other\n", &[]),
        ] {
            let after = plan(&format!("{LINES}{lines}"), Some(&before));
            let of = |plan: &Plan| Arc::clone(&plan.profiles[&Name::new("R").unwrap()].profile);
            assert_eq!(changed_lines(&of(&before), &of(&after)), told, "{lines}");
        }
    }

    #[test]
    fn whoever_can_log_in_no_more_is_named() {
        let before = plan(
            &format!("{LINES}username u password p\nusername v password q\n"),
            None,
        );
        let after = plan(
            &format!("{LINES}username v password other\n"),
            Some(&before),
        );
        let users = Difference::between(&before, &after).users;
        assert_eq!(users, ["u", "v"].map(|name| Name::new(name).unwrap()));
    }

    #[test]
    fn from_nothing_a_profile_is_added() {
        let none = plan("", None);
        let difference = Difference::between(&none, &plan(LINES, Some(&none)));
        assert_eq!(difference.profiles, profiles(Fate::Added));
        assert!(difference.pools && !difference.algorithms.is_empty());
    }
}
