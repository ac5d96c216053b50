//! `crypto ikev2 keyring`.

use alloc::{boxed::Box, string::String};

use super::{Args, Edit, Mode, aaa, ikev2_profile::identity, objection};
use crate::{
    error::{Diagnostic, Fault},
    model::{
        Located,
        ikev2::IdentityMatch,
        keyring::{KeyEncoding, KeyText, Peer, PeerKeys, Ppk},
        net::IpNet,
    },
    tree::{ModeKind, Node, Token},
};

pub(super) const KEYRING: &[Node] = &[Node::word("peer", "Configure a Peer and associated keys")
    .then(&[Node::name("Name of the peer block")
        .opens(&[ModeKind::Ikev2KeyringPeer])
        .set(|edit, args| {
            let name = Located::new(args.name()?.value, edit.at.clone());
            let (keyring, lines) = edit.keyring()?;
            lines.peers.get_or_insert_with(&name, Peer::default);
            let peer = name.value;
            *edit.mode = Mode::KeyringPeer { keyring, peer };
            Ok(())
        })
        .unset(|edit, args| {
            let name = args.name()?.value;
            let (keyring, lines) = edit.keyring()?;
            lines.peers.remove(name.as_str());
            *edit.mode = Mode::Object(ModeKind::Ikev2Keyring, keyring);
            Ok(())
        })])];

pub(super) const PEER: &[Node] = &[
    Node::word("description", "Specify a description of this peer")
        .then(&[
            Node::value(Token::Line, "Up to 80 characters").set(|edit, args| {
                edit.keyring_peer()?.description = Some(String::from(args.rest()));
                Ok(())
            }),
        ])
        .unset(|edit, _| {
            edit.keyring_peer()?.description = None;
            Ok(())
        }),
    Node::word("hostname", "Hostname of peer")
        .then(&[Node::text("Hostname").set(|edit, args| {
            edit.keyring_peer()?.hostname = Some(args.name()?.value);
            Ok(())
        })])
        .unset(|edit, args| {
            let name = args.maybe_name().map(|name| name.value);
            forget(&mut edit.keyring_peer()?.hostname, name.as_ref());
            Ok(())
        }),
    Node::word("address", "Specify IPv4/IPv6 address of peer")
        .then(ADDRESS)
        .unset(|edit, args| {
            let address = if args.are_none() {
                None
            } else {
                Some(address(edit, args)?)
            };
            forget(&mut edit.keyring_peer()?.address, address.as_ref());
            Ok(())
        }),
    Node::word("identity", "Specify IKE identity to use")
        .then(&[
            Node::word("address", "IP Address(es)").then(&[
                Node::value(Token::Ipv4, "IPv4 address prefix")
                    .set(set_identity)
                    .then(&[Node::value(Token::Netmask, "specify mask").set(set_identity)]),
                Node::value(Token::Ipv6Net, "IPv6 address prefix").set(set_identity),
            ]),
            Node::word("email", "Fully qualified email string").then(DOMAIN_OR_NAME),
            Node::word("fqdn", "Fully qualified domain name string").then(DOMAIN_OR_NAME),
            Node::word("key-id", "key-id opaque string")
                .then(&[Node::text("Specify the key-id string").set(set_identity)]),
        ])
        .unset(|edit, args| {
            let identity = if args.are_none() {
                None
            } else {
                Some(identity(args)?)
            };
            forget(&mut edit.keyring_peer()?.identity, identity.as_ref());
            Ok(())
        }),
    Node::word("pre-shared-key", "Specify the pre-shared key")
        .then(&[
            Node::word("local", "Specify signing key").then(KEY),
            Node::word("remote", "Specify verification key").then(KEY),
            Node::choice(KeyEncoding::KEYWORDS).then(&[Node::value(
                Token::Line,
                "The key in that encoding",
            )
            .set(set_key)]),
            Node::value(Token::Line, "The UNENCRYPTED (cleartext) pre-shared key").set(set_key),
        ])
        .unset(|edit, _| {
            edit.keyring_peer()?.keys = PeerKeys::None;
            Ok(())
        }),
    Node::word("ppk", "Specify ppk type and parameters")
        .then(&[
            Node::word("manual", "Manual PPK").then(&[Node::word("id", "Specify PPK-ID").then(&[
                Node::text("PPK-ID").then(&[Node::word("key", "Specify PPK").then(PPK)]),
            ])]),
            Node::refused("dynamic", "post-quantum pre-shared keys of a key provider"),
        ])
        .unset(|edit, _| {
            edit.keyring_peer()?.ppk = None;
            Ok(())
        }),
];

const PPK: &[Node] = &[Node::choice(KeyEncoding::KEYWORDS).then(PPK_KEY), PPK_TEXT];

const PPK_KEY: &[Node] = &[PPK_TEXT];

const PPK_TEXT: Node = Node::text("The post-quantum pre-shared key")
    .set(set_ppk)
    .then(&[Node::word("required", "Use of PPK is mandatory").set(set_ppk)]);

const ADDRESS: &[Node] = &[
    Node::value(Token::Ipv4, "IPv4 Address")
        .set(set_address)
        .then(&[Node::value(Token::Netmask, "specify mask").set(set_address)]),
    Node::value(Token::Ipv6Net, "IPv6 address prefix").set(set_address),
];

const DOMAIN_OR_NAME: &[Node] = &[
    Node::word("domain", "domain portion of the identity")
        .then(&[Node::text("Specify the domain").set(set_identity)]),
    Node::text("Specify the whole string").set(set_identity),
];

const KEY: &[Node] = &[
    Node::choice(KeyEncoding::KEYWORDS).then(&[Node::value(
        Token::Line,
        "The key in that encoding",
    )
    .set(set_key)]),
    Node::value(Token::Line, "The UNENCRYPTED (cleartext) pre-shared key").set(set_key),
];

/// Takes away what a peer has, unless something else is named.
fn forget<T: PartialEq>(has: &mut Option<T>, named: Option<&T>) {
    has.take_if(|has| named.is_none_or(|named| named == has));
}

fn address(edit: &Edit<'_>, args: &mut Args<'_>) -> Result<IpNet, Box<Diagnostic>> {
    let at = edit.at.clone();
    match identity(args)? {
        IdentityMatch::Ipv4(net) => Ok(IpNet::V4(net)),
        IdentityMatch::Ipv6(net) => Ok(IpNet::V6(net)),
        _ => Err(objection(Fault::Internal, at, "an address that is none")),
    }
}

fn set_address(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let address = address(edit, args)?;
    edit.keyring_peer()?.address = Some(address);
    Ok(())
}

fn set_identity(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let identity = identity(args)?;
    edit.keyring_peer()?.identity = Some(identity);
    Ok(())
}

fn set_key(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let key = key(edit, args)?;
    let (is_local, is_remote) = (args.has("local"), args.has("remote"));
    let keys = &mut edit.keyring_peer()?.keys;
    *keys = if is_local {
        PeerKeys::Each {
            local: Some(key),
            remote: each(keys).1,
        }
    } else if is_remote {
        PeerKeys::Each {
            local: each(keys).0,
            remote: Some(key),
        }
    } else {
        PeerKeys::Both(key)
    };
    Ok(())
}

fn set_ppk(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let id = args.name()?.value;
    let encoding = args.maybe_keyword(KeyEncoding::from_keyword);
    let encoding = encoding.map_or(KeyEncoding::Plain, |encoding| encoding.value);
    let text = args.name()?;
    let key = KeyText::new(encoding, text.value.as_str()).ok_or_else(|| {
        let message = "not made of pairs of hexadecimal digits";
        objection(Fault::Value, text.at.clone(), message)
    })?;
    edit.keyring_peer()?.ppk = Some(Ppk {
        id,
        key,
        required: args.has("required"),
    });
    Ok(())
}

/// What the lines with `local` and `remote` have said so far; they take the place of one for both.
fn each(keys: &PeerKeys) -> (Option<KeyText>, Option<KeyText>) {
    match keys {
        PeerKeys::None | PeerKeys::Both(_) => (None, None),
        PeerKeys::Each { local, remote } => (local.clone(), remote.clone()),
    }
}

/// The key that ends a line.
pub(super) fn key(edit: &Edit<'_>, args: &mut Args<'_>) -> Result<KeyText, Box<Diagnostic>> {
    let encoding = args.maybe_keyword(KeyEncoding::from_keyword);
    if encoding.is_none() {
        aaa::known_type(edit, args, &["0", "hex"])?;
    }
    let encoding = encoding.map_or(KeyEncoding::Plain, |encoding| encoding.value);
    KeyText::new(encoding, args.rest()).ok_or_else(|| {
        let at = args.rest_span().unwrap_or_else(|| edit.at.clone());
        objection(Fault::Value, at, "not made of pairs of hexadecimal digits")
    })
}
