//! Logins between two endpoints on a virtual clock.

use std::{net::SocketAddr, time::Duration};

use ironflex_ikev2::{
    event::{CloseReason, Command, Discard, Path, SaId},
    refusal::{AuthFault, PeerIncompatible, PeerMisbehaved, Refusal},
    wire::registry::{ExchangeType, NotifyType},
};

use crate::{holder::Holder, support::*};

fn login(setup: Setup, seed: u64) -> Pair {
    let mut pair = Pair::new(setup, seed);
    pair.connect();
    pair.run(20);
    pair
}

// RFC 7296 §2.4#9, §2.12#1: the Delete is told, and nothing of the SA and its keys is left at
// either end.
#[test]
fn logs_in_by_eap_and_leaves_nothing_after_its_delete() {
    for suite in [CBC, GCM] {
        let mut pair = login(Setup::new(suite), 1);
        assert!(
            pair.both_up(),
            "{:?} {:?}",
            pair.server.log,
            pair.client.log
        );
        pair.assert_children_match();
        assert_eq!(pair.discards(), [&Discard::FragmentKept; 0]);
        let id = pair.client.sas[0];
        pair.command(false, Command::Delete(id));
        pair.run(30);
        pair.assert_clean();
        assert_eq!(pair.server.closed, [CloseReason::PeerDeleted]);
        assert_eq!(pair.client.closed, [CloseReason::Deleted]);
    }
}

// RFC 7296 §4#4: four messages make an IKE SA and a child SA.
#[test]
fn logs_in_by_certificate_and_the_headend_deletes() {
    let mut pair = login(Setup::with_certificate(GCM), 2);
    assert!(
        pair.both_up(),
        "{:?} {:?}",
        pair.server.log,
        pair.client.log
    );
    pair.assert_children_match();
    let id = pair.server.sas[0];
    pair.command(true, Command::Delete(id));
    pair.run(30);
    pair.assert_clean();
    assert_eq!(pair.client.closed, [CloseReason::PeerDeleted]);
}

#[test]
fn answers_a_probe_of_either_side() {
    let mut pair = login(Setup::new(CBC), 3);
    for server in [true, false] {
        let end = if server { &pair.server } else { &pair.client };
        let id = end.sas[0];
        let before = pair.sent;
        pair.command(server, Command::Probe(id));
        pair.run(5);
        assert_eq!(pair.sent, before + 2);
    }
    assert!(pair.both_up());
}

// RFC 7296 §2.16#8: the client is told by EAP's Failure.
#[test]
fn refuses_a_wrong_password_and_acknowledges_that_the_client_gives_up() {
    let mut setup = Setup::new(CBC);
    setup.password = b"another";
    let mut pair = login(setup, 4);
    assert_eq!(pair.server.ready() + pair.client.ready(), 0);
    assert_eq!(
        *refusal(&pair.server.closed[0]),
        Refusal::Denied("wrong password".into())
    );
    assert_eq!(
        *refusal(&pair.client.closed[0]),
        Refusal::Denied("the headend refused the password".into())
    );
    pair.run(30);
    pair.assert_clean();
}

// RFC 7296 §2.21.2#4: the IKE SA comes up without an address, and is then deleted by the headend; what the
// client minds is the address, not the authentication.
#[test]
fn an_exhausted_pool_brings_up_the_ike_sa_and_then_deletes_it() {
    let mut setup = Setup::new(CBC);
    setup.lease = false;
    let mut pair = login(setup, 5);
    pair.run(30);
    assert_eq!(
        pair.server.closed,
        [CloseReason::Refused(PeerIncompatible::NoAddress.into())]
    );
    assert_eq!(
        pair.client.closed,
        [CloseReason::Refused(Refusal::ByPeer(
            NotifyType::INTERNAL_ADDRESS_FAILURE
        ))]
    );
    pair.assert_clean();
}

#[test]
fn a_child_that_cannot_be_installed_is_refused_and_nothing_stays() {
    let mut setup = Setup::new(CBC);
    setup.install = false;
    let mut pair = login(setup, 6);
    pair.run(60);
    assert_eq!(
        *refusal(&pair.client.closed[0]),
        Refusal::ByPeer(NotifyType::NO_PROPOSAL_CHOSEN)
    );
    pair.assert_clean();
}

// RFC 7296 §1.2#4: the initiator tries again with the group that the responder names.
#[test]
fn follows_invalid_ke_payload_to_another_group() {
    use ironflex_ikev2::crypto::suite::Group;
    let mut setup = Setup::new(GCM);
    setup.connect.proposals[0].groups = vec![Group::EcpP384, Group::Curve25519];
    let pair = login(setup, 7);
    assert!(pair.both_up());
    assert_eq!(
        pair.server.discarded,
        [Discard::InitRefused(
            PeerIncompatible::InvalidKeyExchange(Group::Curve25519).into()
        )]
    );
}

// RFC 7296 §3.3.4#6-7: what is not configured is refused.
#[test]
fn says_no_proposal_chosen_when_nothing_fits() {
    let mut setup = Setup::new(GCM);
    setup.connect.proposals = vec![proposal(CBC)];
    let pair = login(setup, 8);
    assert_eq!(
        *refusal(&pair.client.closed[0]),
        Refusal::ByPeer(NotifyType::NO_PROPOSAL_CHOSEN)
    );
    pair.assert_clean();
}

// RFC 7296 §2.6: above the watermark a cookie is demanded first and nothing is remembered.
#[test]
fn demands_a_cookie_above_the_watermark() {
    let mut setup = Setup::new(CBC);
    setup.server.cookie_watermark = 0;
    let pair = login(setup, 9);
    assert!(pair.both_up());
    assert_eq!(pair.server.discarded, [Discard::CookieSent]);
}

// RFC 7296 §2.6.1#1: COOKIE and INVALID_KE_PAYLOAD for the same attempt.
#[test]
fn follows_cookie_and_invalid_ke_payload_together() {
    use ironflex_ikev2::crypto::suite::Group;
    let mut setup = Setup::new(GCM);
    setup.server.cookie_watermark = 0;
    setup.connect.proposals[0].groups = vec![Group::EcpP384, Group::Curve25519];
    assert!(login(setup, 10).both_up());
}

#[test]
fn cuts_long_messages_in_both_forms() {
    for ietf in [false, true] {
        let mut setup = Setup::new(CBC);
        setup.server.fragmentation.ietf = ietf;
        setup.connect.fragmentation.ietf = ietf;
        let pair = login(setup, 11);
        assert!(pair.both_up(), "{:?}", pair.server.log);
        let kind = if ietf { 53 } else { 132 };
        let pieces = pair.wire.iter().filter(|(_, octets)| octets[16] == kind);
        assert!(pieces.count() > 1);
        let limit = if ietf { 576 - 20 - 8 - 4 } else { 1248 };
        assert!(pair.wire.iter().all(|(_, octets)| octets.len() <= limit));
    }
}

// RFC 7383 §2.5.1: an IPv6 path takes 1,280 octets, so nothing is cut smaller there.
#[test]
fn messages_over_ipv6_are_cut_to_its_smallest_mtu_at_least() {
    let mut setup = Setup::new(CBC);
    setup.server.fragmentation.ietf = true;
    setup.connect.fragmentation.ietf = true;
    for path in [&mut setup.connect.path, &mut setup.connect.float_path] {
        path.local.set_ip("2001:db8::100".parse().unwrap());
        path.remote.set_ip("2001:db8::1".parse().unwrap());
    }
    let pair = login(setup, 11);
    assert!(pair.both_up(), "{:?}", pair.server.log);
    let longest = pair.wire.iter().map(|(_, octets)| octets.len()).max();
    let (over_ipv4, over_ipv6) = (576 - 20 - 8 - 4, 1280 - 40 - 8 - 4);
    assert!(
        longest > Some(over_ipv4) && longest <= Some(over_ipv6),
        "{longest:?}"
    );
}

// RFC 7296 §2.11#1-2, §2.23#2-3,7: a client behind another port is served there, and both go on in UDP.
// RFC 3948 §2.1#1: ESP has the ports of IKE.
#[test]
fn detects_a_nat_in_front_of_the_client_and_encapsulates() {
    let mut pair = Pair::new(Setup::new(CBC), 12);
    pair.nat = Some(|from| {
        format!("198.51.100.7:{}", 50_000 + u32::from(from.port()))
            .parse()
            .unwrap()
    });
    pair.unnat = Some(|to| {
        format!("192.0.2.100:{}", u32::from(to.port()) - 50_000)
            .parse()
            .unwrap()
    });
    pair.connect();
    pair.run(20);
    assert!(pair.both_up());
    pair.assert_children_match();
    let child = pair.server.installed.values().next().unwrap();
    assert!(child.udp_encapsulation);
    assert_eq!(child.path.remote, "198.51.100.7:54500".parse().unwrap());
    let view = pair.server.endpoint.views().next().unwrap();
    assert!(view.nat_remote && !view.nat_local);
}

#[test]
fn without_a_nat_esp_is_not_encapsulated_unless_one_side_says_so() {
    let pair = login(Setup::new(CBC), 13);
    assert!(
        !pair
            .server
            .installed
            .values()
            .next()
            .unwrap()
            .udp_encapsulation
    );
    let mut forced = Setup::new(CBC);
    forced.server.nat = USERSPACE;
    let pair = login(forced, 13);
    pair.assert_children_match();
    assert!(
        pair.server
            .installed
            .values()
            .next()
            .unwrap()
            .udp_encapsulation
    );
}

// RFC 7296 §2.23#16-18: a client whose NAT has given it another port is followed.
#[test]
fn follows_a_client_whose_port_changes_in_the_middle_of_a_login() {
    let mut pair = Pair::new(Setup::new(CBC), 14);
    // Ports 4500 and 500 become 54500 and 50500; from the third datagram on another pair of ports.
    pair.nat = Some(|from| {
        format!("198.51.100.7:{}", 50_000 + u32::from(from.port()))
            .parse()
            .unwrap()
    });
    pair.unnat = Some(|to| {
        let port = u32::from(to.port());
        let port = if port > 60_000 {
            port - 60_000
        } else {
            port - 50_000
        };
        format!("192.0.2.100:{port}").parse().unwrap()
    });
    pair.connect();
    for _ in 0..6 {
        let far = pair.now.after(Duration::from_secs(5));
        pair.step(far);
    }
    pair.nat = Some(|from| {
        format!("198.51.100.7:{}", 60_000 + u32::from(from.port()))
            .parse()
            .unwrap()
    });
    pair.run(20);
    assert!(pair.both_up());
    let child = pair.server.installed.values().next().unwrap();
    assert_eq!(child.path.remote.port(), 64_500);
    assert!(
        pair.server
            .log
            .contains(&"moved to 198.51.100.7:64500".into())
    );
}

// RFC 7296 §2.23: who is behind a NAT does not follow, for a datagram that somebody holds back and sends from elsewhere would
// lead it there.
#[test]
fn a_client_behind_a_nat_does_not_follow_its_headend() {
    for behind in [true, false] {
        let mut pair = Pair::new(Setup::new(GCM), 16);
        pair.client.endpoint.key_log(true);
        if behind {
            pair.nat = Some(|from| SocketAddr::new(address("198.51.100.7:1").ip(), from.port()));
            pair.unnat = Some(|to| SocketAddr::new(address(CLIENT).ip(), to.port()));
        }
        pair.connect();
        pair.run(20);
        assert!(pair.both_up());
        let view = pair.client.endpoint.views().next().unwrap();
        let (path, next) = (view.path, view.next_expected);
        let holder = Holder::of(&pair.client);
        let header = holder.header(ExchangeType::INFORMATIONAL, false, false, next);
        let elsewhere = Path {
            remote: address("198.51.100.66:4500"),
            ..path
        };
        pair.deliver(false, elsewhere, &holder.seal(&header, &[]));
        let now = pair.client.endpoint.views().next().unwrap().path;
        assert_eq!(now, if behind { path } else { elsewhere });
    }
}

#[test]
fn gives_up_a_silent_headend() {
    let mut pair = Pair::new(Setup::new(CBC), 15);
    pair.weather.loss = 100;
    pair.connect();
    pair.run(300);
    assert_eq!(pair.client.closed, [CloseReason::Unanswered]);
    assert_eq!(pair.sent, 6);
    pair.assert_clean();
}

#[test]
fn forgets_a_client_that_falls_silent_in_the_middle() {
    for step in 0..14 {
        let mut pair = Pair::new(Setup::new(CBC), 16);
        pair.connect();
        let far = pair.now.after(Duration::from_secs(5));
        for _ in 0..step {
            pair.step(far);
        }
        pair.weather.loss = 100;
        pair.run(400);
        if pair.server.ready() == 0 {
            assert_eq!(pair.server.endpoint.len(), 0, "after {step} steps");
            assert!(pair.server.installed.is_empty());
        }
    }
}

#[test]
fn logs_in_through_loss_duplication_and_reordering() {
    let mut up = 0;
    for seed in 0..200 {
        let setup = if seed % 2 == 0 {
            Setup::new(CBC)
        } else {
            Setup::with_certificate(GCM)
        };
        let mut pair = Pair::new(setup, 0x1000 + seed);
        pair.weather = Weather {
            loss: 15,
            duplication: 15,
            reordering: 30,
        };
        pair.connect();
        pair.run(400);
        if pair.both_up() {
            up += 1;
            pair.assert_children_match();
        } else {
            assert_eq!(pair.client.ready(), 0, "seed {seed}: {:?}", pair.server.log);
        }
        for discard in pair.server.discarded.iter().chain(&pair.client.discarded) {
            assert!(
                !matches!(
                    discard,
                    Discard::Malformed(_) | Discard::Forged | Discard::Unprotected
                ),
                "seed {seed}: {discard:?}"
            );
        }
        if let Some(&id) = pair.client.sas.first() {
            pair.command(false, Command::Delete(id));
        }
        pair.weather = Weather::default();
        pair.run(400);
        assert_eq!(pair.client.endpoint.len(), 0, "seed {seed}");
    }
    assert!(up >= 190, "only {up} of 200 logins came up");
}

#[test]
fn writes_the_key_log_only_when_asked() {
    let pair = login(Setup::new(CBC), 17);
    assert_eq!(pair.server.key_log, 0);
    let mut pair = Pair::new(Setup::new(CBC), 17);
    pair.server.endpoint.key_log(true);
    pair.connect();
    pair.run(20);
    assert_eq!(pair.server.key_log, 201);
}

#[test]
fn refuses_eap_that_is_not_configured() {
    let mut setup = Setup::new(CBC);
    setup.peer.remote_authentication.anyconnect_eap = false;
    let pair = login(setup, 18);
    assert_eq!(
        *refusal(&pair.server.closed[0]),
        PeerIncompatible::NoEapMethod.into()
    );
    assert_eq!(
        *refusal(&pair.client.closed[0]),
        Refusal::ByPeer(NotifyType::AUTHENTICATION_FAILED)
    );
}

#[test]
fn a_client_without_the_vendor_id_is_not_offered_anyconnect_eap() {
    let mut setup = Setup::new(CBC);
    setup.connect.vendor_ids.clear();
    let pair = login(setup, 19);
    assert_eq!(
        *refusal(&pair.server.closed[0]),
        PeerIncompatible::NoEapMethod.into()
    );
}

#[test]
fn userspace_refuses_a_peer_without_nat_detection() {
    let mut setup = Setup::new(CBC);
    setup.server.nat = USERSPACE;
    let mut pair = Pair::new(setup, 20);
    // Type 16388 and 16389 become private ones: the peer seems not to know NAT detection.
    pair.tamper = Some(Box::new(|to_server, octets| {
        if to_server && octets[18] == 34 {
            for at in 0..octets.len() - 1 {
                if octets[at] == 0x40 && (octets[at + 1] == 4 || octets[at + 1] == 5) {
                    octets[at] = 0xa0;
                }
            }
        }
        true
    }));
    pair.connect();
    pair.run(10);
    assert_eq!(
        pair.server.discarded[0],
        Discard::InitRefused(PeerIncompatible::NoNatDetection.into())
    );
}

// RFC 7296 §1.2#2, §2.15: AUTH must verify under the key of the certificate, at either end.
#[test]
fn refuses_a_signature_under_another_key() {
    const OTHER: &[u8] = include_bytes!("../vectors/signatures/rsa-1024.spki");
    let mut setup = Setup::with_certificate(GCM);
    setup.spki = Some(OTHER);
    let pair = login(setup, 21);
    assert_eq!(
        *refusal(&pair.server.closed[0]),
        PeerMisbehaved::AuthenticationFailed(AuthFault::OtherKey).into()
    );
    let mut setup = Setup::new(GCM);
    setup.spki = Some(OTHER);
    let mut pair = login(setup, 22);
    assert_eq!(
        *refusal(&pair.client.closed[0]),
        PeerMisbehaved::AuthenticationFailed(AuthFault::OtherKey).into()
    );
    // The client says so, and the headend stops waiting for it.
    assert_eq!(
        *refusal(&pair.server.closed[0]),
        Refusal::ByPeer(NotifyType::AUTHENTICATION_FAILED)
    );
    pair.run(30);
    pair.assert_clean();
}

// RFC 7296 §2.1: a repeat has the same octets as the request; nothing else draws the answer again.
#[test]
fn answers_a_repeat_of_the_same_octets_and_no_stranger_with_its_message_id() {
    let mut pair = login(Setup::new(CBC), 23);
    assert!(pair.both_up());
    let path = pair.server.endpoint.views().next().unwrap().path;
    let last = pair.wire.iter().rev().find(|(to_server, _)| *to_server);
    let request = last.unwrap().1.to_vec();
    let before = pair.sent;
    pair.inject(path, &request);
    assert_eq!(pair.sent, before + 1);
    // The header alone, and the message with its last octet changed.
    let mut bare = request[..28].to_vec();
    bare[16] = 0;
    bare[24..28].copy_from_slice(&28_u32.to_be_bytes());
    let mut forged = request.clone();
    *forged.last_mut().unwrap() ^= 1;
    for octets in [bare, forged] {
        pair.inject(path, &octets);
        assert_eq!(pair.sent, before + 1);
        assert_eq!(pair.server.discarded.last(), Some(&Discard::Forged));
    }
}

// RFC 7296 §2.2, §2.25: the responder is up before its last answer has reached the initiator, which it may
// ask for something meanwhile.
#[test]
fn the_responders_first_request_may_overtake_its_last_answer() {
    let requests: [fn(SaId, u32) -> Command; 3] = [
        |id, _| Command::Probe(id),
        |id, _| Command::Rekey(id),
        Command::RekeyChild,
    ];
    for setup in [Setup::new(CBC), Setup::with_certificate(GCM)] {
        for request in requests {
            let mut pair = Pair::new(setup.clone(), 95);
            pair.connect();
            while pair.server.ready() == 0 {
                let until = pair.now.after(Duration::from_secs(1));
                assert!(pair.step(until));
            }
            pair.lose_flights();
            let id = pair.server.sas[0];
            let spi = pair.server.installed[&id].inbound_spi;
            pair.command(true, request(id, spi));
            pair.run(40);
            assert!(pair.both_up(), "{:?}", pair.client.log);
            assert_eq!(
                (&pair.server.closed, &pair.client.closed),
                (&vec![], &vec![])
            );
            pair.assert_children_match();
        }
    }
}
