//! A configuration with what holds without a line written into it: what `show running-config all` shows.
//!
//! Only what can stand in a line is written in, and only where it changes nothing: the result means the same to
//! [`crate::resolve()`].

use alloc::vec::Vec;

use crate::{
    error::Span,
    model::{
        Candidate, DEFAULT, Located, Table,
        ikev2::{
            AuthorizationPolicy, DEFAULT_COOKIE_CHALLENGE, DEFAULT_FRAGMENT_MTU, DEFAULT_LIFETIME,
            DEFAULT_WINDOW, Encryption, Policy, Prf, Proposal,
        },
        interface::{DEFAULT_TUNNEL_MTU, InterfaceKind},
        ipsec::{
            DEFAULT_LIFETIME_KILOBYTES, DEFAULT_LIFETIME_SECONDS, IpsecProfile, Replay,
            ReplayWindow, SecurityAssociation, TransformSet, VolumeLimit,
        },
        name::Name,
        pki::RevocationCheck,
    },
    snapshot::DEFAULT_HOSTNAME,
};

/// The configuration with its defaults.
pub(crate) fn with_defaults(candidate: &Candidate) -> Candidate {
    let mut all = candidate.clone();
    let hostname = || Name::of_the_language(DEFAULT_HOSTNAME);
    all.hostname.get_or_insert_with(hostname);
    for (name, entry) in &mut all.interfaces {
        if name.kind() == InterfaceKind::VirtualTemplate {
            entry.value.ip_mtu.get_or_insert(DEFAULT_TUNNEL_MTU);
        }
    }
    for trustpoint in all.trustpoints.values_mut() {
        let check = &mut trustpoint.revocation_check;
        check.get_or_insert(RevocationCheck::None);
    }
    smart_defaults(&mut all);
    for policy in all.authorization_policies.values_mut() {
        if let Some(accept) = &mut policy.route_accept {
            accept.value = accept.value.settled();
        }
    }
    for proposal in all.proposals.values_mut() {
        fill_proposal(proposal);
    }
    let globals = &mut all.ikev2;
    for profile in all.profiles.values_mut() {
        profile.lifetime.get_or_insert(DEFAULT_LIFETIME);
        profile.dpd = profile.dpd.or(globals.dpd);
        profile.nat_keepalive = profile.nat_keepalive.or(globals.nat_keepalive);
    }
    let cookie_challenge = &mut globals.cookie_challenge;
    cookie_challenge.get_or_insert(DEFAULT_COOKIE_CHALLENGE);
    globals.window.get_or_insert(DEFAULT_WINDOW);
    globals.limits = globals.limits.with_defaults();
    if let Some(fragmentation) = &mut globals.fragmentation {
        fragmentation.mtu.get_or_insert(DEFAULT_FRAGMENT_MTU);
    }
    let globals = &mut all.ipsec.security_association;
    *globals = settled(
        *globals,
        SecurityAssociation {
            lifetime_seconds: Some(DEFAULT_LIFETIME_SECONDS),
            lifetime_kilobytes: Some(VolumeLimit::Kilobytes(DEFAULT_LIFETIME_KILOBYTES)),
            replay: Some(Replay::Window(ReplayWindow::Packets64)),
            idle_time: None,
        },
    );
    let has_set = all.transform_sets.get(DEFAULT).is_some();
    for profile in all.ipsec_profiles.values_mut() {
        profile.security_association = settled(profile.security_association, *globals);
        if profile.transform_sets.is_empty() && has_set {
            profile.transform_sets = Vec::from([built_in()]);
        }
    }
    all
}

/// What lines say of SAs, and what holds where they say nothing.
fn settled(said: SecurityAssociation, otherwise: SecurityAssociation) -> SecurityAssociation {
    SecurityAssociation {
        lifetime_seconds: said.lifetime_seconds.or(otherwise.lifetime_seconds),
        lifetime_kilobytes: said.lifetime_kilobytes.or(otherwise.lifetime_kilobytes),
        replay: said.replay.or(otherwise.replay),
        idle_time: said.idle_time.or(otherwise.idle_time),
    }
}

/// The objects that are there without a line.
fn smart_defaults(all: &mut Candidate) {
    let hidden = all.hidden_defaults;
    let policies = &mut all.authorization_policies;
    let smart = AuthorizationPolicy::smart_default;
    add(policies, hidden.authorization_policy, smart);
    add(&mut all.proposals, hidden.proposal, Proposal::smart_default);
    // Without what they would have, these two are not there either.
    let no_proposal = all.proposals.get(DEFAULT).is_none();
    add(&mut all.policies, hidden.policy || no_proposal, || Policy {
        match_fvrf_any: true,
        proposals: Vec::from([built_in()]),
        ..Policy::default()
    });
    let sets = &mut all.transform_sets;
    add(sets, hidden.transform_set, || TransformSet::SMART_DEFAULT);
    let no_set = sets.get(DEFAULT).is_none();
    let profiles = &mut all.ipsec_profiles;
    let smart = IpsecProfile::default;
    add(profiles, hidden.ipsec_profile || no_set, smart);
}

/// A proposal without a `prf` line has the functions of its integrity algorithms.
fn fill_proposal(proposal: &mut Proposal) {
    let is_combined = |cipher: &Encryption| cipher.is_combined();
    if proposal.prf.is_empty() && !proposal.encryption.iter().any(is_combined) {
        let integrity = proposal.integrity.iter();
        proposal.prf = integrity.copied().map(Prf::from).collect();
    }
}

fn add<T>(table: &mut Table<T>, hidden: bool, new: impl FnOnce() -> T) {
    if !hidden {
        table.get_or_insert_with(&built_in(), new);
    }
}

fn built_in() -> Located<Name> {
    Located::new(
        Name::of_the_language(DEFAULT),
        Span::built_in("smart default"),
    )
}
