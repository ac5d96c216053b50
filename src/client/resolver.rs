//! Who resolves names on this machine, and is told the tunnel's name servers.

use std::{
    ffi::OsString,
    io::Write,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use ironflex_xfrm::netlink::ClientNumber;

use super::network::Assigned;

/// How long one of the programs may take: nobody else has a turn in the meantime.
const PATIENCE: Duration = Duration::from_secs(3);

/// How often it is looked whether it has ended.
const GLANCE: Duration = Duration::from_millis(10);

/// Name servers that are handed on: more than any resolver asks, and few enough for a pipe to take them at once.
const MAX_SERVERS: usize = 16;

/// Every name, as systemd-resolved writes it where a device is to be asked for all of them.
const EVERY_NAME: &str = "~.";

/// The programs that resolvers are told by.
#[derive(Clone, Debug, Default)]
pub(super) struct Tools {
    /// Where they are looked for; the process's own PATH if it is not said.
    path: Option<OsString>,
}

impl Tools {
    /// Runs a program with this input; whether it was content, in time.
    fn run(&self, program: &str, arguments: &[&str], input: &str) -> bool {
        let mut command = Command::new(program);
        if let Some(path) = &self.path {
            command.env("PATH", path);
        }
        let child = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut child) = child else {
            return false;
        };
        if let Some(mut stdin) = child.stdin.take() {
            // Who does not read it says so by its exit code.
            let _ = stdin.write_all(input.as_bytes());
        }
        let begun = Instant::now();
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return status.success(),
                Ok(None) if begun.elapsed() < PATIENCE => thread::sleep(GLANCE),
                Ok(None) | Err(_) => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return false;
                }
            }
        }
    }
}

/// Who was given the name servers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Resolver {
    /// systemd-resolved, for this device.
    Resolved(String),
    /// resolvconf, under this name.
    Resolvconf(String),
}

impl Resolver {
    /// Hands the name servers to systemd-resolved or resolvconf, whichever takes them.
    pub(super) fn set(tools: &Tools, device: &str, assigned: &Assigned) -> Result<Self, String> {
        let servers = assigned.dns.iter().take(MAX_SERVERS);
        let servers: Vec<String> = servers.map(ToString::to_string).collect();
        let servers = servers.iter().map(String::as_str);
        let words: Vec<&str> = ["dns", device].into_iter().chain(servers.clone()).collect();
        if tools.run("resolvectl", &words, "") {
            // Without a split list every name belongs to the tunnel's servers: those of other devices are asked as well otherwise.
            let all = assigned.networks.is_empty().then_some(EVERY_NAME);
            let domains: Vec<&str> = assigned.domain.as_deref().into_iter().chain(all).collect();
            if !domains.is_empty() {
                tools.run(
                    "resolvectl",
                    &[&["domain", device], domains.as_slice()].concat(),
                    "",
                );
            }
            return Ok(Self::Resolved(device.to_owned()));
        }
        let name = entry(device);
        let mut text = String::new();
        if let Some(domain) = &assigned.domain {
            text.push_str(&format!("search {domain}\n"));
        }
        for server in servers {
            text.push_str(&format!("nameserver {server}\n"));
        }
        if tools.run("resolvconf", &["-a", &name], &text) {
            Ok(Self::Resolvconf(name))
        } else {
            Err("neither systemd-resolved nor resolvconf takes the name servers".into())
        }
    }

    /// Takes them back.
    pub(super) fn unset(self, tools: &Tools) {
        match &self {
            Self::Resolved(device) => tools.run("resolvectl", &["revert", device], ""),
            Self::Resolvconf(name) => tools.run("resolvconf", &["-d", name], ""),
        };
    }
}

/// Takes back what dead clients of these numbers may have left with resolvconf. systemd-resolved forgets a device's servers
/// with the device.
pub(super) fn forget(tools: &Tools, numbers: &[ClientNumber]) {
    for &number in numbers {
        // Where it is not there, or hangs, it has nothing for the others either.
        if !tools.run("resolvconf", &["-d", &entry(&device_name(number))], "") {
            return;
        }
    }
}

/// The name of a client's device, in a namespace that may have other clients.
pub(super) fn device_name(number: ClientNumber) -> String {
    format!("ironflexc{}", number.value())
}

/// Under which resolvconf keeps a device's servers.
fn entry(device: &str) -> String {
    format!("{device}.ironflex")
}

/// Whether a text is the name of a host or a domain and nothing else: what is written for a resolver to read has no
/// line ends and no options in it.
pub(super) fn is_host_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        let octets = label.as_bytes();
        let edge = |octet: Option<&u8>| octet.is_some_and(|octet| *octet != b'-');
        octets.len() <= 63
            && edge(octets.first())
            && edge(octets.last())
            && octets
                .iter()
                .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'))
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    /// Programs that note what they were called with and what they were given, and end with a code.
    struct Stubs {
        folder: tempfile::TempDir,
    }

    impl Stubs {
        fn new(programs: &[(&str, &str)]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            for (name, end) in programs {
                let log = folder.path().join("log").display().to_string();
                let text =
                    format!("#!/bin/sh\necho {name} \"$@\" >>{log}\n/bin/cat >>{log}\n{end}\n");
                write_program(&folder.path().join(name), &text);
            }
            Self { folder }
        }

        fn tools(&self) -> Tools {
            Tools {
                path: Some(self.folder.path().into()),
            }
        }

        fn log(&self) -> String {
            fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
        }
    }

    /// By another process: what one of this process has open for writing while another thread forks cannot be executed.
    fn write_program(path: &Path, text: &str) {
        let mut shell = Command::new("/bin/sh")
            .args(["-c", "cat >\"$0\" && chmod +x \"$0\""])
            .arg(path)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = shell.stdin.take().unwrap();
        stdin.write_all(text.as_bytes()).unwrap();
        drop(stdin);
        assert!(shell.wait().unwrap().success());
    }

    fn assigned(domain: Option<&str>, split: bool) -> Assigned {
        Assigned {
            dns: vec![
                "10.0.0.53".parse().unwrap(),
                "2001:db8::53".parse().unwrap(),
            ],
            domain: domain.map(str::to_owned),
            networks: split
                .then(|| ironflex_xfrm::IpPrefix::new("10.0.0.0".parse().unwrap(), 8).unwrap())
                .into_iter()
                .collect(),
            ..Assigned::default()
        }
    }

    #[test]
    fn without_a_split_list_every_name_is_the_tunnels() {
        for (domain, split, told) in [
            (
                Some("example.com"),
                false,
                "resolvectl domain tun example.com ~.\n",
            ),
            (None, false, "resolvectl domain tun ~.\n"),
            (
                Some("example.com"),
                true,
                "resolvectl domain tun example.com\n",
            ),
            (None, true, ""),
        ] {
            let stubs = Stubs::new(&[("resolvectl", "exit 0")]);
            let set = Resolver::set(&stubs.tools(), "tun", &assigned(domain, split)).unwrap();
            assert_eq!(set, Resolver::Resolved("tun".into()));
            let expected = format!("resolvectl dns tun 10.0.0.53 2001:db8::53\n{told}");
            assert_eq!(stubs.log(), expected);
            set.unset(&stubs.tools());
            assert_eq!(stubs.log(), format!("{expected}resolvectl revert tun\n"));
        }
    }

    #[test]
    fn resolvconf_is_told_what_systemd_resolved_does_not_take() {
        let stubs = Stubs::new(&[("resolvectl", "exit 1"), ("resolvconf", "exit 0")]);
        let set = Resolver::set(&stubs.tools(), "tun", &assigned(Some("example.com"), true));
        assert_eq!(set, Ok(Resolver::Resolvconf("tun.ironflex".into())));
        assert!(
            stubs.log().ends_with(
                "resolvconf -a tun.ironflex\nsearch example.com\nnameserver 10.0.0.53\nnameserver 2001:db8::53\n"
            ),
            "{}",
            stubs.log()
        );
        let nobody = Stubs::new(&[]);
        assert!(Resolver::set(&nobody.tools(), "tun", &assigned(None, true)).is_err());
    }

    #[test]
    fn a_program_that_hangs_is_ended_and_the_next_one_asked() {
        let hang = "exec /bin/sleep 600";
        let stubs = Stubs::new(&[("resolvectl", hang), ("resolvconf", "exit 0")]);
        let begun = Instant::now();
        let set = Resolver::set(&stubs.tools(), "tun", &assigned(None, true));
        assert_eq!(set, Ok(Resolver::Resolvconf("tun.ironflex".into())));
        let took = begun.elapsed();
        assert!(took >= PATIENCE && took < 3 * PATIENCE, "{took:?}");
    }

    #[test]
    fn what_dead_clients_left_with_resolvconf_is_taken_back() {
        let stubs = Stubs::new(&[("resolvconf", "exit 0")]);
        let numbers: Vec<ClientNumber> = ClientNumber::all().take(2).collect();
        forget(&stubs.tools(), &numbers);
        assert_eq!(
            stubs.log(),
            "resolvconf -d ironflexc0.ironflex\nresolvconf -d ironflexc1.ironflex\n"
        );
    }

    #[test]
    fn a_domain_is_a_name_and_nothing_else() {
        let long = "a".repeat(64);
        for name in [
            "example.com",
            "corp",
            "a-b.example.",
            "_tcp.example.com",
            "x2.y",
        ] {
            assert!(is_host_name(name), "{name:?}");
        }
        for text in [
            "",
            ".",
            "a..b",
            "-a.example",
            "--interface=eth0",
            "a-.example",
            "example.com\nnameserver 192.0.2.66",
            "example.com\n",
            "a b",
            "~.",
            "ex\u{e4}mple.com",
            &long,
            &["a"; 128].join("."),
        ] {
            assert!(!is_host_name(text), "{text:?}");
        }
    }
}
