//! A headend that lets one client in by a key, and deletes its child SA when it is told to: the client's IKE SA stays up.

use std::{net::Ipv4Addr, sync::Arc};

use ironflex::translate;
use ironflex_ikev2::{
    config::{
        AcceptedProofs, Ciphers, EndpointConfig, IkePolicy, IkeProposal, LocalAuthentication,
        NatConfig, PeerConfig, RemoteAuthentication, Upkeep,
    },
    crypto::suite::{CbcAlgorithm, EspSuite, Group, Integrity, PrfAlgorithm, Protection},
    event::{Answer, Ask, Lease},
    secret::{PreSharedKey, SecretBytes},
    wire::{
        payload::{AddressRange, ConfigAttribute, Identification, TrafficSelector},
        registry::ConfigAttributeType,
    },
};
use ironflex_xfrm::netlink::NetworkNamespace;

use super::{ike_end::IkeEnd, lab::HEADEND};

/// What it assigns.
const ASSIGNED: Ipv4Addr = Ipv4Addr::new(192, 168, 10, 9);

/// Listens for clients that have this key, under this name of its own.
pub(crate) fn listen(namespace: &NetworkNamespace, identity: &str, key: &str) -> IkeEnd {
    let (cipher, integrity) = (CbcAlgorithm::AesCbc256, Integrity::HmacSha2_256_128);
    let proposal = IkeProposal {
        ciphers: Ciphers::EncryptThenMac(vec![cipher], vec![integrity]),
        prf: vec![PrfAlgorithm::HmacSha2_256],
        groups: vec![Group::Modp2048],
        additional: Vec::new(),
    };
    let policy = IkePolicy {
        local: Vec::new(),
        proposals: vec![proposal],
    };
    let config = EndpointConfig {
        nat: NatConfig {
            force_encapsulation: true,
            encapsulation_required: true,
        },
        ..EndpointConfig::new(vec![policy])
    };
    let key = PreSharedKey::new(SecretBytes::copied_from(key.as_bytes())).unwrap();
    let profile = Arc::new(PeerConfig {
        name: Arc::from("deleter"),
        local_identity: Identification::fqdn(identity),
        local_authentication: LocalAuthentication::PreSharedKey(key.clone()),
        remote_authentication: RemoteAuthentication {
            anyconnect_eap: false,
            proofs: AcceptedProofs {
                pre_shared_key: Some(key),
                ..AcceptedProofs::default()
            },
        },
        ppk: None,
        esp: vec![EspSuite {
            protection: Protection::EncryptThenMac(cipher, integrity),
            esn: false,
        }],
        upkeep: Upkeep::default(),
        redirect: None,
    });
    let everything = || vec![TrafficSelector::addresses(AddressRange::ANY_V4)];
    let answer = move |question| match question {
        Ask::Peer(_) => Answer::Peer(Arc::clone(&profile)),
        Ask::Lease(_) => Answer::Lease(Box::new(Lease {
            reply: vec![ConfigAttribute::from_ipv4(
                ConfigAttributeType::INTERNAL_IP4_ADDRESS,
                ASSIGNED,
            )],
            remote: vec![translate::host_selector(ASSIGNED.into())],
            local: everything(),
            spi: translate::fresh_spi(),
            session_lifetime: None,
        })),
        Ask::Install(_) => Answer::Installed,
        _ => panic!("it is asked for something else"),
    };
    IkeEnd::new(namespace, HEADEND, [500, 4500], config, answer)
}
