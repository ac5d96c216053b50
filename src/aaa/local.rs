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

struct User {
    /// The name as configured.
    name: String,
    password_digest: Zeroizing<[u8; 32]>,
}

impl LocalUsers {
    /// Adds a user. One of the same name is replaced, as by a second `username` line.
    pub fn insert(&mut self, name: &str, password: &Password) {
        let user = User {
            name: name.to_owned(),
            password_digest: password.digest(),
        };
        self.users.insert(name.to_ascii_lowercase(), user);
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
        let user = self.users.get(&name.to_ascii_lowercase());
        let decoy = Zeroizing::new([0; 32]);
        let expected = user.map_or(&decoy, |user| &user.password_digest);
        let is_known = Choice::from(u8::from(user.is_some()));
        let is_right = expected.ct_eq(password.digest().as_slice()) & is_known;
        match user {
            Some(user) if is_right.into() => Judgement::Right { name: &user.name },
            Some(_) => Judgement::WrongPassword,
            None => Judgement::UnknownUser,
        }
    }
}

/// What [`LocalUsers::judge`] finds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judgement<'a> {
    /// Name and password belong together.
    Right {
        /// The name as configured.
        name: &'a str,
    },
    /// No such user.
    UnknownUser,
    /// Another password.
    WrongPassword,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users() -> LocalUsers {
        let mut users = LocalUsers::default();
        users.insert("test", &Password::from("cisco123"));
        users.insert("Eve", &Password::from("other"));
        users
    }

    #[test]
    fn accepts_the_right_password_alone() {
        let users = users();
        assert_eq!(
            users.judge("test", &"cisco123".into()),
            Judgement::Right { name: "test" }
        );
        for wrong in ["", "cisco12", "cisco1234", "Cisco123", "other"] {
            assert_eq!(
                users.judge("test", &wrong.into()),
                Judgement::WrongPassword,
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn an_unknown_user_is_refused_whatever_the_password() {
        for password in ["", "cisco123", "other"] {
            assert_eq!(
                users().judge("mallory", &password.into()),
                Judgement::UnknownUser
            );
        }
    }

    #[test]
    fn a_name_is_found_in_any_case_and_answered_as_configured() {
        assert_eq!(
            users().judge("EVE", &"other".into()),
            Judgement::Right { name: "Eve" }
        );
    }

    #[test]
    fn the_decoy_cannot_be_hit() {
        // The digest that stands in for an absent user is never compared alone: presence is part of the result.
        assert_eq!(
            LocalUsers::default().judge("anyone", &"".into()),
            Judgement::UnknownUser
        );
    }

    #[test]
    fn a_second_line_for_a_user_replaces_the_first() {
        let mut users = users();
        users.insert("TEST", &Password::from("new"));
        assert_eq!(users.len(), 2);
        assert_eq!(
            users.judge("test", &"cisco123".into()),
            Judgement::WrongPassword
        );
        assert_eq!(
            users.judge("test", &"new".into()),
            Judgement::Right { name: "TEST" }
        );
    }
}
