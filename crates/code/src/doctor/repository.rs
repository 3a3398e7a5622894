//! What the worktrees of one repository share: objects, refs, remotes, budget.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::time::{Duration, SystemTime};

use carry_kernel::gate::disk_space;
use rustix::fs::Access;

use super::{Finding, Fix, Severity, command, locks, sentence, shown};
use crate::budget::{Budget, FREE_MIN, Level};
use crate::context::Context;
use crate::git::{BString, ByteSlice as _};
use crate::line::quote::printable;
use crate::registry::Registry;
use crate::repo::Repo;
use crate::{pack, refs};

/// Free space below which it is told, in bytes: a build or a checkout fills that in minutes.
const FREE_LOW: u64 = 512 << 20;
/// Where git-pulsar keeps its streams.
const PULSAR: &str = "refs/heads/wip/pulsar/";
/// Keeps all refs of ours out of what a remote mirrors.
const EXCLUDE: &str = "^refs/carry*";

pub(super) fn examine(ctx: &Context, registry: &Registry, repo: &Repo, findings: &mut Vec<Finding>) {
    ref_locks(ctx, repo, findings);
    broken_refs(repo, findings);
    unwritable(repo, findings);
    orphans(ctx, repo, findings);
    space(ctx, registry, repo, findings);
    remotes(repo, findings);
    foreign(repo, findings);
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

fn remotes(repo: &Repo, findings: &mut Vec<Finding>) {
    let gix = repo.gix();
    let config = gix.config_snapshot();
    let sections = config.plumbing().sections_by_name("remote").into_iter().flatten();
    let names: BTreeSet<String> = sections
        .filter_map(|section| section.header().subsection_name().map(|name| name.to_str_lossy().into_owned()))
        .collect();
    for name in names {
        let specs =
            |what: &str| config.plumbing().strings(format!("remote.{name}.{what}").as_str()).unwrap_or_default();
        let excluded = |specs: &[BString]| specs.iter().any(|spec| spec.trim().starts_with(b"^refs/carry"));
        let (fetch, push) = (specs("fetch"), specs("push"));
        let shown_name = printable(name.as_bytes().as_bstr());
        let root = shown(repo.root());
        if config.boolean(format!("remote.{name}.mirror").as_str()) == Some(true) && !excluded(&push) {
            let problem =
                format!("Pushing from {root} to the remote {shown_name} mirrors every ref, snapshots included.");
            let advice = format!(
                "Anyone who can read the remote can then read them, and its other devices' may be deleted. `git config --add remote.{shown_name}.push` with `+refs/*:refs/*` and then with `{EXCLUDE}` keeps them out."
            );
            let script = format!(
                "git -C \"$0\" config --add \"remote.$1.push\" '+refs/*:refs/*' && git -C \"$0\" config --add \"remote.$1.push\" '{EXCLUDE}'"
            );
            let fix = command(&[
                OsStr::new("sh"),
                OsStr::new("-c"),
                OsStr::new(&script),
                repo.root().as_os_str(),
                OsStr::new(&name),
            ]);
            findings.push(Finding { fix, ..Finding::new("mirror-push", Severity::Warning, problem, advice) });
        }
        if fetch.iter().any(|spec| spec.trim().ends_with(b":refs/*")) && !excluded(&fetch) {
            let problem = format!(
                "Fetching into {root} from the remote {shown_name} overwrites every ref, and with pruning deletes snapshots."
            );
            let advice = format!("`git config --add remote.{shown_name}.fetch '{EXCLUDE}'` keeps them out.");
            let key = format!("remote.{name}.fetch");
            let git = ["git", "-C"].map(OsStr::new);
            let rest = ["config", "--add", &key, EXCLUDE].map(OsStr::new);
            let fix = command(&[&git[..], &[repo.root().as_os_str()], &rest[..]].concat());
            findings.push(Finding { fix, ..Finding::new("mirror-fetch", Severity::Warning, problem, advice) });
        }
    }
}

fn foreign(repo: &Repo, findings: &mut Vec<Finding>) {
    // Refs that cannot be listed are spoken of elsewhere.
    let n = refs::list(repo, PULSAR).map_or(0, |refs| refs.len());
    if n > 0 {
        let problem = format!("{} holds {n} branches of git-pulsar below {PULSAR}.", shown(repo.root()));
        let advice =
            "Carry leaves them alone. If git-pulsar still runs here, stop it: both would capture the same changes.";
        findings.push(Finding::new("foreign-refs", Severity::Note, problem, advice));
    }
}
