//! PKCS#12 files: as they are, and with an integrity check that holds around whatever the fuzzer puts inside.

use ironflex::pki::{Pkcs12, read_pkcs12, write_pkcs12};
use sha2::{Digest, Sha256};

const PASSWORD: &str = "cisco123";

/// The first octet chooses: the octets are the file, or its authenticated content.
pub fn pkcs12(data: &[u8]) {
    let Some((choice, octets)) = data.split_first() else {
        return;
    };
    if choice & 1 == 0 {
        file(octets);
    } else if octets.len() < 0x10000 {
        file(&sealed(octets));
    }
}

/// What was read is written and read back as the same.
fn file(octets: &[u8]) {
    let Ok(Pkcs12 {
        identity,
        authorities,
    }) = read_pkcs12(octets, PASSWORD)
    else {
        return;
    };
    assert_eq!(
        elements(octets),
        Some(3),
        "a file without an integrity check"
    );
    let spki = identity
        .key()
        .spki_der()
        .expect("a key that was read can be used");
    let own = ironflex::pki::describe(identity.certificate()).expect("a certificate that was read");
    let end = |spki: &[u8]| spki[spki.len().saturating_sub(32)..].to_vec();
    assert_eq!(
        end(&own.spki_der),
        end(&spki),
        "a key of another certificate"
    );
    for der in identity
        .chain()
        .chain(authorities.iter().map(Vec::as_slice))
    {
        assert!(
            der.len() <= octets.len(),
            "a certificate longer than the file"
        );
    }
    let written = write_pkcs12(&identity, &authorities, "fuzz", PASSWORD)
        .expect("what was read can be written");
    let again = read_pkcs12(&written, PASSWORD)
        .unwrap_or_else(|error| panic!("what was written is refused: {error}"));
    assert!(again.identity.is_same(&identity), "another identity");
    let sorted = |mut all: Vec<Vec<u8>>| {
        all.sort();
        all
    };
    assert_eq!(
        sorted(again.authorities),
        sorted(authorities),
        "other authorities"
    );
}

/// How many elements the sequence has that the octets are; PFX has a third where there is an integrity check.
fn elements(octets: &[u8]) -> Option<usize> {
    let (_, mut rest) = element(octets)?;
    let mut count = 0;
    while !rest.is_empty() {
        let (whole, _) = element(rest)?;
        rest = &rest[whole..];
        count += 1;
    }
    Some(count)
}

/// How long the first DER element is, and its contents.
fn element(octets: &[u8]) -> Option<(usize, &[u8])> {
    let (start, length) = match *octets {
        [_, length @ ..=0x7f, ..] => (2, usize::from(length)),
        [_, 0x81, length, ..] => (3, usize::from(length)),
        [_, 0x82, a, b, ..] => (4, usize::from(u16::from_be_bytes([a, b]))),
        _ => return None,
    };
    Some((start + length, octets.get(start..start + length)?))
}

// --- RFC 7292: a file around its content ---

fn der(tag: u8, contents: &[&[u8]]) -> Vec<u8> {
    let contents = contents.concat();
    let length = u32::try_from(contents.len()).unwrap().to_be_bytes();
    let length = match contents.len() {
        0..0x80 => &length[3..],
        0x80..0x100 => &[&[0x81], &length[3..]].concat(),
        0x100..0x1_0000 => &[&[0x82], &length[2..]].concat(),
        _ => &[&[0x83], &length[1..]].concat(),
    };
    [&[tag], length, &contents].concat()
}

/// A PFX (RFC 7292 §4) with this AuthenticatedSafe, under HMAC-SHA-256 and one round of the key's derivation.
fn sealed(content: &[u8]) -> Vec<u8> {
    const SEQUENCE: u8 = 0x30;
    const OCTETS: u8 = 0x04;
    let data: &[u8] = &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
    let sha256: &[u8] = &[0x06, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
    let salt = [0xa5; 8];
    let mac = hmac(&mac_key(&salt), content);
    let safe = der(0xa0, &[&der(OCTETS, &[content])]);
    let algorithm = der(SEQUENCE, &[sha256, &[0x05, 0]]);
    let digest = der(SEQUENCE, &[&algorithm, &der(OCTETS, &[&mac])]);
    let check = der(SEQUENCE, &[&digest, &der(OCTETS, &[&salt]), &[0x02, 1, 1]]);
    der(
        SEQUENCE,
        &[&[0x02, 1, 3], &der(SEQUENCE, &[data, &safe]), &check],
    )
}

/// RFC 7292 §B.2 for 32 octets of a MAC's key in one round.
fn mac_key(salt: &[u8]) -> [u8; 32] {
    const BLOCK: usize = 64;
    let password = PASSWORD
        .encode_utf16()
        .chain([0])
        .flat_map(u16::to_be_bytes);
    let password: Vec<u8> = password.collect();
    let fill = |octets: &[u8]| -> Vec<u8> {
        let length = octets.len().next_multiple_of(BLOCK);
        octets.iter().copied().cycle().take(length).collect()
    };
    Sha256::digest([&[3; BLOCK][..], &fill(salt), &fill(&password)].concat()).into()
}

fn hmac(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let pad = |with: u8| {
        let mut block = [with; 64];
        for (octet, key) in block.iter_mut().zip(key) {
            *octet ^= key;
        }
        block
    };
    let inner = Sha256::digest([&pad(0x36)[..], message].concat());
    Sha256::digest([&pad(0x5c)[..], &inner].concat()).into()
}
