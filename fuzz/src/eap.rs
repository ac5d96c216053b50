//! EAP packets (RFC 3748), and AnyConnect-EAP conversations with a stranger at either side.

use std::sync::Arc;

use ironflex_eap::{
    Secret,
    anyconnect::{
        AfterCertificate, Answer, CertificateIdentity, CertificatePolicy, CertificateRejected,
        Client, ClientConfig, ClientStep, MAX_REQUESTS, Server, ServerConfig, SessionIds, Step,
        Verdict, WithoutCertificate, certificates,
        config_auth::{MAX_PASSWORD, MAX_USERNAME, Sha1Digest},
        frame::{Frame, MAX_TLVS},
    },
    packet::{Method, Packet},
};

use super::input::Input;

/// The first octet chooses: a packet, the certificates of a TLV 3, a conversation with the headend or with the client.
pub fn eap(data: &[u8]) {
    let mut input = Input::new(data);
    match input.below(4) {
        0 => packet(input.rest()),
        1 => pkcs7(input.rest()),
        2 => headend(&mut input),
        _ => client(&mut input),
    }
}

/// A packet is written as it was read, and so are the TLVs in it.
fn packet(octets: &[u8]) {
    let Ok(packet) = Packet::parse(octets) else {
        return;
    };
    let written = packet.encode();
    assert!(
        written.as_deref() == Ok(octets),
        "a packet is written otherwise"
    );
    let (Packet::Request { identifier, method } | Packet::Response { identifier, method }) = packet
    else {
        assert_eq!(octets.len(), 4, "Success and Failure carry nothing");
        return;
    };
    let Method::Expanded { data, .. } = method else {
        return;
    };
    if let Ok(mut frame) = Frame::parse(data) {
        assert!(frame.skipped.len() < MAX_TLVS);
        let written = frame
            .to_response(identifier)
            .expect("no longer than it was");
        frame.skipped.clear();
        let Ok(Packet::Response {
            method: Method::Expanded { data, .. },
            ..
        }) = Packet::parse(&written)
        else {
            panic!("what was written is no response");
        };
        assert!(
            Frame::parse(data) == Ok(frame),
            "the TLVs read back otherwise"
        );
    }
}

/// Certificates lie one behind the other in the message, and a message of them holds them again.
fn pkcs7(octets: &[u8]) {
    let Ok(found) = certificates::parse(octets) else {
        return;
    };
    assert!((1..=certificates::MAX_CERTIFICATES).contains(&found.len()));
    let total: usize = found.iter().map(|one| one.len()).sum();
    assert!(
        total <= octets.len(),
        "more octets of certificates than there are"
    );
    let written = certificates::encode(&found).expect("no more than there were");
    assert_eq!(
        certificates::parse(&written),
        Ok(found),
        "other certificates"
    );
}

/// A packet of this identifier: framed around the fuzzer's document and TLVs, or all of it the fuzzer's. In a document
/// `<opaque/>` stands for that of the packet before, which an answer has to repeat.
fn packet_of(input: &mut Input<'_>, response: bool, identifier: u8, before: &[u8]) -> Vec<u8> {
    let choice = input.u8();
    if choice & 1 != 0 {
        return input.chunk().to_vec();
    }
    let document = with_opaque(input.chunk(), before);
    let optional =
        |input: &mut Input<'_>, bit: u8| (choice & bit != 0).then(|| input.chunk().to_vec());
    let certificates = optional(input, 2);
    let signature = optional(input, 4);
    let frame = Frame {
        document: &document,
        signature: signature.as_deref(),
        certificates: certificates.as_deref(),
        skipped: Vec::new(),
    };
    // The right identifier mostly, for everything else ends early.
    let identifier = if choice & 0xc0 == 0xc0 {
        input.u8()
    } else {
        identifier
    };
    let packet = if response {
        frame.to_response(identifier)
    } else {
        frame.to_request(identifier)
    };
    packet.unwrap_or_default()
}

fn with_opaque(document: &[u8], before: &[u8]) -> Vec<u8> {
    const PLACE: &[u8] = b"<opaque/>";
    let find = |octets: &[u8], what: &[u8]| octets.windows(what.len()).position(|one| one == what);
    let end = b"</opaque>";
    let opaque = find(before, b"<opaque")
        .zip(find(before, end))
        .and_then(|(from, to)| before.get(from..to + end.len()));
    match (find(document, PLACE), opaque) {
        (Some(at), Some(opaque)) => {
            [&document[..at], opaque, &document[at + PLACE.len()..]].concat()
        }
        _ => document.to_vec(),
    }
}

/// Nobody is in but who had a good password or certificate, as often as the configuration asks for them.
fn headend(input: &mut Input<'_>) {
    let choice = input.u8();
    let mut config = ServerConfig::new("fuzz", Sha1Digest([7; 20]));
    let (cert_asked, password_asked) = match choice & 3 {
        0 => (false, true),
        1 => (true, true),
        2 => (true, false),
        _ => (false, true),
    };
    if choice & 3 != 0 {
        config.certificate = CertificatePolicy::Request {
            without: if choice & 3 == 3 {
                WithoutCertificate::AskPassword
            } else {
                WithoutCertificate::Refuse
            },
            after: if choice & 3 == 2 {
                AfterCertificate::Finish
            } else {
                AfterCertificate::AskPassword
            },
        };
    }
    if choice & 4 != 0 {
        config.groups = vec!["one".to_owned(), "two".to_owned()];
    }
    let tries = usize::from(config.tries.get());
    let (mut server, mut request) =
        Server::start(Arc::new(config), SessionIds::new(1, &[0xa5; 25]));
    let (mut judged, mut requests) = (0, 1);
    let (mut good_password, mut good_certificate) = (false, false);
    while !input.is_empty() {
        let identifier = Packet::parse(&request).ok().map(|one| one.identifier());
        let response = packet_of(
            input,
            true,
            identifier.expect("a request is a packet"),
            &request,
        );
        let mut step = server.handle(&response);
        server = loop {
            step = match step {
                Step::CheckPassword(waiting, credentials) => {
                    let (name, password) = (&credentials.username, &credentials.password);
                    assert!(
                        (1..=MAX_USERNAME).contains(&name.len()),
                        "a username of {} octets",
                        name.len()
                    );
                    assert!(
                        !name.chars().any(char::is_control),
                        "control characters in a username"
                    );
                    assert!(
                        (1..=MAX_PASSWORD).contains(&password.expose().len()),
                        "a password of {} octets",
                        password.expose().len()
                    );
                    let right = name == "test" && password.matches(b"cisco123");
                    let challenged = credentials.challenge.is_some();
                    judged += usize::from(!challenged);
                    assert!(judged <= tries, "{judged} tries, {tries} are allowed");
                    waiting.continue_with(if right {
                        good_password = true;
                        Verdict::Accepted {
                            username: credentials.username.clone(),
                        }
                    } else if name == "two" && !challenged {
                        Verdict::Challenge {
                            prompt: "code".to_owned(),
                            handle: "1".to_owned(),
                        }
                    } else {
                        Verdict::Rejected
                    })
                }
                Step::VerifyCertificate(waiting, presented) => {
                    assert!((1..=certificates::MAX_CERTIFICATES).contains(&presented.chain.len()));
                    let right = presented.signature == b"good";
                    good_certificate |= right;
                    waiting.continue_with(if right {
                        Ok(CertificateIdentity {
                            username: "test".to_owned(),
                        })
                    } else {
                        Err(CertificateRejected)
                    })
                }
                Step::Success { packet, identity } => {
                    assert!(Packet::parse(&packet).is_ok());
                    assert!(good_password || !password_asked, "in without a password");
                    assert!(good_certificate || !cert_asked, "in without a certificate");
                    assert_eq!(identity.username, "test", "in as somebody else");
                    return;
                }
                Step::Failure { packet, .. } => {
                    assert!(matches!(Packet::parse(&packet), Ok(Packet::Failure { .. })));
                    return;
                }
                Step::Request(server, next) => {
                    requests += 1;
                    assert!(requests <= MAX_REQUESTS, "a conversation without end");
                    request = next;
                    break server;
                }
                Step::Discard(server, _) => break server,
            };
        };
    }
}

/// A client is in only after it has answered, and gives its password to nobody who did not show a form.
fn client(input: &mut Input<'_>) {
    let mut client = Client::new(ClientConfig::default());
    let (mut asked, mut answered) = (0_u32, false);
    let mut identifier = 0_u8;
    while !input.is_empty() {
        identifier = identifier.wrapping_add(1);
        let request = packet_of(input, false, identifier, &[]);
        let mut step = client.handle(&request);
        client = loop {
            step = match step {
                ClientStep::AskCredentials(waiting, form) => {
                    asked += 1;
                    let group = form.groups.first().map(|one| one.name.clone());
                    let answer = Answer {
                        username: "test".to_owned(),
                        password: Secret::from("cisco123"),
                        group,
                    };
                    match waiting.answer(answer) {
                        Ok(step) => step,
                        Err((waiting, _)) => waiting.choose_group("one"),
                    }
                }
                ClientStep::AskCertificate(waiting) => waiting.decline(),
                ClientStep::Respond(client, response) => {
                    let Ok(packet) = Packet::parse(&response) else {
                        panic!("a response that is no packet");
                    };
                    assert!(matches!(packet, Packet::Response { .. }), "no response");
                    let octets = response.windows(8).any(|octets| octets == b"cisco123");
                    assert!(!octets || asked > 0, "a password for nobody");
                    answered = true;
                    break client;
                }
                ClientStep::Succeeded(_) => {
                    assert!(answered, "in without a word");
                    return;
                }
                ClientStep::Failed(_) => return,
                ClientStep::Discard(client, _) => break client,
            };
        };
    }
}
