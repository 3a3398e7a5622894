//! Whose work is trusted: what a device exchanges, and what it publishes to Git remotes, on one word.

use carry_code::registry::KnownDevice;
use carry_code::repo::Repo;
use carry_code::time;
use carry_daemon::exchange::accord;
use carry_exchange::name::LogId;
use carry_exchange::store::LogState;
use carry_exchange::store::status::{self, LogStatus, Status};

use super::{DeviceJson, LogJson, fingerprint, fingerprint_of};
use crate::cli::exchange::Names;
use crate::failure::Failure;
use crate::links::{self, Here};
use crate::targets::{self, Place};
use crate::wire::Shell;
use crate::{prompt, text, writers};

mod forgotten;
mod own;
mod revoke;

pub(super) use revoke::revoke;

/// Fewer digits of a log's id mean none.
const PREFIX_MIN: usize = 4;

/// A device as a person named it: the log that it exchanges, the identity that it has at Git remotes, or both.
struct Meant {
    /// What people are shown.
    name: String,
    log: Option<LogStatus>,
    known: Option<KnownDevice>,
}

impl Meant {
    /// Whether there is nothing left to approve. One that counts for the sake of another log can be approved by name.
    fn is_approved(&self) -> bool {
        self.log.as_ref().is_none_or(|log| log.row.state == LogState::Approved)
            && self.known.as_ref().is_none_or(|known| known.approved.is_some() && self.voucher().is_none())
    }

    /// The log, not its own, for whose sake it counts at Git remotes.
    fn voucher(&self) -> Option<LogId> {
        let own = self.log.as_ref().map(|log| log.row.log);
        self.known.as_ref().filter(|known| known.approved.is_some())?.vouched_by.filter(|by| Some(*by) != own)
    }

    /// The key of the device.
    fn key(&self) -> Option<[u8; 32]> {
        self.known.as_ref().and_then(|known| known.key).or_else(|| self.log.as_ref()?.device_key())
    }
}

/// What is to be done with a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Approve,
    Revoke,
    Rename,
    Forget,
}

/// The device that `name` means.
fn find(shell: &Shell, name: &str, act: Act) -> Result<Meant, Failure> {
    let registry = shell.registry()?;
    let devices = registry.devices()?;
    let status = status::look(&shell.home)?;
    own::refuse(shell, status.as_ref(), &devices, name, act)?;
    let log = match &status {
        Some(status) => find_log(status, &devices, name, act == Act::Revoke)?,
        None => None,
    };
    let names = status.as_ref().map(Names::of).unwrap_or_default();
    match log {
        Some(log) => {
            let known = accord::known_of(&devices, &log).cloned();
            Ok(Meant { name: names.show(log.row.log), known, log: Some(log) })
        }
        None => {
            let known = writers::find_device(&registry, name).map_err(|failure| {
                if shell.exchange().remotes.is_empty() {
                    return failure;
                }
                let failure = failure.hint("`carry exchange` asks the remotes of the exchange.");
                match act {
                    Act::Approve => failure.hint(
                        "One that was forgotten is approved by the id of its log: `carry devices --json` shows that on the device itself.",
                    ),
                    _ => failure,
                }
            })?;
            // Of several logs of the device one is meant by its own name alone.
            let mut logs = status.iter().flat_map(|status| logs_of(&status.logs, known.key));
            let log = match (logs.next(), logs.next()) {
                (Some(log), None) => Some(log.clone()),
                _ => None,
            };
            Ok(Meant { name: text::line(&known.label), log, known: Some(known) })
        }
    }
}

/// The logs that a device writes, as its key says; of those that go on from one another the first.
fn logs_of(logs: &[LogStatus], key: Option<[u8; 32]>) -> impl Iterator<Item = &LogStatus> {
    let all = logs.iter().filter(move |log| !log.is_ours() && key.is_some() && log.device_key() == key);
    first_of_lines(all.collect()).into_iter()
}

/// Leaves those out that go on from another of them and are trusted as that one is. One that came after a revocation is not.
fn first_of_lines(mut logs: Vec<&LogStatus>) -> Vec<&LogStatus> {
    let all: Vec<_> = logs.iter().map(|log| (log.row.log, log.row.state)).collect();
    let goes_along = |log: &LogStatus, from| {
        all.iter()
            .any(|(other, state)| *other == from && (*state != LogState::Revoked || log.row.state == LogState::Revoked))
    };
    logs.retain(|log| log.row.vouched_by.is_none_or(|from| !goes_along(log, from)));
    logs
}

/// The log that `name` means: by its name here, its id or the beginning of it, or by the id or label of its device. A log of
/// this device is none. Where all logs of the device are meant, any of them will do.
fn find_log(
    status: &Status,
    devices: &[KnownDevice],
    name: &str,
    means_all: bool,
) -> Result<Option<LogStatus>, Failure> {
    let is_labelled = |log: &LogStatus| log.label() == Some(name);
    let ways: [&dyn Fn(&LogStatus) -> bool; 5] = [
        &|log| log.row.alias == name,
        &|log| log.row.log.to_string() == name,
        &|log| log.device.as_ref().is_some_and(|device| device.as_str() == name),
        &is_labelled,
        &|log| name.len() >= PREFIX_MIN && log.row.log.to_string().starts_with(name),
    ];
    for (at, way) in ways.iter().enumerate() {
        let meant = first_of_lines(status.logs.iter().filter(|log| !log.is_ours() && way(log)).collect());
        let Some(first) = meant.first() else { continue };
        let is_one = |log: &&LogStatus| log.device_key().is_some() && log.device_key() == first.device_key();
        // By what anybody may call itself a device of a Git remote may be meant as well.
        let by_name = matches!(at, 2 | 3);
        let other = devices.iter().find(|known| {
            by_name
                && (known.label == name || known.id == name)
                && (known.key.is_none() || meant.iter().all(|log| log.device_key() != known.key))
        });
        if other.is_none() && (meant.len() == 1 || means_all && meant.iter().all(is_one)) {
            return Ok(Some((*first).clone()));
        }
        let of_log = |log: &&LogStatus| {
            let print = log.device_key().map_or("that says none".to_owned(), |key| fingerprint(&key));
            format!("{} (fingerprint {print})", log.row.alias)
        };
        let of_known = |known: &KnownDevice| match &known.key {
            Some(key) => format!("{} (fingerprint {})", text::line(&known.id), fingerprint(key)),
            None => text::line(&known.id),
        };
        let shown: Vec<String> = meant.iter().map(of_log).chain(other.map(of_known)).collect();
        return Err(Failure::failed(format!(
            "{} devices call themselves {}: {}",
            shown.len(),
            text::line(name),
            shown.join(", ")
        ))
        .hint("Anybody may call itself so. Compare the fingerprints with what `carry devices` shows there at the top, and give the name. \
               One fingerprint twice is a copy of a device's key."));
    }
    Ok(None)
}

/// A log that was never met, named by its whole id: strangers may have taken all places of those that wait.
fn unmet(shell: &Shell, name: &str) -> Result<Option<LogId>, Failure> {
    let Ok(log) = name.parse::<LogId>() else { return Ok(None) };
    let status = status::look(&shell.home)?;
    let is_known = status.as_ref().is_some_and(|status| status.log(log).is_some());
    Ok((!is_known && !shell.exchange().remotes.is_empty()).then_some(log))
}

/// Asks and approves a log of which nothing came yet.
fn approve_unmet(shell: &Shell, log: LogId) -> Result<(), Failure> {
    prompt::check(shell, "--yes approves it.")?;
    shell
        .out
        .note(format_args!("Nothing of {log} has come yet. `carry devices --json` shows the log of a device there."));
    if !prompt::confirm(shell, &format!("Trust the work of {log}?"), "--yes approves it.")? {
        return Err(prompt::cancelled());
    }
    shell.ground()?.store()?.approve(log, shell.now())?;
    shell.out.say(format_args!("Approved {log}."))?;
    shell.out.note("The next `carry exchange` brings what is still to come of it.");
    look_again(shell);
    let log = status::look(&shell.home)?.and_then(|status| status.log(log).cloned());
    json(shell, &Meant { name: String::new(), log, known: None })
}

pub(super) fn approve(shell: &Shell, name: &str) -> Result<(), Failure> {
    if let Some(log) = unmet(shell, name)? {
        return approve_unmet(shell, log);
    }
    if let Some(log) = forgotten::find(shell, name)? {
        return forgotten::approve(shell, &log);
    }
    let meant = find(shell, name, Act::Approve)?;
    if !ask_and_approve(shell, &meant)? {
        return Err(prompt::cancelled());
    }
    look_again(shell);
    Ok(())
}

/// Asks and approves; says whether it is approved now.
fn ask_and_approve(shell: &Shell, meant: &Meant) -> Result<bool, Failure> {
    let name = &meant.name;
    if meant.is_approved() {
        shell.out.say(format_args!("{name} is approved already."))?;
    } else {
        prompt::check(shell, "--yes approves it.")?;
        tell(shell, meant);
        if !prompt::confirm(shell, &format!("Trust the work of {name}?"), "--yes approves it.")? {
            return Ok(false);
        }
        // By name before anything of it is folded, which would speak for it.
        let other = approve_known(shell, meant)?;
        if let Some(log) = meant.log.as_ref().filter(|log| log.row.state != LogState::Approved) {
            let ground = shell.ground()?;
            let mut store = ground.store()?;
            store.approve(log.row.log, shell.now())?;
            take_over(shell, &ground, &mut store)?;
        }
        shell.out.say(format_args!("Approved {name}."))?;
        if let Some(other) = other {
            let print = other.key.map_or("none, as of git-pulsar".to_owned(), |key| fingerprint(&key));
            shell.out.warn(format_args!(
                "that counts for what it exchanges alone: the id {} is known at Git remotes under another key (fingerprint: {print})",
                text::line(&other.id)
            ));
        }
        if meant.log.is_some() {
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
    } else if let Some(device) = meant.log.as_ref().and_then(accord::introduced) {
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
    tell(shell, &Meant { name: name.to_owned(), log: None, known: Some(known.clone()) });
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
    let print = match (&meant.log, &meant.known) {
        (Some(log), _) => {
            let age = time::age(log.row.since, shell.now());
            format!("{name} was first met in the exchange {age}. {}", fingerprint_of(log))
        }
        (None, Some(KnownDevice { key: Some(key), id, first_seen, .. })) => format!(
            "{name} ({}) was first seen {}. Its fingerprint: {}",
            text::line(id),
            time::age(*first_seen, shell.now()),
            fingerprint(key)
        ),
        (None, Some(known)) => format!(
            "{name} ({}) runs git-pulsar, which signs nothing: whoever can write to the remote can write in its name.",
            text::line(&known.id)
        ),
        (None, None) => return,
    };
    shell.out.note(print);
    if meant.key().is_some() {
        shell.out.note(
            "What it calls itself proves nothing: compare the fingerprint with the one that `carry devices` shows there at the top.",
        );
    }
}

/// Hands what was kept apart to the kinds of work that it is of.
fn take_over(
    shell: &Shell,
    ground: &carry_daemon::exchange::Ground,
    store: &mut carry_exchange::store::Store,
) -> Result<(), Failure> {
    let mut strands = ground.strands(true);
    for (name, error) in &strands.failed {
        shell.out.warn(format_args!("{name} cannot be opened: {error}; the next exchange takes it over"));
    }
    for strand in &mut strands.open {
        store.deliver(&mut **strand)?;
    }
    Ok(())
}

fn json(shell: &Shell, meant: &Meant) -> Result<(), Failure> {
    if !shell.out.is_json() {
        return Ok(());
    }
    let status = status::look(&shell.home)?;
    let devices = shell.registry()?.devices()?;
    let settings = shell.exchange();
    let log = match (&status, &meant.log) {
        (Some(status), Some(log)) => {
            status.log(log.row.log).map(|log| (log, LogJson::new(log, status, &devices, &settings)))
        }
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

pub(super) fn approve_all(shell: &Shell) -> Result<(), Failure> {
    let status = status::look(&shell.home)?;
    let names = status.as_ref().map(Names::of).unwrap_or_default();
    let registry = shell.registry()?;
    let mut unknown: Vec<Meant> = Vec::new();
    let devices = registry.devices()?;
    let waiting = status.as_ref().map(|status| super::waiting(shell, status)).transpose()?.unwrap_or_default();
    for log in waiting {
        let known = accord::known_of(&devices, log).cloned();
        unknown.push(Meant { name: names.show(log.row.log), log: Some(log.clone()), known });
    }
    for known in devices.into_iter().filter(|device| device.approved.is_none() && !device.is_revoked) {
        if unknown.iter().all(|meant| meant.known.as_ref().is_none_or(|other| other.id != known.id)) {
            unknown.push(Meant { name: text::line(&known.label), log: None, known: Some(known) });
        }
    }
    if unknown.is_empty() {
        shell.out.note("Every device that was seen is approved or revoked.");
        return Ok(());
    }
    let mut left = 0;
    for meant in &unknown {
        left += usize::from(!ask_and_approve(shell, meant)?);
    }
    look_again(shell);
    match left {
        0 => Ok(()),
        n if n == unknown.len() => Err(prompt::cancelled()),
        n => Err(Failure::partly(format!("{n} of {} devices were not approved", unknown.len()))),
    }
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
