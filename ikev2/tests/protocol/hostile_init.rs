//! First requests that contradict themselves: headers, payload chains, proposals, key exchange values
//! and nonces. None makes an SA, each is discarded or refused for its own reason, and no answer is
//! longer than what caused it.
//!
//! Every test first runs its unharmed twin to success, so that it cannot pass because nothing works.

use ironflex_ikev2::{
    crypto::suite::*,
    error::InvalidMessage,
    event::{Discard, Path},
    refusal::{PeerIncompatible, PeerMisbehaved, Refusal},
    wire::{
        Header, PartialMessage, Payload,
        payload::{
            AttributeValue, Proposal, SaPayload, Transform, TransformAttribute, UnknownPayload,
        },
        registry::{
            EncryptionId, EsnId, ExchangeType, GroupId, IntegrityId, NotifyType, PayloadType,
            PrfId, ProtocolId, TransformType,
        },
        write_message,
    },
};

use crate::{bad_publics::bad_publics, support::*};

/// A client's first request, on its way to the server and taken apart.
struct First {
    pair: Pair,
    path: Path,
    octets: Vec<u8>,
    header: Header,
    payloads: Vec<Payload>,
}

/// What the server made of a datagram.
#[derive(Debug, PartialEq)]
struct Verdict {
    discards: Vec<Discard>,
    /// The notifies of the answers, which must be no SA.
    said: Vec<(NotifyType, Vec<u8>)>,
    sas: usize,
}

impl First {
    fn of(setup: Setup) -> Self {
        let mut pair = Pair::new(setup, 40);
        pair.connect();
        let (_, path, octets) = pair.next_flight().unwrap();
        pair.lose_flights();
        let message = PartialMessage::parse(&octets).unwrap();
        Self {
            path,
            header: message.header,
            payloads: message.outer,
            octets: octets.to_vec(),
            pair,
        }
    }

    fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write_message(&self.header, &self.payloads, &mut out);
        out
    }

    /// Hands octets to the server.
    fn send(&mut self, octets: &[u8]) -> Verdict {
        let (sent, seen) = (self.pair.wire.len(), self.pair.server.discarded.len());
        self.pair.deliver(true, self.path, octets);
        self.pair.lose_flights();
        let answers = &self.pair.wire[sent..];
        let said = answers.iter().flat_map(|(to_server, answer)| {
            assert!(!to_server);
            let message = PartialMessage::parse(answer).unwrap();
            message.outer.into_iter().filter_map(|one| match one {
                Payload::Notify(said) if said.kind.is_error() => {
                    Some((said.kind, said.data.clone()))
                }
                _ => None,
            })
        });
        Verdict {
            discards: self.pair.server.discarded[seen..].to_vec(),
            said: said.collect(),
            sas: self.pair.server.endpoint.len(),
        }
    }

    /// The unharmed twin: it makes one half-open SA.
    fn twin(&mut self) {
        let octets = self.octets.clone();
        assert_eq!(self.write(), octets);
        assert_eq!(self.send(&octets), accepted());
    }
}

fn accepted() -> Verdict {
    Verdict {
        discards: Vec::new(),
        said: Vec::new(),
        sas: 1,
    }
}

/// Discarded without a word.
fn silence(discard: Discard) -> Verdict {
    Verdict {
        discards: vec![discard],
        said: Vec::new(),
        sas: 0,
    }
}

/// Refused with the notify that belongs to it.
fn refused(refusal: impl Into<Refusal>) -> Verdict {
    let refusal = refusal.into();
    let said = refusal
        .notify(ExchangeType::IKE_SA_INIT)
        .map(|said| (said.kind, said.data.clone()));
    Verdict {
        discards: vec![Discard::InitRefused(refusal)],
        said: said.into_iter().collect(),
        sas: 0,
    }
}

/// What becomes of a first request after this change to its payloads.
fn changed(setup: &Setup, change: impl FnOnce(&mut Vec<Payload>)) -> Verdict {
    First::of(setup.clone()).twin();
    let mut first = First::of(setup.clone());
    change(&mut first.payloads);
    let octets = first.write();
    first.send(&octets)
}

// RFC 7296 §3.1: what is not a message is not answered; an answer is never longer than what caused it.
#[test]
fn refuses_every_truncation_and_extension_of_a_message() {
    First::of(Setup::new(GCM)).twin();
    let mut first = First::of(Setup::new(GCM));
    let octets = first.octets.clone();
    for length in 0..octets.len() {
        let verdict = first.send(&octets[..length]);
        assert_eq!((verdict.said.len(), verdict.sas), (0, 0), "{length} octets");
        assert!(matches!(verdict.discards[..], [Discard::Malformed(_)]));
    }
    let longer = [&octets[..], &[0]].concat();
    let mismatch = InvalidMessage::LengthMismatch {
        header: u32::try_from(octets.len()).unwrap(),
        datagram: longer.len(),
    };
    assert_eq!(first.send(&longer), silence(Discard::Malformed(mismatch)));
}

// RFC 7296 §2.5#1-3: a higher major version is refused by ours, a minor one means nothing.
// RFC 7296 §1#1, §3.1#4,7,9,11,16: other exchanges of no SA, and what a first request may not say.
#[test]
fn judges_every_field_of_the_header_of_a_first_request() {
    let setup = Setup::new(GCM);
    let judge = |change: &dyn Fn(&mut Vec<u8>)| {
        First::of(setup.clone()).twin();
        let mut first = First::of(setup.clone());
        let mut octets = first.octets.clone();
        change(&mut octets);
        let length = octets.len();
        let verdict = first.send(&octets);
        let answered = first.pair.wire.last().unwrap();
        assert!(verdict.sas == 1 || answered.0 || answered.1.len() <= length);
        verdict
    };
    for major in [0u8, 1, 3, 15] {
        let mut expected = silence(Discard::MajorVersion(major));
        if major > 2 {
            expected.said = vec![(NotifyType::INVALID_MAJOR_VERSION, Vec::new())];
        }
        assert_eq!(judge(&|octets| octets[17] = major << 4), expected);
    }
    // A minor version, the version bit and reserved flags mean nothing.
    assert_eq!(judge(&|octets| octets[17] = 0x2f), accepted());
    for flags in [0x18, 0x88, 0x4f] {
        assert_eq!(judge(&|octets| octets[19] = flags), accepted());
    }
    let zero = Discard::Malformed(InvalidMessage::ZeroInitiatorSpi);
    assert_eq!(judge(&|octets| octets[..8].fill(0)), silence(zero));
    let contradictory = silence(Discard::ContradictoryInit);
    assert_eq!(judge(&|octets| octets[15] = 1), contradictory);
    assert_eq!(judge(&|octets| octets[23] = 1), contradictory);
    assert_eq!(judge(&|octets| octets[20..24].fill(0xff)), contradictory);
    assert_eq!(judge(&|octets| octets[19] = 0), contradictory);
    // A response that nobody asked for, and other exchanges of no SA.
    let unknown = silence(Discard::UnknownSpi);
    assert_eq!(judge(&|octets| octets[19] = 0x28), unknown);
    assert_eq!(judge(&|octets| octets[19] = 0x20), unknown);
    for exchange in [0, 33, 35, 36, 37, 38, 43, 44, 240, 255] {
        assert_eq!(judge(&|octets| octets[18] = exchange), unknown);
    }
}

// RFC 7296 §2.5#8-12, §3.2#3,7, §4#2-3: unknown payloads are skipped unless their critical bit is set; the critical bit of
// known ones and reserved bits mean nothing.
#[test]
fn judges_unknown_payloads_by_their_critical_bit() {
    let setup = Setup::new(GCM);
    for kind in [1, 32, 49, 131, 255].map(PayloadType) {
        for critical in [false, true] {
            let verdict = changed(&setup, |payloads| {
                payloads.push(Payload::Unknown(UnknownPayload {
                    kind,
                    critical,
                    data: vec![1, 2, 3],
                }));
            });
            if critical {
                let error = InvalidMessage::UnsupportedCriticalPayload(kind);
                let said = (NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD, vec![kind.0]);
                assert_eq!(verdict.discards, [Discard::Malformed(error)]);
                assert_eq!((verdict.said, verdict.sas), (vec![said], 0));
            } else {
                assert_eq!(verdict, accepted());
            }
        }
    }
    for bits in [0x80, 0x01, 0xff] {
        let mut first = First::of(setup.clone());
        let mut octets = first.octets.clone();
        octets[Header::LEN + 1] = bits;
        assert_eq!(first.send(&octets), accepted());
    }
}

#[test]
fn refuses_payload_chains_that_lie_loop_or_never_end() {
    First::of(Setup::new(GCM)).twin();
    let judge = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut first = First::of(Setup::new(GCM));
        let mut octets = first.octets.clone();
        change(&mut octets);
        let length = u32::try_from(octets.len()).unwrap().to_be_bytes();
        octets[24..28].copy_from_slice(&length);
        let verdict = first.send(&octets);
        assert_eq!((verdict.said.len(), verdict.sas), (0, 0));
        let [Discard::Malformed(error)] = &verdict.discards[..] else {
            panic!("{verdict:?}")
        };
        error.clone()
    };
    let at = Header::LEN;
    for length in 0..4u8 {
        let found = judge(&|octets| octets[at + 2..at + 4].copy_from_slice(&[0, length]));
        let expected = InvalidMessage::LengthTooSmall {
            what: "payload",
            length: length.into(),
            least: 4,
        };
        assert_eq!(found, expected);
    }
    let overrun = judge(&|octets| octets[at + 2..at + 4].fill(0xff));
    assert!(matches!(overrun, InvalidMessage::Truncated { .. }));
    let behind = judge(&|octets| octets.extend([0; 4]));
    let expected = InvalidMessage::TrailingOctets {
        what: "message",
        count: 4,
    };
    assert_eq!(behind, expected);
    // 500 vendor IDs of nothing.
    let many = judge(&|octets| {
        octets.truncate(at);
        octets[16] = PayloadType::VENDOR.0;
        octets.extend([43, 0, 0, 4].repeat(499));
        octets.extend([0, 0, 0, 4]);
    });
    assert_eq!(many, InvalidMessage::TooManyPayloads { limit: 128 });
    let type_lies = judge(&|octets| octets[16] = PayloadType::TS_I.0);
    assert!(!matches!(type_lies, InvalidMessage::LengthMismatch { .. }));
}

#[test]
fn refuses_an_encrypted_payload_in_ike_sa_init() {
    for kind in [
        PayloadType::SK,
        PayloadType::SKF,
        PayloadType::CISCO_FRAGMENT,
    ] {
        First::of(Setup::new(GCM)).twin();
        let mut first = First::of(Setup::new(GCM));
        let mut octets = first.octets[..Header::LEN].to_vec();
        octets.extend([0, 0, 0, 12, 0, 1, 1, 1, 9, 9, 9, 9]);
        octets[16] = kind.0;
        octets[27] = u8::try_from(octets.len()).unwrap();
        octets[24..27].fill(0);
        let verdict = first.send(&octets);
        assert_eq!((verdict.said.len(), verdict.sas), (0, 0), "{kind}");
        assert_eq!(verdict.discards.len(), 1);
    }
}

// RFC 7296 §2.5#15, §1.7#6: payloads may stand in any order.
#[test]
fn takes_payloads_in_any_order() {
    let setup = Setup::new(GCM);
    assert_eq!(changed(&setup, |payloads| payloads.reverse()), accepted());
    let turned = changed(&setup, |payloads| payloads.rotate_left(2));
    assert_eq!(turned, accepted());
}

// RFC 7296 §1.2: SA, KE and Ni stand in it, once each.
#[test]
fn refuses_missing_and_repeated_payloads() {
    let setup = Setup::new(GCM);
    for kind in [PayloadType::SA, PayloadType::KE, PayloadType::NONCE] {
        let missing = changed(&setup, |payloads| payloads.retain(|one| one.kind() != kind));
        assert_eq!(missing, refused(PeerMisbehaved::MissingPayload(kind)));
        let repeated = changed(&setup, |payloads| {
            let again = payloads.iter().find(|one| one.kind() == kind).cloned();
            payloads.extend(again);
        });
        assert_eq!(repeated, refused(PeerMisbehaved::RepeatedPayload(kind)));
    }
}

// RFC 7296 §3.9#1: a nonce of another length is none.
#[test]
fn takes_nonces_of_16_to_256_octets() {
    First::of(Setup::new(GCM)).twin();
    for length in [0usize, 15, 16, 256, 257] {
        let mut first = First::of(Setup::new(GCM));
        let mut octets = Vec::new();
        // The codec writes no nonce of a wrong length: an unknown payload with the type changed does.
        first
            .payloads
            .retain(|one| one.kind() != PayloadType::NONCE);
        first.payloads.push(Payload::Unknown(UnknownPayload {
            kind: PayloadType::NONCE,
            critical: false,
            data: vec![7; length],
        }));
        write_message(&first.header, &first.payloads, &mut octets);
        let expected = if (16..=256).contains(&length) {
            accepted()
        } else {
            silence(Discard::Malformed(InvalidMessage::NonceLength { length }))
        };
        assert_eq!(first.send(&octets), expected, "{length} octets");
    }
}

fn suite(group: Group) -> IkeSuite {
    IkeSuite { group, ..GCM }
}

// RFC 6989 §2, RFC 8031 §3: a public value that is no member of its group is refused before anything
// is derived from it.
#[test]
fn refuses_key_exchange_values_that_are_no_members_of_their_group() {
    for (group, values) in bad_publics() {
        let setup = Setup::new(suite(group));
        let bad = refused(PeerMisbehaved::BadKeyExchange);
        let judge = |data: Vec<u8>| {
            changed(&setup, |payloads| {
                for payload in payloads {
                    if let Payload::Ke(ke) = payload {
                        ke.data.clone_from(&data);
                    }
                }
            })
        };
        let length = group.public_len();
        for value in values {
            assert_eq!(value.len(), length);
            assert_eq!(judge(value.clone()), bad, "{group:?}: {value:02x?}");
        }
        for wrong in [0, 1, length - 1, length + 1, 2 * length] {
            assert_eq!(judge(vec![9; wrong]), bad, "{group:?}: {wrong} octets");
        }
    }
}

// RFC 7296 §3.4#5: a value of another group than the one that is chosen is asked for anew, naming ours;
// so is one of a group that nobody knows.
#[test]
fn names_its_group_where_the_key_exchange_is_of_another() {
    let setup = Setup::new(GCM);
    for number in [0, 2, 14, 30, 35, 1025, 65_535] {
        let verdict = changed(&setup, |payloads| {
            for payload in payloads {
                if let Payload::Ke(ke) = payload {
                    ke.group = GroupId(number);
                }
            }
        });
        let expected = refused(PeerIncompatible::InvalidKeyExchange(Group::Curve25519));
        assert_eq!(verdict, expected, "group {number}");
        assert_eq!(expected.said[0].1, 31u16.to_be_bytes());
    }
}

// --- Proposals ---

fn offer(transforms: Vec<Transform>) -> Proposal {
    Proposal {
        number: 1,
        protocol: ProtocolId::IKE,
        spi: Vec::new(),
        transforms,
    }
}

fn good(suite: IkeSuite) -> Vec<Transform> {
    let mut transforms = match suite.protection {
        Protection::Aead(_) => vec![Transform::encryption(
            EncryptionId::ENCR_AES_GCM_16,
            Some(256),
        )],
        Protection::EncryptThenMac(..) => vec![
            Transform::encryption(EncryptionId::ENCR_AES_CBC, Some(256)),
            Transform::integrity(IntegrityId::AUTH_HMAC_SHA2_256_128),
        ],
    };
    transforms.extend([
        Transform::prf(match suite.prf {
            PrfAlgorithm::HmacSha2_384 => PrfId::PRF_HMAC_SHA2_384,
            _ => PrfId::PRF_HMAC_SHA2_256,
        }),
        Transform::group(GroupId::CURVE25519),
    ]);
    transforms
}

fn offered(setup: &Setup, proposals: Vec<Proposal>) -> Verdict {
    changed(setup, |payloads| {
        for payload in payloads {
            if let Payload::Sa(sa) = payload {
                *sa = SaPayload {
                    proposals: proposals.clone(),
                };
            }
        }
    })
}

// RFC 7296 §2.13#1, §3.3.3#1, §3.3.5#4-6, §3.3.6#7-8, §5#2: key lengths, types and attributes as they have to be.
// RFC 7296 §2.7, §3.3, RFC 5282 §8: proposals that contradict themselves, or that would leave out what
// an IKE SA cannot do without, are not chosen.
#[test]
fn chooses_no_proposal_that_contradicts_itself() {
    let none = refused(PeerIncompatible::NoProposalChosen);
    for suite in [GCM, CBC] {
        let setup = Setup::new(suite);
        let base = good(suite);
        assert_eq!(offered(&setup, vec![offer(base.clone())]), accepted());

        // Without one of its transforms.
        for left_out in 0..base.len() {
            let mut transforms = base.clone();
            transforms.remove(left_out);
            let verdict = offered(&setup, vec![offer(transforms)]);
            assert_eq!(verdict, none, "without transform {left_out}");
        }
        // Key lengths: absent, zero, odd, another.
        for bits in [None, Some(0), Some(1), Some(255), Some(257), Some(65_535)] {
            let mut transforms = base.clone();
            transforms[0].key_length = bits;
            assert_eq!(offered(&setup, vec![offer(transforms)]), none, "{bits:?}");
        }
        // A key length, or an unknown attribute, on what has none.
        let at = base.len() - 1;
        let mut transforms = base.clone();
        transforms[at].key_length = Some(256);
        assert_eq!(offered(&setup, vec![offer(transforms)]), none);
        let mut transforms = base.clone();
        transforms[at].attributes = vec![TransformAttribute {
            kind: 0x1234,
            value: AttributeValue::Long(vec![1, 2, 3]),
        }];
        assert_eq!(offered(&setup, vec![offer(transforms)]), none);
        // NONE in the place of a group or an integrity algorithm, numbers of nobody, the transforms of a
        // child SA, types that are not understood.
        let additions = [
            Transform::new(TransformType(6), 35),
            Transform::new(TransformType(200), 1),
            Transform::esn(EsnId::NO_ESN),
        ];
        for extra in additions {
            let transforms = [&base[..], std::slice::from_ref(&extra)].concat();
            assert_eq!(offered(&setup, vec![offer(transforms)]), none, "{extra:?}");
        }
        for (kind, id) in [
            (TransformType::ENCR, 1025),
            (TransformType::ENCR, 0),
            (TransformType::PRF, 0),
            (TransformType::PRF, 65_535),
            (TransformType::KE, 0),
            (TransformType::KE, 1025),
        ] {
            let mut transforms = base.clone();
            for transform in transforms.iter_mut().filter(|one| one.kind == kind) {
                transform.id = id;
            }
            let verdict = offered(&setup, vec![offer(transforms)]);
            assert_eq!(verdict, none, "{kind:?} {id}");
        }
        // Of another protocol, or with an SPI that IKE_SA_INIT cannot have.
        for protocol in [0, 2, 3, 4, 255].map(ProtocolId) {
            let mut proposal = offer(base.clone());
            proposal.protocol = protocol;
            let verdict = offered(&setup, vec![proposal]);
            assert_eq!(verdict.sas, 0, "{protocol}");
        }
        let mut proposal = offer(base.clone());
        proposal.spi = vec![1; 8];
        assert_eq!(offered(&setup, vec![proposal]), none);
        // A bad proposal does not spoil a good one behind it, whatever their numbers.
        let mut bad = offer(base[1..].to_vec());
        bad.number = 3;
        let mut proposal = offer(base.clone());
        proposal.number = 4;
        assert_eq!(offered(&setup, vec![bad, proposal]), accepted());
    }
}

// RFC 7296 §3.3.3, RFC 5282 §8: no integrity algorithm with a combined mode, and never none without.
// RFC 7296 §3.14#2, §5#2: a cipher goes with what protects it, or not at all.
#[test]
fn takes_integrity_with_and_only_with_a_cipher_that_needs_it() {
    let none = refused(PeerIncompatible::NoProposalChosen);
    let aead = Setup::new(GCM);
    let with = |id| [good(GCM), vec![Transform::integrity(id)]].concat();
    let nothing = offered(&aead, vec![offer(with(IntegrityId::NONE))]);
    assert_eq!(nothing, accepted());
    let some = offered(
        &aead,
        vec![offer(with(IntegrityId::AUTH_HMAC_SHA2_256_128))],
    );
    assert_eq!(some, none);
    let mut transforms = good(CBC);
    transforms[1].id = IntegrityId::NONE.0;
    assert_eq!(offered(&Setup::new(CBC), vec![offer(transforms)]), none);
}

/// Where the octets of the SA payload's first proposal begin.
const PROPOSAL: usize = Header::LEN + 4;

// RFC 7296 §3.3#2: counts, lengths and markers of the substructures agree with each other.
#[test]
fn refuses_substructures_that_lie() {
    First::of(Setup::new(GCM)).twin();
    for (at, values) in [
        (PROPOSAL, &[1, 3, 255][..]),
        (PROPOSAL + 3, &[0, 7, 255]),
        (PROPOSAL + 6, &[1, 3, 8, 255]),
        (PROPOSAL + 7, &[0, 1, 4, 255]),
        (PROPOSAL + 8, &[0, 1, 255]),
        (PROPOSAL + 11, &[0, 7, 9, 255]),
    ] {
        for &value in values {
            let mut first = First::of(Setup::new(GCM));
            let mut octets = first.octets.clone();
            octets[at] = value;
            let verdict = first.send(&octets);
            assert_eq!((verdict.said.len(), verdict.sas), (0, 0), "{at}: {value}");
            let malformed = matches!(verdict.discards[..], [Discard::Malformed(_)]);
            assert!(malformed, "{at}: {value}: {verdict:?}");
        }
    }
}

#[test]
fn survives_255_proposals_of_255_transforms_or_none() {
    let none = refused(PeerIncompatible::NoProposalChosen);
    let setup = Setup::new(GCM);
    let many = vec![Transform::prf(PrfId::PRF_HMAC_SHA1); 255];
    let proposals = |count| -> Vec<Proposal> {
        let number = 1..=count;
        number
            .map(|number| Proposal {
                number,
                ..offer(many.clone())
            })
            .collect()
    };
    assert_eq!(offered(&setup, proposals(3)), none);
    // More than fits a first request that is taken: not even read.
    assert_eq!(
        offered(&setup, proposals(28)).discards,
        [Discard::OversizedInit]
    );
    let verdict = offered(&setup, Vec::new());
    assert_eq!((verdict.said.len(), verdict.sas), (0, 0), "{verdict:?}");
    let verdict = offered(&setup, vec![offer(Vec::new())]);
    assert_eq!(verdict.sas, 0, "{verdict:?}");
}
