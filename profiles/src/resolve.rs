//! [`Candidate`] to [`Snapshot`]: binds names, fills defaults in, refuses contradictions.
//!
//! Every fault is collected. One names two places: where a name is used, and what would define it
//! or already looks much like it.

use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};
use core::net::Ipv4Addr;

use crate::{
    error::{Diagnostic, Fault, Severity, Span},
    model::{
        self, Candidate, DEFAULT, Entry, Located, Table,
        aaa::Method,
        acl::{AccessList, NotNetworks},
        ikev2::{
            AuthorizationFor, DEFAULT_FRAGMENT_MTU, DEFAULT_LIFETIME, DEFAULT_WINDOW, Encryption,
            IdentityMatch, Prf, RemoteAuthentication, RouteSetInterface, TrustpointUse,
        },
        interface::{Addressing, InterfaceName},
        ipsec::{
            DEFAULT_LIFETIME_KILOBYTES, DEFAULT_LIFETIME_SECONDS, DEFAULT_REPLAY_WINDOW, Mode,
            Replay, SecurityAssociation, VolumeLimit,
        },
        name::Name,
        nat::NatSide,
        net::Ipv4Net,
    },
    snapshot::{
        AnnouncedInterface, AnyConnectEap, AnyConnectProfile, AuthorizationPolicy,
        DEFAULT_HOSTNAME, GroupAuthorization, Ikev2Settings, Interface, IpsecProfile, LocalUser,
        NatRule, Policy, Pool, Profile, Proposal, RemoteMethods, Snapshot, SslPolicy, SslProfile,
        TransformSet, Trustpoint, VirtualTemplate,
    },
    tree::closest,
};

/// Makes a configuration ready for use.
///
/// # Errors
/// Every fault, if one of them is an error; the warnings among them too. Where there are only
/// warnings they are in [`Snapshot::warnings`].
pub fn resolve(candidate: &Candidate) -> Result<Snapshot, Vec<Diagnostic>> {
    let mut resolver = Resolver {
        candidate,
        diagnostics: Vec::new(),
    };
    let snapshot = resolver.snapshot();
    let mut diagnostics = resolver.diagnostics;
    diagnostics
        .sort_by(|one, other| (one.at.line, one.at.column).cmp(&(other.at.line, other.at.column)));
    match snapshot {
        Some(snapshot) if diagnostics.iter().all(|d| d.severity == Severity::Warning) => {
            Ok(Snapshot {
                warnings: diagnostics,
                ..snapshot
            })
        }
        _ => Err(diagnostics),
    }
}

struct Resolver<'a> {
    candidate: &'a Candidate,
    diagnostics: Vec<Diagnostic>,
}

/// What an object is called in a line, and where it begins: the block that a name is used in.
struct Block<'a> {
    title: &'static str,
    name: String,
    at: &'a Span,
}

impl<'a> Block<'a> {
    fn of<T>(title: &'static str, entry: &'a Entry<T>) -> Self {
        Self {
            title,
            name: entry.name.to_string(),
            at: &entry.at,
        }
    }
}

type ByName<T> = BTreeMap<Name, Arc<T>>;

impl<'a> Resolver<'a> {
    fn snapshot(&mut self) -> Option<Snapshot> {
        let candidate = self.candidate;
        self.check_aaa();
        let interfaces = self.interfaces();
        let pools = self.pools();
        let trustpoints = self.trustpoints();
        let authorization_policies = self.authorization_policies(&pools, &interfaces);
        let proposals = self.proposals();
        let (policies, default_policy) = self.policies(&proposals);
        let ipsec_profiles = self.ipsec_profiles();
        let templates = self.virtual_templates(&interfaces, &ipsec_profiles);
        let anyconnect_profiles: ByName<AnyConnectProfile> = candidate
            .anyconnect_profiles
            .iter()
            .map(|entry| {
                let (name, file) = (entry.name.clone(), entry.value.clone());
                (name.clone(), Arc::new(AnyConnectProfile { name, file }))
            })
            .collect();
        let parts = ProfileParts {
            trustpoints: &trustpoints,
            authorization_policies: &authorization_policies,
            templates: &templates,
            anyconnect_profiles: &anyconnect_profiles,
        };
        let profiles = self.profiles(&parts);
        let nat = self.nat(&interfaces);
        let ssl_policies = self.ssl_policies(&trustpoints);
        let ssl_profiles = self.ssl_profiles(&ssl_policies);
        let ikev2 = &candidate.ikev2;
        Some(Snapshot {
            hostname: match &candidate.hostname {
                Some(name) => name.clone(),
                None => Name::new(DEFAULT_HOSTNAME).ok()?,
            },
            ikev2: Ikev2Settings {
                http_url_cert: ikev2.http_url_cert,
                fragmentation_mtu: ikev2
                    .fragmentation
                    .map(|fragmentation| fragmentation.mtu.unwrap_or(DEFAULT_FRAGMENT_MTU)),
                cookie_challenge: ikev2.cookie_challenge,
                window: ikev2.window.unwrap_or(DEFAULT_WINDOW),
            },
            users: self.users(),
            trustpoints,
            pools,
            authorization_policies,
            policies,
            default_policy,
            profiles,
            ipsec_profiles,
            anyconnect_profiles,
            interfaces,
            nat,
            ssl_policies,
            ssl_profiles,
            warnings: Vec::new(),
        })
    }

    fn check_aaa(&mut self) {
        let aaa = &self.candidate.aaa;
        let lists = aaa
            .authentication_login
            .iter()
            .chain(aaa.authorization_network.iter());
        if let (false, Some(first)) = (aaa.new_model, lists.map(|list| &list.at).next()) {
            let message = "AAA lists mean nothing without `aaa new-model`";
            self.report(
                Diagnostic::error(Fault::Incomplete, first.clone(), message)
                    .expecting(["aaa new-model".to_string()]),
            );
        }
    }

    fn users(&mut self) -> ByName<LocalUser> {
        let mut users = ByName::new();
        for entry in self.candidate.users.iter() {
            match &entry.value.password {
                Some(password) => {
                    let name = entry.name.clone();
                    let user = LocalUser {
                        name: name.clone(),
                        password: password.clear.clone(),
                    };
                    users.insert(name, Arc::new(user));
                }
                None => {
                    let message = "a user without a password cannot log in";
                    let fault = Diagnostic::warning(Fault::Incomplete, entry.at.clone(), message);
                    let line = format!("username {} password PASSWORD", entry.name);
                    self.report(fault.expecting([line]));
                }
            }
        }
        users
    }

    fn trustpoints(&self) -> ByName<Trustpoint> {
        let all = self.candidate.trustpoints.iter().map(|entry| {
            let name = entry.name.clone();
            let trustpoint = Trustpoint {
                name: name.clone(),
                enrollment: entry.value.enrollment,
            };
            (name, Arc::new(trustpoint))
        });
        all.collect()
    }

    fn pools(&mut self) -> ByName<Pool> {
        let mut pools = ByName::new();
        let mut taken: Vec<&Located<model::pool::PoolRange>> = Vec::new();
        for entry in self.candidate.pools.iter() {
            for range in &entry.value.ranges {
                if let Some(other) = taken.iter().find(|other| other.value.overlaps(range.value)) {
                    let message = "the range overlaps one of another pool";
                    let fault = Diagnostic::error(Fault::Conflict, range.at.clone(), message);
                    self.diagnostics
                        .push(fault.beside(other.at.clone(), "that range"));
                }
            }
            taken.extend(&entry.value.ranges);
            let ranges = entry.value.ranges.iter().map(|range| range.value).collect();
            let name = entry.name.clone();
            pools.insert(name.clone(), Arc::new(Pool { name, ranges }));
        }
        pools
    }

    fn interfaces(&mut self) -> BTreeMap<InterfaceName, Arc<Interface>> {
        let mut interfaces = BTreeMap::new();
        let mut devices: BTreeMap<&str, (&InterfaceName, &Span)> = BTreeMap::new();
        for (name, entry) in &self.candidate.interfaces {
            let lines = &entry.value;
            if let Some(device) = &lines.device {
                if let Some((other, at)) = devices.get(device.value.as_str()) {
                    let message = format!("`{}` is {other} already", device.value);
                    let fault = Diagnostic::error(Fault::Conflict, device.at.clone(), message);
                    self.diagnostics
                        .push(fault.beside((*at).clone(), "tied here"));
                } else {
                    devices.insert(device.value.as_str(), (name, &device.at));
                }
            }
            let interface = Interface {
                name: name.clone(),
                description: lines.description.clone(),
                shutdown: lines.shutdown,
                device: lines.device.as_ref().map(|device| device.value.clone()),
                addressing: lines.addressing.clone(),
                ip_mtu: lines.ip_mtu,
                tcp_adjust_mss: lines.tcp_adjust_mss,
                nat: lines.nat,
            };
            interfaces.insert(name.clone(), Arc::new(interface));
        }
        interfaces
    }

    fn authorization_policies(
        &mut self,
        pools: &ByName<Pool>,
        interfaces: &BTreeMap<InterfaceName, Arc<Interface>>,
    ) -> ByName<AuthorizationPolicy> {
        let mut policies = ByName::new();
        let hidden = self.candidate.hidden_defaults.authorization_policy;
        let default = smart_default(
            &self.candidate.authorization_policies,
            hidden,
            model::ikev2::AuthorizationPolicy::smart_default,
        );
        for entry in self.candidate.authorization_policies.iter().chain(&default) {
            let lines = &entry.value;
            let block = Block::of("crypto ikev2 authorization policy", entry);
            let pool = lines.pool.as_ref().and_then(|used| {
                self.bind(&self.candidate.pools, used, "ip local pool", &block)?;
                pools.get(&used.value).cloned()
            });
            let split_networks = lines.route_set_access_list.as_ref().and_then(|used| {
                let list = self.access_list(used, &block)?;
                self.networks(list, used, "split tunnelling")
            });
            let route_set_interface =
                lines
                    .route_set_interface
                    .as_ref()
                    .and_then(|route| match route {
                        RouteSetInterface::Tunnel => Some(AnnouncedInterface::Tunnel),
                        RouteSetInterface::Named(used) => {
                            self.bind_interface(interfaces, used, &block)?;
                            Some(AnnouncedInterface::Named(used.value.clone()))
                        }
                    });
            let policy = AuthorizationPolicy {
                name: entry.name.clone(),
                pool,
                netmask: lines.netmask,
                dns: lines.dns.clone(),
                wins: lines.wins.clone(),
                def_domain: lines.def_domain.clone(),
                split_dns: lines.split_dns.clone(),
                banner: lines.banner.clone(),
                include_local_lan: lines.include_local_lan,
                pfs: lines.pfs,
                backup_gateways: lines.backup_gateways.clone(),
                session_lifetime: lines.session_lifetime,
                split_networks,
                remote_networks: lines.route_set_remote.clone(),
                route_set_interface,
                route_accept: lines.route_accept,
            };
            policies.insert(entry.name.clone(), Arc::new(policy));
        }
        policies
    }

    /// The complete proposals. An incomplete one is told of once, here.
    fn proposals(&mut self) -> ByName<Proposal> {
        let mut proposals = ByName::new();
        let hidden = self.candidate.hidden_defaults.proposal;
        let default = smart_default(
            &self.candidate.proposals,
            hidden,
            model::ikev2::Proposal::smart_default,
        );
        for entry in self.candidate.proposals.iter().chain(&default) {
            let lines = &entry.value;
            let combined = lines
                .encryption
                .iter()
                .copied()
                .any(Encryption::is_combined);
            let mut missing = Vec::new();
            if lines.encryption.is_empty() {
                missing.push("encryption");
            }
            // RFC 7296 §3.3: a combined-mode cipher goes without an integrity algorithm, and then
            // there is no list that the PRF could be taken from.
            if combined && lines.prf.is_empty() {
                missing.push("prf");
            }
            if !combined && lines.integrity.is_empty() {
                missing.push("integrity");
            }
            if lines.group.is_empty() {
                missing.push("group");
            }
            if !missing.is_empty() {
                let message = format!(
                    "the proposal `{}` lacks: {}",
                    entry.name,
                    missing.join(", ")
                );
                let fault = Diagnostic::error(Fault::Incomplete, entry.at.clone(), message);
                self.report(fault.expecting(missing.into_iter().map(String::from)));
                continue;
            }
            if combined && !lines.integrity.is_empty() {
                let message = format!(
                    "`integrity` of the proposal `{}` is not used: its ciphers protect integrity \
                     themselves",
                    entry.name
                );
                let fault = Diagnostic::warning(Fault::Conflict, entry.at.clone(), message);
                self.report(fault);
            }
            let prf = if lines.prf.is_empty() {
                lines.integrity.iter().copied().map(Prf::from).collect()
            } else {
                lines.prf.clone()
            };
            let proposal = Proposal {
                name: entry.name.clone(),
                encryption: lines.encryption.clone(),
                integrity: if combined {
                    Vec::new()
                } else {
                    lines.integrity.clone()
                },
                prf,
                group: lines.group.clone(),
            };
            proposals.insert(entry.name.clone(), Arc::new(proposal));
        }
        proposals
    }

    fn policies(
        &mut self,
        proposals: &ByName<Proposal>,
    ) -> (Vec<Arc<Policy>>, Option<Arc<Policy>>) {
        let mut policies = Vec::new();
        let mut default_policy = None;
        let candidate = self.candidate;
        let smart = || model::ikev2::Policy {
            match_fvrf_any: true,
            proposals: built_in(DEFAULT).into_iter().collect(),
            ..model::ikev2::Policy::default()
        };
        // With no default proposal the default policy would have nothing to offer.
        let hidden = candidate.hidden_defaults.policy || !proposals.contains_key(DEFAULT);
        let default = smart_default(&candidate.policies, hidden, smart);
        for entry in candidate.policies.iter().chain(&default) {
            let block = Block::of("crypto ikev2 policy", entry);
            let mut chosen = Vec::new();
            for used in &entry.value.proposals {
                if proposals.contains_key(DEFAULT) && used.value == *DEFAULT {
                    chosen.extend(proposals.get(DEFAULT).cloned());
                } else {
                    self.bind(&candidate.proposals, used, "crypto ikev2 proposal", &block);
                    chosen.extend(proposals.get(&used.value).cloned());
                }
            }
            if entry.value.proposals.is_empty() {
                let message = format!("the policy `{}` has no proposal", entry.name);
                let fault = Diagnostic::error(Fault::Incomplete, entry.at.clone(), message);
                self.report(fault.expecting(["proposal WORD".to_string()]));
            }
            let policy = Arc::new(Policy {
                name: entry.name.clone(),
                match_address_local: entry.value.match_address_local.clone(),
                proposals: chosen,
            });
            if entry.name == *DEFAULT {
                default_policy = Some(policy);
            } else {
                policies.push(policy);
            }
        }
        (policies, default_policy)
    }

    fn ipsec_profiles(&mut self) -> ByName<IpsecProfile> {
        let candidate = self.candidate;
        let smart = || model::ipsec::TransformSet::SMART_DEFAULT;
        let default_set = smart_default(
            &candidate.transform_sets,
            candidate.hidden_defaults.transform_set,
            smart,
        );
        let sets: ByName<TransformSet> = candidate
            .transform_sets
            .iter()
            .chain(&default_set)
            .map(|entry| {
                let name = entry.name.clone();
                let model::ipsec::TransformSet { transform, mode } = entry.value;
                (
                    name.clone(),
                    Arc::new(TransformSet {
                        name,
                        transform,
                        mode,
                    }),
                )
            })
            .collect();
        let default_profile = smart_default(
            &candidate.ipsec_profiles,
            candidate.hidden_defaults.ipsec_profile || !sets.contains_key(DEFAULT),
            model::ipsec::IpsecProfile::default,
        );
        let mut profiles = ByName::new();
        for entry in candidate.ipsec_profiles.iter().chain(&default_profile) {
            let lines = &entry.value;
            let block = Block::of("crypto ipsec profile", entry);
            let mut transform_sets = Vec::new();
            for used in &lines.transform_sets {
                match sets.get(&used.value) {
                    Some(set) => transform_sets.push(set.clone()),
                    None => {
                        let table = &candidate.transform_sets;
                        self.bind(table, used, "crypto ipsec transform-set", &block);
                    }
                }
            }
            if lines.transform_sets.is_empty() {
                match sets.get(DEFAULT) {
                    Some(set) => transform_sets.push(set.clone()),
                    None => {
                        let message = format!("the profile `{}` has no transform set", entry.name);
                        let fault = Diagnostic::error(Fault::Incomplete, entry.at.clone(), message);
                        self.report(fault.expecting(["set transform-set WORD".to_string()]));
                    }
                }
            }
            if let Some(used) = &lines.ikev2_profile {
                self.bind(&candidate.profiles, used, "crypto ikev2 profile", &block);
            }
            let (own, global) = (
                lines.security_association,
                candidate.ipsec.security_association,
            );
            let profile = IpsecProfile {
                name: entry.name.clone(),
                transform_sets,
                ikev2_profile: lines.ikev2_profile.as_ref().map(|used| used.value.clone()),
                lifetime_seconds: own
                    .lifetime_seconds
                    .or(global.lifetime_seconds)
                    .unwrap_or(DEFAULT_LIFETIME_SECONDS),
                lifetime_kilobytes: volume(own, global),
                replay_window: replay(own, global),
            };
            profiles.insert(entry.name.clone(), Arc::new(profile));
        }
        profiles
    }

    /// The Virtual-Templates that are complete, by number. Their names are checked in any case;
    /// what they lack is told only of those that a profile uses.
    fn virtual_templates(
        &mut self,
        interfaces: &BTreeMap<InterfaceName, Arc<Interface>>,
        ipsec_profiles: &ByName<IpsecProfile>,
    ) -> BTreeMap<InterfaceName, Arc<VirtualTemplate>> {
        let candidate = self.candidate;
        let mut templates = BTreeMap::new();
        for (name, entry) in &candidate.interfaces {
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
            let ipsec = lines.tunnel_protection.as_ref().and_then(|used| {
                let found = ipsec_profiles.get(&used.value).cloned();
                if found.is_none() {
                    let table = &candidate.ipsec_profiles;
                    self.bind(table, used, "crypto ipsec profile", &block);
                }
                found
            });
            let complete = lines.tunnel_type && lines.tunnel_mode.is_some();
            let (Some((used, unnumbered)), Some(ipsec), true, Some(interface)) =
                (unnumbered, ipsec, complete, interfaces.get(name))
            else {
                continue;
            };
            let Some(address) = self.borrowed_address(used, &unnumbered) else {
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
            templates.insert(name.clone(), Arc::new(template));
        }
        templates
    }

    /// The address that `ip unnumbered` gives; inside, absent where only Linux knows it.
    fn borrowed_address(
        &mut self,
        used: &Located<InterfaceName>,
        interface: &Interface,
    ) -> Option<Option<Ipv4Addr>> {
        match &interface.addressing {
            Addressing::Static(address) => Some(Some(address.address)),
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

    fn profiles(&mut self, parts: &ProfileParts<'_>) -> Vec<Arc<Profile>> {
        let candidate = self.candidate;
        let mut profiles = Vec::new();
        for entry in candidate.profiles.iter() {
            if let Some(profile) = self.profile(entry, parts)
                && !entry.value.shutdown
            {
                profiles.push(Arc::new(profile));
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
            missing.push("authentication local rsa-sig");
        }
        if lines.authentication_remote.is_empty() {
            missing.push("authentication remote …");
        }
        let remote = self.remote_methods(lines, &block, &mut missing);

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
        if sign.is_none() && bound {
            missing.push("pki trustpoint WORD");
        }
        let asks_certificate = lines.authentication_remote.iter().any(|method| {
            matches!(
                method.value,
                RemoteAuthentication::RsaSig
                    | RemoteAuthentication::AnyConnectEap { cert_request: true }
            )
        });
        if asks_certificate && verify.is_empty() && bound && sign.is_some() {
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
            local: lines.authentication_local.as_ref()?.value,
            sign: sign?,
            remote: remote?,
            verify,
            lifetime: lines.lifetime.unwrap_or(DEFAULT_LIFETIME),
            dpd: lines.dpd.or(candidate.ikev2.dpd),
            nat_keepalive: lines.nat_keepalive.or(candidate.ikev2.nat_keepalive),
            nat_force_encap: lines.nat_force_encap,
            group_authorization,
            user_authorization_cached: lines.aaa_authorization_user_cached,
            virtual_template: virtual_template?,
            anyconnect_profile,
        })
    }

    fn remote_methods(
        &mut self,
        lines: &model::ikev2::Profile,
        block: &Block<'_>,
        missing: &mut Vec<&'static str>,
    ) -> Option<RemoteMethods> {
        let list = lines.aaa_authentication_anyconnect_eap.as_ref();
        let authentication = list.and_then(|used| {
            let table = &self.candidate.aaa.authentication_login;
            self.bind(table, used, "aaa authentication login", block)
                .copied()
        });
        let mut methods = RemoteMethods {
            anyconnect_eap: None,
            rsa_sig: false,
        };
        let mut whole = true;
        for method in &lines.authentication_remote {
            match method.value {
                RemoteAuthentication::RsaSig => methods.rsa_sig = true,
                RemoteAuthentication::AnyConnectEap { cert_request } => {
                    if list.is_none() {
                        missing.push("aaa authentication anyconnect-eap WORD");
                    }
                    whole &= authentication.is_some();
                    methods.anyconnect_eap = authentication.map(|authentication| AnyConnectEap {
                        cert_request,
                        authentication,
                    });
                }
            }
        }
        whole.then_some(methods)
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
                self.bind(
                    table,
                    &group.policy,
                    "crypto ikev2 authorization policy",
                    block,
                );
            }
            if let (Some(method), Some(policy)) = (method, policy) {
                groups.insert(*way, GroupAuthorization { method, policy });
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
            self.report(dangling(
                used.at.clone(),
                format!("interface {name}"),
                line,
                None,
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
        let template = parts.templates.get(&name)?;
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

    /// One identity in two profiles for the same local address: the second is never reached.
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

    fn nat(&mut self, interfaces: &BTreeMap<InterfaceName, Arc<Interface>>) -> Vec<NatRule> {
        let candidate = self.candidate;
        let inside: Vec<InterfaceName> = interfaces
            .values()
            .filter(|interface| interface.nat == Some(NatSide::Inside))
            .map(|interface| interface.name.clone())
            .collect();
        let mut rules = Vec::new();
        for rule in &candidate.nat_rules {
            let name = rule.value.access_list.value.to_string();
            let block = Block {
                title: "ip nat inside source list",
                name,
                at: &rule.at,
            };
            let used = &rule.value.access_list;
            let list = self.access_list(used, &block);
            let networks = list.and_then(|list| self.networks(list, used, "address translation"));
            let interface = self
                .bind_interface(interfaces, &rule.value.interface, &block)
                .cloned();
            let (Some(networks), Some(interface)) = (networks, interface) else {
                continue;
            };
            if interface.nat != Some(NatSide::Outside) {
                let message = format!("{} is no outside interface", interface.name);
                let at = rule.value.interface.at.clone();
                let fault = Diagnostic::warning(Fault::Incomplete, at, message);
                self.report(fault.expecting(["ip nat outside".to_string()]));
            }
            if inside.is_empty() {
                let message = "there is no inside interface, so nothing is translated";
                let fault = Diagnostic::warning(Fault::Incomplete, rule.at.clone(), message);
                self.report(fault.expecting(["ip nat inside".to_string()]));
            }
            let access_list = used.value.clone();
            rules.push(NatRule {
                access_list,
                networks,
                interface,
                inside: inside.clone(),
            });
        }
        rules
    }

    fn ssl_policies(&mut self, trustpoints: &ByName<Trustpoint>) -> ByName<SslPolicy> {
        let mut policies = ByName::new();
        for entry in self.candidate.ssl_policies.iter() {
            let lines = &entry.value;
            let block = Block::of("crypto ssl policy", entry);
            let trustpoint = lines.trustpoint.as_ref().and_then(|used| {
                self.bind(
                    &self.candidate.trustpoints,
                    used,
                    "crypto pki trustpoint",
                    &block,
                )?;
                trustpoints.get(&used.value).cloned()
            });
            let mut missing = Vec::new();
            if lines.trustpoint.is_none() {
                missing.push("pki trustpoint WORD sign".to_string());
            }
            if lines.local.is_none() {
                missing.push("ip address local A.B.C.D".to_string());
            }
            if lines.enabled && !missing.is_empty() {
                let message = format!("the SSL policy `{}` is not complete", entry.name);
                let fault = Diagnostic::error(Fault::Incomplete, entry.at.clone(), message);
                self.report(fault.expecting(missing));
            }
            let name = entry.name.clone();
            let policy = SslPolicy {
                name: name.clone(),
                trustpoint,
                local: lines.local,
                enabled: lines.enabled,
            };
            policies.insert(name, Arc::new(policy));
        }
        policies
    }

    fn ssl_profiles(&mut self, policies: &ByName<SslPolicy>) -> ByName<SslProfile> {
        let mut profiles = ByName::new();
        for entry in self.candidate.ssl_profiles.iter() {
            let block = Block::of("crypto ssl profile", entry);
            let policy = entry.value.policy.as_ref().and_then(|used| {
                self.bind(
                    &self.candidate.ssl_policies,
                    used,
                    "crypto ssl policy",
                    &block,
                )?;
                policies.get(&used.value).cloned()
            });
            if entry.value.enabled && entry.value.policy.is_none() {
                let message = format!("the SSL profile `{}` is not complete", entry.name);
                let fault = Diagnostic::error(Fault::Incomplete, entry.at.clone(), message);
                self.report(fault.expecting(["match policy WORD".to_string()]));
            }
            let name = entry.name.clone();
            let profile = SslProfile {
                name: name.clone(),
                policy,
                enabled: entry.value.enabled,
            };
            profiles.insert(name, Arc::new(profile));
        }
        profiles
    }

    fn access_list(&mut self, used: &Located<Name>, block: &Block<'_>) -> Option<&'a AccessList> {
        self.bind(&self.candidate.access_lists, used, "ip access-list", block)
    }

    fn networks(
        &mut self,
        list: &AccessList,
        used: &Located<Name>,
        purpose: &str,
    ) -> Option<Vec<Ipv4Net>> {
        let why = match list.networks() {
            Ok(networks) => return Some(networks),
            Err(why) => why,
        };
        let entry = match &why {
            NotNetworks::Empty => self
                .candidate
                .access_lists
                .entry(used.value.as_str())
                .map(|entry| entry.at.clone()),
            NotNetworks::Wildcard(at) | NotNetworks::Destination(at) => Some(at.clone()),
            NotNetworks::Hole { denied, .. } => Some(denied.clone()),
        };
        let message = format!("`{}` cannot be used for {purpose}: {why}", used.value);
        let mut fault = Diagnostic::error(Fault::Conflict, used.at.clone(), message);
        if let Some(at) = entry {
            fault = fault.beside(at, why.to_string());
        }
        self.report(fault);
        None
    }

    /// Finds what a name means, or tells that nothing defines it.
    fn bind<'t, T>(
        &mut self,
        table: &'t Table<T>,
        used: &Located<Name>,
        line: &str,
        block: &Block<'_>,
    ) -> Option<&'t T> {
        if let Some(found) = table.get(used.value.as_str()) {
            return Some(found);
        }
        let near = closest(
            table.iter().map(|entry| entry.name.as_str()),
            used.value.as_str(),
        );
        let near = near.and_then(|name| table.entry(name));
        let near = near.map(|entry| {
            (
                entry.at.clone(),
                format!("`{line} {}` stands here", entry.name),
            )
        });
        let what = format!("{line} {}", used.value);
        let wanted = format!("{what} …");
        self.report(dangling(used.at.clone(), what, wanted, near, block));
        None
    }

    fn bind_interface<'t>(
        &mut self,
        interfaces: &'t BTreeMap<InterfaceName, Arc<Interface>>,
        used: &Located<InterfaceName>,
        block: &Block<'_>,
    ) -> Option<&'t Arc<Interface>> {
        let found = interfaces.get(&used.value);
        if found.is_none() {
            let what = format!("interface {}", used.value);
            self.report(dangling(used.at.clone(), what.clone(), what, None, block));
        }
        found
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }
}

/// What profiles refer to.
struct ProfileParts<'a> {
    trustpoints: &'a ByName<Trustpoint>,
    authorization_policies: &'a ByName<AuthorizationPolicy>,
    templates: &'a BTreeMap<InterfaceName, Arc<VirtualTemplate>>,
    anyconnect_profiles: &'a ByName<AnyConnectProfile>,
}

/// A name that nothing defines. The other place is what looks much like it, or else the object
/// that uses it.
fn dangling(
    at: Span,
    what: String,
    wanted: String,
    near: Option<(Span, String)>,
    block: &Block<'_>,
) -> Diagnostic {
    let fault = Diagnostic::error(Fault::Dangling, at, format!("nothing defines `{what}`"));
    let (place, note) = near.unwrap_or_else(|| {
        (
            block.at.clone(),
            format!("used by `{} {}`", block.title, block.name),
        )
    });
    fault.expecting([wanted]).beside(place, note)
}

/// The object `default` that is there without a line, unless one made or removed it.
fn smart_default<T>(table: &Table<T>, hidden: bool, new: impl FnOnce() -> T) -> Option<Entry<T>> {
    if hidden || table.get(DEFAULT).is_some() {
        return None;
    }
    built_in(DEFAULT).map(|name| Entry {
        name: name.value,
        at: name.at,
        value: new(),
    })
}

fn built_in(name: &str) -> Option<Located<Name>> {
    Some(Located::new(
        Name::new(name).ok()?,
        Span::built_in("smart default"),
    ))
}

fn volume(own: SecurityAssociation, global: SecurityAssociation) -> Option<u32> {
    match own.lifetime_kilobytes.or(global.lifetime_kilobytes) {
        None => Some(DEFAULT_LIFETIME_KILOBYTES),
        Some(VolumeLimit::Kilobytes(limit)) => Some(limit),
        Some(VolumeLimit::Unlimited) => None,
    }
}

fn replay(own: SecurityAssociation, global: SecurityAssociation) -> Option<u16> {
    match own.replay.or(global.replay) {
        None => Some(DEFAULT_REPLAY_WINDOW),
        Some(Replay::Window(size)) => Some(size.packets()),
        Some(Replay::Disabled) => None,
    }
}
