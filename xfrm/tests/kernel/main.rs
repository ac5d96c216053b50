//! The netlink module against a real kernel, in network namespaces of its own.
//!
//! A program of its own instead of `#[test]`s, for two reasons: namespaces for those who are not root must be entered
//! while the process has one thread, and a case that this kernel cannot run is counted as ignored, with its reason.
//! Prints what `cargo test` prints. An argument selects the cases whose name contains it.
//!
//! On a kernel without ESP the cases of `xfrm` are ignored; `tests/lab` has kernels with it and runs this program there.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test program: a panic is how it fails"
)]

use std::panic;
use std::process::ExitCode;

use ironflex_xfrm::netlink::{NetworkNamespace, namespace};

/// A case and its name.
pub(crate) struct Case {
    /// The function's path from the crate on.
    path: &'static str,
    run: fn() -> Result<(), Ignored>,
}

impl Case {
    /// The name under which it is counted: its module's and its own.
    fn name(&self) -> &'static str {
        self.path
            .split_once("::")
            .map_or(self.path, |(_, name)| name)
    }
}

/// Why this kernel or machine cannot run a case. One that fails panics.
pub(crate) struct Ignored(pub(crate) String);

/// Makes `CASES` of a module's functions, each under its own name.
macro_rules! cases {
    ($($case:ident),* $(,)?) => {
        pub(crate) const CASES: &[$crate::Case] = &[$($crate::Case {
            path: concat!(module_path!(), "::", stringify!($case)),
            run: $case,
        }),*];
    };
}

mod firewall;
mod network;
mod owner;
mod support;
mod xfrm;

const ALL_CASES: [&[Case]; 6] = [
    network::CASES,
    owner::CASES,
    firewall::CASES,
    xfrm::carriage::CASES,
    xfrm::install::CASES,
    xfrm::lifetime::CASES,
];

fn main() -> ExitCode {
    // As of Rust's own harness: a case runs when any of these is a part of its name.
    let (options, parts): (Vec<String>, Vec<String>) = std::env::args()
        .skip(1)
        .partition(|argument| argument.starts_with('-'));
    let listing = options.iter().any(|option| option == "--list");
    let cases: Vec<&Case> = ALL_CASES
        .into_iter()
        .flatten()
        .filter(|case| parts.is_empty() || parts.iter().any(|part| case.name().contains(part)))
        .collect();
    if listing {
        for case in &cases {
            println!("{}: test", case.name());
        }
        return ExitCode::SUCCESS;
    }

    // Root has what it takes; anyone else is root in namespaces of their own, where that is allowed.
    let unable = match NetworkNamespace::create() {
        Ok(_) => None,
        Err(_) => namespace::enter_user_namespace()
            .err()
            .map(|error| error.to_string()),
    };
    println!("\nrunning {} tests", cases.len());
    let (mut passed, mut failed, mut ignored) = (0, 0, 0);
    for case in cases {
        let name = case.name();
        let outcome = match &unable {
            Some(reason) => Ok(Err(Ignored(reason.clone()))),
            None => panic::catch_unwind(case.run),
        };
        match outcome {
            Ok(Ok(())) => {
                passed += 1;
                println!("test {name} ... ok");
            }
            Ok(Err(Ignored(reason))) => {
                ignored += 1;
                println!("test {name} ... ignored, {reason}");
            }
            Err(_) => {
                failed += 1;
                println!("test {name} ... FAILED");
            }
        }
    }
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {word}. {passed} passed; {failed} failed; {ignored} ignored; 0 measured; 0 filtered out\n"
    );
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
