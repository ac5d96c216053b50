//! Standard error, written by a thread of its own: a terminal that was stopped (Ctrl-S), a pager that nobody scrolls or a
//! journal that stands still takes no lines, and the loop of the daemon must not wait for any of them.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, channel, sync_channel},
    },
    thread,
    time::Duration,
};

/// Lines that wait for one who takes none; further ones are lost, and counted.
const WAITING_LINES: usize = 4096;

/// How long the end of the daemon waits for the lines that are still to be written.
const PATIENCE: Duration = Duration::from_secs(2);

/// Lines on their way. Dropped, it waits a little until they are written.
pub(super) struct StandardError {
    /// `None` once no more are to come.
    lines: Option<SyncSender<String>>,
    /// Lines that were lost since the last one was written.
    lost: Arc<AtomicU64>,
    /// Closed when all are written.
    written: Receiver<()>,
}

impl StandardError {
    /// The process's own.
    pub(super) fn open() -> Self {
        Self::onto(io::stderr())
    }

    fn onto(out: impl Write + Send + 'static) -> Self {
        let (lines, waiting) = sync_channel(WAITING_LINES);
        let (writing, written) = channel();
        let lost = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&lost);
        let write = move || {
            write_all(out, &waiting, &counted);
            drop(writing);
        };
        // Without a thread there are no lines: `waiting` is gone, and each of them is counted as lost.
        let _ = thread::Builder::new().name("lines".into()).spawn(write);
        Self {
            lines: Some(lines),
            lost,
            written,
        }
    }

    /// Writes a line as soon as that is possible.
    pub(super) fn write(&self, line: String) {
        let Some(lines) = &self.lines else { return };
        match lines.try_send(line) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl Drop for StandardError {
    fn drop(&mut self) {
        self.lines = None;
        match self.written.recv_timeout(PATIENCE) {
            // Whoever takes none now has had its chance.
            Ok(()) | Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Timeout) => {}
        }
    }
}

/// Writes lines until there are no more to come.
fn write_all(mut out: impl Write, waiting: &Receiver<String>, lost: &AtomicU64) {
    let tell_lost = |out: &mut dyn Write| {
        let count = lost.swap(0, Ordering::Relaxed);
        if count > 0 {
            // Nobody can be told that standard error is closed.
            let _ = writeln!(
                out,
                "warning: {count} lines were lost: standard error took none"
            );
        }
    };
    for line in waiting {
        let _ = out.write_all(line.as_bytes());
        tell_lost(&mut out);
    }
    tell_lost(&mut out);
}

#[cfg(test)]
mod tests {
    use std::{io::Read, time::Instant};

    use super::*;

    #[test]
    fn lines_come_out_as_they_went_in_and_all_of_them_before_the_end() {
        let (mut reading, writing) = io::pipe().unwrap();
        let out = StandardError::onto(writing);
        for number in 0..1_000 {
            out.write(format!("{number}\n"));
        }
        drop(out);
        let mut text = String::new();
        reading.read_to_string(&mut text).unwrap();
        let numbers: Vec<usize> = text.lines().map(|line| line.parse().unwrap()).collect();
        assert!(numbers.into_iter().eq(0..1_000));
    }

    #[test]
    fn who_takes_no_lines_holds_nobody_up_and_is_told_how_many_were_lost() {
        let (mut reading, writing) = io::pipe().unwrap();
        let out = StandardError::onto(writing);
        // A pipe takes 64 KiB of it, and then nothing.
        let line = format!("{}\n", "x".repeat(1023));
        let begun = Instant::now();
        let sent = 2 * WAITING_LINES;
        for _ in 0..sent {
            out.write(line.clone());
        }
        assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
        let begun = Instant::now();
        drop(out);
        assert!(begun.elapsed() < 2 * PATIENCE, "{:?}", begun.elapsed());
        // Whoever goes on reading gets what waited, and the count of the others.
        let mut text = String::new();
        reading.read_to_string(&mut text).unwrap();
        let written = text.lines().filter(|one| one.starts_with('x')).count();
        let told: Vec<usize> = text
            .lines()
            .filter_map(|line| line.strip_prefix("warning: ")?.split_once(' '))
            .map(|(count, _)| count.parse().unwrap())
            .collect();
        assert!(written >= WAITING_LINES, "{written}");
        assert_eq!(written + told.iter().sum::<usize>(), sent);
    }
}
