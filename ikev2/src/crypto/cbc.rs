//! AES-CBC without padding of its own (RFC 3602 §2): whole blocks in, whole blocks out. It proves
//! nothing about who sent them; `cipher` joins it with a MAC.

use aes::cipher::{Array, BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use aes::{Aes128, Aes192, Aes256};

use super::CryptoError;
use super::suite::CbcAlgorithm;
use crate::secret::SecretBytes;

/// Octets in an AES block, and in a CBC IV.
pub(crate) const BLOCK_LEN: usize = 16;

/// Encrypts `text` in place.
///
/// # Errors
/// [`CryptoError::Layout`] where a length is not the algorithm's or `text` is no whole number of
/// blocks.
pub(crate) fn encrypt(
    algorithm: CbcAlgorithm,
    key: &[u8],
    iv: &[u8],
    text: &mut [u8],
) -> Result<(), CryptoError> {
    match algorithm {
        CbcAlgorithm::AesCbc128 => encrypt_blocks::<cbc::Encryptor<Aes128>>(key, iv, text),
        CbcAlgorithm::AesCbc192 => encrypt_blocks::<cbc::Encryptor<Aes192>>(key, iv, text),
        CbcAlgorithm::AesCbc256 => encrypt_blocks::<cbc::Encryptor<Aes256>>(key, iv, text),
    }
}

/// Decrypts a copy of `ciphertext`.
///
/// # Errors
/// [`CryptoError::Layout`], as [`encrypt`].
pub(crate) fn decrypt(
    algorithm: CbcAlgorithm,
    key: &[u8],
    iv: &[u8],
    ciphertext: &[u8],
) -> Result<SecretBytes, CryptoError> {
    let mut text = SecretBytes::copied_from(ciphertext);
    let octets = text.as_mut_bytes();
    match algorithm {
        CbcAlgorithm::AesCbc128 => decrypt_blocks::<cbc::Decryptor<Aes128>>(key, iv, octets),
        CbcAlgorithm::AesCbc192 => decrypt_blocks::<cbc::Decryptor<Aes192>>(key, iv, octets),
        CbcAlgorithm::AesCbc256 => decrypt_blocks::<cbc::Decryptor<Aes256>>(key, iv, octets),
    }?;
    Ok(text)
}

fn encrypt_blocks<C>(key: &[u8], iv: &[u8], text: &mut [u8]) -> Result<(), CryptoError>
where
    C: KeyIvInit + BlockModeEncrypt<BlockSize = aes::cipher::consts::U16>,
{
    let mut cipher = C::new_from_slices(key, iv).map_err(|_| CryptoError::Layout)?;
    let (blocks, []) = Array::slice_as_chunks_mut(text) else {
        return Err(CryptoError::Layout);
    };
    cipher.encrypt_blocks(blocks);
    Ok(())
}

fn decrypt_blocks<C>(key: &[u8], iv: &[u8], text: &mut [u8]) -> Result<(), CryptoError>
where
    C: KeyIvInit + BlockModeDecrypt<BlockSize = aes::cipher::consts::U16>,
{
    let mut cipher = C::new_from_slices(key, iv).map_err(|_| CryptoError::Layout)?;
    let (blocks, []) = Array::slice_as_chunks_mut(text) else {
        return Err(CryptoError::Layout);
    };
    cipher.decrypt_blocks(blocks);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::test_support::hex;

    fn both_ways(algorithm: CbcAlgorithm, key: &str, iv: &str, plain: &[u8], sealed: &str) {
        let mut text = plain.to_vec();
        encrypt(algorithm, &hex(key), &hex(iv), &mut text).unwrap();
        assert_eq!(text, hex(sealed));
        let opened = decrypt(algorithm, &hex(key), &hex(iv), &text).unwrap();
        assert_eq!(opened.as_bytes(), plain);
    }

    // RFC 3602 §4, cases 1 to 3.
    #[test]
    fn aes_128_gives_the_vectors_of_rfc_3602() {
        both_ways(
            CbcAlgorithm::AesCbc128,
            "06a9214036b8a15b512e03d534120006",
            "3dafba429d9eb430b422da802c9fac41",
            b"Single block msg",
            "e353779c1079aeb82708942dbe77181a",
        );
        both_ways(
            CbcAlgorithm::AesCbc128,
            "c286696d887c9aa0611bbb3e2025a45a",
            "562e17996d093d28ddb3ba695a2e6f58",
            &(0..32).collect::<Vec<u8>>(),
            "d296cd94c2cccf8a3a863028b5e1dc0a 7586602d253cfff91b8266bea6d61ab1",
        );
        both_ways(
            CbcAlgorithm::AesCbc128,
            "6c3ea0477630ce21a2ce334aa746c2cd",
            "c782dc4c098c66cbd9cd27d825682c81",
            b"This is a 48-byte message (exactly 3 AES blocks)",
            "d0a02b3836451753d493665d33f0e886 2dea54cdb293abc7506939276772f8d5
             021c19216bad525c8579695d83ba2684",
        );
    }

    // NIST SP 800-38A F.2.3 and F.2.5, first two blocks.
    #[test]
    fn aes_192_and_256_give_the_vectors_of_sp_800_38a() {
        let plain = hex("6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51");
        let iv = "000102030405060708090a0b0c0d0e0f";
        both_ways(
            CbcAlgorithm::AesCbc192,
            "8e73b0f7da0e6452c810f32b809079e5 62f8ead2522c6b7b",
            iv,
            &plain,
            "4f021db243bc633d7178183a9fa071e8 b4d9ada9ad7dedf4e5e738763f69145a",
        );
        both_ways(
            CbcAlgorithm::AesCbc256,
            "603deb1015ca71be2b73aef0857d7781 1f352c073b6108d72d9810a30914dff4",
            iv,
            &plain,
            "f58c4c04d6e5f1ba779eabfb5f7bfbd6 9cfc4e967edb808d679f777bc6702c7d",
        );
    }

    #[test]
    fn a_broken_block_or_a_wrong_length_is_refused() {
        let (key, iv) = ([0; 16], [0; 16]);
        let algorithm = CbcAlgorithm::AesCbc128;
        assert_eq!(
            encrypt(algorithm, &key, &iv, &mut [0; 17]),
            Err(CryptoError::Layout)
        );
        assert_eq!(
            encrypt(algorithm, &key, &iv[1..], &mut [0; 16]),
            Err(CryptoError::Layout)
        );
        assert_eq!(
            encrypt(algorithm, &key[1..], &iv, &mut [0; 16]),
            Err(CryptoError::Layout)
        );
        assert!(matches!(
            decrypt(algorithm, &key, &iv, &[0; 15]),
            Err(CryptoError::Layout)
        ));
    }
}
