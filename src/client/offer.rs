//! What a client offers and asks for.

use ironflex_ikev2::{
    config::{Ciphers, IkeProposal},
    crypto::suite::{
        AeadAlgorithm, CbcAlgorithm, EspSuite, Group, Integrity, PrfAlgorithm, Protection,
    },
    wire::{payload::ConfigAttribute, registry::ConfigAttributeType},
};

/// The ESP suites that a client offers.
pub(super) fn esp_suites() -> Vec<EspSuite> {
    let suite = |protection| EspSuite {
        protection,
        esn: false,
    };
    vec![
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
}

/// The IKE proposals that a client offers.
pub(super) fn ike_proposals() -> Vec<IkeProposal> {
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
        },
        IkeProposal {
            ciphers: Ciphers::Aead(vec![
                AeadAlgorithm::AesGcm16_256,
                AeadAlgorithm::AesGcm16_128,
            ]),
            prf,
            groups,
        },
    ]
}

/// The attributes of the CFG_REQUEST.
pub(super) fn requested() -> Vec<ConfigAttribute> {
    use ConfigAttributeType as Kind;
    [
        Kind::INTERNAL_IP4_ADDRESS,
        Kind::INTERNAL_IP4_NETMASK,
        Kind::INTERNAL_IP4_DNS,
        Kind::INTERNAL_IP4_NBNS,
        Kind::INTERNAL_IP4_SUBNET,
        Kind::APPLICATION_VERSION,
        Kind::UNITY_BANNER,
        Kind::UNITY_DEF_DOMAIN,
        Kind::UNITY_SPLITDNS_NAME,
    ]
    .map(ConfigAttribute::empty)
    .to_vec()
}
