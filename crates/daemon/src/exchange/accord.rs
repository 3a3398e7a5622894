//! One word for a device: what was said of it at Git remotes holds in the exchange, and the other way round.
//!
//! A log and what a device publishes to Git remotes belong together where the device's key signed the log's. Where a person said
//! something of the one before the other turned up, it holds for that, too, from its next exchange on. What a person said of each
//! stays.
//!
//! What a log says is no word of a person: a device that counts for the sake of a log that speaks for it brings no log of its own
//! with it, and goes with the one that speaks for it.

use std::collections::BTreeSet;

use carry_code::registry::{Introduced, KnownDevice, Registry, Word};
use carry_exchange::head::Author;
use carry_exchange::name::LogId;
use carry_exchange::store::status::{LogStatus, Written};
use carry_exchange::store::{LogState, Store, StoreError};
use carry_kernel::clock::Timestamp;
use carry_kernel::db::DbError;
use carry_kernel::home::Home;
use carry_kernel::id::DeviceId;

#[cfg(test)]
mod tests;

/// Why it could not be done. It is tried again with the next exchange.
#[derive(Debug, thiserror::Error)]
pub enum AccordError {
    /// What is kept of the exchange.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The registry of devices.
    #[error(transparent)]
    Registry(#[from] DbError),
}

/// The device that a log introduces.
pub fn introduced(log: &LogStatus) -> Option<Introduced<'_>> {
    writer(log.author.as_ref(), log.device.as_ref())
}

fn writer<'a>(author: Option<&'a Author>, device: Option<&'a DeviceId>) -> Option<Introduced<'a>> {
    let (author, device) = (author?, device?);
    let label = author.label.as_deref().unwrap_or(device.as_str());
    Some(Introduced { id: device.as_str(), key: author.key, label })
}

/// The known device that writes a log: the one whose key signed the log's.
pub fn known_of<'k>(known: &'k [KnownDevice], log: &LogStatus) -> Option<&'k KnownDevice> {
    let device = introduced(log)?;
    known.iter().find(|known| known.id == device.id && known.key == Some(device.key))
}

/// What goes with logs that are revoked, since nothing but them speaks for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Along {
    /// The devices, each with the log that speaks for it. One that a person approved by name is none of them.
    pub devices: Vec<(KnownDevice, LogId)>,
    /// The logs that those devices write. What goes on from a log goes with that by itself.
    pub logs: Vec<LogId>,
}

/// What goes with the logs `gone`, however long the way from one to the next is.
pub fn along(logs: &[LogStatus], known: &[KnownDevice], gone: &BTreeSet<LogId>) -> Along {
    let (mut along, mut all) = (Along::default(), gone.clone());
    loop {
        let before = all.len();
        let goes_on = |log: &&LogStatus| {
            !log.is_ours() && [log.row.vouched_by, log.row.revoked_by].iter().flatten().any(|from| all.contains(from))
        };
        let heirs: Vec<LogId> = logs.iter().filter(goes_on).map(|log| log.row.log).collect();
        all.extend(heirs);
        for device in known {
            let Some(by) = device.vouched_by.filter(|by| all.contains(by)) else { continue };
            if along.devices.iter().any(|(other, _)| other.id == device.id) {
                continue;
            }
            along.devices.push((device.clone(), by));
            for log in logs {
                let is_its = introduced(log).is_some_and(|of| device.id == of.id && device.key == Some(of.key));
                if is_its && !log.is_ours() && !gone.contains(&log.row.log) {
                    along.logs.push(log.row.log);
                    all.insert(log.row.log);
                }
            }
        }
        if all.len() == before {
            return along;
        }
    }
}

/// One thing to be said, where nothing was said yet.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step<'a> {
    /// What was said of the log holds for the device.
    Follow(LogId, Word, Introduced<'a>),
    /// What was said of the device holds for the log.
    Count(LogId, &'a str),
    /// The log that spoke for the device is revoked.
    Back(&'a str, LogId),
}

/// What is to be said, as things stand.
fn plan<'a>(logs: &'a [Written], known: &'a [KnownDevice]) -> Vec<Step<'a>> {
    let mut steps = Vec::new();
    for log in logs {
        let Some(device) = writer(log.author.as_ref(), log.device.as_ref()) else { continue };
        let known = known.iter().find(|known| known.id == device.id);
        let is_open = |word| known.is_none_or(|known| known.is_moved_by(word, &device));
        match log.row.state {
            LogState::Approved if is_open(Word::Approved) => {
                steps.push(Step::Follow(log.row.log, Word::Approved, device));
            }
            LogState::Revoked if is_open(Word::Revoked) => {
                steps.push(Step::Follow(log.row.log, Word::Revoked, device));
            }
            LogState::Unapproved => {
                // One log, not any number: whoever has a copy of a device's key begins a second one.
                let has_key = |other: &&Written| other.author.as_ref().is_some_and(|author| author.key == device.key);
                let is_first = logs.iter().filter(has_key).count() == 1;
                if is_first && known.is_some_and(|known| known.key == Some(device.key) && known.is_approved_by_name()) {
                    steps.push(Step::Count(log.row.log, device.id));
                }
            }
            LogState::Own | LogState::Former | LogState::Approved | LogState::Revoked => {}
        }
    }
    // Its log was revoked while something of it was taken in, or a revocation did not come to its end.
    let is_revoked =
        |log: &LogId| logs.iter().any(|other| other.row.log == *log && other.row.state == LogState::Revoked);
    for device in known.iter().filter(|known| known.approved.is_some()) {
        steps.extend(device.vouched_by.filter(is_revoked).map(|by| Step::Back(&device.id, by)));
    }
    steps
}

/// Lets what was said of a device at one place hold at the other where nothing was said of it. Says whether a log counts now that
/// did not before. Only reads where there is nothing to be said.
///
/// # Errors
/// [`AccordError`].
pub fn settle(store: &mut Store, home: &Home, now: Timestamp) -> Result<bool, AccordError> {
    let logs = store.written()?;
    let known = Registry::open_read_only(home)?.map(|registry| registry.devices()).transpose()?.unwrap_or_default();
    let steps = plan(&logs, &known);
    if steps.is_empty() {
        return Ok(false);
    }
    carry_out(&steps, store, &mut Registry::open(home)?, now)
}

/// Carries out what was planned; nothing of it where a person said otherwise meanwhile.
fn carry_out(
    steps: &[Step<'_>],
    store: &mut Store,
    registry: &mut Registry,
    now: Timestamp,
) -> Result<bool, AccordError> {
    let mut counts = false;
    for step in steps {
        match step {
            Step::Follow(log, word, device) => drop(registry.follow_log(*log, *word, device, now)?),
            Step::Count(log, device) => {
                if store.approve_waiting(*log)? {
                    tracing::info!(%log, device, "a log of an approved device counts");
                    counts = true;
                }
            }
            Step::Back(device, by) => {
                if registry.revoke_vouched(device, *by)? {
                    tracing::info!(log = %by, device, "a device goes with the log that spoke for it");
                }
            }
        }
    }
    Ok(counts)
}
