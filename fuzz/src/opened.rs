//! A whole endpoint of either role, before, in and after a login, whose peer holds the keys of its IKE SAs and says
//! whatever the fuzzer wants: authentic messages of any content, fragments of them, octets from nowhere, silence, and an
//! owner who commands in the middle of it. Key exchange and signatures are toys, so that a login costs microseconds.
//!
//! The peer does not know how to prove itself: it has neither the pre-shared key nor a signing key nor the password.

#[path = "../../ikev2/tests/support/holder.rs"]
mod holder;
#[path = "../../ikev2/tests/support/mod.rs"]
mod support;
mod toy_crypto;

use std::{cell::Cell, rc::Rc, time::Duration};

use holder::Holder;
use ironflex_ikev2::{
    config::{FragmentationConfig, MAX_CHILDREN},
    crypto::keys::Role,
    event::{Command, Framing, Path, SaId},
    view::SaView,
    wire::{
        Flags, Header, MessageId,
        registry::{ExchangeType, PayloadType},
    },
};
use support::{CBC, End, GCM, Pair, Setup, address};

use super::input::Input;

/// What one input may do at most.
const ACTS: usize = 48;
/// The password that nobody says.
const PASSWORD: &[u8] = b"the password of nobody";

/// The first octets choose the end, the login and how far it got; then come acts.
pub fn opened(data: &[u8]) {
    let mut input = Input::new(data);
    let mut world = World::new(&mut input, seed_of(data));
    for _ in 0..ACTS {
        if input.is_empty() {
            break;
        }
        world.act(&mut input);
        world.check();
    }
    world.rest();
}

/// What the input says must not tell what secrets are, so they follow from all of it.
fn seed_of(data: &[u8]) -> u64 {
    data.iter().fold(0xcbf2_9ce4_8422_2325, |hash, octet| {
        (hash ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// How the peers of a login prove themselves.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Proof {
    PreSharedKey,
    Signature,
    Eap,
}

struct World {
    pair: Pair,
    /// The end under test is the headend.
    server: bool,
    proof: Proof,
    /// Messages of IKE_AUTH that reached the end under test as its honest peer had sent them.
    honest: Rc<Cell<usize>>,
    /// All that the fuzzer has sealed.
    said: Vec<u8>,
}

impl World {
    fn new(input: &mut Input<'_>, seed: u64) -> Self {
        let choice = input.u8();
        let server = choice & 1 == 0;
        let suite = if choice & 2 == 0 { GCM } else { CBC };
        let (proof, mut setup) = match choice >> 2 & 3 {
            0 | 1 => (Proof::PreSharedKey, Setup::with_pre_shared_key(suite)),
            2 => (Proof::Signature, Setup::with_certificate(suite)),
            _ => (Proof::Eap, Setup::new(suite)),
        };
        setup.sign = Some(toy_crypto::sign);
        if server {
            // The honest client's is another one, so nobody gets in.
            setup.password = PASSWORD;
        }
        if choice & 0x10 != 0 {
            let fragmentation = FragmentationConfig {
                ietf: true,
                cisco: true,
                mtu: 576,
            };
            setup.server.fragmentation = fragmentation;
            setup.connect.fragmentation = fragmentation;
        }
        toy_crypto::forget();
        let mut pair = Pair::with_providers(setup, toy_crypto::PROVIDERS, seed);
        let honest = Rc::new(Cell::new(0));
        let counted = Rc::clone(&honest);
        pair.tamper = Some(Box::new(move |to_server, octets| {
            if to_server == server && is_auth(octets) {
                counted.set(counted.get() + 1);
            }
            true
        }));
        pair.server.endpoint.key_log(true);
        pair.client.endpoint.key_log(true);
        pair.connect();
        let mut world = Self {
            pair,
            server,
            proof,
            honest,
            said: Vec::new(),
        };
        for _ in 0..input.below(32) {
            world.step();
        }
        world.check();
        world
    }

    const fn end(&self) -> &End {
        if self.server {
            &self.pair.server
        } else {
            &self.pair.client
        }
    }

    fn step(&mut self) {
        let soon = self.pair.now.after(Duration::from_secs(1));
        self.pair.step(soon);
    }

    // --- Acts ---

    fn act(&mut self, input: &mut Input<'_>) {
        match input.below(10) {
            0..=3 => self.says(input),
            4 => self.says_in_part(input),
            5 => {
                let before = self.pair.sent;
                let octets = input.chunk();
                let path = self.path(input, None);
                if is_auth(octets) {
                    return;
                }
                self.pair.deliver(self.server, path, octets);
                // Nobody is to be had as an amplifier.
                let answers = self.pair.sent - before;
                assert!(
                    answers <= 1,
                    "{answers} answers to one datagram from nowhere"
                );
            }
            6 => self.step(),
            7 => self.pair.run(u64::from(input.u8())),
            8 => self.commands(input),
            _ => self.repeats(input),
        }
    }

    /// One of the SAs of the end under test, and how its peer talks to it.
    fn line(&self, input: &mut Input<'_>) -> Option<(Holder, SaView<'_>)> {
        let logs = &self.end().ike_keys;
        // Mostly the newest.
        let at = logs
            .len()
            .checked_sub(1 + input.below(4).min(logs.len().saturating_sub(1)))?;
        let holder = Holder::from_log(&logs[at])?;
        let view = self.end().endpoint.views().find(|view| {
            (view.initiator_spi, view.responder_spi) == (holder.initiator_spi, holder.responder_spi)
        })?;
        Some((holder, view))
    }

    /// A header: a request with the next number or the answer to the last request, unless the fuzzer wants otherwise.
    fn header(holder: &Holder, view: &SaView<'_>, input: &mut Input<'_>) -> Header {
        const EXCHANGES: [ExchangeType; 8] = [
            ExchangeType::IKE_SA_INIT,
            ExchangeType::IKE_AUTH,
            ExchangeType::CREATE_CHILD_SA,
            ExchangeType::INFORMATIONAL,
            ExchangeType::IKE_AUTH,
            ExchangeType::CREATE_CHILD_SA,
            ExchangeType::INFORMATIONAL,
            ExchangeType(43),
        ];
        let choice = input.u8();
        let response = choice & 8 != 0;
        let number = if response {
            view.next_request.wrapping_sub(1)
        } else {
            view.next_expected
        };
        let number = if choice & 0xc0 == 0xc0 {
            number.wrapping_add(u32::from(input.u8())).wrapping_sub(3)
        } else {
            number
        };
        let by_initiator = (view.role == Role::Responder) != (choice & 0x30 == 0x30);
        Header::new(
            holder.initiator_spi,
            Some(holder.responder_spi),
            EXCHANGES[usize::from(choice & 7)],
            Flags::new(by_initiator, response),
            MessageId(number),
        )
    }

    fn path(&self, input: &mut Input<'_>, of: Option<Path>) -> Path {
        let (local, remote) = if self.server {
            (support::SERVER, support::CLIENT)
        } else {
            (support::CLIENT, support::SERVER)
        };
        let path = of.unwrap_or_else(|| Path {
            local: address(local),
            remote: address(remote),
            framing: Framing::Bare,
        });
        match input.below(4) {
            0 => Path {
                remote: address("198.51.100.7:4500"),
                ..path
            },
            _ => path,
        }
    }

    fn says(&mut self, input: &mut Input<'_>) {
        let Some((holder, view)) = self.line(input) else {
            return;
        };
        let header = Self::header(&holder, &view, input);
        let path = self.path(input, Some(view.path));
        let first = PayloadType(input.u8());
        let content = input.chunk();
        if content.len() > 60_000 {
            return;
        }
        let octets = holder.seal_octets(&header, first, content);
        self.said.extend_from_slice(content);
        self.pair.deliver(self.server, path, &octets);
    }

    fn says_in_part(&mut self, input: &mut Input<'_>) {
        let Some((holder, view)) = self.line(input) else {
            return;
        };
        let header = Self::header(&holder, &view, input);
        let path = self.path(input, Some(view.path));
        let total = u16::from(input.u8()).max(1);
        let number = u16::from(input.u8()) % total + 1;
        let first = PayloadType(input.u8());
        let content = input.chunk();
        if content.len() > 60_000 {
            return;
        }
        let octets = holder.seal_fragment(&header, first, (number, total), content);
        self.said.extend_from_slice(content);
        self.pair.deliver(self.server, path, &octets);
    }

    fn commands(&mut self, input: &mut Input<'_>) {
        let choice = input.u8();
        let Some((_, view)) = self.line(input) else {
            return;
        };
        let (id, path): (SaId, Path) = (view.id, view.path);
        let child = view.child.as_ref().map_or(1, |child| child.inbound_spi);
        self.pair.command(
            self.server,
            match choice % 8 {
                0 => Command::Delete(id),
                1 => Command::Probe(id),
                2 => Command::Rekey(id),
                3 => Command::RekeyChild(id, child),
                4 => Command::DeleteChild(id, child),
                5 => Command::ChildUsed(id, child),
                6 => Command::Move(id, path),
                _ => Command::Forget(id),
            },
        );
    }

    /// A datagram of the honest exchange once more, at the end that it was for or at the other.
    fn repeats(&mut self, input: &mut Input<'_>) {
        let count = self.pair.wire.len();
        let Some((to_server, octets)) = self.pair.wire.get(input.below(count)).cloned() else {
            return;
        };
        if to_server == self.server && is_auth(&octets) {
            self.honest.set(self.honest.get() + 1);
        }
        let path = self.path(input, None);
        self.pair.deliver(self.server, path, &octets);
    }

    // --- Invariants ---

    /// How often somebody may have proven itself to the end under test.
    fn proofs(&self) -> usize {
        match self.proof {
            Proof::PreSharedKey => self.honest.get(),
            Proof::Signature => toy_crypto::verified(self.server),
            Proof::Eap if self.server => {
                let mut windows = self.said.windows(PASSWORD.len());
                if windows.any(|octets| octets == PASSWORD) {
                    usize::MAX
                } else {
                    0
                }
            }
            Proof::Eap => toy_crypto::verified(self.server),
        }
    }

    fn check(&self) {
        let end = self.end();
        let config = if self.server {
            &self.pair.setup.server
        } else {
            &self.pair.setup.client
        };
        let proofs = self.proofs();
        let said = |word: &str| end.log.iter().filter(|line| line.starts_with(word)).count();
        let authenticated = said("authenticated");
        assert!(
            authenticated <= proofs,
            "authenticated without proof: {authenticated} of {proofs}: {:?}",
            end.log
        );
        assert!(
            end.sas.len() <= authenticated,
            "up unauthenticated: {:?}",
            end.log
        );
        if authenticated == 0 {
            let held = (end.installed.len(), end.receiving.len());
            assert_eq!(held, (0, 0), "an SA without authentication: {:?}", end.log);
        }
        let ready = end.ready();
        assert!(
            ready <= end.sas.len() + said("rekeyed"),
            "more SAs are ready than came up"
        );

        assert!(end.endpoint.half_open() <= config.half_open_limit);
        assert!(end.endpoint.len() <= config.negotiating_limit + end.sas.len());
        assert!(end.endpoint.fragment_octets() <= config.fragment_budget);
        for view in end.endpoint.views() {
            let inbound = end
                .receiving
                .range((view.id, 0)..=(view.id, u32::MAX))
                .count();
            assert!(
                inbound <= MAX_CHILDREN,
                "{inbound} inbound SAs of one IKE SA"
            );
            assert!(view.queued <= 3, "{} requests wait", view.queued);
            assert!(!view.ready || authenticated > 0, "ready unauthenticated");
        }
    }

    /// Nobody says anything any more: what is not up goes.
    fn rest(mut self) {
        self.pair.lose_flights();
        self.pair.weather.loss = 100;
        self.pair.run(700);
        self.check();
        let end = self.end();
        assert_eq!(end.endpoint.half_open(), 0, "half-open for ever");
        assert_eq!(end.endpoint.fragment_octets(), 0, "fragments for ever");
        for view in end.endpoint.views() {
            assert!(view.ready, "{} for ever", view.state);
        }
    }
}

/// Whether a datagram says that it is of IKE_AUTH.
fn is_auth(octets: &[u8]) -> bool {
    Header::peek(octets).is_ok_and(|header| header.exchange == ExchangeType::IKE_AUTH)
}
