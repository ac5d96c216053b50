//! `show crypto pki certificates [verbose] [TRUSTPOINT]`, `show crypto pki trustpoints [NAME] [status]` and
//! `show crypto key mypubkey {ec|rsa}`.
//!
//! MD5 fingerprints are not printed: MD5 vouches for nothing any more, and is not in this program.

use std::fmt::{self, Write};

use serde::Serialize;

use super::text;
use crate::cli::{Printable, exec::KeyKind};
use crate::pki::{
    CertificateSummary, Trustpoint,
    certificate::{DistinguishedName, KeyPurpose},
    describe,
    store::place_of,
};

/// A certificate of a trustpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CertificateFacts {
    /// The trustpoint.
    pub trustpoint: String,
    /// It is an authority's; else the headend's own.
    pub authority: bool,
    /// The serial number, in hexadecimal.
    pub serial: String,
    /// Whom it names, most specific first.
    pub subject: String,
    /// The same by its attributes.
    pub subject_lines: Vec<String>,
    /// Who has signed it.
    pub issuer: String,
    /// The same by its attributes.
    pub issuer_lines: Vec<String>,
    /// Names beside the subject.
    pub names: Vec<String>,
    /// The first moment of validity, in seconds since 1970.
    pub not_before: i64,
    /// The last moment of validity, in seconds since 1970.
    pub not_after: i64,
    /// The same as a router writes it.
    pub start_date: String,
    /// The same as a router writes it.
    pub end_date: String,
    /// X.509 version.
    pub version: u32,
    /// Kind and size of the key.
    pub key: String,
    /// The algorithm of the signature.
    pub signature_algorithm: String,
    /// SHA-1 of the certificate, in hexadecimal.
    pub fingerprint_sha1: String,
    /// What the key may do; `null` where that is not limited.
    pub key_usage: Option<String>,
    /// The same as a word of bits, the first one the highest, in hexadecimal.
    pub key_usage_bits: Option<String>,
    /// It may sign others; `null` where it does not say.
    pub ca: Option<bool>,
    /// The identifier of its key, in hexadecimal.
    pub subject_key_id: Option<String>,
    /// That of the key that has signed it.
    pub authority_key_id: Option<String>,
    /// Where lists of revoked certificates are to be had.
    pub crl_locations: Vec<String>,
    /// The public key (SubjectPublicKeyInfo), in hexadecimal.
    pub public_key: String,
    /// What the certificate is for; `null` where that is not limited.
    pub extended_key_usage: Option<Vec<String>>,
}

/// A trustpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrustpointFacts {
    /// Its name.
    pub name: String,
    /// The private key is there.
    pub has_key: bool,
    /// The headend's certificate, if it has one here.
    pub certificate: Option<CertificateFacts>,
    /// The authorities.
    pub authorities: Vec<CertificateFacts>,
}

fn lines(name: &DistinguishedName) -> Vec<String> {
    let attributes = name.attributes.iter().rev();
    attributes.map(ToString::to_string).collect()
}

/// Octets in groups of four, as a router prints a fingerprint.
fn fingerprint(octets: &[u8]) -> String {
    let groups = octets.chunks(4).map(|group| {
        let digits = group.iter().map(|octet| format!("{octet:02X}"));
        digits.collect::<String>()
    });
    groups.collect::<Vec<_>>().join(" ")
}

fn certificate(trustpoint: &str, authority: bool, der: &[u8]) -> Option<CertificateFacts> {
    let about = describe(der).ok()?;
    let CertificateSummary {
        version,
        subject,
        issuer,
        serial,
        not_before,
        not_after,
        subject_alt_names,
        key_usage,
        extended_key_usage,
        signature_algorithm,
        crl_locations,
        basic_constraints,
        subject_key_id,
        authority_key_id,
        key,
        spki_der,
        fingerprint_sha1,
        ..
    } = about;
    Some(CertificateFacts {
        trustpoint: trustpoint.to_owned(),
        authority,
        serial,
        subject_lines: lines(&subject),
        subject: subject.to_string(),
        issuer_lines: lines(&issuer),
        issuer: issuer.to_string(),
        names: subject_alt_names.iter().map(ToString::to_string).collect(),
        not_before: not_before.unix_seconds(),
        not_after: not_after.unix_seconds(),
        start_date: not_before.to_string(),
        end_date: not_after.to_string(),
        version,
        key: key.to_string(),
        signature_algorithm,
        fingerprint_sha1: fingerprint(&fingerprint_sha1),
        key_usage: key_usage.map(|usage| usage.to_string()),
        key_usage_bits: key_usage.map(|usage| format!("{:08X}", usage.word())),
        ca: basic_constraints.map(|(ca, _)| ca),
        subject_key_id: subject_key_id.as_deref().map(fingerprint),
        authority_key_id: authority_key_id.as_deref().map(fingerprint),
        crl_locations,
        public_key: spki_der
            .iter()
            .map(|octet| format!("{octet:02X}"))
            .collect(),
        extended_key_usage: extended_key_usage
            .map(|purposes| purposes.iter().map(KeyPurpose::to_string).collect()),
    })
}

impl TrustpointFacts {
    /// What can be said of what a trustpoint holds.
    #[must_use]
    pub fn of(name: &str, held: &Trustpoint) -> Self {
        let own = held.identity.as_ref();
        let authorities = held.anchors().iter();
        Self {
            name: name.to_owned(),
            has_key: own.is_some(),
            certificate: own.and_then(|own| certificate(name, false, own.certificate())),
            authorities: authorities
                .filter_map(|der| certificate(name, true, der))
                .collect(),
        }
    }
}

/// `show crypto pki certificates [verbose]`
#[must_use]
pub fn pki_certificates(trustpoints: &[TrustpointFacts], verbose: bool) -> String {
    text(|out| {
        let all = trustpoints
            .iter()
            .flat_map(|one| one.certificate.iter().chain(&one.authorities));
        for (number, one) in all.enumerate() {
            if number > 0 {
                writeln!(out)?;
            }
            one_certificate(out, one, verbose)?;
        }
        Ok(())
    })
}

/// A bit of the key usage as a router calls it.
fn usage_title(name: &str) -> &str {
    match name {
        "digitalSignature" => "Digital Signature",
        "nonRepudiation" => "Non Repudiation",
        "keyEncipherment" => "Key Encipherment",
        "dataEncipherment" => "Data Encipherment",
        "keyAgreement" => "Key Agreement",
        "keyCertSign" => "Key Cert Sign",
        "cRLSign" => "CRL Signature",
        "encipherOnly" => "Encipher Only",
        "decipherOnly" => "Decipher Only",
        other => other,
    }
}

fn one_certificate(out: &mut impl Write, one: &CertificateFacts, verbose: bool) -> fmt::Result {
    let (title, usage) = if one.authority {
        ("CA Certificate", "Signature")
    } else {
        ("Certificate", "General Purpose")
    };
    writeln!(out, "{title}")?;
    writeln!(out, "  Status: Available")?;
    if verbose {
        writeln!(out, "  Version: {}", one.version)?;
    }
    writeln!(out, "  Certificate Serial Number (hex): {}", one.serial)?;
    writeln!(out, "  Certificate Usage: {usage}")?;
    writeln!(out, "  Issuer: ")?;
    for line in &one.issuer_lines {
        writeln!(out, "    {line}")?;
    }
    writeln!(out, "  Subject:")?;
    if let Some(name) = one.names.iter().find_map(|name| name.strip_prefix("DNS:")) {
        writeln!(out, "    Name: {name}")?;
    }
    for line in &one.subject_lines {
        writeln!(out, "    {line}")?;
    }
    if !one.crl_locations.is_empty() {
        writeln!(out, "  CRL Distribution Points: ")?;
        for location in &one.crl_locations {
            writeln!(out, "    {}", Printable(location))?;
        }
    }
    writeln!(out, "  Validity Date: ")?;
    writeln!(out, "    start date: {}", one.start_date)?;
    writeln!(out, "    end   date: {}", one.end_date)?;
    if verbose {
        writeln!(out, "  Subject Key Info:")?;
        writeln!(out, "    Public Key Algorithm: {}", one.key)?;
        writeln!(out, "  Signature Algorithm: {}", one.signature_algorithm)?;
        writeln!(out, "  Fingerprint SHA1: {} ", one.fingerprint_sha1)?;
        writeln!(out, "  X509v3 extensions:")?;
        if let (Some(bits), Some(usage)) = (&one.key_usage_bits, &one.key_usage) {
            writeln!(out, "    X509v3 Key Usage: {bits}")?;
            for name in usage.split(", ") {
                writeln!(out, "      {}", usage_title(name))?;
            }
        }
        if let Some(id) = &one.subject_key_id {
            writeln!(out, "    X509v3 Subject Key ID: {id} ")?;
        }
        if let Some(ca) = one.ca {
            writeln!(out, "    X509v3 Basic Constraints:")?;
            writeln!(out, "        CA: {}", if ca { "TRUE" } else { "FALSE" })?;
        }
        if !one.names.is_empty() {
            writeln!(out, "    X509v3 Subject Alternative Name:")?;
            for name in &one.names {
                writeln!(out, "        {name}")?;
            }
        }
        if let Some(id) = &one.authority_key_id {
            writeln!(out, "    X509v3 Authority Key ID: {id} ")?;
        }
        if let Some(purposes) = &one.extended_key_usage {
            writeln!(out, "    Extended Key Usage:")?;
            for purpose in purposes {
                writeln!(out, "        {purpose}")?;
            }
        }
    }
    writeln!(out, "  Associated Trustpoints: {} ", one.trustpoint)?;
    // A router's file systems are not here; what stands for them is the state folder.
    let file = if one.authority { "ca" } else { "certificate" };
    let place = place_of(&one.trustpoint);
    writeln!(out, "  Storage: {}/{file}.pem", place.display())?;
    if verbose && !one.authority {
        writeln!(out, "  Key Label: {}", one.trustpoint)?;
    }
    Ok(())
}

/// `show crypto key mypubkey {ec|rsa}`: the key pairs that came with certificates. When they were made is not known here.
#[must_use]
pub fn my_public_keys(trustpoints: &[TrustpointFacts], kind: KeyKind) -> String {
    let (algorithm, title) = match kind {
        KeyKind::Ec => ("EC", "EC KEYS"),
        KeyKind::Rsa => ("RSA", "RSA KEYS"),
    };
    text(|out| {
        for one in trustpoints {
            let Some(own) = one
                .certificate
                .as_ref()
                .filter(|own| own.key.split(' ').next() == Some(algorithm))
            else {
                continue;
            };
            writeln!(out, "Key name: {}", one.name)?;
            writeln!(out, "Key type: {title}")?;
            let place = place_of(&one.name);
            writeln!(out, " Storage Device: {}/key.pem", place.display())?;
            writeln!(out, " Usage: General Purpose Key")?;
            writeln!(out, " Key is not exportable.")?;
            writeln!(out, " Key Data:")?;
            // Eight words to a line, as a router has them.
            let digits: Vec<char> = own.public_key.chars().collect();
            for line in digits.chunks(64) {
                let words = line.chunks(8).map(|word| word.iter().collect::<String>());
                writeln!(out, "  {} ", words.collect::<Vec<_>>().join(" "))?;
            }
        }
        Ok(())
    })
}

/// `show crypto pki trustpoints`
#[must_use]
pub fn pki_trustpoints(trustpoints: &[TrustpointFacts]) -> String {
    text(|out| {
        for one in trustpoints {
            writeln!(out, "Trustpoint {}:", one.name)?;
            match one.authorities.first() {
                Some(authority) => {
                    writeln!(out, "    Subject Name: ")?;
                    for line in &authority.subject_lines {
                        writeln!(out, "    {line}")?;
                    }
                    writeln!(out, "          Serial Number (hex): {}", authority.serial)?;
                    writeln!(out, "    Certificate configured.")?;
                }
                // A router's words for this are not on record.
                None => writeln!(out, "    No certificate.")?,
            }
            writeln!(out)?;
        }
        Ok(())
    })
}

/// `show crypto pki trustpoints status`
#[must_use]
pub fn pki_trustpoints_status(trustpoints: &[TrustpointFacts]) -> String {
    text(|out| {
        for (number, one) in trustpoints.iter().enumerate() {
            if number > 0 {
                writeln!(out, "\n")?;
            }
            writeln!(out, "Trustpoint {}:", one.name)?;
            let authority = one.authorities.first();
            if let Some(authority) = authority {
                writeln!(out, "  Issuing CA certificate configured:")?;
                brief(out, authority)?;
            }
            if let Some(own) = &one.certificate {
                writeln!(out, "  Router General Purpose certificate configured:")?;
                brief(out, own)?;
                writeln!(out, "  Last enrollment status: Granted")?;
            }
            let keys = if one.has_key {
                "Yes (General Purpose, non-exportable)"
            } else {
                "No"
            };
            let yes = |yes: bool| if yes { "Yes" } else { "No" };
            writeln!(out, "  State:")?;
            writeln!(out, "    Keys generated ............. {keys}")?;
            writeln!(
                out,
                "    Issuing CA authenticated ....... {}",
                yes(authority.is_some())
            )?;
            writeln!(
                out,
                "    Certificate request(s) ..... {}",
                yes(one.certificate.is_some())
            )?;
        }
        Ok(())
    })
}

fn brief(out: &mut impl Write, one: &CertificateFacts) -> fmt::Result {
    writeln!(out, "    Subject Name:")?;
    writeln!(out, "     {}", one.subject)?;
    writeln!(out, "    Fingerprint SHA1: {} ", one.fingerprint_sha1)
}
