//! What logs are called.

use std::collections::BTreeMap;

use carry_exchange::name::{LogId, ObjectName};
use carry_exchange::store::LogState;
use carry_exchange::store::status::{self, LogStatus, Status};

use super::problem::held_in;
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

    /// What something that was found is about: a file by what is in it, and a log by whose it is.
    pub(super) fn what(&self, what: &str) -> String {
        let at = if what.starts_with('/') { Some(0) } else { what.find(" /").map(|at| at + 1) };
        if let Some((before, path)) = at.and_then(|at| what.split_at_checked(at))
            && let Some(object) = object_at(path)
        {
            return format!("{before}{} of {}", held_in(&object), self.whose(object.log()));
        }
        self.0.keys().fold(text::line(what), |said, log| {
            let id = log.to_string();
            let mut parts = said.split(id.as_str());
            let first = parts.next().unwrap_or_default().to_owned();
            parts.fold(first, |said, rest| {
                let whose = self.whose(*log);
                // A stream stands behind its log.
                let Some(rest) = rest.strip_prefix('/') else { return format!("{said}{whose}{rest}") };
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(rest.len());
                format!("{said}{} of {whose}{}", &rest[..end], &rest[end..])
            })
        })
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

/// The object that all or a part of is kept in the file at `path`.
fn object_at(path: &str) -> Option<ObjectName> {
    let (folder, file) = path.rsplit_once('/')?;
    let (_, log) = folder.rsplit_once('/')?;
    let (stem, _) = file.split_once('.')?;
    format!("carry/l/{log}/{stem}.seg").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_called_by_its_device_and_stream() {
        let (one, other) = ("0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210");
        let name = |alias: &str, is_ours| Name {
            alias: alias.to_owned(),
            device: None,
            label: None,
            is_ours,
            is_trusted: true,
            vouched_by: None,
        };
        let log = |text: &str| text.parse::<LogId>().unwrap_or_else(|e| panic!("{e}"));
        let names = Names([(log(one), name("laptop", false)), (log(other), name("desk", true))].into());
        let id = "00112233445566778899aabbccddeeff";
        for (what, said) in [
            (
                format!("/a b/exchange/{one}/code-000000000003-000000000005-{id}.seg"),
                "records 3 to 5 of code of laptop".to_owned(),
            ),
            (
                format!("/a/{other}/curation-000000000007-000000000007-{id}.{id}.part"),
                "record 7 of curation of this device".to_owned(),
            ),
            (
                format!("the row of /a/{one}/code-000000000003-000000000005-{id}.seg"),
                "the row of records 3 to 5 of code of laptop".to_owned(),
            ),
            (format!("the ranges of {one}/code, way 2"), "the ranges of code of laptop, way 2".to_owned()),
            (format!("head 3 of {other} in heads_seen"), "head 3 of this device in heads_seen".to_owned()),
            ("/a/pending/7f".to_owned(), "/a/pending/7f".to_owned()),
            (format!("the row of log {id}"), format!("the row of log {id}")),
        ] {
            assert_eq!(names.what(&what), said);
        }
    }
}
