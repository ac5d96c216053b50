//! The captured client at our responder.

use std::path::Path as FilePath;

use ironflex_ikev2::{
    Input,
    crypto::{SignatureError, SignatureScheme, default_provider},
    event::{CloseReason, Discard},
};

use crate::{
    der::{first_certificate, subject_public_key_info, tlvs},
    login::{CISCO, NOW, SKF},
    replay::{Replay, assert_child, contains, path, replay_client},
};

// RFC 7296 §2.16#6: every message of the client opens, its final MIC holds under SK_pi, and the
// child SA comes out as its peer had it.
// RFC 7296 §2.16#7,9: Success, then an AUTH payload each way.
#[test]
fn the_captured_client_logs_in_at_our_responder_and_deletes_its_sa() {
    for login in [&CISCO, &SKF] {
        let replay = replay_client(login);
        assert_eq!(replay.discarded, [], "{}", login.name);
        assert_eq!(
            replay.events,
            [
                "authenticated *$AnyConnectClient$* alice",
                "established true"
            ],
            "{}",
            login.name
        );
        assert_child(login, &replay, false);
        assert_eq!(replay.closed, Some(CloseReason::PeerDeleted));
        // IKE_SA_INIT, six IKE_AUTH and the acknowledgement of the delete; our long ones are cut.
        let mut ids: Vec<u8> = replay
            .transmitted
            .iter()
            .map(|transmit| transmit.octets[23])
            .collect();
        ids.dedup();
        assert_eq!(ids, [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}

#[test]
fn the_client_s_documents_come_out_of_both_kinds_of_fragments() {
    for login in [&CISCO, &SKF] {
        let replay = replay_client(login);
        let said: Vec<&str> = replay
            .eap
            .iter()
            .map(|packet| {
                let (_, document) = *tlvs(packet).iter().find(|(kind, _)| *kind == 0).unwrap();
                let text = std::str::from_utf8(document).unwrap();
                ["init", "auth-reply", "ack"]
                    .into_iter()
                    .find(|kind| contains(text.as_bytes(), &format!("type=\"{kind}\"")))
                    .unwrap()
            })
            .collect();
        assert_eq!(
            said,
            ["init", "init", "auth-reply", "ack"],
            "{}",
            login.name
        );
        assert_eq!(
            replay.eap[1].len(),
            usize::from(u16::from_be_bytes([replay.eap[1][2], replay.eap[1][3],]))
        );
    }
}

// docs/anyconnect-eap.md: TLV 1 signs the octets that the initiator's AUTH would sign, with the hash of
// the PRF, under the leaf of TLV 3; these octets are what the core hands to the EAP method.
#[test]
fn the_client_s_tlv_1_signs_what_the_core_hands_to_eap() {
    for login in [&CISCO, &SKF] {
        let replay = replay_client(login);
        let context = replay.context.as_ref().unwrap();
        let proof = tlvs(&replay.eap[1]);
        let kinds: Vec<u16> = proof.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, [3, 1, 0], "in the order of the capture");
        let (pkcs7, signature) = (proof[0].1, proof[1].1);
        if login.cisco {
            let vectors = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
            let file = vectors.join(login.name).join("client-pkcs7.der");
            assert_eq!(pkcs7, std::fs::read(file).unwrap());
        }
        let spki = subject_public_key_info(first_certificate(pkcs7));
        let scheme = SignatureScheme::rsa_pkcs1(context.prf.hash());
        let judge = |octets: &[u8]| default_provider().verify(scheme, spki, octets, signature);
        assert_eq!(judge(&context.initiator_signed_octets), Ok(()));
        let mut other = context.initiator_signed_octets.clone();
        other[40] ^= 1;
        assert_eq!(judge(&other), Err(SignatureError::Mismatch));
    }
}

// RFC 7296 §2.2: the captured login said again changes nothing; only the last answer is still kept.
#[test]
fn the_captured_client_said_again_is_answered_from_the_cache_or_not_at_all() {
    for login in [&CISCO, &SKF] {
        let mut endpoint = login.endpoint(false);
        let init = login.sent(true).remove(0);
        let mut replay = Replay::default();
        for _ in 0..3 {
            endpoint.handle(NOW, Input::Datagram(path(true, 500), &init.message));
            replay.drain(&mut endpoint, &mut |_, _| panic!("nothing to ask"));
        }
        assert_eq!(replay.discarded, [Discard::Repeated, Discard::Repeated]);
        assert_eq!(endpoint.len(), 1);
        assert_eq!(replay.transmitted.len(), 3);
        assert!(replay.transmitted.windows(2).all(|two| two[0] == two[1]));
    }
}
