//! `interface`.

use alloc::{boxed::Box, format, string::String};

use super::{Args, Edit, Form, Mode, ipv6, objection};
use crate::{
    error::{Diagnostic, Fault},
    model::{
        Located,
        interface::{
            Addressing, DeviceName, Interface, InterfaceAddress, InterfaceKind, InterfaceName,
            TunnelMode,
        },
        name::InvalidName,
        nat::NatSide,
        net::Ipv4Net,
    },
    tree::{ModeKind, Node, Token},
};

const KINDS: &[ModeKind] = &[
    ModeKind::Loopback,
    ModeKind::GigabitEthernet,
    ModeKind::VirtualTemplate,
];

pub(super) const LINES: &[Node] = &[Node::word("interface", "Select an interface to configure")
    .then(&[
        Node::value(Token::Interface, "Interface name")
            .opens(KINDS)
            .set(open)
            .then(&[Node::word("type", "Virtual-Template type")
                .only_behind(InterfaceKind::VirtualTemplate)
                .then(&[
                    Node::word("tunnel", "Tunnel type")
                        .opens(&[ModeKind::VirtualTemplate])
                        .set(open),
                    Node::refused_block("serial", "Virtual-Templates other than of type tunnel")
                        .prompting("config-if"),
                    Node::refused_block("ethernet", "Virtual-Templates other than of type tunnel")
                        .prompting("config-if"),
                    Node::refused_block("vpn", "Virtual-Templates other than of type tunnel")
                        .prompting("config-if"),
                ])])
            .unset(close),
        Node::refused_block("range", "several interfaces at once").prompting("config-if-range"),
    ])];

/// The mode of an interface's lines.
pub(super) const fn mode_of(name: &InterfaceName) -> ModeKind {
    match name.kind() {
        InterfaceKind::Loopback => ModeKind::Loopback,
        InterfaceKind::GigabitEthernet => ModeKind::GigabitEthernet,
        InterfaceKind::VirtualTemplate => ModeKind::VirtualTemplate,
    }
}

fn open(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let name = args.interface()?;
    let tunnel = args.has("type");
    if tunnel && name.value.kind() != InterfaceKind::VirtualTemplate {
        return Err(objection(
            Fault::Value,
            name.at,
            "only a Virtual-Template has a type",
        ));
    }
    let new = || Located::new(Interface::default(), edit.at.clone());
    let entry = edit
        .candidate
        .interfaces
        .entry(name.value.clone())
        .or_insert_with(new);
    entry.value.tunnel_type |= tunnel;
    *edit.mode = Mode::Interface(name.value);
    Ok(())
}

/// `no` takes an interface away, but for one that is a device; `default` takes its lines.
fn close(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let Located { value: name, at } = args.interface()?;
    let interfaces = &mut edit.candidate.interfaces;
    if edit.form == Form::Default {
        let emptied = interfaces.get_mut(&name).map(|interface| {
            let Interface {
                device,
                tunnel_type,
                ..
            } = core::mem::take(&mut interface.value);
            // What it is stays.
            interface.value.device = device;
            interface.value.tunnel_type = tunnel_type;
        });
        let is_there = emptied.is_some() || name.kind() == InterfaceKind::GigabitEthernet;
        edit.said = Some(if is_there {
            format!("Interface {name} set to default configuration")
        } else {
            format!("Interface {name} is not configured")
        });
        return Ok(());
    }
    if let Some(device) = interfaces
        .get(&name)
        .and_then(|one| one.value.device.as_ref())
    {
        let why = format!(
            "Removal of physical interfaces is not permitted: {name} is the device {}; `default interface {name}` empties it, \
             `no device` below it takes it away from that device",
            device.value
        );
        return Err(objection(Fault::Unsupported, at, why));
    }
    interfaces.remove(&name);
    Ok(())
}

/// Lines of every kind of interface.
pub(super) const ANY: &[Node] = &[
    Node::word("description", "Interface specific description")
        .then(&[Node::value(
            Token::Line,
            "Up to 200 characters describing this interface",
        )
        .set(|edit, args| {
            edit.interface()?.description = Some(String::from(args.rest()));
            Ok(())
        })])
        .unset(|edit, _| {
            edit.interface()?.description = None;
            Ok(())
        }),
    Node::word("shutdown", "Shutdown the selected interface")
        .set(|edit, _| {
            edit.interface()?.shutdown = true;
            Ok(())
        })
        .unset(|edit, _| {
            edit.interface()?.shutdown = false;
            Ok(())
        }),
    Node::refused("bandwidth", "quality of service"),
    Node::refused("cdp", "CDP"),
    // Down to the word that makes it a line of this mode: lines outside of every object begin so too.
    Node::word("crypto", "Encryption/Decryption commands").then(&[
        Node::refused("map", "crypto maps"),
        Node::refused("ipsec", "crypto maps"),
    ]),
    Node::refused("delay", "routing protocols"),
    Node::refused_even_negated("encapsulation", "VLANs (they are Linux's)"),
    Node::refused_even_negated("keepalive", "link settings (they are Linux's)"),
    Node::refused("load-interval", "interface statistics"),
    Node::refused("mop", "MOP"),
    Node::refused_even_negated(
        "mtu",
        "the link's MTU, which is Linux's (ip link set DEVICE mtu N); what tunnels carry is `ip mtu` below the Virtual-Template",
    ),
    Node::refused_even_negated("negotiation", "link settings (they are Linux's)"),
    Node::refused("service-policy", "quality of service"),
    Node::refused("vrf", "VRFs"),
    Node::refused("zone-member", "zone firewalls"),
];

pub(super) const LOOPBACK: &[Node] = &[
    Node::word("ip", "Interface Internet Protocol config commands").then(&[
        ADDRESS,
        MTU,
        NAT,
        ACCESS_GROUP,
        UNSERVED_VRF,
    ]),
    ipv6::INTERFACE,
];

pub(super) const GIGABIT_ETHERNET: &[Node] = &[
    Node::word("device", "Linux device that this interface stands for")
        .then(&[Node::value(
            Token::Name {
                label: "DEVICE",
                limit: DeviceName::LIMIT,
            },
            "Name of the Linux device, for instance eth0",
        )
        .set(|edit, args| {
            let typed = args.name()?;
            let device = DeviceName::new(typed.value.as_str()).map_err(|why: InvalidName| {
                objection(Fault::Value, typed.at.clone(), format!("{why}"))
            })?;
            edit.interface()?.device = Some(Located::new(device, typed.at));
            Ok(())
        })])
        .unset(|edit, _| {
            edit.interface()?.device = None;
            Ok(())
        }),
    Node::word("ip", "Interface Internet Protocol config commands").then(&[
        ADDRESS,
        MTU,
        TCP,
        NAT,
        ACCESS_GROUP,
        UNSERVED_VRF,
    ]),
    ipv6::INTERFACE,
];

pub(super) const VIRTUAL_TEMPLATE: &[Node] = &[
    Node::word("ip", "Interface Internet Protocol config commands").then(&[
        Node::word(
            "unnumbered",
            "Enable IP processing without an explicit address",
        )
        .then(&[
            Node::value(Token::Interface, "Interface whose address is used").set(|edit, args| {
                edit.interface()?.addressing = Addressing::Unnumbered(args.interface()?);
                Ok(())
            }),
        ])
        .unset(no_address),
        // A Virtual-Template with an address of its own breaks cloning on a router as well.
        Node::word("address", "Set the IP address of an interface")
            .then(&[
                Node::value(Token::Line, "A Virtual-Template borrows its address").set(
                    |edit, _| {
                        let why = "a Virtual-Template has no address of its own";
                        let fault = objection(Fault::Value, edit.at.clone(), why);
                        Err(fault
                            .expecting([String::from("ip unnumbered INTERFACE")])
                            .into())
                    },
                ),
            ])
            .unset(no_address),
        MTU,
        TCP,
        NAT,
        ACCESS_GROUP,
        UNSERVED_VRF,
    ]),
    ipv6::VIRTUAL_TEMPLATE,
    Node::word("tunnel", "protocol-over-protocol tunneling").then(&[
        Node::word("mode", "tunnel encapsulation method")
            .then(&[
                Node::word("ipsec", "IPSec tunnel encapsulation").then(&[
                    Node::word("ipv4", "over IPv4")
                        .set(|edit, _| set_mode(edit, TunnelMode::Ipv4))
                        .then(&[Node::word("v6-overlay", "IPv6 over IPv4")
                            .set(|edit, _| set_mode(edit, TunnelMode::Ipv6InIpv4))]),
                    Node::word("ipv6", "over IPv6")
                        .set(|edit, _| set_mode(edit, TunnelMode::Ipv6))
                        .then(&[Node::word("v4-overlay", "IPv4 over IPv6")
                            .set(|edit, _| set_mode(edit, TunnelMode::Ipv4InIpv6))]),
                    Node::word("dual-overlay", "IPv4 and IPv6 over either")
                        .set(|edit, _| set_mode(edit, TunnelMode::DualOverlay)),
                ]),
                Node::refused("gre", "GRE"),
            ])
            .unset(|edit, _| {
                edit.interface()?.tunnel_mode = None;
                Ok(())
            }),
        Node::word("protection", "Enable tunnel protection").then(&[Node::word(
            "ipsec",
            "Use ipsec to protect this tunnel interface",
        )
        .then(&[
            Node::word("profile", "Determine the ipsec policy profile to use").then(&[Node::name(
                "Profile name",
            )
            .set(|edit, args| {
                edit.interface()?.tunnel_protection = Some(args.name()?);
                Ok(())
            })]),
            Node::refused_unless_negated("initiate", "SAs that the headend begins"),
        ])
        .unset(|edit, _| {
            edit.interface()?.tunnel_protection = None;
            Ok(())
        })]),
        Node::refused(
            "source",
            "a tunnel source other than the address that a client asked",
        ),
        Node::refused("destination", "tunnels to one peer"),
        Node::refused_even_negated("path-mtu-discovery", "path MTU discovery by command"),
        Node::refused("vrf", "VRFs"),
    ]),
];

fn set_mode(edit: &mut Edit<'_>, mode: TunnelMode) -> Result<(), Box<Diagnostic>> {
    edit.interface()?.tunnel_mode = Some(mode);
    Ok(())
}

const ADDRESS: Node = Node::word("address", "Set the IP address of an interface")
    .then(&[
        Node::value(Token::Ipv4, "IP address").then(&[Node::value(
            Token::Netmask,
            "IP subnet mask",
        )
        .set(set_address)
        .then(&[Node::refused("secondary", "secondary addresses")])]),
        Node::refused("dhcp", "addresses by DHCP (they are Linux's)"),
        Node::refused("negotiated", "PPP"),
    ])
    .unset(no_address);

const MTU: Node = Node::word("mtu", "Set IP Maximum Transmission Unit")
    .then(&[Node::number(68, 17_940, "MTU (bytes)").set(|edit, args| {
        edit.interface()?.ip_mtu = Some(args.number()?);
        Ok(())
    })])
    .unset(|edit, _| {
        edit.interface()?.ip_mtu = None;
        Ok(())
    });

const TCP: Node = Node::word("tcp", "TCP interface commands").then(&[Node::word(
    "adjust-mss",
    "Adjust the mss of transit packets",
)
.then(&[
    Node::number(500, 1460, "Maximum segment size in bytes").set(|edit, args| {
        edit.interface()?.tcp_adjust_mss = Some(args.number()?);
        Ok(())
    }),
])
.unset(|edit, _| {
    edit.interface()?.tcp_adjust_mss = None;
    Ok(())
})]);

const NAT: Node =
    Node::word("nat", "NAT interface commands").then(&[Node::choice(NatSide::KEYWORDS)
        .set(|edit, args| {
            let side = args.keyword(NatSide::from_keyword)?.value;
            edit.interface()?.nat = Some(side);
            Ok(())
        })
        .unset(|edit, args| {
            let side = args.keyword(NatSide::from_keyword)?.value;
            let interface = edit.interface()?;
            if interface.nat == Some(side) {
                interface.nat = None;
            }
            Ok(())
        })]);

const ACCESS_GROUP: Node = Node::refused("access-group", "packet filters");
const UNSERVED_VRF: Node = Node::refused("vrf", "VRFs");

fn set_address(edit: &mut Edit<'_>, args: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    let (address, mask) = (args.ipv4()?, args.netmask()?);
    let network = Ipv4Net::with_mask(address.value, mask.value).filter(|network| {
        let host = u32::from(address.value) & !u32::from(network.mask());
        let broadcast = !u32::from(network.mask());
        // A /31 or /32 has no network or broadcast address to keep free.
        let usable = network.length() >= 31 || (host != 0 && host != broadcast);
        usable && !address.value.is_unspecified() && !address.value.is_multicast()
    });
    let Some(network) = network else {
        let why = "not an address of a host in its network";
        return Err(objection(Fault::Value, address.at, why));
    };
    let value = InterfaceAddress {
        address: address.value,
        network,
    };
    edit.interface()?.addressing = Addressing::Static(Located::new(value, address.at));
    Ok(())
}

fn no_address(edit: &mut Edit<'_>, _: &mut Args<'_>) -> Result<(), Box<Diagnostic>> {
    edit.interface()?.addressing = Addressing::None;
    Ok(())
}
