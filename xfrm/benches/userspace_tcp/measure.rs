//! TCP through two userspace dataplanes and through the cable alone; the program's own benchmark includes this too.

use std::net::IpAddr;
use std::time::Duration;

use ironflex_xfrm::netlink::NetworkNamespace;
use ironflex_xfrm::{AesKeySize, Dataplane, EspAlgorithm};

#[path = "../../tests/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the engine's test uses the rest")]
mod support;

use support::{CLIENT, Plan, SERVER, Server, World, cable, pump, session, swallow};

/// Mbit/s of TCP payload; each the median of its runs.
pub(crate) struct Rates {
    /// Through the cable without ESP.
    pub(crate) raw: f64,
    /// Client to headend.
    pub(crate) up: f64,
    /// Headend to client.
    pub(crate) down: f64,
}

impl Rates {
    /// The slower direction of the tunnel.
    pub(crate) fn slower(&self) -> f64 {
        self.up.min(self.down)
    }
}

/// Measures with AES-256-GCM and an inner MTU of 1400, and prints each rate when it is known. Needs the right to make
/// network namespaces.
pub(crate) fn measure(time: Duration, runs: u64) -> Rates {
    let plan = Plan::new(EspAlgorithm::AesGcm16(AesKeySize::Aes256));
    let raw = {
        let (headend, client) = cable(&plan);
        rate(&client, &headend, [192, 0, 2, 1].into(), time, runs)
    };
    println!("raw cable:          {raw:8.0} Mbit/s");
    let mut world = World::new(&plan);
    let (headend, client) = (&world.headend.namespace, &world.client.namespace);
    let up = rate(client, headend, SERVER, time, runs);
    println!("client to headend:  {up:8.0} Mbit/s");
    let down = rate(headend, client, CLIENT, time, runs);
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
    Rates { raw, up, down }
}

/// Mbit/s from one namespace to an address in another: the median of `runs`.
fn rate(
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
