//! One direction's algorithms with their keys: what turns an ESP packet's body into ciphertext and back.
//!
//! Knows a packet's layout, but nothing of sequence numbers, windows or selectors. AES-CBC comes from the
//! `aes` and `cbc` crates under both providers: aws-lc-rs pads every CBC message by PKCS#7, ring has none.

use aes::cipher::{
    Array, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, InnerIvInit, KeyInit,
    typenum::U16,
};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

#[cfg(feature = "aws-lc")]
use aws_lc_rs as provider;
#[cfg(all(feature = "ring", not(feature = "aws-lc")))]
use ring as provider;

use provider::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use provider::hmac;
use provider::rand::{SecureRandom, SystemRandom};

use super::packet::{HEADER, Layout};
use crate::{AesKeySize, DropReason, Error, EspAlgorithm, Integrity, SaKeys};

const GCM_SALT: usize = EspAlgorithm::GCM_SALT_OCTETS;
const GCM_TAG: usize = 16;
const BLOCK: usize = 16;

/// What seals the packets of an outbound SA.
pub(super) enum SealingKey {
    Gcm(Box<GcmKey>),
    CbcHmac(Box<CbcSealingKey>),
}

/// What opens the packets of an inbound SA.
pub(super) enum OpeningKey {
    Gcm(Box<GcmKey>),
    CbcHmac(Box<CbcOpeningKey>),
}

pub(super) struct GcmKey {
    key: LessSafeKey,
    salt: Zeroizing<[u8; GCM_SALT]>,
}

pub(super) struct CbcSealingKey {
    cipher: AesEncrypt,
    /// Its key is drawn here and used for nothing else: a counter under it is an IV that nobody can foresee
    /// (RFC 3602 §3), and that never comes twice.
    iv: aes::Aes128Enc,
    mac: MacKey,
}

pub(super) struct CbcOpeningKey {
    cipher: AesDecrypt,
    mac: MacKey,
}

enum AesEncrypt {
    Aes128(aes::Aes128Enc),
    Aes192(aes::Aes192Enc),
    Aes256(aes::Aes256Enc),
}

enum AesDecrypt {
    Aes128(aes::Aes128Dec),
    Aes192(aes::Aes192Dec),
    Aes256(aes::Aes256Dec),
}

impl SealingKey {
    /// # Errors
    /// [`Error::Unsupported`] when the provider lacks the algorithm or gives no random octets.
    pub(super) fn new(keys: &SaKeys) -> Result<Self, Error> {
        match keys.algorithm() {
            EspAlgorithm::AesGcm16(size) => Ok(Self::Gcm(Box::new(GcmKey::new(keys, size)?))),
            EspAlgorithm::AesCbcHmac {
                key_size,
                integrity,
            } => {
                let mut iv_key = Zeroizing::new([0_u8; 16]);
                SystemRandom::new()
                    .fill(iv_key.as_mut_slice())
                    .map_err(|_| Error::Unsupported("no random octets".to_owned()))?;
                Ok(Self::CbcHmac(Box::new(CbcSealingKey {
                    cipher: AesEncrypt::new(keys, key_size)?,
                    iv: aes::Aes128Enc::new(&Array::from(*iv_key)),
                    mac: MacKey::new(keys, integrity),
                })))
            }
        }
    }

    /// Encrypts and protects `packet` in place: header, room for the IV, inner packet with padding and
    /// trailer, room for the ICV. `sequence` is the SA's next and was used for no other packet.
    ///
    /// # Errors
    /// [`DropReason::Truncated`] or [`DropReason::Misaligned`] when the packet is not laid out so.
    pub(super) fn seal(
        &self,
        packet: &mut [u8],
        layout: Layout,
        sequence: u64,
        esn: bool,
    ) -> Result<(), DropReason> {
        let (protected, icv) = split_icv(packet, layout)?;
        match self {
            Self::Gcm(gcm) => {
                let (header, rest) = split_header(protected)?;
                let (iv, body) = rest
                    .split_first_chunk_mut::<8>()
                    .ok_or(DropReason::Truncated)?;
                // RFC 4106 §3.1: the IV may be a counter, and is never used twice under a key.
                *iv = sequence.to_be_bytes();
                let tag = gcm
                    .key
                    .seal_in_place_separate_tag(
                        gcm.nonce(iv),
                        Aad::from(GcmAad::new(header, sequence, esn)),
                        body,
                    )
                    .map_err(|_| DropReason::Misaligned)?;
                if icv.len() != tag.as_ref().len() {
                    return Err(DropReason::Truncated);
                }
                icv.copy_from_slice(tag.as_ref());
            }
            Self::CbcHmac(cbc) => {
                let (_, rest) = split_header(protected)?;
                let (iv, body) = rest
                    .split_first_chunk_mut::<BLOCK>()
                    .ok_or(DropReason::Truncated)?;
                let mut counter = [0_u8; BLOCK];
                if let Some(low) = counter.last_chunk_mut::<8>() {
                    *low = sequence.to_be_bytes();
                }
                let mut block = Array::from(counter);
                cbc.iv.encrypt_block(&mut block);
                *iv = block.0;
                cbc.cipher.encrypt(iv, body)?;
                let tag = cbc.mac.sign(protected, sequence, esn);
                let tag = tag.as_ref().get(..icv.len()).ok_or(DropReason::Truncated)?;
                icv.copy_from_slice(tag);
            }
        }
        Ok(())
    }
}

impl OpeningKey {
    /// # Errors
    /// [`Error::Unsupported`] when the provider lacks the algorithm.
    pub(super) fn new(keys: &SaKeys) -> Result<Self, Error> {
        match keys.algorithm() {
            EspAlgorithm::AesGcm16(size) => Ok(Self::Gcm(Box::new(GcmKey::new(keys, size)?))),
            EspAlgorithm::AesCbcHmac {
                key_size,
                integrity,
            } => Ok(Self::CbcHmac(Box::new(CbcOpeningKey {
                cipher: AesDecrypt::new(keys, key_size)?,
                mac: MacKey::new(keys, integrity),
            }))),
        }
    }

    /// Checks the whole of `packet` and decrypts it in place; the body (inner packet, padding, trailer)
    /// then lies between [`Layout::headroom`] and the ICV.
    ///
    /// # Errors
    /// [`DropReason::Truncated`], [`DropReason::Misaligned`], [`DropReason::BadIcv`]. The packet's octets are of no
    /// use afterwards.
    pub(super) fn open(
        &self,
        packet: &mut [u8],
        layout: Layout,
        sequence: u64,
        esn: bool,
    ) -> Result<(), DropReason> {
        match self {
            Self::Gcm(gcm) => {
                let (header, rest) = split_header(packet)?;
                let (iv, sealed) = rest
                    .split_first_chunk_mut::<8>()
                    .ok_or(DropReason::Truncated)?;
                let body = sealed
                    .len()
                    .checked_sub(GCM_TAG)
                    .ok_or(DropReason::Truncated)?;
                // RFC 4106 §3.2, RFC 4303 §2.4: the next header field ends on a multiple of 4.
                if body == 0 || !body.is_multiple_of(layout.align) {
                    return Err(DropReason::Misaligned);
                }
                // RFC 4303 §3.4.4.2#1: what fails the combined check is discarded.
                gcm.key
                    .open_in_place(
                        gcm.nonce(iv),
                        Aad::from(GcmAad::new(header, sequence, esn)),
                        sealed,
                    )
                    .map_err(|_| DropReason::BadIcv)?;
            }
            Self::CbcHmac(cbc) => {
                let (protected, icv) = split_icv(packet, layout)?;
                let body = protected
                    .len()
                    .checked_sub(layout.headroom())
                    .ok_or(DropReason::Truncated)?;
                if body == 0 || !body.is_multiple_of(layout.align) {
                    return Err(DropReason::Misaligned);
                }
                // RFC 4303 §3.4.3#7, §3.4.4.1#1,5: integrity first, decryption after, and nothing of what fails.
                let tag = cbc.mac.sign(protected, sequence, esn);
                let tag = tag.as_ref().get(..icv.len()).ok_or(DropReason::Truncated)?;
                if !bool::from(tag.ct_eq(icv)) {
                    return Err(DropReason::BadIcv);
                }
                let (_, rest) = split_header(protected)?;
                let (iv, body) = rest
                    .split_first_chunk_mut::<BLOCK>()
                    .ok_or(DropReason::Truncated)?;
                cbc.cipher.decrypt(iv, body)?;
            }
        }
        Ok(())
    }
}

fn split_icv(packet: &mut [u8], layout: Layout) -> Result<(&mut [u8], &mut [u8]), DropReason> {
    let protected = packet
        .len()
        .checked_sub(layout.icv)
        .ok_or(DropReason::Truncated)?;
    packet
        .split_at_mut_checked(protected)
        .ok_or(DropReason::Truncated)
}

fn split_header(packet: &mut [u8]) -> Result<(&[u8; HEADER], &mut [u8]), DropReason> {
    let (header, rest) = packet
        .split_first_chunk_mut::<HEADER>()
        .ok_or(DropReason::Truncated)?;
    Ok((header, rest))
}

impl GcmKey {
    fn new(keys: &SaKeys, size: AesKeySize) -> Result<Self, Error> {
        let unusable = || Error::Unsupported(format!("{} (crypto provider)", keys.algorithm()));
        let algorithm = match size {
            AesKeySize::Aes128 => &aead::AES_128_GCM,
            #[cfg(feature = "aws-lc")]
            AesKeySize::Aes192 => &aead::AES_192_GCM,
            #[cfg(not(feature = "aws-lc"))]
            AesKeySize::Aes192 => return Err(unusable()),
            AesKeySize::Aes256 => &aead::AES_256_GCM,
        };
        let (key, salt) = keys
            .encryption()
            .split_last_chunk::<GCM_SALT>()
            .ok_or_else(unusable)?;
        let key = UnboundKey::new(algorithm, key).map_err(|_| unusable())?;
        Ok(Self {
            key: LessSafeKey::new(key),
            salt: Zeroizing::new(*salt),
        })
    }

    /// RFC 4106 §4: the nonce is salt ‖ IV.
    fn nonce(&self, iv: &[u8; 8]) -> Nonce {
        let [a, b, c, d] = *self.salt;
        let [e, f, g, h, i, j, k, l] = *iv;
        Nonce::assume_unique_for_key([a, b, c, d, e, f, g, h, i, j, k, l])
    }
}

/// RFC 4106 §5: SPI and sequence number, the latter in all its 64 bits when they were negotiated.
struct GcmAad {
    octets: [u8; 12],
    length: usize,
}

impl GcmAad {
    fn new(header: &[u8; HEADER], sequence: u64, esn: bool) -> Self {
        let [a, b, c, d, e, f, g, h] = *header;
        let [high0, high1, high2, high3, low0, low1, low2, low3] = sequence.to_be_bytes();
        if esn {
            Self {
                octets: [
                    a, b, c, d, high0, high1, high2, high3, low0, low1, low2, low3,
                ],
                length: 12,
            }
        } else {
            Self {
                octets: [a, b, c, d, e, f, g, h, 0, 0, 0, 0],
                length: HEADER,
            }
        }
    }
}

impl AsRef<[u8]> for GcmAad {
    fn as_ref(&self) -> &[u8] {
        self.octets.get(..self.length).unwrap_or(&self.octets)
    }
}

struct MacKey(hmac::Key);

impl MacKey {
    fn new(keys: &SaKeys, integrity: Integrity) -> Self {
        let algorithm = match integrity {
            Integrity::HmacSha1_96 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Integrity::HmacSha256_128 => hmac::HMAC_SHA256,
            Integrity::HmacSha384_192 => hmac::HMAC_SHA384,
            Integrity::HmacSha512_256 => hmac::HMAC_SHA512,
        };
        Self(hmac::Key::new(algorithm, keys.integrity()))
    }

    /// RFC 4303 §2.2.1: with ESN the high half is authenticated behind the packet, though not sent.
    fn sign(&self, protected: &[u8], sequence: u64, esn: bool) -> hmac::Tag {
        if !esn {
            return hmac::sign(&self.0, protected);
        }
        let mut context = hmac::Context::with_key(&self.0);
        context.update(protected);
        let [a, b, c, d, ..] = sequence.to_be_bytes();
        context.update(&[a, b, c, d]);
        context.sign()
    }
}

fn wrong_key(keys: &SaKeys) -> Error {
    Error::KeyLength {
        algorithm: keys.algorithm(),
        key: "encryption",
        expected: keys.algorithm().encryption_octets(),
        actual: keys.encryption().len(),
    }
}

/// Whole blocks of `body`.
fn blocks(body: &mut [u8]) -> Result<&mut [Array<u8, U16>], DropReason> {
    match Array::slice_as_chunks_mut(body) {
        (blocks, []) => Ok(blocks),
        _ => Err(DropReason::Misaligned),
    }
}

impl AesEncrypt {
    fn new(keys: &SaKeys, size: AesKeySize) -> Result<Self, Error> {
        let key = keys.encryption();
        let wrong = |_| wrong_key(keys);
        Ok(match size {
            AesKeySize::Aes128 => Self::Aes128(KeyInit::new_from_slice(key).map_err(wrong)?),
            AesKeySize::Aes192 => Self::Aes192(KeyInit::new_from_slice(key).map_err(wrong)?),
            AesKeySize::Aes256 => Self::Aes256(KeyInit::new_from_slice(key).map_err(wrong)?),
        })
    }

    fn encrypt(&self, iv: &[u8; BLOCK], body: &mut [u8]) -> Result<(), DropReason> {
        let blocks = blocks(body)?;
        let iv = &Array::from(*iv);
        match self {
            Self::Aes128(aes) => cbc::Encryptor::inner_iv_init(aes, iv).encrypt_blocks(blocks),
            Self::Aes192(aes) => cbc::Encryptor::inner_iv_init(aes, iv).encrypt_blocks(blocks),
            Self::Aes256(aes) => cbc::Encryptor::inner_iv_init(aes, iv).encrypt_blocks(blocks),
        }
        Ok(())
    }
}

impl AesDecrypt {
    fn new(keys: &SaKeys, size: AesKeySize) -> Result<Self, Error> {
        let key = keys.encryption();
        let wrong = |_| wrong_key(keys);
        Ok(match size {
            AesKeySize::Aes128 => Self::Aes128(KeyInit::new_from_slice(key).map_err(wrong)?),
            AesKeySize::Aes192 => Self::Aes192(KeyInit::new_from_slice(key).map_err(wrong)?),
            AesKeySize::Aes256 => Self::Aes256(KeyInit::new_from_slice(key).map_err(wrong)?),
        })
    }

    fn decrypt(&self, iv: &[u8; BLOCK], body: &mut [u8]) -> Result<(), DropReason> {
        let blocks = blocks(body)?;
        let iv = &Array::from(*iv);
        match self {
            Self::Aes128(aes) => cbc::Decryptor::inner_iv_init(aes, iv).decrypt_blocks(blocks),
            Self::Aes192(aes) => cbc::Decryptor::inner_iv_init(aes, iv).decrypt_blocks(blocks),
            Self::Aes256(aes) => cbc::Decryptor::inner_iv_init(aes, iv).decrypt_blocks(blocks),
        }
        Ok(())
    }
}

#[cfg(test)]
mod wycheproof;
