//! Whose work is trusted: what a device exchanges, and what it publishes to Git remotes, on one word.

use carry_code::repo::Repo;
use carry_exchange::store::LogState;
use carry_exchange::store::status;

use super::conflicts::Conflicts;
use super::json::DeviceJson;
use super::logs::LogJson;
use crate::failure::Failure;
use crate::links::{self, Here};
use crate::targets::{self, Place};
use crate::text;
use crate::wire::Shell;

mod absent;
mod approve;
mod meant;
mod own;
mod revoke;
mod taken;

pub(in crate::cli) use approve::tell_known;
pub(super) use approve::{approve, approve_all};
use meant::{Meant, find};
pub(super) use revoke::revoke;
use taken::Folded;

/// Fewer digits of a log's id mean none.
const PREFIX_MIN: usize = 4;

/// What is to be done with a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Approve,
    Revoke,
    Rename,
    Forget,
}

pub(super) fn rename(shell: &Shell, label: &str) -> Result<(), Failure> {
    let ctx = shell.context()?;
    let mut device = (*ctx.device.get()).clone();
    device.set_label(&shell.home, label)?;
    shell.out.say(format_args!("This device is called {} from now on.", text::line(device.label())))?;
    shell.out.note("Others see it after the next push or exchange.");
    shell.reload_daemon();
    if shell.out.is_json() {
        shell.out.json(&DeviceJson::this(&device))?;
    }
    Ok(())
}

/// Names another device on this one. Only what is exchanged has such a name.
pub(super) fn rename_other(shell: &Shell, device: &str, name: &str) -> Result<(), Failure> {
    let meant = find(shell, device, Act::Rename)?;
    let Some(log) = &meant.log else {
        return Err(Failure::failed(format!("{} exchanges nothing with this device", meant.name))
            .hint("It is renamed there: `carry devices rename LABEL`."));
    };
    shell.ground()?.store()?.set_alias(log.row.log, name)?;
    shell.out.say(format_args!("{} is called {name} here from now on.", meant.name))?;
    json(shell, &meant)
}

pub(super) fn forget(shell: &Shell, device: &str) -> Result<(), Failure> {
    let meant = find(shell, device, Act::Forget)?;
    let name = &meant.name;
    let Some(log) = &meant.log else {
        return Err(Failure::failed(format!("{name} exchanges nothing with this device")));
    };
    match log.row.state {
        LogState::Unapproved => {}
        // It goes on from a log that stays known as revoked: what it vouches for is not trusted again.
        LogState::Revoked if log.row.revoked_by.is_some() => {}
        LogState::Approved => {
            return Err(Failure::failed(format!("{name} is approved"))
                .hint(format!("`carry devices revoke {}` ends that; what came of it stays.", log.row.alias)));
        }
        _ => {
            return Err(Failure::failed(format!("{name} is revoked, and stays known so that it is not met anew")));
        }
    }
    json(shell, &meant)?;
    let ground = shell.ground()?;
    let mut store = ground.store()?;
    store.forget(log.row.log, shell.now())?;
    if log.row.state == LogState::Revoked {
        take_over(shell, &ground, &mut store)?;
    }
    shell.out.say(format_args!("Forgot {name}, with all that was kept of it."))?;
    shell.out.note(format_args!(
        "For 30 days nothing of it is taken in. `carry devices approve {}` ends that.",
        log.row.log
    ));
    Ok(())
}

/// Hands what was kept apart to the kinds of work that it is of. Gives how many records of each were folded.
fn take_over(
    shell: &Shell,
    ground: &carry_daemon::exchange::Ground,
    store: &mut carry_exchange::store::Store,
) -> Result<Folded, Failure> {
    let mut strands = ground.strands(true);
    for (name, error) in &strands.failed {
        shell.out.warn(format_args!("{name} cannot be opened: {error}; the next exchange takes it over"));
    }
    let mut folded = Folded::new();
    for strand in &mut strands.open {
        folded.insert(strand.stream().clone(), store.deliver(&mut **strand)?.n_folded);
    }
    Ok(folded)
}

fn json(shell: &Shell, meant: &Meant) -> Result<(), Failure> {
    if !shell.out.is_json() {
        return Ok(());
    }
    let status = status::look(&shell.home)?;
    let devices = shell.registry()?.devices()?;
    let settings = shell.exchange();
    let log = match (&status, meant.log_id()) {
        (Some(status), Some(log)) => status.log(log).map(|log| {
            let conflicts = Conflicts::count(shell, status);
            (log, LogJson::new(log, status, &conflicts, &devices, &settings))
        }),
        _ => None,
    };
    let of_log = || devices.iter().find(|known| meant.key().is_some() && known.key == meant.key());
    let known = match &meant.known {
        Some(known) => devices.iter().find(|other| other.id == known.id).or(Some(known)),
        None => of_log(),
    };
    let device = match (known, log) {
        (Some(known), log) => {
            let mut device = DeviceJson::known(known);
            device.exchange.extend(log.map(|(_, json)| json));
            device
        }
        (None, Some((log, json))) => DeviceJson::of_log(log, json, &devices),
        (None, None) => return Ok(()),
    };
    shell.out.json(&device)
}

/// What is offered, here and by the daemon, hangs on who is approved.
fn look_again(shell: &Shell) {
    let registry = shell.registry_to_read().ok().flatten();
    if let Ok(Place::Registered(tree)) = targets::place(registry.as_ref(), &shell.cwd)
        && let Ok(repo) = Repo::open(&tree.root)
        && let Ok(here) = Here::new(shell, repo, tree)
    {
        links::remember(&here);
    }
    shell.reload_daemon();
}
