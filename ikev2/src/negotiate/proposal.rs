//! SA payloads (RFC 7296 §2.7, §3.3): offers written from our lists, choices made from the
//! peer's, answers checked against what was offered.
//!
//! The registry's numbers meet the algorithms that this crate can run here, in both directions by
//! exhaustive `match`.

use alloc::vec::Vec;

use super::additional::{self, Alternatives, Choice};
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

/// The offer of a child SA: one proposal for each protection and each alternative of the key exchanges after the first, with
/// these groups for the first.
pub(crate) fn offer_esp(
    suites: &[EspSuite],
    groups: &[Group],
    further: Alternatives<'_>,
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
    // Alternatives are proposals, and not NONE in one: who does not know these types passes over the proposals that have
    // them (RFC 7296 §3.3.6).
    let offers = &offers;
    let alternatives = further
        .each()
        .flat_map(|further| offers.iter().map(move |offer| (offer, further)));
    let proposals = (1..=u8::MAX)
        .zip(alternatives)
        .map(|(number, ((one, lengths), further))| Proposal {
            number,
            protocol: ProtocolId::ESP,
            spi: spi.to_be_bytes().to_vec(),
            transforms: esp_transforms(*one, groups, additional::offer(further), lengths),
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
/// is the group of the key exchange that both KE payloads belong to, if there were any, and `further` what was offered of key
/// exchanges after it.
///
/// # Errors
///
/// [`PeerMisbehaved::SelectedUnoffered`].
pub(crate) fn accept_esp(
    offered: &[EspSuite],
    exchanged: Option<Group>,
    further: Alternatives<'_>,
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
    let answered = |further: &[Vec<Group>]| {
        let child = choose_child(offered, &pfs, further, answer, sent).ok()?;
        let chosen = child.chosen;
        let answers = chosen.additional.answers(further);
        answers.then_some((chosen.suite, child.spi, chosen.additional.exchanges))
    };
    further
        .each()
        .find_map(answered)
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
mod tests;
