//! `ip nat`.

use super::{Located, interface::InterfaceName, keywords, name::Name};

/// `ip nat inside source list ACCESS-LIST interface INTERFACE overload`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NatRule {
    /// The access list whose networks are translated.
    pub access_list: Located<Name>,
    /// The interface whose address they take.
    pub interface: Located<InterfaceName>,
}

keywords! {
    /// `ip nat inside` or `ip nat outside` of an interface.
    pub enum NatSide {
        /// Where the addresses to be translated come from.
        Inside = "inside", "Inside interface for address translation";
        /// Where they go to.
        Outside = "outside", "Outside interface for address translation";
    }
    refused {
        "enable", "NAT without sides (NVI)";
    }
}
