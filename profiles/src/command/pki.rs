//! `crypto pki`.

use alloc::{boxed::Box, format};

use super::{Args, Edit, Mode, objection};
use crate::{
    error::{Diagnostic, Fault},
    model::{
        Action, Located,
        pki::{Enrollment, KeyPair, RevocationCheck, Trustpoint},
    },
    password::Secret,
    tree::{ModeKind, Node, Token},
};

pub(super) const LINES: &[Node] = &[
    Node::word("trustpoint", "Define a CA trustpoint").then(&[Node::name("CA Server Name")
        .opens(&[ModeKind::Trustpoint])
        .set(|edit, args| {
            let name = args.name()?;
            edit.open(
                ModeKind::Trustpoint,
                &name,
                |c| &mut c.trustpoints,
                Trustpoint::default,
            );
            Ok(())
        })
        .unset(|edit, args| {
            let name = args.name()?;
            edit.candidate.trustpoints.remove(name.value.as_str());
            Ok(())
        })]),
    Node::word("import", "Import certificate or pkcs12").then(&[Node::name("CA Server Name")
        .then(&[
            Node::word("pkcs12", "Import from PKCS12 file").then(&[
                Node::value(Token::File, "PKCS12 file in bootflash").then(&[
                    Node::word("password", "Specify the passphrase of the file")
                        .then(&[PASSPHRASE]),
                    PASSPHRASE,
                ]),
                Node::refused("terminal", "import by cut and paste"),
            ]),
            Node::refused("certificate", "enrollment by hand"),
            Node::refused("pem", "import of PEM keys"),
        ])]),
    Node::word("authenticate", "Get the CA certificate").then(&[Node::name("CA Server Name")
        .refused_alone("authorities by cut and paste or enrollment; `pem bootflash:FILE` takes them from a file")
        .then(&[
            Node::word("pem", "Take it from a PEM file").then(&[Node::value(
                Token::File,
                "PEM file in bootflash",
            )
            .set(|edit, args| {
                let trustpoint = args.name()?.value;
                let file = args.file()?.value;
                let named = Located::new(trustpoint.clone(), edit.at.clone());
                let new = || Trustpoint {
                    enrollment: Some(Enrollment::TerminalPem),
                    revocation_check: Some(RevocationCheck::None),
                    key_pair: None,
                };
                edit.candidate.trustpoints.get_or_insert_with(&named, new);
                let action = Action::Authenticate { trustpoint, file };
                edit.candidate
                    .actions
                    .push(Located::new(action, edit.at.clone()));
                Ok(())
            })]),
        ])]),
    Node::word("certificate", "Actions on certificates").then(&[
        Node::refused_block("chain", "certificates inside the configuration")
            .prompting("config-cert-chain"),
        Node::refused_block("map", "certificate maps").prompting("ca-certificate-map"),
        Node::refused("storage", "certificate storage by command"),
    ]),
    Node::refused("enroll", "enrollment"),
    Node::refused("export", "export of keys"),
    Node::refused_block("server", "a certificate server").prompting("cs-server"),
    Node::refused_block("profile", "enrollment profiles").prompting("ca-profile-enroll"),
    Node::refused("trustpool", "the trustpool"),
    Node::refused("crl", "revocation checks by certificate revocation list"),
    Node::refused("validate", "validation by command"),
    Node::refused("token", "hardware tokens"),
];

const PASSPHRASE: Node =
    Node::value(Token::Line, "Passphrase used to protect the pkcs12 file").set(import_pkcs12);

fn import_pkcs12(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let trustpoint = args.name()?.value;
    let file = args.file()?.value;
    let named = Located::new(trustpoint.clone(), edit.at.clone());
    let left = edit
        .candidate
        .trustpoints
        .get_or_insert_with(&named, Trustpoint::default);
    left.enrollment = Some(Enrollment::Pkcs12);
    left.revocation_check = Some(RevocationCheck::None);
    let password = Secret::new(args.rest());
    let action = Action::ImportPkcs12 {
        trustpoint,
        file,
        password,
    };
    edit.candidate
        .actions
        .push(Located::new(action, edit.at.clone()));
    Ok(())
}

pub(super) const TRUSTPOINT: &[Node] = &[
    Node::word("enrollment", "Enrollment parameters")
        .then(&[
            Node::word("pkcs12", "Enroll from a PKCS12 file").set(|edit, _| {
                edit.trustpoint()?.enrollment = Some(Enrollment::Pkcs12);
                Ok(())
            }),
            Node::word("terminal", "Enroll via the terminal (cut-and-paste)")
                .set(|edit, _| {
                    edit.trustpoint()?.enrollment = Some(Enrollment::Terminal);
                    Ok(())
                })
                .then(&[Node::word("pem", "PEM encapsulated").set(|edit, _| {
                    edit.trustpoint()?.enrollment = Some(Enrollment::TerminalPem);
                    Ok(())
                })]),
            Node::refused("url", "enrollment over SCEP, EST or ACME"),
            Node::refused("profile", "enrollment profiles"),
            Node::refused("selfsigned", "self-signed identities (clients refuse them)"),
            Node::refused("mode", "registration authorities"),
            Node::refused("retry", "enrollment over SCEP, EST or ACME"),
        ])
        .unset(|edit, _| {
            edit.trustpoint()?.enrollment = None;
            Ok(())
        }),
    Node::word("revocation-check", "Revocation checking options")
        .then(&[Node::choice(RevocationCheck::KEYWORDS)
            .set(|edit, args| {
                let check = args.keyword(RevocationCheck::from_keyword)?.value;
                edit.trustpoint()?.revocation_check = Some(check);
                Ok(())
            })
            .then(&[
                Node::refused("crl", "revocation checks by certificate revocation list"),
                Node::refused("ocsp", "revocation checks by OCSP"),
            ])])
        .unset(|edit, _| {
            edit.trustpoint()?.revocation_check = None;
            Ok(())
        }),
    Node::word("rsakeypair", "Specify rsakeypair for this identity")
        .then(&[Node::name("RSA keypair label")
            .set(set_key_pair)
            .then(&[Node::refused_value(
                Token::Number {
                    min: 0,
                    max: u32::MAX,
                },
                "key pairs made by command (they come with their certificate)",
            )])])
        .unset(|edit, _| forget_key_pair(edit, KeyPair::Rsa)),
    Node::word("eckeypair", "Specify eckeypair for this identity")
        .then(&[Node::name("EC keypair label").set(set_key_pair)])
        .unset(|edit, _| forget_key_pair(edit, KeyPair::Ec)),
    Node::refused("authorization", "authorization by certificate fields"),
    Node::refused("auto-enroll", "enrollment"),
    Node::refused("ca-check-strict", "checks of an authority by command"),
    Node::refused_even_negated("chain-validation", "chain validation by command"),
    Node::refused("crl", "revocation checks by certificate revocation list"),
    Node::refused("eku", "enrollment"),
    Node::refused("fingerprint", "enrollment"),
    Node::refused("fqdn", "enrollment"),
    Node::refused("hash", "enrollment"),
    Node::refused("ip-address", "enrollment"),
    Node::refused("match", "certificate maps"),
    Node::refused("ocsp", "revocation checks by OCSP"),
    Node::refused("password", "enrollment"),
    Node::refused("primary", "a primary trustpoint"),
    Node::refused("serial-number", "enrollment"),
    Node::refused("source", "enrollment"),
    Node::refused_even_negated("storage", "certificate storage by command"),
    Node::refused("subject-alt-name", "enrollment"),
    Node::refused("subject-name", "enrollment"),
    Node::refused("usage", "trustpoint usage by command"),
    Node::refused("vrf", "VRFs"),
];

fn set_key_pair(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let label = args.name()?;
    if !matches!(&*edit.mode, Mode::Object(_, own) if *own == label.value) {
        let why = format!(
            "not supported by this headend: a key pair `{}` apart from its trustpoint",
            label.value
        );
        return Err(objection(Fault::Unsupported, label.at, why));
    }
    let kind = if args.has("eckeypair") {
        KeyPair::Ec
    } else {
        KeyPair::Rsa
    };
    edit.trustpoint()?.key_pair = Some(kind);
    Ok(())
}

fn forget_key_pair(edit: &mut Edit<'_>, kind: KeyPair) -> Result<(), Box<Diagnostic>> {
    let trustpoint = edit.trustpoint()?;
    trustpoint.key_pair = trustpoint.key_pair.filter(|known| *known != kind);
    Ok(())
}
