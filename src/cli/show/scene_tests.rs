//! Every command that reads sessions, in every scene: `tests/golden/show/scenes/COMMAND.txt` has what it says in each of them
//! under the scene's name.

use std::net::Ipv4Addr;

use super::{
    tests::{
        address, assert_golden, dual_stack_sa, gcm_sa, ipv6_sa, negotiating_sa, rekeying_sa,
        seed_sa, state,
    },
    *,
};
use crate::state::{IkeSa, Ipv6Pool, Pool, PoolUse, State};

/// What there is, and its name.
fn scenes() -> [(&'static str, State); 8] {
    [
        ("none", Vec::new()),
        ("in negotiation", vec![negotiating_sa()]),
        ("behind a NAT, AES-CBC", vec![seed_sa()]),
        ("without NAT, AES-GCM", vec![gcm_sa()]),
        ("over IPv6", vec![ipv6_sa()]),
        ("addresses of both families", vec![dual_stack_sa()]),
        ("while it is rekeyed", vec![rekeying_sa()]),
        (
            "several",
            vec![seed_sa(), negotiating_sa(), ipv6_sa(), gcm_sa()],
        ),
    ]
    .map(|(name, sas)| (name, with_pools(sas)))
}

/// Sessions with the pools that their addresses are from.
fn with_pools(sas: Vec<IkeSa>) -> State {
    let held = || {
        let sessions = sas.iter().filter_map(|sa| Some((sa, sa.session.as_ref()?)));
        sessions.flat_map(|(sa, session)| {
            let of = (session.virtual_access, sa.remote_eap_id.clone());
            sa.assigned.iter().map(move |&one| (one, of.clone()))
        })
    };
    let ipv4 = held().filter_map(|(address, (virtual_access, user))| match address {
        IpAddr::V4(address) => Some(PoolUse {
            address,
            virtual_access,
            user,
        }),
        IpAddr::V6(_) => None,
    });
    let ipv6 = held().filter_map(|(address, (virtual_access, user))| match address {
        IpAddr::V6(address) => Some(PoolUse {
            address,
            virtual_access,
            user,
        }),
        IpAddr::V4(_) => None,
    });
    let pools = vec![Pool {
        name: "ACPool".into(),
        first: Ipv4Addr::new(192, 168, 10, 5),
        last: Ipv4Addr::new(192, 168, 10, 10),
        in_use: ipv4.collect(),
    }];
    let ipv6_pools = vec![Ipv6Pool {
        name: "ACPool6".into(),
        prefix: ("2001:db8:2::".parse().unwrap(), 48),
        assigned: 64,
        size: 65_536,
        in_use: ipv6.collect(),
    }];
    State {
        pools,
        ipv6_pools,
        ..state(sas)
    }
}

/// The interface of the first session, or what would be its.
fn first_interface(state: &State) -> u32 {
    let mut sessions = state.ike_sas.iter().filter_map(|sa| sa.session.as_ref());
    sessions.next().map_or(1, |session| session.virtual_access)
}

type Command = (&'static str, fn(State) -> Facts);

const COMMANDS: [Command; 24] = [
    ("aaa_sessions", Facts::AaaSessions),
    ("crypto_session", |state| {
        Facts::CryptoSession(state, SessionQuery::default())
    }),
    ("crypto_session_active", |state| {
        let filter = Some(SessionFilter::Active);
        let detail = false;
        Facts::CryptoSession(state, SessionQuery { detail, filter })
    }),
    ("crypto_session_brief", Facts::CryptoSessionBrief),
    ("crypto_session_detail", |state| {
        let filter = None;
        let detail = true;
        Facts::CryptoSession(state, SessionQuery { detail, filter })
    }),
    ("crypto_session_groups", Facts::CryptoSessionGroups),
    ("crypto_session_summary", Facts::CryptoSessionSummary),
    ("derived_config", |state| {
        let number = first_interface(&state);
        Facts::DerivedConfig(state, number)
    }),
    ("ikev2_sa", |state| {
        Facts::Ikev2Sa(state, Ikev2SaQuery::default())
    }),
    ("ikev2_sa_detailed", |state| {
        let filter = None;
        let detailed = true;
        Facts::Ikev2Sa(state, Ikev2SaQuery { detailed, filter })
    }),
    ("ikev2_session", |state| Facts::Ikev2Session(state, false)),
    ("ikev2_session_detailed", |state| {
        Facts::Ikev2Session(state, true)
    }),
    ("interface", |state| {
        let number = first_interface(&state);
        Facts::Interface(state, number)
    }),
    ("interface_configuration", |state| {
        let number = first_interface(&state);
        Facts::InterfaceLines(state, number)
    }),
    ("ip_local_pool", |state| Facts::IpLocalPool(state, None)),
    ("ip_local_pool_named", |state| {
        Facts::IpLocalPool(state, Some("ACPool".into()))
    }),
    ("ip_route", |state| Facts::IpRoute(state, Vec::new(), None)),
    ("ip_route_to", |state| {
        Facts::IpRoute(state, Vec::new(), Some(address("192.168.10.8")))
    }),
    ("ipv6_route_to", |state| {
        Facts::Ipv6Route(state, Some(address("2001:db8::1")))
    }),
    ("ipsec_sa", |state| {
        Facts::IpsecSa(state, IpsecSaQuery::default())
    }),
    ("ipsec_sa_count", Facts::IpsecSaCount),
    ("ipsec_sa_detail", |state| {
        let filter = None;
        let detail = true;
        Facts::IpsecSa(state, IpsecSaQuery { detail, filter })
    }),
    ("ipv6_local_pool", |state| {
        Facts::Ipv6LocalPool(state, Some("ACPool6".into()))
    }),
    ("users", |state| Facts::Users(state, Vec::new())),
];

#[test]
fn every_command_is_as_on_a_router_in_every_scene() {
    for (command, facts) in COMMANDS {
        let mut all = String::new();
        for (scene, state) in scenes() {
            let said = match facts(state).text() {
                Ok(text) => text,
                Err(why) => format!("{why}\n"),
            };
            all += &format!("-------- {scene}\n{said}");
        }
        assert_golden(&format!("scenes/{command}"), &all);
    }
}
