//! `crypto ikev2`: lines without an object, and the objects' names; proposals and policies.

use alloc::{boxed::Box, format, string::String};

use super::{Args, Edit, Form, add, objection, plain};
use crate::{
    error::{Diagnostic, Fault},
    model::{
        Located,
        ikev2::{
            AuthorizationPolicy, Dpd, DpdMode, Encryption, Fragmentation, Group, Integrity, MlKem,
            Policy, Pqc, Prf, Profile, Proposal,
        },
        keyring::Keyring,
    },
    tree::{ModeKind, Node, Token},
};

pub(super) const LINES: &[Node] = &[
    Node::word("authorization", "IKEv2 authorization").then(&[Node::word(
        "policy",
        "Define IKEv2 authorization policy",
    )
    .then(&[Node::name("Specify a name for authorization policy")
        .opens(&[ModeKind::AuthorizationPolicy])
        .set(|edit, args| {
            edit.open_with_default(
                ModeKind::AuthorizationPolicy,
                &args.name()?,
                |c| &mut c.authorization_policies,
                |hidden| &mut hidden.authorization_policy,
                AuthorizationPolicy::smart_default,
            );
            Ok(())
        })])
    .unset(|edit, args| {
        edit.close_with_default(
            args.maybe_name(),
            |c| &mut c.authorization_policies,
            |hidden| &mut hidden.authorization_policy,
        )
    })]),
    Node::word("proposal", "Define IKEv2 proposals")
        .then(&[Node::name("Name of IKEv2 proposal")
            .opens(&[ModeKind::Ikev2Proposal])
            .set(|edit, args| {
                edit.open_with_default(
                    ModeKind::Ikev2Proposal,
                    &args.name()?,
                    |c| &mut c.proposals,
                    |hidden| &mut hidden.proposal,
                    Proposal::smart_default,
                );
                Ok(())
            })])
        .unset(|edit, args| {
            edit.close_with_default(
                args.maybe_name(),
                |c| &mut c.proposals,
                |hidden| &mut hidden.proposal,
            )
        }),
    Node::word("policy", "Define IKEv2 policies")
        .then(&[Node::name("Name of IKEv2 policy")
            .opens(&[ModeKind::Ikev2Policy])
            .set(|edit, args| {
                let name = args.name()?;
                // The smart default names the proposal of its own name, which is `name` here.
                let smart_default = || Policy {
                    match_fvrf_any: true,
                    proposals: [name.clone()].into(),
                    ..Policy::default()
                };
                edit.open_with_default(
                    ModeKind::Ikev2Policy,
                    &name,
                    |c| &mut c.policies,
                    |hidden| &mut hidden.policy,
                    smart_default,
                );
                Ok(())
            })])
        .unset(|edit, args| {
            edit.close_with_default(
                args.maybe_name(),
                |c| &mut c.policies,
                |hidden| &mut hidden.policy,
            )
        }),
    Node::word("keyring", "Define IKEv2 Keyring").then(&[Node::name("Name of IKEv2 Keyring")
        .opens(&[ModeKind::Ikev2Keyring])
        .set(|edit, args| {
            let name = args.name()?;
            edit.open(
                ModeKind::Ikev2Keyring,
                &name,
                |c| &mut c.keyrings,
                Keyring::default,
            );
            Ok(())
        })
        .unset(|edit, args| {
            let name = args.name()?;
            edit.candidate.keyrings.remove(name.value.as_str());
            Ok(())
        })]),
    Node::word("profile", "Define IKEv2 Profiles").then(&[Node::name("Name of IKEv2 profile")
        .opens(&[ModeKind::Ikev2Profile])
        .set(|edit, args| {
            let name = args.name()?;
            edit.open(
                ModeKind::Ikev2Profile,
                &name,
                |c| &mut c.profiles,
                Profile::default,
            );
            Ok(())
        })
        .unset(|edit, args| {
            let name = args.name()?;
            edit.candidate.profiles.remove(name.value.as_str());
            Ok(())
        })]),
    Node::word("http-url", "Enable http URL lookup").then(&[
        Node::word("cert", "Enable certificate lookup based on http URL")
            .set(|edit, _| {
                let on = Located::new(true, edit.at.clone());
                edit.candidate.ikev2.http_url_cert = Some(on);
                Ok(())
            })
            .unset(|edit, _| {
                let off = Located::new(false, edit.at.clone());
                edit.candidate.ikev2.http_url_cert = (edit.form == Form::No).then_some(off);
                Ok(())
            }),
        Node::refused("bundle", "bundles of certificates by URL"),
    ]),
    Node::word("fragmentation", "Enable fragmentation of ikev2 packets")
        .set(|edit, _| {
            edit.candidate.ikev2.fragmentation = Some(Fragmentation { mtu: None });
            Ok(())
        })
        .then(&[
            Node::word("mtu", "Set the IKEv2 packet fragmentation MTU").then(&[Node::number(
                68,
                1500,
                "MTU in bytes",
            )
            .set(|edit, args| {
                let mtu = Some(args.number()?);
                edit.candidate.ikev2.fragmentation = Some(Fragmentation { mtu });
                Ok(())
            })]),
        ])
        .unset(|edit, _| {
            edit.candidate.ikev2.fragmentation = None;
            Ok(())
        }),
    Node::word("cookie-challenge", "Set Cookie-challenge watermark")
        .then(&[
            Node::number(0, 1000, "Maximum number of in-negotiation SAs before it").set(
                |edit, args| {
                    edit.candidate.ikev2.cookie_challenge = Some(args.number()?);
                    Ok(())
                },
            ),
        ])
        .unset(|edit, _| {
            edit.candidate.ikev2.cookie_challenge = None;
            Ok(())
        }),
    Node::word("window", "IKEV2 window size")
        .then(&[Node::number(1, 200, "Size of window").set(|edit, args| {
            edit.candidate.ikev2.window = Some(args.number()?);
            Ok(())
        })])
        .unset(|edit, _| {
            edit.candidate.ikev2.window = None;
            Ok(())
        }),
    Node::word("dpd", "Enable IKE liveness check for peers")
        .then(&[
            Node::number(10, 3600, "DPD R-U-THERE interval").then(&[Node::number(
                2,
                60,
                "DPD Retry Interval",
            )
            .then(&[Node::choice(DpdMode::KEYWORDS).set(|edit, args| {
                edit.candidate.ikev2.dpd = Some(dpd(args)?);
                Ok(())
            })])]),
        ])
        .unset(|edit, _| {
            edit.candidate.ikev2.dpd = None;
            Ok(())
        }),
    Node::word("nat", "NAT-transparency").then(&[Node::word(
        "keepalive",
        "Set NAT keepalive interval",
    )
    .then(&[
        Node::number(5, 3600, "Number of seconds between keep alives").set(|edit, args| {
            edit.candidate.ikev2.nat_keepalive = Some(args.number()?);
            Ok(())
        }),
    ])
    .unset(|edit, _| {
        edit.candidate.ikev2.nat_keepalive = None;
        Ok(())
    })]),
    Node::refused("certificate-cache", "a certificate cache"),
    Node::refused_block("client", "the router as a client").prompting("config-ikev2-flexvpn"),
    Node::refused_block("cluster", "clusters").prompting("config-ikev2-cluster"),
    Node::refused("cts", "TrustSec"),
    Node::refused_even_negated("diagnose", "a ring of errors by command"),
    Node::refused("disconnect-revoked-peers", "revocation checks"),
    Node::word("limit", "Limit the number of maximum and negotiating sa")
        .then(super::ikev2_limit::LINES),
    Node::refused_block("name-mangler", "name manglers").prompting("config-ikev2-name-mangler"),
    Node::refused("reconnect", "automatic reconnection"),
    Node::word("redirect", "IKEv2 Redirect Mechanism for load-balancing")
        .then(super::ikev2_redirect::LINES),
    // RFC 6290 §8.1#4: whoever runs the headend may turn it off.
    Node::word(
        "quick-crash-detection",
        "Tell peers at once of SAs that a restart has lost",
    )
    .set(|edit, _| {
        edit.candidate.ikev2.crash_detection = true;
        Ok(())
    })
    .unset(|edit, _| {
        edit.candidate.ikev2.crash_detection = edit.form == Form::Default;
        Ok(())
    }),
];

/// `<10-3600> <2-60> {on-demand|periodic}`.
pub(super) fn dpd(args: &mut Args<'_>) -> Result<Dpd, Box<Diagnostic>> {
    Ok(Dpd {
        interval: args.number()?,
        retry: args.number()?,
        mode: args.keyword(DpdMode::from_keyword)?.value,
    })
}

// RFC 7296 §3.3.4#5: the suites that are acceptable are configured here.
pub(super) const PROPOSAL: &[Node] = &[
    Node::word("encryption", "Set encryption algorithm(s) for proposal")
        .then(
            &[Node::choice(Encryption::KEYWORDS).many().set(|edit, args| {
                let ciphers = args.keywords(Encryption::from_keyword)?;
                // RFC 7296 §3.3: combined-mode ciphers and others cannot share a proposal, because
                // only one of the two kinds may go with an integrity algorithm.
                let first = ciphers.first();
                let odd = ciphers.iter().find(|cipher| {
                    first.is_some_and(|first| {
                        first.value.is_combined() != cipher.value.is_combined()
                    })
                });
                if let (Some(first), Some(odd)) = (first, odd) {
                    let why = format!(
                        "`{}` and `{}` cannot stand in one proposal: one needs an integrity \
                     algorithm, the other must not have any",
                        first.value, odd.value
                    );
                    let fault = objection(Fault::Conflict, odd.at.clone(), why);
                    let rest = Encryption::ALL
                        .iter()
                        .filter(|cipher| cipher.is_combined() == first.value.is_combined())
                        .map(|cipher| String::from(cipher.keyword()));
                    return Err(fault.expecting(rest).into());
                }
                edit.proposal()?.encryption = plain(ciphers);
                Ok(())
            })],
        )
        .unset(|edit, _| {
            edit.proposal()?.encryption.clear();
            Ok(())
        }),
    Node::word("integrity", "Set integrity hash algorithm(s) for proposal")
        .then(
            &[Node::choice(Integrity::KEYWORDS).many().set(|edit, args| {
                edit.proposal()?.integrity = plain(args.keywords(Integrity::from_keyword)?);
                Ok(())
            })],
        )
        .unset(|edit, _| {
            edit.proposal()?.integrity.clear();
            Ok(())
        }),
    Node::word("prf", "Set prf algorithm(s) for proposal")
        .then(&[Node::choice(Prf::KEYWORDS).many().set(|edit, args| {
            edit.proposal()?.prf = plain(args.keywords(Prf::from_keyword)?);
            Ok(())
        })])
        .unset(|edit, _| {
            edit.proposal()?.prf.clear();
            Ok(())
        }),
    Node::word("group", "Set the Diffie-Hellman group(s)")
        .then(&[Node::choice(Group::KEYWORDS).many().set(|edit, args| {
            edit.proposal()?.group = plain(args.keywords(Group::from_keyword)?);
            Ok(())
        })])
        .unset(|edit, _| {
            edit.proposal()?.group.clear();
            Ok(())
        }),
    Node::word("pqc", "PQC Key Exchange")
        .then(&[Node::choice(MlKem::KEYWORDS)
            .many()
            .set(set_pqc)
            .then(&[Node::word("optional", "PQC Key Exchange is optional").set(set_pqc)])])
        .unset(|edit, _| {
            edit.proposal()?.pqc = Pqc::default();
            Ok(())
        }),
];

fn set_pqc(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    edit.proposal()?.pqc = Pqc {
        methods: plain(args.keywords(MlKem::from_keyword)?),
        optional: args.has("optional"),
    };
    Ok(())
}

pub(super) const POLICY: &[Node] = &[
    Node::word("match", "Match values of local fields").then(&[
        Node::word("address", "Match local address").then(&[Node::word(
            "local",
            "Match the local address",
        )
        .then(&[
            Node::value(Token::Ipv4, "IPv4 address")
                .set(match_local)
                .unset(forget_local),
            Node::value(Token::Ipv6, "IPv6 address")
                .set(match_local)
                .unset(forget_local),
        ])]),
        Node::word("fvrf", "Match front VRF")
            .then(&[
                Node::word("any", "Any fvrf").set(|edit, _| {
                    edit.policy()?.match_fvrf_any = true;
                    Ok(())
                }),
                super::NAMED_VRF,
            ])
            .unset(|edit, _| {
                edit.policy()?.match_fvrf_any = false;
                Ok(())
            }),
        Node::refused("inbound-only", "policies for one direction"),
        Node::refused("application", "SD-WAN"),
    ]),
    Node::word("proposal", "Specify Proposal")
        .then(&[
            Node::name("Specify the name of proposal to be attached").set(|edit, args| {
                let name = args.name()?;
                add(&mut edit.policy()?.proposals, name);
                Ok(())
            }),
        ])
        .unset(|edit, args| {
            let name: Option<Located<_>> = args.maybe_name();
            let policy = edit.policy()?;
            policy
                .proposals
                .retain(|known| name.as_ref().is_some_and(|name| name != known));
            Ok(())
        }),
];

fn match_local(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let address = args.address()?.value;
    add(&mut edit.policy()?.match_address_local, address);
    Ok(())
}

fn forget_local(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let address = args.address()?.value;
    edit.policy()?
        .match_address_local
        .retain(|known| *known != address);
    Ok(())
}
