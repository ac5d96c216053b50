//! How IKE_AUTH ends as the responder: where else the client is sent, its address, and its child SA
//! (RFC 7296 §1.2, §2.19).

use alloc::vec::Vec;
use core::time::Duration;

use super::{AwaitInstall, AwaitLease, Proven, Responder, go};
use crate::{
    event::{Answer, Ask, Authenticated, CloseReason, Event, Lease, LeaseQuestion, Trace},
    refusal::{PeerIncompatible, Refusal},
    sa::{
        Cx, child,
        established::{Beginning, Child, Established, Limits, Policy, close_with, mobike},
        keylog::log_child,
        link::{Link, window_size},
        ppk,
        state::{Outcome, WRONG_ANSWER, close},
    },
    wire::{
        payload::{ConfigAttribute, Delete, Gateway, Payload},
        registry::ExchangeType,
    },
};

impl Proven {
    fn authenticated(&self) -> Authenticated {
        Authenticated {
            peer: self.known.first.identity.clone(),
            proof: self.by,
            eap_user: self.user.clone(),
            initial_contact: self.known.first.initial_contact,
            ppk: self.known.ppk,
        }
    }

    pub(super) fn lease(mut self, link: &mut Link, cx: &mut Cx<'_>) -> Result<Outcome, Refusal> {
        // RFC 8784 §3: said beside AUTH, whatever else that answer says.
        if self.known.ppk {
            self.answer.push(ppk::used());
        }
        let own = self.known.config.ppk.as_ref();
        cx.counters.ppks.proven(own, self.known.ppk);
        cx.event(link.id, Event::Authenticated(self.authenticated()));
        let local = link.path.local.ip();
        let elsewhere = self.known.config.redirect.clone();
        if let Some(gateway) = elsewhere.filter(|one| link.traits.may_be_sent_to(one, local)) {
            return self.redirect(link, cx, gateway);
        }
        let ask = cx.ask(
            link.id,
            Ask::Lease(LeaseQuestion {
                requested: self.known.first.child.configuration.clone(),
                identity: self.known.first.identity.clone(),
                eap_user: self.user.clone(),
                proof: self.by,
            }),
        );
        go(Responder::AwaitLease(AwaitLease { ask, up: self }))
    }

    /// RFC 5685 §6#1,4-6, §9.2#5: both ends are proven, no child SA is made, and the last answer says where to go. What
    /// the client still says, a Delete, is answered for a while.
    fn redirect(
        self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        gateway: Gateway,
    ) -> Result<Outcome, Refusal> {
        let mut answer = self.answer;
        answer.push(Payload::Notify(gateway.redirect(&[])));
        link.respond(cx, ExchangeType::IKE_AUTH, &answer)?;
        Ok(close(link, cx, CloseReason::Redirected(gateway)))
    }

    /// The final answer is out: the SA is up, with or without its child.
    fn finish(
        self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        child: Option<Child>,
        (limits, session_lifetime): (Limits, Option<Duration>),
        configuration: Vec<ConfigAttribute>,
        rest: Vec<Payload>,
    ) -> Result<Outcome, Refusal> {
        let authenticated = self.authenticated();
        let mut answer = self.answer;
        // Behind AUTH, and before what is about configuration and child SA (RFC 6290 §4.2).
        answer.extend(link.own_token(cx));
        answer.extend(rest);
        link.mobike = self.known.first.speaks_mobike && self.known.config.upkeep.mobike;
        // RFC 4555 §3.2#1: said beside the SA payload, to who said it there.
        if link.mobike {
            answer.push(mobike::supported());
        }
        // RFC 7296 §2.3#1: until it is told, the peer keeps one request outstanding; the number has four octets.
        answer.push(window_size(cx));
        link.respond(cx, ExchangeType::IKE_AUTH, &answer)?;
        let established = Established::new(Beginning {
            authenticated,
            policy: Policy::Responder(self.known.config),
            derivation: self.known.first.handshake.derivation,
            child,
            limits,
            configuration,
        });
        Ok(established.enter(link, cx, session_lifetime))
    }

    /// RFC 7296 §1.2: the IKE SA comes up although its child cannot. Nothing but a new login would
    /// help its client, so it is deleted by us at once.
    fn childless(
        self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        refusal: Refusal,
    ) -> Result<Outcome, Refusal> {
        let said = child::refused(&refusal);
        let nothing_fits = refusal == PeerIncompatible::NoProposalChosen.into();
        let offer = self.known.first.child.offer.as_ref();
        let offered = offer.filter(|_| nothing_fits);
        let refused = Event::ChildRefused {
            why: refusal.clone(),
            offered: offered.map_or_else(Vec::new, |offer| offer.sa.proposals.clone()),
        };
        cx.event(link.id, refused);
        self.finish(
            link,
            cx,
            None,
            (Limits::NONE, None),
            Vec::new(),
            [said].to_vec(),
        )?;
        let delete = Payload::Delete(Delete::ike_sa());
        close_with(link, cx, delete, CloseReason::Refused(refusal))
    }
}

impl AwaitLease {
    pub(super) fn answer(
        self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        answer: Answer,
    ) -> Result<Outcome, Refusal> {
        let up = self.up;
        let lease: Lease = match answer {
            Answer::Lease(lease) => *lease,
            // Who asks for nothing is not kept from an IKE SA by what it does not want.
            Answer::Refused(_) if up.known.first.child.is_empty() => Lease::default(),
            // RFC 7296 §3.15.4: no address is INTERNAL_ADDRESS_FAILURE, and the IKE SA still comes up.
            Answer::Refused(_) => {
                // RFC 7296 §2.19#6: who asks for no configuration is told that it is required.
                let why = if up.known.first.child.asks_for_configuration {
                    PeerIncompatible::NoAddress
                } else {
                    PeerIncompatible::NoConfiguration
                };
                return up.childless(link, cx, why.into());
            }
            _ => return Err(WRONG_ANSWER),
        };
        let configuration = lease.reply.clone();
        let session_lifetime = lease.session_lifetime;
        let limits = Limits {
            local: lease.local.clone(),
            remote: lease.remote.clone(),
        };
        let first = &up.known.first;
        let Some(offer) = &first.child.offer else {
            // RFC 6023 §3#4-5: who leaves the child SA out is answered without one, and nobody else. It may ask for one later.
            let limits = (limits, session_lifetime);
            let rest = first.child.assigned(lease.reply);
            return up.finish(link, cx, None, limits, configuration, rest);
        };
        let plan = child::plan(
            link,
            &up.known.config,
            (&first.child, offer),
            lease,
            &first.handshake.derivation,
            &first.handshake.ni,
            &first.handshake.nr,
            &up.proof,
        );
        let plan = match plan {
            Ok(plan) => plan,
            Err(error) => return up.childless(link, cx, error.into()),
        };
        cx.trace(link.id, || Trace::ConfigSent(configuration.clone()));
        log_child(link, cx, &plan.sa);
        let child = Child::of(&plan.sa);
        let ask = cx.ask(link.id, Ask::Install(plan.sa));
        go(Responder::AwaitInstall(AwaitInstall {
            ask,
            up,
            child,
            limits,
            session_lifetime,
            configuration,
            child_payloads: plan.payloads,
        }))
    }
}

impl AwaitInstall {
    pub(super) fn answer(
        self,
        link: &mut Link,
        cx: &mut Cx<'_>,
        answer: Answer,
    ) -> Result<Outcome, Refusal> {
        match answer {
            Answer::Installed => self.up.finish(
                link,
                cx,
                Some(self.child),
                (self.limits, self.session_lifetime),
                self.configuration,
                self.child_payloads,
            ),
            Answer::Refused(why) => self.up.childless(link, cx, Refusal::Denied(why)),
            _ => Err(WRONG_ANSWER),
        }
    }
}
