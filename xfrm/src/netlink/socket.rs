//! A synchronous netlink socket: one request, its answers, its acknowledgement.
//!
//! Synchronous on purpose: the order of kernel operations is the whole point of installing an SA pair, every
//! request takes some ten microseconds, and no answer with keys in it may wander through a task's queue. Keys come
//! back in XFRM's answers, so the receive buffer is wiped after each of them.

use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use netlink_packet_core::{NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR};
use netlink_sys::protocols::{NETLINK_NETFILTER, NETLINK_ROUTE, NETLINK_XFRM};
use netlink_sys::{Socket, SocketAddr};
use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use nix::sys::time::TimeVal;
use zeroize::{Zeroize, Zeroizing};

use super::error::{KernelErrno, NetlinkError};
use super::message::{AttributesOf, HEADER_OCTETS, Replies, Reply, Request, name_of};

/// How long an answer may take. The kernel answers at once unless it has to load a module for an algorithm first.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Octets of the receive buffer: the kernel fills dump datagrams up to 32 KiB.
const RECEIVE_OCTETS: usize = 64 * 1024;

/// MSG_DONTWAIT of recv(2).
const MSG_DONTWAIT: i32 = nix::sys::socket::MsgFlags::MSG_DONTWAIT.bits();

/// How often a listing starts again when the table changed meanwhile.
const DUMP_ATTEMPTS: usize = 8;

/// Which kernel subsystem a socket talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subsystem {
    /// Links, addresses, routes.
    Route,
    /// States and policies.
    Xfrm,
    /// nf_tables.
    Netfilter,
}

impl Subsystem {
    const fn protocol(self) -> isize {
        match self {
            Self::Route => NETLINK_ROUTE,
            Self::Xfrm => NETLINK_XFRM,
            Self::Netfilter => NETLINK_NETFILTER,
        }
    }

    const fn opening(self) -> &'static str {
        match self {
            Self::Route => "open a NETLINK_ROUTE socket",
            Self::Xfrm => "open a NETLINK_XFRM socket",
            Self::Netfilter => "open a NETLINK_NETFILTER socket",
        }
    }
}

/// A socket to one subsystem of the network namespace that the opening thread was in.
pub(crate) struct NetlinkSocket {
    socket: Socket,
    sequence: u32,
    buffer: Zeroizing<Vec<u8>>,
    /// Octets that room was made for, for sending and for receiving.
    room: (usize, usize),
}

impl NetlinkSocket {
    /// Opens a socket in the calling thread's network namespace; it stays there wherever the thread goes.
    pub(crate) fn open(subsystem: Subsystem) -> Result<Self, NetlinkError> {
        Self::open_raw(subsystem).map_err(|error| NetlinkError::system(subsystem.opening(), &error))
    }

    fn open_raw(subsystem: Subsystem) -> std::io::Result<Self> {
        let mut socket = Socket::new(subsystem.protocol())?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        // Kernels before 4.12 have neither; errors then come without their text and with the request echoed.
        let _ = socket.set_ext_ack(true);
        // An error must not echo the request: it may hold keys.
        let _ = socket.set_cap_ack(true);
        if subsystem == Subsystem::Route {
            // Strict checking refuses what an older kernel would ignore in silence (4.20).
            let _ = socket.set_netlink_get_strict_chk(true);
        }
        let limit = TimeVal::new(i64::try_from(ANSWER_LIMIT.as_secs()).unwrap_or(i64::MAX), 0);
        setsockopt(&socket, sockopt::ReceiveTimeout, &limit)?;
        Ok(Self {
            socket,
            sequence: 0,
            buffer: Zeroizing::new(Vec::with_capacity(RECEIVE_OCTETS)),
            room: (0, 0),
        })
    }

    /// Sends a request and waits for its acknowledgement.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Refused`] with the kernel's errno and text; the others as the socket fails.
    pub(crate) fn execute(&mut self, request: Request) -> Result<(), NetlinkError> {
        self.query(request, |_, _| Ok(()))
    }

    /// Sends a request, hands each message of the answer (type, body) to `take`, and waits for the
    /// acknowledgement.
    ///
    /// # Errors
    ///
    /// As [`NetlinkSocket::execute`], and what `take` returns.
    pub(crate) fn query(
        &mut self,
        request: Request,
        take: impl FnMut(u16, &[u8]) -> Result<(), NetlinkError>,
    ) -> Result<(), NetlinkError> {
        self.converse(request, take).map(|_| ())
    }

    /// Lists a table. `build` makes the request (again, when the table changed under the listing); `take` turns a
    /// message (type, body) into an entry, or into nothing.
    ///
    /// # Errors
    ///
    /// As [`NetlinkSocket::query`]; [`NetlinkError::Inconsistent`] when the table never held still.
    pub(crate) fn dump<T>(
        &mut self,
        build: impl Fn() -> Request,
        mut take: impl FnMut(u16, &[u8]) -> Result<Option<T>, NetlinkError>,
    ) -> Result<Vec<T>, NetlinkError> {
        for _ in 0..DUMP_ATTEMPTS {
            let mut entries = Vec::new();
            let interrupted = self.converse(build(), |kind, body| {
                entries.extend(take(kind, body)?);
                Ok(())
            })?;
            if !interrupted {
                return Ok(entries);
            }
        }
        Err(NetlinkError::Inconsistent {
            operation: build().operation().into(),
        })
    }

    /// Lets the socket take so many octets in one piece and so many acknowledgements: the kernel queues all of them before the
    /// first is read, and what does not fit is lost with the transaction done. Whoever may not have more keeps what there is.
    fn make_room(&mut self, octets: usize, acknowledgements: usize) {
        /// What one costs a socket's buffer, with the kernel's own share.
        const ACKNOWLEDGEMENT: usize = 2_048;
        let sending = octets.saturating_mul(2);
        let receiving = acknowledgements.saturating_mul(ACKNOWLEDGEMENT);
        let (sends, receives) = &mut self.room;
        // What a socket has at first is a sysctl (net.core.{w,r}mem_default).
        if sending > *sends {
            *sends = sending;
            if getsockopt(&self.socket, sockopt::SndBuf).is_ok_and(|has| has < sending) {
                let _ = setsockopt(&self.socket, sockopt::SndBufForce, &sending);
            }
        }
        if receiving > *receives {
            *receives = receiving;
            if getsockopt(&self.socket, sockopt::RcvBuf).is_ok_and(|has| has < receiving) {
                let _ = setsockopt(&self.socket, sockopt::RcvBufForce, &receiving);
            }
        }
    }

    /// Sends a transaction of nf_tables: `messages`, each of which asks for an acknowledgement, between `begin` and
    /// `end`, which do not. All of it takes effect, or nothing.
    ///
    /// # Errors
    ///
    /// The first refusal that the kernel reports, named after its message, and others as the socket fails to send: nothing
    /// has taken effect then. [`NetlinkError::Unanswered`] where the answer was lost: it was sent, so the kernel has decided.
    pub(crate) fn transaction(
        &mut self,
        mut begin: Request,
        mut messages: Vec<Request>,
        mut end: Request,
    ) -> Result<(), NetlinkError> {
        let whole = begin.operation().to_owned();
        let begun = self.next_sequence();
        begin.finish(begun);
        let mut datagram = begin.wire().to_vec();
        let mut open = Vec::with_capacity(messages.len());
        for message in &mut messages {
            let sequence = self.next_sequence();
            message.finish(sequence);
            datagram.extend_from_slice(message.wire());
            open.push(sequence);
        }
        let ended = self.next_sequence();
        end.finish(ended);
        datagram.extend_from_slice(end.wire());
        self.make_room(datagram.len(), messages.len());
        self.send(&whole, &datagram)?;

        let (mut refused, mut lost) = (None, None);
        while !open.is_empty() {
            // Behind what was lost only that is read which is there already: the kernel has answered while it was sent.
            let flags = lost.as_ref().map_or(0, |_| MSG_DONTWAIT);
            let received = self.receive(&whole, flags, |answer| {
                // An answer to an earlier request whose own was not waited for.
                let after = answer.sequence.wrapping_sub(begun);
                if after > ended.wrapping_sub(begun) {
                    return Ok(());
                }
                let error = match answer.content {
                    Content::Acknowledged => None,
                    Content::Refused { errno, reason } => Some((errno, reason)),
                    Content::Message { .. } | Content::Done => return Ok(()),
                };
                let position = open
                    .iter()
                    .position(|sequence| *sequence == answer.sequence);
                if let Some(position) = position {
                    open.remove(position);
                }
                if let Some((errno, reason)) = error {
                    let subject = usize::try_from(after)
                        .ok()
                        .and_then(|after| after.checked_sub(1))
                        .and_then(|at| messages.get(at));
                    let operation = match subject {
                        Some(message) => format!("{whole}: {}", message.operation()),
                        None => whole.clone(),
                    };
                    refused.get_or_insert(NetlinkError::Refused {
                        operation,
                        errno,
                        reason,
                    });
                    if answer.sequence == begun {
                        // Refused as a whole (no permission, no nf_tables): no message is answered by itself.
                        open.clear();
                    }
                }
                Ok(())
            });
            let failed = match received {
                Ok(true) => continue,
                Ok(false) => NetlinkError::TimedOut {
                    operation: whole.clone(),
                    seconds: ANSWER_LIMIT.as_secs(),
                },
                Err(error) => error,
            };
            // The reason is the first one; that nothing more comes after it is none.
            if lost.is_some() {
                break;
            }
            lost = Some(failed);
        }
        match (refused, lost) {
            // One refusal undoes all of it.
            (Some(refused), _) => Err(refused),
            (None, Some(why)) if !open.is_empty() => Err(NetlinkError::Unanswered {
                operation: whole,
                why: Box::new(why),
            }),
            (None, _) => Ok(()),
        }
    }

    /// One request and everything that answers it. Says whether a listing was disturbed by a change.
    fn converse(
        &mut self,
        mut request: Request,
        mut take: impl FnMut(u16, &[u8]) -> Result<(), NetlinkError>,
    ) -> Result<bool, NetlinkError> {
        let sequence = self.next_sequence();
        request.finish(sequence);
        let operation = request.operation();
        self.send(operation, request.wire())?;
        let (mut interrupted, mut finished) = (false, false);
        while !finished {
            self.receive_due(operation, |answer| {
                // An answer to an earlier request that had run out of time.
                if answer.sequence != sequence {
                    return Ok(());
                }
                interrupted |= answer.flags & NLM_F_DUMP_INTR != 0;
                match answer.content {
                    Content::Message { message_type, body } => take(message_type, body),
                    Content::Acknowledged | Content::Done => {
                        finished = true;
                        Ok(())
                    }
                    Content::Refused { errno, reason } => Err(NetlinkError::Refused {
                        operation: operation.into(),
                        errno,
                        reason,
                    }),
                }
            })?;
        }
        Ok(interrupted)
    }

    /// Joins a multicast group of the subsystem.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::System`]; without CAP_NET_ADMIN the XFRM groups are refused with EPERM.
    pub(crate) fn join(&self, operation: &str, group: u32) -> Result<(), NetlinkError> {
        self.socket
            .add_membership(group)
            .map_err(|error| NetlinkError::system(operation, &error))
    }

    /// Leaves a multicast group. Fails only where joining it did.
    pub(crate) fn leave(&mut self, group: u32) {
        let _ = self.socket.drop_membership(group);
        // What came in between is nobody's business any more, and may hold keys.
        while matches!(self.poll("leave a multicast group", |_, _| ()), Ok(true)) {}
    }

    /// Hands over the messages (type, body) of one datagram that is waiting, if there is one. Never waits. Says
    /// whether there was one.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::System`] with ENOBUFS when the kernel had to drop messages; others as the socket fails.
    pub(crate) fn poll(
        &mut self,
        operation: &str,
        mut take: impl FnMut(u16, &[u8]),
    ) -> Result<bool, NetlinkError> {
        self.receive(operation, MSG_DONTWAIT, |answer| {
            if let Content::Message { message_type, body } = answer.content {
                take(message_type, body);
            }
            Ok(())
        })
    }

    fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    fn send(&self, operation: &str, octets: &[u8]) -> Result<(), NetlinkError> {
        loop {
            match self.socket.send(octets, 0) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(NetlinkError::system(operation, &error)),
            }
        }
    }

    /// Receives one datagram that has to come.
    fn receive_due(
        &mut self,
        operation: &str,
        handle: impl FnMut(Answer<'_>) -> Result<(), NetlinkError>,
    ) -> Result<(), NetlinkError> {
        if self.receive(operation, 0, handle)? {
            return Ok(());
        }
        Err(NetlinkError::TimedOut {
            operation: operation.into(),
            seconds: ANSWER_LIMIT.as_secs(),
        })
    }

    /// Receives one datagram, hands over its messages, wipes it. False when none came.
    fn receive(
        &mut self,
        operation: &str,
        flags: i32,
        mut handle: impl FnMut(Answer<'_>) -> Result<(), NetlinkError>,
    ) -> Result<bool, NetlinkError> {
        loop {
            self.buffer.clear();
            match self.socket.recv(&mut *self.buffer, flags) {
                Ok(_) => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(NetlinkError::system(operation, &error)),
            }
        }
        let mut result = Ok(());
        for reply in Replies(&self.buffer) {
            result = Answer::read(operation, reply).and_then(&mut handle);
            if result.is_err() {
                break;
            }
        }
        self.buffer.as_mut_slice().zeroize();
        result.map(|()| true)
    }
}

impl AsFd for NetlinkSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// One message that came back.
pub(super) struct Answer<'a> {
    sequence: u32,
    flags: u16,
    content: Content<'a>,
}

enum Content<'a> {
    Message {
        message_type: u16,
        body: &'a [u8],
    },
    Acknowledged,
    Refused {
        errno: KernelErrno,
        reason: Option<String>,
    },
    Done,
}

impl<'a> Answer<'a> {
    pub(super) fn read(operation: &str, reply: Reply<'a>) -> Result<Self, NetlinkError> {
        let content = match reply.message_type {
            NLMSG_ERROR => match read_error(&reply) {
                Some((0, _)) => Content::Acknowledged,
                Some((code, reason)) => Content::Refused {
                    errno: KernelErrno(code.wrapping_neg()),
                    reason,
                },
                None => return Err(NetlinkError::malformed(operation, "truncated NLMSG_ERROR")),
            },
            // A listing that fails half-way says so here; the number is absent on some old kernels.
            NLMSG_DONE => match reply
                .body
                .first_chunk::<4>()
                .map(|code| i32::from_ne_bytes(*code))
            {
                Some(code) if code < 0 => Content::Refused {
                    errno: KernelErrno(code.wrapping_neg()),
                    reason: reply
                        .body
                        .get(4..)
                        .and_then(|rest| read_reason(reply.flags, rest)),
                },
                _ => Content::Done,
            },
            message_type => Content::Message {
                message_type,
                body: reply.body,
            },
        };
        Ok(Self {
            sequence: reply.sequence,
            flags: reply.flags,
            content,
        })
    }
}

/// Reads `struct nlmsgerr`: the code (0 or a negative errno) and the text of the extended acknowledgement.
fn read_error(reply: &Reply<'_>) -> Option<(i32, Option<String>)> {
    let code = i32::from_ne_bytes(*reply.body.first_chunk::<4>()?);
    let echoed = reply.body.get(4..)?;
    let length = u32::from_ne_bytes(*echoed.first_chunk::<4>()?);
    // Without NETLINK_CAP_ACK a refusal repeats the whole request, otherwise its header alone.
    let skip = if code == 0 || reply.flags & NLM_F_CAPPED != 0 {
        HEADER_OCTETS
    } else {
        usize::try_from(length).ok()?.next_multiple_of(4)
    };
    let reason = echoed
        .get(skip..)
        .and_then(|attributes| read_reason(reply.flags, attributes));
    Some((code, reason))
}

fn read_reason(flags: u16, attributes: &[u8]) -> Option<String> {
    /// NLMSGERR_ATTR_MSG of linux/netlink.h.
    const MESSAGE: u16 = 1;
    if flags & NLM_F_ACK_TLVS == 0 {
        return None;
    }
    AttributesOf(attributes)
        .find(|(kind, _)| *kind == MESSAGE)
        .map(|(_, text)| name_of(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: i32, flags: u16, rest: &[u8]) -> Vec<u8> {
        let mut body = code.to_ne_bytes().to_vec();
        body.extend_from_slice(&20_u32.to_ne_bytes());
        body.extend_from_slice(&[0xa5; 12]);
        body.extend_from_slice(rest);
        let mut message = u32::try_from(body.len() + HEADER_OCTETS)
            .unwrap()
            .to_ne_bytes()
            .to_vec();
        message.extend_from_slice(&NLMSG_ERROR.to_ne_bytes());
        message.extend_from_slice(&flags.to_ne_bytes());
        message.extend_from_slice(&[7, 0, 0, 0, 0, 0, 0, 0]);
        message.extend_from_slice(&body);
        message
    }

    #[test]
    fn refusal_carries_the_text_behind_an_echoed_and_behind_a_capped_request() {
        let text = [12, 0, 1, 0, b'n', b'o', b' ', b'E', b'S', b'P', 0, 0];
        let capped = error(-93, NLM_F_CAPPED | NLM_F_ACK_TLVS, &text);
        let reply = Replies(&capped).next().unwrap();
        assert_eq!(read_error(&reply), Some((-93, Some("no ESP".into()))));

        let mut echoed = vec![0xa5; 4];
        echoed.extend_from_slice(&text);
        let whole = error(-93, NLM_F_ACK_TLVS, &echoed);
        let reply = Replies(&whole).next().unwrap();
        assert_eq!(read_error(&reply), Some((-93, Some("no ESP".into()))));

        let silent = error(-1, NLM_F_CAPPED, &[]);
        let reply = Replies(&silent).next().unwrap();
        assert_eq!(read_error(&reply), Some((-1, None)));
    }

    #[test]
    fn truncated_error_is_malformed() {
        let reply = Reply {
            message_type: NLMSG_ERROR,
            flags: 0,
            sequence: 1,
            body: &[0, 0],
        };
        let result = Answer::read("test", reply).map(|_| ());
        assert_eq!(
            result,
            Err(NetlinkError::malformed("test", "truncated NLMSG_ERROR"))
        );
    }

    #[test]
    fn a_bad_request_is_refused_with_its_name() {
        let mut socket = NetlinkSocket::open(Subsystem::Route).unwrap();
        // Far beyond the last message type of rtnetlink, so that it can do nothing wherever this runs.
        let error = socket
            .execute(Request::new("ask nonsense", 0x0fff, 0))
            .unwrap_err();
        assert!(
            matches!(&error, NetlinkError::Refused { operation, .. } if operation == "ask nonsense"),
            "{error}"
        );
    }
}
