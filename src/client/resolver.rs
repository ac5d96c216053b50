//! Who resolves names on this machine, and is told the tunnel's name servers.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use super::network::Assigned;

/// Who was given the name servers.
pub(super) enum Resolver {
    /// systemd-resolved, for this device.
    Resolved(String),
    /// resolvconf, under this name.
    Resolvconf(String),
}

impl Resolver {
    /// Hands the name servers to systemd-resolved or resolvconf, whichever takes them.
    pub(super) fn set(device: &str, assigned: &Assigned) -> Result<Self, String> {
        let servers: Vec<String> = assigned.dns.iter().map(ToString::to_string).collect();
        let quiet = |command: &mut Command| {
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
        };
        if quiet(
            Command::new("resolvectl")
                .arg("dns")
                .arg(device)
                .args(&servers),
        ) {
            if let Some(domain) = &assigned.domain {
                quiet(Command::new("resolvectl").args(["domain", device, domain]));
            }
            return Ok(Self::Resolved(device.to_owned()));
        }
        let name = format!("{device}.ironflex");
        let mut text = String::new();
        if let Some(domain) = &assigned.domain {
            text.push_str(&format!("search {domain}\n"));
        }
        for server in &servers {
            text.push_str(&format!("nameserver {server}\n"));
        }
        let child = Command::new("resolvconf")
            .args(["-a", &name])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let done = child.and_then(|mut child| {
            if let Some(stdin) = &mut child.stdin {
                stdin.write_all(text.as_bytes())?;
            }
            drop(child.stdin.take());
            child.wait()
        });
        match done {
            Ok(status) if status.success() => Ok(Self::Resolvconf(name)),
            _ => Err("neither systemd-resolved nor resolvconf takes the name servers".into()),
        }
    }

    /// Takes them back.
    pub(super) fn unset(self) {
        let mut command = match &self {
            Self::Resolved(device) => {
                let mut command = Command::new("resolvectl");
                command.args(["revert", device]);
                command
            }
            Self::Resolvconf(name) => {
                let mut command = Command::new("resolvconf");
                command.args(["-d", name]);
                command
            }
        };
        let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}
