//! What each state does with its document, and the requests that it leads to.

use alloc::{
    boxed::Box,
    string::{String, ToString as _},
    sync::Arc,
    vec::Vec,
};

use super::{
    AfterCertificate, Asked, Authenticated, AwaitCertificate, AwaitVerdict, CertificateIdentity,
    CertificatePolicy, Credentials, ExpectReply, FailureReason, Identity, Misbehaviour,
    PresentedCertificate, Server, ServerConfig, SessionIds, State, Step, Verdict,
    WithoutCertificate,
};
use crate::{
    Secret,
    anyconnect::{
        DocumentError, MAX_REQUESTS, certificates,
        config_auth::{
            Asks, AuthReply, AuthRequest, Complete, DeviceInfo, Document, Form, FormId,
            GroupOption, Hello, Init, Input, InputKind, Message, Opaque,
        },
        frame::{Frame, SkippedTlv},
    },
    packet::{self, PacketError},
};

/// Skipped TLVs that one conversation remembers for the log.
const MAX_SKIPPED: usize = 16;

/// What every state has.
pub(super) struct Conversation {
    pub(super) config: Arc<ServerConfig>,
    session: SessionIds,
    /// Of the last request; as they start at 1 and grow by one, also how many there were.
    pub(super) identifier: u8,
    /// Logins judged wrong.
    pub(super) failed: u8,
    /// Index into the configuration's groups.
    group: usize,
    device: DeviceInfo,
    group_access: Option<String>,
    pub(super) certificate: Option<CertificateIdentity>,
    pub(super) skipped: Vec<SkippedTlv>,
}

// --- Documents ---

impl Conversation {
    /// A conversation whose `hello` is out.
    pub(super) fn open(config: Arc<ServerConfig>, session: SessionIds) -> (Box<Self>, Vec<u8>) {
        let mut conversation = Box::new(Self {
            config,
            session,
            identifier: 0,
            failed: 0,
            group: 0,
            device: DeviceInfo::default(),
            group_access: None,
            certificate: None,
            skipped: Vec::new(),
        });
        let hello = Document::Hello(Hello {
            version: conversation.config.version(),
        });
        // The version is cut, so a hello always fits; an empty packet cannot come about.
        let packet = conversation.encode_request(&hello).unwrap_or_default();
        (conversation, packet)
    }

    pub(super) fn handle_first_init(mut self: Box<Self>, init: Init) -> Step {
        let client_cert_fail = init.client_cert_fail;
        self.note_init(init);
        match self.config.certificate {
            CertificatePolicy::Off => self.send_login_form(None),
            CertificatePolicy::Request { without, .. } if client_cert_fail => {
                self.without_certificate(without)
            }
            CertificatePolicy::Request { without, after } => {
                let request = AuthRequest {
                    version: self.config.version(),
                    opaque: None,
                    csport: Some(self.config.csport),
                    host_scan: None,
                    asks: Asks::Certificate,
                };
                self.send(
                    &Document::AuthRequest(request),
                    State::Certificate { without, after },
                )
            }
        }
    }

    pub(super) fn handle_certificate(
        mut self: Box<Self>,
        init: Init,
        frame: &Frame<'_>,
        without: WithoutCertificate,
        after: AfterCertificate,
    ) -> Step {
        self.note_init(init);
        let (certificates, signature) = match (frame.certificates, frame.signature) {
            (Some(certificates), Some(signature)) => (certificates, signature),
            (None, None) => return self.without_certificate(without),
            // Anyone can copy a certificate: without a signature it proves nothing.
            (Some(_), None) | (None, Some(_)) => {
                return self.misbehaved(Misbehaviour::UnprovenCertificate);
            }
        };
        match certificates::parse(certificates) {
            Ok(chain) => {
                let presented = PresentedCertificate {
                    chain: chain.into_iter().map(<[u8]>::to_vec).collect(),
                    signature: signature.to_vec(),
                };
                Step::VerifyCertificate(
                    AwaitCertificate {
                        conversation: self,
                        after,
                    },
                    presented,
                )
            }
            Err(error) => self.fail(error.into()),
        }
    }

    fn without_certificate(self: Box<Self>, without: WithoutCertificate) -> Step {
        match without {
            WithoutCertificate::Refuse => self.fail(FailureReason::CertificateMissing),
            WithoutCertificate::AskPassword => self.send_login_form(None),
        }
    }

    pub(super) fn handle_reply(mut self: Box<Self>, expect: ExpectReply, reply: AuthReply) -> Step {
        if !reply
            .opaque
            .as_ref()
            .is_some_and(|opaque| opaque.same_content(&expect.opaque))
        {
            return self.misbehaved(Misbehaviour::OpaqueAltered);
        }
        let (typed_username, challenge) = match expect.asked {
            Asked::Nothing(authenticated) => return self.send_complete(authenticated),
            // A group chosen together with the credentials: they were typed into another group's
            // form.
            Asked::Login if !self.is_chosen(reply.group_select.as_deref()) => {
                self.choose(reply.group_select.as_deref());
                return self.send_login_form(None);
            }
            Asked::Login => (reply.username, None),
            // The name was fixed with the password; the answer's may be absent and may not change
            // it.
            Asked::Challenge { username, handle } => (Some(username), Some(handle)),
        };
        let missing = |element| DocumentError::MissingElement {
            element,
            within: "auth",
        };
        let Some(username) = typed_username else {
            return self.fail(missing("username").into());
        };
        let Some(password) = reply.password else {
            return self.fail(missing("password").into());
        };
        let group = self.config.groups.get(self.group).cloned();
        let attempt = self.failed.saturating_add(1);
        // Some directories take an empty password for an anonymous login and say yes: nobody is
        // asked about one.
        let nothing_typed = username.is_empty() || password.is_empty();
        let waiting = AwaitVerdict {
            conversation: self,
            username: username.clone(),
        };
        if nothing_typed {
            return waiting.continue_with(Verdict::Rejected);
        }
        Step::CheckPassword(
            waiting,
            Credentials {
                username,
                password,
                group,
                challenge,
                attempt,
            },
        )
    }

    /// Another `init` in answer to an `auth-request`: the user chose a group. It is no failed try,
    /// and a challenge that was open is void.
    pub(super) fn handle_group_change(
        mut self: Box<Self>,
        expect: ExpectReply,
        init: Init,
    ) -> Step {
        self.choose(init.group_select.as_deref());
        match expect.asked {
            Asked::Login | Asked::Challenge { .. } => self.send_login_form(None),
            Asked::Nothing(authenticated) => self.send_authentication_complete(authenticated),
        }
    }

    pub(super) fn handle_ack(
        mut self: Box<Self>,
        authenticated: Authenticated,
        device: DeviceInfo,
    ) -> Step {
        self.note_device(device);
        let packet = packet::success(self.identifier);
        let Self {
            session,
            group,
            config,
            device,
            group_access,
            certificate,
            skipped,
            ..
        } = *self;
        let identity = Identity {
            username: authenticated.username,
            certificate,
            group: config.groups.get(group).cloned(),
            device,
            group_access,
            session,
            skipped_tlvs: skipped,
        };
        Step::Success {
            packet,
            identity: Box::new(identity),
        }
    }

    fn note_init(&mut self, init: Init) {
        self.choose(init.group_select.as_deref());
        self.note_device(init.device);
        if init.group_access.is_some() {
            self.group_access = init.group_access;
        }
    }

    /// Keeps the newest device block that says anything.
    fn note_device(&mut self, device: DeviceInfo) {
        if device != DeviceInfo::default() {
            self.device = device;
        }
    }

    pub(super) fn note_skipped(&mut self, skipped: &[SkippedTlv]) {
        let room = MAX_SKIPPED.saturating_sub(self.skipped.len());
        self.skipped.extend(skipped.iter().take(room));
    }

    /// Whether a `group-select` leaves the group as it is.
    fn is_chosen(&self, group_select: Option<&str>) -> bool {
        match group_select {
            Some(wanted) if !self.config.groups.is_empty() => self
                .config
                .groups
                .get(self.group)
                .is_some_and(|group| group == wanted),
            _ => true,
        }
    }

    /// Takes a chosen group over. A name that is not on the list changes nothing: the form that
    /// follows shows the list.
    fn choose(&mut self, group_select: Option<&str>) {
        if let Some(wanted) = group_select
            && let Some(index) = self.config.groups.iter().position(|group| group == wanted)
        {
            self.group = index;
        }
    }
}

// --- Requests ---

impl Conversation {
    pub(super) fn send_login_form(self: Box<Self>, error: Option<Message>) -> Step {
        let config = &self.config;
        let input = |kind, name: &str, label: &str| Input {
            kind,
            name: name.to_string(),
            label: Some(label.to_string()),
        };
        let groups = config
            .groups
            .iter()
            .enumerate()
            .map(|(index, group)| GroupOption {
                name: group.clone(),
                label: group.clone(),
                selected: index == self.group,
            });
        let form = Form {
            id: FormId::Main,
            title: config.title.clone(),
            message: config.message.as_ref().map(Message::plain),
            banner: config.banner.clone(),
            error,
            inputs: Vec::from([
                input(InputKind::Text, "username", "Username:"),
                input(InputKind::Password, "password", "Password:"),
            ]),
            groups: groups.collect(),
        };
        let opaque = self.opaque(None);
        self.send_auth_request(opaque, Asks::Form(Box::new(form)), Asked::Login)
    }

    pub(super) fn send_challenge(
        self: Box<Self>,
        username: String,
        prompt: String,
        handle: String,
    ) -> Step {
        let form = Form {
            id: FormId::Challenge,
            title: None,
            message: Some(Message {
                id: Some(2),
                param1: prompt,
                param2: String::new(),
                text: "%s".to_string(),
            }),
            banner: None,
            error: None,
            inputs: Vec::from([Input {
                kind: InputKind::Password,
                name: "answer".to_string(),
                label: Some("Response:".to_string()),
            }]),
            groups: Vec::new(),
        };
        let opaque = self.opaque(Some(&handle));
        self.send_auth_request(
            opaque,
            Asks::Form(Box::new(form)),
            Asked::Challenge { username, handle },
        )
    }

    pub(super) fn send_authentication_complete(
        self: Box<Self>,
        authenticated: Authenticated,
    ) -> Step {
        let opaque = self.opaque(None);
        self.send_auth_request(opaque, Asks::Nothing, Asked::Nothing(authenticated))
    }

    fn send_auth_request(self: Box<Self>, opaque: Opaque, asks: Asks, asked: Asked) -> Step {
        let request = AuthRequest {
            version: self.config.version(),
            opaque: Some(opaque.clone()),
            csport: Some(self.config.csport),
            host_scan: None,
            asks,
        };
        self.send(
            &Document::AuthRequest(request),
            State::Reply(ExpectReply { opaque, asked }),
        )
    }

    pub(super) fn send_complete(self: Box<Self>, authenticated: Authenticated) -> Step {
        let session_token = Some(Secret::from(self.session.token.expose()));
        let complete = Complete {
            version: self.config.version(),
            session_id: Some(self.session.id),
            session_token,
            banner: self.config.success_banner.clone(),
            server_cert_hash: Some(self.config.server_cert_hash),
            csport: Some(self.config.csport),
            client_opaque: Some(Opaque::empty_for_client()),
            profiles: self.config.profile_manifest.iter().cloned().collect(),
        };
        self.send(&Document::Complete(complete), State::Ack(authenticated))
    }

    fn opaque(&self, auth_handle: Option<&str>) -> Opaque {
        let config_hash = self.config.config_hash().to_string();
        let group_alias = self.config.groups.get(self.group);
        let children = [
            ("tunnel-group", Some(self.config.tunnel_group.as_str())),
            ("group-alias", group_alias.map(String::as_str)),
            ("auth-handle", auth_handle),
            ("config-hash", Some(config_hash.as_str())),
        ];
        Opaque::for_gateway(
            children
                .into_iter()
                .filter_map(|(name, text)| text.map(|text| (name, text))),
        )
    }

    fn send(mut self: Box<Self>, document: &Document, state: State) -> Step {
        if self.identifier >= MAX_REQUESTS {
            return self.misbehaved(Misbehaviour::TooManyRequests);
        }
        let answered = self.identifier;
        match self.encode_request(document) {
            Ok(packet) => Step::Request(
                Server {
                    conversation: self,
                    state,
                },
                packet,
            ),
            Err(error) => Step::Failure {
                packet: packet::failure(answered),
                reason: FailureReason::RequestTooLong(error),
            },
        }
    }

    /// The next request; identifiers start at 1 and grow by one.
    fn encode_request(&mut self, document: &Document) -> Result<Vec<u8>, PacketError> {
        self.identifier = self.identifier.saturating_add(1);
        Frame::of_document(document.to_xml().as_bytes()).to_request(self.identifier)
    }

    pub(super) fn misbehaved(self: Box<Self>, misbehaviour: Misbehaviour) -> Step {
        self.fail(FailureReason::Misbehaved(misbehaviour))
    }

    /// RFC 3748 §4.2: a Failure carries the identifier of the response that it answers.
    pub(super) fn fail(self: Box<Self>, reason: FailureReason) -> Step {
        Step::Failure {
            packet: packet::failure(self.identifier),
            reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anyconnect::config_auth::{DocumentKind, Sha1Digest};

    #[test]
    fn an_endless_version_is_cut() {
        let config = ServerConfig {
            version: Some("v".repeat(70_000)),
            ..ServerConfig::new("G", Sha1Digest([0; 20]))
        };
        let (server, hello) = Server::start(Arc::new(config), SessionIds::new(1, &[0; 25]));
        assert_eq!(server.asked(), DocumentKind::Hello);
        assert!(hello.len() < 300);
    }

    #[test]
    fn texts_that_no_packet_holds_end_the_conversation() {
        let config = ServerConfig {
            banner: Some("b".repeat(70_000)),
            ..ServerConfig::new("G", Sha1Digest([0; 20]))
        };
        let (server, _) = Server::start(Arc::new(config), SessionIds::new(1, &[0; 25]));
        let init = Document::Init(Init::default()).to_xml();
        let response = Frame::of_document(init.as_bytes()).to_response(1).unwrap();
        let Step::Failure { packet, reason } = server.handle(&response) else {
            panic!("no failure")
        };
        assert_eq!(packet, [4, 1, 0, 4]);
        assert!(matches!(
            reason,
            FailureReason::RequestTooLong(PacketError::TooLong(_))
        ));
    }
}
