//! How facts look in JSON where they do not look like their own types: what a script wants, not what Rust has.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    time::{Duration, SystemTime},
};

use serde::{Serialize, Serializer, ser::SerializeStruct as _};

use super::{AuthMethod, Cipher, logging::Severity};

/// An address and its port; a mapped IPv4 address as what it is.
pub(crate) fn end<S: Serializer>(end: &SocketAddr, to: S) -> Result<S::Ok, S::Error> {
    let mut pair = to.serialize_struct("End", 2)?;
    pair.serialize_field("address", &end.ip().to_canonical())?;
    pair.serialize_field("port", &end.port())?;
    pair.end()
}

/// Whole seconds.
pub(crate) fn seconds<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(time.as_secs())
}

/// Sixteen hexadecimal digits, as the tables have them: JSON's numbers have 53 bits.
pub(crate) fn ike_spi<S: Serializer>(spi: &u64, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&format_args!("{spi:016X}"))
}

/// `0x` and eight hexadecimal digits.
pub(crate) fn esp_spi<S: Serializer>(spi: &u32, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&format_args!("0x{spi:08X}"))
}

/// Interval and retry.
pub(crate) fn dpd<S: Serializer>(
    &(interval, retry): &(u32, u32),
    to: S,
) -> Result<S::Ok, S::Error> {
    let mut pair = to.serialize_struct("Dpd", 2)?;
    pair.serialize_field("interval", &interval)?;
    pair.serialize_field("retry", &retry)?;
    pair.end()
}

#[derive(Serialize)]
struct Range {
    first: IpAddr,
    last: IpAddr,
}

/// Ranges of addresses by their ends.
pub(crate) fn ranges<S: Serializer>(ranges: &[(IpAddr, IpAddr)], to: S) -> Result<S::Ok, S::Error> {
    let ranges = ranges.iter();
    to.collect_seq(ranges.map(|&(first, last)| Range { first, last }))
}

/// An address and a length with a slash between.
pub(crate) fn prefix<S: Serializer>(
    (address, length): &(Ipv6Addr, u8),
    to: S,
) -> Result<S::Ok, S::Error> {
    to.collect_str(&format_args!("{address}/{length}"))
}

impl Serialize for Cipher {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let (name, bits) = self.parts();
        let mut pair = to.serialize_struct("Cipher", 2)?;
        pair.serialize_field("name", name)?;
        pair.serialize_field("key_bits", &bits)?;
        pair.end()
    }
}

impl Serialize for AuthMethod {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

/// Seconds since 1970 with their fraction.
pub(crate) fn moment<S: Serializer>(moment: &SystemTime, to: S) -> Result<S::Ok, S::Error> {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH);
    to.serialize_f64(since.unwrap_or_default().as_secs_f64())
}

/// Seconds with their fraction.
pub(crate) fn fraction<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(time.as_secs_f64())
}

/// The number of a severity.
pub(crate) fn severity<S: Serializer>(severity: &Severity, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u8(*severity as u8)
}
