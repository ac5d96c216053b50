//! What became of the last tries of clients to get in: the facts behind `show crypto ikev2 diagnose`.

use std::{
    fmt,
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use serde::Serialize;

use super::form;

/// One try of a client, or several that failed before anything was known of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Attempt {
    /// When it began; of several the last one.
    #[serde(serialize_with = "form::moment")]
    pub begun: SystemTime,
    /// Where it came from.
    #[serde(serialize_with = "form::end")]
    pub peer: SocketAddr,
    /// The identity that the client claimed.
    pub identity: Option<String>,
    /// The user that it tried to log in as.
    pub user: Option<String>,
    /// The profile that served it.
    pub profile: Option<String>,
    /// How many tries this stands for.
    pub tries: u32,
    /// What was done.
    pub steps: Vec<AttemptStep>,
    /// Where it stands.
    pub outcome: AttemptOutcome,
    /// What went wrong last.
    pub failure: Option<Failure>,
    /// What went wrong before, if it was something else: the newest first.
    pub earlier: Vec<EarlierFailure>,
}

/// How much room there is for attempts that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// How many there can be.
    pub most: usize,
    /// How many had to make room for others.
    pub displaced: u64,
}

/// What other tries of the same host ended for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EarlierFailure {
    /// What went wrong.
    pub failure: Failure,
    /// How many tries are known to have ended so.
    pub tries: u32,
    /// When the last of them began.
    #[serde(serialize_with = "form::moment")]
    pub last: SystemTime,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AttemptStep {
    /// Since the beginning.
    #[serde(serialize_with = "form::fraction")]
    pub after: Duration,
    /// What was done.
    pub what: StepKind,
    /// It went well.
    pub passed: bool,
    /// More about it.
    pub detail: Option<String>,
}

/// What was done for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// IKE_SA_INIT was answered.
    Init,
    /// A profile was looked for.
    Profile,
    /// Its certificate was judged.
    Certificate,
    /// We signed.
    Signature,
    /// EAP went one step on.
    Eap,
    /// A password or certificate in EAP was judged.
    Login,
    /// It has proven who it is.
    Authenticated,
    /// It was given an address and attributes.
    Authorization,
    /// A child SA was made.
    ChildSa,
    /// The session came up.
    Up,
    /// It repeated a request that had been answered.
    Repeated,
    /// The session ended.
    Ended,
}

impl StepKind {
    /// How it is told.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Init => "IKE_SA_INIT",
            Self::Profile => "profile",
            Self::Certificate => "certificate",
            Self::Signature => "signature",
            Self::Eap => "EAP",
            Self::Login => "login",
            Self::Authenticated => "authenticated",
            Self::Authorization => "authorization",
            Self::ChildSa => "child SA",
            Self::Up => "up",
            Self::Repeated => "request repeated",
            Self::Ended => "ended",
        }
    }
}

/// Where an attempt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// It goes on.
    UnderWay,
    /// It came up.
    Up,
    /// It came up, and the client left within seconds: it said so.
    Left,
    /// It did not come up, or did not last.
    Failed,
}

/// One end's algorithms, by what they are for; an empty list means that none is needed or offered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Transforms {
    /// Ciphers with their key sizes.
    pub encryption: Vec<String>,
    /// Integrity algorithms.
    pub integrity: Vec<String>,
    /// Pseudorandom functions.
    pub prf: Vec<String>,
    /// Groups, and key exchanges beside them.
    pub group: Vec<String>,
    /// Whether sequence numbers have 64 bits.
    pub esn: Vec<String>,
}

/// On one line, what is for the same always in the same place.
impl fmt::Display for Transforms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            encryption,
            integrity,
            prf,
            group,
            esn,
        } = self;
        let mut first = true;
        for (what, names) in [
            ("encryption", encryption),
            ("integrity", integrity),
            ("prf", prf),
            ("group", group),
            ("esn", esn),
        ] {
            if !names.is_empty() {
                let gap = if first { "" } else { "; " };
                write!(f, "{gap}{what} {}", names.join(", "))?;
                first = false;
            }
        }
        Ok(())
    }
}

/// What went wrong. The text says what differed and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Failure {
    /// No profile takes the identity.
    NoProfile {
        /// The identity with its type.
        identity: String,
        /// The rules that come nearest to it.
        nearest: Vec<String>,
        /// Profiles that have a rule for it, and serve nobody.
        inactive: Vec<InactiveProfile>,
    },
    /// The interface that its profile makes interfaces from is shut down.
    TemplateShutDown {
        /// The profile.
        profile: String,
        /// The interface.
        template: String,
    },
    /// No proposal fits one of ours.
    NothingFits {
        /// `IKE` or `ESP`
        protocol: &'static str,
        /// What the client offers.
        offered: Vec<Transforms>,
        /// What is taken here.
        allowed: Vec<Transforms>,
        /// The one thing in which the nearest two differ, with what each has.
        differing: Option<Difference>,
    },
    /// A password or certificate was refused.
    Login {
        /// The user.
        user: String,
        /// The method list.
        list: String,
        /// Why.
        why: String,
        /// Whether wrong passwords have locked the user out.
        locked_out: bool,
    },
    /// The client's certificate was refused.
    Certificate {
        /// Why.
        why: String,
    },
    /// There was no address for it, or no policy.
    Authorization {
        /// Why.
        why: String,
    },
    /// The child SA could not be made.
    Child {
        /// Why.
        why: String,
    },
    /// The client asked again and again for an answer too long for one packet of most networks.
    AnswerLost {
        /// The length of the answer in octets.
        octets: usize,
        /// How often it was asked for again.
        repeats: u32,
        /// Both ends could have sent it in fragments.
        fragmentation: bool,
    },
    /// The client did not go on.
    NotGoneOn {
        /// What was done last.
        after: StepKind,
    },
    /// The client left as soon as it was in.
    LeftEarly {
        /// How many seconds it stayed.
        seconds: u64,
    },
    /// Anything else.
    Other {
        /// Why.
        why: String,
    },
}

/// A profile that serves nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InactiveProfile {
    /// Its name.
    pub profile: String,
    /// Why.
    pub why: String,
}

impl fmt::Display for InactiveProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { profile, why } = self;
        write!(f, "crypto ikev2 profile {profile} is inactive: {why}")
    }
}

/// In what two proposals differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What it is for.
    pub what: &'static str,
    /// What the client offers.
    pub offered: Vec<String>,
    /// What is taken here.
    pub allowed: Vec<String>,
}

/// Names with commas, or `none`.
struct List<'a>(&'a [String]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            f.write_str("none")
        } else {
            f.write_str(&self.0.join(", "))
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoProfile {
                identity, inactive, ..
            } if !inactive.is_empty() => {
                let inactive: Vec<String> = inactive.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "no profile serves peer identity {identity}, and one that matches it does not work: {}",
                    inactive.join("; ")
                )
            }
            Self::NoProfile {
                identity, nearest, ..
            } => write!(
                f,
                "no profile matches peer identity {identity} (nearest: {}): correct the identity in the client's profile, or add a 'match identity remote' line",
                List(nearest)
            ),
            Self::TemplateShutDown { profile, template } => write!(
                f,
                "{template} is shut down, so the profile {profile} refuses its clients: write 'no shutdown' below 'interface {template}'"
            ),
            Self::NothingFits {
                protocol,
                differing:
                    Some(Difference {
                        what,
                        offered,
                        allowed,
                    }),
                ..
            } => write!(
                f,
                "{protocol}: the proposals differ in the {what} alone: the client offers {}, the headend takes {}: add one of them to the {}",
                List(offered),
                List(allowed),
                lines(protocol)
            ),
            Self::NothingFits { protocol, .. } => write!(
                f,
                "{protocol}: no proposal of the client's fits one of the headend's, and they differ in more than one transform: add what is missing to the {}",
                lines(protocol)
            ),
            Self::Login {
                user,
                list,
                why,
                locked_out,
            } => {
                write!(f, "list '{list}' refused user '{user}': {why}: ")?;
                f.write_str(if *locked_out {
                    "'clear aaa local user lockout username NAME' lets the user in again, whose password somebody may have guessed at"
                } else {
                    "check the 'username' line and what the user typed"
                })
            }
            Self::Certificate { why } => write!(
                f,
                "the client's certificate was refused: {why}: check its issuer against the profile's trustpoints, and its dates and names"
            ),
            Self::Authorization { why } => write!(
                f,
                "logged in, and was given no address: {why}: check the authorization policy, and the size and the users of its pool ('show ip local pool NAME')"
            ),
            Self::Child { why } => write!(
                f,
                "logged in, and the IPsec SA failed: {why}: compare the client's ESP algorithms and networks with the IPsec profile's transform sets and the policy's routes"
            ),
            Self::AnswerLost {
                octets,
                repeats,
                fragmentation,
            } => {
                let advice = if *fragmentation {
                    "lower 'crypto ikev2 fragmentation mtu'"
                } else {
                    "enable 'crypto ikev2 fragmentation'"
                };
                write!(
                    f,
                    "the client asked {repeats} times again for an answer of {octets} octets, which hardly reaches it as IP fragments: {advice}, or send a shorter certificate chain"
                )
            }
            Self::NotGoneOn { after } => write!(
                f,
                "the client did not go on after '{}': either it disliked what it was shown, as a certificate whose names or usage do not fit, or answers do not reach it (UDP 500 and 4500)",
                after.name()
            ),
            Self::LeftEarly { seconds } => write!(
                f,
                "the client left {seconds} s after it was in: a Secure Client does so, beside one whose user wanted it, that has looked for its profile or an update over HTTPS and got none; then set BypassDownloader in its policy, or give it the profile that the headend names"
            ),
            Self::Other { why } => write!(f, "{why}"),
        }
    }
}

/// The lines of a configuration that decide on algorithms.
fn lines(protocol: &str) -> &'static str {
    match protocol {
        "IKE" => "'crypto ikev2 proposal', or to the client's",
        _ => "'crypto ipsec transform-set', or to the client's",
    }
}
