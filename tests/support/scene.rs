//! What a namespace holds, whoever made it: to be compared before and after.

use std::net::IpAddr;

use super::{
    foreign::{self, ForeignRoute},
    lab::Lab,
};

/// Everything in the headend's namespace that it may touch, but for the rules of nftables, which have numbers
/// ([`foreign::rules`]).
#[derive(Debug, PartialEq)]
pub(crate) struct Scene {
    pub(crate) links: Vec<String>,
    /// Those of IPv4; links draw lots for some of IPv6.
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) routes: Vec<ForeignRoute>,
    pub(crate) tables: Vec<String>,
    /// Whether the control socket is there.
    pub(crate) control: bool,
}

impl Scene {
    pub(crate) fn of(lab: &Lab) -> Self {
        let namespace = &lab.headend.namespace;
        let mut addresses = lab.headend.addresses();
        addresses.retain(IpAddr::is_ipv4);
        Self {
            links: lab.headend.links(),
            addresses,
            routes: foreign::routes(namespace),
            tables: foreign::tables(namespace),
            control: lab.control().exists(),
        }
    }
}
