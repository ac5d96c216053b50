//! `interface`.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::{fmt, net::Ipv4Addr};

use super::{
    Located, keywords,
    name::{InvalidName, Name},
    nat::NatSide,
    net::{Ipv4Net, Ipv6Interface},
};

keywords! {
    /// What an interface is. The order is that of a running configuration.
    pub enum InterfaceKind {
        /// `LoopbackN`: addresses on a device of the headend's own.
        Loopback = "loopback", "Loopback interface";
        /// `GigabitEthernetN`: a Linux device, tied by `device`.
        GigabitEthernet = "gigabitethernet", "GigabitEthernet IEEE 802.3z";
        /// `Virtual-TemplateN`: what the clients' interfaces are made from.
        VirtualTemplate = "virtual-template", "Virtual Template interface";
    }
    refused {
        "ethernet", "interfaces other than Loopback, GigabitEthernet and Virtual-Template";
        "fastethernet", "interfaces other than Loopback, GigabitEthernet and Virtual-Template";
        "tengigabitethernet", "interfaces other than Loopback, GigabitEthernet and Virtual-Template";
        "tunnel", "interfaces other than Loopback, GigabitEthernet and Virtual-Template";
        "vlan", "interfaces other than Loopback, GigabitEthernet and Virtual-Template";
        "virtual-access", "interfaces other than Loopback, GigabitEthernet and Virtual-Template";
        "port-channel", "interfaces other than Loopback, GigabitEthernet and Virtual-Template";
        "dialer", "interfaces other than Loopback, GigabitEthernet and Virtual-Template";
        "bdi", "interfaces other than Loopback, GigabitEthernet and Virtual-Template";
        "null", "interfaces other than Loopback, GigabitEthernet and Virtual-Template";
        "serial", "interfaces other than Loopback, GigabitEthernet and Virtual-Template";
        "cellular", "interfaces other than Loopback, GigabitEthernet and Virtual-Template";
        "async", "interfaces other than Loopback, GigabitEthernet and Virtual-Template";
        "atm", "interfaces other than Loopback, GigabitEthernet and Virtual-Template";
        "appgigabitethernet", "interfaces other than Loopback, GigabitEthernet and Virtual-Template";
        "bvi", "interfaces other than Loopback, GigabitEthernet and Virtual-Template";
        "cem", "interfaces other than Loopback, GigabitEthernet and Virtual-Template";
        "fivegigabitethernet", "interfaces other than Loopback, GigabitEthernet and Virtual-Template";
        "fortygigabitethernet", "interfaces other than Loopback, GigabitEthernet and Virtual-Template";
        "fourhundredgige", "interfaces other than Loopback, GigabitEthernet and Virtual-Template";
        "hundredgige", "interfaces other than Loopback, GigabitEthernet and Virtual-Template";
        "lisp", "interfaces other than Loopback, GigabitEthernet and Virtual-Template";
        "multilink", "interfaces other than Loopback, GigabitEthernet and Virtual-Template";
        "nve", "interfaces other than Loopback, GigabitEthernet and Virtual-Template";
        "overlay", "interfaces other than Loopback, GigabitEthernet and Virtual-Template";
        "pseudowire", "interfaces other than Loopback, GigabitEthernet and Virtual-Template";
        "twentyfivegige", "interfaces other than Loopback, GigabitEthernet and Virtual-Template";
        "twogigabitethernet", "interfaces other than Loopback, GigabitEthernet and Virtual-Template";
        "vasileft", "interfaces other than Loopback, GigabitEthernet and Virtual-Template";
        "vasiright", "interfaces other than Loopback, GigabitEthernet and Virtual-Template";
        "virtual-ppp", "interfaces other than Loopback, GigabitEthernet and Virtual-Template";
        "virtualportgroup", "interfaces other than Loopback, GigabitEthernet and Virtual-Template";
        "wlan-gigabitethernet", "interfaces other than Loopback, GigabitEthernet and Virtual-Template";
    }
}

impl InterfaceKind {
    /// The spelling of a running configuration.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Loopback => "Loopback",
            Self::GigabitEthernet => "GigabitEthernet",
            Self::VirtualTemplate => "Virtual-Template",
        }
    }

    /// The kind that a word means, in any case, and abbreviated while it stays unique.
    ///
    /// # Errors
    /// [`InvalidInterface`] says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, InvalidInterface> {
        let typed = text.to_ascii_lowercase();
        // The short form that IOS-XE itself prints; no prefix of the long one.
        if typed == "vt" {
            return Ok(Self::VirtualTemplate);
        }
        let mut fitting = Self::KEYWORDS
            .iter()
            .filter(|kind| !typed.is_empty() && kind.word.starts_with(&*typed));
        let (Some(found), None) = (fitting.next(), fitting.next()) else {
            return Err(InvalidInterface::Kind);
        };
        Self::from_keyword(found.word).ok_or(InvalidInterface::Unsupported)
    }

    /// How help shows the numbers that it can have.
    pub const fn numbers(self) -> &'static str {
        match self {
            Self::Loopback | Self::GigabitEthernet => "<0-2147483647>",
            Self::VirtualTemplate => "<1-4095>",
        }
    }

    /// What help says to them.
    pub const fn number_help(self) -> &'static str {
        match self {
            Self::Loopback => "Loopback interface number",
            Self::GigabitEthernet => "GigabitEthernet interface number",
            Self::VirtualTemplate => "Virtual-Template interface number",
        }
    }
}

/// The name of an interface: `Loopback100`, `GigabitEthernet0/0/1.20`, `Virtual-Template1`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct InterfaceName {
    kind: InterfaceKind,
    /// Slot, subslot and port; one number for kinds without slots.
    number: Vec<u32>,
    subinterface: Option<u32>,
}

impl InterfaceName {
    /// The Virtual-Template of that number.
    pub fn virtual_template(number: u16) -> Self {
        Self {
            kind: InterfaceKind::VirtualTemplate,
            number: Vec::from([u32::from(number)]),
            subinterface: None,
        }
    }

    /// Reads a name as IOS-XE does: in any case, the kind abbreviated while it stays unique
    /// (`gi1`, `lo100`, `vt100` for Virtual-Template), without a blank before the number.
    ///
    /// # Errors
    /// [`InvalidInterface`] says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, InvalidInterface> {
        let digits = text
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(text.len());
        let (kind, number) = text
            .split_at_checked(digits)
            .ok_or(InvalidInterface::Kind)?;
        Self::from_parts(kind, number)
    }

    /// Reads a name from its kind and its number, which a line may keep apart.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn from_parts(kind: &str, number: &str) -> Result<Self, InvalidInterface> {
        let kind = InterfaceKind::parse(kind)?;
        let (number, subinterface) = match number.split_once('.') {
            Some((number, sub)) => (number, Some(read_number(sub)?)),
            None => (number, None),
        };
        let number = number
            .split('/')
            .map(read_number)
            .collect::<Result<Vec<_>, _>>()?;
        let single = number.len() == 1 && subinterface.is_none();
        let fits = match kind {
            InterfaceKind::GigabitEthernet => number.len() <= 3,
            InterfaceKind::Loopback => single,
            InterfaceKind::VirtualTemplate => {
                single && number.iter().all(|n| VIRTUAL_TEMPLATES.contains(n))
            }
        };
        if fits {
            Ok(Self {
                kind,
                number,
                subinterface,
            })
        } else {
            Err(InvalidInterface::Number)
        }
    }

    /// Slot, subslot and port; one number for kinds without slots.
    pub fn number(&self) -> &[u32] {
        &self.number
    }

    /// Which of a port's sub-interfaces it is, if it is one.
    pub const fn subinterface(&self) -> Option<u32> {
        self.subinterface
    }

    /// What the interface is.
    pub const fn kind(&self) -> InterfaceKind {
        self.kind
    }
}

/// Numbers that a Virtual-Template can have.
const VIRTUAL_TEMPLATES: core::ops::RangeInclusive<u32> = 1..=4095;

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.title())?;
        for (index, number) in self.number.iter().enumerate() {
            write!(f, "{}{number}", if index == 0 { "" } else { "/" })?;
        }
        self.subinterface
            .map_or(Ok(()), |number| write!(f, ".{number}"))
    }
}

fn read_number(text: &str) -> Result<u32, InvalidInterface> {
    let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    let number = if digits { text.parse().ok() } else { None };
    number
        .filter(|number| *number <= 0x7fff_ffff)
        .ok_or(InvalidInterface::Number)
}

/// Why a text names no interface.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidInterface {
    /// No kind of interface, or an abbreviation of several.
    #[error("no kind of interface")]
    Kind,
    /// A kind that IOS-XE has and this headend has not.
    #[error("interfaces other than Loopback, GigabitEthernet and Virtual-Template")]
    Unsupported,
    /// No number, or one that this kind cannot have.
    #[error("no interface number")]
    Number,
}

/// The name of a Linux network device: 1 to 15 visible ASCII characters without `/` and `:`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DeviceName(Arc<str>);

impl DeviceName {
    /// Longest name that the kernel takes, in octets.
    pub const LIMIT: usize = 15;

    /// Takes a device name.
    ///
    /// # Errors
    /// [`InvalidName`] where the kernel would refuse it.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        let name = Name::new(text)?;
        if text.len() > Self::LIMIT {
            return Err(InvalidName::Long { limit: Self::LIMIT });
        }
        if matches!(text, "." | "..") || text.contains(['/', ':']) {
            return Err(InvalidName::Character);
        }
        Ok(Self(Arc::from(name.as_str())))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The largest packet that goes into a tunnel where no `ip mtu` of its Virtual-Template says otherwise, in octets.
pub const DEFAULT_TUNNEL_MTU: u16 = 1400;

/// `interface NAME` and its lines. Which lines there can be depends on the kind; the command table
/// knows, so that a Loopback never holds a tunnel.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Interface {
    /// `description LINE`.
    pub description: Option<String>,
    /// `shutdown`.
    pub shutdown: bool,
    /// `device NAME`: the Linux device that a GigabitEthernet stands for (our own line).
    pub device: Option<Located<DeviceName>>,
    /// What `--device` ties it to, whatever its lines say. It is none of them, and never written.
    pub tied: Option<Located<DeviceName>>,
    /// `ip address …` or `ip unnumbered …`.
    pub addressing: Addressing,
    /// The `ipv6` lines.
    pub ipv6: Ipv6Lines,
    /// `ip mtu N`, in octets of the inner packet.
    pub ip_mtu: Option<u16>,
    /// `ip tcp adjust-mss N`, in octets.
    pub tcp_adjust_mss: Option<u16>,
    /// `ip nat inside` or `ip nat outside`.
    pub nat: Option<NatSide>,
    /// `type tunnel` of a Virtual-Template.
    pub tunnel_type: bool,
    /// `tunnel mode ipsec …`; absent means that it was not written.
    pub tunnel_mode: Option<TunnelMode>,
    /// `tunnel protection ipsec profile NAME`.
    pub tunnel_protection: Option<Located<Name>>,
}

impl Interface {
    /// The Linux device that it stands for.
    pub fn device_at_work(&self) -> Option<&Located<DeviceName>> {
        self.tied.as_ref().or(self.device.as_ref())
    }

    /// Whether there is nothing to write of it.
    pub fn says_nothing(&self) -> bool {
        let bare = Self {
            tied: None,
            ..self.clone()
        };
        bare == Self::default()
    }
}

/// The `ipv6` lines of an interface.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Ipv6Lines {
    /// `ipv6 address X::X/LENGTH`, each line one.
    pub addresses: Vec<Located<Ipv6Interface>>,
    /// `ipv6 unnumbered INTERFACE` of a Virtual-Template.
    pub unnumbered: Option<Located<InterfaceName>>,
    /// `ipv6 enable`.
    pub enable: bool,
}

impl Ipv6Lines {
    /// Whether the interface carries IPv6.
    pub const fn is_enabled(&self) -> bool {
        self.enable || self.unnumbered.is_some() || !self.addresses.is_empty()
    }
}

/// Where an interface has its address from.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Addressing {
    /// `no ip address`.
    #[default]
    None,
    /// `ip address A.B.C.D MASK`.
    Static(Located<InterfaceAddress>),
    /// `ip unnumbered INTERFACE`: that interface's.
    Unnumbered(Located<InterfaceName>),
}

/// An address with the network it is on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InterfaceAddress {
    /// The interface's own address.
    pub address: Ipv4Addr,
    /// The network on the link.
    pub network: Ipv4Net,
}

/// What a tunnel carries, and in what: `tunnel mode ipsec …`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TunnelMode {
    /// `ipv4`: IPv4 in IPv4.
    Ipv4,
    /// `ipv4 v6-overlay`: IPv6 in IPv4.
    Ipv6InIpv4,
    /// `ipv6`: IPv6 in IPv6.
    Ipv6,
    /// `ipv6 v4-overlay`: IPv4 in IPv6.
    Ipv4InIpv6,
    /// `dual-overlay`: both in either.
    DualOverlay,
}

impl fmt::Display for TunnelMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6InIpv4 => "ipv4 v6-overlay",
            Self::Ipv6 => "ipv6",
            Self::Ipv4InIpv6 => "ipv6 v4-overlay",
            Self::DualOverlay => "dual-overlay",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn reads_names_in_any_case_and_abbreviated() {
        for (text, name) in [
            ("loopback100", "Loopback100"),
            ("lo0", "Loopback0"),
            ("gi1", "GigabitEthernet1"),
            ("GigabitEthernet0/0/1.20", "GigabitEthernet0/0/1.20"),
            ("Virtual-Template100", "Virtual-Template100"),
            ("virtual-t4095", "Virtual-Template4095"),
            ("Vt7", "Virtual-Template7"),
        ] {
            assert_eq!(InterfaceName::parse(text).unwrap().to_string(), name);
        }
    }

    #[test]
    fn refuses_other_names_by_reason() {
        for (text, why) in [
            ("", InvalidInterface::Kind),
            ("1", InvalidInterface::Kind),
            ("v1", InvalidInterface::Kind),
            ("foo1", InvalidInterface::Kind),
            ("t1", InvalidInterface::Kind),
            ("te1", InvalidInterface::Unsupported),
            ("Serial0/1/0:23", InvalidInterface::Unsupported),
            ("VirtualPortGroup0", InvalidInterface::Unsupported),
            ("TwentyFiveGigE0/0/1", InvalidInterface::Unsupported),
            ("nve1", InvalidInterface::Unsupported),
            ("Tunnel0", InvalidInterface::Unsupported),
            ("lo", InvalidInterface::Number),
            ("lo1/2", InvalidInterface::Number),
            ("lo1x", InvalidInterface::Number),
            ("lo99999999999", InvalidInterface::Number),
            ("Virtual-Template0", InvalidInterface::Number),
            ("Virtual-Template4096", InvalidInterface::Number),
            ("gi1/2/3/4", InvalidInterface::Number),
        ] {
            assert_eq!(InterfaceName::parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn a_device_name_is_one_that_the_kernel_takes() {
        assert!(DeviceName::new("enp0s31f6.100").is_ok());
        assert_eq!(DeviceName::new("a/b"), Err(InvalidName::Character));
        assert_eq!(DeviceName::new(".."), Err(InvalidName::Character));
        assert_eq!(
            DeviceName::new(&"e".repeat(16)),
            Err(InvalidName::Long { limit: 15 })
        );
    }
}
