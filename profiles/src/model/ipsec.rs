//! `crypto ipsec`.

use alloc::{string::String, vec::Vec};

use super::{
    Located,
    ikev2::{Group, MlKem},
    keywords,
    name::Name,
};

/// `crypto ipsec security-association …`, for profiles that say nothing else.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Globals {
    /// Defaults for every profile.
    pub security_association: SecurityAssociation,
}

/// What `security-association` lines set, globally or in a profile. Absent means: the next wider
/// setting, and in the end [`DEFAULT_LIFETIME_SECONDS`], [`DEFAULT_LIFETIME_KILOBYTES`] and
/// [`DEFAULT_REPLAY_WINDOW`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SecurityAssociation {
    /// `lifetime seconds <120-2592000>` (`<120-86400>` globally).
    pub lifetime_seconds: Option<u32>,
    /// `lifetime kilobytes {<2560-4294967295>|disable}`.
    pub lifetime_kilobytes: Option<VolumeLimit>,
    /// `replay {window-size N|disable}`.
    pub replay: Option<Replay>,
    /// `idle-time <60-86400>`, in seconds; absent means that nobody is ended for silence.
    pub idle_time: Option<u32>,
}

/// Lifetime of an IPsec SA, in seconds, where no line sets one.
pub const DEFAULT_LIFETIME_SECONDS: u32 = 3600;
/// Volume of an IPsec SA, in kilobytes, where no line sets one.
pub const DEFAULT_LIFETIME_KILOBYTES: u32 = 4_608_000;
/// Replay window, in packets, where no line sets one.
pub const DEFAULT_REPLAY_WINDOW: u16 = 64;

/// How much traffic an SA may carry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum VolumeLimit {
    /// In kilobytes.
    Kilobytes(u32),
    /// `disable`: any amount.
    Unlimited,
}

/// How replayed packets are told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Replay {
    /// By a window of that many packets.
    Window(ReplayWindow),
    /// `disable`: not at all.
    Disabled,
}

keywords! {
    /// Sizes that a replay window can have.
    pub enum ReplayWindow {
        /// 64 packets.
        Packets64 = "64", "Window size of 64 (default)";
        /// 128 packets.
        Packets128 = "128", "Window size of 128";
        /// 256 packets.
        Packets256 = "256", "Window size of 256";
        /// 512 packets.
        Packets512 = "512", "Window size of 512";
        /// 1024 packets.
        Packets1024 = "1024", "Window size of 1024";
    }
    refused {}
}

impl ReplayWindow {
    /// The size in packets.
    pub const fn packets(self) -> u16 {
        match self {
            Self::Packets64 => 64,
            Self::Packets128 => 128,
            Self::Packets256 => 256,
            Self::Packets512 => 512,
            Self::Packets1024 => 1024,
        }
    }
}

/// `crypto ipsec transform-set NAME ENCRYPTION [INTEGRITY] [esn]`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TransformSet {
    /// What the ESP packets are protected with.
    pub transform: EspTransform,
    /// `esn`: sequence numbers have 64 bits (RFC 4303 §2.2.1), and a peer must agree to that.
    pub esn: bool,
    /// `mode …`; tunnel unless written otherwise.
    pub mode: Mode,
}

impl TransformSet {
    /// The smart default of IOS-XE: AES-CBC-128 with SHA-1, in transport mode.
    pub const SMART_DEFAULT: Self = Self {
        transform: EspTransform::Cbc(AesKey::Bits128, EspIntegrity::Sha1),
        esn: false,
        mode: Mode::Transport,
    };
}

/// The algorithms of an ESP SA: encryption is never without integrity (RFC 4303 §1 advises against
/// the opposite, IOS-XE allows it, this headend does not).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum EspTransform {
    /// `esp-aes N esp-…-hmac`.
    Cbc(AesKey, EspIntegrity),
    /// `esp-gcm N`: RFC 4106 with an ICV of 16 octets.
    Gcm(GcmKey),
}

keywords! {
    /// Key length of `esp-aes`.
    pub enum AesKey {
        /// 128 bits; the length where none is written.
        Bits128 = "128", "128 bit keys";
        /// 192 bits.
        Bits192 = "192", "192 bit keys";
        /// 256 bits.
        Bits256 = "256", "256 bit keys";
    }
    refused {}
}

keywords! {
    /// Key length of `esp-gcm`.
    pub enum GcmKey {
        /// 128 bits; the length where none is written.
        Bits128 = "128", "128 bit keys";
        /// 256 bits.
        Bits256 = "256", "256 bit keys";
    }
    refused {
        "192", "AES-GCM with keys of 192 bits";
    }
}

keywords! {
    /// Integrity of `esp-aes`.
    pub enum EspIntegrity {
        /// HMAC-SHA-1-96.
        Sha1 = "esp-sha-hmac", "ESP transform using HMAC-SHA auth";
        /// HMAC-SHA-256-128.
        Sha256 = "esp-sha256-hmac", "ESP transform using HMAC-SHA256 auth";
        /// HMAC-SHA-384-192.
        Sha384 = "esp-sha384-hmac", "ESP transform using HMAC-SHA384 auth";
        /// HMAC-SHA-512-256.
        Sha512 = "esp-sha512-hmac", "ESP transform using HMAC-SHA512 auth";
    }
    refused {
        "esp-md5-hmac", "MD5";
        "ah-sha-hmac", "AH";
        "ah-sha256-hmac", "AH";
        "ah-sha384-hmac", "AH";
        "ah-sha512-hmac", "AH";
        "ah-md5-hmac", "AH";
        "comp-lzs", "IP compression";
    }
}

keywords! {
    /// Key exchange of `set pfs`.
    pub enum PfsGroup {
        /// 2048-bit MODP; the group where none is written.
        Group14 = "group14", "D-H Group14 (2048-bit modp)";
        /// 3072-bit MODP.
        Group15 = "group15", "D-H Group15 (3072-bit modp)";
        /// 4096-bit MODP.
        Group16 = "group16", "D-H Group16 (4096-bit modp)";
        /// NIST P-256.
        Group19 = "group19", "D-H Group19 (256-bit ecp)";
        /// NIST P-384.
        Group20 = "group20", "D-H Group20 (384-bit ecp)";
        /// NIST P-521.
        Group21 = "group21", "D-H Group21 (521-bit ecp)";
        /// Curve25519; IOS-XE does not have it.
        Group31 = "group31", "Curve25519";
    }
    refused {
        "group1", "the 768-bit group 1";
        "group2", "the 1024-bit group 2";
        "group5", "the 1536-bit group 5";
        "group24", "group 24";
    }
}

impl PfsGroup {
    /// The group of a `set pfs` without one.
    pub const DEFAULT: Self = Self::Group14;

    /// The same among the groups of IKE SAs.
    pub const fn group(self) -> Group {
        match self {
            Self::Group14 => Group::Group14,
            Self::Group15 => Group::Group15,
            Self::Group16 => Group::Group16,
            Self::Group19 => Group::Group19,
            Self::Group20 => Group::Group20,
            Self::Group21 => Group::Group21,
            Self::Group31 => Group::Group31,
        }
    }
}

keywords! {
    /// Encapsulation mode of a transform set.
    pub enum Mode {
        /// The whole packet goes inside.
        Tunnel = "tunnel", "tunnel (datagram encapsulation) mode";
        /// Only its payload does.
        Transport = "transport", "transport (payload encapsulation) mode";
    }
    refused {}
}

/// `crypto ipsec profile NAME`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct IpsecProfile {
    /// `description LINE`.
    pub description: Option<String>,
    /// `set transform-set N [N2 …]`, in order of preference; absent means the smart default.
    pub transform_sets: Vec<Located<Name>>,
    /// `set ikev2-profile N`.
    pub ikev2_profile: Option<Located<Name>>,
    /// `set security-association …`.
    pub security_association: SecurityAssociation,
    /// `set pfs [GROUP]`: rekeyed SAs have a key exchange of their own.
    pub pfs: Option<PfsGroup>,
    /// `set pfs … pqc METHOD`: and another one after that.
    pub pfs_pqc: Option<MlKem>,
    /// `responder-only`: this headend never begins an IPsec SA, so the line is only held.
    pub responder_only: bool,
}
