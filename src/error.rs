//! How the program ends.

use std::process::ExitCode;

/// An operation failed and the reason has been printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed(
    /// The exit code.
    pub u8,
);

impl Failed {
    /// Something went wrong.
    pub const GENERIC: Self = Self(1);

    /// The headend does not start with this configuration, and will not until it is another one: EX_CONFIG of sysexits(3), by
    /// which a service manager knows it.
    pub const CONFIGURATION: Self = Self(78);
}

impl From<Failed> for ExitCode {
    fn from(failed: Failed) -> Self {
        Self::from(failed.0)
    }
}
