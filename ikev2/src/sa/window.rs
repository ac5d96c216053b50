//! Message IDs (RFC 7296 §2.2, §2.3): which requests of the peer are new, which of ours wait for
//! their answer, and when they are sent again.

use alloc::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    vec::Vec,
};
use core::time::Duration;

use zeroize::Zeroizing;

use crate::{
    config::{
        EndpointConfig, REPEATS_ELSEWHERE_PER_SECOND, REPEATS_PER_SECOND, UNLIKE_REPEATS_PER_SECOND,
    },
    counters::Purpose,
    event::{Discard, Instant, Path},
    wire::{
        payload::Payload,
        registry::{ExchangeType, PayloadType},
    },
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
    /// Answered before: the answer is sent again if it is the same request as then.
    Repeat,
    /// Not to be worked on.
    Discard(Discard),
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
    /// How the request began that is being worked on.
    beginning: Option<Fingerprint>,
    answered: VecDeque<Answered>,
    ahead: BTreeMap<u32, Request>,
}

/// An opened request that waits for its turn: its octets, for what they are read into may be larger by far.
pub(crate) struct Request {
    /// The way that it came.
    pub(crate) path: Path,
    pub(crate) exchange: ExchangeType,
    /// The type of the first payload.
    pub(crate) first: PayloadType,
    pub(crate) content: Zeroizing<Vec<u8>>,
    /// How it began.
    pub(crate) beginning: Option<Fingerprint>,
}

struct Answered {
    id: u32,
    datagrams: Vec<Arc<[u8]>>,
    /// How its request began. Unknown for IKE_SA_INIT, whose repeats the endpoint knows by their octets.
    request: Option<Fingerprint>,
    /// Where the answer went.
    path: Path,
    repeats: Repeats,
}

/// What came of late with the message ID of one answered request. Each kind has a budget of its own: what a stranger can
/// send takes nothing from the peer.
struct Repeats {
    since: Instant,
    /// Answered, to where the answer had gone or the peer is.
    here: u32,
    /// Answered, to somewhere else.
    elsewhere: u32,
    /// No copies, whose integrity check was to be tried.
    unlike: u32,
}

impl Repeats {
    const fn new(now: Instant) -> Self {
        Self {
            since: now,
            here: 0,
            elsewhere: 0,
            unlike: 0,
        }
    }

    /// Those of this second.
    fn at(&mut self, now: Instant) -> &mut Self {
        if now.since(self.since) >= REPEAT_PERIOD {
            *self = Self::new(now);
        }
        self
    }
}

/// Whether one more is within the limit; then it is counted.
const fn charge(count: &mut u32, limit: u32) -> bool {
    let admitted = *count < limit;
    if admitted {
        *count = count.saturating_add(1);
    }
    admitted
}

impl Responses {
    /// The responder's window once IKE_SA_INIT, message 0, has been answered by `answer`.
    pub(crate) fn after_init(now: Instant, path: Path, answer: Arc<[u8]>) -> Self {
        let mut responses = Self::default();
        responses.answer(now, path, [answer].to_vec(), 1);
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

    /// Judges a request by its message ID, before anything else is read of it. Nothing is counted here, for nothing
    /// says yet who sent it.
    pub(crate) fn admit(&self, id: u32, window: u32) -> Admit {
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
        // RFC 7296 §2.1#5: a repeated request whose answer is forgotten is ignored.
        if self.answered.iter().any(|answered| answered.id == id) {
            Admit::Repeat
        } else {
            Admit::Discard(Discard::OldMessageId)
        }
    }

    /// Whether the answered request with this message ID began with this datagram.
    pub(crate) fn is_copy(&self, id: u32, datagram: &Fingerprint) -> bool {
        let mut all = self.answered.iter();
        all.any(|answered| answered.id == id && answered.request.as_ref() == Some(datagram))
    }

    /// Whether one more datagram with the message ID of this answered request, which is no copy of it, may cost an
    /// integrity check now.
    pub(crate) fn may_be_tried(&mut self, now: Instant, id: u32) -> bool {
        let mut all = self.answered.iter_mut();
        let answered = all.find(|answered| answered.id == id);
        answered.is_some_and(|answered| {
            charge(
                &mut answered.repeats.at(now).unlike,
                UNLIKE_REPEATS_PER_SECOND,
            )
        })
    }

    /// The answer to a request that came again, a copy or authentic, on this way; the peer is at `current`.
    ///
    /// RFC 7296 §2.1#1-2: the same octets, from memory.
    ///
    /// # Errors
    ///
    /// The reason why it is not sent.
    pub(crate) fn repeat(
        &mut self,
        now: Instant,
        id: u32,
        path: Path,
        current: Path,
    ) -> Result<Vec<Arc<[u8]>>, Discard> {
        let mut all = self.answered.iter_mut();
        let answered = all
            .find(|answered| answered.id == id)
            .ok_or(Discard::OldMessageId)?;
        let here = path == answered.path || path == current;
        let repeats = answered.repeats.at(now);
        let admitted = if here {
            charge(&mut repeats.here, REPEATS_PER_SECOND)
        } else {
            charge(&mut repeats.elsewhere, REPEATS_ELSEWHERE_PER_SECOND)
        };
        if admitted {
            Ok(answered.datagrams.clone())
        } else {
            Err(Discard::RepeatLimited)
        }
    }

    /// The request that was expected is authentic and is being worked on. So it began, where that is known.
    pub(crate) const fn begin(&mut self, beginning: Option<Fingerprint>) {
        self.in_progress = true;
        self.beginning = beginning;
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

    /// Remembers the answer to the expected request, sent on this path, and expects the next. `window` answers are kept.
    pub(crate) fn answer(
        &mut self,
        now: Instant,
        path: Path,
        datagrams: Vec<Arc<[u8]>>,
        window: u32,
    ) {
        let keep = usize::try_from(window.max(1)).unwrap_or(1);
        while self.answered.len() >= keep {
            self.answered.pop_front();
        }
        // RFC 7296 §2.1#4, §2.3#7: answers are kept, as many as the window is wide.
        self.answered.push_back(Answered {
            id: self.expected,
            datagrams,
            request: self.beginning.take(),
            path,
            repeats: Repeats::new(now),
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
    /// What it is for, to count its answer by.
    purpose: Option<Purpose>,
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

    /// What the request with this message ID, which waits for its answer, is for.
    pub(crate) fn purpose(&self, id: u32) -> Option<Purpose> {
        let mut all = self.outstanding.iter();
        all.find(|one| one.id == id)?.purpose
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
        (exchange, purpose, pace): (ExchangeType, Option<Purpose>, Pace),
        datagrams: Vec<Arc<[u8]>>,
    ) {
        // RFC 7296 §2.1#3,7, §2.2#1, §2.3#6: the octets are kept as they were sent, message ID and
        // all, until the answer has come.
        self.outstanding.push(Outstanding {
            id: self.next,
            exchange,
            purpose,
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

    fn path(port: u16) -> Path {
        let there = (core::net::Ipv4Addr::LOCALHOST, port).into();
        Path {
            local: there,
            remote: there,
            framing: crate::event::Framing::Bare,
        }
    }

    fn after_init() -> Responses {
        Responses::after_init(at(0), path(500), octets("init"))
    }

    /// The answer to a repeat from where its request came.
    fn repeated(
        responses: &mut Responses,
        millis: u64,
        id: u32,
    ) -> Result<Vec<Arc<[u8]>>, Discard> {
        assert_eq!(responses.admit(id, 1), Admit::Repeat);
        responses.repeat(at(millis), id, path(500), path(500))
    }

    fn kept() -> Request {
        Request {
            path: path(500),
            exchange: ExchangeType::INFORMATIONAL,
            first: PayloadType::NONE,
            content: Zeroizing::default(),
            beginning: None,
        }
    }

    fn octets(text: &str) -> Arc<[u8]> {
        Arc::from(text.as_bytes())
    }

    // RFC 7296 §2.1: the responder keeps its answer and sends the same octets to a repeat.
    #[test]
    fn repeats_the_same_octets_up_to_the_rate_and_again_in_the_next_second() {
        let mut responses = after_init();
        let init = Ok([octets("init")].to_vec());
        for _ in 0..REPEATS_PER_SECOND {
            assert_eq!(repeated(&mut responses, 10, 0), init);
        }
        let limited = Err(Discard::RepeatLimited);
        assert_eq!(repeated(&mut responses, 20, 0), limited);
        assert_eq!(repeated(&mut responses, 1_010, 0), init);
    }

    #[test]
    fn each_kind_of_repeat_has_a_budget_of_its_own() {
        let mut responses = after_init();
        let count = |responses: &mut Responses, from: Path, current: Path| {
            let all = (0..1_000).map(|_| responses.repeat(at(1), 0, from, current));
            u32::try_from(all.filter(Result::is_ok).count()).unwrap()
        };
        let tried = (0..1_000).filter(|_| responses.may_be_tried(at(1), 0));
        let tried = u32::try_from(tried.count()).unwrap();
        assert_eq!(tried, UNLIKE_REPEATS_PER_SECOND);
        let elsewhere = count(&mut responses, path(9), path(500));
        assert_eq!(elsewhere, REPEATS_ELSEWHERE_PER_SECOND);
        // The peer has moved on: what it asked from where it was and what it asks from where it is are its own.
        let here = count(&mut responses, path(4500), path(4500));
        assert_eq!(here, REPEATS_PER_SECOND);
        assert_eq!(count(&mut responses, path(500), path(4500)), 0);
        assert!(!responses.may_be_tried(at(1), 7));
    }

    // RFC 7296 §2.1#5: what is forgotten is not answered anew.
    #[test]
    fn absorbs_a_repeat_of_what_is_being_worked_on() {
        let mut responses = after_init();
        assert_eq!(responses.admit(1, 1), Admit::Fresh);
        responses.begin(None);
        assert_eq!(responses.admit(1, 1), Admit::Discard(Discard::InProgress));
        responses.answer(at(3), path(500), [octets("auth")].to_vec(), 1);
        assert_eq!(responses.expected(), 2);
        let auth = Ok([octets("auth")].to_vec());
        assert_eq!(repeated(&mut responses, 4, 1), auth);
        // With a window of one only the last answer is kept.
        assert_eq!(responses.admit(0, 1), Admit::Discard(Discard::OldMessageId));
    }

    // RFC 7296 §2.3: requests within the announced window may come in any order.
    #[test]
    fn keeps_requests_within_the_window_until_their_turn() {
        let mut responses = after_init();
        assert_eq!(responses.admit(5, 5), Admit::Ahead);
        assert_eq!(
            responses.admit(6, 5),
            Admit::Discard(Discard::AheadOfWindow)
        );
        assert_eq!(
            responses.admit(u32::MAX, 5),
            Admit::Discard(Discard::AheadOfWindow)
        );
        responses.keep(2, kept());
        assert_eq!(responses.admit(2, 5), Admit::Discard(Discard::Duplicate));
        assert!(responses.next_kept().is_none());
        responses.begin(None);
        responses.answer(at(2), path(500), Vec::new(), 5);
        assert!(responses.next_kept().is_some());
    }

    // A peer that repeats what is kept, just when its turn has come, does not make it be kept for ever.
    #[test]
    fn what_is_answered_is_not_kept_any_more() {
        let mut responses = after_init();
        for id in (1..100).step_by(2) {
            responses.keep(id + 1, kept());
            responses.keep(id + 2, kept());
            for id in [id, id + 1] {
                assert_eq!(responses.admit(id, 5), Admit::Fresh);
                responses.begin(None);
                responses.answer(at(1), path(500), Vec::new(), 5);
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
        assert_eq!(responses.admit(u32::MAX, 5), Admit::Fresh);
        assert!(!responses.is_spent());
        responses.answer(at(1), path(500), [octets("last")].to_vec(), 5);
        assert!(responses.is_spent());
        let last = Ok([octets("last")].to_vec());
        assert_eq!(repeated(&mut responses, 2, u32::MAX), last);
        let old = responses.admit(0, 5);
        assert_eq!(old, Admit::Discard(Discard::OldMessageId));
    }

    // RFC 7296 §2.3#7: the answers to a whole window are kept.
    #[test]
    fn as_many_answers_are_kept_as_the_window_is_wide() {
        let mut responses = Responses::default();
        for id in 0..7 {
            assert_eq!(responses.admit(id, 5), Admit::Fresh);
            responses.answer(at(1), path(500), [octets(&id.to_string())].to_vec(), 5);
        }
        for id in 0..7 {
            if id < 2 {
                let old = Admit::Discard(Discard::OldMessageId);
                assert_eq!(responses.admit(id, 5), old, "{id}");
            } else {
                let kept = Ok([octets(&id.to_string())].to_vec());
                assert_eq!(repeated(&mut responses, 2, id), kept, "{id}");
            }
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

    // RFC 7296 §2.3#2,4-5: as many are out as the peer takes, counted from the oldest that is not answered, whatever
    // is answered behind it.
    #[test]
    fn the_window_of_a_sender_is_filled_and_begins_at_the_oldest_without_an_answer() {
        let config = EndpointConfig::new(Vec::new());
        let mut requests = Requests::after_init();
        for _ in 0..9 {
            requests.push(Queued {
                exchange: ExchangeType::INFORMATIONAL,
                payloads: Vec::new(),
                pace: Pace::Usual,
            });
        }
        let pump = |requests: &mut Requests| {
            let mut out = Vec::new();
            while let Some(queued) = requests.pop_ready() {
                out.push(requests.next());
                let datagrams = Vec::from([octets("request")]);
                let sent = (queued.exchange, None, queued.pace);
                requests.sent(at(0), &config, sent, datagrams);
            }
            out
        };
        // Until the peer has said more, it takes one.
        assert_eq!(pump(&mut requests), [1]);
        assert_eq!(pump(&mut requests), []);
        requests.announce(5);
        assert_eq!(pump(&mut requests), [2, 3, 4, 5]);
        assert_eq!((requests.waiting(), requests.queued()), (5, 4));
        // A window does not shrink, and the answers to later ones do not open it.
        requests.announce(2);
        for id in [3, 2, 5] {
            requests.conclude(id);
            assert_eq!(pump(&mut requests), [], "{id}");
        }
        requests.conclude(1);
        assert_eq!(pump(&mut requests), [6, 7, 8]);
        requests.conclude(4);
        assert_eq!(pump(&mut requests), [9]);
        assert_eq!(requests.queued(), 0);
        assert!(!requests.last_is_answered());
        for id in 6..=9 {
            assert!(requests.awaits(id, ExchangeType::INFORMATIONAL));
            requests.conclude(id);
        }
        assert!(requests.last_is_answered());
    }
}
