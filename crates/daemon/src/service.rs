//! Installing the daemon with the system: systemd user units and launchd agents. Texts are pure functions.
//!
//! What asks the service manager goes through one function that takes the command, so that tests need no manager.

use std::path::{Path, PathBuf};
use std::time::Duration;

use carry_kernel::disk::{self, DiskError};
use carry_kernel::home::Home;

mod command;
mod unit;

pub use unit::{launchd_plist, systemd_unit};

/// The service manager of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    /// `systemctl --user`.
    Systemd,
    /// `launchctl`.
    Launchd,
}

/// How the service is.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ServiceStatus {
    /// The unit's or agent's file, if it is there.
    pub file: Option<PathBuf>,
    /// What the manager says: `active`, `inactive`, `failed`, …; `None` when it cannot be asked.
    pub state: Option<String>,
    /// Whether it runs without a login session (systemd's linger); `None` where that does not apply or is unknown.
    pub linger: Option<bool>,
    /// Whether the file is what this version would write.
    pub current: bool,
}

/// Why it could not be done.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// No service manager that we know.
    #[error("neither systemd nor launchd runs here; start the daemon with `carry daemon start`")]
    NoManager,
    /// The manager refused.
    #[error("`{command}` failed: {message}")]
    Refused {
        /// What was run.
        command: String,
        /// What it said.
        message: String,
    },
    /// The daemon that runs already could not be stopped.
    #[error("the running daemon could not be handed over to the service manager")]
    Control(#[from] crate::control::ControlError),
    /// The file system failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// The unit's name.
const UNIT: &str = "carry.service";
/// The agent's label.
const LABEL: &str = "dev.carry.daemon";
/// How long a question may take.
const ASK_MAX: Duration = Duration::from_secs(5);
/// How long a start or stop may take: systemd waits until the daemon says that it is ready.
const DO_MAX: Duration = Duration::from_secs(60);
/// How long a daemon that was started by hand may take to end.
const HAND_OVER_MAX: Duration = Duration::from_secs(15);
/// Largest unit file that is compared.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Installs and starts the service; again is harmless. A daemon that was started by hand is stopped first. Returns the file
/// written.
///
/// # Errors
/// [`ServiceError`].
pub fn install(program: &Path, home: &Home, carry_home: Option<&Path>) -> Result<PathBuf, ServiceError> {
    Service::here()?.install(program, home, carry_home)
}

/// Stops and removes it; `false` when it was not installed.
///
/// # Errors
/// [`ServiceError`].
pub fn uninstall() -> Result<bool, ServiceError> {
    Service::here()?.uninstall()
}

/// Looks how it is. Never waits long: a manager that does not answer has no state.
///
/// # Errors
/// [`ServiceError`].
pub fn status(program: &Path, home: &Home, carry_home: Option<&Path>) -> Result<ServiceStatus, ServiceError> {
    Service::here()?.status(program, home, carry_home)
}

/// Runs a command for at most so long and returns what it printed.
type Run<'a> = &'a dyn Fn(&[&str], Duration) -> Result<command::Said, ServiceError>;

/// The service on one machine.
struct Service<'a> {
    manager: Manager,
    file: PathBuf,
    uid: u32,
    run: Run<'a>,
}

impl Service<'static> {
    fn here() -> Result<Self, ServiceError> {
        let manager = manager().ok_or(ServiceError::NoManager)?;
        let set = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let user = || set("HOME").ok_or(ServiceError::NoManager);
        let file = match manager {
            Manager::Systemd => {
                let config = set("XDG_CONFIG_HOME").map_or_else(|| user().map(|home| home.join(".config")), Ok)?;
                config.join("systemd/user").join(UNIT)
            }
            Manager::Launchd => user()?.join(format!("Library/LaunchAgents/{LABEL}.plist")),
        };
        Ok(Self { manager, file, uid: rustix::process::getuid().as_raw(), run: &command::run })
    }
}

impl Service<'_> {
    fn install(&self, program: &Path, home: &Home, carry_home: Option<&Path>) -> Result<PathBuf, ServiceError> {
        let text = self.text(program, home, carry_home);
        let changed = !self.is_current(&text);
        if changed {
            disk::write_atomic(&self.file, text.as_bytes())?;
        }
        let is_active = self.state().is_some_and(|state| state == "active");
        if !is_active {
            // Two daemons exclude each other, and the service would fail.
            crate::control::stop(home, HAND_OVER_MAX)?;
        }
        match self.manager {
            Manager::Systemd => {
                self.must(&["systemctl", "--user", "daemon-reload"])?;
                self.must(&["systemctl", "--user", "enable", UNIT])?;
                let start = if changed && is_active { "restart" } else { "start" };
                self.must(&["systemctl", "--user", start, UNIT])?;
            }
            Manager::Launchd => {
                if changed || !is_active {
                    // It fails when nothing is loaded, which is as well.
                    let _ = self.must(&["launchctl", "bootout", &self.target()]);
                    let file = self.file.to_string_lossy();
                    self.must(&["launchctl", "bootstrap", &format!("gui/{}", self.uid), &file])?;
                }
            }
        }
        Ok(self.file.clone())
    }

    fn uninstall(&self) -> Result<bool, ServiceError> {
        if self.file.symlink_metadata().is_err() {
            return Ok(false);
        }
        match self.manager {
            Manager::Systemd => self.must(&["systemctl", "--user", "disable", "--now", UNIT])?,
            Manager::Launchd => {
                // It fails when nothing is loaded, which is what we want.
                let _ = self.must(&["launchctl", "bootout", &self.target()]);
            }
        }
        std::fs::remove_file(&self.file).map_err(DiskError::at("remove", &self.file))?;
        if self.manager == Manager::Systemd {
            self.must(&["systemctl", "--user", "daemon-reload"])?;
        }
        Ok(true)
    }

    fn status(&self, program: &Path, home: &Home, carry_home: Option<&Path>) -> Result<ServiceStatus, ServiceError> {
        let text = self.text(program, home, carry_home);
        Ok(ServiceStatus {
            file: self.file.symlink_metadata().is_ok().then(|| self.file.clone()),
            state: self.state(),
            linger: self.linger(),
            current: self.is_current(&text),
        })
    }

    fn text(&self, program: &Path, home: &Home, carry_home: Option<&Path>) -> String {
        match self.manager {
            Manager::Systemd => systemd_unit(program, home, carry_home),
            Manager::Launchd => launchd_plist(program, home, carry_home),
        }
    }

    fn is_current(&self, text: &str) -> bool {
        // A file that cannot be read is written anew.
        disk::read_bounded(&self.file, FILE_BYTES_MAX).is_ok_and(|found| found.as_deref() == Some(text.as_bytes()))
    }

    fn state(&self) -> Option<String> {
        match self.manager {
            Manager::Systemd => {
                // It exits with a failure for whatever is not active, but says the state all the same.
                let said = (self.run)(&["systemctl", "--user", "is-active", UNIT], ASK_MAX).ok()?;
                Some(said.out.trim().to_owned()).filter(|state| !state.is_empty())
            }
            Manager::Launchd => {
                let said = (self.run)(&["launchctl", "print", &self.target()], ASK_MAX).ok()?;
                if !said.ok {
                    return Some("inactive".to_owned());
                }
                let state = said.out.lines().find_map(|line| line.trim().strip_prefix("state = "))?;
                Some(if state == "running" { "active".to_owned() } else { state.to_owned() })
            }
        }
    }

    fn linger(&self) -> Option<bool> {
        if self.manager != Manager::Systemd {
            return None;
        }
        let uid = self.uid.to_string();
        let said = (self.run)(&["loginctl", "show-user", &uid, "--property=Linger", "--value"], ASK_MAX).ok()?;
        match said.out.trim() {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        }
    }

    fn target(&self) -> String {
        format!("gui/{}/{LABEL}", self.uid)
    }

    fn must(&self, command: &[&str]) -> Result<(), ServiceError> {
        let said = (self.run)(command, DO_MAX)?;
        if said.ok {
            return Ok(());
        }
        let message = if said.err.trim().is_empty() { said.out } else { said.err };
        Err(ServiceError::Refused { command: command.join(" "), message: message.trim().to_owned() })
    }
}

fn manager() -> Option<Manager> {
    if cfg!(target_os = "macos") {
        return Some(Manager::Launchd);
    }
    // What `sd_booted` looks at: whether systemd is the one that runs, not whether it is installed.
    Path::new("/run/systemd/system").is_dir().then_some(Manager::Systemd)
}

#[cfg(test)]
mod tests;
