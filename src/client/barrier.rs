//! What keeps in a client that has lost its tunnel, and connects again, what belongs into the tunnel.
//!
//! ```text
//!   main table        HEADEND via what leads there without us
//!                     each assigned network unreachable            (beneath the tunnel's own routes, while that is up)
//!                     a family without an address: unreachable     (unless there is a split list)
//! ```
//!
//! It is put up before the first packet can go into the tunnel, and stands until the client ends for good: between a loss and the
//! next tunnel nothing leaves in clear, and it does not have to be put up in the moment of the loss. The headend alone is
//! led out, for IKE: with it whatever else is sent to that one address.

use std::net::IpAddr;

use ironflex_xfrm::{
    IpPrefix,
    netlink::{MAIN_TABLE, NetlinkError, Network, NextHop, Owner, Route, RouteTarget},
};

use super::network::speaks;

/// The routes, under the marks of one owner.
pub(super) struct Barrier {
    network: Network,
    owner: Owner,
    unreachable: Vec<Route>,
    /// The way to the headend.
    way: Option<Route>,
}

impl Barrier {
    /// None of the routes yet.
    ///
    /// # Errors
    ///
    /// Of netlink.
    pub(super) fn new(owner: Owner) -> Result<Self, NetlinkError> {
        Ok(Self {
            network: Network::open(owner)?,
            owner,
            unreachable: Vec::new(),
            way: None,
        })
    }

    /// Whether anything is kept in.
    pub(super) const fn stands(&self) -> bool {
        !self.unreachable.is_empty()
    }

    /// All that it has in the kernel.
    pub(super) fn routes(&self) -> Vec<Route> {
        let unreachable = self.unreachable.iter();
        unreachable.chain(&self.way).copied().collect()
    }

    /// Keeps in these networks and no others, once `headend` has a way of its own by `hop`.
    ///
    /// # Errors
    ///
    /// Of netlink; what stood before still does.
    pub(super) fn put_up(
        &mut self,
        headend: IpAddr,
        hop: &NextHop,
        networks: &[IpPrefix],
    ) -> Result<(), NetlinkError> {
        self.lead_by(headend, hop)?;
        let mut wanted = Vec::new();
        for &network in networks {
            let route = Route::guard(self.owner, network);
            match self.network.add_route(&route) {
                Ok(()) => {
                    // What stands is known at once: after an error it goes with the rest.
                    if !self.unreachable.contains(&route) {
                        self.unreachable.push(route);
                    }
                    wanted.push(route);
                }
                // Where the family is switched off, nothing leaves by it.
                Err(_) if !speaks(&mut self.network, network.address())? => {}
                Err(error) => return Err(error),
            }
        }
        let former = std::mem::replace(&mut self.unreachable, wanted);
        for route in former {
            if !self.unreachable.contains(&route) {
                let _ = self.network.delete_route(&route);
            }
        }
        Ok(())
    }

    /// The way to a headend, if any, is the one that others' routes give now.
    ///
    /// # Errors
    ///
    /// Of netlink: the way is what it was.
    pub(super) fn lead(&mut self, headend: IpAddr) -> Result<Option<NextHop>, NetlinkError> {
        let hop = self.network.next_hop_of_others(headend)?;
        if let Some(hop) = &hop {
            self.lead_by(headend, hop)?;
        }
        Ok(hop)
    }

    fn lead_by(&mut self, headend: IpAddr, hop: &NextHop) -> Result<(), NetlinkError> {
        let wanted = Route {
            destination: IpPrefix::host(headend),
            target: match hop.gateway {
                Some(address) => RouteTarget::Gateway {
                    address,
                    link: Some(hop.link),
                },
                None => RouteTarget::Link(hop.link),
            },
            metric: self.owner.metric(),
            source: None,
            table: MAIN_TABLE,
        };
        // A device that went down has taken the route with it.
        if self.way != Some(wanted) || !self.network.routes()?.contains(&wanted) {
            self.network.add_route(&wanted)?;
        }
        let former = self.way.replace(wanted);
        // One of the same place has given way already.
        if let Some(former) = former.filter(|one| one.destination != wanted.destination) {
            let _ = self.network.delete_route(&former);
        }
        Ok(())
    }
}

impl Drop for Barrier {
    fn drop(&mut self) {
        for route in self.routes() {
            let _ = self.network.delete_route(&route);
        }
    }
}
