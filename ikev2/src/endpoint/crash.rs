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
    wire::{
        header::{Header, ResponderSpi},
        payload::{Notify, Payload},
        registry::NotifyType,
    },
};

/// Tokens that are told in a second at most (RFC 6290 §8.1, §9.3), once the peers of before have had their time.
const TOKENS_PER_SECOND: u32 = 50;

/// The same for [`AFTER_START`]: all the peers of an earlier run are told then, some 20,000 within one round of their
/// retransmissions.
const TOKENS_PER_SECOND_AFTER_START: u32 = 1_000;

/// As long as the peers of an earlier run may take until they ask.
const AFTER_START: Duration = Duration::from_secs(600);

impl Endpoint {
    /// The token of the IKE SA that a request is about, if there can have been such an SA here and there is none now.
    ///
    /// Both SPIs are looked for, whatever the message says of whose is whose: by a flag turned round, or by one wrong SPI,
    /// the request of an SA that is up would find none.
    // RFC 6290 §9.2#1: no token of an SA that exists is said in clear.
    pub(super) fn token_of_forgotten(&self, header: &Header) -> Option<Notify> {
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
        forgotten
            .then(|| self.config.crash_detection.notify(role, spi_i, spi_r))
            .flatten()
    }

    /// Says it beside INVALID_IKE_SPI, so that whoever does not know it understands the rest.
    // RFC 6290 §3#2: the request of an SA that is not known is answered with the token.
    // RFC 6290 §8.1#2: more of them than a restart explains are not answered.
    pub(super) fn tell_token(
        &mut self,
        now: Instant,
        path: Path,
        header: &Header,
        token: Notify,
    ) -> Discard {
        let limit = if now.since(self.began) < AFTER_START {
            TOKENS_PER_SECOND_AFTER_START
        } else {
            TOKENS_PER_SECOND
        };
        if !self.tokens.admits_up_to(now, limit) {
            return Discard::UnknownSpi;
        }
        more(&mut self.counters.tokens.sent);
        let said = [Notify::plain(NotifyType::INVALID_IKE_SPI), token];
        self.stateless_with(path, header, &said.map(Payload::Notify));
        Discard::UnknownSpiAnswered
    }

    /// Judges the tokens of a message in clear to the SA `id`, named by our SPI `ours`; `None` where there are none to
    /// judge, and the message is what it would be without them.
    ///
    /// Only the IKE SA in use counts: one that was replaced may be gone at the peer without any crash, and then its token
    /// is anybody's.
    pub(super) fn judge_token(
        &mut self,
        now: Instant,
        path: Path,
        (id, ours): (SaId, u64),
        said: &[Payload],
    ) -> Option<Result<(), Discard>> {
        if !has_token(said) {
            return None;
        }
        let slot = self.sas.get_mut(&id)?;
        let IkeSa::Keyed { link, .. } = &slot.sa else {
            return None;
        };
        if link.over || link.our_spi() != ours {
            return None;
        }
        let token = link.token.as_ref()?;
        // RFC 6290 §8.1#1, §8.2#4: so many of one source are judged in a second.
        if !slot.judged.admits(now, path.remote.ip()) {
            return Some(Err(Discard::TokenLimited));
        }
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
        if has_error(said) {
            let _ = self.hint(now, id);
        }
        Some(Err(Discard::WrongToken))
    }
}
