//! The parts of the `ironflex` program.

pub mod aaa;
pub mod pki;
