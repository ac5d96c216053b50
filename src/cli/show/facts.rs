//! What a `show` command found out, to be printed as a router does or as JSON.
//!
//! The daemon gathers facts, and whoever asked prints them: many sessions make long texts, which nobody else is to wait for.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc, time::SystemTime};

use ironflex_profiles::{Candidate, Snapshot, model::name::Name};
use ironflex_xfrm::netlink::Translation;
use serde::Serialize;
use serde_json::Value;

use super::{
    DiagnoseFilter, Ikev2SaQuery, Ikev2Stats, InterfaceFacts, IpsecSaQuery, MethodLists,
    ProcessorFacts, Secrets, SessionQuery, TerminalFacts, Version,
    aaa::{self, AaaSession, LockedOutUser},
    access_lists::{self, RouteFacts},
    admission::{self, Memory},
    crypto_session, crypto_session_brief, crypto_session_groups, crypto_session_summary, debugging,
    debugging_facts, derived_config, derived_session, differences, directory,
    directory::Directory,
    error_facts, ikev2_authorization_policy, ikev2_diagnose, ikev2_diagnose_error, ikev2_policy,
    ikev2_profile, ikev2_proposal, ikev2_sa,
    ikev2_sa::{SaNumbers, ikev2_sa_count},
    ikev2_session, ikev2_stats, interface, interface_configuration, interfaces_description,
    inventory, ip_interface, ip_local_pool, ipsec_profile, ipsec_sa,
    ipsec_sa::count,
    ipsec_sa_count, ipsec_transform_set,
    ipv6::{self, Ipv6InterfaceFacts},
    ipv6_local_pool, isakmp_sa, logging,
    machine::{RollbackFacts, clock_of, rollback_timer},
    neighbors::{self, NeighborFacts},
    objects, parts,
    pki::{self, TrustpointFacts},
    processes_cpu, routes, running_config, startup_config, version, without_secrets,
};
use crate::{
    cli::{
        debug_words::DebugFlags,
        exec::{KeyKind, ObjectKind},
    },
    kernel_clock::Standing,
    metrics::Tally,
    state::{
        IkeSa, State,
        attempts::{Attempt, Room},
        logging::{ConditionFacts, LogFacts},
    },
    statistics::Statistics,
};

/// A configuration: what its lines say, and what they come to.
#[derive(Clone, Debug)]
pub struct Configured {
    /// Its lines.
    pub lines: Candidate,
    /// What they come to.
    pub resolved: Arc<Snapshot>,
    /// IKEv2 profiles that serve nobody though their lines do not say so, and why.
    pub inactive: BTreeMap<Name, String>,
}

/// In which form facts are told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// A router's text.
    Text,
    /// JSON (docs/json.md).
    Json,
}

/// The facts behind one `show` command.
#[derive(Clone, Debug)]
pub enum Facts {
    /// `show aaa local user lockout`
    AaaLockout(Vec<LockedOutUser>),
    /// `show aaa method-lists …`
    AaaMethodLists(Box<Configured>, MethodLists),
    /// `show aaa sessions`
    AaaSessions(State),
    /// `show arp`, `show ip arp`
    Arp(Vec<NeighborFacts>),
    /// `show crypto call admission statistics`
    CallAdmission(Box<Statistics>),
    /// `show clock [detail]`
    Clock(SystemTime, Standing, bool),
    /// `show archive config differences`: its lines, none where nothing differs.
    ConfigDifferences(String),
    /// `show crypto session`
    CryptoSession(State, SessionQuery),
    /// `show crypto session brief`
    CryptoSessionBrief(State),
    /// `show crypto session groups`
    CryptoSessionGroups(State),
    /// `show crypto session summary`
    CryptoSessionSummary(State),
    /// `show debugging`
    Debugging(DebugFlags),
    /// `show crypto debug-condition`
    DebugCondition(ConditionFacts),
    /// `show derived-config interface virtual-access N`
    DerivedConfig(State, u32),
    /// `dir`
    Directory(Directory),
    /// `show crypto ikev2 diagnose error`
    Ikev2DiagnoseError(Vec<Attempt>, Room),
    /// `show crypto ikev2 diagnose`
    Ikev2Diagnose(Vec<Attempt>, Option<DiagnoseFilter>),
    /// `show crypto ikev2 sa`
    Ikev2Sa(State, Ikev2SaQuery),
    /// `show crypto ikev2 sa count`
    Ikev2SaCount(SaNumbers),
    /// `show crypto ikev2 session [detailed]`
    Ikev2Session(State, bool),
    /// `show crypto ikev2 stats`
    Ikev2Stats(Box<Statistics>, Ikev2Stats),
    /// `show interfaces`
    Interfaces(Vec<InterfaceFacts>, State),
    /// `show ip interface brief`
    InterfaceBrief(Vec<InterfaceFacts>),
    /// `show interfaces description`
    InterfaceDescription(Vec<InterfaceFacts>),
    /// `show inventory`
    Inventory(Box<Version>),
    /// `show ip interface`
    IpInterface(Vec<InterfaceFacts>),
    /// `show crypto isakmp sa`
    IsakmpSa,
    /// `show interfaces virtual-access N`
    Interface(State, u32),
    /// `show interfaces virtual-access N configuration`
    InterfaceLines(State, u32),
    /// `show access-lists [NAME]`
    AccessLists(Box<Configured>, Option<String>),
    /// `show ip access-lists [NAME]`
    IpAccessLists(Box<Configured>, Option<String>),
    /// `show ip nat statistics`
    IpNatStatistics(Box<Configured>, Option<usize>),
    /// `show ip nat translations`
    IpNatTranslations(Vec<Translation>),
    /// `show ip route [ADDRESS]`
    IpRoute(State, Vec<RouteFacts>, Option<IpAddr>),
    /// `show ip local pool [NAME]`
    IpLocalPool(State, Option<String>),
    /// `show crypto ipsec sa`
    IpsecSa(State, IpsecSaQuery),
    /// `show crypto ipsec sa count`
    IpsecSaCount(State),
    /// `show ipv6 access-list [NAME]`
    Ipv6AccessLists(Box<Configured>, Option<String>),
    /// `show ipv6 interface brief`
    Ipv6InterfaceBrief(Vec<Ipv6InterfaceFacts>),
    /// `show ipv6 neighbors`
    Ipv6Neighbors(Vec<NeighborFacts>),
    /// `show ipv6 route [ADDRESS]`
    Ipv6Route(State, Option<IpAddr>),
    /// `show ipv6 local pool [NAME]`
    Ipv6LocalPool(State, Option<String>),
    /// `show logging`
    Logging(LogFacts),
    /// `show processes memory`
    Memory(Memory),
    /// `show metrics`
    Metrics(Tally),
    /// `show crypto key mypubkey {ec|rsa}`
    MyPublicKeys(Vec<TrustpointFacts>, KeyKind),
    /// What objects of a configuration say.
    Object(Box<Configured>, ObjectKind, Option<String>),
    /// `show crypto pki certificates [verbose]`
    PkiCertificates(Vec<TrustpointFacts>, bool),
    /// `show crypto pki trustpoints [status]`
    PkiTrustpoints(Vec<TrustpointFacts>, bool),
    /// The configured object or the file could not be read; why.
    Refused(String),
    /// `show processes cpu`
    Processor(ProcessorFacts),
    /// `show archive config rollback timer`
    RollbackTimer(Option<RollbackFacts>),
    /// `show running-config [all]`: its lines.
    RunningConfig(String),
    /// `show running-config interface NAME`: its lines.
    RunningConfigInterface(String),
    /// `show startup-config`: its lines.
    StartupConfig(String),
    /// `show tech-support`: commands and what they say, and the secrets that people may have typed into it.
    TechSupport(Vec<(&'static str, Self)>, Secrets),
    /// `show users`
    Users(State, Vec<TerminalFacts>),
    /// `show version`
    Version(Box<Version>),
}

/// Lines without what is secret in them.
fn clear(lines: &str) -> Vec<String> {
    lines.lines().map(without_secrets).collect()
}

/// Facts under one name, as one line of text each level deeper indented.
fn named(name: &str, facts: impl Serialize) -> Result<String, String> {
    in_lines(&BTreeMap::from([(name, facts)]))
}

fn in_lines(facts: &impl Serialize) -> Result<String, String> {
    let mut text = serde_json::to_string_pretty(facts).map_err(|error| format!("% {error}"))?;
    text.push('\n');
    Ok(text)
}

/// What every command says, each below its name. Of nothing in it is it known who has typed it: a password may stand in a description, or in
/// the place of a name that nobody has proven to be his.
fn tech_support(all: &[(&'static str, Facts)], secrets: &Secrets) -> String {
    let mut out = String::new();
    for (command, facts) in all {
        let said = facts.text().unwrap_or_else(|why| format!("{why}\n"));
        let said = secrets.removed_from(&said);
        out += &format!("\n------------------ {command} ------------------\n\n{said}");
    }
    out
}

/// The same as JSON.
fn tech_support_facts(
    all: &[(&'static str, Facts)],
    secrets: &Secrets,
) -> BTreeMap<&'static str, Value> {
    let told = all.iter().filter_map(|(command, facts)| {
        let mut value: Value = serde_json::from_str(&facts.json().ok()?).ok()?;
        secrets.remove_from(&mut value);
        Some((*command, value))
    });
    told.collect()
}

/// Those of a state's IKE SAs that are wanted.
fn sas(state: &State, wanted: impl Fn(&IkeSa) -> bool) -> Result<String, String> {
    let all: Vec<&IkeSa> = state.ike_sas.iter().filter(|sa| wanted(sa)).collect();
    named("ike_sas", all)
}

/// A pool of this name is there, or none is asked for.
fn known<'p, P>(
    pools: &'p [P],
    wanted: Option<&str>,
    name: impl Fn(&P) -> &str,
) -> Result<Vec<&'p P>, String> {
    let of_name = pools
        .iter()
        .filter(|pool| wanted.is_none_or(|wanted| name(pool) == wanted));
    let found: Vec<&P> = of_name.collect();
    match wanted {
        Some(wanted) if found.is_empty() => Err(format!("% Pool {wanted} does not exist")),
        _ => Ok(found),
    }
}

/// How many ESP SAs there are, both directions counted.
#[derive(Serialize)]
struct Count {
    /// All.
    total: usize,
    /// Those in use.
    active: usize,
    /// Those beside them while they are rekeyed.
    rekeying: usize,
}

/// Who is logged in.
#[derive(Serialize)]
struct Users<'f> {
    /// By a client.
    sessions: Vec<AaaSession>,
    /// At a terminal.
    terminals: &'f [TerminalFacts],
}

impl Facts {
    /// In this form.
    ///
    /// # Errors
    ///
    /// The text for whoever asked, where there is no such thing.
    pub fn told(&self, form: Form) -> Result<String, String> {
        match form {
            Form::Text => self.text(),
            Form::Json => self.json(),
        }
    }

    /// As a router prints them.
    ///
    /// # Errors
    ///
    /// As [`told`](Self::told).
    pub fn text(&self) -> Result<String, String> {
        Ok(match self {
            Self::AaaLockout(users) => aaa::aaa_lockout(users),
            Self::AaaMethodLists(configured, which) => {
                aaa::aaa_method_lists(&configured.lines, *which)
            }
            Self::AaaSessions(state) => aaa::aaa_sessions(state),
            Self::Arp(all) => neighbors::arp(all),
            Self::CallAdmission(statistics) => admission::call_admission(statistics),
            Self::DebugCondition(conditions) => logging::debug_condition(conditions),
            Self::Directory(listed) => directory::directory(listed),
            Self::Ikev2DiagnoseError(attempts, room) => ikev2_diagnose_error(attempts, *room),
            Self::Ikev2Diagnose(attempts, filter) => ikev2_diagnose(attempts, filter.as_ref()),
            Self::Interface(state, number) => return interface::interface(state, *number),
            Self::InterfaceLines(state, number) => {
                return interface_configuration(state, *number);
            }
            Self::Interfaces(all, state) => super::interfaces(all, state),
            Self::InterfaceBrief(all) => super::ip_interface_brief(all),
            Self::InterfaceDescription(all) => interfaces_description(all),
            Self::Inventory(version) => inventory(version),
            Self::IpInterface(all) => ip_interface(all),
            Self::IsakmpSa => isakmp_sa(),
            Self::RunningConfigInterface(lines) => super::running_config_interface(lines),
            Self::AccessLists(configured, name) => {
                let name = name.as_deref();
                access_lists::ip_access_lists(&configured.lines, name)
                    + &access_lists::ipv6_access_lists(&configured.lines, name)
            }
            Self::IpAccessLists(configured, name) => {
                access_lists::ip_access_lists(&configured.lines, name.as_deref())
            }
            Self::IpNatStatistics(configured, active) => {
                access_lists::ip_nat_statistics(&configured.lines, *active)
            }
            Self::IpNatTranslations(all) => access_lists::ip_nat_translations(all),
            Self::IpRoute(state, connected, None) => access_lists::ip_route(state, connected),
            Self::IpRoute(state, connected, Some(address)) => {
                return routes::routing_entry(state, connected, *address);
            }
            Self::Ipv6Route(state, Some(address)) => {
                return routes::routing_entry(state, &[], *address);
            }
            Self::Logging(log) => logging::logging(log),
            Self::Memory(memory) => admission::processes_memory(memory),
            Self::PkiCertificates(trustpoints, verbose) => {
                pki::pki_certificates(trustpoints, *verbose)
            }
            Self::MyPublicKeys(trustpoints, kind) => pki::my_public_keys(trustpoints, *kind),
            Self::PkiTrustpoints(trustpoints, false) => pki::pki_trustpoints(trustpoints),
            Self::PkiTrustpoints(trustpoints, true) => pki::pki_trustpoints_status(trustpoints),
            Self::Processor(facts) => processes_cpu(facts),
            Self::Refused(why) => return Err(why.clone()),
            Self::TechSupport(all, secrets) => tech_support(all, secrets),
            Self::Users(state, terminals) => aaa::users(state, terminals),
            Self::Clock(now, standing, detail) => clock_of(*now, *standing, *detail),
            Self::CryptoSession(state, query) => crypto_session(state, query),
            Self::CryptoSessionBrief(state) => crypto_session_brief(state),
            Self::CryptoSessionGroups(state) => crypto_session_groups(state),
            Self::CryptoSessionSummary(state) => crypto_session_summary(state),
            Self::Debugging(flags) => debugging(flags),
            Self::DerivedConfig(state, number) => return derived_config(state, *number),
            Self::Ikev2Sa(state, query) => ikev2_sa(state, query),
            Self::Ikev2SaCount(numbers) => ikev2_sa_count(numbers),
            Self::Ikev2Session(state, detailed) => ikev2_session(state, *detailed),
            Self::Ikev2Stats(statistics, which) => ikev2_stats(statistics, *which),
            Self::IpLocalPool(state, name) => return ip_local_pool(state, name.as_deref()),
            Self::IpsecSa(state, query) => ipsec_sa(state, query),
            Self::IpsecSaCount(state) => ipsec_sa_count(state),
            Self::Ipv6AccessLists(configured, name) => {
                access_lists::ipv6_access_lists(&configured.lines, name.as_deref())
            }
            Self::Ipv6InterfaceBrief(all) => ipv6::ipv6_interface_brief(all),
            Self::Ipv6Neighbors(all) => neighbors::ipv6_neighbors(all),
            Self::Ipv6Route(state, None) => ipv6::ipv6_route(state),
            Self::Ipv6LocalPool(state, name) => return ipv6_local_pool(state, name.as_deref()),
            Self::Metrics(tally) => tally.prometheus(),
            Self::Object(configured, kind, name) => {
                let Configured {
                    lines,
                    resolved,
                    inactive,
                } = &**configured;
                let name = name.as_deref();
                match kind {
                    ObjectKind::AuthorizationPolicy => {
                        ikev2_authorization_policy(lines, resolved, name)
                    }
                    ObjectKind::Ikev2Policy => ikev2_policy(lines, resolved, name),
                    ObjectKind::Ikev2Profile => ikev2_profile(lines, inactive, name),
                    ObjectKind::Ikev2Proposal => ikev2_proposal(lines, resolved, name),
                    ObjectKind::IpsecProfile => ipsec_profile(lines, resolved, name),
                    ObjectKind::TransformSet => ipsec_transform_set(lines, resolved, name),
                }
            }
            Self::ConfigDifferences(lines) => differences(lines),
            Self::RollbackTimer(pending) => rollback_timer(pending.as_ref()),
            Self::RunningConfig(lines) => running_config(lines),
            Self::StartupConfig(lines) => startup_config(lines),
            Self::Version(facts) => version(facts),
        })
    }

    /// As JSON.
    ///
    /// # Errors
    ///
    /// As [`told`](Self::told).
    pub fn json(&self) -> Result<String, String> {
        match self {
            Self::AaaLockout(users) => named("locked_out", users),
            Self::AaaMethodLists(configured, which) => {
                named("method_lists", aaa::lists(&configured.lines, *which))
            }
            Self::AaaSessions(state) => named("sessions", aaa::sessions(state)),
            Self::Arp(all) | Self::Ipv6Neighbors(all) => named("neighbors", all),
            Self::CallAdmission(statistics) => named("ikev2_stats", statistics),
            Self::DebugCondition(conditions) => named("conditions", conditions),
            Self::Ikev2Diagnose(attempts, filter) => {
                let wanted = |one: &&Attempt| filter.as_ref().is_none_or(|all| all.wants(one));
                let wanted: Vec<&Attempt> = attempts.iter().filter(wanted).collect();
                named("attempts", wanted)
            }
            Self::Directory(listed) => named("directory", listed),
            Self::Ikev2DiagnoseError(attempts, _) => named("errors", error_facts(attempts)),
            Self::Interface(state, number) => named("session", derived_session(state, *number)?.1),
            Self::Interfaces(all, _)
            | Self::InterfaceBrief(all)
            | Self::InterfaceDescription(all)
            | Self::IpInterface(all) => named("interfaces", all),
            Self::Inventory(version) => named("inventory", parts(version)),
            Self::IsakmpSa => named("isakmp_sas", Vec::<String>::new()),
            Self::Processor(facts) => named("processor", facts),
            Self::RunningConfigInterface(lines) => named("running_config", clear(lines)),
            Self::AccessLists(configured, name) => {
                let (lines, name) = (&configured.lines, name.as_deref());
                let mut lists = access_lists::access_list_facts(lines, name);
                lists.extend(access_lists::ipv6_access_list_facts(lines, name));
                named("access_lists", lists)
            }
            Self::IpAccessLists(configured, name) => {
                let lists = access_lists::access_list_facts(&configured.lines, name.as_deref());
                named("access_lists", lists)
            }
            Self::IpNatStatistics(configured, active) => {
                named("nat", access_lists::nat_facts(&configured.lines, *active))
            }
            Self::IpNatTranslations(all) => {
                named("translations", access_lists::translation_facts(all))
            }
            Self::IpRoute(state, connected, None) => {
                named("routes", access_lists::with_connected(state, connected))
            }
            Self::IpRoute(state, connected, Some(address)) => {
                named("routes", [routes::route_to(state, connected, *address)?])
            }
            Self::Ipv6Route(state, Some(address)) => {
                named("routes", [routes::route_to(state, &[], *address)?])
            }
            Self::Logging(log) => named("log", log),
            Self::Memory(memory) => named("memory", memory),
            Self::MyPublicKeys(trustpoints, _)
            | Self::PkiCertificates(trustpoints, _)
            | Self::PkiTrustpoints(trustpoints, _) => named("trustpoints", trustpoints),
            Self::Refused(why) => Err(why.clone()),
            Self::TechSupport(all, secrets) => {
                named("tech_support", tech_support_facts(all, secrets))
            }
            Self::Clock(now, ..) => {
                let since = now.duration_since(SystemTime::UNIX_EPOCH);
                named(
                    "seconds_since_1970",
                    since.unwrap_or_default().as_secs_f64(),
                )
            }
            Self::CryptoSession(state, query) => sas(state, |sa| query.wants(sa)),
            Self::CryptoSessionBrief(state)
            | Self::CryptoSessionGroups(state)
            | Self::CryptoSessionSummary(state)
            | Self::Ikev2Session(state, _) => sas(state, |_| true),
            Self::Debugging(flags) => named("debugging", debugging_facts(flags)),
            Self::DerivedConfig(state, number) | Self::InterfaceLines(state, number) => {
                let (_, session) = derived_session(state, *number)?;
                named("derived_config", &session.derived)
            }
            Self::Ikev2Sa(state, query) => sas(state, |sa| query.wants(sa)),
            Self::Ikev2SaCount(numbers) => named("ike_sa_count", numbers),
            Self::Ikev2Stats(statistics, _) => named("ikev2_stats", statistics),
            Self::IpLocalPool(state, name) => {
                let name = name.as_deref();
                named("pools", known(&state.pools, name, |pool| &pool.name)?)
            }
            Self::IpsecSa(state, query) => sas(state, |sa| query.wants(sa)),
            Self::IpsecSaCount(state) => {
                let (active, rekeying) = count(state);
                let total = active.saturating_add(rekeying);
                let count = Count {
                    total,
                    active,
                    rekeying,
                };
                named("ipsec_sas", count)
            }
            Self::Ipv6AccessLists(configured, name) => {
                let name = name.as_deref();
                let lists = access_lists::ipv6_access_list_facts(&configured.lines, name);
                named("access_lists", lists)
            }
            Self::Ipv6InterfaceBrief(all) => named("ipv6_interfaces", all),
            Self::Ipv6Route(state, None) => named("routes", ipv6::ipv6_route_facts(state)),
            Self::Ipv6LocalPool(state, name) => {
                let pools = known(&state.ipv6_pools, name.as_deref(), |pool| &pool.name)?;
                named("ipv6_pools", pools)
            }
            Self::Metrics(tally) => named("metrics", tally.facts()),
            Self::Object(configured, kind, name) => {
                let (name, resolved) = (name.as_deref(), &*configured.resolved);
                let (configured, inactive) = (&configured.lines, &configured.inactive);
                match kind {
                    ObjectKind::AuthorizationPolicy => named(
                        "authorization_policies",
                        objects::authorization_policies(configured, name),
                    ),
                    ObjectKind::Ikev2Policy => named(
                        "ikev2_policies",
                        objects::policies(configured, resolved, name),
                    ),
                    ObjectKind::Ikev2Profile => named(
                        "ikev2_profiles",
                        objects::profiles(configured, inactive, name),
                    ),
                    ObjectKind::Ikev2Proposal => named(
                        "ikev2_proposals",
                        objects::proposals(configured, resolved, name),
                    ),
                    ObjectKind::IpsecProfile => named(
                        "ipsec_profiles",
                        objects::ipsec_profiles(configured, resolved, name),
                    ),
                    ObjectKind::TransformSet => {
                        named("transform_sets", objects::transform_sets(configured, name))
                    }
                }
            }
            Self::ConfigDifferences(lines) => named("config_differences", clear(lines)),
            Self::RollbackTimer(pending) => named("rollback", pending),
            Self::RunningConfig(lines) => named("running_config", clear(lines)),
            Self::StartupConfig(lines) => named("startup_config", clear(lines)),
            Self::Users(state, terminals) => in_lines(&Users {
                sessions: aaa::sessions(state),
                terminals,
            }),
            Self::Version(version) => named("version", version),
        }
    }
}
