//! How a login is set up: who proves itself how, with which algorithms.

use ironflex_ikev2::crypto::sign::SignatureScheme;

use super::*;

/// What the tests' certificate looks like to the core, which never reads one: long enough to be cut.
pub fn certificate() -> Vec<u8> {
    (0..900).map(|at| (at % 251) as u8).collect()
}

/// Proves its holder by that certificate.
pub fn own_certificate() -> LocalAuthentication {
    LocalAuthentication::Certificate {
        chain: vec![Arc::from(certificate())],
        key: SigningKey::Rsa,
    }
}

/// Proves its holder by that certificate and a key of this kind.
pub fn certificate_with(key: &TestKey) -> LocalAuthentication {
    LocalAuthentication::Certificate {
        chain: vec![Arc::from(certificate())],
        key: key.kind(),
    }
}

/// A key that both ends have.
pub fn pre_shared_key(octets: &[u8]) -> PreSharedKey {
    PreSharedKey::new(SecretBytes::copied_from(octets)).unwrap()
}

pub const ANYCONNECT_ID: &[u8] = b"*$AnyConnectClient$*";
pub const SERVER: &str = "192.0.2.1:500";
pub const CLIENT: &str = "192.0.2.100:500";
pub const ASSIGNED: Ipv4Addr = Ipv4Addr::new(192, 168, 10, 5);

pub fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub const CBC: IkeSuite = IkeSuite {
    protection: Protection::EncryptThenMac(CbcAlgorithm::AesCbc256, Integrity::HmacSha2_256_128),
    prf: PrfAlgorithm::HmacSha2_256,
    group: Group::Curve25519,
    additional: Additional::NONE,
};
pub const GCM: IkeSuite = IkeSuite {
    protection: Protection::Aead(AeadAlgorithm::AesGcm16_256),
    prf: PrfAlgorithm::HmacSha2_384,
    group: Group::Curve25519,
    additional: Additional::NONE,
};

pub fn proposal(suite: IkeSuite) -> IkeProposal {
    IkeProposal {
        ciphers: match suite.protection {
            Protection::Aead(one) => Ciphers::Aead(vec![one]),
            Protection::EncryptThenMac(cipher, mac) => {
                Ciphers::EncryptThenMac(vec![cipher], vec![mac])
            }
        },
        prf: vec![suite.prf],
        groups: vec![suite.group],
        additional: suite.additional.groups().map(|group| vec![group]).collect(),
    }
}

/// How one login is set up.
#[derive(Clone)]
pub struct Setup {
    pub server: EndpointConfig,
    pub client: EndpointConfig,
    pub connect: ConnectConfig,
    pub peer: PeerConfig,
    /// EAP round trips before success, the hello included.
    pub eap_rounds: u32,
    /// The password that the EAP peer sends.
    pub password: &'static [u8],
    /// Whether the headend has a profile for the client.
    pub known: bool,
    pub lease: bool,
    /// What the headend assigns beside the address.
    pub assigned: Vec<ConfigAttribute>,
    pub install: bool,
    pub session_lifetime: Option<Duration>,
    /// Whether the outside knows that a silent peer lives.
    pub knows_better: bool,
    /// Whether ESP goes out all the time.
    pub sends_esp: bool,
    /// Whether the dataplane takes a rekeyed child SA: the server's or the client's.
    pub install_further: fn(bool) -> bool,
    /// The keys that the ends sign with.
    pub server_key: &'static TestKey,
    pub client_key: &'static TestKey,
    /// What signs in their place at both ends.
    pub sign: Option<fn(SignatureScheme, &[u8]) -> Answer>,
    /// The public key that the outside finds in the certificates, if not that of their holders' keys.
    pub spki: Option<&'static [u8]>,
    /// What becomes of the signature of the server, or of the client.
    pub forge: fn(bool, Answer) -> Answer,
    /// The questions that the server's outside does not answer of itself.
    pub silent: fn(&Ask) -> bool,
    /// The same of the client's.
    pub client_silent: fn(&Ask) -> bool,
}

impl Setup {
    pub fn new(suite: IkeSuite) -> Self {
        let policy = |suite| {
            vec![IkePolicy {
                local: Vec::new(),
                proposals: vec![proposal(suite)],
            }]
        };
        let vendor_ids = vec![KnownVendor::AnyConnectEap.bytes().to_vec()];
        let server = EndpointConfig {
            vendor_ids: vendor_ids.clone(),
            authorities: vec![[7; 20]],
            ..EndpointConfig::new(policy(suite))
        };
        let esp = EspSuite {
            protection: Protection::Aead(AeadAlgorithm::AesGcm16_256),
            esn: false,
        };
        let path = |framing, port| Path {
            local: SocketAddr::new(address(CLIENT).ip(), port),
            remote: SocketAddr::new(address(SERVER).ip(), port),
            framing,
        };
        Self {
            server,
            client: EndpointConfig::new(Vec::new()),
            connect: ConnectConfig {
                path: path(Framing::Bare, 500),
                float_path: path(Framing::Marked, 4500),
                always_float: true,
                force_encapsulation: false,
                proposals: vec![proposal(suite)],
                identity: Identification::key_id(ANYCONNECT_ID.to_vec()),
                wanted: None,
                authentication: InitiatorAuthentication::AnyConnectEap,
                responder: AcceptedProofs {
                    rsa_signature: true,
                    ..AcceptedProofs::default()
                },
                ppk: None,
                esp: vec![esp],
                spi: 0xc11e_0001,
                request: vec![ConfigAttribute::empty(
                    ConfigAttributeType::INTERNAL_IP4_ADDRESS,
                )],
                local: vec![TrafficSelector::addresses(AddressRange::ANY_V4)],
                remote: vec![TrafficSelector::addresses(AddressRange::ANY_V4)],
                authorities: vec![[7; 20]],
                vendor_ids,
                signature_hashes: false,
                childless: false,
                fragmentation: FragmentationConfig {
                    ietf: false,
                    cisco: true,
                    mtu: 576,
                },
                upkeep: Upkeep {
                    further_children: true,
                    ..Upkeep::default()
                },
                redirection: Redirection::Refused,
            },
            peer: PeerConfig {
                name: Arc::from("AnyConnect-EAP"),
                local_identity: Identification::address(address(SERVER).ip()),
                local_authentication: own_certificate(),
                remote_authentication: RemoteAuthentication {
                    anyconnect_eap: true,
                    proofs: AcceptedProofs {
                        rsa_signature: true,
                        ..AcceptedProofs::default()
                    },
                },
                ppk: None,
                esp: vec![esp],
                upkeep: Upkeep {
                    further_children: true,
                    ..Upkeep::default()
                },
                redirect: None,
            },
            eap_rounds: 4,
            password: b"cisco123",
            known: true,
            lease: true,
            assigned: Vec::new(),
            install: true,
            session_lifetime: None,
            knows_better: false,
            sends_esp: false,
            install_further: |_| true,
            server_key: &RSA,
            client_key: &RSA,
            sign: None,
            spki: None,
            forge: |_, answer| answer,
            silent: |_| false,
            client_silent: |_| false,
        }
    }

    /// The client proves itself by a certificate.
    pub fn with_certificate(suite: IkeSuite) -> Self {
        let mut setup = Self::new(suite);
        setup.connect.authentication = InitiatorAuthentication::Auth(own_certificate());
        setup.connect.identity = Identification::fqdn("client.example");
        setup.connect.vendor_ids.clear();
        setup.connect.signature_hashes = true;
        setup
    }
}

impl Setup {
    /// Both ends prove themselves by one key and have no certificates.
    pub fn with_pre_shared_key(suite: IkeSuite) -> Self {
        let key = pre_shared_key(b"a key of both ends");
        let mut setup = Self::with_certificate(suite);
        let proofs = AcceptedProofs {
            pre_shared_key: Some(key.clone()),
            ..AcceptedProofs::default()
        };
        let own = LocalAuthentication::PreSharedKey(key);
        setup.connect.authentication = InitiatorAuthentication::Auth(own.clone());
        setup.connect.responder = proofs.clone();
        setup.peer.local_authentication = own;
        setup.peer.remote_authentication = RemoteAuthentication {
            anyconnect_eap: false,
            proofs,
        };
        setup
    }
}
