//! The key schedule, the message ciphers and AUTH against two captured logins (`vectors/README.md`),
//! whose secrets another implementation wrote down. Messages are taken apart by hand, so that nothing
//! but the cryptography is on trial.

use std::path::Path;

use ironflex_ikev2::authn::{shared_key_mic, shared_key_mic_holds, signed_octets};
use ironflex_ikev2::crypto::prf::prf;
use ironflex_ikev2::crypto::{
    Additional, AeadAlgorithm, CbcAlgorithm, ChildKeys, EspSuite, Forged, Group, IkeKeys, IkeSuite,
    Integrity, MessageKeys, PrfAlgorithm, Protection, ProtectionKeys, Rng, Role, SkeySeed,
};
use ironflex_ikev2::secret::{SecretBytes, SharedSecret};

use crate::pcap;

struct Login {
    name: &'static str,
    ike: IkeSuite,
    esp: EspSuite,
}

const LOGINS: [Login; 2] = [
    Login {
        name: "anyconnect-eap-cert",
        ike: IkeSuite {
            protection: Protection::EncryptThenMac(
                CbcAlgorithm::AesCbc256,
                Integrity::HmacSha2_256_128,
            ),
            prf: PrfAlgorithm::HmacSha2_256,
            group: Group::Modp2048,
            additional: Additional::NONE,
        },
        esp: EspSuite {
            protection: Protection::EncryptThenMac(
                CbcAlgorithm::AesCbc256,
                Integrity::HmacSha2_256_128,
            ),
            esn: false,
        },
    },
    Login {
        name: "anyconnect-eap-cert-skf",
        ike: IkeSuite {
            protection: Protection::Aead(AeadAlgorithm::AesGcm16_256),
            prf: PrfAlgorithm::HmacSha2_384,
            group: Group::EcpP384,
            additional: Additional::NONE,
        },
        esp: EspSuite {
            protection: Protection::Aead(AeadAlgorithm::AesGcm16_256),
            esn: false,
        },
    },
];

impl Login {
    fn read(&self, file: &str) -> String {
        let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
        std::fs::read_to_string(vectors.join(self.name).join(file)).unwrap()
    }

    /// A value of secrets.json; no octets where it has none of that name.
    fn secret(&self, field: &str) -> Vec<u8> {
        let secrets: serde_json::Value = serde_json::from_str(&self.read("secrets.json")).unwrap();
        hex(secrets[field].as_str().unwrap_or_default())
    }

    /// Both IKE_SA_INIT messages.
    fn init(&self) -> [Vec<u8>; 2] {
        let mut datagrams = pcap::read(self.name)
            .into_iter()
            .map(|datagram| datagram.message);
        [datagrams.next().unwrap(), datagrams.next().unwrap()]
    }

    fn nonces(&self) -> [Vec<u8>; 2] {
        self.init()
            .map(|message| payload(message[16], &message[28..], NONCE).unwrap())
    }

    fn seed(&self) -> SkeySeed {
        let [ni, nr] = self.nonces();
        let g_ir = SharedSecret::new(SecretBytes::new(self.secret("g_ir")));
        assert_eq!(g_ir.as_bytes().len(), self.ike.group.secret_len());
        SkeySeed::initial(self.ike.prf, &ni, &nr, &g_ir)
    }

    fn keys(&self) -> IkeKeys {
        let ([ni, nr], [_, response]) = (self.nonces(), self.init());
        let spi = |at: usize| u64::from_be_bytes(response[at..at + 8].try_into().unwrap());
        self.seed().derive(self.ike, &ni, &nr, spi(0), spi(8))
    }

    /// Every encrypted message, opened and stripped of its padding. Fragments of either kind are put
    /// together.
    fn opened(&self) -> Vec<Opened> {
        let keys = self.keys();
        let mut messages: Vec<Opened> = Vec::new();
        let mut pieces = Vec::new();
        for datagram in pcap::read(self.name).into_iter().skip(2) {
            let mut message = datagram.message;
            if message[16] == CISCO_FRAGMENT {
                pieces.extend_from_slice(&message[28 + 8..]);
                if message[28 + 7] & 1 == 0 {
                    continue;
                }
                message = std::mem::take(&mut pieces);
            }
            let by_initiator = datagram.from_initiator;
            let cipher = match by_initiator {
                true => &keys.initiator_to_responder,
                false => &keys.responder_to_initiator,
            };
            // RFC 7296 §3.14, RFC 7383 §2.5: everything in front of the IV is authenticated too.
            let fragment = message[16] == SKF;
            let (aad, sealed) = message.split_at(if fragment { 28 + 8 } else { 28 + 4 });
            let plain = cipher.open(aad, sealed).expect("the ICV holds");
            let padding = usize::from(*plain.as_bytes().last().unwrap()) + 1;
            let payloads = plain.as_bytes()[..plain.len() - padding].to_vec();
            if fragment && message[28 + 5] != 1 {
                messages.last_mut().unwrap().payloads.extend(payloads);
            } else {
                let id = u32::from_be_bytes(message[20..24].try_into().unwrap());
                messages.push(Opened {
                    id,
                    by_initiator,
                    first: message[28],
                    payloads,
                });
            }
        }
        messages
    }

    fn opened_payload(&self, id: u32, by_initiator: bool, kind: u8) -> Option<Vec<u8>> {
        let messages = self.opened();
        let message = messages
            .iter()
            .find(|message| message.id == id && message.by_initiator == by_initiator)?;
        payload(message.first, &message.payloads, kind)
    }

    /// What the initiator's (first) and the responder's AUTH cover.
    fn signed_octets(&self) -> [Vec<u8>; 2] {
        let ([ni, nr], [request, response], keys) = (self.nonces(), self.init(), self.keys());
        let id_i = self.opened_payload(1, true, ID_I).unwrap();
        let id_r = self.opened_payload(1, false, ID_R).unwrap();
        let prf = self.ike.prf;
        [
            signed_octets(&request, &nr, prf, &keys.initiator_proof, &id_i),
            signed_octets(&response, &ni, prf, &keys.responder_proof, &id_r),
        ]
    }
}

struct Opened {
    id: u32,
    by_initiator: bool,
    first: u8,
    payloads: Vec<u8>,
}

// Payload types (RFC 7296 §3.2, RFC 7383 §2.5, docs/anyconnect-eap.md).
const ID_I: u8 = 35;
const ID_R: u8 = 36;
const CERT: u8 = 37;
const AUTH: u8 = 39;
const NONCE: u8 = 40;
const SKF: u8 = 53;
const CISCO_FRAGMENT: u8 = 132;

/// The body of the first payload of a kind.
fn payload(mut next: u8, mut chain: &[u8], wanted: u8) -> Option<Vec<u8>> {
    while next != 0 {
        let length = usize::from(u16::from_be_bytes(chain[2..4].try_into().unwrap()));
        if next == wanted {
            return Some(chain[4..length].to_vec());
        }
        next = chain[0];
        chain = &chain[length..];
    }
    None
}

fn hex(digits: &str) -> Vec<u8> {
    digits
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn shared(octets: &[u8]) -> SharedSecret {
    SharedSecret::new(SecretBytes::copied_from(octets))
}

// --- RFC 7296 §2.14: the keys of the IKE SA ---

// RFC 7296 §2.13#3, §2.14#1: SK_d, SK_pi and SK_pr are as long as the PRF's key.
#[test]
fn skeyseed_and_every_key_are_the_captured_ones() {
    for login in &LOGINS {
        assert_eq!(
            login.seed().as_bytes(),
            login.secret("skeyseed"),
            "{}",
            login.name
        );
        let keys = login.keys();
        assert_eq!(keys.derivation.as_bytes(), login.secret("sk_d"));
        assert_eq!(keys.derivation.algorithm(), login.ike.prf);
        assert_eq!(keys.initiator_proof.as_bytes(), login.secret("sk_pi"));
        assert_eq!(keys.responder_proof.as_bytes(), login.secret("sk_pr"));
        for (keys, side) in [
            (&keys.initiator_to_responder, "i"),
            (&keys.responder_to_initiator, "r"),
        ] {
            assert_eq!(keys.protection(), login.ike.protection);
            assert_eq!(
                keys.keys().encryption().as_bytes(),
                login.secret(&format!("sk_e{side}"))
            );
            let integrity = keys.keys().integrity().map(SecretBytes::as_bytes);
            assert_eq!(
                integrity.unwrap_or_default(),
                login.secret(&format!("sk_a{side}"))
            );
            assert_eq!(integrity.is_none(), login.ike.protection.is_aead());
        }
    }
}

#[test]
fn each_role_seals_what_the_other_opens_and_proves_with_its_own_key() {
    for login in &LOGINS {
        let mut initiator = login.keys().into_role(Role::Initiator);
        let mut responder = login.keys().into_role(Role::Responder);
        assert!(initiator.local_proof == responder.remote_proof);
        assert!(initiator.remote_proof == responder.local_proof);
        assert_eq!(initiator.local_proof.as_bytes(), login.secret("sk_pi"));
        assert_eq!(
            initiator.outbound.keys().encryption().as_bytes(),
            login.secret("sk_ei")
        );

        let layout =
            |protection: Protection| vec![0xa5; protection.iv_len() + 32 + protection.icv_len()];
        let mut sealed = layout(login.ike.protection);
        initiator
            .outbound
            .seal(&mut Counting(0), b"header", &mut sealed)
            .unwrap();
        let opened = responder.inbound.open(b"header", &sealed).ok().unwrap();
        assert_eq!(opened.as_bytes(), [0xa5; 32]);
        // The directions have keys of their own: a message sent back opens nothing.
        assert_eq!(
            initiator.inbound.open(b"header", &sealed).err(),
            Some(Forged)
        );

        let mut sealed = layout(login.ike.protection);
        responder
            .outbound
            .seal(&mut Counting(0), b"header", &mut sealed)
            .unwrap();
        assert!(initiator.inbound.open(b"header", &sealed).is_ok());
    }
}

struct Counting(u8);

impl Rng for Counting {
    fn fill(&mut self, out: &mut [u8]) {
        for octet in out {
            self.0 = self.0.wrapping_add(1);
            *octet = self.0;
        }
    }
}

// --- Messages ---

// RFC 7296 §3.14#4: the IVs of others are as good as ours.
#[test]
fn every_captured_message_opens() {
    for login in &LOGINS {
        let messages = login.opened();
        assert!(
            messages.len() >= 14,
            "{}: {} messages",
            login.name,
            messages.len()
        );
        let mut ids: Vec<u32> = messages
            .iter()
            .filter(|message| message.by_initiator)
            .map(|message| message.id)
            .collect();
        ids.dedup();
        assert!(
            ids.iter()
                .copied()
                .eq(1..=u32::try_from(ids.len()).unwrap()),
            "{ids:?}"
        );
    }
}

#[test]
fn no_captured_message_opens_with_a_bit_changed_or_by_its_senders_keys() {
    for login in &LOGINS {
        let keys = login.keys();
        let datagrams = pcap::read(login.name);
        let message = &datagrams[2].message;
        let mut header_len = 28 + 4;
        if message[16] == SKF {
            header_len += 4;
        }
        let open = |keys: &MessageKeys, message: &[u8]| {
            let (aad, sealed) = message.split_at(header_len);
            keys.open(aad, sealed).map(|plain| plain.len())
        };
        assert!(open(&keys.initiator_to_responder, message).is_ok());
        assert_eq!(open(&keys.responder_to_initiator, message), Err(Forged));
        for at in 0..message.len() {
            let mut changed = message.clone();
            changed[at] ^= 0x10;
            assert_eq!(
                open(&keys.initiator_to_responder, &changed),
                Err(Forged),
                "octet {at}"
            );
        }
        for length in header_len..message.len() {
            assert_eq!(
                open(&keys.initiator_to_responder, &message[..length]),
                Err(Forged)
            );
        }
    }
}

// --- RFC 7296 §2.15, §2.16: AUTH ---

// docs/anyconnect-eap.md: EAP yields no key, so SK_pi and SK_pr take the MSK's place.
#[test]
fn the_final_auth_of_both_ends_holds() {
    for login in &LOGINS {
        let [initiator, responder] = login.signed_octets();
        let keys = login.keys();
        let last = login
            .opened()
            .iter()
            .filter(|message| payload(message.first, &message.payloads, AUTH).is_some())
            .map(|message| message.id)
            .max()
            .unwrap();
        for (by_initiator, key, octets) in [
            (true, &keys.initiator_proof, &initiator),
            (false, &keys.responder_proof, &responder),
        ] {
            let auth = login.opened_payload(last, by_initiator, AUTH).unwrap();
            let (method, mic) = auth.split_at(4);
            assert_eq!(method[0], 2, "shared key message integrity code");
            let prf = login.ike.prf;
            assert_eq!(shared_key_mic(prf, key.as_bytes(), octets).as_bytes(), mic);
            assert!(shared_key_mic_holds(prf, key.as_bytes(), octets, mic));
            assert!(!shared_key_mic_holds(prf, &[], octets, mic));
        }
    }
}

// docs/anyconnect-eap.md: method 1 with the hash of the negotiated PRF.
#[cfg(any(feature = "aws-lc", feature = "ring"))]
#[test]
fn the_responders_rsa_signature_holds_with_the_hash_of_the_prf() {
    use ironflex_ikev2::authn::signature::{method1_scheme_to_send, verify_method1};
    use ironflex_ikev2::crypto::{SignatureError, default_provider};

    for login in &LOGINS {
        let [initiator, responder] = login.signed_octets();
        let certificate = login.opened_payload(1, false, CERT).unwrap();
        let auth = login.opened_payload(1, false, AUTH).unwrap();
        let (method, signature) = auth.split_at(4);
        assert_eq!((method[0], certificate[0]), (1, 4));
        let key = rsa_key_of(&certificate[1..]);
        let judge = |octets: &[u8]| {
            verify_method1(default_provider(), login.ike.prf, key, octets, signature)
        };
        assert_eq!(
            judge(&responder),
            Ok(method1_scheme_to_send(true, login.ike.prf))
        );
        assert_eq!(judge(&initiator), Err(SignatureError::Mismatch));
    }
}

/// The SubjectPublicKeyInfo of a certificate with a 2048-bit RSA key (RFC 8017 A.1).
#[cfg(any(feature = "aws-lc", feature = "ring"))]
fn rsa_key_of(certificate: &[u8]) -> &[u8] {
    let algorithm = hex("300d06092a864886f70d0101010500");
    let at = certificate
        .windows(algorithm.len())
        .position(|found| found == algorithm)
        .unwrap();
    let header: [u8; 4] = certificate[at - 4..at].try_into().unwrap();
    assert_eq!(header[..2], [0x30, 0x82]);
    &certificate[at - 4..at + usize::from(u16::from_be_bytes([header[2], header[3]]))]
}

// --- RFC 7296 §2.17: child SAs ---

/// Encryption and integrity keys of Wireshark's esp_sa table, the initiator's direction first.
fn table(login: &Login) -> Vec<[Vec<u8>; 2]> {
    let text = login.read("esp_sa");
    text.lines()
        .map(|line| {
            let fields: Vec<&str> = line
                .split(',')
                .map(|field| field.trim_matches('"'))
                .collect();
            [fields[5], fields[7]].map(|field| hex(field.strip_prefix("0x").unwrap()))
        })
        .collect()
}

fn octets(keys: &ProtectionKeys) -> [Vec<u8>; 2] {
    let integrity = keys
        .integrity()
        .map(SecretBytes::as_bytes)
        .unwrap_or_default();
    [keys.encryption().as_bytes().to_vec(), integrity.to_vec()]
}

// RFC 7296 §2.17#1-3: the order in which the keys of both directions are taken.
#[test]
fn child_keys_are_those_of_the_captured_table() {
    for login in &LOGINS {
        let [ni, nr] = login.nonces();
        let keys = login
            .keys()
            .derivation
            .child_keys(login.esp, None, &ni, &nr);
        let directions = [&keys.initiator_to_responder, &keys.responder_to_initiator];
        assert_eq!(
            directions.map(octets).to_vec(),
            table(login),
            "{}",
            login.name
        );
        assert!(
            directions
                .iter()
                .all(|keys| keys.protection() == login.esp.protection)
        );
    }
}

#[test]
fn each_role_installs_the_others_inbound_as_its_outbound() {
    let login = &LOGINS[0];
    let [ni, nr] = login.nonces();
    let keys = || -> ChildKeys {
        login
            .keys()
            .derivation
            .child_keys(login.esp, None, &ni, &nr)
    };
    let (initiator, responder) = (
        keys().into_role(Role::Initiator),
        keys().into_role(Role::Responder),
    );
    assert!(initiator.outbound == responder.inbound);
    assert!(initiator.inbound == responder.outbound);
    assert!(initiator.outbound != initiator.inbound);
    assert_eq!(octets(&initiator.outbound), table(login)[0]);
}

// With a key exchange of its own: KEYMAT = prf+(SK_d, g^ir ∣ Ni ∣ Nr).
#[test]
fn a_child_with_its_own_key_exchange_mixes_the_secret_in_front_of_the_nonces() {
    for login in &LOGINS {
        let derivation = login.keys().derivation;
        let secret = [0x5a; 32];
        let keys = derivation.child_keys(login.esp, Some(&shared(&secret)), b"ni", b"nr");
        let sk_d = login.secret("sk_d");
        let mut keymat = Vec::new();
        let mut block = Vec::new();
        for count in 1..=4 {
            let parts: [&[u8]; 5] = [&block, &secret, b"ni", b"nr", &[count]];
            block = prf(login.ike.prf, &sk_d, &parts).as_bytes().to_vec();
            keymat.extend_from_slice(&block);
        }
        let cut = [
            octets(&keys.initiator_to_responder),
            octets(&keys.responder_to_initiator),
        ]
        .concat()
        .concat();
        assert_eq!(cut, keymat[..cut.len()]);
    }
}

// --- Further key exchanges ---

// RFC 9370 §rules#5,10-11: where each secret stands.
#[test]
fn further_secrets_come_after_the_nonces_when_rekeying_and_before_them_in_the_first_exchanges() {
    let login = &LOGINS[0];
    let derivation = login.keys().derivation;
    let secrets: [SharedSecret; 2] = [shared(&[0x11; 32]), shared(&[0x22; 32])];
    let by_hand = |parts: &[&[u8]]| prf(login.ike.prf, &login.secret("sk_d"), parts);

    let advanced = SkeySeed::advanced(&derivation, &secrets[0], b"ni", b"nr");
    let expected = by_hand(&[&[0x11; 32], b"ni", b"nr"]);
    assert_eq!(advanced.as_bytes(), expected.as_bytes());

    let first = shared(&[0x5a; 32]);
    let seed = SkeySeed::rekeyed(&derivation, &first, (b"ni", b"nr"), &secrets);
    let parts: &[&[u8]] = &[&[0x5a; 32], b"ni", b"nr", &[0x11; 32], &[0x22; 32]];
    assert_eq!(seed.as_bytes(), by_hand(parts).as_bytes());

    let keys = derivation.child_keys_after(login.esp, Some(&first), (b"ni", b"nr"), &secrets);
    let t1 = by_hand(&[parts, &[&[1]]].concat());
    let cut = keys.initiator_to_responder.encryption().as_bytes();
    assert_eq!(cut, &t1.as_bytes()[..cut.len()]);
}

// --- RFC 7296 §2.18: rekeying the IKE SA ---

#[test]
fn a_rekeyed_sa_has_its_seed_from_the_old_prf_and_its_keys_from_the_new_one() {
    let (old, new) = (&LOGINS[0], LOGINS[1].ike);
    let derivation = old.keys().derivation;
    let seed = SkeySeed::rekeyed(&derivation, &shared(&[0x5a; 48]), (b"ni", b"nr"), &[]);
    let by_hand = prf(
        PrfAlgorithm::HmacSha2_256,
        &old.secret("sk_d"),
        &[&[0x5a; 48], b"ni", b"nr"],
    );
    assert_eq!(seed.as_bytes(), by_hand.as_bytes());

    let keys = seed.derive(new, b"ni", b"nr", 1, 2);
    assert_eq!(keys.derivation.algorithm(), PrfAlgorithm::HmacSha2_384);
    let spis: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2];
    let t1 = prf(
        PrfAlgorithm::HmacSha2_384,
        by_hand.as_bytes(),
        &[b"ni", b"nr", spis, &[1]],
    );
    assert_eq!(keys.derivation.as_bytes(), t1.as_bytes());
    assert_eq!(keys.initiator_to_responder.protection(), new.protection);
}
