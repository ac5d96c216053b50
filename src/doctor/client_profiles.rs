//! The XML profiles that Secure Client is to have: whether what they make it do fits what the headend expects.

use std::net::{IpAddr, Ipv4Addr};

use ironflex_profiles::{
    PeerIdentity,
    anyconnect::{ClientProfile, HostEntry, IkeMethod, IpsecOptions, PrimaryProtocol},
    snapshot::AnyConnectProfile,
};

use super::{Examination, Patient};
use crate::{cli::Printable, daemon::load, pki::ServerIdentity};

/// The identity that Secure Client gives itself unless its profile says another (docs/anyconnect-eap.md).
const CLIENT_IDENTITY: &str = "*$AnyConnectClient$*";

/// Reads the file of one; why it cannot be read, for people.
fn read(patient: &Patient<'_>, profile: &AnyConnectProfile) -> Result<ClientProfile, String> {
    let path = load::on_bootflash(&profile.file, &patient.bootflash);
    let octets = load::read_regular(&path, load::MAX_BOOTFLASH);
    let octets = octets.map_err(|error| error.to_string())?;
    ClientProfile::read(&String::from_utf8_lossy(&octets))
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// What the profiles make clients call the headend, with the profile that says so. One that cannot be read is told of elsewhere.
pub(super) fn called(patient: &Patient<'_>) -> Vec<(String, ServerIdentity)> {
    let profiles = patient.snapshot.anyconnect_profiles.values();
    let read = profiles.filter_map(|profile| Some((profile, read(patient, profile).ok()?)));
    read.flat_map(|(profile, read)| {
        let hosts = read.hosts.into_iter();
        let called = hosts.filter_map(|host| {
            let called = host.address.unwrap_or(host.name);
            ServerIdentity::parse(&called).ok()
        });
        let by = profile.name.to_string();
        called.map(move |called| (by.clone(), called))
    })
    .collect()
}

/// Looks at each `crypto vpn anyconnect profile`.
pub(super) fn examine(patient: &Patient<'_>, found: &mut Examination<'_>) {
    for profile in patient.snapshot.anyconnect_profiles.values() {
        let path = load::on_bootflash(&profile.file, &patient.bootflash);
        match read(patient, profile) {
            // The headend runs without: only clients read it.
            Err(why) => found.warn(format_args!("{}: {why}", profile.name)),
            Ok(read) if read.hosts.is_empty() => found.warn(format_args!(
                "{}: {} lists no host, so users have nothing to choose",
                profile.name,
                path.display()
            )),
            Ok(read) => {
                for host in &read.hosts {
                    entry(patient, profile.name.as_str(), host, found);
                }
            }
        }
    }
}

fn entry(patient: &Patient<'_>, profile: &str, host: &HostEntry, found: &mut Examination<'_>) {
    let name = Printable(&host.name);
    let faults = match &host.protocol {
        PrimaryProtocol::Ssl => vec![
            "it has no <PrimaryProtocol>IPsec…, so the client tries TLS and never sends IKE"
                .to_owned(),
        ],
        PrimaryProtocol::Ipsec(ipsec) => faults(patient, ipsec),
    };
    if faults.is_empty() {
        found.good(format_args!("{profile}: host {name} fits this headend"));
    }
    for fault in faults {
        found.warn(format_args!("{profile}: host {name}: {fault}"));
    }
}

fn faults(patient: &Patient<'_>, ipsec: &IpsecOptions) -> Vec<String> {
    let mut faults = Vec::new();
    if !ipsec.standard_authentication_only {
        faults.push(
            "<StandardAuthenticationOnly> is not true, so the client takes this headend for an ASA"
                .to_owned(),
        );
    }
    let identity = ipsec.ike_identity.as_deref().unwrap_or(CLIENT_IDENTITY);
    // No address of ours in particular: profiles with 'match address local' are for those who know theirs.
    let local = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let serving = patient
        .snapshot
        .profile_for(local, PeerIdentity::KeyId(identity.as_bytes()));
    let Some(serving) = serving else {
        let known: Vec<String> = patient
            .snapshot
            .profiles
            .iter()
            .flat_map(|profile| &profile.match_identity_remote)
            .map(ToString::to_string)
            .collect();
        faults.push(format!(
            "its client calls itself key-id {}, and no profile has that 'match identity remote' (there are: {})",
            Printable(identity),
            known.join(", ")
        ));
        return faults;
    };
    let remote = &serving.remote;
    let (method, served) = match ipsec.method.unwrap_or(IkeMethod::EapAnyConnect) {
        IkeMethod::EapAnyConnect => ("EAP-AnyConnect", remote.anyconnect_eap.is_some()),
        IkeMethod::IkeRsa => ("IKE-RSA", remote.rsa_sig),
        IkeMethod::IkeEcdsa => ("IKE-ECDSA", remote.ecdsa_sig),
        IkeMethod::EapGtc => ("EAP-GTC", false),
        IkeMethod::EapMd5 => ("EAP-MD5", false),
        IkeMethod::EapMschapv2 => ("EAP-MSCHAPv2", false),
    };
    if !served {
        faults.push(format!(
            "its client authenticates by {method}, which profile {} does not take",
            serving.name
        ));
    }
    faults
}
