//! What holds for any input.

use std::sync::Arc;

use ironflex_eap::{
    Secret,
    anyconnect::{
        Client, ClientConfig, ClientStep, Server, Step,
        config_auth::{
            Ack, Asks, AuthReply, AuthRequest, Complete, DeviceInfo, Document, Form, FormId,
            GroupOption, Hello, HostScan, Init, Input, InputKind, MacAddress, Message, Opaque,
            ProfileFile, Sha1Digest,
        },
        frame::Frame,
    },
};
use proptest::{collection::vec, option, prelude::*};

use crate::{
    captures::{CERT, headend},
    support::{document, server_config, session, xml},
};

/// Text that reads back as it was: nothing to trim, no control characters.
fn text() -> impl Strategy<Value = String> {
    "[!-~é€😀][ -~é€😀]{0,20}".prop_map(|text| text.trim().to_string())
}

/// A password: whatever XML can express, white space at its ends included.
fn password() -> impl Strategy<Value = String> {
    "[\t\n\r -~é€😀\u{85}\u{9b}]{0,40}"
}

fn opaque() -> impl Strategy<Value = Opaque> {
    (text(), text()).prop_map(|(group, hash)| {
        Opaque::for_gateway([("tunnel-group", group.as_str()), ("config-hash", &hash)])
    })
}

fn device() -> impl Strategy<Value = DeviceInfo> {
    let mac = (text(), any::<bool>()).prop_map(|(address, public_interface)| MacAddress {
        address,
        public_interface,
    });
    let texts = (
        option::of(text()),
        option::of(text()),
        option::of(text()),
        option::of(text()),
        option::of(text()),
        option::of(text()),
        option::of(text()),
    );
    (texts, vec(mac, 0..3)).prop_map(|(texts, mac_addresses)| DeviceInfo {
        client_version: texts.0,
        computer_name: texts.1,
        device_type: texts.2,
        platform_version: texts.3,
        unique_id: texts.4,
        unique_id_global: texts.5,
        platform: texts.6,
        mac_addresses,
    })
}

fn message() -> impl Strategy<Value = Message> {
    let parameter = || prop_oneof![Just(String::new()), text()];
    (any::<Option<u32>>(), parameter(), parameter(), text()).prop_map(
        |(id, param1, param2, text)| Message {
            id,
            param1,
            param2,
            text,
        },
    )
}

fn form() -> impl Strategy<Value = Form> {
    let id = prop_oneof![
        Just(FormId::Main),
        Just(FormId::Challenge),
        Just(FormId::Other("next".into()))
    ];
    let kind = prop_oneof![
        Just(InputKind::Text),
        Just(InputKind::Password),
        Just(InputKind::Other("sso".into()))
    ];
    let input = (kind, text(), option::of(text())).prop_map(|(kind, name, label)| Input {
        kind,
        name,
        label,
    });
    let group = (text(), text(), any::<bool>()).prop_map(|(name, label, selected)| GroupOption {
        name,
        label,
        selected,
    });
    let texts = (
        option::of(text()),
        option::of(message()),
        option::of(text()),
        option::of(message()),
    );
    (id, texts, vec(input, 0..3), vec(group, 0..3)).prop_map(|(id, texts, inputs, groups)| Form {
        id,
        title: texts.0,
        message: texts.1,
        banner: texts.2,
        error: texts.3,
        inputs,
        groups,
    })
}

fn sha1() -> impl Strategy<Value = Sha1Digest> {
    any::<[u8; 20]>().prop_map(Sha1Digest)
}

fn documents() -> impl Strategy<Value = Shown> {
    let hello = option::of(text()).prop_map(|version| Shown(Document::Hello(Hello { version })));
    let init = (
        device(),
        option::of(text()),
        option::of(text()),
        vec(text(), 0..3),
        option::of(opaque()),
        any::<bool>(),
    )
        .prop_map(
            |(device, group_access, group_select, capabilities, opaque, client_cert_fail)| {
                Shown(Document::Init(Init {
                    device,
                    group_access,
                    group_select,
                    capabilities,
                    opaque,
                    client_cert_fail,
                }))
            },
        );
    let asks = prop_oneof![
        Just(Asks::Certificate),
        Just(Asks::Nothing),
        form().prop_map(|form| Asks::Form(Box::new(form))),
    ];
    let host_scan = (option::of(text()), option::of(text()))
        .prop_map(|(ticket, token)| HostScan { ticket, token });
    let auth_request = (
        option::of(text()),
        option::of(opaque()),
        any::<Option<u16>>(),
        option::of(host_scan),
        asks,
    )
        .prop_map(|(version, opaque, csport, host_scan, asks)| {
            Shown(Document::AuthRequest(AuthRequest {
                version,
                opaque,
                csport,
                host_scan,
                asks,
            }))
        });
    let auth_reply = (
        device(),
        option::of(opaque()),
        option::of(text()),
        option::of(password()),
        option::of(text()),
        option::of(text()),
    )
        .prop_map(
            |(device, opaque, username, password, group_select, host_scan_token)| {
                Shown(Document::AuthReply(AuthReply {
                    device,
                    opaque,
                    username,
                    password: password.map(Secret::new),
                    group_select,
                    host_scan_token,
                }))
            },
        );
    let profile = (text(), text(), sha1()).prop_map(|(uri, service_type, sha1)| ProfileFile {
        uri,
        service_type,
        sha1,
    });
    let complete = (
        option::of(text()),
        any::<Option<u32>>(),
        option::of(password()),
        option::of(text()),
        option::of(sha1()),
        any::<Option<u16>>(),
        vec(profile, 0..3),
    )
        .prop_map(
            |(version, session_id, token, banner, server_cert_hash, csport, profiles)| {
                Shown(Document::Complete(Complete {
                    version,
                    session_id,
                    session_token: token.map(Secret::new),
                    banner,
                    server_cert_hash,
                    csport,
                    client_opaque: Some(Opaque::empty_for_client()),
                    profiles,
                }))
            },
        );
    let ack = device().prop_map(|device| Shown(Document::Ack(Ack { device })));
    prop_oneof![hello, init, auth_request, auth_reply, complete, ack]
}

/// A document that proptest may print: it needs `Debug`, which documents with secrets do not have.
struct Shown(Document);

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.to_xml())
    }
}

proptest! {
    #[test]
    fn every_document_round_trips(shown in documents()) {
        let xml = shown.0.to_xml();
        let parsed = Document::parse(xml.as_bytes());
        prop_assert!(parsed == Ok(shown.0), "{}", *xml);
    }

    #[test]
    fn every_truncated_document_is_an_error(shown in documents()) {
        let xml = shown.0.to_xml();
        // The last octets are "/>" or ">" and a newline: a document without its newline is whole.
        for end in (0..xml.len() - 1).filter(|end| xml.is_char_boundary(*end)) {
            prop_assert!(Document::parse(&xml.as_bytes()[..end]).is_err(), "{}", &xml[..end]);
        }
    }

    #[test]
    fn arbitrary_octets_are_never_a_document_and_never_panic(octets in vec(any::<u8>(), 0..512)) {
        prop_assert!(Document::parse(&octets).is_err());
    }

    #[test]
    fn arbitrary_markup_never_panics(
        markup in "(<[/!?]?(config-auth|auth|opaque|form|a)( (type|id)=['\"](init|main|auth-reply)['\"]?)?/?>|<!--|-->|<!\\[CDATA\\[|]]>|&[a-z#0-9]{0,4};?|[a-z ]){0,40}"
    ) {
        let _ = Document::parse(markup.as_bytes());
        let wrapped = format!("<config-auth type='auth-reply'>{markup}</config-auth>");
        let _ = Document::parse(wrapped.as_bytes());
    }

    #[test]
    fn arbitrary_packets_never_log_anyone_in(octets in vec(any::<u8>(), 0..256), header in any::<bool>()) {
        let mut packet = octets;
        if header && packet.len() >= 12 {
            let length = u16::try_from(packet.len()).unwrap();
            packet[..2].copy_from_slice(&[2, 1]);
            packet[2..4].copy_from_slice(&length.to_be_bytes());
            packet[4..12].copy_from_slice(&CERT.init[4..12]);
        }
        let (server, _) = Server::start(Arc::new(server_config()), session());
        let step = server.handle(&packet);
        prop_assert!(matches!(step, Step::Failure { .. } | Step::Discard(..)), "taken");
        if let Some(code) = packet.first_mut() {
            *code = 1;
        }
        let step = Client::new(ClientConfig::default()).handle(&packet);
        prop_assert!(!matches!(step, ClientStep::Succeeded(_)));
    }

    #[test]
    fn any_document_in_any_place_never_skips_the_certificate(shown in documents()) {
        let xml = shown.0.to_xml();
        let Step::Request(server, _) = headend().handle(CERT.init) else { panic!("no request") };
        let step = server.handle(&Frame::of_document(xml.as_bytes()).to_response(2).unwrap());
        prop_assert!(matches!(step, Step::Failure { .. }), "taken");
    }

    #[test]
    fn an_opaque_survives_a_client_that_keeps_every_octet(inner in "[ -%'-;=-~]{0,40}") {
        let asked = format!(
            "<config-auth type='auth-request'><opaque is-for='sg'>{inner}<x/></opaque>\
             <auth id='main'><authentication-complete/></auth></config-auth>"
        );
        let Ok(Document::AuthRequest(request)) = Document::parse(asked.as_bytes()) else {
            return Err(TestCaseError::reject("]]> in text"));
        };
        let reply = Document::AuthReply(AuthReply { opaque: request.opaque.clone(), ..AuthReply::default() });
        let packet = Frame::of_document(reply.to_xml().as_bytes()).to_response(1).unwrap();
        prop_assert!(xml(&packet).contains(&inner));
        let Document::AuthReply(read) = document(&packet) else { panic!("no auth-reply") };
        prop_assert_eq!(read.opaque, request.opaque);
    }
}
