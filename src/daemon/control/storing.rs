//! `| redirect`, `| append` and `| tee` to `bootflash:`.

use ironflex_profiles::model::name::FileName;

use super::super::{
    bootflash::{self, Bootflash, Present},
    driver::Driver,
};
use crate::cli::pipe::Redirection;

/// Output that goes to a file on `bootflash:`.
pub struct Storing {
    bootflash: Bootflash,
    name: FileName,
    present: Present,
    shown: bool,
}

impl Storing {
    /// Of this redirection.
    pub(super) fn of(driver: &Driver, to: &Redirection, present: Present) -> Result<Self, String> {
        Ok(Self {
            bootflash: driver.bootflash(),
            name: bootflash::name(&to.file)?,
            present: if to.append {
                Present::Continued
            } else {
                present
            },
            shown: to.shown,
        })
    }

    /// Writes it. Returns what is shown all the same.
    pub(super) fn carry_out(self, text: String) -> Result<String, String> {
        self.bootflash
            .write(&self.name, text.as_bytes(), self.present)?;
        Ok(if self.shown { text } else { String::new() })
    }
}
