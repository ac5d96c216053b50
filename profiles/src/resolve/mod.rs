//! [`Candidate`] to [`Snapshot`]: binds names, fills defaults in, refuses contradictions.
//!
//! Every fault is collected. One names two places: where a name is used, and what would define it
//! or already looks much like it.

mod network;
mod profile;
mod redirect;
mod ties;
mod whole;

use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};

use crate::{
    closest::closest,
    error::{Diagnostic, Fault, Severity, Span},
    model::{
        self, Candidate, DEFAULT, Entry, Located, Table,
        aaa::HIGHEST_PRIVILEGE,
        ikev2::{
            DEFAULT_COOKIE_CHALLENGE, DEFAULT_FRAGMENT_MTU, DEFAULT_WINDOW, Encryption, Prf,
            RouteSetInterface,
        },
        interface::{Addressing, InterfaceName},
        ipsec::{
            DEFAULT_LIFETIME_KILOBYTES, DEFAULT_LIFETIME_SECONDS, DEFAULT_REPLAY_WINDOW, Replay,
            SecurityAssociation, VolumeLimit,
        },
        name::Name,
    },
    resolve::profile::ProfileParts,
    snapshot::{
        AnnouncedInterface, AnyConnectProfile, AuthorizationPolicy, DEFAULT_HOSTNAME,
        Ikev2Settings, Inactive, Interface, IpsecProfile, Ipv6Authorization, Ipv6Pool, Keyring,
        LocalUser, Policy, Pool, Proposal, Snapshot, TransformSet, Trustpoint,
    },
};

pub use self::ties::ties;
pub(crate) use self::ties::vain_addresses;

/// Makes a configuration ready for use.
///
/// # Errors
/// Every fault, if one of them is an error; the warnings among them too. Where there are only
/// warnings they are in [`Snapshot::warnings`].
pub fn resolve(candidate: &Candidate) -> Result<Snapshot, Vec<Diagnostic>> {
    let Live { snapshot, faults } = resolve_live(candidate);
    if faults.iter().any(|fault| fault.severity == Severity::Error) {
        return Err(faults);
    }
    Ok(Snapshot {
        warnings: faults,
        ..snapshot
    })
}

/// A configuration that is being changed while it is at work.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Live {
    /// What of it is whole. An object with an error is not in it, and neither is one that needs such an object.
    pub snapshot: Snapshot,
    /// What is wrong with the rest, and the warnings.
    pub faults: Vec<Diagnostic>,
}

/// Makes of a configuration what can be used of it: what a router does with lines that are typed one after the other.
pub fn resolve_live(candidate: &Candidate) -> Live {
    let mut resolver = Resolver {
        candidate,
        diagnostics: Vec::new(),
        broken: false,
        because: None,
        reasons: BTreeMap::new(),
        inactive: Vec::new(),
    };
    let snapshot = resolver.snapshot();
    let mut faults = resolver.diagnostics;
    faults.sort_by_key(|fault| (fault.at.line, fault.at.column));
    Live { snapshot, faults }
}

/// Octets of an INTERNAL_IP4_SUBNET and an INTERNAL_IP6_SUBNET attribute (RFC 7296 §3.15.1).
const IPV4_SUBNET: usize = 12;
const IPV6_SUBNET: usize = 21;

/// Octets of the networks that clients are told of. An IKE message has 65,535 at most, and what Cisco's own
/// fragmentation carries in 64 pieces is half of that.
const MAX_NETWORKS: usize = 30_000;

/// How many there are, each counted once.
fn distinct<'a, N: Ord + 'a>(networks: impl Iterator<Item = &'a N>) -> usize {
    networks.collect::<BTreeSet<_>>().len()
}

struct Resolver<'a> {
    candidate: &'a Candidate,
    diagnostics: Vec<Diagnostic>,
    /// Something is wrong with the object that is being looked at, so that it cannot be used.
    broken: bool,
    /// What was found wrong with it first.
    because: Option<String>,
    /// What was found wrong with the objects before it, by their lines.
    reasons: BTreeMap<String, String>,
    /// The profiles that serve nobody.
    inactive: Vec<Inactive>,
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
    fn snapshot(&mut self) -> Snapshot {
        let candidate = self.candidate;
        self.check_aaa();
        if let Some(on) = candidate.ikev2.http_url_cert.as_ref().filter(|on| on.value) {
            let message = "certificates that clients name by a URL are not fetched";
            self.report(Diagnostic::warning(
                Fault::Unsupported,
                on.at.clone(),
                message,
            ));
        }
        let interfaces = self.interfaces();
        let pools = self.pools();
        let ipv6_pools = self.ipv6_pools();
        let trustpoints = self.trustpoints();
        let authorization_policies = self.authorization_policies(&pools, &ipv6_pools, &interfaces);
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
        let keyrings = self.keyrings();
        let redirecting = self.redirecting();
        let parts = ProfileParts {
            redirecting: &redirecting,
            keyrings: &keyrings,
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
        Snapshot {
            hostname: candidate
                .hostname
                .clone()
                .unwrap_or_else(|| Name::of_the_language(DEFAULT_HOSTNAME)),
            ikev2: Ikev2Settings {
                logging: candidate.logging,
                crash_detection: ikev2.crash_detection,
                fragmentation_mtu: ikev2
                    .fragmentation
                    .map(|fragmentation| fragmentation.mtu.unwrap_or(DEFAULT_FRAGMENT_MTU)),
                // A number is one and the same whether or not a line says it.
                cookie_challenge: ikev2.cookie_challenge.unwrap_or(DEFAULT_COOKIE_CHALLENGE),
                limits: ikev2.limits.with_defaults(),
                redirect: redirecting.init,
                window: ikev2.window.unwrap_or(DEFAULT_WINDOW),
            },
            users: self.users(),
            max_fail: candidate.aaa.max_fail,
            trustpoints,
            pools,
            ipv6_pools,
            authorization_policies,
            proposals,
            policies,
            default_policy,
            profiles,
            ipsec_profiles,
            anyconnect_profiles,
            interfaces,
            nat,
            ssl_policies,
            ssl_profiles,
            inactive: core::mem::take(&mut self.inactive),
            warnings: Vec::new(),
        }
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
                        never_locked_out: entry.value.privilege == HIGHEST_PRIVILEGE,
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

    /// The keyrings. Of a peer without a key, or that nothing finds, is told; it is left out.
    fn keyrings(&mut self) -> ByName<Keyring> {
        let mut keyrings = ByName::new();
        for entry in self.candidate.keyrings.iter() {
            let mut peers = Vec::new();
            for peer in entry.value.peers.iter() {
                let lines = &peer.value;
                let mut missing = Vec::new();
                if lines.address.is_none() && lines.identity.is_none() && lines.hostname.is_none() {
                    missing.extend(["address A.B.C.D [MASK]", "identity …"].map(String::from));
                }
                let keyless = lines.keys.local().is_none() && lines.keys.remote().is_none();
                if keyless && lines.ppk.is_none() {
                    missing.push("pre-shared-key KEY".to_string());
                }
                if missing.is_empty() {
                    peers.push((peer.name.clone(), lines.clone()));
                } else {
                    let message = format!("the peer `{}` is not complete", peer.name);
                    let fault = Diagnostic::warning(Fault::Incomplete, peer.at.clone(), message);
                    let note = format!("in the keyring `{}`", entry.name);
                    self.report(fault.expecting(missing).beside(entry.at.clone(), note));
                }
            }
            let name = entry.name.clone();
            keyrings.insert(name.clone(), Arc::new(Keyring { name, peers }));
        }
        keyrings
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

    fn authorization_policies(
        &mut self,
        pools: &ByName<Pool>,
        ipv6_pools: &ByName<Ipv6Pool>,
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
            self.begin();
            let lines = &entry.value;
            let block = Block::of(AUTHORIZATION_POLICY, entry);
            let pool = lines.pool.as_ref().and_then(|used| {
                self.bind(&self.candidate.pools, used, "ip local pool", &block)?;
                let line = format!("ip local pool {}", used.value);
                self.part(&line, pools.get(&used.value).cloned())
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
                            let found = self.bind_interface(interfaces, used, &block)?;
                            let address = match &found.addressing {
                                Addressing::Static(own) => Some(own.value.address),
                                Addressing::None | Addressing::Unnumbered(_) => None,
                            };
                            let (name, at) = (used.value.clone(), used.at.clone());
                            if address.is_none() {
                                let message =
                                    format!("{name} has no address by its lines to announce");
                                self.report(Diagnostic::warning(Fault::Incomplete, at, message));
                            }
                            Some(AnnouncedInterface::Named(name, address))
                        }
                    });
            // Nobody wrote the smart default, and who writes it out asks for nothing more.
            let is_default = |accept: model::ikev2::RouteAccept| {
                let default = model::ikev2::RouteAccept::default();
                entry.name == *DEFAULT && accept.settled() == default.settled()
            };
            let accept = lines.route_accept.as_ref();
            if let Some(accept) = accept.filter(|one| one.at.line > 0 && !is_default(one.value)) {
                let message = "routes that clients send are not installed";
                self.report(Diagnostic::warning(
                    Fault::Unsupported,
                    accept.at.clone(),
                    message,
                ));
            }
            let ipv6 = self.ipv6_authorization(&lines.ipv6, ipv6_pools, &block);
            let lists = [
                &lines.route_set_access_list,
                &lines.ipv6.route_set_access_list,
            ];
            let at = lists.into_iter().flatten().next();
            let at = at.map_or(&entry.at, |used| &used.at);
            self.fits_a_reply(
                at,
                distinct(
                    split_networks
                        .iter()
                        .flatten()
                        .chain(&lines.route_set_remote),
                ),
                distinct(
                    ipv6.split_networks
                        .iter()
                        .flatten()
                        .chain(&ipv6.remote_networks),
                ),
            );
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
                route_accept: lines
                    .route_accept
                    .as_ref()
                    .map(|accept| accept.value.settled()),
                ipv6,
            };
            if self.is_whole(&format!("{AUTHORIZATION_POLICY} {}", entry.name)) {
                policies.insert(entry.name.clone(), Arc::new(policy));
            }
        }
        policies
    }

    /// Tells of more networks than a client can be told in one answer: every login would fail.
    fn fits_a_reply(&mut self, at: &Span, ipv4: usize, ipv6: usize) {
        let octets = |count: usize, each: usize| count.saturating_mul(each);
        let size = octets(ipv4, IPV4_SUBNET).saturating_add(octets(ipv6, IPV6_SUBNET));
        if size <= MAX_NETWORKS {
            return;
        }
        let message = format!(
            "clients cannot be told of {} networks: {} of IPv4 fit into an answer, or {} of IPv6",
            ipv4.saturating_add(ipv6),
            MAX_NETWORKS / IPV4_SUBNET,
            MAX_NETWORKS / IPV6_SUBNET,
        );
        self.report(Diagnostic::error(Fault::Value, at.clone(), message));
    }

    fn ipv6_authorization(
        &mut self,
        lines: &model::ikev2::Ipv6Authorization,
        pools: &ByName<Ipv6Pool>,
        block: &Block<'_>,
    ) -> Ipv6Authorization {
        let pool = lines.pool.as_ref().and_then(|used| {
            self.bind(&self.candidate.ipv6_pools, used, "ipv6 local pool", block)?;
            let line = format!("ipv6 local pool {}", used.value);
            self.part(&line, pools.get(&used.value).cloned())
        });
        let list = lines.route_set_access_list.as_ref();
        Ipv6Authorization {
            pool,
            dns: lines.dns.clone(),
            prefix: lines.prefix,
            split_networks: list
                .and_then(|used| self.ipv6_networks(used, block, "split tunnelling")),
            remote_networks: lines.route_set_remote.clone(),
        }
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
                pqc: lines.pqc.clone(),
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
            proposals: [built_in(DEFAULT)].into(),
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
            // It does with what it has.
            if chosen.is_empty() {
                continue;
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
                let model::ipsec::TransformSet {
                    transform,
                    esn,
                    mode,
                } = entry.value;
                (
                    name.clone(),
                    Arc::new(TransformSet {
                        name,
                        transform,
                        esn,
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
            self.begin();
            let lines = &entry.value;
            let block = Block::of(IPSEC_PROFILE, entry);
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
                idle_time: own.idle_time.or(global.idle_time),
                pfs: lines.pfs.map(model::ipsec::PfsGroup::group),
                pfs_pqc: lines.pfs_pqc,
            };
            if self.is_whole(&format!("{IPSEC_PROFILE} {}", entry.name)) {
                profiles.insert(entry.name.clone(), Arc::new(profile));
            }
        }
        profiles
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
        let mut wanted = [format!("{what} …")].to_vec();
        // An import makes the trustpoint that it names.
        if line == TRUSTPOINT {
            wanted.push(format!("crypto pki import {} pkcs12 …", used.value));
        }
        let others = table.iter().map(|entry| entry.name.to_string());
        let place = (used.at.clone(), near);
        self.report(dangling(place, what, wanted, others, block));
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
            let others = interfaces.keys().map(ToString::to_string);
            let wanted = [what.clone()].to_vec();
            let place = (used.at.clone(), None);
            self.report(dangling(place, what, wanted, others, block));
        }
        found
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        if diagnostic.severity == Severity::Error {
            self.breaks(|| diagnostic.in_one_line());
        }
        self.diagnostics.push(diagnostic);
    }
}

/// The line that begins an authorization policy.
const AUTHORIZATION_POLICY: &str = "crypto ikev2 authorization policy";

/// The line that begins an IPsec profile.
const IPSEC_PROFILE: &str = "crypto ipsec profile";

/// The line that makes a trustpoint.
const TRUSTPOINT: &str = "crypto pki trustpoint";

/// How many objects of a kind are named where another one was meant.
const NAMED: usize = 5;

/// A name that nothing defines, with the objects of its kind that there are. The other place is what
/// looks much like it, or else the object that uses it.
fn dangling(
    (at, near): (Span, Option<(Span, String)>),
    what: String,
    wanted: Vec<String>,
    others: impl Iterator<Item = String>,
    block: &Block<'_>,
) -> Diagnostic {
    let others: Vec<String> = others.map(|name| format!("`{name}`")).collect();
    let others = match others.len() {
        0 => String::new(),
        1 => format!("; there is {}", others.concat()),
        2..=NAMED => format!("; there are {}", others.join(", ")),
        many => format!("; there are {many} others"),
    };
    let message = format!("nothing defines `{what}`{others}");
    let fault = Diagnostic::error(Fault::Dangling, at, message);
    let (place, note) = near.unwrap_or_else(|| {
        (
            block.at.clone(),
            format!("used by `{} {}`", block.title, block.name),
        )
    });
    fault.expecting(wanted).beside(place, note)
}

/// The object `default` that is there without a line, unless one made or removed it.
fn smart_default<T>(table: &Table<T>, hidden: bool, new: impl FnOnce() -> T) -> Option<Entry<T>> {
    if hidden || table.get(DEFAULT).is_some() {
        return None;
    }
    let name = built_in(DEFAULT);
    Some(Entry {
        name: name.value,
        at: name.at,
        value: new(),
    })
}

fn built_in(name: &'static str) -> Located<Name> {
    Located::new(Name::of_the_language(name), Span::built_in("smart default"))
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
