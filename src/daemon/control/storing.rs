//! `| redirect`, `| append` and `| tee` to `bootflash:`.

use ironflex_profiles::model::name::FileName;

use super::super::{
    bootflash::{self, Bootflash},
    driver::Driver,
};
use crate::cli::pipe::Redirection;

/// Output that goes to a file on `bootflash:`.
pub struct Storing {
    bootflash: Bootflash,
    name: FileName,
    append: bool,
    shown: bool,
}

impl Storing {
    /// Of this redirection.
    pub(super) fn of(driver: &Driver, to: &Redirection) -> Result<Self, String> {
        Ok(Self {
            bootflash: driver.bootflash(),
            name: bootflash::name(&to.file)?,
            append: to.append,
            shown: to.shown,
        })
    }

    /// Writes it. Returns what is shown all the same.
    pub(super) fn carry_out(self, text: String) -> Result<String, String> {
        self.bootflash.write(&self.name, &text, self.append)?;
        Ok(if self.shown { text } else { String::new() })
    }
}
