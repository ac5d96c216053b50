//! EAP without a proof of the responder (RFC 5998): neither end takes part. The headend proves itself whatever a client
//! offers, and our client believes none that does not.

use ironflex_ikev2::{
    event::CloseReason,
    refusal::{PeerMisbehaved, Refusal},
    wire::{
        Header, Payload,
        payload::Notify,
        registry::{ExchangeType, NotifyType, PayloadType},
    },
};

use crate::{holder::Holder, support::*};

fn eap_only() -> Payload {
    Payload::Notify(Notify::plain(NotifyType::EAP_ONLY_AUTHENTICATION))
}

fn kinds(payloads: &[Payload]) -> Vec<PayloadType> {
    payloads.iter().map(Payload::kind).collect()
}

/// Ends whose first IKE_AUTH request is under way, and the keys.
fn first_auth() -> (Pair, Holder) {
    let mut setup = Setup::new(GCM);
    // Each message is one datagram.
    setup.connect.fragmentation.cisco = false;
    let mut pair = Pair::new(setup, 900);
    pair.server.endpoint.key_log(true);
    pair.client.endpoint.key_log(true);
    pair.connect();
    pair.wait_for(true, ExchangeType::IKE_AUTH);
    let holder = Holder::of(&pair.client);
    (pair, holder)
}

/// What the client has asked for in IKE_AUTH, a request each.
fn requests<'a>(pair: &'a Pair, holder: &'a Holder) -> impl Iterator<Item = Vec<Payload>> {
    let requests = pair.wire.iter().filter(|(to_server, octets)| {
        *to_server && Header::peek(octets).unwrap().exchange == ExchangeType::IKE_AUTH
    });
    requests.map(|(_, octets)| holder.open(octets).1)
}

#[test]
fn the_headend_proves_itself_before_eap_whatever_the_client_offers() {
    for offered in [false, true] {
        let (mut pair, holder) = first_auth();
        holder.change(&mut pair, |mut payloads| {
            assert!(!kinds(&payloads).contains(&PayloadType::AUTH));
            if offered {
                payloads.push(eap_only());
            }
            payloads
        });
        let (_, _, answer) = pair.next_flight().unwrap();
        let said = kinds(&holder.open(&answer).1);
        for due in [
            PayloadType::ID_R,
            PayloadType::CERT,
            PayloadType::AUTH,
            PayloadType::EAP,
        ] {
            assert!(said.contains(&due), "{said:?}");
        }
        pair.run(20);
        assert!(pair.both_up());
    }
}

#[test]
fn the_client_refuses_a_headend_that_begins_eap_and_proves_nothing() {
    for (proof, said) in [(true, false), (true, true), (false, false), (false, true)] {
        let (mut pair, holder) = first_auth();
        pair.wait_for(false, ExchangeType::IKE_AUTH);
        holder.change(&mut pair, |mut payloads| {
            assert!(kinds(&payloads).contains(&PayloadType::AUTH));
            if !proof {
                let proofs = [PayloadType::AUTH, PayloadType::CERT];
                payloads.retain(|one| !proofs.contains(&one.kind()));
            }
            if said {
                payloads.push(eap_only());
            }
            assert!(kinds(&payloads).contains(&PayloadType::EAP));
            payloads
        });
        pair.run(20);
        // RFC 7296 §2.16: the password goes into EAP, and so do the client's words before it.
        let eap = requests(&pair, &holder)
            .filter(|payloads| kinds(payloads).contains(&PayloadType::EAP))
            .count();
        if proof {
            assert!(pair.both_up());
            assert!(eap > 0);
            continue;
        }
        let unproven = Refusal::from(PeerMisbehaved::ResponderUnproven);
        assert_eq!(pair.client.closed, [CloseReason::Refused(unproven)]);
        assert_eq!(eap, 0);
    }
}
