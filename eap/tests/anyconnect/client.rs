//! What our client does with a headend that is not ours.

use ironflex_eap::{
    Secret,
    anyconnect::{
        Answer, AnswerError, Client, ClientConfig, ClientFailure, ClientStep, DiscardReason,
        MAX_REQUESTS,
        config_auth::{Document, DocumentKind},
    },
    packet::{Method, Packet},
};

use crate::support::{client_config, document, request, response, xml};

#[test]
fn the_answer_to_a_challenge_names_neither_user_nor_group() {
    let client = ClientConfig {
        group_select: Some("staff".into()),
        ..client_config()
    };
    let (client, _) =
        respond(Client::new(client).handle(&request(1, "<config-auth type='hello'/>")));
    let challenge = "<config-auth type='auth-request'><opaque is-for='sg'><auth-handle>7</auth-handle></opaque>\
                     <auth id='challenge'><form><input type='password' name='answer'/></form></auth></config-auth>";
    let ClientStep::AskCredentials(waiting, _) = client.handle(&request(2, challenge)) else {
        panic!("no form")
    };
    let answer = Answer {
        username: "test".into(),
        password: "123456".into(),
        group: Some("guests".into()),
    };
    let (_, reply) = respond(waiting.answer(answer).map_err(|(_, error)| error).unwrap());
    let Document::AuthReply(reply) = document(&reply) else {
        panic!("no auth-reply")
    };
    assert_eq!((reply.username, reply.group_select), (None, None));
    assert!(reply.password == Some(Secret::from("123456")));
    assert_eq!(
        reply.opaque.unwrap().as_xml(),
        "<opaque is-for='sg'><auth-handle>7</auth-handle></opaque>"
    );
}

#[test]
fn the_client_repeats_opaque_and_host_scan_token_verbatim() {
    let opaque = "<opaque  is-for='sg'>\n<!-- kept --><x a=\"&amp;\"/><![CDATA[<]]></opaque>";
    let (client, _) =
        respond(Client::new(client_config()).handle(&request(1, "<config-auth type='hello'/>")));
    let asked = format!(
        "<config-auth type='auth-request'>{opaque}<auth id='main'><authentication-complete/></auth>\
         <host-scan><host-scan-token>54E7</host-scan-token></host-scan></config-auth>"
    );
    let (_, reply) = respond(client.handle(&request(2, &asked)));
    assert!(xml(&reply).contains(opaque));
    assert!(xml(&reply).contains("<host-scan-token>54E7</host-scan-token>"));
}

#[test]
fn the_client_takes_no_success_before_complete_was_acknowledged() {
    // RFC 3748 §4.2, and the class of clients that took a Success for a login.
    let success = |identifier| vec![3, identifier, 0, 4];
    let hello = request(1, "<config-auth type='hello'/>");
    let form = request(
        2,
        "<config-auth type='auth-request'><auth id='main'><authentication-complete/></auth></config-auth>",
    );
    let step = Client::new(client_config()).handle(&success(1));
    assert!(matches!(
        step,
        ClientStep::Failed(ClientFailure::EarlySuccess)
    ));
    let (client, _) = respond(Client::new(client_config()).handle(&hello));
    assert!(matches!(
        client.handle(&success(1)),
        ClientStep::Failed(ClientFailure::EarlySuccess)
    ));
    let (client, _) = respond(Client::new(client_config()).handle(&hello));
    let (client, _) = respond(client.handle(&form));
    assert!(matches!(
        client.handle(&success(2)),
        ClientStep::Failed(ClientFailure::EarlySuccess)
    ));
}

#[test]
fn the_client_takes_no_complete_before_it_replied() {
    let (client, _) =
        respond(Client::new(client_config()).handle(&request(1, "<config-auth type='hello'/>")));
    let step = client.handle(&request(2, "<config-auth type='complete'/>"));
    let ClientStep::Failed(failure) = step else {
        panic!("taken")
    };
    let received = DocumentKind::Complete;
    assert_eq!(
        failure,
        ClientFailure::UnexpectedDocument {
            state: "init sent",
            received
        }
    );
}

#[test]
fn the_client_discards_what_is_not_for_it() {
    let hello = request(1, "<config-auth type='hello'/>");
    let (client, _) = respond(Client::new(client_config()).handle(&hello));
    let ClientStep::Discard(client, reason) = client.handle(&hello) else {
        panic!("taken")
    };
    assert_eq!(reason, DiscardReason::Repeated(1));
    let ClientStep::Discard(client, reason) = client.handle(&[4, 9, 0, 4]) else {
        panic!("taken")
    };
    assert_eq!(
        reason,
        DiscardReason::WrongIdentifier {
            expected: 1,
            received: 9
        }
    );
    let ClientStep::Discard(client, reason) = client.handle(&response(1, "x")) else {
        panic!("taken")
    };
    assert_eq!(reason, DiscardReason::WrongCode);
    let ClientStep::Failed(failure) = client.handle(&[4, 1, 0, 4]) else {
        panic!("not taken")
    };
    assert_eq!(failure, ClientFailure::Refused { error: None });
}

// RFC 7296 §3.16#1,5: the identifier comes back, with the type that was asked or a Nak.
#[test]
fn the_client_answers_identity_notification_and_other_methods_and_goes_on() {
    let cases = [
        // RFC 3748 §5.1, §5.2, §5.3.1, §5.3.2.
        (Method::Identity(b"who?"), Method::Identity(&[])),
        (Method::Notification(b"soon"), Method::Notification(&[])),
        (
            Method::Other {
                method_type: 26,
                data: &[1],
            },
            Method::LegacyNak(&[254]),
        ),
        (
            Method::Expanded {
                vendor: 311,
                vendor_type: 1,
                data: &[],
            },
            Method::ExpandedNak(&[254, 0, 0, 9, 0x44, 0x42, 0x52, 0x50]),
        ),
    ];
    let mut client = Client::new(client_config());
    for (identifier, (asked, expected)) in (1..).zip(cases) {
        let packet = Packet::Request {
            identifier,
            method: asked,
        }
        .encode()
        .unwrap();
        let answer;
        (client, answer) = respond(client.handle(&packet));
        assert!(
            Packet::parse(&answer)
                == Ok(Packet::Response {
                    identifier,
                    method: expected
                })
        );
    }
    let (_, init) = respond(client.handle(&request(9, "<config-auth type='hello'/>")));
    assert_eq!(document(&init).kind(), DocumentKind::Init);
}

#[test]
fn the_client_gives_up_on_a_headend_that_never_ends() {
    let mut client = Client::new(client_config());
    for identifier in 1.. {
        let packet = Packet::Request {
            identifier,
            method: Method::Notification(b""),
        }
        .encode()
        .unwrap();
        match client.handle(&packet) {
            ClientStep::Respond(next, _) => client = next,
            ClientStep::Failed(failure) => {
                assert_eq!(
                    (identifier, failure),
                    (MAX_REQUESTS + 1, ClientFailure::TooManyRequests)
                );
                return;
            }
            _ => panic!("neither an answer nor a failure"),
        }
    }
}

#[test]
fn an_answer_that_cannot_be_sent_comes_back() {
    let asked = "<config-auth type='auth-request'><auth id='main'><form><input name='username'/>\
                 <input type='password' name='password'/></form></auth></config-auth>";
    let (client, _) =
        respond(Client::new(client_config()).handle(&request(1, "<config-auth type='hello'/>")));
    let ClientStep::AskCredentials(waiting, _) = client.handle(&request(2, asked)) else {
        panic!("no form")
    };
    let answer = |username: &str, password: &str| Answer {
        username: username.into(),
        password: password.into(),
        group: None,
    };
    let Err((waiting, error)) = waiting.answer(answer("test", "a\u{0}b")) else {
        panic!("sent")
    };
    assert_eq!(error, AnswerError::Unrepresentable { field: "password" });
    let Err((waiting, error)) = waiting.answer(answer(&"u".repeat(257), "p")) else {
        panic!("sent")
    };
    assert_eq!(
        error,
        AnswerError::TooLong {
            field: "username",
            limit: 256
        }
    );
    let Err((waiting, error)) = waiting.answer(answer("u", &"p".repeat(1025))) else {
        panic!("sent")
    };
    assert_eq!(
        error,
        AnswerError::TooLong {
            field: "password",
            limit: 1024
        }
    );
    assert!(waiting.answer(answer("test", " p<&>\"'\r\n\té ")).is_ok());
}

fn respond(step: ClientStep) -> (Client, Vec<u8>) {
    match step {
        ClientStep::Respond(client, packet) => (client, packet),
        ClientStep::Failed(failure) => panic!("{failure}"),
        _ => panic!("the client has nothing to send"),
    }
}
