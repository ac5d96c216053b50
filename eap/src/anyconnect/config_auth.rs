//! The `config-auth` documents as types: what each says, without how it is written
//! (docs/anyconnect-eap.md, Documents).
//!
//! [`Document::parse`] reads any of the six, [`Document::to_xml`] writes any of the six. Reading
//! tolerates unknown elements and attributes and any order; it refuses what is unbounded or not XML
//! (see [`super::DocumentError`]) and what a document cannot do without. Documents with secrets in
//! them have no `Debug`.

use alloc::{
    boxed::Box,
    string::{String, ToString as _},
    vec::Vec,
};
use core::{fmt, str::FromStr};

use zeroize::Zeroizing;

use super::document::{self, DocumentError};
use crate::Secret;

pub use super::document::Opaque;

/// Longest username in octets that is read; anything longer is an error, so that it cannot travel
/// on to logs and AAA.
pub const MAX_USERNAME: usize = 256;

/// Longest password or code in octets that is read.
pub const MAX_PASSWORD: usize = 1024;

/// The error number of an `auth-request` that follows a wrong password (docs/anyconnect-eap.md,
/// Wrong password).
pub const ERROR_LOGIN_FAILED: u32 = 15;

/// One `config-auth` document.
#[derive(PartialEq, Eq)]
pub enum Document {
    /// From the headend: the first request.
    Hello(Hello),
    /// From the client: who it is and which group it wants; again to change the group or to bring a
    /// certificate.
    Init(Init),
    /// From the headend: what it wants next.
    AuthRequest(AuthRequest),
    /// From the client: the credentials.
    AuthReply(AuthReply),
    /// From the headend: authenticated; what the client should know.
    Complete(Complete),
    /// From the client: understood.
    Ack(Ack),
}

/// The `type` attribute of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DocumentKind {
    /// `hello`
    Hello,
    /// `init`
    Init,
    /// `auth-request`
    AuthRequest,
    /// `auth-reply`
    AuthReply,
    /// `complete`
    Complete,
    /// `ack`
    Ack,
}

/// `hello`: nothing is needed in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// The headend's software version; absent when it does not tell.
    pub version: Option<String>,
}

/// `init`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Init {
    /// The client and the machine that it runs on.
    pub device: DeviceInfo,
    /// The host or URL that the user chose.
    pub group_access: Option<String>,
    /// The group that the user chose from the form's list; absent before there was a choice.
    pub group_select: Option<String>,
    /// The `auth-method`s that the client can do beyond a password, such as `multiple-cert`.
    pub capabilities: Vec<String>,
    /// An opaque saved from an earlier session.
    pub opaque: Option<Opaque>,
    /// The client has no certificate that it could use.
    pub client_cert_fail: bool,
}

/// `auth-request`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthRequest {
    /// The headend's software version.
    pub version: Option<String>,
    /// What the reply has to carry verbatim; absent beside a certificate request.
    pub opaque: Option<Opaque>,
    /// The TCP port of the HTTPS server that serves the client's files.
    pub csport: Option<u16>,
    /// Posture assessment; absent when none is wanted.
    pub host_scan: Option<HostScan>,
    /// What is asked.
    pub asks: Asks,
}

/// What an `auth-request` asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asks {
    /// `client-cert-request`: another `init` with TLVs 3 and 1.
    Certificate,
    /// `authentication-complete`: an `auth-reply` without credentials.
    Nothing,
    /// A form to fill in.
    Form(Box<Form>),
}

/// The form of an `auth-request`, with the texts around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// What kind of form it is.
    pub id: FormId,
    /// The window's title.
    pub title: Option<String>,
    /// Text above the inputs; for a challenge its prompt.
    pub message: Option<Message>,
    /// Text to be shown before anything is typed.
    pub banner: Option<String>,
    /// Why the form comes again.
    pub error: Option<Message>,
    /// The fields, in order.
    pub inputs: Vec<Input>,
    /// The groups to choose from (`group_list`); empty when there is no choice.
    pub groups: Vec<GroupOption>,
}

/// The `id` of the `auth` element around a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormId {
    /// `main`: username and password.
    Main,
    /// `challenge`: a second factor.
    Challenge,
    /// Any other.
    Other(String),
}

/// A text with up to two parameters in it, as `message` and `error` carry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The text's number; absent when it has none.
    pub id: Option<u32>,
    /// Stands for the first `%s`.
    pub param1: String,
    /// Stands for the second `%s`.
    pub param2: String,
    /// The text, in which `%s` stands for a parameter.
    pub text: String,
}

/// One field of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// What may be typed, and whether it is shown.
    pub kind: InputKind,
    /// The field's name: `username`, `password`, `answer`.
    pub name: String,
    /// What stands before the field.
    pub label: Option<String>,
}

/// The `type` of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputKind {
    /// `text`
    Text,
    /// `password`: not shown while it is typed.
    Password,
    /// Any other.
    Other(String),
}

/// One group to choose from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOption {
    /// What `group-select` carries when it is chosen: the `value` attribute, or else the text.
    pub name: String,
    /// What the user is shown.
    pub label: String,
    /// Whether it is the one whose form this is.
    pub selected: bool,
}

/// `host-scan`: where posture assessment takes place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostScan {
    /// The ticket that the scanner presents.
    pub ticket: Option<String>,
    /// The token that the reply repeats.
    pub token: Option<String>,
}

/// `auth-reply`.
#[derive(Default, PartialEq, Eq)]
pub struct AuthReply {
    /// The client and its machine.
    pub device: DeviceInfo,
    /// The request's opaque, verbatim.
    pub opaque: Option<Opaque>,
    /// Absent in the answer to a challenge, and when nothing was asked.
    pub username: Option<String>,
    /// The password, or the answer to a challenge.
    pub password: Option<Secret>,
    /// The chosen group.
    pub group_select: Option<String>,
    /// The request's host-scan token.
    pub host_scan_token: Option<String>,
}

/// `complete`.
#[derive(Default, PartialEq, Eq)]
pub struct Complete {
    /// The headend's software version.
    pub version: Option<String>,
    /// The session's number.
    pub session_id: Option<u32>,
    /// The session's token, which is also the `webvpn` cookie of the downloads that follow.
    pub session_token: Option<Secret>,
    /// Text to be shown after the login.
    pub banner: Option<String>,
    /// The hash by which the client knows the headend's certificate again. One that is not 40 hex
    /// digits reads as absent.
    pub server_cert_hash: Option<Sha1Digest>,
    /// The TCP port of the HTTPS server that serves the client's files.
    pub csport: Option<u16>,
    /// The `opaque` meant for the client itself, its modules' settings; not interpreted.
    pub client_opaque: Option<Opaque>,
    /// The XML profiles that the client must fetch. Empty: no `vpn-profile-manifest`. A file
    /// without a SHA-1 hash of 40 hex digits is passed over when reading.
    pub profiles: Vec<ProfileFile>,
}

/// `ack`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ack {
    /// The client and its machine.
    pub device: DeviceInfo,
}

/// What a client tells about itself: the same block in each of its documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceInfo {
    /// The client software's version, such as `4.10.08029`.
    pub client_version: Option<String>,
    /// The machine's name.
    pub computer_name: Option<String>,
    /// The machine's make and model.
    pub device_type: Option<String>,
    /// The operating system's version.
    pub platform_version: Option<String>,
    /// 64 hex digits that name the machine.
    pub unique_id: Option<String>,
    /// 40 hex digits that name the machine.
    pub unique_id_global: Option<String>,
    /// `win`, `mac-intel`, `linux-64`, `android`, `apple-ios`.
    pub platform: Option<String>,
    /// The interfaces' MAC addresses.
    pub mac_addresses: Vec<MacAddress>,
}

/// One `mac-address`, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MacAddress {
    /// Six pairs of hex digits between hyphens.
    pub address: String,
    /// Whether the connection goes out there.
    pub public_interface: bool,
}

/// One `file` of a `vpn-profile-manifest`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileFile {
    /// The path on the headend's HTTPS server.
    pub uri: String,
    /// `user` for a user's VPN profile, `vpn-mgmt` for the management tunnel's.
    pub service_type: String,
    /// The file's hash: a client fetches it only when its own copy's differs.
    pub sha1: Sha1Digest,
}

/// A SHA-1 value as the documents write it: 40 upper-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sha1Digest(pub [u8; 20]);

/// Why a text is no [`Sha1Digest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-1 value is written as 40 hex digits")]
pub struct NotSha1;

impl Document {
    /// Reads a TLV 0.
    ///
    /// # Errors
    ///
    /// [`DocumentError`]: the bounds first, then the XML, then what the document lacks.
    pub fn parse(octets: &[u8]) -> Result<Self, DocumentError> {
        document::parse(octets)
    }

    /// The document as TLV 0 carries it, XML declaration and final newline included. The text is
    /// wiped on drop.
    ///
    /// Characters that XML cannot express are written as U+FFFD.
    pub fn to_xml(&self) -> Zeroizing<String> {
        document::emit(self)
    }

    /// Its `type`.
    pub const fn kind(&self) -> DocumentKind {
        match self {
            Self::Hello(_) => DocumentKind::Hello,
            Self::Init(_) => DocumentKind::Init,
            Self::AuthRequest(_) => DocumentKind::AuthRequest,
            Self::AuthReply(_) => DocumentKind::AuthReply,
            Self::Complete(_) => DocumentKind::Complete,
            Self::Ack(_) => DocumentKind::Ack,
        }
    }
}

impl DocumentKind {
    const ALL: [Self; 6] = [
        Self::Hello,
        Self::Init,
        Self::AuthRequest,
        Self::AuthReply,
        Self::Complete,
        Self::Ack,
    ];

    /// The `type` attribute's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Init => "init",
            Self::AuthRequest => "auth-request",
            Self::AuthReply => "auth-reply",
            Self::Complete => "complete",
            Self::Ack => "ack",
        }
    }

    /// The kind with this `type`, if there is one.
    pub(crate) fn from_type(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl fmt::Display for DocumentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FormId {
    /// The `id` attribute's value.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Main => "main",
            Self::Challenge => "challenge",
            Self::Other(id) => id,
        }
    }
}

impl InputKind {
    /// The `type` attribute's value.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Text => "text",
            Self::Password => "password",
            Self::Other(kind) => kind,
        }
    }
}

impl Message {
    /// A text without number and parameters.
    pub fn plain(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    /// What to show: the text with each `%s` replaced by its parameter. A third `%s` stays.
    pub fn rendered(&self) -> String {
        let mut parts = self.text.splitn(3, "%s");
        let mut shown = parts.next().unwrap_or_default().to_string();
        for (parameter, part) in [&self.param1, &self.param2].into_iter().zip(parts) {
            shown.push_str(parameter);
            shown.push_str(part);
        }
        shown
    }
}

impl fmt::Display for Sha1Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02X}"))
    }
}

impl FromStr for Sha1Digest {
    type Err = NotSha1;

    /// Takes either case.
    fn from_str(text: &str) -> Result<Self, NotSha1> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let mut octets = [0; 20];
        if !rest.is_empty() || pairs.len() != octets.len() {
            return Err(NotSha1);
        }
        let digit = |character: u8| {
            char::from(character)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
                .ok_or(NotSha1)
        };
        for (octet, [high, low]) in octets.iter_mut().zip(pairs) {
            *octet = digit(*high)? << 4 | digit(*low)?;
        }
        Ok(Self(octets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_parameters_in_order() {
        let message = |text: &str| Message {
            id: Some(2),
            param1: "one".into(),
            param2: "two %s".into(),
            text: text.into(),
        };
        assert_eq!(message("%s").rendered(), "one");
        assert_eq!(message("a %s b %s c").rendered(), "a one b two %s c");
        assert_eq!(message("%s%s%s").rendered(), "onetwo %s%s");
        assert_eq!(message("100 %").rendered(), "100 %");
        assert_eq!(Message::plain("Login failed.").rendered(), "Login failed.");
    }

    #[test]
    fn hashes_are_40_hex_digits() {
        let text = "DF4918ED9173A03C31794CEAFD109419EAA1DC1E";
        let digest: Sha1Digest = text.parse().unwrap();
        assert_eq!(digest.to_string(), text);
        assert_eq!(text.to_lowercase().parse(), Ok(digest));
        assert_eq!("DF49".parse::<Sha1Digest>(), Err(NotSha1));
        assert_eq!("x".repeat(40).parse::<Sha1Digest>(), Err(NotSha1));
        assert_eq!("0".repeat(41).parse::<Sha1Digest>(), Err(NotSha1));
        assert_eq!("0".repeat(42).parse::<Sha1Digest>(), Err(NotSha1));
    }
}
