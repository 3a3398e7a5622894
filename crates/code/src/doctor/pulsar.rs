//! git-pulsar beside Carry: whether it still writes, and what it left behind.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::{Finding, Fix, Severity, command, locks, shown};
use crate::context::Context;
use crate::git::ByteSlice as _;
use crate::pulsar::STREAMS;
use crate::refs;
use crate::registry::{Registry, Tree};
use crate::repo::Repo;

/// What its timer is called, with systemd and with launchd.
const LABEL: &str = "com.jacksonferguson.gitpulsar";
/// What Homebrew calls it.
const BREW: &str = "homebrew.mxcl.git-pulsar";
/// Its private index, which it makes and removes at every run.
const INDEX: &str = "pulsar_index";
/// Its list of repositories is not read beyond this many bytes.
const REGISTRY_BYTES_MAX: u64 = 4 << 20;

/// Branches of its own.
pub(super) fn streams(repo: &Repo, findings: &mut Vec<Finding>) {
    // Refs that cannot be listed are spoken of elsewhere.
    let n = refs::list(repo, STREAMS).map_or(0, |refs| refs.len());
    if n > 0 {
        let problem = format!("{} holds {n} branches of git-pulsar below {STREAMS}.", shown(repo.root()));
        let advice = "Carry reads them as other devices' work and changes none. Each is taken into account once its device is approved (`carry devices approve`).";
        findings.push(Finding::new("foreign-refs", Severity::Note, problem, advice));
    }
}

/// Its index and the lock on it, when the run that made them was killed.
pub(super) fn leftovers(ctx: &Context, repo: &Repo, findings: &mut Vec<Finding>) {
    for path in ["pulsar_index", "pulsar_index.lock"].map(|name| repo.git_dir().join(name)) {
        if locks::stale(&path, &locks::around(repo), ctx.clock.now()).is_none() {
            continue;
        }
        let problem = format!("{} was left behind by a git-pulsar that was killed.", shown(&path));
        let advice = "It is of no use to anybody, and git-pulsar fails while its lock is there.";
        findings.push(
            Finding::new("git-pulsar-leftover", Severity::Note, problem, advice).with(Fix::RemoveStaleLock(path)),
        );
    }
}

/// Whether `path` is named as such a leftover is.
pub(super) fn is_leftover(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == INDEX || name == OsStr::new("pulsar_index.lock"))
}

/// What of the user's own folders says that git-pulsar runs for this user, and for which of our working trees.
pub(super) fn writers(user_home: &Path, registry: &Registry) -> Vec<Finding> {
    let Some(service) = service(user_home) else { return Vec::new() };
    let listed = listed(user_home);
    // A registry of ours that cannot be read is spoken of elsewhere.
    let trees = registry.trees().unwrap_or_default();
    trees.iter().filter_map(|tree| writer(tree, &listed, &service)).collect()
}

fn writer(tree: &Tree, listed: &HashSet<PathBuf>, service: &Service) -> Option<Finding> {
    if !listed.contains(&tree.root) {
        return None;
    }
    let root = shown(&tree.root);
    if tree.root.join(".git/pulsar_paused").exists() {
        let problem = format!("The program git-pulsar is installed, and paused in {root}.");
        let advice =
            "It captures nothing there until it is resumed. If Carry takes its place, run `git pulsar remove` there.";
        return Some(Finding::new("git-pulsar-paused", Severity::Note, problem, advice));
    }
    let problem = format!("The program git-pulsar captures {root}, too.");
    let advice = "Both capture the same changes. Some of its releases stage everything in your index at each run, conflicts included, and with fetch.prune it deletes streams that were never pushed. Run `git pulsar remove` there, or stop it for all repositories.";
    let found = Finding::new("git-pulsar-active", Severity::Warning, problem, advice);
    let stop = match service {
        Service::Systemd => {
            command(&["systemctl", "--user", "disable", "--now", &format!("{LABEL}.timer")].map(OsStr::new))
        }
        Service::Brew => command(&["brew", "services", "stop", "git-pulsar"].map(OsStr::new)),
        Service::Launchd(plist) => {
            command(&[OsStr::new("launchctl"), OsStr::new("unload"), OsStr::new("-w"), plist.as_os_str()])
        }
    };
    Some(Finding { fix: stop, ..found })
}

/// What starts it.
enum Service {
    Systemd,
    Brew,
    Launchd(PathBuf),
}

fn service(user_home: &Path) -> Option<Service> {
    // Not XDG-aware: it writes there whatever is set.
    if user_home.join(".config/systemd/user").join(format!("{LABEL}.timer")).exists() {
        return Some(Service::Systemd);
    }
    let agents = user_home.join("Library/LaunchAgents");
    if agents.join(format!("{BREW}.plist")).exists() {
        return Some(Service::Brew);
    }
    let plist = agents.join(format!("{LABEL}.plist"));
    plist.exists().then_some(Service::Launchd(plist))
}

/// The repositories it is registered for: one path a line.
fn listed(user_home: &Path) -> HashSet<PathBuf> {
    let path = user_home.join(".local/state/git-pulsar/registry");
    if path.metadata().map_or(u64::MAX, |found| found.len()) > REGISTRY_BYTES_MAX {
        return HashSet::new();
    }
    let text = std::fs::read(path).unwrap_or_default();
    let paths = text.lines().map(<[u8]>::trim).filter(|line| !line.is_empty());
    paths
        .map(|line| PathBuf::from(OsStr::from_bytes(line)))
        // We know trees by their real paths.
        .map(|path| path.canonicalize().unwrap_or(path))
        .collect()
}
