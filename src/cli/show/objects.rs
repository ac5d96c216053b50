//! What configured objects say, for `| json`: names as in the configuration, no keys.

use std::{collections::BTreeMap, fmt::Display};

use ironflex_profiles::{
    Candidate, Snapshot,
    model::{
        DEFAULT,
        ikev2::{
            AuthorizationPolicy, DEFAULT_LIFETIME, LocalIdentity, Policy, Profile, Proposal,
            RouteSetInterface,
        },
        ipsec::{AesKey, EspTransform, GcmKey, IpsecProfile, TransformSet},
        name::Name,
    },
};
use serde::Serialize;

use super::ikev2_objects::with_default;

/// An IKEv2 proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProposalFacts {
    /// Its name.
    pub name: String,
    /// Ciphers, the most wanted first.
    pub encryption: Vec<&'static str>,
    /// Integrity algorithms.
    pub integrity: Vec<&'static str>,
    /// Pseudorandom functions; those of the integrity algorithms where no line says them.
    pub prf: Vec<&'static str>,
    /// Numbers of groups.
    pub groups: Vec<&'static str>,
    /// Key exchanges beside the group.
    pub pqc: Vec<&'static str>,
    /// Peers without them are taken, too.
    pub pqc_optional: bool,
}

/// An IKEv2 policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyFacts {
    /// Its name.
    pub name: String,
    /// It holds in every VRF.
    pub any_fvrf: bool,
    /// The local addresses that it holds for; none means any.
    pub local_addresses: Vec<String>,
    /// Names of proposals.
    pub proposals: Vec<String>,
}

/// An IKEv2 profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProfileFacts {
    /// Its name.
    pub name: String,
    /// `description`
    pub description: Option<String>,
    /// It is shut down.
    pub shutdown: bool,
    /// Why it serves nobody though it is not shut down.
    pub inactive: Option<String>,
    /// It holds in every VRF.
    pub any_fvrf: bool,
    /// The local addresses that it holds for; none means any.
    pub local_addresses: Vec<String>,
    /// `match identity remote`, one each.
    pub identities: Vec<String>,
    /// `identity local`
    pub local_identity: Option<String>,
    /// `authentication local`
    pub local_authentication: Option<&'static str>,
    /// `authentication remote`, one each.
    pub remote_authentication: Vec<&'static str>,
    /// `keyring local`
    pub keyring: Option<String>,
    /// Names of trustpoints.
    pub trustpoints: Vec<String>,
    /// `lifetime`, in seconds.
    pub lifetime: u32,
    /// `dpd`: its interval in seconds.
    pub dpd_interval: Option<u16>,
    /// `dpd`: seconds between tries.
    pub dpd_retry: Option<u16>,
    /// `nat keepalive`, in seconds.
    pub nat_keepalive: Option<u16>,
    /// `virtual-template`
    pub virtual_template: Option<u16>,
    /// The list that users of AnyConnect-EAP log in by.
    pub anyconnect_eap_list: Option<String>,
    /// Group authorization: method, list and policy in one string each.
    pub group_authorization: Vec<String>,
    /// The attributes of the login are used for the user.
    pub user_authorization_cached: bool,
}

/// An IKEv2 authorization policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuthorizationPolicyFacts {
    /// Its name.
    pub name: String,
    /// `pool`
    pub pool: Option<String>,
    /// `netmask`
    pub netmask: Option<String>,
    /// `dns`
    pub dns: Vec<String>,
    /// `wins`
    pub wins: Vec<String>,
    /// `def-domain`
    pub def_domain: Option<String>,
    /// `split-dns`
    pub split_dns: Vec<String>,
    /// `banner`
    pub banner: Option<String>,
    /// `include-local-lan`
    pub include_local_lan: bool,
    /// `pfs`
    pub pfs: bool,
    /// `backup-gateway`
    pub backup_gateways: Vec<String>,
    /// `session-lifetime`, in seconds.
    pub session_lifetime: Option<u32>,
    /// `route set interface`, with the interface if it is another than the tunnel's.
    pub route_set_interface: Option<String>,
    /// `route set access-list`
    pub route_set_access_list: Option<String>,
    /// `route set remote ipv4`
    pub route_set_remote: Vec<String>,
    /// `route accept any`
    pub route_accept_any: bool,
    /// `ipv6 pool`
    pub ipv6_pool: Option<String>,
    /// `ipv6 dns`
    pub ipv6_dns: Vec<String>,
    /// `route set access-list ipv6`
    pub ipv6_route_set_access_list: Option<String>,
    /// `route set remote ipv6`
    pub ipv6_route_set_remote: Vec<String>,
}

/// An IPsec transform set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TransformSetFacts {
    /// Its name.
    pub name: String,
    /// The cipher.
    pub encryption: &'static str,
    /// The integrity algorithm; `null` with GCM.
    pub integrity: Option<&'static str>,
    /// Sequence numbers may have 64 bits.
    pub esn: bool,
    /// `tunnel` or `transport`
    pub mode: &'static str,
}

/// An IPsec profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IpsecProfileFacts {
    /// Its name.
    pub name: String,
    /// `set ikev2-profile`
    pub ikev2_profile: Option<String>,
    /// Lifetime of an SA in seconds.
    pub lifetime_seconds: u32,
    /// The same in kilobytes; `null` where volume does not matter.
    pub lifetime_kilobytes: Option<u32>,
    /// The anti-replay window in packets; 0 when it is off.
    pub replay_window: u16,
    /// The headend begins no rekeying.
    pub responder_only: bool,
    /// `set pfs`
    pub pfs: Option<&'static str>,
    /// Its further key exchange.
    pub pfs_pqc: Option<&'static str>,
    /// Names of transform sets, the most wanted first.
    pub transform_sets: Vec<String>,
}

fn strings<T: Display>(values: impl IntoIterator<Item = T>) -> Vec<String> {
    values.into_iter().map(|one| one.to_string()).collect()
}

/// Every IKEv2 proposal, or one.
#[must_use]
pub fn proposals(
    candidate: &Candidate,
    resolved: &Snapshot,
    name: Option<&str>,
) -> Vec<ProposalFacts> {
    let default = Proposal::smart_default();
    let default = resolved.proposals.contains_key(DEFAULT).then_some(&default);
    let all = with_default(&candidate.proposals, default, name);
    all.into_iter()
        .filter_map(|(name, _)| {
            let one = resolved.proposals.get(name)?;
            Some(ProposalFacts {
                name: name.to_owned(),
                encryption: one.encryption.iter().map(|one| one.keyword()).collect(),
                integrity: one.integrity.iter().map(|one| one.keyword()).collect(),
                prf: one.prf.iter().map(|one| one.keyword()).collect(),
                groups: one.group.iter().map(|one| one.keyword()).collect(),
                pqc: one.pqc.methods.iter().map(|one| one.keyword()).collect(),
                pqc_optional: one.pqc.optional,
            })
        })
        .collect()
}

/// Every IKEv2 policy, or one.
#[must_use]
pub fn policies(
    candidate: &Candidate,
    resolved: &Snapshot,
    name: Option<&str>,
) -> Vec<PolicyFacts> {
    let default = Policy::default();
    let default = resolved.default_policy.is_some().then_some(&default);
    let all = with_default(&candidate.policies, default, name);
    all.into_iter()
        .map(|(name, one)| {
            let built_in = default.is_some_and(|default| std::ptr::eq(default, one));
            PolicyFacts {
                name: name.to_owned(),
                any_fvrf: built_in || one.match_fvrf_any,
                local_addresses: strings(&one.match_address_local),
                proposals: if built_in {
                    vec![DEFAULT.to_owned()]
                } else {
                    strings(one.proposals.iter().map(|one| &one.value))
                },
            }
        })
        .collect()
}

/// Every IKEv2 profile, or one.
#[must_use]
pub fn profiles(
    candidate: &Candidate,
    inactive: &BTreeMap<Name, String>,
    name: Option<&str>,
) -> Vec<ProfileFacts> {
    let all = with_default(&candidate.profiles, None, name);
    let globals = &candidate.ikev2;
    let facts = |(name, one): (&str, &Profile)| {
        let dpd = one.dpd.or(globals.dpd);
        ProfileFacts {
            name: name.to_owned(),
            description: one.description.clone(),
            shutdown: one.shutdown,
            inactive: inactive.get(name).cloned(),
            any_fvrf: one.match_fvrf_any,
            local_addresses: strings(&one.match_address_local),
            identities: strings(&one.match_identity_remote),
            local_identity: one.identity_local.as_ref().map(|identity| match identity {
                LocalIdentity::Address(address) => format!("address {address}"),
                LocalIdentity::DistinguishedName => "dn".to_owned(),
                LocalIdentity::Email(name) => format!("email {name}"),
                LocalIdentity::Fqdn(name) => format!("fqdn {name}"),
                LocalIdentity::KeyId(name) => format!("key-id {name}"),
            }),
            local_authentication: one
                .authentication_local
                .as_ref()
                .map(|method| method.value.keyword()),
            remote_authentication: one
                .authentication_remote
                .iter()
                .map(|method| method.value.keywords())
                .collect(),
            keyring: one.keyring.as_ref().map(|one| one.value.to_string()),
            trustpoints: strings(one.trustpoints.iter().map(|one| &one.trustpoint.value)),
            lifetime: one.lifetime.unwrap_or(DEFAULT_LIFETIME),
            dpd_interval: dpd.map(|dpd| dpd.interval),
            dpd_retry: dpd.map(|dpd| dpd.retry),
            nat_keepalive: one.nat_keepalive.or(globals.nat_keepalive),
            virtual_template: one.virtual_template.as_ref().map(|one| one.value),
            anyconnect_eap_list: one
                .aaa_authentication_anyconnect_eap
                .as_ref()
                .map(|one| one.value.to_string()),
            group_authorization: one
                .aaa_authorization_group
                .iter()
                .map(|(method, group)| {
                    let (list, policy) = (&group.list.value, &group.policy.value);
                    format!("{} {list} {policy}", method.keyword())
                })
                .collect(),
            user_authorization_cached: one.aaa_authorization_user_cached,
        }
    };
    all.into_iter().map(facts).collect()
}

/// Every IKEv2 authorization policy, or one.
#[must_use]
pub fn authorization_policies(
    candidate: &Candidate,
    name: Option<&str>,
) -> Vec<AuthorizationPolicyFacts> {
    let default = AuthorizationPolicy::smart_default();
    let default = (!candidate.hidden_defaults.authorization_policy).then_some(&default);
    let all = with_default(&candidate.authorization_policies, default, name);
    let facts = |(name, one): (&str, &AuthorizationPolicy)| AuthorizationPolicyFacts {
        name: name.to_owned(),
        pool: one.pool.as_ref().map(|one| one.value.to_string()),
        netmask: one.netmask.map(|mask| mask.to_string()),
        dns: strings(&one.dns),
        wins: strings(&one.wins),
        def_domain: one.def_domain.as_ref().map(ToString::to_string),
        split_dns: strings(&one.split_dns),
        banner: one.banner.clone(),
        include_local_lan: one.include_local_lan,
        pfs: one.pfs,
        backup_gateways: strings(&one.backup_gateways),
        session_lifetime: one.session_lifetime,
        route_set_interface: one.route_set_interface.as_ref().map(|set| match set {
            RouteSetInterface::Tunnel => "tunnel".to_owned(),
            RouteSetInterface::Named(name) => name.value.to_string(),
        }),
        route_set_access_list: one
            .route_set_access_list
            .as_ref()
            .map(|one| one.value.to_string()),
        route_set_remote: strings(&one.route_set_remote),
        route_accept_any: one.route_accept.is_some(),
        ipv6_pool: one.ipv6.pool.as_ref().map(|one| one.value.to_string()),
        ipv6_dns: strings(&one.ipv6.dns),
        ipv6_route_set_access_list: one
            .ipv6
            .route_set_access_list
            .as_ref()
            .map(|one| one.value.to_string()),
        ipv6_route_set_remote: strings(&one.ipv6.route_set_remote),
    };
    all.into_iter().map(facts).collect()
}

/// Every transform set, or one.
#[must_use]
pub fn transform_sets(candidate: &Candidate, name: Option<&str>) -> Vec<TransformSetFacts> {
    let default = &TransformSet::SMART_DEFAULT;
    let default = (!candidate.hidden_defaults.transform_set).then_some(default);
    let all = with_default(&candidate.transform_sets, default, name);
    let facts = |(name, one): (&str, &TransformSet)| {
        let (encryption, integrity) = match one.transform {
            EspTransform::Cbc(AesKey::Bits128, integrity) => ("esp-aes", Some(integrity)),
            EspTransform::Cbc(AesKey::Bits192, integrity) => ("esp-aes 192", Some(integrity)),
            EspTransform::Cbc(AesKey::Bits256, integrity) => ("esp-aes 256", Some(integrity)),
            EspTransform::Gcm(GcmKey::Bits128) => ("esp-gcm", None),
            EspTransform::Gcm(GcmKey::Bits256) => ("esp-gcm 256", None),
        };
        TransformSetFacts {
            name: name.to_owned(),
            encryption,
            integrity: integrity.map(|one| one.keyword()),
            esn: one.esn,
            mode: one.mode.keyword(),
        }
    };
    all.into_iter().map(facts).collect()
}

/// Every IPsec profile, or one.
#[must_use]
pub fn ipsec_profiles(
    candidate: &Candidate,
    resolved: &Snapshot,
    name: Option<&str>,
) -> Vec<IpsecProfileFacts> {
    let default = IpsecProfile::default();
    let default = resolved
        .ipsec_profiles
        .contains_key(DEFAULT)
        .then_some(&default);
    let all = with_default(&candidate.ipsec_profiles, default, name);
    let facts = |(name, lines): (&str, &IpsecProfile)| {
        let one = resolved.ipsec_profiles.get(name)?;
        Some(IpsecProfileFacts {
            name: name.to_owned(),
            ikev2_profile: one.ikev2_profile.as_ref().map(ToString::to_string),
            lifetime_seconds: one.lifetime_seconds,
            lifetime_kilobytes: one.lifetime_kilobytes,
            replay_window: one.replay_window.unwrap_or(0),
            responder_only: lines.responder_only,
            pfs: lines.pfs.map(|group| group.keyword()),
            pfs_pqc: lines.pfs_pqc.map(|method| method.keyword()),
            transform_sets: strings(one.transform_sets.iter().map(|set| &set.name)),
        })
    };
    all.into_iter().filter_map(facts).collect()
}
