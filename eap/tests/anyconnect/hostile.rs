//! Bad input: every one is a named error or a discard, none is a login, none costs anything.

use std::sync::Arc;

use ironflex_eap::{
    anyconnect::{
        CertificateIdentity, Client, ClientConfig, ClientFailure, ClientStep, DocumentError,
        FailureReason, Server, Step, config_auth::Document, frame::FrameError,
    },
    packet::Packet,
};

use crate::{
    captures::{CERT, Capture, SKF, headend},
    support::{request, server_config, session},
};

/// What a headend says to an `init` that reads `xml`.
fn refusal(xml: &[u8]) -> FailureReason {
    let (server, _) = Server::start(Arc::new(server_config()), session());
    let frame = ironflex_eap::anyconnect::frame::Frame::of_document(xml);
    match server.handle(&frame.to_response(1).unwrap()) {
        Step::Failure { packet, reason } => {
            assert_eq!(packet, [4, 1, 0, 4]);
            reason
        }
        _ => panic!("taken"),
    }
}

#[test]
fn refuses_a_billion_laughs() {
    let mut bomb =
        String::from("<?xml version=\"1.0\"?><!DOCTYPE config-auth [<!ENTITY lol0 \"lol\">");
    for level in 1..10 {
        let references = format!("&lol{};", level - 1).repeat(10);
        bomb.push_str(&format!("<!ENTITY lol{level} \"{references}\">"));
    }
    bomb.push_str("]><config-auth type='init'><group-access>&lol9;</group-access></config-auth>");
    assert_eq!(
        refusal(bomb.as_bytes()),
        FailureReason::InvalidDocument(DocumentError::DoctypeRefused { offset: 21 })
    );
    // Without its definitions the reference alone is refused.
    assert_eq!(
        refusal(b"<config-auth type='init'>&lol9;</config-auth>"),
        FailureReason::InvalidDocument(DocumentError::EntityRefused { offset: 25 })
    );
}

#[test]
fn refuses_external_entities() {
    let document = b"<!DOCTYPE config-auth [<!ENTITY file SYSTEM \"file:///etc/passwd\">]>\
                     <config-auth type='init'><group-access>&file;</group-access></config-auth>";
    assert_eq!(
        refusal(document),
        FailureReason::InvalidDocument(DocumentError::DoctypeRefused { offset: 0 })
    );
}

#[test]
fn refuses_a_megabyte() {
    let document = format!(
        "<config-auth type='init'>{}</config-auth>",
        " ".repeat(1 << 20)
    );
    assert_eq!(
        Document::parse(document.as_bytes()).err(),
        Some(DocumentError::TooLong {
            octets: document.len()
        })
    );
}

#[test]
fn refuses_depth_width_and_attributes() {
    let depth = format!("<config-auth type='init'>{}", "<a>".repeat(10_000));
    assert_eq!(
        refusal(depth.as_bytes()),
        FailureReason::InvalidDocument(DocumentError::TooDeep { offset: 121 })
    );
    let width = format!(
        "<config-auth type='init'>{}</config-auth>",
        "<a/>".repeat(10_000)
    );
    assert_eq!(
        refusal(width.as_bytes()),
        FailureReason::InvalidDocument(DocumentError::TooManyNodes)
    );
    let attributes: String = (0..5_000).map(|number| format!(" a{number}=''")).collect();
    assert_eq!(
        refusal(format!("<config-auth{attributes}/>").as_bytes()),
        FailureReason::InvalidDocument(DocumentError::TooManyAttributes { offset: 0 })
    );
}

#[test]
fn refuses_namespaces_that_an_xml_reader_would_copy_for_every_element() {
    // Sixty declarations on each of thirty levels, then elements that add one each: 18 s in the XML
    // library.
    let mut bomb = String::from("<config-auth type='init'>");
    for level in 0..30 {
        let declarations: String = (0..60)
            .map(|number| format!(" xmlns:n{level}_{number}='{level}.{number}'"))
            .collect();
        bomb.push_str(&format!("<a{declarations}>"));
    }
    bomb.push_str(&"<c xmlns:z='y'/>".repeat(200));
    bomb.push_str(&"</a>".repeat(30));
    bomb.push_str("</config-auth>");
    assert_eq!(
        refusal(bomb.as_bytes()),
        FailureReason::InvalidDocument(DocumentError::TooManyNamespaces { offset: 25 })
    );
}

#[test]
fn refuses_what_is_not_xml() {
    let invalid = |error| FailureReason::InvalidDocument(error);
    assert_eq!(
        refusal(b"<config-auth type='init'>\xff</config-auth>"),
        invalid(DocumentError::NotUtf8 { valid: 25 })
    );
    assert_eq!(
        refusal(b""),
        invalid(DocumentError::NotWellFormed { line: 1, column: 1 })
    );
    assert_eq!(
        refusal(b"<config-auth type='init'>\n</x>"),
        invalid(DocumentError::NotWellFormed { line: 2, column: 1 })
    );
    assert_eq!(
        refusal(b"<config-auth type='init'>a\0b</config-auth>"),
        invalid(DocumentError::NotWellFormed {
            line: 1,
            column: 27
        })
    );
    // UTF-16 is not read even when it says what it is.
    let utf16: Vec<u8> = "<config-auth/>"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert!(matches!(
        refusal(&utf16),
        FailureReason::InvalidDocument(DocumentError::NotWellFormed { .. })
    ));
}

#[test]
fn refuses_packets_without_a_document() {
    let (server, _) = Server::start(Arc::new(server_config()), session());
    let mut bare = CERT.init[..12].to_vec();
    bare[2..4].copy_from_slice(&12_u16.to_be_bytes());
    let Step::Failure { reason, .. } = server.handle(&bare) else {
        panic!("taken")
    };
    assert_eq!(
        reason,
        FailureReason::InvalidFrame(FrameError::MissingDocument)
    );

    bare[0] = 1;
    let ClientStep::Failed(failure) = Client::new(ClientConfig::default()).handle(&bare) else {
        panic!("taken")
    };
    assert_eq!(
        failure,
        ClientFailure::InvalidFrame(FrameError::MissingDocument)
    );
}

/// A headend that waits for the capture's response of this number, and that response made to fit
/// it.
fn waiting_for(capture: &Capture, number: usize) -> (Server, Vec<u8>) {
    let mut server = headend();
    let mut response = capture.init.to_vec();
    for step in 0..number {
        let (next, request) = match server.handle(&response) {
            Step::Request(next, request) => (next, request),
            Step::VerifyCertificate(waiting, _) => {
                match waiting.continue_with(Ok(CertificateIdentity {
                    username: "alice".into(),
                })) {
                    Step::Request(next, request) => (next, request),
                    _ => panic!("no request after the certificate"),
                }
            }
            _ => panic!("the capture does not get this far"),
        };
        server = next;
        response = match step {
            1 => capture.auth_reply_for(&request),
            _ => capture.responses()[step + 1].to_vec(),
        };
    }
    (server, response)
}

#[test]
fn every_truncation_of_every_captured_response_is_harmless() {
    for capture in [CERT, SKF] {
        for number in 0..4 {
            let (_, whole) = waiting_for(&capture, number);
            // From 12 octets on, the header survives and the length field is made to fit.
            for end in 0..whole.len() {
                let (server, _) = waiting_for(&capture, number);
                let mut cut = whole[..end].to_vec();
                if end >= 4 {
                    cut[2..4].copy_from_slice(&u16::try_from(end).unwrap().to_be_bytes());
                }
                let step = server.handle(&cut);
                assert!(
                    matches!(step, Step::Failure { .. } | Step::Discard(..)),
                    "response {number} cut to {end} octets was taken"
                );
            }
        }
    }
}

#[test]
fn no_flipped_octet_of_a_captured_response_panics_or_skips_a_step() {
    for capture in [CERT, SKF] {
        for number in 0..4 {
            let (_, whole) = waiting_for(&capture, number);
            for at in 0..whole.len() {
                for mask in [0x01, 0x80, 0xff] {
                    let (server, _) = waiting_for(&capture, number);
                    let mut flipped = whole.clone();
                    flipped[at] ^= mask;
                    match server.handle(&flipped) {
                        Step::Success { identity, .. } => {
                            // Only the last one may end well, and whatever it says changes nobody's
                            // name.
                            assert_eq!((number, identity.username.as_str()), (3, "alice"));
                        }
                        Step::CheckPassword(..) => panic!("a flipped octet asks for a password"),
                        Step::VerifyCertificate(..) => assert_eq!(number, 1),
                        Step::Request(..) | Step::Failure { .. } | Step::Discard(..) => {}
                    }
                }
            }
        }
    }
}

#[test]
fn no_flipped_or_cut_request_makes_a_client_believe_in_success() {
    for capture in [CERT, SKF] {
        for (number, whole) in capture.requests().into_iter().enumerate() {
            let client = || {
                let mut client = Client::new(ClientConfig::default());
                for request in &capture.requests()[..number] {
                    client = match client.handle(request) {
                        ClientStep::Respond(client, _) => client,
                        ClientStep::AskCertificate(waiting) => match waiting.decline() {
                            ClientStep::Respond(client, _) => client,
                            _ => panic!("no init"),
                        },
                        _ => panic!("the capture does not get this far"),
                    };
                }
                client
            };
            for at in 0..whole.len() {
                let mut cut = whole[..at].to_vec();
                if at >= 4 {
                    cut[2..4].copy_from_slice(&u16::try_from(at).unwrap().to_be_bytes());
                }
                assert!(
                    matches!(
                        client().handle(&cut),
                        ClientStep::Failed(_) | ClientStep::Discard(..)
                    ),
                    "request {number} cut to {at} octets was taken"
                );
                for mask in [0x01, 0x02, 0x80, 0xff] {
                    let mut flipped = whole.to_vec();
                    flipped[at] ^= mask;
                    let step = client().handle(&flipped);
                    assert!(!matches!(step, ClientStep::Succeeded(_)));
                }
            }
        }
    }
}

#[test]
fn a_failure_is_taken_wherever_it_comes() {
    let requests = [request(1, "<config-auth type='hello'/>")];
    let ClientStep::Respond(client, packet) =
        Client::new(ClientConfig::default()).handle(&requests[0])
    else {
        panic!("no init")
    };
    assert!(matches!(
        Packet::parse(&packet),
        Ok(Packet::Response { identifier: 1, .. })
    ));
    let ClientStep::Failed(failure) = client.handle(&[4, 1, 0, 4]) else {
        panic!("not taken")
    };
    assert_eq!(failure, ClientFailure::Refused { error: None });
    // A Failure is no response either.
    let (server, _) = Server::start(Arc::new(server_config()), session());
    assert!(matches!(server.handle(&[4, 1, 0, 4]), Step::Discard(..)));
}
