//! `aaa` and `username`.

use alloc::{boxed::Box, format, string::String};

use super::{Args, Edit, objection};
use crate::{
    error::{Diagnostic, Fault, Span},
    model::{
        Located,
        aaa::{Method, User},
    },
    password::{Encoding, Password, unknown_type},
    tree::{Node, Token},
};

pub(super) const LINES: &[Node] = &[
    Node::word("aaa", "Authentication, Authorization and Accounting").then(&[
        Node::word(
            "new-model",
            "Enable NEW access control commands and functions",
        )
        .set(|edit, _| {
            edit.candidate.aaa.new_model = true;
            Ok(())
        })
        .unset(|edit, _| {
            edit.candidate.aaa = crate::model::aaa::Aaa::default();
            Ok(())
        }),
        Node::word("authentication", "Authentication configurations parameters").then(&[
            Node::word("login", "Set authentication lists for logins").then(&[Node::name(
                "Named authentication list",
            )
            .then(&[Node::choice(Method::KEYWORDS)
                .set(|edit, args| {
                    let name = Located::new(args.name()?.value, edit.at.clone());
                    let method = args.keyword(Method::from_keyword)?.value;
                    let lists = &mut edit.candidate.aaa.authentication_login;
                    *lists.get_or_insert_with(&name, || method) = method;
                    Ok(())
                })
                .then(FURTHER_LOGIN_METHODS)])
            .unset(|edit, args| {
                let name = args.name()?;
                edit.candidate
                    .aaa
                    .authentication_login
                    .remove(name.value.as_str());
                Ok(())
            })]),
            Node::refused("enable", "enable passwords"),
            Node::refused("ppp", "PPP"),
            Node::refused("dot1x", "802.1X"),
            Node::refused("attempts", "AAA attempts by command"),
        ]),
        Node::word("authorization", "Authorization configurations parameters").then(&[
            Node::word("network", "For network services").then(&[Node::name(
                "Named authorization list",
            )
            .then(&[Node::choice(Method::KEYWORDS)
                .set(|edit, args| {
                    let name = Located::new(args.name()?.value, edit.at.clone());
                    let method = args.keyword(Method::from_keyword)?.value;
                    let lists = &mut edit.candidate.aaa.authorization_network;
                    *lists.get_or_insert_with(&name, || method) = method;
                    Ok(())
                })
                .then(FURTHER_NETWORK_METHODS)])
            .unset(|edit, args| {
                let name = args.name()?;
                edit.candidate
                    .aaa
                    .authorization_network
                    .remove(name.value.as_str());
                Ok(())
            })]),
            Node::refused("exec", "authorization of the router's own commands"),
            Node::refused("commands", "authorization of the router's own commands"),
            Node::refused("console", "authorization of the router's own commands"),
        ]),
        Node::refused("accounting", "AAA accounting"),
        Node::refused_block("group", "RADIUS server groups").prompting("config-sg-radius"),
        Node::refused_block("server", "RADIUS change of authorization")
            .prompting("config-locsvr-da-radius"),
        Node::refused_block("attribute", "AAA attribute lists").prompting("config-attr-list"),
        Node::refused("session-id", "shared session ids"),
        Node::word("local", "AAA Local method options").then(&[Node::word(
            "authentication",
            "Local authentication",
        )
        .then(&[
            Node::word("attempts", "Authentication attempts").then(&[Node::word(
                "max-fail",
                "Maximum number of failed attempts before a user is locked out",
            )
            .then(&[
                Node::number(1, 65535, "Failed attempts in a row").set(|edit, args| {
                    edit.candidate.aaa.max_fail = Some(args.number()?);
                    Ok(())
                }),
            ])
            .unset(|edit, _| {
                edit.candidate.aaa.max_fail = None;
                Ok(())
            })]),
        ])]),
        Node::refused("max-sessions", "limits of sessions by command"),
        Node::refused("common-criteria", "password rules"),
    ]),
    Node::word("username", "Establish User Name Authentication").then(&[Node::name("User name")
        .then(&[
            Node::word("password", "Specify the password for the user").then(PASSWORD),
            Node::word("privilege", "Set user privilege level").then(&[Node::number(
                0,
                15,
                "User privilege level",
            )
            .set(set_user)
            .then(&[
                Node::word("password", "Specify the password for the user").then(PASSWORD),
                Node::refused("secret", "hashed user secrets"),
            ])]),
            Node::refused("secret", "hashed user secrets"),
            Node::refused("nopassword", "users without a password"),
            Node::refused("view", "views of commands"),
            Node::refused("one-time", "users that may log in once"),
            Node::refused("aaa", "AAA attribute lists"),
            Node::refused("autocommand", "the router's own logins"),
        ])
        .unset(|edit, args| {
            let name = args.name()?;
            edit.candidate.users.remove(name.value.as_str());
            Ok(())
        })]),
];

/// What may stand behind the first method of a login on a router.
const FURTHER_LOGIN_METHODS: &[Node] = &[
    Node::refused("group", "RADIUS server groups"),
    Node::refused("local-case", "case-sensitive local user names"),
    Node::refused("enable", "enable passwords"),
    Node::refused("line", "line passwords"),
    Node::refused("cache", "caches of AAA answers"),
    Node::refused("krb5", "Kerberos"),
    Node::refused("none", "login without authentication"),
];

/// What may stand behind the first method of an authorization for the network on a router.
const FURTHER_NETWORK_METHODS: &[Node] = &[
    Node::refused("group", "RADIUS server groups"),
    Node::refused("cache", "caches of AAA answers"),
    Node::refused("if-authenticated", "authorization by authentication"),
    Node::refused("none", "networks without authorization"),
];

const PASSWORD: &[Node] = &[
    Node::choice(Encoding::KEYWORDS).then(&[Node::value(
        Token::Line,
        "The password in that encoding",
    )
    .set(set_user)]),
    Node::value(Token::Line, "The UNENCRYPTED (cleartext) user password").set(set_user),
];

/// Refuses a text whose first word is a type that its line does not have: taken for a password in clear, it would be one that
/// nobody has chosen.
pub(super) fn known_type(
    edit: &Edit<'_>,
    args: &Args<'_>,
    types: &[&str],
) -> Result<(), Box<Diagnostic>> {
    let Some(unknown) = unknown_type(args.rest()) else {
        return Ok(());
    };
    let at = args.rest_span().unwrap_or_else(|| edit.at.clone());
    let why = format!("type {unknown} is not known here; what is to begin so stands behind `0`");
    let fault = objection(Fault::Value, Span { len: 1, ..at }, why);
    let types = types.iter().map(|one| String::from(*one));
    Err(Box::new(fault.expecting(types)))
}

fn set_user(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let with_password = args.has("password");
    let name = Located::new(args.name()?.value, edit.at.clone());
    let privilege = args.maybe_number::<u8>();
    let encoding = args.maybe_keyword(Encoding::from_keyword);
    if with_password && encoding.is_none() {
        known_type(edit, args, &["0", "7"])?;
    }
    let password = match encoding.map(|encoding| encoding.value) {
        _ if !with_password => None,
        None | Some(Encoding::Plain) => Some(Password::plain(args.rest())),
        Some(Encoding::Hidden) => {
            let why = "not a type 7 text: two digits up to 52, then pairs of hexadecimal digits";
            let at = args.rest_span().unwrap_or_else(|| edit.at.clone());
            Some(Password::hidden(args.rest()).ok_or_else(|| objection(Fault::Value, at, why))?)
        }
    };
    let user = edit
        .candidate
        .users
        .get_or_insert_with(&name, User::default);
    if let Some(privilege) = privilege {
        user.privilege = privilege.value;
    }
    if password.is_some() {
        user.password = password;
    }
    Ok(())
}
