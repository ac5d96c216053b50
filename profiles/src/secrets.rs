//! What of a line nobody but its operator is to see.

use alloc::vec::Vec;

/// Words between `pki` and the passphrase of an import: what is done, with which trustpoint, and from which kind of file.
const BEFORE_A_FILE: usize = 3;

/// For each character of a line, whether it may belong to a secret: what follows a word that announces one. Rather too much
/// than too little is hidden. Abbreviated words announce secrets as well.
///
/// The passphrase of `crypto pki import` may follow its file without a word in front of it, and the file may be a URL with a
/// password in it.
pub fn hidden(line: &str) -> impl Iterator<Item = bool> {
    let mut secret = false;
    // How many words behind `pki` this one stands.
    let mut behind_pki = None;
    let mut pieces = Vec::new();
    for piece in line.split_inclusive(char::is_whitespace) {
        let word = &*piece.trim_end().to_ascii_lowercase();
        if !word.is_empty() {
            behind_pki = behind_pki.map(|count: usize| count.saturating_add(1));
        }
        let hides = match behind_pki {
            Some(count) if count <= BEFORE_A_FILE => false,
            Some(count) if count == BEFORE_A_FILE.saturating_add(1) => secret || word.contains('@'),
            Some(_) => secret || word != "password",
            None => secret,
        };
        pieces.extend(piece.chars().map(|c| hides && !c.is_whitespace()));
        if word.is_empty() {
            continue;
        }
        secret = secret || hides || announces(word);
        if behind_pki.is_none() && word == "pki" {
            behind_pki = Some(0);
        }
    }
    pieces.into_iter()
}

/// Whether a secret may stand behind this word.
fn announces(word: &str) -> bool {
    word == "key"
        || word.len() > 1
            && ["password", "secret", "pre-shared-key"]
                .iter()
                .any(|known| known.starts_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    #[test]
    fn hides_what_may_be_a_secret() {
        for (line, shown) in [
            (
                "username a password 0 hunter 2",
                "username a password * ****** *",
            ),
            ("username a pass hunter2", "username a pass *******"),
            (
                " pre-shared-key local hunter2",
                " pre-shared-key ***** *******",
            ),
            ("crypto key x", "crypto key *"),
            (
                "crypto pki import T pkcs12 bootflash:a.p12 hunter2",
                "crypto pki import T pkcs12 bootflash:a.p12 *******",
            ),
            (
                "crypto pki import T pkcs12 bootflash:a.p12 password hunter2",
                "crypto pki import T pkcs12 bootflash:a.p12 password *******",
            ),
            (
                "crypto pki imprt T pcks12 bootflash:a.p12 hunter2",
                "crypto pki imprt T pcks12 bootflash:a.p12 *******",
            ),
            (
                "crypto pki import T p ftp://a:hunter2@b/a.p12 x",
                "crypto pki import T p *********************** *",
            ),
            ("crypto pki trustpoint key", "crypto pki trustpoint key"),
            ("set transform-set TS", "set transform-set TS"),
        ] {
            let characters = line.chars().zip(hidden(line));
            let found: String = characters
                .map(|(c, hidden)| if hidden { '*' } else { c })
                .collect();
            assert_eq!(found, shown);
        }
    }
}
