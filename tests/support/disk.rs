//! A small file system that can become full.

use std::{fs::File, io::Write as _, path::Path};

use ironflex_xfrm::netlink::namespace::enter_mount_namespace;
use nix::mount::{MsFlags, mount};

use super::cases::skip;

/// Mounts a file system in memory over a folder, with room for so many octets. Only this case and what it starts see it,
/// and it goes with them.
pub(crate) fn mount_small(folder: &Path, octets: u64) {
    if let Err(error) = enter_mount_namespace() {
        skip(error.to_string());
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let room = format!("size={octets},mode=0700");
    if let Err(error) = mount(Some("tests"), folder, Some("tmpfs"), flags, Some(&*room)) {
        skip(format!("mount a tmpfs on {}: {error}", folder.display()));
    }
}

/// Writes a file that takes what room there is in its file system.
pub(crate) fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    while file.write_all(&[0xa5; 4096]).is_ok() {}
    while file.write_all(&[0xa5]).is_ok() {}
}
