//! `clear …`, which ends sessions and forgets what was counted or kept, and commands that have SAs replaced.

use super::{
    super::{ExecCommand, LocalUserMark, Rekeyed, Whose},
    Kind, Node, Token, Values, any_interface, interfaces, refused,
};

pub(super) const AAA: Node = Node::word("aaa", "Clear AAA values").then(&[Node::word(
    "local",
    "Clear AAA local method options",
)
.then(&[Node::word("user", "Clear AAA local user").then(&[
    Node::word("fail-attempts", "Clear AAA local user failed attempts")
        .then(of_local_users::<false>()),
    Node::word("lockout", "Clear AAA local user lockout").then(of_local_users::<true>()),
])])]);

/// Whose lockout is ended with `LOCKOUT`, or else whose wrong passwords are forgotten.
const fn of_local_users<const LOCKOUT: bool>() -> &'static [Node] {
    const {
        &[
            Node::word("all", "All local users")
                .run(|_| Some(ExecCommand::ClearLocalUser(mark(LOCKOUT), None))),
            Node::word("username", "One local user").then(
                const {
                    &[Node::value(Token::Name, "Username").run(|values| {
                        Some(ExecCommand::ClearLocalUser(
                            mark(LOCKOUT),
                            Some(values.text?),
                        ))
                    })]
                },
            ),
        ]
    }
}

const fn mark(lockout: bool) -> LocalUserMark {
    if lockout {
        LocalUserMark::Lockout
    } else {
        LocalUserMark::FailAttempts
    }
}

pub(super) const COUNTERS: Node = Node::word("counters", "Clear counters on one or all interfaces")
    .run(counters)
    .then(any_interface!(counters, then &[], beside []));

fn counters(values: Values) -> Option<ExecCommand> {
    Some(ExecCommand::ClearCounters(values.interface))
}

pub(super) const LOGGING: Node =
    Node::word("logging", "Clear logging buffer").run(|_| Some(ExecCommand::ClearLogging));

pub(super) const IKEV2: Node = Node::word("ikev2", "Clear IKEv2 commands").then(&[
    Node::word("sa", "Clear IKEv2 SAs")
        .run(|_| clear(Whose::All))
        .then(&[
            refused::CLEAR_IKEV2_FAST,
            refused::CLEAR_IKEV2_FVRF,
            LOCAL,
            refused::CLEAR_IKEV2_RECONNECT,
            REMOTE,
        ]),
    Node::word("stats", "Clear IKEv2 statistics").run(|_| Some(ExecCommand::ClearIkev2Stats)),
]);

/// A router's next packet makes new SAs; here they are made at once, and the old ones go then.
pub(super) const SA: Node = Node::word("sa", "Clear all crypto SAs")
    .run(|_| rekey(Rekeyed::Child, Whose::All))
    .then(&[
        // They are the kernel's.
        Node::word("counters", "Reset the SA counters (not here)")
            .run(|_| Some(ExecCommand::Unsupported("clear crypto sa counters"))),
        Node::word("peer", "Clear all SAs for a given crypto peer").then(&[Node::value(
            Token::Address,
            "Peer address",
        )
        .run(|values| rekey(Rekeyed::Child, Whose::Remote(values.address?)))]),
        Node::word("spi", "Clear SA by SPI (not here)")
            .run(|_| Some(ExecCommand::Unsupported("clear crypto sa spi"))),
    ]);

pub(super) const SESSION: Node = Node::word("session", "Clear crypto sessions (tunnels)")
    .run(|_| clear(Whose::All))
    .then(&[
        refused::CLEAR_SESSION_FVRF,
        refused::CLEAR_SESSION_IVRF,
        LOCAL,
        REMOTE,
        Node::word("username", "Clear crypto sessions for a username").then(&[Node::value(
            Token::Name,
            "Username",
        )
        .run(|values| clear(Whose::User(values.text?)))]),
    ]);

const LOCAL: Node = Node::word("local", "Clear crypto sessions for a local crypto endpoint")
    .then(&[Node::value(Token::Address, "Local address")
        .run(|values| clear(Whose::Local(values.address?)))]);

const REMOTE: Node = Node::word("remote", "Clear crypto sessions for a remote IKE peer")
    .then(&[Node::value(Token::Address, "Remote address")
        .run(|values| clear(Whose::Remote(values.address?)))]);

const fn clear(whose: Whose) -> Option<ExecCommand> {
    Some(ExecCommand::ClearCryptoSession(whose))
}

pub(super) const REKEY: &[Node] = &[
    Node::word("ikev2", "Rekey the IKEv2 SAs")
        .run(|_| rekey(Rekeyed::Ike, Whose::All))
        .then(whose_to_rekey::<false>()),
    Node::word("ipsec", "Rekey the IPsec SAs")
        .run(|_| rekey(Rekeyed::Child, Whose::All))
        .then(whose_to_rekey::<true>()),
];

/// Whose SAs are to be rekeyed: those of `CHILD`, or else IKE's.
const fn whose_to_rekey<const CHILD: bool>() -> &'static [Node] {
    const {
        &[
            Node::word("remote", "Those with a remote IKE peer").then(
                const {
                    &[Node::value(Token::Address, "Remote address")
                        .run(|values| rekey(rekeyed(CHILD), Whose::Remote(values.address?)))]
                },
            ),
            Node::word("username", "Those of a username").then(
                const {
                    &[Node::value(Token::Name, "Username")
                        .run(|values| rekey(rekeyed(CHILD), Whose::User(values.text?)))]
                },
            ),
        ]
    }
}

const fn rekeyed(child: bool) -> Rekeyed {
    if child { Rekeyed::Child } else { Rekeyed::Ike }
}

const fn rekey(what: Rekeyed, whose: Whose) -> Option<ExecCommand> {
    Some(ExecCommand::TestRekey(what, whose))
}
