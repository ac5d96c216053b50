//! Both sides of a negotiation in which nothing was in common, side by side.

use ironflex_ikev2::{
    config::{Ciphers, IkeProposal},
    crypto::suite::{
        AeadAlgorithm, CbcAlgorithm, EspSuite, Group, Integrity, PrfAlgorithm, Protection,
    },
    event::{Instant, Path, SaId},
    refusal::{PeerIncompatible, Refusal},
    wire::{
        header::Header,
        message::PartialMessage,
        payload::{Payload, Proposal, Transform},
        registry::{EncryptionId, GroupId, IntegrityId, PrfId, TransformType},
    },
};

use super::{attempts::Search, work::House};
use crate::state::attempts::{Difference, Failure, Transforms};

impl House {
    /// A request for a new SA was refused. It is only looked at again if there is a place for it, or a line in the log.
    pub(super) fn init_refused(
        &mut self,
        now: Instant,
        path: &Path,
        refusal: &Refusal,
        request: &[u8],
    ) {
        // Which group it is to be is found out so, and the client tries again with that: it is no line in the log.
        let policies = &self.plan.endpoint.policies;
        let ours = || {
            let local = path.local.ip().to_canonical();
            let policy = policies.iter().find(|one| one.local.contains(&local));
            let policy = policy.or_else(|| policies.iter().find(|one| one.local.is_empty()));
            policy.map_or(&[] as &[_], |policy| &policy.proposals)
        };
        let spi = Header::peek(request)
            .ok()
            .map(|header| header.initiator_spi);
        if let Refusal::Incompatible(PeerIncompatible::InvalidKeyExchange(wanted)) = refusal {
            let search = || searched(request, *wanted, ours());
            let attempts = &mut self.attempts;
            return attempts.searches(now, path.remote, (spi, refusal), search);
        }
        let failure = || {
            if *refusal != PeerIncompatible::NoProposalChosen.into() {
                let why = refusal.to_string();
                return Failure::Other { why };
            }
            let message = PartialMessage::parse(request);
            let payloads = message.map(|message| message.outer).unwrap_or_default();
            let theirs = payloads.iter().find_map(|payload| match payload {
                Payload::Sa(sa) => Some(offered(IKE, &sa.proposals)),
                _ => None,
            });
            nothing_fits(IKE, theirs.unwrap_or_default(), allowed_ike(ours()))
        };
        let attempts = &mut self.attempts;
        if attempts.refused(now, path.remote, (spi, refusal), failure) {
            self.log.init_refused(path.remote, failure);
        }
    }

    /// A peer is let in and gets no child SA. Where nothing in common was found, that is told with both sides.
    pub(super) fn child_refused(
        &mut self,
        now: Instant,
        sa: SaId,
        why: &Refusal,
        proposals: &[Proposal],
    ) {
        let serving = self
            .sessions
            .view(sa)
            .and_then(|session| session.profile.as_ref());
        let failure = match serving.filter(|_| !proposals.is_empty()) {
            Some(serving) => nothing_fits(ESP, offered(ESP, proposals), allowed_esp(&serving.esp)),
            None => Failure::Child {
                why: why.to_string(),
            },
        };
        if let Some(session) = self.sessions.of(sa) {
            session.child_refused = true;
        }
        self.log
            .child_refused(self.sessions.view(sa), why, &failure);
        self.attempts.childless(now, sa, why, failure);
        self.release(sa);
    }
}

/// What is known of a client that was told to come back with the group that is wanted.
fn searched(request: &[u8], wanted: Group, ours: &[IkeProposal]) -> Search {
    let message = PartialMessage::parse(request);
    let payloads = message.map(|message| message.outer).unwrap_or_default();
    let sent = payloads.iter().find_map(|payload| match payload {
        Payload::Ke(ke) => Some(ke.group.0),
        _ => None,
    });
    let sent = sent.unwrap_or_default();
    let is_in_a_line = |one: &Group| one.number() == sent;
    let could_be_added = Group::DIFFIE_HELLMAN.iter().any(is_in_a_line)
        && !ours.iter().flat_map(|one| &one.groups).any(is_in_a_line);
    Search {
        began: group(sent),
        wanted: group(wanted.number()),
        could_be_added,
    }
}

/// What a proposal is for.
const IKE: &str = "IKE";
const ESP: &str = "ESP";

/// As many proposals of a client's as are told, and as many values in each place: it may send hundreds.
const TOLD: usize = 8;
const TOLD_VALUES: usize = 24;

/// What a client offers.
#[must_use]
pub(super) fn offered(protocol: &'static str, proposals: &[Proposal]) -> Vec<Transforms> {
    let words = if protocol == ESP {
        Words::Esp
    } else {
        Words::Ike
    };
    let told = proposals.iter().take(TOLD);
    told.map(|proposal| {
        let mut sides = Transforms::default();
        for transform in &proposal.transforms {
            let (place, name) = match transform.kind {
                TransformType::ENCR => (&mut sides.encryption, words.encryption(transform)),
                TransformType::PRF => (&mut sides.prf, prf(PrfId(transform.id))),
                TransformType::INTEG => (
                    &mut sides.integrity,
                    words.integrity(IntegrityId(transform.id)),
                ),
                TransformType::ESN => (&mut sides.esn, yes(transform.id == 1)),
                _ => (&mut sides.group, group(transform.id)),
            };
            if place.len() < TOLD_VALUES && !place.contains(&name) {
                place.push(name);
            }
        }
        sides
    })
    .collect()
}

/// What is taken for IKE SAs.
#[must_use]
pub(super) fn allowed_ike(proposals: &[IkeProposal]) -> Vec<Transforms> {
    let told = proposals.iter().take(TOLD);
    told.map(|one| {
        let (encryption, integrity) = match &one.ciphers {
            Ciphers::Aead(ciphers) => (
                ciphers.iter().map(|one| Words::Ike.aead(*one)).collect(),
                Vec::new(),
            ),
            Ciphers::EncryptThenMac(ciphers, integrity) => (
                ciphers.iter().map(|one| Words::Ike.cbc(*one)).collect(),
                integrity.iter().map(|one| Words::Ike.hash(*one)).collect(),
            ),
        };
        let further = one.additional.iter().flatten();
        Transforms {
            encryption,
            integrity,
            prf: one.prf.iter().map(|one| prf_name(*one)).collect(),
            group: one
                .groups
                .iter()
                .chain(further)
                .map(|one| group(one.number()))
                .collect(),
            esn: Vec::new(),
        }
    })
    .collect()
}

/// What is taken for child SAs: the two lengths of sequence numbers for one cipher stand together.
#[must_use]
pub(super) fn allowed_esp(suites: &[EspSuite]) -> Vec<Transforms> {
    let mut told: Vec<Transforms> = Vec::new();
    for suite in suites {
        let (encryption, integrity) = match suite.protection {
            Protection::Aead(cipher) => (Words::Esp.aead(cipher), Vec::new()),
            Protection::EncryptThenMac(cipher, integrity) => {
                (Words::Esp.cbc(cipher), vec![Words::Esp.hash(integrity)])
            }
        };
        let encryption = vec![encryption];
        let full = told.len() >= TOLD;
        let same = told
            .iter_mut()
            .find(|one| one.encryption == encryption && one.integrity == integrity);
        match same {
            Some(same) => same.esn.push(yes(suite.esn)),
            None if !full => told.push(Transforms {
                encryption,
                integrity,
                esn: vec![yes(suite.esn)],
                ..Transforms::default()
            }),
            None => {}
        }
    }
    told
}

/// The failure with the nearest two of both sides compared: they tell what to do where they differ in one thing alone.
#[must_use]
pub(super) fn nothing_fits(
    protocol: &'static str,
    offered: Vec<Transforms>,
    allowed: Vec<Transforms>,
) -> Failure {
    let pairs = offered
        .iter()
        .flat_map(|theirs| allowed.iter().map(move |ours| differences(theirs, ours)));
    let nearest = pairs.min_by_key(Vec::len).unwrap_or_default();
    let differing = match <[Difference; 1]>::try_from(nearest) {
        Ok([one]) => Some(one),
        Err(_) => None,
    };
    Failure::NothingFits {
        protocol,
        offered,
        allowed,
        differing,
    }
}

/// In what two proposals have nothing in common.
fn differences(theirs: &Transforms, ours: &Transforms) -> Vec<Difference> {
    let places = [
        ("encryption", &theirs.encryption, &ours.encryption),
        ("integrity", &theirs.integrity, &ours.integrity),
        ("prf", &theirs.prf, &ours.prf),
        ("group", &theirs.group, &ours.group),
        ("esn", &theirs.esn, &ours.esn),
    ];
    let apart = places.into_iter().filter(|(_, theirs, ours)| {
        let shared = theirs.iter().any(|one| ours.contains(one));
        // What neither has is no difference. A child SA's group is spent elsewhere.
        !shared && !ours.is_empty()
    });
    apart
        .map(|(what, offered, allowed)| Difference {
            what,
            offered: offered.clone(),
            allowed: allowed.clone(),
        })
        .collect()
}

/// Whose words are used: the lines of an IKE SA's proposal and of a child SA's transform set have each their own.
#[derive(Clone, Copy)]
enum Words {
    /// `crypto ikev2 proposal`
    Ike,
    /// `crypto ipsec transform-set`
    Esp,
}

impl Words {
    fn aes(self, mode: &str, bits: u16) -> String {
        match (self, mode) {
            (Self::Ike, _) => format!("aes-{mode}-{bits}"),
            (Self::Esp, "cbc") => format!("esp-aes {bits}"),
            (Self::Esp, _) => format!("esp-{mode} {bits}"),
        }
    }

    /// A cipher of a client's, which may be one that no line has.
    fn encryption(self, transform: &Transform) -> String {
        let bits = transform.key_length;
        let known = match (EncryptionId(transform.id), bits, self) {
            (EncryptionId::ENCR_AES_CBC, Some(bits), _) => Some(self.aes("cbc", bits)),
            (EncryptionId::ENCR_AES_GCM_16, Some(bits), _) => Some(self.aes("gcm", bits)),
            (EncryptionId::ENCR_3DES, _, Self::Ike) => Some("3des".to_owned()),
            (EncryptionId::ENCR_3DES, _, Self::Esp) => Some("esp-3des".to_owned()),
            _ => None,
        };
        let bits = bits.map_or_else(String::new, |bits| format!("-{bits}"));
        known.unwrap_or_else(|| format!("{}{bits}", EncryptionId(transform.id)))
    }

    fn integrity(self, id: IntegrityId) -> String {
        let known = match id {
            IntegrityId::AUTH_HMAC_MD5_96 => ["md5", "esp-md5-hmac"],
            IntegrityId::AUTH_HMAC_SHA1_96 => ["sha1", "esp-sha-hmac"],
            IntegrityId::AUTH_HMAC_SHA2_256_128 => ["sha256", "esp-sha256-hmac"],
            IntegrityId::AUTH_HMAC_SHA2_384_192 => ["sha384", "esp-sha384-hmac"],
            IntegrityId::AUTH_HMAC_SHA2_512_256 => ["sha512", "esp-sha512-hmac"],
            other => return other.to_string(),
        };
        let [ike, esp] = known;
        match self {
            Self::Ike => ike,
            Self::Esp => esp,
        }
        .to_owned()
    }

    fn aead(self, cipher: AeadAlgorithm) -> String {
        self.aes(
            "gcm",
            match cipher {
                AeadAlgorithm::AesGcm16_128 => 128,
                AeadAlgorithm::AesGcm16_192 => 192,
                AeadAlgorithm::AesGcm16_256 => 256,
            },
        )
    }

    fn cbc(self, cipher: CbcAlgorithm) -> String {
        self.aes(
            "cbc",
            match cipher {
                CbcAlgorithm::AesCbc128 => 128,
                CbcAlgorithm::AesCbc192 => 192,
                CbcAlgorithm::AesCbc256 => 256,
            },
        )
    }

    fn hash(self, integrity: Integrity) -> String {
        self.integrity(match integrity {
            Integrity::HmacSha1_96 => IntegrityId::AUTH_HMAC_SHA1_96,
            Integrity::HmacSha2_256_128 => IntegrityId::AUTH_HMAC_SHA2_256_128,
            Integrity::HmacSha2_384_192 => IntegrityId::AUTH_HMAC_SHA2_384_192,
            Integrity::HmacSha2_512_256 => IntegrityId::AUTH_HMAC_SHA2_512_256,
        })
    }
}

fn yes(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}

fn prf(id: PrfId) -> String {
    match id {
        PrfId::PRF_HMAC_MD5 => "md5".to_owned(),
        PrfId::PRF_HMAC_SHA1 => "sha1".to_owned(),
        PrfId::PRF_HMAC_SHA2_256 => "sha256".to_owned(),
        PrfId::PRF_HMAC_SHA2_384 => "sha384".to_owned(),
        PrfId::PRF_HMAC_SHA2_512 => "sha512".to_owned(),
        other => other.to_string(),
    }
}

fn prf_name(algorithm: PrfAlgorithm) -> String {
    prf(match algorithm {
        PrfAlgorithm::HmacSha1 => PrfId::PRF_HMAC_SHA1,
        PrfAlgorithm::HmacSha2_256 => PrfId::PRF_HMAC_SHA2_256,
        PrfAlgorithm::HmacSha2_384 => PrfId::PRF_HMAC_SHA2_384,
        PrfAlgorithm::HmacSha2_512 => PrfId::PRF_HMAC_SHA2_512,
    })
}

fn group(number: u16) -> String {
    match GroupId(number) {
        GroupId::ML_KEM_512 => "mlkem512".to_owned(),
        GroupId::ML_KEM_768 => "mlkem768".to_owned(),
        GroupId::ML_KEM_1024 => "mlkem1024".to_owned(),
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ironflex_ikev2::{event::Framing, wire::registry::ProtocolId};

    use super::{super::configure::tests::Scene, *};

    fn proposal(transforms: &[(TransformType, u16, Option<u16>)]) -> Proposal {
        let transform = |&(kind, id, key_length): &(TransformType, u16, Option<u16>)| Transform {
            kind,
            id,
            key_length,
            attributes: Vec::new(),
        };
        Proposal {
            number: 1,
            protocol: ProtocolId::IKE,
            spi: Vec::new(),
            transforms: transforms.iter().map(transform).collect(),
        }
    }

    fn ours() -> Vec<IkeProposal> {
        vec![IkeProposal {
            ciphers: Ciphers::EncryptThenMac(
                vec![CbcAlgorithm::AesCbc256],
                vec![Integrity::HmacSha2_256_128],
            ),
            prf: vec![PrfAlgorithm::HmacSha2_256],
            groups: vec![Group::Modp2048, Group::EcpP256],
            additional: Vec::new(),
        }]
    }

    fn failure(theirs: &[Proposal]) -> Failure {
        nothing_fits(IKE, offered(IKE, theirs), allowed_ike(&ours()))
    }

    const CIPHER: (TransformType, u16, Option<u16>) = (TransformType::ENCR, 12, Some(256));
    const PRF: (TransformType, u16, Option<u16>) = (TransformType::PRF, 5, None);
    const INTEGRITY: (TransformType, u16, Option<u16>) = (TransformType::INTEG, 12, None);
    const OLD_GROUP: (TransformType, u16, Option<u16>) = (TransformType::KE, 2, None);

    #[test]
    fn the_one_thing_in_which_the_nearest_two_differ_is_named() {
        let far = proposal(&[(TransformType::ENCR, 3, None), OLD_GROUP]);
        let near = proposal(&[CIPHER, PRF, INTEGRITY, OLD_GROUP]);
        let failure = failure(&[far, near]);
        assert_eq!(
            failure.to_string(),
            "IKE: the proposals differ in the group alone: the client offers 2, the headend takes 14, 19: add one of them to \
             the 'crypto ikev2 proposal', or to the client's"
        );
    }

    #[test]
    fn what_differs_in_more_is_told_side_by_side() {
        let far = proposal(&[(TransformType::ENCR, 3, None), PRF, INTEGRITY, OLD_GROUP]);
        let Failure::NothingFits {
            offered,
            allowed,
            differing,
            ..
        } = failure(&[far])
        else {
            panic!("another failure");
        };
        assert_eq!(differing, None);
        assert_eq!(offered[0].encryption, ["3des"]);
        assert_eq!(allowed[0].encryption, ["aes-cbc-256"]);
        assert_eq!(allowed[0].group, ["14", "19"]);
    }

    #[test]
    fn a_child_sa_in_which_nothing_fits_is_told_by_its_transforms() {
        const NO_ESN: (TransformType, u16, Option<u16>) = (TransformType::ESN, 0, None);
        const SHA1: (TransformType, u16, Option<u16>) = (TransformType::INTEG, 2, None);
        let ours = [false, true].map(|esn| EspSuite {
            protection: Protection::EncryptThenMac(
                CbcAlgorithm::AesCbc256,
                Integrity::HmacSha2_256_128,
            ),
            esn,
        });
        let gcm = EspSuite {
            protection: Protection::Aead(AeadAlgorithm::AesGcm16_128),
            esn: false,
        };
        let ours = allowed_esp(&[ours[0], ours[1], gcm]);
        let told: Vec<String> = ours.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "encryption esp-aes 256; integrity esp-sha256-hmac; esn no, yes",
                "encryption esp-gcm 128; esn no",
            ]
        );
        let theirs = offered(ESP, &[proposal(&[CIPHER, SHA1, NO_ESN])]);
        assert_eq!(
            nothing_fits(ESP, theirs, ours).to_string(),
            "ESP: the proposals differ in the integrity alone: the client offers esp-sha-hmac, the headend takes \
             esp-sha256-hmac: add one of them to the 'crypto ipsec transform-set', or to the client's"
        );
    }

    /// Whoever reads of a misfit can copy the words into the configuration.
    #[test]
    fn what_differs_is_told_in_the_words_that_lines_take() {
        let word = |kind, id, bits| (kind, id, bits);
        let all = proposal(&[
            word(TransformType::ENCR, 12, Some(128)),
            word(TransformType::ENCR, 20, Some(256)),
            word(TransformType::INTEG, 1, None),
            word(TransformType::INTEG, 2, None),
            word(TransformType::PRF, 2, None),
            word(TransformType::KE, 36, None),
        ]);
        let told = |protocol| offered(protocol, std::slice::from_ref(&all))[0].to_string();
        assert_eq!(
            told(IKE),
            "encryption aes-cbc-128, aes-gcm-256; integrity md5, sha1; prf sha1; group mlkem768"
        );
        assert!(told(ESP).starts_with(
            "encryption esp-aes 128, esp-gcm 256; integrity esp-md5-hmac, esp-sha-hmac; "
        ));
    }

    #[test]
    fn of_a_long_offer_the_beginning_is_kept() {
        let long: Vec<_> = (0..500).map(|id| (TransformType::KE, id, None)).collect();
        let many = vec![proposal(&long); 100];
        let told = offered(IKE, &many);
        assert_eq!(told.len(), TOLD);
        assert!(told.iter().all(|one| one.group.len() == TOLD_VALUES));
    }

    // A client first asks with a group of its own choice, and then again with the one that it is told.
    #[test]
    fn what_a_client_is_refused_for_after_it_has_searched_is_told() {
        let mut house = Scene::new().driver.house;
        let path = Path {
            local: "192.0.2.1:500".parse().unwrap(),
            remote: "198.51.100.7:500".parse().unwrap(),
            framing: Framing::Bare,
        };
        let mut request = [0; 28];
        request[7] = 1;
        request[17] = 0x20;
        request[18] = 34;
        request[27] = 28;
        let mut refuse = |second, refusal: PeerIncompatible| {
            let now = Instant::new(Duration::from_secs(second));
            house.init_refused(now, &path, &refusal.into(), &request);
            let facts = house.attempts.facts();
            let last = facts.last();
            last.and_then(|one| one.failure.as_ref().map(ToString::to_string))
        };
        let group = PeerIncompatible::InvalidKeyExchange(Group::EcpP256);
        let why = refuse(1, group).unwrap();
        assert!(why.contains("told that the headend wants 19"), "{why}");
        let why = refuse(1, PeerIncompatible::NoProposalChosen).unwrap();
        assert!(why.starts_with("IKE: "), "{why}");
        // That it searches is nothing to tell beside.
        refuse(2, group);
        let facts = house.attempts.facts();
        assert_eq!((facts.len(), facts[0].tries), (1, 1));
        assert!(facts[0].earlier.is_empty());
    }
}
