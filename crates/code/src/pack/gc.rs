//! Whether Git is collecting in a repository right now.

use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, test_kill_process};

/// A lock of `git maintenance` older than this was left behind: it names no process.
const MAINTENANCE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Whether `git gc` or `git maintenance` is at work. It has a list of packs in memory, and complains to the user when
/// one is gone.
pub(super) fn is_running(objects: &Path) -> bool {
    gc(objects) || maintenance(objects)
}

fn gc(objects: &Path) -> bool {
    let Some(file) = objects.parent().map(|git_dir| git_dir.join("gc.pid")) else { return false };
    let Ok(content) = std::fs::read_to_string(file) else { return false };
    let mut words = content.split_whitespace();
    let pid = words.next().and_then(|pid| pid.parse().ok()).filter(|pid| *pid > 0).and_then(Pid::from_raw);
    let host = rustix::system::uname();
    let here = words.next().is_none_or(|name| name.as_bytes() == host.nodename().to_bytes());
    // One on another machine cannot be asked; believe it.
    !here || pid.is_some_and(|pid| test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

fn maintenance(objects: &Path) -> bool {
    let Ok(made) = objects.join("maintenance.lock").metadata().and_then(|m| m.modified()) else { return false };
    // The time by the clock that stamped the lock.
    let now = tempfile::tempfile_in(objects).and_then(|f| f.metadata()?.modified());
    !now.is_ok_and(|now| now.duration_since(made).is_ok_and(|age| age > MAINTENANCE_MAX))
}
