//! What the whole-program tests share: namespaces with cables between them, certificates, the program's processes,
//! traffic, and a list of cases that is run like `cargo test` runs its own.
//!
//! Nothing here starts any program but `ironflex` itself, and nothing touches the machine's own network.

pub(crate) mod capture;
pub(crate) mod cases;
pub(crate) mod deleter;
pub(crate) mod disk;
pub(crate) mod foreign;
pub(crate) mod ike_end;
pub(crate) mod lab;
pub(crate) mod misleader;
pub(crate) mod nat;
pub(crate) mod pki;
pub(crate) mod process;
pub(crate) mod prometheus;
pub(crate) mod refuser;
pub(crate) mod scene;
pub(crate) mod screen;
pub(crate) mod stranger;
pub(crate) mod terminal;
pub(crate) mod traffic;

use std::time::Duration;

/// How long is waited for what should come at once; only a failing test ever waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
