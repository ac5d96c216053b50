//! `ironflex support-bundle`: what somebody who helps from afar asks for, in one file and without secrets.
//!
//! ```text
//!   daemon: show tech-support, and the same as JSON ──┐
//!   configuration file ── what is understood of it ───┼──► one archive, for its maker's eyes alone
//!   doctor's verdicts                                 │
//!   kernel: SAs without keys, network, system ────────┘
//! ```
//!
//! Nothing is taken over as it stands that people write, or that a key can be in: the configuration's lines are printed from
//! what was understood of them, and files of the state folder are listed and not read. What of that is a secret is then looked
//! for in every file, for somebody may have typed it where a name belongs. What cannot be had is named in the archive's first
//! file.

mod machine;
mod tar;

use std::{
    fmt::Write as _,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use ironflex_profiles::{Parsed, parse, render};
use serde_json::Value;

use self::tar::Archive;
use crate::{
    cli::show::{Secrets, without_secrets},
    daemon::{Options, load},
    doctor::{self, Grade, Verdict},
    files,
    shell::{Answer, Console},
};

/// The folder of the archive.
const FOLDER: &str = "ironflex-support";

/// Who may read what is written.
const OWNER_ONLY: u32 = 0o600;

/// What the daemon is asked for, which contains all others.
const TECH_SUPPORT: &str = "show tech-support";

/// What was written.
#[derive(Debug)]
pub struct Written {
    /// The file; `None` for standard output.
    pub path: Option<PathBuf>,
    /// How many files are in it.
    pub files: usize,
    /// What could not be had, and why.
    pub missing: Vec<String>,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", path.display())]
pub struct NotWritten {
    path: PathBuf,
    error: io::Error,
}

/// The files of a bundle before they are one.
struct Bundle {
    at: SystemTime,
    files: Vec<(String, String)>,
    missing: Vec<String>,
    /// Those of the configuration file. The daemon knows those of its own configuration.
    secrets: Secrets,
}

/// Gathers everything and writes it: to `file`, where `-` is standard output, or to one in the working folder whose name has the
/// machine's name and the time.
///
/// # Errors
///
/// [`NotWritten`].
pub fn write(options: &Options, file: Option<PathBuf>) -> Result<Written, NotWritten> {
    let at = SystemTime::now();
    let bundle = Bundle::gather(options, at);
    let path = file.unwrap_or_else(|| format!("{FOLDER}-{}-{}.tar", host(), stamp(at)).into());
    let failed = |error| NotWritten {
        path: path.clone(),
        error,
    };
    let (files, missing) = (bundle.files.len(), bundle.missing.clone());
    let octets = bundle.archive().map_err(failed)?;
    if path == Path::new("-") {
        let mut out = io::stdout().lock();
        let written = out.write_all(&octets).and_then(|()| out.flush());
        return written.map_err(failed).map(|()| Written {
            path: None,
            files,
            missing,
        });
    }
    put(&path, &octets).map_err(failed)?;
    Ok(Written {
        path: Some(path),
        files,
        missing,
    })
}

impl Bundle {
    fn gather(options: &Options, at: SystemTime) -> Self {
        let startup = startup(&options.config);
        let secrets = startup.as_ref().map_or_else(
            |_| Secrets::default(),
            |parsed| Secrets::of(&parsed.candidate),
        );
        let mut bundle = Self {
            at,
            files: Vec::new(),
            missing: Vec::new(),
            secrets,
        };
        bundle.ask(&Console::new(options.state_dir.clone()));
        match startup {
            Ok(parsed) => bundle.add("startup-config.txt", &understood(&parsed)),
            Err(why) => bundle.lacks(why),
        }
        let verdicts = doctor::examine(options, &[]);
        let said: String = verdicts.iter().map(verdict).collect();
        bundle.add("doctor.txt", &said);
        bundle.add("system.txt", &machine::system());
        bundle.add("network.txt", &machine::network());
        match machine::dataplane() {
            Ok(text) => bundle.add("dataplane.txt", &text),
            Err(error) => bundle.lacks(format!("dataplane.txt: {error}")),
        }
        bundle.add("files.txt", &machine::files(options));
        bundle.introduce();
        bundle
    }

    /// Adds a text without the secrets that somebody may have typed into it.
    fn add(&mut self, name: &str, text: &str) {
        let clear = self.secrets.removed_from(text);
        self.files.push((name.to_owned(), clear));
    }

    /// Adds facts, in which a secret may stand as JSON writes it.
    fn add_facts(&mut self, name: &str, facts: &mut Value) {
        self.secrets.remove_from(facts);
        self.files.push((name.to_owned(), format!("{facts:#}\n")));
    }

    fn lacks(&mut self, what: String) {
        self.missing.push(what);
    }

    /// What the daemon says, which leaves its secrets out itself.
    fn ask(&mut self, console: &Console) {
        match told(console, TECH_SUPPORT) {
            Ok(text) => {
                for (command, name) in [
                    ("show running-config", "running-config.txt"),
                    ("show logging", "logging.txt"),
                ] {
                    if let Some(said) = section(&text, command) {
                        self.add(name, said);
                    }
                }
                self.add("tech-support.txt", &text);
            }
            Err(why) => return self.lacks(format!("what the daemon says: {why}")),
        }
        let json = told(console, &format!("{TECH_SUPPORT} | json")).and_then(|text| {
            let read: Result<Value, _> = serde_json::from_str(&text);
            read.map_err(|error| error.to_string())
        });
        match json {
            Ok(mut json) => {
                let all = json.get_mut("tech_support").and_then(Value::as_object_mut);
                for (command, facts) in all.into_iter().flatten() {
                    let name = format!("json/{}.json", command.replace(' ', "-"));
                    self.add_facts(&name, facts);
                }
            }
            Err(why) => self.lacks(format!("JSON: {why}")),
        }
    }

    /// Puts a file in front that says what the others are.
    fn introduce(&mut self) {
        let mut text = format!(
            "ironflex {}, {}\n\nPasswords, pre-shared keys, private keys and the keys of sessions are in none of these files:\n\n",
            env!("CARGO_PKG_VERSION"),
            stamp(self.at)
        );
        for (name, content) in &self.files {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{:>9}  {name}", content.len());
        }
        for what in &self.missing {
            let _ = writeln!(text, "  missing  {what}");
        }
        let clear = self.secrets.removed_from(&text);
        self.files.insert(0, ("contents.txt".to_owned(), clear));
    }

    fn archive(self) -> io::Result<Vec<u8>> {
        let mut archive = Archive::default();
        for (name, content) in &self.files {
            archive.add(&format!("{FOLDER}/{name}"), content.as_bytes(), self.at)?;
        }
        Ok(archive.finish())
    }
}

/// What the daemon says to a command.
fn told(console: &Console, command: &str) -> Result<String, String> {
    match console.ask(command) {
        Ok(Answer::Output(text)) => Ok(text),
        Ok(Answer::Refused(why)) => Err(why),
        Ok(_) => Err("interrupted".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// What stands below the name of a command.
fn section<'t>(support: &'t str, command: &str) -> Option<&'t str> {
    const RULE: &str = "\n------------------ ";
    let heading = format!("{RULE}{command} ------------------\n\n");
    let (_, said) = support.split_once(&heading)?;
    Some(said.split(RULE).next().unwrap_or(said))
}

/// What is understood of the configuration file.
///
/// # Errors
///
/// Why there is nothing of it.
fn startup(path: &Path) -> Result<Parsed, String> {
    let octets = files::read_regular(path, load::MAX_CONFIG)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    let text = files::text_of(&octets).map_err(|_| format!("{}: it is no text", path.display()))?;
    Ok(parse(text, "startup-config"))
}

/// The lines of a configuration that are understood, up to where a secret may begin, and how many there are of the others: what is
/// not understood may be a secret.
fn understood(parsed: &Parsed) -> String {
    let mut out = String::new();
    for line in render(&parsed.candidate).lines() {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}", without_secrets(line));
    }
    let lines: Vec<String> = parsed
        .diagnostics
        .iter()
        .filter(|one| one.at.line > 0)
        .map(|one| one.at.line.to_string())
        .collect();
    if !lines.is_empty() {
        let _ = writeln!(
            out,
            "! Something is to be said of these lines of the file: {}",
            lines.join(", ")
        );
    }
    out
}

/// A verdict, as it is printed; but lines of a configuration that is not understood are not quoted, nor words of them.
fn verdict(verdict: &Verdict) -> String {
    if verdict.subject != "configuration" {
        return format!("{verdict}\n");
    }
    let own = verdict.text.lines().filter(|line| !line.starts_with(' '));
    let own = own.filter(|line| !line.is_empty());
    let text: Vec<String> = own
        .map(|line| match verdict.grade {
            Grade::Failure => without_quotations(line),
            _ => line.to_owned(),
        })
        .collect();
    let text = text.join("\n");
    format!(
        "{}\n",
        Verdict {
            text,
            ..verdict.clone()
        }
    )
}

/// A text without what it quotes: what stands between its first backtick and its last, for there may be some in what was typed, too.
fn without_quotations(text: &str) -> String {
    match (text.split_once('`'), text.rsplit_once('`')) {
        (Some((before, _)), Some((_, behind))) => format!("{before}`…`{behind}"),
        _ => text.to_owned(),
    }
}

/// The machine's name, as far as a file's can have it.
fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let usual = |one: char| one.is_ascii_alphanumeric() || one == '-';
    name.trim().chars().filter(|one| usual(*one)).collect()
}

/// A time, to the second, for a file's name.
fn stamp(at: SystemTime) -> String {
    let at = time::OffsetDateTime::from(at);
    let (hour, minute, second) = at.to_hms();
    format!(
        "{}{:02}{:02}T{hour:02}{minute:02}{second:02}Z",
        at.year(),
        u8::from(at.month()),
        at.day()
    )
}

/// Puts a file in the place of one, or where there was none; the maker alone may read it, whoever could read the old one. What is
/// no file itself, such as a pipe, is written to.
fn put(path: &Path, octets: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).mode(OWNER_ONLY);
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => return options.open(path)?.write_all(octets),
        _ => {}
    }
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let name = name.to_string_lossy();
    let draft = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let mut out = options.create_new(true).open(&draft)?;
    let written = out
        .write_all(octets)
        .and_then(|()| out.sync_all())
        .and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_its_makers_alone_whoever_could_read_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        fs::write(&path, "old and longer").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        put(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(put(folder.path(), b"new").is_err());
        assert!(put(&folder.path().join("none/a.tar"), b"new").is_err());
    }

    #[test]
    fn what_is_quoted_is_left_out_whatever_stands_in_it() {
        assert_eq!(without_quotations("plain"), "plain");
        for quoted in ["hunter2", "hun`ter2", "a` or `b"] {
            let line = format!("line 3: unknown command `{quoted}`; see there");
            assert_eq!(
                without_quotations(&line),
                "line 3: unknown command `…`; see there"
            );
        }
    }

    #[test]
    fn of_a_file_only_what_is_understood_is_told() {
        let told = understood(&parse(
            "! the password is hunter2\nhostname A\nusername bob password hunter2hunter2\n\
             snmp-server community hunter2 RO\nradius server R\n key hunter2\n\
             username eve pasword hunter2\n",
            "startup-config",
        ));
        assert!(!told.contains("hunter2"), "{told}");
        assert!(told.contains("\nhostname A\n"), "{told}");
        assert!(told.contains("username bob password <removed>\n"), "{told}");
        assert!(
            told.ends_with("these lines of the file: 4, 5, 7\n"),
            "{told}"
        );
    }

    #[test]
    fn what_doctor_says_of_a_faulty_configuration_quotes_nothing() {
        let faulty = Verdict {
            grade: Grade::Failure,
            subject: "configuration",
            text: "a.conf:4:1: error: unknown command `hunter2`; did you mean `b`?\n    hunter2 is it\n    ^^^^\n\n\
                   1 error(s) in a.conf"
                .into(),
        };
        assert_eq!(
            verdict(&faulty),
            "FAIL  configuration  a.conf:4:1: error: unknown command `…`?\n      1 error(s) in a.conf\n"
        );
        let other = Verdict {
            grade: Grade::Good,
            subject: "ports",
            text: "free\n  really".into(),
        };
        assert_eq!(verdict(&other), format!("{other}\n"));
    }

    #[test]
    fn a_secret_is_in_no_file_wherever_somebody_has_typed_it() {
        let parsed = parse(
            "username bob password hunter\"2\ncrypto ikev2 profile hunter\"2\n description hunter\"2\n",
            "startup-config",
        );
        let mut bundle = Bundle {
            at: SystemTime::UNIX_EPOCH,
            files: Vec::new(),
            missing: Vec::new(),
            secrets: Secrets::of(&parsed.candidate),
        };
        let warning = Verdict {
            grade: Grade::Warning,
            subject: "configuration",
            text: "a.conf:4:1: warning: the profile `P` matches an identity that `hunter\"2` matches first".into(),
        };
        bundle.add("doctor.txt", &verdict(&warning));
        bundle.add("startup-config.txt", &understood(&parsed));
        bundle.add_facts(
            "one.json",
            &mut serde_json::json!([{"name": "of hunter\"2"}]),
        );
        bundle.lacks("/etc/hunter\"2: it is no text".to_owned());
        bundle.introduce();
        for (name, text) in &bundle.files {
            assert!(!text.contains("hunter"), "{name}: {text}");
            assert!(text.contains("<removed>"), "{name}: {text}");
        }
        assert_eq!(bundle.files.len(), 4);
    }

    #[test]
    fn a_command_is_found_below_its_name() {
        let support = "\n------------------ show clock ------------------\n\nnow\n\
                       \n------------------ show logging ------------------\n\nlines\n";
        assert_eq!(section(support, "show clock"), Some("now\n"));
        assert_eq!(section(support, "show logging"), Some("lines\n"));
        assert_eq!(section(support, "show version"), None);
    }
}
