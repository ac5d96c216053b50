//! Descriptors that the runtime tells about when they can be read.
//!
//! Unsafe is one call: tokio asks its caller to promise that a descriptor stays open, and the same, while it
//! is watched. Only types that own theirs for life get here.
#![allow(unsafe_code, reason = "AsyncFd::register")]

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
};

use tokio::io::unix::AsyncFd;

use crate::udp::UdpEndpoint;

mod sealed {
    /// Owns one descriptor from its making to its drop and always names that one.
    pub trait Steady {}
}

impl sealed::Steady for OwnedFd {}
impl sealed::Steady for UdpEndpoint {}

/// Watches a descriptor. Must be called inside a tokio runtime.
///
/// # Errors
///
/// Of epoll.
pub fn watch<T: AsRawFd + sealed::Steady>(inner: T) -> io::Result<AsyncFd<T>> {
    // SAFETY: a Steady type keeps its one descriptor open until it is dropped, and AsyncFd owns it until then.
    unsafe { AsyncFd::register(inner) }.map_err(Into::into)
}
