//! What the user is asked for while all else goes on.

use std::{io, pin::Pin};

use ironflex_ikev2::event::{AskId, SaId};
use zeroize::Zeroizing;

use super::login::Prompt;
use crate::terminal;

/// A question of the core's that is open.
pub(super) struct Asking {
    pub(super) sa: SaId,
    pub(super) ask: AskId,
    line: Pin<Box<dyn Future<Output = io::Result<Zeroizing<String>>>>>,
}

impl Asking {
    pub(super) fn begin(sa: SaId, ask: AskId, prompt: Prompt) -> Self {
        Self {
            sa,
            ask,
            line: Box::pin(async move { terminal::ask(&prompt.text, prompt.echo).await }),
        }
    }
}

/// Waits for what the user types, if anything is asked.
pub(super) async fn typed(asking: &mut Option<Asking>) -> io::Result<Zeroizing<String>> {
    match asking {
        Some(asking) => asking.line.as_mut().await,
        None => std::future::pending().await,
    }
}
