use super::*;
use crate::config::{KEYS, Sources};

fn machine() -> Machine {
    Machine { battery: None, load_per_cpu: Some(0.5), metered: None, online: Some(true) }
}

fn battery(percent: u8, discharging: bool) -> Machine {
    Machine { battery: Some(Battery { percent, discharging }), ..machine() }
}

#[track_caller]
fn check(machine: &Machine, local: &[Gate], network: &[Gate]) {
    let limits = Limits { min_battery_percent: 10.0, eco_mode_percent: 20.0, max_load: 4.0 };
    assert_eq!(shut(machine, limits, Needs::Local), local);
    assert_eq!(shut(machine, limits, Needs::Network), network);
}

#[test]
fn an_unknown_machine_holds_nothing_back() {
    check(&Machine::default(), &[], &[]);
}

#[test]
fn a_battery_shuts_gates_only_while_it_is_drained() {
    check(&battery(20, true), &[], &[]);
    check(&battery(19, true), &[], &[Gate::Eco { percent: 19 }]);
    check(&battery(10, true), &[], &[Gate::Eco { percent: 10 }]);
    check(&battery(9, true), &[Gate::BatteryCritical { percent: 9 }], &[Gate::BatteryCritical { percent: 9 }]);
    check(&battery(1, false), &[], &[]);
}

#[test]
fn load_counts_above_the_limit() {
    let load = |load| Machine { load_per_cpu: Some(load), ..machine() };
    check(&load(4.0), &[], &[]);
    check(&load(4.25), &[Gate::Load { percent: 425 }], &[Gate::Load { percent: 425 }]);
    check(&load(1e300), &[Gate::Load { percent: u32::MAX }], &[Gate::Load { percent: u32::MAX }]);
    check(&load(f64::NAN), &[], &[]);
}

#[test]
fn the_network_matters_only_to_those_that_need_it() {
    check(&Machine { metered: Some(true), ..machine() }, &[], &[Gate::Metered]);
    check(&Machine { metered: Some(false), ..machine() }, &[], &[]);
    check(&Machine { online: Some(false), ..machine() }, &[], &[Gate::Offline]);
    check(&Machine { online: None, ..machine() }, &[], &[]);
}

#[test]
fn gates_are_named_in_order() {
    let all = Machine { load_per_cpu: Some(5.0), metered: Some(true), online: Some(false), ..battery(5, true) };
    let critical = Gate::BatteryCritical { percent: 5 };
    let load = Gate::Load { percent: 500 };
    check(&all, &[critical.clone(), load.clone()], &[critical, load, Gate::Metered, Gate::Offline]);
}

#[test]
fn the_limits_come_from_the_configuration() {
    let config = |flags: &[(&str, &str)]| {
        let flags = flags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Config::load(&[KEYS], &Sources { flags, ..Sources::default() })
    };
    assert_eq!(evaluate(&battery(9, true), &config(&[]), Needs::Local), [Gate::BatteryCritical { percent: 9 }]);
    let brave = config(&[("daemon.min_battery_percent", "0"), ("daemon.eco_mode_percent", "0")]);
    assert_eq!(evaluate(&battery(0, true), &brave, Needs::Network), []);
    let busy = Machine { load_per_cpu: Some(2.0), ..machine() };
    assert_eq!(evaluate(&busy, &config(&[("daemon.max_load", "1")]), Needs::Local), [Gate::Load { percent: 200 }]);
}

/// Writes files below a new folder and measures it.
fn measured(files: &[(&str, &str)]) -> Machine {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::io::Write::write_all(&mut std::fs::File::create(path).unwrap(), text.as_bytes()).unwrap();
    }
    Machine::measure(dir.path())
}

#[cfg(not(target_os = "macos"))]
#[test]
fn a_system_without_any_files_says_nothing() {
    assert_eq!(measured(&[]), Machine::default());
}

#[test]
fn a_laptop_is_measured_without_its_mouse() {
    let laptop = measured(&[
        ("sys/class/power_supply/AC/type", "Mains\n"),
        ("sys/class/power_supply/AC/online", "0\n"),
        ("sys/class/power_supply/BAT0/type", "Battery\n"),
        ("sys/class/power_supply/BAT0/capacity", "60\n"),
        ("sys/class/power_supply/BAT0/status", "Discharging\n"),
        ("sys/class/power_supply/BAT0/energy_full", "40000000\n"),
        ("sys/class/power_supply/BAT1/type", "Battery\n"),
        ("sys/class/power_supply/BAT1/present", "0\n"),
        ("sys/class/power_supply/BAT1/capacity", "0\n"),
        ("sys/class/power_supply/hidpp_battery_0/type", "Battery\n"),
        ("sys/class/power_supply/hidpp_battery_0/scope", "Device\n"),
        ("sys/class/power_supply/hidpp_battery_0/capacity", "3\n"),
        ("sys/class/power_supply/hidpp_battery_0/status", "Discharging\n"),
        ("sys/devices/system/cpu/online", "0-3\n"),
        ("proc/loadavg", "2.00 1.00 0.50 3/600 12345\n"),
        ("proc/net/route", "Iface\tDestination\nwlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n"),
    ]);
    let battery = Some(Battery { percent: 60, discharging: true });
    assert_eq!(laptop, Machine { battery, load_per_cpu: Some(0.5), metered: None, online: Some(true) });
}

#[test]
fn a_machine_whose_only_routes_are_local_is_offline() {
    let routes = "Iface\tDestination\ndocker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";
    assert_eq!(measured(&[("proc/net/route", routes)]).online, Some(false));
    assert_eq!(measured(&[("proc/net/ipv6_route", "")]).online, None, "IPv4 may still have one");
}

#[test]
fn nonsense_in_the_files_is_no_measurement() {
    let machine = measured(&[
        ("sys/class/power_supply/BAT0/type", "Battery\n"),
        ("sys/class/power_supply/BAT0/capacity", "plenty\n"),
        ("proc/loadavg", "busy\n"),
    ]);
    #[cfg(not(target_os = "macos"))]
    assert_eq!((machine.battery, machine.load_per_cpu), (None, None));
    let _ = machine;
}

#[test]
fn disk_space_is_that_of_the_nearest_folder_there_is() {
    let dir = tempfile::tempdir().unwrap();
    let here = disk_space(dir.path()).unwrap();
    assert!(here.total > 0 && here.free <= here.total);
    assert_eq!(disk_space(&dir.path().join("not/there")).unwrap().total, here.total);
    std::fs::File::create(dir.path().join("file")).unwrap();
    assert_eq!(disk_space(&dir.path().join("file/below")).unwrap().total, here.total);
    assert!(disk_space(Path::new("a-name-that-is-not-there")).unwrap().total > 0);
}
