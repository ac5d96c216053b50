//! A client that logs in by a key, replaces no SA and refuses whenever it is asked to: the core of IKEv2 with a setting that no
//! program of ours has, for none of them wants a key exchange less than its peer does.

use std::net::SocketAddr;

use ironflex::translate;
use ironflex_ikev2::{
    config::{
        AcceptedProofs, Ciphers, ConnectConfig, EndpointConfig, FragmentationConfig, IkeProposal,
        InitiatorAuthentication, LocalAuthentication, Pfs, Redirection, Upkeep,
    },
    crypto::suite::{CbcAlgorithm, EspSuite, Group, Integrity, PrfAlgorithm, Protection},
    event::{Answer, Ask, Command, Event, Framing, Path},
    secret::{PreSharedKey, SecretBytes},
    wire::{
        payload::{AddressRange, ConfigAttribute, Identification, TrafficSelector},
        registry::ConfigAttributeType,
    },
};

use super::{
    ike_end::IkeEnd,
    lab::{ClientHost, HEADEND},
};

/// Logs in, and waits until the tunnel's SA is there.
pub(crate) fn log_in(client: &ClientHost, identity: &str, key: &str) -> IkeEnd {
    let answer = |question| {
        assert!(matches!(question, Ask::Install(_)), "it rekeys");
        Answer::Installed
    };
    let none = EndpointConfig::new(Vec::new());
    let end = IkeEnd::new(&client.host.namespace, client.outer, [0, 0], none, answer);
    let [bare, marked] = end.ports;
    let path = |framing, ours, theirs| Path {
        local: SocketAddr::new(client.outer, ours),
        remote: SocketAddr::new(HEADEND, theirs),
        framing,
    };
    let key = PreSharedKey::new(SecretBytes::copied_from(key.as_bytes())).unwrap();
    let everything = || vec![TrafficSelector::addresses(AddressRange::ANY_V4)];
    let (cipher, integrity) = (CbcAlgorithm::AesCbc256, Integrity::HmacSha2_256_128);
    let config = ConnectConfig {
        path: path(Framing::Bare, bare, 500),
        float_path: path(Framing::Marked, marked, 4500),
        always_float: true,
        force_encapsulation: true,
        proposals: vec![IkeProposal {
            ciphers: Ciphers::EncryptThenMac(vec![cipher], vec![integrity]),
            prf: vec![PrfAlgorithm::HmacSha2_256],
            groups: vec![Group::Modp2048],
            additional: Vec::new(),
        }],
        identity: Identification::fqdn(identity),
        wanted: None,
        authentication: InitiatorAuthentication::Auth(LocalAuthentication::PreSharedKey(
            key.clone(),
        )),
        responder: AcceptedProofs {
            pre_shared_key: Some(key),
            ..AcceptedProofs::default()
        },
        ppk: None,
        esp: vec![EspSuite {
            protection: Protection::EncryptThenMac(cipher, integrity),
            esn: false,
        }],
        spi: translate::fresh_spi(),
        request: vec![ConfigAttribute::empty(
            ConfigAttributeType::INTERNAL_IP4_ADDRESS,
        )],
        local: everything(),
        remote: everything(),
        authorities: Vec::new(),
        vendor_ids: Vec::new(),
        childless: false,
        signature_hashes: false,
        fragmentation: FragmentationConfig {
            ietf: true,
            cisco: false,
            mtu: 1280,
        },
        // It has no group for a key exchange of a child SA.
        upkeep: Upkeep {
            pfs: Pfs::Accepted(Vec::new()),
            ..Upkeep::default()
        },
        redirection: Redirection::Refused,
    };
    end.command(Command::Connect(Box::new(config)));
    end.hears("that it is up", |event| {
        matches!(event, Event::Established { child: true })
    });
    end
}
