//! Network namespaces for the demonstration and the tests, and the user namespace that lets anyone have them.
//!
//! A namespace belongs to a thread, so work in another one is done on a thread of its own ([`NetworkNamespace::run`]):
//! no thread of the caller ever changes its place unless it asks for that by name.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::thread;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{getgid, getuid};

use super::error::NetlinkError;

/// The namespace of the calling thread as a file.
const THREAD_NAMESPACE: &str = "/proc/thread-self/ns/net";

/// A network namespace, which lives as long as this handle, a process or a socket in it does.
pub struct NetworkNamespace {
    file: OwnedFd,
}

impl NetworkNamespace {
    /// Makes a new one with nothing but a lo that is down.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::System`], with EPERM without CAP_SYS_ADMIN (see [`enter_user_namespace`]).
    pub fn create() -> Result<Self, NetlinkError> {
        let operation = "create a network namespace";
        on_thread(operation, || {
            unshare(CloneFlags::CLONE_NEWNET)
                .map_err(|errno| NetlinkError::system(operation, errno))?;
            Self::current()
        })?
    }

    /// The one that the calling thread is in.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::System`].
    pub fn current() -> Result<Self, NetlinkError> {
        Self::at(Path::new(THREAD_NAMESPACE))
    }

    /// The one that a file names, for instance `/run/netns/blue`.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::System`].
    pub fn at(path: &Path) -> Result<Self, NetlinkError> {
        let file = File::open(path).map_err(|error| {
            NetlinkError::system(format!("open network namespace {}", path.display()), &error)
        })?;
        Ok(Self { file: file.into() })
    }

    /// Runs `work` on a thread in this namespace and waits for it. Sockets opened there stay there.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::System`] when the thread cannot be made or may not enter.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, NetlinkError> {
        let operation = "enter a network namespace";
        on_thread(operation, || {
            self.enter()?;
            Ok(work())
        })?
    }

    /// Brings the calling thread into this namespace for good.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::System`].
    pub fn enter(&self) -> Result<(), NetlinkError> {
        setns(&self.file, CloneFlags::CLONE_NEWNET)
            .map_err(|errno| NetlinkError::system("enter a network namespace", errno))
    }
}

impl AsFd for NetworkNamespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Runs `work` on a thread of its own; a panic of it goes on here.
fn on_thread<T: Send>(operation: &str, work: impl FnOnce() -> T + Send) -> Result<T, NetlinkError> {
    thread::scope(|scope| {
        let started = thread::Builder::new()
            .name("namespace".into())
            .spawn_scoped(scope, work);
        let handle = started.map_err(|error| NetlinkError::system(operation, &error))?;
        Ok(handle
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// Puts the whole process into new user, network and mount namespaces, in which it is root: without any privilege on
/// machines that allow that. Mounts made afterwards are nobody else's.
///
/// The process must have one thread still (user_namespaces(7)): call it first of all.
///
/// # Errors
///
/// [`NetlinkError::System`]: EINVAL with several threads, EPERM or ENOSPC where user namespaces are forbidden.
pub fn enter_user_namespace() -> Result<(), NetlinkError> {
    let failed = |operation: &str| {
        let operation = operation.to_owned();
        move |errno: Errno| NetlinkError::system(operation, errno)
    };
    let written = |path: &'static str| {
        move |error: io::Error| NetlinkError::system(format!("write {path}"), &error)
    };
    let (uid, gid) = (getuid(), getgid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)
        .map_err(failed("create user, network and mount namespaces"))?;
    // user_namespaces(7): without privilege a group map is taken only once setgroups is denied.
    match fs::write("/proc/self/setgroups", "deny") {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(written("/proc/self/setgroups")(error));
        }
        _ => {}
    }
    fs::write("/proc/self/uid_map", format!("0 {uid} 1")).map_err(written("/proc/self/uid_map"))?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1")).map_err(written("/proc/self/gid_map"))?;
    make_mounts_private()
}

/// Puts the whole process into a new mount namespace: mounts made afterwards are nobody else's.
///
/// Call it while the process has one thread; of several, only the calling one would move.
///
/// # Errors
///
/// [`NetlinkError::System`], with EPERM without CAP_SYS_ADMIN (see [`enter_user_namespace`]).
pub fn enter_mount_namespace() -> Result<(), NetlinkError> {
    unshare(CloneFlags::CLONE_NEWNS)
        .map_err(|errno| NetlinkError::system("create a mount namespace", errno))?;
    make_mounts_private()
}

/// Keeps the process's mounts to itself, in a mount namespace of its own.
///
/// # Errors
///
/// [`NetlinkError::System`].
pub fn make_mounts_private() -> Result<(), NetlinkError> {
    mount(
        None::<&str>,
        "/",
        None::<&str>,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        None::<&str>,
    )
    .map_err(|errno| NetlinkError::system("make mounts private", errno))
}

/// Mounts an empty file system in memory over a folder, in a mount namespace of its own.
///
/// # Errors
///
/// [`NetlinkError::System`].
pub fn mount_memory(folder: &Path) -> Result<(), NetlinkError> {
    mount(
        Some("ironflex"),
        folder,
        Some("tmpfs"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        Some("mode=0755"),
    )
    .map_err(|errno| NetlinkError::system(format!("mount a tmpfs on {}", folder.display()), errno))
}

/// Lets one file or folder appear in the place of another, in a mount namespace of its own.
///
/// # Errors
///
/// [`NetlinkError::System`].
pub fn bind_mount(from: &Path, onto: &Path) -> Result<(), NetlinkError> {
    mount(
        Some(from),
        onto,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )
    .map_err(|errno| {
        NetlinkError::system(
            format!("bind {} onto {}", from.display(), onto.display()),
            errno,
        )
    })
}
