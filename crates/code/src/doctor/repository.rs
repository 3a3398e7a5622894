//! What the worktrees of one repository share: objects, refs, budget.

use std::time::{Duration, SystemTime};

use carry_kernel::gate::disk_space;
use rustix::fs::Access;

use super::{Finding, Fix, Severity, locks, sentence, shown};
use crate::budget::{Budget, FREE_MIN, Level};
use crate::context::Context;
use crate::registry::Registry;
use crate::repo::Repo;
use crate::{pack, refs};

/// Free space below which it is told, in bytes: a build or a checkout fills that in minutes.
const FREE_LOW: u64 = 512 << 20;

pub(super) fn examine(ctx: &Context, registry: &Registry, repo: &Repo, findings: &mut Vec<Finding>) {
    ref_locks(ctx, repo, findings);
    broken_refs(repo, findings);
    unwritable(repo, findings);
    orphans(ctx, repo, findings);
    space(ctx, registry, repo, findings);
}

fn ref_locks(ctx: &Context, repo: &Repo, findings: &mut Vec<Finding>) {
    let around = locks::around(repo);
    for lock in locks::candidates(repo) {
        if locks::stale(&lock, &around, ctx.clock.now()).is_some() {
            let problem = format!("{} was left behind by a process that no longer runs.", shown(&lock));
            let advice = "The ref it guards cannot be moved while it is there.";
            findings.push(
                Finding::new("stale-ref-lock", Severity::Error, problem, advice).with(Fix::RemoveStaleLock(lock)),
            );
        }
    }
}

fn broken_refs(repo: &Repo, findings: &mut Vec<Finding>) {
    match refs::broken(repo) {
        Ok(broken) => findings.extend(broken.into_iter().map(|broken| {
            let problem = format!("The ref {} in {} is broken: {}.", broken.name, shown(repo.root()), broken.problem);
            let advice = "Git's own fetch and gc may fail because of it. Repairing points it at the newest of its states that is whole, or removes it when there is none.";
            let fix = Fix::RepairRef { root: repo.root().to_owned(), name: broken.name };
            Finding::new("broken-ref", Severity::Error, problem, advice).with(fix)
        })),
        Err(error) => {
            let advice = "See what `git for-each-ref refs/carry` says there.";
            findings.push(Finding::new("refs-unreadable", Severity::Error, sentence(&error), advice));
        }
    }
}

fn unwritable(repo: &Repo, findings: &mut Vec<Finding>) {
    let objects = repo.objects_dir();
    for folder in
        [objects.clone(), objects.join("pack"), repo.common_dir().join("refs"), repo.common_dir().join("refs/carry")]
    {
        let there = folder.is_dir();
        if there && rustix::fs::access(&folder, Access::WRITE_OK | Access::EXEC_OK).is_err() {
            let problem = format!("{} cannot be written.", shown(&folder));
            let advice = "Nothing is captured while this is so. It may belong to another user, after a command was run as root, or lie on a read-only disk.";
            findings.push(Finding::new("repository-unwritable", Severity::Error, problem, advice));
        }
    }
}

/// Those of our own go with the next upkeep.
fn orphans(ctx: &Context, repo: &Repo, findings: &mut Vec<Finding>) {
    let since_epoch = Duration::from_millis(u64::try_from(ctx.clock.now().as_millis()).unwrap_or(0));
    let all = pack::without_index(&repo.objects_dir(), SystemTime::UNIX_EPOCH + since_epoch);
    let Some(first) = all.first() else { return };
    let bytes: u64 = all.iter().filter_map(|path| path.metadata().ok()).map(|found| found.len()).sum();
    let (what, whose) = match all.len() {
        1 => ("The pack".to_owned(), "has no index"),
        n => (format!("{n} packs, among them"), "have no index"),
    };
    let problem = format!("{what} {} {whose}.", shown(first));
    let advice = format!(
        "Git passes over such packs and never removes them; together they take {} MiB. A process that was killed left them. `git index-pack` makes the index of one that is whole; one that is not may be removed.",
        bytes.div_ceil(1 << 20)
    );
    findings.push(Finding::new("pack-without-index", Severity::Note, problem, advice));
}

fn space(ctx: &Context, registry: &Registry, repo: &Repo, findings: &mut Vec<Finding>) {
    let root = shown(repo.root());
    let free = match disk_space(repo.common_dir()) {
        Ok(space) => space.free,
        Err(error) => {
            let problem = format!("The free space for {root} cannot be told: {error}.");
            findings.push(Finding::new(
                "space-unknown",
                Severity::Note,
                problem,
                "Only the budget bounds what is written.",
            ));
            return;
        }
    };
    if free < FREE_LOW {
        let (severity, advice) = if free < FREE_MIN {
            (Severity::Error, "Nothing is captured until there is room again.")
        } else {
            (
                Severity::Warning,
                "Captures stop when hardly any is left. Make room; `carry prune --gc` gives back what old snapshots take.",
            )
        };
        findings.push(Finding::new(
            "disk-full",
            severity,
            format!("Only {} MiB are free for {root}.", free >> 20),
            advice,
        ));
    }
    let (used, total_used) = match registry.bytes_used(repo.common_dir()) {
        Ok(used) => used,
        Err(error) => {
            let advice = "The budget cannot be checked.";
            findings.push(Finding::new("registry-unreadable", Severity::Error, sentence(&error), advice));
            return;
        }
    };
    // What is free has been spoken of.
    let budget = Budget { free: u64::MAX, ..Budget::new(&ctx.config(Some(repo.root())), used, total_used, free) };
    let (code, severity, what) = match budget.level() {
        Level::Normal => return,
        Level::Tight => ("budget-tight", Severity::Note, "snapshots are thinned sooner"),
        Level::TrackedOnly => ("budget-tracked-only", Severity::Warning, "only tracked files are captured"),
        Level::Full => ("budget-full", Severity::Error, "nothing more is captured"),
    };
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    let problem = format!(
        "Snapshots of {root} take {} of {} MiB, all together {} of {} MiB: {what}.",
        mib(budget.repository_used),
        mib(budget.repository),
        mib(budget.total_used),
        mib(budget.total)
    );
    findings.push(Finding::new(
        code,
        severity,
        problem,
        "Raise budget.repository or budget.total, or thin with `carry prune`.",
    ));
}
