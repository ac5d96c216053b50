//! A peer that moves: its SAs and policies follow it to another address or port.
//!
//! The kernel changes an SA's ports in place. An address is part of what it finds an SA by, so there the SA is taken away
//! and added again under the same keys; the new one must go on exactly where the old one stopped, for a sequence
//! number (and with it AES-GCM's nonce) may never be used twice, and no packet be accepted twice.

use netlink_packet_xfrm::constants::{XFRM_MSG_DELSA, XFRMNLGRP_SA};

use super::backend::{KernelDataplane, translate};
use super::error::absent_is_fine;
use super::policy::{self, PolicyDirection, PolicyKey};
use super::state::{self, Progress, State, StateKey};
use crate::{Counters, Direction, DropCounts, Error, Operation, OuterPath, SaSpec, SessionId};

/// Sequence numbers left out when an SA is carried over and the kernel's last word on it was lost: more than one SA
/// can use between two requests, and a four-thousandth of what it has.
const LOST_WORD_SKIP: u32 = 1 << 20;

/// One thing in the kernel that moves.
enum Part {
    State(Direction, SaSpec),
    Policy(PolicyKey),
}

impl KernelDataplane {
    /// [`crate::Dataplane::move_peer`] where only ports differ: the kernel changes them in place.
    pub(super) fn move_ports(&mut self, id: SessionId, path: &OuterPath) -> Result<(), Error> {
        let session = self.sessions.get(&id).ok_or(Error::NoSuchSession(id))?;
        let states = |path| {
            let state = |direction, spec| State {
                reqid: self.owner.reqid(id),
                direction,
                path,
                spec,
                if_id: session.if_id,
                output_mark: self.options.output_mark,
            };
            session
                .installed()
                .map(|(direction, sa)| state(direction, &sa.spec))
                .collect::<Vec<_>>()
        };
        let old_path = session.path;
        let (old, new) = (states(&old_path), states(path));
        for (position, state) in new.iter().enumerate() {
            match absent_is_fine(self.socket.execute(state.update())) {
                Ok(_) => {}
                Err(error) => {
                    for state in old.iter().take(position).rev() {
                        let _ = self.socket.execute(state.update());
                    }
                    return Err(translate(Operation("update SA ports"), error));
                }
            }
        }
        Ok(())
    }

    /// [`crate::Dataplane::move_peer`] to another address or encapsulation: SAs are taken away and added again, and the
    /// templates of the policies follow.
    pub(super) fn move_addresses(&mut self, id: SessionId, path: &OuterPath) -> Result<(), Error> {
        self.witness
            .join("join XFRM group SA", XFRMNLGRP_SA)
            .map_err(|error| translate(Operation("join XFRM group SA"), error))?;
        let moved = self.move_all(id, path);
        self.witness.leave(XFRMNLGRP_SA);
        moved
    }

    fn move_all(&mut self, id: SessionId, path: &OuterPath) -> Result<(), Error> {
        let old_path = self.session(id)?.path;
        let parts = self.parts(id)?;
        let mut drops = Counters::default();
        let mut done = Vec::with_capacity(parts.len());
        let mut result = Ok(());
        for part in &parts {
            result = self.move_part(id, part, (&old_path, path), &mut drops);
            if result.is_err() {
                break;
            }
            done.push(part);
        }
        if result.is_err() {
            let mut uncounted = Counters::default();
            for part in done.into_iter().rev() {
                let _ = self.move_part(id, part, (path, &old_path), &mut uncounted);
            }
        }
        // The kernel starts the discards of a new SA at zero, whichever way this ended.
        let past = &mut self.session_mut(id)?.past;
        past.inbound.drops.merge(&drops.inbound.drops);
        past.outbound.drops.merge(&drops.outbound.drops);
        result
    }

    /// What a session has in the kernel, in the order in which it moves. From when an SA is taken away until the policies lead to
    /// its successor, packets have no SA and are lost; so all of one direction comes before anything of the other, and the
    /// SA in use right before its policies. (The other order, the new SA first, is out: while both stand, a number that
    /// the new one begins with may go out on the old one.)
    fn parts(&self, id: SessionId) -> Result<Vec<Part>, Error> {
        let session = self.session(id)?;
        let keys = self.held_policies(id)?;
        let mut parts = Vec::new();
        for wanted in [Direction::Inbound, Direction::Outbound] {
            let states = session
                .installed()
                .filter(|(direction, _)| *direction == wanted);
            parts.extend(states.map(|(direction, sa)| Part::State(direction, sa.spec.clone())));
            let outbound = wanted == Direction::Outbound;
            let policies = keys
                .iter()
                .filter(|key| (key.direction == PolicyDirection::Out) == outbound);
            parts.extend(policies.copied().map(Part::Policy));
        }
        Ok(parts)
    }

    /// Moves one part, and adds what an SA has dropped so far.
    fn move_part(
        &mut self,
        id: SessionId,
        part: &Part,
        (from, to): (&OuterPath, &OuterPath),
        drops: &mut Counters,
    ) -> Result<(), Error> {
        let reqid = self.owner.reqid(id);
        match part {
            Part::State(direction, spec) => {
                let if_id = self.session(id)?.if_id;
                let output_mark = self.options.output_mark;
                let state = |path| State {
                    reqid,
                    direction: *direction,
                    path,
                    spec,
                    if_id,
                    output_mark,
                };
                let dropped = self.relocate(&state(from), &state(to))?;
                match direction {
                    Direction::Inbound => drops.inbound.drops.merge(&dropped),
                    Direction::Outbound => drops.outbound.drops.merge(&dropped),
                }
                Ok(())
            }
            Part::Policy(key) => self
                .socket
                .execute(policy::replace(key, reqid, to))
                .map_err(|error| translate(Operation("replace policy"), error)),
        }
    }

    /// Moves one SA to other addresses: deletes it and adds it again where it stopped. At an error it is back where it
    /// was, if the kernel lets us. Says what it dropped so far, which the kernel forgets.
    fn relocate(&mut self, from: &State<'_>, to: &State<'_>) -> Result<DropCounts, Error> {
        let Some(progress) = self.take(from.key())? else {
            // It has expired meanwhile. Its event is on the way; there is nothing to move.
            return Ok(DropCounts::default());
        };
        if let Err(error) = self.socket.execute(to.add(Some(&progress))) {
            let _ = self.socket.execute(from.add(Some(&progress)));
            return Err(translate(Operation("add SA at the new address"), error));
        }
        Ok(progress.drops)
    }

    /// Deletes an SA and learns how far it had come at its very end: packets keep flowing until the kernel has taken it
    /// away, and neither a sequence number may be used twice nor a received one be forgotten. The kernel's notice of
    /// the deletion says it exactly.
    fn take(&mut self, key: StateKey) -> Result<Option<Progress>, Error> {
        let operation = Operation("take SA away");
        let failed = |error| translate(operation, error);
        let Some(before) = state::read(&mut self.socket, key).map_err(failed)? else {
            return Ok(None);
        };
        // Should the notice be lost. Found out first: once the SA is gone it is too late to refuse.
        let guess = before.skip(LOST_WORD_SKIP).ok_or(Error::Misuse(
            "the SA has too few sequence numbers left to be moved: rekey it",
        ))?;
        if !absent_is_fine(self.socket.execute(state::delete(key))).map_err(failed)? {
            return Ok(None);
        }
        let mut last = None;
        let owner = self.owner;
        // The kernel queues the notice before it acknowledges the deletion: it is there now or never.
        while let Ok(true) = self.witness.poll(operation.0, |message_type, body| {
            if message_type == XFRM_MSG_DELSA
                && let Some((of, progress)) = state::parse_deletion(owner, body)
                && of == key
            {
                last = Some(progress);
            }
        }) {}
        Ok(Some(last.unwrap_or(guess)))
    }
}
