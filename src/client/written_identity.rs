//! Identities as the command line writes them, and how a headend's are told.

use std::net::IpAddr;

use ironflex_ikev2::wire::payload::Identification;
use ironflex_profiles::closest::closest;

use crate::pki::CertificateSummary;

/// The types that are written in front of an identity.
const TYPES: [&str; 4] = ["fqdn", "email", "address", "key-id"];

/// Other names of the types, and what is meant by each.
const OTHER_NAMES: [(&str, &str); 13] = [
    ("dns", "fqdn"),
    ("domain", "fqdn"),
    ("host", "fqdn"),
    ("hostname", "fqdn"),
    ("ip", "address"),
    ("ipv4", "address"),
    ("ipv6", "address"),
    ("group", "key-id"),
    ("rfc822", "email"),
    ("user-fqdn", "email"),
    ("dn", "dn"),
    ("asn1dn", "dn"),
    ("der", "dn"),
];

/// What `--help` says of it.
pub(super) const FORMS: &str = "\
Identities:
  fqdn:NAME, email:ADDRESS, address:ADDRESS, or TEXT for a key-id, as Cisco's clients have it.
  A key-id that looks like one of these, or nearly, is written with its type: key-id:TEXT";

/// An identity as the command line writes it: `fqdn:NAME`, `email:NAME`, `address:ADDRESS` or `key-id:TEXT`, and
/// without a type a key-id, as the identities of Cisco's clients are.
///
/// # Errors
///
/// A sentence, for an address that is none, an empty name, and what looks like a type and is none.
pub(super) fn identification(text: &str) -> Result<Identification, String> {
    let (kind, value) = match text.split_once(':') {
        Some((kind, value)) if TYPES.contains(&kind) => (kind, value),
        Some((kind, value)) => {
            if let Some(meant) = meant(kind) {
                return Err(no_type(text, kind, meant, value));
            }
            ("key-id", text)
        }
        None => ("key-id", text),
    };
    if value.is_empty() {
        return Err(format!("{text:?}: an empty identity"));
    }
    Ok(match kind {
        "fqdn" => Identification::fqdn(value),
        "email" => Identification::email(value),
        "address" => {
            let address: IpAddr = value
                .parse()
                .map_err(|_| format!("{value:?} is no address"))?;
            Identification::address(address)
        }
        _ => Identification::key_id(value.as_bytes().to_vec()),
    })
}

/// [`identification`] for the command line's parser, which keeps the text.
pub(super) fn identity_text(text: &str) -> Result<String, String> {
    identification(text).map(|_| text.to_owned())
}

/// The type that somebody may have meant who wrote this in front of a colon.
fn meant(kind: &str) -> Option<&'static str> {
    let lower = kind.to_ascii_lowercase();
    let other = OTHER_NAMES.into_iter().find(|(name, _)| *name == lower);
    match other {
        Some((_, meant)) => Some(meant),
        None => closest(TYPES.into_iter(), &lower),
    }
}

fn no_type(text: &str, kind: &str, meant: &str, value: &str) -> String {
    let hint = if meant == "dn" {
        "a distinguished name is not written here: without --identity the subject of the certificate is sent".to_owned()
    } else {
        format!("did you mean {meant}:{value}?")
    };
    format!(
        "{kind:?} is no type of identity: fqdn:, email:, address: or key-id: is expected; {hint} (a key-id that reads so is \
         written key-id:{text})"
    )
}

/// Of how many alternative names of a certificate is told.
const NAMED: usize = 3;

/// The names that a certificate gives its holder: the subject, and the first alternative names.
pub(super) fn names(certificate: &CertificateSummary) -> String {
    named(
        &certificate.subject.to_string(),
        certificate.subject_alt_names.iter(),
    )
}

fn named(subject: &str, others: impl ExactSizeIterator<Item = impl ToString>) -> String {
    let left = others.len().saturating_sub(NAMED);
    let others: Vec<String> = others.take(NAMED).map(|name| name.to_string()).collect();
    let others = others.join(", ");
    match (others.is_empty(), left) {
        (true, _) => subject.to_owned(),
        (false, 0) => format!("{subject}; {others}"),
        (false, left) => format!("{subject}; {others} and {left} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_without_a_type_is_a_key_id() {
        let read = |text: &str| identification(text).unwrap();
        for text in [
            "*$AnyConnectClient$*",
            "a:b",
            "tunnel:1",
            "10.0.0.1:500",
            "::",
        ] {
            assert_eq!(read(text), Identification::key_id(text.as_bytes().to_vec()));
        }
        for text in ["fqdn:x", "fdqn:x", "dn:cn=x"] {
            let literal = Identification::key_id(text.as_bytes().to_vec());
            assert_eq!(read(&format!("key-id:{text}")), literal);
        }
        assert_eq!(read("fqdn:a.example"), Identification::fqdn("a.example"));
        assert_eq!(read("email:a@b"), Identification::email("a@b"));
        let address = "2001:db8::1".parse().unwrap();
        assert_eq!(
            read("address:2001:db8::1"),
            Identification::address(address)
        );
        for text in ["", "fqdn:", "address:a.example"] {
            assert!(identification(text).is_err(), "{text}");
        }
    }

    #[test]
    fn of_a_certificate_with_many_names_only_the_first_are_told() {
        let named = |others: &[&str]| named("cn=a", others.iter());
        assert_eq!(named(&[]), "cn=a");
        assert_eq!(named(&["b", "c", "d"]), "cn=a; b, c, d");
        assert_eq!(
            named(&["b", "c", "d", "e", "f"]),
            "cn=a; b, c, d and 2 more"
        );
    }

    #[test]
    fn what_looks_like_a_type_and_is_none_is_refused_with_what_was_meant() {
        for (text, meant) in [
            ("fdqn:a.example", "did you mean fqdn:a.example?"),
            ("FQDN:a.example", "did you mean fqdn:a.example?"),
            ("dns:a.example", "did you mean fqdn:a.example?"),
            ("mail:a@b", "did you mean email:a@b?"),
            ("adress:192.0.2.1", "did you mean address:192.0.2.1?"),
            ("ip:192.0.2.1", "did you mean address:192.0.2.1?"),
            ("keyid:x", "did you mean key-id:x?"),
            ("key_id:x", "did you mean key-id:x?"),
            ("dn:cn=x", "the subject of the certificate is sent"),
        ] {
            let error = identification(text).unwrap_err();
            assert!(error.contains(meant), "{text}: {error}");
            let literal = format!("key-id:{text}");
            assert!(error.contains(&literal), "{text}: {error}");
        }
    }
}
