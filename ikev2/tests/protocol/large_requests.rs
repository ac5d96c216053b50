//! What a peer that has proven nothing can make a headend keep: the first IKE_AUTH request waits for its user, and is
//! therefore no larger than what real ones are.
//!
//! Every attack stands beside its unharmed twin.

use ironflex_ikev2::{
    event::{Ask, CloseReason},
    refusal::Refusal,
    wire::{
        Payload,
        payload::{
            AttributeValue, ConfigAttribute, Configuration, Notify, SaPayload, Transform,
            TransformAttribute,
        },
        registry::{ConfigAttributeType, ConfigType, ExchangeType, NotifyType, TransformType},
    },
};

use crate::{flood::alone, holder::Holder, support::*};

/// The first IKE_AUTH request of a client that wants EAP.
fn first_request(setup: &Setup) -> (Pair, Holder, Vec<Payload>) {
    let mut pair = Pair::new(setup.clone(), 190);
    pair.server.endpoint.key_log(true);
    pair.connect();
    let end = pair.now.after(std::time::Duration::from_secs(1));
    loop {
        let (to_server, _, octets) = pair.next_flight().unwrap();
        if to_server && octets[18] == ExchangeType::IKE_AUTH.0 {
            let holder = Holder::of(&pair.server);
            let (_, payloads) = holder.open(&octets);
            return (pair, holder, payloads);
        }
        assert!(pair.step(end));
    }
}

/// A server whose users never answer.
fn waiting() -> Setup {
    let mut setup = Setup::new(GCM);
    setup.silent = |ask| matches!(ask, Ask::Eap(_));
    setup
}

/// The server's state once it has this request, and the notify that it answered with, if any.
fn after(change: impl FnOnce(&mut Vec<Payload>)) -> (&'static str, Option<NotifyType>) {
    let (mut pair, holder, mut payloads) = first_request(&waiting());
    change(&mut payloads);
    let (_, path, _) = pair.next_flight().unwrap();
    pair.lose_flights();
    let header = holder.header(ExchangeType::IKE_AUTH, true, false, 1);
    let sent = pair.wire.len();
    pair.deliver(true, path, &holder.seal(&header, &payloads));
    let said = pair.wire.get(sent).map(|(_, octets)| {
        let (_, said) = holder.open(octets);
        let [Payload::Notify(Notify { kind, .. })] = &said[..] else {
            panic!("{said:?}")
        };
        *kind
    });
    let state = pair.server.endpoint.views().next().unwrap().state;
    if said.is_some() {
        let [CloseReason::Refused(Refusal::InvalidMessage(_) | Refusal::Misbehaved(_))] =
            &pair.server.closed[..]
        else {
            panic!("{:?}", pair.server.closed)
        };
    }
    (state, said)
}

fn sa(payloads: &mut [Payload]) -> &mut SaPayload {
    let mut all = payloads.iter_mut();
    all.find_map(|payload| match payload {
        Payload::Sa(sa) => Some(sa),
        _ => None,
    })
    .unwrap()
}

fn configuration(count: usize, length: usize) -> Payload {
    let one = ConfigAttribute::new(ConfigAttributeType(25), vec![7; length]);
    Payload::Cp(Configuration {
        kind: ConfigType::CFG_REQUEST,
        attributes: vec![one; count],
    })
}

const GOES_ON: (&str, Option<NotifyType>) = ("R_PROC_EAP_RESP", None);
const REFUSED: (&str, Option<NotifyType>) = ("EXIT", Some(NotifyType::INVALID_SYNTAX));

#[test]
fn a_request_as_large_as_a_real_one_and_larger_goes_on() {
    assert_eq!(after(|_| ()), GOES_ON);
    // What Cisco's clients ask for, and as many selectors and transforms as their counts can say.
    assert_eq!(after(|all| all.push(configuration(70, 40))), GOES_ON);
    let wide = |all: &mut Vec<Payload>| {
        for payload in all {
            match payload {
                Payload::TsI(side) | Payload::TsR(side) => {
                    side.selectors = vec![side.selectors[0]; 255];
                }
                Payload::Sa(sa) => {
                    let transforms = &mut sa.proposals[0].transforms;
                    while transforms.len() < 255 {
                        let number = u16::try_from(1_000 + transforms.len()).unwrap();
                        transforms.push(Transform::new(TransformType::ENCR, number));
                    }
                }
                _ => {}
            }
        }
    };
    assert_eq!(after(wide), GOES_ON);
}

#[test]
fn a_request_that_is_large_for_largeness_sake_is_refused() {
    assert_eq!(after(|all| all.push(configuration(16_000, 0))), REFUSED);
    assert_eq!(after(|all| all.push(configuration(255, 200))), REFUSED);
    let identity = |all: &mut Vec<Payload>| {
        for payload in all {
            if let Payload::IdI(id) = payload {
                id.data = vec![7; 60_000];
            }
        }
    };
    assert_eq!(after(identity), REFUSED);
    let proposals = |all: &mut Vec<Payload>| {
        let sa = sa(all);
        sa.proposals[0].transforms.truncate(1);
        sa.proposals = vec![sa.proposals[0].clone(); 2_500];
    };
    assert_eq!(after(proposals), REFUSED);
    let attributes = |all: &mut Vec<Payload>| {
        let one = TransformAttribute {
            kind: 99,
            value: AttributeValue::Short(1),
        };
        sa(all).proposals[0].transforms[0].attributes = vec![one; 15_000];
    };
    assert_eq!(after(attributes), REFUSED);
    let long = |all: &mut Vec<Payload>| {
        let one = TransformAttribute {
            kind: 99,
            value: AttributeValue::Long(vec![7; 40_000]),
        };
        sa(all).proposals[0].transforms[0].attributes = vec![one];
    };
    assert_eq!(after(long), REFUSED);
}

// A request that comes before its turn is kept as it came: 64 KiB, not what they are read into.
#[test]
fn requests_before_their_turn_take_no_more_than_their_octets() {
    let name = "requests_before_their_turn_take_no_more_than_their_octets";
    if !alone(&format!("large_requests::{name}")) {
        return;
    }
    let mut pair = Pair::new(Setup::new(GCM), 191);
    pair.server.endpoint.key_log(true);
    const PEERS: usize = 40;
    let mut peers = Vec::new();
    for up in 1..=PEERS {
        pair.connect();
        pair.run(10);
        assert_eq!(pair.server.ready(), up);
        let holder = Holder::of(&pair.server);
        let mut views = pair.server.endpoint.views();
        let view = views.find(|view| view.initiator_spi == holder.initiator_spi);
        let (path, next) = view.map(|view| (view.path, view.next_expected)).unwrap();
        drop(views);
        peers.push((holder, path, next));
    }
    let payloads = vec![configuration(255, 0); 62];
    let before = crate::flood::resident();
    for (holder, path, next) in &peers {
        for id in next + 1..next + 5 {
            let header = holder.header(ExchangeType::INFORMATIONAL, true, false, id);
            pair.deliver(true, *path, &holder.seal(&header, &payloads));
        }
    }
    let growth = crate::flood::resident().saturating_sub(before);
    let most = PEERS * 4 * 70_000 + 4_000_000;
    assert!(growth < most, "{growth} octets more, {most} at most");
    // They are served when it is their turn.
    let (holder, path, next) = &peers[0];
    let sent = pair.wire.len();
    let header = holder.header(ExchangeType::INFORMATIONAL, true, false, *next);
    pair.deliver(true, *path, &holder.seal(&header, &[]));
    assert_eq!(pair.wire.len() - sent, 5);
}
