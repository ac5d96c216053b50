//! The TUN device that inner packets leave and enter the kernel by.
//!
//! Made by ioctls of its own, for which no safe wrapper exists; reading and writing are rustix's.
#![allow(
    unsafe_code,
    reason = "TUNSETIFF, TUNSETOFFLOAD and the MTU are ioctls with C structs"
)]

use std::ffi::c_char;
use std::io;
use std::io::IoSlice;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::offload::VnetHeader;
use crate::{Error, Object, Operation};

const CREATE: Operation = Operation("create TUN device");
const SET_MTU: Operation = Operation("set the TUN device's MTU");

/// The longest name of a device, without its terminator.
const NAME_OCTETS: usize = libc::IFNAMSIZ - 1;

/// A TUN device; it goes away with this value.
///
/// It lies in the network namespace of the thread that made it, is down, and has neither address nor route.
pub struct Tun {
    descriptor: OwnedFd,
    name: String,
    mtu: u16,
}

impl Tun {
    /// Makes a device. A `%d` in `name` stands for the first free number, as in `ironflex%d`; `mtu` is the
    /// largest inner packet in octets, at least 1280 where IPv6 is to pass (RFC 8200 §5).
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the kernel has no TUN devices, [`Error::Denied`] without CAP_NET_ADMIN,
    /// [`Error::Exists`] for a name in use, [`Error::Misuse`] for one that is none, else [`Error::Io`].
    pub fn create(name: &str, mtu: u16) -> Result<Self, Error> {
        if name.is_empty() || name.len() > NAME_OCTETS || name.bytes().any(|octet| octet == 0) {
            return Err(Error::Misuse("a device name has 1 to 15 octets"));
        }
        let descriptor = rustix::fs::open(
            "/dev/net/tun",
            OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK,
            Mode::empty(),
        )
        .map_err(|error| match error {
            rustix::io::Errno::NOENT | rustix::io::Errno::NODEV | rustix::io::Errno::NXIO => {
                Error::Unsupported("TUN devices (/dev/net/tun)".to_owned())
            }
            other => Error::io(CREATE, &other.into()),
        })?;

        let mut request = Request::new(name);
        // A name that is in use is an error rather than a second queue of that device.
        let flags = libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR | libc::IFF_TUN_EXCL;
        request.0.ifr_ifru.ifru_flags = flags as libc::c_short;
        request
            .ioctl(descriptor.as_fd(), libc::TUNSETIFF)
            .map_err(|error| match error.raw_os_error() {
                Some(libc::EBUSY | libc::EEXIST) => Error::Exists(Object::Device),
                _ => Error::io(CREATE, &error),
            })?;
        let tun = Self {
            name: request.name(),
            descriptor,
            mtu,
        };
        tun.offer_offloads();
        tun.set_mtu()?;
        Ok(tun)
    }

    /// The device's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The largest inner packet in octets.
    #[must_use]
    pub const fn mtu(&self) -> u16 {
        self.mtu
    }

    /// Lets the kernel hand over unfinished checksums and whole TCP segments. Where it does not know how,
    /// packets come singly, at their cost.
    fn offer_offloads(&self) {
        let offloads = libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6;
        // SAFETY: the descriptor is open; TUNSETOFFLOAD takes its argument by value.
        let _ = unsafe {
            libc::ioctl(
                self.descriptor.as_raw_fd(),
                libc::TUNSETOFFLOAD,
                libc::c_ulong::from(offloads),
            )
        };
    }

    fn set_mtu(&self) -> Result<(), Error> {
        let failed = |error: io::Error| Error::io(SET_MTU, &error);
        let socket = rustix::net::socket_with(
            AddressFamily::INET,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(|error| failed(error.into()))?;
        let mut request = Request::new(&self.name);
        request.0.ifr_ifru.ifru_mtu = libc::c_int::from(self.mtu);
        request
            .ioctl(socket.as_fd(), libc::SIOCSIFMTU)
            .map_err(failed)
    }

    /// Reads one packet with its offload header into `buffer`; does not wait.
    pub(super) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(&self.descriptor, buffer)?)
    }

    /// Writes one packet in pieces, its offload header first.
    pub(super) fn write(&self, pieces: &[IoSlice<'_>]) -> io::Result<()> {
        rustix::io::writev(&self.descriptor, pieces)?;
        Ok(())
    }

    /// Room for whatever one read can bring.
    pub(super) const READ_OCTETS: usize = VnetHeader::OCTETS + 65_536;
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// `struct ifreq`.
struct Request(libc::ifreq);

impl Request {
    fn new(name: &str) -> Self {
        // SAFETY: ifreq is a C struct of integers, octets and a union of such, for which all zeros is a value.
        let mut request: libc::ifreq = unsafe { mem::zeroed() };
        for (place, octet) in request
            .ifr_name
            .iter_mut()
            .take(NAME_OCTETS)
            .zip(name.bytes())
        {
            *place = octet as c_char;
        }
        Self(request)
    }

    /// The name that the kernel filled in.
    fn name(&self) -> String {
        let octets: Vec<u8> = self
            .0
            .ifr_name
            .iter()
            .map(|octet| *octet as u8)
            .take_while(|octet| *octet != 0)
            .collect();
        String::from_utf8_lossy(&octets).into_owned()
    }

    fn ioctl(&mut self, descriptor: BorrowedFd<'_>, request: libc::Ioctl) -> io::Result<()> {
        // SAFETY: the descriptor is open while it is borrowed; the requests used here read and write one ifreq.
        let status = unsafe { libc::ioctl(descriptor.as_raw_fd(), request, &raw mut self.0) };
        if status < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_no_name() {
        for name in ["", "a-name-too-long!", "nul\0"] {
            assert_eq!(
                Tun::create(name, 1400).err(),
                Some(Error::Misuse("a device name has 1 to 15 octets"))
            );
        }
    }
}
