//! How IKE_AUTH ends as the initiator: the child SA, none at all, or another gateway (RFC 7296 §1.2).

use alloc::{boxed::Box, vec::Vec};

use super::{AwaitInstall, Initiator, PpkUse, Proven, Trying, go};
use crate::{
    event::{Answer, Ask, Authenticated, ChildExchanges, ChildId, ChildSa, CloseReason, Event},
    negotiate::{additional::Alternatives, proposal, selector},
    proof::PeerAuthenticated,
    refusal::{PeerMisbehaved, Refusal},
    sa::{
        Cx,
        established::{Beginning, Child, Established, Limits, Policy, close_with, mobike},
        init,
        keylog::log_child,
        link::Link,
        state::{Outcome, WRONG_ANSWER, close},
    },
    wire::{
        payload::{ConfigAttribute, Delete, Gateway, Notify, Payload},
        registry::{ConfigType, ExchangeType, NotifyType, PayloadType},
    },
};

impl Proven {
    pub(super) fn child(
        self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        payloads: Vec<Payload>,
    ) -> Result<Outcome, Refusal> {
        if self.trying.config.follows_redirects()
            && let Some(said) = init::find(&payloads, NotifyType::REDIRECT)
        {
            return redirected(link, cx, said);
        }
        let authenticated = Authenticated {
            peer: self.responder.clone(),
            proof: self.by,
            eap_user: None,
            initial_contact: false,
            ppk: matches!(self.trying.ppk, PpkUse::Used),
        };
        let own = self.trying.config.ppk.as_ref();
        cx.counters.ppks.proven(own, authenticated.ppk);
        cx.event(link.id, Event::Authenticated(authenticated.clone()));
        link.mobike = self.trying.config.upkeep.mobike && mobike::speaks(&payloads);
        if self.trying.config.childless {
            return self.alone(link, cx, authenticated, payloads);
        }
        let answered = self.read_child(link, payloads, &self.proof);
        match answered {
            Ok(sa) => {
                let established = Established::new(Beginning {
                    authenticated,
                    policy: Policy::Initiator(self.trying.config),
                    derivation: self.trying.handshake.derivation,
                    child: Some(Child::of(&sa)),
                    // What the headend may add lies within what it has given us.
                    limits: Limits {
                        local: sa.local.clone(),
                        remote: sa.remote.clone(),
                    },
                    configuration: sa.configuration.clone(),
                });
                log_child(link, cx, &sa);
                let ask = cx.ask(link.id, Ask::Install(sa));
                go(Initiator::AwaitInstall(AwaitInstall {
                    ask,
                    established,
                    deleted: self.trying.deleted,
                }))
            }
            Err(refusal) => {
                // An IKE SA without its tunnel is of no use to a client.
                let refused = Event::ChildRefused {
                    why: refusal.clone(),
                    offered: Vec::new(),
                };
                cx.event(link.id, refused);
                delete(link, cx, refusal)
            }
        }
    }

    /// RFC 6023 §5: the IKE SA is up, and there is nothing else.
    fn alone(
        self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        authenticated: Authenticated,
        payloads: Vec<Payload>,
    ) -> Result<Outcome, Refusal> {
        let mut configuration = Vec::new();
        for payload in payloads {
            match payload {
                Payload::Sa(_) | Payload::TsI(_) | Payload::TsR(_) => {
                    return delete(link, cx, PeerMisbehaved::SelectedUnoffered.into());
                }
                Payload::Notify(said) if said.kind.is_error() => {
                    return delete(link, cx, Refusal::ByPeer(said.kind));
                }
                Payload::Cp(cp) if cp.kind == ConfigType::CFG_REPLY => {
                    configuration = cp.attributes;
                }
                _ => {}
            }
        }
        let Trying {
            handshake, config, ..
        } = self.trying;
        let limits = Limits {
            local: config.local.clone(),
            remote: config.remote.clone(),
        };
        let established = Established::new(Beginning {
            authenticated,
            policy: Policy::Initiator(config),
            derivation: handshake.derivation,
            child: None,
            limits,
            configuration,
        });
        Ok(established.enter(link, cx, None))
    }

    fn read_child(
        &self,
        link: &Link,
        payloads: Vec<Payload>,
        _proof: &PeerAuthenticated,
    ) -> Result<Box<ChildSa>, Refusal> {
        let mut sa = None;
        let mut local = None;
        let mut remote = None;
        let mut configuration: Vec<ConfigAttribute> = Vec::new();
        let mut error = None;
        for payload in payloads {
            match payload {
                Payload::Sa(one) => sa = Some(one),
                Payload::TsI(one) => local = Some(one.selectors),
                Payload::TsR(one) => remote = Some(one.selectors),
                Payload::Cp(cp) if cp.kind == ConfigType::CFG_REPLY => {
                    configuration = cp.attributes;
                }
                Payload::Notify(said) if said.kind.is_error() => error = Some(said.kind),
                _ => {}
            }
        }
        if let Some(kind) = error {
            return Err(Refusal::ByPeer(kind));
        }
        let missing = PeerMisbehaved::MissingPayload;
        let sa = sa.ok_or_else(|| missing(PayloadType::SA))?;
        let local = local.ok_or_else(|| missing(PayloadType::TS_I))?;
        let remote = remote.ok_or_else(|| missing(PayloadType::TS_R))?;
        let config = &self.trying.config;
        let (suite, outbound_spi, _) =
            proposal::accept_esp(&config.esp, None, Alternatives::None, &sa)?;
        selector::within(&local, &config.local)?;
        selector::within(&remote, &config.remote)?;
        let handshake = &self.trying.handshake;
        Ok(Box::new(ChildSa {
            id: ChildId::FIRST,
            suite,
            exchanges: ChildExchanges::default(),
            keys: handshake
                .derivation
                .child_keys(suite, None, &handshake.ni, &handshake.nr)
                .into_role(link.role),
            inbound_spi: config.spi,
            outbound_spi,
            local,
            remote,
            path: link.path,
            udp_encapsulation: link.nat.udp_encapsulation(),
            configuration,
            by_peer: false,
        }))
    }
}

/// RFC 5685 §6#3: both ends have proven themselves, and the responder sends us elsewhere. Its SA is deleted,
/// and the answer is not waited for.
fn redirected(link: &mut Link, cx: &mut Cx<'_>, said: &Notify) -> Result<Outcome, Refusal> {
    // RFC 5685 §9.2: there is no nonce behind the gateway here.
    let Some((gateway, [])) = Gateway::of_redirect(said) else {
        return delete(link, cx, PeerMisbehaved::BadRedirect.into());
    };
    let delete = [Payload::Delete(Delete::ike_sa())].to_vec();
    link.request(cx, ExchangeType::INFORMATIONAL, delete)?;
    Ok(close(link, cx, CloseReason::Redirected(gateway)))
}

/// Deletes the IKE SA as the initiator that cannot use it.
fn delete(link: &mut Link, cx: &mut Cx<'_>, refusal: Refusal) -> Result<Outcome, Refusal> {
    let delete = Payload::Delete(Delete::ike_sa());
    close_with(link, cx, delete, CloseReason::Refused(refusal))
}

impl AwaitInstall {
    pub(super) fn answer(
        self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        answer: Answer,
    ) -> Result<Outcome, Refusal> {
        match answer {
            Answer::Installed => self.established.enter_after(link, cx, &self.deleted),
            Answer::Refused(why) => delete(link, cx, Refusal::Denied(why)),
            _ => delete(link, cx, WRONG_ANSWER),
        }
    }
}
