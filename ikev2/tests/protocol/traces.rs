//! The order in which the steps of a first request are told.

use ironflex_ikev2::{
    Input, Output,
    event::{Event, Trace},
};

use crate::support::*;

/// What the server tells of the first request of this client, in order.
fn told(setup: Setup) -> Vec<&'static str> {
    let mut pair = Pair::new(setup, 99);
    pair.server.endpoint.trace(true);
    pair.connect();
    let (_, path, octets) = pair.next_flight().unwrap();
    let server = &mut pair.server.endpoint;
    server.handle(pair.now, Input::Datagram(path, &octets));
    let mut told = Vec::new();
    loop {
        told.push(match server.poll() {
            Output::Timeout(_) => return told,
            Output::Event(_, Event::HalfOpen) => "half-open",
            Output::Event(_, Event::Trace(trace)) => match *trace {
                Trace::Received { .. } => "received",
                Trace::VendorReceived(_) => "vendor ID received",
                Trace::SuiteChosen(_) => "suite",
                Trace::NatDetected { .. } => "NAT detection",
                Trace::KeysDerived => "keys",
                Trace::VendorSent(_) => "vendor ID sent",
                Trace::Sent { .. } => "sent",
                _ => panic!("another step"),
            },
            Output::Transmit(_) => "transmitted",
            Output::Discarded(..) => "discarded",
            _ => panic!("another output"),
        });
    }
}

// The owner of sessions opens one at `HalfOpen`: every step that follows is told with its number.
#[test]
fn a_first_request_that_is_taken_has_its_sa_before_its_first_step() {
    assert_eq!(
        told(Setup::new(CBC)),
        [
            "half-open",
            "received",
            "vendor ID received",
            "vendor ID received",
            "suite",
            "NAT detection",
            "keys",
            "vendor ID sent",
            "sent",
            "transmitted",
        ]
    );
}

#[test]
fn a_first_request_that_is_refused_is_told_and_makes_no_sa() {
    let mut setup = Setup::new(CBC);
    setup.connect.proposals = vec![proposal(GCM)];
    assert_eq!(
        told(setup),
        [
            "received",
            "vendor ID received",
            "vendor ID received",
            "transmitted",
            "discarded",
        ]
    );
}
