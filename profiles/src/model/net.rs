//! Networks and masks.

use core::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// An IPv4 network: an address whose host part is zero, and a prefix length of 0 to 32.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Ipv4Net {
    address: Ipv4Addr,
    length: u8,
}

impl Ipv4Net {
    /// Every address.
    pub const ANY: Self = Self {
        address: Ipv4Addr::UNSPECIFIED,
        length: 0,
    };

    /// The network that holds `address`; its host part is cut off. `None` if `length` is over 32.
    pub fn new(address: Ipv4Addr, length: u8) -> Option<Self> {
        let mask = mask_of(length)?;
        Some(Self {
            address: Ipv4Addr::from(u32::from(address) & mask),
            length,
        })
    }

    /// The network of an address under a netmask. `None` if the mask's ones do not come first.
    pub fn with_mask(address: Ipv4Addr, mask: Ipv4Addr) -> Option<Self> {
        Self::new(address, prefix_length(mask)?)
    }

    /// First address of the network.
    pub const fn address(self) -> Ipv4Addr {
        self.address
    }

    /// Prefix length, 0 to 32.
    pub const fn length(self) -> u8 {
        self.length
    }

    /// The netmask.
    pub fn mask(self) -> Ipv4Addr {
        Ipv4Addr::from(mask_of(self.length).unwrap_or(u32::MAX))
    }

    /// Whether an address belongs to the network.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        Self::new(address, self.length) == Some(self)
    }

    /// Whether two networks have an address in common: one then holds the other.
    pub fn overlaps(self, other: Self) -> bool {
        self.contains(other.address) || other.contains(self.address)
    }
}

impl fmt::Display for Ipv4Net {
    /// `A.B.C.D/LENGTH`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// An IPv6 network: an address whose host part is zero, and a prefix length of 0 to 128.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Ipv6Net {
    address: Ipv6Addr,
    length: u8,
}

impl Ipv6Net {
    /// Every address.
    pub const ANY: Self = Self {
        address: Ipv6Addr::UNSPECIFIED,
        length: 0,
    };

    /// One address alone.
    pub const fn host(address: Ipv6Addr) -> Self {
        Self {
            address,
            length: 128,
        }
    }

    /// The network that holds `address`. `None` if `length` is over 128.
    pub fn new(address: Ipv6Addr, length: u8) -> Option<Self> {
        let host = 128u32.checked_sub(u32::from(length))?;
        let mask = u128::MAX.checked_shl(host).unwrap_or(0);
        Some(Self {
            address: Ipv6Addr::from(u128::from(address) & mask),
            length,
        })
    }

    /// Reads `X::X/LENGTH`.
    pub fn parse(text: &str) -> Option<Self> {
        Ipv6Interface::parse(text).map(|one| one.network)
    }

    /// First address of the network.
    pub const fn address(self) -> Ipv6Addr {
        self.address
    }

    /// Prefix length, 0 to 128.
    pub const fn length(self) -> u8 {
        self.length
    }

    /// Last address of the network.
    pub fn last(self) -> Ipv6Addr {
        let host = u128::MAX.checked_shr(self.length.into()).unwrap_or(0);
        Ipv6Addr::from(u128::from(self.address) | host)
    }

    /// Whether an address belongs to the network.
    pub fn contains(self, address: Ipv6Addr) -> bool {
        Self::new(address, self.length) == Some(self)
    }

    /// Whether two networks have an address in common: one then holds the other.
    pub fn overlaps(self, other: Self) -> bool {
        self.contains(other.address) || other.contains(self.address)
    }
}

/// An address with the network it is on: `X::X/LENGTH`, the host part kept.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Ipv6Interface {
    /// The interface's own address.
    pub address: Ipv6Addr,
    /// The network on the link.
    pub network: Ipv6Net,
}

impl Ipv6Interface {
    /// Reads `X::X/LENGTH`.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/')?;
        let address = address.parse().ok()?;
        let network = Ipv6Net::new(address, length.parse().ok()?)?;
        Some(Self { address, network })
    }
}

impl fmt::Display for Ipv6Interface {
    /// `X::X/LENGTH`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.network.length)
    }
}

impl fmt::Display for Ipv6Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// The prefix length of a netmask, or `None` if its ones do not come first.
pub fn prefix_length(mask: Ipv4Addr) -> Option<u8> {
    let bits = u32::from(mask);
    let length = u8::try_from(bits.leading_ones()).ok()?;
    (mask_of(length)? == bits).then_some(length)
}

fn mask_of(length: u8) -> Option<u32> {
    let host = 32u32.checked_sub(u32::from(length))?;
    Some(u32::MAX.checked_shl(host).unwrap_or(0))
}

/// A network of either family.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum IpNet {
    /// `A.B.C.D MASK`.
    V4(Ipv4Net),
    /// `X::X/LENGTH`.
    V6(Ipv6Net),
}

impl IpNet {
    /// The prefix length, if the network holds the address.
    pub fn prefix_around(self, address: IpAddr) -> Option<u8> {
        match (self, address) {
            (Self::V4(net), IpAddr::V4(address)) => net.contains(address).then(|| net.length()),
            (Self::V6(net), IpAddr::V6(address)) => net.contains(address).then(|| net.length()),
            (Self::V4(_), IpAddr::V6(_)) | (Self::V6(_), IpAddr::V4(_)) => None,
        }
    }
}

impl fmt::Display for IpNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(net) => write!(f, "{} {}", net.address(), net.mask()),
            Self::V6(net) => net.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_ones_then_zeros() {
        assert_eq!(prefix_length(Ipv4Addr::new(255, 255, 255, 0)), Some(24));
        assert_eq!(prefix_length(Ipv4Addr::new(0, 0, 0, 0)), Some(0));
        assert_eq!(prefix_length(Ipv4Addr::new(255, 255, 255, 255)), Some(32));
        assert_eq!(prefix_length(Ipv4Addr::new(255, 0, 255, 0)), None);
    }

    #[test]
    fn cuts_the_host_part_off() {
        let net = Ipv4Net::new(Ipv4Addr::new(10, 1, 2, 3), 8).unwrap();
        assert_eq!(
            alloc::format!("{net} {}", net.mask()),
            "10.0.0.0/8 255.0.0.0"
        );
        assert!(net.contains(Ipv4Addr::new(10, 9, 9, 9)));
        assert!(!net.contains(Ipv4Addr::new(11, 0, 0, 0)));
        assert!(net.overlaps(Ipv4Net::ANY) && Ipv4Net::ANY.overlaps(net));
        assert_eq!(Ipv4Net::new(Ipv4Addr::UNSPECIFIED, 33), None);
        let six = Ipv6Net::parse("2001:db8::1/32").unwrap();
        assert_eq!(alloc::format!("{six}"), "2001:db8::/32");
        assert!(six.contains("2001:db8:9::".parse().unwrap()));
        assert!(
            Ipv6Net::parse("::/0")
                .unwrap()
                .contains("ff::".parse().unwrap())
        );
        assert_eq!(Ipv6Net::parse("::/129"), None);
        let last = |text| Ipv6Net::parse(text).unwrap().last();
        assert_eq!(
            last("2001:db8::/126"),
            "2001:db8::3".parse::<Ipv6Addr>().unwrap()
        );
        assert_eq!(last("::/0"), Ipv6Addr::from(u128::MAX));
        assert_eq!(last("::7/128"), Ipv6Addr::from(7));
    }
}
