//! What lines say of whom they are about, and of what two ends do not have in common.

use std::fmt;

use super::super::session::Session;
use crate::state::attempts::{Failure, Transforms};

/// `Peer ADDRESS:PORT  ` of a session, or nothing where it is not known.
pub(super) struct Peer<'a>(pub(super) Option<&'a Session>);

impl fmt::Display for Peer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.and_then(|session| session.remote) {
            Some(remote) => {
                let address = remote.ip().to_canonical();
                write!(f, "Peer {address}:{}  ", remote.port())
            }
            None => Ok(()),
        }
    }
}

/// `Id: TYPE IDENTITY  Profile: NAME  ` of a session that a profile serves, or nothing.
pub(super) struct Claim<'a>(pub(super) Option<&'a Session>);

impl fmt::Display for Claim<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(identity) = self.0.and_then(|session| session.claimed.as_ref()) {
            write!(f, "Id: {identity}  ")?;
        }
        match self.0.and_then(|session| session.profile.as_ref()) {
            Some(serving) => write!(f, "Profile: {}  ", serving.profile.name),
            None => Ok(()),
        }
    }
}

/// As many proposals of a side as a line tells, and as many characters of them; `show crypto ikev2 diagnose` has the rest.
const SIDE_PROPOSALS: usize = 2;
const SIDE_CHARACTERS: usize = 256;

/// What both ends have, where a failure does not name the one thing in which they differ.
pub(super) struct BothSides<'a>(pub(super) &'a Failure);

impl fmt::Display for BothSides<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure::NothingFits {
            offered,
            allowed,
            differing: None,
            ..
        } = self.0
        else {
            return Ok(());
        };
        write!(
            f,
            "; the client offers {}, the headend takes {}",
            side(offered),
            side(allowed)
        )
    }
}

/// One side's proposals, the first of them.
fn side(proposals: &[Transforms]) -> String {
    let told = proposals.iter().take(SIDE_PROPOSALS);
    let told: Vec<String> = told.map(|one| format!("({one})")).collect();
    let more = match proposals.len().saturating_sub(told.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let told = told.join(" ");
    match told.char_indices().nth(SIDE_CHARACTERS) {
        Some((end, _)) => format!("{}...{more}", told.get(..end).unwrap_or_default()),
        None => format!("{told}{more}"),
    }
}
