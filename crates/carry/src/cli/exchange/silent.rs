//! Remotes and devices that have been silent for long, for `status` and `doctor`.

use std::time::Duration;

use carry_daemon::exchange::settings::RemoteSettings;
use carry_exchange::store::status::{LogStatus, Status};
use carry_kernel::clock::Timestamp;

use super::names::Names;
use crate::cli::remote::Rounds;
use crate::text;
use crate::wire::Shell;

/// Silence for longer is worth a word: not what is left at home over two weeks of holidays.
const SILENT_DAYS: u64 = 14;
const SILENT_AFTER: Duration = Duration::from_secs(SILENT_DAYS * DAY_SECS);
const DAY_SECS: u64 = 24 * 60 * 60;
/// Devices that are named one by one.
const NAMED_MAX: usize = 3;

/// For how many days no exchange with a remote went well, if that is for long. One with which none ever did is told of otherwise.
pub(super) fn remote(shell: &Shell, rounds: &Rounds, name: &str) -> Option<u64> {
    let row = rounds.of(name);
    let last = row.pull.ok.into_iter().chain(row.push.ok).max()?;
    is_long_ago(shell, last).then(|| days(shell, last))
}

/// The approved devices of which nothing came for long. None where no remote was reached meanwhile: then that is why.
pub(super) fn devices<'s>(
    shell: &Shell,
    status: &'s Status,
    rounds: &Rounds,
    remotes: &[RemoteSettings],
) -> Vec<(&'s LogStatus, Timestamp)> {
    let is_reached =
        |remote: &RemoteSettings| rounds.of(&remote.name).pull.ok.is_some_and(|last| !is_long_ago(shell, last));
    match remotes.iter().any(is_reached) {
        true => status.unheard(shell.now().before(SILENT_AFTER)),
        false => Vec::new(),
    }
}

/// `laptop for 16 days`; of several those that were silent the longest first.
pub(super) fn in_words(shell: &Shell, silent: &[(&LogStatus, Timestamp)], names: &Names) -> Option<String> {
    let name = |(log, _): &(&LogStatus, Timestamp)| names.show(log.row.log);
    match silent {
        [] => None,
        [one] => Some(format!("{} for {}", name(one), text::count(days(shell, one.1), "day"))),
        several => {
            let mut named: Vec<String> = several.iter().take(NAMED_MAX).map(name).collect();
            if several.len() > NAMED_MAX {
                named.push("…".to_owned());
            }
            let devices = text::count(text::len(several), "device");
            Some(format!("{devices} for more than {SILENT_DAYS} days: {}", named.join(", ")))
        }
    }
}

fn is_long_ago(shell: &Shell, at: Timestamp) -> bool {
    at < shell.now().before(SILENT_AFTER)
}

/// Whole days since.
fn days(shell: &Shell, at: Timestamp) -> u64 {
    shell.now().since(at).as_secs() / DAY_SECS
}
