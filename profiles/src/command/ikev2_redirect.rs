//! `crypto ikev2 redirect`, and `redirect gateway auth` of a profile.

use alloc::boxed::Box;

use super::{Args, Edit};
use crate::{
    error::Diagnostic,
    model::{
        Located,
        redirect::{RedirectAt, RedirectClient, RedirectTarget},
    },
    tree::{Node, Token},
};

pub(super) const LINES: &[Node] = &[
    Node::word("client", "Enables Redirect Mechanism on Client")
        .set(|edit, _| {
            edit.candidate.ikev2.redirect.client = Some(RedirectClient::default());
            Ok(())
        })
        .then(&[
            Node::word("max-redirects", "Redirect loop detection").then(&[Node::number(
                1,
                255,
                "Maximum number of redirects",
            )
            .set(|edit, args| {
                let max_redirects = Some(args.number()?);
                edit.candidate.ikev2.redirect.client = Some(RedirectClient { max_redirects });
                Ok(())
            })]),
        ])
        .unset(|edit, _| {
            edit.candidate.ikev2.redirect.client = None;
            Ok(())
        }),
    Node::word("gateway", "Enables Redirect Mechanism on Gateway")
        .then(&[Node::choice(RedirectAt::KEYWORDS).set(|edit, args| {
            let at = args.keyword(RedirectAt::from_keyword)?;
            edit.candidate.ikev2.redirect.gateway = Some(at);
            Ok(())
        })])
        .unset(|edit, _| {
            edit.candidate.ikev2.redirect.gateway = None;
            Ok(())
        }),
    Node::word("target", "The gateway that clients are sent to")
        .then(&[
            Node::value(Token::Ipv4, "IPv4 address").set(set_address),
            Node::value(Token::Ipv6, "IPv6 address").set(set_address),
            Node::word("fqdn", "A name that clients look up").then(&[Node::text(
                "Fully qualified domain name",
            )
            .set(|edit, args| {
                let name = args.name()?;
                let target = Located::new(RedirectTarget::Fqdn(name.value), name.at);
                edit.candidate.ikev2.redirect.target = Some(target);
                Ok(())
            })]),
        ])
        .unset(|edit, _| {
            edit.candidate.ikev2.redirect.target = None;
            Ok(())
        }),
];

fn set_address(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let address = args.address()?;
    let target = Located::new(RedirectTarget::Address(address.value), address.at);
    edit.candidate.ikev2.redirect.target = Some(target);
    Ok(())
}

pub(super) const PROFILE: &[Node] =
    &[
        Node::word("gateway", "Enables Redirect Mechanism on Gateway").then(&[Node::word(
            "auth",
            "Redirect at SA authentication",
        )
        .set(|edit, _| {
            edit.profile()?.redirect_gateway_auth = true;
            Ok(())
        })
        .unset(|edit, _| {
            edit.profile()?.redirect_gateway_auth = false;
            Ok(())
        })]),
    ];
