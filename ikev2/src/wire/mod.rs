//! The octets of IKEv2: every message and payload of RFC 7296, both kinds of fragments, and nothing that needs a key.
//!
//! ```text
//!   datagram ──► PartialMessage::parse ──► header, cleartext payloads, Body
//!                                             │
//!       Body::Clear            IKE_SA_INIT    │
//!       Body::Encrypted        caller opens `sealed` ──► sk::strip_padding ──► parse_chain
//!       Body::Fragment         caller opens each ──► fragment::SkfReassembly ──► parse_chain
//!       Body::CiscoFragment    fragment::CiscoReassembly ──► PartialMessage::parse again
//! ```
//!
//! Writing goes the other way: [`message::write_message`] for a message in clear, [`message::write_chain`] and
//! [`sk::SkFrame`] for an encrypted one, [`fragment`] where it is too long.
//!
//! Reading checks what octets alone can show: lengths, counts, ranges, and values that RFC 7296 gives no meaning in any
//! state. Whether a payload may stand in a message is judged by the state that receives it. Reserved fields and the
//! critical bit of known payloads are ignored (RFC 7296 §2.5).

pub mod codec;
mod covered;
pub mod fragment;
pub mod header;
pub mod message;
pub mod payload;
pub mod registry;
pub mod sk;

pub use codec::{Reader, Wire};
pub use covered::{covered_of_received, covered_of_sent};
pub use header::{Flags, Header, InitiatorSpi, MessageId, ResponderSpi, Version};
pub use message::{
    Body, CiscoFragment, Encrypted, EncryptedFragment, MAX_PAYLOADS, PartialMessage, parse_chain,
    write_chain, write_message,
};
pub use payload::Payload;
