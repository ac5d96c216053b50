//! A headend and a client in one process, with scripts for AAA, PKI and the user.

use std::sync::Arc;

use ironflex_eap::{
    Secret,
    anyconnect::{
        Answer, CertificateIdentity, CertificateRejected, Client, ClientConfig, ClientFailure,
        ClientSession, ClientStep, Credentials, FailureReason, Identity, PresentedCertificate,
        Server, ServerConfig, SessionIds, Step, Verdict,
        config_auth::{DeviceInfo, Document, Form, MacAddress, Sha1Digest},
        frame::Frame,
    },
    packet::{Method, Packet},
};

/// What a user does with a form.
pub(crate) enum User {
    Types(&'static str, &'static str),
    Chooses(&'static str),
}

/// What the outside of both sides does.
#[expect(
    clippy::type_complexity,
    reason = "each closure's type is spelt once, here"
)]
pub(crate) struct Outside<'a> {
    pub(crate) judge: Box<dyn FnMut(&Credentials) -> Verdict + 'a>,
    pub(crate) user: Box<dyn FnMut(&Form) -> User + 'a>,
    pub(crate) certificate: Option<(Vec<Vec<u8>>, Vec<u8>)>,
    pub(crate) pki: Box<
        dyn FnMut(&PresentedCertificate) -> Result<CertificateIdentity, CertificateRejected> + 'a,
    >,
}

/// How a conversation went.
pub(crate) struct Outcome {
    pub(crate) headend: Result<Box<Identity>, FailureReason>,
    pub(crate) client: Result<Box<ClientSession>, ClientFailure>,
    /// Every packet: its direction and what it says.
    pub(crate) flow: Vec<String>,
}

impl Default for Outside<'_> {
    /// The user `test` knows the password, and the database does.
    fn default() -> Self {
        Self {
            judge: Box::new(|credentials| {
                if credentials.username == "test" && credentials.password.matches(b"cisco123") {
                    Verdict::Accepted {
                        username: credentials.username.clone(),
                    }
                } else {
                    Verdict::Rejected
                }
            }),
            user: Box::new(|_| User::Types("test", "cisco123")),
            certificate: None,
            pki: Box::new(|_| panic!("no certificate is expected")),
        }
    }
}

pub(crate) fn server_config() -> ServerConfig {
    let hash = "1852DF6D1805CDDD01323986B0DC338FAF19FFA3";
    ServerConfig::new("AnyConnect-EAP", hash.parse::<Sha1Digest>().unwrap())
}

pub(crate) fn session() -> SessionIds {
    SessionIds::new(2_152_177_229, &[0xa5; 25])
}

pub(crate) const TOKEN: &str = "A5A5A5@2152177229@A5A5@A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5";

pub(crate) fn client_config() -> ClientConfig {
    ClientConfig {
        device: DeviceInfo {
            client_version: Some("4.10.08029".into()),
            computer_name: Some("cl \"1\" <&>".into()),
            platform: Some("linux-64".into()),
            mac_addresses: vec![MacAddress {
                address: "02-00-5e-10-00-01".into(),
                public_interface: true,
            }],
            ..DeviceInfo::default()
        },
        group_access: Some("vpn.example.com".into()),
        ..ClientConfig::default()
    }
}

/// Runs a conversation to its end on both sides.
pub(crate) fn run(
    server: ServerConfig,
    client: ClientConfig,
    outside: &mut Outside<'_>,
) -> Outcome {
    let mut flow = Vec::new();
    let (mut server, mut to_client) = Server::start(Arc::new(server), session());
    let mut client = Client::new(client);
    let headend = loop {
        flow.push(format!("> {}", describe(&to_client)));
        let ClientStep::Respond(next, response) = client_side(client.handle(&to_client), outside)
        else {
            panic!("the client ended before the headend")
        };
        client = next;
        flow.push(format!("< {}", describe(&response)));
        (server, to_client) = match headend_side(server.handle(&response), outside) {
            Step::Request(server, request) => (server, request),
            Step::Success { packet, identity } => {
                to_client = packet;
                break Ok(identity);
            }
            Step::Failure { packet, reason } => {
                to_client = packet;
                break Err(reason);
            }
            _ => panic!("a response was discarded"),
        };
    };
    flow.push(format!("> {}", describe(&to_client)));
    let client = match client.handle(&to_client) {
        ClientStep::Succeeded(session) => Ok(session),
        ClientStep::Failed(failure) => Err(failure),
        _ => panic!("the client went on after the end"),
    };
    Outcome {
        headend,
        client,
        flow,
    }
}

/// Answers what a headend's step asks, until it asks nothing.
pub(crate) fn headend_side(mut step: Step, outside: &mut Outside<'_>) -> Step {
    loop {
        step = match step {
            Step::CheckPassword(waiting, credentials) => {
                waiting.continue_with((outside.judge)(&credentials))
            }
            Step::VerifyCertificate(waiting, presented) => {
                waiting.continue_with((outside.pki)(&presented))
            }
            settled => return settled,
        };
    }
}

/// Answers what a client's step asks, until it asks nothing.
pub(crate) fn client_side(mut step: ClientStep, outside: &mut Outside<'_>) -> ClientStep {
    loop {
        step = match step {
            ClientStep::AskCredentials(waiting, form) => match (outside.user)(&form) {
                User::Types(username, password) => {
                    let answer = Answer {
                        username: username.into(),
                        password: Secret::from(password),
                        group: None,
                    };
                    waiting.answer(answer).map_err(|(_, error)| error).unwrap()
                }
                User::Chooses(group) => waiting.choose_group(group),
            },
            ClientStep::AskCertificate(waiting) => match &outside.certificate {
                Some((chain, signature)) => waiting.present(chain, signature),
                None => waiting.decline(),
            },
            settled => return settled,
        };
    }
}

/// The document in a packet.
pub(crate) fn document(packet: &[u8]) -> Document {
    let (Packet::Request {
        method: Method::Expanded { data, .. },
        ..
    }
    | Packet::Response {
        method: Method::Expanded { data, .. },
        ..
    }) = Packet::parse(packet).unwrap()
    else {
        panic!("no document in this packet")
    };
    Document::parse(Frame::parse(data).unwrap().document).unwrap()
}

/// The document in a packet, as text.
pub(crate) fn xml(packet: &[u8]) -> String {
    let data = &packet[ironflex_eap::packet::EXPANDED_HEADER_LENGTH..];
    String::from_utf8(Frame::parse(data).unwrap().document.to_vec()).unwrap()
}

/// A response with this document.
pub(crate) fn response(identifier: u8, xml: &str) -> Vec<u8> {
    Frame::of_document(xml.as_bytes())
        .to_response(identifier)
        .unwrap()
}

/// A request with this document.
pub(crate) fn request(identifier: u8, xml: &str) -> Vec<u8> {
    Frame::of_document(xml.as_bytes())
        .to_request(identifier)
        .unwrap()
}

fn describe(packet: &[u8]) -> String {
    match Packet::parse(packet).unwrap() {
        Packet::Success { identifier } => format!("{identifier} success"),
        Packet::Failure { identifier } => format!("{identifier} failure"),
        other => format!("{} {}", other.identifier(), document(packet).kind()),
    }
}
