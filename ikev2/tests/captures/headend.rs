//! The captured headend at our initiator.

use ironflex_ikev2::{
    Input,
    config::ConnectConfig,
    event::{Answer, Ask, Command},
    wire::{PartialMessage, registry::PayloadType},
};

use crate::{
    der::subject_public_key_info,
    login::{CISCO, NOW, SKF},
    replay::{Replay, assert_child, path, replay_headend},
    support::{self, proposal},
};

// RFC 7296 §2.15, §2.16: the headend's RSA signature holds under the key of its certificate, its final
// MIC under SK_pr, and the child SA comes out as its peer had it.
#[test]
fn our_initiator_logs_in_at_the_captured_headend() {
    for login in [&CISCO, &SKF] {
        let replay = replay_headend(login);
        assert_eq!(replay.discarded, [], "{}", login.name);
        assert_eq!(replay.events.len(), 2, "{:?}", replay.events);
        assert_eq!(replay.events[1], "established true");
        assert_child(login, &replay, true);
        assert_eq!(replay.closed, None);
        let codes: Vec<u8> = replay.eap.iter().map(|packet| packet[0]).collect();
        assert_eq!(codes, [1, 1, 1, 1, 3], "four requests, then EAP-Success");
        let child = replay.child.unwrap();
        let assigned = &child.configuration;
        assert_eq!(assigned[0].value, [10, 99, 0, 1]);
        assert_eq!(assigned[1].value, [10, 50, 0, 53]);
    }
}

// RFC 7296 §2.15: one octet of the headend's answer to IKE_SA_INIT changed, and its signature is worth
// nothing any more although every key still comes out right.
#[test]
fn the_captured_headend_is_refused_when_its_first_answer_was_changed() {
    for login in [&CISCO, &SKF] {
        let mut endpoint = login.endpoint(true);
        let datagrams = login.sent(false);
        let message = PartialMessage::parse(&datagrams[0].message).unwrap();
        let at = datagrams[0]
            .message
            .windows(4)
            .position(|window| window == b"2009")
            .unwrap();
        assert!(
            message
                .outer
                .iter()
                .any(|one| one.kind() == PayloadType::VENDOR)
        );
        let mut judged = false;
        let mut replay = Replay::default();
        let mut outside = |_: &mut Replay, ask| match ask {
            Ask::Chain { certificates, .. } => {
                judged = true;
                Answer::Chain {
                    spki: subject_public_key_info(&certificates[0]).to_vec(),
                }
            }
            _ => panic!("the headend has not proven itself"),
        };
        let [_, to_initiator] = login.table();
        let connect = ConnectConfig {
            spi: to_initiator.spi,
            proposals: vec![proposal(login.ike)],
            fragmentation: login.fragmentation(),
            ..support::Setup::new(login.ike).connect
        };
        endpoint.handle(NOW, Input::Command(Command::Connect(Box::new(connect))));
        replay.drain(&mut endpoint, &mut outside);
        for (number, datagram) in datagrams.iter().enumerate() {
            let mut octets = datagram.message.clone();
            if number == 0 {
                octets[at] ^= 1;
            }
            let id = octets[23];
            if id < 2 {
                endpoint.handle(NOW, Input::Datagram(path(false, 4500), &octets));
                replay.drain(&mut endpoint, &mut outside);
            }
        }
        assert!(judged, "{}", login.name);
        assert!(replay.child.is_none());
        assert!(replay.events.is_empty(), "{:?}", replay.events);
    }
}
