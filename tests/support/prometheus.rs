//! Reads Prometheus' text format strictly: whatever is not exactly as its description has it fails.

use std::collections::BTreeMap;

/// The samples, by name and labels as they stand there, and each family's type.
pub(crate) struct Metrics {
    samples: BTreeMap<String, u64>,
    families: BTreeMap<String, String>,
}

fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

impl Metrics {
    /// # Panics
    ///
    /// When it is not the text format, version 0.0.4: every family once, HELP and TYPE before its samples, no sample twice.
    pub(crate) fn read(text: &str) -> Self {
        assert!(text.ends_with('\n'));
        let mut metrics = Self {
            samples: BTreeMap::new(),
            families: BTreeMap::new(),
        };
        let (mut helped, mut typed) = (String::new(), String::new());
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap();
                assert!(is_name(name) && !help.is_empty(), "{line}");
                helped = name.to_owned();
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert_eq!(name, helped, "{line}");
                assert!(["counter", "gauge"].contains(&kind), "{line}");
                assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
                let before = metrics.families.insert(name.to_owned(), kind.to_owned());
                assert_eq!(before, None, "{line}");
                typed = name.to_owned();
            } else {
                let (sample, value) = line.rsplit_once(' ').unwrap();
                let name = match sample.split_once('{') {
                    None => sample,
                    Some((name, labels)) => {
                        let labels = labels.strip_suffix('}').unwrap();
                        for label in labels.split(',') {
                            let (label, value) = label.split_once('=').unwrap();
                            let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
                            let plain = value.is_some_and(|v| !v.contains(['"', '\\']));
                            assert!(is_name(label) && plain, "{line}");
                        }
                        name
                    }
                };
                assert_eq!(name, typed, "{line}");
                let before = metrics
                    .samples
                    .insert(sample.to_owned(), value.parse().unwrap());
                assert_eq!(before, None, "{line}");
            }
        }
        metrics
    }

    /// A sample, such as `ironflex_sessions`, where there is one: what has not happened yet may have none.
    ///
    /// # Panics
    ///
    /// When there is no such family.
    pub(crate) fn of(&self, sample: &str) -> Option<u64> {
        let family = sample.split('{').next().unwrap();
        assert!(self.families.contains_key(family), "no family {family}");
        self.samples.get(sample).copied()
    }
}
