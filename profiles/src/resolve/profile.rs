//! IKEv2 profiles and the Virtual-Templates that they make interfaces from.

use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};
use core::net::Ipv4Addr;

use super::{
    AUTHORIZATION_POLICY, Block, ByName, IPSEC_PROFILE, Resolver, dangling, redirect::Redirecting,
};
use crate::{
    error::{Diagnostic, Fault},
    model::{
        self, Entry, Located,
        aaa::Method,
        ikev2::{
            AuthorizationFor, DEFAULT_LIFETIME, IdentityMatch, LocalAuthentication,
            RemoteAuthentication, TrustpointUse,
        },
        interface::{Addressing, InterfaceName},
        ipsec::Mode,
    },
    snapshot::{
        AnyConnectEap, AnyConnectProfile, AuthorizationPolicy, GroupAuthorization, Inactive,
        Interface, IpsecProfile, KeySource, Keyring, LocalMethod, Profile, RemoteMethods,
        Trustpoint, VirtualTemplate,
    },
};

/// What profiles refer to.
pub(super) struct ProfileParts<'a> {
    pub(super) keyrings: &'a ByName<Keyring>,
    pub(super) trustpoints: &'a ByName<Trustpoint>,
    pub(super) authorization_policies: &'a ByName<AuthorizationPolicy>,
    pub(super) redirecting: &'a Redirecting,
    pub(super) templates: &'a BTreeMap<InterfaceName, Arc<VirtualTemplate>>,
    pub(super) anyconnect_profiles: &'a ByName<AnyConnectProfile>,
}

/// What the name of a Virtual-Template begins with.
const VIRTUAL_TEMPLATE: &str = "Virtual-Template";

/// The smallest MTU of IPv6, in octets.
const IPV6_MTU: u16 = 1280;

impl<'a> Resolver<'a> {
    /// The Virtual-Templates that are complete, by number. Their names are checked in any case;
    /// what they lack is told only of those that a profile uses.
    pub(super) fn virtual_templates(
        &mut self,
        interfaces: &BTreeMap<InterfaceName, Arc<Interface>>,
        ipsec_profiles: &ByName<IpsecProfile>,
    ) -> BTreeMap<InterfaceName, Arc<VirtualTemplate>> {
        let candidate = self.candidate;
        let mut templates = BTreeMap::new();
        for (name, entry) in &candidate.interfaces {
            self.begin();
            let lines = &entry.value;
            let block = Block {
                title: "interface",
                name: name.to_string(),
                at: &entry.at,
            };
            let unnumbered = match &lines.addressing {
                Addressing::Unnumbered(used) => {
                    let found = self.bind_interface(interfaces, used, &block);
                    found.map(|interface| (used, interface.clone()))
                }
                Addressing::None | Addressing::Static(_) => None,
            };
            self.check_ipv6(interfaces, entry, &block);
            let ipsec = lines.tunnel_protection.as_ref().and_then(|used| {
                let found = ipsec_profiles.get(&used.value).cloned();
                if found.is_none() {
                    self.bind(&candidate.ipsec_profiles, used, IPSEC_PROFILE, &block)?;
                }
                self.part(&format!("{IPSEC_PROFILE} {}", used.value), found)
            });
            let complete = lines.tunnel_type && lines.tunnel_mode.is_some();
            let (Some((used, unnumbered)), Some(ipsec), true, Some(interface)) =
                (unnumbered, ipsec, complete, interfaces.get(name))
            else {
                self.is_whole(&format!("interface {name}"));
                continue;
            };
            let Some(address) = self.borrowed_address(used, &unnumbered) else {
                self.is_whole(&format!("interface {name}"));
                continue;
            };
            if let Some(set) = ipsec
                .transform_sets
                .iter()
                .find(|set| set.mode == Mode::Transport)
            {
                let at = lines
                    .tunnel_protection
                    .as_ref()
                    .map_or(&entry.at, |used| &used.at);
                let message = format!(
                    "the transform set `{}` is in transport mode, which remote access clients do \
                     not take",
                    set.name
                );
                self.report(Diagnostic::warning(Fault::Conflict, at.clone(), message));
            }
            let template = VirtualTemplate {
                interface: interface.clone(),
                unnumbered: unnumbered.name.clone(),
                address,
                ipsec,
            };
            if self.is_whole(&format!("interface {name}")) {
                templates.insert(name.clone(), Arc::new(template));
            }
        }
        templates
    }

    /// What `ipv6 unnumbered` names, and whether IPv6 fits the interface at all.
    fn check_ipv6(
        &mut self,
        interfaces: &BTreeMap<InterfaceName, Arc<Interface>>,
        entry: &Located<model::interface::Interface>,
        block: &Block<'_>,
    ) {
        let lines = &entry.value;
        if let Some(used) = &lines.ipv6.unnumbered
            && let Some(interface) = self.bind_interface(interfaces, used, block)
            && interface.ipv6.addresses.is_empty()
            && interface.device.is_none()
        {
            let message = format!("{} has no IPv6 address to use", interface.name);
            let fault = Diagnostic::error(Fault::Incomplete, used.at.clone(), message);
            self.report(fault.expecting(["ipv6 address X:X:X:X::X/<0-128>".to_string()]));
        }
        // RFC 8200 §5: every link of IPv6 takes packets of 1280 octets.
        if lines.ipv6.is_enabled() && lines.ip_mtu.is_some_and(|mtu| mtu < IPV6_MTU) {
            let message = format!("IPv6 needs an MTU of {IPV6_MTU} octets at least");
            let fault = Diagnostic::error(Fault::Conflict, entry.at.clone(), message);
            self.report(fault.expecting([format!("ip mtu <{IPV6_MTU}-17940>")]));
        }
    }

    /// Addresses of IPv6 are not given to clients whose interface has none.
    fn check_ipv6_pools(
        &mut self,
        groups: &BTreeMap<AuthorizationFor, GroupAuthorization>,
        template: &VirtualTemplate,
    ) {
        if template.interface.ipv6.is_enabled() {
            return;
        }
        for group in groups.values() {
            let name = group.policy.name.as_str();
            let lines = self.candidate.authorization_policies.get(name);
            let Some(pool) = lines.and_then(|lines| lines.ipv6.pool.as_ref()) else {
                continue;
            };
            let name = &template.interface.name;
            let message = format!("no addresses are given of it: {name} carries no IPv6");
            let mut fault = Diagnostic::warning(Fault::Incomplete, pool.at.clone(), message)
                .expecting(["ipv6 unnumbered INTERFACE", "ipv6 enable"].map(String::from));
            if let Some(entry) = self.candidate.interfaces.get(name) {
                fault = fault.beside(entry.at.clone(), "that interface");
            }
            if !self.diagnostics.contains(&fault) {
                self.report(fault);
            }
        }
    }

    /// The address that `ip unnumbered` gives; inside, absent where only Linux knows it.
    fn borrowed_address(
        &mut self,
        used: &Located<InterfaceName>,
        interface: &Interface,
    ) -> Option<Option<Ipv4Addr>> {
        match &interface.addressing {
            Addressing::Static(address) => Some(Some(address.value.address)),
            Addressing::None if interface.device.is_some() => Some(None),
            Addressing::None | Addressing::Unnumbered(_) => {
                let message = format!("{} has no address to use", interface.name);
                let mut fault = Diagnostic::error(Fault::Incomplete, used.at.clone(), message)
                    .expecting(["ip address A.B.C.D MASK".to_string()]);
                if let Some(entry) = self.candidate.interfaces.get(&interface.name) {
                    fault = fault.beside(entry.at.clone(), "that interface");
                }
                self.report(fault);
                None
            }
        }
    }

    pub(super) fn profiles(&mut self, parts: &ProfileParts<'_>) -> Vec<Arc<Profile>> {
        let candidate = self.candidate;
        let mut profiles = Vec::new();
        for entry in candidate.profiles.iter() {
            self.begin();
            let lines = &entry.value;
            let profile = self.profile(entry, parts).filter(|_| !self.broken);
            match profile.filter(|_| !lines.shutdown) {
                Some(profile) => profiles.push(Arc::new(profile)),
                None => {
                    let because = self.because.take().filter(|_| !lines.shutdown);
                    self.inactive.push(Inactive {
                        name: entry.name.clone(),
                        match_address_local: lines.match_address_local.clone(),
                        match_identity_remote: lines.match_identity_remote.clone(),
                        shutdown: lines.shutdown,
                        because: because.unwrap_or_else(|| "it is shut down".to_string()),
                    });
                }
            }
        }
        self.check_shared_identities();
        profiles
    }

    fn profile(
        &mut self,
        entry: &'a Entry<model::ikev2::Profile>,
        parts: &ProfileParts<'_>,
    ) -> Option<Profile> {
        let candidate = self.candidate;
        let lines = &entry.value;
        let block = Block::of("crypto ikev2 profile", entry);
        let mut missing = Vec::new();
        if lines.match_identity_remote.is_empty() {
            missing.push("match identity remote …");
        }
        if lines.authentication_local.is_none() {
            missing.push("authentication local {rsa-sig|ecdsa-sig|pre-share}");
        }
        if lines.authentication_remote.is_empty() {
            missing.push("authentication remote …");
        }
        let keyring = lines.keyring.as_ref().and_then(|used| {
            self.bind(&candidate.keyrings, used, "crypto ikev2 keyring", &block)?;
            parts.keyrings.get(&used.value).cloned()
        });
        let ppk = lines.ppk_keyring.as_ref().and_then(|used| {
            self.bind(&candidate.keyrings, used, "crypto ikev2 keyring", &block)?;
            parts.keyrings.get(&used.value).cloned()
        });
        let remote = self.remote_methods(lines, keyring.as_ref(), &block, &mut missing);

        let mut sign = None;
        let mut verify = Vec::new();
        for reference in &lines.trustpoints {
            let used = &reference.trustpoint;
            self.bind(
                &candidate.trustpoints,
                used,
                "crypto pki trustpoint",
                &block,
            );
            let Some(trustpoint) = parts.trustpoints.get(&used.value) else {
                continue;
            };
            if reference.purpose != Some(TrustpointUse::Verify) && sign.is_none() {
                sign = Some(trustpoint.clone());
            }
            if reference.purpose != Some(TrustpointUse::Sign) {
                verify.push(trustpoint.clone());
            }
        }
        let bound = lines
            .trustpoints
            .iter()
            .all(|r| parts.trustpoints.contains_key(&r.trustpoint.value));
        let local = match lines
            .authentication_local
            .as_ref()
            .map(|local| &local.value)
        {
            // A profile without the line is told what to expect as if it had this one.
            None | Some(LocalAuthentication::RsaSig | LocalAuthentication::EcdsaSig) => {
                if sign.is_none() && bound {
                    missing.push("pki trustpoint WORD");
                }
                let local = lines.authentication_local.as_ref();
                if local.is_some_and(|local| local.value == LocalAuthentication::EcdsaSig) {
                    sign.map(LocalMethod::EcdsaSig)
                } else {
                    sign.map(LocalMethod::RsaSig)
                }
            }
            Some(LocalAuthentication::PreShare(inline)) => {
                let source = key_source(inline.as_ref(), keyring.as_ref());
                if source.is_none() && lines.keyring.is_none() {
                    missing.push("keyring local WORD");
                }
                source.map(LocalMethod::PreShare)
            }
        };
        self.check_eap_beside_key(lines);
        let asks_certificate = lines.authentication_remote.iter().any(|method| {
            matches!(
                method.value,
                RemoteAuthentication::RsaSig
                    | RemoteAuthentication::EcdsaSig
                    | RemoteAuthentication::AnyConnectEap { cert_request: true }
            )
        });
        if asks_certificate && verify.is_empty() && bound && local.is_some() {
            missing.push("pki trustpoint WORD verify");
        }

        let group_authorization = self.group_authorization(lines, &block, parts);
        let anyconnect_profile = lines.anyconnect_profile.as_ref().and_then(|used| {
            let table = &candidate.anyconnect_profiles;
            self.bind(table, used, "crypto vpn anyconnect profile", &block)?;
            parts.anyconnect_profiles.get(&used.value).cloned()
        });
        let virtual_template = match &lines.virtual_template {
            Some(used) => self.virtual_template(entry, used, parts),
            None => {
                missing.push("virtual-template <1-4095>");
                None
            }
        };
        if let Some(template) = &virtual_template {
            self.check_ipv6_pools(&group_authorization, template);
        }
        if !missing.is_empty() {
            let message = format!("the profile `{}` is not complete", entry.name);
            let fault = Diagnostic::error(Fault::Incomplete, entry.at.clone(), message);
            self.report(fault.expecting(missing.into_iter().map(String::from)));
            return None;
        }
        Some(Profile {
            name: entry.name.clone(),
            match_address_local: lines.match_address_local.clone(),
            match_identity_remote: lines.match_identity_remote.clone(),
            identity_local: lines.identity_local.clone(),
            local: local?,
            remote: remote?,
            ppk,
            verify,
            lifetime: lines.lifetime.unwrap_or(DEFAULT_LIFETIME),
            dpd: lines.dpd.or(candidate.ikev2.dpd),
            nat_keepalive: lines.nat_keepalive.or(candidate.ikev2.nat_keepalive),
            nat_force_encap: lines.nat_force_encap,
            redirect: parts.redirecting.at_auth(lines.redirect_gateway_auth),
            group_authorization,
            user_authorization_cached: lines.aaa_authorization_user_cached,
            virtual_template: virtual_template?,
            anyconnect_profile,
        })
    }

    fn remote_methods(
        &mut self,
        lines: &model::ikev2::Profile,
        keyring: Option<&Arc<Keyring>>,
        block: &Block<'_>,
        missing: &mut Vec<&'static str>,
    ) -> Option<RemoteMethods> {
        let list = lines.aaa_authentication_anyconnect_eap.as_ref();
        let authentication = list.and_then(|used| {
            let table = &self.candidate.aaa.authentication_login;
            let method = self.bind(table, used, "aaa authentication login", block)?;
            self.needs_new_model();
            Some((&used.value, *method))
        });
        let mut methods = RemoteMethods {
            anyconnect_eap: None,
            rsa_sig: false,
            ecdsa_sig: false,
            pre_share: None,
        };
        let mut whole = true;
        for method in &lines.authentication_remote {
            match &method.value {
                RemoteAuthentication::RsaSig => methods.rsa_sig = true,
                RemoteAuthentication::EcdsaSig => methods.ecdsa_sig = true,
                RemoteAuthentication::PreShare(inline) => {
                    methods.pre_share = key_source(inline.as_ref(), keyring);
                    if methods.pre_share.is_none() && lines.keyring.is_none() {
                        missing.push("keyring local WORD");
                    }
                    whole &= methods.pre_share.is_some();
                }
                RemoteAuthentication::AnyConnectEap { cert_request } => {
                    if list.is_none() {
                        missing.push("aaa authentication anyconnect-eap WORD");
                    }
                    whole &= authentication.is_some();
                    methods.anyconnect_eap =
                        authentication.map(|(list, authentication)| AnyConnectEap {
                            cert_request: *cert_request,
                            list: list.clone(),
                            authentication,
                        });
                }
            }
        }
        whole.then_some(methods)
    }

    /// RFC 7296 §2.16: whoever runs EAP proves itself by a signature.
    fn check_eap_beside_key(&mut self, lines: &model::ikev2::Profile) {
        let by_key = lines
            .authentication_local
            .as_ref()
            .filter(|local| matches!(local.value, LocalAuthentication::PreShare(_)));
        let mut remote = lines.authentication_remote.iter();
        let eap = remote
            .find(|method| matches!(method.value, RemoteAuthentication::AnyConnectEap { .. }));
        if let (Some(local), Some(eap)) = (by_key, eap) {
            let message = "AnyConnect-EAP needs a headend that proves itself by its certificate";
            let fault = Diagnostic::error(Fault::Conflict, eap.at.clone(), message);
            let note = "here it does so by a pre-shared key";
            self.report(
                fault
                    .expecting(["authentication local rsa-sig".to_string()])
                    .beside(local.at.clone(), note.to_string()),
            );
        }
    }

    fn group_authorization(
        &mut self,
        lines: &model::ikev2::Profile,
        block: &Block<'_>,
        parts: &ProfileParts<'_>,
    ) -> BTreeMap<AuthorizationFor, GroupAuthorization> {
        let mut groups = BTreeMap::new();
        for (way, group) in &lines.aaa_authorization_group {
            let table = &self.candidate.aaa.authorization_network;
            let method = self
                .bind(table, &group.list, "aaa authorization network", block)
                .copied();
            let policy = parts
                .authorization_policies
                .get(&group.policy.value)
                .cloned();
            // Only a local list is there, and it is asked for a policy of that name.
            if let (None, None | Some(Method::Local)) = (&policy, method) {
                let table = &self.candidate.authorization_policies;
                self.bind(table, &group.policy, AUTHORIZATION_POLICY, block);
            }
            self.needs_new_model();
            let line = format!("{AUTHORIZATION_POLICY} {}", group.policy.value);
            let policy = self.part(&line, policy);
            if let (Some(method), Some(policy)) = (method, policy) {
                let list = group.list.value.clone();
                groups.insert(
                    *way,
                    GroupAuthorization {
                        list,
                        method,
                        policy,
                    },
                );
            }
        }
        groups
    }

    fn virtual_template(
        &mut self,
        profile: &Entry<model::ikev2::Profile>,
        used: &Located<u16>,
        parts: &ProfileParts<'_>,
    ) -> Option<Arc<VirtualTemplate>> {
        let name = InterfaceName::virtual_template(used.value);
        let Some(entry) = self.candidate.interfaces.get(&name) else {
            let block = Block::of("crypto ikev2 profile", profile);
            let line = format!("interface {name} type tunnel");
            let templates = self.candidate.interfaces.keys();
            let templates = templates.map(ToString::to_string);
            let others = templates.filter(|name| name.starts_with(VIRTUAL_TEMPLATE));
            self.report(dangling(
                (used.at.clone(), None),
                format!("interface {name}"),
                [line].to_vec(),
                others,
                &block,
            ));
            return None;
        };
        let lines = &entry.value;
        let mut missing = Vec::new();
        if !lines.tunnel_type {
            missing.push(format!("interface {name} type tunnel"));
        }
        if lines.addressing == Addressing::None {
            missing.push("ip unnumbered INTERFACE".to_string());
        }
        if lines.tunnel_mode.is_none() {
            missing.push("tunnel mode ipsec ipv4".to_string());
        }
        if lines.tunnel_protection.is_none() {
            missing.push("tunnel protection ipsec profile WORD".to_string());
        }
        if !missing.is_empty() {
            let message = format!("{name} is not complete");
            let fault = Diagnostic::error(Fault::Incomplete, entry.at.clone(), message);
            let note = format!(
                "the profile `{}` makes its clients' interfaces from it",
                profile.name
            );
            self.report(fault.expecting(missing).beside(used.at.clone(), note));
            return None;
        }
        let line = format!("interface {name}");
        let template = self.part(&line, parts.templates.get(&name))?;
        if lines.shutdown && !profile.value.shutdown {
            // Its clients are its own all the same: none of them comes to another profile.
            let message = format!(
                "{name} is shut down, so the profile `{}` takes its clients and refuses them",
                profile.name
            );
            let fault = Diagnostic::warning(Fault::Incomplete, used.at.clone(), message);
            let fault = fault.expecting(["no shutdown".to_string()]);
            self.report(fault.beside(entry.at.clone(), "that interface"));
        }
        if let Some(other) = &template.ipsec.ikev2_profile
            && *other != profile.name
            && let Some(ipsec) = self
                .candidate
                .ipsec_profiles
                .entry(template.ipsec.name.as_str())
        {
            let message = format!(
                "{name} is protected by the IPsec profile `{}`, which is for the IKEv2 profile \
                 `{other}`",
                ipsec.name
            );
            let fault = Diagnostic::warning(Fault::Conflict, used.at.clone(), message);
            self.report(fault.beside(ipsec.at.clone(), "that IPsec profile"));
        }
        Some(template.clone())
    }

    /// One identity in two profiles for the same local address: the second is never reached. It is where the first one is shut
    /// down, but not where only the first one's template is: that one takes its clients and refuses them.
    fn check_shared_identities(&mut self) {
        let mut seen: Vec<(&IdentityMatch, &Entry<model::ikev2::Profile>)> = Vec::new();
        for entry in self
            .candidate
            .profiles
            .iter()
            .filter(|entry| !entry.value.shutdown)
        {
            for identity in &entry.value.match_identity_remote {
                let other = seen.iter().find(|(known, other)| {
                    *known == identity
                        && other.value.match_address_local == entry.value.match_address_local
                });
                if let Some((_, other)) = other {
                    let message = format!(
                        "the profile `{}` matches an identity that `{}` matches first",
                        entry.name, other.name
                    );
                    let fault = Diagnostic::warning(Fault::Conflict, entry.at.clone(), message);
                    self.diagnostics
                        .push(fault.beside(other.at.clone(), "that profile"));
                    break;
                }
            }
            seen.extend(
                entry
                    .value
                    .match_identity_remote
                    .iter()
                    .map(|identity| (identity, entry)),
            );
        }
    }
}

/// The key of a method's own line goes before the keyring.
fn key_source(
    inline: Option<&model::keyring::KeyText>,
    keyring: Option<&Arc<Keyring>>,
) -> Option<KeySource> {
    inline
        .cloned()
        .map(KeySource::Line)
        .or_else(|| keyring.cloned().map(KeySource::Keyring))
}
