//! One registered working tree.

use std::ffi::OsStr;

use carry_kernel::clock::Timestamp;

use super::{Finding, Fix, Severity, command, locks, sentence, shown};
use crate::context::Context;
use crate::git::ByteSlice as _;
use crate::history;
use crate::line::quote::printable;
use crate::registry::{Coverage, Presence, Registry, Tree, TreeState};
use crate::repo::{OpenError, Repo};

/// How many paths a finding names.
const NAMED_MAX: usize = 3;
/// Snapshots this much ahead of the clock are nothing to speak of, in milliseconds.
const AHEAD_MS: i64 = 60_000;
/// What the watcher says when the system's limit is reached; see [`crate::watch::WatchError::LimitReached`].
const LIMIT_REACHED: &str = "limit of watched folders";

/// Examines a tree; returns it opened, if it can be.
pub(super) fn examine(ctx: &Context, registry: &Registry, tree: &Tree, findings: &mut Vec<Finding>) -> Option<Repo> {
    let root = shown(&tree.root);
    if !presence(registry.presence(tree), tree, findings) {
        return None;
    }
    let repo = match Repo::open(&tree.root) {
        Ok(repo) => repo,
        Err(error) => {
            findings.push(unopened(tree, &error));
            return None;
        }
    };
    if tree.paused {
        let problem = format!("{root} is paused: its changes are not captured.");
        findings.push(Finding::new(
            "tree-paused",
            Severity::Warning,
            problem,
            "Resume it when it should be captured again.",
        ));
    } else if !ctx.config(Some(&tree.root)).bool("code.enabled") {
        let problem = format!("{root} is not captured: code.enabled is false.");
        findings.push(Finding::new(
            "capture-disabled",
            Severity::Note,
            problem,
            "Set code.enabled to true, for it or for all, to capture it.",
        ));
    }
    match registry.state(&tree.id) {
        Ok(state) => known(tree, &state, findings),
        Err(error) => findings.push(Finding::new(
            "registry-unreadable",
            Severity::Error,
            sentence(&error),
            "What was last found out about the working tree is not known. The next capture looks again.",
        )),
    }
    index_lock(ctx, &repo, findings);
    from_the_future(ctx, &repo, tree, findings);
    hooks(&repo, findings);
    Some(repo)
}

fn presence(presence: Presence, tree: &Tree, findings: &mut Vec<Finding>) -> bool {
    let root = shown(&tree.root);
    let (code, problem, advice) = match presence {
        Presence::Present => return true,
        Presence::Missing => (
            "tree-missing",
            format!("{root} is not there."),
            "If its disk is not mounted, nothing needs to be done: capture goes on when it is back. If it was deleted, forget it; if it was moved, add it at its new place.",
        ),
        Presence::Replaced => (
            "tree-replaced",
            format!("{root} is another repository than the one that was registered, or none."),
            "It is not captured. Forget it, and add what is there now if that should be captured.",
        ),
    };
    findings.push(Finding::new(code, Severity::Warning, problem, advice).with(Fix::Forget(tree.id.clone())));
    false
}

fn unopened(tree: &Tree, error: &OpenError) -> Finding {
    let problem = sentence(error);
    match error {
        OpenError::Untrusted { path } => {
            let advice =
                "Git and Carry do not run in another user's repository. If you trust it, name it in `safe.directory`.";
            let found = Finding::new("repository-untrusted", Severity::Error, problem, advice);
            let parts = ["git", "config", "--global", "--add", "safe.directory"].map(OsStr::new);
            let fix = command(&[&parts[..], &[path.as_os_str()]].concat());
            Finding { fix, ..found }
        }
        OpenError::Missing { .. }
        | OpenError::NotARepository { .. }
        | OpenError::Bare { .. }
        | OpenError::Damaged { .. } => {
            let advice = format!("{} is not captured. See what `git status` says there.", shown(&tree.root));
            Finding::new("repository-unreadable", Severity::Error, problem, advice)
        }
    }
}

/// What the last captures found.
fn known(tree: &Tree, state: &TreeState, findings: &mut Vec<Finding>) {
    let root = shown(&tree.root);
    if let Some(error) = &state.error {
        let problem = format!("The last capture of {root} failed: {}.", error.trim_end_matches('.'));
        findings.push(Finding::new("capture-failed", Severity::Error, problem, "Changes since the capture before it are not protected. It is tried again by itself; `carry now` tries at once."));
    } else if state.captured.is_none() && !tree.paused {
        let problem = format!("{root} was never captured.");
        findings.push(Finding::new(
            "never-captured",
            Severity::Warning,
            problem,
            "Run `carry up` to have it captured all the time, or `carry now` to capture it once.",
        ));
    }
    if !state.skipped.is_empty() {
        let named: Vec<String> = state
            .skipped
            .iter()
            .take(NAMED_MAX)
            .map(|s| format!("{} ({})", printable(s.path.as_bstr()), s.reason))
            .collect();
        let problem = format!("In {root} the last capture left out {}.", listed(&named, state.skipped.len()));
        findings.push(Finding::new("files-skipped", Severity::Warning, problem, "These files are not protected as they are now. Raise limits.large_file for large ones, or ignore what need not be captured."));
    }
    if !state.nested.is_empty() {
        let named: Vec<String> = state.nested.iter().take(NAMED_MAX).map(|path| printable(path.as_bstr())).collect();
        let problem = format!("In {root} other repositories were left out: {}.", listed(&named, state.nested.len()));
        findings.push(Finding::new(
            "nested-repositories",
            Severity::Note,
            problem,
            "Add each of them if it should be captured, too.",
        ));
    }
    if state.coverage == Some(Coverage::Polled) {
        findings.push(polled(&root, state.coverage_reason.as_deref()));
    }
}

fn polled(root: &str, reason: Option<&str>) -> Finding {
    let why = reason.map(|reason| format!(": {}", reason.trim_end_matches('.'))).unwrap_or_default();
    let problem = format!("{root} is scanned now and then instead of watched{why}.");
    if !reason.is_some_and(|reason| reason.contains(LIMIT_REACHED)) {
        return Finding::new(
            "tree-polled",
            Severity::Note,
            problem,
            "Its changes are captured after the next scan; see code.poll.",
        );
    }
    let max = std::fs::read_to_string("/proc/sys/fs/inotify/max_user_watches")
        .ok()
        .and_then(|text| text.trim().parse::<u64>().ok());
    let Some(max) = max else {
        return Finding::new(
            "watch-limit",
            Severity::Warning,
            problem,
            "Raise the system's limit of watched files, or ignore large folders.",
        );
    };
    let raised = max.saturating_mul(4).max(524_288);
    let advice = format!(
        "fs.inotify.max_user_watches is {max}, for all programs together. Raise it; a line `fs.inotify.max_user_watches={raised}` in a file below /etc/sysctl.d keeps it raised."
    );
    let command = ["sudo", "sysctl", "-w", &format!("fs.inotify.max_user_watches={raised}")].map(str::to_owned);
    Finding::new("watch-limit", Severity::Warning, problem, advice).with(Fix::Run(command.into()))
}

fn listed(named: &[String], n: usize) -> String {
    match n - named.len().min(n) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

fn index_lock(ctx: &Context, repo: &Repo, findings: &mut Vec<Finding>) {
    let lock = repo.git_dir().join("index.lock");
    if locks::stale(&lock, &locks::around(repo), ctx.clock.now()).is_some() {
        let problem = format!("{} was left behind by a Git command that no longer runs.", shown(&lock));
        let advice = "Git refuses to stage or commit while it is there. Captures are not affected.";
        findings.push(
            Finding::new("stale-index-lock", Severity::Warning, problem, advice).with(Fix::RemoveStaleLock(lock)),
        );
    }
}

fn from_the_future(ctx: &Context, repo: &Repo, tree: &Tree, findings: &mut Vec<Finding>) {
    let now = ctx.clock.now();
    let gix = repo.gix();
    // Lines that cannot be read are broken refs, which are named elsewhere.
    let newest = history::lines_where(repo, |name| name.tree == tree.id).unwrap_or_default().into_iter();
    let newest =
        newest.filter_map(|line| history::keeper(&gix, line.keeper).ok()).map(|(snapshot, _)| snapshot.time).max();
    if let Some(time) = newest.filter(|time| *time > Timestamp::from_millis(now.as_millis().saturating_add(AHEAD_MS))) {
        let problem = format!("The newest snapshot of {} is from {time}, which is in the future.", shown(&tree.root));
        let advice = "A clock was or is wrong. Set this machine's clock if it is; snapshots stay in order all the same, and those from the future are not thinned until their time has come.";
        findings.push(Finding::new("clock-skew", Severity::Warning, problem, advice));
    }
}

/// Hooks that run when refs move or are pushed.
fn hooks(repo: &Repo, findings: &mut Vec<Finding>) {
    let gix = repo.gix();
    let configured = gix.config_snapshot().trusted_path("core.hooksPath").ok().flatten();
    let folder = configured.map_or_else(|| repo.common_dir().join("hooks"), |path| repo.root().join(path));
    let runs = |name: &str| {
        let hook = folder.join(name);
        (hook.is_file() && rustix::fs::access(&hook, rustix::fs::Access::EXEC_OK).is_ok()).then_some(hook)
    };
    if let Some(hook) = runs("reference-transaction") {
        let problem = format!("The hook {} runs whenever the git program moves a ref.", shown(&hook));
        let advice = if repo.is_reftable() {
            "In this repository lines are moved by the git program, so it also runs at every capture: it should be quick and pass over refs/carry/."
        } else {
            "Captures do not run it. Git's own gc and deleting refs do, also for refs/carry/: it should pass over those."
        };
        findings.push(Finding::new("hook-reference-transaction", Severity::Note, problem, advice));
    }
    if let Some(hook) = runs("pre-push") {
        let problem = format!("The hook {} runs before the user's pushes.", shown(&hook));
        findings.push(Finding::new("hook-pre-push", Severity::Note, problem, "Carry's own pushes do not run it."));
    }
}
