//! The codec on two captured logins (`vectors/README.md`): everything is read, opened, and written again octet for octet.

use std::path::Path;

use ironflex_ikev2::{
    crypto::{
        cipher::MessageKeys,
        keys::ProtectionKeys,
        suite::{AeadAlgorithm, CbcAlgorithm, Integrity},
    },
    secret::SecretBytes,
    wire::{
        Body, PartialMessage, Payload,
        fragment::{
            CISCO_FRAGMENT_DATA, CiscoReassembly, Progress, ReassemblyLimits, SkfReassembly,
            cut_cisco,
        },
        parse_chain,
        payload::{KnownVendor, Proposal, Transform},
        registry::{
            EncryptionId, ExchangeType, GroupId, IdType, IntegrityId, NotifyType, PayloadType,
            PrfId, ProtocolId,
        },
        sk::{SkFrame, SkShape, strip_padding},
        write_chain, write_message,
    },
};

use crate::pcap;

const CISCO: &str = "anyconnect-eap-cert";
const SKF: &str = "anyconnect-eap-cert-skf";

const CBC_SHA256: SkShape = SkShape {
    iv_len: 16,
    block: 16,
    icv_len: 16,
};
const GCM: SkShape = SkShape {
    iv_len: 8,
    block: 1,
    icv_len: 16,
};

fn key(name: &str, field: &str) -> SecretBytes {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors")
        .join(name);
    let text = std::fs::read_to_string(path.join("secrets.json")).unwrap();
    let secrets: serde_json::Value = serde_json::from_str(&text).unwrap();
    let digits = secrets[field].as_str().unwrap();
    let octets = (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect();
    SecretBytes::new(octets)
}

/// The keys of the messages that one side sent.
fn keys(name: &str, from_initiator: bool) -> MessageKeys {
    let side = if from_initiator { "i" } else { "r" };
    let encryption = key(name, &format!("sk_e{side}"));
    MessageKeys::new(if name == CISCO {
        ProtectionKeys::EncryptThenMac {
            cipher: CbcAlgorithm::AesCbc256,
            key: encryption,
            integrity: Integrity::HmacSha2_256_128,
            integrity_key: key(name, &format!("sk_a{side}")),
        }
    } else {
        ProtectionKeys::Aead {
            algorithm: AeadAlgorithm::AesGcm16_256,
            key: encryption,
        }
    })
}

/// Opens a closed payload and strips the padding.
fn open(name: &str, from_initiator: bool, aad: &[u8], sealed: &[u8]) -> Vec<u8> {
    let opened = keys(name, from_initiator)
        .open(aad, sealed)
        .expect("the ICV holds");
    strip_padding(opened.as_bytes())
        .expect("the padding fits")
        .to_vec()
}

/// Checks that content reads as payloads and writes as the same octets, and gives their types.
fn round_trip(first: PayloadType, content: &[u8]) -> Vec<Payload> {
    let payloads = parse_chain(first, content).unwrap();
    let mut out = Vec::new();
    assert_eq!(write_chain(&payloads, &mut out), first);
    assert_eq!(out, content);
    payloads
}

/// Lays the opened content out again, with the captured IV and ICV and the plaintext in the place of the ciphertext:
/// everything but that must come out as captured.
fn check_frame(message: &[u8], read: &PartialMessage<'_>, content: &[u8], shape: SkShape) {
    let frame = match &read.body {
        Body::Encrypted(closed) => {
            SkFrame::encrypted(&read.header, &read.outer, closed.first, content, shape)
        }
        Body::Fragment(closed) => SkFrame::fragment(
            &read.header,
            &read.outer,
            closed.first,
            (closed.number, closed.total),
            content,
            shape,
        ),
        body => panic!("{body:?}"),
    };
    let mut frame = frame.unwrap();
    assert_eq!(frame.len(), message.len());
    let parts = frame.parts();
    assert_eq!(parts.aad, &message[..parts.aad.len()]);
    assert_eq!(parts.iv.len() + parts.plaintext.len() + parts.icv.len(), {
        message.len() - parts.aad.len()
    });
}

/// Every encrypted message of a capture, put together and opened: exchange, message ID, from the initiator, payloads.
fn opened(name: &str) -> Vec<(ExchangeType, u32, bool, Vec<Payload>)> {
    let shape = if name == CISCO { CBC_SHA256 } else { GCM };
    let mut messages = Vec::new();
    let mut cisco = CiscoReassembly::new();
    let mut skf = SkfReassembly::new(ReassemblyLimits::default());
    for datagram in pcap::read(name) {
        let by_initiator = datagram.from_initiator;
        let mut whole = datagram.message.clone();
        let read = PartialMessage::parse(&datagram.message).unwrap();
        if let Body::CiscoFragment(fragment) = read.body {
            match cisco.insert(&read.header, &fragment).unwrap() {
                Progress::Complete(message) => whole = message,
                Progress::NeedMore => continue,
                Progress::Restarted => panic!("the fragments contradict each other"),
            }
        }
        let read = PartialMessage::parse(&whole).unwrap();
        let (first, content) = match read.body {
            Body::Clear => continue,
            Body::Encrypted(closed) => {
                let content = open(name, by_initiator, closed.aad, closed.sealed);
                check_frame(&whole, &read, &content, shape);
                (closed.first, content)
            }
            Body::Fragment(closed) => {
                let content = open(name, by_initiator, closed.aad, closed.sealed);
                check_frame(&whole, &read, &content, shape);
                match skf
                    .insert(closed.number, closed.total, closed.first, &content)
                    .unwrap()
                {
                    Progress::Complete(done) => (done.first, done.content.to_vec()),
                    Progress::NeedMore => continue,
                    Progress::Restarted => panic!("the fragments contradict each other"),
                }
            }
            Body::CiscoFragment(_) => panic!("a fragment within fragments"),
        };
        let header = read.header;
        assert_eq!(header.flags.is_initiator(), by_initiator);
        let payloads = round_trip(first, &content);
        messages.push((header.exchange, header.message_id.0, by_initiator, payloads));
    }
    messages
}

fn kinds(payloads: &[Payload]) -> Vec<PayloadType> {
    payloads.iter().map(Payload::kind).collect()
}

#[test]
fn writes_both_ike_sa_init_messages_as_captured() {
    for name in [CISCO, SKF] {
        for datagram in &pcap::read(name)[..2] {
            assert_eq!(datagram.ports, (500, 500));
            let read = PartialMessage::parse(&datagram.message).unwrap();
            assert_eq!(read.header.exchange, ExchangeType::IKE_SA_INIT);
            assert_eq!(read.body, Body::Clear);
            assert_eq!(read.header.flags.is_response(), !datagram.from_initiator);
            assert_eq!(
                read.header.responder_spi.is_some(),
                !datagram.from_initiator
            );
            let mut out = Vec::new();
            write_message(&read.header, &read.outer, &mut out);
            assert_eq!(out, datagram.message);
        }
    }
}

#[test]
fn reads_the_proposals_that_were_captured() {
    let proposal = |name: &str| {
        let datagrams = pcap::read(name);
        let read = PartialMessage::parse(&datagrams[0].message).unwrap();
        let Some(Payload::Sa(sa)) = read.outer.into_iter().next() else {
            panic!("no SA")
        };
        sa.proposals
    };
    let expected = |transforms| {
        vec![Proposal {
            number: 1,
            protocol: ProtocolId::IKE,
            spi: Vec::new(),
            transforms,
        }]
    };
    assert_eq!(
        proposal(CISCO),
        expected(vec![
            Transform::encryption(EncryptionId::ENCR_AES_CBC, Some(256)),
            Transform::integrity(IntegrityId::AUTH_HMAC_SHA2_256_128),
            Transform::prf(PrfId::PRF_HMAC_SHA2_256),
            Transform::group(GroupId::MODP_2048),
        ])
    );
    assert_eq!(
        proposal(SKF),
        expected(vec![
            Transform::encryption(EncryptionId::ENCR_AES_GCM_16, Some(256)),
            Transform::prf(PrfId::PRF_HMAC_SHA2_384),
            Transform::group(GroupId::ECP_384),
        ])
    );
}

#[test]
fn recognises_the_vendor_ids_that_were_captured() {
    // docs/anyconnect-eap.md: Cisco's fragments are used where both ends announce them, as in the first capture. In the
    // second one the client does not.
    for (name, client_fragments) in [(CISCO, true), (SKF, false)] {
        for datagram in &pcap::read(name)[..2] {
            let read = PartialMessage::parse(&datagram.message).unwrap();
            let known: Vec<_> = read
                .outer
                .iter()
                .filter_map(|payload| match payload {
                    Payload::Vendor(vendor) => Some(vendor.known().expect("all are known")),
                    _ => None,
                })
                .collect();
            assert!(known.contains(&KnownVendor::AnyConnectEap));
            assert_eq!(
                known.contains(&KnownVendor::Fragmentation),
                client_fragments || !datagram.from_initiator
            );
        }
    }
}

#[test]
fn opens_every_message_and_writes_its_payloads_as_captured() {
    for (name, id_type) in [(CISCO, IdType::CISCO_GROUP_NAME), (SKF, IdType::ID_KEY_ID)] {
        let messages = opened(name);
        let auth: Vec<_> = messages
            .iter()
            .filter(|message| message.0 == ExchangeType::IKE_AUTH)
            .collect();
        assert!(
            auth.len() >= 10,
            "{name}: {} messages of IKE_AUTH",
            auth.len()
        );

        let (_, id, _, request) = auth[0];
        assert_eq!(*id, 1);
        let Some(Payload::IdI(identity)) = request.first() else {
            panic!("{request:?}")
        };
        assert_eq!(identity.kind, id_type);
        assert_eq!(identity.to_string(), "*$AnyConnectClient$*");

        let (_, _, _, response) = auth[1];
        let expected = [
            PayloadType::ID_R,
            PayloadType::CERT,
            PayloadType::AUTH,
            PayloadType::EAP,
        ];
        assert!(
            expected.iter().all(|kind| kinds(response).contains(kind)),
            "{response:?}"
        );

        let (exchange, _, _, last) = messages.last().unwrap();
        assert_eq!((*exchange, last.len()), (ExchangeType::INFORMATIONAL, 0));
        let (_, _, _, delete) = &messages[messages.len() - 2];
        assert_eq!(kinds(delete), [PayloadType::DELETE]);
    }
}

#[test]
fn cuts_a_message_into_the_fragments_that_were_captured() {
    let datagrams = pcap::read(CISCO);
    let mut buffer = CiscoReassembly::new();
    let mut set = Vec::new();
    let mut sets = 0;
    for datagram in &datagrams {
        let read = PartialMessage::parse(&datagram.message).unwrap();
        let Body::CiscoFragment(fragment) = read.body else {
            continue;
        };
        set.push(datagram.message.clone());
        if let Progress::Complete(whole) = buffer.insert(&read.header, &fragment).unwrap() {
            assert_eq!(cut_cisco(&whole, fragment.id, CISCO_FRAGMENT_DATA), Ok(set));
            set = Vec::new();
            sets += 1;
        }
    }
    assert_eq!((sets, set.len()), (3, 0));
}

#[test]
fn rejects_every_truncation_of_every_message() {
    for name in [CISCO, SKF] {
        for datagram in pcap::read(name) {
            for length in 0..datagram.message.len() {
                assert!(PartialMessage::parse(&datagram.message[..length]).is_err());
            }
        }
    }
}

#[test]
fn survives_every_flipped_bit_of_every_message() {
    for name in [CISCO, SKF] {
        for datagram in pcap::read(name) {
            let mut message = datagram.message;
            for at in 0..message.len() {
                for bit in 0..8 {
                    message[at] ^= 1 << bit;
                    if let Ok(read) = PartialMessage::parse(&message) {
                        // What was read can be written, and reads as the same again.
                        if read.body == Body::Clear {
                            let mut out = Vec::new();
                            write_message(&read.header, &read.outer, &mut out);
                            let again = PartialMessage::parse(&out).unwrap();
                            assert_eq!(without_skipped(again.outer), without_skipped(read.outer));
                        }
                    }
                    message[at] ^= 1 << bit;
                }
            }
        }
    }
}

/// Selectors of unknown types are counted when read and not written.
fn without_skipped(mut payloads: Vec<Payload>) -> Vec<Payload> {
    for payload in &mut payloads {
        if let Payload::TsI(selectors) | Payload::TsR(selectors) = payload {
            selectors.skipped = 0;
        }
    }
    payloads
}

#[test]
fn survives_every_flipped_byte_and_truncation_of_every_opened_content() {
    for name in [CISCO, SKF] {
        for (_, _, _, payloads) in opened(name) {
            let mut content = Vec::new();
            let first = write_chain(&payloads, &mut content);
            for length in 0..content.len() {
                assert!(parse_chain(first, &content[..length]).is_err());
            }
            for at in 0..content.len() {
                content[at] ^= 0xff;
                if let Ok(read) = parse_chain(first, &content) {
                    let mut out = Vec::new();
                    let first = write_chain(&read, &mut out);
                    let again = parse_chain(first, &out).unwrap();
                    assert_eq!(without_skipped(again), without_skipped(read));
                }
                content[at] ^= 0xff;
            }
        }
    }
}

#[test]
fn the_first_request_asks_for_nothing_but_eap() {
    // docs/anyconnect-eap.md: IKE_AUTH 1 carries no AUTH.
    for name in [CISCO, SKF] {
        let (_, _, _, request) = &opened(name)[0];
        assert!(!kinds(request).contains(&PayloadType::AUTH));
        let announces_contact = request.iter().any(|payload| {
            matches!(payload, Payload::Notify(notify) if notify.kind == NotifyType::INITIAL_CONTACT)
        });
        assert_eq!(announces_contact, name == CISCO);
    }
}
