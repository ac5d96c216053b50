//! The local user database: `username NAME password P`.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

/// A password on its way through the program. It has no `Debug` and is wiped when dropped.
pub struct Password(Zeroizing<Vec<u8>>);

impl Password {
    /// Takes the password's octets as the peer sent them or the configuration holds them: UTF-8, nothing normalised.
    pub fn new(octets: Vec<u8>) -> Self {
        Self(Zeroizing::new(octets))
    }

    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    // Digests of one length hide where two passwords differ and how long the right one is.
    fn digest(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(Sha256::digest(self.as_bytes()).into())
    }
}

impl From<&str> for Password {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes().to_vec())
    }
}

/// Users with their passwords. No `Debug`: it holds secrets.
///
/// Names are found without regard to ASCII case, as by IOS-XE's method `local` (its `local-case` is the strict one).
#[derive(Default)]
pub struct LocalUsers {
    users: BTreeMap<String, User>,
}

/// A user with its password. No `Debug`: it holds a secret.
pub struct User {
    /// The name as configured.
    pub(super) name: String,
    password_digest: Zeroizing<[u8; 32]>,
    /// Wrong passwords never lock this one out.
    pub(super) never_locked_out: bool,
}

impl User {
    /// A user as a `username` line has it.
    pub fn new(name: &str, password: &Password, never_locked_out: bool) -> Self {
        Self {
            name: name.to_owned(),
            password_digest: password.digest(),
            never_locked_out,
        }
    }
}

/// What a name is found by.
pub(super) fn key(name: &str) -> String {
    name.to_ascii_lowercase()
}

impl LocalUsers {
    /// Adds a user. One of the same name is replaced, as by a second `username` line.
    pub fn insert(&mut self, user: User) {
        self.users.insert(key(&user.name), user);
    }

    /// Whether there is a user who has been there `before`, with this password, and whom wrong ones may lock out.
    pub(super) fn has_same(&self, name: &str, before: &Self) -> bool {
        let both = self.users.get(name).zip(before.users.get(name));
        both.is_some_and(|(now, before)| {
            let same = now.password_digest.ct_eq(before.password_digest.as_slice());
            !now.never_locked_out && same.into()
        })
    }

    /// How many users there are.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// True when there is no user.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Judges a name and a password. The comparison takes as long for an unknown name as for a wrong password.
    pub(super) fn judge(&self, name: &str, password: &Password) -> Judgement<'_> {
        let user = self.users.get(&key(name));
        let decoy = Zeroizing::new([0; 32]);
        let expected = user.map_or(&decoy, |user| &user.password_digest);
        let is_known = Choice::from(u8::from(user.is_some()));
        let is_right = expected.ct_eq(password.digest().as_slice()) & is_known;
        match user {
            Some(user) if is_right.into() => Judgement::Right(user),
            Some(user) => Judgement::WrongPassword(user),
            None => Judgement::UnknownUser,
        }
    }
}

/// What [`LocalUsers::judge`] finds.
pub(super) enum Judgement<'a> {
    /// Name and password belong together.
    Right(&'a User),
    /// No such user.
    UnknownUser,
    /// Another password.
    WrongPassword(&'a User),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users() -> LocalUsers {
        let mut users = LocalUsers::default();
        for (name, password) in [("test", "cisco123"), ("Eve", "other")] {
            users.insert(User::new(name, &Password::from(password), false));
        }
        users
    }

    /// The name that was found, and whether the password was right.
    fn judge(users: &LocalUsers, name: &str, password: &str) -> Option<(String, bool)> {
        match users.judge(name, &password.into()) {
            Judgement::Right(user) => Some((user.name.clone(), true)),
            Judgement::WrongPassword(user) => Some((user.name.clone(), false)),
            Judgement::UnknownUser => None,
        }
    }

    #[test]
    fn accepts_the_right_password_alone() {
        let users = users();
        let test = |is_right| Some(("test".to_owned(), is_right));
        assert_eq!(judge(&users, "test", "cisco123"), test(true));
        for wrong in ["", "cisco12", "cisco1234", "Cisco123", "other"] {
            assert_eq!(judge(&users, "test", wrong), test(false), "{wrong:?}");
        }
    }

    #[test]
    fn an_unknown_user_is_refused_whatever_the_password() {
        for password in ["", "cisco123", "other"] {
            assert_eq!(judge(&users(), "mallory", password), None);
        }
    }

    #[test]
    fn a_name_is_found_in_any_case_and_answered_as_configured() {
        assert_eq!(
            judge(&users(), "EVE", "other"),
            Some(("Eve".to_owned(), true))
        );
    }

    #[test]
    fn the_decoy_cannot_be_hit() {
        // The digest that stands in for an absent user is never compared alone: presence is part of the result.
        assert_eq!(judge(&LocalUsers::default(), "anyone", ""), None);
    }

    #[test]
    fn a_second_line_for_a_user_replaces_the_first() {
        let mut users = users();
        users.insert(User::new("TEST", &Password::from("new"), false));
        assert_eq!(users.len(), 2);
        let test = |is_right| Some(("TEST".to_owned(), is_right));
        assert_eq!(judge(&users, "test", "cisco123"), test(false));
        assert_eq!(judge(&users, "test", "new"), test(true));
    }
}
