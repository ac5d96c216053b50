//! `crypto ipsec`.

use alloc::{boxed::Box, string::String, vec::Vec};

use super::{Args, Edit, Mode, add, objection};
use crate::{
    error::{Diagnostic, Fault},
    model::{
        DEFAULT, Located,
        ikev2::MlKem,
        ipsec::{
            AesKey, EspIntegrity, EspTransform, GcmKey, IpsecProfile, Mode as Encapsulation,
            PfsGroup, Replay, ReplayWindow, SecurityAssociation, TransformSet, VolumeLimit,
        },
    },
    tree::{ModeKind, Node, Token},
};

const PQC: Node =
    Node::word("pqc", "PQC Key Exchange").then(&[Node::choice(MlKem::KEYWORDS).set(set_pfs)]);

fn set_pfs(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let group = args.maybe_keyword(PfsGroup::from_keyword);
    let pqc = args.maybe_keyword(MlKem::from_keyword);
    let profile = edit.ipsec_profile()?;
    profile.pfs = Some(group.map_or(PfsGroup::DEFAULT, |group| group.value));
    profile.pfs_pqc = pqc.map(|method| method.value);
    Ok(())
}

/// Most transform sets of a profile.
const TRANSFORM_SET_LIMIT: usize = 6;

pub(super) const LINES: &[Node] = &[
    Node::word("transform-set", "Define transform and settings")
        .then(&[Node::name("Transform set tag")
            .then(TRANSFORMS)
            .unset(close_transform_set)])
        .unset(close_transform_set),
    Node::word("profile", "Configure an ipsec policy profile")
        .then(&[Node::name("Profile name")
            .opens(&[ModeKind::IpsecProfile])
            .set(|edit, args| {
                edit.open_with_default(
                    ModeKind::IpsecProfile,
                    &args.name()?,
                    |c| &mut c.ipsec_profiles,
                    |hidden| &mut hidden.ipsec_profile,
                    IpsecProfile::default,
                );
                Ok(())
            })])
        .unset(|edit, args| {
            edit.close_with_default(
                args.maybe_name(),
                |c| &mut c.ipsec_profiles,
                |hidden| &mut hidden.ipsec_profile,
            )
        }),
    Node::word("security-association", "Security association parameters").then(&[
        Node::word("lifetime", "security association lifetime").then(&[
            Node::word("seconds", "Time-based key duration")
                .then(&[
                    Node::number(120, 86_400, "Security association duration in seconds")
                        .set(set_seconds),
                ])
                .unset(clear_seconds),
            Node::word("kilobytes", "Volume-based key duration")
                .then(KILOBYTES)
                .unset(clear_volume),
            Node::refused("days", "lifetimes in days"),
        ]),
        Node::word("replay", "Set replay checking")
            .then(REPLAY)
            .unset(clear_replay),
        IDLE_TIME,
        Node::refused("dfbit", "rules on the DF bit"),
        Node::refused("dummy", "dummy packets"),
        ECN,
        Node::refused("multi-sn", "several sequence number spaces"),
    ]),
    Node::refused("df-bit", "rules on the DF bit"),
    // What a packet of ESP is too long for is cut; what clients send and are sent is not, in front of that.
    Node::word("fragmentation", "Fragmentation processing").then(&[
        Node::word("after-encryption", "Fragment after encryption").set(|_, _| Ok(())),
        Node::refused("before-encryption", "fragmentation before encryption"),
    ]),
    Node::word("nat-transparency", "IPsec NAT transparency model").then(&[
        Node::word("udp-encapsulation", "UDP encapsulation").set(|_, _| Ok(())),
        Node::refused(
            "spi-matching",
            "NAT traversal by other means than UDP encapsulation",
        ),
    ]),
    Node::refused("optional", "optional encryption"),
];

/// Tunnels have ECN's full functionality, on either dataplane (RFC 6040 §4.2).
const ECN: Node = Node::word("ecn", "Handling of ECN bit").then(&[
    Node::word("propagate", "Propagate the ECN bits").set(|_, _| Ok(())),
    Node::refused("discard", "tunnels that lose marks of congestion"),
]);

const KILOBYTES: &[Node] = &[
    Node::number(
        2560,
        u32::MAX,
        "Security association duration in kilobytes encrypted",
    )
    .set(set_volume),
    Node::word("disable", "Disable Volume-based rekey").set(set_volume),
];

const IDLE_TIME: Node = Node::word(
    "idle-time",
    "Automatically delete IPSec SAs after a given idle period.",
)
.then(&[Node::number(60, 86_400, "Idle time in seconds")
    .set(|edit, args| {
        settings(edit)?.idle_time = Some(args.number()?);
        Ok(())
    })
    .then(&[Node::refused("default", "default peers")])])
.unset(|edit, _| {
    settings(edit)?.idle_time = None;
    Ok(())
});

const REPLAY: &[Node] = &[
    Node::word("window-size", "Set replay window size.")
        .then(&[Node::choice(ReplayWindow::KEYWORDS).set(set_replay)]),
    Node::word("disable", "Disable replay checking").set(set_replay),
];

const TRANSFORM_PROMPT: &str = ModeKind::TransformSet.prompt();

const TRANSFORMS: &[Node] = &[
    Node::word("esp-aes", "ESP transform using AES cipher")
        .refused_alone("ESP without integrity")
        .then(&[
            Node::choice(AesKey::KEYWORDS)
                .refused_alone("ESP without integrity")
                .then(INTEGRITY_LAST),
            INTEGRITY_NODE,
        ]),
    Node::word("esp-gcm", "ESP transform using GCM cipher")
        .opens(&[ModeKind::TransformSet])
        .set(set_transform)
        .then(&[
            Node::choice(GcmKey::KEYWORDS)
                .opens(&[ModeKind::TransformSet])
                .set(set_transform)
                .then(BEHIND),
            ESN_NODE,
            COMPRESSION,
            AH_MD5,
            AH_SHA,
            AH_SHA256,
            AH_SHA384,
            AH_SHA512,
        ]),
    Node::choice(EspIntegrity::KEYWORDS).then(&[Node::word(
        "esp-aes",
        "ESP transform using AES cipher",
    )
    .opens(&[ModeKind::TransformSet])
    .set(set_transform)
    .then(&[
        Node::choice(AesKey::KEYWORDS)
            .opens(&[ModeKind::TransformSet])
            .set(set_transform)
            .then(BEHIND),
        ESN_NODE,
        COMPRESSION,
        AH_MD5,
        AH_SHA,
        AH_SHA256,
        AH_SHA384,
        AH_SHA512,
    ])]),
    Node::refused_block("esp-3des", "3DES").prompting(TRANSFORM_PROMPT),
    Node::refused_block("esp-des", "DES").prompting(TRANSFORM_PROMPT),
    Node::refused_block("esp-gmac", "ESP without encryption").prompting(TRANSFORM_PROMPT),
    Node::refused_block("esp-null", "ESP without encryption").prompting(TRANSFORM_PROMPT),
    Node::refused_block("esp-seal", "SEAL").prompting(TRANSFORM_PROMPT),
];

const INTEGRITY_NODE: Node = Node::choice(EspIntegrity::KEYWORDS)
    .opens(&[ModeKind::TransformSet])
    .set(set_transform)
    .then(BEHIND);

const ESN_NODE: Node = Node::word("esn", "ESN support for IPsec transform")
    .opens(&[ModeKind::TransformSet])
    .set(set_transform);

const COMPRESSION: Node =
    Node::refused_block("comp-lzs", "IP compression").prompting(TRANSFORM_PROMPT);
const AH_MD5: Node = Node::refused_block("ah-md5-hmac", "AH").prompting(TRANSFORM_PROMPT);
const AH_SHA: Node = Node::refused_block("ah-sha-hmac", "AH").prompting(TRANSFORM_PROMPT);
const AH_SHA256: Node = Node::refused_block("ah-sha256-hmac", "AH").prompting(TRANSFORM_PROMPT);
const AH_SHA384: Node = Node::refused_block("ah-sha384-hmac", "AH").prompting(TRANSFORM_PROMPT);
const AH_SHA512: Node = Node::refused_block("ah-sha512-hmac", "AH").prompting(TRANSFORM_PROMPT);

/// What may stand behind a whole ESP transform.
const BEHIND: &[Node] = &[
    ESN_NODE,
    COMPRESSION,
    AH_MD5,
    AH_SHA,
    AH_SHA256,
    AH_SHA384,
    AH_SHA512,
];

const INTEGRITY_LAST: &[Node] = &[INTEGRITY_NODE];

pub(super) const TRANSFORM_SET: &[Node] =
    &[Node::word("mode", "encapsulation mode (transport/tunnel)")
        .then(&[Node::choice(Encapsulation::KEYWORDS)
            .set(|edit, args| {
                let mode = args.keyword(Encapsulation::from_keyword)?.value;
                edit.transform_set()?.mode = mode;
                Ok(())
            })
            .then(&[Node::refused("require", "a required transport mode")])])
        .unset(|edit, _| {
            edit.transform_set()?.mode = Encapsulation::Tunnel;
            Ok(())
        })];

pub(super) const PROFILE: &[Node] = &[
    Node::word("description", "Description of this ipsec profile")
        .then(&[
            Node::value(Token::Line, "Up to 80 characters").set(|edit, args| {
                edit.ipsec_profile()?.description = Some(String::from(args.rest()));
                Ok(())
            }),
        ])
        .unset(|edit, _| {
            edit.ipsec_profile()?.description = None;
            Ok(())
        }),
    Node::word("set", "Set values for encryption/decryption").then(&[
        Node::word(
            "transform-set",
            "Specify list of transform sets in priority order",
        )
        .then(&[Node::name("Proposal tag").many().set(|edit, args| {
            let mut sets: Vec<Located<_>> = Vec::new();
            while let Some(name) = args.maybe_name() {
                add(&mut sets, name);
            }
            if let Some(extra) = sets.get(TRANSFORM_SET_LIMIT) {
                let why = "more transform sets than a profile can have";
                return Err(objection(Fault::Limit, extra.at.clone(), why));
            }
            edit.ipsec_profile()?.transform_sets = sets;
            Ok(())
        })])
        .unset(|edit, _| {
            edit.ipsec_profile()?.transform_sets.clear();
            Ok(())
        }),
        Node::word("ikev2-profile", "Specify ikev2 Profile")
            .then(&[Node::name("IKEv2 profile name").set(|edit, args| {
                edit.ipsec_profile()?.ikev2_profile = Some(args.name()?);
                Ok(())
            })])
            .unset(|edit, _| {
                edit.ipsec_profile()?.ikev2_profile = None;
                Ok(())
            }),
        Node::word("security-association", "Security association parameters").then(&[
            Node::word("lifetime", "security association lifetime").then(&[
                Node::word("seconds", "Time-based key duration")
                    .then(&[Node::number(
                        120,
                        2_592_000,
                        "Security association duration in seconds",
                    )
                    .set(set_seconds)])
                    .unset(clear_seconds),
                Node::word("kilobytes", "Volume-based key duration")
                    .then(KILOBYTES)
                    .unset(clear_volume),
                Node::refused("days", "lifetimes in days"),
            ]),
            Node::word("replay", "Set replay checking")
                .then(REPLAY)
                .unset(clear_replay),
            IDLE_TIME,
            Node::refused("dfbit", "rules on the DF bit"),
            Node::refused("dummy", "dummy packets"),
            ECN,
            Node::refused("level", "SAs per host"),
        ]),
        Node::word("pfs", "Specify pfs settings")
            .set(set_pfs)
            .then(&[
                Node::choice(PfsGroup::KEYWORDS).set(set_pfs).then(&[PQC]),
                PQC,
            ])
            .unset(|edit, _| {
                let profile = edit.ipsec_profile()?;
                (profile.pfs, profile.pfs_pqc) = (None, None);
                Ok(())
            }),
        Node::refused("isakmp-profile", "IKEv1"),
        Node::refused("identity", "identities of crypto maps"),
        Node::refused("mixed-mode", "mixed address families"),
        Node::refused("reverse-route", "reverse routes"),
        Node::refused("security-policy", "limits on policies"),
    ]),
    Node::word("responder-only", "Never initiate SAs")
        .set(|edit, _| {
            edit.ipsec_profile()?.responder_only = true;
            Ok(())
        })
        .unset(|edit, _| {
            edit.ipsec_profile()?.responder_only = false;
            Ok(())
        }),
    Node::refused("redundancy", "redundancy"),
    Node::refused("reverse-route", "reverse routes"),
];

fn set_transform(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let name = args.name()?;
    let transform = if args.has("esp-gcm") {
        let key = args.maybe_keyword(GcmKey::from_keyword);
        EspTransform::Gcm(key.map_or(GcmKey::Bits128, |key| key.value))
    } else {
        // Encryption and integrity may come in either order.
        let before = args.maybe_keyword(EspIntegrity::from_keyword);
        let key = args.maybe_keyword(AesKey::from_keyword);
        let integrity = match before {
            Some(integrity) => integrity,
            None => args.keyword(EspIntegrity::from_keyword)?,
        };
        EspTransform::Cbc(
            key.map_or(AesKey::Bits128, |key| key.value),
            integrity.value,
        )
    };
    let esn = args.has("esn");
    let is_default = name.value == *DEFAULT;
    if is_default {
        edit.candidate.hidden_defaults.transform_set = false;
    }
    let mode = if is_default {
        TransformSet::SMART_DEFAULT.mode
    } else {
        Encapsulation::Tunnel
    };
    let set = TransformSet {
        transform,
        esn,
        mode,
    };
    edit.open(
        ModeKind::TransformSet,
        &name,
        |c| &mut c.transform_sets,
        || set,
    );
    let set = edit.transform_set()?;
    (set.transform, set.esn) = (transform, esn);
    Ok(())
}

fn close_transform_set(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    edit.close_with_default(
        args.maybe_name(),
        |c| &mut c.transform_sets,
        |hidden| &mut hidden.transform_set,
    )
}

/// The security association settings that the line is about: a profile's, or everyone's.
fn settings<'a>(edit: &'a mut Edit<'_>) -> Result<&'a mut SecurityAssociation, Box<Diagnostic>> {
    match edit.mode {
        Mode::Object(ModeKind::IpsecProfile, _) => {
            Ok(&mut edit.ipsec_profile()?.security_association)
        }
        _ => Ok(&mut edit.candidate.ipsec.security_association),
    }
}

fn set_seconds(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    settings(edit)?.lifetime_seconds = Some(args.number()?);
    Ok(())
}

fn clear_seconds(edit: &mut Edit<'_>, _: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    settings(edit)?.lifetime_seconds = None;
    Ok(())
}

fn set_volume(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let limit = args.maybe_number();
    settings(edit)?.lifetime_kilobytes = Some(limit.map_or(VolumeLimit::Unlimited, |limit| {
        VolumeLimit::Kilobytes(limit.value)
    }));
    Ok(())
}

fn clear_volume(edit: &mut Edit<'_>, _: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    settings(edit)?.lifetime_kilobytes = None;
    Ok(())
}

fn set_replay(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let window = args.maybe_keyword(ReplayWindow::from_keyword);
    settings(edit)?.replay =
        Some(window.map_or(Replay::Disabled, |window| Replay::Window(window.value)));
    Ok(())
}

fn clear_replay(edit: &mut Edit<'_>, _: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    settings(edit)?.replay = None;
    Ok(())
}
