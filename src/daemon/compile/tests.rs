//! What a configuration comes to for the core.

use ironflex_profiles::PeerIdentity;

use super::{super::configure::tests::Scene, *};

// `show running-config all` tells these numbers, which the lines' own crate has for itself.
#[test]
fn what_holds_without_a_line_is_what_the_protocol_has() {
    let nothing = ironflex_profiles::parse("", "test").candidate;
    let snapshot = ironflex_profiles::resolve(&nothing).unwrap();
    let ours = endpoint(&snapshot, Vec::new());
    let own = EndpointConfig::new(Vec::new());
    assert_eq!(ours.cookie_watermark, own.cookie_watermark);
    assert_eq!(ours.negotiating_limit, own.negotiating_limit);
    assert_eq!(ours.sa_limit, own.sa_limit);
}

/// What holds for the sessions of the example's profile once these lines are typed.
fn upkeep(lines: &str) -> Upkeep {
    let mut scene = Scene::new();
    let id = scene.begin(None);
    assert_eq!(scene.types(id, lines), "");
    scene.end(id);
    let serving = scene.driver.house.plan.profiles.get("AnyConnect-EAP");
    let caller = Caller {
        from: [192, 0, 2, 100].into(),
        claimed: PeerIdentity::Other,
    };
    let config = serving
        .unwrap()
        .peer_config([192, 0, 2, 1].into(), None, caller);
    config.unwrap().upkeep
}

#[test]
fn a_session_is_kept_up_as_its_profiles_say() {
    let lines = "crypto ikev2 profile AnyConnect-EAP\n lifetime 7200\n dpd 30 5 periodic\n nat keepalive 20\n\
                 crypto ipsec profile AnyConnect-EAP\n set pfs group19\n";
    let expected = Upkeep {
        liveness: Some(Liveness {
            interval: Duration::from_secs(30),
            retry: Duration::from_secs(5),
        }),
        further_children: false,
        mobike: true,
        keepalive: Some(Duration::from_secs(20)),
        pfs: Pfs::Required(vec![Group::EcpP256]),
        pfs_additional: Vec::new(),
        lifetime: Some(Duration::from_secs(7_200)),
    };
    assert_eq!(upkeep(lines), expected);
}

#[test]
fn a_session_is_kept_up_as_on_a_router_where_its_profiles_say_nothing() {
    let expected = Upkeep {
        liveness: None,
        further_children: false,
        mobike: true,
        keepalive: None,
        pfs: Pfs::Accepted(Group::DIFFIE_HELLMAN.to_vec()),
        pfs_additional: any_ml_kem(),
        lifetime: Some(Duration::from_secs(86_400)),
    };
    assert_eq!(upkeep(""), expected);
}
