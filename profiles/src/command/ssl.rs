//! `crypto ssl` and `crypto vpn`.

use alloc::boxed::Box;

use super::{Args, Edit, Form, objection};
use crate::{
    error::{Diagnostic, Fault},
    model::{
        Located,
        ssl::{DEFAULT_PORT, SslPolicy, SslProfile},
    },
    tree::{ModeKind, Node, Token},
};

pub(super) const LINES: &[Node] = &[
    Node::word("policy", "Define SSL policy").then(&[Node::name("Name of SSL policy")
        .opens(&[ModeKind::SslPolicy])
        .set(|edit, args| {
            let name = args.name()?;
            edit.open(
                ModeKind::SslPolicy,
                &name,
                |c| &mut c.ssl_policies,
                SslPolicy::default,
            );
            Ok(())
        })
        .unset(|edit, args| {
            let name = args.name()?;
            edit.candidate.ssl_policies.remove(name.value.as_str());
            Ok(())
        })]),
    Node::word("profile", "Define SSL profile").then(&[Node::name("Name of SSL profile")
        .opens(&[ModeKind::SslProfile])
        .set(|edit, args| {
            let name = args.name()?;
            edit.open(
                ModeKind::SslProfile,
                &name,
                |c| &mut c.ssl_profiles,
                SslProfile::default,
            );
            Ok(())
        })
        .unset(|edit, args| {
            let name = args.name()?;
            edit.candidate.ssl_profiles.remove(name.value.as_str());
            Ok(())
        })]),
    Node::refused_block("proposal", "SSL proposals"),
    Node::refused_block("authorization", "SSL VPN"),
];

pub(super) const VPN: &[Node] = &[
    Node::word("anyconnect", "Anyconnect package").then(&[
        Node::word("profile", "Anyconnect profile").then(&[Node::name("Anyconnect profile name")
            .then(&[
                Node::value(Token::File, "Profile file in bootflash").set(|edit, args| {
                    let name = Located::new(args.name()?.value, edit.at.clone());
                    let file = args.file()?.value;
                    let profiles = &mut edit.candidate.anyconnect_profiles;
                    profiles
                        .get_or_insert_with(&name, || file.clone())
                        .clone_from(&file);
                    Ok(())
                }),
            ])
            .unset(|edit, args| {
                let name = args.name()?;
                edit.candidate
                    .anyconnect_profiles
                    .remove(name.value.as_str());
                Ok(())
            })]),
        Node::refused_value(Token::Line, "packages of the client"),
    ]),
    Node::refused("csd", "Secure Desktop"),
];

pub(super) const POLICY: &[Node] = &[
    Node::word("pki", "Public Key components").then(&[Node::word("trustpoint", "PKI Trustpoint")
        .then(&[Node::name("Trustpoint name").then(&[Node::word(
            "sign",
            "Use this trustpoint for signing",
        )
        .set(|edit, args| {
            edit.ssl_policy()?.trustpoint = Some(args.name()?);
            Ok(())
        })])])
        .unset(|edit, _| {
            edit.ssl_policy()?.trustpoint = None;
            Ok(())
        })]),
    Node::word("ip", "Internet Protocol config commands").then(&[
        Node::word("address", "IP address").then(&[Node::word("local", "Local IP address")
            .then(&[Node::value(Token::Ipv4, "IP address")
                .set(set_local)
                .then(&[
                    Node::word("port", "Local port").then(&[
                        Node::number(443, 443, "Default port").set(set_local),
                        Node::number(1025, 65_535, "Port").set(set_local),
                    ]),
                    Node::refused("vrf", "VRFs"),
                ])])
            .unset(|edit, _| {
                edit.ssl_policy()?.local = None;
                Ok(())
            })]),
        Node::refused("interface", "addresses by interface"),
    ]),
    Node::word("shutdown", "Shutdown the policy")
        .set(|edit, _| {
            edit.ssl_policy()?.enabled = false;
            Ok(())
        })
        .unset(|edit, _| {
            edit.ssl_policy()?.enabled = edit.form == Form::No;
            Ok(())
        }),
    Node::refused("ssl", "SSL proposals"),
];

pub(super) const PROFILE: &[Node] = &[
    Node::word("match", "Match values of peer").then(&[
        Node::word("policy", "SSL policy")
            .then(&[Node::name("SSL policy name").set(|edit, args| {
                edit.ssl_profile()?.policy = Some(args.name()?);
                Ok(())
            })])
            .unset(|edit, _| {
                edit.ssl_profile()?.policy = None;
                Ok(())
            }),
        Node::refused("url", "SSL VPN"),
    ]),
    Node::word("shutdown", "Shutdown the profile")
        .set(|edit, _| {
            edit.ssl_profile()?.enabled = false;
            Ok(())
        })
        .unset(|edit, _| {
            edit.ssl_profile()?.enabled = edit.form == Form::No;
            Ok(())
        }),
    // Down to the word that makes them lines of this mode: lines outside of every object begin so too.
    Node::word("aaa", "AAA of SSL VPN").then(&[
        Node::word("authentication", "AAA authentication")
            .then(&[Node::refused("user-pass", "SSL VPN")]),
        Node::word("authorization", "AAA authorization").then(&[
            Node::word("group", "AAA group authorization").then(&[
                Node::refused("user-pass", "SSL VPN"),
                Node::refused("override", "SSL VPN"),
            ]),
            Node::word("user", "AAA user authorization")
                .then(&[Node::refused("user-pass", "SSL VPN")]),
        ]),
        Node::word("accounting", "AAA accounting").then(&[Node::refused("user-pass", "SSL VPN")]),
    ]),
    Node::refused("authentication", "SSL VPN"),
    Node::refused("max-users", "SSL VPN"),
    Node::refused("virtual-template", "SSL VPN"),
];

fn set_local(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let address = args.ipv4()?;
    if address.value.is_unspecified() || address.value.is_multicast() {
        let why = "not an address that a server can have";
        return Err(objection(Fault::Value, address.at, why));
    }
    let port = args.maybe_number().map_or(DEFAULT_PORT, |port| port.value);
    edit.ssl_policy()?.local = Some((address.value, port));
    Ok(())
}
