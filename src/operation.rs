//! The program's commands, one variant each.

use std::{
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Parser;
use ironflex_profiles::model::interface::{DeviceName, InterfaceName};

use crate::{
    client,
    daemon::{self, control, load},
    dataplane::Choice,
    demo,
    error::Failed,
    terminal::{self, Echo},
};

/// Where state lives when nothing else is said.
const STATE_DIR: &str = "/var/lib/ironflex";

/// Where the configuration is looked for when nothing else is said.
const CONFIG: &str = "/etc/ironflex/startup-config";

/// How long the daemon may take to answer a command.
const PATIENCE: Duration = Duration::from_secs(30);

/// A FlexVPN-style IKEv2/IPsec remote-access headend for Linux, and its AnyConnect-EAP client.
#[derive(Debug, Parser)]
#[command(name = "ironflex", version, disable_help_subcommand = true)]
pub enum Operation {
    /// Run the headend daemon
    Run(Run),
    /// Run one command on the running daemon
    Exec(Exec),
    /// Print every number of the running daemon in Prometheus' text format
    Metrics(Metrics),
    /// Connect to a headend as an AnyConnect-EAP client
    Connect(Box<client::Options>),
    /// Show the whole job on this machine: headend, client, traffic, in namespaces of its own
    Demo,
    /// Read a configuration and report every error with line, column and caret
    Check(Check),
    /// Import a PKCS#12 file into a trustpoint of the key store
    Import(Import),
}

/// `ironflex run`
#[derive(Debug, clap::Args)]
pub struct Run {
    /// The configuration, IOS-XE lines
    #[arg(long, value_name = "FILE", default_value = CONFIG)]
    config: PathBuf,
    /// Where keys and the control socket live
    #[arg(long, value_name = "DIR", default_value = STATE_DIR)]
    state_dir: PathBuf,
    /// The folder that `bootflash:` means; the configuration's own if not said
    #[arg(long, value_name = "DIR")]
    bootflash: Option<PathBuf>,
    /// Ties a router interface to a Linux device, such as GigabitEthernet1=eth0
    #[arg(long = "device", value_name = "INTERFACE=DEVICE", value_parser = tie)]
    devices: Vec<(InterfaceName, DeviceName)>,
    /// What carries ESP: auto, kernel, userspace or record
    #[arg(long, value_name = "KIND", default_value_t = Choice::Auto)]
    dataplane: Choice,
    /// Print errors only
    #[arg(long)]
    quiet: bool,
}

/// `ironflex exec`
#[derive(Debug, clap::Args)]
pub struct Exec {
    /// Where the daemon's control socket lives
    #[arg(long, value_name = "DIR", default_value = STATE_DIR)]
    state_dir: PathBuf,
    /// The command line, such as 'show crypto session detail'
    #[arg(required = true, trailing_var_arg = true)]
    line: Vec<String>,
}

/// `ironflex metrics`
#[derive(Debug, clap::Args)]
pub struct Metrics {
    /// Where the daemon's control socket lives
    #[arg(long, value_name = "DIR", default_value = STATE_DIR)]
    state_dir: PathBuf,
}

/// `ironflex check`
#[derive(Debug, clap::Args)]
pub struct Check {
    /// The configuration
    file: PathBuf,
}

/// `ironflex import`: `crypto pki import` from the command line.
#[derive(Debug, clap::Args)]
pub struct Import {
    /// The trustpoint
    trustpoint: String,
    /// The PKCS#12 file
    file: PathBuf,
    /// Read the password from standard input, one line; it is asked for otherwise
    #[arg(long)]
    password_stdin: bool,
    /// Where keys live
    #[arg(long, value_name = "DIR", default_value = STATE_DIR)]
    state_dir: PathBuf,
}

pub(crate) fn tie(text: &str) -> Result<(InterfaceName, DeviceName), String> {
    let (interface, device) = text
        .split_once('=')
        .ok_or("INTERFACE=DEVICE expected, such as GigabitEthernet1=eth0")?;
    let interface =
        InterfaceName::parse(interface).map_err(|error| format!("{interface}: {error}"))?;
    let device = DeviceName::new(device).map_err(|error| format!("{device}: {error}"))?;
    Ok((interface, device))
}

/// Prints an error; the exit code says the rest.
fn fail(text: impl std::fmt::Display) -> Failed {
    let _ = writeln!(std::io::stderr(), "ironflex: {text}");
    Failed::GENERIC
}

impl Operation {
    /// Does it.
    ///
    /// # Errors
    ///
    /// [`Failed`] with the exit code; the reason has been printed.
    pub fn run(self) -> Result<(), Failed> {
        match self {
            Self::Run(run) => run.run(),
            Self::Exec(exec) => exec.run(),
            Self::Metrics(metrics) => ask(&metrics.state_dir, "show metrics"),
            Self::Connect(options) => match client::run(&options).code() {
                0 => Ok(()),
                code => Err(Failed(code)),
            },
            Self::Demo => demo::run().map_err(fail),
            Self::Check(check) => check.run(),
            Self::Import(import) => import.run(),
        }
    }
}

impl Run {
    fn run(self) -> Result<(), Failed> {
        daemon::run(&daemon::Options {
            config: self.config,
            state_dir: self.state_dir,
            bootflash: self.bootflash,
            devices: self.devices,
            dataplane: self.dataplane,
            quiet: self.quiet,
        })
        .map_err(fail)
    }
}

impl Exec {
    fn run(self) -> Result<(), Failed> {
        ask(&self.state_dir, &self.line.join(" "))
    }
}

/// Lets the daemon carry out a command line and prints its answer.
fn ask(state_dir: &Path, line: &str) -> Result<(), Failed> {
    let reply = control::ask(state_dir, line, PATIENCE).map_err(|error| {
        fail(format_args!(
            "no daemon answers at {}: {error}",
            control::socket_path(state_dir).display()
        ))
    })?;
    let mut out = std::io::stdout().lock();
    let written = out.write_all(reply.output.as_bytes()).and_then(|()| {
        if reply.output.is_empty() || reply.output.ends_with('\n') {
            Ok(())
        } else {
            out.write_all(b"\n")
        }
    });
    match (written, reply.status) {
        (Ok(()), 0) => Ok(()),
        _ => Err(Failed::GENERIC),
    }
}

impl Check {
    fn run(self) -> Result<(), Failed> {
        let checked = load::check(&self.file, &[]).map_err(|error| match error {
            // The diagnostics say it all, in the form that editors understand.
            load::LoadError::Text { text, .. } => {
                let _ = write!(std::io::stderr(), "{text}");
                Failed::GENERIC
            }
            other => fail(other),
        })?;
        for warning in checked.warnings {
            let _ = writeln!(std::io::stderr(), "{warning}");
        }
        Ok(())
    }
}

impl Import {
    fn run(self) -> Result<(), Failed> {
        use crate::pki::Store;
        let password = if self.password_stdin {
            let mut line = zeroize::Zeroizing::new(String::new());
            std::io::stdin().read_line(&mut line).map_err(fail)?;
            line
        } else {
            terminal::ask_now("Password of the PKCS#12 file: ", Echo::Hidden).map_err(fail)?
        };
        let octets = load::read_bounded(&self.file, 16 << 20).map_err(fail)?;
        daemon::prepare_state_dir(&self.state_dir).map_err(fail)?;
        let store = Store::open(&self.state_dir).map_err(fail)?;
        let password = password.trim_end_matches(['\r', '\n']);
        let lines =
            load::import(&store, &self.trustpoint, &self.file, &octets, password).map_err(fail)?;
        let mut out = std::io::stdout().lock();
        for line in lines {
            let _ = writeln!(out, "{line}");
        }
        Ok(())
    }
}
