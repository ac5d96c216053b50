//! The whole program: headend and clients as processes in network namespaces, on the userspace dataplane.
//!
//! The tests' own side of every conversation is plain sockets, plain netlink and what the processes print; one peer is made of
//! IKEv2's core, which has tests of its own. Certificates are made with `ironflex::pki`, which has tests of its own against OpenSSL's.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test program: a panic is how it fails"
)]

mod beside;
mod bounds;
mod bundle;
mod certificate;
mod client;
mod configure;
mod control;
mod crash;
mod day;
mod doctor;
mod files;
mod flash;
mod flood;
mod interfaces;
mod ipv6;
mod lifecycle;
mod liveness;
mod login;
mod look;
mod lost;
mod network;
mod numbers;
mod post_quantum;
mod pre_shared_key;
mod quick_crash;
mod redirect;
mod refusal;
mod rekey;
mod roaming;
mod several_shells;
mod shell;
mod start;
mod startup;
mod stop;
mod trustpoint;

#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(ended) = support::terminal::become_session_leader() {
        return ended;
    }
    // Some run at a time, in this order: what waits for minutes comes first.
    let cases = [
        bounds::CASES,
        liveness::CASES,
        startup::CASES,
        quick_crash::CASES,
        crash::CASES,
        flood::CASES,
        login::CASES,
        client::CASES,
        beside::CASES,
        network::CASES,
        ipv6::CASES,
        post_quantum::CASES,
        pre_shared_key::CASES,
        certificate::CASES,
        refusal::CASES,
        lifecycle::CASES,
        rekey::CASES,
        roaming::CASES,
        start::CASES,
        stop::CASES,
        interfaces::CASES,
        look::CASES,
        lost::CASES,
        numbers::CASES,
        redirect::CASES,
        control::CASES,
        doctor::CASES,
        bundle::CASES,
        configure::CASES,
        shell::CASES,
        several_shells::CASES,
        files::CASES,
        flash::CASES,
        day::CASES,
        trustpoint::CASES,
    ];
    support::cases::main(&cases.concat())
}
