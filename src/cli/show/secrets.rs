//! Lines of a configuration for eyes other than its operator's.

/// The words of a configuration's lines that a secret follows.
const BEFORE_A_SECRET: [&str; 4] = ["key", "password", "pre-shared-key", "secret"];

/// What stands in the place of a secret.
const REMOVED: &str = "<removed>";

/// A line without what follows a word that a secret may stand behind: rather too much than too little is left out.
#[must_use]
pub fn without_secrets(line: &str) -> String {
    let mut end = 0;
    for word in line.split_inclusive(char::is_whitespace) {
        end = usize::saturating_add(end, word.len());
        let word = word.trim_end();
        if BEFORE_A_SECRET
            .iter()
            .any(|one| word.eq_ignore_ascii_case(one))
        {
            let kept = line.get(..end).unwrap_or_default().trim_end();
            return format!("{kept} {REMOVED}");
        }
    }
    line.to_owned()
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
    }
}
