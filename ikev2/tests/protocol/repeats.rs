//! Repeats of answered requests, true and forged: an answer that was lost is sent again whatever a stranger
//! sends in between, and goes to nobody who has only seen the message IDs.
//!
//! Every attack stands beside its unharmed twin.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use ironflex_ikev2::{
    config::{
        REPEATS_ELSEWHERE_PER_SECOND, REPEATS_PER_SECOND, UNLIKE_REPEATS_PER_SECOND as UNLIKE,
    },
    event::{Discard, Path},
    wire::{
        Header, Payload,
        fragment::cut_cisco,
        payload::Notify,
        registry::{ExchangeType, NotifyType},
        write_chain,
    },
};

use crate::{
    flood::{Mould, from, send},
    holder::Holder,
    support::*,
};

/// Far more than any budget holds.
const MANY: u32 = 500;

/// An SA that is up at a server with both forms of fragments, and a peer that has its keys.
struct Up {
    pair: Pair,
    holder: Holder,
    path: Path,
    next: u32,
}

impl Up {
    fn new() -> Self {
        let mut setup = Setup::new(GCM);
        setup.server.fragmentation.ietf = true;
        setup.connect.fragmentation.ietf = true;
        let mut pair = Pair::new(setup, 61);
        pair.server.endpoint.key_log(true);
        pair.connect();
        pair.run(20);
        assert!(pair.both_up());
        pair.server.discarded.clear();
        let view = pair.server.endpoint.views().next().unwrap();
        let (path, next) = (view.path, view.next_expected);
        let holder = Holder::of(&pair.server);
        Self {
            pair,
            holder,
            path,
            next,
        }
    }

    fn header(&self) -> Header {
        let informational = ExchangeType::INFORMATIONAL;
        self.holder.header(informational, true, false, self.next)
    }

    /// What the server sends because of these octets from there, and why it did not take them.
    fn send_from(&mut self, path: Path, octets: &[u8]) -> (Vec<Arc<[u8]>>, Vec<Discard>) {
        let (sent, seen) = (self.pair.wire.len(), self.pair.server.discarded.len());
        self.pair.deliver(true, path, octets);
        self.pair.lose_flights();
        let answers = self.pair.wire[sent..].iter();
        (
            answers.map(|(_, octets)| Arc::clone(octets)).collect(),
            self.pair.server.discarded[seen..].to_vec(),
        )
    }

    fn send(&mut self, octets: &[u8]) -> (Vec<Arc<[u8]>>, Vec<Discard>) {
        self.send_from(self.path, octets)
    }

    /// A request that has been answered, its octets and those of the answer.
    fn answered(&mut self) -> (Vec<u8>, Vec<Arc<[u8]>>) {
        let request = self.holder.seal(&self.header(), &[]);
        let (answer, discards) = self.send(&request);
        assert_eq!((answer.len(), discards.len()), (1, 0));
        (request, answer)
    }

    /// A request that is answered, in pieces of this form.
    fn pieces(&self, cisco: bool) -> Vec<Vec<u8>> {
        let said = Notify::new(NotifyType(40_963), vec![7; 300]);
        let mut content = Vec::new();
        let first = write_chain(&[Payload::Notify(said)], &mut content);
        let header = self.header();
        if cisco {
            let whole = self.holder.seal_octets(&header, first, &content);
            return cut_cisco(&whole, 1, 200).unwrap();
        }
        let total = u16::try_from(content.len().div_ceil(200)).unwrap();
        let pieces = (1..=total).zip(content.chunks(200));
        let seal = |(number, piece)| {
            self.holder
                .seal_fragment(&header, first, (number, total), piece)
        };
        pieces.map(seal).collect()
    }
}

/// The same octets but for the last one.
fn spoilt(octets: &[u8]) -> Vec<u8> {
    let mut octets = octets.to_vec();
    *octets.last_mut().unwrap() ^= 1;
    octets
}

fn elsewhere() -> SocketAddr {
    address("198.51.100.66:4500")
}

/// The true repeat after these octets, again and again from the peer's own address in one second.
fn repeat_after(forge: impl Fn(&[u8]) -> Vec<u8>, times: u32) {
    let mut up = Up::new();
    let (request, answer) = up.answered();
    let forged = forge(&request);
    for _ in 0..times {
        let (sent, _) = up.send(&forged);
        assert_eq!(sent.len(), 0);
    }
    assert_eq!(up.send(&request), (answer, vec![Discard::Repeated]));
}

// RFC 7296 §2.1#1-2: the responder answers a repeat. Whoever sees message IDs can send as many false ones as it likes.
#[test]
fn forged_repeats_do_not_keep_the_true_one_from_its_answer() {
    repeat_after(spoilt, 0);
    repeat_after(spoilt, MANY);
    // In clear, and as a fragment of nothing.
    repeat_after(|true_one| true_one[..Header::LEN].to_vec(), MANY);
    let clear = |true_one: &[u8]| {
        let header = Header::peek(true_one).unwrap();
        Holder::clear(&header, &[])
    };
    repeat_after(clear, MANY);
    let cisco = |true_one: &[u8]| cut_cisco(true_one, 1, 20).unwrap().remove(0);
    repeat_after(cisco, MANY);
}

// An integrity check costs more than a look at the message ID: what is no copy is checked so often and no more.
#[test]
fn integrity_checks_of_false_repeats_have_a_limit_of_their_own() {
    let mut up = Up::new();
    let (request, _) = up.answered();
    let forged = spoilt(&request);
    let mut checked = 0;
    for _ in 0..MANY {
        match &up.send(&forged).1[..] {
            [Discard::Forged] => checked += 1,
            other => assert_eq!(other, [Discard::RepeatLimited]),
        }
    }
    assert_eq!(checked, UNLIKE);
    up.pair.run(1);
    assert_eq!(up.send(&forged).1, [Discard::Forged]);
    // What the peer has sealed anew is as good as a copy.
    let mut anew = Up::new();
    let (request, answer) = anew.answered();
    let header = Header::peek(&request).unwrap();
    let unlike = Payload::Notify(Notify::plain(NotifyType(40_963)));
    let unlike = anew.holder.seal(&header, &[unlike]);
    assert_eq!(anew.send(&unlike), (answer, vec![Discard::Repeated]));
}

// A copy from elsewhere may be the peer's, behind a NAT that has changed its mind; or anybody's.
#[test]
fn copies_from_elsewhere_do_not_keep_the_peer_from_its_answer() {
    let mut up = Up::new();
    let (request, answer) = up.answered();
    let there = Path {
        remote: elsewhere(),
        ..up.path
    };
    let mut drawn = 0;
    for _ in 0..MANY {
        let (sent, discards) = up.send_from(there, &request);
        match &discards[..] {
            [Discard::Repeated] => drawn += u32::try_from(sent.len()).unwrap(),
            other => assert_eq!((sent.len(), other), (0, &[Discard::RepeatLimited][..])),
        }
    }
    assert_eq!(drawn, REPEATS_ELSEWHERE_PER_SECOND);
    for _ in 0..REPEATS_PER_SECOND {
        let again = up.send(&request);
        assert_eq!(again, (answer.clone(), vec![Discard::Repeated]));
    }
    assert_eq!(up.send(&request).1, [Discard::RepeatLimited]);
    up.pair.run(1);
    assert_eq!(up.send(&request), (answer, vec![Discard::Repeated]));
}

// Message ID 0 is that of IKE_SA_INIT, whose answer is known by its request's octets.
#[test]
fn forged_messages_with_the_number_of_ike_sa_init_do_not_keep_its_answer() {
    let mould = Mould::new();
    let attack = |times: u32| {
        let mut pair = Pair::new(Setup::new(CBC), 62);
        let (first, _) = send(&mut pair, from(1), &mould.octets);
        let mut header = Header::peek(&first[0]).unwrap();
        header.exchange = ExchangeType::IKE_AUTH;
        header.flags = mould.header.flags;
        for _ in 0..times {
            let (sent, _) = send(&mut pair, from(1), &Holder::clear(&header, &[]));
            assert_eq!(sent.len(), 0);
        }
        let again = send(&mut pair, from(1), &mould.octets);
        assert_eq!(again, (first, vec![Discard::Repeated]));
    };
    attack(0);
    attack(MANY);
}

// RFC 7383 §2.6.1#2-3: what a request began with draws its answer again, and nothing else of it does.
// RFC 7296 §2.1: what it began with is known when it is found authentic. A first fragment that somebody has
// thrown in between is no part of it.
#[test]
fn a_false_first_fragment_is_not_taken_for_the_beginning_of_the_request() {
    for cisco in [false, true] {
        for harmed in [false, true] {
            let mut up = Up::new();
            let pieces = up.pieces(cisco);
            let (last, others) = pieces.split_last().unwrap();
            for piece in others {
                assert_eq!(up.send(piece).1, [Discard::FragmentKept]);
            }
            let forged = spoilt(&pieces[0]);
            if harmed {
                assert_eq!(up.send(&forged).0.len(), 0);
            }
            let (answer, discards) = up.send(last);
            let what = format!("cisco {cisco}, harmed {harmed}");
            assert_eq!((answer.len(), discards.len()), (1, 0), "{what}");
            // The false one draws nothing, wherever it comes from.
            let there = Path {
                remote: elsewhere(),
                ..up.path
            };
            for path in [up.path, there] {
                let (sent, discards) = up.send_from(path, &forged);
                assert_eq!((sent.len(), discards), (0, vec![Discard::Forged]), "{what}");
            }
            let again = up.send(&pieces[0]);
            assert_eq!(again, (answer, vec![Discard::Repeated]), "{what}");
            // Of its fragments the first draws the answer, and no other.
            let other = up.send(last);
            let nothing = (vec![], vec![Discard::RepeatedFragment]);
            assert_eq!(other, nothing, "{what}");
        }
    }
}

// What brings the true piece under a header of somebody's own gets in before it, and is a piece all the same.
#[test]
fn a_true_piece_under_a_false_header_does_not_hide_the_true_one() {
    let mut up = Up::new();
    let pieces = up.pieces(true);
    let mut forged = pieces[0].clone();
    // A reserved bit of the payload's header.
    forged[Header::LEN + 1] |= 1;
    assert_eq!(up.send(&forged).1, [Discard::FragmentKept]);
    assert_eq!(up.send(&pieces[0]).1, [Discard::FragmentRefused]);
    let (answer, discards) = up.send(&pieces[1]);
    assert_eq!((answer.len(), discards.len(), pieces.len()), (1, 0, 2));
    let again = up.send(&pieces[0]);
    assert_eq!(again, (answer, vec![Discard::Repeated]));
}

// RFC 7296 §2.3#7: a request that came before its turn is known by its octets too.
#[test]
fn the_repeat_of_a_request_that_had_been_kept_is_answered_without_a_check() {
    let mut up = Up::new();
    let first = up.holder.seal(&up.header(), &[]);
    up.next += 1;
    let second = up.holder.seal(&up.header(), &[]);
    assert_eq!(up.send(&second).1, [Discard::AheadOfWindow]);
    let (answers, discards) = up.send(&first);
    assert_eq!((answers.len(), discards.len()), (2, 0));
    let forged = spoilt(&second);
    for _ in 0..MANY {
        up.send(&forged);
    }
    let expected = vec![Arc::clone(&answers[1])];
    assert_eq!(up.send(&second), (expected, vec![Discard::Repeated]));
    up.pair.run(Duration::from_secs(1).as_secs());
}
