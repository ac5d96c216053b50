//! Child SAs, by IPsec and by IKEv2, in every form.

use super::{
    tests::{address, negotiating_sa, rekeying_sa, several, state},
    *,
};
use crate::state::State;

fn rekeying() -> State {
    state(vec![rekeying_sa()])
}

#[test]
fn a_session_without_a_child_sa_has_none() {
    let none = "No IPSec SA found.\n";
    let text = ipsec_sa(&state(vec![negotiating_sa()]), &IpsecSaQuery::default());
    assert_eq!(text, none);
}

#[test]
fn child_sas_are_found_by_peer_and_by_interface_and_counted() {
    let shown = |filter| {
        let filter = Some(filter);
        let detail = false;
        ipsec_sa(&several(), &IpsecSaQuery { detail, filter })
    };
    let peer = |text| shown(IpsecSaFilter::Peer(address(text)));
    assert_eq!(peer("198.51.100.200").matches("interface: ").count(), 1);
    assert_eq!(peer("198.51.100.201"), "No IPSec SA found.\n");
    let third = shown(IpsecSaFilter::Interface(3));
    assert!(
        third.starts_with("\ninterface: Virtual-Access3\n"),
        "{third}"
    );
    assert_eq!(shown(IpsecSaFilter::Interface(4)), "No IPSec SA found.\n");
    assert_eq!(
        ipsec_sa_count(&several()),
        "IPsec SA total: 6, active: 6, rekeying: 0, unused: 0, invalid: 0\n"
    );
    assert_eq!(
        ipsec_sa_count(&rekeying()),
        "IPsec SA total: 4, active: 2, rekeying: 2, unused: 0, invalid: 0\n"
    );
}
