//! The captured logins: what each side sent, its keys, and an endpoint that draws what was drawn then.

use std::path::Path as FilePath;
use std::time::Duration;

use ironflex_ikev2::{
    Endpoint,
    config::{EndpointConfig, FragmentationConfig, IkePolicy},
    crypto::{
        CryptoError, KexError, KeyExchange, Provider, Rng, SignatureError, SignatureScheme,
        default_provider, suite::*,
    },
    event::Instant,
    secret::{SecretBytes, SharedSecret},
    wire::{PartialMessage, Payload, payload::KnownVendor, registry::IdType},
};

use crate::{pcap, support::proposal};

pub(crate) struct Login {
    pub(crate) name: &'static str,
    pub(crate) ike: IkeSuite,
    pub(crate) esp: EspSuite,
    /// The identity type that the captured client used.
    pub(crate) id_type: IdType,
    pub(crate) ietf: bool,
    pub(crate) cisco: bool,
    pub(crate) provider: &'static Recorded,
}

const CBC: Protection =
    Protection::EncryptThenMac(CbcAlgorithm::AesCbc256, Integrity::HmacSha2_256_128);
const GCM: Protection = Protection::Aead(AeadAlgorithm::AesGcm16_256);

pub(crate) static CISCO: Login = Login {
    name: "anyconnect-eap-cert",
    ike: IkeSuite {
        protection: CBC,
        prf: PrfAlgorithm::HmacSha2_256,
        group: Group::Modp2048,
        additional: Additional::NONE,
    },
    esp: EspSuite {
        protection: CBC,
        esn: false,
    },
    id_type: IdType::CISCO_GROUP_NAME,
    ietf: false,
    cisco: true,
    provider: &Recorded {
        name: "anyconnect-eap-cert",
    },
};
pub(crate) static SKF: Login = Login {
    name: "anyconnect-eap-cert-skf",
    ike: IkeSuite {
        protection: GCM,
        prf: PrfAlgorithm::HmacSha2_384,
        group: Group::EcpP384,
        additional: Additional::NONE,
    },
    esp: EspSuite {
        protection: GCM,
        esn: false,
    },
    id_type: IdType::ID_KEY_ID,
    ietf: true,
    cisco: false,
    provider: &Recorded {
        name: "anyconnect-eap-cert-skf",
    },
};

fn file(name: &str, file: &str) -> String {
    let vectors = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    std::fs::read_to_string(vectors.join(name).join(file)).unwrap()
}

fn hex(digits: &str) -> Vec<u8> {
    let digits = digits.strip_prefix("0x").unwrap_or(digits);
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

pub(crate) fn secret(name: &str, field: &str) -> Vec<u8> {
    let secrets: serde_json::Value = serde_json::from_str(&file(name, "secrets.json")).unwrap();
    hex(secrets[field].as_str().unwrap())
}

/// One direction of `esp_sa`: SPI, encryption key, integrity key.
pub(crate) struct EspRow {
    pub(crate) spi: u32,
    pub(crate) encryption: Vec<u8>,
    pub(crate) integrity: Vec<u8>,
}

impl Login {
    /// Both rows, the initiator's direction first.
    pub(crate) fn table(&self) -> [EspRow; 2] {
        let rows: Vec<EspRow> = file(self.name, "esp_sa")
            .lines()
            .map(|line| {
                let fields: Vec<&str> = line.split(',').map(|one| one.trim_matches('"')).collect();
                EspRow {
                    spi: u32::from_str_radix(&fields[3][2..], 16).unwrap(),
                    encryption: hex(fields[5]),
                    integrity: hex(fields[7]),
                }
            })
            .collect();
        rows.try_into().ok().unwrap()
    }

    /// What one side sent, in order.
    pub(crate) fn sent(&self, by_initiator: bool) -> Vec<pcap::Datagram> {
        let mut all = pcap::read(self.name);
        all.retain(|one| one.from_initiator == by_initiator);
        all
    }

    /// The payloads of one side's IKE_SA_INIT.
    fn init(&self, by_initiator: bool) -> Init {
        let datagram = self.sent(by_initiator).remove(0).message;
        let message = PartialMessage::parse(&datagram).unwrap();
        let mut init = Init {
            spi: if by_initiator {
                message.header.initiator_spi.get()
            } else {
                message.header.responder_spi.unwrap().get()
            },
            nonce: Vec::new(),
            public: Vec::new(),
        };
        for payload in message.outer {
            match payload {
                Payload::Nonce(nonce) => init.nonce = nonce.as_bytes().to_vec(),
                Payload::Ke(ke) => init.public = ke.data,
                _ => {}
            }
        }
        init
    }

    /// What the core draws on this side, in its order: the cookie's secret, the SPI, the nonce.
    fn script(&self, by_initiator: bool) -> Script {
        let init = self.init(by_initiator);
        let drawn = [vec![0x5a; 32], init.spi.to_be_bytes().to_vec(), init.nonce];
        Script(drawn.into_iter().collect())
    }

    pub(crate) fn fragmentation(&self) -> FragmentationConfig {
        FragmentationConfig {
            ietf: self.ietf,
            cisco: self.cisco,
            mtu: 576,
        }
    }

    pub(crate) fn endpoint(&self, by_initiator: bool) -> Endpoint {
        let shard = self.init(by_initiator).spi.to_be_bytes()[0];
        let config = EndpointConfig {
            shard,
            fragmentation: self.fragmentation(),
            vendor_ids: vec![KnownVendor::AnyConnectEap.bytes().to_vec()],
            ..EndpointConfig::new(vec![IkePolicy {
                local: Vec::new(),
                proposals: vec![proposal(self.ike)],
            }])
        };
        let rng = Box::new(self.script(by_initiator));
        Endpoint::new(NOW, config, self.provider, rng)
    }
}

struct Init {
    spi: u64,
    nonce: Vec<u8>,
    public: Vec<u8>,
}

pub(crate) const NOW: Instant = Instant::new(Duration::from_secs(1));

/// Gives out what was captured, then anything.
struct Script(std::collections::VecDeque<Vec<u8>>);

impl Rng for Script {
    fn fill(&mut self, out: &mut [u8]) {
        match self.0.pop_front() {
            Some(octets) => out.copy_from_slice(&octets),
            None => out.fill(0xa5),
        }
    }
}

/// The default provider, but for a key exchange that comes out as the captured one did.
pub(crate) struct Recorded {
    name: &'static str,
}

impl Provider for Recorded {
    fn name(&self) -> &'static str {
        "recorded"
    }

    fn key_exchange(
        &self,
        group: Group,
        _rng: &mut dyn Rng,
    ) -> Result<Box<dyn KeyExchange>, CryptoError> {
        Ok(Box::new(RecordedExchange {
            name: self.name,
            group,
            publics: [&CISCO, &SKF]
                .into_iter()
                .filter(|login| login.name == self.name)
                .flat_map(|login| [true, false].map(|initiator| login.init(initiator).public))
                .collect(),
        }))
    }

    fn verify(
        &self,
        scheme: SignatureScheme,
        spki_der: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        default_provider().verify(scheme, spki_der, message, signature)
    }
}

struct RecordedExchange {
    name: &'static str,
    group: Group,
    /// The initiator's public value and the responder's.
    publics: Vec<Vec<u8>>,
}

impl KeyExchange for RecordedExchange {
    fn group(&self) -> Group {
        self.group
    }

    /// Either will do: what is sent out meets nobody.
    fn public(&self) -> &[u8] {
        &self.publics[0]
    }

    fn agree(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, KexError> {
        assert!(self.publics.iter().any(|one| one == peer));
        let g_ir = secret(self.name, "g_ir");
        Ok(SharedSecret::new(SecretBytes::new(g_ir)))
    }
}
