//! SAs that wear out in the dataplane: it says so by an event, and the core then rekeys or deletes the
//! child SA that they belong to (RFC 7296 §2.8).

use std::{io, os::fd::OwnedFd};

use ironflex_ikev2::event::{Command, SaId};
use ironflex_xfrm::{Dataplane, Direction, EspSpi, Event};
use tokio::io::unix::AsyncFd;

use crate::readiness::watch;

/// The SAs of one child SA, rekeyed or not: the inbound and outbound SPIs that belong together, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs(Vec<(EspSpi, EspSpi)>);

impl Pairs {
    /// A new pair is installed, or will be when its time comes.
    pub fn add(&mut self, inbound: EspSpi, outbound: EspSpi) {
        self.0.push((inbound, outbound));
    }

    /// The inbound SPI of the oldest pair.
    #[must_use]
    pub fn oldest(&self) -> Option<EspSpi> {
        self.0.first().map(|&(inbound, _)| inbound)
    }

    /// The inbound SPI of the youngest pair.
    #[must_use]
    pub fn newest(&self) -> Option<EspSpi> {
        self.0.last().map(|&(inbound, _)| inbound)
    }

    /// The outbound SPI of the pair with this inbound one.
    #[must_use]
    pub fn outbound_of(&self, inbound: EspSpi) -> Option<EspSpi> {
        let pair = self.0.iter().find(|&&(known, _)| known == inbound);
        pair.map(|&(_, outbound)| outbound)
    }

    /// The pair with this inbound SPI is gone.
    pub fn forget(&mut self, inbound: EspSpi) {
        self.0.retain(|&(known, _)| known != inbound);
    }

    fn inbound_of(&self, spi: EspSpi, direction: Direction) -> Option<EspSpi> {
        let pair = self.0.iter().find(|&&(inbound, outbound)| match direction {
            Direction::Inbound => inbound == spi,
            Direction::Outbound => outbound == spi,
        });
        pair.map(|&(inbound, _)| inbound)
    }

    /// What the core is to do with the child SA of `sa` because of an event of the dataplane: rekey it when
    /// one of its SAs is old, delete it when one is over, send on it when the peer does. None for other events, and for SAs that are gone.
    #[must_use]
    pub fn due(&self, sa: SaId, event: &Event) -> Option<Command> {
        match *event {
            Event::SoftExpired { spi, direction, .. } => {
                let inbound = self.inbound_of(spi, direction)?;
                Some(Command::RekeyChild(sa, inbound.value()))
            }
            Event::InboundUsed { spi, .. } => {
                let inbound = self.inbound_of(spi, Direction::Inbound)?;
                Some(Command::ChildUsed(sa, inbound.value()))
            }
            Event::HardExpired { spi, direction, .. } => {
                let inbound = self.inbound_of(spi, direction)?;
                Some(Command::DeleteChild(sa, inbound.value()))
            }
            _ => None,
        }
    }
}

/// Watches a dataplane for events, if it has any. Must be called inside a tokio runtime.
///
/// # Errors
///
/// Of dup and epoll.
pub fn watch_events(backend: &dyn Dataplane) -> io::Result<Option<AsyncFd<OwnedFd>>> {
    backend
        .event_fd()
        .map(|descriptor| watch(descriptor.try_clone_to_owned()?))
        .transpose()
}

/// Resolves when the watched dataplane has something to say; never without one.
pub async fn has_events(descriptor: Option<&AsyncFd<OwnedFd>>) {
    let Some(descriptor) = descriptor else {
        return std::future::pending().await;
    };
    match descriptor.readable().await {
        // Cleared before the events are drained, so that one that comes in between is seen.
        Ok(mut ready) => ready.clear_ready(),
        Err(_) => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use ironflex_xfrm::{Limit, SessionId};

    use super::*;

    #[test]
    fn an_old_sa_of_either_direction_is_rekeyed_and_one_that_is_over_deleted() {
        let spi = |value| EspSpi::new(value).unwrap();
        let id = SessionId::new(1).unwrap();
        let sa = SaId::from_spi(7);
        let mut pairs = Pairs::default();
        // The peer may choose the number that we have chosen.
        pairs.add(spi(1_001), spi(2_001));
        pairs.add(spi(2_001), spi(2_002));
        let soft = |value, direction| Event::SoftExpired {
            id,
            spi: spi(value),
            direction,
            limit: Limit::Bytes,
        };
        let hard = |value, direction| Event::HardExpired {
            id,
            spi: spi(value),
            direction,
            limit: Limit::Seconds,
        };
        let (inbound, outbound) = (Direction::Inbound, Direction::Outbound);
        let due = [
            pairs.due(sa, &soft(1_001, inbound)),
            pairs.due(sa, &soft(2_001, outbound)),
            pairs.due(sa, &soft(2_001, inbound)),
            pairs.due(sa, &hard(2_002, outbound)),
            pairs.due(sa, &soft(2_002, inbound)),
            pairs.due(
                sa,
                &Event::InboundUsed {
                    id,
                    spi: spi(2_001),
                },
            ),
            pairs.due(
                sa,
                &Event::InboundUsed {
                    id,
                    spi: spi(2_002),
                },
            ),
        ];
        let texts = due.map(|command| match command {
            Some(Command::RekeyChild(of, spi)) => format!("rekey {of:?} {spi}"),
            Some(Command::DeleteChild(of, spi)) => format!("delete {of:?} {spi}"),
            Some(Command::ChildUsed(of, spi)) => format!("send on {of:?} {spi}"),
            Some(_) => "another".into(),
            None => String::new(),
        });
        let expected = [
            format!("rekey {sa:?} 1001"),
            format!("rekey {sa:?} 1001"),
            format!("rekey {sa:?} 2001"),
            format!("delete {sa:?} 2001"),
            String::new(),
            format!("send on {sa:?} 2001"),
            String::new(),
        ];
        assert_eq!(texts, expected);
        pairs.forget(spi(1_001));
        assert!(pairs.due(sa, &soft(2_001, outbound)).is_none());
    }
}
