//! `show crypto call admission statistics` and `show processes memory`.

use std::fmt::Write as _;

use serde::Serialize;

use super::text;
use crate::statistics::Statistics;

/// `show crypto call admission statistics`: the numbers of `show crypto ikev2 stats`, and the child SAs.
#[must_use]
pub fn call_admission(all: &Statistics) -> String {
    const WIDTH: usize = 69;
    let rule = "-".repeat(WIDTH);
    let came = all.accepted.saturating_add(all.rejected);
    let total = all.incoming.active.saturating_add(all.incoming.negotiating);
    let made = all.operations.sa_creation;
    let (limit, (negotiating_limit, _)) = (all.sa_limit, all.negotiating_limits);
    text(|out| {
        writeln!(out, "{rule}")?;
        writeln!(out, "{:15}Crypto Call Admission Control Statistics", "")?;
        writeln!(out, "{rule}")?;
        writeln!(
            out,
            "System Resource Limit: {:>8} Max IKE SAs: {limit:>5} Max in nego: {negotiating_limit:>5}",
            0
        )?;
        writeln!(
            out,
            "Total IKE SA Count:    {total:>8} active:      {:>5} negotiating: {:>5}",
            all.incoming.active, all.incoming.negotiating
        )?;
        for (way, all, accepted, rejected) in [
            ("Incoming", came, all.accepted, all.rejected),
            ("Outgoing", 0, 0, 0),
        ] {
            writeln!(
                out,
                "{way} IKE Requests: {all:>8} accepted:    {accepted:>5} rejected:    {rejected:>5}"
            )?;
        }
        writeln!(
            out,
            "Rejected IKE Requests: {:>8} rsrc low:    {:>5} Active SA limit: {}",
            all.rejected,
            all.low_resources.saturating_sub(all.negotiating_limited),
            all.sa_limited
        )?;
        writeln!(out, "{:51}In-neg SA limit: {}", "", all.negotiating_limited)?;
        writeln!(
            out,
            "IKE packets dropped at dispatch: {:>8}",
            all.undispatched
        )?;
        writeln!(out)?;
        writeln!(out, "Max IPSEC SAs:     0")?;
        let gone = all.operations.sa_deletion.passed;
        let living = made.passed.saturating_sub(gone);
        writeln!(
            out,
            "Total IPSEC SA Count:    {living:>8} active:    {living:>5} negotiating: {:>5}",
            0
        )?;
        let asked = made.passed.saturating_add(made.failed);
        for (way, all, accepted, rejected) in [
            ("Incoming", asked, made.passed, made.failed),
            ("Outgoing", 0, 0, 0),
        ] {
            writeln!(
                out,
                "{way} IPSEC Requests: {all:>8} accepted:  {accepted:>5} rejected:    {rejected:>5}"
            )?;
        }
        writeln!(out)?;
        writeln!(out, "Phase1.5 SAs under negotiation: {:>9}", 0)
    })
}

/// The daemon's memory, in octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// What the machine has.
    pub machine: u64,
    /// What the daemon occupies.
    pub resident: u64,
    /// The most that it has occupied.
    pub peak: u64,
}

impl Memory {
    /// Reads what Linux says in `/proc/self/status` and `/proc/meminfo`.
    #[must_use]
    pub fn read(status: &str, machine: &str) -> Self {
        let of = |text: &str, name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
            kibibytes.checked_mul(1024)
        };
        Self {
            machine: of(machine, "MemTotal:").unwrap_or_default(),
            resident: of(status, "VmRSS:").unwrap_or_default(),
            peak: of(status, "VmHWM:").unwrap_or_default(),
        }
    }
}

/// `show processes memory`: there is one process.
#[must_use]
pub fn processes_memory(memory: &Memory) -> String {
    let Memory {
        machine,
        resident,
        peak,
    } = *memory;
    text(|out| {
        writeln!(
            out,
            "Processor Pool Total: {machine:>10} Used: {resident:>10} Free: {:>10}",
            machine.saturating_sub(resident)
        )?;
        writeln!(out)?;
        writeln!(out, " PID TTY  Allocated      Freed    Holding Process")?;
        writeln!(
            out,
            "   1   0 {peak:>10} {:>10} {resident:>10} ironflex",
            peak.saturating_sub(resident)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_what_linux_says() {
        let status = "Name:\tironflex\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        let memory = Memory::read(status, "MemTotal:       8192 kB\n");
        assert_eq!(
            processes_memory(&memory),
            "Processor Pool Total:    8388608 Used:    1048576 Free:    7340032\n\n \
             PID TTY  Allocated      Freed    Holding Process\n   \
             1   0    2097152    1048576    1048576 ironflex\n"
        );
        assert_eq!(Memory::read("", ""), Memory::default());
    }
}
