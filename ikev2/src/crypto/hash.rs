//! Plain digests, for what is hashed without a key: NAT detection, CERTREQ, RFC 7427's choices.

use alloc::vec::Vec;

use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::suite::Hash;

/// The digest of the concatenation of `parts`; [`Hash::output_len`] octets.
pub fn digest(hash: Hash, parts: &[&[u8]]) -> Vec<u8> {
    match hash {
        Hash::Sha1 => update::<Sha1>(parts).to_vec(),
        Hash::Sha2_256 => update::<Sha256>(parts).to_vec(),
        Hash::Sha2_384 => update::<Sha384>(parts).to_vec(),
        Hash::Sha2_512 => update::<Sha512>(parts).to_vec(),
    }
}

/// The SHA-1 digest of the concatenation of `parts`, which NAT_DETECTION_*_IP (RFC 7296 §2.23) and
/// CERTREQ (RFC 7296 §3.7) are made of.
pub fn sha1(parts: &[&[u8]]) -> [u8; 20] {
    update::<Sha1>(parts).into()
}

fn update<D: Digest>(parts: &[&[u8]]) -> sha2::digest::Output<D> {
    let mut state = D::new();
    for part in parts {
        state.update(part);
    }
    state.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::test_support::hex;

    // FIPS 180-4's one-block message, "abc", in uneven parts.
    #[test]
    fn digests_of_abc_are_the_published_ones() {
        let parts: [&[u8]; 3] = [b"a", b"", b"bc"];
        assert_eq!(
            digest(Hash::Sha1, &parts),
            hex("a9993e364706816aba3e25717850c26c9cd0d89d")
        );
        assert_eq!(
            digest(Hash::Sha2_256, &parts),
            hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        );
        assert_eq!(
            digest(Hash::Sha2_384, &parts),
            hex(
                "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed\
                 8086072ba1e7cc2358baeca134c825a7"
            )
        );
        assert_eq!(
            digest(Hash::Sha2_512, &parts),
            hex(
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                 2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
            )
        );
        assert_eq!(sha1(&parts).to_vec(), digest(Hash::Sha1, &parts));
    }
}
