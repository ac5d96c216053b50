//! `aaa` lists and local users.

use super::{Table, keywords};
use crate::password::Password;

/// The `aaa` lines.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Aaa {
    /// `aaa new-model`; the lists below mean nothing without it.
    pub new_model: bool,
    /// `aaa authentication login LIST …`.
    pub authentication_login: Table<Method>,
    /// `aaa authorization network LIST …`.
    pub authorization_network: Table<Method>,
    /// `aaa local authentication attempts max-fail N`: wrong passwords in a row that lock a local user out.
    pub max_fail: Option<u16>,
}

keywords! {
    /// Whom a list asks.
    pub enum Method {
        /// The `username` lines, or the `crypto ikev2 authorization policy` objects.
        Local = "local", "Use local database";
    }
    refused {
        "group", "RADIUS server groups";
        "local-case", "case-sensitive local user names";
        "enable", "enable passwords";
        "line", "line passwords";
        "none", "login without authentication";
        "if-authenticated", "authorization by authentication";
    }
}

/// The privilege level of an administrator.
pub const HIGHEST_PRIVILEGE: u8 = 15;

/// `username NAME [privilege LEVEL] password …`.
#[derive(Clone, Eq, PartialEq)]
pub struct User {
    /// `privilege <0-15>`, 1 if not written: who has 15 is never locked out; of no other effect on remote access.
    pub privilege: u8,
    /// What the user must say. Absent while only a privilege was given.
    pub password: Option<Password>,
}

impl Default for User {
    fn default() -> Self {
        Self {
            privilege: 1,
            password: None,
        }
    }
}

impl core::fmt::Debug for User {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("User")
            .field("privilege", &self.privilege)
            .finish_non_exhaustive()
    }
}
