//! The codec on arbitrary values and arbitrary octets: what is written is read back as the same, no prefix of it is taken
//! for the whole, and nothing panics.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ironflex_ikev2::wire::{
    Body, Flags, Header, InitiatorSpi, MessageId, PartialMessage, Payload, ResponderSpi,
    fragment::{CiscoReassembly, Progress, SkfReassembly, cut_cisco, cut_skf},
    parse_chain,
    payload::{
        AddressRange, AttributeValue, AuthPayload, Certificate, CertificateRequest,
        ConfigAttribute, Configuration, Delete, EapPayload, Identification, KePayload, Nonce,
        Notify, Proposal, SaPayload, TrafficSelector, TrafficSelectors, Transform,
        TransformAttribute, UnknownPayload, VendorId,
    },
    registry::{
        AuthMethod, CertEncoding, ConfigAttributeType, ConfigType, ExchangeType, GroupId, IdType,
        NotifyType, PayloadType, ProtocolId, TransformType,
    },
    sk::{SkFrame, SkShape, strip_padding},
    write_chain, write_message,
};
use proptest::{collection::vec, option, prelude::*};

fn octets() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..80)
}

fn header() -> impl Strategy<Value = Header> {
    (
        1_u64..,
        any::<u64>(),
        any::<u8>(),
        any::<u8>(),
        any::<u32>(),
    )
        .prop_map(|(initiator, responder, exchange, flags, message_id)| {
            Header::new(
                InitiatorSpi::new(initiator).unwrap(),
                ResponderSpi::new(responder),
                ExchangeType(exchange),
                Flags::from(flags),
                MessageId(message_id),
            )
        })
}

fn transform() -> impl Strategy<Value = Transform> {
    let value = prop_oneof![
        any::<u16>().prop_map(AttributeValue::Short),
        octets().prop_map(AttributeValue::Long)
    ];
    // 14 is the Key Length, which has its own field.
    let attribute =
        (15..0x8000_u16, value).prop_map(|(kind, value)| TransformAttribute { kind, value });
    (
        any::<u8>(),
        any::<u16>(),
        option::of(any::<u16>()),
        vec(attribute, 0..3),
    )
        .prop_map(|(kind, id, key_length, attributes)| Transform {
            kind: TransformType(kind),
            id,
            key_length,
            attributes,
        })
}

fn proposal() -> impl Strategy<Value = Proposal> {
    let protocol_and_spi = prop_oneof![
        Just((ProtocolId::IKE, Vec::new())),
        vec(any::<u8>(), 8).prop_map(|spi| (ProtocolId::IKE, spi)),
        vec(any::<u8>(), 4).prop_map(|spi| (ProtocolId::ESP, spi)),
        vec(any::<u8>(), 4).prop_map(|spi| (ProtocolId::AH, spi)),
        (4_u8.., octets()).prop_map(|(protocol, spi)| (ProtocolId(protocol), spi)),
    ];
    (any::<u8>(), protocol_and_spi, vec(transform(), 1..6)).prop_map(
        |(number, (protocol, spi), transforms)| Proposal {
            number,
            protocol,
            spi,
            transforms,
        },
    )
}

fn certificate_request() -> impl Strategy<Value = CertificateRequest> {
    let hashed = prop_oneof![Just(4), Just(12), Just(13)];
    prop_oneof![
        (hashed, vec(any::<[u8; 20]>(), 0..4)).prop_map(|(encoding, authorities)| {
            CertificateRequest {
                encoding: CertEncoding(encoding),
                authorities,
                other: Vec::new(),
            }
        }),
        (14_u8.., octets()).prop_map(|(encoding, other)| CertificateRequest {
            encoding: CertEncoding(encoding),
            authorities: Vec::new(),
            other,
        }),
    ]
}

fn delete() -> impl Strategy<Value = Delete> {
    prop_oneof![
        Just(Delete::ike_sa()),
        vec(any::<[u8; 4]>(), 0..5).prop_map(|spis| Delete {
            protocol: if spis.is_empty() {
                ProtocolId::IKE
            } else {
                ProtocolId::ESP
            },
            spis: spis.iter().map(|spi| spi.to_vec()).collect(),
        }),
    ]
}

fn selectors() -> impl Strategy<Value = TrafficSelectors> {
    let v4 = any::<[u32; 2]>().prop_map(|mut ends| {
        ends.sort_unstable();
        ends.map(|end| IpAddr::from(Ipv4Addr::from(end)))
    });
    let v6 = any::<[u128; 2]>().prop_map(|mut ends| {
        ends.sort_unstable();
        ends.map(|end| IpAddr::from(Ipv6Addr::from(end)))
    });
    let ports = prop_oneof![
        Just([u16::MAX, 0]),
        any::<[u16; 2]>().prop_map(|mut ports| {
            ports.sort_unstable();
            ports
        }),
    ];
    let selector = (any::<u8>(), ports, prop_oneof![v4, v6]).prop_map(
        |(protocol, [start_port, end_port], [start, end])| TrafficSelector {
            protocol,
            start_port,
            end_port,
            addresses: AddressRange::new(start, end).unwrap(),
        },
    );
    vec(selector, 0..5).prop_map(TrafficSelectors::from)
}

fn configuration() -> impl Strategy<Value = Configuration> {
    let attribute = (0..0x8000_u16, octets())
        .prop_map(|(kind, value)| ConfigAttribute::new(ConfigAttributeType(kind), value));
    (any::<u8>(), vec(attribute, 0..6)).prop_map(|(kind, attributes)| Configuration {
        kind: ConfigType(kind),
        attributes,
    })
}

fn identification() -> impl Strategy<Value = Identification> {
    (any::<u8>(), any::<[u8; 3]>(), octets()).prop_map(|(kind, reserved, data)| Identification {
        kind: IdType(kind),
        reserved,
        data,
    })
}

fn payload() -> impl Strategy<Value = Payload> {
    let unknown = prop_oneof![1_u8..33, 55_u8..132, 133_u8..];
    prop_oneof![
        vec(proposal(), 1..4).prop_map(|proposals| Payload::Sa(SaPayload { proposals })),
        (any::<u16>(), octets()).prop_map(|(group, data)| Payload::Ke(KePayload {
            group: GroupId(group),
            data
        })),
        identification().prop_map(Payload::IdI),
        identification().prop_map(Payload::IdR),
        (any::<u8>(), octets()).prop_map(|(encoding, data)| Payload::Cert(Certificate {
            encoding: CertEncoding(encoding),
            data,
        })),
        certificate_request().prop_map(Payload::CertReq),
        (any::<u8>(), octets()).prop_map(|(method, data)| Payload::Auth(AuthPayload {
            method: AuthMethod(method),
            data,
        })),
        vec(any::<u8>(), Nonce::MIN..=Nonce::MAX)
            .prop_map(|octets| Payload::Nonce(Nonce::new(octets).unwrap())),
        (any::<u8>(), octets(), any::<u16>(), octets()).prop_map(|(protocol, spi, kind, data)| {
            Payload::Notify(Notify {
                protocol: ProtocolId(protocol),
                spi,
                kind: NotifyType(kind),
                data,
            })
        }),
        delete().prop_map(Payload::Delete),
        octets().prop_map(|octets| Payload::Vendor(VendorId(octets))),
        selectors().prop_map(Payload::TsI),
        selectors().prop_map(Payload::TsR),
        configuration().prop_map(Payload::Cp),
        octets().prop_map(|packet| Payload::Eap(EapPayload(packet))),
        (unknown, octets()).prop_map(|(kind, data)| Payload::Unknown(UnknownPayload {
            kind: PayloadType(kind),
            critical: false,
            data,
        })),
    ]
}

fn shape() -> impl Strategy<Value = SkShape> {
    prop_oneof![
        Just(SkShape {
            iv_len: 8,
            block: 1,
            icv_len: 16
        }),
        Just(SkShape {
            iv_len: 16,
            block: 16,
            icv_len: 12
        }),
        Just(SkShape {
            iv_len: 16,
            block: 16,
            icv_len: 32
        }),
    ]
}

proptest! {
    // RFC 7296 §3.2#5: every type of payload is written and read.
    #[test]
    fn every_payload_reads_back_as_written(payload in payload()) {
        let payloads = [payload];
        let mut out = Vec::new();
        let first = write_chain(&payloads, &mut out);
        prop_assert_eq!(parse_chain(first, &out).unwrap(), payloads);
    }

    #[test]
    fn rejects_every_truncation_of_a_chain(payloads in vec(payload(), 1..5)) {
        let mut out = Vec::new();
        let first = write_chain(&payloads, &mut out);
        for length in 0..out.len() {
            prop_assert!(parse_chain(first, &out[..length]).is_err());
        }
    }

    #[test]
    fn every_message_reads_back_as_written(header in header(), payloads in vec(payload(), 0..8)) {
        let mut out = vec![0xa5; 3];
        write_message(&header, &payloads, &mut out);
        let message = &out[3..];
        let read = PartialMessage::parse(message).unwrap();
        prop_assert!(read.header.same_message(&header));
        prop_assert_eq!(read.header.length as usize, message.len());
        prop_assert_eq!(read.body, Body::Clear);
        prop_assert_eq!(&read.outer, &payloads);
        for length in 0..message.len() {
            prop_assert!(PartialMessage::parse(&message[..length]).is_err());
        }
    }

    #[test]
    fn every_frame_reads_back_as_laid_out(
        header in header(),
        clear in vec(payload(), 0..3),
        payloads in vec(payload(), 0..5),
        shape in shape(),
    ) {
        let mut content = Vec::new();
        let first = write_chain(&payloads, &mut content);
        let frame = SkFrame::encrypted(&header, &clear, first, &content, shape).unwrap();
        let message = frame.into_message();
        let read = PartialMessage::parse(&message).unwrap();
        prop_assert_eq!(&read.outer, &clear);
        let Body::Encrypted(closed) = read.body else { panic!("{:?}", read.body) };
        prop_assert_eq!([closed.aad, closed.sealed].concat(), message.clone());
        prop_assert_eq!(closed.sealed.len(), shape.sealed_len(content.len()));
        let plaintext = &closed.sealed[shape.iv_len..closed.sealed.len() - shape.icv_len];
        prop_assert_eq!(plaintext.len() % shape.block, 0);
        let opened = strip_padding(plaintext).unwrap();
        prop_assert_eq!(parse_chain(closed.first, opened).unwrap(), payloads);
    }

    #[test]
    fn encrypted_fragments_make_the_content_in_any_order(
        header in header(),
        content in vec(any::<u8>(), 0..3000),
        limit in 100_usize..1500,
        shape in shape(),
        seed in any::<u64>(),
    ) {
        let frames = cut_skf(&header, &[], PayloadType::EAP, &content, limit, shape).unwrap();
        let limits = ironflex_ikev2::wire::fragment::ReassemblyLimits {
            fragments: u16::MAX,
            octets: content.len(),
        };
        let mut buffer = SkfReassembly::new(limits);
        let mut fragments: Vec<_> = frames.into_iter().map(SkFrame::into_message).collect();
        shuffle(&mut fragments, seed);
        let count = fragments.len();
        for (at, message) in fragments.iter().enumerate() {
            prop_assert!(message.len() <= limit);
            let read = PartialMessage::parse(message).unwrap();
            let Body::Fragment(closed) = read.body else { panic!("{:?}", read.body) };
            let plaintext = &closed.sealed[shape.iv_len..closed.sealed.len() - shape.icv_len];
            let opened = strip_padding(plaintext).unwrap();
            match buffer.insert(closed.number, closed.total, closed.first, opened).unwrap() {
                Progress::Complete(whole) => {
                    prop_assert_eq!(at + 1, count);
                    prop_assert_eq!(whole.first, PayloadType::EAP);
                    prop_assert_eq!(&*whole.content, &content);
                }
                Progress::NeedMore => prop_assert!(at + 1 < count),
                Progress::Restarted => prop_assert!(false, "the fragments contradict each other"),
            }
        }
    }

    #[test]
    fn cisco_fragments_make_the_message_in_any_order(
        header in header(),
        payloads in vec(payload(), 0..8),
        max_data in 60_usize..1300,
        seed in any::<u64>(),
    ) {
        let mut message = Vec::new();
        write_message(&header, &payloads, &mut message);
        let Ok(mut fragments) = cut_cisco(&message, 7, max_data) else {
            prop_assert!(message.len() > 64 * max_data);
            return Ok(());
        };
        shuffle(&mut fragments, seed);
        let mut buffer = CiscoReassembly::new();
        for (at, datagram) in fragments.iter().enumerate() {
            let read = PartialMessage::parse(datagram).unwrap();
            let Body::CiscoFragment(fragment) = read.body else { panic!("{:?}", read.body) };
            let expected = if at + 1 < fragments.len() {
                Progress::NeedMore
            } else {
                Progress::Complete(message.clone())
            };
            prop_assert_eq!(buffer.insert(&read.header, &fragment), Ok(expected));
        }
    }

    #[test]
    fn no_octets_panic_the_chain_reader(first in any::<u8>(), octets in vec(any::<u8>(), 0..600)) {
        let _ = parse_chain(PayloadType(first), &octets);
    }

    #[test]
    fn no_octets_behind_a_valid_header_panic_the_message_reader(
        header in header(),
        first in prop_oneof![Just(46_u8), Just(53), Just(132), any::<u8>()],
        octets in vec(any::<u8>(), 0..600),
    ) {
        let mut message = Vec::new();
        write_message(&header, &[], &mut message);
        message[16] = first;
        message.extend_from_slice(&octets);
        let length = u32::try_from(message.len()).unwrap();
        message[24..28].copy_from_slice(&length.to_be_bytes());
        let _ = PartialMessage::parse(&message);
    }

    #[test]
    fn identities_display_as_bounded_printable_text(id in identification()) {
        let text = id.to_string();
        prop_assert!(text.chars().all(|character| character == ' ' || character.is_ascii_graphic()));
        prop_assert!(text.len() <= 4 * 128 + 3);
    }
}

/// Puts items into an order that follows from the seed.
fn shuffle<T>(items: &mut [T], mut seed: u64) {
    for at in (1..items.len()).rev() {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let other = usize::try_from(seed >> 33).unwrap() % (at + 1);
        items.swap(at, other);
    }
}
