//! Authentication by pre-shared key in both roles, alone and beside certificates (RFC 7296 §2.15).

use std::sync::Arc;

use ironflex_ikev2::{
    config::{AcceptedProofs, InitiatorAuthentication, LocalAuthentication},
    event::{CloseReason, Command},
    refusal::{AuthFault, PeerIncompatible, PeerMisbehaved, Refusal},
    wire::{
        payload::Identification,
        registry::{AuthMethod, NotifyType},
    },
};

use crate::support::*;

fn login(setup: Setup, seed: u64) -> Pair {
    let mut pair = Pair::new(setup, seed);
    pair.connect();
    pair.run(20);
    pair
}

/// The two answers that a stranger gets to see, as sent.
fn answers(pair: &Pair) -> Vec<Arc<[u8]>> {
    let sent = pair.wire.iter().filter(|(to_server, _)| !to_server);
    sent.map(|(_, octets)| Arc::clone(octets)).collect()
}

fn assert_refused_as(pair: &Pair, by_server: Refusal) {
    assert_eq!(pair.server.closed, [CloseReason::Refused(by_server)]);
    // RFC 7296 §2.21.2: the initiator is told that authentication failed, and no more.
    let told = Refusal::ByPeer(NotifyType::AUTHENTICATION_FAILED);
    assert_eq!(pair.client.closed, [CloseReason::Refused(told)]);
}

#[test]
fn logs_in_by_a_key_of_both_ends_and_leaves_nothing_after_its_delete() {
    for suite in [CBC, GCM] {
        let mut pair = login(Setup::with_pre_shared_key(suite), 1);
        assert!(
            pair.both_up(),
            "{:?} {:?}",
            pair.server.log,
            pair.client.log
        );
        pair.assert_children_match();
        pair.command(false, Command::Delete(pair.client.sas[0]));
        pair.run(30);
        pair.assert_clean();
        assert_eq!(pair.server.closed, [CloseReason::PeerDeleted]);
    }
}

// RFC 7296 §2.15: the two ends need not use the same method.
#[test]
fn each_end_has_a_method_of_its_own() {
    let certificate = || AcceptedProofs {
        rsa_signature: true,
        ..AcceptedProofs::default()
    };
    let mut client_by_key = Setup::with_pre_shared_key(GCM);
    client_by_key.peer.local_authentication = own_certificate();
    client_by_key.connect.responder = certificate();
    assert!(login(client_by_key, 2).both_up());

    let mut headend_by_key = Setup::with_pre_shared_key(GCM);
    headend_by_key.connect.authentication = InitiatorAuthentication::Auth(own_certificate());
    headend_by_key.peer.remote_authentication.proofs = certificate();
    assert!(login(headend_by_key, 3).both_up());
}

#[test]
fn each_direction_may_have_a_key_of_its_own() {
    let mut setup = Setup::with_pre_shared_key(GCM);
    let other = pre_shared_key(b"the headend's alone");
    setup.peer.local_authentication = LocalAuthentication::PreSharedKey(other.clone());
    setup.connect.responder.pre_shared_key = Some(other);
    assert!(login(setup, 4).both_up());
}

#[test]
fn refuses_a_client_with_another_key() {
    let mut setup = Setup::with_pre_shared_key(CBC);
    let other = LocalAuthentication::PreSharedKey(pre_shared_key(b"a key of both endt"));
    setup.connect.authentication = InitiatorAuthentication::Auth(other);
    let mut pair = login(setup, 5);
    assert_refused_as(
        &pair,
        PeerMisbehaved::AuthenticationFailed(AuthFault::OtherKey).into(),
    );
    pair.run(30);
    pair.assert_clean();
}

#[test]
fn a_client_refuses_a_headend_with_another_key_and_says_so() {
    let mut setup = Setup::with_pre_shared_key(CBC);
    setup.connect.responder.pre_shared_key = Some(pre_shared_key(b"another"));
    let mut pair = login(setup, 6);
    assert_eq!(
        *refusal(&pair.client.closed[0]),
        PeerMisbehaved::AuthenticationFailed(AuthFault::OtherKey).into()
    );
    assert_eq!(
        *refusal(&pair.server.closed[0]),
        Refusal::ByPeer(NotifyType::AUTHENTICATION_FAILED)
    );
    pair.run(30);
    pair.assert_clean();
}

#[test]
fn an_unknown_client_and_one_with_another_key_get_the_same_octets() {
    let mut wrong = Setup::with_pre_shared_key(CBC);
    let other = LocalAuthentication::PreSharedKey(pre_shared_key(b"another"));
    wrong.connect.authentication = InitiatorAuthentication::Auth(other);
    let mut unknown = wrong.clone();
    unknown.known = false;
    let mut keyless = wrong.clone();
    keyless.peer.remote_authentication.proofs = AcceptedProofs::default();
    let [wrong, unknown, keyless] = [wrong, unknown, keyless].map(|setup| login(setup, 7));
    assert_eq!(answers(&wrong).len(), 2);
    assert_eq!(answers(&wrong), answers(&unknown));
    assert_eq!(answers(&wrong), answers(&keyless));
}

#[test]
fn refuses_a_method_that_is_not_configured() {
    // A key where a certificate is due, and the other way round.
    let mut key = Setup::with_pre_shared_key(GCM);
    key.peer.remote_authentication.proofs = AcceptedProofs {
        rsa_signature: true,
        ..AcceptedProofs::default()
    };
    let mut certificate = Setup::with_pre_shared_key(GCM);
    certificate.connect.authentication = InitiatorAuthentication::Auth(own_certificate());
    // An RSA signature where one of an elliptic curve is due.
    let mut rsa = certificate.clone();
    rsa.peer.remote_authentication.proofs = AcceptedProofs {
        ecdsa_signature: true,
        ..AcceptedProofs::default()
    };
    for (seed, setup, method) in [
        (8, key, AuthMethod::SHARED_KEY_MIC),
        (9, certificate, AuthMethod::DIGITAL_SIGNATURE),
        (10, rsa, AuthMethod::DIGITAL_SIGNATURE),
    ] {
        let pair = login(setup, seed);
        assert_refused_as(&pair, PeerIncompatible::MethodNotConfigured(method).into());
    }
}

#[test]
fn a_client_takes_no_method_from_the_headend_that_it_did_not_ask_for() {
    let mut setup = Setup::with_pre_shared_key(GCM);
    setup.connect.responder = AcceptedProofs {
        rsa_signature: true,
        ..AcceptedProofs::default()
    };
    let pair = login(setup, 11);
    assert_eq!(
        *refusal(&pair.client.closed[0]),
        PeerIncompatible::MethodNotConfigured(AuthMethod::SHARED_KEY_MIC).into()
    );
    assert_eq!(pair.client.installed.len() + pair.server.ready(), 0);
}

// RFC 7296 §1.2: a key that several have proves no name, so a client may insist on one.
#[test]
fn a_client_takes_only_the_headend_that_it_asked_for() {
    let mut setup = Setup::with_pre_shared_key(GCM);
    setup.connect.wanted = Some(setup.peer.local_identity.clone());
    assert!(login(setup.clone(), 13).both_up());
    setup.connect.wanted = Some(Identification::fqdn("vpn.example"));
    let pair = login(setup, 14);
    let itself = Arc::new(pair.setup.peer.local_identity.clone());
    assert_eq!(
        pair.client.closed,
        [CloseReason::Refused(Refusal::OtherResponder(itself))]
    );
    assert!(pair.client.installed.is_empty());
}

// RFC 7296 §2.16#1, §5#5: EAP goes with a signature of the end that runs it.
#[test]
fn offers_no_eap_where_the_headend_has_only_a_key() {
    let mut setup = Setup::new(GCM);
    setup.peer.local_authentication = LocalAuthentication::PreSharedKey(pre_shared_key(b"k"));
    let pair = login(setup, 12);
    assert_refused_as(&pair, PeerIncompatible::NoEapMethod.into());
}
