//! What the client says of the machine that it runs on.

use ironflex_eap::anyconnect::config_auth::DeviceInfo;

use crate::random;

/// What the client says of its machine. The number is made anew for each run: nothing is to be
/// tracked by it, and a connection that was lost is known for the same client's all the same.
#[must_use]
pub fn device() -> DeviceInfo {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let hex: String = random::octets::<20>()
        .iter()
        .map(|octet| format!("{octet:02X}"))
        .collect();
    DeviceInfo {
        client_version: Some(concat!("ironflex ", env!("CARGO_PKG_VERSION")).into()),
        computer_name: Some(name.trim().to_owned()),
        platform: Some("linux-64".into()),
        unique_id_global: Some(hex),
        ..DeviceInfo::default()
    }
}
