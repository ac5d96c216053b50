//! What is different between two plans, as a value: what has to be done to get from one to the other, and whom it concerns.
//!
//! ```text
//!   Plan, Plan ──between──▶ Difference ──▶ carried out by `apply`
//! ```

use std::{collections::BTreeMap, sync::Arc};

use ironflex_profiles::{model::name::Name, snapshot::Snapshot};
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
    /// Users and lists of methods.
    pub aaa: bool,
    /// Profiles that are not as they were.
    pub profiles: BTreeMap<Name, Fate>,
    /// Users that can log in no more, or by another password.
    pub users: Vec<Name>,
    /// ESP algorithms that nobody has negotiated before.
    pub algorithms: Vec<EspAlgorithm>,
    /// There are to be tokens for crashes from here on.
    pub crash_tokens: bool,
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
            init_queue: (old.ikev2.init_queue != new.ikev2.init_queue)
                .then_some(new.ikev2.init_queue),
            pools: old.pools != new.pools || old.ipv6_pools != new.ipv6_pools,
            aaa: old.users != new.users || lists(old) != lists(new),
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
            crash_tokens: new.ikev2.crash_detection && !old.ikev2.crash_detection,
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

fn lists(snapshot: &Snapshot) -> Vec<(&Name, ironflex_profiles::model::aaa::Method)> {
    let profiles = snapshot.profiles.iter();
    profiles
        .filter_map(|profile| profile.remote.anyconnect_eap.as_ref())
        .map(|eap| (&eap.list, eap.authentication))
        .collect()
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
