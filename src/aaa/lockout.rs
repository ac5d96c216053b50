//! Who is locked out for wrong passwords: `aaa local authentication attempts max-fail N`.

use std::{
    collections::{BTreeMap, btree_map},
    num::NonZeroU16,
    time::SystemTime,
};

use super::{
    Accepted, Rejection, Verdict,
    local::{Judgement, LocalUsers, key},
};

/// Wrong passwords of local users, each counted from its last right one, and who is locked out because of them.
///
/// Only users that there are have a place here: names that somebody guesses cost nothing. It is forgotten when the
/// program ends, as a router forgets it in a reload.
#[derive(Debug, Default)]
pub struct Lockout {
    users: BTreeMap<String, Standing>,
}

/// One user with wrong passwords.
#[derive(Debug)]
struct Standing {
    /// The name as configured.
    name: String,
    /// Wrong passwords in a row.
    failed: u16,
    /// Since when not even the right one helps.
    locked_since: Option<SystemTime>,
}

/// A user who is locked out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedOut {
    /// The name as configured.
    pub user: String,
    /// When that came about.
    pub since: SystemTime,
}

impl Lockout {
    /// What becomes of a login. `max_fail` wrong passwords in a row lock a user out; without that number nobody is.
    pub(super) fn decide(
        &mut self,
        max_fail: Option<NonZeroU16>,
        judgement: Judgement<'_>,
        now: SystemTime,
    ) -> Verdict {
        let (user, is_right) = match judgement {
            Judgement::Right(user) => (user, true),
            Judgement::WrongPassword(user) => (user, false),
            Judgement::UnknownUser => return Verdict::Rejected(Rejection::UnknownUser),
        };
        let standing = self.users.entry(key(&user.name));
        let limit = max_fail.filter(|_| !user.never_locked_out);
        match (limit, standing) {
            (Some(_), btree_map::Entry::Occupied(one)) if one.get().locked_since.is_some() => {
                Verdict::Rejected(Rejection::LockedOut)
            }
            (_, standing) if is_right => {
                if let btree_map::Entry::Occupied(one) = standing {
                    one.remove();
                }
                Verdict::Accepted(Accepted {
                    username: user.name.clone(),
                })
            }
            (None, _) => Verdict::Rejected(Rejection::WrongPassword),
            (Some(limit), standing) => {
                let standing = standing.or_insert_with(|| Standing {
                    name: user.name.clone(),
                    failed: 0,
                    locked_since: None,
                });
                standing.failed = standing.failed.saturating_add(1);
                if standing.failed < limit.get() {
                    return Verdict::Rejected(Rejection::WrongPassword);
                }
                standing.locked_since = Some(now);
                Verdict::Rejected(Rejection::LastAttempt)
            }
        }
    }

    /// The configuration has changed: who is gone, has another password or is never locked out any more begins anew, and without
    /// a limit everybody.
    pub fn follow(&mut self, max_fail: Option<NonZeroU16>, before: &LocalUsers, now: &LocalUsers) {
        if max_fail.is_none() {
            self.users.clear();
        }
        self.users.retain(|name, _| now.has_same(name, before));
    }

    /// Who is locked out, by name.
    pub fn locked_out(&self) -> Vec<LockedOut> {
        let locked = self.users.values().filter_map(|one| {
            Some(LockedOut {
                user: one.name.clone(),
                since: one.locked_since?,
            })
        });
        locked.collect()
    }

    /// Lets one user in again, or everybody. Returns their names as configured.
    pub fn unlock(&mut self, user: Option<&str>) -> Vec<String> {
        self.take(user, |one| one.locked_since.is_some())
    }

    /// Forgets the wrong passwords of one user who is not locked out, or of all those. Returns their names as configured.
    pub fn forget_failures(&mut self, user: Option<&str>) -> Vec<String> {
        self.take(user, |one| one.locked_since.is_none())
    }

    fn take(&mut self, user: Option<&str>, wanted: impl Fn(&Standing) -> bool) -> Vec<String> {
        let user = user.map(key);
        let is_meant = |name: &str, one: &Standing| {
            user.as_ref().is_none_or(|user| user == name) && wanted(one)
        };
        let taken = self.users.extract_if(.., |name, one| is_meant(name, one));
        taken.map(|(_, one)| one.name).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::aaa::{Password, User};

    const THREE: Option<NonZeroU16> = NonZeroU16::new(3);

    fn user(name: &str, password: &str, never_locked_out: bool) -> (User, Password) {
        let password = Password::from(password);
        let user = User::new(name, &password, never_locked_out);
        (user, password)
    }

    fn users(of: &[(&str, &str)]) -> LocalUsers {
        let mut users = LocalUsers::default();
        for (name, password) in of {
            users.insert(user(name, password, *name == "root").0);
        }
        users
    }

    fn at(seconds: u64) -> SystemTime {
        let since = Duration::from_secs(seconds);
        SystemTime::UNIX_EPOCH.checked_add(since).unwrap()
    }

    /// Tries passwords one after the other, a second each.
    fn tries(
        lockout: &mut Lockout,
        limit: Option<NonZeroU16>,
        users: &LocalUsers,
        name: &str,
        passwords: &[&str],
    ) -> Vec<Option<Rejection>> {
        let verdicts = (0..).zip(passwords).map(|(second, password)| {
            let judgement = users.judge(name, &Password::from(*password));
            match lockout.decide(limit, judgement, at(second)) {
                Verdict::Accepted(_) => None,
                Verdict::Rejected(why) => Some(why),
            }
        });
        verdicts.collect()
    }

    #[test]
    fn the_last_of_so_many_wrong_passwords_in_a_row_locks_out_whom_the_right_one_does_not_help_then()
     {
        let users = users(&[("test", "right"), ("other", "right")]);
        let mut lockout = Lockout::default();
        assert_eq!(
            tries(
                &mut lockout,
                THREE,
                &users,
                "TEST",
                &["a", "b", "c", "right", "d"]
            ),
            [
                Some(Rejection::WrongPassword),
                Some(Rejection::WrongPassword),
                Some(Rejection::LastAttempt),
                Some(Rejection::LockedOut),
                Some(Rejection::LockedOut),
            ]
        );
        let locked = LockedOut {
            user: "test".into(),
            since: at(2),
        };
        assert_eq!(lockout.locked_out(), [locked]);
        assert_eq!(
            tries(&mut lockout, THREE, &users, "other", &["right"]),
            [None]
        );
    }

    #[test]
    fn a_right_password_begins_the_count_anew() {
        let users = users(&[("test", "right")]);
        let mut lockout = Lockout::default();
        for _ in 0..3 {
            tries(&mut lockout, THREE, &users, "test", &["a", "b", "right"]);
        }
        assert_eq!(lockout.locked_out(), []);
        assert!(lockout.users.is_empty());
    }

    #[test]
    fn an_administrator_an_unknown_name_and_anybody_without_a_limit_are_not_counted() {
        let users = users(&[("root", "right"), ("test", "right")]);
        let mut lockout = Lockout::default();
        let wrong = ["a"; 20];
        tries(&mut lockout, THREE, &users, "root", &wrong);
        tries(&mut lockout, THREE, &users, "nobody", &wrong);
        tries(&mut lockout, None, &users, "test", &wrong);
        assert!(lockout.users.is_empty());
        assert_eq!(
            tries(&mut lockout, THREE, &users, "root", &["right"]),
            [None]
        );
    }

    #[test]
    fn who_is_unlocked_has_all_attempts_again() {
        let users = users(&[("test", "right"), ("other", "right")]);
        let mut lockout = Lockout::default();
        tries(&mut lockout, THREE, &users, "test", &["a"; 3]);
        tries(&mut lockout, THREE, &users, "other", &["a"; 2]);
        // Who has failed a few times only is not locked out, and who is locked out has more than failed.
        assert_eq!(lockout.unlock(Some("other")), [""; 0]);
        assert_eq!(lockout.forget_failures(Some("test")), [""; 0]);
        assert_eq!(lockout.unlock(Some("Test")), ["test"]);
        assert_eq!(lockout.forget_failures(None), ["other"]);
        for name in ["test", "other"] {
            assert_eq!(
                tries(&mut lockout, THREE, &users, name, &["a", "b", "right"]),
                [
                    Some(Rejection::WrongPassword),
                    Some(Rejection::WrongPassword),
                    None
                ]
            );
        }
    }

    #[test]
    fn another_password_another_user_of_that_name_or_no_limit_begins_anew() {
        let before = users(&[("changed", "old"), ("gone", "right"), ("same", "right")]);
        let after = users(&[("changed", "new"), ("same", "right")]);
        let locked = || {
            let mut lockout = Lockout::default();
            for name in ["changed", "gone", "same"] {
                tries(&mut lockout, THREE, &before, name, &["a"; 3]);
            }
            assert_eq!(lockout.locked_out().len(), 3);
            lockout
        };
        let names = |lockout: &Lockout| {
            let locked = lockout.locked_out().into_iter();
            locked.map(|one| one.user).collect::<Vec<_>>()
        };
        let mut lockout = locked();
        lockout.follow(THREE, &before, &after);
        assert_eq!(names(&lockout), ["same"]);
        // Who has become an administrator meanwhile is let in, and is not said to be locked out.
        let mut after = users(&[("gone", "right"), ("same", "right")]);
        after.insert(user("changed", "old", true).0);
        let mut lockout = locked();
        lockout.follow(THREE, &before, &after);
        assert_eq!(names(&lockout), ["gone", "same"]);
        let mut lockout = locked();
        lockout.follow(None, &before, &before);
        assert_eq!(lockout.locked_out(), []);
    }
}
