//! Choosing what both sides can do: cryptographic suites and traffic selectors.

pub(crate) mod additional;
pub(crate) mod proposal;
pub(crate) mod selector;
