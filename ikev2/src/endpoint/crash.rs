//! Quick crash detection of the endpoint (RFC 6290): who is told a token in clear, and what one does here.

use core::time::Duration;

use super::Endpoint;
use crate::{
    counters::more,
    crash_detection::has_token,
    crypto::keys::Role,
    endpoint::routing::has_error,
    event::{Discard, Instant, Path, SaId},
    sa::IkeSa,
    source::Source,
    wire::{
        header::{Header, ResponderSpi},
        payload::{Notify, Payload},
        registry::NotifyType,
    },
};

/// Tokens that are told in a second at most (RFC 6290 §8.1, §9.3), once the peers of before have had their time.
const TOKENS_PER_SECOND: usize = 50;

/// The same for [`AFTER_START`]: all the peers of an earlier run are told then, some 20,000 within one round of their
/// retransmissions.
const TOKENS_PER_SECOND_AFTER_START: usize = 1_000;

/// As long as the peers of an earlier run may take until they ask.
const AFTER_START: Duration = Duration::from_secs(600);

impl Endpoint {
    /// The IKE SA that a request is about, if there can have been such an SA here and there is none now.
    ///
    /// Both SPIs are looked for, whatever the message says of whose is whose: by a flag turned round, or by one wrong SPI,
    /// the request of an SA that is up would find none.
    // RFC 6290 §9.2#1: no token of an SA that exists is said in clear.
    fn forgotten(&self, header: &Header) -> Option<(Role, u64, u64)> {
        let (spi_i, spi_r) = (
            header.initiator_spi.get(),
            header.responder_spi.map(ResponderSpi::get)?,
        );
        let (role, ours) = if header.flags.is_initiator() {
            (Role::Responder, spi_r)
        } else {
            (Role::Initiator, spi_i)
        };
        let [shard, ..] = ours.to_be_bytes();
        let taken = self.taken();
        let forgotten =
            shard == self.config.shard && !taken.contains(spi_i) && !taken.contains(spi_r);
        forgotten.then_some((role, spi_i, spi_r))
    }

    /// Says the token of the IKE SA that a request is about, beside INVALID_IKE_SPI, so that whoever does not know it
    /// understands the rest. False if there is none to say or too many were said; then the request is what it would be
    /// without tokens.
    ///
    /// The token is made last: who floods costs no HMAC beyond the budget.
    // RFC 6290 §3#2: the request of an SA that is not known is answered with the token.
    // RFC 6290 §8.1#2: more of them than a restart explains, in all or of one source, are told INVALID_IKE_SPI alone, or
    // nothing.
    pub(super) fn tells_token(&mut self, now: Instant, path: Path, header: &Header) -> bool {
        if self.config.crash_detection.secret.is_none() {
            return false;
        }
        let Some((role, spi_i, spi_r)) = self.forgotten(header) else {
            return false;
        };
        let limit = if now.since(self.began) < AFTER_START {
            TOKENS_PER_SECOND_AFTER_START
        } else {
            TOKENS_PER_SECOND
        };
        let source = Source::of(path.remote.ip());
        if !self.tokens.admits(now, source, limit) {
            return false;
        }
        let Some(token) = self.config.crash_detection.notify(role, spi_i, spi_r) else {
            return false;
        };
        more(&mut self.counters.tokens.sent);
        let said = [Notify::plain(NotifyType::INVALID_IKE_SPI), token];
        self.stateless_with(path, header, &said.map(Payload::Notify));
        true
    }

    /// Judges the tokens of a message in clear to the SA `id`, named by our SPI `ours`; `None` where there are none to
    /// judge, and the message is what it would be without them.
    ///
    /// Only the IKE SA in use counts: one that was replaced may be gone at the peer without any crash, and then its token
    /// is anybody's.
    pub(super) fn judge_token(
        &mut self,
        now: Instant,
        (id, ours): (SaId, u64),
        said: &[Payload],
    ) -> Option<Result<(), Discard>> {
        if !has_token(said) {
            return None;
        }
        let slot = self.sas.get(&id)?;
        let IkeSa::Keyed { link, .. } = &slot.sa else {
            return None;
        };
        if link.over || link.our_spi() != ours {
            return None;
        }
        let token = link.token.as_ref()?;
        // However many came before it, each is compared: that costs less than it has cost to read it, and a limit would let
        // forged ones keep the true one out.
        let holds = token.is_among(said);
        // RFC 6290 §3#3,6, §8.2#2: one that fits counts, wherever it comes from and whatever error stands beside it.
        if holds {
            more(&mut self.counters.tokens.accepted);
            // RFC 6290 §3#5, §4.5#2: SA and children go at once, without a word to the peer.
            self.with(now, id, |sa, cx| match sa {
                IkeSa::Keyed { link, state } => {
                    state.peer_crashed(&link, cx);
                    None
                }
                starting @ IkeSa::Starting(_) => Some(starting),
            });
            return Some(Ok(()));
        }
        // RFC 6290 §3#4, §4.5#3: one that does not fit is told the log and not the sender.
        more(&mut self.counters.tokens.rejected);
        // RFC 6290 §8.2#3: it says nothing against the peer; the error beside it is the hint that it would be alone.
        // RFC 6290 §8.2#4: a hint is followed once in a while, however many there are.
        if has_error(said) {
            let _ = self.hint(now, id);
        }
        Some(Err(Discard::WrongToken))
    }
}
