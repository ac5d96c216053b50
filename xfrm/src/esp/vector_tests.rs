//! Known answers: published vectors, captures of another implementation, and an independent rendering of ESP.

use aes_gcm::aead::AeadInOut;
use hmac::{KeyInit, Mac};

use super::cipher::OpeningKey;
use super::open::InboundSa;
use super::packet::{self, InnerPacket, Layout};
use super::seal::OutboundSa;
use super::tests_support::{ALGORITHMS, sa};
use crate::{AesKeySize, EspAlgorithm, EspSpi, Integrity, Limits, ReplayWindow, SaKeys, SaSpec};

fn octets(hex: &str) -> Vec<u8> {
    let digits: String = hex.split_whitespace().collect();
    assert!(digits.len().is_multiple_of(2), "{hex}");
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

/// The first vector for ESP of draft-mcgrew-gcm-test, §2: AES-128-GCM with an extended sequence number.
#[test]
fn opens_the_published_gcm_packet() {
    let keys = SaKeys::new(
        EspAlgorithm::AesGcm16(AesKeySize::Aes128),
        &octets("4c80cdefbb5d10da906ac73c3613a634 2e443b68"),
        &[],
    );
    let key = OpeningKey::new(&keys.unwrap()).unwrap();
    let mut packet = octets(
        "00004321 00000000 4956ed7e3b244cfe
         fecf537e729d5b07dc30df528dd22b768d1b98736696a6fd348509fa13ceac34
         cfa2436f14a3f3cf65925bf1f4a13c5d15b21e1884f5ff6247aeabb786b93bce
         61bc17d768fd9732 459018148f6cbe722fd04796562dfdb4",
    );
    let layout = Layout::of(EspAlgorithm::AesGcm16(AesKeySize::Aes128));
    key.open(&mut packet, layout, 0x8765_4321_0000_0000, true)
        .unwrap();
    assert_eq!(
        packet[16..packet.len() - 16],
        octets(
            "45000048699a000080114db7c0a80102c0a801010a9bf15638d3010000010000
             00000000045f736970045f756470037369700963796265726369747902646b00
             0021000101020201"
        )
    );
}

/// Every ESP packet of a capture opens, in order, and holds the echo request or reply that it should.
fn replay_capture(text: &str, algorithm: EspAlgorithm) {
    let mut sas = Vec::new();
    let mut opened = 0;
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["sa", spi, encryption, ref integrity @ ..] => {
                let integrity = octets(integrity.first().copied().unwrap_or_default());
                let spec = SaSpec {
                    spi: EspSpi::new(u32::from_str_radix(spi, 16).unwrap()).unwrap(),
                    keys: SaKeys::new(algorithm, &octets(encryption), &integrity).unwrap(),
                    esn: false,
                    replay_window: ReplayWindow::DEFAULT,
                    soft: Limits::NONE,
                    hard: Limits::NONE,
                };
                sas.push(InboundSa::new(&spec).unwrap());
            }
            ["packet", datagram] => {
                let mut datagram = octets(datagram);
                let (spi, sequence) = packet::header(&datagram).unwrap();
                let index = sas.iter().position(|sa| sa.spi() == spi).unwrap();
                assert_eq!(sequence, opened / 2 + 1);
                let contents = sas[index].open(&mut datagram, sequence).unwrap();
                assert!(contents.newer);
                assert_eq!(contents.next_header, packet::NEXT_HEADER_IPV4);
                let inner = &datagram[contents.payload];
                let read = InnerPacket::read(inner).unwrap();
                assert_eq!(read.length, inner.len());
                // ICMP echo: the client (first SA) asks, the other side answers.
                assert_eq!((inner[9], inner[20]), (1, if index == 0 { 8 } else { 0 }));
                opened += 1;
            }
            _ => assert!(line.starts_with('#'), "{line}"),
        }
    }
    assert_eq!((sas.len(), opened), (2, 6));
}

#[test]
fn opens_the_captured_cbc_packets() {
    replay_capture(
        include_str!("../../tests/vectors/anyconnect-eap-cert.txt"),
        EspAlgorithm::AesCbcHmac {
            key_size: AesKeySize::Aes256,
            integrity: Integrity::HmacSha256_128,
        },
    );
}

#[test]
fn opens_the_captured_gcm_packets() {
    replay_capture(
        include_str!("../../tests/vectors/anyconnect-eap-cert-skf.txt"),
        EspAlgorithm::AesGcm16(AesKeySize::Aes256),
    );
}

/// RFC 4303 and RFC 4106 once more, by other crates: the inner packet, padding and trailer of `packet`.
fn open_independently(keys: &SaKeys, packet: &[u8], sequence: u64, esn: bool) -> Vec<u8> {
    match keys.algorithm() {
        EspAlgorithm::AesGcm16(size) => {
            let (key, salt) = keys.encryption().split_at(keys.encryption().len() - 4);
            let nonce: [u8; 12] = [salt, &packet[8..16]].concat().try_into().unwrap();
            let aad = if esn {
                [&packet[..4], &sequence.to_be_bytes()].concat()
            } else {
                packet[..8].to_vec()
            };
            let (body, tag) = packet[16..].split_at(packet.len() - 32);
            let (mut body, tag) = (body.to_vec(), aes_gcm::Tag::try_from(tag).unwrap());
            match size {
                AesKeySize::Aes128 => aes_gcm::Aes128Gcm::new_from_slice(key)
                    .unwrap()
                    .decrypt_inout_detached(&nonce.into(), &aad, body.as_mut_slice().into(), &tag),
                AesKeySize::Aes192 => unreachable!("not tested by this"),
                AesKeySize::Aes256 => aes_gcm::Aes256Gcm::new_from_slice(key)
                    .unwrap()
                    .decrypt_inout_detached(&nonce.into(), &aad, body.as_mut_slice().into(), &tag),
            }
            .unwrap();
            body
        }
        EspAlgorithm::AesCbcHmac { integrity, .. } => {
            let (protected, icv) = packet.split_at(packet.len() - integrity.icv_octets());
            let mut authenticated = protected.to_vec();
            if esn {
                authenticated.extend(&sequence.to_be_bytes()[..4]);
            }
            let key = keys.integrity();
            let mac = match integrity {
                Integrity::HmacSha1_96 => mac::<hmac::Hmac<sha1::Sha1>>(key, &authenticated),
                Integrity::HmacSha256_128 => mac::<hmac::Hmac<sha2::Sha256>>(key, &authenticated),
                Integrity::HmacSha384_192 => mac::<hmac::Hmac<sha2::Sha384>>(key, &authenticated),
                Integrity::HmacSha512_256 => mac::<hmac::Hmac<sha2::Sha512>>(key, &authenticated),
            };
            assert_eq!(mac[..icv.len()], *icv);
            let (iv, body) = protected[8..].split_at(16);
            decrypt_cbc(keys.encryption(), iv, body)
        }
    }
}

fn mac<M: Mac + KeyInit>(key: &[u8], octets: &[u8]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key).unwrap();
    mac.update(octets);
    mac.finalize().into_bytes().to_vec()
}

/// CBC written out: each block decrypted, then the previous ciphertext block added.
fn decrypt_cbc(key: &[u8], iv: &[u8], body: &[u8]) -> Vec<u8> {
    use aes::cipher::BlockCipherDecrypt;

    let decrypt = |block: &[u8]| -> Vec<u8> {
        let mut block = aes::Block::try_from(block).unwrap();
        match key.len() {
            16 => aes::Aes128::new_from_slice(key)
                .unwrap()
                .decrypt_block(&mut block),
            24 => aes::Aes192::new_from_slice(key)
                .unwrap()
                .decrypt_block(&mut block),
            _ => aes::Aes256::new_from_slice(key)
                .unwrap()
                .decrypt_block(&mut block),
        }
        block.to_vec()
    };
    let previous = std::iter::once(iv).chain(body.chunks(16));
    body.chunks(16)
        .zip(previous)
        .flat_map(|(block, previous)| {
            let mixed = decrypt(block).into_iter().zip(previous);
            mixed.map(|(octet, mask)| octet ^ mask).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn an_independent_rendering_opens_what_is_sealed() {
    for algorithm in ALGORITHMS {
        for esn in [false, true] {
            let mut spec = sa(0x0102_0304, algorithm);
            spec.esn = esn;
            let outbound = OutboundSa::new(&spec).unwrap();
            for length in [0_usize, 1, 13, 14, 15, 16, 100, 1400] {
                outbound.use_up_to(if esn { 0x5_ffff_fffe } else { 0xffff });
                for next in 1..=2 {
                    let sequence = if esn { 0x5_ffff_fffe } else { 0xffff } + next;
                    let inner: Vec<u8> = (0..length).map(|n| n as u8).collect();
                    let layout = outbound.layout();
                    let mut packet = vec![0; layout.sealed(length)];
                    packet[layout.headroom()..][..length].copy_from_slice(&inner);
                    outbound.seal(&mut packet, length, 4).unwrap();
                    assert_eq!(packet[..4], [1, 2, 3, 4]);
                    assert_eq!(packet[4..8], (sequence as u32).to_be_bytes());

                    let mut expected = inner;
                    let padding = layout.padding(length) as u8;
                    expected.extend(1..=padding);
                    expected.extend([padding, 4]);
                    assert_eq!(
                        open_independently(&spec.keys, &packet, sequence, esn),
                        expected,
                        "{algorithm}, ESN {esn}, {length} octets"
                    );
                }
            }
        }
    }
}
