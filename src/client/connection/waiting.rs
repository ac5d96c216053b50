//! What the user is told while the headend is waited for.

use ironflex_ikev2::{event::Instant, wire::registry::NotifyType};

use super::{
    super::notify::{About, sentence},
    Connection, SILENCE,
};

impl Connection {
    /// When the headend's silence is to be mentioned, as things stand.
    pub(super) fn silence(&self) -> Option<Instant> {
        let idle = self.asking.is_some() || self.was_up() || self.leaving;
        self.silence.filter(|_| !idle)
    }

    pub(super) fn mention_silence(&mut self) {
        if self
            .silence()
            .is_some_and(|due| self.clock.until(due).is_zero())
        {
            self.silence = None;
            self.report.show("waiting for the headend…");
        }
    }

    /// The headend's turn begins anew.
    pub(super) fn expect_headend(&mut self) {
        let due = self.clock.now().after(SILENCE);
        self.silence = self.silence.map(|_| due);
    }

    /// The headend's first answer was an error, which is not proven: it is not the end yet, and the user need not wonder what
    /// is waited for.
    pub(super) fn mention_doubt(&self, kind: NotifyType) {
        if kind.is_error() && !self.leaving {
            self.report.show(&format!(
                "{}; anybody on the way could have sent this, so another answer is awaited for some seconds",
                sentence(kind, About::IkeSa)
            ));
        }
    }
}
