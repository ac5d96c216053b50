//! No core files: there are private keys, passwords and the keys of tunnels in them.

use nix::sys::prctl;

/// Keeps the kernel from writing one of this process, and other processes of its user from reading its memory (PR_SET_DUMPABLE,
/// prctl(2)). A kernel that refuses is no reason not to serve.
pub fn keep_none() {
    let _ = prctl::set_dumpable(false);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_keys_leaves_no_core_file() {
        keep_none();
        assert_eq!(prctl::get_dumpable(), Ok(false));
        prctl::set_dumpable(true).unwrap();
    }
}
