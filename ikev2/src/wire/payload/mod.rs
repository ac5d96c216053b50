//! The payloads, one module each (RFC 7296 §3.3 to §3.16), and the sum of them.
//!
//! A payload here is its body: the generic payload header belongs to the chain ([`super::message`]). Each owns its octets.

pub mod auth;
pub mod cert;
pub mod certreq;
pub mod cp;
pub mod delete;
pub mod eap;
pub mod id;
pub mod ke;
pub mod nonce;
pub mod notify;
pub mod redirect;
pub mod sa;
pub mod ts;
pub mod vendor;

use alloc::vec::Vec;

pub use auth::AuthPayload;
pub use cert::Certificate;
pub use certreq::CertificateRequest;
pub use cp::{ConfigAttribute, Configuration};
pub use delete::Delete;
pub use eap::EapPayload;
pub use id::{Identification, Typed};
pub use ke::KePayload;
pub use nonce::Nonce;
pub use notify::Notify;
pub use redirect::Gateway;
pub use sa::{AttributeValue, Proposal, SaPayload, Transform, TransformAttribute};
pub use ts::{AddressRange, TrafficSelector, TrafficSelectors};
pub use vendor::{KnownVendor, VendorId};

use crate::{
    error::InvalidMessage,
    wire::{
        codec::{Reader, Wire},
        registry::PayloadType,
    },
};

/// A payload whose type is not understood and whose critical bit let it pass (RFC 7296 §2.5).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UnknownPayload {
    /// Its type.
    pub kind: PayloadType,
    /// Its critical bit: never set in a received one, which would have been refused.
    pub critical: bool,
    /// Its body.
    pub data: Vec<u8>,
}

/// One payload of a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Payload {
    /// Security Association: proposals or the choice among them.
    Sa(SaPayload),
    /// Key Exchange.
    Ke(KePayload),
    /// The initiator's identity.
    IdI(Identification),
    /// The responder's identity.
    IdR(Identification),
    /// A certificate or something in its place.
    Cert(Certificate),
    /// Which certificates are wanted.
    CertReq(CertificateRequest),
    /// Authentication.
    Auth(AuthPayload),
    /// A nonce.
    Nonce(Nonce),
    /// A notify: error or status.
    Notify(Notify),
    /// SAs that are gone.
    Delete(Delete),
    /// A vendor ID.
    Vendor(VendorId),
    /// The traffic selectors of the initiator's end.
    TsI(TrafficSelectors),
    /// The traffic selectors of the responder's end.
    TsR(TrafficSelectors),
    /// Configuration: addresses and the like.
    Cp(Configuration),
    /// An EAP packet.
    Eap(EapPayload),
    /// A type that is not known here.
    Unknown(UnknownPayload),
}

impl Payload {
    /// The type number under which it stands in a chain.
    #[must_use]
    pub const fn kind(&self) -> PayloadType {
        match self {
            Self::Sa(_) => PayloadType::SA,
            Self::Ke(_) => PayloadType::KE,
            Self::IdI(_) => PayloadType::ID_I,
            Self::IdR(_) => PayloadType::ID_R,
            Self::Cert(_) => PayloadType::CERT,
            Self::CertReq(_) => PayloadType::CERTREQ,
            Self::Auth(_) => PayloadType::AUTH,
            Self::Nonce(_) => PayloadType::NONCE,
            Self::Notify(_) => PayloadType::NOTIFY,
            Self::Delete(_) => PayloadType::DELETE,
            Self::Vendor(_) => PayloadType::VENDOR,
            Self::TsI(_) => PayloadType::TS_I,
            Self::TsR(_) => PayloadType::TS_R,
            Self::Cp(_) => PayloadType::CP,
            Self::Eap(_) => PayloadType::EAP,
            Self::Unknown(unknown) => unknown.kind,
        }
    }

    /// The critical bit it is sent with: clear for every type of RFC 7296 (§3.2).
    // RFC 7296 §2.5#13, §3.2#1,4, §3.12#2: it is clear on all that is sent.
    pub(super) const fn critical(&self) -> bool {
        match self {
            Self::Unknown(unknown) => unknown.critical,
            _ => false,
        }
    }

    /// Whether payloads of this type are read: those of RFC 7296.
    pub(super) const fn is_known(kind: PayloadType) -> bool {
        kind.0 >= PayloadType::SA.0 && kind.0 <= PayloadType::EAP.0
    }

    /// Reads the body of a payload of type `kind`, which must fill the reader.
    pub(super) fn read_body(
        kind: PayloadType,
        critical: bool,
        mut body: Reader<'_>,
    ) -> Result<Self, InvalidMessage> {
        let reader = &mut body;
        // RFC 7296 §3.2#5: every type of this RFC is read.
        let payload = match kind {
            PayloadType::SA => SaPayload::read(reader).map(Self::Sa),
            PayloadType::KE => KePayload::read(reader).map(Self::Ke),
            PayloadType::ID_I => Identification::read(reader).map(Self::IdI),
            PayloadType::ID_R => Identification::read(reader).map(Self::IdR),
            PayloadType::CERT => Certificate::read(reader).map(Self::Cert),
            PayloadType::CERTREQ => CertificateRequest::read(reader).map(Self::CertReq),
            PayloadType::AUTH => AuthPayload::read(reader).map(Self::Auth),
            PayloadType::NONCE => Nonce::read(reader).map(Self::Nonce),
            PayloadType::NOTIFY => Notify::read(reader).map(Self::Notify),
            PayloadType::DELETE => Delete::read(reader).map(Self::Delete),
            PayloadType::VENDOR => VendorId::read(reader).map(Self::Vendor),
            PayloadType::TS_I => TrafficSelectors::read(reader).map(Self::TsI),
            PayloadType::TS_R => TrafficSelectors::read(reader).map(Self::TsR),
            PayloadType::CP => Configuration::read(reader).map(Self::Cp),
            PayloadType::EAP => EapPayload::read(reader).map(Self::Eap),
            // RFC 7296 §3.1#2: the chain ends with these, so they are never a payload among others.
            PayloadType::SK | PayloadType::SKF | PayloadType::CISCO_FRAGMENT => {
                return Err(InvalidMessage::MisplacedPayload(kind));
            }
            // RFC 7296 §2.5#9-10,12, §3.2#3, §4#2-3: an unknown payload with its critical bit set is refused by its type number, one without it
            // is passed over. The bit of a known payload means nothing.
            _ if critical => return Err(InvalidMessage::UnsupportedCriticalPayload(kind)),
            _ => Ok(Self::Unknown(UnknownPayload {
                kind,
                critical,
                data: reader.rest().to_vec(),
            })),
        }?;
        body.finish("payload")?;
        Ok(payload)
    }

    /// Appends the body.
    pub(super) fn write_body(&self, out: &mut Vec<u8>) {
        match self {
            Self::Sa(payload) => payload.write(out),
            Self::Ke(payload) => payload.write(out),
            Self::IdI(payload) | Self::IdR(payload) => payload.write(out),
            Self::Cert(payload) => payload.write(out),
            Self::CertReq(payload) => payload.write(out),
            Self::Auth(payload) => payload.write(out),
            Self::Nonce(payload) => payload.write(out),
            Self::Notify(payload) => payload.write(out),
            Self::Delete(payload) => payload.write(out),
            Self::Vendor(payload) => payload.write(out),
            Self::TsI(payload) | Self::TsR(payload) => payload.write(out),
            Self::Cp(payload) => payload.write(out),
            Self::Eap(payload) => payload.write(out),
            Self::Unknown(payload) => out.extend_from_slice(&payload.data),
        }
    }
}
