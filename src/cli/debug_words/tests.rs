//! Every line, against the words of a router.

use std::sync::Arc;

use ironflex_ikev2::{
    crypto::suite::{Additional, AeadAlgorithm, CbcAlgorithm, PrfAlgorithm},
    event::{ChildId, Framing, PeerProof},
    refusal::{AuthFault, PeerMisbehaved, Refusal},
    wire::{
        header::{Flags, InitiatorSpi, MessageId},
        payload::Identification,
        registry::{ExchangeType, NotifyType},
    },
};

use super::*;
use crate::daemon::session::Deletion;

const NAMES: Names = Names {
    session_id: 38,
    sa_id: 1,
    place: None,
};

fn flags(on: &[DebugFlag]) -> DebugFlags {
    let mut flags = DebugFlags::default();
    for flag in on {
        flags.set(*flag, true);
    }
    flags
}

/// What an event says under `debug crypto ikev2`.
fn told(event: &Event) -> Vec<String> {
    event_lines(&flags(&[DebugFlag::Ikev2]), NAMES, event)
}

fn traced(trace: Trace) -> Vec<String> {
    told(&Event::Trace(Box::new(trace)))
}

fn step(step: Step<'_>) -> Vec<String> {
    daemon_lines(&flags(&[DebugFlag::Ikev2]), NAMES, step)
}

/// Lines that all name the SA.
fn named(tag: &str, texts: &[&str]) -> Vec<String> {
    let line = |text: &&str| format!("{tag}:(SESSION ID = 38,SA ID = 1):{text}");
    texts.iter().map(line).collect()
}

fn path() -> Path {
    Path {
        local: "192.0.2.1:500".parse().unwrap(),
        remote: "192.0.2.100:50898".parse().unwrap(),
        framing: Framing::Bare,
    }
}

fn header(responder_spi: u64, exchange: ExchangeType, flags: Flags, message_id: u32) -> Header {
    Header::new(
        InitiatorSpi::new(0x1D41_8169_B24B_F95A).unwrap(),
        ResponderSpi::new(responder_spi),
        exchange,
        flags,
        MessageId(message_id),
    )
}

fn first_request() -> Event {
    Event::Trace(Box::new(Trace::Received {
        path: path(),
        header: Header {
            next_payload: PayloadType::SA,
            length: 574,
            ..header(0, ExchangeType::IKE_SA_INIT, Flags::new(true, false), 0)
        },
        payloads: vec![
            PayloadType::SA.into(),
            PayloadType::KE.into(),
            PayloadType::NONCE.into(),
            PayloadType::VENDOR.into(),
            PayloadType::VENDOR.into(),
            PayloadName {
                kind: PayloadType::NOTIFY,
                notify: Some(NotifyType::NAT_DETECTION_SOURCE_IP),
                deleted: None,
            },
        ],
        protected: false,
    }))
}

const RECEIVED: [&str; 5] = [
    "IKEv2:(SESSION ID = 38,SA ID = 1):Received Packet [From 192.0.2.100:50898/To 192.0.2.1:500/VRF i0:f0] ",
    "Initiator SPI : 1D418169B24BF95A - Responder SPI : 0000000000000000 Message id: 0",
    "IKEv2 IKE_SA_INIT Exchange REQUEST ",
    "Payload contents: ",
    " SA KE N VID VID NOTIFY(NAT_DETECTION_SOURCE_IP) ",
];

#[test]
fn tells_a_received_packet_with_its_payloads() {
    let processing = named(
        "IKEv2",
        &[
            "Verify SA init message",
            "Searching Policy with fvrf 0, local address 192.0.2.1",
            "Processing IKE_SA_INIT message",
        ],
    );
    let expected = [RECEIVED.map(str::to_owned).to_vec(), processing].concat();
    assert_eq!(told(&first_request()), expected);
}

#[test]
fn packet_debugging_adds_the_header() {
    let mut expected = RECEIVED.map(str::to_owned).to_vec();
    expected.insert(
        3,
        "IKEv2-PAK:(SESSION ID = 38,SA ID = 1):Next payload: SA, version: 2.0 Exchange type: \
         IKE_SA_INIT, flags: INITIATOR Message id: 0, length: 574"
            .to_owned(),
    );
    let lines = event_lines(&flags(&[DebugFlag::Ikev2Packet]), NAMES, &first_request());
    assert_eq!(lines, expected);
}

#[test]
fn tells_an_encrypted_packet_before_and_after_encryption() {
    let lines = traced(Trace::Sent {
        path: path(),
        header: header(
            0xA645_046F_7342_60C6,
            ExchangeType::IKE_AUTH,
            Flags::new(false, true),
            1,
        ),
        payloads: vec![
            PayloadType::ID_R.into(),
            PayloadType::CERT.into(),
            PayloadType::CP.into(),
            PayloadType::EAP.into(),
        ],
        protected: true,
        datagrams: 3,
    });
    assert_eq!(
        lines,
        [
            "IKEv2:(SESSION ID = 38,SA ID = 1):Building packet for encryption.  ",
            "Payload contents: ",
            " IDr CERT CFG EAP ",
            "IKEv2:(SESSION ID = 38,SA ID = 1):Fragmenting packet, number of fragments: 3",
            "IKEv2:(SESSION ID = 38,SA ID = 1):Sending Packet [To 192.0.2.100:50898/From 192.0.2.1:500/VRF i0:f0] ",
            "Initiator SPI : 1D418169B24BF95A - Responder SPI : A645046F734260C6 Message id: 1",
            "IKEv2 IKE_AUTH Exchange RESPONSE ",
            "Payload contents: ",
            " ENCR ",
        ]
    );
}

#[test]
fn spells_vendor_ids_as_the_seed_does() {
    let internal = flags(&[DebugFlag::Ikev2Internal]);
    let line = |trace| event_lines(&internal, NAMES, &Event::Trace(Box::new(trace)));
    let received = |octets: &[u8]| line(Trace::VendorReceived(octets.to_vec()));
    let sent = |known: KnownVendor| line(Trace::VendorSent(known.bytes().to_vec()));
    assert_eq!(
        received(KnownVendor::Copyright.bytes()),
        ["IKEv2-INTERNAL-(1): Received custom vendor id : CISCO(COPYRIGHT)"]
    );
    assert_eq!(
        received(KnownVendor::AnyConnectEap.bytes()),
        ["IKEv2-INTERNAL-(1): Received custom vendorid : CISCO-ANYCONNECT-EAP"]
    );
    assert_eq!(
        received(KnownVendor::Fragmentation.bytes()),
        ["IKEv2-INTERNAL-(1): Received custom vendor id : FRAGMENTATION"]
    );
    assert_eq!(
        received(&[0xff; 70]),
        [format!(
            "IKEv2-INTERNAL-(1): Received unknown vendor id : 0x{}...",
            "ff".repeat(64)
        )]
    );
    assert_eq!(
        sent(KnownVendor::Copyright),
        ["IKEv2-INTERNAL-(1): Sending custom vendor id : CISCO(COPYRIGHT)"]
    );
    assert_eq!(
        sent(KnownVendor::GreMode),
        ["IKEv2-INTERNAL-(1): Sending custom vendor id : CISCO-GRE-MODE"]
    );
    assert_eq!(
        sent(KnownVendor::AnyConnectEap),
        ["IKEv2-INTERNAL-(1): Sending custom Vendor id : CISCO-ANYCONNECT-EAP"]
    );
    assert_eq!(
        line(Trace::VendorSent(b"ironflex".to_vec())),
        ["IKEv2-INTERNAL-(1): Sending vendor id : ironflex"]
    );
    assert_eq!(
        line(Trace::State("R_WAIT_AUTH")),
        ["IKEv2-INTERNAL-(1): SM Trace-> CurState: R_WAIT_AUTH"]
    );
    assert_eq!(traced(Trace::State("R_WAIT_AUTH")), [""; 0]);
    let placed = Names {
        place: Some(Place {
            initiator_spi: 0x1D41_8169_B24B_F95A,
            responder_spi: 0xA645_046F_7342_60C6,
            initiator: false,
            message_id: 1,
        }),
        ..NAMES
    };
    let state = Event::Trace(Box::new(Trace::State("R_WAIT_AUTH")));
    assert_eq!(
        event_lines(&internal, placed, &state),
        [
            "IKEv2-INTERNAL:(SESSION ID = 38,SA ID = 1):SM Trace-> SA: I_SPI=1D418169B24BF95A \
             R_SPI=A645046F734260C6 (R) MsgID = 1 CurState: R_WAIT_AUTH"
        ]
    );
    assert_eq!(
        event_lines(&flags(&[DebugFlag::Ikev2]), placed, &state),
        [""; 0]
    );
}

#[test]
fn tells_the_suite_that_was_chosen() {
    let suite = |protection, prf, group| {
        traced(Trace::SuiteChosen(IkeSuite {
            protection,
            prf,
            group,
            additional: Additional::NONE,
        }))
    };
    let head =
        "IKEv2:(SESSION ID = 38,SA ID = 1):IKE Proposal: 1, SPI size: 0 (initial negotiation), ";
    assert_eq!(
        suite(
            Protection::EncryptThenMac(CbcAlgorithm::AesCbc256, Integrity::HmacSha2_256_128),
            PrfAlgorithm::HmacSha2_256,
            Group::Modp2048,
        ),
        [
            head,
            "Num. transforms: 4",
            "   AES-CBC   SHA256   SHA256   DH_GROUP_2048_MODP/Group 14 ",
            "IKEv2:(SESSION ID = 38,SA ID = 1):[IKEv2 -> Crypto Engine] Computing DH public key, DH Group 14",
            "IKEv2:(SA ID = 1):[Crypto Engine -> IKEv2] DH key Computation PASSED",
            "IKEv2:(SESSION ID = 38,SA ID = 1):Request queued for computation of DH key",
        ]
    );
    assert_eq!(
        suite(
            Protection::EncryptThenMac(CbcAlgorithm::AesCbc128, Integrity::HmacSha1_96),
            PrfAlgorithm::HmacSha1,
            Group::Modp3072,
        )[2],
        "   AES-CBC   SHA1   SHA96   DH_GROUP_3072_MODP/Group 15 "
    );
    assert_eq!(
        suite(
            Protection::Aead(AeadAlgorithm::AesGcm16_256),
            PrfAlgorithm::HmacSha2_384,
            Group::EcpP384,
        )[..3],
        [
            head,
            "Num. transforms: 3",
            "   AES-GCM   SHA384   DH_GROUP_384_ECP/Group 20 ",
        ]
    );
}

#[test]
fn tells_keys_nat_and_proofs() {
    assert_eq!(
        traced(Trace::KeysDerived),
        named(
            "IKEv2",
            &[
                "Calculate SKEYSEED and create rekeyed IKEv2 SA",
                "SKEYSEED calculation and creation of rekeyed IKEv2 SA PASSED",
            ]
        )
    );
    for (local, remote, found) in [
        (false, false, "NAT not found"),
        (false, true, "NAT OUTSIDE found"),
        (true, false, "NAT INSIDE found"),
        (true, true, "NAT OUTSIDE found"),
    ] {
        let lines = traced(Trace::NatDetected { local, remote });
        assert_eq!(lines, named("IKEv2", &["Checking NAT discovery", found]));
    }
    assert_eq!(
        traced(Trace::PeerVerified),
        named(
            "IKEv2",
            &["Verification of peer's authenctication data PASSED"]
        )
    );
    assert_eq!(
        traced(Trace::PeerRefused("SK_pr would have matched")),
        named(
            "IKEv2-ERROR",
            &[
                "Verification of peer's authentication data FAILED",
                ": Failed to authenticate the IKE SA",
                ": SK_pr would have matched",
            ]
        )
    );
    assert_eq!(
        traced(Trace::Retransmitted { attempt: 2 }),
        named("IKEv2", &["Retransmitting packet, 2 sent before"])
    );
}

#[test]
fn tells_configuration_attributes_by_their_names() {
    assert_eq!(
        traced(Trace::ConfigReceived(vec![(1, 0), (7, 40), (28_683, 2)])),
        [
            "IKEv2:(SESSION ID = 38,SA ID = 1):Config data received:",
            "Config-type: Config-request ",
            "Attrib type: ipv4-addr, length: 0",
            "Attrib type: app-version, length: 40",
            "Attrib type: unknown - 28683, length: 2",
        ]
    );
    let one = |kind, value: &[u8]| ConfigAttribute::new(kind, value.to_vec());
    assert_eq!(
        traced(Trace::ConfigSent(vec![
            one(Attribute::INTERNAL_IP4_ADDRESS, &[192, 168, 10, 8]),
            one(Attribute::INTERNAL_IP4_DNS, &[10, 0, 1, 1]),
            one(Attribute::INTERNAL_IP4_SUBNET, &[10, 0, 0, 0, 255, 0, 0, 0]),
            one(Attribute::UNITY_DEF_DOMAIN, b"example.com"),
            one(Attribute::UNITY_BANNER, b"hi\x1b[2J"),
            one(Attribute::INTERNAL_IP4_DNS, &[10, 0, 1]),
        ])),
        [
            "IKEv2:(SESSION ID = 38,SA ID = 1):Have config mode data to send",
            "IKEv2:(SESSION ID = 38,SA ID = 1):Config data to send:",
            "Config-type: Config-reply ",
            "Attrib type: ipv4-addr, length: 4, data: 192.168.10.8",
            "Attrib type: ipv4-dns, length: 4, data: 10.0.1.1",
            "Attrib type: ipv4-subnet, length: 8, data: 10.0.0.0 255.0.0.0",
            "Attrib type: def-domain, length: 11, data: example.com",
            "Attrib type: banner, length: 6, data: 0x68691b5b324a",
            "Attrib type: ipv4-dns, length: 3, data: 0x0a0001",
        ]
    );
}

#[test]
fn tells_what_an_sa_is_rekeyed_for() {
    let child = Some(0x1234_abcd);
    for (sa, why, text) in [
        (
            child,
            Why::Limit(Limit::Seconds),
            "IPsec SA [SPI: 0x1234ABCD] is to be rekeyed: its lifetime in seconds is nearly over",
        ),
        (
            child,
            Why::Limit(Limit::Bytes),
            "IPsec SA [SPI: 0x1234ABCD] is to be rekeyed: its lifetime in kilobytes is nearly over",
        ),
        (
            child,
            Why::Limit(Limit::Packets),
            "IPsec SA [SPI: 0x1234ABCD] is to be rekeyed: its sequence numbers are nearly used up",
        ),
        (
            child,
            Why::Operator,
            "IPsec SA [SPI: 0x1234ABCD] is to be rekeyed: the operator wants it",
        ),
        (
            None,
            Why::Operator,
            "IKEv2 SA is to be rekeyed: the operator wants it",
        ),
        (
            child,
            Why::Peer,
            "IPsec SA [SPI: 0x1234ABCD] is made for a rekey by the peer",
        ),
    ] {
        assert_eq!(step(Step::Rekeying(sa, why)), named("IKEv2", &[text]));
    }
    let text = "IKEv2 SA is to be rekeyed: its lifetime in seconds is nearly over";
    let told_of = traced(Trace::GrowsOld);
    assert_eq!(told_of, named("IKEv2", &[text]));
    let [by_peer, replaced] = [
        "IKEv2 SA is rekeyed by the peer",
        "IKEv2 SA rekeyed; old SA will be deleted",
    ];
    let told = |by_peer| told(&Event::Rekeyed { by_peer });
    assert_eq!(told(true), named("IKEv2", &[by_peer, replaced]));
    assert_eq!(told(false), named("IKEv2", &[replaced]));
}

#[test]
fn tells_the_search_for_a_profile() {
    let client = Identification::key_id(b"*$AnyConnectClient$*".to_vec());
    assert_eq!(
        step(Step::SearchingProfile(&client)),
        named(
            "IKEv2",
            &["Searching policy based on peer's identity '*$AnyConnectClient$*' of type 'key ID'"]
        )
    );
    assert_eq!(
        step(Step::FoundProfile("AnyConnect-EAP")),
        named(
            "IKEv2",
            &[
                "found matching IKEv2 profile 'AnyConnect-EAP'",
                "Verify peer's policy",
            ]
        )
    );
    let local = Identification::address("192.0.2.1".parse().unwrap());
    assert_eq!(
        step(Step::Proving {
            method: "RSA",
            identity: &local
        }),
        named(
            "IKEv2",
            &[
                "Peer's policy verified",
                "Check for EAP exchange",
                "Generate my authentication data",
                "My authentication method is 'RSA'",
                "Constructing IDr payload: '192.0.2.1' of type 'IPv4 address'",
            ]
        )
    );
    assert_eq!(
        step(Step::ProfileNotFound),
        named(
            "IKEv2-ERROR",
            &[
                ": % IKEv2 profile not found",
                ": Failed to locate an item in the database"
            ]
        )
    );
}

#[test]
fn tells_policies_the_end_of_the_first_exchange_sessions_and_deletes() {
    let policy = |name| step(Step::FoundPolicy(name));
    assert_eq!(
        policy("IKEv2-pol"),
        named("IKEv2", &["Found Policy 'IKEv2-pol'"])
    );
    assert_eq!(
        policy("default"),
        named(
            "IKEv2",
            &[
                "Using the Default Policy for Proposal",
                "Found Policy 'default'"
            ]
        )
    );
    assert_eq!(
        step(Step::SessionUp {
            peer: "*$AnyConnectClient$*",
            local: "192.0.2.1"
        }),
        named(
            "IKEv2",
            &["Session with IKE ID PAIR (*$AnyConnectClient$*, 192.0.2.1) is UP"]
        )
    );
    assert_eq!(
        step(Step::Deleting(Deletion::ByOperator)),
        named(
            "IKEv2",
            &["Queuing IKE SA delete request reason: cleared by the operator"]
        )
    );
    let sent = |exchange, flags, payload: PayloadName| {
        let lines = traced(Trace::Sent {
            path: path(),
            header: header(0xA645_046F_7342_60C6, exchange, flags, 1),
            payloads: vec![payload],
            protected: false,
            datagrams: 1,
        });
        lines.into_iter().skip(5).collect::<Vec<_>>()
    };
    let (request, response) = (Flags::new(false, false), Flags::new(false, true));
    assert_eq!(
        sent(ExchangeType::IKE_SA_INIT, response, PayloadType::KE.into()),
        named("IKEv2", &["Completed SA init exchange"])
    );
    assert_eq!(
        sent(
            ExchangeType::IKE_SA_INIT,
            response,
            PayloadType::NOTIFY.into()
        ),
        [""; 0]
    );
    let delete = |deleted| PayloadName {
        deleted: Some(deleted),
        ..PayloadType::DELETE.into()
    };
    let children = |others| {
        delete(Deleted::ChildSas {
            first: 0x0153_CF67,
            others,
        })
    };
    for (payload, what) in [
        (
            delete(Deleted::IkeSa),
            "IKEv2 SA [ISPI: 0x1D418169B24BF95A RSPI: 0xA645046F734260C6]",
        ),
        (children(0), "IPsec SA [SPI: 0x0153CF67]"),
        (children(2), "IPsec SA [SPI: 0x0153CF67] and 2 more"),
    ] {
        let line = format!("Sending DELETE INFO message for {what}");
        assert_eq!(
            sent(ExchangeType::INFORMATIONAL, request, payload),
            named("IKEv2", &[line.as_str()])
        );
        // An answer deletes nothing further.
        assert_eq!(
            sent(ExchangeType::INFORMATIONAL, response, payload),
            [""; 0]
        );
    }
    let received = |exchange, payload: PayloadName| {
        let lines = traced(Trace::Received {
            path: path(),
            header: header(1, exchange, Flags::new(true, false), 1),
            payloads: vec![payload],
            protected: true,
        });
        lines.into_iter().skip(5).collect::<Vec<_>>()
    };
    assert_eq!(
        received(ExchangeType::INFORMATIONAL, children(0)),
        named(
            "IKEv2",
            &["Processing DELETE INFO message for IPsec SA [SPI: 0x0153CF67]"]
        )
    );
    assert_eq!(
        received(ExchangeType::IKE_AUTH, PayloadType::AUTH.into()),
        named("IKEv2", &["Verify peer's authentication data"])
    );
}

#[test]
fn tells_the_steps_of_eap_as_the_seed_does() {
    for (document, text) in [
        ("hello", "Sending AnyConnect EAP 'hello' request"),
        ("auth-request", "Sending AnyConnect EAP 'auth-request'"),
        ("complete", "Sending AnyConnect EAP 'VERIFY' request"),
    ] {
        assert_eq!(step(Step::EapSending(document)), named("IKEv2", &[text]));
    }
    assert_eq!(
        step(Step::EapProcessing),
        named("IKEv2", &["Processing AnyConnect EAP response"])
    );
    assert_eq!(
        step(Step::EapSuccess),
        named("IKEv2", &["Sending AnyConnect EAP success status message"])
    );
}

#[test]
fn tells_method_lists_only_to_their_own_debug() {
    let authentication = flags(&[DebugFlag::AaaAuthentication]);
    let authorization = flags(&[DebugFlag::AaaAuthorization]);
    let login = Step::AaaLogin("a-eap-authen-local");
    let group = Step::AaaAuthorization("a-eap-author-grp");
    assert_eq!(
        daemon_lines(&authentication, NAMES, login),
        [
            "AAA/BIND(00000026): Bind i/f  ",
            "AAA/AUTHEN/LOGIN (00000026): Pick method list 'a-eap-authen-local'",
        ]
    );
    for (passed, verdict) in [(true, "PASS"), (false, "FAIL")] {
        assert_eq!(
            daemon_lines(&authentication, NAMES, Step::AaaLocal(passed)),
            [format!("AAA/LOCAL (00000026): {verdict}")]
        );
        assert_eq!(
            daemon_lines(&authorization, NAMES, Step::AaaLocal(passed)),
            [""; 0]
        );
    }
    assert_eq!(
        daemon_lines(&authorization, NAMES, group),
        ["AAA/AUTHOR (0x26): Pick method list 'a-eap-author-grp'"]
    );
    assert_eq!(daemon_lines(&authorization, NAMES, login), [""; 0]);
    assert_eq!(daemon_lines(&authentication, NAMES, group), [""; 0]);
    assert_eq!(step(login), [""; 0]);
}

fn authenticated(proof: PeerProof, initial_contact: bool) -> Event {
    Event::Authenticated(Authenticated {
        peer: Identification::fqdn("peer.example"),
        proof,
        eap_user: (proof == PeerProof::Eap).then(|| Arc::from("test")),
        initial_contact,
        ppk: false,
    })
}

#[test]
fn tells_the_life_of_an_sa() {
    assert_eq!(
        told(&Event::Initiated),
        named("IKEv2", &["Starting IKEv2 SA as initiator"])
    );
    assert_eq!(told(&Event::HalfOpen), named("IKEv2", &[]));
    assert_eq!(
        told(&authenticated(PeerProof::Eap, true)),
        named(
            "IKEv2",
            &[
                "Get peer's authentication method",
                "Peer's authentication method is 'AnyConnect-EAP'",
                "Checking for duplicate IKEv2 SA",
            ]
        )
    );
    assert_eq!(
        told(&authenticated(PeerProof::RsaSignature, false)),
        named(
            "IKEv2",
            &[
                "Get peer's authentication method",
                "Peer's authentication method is 'RSA'"
            ]
        )
    );
    assert_eq!(
        told(&Event::Established { child: true }),
        named("IKEv2", &["IKEV2 SA created; inserting SA into database"])
    );
    assert_eq!(
        told(&Event::ChildDeleted {
            child: ChildId::default(),
            inbound_spi: 0xA153_CF67
        }),
        named("IKEv2", &["Deleting IPsec SA [SPI: 0xA153CF67]"])
    );
    assert_eq!(
        told(&Event::PeerMoved {
            path: path(),
            udp_encapsulation: true
        }),
        named("IKEv2", &["Peer is at 192.0.2.100:50898 now"])
    );
    assert_eq!(
        told(&Event::Notified(NotifyType::INITIAL_CONTACT)),
        named("IKEv2", &["Received notify INITIAL_CONTACT"])
    );
}

#[test]
fn tells_why_an_sa_ends() {
    let error = |texts: &[&str]| {
        let mut lines = named("IKEv2-ERROR", texts);
        lines.extend(named("IKEv2", &["Deleting SA"]));
        lines
    };
    let closed = |reason| told(&Event::Closed(reason));
    // The message says that it is processed.
    for reason in [
        CloseReason::PeerDeleted,
        CloseReason::Deleted,
        CloseReason::Forgotten,
    ] {
        assert_eq!(closed(reason), named("IKEv2", &["Deleting SA"]));
    }
    assert_eq!(
        closed(CloseReason::Unanswered),
        error(&[": Maximum number of retransmissions reached"])
    );
    assert_eq!(
        closed(CloseReason::PeerCrashed),
        named(
            "IKEv2",
            &[
                "The peer has lost the SA, as its token shows",
                "Deleting SA"
            ]
        )
    );
    assert_eq!(
        closed(CloseReason::TimedOut),
        error(&[
            ": Failed to receive the AUTH msg before the timer expired",
            ": Auth exchange failed",
        ])
    );
    let refusal = Refusal::Misbehaved(PeerMisbehaved::AuthenticationFailed(AuthFault::OtherKey));
    assert_eq!(
        closed(CloseReason::Refused(refusal.clone())),
        error(&[&format!(": {refusal}"), ": Auth exchange failed"])
    );
    assert_eq!(
        told(&child_refused(refusal.clone())),
        named(
            "IKEv2-ERROR",
            &[": Create child exchange failed", &format!(": {refusal}")]
        )
    );
}

fn child_refused(why: Refusal) -> Event {
    Event::ChildRefused {
        why,
        offered: Vec::new(),
    }
}

#[test]
fn error_debugging_tells_errors_and_nothing_else() {
    let error = flags(&[DebugFlag::Ikev2Error]);
    let closed = Event::Closed(CloseReason::Unanswered);
    assert_eq!(
        event_lines(&error, NAMES, &closed),
        named(
            "IKEv2-ERROR",
            &[": Maximum number of retransmissions reached"]
        )
    );
    for silent in [
        first_request(),
        authenticated(PeerProof::RsaSignature, true),
        Event::HalfOpen,
    ] {
        assert_eq!(event_lines(&error, NAMES, &silent), [""; 0]);
    }
}

#[test]
fn a_refusal_cannot_put_a_line_of_its_own_into_the_log() {
    let refusal = Refusal::Denied(Arc::from("no\nIKEv2: forged\u{1b}[2J"));
    let lines = told(&child_refused(refusal));
    assert_eq!(
        lines[1],
        "IKEv2-ERROR:(SESSION ID = 38,SA ID = 1):: no.IKEv2: forged.[2J"
    );
}

#[test]
fn answers_a_switch_as_a_router_does() {
    let mut flags = DebugFlags::default();
    for (flag, title) in [
        (DebugFlag::Ikev2, "IKEv2 default"),
        (DebugFlag::Ikev2Packet, "IKEv2 packet"),
        (DebugFlag::Ikev2Error, "IKEv2 error"),
        (DebugFlag::Ikev2Internal, "IKEv2 internal"),
        (DebugFlag::AaaAuthentication, "AAA Authentication"),
        (DebugFlag::AaaAuthorization, "AAA Authorization"),
    ] {
        assert_eq!(flags.set(flag, true), format!("{title} debugging is on\n"));
        assert!(flags.is_on(flag) && flags.any(), "{title}");
        assert_eq!(
            flags.set(flag, false),
            format!("{title} debugging is off\n")
        );
        assert_eq!(flags, DebugFlags::default());
    }
    assert!(!flags.any());
}
