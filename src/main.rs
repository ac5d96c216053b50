//! The `ironflex` program; everything that it does stands in the library.

use std::process::ExitCode;

use clap::Parser;
use ironflex::operation::Operation;

fn main() -> ExitCode {
    match Operation::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => failed.into(),
    }
}
