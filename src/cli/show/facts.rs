//! What a `show` command found out, to be printed as a router does or as JSON.
//!
//! The daemon gathers facts, and whoever asked prints them: many sessions make long texts, which nobody else is to wait for.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use ironflex_profiles::{Candidate, Snapshot};
use serde::Serialize;

use super::{
    Ikev2SaQuery, Ikev2Stats, IpsecSaQuery, SessionQuery, clock, crypto_session,
    crypto_session_brief, crypto_session_summary, debugging, debugging_facts, derived_config,
    derived_session, ikev2_authorization_policy, ikev2_policy, ikev2_profile, ikev2_proposal,
    ikev2_sa, ikev2_session, ikev2_stats, ip_local_pool, ipsec_profile, ipsec_sa, ipsec_sa::count,
    ipsec_sa_count, ipsec_transform_set, ipv6_local_pool, objects, running_config, version,
    without_secrets,
};
use crate::{
    cli::{debug_words::DebugFlags, exec::ObjectKind},
    metrics::Tally,
    state::{IkeSa, State},
    statistics::Statistics,
};

/// A configuration: what its lines say, and what they come to.
#[derive(Clone, Debug)]
pub struct Configured {
    /// Its lines.
    pub lines: Candidate,
    /// What they come to.
    pub resolved: Arc<Snapshot>,
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
    /// `show clock`
    Clock(SystemTime),
    /// `show crypto session`
    CryptoSession(State, SessionQuery),
    /// `show crypto session brief`
    CryptoSessionBrief(State),
    /// `show crypto session summary`
    CryptoSessionSummary(State),
    /// `show debugging`
    Debugging(DebugFlags),
    /// `show derived-config interface virtual-access N`
    DerivedConfig(State, u32),
    /// `show crypto ikev2 sa`
    Ikev2Sa(State, Ikev2SaQuery),
    /// `show crypto ikev2 session [detailed]`
    Ikev2Session(State, bool),
    /// `show crypto ikev2 stats`
    Ikev2Stats(Box<Statistics>, Ikev2Stats),
    /// `show ip local pool [NAME]`
    IpLocalPool(State, Option<String>),
    /// `show crypto ipsec sa`
    IpsecSa(State, IpsecSaQuery),
    /// `show crypto ipsec sa count`
    IpsecSaCount(State),
    /// `show ipv6 local pool [NAME]`
    Ipv6LocalPool(State, Option<String>),
    /// `show metrics`
    Metrics(Tally),
    /// What objects of a configuration say.
    Object(Box<Configured>, ObjectKind, Option<String>),
    /// `show running-config`: its lines.
    RunningConfig(String),
    /// `show version`
    Version {
        /// `hostname`
        hostname: String,
        /// Since the daemon was started.
        up: Duration,
    },
}

/// Facts under one name, as one line of text each level deeper indented.
fn named(name: &str, facts: impl Serialize) -> Result<String, String> {
    let mut text = serde_json::to_string_pretty(&BTreeMap::from([(name, facts)]))
        .map_err(|error| format!("% {error}"))?;
    text.push('\n');
    Ok(text)
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

/// What serves, and since when.
#[derive(Serialize)]
struct Version<'f> {
    /// Its name.
    software: &'static str,
    /// Its version.
    version: &'static str,
    /// `hostname`
    hostname: &'f str,
    /// Seconds since the start.
    uptime: u64,
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
            Self::Clock(now) => clock(*now),
            Self::CryptoSession(state, query) => crypto_session(state, query),
            Self::CryptoSessionBrief(state) => crypto_session_brief(state),
            Self::CryptoSessionSummary(state) => crypto_session_summary(state),
            Self::Debugging(flags) => debugging(flags),
            Self::DerivedConfig(state, number) => return derived_config(state, *number),
            Self::Ikev2Sa(state, query) => ikev2_sa(state, query),
            Self::Ikev2Session(state, detailed) => ikev2_session(state, *detailed),
            Self::Ikev2Stats(statistics, which) => ikev2_stats(statistics, *which),
            Self::IpLocalPool(state, name) => return ip_local_pool(state, name.as_deref()),
            Self::IpsecSa(state, query) => ipsec_sa(state, query),
            Self::IpsecSaCount(state) => ipsec_sa_count(state),
            Self::Ipv6LocalPool(state, name) => return ipv6_local_pool(state, name.as_deref()),
            Self::Metrics(tally) => tally.prometheus(),
            Self::Object(configured, kind, name) => {
                let of = match kind {
                    ObjectKind::AuthorizationPolicy => ikev2_authorization_policy,
                    ObjectKind::Ikev2Policy => ikev2_policy,
                    ObjectKind::Ikev2Profile => ikev2_profile,
                    ObjectKind::Ikev2Proposal => ikev2_proposal,
                    ObjectKind::IpsecProfile => ipsec_profile,
                    ObjectKind::TransformSet => ipsec_transform_set,
                };
                of(&configured.lines, &configured.resolved, name.as_deref())
            }
            Self::RunningConfig(lines) => running_config(lines),
            Self::Version { hostname, up } => version(hostname, *up),
        })
    }

    /// As JSON.
    ///
    /// # Errors
    ///
    /// As [`told`](Self::told).
    pub fn json(&self) -> Result<String, String> {
        match self {
            Self::Clock(now) => {
                let since = now.duration_since(SystemTime::UNIX_EPOCH);
                named(
                    "seconds_since_1970",
                    since.unwrap_or_default().as_secs_f64(),
                )
            }
            Self::CryptoSession(state, query) => sas(state, |sa| query.wants(sa)),
            Self::CryptoSessionBrief(state)
            | Self::CryptoSessionSummary(state)
            | Self::Ikev2Session(state, _) => sas(state, |_| true),
            Self::Debugging(flags) => named("debugging", debugging_facts(flags)),
            Self::DerivedConfig(state, number) => {
                let (_, session) = derived_session(state, *number)?;
                named("derived_config", &session.derived)
            }
            Self::Ikev2Sa(state, query) => sas(state, |sa| query.wants(sa)),
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
            Self::Ipv6LocalPool(state, name) => {
                let pools = known(&state.ipv6_pools, name.as_deref(), |pool| &pool.name)?;
                named("ipv6_pools", pools)
            }
            Self::Metrics(tally) => named("metrics", tally.facts()),
            Self::Object(configured, kind, name) => {
                let (name, resolved) = (name.as_deref(), &*configured.resolved);
                let configured = &configured.lines;
                match kind {
                    ObjectKind::AuthorizationPolicy => named(
                        "authorization_policies",
                        objects::authorization_policies(configured, name),
                    ),
                    ObjectKind::Ikev2Policy => named(
                        "ikev2_policies",
                        objects::policies(configured, resolved, name),
                    ),
                    ObjectKind::Ikev2Profile => {
                        named("ikev2_profiles", objects::profiles(configured, name))
                    }
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
            Self::RunningConfig(lines) => {
                let lines: Vec<String> = lines.lines().map(without_secrets).collect();
                named("running_config", lines)
            }
            Self::Version { hostname, up } => {
                let version = Version {
                    software: env!("CARGO_PKG_NAME"),
                    version: env!("CARGO_PKG_VERSION"),
                    hostname,
                    uptime: up.as_secs(),
                };
                named("version", version)
            }
        }
    }
}
