//! What a datagram on port 4500 is (RFC 3948 §2).

/// IKE's messages on port 4500 begin with four zero octets, which no SPI can be (RFC 3948 §2.2).
pub(super) const NON_ESP_MARKER: [u8; 4] = [0; 4];

/// What came in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Encapsulated<'a> {
    /// An IKE message, without its marker.
    Ike(&'a [u8]),
    /// An ESP packet; that it is a good one is not said.
    Esp,
    /// One octet 0xff that keeps a NAT's mapping open.
    Keepalive,
    /// Nothing that may be sent here.
    Truncated,
}

/// Tells the three kinds of datagram apart.
pub(super) fn classify(datagram: &[u8]) -> Encapsulated<'_> {
    match datagram.split_first_chunk::<4>() {
        Some((&NON_ESP_MARKER, message)) => Encapsulated::Ike(message),
        Some(_) => Encapsulated::Esp,
        // RFC 3948 §2.3#5, §4#1: keepalives are discarded, and say nothing of the peer.
        None if datagram == [0xff] => Encapsulated::Keepalive,
        None => Encapsulated::Truncated,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 3948 §2.3#5: one octet 0xff is a keepalive and nothing else.
    #[test]
    fn tells_marker_keepalive_and_esp_apart() {
        assert_eq!(classify(&[0, 0, 0, 0, 1, 2]), Encapsulated::Ike(&[1, 2]));
        assert_eq!(classify(&[0, 0, 0, 0]), Encapsulated::Ike(&[]));
        assert_eq!(classify(&[0, 0, 1, 0, 9]), Encapsulated::Esp);
        assert_eq!(classify(&[0xff]), Encapsulated::Keepalive);
        assert_eq!(classify(&[0xff, 0xff]), Encapsulated::Truncated);
        assert_eq!(classify(&[0, 0, 0]), Encapsulated::Truncated);
        assert_eq!(classify(&[]), Encapsulated::Truncated);
    }
}
