//! `clear aaa local user …`

use super::super::{configure::Person, driver::Driver};
use crate::cli::{Printable, exec::LocalUserMark};

/// Lets in again who is locked out, or forgets wrong passwords: of one user, or of everybody. A router says nothing; who has
/// misspelt a name wants to know.
pub(super) fn clear(
    driver: &mut Driver,
    mark: LocalUserMark,
    user: Option<String>,
    person: &Person,
) -> Result<String, String> {
    let house = &mut driver.house;
    let cleared = match mark {
        LocalUserMark::FailAttempts => house.lockout.forget_failures(user.as_deref()),
        LocalUserMark::Lockout => house.lockout.unlock(user.as_deref()),
    };
    for name in &cleared {
        house.log.cleared(name, mark, person);
    }
    match (cleared.is_empty(), mark, user) {
        (false, ..) => Ok(String::new()),
        (true, LocalUserMark::FailAttempts, None) => {
            Err("% No local user has failed attempts".to_owned())
        }
        (true, LocalUserMark::FailAttempts, Some(user)) => Err(format!(
            "% Local user {} has no failed attempts",
            Printable(&user)
        )),
        (true, LocalUserMark::Lockout, None) => Err("% No local user is locked out".to_owned()),
        (true, LocalUserMark::Lockout, Some(user)) => Err(format!(
            "% Local user {} is not locked out",
            Printable(&user)
        )),
    }
}
