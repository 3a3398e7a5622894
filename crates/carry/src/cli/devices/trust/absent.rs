//! Logs of which nothing is here, and which are approved all the same: one that was forgotten, and one that was never met.
//!
//! What is here comes first. A name here that a forgotten log had is free again, and means whatever has it now.

use carry_code::registry::{Introduced, KnownDevice};
use carry_code::time;
use carry_exchange::name::LogId;
use carry_exchange::store::Forgotten;
use carry_exchange::store::status::Status;
use carry_kernel::clock::Timestamp;

use super::PREFIX_MIN;
use super::meant::Meant;
use crate::cli::devices::fingerprint;
use crate::failure::Failure;
use crate::text;
use crate::wire::Shell;

/// A log of which nothing is here.
pub(super) enum Absent {
    /// It was forgotten: this is what is remembered of it.
    Forgotten(Forgotten),
    /// Nothing of it ever came: strangers may have taken all places of those that wait.
    Unmet(LogId),
}

impl Absent {
    /// The log.
    pub(super) fn log(&self) -> LogId {
        match self {
            Self::Forgotten(one) => one.log,
            Self::Unmet(log) => *log,
        }
    }

    /// The key of the device that signed it, where that is known.
    pub(super) fn key(&self) -> Option<[u8; 32]> {
        match self {
            Self::Forgotten(one) => one.key,
            Self::Unmet(_) => None,
        }
    }

    /// The device that signed it, where that is known.
    pub(super) fn introduced(&self) -> Option<Introduced<'_>> {
        let Self::Forgotten(Forgotten { device: Some(id), key: Some(key), label, .. }) = self else { return None };
        Some(Introduced { id, key: *key, label: label.as_deref().unwrap_or(id) })
    }

    /// What a person is told of it before they agree.
    pub(super) fn told(&self, name: &str, now: Timestamp) -> String {
        let one = match self {
            Self::Forgotten(one) => one,
            Self::Unmet(log) => {
                return format!(
                    "Nothing of {log} has come yet. `carry devices --json` shows the log of a device there."
                );
            }
        };
        let age = time::age(one.at, now);
        match &one.key {
            Some(key) => format!("{name} was forgotten {age}. Its fingerprint: {}", fingerprint(key)),
            None => format!("{name} was forgotten {age}. It does not say which device it is. Its log: {}", one.log),
        }
    }
}

/// The forgotten logs that `name` may mean: by their name here before, by the label or id of the device, or by their id or the
/// beginning of it.
pub(super) fn called(shell: &Shell, name: &str) -> Result<Vec<Forgotten>, Failure> {
    let Some(store) = shell.store_to_read()? else { return Ok(Vec::new()) };
    let mut all = store.forgotten(shell.now())?;
    all.retain(|one| {
        [Some(&one.alias), one.label.as_ref(), one.device.as_ref()].into_iter().flatten().any(|said| said == name)
            || name.len() >= PREFIX_MIN && one.log.to_string().starts_with(name)
    });
    Ok(all)
}

/// The log that `name` means of those that are not here; `called` are the forgotten ones that it may mean. None where it means
/// something that is here, or nothing.
///
/// # Errors
/// [`Failure`] where several may be meant, with a name for each that means it alone.
pub(super) fn find(
    shell: &Shell,
    status: Option<&Status>,
    devices: &[KnownDevice],
    name: &str,
    called: &[Forgotten],
) -> Result<Option<Meant>, Failure> {
    if let Ok(log) = name.parse::<LogId>() {
        if status.is_some_and(|status| status.log(log).is_some()) {
            return Ok(None);
        }
        if let Some(one) = called.iter().find(|one| one.log == log) {
            return Ok(Some(forgotten(one, devices)));
        }
        let is_exchanging = !shell.exchange().remotes.is_empty();
        return Ok(is_exchanging.then(|| unmet(log)));
    }
    let [one, more @ ..] = called else { return Ok(None) };
    let here = Here { status, devices, called };
    if here.has_for_itself(name) {
        return Ok(None);
    }
    let others = here.others(name);
    if more.is_empty() && others.is_empty() {
        return Ok(Some(forgotten(one, devices)));
    }
    let forgotten = called.iter().map(|one| format!("{}, which was forgotten", shown(&here.word(name, one), one.key)));
    let all: Vec<String> = forgotten.chain(others).collect();
    Err(Failure::failed(format!("{} devices are called {}: {}", all.len(), text::line(name), all.join(", "))).hint(
        "Anybody may call itself so. Compare the fingerprints with what `carry devices` shows there at the top, and give the name that \
         stands before the brackets.",
    ))
}

/// What is here, beside forgotten logs that a name may mean.
struct Here<'a> {
    status: Option<&'a Status>,
    devices: &'a [KnownDevice],
    called: &'a [Forgotten],
}

impl Here<'_> {
    /// Whether `name` is the name here of a log, or the id of another device at Git remotes.
    fn has_for_itself(&self, name: &str) -> bool {
        let mut logs = self.status.iter().flat_map(|status| &status.logs);
        logs.any(|log| !log.is_ours() && log.row.alias == name)
            || self.devices.iter().any(|known| known.id == name && self.is_other(known.key))
    }

    /// Whether a key is that of none of the forgotten ones.
    fn is_other(&self, key: Option<[u8; 32]>) -> bool {
        self.called.iter().all(|one| key.is_none() || one.key != key)
    }

    /// What is here and may be meant by `name`, each by a name that means it alone.
    fn others(&self, name: &str) -> Vec<String> {
        let logs = || self.status.iter().flat_map(|status| &status.logs);
        let begins = |text: &str| name.len() >= PREFIX_MIN && text.starts_with(name);
        let of_logs = logs().filter(|log| {
            let device = log.device.as_ref().map(|device| device.as_str());
            let is_called = [log.label(), device].contains(&Some(name)) || begins(&log.row.log.to_string());
            !log.is_ours() && is_called
        });
        let of_git = self.devices.iter().filter(|known| {
            let is_called = known.label == name || known.id == name || begins(&known.id);
            is_called && self.is_other(known.key)
        });
        let of_git = of_git.filter(|known| known.key.is_none() || logs().all(|log| log.device_key() != known.key));
        let of_git = of_git.map(|known| shown(&text::line(&known.id), known.key));
        of_logs.map(|log| shown(&log.row.alias, log.device_key())).chain(of_git).collect()
    }

    /// What means a forgotten log and nothing else: the name that it had here, where nothing is called so now, or its id.
    fn word(&self, asked: &str, one: &Forgotten) -> String {
        let is_taken = one.alias == asked || self.has_for_itself(&one.alias) || !self.others(&one.alias).is_empty();
        let is_shared = self.called.iter().any(|other| other.log != one.log && other.alias == one.alias);
        if is_taken || is_shared { one.log.to_string() } else { one.alias.clone() }
    }
}

fn shown(name: &str, key: Option<[u8; 32]>) -> String {
    let print = key.map_or("that says none".to_owned(), |key| fingerprint(&key));
    format!("{name} (fingerprint {print})")
}

/// The device of a forgotten log.
fn forgotten(one: &Forgotten, devices: &[KnownDevice]) -> Meant {
    let name = text::line(one.label.as_deref().or(one.device.as_deref()).unwrap_or(&one.alias));
    let is_it =
        |known: &&KnownDevice| one.key.is_some() && known.key == one.key && one.device.as_ref() == Some(&known.id);
    let known = devices.iter().find(is_it).cloned();
    Meant { name, log: None, known, absent: Some(Absent::Forgotten(one.clone())) }
}

/// That of a log that was never met.
fn unmet(log: LogId) -> Meant {
    Meant { name: log.to_string(), log: None, known: None, absent: Some(Absent::Unmet(log)) }
}
