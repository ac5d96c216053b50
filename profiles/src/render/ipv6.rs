//! The lines of IPv6.

use core::fmt::{self, Write};

use super::{Writer, Written};
use crate::model::{
    Candidate,
    acl6::{Ipv6AccessEntry, Ipv6AccessList},
    ikev2::Ipv6Authorization,
    interface::Ipv6Lines,
    net::Ipv6Net,
};

impl Writer {
    pub(super) fn ipv6_pools(&mut self, candidate: &Candidate) -> fmt::Result {
        for entry in candidate.ipv6_pools.iter() {
            let (prefix, assigned) = (entry.value.prefix(), entry.value.assigned());
            line!(self, "ipv6 local pool {} {prefix} {assigned}", entry.name)?;
        }
        Ok(())
    }

    pub(super) fn ipv6_access_lists(&mut self, candidate: &Candidate) -> fmt::Result {
        for entry in candidate.ipv6_access_lists.iter() {
            line!(self, "ipv6 access-list {}", entry.name)?;
            self.ipv6_access_list(&entry.value)?;
            self.separate()?;
        }
        Ok(())
    }

    pub(super) fn ipv6_interface(&mut self, ipv6: &Ipv6Lines) -> fmt::Result {
        let addresses = ipv6.addresses.iter().map(|one| one.value);
        each!(self, addresses, " ipv6 address {}");
        let other = ipv6.unnumbered.as_ref().map(|other| &other.value);
        each!(self, other, " ipv6 unnumbered {}");
        if ipv6.enable {
            line!(self, " ipv6 enable")?;
        }
        Ok(())
    }

    pub(super) fn ipv6_authorization(&mut self, ipv6: &Ipv6Authorization) -> fmt::Result {
        let list = ipv6.route_set_access_list.as_ref().map(|list| &list.value);
        each!(self, list, " route set access-list ipv6 {}");
        each!(self, &ipv6.route_set_remote, " route set remote ipv6 {}");
        let pool = ipv6.pool.as_ref().map(|pool| &pool.value);
        each!(self, pool, " ipv6 pool {}");
        self.list(" ipv6 dns", &ipv6.dns)?;
        each!(self, ipv6.prefix, " ipv6 prefix {}");
        Ok(())
    }

    fn ipv6_access_list(&mut self, list: &Ipv6AccessList) -> fmt::Result {
        for (number, entry) in &list.entries {
            write!(self.0, " sequence {number}")?;
            match &entry.value {
                Ipv6AccessEntry::Remark(text) => line!(self, " remark {text}")?,
                Ipv6AccessEntry::Rule {
                    decision,
                    source,
                    destination,
                } => {
                    let (source, destination) = (Written(*source), Written(*destination));
                    line!(self, " {decision} ipv6 {source} {destination}")?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Written<Ipv6Net> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ipv6Net::ANY => f.write_str("any"),
            net if net.length() == 128 => write!(f, "host {}", net.address()),
            net => write!(f, "{net}"),
        }
    }
}
