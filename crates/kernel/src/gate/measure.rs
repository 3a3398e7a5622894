//! Reading what the machine says about itself.

use std::path::Path;

use super::{Machine, power, route};

impl Machine {
    /// Measures this machine (Linux: `/sys/class/power_supply`, `/proc/loadavg`, `/proc/net/route` and its IPv6 twin;
    /// macOS: `pmset -g batt`, load average). `sys` is the root the files are read under, `/` outside tests.
    ///
    /// Whether the connection is metered stands in no file, and stays unknown.
    pub fn measure(sys: &Path) -> Self {
        let measured = Self {
            battery: power::measure(&sys.join("sys/class/power_supply")),
            load_per_cpu: load_per_cpu(sys),
            metered: None,
            online: route::measure(&sys.join("proc/net")),
        };
        #[cfg(target_os = "macos")]
        let measured = Self {
            battery: measured.battery.or_else(|| power::parse_pmset(&output("pmset", &["-g", "batt"])?)),
            load_per_cpu: measured
                .load_per_cpu
                .or_else(|| Some(first_number(&output("sysctl", &["-n", "vm.loadavg"])?)? / processors_of_process())),
            ..measured
        };
        measured
    }
}

/// A small file's text; `None` if it cannot be read.
pub(super) fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

fn load_per_cpu(sys: &Path) -> Option<f64> {
    let load = first_number(&read(&sys.join("proc/loadavg"))?)?;
    // The load is the whole machine's, so it is divided by all its processors rather than by those that this
    // process may use.
    let online = read(&sys.join("sys/devices/system/cpu/online")).and_then(|list| count_cpus(&list));
    Some(load / online.unwrap_or_else(processors_of_process))
}

fn processors_of_process() -> f64 {
    std::thread::available_parallelism().map_or(1.0, |n| n.get() as f64)
}

/// The first word that is a number of at least zero: `0.42 0.36 …`, or `{ 0.42 0.36 … }` as macOS says it.
fn first_number(text: &str) -> Option<f64> {
    let word = text.split_ascii_whitespace().find(|word| *word != "{")?;
    // Some languages write a comma.
    word.replace(',', ".").parse().ok().filter(|n: &f64| n.is_finite() && *n >= 0.0)
}

/// How many processors a list such as `0-3,8,10-11` names; `None` for none or nonsense.
fn count_cpus(list: &str) -> Option<f64> {
    let mut n_cpus = 0_u32;
    for part in list.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        n_cpus = n_cpus.checked_add(last.checked_sub(first)?.checked_add(1)?)?;
    }
    Some(f64::from(n_cpus))
}

#[cfg(target_os = "macos")]
fn output(program: &str, args: &[&str]) -> Option<String> {
    let output = std::process::Command::new(program).args(args).stdin(std::process::Stdio::null()).output().ok()?;
    String::from_utf8(output.stdout).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_counted_from_ranges() {
        for (list, expected) in [("0\n", Some(1.0)), ("0-3\n", Some(4.0)), ("0-1,4,6-7", Some(5.0))] {
            assert_eq!(count_cpus(list), expected, "{list:?}");
        }
        for nonsense in ["", "\n", "3-1", "a", "0-4294967295", "0-"] {
            assert_eq!(count_cpus(nonsense), None, "{nonsense:?}");
        }
    }

    #[test]
    fn the_load_is_the_first_number() {
        assert_eq!(first_number("0.42 0.36 0.25 1/123 456\n"), Some(0.42));
        assert_eq!(first_number("{ 2,50 1,11 1,00 }\n"), Some(2.5));
        for nonsense in ["", "nan", "-1 0 0", "inf", "{ }"] {
            assert_eq!(first_number(nonsense), None, "{nonsense:?}");
        }
    }
}
