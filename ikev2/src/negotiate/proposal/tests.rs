//! Offers, choices and answers.

use super::*;

fn cbc_sha256(groups: &[Group]) -> IkeProposal {
    IkeProposal {
        ciphers: Ciphers::EncryptThenMac(
            [CbcAlgorithm::AesCbc256, CbcAlgorithm::AesCbc128].to_vec(),
            [Integrity::HmacSha2_256_128].to_vec(),
        ),
        prf: [PrfAlgorithm::HmacSha2_256].to_vec(),
        groups: groups.to_vec(),
        additional: Vec::new(),
    }
}

fn gcm(groups: &[Group]) -> IkeProposal {
    IkeProposal {
        ciphers: Ciphers::Aead([AeadAlgorithm::AesGcm16_256].to_vec()),
        prf: [PrfAlgorithm::HmacSha2_384].to_vec(),
        groups: groups.to_vec(),
        additional: Vec::new(),
    }
}

// RFC 7296 §2.7#1-5, §3.3.1#5, §3.3.6#1-4: what is answered is one of the proposals, whole.
#[test]
fn chooses_in_our_order_and_answers_under_the_number_of_the_peer() {
    let offer = offer_ike(
        &[cbc_sha256(&[Group::Modp2048]), gcm(&[Group::Modp2048])],
        &[],
    );
    let ours = [gcm(&[Group::Modp2048]), cbc_sha256(&[Group::Modp2048])];
    let chosen = choose_ike(&ours, &offer, 14, true).unwrap();
    assert_eq!(chosen.number, 2);
    assert_eq!(
        chosen.suite.protection,
        Protection::Aead(AeadAlgorithm::AesGcm16_256)
    );
    let answer = answer_ike(chosen, &[]);
    let offered = [cbc_sha256(&[Group::Modp2048]), gcm(&[Group::Modp2048])];
    assert_eq!(accept_ike(&offered, &answer, true), Ok(chosen.suite));
}

#[test]
fn takes_the_group_that_was_sent_before_one_that_costs_a_round_trip() {
    let offer = offer_ike(&[gcm(&[Group::EcpP256, Group::Modp2048])], &[]);
    let ours = [gcm(&[Group::Modp2048, Group::EcpP256])];
    assert_eq!(
        choose_ike(&ours, &offer, 19, true).unwrap().suite.group,
        Group::EcpP256
    );
}

// RFC 7296 §3.3#1,3-6,8, §3.3.1#3-4,6: proposals count from one in the order of the configuration,
// combined modes come without integrity, each key size is a transform, and there is no SPI at first.
#[test]
fn an_offer_is_numbered_and_ordered_as_configured() {
    let offer = offer_ike(
        &[cbc_sha256(&[Group::Modp2048]), gcm(&[Group::Modp2048])],
        &[],
    );
    let [first, second] = &offer.proposals[..] else {
        panic!("{offer:?}")
    };
    assert_eq!((first.number, second.number), (1, 2));
    assert!(first.spi.is_empty() && second.spi.is_empty());
    let sizes = first.transforms_of(TransformType::ENCR);
    let sizes: Vec<_> = sizes.map(|one| one.key_length).collect();
    assert_eq!(sizes, [Some(256), Some(128)]);
    assert_eq!(second.transforms_of(TransformType::INTEG).count(), 0);
    let short = EspSuite {
        protection: Protection::Aead(AeadAlgorithm::AesGcm16_128),
        ..GCM
    };
    let esp = offer_esp(&[GCM, short], &[], Alternatives::None, 0x1234_5678);
    let numbers: Vec<u8> = esp.proposals.iter().map(|one| one.number).collect();
    assert_eq!(numbers, [1, 2]);
}

// RFC 7296 §1.2: the responder names the group that it wants.
#[test]
fn asks_for_its_group_when_the_sent_one_does_not_fit() {
    let offer = offer_ike(&[gcm(&[Group::EcpP384, Group::Modp2048])], &[]);
    let ours = [gcm(&[Group::Modp2048])];
    assert_eq!(
        choose_ike(&ours, &offer, 20, true),
        Err(PeerIncompatible::InvalidKeyExchange(Group::Modp2048))
    );
}

#[test]
fn refuses_a_proposal_with_a_type_that_it_does_not_know() {
    let mut offer = offer_ike(&[gcm(&[Group::Modp2048])], &[]);
    offer.proposals[0]
        .transforms
        .push(Transform::new(TransformType(13), 36));
    assert_eq!(
        choose_ike(&[gcm(&[Group::Modp2048])], &offer, 14, true),
        Err(PeerIncompatible::NoProposalChosen)
    );
}

// RFC 9370 §rules#1: additional key exchanges need IKE_INTERMEDIATE of both ends.
#[test]
fn an_additional_key_exchange_is_chosen_where_both_want_it_and_have_the_exchange_for_it() {
    let plain = gcm(&[Group::Modp2048]);
    let hybrid = IkeProposal {
        additional: [[Group::MlKem768].to_vec()].to_vec(),
        ..plain.clone()
    };
    let group = |ours: &[IkeProposal], theirs: &[IkeProposal], intermediate| {
        let offer = offer_ike(theirs, &[]);
        let chosen = choose_ike(ours, &offer, 14, intermediate)?;
        let answer = answer_ike(chosen, &[]);
        assert_eq!(accept_ike(theirs, &answer, intermediate), Ok(chosen.suite));
        Ok(chosen.suite.additional.groups().next())
    };
    let optional = [hybrid.clone(), plain.clone()];
    let kem = Ok(Some(Group::MlKem768));
    let refused = Err(PeerIncompatible::NoProposalChosen);
    let (hybrid, plain) = (&[hybrid][..], &[plain][..]);
    assert_eq!(group(&optional, &optional, true), kem);
    assert_eq!(group(&optional, &optional, false), Ok(None));
    assert_eq!(group(hybrid, &optional, true), kem);
    assert_eq!(group(hybrid, &optional, false), refused);
    assert_eq!(group(&optional, hybrid, true), kem);
    assert_eq!(group(plain, &optional, true), Ok(None));
    assert_eq!(group(plain, hybrid, true), refused);
    assert_eq!(group(hybrid, plain, true), refused);
    // An answer that leaves out what was offered, or adds what was not.
    let choose = |ours| choose_ike(ours, &offer_ike(ours, &[]), 14, true).unwrap();
    for (offered, other) in [(plain, hybrid), (hybrid, plain)] {
        let answer = answer_ike(choose(other), &[]);
        assert_eq!(
            accept_ike(offered, &answer, true),
            Err(PeerMisbehaved::SelectedUnoffered)
        );
    }
}

#[test]
fn refuses_an_aead_proposal_that_lists_an_integrity_algorithm() {
    let mut offer = offer_ike(&[gcm(&[Group::Modp2048])], &[]);
    offer.proposals[0]
        .transforms
        .push(integrity(Integrity::HmacSha1_96));
    assert_eq!(
        choose_ike(&[gcm(&[Group::Modp2048])], &offer, 14, true),
        Err(PeerIncompatible::NoProposalChosen)
    );
}

// RFC 7296 §3.3.6#5: the answer is compared with the offer.
#[test]
fn refuses_an_answer_that_was_not_offered() {
    let offered = [gcm(&[Group::Modp2048])];
    let other = Chosen {
        number: 1,
        suite: IkeSuite {
            protection: Protection::Aead(AeadAlgorithm::AesGcm16_128),
            prf: PrfAlgorithm::HmacSha2_384,
            group: Group::Modp2048,
            additional: Additional::NONE,
        },
        additional: Choice::default(),
    };
    assert_eq!(
        accept_ike(&offered, &answer_ike(other, &[]), true),
        Err(PeerMisbehaved::SelectedUnoffered)
    );
    let twice = offer_ike(&[gcm(&[Group::Modp2048, Group::EcpP256])], &[]);
    assert_eq!(
        accept_ike(&offered, &twice, true),
        Err(PeerMisbehaved::SelectedUnoffered)
    );
}

const GCM: EspSuite = EspSuite {
    protection: Protection::Aead(AeadAlgorithm::AesGcm16_256),
    esn: false,
};

#[test]
fn chooses_esp_and_reads_the_spi() {
    let offer = offer_esp(&[GCM], &[], Alternatives::None, 0x1234_5678);
    let child = choose_esp(&[GCM], &offer).unwrap();
    assert_eq!((child.chosen.suite, child.spi), (GCM, 0x1234_5678));
    let answer = answer_esp(child.chosen, None, 0x9abc_def0);
    assert_eq!(
        accept_esp(&[GCM], None, Alternatives::None, &answer),
        Ok((GCM, 0x9abc_def0, Additional::NONE))
    );
}

// RFC 4303 §2.1#6, RFC 3948 §1#3, §2.1#4: SPIs 0 to 255 are reserved.
#[test]
fn refuses_a_reserved_or_misshapen_spi() {
    assert!(choose_esp(&[GCM], &offer_esp(&[GCM], &[], Alternatives::None, 255)).is_err());
    let mut offer = offer_esp(&[GCM], &[], Alternatives::None, 0x1234_5678);
    offer.proposals[0].spi.pop();
    assert!(choose_esp(&[GCM], &offer).is_err());
}

// RFC 4303 §2.2.1#2: extended numbers are negotiated or not used.
#[test]
fn takes_silence_about_esn_for_none() {
    let mut offer = offer_esp(&[GCM], &[], Alternatives::None, 0x1234_5678);
    offer.proposals[0]
        .transforms
        .retain(|one| one.kind != TransformType::ESN);
    assert!(choose_esp(&[GCM], &offer).is_ok());
    assert!(choose_esp(&[EspSuite { esn: true, ..GCM }], &offer).is_err());
}

// RFC 7296 §3.3.2: both lengths of sequence numbers stand in one proposal, and the one who answers chooses one.
#[test]
fn offers_both_lengths_of_sequence_numbers_at_once() {
    let long = EspSuite { esn: true, ..GCM };
    let offer = offer_esp(&[GCM, long], &[], Alternatives::None, 0x1234_5678);
    let [proposal] = &offer.proposals[..] else {
        panic!("{offer:?}")
    };
    let lengths: Vec<u16> = proposal
        .transforms_of(TransformType::ESN)
        .map(|one| one.id)
        .collect();
    assert_eq!(lengths, [EsnId::NO_ESN.0, EsnId::ESN.0]);
    for wanted in [GCM, long] {
        let child = choose_esp(&[wanted], &offer).unwrap();
        assert_eq!(child.chosen.suite, wanted);
    }
    assert!(
        choose_esp(
            &[long],
            &offer_esp(&[GCM], &[], Alternatives::None, 0x1234_5678)
        )
        .is_err()
    );
}

// RFC 7296 §1.3#3, §3.3.6#12: a child SA has a key exchange where both want one, and the responder
// names the group when another came.
#[test]
fn a_child_has_a_key_exchange_if_both_want_one() {
    let (p256, p384) = (Group::EcpP256, Group::EcpP384);
    let with = offer_esp(&[GCM], &[p256, p384], Alternatives::None, 0x1234_5678);
    let without = offer_esp(&[GCM], &[], Alternatives::None, 0x1234_5678);
    let accepted = Pfs::Accepted([p384, p256].to_vec());
    let required = Pfs::Required([p384].to_vec());
    let group = |pfs, offer, sent| choose_child(&[GCM], pfs, &[], offer, sent).map(|one| one.group);
    assert_eq!(group(&accepted, &with, Some(19)), Ok(Some(p256)));
    assert_eq!(group(&accepted, &without, None), Ok(None));
    assert_eq!(group(&required, &with, Some(20)), Ok(Some(p384)));
    let other = Err(PeerIncompatible::InvalidKeyExchange(p384));
    assert_eq!(group(&required, &with, Some(19)), other);
    assert_eq!(group(&required, &with, None), other);
    assert_eq!(
        group(&required, &without, None),
        Err(PeerIncompatible::NoProposalChosen)
    );
    let nobody = Pfs::Accepted([Group::Modp2048].to_vec());
    assert_eq!(
        group(&nobody, &with, Some(19)),
        Err(PeerIncompatible::NoProposalChosen)
    );
}

#[test]
fn an_answer_has_the_key_exchange_that_was_sent_or_none() {
    let offer = offer_esp(&[GCM], &[Group::EcpP256], Alternatives::None, 0x1234_5678);
    let pfs = Pfs::default();
    let child = choose_child(&[GCM], &pfs, &[], &offer, Some(19)).unwrap();
    let answer = answer_esp(child.chosen, child.group, 0x9abc_def0);
    let accept = |group| accept_esp(&[GCM], group, Alternatives::None, &answer);
    let agreed = (GCM, 0x9abc_def0, Additional::NONE);
    assert_eq!(accept(Some(Group::EcpP256)), Ok(agreed));
    assert_eq!(
        accept(Some(Group::EcpP384)),
        Err(PeerMisbehaved::SelectedUnoffered)
    );
    assert_eq!(accept(None), Err(PeerMisbehaved::SelectedUnoffered));
}

// RFC 7296 §3.3.1: the SPI of a rekeyed IKE SA stands in the proposal, with 8 octets.
#[test]
fn a_successor_has_an_spi_of_eight_octets() {
    let ours = [gcm(&[Group::Modp2048])];
    let offer = offer_ike(&ours, &7u64.to_be_bytes());
    let (chosen, spi) = choose_ike_successor(&ours, &offer, 14).unwrap();
    assert_eq!(spi, 7);
    let answer = answer_ike(chosen, &9u64.to_be_bytes());
    assert_eq!(accept_ike_successor(&ours, &answer), Ok((chosen.suite, 9)));
    for spi in [&[][..], &[0; 8], &[1; 4]] {
        assert_eq!(
            choose_ike_successor(&ours, &offer_ike(&ours, spi), 14),
            Err(PeerIncompatible::NoProposalChosen)
        );
    }
    assert!(choose_ike(&ours, &offer, 14, true).is_err());
}
