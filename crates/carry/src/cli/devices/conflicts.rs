//! Conflicts of each device: how many of those that `carry conflicts list` shows it has a value in.

use std::collections::{BTreeMap, BTreeSet};

use carry_exchange::name::{LogId, StreamName};
use carry_exchange::store::status::Status;
use carry_sessions::archive::{Archive, ArchiveError};
use carry_sessions::curation::Conflict;
use carry_sessions::stream::curation::STREAM;

use crate::failure::Failure;
use crate::wire::Shell;

/// The conflicts that each log has a value in.
#[derive(Debug)]
pub(super) struct Conflicts {
    /// `None` where the archive cannot be read.
    by_log: Option<BTreeMap<LogId, u64>>,
}

impl Conflicts {
    /// Counts them. Says so where they cannot be counted: how devices stand is shown all the same.
    pub(super) fn count(shell: &Shell, status: &Status) -> Self {
        let by_log = match read(shell) {
            Ok(all) => Some(by_log(&all, status.own)),
            Err(error) => {
                let why = Failure::from(error).in_one_line();
                shell.out.warn(format_args!("conflicts cannot be counted: {why}"));
                None
            }
        };
        Self { by_log }
    }

    /// How many a log has in a stream; `None` where that cannot be told.
    pub(super) fn of(&self, log: LogId, stream: &StreamName) -> Option<u64> {
        let all = self.by_log.as_ref()?;
        Some(if stream.as_str() == STREAM { all.get(&log).copied().unwrap_or(0) } else { 0 })
    }

    /// Adds the stream where a log has none yet, as for an edit that no other device was told of.
    pub(super) fn add_streams(&self, status: &mut Status) {
        let stream: StreamName = STREAM.parse().expect("a name of the form that streams have");
        for log in &mut status.logs {
            if self.of(log.row.log, &stream).is_some_and(|n| n > 0) {
                log.streams.entry(stream.clone()).or_default();
            }
        }
    }
}

fn read(shell: &Shell) -> Result<Vec<Conflict>, ArchiveError> {
    let archive = Archive::open_read_only(&shell.home)?;
    Ok(archive.map(|archive| archive.conflicts(None)).transpose()?.unwrap_or_default())
}

/// Counts each conflict once for each log. What was not said to others yet is of the log that this device writes.
fn by_log(all: &[Conflict], own: LogId) -> BTreeMap<LogId, u64> {
    let mut by_log = BTreeMap::new();
    for conflict in all {
        let logs: BTreeSet<LogId> = conflict.values.iter().map(|value| value.log.unwrap_or(own)).collect();
        for log in logs {
            *by_log.entry(log).or_default() += 1;
        }
    }
    by_log
}

#[cfg(test)]
mod tests {
    use carry_kernel::hlc::Hlc;
    use carry_sessions::curation::{ConflictValue, RegisterName};
    use carry_sessions::model::SessionId;

    use super::*;

    #[test]
    fn a_conflict_counts_once_for_each_log_that_has_a_value() {
        let log = |n: u8| -> LogId { format!("{n:032x}").parse().unwrap_or_else(|e| panic!("{e}")) };
        let conflict = |logs: &[Option<LogId>]| Conflict {
            name: RegisterName {
                session: SessionId::parse("0000000000000000").expect("an id"),
                field: "name".to_owned(),
                item: String::new(),
            },
            values: logs
                .iter()
                .map(|log| ConflictValue {
                    value: None,
                    at: Hlc { wall_ms: 0, counter: 0 },
                    device: "desk".to_owned(),
                    is_own: log.is_none(),
                    log: *log,
                })
                .collect(),
        };
        // The own log is 1. Of the second conflict, two values are in one log: it went two ways.
        let all = [conflict(&[None, Some(log(2))]), conflict(&[Some(log(2)), Some(log(2)), Some(log(3))])];
        assert_eq!(by_log(&all, log(1)), BTreeMap::from([(log(1), 1), (log(2), 2), (log(3), 1)]));
    }
}
