//! The `ironflex` program; everything that it does stands in the library.

use std::process::ExitCode;

use clap::Parser;
use ironflex::operation::Invocation;

fn main() -> ExitCode {
    match Invocation::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => failed.into(),
    }
}
