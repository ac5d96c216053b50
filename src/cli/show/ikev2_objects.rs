//! `show crypto ikev2 {proposal|policy|profile|authorization policy} [NAME]`.
//!
//! What a router's lines of these commands say stands in them word for word. No sample of the authorization policy's is
//! public: its layout is our own, with the lines of the configuration.
//!
//! The lines say which objects there are and in what order; what they come to, and which of a router's own are there, says the
//! resolved configuration.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use ironflex_profiles::{
    Candidate,
    model::{
        DEFAULT, Table,
        ikev2::{
            AuthorizationPolicy, DpdMode, Encryption, Globals, Group, Integrity, LocalIdentity,
            MlKem, Policy, Prf, Profile, Proposal,
        },
        name::Name,
    },
    snapshot::{self, Snapshot},
};

use super::text;
use crate::cli::Printable;

/// The objects of a table with a router's own `default` in front, unless a line has changed or removed that.
pub(super) fn with_default<'c, T>(
    table: &'c Table<T>,
    default: Option<&'c T>,
    name: Option<&str>,
) -> Vec<(&'c str, &'c T)> {
    let built_in = default.filter(|_| table.get(DEFAULT).is_none());
    let own = table
        .iter()
        .map(|entry| (entry.name.as_str(), &entry.value));
    let mut all: Vec<_> = built_in
        .map(|value| (DEFAULT, value))
        .into_iter()
        .chain(own)
        .filter(|(own, _)| name.is_none_or(|name| name == *own))
        .collect();
    all.sort_by_key(|(name, _)| *name != DEFAULT);
    all
}

/// Values with a blank between, or `none`.
fn list<T>(values: impl IntoIterator<Item = T>, name: impl Fn(T) -> String) -> String {
    let names: Vec<String> = values.into_iter().map(name).collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(" ")
    }
}

/// `show crypto ikev2 proposal [NAME]`
#[must_use]
pub fn ikev2_proposal(candidate: &Candidate, snapshot: &Snapshot, name: Option<&str>) -> String {
    let default = Proposal::smart_default();
    let default = snapshot.proposals.contains_key(DEFAULT).then_some(&default);
    text(|out| {
        for (name, _) in with_default(&candidate.proposals, default, name) {
            if let Some(proposal) = snapshot.proposals.get(name) {
                one_proposal(out, name, proposal)?;
            }
        }
        Ok(())
    })
}

fn one_proposal(out: &mut String, name: &str, proposal: &snapshot::Proposal) -> fmt::Result {
    writeln!(out, " IKEv2 proposal: {name} ")?;
    let encryption = list(&proposal.encryption, |one| encryption(*one).to_owned());
    writeln!(out, "     Encryption : {encryption}")?;
    let integrity = list(&proposal.integrity, |one| integrity(*one).to_owned());
    writeln!(out, "     Integrity  : {integrity}")?;
    let prf = list(&proposal.prf, |one| prf(*one).to_owned());
    writeln!(out, "     PRF        : {prf}")?;
    let group = list(&proposal.group, |one| group(*one).to_owned());
    writeln!(out, "     DH Group   : {group}")?;
    if !proposal.pqc.methods.is_empty() {
        let methods = list(&proposal.pqc.methods, |one| method(*one).to_owned());
        let optional = if proposal.pqc.optional {
            " Optional"
        } else {
            ""
        };
        writeln!(out, "     PQC Key Exchange: {methods}{optional}")?;
    }
    Ok(())
}

const fn encryption(encryption: Encryption) -> &'static str {
    match encryption {
        Encryption::AesCbc128 => "AES-CBC-128",
        Encryption::AesCbc192 => "AES-CBC-192",
        Encryption::AesCbc256 => "AES-CBC-256",
        Encryption::AesGcm128 => "AES-GCM-128",
        Encryption::AesGcm256 => "AES-GCM-256",
    }
}

/// SHA-1 alone is called by the length of its check value, as everywhere.
const fn integrity(integrity: Integrity) -> &'static str {
    match integrity {
        Integrity::Sha1 => "SHA96",
        Integrity::Sha256 => "SHA256",
        Integrity::Sha384 => "SHA384",
        Integrity::Sha512 => "SHA512",
    }
}

const fn prf(prf: Prf) -> &'static str {
    match prf {
        Prf::Sha1 => "SHA1",
        Prf::Sha256 => "SHA256",
        Prf::Sha384 => "SHA384",
        Prf::Sha512 => "SHA512",
    }
}

const fn group(group: Group) -> &'static str {
    match group {
        Group::Group14 => "DH_GROUP_2048_MODP/Group 14",
        Group::Group15 => "DH_GROUP_3072_MODP/Group 15",
        Group::Group16 => "DH_GROUP_4096_MODP/Group 16",
        Group::Group19 => "DH_GROUP_256_ECP/Group 19",
        Group::Group20 => "DH_GROUP_384_ECP/Group 20",
        Group::Group21 => "DH_GROUP_521_ECP/Group 21",
        // No router has it.
        Group::Group31 => "DH_GROUP_CURVE25519/Group 31",
    }
}

const fn method(method: MlKem) -> &'static str {
    match method {
        MlKem::MlKem512 => "ML-KEM-512",
        MlKem::MlKem768 => "ML-KEM-768",
        MlKem::MlKem1024 => "ML-KEM-1024",
    }
}

/// `show crypto ikev2 policy [NAME]`
#[must_use]
pub fn ikev2_policy(candidate: &Candidate, snapshot: &Snapshot, name: Option<&str>) -> String {
    let default = Policy::default();
    let default = snapshot.default_policy.is_some().then_some(&default);
    text(|out| {
        let policies = with_default(&candidate.policies, default, name);
        for (index, (name, policy)) in policies.into_iter().enumerate() {
            if index > 0 {
                writeln!(out)?;
            }
            one_policy(out, name, policy, default)?;
        }
        Ok(())
    })
}

fn one_policy(
    out: &mut String,
    name: &str,
    policy: &Policy,
    default: Option<&Policy>,
) -> fmt::Result {
    let built_in = default.is_some_and(|default| std::ptr::eq(default, policy));
    writeln!(out, " IKEv2 policy : {name}")?;
    // The line of a router's own policy is one blank shorter.
    if built_in {
        writeln!(out, "      Match fvrf : any")?;
    } else {
        let fvrf = if policy.match_fvrf_any {
            "any"
        } else {
            "global"
        };
        writeln!(out, "      Match fvrf  : {fvrf}")?;
    }
    let addresses = match policy.match_address_local.as_slice() {
        [] => "any".to_owned(),
        some => list(some, ToString::to_string),
    };
    writeln!(out, "      Match address local : {addresses} ")?;
    if built_in {
        return writeln!(out, "      Proposal    : {DEFAULT} ");
    }
    let proposals = list(&policy.proposals, |one| one.value.to_string());
    writeln!(out, "      Proposal    : {proposals}")
}

/// `show crypto ikev2 profile [NAME]`
#[must_use]
pub fn ikev2_profile(
    candidate: &Candidate,
    inactive: &BTreeMap<Name, String>,
    name: Option<&str>,
) -> String {
    text(|out| {
        for (name, profile) in with_default(&candidate.profiles, None, name) {
            let users = candidate.ipsec_profiles.iter().filter(|one| {
                let used = one.value.ikev2_profile.as_ref();
                used.is_some_and(|used| used.value.as_str() == name)
            });
            let why = inactive.get(name).map(String::as_str);
            one_profile(out, (name, profile, why), &candidate.ikev2, users.count())?;
        }
        Ok(())
    })
}

fn none_or(value: Option<impl fmt::Display>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

fn one_profile(
    out: &mut String,
    (name, profile, inactive): (&str, &Profile, Option<&str>),
    globals: &Globals,
    references: usize,
) -> fmt::Result {
    let yes = |yes: bool| if yes { "Yes" } else { "No" };
    writeln!(out, "IKEv2 profile: {name}")?;
    if let Some(description) = &profile.description {
        writeln!(out, " Description: {description}")?;
    }
    writeln!(out, " Shutdown : {}", yes(profile.shutdown))?;
    // A router has no line for it.
    if let Some(why) = inactive {
        writeln!(out, " Serves nobody: {}", Printable(why))?;
    }
    writeln!(out, " Ref Count: {references}")?;
    writeln!(out, " Match criteria: ")?;
    let fvrf = if profile.match_fvrf_any {
        "any"
    } else {
        "global"
    };
    writeln!(out, "  Fvrf: {fvrf}")?;
    match profile.match_address_local.as_slice() {
        [] => writeln!(out, "  Local address/interface: none")?,
        some => {
            writeln!(out, "  Local address/interface:")?;
            for address in some {
                writeln!(out, "   {address}")?;
            }
        }
    }
    match profile.match_identity_remote.as_slice() {
        [] => writeln!(out, "  Identities: none")?,
        some => {
            writeln!(out, "  Identities: ")?;
            for identity in some {
                writeln!(out, "   {identity}")?;
            }
        }
    }
    writeln!(out, "  Certificate maps: none")?;
    let local = profile
        .identity_local
        .as_ref()
        .map(|identity| match identity {
            LocalIdentity::Address(address) => format!("address {address}"),
            LocalIdentity::DistinguishedName => "DN".to_owned(),
            LocalIdentity::Email(name) => format!("email {name}"),
            LocalIdentity::Fqdn(name) => format!("fqdn {name}"),
            LocalIdentity::KeyId(name) => format!("key-id {name}"),
        });
    writeln!(out, " Local identity: {}", none_or(local))?;
    writeln!(out, " Remote identity: none")?;
    let local = profile.authentication_local.as_ref();
    let local = local.map(|method| method.value.keyword());
    writeln!(out, " Local authentication method: {}", none_or(local))?;
    let remote = list(&profile.authentication_remote, |one| {
        // The router's word; whether it aggregates is said by the configuration.
        let words = one.value.keywords();
        words.split(' ').next().unwrap_or(words).to_owned()
    });
    writeln!(out, " Remote authentication method(s): {remote}")?;
    writeln!(out, " EAP options: none")?;
    let keyring = profile.keyring.as_ref().map(|one| &one.value);
    writeln!(out, " Keyring: {}", none_or(keyring))?;
    match profile.trustpoints.as_slice() {
        [] => writeln!(out, " Trustpoint(s): none")?,
        some => {
            writeln!(out, " Trustpoint(s):")?;
            for one in some {
                write!(out, "   {}", one.trustpoint.value)?;
                if let Some(purpose) = one.purpose {
                    write!(out, " {}", purpose.keyword())?;
                }
                writeln!(out)?;
            }
        }
    }
    let lifetime = ironflex_profiles::model::ikev2::DEFAULT_LIFETIME;
    let lifetime = profile.lifetime.unwrap_or(lifetime);
    writeln!(out, " Lifetime: {lifetime} seconds")?;
    match profile.dpd.or(globals.dpd) {
        None => writeln!(out, " DPD: disabled")?,
        Some(dpd) => {
            let mode = match dpd.mode {
                DpdMode::OnDemand => "on-demand",
                DpdMode::Periodic => "periodic",
            };
            let (interval, retry) = (dpd.interval, dpd.retry);
            writeln!(
                out,
                " DPD: interval {interval}, retry-interval {retry}, {mode}"
            )?;
        }
    }
    match profile.nat_keepalive.or(globals.nat_keepalive) {
        None => writeln!(out, " NAT-keepalive: disabled")?,
        Some(seconds) => writeln!(out, " NAT-keepalive: {seconds} seconds")?,
    }
    writeln!(out, " Ivrf: none")?;
    let template = profile.virtual_template.as_ref().map(|one| one.value);
    writeln!(out, " Virtual-template: {}", none_or(template))?;
    writeln!(out, " mode auto: none")?;
    let login = profile.aaa_authentication_anyconnect_eap.as_ref();
    let login = none_or(login.map(|one| &one.value));
    writeln!(out, " AAA AnyConnect EAP authentication mlist: {login}")?;
    writeln!(out, " AAA EAP authentication mlist: none")?;
    writeln!(out, " AAA authentication mlist: none")?;
    writeln!(out, " AAA Accounting: none")?;
    let group = list(&profile.aaa_authorization_group, |(method, group)| {
        let (list, policy) = (&group.list.value, &group.policy.value);
        format!("{} {list} {policy}", method.keyword())
    });
    writeln!(out, " AAA group authorization: {group}")?;
    let user = if profile.aaa_authorization_user_cached {
        "anyconnect-eap cached"
    } else {
        "none"
    };
    writeln!(out, " AAA user authorization: {user}")
}

/// `show crypto ikev2 authorization policy [NAME]`
#[must_use]
pub fn ikev2_authorization_policy(
    candidate: &Candidate,
    _: &Snapshot,
    name: Option<&str>,
) -> String {
    let default = AuthorizationPolicy::smart_default();
    let default = (!candidate.hidden_defaults.authorization_policy).then_some(&default);
    text(|out| {
        for (name, policy) in with_default(&candidate.authorization_policies, default, name) {
            writeln!(out, " IKEv2 Authorization Policy : {name}")?;
            // A configuration of nothing else says what the policy does, in a router's words.
            let mut only = Candidate::default();
            let at = ironflex_profiles::model::Located::new(
                Name::new(name).map_err(|_| fmt::Error)?,
                ironflex_profiles::Span::built_in("show"),
            );
            let _ = only
                .authorization_policies
                .get_or_insert_with(&at, || policy.clone());
            let lines = ironflex_profiles::render(&only);
            for line in lines.lines().filter_map(|line| line.strip_prefix(' ')) {
                match policy.route_accept.as_ref().map(|accept| accept.value) {
                    // A router says what the line leaves to it.
                    Some(accept) if line.starts_with("route accept any") => {
                        let (tag, distance) =
                            (accept.tag.unwrap_or(1), accept.distance.unwrap_or(1));
                        writeln!(
                            out,
                            "      route accept any tag : {tag} distance : {distance}"
                        )?;
                    }
                    _ => writeln!(out, "      {line}")?,
                }
            }
        }
        Ok(())
    })
}
