//! What is counted, under which name, and how it is told to Prometheus.
//!
//! One enum has every name. Names, labels and their meaning are an interface: they are not changed, only
//! added to. Labels take values from small closed sets, never what a peer or a user chose.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::Serialize;

/// How a number behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows while the daemon lives.
    Counter,
    /// It is what is at this moment.
    Gauge,
}

macro_rules! metrics {
    ($($name:ident: $kind:ident $text:literal $labels:expr, $help:literal;)+) => {
        /// One family of numbers.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Metric {
            $(
                #[doc = $help]
                $name,
            )+
        }

        impl Metric {
            /// All of them, in the order in which they are told.
            pub const ALL: [Self; [$(Self::$name),+].len()] = [$(Self::$name),+];

            /// Its name towards Prometheus.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => concat!("ironflex_", $text),)+ }
            }

            /// What it means.
            #[must_use]
            pub const fn help(self) -> &'static str {
                match self { $(Self::$name => $help,)+ }
            }

            /// How it behaves.
            #[must_use]
            pub const fn kind(self) -> Kind {
                match self { $(Self::$name => Kind::$kind,)+ }
            }

            /// The names of its labels; two at most.
            #[must_use]
            pub const fn labels(self) -> &'static [&'static str] {
                match self { $(Self::$name => &$labels,)+ }
            }
        }
    };
}

metrics! {
    Sessions: Gauge "sessions" [], "Sessions with a child SA.";
    IkeSas: Gauge "ike_sas" ["state"], "IKE SAs by where they stand.";
    WaitingRequests: Gauge "ike_waiting_first_requests" [], "IKE_SA_INIT requests that wait for their turn.";
    FragmentBytes: Gauge "ike_fragment_bytes" [], "Octets of memory that incomplete messages occupy.";
    PoolAddresses: Gauge "pool_addresses" ["state"], "Addresses of all pools by whether they are given out.";
    Accepted: Counter "ike_sas_accepted_total" [], "IKE_SA_INIT requests that began an IKE SA.";
    Established: Counter "ike_sas_established_total" [], "IKE SAs that came up.";
    Authenticated: Counter "ike_authenticated_peers_total" ["method"], "Peers that proved themselves, by how they did.";
    Closed: Counter "ike_sas_closed_total" ["reason"], "IKE SAs that ended, by why.";
    Refused: Counter "ike_refusals_total" ["reason"], "SAs, child SAs and requests for them that were refused, by why.";
    Redirected: Counter "ike_redirects_total" ["at"], "Clients that were sent to another gateway.";
    Rekeyed: Counter "ike_rekeys_total" ["sa"], "SAs that were replaced by new ones.";
    RekeyRefused: Counter "ike_rekeys_refused_by_peer_total" [], "Our requests to replace an SA that the peer refused.";
    RekeyTakenBack: Counter "ike_rekeys_taken_back_total" [], "Child SAs that are in use again because the new one is gone before them.";
    Logins: Counter "logins_total" ["result"], "Passwords and client certificates that users gave, by the verdict.";
    Operations: Counter "operations_total" ["operation", "result"], "What the headend did for SAs, by how it ended.";
    Messages: Counter "ike_messages_total" ["exchange", "way"], "IKE messages by exchange, repeats not counted.";
    Notifies: Counter "ike_notifies_total" ["type", "way"], "Notify payloads in IKE messages, by message type.";
    Retransmissions: Counter "ike_retransmissions_total" [], "Requests that were sent again because no answer had come.";
    Timeouts: Counter "ike_timeouts_total" ["timer"], "Waiting times that ran out.";
    Cookies: Counter "ike_cookies_total" ["result"], "Cookies demanded, and what became of the requests that had to bring one.";
    CrashTokens: Counter "ike_crash_tokens_total" ["result"], "Tokens of quick crash detection in clear: those sent, and what became of those received.";
    Ppks: Counter "ike_post_quantum_keys_total" ["result"], "Post-quantum pre-shared keys (RFC 8784) at logins: used, not used though configured, required and not used, named and not known, or another than the peer's.";
    FragmentsKept: Counter "ike_fragments_kept_total" [], "Fragments that were kept until the rest of their message came.";
    Discarded: Counter "ike_discarded_datagrams_total" ["reason"], "IKE datagrams that changed nothing, by why.";
    EspPackets: Counter "esp_packets_total" ["way"], "Packets that went through the tunnels.";
    EspBytes: Counter "esp_bytes_total" ["way"], "Octets of their inner packets.";
    EspDropped: Counter "esp_dropped_packets_total" ["way", "reason"], "ESP packets that were discarded, by why.";
}

/// One number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// The name of its metric.
    pub name: &'static str,
    /// Its labels with their values.
    pub labels: BTreeMap<&'static str, &'static str>,
    /// The number.
    pub value: u64,
}

/// The values of a metric's labels, in their order; those that it does not have are empty.
pub type Values = [&'static str; 2];

/// Numbers by metric and label values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<(Metric, Values), u64>);

impl Tally {
    /// One more of a metric without labels.
    pub fn count(&mut self, metric: Metric) {
        self.add(metric, ["", ""], 1);
    }

    /// One more of a metric with one label.
    pub fn count_of(&mut self, metric: Metric, value: &'static str) {
        self.add(metric, [value, ""], 1);
    }

    /// So many more.
    pub fn add(&mut self, metric: Metric, values: Values, by: u64) {
        let number = self.0.entry((metric, values)).or_default();
        *number = number.saturating_add(by);
    }

    /// The number under these values.
    #[must_use]
    pub fn of(&self, metric: Metric, values: Values) -> u64 {
        self.0.get(&(metric, values)).copied().unwrap_or_default()
    }

    /// The number under one label's value.
    #[must_use]
    pub fn one(&self, metric: Metric, value: &'static str) -> u64 {
        self.of(metric, [value, ""])
    }

    /// Everything that was counted of a metric.
    pub fn all(&self, metric: Metric) -> impl Iterator<Item = (Values, u64)> {
        self.0
            .range((metric, ["", ""])..)
            .take_while(move |((one, _), _)| *one == metric)
            .map(|(&(_, values), &number)| (values, number))
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: &Self) {
        for (&(metric, values), &number) in &other.0 {
            self.add(metric, values, number);
        }
    }

    /// Every number with its metric and labels.
    #[must_use]
    pub fn facts(&self) -> Vec<Sample> {
        let samples = |(&(metric, values), &value): (&(Metric, Values), &u64)| Sample {
            name: metric.name(),
            labels: metric.labels().iter().copied().zip(values).collect(),
            value,
        };
        self.0.iter().map(samples).collect()
    }

    /// In Prometheus' text format, version 0.0.4. Every family is there from the start; one without labels has
    /// a value from the start.
    #[must_use]
    pub fn prometheus(&self) -> String {
        let mut out = String::new();
        for metric in Metric::ALL {
            let kind = match metric.kind() {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
            };
            let name = metric.name();
            // Writing to a String cannot fail.
            let _ = writeln!(out, "# HELP {name} {}", metric.help());
            let _ = writeln!(out, "# TYPE {name} {kind}");
            if metric.labels().is_empty() {
                let _ = writeln!(out, "{name} {}", self.of(metric, ["", ""]));
                continue;
            }
            for (values, number) in self.all(metric) {
                let labels = metric.labels().iter().zip(values);
                let labels: Vec<String> = labels
                    .map(|(label, value)| format!("{label}=\"{value}\""))
                    .collect();
                let _ = writeln!(out, "{name}{{{}}} {number}", labels.join(","));
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_fit_for_prometheus_and_say_what_they_are() {
        let mut names = Vec::new();
        for metric in Metric::ALL {
            let name = metric.name();
            let fit = |text: &str| {
                text.starts_with(|c: char| c.is_ascii_lowercase())
                    && text
                        .chars()
                        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            };
            assert!(
                fit(name) && metric.labels().iter().all(|label| fit(label)),
                "{name}"
            );
            let counts = metric.kind() == Kind::Counter;
            assert_eq!(name.ends_with("_total"), counts, "{name}");
            assert!(
                metric.help().ends_with('.') && metric.labels().len() <= 2,
                "{name}"
            );
            names.push(name);
        }
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn tells_every_family_and_every_number() {
        let mut tally = Tally::default();
        tally.count(Metric::Accepted);
        tally.count_of(Metric::Discarded, "forged");
        tally.add(Metric::Operations, ["signature", "passed"], 7);
        let mut more = Tally::default();
        more.count_of(Metric::Discarded, "forged");
        tally.merge(&more);
        let text = tally.prometheus();
        for line in [
            "# HELP ironflex_ike_sas_accepted_total IKE_SA_INIT requests that began an IKE SA.",
            "# TYPE ironflex_ike_sas_accepted_total counter",
            "ironflex_ike_sas_accepted_total 1",
            "ironflex_sessions 0",
            "ironflex_ike_discarded_datagrams_total{reason=\"forged\"} 2",
            "ironflex_operations_total{operation=\"signature\",result=\"passed\"} 7",
            "# TYPE ironflex_ike_timeouts_total counter",
        ] {
            assert!(text.lines().any(|one| one == line), "{line}\n{text}");
        }
        assert_eq!(tally.one(Metric::Discarded, "forged"), 2);
        assert_eq!(tally.all(Metric::Discarded).count(), 1);
    }
}
