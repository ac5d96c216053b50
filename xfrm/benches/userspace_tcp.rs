//! TCP through two userspace dataplanes on this machine, AES-256-GCM, inner MTU 1400, beside the raw cable.
//!
//! `cargo bench -p ironflex-xfrm --bench userspace_tcp [-- SECONDS [RUNS]]`; prints the median of the runs of each
//! direction, and the slower one as a line of JSON. Both ends, the sender and the receiver share the machine's cores.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a measurement, no part of the product"
)]

#[path = "../tests/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the engine's test uses the rest")]
mod support;

use std::net::IpAddr;
use std::time::Duration;

use ironflex_xfrm::netlink::{NetworkNamespace, namespace};
use ironflex_xfrm::{AesKeySize, Dataplane, EspAlgorithm};
use support::{CLIENT, Plan, SERVER, Server, World, cable, pump, session, swallow};

fn main() {
    let numbers: Vec<u64> = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .collect();
    let time = Duration::from_secs(numbers.first().copied().unwrap_or(10));
    let runs = numbers.get(1).copied().unwrap_or(3);
    if NetworkNamespace::create().is_err() {
        namespace::enter_user_namespace().unwrap();
    }
    let plan = Plan::new(EspAlgorithm::AesGcm16(AesKeySize::Aes256));

    let raw = {
        let (headend, client) = cable(&plan);
        measure(&client, &headend, [192, 0, 2, 1].into(), time, runs)
    };
    println!("raw cable:          {raw:8.0} Mbit/s");

    let mut world = World::new(&plan);
    let (headend, client) = (&world.headend.namespace, &world.client.namespace);
    let up = measure(client, headend, SERVER, time, runs);
    println!("client to headend:  {up:8.0} Mbit/s");
    let down = measure(headend, client, CLIENT, time, runs);
    println!("headend to client:  {down:8.0} Mbit/s");
    for side in [&mut world.headend, &mut world.client] {
        let counters = side.engine.counters(session()).unwrap();
        let drops = [
            counters.inbound.drops,
            counters.outbound.drops,
            side.engine.unmatched().unwrap(),
        ];
        for (reason, count) in drops.iter().flat_map(|drops| drops.iter()) {
            println!("dropped: {count} packets, {}", reason.name());
        }
    }
    println!(
        "{{\"name\":\"userspace_tcp_mbit\",\"value\":{:.0},\"unit\":\"Mbit/s\",\"reference\":{raw:.0},\"reference_name\":\"raw veth\"}}",
        up.min(down)
    );
}

/// Mbit/s from one namespace to an address in another: the median of `runs`.
fn measure(
    from: &NetworkNamespace,
    to: &NetworkNamespace,
    address: IpAddr,
    time: Duration,
    runs: u64,
) -> f64 {
    let server = Server::start(to, address, swallow);
    let mut rates: Vec<f64> = (0..runs)
        .map(|_| pump(server.connect(from), time))
        .collect();
    server.stop(from);
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}
