//! What the headend puts into the kernel beside SAs: devices, addresses, routes, the guard around
//! the pools, address translation. All of it is known by our marks and goes when the daemon goes.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    num::NonZeroU32,
};

use ironflex_profiles::{
    model::interface::{Addressing, InterfaceKind, InterfaceName},
    snapshot::Snapshot,
};
use ironflex_xfrm::{
    IpPrefix,
    netlink::{
        CleanupScope, DEVICE_ALIAS, Firewall, KernelErrno, LinkAddress, LinkIndex, LinkKind,
        Masquerade, NetlinkError, Network, NewLink, PoolGuard, Removed, Route, Ruleset, SourceRule,
        cleanup, sysctl, xfrm_interfaces,
    },
};

/// The TUN device of userspace ESP.
pub const TUN: &str = "ironflex0";

/// The MTU of sessions' devices where no template says `ip mtu`, in octets.
pub const DEFAULT_MTU: u16 = 1400;

/// Added to a template's number for the `if_id` of its xfrm interface.
const IF_ID_BASE: u32 = 0x4900_0000;

/// How clients' packets get in and out.
pub enum Carrier {
    /// By one device for all: the TUN device of userspace ESP.
    Device(LinkIndex),
    /// By an xfrm interface for each Virtual-Template, by its number.
    XfrmInterfaces(BTreeMap<u32, (LinkIndex, NonZeroU32)>),
    /// By policies alone, with a route to each client on the outer device.
    Policies,
    /// Not at all: SAs are only recorded.
    Nothing,
}

/// The headend's part of the network.
pub struct HouseNetwork {
    network: Option<Network>,
    carrier: Carrier,
    pools: Vec<IpPrefix>,
}

/// Something that could not be put in place, though the headend can run without it.
pub type Warning = String;

/// Which Virtual-Templates there are, with their MTU.
pub fn templates(snapshot: &Snapshot) -> impl Iterator<Item = (u32, u16)> {
    snapshot.interfaces.values().filter_map(|interface| {
        let number = template_number(&interface.name)?;
        Some((number, interface.ip_mtu.unwrap_or(DEFAULT_MTU)))
    })
}

/// The number of a Virtual-Template.
#[must_use]
pub fn template_number(name: &InterfaceName) -> Option<u32> {
    (name.kind() == InterfaceKind::VirtualTemplate)
        .then(|| name.to_string())
        .and_then(|text| text.strip_prefix("Virtual-Template")?.parse().ok())
}

/// Removes what an earlier process left, but for what keeps pool addresses from travelling in clear.
///
/// # Errors
///
/// Of netlink.
pub fn clear_leftovers() -> Result<Removed, NetlinkError> {
    cleanup(CleanupScope::KeepGuards)
}

impl HouseNetwork {
    /// A network that touches nothing, for the recorder.
    #[must_use]
    pub const fn untouched() -> Self {
        Self {
            network: None,
            carrier: Carrier::Nothing,
            pools: Vec::new(),
        }
    }

    /// Puts everything in place that does not belong to a session. `device` is the TUN device, if
    /// there is one.
    ///
    /// # Errors
    ///
    /// Of netlink, where the headend would leak or could not carry anything without it; nothing of it stays then.
    pub fn set_up(
        snapshot: &Snapshot,
        device: Option<&str>,
        kernel_ipsec: bool,
    ) -> Result<(Self, Vec<Warning>), NetlinkError> {
        Self::build(snapshot, device, kernel_ipsec).inspect_err(|_| {
            // The error that led here is the one to report.
            let _ = cleanup(CleanupScope::Everything);
        })
    }

    fn build(
        snapshot: &Snapshot,
        device: Option<&str>,
        kernel_ipsec: bool,
    ) -> Result<(Self, Vec<Warning>), NetlinkError> {
        let mut warnings = Vec::new();
        let mut network = Network::open()?;
        let mut carriers = Vec::new();
        let carrier = match device {
            Some(name) => {
                let index = find(&mut network, name)?;
                network.set_alias(index, DEVICE_ALIAS)?;
                network.set_up(index, true)?;
                carriers.push(name.to_owned());
                Carrier::Device(index)
            }
            None if xfrm_interfaces(&mut network)? => {
                let mut made = BTreeMap::new();
                for (number, mtu) in templates(snapshot) {
                    let Some(if_id) = IF_ID_BASE.checked_add(number).and_then(NonZeroU32::new)
                    else {
                        continue;
                    };
                    let name = format!("ironflex-vt{number}");
                    let index = network.create_link(&NewLink {
                        name: name.clone(),
                        alias: Some(DEVICE_ALIAS.into()),
                        kind: LinkKind::Xfrm {
                            if_id: if_id.get(),
                            underlying: None,
                        },
                    })?;
                    network.set_mtu(index, u32::from(mtu))?;
                    network.set_up(index, true)?;
                    carriers.push(name);
                    made.insert(number, (index, if_id));
                }
                Carrier::XfrmInterfaces(made)
            }
            None => Carrier::Policies,
        };
        let pools: Vec<IpPrefix> = snapshot
            .pools
            .values()
            .flat_map(|pool| &pool.ranges)
            .flat_map(|range| IpPrefix::spanning(range.first().into(), range.last().into()))
            .collect();
        // Before anything can be sent to a client there is a route that leads nowhere beneath its own.
        for &pool in &pools {
            network.add_route(&Route::guard(pool))?;
        }
        give_up_other_guards(&mut network, &pools)?;
        let mut house = Self {
            network: Some(network),
            carrier,
            pools,
        };
        house.firewall(snapshot, carriers, kernel_ipsec, &mut warnings)?;
        house.loopbacks(snapshot, &mut warnings)?;
        match sysctl::ipv4_forwarding() {
            Ok(true) => {}
            Ok(false) => warnings.push(
                "net.ipv4.ip_forward is 0: clients reach this machine and nothing behind it; \
                 'sysctl -w net.ipv4.ip_forward=1' turns forwarding on"
                    .into(),
            ),
            Err(error) => warnings.push(format!("cannot tell whether IPv4 is forwarded: {error}")),
        }
        Ok((house, warnings))
    }

    fn firewall(
        &self,
        snapshot: &Snapshot,
        carriers: Vec<String>,
        kernel_ipsec: bool,
        warnings: &mut Vec<Warning>,
    ) -> Result<(), NetlinkError> {
        let mut ruleset = Ruleset::default();
        for rule in &snapshot.nat {
            let Some(device) = &rule.interface.device else {
                warnings.push(format!(
                    "ip nat inside source list {} interface {} overload has no effect: {} is tied to no device \
                     ('device NAME' under the interface, or --device {}=NAME)",
                    rule.access_list, rule.interface.name, rule.interface.name, rule.interface.name
                ));
                continue;
            };
            let sources = rule.networks.iter().filter_map(|network| {
                Some(SourceRule {
                    network: IpPrefix::new(network.address().into(), network.length())?,
                    permit: true,
                })
            });
            ruleset.masquerades.push(Masquerade {
                outside: device.as_str().to_owned(),
                sources: sources.collect(),
                kernel_ipsec,
            });
        }
        if !self.pools.is_empty() {
            ruleset.guard = Some(PoolGuard {
                pools: self.pools.clone(),
                carriers,
                kernel_ipsec,
            });
        }
        let masquerades = !ruleset.masquerades.is_empty();
        let put = |ruleset| Firewall::open().and_then(|mut firewall| firewall.replace(ruleset));
        match put(&ruleset) {
            // Where an empty table can be made, what is lacking is something else, and a guard that is wanted and
            // cannot be had is an error.
            Err(error) if is_unsupported(&error) && put(&Ruleset::default()).is_ok() => Err(error),
            // The unreachable routes hold without it, and with the kernel's ESP so do the policies of each session.
            Err(error) if is_unsupported(&error) => {
                warnings.push(format!(
                    "this kernel has no nf_tables ({error}): packets that claim a pool address{} are not dropped{}",
                    match self.carrier {
                        Carrier::Policies => " which no client holds",
                        _ => "",
                    },
                    match masquerades {
                        true => ", and 'ip nat inside source' has no effect",
                        false => "",
                    }
                ));
                Ok(())
            }
            result => result,
        }
    }

    /// Loopback interfaces: addresses on a device of our own; on the carrier where the kernel has no
    /// dummy devices.
    fn loopbacks(
        &mut self,
        snapshot: &Snapshot,
        warnings: &mut Vec<Warning>,
    ) -> Result<(), NetlinkError> {
        let Some(network) = &mut self.network else {
            return Ok(());
        };
        for interface in snapshot.interfaces.values() {
            let Addressing::Static(address) = &interface.addressing else {
                continue;
            };
            if interface.name.kind() != InterfaceKind::Loopback {
                continue;
            }
            let name = interface
                .name
                .to_string()
                .replace("Loopback", "ironflex-lo");
            let made = network.create_link(&NewLink {
                name,
                alias: Some(DEVICE_ALIAS.into()),
                kind: LinkKind::Dummy,
            });
            let link = match (made, &self.carrier) {
                (Ok(index), _) => {
                    network.set_up(index, true)?;
                    index
                }
                (Err(_), Carrier::Device(index)) => *index,
                (Err(error), _) => {
                    warnings.push(format!(
                        "{} has no device, so its address {} is not there: {error}",
                        interface.name, address.address
                    ));
                    continue;
                }
            };
            network.add_address(&LinkAddress {
                link,
                address: IpAddr::V4(address.address),
                prefix_length: address.network.length(),
            })?;
        }
        Ok(())
    }

    /// The `if_id` of a Virtual-Template's interface, where there are xfrm interfaces.
    #[must_use]
    pub fn if_id(&self, template: u32) -> Option<NonZeroU32> {
        match &self.carrier {
            Carrier::XfrmInterfaces(made) => made.get(&template).map(|&(_, if_id)| if_id),
            _ => None,
        }
    }

    /// Leads a session's client to its tunnel. Returns the routes that were made.
    ///
    /// # Errors
    ///
    /// Of netlink; nothing stays then.
    pub fn add_session(
        &mut self,
        template: u32,
        peer: IpAddr,
        client: Ipv4Addr,
    ) -> Result<Vec<Route>, NetlinkError> {
        let Some(network) = &mut self.network else {
            return Ok(Vec::new());
        };
        let link = match &self.carrier {
            Carrier::Device(index) => Some(*index),
            Carrier::XfrmInterfaces(made) => made.get(&template).map(|&(index, _)| index),
            // Where reverse path filtering wants it: on the device that ESP comes in by.
            Carrier::Policies => Some(network.next_hop(peer)?.link),
            Carrier::Nothing => None,
        };
        let Some(link) = link else {
            return Ok(Vec::new());
        };
        let route = Route::session(IpPrefix::host(client.into()), link);
        network.add_route(&route)?;
        Ok(vec![route])
    }

    /// Takes a session's routes away; one that is gone already is no error.
    ///
    /// # Errors
    ///
    /// Of netlink.
    pub fn remove_session(&mut self, routes: &[Route]) -> Result<(), NetlinkError> {
        let Some(network) = &mut self.network else {
            return Ok(());
        };
        for route in routes {
            match network.delete_route(route) {
                Err(error) if !error.is_absent() => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes everything of ours.
    ///
    /// # Errors
    ///
    /// Of netlink; the rest was still tried.
    pub fn tear_down(self) -> Result<(), NetlinkError> {
        if self.network.is_some() {
            cleanup(CleanupScope::Everything)?;
        }
        Ok(())
    }
}

fn is_unsupported(error: &NetlinkError) -> bool {
    matches!(
        error.errno(),
        Some(KernelErrno::EOPNOTSUPP | KernelErrno::EPROTONOSUPPORT)
    )
}

/// Removes the unreachable routes that a crashed process left beneath pools which are not configured any more.
fn give_up_other_guards(network: &mut Network, pools: &[IpPrefix]) -> Result<(), NetlinkError> {
    for route in network.routes()? {
        let guard = route == Route::guard(route.destination);
        if guard && !pools.contains(&route.destination) {
            match network.delete_route(&route) {
                Err(error) if !error.is_absent() => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

fn find(network: &mut Network, name: &str) -> Result<LinkIndex, NetlinkError> {
    match network.link(name)? {
        Some(link) => Ok(link.index),
        None => Err(NetlinkError::Unusable {
            operation: format!("use device {name}"),
            what: "it is not there".into(),
        }),
    }
}
