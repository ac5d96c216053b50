//! Octets that must not leak: keys, shared secrets, opened message contents.
//!
//! The types here have no `Debug`, no `Display` and no `Clone`, are wiped when dropped and compare in
//! constant time. They do not lock memory and do not keep secrets out of core dumps; that is the
//! process's task.

use alloc::{sync::Arc, vec, vec::Vec};

use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, Zeroizing};

/// A secret of any length, wiped on drop.
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes `bytes` over; they are wiped when the value is dropped.
    ///
    /// A vector that has grown may have left copies behind in freed memory: fill one that was given its
    /// final capacity, or start from [`Self::zeroed`].
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// `length` zero octets, to be filled through [`Self::as_mut_bytes`].
    pub fn zeroed(length: usize) -> Self {
        Self(Zeroizing::new(vec![0; length]))
    }

    /// A copy of `bytes`. The original stays as secret as it was, and the caller's to wipe.
    pub fn copied_from(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }

    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The octets, to be written in place.
    pub fn as_mut_bytes(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// Length in octets. It is not a secret.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no octets at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A second copy, wiped on its own. Named so that every copy of a secret can be searched for.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }

    /// Shortens to the first `length` octets, wiping the rest; a longer `length` changes nothing.
    pub fn truncate(&mut self, length: usize) {
        if let Some(tail) = self.0.get_mut(length..) {
            tail.zeroize();
        }
        self.0.truncate(length);
    }
}

impl ConstantTimeEq for SecretBytes {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.as_bytes().ct_eq(other.as_bytes())
    }
}

/// Constant-time in the contents; unequal lengths are told apart at once.
impl PartialEq for SecretBytes {
    fn eq(&self, other: &Self) -> bool {
        self.ct_eq(other).into()
    }
}

impl Eq for SecretBytes {}

/// The key that two ends agreed on beforehand (RFC 7296 §2.15), of at least one octet. Copies share the
/// octets, which are wiped with the last of them.
#[derive(Clone)]
pub struct PreSharedKey(Arc<SecretBytes>);

impl PreSharedKey {
    /// Takes a key over; `None` if there is no octet in it, for then everybody would have it.
    pub fn new(key: SecretBytes) -> Option<Self> {
        (!key.is_empty()).then(|| Self(Arc::new(key)))
    }

    /// The octets of the key.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// The outcome of a key exchange: g^ir of RFC 7296 §2.14, at the fixed length that its group
/// prescribes (MODP: the modulus length, ECP: one field element, Curve25519: 32 octets).
pub struct SharedSecret(SecretBytes);

impl SharedSecret {
    /// Wraps a secret that already has its group's length.
    pub fn new(bytes: SecretBytes) -> Self {
        Self(bytes)
    }

    /// The octets as the key derivation takes them.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Whether every octet is zero, found in constant time.
    ///
    /// RFC 7748 §6.1: such a secret means that the peer sent a point of low order.
    pub fn is_all_zero(&self) -> bool {
        let folded = self
            .as_bytes()
            .iter()
            .fold(0, |folded: u8, octet| folded | octet);
        folded.ct_eq(&0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_secrets_are_equal_and_others_are_not() {
        let secret = SecretBytes::copied_from(&[1, 2, 3]);
        assert!(secret == secret.duplicate());
        assert!(secret != SecretBytes::copied_from(&[1, 2, 4]));
        assert!(secret != SecretBytes::copied_from(&[1, 2]));
    }

    #[test]
    fn a_pre_shared_key_has_at_least_one_octet() {
        assert!(PreSharedKey::new(SecretBytes::zeroed(0)).is_none());
        let key = PreSharedKey::new(SecretBytes::copied_from(b"k")).unwrap();
        assert_eq!(key.clone().as_bytes(), b"k");
    }

    #[test]
    fn truncating_keeps_the_front_and_ignores_a_longer_length() {
        let mut secret = SecretBytes::copied_from(&[1, 2, 3, 4]);
        secret.truncate(9);
        assert_eq!(secret.as_bytes(), [1, 2, 3, 4]);
        secret.truncate(3);
        assert_eq!(secret.as_bytes(), [1, 2, 3]);
    }

    #[test]
    fn only_a_secret_of_zeros_is_all_zero() {
        assert!(SharedSecret::new(SecretBytes::zeroed(32)).is_all_zero());
        let mut one = SecretBytes::zeroed(32);
        one.as_mut_bytes()[31] = 1;
        assert!(!SharedSecret::new(one).is_all_zero());
    }
}
