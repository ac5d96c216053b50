//! Authentication: who may log in. Which group policy applies is in the profile (`ironflex_profiles`).
//!
//! ```text
//!  aaa authentication login LIST local      LoginRequest ──> Aaa::authenticate ──> Verdict
//! ```
//!
//! A request names a method list and holds everything that is asked, and a verdict everything that is answered; neither
//! borrows from the database, so that a method which has to ask a server can answer later through the same types. The one
//! method so far is `local`.

mod local;
mod lockout;

use std::{collections::BTreeMap, fmt, num::NonZeroU16, time::SystemTime};

pub use local::{LocalUsers, Password, User};
pub use lockout::{LockedOut, Lockout};

/// The longest user name that is looked up, in octets. `username NAME` takes 64; RADIUS takes 253 (RFC 2865 §5.1).
pub const MAX_USERNAME_OCTETS: usize = 253;

/// The longest password that is compared, in octets.
pub const MAX_PASSWORD_OCTETS: usize = 1024;

/// One way to answer a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// This machine's own users.
    Local,
}

/// The methods of a list, in the order in which they are tried. The next one is tried when one cannot answer, and not
/// when it says no.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MethodList(pub Vec<Method>);

/// A user wants to log in. No `Debug`: it holds a secret.
pub struct LoginRequest {
    /// The list of `aaa authentication login` to go by.
    pub list: String,
    /// The name that the peer gave.
    pub username: String,
    /// The password that the peer gave.
    pub password: Password,
}

/// The answer to a [`LoginRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Let in.
    Accepted(Accepted),
    /// Not let in.
    Rejected(Rejection),
}

/// A user who may log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The name as the database spells it: what sessions and leases are kept under.
    pub username: String,
}

/// Why a user may not log in. For our own log: the peer is told that the login failed, and nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The method list does not exist or is empty: the headend's configuration is to blame.
    NoMethod,
    /// The name is unknown.
    UnknownUser,
    /// The password is wrong.
    WrongPassword,
    /// The password is wrong once more, and the user is locked out from now on.
    LastAttempt,
    /// The user is locked out, whatever the password.
    LockedOut,
    /// The name or the password is longer than [`MAX_USERNAME_OCTETS`] or [`MAX_PASSWORD_OCTETS`].
    TooLong,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoMethod => "the authentication list does not exist or has no method",
            Self::UnknownUser => "no such user",
            Self::WrongPassword => "wrong password",
            Self::LastAttempt => "wrong password, which locks the user out",
            Self::LockedOut => "the user is locked out",
            Self::TooLong => "user name or password too long",
        })
    }
}

/// The databases and the lists that say which one to ask. No `Debug`: it holds secrets.
#[derive(Default)]
pub struct Aaa {
    /// Lists of `aaa authentication login`, by name.
    pub login_lists: BTreeMap<String, MethodList>,
    /// Local users.
    pub users: LocalUsers,
    /// Wrong passwords in a row that lock a local user out.
    pub max_fail: Option<NonZeroU16>,
}

impl Aaa {
    /// Judges a login, and counts it in `lockout`. A password is compared for an unknown name too; to count the wrong ones of
    /// those who are known is a look into a map, which nobody sees from outside.
    pub fn authenticate(
        &self,
        request: &LoginRequest,
        lockout: &mut Lockout,
        now: SystemTime,
    ) -> Verdict {
        if request.username.len() > MAX_USERNAME_OCTETS
            || request.password.as_bytes().len() > MAX_PASSWORD_OCTETS
        {
            return Verdict::Rejected(Rejection::TooLong);
        }
        match first_method(&self.login_lists, &request.list) {
            None => Verdict::Rejected(Rejection::NoMethod),
            Some(Method::Local) => {
                let judgement = self.users.judge(&request.username, &request.password);
                lockout.decide(self.max_fail, judgement, now)
            }
        }
    }
}

/// `local` always answers, so that what follows it in a list is never asked.
fn first_method(lists: &BTreeMap<String, MethodList>, list: &str) -> Option<Method> {
    lists.get(list)?.0.first().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aaa() -> Aaa {
        let mut aaa = Aaa::default();
        aaa.login_lists.insert(
            "a-eap-authen-local".to_owned(),
            MethodList(vec![Method::Local]),
        );
        aaa.login_lists
            .insert("empty".to_owned(), MethodList::default());
        let password = Password::from("cisco123");
        aaa.users.insert(User::new("test", &password, false));
        aaa
    }

    fn login(list: &str, username: &str, password: &str) -> Verdict {
        let request = LoginRequest {
            list: list.to_owned(),
            username: username.to_owned(),
            password: Password::from(password),
        };
        aaa().authenticate(&request, &mut Lockout::default(), SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn the_right_password_is_accepted_and_the_name_comes_as_configured() {
        assert_eq!(
            login("a-eap-authen-local", "Test", "cisco123"),
            Verdict::Accepted(Accepted {
                username: "test".to_owned(),
            })
        );
    }

    #[test]
    fn every_other_login_is_rejected_for_its_own_reason() {
        let list = "a-eap-authen-local";
        let long_name = "u".repeat(MAX_USERNAME_OCTETS + 1);
        let long_password = "p".repeat(MAX_PASSWORD_OCTETS + 1);
        for (list, username, password, rejection) in [
            (list, "test", "wrong", Rejection::WrongPassword),
            (list, "nobody", "cisco123", Rejection::UnknownUser),
            ("no-such-list", "test", "cisco123", Rejection::NoMethod),
            ("empty", "test", "cisco123", Rejection::NoMethod),
            (list, long_name.as_str(), "cisco123", Rejection::TooLong),
            (list, "test", long_password.as_str(), Rejection::TooLong),
        ] {
            assert_eq!(
                login(list, username, password),
                Verdict::Rejected(rejection),
                "{list} {username}"
            );
        }
    }
}
