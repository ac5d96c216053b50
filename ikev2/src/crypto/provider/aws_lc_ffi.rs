//! The two things that aws-lc has and aws-lc-rs does not show: modular exponentiation that takes the
//! same time for every exponent, and RSA signatures with SHA-1.
//!
//! This is the only file of the crate with `unsafe` code. Each type owns its C objects through
//! [`Handle`]; every function says why it is sound.

#![allow(unsafe_code, reason = "calls into aws-lc, reviewed in this file alone")]

use alloc::vec;
use alloc::vec::Vec;
use core::ffi::c_uint;
use core::ptr::NonNull;

use aws_lc_sys as ffi;

/// A C object that this side must free.
struct Handle<T> {
    pointer: NonNull<T>,
    free: unsafe extern "C" fn(*mut T),
}

impl<T> Handle<T> {
    /// Takes over what a C constructor returned; a null pointer is its failure.
    ///
    /// # Safety
    /// `pointer` is null or a fresh object that nothing else frees, and `free` is its destructor.
    unsafe fn adopt(pointer: *mut T, free: unsafe extern "C" fn(*mut T)) -> Option<Self> {
        NonNull::new(pointer).map(|pointer| Self { pointer, free })
    }

    fn as_ptr(&self) -> *const T {
        self.pointer.as_ptr()
    }

    /// For C functions that ask for a mutable pointer.
    fn as_mut_ptr(&self) -> *mut T {
        self.pointer.as_ptr()
    }
}

impl<T> Drop for Handle<T> {
    fn drop(&mut self) {
        // SAFETY: `adopt` was promised that the object is ours and that this is its destructor, and it
        // is not used after the drop. aws-lc wipes all memory that it frees.
        unsafe { (self.free)(self.pointer.as_ptr()) }
    }
}

/// An odd modulus with its Montgomery context, made once and shared by all threads.
pub(super) struct Modulus {
    value: Handle<ffi::BIGNUM>,
    montgomery: Handle<ffi::BN_MONT_CTX>,
    length: usize,
}

// SAFETY: neither object is tied to the thread that made it, and freeing them takes no lock.
unsafe impl Send for Modulus {}

// SAFETY: after `new` both objects are handed to aws-lc as pointers to const alone, and it does not
// change objects behind such pointers.
unsafe impl Sync for Modulus {}

impl Modulus {
    /// `octets`, most significant first, as a modulus; `None` if it is even or memory runs out.
    pub(super) fn new(octets: &[u8]) -> Option<Self> {
        let value = number(octets)?;
        let context = context()?;
        // SAFETY: both pointers are live; the result is a fresh object that BN_MONT_CTX_free frees.
        let montgomery = unsafe {
            let made = ffi::BN_MONT_CTX_new_for_modulus(value.as_ptr(), context.as_mut_ptr());
            Handle::adopt(made, ffi::BN_MONT_CTX_free)
        }?;
        Some(Self {
            value,
            montgomery,
            length: octets.len(),
        })
    }

    /// base ^ exponent mod self into `out`, most significant octet first and left-padded with zeros.
    ///
    /// The time depends on the lengths of `exponent` and of the modulus, not on their values. `None`
    /// if the base is not smaller than the modulus, `out` does not have the modulus' length, or memory
    /// runs out.
    pub(super) fn power(&self, base: &[u8], exponent: &[u8], out: &mut [u8]) -> Option<()> {
        if out.len() != self.length {
            return None;
        }
        let base = number(base)?;
        // The width of this number is that of the slice, leading zeros included, and it is the width
        // that the exponentiation's running time depends on.
        let exponent = number(exponent)?;
        let context = context()?;
        // SAFETY: BN_new takes nothing and returns a fresh object or null.
        let result = unsafe { Handle::adopt(ffi::BN_new(), ffi::BN_clear_free) }?;
        // SAFETY: all pointers are live and none is freed by the call; `result` is distinct from the
        // inputs, and the context belongs to this call alone.
        let done = unsafe {
            ffi::BN_mod_exp_mont_consttime(
                result.as_mut_ptr(),
                base.as_ptr(),
                exponent.as_ptr(),
                self.value.as_ptr(),
                context.as_mut_ptr(),
                self.montgomery.as_ptr(),
            )
        };
        if done != 1 {
            return None;
        }
        // SAFETY: writes exactly `out.len()` octets to `out`, or fails if the number does not fit.
        let written =
            unsafe { ffi::BN_bn2bin_padded(out.as_mut_ptr(), out.len(), result.as_ptr()) };
        (written == 1).then_some(())
    }
}

/// A number from its octets, most significant first; wiped when freed.
fn number(octets: &[u8]) -> Option<Handle<ffi::BIGNUM>> {
    // SAFETY: reads `octets.len()` octets from a live slice; a null third argument asks for a fresh
    // object.
    unsafe {
        let made = ffi::BN_bin2bn(octets.as_ptr(), octets.len(), core::ptr::null_mut());
        Handle::adopt(made, ffi::BN_clear_free)
    }
}

/// Scratch space of one calculation.
fn context() -> Option<Handle<ffi::BN_CTX>> {
    // SAFETY: takes nothing and returns a fresh object or null.
    unsafe { Handle::adopt(ffi::BN_CTX_new(), ffi::BN_CTX_free) }
}

/// An RSA private key for signatures with SHA-1, which peers without RFC 7427 expect of method 1.
pub(super) struct Sha1Signer {
    key: Handle<ffi::RSA>,
}

// SAFETY: an RSA object is not tied to the thread that made it.
unsafe impl Send for Sha1Signer {}

// SAFETY: aws-lc allows concurrent private-key operations on one RSA object; what it caches inside
// (blinding, Montgomery contexts) is behind the object's own lock. Nothing here changes the key.
unsafe impl Sync for Sha1Signer {}

impl Sha1Signer {
    /// Reads a PKCS #8 key; `None` if it is not an RSA key.
    pub(super) fn from_pkcs8(der: &[u8]) -> Option<Self> {
        let mut input = ffi::CBS {
            data: core::ptr::null(),
            len: 0,
        };
        // SAFETY: `input` borrows `der`, which outlives the parsing; CBS owns nothing. The parser
        // returns a fresh object or null.
        let key = unsafe {
            ffi::CBS_init(&raw mut input, der.as_ptr(), der.len());
            Handle::adopt(
                ffi::EVP_parse_private_key(&raw mut input),
                ffi::EVP_PKEY_free,
            )
        }?;
        // SAFETY: `key` is live; the call returns null for other kinds of keys, otherwise a reference
        // of its own to the RSA object, which RSA_free gives up.
        let key = unsafe { Handle::adopt(ffi::EVP_PKEY_get1_RSA(key.as_ptr()), ffi::RSA_free) }?;
        Some(Self { key })
    }

    /// The RSASSA-PKCS1-v1_5 signature over a SHA-1 digest; `None` if the library fails.
    pub(super) fn sign(&self, digest: &[u8; 20]) -> Option<Vec<u8>> {
        // SAFETY: the object is live and only read.
        let size = unsafe { ffi::RSA_size(self.key.as_ptr()) };
        let mut signature = vec![0; usize::try_from(size).ok()?];
        let mut length: c_uint = 0;
        // SAFETY: reads 20 octets of the digest and writes at most RSA_size octets, which `signature`
        // has; the key is not freed. See `Sync` above for concurrent calls.
        let done = unsafe {
            ffi::RSA_sign(
                ffi::NID_sha1,
                digest.as_ptr(),
                digest.len(),
                signature.as_mut_ptr(),
                &raw mut length,
                self.key.as_mut_ptr(),
            )
        };
        signature.truncate(usize::try_from(length).ok()?);
        (done == 1).then_some(signature)
    }
}
