//! What is said of lines, in the words of IOS-XE where it has some, and in ours beside them.

use std::fmt::Write as _;

use ironflex_profiles::{
    Candidate, Diagnostic, Fault, Severity,
    model::{Action, Table},
};

use crate::cli::{Printable, exec};

/// How many of the things are named that could have stood there instead.
const NAMED: usize = 12;

/// Why a line is refused: the character that a caret is to point at, and the words.
pub(super) fn refusal(line: &str, fault: &Diagnostic) -> (Option<usize>, String) {
    let ours = format!("% {}\n", Printable(&fault.message));
    let column = || (fault.at.column as usize).checked_sub(1);
    match fault.fault {
        Fault::Ambiguous => {
            let expected = expected(fault);
            let line = Printable(line.trim());
            let text = format!("% Ambiguous command:  \"{line}\"\n{expected}");
            (None, text)
        }
        Fault::Incomplete => (None, format!("% Incomplete command.\n{}", expected(fault))),
        Fault::Unknown => {
            let ours = exec_hint(line).unwrap_or(ours);
            (
                column(),
                format!("% Invalid input detected at '^' marker.\n{ours}"),
            )
        }
        Fault::Value => (
            column(),
            format!(
                "% Invalid input detected at '^' marker.\n{ours}{}",
                expected(fault)
            ),
        ),
        Fault::Unsupported | Fault::Dangling | Fault::Conflict | Fault::Limit | Fault::Internal => {
            (None, ours)
        }
    }
}

/// What is said of a line that takes away what is not there. A router says something of its own for some of them and nothing for
/// most.
pub(super) const NOTHING: &str = "% Nothing matched: the configuration has no such line\n";

/// How many characters of a line were read before it was refused, with the word that it was refused for.
pub(super) fn read(fault: &Diagnostic) -> Option<usize> {
    match fault.fault {
        Fault::Ambiguous | Fault::Unknown | Fault::Unsupported | Fault::Value => {
            let end = fault.at.column.saturating_add(fault.at.len);
            (end as usize).checked_sub(1)
        }
        Fault::Incomplete | Fault::Dangling | Fault::Conflict | Fault::Limit | Fault::Internal => {
            None
        }
    }
}

/// What is said of a line that is none of the configuration, and a command of the exec mode.
fn exec_hint(line: &str) -> Option<String> {
    let line = line.trim();
    // Both are words of either mode.
    let is_ours = |word: &str| ["configure", "no"].iter().any(|own| own.starts_with(word));
    let first = line.split_whitespace().next()?;
    if is_ours(first) || !exec::is_command(line) {
        return None;
    }
    let line = Printable(line);
    Some(format!(
        "% a command of the exec mode: type 'do {line}' here\n"
    ))
}

/// What could have stood there instead.
fn expected(fault: &Diagnostic) -> String {
    let named = fault.expected.iter().take(NAMED);
    let named: Vec<String> = named.map(|word| Printable(word).to_string()).collect();
    let more = fault.expected.len().saturating_sub(named.len());
    let more = match more {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    match named.as_slice() {
        [] => String::new(),
        _ => format!("% expected: {}{more}\n", named.join(", ")),
    }
}

/// What a router says when it has done what a line asks for.
pub(super) const fn carried_out(action: &Action) -> &'static str {
    match action {
        Action::ImportPkcs12 { .. } => "CRYPTO_PKI: Imported PKCS12 file successfully.",
        Action::Authenticate { .. } => "% Certificate successfully imported",
    }
}

/// What is said of a fault of the configuration as a whole, which keeps an object from being used.
pub(super) fn remark(candidate: &Candidate, fault: &Diagnostic) -> String {
    let mut text = String::new();
    if let (Fault::Incomplete, Some(words)) = (fault.fault, incomplete(candidate, fault)) {
        text.push_str(words);
    }
    let kind = match fault.severity {
        Severity::Error => "Warning",
        Severity::Warning => "Note",
    };
    // Writing to a String cannot fail.
    let _ = write!(text, "% {kind}: {}", Printable(&fault.message));
    // Of what contradicts it the note says no more than where it stands, which is no place here.
    let pointed = fault.fault == Fault::Conflict;
    if let (Severity::Error, false, Some((_, note))) = (fault.severity, pointed, &fault.related) {
        let _ = write!(text, " ({})", Printable(note));
    }
    let wanted = fault.expected.iter().take(NAMED);
    let wanted: Vec<String> = wanted.map(|line| Printable(line).to_string()).collect();
    match (fault.severity, wanted.as_slice()) {
        (Severity::Error, []) => text.push_str("; it stays inactive\n"),
        (Severity::Error, wanted) => {
            let _ = writeln!(text, "; inactive without: {}", wanted.join(", "));
        }
        (Severity::Warning, _) => text.push('\n'),
    }
    text
}

/// What a router says of an object that is not complete.
fn incomplete(candidate: &Candidate, fault: &Diagnostic) -> Option<&'static str> {
    fn begins<T>(table: &Table<T>, fault: &Diagnostic) -> bool {
        table.iter().any(|entry| entry.at == fault.at)
    }
    if begins(&candidate.proposals, fault) {
        return Some(
            "IKEv2 proposal MUST either have a set of an encryption algorithm other than aes-gcm, an integrity \
             algorithm and a DH group configured or\n encryption algorithm aes-gcm, a prf algorithm and a DH \
             group configured\n",
        );
    }
    if begins(&candidate.policies, fault) {
        return Some("IKEv2 policy MUST have atleast one complete proposal attached\n");
    }
    // It says so only where that is what is missing.
    let asks = |line: &String| line.starts_with("match ") || line.starts_with("authentication ");
    let is_asked = begins(&candidate.profiles, fault) && fault.expected.iter().any(asks);
    is_asked.then_some(
        "IKEv2 profile MUST have:\n   1. A local and a remote authentication method.\n   2. A match identity or a \
         match certificate or match any statement.\n",
    )
}

#[cfg(test)]
mod tests {
    use ironflex_profiles::{parse, resolve_live};

    use super::*;

    /// What is said of lines as a whole.
    fn remarks(text: &str) -> String {
        let parsed = parse(text, "test");
        assert_eq!(parsed.diagnostics, []);
        let faults = resolve_live(&parsed.candidate).faults.into_iter();
        faults
            .map(|fault| remark(&parsed.candidate, &fault))
            .collect()
    }

    #[test]
    fn pools_that_overlap_are_named_with_what_they_have() {
        let one = "ip local pool ONE 192.0.2.1\nip local pool ONE 192.0.2.5 192.0.2.10\n";
        assert_eq!(
            remarks(&format!("{one}ip local pool TWO 192.0.2.8 192.0.2.20\n")),
            "% Warning: the range 192.0.2.8 to 192.0.2.20 of pool `TWO` overlaps 192.0.2.5 to 192.0.2.10 of pool `ONE`; \
             it stays inactive\n"
        );
        assert_eq!(
            remarks(&format!("{one}ip local pool TWO 192.0.2.0 192.0.2.2\n")),
            "% Warning: the range 192.0.2.0 to 192.0.2.2 of pool `TWO` overlaps 192.0.2.1 of pool `ONE`; it stays inactive\n"
        );
        assert_eq!(
            remarks(
                "ipv6 local pool ONE 2001:db8::/64 128\nipv6 local pool TWO 2001:db8::/48 64\n"
            ),
            "% Warning: the prefix 2001:db8::/48 of pool `TWO` overlaps 2001:db8::/64 of pool `ONE`; it stays inactive\n"
        );
        assert_eq!(
            remarks(&format!(
                "{one}interface Loopback1\n ip address 192.0.2.7 255.255.255.255\n"
            )),
            "% Warning: the range 192.0.2.5 to 192.0.2.10 of pool `ONE` has 192.0.2.7, which is Loopback1's own address; \
             it stays inactive\n"
        );
    }
}
