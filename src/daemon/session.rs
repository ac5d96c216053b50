//! The sessions: what belongs to an IKE SA outside of the core, from its first message to its last.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
};

use ironflex_eap::anyconnect::{AwaitCertificate, AwaitVerdict, Server, config_auth::DeviceInfo};
use ironflex_ikev2::{
    event::{EapContext, Instant, SaId},
    wire::payload::TrafficSelector,
};
use ironflex_xfrm::{OuterPath, SessionId, netlink::Route};

use super::compile::ServingProfile;

/// `CE id` counts from here, as on IOS-XE.
const FIRST_CE_ID: u32 = 1001;

/// A user, or an identity without one, and the device that it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// The user of EAP, or the proven identity as text.
    pub user: Arc<str>,
    /// The device's own number, as the client claims it.
    pub device: Option<String>,
}

/// One session.
pub struct Session {
    /// `Tunnel-id`: the smallest number that was free.
    pub tunnel_id: u32,
    /// `CE id`.
    pub ce_id: u32,
    /// `Session-id`.
    pub session_id: u32,
    /// The profile that serves it, once it is known.
    pub profile: Option<Arc<ServingProfile>>,
    /// The EAP conversation, while there is one.
    pub eap: Option<Eap>,
    /// What a client certificate's signature in EAP covers.
    pub eap_context: Option<EapContext>,
    /// Who it is, once authenticated.
    pub who: Option<Who>,
    /// The client's description of its device, from EAP.
    pub device: Option<DeviceInfo>,
    /// The address that it holds: pool and address.
    pub lease: Option<(String, Ipv4Addr)>,
    /// What is installed for it.
    pub installed: Option<Installed>,
    /// When it came up.
    pub up_since: Option<Instant>,
    /// Our Delete is out.
    pub deleting: bool,
}

/// An EAP conversation at rest.
pub enum Eap {
    /// The client owes a response.
    Waiting(Server),
    /// Somebody judges a password.
    Password(AwaitVerdict),
    /// Somebody judges a certificate.
    Certificate(AwaitCertificate),
}

/// What a session has in the dataplane.
pub struct Installed {
    /// Its name there.
    pub id: SessionId,
    /// The number of its Virtual-Access interface.
    pub virtual_access: u32,
    /// The routes to its client.
    pub routes: Vec<Route>,
    /// The outer addresses.
    pub path: OuterPath,
    /// Selectors of both sides.
    pub selectors: (Vec<TrafficSelector>, Vec<TrafficSelector>),
}

/// Every session, and the numbers that are in use.
#[derive(Default)]
pub struct Sessions {
    by_sa: BTreeMap<SaId, Session>,
    tunnel_ids: Numbers,
    virtual_accesses: Numbers,
    next_session: u32,
    next_ce: u32,
    next_dataplane: u32,
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
            tunnel_id: self.tunnel_ids.take(),
            ce_id,
            session_id: self.next_session,
            profile: None,
            eap: None,
            eap_context: None,
            who: None,
            device: None,
            lease: None,
            installed: None,
            up_since: None,
            deleting: false,
        };
        self.by_sa.entry(sa).or_insert(session)
    }

    /// The session of an IKE SA.
    pub fn of(&mut self, sa: SaId) -> Option<&mut Session> {
        self.by_sa.get_mut(&sa)
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
        let session = self.by_sa.remove(&sa)?;
        self.tunnel_ids.give_back(session.tunnel_id);
        Some(session)
    }

    /// The other sessions of the same user on the same device. A client that names no device is never
    /// taken for another: all of Cisco's clients share one IKE identity.
    pub fn same_client(&self, sa: SaId, who: &Who) -> Vec<SaId> {
        if who.device.is_none() {
            return Vec::new();
        }
        self.by_sa
            .iter()
            .filter(|&(&other, session)| other != sa && session.who.as_ref() == Some(who))
            .map(|(&other, _)| other)
            .collect()
    }
}

#[cfg(test)]
mod tests {
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
        let who = |device: Option<&str>| Who {
            user: Arc::from("test"),
            device: device.map(str::to_owned),
        };
        for (spi, device) in [
            (1, Some("A")),
            (2, Some("A")),
            (3, Some("B")),
            (4, None),
            (5, None),
        ] {
            sessions.open(SaId::from_spi(spi)).who = Some(who(device));
        }
        let same = |spi, device| sessions.same_client(SaId::from_spi(spi), &who(device));
        assert_eq!(same(1, Some("A")), [SaId::from_spi(2)]);
        assert!(same(3, Some("B")).is_empty());
        assert!(same(4, None).is_empty());
    }
}
