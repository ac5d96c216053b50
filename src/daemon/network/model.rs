//! A machine that is a value: what it has after a change can be compared with what it had before, and it refuses what a test
//! wants refused. Addresses behave as Linux has them with `promote_secondaries` 0, its default.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use ironflex_xfrm::{
    IpPrefix,
    netlink::{
        KernelErrno, Link, LinkAddress, LinkIndex, LinkKind, NetlinkError, NewLink, Route, Ruleset,
    },
};

use super::machine::{Filtered, Machine};

/// What a machine has.
#[derive(Clone, Debug, Default)]
struct State {
    links: Vec<Link>,
    addresses: Vec<LinkAddress>,
    routes: Vec<Route>,
    rules: Ruleset,
    /// The number of the last device that was made.
    last: u32,
    kinds: Kinds,
    /// How many requests go well before one is refused.
    patience: Option<usize>,
    /// Whether it refuses all that come after that one, too.
    for_good: bool,
    /// Whether its answer to the next change of the rules is lost.
    loses_answer: bool,
}

/// Which devices the kernel can make.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::daemon) struct Kinds {
    pub(in crate::daemon) dummy: bool,
    pub(in crate::daemon) xfrm: bool,
}

/// A handle on it.
#[derive(Clone, Debug, Default)]
pub(in crate::daemon) struct Model(Arc<Mutex<State>>);

/// What it has, as far as a headend's change can matter: not how its devices are numbered.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::daemon) struct Seen {
    /// Name, mark, whether it is up, and MTU.
    pub(in crate::daemon) links: Vec<(String, Option<String>, bool, u32)>,
    /// By the names of their devices, and in the order in which they came.
    pub(in crate::daemon) addresses: Vec<(String, IpAddr, u8)>,
    pub(in crate::daemon) routes: Vec<String>,
    pub(in crate::daemon) rules: Ruleset,
}

impl Model {
    /// A machine without devices of ours.
    pub(in crate::daemon) fn new(kinds: Kinds) -> Self {
        let model = Self::default();
        model.state().kinds = kinds;
        model
    }

    /// Gives it a device that is none of ours.
    pub(in crate::daemon) fn add_device(&self, name: &str) {
        self.state().add(name, None, "tun");
    }

    /// From here on it does so many requests more, refuses one, and then does all.
    pub(in crate::daemon) fn refuse_after(&self, requests: usize) {
        self.state().patience = Some(requests);
    }

    /// The same, and it does none after that one.
    pub(in crate::daemon) fn refuse_for_good_after(&self, requests: usize) {
        let mut state = self.state();
        (state.patience, state.for_good) = (Some(requests), true);
    }

    /// It changes the rules the next time that it is asked to, and its answer is lost.
    pub(in crate::daemon) fn lose_an_answer(&self) {
        self.state().loses_answer = true;
    }

    /// Whether it has refused by now. It refuses no more.
    pub(in crate::daemon) fn has_refused(&self) -> bool {
        self.state().patience.take().is_none()
    }

    /// What it has.
    pub(in crate::daemon) fn seen(&self) -> Seen {
        let state = self.state();
        let name = |index| {
            let links = &mut state.links.iter();
            links.find(|link| link.index == index).unwrap().name.clone()
        };
        let links = state.links.iter();
        let mut links: Vec<_> = links
            .map(|link| (link.name.clone(), link.alias.clone(), link.up, link.mtu))
            .collect();
        links.sort();
        let addresses = state.addresses.iter();
        let mut addresses: Vec<_> = addresses
            .map(|one| (name(one.link), one.address, one.prefix_length))
            .collect();
        // Only in one network on one device does it matter which came first.
        let place = |(name, address, length): &(String, IpAddr, u8)| {
            (name.clone(), IpPrefix::new(*address, *length))
        };
        addresses.sort_by_key(place);
        let routes = state.routes.iter();
        let mut routes: Vec<_> = routes.map(|route| format!("{route:?}")).collect();
        routes.sort();
        Seen {
            links,
            addresses,
            routes,
            rules: state.rules.clone(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// One request more.
    fn asked(&self) -> Result<MutexGuard<'_, State>, NetlinkError> {
        let mut state = self.state();
        match state.patience {
            None => Ok(state),
            Some(0) => {
                if !state.for_good {
                    state.patience = None;
                }
                Err(refused(KernelErrno(nix::libc::ENOMEM)))
            }
            Some(left) => {
                state.patience = Some(left.saturating_sub(1));
                Ok(state)
            }
        }
    }
}

fn refused(errno: KernelErrno) -> NetlinkError {
    NetlinkError::Refused {
        operation: "a request of the test".into(),
        errno,
        reason: None,
    }
}

impl State {
    fn add(&mut self, name: &str, alias: Option<String>, kind: &str) -> LinkIndex {
        self.last = self.last.saturating_add(1);
        let index = LinkIndex::new(self.last).unwrap();
        self.links.push(Link {
            index,
            name: name.into(),
            alias,
            kind: Some(kind.into()),
            up: false,
            running: false,
            mtu: 1500,
            hardware: None,
            traffic: Default::default(),
        });
        index
    }

    fn link(&mut self, index: LinkIndex) -> Result<&mut Link, NetlinkError> {
        let link = self.links.iter_mut().find(|link| link.index == index);
        link.ok_or_else(|| refused(KernelErrno::ENODEV))
    }
}

/// The network that an IPv4 address puts its device into.
fn network(one: &LinkAddress) -> Option<(LinkIndex, IpPrefix)> {
    let prefix = IpPrefix::new(one.address, one.prefix_length)?;
    one.address.is_ipv4().then_some((one.link, prefix))
}

impl Machine for Model {
    fn add_address(&mut self, address: &LinkAddress) -> Result<(), NetlinkError> {
        let mut state = self.asked()?;
        state.link(address.link)?;
        let is_there = state.addresses.iter().any(|one| {
            one.link == address.link
                && one.address == address.address
                && (one.address.is_ipv6() || one.prefix_length == address.prefix_length)
        });
        if is_there {
            return Err(refused(KernelErrno::EEXIST));
        }
        state.addresses.push(*address);
        Ok(())
    }

    fn add_route(&mut self, route: &Route) -> Result<(), NetlinkError> {
        let mut state = self.asked()?;
        if !state.routes.contains(route) {
            state.routes.push(*route);
        }
        Ok(())
    }

    fn addresses(&mut self) -> Result<Vec<LinkAddress>, NetlinkError> {
        Ok(self.asked()?.addresses.clone())
    }

    fn create_link(&mut self, link: &NewLink) -> Result<LinkIndex, NetlinkError> {
        let mut state = self.asked()?;
        let kind = match link.kind {
            LinkKind::Dummy if state.kinds.dummy => "dummy",
            LinkKind::Xfrm { .. } if state.kinds.xfrm => "xfrm",
            _ => return Err(refused(KernelErrno::EOPNOTSUPP)),
        };
        if state.links.iter().any(|other| other.name == link.name) {
            return Err(refused(KernelErrno::EEXIST));
        }
        Ok(state.add(&link.name, link.alias.clone(), kind))
    }

    fn delete_address(&mut self, address: &LinkAddress) -> Result<(), NetlinkError> {
        let mut state = self.asked()?;
        let all = &mut state.addresses;
        let place = all.iter().position(|one| one == address);
        let place = place.ok_or_else(|| refused(KernelErrno::EADDRNOTAVAIL))?;
        let own = network(address);
        let of_own = |one: &LinkAddress| own.is_some() && network(one) == own;
        if all.iter().position(of_own) == Some(place) {
            // It came first, and those that came behind it go with it.
            all.retain(|one| !of_own(one));
        } else {
            all.remove(place);
        }
        Ok(())
    }

    fn delete_link(&mut self, index: LinkIndex) -> Result<(), NetlinkError> {
        let mut state = self.asked()?;
        state.link(index)?;
        state.links.retain(|link| link.index != index);
        state.addresses.retain(|one| one.link != index);
        Ok(())
    }

    fn delete_route(&mut self, route: &Route) -> Result<(), NetlinkError> {
        let mut state = self.asked()?;
        let place = state.routes.iter().position(|one| one == route);
        let place = place.ok_or_else(|| refused(KernelErrno::ESRCH))?;
        state.routes.remove(place);
        Ok(())
    }

    fn has_xfrm_interfaces(&mut self) -> Result<bool, NetlinkError> {
        Ok(self.asked()?.kinds.xfrm)
    }

    fn links(&mut self) -> Result<Vec<Link>, NetlinkError> {
        Ok(self.asked()?.links.clone())
    }

    fn next_hop(&mut self, _: IpAddr) -> Result<LinkIndex, NetlinkError> {
        drop(self.asked()?);
        Err(refused(KernelErrno(nix::libc::ENETUNREACH)))
    }

    fn replace_rules(&mut self, ruleset: &Ruleset) -> Result<Filtered, NetlinkError> {
        let mut state = self.asked()?;
        state.rules = ruleset.clone();
        if std::mem::take(&mut state.loses_answer) {
            return Err(NetlinkError::Unanswered {
                operation: "test".into(),
                why: Box::new(refused(KernelErrno::ENOBUFS)),
            });
        }
        Ok(Filtered::Done)
    }

    fn routes(&mut self) -> Result<Vec<Route>, NetlinkError> {
        Ok(self.asked()?.routes.clone())
    }

    fn set_alias(&mut self, index: LinkIndex, alias: &str) -> Result<(), NetlinkError> {
        self.asked()?.link(index)?.alias = Some(alias.to_owned());
        Ok(())
    }

    fn set_mtu(&mut self, index: LinkIndex, mtu: u32) -> Result<(), NetlinkError> {
        self.asked()?.link(index)?.mtu = mtu;
        Ok(())
    }

    fn set_up(&mut self, index: LinkIndex, up: bool) -> Result<(), NetlinkError> {
        self.asked()?.link(index)?.up = up;
        Ok(())
    }
}
