//! The device that a person means: by what it is called here, by what it calls itself, or by its id.

use carry_code::registry::{Introduced, KnownDevice};
use carry_daemon::exchange::accord;
use carry_exchange::name::LogId;
use carry_exchange::store::LogState;
use carry_exchange::store::status::{self, LogStatus, Status};

use super::absent::{self, Absent};
use super::{Act, PREFIX_MIN, own};
use crate::cli::devices::fingerprint;
use crate::cli::exchange::Names;
use crate::failure::Failure;
use crate::wire::Shell;
use crate::{text, writers};

/// A device as a person named it: the log that it exchanges, the identity that it has at Git remotes, or both.
pub(super) struct Meant {
    /// What people are shown.
    pub(super) name: String,
    /// What it exchanges, as far as it is here.
    pub(super) log: Option<LogStatus>,
    /// What it is at Git remotes.
    pub(super) known: Option<KnownDevice>,
    /// Where nothing of what it exchanges is here: its log.
    pub(super) absent: Option<Absent>,
}

impl Meant {
    /// Whether there is nothing left to approve. One that counts for the sake of another log can be approved by name.
    pub(super) fn is_approved(&self) -> bool {
        self.absent.is_none()
            && self.log.as_ref().is_none_or(|log| log.row.state == LogState::Approved)
            && self.known.as_ref().is_none_or(|known| known.approved.is_some() && self.voucher().is_none())
    }

    /// The log, not its own, for whose sake it counts at Git remotes.
    pub(super) fn voucher(&self) -> Option<LogId> {
        let own = self.log_id();
        self.known.as_ref().filter(|known| known.approved.is_some())?.vouched_by.filter(|by| Some(*by) != own)
    }

    /// The key of the device.
    pub(super) fn key(&self) -> Option<[u8; 32]> {
        let of_log = || self.log.as_ref().and_then(LogStatus::device_key);
        let of_absent = || self.absent.as_ref().and_then(Absent::key);
        self.known.as_ref().and_then(|known| known.key).or_else(of_log).or_else(of_absent)
    }

    /// The log, whether anything of it is here or not.
    pub(super) fn log_id(&self) -> Option<LogId> {
        self.log.as_ref().map(|log| log.row.log).or_else(|| self.absent.as_ref().map(Absent::log))
    }

    /// The device that its log introduces, or did before it was forgotten.
    pub(super) fn introduced(&self) -> Option<Introduced<'_>> {
        self.log.as_ref().and_then(accord::introduced).or_else(|| self.absent.as_ref()?.introduced())
    }
}

/// The device that `name` means.
pub(super) fn find(shell: &Shell, name: &str, act: Act) -> Result<Meant, Failure> {
    let registry = shell.registry()?;
    let devices = registry.devices()?;
    let status = status::look(&shell.home)?;
    // Nothing else is done with what is not here.
    let called = if act == Act::Approve { absent::called(shell, name)? } else { Vec::new() };
    own::refuse(shell, status.as_ref(), &devices, name, act, !called.is_empty())?;
    if act == Act::Approve
        && let Some(meant) = absent::find(shell, status.as_ref(), &devices, name, &called)?
    {
        return Ok(meant);
    }
    let log = match &status {
        Some(status) => find_log(status, &devices, name, act)?,
        None => None,
    };
    let names = status.as_ref().map(Names::of).unwrap_or_default();
    match log {
        Some(log) => {
            let known = accord::known_of(&devices, &log).cloned();
            Ok(Meant { name: names.show(log.row.log), known, log: Some(log), absent: None })
        }
        None => {
            let known = writers::find_device(&registry, name).map_err(|failure| {
                if shell.exchange().remotes.is_empty() {
                    return failure;
                }
                let failure = failure.hint("`carry exchange` asks the remotes of the exchange.");
                let failure = match name.len() < PREFIX_MIN {
                    true => failure.hint(format!("Of an id at least the first {PREFIX_MIN} characters must be given.")),
                    false => failure,
                };
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
            Ok(Meant { name: text::line(&known.label), log, known: Some(known), absent: None })
        }
    }
}

/// The logs that a device writes, as its key says; of those that go on from one another the first.
pub(super) fn logs_of(logs: &[LogStatus], key: Option<[u8; 32]>) -> impl Iterator<Item = &LogStatus> {
    let all = logs.iter().filter(move |log| !log.is_ours() && key.is_some() && log.device_key() == key);
    first_of_lines(all.collect()).into_iter()
}

/// Whether `name` means one log of a device, and not the device: by what the log is called here, or by its id.
pub(super) fn is_side(log: &LogStatus, name: &str) -> bool {
    let is_log = log.row.alias == name || log.row.log.to_string().starts_with(name);
    let is_device = log.label() == Some(name) || log.device.as_ref().is_some_and(|device| device.as_str() == name);
    is_log && (!is_device || log.row.alias == name)
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

/// The log that `name` means: by its name here, its id or the beginning of it, or by the label or id of its device or the beginning
/// of that. A log of
/// this device is none. Where all logs of the device are meant, any of them will do: for a revocation, and for taking one back,
/// where a person said something of each.
fn find_log(status: &Status, devices: &[KnownDevice], name: &str, act: Act) -> Result<Option<LogStatus>, Failure> {
    let is_labelled = |log: &LogStatus| log.label() == Some(name);
    let begins = |text: &str| name.len() >= PREFIX_MIN && text.starts_with(name);
    let ways: [&dyn Fn(&LogStatus) -> bool; 6] = [
        &|log| log.row.alias == name,
        &|log| log.row.log.to_string() == name,
        &|log| log.device.as_ref().is_some_and(|device| device.as_str() == name),
        &is_labelled,
        &|log| begins(&log.row.log.to_string()),
        &|log| log.device.as_ref().is_some_and(|device| begins(device.as_str())),
    ];
    for (at, way) in ways.iter().enumerate() {
        let meant = first_of_lines(status.logs.iter().filter(|log| !log.is_ours() && way(log)).collect());
        let Some(first) = meant.first() else { continue };
        let is_one = |log: &&LogStatus| log.device_key().is_some() && log.device_key() == first.device_key();
        // By what anybody may call itself a device of a Git remote may be meant as well.
        let is_called = |known: &KnownDevice| match at {
            2 | 3 => known.label == name || known.id == name,
            5 => begins(&known.id),
            _ => false,
        };
        let other = devices.iter().find(|known| {
            is_called(known) && (known.key.is_none() || meant.iter().all(|log| log.device_key() != known.key))
        });
        let is_said = |log: &&LogStatus| log.row.state != LogState::Unapproved;
        let means_all = match act {
            Act::Revoke => true,
            Act::Approve => meant.iter().all(is_said),
            Act::Rename | Act::Forget => false,
        };
        if other.is_none() && (meant.len() == 1 || means_all && meant.iter().all(is_one)) {
            let first = meant.iter().find(|log| act == Act::Approve && log.row.state == LogState::Revoked);
            return Ok(Some((*first.unwrap_or(&meant[0])).clone()));
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
        if at >= 4 {
            let (n, name, shown) = (shown.len(), text::line(name), shown.join(", "));
            return Err(Failure::failed(format!("the ids of {n} devices or logs begin with {name}: {shown}"))
                .hint("Give the name that stands before the brackets."));
        }
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
