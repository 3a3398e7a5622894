//! What may be wrong with captured working trees, and what mends it. Reads only; fixes are asked for one by one.

use std::collections::HashSet;
use std::path::Path;

use crate::context::Context;
use crate::registry::Registry;

mod apply;
mod devices;
mod home;
mod locks;
mod pulsar;
mod remotes;
mod repository;
mod tree;

#[cfg(test)]
mod tests;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know.
    Note,
    /// Something is not protected, or will not be.
    Warning,
    /// Nothing is protected, or something is damaged.
    Error,
}

/// What mends a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fix {
    /// Remove a lock that nobody holds.
    RemoveStaleLock(std::path::PathBuf),
    /// Repair or remove a broken ref of ours.
    RepairRef {
        /// Root of the working tree.
        root: std::path::PathBuf,
        /// The ref.
        name: String,
    },
    /// Tighten permissions.
    Chmod {
        /// What.
        path: std::path::PathBuf,
        /// To which mode.
        mode: u32,
    },
    /// Forget a registered path that is gone.
    Forget(carry_kernel::id::TreeId),
    /// Start the daemon.
    StartDaemon,
    /// Run a command of the system (shown to the user first).
    Run(Vec<String>),
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Stable name, e.g. `stale-index-lock`.
    pub code: &'static str,
    /// How bad.
    pub severity: Severity,
    /// What is so: a full sentence.
    pub problem: String,
    /// What it means and what to do: one or two sentences.
    pub advice: String,
    /// What would mend it.
    pub fix: Option<Fix>,
}

impl Finding {
    fn new(code: &'static str, severity: Severity, problem: String, advice: impl Into<String>) -> Self {
        Self { code, severity, problem, advice: advice.into(), fix: None }
    }

    fn with(self, fix: Fix) -> Self {
        Self { fix: Some(fix), ..self }
    }
}

/// Examines every registered tree and what they share: stale locks (Git's index lock and our ref and index locks),
/// broken refs, missing or replaced or unreadable trees, paused ones, skipped files, hooks that would run on our refs, mirror
/// remotes, exchanges that failed, lines that are held back or refused, devices that are not approved or not who they say,
/// git-pulsar's refs and leftovers, object folders that cannot be written, packs without an index, disk space, budget, clock skew (snapshots from the
/// future), watch limits, permissions of our folders.
pub fn examine(ctx: &Context) -> Vec<Finding> {
    let mut findings = home::examine(ctx);
    let unreadable = |problem: &dyn std::error::Error| {
        let advice = "Nothing is captured while this is so. The snapshots themselves lie in the repositories and are not affected.";
        Finding::new("registry-unreadable", Severity::Error, sentence(problem), advice)
    };
    let registry = match Registry::open_read_only(&ctx.home) {
        Ok(registry) => registry,
        Err(error) => {
            findings.push(unreadable(&error));
            return findings;
        }
    };
    let trees = match registry.as_ref().map(Registry::trees).transpose() {
        Ok(trees) => trees.unwrap_or_default(),
        Err(error) => {
            findings.push(unreadable(&error));
            return findings;
        }
    };
    let Some(registry) = registry.filter(|_| !trees.is_empty()) else {
        let advice = "Run `carry add` in a repository to have it captured.";
        findings.push(Finding::new(
            "nothing-registered",
            Severity::Note,
            "No working tree is registered.".to_owned(),
            advice,
        ));
        return findings;
    };
    // What worktrees share is looked at once.
    let mut seen = HashSet::new();
    for tree in &trees {
        let Some(repo) = tree::examine(ctx, &registry, tree, &mut findings) else { continue };
        pulsar::leftovers(ctx, &repo, &mut findings);
        if seen.insert(repo.common_dir().to_owned()) {
            repository::examine(ctx, &registry, &repo, &mut findings);
            remotes::examine(&registry, &repo, &mut findings);
            devices::of_repository(ctx, &repo, &mut findings);
            pulsar::streams(&repo, &mut findings);
        }
    }
    devices::examine(ctx, &registry, &mut findings);
    findings
}

/// Whether git-pulsar runs for the user whose home directory this is, and captures working trees that are registered here.
pub fn git_pulsar(ctx: &Context, user_home: &Path) -> Vec<Finding> {
    match Registry::open_read_only(&ctx.home) {
        Ok(Some(registry)) => pulsar::writers(user_home, &registry),
        // Whatever is wrong with it, [`examine`] says so.
        Ok(None) | Err(_) => Vec::new(),
    }
}

/// Carries out a fix that needs nothing but the file system and Git. [`Fix::StartDaemon`] and [`Fix::Run`] are the shell's.
///
/// A lock is looked at again before it goes: it may have been taken since.
///
/// # Errors
/// A sentence that says what failed.
pub fn apply(ctx: &Context, fix: &Fix) -> Result<(), String> {
    apply::apply(ctx, fix)
}

/// An error with its causes as one sentence.
fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    let mut letters = text.chars();
    let text: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    format!("{}.", text.trim_end_matches('.'))
}

/// A path for people.
fn shown(path: &Path) -> String {
    crate::line::quote::printable(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()).into())
}

/// A command to be shown and run; `None` when one of its parts is not text.
fn command(parts: &[&std::ffi::OsStr]) -> Option<Fix> {
    parts.iter().map(|part| part.to_str().map(str::to_owned)).collect::<Option<Vec<_>>>().map(Fix::Run)
}
