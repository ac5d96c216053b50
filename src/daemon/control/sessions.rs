//! The sessions that a command names, and what it does to all of them.

use ironflex_ikev2::event::{Command, SaId};

use super::super::{driver::Driver, session::Deletion};
use crate::cli::{
    Printable,
    exec::{Rekeyed, Whose},
};

/// The sessions that are meant.
fn chosen(driver: &Driver, whose: &Whose) -> Vec<SaId> {
    let path = |sa| driver.endpoint.view(sa).map(|view| view.path);
    let sessions = driver.house.sessions.iter();
    sessions
        .filter(|(sa, session)| match whose {
            Whose::All => true,
            Whose::User(user) => session
                .who
                .as_ref()
                .is_some_and(|who| who.user.eq_ignore_ascii_case(user)),
            Whose::Remote(address) => path(*sa).is_some_and(|path| path.remote.ip() == *address),
            Whose::Local(address) => path(*sa).is_some_and(|path| path.local.ip() == *address),
        })
        .map(|(sa, _)| sa)
        .collect()
}

/// Rekeys sessions, as if their SAs had grown old. Returns how many.
pub(super) fn rekey(driver: &mut Driver, what: Rekeyed, whose: &Whose) -> usize {
    let mut commands = Vec::new();
    let chosen = chosen(driver, whose);
    let count = chosen.len();
    for sa in chosen {
        match what {
            Rekeyed::Ike => commands.push(Command::Rekey(sa)),
            Rekeyed::Child => {
                let session = driver.house.sessions.view(sa);
                let children = session.into_iter().flat_map(|session| &session.installed);
                let newest = children.filter_map(|child| child.pairs.newest());
                commands.extend(newest.map(|spi| Command::RekeyChild(sa, spi.value())));
            }
        }
    }
    for command in commands {
        driver.rekey(command);
    }
    count
}

/// Ends sessions. Returns how many.
pub(super) fn clear(driver: &mut Driver, whose: &Whose) -> usize {
    let chosen = chosen(driver, whose);
    let count = chosen.len();
    for sa in chosen {
        driver.house.note_deletion(sa, Deletion::ByOperator);
        driver.command(Command::Delete(sa));
        // Its traffic has ended; its address is free at once too, whether the client can still answer or not.
        driver.house.release(sa);
    }
    count
}

/// A router says nothing, whether it has ended sessions or there were none; who has misspelt a name wants to know.
pub(super) fn said_of(count: usize, whose: &Whose) -> String {
    if count > 0 {
        return String::new();
    }
    match whose {
        Whose::All => "% There is no session\n".to_owned(),
        Whose::User(user) => format!("% There is no session of username {}\n", Printable(user)),
        Whose::Remote(address) => format!("% There is no session with remote address {address}\n"),
        Whose::Local(address) => format!("% There is no session at local address {address}\n"),
    }
}
