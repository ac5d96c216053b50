//! The netlink module against a real kernel, in network namespaces of its own.
//!
//! A program of its own instead of `#[test]`s, for two reasons: namespaces for those who are not root must be entered
//! while the process has one thread, and a case that this kernel cannot run is counted as ignored, with its reason.
//! Prints what `cargo test` prints. An argument selects the cases whose name contains it.
//!
//! On a kernel without ESP the cases of `xfrm.rs` are ignored; `tests/lab` has kernels with it.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test program: a panic is how it fails"
)]

mod firewall;
mod network;
mod support;
mod xfrm;

use std::panic;
use std::process::ExitCode;

use ironflex_xfrm::netlink::{NetworkNamespace, namespace};

/// How a case ended that did not panic.
pub(crate) enum Outcome {
    /// Everything was as it should be.
    Passed,
    /// This kernel or machine cannot run it.
    Ignored(String),
}

/// A case and its name.
pub(crate) type Case = (&'static str, fn() -> Outcome);

fn main() -> ExitCode {
    let filter = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let listing = std::env::args().any(|argument| argument == "--list");
    let cases: Vec<Case> = [network::CASES, firewall::CASES, xfrm::CASES]
        .concat()
        .into_iter()
        .filter(|(name, _)| filter.as_deref().is_none_or(|part| name.contains(part)))
        .collect();
    if listing {
        for (name, _) in &cases {
            println!("{name}: test");
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
    for (name, case) in cases {
        let outcome = match &unable {
            Some(reason) => Ok(Outcome::Ignored(reason.clone())),
            None => panic::catch_unwind(case),
        };
        match outcome {
            Ok(Outcome::Passed) => {
                passed += 1;
                println!("test {name} ... ok");
            }
            Ok(Outcome::Ignored(reason)) => {
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
