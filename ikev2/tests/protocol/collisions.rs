//! Every order in which two ends' rekeyings and Deletes may meet (RFC 7296 §2.8, §2.25): each datagram is delivered, kept
//! back or lost by hand, nonces are forced, and after every step both ends are asked which SAs they have by their SPIs.

mod child;
mod ike;
mod lengths;
mod spis;
mod worn;

use std::{sync::Arc, time::Duration};

use ironflex_ikev2::{
    event::{Command, Instant, Path},
    wire::{
        Header, Payload,
        payload::Delete,
        registry::{ExchangeType, NotifyType, ProtocolId},
    },
};

use crate::{
    holder::Holder,
    rekey::{id, inbound, spis},
    support::*,
};

/// A datagram that a test has in hand.
struct Letter {
    to_server: bool,
    path: Path,
    octets: Arc<[u8]>,
}

impl Letter {
    fn header(&self) -> Header {
        Header::peek(&self.octets).unwrap()
    }

    /// It is the answer to this one.
    fn answers(&self, asked: &Self) -> bool {
        let (answer, request) = (self.header(), asked.header());
        self.to_server != asked.to_server
            && answer.flags.is_response()
            && answer.message_id == request.message_id
            && answer.initiator_spi == request.initiator_spi
    }
}

/// An SA by the name that a test has for it, and its SPIs: of a child SA what the server receives on and what the client
/// does, of an IKE SA the initiator's and the responder's.
struct Named {
    name: &'static str,
    spis: (u64, u64),
}

/// A pair whose network is the test's hand.
struct Table {
    pair: Pair,
    children: Vec<Named>,
    ikes: Vec<Named>,
    /// A child SA is deleted for good: what is under way to it is lost.
    losing: bool,
}

impl Table {
    /// Both are up, with one child SA and one IKE SA that are called "old".
    fn new(seed: u64) -> Self {
        Self::with(Setup::with_pre_shared_key(GCM), seed)
    }

    fn with(mut setup: Setup, seed: u64) -> Self {
        setup.connect.fragmentation.cisco = false;
        let mut pair = Pair::new(setup, seed);
        pair.server.endpoint.key_log(true);
        pair.client.endpoint.key_log(true);
        pair.connect();
        pair.run(20);
        assert!(pair.both_up());
        let child = (
            u64::from(inbound(&pair, true)),
            u64::from(inbound(&pair, false)),
        );
        let ike = spis(&pair, true);
        let old = |spis| vec![Named { name: "old", spis }];
        Self {
            pair,
            children: old(child),
            ikes: old(ike),
            losing: false,
        }
    }

    /// With a further child SA that is called "x".
    fn with_a_further_child(seed: u64) -> Self {
        let mut table = Self::new(seed);
        let command = Command::NewChild(id(&table.pair, false));
        table.pair.command(false, command);
        table.pair.run(5);
        table.name_child(true, "x");
        table.expect_children([true, false], ["old* x*", "old* x*"]);
        table
    }

    fn command(&mut self, server: bool, command: Command) {
        self.pair.command(server, command);
    }

    /// One end is told to replace its child SA "old": its request.
    fn rekey_child(&mut self, server: bool) -> Letter {
        let old = self.children[0].spis;
        let old = if server { old.0 } else { old.1 };
        let command = Command::RekeyChild(id(&self.pair, server), u32::try_from(old).unwrap());
        self.command(server, command);
        self.sent(server)
    }

    /// One end is told to delete its child SA of this name: its request.
    fn delete_child(&mut self, server: bool, name: &str) -> Letter {
        self.losing = true;
        self.order_delete(server, name);
        self.sent(server)
    }

    /// One end is told to delete its child SA of this name.
    fn order_delete(&mut self, server: bool, name: &str) {
        let spi = self.child_spi(server, name);
        self.command(server, Command::DeleteChild(id(&self.pair, server), spi));
    }

    /// ESP of its peer has come in at one end on the child SA of this name.
    fn use_child(&mut self, server: bool, name: &str) {
        let spi = self.child_spi(server, name);
        self.command(server, Command::ChildUsed(id(&self.pair, server), spi));
    }

    /// One end is told to replace the IKE SA: its request.
    fn rekey_ike(&mut self, server: bool) -> Letter {
        let command = Command::Rekey(id(&self.pair, server));
        self.command(server, command);
        self.sent(server)
    }

    /// The one datagram that this end has sent.
    fn sent(&mut self, server: bool) -> Letter {
        let mut flights = self.pair.take_flights();
        assert_eq!(
            flights.len(),
            1,
            "{:?} {:?}",
            self.pair.server.log,
            self.pair.client.log
        );
        let (to_server, path, octets) = flights.remove(0);
        assert_eq!(to_server, !server);
        Letter {
            to_server,
            path,
            octets,
        }
    }

    /// The two datagrams that have been sent together.
    fn sent_at_once(&mut self) -> [Letter; 2] {
        let flights = self.pair.take_flights().into_iter();
        let letters = flights.map(|(to_server, path, octets)| Letter {
            to_server,
            path,
            octets,
        });
        let letters: Vec<_> = letters.collect();
        let count = letters.len();
        letters
            .try_into()
            .unwrap_or_else(|_| panic!("{count} datagrams"))
    }

    /// Neither end has anything to say.
    fn assert_silence(&mut self) {
        assert!(self.pair.take_flights().is_empty());
    }

    fn deliver(&mut self, letter: &Letter) {
        self.pair
            .deliver(letter.to_server, letter.path, &letter.octets);
        if !self.losing {
            self.pair.assert_traffic_flows();
        }
    }

    /// Delivers a request: the answer to it.
    fn answer(&mut self, request: &Letter) -> Letter {
        self.deliver(request);
        let answer = self.sent(request.to_server);
        assert!(answer.answers(request));
        answer
    }

    /// Delivers an answer after which its receiver has something to ask: its request.
    fn go_on(&mut self, answer: &Letter) -> Letter {
        self.deliver(answer);
        let request = self.sent(answer.to_server);
        assert!(!request.header().flags.is_response());
        request
    }

    /// Delivers what is the end of an exchange.
    fn finish(&mut self, answer: &Letter) {
        self.deliver(answer);
        self.assert_silence();
    }

    /// Waits until the sender of a request that is lost sends it again: the same octets.
    fn repeat(&mut self, lost: &Letter) -> Letter {
        let until = self.pair.now.after(Duration::from_secs(10));
        loop {
            assert!(self.pair.step(until), "it is not sent again");
            let flights = self.pair.take_flights();
            let mut same = flights
                .into_iter()
                .filter(|(_, _, octets)| *octets == lost.octets);
            if let Some((to_server, path, octets)) = same.next() {
                return Letter {
                    to_server,
                    path,
                    octets,
                };
            }
        }
    }

    /// Lets time pass in which nobody says anything.
    fn wait_in_silence(&mut self, seconds: u64) {
        let sent = self.pair.wire.len();
        self.pair.run(seconds);
        assert_eq!(self.pair.wire.len(), sent);
    }

    /// What one datagram says, opened with the keys of whichever IKE SA it is of.
    fn said(&self, letter: &Letter) -> Vec<Payload> {
        let header = letter.header();
        let logs = self.pair.server.ike_keys.iter();
        let mut holders = logs
            .chain(&self.pair.client.ike_keys)
            .filter_map(Holder::from_log);
        let holder = holders.find(|one| {
            one.initiator_spi == header.initiator_spi
                && Some(one.responder_spi) == header.responder_spi
        });
        holder.expect("nobody has its keys").open(&letter.octets).1
    }

    /// It is nothing but this notify.
    fn assert_notify(&self, letter: &Letter, kind: NotifyType) {
        let said = self.said(letter);
        assert!(
            matches!(&said[..], [Payload::Notify(said)] if said.kind == kind),
            "{kind}"
        );
    }

    /// It is the Delete of the child SA of this name, by the SPI that its sender receives on.
    fn assert_deletes_child(&self, letter: &Letter, name: &str) {
        self.assert_deletes_children(letter, &[name]);
    }

    /// It is the Delete of the child SAs of these names, by the SPIs that its sender receives on.
    fn assert_deletes_children(&self, letter: &Letter, names: &[&str]) {
        let deletes = [self.delete_of(!letter.to_server, names)];
        assert_eq!(self.said(letter), deletes, "{names:?}");
    }

    /// The Delete of the child SAs of these names that this end sends.
    fn delete_of(&self, server: bool, names: &[&str]) -> Payload {
        let octets = |name: &&str| self.child_spi(server, name).to_be_bytes();
        Payload::Delete(Delete::esp(&names.iter().map(octets).collect::<Vec<_>>()))
    }

    /// Under which SPI this end receives on the child SA of this name.
    fn child_spi(&self, server: bool, name: &str) -> u32 {
        let one = self.children.iter().find(|one| one.name == name).unwrap();
        u32::try_from(if server { one.spis.0 } else { one.spis.1 }).unwrap()
    }

    /// A Delete of the child SAs of these names as another implementation may send it where this end does not.
    fn foreign_delete(&mut self, server: bool, names: &[&str]) -> Letter {
        self.losing = true;
        let payloads = [self.delete_of(server, names)];
        self.foreign(server, ExchangeType::INFORMATIONAL, &payloads)
    }

    /// A request as another implementation may send it where this end does not.
    fn foreign(&self, server: bool, exchange: ExchangeType, payloads: &[Payload]) -> Letter {
        let holder = Holder::of(self.end(server));
        let other = self.end(!server);
        let view = other.endpoint.view(other.sas[0]).unwrap();
        let header = holder.header(exchange, !server, false, view.next_expected);
        Letter {
            to_server: !server,
            path: view.path,
            octets: holder.seal(&header, payloads).into(),
        }
    }

    /// An answer as another implementation may give it in the place of this one.
    fn instead_of(&self, answer: &Letter, payloads: &[Payload]) -> Letter {
        let holder = Holder::of(self.end(!answer.to_server));
        Letter {
            to_server: answer.to_server,
            path: answer.path,
            octets: holder.seal(&answer.header(), payloads).into(),
        }
    }

    /// Lets time pass in which whatever is sent is lost.
    fn lose_all_until(&mut self, until: Instant) {
        while self.pair.step(until) {
            self.pair.take_flights();
        }
        self.pair.now = until;
    }

    /// It is the Delete of the IKE SA of this name.
    fn assert_deletes_ike(&self, letter: &Letter, name: &str) {
        assert_eq!(self.ike_of(letter), name);
        assert_eq!(letter.header().exchange, ExchangeType::INFORMATIONAL);
        let said = self.said(letter);
        assert!(
            matches!(&said[..], [Payload::Delete(delete)] if delete.protocol == ProtocolId::IKE),
            "{name}"
        );
    }

    /// The name of the IKE SA that a datagram is of.
    fn ike_of(&self, letter: &Letter) -> &'static str {
        let header = letter.header();
        let responder = header.responder_spi.unwrap();
        name_of(&self.ikes, (header.initiator_spi.get(), responder.get()))
    }

    /// Names the child SA that one end has and the test has no name for.
    fn name_child(&mut self, server: bool, name: &'static str) {
        let new = self.child_spis(server).into_iter().map(|(spis, _)| spis);
        let mut new = new.filter(|spis| !self.children.iter().any(|one| one.spis == *spis));
        let spis = new.next().expect("there is no new child SA");
        assert_eq!(new.next(), None);
        self.children.push(Named { name, spis });
    }

    /// As [`name_child`](Self::name_child), for an IKE SA.
    fn name_ike(&mut self, server: bool, name: &'static str) {
        let new = self.ike_spis(server).into_iter().map(|(spis, _)| spis);
        let mut new = new.filter(|spis| !self.ikes.iter().any(|one| one.spis == *spis));
        let spis = new.next().expect("there is no new IKE SA");
        assert_eq!(new.next(), None);
        self.ikes.push(Named { name, spis });
    }

    /// The child SAs of one end, and what there is to say of each.
    fn child_spis(&self, server: bool) -> Vec<((u64, u64), &'static str)> {
        let end = self.end(server);
        let view = end.endpoint.view(end.sas[0]).unwrap();
        let crosswise = |inbound: u32, outbound: u32| {
            let (inbound, outbound) = (u64::from(inbound), u64::from(outbound));
            if server {
                (inbound, outbound)
            } else {
                (outbound, inbound)
            }
        };
        let live = view.children().map(|child| {
            let mark = if child.sending { "*" } else { "" };
            (crosswise(child.inbound_spi, child.outbound_spi), mark)
        });
        let mut all: Vec<_> = live.collect();
        // What the dataplane sends on is what the protocol says that it does.
        let sending = end
            .sending()
            .map(|child| crosswise(child.inbound_spi, child.outbound_spi));
        for spis in sending {
            assert!(
                all.contains(&(spis, "*")),
                "{}",
                name_of(&self.children, spis)
            );
        }
        // It receives on all, and for a while on those that are gone.
        for child in end.receiving.values() {
            let spis = crosswise(child.inbound_spi, child.outbound_spi);
            if !all.iter().any(|(known, _)| *known == spis) {
                all.push((spis, "~"));
            }
        }
        all
    }

    /// The IKE SAs of one end, and what there is to say of each.
    fn ike_spis(&self, server: bool) -> Vec<((u64, u64), &'static str)> {
        let end = self.end(server);
        let Some(view) = end.endpoint.views().find(|view| view.ready) else {
            return Vec::new();
        };
        let in_use = (view.initiator_spi.get(), view.responder_spi.get());
        let beside = view.beside().map(|one| {
            let spis = (one.initiator_spi.get(), one.responder_spi.get());
            (spis, if one.over { "~" } else { "" })
        });
        [(in_use, "*")].into_iter().chain(beside).collect()
    }

    fn end(&self, server: bool) -> &End {
        if server {
            &self.pair.server
        } else {
            &self.pair.client
        }
    }

    /// The child SAs of these ends, by name: `*` is behind the one that is sent on, `~` behind one that is gone and only
    /// received on for a while.
    #[track_caller]
    fn expect_children(&self, ends: [bool; 2], expected: [&str; 2]) {
        let found = ends.map(|server| text(&self.children, &self.child_spis(server)));
        assert_eq!(found, expected);
    }

    /// The IKE SAs of these ends, by name: `*` is behind the one in use, `~` behind one that is deleted and only answers
    /// repeats.
    #[track_caller]
    fn expect_ikes(&self, ends: [bool; 2], expected: [&str; 2]) {
        let found = ends.map(|server| text(&self.ikes, &self.ike_spis(server)));
        assert_eq!(found, expected);
        // Whatever becomes of the IKE SAs, their one child SA goes on.
        let children = ends.map(|server| text(&self.children, &self.child_spis(server)));
        assert_eq!(children, ["old*", "old*"]);
    }
}

fn name_of(names: &[Named], spis: (u64, u64)) -> &'static str {
    let mut named = names.iter().filter(|one| one.spis == spis);
    named.next().map_or("unnamed", |one| one.name)
}

/// In the order in which they were named.
fn text(names: &[Named], held: &[((u64, u64), &'static str)]) -> String {
    let place = |spis| names.iter().position(|one| one.spis == spis);
    let mut held: Vec<_> = held
        .iter()
        .map(|(spis, mark)| (place(*spis), *spis, mark))
        .collect();
    held.sort();
    let words = held
        .into_iter()
        .map(|(_, spis, mark)| format!("{}{mark}", name_of(names, spis)));
    words.collect::<Vec<_>>().join(" ")
}

/// Who begins with which nonces, as numbers that are compared: the winner's own nonce and the one in its answer, then the
/// loser's. The lowest of the four is in the exchange that the loser began.
const NONCES: [[u8; 4]; 6] = [
    // Either nonce of the loser's exchange: its own, or that in the winner's answer to it.
    [5, 7, 1, 9],
    [5, 1, 9, 7],
    [9, 2, 5, 3],
    // Two are the same: the third decides.
    [7, 1, 7, 7],
    [9, 5, 4, 9],
    [2, 1, 2, 2],
];

/// How the numbers become nonces: from the first octet on, or only in the last.
const PREFIXES: [usize; 3] = [0, 1, 31];

fn nonce(number: u8, prefix: usize) -> Vec<u8> {
    let mut octets = vec![0x55; 32];
    octets[prefix] = number;
    octets
}

/// Forces the nonces of two exchanges that cross. `draws` is how many times 32 octets are drawn for one exchange: a
/// private key is as long as a nonce, and is drawn first.
fn force(table: &Table, winner: bool, numbers: [u8; 4], prefix: usize, draws: usize) {
    let [own, answer, other_own, other_answer] = numbers;
    for (server, leads) in [
        (winner, [own, answer]),
        (!winner, [other_own, other_answer]),
    ] {
        let each = leads
            .into_iter()
            .flat_map(|number| vec![nonce(number, prefix); draws]);
        table.end(server).leads.lock().unwrap().extend(each);
    }
}

fn assert_forced(table: &Table) {
    for server in [true, false] {
        assert!(table.end(server).leads.lock().unwrap().is_empty());
    }
}

/// Every end as the winner, with every order of the nonces.
fn every_collision(draws: usize, mut case: impl FnMut(Table, bool)) {
    for winner in [true, false] {
        for (seed, numbers) in (0..).zip(NONCES) {
            for prefix in PREFIXES {
                let table = Table::new(seed);
                force(&table, winner, numbers, prefix, draws);
                case(table, winner);
            }
        }
    }
}
