//! Devices that exchange and wait for a person's word: what they have is kept apart, so that no command finds any of it.

use carry_code::registry::KnownDevice;
use carry_exchange::store::LogState;
use carry_exchange::store::status::{self, LogStatus, Status};

use super::logs::state_of;
use crate::cli::exchange::Names;
use crate::failure::Failure;
use crate::text;
use crate::wire::Shell;

/// Devices that are named one by one.
const NAMED_MAX: usize = 3;

/// The logs that wait for a person's word.
pub(in crate::cli) fn waiting<'s>(shell: &Shell, status: &'s Status) -> Result<Vec<&'s LogStatus>, Failure> {
    let known = known(shell)?;
    Ok(status.unapproved().filter(|log| state_of(log, &known) == LogState::Unapproved).collect())
}

/// What to do about those that wait, in sentences: those with code first, and with `is_code` no others.
pub(in crate::cli) fn unapproved(shell: &Shell, status: &Status, is_code: bool) -> Result<Vec<String>, Failure> {
    let names = Names::of(status);
    let mut waiting = waiting(shell, status)?;
    waiting.retain(|log| !is_code || has_code(log));
    waiting.sort_by_key(|log| !has_code(log));
    let mut said: Vec<String> = waiting.iter().take(NAMED_MAX).map(|log| advice(&names, log)).collect();
    if waiting.len() > NAMED_MAX {
        said.push(format!("{} more are not approved; `carry devices` names them.", waiting.len() - NAMED_MAX));
    }
    Ok(said)
}

/// What to do about the one that is called `name`, if it waits.
pub(in crate::cli) fn unapproved_called(shell: &Shell, name: &str) -> Result<Option<String>, Failure> {
    let Some(status) = status::look(&shell.home)? else { return Ok(None) };
    let waiting = waiting(shell, &status)?;
    Ok(waiting.into_iter().find(|log| is_called(log, name)).map(|log| advice(&Names::of(&status), log)))
}

/// Why nothing is here of the device that is called `name`: nobody approved it, or it was revoked. Else it is `failure`.
pub(in crate::cli) fn why_nothing_of(shell: &Shell, name: &str, failure: Failure) -> Result<Failure, Failure> {
    let Some(status) = status::look(&shell.home)? else { return Ok(failure) };
    let known = known(shell)?;
    let is_known = |device: &KnownDevice| device.approved.is_some() && !device.is_revoked;
    let meant: Vec<&LogStatus> = status.logs.iter().filter(|log| is_called(log, name)).collect();
    if meant.iter().any(|log| log.is_ours() || log.row.state == LogState::Approved)
        || known.iter().any(|device| is_known(device) && (device.label == name || device.id == name))
    {
        return Ok(failure);
    }
    let Some(first) = meant.first() else { return Ok(failure) };
    let names = Names::of(&status);
    let shown: Vec<String> = meant.iter().map(|log| names.show(log.row.log)).collect();
    let shown = shown.join(" and ");
    if meant.iter().all(|log| state_of(log, &known) == LogState::Revoked) {
        let name = word(&names, first);
        return Ok(Failure::failed(format!("{shown} was revoked"))
            .hint(format!("Nothing of it is taken over. `carry devices approve {name}` trusts it again.")));
    }
    let are = if meant.len() == 1 { "is" } else { "are" };
    let failure =
        Failure::failed(format!("{shown} {are} not approved here, and nothing that waits is shown or taken over"));
    Ok(meant.iter().fold(failure, |failure, log| {
        failure.hint(format!(
            "`carry devices approve {}` takes over what it exchanges. Compare the fingerprint before, with the one that `carry devices` \
             shows there at the top. {}",
            word(&names, log),
            super::fingerprint_of(log)
        ))
    }))
}

/// Whether a device has exchanged uncommitted code, whether or not that was taken in.
pub(in crate::cli) fn has_code(log: &LogStatus) -> bool {
    log.streams.iter().any(|(stream, standing)| stream.as_str() == "code" && standing.published > 0)
}

/// What a device is called in a command: what it calls itself, unless another does so, too.
pub(in crate::cli) fn word(names: &Names, log: &LogStatus) -> String {
    let shown = names.show(log.row.log);
    if shown.contains(' ') { text::line(&log.row.alias) } else { shown }
}

/// What to do about one that waits.
fn advice(names: &Names, log: &LogStatus) -> String {
    let (shown, name) = (names.show(log.row.log), word(names, log));
    let what = if has_code(log) { "has exchanged code, and is not approved here" } else { "is not approved here" };
    format!(
        "{shown} {what}: compare the fingerprints that `carry devices` shows, then `carry devices approve {name}` and \
         `carry exchange`."
    )
}

/// Whether `name` means the device that writes a log: by the log's name here, by its label, or by the beginning of its id.
fn is_called(log: &LogStatus, name: &str) -> bool {
    let name = name.trim().to_lowercase();
    let is_it = |text: &str| text.to_lowercase() == name;
    !name.is_empty()
        && (is_it(&log.row.alias)
            || log.label().is_some_and(is_it)
            || log.device.as_ref().is_some_and(|id| id.as_str().to_lowercase().starts_with(&name)))
}

fn known(shell: &Shell) -> Result<Vec<KnownDevice>, Failure> {
    Ok(shell.registry_to_read()?.map(|registry| registry.devices()).transpose()?.unwrap_or_default())
}
