//! From one plan to another while clients are there.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use ironflex_ikev2::{config::EndpointConfig, crash_detection::QcdSecret};
use ironflex_profiles::{
    Candidate, Diagnostic, Live,
    model::name::Name,
    render, resolve_live,
    snapshot::{LocalMethod, Profile},
    ties,
};
use ironflex_xfrm::netlink::Owner;

use super::{
    super::{
        compile::{Before, Compiled, Plan, compile_live},
        crash_secret,
        difference::{Difference, Fate, changed_lines},
        driver::Driver,
        load,
        network::{self, HouseNetwork, Wanted, template_number},
        work::House,
    },
    Keys,
    held::BEING_WRITTEN,
};
use crate::{dataplane, pki::Placed};

/// How many sessions are named.
const NAMED: usize = 8;

/// What holds whatever is configured.
pub struct Terms {
    /// Where state lives.
    pub state_dir: PathBuf,
    /// ESP is ours, in UDP alone.
    pub userspace: bool,
    /// ESP is the kernel's.
    pub kernel: bool,
    /// The kernel knows packets that belong to its SAs.
    pub kernel_ipsec: bool,
    /// Behind the tokens for crashes, once there are any.
    pub secret: Option<QcdSecret>,
}

impl Terms {
    /// Opens the secret behind the tokens, where a plan wants tokens, and waits for the disk. Returns what is to be said of it.
    pub fn open_secret(&mut self, plan: &Plan) -> Option<crash_secret::Remark> {
        if !self.lacks_secret(plan) {
            return None;
        }
        let opened = crash_secret::open(&self.state_dir);
        self.secret = opened.secret;
        opened.remark
    }

    /// Whether a plan wants tokens, and there is no secret for them.
    pub(super) fn lacks_secret(&self, plan: &Plan) -> bool {
        plan.snapshot.ikev2.crash_detection && self.secret.is_none()
    }

    /// What the endpoint goes by.
    #[must_use]
    pub fn endpoint(&self, plan: &Plan) -> EndpointConfig {
        let mut config = plan.endpoint.clone();
        if self.userspace {
            // ESP only comes in UDP then, so both ends have to find a NAT.
            config.nat.force_encapsulation = true;
            config.nat.encapsulation_required = true;
        }
        if plan.snapshot.ikev2.crash_detection {
            config.crash_detection.secret.clone_from(&self.secret);
        }
        config
    }
}

/// What a change means for whoever is there.
pub(super) struct Effect {
    /// The profile, user or pool, of which is told once; of the network each thing is.
    pub(super) of: String,
    pub(super) text: String,
}

impl House {
    /// The configuration is this one from here on, with these faults.
    fn reconfigured(&mut self, candidate: Candidate, faults: Vec<Diagnostic>) {
        self.running_config = render(&candidate);
        self.configured = candidate;
        self.configure.faults.lines = faults;
    }

    /// Sessions that `wanted` picks, as `user (address)`.
    fn named(&self, wanted: impl Fn(&super::super::session::Session) -> bool) -> Option<String> {
        let found = self.sessions.iter().filter(|(_, session)| wanted(session));
        let names: Vec<String> = found
            .filter_map(|(_, session)| {
                let user = &session.who.as_ref()?.user;
                Some(match session.leases.addresses().next() {
                    Some(address) => format!("{} ({address})", crate::cli::Printable(user)),
                    None => crate::cli::Printable(user).to_string(),
                })
            })
            .collect();
        let more = match names.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let first: Vec<&str> = names.iter().take(NAMED).map(String::as_str).collect();
        (!first.is_empty()).then(|| format!("{}{more}", first.join(", ")))
    }

    /// Says in the log which profiles serve nobody, of those that `wanted` picks or that it has said so of, and why; and which of
    /// those serve again.
    pub(super) fn tell_inactive(&mut self, wanted: impl Fn(&Name) -> bool) {
        let told = &mut self.configure.told_inactive;
        let now: BTreeMap<&Name, &str> = self.plan.inactive().collect();
        told.retain(|name, _| {
            let serves = self.plan.profiles.contains_key(name);
            if serves {
                self.log
                    .info(format_args!("crypto ikev2 profile {name} is active now"));
            }
            !serves && now.contains_key(name)
        });
        for (name, why) in now {
            let known = told.get(name).map(String::as_str);
            if known != Some(why) && (known.is_some() || wanted(name)) {
                self.log.warning(format_args!(
                    "crypto ikev2 profile {name} is inactive: {why}"
                ));
                told.insert(name.clone(), why.to_owned());
            }
        }
    }

    /// What is said of profiles that served nobody, where they serve now.
    pub(super) fn active<'n>(&self, names: impl IntoIterator<Item = &'n Name>) -> Vec<String> {
        let serving = |name: &&Name| self.plan.profiles.contains_key(*name);
        let active = names.into_iter().filter(serving);
        active
            .map(|name| format!("% IKEv2 profile {name} is active now\n"))
            .collect()
    }

    /// What is said of profiles that served, where they serve nobody now. One that its own lines have taken away or shut down is
    /// told of where somebody is there by it.
    pub(super) fn stopped<'n>(&self, names: impl IntoIterator<Item = &'n Name>) -> Vec<String> {
        let whys: BTreeMap<&Name, &str> = self.plan.inactive().collect();
        let is_gone = |name: &&Name| !self.plan.profiles.contains_key(*name);
        let gone = names.into_iter().filter(is_gone);
        gone.filter_map(|name| {
            let why = whys.get(name).map(|why| crate::cli::Printable(why));
            let sessions = self.served_by(name);
            if why.is_none() && sessions.is_none() {
                return None;
            }
            let why = why.map_or_else(String::new, |why| format!(": {why}"));
            let sessions = sessions.map_or_else(String::new, |sessions| {
                format!("; sessions go on as they came up: {sessions}")
            });
            Some(format!(
                "% IKEv2 profile {name} serves nobody any more{why}{sessions}\n"
            ))
        })
        .collect()
    }

    /// Sessions that a profile of this name serves.
    fn served_by(&self, name: &Name) -> Option<String> {
        self.named(|session| {
            let serving = session.profile.as_deref();
            serving.is_some_and(|serving| serving.profile.name == *name)
        })
    }

    /// What is said of a profile that is another in this plan.
    fn changed(&self, name: &Name, plan: &Plan) -> String {
        let of = |plan: &Plan| Some(Arc::clone(&plan.profiles.get(name)?.profile));
        let both = of(&self.plan).zip(of(plan));
        let lines = both.map_or_else(Vec::new, |(before, after)| changed_lines(&before, &after));
        if lines.is_empty() {
            // What its lines name is another: what a trustpoint holds.
            return "has changed by the keys or certificates of its trustpoints".to_owned();
        }
        format!("has changed ({})", lines.join(", "))
    }

    /// Whom a change concerns, and what it does to them.
    fn effects(&self, difference: &Difference, plan: &Plan) -> Vec<Effect> {
        let mut effects = Vec::new();
        for (name, fate) in &difference.profiles {
            // Of one that serves nobody any more is told when it is known that it stays so, see `stopped`.
            if *fate != Fate::Changed {
                continue;
            }
            let what = self.changed(name, plan);
            effects.extend(self.served_by(name).map(|sessions| Effect {
                of: name.to_string(),
                text: format!(
                    "% IKEv2 profile {name} {what}; sessions go on as they came up: {sessions}\n"
                ),
            }));
        }
        for name in &difference.users {
            let is = |user: &str| user.eq_ignore_ascii_case(name.as_str());
            let sessions = self.named(|session| {
                let eap = session.device.is_some();
                eap && session.who.as_ref().is_some_and(|who| is(&who.user))
            });
            effects.extend(sessions.map(|sessions| Effect {
                of: name.to_string(),
                text: format!(
                    "% User {name} stays logged in: {sessions}; 'clear crypto session username {name}' ends that\n"
                ),
            }));
        }
        effects
    }
}

/// Whether a profile proves itself or its clients by one of these trustpoints.
fn uses(profile: &Profile, trustpoints: &BTreeSet<String>) -> bool {
    let own = match &profile.local {
        LocalMethod::RsaSig(trustpoint) | LocalMethod::EcdsaSig(trustpoint) => Some(trustpoint),
        LocalMethod::PreShare(_) => None,
    };
    let mut all = own.into_iter().chain(&profile.verify);
    all.any(|trustpoint| trustpoints.contains(trustpoint.name.as_str()))
}

/// Whether two profiles have their keys and authorities from the same places.
fn names_same_keys(one: &Profile, other: &Profile) -> bool {
    one.local == other.local && one.verify == other.verify
}

impl Driver {
    /// Puts a configuration to work, and stores the keys that come with it.
    ///
    /// Nothing waits here for the disk to have written anything: trustpoints are renamed, the journal's few lines are written over, and
    /// the rest is done beside the loop. What is read are the trustpoints of profiles that begin to serve, or by other trustpoints than
    /// before: files of the state folder of at most 2 MiB each, which the start or the line that brought them has read or written
    /// before.
    ///
    /// # Errors
    ///
    /// What the store, the journal or the network refuses; everything is as it was then.
    pub(super) fn apply(
        &mut self,
        mut candidate: Candidate,
        Keys { draft, renewed }: Keys,
    ) -> Result<Vec<Effect>, String> {
        let house = &mut self.house;
        // `no interface` takes away what lines say, and not what the command line says.
        for (interface, device) in &house.configure.devices {
            candidate.tie_device(interface.clone(), device.clone());
        }
        candidate.settle();
        let Live { snapshot, faults } = resolve_live(&candidate);
        if snapshot == *house.plan.snapshot && renewed.is_empty() {
            let faults = faults.into_iter().chain(ties(&candidate)).collect();
            house.reconfigured(candidate, faults);
            return Ok(Vec::new());
        }
        let mut line_faults = faults;
        line_faults.extend(ties(&candidate));
        let before = &house.plan;
        let store = draft
            .as_ref()
            .map_or(&house.configure.store, |draft| draft.store());
        // What a line has imported may be what was there.
        let known = |profile: &Profile| {
            let Some(serving) = before.profiles.get(&profile.name) else {
                return Before::Another;
            };
            let has_same_keys = if uses(profile, &renewed) {
                *serving.profile == *profile && serving.is_of(store)
            } else {
                names_same_keys(profile, &serving.profile)
            };
            match has_same_keys {
                true if *serving.profile == *profile => Before::Same(Arc::clone(serving)),
                true => Before::SameKeys(Arc::clone(serving)),
                false => Before::Another,
            }
        };
        let Compiled { plan, faults } = compile_live(Arc::new(snapshot), store, known);
        let difference = Difference::between(before, &plan);
        // First what may fail.
        let holds = draft.is_some() && house.configure.revert.is_some();
        let held = house.configure.held.clone();
        // Until it is known whether they stay, nobody who has written the file forgets what they were.
        let changes = match holds.then(|| held.try_lock()) {
            Some(None) => return Err(format!("the {BEING_WRITTEN}")),
            changes => changes.flatten(),
        };
        // What is held decides what the network is to keep.
        let devices = network::devices(&before.snapshot).chain(network::devices(&plan.snapshot));
        if let Err(error) = house.journal.note(devices) {
            return Err(format!("journal: {error}"));
        }
        let pools = difference.pools.then(|| {
            let mut pools = house.pools.clone();
            pools.reconfigure(&plan.snapshot);
            pools
        });
        let strays = pools.as_ref().unwrap_or(&house.pools).strays();
        let wanted = Wanted::of(&plan.snapshot, strays);
        let placed = draft.map(|draft| draft.place(holds)).transpose();
        let placed = placed.map_err(|error| format!("key store: {error}"))?;
        let templates: BTreeSet<u32> = house
            .sessions
            .iter()
            .filter_map(|(_, session)| session.profile.as_ref())
            .filter_map(|serving| template_number(&serving.profile.virtual_template.interface.name))
            .collect();
        let in_use = |number: u32| templates.contains(&number);
        let kernel_ipsec = house.configure.terms.kernel_ipsec;
        let changed = house.network.change(wanted, in_use, kernel_ipsec);
        let mut warnings = changed.map_err(|error| error.to_string())?;
        // From here on nothing is refused.
        if let Some(mut changes) = changes {
            changes.note(&renewed);
        }
        let untrue = if before.snapshot.interfaces == plan.snapshot.interfaces {
            Vec::new()
        } else {
            let of = |network: &mut HouseNetwork, plan: &Plan| {
                // Where the devices cannot be listed, a start would say so.
                network.tied_devices(&plan.snapshot).unwrap_or_default()
            };
            let known = of(&mut house.network, before);
            let mut untrue = of(&mut house.network, &plan);
            untrue.retain(|one| !known.contains(one));
            untrue
        };
        match placed.map(Placed::settle) {
            Some(Ok(remains)) => house.configure.clear(house.clock.now(), remains),
            Some(Err(error)) => warnings.push(format!("key store: {error}")),
            None => {}
        }
        if let Some(pools) = pools {
            house.pools = pools;
        }
        house.reconfigured(candidate, line_faults);
        let mut effects = house.effects(&difference, &plan);
        let of = |text: String| Effect {
            of: text.clone(),
            text,
        };
        warnings.extend(untrue);
        effects.extend(warnings.into_iter().map(|one| of(format!("% {one}\n"))));
        effects.extend(self.lacking(&difference).map(of));
        let house = &mut self.house;
        if let Some(remark) = house.configure.find_secret(house.clock.now(), &plan) {
            effects.push(of(format!("% {remark}\n")));
        }
        if difference.endpoint {
            self.endpoint
                .reconfigure(house.configure.terms.endpoint(&plan));
        }
        if let Some(limit) = difference.init_queue {
            self.first_requests
                .resize(usize::try_from(limit).unwrap_or(usize::MAX));
        }
        let why = load::nobody_can_log_in(&plan.snapshot);
        if why != load::nobody_can_log_in(&house.plan.snapshot)
            && let Some(why) = why
        {
            house.log.warning(format_args!("nobody can log in: {why}"));
        }
        house.log.logging = plan.snapshot.ikev2.logging;
        let before = std::mem::replace(&mut house.plan, plan);
        let aaa = &house.plan.aaa;
        house
            .lockout
            .follow(aaa.max_fail, &before.aaa.users, &aaa.users);
        // One that is being written has not served anybody yet, and is told of once its lines are all there.
        house.tell_inactive(|name| before.profiles.contains_key(name));
        house.configure.faults.plan = faults.iter().map(ToString::to_string).collect();
        Ok(effects)
    }

    /// What this kernel cannot carry of what is new, and what a start would make of it.
    fn lacking(&self, difference: &Difference) -> Option<String> {
        if !self.house.configure.terms.kernel || difference.algorithms.is_empty() {
            return None;
        }
        let error = dataplane::lacking(Owner::Headend, &difference.algorithms)?;
        Some(format!(
            "% The kernel cannot carry what is negotiated by these lines ({error}): clients that choose it are refused \
             until the headend is started again, which takes another dataplane then\n"
        ))
    }
}
