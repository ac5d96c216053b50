//! EAP without a proof of the responder (RFC 5998): neither end takes part. The headend proves itself whatever a client
//! offers, and our client believes none that does not.

use ironflex_ikev2::{
    event::{CloseReason, Path},
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
    wait_for_auth(&mut pair, true);
    let holder = Holder::of(&pair.client);
    (pair, holder)
}

/// Until the next datagram is one of IKE_AUTH to this end.
fn wait_for_auth(pair: &mut Pair, to_server: bool) {
    let until = pair.now.after(std::time::Duration::from_secs(5));
    loop {
        if let Some((to, _, octets)) = pair.next_flight()
            && to == to_server
            && Header::peek(&octets).unwrap().exchange == ExchangeType::IKE_AUTH
        {
            return;
        }
        assert!(pair.step(until));
    }
}

/// Takes the next datagram out of the network and puts it on its way again with other payloads.
fn change(pair: &mut Pair, holder: &Holder, change: impl FnOnce(Vec<Payload>) -> Vec<Payload>) {
    let (to_server, path, octets): (bool, Path, _) = pair.next_flight().unwrap();
    pair.lose_flights();
    let (header, payloads) = holder.open(&octets);
    let sealed = holder.seal(&header, &change(payloads));
    pair.deliver(to_server, path, &sealed);
}

#[test]
fn the_headend_proves_itself_before_eap_whatever_the_client_offers() {
    for offered in [false, true] {
        let (mut pair, holder) = first_auth();
        change(&mut pair, &holder, |mut payloads| {
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
        wait_for_auth(&mut pair, false);
        change(&mut pair, &holder, |mut payloads| {
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
        if proof {
            pair.run(20);
            assert!(pair.both_up());
            continue;
        }
        let unproven = Refusal::from(PeerMisbehaved::ResponderUnproven);
        assert_eq!(pair.client.closed, [CloseReason::Refused(unproven)]);
        // Its password is not among what it says then.
        for (to_server, _, octets) in pair.take_flights() {
            assert!(to_server);
            let (_, payloads) = holder.open(&octets);
            assert!(!kinds(&payloads).contains(&PayloadType::EAP));
        }
    }
}
