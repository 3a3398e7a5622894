//! Whose work is trusted: what a device exchanges, and what it publishes to Git remotes, on one word.

use carry_code::registry::KnownDevice;
use carry_code::repo::Repo;
use carry_code::time;
use carry_exchange::name::LogId;
use carry_exchange::store::LogState;
use carry_exchange::store::status::{self, LogStatus, Status};

use super::{DeviceJson, LogJson, fingerprint};
use crate::cli::exchange::Names;
use crate::failure::Failure;
use crate::links::{self, Here};
use crate::targets::{self, Place};
use crate::wire::Shell;
use crate::{prompt, text, writers};

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
    /// Whether there is anything left to approve.
    fn is_approved(&self) -> bool {
        self.log.as_ref().is_none_or(|log| log.row.state == LogState::Approved)
            && self.known.as_ref().is_none_or(|known| known.approved.is_some())
    }
}

/// The device that `name` means.
fn find(shell: &Shell, name: &str) -> Result<Meant, Failure> {
    let registry = shell.registry()?;
    let status = status::look(&shell.home)?;
    let log = match &status {
        Some(status) => find_log(status, name)?,
        None => None,
    };
    match log {
        Some(log) => {
            let id = log.device.as_ref().map(|device| device.as_str());
            let known = id.map(|id| registry.device(id)).transpose()?.flatten();
            let names = status.as_ref().map(Names::of).unwrap_or_default();
            Ok(Meant { name: names.show(log.row.log), known, log: Some(log) })
        }
        None => {
            let known = writers::find_device(&registry, name).map_err(|failure| {
                let has_remotes = !shell.exchange().remotes.is_empty();
                if has_remotes { failure.hint("`carry exchange` asks the remotes of the exchange.") } else { failure }
            })?;
            // By its label at Git remotes: the log of the same device, unless several say that they are.
            let log = match &status {
                Some(status) => find_log(status, &known.id)?,
                None => None,
            };
            Ok(Meant { name: text::line(&known.label), log, known: Some(known) })
        }
    }
}

/// The log that `name` means: by its name here, its id or the beginning of it, or what its author calls itself. A log of this
/// device is none.
fn find_log(status: &Status, name: &str) -> Result<Option<LogStatus>, Failure> {
    let ways: [&dyn Fn(&LogStatus) -> bool; 4] = [
        &|log| log.row.alias == name,
        &|log| log.row.log.to_string() == name,
        &|log| log.device.as_ref().is_some_and(|device| device.as_str() == name),
        &|log| name.len() >= PREFIX_MIN && log.row.log.to_string().starts_with(name),
    ];
    for way in ways {
        let mut meant: Vec<&LogStatus> = status.logs.iter().filter(|log| !log.is_ours() && way(log)).collect();
        // A log that goes on from another is trusted as that one is, unless it came after a revocation.
        let all: Vec<_> = meant.iter().map(|log| (log.row.log, log.row.state)).collect();
        let goes_along = |log: &LogStatus, from| {
            all.iter().any(|(other, state)| {
                *other == from && (*state != LogState::Revoked || log.row.state == LogState::Revoked)
            })
        };
        meant.retain(|log| log.row.vouched_by.is_none_or(|from| !goes_along(log, from)));
        match meant.as_slice() {
            [] => {}
            [log] => return Ok(Some((*log).clone())),
            several => {
                let shown: Vec<String> = several
                    .iter()
                    .map(|log| {
                        let print = log.key.as_ref().map_or("unknown".to_owned(), fingerprint);
                        format!("{} (fingerprint {print})", log.row.alias)
                    })
                    .collect();
                return Err(Failure::failed(format!(
                    "{} devices call themselves {}: {}",
                    several.len(),
                    text::line(name),
                    shown.join(", ")
                ))
                .hint("Anybody may call itself so. Compare the fingerprints with what `carry devices` shows there, and give the name."));
            }
        }
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
    let meant = find(shell, name)?;
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
        if let Some(log) = meant.log.as_ref().filter(|log| log.row.state != LogState::Approved) {
            let ground = shell.ground()?;
            let mut store = ground.store()?;
            store.approve(log.row.log, shell.now())?;
            take_over(shell, &ground, &mut store)?;
        }
        if let Some(known) = meant.known.as_ref().filter(|known| known.approved.is_none()) {
            shell.registry()?.approve_device(&known.id, shell.now())?;
        }
        shell.out.say(format_args!("Approved {name}."))?;
        if meant.log.is_some() {
            shell.out.note("The next `carry exchange` brings what is still to come of it.");
        }
    }
    json(shell, meant)?;
    Ok(true)
}

/// What a person compares before they agree.
fn tell(shell: &Shell, meant: &Meant) {
    let name = &meant.name;
    if let Some(log) = meant.log.as_ref().filter(|log| log.row.state != LogState::Approved) {
        let print = log.key.as_ref().map_or("not known yet".to_owned(), fingerprint);
        shell.out.note(format_args!(
            "{name} was first met in the exchange {}. The fingerprint of its exchange key: {print}",
            time::age(log.row.since, shell.now()),
        ));
        shell.out.note("What it calls itself proves nothing: compare this with what `carry devices` shows there.");
    }
    match meant.known.as_ref().filter(|known| known.approved.is_none()) {
        Some(KnownDevice { key: Some(key), id, first_seen, .. }) => shell.out.note(format_args!(
            "{name} ({}) was first seen {}. The fingerprint of its key: {}",
            text::line(id),
            time::age(*first_seen, shell.now()),
            fingerprint(key)
        )),
        Some(known) => shell.out.note(format_args!(
            "{name} ({}) runs git-pulsar, which signs nothing: whoever can write to the remote can write in its name.",
            text::line(&known.id)
        )),
        None => {}
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
    let log = match (&status, &meant.log) {
        (Some(status), Some(log)) => status.log(log.row.log).map(|log| (log, LogJson::new(log, status))),
        _ => None,
    };
    let known = match &meant.known {
        Some(known) => shell.registry()?.device(&known.id)?.or_else(|| Some(known.clone())),
        None => None,
    };
    let device = match (known, log) {
        (Some(known), log) => {
            let mut device = DeviceJson::known(&known);
            device.exchange.extend(log.map(|(_, json)| json));
            device
        }
        (None, Some((log, json))) => DeviceJson::of_log(log, json),
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
    for log in status.iter().flat_map(Status::unapproved) {
        let id = log.device.as_ref().map(|device| device.as_str());
        let known = id.map(|id| registry.device(id)).transpose()?.flatten();
        unknown.push(Meant { name: names.show(log.row.log), log: Some(log.clone()), known });
    }
    for known in registry.devices()?.into_iter().filter(|device| device.approved.is_none()) {
        if unknown.iter().all(|meant| meant.known.as_ref().is_none_or(|other| other.id != known.id)) {
            unknown.push(Meant { name: text::line(&known.label), log: None, known: Some(known) });
        }
    }
    if unknown.is_empty() {
        shell.out.note("Every device that was seen is approved.");
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

pub(super) fn revoke(shell: &Shell, name: &str) -> Result<(), Failure> {
    let meant = find(shell, name)?;
    let name = &meant.name;
    if let Some(log) = &meant.log {
        let ground = shell.ground()?;
        let mut store = ground.store()?;
        // What its newest head names was said while it was trusted.
        let followed = store.followed_of(log.row.log)?;
        let streams = followed.iter().find(|way| way.track == 0).map(|way| way.head.head().streams.clone());
        let at = streams.unwrap_or_default().into_iter().map(|(stream, state)| (stream, (state.last, state.chain)));
        store.revoke(log.row.log, &at.collect(), shell.now())?;
        take_over(shell, &ground, &mut store)?;
        shell.out.say(format_args!("What {name} exchanges from now on is not taken over; what came before stays."))?;
    }
    if let Some(known) = &meant.known {
        shell.registry()?.revoke_device(&known.id)?;
        shell.out.say(format_args!("The work of {name} is offered no more."))?;
    }
    look_again(shell);
    json(shell, &meant)
}

pub(super) fn rename(shell: &Shell, label: &str) -> Result<(), Failure> {
    let ctx = shell.context()?;
    let mut device = (*ctx.device.get()).clone();
    device.set_label(&shell.home, label)?;
    shell.out.say(format_args!("This device is called {} from now on.", text::line(device.label())))?;
    shell.out.note("Others see it after the next push.");
    shell.reload_daemon();
    if shell.out.is_json() {
        shell.out.json(&DeviceJson::this(&device))?;
    }
    Ok(())
}

/// Names another device on this one. Only what is exchanged has such a name.
pub(super) fn rename_other(shell: &Shell, device: &str, name: &str) -> Result<(), Failure> {
    let meant = find(shell, device)?;
    let Some(log) = &meant.log else {
        return Err(Failure::failed(format!("{} exchanges nothing with this device", meant.name))
            .hint("It is renamed there: `carry devices rename LABEL`."));
    };
    shell.ground()?.store()?.set_alias(log.row.log, name)?;
    shell.out.say(format_args!("{} is called {name} here from now on.", meant.name))?;
    json(shell, &meant)
}

pub(super) fn forget(shell: &Shell, device: &str) -> Result<(), Failure> {
    let meant = find(shell, device)?;
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
