//! Answers the core's questions on the client's side.

use std::{io::Write, sync::Arc};

use ironflex_eap::{
    Secret,
    anyconnect::{
        Answer as FormAnswer, Client, ClientConfig, ClientSession, ClientStep,
        config_auth::{Form, FormId, InputKind},
    },
};
use ironflex_ikev2::event::{Answer, Ask, ChildSa, EapInput, EapOutput};
use ironflex_xfrm::{
    IpPrefix, SessionId,
    esp::{Tun, Userspace},
    netlink::{DEVICE_ALIAS, LinkKind, NetlinkError, Network, NewLink, Route, xfrm_interfaces},
};
use zeroize::Zeroizing;

use super::{
    End, Options,
    network::{Assigned, Place, TunnelNetwork},
    report::{Report, Step, printable},
    trust::Trust,
};
use crate::{
    dataplane::{Backend, Chosen},
    translate::{self, SaWishes, esp_algorithm},
    transport::Transport,
};

/// The MTU inside the tunnel, in octets: what Cisco's documents set on the headend's template.
const MTU: u16 = 1400;

/// The if_id of the client's xfrm interface.
const IF_ID: u32 = 0x4900_ffff;

/// The one session of the client.
const SESSION: SessionId = match SessionId::new(1) {
    Some(id) => id,
    None => unreachable!(),
};

/// The user's name and password, as far as they are known.
pub struct Login {
    /// The user.
    pub user: Option<String>,
    /// The password.
    pub password: Option<Zeroizing<String>>,
    /// Nobody is there to ask.
    pub batch: bool,
}

/// Everything of the client that is not IKE.
pub struct Outside {
    trust: Trust,
    login: Login,
    eap: Option<Client>,
    config: ClientConfig,
    report: Report,
    no_dns: bool,
    chosen: Option<Chosen>,
    hand_over: Option<ironflex_xfrm::esp::Sink>,
    /// The headend's session data, once the login is complete.
    pub session: Option<Box<ClientSession>>,
    /// ESP, once it is installed.
    pub dataplane: Option<Backend>,
    tunnel: Option<TunnelNetwork>,
    own_link: Option<String>,
    guard: Option<Route>,
    /// What the end is to be blamed on, when the core only knows that somebody refused.
    pub blame: Option<End>,
}

impl Outside {
    /// An outside that has not been asked anything.
    pub fn new(
        options: &Options,
        trust: Trust,
        login: Login,
        config: ClientConfig,
        chosen: Chosen,
        sink: ironflex_xfrm::esp::Sink,
    ) -> Self {
        Self {
            trust,
            login,
            eap: Some(Client::new(config.clone())),
            config,
            report: Report { json: options.json },
            no_dns: options.no_dns,
            chosen: Some(chosen),
            hand_over: Some(sink),
            session: None,
            dataplane: None,
            tunnel: None,
            own_link: None,
            guard: None,
            blame: None,
        }
    }

    /// The user as it was given or typed.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.login.user.as_deref()
    }

    /// Gives user and password back, for a reconnect.
    pub fn take_login(&mut self) -> Login {
        let batch = self.login.batch;
        std::mem::replace(
            &mut self.login,
            Login {
                user: None,
                password: None,
                batch,
            },
        )
    }

    fn refuse(&mut self, end: End) -> Answer {
        let why: Arc<str> = Arc::from(end.to_string());
        self.blame = Some(end);
        Answer::Refused(why)
    }

    /// The answer to one question.
    pub fn answer(&mut self, transport: &mut Transport, ask: Ask) -> Answer {
        match ask {
            Ask::Chain {
                certificates,
                identity,
            } => match self.trust.judge(&certificates, &identity) {
                Ok(peer) => {
                    self.report.tell(&Step::Trusted {
                        subject: peer.certificate().subject.to_string(),
                    });
                    Answer::Chain {
                        spki: peer.spki_der().to_vec(),
                    }
                }
                Err(why) => self.refuse(End::Untrusted(why)),
            },
            Ask::Eap(EapInput::Begin(_, packet) | EapInput::Packet(packet)) => self.eap(&packet),
            Ask::Install(child) => match self.install(transport, &child) {
                Ok(()) => Answer::Installed,
                Err(why) => {
                    self.tear_down();
                    // The answer to our Delete comes where the dataplane has been reading.
                    transport.take_back();
                    self.refuse(End::NoTunnel(why))
                }
            },
            Ask::Peer(_) | Ask::Sign { .. } | Ask::Lease(_) | Ask::Eap(EapInput::Start(_)) => {
                self.refuse(End::Local("a client is not asked this".into()))
            }
        }
    }

    fn eap(&mut self, packet: &[u8]) -> Answer {
        let Some(client) = self.eap.take() else {
            return self.refuse(End::LoginRefused("the login is over".into()));
        };
        let mut step = client.handle(packet);
        loop {
            step = match step {
                ClientStep::Respond(client, response) => {
                    self.eap = Some(client);
                    return Answer::Eap(EapOutput::Packet(response));
                }
                ClientStep::AskCredentials(waiting, form) => match self.fill_in(&form) {
                    Ok(answer) => match waiting.answer(answer) {
                        Ok(step) => step,
                        Err((_, error)) => return self.refuse(End::Local(error.to_string())),
                    },
                    Err(end) => return self.refuse(end),
                },
                // No certificate of the user's is known to this version.
                ClientStep::AskCertificate(waiting) => waiting.decline(),
                ClientStep::Succeeded(session) => {
                    if let Some(text) = &session.banner {
                        self.report.tell(&Step::Banner { text: text.clone() });
                    }
                    self.session = Some(session);
                    return Answer::Eap(EapOutput::Concluded { msk: None });
                }
                ClientStep::Failed(failure) => {
                    return self.refuse(End::LoginRefused(failure.to_string()));
                }
                ClientStep::Discard(client, reason) => {
                    self.eap = Some(client);
                    self.blame = Some(End::LoginRefused(reason.to_string()));
                    return Answer::Eap(EapOutput::Ignore);
                }
            };
        }
    }

    fn fill_in(&mut self, form: &Form) -> Result<FormAnswer, End> {
        if let Some(error) = &form.error {
            let message = printable(&error.rendered());
            self.report.tell(&Step::LoginFailed {
                message: message.clone(),
            });
            // What was given once is not tried twice.
            self.login.password = None;
            if self.login.batch {
                return Err(End::LoginRefused(message));
            }
        }
        for text in [&form.banner, &form.title].into_iter().flatten() {
            let _ = writeln!(std::io::stderr(), "{}", printable(text));
        }
        if let Some(message) = &form.message {
            let _ = writeln!(std::io::stderr(), "{}", printable(&message.rendered()));
        }
        let is_challenge = form.id == FormId::Challenge;
        if self.login.user.is_none() && !is_challenge {
            self.login.user = Some(ask_line("Username: ")?);
        }
        let password = match &self.login.password {
            Some(password) if !is_challenge => password.clone(),
            _ if self.login.batch => {
                return Err(End::LoginRefused(
                    "the headend asks for more than a password".into(),
                ));
            }
            _ => {
                let secret = form
                    .inputs
                    .iter()
                    .find(|input| input.kind == InputKind::Password);
                let label = secret.and_then(|input| input.label.as_deref());
                let label = label.unwrap_or("Password:");
                let typed = ask_secret(&format!("{} ", printable(label)))?;
                if !is_challenge {
                    self.login.password = Some(typed.clone());
                }
                typed
            }
        };
        Ok(FormAnswer {
            username: self.login.user.clone().unwrap_or_default(),
            password: Secret::new(password.to_string()),
            group: self.config.group_select.clone(),
        })
    }

    fn install(&mut self, transport: &mut Transport, child: &ChildSa) -> Result<(), String> {
        let assigned = Assigned::read(&child.configuration);
        let address = assigned.address.ok_or("the headend assigned no address")?;
        let headend = child.path.remote.ip().to_canonical();
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let chosen = self.chosen.take().ok_or("the dataplane is in use")?;
        let (mut backend, place, device, if_id): (Backend, _, _, _) = match chosen {
            Chosen::Userspace => {
                let tun = Tun::create("ironflexc%d", MTU).map_err(|error| text(&error))?;
                let name = tun.name().to_owned();
                let sockets = transport.hand_over().map_err(|error| text(&error))?;
                let sink = self.hand_over.take().ok_or("the dataplane is in use")?;
                let engine = Userspace::start(sockets, tun, sink).map_err(|error| text(&error))?;
                let index = link_index(&name).map_err(|error| text(&error))?;
                (Box::new(engine), Place::Device(index), Some(name), None)
            }
            Chosen::Kernel(kernel) => {
                let (place, device, if_id) =
                    self.kernel_place(child).map_err(|error| text(&error))?;
                (kernel, place, device, if_id)
            }
            Chosen::Record => return Err("a client needs a dataplane that carries packets".into()),
        };
        let wishes = SaWishes {
            replay_window: ironflex_xfrm::ReplayWindow::MAX,
            soft: ironflex_xfrm::Limits::NONE,
            if_id,
            follow_peer: false,
        };
        let pair = translate::sa_pair(SESSION, child, &wishes).map_err(|error| text(&error))?;
        // What comes out of the tunnel before the address is ours would be forwarded in clear on a
        // machine that forwards: it goes nowhere instead.
        let guard = Route::guard(IpPrefix::host(address.into()));
        Network::open()
            .and_then(|mut network| network.add_route(&guard))
            .map_err(|error| text(&error))?;
        self.guard = Some(guard);
        backend.install(&pair).map_err(|error| text(&error))?;
        let name = backend.name().to_owned();
        self.dataplane = Some(backend);
        let mut tunnel =
            TunnelNetwork::set_up(place, &assigned, headend).map_err(|error| text(&error))?;
        if !self.no_dns
            && let Some(device) = &device
            && let Err(error) = tunnel.set_dns(device, &assigned)
        {
            let _ = writeln!(std::io::stderr(), "warning: {error}");
        }
        self.tunnel = Some(tunnel);
        if let Some(text) = &assigned.banner {
            self.report.tell(&Step::Banner { text: text.clone() });
        }
        self.report.tell(&Step::Connected {
            address: address.into(),
            routes: assigned
                .destinations()
                .iter()
                .map(ToString::to_string)
                .collect(),
            dns: assigned.dns.clone(),
            esp: esp_algorithm(child.suite.protection).to_string(),
            dataplane: name,
            device,
        });
        Ok(())
    }

    /// With the kernel's ESP: an xfrm interface of our own, or the device that ESP leaves by.
    fn kernel_place(
        &mut self,
        child: &ChildSa,
    ) -> Result<(Place, Option<String>, Option<std::num::NonZeroU32>), NetlinkError> {
        let mut network = Network::open()?;
        if xfrm_interfaces(&mut network)? {
            let name = "ironflexc0".to_owned();
            let index = network.create_link(&NewLink {
                name: name.clone(),
                alias: Some(DEVICE_ALIAS.into()),
                kind: LinkKind::Xfrm {
                    if_id: IF_ID,
                    underlying: None,
                },
            })?;
            self.own_link = Some(name.clone());
            network.set_mtu(index, u32::from(MTU))?;
            let if_id = std::num::NonZeroU32::new(IF_ID);
            return Ok((Place::Device(index), Some(name), if_id));
        }
        let local = child.path.local.ip().to_canonical();
        let outer = network
            .addresses()?
            .into_iter()
            .find(|one| one.address == local);
        match outer {
            Some(outer) => Ok((Place::Outer(outer.link), None, None)),
            None => Err(NetlinkError::Unusable {
                operation: "find the outer device".into(),
                what: format!("no device has {local}"),
            }),
        }
    }

    /// Takes routes, address, SAs and device away again.
    pub fn tear_down(&mut self) {
        // The routes go first, while the device still stands.
        self.tunnel = None;
        if let Some(mut backend) = self.dataplane.take() {
            let _ = backend.remove(SESSION);
        }
        if let Some(guard) = self.guard.take()
            && let Ok(mut network) = Network::open()
        {
            let _ = network.delete_route(&guard);
        }
        if let Some(name) = self.own_link.take()
            && let Ok(mut network) = Network::open()
            && let Ok(Some(link)) = network.link(&name)
        {
            let _ = network.delete_link(link.index);
        }
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.tear_down();
    }
}

fn link_index(name: &str) -> Result<ironflex_xfrm::netlink::LinkIndex, NetlinkError> {
    match Network::open()?.link(name)? {
        Some(link) => Ok(link.index),
        None => Err(NetlinkError::Unusable {
            operation: format!("use device {name}"),
            what: "it is not there".into(),
        }),
    }
}

/// Asks at the terminal.
fn ask_line(prompt: &str) -> Result<String, End> {
    let failed = |error: std::io::Error| End::Local(format!("nobody to ask: {error}"));
    let mut out = std::io::stderr();
    out.write_all(prompt.as_bytes())
        .and_then(|()| out.flush())
        .map_err(failed)?;
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line).map_err(failed)?;
    if read == 0 {
        return Err(End::Local("nobody answers at the terminal".into()));
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Asks at the terminal without showing what is typed.
///
/// # Errors
///
/// [`End::Local`] without a terminal.
pub fn ask_secret(prompt: &str) -> Result<Zeroizing<String>, End> {
    rpassword::prompt_password(prompt)
        .map(Zeroizing::new)
        .map_err(|error| End::Local(format!("no terminal to ask at: {error}")))
}
