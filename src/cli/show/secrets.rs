//! Lines of a configuration for eyes other than its operator's.

use ironflex_profiles::secrets::hidden;

/// What stands in the place of a secret.
const REMOVED: &str = "<removed>";

/// A line up to where a secret may begin: rather too much than too little is left out.
#[must_use]
pub fn without_secrets(line: &str) -> String {
    let kept = line
        .chars()
        .zip(hidden(line))
        .take_while(|(_, hidden)| !hidden);
    let kept: String = kept.map(|(c, _)| c).collect();
    if kept.len() == line.len() {
        return kept;
    }
    format!("{} {REMOVED}", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use ironflex_profiles::{parse, render};

    use super::*;

    #[test]
    fn no_secret_of_a_configuration_is_left() {
        let lines = "\
username one password 0 hidden1
username two privilege 15 password 7 02050D480809
crypto ikev2 keyring K
 peer P
  pre-shared-key local hidden2
  pre-shared-key remote hex 68696464656e33
  ppk manual id one key hidden4 required
crypto ikev2 profile X
 match identity remote key-id group
 authentication local pre-share key hidden5
 authentication remote pre-share key 0 hidden6
";
        let parsed = parse(lines, "startup-config");
        assert_eq!(parsed.diagnostics, []);
        let all = render(&parsed.candidate);
        assert!(
            all.contains("hidden5") && all.contains("02050D480809"),
            "{all}"
        );
        let left: Vec<String> = all.lines().map(without_secrets).collect();
        let left = left.join("\n");
        assert!(!left.contains("hidden") && !left.contains("0205"), "{left}");
        assert!(!left.contains("6869"), "{left}");
        assert!(left.contains("username one password <removed>"), "{left}");
        assert!(
            left.contains(" match identity remote key-id group\n"),
            "{left}"
        );
        assert_eq!(without_secrets("hostname Router"), "hostname Router");
        // As somebody may have typed them into the file, and not as they print.
        for (typed, told) in [
            ("username bob pass 0 hunter2", "username bob pass <removed>"),
            (
                "crypto pki import TP pkcs12 bootflash:a.p12 hunter2",
                "crypto pki import TP pkcs12 bootflash:a.p12 <removed>",
            ),
        ] {
            assert_eq!(without_secrets(typed), told);
        }
    }
}
