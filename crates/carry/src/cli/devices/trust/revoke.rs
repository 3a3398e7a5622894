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

use super::meant::{Meant, find, is_side, logs_of};
use super::{Act, json, look_again, take_over};
use crate::cli::devices::fingerprint;
use crate::cli::devices::logs::{homes, sides};
use crate::failure::Failure;
use crate::text;
use crate::wire::Shell;

pub(in crate::cli::devices) fn revoke(shell: &Shell, name: &str) -> Result<(), Failure> {
    let meant = find(shell, name, Act::Revoke)?;
    refuse_ambiguous(shell, name, &meant)?;
    if let Some(others) = other_sides(shell, name, &meant)? {
        return revoke_side(shell, &meant, &others);
    }
    let before = names_of_logs(shell, &meant)?;
    let was_revoked = before.left.is_empty() && meant.known.as_ref().is_none_or(|known| known.is_revoked);
    // Of several logs the device is meant, not the one that was found first.
    let device = before.device.as_ref().filter(|_| before.all() > 1).unwrap_or(&meant.name);
    let (name, is_already) = (device, if was_revoked { " already" } else { "" });
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
    let after = names_of_logs(shell, &meant)?;
    if was_revoked {
        shell.out.say(format_args!("{name} is revoked already."))?;
    }
    if logs > 0 {
        let logs = match after.all() {
            0 | 1 => String::new(),
            _ => format!(" ({})", after.revoked.iter().chain(&after.left).cloned().collect::<Vec<_>>().join(", ")),
        };
        shell.out.say(format_args!(
            "What {name} exchanges from now on{logs} is not taken over{is_already}; what came before stays."
        ))?;
    }
    if !was_revoked {
        shell.out.say(format_args!("The work of {name} is offered no more."))?;
    }
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

/// Fails where a label is that of a device of which two homes count: perhaps one of them is meant. The id of the device means all
/// of it, and the name of a log that home alone.
fn refuse_ambiguous(shell: &Shell, name: &str, meant: &Meant) -> Result<(), Failure> {
    let Some(status) = status::look(&shell.home)? else { return Ok(()) };
    let key = meant.key();
    let is_own = status.own().is_some_and(|own| own.device_key() == key);
    let copied = status.copied();
    let is_it = |log: &LogStatus| key.is_some() && log.device_key() == key;
    let counts = |log: &&&LogStatus| is_it(log) && log.row.state == LogState::Approved;
    let Some(copied) = copied.iter().find(|copied| !is_own && copied.sides.iter().filter(counts).count() > 1) else {
        return Ok(());
    };
    let of_logs = status.logs.iter().filter(|log| is_it(log));
    let mut labels = of_logs.filter_map(LogStatus::label).chain(meant.known.iter().map(|known| known.label.as_str()));
    if !labels.any(|label| label == name) || meant.log.as_ref().is_some_and(|log| log.row.alias == name) {
        return Ok(());
    }
    let ids = meant.known.iter().map(|known| known.id.as_str());
    let mut ids =
        ids.chain(status.logs.iter().filter(|log| is_it(log)).filter_map(|log| Some(log.device.as_ref()?.as_str())));
    let Some(id) = ids.next().filter(|id| *id != name) else { return Ok(()) };
    Err(Failure::failed(format!(
        "{}: {}",
        homes(copied, &text::line(name)),
        sides(shell, &status, &copied.sides).join(", ")
    ))
    .hint(format!(
        "`carry devices revoke NAME`, with the name that stands before the brackets, parts with that one alone; `carry devices revoke {}` \
         with the device as a whole, as where it was lost.",
        text::line(id)
    )))
}

/// The logs of a device by their names here.
#[derive(Default)]
struct Logs {
    /// What the device is called.
    device: Option<String>,
    /// Those that are revoked.
    revoked: Vec<String>,
    /// The others.
    left: Vec<String>,
}

impl Logs {
    fn all(&self) -> usize {
        self.revoked.len() + self.left.len()
    }
}

/// All logs that the meant device writes, those that go on from another, too.
fn names_of_logs(shell: &Shell, meant: &Meant) -> Result<Logs, Failure> {
    let (mut logs, status) = (Logs::default(), status::look(&shell.home)?);
    let named = meant.log_id();
    for log in status.iter().flat_map(|status| &status.logs).filter(|log| !log.is_ours()) {
        if Some(log.row.log) != named && (meant.key().is_none() || log.device_key() != meant.key()) {
            continue;
        }
        logs.device = logs.device.or_else(|| log.label().map(text::line));
        let to = if log.row.state == LogState::Revoked { &mut logs.revoked } else { &mut logs.left };
        to.push(log.row.alias.clone());
    }
    Ok(logs)
}

/// Where one of the homes that write under one key is meant, and not their device: the names of the others. Of a copy of this
/// device never more than that is meant.
fn other_sides(shell: &Shell, name: &str, meant: &Meant) -> Result<Option<Vec<String>>, Failure> {
    let (Some(log), Some(status)) = (&meant.log, status::look(&shell.home)?) else { return Ok(None) };
    let is_of_this = status.own().is_some_and(|own| own.device_key().is_some() && own.device_key() == log.device_key());
    if !is_of_this && !is_side(log, name) {
        return Ok(None);
    }
    let copied = status.copied();
    // A log that ended is one of theirs, too.
    let sides = copied.iter().find(|copied| copied.sides.iter().any(|side| side.device_key() == log.device_key()));
    let Some(sides) = sides.map(|copied| &copied.sides) else {
        // One that was parted with is no side any more: said again, it means no more than the first time.
        let is_parted = log.row.state == LogState::Revoked && log.row.revoked_by.is_none();
        let others = status.logs.iter().filter(|other| {
            is_parted
                && !other.is_ours()
                && other.row.log != log.row.log
                && log.device_key().is_some()
                && other.device_key() == log.device_key()
        });
        let others: Vec<String> = others.map(|other| other.row.alias.clone()).collect();
        return Ok((is_of_this || !others.is_empty()).then_some(others));
    };
    let others = sides.iter().filter(|side| side.row.log != log.row.log);
    Ok(Some(others.map(|side| side.row.alias.clone()).collect()))
}

/// Revokes what one home exchanges, and leaves the others that write under the same key.
fn revoke_side(shell: &Shell, meant: &Meant, others: &[String]) -> Result<(), Failure> {
    let Some(log) = &meant.log else { return Ok(()) };
    let mut store = shell.ground()?.store()?;
    let before = store.status()?;
    store.revoke(log.row.log, &said_before(&store, log)?, shell.now())?;
    let after = store.status()?;
    drop(store);
    let alias = &log.row.alias;
    let gone = |of: &&LogStatus| {
        of.row.state == LogState::Revoked
            && of.row.log != log.row.log
            && before.log(of.row.log).is_some_and(|was| was.row.state != LogState::Revoked)
    };
    hand_over(shell).map_err(|failure| {
        failure.hint(format!("{alias} is revoked. What it said before is sorted out with the next `carry exchange`."))
    })?;
    let is_already = before.log(log.row.log).is_some_and(|log| log.row.state == LogState::Revoked);
    shell.out.say(match is_already {
        true => format!("{alias} is revoked already: what it exchanges is not taken over; what came before stays."),
        false => format!("What {alias} exchanges from now on is not taken over; what came before stays."),
    })?;
    for heir in after.logs.iter().filter(gone) {
        let heir = &heir.row.alias;
        shell.out.note(format_args!(
            "Revoked with it: {heir}, which goes on from {alias}. If that is yours, `carry devices approve {heir}` trusts it."
        ));
    }
    let device = log.device.as_ref().map_or(alias.clone(), |device| text::line(device.as_str()));
    let is_other = |log: &&LogStatus| others.contains(&log.row.alias) && log.row.state != LogState::Revoked;
    let left: Vec<&str> = after.logs.iter().filter(is_other).map(|log| log.row.alias.as_str()).collect();
    if let [.., _] = left.as_slice() {
        let counts =
            if left.len() == 1 { "has the same key and still counts" } else { "have the same key and still count" };
        shell
            .out
            .note(format_args!("{} {counts}, as does what comes under that key from Git remotes.", left.join(", ")));
    }
    let is_own = before.own().is_some_and(|own| own.device_key() == log.device_key());
    if !is_own {
        shell.out.note(format_args!("`carry devices revoke {device}` revokes the device as a whole."));
    }
    look_again(shell);
    json(shell, meant)
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
    take_over(shell, &ground, &mut store).map(drop)
}

/// How far a log counts that is revoked now: what its newest head names was said while it was trusted. Of one that never was
/// nothing counts.
fn said_before(store: &Store, log: &LogStatus) -> Result<BTreeMap<StreamName, (u64, Digest)>, Failure> {
    if log.row.state == LogState::Unapproved {
        return Ok(BTreeMap::new());
    }
    Ok(store.said(log.row.log)?)
}
