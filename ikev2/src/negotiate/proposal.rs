//! SA payloads (RFC 7296 §2.7, §3.3): offers written from our lists, choices made from the
//! peer's, answers checked against what was offered.
//!
//! The registry's numbers meet the algorithms that this crate can run here, in both directions by
//! exhaustive `match`.

use alloc::vec::Vec;

use super::additional::{self, Choice};
use crate::{
    config::{Ciphers, IkeProposal, Pfs},
    crypto::suite::{
        Additional, AeadAlgorithm, CbcAlgorithm, EspSuite, Group, IkeSuite, Integrity,
        PrfAlgorithm, Protection,
    },
    refusal::{PeerIncompatible, PeerMisbehaved},
    wire::{
        payload::{Proposal, SaPayload, Transform},
        registry::{EncryptionId, EsnId, GroupId, IntegrityId, PrfId, ProtocolId, TransformType},
    },
};

/// A choice, and under which number the peer proposed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chosen<T> {
    pub(crate) number: u8,
    pub(crate) suite: T,
    pub(crate) additional: Choice,
}

fn cbc(algorithm: CbcAlgorithm) -> Transform {
    let bits = match algorithm {
        CbcAlgorithm::AesCbc128 => 128,
        CbcAlgorithm::AesCbc192 => 192,
        CbcAlgorithm::AesCbc256 => 256,
    };
    Transform::encryption(EncryptionId::ENCR_AES_CBC, Some(bits))
}

fn aead(algorithm: AeadAlgorithm) -> Transform {
    let bits = match algorithm {
        AeadAlgorithm::AesGcm16_128 => 128,
        AeadAlgorithm::AesGcm16_192 => 192,
        AeadAlgorithm::AesGcm16_256 => 256,
    };
    Transform::encryption(EncryptionId::ENCR_AES_GCM_16, Some(bits))
}

fn integrity(algorithm: Integrity) -> Transform {
    let id = match algorithm {
        Integrity::HmacSha1_96 => IntegrityId::AUTH_HMAC_SHA1_96,
        Integrity::HmacSha2_256_128 => IntegrityId::AUTH_HMAC_SHA2_256_128,
        Integrity::HmacSha2_384_192 => IntegrityId::AUTH_HMAC_SHA2_384_192,
        Integrity::HmacSha2_512_256 => IntegrityId::AUTH_HMAC_SHA2_512_256,
    };
    Transform::integrity(id)
}

fn prf(algorithm: PrfAlgorithm) -> Transform {
    let id = match algorithm {
        PrfAlgorithm::HmacSha1 => PrfId::PRF_HMAC_SHA1,
        PrfAlgorithm::HmacSha2_256 => PrfId::PRF_HMAC_SHA2_256,
        PrfAlgorithm::HmacSha2_384 => PrfId::PRF_HMAC_SHA2_384,
        PrfAlgorithm::HmacSha2_512 => PrfId::PRF_HMAC_SHA2_512,
    };
    Transform::prf(id)
}

fn group(group: Group) -> Transform {
    Transform::group(GroupId(group.number()))
}

fn esn(wanted: bool) -> Transform {
    let id = if wanted { EsnId::ESN } else { EsnId::NO_ESN };
    Transform::esn(id)
}

fn protection(protection: Protection) -> Vec<Transform> {
    match protection {
        // RFC 7296 §2.13#1, §3.3.5#5: AES is always named with its key length.
        Protection::Aead(algorithm) => [aead(algorithm)].to_vec(),
        Protection::EncryptThenMac(cipher, mac) => [cbc(cipher), integrity(mac)].to_vec(),
    }
}

fn ciphers(list: &Ciphers) -> Vec<Protection> {
    match list {
        Ciphers::Aead(algorithms) => algorithms.iter().copied().map(Protection::Aead).collect(),
        Ciphers::EncryptThenMac(encryption, integrity) => encryption
            .iter()
            .flat_map(|&cipher| {
                integrity
                    .iter()
                    .map(move |&mac| Protection::EncryptThenMac(cipher, mac))
            })
            .collect(),
    }
}

/// The offer of an IKE SA's initiator: one proposal each, numbered from 1. `spi` is empty in
/// IKE_SA_INIT and the new SPI at a rekeying (RFC 7296 §3.3.1).
pub(crate) fn offer_ike(proposals: &[IkeProposal], spi: &[u8]) -> SaPayload {
    // RFC 7296 §3.3#1,3-4, §3.3.1#3-4: the order is that of the configuration, and the numbers
    // count from one.
    let proposals = (1..=u8::MAX).zip(proposals).map(|(number, ours)| {
        // RFC 7296 §3.3#5-6,8: combined modes come without integrity; each key size is a transform
        // of its own.
        let mut transforms: Vec<Transform> = match &ours.ciphers {
            Ciphers::Aead(algorithms) => algorithms.iter().copied().map(aead).collect(),
            Ciphers::EncryptThenMac(encryption, macs) => encryption
                .iter()
                .copied()
                .map(cbc)
                .chain(macs.iter().copied().map(integrity))
                .collect(),
        };
        transforms.extend(ours.prf.iter().copied().map(prf));
        transforms.extend(ours.groups.iter().copied().map(group));
        transforms.extend(additional::offer(&ours.additional));
        Proposal {
            number,
            protocol: ProtocolId::IKE,
            spi: spi.to_vec(),
            transforms,
        }
    });
    SaPayload {
        proposals: proposals.collect(),
    }
}

/// The answer to an offer: the proposal that was chosen, under its number, with one transform of
/// each type (RFC 7296 §2.7). `spi` as in [`offer_ike`].
// RFC 7296 §2.7#1-5, §3.3.1#5, §3.3.6#1-4: one proposal of the same protocol, under the peer's number,
// each transform once and as it was offered.
pub(crate) fn answer_ike(chosen: Chosen<IkeSuite>, spi: &[u8]) -> SaPayload {
    let mut transforms = protection(chosen.suite.protection);
    transforms.push(prf(chosen.suite.prf));
    transforms.push(group(chosen.suite.group));
    transforms.extend(chosen.additional.transforms());
    SaPayload::single(Proposal {
        number: chosen.number,
        protocol: ProtocolId::IKE,
        spi: spi.to_vec(),
        transforms,
    })
}

/// The offer of a child SA: one proposal for each protection, each with these groups and these additional key
/// exchanges.
pub(crate) fn offer_esp(
    suites: &[EspSuite],
    groups: &[Group],
    further: &[Vec<Group>],
    spi: u32,
) -> SaPayload {
    // RFC 7296 §3.3.2: whoever takes sequence numbers of both lengths lists both in one proposal.
    let mut offers: Vec<(Protection, Vec<bool>)> = Vec::new();
    for suite in suites {
        let known = offers.iter_mut().find(|(one, _)| *one == suite.protection);
        match known {
            Some((_, lengths)) if lengths.contains(&suite.esn) => {}
            Some((_, lengths)) => lengths.push(suite.esn),
            None => offers.push((suite.protection, [suite.esn].to_vec())),
        }
    }
    let proposals = (1..=u8::MAX)
        .zip(offers)
        .map(|(number, (one, lengths))| Proposal {
            number,
            protocol: ProtocolId::ESP,
            spi: spi.to_be_bytes().to_vec(),
            transforms: esp_transforms(one, groups, additional::offer(further), &lengths),
        });
    SaPayload {
        proposals: proposals.collect(),
    }
}

/// The answer to a child SA's offer.
pub(crate) fn answer_esp(
    chosen: Chosen<EspSuite>,
    exchanged: Option<Group>,
    spi: u32,
) -> SaPayload {
    SaPayload::single(Proposal {
        number: chosen.number,
        protocol: ProtocolId::ESP,
        spi: spi.to_be_bytes().to_vec(),
        transforms: esp_transforms(
            chosen.suite.protection,
            exchanged.as_slice(),
            chosen.additional.transforms(),
            &[chosen.suite.esn],
        ),
    })
}

fn esp_transforms(
    one: Protection,
    groups: &[Group],
    further: impl Iterator<Item = Transform>,
    lengths: &[bool],
) -> Vec<Transform> {
    let mut transforms = protection(one);
    transforms.extend(groups.iter().copied().map(group));
    transforms.extend(further);
    transforms.extend(lengths.iter().copied().map(esn));
    transforms
}

// RFC 7296 §3.3.6#8: a transform or attribute that is not known equals none of ours.
pub(super) fn lists(theirs: &Proposal, wanted: &Transform) -> bool {
    theirs
        .transforms_of(wanted.kind)
        .any(|transform| transform == wanted)
}

/// Whether the proposal can be met by this protection: the cipher is listed, and the integrity
/// algorithm is, or with a combined mode none but NONE is (RFC 7296 §3.3.3, RFC 5282 §8).
fn lists_protection(theirs: &Proposal, wanted: Protection) -> bool {
    match wanted {
        Protection::Aead(algorithm) => {
            lists(theirs, &aead(algorithm))
                && theirs
                    .transforms_of(TransformType::INTEG)
                    .all(|one| one.id == IntegrityId::NONE.0)
        }
        Protection::EncryptThenMac(cipher, mac) => {
            // RFC 7296 §3.3.5#4,6: a transform fits with its key length, or without one where it
            // has none.
            lists(theirs, &cbc(cipher)) && lists(theirs, &integrity(mac))
        }
    }
}

/// Whether every transform type of the proposal is among `known` or an additional key exchange: a type
/// that is not understood makes the whole proposal unacceptable (RFC 7296 §3.3.6).
// RFC 7296 §3.3.3#1, §3.3.6#7: the types that are known, and another is a reason to pass on.
fn only(theirs: &Proposal, known: &[TransformType]) -> bool {
    theirs.transforms.iter().all(|transform| {
        known.contains(&transform.kind) || additional::KINDS.contains(&transform.kind)
    })
}

const IKE_TYPES: [TransformType; 4] = [
    TransformType::ENCR,
    TransformType::INTEG,
    TransformType::PRF,
    TransformType::KE,
];

const ESP_TYPES: [TransformType; 4] = [
    TransformType::ENCR,
    TransformType::INTEG,
    TransformType::KE,
    TransformType::ESN,
];

/// Chooses from the initiator's offer in our order of preference.
///
/// A group that the KE payload (`sent`) already serves is taken before another that would cost a
/// round trip, if our proposal lists both. `intermediate` says whether both ends have IKE_INTERMEDIATE:
/// without it there are no additional key exchanges (RFC 9370).
///
/// # Errors
///
/// [`PeerIncompatible::NoProposalChosen`], or [`PeerIncompatible::InvalidKeyExchange`] with the
/// group that we want where everything else fits.
pub(crate) fn choose_ike(
    ours: &[IkeProposal],
    theirs: &SaPayload,
    sent: u16,
    intermediate: bool,
) -> Result<Chosen<IkeSuite>, PeerIncompatible> {
    // RFC 9370 §rules#1: additional key exchanges need IKE_INTERMEDIATE of both ends.
    let ours = ours
        .iter()
        // RFC 9370 §rules#1: only with IKE_INTERMEDIATE announced by both.
        .filter(|mine| intermediate || mine.additional.is_empty());
    // RFC 7296 §3.3.1#6: in IKE_SA_INIT a proposal is for IKE and carries no SPI.
    choose_ike_among(ours, theirs, sent, <[u8]>::is_empty).map(|(chosen, _)| chosen)
}

/// As [`choose_ike`], for an SA that replaces another, and the SPI that the peer has chosen for it.
///
/// # Errors
///
/// As [`choose_ike`].
pub(crate) fn choose_ike_successor(
    ours: &[IkeProposal],
    theirs: &SaPayload,
    sent: u16,
) -> Result<(Chosen<IkeSuite>, u64), PeerIncompatible> {
    // RFC 7296 §2.18#3: without a group of ours no proposal fits, NONE is none of them.
    // RFC 7296 §3.3.1: at a rekeying the SPI has 8 octets; zero is none (§2.6).
    let (chosen, offer) =
        choose_ike_among(ours.iter(), theirs, sent, |spi| ike_spi(spi).is_some())?;
    let spi = ike_spi(&offer.spi).ok_or(PeerIncompatible::NoProposalChosen)?;
    Ok((chosen, spi))
}

fn ike_spi(octets: &[u8]) -> Option<u64> {
    let octets: [u8; 8] = octets.try_into().ok()?;
    Some(u64::from_be_bytes(octets)).filter(|&spi| spi != 0)
}

fn choose_ike_among<'a, 'b>(
    ours: impl Iterator<Item = &'b IkeProposal>,
    theirs: &'a SaPayload,
    sent: u16,
    spi_fits: impl Fn(&[u8]) -> bool,
) -> Result<(Chosen<IkeSuite>, &'a Proposal), PeerIncompatible> {
    // RFC 7296 §3.3.4#6-7: only what is configured is chosen.
    for mine in ours {
        for offer in &theirs.proposals {
            if offer.protocol != ProtocolId::IKE
                || !spi_fits(&offer.spi)
                || !only(offer, &IKE_TYPES)
            {
                continue;
            }
            let Some(protection) = ciphers(&mine.ciphers)
                .into_iter()
                .find(|&wanted| lists_protection(offer, wanted))
            else {
                continue;
            };
            let Some(prf) = mine
                .prf
                .iter()
                .copied()
                .find(|&one| lists(offer, &prf(one)))
            else {
                continue;
            };
            let fitting = || {
                mine.groups
                    .iter()
                    .copied()
                    .filter(|&one| lists(offer, &group(one)))
            };
            let Some(first) = fitting().next() else {
                continue;
            };
            let exchanged = fitting().find(|one| one.number() == sent);
            let exchange = exchanged.unwrap_or(first);
            let Some(further) = additional::choose(&mine.additional, true, offer, Some(exchange))
            else {
                continue;
            };
            let Some(group) = exchanged else {
                return Err(PeerIncompatible::InvalidKeyExchange(first));
            };
            let chosen = Chosen {
                number: offer.number,
                suite: IkeSuite {
                    protection,
                    prf,
                    group,
                    additional: further.exchanges,
                },
                additional: further,
            };
            return Ok((chosen, offer));
        }
    }
    Err(PeerIncompatible::NoProposalChosen)
}

/// What was chosen for a child SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChosenChild {
    pub(crate) chosen: Chosen<EspSuite>,
    /// The group of its own key exchange, if it has one.
    pub(crate) group: Option<Group>,
    /// The SPI under which the peer receives.
    pub(crate) spi: u32,
}

/// Chooses an ESP suite from the offer in IKE_AUTH, which has no key exchange of its own (RFC 7296
/// §1.2).
///
/// # Errors
///
/// [`PeerIncompatible::NoProposalChosen`].
pub(crate) fn choose_esp(
    ours: &[EspSuite],
    theirs: &SaPayload,
) -> Result<ChosenChild, PeerIncompatible> {
    fitting(ours, theirs)
        .find_map(|(suite, offer, spi)| {
            Some(ChosenChild {
                chosen: Chosen {
                    number: offer.number,
                    suite,
                    additional: additional::choose(&[], true, offer, None)?,
                },
                group: None,
                spi,
            })
        })
        .ok_or(PeerIncompatible::NoProposalChosen)
}

/// Chooses from the offer in CREATE_CHILD_SA. `sent` is the group of the peer's KE payload; `further` are
/// the key exchanges after it, which all take place where [`Pfs::Required`] wants the first.
///
/// # Errors
///
/// [`PeerIncompatible::NoProposalChosen`], or [`PeerIncompatible::InvalidKeyExchange`] where only the
/// KE payload is of another group than the one to use, or is missing.
pub(crate) fn choose_child(
    ours: &[EspSuite],
    pfs: &Pfs,
    further: &[Vec<Group>],
    theirs: &SaPayload,
    sent: Option<u16>,
) -> Result<ChosenChild, PeerIncompatible> {
    let mut wanted = None;
    for (suite, offer, spi) in fitting(ours, theirs) {
        let result = |group, additional| ChosenChild {
            chosen: Chosen {
                number: offer.number,
                suite,
                additional,
            },
            group,
            spi,
        };
        let (groups, required) = match pfs {
            Pfs::Accepted(groups) => (groups, false),
            Pfs::Required(groups) => (groups, true),
        };
        let mut common = groups
            .iter()
            .copied()
            .filter(|&one| lists(offer, &group(one)));
        let exchanged = common.clone().find(|one| Some(one.number()) == sent);
        if let Some(first) = exchanged {
            if let Some(choice) = additional::choose(further, required, offer, Some(first)) {
                return Ok(result(Some(first), choice));
            }
            continue;
        }
        // RFC 7296 §3.3.2: a proposal without a group, or with NONE, is one without a key exchange.
        let mut offered = offer.transforms_of(TransformType::KE).peekable();
        let without = offered.peek().is_none() || offered.any(|one| one.id == GroupId::NONE.0);
        if without
            && !required
            && let Some(choice) = additional::choose(&[], true, offer, None)
        {
            return Ok(result(None, choice));
        }
        wanted = wanted.or_else(|| common.next());
    }
    // RFC 7296 §1.3#3, §3.4#5: the group that the peer is to use instead.
    Err(wanted.map_or(
        PeerIncompatible::NoProposalChosen,
        PeerIncompatible::InvalidKeyExchange,
    ))
}

/// The offers that one of our suites fits, in our order of preference, each with its SPI.
fn fitting<'a>(
    ours: &'a [EspSuite],
    theirs: &'a SaPayload,
) -> impl Iterator<Item = (EspSuite, &'a Proposal, u32)> {
    let pairs = ours
        .iter()
        .flat_map(|&suite| theirs.proposals.iter().map(move |offer| (suite, offer)));
    pairs.filter_map(|(suite, offer)| {
        let fits = offer.protocol == ProtocolId::ESP
            && only(offer, &ESP_TYPES)
            && lists_protection(offer, suite.protection)
            && lists_esn(offer, suite.esn);
        let spi = esp_spi(offer).filter(|_| fits)?;
        Some((suite, offer, spi))
    })
}

/// A proposal that says nothing of extended sequence numbers means none.
// RFC 4303 §2.2.1#2: both ends have to name them.
fn lists_esn(offer: &Proposal, wanted: bool) -> bool {
    let mut named = offer.transforms_of(TransformType::ESN).peekable();
    if named.peek().is_none() {
        return !wanted;
    }
    lists(offer, &esn(wanted))
}

/// RFC 4303 §2.1#6: SPIs up to 255 are reserved.
fn esp_spi(offer: &Proposal) -> Option<u32> {
    let octets: [u8; 4] = offer.spi.as_slice().try_into().ok()?;
    Some(u32::from_be_bytes(octets)).filter(|&spi| spi > 255)
}

/// The suite of an answer, if it is one that `offered` contains. `intermediate` as in [`choose_ike`].
///
/// # Errors
///
/// [`PeerMisbehaved::SelectedUnoffered`].
pub(crate) fn accept_ike(
    offered: &[IkeProposal],
    answer: &SaPayload,
    intermediate: bool,
) -> Result<IkeSuite, PeerMisbehaved> {
    let (mine, number) = answered_proposal(offered, answer)?;
    choose_ike(core::slice::from_ref(mine), answer, number, intermediate)
        .ok()
        .filter(|chosen| chosen.additional.answers(&mine.additional))
        .map(|chosen| chosen.suite)
        .ok_or(PeerMisbehaved::SelectedUnoffered)
}

/// As [`accept_ike`], for an SA that replaces another, and the SPI that the peer has chosen for it.
///
/// # Errors
///
/// [`PeerMisbehaved::SelectedUnoffered`].
pub(crate) fn accept_ike_successor(
    offered: &[IkeProposal],
    answer: &SaPayload,
) -> Result<(IkeSuite, u64), PeerMisbehaved> {
    let (mine, number) = answered_proposal(offered, answer)?;
    choose_ike_successor(core::slice::from_ref(mine), answer, number)
        .ok()
        .filter(|(chosen, _)| chosen.additional.answers(&mine.additional))
        .map(|(chosen, spi)| (chosen.suite, spi))
        .ok_or(PeerMisbehaved::SelectedUnoffered)
}

/// Which of our proposals an answer takes, and the number of its group.
fn answered_proposal<'a>(
    offered: &'a [IkeProposal],
    answer: &SaPayload,
) -> Result<(&'a IkeProposal, u16), PeerMisbehaved> {
    let [chosen] = answer.proposals.as_slice() else {
        return Err(PeerMisbehaved::SelectedUnoffered);
    };
    single_transforms(chosen)?;
    let number = chosen
        .transforms_of(TransformType::KE)
        .next()
        .ok_or(PeerMisbehaved::SelectedUnoffered)?
        .id;
    let index = usize::from(chosen.number).checked_sub(1);
    let mine = index
        .and_then(|index| offered.get(index))
        .ok_or(PeerMisbehaved::SelectedUnoffered)?;
    Ok((mine, number))
}

/// The suite of an answer to a child SA's offer, and the SPI under which the peer receives. `exchanged`
/// is the group of the key exchange that both KE payloads belong to, if there were any, and `further` the
/// key exchanges after it that were offered.
///
/// # Errors
///
/// [`PeerMisbehaved::SelectedUnoffered`].
pub(crate) fn accept_esp(
    offered: &[EspSuite],
    exchanged: Option<Group>,
    further: &[Vec<Group>],
    answer: &SaPayload,
) -> Result<(EspSuite, u32, Additional), PeerMisbehaved> {
    let [chosen] = answer.proposals.as_slice() else {
        return Err(PeerMisbehaved::SelectedUnoffered);
    };
    single_transforms(chosen)?;
    let pfs = match exchanged {
        Some(group) => Pfs::Required([group].to_vec()),
        None => Pfs::Accepted(Vec::new()),
    };
    let sent = exchanged.map(Group::number);
    choose_child(offered, &pfs, further, answer, sent)
        .ok()
        .filter(|child| child.chosen.additional.answers(further))
        .map(|child| {
            let chosen = child.chosen;
            (chosen.suite, child.spi, chosen.additional.exchanges)
        })
        .ok_or(PeerMisbehaved::SelectedUnoffered)
}

/// RFC 7296 §2.7: an answer names exactly one transform of each type.
fn single_transforms(chosen: &Proposal) -> Result<(), PeerMisbehaved> {
    let once = chosen
        .transforms
        .iter()
        .all(|one| chosen.transforms_of(one.kind).count() == 1);
    if once {
        Ok(())
    } else {
        Err(PeerMisbehaved::SelectedUnoffered)
    }
}

#[cfg(test)]
mod tests {
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
        let esp = offer_esp(&[GCM, short], &[], &[], 0x1234_5678);
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
        let offer = offer_esp(&[GCM], &[], &[], 0x1234_5678);
        let child = choose_esp(&[GCM], &offer).unwrap();
        assert_eq!((child.chosen.suite, child.spi), (GCM, 0x1234_5678));
        let answer = answer_esp(child.chosen, None, 0x9abc_def0);
        assert_eq!(
            accept_esp(&[GCM], None, &[], &answer),
            Ok((GCM, 0x9abc_def0, Additional::NONE))
        );
    }

    // RFC 4303 §2.1#6, RFC 3948 §1#3, §2.1#4: SPIs 0 to 255 are reserved.
    #[test]
    fn refuses_a_reserved_or_misshapen_spi() {
        assert!(choose_esp(&[GCM], &offer_esp(&[GCM], &[], &[], 255)).is_err());
        let mut offer = offer_esp(&[GCM], &[], &[], 0x1234_5678);
        offer.proposals[0].spi.pop();
        assert!(choose_esp(&[GCM], &offer).is_err());
    }

    // RFC 4303 §2.2.1#2: extended numbers are negotiated or not used.
    #[test]
    fn takes_silence_about_esn_for_none() {
        let mut offer = offer_esp(&[GCM], &[], &[], 0x1234_5678);
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
        let offer = offer_esp(&[GCM, long], &[], &[], 0x1234_5678);
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
        assert!(choose_esp(&[long], &offer_esp(&[GCM], &[], &[], 0x1234_5678)).is_err());
    }

    // RFC 7296 §1.3#3, §3.3.6#12: a child SA has a key exchange where both want one, and the responder
    // names the group when another came.
    #[test]
    fn a_child_has_a_key_exchange_if_both_want_one() {
        let (p256, p384) = (Group::EcpP256, Group::EcpP384);
        let with = offer_esp(&[GCM], &[p256, p384], &[], 0x1234_5678);
        let without = offer_esp(&[GCM], &[], &[], 0x1234_5678);
        let accepted = Pfs::Accepted([p384, p256].to_vec());
        let required = Pfs::Required([p384].to_vec());
        let group =
            |pfs, offer, sent| choose_child(&[GCM], pfs, &[], offer, sent).map(|one| one.group);
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
        let offer = offer_esp(&[GCM], &[Group::EcpP256], &[], 0x1234_5678);
        let pfs = Pfs::default();
        let child = choose_child(&[GCM], &pfs, &[], &offer, Some(19)).unwrap();
        let answer = answer_esp(child.chosen, child.group, 0x9abc_def0);
        let accept = |group| accept_esp(&[GCM], group, &[], &answer);
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
}
