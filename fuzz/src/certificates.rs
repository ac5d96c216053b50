//! Certificates that a peer sends, and chains of them.

use std::{sync::LazyLock, time::Duration};

use ironflex::pki::{
    CertificateSummary, Purpose, ServerIdentity, Timestamp, TrustAnchors, describe,
    pem::{read_pem_certificates, write_pem_certificates},
    verify_peer_chain,
};

use super::input::Input;

const ROOT: &[u8] = include_bytes!("../../tests/data/pki/root.pem");
const SUB: &[u8] = include_bytes!("../../tests/data/pki/sub.pem");
const SERVER: &[u8] = include_bytes!("../../tests/data/pki/server.pem");

/// What is trusted, and what was issued under it.
struct Known {
    anchors: TrustAnchors,
    issued: [CertificateSummary; 2],
    now: Timestamp,
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let read = |text| read_pem_certificates(text).unwrap().remove(0);
    let issued = [SUB, SERVER].map(|text| describe(&read(text)).unwrap());
    Known {
        anchors: TrustAnchors::new(&[read(ROOT)]).unwrap(),
        now: issued[1].not_before.saturating_add(Duration::from_secs(60)),
        issued,
    }
});

/// The first octet chooses: one certificate, PEM text, or a chain of certificates with their lengths before them.
pub fn certificates(data: &[u8]) {
    let mut input = Input::new(data);
    match input.below(3) {
        0 => one(input.rest()),
        1 => pem(input.rest()),
        _ => chain(&mut input),
    }
}

/// What is told of a certificate stands in it, and is printable.
fn one(der: &[u8]) {
    let Ok(told) = describe(der) else {
        return;
    };
    assert_eq!(describe(der).as_ref(), Ok(&told));
    let within = |part: &[u8]| der.windows(part.len().max(1)).any(|octets| octets == part);
    assert!(within(&told.spki_der), "a key from nowhere");
    assert!(within(&told.subject.der), "a subject from nowhere");
    let names = told.subject_alt_names.iter().map(ToString::to_string);
    for text in names.chain([told.subject.to_string(), told.issuer.to_string()]) {
        assert!(
            !text.chars().any(char::is_control),
            "control characters in a name: {text:?}"
        );
        assert!(
            text.len() <= 12 * der.len(),
            "a name of {} octets",
            text.len()
        );
    }
    if let Ok(anchors) = TrustAnchors::new(&[der]) {
        assert_eq!(anchors.summaries(), [told], "another authority");
    }
}

fn pem(text: &[u8]) {
    let Ok(found) = read_pem_certificates(text) else {
        return;
    };
    let total: usize = found.iter().map(Vec::len).sum();
    assert!(total <= text.len(), "more octets than the text has");
    let written = write_pem_certificates(&found);
    assert_eq!(
        read_pem_certificates(written.as_bytes()),
        Ok(found),
        "other certificates"
    );
}

/// A chain holds only for a key that the authority has vouched for.
fn chain(input: &mut Input<'_>) {
    let mut chain = Vec::new();
    while !input.is_empty() && chain.len() < 20 {
        chain.push(input.chunk());
    }
    let known = &*KNOWN;
    let server = Purpose::Server {
        name: ServerIdentity::parse("vpn.example.com").unwrap(),
    };
    for purpose in [server, Purpose::Client] {
        if let Ok(peer) =
            verify_peer_chain(&chain, &known.anchors, &[] as &[&[u8]], known.now, &purpose)
        {
            // A signature of ECDSA can be written in two ways, so the octets of a certificate are not one either.
            let vouched = known
                .issued
                .iter()
                .any(|one| one.spki_der == peer.spki_der());
            assert!(vouched, "a stranger's chain holds");
            assert_eq!(peer.anchor(), &known.anchors.summaries()[0].subject);
        }
    }
}
