//! What is written, what is left out, and in which form.

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use ironflex_ikev2::{
    event::SaId,
    refusal::{AuthFault, PeerMisbehaved},
    wire::registry::NotifyType,
};

use super::*;
use crate::{
    daemon::session::{Sessions, Who},
    state::attempts::Transforms,
};

/// A log, its lines, and its clock in seconds.
struct Kept {
    log: Log,
    lines: Rc<RefCell<Vec<String>>>,
    seconds: Rc<Cell<u64>>,
}

impl Kept {
    fn new() -> Self {
        let lines = Rc::new(RefCell::new(Vec::new()));
        let seconds = Rc::new(Cell::new(0));
        let (writing, clock) = (Rc::clone(&lines), Rc::clone(&seconds));
        let out = move |_: Severity, line: fmt::Arguments<'_>| {
            writing.borrow_mut().push(line.to_string())
        };
        let now = move || Instant::new(Duration::from_secs(clock.get()));
        let log = Log::onto(Box::new(out), Box::new(now));
        Self {
            log,
            lines,
            seconds,
        }
    }

    /// Lets a second pass and returns what was written since the last one.
    fn second(&self) -> Vec<String> {
        self.after(1)
    }

    fn after(&self, passed: u64) -> Vec<String> {
        self.seconds
            .update(|seconds| seconds.saturating_add(passed));
        self.log.settle();
        self.lines.take()
    }
}

/// One SA whose peer is not authenticated, one whose is.
fn sessions() -> (Sessions, [SaId; 2]) {
    let mut sessions = Sessions::default();
    let both = [SaId::from_spi(1), SaId::from_spi(2)];
    for sa in both {
        sessions.open(sa);
    }
    sessions.authenticate(both[1], Who::of_user("test", None));
    (sessions, both)
}

#[test]
fn refusals_of_strangers_are_cut_off_and_counted_and_those_of_users_are_not() {
    let kept = Kept::new();
    let (sessions, [stranger, user]) = sessions();
    let reason = CloseReason::PeerDeleted;
    for _ in 0..100 {
        kept.log.refused(sessions.view(stranger), "no");
        kept.log.refused(None, "no");
        kept.log.down(sessions.view(stranger), &reason);
        let why = "wrong password";
        kept.log
            .login_rejected(sessions.view(stranger), "test", 1, why);
        kept.log.refused(sessions.view(user), "no address");
    }
    let lines = kept.after(60);
    let of_user = |line: &&String| line.ends_with("no address");
    assert_eq!(lines.iter().filter(of_user).count(), 100);
    // The peers' own addresses are not known: together they have what all have.
    assert_eq!(lines.len(), 100 + 100 + 1);
    assert_eq!(
        lines.last().unwrap(),
        "warning: 300 more lines about peers that are not authenticated were left out: \
         20 about one source, up to 50 about the networks around it, and 100 in all are written in 60 s"
    );
    // A quiet minute is told nothing of, and the next stranger is.
    assert_eq!(kept.after(60), [""; 0]);
    kept.log.refused(None, "no");
    assert_eq!(kept.second().len(), 1);
}

#[test]
fn one_source_does_not_keep_the_others_out_of_the_log() {
    let kept = Kept::new();
    let why = || Failure::Other { why: "no".into() };
    let noisy = "[2001:db8::1]:500".parse().unwrap();
    for _ in 0..1_000 {
        kept.log.init_refused(noisy, why);
    }
    // Of the same site, under another address.
    let neighbour = "[2001:db8::ffff]:500".parse().unwrap();
    kept.log.init_refused(neighbour, why);
    let other = "198.51.100.9:500".parse().unwrap();
    kept.log.init_refused(other, why);
    let lines = kept.after(60);
    assert_eq!(lines.len(), 20 + 1 + 1);
    assert_eq!(lines[20], "%IKEV2-3-NEG_ABORT: Peer 198.51.100.9:500  no");
    assert!(
        lines[21].contains("981 more lines about first requests")
            && lines[21].contains(", 981 of them about 2001:db8::/64:"),
        "{}",
        lines[21]
    );
}

// Whoever has a site's prefix has 65,536 of what one host has.
#[test]
fn one_site_does_not_keep_the_others_out_of_the_log_with_many_addresses() {
    let kept = Kept::new();
    let why = || Failure::Other { why: "no".into() };
    let site = (0..50).flat_map(|network| vec![format!("[2001:db8:7:{network}00::1]:500"); 20]);
    for address in site.chain(["198.51.100.9:500".into()]) {
        kept.log.init_refused(address.parse().unwrap(), why);
    }
    let lines = kept.after(60);
    assert!(lines.iter().any(|line| line.contains("198.51.100.9")));
    assert!(
        lines.last().unwrap().contains("about 2001:db8:7::/48:"),
        "{lines:?}"
    );
}

// A forged request may hold hundreds of transforms.
#[test]
fn what_a_forged_request_has_written_is_short() {
    let kept = Kept::new();
    let many = |name: &str| vec![format!("{name}(65535)-65535"); 24];
    let side = Transforms {
        encryption: many("ENCR"),
        integrity: many("INTEG"),
        prf: many("PRF"),
        group: many("KE"),
        esn: Vec::new(),
    };
    let failure = Failure::NothingFits {
        protocol: "IKE",
        offered: vec![side.clone(); 8],
        allowed: vec![side; 8],
        differing: None,
    };
    let peer = "198.51.100.9:500".parse().unwrap();
    kept.log.init_refused(peer, || failure);
    let [line] = &kept.second()[..] else {
        panic!("it is not one line");
    };
    assert!(line.len() < 1_000, "{} octets", line.len());
    let (offered, allowed) = line.split_once(", the headend takes (encryption").unwrap();
    assert!(offered.ends_with("... and 6 more"), "{line}");
    assert!(allowed.ends_with("... and 6 more"), "{line}");
}

#[test]
fn requests_with_forged_sources_do_not_keep_failed_logins_out_of_the_log() {
    let kept = Kept::new();
    let (sessions, [stranger, _]) = sessions();
    for host in 0..10_000 {
        let forged = std::net::Ipv4Addr::from_bits(host);
        let why = || Failure::Other { why: "no".into() };
        kept.log.init_refused((forged, 500).into(), why);
    }
    kept.log
        .login_rejected(sessions.view(stranger), "test", 1, "wrong password");
    let lines = kept.after(60);
    assert_eq!(lines.len(), 100 + 1 + 1);
    assert!(lines[100].contains("LOGIN_FAILED"), "{}", lines[100]);
}

#[test]
fn a_request_in_which_nothing_fits_is_told_with_both_sides() {
    let kept = Kept::new();
    let side = |cipher: &str, group: &str| Transforms {
        encryption: vec![cipher.into()],
        group: vec![group.into()],
        ..Transforms::default()
    };
    let failure = Failure::NothingFits {
        protocol: "IKE",
        offered: vec![side("3DES", "2"), side("AES-CBC-128", "5")],
        allowed: vec![side("AES-CBC-256", "14")],
        differing: None,
    };
    let sentence = failure.to_string();
    let peer = "198.51.100.9:500".parse().unwrap();
    kept.log.init_refused(peer, || failure);
    assert_eq!(
        kept.second(),
        [format!(
            "%IKEV2-3-NEG_ABORT: Peer 198.51.100.9:500  {sentence}; the client offers (encryption 3DES; group 2) \
             (encryption AES-CBC-128; group 5), the headend takes (encryption AES-CBC-256; group 14)"
        )]
    );
}

#[test]
fn a_quiet_log_says_what_failed_and_nothing_else() {
    let mut kept = Kept::new();
    kept.log.quiet = true;
    kept.log.info("ready");
    kept.log.warning("nobody can log in");
    kept.log.trouble(&"the network stays as it was");
    assert_eq!(kept.second(), ["error: the network stays as it was"]);
}

#[test]
fn what_debug_says_of_strangers_is_bounded_and_of_users_it_is_not() {
    use crate::cli::exec::DebugFlag;
    let kept = Kept::new();
    let mut log = kept.log;
    log.flags.set(DebugFlag::Ikev2, true);
    let (sessions, [stranger, user]) = sessions();
    let kept = Kept { log, ..kept };
    let limit = usize::try_from(budget::DEBUG_LINES).unwrap();
    for _ in 0..limit {
        for session in [sessions.view(stranger), None, sessions.view(user)] {
            kept.log.event(session, None, &Event::Quiet);
            kept.log.step(session, Step::EapProcessing);
        }
    }
    let lines = kept.second();
    // Both of them: one line of the user's for each turn.
    assert_eq!(lines.len(), 2 * limit + limit + 1);
    assert_eq!(
        lines.last().unwrap(),
        &format!(
            "warning: {} more debug lines about peers that are not authenticated were left out: {limit} in 1 s are written",
            3 * limit
        )
    );
}

#[test]
fn lines_name_the_peer_its_user_and_who_ended_what() {
    use crate::daemon::session::Deletion;
    let kept = Kept::new();
    let (mut sessions, [stranger, user]) = sessions();
    for (sa, remote) in [(stranger, "198.51.100.2:500"), (user, "[2001:db8::2]:4500")] {
        sessions.of(sa).unwrap().remote = Some(remote.parse().unwrap());
    }
    sessions.of(stranger).unwrap().tried = Some(Arc::from("nobody"));
    // Nothing went up that could go down.
    sessions.of(user).unwrap().came_up = true;
    sessions.of(user).unwrap().named = Some(Arc::from("*$AnyConnectClient$*"));
    let view = sessions.view(stranger);
    kept.log.refused(view, "no");
    kept.log.login_rejected(view, "nobody", 1, "wrong password");
    kept.log.down(view, &CloseReason::TimedOut);
    let failed = NotifyType::AUTHENTICATION_FAILED;
    let gave_up = CloseReason::Refused(Refusal::ByPeer(failed));
    kept.log.down(sessions.view(user), &gave_up);
    kept.log.down(sessions.view(user), &CloseReason::Deleted);
    for deletion in [Deletion::ByOperator, Deletion::AtStop] {
        // The first one stays.
        sessions.note_deletion(user, deletion);
        kept.log.down(sessions.view(user), &CloseReason::Deleted);
    }
    sessions.note_deletion(stranger, Deletion::AtStop);
    kept.log
        .down(sessions.view(stranger), &CloseReason::Deleted);
    sessions.of(stranger).unwrap().login_failed = true;
    kept.log.down(sessions.view(stranger), &gave_up);
    let nobody_yet = [None, Some(Arc::from(""))];
    for tried in nobody_yet {
        sessions.of(stranger).unwrap().tried = tried;
        kept.log
            .down(sessions.view(stranger), &CloseReason::TimedOut);
    }
    // What is not said in a line before stands in this one.
    sessions.of(stranger).unwrap().login_failed = false;
    let unproven =
        CloseReason::Refused(PeerMisbehaved::AuthenticationFailed(AuthFault::OtherKey).into());
    kept.log.down(sessions.view(stranger), &unproven);
    sessions.of(stranger).unwrap().told_unproven = true;
    kept.log.down(sessions.view(stranger), &unproven);
    // A reason of the peer's is not replaced by one of ours.
    kept.log
        .down(sessions.view(user), &CloseReason::PeerDeleted);
    let down = "%CRYPTO-5-IKEV2_SESSION_STATUS: Crypto tunnel v2 is DOWN.  Peer";
    let over = "%IKEV2-5-ATTEMPT_OVER: No tunnel came up.  Peer";
    let here = "198.51.100.2:500  (SESSION ID = 1,SA ID = 1)  user: nobody  reason:";
    let nobody = "198.51.100.2:500  (SESSION ID = 1,SA ID = 1)  reason:";
    let there = "2001:db8::2:4500       Id: *$AnyConnectClient$*  (SESSION ID = 2,SA ID = 2)  user: test  reason:";
    assert_eq!(
        kept.second(),
        [
            "%IKEV2-3-NEG_ABORT: (SESSION ID = 1,SA ID = 1):Peer 198.51.100.2:500  no".to_owned(),
            "%SEC_LOGIN-4-LOGIN_FAILED: (SESSION ID = 1,SA ID = 1):Login failed [user: nobody] \
             [Source: 198.51.100.2] [attempt: 1] [Reason: wrong password]"
                .to_owned(),
            format!("{over} {here} the peer did not go on in time"),
            format!("{down} {there} the client gave up: AUTHENTICATION_FAILED"),
            format!("{down} {there} deleted"),
            format!("{down} {there} cleared by the operator"),
            format!("{down} {there} cleared by the operator"),
            format!("{over} {here} the headend stops"),
            format!("{over} {here} login failed"),
            format!("{over} {nobody} the peer did not go on in time"),
            format!("{over} {nobody} the peer did not go on in time"),
            format!("{over} {nobody} peer misbehaved: AUTH does not verify"),
            format!("{over} {nobody} the client did not prove itself"),
            format!("{down} {there} deleted by the peer"),
        ]
    );
}

#[test]
fn what_was_left_out_is_due_when_the_time_is_over_that_began_with_the_first_line() {
    let kept = Kept::new();
    kept.log.refused(None, "no");
    assert_eq!(kept.log.due(), None);
    for _ in 0..quota::LINES {
        kept.log.refused(None, "no");
    }
    assert_eq!(kept.log.due(), Some(Instant::new(quota::PERIOD)));
}

#[test]
fn a_terminal_that_takes_its_time_loses_lines_and_is_told_how_many() {
    let kept = Kept::new();
    let (sending, mut watched) = mpsc::channel(2);
    kept.log
        .watch(Default::default(), sending, Watched::All, None);
    assert_eq!(kept.log.watching(), [Person::default()]);
    for number in 1..=5 {
        kept.log.info(number);
    }
    let mut next = || {
        let line = watched.try_recv().ok()?;
        // The date and the time come first.
        Some(
            line.split_once(": ")
                .map_or_else(|| line.clone(), |(_, text)| text.to_owned()),
        )
    };
    assert_eq!(next().as_deref(), Some("1\n"));
    assert_eq!(next().as_deref(), Some("2\n"));
    assert_eq!(next(), None);
    kept.log.info(6);
    assert_eq!(
        next().as_deref(),
        Some("% 3 lines were lost to this terminal\n")
    );
    assert_eq!(next().as_deref(), Some("6\n"));
    // Who has gone is forgotten, and nobody else misses a line.
    drop(watched);
    kept.log.info(7);
    assert_eq!(kept.log.watchers.borrow().len(), 0);
    assert_eq!(kept.lines.borrow().len(), 7);
}

// Nobody has to change anything for the places of those who are gone to be free again.
#[test]
fn a_terminal_that_is_gone_is_forgotten_when_the_next_one_comes() {
    let kept = Kept::new();
    for wanted in [Watched::Rollback, Watched::All, Watched::Rollback] {
        let (sending, watched) = mpsc::channel(2);
        kept.log.watch(Default::default(), sending, wanted, None);
        assert_eq!(kept.log.watchers.borrow().len(), 1);
        drop(watched);
    }
}

#[test]
fn every_line_in_the_journal_has_its_severity_and_no_time() {
    for (severity, expected) in [
        (Severity::Errors, "<3>one\n<3>  two\n"),
        (Severity::Warnings, "<4>one\n<4>  two\n"),
        (Severity::Notifications, "<5>one\n<5>  two\n"),
        (Severity::Informational, "<6>one\n<6>  two\n"),
        (Severity::Debugging, "<7>one\n<7>  two\n"),
    ] {
        assert_eq!(
            journal_lines(severity, format_args!("one\n  two")),
            expected
        );
    }
}

// A client that is let in deletes its child SA and makes another one, again and again.
#[test]
fn one_interface_that_comes_and_goes_does_not_fill_the_log() {
    let kept = Kept::new();
    let [noisy, other] = [1, 2].map(SaId::from_spi);
    for _ in 0..500 {
        for up in [true, false] {
            kept.log.line_protocol(noisy, 1, up);
        }
    }
    kept.log.line_protocol(other, 2, true);
    let change = "%LINEPROTO-5-UPDOWN: Line protocol on Interface Virtual-Access";
    let lines = kept.second();
    assert_eq!(lines.len(), 20 + 1);
    assert_eq!(lines[0], format!("{change}1, changed state to up"));
    assert_eq!(lines[1], format!("{change}1, changed state to down"));
    assert_eq!(lines[20], format!("{change}2, changed state to up"));
    assert_eq!(kept.log.due(), Some(Instant::new(Duration::from_secs(60))));
    assert_eq!(
        kept.after(59),
        [
            "warning: 980 more changes of Virtual-Access1 were left out: 20 of one session are written in 60 s"
        ]
    );
    kept.log.line_protocol(noisy, 1, true);
    assert_eq!(kept.second().len(), 1);
}
