//! `crypto ikev2 profile`.

use alloc::{boxed::Box, string::String};

use super::{Args, Edit, add, ikev2::dpd, ikev2_keyring::key, objection};
use crate::{
    error::{Diagnostic, Fault},
    model::{
        Located,
        ikev2::{
            AuthorizationFor, DpdMode, GroupAuthorization, IdentityMatch, LocalAuthentication,
            LocalIdentity, RemoteAuthentication, TrustpointReference, TrustpointUse,
        },
        keyring::{KeyEncoding, KeyText},
        net::Ipv4Net,
    },
    tree::{Node, Token},
};

pub(super) const PROFILE: &[Node] = &[
    Node::word("description", "Specify a description of this profile")
        .then(&[
            Node::value(Token::Line, "Up to 80 characters").set(|edit, args| {
                edit.profile()?.description = Some(String::from(args.rest()));
                Ok(())
            }),
        ])
        .unset(|edit, _| {
            edit.profile()?.description = None;
            Ok(())
        }),
    Node::word("shutdown", "Shutdown the IKEv2 profile")
        .set(|edit, _| {
            edit.profile()?.shutdown = true;
            Ok(())
        })
        .unset(|edit, _| {
            edit.profile()?.shutdown = false;
            Ok(())
        }),
    Node::word("match", "Match values of peer").then(&[
        Node::word("identity", "IKE identity")
            .then(&[Node::word("remote", "Remote identity").then(IDENTITY_REMOTE)]),
        Node::word("address", "IP address").then(&[Node::word("local", "Local address").then(&[
            Node::value(Token::Ipv4, "IPv4 address")
                .set(match_local)
                .unset(forget_local),
            Node::value(Token::Ipv6, "IPv6 address")
                .set(match_local)
                .unset(forget_local),
            Node::refused("interface", "local addresses by interface"),
        ])]),
        Node::word("fvrf", "fvrf of the profile")
            .then(&[
                Node::word("any", "Any fvrf").set(|edit, _| {
                    edit.profile()?.match_fvrf_any = true;
                    Ok(())
                }),
                super::NAMED_VRF,
            ])
            .unset(|edit, _| {
                edit.profile()?.match_fvrf_any = false;
                Ok(())
            }),
        Node::refused("certificate", "certificate maps"),
        Node::refused("inbound-only", "profiles for one direction"),
        Node::refused("application", "SD-WAN"),
    ]),
    Node::word("identity", "Specify IKE identity to use").then(&[Node::word(
        "local",
        "Specify the local IKE identity to use for the negotiation",
    )
    .then(IDENTITY_LOCAL)
    .unset(|edit, _| {
        edit.profile()?.identity_local = None;
        Ok(())
    })]),
    Node::word("authentication", "Set authentication method").then(&[
        Node::word("local", "Set local authentication method")
            .then(&[
                Node::word("rsa-sig", "Rivest-Shamir-Adleman Signature").set(set_local),
                Node::word("pre-share", "Pre-Shared Key")
                    .set(set_local)
                    .then(&[Node::word("key", "specify key").then(&[
                        Node::choice(KeyEncoding::KEYWORDS).then(&[Node::value(
                            Token::Line,
                            "The key in that encoding",
                        )
                        .set(set_local)]),
                        Node::value(Token::Line, "The UNENCRYPTED (cleartext) pre-shared key")
                            .set(set_local),
                    ])]),
                Node::word("ecdsa-sig", "ECDSA Signature").set(set_local),
                Node::refused("eap", "authentication of the headend by EAP"),
                Node::refused("dynamic", "dynamic authentication methods"),
            ])
            .unset(|edit, _| {
                edit.profile()?.authentication_local = None;
                Ok(())
            }),
        Node::word("remote", "Set remote authentication method").then(&[
            Node::word("rsa-sig", "Rivest-Shamir-Adleman Signature")
                .set(set_remote)
                .unset(forget_remote),
            Node::word("anyconnect-eap", "AnyConnect EAP authentication").then(&[Node::word(
                "aggregate",
                "Aggregate authentication",
            )
            .set(set_remote)
            .unset(forget_remote)
            .then(&[Node::word("cert-request", "Ask for a certificate too").set(set_remote)])]),
            Node::word("ecdsa-sig", "ECDSA Signature")
                .set(set_remote)
                .unset(forget_remote),
            Node::word("pre-share", "Pre-Shared Key")
                .set(set_remote)
                .unset(forget_remote)
                .then(&[Node::word("key", "specify key").then(&[
                    Node::choice(KeyEncoding::KEYWORDS).then(&[Node::value(
                        Token::Line,
                        "The key in that encoding",
                    )
                    .set(set_remote)]),
                    Node::value(Token::Line, "The UNENCRYPTED (cleartext) pre-shared key")
                        .set(set_remote),
                ])]),
            Node::refused("eap", "EAP other than AnyConnect-EAP"),
        ]),
    ]),
    Node::word("pki", "Specify certificate authorities to trust").then(&[Node::word(
        "trustpoint",
        "Trustpoint of the certificate authority",
    )
    .then(&[Node::name("Trustpoint name")
        .set(set_trustpoint)
        .then(&[Node::choice(TrustpointUse::KEYWORDS).set(set_trustpoint)])
        .unset(|edit, args| {
            let name = args.name()?;
            edit.profile()?
                .trustpoints
                .retain(|known| known.trustpoint != name);
            Ok(())
        })])]),
    Node::word("lifetime", "Set lifetime for ISAKMP security association")
        .then(&[
            Node::number(120, 86_400, "lifetime in seconds").set(|edit, args| {
                edit.profile()?.lifetime = Some(args.number()?);
                Ok(())
            }),
            Node::refused_unless_negated("certificate", "lifetimes by certificate"),
        ])
        .unset(|edit, _| {
            edit.profile()?.lifetime = None;
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
                edit.profile()?.dpd = Some(dpd(args)?);
                Ok(())
            })])]),
        ])
        .unset(|edit, _| {
            edit.profile()?.dpd = None;
            Ok(())
        }),
    Node::word("nat", "NAT-transparency").then(&[
        Node::word("keepalive", "Set NAT keepalive interval")
            .then(&[
                Node::number(5, 3600, "Number of seconds between keep alives").set(|edit, args| {
                    edit.profile()?.nat_keepalive = Some(args.number()?);
                    Ok(())
                }),
            ])
            .unset(|edit, _| {
                edit.profile()?.nat_keepalive = None;
                Ok(())
            }),
        Node::word("force-encap", "Force UDP encapsulation of ESP")
            .set(|edit, _| {
                edit.profile()?.nat_force_encap = true;
                Ok(())
            })
            .unset(|edit, _| {
                edit.profile()?.nat_force_encap = false;
                Ok(())
            }),
    ]),
    Node::word("aaa", "Specify AAA related configs").then(AAA),
    Node::word(
        "virtual-template",
        "Specify the virtual-template for dynamic interface creation",
    )
    .then(&[Node::number(1, 4095, "Virtual-Template interface number")
        .set(|edit, args| {
            let number = args.maybe_number();
            edit.profile()?.virtual_template = number;
            Ok(())
        })
        .then(&[Node::refused("mode", "tunnel modes found by themselves")])])
    .unset(|edit, _| {
        edit.profile()?.virtual_template = None;
        Ok(())
    }),
    Node::word("anyconnect", "Anyconnect profile configuration").then(&[Node::word(
        "profile",
        "Anyconnect profile to be downloaded",
    )
    .then(&[Node::name("Anyconnect profile name").set(|edit, args| {
        edit.profile()?.anyconnect_profile = Some(args.name()?);
        Ok(())
    })])
    .unset(|edit, _| {
        edit.profile()?.anyconnect_profile = None;
        Ok(())
    })]),
    Node::refused(
        "config-exchange",
        "configuration exchanges by INFORMATIONAL",
    ),
    Node::refused("dynamic", "dynamic profiles"),
    Node::refused("initial-contact", "rules on INITIAL_CONTACT"),
    Node::refused("ivrf", "VRFs"),
    Node::word("keyring", "Specify keyring to use").then(&[
        Node::word("local", "Local keyring")
            .then(&[Node::name("Keyring name")
                .set(|edit, args| {
                    edit.profile()?.keyring = Some(args.name()?);
                    Ok(())
                })
                .then(&[Node::refused("name-mangler", "name manglers")])])
            .unset(|edit, _| {
                edit.profile()?.keyring = None;
                Ok(())
            }),
        Node::refused("aaa", "keyrings by RADIUS"),
        Node::word("ppk", "PPK keyring")
            .then(&[Node::name("Keyring name").set(|edit, args| {
                edit.profile()?.ppk_keyring = Some(args.name()?);
                Ok(())
            })])
            .unset(|edit, _| {
                edit.profile()?.ppk_keyring = None;
                Ok(())
            }),
    ]),
    Node::refused("reconnect", "automatic reconnection"),
    Node::word("redirect", "IKEv2 Redirect Mechanism for load-balancing")
        .then(super::ikev2_redirect::PROFILE),
];

const IDENTITY_REMOTE: &[Node] = &[
    Node::word("address", "IP Address(es)").then(&[
        Node::value(Token::Ipv4, "IPv4 address prefix")
            .set(match_identity)
            .unset(forget_identity)
            .then(&[Node::value(Token::Netmask, "specify mask").set(match_identity)]),
        Node::value(Token::Ipv6Net, "IPv6 address prefix")
            .set(match_identity)
            .unset(forget_identity),
    ]),
    Node::word("any", "Match any peer identity")
        .set(match_identity)
        .unset(forget_identity),
    Node::word("email", "Fully qualified email string").then(DOMAIN_OR_NAME),
    Node::word("fqdn", "Fully qualified domain name string").then(DOMAIN_OR_NAME),
    Node::word("key-id", "key-id opaque string").then(&[Node::text("Specify the key-id string")
        .set(match_identity)
        .unset(forget_identity)]),
];

const DOMAIN_OR_NAME: &[Node] = &[
    Node::word("domain", "domain portion of the identity").then(&[Node::text(
        "Specify the domain",
    )
    .set(match_identity)
    .unset(forget_identity)]),
    Node::text("Specify the whole string")
        .set(match_identity)
        .unset(forget_identity),
];

const IDENTITY_LOCAL: &[Node] = &[
    Node::word("address", "address").then(&[
        Node::value(Token::Ipv4, "IPv4 address").set(set_identity),
        Node::value(Token::Ipv6, "IPv6 address").set(set_identity),
    ]),
    Node::word("dn", "Distinguished Name").set(set_identity),
    Node::word("email", "Fully qualified email string")
        .then(&[Node::text("Specify the email string").set(set_identity)]),
    Node::word("fqdn", "Fully qualified domain name string")
        .then(&[Node::text("Specify the FQDN string").set(set_identity)]),
    Node::word("key-id", "key-id opaque string")
        .then(&[Node::text("Specify the key-id string").set(set_identity)]),
];

const AAA: &[Node] = &[
    Node::word("authentication", "AAA authentication list").then(&[
        Node::word(
            "anyconnect-eap",
            "AAA list for AnyConnect EAP authentication",
        )
        .then(&[Node::name("AAA list name").set(|edit, args| {
            edit.profile()?.aaa_authentication_anyconnect_eap = Some(args.name()?);
            Ok(())
        })])
        .unset(|edit, _| {
            edit.profile()?.aaa_authentication_anyconnect_eap = None;
            Ok(())
        }),
        Node::refused("eap", "EAP other than AnyConnect-EAP"),
    ]),
    Node::word("authorization", "AAA authorization list").then(&[
        Node::word("group", "AAA group authorization").then(&[Node::choice(
            AuthorizationFor::KEYWORDS,
        )
        .then(&[
            Node::word("list", "AAA list").then(&[Node::name("AAA list name")
                .refused_alone("groups named by the client's identity; an authorization policy must follow")
                .then(&[
                Node::refused("name-mangler", "name manglers"),
                Node::refused("password", "RADIUS"),
                Node::name("AAA username: the authorization policy")
                    .set(set_group)
                    .then(&[
                        Node::refused("password", "RADIUS"),
                        Node::refused("local", "RADIUS"),
                    ]),
            ])]),
        ])
        .unset(|edit, args| {
            let method = args.keyword(AuthorizationFor::from_keyword)?.value;
            edit.profile()?.aaa_authorization_group.remove(&method);
            Ok(())
        })]),
        Node::word("user", "AAA user authorization").then(&[
            Node::word(
                "anyconnect-eap",
                "AAA list for AnyConnect EAP authentication",
            )
            .then(&[
                Node::word("cached", "Use the attributes of the authentication")
                    .set(|edit, _| {
                        edit.profile()?.aaa_authorization_user_cached = true;
                        Ok(())
                    })
                    .unset(|edit, _| {
                        edit.profile()?.aaa_authorization_user_cached = false;
                        Ok(())
                    }),
                Node::refused("list", "authorization of users by list"),
            ]),
            Node::refused("cert", "authorization of users by list"),
            Node::refused("eap", "EAP other than AnyConnect-EAP"),
            Node::refused("psk", "authorization of users by list"),
        ]),
    ]),
    Node::refused("accounting", "AAA accounting"),
];

fn match_local(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let address = args.address()?.value;
    add(&mut edit.profile()?.match_address_local, address);
    Ok(())
}

fn forget_local(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let address = args.address()?.value;
    edit.profile()?
        .match_address_local
        .retain(|known| *known != address);
    Ok(())
}

fn match_identity(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let identity = identity(args)?;
    add(&mut edit.profile()?.match_identity_remote, identity);
    Ok(())
}

fn forget_identity(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let identity = identity(args)?;
    edit.profile()?
        .match_identity_remote
        .retain(|known| *known != identity);
    Ok(())
}

// RFC 7296 §3.5#5-6: `identity local` and `match identity remote` take each of the four kinds.
pub(super) fn identity(args: &mut Args<'_>) -> Result<IdentityMatch, Box<Diagnostic>> {
    if args.has("any") {
        return Ok(IdentityMatch::Any);
    }
    if args.has("address") {
        if let Some(network) = args.maybe_ipv6_net() {
            return Ok(IdentityMatch::Ipv6(network));
        }
        let address = args.ipv4()?;
        let mask = args.maybe_netmask();
        let mask = mask.map_or(core::net::Ipv4Addr::BROADCAST, |mask| mask.value);
        return Ipv4Net::with_mask(address.value, mask)
            .map(IdentityMatch::Ipv4)
            .ok_or_else(|| objection(Fault::Internal, address.at, "a netmask that is none"));
    }
    let name = args.name()?.value;
    Ok(
        match (args.has("fqdn"), args.has("email"), args.has("domain")) {
            (true, _, false) => IdentityMatch::Fqdn(name),
            (true, _, true) => IdentityMatch::FqdnDomain(name),
            (false, true, false) => IdentityMatch::Email(name),
            (false, true, true) => IdentityMatch::EmailDomain(name),
            (false, false, _) => IdentityMatch::KeyId(name),
        },
    )
}

fn set_identity(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let identity = if args.has("address") {
        LocalIdentity::Address(args.address()?.value)
    } else if args.has("dn") {
        LocalIdentity::DistinguishedName
    } else if args.has("email") {
        LocalIdentity::Email(args.name()?.value)
    } else if args.has("fqdn") {
        LocalIdentity::Fqdn(args.name()?.value)
    } else {
        LocalIdentity::KeyId(args.name()?.value)
    };
    edit.profile()?.identity_local = Some(identity);
    Ok(())
}

fn set_remote(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let method = remote(edit, args)?;
    let at = edit.at.clone();
    let methods = &mut edit.profile()?.authentication_remote;
    // With and without `cert-request`, or `key`, is one method, written again.
    methods.retain(|known| !same_method(&known.value, &method));
    methods.push(Located::new(method, at));
    Ok(())
}

fn forget_remote(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let method = remote(edit, args)?;
    edit.profile()?
        .authentication_remote
        .retain(|known| !same_method(&known.value, &method));
    Ok(())
}

fn remote(edit: &Edit<'_>, args: &mut Args<'_>) -> Result<RemoteAuthentication, Box<Diagnostic>> {
    Ok(if args.has("rsa-sig") {
        RemoteAuthentication::RsaSig
    } else if args.has("ecdsa-sig") {
        RemoteAuthentication::EcdsaSig
    } else if args.has("pre-share") {
        RemoteAuthentication::PreShare(inline_key(edit, args)?)
    } else {
        RemoteAuthentication::AnyConnectEap {
            cert_request: args.has("cert-request"),
        }
    })
}

fn inline_key(edit: &Edit<'_>, args: &mut Args<'_>) -> Result<Option<KeyText>, Box<Diagnostic>> {
    if args.has("key") {
        key(edit, args).map(Some)
    } else {
        Ok(None)
    }
}

fn set_local(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let method = if args.has("pre-share") {
        LocalAuthentication::PreShare(inline_key(edit, args)?)
    } else if args.has("ecdsa-sig") {
        LocalAuthentication::EcdsaSig
    } else {
        LocalAuthentication::RsaSig
    };
    let method = Located::new(method, edit.at.clone());
    edit.profile()?.authentication_local = Some(method);
    Ok(())
}

/// Whether two are one method, whatever follows its first word.
fn same_method(one: &RemoteAuthentication, other: &RemoteAuthentication) -> bool {
    core::mem::discriminant(one) == core::mem::discriminant(other)
}

fn set_trustpoint(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let trustpoint = args.name()?;
    let purpose = args
        .maybe_keyword(TrustpointUse::from_keyword)
        .map(|purpose| purpose.value);
    let reference = TrustpointReference {
        trustpoint,
        purpose,
    };
    let known = &mut edit.profile()?.trustpoints;
    match known
        .iter_mut()
        .find(|known| known.trustpoint == reference.trustpoint)
    {
        Some(known) => *known = reference,
        None => known.push(reference),
    }
    Ok(())
}

fn set_group(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let method = args.keyword(AuthorizationFor::from_keyword)?.value;
    let authorization = GroupAuthorization {
        list: args.name()?,
        policy: args.name()?,
    };
    edit.profile()?
        .aaa_authorization_group
        .insert(method, authorization);
    Ok(())
}
