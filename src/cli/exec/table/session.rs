//! `show crypto session …`.

use super::{
    super::{
        super::show::{SessionFilter, SessionQuery},
        ExecCommand, Show,
    },
    Kind, Node, Token, Values, interfaces, number_of_session, refused, show, virtual_access,
};

const SESSION_DETAIL: &str = "Detailed information";
const SESSION_ACTIVE: &str = "Show crypto sessions that are up with IPsec SAs";
const SESSION_INTERFACE: &str = "Show crypto sessions on an interface";
const SESSION_LOCAL: &str = "Show crypto sessions for a local crypto endpoint";
const SESSION_REMOTE: &str = "Show crypto sessions for a remote IKE peer";
const SESSION_USERNAME: &str = "Show crypto sessions for a username";

pub(super) const CRYPTO_SESSION: Node = Node::word("session", "Show crypto sessions (tunnels)")
    .run(|_| session(false, None))
    .then(&[
        Node::word("active", SESSION_ACTIVE)
            .run(|_| session(false, Some(SessionFilter::Active)))
            .then(&[Node::word("detail", SESSION_DETAIL)
                .run(|_| session(true, Some(SessionFilter::Active)))]),
        Node::word("brief", "Brief summary of the crypto sessions")
            .run(|_| show(Show::CryptoSessionBrief)),
        Node::word("detail", SESSION_DETAIL)
            .run(|_| session(true, None))
            .then(&[
                Node::word("active", SESSION_ACTIVE)
                    .run(|_| session(true, Some(SessionFilter::Active))),
                Node::word("interface", SESSION_INTERFACE)
                    .then(virtual_access!(|values| of_interface(true, &values))),
                Node::word("local", SESSION_LOCAL).then(&[Node::value(
                    Token::Address,
                    "Local address",
                )
                .run(|values| session(true, Some(SessionFilter::Local(values.address?))))]),
                Node::word("remote", SESSION_REMOTE).then(&[Node::value(
                    Token::Address,
                    "Remote address",
                )
                .run(|values| session(true, Some(SessionFilter::Remote(values.address?))))]),
                Node::word("username", SESSION_USERNAME).then(&[Node::value(
                    Token::Name,
                    "Username",
                )
                .run(|values| session(true, Some(SessionFilter::Username(values.text?))))]),
            ]),
        refused::SESSION_FVRF,
        Node::word("groups", "Show groups' usage of the crypto sessions")
            .run(|_| show(Show::CryptoSessionGroups)),
        Node::word("interface", SESSION_INTERFACE).then(virtual_access!(
            |values| of_interface(false, &values),
            then & [Node::word("detail", SESSION_DETAIL).run(|values| of_interface(true, &values))]
        )),
        refused::SESSION_IVRF,
        Node::word("local", SESSION_LOCAL).then(&[Node::value(Token::Address, "Local address")
            .run(|values| session(false, Some(SessionFilter::Local(values.address?))))
            .then(&[Node::word("detail", SESSION_DETAIL)
                .run(|values| session(true, Some(SessionFilter::Local(values.address?))))])]),
        Node::word("remote", SESSION_REMOTE).then(&[Node::value(Token::Address, "Remote address")
            .run(|values| session(false, Some(SessionFilter::Remote(values.address?))))
            .then(&[Node::word("detail", SESSION_DETAIL)
                .run(|values| session(true, Some(SessionFilter::Remote(values.address?))))])]),
        refused::SESSION_STANDBY,
        Node::word(
            "summary",
            "Show users of the crypto sessions and their logins",
        )
        .run(|_| show(Show::CryptoSessionSummary)),
        Node::word("username", SESSION_USERNAME).then(&[Node::value(Token::Name, "Username")
            .run(|values| session(false, Some(SessionFilter::Username(values.text?))))
            .then(&[Node::word("detail", SESSION_DETAIL)
                .run(|values| session(true, Some(SessionFilter::Username(values.text?))))])]),
    ]);

pub(in super::super) fn session(
    detail: bool,
    filter: Option<SessionFilter>,
) -> Option<ExecCommand> {
    show(Show::CryptoSession(SessionQuery { detail, filter }))
}

fn of_interface(detail: bool, values: &Values) -> Option<ExecCommand> {
    session(
        detail,
        Some(SessionFilter::Interface(number_of_session(values)?)),
    )
}
