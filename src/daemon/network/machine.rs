//! The seam between what is wanted of the network and the kernel.

use std::net::IpAddr;

use ironflex_xfrm::netlink::{
    Firewall, KernelErrno, Link, LinkAddress, LinkIndex, NetlinkError, Network, NewLink, Route,
    Ruleset, xfrm_interfaces,
};

/// A machine's devices, addresses, routes and packet filter. Each method is one request: it is done, or refused and
/// everything is as before. Errors are those of the methods of the same name of [`Network`].
pub(in crate::daemon) trait Machine: Send {
    /// Puts an address on a device.
    fn add_address(&mut self, address: &LinkAddress) -> Result<(), NetlinkError>;
    /// Adds a route.
    fn add_route(&mut self, route: &Route) -> Result<(), NetlinkError>;
    /// The addresses of all devices, in the order in which they came.
    fn addresses(&mut self) -> Result<Vec<LinkAddress>, NetlinkError>;
    /// Makes a device.
    fn create_link(&mut self, link: &NewLink) -> Result<LinkIndex, NetlinkError>;
    /// Takes an address off a device.
    fn delete_address(&mut self, address: &LinkAddress) -> Result<(), NetlinkError>;
    /// Removes a device with all that is on it.
    fn delete_link(&mut self, index: LinkIndex) -> Result<(), NetlinkError>;
    /// Removes a route.
    fn delete_route(&mut self, route: &Route) -> Result<(), NetlinkError>;
    /// Whether the kernel has xfrm interfaces.
    fn has_xfrm_interfaces(&mut self) -> Result<bool, NetlinkError>;
    /// All devices.
    fn links(&mut self) -> Result<Vec<Link>, NetlinkError>;
    /// By which device packets to an address leave.
    fn next_hop(&mut self, address: IpAddr) -> Result<LinkIndex, NetlinkError>;
    /// Replaces the rules around the pools. After an error they are what they were, but for one that says that it may have been
    /// done.
    fn replace_rules(&mut self, ruleset: &Ruleset) -> Result<Filtered, NetlinkError>;
    /// Our routes.
    fn routes(&mut self) -> Result<Vec<Route>, NetlinkError>;
    /// Writes an owner's mark on a device.
    fn set_alias(&mut self, index: LinkIndex, alias: &str) -> Result<(), NetlinkError>;
    /// Sets the largest packet of a device, in octets.
    fn set_mtu(&mut self, index: LinkIndex, mtu: u32) -> Result<(), NetlinkError>;
    /// Sets a device up or down.
    fn set_up(&mut self, index: LinkIndex, up: bool) -> Result<(), NetlinkError>;
}

/// What became of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::daemon) enum Filtered {
    /// They hold.
    Done,
    /// This kernel has no packet filter, as its refusal of them says.
    Lacking(NetlinkError),
}

impl Machine for Network {
    fn add_address(&mut self, address: &LinkAddress) -> Result<(), NetlinkError> {
        self.add_address(address)
    }

    fn add_route(&mut self, route: &Route) -> Result<(), NetlinkError> {
        self.add_route(route)
    }

    fn addresses(&mut self) -> Result<Vec<LinkAddress>, NetlinkError> {
        self.addresses()
    }

    fn create_link(&mut self, link: &NewLink) -> Result<LinkIndex, NetlinkError> {
        self.create_link(link)
    }

    fn delete_address(&mut self, address: &LinkAddress) -> Result<(), NetlinkError> {
        self.delete_address(address)
    }

    fn delete_link(&mut self, index: LinkIndex) -> Result<(), NetlinkError> {
        self.delete_link(index)
    }

    fn delete_route(&mut self, route: &Route) -> Result<(), NetlinkError> {
        self.delete_route(route)
    }

    fn has_xfrm_interfaces(&mut self) -> Result<bool, NetlinkError> {
        xfrm_interfaces(self)
    }

    fn links(&mut self) -> Result<Vec<Link>, NetlinkError> {
        self.links()
    }

    fn next_hop(&mut self, address: IpAddr) -> Result<LinkIndex, NetlinkError> {
        self.next_hop(address).map(|hop| hop.link)
    }

    /// In one transaction: they are the new ones or, after an error, the old ones; after [`NetlinkError::Unanswered`] they may be
    /// either.
    fn replace_rules(&mut self, ruleset: &Ruleset) -> Result<Filtered, NetlinkError> {
        let error = match Firewall::open().and_then(|mut firewall| firewall.replace(ruleset)) {
            Err(error) if is_unsupported(&error) => error,
            result => return result.map(|()| Filtered::Done),
        };
        // Where a table can be made, what is lacking is something else, and a guard that is wanted and cannot be had is
        // an error.
        if has_tables()? {
            return Err(error);
        }
        Ok(Filtered::Lacking(error))
    }

    fn routes(&mut self) -> Result<Vec<Route>, NetlinkError> {
        self.routes()
    }

    fn set_alias(&mut self, index: LinkIndex, alias: &str) -> Result<(), NetlinkError> {
        self.set_alias(index, alias)
    }

    fn set_mtu(&mut self, index: LinkIndex, mtu: u32) -> Result<(), NetlinkError> {
        self.set_mtu(index, mtu)
    }

    fn set_up(&mut self, index: LinkIndex, up: bool) -> Result<(), NetlinkError> {
        self.set_up(index, up)
    }
}

/// Whether nf_tables takes a table at all, found out by making one where none of ours is.
fn has_tables() -> Result<bool, NetlinkError> {
    let mut firewall = match Firewall::open() {
        Ok(firewall) => firewall,
        Err(error) if is_unsupported(&error) => return Ok(false),
        Err(error) => return Err(error),
    };
    if firewall.exists()? {
        return Ok(true);
    }
    if firewall.replace(&Ruleset::default()).is_err() {
        return Ok(false);
    }
    firewall.delete()
}

/// Whether the kernel lacks what was asked for.
pub(super) fn is_unsupported(error: &NetlinkError) -> bool {
    matches!(
        error.errno(),
        Some(KernelErrno::EOPNOTSUPP | KernelErrno::EPROTONOSUPPORT)
    )
}
