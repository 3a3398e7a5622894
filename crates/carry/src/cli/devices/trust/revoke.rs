//! Trusting a device no more, and with it what counts for its sake alone.
//!
//! First what it publishes to Git remotes, then what it exchanges: the daemon makes nothing count again in between, since it goes by
//! what was said at Git remotes. What was said before is handed to the kinds of work last.

use std::collections::{BTreeMap, BTreeSet};

use carry_code::registry::{KnownDevice, Registry};
use carry_daemon::exchange::accord;
use carry_exchange::hash::Digest;
use carry_exchange::name::{LogId, StreamName};
use carry_exchange::store::status::{self, LogStatus};
use carry_exchange::store::{LogState, Store};

use super::{Act, Meant, find, json, logs_of, look_again, take_over};
use crate::cli::devices::fingerprint;
use crate::failure::Failure;
use crate::text;
use crate::wire::Shell;

pub(in crate::cli::devices) fn revoke(shell: &Shell, name: &str) -> Result<(), Failure> {
    let meant = find(shell, name, Act::Revoke)?;
    let name = &meant.name;
    let mut registry = shell.registry()?;
    let again = format!("`carry devices revoke {}` again goes on", word(&meant));
    let along = revoke_known(shell, &mut registry, &meant)
        .map_err(|failure| failure.hint(format!("What {name} exchanges still counts; {again}.")))?;
    // Looked at again: one may have come to count before that was said.
    let (logs, theirs) = revoke_logs(shell, &registry, &meant).map_err(|failure| {
        failure.hint(format!(
            "The work of {name} at Git remotes is offered no more, but not all that it exchanges is revoked; {again}."
        ))
    })?;
    if logs + theirs > 0 {
        hand_over(shell).map_err(|failure| {
            failure
                .hint(format!("{name} is revoked. What it said before is sorted out with the next `carry exchange`."))
        })?;
    }
    if logs > 0 {
        shell.out.say(format_args!("What {name} exchanges from now on is not taken over; what came before stays."))?;
    }
    shell.out.say(format_args!("The work of {name} is offered no more."))?;
    for device in &along {
        shell.out.note(format_args!(
            "Revoked with it: {}, for which {name} spoke. If it is yours, compare its fingerprint, and `carry devices approve {}` \
             trusts it.",
            shown(device),
            text::line(&device.id)
        ));
    }
    look_again(shell);
    json(shell, &meant)
}

/// What means the device in a command, whatever it calls itself.
fn word(meant: &Meant) -> String {
    match (&meant.log, &meant.known) {
        (Some(log), _) => log.row.alias.clone(),
        (None, known) => known.as_ref().map_or(meant.name.clone(), |known| text::line(&known.id)),
    }
}

fn shown(device: &KnownDevice) -> String {
    let print = device.key.map_or(String::new(), |key| format!(", fingerprint {}", fingerprint(&key)));
    format!("{} ({}{print})", text::line(&device.label), text::line(&device.id))
}

/// The logs of the device that is meant.
fn logs_meant<'a>(logs: &'a [LogStatus], meant: &Meant) -> Vec<&'a LogStatus> {
    let mut of_key: Vec<&LogStatus> = logs_of(logs, meant.key()).collect();
    let named = meant.log.as_ref().map(|log| log.row.log);
    if let Some(log) = logs.iter().find(|log| Some(log.row.log) == named)
        && of_key.iter().all(|other| other.row.log != log.row.log)
    {
        of_key.push(log);
    }
    of_key
}

/// Revokes what the device publishes to Git remotes, and those that its logs speak for, which it gives.
fn revoke_known(shell: &Shell, registry: &mut Registry, meant: &Meant) -> Result<Vec<KnownDevice>, Failure> {
    let status = status::look(&shell.home)?;
    let all = status.as_ref().map_or(&[][..], |status| &status.logs);
    let logs = logs_meant(all, meant);
    let mut ids: BTreeSet<&str> = meant.known.iter().map(|known| known.id.as_str()).collect();
    for device in logs.iter().filter_map(|log| accord::introduced(log)) {
        registry.note_device(device.id, Some(device.key), device.label, shell.now())?;
        if registry.device(device.id)?.is_some_and(|known| known.key == Some(device.key)) {
            ids.insert(device.id);
        }
    }
    for id in &ids {
        registry.revoke_device(id)?;
    }
    let gone: BTreeSet<LogId> = logs.iter().map(|log| log.row.log).collect();
    let mut done = Vec::new();
    for (device, by) in accord::along(all, &registry.devices()?, &gone).devices {
        if !ids.contains(device.id.as_str()) && registry.revoke_vouched(&device.id, by)? {
            done.push(device);
        }
    }
    Ok(done)
}

/// Revokes the logs of the device, and those of the devices that they speak for. Says how many there are of each.
fn revoke_logs(shell: &Shell, registry: &Registry, meant: &Meant) -> Result<(usize, usize), Failure> {
    let Some(status) = status::look(&shell.home)? else { return Ok((0, 0)) };
    let logs = logs_meant(&status.logs, meant);
    let gone: BTreeSet<LogId> = logs.iter().map(|log| log.row.log).collect();
    let theirs = accord::along(&status.logs, &registry.devices()?, &gone).logs;
    let theirs: Vec<&LogStatus> = theirs.iter().filter_map(|log| status.log(*log)).collect();
    if logs.is_empty() && theirs.is_empty() {
        return Ok((0, 0));
    }
    let mut store = shell.ground()?.store()?;
    for log in logs.iter().chain(&theirs) {
        store.revoke(log.row.log, &said_before(&store, log)?, shell.now())?;
    }
    Ok((logs.len(), theirs.len()))
}

fn hand_over(shell: &Shell) -> Result<(), Failure> {
    let ground = shell.ground()?;
    let mut store = ground.store()?;
    take_over(shell, &ground, &mut store)
}

/// How far a log counts that is revoked now: what its newest head names was said while it was trusted. Of one that never was
/// nothing counts.
fn said_before(store: &Store, log: &LogStatus) -> Result<BTreeMap<StreamName, (u64, Digest)>, Failure> {
    if log.row.state == LogState::Unapproved {
        return Ok(BTreeMap::new());
    }
    let followed = store.followed_of(log.row.log)?;
    let streams = followed.iter().find(|way| way.track == 0).map(|way| way.head.head().streams.clone());
    Ok(streams.unwrap_or_default().into_iter().map(|(stream, state)| (stream, (state.last, state.chain))).collect())
}
