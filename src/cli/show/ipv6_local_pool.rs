//! `show ipv6 local pool [NAME]`.

use std::{
    fmt::{self, Write},
    net::{IpAddr, Ipv6Addr},
};

use super::{Address, text};
use crate::{
    cli::Printable,
    state::{Ipv6Pool, State},
};

/// Every pool, or one with who holds what of it.
///
/// # Errors
///
/// The text for whoever asks, if there is no pool of that name.
pub fn ipv6_local_pool(state: &State, name: Option<&str>) -> Result<String, String> {
    let Some(name) = name else {
        return Ok(text(|out| table(out, &state.ipv6_pools)));
    };
    let mut pools = state.ipv6_pools.iter();
    match pools.find(|pool| pool.name == name) {
        None => Err(format!("% Pool {name} does not exist")),
        Some(pool) => Ok(text(|out| one(out, pool))),
    }
}

/// How many a pool can still give.
fn free(pool: &Ipv6Pool) -> u64 {
    let used = u64::try_from(pool.in_use.len()).unwrap_or(u64::MAX);
    pool.size.saturating_sub(used)
}

fn prefix((address, length): (Ipv6Addr, u8)) -> String {
    format!("{}/{length}", Address(IpAddr::V6(address)))
}

fn table(out: &mut impl Write, pools: &[Ipv6Pool]) -> fmt::Result {
    writeln!(
        out,
        "{:<22}{:<40}{:>20}{:>8}",
        "Pool", "Prefix", "Free", "In use"
    )?;
    for pool in pools {
        let (name, prefix, used) = (&pool.name, prefix(pool.prefix), pool.in_use.len());
        writeln!(out, "{name:<22}{prefix:<40}{:>20}{used:>8}", free(pool))?;
    }
    Ok(())
}

fn one(out: &mut impl Write, pool: &Ipv6Pool) -> fmt::Result {
    let (whole, used) = (prefix(pool.prefix), pool.in_use.len());
    writeln!(out, "Prefix is {whole} assign /{} prefix", pool.assigned)?;
    writeln!(
        out,
        "{used} entries in use, {} available, 0 rejected",
        free(pool)
    )?;
    writeln!(out, "0 entries cached, 0 maximum")?;
    writeln!(out, "{:<26}{:<41}Interface", "User", "Prefix")?;
    for held in &pool.in_use {
        let user = Printable(held.user.as_deref().unwrap_or_default()).to_string();
        let prefix = prefix((held.address, pool.assigned));
        writeln!(out, "{user:<26}{prefix:<41}Vi{}", held.virtual_access)?;
    }
    Ok(())
}
