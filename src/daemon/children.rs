//! Child SAs in the dataplane: installed, rekeyed, moved and removed, with the routes to their clients.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    num::NonZeroU64,
};

use ironflex_ikev2::event::{Answer, ChildId, ChildSa, Command, Instant, Path, SaId};
use ironflex_profiles::{model::ikev2::DpdMode, snapshot::Profile};
use ironflex_xfrm::{Counters, EspSpi, Event, Limits, OuterPath, ReplayWindow, SessionId};

use super::{
    log::{SaMade, Step, Why},
    session::{Installed, Session},
    statistics::{self, Operation},
    work::House,
};
use crate::{
    lifetimes::Pairs,
    metrics::Metric,
    translate::{self, Keeper, SaWishes},
};

impl House {
    /// Installs a new child SA in both directions, and the route to its client.
    pub(super) fn install(&mut self, sa: SaId, child: &ChildSa) -> Result<Answer, String> {
        let serving = self.serving(sa)?;
        let id = self
            .sessions
            .dataplane_id(sa)
            .ok_or("no session number is free in the dataplane")?;
        let installed = self.install_as(id, &serving.profile, sa, child);
        if installed.is_err() {
            self.sessions.forget_dataplane(id);
        }
        installed.map(|()| Answer::Installed)
    }

    fn install_as(
        &mut self,
        id: SessionId,
        profile: &Profile,
        sa: SaId,
        child: &ChildSa,
    ) -> Result<(), String> {
        let template = super::network::template_number(&profile.virtual_template.interface.name);
        let template = template.unwrap_or_default();
        let wishes = wishes(profile, self.network.if_id(template));
        let pair = translate::sa_pair(id, child, &wishes).map_err(|error| error.to_string())?;
        self.dataplane
            .install(&pair)
            .map_err(|error| format!("the dataplane refused the SAs: {error}"))?;
        // A further child SA's packets go the way that the client is reached by already.
        let client = self
            .sessions
            .view(sa)
            .filter(|session| session.routes.is_empty())
            .map_or_else(Vec::new, |session| session.leases.networks());
        let peer: IpAddr = pair.path.remote;
        let routes = match self.network.add_session(template, peer, &client) {
            Ok(routes) => routes,
            Err(error) => {
                let _ = self.dataplane.remove(id);
                return Err(format!("no route to the client: {error}"));
            }
        };
        let known = session_number(self, sa);
        let virtual_access = known.unwrap_or_else(|| self.sessions.virtual_access());
        let mut pairs = Pairs::default();
        pairs.add(pair.inbound.spi, pair.outbound.spi);
        let number = self.sessions.sa_number();
        let session = self.session(sa)?;
        let comes_up = session.installed.is_empty();
        session.virtual_access = Some(virtual_access);
        session.routes.extend(routes);
        session.installed.push(Installed {
            child: child.id,
            id,
            path: pair.path,
            selectors: (child.local.clone(), child.remote.clone()),
            pairs,
            numbers: vec![(pair.inbound.spi, number)],
            rekeyed: Vec::new(),
            waiting: Vec::new(),
        });
        if comes_up {
            self.log.line_protocol(sa, virtual_access, true);
        }
        self.tell_made(sa, child);
        Ok(())
    }

    /// `debug crypto ipsec`
    fn tell_made(&self, sa: SaId, child: &ChildSa) {
        if self.log.flags.crypto_ipsec {
            let made = SaMade {
                local: child.path.local.ip().to_canonical(),
                remote: child.path.remote.ip().to_canonical(),
                inbound_spi: child.inbound_spi,
                outbound_spi: child.outbound_spi,
                transform: translate::esp_algorithm(child.suite.protection).to_string(),
            };
            let step = Step::SaCreated(&made);
            self.log.step(self.sessions.view(sa), step);
        }
    }

    /// Says what an SA is rekeyed for.
    pub(super) fn tell_rekeying(&self, command: &Command, why: Why) {
        let (sa, inbound_spi) = match *command {
            Command::RekeyChild(sa, inbound_spi) => (sa, Some(inbound_spi)),
            Command::Rekey(sa) => (sa, None),
            _ => return,
        };
        let step = Step::Rekeying(inbound_spi, why);
        self.log.step(self.sessions.view(sa), step);
    }

    fn tell_gone(&self, sa: SaId, installed: &Installed) {
        if let Some(spi) = installed.pairs.newest() {
            let step = Step::SaDeleted(spi.value());
            self.log.step(self.sessions.view(sa), step);
        }
    }

    /// Rekeying, first step (RFC 7296 §2.8): the new inbound SA stands beside the old one; the outbound one
    /// waits for [`switch`](Self::switch).
    pub(super) fn install_successor(
        &mut self,
        sa: SaId,
        child: &ChildSa,
    ) -> Result<Answer, String> {
        let serving = self.serving(sa)?;
        let wishes = wishes(&serving.profile, None);
        let (inbound, outbound) =
            translate::sa_specs(child, &wishes).map_err(|error| error.to_string())?;
        let installed = self
            .installed(sa, child.id)
            .ok_or("there is nothing to rekey")?;
        let (id, spi) = (installed.id, inbound.spi);
        self.dataplane
            .add_inbound(id, &inbound)
            .map_err(|error| format!("the dataplane refused the SA: {error}"))?;
        let number = self.sessions.sa_number();
        if let Some(installed) = self.installed(sa, child.id) {
            installed.pairs.add(spi, outbound.spi);
            installed.numbers.push((spi, number));
            installed.waiting.push((spi, outbound));
        }
        if child.by_peer {
            let command = Command::RekeyChild(sa, child.inbound_spi);
            self.tell_rekeying(&command, Why::Peer);
        }
        self.tell_made(sa, child);
        Ok(Answer::Installed)
    }

    /// Rekeying, second step: from now on the outbound SA beside this inbound one is sent on. Gives what to
    /// tell the core where that fails: a session that cannot send is of no use.
    pub(super) fn switch(
        &mut self,
        now: Instant,
        sa: SaId,
        child: ChildId,
        inbound_spi: u32,
    ) -> Option<Command> {
        let spi = EspSpi::new(inbound_spi)?;
        let installed = self.installed(sa, child)?;
        let id = installed.id;
        let mut taken_back = false;
        let switched = match installed.waiting.iter().position(|&(one, _)| one == spi) {
            Some(at) => {
                let (_, outbound) = installed.waiting.remove(at);
                self.dataplane.replace_outbound(id, &outbound)
            }
            // Its successor is gone before it: what was sent on before is sent on again.
            None => {
                taken_back = true;
                let outbound = installed.pairs.outbound_of(spi)?;
                self.dataplane.resume_outbound(id, outbound)
            }
        };
        match switched {
            Ok(()) if taken_back => {
                self.tally.count(Metric::RekeyTakenBack);
                if let Some(installed) = self.installed(sa, child) {
                    installed.take_back(spi);
                }
                None
            }
            Ok(()) => {
                self.tally.count_of(Metric::Rekeyed, "child");
                let counters = self.dataplane.counters(id).unwrap_or_default();
                if let Some(installed) = self.installed(sa, child) {
                    installed.rekeyed.push((spi, now, counters));
                }
                None
            }
            Err(error) => {
                self.log.trouble(&error);
                Some(Command::Delete(sa))
            }
        }
    }

    /// Rekeying, last step: nothing is received on this inbound SA any more.
    pub(super) fn retire(&mut self, sa: SaId, child: ChildId, inbound_spi: u32) {
        let Some(spi) = EspSpi::new(inbound_spi) else {
            return;
        };
        let Some(installed) = self.installed(sa, child) else {
            return;
        };
        installed.pairs.forget(spi);
        installed.numbers.retain(|&(inbound, _)| inbound != spi);
        installed.waiting.retain(|&(inbound, _)| inbound != spi);
        installed.rekeyed.retain(|&(inbound, ..)| inbound != spi);
        let id = installed.id;
        if let Err(error) = self.dataplane.remove_inbound(id, spi) {
            self.log.trouble(&error);
        }
        let step = Step::SaDeleted(inbound_spi);
        self.log.step(self.sessions.view(sa), step);
    }

    /// What went through every session of the dataplane. As last seen, with a line in the log, where it cannot be read.
    pub(super) fn counters(&mut self) -> HashMap<SessionId, Counters> {
        let (all, error) = self.dataplane.all_counters();
        if let Some(error) = error {
            self.log.trouble(&error);
        }
        all
    }

    /// Whether a client that says nothing in IKE is to be asked for a sign of life: always with `periodic`,
    /// with `on-demand` only if packets were sent to it and none of it came in meanwhile (`dpd`).
    pub(super) fn wants_probe(&mut self, sa: SaId) -> bool {
        let Some(session) = self.sessions.of(sa) else {
            return false;
        };
        let profile = session.profile.as_ref();
        let on_demand = profile
            .and_then(|serving| serving.profile.dpd)
            .is_some_and(|dpd| dpd.mode == DpdMode::OnDemand);
        let [heard_before, sent_before] = session.traffic.unwrap_or_default();
        let Some(now) = self.packets(sa) else {
            return true;
        };
        if let Some(session) = self.sessions.of(sa) {
            session.traffic = Some(now);
        }
        let [heard, sent] = now;
        !on_demand || (sent != sent_before && heard == heard_before)
    }

    /// The packets that came and went by all child SAs of a session; `None` where there is none, or one that cannot be read.
    pub(super) fn packets(&mut self, sa: SaId) -> Option<[u64; 2]> {
        let installed = &self.sessions.view(sa)?.installed;
        let mut sum = None;
        for one in installed {
            let counters = self.dataplane.counters(one.id).ok()?;
            let [heard, sent] = sum.unwrap_or([0_u64; 2]);
            sum = Some([
                heard.saturating_add(counters.inbound.packets),
                sent.saturating_add(counters.outbound.packets),
            ]);
        }
        sum
    }

    /// Takes note of the ESP that has gone out to a session's peer. Returns whether there was any since this was asked last;
    /// what cannot be read says no.
    pub(super) fn take_sent_esp(&mut self, sa: SaId) -> bool {
        let Some([_, sent]) = self.packets(sa) else {
            return false;
        };
        let session = self.sessions.of(sa);
        session.is_some_and(|session| std::mem::replace(&mut session.sent_before, sent) != sent)
    }

    fn installed(&mut self, sa: SaId, child: ChildId) -> Option<&mut Installed> {
        let session = self.sessions.of(sa)?;
        session
            .installed
            .iter_mut()
            .find(|installed| installed.child == child)
    }

    /// What the core is to do because an SA in the dataplane has worn out.
    pub(super) fn worn(&self, id: SessionId, event: &Event) -> Option<Command> {
        let sa = self.sessions.by_dataplane(id)?;
        let session = self.sessions.view(sa)?;
        let installed = session.installed.iter().find(|one| one.id == id)?;
        installed.pairs.due(sa, event)
    }

    /// Whether such a command is about an SA that is sent on, and not about one that has been replaced and still receives.
    pub(super) fn is_in_use(&self, command: &Command) -> bool {
        let (Command::RekeyChild(sa, spi) | Command::DeleteChild(sa, spi)) = *command else {
            return false;
        };
        let session = self.sessions.view(sa).into_iter();
        let mut installed = session.flat_map(|session| &session.installed);
        EspSpi::new(spi).is_some_and(|spi| installed.any(|one| one.is_in_use(spi)))
    }

    /// The peer of a session is somewhere else now: all that is installed for it follows.
    pub(super) fn move_session(&mut self, sa: SaId, path: &Path, udp_encapsulation: bool) {
        let Some(session) = self.sessions.of(sa) else {
            return;
        };
        session.remote = Some(path.remote);
        let path = translate::outer_path(path, udp_encapsulation);
        let all: Vec<_> = session.installed.iter().map(|one| one.id).collect();
        for id in all {
            self.move_peer(sa, id, path);
        }
    }

    /// An authentic ESP packet of a session came from another place: what is installed there follows.
    pub(super) fn esp_moved(&mut self, id: SessionId, remote: SocketAddr) {
        let Some(sa) = self.sessions.by_dataplane(id) else {
            return;
        };
        let session = self.sessions.view(sa);
        let mut installed = session.into_iter().flat_map(|session| &session.installed);
        if let Some(installed) = installed.find(|installed| installed.id == id) {
            let path = installed.path.with_remote_udp(remote);
            self.move_peer(sa, id, path);
        }
    }

    /// Moves what is installed in the dataplane. Where that fails, what is known of it is what the dataplane still does.
    fn move_peer(&mut self, sa: SaId, id: SessionId, path: OuterPath) {
        if let Err(error) = self.dataplane.move_peer(id, path) {
            self.log.trouble(&error);
            return;
        }
        let session = self.sessions.of(sa).into_iter();
        let mut installed = session.flat_map(|session| session.installed.iter_mut());
        if let Some(installed) = installed.find(|installed| installed.id == id) {
            installed.path = path;
        }
    }

    /// Releases what one child SA holds in the dataplane, and with a session's last one the routes to its client.
    pub(super) fn release_child(&mut self, sa: SaId, child: ChildId) {
        let Some(session) = self.sessions.of(sa) else {
            return;
        };
        let at = session.installed.iter().position(|one| one.child == child);
        if let Some(at) = at {
            let installed = session.installed.remove(at);
            let goes_down = session
                .virtual_access
                .filter(|_| session.installed.is_empty());
            self.lead_no_more(sa);
            self.tell_gone(sa, &installed);
            self.remove(&installed);
            if let Some(number) = goes_down {
                self.log.line_protocol(sa, number, false);
            }
        }
    }

    /// Takes the routes to a session's client away, unless a child SA needs them.
    fn lead_no_more(&mut self, sa: SaId) {
        let routes = self
            .sessions
            .of(sa)
            .map_or_else(Vec::new, Session::idle_routes);
        if let Err(error) = self.network.remove_session(&routes) {
            self.log.trouble(&error);
        }
    }

    /// Releases what a session holds in the dataplane, the routes and the pools.
    pub fn release(&mut self, sa: SaId) {
        let Some(session) = self.sessions.of(sa) else {
            return;
        };
        let installed = std::mem::take(&mut session.installed);
        let leases = std::mem::take(&mut session.leases);
        let virtual_access = session.virtual_access.take();
        // The routes go first: what is still sent to the client then meets the unreachable one.
        self.lead_no_more(sa);
        for one in &installed {
            self.tell_gone(sa, one);
            self.remove(one);
        }
        if let Some(number) = virtual_access {
            if !installed.is_empty() {
                self.log.line_protocol(sa, number, false);
            }
            self.sessions.release_virtual_access(number);
        }
        self.pools.release(leases, sa);
    }

    fn remove(&mut self, installed: &Installed) {
        let removed = self.dataplane.remove(installed.id);
        Operation::SaDeletion.ended(&mut self.tally, removed.is_ok());
        match removed {
            Ok(through) => {
                statistics::traffic(&mut self.tally, &through);
                self.sessions.forget_dataplane(installed.id);
            }
            Err(error) => {
                self.log.trouble(&error);
                self.leftovers.add(installed.id);
            }
        }
    }

    /// When something of the house is due.
    pub(super) fn due(&self) -> Option<Instant> {
        let all = [
            self.log.due(),
            self.idle.due(),
            self.leftovers.due(),
            self.configure.due(),
        ];
        all.into_iter().flatten().min()
    }

    /// Does what is due by now. Returns the sessions that are to be ended, being idle.
    pub(super) fn keep_time(&mut self, now: Instant) -> Vec<SaId> {
        self.log.settle();
        for (id, through) in self.leftovers.remove(now, &mut *self.dataplane) {
            statistics::traffic(&mut self.tally, &through);
            self.sessions.forget_dataplane(id);
        }
        self.idle_sessions(now)
    }
}

fn session_number(house: &House, sa: SaId) -> Option<u32> {
    house.sessions.view(sa)?.virtual_access
}

fn wishes(profile: &Profile, if_id: Option<std::num::NonZeroU32>) -> SaWishes {
    let ipsec = &profile.virtual_template.ipsec;
    let window = ipsec.replay_window.map_or(0, u32::from);
    let hard = Limits {
        bytes: ipsec
            .lifetime_kilobytes
            .and_then(|kilobytes| u64::from(kilobytes).checked_mul(1024))
            .and_then(NonZeroU64::new),
        packets: None,
        seconds: NonZeroU64::new(u64::from(ipsec.lifetime_seconds)),
    };
    SaWishes {
        replay_window: ReplayWindow::new(window).unwrap_or_default(),
        soft: translate::soft_limits(hard, Keeper::Headend),
        hard,
        if_id,
        follow_peer: true,
    }
}

#[cfg(test)]
mod tests {
    use ironflex_xfrm::{
        AesKeySize, Encapsulation, EspAlgorithm, IpPrefix, SaKeys, SaPair, SaSpec, Selectors,
    };

    use super::{super::configure::tests::Scene, *};

    fn spec(spi: u32) -> SaSpec {
        let algorithm = EspAlgorithm::AesGcm16(AesKeySize::Aes128);
        let key = vec![0xa5; algorithm.encryption_octets()];
        SaSpec {
            spi: EspSpi::new(spi).unwrap(),
            keys: SaKeys::new(algorithm, &key, &[]).unwrap(),
            esn: false,
            replay_window: ReplayWindow::DEFAULT,
            soft: Limits::NONE,
            hard: Limits::NONE,
        }
    }

    /// What the SAs of the example's profile are to have, with these lines behind it.
    fn wishes_with(lines: &str) -> SaWishes {
        const EXAMPLE: &str = include_str!("../../examples/flexvpn-headend.conf");
        let parsed = ironflex_profiles::parse(&format!("{EXAMPLE}\n{lines}"), "test");
        let snapshot = ironflex_profiles::resolve(&parsed.candidate).unwrap();
        let mut profiles = snapshot.profiles.iter();
        let profile = profiles.find(|profile| profile.name == *"AnyConnect-EAP");
        wishes(profile.unwrap(), None)
    }

    #[test]
    fn an_sa_has_the_limits_of_its_profile_and_else_those_of_the_whole() {
        const WHOLE: &str = "crypto ipsec security-association lifetime seconds 240\n\
                             crypto ipsec security-association lifetime kilobytes 2560\n\
                             crypto ipsec security-association replay window-size 128\n";
        const OWN: &str = "crypto ipsec profile AnyConnect-EAP\n\
                           set security-association lifetime seconds 120\n\
                           set security-association lifetime kilobytes disable\n\
                           set security-association replay disable\n";
        // Those of a router where nothing is said.
        for (lines, seconds, bytes, window) in [
            ("", 3_600, Some(4_608_000 << 10), 64),
            (WHOLE, 240, Some(2_560 << 10), 128),
            (&[WHOLE, OWN].concat(), 120, None, 0),
        ] {
            let wishes = wishes_with(lines);
            let hard = Limits {
                bytes: bytes.and_then(NonZeroU64::new),
                packets: None,
                seconds: NonZeroU64::new(seconds),
            };
            assert_eq!(wishes.hard, hard, "{lines}");
            assert_eq!(wishes.replay_window.packets(), window, "{lines}");
            // The headend's part of the lifetime is the last twentieth; a volume is each end's own affair.
            let soft = wishes.soft;
            let sixty_fourths = |soft: Option<NonZeroU64>, hard: Option<NonZeroU64>| {
                Some(soft?.get() as f64 * 64.0 / hard?.get() as f64)
            };
            let at = sixty_fourths(soft.seconds, hard.seconds).unwrap();
            assert!((60.0..63.0).contains(&at), "{lines}: {at}");
            let at = sixty_fourths(soft.bytes, hard.bytes);
            assert_eq!(at.is_some(), bytes.is_some(), "{lines}");
            assert!(
                at.is_none_or(|at| (56.0..61.0).contains(&at)),
                "{lines}: {at:?}"
            );
            assert_eq!(soft.packets, None);
        }
    }

    // It would not be tried again otherwise, for nothing has changed then.
    #[test]
    fn where_the_dataplane_does_not_follow_a_peer_the_path_stays_known_as_it_is() {
        let mut house = Scene::new().driver.house;
        let sa = SaId::from_spi(1);
        house.sessions.open(sa);
        let id = house.sessions.dataplane_id(sa).unwrap();
        let path = OuterPath {
            local: [192, 0, 2, 1].into(),
            remote: [192, 0, 2, 100].into(),
            encapsulation: Encapsulation::Udp {
                local_port: 4500,
                remote_port: 40_000,
            },
        };
        let [inbound, outbound] = [0x1000, 0x2000].map(spec);
        let pair = SaPair {
            id,
            path,
            selectors: Selectors {
                local: vec![IpPrefix::ANY_V4],
                remote: vec![IpPrefix::ANY_V4],
            },
            inbound,
            outbound,
            follow_peer: true,
            if_id: None,
        };
        house.dataplane.install(&pair).unwrap();
        house.sessions.of(sa).unwrap().installed.push(Installed {
            child: ChildId::default(),
            id,
            path,
            selectors: (Vec::new(), Vec::new()),
            pairs: Pairs::default(),
            numbers: Vec::new(),
            rekeyed: Vec::new(),
            waiting: Vec::new(),
        });
        let moved = |house: &mut House, port| {
            house.esp_moved(id, ([192, 0, 2, 100], port).into());
            house.sessions.view(sa).unwrap().installed[0].path
        };
        let there = path.with_remote_udp(([192, 0, 2, 100], 40_001).into());
        assert_ne!(there, path);
        assert_eq!(moved(&mut house, 40_001), there);
        // There is nothing that it could move any more.
        house.dataplane.remove(id).unwrap();
        assert_eq!(moved(&mut house, 40_002), there);
    }
}
