//! Both captures (tests/data/README.md) through our codec, our client and our headend.

use std::sync::Arc;

use ironflex_eap::{
    anyconnect::{
        AfterCertificate, CertificateIdentity, CertificatePolicy, Client, ClientConfig, ClientStep,
        FailureReason, Misbehaviour, Server, ServerConfig, Step, WithoutCertificate, certificates,
        config_auth::{Asks, DeviceInfo, Document, HostScan, MacAddress, ProfileFile, Sha1Digest},
        frame::Frame,
    },
    packet::{Method, Packet},
};

use crate::support::{document, response, server_config, session, xml};

/// One capture's packets, in order.
pub(crate) struct Capture {
    pub(crate) hello: &'static [u8],
    pub(crate) init: &'static [u8],
    pub(crate) certificate_request: &'static [u8],
    pub(crate) init_with_certificate: &'static [u8],
    pub(crate) authentication_complete: &'static [u8],
    pub(crate) auth_reply: &'static [u8],
    pub(crate) complete: &'static [u8],
    pub(crate) ack: &'static [u8],
    pub(crate) success: &'static [u8],
}

macro_rules! capture {
    ($folder:literal) => {
        Capture {
            hello: include_bytes!(concat!("../data/", $folder, "/01-hello.eap")),
            init: include_bytes!(concat!("../data/", $folder, "/02-init.eap")),
            certificate_request: include_bytes!(concat!(
                "../data/",
                $folder,
                "/03-client-cert-request.eap"
            )),
            init_with_certificate: include_bytes!(concat!(
                "../data/",
                $folder,
                "/04-init-with-certificate.eap"
            )),
            authentication_complete: include_bytes!(concat!(
                "../data/",
                $folder,
                "/05-authentication-complete.eap"
            )),
            auth_reply: include_bytes!(concat!("../data/", $folder, "/06-auth-reply.eap")),
            complete: include_bytes!(concat!("../data/", $folder, "/07-complete.eap")),
            ack: include_bytes!(concat!("../data/", $folder, "/08-ack.eap")),
            success: include_bytes!(concat!("../data/", $folder, "/09-success.eap")),
        }
    };
}

pub(crate) const CERT: Capture = capture!("cert");
pub(crate) const SKF: Capture = capture!("skf");

impl Capture {
    pub(crate) const fn requests(&self) -> [&'static [u8]; 4] {
        [
            self.hello,
            self.certificate_request,
            self.authentication_complete,
            self.complete,
        ]
    }

    pub(crate) const fn responses(&self) -> [&'static [u8]; 4] {
        [
            self.init,
            self.init_with_certificate,
            self.auth_reply,
            self.ack,
        ]
    }

    /// The captured `auth-reply` with the opaque that our headend has just sent.
    pub(crate) fn auth_reply_for(&self, request: &[u8]) -> Vec<u8> {
        let Document::AuthRequest(asked) = document(request) else {
            panic!("no auth-request")
        };
        let Document::AuthReply(reply) = document(self.auth_reply) else {
            panic!("no auth-reply")
        };
        let text = xml(self.auth_reply);
        response(
            3,
            &text.replace(
                reply.opaque.unwrap().as_xml(),
                asked.opaque.unwrap().as_xml(),
            ),
        )
    }
}

/// A headend with the captured one's policy.
pub(crate) fn headend() -> Server {
    let certificate = CertificatePolicy::Request {
        without: WithoutCertificate::Refuse,
        after: AfterCertificate::Finish,
    };
    let config = ServerConfig {
        tunnel_group: "Tunnel-Group1".into(),
        certificate,
        ..server_config()
    };
    Server::start(Arc::new(config), session()).0
}

/// A client with the second capture's data.
fn skf_client() -> Client {
    Client::new(ClientConfig {
        device: device(SKF.init),
        group_access: Some("192.0.2.1".into()),
        ..ClientConfig::default()
    })
}

fn device(init: &[u8]) -> DeviceInfo {
    let Document::Init(init) = document(init) else {
        panic!("no init")
    };
    init.device
}

fn frame(packet: &[u8]) -> Frame<'_> {
    let (Packet::Request {
        method: Method::Expanded { data, .. },
        ..
    }
    | Packet::Response {
        method: Method::Expanded { data, .. },
        ..
    }) = Packet::parse(packet).unwrap()
    else {
        panic!("no frame in this packet")
    };
    Frame::parse(data).unwrap()
}

#[test]
fn every_captured_packet_is_written_back_octet_for_octet() {
    for capture in [CERT, SKF] {
        for packet in capture.requests() {
            assert!(Packet::parse(packet).unwrap().encode().unwrap() == packet);
            assert!(frame(packet).to_request(packet[1]).unwrap() == packet);
        }
        for packet in capture.responses() {
            assert!(Packet::parse(packet).unwrap().encode().unwrap() == packet);
            assert!(frame(packet).to_response(packet[1]).unwrap() == packet);
        }
        assert!(Packet::parse(capture.success) == Ok(Packet::Success { identifier: 4 }));
    }
}

#[test]
fn documents_are_written_as_the_captured_ones_are() {
    // What follows `authentication-complete` and `complete` is that implementation's own.
    for capture in [CERT, SKF] {
        let packets = [capture.hello, capture.certificate_request]
            .into_iter()
            .chain(capture.responses());
        for packet in packets {
            assert_eq!(*document(packet).to_xml(), xml(packet));
        }
    }
}

#[test]
fn reads_the_captured_client() {
    let Document::Init(init) = document(CERT.init) else {
        panic!("no init")
    };
    let expected = DeviceInfo {
        client_version: Some("4.9.01095".into()),
        computer_name: Some("MyPC1".into()),
        device_type: Some("PC Vendor Notebook G1".into()),
        platform_version: Some("10.0.18363".into()),
        unique_id: Some("6670710BAE51885EDEF982FC59BAC8321D0AEE1036A3005FCDF996E19AEF6978".into()),
        unique_id_global: Some("CC182A13D1990CF18436AeDEc8891122345EFD7D".into()),
        platform: Some("win".into()),
        mac_addresses: vec![MacAddress {
            address: "82-00-11-aa-bb-cc".into(),
            public_interface: true,
        }],
    };
    assert_eq!(init.device, expected);
    assert_eq!(
        init.group_access.as_deref(),
        Some("https://gw.heldout.test")
    );
    assert_eq!(
        init.capabilities,
        ["multiple-cert", "single-sign-on", "single-sign-on-v2"]
    );
    assert!(!init.client_cert_fail);
    assert_eq!(device(CERT.ack_as_init().as_slice()), expected);
}

impl Capture {
    /// The `ack` with an `init`'s type: both carry the same device block.
    fn ack_as_init(&self) -> Vec<u8> {
        response(1, &xml(self.ack).replace("type=\"ack\"", "type=\"init\""))
    }
}

#[test]
fn reads_the_captured_requests() {
    let Document::AuthRequest(asked) = document(CERT.certificate_request) else {
        panic!("no auth-request")
    };
    assert_eq!(
        (asked.asks, asked.csport, asked.opaque),
        (Asks::Certificate, Some(443), None)
    );

    let Document::AuthRequest(asked) = document(CERT.authentication_complete) else {
        panic!("no auth-request")
    };
    assert_eq!(asked.asks, Asks::Nothing);
    let host_scan = HostScan {
        ticket: Some("8F94ED09CC87BB55DFEEE07B".into()),
        token: Some("54E7B7EBB900D49819DD2DD0".into()),
    };
    assert_eq!(asked.host_scan, Some(host_scan));
    assert_eq!(
        asked.opaque.unwrap().as_xml(),
        "<opaque is-for=\"sg\"><tunnel-group>Tunnel-Group1</tunnel-group>\
         <config-hash>162340012345659</config-hash></opaque>"
    );
}

#[test]
fn reads_the_captured_complete() {
    let Document::Complete(complete) = document(CERT.complete) else {
        panic!("no complete")
    };
    assert_eq!(complete.session_id, Some(2_152_177_229));
    assert_eq!(
        complete.session_token.unwrap().expose(),
        "EE1DB3@2152177229@7C79@434380F04CFFF94CDAD42152369897824CD0BEB3"
    );
    let sha1 = |text: &str| text.parse::<Sha1Digest>().unwrap();
    assert_eq!(
        complete.server_cert_hash,
        Some(sha1("1852DF6D1805CDDD01323986B0DC338FAF19FFA3"))
    );
    assert_eq!((complete.csport, complete.banner), (Some(443), None));
    assert_eq!(
        complete.profiles,
        [ProfileFile {
            uri: "/CACHE/stc/profiles/profile1.xml".into(),
            service_type: "vpn-mgmt".into(),
            sha1: sha1("DF4918ED9173A03C31794CEAFD109419EAA1DC1E"),
        }]
    );
    assert!(
        complete
            .client_opaque
            .unwrap()
            .as_xml()
            .contains("<![CDATA[, domain1.org, domain2.org]]>")
    );
}

#[test]
fn our_client_answers_the_captured_headend_as_the_captured_client_did() {
    let ClientStep::Respond(client, init) = skf_client().handle(SKF.hello) else {
        panic!("no init")
    };
    assert!(init == SKF.init);
    let ClientStep::AskCertificate(waiting) = client.handle(SKF.certificate_request) else {
        panic!("no certificate is asked for")
    };
    let captured = frame(SKF.init_with_certificate);
    let chain = certificates::parse(captured.certificates.unwrap()).unwrap();
    let ClientStep::Respond(client, init) = waiting.present(&chain, captured.signature.unwrap())
    else {
        panic!("no init")
    };
    let sent = frame(&init);
    assert!((sent.document, sent.signature) == (captured.document, captured.signature));
    assert_eq!(certificates::parse(sent.certificates.unwrap()), Ok(chain));
    let ClientStep::Respond(client, reply) = client.handle(SKF.authentication_complete) else {
        panic!("no auth-reply")
    };
    assert!(reply == SKF.auth_reply);
    let ClientStep::Respond(client, ack) = client.handle(SKF.complete) else {
        panic!("no ack")
    };
    assert!(ack == SKF.ack);
    let ClientStep::Succeeded(session) = client.handle(SKF.success) else {
        panic!("no success")
    };
    assert_eq!(session.session_id, Some(106_005_752));
    assert!(session.session_token.is_some_and(|token| {
        token.matches(b"4F9099@106005752@183A@15D5FC3CF7199A5C2C272EAE9CB1F37B05088E16")
    }));
}

#[test]
fn our_headend_takes_the_captured_client_to_the_captured_success() {
    for capture in [CERT, SKF] {
        let Step::Request(server, request) = headend().handle(capture.init) else {
            panic!("no request")
        };
        assert!(request == capture.certificate_request);
        let Step::VerifyCertificate(waiting, presented) =
            server.handle(capture.init_with_certificate)
        else {
            panic!("no certificate")
        };
        let captured = frame(capture.init_with_certificate);
        assert_eq!(presented.signature, captured.signature.unwrap());
        assert_eq!(presented.signature.len(), 256);
        let lengths: Vec<_> = presented.chain.iter().map(Vec::len).collect();
        assert_eq!(lengths, [880, 845]);
        let alice = CertificateIdentity {
            username: "alice".into(),
        };
        let Step::Request(server, request) = waiting.continue_with(Ok(alice)) else {
            panic!("no request")
        };
        let Step::Request(server, complete) = server.handle(&capture.auth_reply_for(&request))
        else {
            panic!("no complete")
        };
        assert!(matches!(document(&complete), Document::Complete(_)));
        let Step::Success { packet, identity } = server.handle(capture.ack) else {
            panic!("no success")
        };
        assert_eq!(packet, capture.success);
        assert_eq!(identity.username, "alice");
        assert_eq!(identity.device, device(capture.init));
    }
}

#[test]
fn our_headend_refuses_the_captured_opaque_which_is_not_its_own() {
    let Step::Request(server, _) = headend().handle(CERT.init) else {
        panic!("no request")
    };
    let Step::VerifyCertificate(waiting, _) = server.handle(CERT.init_with_certificate) else {
        panic!("no certificate")
    };
    let alice = CertificateIdentity {
        username: "alice".into(),
    };
    let Step::Request(server, _) = waiting.continue_with(Ok(alice)) else {
        panic!("no request")
    };
    let Step::Failure { reason, .. } = server.handle(CERT.auth_reply) else {
        panic!("no failure")
    };
    assert_eq!(
        reason,
        FailureReason::Misbehaved(Misbehaviour::OpaqueAltered)
    );
}
