//! AES-GCM for IKE messages (RFC 5282): nonce = 4 octets of salt ∣ 8 octets of IV, 16-octet tag.

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::aes::cipher::consts::U12;
use aes_gcm::aes::{Aes128, Aes192, Aes256};
use aes_gcm::{AesGcm, Nonce, Tag};

use super::CryptoError;
use super::cipher::Forged;
use super::suite::AeadAlgorithm;
use crate::secret::SecretBytes;

/// Encrypts `text` in place and writes its tag to `icv`.
///
/// # Errors
/// [`CryptoError::Layout`] where a length is not the algorithm's.
pub(crate) fn seal(
    algorithm: AeadAlgorithm,
    key: &[u8],
    iv: &[u8],
    aad: &[u8],
    text: &mut [u8],
    icv: &mut [u8],
) -> Result<(), CryptoError> {
    let (key, nonce) = split(algorithm, key, iv).ok_or(CryptoError::Layout)?;
    let tag = match algorithm {
        AeadAlgorithm::AesGcm16_128 => encrypt::<AesGcm<Aes128, U12>>(key, &nonce, aad, text),
        AeadAlgorithm::AesGcm16_192 => encrypt::<AesGcm<Aes192, U12>>(key, &nonce, aad, text),
        AeadAlgorithm::AesGcm16_256 => encrypt::<AesGcm<Aes256, U12>>(key, &nonce, aad, text),
    }
    .ok_or(CryptoError::Layout)?;
    if icv.len() != tag.len() {
        return Err(CryptoError::Layout);
    }
    icv.copy_from_slice(&tag);
    Ok(())
}

/// Checks `icv` over `aad` and `ciphertext`, then decrypts.
///
/// # Errors
/// [`Forged`], where the tag or a length is wrong.
pub(crate) fn open(
    algorithm: AeadAlgorithm,
    key: &[u8],
    iv: &[u8],
    aad: &[u8],
    ciphertext: &[u8],
    icv: &[u8],
) -> Result<SecretBytes, Forged> {
    let (key, nonce) = split(algorithm, key, iv).ok_or(Forged)?;
    let tag = Tag::try_from(icv).map_err(|_| Forged)?;
    let mut text = SecretBytes::copied_from(ciphertext);
    let opened = match algorithm {
        AeadAlgorithm::AesGcm16_128 => {
            decrypt::<AesGcm<Aes128, U12>>(key, &nonce, aad, text.as_mut_bytes(), &tag)
        }
        AeadAlgorithm::AesGcm16_192 => {
            decrypt::<AesGcm<Aes192, U12>>(key, &nonce, aad, text.as_mut_bytes(), &tag)
        }
        AeadAlgorithm::AesGcm16_256 => {
            decrypt::<AesGcm<Aes256, U12>>(key, &nonce, aad, text.as_mut_bytes(), &tag)
        }
    };
    opened.map(|()| text).ok_or(Forged)
}

/// The AES key, and the nonce made of salt and IV (RFC 5282 §4).
fn split<'a>(algorithm: AeadAlgorithm, key: &'a [u8], iv: &[u8]) -> Option<(&'a [u8], Nonce<U12>)> {
    let (key, salt) = key.split_at_checked(algorithm.cipher_key_len())?;
    let mut nonce = Nonce::<U12>::default();
    nonce
        .get_mut(..AeadAlgorithm::SALT_LEN)?
        .copy_from_slice(salt.first_chunk::<4>()?);
    nonce
        .get_mut(AeadAlgorithm::SALT_LEN..)?
        .copy_from_slice(iv.first_chunk::<8>()?);
    (salt.len() == 4 && iv.len() == 8).then_some((key, nonce))
}

fn encrypt<C>(key: &[u8], nonce: &Nonce<U12>, aad: &[u8], text: &mut [u8]) -> Option<Tag>
where
    C: KeyInit + AeadInOut<NonceSize = U12, TagSize = aes_gcm::aead::consts::U16>,
{
    let cipher = C::new_from_slice(key).ok()?;
    cipher.encrypt_inout_detached(nonce, aad, text.into()).ok()
}

fn decrypt<C>(key: &[u8], nonce: &Nonce<U12>, aad: &[u8], text: &mut [u8], tag: &Tag) -> Option<()>
where
    C: KeyInit + AeadInOut<NonceSize = U12, TagSize = aes_gcm::aead::consts::U16>,
{
    let cipher = C::new_from_slice(key).ok()?;
    cipher
        .decrypt_inout_detached(nonce, aad, text.into(), tag)
        .ok()
}
