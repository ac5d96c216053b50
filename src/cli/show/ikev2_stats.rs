//! `show crypto ikev2 stats [exchange | ext-service | timeout]`.
//!
//! What IOS-XE counts of features that are not here stands at zero, so that scripts find their lines. The
//! last two tables of the first form are our own.

use std::fmt::{self, Write};

use super::text;
use crate::statistics::{Outcome, Statistics};

/// Which of the tables.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ikev2Stats {
    /// SAs, requests, cookies, and every reason for which something was discarded or refused.
    Summary,
    /// Messages and notifies.
    Exchange,
    /// What was done for SAs.
    ExtService,
    /// Timers.
    Timeout,
}

/// The table that is asked for.
#[must_use]
pub fn ikev2_stats(statistics: &Statistics, which: Ikev2Stats) -> String {
    text(|out| match which {
        Ikev2Stats::Summary => summary(out, statistics),
        Ikev2Stats::Exchange => exchange(out, statistics),
        Ikev2Stats::ExtService => ext_service(out, statistics),
        Ikev2Stats::Timeout => timeout(out, statistics),
    })
}

fn rule(out: &mut impl Write, length: usize) -> fmt::Result {
    writeln!(out, "{:-<length$}", "")
}

fn summary(out: &mut impl Write, all: &Statistics) -> fmt::Result {
    const WIDTH: usize = 80;
    rule(out, WIDTH)?;
    writeln!(out, "{:26}Crypto IKEv2 SA Statistics", "")?;
    rule(out, WIDTH)?;
    let (incoming, outgoing) = all.negotiating_limits;
    writeln!(
        out,
        "System Resource Limit:   0        Max IKEv2 SAs: {}        Max in nego(in/out): {incoming}/{outgoing}",
        all.sa_limit
    )?;
    for (way, sas) in [("incoming", all.incoming), ("outgoing", all.outgoing)] {
        writeln!(
            out,
            "Total {way} IKEv2 SA Count:    {:<9}active:        {:<9}negotiating: {}",
            sas.active.saturating_add(sas.negotiating),
            sas.active,
            sas.negotiating
        )?;
    }
    let came = all.accepted.saturating_add(all.rejected);
    let requests = [
        ("Incoming", came, all.accepted, all.rejected),
        ("Outgoing", 0, 0, 0),
    ];
    for (way, all, accepted, rejected) in requests {
        writeln!(
            out,
            "{way} IKEv2 Requests: {all:<9}accepted:      {accepted:<9}rejected:    {rejected:<8}"
        )?;
    }
    writeln!(
        out,
        "Rejected IKEv2 Requests: {:<9}rsrc low:      {:<9}SA limit:    {:<8}",
        all.rejected, all.low_resources, all.sa_limited
    )?;
    writeln!(
        out,
        "IKEv2 packets dropped at dispatch: {}",
        all.undispatched
    )?;
    writeln!(
        out,
        "Incoming Requests dropped as LOW Q limit reached : {}",
        all.queue_limited
    )?;
    writeln!(
        out,
        "Incoming IKEV2 Cookie Challenged Requests: {}",
        all.challenged
    )?;
    writeln!(
        out,
        "    accepted: {}        rejected: {}        rejected no cookie: {}",
        all.cookies_accepted, all.cookies_rejected, all.cookies_missing
    )?;
    writeln!(out, "Total Deleted sessions of Cert Revoked Peers: 0")?;
    writeln!(
        out,
        "Total init sa request rejected due to queue limit : {}",
        all.queue_limited
    )?;
    writeln!(
        out,
        "SA Strength Enforcement Rejects - incoming:        0 outgoing:        0"
    )?;
    writeln!(
        out,
        "Sessions with Quantum Resistance: {0}        Manual: {0}        Dynamic: 0",
        all.quantum_sessions
    )?;
    let ppks = all.ppks;
    writeln!(out, "PPK Identity Mismatch: {}", ppks.unknown)?;
    writeln!(
        out,
        "PPK Retrieve Failure    -    ALL:      {}        With PPK Required:    {}",
        ppks.refused, ppks.required
    )?;
    writeln!(
        out,
        "PPK Authentication Failure - ALL:      {}        With PPK Required:    {}",
        ppks.wrong, ppks.wrong_required
    )?;
    writeln!(
        out,
        "PPK Logins: {}        without, though configured: {}",
        ppks.used, ppks.unused
    )?;
    let tokens = all.crash_tokens;
    // Those that go with a login are in the table of notifications.
    writeln!(
        out,
        "Quick Crash Detection Answers to Unknown SPIs: {}",
        tokens.sent
    )?;
    writeln!(
        out,
        "    accepted: {}        rejected: {}",
        tokens.accepted, tokens.rejected
    )?;
    writeln!(out, "Fragments Kept for Reassembly: {}", all.fragments_kept)?;
    reasons(out, "Datagrams discarded", &all.discards)?;
    reasons(out, "Refusals", &all.refusals)
}

fn reasons(out: &mut impl Write, title: &str, reasons: &[(String, u64)]) -> fmt::Result {
    if reasons.is_empty() {
        return Ok(());
    }
    rule(out, 41)?;
    writeln!(out, "{title:<30}{:>11}", "COUNT")?;
    rule(out, 41)?;
    for (reason, count) in reasons {
        writeln!(out, "{reason:<30}{count:>11}")?;
    }
    Ok(())
}

fn exchange(out: &mut impl Write, all: &Statistics) -> fmt::Result {
    const WIDTH: usize = 30 + 4 * 11;
    rule(out, WIDTH)?;
    writeln!(
        out,
        "{:<30}{:>11}{:>11}{:>11}{:>11}",
        "EXCHANGE/NOTIFY", "TX(REQ)", "TX(RES)", "RX(REQ)", "RX(RES)"
    )?;
    rule(out, WIDTH)?;
    for (title, rows) in [
        ("EXCHANGES", &all.exchanges),
        ("ERROR NOTIFY", &all.errors),
        ("OTHER NOTIFY", &all.notifies),
    ] {
        writeln!(out, "{title}")?;
        for row in rows {
            writeln!(
                out,
                "{:<30}{:>11}{:>11}{:>11}{:>11}",
                row.name,
                row.sent_requests,
                row.sent_responses,
                row.received_requests,
                row.received_responses
            )?;
        }
    }
    rule(out, WIDTH)?;
    writeln!(out, "{:<30}{:>11}{:>11}", "CONFIG PAYLOAD TYPE", "TX", "RX")?;
    rule(out, WIDTH)?;
    for row in &all.configurations {
        let sent = row.sent_requests.saturating_add(row.sent_responses);
        let received = row.received_requests.saturating_add(row.received_responses);
        writeln!(out, "{:<30}{sent:>11}{received:>11}", row.name)?;
    }
    rule(out, WIDTH)?;
    writeln!(out, "OTHER COUNTERS")?;
    rule(out, WIDTH)?;
    if all.without_nat > 0 {
        writeln!(out, "{:<30}{:>11}", "NO_NAT", all.without_nat)?;
    }
    Ok(())
}

fn ext_service(out: &mut impl Write, all: &Statistics) -> fmt::Result {
    let operations = &all.operations;
    // What the headend never does is shown as on a router.
    let none = Outcome::default();
    let tables: [(&str, &[(&str, Outcome)]); 7] = [
        (
            "AAA OPERATION",
            &[
                ("RECEIVING PSKEY", none),
                ("AUTHENTICATION USING EAP", operations.eap),
                ("START ACCOUNTING", none),
                ("STOP ACCOUNTING", none),
                ("AUTHORIZATION", operations.authorization),
            ],
        ),
        (
            "IPSEC OPERATION",
            &[
                ("IPSEC POLICY VERIFICATION", operations.policy),
                ("SA CREATION", operations.sa_creation),
                ("SA DELETION", operations.sa_deletion),
            ],
        ),
        (
            "CRYPTO ENGINE OPERATION",
            &[
                ("DH PUBKEY GENERATED", operations.public_values),
                ("DH SHARED SECKEY GENERATED", operations.secrets),
                ("SIGNATURE SIGN", operations.signature),
                ("SIGNATURE VERIFY", operations.verification),
            ],
        ),
        (
            "PKI OPERATION",
            &[
                ("VERIFY CERTIFICATE", operations.certificate),
                ("FETCHING CERTIFICATE USING HTTP", none),
                ("FETCHING PEER CERTIFICATE USING HTTP", none),
                ("GET ISSUERS", operations.issuers),
                ("GET CERTIFICATES FROM ISSUERS", operations.own_certificates),
                ("GET DN FROM CERT", operations.certified_names),
            ],
        ),
        (
            "GKM OPERATION",
            &[("GET_POLICY", none), ("SET_POLICY", none)],
        ),
        (
            "PPK SKS OPERATION",
            &[("PPK GET CAP", none), ("PPK GET KEY", none)],
        ),
        ("IKE PREROUTE", &[("IKE PREROUTE IDB", none)]),
    ];
    const WIDTH: usize = 62;
    for (title, rows) in tables {
        rule(out, WIDTH)?;
        writeln!(out, "{title:<40}{:>11}{:>11}", "PASSED", "FAILED")?;
        rule(out, WIDTH)?;
        for (name, Outcome { passed, failed }) in rows {
            writeln!(out, "{name:<40}{passed:>11}{failed:>11}")?;
        }
    }
    Ok(())
}

fn timeout(out: &mut impl Write, all: &Statistics) -> fmt::Result {
    const WIDTH: usize = 41;
    rule(out, WIDTH)?;
    writeln!(out, "{:<30}{:>11}", "IKEV2 TIMER", "TIMED OUT")?;
    rule(out, WIDTH)?;
    for (name, count) in [
        // Nothing outside is waited for: users and profiles are known here.
        ("EXT SERVICE TIMER", 0),
        ("AUTH TIMER", all.timers.auth),
        ("PACKET MAXIMUM RETRANS TIMER", all.timers.retransmissions),
        ("DPD MAX RETRANS TIMER", all.timers.liveness),
    ] {
        writeln!(out, "{name:<30}{count:>11}")?;
    }
    Ok(())
}
