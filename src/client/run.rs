//! `ironflex connect` from beginning to end: connects, and connects again after a loss.

use std::{io, net::IpAddr, sync::Arc, time::Duration};

use ironflex_ikev2::{event::Instant, wire::payload::Gateway};
use zeroize::Zeroizing;

use super::{
    Connection, End, Options,
    connection::device,
    credentials::Credentials,
    login::Login,
    redirect::{Redirected, Trail},
    report::{Report, Step},
    target::resolve,
};
use crate::{clock::Clock, signals::StopSignals};

/// The first wait before another try, and the longest, in seconds.
const RETRY: (u64, u64) = (2, 60);

/// Runs the client to its end. Returns why it ended.
pub fn run(options: &Options) -> End {
    let report = Report { json: options.json };
    // Before the runtime: the password of a file is asked for while there is nothing else to do.
    let own = match Credentials::read(options) {
        Ok(own) => own.map(Arc::new),
        Err(end) => return ended(report, end),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return End::Local(error.to_string()),
    };
    let end = runtime.block_on(connect_again(options, own, report));
    // A name that is still being looked up keeps nobody waiting.
    runtime.shutdown_background();
    ended(report, end)
}

fn ended(report: Report, end: End) -> End {
    report.tell(&Step::Disconnected {
        reason: end.word(),
        message: end.to_string(),
    });
    end
}

async fn connect_again(options: &Options, own: Option<Arc<Credentials>>, report: Report) -> End {
    let mut login = match login(options, own) {
        Ok(login) => login,
        Err(end) => return end,
    };
    let mut stop = match StopSignals::listen() {
        Ok(stop) => stop,
        Err(error) => return End::Local(format!("signals: {error}")),
    };
    let mut wait = RETRY.0;
    let mut ever_up = false;
    let device = device();
    let clock = Clock::start();
    let mut trail = Trail::new(options.max_redirects);
    let mut redirected = None;
    loop {
        let started = tokio::select! {
            started = Connection::start(options, login.clone(), device.clone(), redirected.take()) => started,
            () = stop.received() => return End::Disconnected,
        };
        let (mut end, was_up, restarted, sent_on) = match started {
            Ok(mut connection) => {
                let end = connection.serve(stop.received()).await;
                login = connection.login();
                let sent_on = connection.sent_on.take();
                (end, connection.was_up, connection.restarted, sent_on)
            }
            Err(end) => (end, false, false, None),
        };
        if let Some((from, gateway)) = sent_on {
            let found = tokio::select! {
                found = follow(&mut trail, clock.now(), from, &gateway) => found,
                () = stop.received() => return End::Disconnected,
            };
            match found {
                Ok(way) => {
                    let Redirected { from, to } = way;
                    report.tell(&Step::Redirected { from, to });
                    redirected = Some(way);
                    continue;
                }
                Err(astray) => end = astray,
            }
        }
        ever_up |= was_up;
        let again = ever_up && matches!(end, End::Lost(_) | End::Unreachable(_));
        if !again || options.once {
            return end;
        }
        if was_up {
            wait = RETRY.0;
        }
        // A headend that has just told so is there; if it is not after all, there is a wait again.
        let seconds = if was_up && restarted { 0 } else { wait };
        report.tell(&Step::Reconnecting {
            seconds,
            message: end.to_string(),
        });
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(seconds)) => {}
            () = stop.received() => return End::Disconnected,
        }
        wait = wait.saturating_mul(2).min(RETRY.1);
    }
}

/// Where a redirection leads, if it is to be followed.
async fn follow(
    trail: &mut Trail,
    now: Instant,
    from: IpAddr,
    gateway: &Gateway,
) -> Result<Redirected, End> {
    let to = match gateway {
        Gateway::Address(address) => *address,
        Gateway::Fqdn(name) => resolve(name).await?,
    };
    trail
        .follow(now, from, to)
        .map_err(|astray| End::NoTunnel(astray.to_string()))
}

fn login(options: &Options, own: Option<Arc<Credentials>>) -> Result<Login, End> {
    let password = if options.password_stdin {
        let mut line = Zeroizing::new(String::new());
        io::stdin()
            .read_line(&mut line)
            .map_err(|error| End::Local(format!("standard input: {error}")))?;
        let password = line.trim_end_matches(['\r', '\n']);
        if password.is_empty() {
            return Err(End::Local("no password on standard input".into()));
        }
        Some(Zeroizing::new(password.to_owned()))
    } else {
        None
    };
    Ok(Login {
        own,
        user: options.user.clone(),
        password,
        batch: options.password_stdin,
    })
}
