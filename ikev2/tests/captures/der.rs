//! DER and the framing of AnyConnect-EAP, as far as these tests need them.

/// One element: tag, content, and what stands behind it.
pub(crate) fn element(der: &[u8]) -> (u8, &[u8], &[u8]) {
    let (length, header) = match der[1] {
        short if short < 0x80 => (usize::from(short), 2),
        0x81 => (usize::from(der[2]), 3),
        0x82 => (usize::from(u16::from_be_bytes([der[2], der[3]])), 4),
        other => panic!("length form {other:#x}"),
    };
    let end = header + length;
    (der[0], &der[header..end], &der[end..])
}

/// The element at the front with its header, and what stands behind it.
pub(crate) fn whole(der: &[u8]) -> (&[u8], &[u8]) {
    let rest = element(der).2;
    der.split_at(der.len() - rest.len())
}

/// The SubjectPublicKeyInfo of a certificate (RFC 5280 §4.1): the seventh element of the TBS part that
/// has an explicit version.
pub(crate) fn subject_public_key_info(certificate: &[u8]) -> &[u8] {
    let (_, outer, behind) = element(certificate);
    assert_eq!(behind, b"");
    let (_, mut tbs, _) = element(outer);
    assert_eq!(tbs[0], 0xa0, "an explicit version");
    for _ in 0..6 {
        tbs = element(tbs).2;
    }
    whole(tbs).0
}

/// The first certificate of a degenerate SignedData (RFC 5652 §5.1, docs/anyconnect-eap.md): the leaf,
/// by wire order.
pub(crate) fn first_certificate(pkcs7: &[u8]) -> &[u8] {
    let (_, content_info, _) = element(pkcs7);
    let (tag, _, content) = element(content_info);
    assert_eq!(tag, 6, "the content type");
    let (_, signed_data, _) = element(element(content).1);
    let mut rest = signed_data;
    while rest[0] != 0xa0 {
        rest = element(rest).2;
    }
    whole(element(rest).1).0
}

/// The TLVs of an AnyConnect-EAP packet (docs/anyconnect-eap.md): behind the 12 octets of framing, each
/// two octets of type and two of length.
pub(crate) fn tlvs(packet: &[u8]) -> Vec<(u16, &[u8])> {
    assert_eq!(packet[4..12], *b"\xfe\x00\x00\x09DBRP");
    let mut rest = &packet[12..];
    let mut found = Vec::new();
    while !rest.is_empty() {
        let [kind, length] = [0, 2].map(|at| u16::from_be_bytes([rest[at], rest[at + 1]]));
        let (value, behind) = rest[4..].split_at(usize::from(length));
        found.push((kind, value));
        rest = behind;
    }
    found
}
