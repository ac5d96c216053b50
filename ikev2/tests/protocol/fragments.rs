//! Fragments that contradict each other, repeat, mix, never end or are forged, in both forms. Memory
//! stays bounded, and the peer's complete retransmission always gets through.
//!
//! Every test first runs its unharmed twin to success, so that it cannot pass because nothing works.

use std::time::Duration;

use ironflex_ikev2::{
    Output,
    error::InvalidMessage,
    event::{Command, Discard, Path},
    wire::{
        Header, Payload,
        fragment::cut_cisco,
        payload::Notify,
        registry::{ExchangeType, NotifyType, PayloadType},
        write_chain,
    },
};

use crate::{holder::Holder, support::*};

/// An established SA, at whose server a peer with the keys sends what it likes.
struct Up {
    pair: Pair,
    holder: Holder,
    path: Path,
    /// The message ID of the next request.
    next: u32,
}

/// What became of one datagram.
#[derive(Debug, PartialEq)]
enum Fate {
    /// Kept or refused, without a word.
    Silence(Discard),
    /// The request was whole, and was answered.
    Answered,
}

const KEPT: Fate = Fate::Silence(Discard::FragmentKept);
const REFUSED: Fate = Fate::Silence(Discard::FragmentRefused);

impl Up {
    /// Both forms are agreed.
    fn new() -> Self {
        let mut setup = Setup::new(GCM);
        setup.server.fragmentation.ietf = true;
        setup.connect.fragmentation.ietf = true;
        let mut pair = Pair::new(setup, 60);
        pair.server.endpoint.key_log(true);
        pair.connect();
        pair.run(20);
        assert!(pair.both_up());
        pair.server.discarded.clear();
        let view = pair.server.endpoint.views().next().unwrap();
        let (path, next) = (view.path, view.next_expected);
        Self {
            holder: Holder::of(&pair.server),
            pair,
            path,
            next,
        }
    }

    fn header(&self, id: u32) -> Header {
        self.holder
            .header(ExchangeType::INFORMATIONAL, true, false, id)
    }

    /// The payloads of a request with this many octets of a notify that nobody knows.
    fn content(length: usize) -> (PayloadType, Vec<u8>) {
        let notify = Notify::new(NotifyType(40_963), vec![7; length]);
        let mut content = Vec::new();
        let first = write_chain(&[Payload::Notify(notify)], &mut content);
        (first, content)
    }

    /// A request of about this many octets in Cisco's fragments of 100 octets each.
    fn cisco(&self, id: u32, length: usize) -> Vec<Vec<u8>> {
        let (first, content) = Self::content(length);
        let whole = self.holder.seal_octets(&self.header(id), first, &content);
        cut_cisco(&whole, 1, 100).unwrap()
    }

    /// A request in this many RFC 7383 fragments.
    fn ietf(&self, id: u32, total: u16) -> Vec<Vec<u8>> {
        let (first, content) = Self::content(600);
        let size = content.len().div_ceil(usize::from(total));
        (1..=total)
            .zip(content.chunks(size))
            .map(|(number, piece)| {
                self.holder
                    .seal_fragment(&self.header(id), first, (number, total), piece)
            })
            .collect()
    }

    fn send(&mut self, octets: &[u8]) -> Fate {
        let (sent, seen) = (self.pair.wire.len(), self.pair.server.discarded.len());
        self.pair.deliver(true, self.path, octets);
        self.pair.lose_flights();
        match (&self.pair.wire[sent..], &self.pair.server.discarded[seen..]) {
            ([], [discard]) => Fate::Silence(discard.clone()),
            ([(false, answer)], []) => {
                let (header, payloads) = self.holder.open(answer);
                assert!(header.flags.is_response());
                assert_eq!((header.message_id.0, payloads.len()), (self.next, 0));
                self.next += 1;
                Fate::Answered
            }
            other => panic!("{other:02x?}"),
        }
    }

    /// Sends all of a message, which must complete with the last of it.
    fn complete(&mut self, pieces: &[Vec<u8>]) {
        let (last, others) = pieces.split_last().unwrap();
        for piece in others {
            assert_eq!(self.send(piece), KEPT);
        }
        assert_eq!(self.send(last), Fate::Answered);
    }

    fn deadline(&mut self) -> bool {
        let Output::Timeout(at) = self.pair.server.endpoint.poll() else {
            panic!("the endpoint is drained")
        };
        at.is_some()
    }

    /// The SA is as it was: up, and the next message in either form gets through.
    fn assert_unharmed(mut self) {
        assert!(self.pair.both_up(), "{:?}", self.pair.server.log);
        let pieces = self.cisco(self.next, 600);
        self.complete(&pieces);
        let pieces = self.ietf(self.next, 3);
        self.complete(&pieces);
        assert!(!self.deadline(), "nothing is kept");
    }
}

/// An unharmed twin, then the same SA for harm.
fn up() -> Up {
    Up::new().assert_unharmed();
    Up::new()
}

/// Number, set and last flag of a Cisco fragment.
const SET: usize = Header::LEN + 4;
const NUMBER: usize = Header::LEN + 6;
const LAST: usize = Header::LEN + 7;

// --- Cisco's form ---

#[test]
fn cisco_numbers_of_zero_and_above_64_are_refused() {
    let mut up = up();
    let pieces = up.cisco(up.next, 600);
    let mut changed = pieces[0].clone();
    for (number, expected) in [
        (
            0,
            Fate::Silence(Discard::Malformed(InvalidMessage::FragmentNumber {
                number: 0,
                total: 0,
            })),
        ),
        (65, REFUSED),
        (255, REFUSED),
    ] {
        changed[NUMBER] = number;
        assert_eq!(up.send(&changed), expected);
    }
    up.complete(&pieces);
    up.assert_unharmed();
}

// A fragment behind the last one, another last one, another set: the newer one wins, and a complete
// retransmission gets through whatever was there.
#[test]
fn cisco_fragments_that_contradict_each_other_start_the_buffer_anew() {
    let last = Up::new().cisco(1, 600).len();
    for (number, is_last, set) in [
        (last + 1, true, 1),
        (last + 1, false, 1),
        (1, true, 1),
        (last, false, 1),
        (2, false, 2),
    ] {
        let mut up = up();
        let pieces = up.cisco(up.next, 600);
        assert_eq!(pieces.len(), last);
        let mut lie = pieces[1].clone();
        lie[NUMBER] = u8::try_from(number).unwrap();
        lie[LAST] = u8::from(is_last);
        lie[SET + 1] = set;
        for at in (1..last).rev() {
            assert_eq!(up.send(&pieces[at]), KEPT);
        }
        // The lie may make the set look whole; what it makes is not authentic.
        let fate = up.send(&lie);
        assert!(
            matches!(fate, Fate::Silence(_)),
            "{number} {is_last} {set}: {fate:?}"
        );
        let answers = pieces
            .iter()
            .map(|piece| up.send(piece))
            .filter(|fate| *fate == Fate::Answered)
            .count();
        let again = pieces
            .iter()
            .take_while(|_| answers == 0)
            .map(|piece| up.send(piece))
            .filter(|fate| *fate == Fate::Answered)
            .count();
        assert_eq!(answers + again, 1, "{number} {is_last} {set}");
        if up.deadline() {
            up.pair.run(31);
        }
        up.assert_unharmed();
    }
}

#[test]
fn cisco_duplicates_are_refused_and_harm_nothing() {
    let mut up = up();
    let pieces = up.cisco(up.next, 600);
    for piece in &pieces[..pieces.len() - 1] {
        assert_eq!(up.send(piece), KEPT);
        assert_eq!(up.send(piece), REFUSED);
        let mut other = piece.clone();
        *other.last_mut().unwrap() ^= 1;
        assert_eq!(up.send(&other), REFUSED);
    }
    assert_eq!(up.send(&pieces[pieces.len() - 1]), Fate::Answered);
    up.assert_unharmed();
}

#[test]
fn sixty_four_cisco_fragments_are_a_message_and_what_is_longer_is_none() {
    let mut up = up();
    let overhead = up.cisco(up.next, 0).concat().len() - 36;
    let pieces = up.cisco(up.next, 6_400 - overhead);
    assert_eq!(pieces.len(), 64);
    up.complete(&pieces);
    // More than 64 KiB together, in fragments that may each be as long as a datagram.
    let mut long = up.cisco(up.next, 0).remove(0);
    long[LAST] = 0;
    long.resize(40_000, 7);
    let length = u32::try_from(long.len()).unwrap();
    long[24..28].copy_from_slice(&length.to_be_bytes());
    let payload = u16::try_from(long.len() - Header::LEN).unwrap();
    long[30..32].copy_from_slice(&payload.to_be_bytes());
    assert_eq!(up.send(&long), KEPT);
    long[NUMBER] = 2;
    assert_eq!(up.send(&long), REFUSED);
    up.pair.run(31);
    up.assert_unharmed();
}

#[test]
fn cisco_fragments_that_make_another_message_than_they_announce_are_dropped() {
    let mut up = up();
    let clear = Holder::clear(&up.header(up.next), &[]);
    let inner = up.cisco(up.next, 0).remove(0);
    let other = up.cisco(up.next + 1, 0).concat();
    for lie in [&clear[..], &inner, &other[Header::LEN + 8..], &[7; 27]] {
        let mut whole = clear.clone();
        whole.extend_from_slice(&[0; 80]);
        let mut pieces = cut_cisco(&whole, 1, 200).unwrap();
        let piece = &mut pieces[0];
        piece.truncate(Header::LEN + 8);
        piece.extend_from_slice(lie);
        let length = u32::try_from(piece.len()).unwrap();
        piece[24..28].copy_from_slice(&length.to_be_bytes());
        let payload = u16::try_from(piece.len() - Header::LEN).unwrap();
        piece[30..32].copy_from_slice(&payload.to_be_bytes());
        assert_eq!(up.send(piece), REFUSED, "{lie:02x?}");
    }
    up.assert_unharmed();
}

// docs/anyconnect-eap.md: a bad check value drops the buffer and nothing else.
#[test]
fn a_flipped_cisco_fragment_drops_the_buffer_and_the_retransmission_succeeds() {
    let mut up = up();
    let pieces = up.cisco(up.next, 600);
    for flipped in 0..pieces.len() {
        let mut fates = Vec::new();
        for (at, piece) in pieces.iter().enumerate() {
            let mut piece = piece.clone();
            if at == flipped {
                let middle = (Header::LEN + 8 + piece.len()) / 2;
                piece[middle] ^= 0x40;
            }
            fates.push(up.send(&piece));
        }
        // Flipped in the header of the whole, it is seen even before the check value is.
        let last = fates.pop().unwrap();
        let judged = [Fate::Silence(Discard::Forged), REFUSED];
        assert!(judged.contains(&last), "{last:?}");
        assert!(fates.iter().all(|fate| *fate == KEPT));
    }
    up.complete(&pieces);
    up.assert_unharmed();
}

// --- RFC 7383 ---

// RFC 7383 §2.5#4-6, §2.6#1: numbers that cannot be make no fragment, and nothing is said to it.
#[test]
fn ietf_numbers_that_cannot_be_are_refused() {
    let mut up = up();
    let pieces = up.ietf(up.next, 3);
    for (number, total) in [(0u16, 3u16), (0, 0), (1, 0), (4, 3), (65_535, 3)] {
        let mut lie = pieces[0].clone();
        lie[SET..SET + 2].copy_from_slice(&number.to_be_bytes());
        lie[SET + 2..SET + 4].copy_from_slice(&total.to_be_bytes());
        let expected = InvalidMessage::FragmentNumber { number, total };
        assert_eq!(
            up.send(&lie),
            Fate::Silence(Discard::Malformed(expected)),
            "{number} of {total}"
        );
    }
    // Authentic, and still more than is kept.
    for total in [257, 65_535] {
        let header = up.header(up.next);
        let lie = up
            .holder
            .seal_fragment(&header, PayloadType::NOTIFY, (1, total), &[7; 40]);
        assert_eq!(up.send(&lie), REFUSED);
    }
    // Numbers are covered by the check value: changed, it does not hold.
    let mut lie = pieces[0].clone();
    lie[SET + 3] = 2;
    assert_eq!(up.send(&lie), Fate::Silence(Discard::Forged));
    up.complete(&pieces);
    up.assert_unharmed();
}

// RFC 7383 §2.6#2,4, §2.6.1#1: of two ways to cut a message the one with more pieces is the newer one.
#[test]
fn ietf_sets_with_other_totals_do_not_mix() {
    let mut up = up();
    let (coarse, fine) = (up.ietf(up.next, 3), up.ietf(up.next, 5));
    assert_eq!(up.send(&coarse[0]), KEPT);
    assert_eq!(up.send(&fine[1]), KEPT);
    for piece in &coarse {
        assert_eq!(up.send(piece), REFUSED);
    }
    for at in [0, 2, 3] {
        assert_eq!(up.send(&fine[at]), KEPT);
        assert_eq!(up.send(&fine[at]), REFUSED);
    }
    assert_eq!(up.send(&fine[4]), Fate::Answered);
    up.assert_unharmed();
}

// RFC 7383 §2.6#3: nothing is said to them either.
#[test]
fn ietf_fragments_with_a_bad_check_value_are_never_kept() {
    let mut up = up();
    let pieces = up.ietf(up.next, 3);
    for piece in &pieces {
        for at in (0..piece.len()).filter(|&at| at >= SET + 4) {
            let mut flipped = piece.clone();
            flipped[at] ^= 1;
            assert_eq!(up.send(&flipped), Fate::Silence(Discard::Forged));
        }
    }
    assert!(!up.deadline(), "nothing is kept");
    up.complete(&pieces);
    up.assert_unharmed();
}

// RFC 7383 §5#1,3: more than that is no message.
#[test]
fn ietf_content_of_more_than_64_kib_is_dropped() {
    let mut up = up();
    let header = up.header(up.next);
    let seal = |number| {
        up.holder
            .seal_fragment(&header, PayloadType::NOTIFY, (number, 4), &[7; 30_000])
    };
    let pieces: Vec<_> = (1..=3).map(seal).collect();
    assert_eq!(up.send(&pieces[0]), KEPT);
    assert_eq!(up.send(&pieces[1]), KEPT);
    assert_eq!(up.send(&pieces[2]), REFUSED);
    up.pair.run(31);
    up.assert_unharmed();
}

// --- Both ---

// RFC 7383 §2.6#5: after its time nothing of it is left.
#[test]
fn a_message_that_is_never_completed_is_dropped_after_its_time() {
    for ietf in [false, true] {
        let mut up = up();
        let pieces = if ietf {
            up.ietf(up.next, 4)
        } else {
            up.cisco(up.next, 600)
        };
        let (last, others) = pieces.split_last().unwrap();
        for piece in others {
            assert_eq!(up.send(piece), KEPT);
        }
        up.pair.run(29);
        assert!(up.deadline(), "something is kept");
        up.pair.run(2);
        assert!(!up.deadline(), "nothing is kept");
        assert_eq!(up.send(last), KEPT, "the others are gone");
        for piece in &others[1..] {
            assert_eq!(up.send(piece), KEPT);
        }
        assert_eq!(up.send(&others[0]), Fate::Answered);
        up.assert_unharmed();
    }
}

// RFC 7296 §2.3: with a window, fragments of two requests can arrive mixed. The one whose turn it is
// gets through at once, the other at the latest when it is sent again.
#[test]
fn fragments_of_two_requests_that_arrive_mixed_both_get_through() {
    let mut up = up();
    let (one, two) = (up.ietf(up.next, 3), up.ietf(up.next + 1, 3));
    for first_is_ahead in [true, false] {
        assert_eq!(
            up.send(&two[0]),
            if first_is_ahead { KEPT } else { REFUSED }
        );
        if first_is_ahead {
            assert_eq!(up.send(&one[0]), KEPT);
        } else {
            assert_eq!(up.send(&one[1]), KEPT);
        }
    }
    assert_eq!(up.send(&one[2]), Fate::Answered);
    up.complete(&two);
    up.assert_unharmed();
}

// A peer's answer and its own request, both cut, mixed on their way.
#[test]
fn fragments_of_an_answer_and_of_a_request_do_not_displace_each_other() {
    let mut up = up();
    let id = up.pair.server.sas[0];
    let view = up.pair.server.endpoint.view(id).unwrap();
    let ours = view.next_request;
    up.pair.command(true, Command::Probe(id));
    up.pair.lose_flights();
    let (first, content) = Up::content(600);
    let header = up
        .holder
        .header(ExchangeType::INFORMATIONAL, true, true, ours);
    let answer: Vec<_> = (1..=3)
        .zip(content.chunks(content.len().div_ceil(3)))
        .map(|(number, piece)| up.holder.seal_fragment(&header, first, (number, 3), piece))
        .collect();
    let request = up.ietf(up.next, 3);
    for at in 0..2 {
        assert_eq!(up.send(&answer[at]), KEPT);
        assert_eq!(up.send(&request[at]), KEPT);
    }
    let sent = up.pair.sent;
    up.pair.deliver(true, up.path, &answer[2]);
    assert_eq!(up.pair.sent, sent);
    let view = up.pair.server.endpoint.view(id).unwrap();
    assert_eq!(view.queued, 0, "the probe is answered");
    assert_eq!(up.send(&request[2]), Fate::Answered);
    up.assert_unharmed();
}

// What anybody can send does not displace what was authenticated.
#[test]
fn forged_cisco_fragments_do_not_disturb_authentic_ietf_ones() {
    let mut up = up();
    let pieces = up.ietf(up.next, 4);
    let mut forged = up.cisco(up.next, 600);
    for piece in &mut forged {
        piece[Header::LEN + 8..].fill(0x66);
    }
    for (at, piece) in pieces[..3].iter().enumerate() {
        assert_eq!(up.send(&forged[at]), KEPT);
        assert_eq!(up.send(piece), KEPT);
    }
    assert_eq!(up.send(&pieces[3]), Fate::Answered);
    assert!(!up.deadline(), "the forged ones went with the message");
    up.assert_unharmed();
}

// RFC 7383 §2.4#1: fragments that were not agreed on are none.
#[test]
fn a_form_that_was_not_agreed_is_refused() {
    let mut setup = Setup::new(GCM);
    setup.connect.fragmentation.cisco = false;
    let mut pair = Pair::new(setup, 61);
    pair.server.endpoint.key_log(true);
    pair.connect();
    pair.run(20);
    assert!(pair.both_up());
    let twin = up();
    let view = pair.server.endpoint.views().next().unwrap();
    let mut up = Up {
        holder: Holder::of(&pair.server),
        path: view.path,
        next: view.next_expected,
        pair,
    };
    assert_eq!(up.send(&up.cisco(up.next, 600)[0].clone()), REFUSED);
    assert_eq!(up.send(&up.ietf(up.next, 3)[0].clone()), REFUSED);
    assert!(!up.deadline(), "nothing is kept");
    twin.assert_unharmed();
}

// An attacker who sees the SPIs gets in front of every fragment of the first transmission with one of
// its own. One complete retransmission is enough.
#[test]
fn a_login_survives_forged_fragments_in_front_of_each_of_its_own() {
    let mut twin = Pair::new(Setup::new(CBC), 62);
    twin.connect();
    twin.run(20);
    assert!(twin.both_up());
    for (number, last) in [
        (1, 0),
        (1, 1),
        (2, 0),
        (2, 1),
        (3, 1),
        (64, 0),
        (64, 1),
        (65, 1),
    ] {
        let mut pair = Pair::new(Setup::new(CBC), 62);
        pair.connect();
        let far = pair.now.after(Duration::from_secs(30));
        let mut forgeries = 0;
        while let Some((to_server, path, octets)) = pair.next_flight() {
            let first_time = pair.wire.iter().filter(|(_, sent)| *sent == octets).count() == 1;
            if octets[16] == PayloadType::CISCO_FRAGMENT.0 && first_time {
                let mut forged = octets.to_vec();
                forged[NUMBER] = number;
                forged[LAST] = last;
                forged[Header::LEN + 8 + 40..].fill(0x66);
                pair.deliver(to_server, path, &forged);
                forgeries += 1;
            }
            pair.step(far);
        }
        pair.run(60);
        assert!(forgeries >= 2);
        assert!(
            pair.both_up(),
            "{number} {last}: {:?}",
            pair.client.discarded
        );
        pair.assert_children_match();
    }
}
