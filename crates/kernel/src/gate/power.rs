//! Batteries: those that feed the machine, not those of a mouse or of a phone that charges from it.

use std::path::Path;

use super::Battery;
use super::measure::read;

/// What one entry of `/sys/class/power_supply` says.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Supply {
    /// A battery that feeds the machine.
    Battery { percent: u8, capacity: Option<f64>, discharging: bool },
    /// Power from outside, present or not.
    Outside { online: bool },
}

/// The batteries below `class` as one; `None` if there is none.
pub(super) fn measure(class: &Path) -> Option<Battery> {
    let supplies: Vec<_> =
        std::fs::read_dir(class).ok()?.flatten().filter_map(|entry| read_supply(&entry.path())).collect();
    combine(&supplies)
}

fn read_supply(dir: &Path) -> Option<Supply> {
    let word = |name: &str| read(&dir.join(name)).map(|text| text.trim().to_owned());
    if word("scope").as_deref() == Some("Device") {
        return None;
    }
    match word("type")?.as_str() {
        // An empty bay is still listed.
        "Battery" if word("present").as_deref() != Some("0") => Some(Supply::Battery {
            percent: word("capacity")?.parse::<u32>().ok()?.min(100) as u8,
            capacity: word("energy_full")
                .or_else(|| word("charge_full"))
                .and_then(|full| full.parse().ok())
                .filter(|full: &f64| *full > 0.0 && full.is_finite()),
            discharging: word("status").as_deref() == Some("Discharging"),
        }),
        // Laptops that charge over USB-C list their charger as `USB`.
        "Mains" | "USB" | "Wireless" => Some(Supply::Outside { online: word("online").as_deref() == Some("1") }),
        _ => None,
    }
}

/// Several batteries count by what they hold when full; equally, where one does not say that.
fn combine(supplies: &[Supply]) -> Option<Battery> {
    let (mut plain, mut weighted, mut weight, mut n_batteries) = (0.0, 0.0, Some(0.0), 0.0);
    let (mut discharging, mut outside) = (false, false);
    for supply in supplies {
        match *supply {
            Supply::Battery { percent, capacity, discharging: drained } => {
                let percent = f64::from(percent);
                n_batteries += 1.0;
                plain += percent;
                weighted += percent * capacity.unwrap_or_default();
                weight = weight.and_then(|sum: f64| Some(sum + capacity?));
                discharging |= drained;
            }
            Supply::Outside { online } => outside |= online,
        }
    }
    if n_batteries == 0.0 {
        return None;
    }
    let percent = weight.map_or(plain / n_batteries, |sum| weighted / sum);
    // The cast saturates.
    Some(Battery { percent: percent.round() as u8, discharging: discharging && !outside })
}

/// Reads what `pmset -g batt` prints.
#[cfg(any(test, target_os = "macos"))]
pub(super) fn parse_pmset(text: &str) -> Option<Battery> {
    let on_battery = text.lines().next()?.contains("'Battery Power'");
    let supplies: Vec<_> = text
        .lines()
        .filter(|line| line.trim_start().starts_with("-InternalBattery"))
        .filter_map(|line| {
            let (before, after) = line.split_once('%')?;
            let percent = before.rsplit(|c: char| !c.is_ascii_digit()).next()?.parse::<u32>().ok()?.min(100) as u8;
            let discharging = on_battery && after.contains("discharging");
            Some(Supply::Battery { percent, capacity: None, discharging })
        })
        .collect();
    combine(&supplies)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn battery(percent: u8, capacity: Option<f64>, discharging: bool) -> Supply {
        Supply::Battery { percent, capacity, discharging }
    }

    #[track_caller]
    fn check(supplies: &[Supply], expected: Option<(u8, bool)>) {
        assert_eq!(combine(supplies), expected.map(|(percent, discharging)| Battery { percent, discharging }));
    }

    #[test]
    fn batteries_count_by_what_they_hold() {
        check(&[], None);
        check(&[Supply::Outside { online: true }], None);
        check(&[battery(80, Some(50e6), true)], Some((80, true)));
        check(&[battery(100, Some(30e6), false), battery(0, Some(10e6), true)], Some((75, true)));
        check(&[battery(100, Some(30e6), false), battery(0, None, true)], Some((50, true)));
    }

    #[test]
    fn on_outside_power_nothing_is_drained() {
        check(&[battery(50, None, true), Supply::Outside { online: true }], Some((50, false)));
        check(&[battery(50, None, true), Supply::Outside { online: false }], Some((50, true)));
    }

    #[test]
    fn pmset_is_understood() {
        let drained = "Now drawing from 'Battery Power'\n \
            -InternalBattery-0 (id=21561443)\t85%; discharging; 4:12 remaining present: true\n";
        assert_eq!(parse_pmset(drained), Some(Battery { percent: 85, discharging: true }));
        let charging = "Now drawing from 'AC Power'\n \
            -InternalBattery-0 (id=21561443)\t100%; charged; 0:00 remaining present: true\n";
        assert_eq!(parse_pmset(charging), Some(Battery { percent: 100, discharging: false }));
        assert_eq!(parse_pmset("Now drawing from 'AC Power'\n"), None);
        assert_eq!(parse_pmset(""), None);
        assert_eq!(parse_pmset("Now drawing from 'Battery Power'\n -InternalBattery-0 broken\n"), None);
    }
}
