//! The kernel's counters of discarded packets, /proc/net/xfrm_stat.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use crate::{DropCounts, DropReason};

/// The statistics of one network namespace.
pub(crate) struct Statistics {
    /// Open since the start, and so tied to the namespace of the thread that opened it. `None` on a kernel without
    /// CONFIG_XFRM_STATISTICS.
    file: Option<File>,
}

impl Statistics {
    pub(crate) fn open() -> Self {
        Self {
            file: File::open("/proc/thread-self/net/xfrm_stat").ok(),
        }
    }

    /// Packets that no SA or policy took, since the namespace came to be; nothing where the kernel does not count.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub(crate) fn read(&mut self) -> io::Result<DropCounts> {
        let Some(file) = &mut self.file else {
            return Ok(DropCounts::default());
        };
        let mut text = String::new();
        file.seek(SeekFrom::Start(0))?;
        file.read_to_string(&mut text)?;
        Ok(parse(&text))
    }
}

/// One `name value` a line. Only what belongs to no SA: discards for a replay or a bad check value are counted by the
/// SA that they happened on as well. A packet whose SA is taken away under it has none any more, and no SA counts it.
fn parse(text: &str) -> DropCounts {
    let mut counts = DropCounts::default();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some(name), Some(Ok(packets))) = (words.next(), words.next().map(str::parse)) else {
            continue;
        };
        let reason = match name {
            "XfrmInNoStates" | "XfrmInStateInvalid" => DropReason::UnknownSpi,
            "XfrmInNoPols" | "XfrmInPolBlock" | "XfrmInTmplMismatch" | "XfrmInStateMismatch" => {
                DropReason::SelectorMismatch
            }
            "XfrmInHdrError" => DropReason::Truncated,
            "XfrmOutNoStates" | "XfrmOutStateInvalid" => DropReason::NoRoute,
            "XfrmInError"
            | "XfrmInBufferError"
            | "XfrmInPolError"
            | "XfrmFwdHdrError"
            | "XfrmOutError"
            | "XfrmOutBundleGenError"
            | "XfrmOutBundleCheckError"
            | "XfrmOutPolBlock"
            | "XfrmOutPolDead"
            | "XfrmOutPolError"
            | "XfrmAcquireError" => DropReason::Kernel,
            _ => continue,
        };
        counts.add(reason, packets);
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_sorted_by_reason_and_those_of_an_sa_left_out() {
        let counts = parse(
            "XfrmInError             \t1\nXfrmInNoStates          \t20\nXfrmInStateSeqError     \t300\n\
             XfrmInTmplMismatch      \t4\nXfrmInNoPols 5\nXfrmOutNoStates 6\nnonsense\nXfrmInHdrError many\n\
             XfrmInStateInvalid 1000\nXfrmOutStateInvalid 2000\n",
        );
        assert_eq!(
            counts.iter().collect::<Vec<_>>(),
            [
                (DropReason::UnknownSpi, 1020),
                (DropReason::SelectorMismatch, 9),
                (DropReason::NoRoute, 2006),
                (DropReason::Kernel, 1)
            ]
        );
    }
}
