//! Peers with changing addresses (RFC 4555): the client says where it is now, the headend checks that it
//! is heard there, and the child SAs follow.
//!
//! The client is whoever initiated the first IKE SA, whatever the roles after a rekeying (RFC 4555 §1.3).

use alloc::vec::Vec;

use super::{Established, Pending, Policy, Wish};
use crate::{
    event::{CloseReason, Event, Path},
    refusal::{PeerMisbehaved, Refusal},
    sa::{
        Cx,
        link::Link,
        nat::{self, Nat},
    },
    wire::{
        payload::{Notify, Payload},
        registry::{ExchangeType, NotifyType},
    },
};

/// Octets of our COOKIE2 (RFC 4555 §4.2.5: 8 to 64).
// RFC 4555 §4.2.5#2: as many as no attacker guesses.
const COOKIE2_LEN: usize = 16;

/// What waits for the answer to COOKIE2: the value, and the way that it was sent.
pub(super) struct RouteCheck {
    cookie: [u8; COOKIE2_LEN],
    path: Path,
}

/// The way that ESP takes, and whether in UDP.
pub(super) type EspWay = (Path, bool);

/// Where the headend sees us: at the address that we have, or, with a NAT in between, where this hash says.
#[derive(PartialEq, Eq)]
pub(super) enum Seen {
    Here,
    At(Vec<u8>),
}

/// What of an INFORMATIONAL request is about addresses.
#[derive(Default)]
pub(super) struct Addresses {
    update: bool,
    nat_detection: bool,
    cookie2: Option<Notify>,
    no_nats: Option<Vec<u8>>,
}

impl Addresses {
    pub(super) fn read(payloads: &[Payload]) -> Self {
        let mut addresses = Self::default();
        for payload in payloads {
            let Payload::Notify(said) = payload else {
                continue;
            };
            match said.kind {
                NotifyType::UPDATE_SA_ADDRESSES => addresses.update = true,
                NotifyType::NAT_DETECTION_SOURCE_IP | NotifyType::NAT_DETECTION_DESTINATION_IP => {
                    addresses.nat_detection = true;
                }
                NotifyType::COOKIE2 => addresses.cookie2 = Some(said.clone()),
                NotifyType::NO_NATS_ALLOWED => addresses.no_nats = Some(said.data.clone()),
                _ => {}
            }
        }
        addresses
    }

    /// RFC 4555 §3.9#2,5: the sender does without NATs, and one was in between; nothing else is done with what it
    /// says.
    fn is_translated(&self, from: &Path) -> bool {
        let sent = self.no_nats.as_ref();
        sent.is_some_and(|sent| *sent != addresses_of(from))
    }
}

impl Established {
    /// What the answer to an INFORMATIONAL request says of addresses, once what the request says has been
    /// done. `from` is the way that the request came.
    pub(super) fn addresses(
        &mut self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        from: Path,
        payloads: &[Payload],
    ) -> Vec<Payload> {
        let said = Addresses::read(payloads);
        if self.moves(&said, link, &from) {
            let nat = nat_found(link, cx, &from, payloads);
            self.peer_moves(link, cx, from, nat);
        }
        self.addresses_answer(said, link, cx, from)
    }

    /// RFC 4555 §3.5: the initiator alone decides about addresses.
    pub(super) fn moves(&self, said: &Addresses, link: &Link, from: &Path) -> bool {
        said.update
            && !said.is_translated(from)
            && link.mobike
            && matches!(self.policy, Policy::Responder(_))
    }

    /// What the answer to an INFORMATIONAL request says of addresses, whichever IKE SA it came on.
    pub(super) fn addresses_answer(
        &self,
        said: Addresses,
        link: &Link,
        cx: &mut Cx<'_>,
        from: Path,
    ) -> Vec<Payload> {
        let mut answer = Vec::new();
        if said.is_translated(&from) {
            let kind = NotifyType::UNEXPECTED_NAT_DETECTED;
            answer.push(Payload::Notify(Notify::plain(kind)));
        }
        // RFC 4555 §3.8#1: hashes are answered with hashes, whatever else the request is about.
        if said.nat_detection && link.mobike {
            answer.extend(self.nat_hashes(link, cx, from));
        }
        // RFC 4555 §3.7#3, §4.2.5#1: COOKIE2 comes back as it was.
        answer.extend(said.cookie2.map(Payload::Notify));
        answer
    }

    /// RFC 4555 §3.7#1-2: the IKE SA is where its client says, at once; the child SAs follow when the client
    /// has been heard there.
    pub(super) fn peer_moves(&mut self, link: &mut Link, cx: &mut Cx<'_>, from: Path, nat: Nat) {
        self.heard_at.get_or_insert_with(|| way(link));
        link.path = from;
        for other in &mut self.others {
            other.overtaken = true;
            other.link.path = from;
            other.link.send_again(cx);
        }
        if nat.supported {
            link.nat = nat;
            self.remind_nat(link, cx);
        }
        // What waits for an answer may have been sent to where the client is no more.
        link.send_again(cx);
        self.wishes.add(cx.now, Wish::CheckRoute);
    }

    /// RFC 4555 §3.7: asks the peer for what only who receives at its address can know.
    pub(super) fn start_route_check(
        &mut self,
        link: &mut Link,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        let mut cookie = [0; COOKIE2_LEN];
        // RFC 4555 §4.2.5#3: drawn for each check.
        cx.rng.fill(&mut cookie);
        let said = Notify::new(NotifyType::COOKIE2, cookie.to_vec());
        self.pending = Pending::RouteCheck(RouteCheck {
            cookie,
            path: link.path,
        });
        let payloads = [Payload::Notify(said)].to_vec();
        link.request(cx, ExchangeType::INFORMATIONAL, payloads)
    }

    /// The answer to our COOKIE2. Gives the reason where the SA is to end.
    pub(super) fn route_checked(
        &mut self,
        check: RouteCheck,
        link: &Link,
        cx: &mut Cx<'_>,
        payloads: &[Payload],
    ) -> Option<CloseReason> {
        let said = Addresses::read(payloads).cookie2;
        // RFC 4555 §3.7#4-5: another value than ours ends the IKE SA.
        if said.is_none_or(|said| said.data != check.cookie) {
            return Some(CloseReason::Refused(PeerMisbehaved::WrongCookie2.into()));
        }
        // RFC 4555 §3.7: where the peer has moved on meanwhile, the answer says nothing of where it is.
        if check.path == link.path {
            self.heard_at = None;
            cx.event(link.id, moved(link));
        } else {
            self.wishes.add(cx.now, Wish::CheckRoute);
        }
        None
    }

    // --- As the client ---

    /// Our own address is another now. RFC 4555 §3.5: both kinds of SA follow at once, since the headend's
    /// address is one that we know already, and the headend is told.
    pub(super) fn we_move(&mut self, link: &mut Link, cx: &mut Cx<'_>, path: Path) {
        if link.path == path {
            return;
        }
        link.path = path;
        for other in self.other_links_mut() {
            other.path = path;
            other.send_again(cx);
        }
        cx.event(link.id, moved(link));
        // What waits for an answer is sent again the new way.
        link.send_again(cx);
        if link.mobike && matches!(self.policy, Policy::Initiator(_)) {
            self.wishes.add(cx.now, Wish::UpdateAddresses);
        }
    }

    /// The way that a child SA is to take. RFC 4555 §3.7#1-2: the one where the client was heard.
    pub(super) fn esp_way(&self, link: &Link) -> EspWay {
        self.heard_at.unwrap_or_else(|| way(link))
    }

    /// What a question for a sign of life carries. RFC 4555 §3.8#2: a client behind a NAT asks by it where the headend sees
    /// it; and so does one that knows of none, for one may have come in between, or somebody may have sent its last IKE_AUTH
    /// request from elsewhere, where the headend then takes it to be.
    pub(super) fn probe_payloads(&self, link: &Link, cx: &mut Cx<'_>) -> Vec<Payload> {
        let asks = link.mobike && matches!(self.policy, Policy::Initiator(_));
        if asks {
            self.nat_hashes(link, cx, link.path).to_vec()
        } else {
            Vec::new()
        }
    }

    /// A sign of life. RFC 4555 §3.8#3: where the headend sees us at another address or port than before, the NAT has made a
    /// new mapping, and the headend, which may not draw conclusions, is told. After a rekeying the hash is another in
    /// any case, and the first time there is nothing to compare with.
    pub(super) fn probe_answered(&mut self, link: &Link, cx: &Cx<'_>, payloads: &[Payload]) {
        let before = self.seen_at.take();
        self.see(link, payloads);
        let asked = link.mobike && matches!(self.policy, Policy::Initiator(_));
        if asked && self.seen_at.is_some() && self.seen_at != before {
            self.wishes.add(cx.now, Wish::UpdateAddresses);
        }
    }

    fn see(&mut self, link: &Link, payloads: &[Payload]) {
        let here = nat::hash(link.spi_i, Some(link.spi_r), link.path.local);
        self.seen_at = payloads.iter().find_map(|payload| match payload {
            Payload::Notify(said) if said.kind == NotifyType::NAT_DETECTION_DESTINATION_IP => {
                Some(if said.data == here {
                    Seen::Here
                } else {
                    Seen::At(said.data.clone())
                })
            }
            _ => None,
        });
    }

    pub(super) fn start_update(&mut self, link: &mut Link, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        let update = Notify::plain(NotifyType::UPDATE_SA_ADDRESSES);
        let mut payloads = [Payload::Notify(update)].to_vec();
        let path = link.path;
        payloads.extend(self.nat_hashes(link, cx, path));
        self.pending = Pending::UpdateAddresses(path);
        link.request(cx, ExchangeType::INFORMATIONAL, payloads)
    }

    /// The headend's answer to our new address. Gives the reason where the SA is to end.
    pub(super) fn update_answered(
        &mut self,
        sent: Path,
        link: &mut Link,
        cx: &mut Cx<'_>,
        payloads: &[Payload],
    ) -> Option<CloseReason> {
        // RFC 4555 §3.5: overtaken by another change, which is told next.
        // RFC 4555 §3.6#1: the address has changed since it was told: it is told anew.
        if sent != link.path {
            self.wishes.add(cx.now, Wish::UpdateAddresses);
            return None;
        }
        let refused = payloads.iter().find_map(|payload| match payload {
            Payload::Notify(said) if said.kind == NotifyType::UNACCEPTABLE_ADDRESSES => {
                Some(said.kind)
            }
            _ => None,
        });
        if let Some(kind) = refused {
            return Some(CloseReason::Refused(Refusal::ByPeer(kind)));
        }
        self.see(link, payloads);
        let force = link.nat.forced;
        let nat = Nat::detect(payloads, link.spi_i, Some(link.spi_r), &link.path, force);
        if nat.supported {
            let before = core::mem::replace(&mut link.nat, nat);
            if nat.udp_encapsulation() != before.udp_encapsulation() {
                cx.event(link.id, moved(link));
            }
            self.remind_nat(link, cx);
        }
        None
    }

    /// RFC 3948 §4#2: only who is behind a NAT has one to remind, which may be another thing at another address.
    pub(super) fn remind_nat(&mut self, link: &Link, cx: &Cx<'_>) {
        let behind = link.nat.local && link.nat.udp_encapsulation();
        let every = self.policy.upkeep().keepalive.filter(|_| behind);
        self.keepalive = every.map(|every| cx.now.after(every));
    }

    /// RFC 3948 §4#2: a NAT that has seen nothing from here for the whole time is reminded. An IKE message is as good, and so
    /// is ESP, of which the outside knows.
    pub(super) fn keep_nat_awake(&mut self, link: &Link, cx: &mut Cx<'_>) {
        let Some(every) = self.policy.upkeep().keepalive else {
            self.keepalive = None;
            return;
        };
        let mut due = link.sent.after(every);
        if due <= cx.now {
            cx.keepalive(link.id, link.path);
            due = cx.now.after(every);
        }
        self.keepalive = Some(due);
    }

    /// ESP has gone out in the place of the reminder that was due: some time since the one before, since only the dataplane
    /// knows when. So it is asked again soon, and the NAT sees nothing for a quarter longer at most.
    pub(super) fn esp_was_sent(&mut self, cx: &Cx<'_>) {
        let every = self.policy.upkeep().keepalive;
        let soon = every.and_then(|every| every.checked_div(4));
        if let (Some(_), Some(soon)) = (self.keepalive, soon) {
            self.keepalive = Some(cx.now.after(soon));
        }
    }

    fn nat_hashes(&self, link: &Link, cx: &mut Cx<'_>, path: Path) -> [Payload; 2] {
        let force = match &self.policy {
            Policy::Responder(_) => cx.config.nat.force_encapsulation,
            Policy::Initiator(config) => config.force_encapsulation,
        };
        nat::announce(link.spi_i, Some(link.spi_r), &path, force, cx.rng)
    }
}

/// What the hashes say that came with an update on this IKE SA.
pub(super) fn nat_found(link: &Link, cx: &Cx<'_>, from: &Path, payloads: &[Payload]) -> Nat {
    let force = cx.config.nat.force_encapsulation;
    Nat::detect(payloads, link.spi_i, Some(link.spi_r), from, force)
}

const fn way(link: &Link) -> EspWay {
    (link.path, link.nat.udp_encapsulation())
}

const fn moved(link: &Link) -> Event {
    let (path, udp_encapsulation) = way(link);
    Event::PeerMoved {
        path,
        udp_encapsulation,
    }
}

/// RFC 4555 §4.2.6: source and destination as the sender sees them, addresses before ports.
fn addresses_of(path: &Path) -> Vec<u8> {
    let octets = |address: core::net::IpAddr| match address.to_canonical() {
        core::net::IpAddr::V4(address) => address.octets().to_vec(),
        core::net::IpAddr::V6(address) => address.octets().to_vec(),
    };
    let mut written = octets(path.remote.ip());
    written.extend(octets(path.local.ip()));
    written.extend(path.remote.port().to_be_bytes());
    written.extend(path.local.port().to_be_bytes());
    written
}

/// RFC 4555 §3.7#3: COOKIE2 comes back as it was, also on an IKE SA that has a successor or is on its way out: whoever
/// asks is told that it was heard, and else takes it for a forgery.
pub(crate) fn returned(payloads: &[Payload]) -> Option<Payload> {
    Addresses::read(payloads).cookie2.map(Payload::Notify)
}

/// MOBIKE_SUPPORTED (RFC 4555 §4.2.1).
// RFC 4555 §4.2.1#1: without data.
pub(crate) fn supported() -> Payload {
    Payload::Notify(Notify::plain(NotifyType::MOBIKE_SUPPORTED))
}

/// Whether the sender speaks MOBIKE (RFC 4555 §3.2).
// RFC 4555 §4.2.1#2: the notify says it, whatever its data.
pub(crate) fn speaks(payloads: &[Payload]) -> bool {
    payloads.iter().any(
        |payload| matches!(payload, Payload::Notify(said) if said.kind == NotifyType::MOBIKE_SUPPORTED),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 4555 §4.2.1#1-2: it is sent without data, and means the same with some.
    #[test]
    fn mobike_is_announced_without_data_and_understood_with_any() {
        let Payload::Notify(said) = supported() else {
            panic!("no notify")
        };
        assert!(said.data.is_empty() && said.spi.is_empty());
        for data in [Vec::new(), [1, 2, 3].to_vec()] {
            let said = Notify::new(NotifyType::MOBIKE_SUPPORTED, data);
            assert!(speaks(&[Payload::Notify(said)]));
        }
        assert!(!speaks(&[Payload::Notify(Notify::plain(
            NotifyType::COOKIE2
        ))]));
    }
}
