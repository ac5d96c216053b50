//! `show aaa …` and `show users`: who is logged in, and by which lists.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime},
};

use ironflex_profiles::{
    Candidate,
    model::{Table, aaa::Method},
};
use serde::Serialize;

use super::{Address, Elapsed, machine::moment, text};
use crate::{
    cli::Printable,
    state::{IkeSa, Session, State, form},
};

/// Which method lists.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MethodLists {
    /// `all`
    All,
    /// `accounting`
    Accounting,
    /// `authentication`
    Authentication,
    /// `authorization`
    Authorization,
}

/// A list of methods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MethodList {
    /// `authentication` or `authorization`
    pub purpose: &'static str,
    /// Its name.
    pub name: String,
    /// What is asked, one after another.
    pub methods: Vec<&'static str>,
}

/// A session as AAA sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AaaSession {
    /// Its number.
    pub session_id: u32,
    /// The user, or who the peer is.
    pub user: Option<String>,
    /// The address that it was given first.
    pub address: Option<String>,
    /// The number of its interface.
    pub virtual_access: u32,
    /// Where the client is.
    pub peer: String,
}

/// A terminal at which somebody is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TerminalFacts {
    /// Who sits at it, as the socket says.
    pub user: String,
    /// `configure`, `monitor` or `idle`.
    pub does: &'static str,
    /// Where it is, as its process says.
    pub terminal: Option<String>,
    /// Its process.
    pub process: Option<i32>,
    /// For how long nobody was seen at its prompt; `null` where there is none.
    pub idle_seconds: Option<u64>,
    /// It is the one that asks.
    pub asks: bool,
}

fn up(state: &State) -> impl Iterator<Item = (&IkeSa, &Session)> {
    let sas = state.ike_sas.iter();
    sas.filter_map(|sa| Some((sa, sa.session.as_ref()?)))
}

fn user(sa: &IkeSa) -> Option<&str> {
    sa.remote_eap_id.as_deref().or(sa.remote_id.as_deref())
}

/// The sessions that are up.
pub(super) fn sessions(state: &State) -> Vec<AaaSession> {
    up(state)
        .map(|(sa, session)| AaaSession {
            session_id: sa.session_id,
            user: user(sa).map(str::to_owned),
            address: sa.assigned.first().map(ToString::to_string),
            virtual_access: session.virtual_access,
            peer: sa.remote.ip().to_canonical().to_string(),
        })
        .collect()
}

/// `show aaa sessions`. How long a session has been idle, and its call, are not known here and stand at zero as in the
/// samples of routers.
#[must_use]
pub fn aaa_sessions(state: &State) -> String {
    text(|out| {
        let total = state.sessions_begun;
        writeln!(out, "Total sessions since last reload: {total}")?;
        for one in sessions(state) {
            let user = one.user.as_deref().unwrap_or("*not available*");
            let address = one.address.as_deref().unwrap_or("0.0.0.0");
            writeln!(out, "Session Id: {}", one.session_id)?;
            writeln!(out, "   Unique Id: {}", one.session_id)?;
            writeln!(out, "   User Name: {}", Printable(user))?;
            // IPv6 in capitals, as everywhere in a router's texts.
            writeln!(out, "   IP Address: {}", address.to_ascii_uppercase())?;
            writeln!(out, "   Idle Time: 0")?;
            writeln!(out, "   CT Call Handle: 0")?;
        }
        Ok(())
    })
}

/// `show users`. A router lists a FlexVPN client rarely; here they are all there, below their own heading.
#[must_use]
pub fn users(state: &State, terminals: &[TerminalFacts]) -> String {
    text(|out| {
        writeln!(
            out,
            "    Line       User       Host(s)              Idle       Location"
        )?;
        // Who asks without a shell sits at this machine all the same.
        if !terminals.iter().any(|one| one.asks) {
            writeln!(
                out,
                "*  0 con 0                idle                 00:00:00   "
            )?;
        }
        for (number, one) in terminals.iter().enumerate() {
            let mark = if one.asks { '*' } else { ' ' };
            let line = format!("{mark}{:>3} vty {number}", number.saturating_add(1));
            let user = Printable(&one.user).to_string();
            let process = one.process.map(|process| format!("process {process}"));
            let place = one.terminal.clone().or(process).unwrap_or_default();
            let idle = one.idle_seconds.map(Duration::from_secs);
            let idle = idle.map(|idle| Elapsed(idle).to_string());
            let idle = idle.unwrap_or_else(|| "-".to_owned());
            writeln!(
                out,
                "{line:<15}{user:<11}{:<21}{idle:<8} {}",
                one.does,
                Printable(&place)
            )?;
        }
        writeln!(out)?;
        writeln!(
            out,
            "  Interface    User               Mode         Idle     Peer Address"
        )?;
        for (sa, session) in up(state) {
            let interface = format!("Vi{}", session.virtual_access);
            let user = Printable(user(sa).unwrap_or_default()).to_string();
            let peer = Address(sa.remote.ip());
            writeln!(
                out,
                "  {interface:<12} {user:<18} {:<12} {:<8} {peer}",
                "IPsec", "-"
            )?;
        }
        Ok(())
    })
}

/// The lists of a configuration.
pub(super) fn lists(configured: &Candidate, which: MethodLists) -> Vec<MethodList> {
    let of = |purpose: &'static str, table: &Table<Method>| {
        let lists = table.iter().map(|entry| MethodList {
            purpose,
            name: entry.name.to_string(),
            methods: vec![entry.value.keyword()],
        });
        lists.collect::<Vec<_>>()
    };
    let authentication = || of("authentication", &configured.aaa.authentication_login);
    let authorization = || of("authorization", &configured.aaa.authorization_network);
    match which {
        MethodLists::All => authentication()
            .into_iter()
            .chain(authorization())
            .collect(),
        // No line of a configuration makes one.
        MethodLists::Accounting => Vec::new(),
        MethodLists::Authentication => authentication(),
        MethodLists::Authorization => authorization(),
    }
}

/// `show aaa method-lists {all | accounting | authentication | authorization}`
#[must_use]
pub fn aaa_method_lists(configured: &Candidate, which: MethodLists) -> String {
    text(|out| {
        let mut queue = "";
        for (number, list) in lists(configured, which).iter().enumerate() {
            if queue != list.purpose {
                queue = list.purpose;
                writeln!(
                    out,
                    "{}",
                    match queue {
                        "authentication" => "authen queue=AAA_ML_AUTHEN_LOGIN",
                        _ => "author queue=AAA_ML_AUTHOR_NET",
                    }
                )?;
            }
            let methods = list.methods.join(" ").to_ascii_uppercase();
            let name = &list.name;
            writeln!(
                out,
                "  name={name} valid=TRUE id={number:X} :state=ALIVE : {methods} "
            )?;
        }
        Ok(())
    })
}

/// A local user whom wrong passwords have locked out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LockedOutUser {
    /// The name as configured.
    pub user: String,
    /// When that came about.
    #[serde(serialize_with = "form::moment")]
    pub since: SystemTime,
}

/// `show aaa local user lockout`
#[must_use]
pub fn aaa_lockout(users: &[LockedOutUser]) -> String {
    text(|out| {
        writeln!(out, "\n        Local-user                  Lock time\n")?;
        for LockedOutUser { user, since } in users {
            let user = Printable(user).to_string();
            writeln!(out, "        {user:<27} {}", moment(*since))?;
        }
        Ok(())
    })
}
