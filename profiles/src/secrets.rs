//! What of a line nobody but its operator is to see.

use alloc::vec::Vec;

use crate::closest::closest;

/// Words between `pki` and the passphrase of an import: what is done, with which trustpoint, and from which kind of file.
const BEFORE_A_FILE: usize = 3;

/// Words that a secret stands behind, the shortest first.
const ANNOUNCING: [&str; 4] = ["key", "password", "pre-shared-key", "secret"];

/// Words of a router's lines that are not taken here which a secret stands behind. They are long enough to be known misspelt, and
/// abbreviated they are other words.
const ANNOUNCING_ELSEWHERE: [&str; 5] = [
    "authentication-key",
    "community",
    "key-string",
    "message-digest-key",
    "passphrase",
];

/// How other words end that a secret stands behind.
const ENDS: [&str; 3] = ["-key", "-password", "-secret"];

/// First words of lines that are not taken here, in which a secret may stand at any place.
const SECRET_THROUGHOUT: [&str; 3] = ["glbp", "standby", "vrrp"];

/// One of them that is often abbreviated.
const SNMP: &str = "snmp-server";

/// First words of lines that list algorithms, where `md5` announces nothing.
const OF_ALGORITHMS: [&str; 3] = ["hash", "integrity", "prf"];

/// Words that may stand behind the name of a user, besides those that announce a secret.
const OF_A_USER: [&str; 5] = ["aaa", "autocommand", "nopassword", "one-time", "privilege"];

/// Where in a line a word stands, as far as its secrets are concerned.
#[derive(Clone, Copy)]
enum Place {
    /// First in its line, but for `no` and `default`.
    First,
    /// Where nothing of its line matters but the words that announce a secret.
    Anywhere,
    /// Behind a word that algorithms follow.
    Algorithms,
    /// Behind a word that secrets may follow at any place.
    Throughout,
    /// Behind `crypto`, which `pki` may follow.
    Crypto,
    /// Behind `pki`, and which of the words there it is.
    Pki(usize),
    /// Behind `username`.
    Username,
    /// Behind the name of a user.
    User,
    /// Behind the privilege level's word.
    Level,
    /// Behind `enable`.
    Enable,
}

impl Place {
    /// Where the word behind this one stands.
    fn behind(self, word: &str) -> Self {
        match self {
            Self::Pki(count) => Self::Pki(count.saturating_add(1)),
            // A name may be any word.
            Self::Username | Self::Level => Self::User,
            _ if word == "pki" => Self::Pki(1),
            Self::Crypto if means(&["pki"], word) => Self::Pki(1),
            Self::User if is_prefix(&["privilege"], word) => Self::Level,
            Self::User => Self::User,
            Self::Enable | Self::Algorithms | Self::Throughout => self,
            Self::First if ["no", "default"].contains(&word) => Self::First,
            Self::First if means(&["crypto"], word) => Self::Crypto,
            Self::First if means(&["username"], word) => Self::Username,
            Self::First if means(&["enable"], word) => Self::Enable,
            Self::First if SECRET_THROUGHOUT.contains(&word) => Self::Throughout,
            Self::First if word.len() > 3 && means(&[SNMP], word) => Self::Throughout,
            Self::First if is_prefix(&OF_ALGORITHMS, word) => Self::Algorithms,
            Self::First | Self::Anywhere | Self::Crypto => Self::Anywhere,
        }
    }

    /// Whether a word may be a secret here, though none was announced.
    fn hides(self, word: &str) -> bool {
        match self {
            Self::Pki(count) if count <= BEFORE_A_FILE => false,
            Self::Pki(count) if count == BEFORE_A_FILE.saturating_add(1) => word.contains('@'),
            // A passphrase may follow its file without a word in front of it.
            Self::Pki(_) => word != "password",
            Self::User => !may_announce(word) && !means(&OF_A_USER, word),
            Self::Level => word.parse::<u8>().is_err(),
            Self::Enable => !may_announce(word),
            Self::Throughout => true,
            Self::First | Self::Anywhere | Self::Algorithms | Self::Crypto | Self::Username => {
                false
            }
        }
    }

    /// Whether a secret may stand behind this word.
    fn announces(self, word: &str) -> bool {
        match self {
            // What is done there, its objects and the file.
            Self::Pki(count) if count <= BEFORE_A_FILE.saturating_add(1) => {
                word.len() > 1 && may_announce(word)
            }
            Self::First | Self::User | Self::Enable | Self::Pki(_) => may_announce(word),
            // Names are often one letter long; `key` has no other word beside it that begins so.
            Self::Anywhere | Self::Crypto if word == "md5" => true,
            Self::Anywhere | Self::Algorithms | Self::Crypto | Self::Level => {
                (word.len() > 1 || is_prefix(&["key"], word)) && may_announce(word)
            }
            Self::Username | Self::Throughout => false,
        }
    }
}

/// For each character of a line, whether it may belong to a secret: what follows a word that announces one. Rather too much
/// than too little is hidden. Abbreviated and misspelt words announce secrets as well: the former are taken, and the lines of
/// the latter are shown to say so.
///
/// The passphrase of `crypto pki import` may follow its file without a word in front of it, and the file may be a URL with a
/// password in it.
pub fn hidden(line: &str) -> impl Iterator<Item = bool> {
    let mut secret = false;
    let mut place = Place::First;
    let mut pieces = Vec::new();
    for piece in line.split_inclusive(char::is_whitespace) {
        let word = &*piece.trim_end().to_ascii_lowercase();
        let hides = secret || place.hides(word);
        pieces.extend(piece.chars().map(|c| hides && !c.is_whitespace()));
        if word.is_empty() {
            continue;
        }
        secret = hides || place.announces(word);
        place = place.behind(word);
    }
    pieces.into_iter()
}

/// Whether a word is one that announces a secret, abbreviated or misspelt. Of `key` one slip is told apart from other words.
fn may_announce(word: &str) -> bool {
    let known = match ANNOUNCING.split_first() {
        Some((_, longer)) if word.len() > 3 => longer,
        _ => &ANNOUNCING,
    };
    let elsewhere = || {
        ENDS.iter().any(|end| word.ends_with(end))
            || closest(ANNOUNCING_ELSEWHERE.iter().copied(), word).is_some()
    };
    !OF_A_USER.contains(&word)
        && (is_prefix(&ANNOUNCING, word) || means(known, word) || elsewhere())
}

/// Whether a word is one of these, abbreviated or misspelt.
fn means(known: &[&str], word: &str) -> bool {
    is_prefix(known, word) || closest(known.iter().copied(), word).is_some()
}

fn is_prefix(known: &[&str], word: &str) -> bool {
    known.iter().any(|known| known.starts_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{ModeKind, Node, Token};
    use alloc::{format, string::String};

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
            (
                "crypto p import TP pkcs12 bootflash:a.p12 hunter2",
                "crypto p import TP pkcs12 bootflash:a.p12 *******",
            ),
            (
                "crypto pik import TP pkcs12 bootflash:a.p12 hunter2",
                "crypto pik import TP pkcs12 bootflash:a.p12 *******",
            ),
            ("ppk manual id X k hunter2", "ppk manual id X k *******"),
            (
                " ppk manual id X ke hunter2 required",
                " ppk manual id X ke ******* ********",
            ),
            ("ppk manual id X kye hunter2", "ppk manual id X kye *******"),
            (" p hunter2", " p *******"),
            ("username bob p hunter2", "username bob p *******"),
            ("username bob s hunter2", "username bob s *******"),
            (
                "username bob passwrd hunter2",
                "username bob passwrd *******",
            ),
            ("username bob hunter2", "username bob *******"),
            ("username p privilege 15", "username p privilege 15"),
            (
                "usrname bob priv 15 p hunter2",
                "usrname bob priv 15 p *******",
            ),
            (
                "username bob privilege hunter2",
                "username bob privilege *******",
            ),
            ("pre-shard-key hunter2", "pre-shard-key *******"),
            (
                "aaa authentication login p local",
                "aaa authentication login p local",
            ),
            (
                "aaa authorization user eap cached",
                "aaa authorization user eap cached",
            ),
            ("no username bob hunter2", "no username bob *******"),
            ("username pki hunter2", "username pki *******"),
            ("username pki p hunter2", "username pki p *******"),
            (
                "username pki privilege 15 s hunter2",
                "username pki privilege 15 s *******",
            ),
            ("enable secret 0 hunter2", "enable secret * *******"),
            ("enable s hunter2", "enable s *******"),
            ("enable p hunter2", "enable p *******"),
            ("enable hunter2", "enable *******"),
            ("enbale scret hunter2", "enbale scret *******"),
            ("no enable s hunter2", "no enable s *******"),
            ("ipv6 enable", "ipv6 enable"),
            (
                "snmp-server community hunter2 RO",
                "snmp-server ********* ******* **",
            ),
            (
                "no snmp-srver host 192.0.2.1 hunter2",
                "no snmp-srver **** ********* *******",
            ),
            ("snmp com hunter2", "snmp *** *******"),
            ("community hunter2", "community *******"),
            (
                "ntp authentication-key 1 md5 hunter2",
                "ntp authentication-key * *** *******",
            ),
            (
                "ip ospf authentication-key hunter2",
                "ip ospf authentication-key *******",
            ),
            (
                "ip ospf message-digest-key 1 md5 hunter2",
                "ip ospf message-digest-key * *** *******",
            ),
            (
                "standby 1 authentication hunter2",
                "standby * ************** *******",
            ),
            (
                "vrrp 1 authentication text hunter2",
                "vrrp * ************** **** *******",
            ),
            (
                "authentication mode md5 hunter2",
                "authentication mode md5 *******",
            ),
            ("key-string 7 hunter2", "key-string * *******"),
            (
                "isis authentication-keys hunter2",
                "isis authentication-keys *******",
            ),
            ("area-password hunter2", "area-password *******"),
            ("wpa passphrase hunter2", "wpa passphrase *******"),
            ("integrity md5 sha1", "integrity md5 sha1"),
            ("prf md5 sha1", "prf md5 sha1"),
            ("int md5 sha1", "int md5 sha1"),
            ("hash md5 x", "hash md5 x"),
            (
                "authentication remote rsa-sig",
                "authentication remote rsa-sig",
            ),
            (
                "aaa authentication login default local",
                "aaa authentication login default local",
            ),
            ("end", "end"),
            (
                "crypto ikev2 authorization policy p",
                "crypto ikev2 authorization policy p",
            ),
        ] {
            let characters = line.chars().zip(hidden(line));
            let found: String = characters
                .map(|(c, hidden)| if hidden { '*' } else { c })
                .collect();
            assert_eq!(found, shown);
        }
    }

    #[test]
    fn no_other_word_of_the_tables_announces_a_secret() {
        fn look(node: &Node, path: &str, announcing: &mut Vec<String>) {
            let words: &[&str] = match &node.token {
                Token::Word(word) => &[word],
                Token::Choice(words) => &words.iter().map(|word| word.word).collect::<Vec<_>>(),
                _ => &[],
            };
            let odd = words
                .iter()
                .filter(|word| Place::Anywhere.announces(word) && !ANNOUNCING.contains(word));
            announcing.extend(odd.map(|word| format!("{path} {word}")));
            for next in node.then {
                look(next, &format!("{path} {:?}", next.token), announcing);
            }
        }
        let mut announcing = Vec::new();
        for mode in ModeKind::ALL {
            for node in mode.commands() {
                if let Token::Word(word) = node.token
                    && word != SNMP
                {
                    let behind = Place::First.behind(word);
                    assert!(!matches!(behind, Place::Throughout), "{word}");
                    let lists = matches!(behind, Place::Algorithms);
                    assert_eq!(lists, OF_ALGORITHMS.contains(&word), "{word}");
                }
                look(node, &format!("{mode:?}"), &mut announcing);
            }
        }
        // It is an algorithm there, behind a word that says so.
        announcing.retain(|line| !line.ends_with(" md5"));
        // The key of `pre-share` is hidden with the word that announces it.
        announcing.retain(|line| !line.ends_with(" pre-share"));
        assert_eq!(announcing, Vec::<String>::new());
    }
}
