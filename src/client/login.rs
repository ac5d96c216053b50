//! The login: EAP with the headend on one side, the user on the other.
//!
//! The user may take as long as users do. What has to be typed therefore leaves as a [`Prompt`], and comes back by
//! [`Dialogue::typed`]; in between the conversation waits here, and the connection goes on.

use std::{io, sync::Arc};

use ironflex_eap::{
    Secret,
    anyconnect::{
        Answer as FormAnswer, AwaitCredentials, Client, ClientConfig, ClientStep,
        config_auth::{Form, FormId, InputKind},
    },
};
use ironflex_ikev2::event::{Answer, EapContext, EapOutput};
use zeroize::Zeroizing;

use super::{
    End,
    credentials::Credentials,
    report::{Report, Step, printable},
};
use crate::terminal::Echo;

/// Who logs in, as far as it is known. No `Debug`: there is a password in it.
#[derive(Clone)]
pub struct Login {
    /// The client's own certificate, if it has one.
    pub own: Option<Arc<Credentials>>,
    /// The user.
    pub user: Option<String>,
    /// The password.
    pub password: Option<Zeroizing<String>>,
    /// Nobody is there to ask.
    pub batch: bool,
}

/// A question to the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// What stands before the cursor.
    pub text: String,
    /// Whether what is typed may be seen.
    pub echo: Echo,
}

/// What comes of an EAP packet or of something typed.
pub enum Progress {
    /// The core's question is answered.
    Answer(Answer),
    /// The user has to be asked first; what is typed goes to [`Dialogue::typed`].
    Ask(Prompt),
    /// The packet is no part of the login: what to blame should the login fail for it.
    Ignore(End),
    /// It is over.
    End(End),
}

/// One login.
pub struct Dialogue {
    login: Login,
    config: ClientConfig,
    report: Report,
    /// What a certificate's signature covers.
    context: Option<EapContext>,
    state: State,
}

enum State {
    /// The headend's next packet is due.
    Expect(Box<Client>),
    /// The user is being asked.
    Asked(Box<Asked>),
    /// It is over, well or not.
    Over,
}

/// A form that is being filled in.
struct Asked {
    waiting: AwaitCredentials,
    form: Box<Form>,
    blank: Blank,
}

/// What is missing in a form.
enum Blank {
    User,
    Password,
}

impl Dialogue {
    /// A login that has not begun.
    #[must_use]
    pub fn new(login: Login, config: ClientConfig, report: Report) -> Self {
        Self {
            login,
            report,
            context: None,
            state: State::Expect(Box::new(Client::new(config.clone()))),
            config,
        }
    }

    /// The user and password as they were last given.
    #[must_use]
    pub const fn login(&self) -> &Login {
        &self.login
    }

    /// Takes the headend's first EAP packet, and what a signature beside it would cover.
    pub fn begin(&mut self, context: EapContext, packet: &[u8]) -> Progress {
        self.context = Some(context);
        self.packet(packet)
    }

    /// Takes the headend's next EAP packet.
    pub fn packet(&mut self, packet: &[u8]) -> Progress {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Expect(client) => self.step(client.handle(packet)),
            // The core waits for the answer to the packet before.
            State::Asked(_) => Progress::End(End::Local("a packet came out of turn".into())),
            State::Over => Progress::End(End::LoginRefused("the login is over".into())),
        }
    }

    /// Takes what the user typed, or why nobody could.
    pub fn typed(&mut self, line: io::Result<Zeroizing<String>>) -> Progress {
        let State::Asked(asked) = std::mem::replace(&mut self.state, State::Over) else {
            return Progress::End(End::Local("nobody was asked".into()));
        };
        let line = match line {
            Ok(line) => line,
            Err(error) => {
                return Progress::End(End::Local(match error.kind() {
                    io::ErrorKind::UnexpectedEof => "nothing was typed at the prompt".into(),
                    io::ErrorKind::InvalidData => "what was typed is too long or not UTF-8".into(),
                    _ => {
                        format!("no terminal to ask at ({error}): say --user and --password-stdin")
                    }
                }));
            }
        };
        let Asked {
            waiting,
            form,
            blank,
        } = *asked;
        match blank {
            Blank::User => {
                self.login.user = Some(line.to_string());
                self.fill_in(waiting, form)
            }
            Blank::Password => {
                if form.id != FormId::Challenge {
                    self.login.password = Some(line.clone());
                }
                self.send(waiting, &line)
            }
        }
    }

    fn step(&mut self, step: ClientStep) -> Progress {
        let mut step = step;
        loop {
            step = match step {
                ClientStep::Respond(client, response) => {
                    self.state = State::Expect(Box::new(client));
                    return Progress::Answer(Answer::Eap(EapOutput::Packet(response)));
                }
                ClientStep::AskCredentials(waiting, form) => return self.form(waiting, form),
                ClientStep::AskCertificate(waiting) => {
                    match self.login.own.as_ref().zip(self.context.as_ref()) {
                        Some((own, context)) => match own.sign_eap(context) {
                            Ok(signature) => waiting.present(&own.chain, &signature),
                            Err(end) => return Progress::End(end),
                        },
                        None => waiting.decline(),
                    }
                }
                ClientStep::Succeeded(session) => {
                    if let Some(text) = &session.banner {
                        self.report.tell(&Step::Banner { text: text.clone() });
                    }
                    return Progress::Answer(Answer::Eap(EapOutput::Concluded { msk: None }));
                }
                ClientStep::Failed(failure) => {
                    return Progress::End(End::LoginRefused(failure.to_string()));
                }
                ClientStep::Discard(client, reason) => {
                    self.state = State::Expect(Box::new(client));
                    return Progress::Ignore(End::LoginRefused(reason.to_string()));
                }
            };
        }
    }

    /// Shows a form that has just come.
    fn form(&mut self, waiting: AwaitCredentials, form: Box<Form>) -> Progress {
        if let Some(error) = &form.error {
            self.report.tell(&Step::LoginFailed {
                message: printable(&error.rendered()),
            });
            // What was given once is not tried twice.
            self.login.password = None;
            if self.login.batch {
                // What the headend said of it has just been told.
                return Progress::End(End::LoginRefused("wrong user or password".into()));
            }
        }
        for text in [&form.banner, &form.title].into_iter().flatten() {
            self.report.show(&printable(text));
        }
        if let Some(message) = &form.message {
            self.report.show(&printable(&message.rendered()));
        }
        self.fill_in(waiting, form)
    }

    /// Fills in what is known, and asks for what is missing.
    fn fill_in(&mut self, waiting: AwaitCredentials, form: Box<Form>) -> Progress {
        let is_challenge = form.id == FormId::Challenge;
        if self.login.user.is_none() && !is_challenge {
            return self.ask(waiting, form, Blank::User);
        }
        match &self.login.password {
            Some(password) if !is_challenge => {
                let password = password.clone();
                self.send(waiting, &password)
            }
            _ if self.login.batch => Progress::End(End::LoginRefused(
                "the headend asks for more than a password".into(),
            )),
            _ => self.ask(waiting, form, Blank::Password),
        }
    }

    fn ask(&mut self, waiting: AwaitCredentials, form: Box<Form>, blank: Blank) -> Progress {
        let prompt = match blank {
            Blank::User => Prompt {
                text: "Username: ".into(),
                echo: Echo::Shown,
            },
            Blank::Password => {
                let mut inputs = form.inputs.iter();
                let secret = inputs.find(|input| input.kind == InputKind::Password);
                let label = secret.and_then(|input| input.label.as_deref());
                Prompt {
                    text: format!("{} ", printable(label.unwrap_or("Password:"))),
                    echo: Echo::Hidden,
                }
            }
        };
        self.state = State::Asked(Box::new(Asked {
            waiting,
            form,
            blank,
        }));
        Progress::Ask(prompt)
    }

    fn send(&mut self, waiting: AwaitCredentials, password: &str) -> Progress {
        let answer = FormAnswer {
            username: self.login.user.clone().unwrap_or_default(),
            password: Secret::new(password.to_owned()),
            group: self.config.group_select.clone(),
        };
        match waiting.answer(answer) {
            Ok(step) => self.step(step),
            Err((_, error)) => Progress::End(End::Local(error.to_string())),
        }
    }
}
