//! `debug crypto condition`: whose steps are told.

use std::{collections::BTreeSet, net::IpAddr};

use crate::{cli::exec::Condition, daemon::session::Session, state::logging::ConditionFacts};

/// What a session must have one of for its steps to be told; without any all are.
#[derive(Default)]
pub struct Conditions {
    peers: BTreeSet<IpAddr>,
    /// In lower case.
    users: BTreeSet<String>,
}

impl Conditions {
    /// Adds one, or takes it away.
    pub fn set(&mut self, condition: Condition, on: bool) {
        match (condition, on) {
            (Condition::Peer(address), true) => {
                self.peers.insert(address);
            }
            (Condition::Peer(address), false) => {
                self.peers.remove(&address);
            }
            (Condition::Username(user), true) => {
                self.users.insert(user.to_ascii_lowercase());
            }
            (Condition::Username(user), false) => {
                self.users.remove(&user.to_ascii_lowercase());
            }
        }
    }

    /// Takes all away.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Whether a session's steps are told.
    pub(super) fn fit(&self, session: Option<&Session>) -> bool {
        if self.peers.is_empty() && self.users.is_empty() {
            return true;
        }
        let Some(session) = session else {
            return false;
        };
        let peer = session.remote.map(|remote| remote.ip().to_canonical());
        let known = session.who.as_ref().map(|who| &who.user);
        let user = known.or(session.tried.as_ref());
        peer.is_some_and(|peer| self.peers.contains(&peer))
            || user.is_some_and(|user| self.users.contains(&user.to_ascii_lowercase()))
    }

    /// All of them.
    #[must_use]
    pub fn facts(&self) -> ConditionFacts {
        ConditionFacts {
            peers: self.peers.iter().copied().collect(),
            usernames: self.users.iter().cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ironflex_ikev2::event::SaId;

    use super::*;
    use crate::daemon::session::Sessions;

    #[test]
    fn one_condition_of_any_kind_is_enough_and_without_any_all_are_told() {
        let mut sessions = Sessions::default();
        let session = sessions.open(SaId::from_spi(1));
        session.remote = Some("[::ffff:192.0.2.1]:500".parse().unwrap());
        session.tried = Some(Arc::from("Test"));
        let session = sessions.view(SaId::from_spi(1));
        let mut conditions = Conditions::default();
        assert!(conditions.fit(session) && conditions.fit(None));
        let peer = |text: &str| Condition::Peer(text.parse().unwrap());
        conditions.set(peer("192.0.2.2"), true);
        assert!(!conditions.fit(session) && !conditions.fit(None));
        conditions.set(Condition::Username("test".into()), true);
        assert!(conditions.fit(session));
        conditions.set(Condition::Username("TEST".into()), false);
        assert!(!conditions.fit(session));
        conditions.set(peer("192.0.2.1"), true);
        assert!(conditions.fit(session));
        conditions.reset();
        assert!(conditions.fit(None));
    }
}
