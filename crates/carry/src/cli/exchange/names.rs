//! What logs are called.

use std::collections::BTreeMap;

use carry_exchange::name::LogId;
use carry_exchange::store::LogState;
use carry_exchange::store::status::{self, LogStatus, Status};

use crate::failure::Failure;
use crate::text;
use crate::wire::Shell;

/// The names of all logs that are known here.
#[derive(Debug, Default)]
pub(in crate::cli) struct Names(BTreeMap<LogId, Name>);

/// One of them.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Name {
    /// The name on this device.
    pub(in crate::cli) alias: String,
    /// The id of the device that writes it, as that says.
    pub(in crate::cli) device: Option<String>,
    /// What that calls itself.
    label: Option<String>,
    /// Whether this device writes it, or wrote it.
    is_ours: bool,
    /// Whether somebody said that it is to be trusted, or it is this device's.
    is_trusted: bool,
    /// The log that speaks for it.
    vouched_by: Option<LogId>,
}

impl Names {
    /// Reads them.
    pub(in crate::cli) fn read(shell: &Shell) -> Result<Self, Failure> {
        Ok(status::look(&shell.home)?.as_ref().map(Self::of).unwrap_or_default())
    }

    /// Those in `status`.
    pub(in crate::cli) fn of(status: &Status) -> Self {
        let name = |log: &LogStatus| Name {
            alias: log.row.alias.clone(),
            device: log.device.as_ref().map(|device| device.as_str().to_owned()),
            label: log.label().map(ToOwned::to_owned),
            is_ours: log.is_ours(),
            is_trusted: log.is_ours() || log.row.state == LogState::Approved,
            vouched_by: log.row.vouched_by,
        };
        Self(status.logs.iter().map(|log| (log.row.log, name(log))).collect())
    }

    /// One for machines.
    pub(in crate::cli) fn get(&self, log: LogId) -> Option<&Name> {
        self.0.get(&log)
    }

    /// The name of the log for whose sake one counts, where it does.
    pub(in crate::cli) fn spoken_for(&self, log: LogId) -> Option<&str> {
        let from = self.get(log).filter(|name| name.is_trusted)?.vouched_by?;
        self.get(from).map(|name| name.alias.as_str())
    }

    /// Whether this device writes a log, or wrote it.
    pub(in crate::cli) fn is_ours(&self, log: LogId) -> bool {
        self.get(log).is_some_and(|name| name.is_ours)
    }

    /// Whose a file of a log is, for people.
    pub(in crate::cli) fn whose(&self, log: LogId) -> String {
        if self.is_ours(log) { "this device".to_owned() } else { self.show(log) }
    }

    /// One for people: its device's label, with the id where nobody approved it or several call themselves so; and told apart by
    /// its name here where several have one id, too.
    pub(in crate::cli) fn show(&self, log: LogId) -> String {
        let Some(name) = self.0.get(&log) else { return log.to_string() };
        let Some(device) = &name.device else { return name.alias.clone() };
        let n = self.0.values().filter(|other| other.device.as_ref() == Some(device)).count();
        if n > 1 {
            let called = name.label.as_ref().filter(|_| name.is_trusted).unwrap_or(device);
            return format!("{} ({})", text::line(called), name.alias);
        }
        let Some(label) = &name.label else { return text::line(device) };
        let is_only = self.0.values().filter(|other| other.label.as_ref() == Some(label)).count() == 1;
        // An id begins with what the host is called, which most labels are.
        let says_both = device.strip_prefix(label.as_str()).is_some_and(|rest| rest.starts_with('-'));
        match (is_only && name.is_trusted, says_both) {
            (true, _) => text::line(label),
            (false, true) => text::line(device),
            (false, false) => format!("{} ({})", text::line(label), text::line(device)),
        }
    }
}
