//! The clock, what is due, and both ends.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::SocketAddr,
    time::Duration,
};

use ironflex_ikev2::{
    Input, Output,
    config::{AcceptedProofs, InitiatorAuthentication, LocalAuthentication},
    event::{Answer, Ask, AskId, Command, Event, Instant, Path, SaId, Transmit},
    wire::payload::Identification,
};

use super::{
    Totals,
    attacker::Attacker,
    end::{End, HOLDER, KEY},
    network::{Flight, Network},
    scenario::{Action, Login, Order, Proof, Scenario, Side},
    support::{Seeded, own_certificate, pre_shared_key},
};

/// Inputs in one run at most: more would be a ping-pong.
const STEPS: u64 = 200_000;

/// Sessions of the client at most.
const SESSIONS: usize = 3;

/// Child SAs of one session at most, those apart that replace each other.
const CHILDREN: usize = 3;

/// Something that is going to happen.
enum Happening {
    Act(Action),
    Arrival(Flight),
    Answer(Side, SaId, AskId, Answer),
    /// An ESP packet to this end's SA, on the child SA with this inbound SPI.
    Packet(Side, SaId, u32),
}

pub struct World {
    pub(super) scenario: Scenario,
    pub(super) now: Instant,
    pub(super) headend: End,
    pub(super) client: End,
    pub totals: Totals,
    /// SAs that came up without a child and were not to, and those whose child the dataplane refused.
    pub(super) childless: BTreeSet<(Side, SaId)>,
    /// Addresses of the client, as the headend sees them, at which it has received something.
    reached: BTreeSet<SocketAddr>,
    pub(super) network: Network,
    attacker: Attacker,
    outside: Seeded,
    agenda: BTreeMap<(Instant, u64), Happening>,
    counter: u64,
    journal: Option<Vec<String>>,
}

impl World {
    pub fn new(scenario: Scenario) -> Self {
        let seed = scenario.seed;
        let mut world = Self {
            now: Instant::new(Duration::from_secs(1)),
            headend: End::new(Side::Headend, scenario.setup.server.clone(), seed ^ 1),
            client: End::new(Side::Client, scenario.setup.client.clone(), seed ^ 2),
            totals: Totals::default(),
            childless: BTreeSet::new(),
            reached: BTreeSet::new(),
            network: Network::new(scenario.weather, scenario.nat, Seeded(seed ^ 3)),
            attacker: Attacker::new(Seeded(seed ^ 4)),
            outside: Seeded(seed ^ 5),
            agenda: BTreeMap::new(),
            counter: 0,
            journal: None,
            scenario,
        };
        for (at, action) in world.scenario.script.clone() {
            world.plan(at, Happening::Act(action));
        }
        world
    }

    pub fn keep_journal(&mut self) {
        self.journal = Some(Vec::new());
    }

    pub fn into_journal(self) -> Vec<String> {
        self.journal.unwrap_or_default()
    }

    pub fn say(&mut self, what: impl FnOnce() -> String) {
        let at = self.now.since_origin().as_secs_f64();
        if let Some(journal) = &mut self.journal {
            journal.push(format!("{at:9.3} {}", what()));
        }
    }

    pub(super) const fn end(&self, side: Side) -> &End {
        match side {
            Side::Headend => &self.headend,
            Side::Client => &self.client,
        }
    }

    pub(super) const fn end_mut(&mut self, side: Side) -> &mut End {
        match side {
            Side::Headend => &mut self.headend,
            Side::Client => &mut self.client,
        }
    }

    /// This end and the other.
    pub(super) const fn ends(&mut self, side: Side) -> (&mut End, &mut End) {
        match side {
            Side::Headend => (&mut self.headend, &mut self.client),
            Side::Client => (&mut self.client, &mut self.headend),
        }
    }

    fn plan(&mut self, at: Instant, what: Happening) {
        self.counter += 1;
        self.agenda.insert((at, self.counter), what);
    }

    // --- The course of a run ---

    /// The script, then rest, then the end of everything.
    pub fn play(&mut self) {
        self.totals.runs = 1;
        let last = self.scenario.script.last().map_or(self.now, |&(at, _)| at);
        self.run_until(last);
        self.mend();
        self.rest("after the script");
        let before = self.totals.logins;
        let proofs = [Proof::Eap, Proof::Certificate, Proof::PreSharedKey];
        let proof = proofs[usize::try_from(self.outside.next() % 3).unwrap()];
        self.connect(Login {
            proof,
            honest: true,
        });
        self.run_for(30);
        assert_eq!(self.totals.logins, before + 1, "a login in fair weather");
        self.rest("after another login");
        let sides: Vec<(Side, SaId)> = {
            let ids: Vec<SaId> = self.client.up().collect();
            let mut at_end = |id| {
                let partner = self.client.records[&id].partner.unwrap();
                match self.outside.chance(50) {
                    true => (Side::Client, id),
                    false => (Side::Headend, partner),
                }
            };
            ids.into_iter().map(&mut at_end).collect()
        };
        for (side, id) in sides {
            self.order(side, Order::Delete, id, 0);
        }
        self.run_for(200);
        self.check_clean();
        for end in [&self.headend, &self.client] {
            self.totals.losses += u64::from(end.side == Side::Client) * self.network.losses;
        }
        self.totals.rekeys = self.client.rekeys;
    }

    /// From now on the network is fair, the attacker is gone, and the outside does what it is asked.
    fn mend(&mut self) {
        self.say(|| "the network is mended".into());
        self.network.mend();
        self.scenario.attack = 0;
        self.attacker.leave();
        self.scenario.refusals = 0;
        self.scenario.slowness = Duration::ZERO;
    }

    /// Time passes, and both ends look after each other: an end whose peer is gone learns of it, by its own liveness
    /// checks where it has such, and else by a command.
    fn rest(&mut self, when: &str) {
        for round in 1..=80 {
            self.run_for(10);
            for side in Side::BOTH {
                self.traffic(side);
            }
            // Late enough for whatever was under way, and with time for the other end to find out about this one.
            if round == 40 {
                self.look_after();
            }
        }
        // An SA with a lifetime may just be at its rekeying, and one with liveness checks at one of these.
        let mut unrest = self.unrest();
        for _ in 0..60 {
            if unrest.is_none() {
                break;
            }
            self.run_for(1);
            unrest = self.unrest();
        }
        self.totals.checks += 1;
        assert_eq!(unrest, None, "{when}");
        self.totals.survivors += u64::try_from(self.client.up().count()).unwrap();
        let several = self.client.up();
        let several = several.filter(|&id| self.client.children(id).count() > 1);
        self.totals.several += u64::try_from(several.count()).unwrap();
    }

    /// What the outside has to do itself where it has no liveness checks.
    fn look_after(&mut self) {
        for side in Side::BOTH {
            let watched = self.scenario.upkeep(side).liveness.is_some();
            for id in self.end(side).up().collect::<Vec<_>>() {
                if !watched {
                    self.order(side, Order::Probe, id, 0);
                }
                // What began without a child SA and was refused one may have it now.
                let view = self.end(side).endpoint.view(id);
                if side == Side::Client && view.is_some_and(|view| view.child.is_none()) {
                    self.input(side, Input::Command(Command::NewChild(id)));
                }
            }
        }
    }

    fn run_for(&mut self, seconds: u64) {
        let until = self.now.after(Duration::from_secs(seconds));
        self.run_until(until);
    }

    fn run_until(&mut self, until: Instant) {
        while self.step(until) {
            assert!(self.totals.steps < STEPS, "no rest after {STEPS} steps");
        }
        self.now = until;
    }

    /// Moves the clock to what is next; false when nothing is before `until`.
    fn step(&mut self, until: Instant) -> bool {
        let planned = self.agenda.first_key_value().map(|(&(at, _), _)| at);
        let deadlines = Side::BOTH.map(|side| self.end(side).deadline);
        let due = deadlines.into_iter().flatten().min();
        let next = planned.into_iter().chain(due).min();
        let Some(next) = next.filter(|&next| next <= until) else {
            return false;
        };
        assert!(due.is_none_or(|due| due >= self.now), "time goes back");
        self.now = self.now.max(next);
        if planned == Some(next) {
            let (_, happening) = self.agenda.pop_first().unwrap();
            self.happen(happening);
        } else {
            for side in Side::BOTH {
                if self.end(side).deadline.is_some_and(|at| at <= self.now) {
                    self.input(side, Input::Timeout);
                }
            }
        }
        true
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Act(action) => self.act(action),
            Happening::Answer(side, id, ask, answer) => {
                self.say(|| format!("{side:?} {id}: the outside answers"));
                self.input(side, Input::Answer(id, ask, answer));
            }
            Happening::Arrival(flight) => {
                let Some(path) = self.network.arrive(&flight) else {
                    return;
                };
                let side = flight.to;
                self.say(|| arrival(&flight));
                // Whoever has brought it there.
                if side == Side::Client {
                    self.reached.insert(flight.path.local);
                }
                if flight.genuine {
                    self.end_mut(side).hears(&flight.octets);
                }
                self.input(side, Input::Datagram(path, &flight.octets));
            }
            Happening::Packet(side, id, spi) => self.packet(side, id, spi),
        }
    }

    // --- Inputs ---

    fn input(&mut self, side: Side, input: Input<'_>) {
        self.totals.steps += 1;
        let timeout = matches!(input, Input::Timeout);
        let now = self.now;
        self.end_mut(side).endpoint.handle(now, input);
        self.drain(side);
        self.check(side, timeout);
        // What came up while the host moved is still where that was.
        if side == Side::Client {
            for id in self.client.up().collect::<Vec<_>>() {
                self.follow_host(id);
            }
        }
    }

    fn drain(&mut self, side: Side) {
        let mut answers = VecDeque::new();
        let mut commands = VecDeque::new();
        loop {
            match self.end_mut(side).endpoint.poll() {
                Output::Transmit(transmit) => self.transmit(side, &transmit),
                Output::Ask(id, ask, question) => {
                    if let Ask::Install(child) | Ask::Rekey(child) = &question {
                        let (name, spi) = (child.id, child.inbound_spi);
                        self.say(|| format!("{side:?} {id}: child {name} to install, {spi:08X}"));
                    }
                    let refusals = self.scenario.refusals;
                    let setup = &self.scenario.setup;
                    let end = match side {
                        Side::Headend => &mut self.headend,
                        Side::Client => &mut self.client,
                    };
                    let over = end.records.get(&id).is_none_or(|one| one.over.is_some());
                    assert!(!over, "{side:?} {id}: a question after it was closed");
                    let first = matches!(question, Ask::Install(_));
                    let answer = end.decide(setup, refusals, id, question);
                    let had = end.records.get(&id).is_some_and(|one| one.had_child);
                    if first && !had && matches!(answer, Answer::Refused(_)) {
                        self.childless.insert((side, id));
                    }
                    answers.push_back((id, ask, answer));
                }
                Output::Event(id, event) => {
                    commands.extend(self.wanted(side, id, &event));
                    let now = self.now;
                    let text = self.end_mut(side).note(now, id, event);
                    self.say(|| format!("{side:?} {id}: {text}"));
                }
                // For the NAT in between, which forgets nothing here but by command.
                Output::Keepalive(..) => {}
                Output::Discarded(_, discard) => {
                    self.say(|| format!("{side:?} discards: {}", discard.name()));
                }
                Output::Timeout(at) => {
                    self.end_mut(side).deadline = at;
                    if let Some(command) = commands.pop_front() {
                        let now = self.now;
                        let command = Input::Command(command);
                        self.end_mut(side).endpoint.handle(now, command);
                        self.totals.steps += 1;
                        continue;
                    }
                    let Some((id, ask, answer)) = answers.pop_front() else {
                        return;
                    };
                    let most = u64::try_from(self.scenario.slowness.as_millis()).unwrap();
                    let wait = self.outside.next() % (most + 1);
                    if wait == 0 {
                        let now = self.now;
                        let answer = Input::Answer(id, ask, answer);
                        self.end_mut(side).endpoint.handle(now, answer);
                        self.totals.steps += 1;
                    } else {
                        let at = self.now.after(Duration::from_millis(wait));
                        self.plan(at, Happening::Answer(side, id, ask, answer));
                    }
                }
            }
        }
    }

    /// What the outside of an end has its endpoint do because of an event.
    fn wanted(&mut self, side: Side, id: SaId, event: &Event) -> Option<Command> {
        match event {
            Event::Established { child } => {
                if *child {
                    return None;
                }
                // RFC 6023: it was to begin so, and what it lacks is asked for.
                let record = &self.end(side).records[&id];
                let childless = self.scenario.setup.connect.childless && !record.disturbed;
                if !childless {
                    self.childless.insert((side, id));
                }
                (childless && side == Side::Client).then_some(Command::NewChild(id))
            }
            Event::Quiet => {
                let on_demand = match side {
                    Side::Headend => self.scenario.on_demand[0],
                    Side::Client => self.scenario.on_demand[1],
                };
                let end = self.end_mut(side);
                let alone = !end.sending.keys().any(|(sa, _)| *sa == id);
                let record = end.records.get_mut(&id)?;
                let in_vain = record.sent && !record.heard;
                (record.sent, record.heard) = (false, false);
                (!on_demand || alone || in_vain).then_some(Command::Probe(id))
            }
            // RFC 4555 §3.7: with MOBIKE, ESP goes nowhere where the client has not been heard.
            Event::PeerMoved { path, .. } if side == Side::Headend => {
                let up = self
                    .headend
                    .records
                    .get(&id)
                    .is_some_and(|one| one.established);
                let view = self.headend.endpoint.view(id);
                let mobike = up && view.is_some_and(|view| view.mobike);
                let there = path.remote;
                self.totals.checks += 1;
                assert!(
                    !mobike || self.reached.contains(&there),
                    "{id}: ESP goes to {there}, unheard"
                );
                None
            }
            _ => None,
        }
    }

    fn transmit(&mut self, side: Side, transmit: &Transmit) {
        let now = self.now;
        let (end, other) = self.ends(side);
        if let Some(spis) = end.sends(now, transmit)
            && other.creating.contains(&spis)
        {
            self.totals.collisions += 1;
        }
        let Some(flight) = self.network.flight(side, transmit) else {
            return;
        };
        for delay in self.network.delays(now, flight.to) {
            self.plan(now.after(delay), Happening::Arrival(flight.clone()));
        }
        let attack = self.scenario.attack;
        let forged = self.attacker.see(&flight, attack);
        self.launch(forged);
    }

    fn launch(&mut self, forged: Vec<Flight>) {
        for flight in forged {
            self.totals.attacks += 1;
            // Some of it overtakes what it was made of.
            let wait = Duration::from_millis(self.outside.next() % 100);
            let at = self.now.after(wait);
            self.plan(at, Happening::Arrival(flight));
        }
    }

    // --- The script ---

    fn act(&mut self, action: Action) {
        self.say(|| format!("--- {action:?}"));
        match action {
            Action::Connect(login) => {
                let live = self.client.records.values();
                if live.filter(|one| one.over.is_none()).count() < SESSIONS {
                    self.connect(login);
                }
            }
            Action::Order(side, order, pick) => {
                let up: Vec<SaId> = self.end(side).up().collect();
                let count = u64::try_from(up.len()).unwrap();
                if let Some(at) = pick.checked_rem(count) {
                    let id = up[usize::try_from(at).unwrap()];
                    self.order(side, order, id, pick / count);
                }
            }
            Action::Traffic(side) => self.traffic(side),
            Action::Rebind if !self.network.behind_nat() => {}
            Action::Rebind => self.network.rebind(),
            Action::Move { nat } => {
                self.totals.moves += 1;
                self.network.move_on(nat);
                for id in self.client.up().collect::<Vec<_>>() {
                    self.follow_host(id);
                }
            }
            Action::Blackout(towards, long) => {
                self.network.black_out(towards, self.now.after(long));
            }
            Action::Flood(count) => {
                let flood = self.attacker.flood(count);
                self.launch(flood);
            }
        }
    }

    fn connect(&mut self, login: Login) {
        let mut config = self.scenario.setup.connect.clone();
        config.spi = self.client.fresh_spi();
        match login.proof {
            // Cisco's clients are not offered it.
            Proof::Eap => config.childless = false,
            Proof::Certificate => {
                config.authentication = InitiatorAuthentication::Auth(own_certificate());
                config.identity = Identification::fqdn("client.example");
                config.vendor_ids.clear();
                config.signature_hashes = true;
            }
            Proof::PreSharedKey => {
                let key = pre_shared_key(if login.honest { KEY } else { b"another key" });
                let own = LocalAuthentication::PreSharedKey(key.clone());
                config.authentication = InitiatorAuthentication::Auth(own);
                config.responder = AcceptedProofs {
                    pre_shared_key: Some(key),
                    ..AcceptedProofs::default()
                };
                config.identity = Identification::fqdn(HOLDER);
                config.vendor_ids.clear();
            }
        }
        let host = self.network.host();
        config.path.local.set_ip(host);
        config.float_path.local.set_ip(host);
        self.client.login = Some(login);
        let command = Command::Connect(Box::new(config));
        self.input(Side::Client, Input::Command(command));
    }

    /// The client takes the way that its host has now.
    fn follow_host(&mut self, id: SaId) {
        let host = self.network.host();
        let view = self.client.endpoint.view(id);
        let path = view.filter(|view| view.ready).map(|view| view.path);
        let Some(path) = path.filter(|path| path.local.ip() != host) else {
            return;
        };
        let local = SocketAddr::new(host, path.local.port());
        let command = Command::Move(id, Path { local, ..path });
        self.input(Side::Client, Input::Command(command));
    }

    fn order(&mut self, side: Side, order: Order, id: SaId, pick: u64) {
        let end = self.end_mut(side);
        let children: Vec<u32> = end.children(id).map(|one| one.inbound_spi).collect();
        let at = pick.checked_rem(u64::try_from(children.len()).unwrap());
        let picked = at.map(|at| children[usize::try_from(at).unwrap()]);
        let spi = picked.unwrap_or_default();
        let record = end.records.get_mut(&id).unwrap();
        let command = match order {
            Order::Rekey => {
                let view = end.endpoint.view(id).filter(|view| view.ready);
                record.told_to_replace_ike =
                    view.map(|view| (view.initiator_spi.get(), view.responder_spi.get()));
                Command::Rekey(id)
            }
            Order::RekeyChild => {
                record.told_to_replace.extend(picked);
                Command::RekeyChild(id, spi)
            }
            Order::Probe => Command::Probe(id),
            // None is asked for where the first one is missing.
            Order::NewChild if children.is_empty() || children.len() >= CHILDREN => return,
            Order::NewChild => Command::NewChild(id),
            Order::DeleteChild => {
                end.worn_out.extend(picked);
                record.told_to_delete_child = true;
                // What goes is not promised any more; what stays beside it is.
                record.disturbed |= children.len() <= 1;
                Command::DeleteChild(id, spi)
            }
            Order::Delete => {
                record.told_to_end = true;
                record.disturbed = true;
                Command::Delete(id)
            }
            Order::Forget => {
                record.told_to_end = true;
                record.disturbed = true;
                Command::Forget(id)
            }
        };
        self.input(side, Input::Command(command));
    }

    fn traffic(&mut self, side: Side) {
        let (now, mut packets) = (self.now, Vec::new());
        let (end, network) = match side {
            Side::Headend => (&mut self.headend, &self.network),
            Side::Client => (&mut self.client, &self.network),
        };
        for (&(id, _), child) in &end.sending {
            let record = end.records.get_mut(&id).unwrap();
            let Some(partner) = record.partner.filter(|_| record.is_up()) else {
                continue;
            };
            record.sent = true;
            if network.carries(now, side, &child.path, child.udp_encapsulation) {
                packets.push((partner, child.outbound_spi));
            }
        }
        for (id, spi) in packets {
            // No weather: the invariant is that what arrives can be read.
            let at = self.now.after(self.network.delay());
            self.plan(at, Happening::Packet(side.other(), id, spi));
        }
    }

    /// A packet of ESP arrives. RFC 7296 §2.8: what was sent before a rekeying can be read after it.
    fn packet(&mut self, side: Side, id: SaId, spi: u32) {
        let (end, other) = self.ends(side);
        let Some(record) = end.records.get(&id) else {
            return;
        };
        let theirs = record.partner.and_then(|id| other.records.get(&id));
        let undisturbed = record.is_up() && theirs.is_some_and(|one| one.is_up() && !one.disturbed);
        if !end.receiving.contains_key(&(id, spi)) {
            let excused = !undisturbed || record.disturbed || end.may_be_deaf(other, spi);
            assert!(excused, "{side:?} {id}: a packet on {spi:08X} is lost");
            return;
        }
        self.totals.checks += 1;
        self.end_mut(side).records.get_mut(&id).unwrap().heard = true;
        if self.end_mut(side).first_use(id, spi) {
            self.say(|| format!("{side:?} {id}: first packet on {spi:08X}"));
            self.input(side, Input::Command(Command::ChildUsed(id, spi)));
        }
    }
}

fn arrival(flight: &Flight) -> String {
    let sum = flight
        .octets
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, &octet| {
            (sum ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3_u64)
        });
    let header = ironflex_ikev2::wire::Header::peek(&flight.octets);
    let header = header.map(|one| (one.exchange, one.flags.octet(), one.message_id.0));
    format!(
        "to {:?}: {} octets, {sum:016x}{} {header:?}",
        flight.to,
        flight.octets.len(),
        if flight.genuine { "" } else { ", forged" },
    )
}
