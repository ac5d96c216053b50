//! Lines of a configuration, and of what people have typed, for eyes other than its operator's.

use std::{collections::HashMap, fmt};

use ironflex_profiles::{
    Candidate,
    model::{
        Action,
        ikev2::{LocalAuthentication, Profile, RemoteAuthentication},
        keyring::KeyText,
    },
    secrets::hidden,
};
use serde_json::Value;
use zeroize::Zeroizing;

/// What stands in the place of a secret.
const REMOVED: &str = "<removed>";

/// The octets that a secret is found by. Shorter ones are not looked for: they stand in half of all words.
const BEGINNING: usize = 4;

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

/// The secrets of a configuration, to be looked for where people type what they like: a password in the place of a user's name.
#[derive(Clone, Default)]
pub struct Secrets(HashMap<[u8; BEGINNING], Vec<Zeroizing<String>>>);

impl Secrets {
    /// Those of a configuration, as they are typed and as its lines write them.
    #[must_use]
    pub fn of(configured: &Candidate) -> Self {
        let mut secrets = Self::default();
        for user in configured.users.iter() {
            if let Some(password) = &user.value.password {
                secrets.add(password.clear.reveal());
                secrets.add(&password.written().1);
            }
        }
        for keyring in configured.keyrings.iter() {
            for peer in keyring.value.peers.iter() {
                let keys = &peer.value.keys;
                let ppk = peer.value.ppk.as_ref().map(|ppk| &ppk.key);
                let all = [keys.local(), keys.remote(), ppk];
                all.into_iter().flatten().for_each(|key| secrets.key(key));
            }
        }
        for profile in configured.profiles.iter() {
            keys_of(&profile.value).for_each(|key| secrets.key(key));
        }
        for action in &configured.actions {
            match &action.value {
                Action::ImportPkcs12 { password, .. } => secrets.add(password.reveal()),
                Action::Authenticate { .. } => {}
            }
        }
        secrets
    }

    fn key(&mut self, key: &KeyText) {
        let written = key.written();
        let mut marks = ["hex ", "0 "].iter();
        let text = marks.find_map(|mark| written.strip_prefix(mark));
        self.add(text.unwrap_or(&written));
        if let Ok(clear) = std::str::from_utf8(&key.octets()) {
            self.add(clear);
        }
    }

    fn add(&mut self, secret: &str) {
        let Some(beginning) = secret.as_bytes().first_chunk() else {
            return;
        };
        let known = self.0.entry(*beginning).or_default();
        known.push(Zeroizing::new(secret.to_owned()));
        // Of two that begin alike the longer one is found.
        known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    }

    /// The text without them.
    #[must_use]
    pub fn removed_from(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            let here = rest.as_bytes().first_chunk();
            let known = here.and_then(|beginning| self.0.get(beginning));
            let found = known.into_iter().flatten();
            let found = found.filter_map(|secret| rest.strip_prefix(secret.as_str()));
            match found.min_by_key(|behind| behind.len()) {
                Some(behind) => {
                    out.push_str(REMOVED);
                    rest = behind;
                }
                None => {
                    out.push(next);
                    rest = rest.get(next.len_utf8()..).unwrap_or_default();
                }
            }
        }
        out
    }

    /// Takes them out of every text of some facts.
    pub fn remove_from(&self, facts: &mut Value) {
        match facts {
            Value::String(text) => *text = self.removed_from(text),
            Value::Array(all) => all.iter_mut().for_each(|one| self.remove_from(one)),
            Value::Object(all) => all.values_mut().for_each(|one| self.remove_from(one)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// The keys that stand in a profile's own lines.
fn keys_of(profile: &Profile) -> impl Iterator<Item = &KeyText> {
    let local = profile.authentication_local.iter();
    let local = local.filter_map(|method| match &method.value {
        LocalAuthentication::PreShare(key) => key.as_ref(),
        LocalAuthentication::RsaSig | LocalAuthentication::EcdsaSig => None,
    });
    let remote = profile.authentication_remote.iter();
    let remote = remote.filter_map(|method| match &method.value {
        RemoteAuthentication::PreShare(key) => key.as_ref(),
        RemoteAuthentication::AnyConnectEap { .. }
        | RemoteAuthentication::RsaSig
        | RemoteAuthentication::EcdsaSig => None,
    });
    local.chain(remote)
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
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
        let secrets = Secrets::of(&parsed.candidate);
        for secret in [
            "hidden1",
            "02050D480809",
            "cisco",
            "hidden2",
            "68696464656e33",
            "hidden3",
            "hidden4",
            "hidden5",
            "hidden6",
        ] {
            let typed = format!("login of {secret}: no such user\n");
            let told = "login of <removed>: no such user\n";
            assert_eq!(secrets.removed_from(&typed), told, "{secret}");
        }
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

    #[test]
    fn what_people_have_typed_is_told_without_the_secrets_in_it() {
        let lines = "username one password hunter\nusername two password hunter22\n\
             username three password für\nusername four password öl\n\
             crypto pki import TP pkcs12 bootflash:a.p12 password of a file\n";
        let parsed = parse(lines, "startup-config");
        assert_eq!(parsed.diagnostics, []);
        let secrets = Secrets::of(&parsed.candidate);
        for (typed, told) in [
            ("hunter22hunterhunte", "<removed><removed>hunte"),
            ("ÄHunter hunter", "ÄHunter <removed>"),
            ("a für öl", "a <removed> öl"),
            ("it is of a file, or", "it is <removed>, or"),
            ("", ""),
        ] {
            assert_eq!(secrets.removed_from(typed), told);
        }
        assert!(!format!("{secrets:?}").contains("hunter"));
    }
}
