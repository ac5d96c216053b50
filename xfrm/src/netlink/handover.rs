//! A peer that moves: its SAs and policies follow it to another address or port.
//!
//! The kernel changes an SA's ports in place. An address is part of what it finds an SA by, so there the SA is taken away
//! and added again under the same keys; the new one must go on exactly where the old one stopped, for a sequence
//! number (and with it AES-GCM's nonce) may never be used twice, and no packet be accepted twice.

use netlink_packet_xfrm::constants::{XFRM_MSG_DELSA, XFRMNLGRP_SA};

use super::backend::{KernelDataplane, translate};
use super::error::absent_is_fine;
use super::policy;
use super::state::{self, Progress, State, StateKey};
use crate::{Counters, Direction, DropCounts, Error, Operation, OuterPath, SaSpec, SessionId};

/// Sequence numbers left out when an SA is carried over and the kernel's last word on it was lost: more than one SA
/// can use between two requests, and a four-thousandth of what it has.
const LOST_WORD_SKIP: u32 = 1 << 20;

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

    /// [`crate::Dataplane::move_peer`] to another address or encapsulation: SAs are taken away and added again, then the
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
        let session = self.session(id)?;
        let (old_path, if_id) = (session.path, session.if_id);
        let specs: Vec<(Direction, SaSpec)> = session
            .installed()
            .map(|(direction, sa)| (direction, sa.spec.clone()))
            .collect();
        let keys = self.held_policies(id)?;
        let output_mark = self.options.output_mark;
        let reqid = self.owner.reqid(id);
        let state = |path, (direction, spec)| State {
            reqid,
            direction,
            path,
            spec,
            if_id,
            output_mark,
        };

        let mut drops = Counters::default();
        let mut result = Ok(());
        let (mut moved, mut led) = (0_usize, 0_usize);
        for (direction, spec) in &specs {
            let (from, to) = (
                state(&old_path, (*direction, spec)),
                state(path, (*direction, spec)),
            );
            match self.relocate(&from, &to) {
                Ok(dropped) => {
                    match direction {
                        Direction::Inbound => drops.inbound.drops.merge(&dropped),
                        Direction::Outbound => drops.outbound.drops.merge(&dropped),
                    }
                    moved = moved.saturating_add(1);
                }
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        if result.is_ok() {
            for key in &keys {
                match self.socket.execute(policy::replace(key, reqid, path)) {
                    Ok(()) => led = led.saturating_add(1),
                    Err(error) => {
                        result = Err(translate(Operation("replace policy"), error));
                        break;
                    }
                }
            }
        }
        if result.is_err() {
            for key in keys.iter().take(led).rev() {
                let _ = self.socket.execute(policy::replace(key, reqid, &old_path));
            }
            for (direction, spec) in specs.iter().take(moved).rev() {
                let (from, to) = (
                    state(path, (*direction, spec)),
                    state(&old_path, (*direction, spec)),
                );
                let _ = self.relocate(&from, &to);
            }
        }
        // The kernel starts the discards of a new SA at zero, whichever way this ended.
        let past = &mut self.session_mut(id)?.past;
        past.inbound.drops.merge(&drops.inbound.drops);
        past.outbound.drops.merge(&drops.outbound.drops);
        result
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
