//! Where clients are sent, and when.

use alloc::format;

use super::Resolver;
use crate::{
    error::{Diagnostic, Fault, Span},
    model::redirect::{RedirectAt, RedirectTarget},
};

/// What the lines say together.
#[derive(Clone, Default)]
pub(super) struct Redirecting {
    /// Where to, at the first request.
    pub(super) init: Option<RedirectTarget>,
    /// Where to, once they are authenticated by a profile that says so.
    target: Option<RedirectTarget>,
    /// Every profile says so.
    every_profile: bool,
}

impl Redirecting {
    /// Where the clients of a profile are sent.
    pub(super) fn at_auth(&self, of_profile: bool) -> Option<RedirectTarget> {
        let redirects = of_profile || self.every_profile;
        self.target.clone().filter(|_| redirects)
    }
}

impl Resolver<'_> {
    pub(super) fn redirecting(&mut self) -> Redirecting {
        let candidate = self.candidate;
        let lines = &candidate.ikev2.redirect;
        if let Some(target) = lines.target.as_ref()
            && !target.value.is_somebody()
        {
            let message = format!("no gateway can be reached by `{}`", target.value);
            self.report(Diagnostic::error(Fault::Value, target.at.clone(), message));
        }
        let target = lines.target.as_ref().map(|target| target.value.clone());
        let gateway = lines.gateway.as_ref();
        if target.is_none() {
            if let Some(gateway) = gateway {
                self.without_target(&gateway.at);
            }
            for entry in candidate.profiles.iter() {
                if entry.value.redirect_gateway_auth {
                    self.without_target(&entry.at);
                }
            }
        }
        let at = gateway.map(|gateway| gateway.value);
        Redirecting {
            init: target.clone().filter(|_| at == Some(RedirectAt::Init)),
            target,
            every_profile: at == Some(RedirectAt::Auth),
        }
    }

    fn without_target(&mut self, at: &Span) {
        let message = "clients are served and not redirected: no line `crypto ikev2 redirect \
                       target` says where to";
        self.report(Diagnostic::warning(Fault::Incomplete, at.clone(), message));
    }
}
