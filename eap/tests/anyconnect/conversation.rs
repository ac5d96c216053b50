//! Whole conversations, headend against client (docs/anyconnect-eap.md, Conversation).

use std::{cell::RefCell, sync::Arc};

use ironflex_eap::{
    anyconnect::{
        AfterCertificate, CertificateIdentity, CertificatePolicy, CertificateRejected,
        ClientFailure, DiscardReason, FailureReason, MAX_REQUESTS, Misbehaviour, Server,
        ServerConfig, Step, Verdict, WithoutCertificate,
        config_auth::{Asks, Document, DocumentKind, FormId, Message, ProfileFile, Sha1Digest},
    },
    packet::{Method, Packet},
};

use crate::support::{
    Outcome, Outside, TOKEN, User, client_config, document, headend_side, request, response, run,
    server_config, session,
};

const LOGIN: [&str; 7] = [
    "> 1 hello",
    "< 1 init",
    "> 2 auth-request",
    "< 2 auth-reply",
    "> 3 complete",
    "< 3 ack",
    "> 3 success",
];

fn with_certificate(without: WithoutCertificate, after: AfterCertificate) -> ServerConfig {
    ServerConfig {
        certificate: CertificatePolicy::Request { without, after },
        ..server_config()
    }
}

fn login_failed() -> Message {
    Message {
        id: Some(15),
        text: "Login failed.".into(),
        ..Message::default()
    }
}

#[test]
fn a_right_password_logs_in() {
    let Outcome {
        headend,
        client,
        flow,
    } = run(server_config(), client_config(), &mut Outside::default());
    assert_eq!(flow, LOGIN);

    let identity = headend.unwrap_or_else(|reason| panic!("{reason}"));
    assert_eq!(identity.username, "test");
    assert_eq!(identity.group, None);
    assert_eq!(identity.certificate, None);
    assert_eq!(identity.device, client_config().device);
    assert_eq!(identity.group_access.as_deref(), Some("vpn.example.com"));
    assert_eq!(identity.skipped_tlvs, []);
    assert_eq!(identity.session.token.expose(), TOKEN);

    let session = client.unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(session.session_id, Some(2_152_177_229));
    assert!(
        session
            .session_token
            .is_some_and(|token| token.matches(TOKEN.as_bytes()))
    );
    assert_eq!(session.csport, Some(443));
    assert_eq!(
        session.server_cert_hash,
        Some(server_config().server_cert_hash)
    );
    // docs/anyconnect-eap.md, Downloads: nothing is advertised that is not served.
    assert_eq!(session.profiles, []);
}

#[test]
fn a_wrong_password_asks_again_with_error_15_and_a_right_one_logs_in() {
    let errors = RefCell::new(Vec::new());
    let mut passwords = ["wrong", "cisco123"].into_iter();
    let mut outside = Outside {
        user: Box::new(|form| {
            errors.borrow_mut().push(form.error.clone());
            User::Types("test", passwords.next().unwrap())
        }),
        ..Outside::default()
    };
    let outcome = run(server_config(), client_config(), &mut outside);
    drop(outside);
    assert_eq!(
        outcome.flow,
        [
            "> 1 hello",
            "< 1 init",
            "> 2 auth-request",
            "< 2 auth-reply",
            "> 3 auth-request",
            "< 3 auth-reply",
            "> 4 complete",
            "< 4 ack",
            "> 4 success",
        ]
    );
    assert_eq!(errors.into_inner(), [None, Some(login_failed())]);
    assert!(outcome.headend.is_ok() && outcome.client.is_ok());
}

#[test]
fn who_is_accepted_has_the_name_that_the_database_gives() {
    let mut outside = Outside {
        judge: Box::new(|credentials| {
            assert_eq!(credentials.username, "TEST");
            Verdict::Accepted {
                username: "test".into(),
            }
        }),
        user: Box::new(|_| User::Types("TEST", "cisco123")),
        ..Outside::default()
    };
    let outcome = run(server_config(), client_config(), &mut outside);
    assert_eq!(outcome.headend.ok().unwrap().username, "test");
}

#[test]
fn three_wrong_passwords_fail_with_the_last_responses_identifier() {
    let attempts = RefCell::new(Vec::new());
    let mut outside = Outside {
        judge: Box::new(|credentials| {
            attempts.borrow_mut().push(credentials.attempt);
            Verdict::Rejected
        }),
        ..Outside::default()
    };
    let outcome = run(server_config(), client_config(), &mut outside);
    drop(outside);
    assert_eq!(attempts.into_inner(), [1, 2, 3]);
    // RFC 3748 §4.2: the Failure's identifier is the answered response's.
    assert_eq!(
        outcome.flow[6..],
        ["> 4 auth-request", "< 4 auth-reply", "> 4 failure"]
    );
    let expected = FailureReason::LoginFailed {
        tries: 3,
        username: "test".into(),
    };
    assert_eq!(outcome.headend.err(), Some(expected));
    let expected = ClientFailure::Refused {
        error: Some(login_failed()),
    };
    assert_eq!(outcome.client.err(), Some(expected));
}

#[test]
fn an_empty_password_is_wrong_without_anyone_being_asked() {
    for (username, password) in [("test", ""), ("", "cisco123")] {
        let mut outside = Outside {
            judge: Box::new(|_| panic!("asked about {username:?} {password:?}")),
            user: Box::new(move |_| User::Types(username, password)),
            ..Outside::default()
        };
        let outcome = run(server_config(), client_config(), &mut outside);
        let expected = FailureReason::LoginFailed {
            tries: 3,
            username: username.into(),
        };
        assert_eq!(outcome.headend.err(), Some(expected));
    }
}

#[test]
fn an_unavailable_database_fails_without_a_try() {
    let mut outside = Outside {
        judge: Box::new(|_| Verdict::Unavailable),
        ..Outside::default()
    };
    let outcome = run(server_config(), client_config(), &mut outside);
    assert_eq!(outcome.flow.len(), 5);
    assert_eq!(outcome.headend.err(), Some(FailureReason::Unavailable));
}

#[test]
fn a_change_of_group_gets_that_groups_form_and_is_no_failed_try() {
    let config = ServerConfig {
        groups: vec!["staff".into(), "guests".into()],
        ..server_config()
    };
    let forms = RefCell::new(Vec::new());
    let mut outside = Outside {
        judge: Box::new(|credentials| {
            assert_eq!(
                (credentials.group.as_deref(), credentials.attempt),
                (Some("guests"), 1)
            );
            Verdict::Accepted {
                username: credentials.username.clone(),
            }
        }),
        user: Box::new(|form| {
            let selected = form
                .groups
                .iter()
                .find(|group| group.selected)
                .map(|group| group.name.clone());
            forms
                .borrow_mut()
                .push((selected.clone(), form.groups.len(), form.error.clone()));
            match selected.as_deref() {
                Some("staff") => User::Chooses("guests"),
                _ => User::Types("test", "cisco123"),
            }
        }),
        ..Outside::default()
    };
    let outcome = run(config, client_config(), &mut outside);
    drop(outside);
    let form = |name: &str| (Some(name.to_string()), 2, None);
    assert_eq!(forms.into_inner(), [form("staff"), form("guests")]);
    assert_eq!(
        outcome.flow[2..6],
        [
            "> 2 auth-request",
            "< 2 init",
            "> 3 auth-request",
            "< 3 auth-reply"
        ]
    );
    assert_eq!(
        outcome
            .headend
            .unwrap_or_else(|reason| panic!("{reason}"))
            .group
            .as_deref(),
        Some("guests")
    );
}

#[test]
fn a_group_chosen_together_with_the_password_gets_its_own_form_first() {
    let config = ServerConfig {
        groups: vec!["staff".into(), "guests".into()],
        ..server_config()
    };
    let (server, request) = after_init(config, "");
    let reply = |request: &[u8], identifier| {
        let Document::AuthRequest(asked) = document(request) else {
            panic!("no auth-request")
        };
        let opaque = asked.opaque.unwrap();
        let reply = format!(
            "<config-auth type='auth-reply'>{}<auth><username>u</username><password>p</password></auth>\
             <group-select>guests</group-select></config-auth>",
            opaque.as_xml()
        );
        response(identifier, &reply)
    };
    let Step::Request(server, request) = server.handle(&reply(&request, 2)) else {
        panic!("no form")
    };
    let Document::AuthRequest(asked) = document(&request) else {
        panic!("no auth-request")
    };
    let opaque = "<opaque is-for=\"sg\"><tunnel-group>AnyConnect-EAP</tunnel-group>\
                  <group-alias>guests</group-alias>";
    assert!(asked.opaque.unwrap().as_xml().starts_with(opaque));
    let Step::CheckPassword(_, credentials) = server.handle(&reply(&request, 3)) else {
        panic!("no credentials")
    };
    assert_eq!(
        (credentials.group.as_deref(), credentials.attempt),
        (Some("guests"), 1)
    );
}

#[test]
fn a_group_in_the_first_init_is_taken_and_an_unknown_one_gets_the_default() {
    let config = ServerConfig {
        groups: vec!["staff".into(), "guests".into()],
        ..server_config()
    };
    for (wanted, selected) in [("guests", "guests"), ("nobody", "staff")] {
        let (_, request) = after_init(
            config.clone(),
            &format!("<group-select>{wanted}</group-select>"),
        );
        let Document::AuthRequest(asked) = document(&request) else {
            panic!("no auth-request")
        };
        let Asks::Form(form) = asked.asks else {
            panic!("no form")
        };
        assert_eq!(
            form.groups
                .iter()
                .find(|group| group.selected)
                .unwrap()
                .name,
            selected
        );
    }
}

#[test]
fn a_certificate_and_a_password_log_in_as_two_factors() {
    let config = with_certificate(WithoutCertificate::Refuse, AfterCertificate::AskPassword);
    let chain = vec![vec![0x30, 2, 5, 0], vec![0x30, 0]];
    let mut outside = Outside {
        certificate: Some((chain.clone(), vec![0x5a; 256])),
        pki: Box::new(move |presented| {
            assert_eq!(
                (&presented.chain, presented.signature.as_slice()),
                (&chain, &[0x5a; 256][..])
            );
            Ok(CertificateIdentity {
                username: "alice".into(),
            })
        }),
        ..Outside::default()
    };
    let outcome = run(config, client_config(), &mut outside);
    assert_eq!(
        outcome.flow,
        [
            "> 1 hello",
            "< 1 init",
            "> 2 auth-request",
            "< 2 init",
            "> 3 auth-request",
            "< 3 auth-reply",
            "> 4 complete",
            "< 4 ack",
            "> 4 success",
        ]
    );
    let identity = outcome.headend.unwrap_or_else(|reason| panic!("{reason}"));
    assert_eq!(identity.username, "test");
    assert_eq!(
        identity.certificate,
        Some(CertificateIdentity {
            username: "alice".into()
        })
    );
}

#[test]
fn a_certificate_alone_logs_in_where_the_policy_says_so() {
    let config = with_certificate(WithoutCertificate::Refuse, AfterCertificate::Finish);
    let mut outside = Outside {
        judge: Box::new(|_| panic!("no password is asked for")),
        certificate: Some((vec![vec![0x30, 0]], vec![1])),
        pki: Box::new(|_| {
            Ok(CertificateIdentity {
                username: "alice".into(),
            })
        }),
        ..Outside::default()
    };
    let outcome = run(config, client_config(), &mut outside);
    assert_eq!(outcome.flow.len(), 9);
    assert_eq!(
        outcome
            .headend
            .unwrap_or_else(|reason| panic!("{reason}"))
            .username,
        "alice"
    );
    assert!(outcome.client.is_ok());
}

#[test]
fn a_rejected_certificate_fails_and_shows_no_form() {
    let config = with_certificate(WithoutCertificate::AskPassword, AfterCertificate::Finish);
    let mut outside = Outside {
        certificate: Some((vec![vec![0x30, 0]], vec![1])),
        pki: Box::new(|_| Err(CertificateRejected)),
        user: Box::new(|_| panic!("a form was shown")),
        ..Outside::default()
    };
    let outcome = run(config, client_config(), &mut outside);
    assert_eq!(
        outcome.headend.err(),
        Some(FailureReason::CertificateRejected)
    );
    assert_eq!(
        outcome.client.err(),
        Some(ClientFailure::Refused { error: None })
    );
}

#[test]
fn a_client_without_a_certificate_gets_what_the_policy_says() {
    let config = with_certificate(WithoutCertificate::Refuse, AfterCertificate::Finish);
    let outcome = run(config, client_config(), &mut Outside::default());
    assert_eq!(
        outcome.headend.err(),
        Some(FailureReason::CertificateMissing)
    );

    let config = with_certificate(WithoutCertificate::AskPassword, AfterCertificate::Finish);
    let outcome = run(config, client_config(), &mut Outside::default());
    assert_eq!(
        outcome
            .headend
            .unwrap_or_else(|reason| panic!("{reason}"))
            .username,
        "test"
    );
}

#[test]
fn a_client_that_says_at_once_that_it_has_no_certificate_is_not_asked_for_one() {
    let config = with_certificate(WithoutCertificate::AskPassword, AfterCertificate::Finish);
    let (_, request) = after_init(config, "<client-cert-fail/>");
    let Document::AuthRequest(asked) = document(&request) else {
        panic!("no auth-request")
    };
    assert!(matches!(asked.asks, Asks::Form(_)));
}

#[test]
fn a_certificate_without_a_signature_proves_nothing() {
    let config = with_certificate(WithoutCertificate::AskPassword, AfterCertificate::Finish);
    let chain = ironflex_eap::anyconnect::certificates::encode(&[[0x30, 0]]).unwrap();
    let init = "<config-auth type='init'/>";
    for (certificates, signature) in [(Some(chain.as_slice()), None), (None, Some(&[1_u8][..]))] {
        let (server, _) = after_init(config.clone(), "");
        let frame = ironflex_eap::anyconnect::frame::Frame {
            document: init.as_bytes(),
            certificates,
            signature,
            skipped: vec![],
        };
        let Step::Failure { reason, .. } = server.handle(&frame.to_response(2).unwrap()) else {
            panic!("no failure")
        };
        assert_eq!(
            reason,
            FailureReason::Misbehaved(Misbehaviour::UnprovenCertificate)
        );
    }
}

#[test]
fn a_second_factor_is_asked_for_in_a_challenge() {
    let answers = RefCell::new(Vec::new());
    let mut outside = Outside {
        judge: Box::new(|credentials| match &credentials.challenge {
            None => Verdict::Challenge {
                prompt: "Enter <PASSCODE>".into(),
                handle: "h&1".into(),
            },
            Some(handle) => {
                assert_eq!(
                    (handle.as_str(), credentials.username.as_str()),
                    ("h&1", "test")
                );
                if credentials.password.matches(b"123456") {
                    Verdict::Accepted {
                        username: credentials.username.clone(),
                    }
                } else {
                    Verdict::Rejected
                }
            }
        }),
        user: Box::new(|form| {
            let shown = form.message.as_ref().map(Message::rendered);
            answers.borrow_mut().push((form.id.clone(), shown));
            match form.id {
                FormId::Challenge => User::Types("somebody else", "123456"),
                _ => User::Types("test", "cisco123"),
            }
        }),
        ..Outside::default()
    };
    let outcome = run(server_config(), client_config(), &mut outside);
    drop(outside);
    assert_eq!(
        answers.into_inner(),
        [
            (FormId::Main, None),
            (FormId::Challenge, Some("Enter <PASSCODE>".into()))
        ]
    );
    assert_eq!(
        outcome
            .headend
            .unwrap_or_else(|reason| panic!("{reason}"))
            .username,
        "test"
    );
}

#[test]
fn an_altered_or_missing_opaque_fails() {
    for opaque in [
        "",
        "<opaque is-for='sg'><tunnel-group>Other</tunnel-group><config-hash>1</config-hash></opaque>",
    ] {
        let (server, _) = after_init(server_config(), "");
        let reply = format!(
            "<config-auth type='auth-reply'>{opaque}<auth><username>test</username>\
             <password>cisco123</password></auth></config-auth>"
        );
        let Step::Failure { packet, reason } = server.handle(&response(2, &reply)) else {
            panic!("no failure")
        };
        assert_eq!(packet, [4, 2, 0, 4]);
        assert_eq!(
            reason,
            FailureReason::Misbehaved(Misbehaviour::OpaqueAltered)
        );
    }
}

#[test]
fn an_auth_reply_before_an_auth_request_fails() {
    let reply = "<config-auth type='auth-reply'><auth><username>test</username>\
                 <password>cisco123</password></auth></config-auth>";
    let (server, _) = Server::start(Arc::new(server_config()), session());
    let Step::Failure { packet, reason } = server.handle(&response(1, reply)) else {
        panic!("no failure")
    };
    assert_eq!(packet, [4, 1, 0, 4]);
    let (asked, received) = (DocumentKind::Hello, DocumentKind::AuthReply);
    assert_eq!(
        reason,
        FailureReason::Misbehaved(Misbehaviour::UnexpectedDocument { asked, received })
    );

    // Before the certificate that is asked for, it is as much out of turn.
    let config = with_certificate(WithoutCertificate::AskPassword, AfterCertificate::Finish);
    let (server, _) = after_init(config, "");
    let Step::Failure { reason, .. } = server.handle(&response(2, reply)) else {
        panic!("no failure")
    };
    let asked = DocumentKind::AuthRequest;
    assert_eq!(
        reason,
        FailureReason::Misbehaved(Misbehaviour::UnexpectedDocument { asked, received })
    );
}

#[test]
fn an_ack_never_stands_in_for_a_password() {
    for identifier in 1..=2 {
        let server = if identifier == 1 {
            Server::start(Arc::new(server_config()), session()).0
        } else {
            after_init(server_config(), "").0
        };
        let step = server.handle(&response(identifier, "<config-auth type='ack'/>"));
        assert!(matches!(
            step,
            Step::Failure {
                reason: FailureReason::Misbehaved(Misbehaviour::UnexpectedDocument {
                    received: DocumentKind::Ack,
                    ..
                }),
                ..
            }
        ));
    }
}

#[test]
fn a_headends_document_from_a_client_fails() {
    for kind in ["hello", "complete"] {
        let (server, _) = after_init(server_config(), "");
        let step = server.handle(&response(2, &format!("<config-auth type='{kind}'/>")));
        assert!(matches!(
            step,
            Step::Failure {
                reason: FailureReason::Misbehaved(Misbehaviour::UnexpectedDocument { .. }),
                ..
            }
        ));
    }
}

#[test]
fn either_nak_ends_the_method() {
    // RFC 3748 §5.3.1 and §5.3.2.
    for method in [
        Method::LegacyNak(&[26]),
        Method::ExpandedNak(&[254, 0, 0, 0, 0, 0, 0, 26]),
    ] {
        let (server, _) = Server::start(Arc::new(server_config()), session());
        let nak = Packet::Response {
            identifier: 1,
            method,
        }
        .encode()
        .unwrap();
        let Step::Failure { packet, reason } = server.handle(&nak) else {
            panic!("no failure")
        };
        assert_eq!(
            (packet.as_slice(), reason),
            (&[4, 1, 0, 4][..], FailureReason::Nak)
        );
    }
}

#[test]
fn a_response_of_another_type_fails() {
    let cases = [
        (Method::Identity(b"test"), Misbehaviour::OtherMethod(1)),
        (
            Method::Other {
                method_type: 26,
                data: &[],
            },
            Misbehaviour::OtherMethod(26),
        ),
        (
            Method::Expanded {
                vendor: 311,
                vendor_type: 1,
                data: &[],
            },
            Misbehaviour::OtherExpandedMethod {
                vendor: 311,
                vendor_type: 1,
            },
        ),
    ];
    for (method, expected) in cases {
        let (server, _) = Server::start(Arc::new(server_config()), session());
        let packet = Packet::Response {
            identifier: 1,
            method,
        }
        .encode()
        .unwrap();
        let Step::Failure { reason, .. } = server.handle(&packet) else {
            panic!("no failure")
        };
        assert_eq!(reason, FailureReason::Misbehaved(expected));
    }
}

#[test]
fn what_answers_no_outstanding_request_is_discarded_and_the_conversation_goes_on() {
    let (server, _) = Server::start(Arc::new(server_config()), session());
    let init = "<config-auth type='init'/>";
    // RFC 3748 §4.1: another identifier, another code, a length that disagrees.
    let Step::Discard(server, reason) = server.handle(&response(2, init)) else {
        panic!("taken")
    };
    assert_eq!(
        reason,
        DiscardReason::WrongIdentifier {
            expected: 1,
            received: 2
        }
    );
    let Step::Discard(server, reason) = server.handle(&request(1, init)) else {
        panic!("taken")
    };
    assert_eq!(reason, DiscardReason::WrongCode);
    let Step::Discard(server, reason) = server.handle(&[2, 1, 0, 9, 254]) else {
        panic!("taken")
    };
    assert!(matches!(reason, DiscardReason::Malformed(_)));
    assert!(matches!(
        server.handle(&response(1, init)),
        Step::Request(..)
    ));
}

#[test]
fn group_changes_without_end_fail() {
    let (mut server, _) = after_init(server_config(), "");
    for identifier in 2.. {
        match server.handle(&response(identifier, "<config-auth type='init'/>")) {
            Step::Request(next, _) => server = next,
            Step::Failure { packet, reason } => {
                assert_eq!(packet, [4, MAX_REQUESTS, 0, 4]);
                assert_eq!(
                    reason,
                    FailureReason::Misbehaved(Misbehaviour::TooManyRequests)
                );
                return;
            }
            _ => panic!("neither a form nor a failure"),
        }
    }
}

#[test]
fn unknown_tlvs_are_listed_up_to_a_limit() {
    let (server, _) = Server::start(Arc::new(server_config()), session());
    let document = b"<config-auth type='init'/>";
    let mut data = vec![0, 0, 0, document.len() as u8];
    data.extend(document);
    data.extend([0, 2, 0, 3, 1, 2, 3].repeat(20));
    let method = Method::Expanded {
        vendor: 9,
        vendor_type: 0x4442_5250,
        data: &data,
    };
    let packet = Packet::Response {
        identifier: 1,
        method,
    }
    .encode()
    .unwrap();
    let Step::Request(server, _) = server.handle(&packet) else {
        panic!("no request")
    };
    assert_eq!(server.skipped_tlvs().len(), 16);
    assert_eq!(
        (
            server.skipped_tlvs()[0].number,
            server.skipped_tlvs()[0].length
        ),
        (2, 3)
    );
}

#[test]
fn an_advertised_profile_reaches_the_client() {
    let profile = ProfileFile {
        uri: "/CACHE/stc/profiles/acvpn.xml".into(),
        service_type: "user".into(),
        sha1: Sha1Digest([0xd1; 20]),
    };
    let config = ServerConfig {
        profile_manifest: Some(profile.clone()),
        success_banner: Some("Welcome\n<home>".into()),
        version: Some("0.1.0".into()),
        ..server_config()
    };
    let outcome = run(config, client_config(), &mut Outside::default());
    let session = outcome.client.unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(session.profiles, [profile]);
    assert_eq!(session.banner.as_deref(), Some("Welcome\n<home>"));
}

#[test]
fn every_password_that_can_be_sent_arrives() {
    for password in [
        " p ",
        "<&>\"'",
        "]]>",
        "a\r\nb\tc",
        "pässwörd€",
        "%s",
        "&amp;",
    ] {
        let mut outside = Outside {
            judge: Box::new(move |credentials| {
                assert_eq!(credentials.password.expose(), password);
                Verdict::Accepted {
                    username: credentials.username.clone(),
                }
            }),
            user: Box::new(move |_| User::Types("te st", password)),
            ..Outside::default()
        };
        let outcome = run(server_config(), client_config(), &mut outside);
        assert!(
            outcome
                .headend
                .is_ok_and(|identity| identity.username == "te st")
        );
    }
}

/// A headend whose `hello` was answered by an `init` with these elements, and its next request.
fn after_init(config: ServerConfig, contents: &str) -> (Server, Vec<u8>) {
    let (server, _) = Server::start(Arc::new(config), session());
    let init = format!("<config-auth type='init'>{contents}</config-auth>");
    match headend_side(server.handle(&response(1, &init)), &mut Outside::default()) {
        Step::Request(server, request) => (server, request),
        _ => panic!("no request follows the init"),
    }
}
