//! Lines below an interface that the command line ties to a device.

use super::*;

/// A headend that runs with `--device GigabitEthernet1=eth0`.
fn with_a_tie() -> Scene {
    let mut scene = Scene::new();
    let house = &mut scene.driver.house;
    let interface = InterfaceName::parse("GigabitEthernet1").unwrap();
    let device = DeviceName::new("eth0").unwrap();
    house
        .configured
        .tie_device(interface.clone(), device.clone());
    house.configure.devices = vec![(interface, device)];
    scene
}

fn device_at_work(scene: &Scene) -> Option<String> {
    let mut interfaces = scene.driver.house.configured.interfaces.iter();
    let (_, gi1) = interfaces.find(|(name, _)| name.to_string() == "GigabitEthernet1")?;
    gi1.value
        .device_at_work()
        .map(|device| device.value.to_string())
}

#[test]
fn a_device_that_the_command_line_overrules_is_told_of() {
    let mut scene = with_a_tie();
    let id = scene.begin(None);
    let note = "% Note: `device eth1` has no effect while the headend runs with --device GigabitEthernet1=eth0\n";
    let said = scene.types(id, "interface GigabitEthernet1\n device eth1");
    assert!(said.contains(note), "{said}");
    // The same device is no contradiction.
    let said = scene.types(id, "interface GigabitEthernet1\n device eth0");
    assert!(!said.contains("has no effect"), "{said}");
    scene.end(id);
}

#[test]
fn an_interface_that_is_removed_and_made_again_is_tied_as_before() {
    let mut scene = with_a_tie();
    let id = scene.begin(None);
    scene.types(id, "no interface GigabitEthernet1");
    let running = &scene.driver.house.running_config;
    assert!(!running.contains("GigabitEthernet1\n"), "{running}");
    let said = scene.types(id, "interface GigabitEthernet1\n ip nat outside");
    assert!(!said.contains("tied to no device"), "{said}");
    assert_eq!(device_at_work(&scene).as_deref(), Some("eth0"));
    // In one go as well.
    scene.types(
        id,
        "no interface GigabitEthernet1\ninterface GigabitEthernet1\n ip nat outside",
    );
    assert_eq!(device_at_work(&scene).as_deref(), Some("eth0"));
    scene.end(id);
}

#[test]
fn the_device_of_an_option_is_no_other_interfaces_too() {
    let mut scene = with_a_tie();
    scene.machine.add_device("eth0");
    let id = scene.begin(None);
    let said = scene.types(id, "interface GigabitEthernet0/0/0\n device eth0");
    assert_eq!(
        said,
        "% Warning: `device eth0` ties GigabitEthernet0/0/0 to nothing: `eth0` is GigabitEthernet1, tied by \
         --device GigabitEthernet1=eth0; it stays inactive\n"
    );
    let what = crate::cli::exec::Show::InterfaceBrief(None);
    let facts = crate::daemon::show::facts(&mut scene.driver, what);
    let shown = facts.text().unwrap();
    // The device is there, and it is down.
    let is_it = |name: &str| {
        let mut lines = shown.lines();
        let line = lines.find(|line| line.starts_with(name)).unwrap();
        line.contains("administratively down")
    };
    let both = ["GigabitEthernet0/0/0 ", "GigabitEthernet1 "].map(is_it);
    assert_eq!(both, [false, true], "{shown}");
    scene.end(id);
}
