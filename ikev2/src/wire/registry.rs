//! Every registry number that IKEv2 messages carry (RFC 7296 and the "IKEv2 Parameters" registry of IANA).
//!
//! Each registry is a newtype over its number with one constant per assigned value, so a number that is not known here
//! survives being read and written again. `Display` prints the registered name, or the bare number where there is none;
//! `Debug` prints both. Private numbers of Cisco's are marked as such.

use alloc::vec::Vec;
use core::fmt;

use crate::{
    error::InvalidMessage,
    wire::codec::{Reader, Wire},
};

macro_rules! registry {
    (
        $(#[$meta:meta])*
        $registry:ident($int:ident) {
            $($name:ident = $number:literal $text:literal,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $registry(pub $int);

        impl $registry {
            $(
                #[doc = concat!($text, ", ", stringify!($number), ".")]
                pub const $name: Self = Self($number);
            )+

            /// The registered name, `None` for a number that is not known here.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($text),)+
                    _ => None,
                }
            }
        }

        impl fmt::Display for $registry {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.name() {
                    Some(name) => f.pad(name),
                    None => self.0.fmt(f),
                }
            }
        }

        impl fmt::Debug for $registry {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.name() {
                    Some(name) => write!(f, "{name}({})", self.0),
                    None => write!(f, concat!(stringify!($registry), "({})"), self.0),
                }
            }
        }

        impl From<$int> for $registry {
            fn from(number: $int) -> Self {
                Self(number)
            }
        }

        impl From<$registry> for $int {
            fn from(value: $registry) -> Self {
                value.0
            }
        }

        impl Wire for $registry {
            fn read(reader: &mut Reader<'_>) -> Result<Self, InvalidMessage> {
                reader.$int(stringify!($registry)).map(Self)
            }

            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.0.to_be_bytes());
            }
        }
    };
}

registry! {
    /// The type of a payload (RFC 7296 §3.2). Displayed in the notation of that section.
    PayloadType(u8) {
        NONE = 0 "NONE",
        SA = 33 "SA",
        KE = 34 "KE",
        ID_I = 35 "IDi",
        ID_R = 36 "IDr",
        CERT = 37 "CERT",
        CERTREQ = 38 "CERTREQ",
        AUTH = 39 "AUTH",
        NONCE = 40 "NONCE",
        NOTIFY = 41 "NOTIFY",
        DELETE = 42 "DELETE",
        VENDOR = 43 "VID",
        TS_I = 44 "TSi",
        TS_R = 45 "TSr",
        SK = 46 "SK",
        CP = 47 "CP",
        EAP = 48 "EAP",
        GSPM = 49 "GSPM",
        IDG = 50 "IDg",
        GSA = 51 "GSA",
        KD = 52 "KD",
        SKF = 53 "SKF",
        PS = 54 "PS",
        CISCO_FRAGMENT = 132 "CISCO-FRAGMENT",
    }
}

registry! {
    /// The exchange that a message belongs to (RFC 7296 §3.1, RFC 5723, RFC 9242).
    ExchangeType(u8) {
        IKE_SA_INIT = 34 "IKE_SA_INIT",
        IKE_AUTH = 35 "IKE_AUTH",
        CREATE_CHILD_SA = 36 "CREATE_CHILD_SA",
        INFORMATIONAL = 37 "INFORMATIONAL",
        IKE_SESSION_RESUME = 38 "IKE_SESSION_RESUME",
        GSA_AUTH = 39 "GSA_AUTH",
        GSA_REGISTRATION = 40 "GSA_REGISTRATION",
        GSA_REKEY = 41 "GSA_REKEY",
        IKE_INTERMEDIATE = 43 "IKE_INTERMEDIATE",
        IKE_FOLLOWUP_KE = 44 "IKE_FOLLOWUP_KE",
    }
}

registry! {
    /// The protocol that a proposal, an SPI or a Delete is about (RFC 7296 §3.3.1).
    ProtocolId(u8) {
        NONE = 0 "NONE",
        IKE = 1 "IKE",
        AH = 2 "AH",
        ESP = 3 "ESP",
        FC_ESP_HEADER = 4 "FC_ESP_HEADER",
        FC_CT_AUTHENTICATION = 5 "FC_CT_AUTHENTICATION",
    }
}

registry! {
    /// What a transform chooses (RFC 7296 §3.3.2, RFC 9370).
    TransformType(u8) {
        ENCR = 1 "ENCR",
        PRF = 2 "PRF",
        INTEG = 3 "INTEG",
        KE = 4 "KE",
        ESN = 5 "ESN",
        ADDKE1 = 6 "ADDKE1",
        ADDKE2 = 7 "ADDKE2",
        ADDKE3 = 8 "ADDKE3",
        ADDKE4 = 9 "ADDKE4",
        ADDKE5 = 10 "ADDKE5",
        ADDKE6 = 11 "ADDKE6",
        ADDKE7 = 12 "ADDKE7",
    }
}

registry! {
    /// Transform type 1, encryption algorithms. AEADs bring their integrity with them (RFC 5282).
    EncryptionId(u16) {
        ENCR_DES_IV64 = 1 "ENCR_DES_IV64",
        ENCR_DES = 2 "ENCR_DES",
        ENCR_3DES = 3 "ENCR_3DES",
        ENCR_RC5 = 4 "ENCR_RC5",
        ENCR_IDEA = 5 "ENCR_IDEA",
        ENCR_CAST = 6 "ENCR_CAST",
        ENCR_BLOWFISH = 7 "ENCR_BLOWFISH",
        ENCR_3IDEA = 8 "ENCR_3IDEA",
        ENCR_DES_IV32 = 9 "ENCR_DES_IV32",
        ENCR_NULL = 11 "ENCR_NULL",
        ENCR_AES_CBC = 12 "ENCR_AES_CBC",
        ENCR_AES_CTR = 13 "ENCR_AES_CTR",
        ENCR_AES_CCM_8 = 14 "ENCR_AES_CCM_8",
        ENCR_AES_CCM_12 = 15 "ENCR_AES_CCM_12",
        ENCR_AES_CCM_16 = 16 "ENCR_AES_CCM_16",
        ENCR_AES_GCM_8 = 18 "ENCR_AES_GCM_8",
        ENCR_AES_GCM_12 = 19 "ENCR_AES_GCM_12",
        ENCR_AES_GCM_16 = 20 "ENCR_AES_GCM_16",
        ENCR_NULL_AUTH_AES_GMAC = 21 "ENCR_NULL_AUTH_AES_GMAC",
        ENCR_CAMELLIA_CBC = 23 "ENCR_CAMELLIA_CBC",
        ENCR_CAMELLIA_CTR = 24 "ENCR_CAMELLIA_CTR",
        ENCR_CAMELLIA_CCM_8 = 25 "ENCR_CAMELLIA_CCM_8",
        ENCR_CAMELLIA_CCM_12 = 26 "ENCR_CAMELLIA_CCM_12",
        ENCR_CAMELLIA_CCM_16 = 27 "ENCR_CAMELLIA_CCM_16",
        ENCR_CHACHA20_POLY1305 = 28 "ENCR_CHACHA20_POLY1305",
        ENCR_AES_CCM_8_IIV = 29 "ENCR_AES_CCM_8_IIV",
        ENCR_AES_GCM_16_IIV = 30 "ENCR_AES_GCM_16_IIV",
        ENCR_CHACHA20_POLY1305_IIV = 31 "ENCR_CHACHA20_POLY1305_IIV",
    }
}

registry! {
    /// Transform type 2, pseudorandom functions.
    PrfId(u16) {
        PRF_HMAC_MD5 = 1 "PRF_HMAC_MD5",
        PRF_HMAC_SHA1 = 2 "PRF_HMAC_SHA1",
        PRF_HMAC_TIGER = 3 "PRF_HMAC_TIGER",
        PRF_AES128_XCBC = 4 "PRF_AES128_XCBC",
        PRF_HMAC_SHA2_256 = 5 "PRF_HMAC_SHA2_256",
        PRF_HMAC_SHA2_384 = 6 "PRF_HMAC_SHA2_384",
        PRF_HMAC_SHA2_512 = 7 "PRF_HMAC_SHA2_512",
        PRF_AES128_CMAC = 8 "PRF_AES128_CMAC",
    }
}

registry! {
    /// Transform type 3, integrity algorithms; the trailing number is the length of the ICV in bits.
    IntegrityId(u16) {
        NONE = 0 "NONE",
        AUTH_HMAC_MD5_96 = 1 "AUTH_HMAC_MD5_96",
        AUTH_HMAC_SHA1_96 = 2 "AUTH_HMAC_SHA1_96",
        AUTH_DES_MAC = 3 "AUTH_DES_MAC",
        AUTH_KPDK_MD5 = 4 "AUTH_KPDK_MD5",
        AUTH_AES_XCBC_96 = 5 "AUTH_AES_XCBC_96",
        AUTH_HMAC_MD5_128 = 6 "AUTH_HMAC_MD5_128",
        AUTH_HMAC_SHA1_160 = 7 "AUTH_HMAC_SHA1_160",
        AUTH_AES_CMAC_96 = 8 "AUTH_AES_CMAC_96",
        AUTH_AES_128_GMAC = 9 "AUTH_AES_128_GMAC",
        AUTH_AES_192_GMAC = 10 "AUTH_AES_192_GMAC",
        AUTH_AES_256_GMAC = 11 "AUTH_AES_256_GMAC",
        AUTH_HMAC_SHA2_256_128 = 12 "AUTH_HMAC_SHA2_256_128",
        AUTH_HMAC_SHA2_384_192 = 13 "AUTH_HMAC_SHA2_384_192",
        AUTH_HMAC_SHA2_512_256 = 14 "AUTH_HMAC_SHA2_512_256",
    }
}

registry! {
    /// Transform type 4, key exchange methods: Diffie-Hellman groups and KEMs (RFC 7296 §3.3.2, RFC 5903, RFC 8031, RFC
    /// 9370).
    GroupId(u16) {
        NONE = 0 "NONE",
        MODP_768 = 1 "768-bit MODP Group",
        MODP_1024 = 2 "1024-bit MODP Group",
        MODP_1536 = 5 "1536-bit MODP Group",
        MODP_2048 = 14 "2048-bit MODP Group",
        MODP_3072 = 15 "3072-bit MODP Group",
        MODP_4096 = 16 "4096-bit MODP Group",
        MODP_6144 = 17 "6144-bit MODP Group",
        MODP_8192 = 18 "8192-bit MODP Group",
        ECP_256 = 19 "256-bit random ECP group",
        ECP_384 = 20 "384-bit random ECP group",
        ECP_521 = 21 "521-bit random ECP group",
        MODP_1024_160 = 22 "1024-bit MODP Group with 160-bit Prime Order Subgroup",
        MODP_2048_224 = 23 "2048-bit MODP Group with 224-bit Prime Order Subgroup",
        MODP_2048_256 = 24 "2048-bit MODP Group with 256-bit Prime Order Subgroup",
        ECP_192 = 25 "192-bit Random ECP Group",
        ECP_224 = 26 "224-bit Random ECP Group",
        BRAINPOOL_P224R1 = 27 "brainpoolP224r1",
        BRAINPOOL_P256R1 = 28 "brainpoolP256r1",
        BRAINPOOL_P384R1 = 29 "brainpoolP384r1",
        BRAINPOOL_P512R1 = 30 "brainpoolP512r1",
        CURVE25519 = 31 "Curve25519",
        CURVE448 = 32 "Curve448",
        GOST3410_2012_256 = 33 "GOST3410_2012_256",
        GOST3410_2012_512 = 34 "GOST3410_2012_512",
        ML_KEM_512 = 35 "ml-kem-512",
        ML_KEM_768 = 36 "ml-kem-768",
        ML_KEM_1024 = 37 "ml-kem-1024",
    }
}

registry! {
    /// Transform type 5, whether ESP and AH count in 64 bits.
    EsnId(u16) {
        NO_ESN = 0 "NO_ESN",
        ESN = 1 "ESN",
    }
}

registry! {
    /// The form of an identity (RFC 7296 §3.5, RFC 7619). 201 is a private number under which Cisco clients send their
    /// group name (docs/anyconnect-eap.md).
    IdType(u8) {
        ID_IPV4_ADDR = 1 "ID_IPV4_ADDR",
        ID_FQDN = 2 "ID_FQDN",
        ID_RFC822_ADDR = 3 "ID_RFC822_ADDR",
        ID_IPV6_ADDR = 5 "ID_IPV6_ADDR",
        ID_DER_ASN1_DN = 9 "ID_DER_ASN1_DN",
        ID_DER_ASN1_GN = 10 "ID_DER_ASN1_GN",
        ID_KEY_ID = 11 "ID_KEY_ID",
        ID_FC_NAME = 12 "ID_FC_NAME",
        ID_NULL = 13 "ID_NULL",
        CISCO_GROUP_NAME = 201 "CISCO_GROUP_NAME",
    }
}

registry! {
    /// What a CERT payload holds and a CERTREQ asks for (RFC 7296 §3.6, RFC 7670).
    CertEncoding(u8) {
        PKCS7_WRAPPED_X509 = 1 "PKCS7_WRAPPED_X509",
        PGP = 2 "PGP",
        DNS_SIGNED_KEY = 3 "DNS_SIGNED_KEY",
        X509_SIGNATURE = 4 "X509_SIGNATURE",
        KERBEROS_TOKEN = 6 "KERBEROS_TOKEN",
        CRL = 7 "CRL",
        ARL = 8 "ARL",
        SPKI = 9 "SPKI",
        X509_ATTRIBUTE = 10 "X509_ATTRIBUTE",
        RAW_RSA_KEY = 11 "RAW_RSA_KEY",
        HASH_AND_URL_X509 = 12 "HASH_AND_URL_X509",
        HASH_AND_URL_BUNDLE = 13 "HASH_AND_URL_BUNDLE",
        OCSP_CONTENT = 14 "OCSP_CONTENT",
        RAW_PUBLIC_KEY = 15 "RAW_PUBLIC_KEY",
    }
}

registry! {
    /// How an AUTH payload was made (RFC 7296 §3.8, RFC 4754, RFC 7427, RFC 7619).
    AuthMethod(u8) {
        RSA_DIGITAL_SIGNATURE = 1 "RSA_DIGITAL_SIGNATURE",
        SHARED_KEY_MIC = 2 "SHARED_KEY_MIC",
        DSS_DIGITAL_SIGNATURE = 3 "DSS_DIGITAL_SIGNATURE",
        ECDSA_256 = 9 "ECDSA_256",
        ECDSA_384 = 10 "ECDSA_384",
        ECDSA_521 = 11 "ECDSA_521",
        GENERIC_SECURE_PASSWORD = 12 "GENERIC_SECURE_PASSWORD",
        NULL = 13 "NULL",
        DIGITAL_SIGNATURE = 14 "DIGITAL_SIGNATURE",
    }
}

registry! {
    /// What a Notify payload says (RFC 7296 §3.10.1 and the RFCs that add to it). Below 16384 it is an error, above a
    /// status; 8192–16383 and 40960–65535 are private.
    NotifyType(u16) {
        UNSUPPORTED_CRITICAL_PAYLOAD = 1 "UNSUPPORTED_CRITICAL_PAYLOAD",
        INVALID_IKE_SPI = 4 "INVALID_IKE_SPI",
        INVALID_MAJOR_VERSION = 5 "INVALID_MAJOR_VERSION",
        INVALID_SYNTAX = 7 "INVALID_SYNTAX",
        INVALID_MESSAGE_ID = 9 "INVALID_MESSAGE_ID",
        INVALID_SPI = 11 "INVALID_SPI",
        NO_PROPOSAL_CHOSEN = 14 "NO_PROPOSAL_CHOSEN",
        INVALID_KE_PAYLOAD = 17 "INVALID_KE_PAYLOAD",
        AUTHENTICATION_FAILED = 24 "AUTHENTICATION_FAILED",
        SINGLE_PAIR_REQUIRED = 34 "SINGLE_PAIR_REQUIRED",
        NO_ADDITIONAL_SAS = 35 "NO_ADDITIONAL_SAS",
        INTERNAL_ADDRESS_FAILURE = 36 "INTERNAL_ADDRESS_FAILURE",
        FAILED_CP_REQUIRED = 37 "FAILED_CP_REQUIRED",
        TS_UNACCEPTABLE = 38 "TS_UNACCEPTABLE",
        INVALID_SELECTORS = 39 "INVALID_SELECTORS",
        UNACCEPTABLE_ADDRESSES = 40 "UNACCEPTABLE_ADDRESSES",
        UNEXPECTED_NAT_DETECTED = 41 "UNEXPECTED_NAT_DETECTED",
        USE_ASSIGNED_HOA = 42 "USE_ASSIGNED_HoA",
        TEMPORARY_FAILURE = 43 "TEMPORARY_FAILURE",
        CHILD_SA_NOT_FOUND = 44 "CHILD_SA_NOT_FOUND",
        INVALID_GROUP_ID = 45 "INVALID_GROUP_ID",
        AUTHORIZATION_FAILED = 46 "AUTHORIZATION_FAILED",
        STATE_NOT_FOUND = 47 "STATE_NOT_FOUND",
        INITIAL_CONTACT = 16384 "INITIAL_CONTACT",
        SET_WINDOW_SIZE = 16385 "SET_WINDOW_SIZE",
        ADDITIONAL_TS_POSSIBLE = 16386 "ADDITIONAL_TS_POSSIBLE",
        IPCOMP_SUPPORTED = 16387 "IPCOMP_SUPPORTED",
        NAT_DETECTION_SOURCE_IP = 16388 "NAT_DETECTION_SOURCE_IP",
        NAT_DETECTION_DESTINATION_IP = 16389 "NAT_DETECTION_DESTINATION_IP",
        COOKIE = 16390 "COOKIE",
        USE_TRANSPORT_MODE = 16391 "USE_TRANSPORT_MODE",
        HTTP_CERT_LOOKUP_SUPPORTED = 16392 "HTTP_CERT_LOOKUP_SUPPORTED",
        REKEY_SA = 16393 "REKEY_SA",
        ESP_TFC_PADDING_NOT_SUPPORTED = 16394 "ESP_TFC_PADDING_NOT_SUPPORTED",
        NON_FIRST_FRAGMENTS_ALSO = 16395 "NON_FIRST_FRAGMENTS_ALSO",
        MOBIKE_SUPPORTED = 16396 "MOBIKE_SUPPORTED",
        ADDITIONAL_IP4_ADDRESS = 16397 "ADDITIONAL_IP4_ADDRESS",
        ADDITIONAL_IP6_ADDRESS = 16398 "ADDITIONAL_IP6_ADDRESS",
        NO_ADDITIONAL_ADDRESSES = 16399 "NO_ADDITIONAL_ADDRESSES",
        UPDATE_SA_ADDRESSES = 16400 "UPDATE_SA_ADDRESSES",
        COOKIE2 = 16401 "COOKIE2",
        NO_NATS_ALLOWED = 16402 "NO_NATS_ALLOWED",
        AUTH_LIFETIME = 16403 "AUTH_LIFETIME",
        MULTIPLE_AUTH_SUPPORTED = 16404 "MULTIPLE_AUTH_SUPPORTED",
        ANOTHER_AUTH_FOLLOWS = 16405 "ANOTHER_AUTH_FOLLOWS",
        REDIRECT_SUPPORTED = 16406 "REDIRECT_SUPPORTED",
        REDIRECT = 16407 "REDIRECT",
        REDIRECTED_FROM = 16408 "REDIRECTED_FROM",
        TICKET_LT_OPAQUE = 16409 "TICKET_LT_OPAQUE",
        TICKET_REQUEST = 16410 "TICKET_REQUEST",
        TICKET_ACK = 16411 "TICKET_ACK",
        TICKET_NACK = 16412 "TICKET_NACK",
        TICKET_OPAQUE = 16413 "TICKET_OPAQUE",
        LINK_ID = 16414 "LINK_ID",
        USE_WESP_MODE = 16415 "USE_WESP_MODE",
        ROHC_SUPPORTED = 16416 "ROHC_SUPPORTED",
        EAP_ONLY_AUTHENTICATION = 16417 "EAP_ONLY_AUTHENTICATION",
        CHILDLESS_IKEV2_SUPPORTED = 16418 "CHILDLESS_IKEV2_SUPPORTED",
        QUICK_CRASH_DETECTION = 16419 "QUICK_CRASH_DETECTION",
        IKEV2_MESSAGE_ID_SYNC_SUPPORTED = 16420 "IKEV2_MESSAGE_ID_SYNC_SUPPORTED",
        IPSEC_REPLAY_COUNTER_SYNC_SUPPORTED = 16421 "IPSEC_REPLAY_COUNTER_SYNC_SUPPORTED",
        IKEV2_MESSAGE_ID_SYNC = 16422 "IKEV2_MESSAGE_ID_SYNC",
        IPSEC_REPLAY_COUNTER_SYNC = 16423 "IPSEC_REPLAY_COUNTER_SYNC",
        SECURE_PASSWORD_METHODS = 16424 "SECURE_PASSWORD_METHODS",
        PSK_PERSIST = 16425 "PSK_PERSIST",
        PSK_CONFIRM = 16426 "PSK_CONFIRM",
        ERX_SUPPORTED = 16427 "ERX_SUPPORTED",
        IFOM_CAPABILITY = 16428 "IFOM_CAPABILITY",
        SENDER_REQUEST_ID = 16429 "SENDER_REQUEST_ID",
        IKEV2_FRAGMENTATION_SUPPORTED = 16430 "IKEV2_FRAGMENTATION_SUPPORTED",
        SIGNATURE_HASH_ALGORITHMS = 16431 "SIGNATURE_HASH_ALGORITHMS",
        CLONE_IKE_SA_SUPPORTED = 16432 "CLONE_IKE_SA_SUPPORTED",
        CLONE_IKE_SA = 16433 "CLONE_IKE_SA",
        PUZZLE = 16434 "PUZZLE",
        USE_PPK = 16435 "USE_PPK",
        PPK_IDENTITY = 16436 "PPK_IDENTITY",
        NO_PPK_AUTH = 16437 "NO_PPK_AUTH",
        INTERMEDIATE_EXCHANGE_SUPPORTED = 16438 "INTERMEDIATE_EXCHANGE_SUPPORTED",
        IP4_ALLOWED = 16439 "IP4_ALLOWED",
        IP6_ALLOWED = 16440 "IP6_ALLOWED",
        ADDITIONAL_KEY_EXCHANGE = 16441 "ADDITIONAL_KEY_EXCHANGE",
    }
}

registry! {
    /// What a Configuration payload does (RFC 7296 §3.15).
    ConfigType(u8) {
        CFG_REQUEST = 1 "CFG_REQUEST",
        CFG_REPLY = 2 "CFG_REPLY",
        CFG_SET = 3 "CFG_SET",
        CFG_ACK = 4 "CFG_ACK",
    }
}

registry! {
    /// An attribute of a Configuration payload: fifteen bits (RFC 7296 §3.15.1, RFC 5739, RFC 8598, RFC 9464). The
    /// UNITY_ numbers are Cisco's and private (docs/anyconnect-eap.md).
    ConfigAttributeType(u16) {
        INTERNAL_IP4_ADDRESS = 1 "INTERNAL_IP4_ADDRESS",
        INTERNAL_IP4_NETMASK = 2 "INTERNAL_IP4_NETMASK",
        INTERNAL_IP4_DNS = 3 "INTERNAL_IP4_DNS",
        INTERNAL_IP4_NBNS = 4 "INTERNAL_IP4_NBNS",
        INTERNAL_ADDRESS_EXPIRY = 5 "INTERNAL_ADDRESS_EXPIRY",
        INTERNAL_IP4_DHCP = 6 "INTERNAL_IP4_DHCP",
        APPLICATION_VERSION = 7 "APPLICATION_VERSION",
        INTERNAL_IP6_ADDRESS = 8 "INTERNAL_IP6_ADDRESS",
        INTERNAL_IP6_DNS = 10 "INTERNAL_IP6_DNS",
        INTERNAL_IP6_NBNS = 11 "INTERNAL_IP6_NBNS",
        INTERNAL_IP6_DHCP = 12 "INTERNAL_IP6_DHCP",
        INTERNAL_IP4_SUBNET = 13 "INTERNAL_IP4_SUBNET",
        SUPPORTED_ATTRIBUTES = 14 "SUPPORTED_ATTRIBUTES",
        INTERNAL_IP6_SUBNET = 15 "INTERNAL_IP6_SUBNET",
        MIP6_HOME_PREFIX = 16 "MIP6_HOME_PREFIX",
        INTERNAL_IP6_LINK = 17 "INTERNAL_IP6_LINK",
        INTERNAL_IP6_PREFIX = 18 "INTERNAL_IP6_PREFIX",
        HOME_AGENT_ADDRESS = 19 "HOME_AGENT_ADDRESS",
        P_CSCF_IP4_ADDRESS = 20 "P_CSCF_IP4_ADDRESS",
        P_CSCF_IP6_ADDRESS = 21 "P_CSCF_IP6_ADDRESS",
        FTT_KAT = 22 "FTT_KAT",
        EXTERNAL_SOURCE_IP4_NAT_INFO = 23 "EXTERNAL_SOURCE_IP4_NAT_INFO",
        TIMEOUT_PERIOD_FOR_LIVENESS_CHECK = 24 "TIMEOUT_PERIOD_FOR_LIVENESS_CHECK",
        INTERNAL_DNS_DOMAIN = 25 "INTERNAL_DNS_DOMAIN",
        INTERNAL_DNSSEC_TA = 26 "INTERNAL_DNSSEC_TA",
        ENCDNS_IP4 = 27 "ENCDNS_IP4",
        ENCDNS_IP6 = 28 "ENCDNS_IP6",
        ENCDNS_DIGEST_INFO = 29 "ENCDNS_DIGEST_INFO",
        UNITY_BANNER = 28672 "UNITY_BANNER",
        UNITY_SAVE_PASSWD = 28673 "UNITY_SAVE_PASSWD",
        UNITY_DEF_DOMAIN = 28674 "UNITY_DEF_DOMAIN",
        UNITY_SPLITDNS_NAME = 28675 "UNITY_SPLITDNS_NAME",
        UNITY_SPLIT_INCLUDE = 28676 "UNITY_SPLIT_INCLUDE",
        UNITY_NATT_PORT = 28677 "UNITY_NATT_PORT",
        UNITY_LOCAL_LAN = 28678 "UNITY_LOCAL_LAN",
        UNITY_PFS = 28679 "UNITY_PFS",
        UNITY_FW_TYPE = 28680 "UNITY_FW_TYPE",
        UNITY_BACKUP_SERVERS = 28681 "UNITY_BACKUP_SERVERS",
        UNITY_DDNS_HOSTNAME = 28682 "UNITY_DDNS_HOSTNAME",
    }
}

registry! {
    /// The form of a traffic selector (RFC 7296 §3.13.1).
    TsType(u8) {
        TS_IPV4_ADDR_RANGE = 7 "TS_IPV4_ADDR_RANGE",
        TS_IPV6_ADDR_RANGE = 8 "TS_IPV6_ADDR_RANGE",
        TS_FC_ADDR_RANGE = 9 "TS_FC_ADDR_RANGE",
        TS_SECLABEL = 10 "TS_SECLABEL",
    }
}

registry! {
    /// A hash that a peer accepts in signatures (RFC 7427 §4, RFC 8420).
    HashAlgorithm(u16) {
        SHA1 = 1 "SHA1",
        SHA2_256 = 2 "SHA2-256",
        SHA2_384 = 3 "SHA2-384",
        SHA2_512 = 4 "SHA2-512",
        IDENTITY = 5 "Identity",
        STREEBOG_256 = 6 "STREEBOG_256",
        STREEBOG_512 = 7 "STREEBOG_512",
    }
}

impl NotifyType {
    /// Whether this reports an error: an unknown one in a response means that the request has failed, while an unknown
    /// status is ignored (RFC 7296 §3.10.1).
    #[must_use]
    pub const fn is_error(self) -> bool {
        self.0 < 16384
    }
}

#[cfg(test)]
mod tests {
    use std::{format, string::ToString as _};

    use super::*;

    #[test]
    fn prints_the_registered_name_or_the_number() {
        assert_eq!(EncryptionId::ENCR_AES_GCM_16.to_string(), "ENCR_AES_GCM_16");
        assert_eq!(EncryptionId(1025).to_string(), "1025");
        assert_eq!(PayloadType::TS_I.to_string(), "TSi");
        assert_eq!(
            format!("{:?}", GroupId::ECP_384),
            "384-bit random ECP group(20)"
        );
        assert_eq!(format!("{:?}", GroupId(999)), "GroupId(999)");
        assert_eq!(format!("{:>6}|", EsnId::ESN), "   ESN|");
    }

    #[test]
    fn keeps_unknown_numbers() {
        let mut out = Vec::new();
        NotifyType(40963).write(&mut out);
        assert_eq!(out, [0xa0, 0x03]);
        assert_eq!(
            NotifyType::read(&mut Reader::new(&out)),
            Ok(NotifyType(40963))
        );
    }

    #[test]
    fn tells_errors_from_statuses() {
        // RFC 7296 §3.10.1: 0 to 16383 are errors.
        assert!(NotifyType::TEMPORARY_FAILURE.is_error());
        assert!(NotifyType(16383).is_error());
        assert!(!NotifyType::INITIAL_CONTACT.is_error());
        assert!(!NotifyType(40963).is_error());
    }
}
