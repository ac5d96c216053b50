//! What a datagram holds: opened under the SA's keys, put together from fragments, or known as the repeat of a request
//! that was answered.

use alloc::vec::Vec;

use zeroize::Zeroizing;

use super::{Form, Link, fingerprint};
use crate::{
    event::{Discard, Instant, Path},
    proof::Authentic,
    sa::{Cx, reassembly::Whole, window::Fingerprint},
    wire::{
        message::{Body, PartialMessage},
        registry::{ExchangeType, PayloadType},
        sk,
    },
};

/// The content of a whole message that passed the integrity check.
pub(super) struct Unsealed {
    /// The type of the first payload.
    pub(super) first: PayloadType,
    pub(super) content: Zeroizing<Vec<u8>>,
    /// The AAD, for IKE_INTERMEDIATE alone.
    pub(super) head: Vec<u8>,
    /// The fingerprint of the datagram that a request began with.
    pub(super) beginning: Option<Fingerprint>,
    pub(super) proof: Authentic,
}

impl Link {
    /// Answers a request that was answered before, if it is the same, and says what became of it.
    ///
    /// RFC 7296 §2.1#1-2: a repeat has the same octets. What has others must at least be authentic (a peer may cut it
    /// anew): nobody else is to draw long answers, nor to use up what the peer's own repeats may draw.
    pub(super) fn repeat(
        &mut self,
        cx: &mut Cx<'_>,
        path: Path,
        id: u32,
        datagram: &[u8],
    ) -> Discard {
        let message = match PartialMessage::parse_sealed(datagram) {
            Ok(message) => message,
            Err(error) => return Discard::Malformed(error),
        };
        // RFC 7383 §2.6.1#2-3: of a repeated request the first fragment draws the answer, and no other.
        if !is_first(&message.body) {
            return Discard::RepeatedFragment;
        }
        if !self.responses.is_copy(id, &beginning_of(&message)) {
            if !self.responses.may_be_tried(cx.now, id) {
                return Discard::RepeatLimited;
            }
            if !self.is_authentic(&message) {
                return Discard::Forged;
            }
        }
        // The answer goes where the repeat came from: its sender may have moved.
        match self.responses.repeat(cx.now, id, path, self.path) {
            Ok(datagrams) => {
                for octets in datagrams {
                    self.transmit(cx, path, octets);
                }
                Discard::Repeated
            }
            Err(discard) => discard,
        }
    }

    /// Opens a message or fragment; `None` while fragments are missing.
    pub(super) fn open(
        &mut self,
        now: Instant,
        message: &PartialMessage<'_>,
        ahead: bool,
    ) -> Result<Option<Unsealed>, Discard> {
        let covered = message.header.exchange == ExchangeType::IKE_INTERMEDIATE;
        let head = |aad: &[u8]| if covered { aad.to_vec() } else { Vec::new() };
        let key = (
            message.header.flags.is_response(),
            message.header.message_id.0,
        );
        // Only requests are recognised when they come again.
        let is_beginning = !message.header.flags.is_response() && is_first(&message.body);
        let beginning = || is_beginning.then(|| beginning_of(message));
        match &message.body {
            // RFC 7296 §1.4#1: after IKE_SA_INIT nothing in clear is taken.
            Body::Clear => Err(Discard::Unprotected),
            Body::Encrypted(encrypted) => {
                let (content, proof) = self.open_sealed(encrypted.aad, encrypted.sealed)?;
                self.reassembly.forget(key);
                Ok(Some(Unsealed {
                    first: encrypted.first,
                    content,
                    head: head(encrypted.aad),
                    beginning: beginning(),
                    proof,
                }))
            }
            Body::Fragment(piece) => {
                if !self.agreed(Form::Ietf) {
                    return Err(Discard::FragmentRefused);
                }
                self.reassembly.admits_ietf(now, key, piece)?;
                // RFC 7383 §2.6#3: a fragment is authenticated before it is stored.
                let (content, proof) = self.open_sealed(piece.aad, piece.sealed)?;
                let joined =
                    self.reassembly
                        .insert_ietf(now, key, piece, &content, covered, beginning())?;
                self.last_form = Some(Form::Ietf);
                // Each of those before it was authentic too, or it would not have been stored.
                Ok(joined.map(|joined| Unsealed {
                    first: joined.whole.first,
                    content: joined.whole.content,
                    head: joined.head,
                    beginning: joined.beginning,
                    proof,
                }))
            }
            Body::CiscoFragment(piece) => {
                // These cannot be authenticated one by one: only what is next in line is stored.
                if ahead || !self.agreed(Form::Cisco) {
                    return Err(Discard::FragmentRefused);
                }
                let Whole::Complete(octets, beginning) =
                    self.reassembly
                        .insert_cisco(now, key, &message.header, piece, beginning())?
                else {
                    return Ok(None);
                };
                let whole = PartialMessage::parse_sealed(&octets).map_err(Discard::Malformed)?;
                let Body::Encrypted(encrypted) = &whole.body else {
                    return Err(Discard::FragmentRefused);
                };
                let (content, proof) = self.open_sealed(encrypted.aad, encrypted.sealed)?;
                self.reassembly.forget(key);
                self.last_form = Some(Form::Cisco);
                Ok(Some(Unsealed {
                    first: encrypted.first,
                    content,
                    head: head(encrypted.aad),
                    beginning,
                    proof,
                }))
            }
        }
    }

    /// Whether a repeated message or fragment passes its own integrity check, under the keys of now or
    /// those that its answer has replaced. Cisco's fragments have none.
    fn is_authentic(&self, message: &PartialMessage<'_>) -> bool {
        let (aad, sealed) = match &message.body {
            Body::Encrypted(encrypted) => (encrypted.aad, encrypted.sealed),
            Body::Fragment(piece) => (piece.aad, piece.sealed),
            Body::Clear | Body::CiscoFragment(_) => return false,
        };
        [Some(&self.inbound), self.former.as_ref()]
            .into_iter()
            .flatten()
            .any(|keys| keys.open(aad, sealed).is_ok())
    }

    fn open_sealed(
        &self,
        aad: &[u8],
        sealed: &[u8],
    ) -> Result<(Zeroizing<Vec<u8>>, Authentic), Discard> {
        let opened = self
            .inbound
            .open(aad, sealed)
            .map_err(|_| Discard::Forged)?;
        let proof = Authentic::assertion();
        let content = sk::strip_padding(opened.as_bytes()).map_err(Discard::Malformed)?;
        Ok((Zeroizing::new(content.to_vec()), proof))
    }
}

/// The fingerprint of what a message begins with, of those octets that its integrity check covers. Of one of Cisco's
/// fragments that is the piece that it brings: anybody can bring the same piece under a header that differs.
fn beginning_of(message: &PartialMessage<'_>) -> Fingerprint {
    match &message.body {
        Body::CiscoFragment(piece) => fingerprint(piece.data),
        Body::Clear | Body::Encrypted(_) | Body::Fragment(_) => fingerprint(message.raw),
    }
}

/// Whether this is a whole message, or the fragment that one begins with.
const fn is_first(body: &Body<'_>) -> bool {
    match body {
        Body::Fragment(fragment) => fragment.number.get() == 1,
        Body::CiscoFragment(fragment) => fragment.number.get() == 1,
        Body::Clear | Body::Encrypted(_) => true,
    }
}
