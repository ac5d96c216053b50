//! `crypto ssl`: the lines of the profile download, held and checked; nothing serves them yet.

use core::net::Ipv4Addr;

use super::{Located, name::Name};

/// `crypto ssl policy NAME`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SslPolicy {
    /// `pki trustpoint NAME sign`: whose certificate the server shows.
    pub trustpoint: Option<Located<Name>>,
    /// `ip address local A.B.C.D [port N]`: where it listens.
    pub local: Option<(Ipv4Addr, u16)>,
    /// `no shutdown`; a policy is shut down until that is written.
    pub enabled: bool,
}

/// The port of a policy that names none.
pub const DEFAULT_PORT: u16 = 443;

/// `crypto ssl profile NAME`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SslProfile {
    /// `match policy NAME`.
    pub policy: Option<Located<Name>>,
    /// `no shutdown`.
    pub enabled: bool,
}
