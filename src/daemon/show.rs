//! Gathers the facts behind a `show` command. They are told outside of the loop.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use ironflex_ikev2::event::Instant;

use super::{driver::Driver, snapshot::state, statistics};
use crate::cli::{
    exec::Show,
    show::{Configured, Facts},
};

/// The facts at this moment.
pub fn facts(driver: &mut Driver, what: Show) -> Facts {
    match what {
        Show::Clock => Facts::Clock(SystemTime::now()),
        Show::CryptoSession(query) => Facts::CryptoSession(state(driver), query),
        Show::CryptoSessionBrief => Facts::CryptoSessionBrief(state(driver)),
        Show::CryptoSessionSummary => Facts::CryptoSessionSummary(state(driver)),
        Show::Debugging => Facts::Debugging(driver.house.log.flags),
        Show::DerivedConfig { virtual_access } => {
            Facts::DerivedConfig(state(driver), virtual_access)
        }
        Show::Ikev2Sa(query) => Facts::Ikev2Sa(state(driver), query),
        Show::Ikev2Session { detailed } => Facts::Ikev2Session(state(driver), detailed),
        Show::Ikev2Stats(which) => {
            let since = statistics::statistics(driver).since(&driver.cleared);
            Facts::Ikev2Stats(Box::new(since), which)
        }
        Show::IpLocalPool { name } => Facts::IpLocalPool(state(driver), name),
        Show::IpsecSa(query) => Facts::IpsecSa(state(driver), query),
        Show::IpsecSaCount => Facts::IpsecSaCount(state(driver)),
        Show::Ipv6LocalPool { name } => Facts::Ipv6LocalPool(state(driver), name),
        Show::Metrics => Facts::Metrics(statistics::metrics(driver)),
        Show::Object { kind, name } => {
            let house = &driver.house;
            let configured = Configured {
                lines: house.configured.clone(),
                resolved: Arc::clone(&house.plan.snapshot),
            };
            Facts::Object(Box::new(configured), kind, name)
        }
        Show::RunningConfig => Facts::RunningConfig(driver.house.running_config.clone()),
        Show::Version => Facts::Version {
            hostname: driver.house.plan.snapshot.hostname.to_string(),
            up: driver.clock.now().since(Instant::new(Duration::ZERO)),
        },
    }
}
