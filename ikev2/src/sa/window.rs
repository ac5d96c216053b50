//! Message IDs (RFC 7296 §2.2, §2.3): which requests of the peer are new, which of ours wait for
//! their answer, and when they are sent again.

use alloc::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    vec::Vec,
};
use core::time::Duration;

use crate::{
    config::EndpointConfig,
    event::{Discard, Instant, Path},
    wire::{payload::Payload, registry::ExchangeType},
};

/// One second of repeats is counted at a time.
const REPEAT_PERIOD: Duration = Duration::from_secs(1);

/// However many requests a peer takes at once, so many are enough for us.
const MOST_AT_ONCE: u32 = 16;

/// What the message ID of a request says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admit {
    /// The next one: work on it.
    Fresh,
    /// Within the window but not next: keep it until its turn.
    Ahead,
    /// Answered before: send these datagrams again, if it is the same request as then.
    Repeat(Repeat),
    /// Not to be worked on.
    Discard(Discard),
}

/// An answer in memory, and the fingerprint of the datagram that its request began with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Repeat {
    pub(crate) datagrams: Vec<Arc<[u8]>>,
    pub(crate) request: Option<Fingerprint>,
}

/// SHA2-256 of a datagram.
pub(crate) type Fingerprint = [u8; 32];

/// The peer's requests and our answers.
#[derive(Default)]
pub(crate) struct Responses {
    expected: u32,
    /// The last message ID that there is has been answered.
    spent: bool,
    in_progress: bool,
    /// How the expected request begins, once its first datagram has been seen.
    beginning: Option<Fingerprint>,
    answered: VecDeque<Answered>,
    ahead: BTreeMap<u32, Request>,
}

/// An opened request that waits for its turn.
pub(crate) struct Request {
    /// The way that it came.
    pub(crate) path: Path,
    pub(crate) exchange: ExchangeType,
    pub(crate) payloads: Vec<Payload>,
}

struct Answered {
    id: u32,
    datagrams: Vec<Arc<[u8]>>,
    request: Option<Fingerprint>,
    period: Instant,
    repeats: u32,
}

impl Responses {
    /// The responder's window once IKE_SA_INIT, message 0, has been answered by `answer`.
    pub(crate) fn after_init(now: Instant, answer: Arc<[u8]>) -> Self {
        let mut responses = Self::default();
        responses.answer(now, [answer].to_vec(), 1);
        responses
    }

    /// The message ID of the next new request.
    pub(crate) const fn expected(&self) -> u32 {
        self.expected
    }

    /// Whether the peer has no message ID left for a further request.
    pub(crate) const fn is_spent(&self) -> bool {
        self.spent
    }

    /// Whether a request is being worked on.
    pub(crate) const fn in_progress(&self) -> bool {
        self.in_progress
    }

    /// Judges a request by its message ID, before any decryption.
    ///
    /// `first` says that the datagram is whole or a first fragment: only such a one makes the
    /// cached answer be sent again.
    pub(crate) fn admit(
        &mut self,
        now: Instant,
        id: u32,
        first: bool,
        window: u32,
        per_second: u32,
    ) -> Admit {
        if id == self.expected && !self.spent {
            return if self.in_progress {
                // A request that is still being worked on is absorbed in silence.
                Admit::Discard(Discard::InProgress)
            } else {
                Admit::Fresh
            };
        }
        if id > self.expected {
            // RFC 9242 §3.2#5: before IKE_AUTH the window is 1, so that message IDs follow each
            // other.
            // RFC 7296 §2.3#8-9: what lies beyond the announced window is dropped, and not answered.
            let last = self.expected.saturating_add(window.saturating_sub(1));
            return if id > last {
                Admit::Discard(Discard::AheadOfWindow)
            } else if self.ahead.contains_key(&id) {
                Admit::Discard(Discard::Duplicate)
            } else {
                Admit::Ahead
            };
        }
        // RFC 7296 §2.1#1-2,5: a repeated request is answered with the same octets, from memory; one whose
        // answer is forgotten is ignored.
        let Some(answered) = self.answered.iter_mut().find(|answered| answered.id == id) else {
            return Admit::Discard(Discard::OldMessageId);
        };
        if !first {
            return Admit::Discard(Discard::Repeated);
        }
        if now.since(answered.period) >= REPEAT_PERIOD {
            answered.period = now;
            answered.repeats = 0;
        }
        if answered.repeats >= per_second {
            return Admit::Discard(Discard::RepeatLimited);
        }
        answered.repeats = answered.repeats.saturating_add(1);
        Admit::Repeat(Repeat {
            datagrams: answered.datagrams.clone(),
            request: answered.request,
        })
    }

    /// The expected request begins with this datagram.
    pub(crate) const fn begins_with(&mut self, datagram: Fingerprint) {
        self.beginning = Some(datagram);
    }

    /// The request that was expected is authentic and is being worked on.
    pub(crate) fn begin(&mut self) {
        self.in_progress = true;
    }

    /// Keeps an authentic request that came before its turn.
    pub(crate) fn keep(&mut self, id: u32, request: Request) {
        self.ahead.insert(id, request);
    }

    /// The kept request whose turn it is now.
    pub(crate) fn next_kept(&mut self) -> Option<Request> {
        if self.in_progress {
            return None;
        }
        self.ahead.remove(&self.expected)
    }

    /// Remembers the answer to the expected request and expects the next. `window` answers are kept.
    pub(crate) fn answer(&mut self, now: Instant, datagrams: Vec<Arc<[u8]>>, window: u32) {
        let keep = usize::try_from(window.max(1)).unwrap_or(1);
        while self.answered.len() >= keep {
            self.answered.pop_front();
        }
        // RFC 7296 §2.1#4, §2.3#7: answers are kept, as many as the window is wide.
        self.answered.push_back(Answered {
            id: self.expected,
            datagrams,
            request: self.beginning.take(),
            period: now,
            repeats: 0,
        });
        // RFC 7296 §2.2#2: message IDs do not begin again, so that none is taken twice.
        match self.expected.checked_add(1) {
            Some(next) => self.expected = next,
            None => self.spent = true,
        }
        self.in_progress = false;
        // What was kept and came once more when it was its turn is answered.
        self.ahead = self.ahead.split_off(&self.expected);
    }
}

/// A request of ours that waits for its turn.
pub(crate) struct Queued {
    pub(crate) exchange: ExchangeType,
    pub(crate) payloads: Vec<Payload>,
    pub(crate) pace: Pace,
}

/// How a request is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// After growing waits, as the endpoint is configured.
    Usual,
    /// After this time, always the same, and so often in all.
    Steady(Duration, u32),
}

/// A request of ours that waits for its answer.
pub(crate) struct Outstanding {
    pub(crate) id: u32,
    pub(crate) exchange: ExchangeType,
    pub(crate) datagrams: Vec<Arc<[u8]>>,
    schedule: Schedule,
}

/// When a request is sent again, and when it is given up.
pub(crate) struct Schedule {
    next: Instant,
    wait: Duration,
    growth: u32,
    sent: u32,
    tries: u32,
}

/// What the schedule says at an instant.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Not yet.
    Later,
    /// Send it again; it had been sent this often.
    Again(u32),
    /// Give it up.
    Never,
}

impl Schedule {
    /// The request is sent now for the first time.
    pub(crate) fn start(now: Instant, config: &EndpointConfig) -> Self {
        Self::at_pace(now, config, Pace::Usual)
    }

    fn at_pace(now: Instant, config: &EndpointConfig, pace: Pace) -> Self {
        let (wait, growth, tries) = match pace {
            Pace::Usual => (config.retransmit_first, 2, config.retransmit_tries),
            Pace::Steady(wait, tries) => (wait, 1, tries),
        };
        Self {
            next: now.after(wait),
            wait,
            growth,
            sent: 1,
            tries,
        }
    }

    pub(crate) const fn next(&self) -> Instant {
        self.next
    }

    /// RFC 7296 §2.1#6, §2.4#6: the same request is sent again after waits that double, but for
    /// liveness checks at the pace that is configured, and a peer that never answers is given up in the end.
    pub(crate) fn due(&mut self, now: Instant) -> Due {
        if now < self.next {
            return Due::Later;
        }
        if self.sent >= self.tries {
            return Due::Never;
        }
        let before = self.sent;
        self.sent = self.sent.saturating_add(1);
        self.wait = self.wait.saturating_mul(self.growth);
        self.next = now.after(self.wait);
        Due::Again(before)
    }
}

/// Our requests.
#[derive(Default)]
pub(crate) struct Requests {
    next: u32,
    /// How many the peer takes at once, once it has said so; 1 until then.
    announced: u32,
    /// In the order of their message IDs.
    outstanding: Vec<Outstanding>,
    queue: VecDeque<Queued>,
}

impl Requests {
    /// The initiator's requests once IKE_SA_INIT, message 0, has been answered.
    pub(crate) fn after_init() -> Self {
        Self {
            next: 1,
            ..Self::default()
        }
    }

    /// The message ID of the next new request.
    pub(crate) const fn next(&self) -> u32 {
        self.next
    }

    /// How many requests wait for an answer.
    pub(crate) const fn waiting(&self) -> usize {
        self.outstanding.len()
    }

    /// How many requests wait for their turn.
    pub(crate) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Whether our last word has been answered, whatever is still open of what we said before.
    pub(crate) fn last_is_answered(&self) -> bool {
        let last = self.outstanding.last();
        self.queue.is_empty() && last.is_none_or(|one| one.id.saturating_add(1) != self.next)
    }

    /// Whether an answer with this message ID is waited for.
    pub(crate) fn awaits(&self, id: u32, exchange: ExchangeType) -> bool {
        let mut all = self.outstanding.iter();
        all.any(|one| one.id == id && one.exchange == exchange)
    }

    /// RFC 7296 §2.3: the peer takes so many of our requests at once. A window does not shrink.
    pub(crate) fn announce(&mut self, window: u32) {
        self.announced = self.announced.max(window.min(MOST_AT_ONCE));
    }

    /// How many the peer takes at once.
    pub(crate) fn window(&self) -> u32 {
        self.announced.max(1)
    }

    pub(crate) fn push(&mut self, request: Queued) {
        self.queue.push_back(request);
    }

    /// The requests that wait for their turn, to be sent elsewhere.
    pub(crate) fn take_queued(&mut self) -> VecDeque<Queued> {
        core::mem::take(&mut self.queue)
    }

    /// Nothing waits for an answer any more.
    pub(crate) fn abandon(&mut self) {
        self.outstanding.clear();
        self.queue.clear();
    }

    /// The next request that may be sent. RFC 7296 §2.3#2,4-5: none whose message ID is beyond the peer's window, which
    /// begins at the oldest that it has not answered.
    pub(crate) fn pop_ready(&mut self) -> Option<Queued> {
        let oldest = self.outstanding.first().map_or(self.next, |one| one.id);
        if self.next >= oldest.saturating_add(self.window()) {
            return None;
        }
        self.queue.pop_front()
    }

    /// A request was sent under the next message ID.
    pub(crate) fn sent(
        &mut self,
        now: Instant,
        config: &EndpointConfig,
        (exchange, pace): (ExchangeType, Pace),
        datagrams: Vec<Arc<[u8]>>,
    ) {
        // RFC 7296 §2.1#3,7, §2.2#1, §2.3#6: the octets are kept as they were sent, message ID and
        // all, until the answer has come.
        self.outstanding.push(Outstanding {
            id: self.next,
            exchange,
            datagrams,
            schedule: Schedule::at_pace(now, config, pace),
        });
        self.next = self.next.saturating_add(1);
    }

    /// The answer to the request with this message ID came.
    pub(crate) fn conclude(&mut self, id: u32) {
        self.outstanding.retain(|one| one.id != id);
    }

    /// Whether the request that has been given up asked for nothing but a sign of life: such are not sent
    /// again at growing intervals.
    pub(crate) fn awaited_a_sign_of_life(&self) -> bool {
        let mut schedules = self.outstanding.iter().map(|one| &one.schedule);
        schedules
            .find(|one| one.sent >= one.tries)
            .is_some_and(|one| one.growth == 1)
    }

    /// When something is to be sent again.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.outstanding.iter().map(|one| one.schedule.next()).min()
    }

    /// The datagrams of all that waits for an answer.
    pub(crate) fn datagrams(&self) -> impl Iterator<Item = &Arc<[u8]>> {
        self.outstanding.iter().flat_map(|one| &one.datagrams)
    }

    /// What of a request is due now: its datagrams to be sent again, or that it is to be given up.
    pub(crate) fn due(&mut self, now: Instant) -> Option<(Due, Vec<Arc<[u8]>>)> {
        self.outstanding
            .iter_mut()
            .find_map(|one| match one.schedule.due(now) {
                Due::Later => None,
                due @ Due::Again(_) => Some((due, one.datagrams.clone())),
                Due::Never => Some((Due::Never, Vec::new())),
            })
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString as _;

    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::new(Duration::from_millis(millis))
    }

    fn repeat(text: &str) -> Admit {
        Admit::Repeat(Repeat {
            datagrams: [octets(text)].to_vec(),
            request: None,
        })
    }

    fn kept() -> Request {
        let nowhere = (core::net::Ipv4Addr::LOCALHOST, 500).into();
        Request {
            path: Path {
                local: nowhere,
                remote: nowhere,
                framing: crate::event::Framing::Bare,
            },
            exchange: ExchangeType::INFORMATIONAL,
            payloads: Vec::new(),
        }
    }

    fn octets(text: &str) -> Arc<[u8]> {
        Arc::from(text.as_bytes())
    }

    // RFC 7296 §2.1: the responder keeps its answer and sends the same octets to a repeat.
    #[test]
    fn repeats_the_same_octets_up_to_the_rate_and_again_in_the_next_second() {
        let mut responses = Responses::after_init(at(0), octets("init"));
        for _ in 0..2 {
            let admit = responses.admit(at(10), 0, true, 1, 2);
            assert_eq!(admit, repeat("init"));
        }
        let limited = Admit::Discard(Discard::RepeatLimited);
        assert_eq!(responses.admit(at(20), 0, true, 1, 2), limited);
        let later = responses.admit(at(1_010), 0, true, 1, 2);
        assert_eq!(later, repeat("init"));
    }

    // RFC 7383 §2.6.1#2-3: the second fragment of what was answered draws nothing.
    #[test]
    fn repeats_for_a_first_fragment_only() {
        let mut responses = Responses::after_init(at(0), octets("init"));
        let second = responses.admit(at(10), 0, false, 1, 5);
        assert_eq!(second, Admit::Discard(Discard::Repeated));
    }

    // RFC 7296 §2.1#5: what is forgotten is not answered anew.
    #[test]
    fn absorbs_a_repeat_of_what_is_being_worked_on() {
        let mut responses = Responses::after_init(at(0), octets("init"));
        assert_eq!(responses.admit(at(1), 1, true, 1, 5), Admit::Fresh);
        responses.begin();
        let again = responses.admit(at(2), 1, true, 1, 5);
        assert_eq!(again, Admit::Discard(Discard::InProgress));
        responses.answer(at(3), [octets("auth")].to_vec(), 1);
        assert_eq!(responses.expected(), 2);
        assert_eq!(responses.admit(at(4), 1, true, 1, 5), repeat("auth"));
        // With a window of one only the last answer is kept.
        assert_eq!(
            responses.admit(at(5), 0, true, 1, 5),
            Admit::Discard(Discard::OldMessageId)
        );
    }

    // RFC 7296 §2.3: requests within the announced window may come in any order.
    #[test]
    fn keeps_requests_within_the_window_until_their_turn() {
        let mut responses = Responses::after_init(at(0), octets("init"));
        assert_eq!(responses.admit(at(1), 5, true, 5, 5), Admit::Ahead);
        assert_eq!(
            responses.admit(at(1), 6, true, 5, 5),
            Admit::Discard(Discard::AheadOfWindow)
        );
        assert_eq!(
            responses.admit(at(1), u32::MAX, true, 5, 5),
            Admit::Discard(Discard::AheadOfWindow)
        );
        responses.keep(2, kept());
        assert_eq!(
            responses.admit(at(1), 2, true, 5, 5),
            Admit::Discard(Discard::Duplicate)
        );
        assert!(responses.next_kept().is_none());
        responses.begin();
        responses.answer(at(2), Vec::new(), 5);
        assert!(responses.next_kept().is_some());
    }

    // A peer that repeats what is kept, just when its turn has come, does not make it be kept for ever.
    #[test]
    fn what_is_answered_is_not_kept_any_more() {
        let mut responses = Responses::after_init(at(0), octets("init"));
        for id in (1..100).step_by(2) {
            responses.keep(id + 1, kept());
            responses.keep(id + 2, kept());
            for id in [id, id + 1] {
                assert_eq!(responses.admit(at(1), id, true, 5, 5), Admit::Fresh);
                responses.begin();
                responses.answer(at(1), Vec::new(), 5);
            }
            assert_eq!(responses.ahead.len(), 1);
        }
    }

    #[test]
    fn the_last_message_id_is_taken_once() {
        let mut responses = Responses {
            expected: u32::MAX,
            ..Responses::default()
        };
        assert_eq!(responses.admit(at(1), u32::MAX, true, 5, 5), Admit::Fresh);
        assert!(!responses.is_spent());
        responses.answer(at(1), [octets("last")].to_vec(), 5);
        assert!(responses.is_spent());
        let again = responses.admit(at(2), u32::MAX, true, 5, 5);
        assert_eq!(again, repeat("last"));
        let old = responses.admit(at(2), 0, true, 5, 5);
        assert_eq!(old, Admit::Discard(Discard::OldMessageId));
    }

    // RFC 7296 §2.3#7: the answers to a whole window are kept.
    #[test]
    fn as_many_answers_are_kept_as_the_window_is_wide() {
        let mut responses = Responses::default();
        for id in 0..7 {
            assert_eq!(responses.admit(at(1), id, true, 5, 5), Admit::Fresh);
            responses.answer(at(1), [octets(&id.to_string())].to_vec(), 5);
        }
        for id in 0..7 {
            let expected = if id < 2 {
                Admit::Discard(Discard::OldMessageId)
            } else {
                repeat(&id.to_string())
            };
            assert_eq!(responses.admit(at(2), id, true, 5, 5), expected, "{id}");
        }
    }

    // RFC 7296 §2.1: retransmissions back off and end.
    // RFC 7296 §2.1#6, §2.4#6: waits double, and end.
    #[test]
    fn sends_again_after_doubling_waits_and_gives_up() {
        let config = EndpointConfig {
            retransmit_first: Duration::from_secs(1),
            retransmit_tries: 3,
            ..EndpointConfig::new(Vec::new())
        };
        let mut schedule = Schedule::start(at(0), &config);
        assert_eq!(schedule.due(at(999)), Due::Later);
        assert_eq!(schedule.due(at(1_000)), Due::Again(1));
        assert_eq!(schedule.due(at(2_999)), Due::Later);
        assert_eq!(schedule.due(at(3_000)), Due::Again(2));
        assert_eq!(schedule.next(), at(7_000));
        assert_eq!(schedule.due(at(7_000)), Due::Never);
    }
}
