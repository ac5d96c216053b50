//! `show ip local pool [NAME]`.

use std::{
    collections::BTreeSet,
    fmt::{self, Write},
    net::Ipv4Addr,
};

use super::text;
use crate::state::{Pool, State};

/// As many free addresses as are listed before three dots: a pool may hold millions.
const LISTED: usize = 4096;

/// The ranges of every pool, or of one with its addresses.
///
/// # Errors
///
/// The text for whoever asks, if there is no pool of that name.
pub fn ip_local_pool(state: &State, name: Option<&str>) -> Result<String, String> {
    let ranges: Vec<&Pool> = match name {
        None => state.pools.iter().collect(),
        Some(name) => state
            .pools
            .iter()
            .filter(|pool| pool.name == name)
            .collect(),
    };
    match name {
        None => Ok(text(|out| table(out, &ranges))),
        Some(name) if ranges.is_empty() => Err(format!("% Pool {name} does not exist")),
        Some(_) => Ok(text(|out| {
            table(out, &ranges)?;
            available(out, &ranges)?;
            in_use(out, &ranges)
        })),
    }
}

fn table(out: &mut impl Write, ranges: &[&Pool]) -> fmt::Result {
    writeln!(
        out,
        " {:<25}{:<16}{:<16}{:>4}{:>8}{:>10}",
        "Pool", "Begin", "End", "Free", "In use", "Blocked"
    )?;
    let mut last = None;
    for range in ranges {
        // The name stands at the first of a pool's ranges.
        let name = if last == Some(&range.name) {
            ""
        } else {
            &range.name
        };
        last = Some(&range.name);
        let size = u64::from(range.last.to_bits())
            .saturating_sub(range.first.to_bits().into())
            .saturating_add(1);
        let used = range.in_use.len();
        let free = size.saturating_sub(u64::try_from(used).unwrap_or(u64::MAX));
        // Rust pads an address only through its text.
        let (first, end) = (range.first.to_string(), range.last.to_string());
        writeln!(
            out,
            " {name:<25}{first:<16}{end:<16}{free:>4}{used:>8}{:>10}",
            0
        )?;
    }
    Ok(())
}

fn available(out: &mut impl Write, ranges: &[&Pool]) -> fmt::Result {
    writeln!(out, "Available addresses:")?;
    let used: BTreeSet<_> = ranges
        .iter()
        .flat_map(|range| range.in_use.iter().map(|one| one.address))
        .collect();
    let mut free = ranges
        .iter()
        .flat_map(|range| range.first.to_bits()..=range.last.to_bits())
        .map(Ipv4Addr::from_bits)
        .filter(|address| !used.contains(address));
    for address in free.by_ref().take(LISTED) {
        writeln!(out, "   {address}")?;
    }
    if free.next().is_some() {
        writeln!(out, "   ...")?;
    }
    Ok(())
}

fn in_use(out: &mut impl Write, ranges: &[&Pool]) -> fmt::Result {
    writeln!(out)?;
    writeln!(out, "Inuse addresses:")?;
    for one in ranges.iter().flat_map(|range| &range.in_use) {
        let address = one.address.to_string();
        writeln!(out, "   {address:<16}Virtual-Access{}", one.virtual_access)?;
    }
    Ok(())
}
