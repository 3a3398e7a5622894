//! Reasons to wait that lie in the machine: battery, load, network, disk.
//!
//! [`Machine`] is what was measured, [`evaluate`] is pure. Explicit commands ignore battery and load. What the
//! system does not say shuts no gate.

use std::path::Path;
use std::time::Duration;

use crate::config::Config;

mod measure;
mod power;
mod route;

/// What was measured. `None` where the system does not say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Machine {
    /// Charge in percent, and whether the machine runs on battery.
    pub battery: Option<Battery>,
    /// One-minute load average divided by the number of processors.
    pub load_per_cpu: Option<f64>,
    /// Whether the network connection is metered.
    pub metered: Option<bool>,
    /// Whether there is a route to anywhere but this machine.
    pub online: Option<bool>,
}

/// A battery's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Battery {
    /// 0 to 100.
    pub percent: u8,
    /// Whether it is being drained.
    pub discharging: bool,
}

/// A gate that is shut.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// Battery below `daemon.min_battery_percent`.
    BatteryCritical {
        /// Its charge.
        percent: u8,
    },
    /// Battery below `daemon.eco_mode_percent`: no background network.
    Eco {
        /// Its charge.
        percent: u8,
    },
    /// Load above `daemon.max_load`.
    Load {
        /// Load per processor times 100.
        percent: u32,
    },
    /// Metered connection: no background network.
    Metered,
    /// No network.
    Offline,
}

/// What the work behind the gates needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Only this machine.
    Local,
    /// The network.
    Network,
}

/// Longest time the load gate may hold work back: a machine that is always busy must still be captured.
pub const LOAD_WAIT_MAX: Duration = Duration::from_secs(60);

/// Longest time a critical battery may hold back work that needs only this machine: what is edited on the last percents
/// must be captured before the machine dies.
pub const BATTERY_WAIT_MAX: Duration = Duration::from_secs(10 * 60);

/// The gates that are shut for work that `needs` this, in the order in which they should be named.
pub fn evaluate(machine: &Machine, config: &Config, needs: Needs) -> Vec<Gate> {
    let number = |name| config.integer(name).map_or(f64::NAN, |n| n as f64);
    let limits = Limits {
        min_battery_percent: number("daemon.min_battery_percent"),
        eco_mode_percent: number("daemon.eco_mode_percent"),
        max_load: number("daemon.max_load"),
    };
    shut(machine, limits, needs)
}

/// Where the gates shut. A limit that is unset is not a number, and shuts none.
#[derive(Clone, Copy, Debug)]
struct Limits {
    min_battery_percent: f64,
    eco_mode_percent: f64,
    max_load: f64,
}

fn shut(machine: &Machine, limits: Limits, needs: Needs) -> Vec<Gate> {
    let network = needs == Needs::Network;
    let mut gates = Vec::new();
    if let Some(Battery { percent, discharging: true }) = machine.battery {
        if f64::from(percent) < limits.min_battery_percent {
            gates.push(Gate::BatteryCritical { percent });
        } else if network && f64::from(percent) < limits.eco_mode_percent {
            gates.push(Gate::Eco { percent });
        }
    }
    if let Some(load) = machine.load_per_cpu.filter(|load| *load > limits.max_load) {
        // The cast saturates.
        gates.push(Gate::Load { percent: (load * 100.0).round() as u32 });
    }
    if network && machine.metered == Some(true) {
        gates.push(Gate::Metered);
    }
    if network && machine.online == Some(false) {
        gates.push(Gate::Offline);
    }
    gates
}

impl std::fmt::Display for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::BatteryCritical { percent } => write!(f, "battery at {percent} %"),
            Self::Eco { percent } => write!(f, "saving battery at {percent} %"),
            Self::Load { percent } => write!(f, "load at {percent} % per processor"),
            Self::Metered => write!(f, "metered connection"),
            Self::Offline => write!(f, "offline"),
        }
    }
}

/// Free and total bytes of the file system that holds `path` (or its nearest existing parent).
///
/// # Errors
/// The system's error.
pub fn disk_space(path: &Path) -> std::io::Result<DiskSpace> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    let mut place = path;
    loop {
        // The parent of a bare name is the empty path, which the system does not know.
        let asked = if place.as_os_str().is_empty() { Path::new(".") } else { place };
        match rustix::fs::statvfs(asked).map_err(std::io::Error::from) {
            Ok(fs) => {
                return Ok(DiskSpace {
                    free: fs.f_bavail.saturating_mul(fs.f_frsize),
                    total: fs.f_blocks.saturating_mul(fs.f_frsize),
                });
            }
            Err(error) if matches!(error.kind(), NotFound | NotADirectory) => {
                place = place.parent().ok_or(error)?;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Space of a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    /// Available to this user.
    pub free: u64,
    /// In all.
    pub total: u64,
}

#[cfg(test)]
mod tests;
