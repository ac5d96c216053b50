//! An end that speaks IKEv2 by the core alone, with settings and answers that no program of ours has. It has no dataplane, and what
//! comes to it by ESP is lost.

use std::{
    collections::VecDeque,
    net::{IpAddr, SocketAddr},
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle},
};

use ironflex::{
    clock::Clock,
    random::OsRandom,
    udp::{MAX_DATAGRAM, NON_ESP_MARKER, UdpEndpoint},
};
use ironflex_ikev2::{
    Endpoint, Input, Output,
    config::EndpointConfig,
    crypto::default_provider,
    event::{Answer, Ask, Command, Event, Framing, Path, SaId},
    wire::Header,
};
use ironflex_xfrm::netlink::NetworkNamespace;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::PATIENCE;

/// How long it listens before it looks whether it is over, in milliseconds.
const LOOK: u16 = 20;

/// What is installed of a child SA: its IKE SA, and the SPI that is received on.
type Installed = (SaId, u32);

/// An end, until it is dropped.
pub(crate) struct IkeEnd {
    /// For IKE alone, and for IKE behind the non-ESP marker.
    pub(crate) ports: [u16; 2],
    told: Receiver<Event>,
    orders: Sender<Order>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

enum Order {
    Command(Command),
    DeleteChild,
}

impl IkeEnd {
    /// Listens at one address, on these ports or on any. What its core asks is answered so.
    pub(crate) fn new(
        namespace: &NetworkNamespace,
        at: IpAddr,
        ports: [u16; 2],
        config: EndpointConfig,
        answer: impl Fn(Ask) -> Answer + Send + 'static,
    ) -> Self {
        let bind = || ports.map(|port| UdpEndpoint::bind(SocketAddr::new(at, port)).unwrap());
        let sockets = namespace.run(bind).unwrap();
        let ports = sockets.each_ref().map(UdpEndpoint::port);
        let (sender, told) = mpsc::channel();
        let (orders, ordered) = mpsc::channel();
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        let thread = thread::spawn(move || {
            let clock = Clock::start();
            let random = Box::new(OsRandom);
            let mut peer = Peer {
                endpoint: Endpoint::new(clock.now(), config, default_provider(), random),
                clock,
                sockets,
                buffer: vec![0; MAX_DATAGRAM],
                sender,
                answer: Box::new(answer),
                installed: None,
                says: Says::Everything,
            };
            while !ended.load(Ordering::Relaxed) {
                for order in ordered.try_iter() {
                    peer.obey(order);
                }
                peer.turn();
            }
        });
        Self {
            ports,
            told,
            orders,
            over,
            thread: Some(thread),
        }
    }

    pub(crate) fn command(&self, command: Command) {
        self.orders.send(Order::Command(command)).unwrap();
    }

    /// Deletes the child SA that it has installed last. Whatever it has to ask after that is lost; it still answers.
    pub(crate) fn delete_child(&self) {
        self.orders.send(Order::DeleteChild).unwrap();
    }

    /// Waits until the core tells of this.
    pub(crate) fn hears(&self, what: &str, is_it: impl Fn(&Event) -> bool) -> Event {
        loop {
            match self.told.recv_timeout(PATIENCE) {
                Ok(event) if is_it(&event) => return event,
                Ok(_) => {}
                Err(_) => panic!("the other end does not hear {what}"),
            }
        }
    }
}

impl Drop for IkeEnd {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What of its requests goes out.
#[derive(Clone, Copy)]
enum Says {
    Everything,
    /// The next, and nothing after it.
    OneMore,
    /// The one with this message ID.
    Only(u32),
}

struct Peer {
    endpoint: Endpoint,
    clock: Clock,
    /// For IKE alone, and for IKE behind the non-ESP marker.
    sockets: [UdpEndpoint; 2],
    buffer: Vec<u8>,
    sender: Sender<Event>,
    answer: Box<dyn Fn(Ask) -> Answer>,
    installed: Option<Installed>,
    says: Says,
}

const FRAMINGS: [Framing; 2] = [Framing::Bare, Framing::Marked];

impl Peer {
    fn obey(&mut self, order: Order) {
        match order {
            Order::Command(command) => self.command(command),
            Order::DeleteChild => {
                self.says = Says::OneMore;
                let (sa, spi) = self.installed.expect("it has a child SA");
                self.command(Command::DeleteChild(sa, spi));
            }
        }
    }

    /// Whether this goes out.
    fn says(&mut self, octets: &[u8]) -> bool {
        let header = Header::peek(octets).unwrap();
        let number = header.message_id.0;
        if header.flags.is_response() {
            return true;
        }
        if matches!(self.says, Says::OneMore) {
            self.says = Says::Only(number);
        }
        match self.says {
            Says::Only(one) => one == number,
            _ => true,
        }
    }

    fn command(&mut self, command: Command) {
        let now = self.clock.now();
        self.endpoint.handle(now, Input::Command(command));
        self.drain();
    }

    /// Takes what arrives within a moment, and does what is due.
    fn turn(&mut self) {
        let mut ready = self
            .sockets
            .each_ref()
            .map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN));
        poll(&mut ready, PollTimeout::from(LOOK)).unwrap();
        let mut buffer = std::mem::take(&mut self.buffer);
        for (which, framing) in FRAMINGS.into_iter().enumerate() {
            while let Some(received) = self.sockets[which].receive(&mut buffer).unwrap() {
                let octets = &buffer[..received.len];
                let message = match framing {
                    Framing::Bare => Some(octets),
                    Framing::Marked => octets.strip_prefix(&NON_ESP_MARKER),
                };
                let Some(message) = message else {
                    continue;
                };
                let path = Path {
                    local: received.local,
                    remote: received.remote,
                    framing,
                };
                let now = self.clock.now();
                self.endpoint.handle(now, Input::Datagram(path, message));
                self.drain();
            }
        }
        self.buffer = buffer;
        let now = self.clock.now();
        self.endpoint.handle(now, Input::Timeout);
        self.drain();
    }

    fn drain(&mut self) {
        let mut answers = VecDeque::new();
        loop {
            match self.endpoint.poll() {
                Output::Transmit(transmit) if !self.says(&transmit.octets) => {}
                Output::Transmit(transmit) => {
                    let path = transmit.path;
                    let marked = path.framing == Framing::Marked;
                    let socket = &self.sockets[usize::from(marked)];
                    // What cannot be sent is lost and comes again.
                    let _ = socket.send(path.local.ip(), path.remote, marked, &transmit.octets);
                }
                Output::Ask(sa, ask, question) => {
                    if let Ask::Install(child) = &question {
                        self.installed = Some((sa, child.inbound_spi));
                    }
                    answers.push_back((sa, ask, (self.answer)(question)));
                }
                // Nobody may wait for it any more.
                Output::Event(_, event) => drop(self.sender.send(event)),
                Output::Keepalive(..) | Output::Discarded(..) => {}
                Output::Timeout(_) => {
                    let Some((sa, ask, answer)) = answers.pop_front() else {
                        return;
                    };
                    let now = self.clock.now();
                    self.endpoint.handle(now, Input::Answer(sa, ask, answer));
                }
            }
        }
    }
}
