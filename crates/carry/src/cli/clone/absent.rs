//! Why a repository cannot be cloned here, and what to do about it, where.

use carry_code::stream::{self, ForeignLine};
use carry_daemon::exchange::accord;
use carry_exchange::store::LogState;
use carry_exchange::store::status::{self, LogStatus, Status};

use super::choice::Candidate;
use crate::cli::devices::{self, has_code, word};
use crate::cli::exchange::{Names, who};
use crate::cli::remote::{Rounds, place_word};
use crate::failure::Failure;
use crate::text;
use crate::wire::Shell;

/// Devices that are named one by one.
const NAMED_MAX: usize = 3;

/// What stands between this device and repositories of others, and what to do: full sentences, the first thing first.
pub(super) fn reasons(shell: &Shell) -> Result<Vec<String>, Failure> {
    let settings = shell.exchange();
    let Some(first) = settings.remotes.first() else {
        return Ok(vec![
            "This device exchanges with no other yet. `carry remote add NAME PLACE --code` adds a place, here and on the device that \
             has the repository; then `carry exchange` there and here."
                .to_owned(),
        ]);
    };
    let with_code: Vec<&str> =
        settings.remotes.iter().filter(|remote| remote.has_code).map(|remote| remote.name.as_str()).collect();
    if with_code.is_empty() {
        let (name, place) = (&first.name, place_word(&first.location));
        return Ok(vec![format!(
            "Uncommitted code is exchanged with no remote here: `carry remote add {name} {place} --code` switches that on, here and \
             on the device that has the repository; then `carry exchange` there and here."
        )]);
    }
    let rounds = Rounds::look(shell)?;
    if with_code.iter().all(|name| rounds.of(name).pull.ok.is_none()) {
        return Ok(vec![format!("Nothing was exchanged with {} yet: `carry exchange` does so.", with_code.join(", "))]);
    }
    let status = status::look(&shell.home)?;
    let mut reasons =
        status.as_ref().map(|status| devices::unapproved(shell, status, false)).transpose()?.unwrap_or_default();
    if !reasons.is_empty() {
        return Ok(reasons);
    }
    let is_alone = !status.iter().flat_map(|status| &status.logs).any(|log| log.row.state == LogState::Approved);
    reasons = status.as_ref().map(|status| revoked(shell, status)).transpose()?.unwrap_or_default();
    if reasons.is_empty() || !is_alone {
        let names = with_code.join(", ");
        let what = match is_alone {
            true => format!("No other device was met at {names} yet"),
            false => "No approved device exchanged a repository that is not here".to_owned(),
        };
        reasons.push(format!(
            "{what}. On the device that has it: `carry remote add NAME PLACE --code` with the same place, `carry add` in the \
             repository, and `carry exchange`; then `carry exchange` here."
        ));
    }
    Ok(reasons)
}

/// The devices that have exchanged code and whose work does not count any more.
fn revoked(shell: &Shell, status: &Status) -> Result<Vec<String>, Failure> {
    let names = Names::of(status);
    let known = shell.registry_to_read()?.map(|registry| registry.devices()).transpose()?.unwrap_or_default();
    let is_revoked = |log: &LogStatus| match log.row.state {
        LogState::Revoked => true,
        LogState::Unapproved => accord::known_of(&known, log).is_some_and(|known| known.is_revoked),
        _ => false,
    };
    let revoked: Vec<&LogStatus> = status.logs.iter().filter(|log| is_revoked(log) && has_code(log)).collect();
    let mut said: Vec<String> = revoked
        .iter()
        .take(NAMED_MAX)
        .map(|log| {
            let (shown, name) = (names.show(log.row.log), word(&names, log));
            format!(
                "{shown} has exchanged code and is revoked here; `carry devices approve {name}` trusts it again, and then \
                 `carry exchange` takes in what it has."
            )
        })
        .collect();
    if revoked.len() > NAMED_MAX {
        said.push(format!("{} more are revoked; `carry devices` names them.", revoked.len() - NAMED_MAX));
    }
    Ok(said)
}

/// Why there is none that `typed` names.
pub(super) fn unknown(shell: &Shell, all: &[Candidate], typed: &str) -> Result<Failure, Failure> {
    let (device, name) = match typed.split_once(':') {
        Some((device, name)) => (Some(device), name),
        None => (None, typed),
    };
    if let Some(failure) = here(shell, name)? {
        return Ok(failure);
    }
    if let (Some(device), Some(one)) = (device, all.iter().find(|one| one.is_called(name))) {
        let mut whose: Vec<String> = one.lines().map(who).collect();
        whose.sort();
        whose.dedup();
        return Ok(Failure::failed(format!("{} has exchanged no repository {}", text::line(device), text::line(name)))
            .hint(format!("It is on {}: `carry clone {}`.", whose.join(", "), text::line(name))));
    }
    let failure = Failure::failed(format!("no other device has a repository {:?} that is not here", text::line(typed)));
    if !all.is_empty() {
        let mut names: Vec<String> = all.iter().map(|one| text::line(&one.name)).collect();
        names.dedup();
        let status = status::look(&shell.home)?;
        let waiting =
            status.as_ref().map(|status| devices::unapproved(shell, status, false)).transpose()?.unwrap_or_default();
        let failure = failure.hint(format!("There are: {}.", names.join(", ")));
        return Ok(waiting.into_iter().fold(failure, Failure::hint));
    }
    Ok(reasons(shell)?.into_iter().fold(failure, Failure::hint))
}

/// Where a repository of this name is here already, or why one that came cannot be taken.
fn here(shell: &Shell, name: &str) -> Result<Option<Failure>, Failure> {
    let Some(ctx) = shell.existing_context()? else { return Ok(None) };
    let is_called = |line: &ForeignLine| line.name == name || line.repository == name;
    let lines: Vec<ForeignLine> = stream::standing(&ctx)?.foreign.into_iter().filter(is_called).collect();
    let is_here = |root: &std::path::Path| {
        let folder = shell.folder(root);
        Failure::failed(format!("{} is here already, in {folder}", text::line(name)))
            .hint(format!("`carry sync` in {folder} takes over what other devices have of it."))
    };
    if let Some(dir) = lines.iter().flat_map(|line| &line.here).next() {
        return Ok(Some(is_here(crate::cli::exchange::root_of(dir))));
    }
    if let Some(refusal) = lines.iter().flat_map(|line| &line.refused).next() {
        let folder = shell.folder(crate::cli::exchange::root_of(&refusal.common_dir));
        return Ok(Some(
            Failure::failed(format!(
                "{} is here already, in {folder}, and what came is not taken: {}",
                text::line(name),
                text::line(&refusal.why)
            ))
            .hint("`carry exchange stats` shows how it stands."),
        ));
    }
    let Some(registry) = shell.registry_to_read()? else { return Ok(None) };
    let is_named = |root: &std::path::Path| root.file_name().is_some_and(|file| file.to_str() == Some(name));
    Ok(registry.trees()?.iter().find(|tree| is_named(&tree.root) && tree.root.exists()).map(|tree| is_here(&tree.root)))
}
