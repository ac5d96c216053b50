//! `ironflex connect` from beginning to end: connects, and connects again after a loss.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use ironflex_ikev2::{event::Instant, wire::payload::Gateway};

use super::{
    Connection, End, Options,
    backoff::{Backoff, spread},
    credentials::{Credentials, password_of_stdin},
    device::device,
    login::Login,
    place::Held,
    redirect::{Redirected, Trail},
    report::{Report, Step},
};
use crate::{clock::Clock, signals::StopSignals};

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
        Err(error) => return ended(report, End::Local(error.to_string())),
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
    let mut backoff = Backoff::new();
    let mut ever_up = false;
    let device = device();
    let clock = Clock::start();
    let mut trail = Trail::new(options.max_redirects);
    let mut redirected = None;
    let mut place = Held::default();
    let mut warned = BTreeSet::new();
    loop {
        let way: Option<Redirected> = redirected.take();
        let mut was_redirected = way.is_some();
        let started = tokio::select! {
            started = Connection::start(options, login.clone(), device.clone(), way, &mut place, &mut warned) => started,
            () = stop.received() => return End::Disconnected,
        };
        let (mut end, up, is_back, trusted, sent_on) = match started {
            Ok(mut connection) => {
                let end = connection.serve(stop.received()).await;
                login = connection.login();
                if connection.begins_anew {
                    report.show(&end.to_string());
                    redirected = way;
                    let wait = spread(backoff.after_move());
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = stop.received() => return End::Disconnected,
                    }
                    continue;
                }
                let sent_on = connection.sent_on.take();
                let (up, is_back) = (connection.up_for(), connection.is_back);
                (end, up, is_back, connection.is_trusted(), sent_on)
            }
            Err(end) => (end, None, false, false, None),
        };
        ever_up |= up.is_some();
        if let Some((from, gateway)) = sent_on {
            let found = tokio::select! {
                found = follow(&place, &mut trail, clock.now(), from, &gateway) => found,
                () = stop.received() => return End::Disconnected,
            };
            match found {
                Ok(way) => {
                    let Redirected { from, to } = way;
                    report.tell(&Step::Redirected { from, to });
                    redirected = Some(way);
                    continue;
                }
                Err(astray) => {
                    end = astray;
                    was_redirected = true;
                }
            }
        }
        if options.once || !ever_up || !may_pass(&end, was_redirected, trusted) {
            return end;
        }
        let wait = spread(backoff.after(up, is_back));
        report.tell(&Step::Reconnecting {
            seconds: wait.as_secs(),
            message: end.to_string(),
        });
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.received() => return End::Disconnected,
        }
    }
}

/// Whether another try at the headend that the user named may do better, for a client that was connected before.
///
/// What is answered before a headend is `trusted` may be anybody's word who sees the request, and so is where a redirection
/// led. But a login that a headend refuses once it is trusted is not tried twice.
const fn may_pass(end: &End, was_redirected: bool, trusted: bool) -> bool {
    match end {
        End::Lost(_) | End::Unreachable(_) => true,
        End::NoTunnel(_) | End::NoProfile(_) | End::Untrusted(_) => was_redirected || !trusted,
        End::LoginRefused(_) => !trusted,
        End::Disconnected | End::Local(_) | End::Network(_) => false,
    }
}

/// Where a redirection leads, if it is to be followed.
async fn follow(
    place: &Held,
    trail: &mut Trail,
    now: Instant,
    from: IpAddr,
    gateway: &Gateway,
) -> Result<Redirected, End> {
    let to = match gateway {
        Gateway::Address(address) => *address,
        Gateway::Fqdn(name) => place.resolve(name).await?,
    };
    trail
        .follow(now, from, to)
        .map_err(|astray| End::NoTunnel(astray.to_string()))
}

fn login(options: &Options, own: Option<Arc<Credentials>>) -> Result<Login, End> {
    let password = if options.password_stdin {
        let password = password_of_stdin()?;
        if password.is_empty() {
            return Err(End::Local("no password on standard input".into()));
        }
        Some(password)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_trusted_headend_says_ends_a_client_that_was_connected() {
        let why = String::new;
        let lost = [End::Lost(why()), End::Unreachable(why())];
        let refused = [
            End::NoTunnel(why()),
            End::NoProfile(why()),
            End::Untrusted(why()),
        ];
        for trusted in [false, true] {
            for redirected in [false, true] {
                assert!(lost.iter().all(|end| may_pass(end, redirected, trusted)));
                for end in &refused {
                    let passes = redirected || !trusted;
                    assert_eq!(may_pass(end, redirected, trusted), passes, "{end}");
                }
                for end in [End::Disconnected, End::Local(why()), End::Network(why())] {
                    assert!(!may_pass(&end, redirected, trusted), "{end}");
                }
                let login = End::LoginRefused(why());
                assert_eq!(may_pass(&login, redirected, trusted), !trusted);
            }
        }
    }
}
