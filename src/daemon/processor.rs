//! What the machine's processors have done lately, for `show processes cpu`: Linux counts, and samples of that are kept.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use nix::sys::{
    resource::{Usage, UsageWho, getrusage},
    time::{TimeVal, TimeValLike},
};

use crate::cli::show::{Load, ProcessorFacts};

/// How often a sample is taken: the shortest time that is told of.
const EVERY: Duration = Duration::from_secs(5);

/// The other times.
const MINUTE: Duration = Duration::from_secs(60);
const FIVE_MINUTES: Duration = Duration::from_secs(300);

/// What had been done at one moment.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Instant,
    machine: Machine,
    /// By the daemon.
    own: Duration,
}

/// What the machine had done since its start, in Linux' ticks of all processors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Machine {
    all: u64,
    idle: u64,
    /// For interrupts: ESP in the kernel is among it.
    interrupts: u64,
    processors: u64,
}

impl Machine {
    /// Reads what Linux says in `/proc/stat`.
    fn read(text: &str) -> Self {
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default();
        let mut words = first.split_whitespace();
        if words.next() != Some("cpu") {
            return Self::default();
        }
        // Guests' time is in the first two already.
        let ticks: Vec<u64> = words.map_while(|word| word.parse().ok()).take(8).collect();
        let of = |index: usize| ticks.get(index).copied().unwrap_or_default();
        let processors = lines.take_while(|line| line.starts_with("cpu")).count();
        Self {
            all: ticks.iter().fold(0, |all, one| all.saturating_add(*one)),
            idle: of(3).saturating_add(of(4)),
            interrupts: of(5).saturating_add(of(6)),
            processors: u64::try_from(processors).unwrap_or(u64::MAX),
        }
    }
}

impl Sample {
    fn take(usage: Option<&Usage>) -> Self {
        Self {
            at: Instant::now(),
            machine: Machine::read(&std::fs::read_to_string("/proc/stat").unwrap_or_default()),
            own: usage.map(runtime).unwrap_or_default(),
        }
    }

    /// What of the time since `before` went into work, into interrupts, and into the daemon, in percent of all processors.
    fn since(&self, before: &Self) -> [f64; 3] {
        let [old, new] = [&before.machine, &self.machine];
        let all = new.all.saturating_sub(old.all);
        let idle = new.idle.saturating_sub(old.idle);
        let interrupts = new.interrupts.saturating_sub(old.interrupts);
        let elapsed = self.at.duration_since(before.at);
        let own = self.own.saturating_sub(before.own);
        let processors = new.processors.max(1) as f64;
        [
            percent(all.saturating_sub(idle) as f64, all as f64),
            percent(interrupts as f64, all as f64),
            percent(own.as_secs_f64(), elapsed.as_secs_f64() * processors),
        ]
    }
}

fn percent(part: f64, all: f64) -> f64 {
    if all > 0.0 {
        (part / all * 100.0).clamp(0.0, 100.0)
    } else {
        0.0
    }
}

/// How long the daemon has run on a processor.
fn runtime(usage: &Usage) -> Duration {
    let time = |value: TimeVal| u64::try_from(value.num_microseconds()).unwrap_or_default();
    let micros = time(usage.user_time()).saturating_add(time(usage.system_time()));
    Duration::from_micros(micros)
}

/// The samples of the last minutes, the oldest first.
#[derive(Clone, Debug, Default)]
pub struct Processor(Arc<Mutex<VecDeque<Sample>>>);

impl Processor {
    /// Takes samples for as long as it is asked.
    pub async fn watch(&self) {
        loop {
            self.keep(Sample::take(usage().as_ref()));
            tokio::time::sleep(EVERY).await;
        }
    }

    /// What is told of the last minutes, up to now.
    #[must_use]
    pub fn facts(&self) -> ProcessorFacts {
        let usage = usage();
        let now = Sample::take(usage.as_ref());
        let [machine, own] = self.loads(&now);
        let [_, interrupts, _] = self.over(&now, EVERY);
        let switches = usage.map_or(0, |usage| {
            let all = usage
                .voluntary_context_switches()
                .saturating_add(usage.involuntary_context_switches());
            u64::try_from(all).unwrap_or_default()
        });
        ProcessorFacts {
            machine,
            interrupts,
            process: std::process::id(),
            own,
            runtime: now.own,
            switches,
        }
    }

    /// Of the machine and of the daemon.
    fn loads(&self, now: &Sample) -> [Load; 2] {
        let [five_seconds, one_minute, five_minutes] =
            [EVERY, MINUTE, FIVE_MINUTES].map(|span| self.over(now, span));
        let load = |of: fn([f64; 3]) -> f64| Load {
            five_seconds: of(five_seconds),
            one_minute: of(one_minute),
            five_minutes: of(five_minutes),
        };
        [load(|[machine, _, _]| machine), load(|[_, _, own]| own)]
    }

    /// Over so long a time, or as long as there are samples of.
    fn over(&self, now: &Sample, span: Duration) -> [f64; 3] {
        let kept = self.lock();
        let mut newest_first = kept.iter().rev();
        let old = newest_first.find(|one| now.at.duration_since(one.at) >= span);
        old.or_else(|| kept.front())
            .map_or([0.0; 3], |before| now.since(before))
    }

    fn keep(&self, sample: Sample) {
        let mut kept = self.lock();
        kept.push_back(sample);
        // One of that age is needed, and none before it.
        while kept
            .get(1)
            .is_some_and(|second| sample.at.duration_since(second.at) >= FIVE_MINUTES)
        {
            kept.pop_front();
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Sample>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What Linux says of the daemon.
fn usage() -> Option<Usage> {
    getrusage(UsageWho::RUSAGE_SELF).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_read_from_what_linux_says() {
        let text = "cpu  100 10 50 800 20 5 15 0 7 0\ncpu0 50 5 25 400 10 2 8 0 0 0\n\
                    cpu1 50 5 25 400 10 3 7 0 0 0\nintr 1 2\ncpus 9\n";
        let expected = Machine {
            all: 1000,
            idle: 820,
            interrupts: 20,
            processors: 2,
        };
        assert_eq!(Machine::read(text), expected);
        for nothing in ["", "intr 5", "cpu"] {
            assert_eq!(Machine::read(nothing), Machine::default(), "{nothing:?}");
        }
    }

    #[test]
    fn each_time_is_told_by_the_sample_that_is_as_old() {
        let processor = Processor::default();
        let begun = Instant::now();
        let at = |seconds: u64| begun.checked_add(Duration::from_secs(seconds)).unwrap();
        // A hundred ticks a second; busy for the first five minutes, idle then.
        let sample = |seconds: u64| Sample {
            at: at(seconds),
            machine: Machine {
                all: seconds * 200,
                idle: seconds.saturating_sub(300) * 200,
                interrupts: seconds.min(300) * 50,
                processors: 2,
            },
            own: Duration::from_secs(seconds.min(300)),
        };
        assert_eq!(processor.over(&sample(0), EVERY), [0.0; 3]);
        for seconds in (0..600).step_by(5) {
            processor.keep(sample(seconds));
        }
        // From 300 s on, and the one before.
        assert!((60..=61).contains(&processor.lock().len()));
        assert_eq!(processor.over(&sample(600), EVERY), [0.0, 0.0, 0.0]);
        assert_eq!(processor.over(&sample(600), FIVE_MINUTES), [0.0; 3]);
        let half = Processor::default();
        for seconds in (0..=330).step_by(5) {
            half.keep(sample(seconds));
        }
        assert_eq!(half.over(&sample(330), MINUTE), [50.0, 12.5, 25.0]);
        let [machine, own] = half.loads(&sample(330));
        assert_eq!((machine.five_seconds, machine.one_minute), (0.0, 50.0));
        assert_eq!((own.one_minute, own.five_minutes), (25.0, 45.0));
        // There are no older ones: it is told of what there is.
        let young = Processor::default();
        young.keep(sample(0));
        assert_eq!(young.over(&sample(5), FIVE_MINUTES), [100.0, 25.0, 50.0]);
    }

    #[test]
    fn this_process_has_run() {
        let facts = Processor::default().facts();
        assert!(
            facts.runtime > Duration::ZERO && facts.switches > 0,
            "{facts:?}"
        );
        assert_eq!(facts.process, std::process::id());
    }
}
