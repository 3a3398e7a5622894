//! What has been missing here for long though its device said it, for `status` and `doctor`.

use carry_code::doctor::{Finding, Severity};
use carry_daemon::exchange::unsent::may_be_kept_back;
use carry_exchange::store::StoreError;
use carry_exchange::store::status::{Overdue, Status, look_at_overdue};
use carry_kernel::clock::Timestamp;
use serde::Serialize;

use super::names::Names;
use crate::text;
use crate::wire::Shell;

const DAY_SECS: u64 = 24 * 60 * 60;

/// What is overdue of streams that are taken in, and that a device does not keep back.
pub(super) fn look(shell: &Shell, status: &Status) -> Result<Vec<Overdue>, StoreError> {
    let settings = shell.exchange();
    let mut all = look_at_overdue(&shell.home, status)?;
    all.retain(|overdue| {
        let stream = status.log(overdue.log).and_then(|log| Some((log, log.streams.get(&overdue.stream)?)));
        stream.is_some_and(|(log, state)| {
            log.is_ours() || (settings.takes(&overdue.stream) && !may_be_kept_back(&overdue.stream, state))
        })
    });
    Ok(all)
}

/// `10 records of sessions of laptop have been missing here for 3 days`.
pub(super) fn in_words(overdue: &Overdue, names: &Names, now: Timestamp) -> String {
    let n = overdue.missing.count();
    format!(
        "{} of {} of {} {} been missing here for {}",
        text::count(n, "record"),
        overdue.stream.as_str(),
        names.whose(overdue.log),
        if n == 1 { "has" } else { "have" },
        text::count((now.since(overdue.since).as_secs() / DAY_SECS).max(1), "day")
    )
}

/// The same as findings of `doctor`.
pub(super) fn findings(shell: &Shell, status: &Status) -> Vec<Finding> {
    let names = Names::of(status);
    // That it cannot be read is told by what reads more of it.
    let all = look(shell, status).unwrap_or_default();
    let finding = |overdue: &Overdue| {
        Finding {
        code: "exchange-missing",
        severity: Severity::Warning,
        problem: format!("{}.", in_words(overdue, &names, shell.now())),
        advice: "Each exchange asks other devices for it. `carry exchange verify --repair` on one that has it puts it again at once, best \
                 on the device that wrote it. What nobody has is lost; all else goes on."
            .to_owned(),
        fix: None,
    }
    };
    all.iter().map(finding).collect()
}

/// Records that are overdue, for machines.
#[derive(Serialize)]
pub(super) struct OverdueJson<'a> {
    log: String,
    stream: &'a str,
    missing: Vec<[u64; 2]>,
    since: String,
}

impl<'a> OverdueJson<'a> {
    pub(super) fn new(overdue: &'a Overdue) -> Self {
        Self {
            log: overdue.log.to_string(),
            stream: overdue.stream.as_str(),
            missing: overdue.missing.iter().map(|range| [*range.start(), *range.end()]).collect(),
            since: overdue.since.to_rfc3339(),
        }
    }
}
