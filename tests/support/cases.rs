//! Runs a list of cases as `cargo test` would, with the same output.
//!
//! A program of its own instead of `#[test]`s, because namespaces for those who are not root must be entered while the
//! process has one thread, and because a case that cannot run here is counted as ignored, with its reason.

use std::{
    fs::OpenOptions,
    panic,
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use ironflex_xfrm::netlink::{NetworkNamespace, namespace};

/// A case and its name.
pub(crate) type Case = (&'static str, fn());

/// Cases at a time. They mostly wait for each other's processes.
const AT_ONCE: usize = 8;

/// Why a case cannot run here.
struct Skipped(String);

/// Ends a case that cannot run here, which is counted as ignored.
pub(crate) fn skip(reason: impl Into<String>) -> ! {
    panic::resume_unwind(Box::new(Skipped(reason.into())))
}

/// What the command line selects.
struct Selection {
    filters: Vec<String>,
    exact: bool,
    at_once: usize,
}

impl Selection {
    fn read(arguments: impl Iterator<Item = String>) -> Self {
        let mut selection = Self {
            filters: Vec::new(),
            exact: false,
            at_once: AT_ONCE,
        };
        let mut arguments = arguments.peekable();
        while let Some(argument) = arguments.next() {
            if argument == "--exact" {
                selection.exact = true;
            } else if argument == "--test-threads" {
                selection.at_once = arguments
                    .next()
                    .and_then(|count| count.parse().ok())
                    .unwrap_or(AT_ONCE);
            } else if !argument.starts_with('-') {
                selection.filters.push(argument);
            }
        }
        selection
    }

    fn takes(&self, name: &str) -> bool {
        let fits = |filter: &String| {
            if self.exact {
                name == filter
            } else {
                name.contains(filter.as_str())
            }
        };
        self.filters.is_empty() || self.filters.iter().any(fits)
    }
}

/// Runs what the command line selects of `cases`. Must be called first of all in `main`.
pub(crate) fn main(cases: &[Case]) -> ExitCode {
    let selection = Selection::read(std::env::args().skip(1));
    let chosen: Vec<Case> = cases
        .iter()
        .copied()
        .filter(|(name, _)| selection.takes(name))
        .collect();
    if std::env::args().any(|argument| argument == "--list") {
        for (name, _) in &chosen {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }

    let unable = unable();
    println!("\nrunning {} tests", chosen.len());
    let (failed, ignored) = match &unable {
        Some(reason) => {
            for (name, _) in &chosen {
                println!("test {name} ... ignored, {reason}");
            }
            (0, chosen.len())
        }
        None => run(&chosen, selection.at_once),
    };
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {word}. {} passed; {failed} failed; {ignored} ignored; 0 measured; {} filtered out\n",
        chosen.len() - failed - ignored,
        cases.len() - chosen.len()
    );
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Why nothing can run here. Root has what it takes; anyone else is root in namespaces of their own, where that is
/// allowed.
fn unable() -> Option<String> {
    if NetworkNamespace::create().is_err()
        && let Err(error) = namespace::enter_user_namespace()
    {
        return Some(error.to_string());
    }
    let tun = "/dev/net/tun";
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(tun)
        .err()
        .map(|error| format!("{tun}: {error}"))
}

/// Runs the cases, some at a time. Returns how many failed, and how many cannot run here.
fn run(cases: &[Case], at_once: usize) -> (usize, usize) {
    let [next, failed, skipped] = [const { AtomicUsize::new(0) }; 3];
    let lines = Mutex::new(());
    let work = || {
        while let Some(&(name, case)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            // A thread for each, so that a panic is told under the case's name.
            let outcome = thread::scope(|scope| {
                let started = thread::Builder::new()
                    .name(name.to_owned())
                    .spawn_scoped(scope, || panic::catch_unwind(case));
                started.unwrap().join()
            });
            let word = match outcome {
                Ok(Ok(())) => "ok".to_owned(),
                Ok(Err(why)) | Err(why) => match why.downcast_ref() {
                    Some(Skipped(reason)) => {
                        skipped.fetch_add(1, Ordering::Relaxed);
                        format!("ignored, {reason}")
                    }
                    None => {
                        failed.fetch_add(1, Ordering::Relaxed);
                        "FAILED".to_owned()
                    }
                },
            };
            let _line = lines.lock().unwrap_or_else(PoisonError::into_inner);
            println!("test {name} ... {word}");
        }
    };
    thread::scope(|scope| {
        for _ in 0..at_once.max(1) {
            scope.spawn(work);
        }
    });
    (failed.into_inner(), skipped.into_inner())
}
