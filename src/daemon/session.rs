//! The sessions: what belongs to an IKE SA outside of the core, from its first message to its last.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::SocketAddr,
    sync::Arc,
};

use ironflex_eap::anyconnect::{Server, config_auth::DeviceInfo};
use ironflex_ikev2::{
    event::{ChildId, CloseReason, EapContext, Framing, Instant, Path, PeerProof, SaId},
    refusal::Refusal,
    wire::payload::{Identification, TrafficSelector},
};
use ironflex_xfrm::{Counters, EspSpi, OuterPath, SaSpec, SessionId, netlink::Route};

use super::{
    assignment::Leases,
    compile::ServingProfile,
    identity::{Certified, PeerKey},
    unproven::DueKey,
};
use crate::lifetimes::Pairs;

/// `CE id` counts from here, as on IOS-XE.
const FIRST_CE_ID: u32 = 1001;

/// A user, or an identity without one, and the device that it comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Who {
    /// Who it is; the rest is for people.
    pub key: PeerKey,
    /// The user of EAP, or the proven identity as text.
    pub user: Arc<str>,
    /// The device's own number, as the client claims it.
    pub device: Option<String>,
}

#[cfg(test)]
impl Who {
    /// A user of EAP.
    pub(super) fn of_user(user: &str, device: Option<String>) -> Self {
        let user = Arc::from(user);
        Self {
            key: PeerKey::User(Arc::clone(&user)),
            user,
            device,
        }
    }
}

/// Why the headend of itself deletes a session's IKE SA, where only it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// The headend ends.
    AtStop,
    /// `clear crypto session` and the like.
    ByOperator,
    /// Nothing went through it for as long as the configuration allows.
    Idle,
}

impl fmt::Display for Deletion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AtStop => "the headend stops",
            Self::ByOperator => "cleared by the operator",
            Self::Idle => "nothing went through it for the idle time",
        })
    }
}

/// One session.
pub struct Session {
    /// Where the peer is, as far as it is known.
    pub remote: Option<SocketAddr>,
    /// `Tunnel-id`: the smallest number that was free.
    pub tunnel_id: u32,
    /// `CE id`.
    pub ce_id: u32,
    /// `Session-id`.
    pub session_id: u32,
    /// The profile that serves it, once it is known.
    pub profile: Option<Arc<ServingProfile>>,
    /// What the peer calls itself, with the type in front.
    pub claimed: Option<Arc<str>>,
    /// The same as a router's log has it, without the type.
    pub named: Option<Arc<str>>,
    /// What we call ourselves towards it: it may have asked for one of our names.
    pub own_identity: Option<Identification>,
    /// The pre-shared key that it must have, if its profile takes one.
    pub due_key: Option<DueKey>,
    /// The EAP conversation, while the client owes a response.
    pub eap: Option<Server>,
    /// What a client certificate's signature in EAP covers.
    pub eap_context: Option<EapContext>,
    /// The pre-shared key that the peer may use is nobody else's.
    pub key_is_of_one: bool,
    /// How the peer proved itself, once it did.
    pub proof: Option<PeerProof>,
    /// The verified certificate that the peer proved itself with.
    pub certified: Option<Certified>,
    /// The user that it last tried to log in as.
    pub tried: Option<Arc<str>>,
    /// The password that was last given was wrong.
    pub login_failed: bool,
    /// Why its proof does not hold is written.
    pub told_unproven: bool,
    /// That it probably does not trust our certificate is written.
    pub told_distrust: bool,
    /// Its first child SA was refused, which ends it.
    pub child_refused: bool,
    /// Why we delete it, if we do.
    pub deletion: Option<Deletion>,
    /// Who it is, once authenticated ([`Sessions::authenticate`]).
    pub who: Option<Arc<Who>>,
    /// The client's description of its device, from EAP.
    pub device: Option<DeviceInfo>,
    /// The addresses that it holds.
    pub leases: Leases,
    /// The number of its Virtual-Access interface, once something has been installed for it.
    pub virtual_access: Option<u32>,
    /// What is installed for it, one for each child SA.
    pub installed: Vec<Installed>,
    /// The routes to its client, for as long as there is a child SA.
    pub routes: Vec<Route>,
    /// The packets that had come and gone when its silence was last looked at.
    pub traffic: Option<[u64; 2]>,
    /// The packets that had gone when a NAT in between was last to be reminded of us.
    pub sent_before: u64,
    /// When something was last seen to go through it, where that is looked at.
    pub in_use: Option<super::idle::Use>,
    /// When it came up.
    pub up_since: Option<Instant>,
    /// It was told that it is up.
    pub came_up: bool,
}

impl Session {
    /// Whether a login that failed is why it ends for this reason: nobody gives up for another after a wrong password.
    #[must_use]
    pub const fn ends_by_login(&self, reason: &CloseReason) -> bool {
        self.login_failed
            && matches!(
                reason,
                CloseReason::PeerDeleted
                    | CloseReason::Refused(Refusal::ByPeer(_) | Refusal::Denied(_))
            )
    }

    /// Whether an inbound SA comes into use again, because its successor is gone before it: a rekey that is taken back.
    #[must_use]
    pub fn takes_back(&self, child: ChildId, inbound_spi: u32) -> bool {
        let mut installed = self.installed.iter();
        installed.any(|one| {
            let waits = |(spi, _): &(EspSpi, SaSpec)| spi.value() == inbound_spi;
            one.child == child && !one.waiting.iter().any(waits)
        })
    }

    /// What a client of AnyConnect-EAP calls the machine that it runs on.
    #[must_use]
    pub fn device_name(&self) -> Option<&str> {
        let device = self.device.as_ref()?;
        let name = device.unique_id_global.as_ref();
        name.or(device.unique_id.as_ref()).map(String::as_str)
    }

    /// Whether a peer that is somewhere else now has only gone on to port 4500, as NAT detection has it (RFC 7296 §2.23), and
    /// a NAT may have given it another port for that.
    #[must_use]
    pub fn floats_to(&self, path: &Path) -> bool {
        let same =
            |remote: SocketAddr| remote.ip().to_canonical() == path.remote.ip().to_canonical();
        !self.came_up && path.framing == Framing::Marked && self.remote.is_some_and(same)
    }

    /// Gives up the routes to its client if no child SA is there any more that they lead to.
    pub fn idle_routes(&mut self) -> Vec<Route> {
        if self.installed.is_empty() {
            std::mem::take(&mut self.routes)
        } else {
            Vec::new()
        }
    }
}

/// What one child SA of a session has in the dataplane, rekeyed or not.
pub struct Installed {
    /// Its name towards the core.
    pub child: ChildId,
    /// Its name in the dataplane.
    pub id: SessionId,
    /// The outer addresses.
    pub path: OuterPath,
    /// Selectors of both sides.
    pub selectors: (Vec<TrafficSelector>, Vec<TrafficSelector>),
    /// Its SAs in the dataplane.
    pub pairs: Pairs,
    /// The number of each of these pairs, by its inbound SPI.
    pub numbers: Vec<(EspSpi, u32)>,
    /// The inbound SAs that took over from another, when they did, and what had gone through the session by then. The last
    /// one is in use; none where that is the first of all.
    pub rekeyed: Vec<(EspSpi, Instant, Counters)>,
    /// Outbound SAs that are not sent on yet, with their inbound SPIs.
    pub waiting: Vec<(EspSpi, SaSpec)>,
}

impl Installed {
    /// The number of the pair with this inbound SPI.
    #[must_use]
    pub fn number_of(&self, inbound: u32) -> u32 {
        let mut numbers = self.numbers.iter();
        let found = numbers.find(|(one, _)| one.value() == inbound);
        found.map_or(0, |&(_, number)| number)
    }

    /// Whether the SA of this inbound SPI is the one that is sent on.
    pub fn is_in_use(&self, inbound: EspSpi) -> bool {
        let last = self.rekeyed.last().map(|&(spi, ..)| spi);
        last.or_else(|| self.pairs.oldest()) == Some(inbound)
    }

    /// The SA of this inbound SPI is in use again: it is as old as it was before.
    pub fn take_back(&mut self, inbound: EspSpi) {
        let since = self.rekeyed.iter().position(|&(one, ..)| one == inbound);
        self.rekeyed
            .truncate(since.map_or(0, |at| at.saturating_add(1)));
    }
}

/// Every session, and the numbers that are in use.
#[derive(Default)]
pub struct Sessions {
    by_sa: BTreeMap<SaId, Session>,
    /// The authenticated sessions of clients that name their device.
    by_client: BTreeSet<(Arc<Who>, SaId)>,
    tunnel_ids: Numbers,
    virtual_accesses: Numbers,
    next_session: u32,
    next_ce: u32,
    next_dataplane: u32,
    next_sa: u32,
    dataplane: BTreeMap<SessionId, SaId>,
}

/// Gives out the smallest free number from 1.
#[derive(Debug, Default)]
struct Numbers {
    next: u32,
    free: BTreeSet<u32>,
}

impl Numbers {
    fn take(&mut self) -> u32 {
        self.free.pop_first().unwrap_or_else(|| {
            self.next = self.next.saturating_add(1);
            self.next
        })
    }

    fn give_back(&mut self, number: u32) {
        self.free.insert(number);
    }
}

impl Sessions {
    /// A session for a new IKE SA.
    pub fn open(&mut self, sa: SaId) -> &mut Session {
        self.next_session = self.next_session.saturating_add(1);
        let ce_id = FIRST_CE_ID.saturating_add(self.next_ce);
        self.next_ce = self.next_ce.saturating_add(1);
        let session = Session {
            remote: None,
            tunnel_id: self.tunnel_ids.take(),
            ce_id,
            session_id: self.next_session,
            profile: None,
            claimed: None,
            named: None,
            own_identity: None,
            due_key: None,
            eap: None,
            eap_context: None,
            key_is_of_one: false,
            proof: None,
            certified: None,
            tried: None,
            login_failed: false,
            told_unproven: false,
            told_distrust: false,
            child_refused: false,
            deletion: None,
            who: None,
            device: None,
            leases: Leases::default(),
            virtual_access: None,
            installed: Vec::new(),
            routes: Vec::new(),
            traffic: None,
            sent_before: 0,
            in_use: None,
            up_since: None,
            came_up: false,
        };
        self.by_sa.entry(sa).or_insert(session)
    }

    /// How many there were since the start.
    #[must_use]
    pub const fn begun(&self) -> u32 {
        self.next_session
    }

    /// The session of an IKE SA.
    pub fn of(&mut self, sa: SaId) -> Option<&mut Session> {
        self.by_sa.get_mut(&sa)
    }

    /// Notes why a session's IKE SA is about to be deleted; the first reason stays. Returns whether this is the first one.
    pub fn note_deletion(&mut self, sa: SaId, deletion: Deletion) -> bool {
        let session = self.by_sa.get_mut(&sa);
        let session = session.filter(|session| session.deletion.is_none());
        session
            .map(|session| session.deletion = Some(deletion))
            .is_some()
    }

    /// The session of an IKE SA, to look at.
    #[must_use]
    pub fn view(&self, sa: SaId) -> Option<&Session> {
        self.by_sa.get(&sa)
    }

    /// Every session, to look at.
    pub fn iter(&self) -> impl Iterator<Item = (SaId, &Session)> {
        self.by_sa.iter().map(|(&sa, session)| (sa, session))
    }

    /// A number for a pair of ESP SAs, which no pair has had for long.
    pub const fn sa_number(&mut self) -> u32 {
        /// Each has two of a router's flows.
        const MOST: u32 = 1 << 28;
        self.next_sa = self.next_sa.saturating_add(1) % MOST;
        self.next_sa
    }

    /// A name in the dataplane that is not in use; `None` when all of them are.
    pub fn dataplane_id(&mut self, sa: SaId) -> Option<SessionId> {
        for _ in 0..=SessionId::MAX {
            self.next_dataplane = self.next_dataplane.wrapping_add(1) & SessionId::MAX;
            let id = SessionId::new(self.next_dataplane)?;
            if let std::collections::btree_map::Entry::Vacant(free) = self.dataplane.entry(id) {
                free.insert(sa);
                return Some(id);
            }
        }
        None
    }

    /// The IKE SA behind a name in the dataplane.
    #[must_use]
    pub fn by_dataplane(&self, id: SessionId) -> Option<SaId> {
        self.dataplane.get(&id).copied()
    }

    /// A name in the dataplane is free again.
    pub fn forget_dataplane(&mut self, id: SessionId) {
        self.dataplane.remove(&id);
    }

    /// A number for a Virtual-Access interface.
    pub fn virtual_access(&mut self) -> u32 {
        self.virtual_accesses.take()
    }

    /// A Virtual-Access interface is gone.
    pub fn release_virtual_access(&mut self, number: u32) {
        self.virtual_accesses.give_back(number);
    }

    /// Ends a session and gives its numbers back; what it holds elsewhere is the caller's to release.
    pub fn close(&mut self, sa: SaId) -> Option<Session> {
        let mut session = self.by_sa.remove(&sa)?;
        self.tunnel_ids.give_back(session.tunnel_id);
        if let Some(who) = session.who.take() {
            let key = (who, sa);
            self.by_client.remove(&key);
            session.who = Some(key.0);
        }
        Some(session)
    }

    /// A session's client is known now.
    pub fn authenticate(&mut self, sa: SaId, who: Who) {
        let Some(session) = self.by_sa.get_mut(&sa) else {
            return;
        };
        let who = Arc::new(who);
        if let Some(before) = session.who.replace(Arc::clone(&who)) {
            self.by_client.remove(&(before, sa));
        }
        if who.device.is_some() {
            self.by_client.insert((who, sa));
        }
    }

    /// The other sessions of a session's user on the same device. A client that names no device is
    /// never taken for another: all of Cisco's clients share one IKE identity.
    #[must_use]
    pub fn same_client(&self, sa: SaId) -> Vec<SaId> {
        let Some(who) = self.view(sa).and_then(|session| session.who.as_ref()) else {
            return Vec::new();
        };
        let of = |spi| (Arc::clone(who), SaId::from_spi(spi));
        self.by_client
            .range(of(u64::MIN)..=of(u64::MAX))
            .map(|&(_, other)| other)
            .filter(|&other| other != sa)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use ironflex_xfrm::{Encapsulation, IpPrefix, netlink::Owner};

    use super::*;

    #[test]
    fn gives_the_smallest_free_number_and_takes_it_back() {
        let mut sessions = Sessions::default();
        let (a, b, c) = (SaId::from_spi(1), SaId::from_spi(2), SaId::from_spi(3));
        assert_eq!(sessions.open(a).tunnel_id, 1);
        assert_eq!(sessions.open(b).tunnel_id, 2);
        sessions.close(a);
        let third = sessions.open(c);
        assert_eq!(
            (third.tunnel_id, third.session_id, third.ce_id),
            (1, 3, 1003)
        );
    }

    #[test]
    fn knows_the_other_sessions_of_a_device_and_never_those_of_a_nameless_one() {
        let mut sessions = Sessions::default();
        let spi = SaId::from_spi;
        for (sa, device) in [
            (1, Some("A")),
            (2, Some("A")),
            (3, Some("B")),
            (4, None),
            (5, None),
        ] {
            sessions.open(spi(sa));
            let device = device.map(str::to_owned);
            sessions.authenticate(spi(sa), Who::of_user("test", device));
        }
        assert_eq!(sessions.same_client(spi(1)), [spi(2)]);
        assert!(sessions.same_client(spi(3)).is_empty());
        assert!(sessions.same_client(spi(4)).is_empty());
        // Another user on the same device is somebody else, and what has ended is not named any more.
        let device = Some("A".to_owned());
        sessions.authenticate(spi(3), Who::of_user("other", device));
        assert!(sessions.same_client(spi(3)).is_empty());
        sessions.close(spi(2));
        assert!(sessions.same_client(spi(1)).is_empty());
    }

    fn installed(number: u32) -> Installed {
        let address = "192.0.2.1".parse().unwrap();
        Installed {
            child: ChildId::default(),
            id: SessionId::new(number).unwrap(),
            path: OuterPath {
                local: address,
                remote: address,
                encapsulation: Encapsulation::None,
            },
            selectors: (Vec::new(), Vec::new()),
            pairs: Pairs::default(),
            numbers: Vec::new(),
            rekeyed: Vec::new(),
            waiting: Vec::new(),
        }
    }

    #[test]
    fn of_the_sas_that_replace_each_other_one_is_in_use() {
        let [first, second, outbound] = [1, 2, 3].map(|spi| EspSpi::new(spi << 8).unwrap());
        let mut one = installed(1);
        let in_use = |one: &Installed| [first, second].map(|spi| one.is_in_use(spi));
        one.pairs.add(first, outbound);
        one.pairs.add(second, outbound);
        assert_eq!(in_use(&one), [true, false]);
        let taken_over = (second, Instant::default(), Counters::default());
        one.rekeyed.push(taken_over);
        assert_eq!(in_use(&one), [false, true]);
        one.pairs.forget(first);
        assert_eq!(in_use(&one), [false, true]);
        one.take_back(first);
        one.pairs.add(first, outbound);
        one.pairs.forget(second);
        assert_eq!(in_use(&one), [true, false]);
    }

    #[test]
    fn an_sa_that_is_in_use_again_is_as_old_as_it_was_before() {
        let [first, second, third] = [1, 2, 3].map(|spi| EspSpi::new(spi << 8).unwrap());
        let at = |seconds| Instant::new(std::time::Duration::from_secs(seconds));
        let mut one = installed(1);
        for (spi, seconds) in [(second, 10), (third, 20)] {
            one.rekeyed.push((spi, at(seconds), Counters::default()));
        }
        one.take_back(second);
        assert_eq!(one.rekeyed.last().map(|&(_, since, _)| since), Some(at(10)));
        one.take_back(first);
        assert!(one.rekeyed.is_empty());
    }

    #[test]
    fn a_login_that_failed_is_why_a_client_gives_up_and_not_why_it_falls_silent() {
        use ironflex_ikev2::wire::registry::NotifyType;
        let mut sessions = Sessions::default();
        let session = sessions.open(SaId::from_spi(1));
        let gave_up = CloseReason::Refused(Refusal::ByPeer(NotifyType::AUTHENTICATION_FAILED));
        assert!(!session.ends_by_login(&gave_up));
        session.login_failed = true;
        assert!(session.ends_by_login(&gave_up));
        assert!(session.ends_by_login(&CloseReason::PeerDeleted));
        assert!(!session.ends_by_login(&CloseReason::TimedOut));
        assert!(!session.ends_by_login(&CloseReason::Deleted));
    }

    // Each of them is shown as `test`.
    #[test]
    fn who_is_shown_alike_is_not_the_same_for_that() {
        let mut sessions = Sessions::default();
        let keys = [
            PeerKey::User(Arc::from("test")),
            PeerKey::Certificate(Arc::from(b"test".as_slice())),
            PeerKey::PreShared(2, Arc::from(b"test".as_slice())),
            PeerKey::PreShared(11, Arc::from(b"test".as_slice())),
        ];
        for (sa, key) in (1..).zip(keys) {
            let sa = SaId::from_spi(sa);
            sessions.open(sa);
            let who = Who {
                key,
                ..Who::of_user("test", Some("test".to_owned()))
            };
            sessions.authenticate(sa, who);
            assert_eq!(sessions.same_client(sa), []);
        }
    }

    // RFC 7296 §1.3.1: a session may have several child SAs, and each may be deleted alone.
    #[test]
    fn the_routes_to_a_client_go_with_its_last_child_sa() {
        let mut sessions = Sessions::default();
        let session = sessions.open(SaId::from_spi(1));
        let address = "192.0.2.1".parse().unwrap();
        let route = Route::guard(Owner::Headend, IpPrefix::host(address));
        session.installed = vec![installed(1), installed(2)];
        session.routes = vec![route];
        session.installed.remove(0);
        assert_eq!(session.idle_routes(), []);
        session.installed.remove(0);
        assert_eq!(session.idle_routes(), [route]);
        assert_eq!(session.idle_routes(), []);
    }
}
