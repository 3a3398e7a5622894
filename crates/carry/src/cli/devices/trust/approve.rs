//! Trusting a device's work: what a person compares first, and what then counts.

use carry_code::registry::KnownDevice;
use carry_code::time;
use carry_daemon::exchange::accord;
use carry_exchange::store::LogState;
use carry_exchange::store::status::{self, LogStatus};

use super::meant::{Meant, find, is_side};
use super::taken::Stock;
use super::{Act, json, look_again, take_over};
use crate::cli::devices::{fingerprint, fingerprint_of, waiting};
use crate::cli::exchange::Names;
use crate::failure::Failure;
use crate::wire::Shell;
use crate::{prompt, text};

pub(in crate::cli::devices) fn approve(shell: &Shell, name: &str) -> Result<(), Failure> {
    let meant = find(shell, name, Act::Approve)?;
    let sides = revoked_sides(shell, &meant, name)?;
    if !ask_and_approve(shell, &meant, &sides)? {
        return Err(prompt::cancelled());
    }
    look_again(shell);
    Ok(())
}

/// Where a device is meant, and not one of the homes that write under its key: those of its other logs that were revoked.
fn revoked_sides(shell: &Shell, meant: &Meant, name: &str) -> Result<Vec<LogStatus>, Failure> {
    let (Some(key), None) = (meant.key(), &meant.absent) else { return Ok(Vec::new()) };
    if meant.log.as_ref().is_some_and(|log| is_side(log, name)) {
        return Ok(Vec::new());
    }
    let mut logs = status::look(&shell.home)?.map(|status| status.logs).unwrap_or_default();
    logs.retain(|log| {
        !log.is_ours()
            && log.device_key() == Some(key)
            && Some(log.row.log) != meant.log_id()
            && log.row.state == LogState::Revoked
    });
    Ok(logs)
}

/// Asks and approves, and takes the revocations of `sides` back; says whether it is approved now.
fn ask_and_approve(shell: &Shell, meant: &Meant, sides: &[LogStatus]) -> Result<bool, Failure> {
    let name = &meant.name;
    if meant.is_approved() && sides.is_empty() {
        shell.out.say(format_args!("{name} is approved already."))?;
    } else {
        // First what is to be compared: whoever then answers with --yes has seen it.
        tell(shell, meant);
        if !sides.is_empty() {
            let names: Vec<&str> = sides.iter().map(|log| log.row.alias.as_str()).collect();
            shell.out.note(format_args!(
                "It writes as {} as well, which was revoked; that is taken back, too.",
                names.join(", ")
            ));
        }
        if !prompt::confirm(shell, &format!("Trust the work of {name}?"), "--yes approves it.")? {
            return Ok(false);
        }
        // By name before anything of it is folded, which would speak for it.
        let other = approve_known(shell, meant)?;
        let is_done = meant.log.as_ref().is_some_and(|log| log.row.state == LogState::Approved);
        let logs: Vec<_> =
            meant.log_id().filter(|_| !is_done).into_iter().chain(sides.iter().map(|log| log.row.log)).collect();
        let mut came = None;
        if !logs.is_empty() {
            let before = Stock::look(shell)?;
            let ground = shell.ground()?;
            let mut store = ground.store()?;
            for log in logs {
                store.approve(log, shell.now())?;
            }
            let folded = take_over(shell, &ground, &mut store)?;
            came = Stock::look(shell)?.came(before, &folded);
        }
        shell.out.say(format_args!("Approved {name}."))?;
        if let Some(came) = came {
            shell.out.say(format_args!("Taken in what was here of it: {came}."))?;
        }
        if let Some(other) = other {
            let print = other.key.map_or("none, as of git-pulsar".to_owned(), |key| fingerprint(&key));
            shell.out.warn(format_args!(
                "that counts for what it exchanges alone: the id {} is known at Git remotes under another key (fingerprint: {print})",
                text::line(&other.id)
            ));
        }
        if meant.log_id().is_some() {
            shell.out.note("The next `carry exchange` brings what is still to come of it.");
        }
    }
    json(shell, meant)?;
    Ok(true)
}

/// Approves the identity of the device at Git remotes, also one that was not seen there yet: its log says under which key it
/// signs. Gives the one that has the same id and another key: that is left alone.
fn approve_known(shell: &Shell, meant: &Meant) -> Result<Option<KnownDevice>, Failure> {
    let mut registry = shell.registry()?;
    if let Some(known) = &meant.known {
        registry.approve_device(&known.id, shell.now())?;
    } else if let Some(device) = meant.introduced() {
        registry.note_device(device.id, Some(device.key), device.label, shell.now())?;
        let other = registry.device(device.id)?.filter(|known| known.key != Some(device.key));
        if other.is_some() {
            return Ok(other);
        }
        registry.approve_device(device.id, shell.now())?;
    }
    Ok(None)
}

/// Shows what a person compares before they agree to trust a device that is known from Git remotes.
pub(in crate::cli) fn tell_known(shell: &Shell, name: &str, known: &KnownDevice) {
    tell(shell, &Meant { name: name.to_owned(), log: None, known: Some(known.clone()), absent: None });
}

/// What a person compares before they agree.
fn tell(shell: &Shell, meant: &Meant) {
    let name = &meant.name;
    let is_revoked = meant.known.as_ref().is_some_and(|known| known.is_revoked)
        || meant.log.as_ref().is_some_and(|log| log.row.state == LogState::Revoked);
    if is_revoked {
        shell.out.note(format_args!("{name} was revoked."));
    }
    if let Some(by) = meant.voucher() {
        shell.out.note(format_args!("{name} counts at Git remotes so far since the log {by} speaks for it."));
    }
    let print = match (&meant.absent, &meant.log, &meant.known) {
        (Some(absent), ..) => Some(absent.told(name, shell.now())),
        (None, Some(log), _) => {
            let age = time::age(log.row.since, shell.now());
            Some(format!("{name} was first met in the exchange {age}. {}", fingerprint_of(log)))
        }
        (None, None, Some(KnownDevice { key: Some(key), id, first_seen, .. })) => Some(format!(
            "{name} ({}) was first seen {}. Its fingerprint: {}",
            text::line(id),
            time::age(*first_seen, shell.now()),
            fingerprint(key)
        )),
        (None, None, Some(known)) => Some(format!(
            "{name} ({}) runs git-pulsar, which signs nothing: whoever can write to the remote can write in its name.",
            text::line(&known.id)
        )),
        (None, None, None) => None,
    };
    if let Some(print) = print {
        shell.out.note(print);
    }
    if meant.key().is_some() {
        shell.out.note(
            "What it calls itself proves nothing: compare the fingerprint with the one that `carry devices` shows there at the top.",
        );
    }
}

pub(in crate::cli::devices) fn approve_all(shell: &Shell) -> Result<(), Failure> {
    let status = status::look(&shell.home)?;
    let names = status.as_ref().map(Names::of).unwrap_or_default();
    let registry = shell.registry()?;
    let mut unknown: Vec<Meant> = Vec::new();
    let devices = registry.devices()?;
    let waiting = status.as_ref().map(|status| waiting(shell, status)).transpose()?.unwrap_or_default();
    for log in waiting {
        let known = accord::known_of(&devices, log).cloned();
        unknown.push(Meant { name: names.show(log.row.log), log: Some(log.clone()), known, absent: None });
    }
    for known in devices.into_iter().filter(|device| device.approved.is_none() && !device.is_revoked) {
        if unknown.iter().all(|meant| meant.known.as_ref().is_none_or(|other| other.id != known.id)) {
            unknown.push(Meant { name: text::line(&known.label), log: None, known: Some(known), absent: None });
        }
    }
    if unknown.is_empty() {
        shell.out.note("Every device that was seen is approved or revoked.");
        return Ok(());
    }
    if prompt::check(shell, "").is_err() {
        unknown.iter().for_each(|meant| tell(shell, meant));
        prompt::check(shell, "--yes approves them.")?;
    }
    let mut left = 0;
    for meant in &unknown {
        left += usize::from(!ask_and_approve(shell, meant, &[])?);
    }
    look_again(shell);
    match left {
        0 => Ok(()),
        n if n == unknown.len() => Err(prompt::cancelled()),
        n => Err(Failure::partly(format!("{n} of {} devices were not approved", unknown.len()))),
    }
}
