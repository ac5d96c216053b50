//! What this kernel can do, found out by doing it.
//!
//! Adding a policy and reserving an SPI succeed on kernels without ESP; only a whole SA with its keys shows that the
//! transform, both algorithms and the templates that join them are there, and makes the kernel load their modules.

use std::net::{IpAddr, Ipv4Addr};

use super::algorithm;
use super::backend::translate;
use super::error::{KernelErrno, NetlinkError, absent_is_fine};
use super::link::{LinkKind, NewLink};
use super::network::Network;
use super::owner::Owner;
use super::socket::NetlinkSocket;
use super::state::{self, State};

use crate::{
    AesKeySize, Direction, Encapsulation, Error, EspAlgorithm, EspSpi, Limits, Operation,
    OuterPath, ReplayWindow, SaKeys, SaSpec, SessionId,
};

/// Between documentation addresses (RFC 5737), which no packet carries, with the last session number, which
/// [`super::cleanup()`] recognises should we die in between.
const PROBE_PATH: OuterPath = OuterPath {
    local: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    remote: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)),
    encapsulation: Encapsulation::None,
};

/// The first SPI to try with; the following ones should it be taken.
const PROBE_SPI: u32 = 0x4946_0000;

/// How many SPIs are tried.
const PROBE_ATTEMPTS: u32 = 16;

/// The name of the device that shows whether there are xfrm interfaces; it is there for microseconds.
pub const PROBE_DEVICE: &str = "ironflex-probe";

/// Its if_id, far from those that a configuration uses.
const PROBE_IF_ID: u32 = 0x4946_ffff;

/// Adds and removes an inbound and an outbound SA, bare and in UDP.
///
/// # Errors
///
/// [`Error::Unsupported`] names what is missing.
pub(crate) fn whole_sa(
    socket: &mut NetlinkSocket,
    owner: Owner,
    algorithm: EspAlgorithm,
) -> Result<(), Error> {
    let last = SessionId::new(SessionId::MAX)
        .ok_or(Error::Misuse("the last session number is out of range"))?;
    // Zero keys: the SA is there for microseconds, between addresses that nothing uses, with no policy.
    let keys = SaKeys::new(
        algorithm,
        &vec![0; algorithm.encryption_octets()],
        &vec![0; algorithm.integrity_octets()],
    )?;
    let udp = Encapsulation::Udp {
        local_port: 4500,
        remote_port: 4500,
    };
    for encapsulation in [Encapsulation::None, udp] {
        let path = OuterPath {
            encapsulation,
            ..PROBE_PATH
        };
        for direction in [Direction::Inbound, Direction::Outbound] {
            let mut result = Ok(());
            for spi in
                (0..PROBE_ATTEMPTS).filter_map(|more| EspSpi::new(PROBE_SPI.saturating_add(more)))
            {
                let spec = SaSpec {
                    spi,
                    keys: keys.clone(),
                    esn: false,
                    replay_window: ReplayWindow::DEFAULT,
                    soft: Limits::NONE,
                    hard: Limits::NONE,
                };
                let state = State {
                    reqid: owner.reqid(last),
                    direction,
                    path: &path,
                    spec: &spec,
                    if_id: 0,
                    output_mark: None,
                };
                result = socket.execute(state.add(None));
                match &result {
                    Ok(()) => {
                        absent_is_fine(socket.execute(state::delete(state.key()))).map_err(
                            |error| translate(Operation("delete the probe's SA"), error),
                        )?;
                        break;
                    }
                    Err(error) if error.is_present() => {}
                    Err(_) => break,
                }
            }
            result.map_err(|error| {
                missing(&error, algorithm).map_or_else(
                    || translate(Operation("add the probe's SA"), error),
                    Error::Unsupported,
                )
            })?;
        }
    }
    Ok(())
}

/// What the kernel lacks, read from how it refuses an SA; `None` when the refusal has another cause.
pub(crate) fn missing(error: &NetlinkError, algorithm: EspAlgorithm) -> Option<String> {
    let NetlinkError::Refused { errno, reason, .. } = error else {
        return None;
    };
    let what = match *errno {
        // xfrm_get_type finds no ESP, or no tunnel mode, for the family.
        KernelErrno::EPROTONOSUPPORT => "ESP in the kernel".to_owned(),
        // XFRM does not know the name; or it does, and the crypto layer cannot build it (authenc, gcm, seqiv).
        KernelErrno::ENOSYS | KernelErrno::ENOENT => {
            format!("{} in the kernel", algorithm::describe(algorithm))
        }
        _ => return None,
    };
    Some(match reason {
        Some(reason) => format!("{what} ({reason})"),
        None => what,
    })
}

/// Which of `algorithms` cannot be installed here, with the reason for each. Empty: all can.
pub fn missing_algorithms(
    dataplane: &mut dyn crate::Dataplane,
    algorithms: &[EspAlgorithm],
) -> Vec<(EspAlgorithm, Error)> {
    algorithms
        .iter()
        .filter_map(|algorithm| {
            dataplane
                .probe(*algorithm)
                .err()
                .map(|error| (*algorithm, error))
        })
        .collect()
}

/// The algorithms that an IOS transform set can name and this crate has.
pub const ALL_ALGORITHMS: [EspAlgorithm; 15] = {
    use crate::Integrity::{HmacSha1_96, HmacSha256_128, HmacSha384_192, HmacSha512_256};
    use AesKeySize::{Aes128, Aes192, Aes256};
    const fn cbc(key_size: AesKeySize, integrity: crate::Integrity) -> EspAlgorithm {
        EspAlgorithm::AesCbcHmac {
            key_size,
            integrity,
        }
    }
    [
        EspAlgorithm::AesGcm16(Aes128),
        EspAlgorithm::AesGcm16(Aes192),
        EspAlgorithm::AesGcm16(Aes256),
        cbc(Aes128, HmacSha1_96),
        cbc(Aes128, HmacSha256_128),
        cbc(Aes128, HmacSha384_192),
        cbc(Aes128, HmacSha512_256),
        cbc(Aes192, HmacSha1_96),
        cbc(Aes192, HmacSha256_128),
        cbc(Aes192, HmacSha384_192),
        cbc(Aes192, HmacSha512_256),
        cbc(Aes256, HmacSha1_96),
        cbc(Aes256, HmacSha256_128),
        cbc(Aes256, HmacSha384_192),
        cbc(Aes256, HmacSha512_256),
    ]
};

/// Whether the kernel has xfrm interfaces (4.19 with CONFIG_XFRM_INTERFACE): makes one and removes it.
///
/// # Errors
///
/// [`NetlinkError`] of every cause but "there are none".
pub fn xfrm_interfaces(network: &mut Network) -> Result<bool, NetlinkError> {
    let link = NewLink {
        name: PROBE_DEVICE.into(),
        alias: network.owner.map(Owner::alias),
        kind: LinkKind::Xfrm {
            if_id: PROBE_IF_ID,
            underlying: None,
        },
    };
    match network.create_link(&link) {
        Ok(index) => {
            network.delete_link(index)?;
            Ok(true)
        }
        Err(error) if error.errno() == Some(KernelErrno::EOPNOTSUPP) => Ok(false),
        // Left by a probe that was killed in between, or two at once.
        Err(error) if error.is_present() => Ok(true),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_what_the_kernel_lacks() {
        let refused = |errno, reason: Option<&str>| NetlinkError::Refused {
            operation: "add".into(),
            errno,
            reason: reason.map(Into::into),
        };
        let gcm = EspAlgorithm::AesGcm16(AesKeySize::Aes128);
        assert_eq!(
            missing(
                &refused(
                    KernelErrno::EPROTONOSUPPORT,
                    Some("Requested type not found")
                ),
                gcm
            ),
            Some("ESP in the kernel (Requested type not found)".into())
        );
        assert_eq!(
            missing(&refused(KernelErrno::ENOSYS, None), gcm),
            Some("rfc4106(gcm(aes)) with a 128-bit key in the kernel".into())
        );
        assert_eq!(missing(&refused(KernelErrno::EPERM, None), gcm), None);
    }
}
