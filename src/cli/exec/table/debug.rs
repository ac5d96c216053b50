//! `debug …`, and what turns it off.

use super::{
    super::{DebugFlag, ExecCommand},
    Node, Token, Values,
};

pub(super) const DEBUG: &[Node] = &[DEBUG_AAA, DEBUG_ALL, DEBUG_CRYPTO, DEBUG_RADIUS];

/// A router asks whether that is meant, for it would stop; whoever looks for it is told what there is.
const DEBUG_ALL: Node = Node::word("all", "Enable all debugging (not here)").run(|_| {
    Some(ExecCommand::Instead(
        "debug all",
        "turn on what is wanted: 'debug crypto ikev2', 'debug crypto ikev2 internal', 'debug crypto ikev2 packet', \
         'debug crypto ipsec', 'debug crypto pki', 'debug aaa authentication', 'debug aaa authorization'",
    ))
});

/// There is no RADIUS here, and whoever looks for it is told.
const DEBUG_RADIUS: Node = Node::word("radius", "RADIUS protocol (not here)")
    .run(|_| Some(ExecCommand::Unsupported("debug radius")));

pub(super) const UNDEBUG: &[Node] = &[
    DEBUG_AAA,
    Node::word("all", "All debugging").run(|_| Some(ExecCommand::UndebugAll)),
    DEBUG_CRYPTO,
];

const DEBUG_AAA: Node =
    Node::word("aaa", "AAA Authentication, Authorization and Accounting").then(&[
        Node::word("accounting", "Accounting (not here)")
            .run(|_| Some(ExecCommand::Unsupported("debug aaa accounting"))),
        Node::word("authentication", "Authentication")
            .run(|values| debug(&values, DebugFlag::AaaAuthentication)),
        Node::word("authorization", "Authorization")
            .run(|values| debug(&values, DebugFlag::AaaAuthorization)),
    ]);

const DEBUG_CRYPTO: Node = Node::word("crypto", "Cryptographic subsystem").then(&[
    super::show::CONDITION,
    Node::word("ikev2", "IKEv2 debugging")
        .run(|values| debug(&values, DebugFlag::Ikev2))
        .then(&[
            Node::word("error", "IKEv2 error debugging")
                .run(|values| debug(&values, DebugFlag::Ikev2Error)),
            Node::word("internal", "IKEv2 internal debugging")
                .run(|values| debug(&values, DebugFlag::Ikev2Internal)),
            Node::word(
                "keylog",
                "Write the keys of new SAs to tables for Wireshark",
            )
            .run(key_log)
            .then(&[Node::value(Token::Line, "Folder of the tables, from / on").run(key_log)]),
            Node::word("packet", "IKEv2 packet debugging")
                .run(|values| debug(&values, DebugFlag::Ikev2Packet)),
        ]),
    Node::word("ipsec", "IPSEC processing").run(|values| debug(&values, DebugFlag::CryptoIpsec)),
    Node::word("pki", "PKI debugging").run(|values| debug(&values, DebugFlag::CryptoPki)),
]);

const fn debug(values: &Values, flag: DebugFlag) -> Option<ExecCommand> {
    Some(if values.off {
        ExecCommand::NoDebug(flag)
    } else {
        ExecCommand::Debug(flag)
    })
}

/// Turning it off needs no folder, and passes over one that is given.
fn key_log(values: Values) -> Option<ExecCommand> {
    if values.off {
        return Some(ExecCommand::KeyLog(None));
    }
    Some(ExecCommand::KeyLog(Some(values.text?)))
}
