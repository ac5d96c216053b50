//! From the resolved configuration and the stored trustpoints to what the parts are driven with.
//!
//! Algorithms are translated by exhaustive `match`; nothing is looked up by name any more.

use std::{collections::BTreeMap, net::IpAddr, num::NonZeroU16, sync::Arc, time::Duration};

use ironflex_eap::anyconnect::{
    AfterCertificate, CertificatePolicy, ServerConfig, WithoutCertificate,
};
use ironflex_ikev2::{
    config::{
        AcceptedProofs, Ciphers, EndpointConfig, FragmentationConfig, IkePolicy, IkeProposal,
        Liveness, LocalAuthentication, NatConfig, PeerConfig, Pfs, Ppk, RemoteAuthentication,
        Upkeep,
    },
    crash_detection::CrashDetection,
    crypto::{
        Signer, default_provider,
        suite::{
            AeadAlgorithm, CbcAlgorithm, EspSuite, Group, Integrity, PrfAlgorithm, Protection,
        },
    },
    secret::{PreSharedKey, SecretBytes},
    wire::payload::{Gateway, Identification, KnownVendor},
};
use ironflex_profiles::{
    PeerIdentity,
    model::{
        ikev2::{self as ios, LocalIdentity},
        ipsec::{AesKey, EspIntegrity, EspTransform, GcmKey},
        keyring::{self, KeyText, PeerKeys},
        name::Name,
        redirect::RedirectTarget,
    },
    snapshot::{
        IpsecProfile, KeySource, LocalMethod, Policy, Profile, Proposal, Snapshot, TransformSet,
    },
};

use self::signer::signer;
use crate::{
    aaa::{Aaa, LocalUsers, Method, MethodList, Password, User},
    pki::{ChainError, Store, StoreError, TrustAnchors, describe},
    translate,
};

mod signer;

/// Why a configuration cannot be put to work.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The trustpoint has no identity.
    #[error(
        "trustpoint {trustpoint} of profile {profile} holds no certificate and key: \
         import them with 'crypto pki import {trustpoint} pkcs12 …'"
    )]
    NoIdentity {
        /// The profile.
        profile: String,
        /// The trustpoint.
        trustpoint: String,
    },
    /// The key store refuses.
    #[error("trustpoint {trustpoint}: {error}")]
    Store {
        /// The trustpoint.
        trustpoint: String,
        /// Why.
        error: StoreError,
    },
    /// The private key cannot sign by the method of `authentication local`.
    #[error("trustpoint {trustpoint}: the private key cannot be used for {method}: {why}")]
    Key {
        /// The trustpoint.
        trustpoint: String,
        /// `rsa-sig` or `ecdsa-sig`.
        method: &'static str,
        /// Why.
        why: String,
    },
    /// The authorities cannot be used.
    #[error("authorities of profile {profile}: {error}")]
    Authorities {
        /// The profile.
        profile: String,
        /// Why.
        error: ChainError,
    },
    /// A key exchange is wanted that cannot be had.
    #[error("{block}: {error}")]
    Pqc {
        /// The lines that want it.
        block: String,
        /// What is missing.
        error: NotServed,
    },
}

/// The cryptographic library lacks a key exchange method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("pqc {method}: the cryptographic library of this build, {provider}, does not have it")]
pub struct NotServed {
    /// The method.
    pub method: ios::MlKem,
    /// The library.
    pub provider: &'static str,
}

/// Whether the cryptographic library has these methods.
///
/// # Errors
///
/// [`NotServed`] for the first that it does not have.
pub fn served(methods: &[ios::MlKem]) -> Result<(), NotServed> {
    let provider = default_provider();
    let missing = methods
        .iter()
        .find(|&&method| !provider.supports(ml_kem(method)));
    missing.map_or(Ok(()), |&method| {
        Err(NotServed {
            method,
            provider: provider.name(),
        })
    })
}

/// A configuration ready to serve.
pub struct Plan {
    /// The configuration.
    pub snapshot: Arc<Snapshot>,
    /// What holds for all IKE SAs.
    pub endpoint: EndpointConfig,
    /// What serves peers, by the profile's name.
    pub profiles: BTreeMap<Name, Arc<ServingProfile>>,
    /// Users and method lists.
    pub aaa: Aaa,
    /// Every ESP algorithm that a profile may negotiate.
    pub algorithms: Vec<ironflex_xfrm::EspAlgorithm>,
    /// Profiles whose lines are whole, and what they lack beside their lines: keys.
    pub unserved: BTreeMap<Name, String>,
}

impl Plan {
    /// Profiles that serve nobody though their lines do not say so, and why.
    pub fn inactive(&self) -> impl Iterator<Item = (&Name, &str)> {
        let lines = self.snapshot.inactive.iter().filter(|one| !one.shutdown);
        let lines = lines.map(|one| (&one.name, one.because.as_str()));
        lines.chain(self.unserved.iter().map(|(name, why)| (name, why.as_str())))
    }

    /// Profiles whose lines say that they serve nobody.
    pub(super) fn shut_down(&self) -> impl Iterator<Item = &Name> {
        let shut = self.snapshot.inactive.iter().filter(|one| one.shutdown);
        shut.map(|one| &one.name)
    }

    /// A warning for each authority by which no client can be believed in this build.
    pub(super) fn unsupported_authorities(&self) -> Vec<String> {
        let profiles = self.profiles.iter();
        profiles
            .flat_map(|(name, serving)| {
                let unsupported = serving.anchors.unsupported_authorities().iter();
                unsupported.map(move |one| format!("warning: crypto ikev2 profile {name}: {one}"))
            })
            .collect()
    }
}

/// A `crypto ikev2 profile` with its keys and everything else it needs at work.
pub struct ServingProfile {
    /// The profile.
    pub profile: Arc<Profile>,
    /// How we prove ourselves.
    pub credentials: Arc<LocalCredentials>,
    /// Whom clients' certificates must come from.
    pub anchors: Arc<TrustAnchors>,
    /// ESP suites in the order of preference.
    pub esp: Vec<EspSuite>,
    /// AnyConnect-EAP, if the profile offers it.
    pub eap: Option<Arc<ServerConfig>>,
}

impl ServingProfile {
    /// Whether the files of its trustpoints still hold what it serves with. The key is its certificate's, which the import of
    /// either has checked.
    pub(super) fn is_of(&self, store: &Store) -> bool {
        serve(&self.profile, store).is_ok_and(|now| {
            self.credentials.chain() == now.credentials.chain()
                && self.anchors.is_same(&now.anchors)
        })
    }
}

/// How a profile's headend proves itself.
pub enum LocalCredentials {
    /// By a certificate.
    Certificate {
        /// Certificates to send, the end entity first, the root left out.
        chain: Vec<Arc<[u8]>>,
        /// The private key.
        signer: Box<Signer>,
    },
    /// By a pre-shared key.
    PreShare(KeySource),
}

impl LocalCredentials {
    /// The certificates to send, if there are any.
    #[must_use]
    pub fn chain(&self) -> &[Arc<[u8]>] {
        match self {
            Self::Certificate { chain, .. } => chain,
            Self::PreShare(_) => &[],
        }
    }
}

/// Who wants in, as keyrings see it.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    /// Where the request came from.
    pub from: IpAddr,
    /// What it calls itself.
    pub claimed: PeerIdentity<'a>,
}

/// The key for a peer, by the profile's own line or by the keyring.
fn pre_shared_key(
    source: &KeySource,
    caller: Caller<'_>,
    of: impl Fn(&PeerKeys) -> Option<&KeyText>,
) -> Option<PreSharedKey> {
    let text = match source {
        KeySource::Line(key) => Some(key),
        KeySource::Keyring(keyring) => keyring
            .peer_for(caller.from, caller.claimed)
            .and_then(|(_, peer)| of(&peer.keys)),
    }?;
    PreSharedKey::new(SecretBytes::copied_from(&text.octets()))
}

fn post_quantum_key(line: &keyring::Ppk) -> Option<Ppk> {
    Some(Ppk {
        id: line.id.as_str().as_bytes().to_vec(),
        key: PreSharedKey::new(SecretBytes::copied_from(&line.key.octets()))?,
        required: line.required,
    })
}

impl ServingProfile {
    /// Whether it takes its clients to refuse them: the interface that theirs are to be made from is shut down.
    #[must_use]
    pub fn is_shut_down(&self) -> bool {
        self.profile.virtual_template.interface.shutdown
    }

    /// Our identity towards a peer that reached `local`: the configured one, else the address
    /// (IOS-XE's default).
    #[must_use]
    pub fn identity(&self, local: IpAddr) -> Identification {
        match &self.profile.identity_local {
            None => Identification::address(local.to_canonical()),
            Some(LocalIdentity::Address(address)) => Identification::address(*address),
            Some(LocalIdentity::Fqdn(name)) => Identification::fqdn(name.as_str()),
            Some(LocalIdentity::Email(name)) => Identification::email(name.as_str()),
            Some(LocalIdentity::KeyId(name)) => {
                Identification::key_id(name.as_str().as_bytes().to_vec())
            }
            Some(LocalIdentity::DistinguishedName) => {
                let subject = self.credentials.chain().first();
                let subject = subject.and_then(|der| describe(der).ok());
                Identification::dn(
                    subject
                        .map(|summary| summary.subject.der)
                        .unwrap_or_default(),
                )
            }
        }
    }

    /// What the core needs to serve a peer. A peer that names us by something that our certificate
    /// covers is answered by that name.
    ///
    /// # Errors
    ///
    /// [`NoKey`] if we were to prove ourselves by a key that we do not have.
    pub fn peer_config(
        &self,
        local: IpAddr,
        wanted: Option<&Identification>,
        caller: Caller<'_>,
    ) -> Result<PeerConfig, NoKey> {
        let covered = wanted.filter(|wanted| {
            self.profile.identity_local.is_none()
                && self
                    .credentials
                    .chain()
                    .first()
                    .and_then(|der| describe(der).ok())
                    .is_some_and(|summary| super::identity::covers(&summary, wanted))
        });
        let remote = &self.profile.remote;
        let local_authentication = match &*self.credentials {
            LocalCredentials::Certificate { chain, signer } => LocalAuthentication::Certificate {
                chain: chain.clone(),
                key: signer.kind(),
            },
            LocalCredentials::PreShare(source) => {
                let key = pre_shared_key(source, caller, PeerKeys::local);
                LocalAuthentication::PreSharedKey(key.ok_or(NoKey)?)
            }
        };
        Ok(PeerConfig {
            name: Arc::from(self.profile.name.as_str()),
            local_identity: covered.cloned().unwrap_or_else(|| self.identity(local)),
            local_authentication,
            remote_authentication: RemoteAuthentication {
                anyconnect_eap: remote.anyconnect_eap.is_some(),
                proofs: AcceptedProofs {
                    rsa_signature: remote.rsa_sig,
                    ecdsa_signature: remote.ecdsa_sig,
                    pre_shared_key: remote
                        .pre_share
                        .as_ref()
                        .and_then(|source| pre_shared_key(source, caller, PeerKeys::remote)),
                },
            },
            ppk: self.profile.ppk.as_ref().and_then(|keyring| {
                let (_, peer) = keyring.peer_for(caller.from, caller.claimed)?;
                post_quantum_key(peer.ppk.as_ref()?)
            }),
            esp: self.esp.clone(),
            upkeep: Upkeep {
                liveness: self.profile.dpd.map(|dpd| Liveness {
                    interval: Duration::from_secs(u64::from(dpd.interval)),
                    retry: Duration::from_secs(u64::from(dpd.retry)),
                }),
                // The dataplane keeps one set of policies and routes for a client.
                further_children: false,
                mobike: true,
                keepalive: self
                    .profile
                    .nat_keepalive
                    .map(|seconds| Duration::from_secs(u64::from(seconds))),
                pfs: self
                    .profile
                    .virtual_template
                    .ipsec
                    .pfs
                    .map_or_else(Pfs::default, |group| Pfs::Required(vec![kex_group(group)])),
                pfs_additional: self.further_exchanges(),
                lifetime: Some(Duration::from_secs(u64::from(self.profile.lifetime))),
            },
            redirect: self.profile.redirect.as_ref().and_then(gateway),
        })
    }

    /// The key exchange after that of `set pfs`: the one of its line, and without the line what a client may
    /// want.
    fn further_exchanges(&self) -> Vec<Vec<Group>> {
        let ipsec = &self.profile.virtual_template.ipsec;
        match (ipsec.pfs, ipsec.pfs_pqc) {
            (Some(_), None) => Vec::new(),
            (_, Some(method)) => vec![vec![ml_kem(method)]],
            (None, None) => any_ml_kem(),
        }
    }

    /// Whether a caller's key is its own: the profile's line is everybody's, and so is what a keyring has
    /// for a network or a domain.
    #[must_use]
    pub fn key_is_of_one(&self, caller: Caller<'_>) -> bool {
        match &self.profile.remote.pre_share {
            Some(KeySource::Keyring(keyring)) => {
                let peer = keyring.peer_for(caller.from, caller.claimed);
                peer.is_some_and(|(_, peer)| {
                    peer.identity
                        .as_ref()
                        .is_some_and(|identity| identity.is_whole(caller.claimed))
                })
            }
            Some(KeySource::Line(_)) | None => false,
        }
    }
}

/// No keyring has a key for the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no pre-shared key is known for this peer")]
pub struct NoKey;

/// Puts a resolved configuration and the stored keys together.
///
/// # Errors
///
/// [`CompileError`], the first.
pub fn compile(snapshot: Arc<Snapshot>, store: &Store) -> Result<Plan, CompileError> {
    let Compiled { plan, faults } = compile_live(snapshot, store, |_| Before::Another);
    faults.into_iter().next().map_or(Ok(plan), Err)
}

/// What of a configuration can be put to work.
pub struct Compiled {
    /// The plan, without the profiles and the proposals that have a fault.
    pub plan: Plan,
    /// The faults.
    pub faults: Vec<CompileError>,
}

/// What a profile has in common with the one of its name that serves already.
pub enum Before {
    /// Everything.
    Same(Arc<ServingProfile>),
    /// What its trustpoints hold: no file is read for it.
    SameKeys(Arc<ServingProfile>),
    /// It is none of them, or nothing that is known.
    Another,
}

/// The same for a configuration that is changed while it is at work. What `before` has of a profile is taken as it is; for the others
/// the files of their trustpoints are read, four of at most 2 MiB each, from the state folder.
pub fn compile_live(
    snapshot: Arc<Snapshot>,
    store: &Store,
    before: impl Fn(&Profile) -> Before,
) -> Compiled {
    let mut faults = Vec::new();
    for policy in snapshot.policies.iter().chain(&snapshot.default_policy) {
        for proposal in &policy.proposals {
            if let Err(error) = served(&proposal.pqc.methods) {
                faults.push(CompileError::Pqc {
                    block: format!("crypto ikev2 proposal {}", proposal.name),
                    error,
                });
            }
        }
    }
    let mut profiles = BTreeMap::new();
    let mut unserved = BTreeMap::new();
    for profile in &snapshot.profiles {
        let serving = match before(profile) {
            Before::Same(serving) => Ok(serving),
            Before::SameKeys(known) => {
                let (credentials, anchors) = (&known.credentials, &known.anchors);
                serve_with(profile, Arc::clone(credentials), Arc::clone(anchors)).map(Arc::new)
            }
            Before::Another => serve(profile, store).map(Arc::new),
        };
        match serving {
            Ok(serving) => drop(profiles.insert(profile.name.clone(), serving)),
            Err(error) => {
                unserved.insert(profile.name.clone(), error.to_string());
                faults.push(error);
            }
        }
    }
    let mut authorities = Vec::new();
    let mut algorithms = Vec::new();
    for profile in &snapshot.profiles {
        let Some(serving) = profiles.get(&profile.name) else {
            continue;
        };
        for hash in serving.anchors.authority_hashes() {
            if !authorities.contains(&hash) {
                authorities.push(hash);
            }
        }
        for suite in &serving.esp {
            let algorithm = translate::esp_algorithm(suite.protection);
            if !algorithms.contains(&algorithm) {
                algorithms.push(algorithm);
            }
        }
    }
    let endpoint = endpoint(&snapshot, authorities);
    Compiled {
        plan: Plan {
            aaa: aaa(&snapshot),
            snapshot,
            endpoint,
            profiles,
            algorithms,
            unserved,
        },
        faults,
    }
}

fn aaa(snapshot: &Snapshot) -> Aaa {
    let mut users = LocalUsers::default();
    for user in snapshot.users.values() {
        let password = Password::from(user.password.reveal());
        users.insert(User::new(
            user.name.as_str(),
            &password,
            user.never_locked_out,
        ));
    }
    let mut aaa = Aaa {
        users,
        max_fail: snapshot.max_fail.and_then(NonZeroU16::new),
        ..Aaa::default()
    };
    for profile in &snapshot.profiles {
        if let Some(eap) = &profile.remote.anyconnect_eap {
            let method = match eap.authentication {
                ironflex_profiles::model::aaa::Method::Local => Method::Local,
            };
            aaa.login_lists
                .insert(eap.list.to_string(), MethodList(vec![method]));
        }
    }
    aaa
}

fn endpoint(snapshot: &Snapshot, authorities: Vec<[u8; 20]>) -> EndpointConfig {
    let policies = snapshot.policies.iter().chain(&snapshot.default_policy);
    let settings = &snapshot.ikev2;
    let base = EndpointConfig::new(policies.map(|policy| ike_policy(policy)).collect());
    EndpointConfig {
        authorities,
        fragmentation: FragmentationConfig {
            ietf: settings.fragmentation_mtu.is_some(),
            cisco: true,
            mtu: settings
                .fragmentation_mtu
                .unwrap_or(ironflex_ikev2::config::FRAGMENT_MTU),
        },
        nat: NatConfig {
            force_encapsulation: snapshot.profiles.iter().any(|one| one.nat_force_encap),
            encapsulation_required: false,
        },
        ppk: snapshot.profiles.iter().any(|one| one.ppk.is_some()),
        vendor_ids: [
            KnownVendor::DeleteReason,
            KnownVendor::Copyright,
            KnownVendor::GreMode,
            KnownVendor::AnyConnectEap,
        ]
        .map(|vendor| vendor.bytes().to_vec())
        .to_vec(),
        cookie_watermark: usize::from(settings.cookie_challenge),
        negotiating_limit: settings
            .limits
            .most_negotiating()
            .and_then(|most| usize::try_from(most).ok())
            .unwrap_or(base.negotiating_limit),
        sa_limit: settings
            .limits
            .most_sas()
            .and_then(|most| usize::try_from(most).ok()),
        window: u32::from(settings.window),
        redirect: settings.redirect.as_ref().and_then(gateway),
        childless: true,
        crash_detection: CrashDetection {
            // The secret is the state folder's.
            secret: None,
            taker: settings.crash_detection,
        },
        ..base
    }
}

/// A gateway as the core names it. What nobody can be sent to was refused with the configuration.
fn gateway(target: &RedirectTarget) -> Option<Gateway> {
    match target {
        RedirectTarget::Address(address) => Gateway::address(*address),
        RedirectTarget::Fqdn(name) => Gateway::fqdn(name.as_str()),
    }
}

fn ike_policy(policy: &Policy) -> IkePolicy {
    IkePolicy {
        local: policy.match_address_local.clone(),
        proposals: policy
            .proposals
            .iter()
            // What the library lacks was told of.
            .filter(|proposal| served(&proposal.pqc.methods).is_ok())
            .flat_map(|proposal| ike_proposals(proposal))
            .collect(),
    }
}

/// A proposal, and where its post-quantum key exchange is optional a second one without it: a peer that
/// does not know of such must reject the first as a whole (RFC 7296 §3.3.6).
fn ike_proposals(proposal: &Proposal) -> Vec<IkeProposal> {
    let first = ike_proposal(proposal);
    // RFC 9370 §rules#3: what is optional is asked for and offered without, too.
    let second = proposal.pqc.optional.then(|| IkeProposal {
        additional: Vec::new(),
        ..first.clone()
    });
    [first].into_iter().chain(second).collect()
}

/// One further key exchange by any method that the cryptographic library has.
#[must_use]
pub fn any_ml_kem() -> Vec<Vec<Group>> {
    let served = |group: &Group| default_provider().supports(*group);
    vec![Group::ML_KEM.into_iter().filter(served).collect()]
}

const fn ml_kem(method: ios::MlKem) -> Group {
    match method {
        ios::MlKem::MlKem512 => Group::MlKem512,
        ios::MlKem::MlKem768 => Group::MlKem768,
        ios::MlKem::MlKem1024 => Group::MlKem1024,
    }
}

/// An IKE proposal as the core takes it.
#[must_use]
pub fn ike_proposal(proposal: &Proposal) -> IkeProposal {
    let combined: Vec<AeadAlgorithm> = proposal
        .encryption
        .iter()
        .filter_map(|one| match one {
            ios::Encryption::AesGcm128 => Some(AeadAlgorithm::AesGcm16_128),
            ios::Encryption::AesGcm256 => Some(AeadAlgorithm::AesGcm16_256),
            ios::Encryption::AesCbc128
            | ios::Encryption::AesCbc192
            | ios::Encryption::AesCbc256 => None,
        })
        .collect();
    let ciphers = if combined.is_empty() {
        let encryption = proposal.encryption.iter().filter_map(|one| match one {
            ios::Encryption::AesCbc128 => Some(CbcAlgorithm::AesCbc128),
            ios::Encryption::AesCbc192 => Some(CbcAlgorithm::AesCbc192),
            ios::Encryption::AesCbc256 => Some(CbcAlgorithm::AesCbc256),
            ios::Encryption::AesGcm128 | ios::Encryption::AesGcm256 => None,
        });
        let integrity = proposal.integrity.iter().map(|one| match one {
            ios::Integrity::Sha1 => Integrity::HmacSha1_96,
            ios::Integrity::Sha256 => Integrity::HmacSha2_256_128,
            ios::Integrity::Sha384 => Integrity::HmacSha2_384_192,
            ios::Integrity::Sha512 => Integrity::HmacSha2_512_256,
        });
        Ciphers::EncryptThenMac(encryption.collect(), integrity.collect())
    } else {
        Ciphers::Aead(combined)
    };
    IkeProposal {
        ciphers,
        prf: proposal
            .prf
            .iter()
            .map(|one| match one {
                ios::Prf::Sha1 => PrfAlgorithm::HmacSha1,
                ios::Prf::Sha256 => PrfAlgorithm::HmacSha2_256,
                ios::Prf::Sha384 => PrfAlgorithm::HmacSha2_384,
                ios::Prf::Sha512 => PrfAlgorithm::HmacSha2_512,
            })
            .collect(),
        groups: proposal.group.iter().map(|&one| kex_group(one)).collect(),
        additional: if proposal.pqc.methods.is_empty() {
            Vec::new()
        } else {
            let methods = proposal.pqc.methods.iter();
            vec![methods.map(|&one| ml_kem(one)).collect()]
        },
    }
}

const fn kex_group(group: ios::Group) -> Group {
    match group {
        ios::Group::Group14 => Group::Modp2048,
        ios::Group::Group15 => Group::Modp3072,
        ios::Group::Group16 => Group::Modp4096,
        ios::Group::Group19 => Group::EcpP256,
        ios::Group::Group20 => Group::EcpP384,
        ios::Group::Group21 => Group::EcpP521,
        ios::Group::Group31 => Group::Curve25519,
    }
}

/// What the dataplane must do for an IPsec profile, in the order of its transform sets.
pub fn esp_algorithms(ipsec: &IpsecProfile) -> impl Iterator<Item = ironflex_xfrm::EspAlgorithm> {
    let sets = ipsec.transform_sets.iter();
    sets.map(|set| translate::esp_algorithm(esp_suite(set).protection))
}

const fn esp_suite(set: &TransformSet) -> EspSuite {
    let protection = match set.transform {
        EspTransform::Gcm(key) => Protection::Aead(match key {
            GcmKey::Bits128 => AeadAlgorithm::AesGcm16_128,
            GcmKey::Bits256 => AeadAlgorithm::AesGcm16_256,
        }),
        EspTransform::Cbc(key, integrity) => Protection::EncryptThenMac(
            match key {
                AesKey::Bits128 => CbcAlgorithm::AesCbc128,
                AesKey::Bits192 => CbcAlgorithm::AesCbc192,
                AesKey::Bits256 => CbcAlgorithm::AesCbc256,
            },
            match integrity {
                EspIntegrity::Sha1 => Integrity::HmacSha1_96,
                EspIntegrity::Sha256 => Integrity::HmacSha2_256_128,
                EspIntegrity::Sha384 => Integrity::HmacSha2_384_192,
                EspIntegrity::Sha512 => Integrity::HmacSha2_512_256,
            },
        ),
    };
    EspSuite {
        protection,
        esn: set.esn,
    }
}

fn serve(profile: &Arc<Profile>, store: &Store) -> Result<ServingProfile, CompileError> {
    let load = |name: &str| {
        store.load(name).map_err(|error| CompileError::Store {
            trustpoint: name.to_owned(),
            error,
        })
    };
    let mut authorities: Vec<Vec<u8>> = Vec::new();
    for verify in &profile.verify {
        for authority in load(verify.name.as_str())?.unwrap_or_default().anchors() {
            if !authorities.contains(authority) {
                authorities.push(authority.clone());
            }
        }
    }
    let anchors = TrustAnchors::new(&authorities).map_err(|error| CompileError::Authorities {
        profile: profile.name.to_string(),
        error,
    })?;
    let credentials = match &profile.local {
        LocalMethod::PreShare(source) => LocalCredentials::PreShare(source.clone()),
        LocalMethod::RsaSig(sign) | LocalMethod::EcdsaSig(sign) => {
            let name = sign.name.as_str();
            let trustpoint = load(name)?.unwrap_or_default();
            let Some(identity) = &trustpoint.identity else {
                return Err(CompileError::NoIdentity {
                    profile: profile.name.to_string(),
                    trustpoint: name.to_owned(),
                });
            };
            let signer = signer(&profile.local, identity.key().pkcs8_der());
            let signer = signer.map_err(|(method, why)| CompileError::Key {
                trustpoint: name.to_owned(),
                method,
                why,
            })?;
            LocalCredentials::Certificate {
                chain: identity.chain().map(Arc::from).collect(),
                signer: Box::new(signer),
            }
        }
    };
    serve_with(profile, Arc::new(credentials), Arc::new(anchors))
}

/// The same with what its trustpoints hold.
fn serve_with(
    profile: &Arc<Profile>,
    credentials: Arc<LocalCredentials>,
    anchors: Arc<TrustAnchors>,
) -> Result<ServingProfile, CompileError> {
    let ipsec = &profile.virtual_template.ipsec;
    served(ipsec.pfs_pqc.as_slice()).map_err(|error| CompileError::Pqc {
        block: format!("crypto ipsec profile {}", ipsec.name),
        error,
    })?;
    // Without a certificate there is no EAP: the configuration was refused if it wants both.
    let eap = profile.remote.anyconnect_eap.as_ref();
    let eap = eap.zip(credentials.chain().first()).map(|(method, own)| {
        let hash = super::identity::server_cert_hash(own);
        let mut config = ServerConfig::new(profile.name.as_str(), hash);
        if method.cert_request {
            config.certificate = CertificatePolicy::Request {
                without: WithoutCertificate::Refuse,
                after: AfterCertificate::AskPassword,
            };
        }
        Arc::new(config)
    });
    Ok(ServingProfile {
        profile: Arc::clone(profile),
        credentials,
        anchors,
        esp: ipsec
            .transform_sets
            .iter()
            .map(|set| esp_suite(set))
            .collect(),
        eap,
    })
}

#[cfg(test)]
mod tests;
