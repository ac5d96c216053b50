//! The tunnel's child SA is replaced by a new one, by us or by the headend (RFC 7296 §2.8).

use ironflex_ikev2::event::{Answer, ChildSa, Command, SaId};
use ironflex_xfrm::{EspSpi, Limits, ReplayWindow, SaSpec};

use super::outside::{Outside, SESSION};
use crate::translate::{self, Keeper, SaWishes};

/// How long our SAs live, in seconds and in octets; the headend's limits are its own.
const LIFETIME: Limits = Limits {
    bytes: std::num::NonZeroU64::new(64 << 30),
    packets: None,
    seconds: std::num::NonZeroU64::new(3_600),
};

/// What a client wants of its SAs, and how many seconds they live where the command line says so.
pub(super) fn wishes(if_id: Option<std::num::NonZeroU32>, seconds: Option<u32>) -> SaWishes {
    let seconds = seconds.and_then(|seconds| std::num::NonZeroU64::new(seconds.into()));
    let hard = Limits {
        seconds: seconds.or(LIFETIME.seconds),
        ..LIFETIME
    };
    SaWishes {
        replay_window: ReplayWindow::MAX,
        soft: translate::soft_limits(hard, Keeper::Client),
        hard,
        if_id,
        follow_peer: false,
    }
}

/// An outbound SA that is not sent on yet, and the inbound SPI of its pair.
pub(super) type Waiting = (EspSpi, SaSpec);

impl Outside {
    /// The new inbound SA stands beside the old one; the outbound one waits for [`switch`](Self::switch).
    pub(super) fn install_successor(&mut self, child: &ChildSa) -> Answer {
        let specs = translate::sa_specs(child, &wishes(None, self.lifetime));
        let added = match (specs, &mut self.dataplane) {
            (Ok((inbound, outbound)), Some(dataplane)) => dataplane
                .add_inbound(SESSION, &inbound)
                .map(|()| (inbound.spi, outbound)),
            (Err(error), _) => Err(error),
            (_, None) => Err(ironflex_xfrm::Error::NoSuchSession(SESSION)),
        };
        match added {
            Ok((inbound, outbound)) => {
                self.pairs.add(inbound, outbound.spi);
                self.waiting.push((inbound, outbound));
                Answer::Installed
            }
            Err(error) => Answer::Refused(error.to_string().into()),
        }
    }

    /// From now on the outbound SA beside this inbound one is sent on.
    ///
    /// # Errors
    ///
    /// What the dataplane says: the tunnel cannot send any more.
    pub(super) fn switch(&mut self, inbound_spi: u32) -> Result<(), ironflex_xfrm::Error> {
        let Some(dataplane) = &mut self.dataplane else {
            return Ok(());
        };
        let at = self
            .waiting
            .iter()
            .position(|(inbound, _)| inbound.value() == inbound_spi);
        if let Some(at) = at {
            let (_, outbound) = self.waiting.remove(at);
            return dataplane.replace_outbound(SESSION, &outbound);
        }
        // Its successor is gone before it: what was sent on before is sent on again.
        let former = EspSpi::new(inbound_spi).and_then(|spi| self.pairs.outbound_of(spi));
        former.map_or(Ok(()), |spi| dataplane.resume_outbound(SESSION, spi))
    }

    /// The next thing that the core is to do because an SA in the dataplane has worn out.
    pub(super) fn worn(&mut self, sa: SaId) -> Option<Command> {
        while let Some(event) = self.dataplane.as_mut()?.poll_event() {
            let due = self.pairs.due(sa, &event);
            if due.is_some() {
                return due;
            }
        }
        None
    }

    /// Nothing is received on this inbound SA any more.
    pub(super) fn retire(&mut self, inbound_spi: u32) {
        self.waiting
            .retain(|(inbound, _)| inbound.value() != inbound_spi);
        let Some(spi) = EspSpi::new(inbound_spi) else {
            return;
        };
        self.pairs.forget(spi);
        if let Some(dataplane) = &mut self.dataplane {
            // One that has expired is gone already.
            let _ = dataplane.remove_inbound(SESSION, spi);
        }
    }
}
