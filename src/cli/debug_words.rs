//! `debug` in IOS-XE's words: what the core and the daemon do, as lines of text.
//!
//! Pure functions; the daemon's log puts the time in front and writes. Where a router's wording is on
//! record it is kept to the letter, its spelling mistakes included, because people search for it; the
//! few lines of our own say so. No key, password or EAP content can get here: the events carry none.

use std::net::Ipv4Addr;

use ironflex_ikev2::{
    crypto::suite::{Group, Hash, IkeSuite, Integrity, Protection},
    event::{Authenticated, CloseReason, Deleted, Event, Path, PayloadName, Trace},
    refusal::PeerIncompatible,
    wire::{
        header::{Header, ResponderSpi},
        payload::{ConfigAttribute, KnownVendor},
        registry::{ConfigAttributeType as Attribute, ExchangeType, PayloadType},
    },
};
use ironflex_xfrm::Limit;

use super::{Printable, exec::DebugFlag};
use crate::{
    daemon::{
        identity::type_name,
        log::{Step, Why},
    },
    state::AuthMethod,
};

#[cfg(test)]
mod tests;

/// Which debugs are on.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct DebugFlags {
    /// `debug crypto ikev2`: the course of every SA.
    pub ikev2: bool,
    /// `debug crypto ikev2 packet`: every message with its payloads and its header.
    pub ikev2_packet: bool,
    /// `debug crypto ikev2 error`: what went wrong, and nothing else.
    pub ikev2_error: bool,
    /// `debug crypto ikev2 internal`: vendor IDs and states.
    pub ikev2_internal: bool,
    /// `debug aaa authentication`
    pub aaa_authentication: bool,
    /// `debug aaa authorization`
    pub aaa_authorization: bool,
    /// `debug crypto ipsec`: SAs made and removed.
    pub crypto_ipsec: bool,
    /// `debug crypto pki`: certificates judged.
    pub crypto_pki: bool,
}

impl DebugFlags {
    /// Whether anything is on.
    #[must_use]
    pub const fn any(&self) -> bool {
        self.ikev2
            || self.ikev2_packet
            || self.ikev2_error
            || self.ikev2_internal
            || self.aaa_authentication
            || self.aaa_authorization
            || self.crypto_ipsec
            || self.crypto_pki
    }

    /// Turns one on or off. Returns the line that a router answers, its line feed included.
    pub fn set(&mut self, flag: DebugFlag, on: bool) -> String {
        *self.slot(flag) = on;
        let state = if on { "on" } else { "off" };
        format!("{} debugging is {state}\n", flag.title())
    }

    pub(super) const fn is_on(&self, flag: DebugFlag) -> bool {
        match flag {
            DebugFlag::AaaAuthentication => self.aaa_authentication,
            DebugFlag::AaaAuthorization => self.aaa_authorization,
            DebugFlag::CryptoIpsec => self.crypto_ipsec,
            DebugFlag::CryptoPki => self.crypto_pki,
            DebugFlag::Ikev2 => self.ikev2,
            DebugFlag::Ikev2Error => self.ikev2_error,
            DebugFlag::Ikev2Internal => self.ikev2_internal,
            DebugFlag::Ikev2Packet => self.ikev2_packet,
        }
    }

    const fn slot(&mut self, flag: DebugFlag) -> &mut bool {
        match flag {
            DebugFlag::AaaAuthentication => &mut self.aaa_authentication,
            DebugFlag::AaaAuthorization => &mut self.aaa_authorization,
            DebugFlag::CryptoIpsec => &mut self.crypto_ipsec,
            DebugFlag::CryptoPki => &mut self.crypto_pki,
            DebugFlag::Ikev2 => &mut self.ikev2,
            DebugFlag::Ikev2Error => &mut self.ikev2_error,
            DebugFlag::Ikev2Internal => &mut self.ikev2_internal,
            DebugFlag::Ikev2Packet => &mut self.ikev2_packet,
        }
    }
}

/// The numbers by which a line names its SA; zero before it has any.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Names {
    /// `SESSION ID`
    pub session_id: u32,
    /// `SA ID`: the tunnel-id.
    pub sa_id: u32,
    /// Where its messages are; absent where nothing is known of it any more, or yet.
    pub place: Option<Place>,
}

/// What the messages of an SA are known by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    /// The initiator's SPI.
    pub initiator_spi: u64,
    /// The responder's SPI.
    pub responder_spi: u64,
    /// We began it.
    pub initiator: bool,
    /// The message ID before the one that the peer's next request has: of its last request, or 0 where none has come.
    pub message_id: u32,
}

/// The lines of a step of the daemon.
#[must_use]
pub fn daemon_lines(flags: &DebugFlags, names: Names, step: Step<'_>) -> Vec<String> {
    let mut lines = Lines::new(flags, names);
    match step {
        Step::SearchingProfile(identity) => lines.say(format!(
            "Searching policy based on peer's identity '{identity}' of type '{}'",
            type_name(identity)
        )),
        Step::FoundPolicy(name) => {
            if name == "default" {
                lines.say("Using the Default Policy for Proposal");
            }
            lines.say(format!("Found Policy '{name}'"));
        }
        Step::FoundProfile(name) => {
            lines.say(format!("found matching IKEv2 profile '{name}'"));
            lines.say("Verify peer's policy");
        }
        Step::Proving { method, identity } => {
            lines.say("Peer's policy verified");
            lines.say("Check for EAP exchange");
            lines.say("Generate my authentication data");
            lines.say(format!("My authentication method is '{method}'"));
            lines.say(format!(
                "Constructing IDr payload: '{identity}' of type '{}'",
                type_name(identity)
            ));
        }
        Step::SessionUp { peer, local } => lines.say(format!(
            "Session with IKE ID PAIR ({}, {}) is UP",
            Printable(peer),
            Printable(local)
        )),
        Step::Deleting(why) => lines.say(format!("Queuing IKE SA delete request reason: {why}")),
        Step::ProfileNotFound => {
            lines.fail(": % IKEv2 profile not found");
            lines.fail(": Failed to locate an item in the database");
        }
        Step::EapSending(document) => lines.say(match document {
            "hello" => "Sending AnyConnect EAP 'hello' request".into(),
            "complete" => "Sending AnyConnect EAP 'VERIFY' request".into(),
            other => format!("Sending AnyConnect EAP '{}'", Printable(other)),
        }),
        Step::EapProcessing => lines.say("Processing AnyConnect EAP response"),
        Step::EapSuccess => lines.say("Sending AnyConnect EAP success status message"),
        // On a router a NAT alone has it so.
        Step::Floated {
            initiator,
            responder,
        } => lines.say(format!(
            "Floating to init port {initiator}, resp port {responder}"
        )),
        Step::Rekeying(inbound_spi, why) => lines.rekeying(inbound_spi, why),
        Step::RekeyTakenBack(inbound_spi) => lines.say(format!(
            "IPsec SA [SPI: 0x{inbound_spi:08X}] is in use again, its rekey is taken back"
        )),
        Step::AaaLogin(list) => {
            if flags.aaa_authentication {
                let session = names.session_id;
                lines.bare(format!("AAA/BIND({session:08X}): Bind i/f  "));
                lines.bare(format!(
                    "AAA/AUTHEN/LOGIN ({:08X}): Pick method list '{list}'",
                    names.session_id
                ));
            }
        }
        // A router's words for this are not on record.
        Step::AaaLocal(passed) => {
            if flags.aaa_authentication {
                let verdict = if passed { "PASS" } else { "FAIL" };
                lines.bare(format!("AAA/LOCAL ({:08X}): {verdict}", names.session_id));
            }
        }
        Step::CertificateHolds(subject) => {
            if flags.crypto_pki {
                let subject = Printable(subject);
                lines.bare(format!("CRYPTO_PKI: Certificate of {subject} validated"));
            }
        }
        Step::CertificateRefused(why) => {
            if flags.crypto_pki {
                let why = Printable(why);
                lines.bare(format!("CRYPTO_PKI: Certificate validation failed: {why}"));
            }
        }
        Step::SaCreated(made) => {
            if flags.crypto_ipsec {
                for (to, spi) in [
                    (made.local, made.inbound_spi),
                    (made.remote, made.outbound_spi),
                ] {
                    lines.bare("IPSEC(create_sa): sa created,");
                    lines.bare(format!("  (sa) sa_dest= {to}, sa_proto= 50, "));
                    lines.bare(format!("    sa_spi= 0x{spi:X}({spi}), "));
                    lines.bare(format!("    sa_trans= {} ", made.transform));
                }
            }
        }
        Step::SaDeleted(spi) => {
            if flags.crypto_ipsec {
                lines.bare("IPSEC(delete_sa): deleting SA,");
                lines.bare(format!("    sa_spi= 0x{spi:X}({spi})"));
            }
        }
        Step::AaaAuthorization(list) => {
            if flags.aaa_authorization {
                lines.bare(format!(
                    "AAA/AUTHOR (0x{:X}): Pick method list '{list}'",
                    names.session_id
                ));
            }
        }
    }
    lines.said
}

/// The lines of an event of the core.
#[must_use]
pub fn event_lines(flags: &DebugFlags, names: Names, event: &Event) -> Vec<String> {
    let mut lines = Lines::new(flags, names);
    match event {
        Event::Initiated => lines.say("Starting IKEv2 SA as initiator"),
        Event::Authenticated(authenticated) => lines.authenticated(authenticated),
        Event::Established { .. } => lines.say("IKEV2 SA created; inserting SA into database"),
        Event::ChildRefused { why, .. } => {
            lines.fail(": Create child exchange failed");
            lines.fail(format!(": {}", Printable(&why.to_string())));
        }
        Event::ChildDeleted { inbound_spi, .. } | Event::ChildRetired { inbound_spi, .. } => {
            lines.say(format!("Deleting IPsec SA [SPI: 0x{inbound_spi:08X}]"));
        }
        Event::ChildSwitched { inbound_spi, .. } => lines.say(format!(
            "IPsec SA [SPI: 0x{inbound_spi:08X}] is in use after its rekey"
        )),
        Event::Quiet => lines.say("DPD timer expired; the peer has been silent"),
        Event::Rekeyed { by_peer } => {
            if *by_peer {
                lines.say("IKEv2 SA is rekeyed by the peer");
            }
            lines.say("IKEv2 SA rekeyed; old SA will be deleted");
        }
        Event::RekeyRefused(refusal) => {
            lines.fail(format!(
                ": Rekey failed: {}",
                Printable(&refusal.to_string())
            ));
        }
        Event::RequestRefused(refusal) => {
            lines.fail(format!(
                ": Request refused: {}",
                Printable(&refusal.to_string())
            ));
        }
        // A client that makes sure says where it is, moved or not.
        Event::PeerMoved { path, .. } => lines.say(format!("Peer is at {} now", path.remote)),
        Event::Notified(kind) => lines.say(format!("Received notify {kind}")),
        Event::Closed(reason) => lines.closed(reason),
        Event::Trace(trace) => lines.trace(trace),
        // What it is made of is told step by step.
        Event::HalfOpen | Event::KeyLog(_) => {}
    }
    lines.said
}

/// Collects the lines that the flags let through.
struct Lines<'a> {
    flags: &'a DebugFlags,
    names: Names,
    said: Vec<String>,
}

impl<'a> Lines<'a> {
    const fn new(flags: &'a DebugFlags, names: Names) -> Self {
        Self {
            flags,
            names,
            said: Vec::new(),
        }
    }

    /// A line as it is: a continuation, or one that names no SA.
    fn bare(&mut self, text: impl Into<String>) {
        self.said.push(text.into());
    }

    fn named(&mut self, tag: &str, text: &str) {
        let Names {
            session_id, sa_id, ..
        } = self.names;
        self.bare(format!(
            "{tag}:(SESSION ID = {session_id},SA ID = {sa_id}):{text}"
        ));
    }

    /// A step of the ordinary course.
    fn say(&mut self, text: impl AsRef<str>) {
        if self.flags.ikev2 {
            self.named("IKEv2", text.as_ref());
        }
    }

    /// What follows a step on lines of its own.
    fn go_on(&mut self, text: impl Into<String>) {
        if self.flags.ikev2 {
            self.bare(text);
        }
    }

    /// Something that went wrong.
    fn fail(&mut self, text: impl AsRef<str>) {
        if self.flags.ikev2 || self.flags.ikev2_error {
            self.named("IKEv2-ERROR", text.as_ref());
        }
    }

    /// Something that only who works on this program wants to know.
    fn internal(&mut self, text: impl AsRef<str>) {
        if self.flags.ikev2_internal {
            let sa_id = self.names.sa_id;
            self.bare(format!("IKEv2-INTERNAL-({sa_id}): {}", text.as_ref()));
        }
    }

    /// The state that an SA is in now.
    fn state(&mut self, state: &str) {
        let Names {
            session_id, sa_id, ..
        } = self.names;
        match self.names.place {
            Some(place) if self.flags.ikev2_internal => self.bare(format!(
                "IKEv2-INTERNAL:(SESSION ID = {session_id},SA ID = {sa_id}):SM Trace-> SA: \
                 I_SPI={:016X} R_SPI={:016X} ({}) MsgID = {} CurState: {state}",
                place.initiator_spi,
                place.responder_spi,
                if place.initiator { "I" } else { "R" },
                place.message_id
            )),
            _ => self.internal(format!("SM Trace-> CurState: {state}")),
        }
    }

    fn authenticated(&mut self, authenticated: &Authenticated) {
        let method = AuthMethod::from(authenticated.proof).name();
        self.say("Get peer's authentication method");
        self.say(format!("Peer's authentication method is '{method}'"));
        if authenticated.initial_contact {
            self.say("Checking for duplicate IKEv2 SA");
        }
    }

    fn closed(&mut self, reason: &CloseReason) {
        match reason {
            CloseReason::PeerDeleted | CloseReason::Deleted | CloseReason::Forgotten => {}
            CloseReason::Unanswered => self.fail(": Maximum number of retransmissions reached"),
            CloseReason::PeerCrashed => self.say("The peer has lost the SA, as its token shows"),
            CloseReason::Expired => self.say("SA lifetime expired"),
            CloseReason::TimedOut => {
                self.fail(": Failed to receive the AUTH msg before the timer expired");
                self.fail(": Auth exchange failed");
            }
            CloseReason::Redirected(gateway) => {
                self.say(format!("Redirecting the client to {gateway}"));
            }
            CloseReason::Refused(refusal) => {
                if *refusal == PeerIncompatible::NoProposalChosen.into() {
                    self.fail(": Failed to find a matching policy");
                }
                self.fail(format!(": {}", Printable(&refusal.to_string())));
                self.fail(": Auth exchange failed");
            }
        }
        self.say("Deleting SA");
    }

    fn trace(&mut self, trace: &Trace) {
        match trace {
            Trace::Received {
                path,
                header,
                payloads,
                ..
            } => self.received(path, header, payloads),
            Trace::Sent {
                path,
                header,
                payloads,
                protected,
                datagrams,
            } => self.sent(path, header, payloads, *protected, *datagrams),
            Trace::VendorReceived(octets) => self.vendor_received(octets),
            Trace::VendorSent(octets) => self.vendor_sent(octets),
            Trace::SuiteChosen(suite) => self.suite(suite),
            // A router calls it so at a first login, too.
            Trace::KeysDerived => {
                self.say("Calculate SKEYSEED and create rekeyed IKEv2 SA");
                self.say("SKEYSEED calculation and creation of rekeyed IKEv2 SA PASSED");
            }
            Trace::NatDetected { local, remote } => {
                self.say("Checking NAT discovery");
                self.say(match (local, remote) {
                    (_, true) => "NAT OUTSIDE found",
                    (true, false) => "NAT INSIDE found",
                    (false, false) => "NAT not found",
                });
            }
            Trace::GrowsOld => {
                self.rekeying(None, Why::Limit(Limit::Seconds));
            }
            Trace::State(state) => self.state(state),
            // Misspelt on a router, too.
            Trace::PeerVerified => self.say("Verification of peer's authenctication data PASSED"),
            Trace::PeerRefused(why) => {
                self.fail("Verification of peer's authentication data FAILED");
                self.fail(": Failed to authenticate the IKE SA");
                self.fail(format!(": {why}"));
            }
            Trace::ConfigReceived(attributes) => {
                self.say("Config data received:");
                self.go_on("Config-type: Config-request ");
                for (kind, length) in attributes {
                    let name = attribute_name(Attribute(*kind));
                    self.go_on(format!("Attrib type: {name}, length: {length}"));
                }
            }
            Trace::ConfigSent(attributes) => {
                self.say("Have config mode data to send");
                self.say("Config data to send:");
                self.go_on("Config-type: Config-reply ");
                for one in attributes {
                    self.go_on(format!(
                        "Attrib type: {}, length: {}, data: {}",
                        attribute_name(one.kind),
                        one.value.len(),
                        attribute_data(one)
                    ));
                }
            }
            Trace::Retransmitted { attempt } => {
                self.say(format!("Retransmitting packet, {attempt} sent before"));
            }
        }
    }

    /// A router's words for this are not on record.
    fn rekeying(&mut self, inbound_spi: Option<u32>, why: Why) {
        let sa = match inbound_spi {
            Some(spi) => format!("IPsec SA [SPI: 0x{spi:08X}]"),
            None => "IKEv2 SA".into(),
        };
        self.say(match why {
            Why::Limit(Limit::Seconds) => {
                format!("{sa} is to be rekeyed: its lifetime in seconds is nearly over")
            }
            Why::Limit(Limit::Bytes) => {
                format!("{sa} is to be rekeyed: its lifetime in kilobytes is nearly over")
            }
            Why::Limit(Limit::Packets) => {
                format!("{sa} is to be rekeyed: its sequence numbers are nearly used up")
            }
            Why::Operator => format!("{sa} is to be rekeyed: the operator wants it"),
            Why::Peer => format!("{sa} is made for a rekey by the peer"),
        });
    }

    /// Messages are told by both `debug crypto ikev2` and its `packet`.
    const fn tells_packets(&self) -> bool {
        self.flags.ikev2 || self.flags.ikev2_packet
    }

    fn received(&mut self, path: &Path, header: &Header, payloads: &[PayloadName]) {
        if self.tells_packets() {
            let way = format!("From {}/To {}", path.remote, path.local);
            self.packet("Received", &way, header);
            self.contents(&payload_list(payloads));
        }
        let request = !header.flags.is_response();
        let has = |kind| payloads.iter().any(|one| one.kind == kind);
        if header.exchange == ExchangeType::IKE_SA_INIT {
            self.say("Verify SA init message");
            if request {
                let local = path.local.ip().to_canonical();
                self.say(format!(
                    "Searching Policy with fvrf 0, local address {local}"
                ));
            }
            self.say("Processing IKE_SA_INIT message");
        }
        if header.exchange == ExchangeType::IKE_AUTH && has(PayloadType::AUTH) {
            self.say("Verify peer's authentication data");
        }
        if request {
            self.deletes("Processing", header, payloads);
        }
    }

    fn sent(
        &mut self,
        path: &Path,
        header: &Header,
        payloads: &[PayloadName],
        protected: bool,
        datagrams: usize,
    ) {
        if !self.tells_packets() {
            return;
        }
        let list = payload_list(payloads);
        if protected {
            self.named("IKEv2", "Building packet for encryption.  ");
            self.contents(&list);
        }
        if datagrams > 1 {
            self.named(
                "IKEv2",
                &format!("Fragmenting packet, number of fragments: {datagrams}"),
            );
        }
        let way = format!("To {}/From {}", path.remote, path.local);
        self.packet("Sending", &way, header);
        self.contents(if protected { " ENCR " } else { &list });
        let has = |kind| payloads.iter().any(|one| one.kind == kind);
        let answers = header.flags.is_response() && header.exchange == ExchangeType::IKE_SA_INIT;
        // One without a key asks for another first message.
        if answers && has(PayloadType::KE) {
            self.say("Completed SA init exchange");
        }
        if !header.flags.is_response() {
            self.deletes("Sending", header, payloads);
        }
    }

    /// What a request deletes.
    fn deletes(&mut self, verb: &str, header: &Header, payloads: &[PayloadName]) {
        for deleted in payloads.iter().filter_map(|payload| payload.deleted) {
            let what = match deleted {
                Deleted::IkeSa => format!(
                    "IKEv2 SA [ISPI: 0x{} RSPI: 0x{:016X}]",
                    header.initiator_spi,
                    header.responder_spi.map_or(0, ResponderSpi::get)
                ),
                Deleted::ChildSas { first, others: 0 } => format!("IPsec SA [SPI: 0x{first:08X}]"),
                Deleted::ChildSas { first, others } => {
                    format!("IPsec SA [SPI: 0x{first:08X}] and {others} more")
                }
            };
            self.say(format!("{verb} DELETE INFO message for {what}"));
        }
    }

    fn packet(&mut self, verb: &str, way: &str, header: &Header) {
        self.named("IKEv2", &format!("{verb} Packet [{way}/VRF i0:f0] "));
        self.bare(format!(
            "Initiator SPI : {} - Responder SPI : {:016X} Message id: {}",
            header.initiator_spi,
            header.responder_spi.map_or(0, ResponderSpi::get),
            header.message_id
        ));
        let direction = if header.flags.is_response() {
            "RESPONSE"
        } else {
            "REQUEST"
        };
        self.bare(format!("IKEv2 {} Exchange {direction} ", header.exchange));
        if self.flags.ikev2_packet {
            let initiator = if header.flags.is_initiator() {
                "INITIATOR"
            } else {
                "RESPONDER"
            };
            let response = if header.flags.is_response() {
                " MSG-RESPONSE"
            } else {
                ""
            };
            self.named(
                "IKEv2-PAK",
                &format!(
                    "Next payload: {}, version: {} Exchange type: {}, flags: {initiator}{response} Message id: {}, length: {}",
                    payload_name(header.next_payload.into()),
                    header.version,
                    header.exchange,
                    header.message_id,
                    header.length
                ),
            );
        }
    }

    fn contents(&mut self, list: &str) {
        self.bare("Payload contents: ");
        self.bare(list);
    }

    fn vendor_received(&mut self, octets: &[u8]) {
        match KnownVendor::recognise(octets) {
            Some(KnownVendor::AnyConnectEap) => {
                self.internal("Received custom vendorid : CISCO-ANYCONNECT-EAP");
            }
            Some(known) => {
                self.internal(format!(
                    "Received custom vendor id : {}",
                    vendor_name(known)
                ));
            }
            None => self.internal(format!("Received unknown vendor id : {}", shown(octets))),
        }
    }

    fn vendor_sent(&mut self, octets: &[u8]) {
        match KnownVendor::recognise(octets) {
            Some(KnownVendor::AnyConnectEap) => {
                self.internal("Sending custom Vendor id : CISCO-ANYCONNECT-EAP");
            }
            Some(known) => {
                self.internal(format!("Sending custom vendor id : {}", vendor_name(known)));
            }
            None => self.internal(format!("Sending vendor id : {}", shown(octets))),
        }
    }

    fn suite(&mut self, suite: &IkeSuite) {
        let prf = hash_name(suite.prf.hash());
        let group = group_name(suite.group);
        let (count, first) = match suite.protection {
            Protection::Aead(_) => (3, format!("AES-GCM   {prf}")),
            Protection::EncryptThenMac(_, integrity) => (
                4,
                format!("AES-CBC   {prf}   {}", integrity_name(integrity)),
            ),
        };
        self.say("IKE Proposal: 1, SPI size: 0 (initial negotiation), ");
        self.go_on(format!("Num. transforms: {count}"));
        self.go_on(format!("   {first}   {group} "));
        let number = group.rsplit(' ').next().unwrap_or(group);
        self.say(format!(
            "[IKEv2 -> Crypto Engine] Computing DH public key, DH Group {number}"
        ));
        // What the engine answers names no session.
        let sa_id = self.names.sa_id;
        self.go_on(format!(
            "IKEv2:(SA ID = {sa_id}):[Crypto Engine -> IKEv2] DH key Computation PASSED"
        ));
        self.say("Request queued for computation of DH key");
    }
}

/// The payloads of a message, each followed by a blank.
fn payload_list(payloads: &[PayloadName]) -> String {
    let mut list = String::from(" ");
    for payload in payloads {
        list.push_str(&payload_name(*payload));
        list.push(' ');
    }
    list
}

fn payload_name(payload: PayloadName) -> String {
    if let Some(notify) = payload.notify {
        return format!("NOTIFY({notify})");
    }
    match payload.kind {
        PayloadType::NONCE => "N".into(),
        PayloadType::CP => "CFG".into(),
        PayloadType::SK => "ENCR".into(),
        other => other.to_string(),
    }
}

fn vendor_name(known: KnownVendor) -> &'static str {
    match known {
        KnownVendor::Copyright => "CISCO(COPYRIGHT)",
        KnownVendor::Fragmentation => "FRAGMENTATION",
        other => std::str::from_utf8(other.bytes()).unwrap_or("unknown"),
    }
}

const fn hash_name(hash: Hash) -> &'static str {
    match hash {
        Hash::Sha1 => "SHA1",
        Hash::Sha2_256 => "SHA256",
        Hash::Sha2_384 => "SHA384",
        Hash::Sha2_512 => "SHA512",
    }
}

const fn integrity_name(integrity: Integrity) -> &'static str {
    match integrity {
        Integrity::HmacSha1_96 => "SHA96",
        Integrity::HmacSha2_256_128 => "SHA256",
        Integrity::HmacSha2_384_192 => "SHA384",
        Integrity::HmacSha2_512_256 => "SHA512",
    }
}

const fn group_name(group: Group) -> &'static str {
    match group {
        Group::Modp2048 => "DH_GROUP_2048_MODP/Group 14",
        Group::Modp3072 => "DH_GROUP_3072_MODP/Group 15",
        Group::Modp4096 => "DH_GROUP_4096_MODP/Group 16",
        Group::EcpP256 => "DH_GROUP_256_ECP/Group 19",
        Group::EcpP384 => "DH_GROUP_384_ECP/Group 20",
        Group::EcpP521 => "DH_GROUP_521_ECP/Group 21",
        // No router has it.
        Group::Curve25519 => "DH_GROUP_CURVE25519/Group 31",
        Group::MlKem512 => "ML-KEM-512",
        Group::MlKem768 => "ML-KEM-768",
        Group::MlKem1024 => "ML-KEM-1024",
    }
}

fn attribute_name(kind: Attribute) -> String {
    match kind {
        Attribute::INTERNAL_IP4_ADDRESS => "ipv4-addr".into(),
        Attribute::INTERNAL_IP4_NETMASK => "ipv4-netmask".into(),
        Attribute::INTERNAL_IP4_DNS => "ipv4-dns".into(),
        Attribute::INTERNAL_IP4_NBNS => "ipv4-nbns".into(),
        Attribute::INTERNAL_IP4_SUBNET => "ipv4-subnet".into(),
        Attribute::INTERNAL_IP6_ADDRESS => "ipv6-addr".into(),
        Attribute::INTERNAL_IP6_DNS => "ipv6-dns".into(),
        Attribute::INTERNAL_IP6_SUBNET => "ipv6-subnet".into(),
        Attribute::APPLICATION_VERSION => "app-version".into(),
        Attribute::UNITY_BANNER => "banner".into(),
        Attribute::UNITY_DEF_DOMAIN => "def-domain".into(),
        Attribute::UNITY_SPLITDNS_NAME => "split-dns".into(),
        Attribute::UNITY_BACKUP_SERVERS => "backup-gateway".into(),
        Attribute(number) => format!("unknown - {number}"),
    }
}

fn attribute_data(attribute: &ConfigAttribute) -> String {
    let quads: Vec<Ipv4Addr> = attribute
        .value
        .as_chunks::<4>()
        .0
        .iter()
        .map(|octets| Ipv4Addr::from(*octets))
        .collect();
    match (attribute.kind, attribute.value.len(), quads.as_slice()) {
        (
            Attribute::INTERNAL_IP4_ADDRESS
            | Attribute::INTERNAL_IP4_NETMASK
            | Attribute::INTERNAL_IP4_DNS
            | Attribute::INTERNAL_IP4_NBNS,
            4,
            [address],
        ) => address.to_string(),
        (Attribute::INTERNAL_IP4_SUBNET, 8, [network, mask]) => format!("{network} {mask}"),
        _ => shown(&attribute.value),
    }
}

/// As much of somebody's octets as a line shows.
const SHOWN: usize = 64;

/// Octets as text where they are printable, otherwise in hexadecimal; cut.
fn shown(octets: &[u8]) -> String {
    let front = octets.get(..SHOWN).unwrap_or(octets);
    let more = if front.len() < octets.len() {
        "..."
    } else {
        ""
    };
    let is_text = front
        .iter()
        .all(|one| one.is_ascii_graphic() || *one == b' ');
    if is_text {
        return format!("{}{more}", String::from_utf8_lossy(front));
    }
    let hex: String = front.iter().map(|octet| format!("{octet:02x}")).collect();
    format!("0x{hex}{more}")
}
