//! Child SAs, by IPsec and by IKEv2, in every form.

use super::{
    tests::{
        address, assert_golden, dual_stack_sa, gcm_sa, ipv6_sa, negotiating_sa, seed_sa, several,
        state,
    },
    *,
};
use crate::state::{SpiPair, State};

const DETAIL: IpsecSaQuery = IpsecSaQuery {
    detail: true,
    filter: None,
};

/// The seed's session while its child SA is rekeyed.
fn rekeying() -> State {
    let mut sa = seed_sa();
    let session = sa.session.as_mut().unwrap();
    session.children[0].rekeying = vec![SpiPair {
        inbound_spi: 0x0ABC_DEF0,
        outbound_spi: 0xFEDC_BA98,
    }];
    state(vec![sa])
}

#[test]
fn child_sas_of_every_kind_are_printed_as_on_a_router() {
    let brief = IpsecSaQuery::default();
    for (name, sas, query) in [
        ("ipsec_sa_nat", vec![seed_sa()], brief),
        ("ipsec_sa_detail_gcm_no_nat", vec![gcm_sa()], DETAIL),
        ("ipsec_sa_ipv6", vec![ipv6_sa()], brief),
        ("ipsec_sa_dual_stack", vec![dual_stack_sa()], brief),
    ] {
        assert_golden(name, &ipsec_sa(&state(sas), &query));
    }
    assert_golden("ipsec_sa_several", &ipsec_sa(&several(), &brief));
    assert_golden("ipsec_sa_rekeying", &ipsec_sa(&rekeying(), &brief));
    let none = "No IPSec SA found.\n";
    assert_eq!(ipsec_sa(&State::default(), &brief), none);
    assert_eq!(ipsec_sa(&state(vec![negotiating_sa()]), &brief), none);
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

#[test]
fn ikev2_sessions_are_printed_with_their_child_sas() {
    let all = several();
    assert_golden("ikev2_session", &ikev2_session(&all, false));
    assert_golden("ikev2_session_detailed", &ikev2_session(&all, true));
    assert_golden(
        "ikev2_session_detailed_gcm",
        &ikev2_session(&state(vec![gcm_sa()]), true),
    );
    assert_eq!(ikev2_session(&State::default(), true), "");
}

#[test]
fn crypto_sessions_have_a_line_each_and_users_their_number() {
    assert_golden("crypto_session_table", &crypto_session_brief(&several()));
    assert_golden(
        "crypto_session_summary",
        &crypto_session_summary(&several()),
    );
    assert_golden(
        "crypto_session_table_none",
        &crypto_session_brief(&State::default()),
    );
    assert_eq!(crypto_session_summary(&State::default()), "");
}
