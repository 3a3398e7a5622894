//! `carry service`: let the system start the daemon.

use carry_daemon::service::{self, ServiceStatus};
use serde::Serialize;

use crate::failure::Failure;
use crate::wire::Shell;

/// Let the system start the daemon
///
/// A systemd user unit on Linux, a launchd agent on macOS.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Install the service and start it
    Install,
    /// Stop the service and remove it
    Uninstall,
    /// Show how the service is
    Status,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let program = shell.program()?;
    let carry_home = shell.carry_home.as_deref();
    match args.action {
        Action::Install => {
            let file = service::install(&program, &shell.home, carry_home)?;
            shell.out.say(format_args!("Installed and started the service ({}).", file.display()))?;
            let status = service::status(&program, &shell.home, carry_home)?;
            if status.linger == Some(false) {
                shell.out.note("It ends when you log out; `loginctl enable-linger` lets it go on.");
            }
            if shell.out.is_json() { show(shell, &status) } else { Ok(()) }
        }
        Action::Uninstall => {
            let did = service::uninstall()?;
            shell.out.say(if did { "Stopped and removed the service." } else { "No service was installed." })
        }
        Action::Status => show(shell, &service::status(&program, &shell.home, carry_home)?),
    }
}

fn show(shell: &Shell, status: &ServiceStatus) -> Result<(), Failure> {
    let out = &shell.out;
    let Some(file) = &status.file else {
        return if out.is_json() {
            out.json(&ServiceJson::new(status))
        } else {
            out.line("No service is installed; `carry service install` installs it.")
        };
    };
    if out.is_json() {
        return out.json(&ServiceJson::new(status));
    }
    out.line(format_args!(
        "The service is {} ({}).",
        status.state.as_deref().unwrap_or("in an unknown state"),
        file.display()
    ))?;
    if !status.current {
        out.warn("it is another version's; `carry service install` writes it anew");
    }
    if status.linger == Some(false) {
        out.warn("it ends when you log out; `loginctl enable-linger` lets it go on");
    }
    Ok(())
}

/// The service, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "service")]
struct ServiceJson<'a> {
    installed: bool,
    file: Option<String>,
    state: Option<&'a str>,
    linger: Option<bool>,
    current: bool,
}

impl<'a> ServiceJson<'a> {
    fn new(status: &'a ServiceStatus) -> Self {
        Self {
            installed: status.file.is_some(),
            file: status.file.as_deref().map(crate::text::json_file),
            state: status.state.as_deref(),
            linger: status.linger,
            current: status.current,
        }
    }
}
