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

mod measure;

use std::time::Duration;

use ironflex_xfrm::netlink::{NetworkNamespace, namespace};

fn main() {
    let numbers: Vec<u64> = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .collect();
    let time = Duration::from_secs(numbers.first().copied().unwrap_or(10));
    let runs = numbers.get(1).copied().unwrap_or(3);
    if NetworkNamespace::create().is_err() {
        namespace::enter_user_namespace().unwrap();
    }
    let rates = measure::measure(time, runs);
    println!(
        "{{\"name\":\"userspace_tcp_mbit\",\"value\":{:.0},\"unit\":\"Mbit/s\",\"reference\":{:.0},\"reference_name\":\"raw veth\"}}",
        rates.slower(),
        rates.raw
    );
}
