//! What the user does with history, branches and the repository.

use super::{Operation, User};

pub(super) const OPERATIONS: &[Operation] = &[
    (6, "switch", |u| on_branch(u, &["switch", "-q"])),
    (1, "switch by force", |u| on_branch(u, &["checkout", "-qf"])),
    (1, "switch and take changes along", |u| on_branch(u, &["checkout", "-qm"])),
    (5, "make a branch", |u| on_branch(u, &["switch", "-qc"])),
    (1, "make a branch without a history", |u| on_branch(u, &["switch", "-q", "--orphan"])),
    (2, "delete a branch", |u| on_branch(u, &["branch", "-qD"])),
    (2, "rename the branch", |u| on_branch(u, &["branch", "-m"])),
    (1, "detach", |u| git(u, &["checkout", "-q", "--detach"])),
    (5, "merge", |u| on_branch(u, &["merge", "-q"])),
    (2, "merge without a commit", |u| on_branch(u, &["merge", "-q", "--no-ff", "--no-commit"])),
    (1, "merge into one", |u| on_branch(u, &["merge", "-q", "--squash"])),
    (4, "rebase", |u| on_branch(u, &["rebase", "-q"])),
    (1, "rebase with the old machinery", |u| on_branch(u, &["rebase", "-q", "--apply"])),
    (1, "rebase with a stash", |u| on_branch(u, &["rebase", "-q", "--autostash"])),
    (1, "write history again", |u| git(u, &["rebase", "-q", "--force-rebase", "HEAD~2"])),
    (3, "pick", |u| on_branch(u, &["cherry-pick"])),
    (2, "revert", |u| git(u, &["revert", "--no-edit", "HEAD"])),
    (1, "revert an older commit", |u| git(u, &["revert", "--no-edit", "HEAD~1"])),
    (2, "go back and drop everything", |u| git(u, &["reset", "-q", "--hard", "HEAD~1"])),
    (1, "drop everything", |u| git(u, &["reset", "-q", "--hard"])),
    (1, "go back and keep what is staged", |u| git(u, &["reset", "-q", "--soft", "HEAD~1"])),
    (1, "go back and keep the files", |u| git(u, &["reset", "-q", "HEAD~1"])),
    (4, "stash", |u| {
        let how = *u.rng.pick(&["--no-keep-index", "--include-untracked", "--keep-index", "--staged", "--all"]);
        git(u, &["stash", "push", "-q", how]);
    }),
    (3, "take the stash back", |u| git(u, &["stash", "pop", "-q"])),
    (1, "take the stash back as it was staged", |u| git(u, &["stash", "pop", "-q", "--index"])),
    (1, "drop the stash", |u| git(u, &["stash", "drop", "-q"])),
    (2, "look for a bad commit", |u| git(u, &["bisect", "start", "HEAD", "HEAD~3"])),
    (1, "clean", |u| git(u, &["clean", "-qfd"])),
    (1, "clean out", |u| git(u, &["clean", "-qfdx"])),
    (2, "collect garbage", |u| git(u, &["gc", "-q", "--prune=now"])),
    (1, "forget the past", |u| git(u, &["reflog", "expire", "--expire=now", "--all"])),
    (1, "prune", |u| git(u, &["prune", "--expire=now"])),
    (1, "repack", |u| git(u, &["repack", "-qad"])),
    (2, "pack refs", |u| git(u, &["pack-refs", "--all"])),
    (1, "fetch", |u| git(u, &["fetch", "-q", ".", "HEAD"])),
    (1, "tag", |u| git(u, &["tag", "-f", "mark"])),
    (2, "add a worktree", |u| on_worktree(u, &["worktree", "add", "-f", "-q", "--detach"])),
    (1, "remove a worktree", |u| on_worktree(u, &["worktree", "remove", "--force"])),
    (1, "prune worktrees", |u| git(u, &["worktree", "prune", "--expire=now"])),
];

const BRANCHES: &[&str] = &["main", "feature", "feature/x", "feature/y", "other"];
/// Inside the working tree, where it is a repository of its own, and beside it.
const WORKTREES: &[&str] = &["wt-in", "d/wt", "../wt-out"];

fn git(u: &mut User, args: &[&str]) {
    u.twins.git(args);
}

fn on_branch(u: &mut User, args: &[&str]) {
    let branch = *u.rng.pick(BRANCHES);
    u.twins.git(&[args, &[branch]].concat());
}

fn on_worktree(u: &mut User, args: &[&str]) {
    let place = *u.rng.pick(WORKTREES);
    u.twins.git(&[args, &[place]].concat());
}
