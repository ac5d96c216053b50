//! The keys of SAs for whoever reads a capture of them, where the key log is on.

use alloc::boxed::Box;
use core::net::SocketAddr;

use crate::{
    crypto::keys::{ProtectionKeys, Role},
    event::{ChildSa, Event, KeyLog},
    sa::{Cx, link::Link},
    secret::SecretBytes,
};

/// The integrity key, empty where one key does both.
fn integrity(keys: &ProtectionKeys) -> SecretBytes {
    keys.integrity()
        .map_or_else(|| SecretBytes::zeroed(0), SecretBytes::duplicate)
}

/// Writes both SAs of a child into the key log.
pub(crate) fn log_child(link: &Link, cx: &mut Cx<'_>, child: &ChildSa) {
    if !cx.key_log {
        return;
    }
    let mut log = |source: SocketAddr, destination: SocketAddr, spi, keys: &ProtectionKeys| {
        let keys = Box::new([keys.encryption().duplicate(), integrity(keys)]);
        cx.event(
            link.id,
            Event::KeyLog(Box::new(KeyLog::Esp {
                source,
                destination,
                spi,
                suite: child.suite,
                keys,
            })),
        );
    };
    let path = child.path;
    log(
        path.remote,
        path.local,
        child.inbound_spi,
        &child.keys.inbound,
    );
    log(
        path.local,
        path.remote,
        child.outbound_spi,
        &child.keys.outbound,
    );
}

/// Writes an IKE SA's keys into the key log.
pub(crate) fn log_ike(link: &Link, cx: &mut Cx<'_>) {
    if !cx.key_log {
        return;
    }
    let (inbound, outbound) = link.message_keys();
    let (from_initiator, from_responder) = match link.role {
        Role::Initiator => (outbound.keys(), inbound.keys()),
        Role::Responder => (inbound.keys(), outbound.keys()),
    };
    let keys = Box::new([
        from_initiator.encryption().duplicate(),
        from_responder.encryption().duplicate(),
        integrity(from_initiator),
        integrity(from_responder),
    ]);
    cx.event(
        link.id,
        Event::KeyLog(Box::new(KeyLog::Ike {
            initiator_spi: link.spi_i,
            responder_spi: link.spi_r,
            keys,
            suite: link.suite,
        })),
    );
}
