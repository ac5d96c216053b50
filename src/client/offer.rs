//! What a client offers and asks for.

use ironflex_ikev2::{
    config::{Ciphers, IkeProposal},
    crypto::suite::{
        AeadAlgorithm, CbcAlgorithm, EspSuite, Group, Integrity, PrfAlgorithm, Protection,
    },
    wire::{
        payload::{AddressRange, ConfigAttribute, TrafficSelector},
        registry::ConfigAttributeType,
    },
};
use ironflex_profiles::{
    model::{
        ikev2::{Encryption, Group as IosGroup, Integrity as IosIntegrity, MlKem, Pqc, Prf},
        name::Name,
    },
    snapshot::Proposal,
};
use ironflex_xfrm::netlink::sysctl;

use crate::daemon::compile;

/// What `--help` says of proposals.
pub(super) const PROPOSALS: &str = "\
IKE proposals are ENCRYPTION/HASH/GROUP or ENCRYPTION/HASH/GROUP/PQC in the words of IOS-XE:
  ENCRYPTION  aes-cbc-128, aes-cbc-192, aes-cbc-256, aes-gcm-128 or aes-gcm-256
  HASH        sha1, sha256, sha384 or sha512: integrity and PRF; with aes-gcm the PRF alone
  GROUP       14, 15, 16, 19, 20, 21 or 31
  PQC         mlkem512, mlkem768 or mlkem1024: a second key exchange after that of GROUP. Where it is
              to be optional, the same proposal without it follows";

/// Reads one proposal of the command line.
///
/// # Errors
///
/// A sentence that names the word and what may stand there.
pub(super) fn proposal(text: &str) -> Result<IkeProposal, String> {
    let (encryption, hash, group, pqc) = match text.split('/').collect::<Vec<_>>()[..] {
        [encryption, hash, group] => (encryption, hash, group, None),
        [encryption, hash, group, pqc] => (encryption, hash, group, Some(pqc)),
        _ => return Err("ENCRYPTION/HASH/GROUP expected, such as aes-cbc-256/sha256/14".into()),
    };
    let encryption = word(encryption, Encryption::from_keyword, Encryption::ALL)?;
    let integrity = word(hash, IosIntegrity::from_keyword, IosIntegrity::ALL)?;
    let group = word(group, IosGroup::from_keyword, IosGroup::ALL)?;
    let pqc = pqc.map(|text| word(text, MlKem::from_keyword, MlKem::ALL));
    let methods: Vec<MlKem> = pqc.transpose()?.into_iter().collect();
    compile::served(&methods).map_err(|error| error.to_string())?;
    Ok(compile::ike_proposal(&Proposal {
        name: Name::new("command-line").map_err(|error| error.to_string())?,
        encryption: vec![encryption],
        integrity: vec![integrity],
        prf: vec![Prf::from(integrity)],
        group: vec![group],
        pqc: Pqc {
            methods,
            optional: false,
        },
    }))
}

fn word<T: std::fmt::Display>(
    text: &str,
    read: fn(&str) -> Option<T>,
    all: &[T],
) -> Result<T, String> {
    read(text).ok_or_else(|| {
        let known: Vec<String> = all.iter().map(ToString::to_string).collect();
        format!("{text:?} is none of {}", known.join(", "))
    })
}

/// The ESP suites that a client offers, each without and with extended sequence numbers: the headend chooses.
pub(super) fn esp_suites() -> Vec<EspSuite> {
    let suite = |protection| [false, true].map(|esn| EspSuite { protection, esn });
    [
        suite(Protection::Aead(AeadAlgorithm::AesGcm16_256)),
        suite(Protection::EncryptThenMac(
            CbcAlgorithm::AesCbc256,
            Integrity::HmacSha2_256_128,
        )),
        suite(Protection::Aead(AeadAlgorithm::AesGcm16_128)),
        suite(Protection::EncryptThenMac(
            CbcAlgorithm::AesCbc128,
            Integrity::HmacSha2_256_128,
        )),
        suite(Protection::EncryptThenMac(
            CbcAlgorithm::AesCbc256,
            Integrity::HmacSha1_96,
        )),
        suite(Protection::EncryptThenMac(
            CbcAlgorithm::AesCbc128,
            Integrity::HmacSha1_96,
        )),
    ]
    .concat()
}

/// The IKE proposals that a client offers to a headend of which it is told nothing.
pub(super) fn ike_proposals() -> Vec<IkeProposal> {
    // RFC 9370 §rules#3: nothing for which a peer that does not know it would refuse the whole. Who names a post-quantum one
    // in `--proposal` names another without it behind, or means it.
    let groups = vec![
        Group::Modp2048,
        Group::EcpP256,
        Group::EcpP384,
        Group::EcpP521,
        Group::Curve25519,
        Group::Modp3072,
        Group::Modp4096,
    ];
    let prf = vec![
        PrfAlgorithm::HmacSha2_256,
        PrfAlgorithm::HmacSha2_384,
        PrfAlgorithm::HmacSha2_512,
        PrfAlgorithm::HmacSha1,
    ];
    vec![
        IkeProposal {
            ciphers: Ciphers::EncryptThenMac(
                vec![
                    CbcAlgorithm::AesCbc256,
                    CbcAlgorithm::AesCbc192,
                    CbcAlgorithm::AesCbc128,
                ],
                vec![
                    Integrity::HmacSha2_256_128,
                    Integrity::HmacSha2_384_192,
                    Integrity::HmacSha2_512_256,
                    Integrity::HmacSha1_96,
                ],
            ),
            prf: prf.clone(),
            groups: groups.clone(),
            additional: Vec::new(),
        },
        IkeProposal {
            ciphers: Ciphers::Aead(vec![
                AeadAlgorithm::AesGcm16_256,
                AeadAlgorithm::AesGcm16_128,
            ]),
            prf,
            groups,
            additional: Vec::new(),
        },
    ]
}

/// The attributes of the CFG_REQUEST, those of IPv6 where this machine can take them.
pub(super) fn requested(ipv6: bool) -> Vec<ConfigAttribute> {
    use ConfigAttributeType as Kind;
    [
        // RFC 7296 §2.19#4: an address before anything else.
        Kind::INTERNAL_IP4_ADDRESS,
        Kind::INTERNAL_IP4_NETMASK,
        Kind::INTERNAL_IP4_DNS,
        Kind::INTERNAL_IP4_NBNS,
        Kind::INTERNAL_IP4_SUBNET,
        Kind::INTERNAL_IP6_ADDRESS,
        Kind::INTERNAL_IP6_DNS,
        Kind::INTERNAL_IP6_SUBNET,
        Kind::APPLICATION_VERSION,
        Kind::UNITY_BANNER,
        Kind::UNITY_DEF_DOMAIN,
        Kind::UNITY_SPLITDNS_NAME,
        Kind::UNITY_PFS,
    ]
    .into_iter()
    .filter(|kind| ipv6 || !IPV6.contains(kind))
    // RFC 7296 §3.15.1#4: everything is asked for by its name alone.
    .map(ConfigAttribute::empty)
    .collect()
}

/// The attributes that are IPv6's.
const IPV6: [ConfigAttributeType; 3] = [
    ConfigAttributeType::INTERNAL_IP6_ADDRESS,
    ConfigAttributeType::INTERNAL_IP6_DNS,
    ConfigAttributeType::INTERNAL_IP6_SUBNET,
];

/// What the client would have in its tunnel: both families, in one child SA, where this machine can take both.
pub(super) fn everything(ipv6: bool) -> Vec<TrafficSelector> {
    let ipv6 = ipv6.then_some(AddressRange::ANY_V6);
    let ranges = [AddressRange::ANY_V4].into_iter().chain(ipv6);
    ranges.map(TrafficSelector::addresses).collect()
}

/// Whether a device of the tunnel's could have an IPv6 address here.
pub(super) fn takes_ipv6() -> bool {
    // A kernel without IPv6 has no such setting.
    sysctl::read("net.ipv6.conf.default.disable_ipv6").is_ok_and(|disabled| disabled == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7296 §3.3.4#5: the suites are configured, here in the words of a proposal.
    #[test]
    fn a_proposal_is_three_or_four_words_of_ios_xe() {
        let read = |text| proposal(text).unwrap();
        assert_eq!(
            read("aes-cbc-128/sha512/20"),
            IkeProposal {
                ciphers: Ciphers::EncryptThenMac(
                    vec![CbcAlgorithm::AesCbc128],
                    vec![Integrity::HmacSha2_512_256],
                ),
                prf: vec![PrfAlgorithm::HmacSha2_512],
                groups: vec![Group::EcpP384],
                additional: Vec::new(),
            }
        );
        assert_eq!(
            read("aes-gcm-256/sha384/31"),
            IkeProposal {
                ciphers: Ciphers::Aead(vec![AeadAlgorithm::AesGcm16_256]),
                prf: vec![PrfAlgorithm::HmacSha2_384],
                groups: vec![Group::Curve25519],
                additional: Vec::new(),
            }
        );
        #[cfg(feature = "aws-lc")]
        assert_eq!(
            read("aes-gcm-256/sha384/31/mlkem768"),
            IkeProposal {
                additional: vec![vec![Group::MlKem768]],
                ..read("aes-gcm-256/sha384/31")
            }
        );
        for text in [
            "",
            "aes-cbc-128/sha256",
            "3des/sha1/14",
            "aes-cbc-128/sha256/2",
            "a/b/c/d",
            "aes-gcm-256/sha384/31/mlkem",
            "aes-gcm-256/sha384/31/mlkem768/mlkem1024",
        ] {
            assert!(proposal(text).is_err(), "{text}");
        }
    }
}
