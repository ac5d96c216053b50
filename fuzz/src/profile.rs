//! The XML profile of Secure Client.

use ironflex_profiles::anyconnect::{ClientProfile, HostEntry, PrimaryProtocol};

/// A profile holds no more than its text does, and its hosts are found by their names.
pub fn profile(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(profile) = ClientProfile::read(text) else {
        return;
    };
    let held: usize = profile.hosts.iter().map(octets).sum();
    assert!(held <= text.len(), "{held} octets out of {}", text.len());
    for (at, host) in profile.hosts.iter().enumerate() {
        assert!(!host.name.is_empty() && host.name.trim() == host.name);
        let names = [Some(&host.name), host.address.as_ref()];
        for name in names.into_iter().flatten() {
            let found = profile.host(name).expect("a host has its name");
            let first = profile.hosts.iter().position(|one| one == found).unwrap();
            assert!(first <= at, "not the first of that name");
            let mut names = [Some(&found.name), found.address.as_ref()]
                .into_iter()
                .flatten();
            assert!(
                names.any(|one| one.eq_ignore_ascii_case(name)),
                "another host than asked for"
            );
        }
    }
}

/// Octets of text in an entry.
fn octets(host: &HostEntry) -> usize {
    let identity = match &host.protocol {
        PrimaryProtocol::Ssl => None,
        PrimaryProtocol::Ipsec(options) => options.ike_identity.as_ref(),
    };
    let texts = [
        Some(&host.name),
        host.address.as_ref(),
        host.user_group.as_ref(),
        identity,
    ];
    texts.into_iter().flatten().map(String::len).sum()
}
