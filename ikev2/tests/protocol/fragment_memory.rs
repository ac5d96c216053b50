//! Messages that are never completed, of strangers and of a peer that is up: what all of them occupy
//! together has an end, the strangers' go first, and the peer's own messages get through.

use std::time::Duration;

use ironflex_ikev2::{
    config::FRAGMENT_BUDGET,
    event::{Discard, Path},
    wire::{
        Flags, Header, InitiatorSpi, MessageId, PartialMessage, Payload, ResponderSpi,
        fragment::cut_cisco,
        payload::Notify,
        registry::{ExchangeType, NotifyType, PayloadType},
        sk::{SkFrame, SkShape},
        write_chain,
    },
};

use crate::{flood::*, holder::Holder, support::*};

/// A half-open SA of a stranger.
#[derive(Clone, Copy)]
struct Stranger {
    path: Path,
    spi_i: InitiatorSpi,
    spi_r: ResponderSpi,
}

/// A server that takes as many strangers as one likes, with one client that is up.
struct Scene {
    pair: Pair,
    holder: Holder,
    client: Path,
    /// The message ID of the client's next request.
    next: u32,
    mould: Mould,
    strangers: u32,
}

impl Scene {
    fn new(budget: usize) -> Self {
        let mut setup = Setup::new(CBC);
        setup.server.fragmentation.ietf = true;
        setup.connect.fragmentation.ietf = true;
        setup.server.fragment_budget = budget;
        setup.server.cookie_watermark = usize::MAX;
        let mut pair = Pair::new(setup, 95);
        pair.server.endpoint.key_log(true);
        pair.connect();
        pair.run(20);
        assert!(pair.both_up());
        pair.server.discarded.clear();
        let view = pair.server.endpoint.views().next().unwrap();
        let (client, next) = (view.path, view.next_expected);
        Self {
            holder: Holder::of(&pair.server),
            pair,
            client,
            next,
            mould: Mould::new(),
            strangers: 0,
        }
    }

    fn stranger(&mut self) -> Stranger {
        self.strangers += 1;
        // So that one is older than the other.
        self.pair.now = self.pair.now.after(Duration::from_millis(1));
        let path = from(self.strangers);
        let request = self.mould.request(self.strangers, None);
        let (answers, discards) = send(&mut self.pair, path, &request);
        assert_eq!((answers.len(), discards), (1, Vec::new()));
        let header = PartialMessage::parse(&answers[0]).unwrap().header;
        Stranger {
            path,
            spi_i: header.initiator_spi,
            spi_r: header.responder_spi.unwrap(),
        }
    }

    /// Hands over one of the client's datagrams: what was discarded, and whether it was answered.
    fn client_sends(&mut self, octets: &[u8]) -> (Vec<Discard>, bool) {
        let path = self.client;
        let (answers, discards) = send(&mut self.pair, path, octets);
        (discards, !answers.is_empty())
    }

    /// The client's next request, in fragments of this form.
    fn request(&self, ietf: bool) -> Vec<Vec<u8>> {
        let notify = Notify::new(NotifyType(40_963), vec![7; 3_000]);
        let mut content = Vec::new();
        let first = write_chain(&[Payload::Notify(notify)], &mut content);
        let informational = ExchangeType::INFORMATIONAL;
        let header = self.holder.header(informational, true, false, self.next);
        if ietf {
            let total = u16::try_from(content.chunks(500).len()).unwrap();
            (1..=total)
                .zip(content.chunks(500))
                .map(|(number, piece)| {
                    self.holder
                        .seal_fragment(&header, first, (number, total), piece)
                })
                .collect()
        } else {
            let whole = self.holder.seal_octets(&header, first, &content);
            cut_cisco(&whole, 1, 500).unwrap()
        }
    }
}

/// All but the last fragment of a first IKE_AUTH that is as long as any that is taken.
fn endless(of: Stranger) -> Vec<Vec<u8>> {
    let header = Header::new(
        of.spi_i,
        Some(of.spi_r),
        ExchangeType::IKE_AUTH,
        Flags::new(true, false),
        MessageId(1),
    );
    let shape = SkShape {
        iv_len: 16,
        block: 16,
        icv_len: 16,
    };
    let frame = SkFrame::encrypted(&header, &[], PayloadType::ID_I, &[0; 63_000], shape);
    let mut pieces = cut_cisco(&frame.unwrap().into_message(), 1, 1_000).unwrap();
    pieces.pop();
    pieces
}

#[test]
fn strangers_occupy_no_more_than_the_budget_and_the_oldest_give_way() {
    let budget = 256 * 1024;
    let mut scene = Scene::new(budget);
    let mut evicted = 0;
    for _ in 0..40 {
        let stranger = scene.stranger();
        for piece in endless(stranger) {
            let (answers, discards) = send(&mut scene.pair, stranger.path, &piece);
            assert_eq!((answers.len(), &discards[0]), (0, &Discard::FragmentKept));
            evicted += discards.len() - 1;
            assert!(
                discards[1..]
                    .iter()
                    .all(|one| *one == Discard::FragmentsEvicted)
            );
            assert!(scene.pair.server.endpoint.fragment_octets() <= budget);
        }
    }
    // One is about 70,000 octets: three are kept, and each later one has displaced the oldest.
    assert_eq!(evicted, 37);
    // What is kept is dropped in its time, and nothing stays counted.
    scene.pair.run(31);
    assert_eq!(scene.pair.server.endpoint.fragment_octets(), 0);
    assert_eq!(scene.pair.server.endpoint.len(), 1);
}

// The client's messages are whole only after others have sent ten times the budget in between.
#[test]
fn an_established_peers_message_is_completed_while_strangers_flood() {
    for ietf in [true, false] {
        let mut twin = Scene::new(64 * 1024);
        for piece in twin.request(ietf) {
            assert!(twin.client_sends(&piece).0.len() <= 1);
        }
        assert_eq!(twin.pair.server.endpoint.fragment_octets(), 0);

        let budget = 64 * 1024;
        let mut scene = Scene::new(budget);
        let request = scene.request(ietf);
        let (last, others) = request.split_last().unwrap();
        for piece in others {
            let kept = (vec![Discard::FragmentKept], false);
            assert_eq!(scene.client_sends(piece), kept, "ietf {ietf}");
            for _ in 0..2 {
                let stranger = scene.stranger();
                for piece in endless(stranger) {
                    send(&mut scene.pair, stranger.path, &piece);
                    assert!(scene.pair.server.endpoint.fragment_octets() <= budget);
                }
            }
        }
        assert_eq!(scene.client_sends(last), (Vec::new(), true), "ietf {ietf}");
    }
}

// What was authenticated piece by piece is worth more than what anybody may have sent, also within SAs
// that are up.
#[test]
fn forged_fragments_in_a_peers_name_do_not_displace_its_authentic_ones() {
    let mut scene = Scene::new(24 * 1024);
    let ietf = scene.request(true);
    let (last, others) = ietf.split_last().unwrap();
    for piece in others {
        scene.client_sends(piece);
    }
    let mut evicted = 0;
    for round in 0..3u8 {
        let informational = ExchangeType::INFORMATIONAL;
        let header = scene.holder.header(informational, true, false, scene.next);
        let junk = scene
            .holder
            .seal_octets(&header, PayloadType::NONE, &[round; 40_000]);
        let pieces = cut_cisco(&junk, u16::from(round) + 2, 1_000).unwrap();
        for piece in &pieces[..pieces.len() - 1] {
            let (discards, _) = scene.client_sends(piece);
            evicted += usize::from(discards.contains(&Discard::FragmentsEvicted));
        }
    }
    assert!(evicted >= 3, "only {evicted}");
    assert_eq!(scene.client_sends(last), (Vec::new(), true));
}

// Without a budget, 2,000 strangers with 62 fragments each are 125 MB.
#[test]
fn two_thousand_strangers_leave_memory_bounded() {
    if !alone("fragment_memory::two_thousand_strangers_leave_memory_bounded") {
        return;
    }
    let mut scene = Scene::new(FRAGMENT_BUDGET);
    let strangers: Vec<_> = (0..2_000).map(|_| scene.stranger()).collect();
    let before = resident();
    for &stranger in &strangers {
        for piece in endless(stranger) {
            scene.pair.deliver(true, stranger.path, &piece);
        }
        scene.pair.server.discarded.clear();
    }
    let growth = resident().saturating_sub(before);
    assert!(scene.pair.server.endpoint.fragment_octets() > FRAGMENT_BUDGET / 2);
    assert!(growth < 2 * FRAGMENT_BUDGET, "{growth} octets more");
}
