//! What the client says: a line a step on standard error, JSON lines on standard output.

use std::{
    io::Write,
    net::{IpAddr, SocketAddr},
};

use serde::Serialize;

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Step {
    /// The headend's address is known.
    Resolved {
        /// What was asked for.
        host: String,
        /// Its address.
        address: IpAddr,
    },
    /// The first message is out.
    Connecting {
        /// Where to.
        remote: SocketAddr,
    },
    /// The headend has proven itself.
    Trusted {
        /// The certificate's subject, or the identity where there is none.
        subject: String,
    },
    /// The headend shows a text.
    Banner {
        /// The text.
        text: String,
    },
    /// A login was wrong and may be tried again.
    LoginFailed {
        /// What the headend said.
        message: String,
    },
    /// The tunnel is up.
    Connected {
        /// Our address inside; with one of each family, that of IPv4.
        address: IpAddr,
        /// Our addresses inside.
        addresses: Vec<IpAddr>,
        /// What goes through the tunnel.
        routes: Vec<String>,
        /// Name servers inside.
        dns: Vec<IpAddr>,
        /// The ESP algorithm.
        esp: String,
        /// `kernel` or `userspace`.
        dataplane: String,
        /// The device that packets take, if there is one.
        device: Option<String>,
    },
    /// This machine's address has changed, and the tunnel follows.
    Moved {
        /// Our address outside from now on.
        address: IpAddr,
    },
    /// The headend sends us to another one.
    Redirected {
        /// Its address.
        from: IpAddr,
        /// The other's.
        to: IpAddr,
    },
    /// It goes on with another try.
    Reconnecting {
        /// After so many seconds.
        seconds: u64,
        /// Why the last connection ended, as a sentence.
        message: String,
    },
    /// The end.
    Disconnected {
        /// Why, as one word.
        reason: &'static str,
        /// Why, as a sentence.
        message: String,
    },
}

/// Where steps go.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// JSON lines too.
    pub json: bool,
}

impl Report {
    /// Shows a line that is no step.
    pub fn show(self, line: &str) {
        // Nobody can be told that a stream is closed.
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }

    /// Tells one step.
    pub fn tell(self, step: &Step) {
        if let Some(line) = sentence(step) {
            self.show(&line);
        }
        if self.json
            && let Ok(line) = serde_json::to_string(step)
        {
            let _ = writeln!(std::io::stdout().lock(), "{line}");
        }
    }
}

/// What a terminal may be shown of a headend's text: no control characters.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars()
        .take(4096)
        .filter(|one| !one.is_control() || *one == '\n')
        .collect()
}

/// `None` for what is nothing new to a reader: the address of a host that was named by it.
fn sentence(step: &Step) -> Option<String> {
    Some(match step {
        Step::Resolved { host, address } if host.parse() == Ok(*address) => return None,
        Step::Moved { address } => format!("the tunnel goes on from {address}"),
        Step::Resolved { host, address } => format!("{host} is {address}"),
        Step::Connecting { remote } => format!("connecting to {remote}"),
        Step::Trusted { subject } => format!("the headend is {subject}"),
        Step::Banner { text } => printable(text),
        Step::LoginFailed { message } => printable(message),
        Step::Connected {
            addresses,
            routes,
            dns,
            esp,
            dataplane,
            device,
            ..
        } => {
            let names: Vec<String> = dns.iter().map(ToString::to_string).collect();
            let own: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            format!(
                "connected: address {}, {}, {esp} in {dataplane}{}{}",
                own.join(" and "),
                match routes.as_slice() {
                    [] => "no routes".to_owned(),
                    routes => format!("routes {}", routes.join(" ")),
                },
                device
                    .as_ref()
                    .map(|name| format!(" on {name}"))
                    .unwrap_or_default(),
                if names.is_empty() {
                    String::new()
                } else {
                    format!(", name servers {}", names.join(" "))
                },
            )
        }
        Step::Redirected { from, to } => format!("{from} sends us to {to}"),
        Step::Reconnecting { seconds, message } => {
            format!("{message}; connecting again in {seconds} s")
        }
        Step::Disconnected { message, .. } => message.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_stable_names_in_json() {
        let step = Step::Connected {
            address: "192.168.10.8".parse().unwrap(),
            addresses: ["192.168.10.8", "2001:db8:a::1"]
                .map(|one| one.parse().unwrap())
                .to_vec(),
            routes: vec!["10.0.0.0/8".into()],
            dns: vec!["10.0.1.1".parse().unwrap()],
            esp: "esp-256-aes esp-sha256-hmac".into(),
            dataplane: "userspace".into(),
            device: Some("ironflexc0".into()),
        };
        assert_eq!(
            serde_json::to_string(&step).unwrap(),
            r#"{"event":"connected","address":"192.168.10.8","addresses":["192.168.10.8","2001:db8:a::1"],"routes":["10.0.0.0/8"],"dns":["10.0.1.1"],"esp":"esp-256-aes esp-sha256-hmac","dataplane":"userspace","device":"ironflexc0"}"#
        );
    }

    #[test]
    fn tells_the_address_of_a_name_and_not_that_of_an_address() {
        let resolved = |host: &str| Step::Resolved {
            host: host.into(),
            address: "192.0.2.1".parse().unwrap(),
        };
        assert_eq!(
            sentence(&resolved("vpn.example.com")).as_deref(),
            Some("vpn.example.com is 192.0.2.1")
        );
        assert_eq!(sentence(&resolved("192.0.2.1")), None);
    }

    #[test]
    fn shows_no_control_characters_of_a_headend() {
        assert_eq!(printable("a\u{1b}[31mb\nc\u{7}"), "a[31mb\nc");
    }
}
