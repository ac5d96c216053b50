//! The loop and its turns.

use std::net::{Ipv4Addr, UdpSocket};

use ironflex_ikev2::{
    event::{ChildId, Framing, Path},
    wire::{
        InitiatorSpi, MessageId,
        header::Flags,
        message::write_message,
        payload::{KePayload, Nonce, Payload, Proposal, SaPayload, Transform},
        registry::{GroupId, ProtocolId, TransformType},
    },
};
use ironflex_xfrm::{
    Counters, Dataplane, Direction, Encapsulation, EspSpi, Limit, OuterPath, SessionId,
    record::Recorder,
};

use super::*;
use crate::{
    daemon::{
        configure::tests::Scene, control::Outcome, service_manager::Environment, session::Installed,
    },
    lifetimes::Pairs,
    udp::UdpEndpoint,
};

/// A driver with one child SA that has been replaced: the replaced pair still receives.
struct Replaced {
    driver: Driver,
    recorder: Recorder,
    id: SessionId,
    /// The inbound SPIs of both pairs, and the outbound one of the pair in use.
    old: EspSpi,
    new: EspSpi,
    outbound: EspSpi,
}

impl Replaced {
    fn new() -> Self {
        let mut driver = Scene::new().driver;
        let recorder = Recorder::new();
        driver.house.dataplane = Box::new(recorder.clone());
        let (sa, address) = (SaId::from_spi(1), Ipv4Addr::LOCALHOST.into());
        let sessions = &mut driver.house.sessions;
        sessions.open(sa);
        let id = sessions.dataplane_id(sa).unwrap();
        let [old, new, former, outbound] =
            [0x1000, 0x1001, 0x2000, 0x2001].map(|value| EspSpi::new(value).unwrap());
        let mut pairs = Pairs::default();
        pairs.add(old, former);
        pairs.add(new, outbound);
        sessions.of(sa).unwrap().installed.push(Installed {
            child: ChildId::default(),
            id,
            path: OuterPath {
                local: address,
                remote: address,
                encapsulation: Encapsulation::None,
            },
            selectors: (Vec::new(), Vec::new()),
            pairs,
            numbers: Vec::new(),
            rekeyed: vec![(new, Instant::default(), Counters::default())],
            waiting: Vec::new(),
        });
        Self {
            driver,
            recorder,
            id,
            old,
            new,
            outbound,
        }
    }

    /// The lines with these words so far, after one more event of the dataplane.
    fn told(&mut self, event: ironflex_xfrm::Event, words: &str) -> Vec<String> {
        self.recorder.push_event(event);
        self.driver.dataplane_events();
        let lines = self.driver.house.log.facts().lines.into_iter();
        let lines = lines.filter(|line| line.text.contains(words));
        lines.map(|line| line.text).collect()
    }
}

// Every rekeying has the replaced SA come to its end beside the one in use, for as long as what is under way on it is received.
#[test]
fn of_an_sa_in_use_alone_it_is_told_that_it_has_expired() {
    let mut replaced = Replaced::new();
    let (id, old, new) = (replaced.id, replaced.old, replaced.new);
    let mut told = |spi, limit| {
        let event = ironflex_xfrm::Event::HardExpired {
            id,
            spi,
            direction: Direction::Inbound,
            limit,
        };
        replaced.told(event, "has expired")
    };
    assert_eq!(told(old, Limit::Seconds), [] as [String; 0]);
    let lines = told(new, Limit::Bytes);
    let expected = format!("SA {new} of {id} has expired: its lifetime in kilobytes is over");
    assert!(
        matches!(&lines[..], [line] if line.ends_with(&expected)),
        "{lines:?}"
    );
}

// A peer may come from another port with each of its packets, and the kernel tells of each: whoever else wants something has a turn.
#[test]
fn whatever_the_dataplane_has_to_tell_others_have_their_turn() {
    let mut replaced = Replaced::new();
    // Of an SA that is gone meanwhile: nothing comes of it.
    let (id, spi) = (replaced.id, EspSpi::new(0x3000).unwrap());
    for _ in 0..130 {
        let event = ironflex_xfrm::Event::InboundUsed { id, spi };
        replaced.recorder.push_event(event);
    }
    let mut turns = 0;
    while std::mem::take(&mut replaced.driver.dataplane_waits) || turns == 0 {
        replaced.driver.dataplane_events();
        turns += 1;
    }
    assert_eq!(turns, 3);
    assert_eq!(replaced.recorder.clone().poll_event(), None);
}

// The SAs of a pair are of one age: what is said of the one holds for the other.
#[test]
fn that_a_pair_is_to_be_rekeyed_for_its_age_is_told_once() {
    for inbound_first in [true, false] {
        let mut replaced = Replaced::new();
        replaced.driver.house.log.flags.ikev2 = true;
        let (id, new, outbound) = (replaced.id, replaced.new, replaced.outbound);
        let mut both = [(new, Direction::Inbound), (outbound, Direction::Outbound)];
        if !inbound_first {
            both.reverse();
        }
        for (spi, direction) in both {
            let event = ironflex_xfrm::Event::SoftExpired {
                id,
                spi,
                direction,
                limit: Limit::Seconds,
            };
            replaced.told(event, "");
        }
        // A volume is used up in one direction.
        let event = ironflex_xfrm::Event::SoftExpired {
            id,
            spi: outbound,
            direction: Direction::Outbound,
            limit: Limit::Bytes,
        };
        let lines = replaced.told(event, "is to be rekeyed");
        assert!(
            matches!(&lines[..], [age, volume] if age.contains("in seconds") && volume.contains("in kilobytes")),
            "{lines:?}"
        );
    }
}

/// A message's header and what follows it (RFC 7296 §3.1).
fn message(next: u8, exchange: ExchangeType, responder_spi: u64, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len().saturating_add(28)).unwrap();
    let parts: [&[u8]; 6] = [
        &7_u64.to_be_bytes(),
        &responder_spi.to_be_bytes(),
        &[next, 0x20, exchange.0, 0x08],
        &0_u32.to_be_bytes(),
        &length.to_be_bytes(),
        body,
    ];
    parts.concat()
}

// Whoever has an SA goes before those who want one: with a long queue of those, what is not theirs has its turn after each
// share, and not after the last of them.
#[tokio::test]
async fn while_first_requests_wait_others_are_answered() {
    let mut driver = Scene::new().driver;
    let endpoint = UdpEndpoint::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let to = (Ipv4Addr::LOCALHOST, endpoint.port());
    driver.transport.add(endpoint, Framing::Bare).unwrap();
    const WAITING: usize = 100_000;
    driver.first_requests.resize(WAITING);
    let first = message(33, ExchangeType::IKE_SA_INIT, 0, &[]);
    for site in 0..u32::try_from(WAITING).unwrap() {
        let path = Path {
            local: to.into(),
            remote: (Ipv4Addr::from_bits(site << 8), 500).into(),
            framing: Framing::Bare,
        };
        driver.first_requests.push(path, &first).unwrap();
    }
    let (_sink, mut handed) = mpsc::channel(1);
    let (_asking, requests) = mpsc::channel(1);
    let (stopping, mut stop) = mpsc::channel(1);
    // Its SA is not known any more, which it is told (RFC 7296 §2.21.4).
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_nonblocking(true).unwrap();
    let asking = tokio::spawn(async move {
        let sealed = [&[0, 0, 0, 54][..], &[0x5a; 50]].concat();
        let request = message(46, ExchangeType::INFORMATIONAL, 9, &sealed);
        peer.send_to(&request, to).unwrap();
        let mut answer = [0; 64];
        while peer.recv(&mut answer).is_err() {
            tokio::task::yield_now().await;
        }
        stopping.send(()).await.unwrap();
    });
    let mut manager = ServiceManager::new(&Environment::default());
    let limit = Duration::from_secs(60);
    let serving = driver.serve(&mut handed, requests, &mut stop, &mut manager);
    tokio::time::timeout(limit, serving).await.unwrap();
    asking.await.unwrap();
    let left = driver.first_requests.len();
    assert!(left > WAITING / 2, "{left} of {WAITING} were left");
}

/// Has the loop serve these requests, and then stop.
async fn serve(driver: &mut Driver, all: Vec<Request>) {
    let (sending, requests) = mpsc::channel(all.len());
    for one in all {
        assert!(sending.send(one).await.is_ok());
    }
    let (_handing, mut handed) = mpsc::channel(1);
    let (stopping, mut stop) = mpsc::channel(1);
    let mut manager = ServiceManager::new(&Environment::default());
    let stops = async {
        // All of them have been taken, and the last one was served.
        while sending.capacity() < sending.max_capacity() {
            tokio::task::yield_now().await;
        }
        tokio::task::yield_now().await;
        stopping.send(()).await.unwrap();
    };
    tokio::join!(
        driver.serve(&mut handed, requests, &mut stop, &mut manager),
        stops
    );
}

fn question(line: &str) -> (Request, oneshot::Receiver<Outcome>) {
    let (reply, answer) = oneshot::channel();
    let line = line.to_owned();
    let person = Default::default();
    (
        Request::Exec {
            line,
            person,
            present: crate::daemon::bootflash::Present::Replaced,
            reply,
        },
        answer,
    )
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_not_looked_for() {
    let mut scene = Scene::new();
    let (asked, answer) = question("debug crypto ikev2");
    serve(&mut scene.driver, vec![asked]).await;
    assert!(answer.await.is_ok());
    assert!(scene.driver.house.log.flags.any());
    let (orphaned, answer) = question("undebug all");
    drop(answer);
    let (asked, answer) = question("show debugging");
    serve(&mut scene.driver, vec![orphaned, asked]).await;
    assert!(answer.await.is_ok());
    assert!(scene.driver.house.log.flags.any());
}

#[tokio::test]
async fn who_watches_is_told_so_once_every_line_comes() {
    let mut scene = Scene::new();
    let (sending, _lines) = mpsc::channel(8);
    let person = configure::Person {
        user: "tester".into(),
        process: None,
        terminal: None,
    };
    let (reply, is_watching) = oneshot::channel();
    let asked = Request::Monitor(person, sending, Watched::All, reply);
    serve(&mut scene.driver, vec![asked]).await;
    assert!(is_watching.await.is_ok());
    let watching = scene.driver.house.log.watching();
    assert_eq!(
        watching.first().map(|one| one.user.as_str()),
        Some("tester")
    );
}

/// What a client asks for first: what the headend takes, with this group before the headend's and a value of this one.
fn first_request(spi: u64, offered: &[u16], sent: u16) -> Vec<u8> {
    let others = [
        (TransformType::ENCR, 12, Some(256)),
        (TransformType::PRF, 5, None),
        (TransformType::INTEG, 12, None),
    ];
    let groups = offered.iter().map(|&id| (TransformType::KE, id, None));
    let transforms = others.into_iter().chain(groups);
    let transforms = transforms.map(|(kind, id, key_length)| Transform {
        kind,
        id,
        key_length,
        attributes: Vec::new(),
    });
    let proposal = Proposal {
        number: 1,
        protocol: ProtocolId::IKE,
        spi: Vec::new(),
        transforms: transforms.collect(),
    };
    let data = vec![0x5a; if sent == 14 { 256 } else { 32 }];
    let payloads = [
        Payload::Sa(SaPayload::single(proposal)),
        Payload::Ke(KePayload {
            group: GroupId(sent),
            data,
        }),
        Payload::Nonce(Nonce::new(vec![1; 32]).unwrap()),
    ];
    let header = Header::new(
        InitiatorSpi::new(spi).unwrap(),
        None,
        ExchangeType::IKE_SA_INIT,
        Flags::new(true, false),
        MessageId(0),
    );
    let mut octets = Vec::new();
    write_message(&header, &payloads, &mut octets);
    octets
}

/// Has the core answer a first request from this port.
fn asks(driver: &mut Driver, port: u16, octets: &[u8]) {
    let path = Path {
        local: (Ipv4Addr::LOCALHOST, 500).into(),
        remote: (Ipv4Addr::new(198, 51, 100, 7), port).into(),
        framing: Framing::Bare,
    };
    let now = driver.clock.now();
    driver.endpoint.handle(now, Input::Datagram(path, octets));
    driver.drain_after(Some(octets));
}

// Its next message may be lost where IKE_SA_INIT is not, and nothing is known of it then but that.
#[test]
fn a_client_that_comes_back_with_the_group_that_it_was_told_is_not_said_to_have_stayed_away() {
    let mut driver = Scene::new().driver;
    let told = |driver: &Driver| {
        let facts = driver.house.attempts.facts();
        let all: Vec<_> = facts
            .iter()
            .map(|one| (one.tries, one.failure.clone()))
            .collect();
        let [(tries, Some(why))] = &*all else {
            panic!("{all:?}")
        };
        (*tries, why.to_string())
    };
    asks(&mut driver, 500, &first_request(7, &[31, 14], 31));
    assert_eq!(
        told(&driver),
        (
            1,
            "the client began with group 31, was told that the headend wants 14, and no SA has come of it since: have it begin with \
             14, which it offers, or add 31 to the 'crypto ikev2 proposal'"
                .to_owned()
        )
    );
    let again = first_request(8, &[31, 14], 14);
    asks(&mut driver, 501, &again);
    assert_eq!(driver.endpoint.views().count(), 1);
    let came_back = "the client began with group 31, came back with the headend's 14 and was answered, and no IKE_AUTH of it has \
         come since: look for what drops UDP 500 or 4500 on the way";
    assert_eq!(told(&driver), (1, came_back.to_owned()));
    // A copy of what it sent first changes nothing of that; what it begins anew does.
    asks(&mut driver, 500, &first_request(7, &[31, 14], 31));
    assert_eq!(told(&driver), (1, came_back.to_owned()));
    asks(&mut driver, 500, &first_request(9, &[31, 14], 31));
    let (tries, why) = told(&driver);
    assert!(
        tries == 2 && why.contains("no SA has come of it since"),
        "{tries} {why}"
    );
    // A group that no line takes is none to add.
    let mut driver = Scene::new().driver;
    asks(&mut driver, 500, &first_request(7, &[40, 14], 40));
    let (_, why) = told(&driver);
    assert!(
        why.ends_with(": have it begin with 14, which it offers"),
        "{why}"
    );
}
