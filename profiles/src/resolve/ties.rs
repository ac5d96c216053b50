//! What is to be said of interfaces and the devices of Linux that they stand for.

use alloc::{format, string::ToString, vec::Vec};

use crate::{
    error::{Diagnostic, Fault},
    model::{
        Candidate,
        interface::{Addressing, InterfaceKind},
    },
};

/// Warns of each GigabitEthernet that is tied to no device: its lines are about nothing. A file may leave that to the command
/// line, so that nobody is warned who only reads one. Rules of address translation are told of where they are put to work, and
/// their interfaces are not told of here. And warns of each line `device` that the command line overrules.
pub fn ties(candidate: &Candidate) -> Vec<Diagnostic> {
    untied(candidate).chain(overruled(candidate)).collect()
}

fn untied(candidate: &Candidate) -> impl Iterator<Item = Diagnostic> {
    let interfaces = candidate.interfaces.iter();
    let untied = interfaces.filter(|(name, entry)| {
        let mut rules = candidate.nat_rules.iter();
        // Of a sub-interface it is said in any case.
        name.kind() == InterfaceKind::GigabitEthernet
            && name.subinterface().is_none()
            && entry.value.device_at_work().is_none()
            && !rules.any(|rule| rule.value.interface.value == **name)
    });
    untied.map(|(name, entry)| {
        let message = format!(
            "{name} is tied to no device, so its lines have no effect: write `device NAME` below it, or start with --device {name}=NAME"
        );
        let fault = Diagnostic::warning(Fault::Incomplete, entry.at.clone(), message);
        fault.expecting(["device DEVICE".to_string()])
    })
}

/// Warns of each address of a GigabitEthernet that is tied to a device by its lines. One that is shut down has none.
pub(crate) fn vain_addresses(candidate: &Candidate) -> Vec<Diagnostic> {
    let interfaces = candidate.interfaces.iter();
    let tied = interfaces.filter_map(|(name, entry)| {
        let lines = &entry.value;
        let serves = name.kind() == InterfaceKind::GigabitEthernet && !lines.shutdown;
        let device = &lines.device_at_work().filter(|_| serves)?.value;
        Some((device, lines))
    });
    tied.flat_map(|(device, lines)| {
        let ipv4 = match &lines.addressing {
            Addressing::Static(address) => Some(&address.at),
            Addressing::None | Addressing::Unnumbered(_) => None,
        };
        let ipv6 = lines.ipv6.addresses.iter().map(|one| &one.at);
        ipv4.into_iter().chain(ipv6).map(move |at| {
            let message = format!(
                "this gives {device} no address: the addresses of a Linux device are the machine's to set"
            );
            Diagnostic::warning(Fault::Unsupported, at.clone(), message)
        })
    })
    .collect()
}

fn overruled(candidate: &Candidate) -> impl Iterator<Item = Diagnostic> {
    let interfaces = candidate.interfaces.iter();
    interfaces.filter_map(|(name, entry)| {
        let (tied, device) = (entry.value.tied.as_ref()?, entry.value.device.as_ref()?);
        let message = format!(
            "`device {}` has no effect while the headend runs with --device {name}={}",
            device.value, tied.value
        );
        let warning = || Diagnostic::warning(Fault::Conflict, device.at.clone(), message);
        (tied.value != device.value).then(warning)
    })
}
