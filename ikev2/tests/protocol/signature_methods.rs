//! Authentication by signature in both roles: every kind of key, with and without RFC 7427, and profiles that
//! take several methods (RFC 7296 §2.15, RFC 4754, RFC 7427).

use ironflex_ikev2::{
    config::{AcceptedProofs, InitiatorAuthentication},
    crypto::{SignatureScheme, default_provider},
    event::{Answer, CloseReason, PeerProof},
    refusal::{AuthFault, PeerIncompatible, PeerMisbehaved, Refusal},
    wire::registry::{AuthMethod, NotifyType},
};

use crate::support::*;

/// Every key that the provider signs with, and its scheme between ends that both speak RFC 7427.
fn keys() -> Vec<(&'static TestKey, SignatureScheme)> {
    let mut keys = vec![
        (&RSA, SignatureScheme::RsaPkcs1Sha512),
        (&P256, SignatureScheme::EcdsaSha256),
        (&P384, SignatureScheme::EcdsaSha384),
    ];
    if default_provider().name() != "ring" {
        keys.push((&P521, SignatureScheme::EcdsaSha512));
    }
    keys
}

fn is_rsa(key: &TestKey) -> bool {
    std::ptr::eq(key, &RSA)
}

fn takes(key: &TestKey) -> AcceptedProofs {
    AcceptedProofs {
        rsa_signature: is_rsa(key),
        ecdsa_signature: !is_rsa(key),
        pre_shared_key: None,
    }
}

/// Each end has one of these keys and takes the other's kind alone.
fn setup(client: &'static TestKey, server: &'static TestKey) -> Setup {
    let mut setup = Setup::with_certificate(GCM);
    setup.client_key = client;
    setup.server_key = server;
    setup.connect.authentication = InitiatorAuthentication::Auth(certificate_with(client));
    setup.peer.local_authentication = certificate_with(server);
    setup.connect.responder = takes(server);
    setup.peer.remote_authentication.proofs = takes(client);
    setup
}

fn login(setup: Setup, seed: u64) -> Pair {
    let mut pair = Pair::new(setup, seed);
    pair.connect();
    pair.run(20);
    pair
}

fn proof_of(key: &TestKey) -> PeerProof {
    if is_rsa(key) {
        PeerProof::RsaSignature
    } else {
        PeerProof::EcdsaSignature
    }
}

fn assert_refused_as(pair: &Pair, by_server: Refusal) {
    assert_eq!(pair.server.closed, [CloseReason::Refused(by_server)]);
    let told = Refusal::ByPeer(NotifyType::AUTHENTICATION_FAILED);
    assert_eq!(pair.client.closed, [CloseReason::Refused(told)]);
    assert_eq!(pair.server.ready() + pair.client.ready(), 0);
}

/// The server says no more than that AUTH does not hold, whatever is wrong with it.
fn assert_unproven(pair: &Pair) {
    let [CloseReason::Refused(refusal)] = &pair.server.closed[..] else {
        panic!("{:?}", pair.server.closed);
    };
    let failed = Refusal::from(PeerMisbehaved::AuthenticationFailed(AuthFault::OtherKey));
    assert_eq!(refusal.name(), failed.name(), "{refusal:?}");
    assert_refused_as(pair, refusal.clone());
}

// RFC 7427 §3, §4; RFC 4754 §3 where nothing was announced.
#[test]
fn every_key_proves_either_end_with_and_without_rfc_7427() {
    for (client, client_scheme) in keys() {
        for (server, server_scheme) in keys() {
            for announced in [true, false] {
                let mut setup = setup(client, server);
                setup.connect.signature_hashes = announced;
                let legacy = !announced && (is_rsa(client) || is_rsa(server));
                if legacy && default_provider().name() == "ring" {
                    continue;
                }
                let pair = login(setup, 1);
                assert!(
                    pair.both_up(),
                    "{:?} {:?}",
                    pair.server.log,
                    pair.client.log
                );
                assert_eq!(pair.server.proofs, [proof_of(client)]);
                assert_eq!(pair.client.proofs, [proof_of(server)]);
                let scheme = |key: &TestKey, scheme| match announced || !is_rsa(key) {
                    true => scheme,
                    // RFC 7296 §3.8: method 1 means SHA-1 to those who say nothing.
                    false => SignatureScheme::RsaPkcs1Sha1,
                };
                assert_eq!(pair.client.signed, [scheme(client, client_scheme)]);
                assert_eq!(pair.server.signed, [scheme(server, server_scheme)]);
            }
        }
    }
}

// The AnyConnect client knows ECDSA by RFC 4754, whatever else it announces.
#[test]
fn a_headend_with_an_elliptic_curve_key_runs_eap() {
    for (server, scheme) in keys() {
        let mut setup = Setup::new(GCM);
        setup.server_key = server;
        setup.peer.local_authentication = certificate_with(server);
        setup.connect.responder = takes(server);
        setup.connect.signature_hashes = true;
        let pair = login(setup, 2);
        assert!(pair.both_up(), "{:?}", pair.client.log);
        assert_eq!(pair.client.proofs, [proof_of(server)]);
        let scheme = match is_rsa(server) {
            true => SignatureScheme::RsaPkcs1Sha384,
            false => scheme,
        };
        assert_eq!(pair.server.signed, [scheme]);
    }
}

// RFC 7296 §2.15: the initiator chooses among what the profile takes.
#[test]
fn the_peer_chooses_among_the_methods_of_a_profile() {
    let shared = pre_shared_key(b"a key of both ends");
    let all = AcceptedProofs {
        rsa_signature: true,
        ecdsa_signature: true,
        pre_shared_key: Some(shared.clone()),
    };
    for (key, _) in keys() {
        let mut setup = setup(key, &RSA);
        setup.peer.remote_authentication.proofs = all.clone();
        let pair = login(setup, 3);
        assert!(pair.both_up());
        assert_eq!(pair.server.proofs, [proof_of(key)]);
    }
    let mut by_key = Setup::with_pre_shared_key(GCM);
    by_key.peer.local_authentication = own_certificate();
    by_key.connect.responder = takes(&RSA);
    by_key.peer.remote_authentication.proofs = all.clone();
    by_key.peer.remote_authentication.anyconnect_eap = true;
    let pair = login(by_key, 4);
    assert_eq!(pair.server.proofs, [PeerProof::PreSharedKey]);
    assert!(pair.both_up());
    let mut by_eap = Setup::new(GCM);
    by_eap.peer.remote_authentication.proofs = all;
    let pair = login(by_eap, 5);
    assert_eq!(pair.server.proofs, [PeerProof::Eap]);
    assert!(pair.both_up());
}

#[test]
fn a_kind_of_key_that_the_profile_does_not_name_is_refused() {
    for (key, _) in keys() {
        for announced in [true, false] {
            if !announced && is_rsa(key) && default_provider().name() == "ring" {
                continue;
            }
            let mut good = setup(key, &P256);
            good.connect.signature_hashes = announced;
            let mut bad = good.clone();
            bad.peer.remote_authentication.proofs = AcceptedProofs {
                rsa_signature: !is_rsa(key),
                ecdsa_signature: is_rsa(key),
                pre_shared_key: Some(pre_shared_key(b"k")),
            };
            assert!(login(good, 6).both_up());
            let pair = login(bad, 6);
            let method = match (announced, is_rsa(key)) {
                (true, _) => AuthMethod::DIGITAL_SIGNATURE,
                (false, true) => AuthMethod::RSA_DIGITAL_SIGNATURE,
                (false, false) if std::ptr::eq(key, &P256) => AuthMethod::ECDSA_256,
                (false, false) if std::ptr::eq(key, &P384) => AuthMethod::ECDSA_384,
                (false, false) => AuthMethod::ECDSA_521,
            };
            assert_refused_as(&pair, PeerIncompatible::MethodNotConfigured(method).into());
        }
    }
}

#[test]
fn a_signature_of_another_key_of_the_same_kind_is_refused() {
    // The certificate says one key and another signs: kinds that look alike from outside.
    for (signs, says) in [(&P256, P384.spki), (&P384, P256.spki), (&RSA, P256.spki)] {
        for announced in [true, false] {
            if !announced && is_rsa(signs) && default_provider().name() == "ring" {
                continue;
            }
            let mut good = setup(signs, &P256);
            good.connect.signature_hashes = announced;
            good.peer.remote_authentication.proofs.rsa_signature = true;
            good.peer.remote_authentication.proofs.ecdsa_signature = true;
            let mut bad = good.clone();
            bad.spki = Some(says);
            assert!(login(good, 7).both_up());
            let pair = login(bad, 7);
            assert_unproven(&pair);
        }
    }
}

#[test]
fn forged_signatures_of_a_client_are_refused() {
    let good = setup(&P256, &P256);
    assert!(login(good.clone(), 8).both_up());
    let forgeries: [fn(bool, Answer) -> Answer; 4] = [
        |server, answer| forged(server, answer, |_| Vec::new()),
        |server, answer| forged(server, answer, |_| vec![0x30, 0x80, 0x02, 0x01]),
        // Zero for both numbers: what careless verifiers took from anybody.
        |server, answer| forged(server, answer, |_| vec![0x30, 6, 2, 1, 0, 2, 1, 0]),
        |server, answer| {
            forged(server, answer, |mut signature| {
                *signature.last_mut().unwrap() ^= 1;
                signature
            })
        },
    ];
    for forge in forgeries {
        let mut bad = good.clone();
        bad.forge = forge;
        let mut pair = login(bad, 8);
        assert_unproven(&pair);
        pair.run(30);
        pair.assert_clean();
    }
}

/// Changes the client's signature alone.
fn forged(server: bool, answer: Answer, change: fn(Vec<u8>) -> Vec<u8>) -> Answer {
    match answer {
        Answer::Signature(signature) if !server => Answer::Signature(change(signature)),
        answer => answer,
    }
}
