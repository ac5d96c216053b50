//! What an install, a removal and a clean-up make of the kernel.

use std::num::NonZeroU32;

use ironflex_xfrm::netlink::{
    ALL_ALGORITHMS, CleanupScope, LinkKind, NewLink, Owner, Removed, Route, missing_algorithms,
    xfrm_interfaces,
};
use ironflex_xfrm::{Dataplane, Encapsulation, Error, Object, SaPair};

use super::{GCM, Lab, UDP, id, pair};
use crate::Ignored;
use crate::support::{Side, cabled, ip, prefix};

cases![
    a_kernel_without_esp_is_named_and_left_clean,
    a_failed_install_is_undone_in_reverse,
    a_later_session_keeps_the_policies_it_took_over,
    cleanup_clears_a_crash_and_leaves_foreign_sas,
    an_interface_ties_sas_and_policies_together,
];

fn a_kernel_without_esp_is_named_and_left_clean() -> Result<(), Ignored> {
    let (left, _right) = cabled();
    let mut dataplane = left.dataplane();
    let missing = missing_algorithms(&mut dataplane, &ALL_ALGORITHMS);
    if missing.is_empty() {
        return Err(Ignored("the kernel has ESP with every algorithm".into()));
    }
    for (algorithm, error) in &missing {
        assert!(
            matches!(error, Error::Unsupported(_)),
            "{algorithm}: {error}"
        );
    }
    let error = dataplane
        .install(&pair(1, missing[0].0, Encapsulation::None))
        .unwrap_err();
    assert!(matches!(error, Error::Unsupported(_)), "{error}");
    assert_eq!(dataplane.counters(id(1)), Err(Error::NoSuchSession(id(1))));
    assert!(
        left.clean_up(Owner::Headend, CleanupScope::Everything)
            .is_empty()
    );
    Ok(())
}

fn a_failed_install_is_undone_in_reverse() -> Result<(), Ignored> {
    let mut lab = Lab::new(&[GCM])?;
    let pair = pair(1, GCM, Encapsulation::None);

    // Someone else's policy for the last of ours, and later someone else's SA in the place of the outbound one, which
    // comes after everything else.
    let policy = "src 0.0.0.0/0 dst 10.10.0.5/32 dir out";
    lab.left.ip(&format!("xfrm policy add {policy}"));
    let before = Lab::listing(&lab.left);
    assert_eq!(
        lab.headend.install(&pair),
        Err(Error::Exists(Object::Policy))
    );
    assert_eq!(Lab::listing(&lab.left), before);
    lab.left.ip(&format!("xfrm policy delete {policy}"));

    let state = format!(
        "src 192.0.2.1 dst 192.0.2.2 proto esp spi {:#x}",
        pair.outbound.spi.value()
    );
    add_foreign_state(&lab.left, &state);
    let before = Lab::listing(&lab.left);
    assert_eq!(
        lab.headend.install(&pair),
        Err(Error::Exists(Object::Outbound(pair.outbound.spi)))
    );
    assert_eq!(
        Lab::listing(&lab.left),
        before,
        "the foreign SA is untouched, and nothing of ours is there"
    );
    lab.left.ip(&format!("xfrm state delete {state}"));

    // A session that was about to take over policies gives them back.
    lab.install(&pair);
    assert!(lab.ping(100));
    let mut second = super::pair(2, GCM, Encapsulation::None);
    second.outbound.spi = pair.outbound.spi;
    let before = Lab::listing(&lab.left).1;
    assert_eq!(
        lab.headend.install(&second),
        Err(Error::Exists(Object::Outbound(pair.outbound.spi)))
    );
    assert_eq!(Lab::listing(&lab.left).1, before);
    assert!(lab.ping(100));
    assert_eq!(
        lab.headend.install(&pair),
        Err(Error::Exists(Object::Session(id(1))))
    );
    second.inbound.spi = pair.inbound.spi;
    assert_eq!(
        lab.headend.install(&second),
        Err(Error::Exists(Object::Inbound(pair.inbound.spi)))
    );
    lab.remove(id(1));
    lab.assert_clean();
    Ok(())
}

fn a_later_session_keeps_the_policies_it_took_over() -> Result<(), Ignored> {
    let mut lab = Lab::new(&[GCM])?;
    lab.install(&pair(1, GCM, Encapsulation::None));
    assert!(lab.ping(100));
    lab.install(&pair(2, GCM, Encapsulation::None));
    assert!(lab.ping(100));
    assert_eq!(
        lab.headend.counters(id(2)).unwrap().inbound.packets,
        1,
        "the new session carries it"
    );
    lab.remove(id(1));
    assert!(lab.ping(100));
    lab.remove(id(2));
    lab.assert_clean();
    assert_eq!(lab.headend.remove(id(2)), Err(Error::NoSuchSession(id(2))));
    Ok(())
}

fn cleanup_clears_a_crash_and_leaves_foreign_sas() -> Result<(), Ignored> {
    let mut lab = Lab::new(&[GCM])?;
    add_foreign_state(
        &lab.left,
        "src 192.0.2.9 dst 192.0.2.1 proto esp spi 0x9999",
    );
    lab.left
        .ip("xfrm policy add src 10.98.0.1 dst 10.98.0.2 dir out tmpl proto esp reqid 1");
    let before = Lab::listing(&lab.left);
    lab.headend
        .install(&pair(1, GCM, Encapsulation::None))
        .unwrap();
    lab.headend.install(&pair(2, GCM, UDP)).unwrap();
    assert_ne!(Lab::listing(&lab.left), before);
    // Forgotten, as by a crash.
    lab.headend = lab.left.dataplane();
    let removed = lab.left.clean_up(Owner::Headend, CleanupScope::KeepGuards);
    // Two sessions with the same selectors: three policies, and the one route of the laboratory.
    assert_eq!(
        removed,
        Removed {
            routes: 1,
            policies: 3,
            states: 4,
            ..Removed::default()
        }
    );
    assert_eq!(Lab::listing(&lab.left), before);
    Ok(())
}

fn an_interface_ties_sas_and_policies_together() -> Result<(), Ignored> {
    let mut lab = Lab::new(&[GCM])?;
    if !xfrm_interfaces(&mut lab.left.network).unwrap() {
        return Err(Ignored("the kernel has no xfrm interfaces".into()));
    }
    let if_id = NonZeroU32::new(7);
    let kind = LinkKind::Xfrm {
        if_id: 7,
        underlying: None,
    };
    let new = NewLink {
        name: "ironflex1".into(),
        alias: Some(Owner::Headend.alias()),
        kind,
    };
    let tunnel = lab.left.network.create_link(&new).unwrap();
    lab.left.network.set_up(tunnel, true).unwrap();
    let cable_route = lab.left.network.routes().unwrap()[0];
    lab.left.network.delete_route(&cable_route).unwrap();
    let mut network = lab.left.open_network();
    network
        .add_route(&Route {
            source: Some(ip("10.1.0.1")),
            ..Route::onto(Owner::Headend, prefix("10.10.0.0/16"), tunnel)
        })
        .unwrap();

    let pair = SaPair {
        if_id,
        ..pair(1, GCM, Encapsulation::None)
    };
    lab.install(&pair);
    assert!(lab.ping(1000));
    assert!(lab.left.pings("10.1.0.1", "10.10.0.5", 1000));
    let (headend, _) = lab.remove(id(1));
    assert_eq!((headend.inbound.packets, headend.outbound.packets), (2, 2));
    lab.assert_clean();

    // A crash with the interface in use.
    lab.headend.install(&pair).unwrap();
    let removed = lab.left.clean_up(Owner::Headend, CleanupScope::Everything);
    let expected = Removed {
        routes: 1,
        policies: 3,
        states: 2,
        links: vec!["ironflex1".into()],
        ..Removed::default()
    };
    assert_eq!(removed, expected);
    Ok(())
}

/// Adds an SA that is someone else's, named as `ip xfrm` names it.
fn add_foreign_state(side: &Side, name: &str) {
    let key = "77".repeat(20);
    side.ip(&format!(
        "xfrm state add {name} mode tunnel reqid 1 aead rfc4106(gcm(aes)) 0x{key} 128"
    ));
}
