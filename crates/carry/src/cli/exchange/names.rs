//! What logs are called.

use std::collections::BTreeMap;

use carry_exchange::name::LogId;
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
    /// What its author calls itself.
    pub(in crate::cli) device: Option<String>,
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
        };
        Self(status.logs.iter().map(|log| (log.row.log, name(log))).collect())
    }

    /// One for machines.
    pub(in crate::cli) fn get(&self, log: LogId) -> Option<&Name> {
        self.0.get(&log)
    }

    /// One for people: what its author calls itself, told apart where several call themselves so.
    pub(in crate::cli) fn show(&self, log: LogId) -> String {
        let Some(name) = self.0.get(&log) else { return log.to_string() };
        let Some(device) = &name.device else { return name.alias.clone() };
        let n = self.0.values().filter(|other| other.device.as_ref() == Some(device)).count();
        match n {
            1 => text::line(device),
            _ => format!("{} ({})", text::line(device), name.alias),
        }
    }
}
