//! The loop and its turns.

use std::net::{Ipv4Addr, UdpSocket};

use ironflex_ikev2::event::{Framing, Path};

use super::*;
use crate::{
    daemon::{configure::tests::Scene, control::Outcome, service_manager::Environment},
    udp::UdpEndpoint,
};

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
    (Request::Exec { line, reply }, answer)
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
    assert_eq!(scene.driver.house.log.watching(), ["tester"]);
}
