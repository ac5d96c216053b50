//! The contents of AUTH payloads: what is signed, by whom, and how it is judged (RFC 7296 §2.15, §2.16;
//! RFC 7427).
//!
//! Nothing here decides which method a peer may use. That is policy, and comes from configuration.

pub mod octets;
pub mod signature;

pub use self::octets::{shared_key_mic, shared_key_mic_holds, signed_octets};
