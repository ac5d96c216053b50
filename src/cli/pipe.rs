//! Output modifiers: what stands behind a `|`.
//!
//! Text in, text out. Two do not filter: of [`Modifier::Redirect`] whoever asked for the output writes
//! it to the file, with the rights of its own, and [`Modifier::Json`] asks the daemon for another form.

use std::borrow::Cow;

use regex_lite::Regex;
use thiserror::Error;

/// What becomes of a command's output.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Modifier {
    /// `| begin REGEX`: the first line that matches, and all behind it.
    Begin(String),
    /// `| count [REGEX]`: how many lines match.
    Count(String),
    /// `| exclude REGEX`: the lines that do not match.
    Exclude(String),
    /// `| include REGEX`: the lines that match.
    Include(String),
    /// What a Linux shell has and a router does not, and what is to be typed instead.
    Instead(&'static str, &'static str),
    /// `| json`: the facts in another form, for which the daemon is asked.
    Json,
    /// `| section exclude REGEX`: the lines that are in no such section.
    NoSection(String),
    /// `| redirect FILE`, `| append FILE`, `| tee [/append] FILE`: everything, to a file.
    Redirect(Redirection),
    /// `| section [include] REGEX`: the lines that match, each with the more indented ones below it.
    Section(String),
}

/// A file that output goes to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Redirection {
    /// Its name, as it was typed.
    pub file: String,
    /// Behind what is in it.
    pub append: bool,
    /// The output is shown as well.
    pub shown: bool,
}

/// A regular expression that is none, in the words of a router and in those of the reason.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("% Failed to compile regular expression: {0}")]
pub struct InvalidPattern(String);

/// A modifier with its regular expression compiled.
#[derive(Debug)]
pub struct Filter {
    keep: Keep,
    pattern: Regex,
}

#[derive(Clone, Copy, Debug)]
enum Keep {
    From,
    Number,
    Others,
    Matching,
    Sections,
    OtherSections,
}

impl Modifier {
    /// The filter; `None` for what is none: another form, a redirection.
    ///
    /// # Errors
    ///
    /// [`InvalidPattern`].
    pub fn filter(&self) -> Result<Option<Filter>, InvalidPattern> {
        let (keep, pattern) = match self {
            Self::Instead(..) | Self::Json | Self::Redirect(_) => return Ok(None),
            Self::Begin(pattern) => (Keep::From, pattern),
            Self::Count(pattern) => (Keep::Number, pattern),
            Self::Exclude(pattern) => (Keep::Others, pattern),
            Self::Include(pattern) => (Keep::Matching, pattern),
            Self::NoSection(pattern) => (Keep::OtherSections, pattern),
            Self::Section(pattern) => (Keep::Sections, pattern),
        };
        let pattern =
            Regex::new(&translated(pattern)).map_err(|error| InvalidPattern(error.to_string()))?;
        Ok(Some(Filter { keep, pattern }))
    }
}

impl Filter {
    /// What is left of a text.
    #[must_use]
    pub fn apply(&self, text: &str) -> String {
        let matches = |line: &str| self.pattern.is_match(line.trim_end_matches(['\r', '\n']));
        let lines = text.split_inclusive('\n');
        match self.keep {
            Keep::From => lines.skip_while(|line| !matches(line)).collect(),
            Keep::Number => {
                let number = lines.filter(|line| matches(line)).count();
                format!("Number of lines which match regexp = {number}\n")
            }
            Keep::Others => lines.filter(|line| !matches(line)).collect(),
            Keep::Matching => lines.filter(|line| matches(line)).collect(),
            Keep::Sections | Keep::OtherSections => {
                let wanted = matches!(self.keep, Keep::Sections);
                let mut heading = None;
                let mut belongs = |line: &str| {
                    let indent = line
                        .len()
                        .saturating_sub(line.trim_start_matches(' ').len());
                    if heading.is_some_and(|heading| indent > heading) {
                        return true;
                    }
                    heading = matches(line).then_some(indent);
                    heading.is_some()
                };
                lines.filter(|line| belongs(line) == wanted).collect()
            }
        }
    }
}

/// A router's regular expression in the words of `regex-lite`.
///
/// They differ in `_`, which stands for a delimiter or an end of the line; in braces, which only stand for themselves; and in a
/// backslash, which makes any character stand for itself. A `_` of the text is one of the delimiters here, so that names that have one are found.
fn translated(pattern: &str) -> String {
    let literal = |one: char| regex_lite::escape(one.encode_utf8(&mut [0; 4]));
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern.chars().peekable();
    while let Some(one) = rest.next() {
        let piece: Cow<'_, str> = match one {
            '_' => "(?:^|$|[,{}() _])".into(),
            '{' | '}' => literal(one).into(),
            '\\' => match rest.next() {
                Some(next) => literal(next).into(),
                None => r"\\".into(),
            },
            '[' => {
                let mut class = String::from("[");
                if rest.next_if_eq(&'^').is_some() {
                    class.push('^');
                }
                // A bracket that comes first is one of the characters.
                if rest.next_if_eq(&']').is_some() {
                    class.push_str(r"\]");
                }
                for inside in rest.by_ref() {
                    if inside == ']' {
                        class.push(']');
                        break;
                    }
                    match inside {
                        '\\' | '[' | '&' | '~' => class.extend(['\\', inside]),
                        other => class.push(other),
                    }
                }
                class.into()
            }
            other => {
                out.push(other);
                continue;
            }
        };
        out.push_str(&piece);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "\
interface Loopback100
 ip address 10.0.0.1 255.255.255.255
interface Virtual-Template100 type tunnel
 ip unnumbered Loopback100
  deeper
!
ip local pool ACPool 192.168.10.5 192.168.10.10
";

    fn left(modifier: &Modifier) -> String {
        modifier.filter().unwrap().unwrap().apply(CONFIG)
    }

    #[test]
    fn keeps_the_lines_that_are_asked_for() {
        assert_eq!(
            left(&Modifier::Include("^ip|pool".into())),
            "ip local pool ACPool 192.168.10.5 192.168.10.10\n"
        );
        assert_eq!(
            left(&Modifier::Include("^ip.*10$|^!".into())),
            "!\nip local pool ACPool 192.168.10.5 192.168.10.10\n"
        );
        assert_eq!(
            left(&Modifier::Exclude("ip|deeper".into())),
            "interface Loopback100\ninterface Virtual-Template100 type tunnel\n!\n"
        );
        assert_eq!(
            left(&Modifier::Begin("^!".into())),
            "!\nip local pool ACPool 192.168.10.5 192.168.10.10\n"
        );
        assert_eq!(left(&Modifier::Begin("nowhere".into())), "");
        assert_eq!(
            left(&Modifier::Count("^ ".into())),
            "Number of lines which match regexp = 3\n"
        );
        assert_eq!(
            left(&Modifier::Count(String::new())),
            "Number of lines which match regexp = 7\n"
        );
    }

    #[test]
    fn a_section_is_a_line_with_what_stands_below_it() {
        assert_eq!(
            left(&Modifier::Section("Virtual-Template".into())),
            "interface Virtual-Template100 type tunnel\n ip unnumbered Loopback100\n  deeper\n"
        );
        assert_eq!(
            left(&Modifier::Section("unnumbered".into())),
            " ip unnumbered Loopback100\n  deeper\n"
        );
        assert_eq!(
            left(&Modifier::Section("^interface".into()))
                .lines()
                .count(),
            5
        );
    }

    #[test]
    fn what_is_no_section_of_these_is_the_rest() {
        assert_eq!(
            left(&Modifier::NoSection("^interface".into())),
            "!\nip local pool ACPool 192.168.10.5 192.168.10.10\n"
        );
    }

    #[test]
    fn reads_expressions_as_a_router_does() {
        let matches = |pattern: &str, text: &str| {
            let filter = Modifier::Include(pattern.into()).filter().unwrap().unwrap();
            !filter.apply(text).is_empty()
        };
        for (pattern, text) in [
            ("_100_", "tunnel (100)"),
            ("_100_", "100"),
            ("_100_", "{100,200}"),
            ("key_id", "a key_id"),
            (r"10\.0", "10.0"),
            (r"a\_b", "a_b"),
            ("{a}", "{a}"),
            ("[]x]", "]"),
            ("[^]x]", "y"),
            ("[[]", "["),
            ("ab?c+", "acc"),
            ("(up|down) ", "is up now"),
            ("Jürgen", "Jürgen O'Neil"),
            ("", "anything"),
        ] {
            assert!(matches(pattern, text), "{pattern} on {text}");
        }
        for (pattern, text) in [
            ("_100_", "1001"),
            (r"10\.0", "1000"),
            ("[^]x]", "]"),
            (r"\d", "7"),
            ("peer", "Peer"),
        ] {
            assert!(!matches(pattern, text), "{pattern} on {text}");
        }
    }

    #[test]
    fn names_what_is_no_expression() {
        for pattern in ["(", "a)", "*", "[a", "x**("] {
            let error = Modifier::Include(pattern.into()).filter().unwrap_err();
            assert!(
                error
                    .to_string()
                    .starts_with("% Failed to compile regular expression: "),
                "{pattern}"
            );
        }
    }

    // By going back and trying again this would take longer than there is time: it ends, or the test does not.
    #[test]
    fn an_expression_that_grows_in_others_costs_little_here() {
        let filter = Modifier::Include("(a*)*(a|a)*b".repeat(8))
            .filter()
            .unwrap()
            .unwrap();
        assert_eq!(filter.apply(&format!("{}\n", "a".repeat(2000))), "");
    }
}
