//! `crypto ikev2`.

use alloc::{collections::BTreeMap, string::String, vec::Vec};
use core::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::error::Span;

use super::{
    Located,
    ikev2_limits::Limits,
    interface::InterfaceName,
    keyring::KeyText,
    keywords,
    name::Name,
    net::{Ipv4Net, Ipv6Net},
    redirect::Redirect,
};

/// The `crypto ikev2` lines that belong to no object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Globals {
    /// `[no] crypto ikev2 http-url cert`: certificates may be named by URL; absent means as a router does without the line.
    pub http_url_cert: Option<Located<bool>>,
    /// `quick-crash-detection`: tokens by which clients learn at once that the headend has lost their session. On until a
    /// line takes it away. A line of our own: a router has none.
    pub crash_detection: bool,
    /// `fragmentation [mtu <68-1500>]`: RFC 7383 fragments, of IP datagrams of at most that many
    /// octets.
    pub fragmentation: Option<Fragmentation>,
    /// `cookie-challenge <0-1000>`: half-open SAs above which a cookie is asked for.
    pub cookie_challenge: Option<u16>,
    /// The `limit` lines.
    pub limits: Limits,
    /// The `redirect` lines.
    pub redirect: Redirect,
    /// `window <1-200>`: requests that may be outstanding.
    pub window: Option<u8>,
    /// `dpd …` for profiles that have none.
    pub dpd: Option<Dpd>,
    /// `nat keepalive <5-3600>` in seconds, for profiles that have none.
    pub nat_keepalive: Option<u16>,
}

impl Default for Globals {
    fn default() -> Self {
        Self {
            http_url_cert: None,
            crash_detection: true,
            fragmentation: None,
            cookie_challenge: None,
            limits: Limits::default(),
            redirect: Redirect::default(),
            window: None,
            dpd: None,
            nat_keepalive: None,
        }
    }
}

/// `crypto ikev2 fragmentation [mtu N]`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Fragmentation {
    /// Largest IP datagram, in octets; absent means [`DEFAULT_FRAGMENT_MTU`].
    pub mtu: Option<u16>,
}

/// Largest IP datagram of a fragment where no line says another, in octets.
pub const DEFAULT_FRAGMENT_MTU: u16 = 576;
/// Half-open SAs above which a cookie is asked for where no line says otherwise: what the headend's protocol has. A router asks for
/// none then.
pub const DEFAULT_COOKIE_CHALLENGE: u16 = 500;
/// Requests that may be outstanding where no line says otherwise.
pub const DEFAULT_WINDOW: u8 = 5;
/// Lifetime of an IKE SA, in seconds, where no line says otherwise.
pub const DEFAULT_LIFETIME: u32 = 86_400;

/// `dpd <10-3600> <2-60> {on-demand|periodic}`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Dpd {
    /// Silence, or period, in seconds.
    pub interval: u16,
    /// Seconds between tries once an answer is missing.
    pub retry: u16,
    /// When the peer is probed.
    pub mode: DpdMode,
}

keywords! {
    /// When a peer is probed.
    pub enum DpdMode {
        /// When there is something to send and nothing came.
        OnDemand = "on-demand", "Send DPD queries only as needed";
        /// Always at the interval.
        Periodic = "periodic", "Send DPD queries at regular intervals";
    }
    refused {}
}

keywords! {
    /// Encryption of an IKE SA.
    pub enum Encryption {
        /// AES-CBC with 128 bits.
        AesCbc128 = "aes-cbc-128", "AES-CBC-128";
        /// AES-CBC with 192 bits.
        AesCbc192 = "aes-cbc-192", "AES-CBC-192";
        /// AES-CBC with 256 bits.
        AesCbc256 = "aes-cbc-256", "AES-CBC-256";
        /// AES-GCM with 128 bits and an ICV of 16 octets.
        AesGcm128 = "aes-gcm-128", "Combined-mode, 128 bit key, 16 byte ICV(Authentication Tag)";
        /// AES-GCM with 256 bits and an ICV of 16 octets.
        AesGcm256 = "aes-gcm-256", "Combined-mode, 256 bit key, 16 byte ICV(Authentication Tag)";
    }
    refused {
        "3des", "3DES";
        "des", "DES";
    }
}

impl Encryption {
    /// Whether it protects integrity too, so that no integrity algorithm goes with it
    /// (RFC 7296 §3.3.2: combined-mode ciphers).
    pub const fn is_combined(self) -> bool {
        match self {
            Self::AesCbc128 | Self::AesCbc192 | Self::AesCbc256 => false,
            Self::AesGcm128 | Self::AesGcm256 => true,
        }
    }
}

keywords! {
    /// Integrity of an IKE SA.
    pub enum Integrity {
        /// HMAC-SHA-1-96.
        Sha1 = "sha1", "Secure Hash Standard";
        /// HMAC-SHA-256-128.
        Sha256 = "sha256", "Secure Hash Standard 2 (256 bit)";
        /// HMAC-SHA-384-192.
        Sha384 = "sha384", "Secure Hash Standard 2 (384 bit)";
        /// HMAC-SHA-512-256.
        Sha512 = "sha512", "Secure Hash Standard 2 (512 bit)";
    }
    refused {
        "md5", "MD5";
    }
}

keywords! {
    /// Pseudo-random function of an IKE SA.
    pub enum Prf {
        /// HMAC-SHA-1.
        Sha1 = "sha1", "Secure Hash Standard";
        /// HMAC-SHA-256.
        Sha256 = "sha256", "Secure Hash Standard 2 (256 bit)";
        /// HMAC-SHA-384.
        Sha384 = "sha384", "Secure Hash Standard 2 (384 bit)";
        /// HMAC-SHA-512.
        Sha512 = "sha512", "Secure Hash Standard 2 (512 bit)";
    }
    refused {
        "md5", "MD5";
    }
}

impl From<Integrity> for Prf {
    /// The PRF that a proposal without a `prf` line takes from its integrity.
    fn from(integrity: Integrity) -> Self {
        match integrity {
            Integrity::Sha1 => Self::Sha1,
            Integrity::Sha256 => Self::Sha256,
            Integrity::Sha384 => Self::Sha384,
            Integrity::Sha512 => Self::Sha512,
        }
    }
}

keywords! {
    /// Diffie-Hellman group of an IKE SA.
    pub enum Group {
        /// 2048-bit MODP.
        Group14 = "14", "DH 2048 MODP";
        /// 3072-bit MODP.
        Group15 = "15", "DH 3072 MODP";
        /// 4096-bit MODP.
        Group16 = "16", "DH 4096 MODP";
        /// NIST P-256.
        Group19 = "19", "DH 256 ECP";
        /// NIST P-384.
        Group20 = "20", "DH 384 ECP";
        /// NIST P-521.
        Group21 = "21", "DH 521 ECP";
        /// Curve25519; IOS-XE does not have it.
        Group31 = "31", "Curve25519";
    }
    refused {
        "1", "the 768-bit group 1";
        "2", "the 1024-bit group 2";
        "5", "the 1536-bit group 5";
        "24", "group 24";
    }
}

keywords! {
    /// Post-quantum key exchange after the first one.
    pub enum MlKem {
        /// ML-KEM-512.
        MlKem512 = "mlkem512", "ML-KEM-512";
        /// ML-KEM-768.
        MlKem768 = "mlkem768", "ML-KEM-768";
        /// ML-KEM-1024.
        MlKem1024 = "mlkem1024", "ML-KEM-1024";
    }
    refused {}
}

/// `pqc … [optional]`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Pqc {
    /// The methods, of which one takes place, in order of preference; none means no line.
    pub methods: Vec<MlKem>,
    /// Peers without it are served all the same.
    pub optional: bool,
}

/// `crypto ikev2 proposal NAME`. Every list is in order of preference.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Proposal {
    /// `encryption …`: all of them combined-mode ciphers or none.
    pub encryption: Vec<Encryption>,
    /// `integrity …`; unused with combined-mode ciphers.
    pub integrity: Vec<Integrity>,
    /// `prf …`; empty means the integrity list.
    pub prf: Vec<Prf>,
    /// `group …`.
    pub group: Vec<Group>,
    /// `pqc …`.
    pub pqc: Pqc,
}

impl Proposal {
    /// The smart default of IOS-XE 16.8 and later.
    pub fn smart_default() -> Self {
        Self {
            encryption: Vec::from([Encryption::AesCbc256]),
            integrity: Vec::from([Integrity::Sha512, Integrity::Sha384]),
            prf: Vec::from([Prf::Sha512, Prf::Sha384]),
            group: Vec::from([Group::Group19, Group::Group14, Group::Group21]),
            pqc: Pqc::default(),
        }
    }
}

/// `crypto ikev2 policy NAME`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Policy {
    /// `match fvrf any`: there is one routing table, so the line is only held.
    pub match_fvrf_any: bool,
    /// `match address local A`; empty means any.
    pub match_address_local: Vec<IpAddr>,
    /// `proposal N`, in order of preference.
    pub proposals: Vec<Located<Name>>,
}

/// `crypto ikev2 authorization policy NAME`: what a client is told and given.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AuthorizationPolicy {
    /// `pool NAME`.
    pub pool: Option<Located<Name>>,
    /// `netmask MASK`.
    pub netmask: Option<Ipv4Addr>,
    /// `dns A [B]`: primary, then secondary.
    pub dns: Vec<Ipv4Addr>,
    /// `wins A [B]`: primary, then secondary.
    pub wins: Vec<Ipv4Addr>,
    /// `def-domain NAME`.
    pub def_domain: Option<Name>,
    /// `split-dns NAME`, each line one.
    pub split_dns: Vec<Name>,
    /// `banner`: text with its line ends.
    pub banner: Option<String>,
    /// `include-local-lan`.
    pub include_local_lan: bool,
    /// `pfs`: tell the client to propose perfect forward secrecy.
    pub pfs: bool,
    /// `backup-gateway HOST`, each line one.
    pub backup_gateways: Vec<Name>,
    /// `session-lifetime <120-25920000>`, in seconds.
    pub session_lifetime: Option<u32>,
    /// `route set interface [NAME]`.
    pub route_set_interface: Option<RouteSetInterface>,
    /// `route set access-list NAME`: the split-tunnel list.
    pub route_set_access_list: Option<Located<Name>>,
    /// `route set remote ipv4 NETWORK MASK`, each line one.
    pub route_set_remote: Vec<Ipv4Net>,
    /// `route accept any …`.
    pub route_accept: Option<Located<RouteAccept>>,
    /// The `ipv6` lines, and the lines `route set … ipv6 …`.
    pub ipv6: Ipv6Authorization,
}

/// What a client is told and given of IPv6.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Ipv6Authorization {
    /// `ipv6 pool NAME`.
    pub pool: Option<Located<Name>>,
    /// `ipv6 dns A [B]`: primary, then secondary.
    pub dns: Vec<Ipv6Addr>,
    /// `ipv6 prefix <1-128>`: the prefix length that goes with the address, in bits.
    pub prefix: Option<u8>,
    /// `route set access-list ipv6 NAME`: the split-tunnel list.
    pub route_set_access_list: Option<Located<Name>>,
    /// `route set remote ipv6 NETWORK`, each line one.
    pub route_set_remote: Vec<Ipv6Net>,
}

impl AuthorizationPolicy {
    /// The smart default: `route set interface`, `route accept any`.
    pub fn smart_default() -> Self {
        Self {
            route_set_interface: Some(RouteSetInterface::Tunnel),
            route_accept: Some(Located::new(
                RouteAccept::default(),
                Span::built_in("smart default"),
            )),
            ..Self::default()
        }
    }
}

/// Most `split-dns` and `backup-gateway` lines that a policy can have.
pub const LIST_LIMIT: usize = 10;

/// Whose address is announced to the client as a route.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RouteSetInterface {
    /// The tunnel interface's own.
    Tunnel,
    /// That of another interface.
    Named(Located<InterfaceName>),
}

/// `route accept any [tag <1-497777>] [distance <1-255>]`: routes that the peer announces.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RouteAccept {
    /// Tag of the routes; absent means 1.
    pub tag: Option<u32>,
    /// Administrative distance of the routes; absent means 1.
    pub distance: Option<u8>,
}

impl RouteAccept {
    /// The same with what holds where the line does not say it.
    #[must_use]
    pub fn settled(self) -> Self {
        Self {
            tag: self.tag.or(Some(1)),
            distance: self.distance.or(Some(1)),
        }
    }
}

/// `match identity remote …`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum IdentityMatch {
    /// `any`.
    Any,
    /// `address A.B.C.D [MASK]`.
    Ipv4(Ipv4Net),
    /// `address X::X/LENGTH`.
    Ipv6(Ipv6Net),
    /// `fqdn NAME`.
    Fqdn(Name),
    /// `fqdn domain NAME`.
    FqdnDomain(Name),
    /// `email NAME`.
    Email(Name),
    /// `email domain NAME`.
    EmailDomain(Name),
    /// `key-id STRING`.
    KeyId(Name),
}

impl fmt::Display for IdentityMatch {
    /// What stands behind `match identity remote`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Ipv4(net) => write!(f, "address {} {}", net.address(), net.mask()),
            Self::Ipv6(net) => write!(f, "address {net}"),
            Self::Fqdn(name) => write!(f, "fqdn {name}"),
            Self::FqdnDomain(name) => write!(f, "fqdn domain {name}"),
            Self::Email(name) => write!(f, "email {name}"),
            Self::EmailDomain(name) => write!(f, "email domain {name}"),
            Self::KeyId(name) => write!(f, "key-id {name}"),
        }
    }
}

/// `identity local …`; where it is absent, the local tunnel address is the identity.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LocalIdentity {
    /// `address A`.
    Address(IpAddr),
    /// `dn`: the subject of the certificate.
    DistinguishedName,
    /// `email NAME`.
    Email(Name),
    /// `fqdn NAME`.
    Fqdn(Name),
    /// `key-id STRING`.
    KeyId(Name),
}

/// How the headend proves itself.
#[derive(Clone, Eq, PartialEq)]
pub enum LocalAuthentication {
    /// `rsa-sig`: by its certificate with an RSA key.
    RsaSig,
    /// `ecdsa-sig`: by its certificate with an elliptic-curve key.
    EcdsaSig,
    /// `pre-share [key KEY]`: by the key of the line, or else of the keyring.
    PreShare(Option<KeyText>),
}

/// How a client may prove itself.
#[derive(Clone, Eq, PartialEq)]
pub enum RemoteAuthentication {
    /// `anyconnect-eap aggregate [cert-request]`.
    AnyConnectEap {
        /// Whether a certificate is asked for inside the EAP conversation too.
        cert_request: bool,
    },
    /// `rsa-sig`.
    RsaSig,
    /// `ecdsa-sig`.
    EcdsaSig,
    /// `pre-share [key KEY]`: by the key of the line, or else of the keyring.
    PreShare(Option<KeyText>),
}

impl LocalAuthentication {
    /// The word of the method.
    pub const fn keyword(&self) -> &'static str {
        match self {
            Self::RsaSig => "rsa-sig",
            Self::EcdsaSig => "ecdsa-sig",
            Self::PreShare(_) => "pre-share",
        }
    }
}

impl RemoteAuthentication {
    /// The words of the method.
    pub const fn keywords(&self) -> &'static str {
        match self {
            Self::AnyConnectEap {
                cert_request: false,
            } => "anyconnect-eap aggregate",
            Self::AnyConnectEap { cert_request: true } => "anyconnect-eap aggregate cert-request",
            Self::RsaSig => "rsa-sig",
            Self::EcdsaSig => "ecdsa-sig",
            Self::PreShare(_) => "pre-share",
        }
    }
}

impl fmt::Debug for LocalAuthentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.keyword())
    }
}

impl fmt::Debug for RemoteAuthentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.keywords())
    }
}

keywords! {
    /// Which clients an `aaa authorization group` line is for.
    pub enum AuthorizationFor {
        /// Those that came by AnyConnect-EAP.
        AnyConnectEap = "anyconnect-eap", "AAA list for AnyConnect EAP authentication";
        /// Those that came by certificate.
        Cert = "cert", "AAA list for certificate authentication";
        /// Those that came by pre-shared key.
        Psk = "psk", "AAA list for pre-shared key authentication";
    }
    refused {
        "eap", "EAP other than AnyConnect-EAP";
        "override", "precedence of group over user attributes";
        "list", "group authorization without a method";
    }
}

/// `aaa authorization group METHOD list LIST POLICY`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupAuthorization {
    /// An `aaa authorization network` list.
    pub list: Located<Name>,
    /// Who is asked about: with a local list an authorization policy's name.
    pub policy: Located<Name>,
}

keywords! {
    /// What a trustpoint is used for.
    pub enum TrustpointUse {
        /// To sign as the headend.
        Sign = "sign", "Use certificates from this trustpoint for signing only";
        /// To verify clients.
        Verify = "verify", "Use certificates from this trustpoint for verification only";
    }
    refused {}
}

/// `pki trustpoint NAME [sign|verify]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TrustpointReference {
    /// The trustpoint.
    pub trustpoint: Located<Name>,
    /// What for; absent means both.
    pub purpose: Option<TrustpointUse>,
}

/// `crypto ikev2 profile NAME`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Profile {
    /// `description LINE`.
    pub description: Option<String>,
    /// `shutdown`: the profile matches nobody.
    pub shutdown: bool,
    /// `match fvrf any`: there is one routing table, so the line is only held.
    pub match_fvrf_any: bool,
    /// `match address local A`; empty means any.
    pub match_address_local: Vec<IpAddr>,
    /// `match identity remote …`, each line one.
    pub match_identity_remote: Vec<IdentityMatch>,
    /// `identity local …`.
    pub identity_local: Option<LocalIdentity>,
    /// `authentication local …`.
    pub authentication_local: Option<Located<LocalAuthentication>>,
    /// `authentication remote …`, each line one.
    pub authentication_remote: Vec<Located<RemoteAuthentication>>,
    /// `keyring local NAME`.
    pub keyring: Option<Located<Name>>,
    /// `keyring ppk NAME`.
    pub ppk_keyring: Option<Located<Name>>,
    /// `pki trustpoint …`, each line one.
    pub trustpoints: Vec<TrustpointReference>,
    /// `lifetime <120-86400>`, in seconds.
    pub lifetime: Option<u32>,
    /// `dpd …`.
    pub dpd: Option<Dpd>,
    /// `nat keepalive <5-3600>`, in seconds.
    pub nat_keepalive: Option<u16>,
    /// `redirect gateway auth`: clients are sent elsewhere once they are authenticated.
    pub redirect_gateway_auth: bool,
    /// `nat force-encap`: ESP in UDP without a NAT too.
    pub nat_force_encap: bool,
    /// `aaa authentication anyconnect-eap LIST`.
    pub aaa_authentication_anyconnect_eap: Option<Located<Name>>,
    /// `aaa authorization group …`, by method.
    pub aaa_authorization_group: BTreeMap<AuthorizationFor, GroupAuthorization>,
    /// `aaa authorization user anyconnect-eap cached`: use the attributes that the
    /// authentication brought.
    pub aaa_authorization_user_cached: bool,
    /// `virtual-template <1-4095>`.
    pub virtual_template: Option<Located<u16>>,
    /// `anyconnect profile NAME`.
    pub anyconnect_profile: Option<Located<Name>>,
}
