//! What the user stages and commits.

use std::ffi::{OsStr, OsString};

use super::{Operation, User, files};

pub(super) const OPERATIONS: &[Operation] = &[
    (8, "stage a path", |u| at(u, &["add"])),
    (5, "stage everything", |u| git(u, &["add", "-A"])),
    (2, "stage what is tracked", |u| git(u, &["add", "-u"])),
    (2, "stage an ignored path", |u| at(u, &["add", "-f"])),
    (3, "intend to add", |u| at(u, &["add", "-N"])),
    (5, "stage a hunk", stage_hunk),
    (3, "stage other content", stage_other),
    (3, "untrack", |u| at(u, &["rm", "-q", "--cached", "-r"])),
    (1, "remove", |u| at(u, &["rm", "-qrf"])),
    (2, "unstage a path", |u| at(u, &["reset", "-q"])),
    (2, "unstage everything", |u| git(u, &["reset", "-q"])),
    (2, "restore a path", |u| at(u, &["checkout", "-q"])),
    (1, "restore a path from the last commit", |u| at(u, &["restore", "--staged", "--worktree", "--source=HEAD"])),
    (1, "stage a mode", |u| at(u, &["update-index", "--chmod=+x"])),
    (1, "move", move_tracked),
    (4, "ask for the status", |u| git(u, &["status", "--short"])),
    (9, "commit everything", |u| {
        git(u, &["add", "-A"]);
        git(u, &["commit", "-qm", "everything"]);
    }),
    (6, "commit what is staged", |u| git(u, &["commit", "-qm", "staged"])),
    (2, "commit a path", |u| at(u, &["commit", "-qm", "one path"])),
    (3, "amend", |u| git(u, &["commit", "-q", "--amend", "--no-edit", "--allow-empty"])),
    (1, "flag a path", |u| {
        let flag = *u.rng.pick(&["--assume-unchanged", "--skip-worktree"]);
        at(u, &["update-index", flag]);
    }),
    (1, "take flags away", |u| {
        for flags in ["--no-assume-unchanged", "--no-skip-worktree"] {
            at(u, &["update-index", flags]);
        }
    }),
    (1, "write the index in another way", |u| {
        let way =
            *u.rng.pick(&["--split-index", "--no-split-index", "--untracked-cache", "--index-version=4", "--refresh"]);
        // Git itself cannot read a split index of a sparse checkout again.
        if way != "--split-index" || !u.twins.captured.path(".git/info/sparse-checkout").exists() {
            git(u, &["update-index", way]);
        }
    }),
];

fn git(u: &mut User, args: &[&str]) {
    u.twins.git(args);
}

fn at(u: &mut User, args: &[&str]) {
    let path = u.some_path();
    u.twins.git_at(args, &path);
}

/// The first of a file's changes only.
fn stage_hunk(u: &mut User) {
    let Some(path) = u.some_file() else { return };
    let args = ["diff", "-U0", "--text", "--no-ext-diff", "--"].into_iter().map(OsStr::new);
    let patch = u.twins.captured.try_git(args.chain([path.as_os_str()])).stdout;
    let hunks: Vec<usize> = patch.windows(4).enumerate().filter(|(_, w)| w == b"\n@@ ").map(|(at, _)| at + 1).collect();
    let end = hunks.get(1).copied().unwrap_or(patch.len());
    u.twins.both(|repo| {
        repo.write("../hunk", &patch[..end]);
    });
    u.twins.git(&["apply", "--cached", "--unidiff-zero", "--whitespace=nowarn", "../hunk"]);
}

/// Content that the working tree never had.
fn stage_other(u: &mut User) {
    let end = if u.aged && u.rng.chance(50) { "\r\n" } else { "\n" };
    let content = format!("staged only {}{end}", u.rng.below(5));
    u.twins.both(|repo| {
        repo.write("../other", &content);
    });
    u.twins.git(&["hash-object", "-w", "--no-filters", "../other"]);
    let id = u.twins.captured.git(["hash-object", "--no-filters", "../other"]);
    let mut info = OsString::from(format!("100644,{},", id.trim_end()));
    info.push(u.some_path());
    u.twins.git_os(&[OsStr::new("update-index"), OsStr::new("--add"), OsStr::new("--cacheinfo"), &info]);
}

fn move_tracked(u: &mut User) {
    let (Some(from), to) = (u.some_file(), files::some_name(&mut u.rng)) else { return };
    u.twins.git_os(&[OsStr::new("mv"), OsStr::new("--"), from.as_os_str(), to.as_os_str()]);
    u.twins.date(&to);
}
