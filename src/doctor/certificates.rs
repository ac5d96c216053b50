//! The certificates that the headend proves itself with, judged as Secure Client judges them, and the authorities that it
//! believes clients by.

use std::{collections::BTreeSet, io, net::IpAddr};

use ironflex_profiles::{
    model::{Action, name::Name},
    snapshot::LocalMethod,
};

use super::{Examination, Patient, client_profiles, machine::outside_addresses};
use crate::{
    daemon::load,
    pki::{
        CertificateSummary, Purpose, ServerIdentity, Severity, Store, TrustAnchors, Trustpoint,
        certificate::SubjectAltName, check_identity, describe, pem, read_pkcs12, verify_peer_chain,
    },
};

/// Octets of a chain that, with the rest of its message, still goes into one datagram of 1500.
const CHAIN_OF_ONE_DATAGRAM: usize = 1100;

/// Looks at each trustpoint that a profile signs with.
pub(super) fn examine(patient: &Patient<'_>, found: &mut Examination<'_>) {
    let signing: BTreeSet<&Name> = patient
        .snapshot
        .profiles
        .iter()
        .filter_map(|profile| match &profile.local {
            LocalMethod::RsaSig(sign) | LocalMethod::EcdsaSig(sign) => Some(&sign.name),
            LocalMethod::PreShare(_) => None,
        })
        .collect();
    examine_authorities(patient, found);
    if signing.is_empty() {
        found.skip("no profile proves itself with one");
    }
    for name in signing {
        match read(patient, name) {
            Err(why) => found.fail(format_args!("trustpoint {name}: {why}")),
            Ok(trustpoint) => judge(patient, name, &trustpoint, found),
        }
    }
}

/// Looks at each trustpoint that a profile verifies clients by.
fn examine_authorities(patient: &Patient<'_>, found: &mut Examination<'_>) {
    let profiles = patient.snapshot.profiles.iter();
    let verifying: BTreeSet<&Name> = profiles
        .flat_map(|profile| profile.verify.iter().map(|one| &one.name))
        .collect();
    for name in verifying {
        let judged = authorities(patient, name).and_then(|certificates| {
            TrustAnchors::new(&certificates).map_err(|error| error.to_string())
        });
        match judged {
            Err(why) => found.fail(format_args!("trustpoint {name}: {why}")),
            Ok(anchors) => {
                for unsupported in anchors.unsupported_authorities() {
                    found.warn(format_args!("trustpoint {name}: {unsupported}"));
                }
            }
        }
    }
}

/// By whom a start would believe: the authorities of the authenticate line's file if it is there, else those of the
/// trustpoint.
fn authorities(patient: &Patient<'_>, name: &Name) -> Result<Vec<Vec<u8>>, String> {
    let file = patient
        .candidate
        .actions
        .iter()
        .find_map(|action| match &action.value {
            Action::Authenticate { trustpoint, file } if trustpoint == name => Some(file),
            _ => None,
        });
    if let Some(file) = file {
        let path = load::on_bootflash(file, &patient.bootflash);
        match load::read_regular(&path, load::MAX_BOOTFLASH) {
            Ok(octets) => {
                return pem::read_pem_certificates(&octets)
                    .map_err(|error| format!("{}: {error}", path.display()));
            }
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    // What cannot be read is said where it is signed with, or will be when the headend starts.
    Ok(read(patient, name)
        .ok()
        .or_else(|| {
            let store = Store::view(&patient.options.state_dir);
            store.load(name.as_str()).ok().flatten()
        })
        .map(|trustpoint| trustpoint.anchors().to_vec())
        .unwrap_or_default())
}

/// Whether the file that was to be read is not there.
fn is_absent(error: &load::LoadError) -> bool {
    matches!(error, load::LoadError::Read { error, .. } if error.kind() == io::ErrorKind::NotFound)
}

/// What a start would serve with: the file of the import line if it is there, else what an earlier import has stored.
fn read(patient: &Patient<'_>, name: &Name) -> Result<Trustpoint, String> {
    let import = patient
        .candidate
        .actions
        .iter()
        .find_map(|action| match &action.value {
            Action::ImportPkcs12 {
                trustpoint,
                file,
                password,
            } if trustpoint == name => {
                Some((load::on_bootflash(file, &patient.bootflash), password))
            }
            _ => None,
        });
    let stored = Store::view(&patient.options.state_dir).load(name.as_str());
    let mut without_file = None;
    if let Some((path, password)) = import {
        match load::read_regular(&path, load::MAX_BOOTFLASH) {
            Ok(octets) => {
                let read = read_pkcs12(&octets, password.reveal())
                    .map_err(|error| format!("{}: {error}", path.display()))?;
                let authorities = if read.authorities.is_empty() {
                    stored.ok().flatten().unwrap_or_default().authorities
                } else {
                    read.authorities
                };
                return Ok(Trustpoint {
                    identity: Some(read.identity),
                    authorities,
                });
            }
            // Without the file, and then alone, a start serves with what is stored.
            Err(error) if is_absent(&error) => without_file = Some(error.to_string()),
            Err(error) => return Err(error.to_string()),
        }
    }
    match (stored.map_err(|error| error.to_string())?, without_file) {
        (Some(trustpoint), _) if trustpoint.identity.is_some() => Ok(trustpoint),
        (_, Some(why)) => Err(format!(
            "{why} (bootflash: is {})",
            patient.bootflash.display()
        )),
        (_, None) => Err(format!(
            "it has no certificate and key: 'crypto pki import {name} pkcs12 FILE password …' in the configuration, \
             or 'ironflex import {name} FILE'"
        )),
    }
}

fn judge(patient: &Patient<'_>, name: &Name, trustpoint: &Trustpoint, found: &mut Examination<'_>) {
    let Some(identity) = &trustpoint.identity else {
        return;
    };
    for finding in check_identity(identity, &trustpoint.authorities, patient.now) {
        match finding.severity() {
            Severity::Error => found.fail(format_args!("trustpoint {name}: {finding}")),
            Severity::Warning => found.warn(format_args!("trustpoint {name}: {finding}")),
        }
    }
    let Ok(summary) = describe(identity.certificate()) else {
        // Said above.
        return;
    };
    found.good(format_args!(
        "trustpoint {name}: {}, {}, from {} to {}; clients may call it {}",
        summary.subject,
        summary.key,
        summary.not_before,
        summary.not_after,
        names(&summary),
    ));
    let chain: Vec<&[u8]> = identity.chain().collect();
    // The root's absence is said above; then the topmost that is there stands in for it, as nothing else can.
    let topmost: Vec<&[u8]> = match trustpoint.authorities.as_slice() {
        [] => chain.last().copied().into_iter().collect(),
        some => some.iter().map(Vec::as_slice).collect(),
    };
    let accepts = |called: &ServerIdentity| {
        let purpose = Purpose::Server {
            name: called.clone(),
        };
        TrustAnchors::new(&topmost).and_then(|anchors| {
            let none: &[&[u8]] = &[];
            verify_peer_chain(&chain, &anchors, none, patient.now, &purpose).map(drop)
        })
    };
    for called in patient.names {
        match accepts(called) {
            Ok(()) => found.good(format_args!(
                "trustpoint {name}: a client that calls {called} accepts it"
            )),
            Err(error) => found.fail(format_args!(
                "trustpoint {name}: a client that calls {called} shows \"Untrusted Server\": {error}"
            )),
        }
    }
    // A profile lists other headends as well, so one name of it that fits is enough.
    let in_profiles = client_profiles::called(patient);
    let fits = |profile: &str| {
        let mut its = in_profiles.iter().filter(|(other, _)| other == profile);
        its.any(|(_, called)| accepts(called).is_ok())
    };
    for (profile, called) in &in_profiles {
        if let Err(error) = accepts(called)
            && !fits(profile)
        {
            found.warn(format_args!(
                "trustpoint {name}: a client with the profile {profile} calls {called} and shows \"Untrusted Server\": {error}"
            ));
        }
    }
    foreign_addresses(patient, name, &summary, found);
    let octets: usize = chain.iter().map(|certificate| certificate.len()).sum();
    if octets > CHAIN_OF_ONE_DATAGRAM && patient.snapshot.ikev2.fragmentation_mtu.is_none() {
        found.warn(format_args!(
            "trustpoint {name}: the chain has {octets} octets, so its message goes in IP fragments to clients other than \
             Secure Client, and many networks drop those: 'crypto ikev2 fragmentation mtu 1280'"
        ));
    }
}

/// Compares the addresses in the certificate with those of the devices that clients call.
fn foreign_addresses(
    patient: &Patient<'_>,
    name: &Name,
    summary: &CertificateSummary,
    found: &mut Examination<'_>,
) {
    let named: Vec<IpAddr> = summary
        .subject_alt_names
        .iter()
        .filter_map(|name| match name {
            SubjectAltName::Ip(address) => Some(*address),
            _ => None,
        })
        .collect();
    let own = outside_addresses(patient.snapshot);
    if !named.is_empty() && !own.is_empty() && !named.iter().any(|one| own.contains(one)) {
        let list = |all: &[IpAddr]| {
            let all: Vec<String> = all.iter().map(ToString::to_string).collect();
            all.join(", ")
        };
        found.warn(format_args!(
            "trustpoint {name}: its addresses ({}) are none of the outside devices' ({}): right only where a NAT or a name leads here",
            list(&named),
            list(&own)
        ));
    }
}

/// What a user may type, as the certificate has it.
fn names(summary: &CertificateSummary) -> String {
    let names: Vec<String> = summary
        .subject_alt_names
        .iter()
        .filter_map(|name| match name {
            SubjectAltName::Dns(name) => Some(name.clone()),
            SubjectAltName::Ip(address) => Some(address.to_string()),
            _ => None,
        })
        .collect();
    if names.is_empty() {
        "by no name".to_owned()
    } else {
        names.join(", ")
    }
}
