//! Which dataplane carries ESP here: `auto` probes the kernel and says what it took and why.

use std::{fmt, str::FromStr};

use ironflex_xfrm::{
    Dataplane, Error, EspAlgorithm,
    netlink::{
        ALL_ALGORITHMS, Firewall, KernelDataplane, KernelOptions, Owner, missing_algorithms,
    },
};

/// The operator's choice (`--dataplane`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// The kernel if it can carry every configured transform, else userspace.
    #[default]
    Auto,
    /// The kernel or nothing.
    Kernel,
    /// Userspace ESP on a TUN device.
    Userspace,
    /// Remember and do nothing: for measuring everything but the dataplane.
    Record,
}

/// A word that names no dataplane.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no dataplane: auto, kernel, userspace or record expected")]
pub struct UnknownChoice(String);

impl FromStr for Choice {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, UnknownChoice> {
        match text {
            "auto" => Ok(Self::Auto),
            "kernel" => Ok(Self::Kernel),
            "userspace" => Ok(Self::Userspace),
            "record" => Ok(Self::Record),
            other => Err(UnknownChoice(other.to_owned())),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Kernel => "kernel",
            Self::Userspace => "userspace",
            Self::Record => "record",
        })
    }
}

/// What was taken.
pub enum Chosen {
    /// The kernel, opened and probed.
    Kernel(Box<KernelDataplane>),
    /// Userspace: the caller makes its device and hands over its sockets.
    Userspace,
    /// The recorder.
    Record,
}

/// Chooses, and says why in one line. What the kernel is given bears the marks of `owner`. Where no algorithm is configured
/// yet, a kernel is taken that has ESP at all.
///
/// # Errors
///
/// With [`Choice::Kernel`], what the kernel lacks.
pub fn choose(
    owner: Owner,
    choice: Choice,
    algorithms: &[EspAlgorithm],
) -> Result<(Chosen, String), Error> {
    match choice {
        Choice::Userspace => Ok((
            Chosen::Userspace,
            "dataplane: userspace, as asked for".into(),
        )),
        Choice::Record => Ok((
            Chosen::Record,
            "dataplane: none, SAs are only recorded".into(),
        )),
        Choice::Kernel => {
            let mut kernel = KernelDataplane::open(owner, KernelOptions::default())?;
            if let Some(error) = lacks(&mut kernel, algorithms) {
                return Err(error);
            }
            Ok((
                Chosen::Kernel(Box::new(kernel)),
                "dataplane: kernel, as asked for".into(),
            ))
        }
        Choice::Auto => Ok(
            match KernelDataplane::open(owner, KernelOptions::default()) {
                Err(error) => (Chosen::Userspace, instead_of_kernel(&error)),
                Ok(mut kernel) => match lacks(&mut kernel, algorithms) {
                    None => (
                        Chosen::Kernel(Box::new(kernel)),
                        match algorithms {
                            [] => "dataplane: kernel, which has ESP (no transform is configured that it could be asked for)",
                            _ => "dataplane: kernel, which can do every configured transform",
                        }
                        .into(),
                    ),
                    Some(error) => (Chosen::Userspace, instead_of_kernel(&error)),
                },
            },
        ),
    }
}

/// What the kernel lacks for these algorithms.
#[must_use]
pub fn lacking(owner: Owner, algorithms: &[EspAlgorithm]) -> Option<Error> {
    match KernelDataplane::open(owner, KernelOptions::default()) {
        Err(error) => Some(error),
        Ok(mut kernel) => lacks(&mut kernel, algorithms),
    }
}

/// The same of a kernel that is open. Of no algorithms it has what is asked for if it takes any of those that can be
/// configured.
fn lacks(kernel: &mut dyn Dataplane, algorithms: &[EspAlgorithm]) -> Option<Error> {
    if !algorithms.is_empty() {
        return missing_algorithms(kernel, algorithms)
            .pop()
            .map(|(_, error)| error);
    }
    let mut missing = None;
    for algorithm in ALL_ALGORITHMS {
        match kernel.probe(algorithm) {
            Ok(()) => return None,
            Err(error) => missing = Some(error),
        }
    }
    missing
}

/// Why userspace was taken; what is merely missing is no alarm.
fn instead_of_kernel(error: &Error) -> String {
    match error {
        Error::Unsupported(what) => format!("dataplane: userspace, for want of {what}"),
        error => format!("dataplane: userspace, because {error}"),
    }
}

/// Whether the kernel does IPsec at all, so that packets may belong to its SAs.
#[must_use]
pub fn kernel_ipsec() -> bool {
    Firewall::kernel_ipsec()
}

/// A backend behind the common seam.
pub type Backend = Box<dyn Dataplane>;

#[cfg(test)]
mod tests {
    use ironflex_xfrm::{
        chaos::{Chaos, Faults},
        record::Recorder,
    };

    use super::*;

    #[test]
    fn a_kernel_without_esp_is_found_out_before_a_transform_is_configured() {
        let never = Faults {
            probe: 1000,
            ..Faults::default()
        };
        for algorithms in [&[] as &[_], &ALL_ALGORITHMS[..1]] {
            assert!(lacks(&mut Recorder::new(), algorithms).is_none());
            let mut without = Chaos::new(Box::new(Recorder::new()), never, 1);
            assert!(lacks(&mut without, algorithms).is_some());
        }
    }

    #[test]
    fn what_the_kernel_lacks_is_named_once_and_without_alarm() {
        let lacking = Error::Unsupported("ESP in the kernel (Requested type not found)".into());
        assert_eq!(
            instead_of_kernel(&lacking),
            "dataplane: userspace, for want of ESP in the kernel (Requested type not found)"
        );
        assert_eq!(
            instead_of_kernel(&Error::Misuse("two families")),
            "dataplane: userspace, because not a usable request: two families"
        );
    }
}
