//! What snapshots are held against.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Command;

use carry_code::git::{BString, ByteSlice as _, ObjectId, path_of};
use carry_code::snapshot::Snapshot;
use carry_testkit::git::{self, read};
use carry_testkit::git_tree::{GitTree, git_tree_of};
use carry_testkit::repo::TestRepo;

use super::control::Twins;

/// Path (for what is staged: stage and path) to mode and id.
type Entries = BTreeMap<BString, (String, String)>;

/// The snapshot's tree must be what Git would write, except that edits which Git was told not to look at are in it.
#[track_caller]
pub(super) fn assert_tree(twins: &Twins, snapshot: &Snapshot, before: Option<ObjectId>, expected: &GitTree) {
    let repo = &twins.captured;
    if snapshot.tree == expected.id {
        return;
    }
    let ours = tree(repo.root(), &snapshot.tree.to_string());
    let theirs: Entries =
        expected.entries.iter().map(|(m, i, p)| (p.as_slice().into(), (m.clone(), i.clone()))).collect();
    let hidden = hidden_from_git(repo.root());
    let before = before.map(|id| tree(repo.root(), &id.to_string()));
    for path in ours.keys().chain(theirs.keys()) {
        let (our, their) = (ours.get(path), theirs.get(path));
        let flagged = hidden.paths.contains(path);
        let as_on_disk = || match our {
            Some(our) => is_on_disk(repo, path, our),
            // A flagged file that is not there is no edit, unless something is in its place.
            // A sparse checkout does not bring back what was gone.
            None => {
                let was_gone = hidden.whole_tree && before.as_ref().is_some_and(|before| !before.contains_key(path));
                !repo.path(path_of(path)).is_file()
                    && (!flagged || was_gone || ours.keys().any(|other| excludes(other, path)))
            }
        };
        assert!(
            our == their
                || ((hidden.whole_tree || flagged) && as_on_disk())
                || our.is_some_and(|our| is_in_doubt(twins, path, our)),
            "the tree is not Git's at {path}: {our:?}, Git has {their:?}; {:?}",
            expected.complaints
        );
    }
}

/// Whether Git believed its index of a file that it wrote itself, until it wrote the index again in the same second
/// under other attributes: then it marks the entry, and reads the file next time. Which of the two depends on the clock.
fn is_in_doubt(twins: &Twins, path: &BString, our: &(String, String)) -> bool {
    let repo = &twins.captured;
    let of = |how: &str| {
        let mut git = git::command(repo.root(), Path::new("/nonexistent"), git::EPOCH);
        git.env("GIT_OPTIONAL_LOCKS", "0")
            .args(["--literal-pathspecs", "ls-files", how, "-z", "--"])
            .arg(path_of(path));
        git::succeed(&mut git)
    };
    !twins.is_users(path_of(path))
        && of("--debug").find(b"size: 0\t").is_some()
        && records(&of("--stage")).any(|(words, _)| (&words[0], &words[1]) == (&our.0, &our.1))
}

/// Whether one of the two would be a file where the other needs a folder.
fn excludes(a: &BString, b: &BString) -> bool {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    long.starts_with(short) && long.get(short.len()) == Some(&b'/')
}

/// Git's own tree, where Git can tell. It cannot write one when conflicts outside of a sparse checkout stay in the index, gives
/// up on a `.git` file that leads nowhere, and now and then cannot read a sparse index that it wrote itself.
pub(super) fn expected(root: &Path) -> Option<GitTree> {
    let listing = git::run(command(root).args(["ls-files", "--unmerged"]));
    if !listing.status.success() || (is_sparse(root) && !listing.stdout.is_empty()) {
        return None;
    }
    let tree = git_tree_of(root);
    let gave_up = tree.complaints.iter().any(|line| line.starts_with("fatal: "));
    (!gave_up && !tree.nested.iter().any(|folder| leads_nowhere(&root.join(folder).join(".git")))).then_some(tree)
}

/// Whether a `.git` file names a git directory that is gone. What lies beside it is then captured like anything else.
fn leads_nowhere(dot_git: &Path) -> bool {
    let named = std::fs::read_to_string(dot_git).ok();
    named.and_then(|text| Some(!Path::new(text.strip_prefix("gitdir: ")?.trim_end()).exists())).unwrap_or(false)
}

/// What Git does not look at: flagged paths, and in a sparse checkout whatever lies outside.
struct Hidden {
    paths: Vec<BString>,
    whole_tree: bool,
}

fn hidden_from_git(root: &Path) -> Hidden {
    let listing = raw(root, &["ls-files", "-v", "-z"]);
    let lines = listing.split(|b| *b == 0).filter(|l| l.len() > 2);
    let paths = lines.filter(|l| l[0] == b'S' || l[0].is_ascii_lowercase()).map(|l| l[2..].into()).collect();
    Hidden { paths, whole_tree: is_sparse(root) }
}

fn is_sparse(root: &Path) -> bool {
    root.join(".git/info/sparse-checkout").exists()
        && raw(root, &["config", "--default=false", "--get", "core.sparseCheckout"]) == b"true\n"
}

fn is_on_disk(repo: &TestRepo, path: &BString, (mode, id): &(String, String)) -> bool {
    let full = repo.path(path_of(path));
    if mode == "120000" {
        return std::fs::read_link(full).is_ok_and(|target| {
            let content = target.as_os_str().as_bytes();
            repo.write("../target", content);
            read(repo.root(), ["hash-object", "--no-filters", "../target"]) == *id
        });
    }
    // Whether line ends are kept depends on Git's index, which this question leaves out; so either will do.
    full.symlink_metadata().is_ok_and(|m| m.is_file())
        && [None, Some("--no-filters")].into_iter().any(|how| {
            let mut git = git::command(repo.root(), Path::new("/nonexistent"), git::EPOCH);
            git.arg("hash-object").args(how).arg("--").arg(path_of(path));
            git::succeed(&mut git).trim_ascii_end() == id.as_bytes()
        })
}

/// What was staged must be what Git's index says: in a side commit, or by being what HEAD is.
#[track_caller]
pub(super) fn assert_staged(repo: &TestRepo, snapshot: &Snapshot) {
    let root = repo.root();
    let head = git::run(git::command(root, Path::new("/nonexistent"), git::EPOCH).args([
        "rev-parse",
        "-q",
        "--verify",
        "HEAD",
    ]));
    let head = String::from_utf8_lossy(&head.stdout).trim_end().to_owned();
    assert_eq!(snapshot.meta.head.map(|id| id.to_string()).unwrap_or_default(), head, "HEAD");
    let index: Entries = records(&raw(root, &["ls-files", "--stage", "-z"]))
        .map(|(words, path)| {
            let (mode, id, stage) = (&words[0], &words[1], &words[2]);
            ([stage.as_bytes(), b"/", path].concat().into(), (mode.clone(), id.clone()))
        })
        .collect();
    let (mut held, mut intended) = (Entries::new(), String::new());
    if let Some(side) = snapshot.meta.staged {
        held = tree(root, &side.to_string());
        intended = read(root, ["log", "-1", "--format=%B", &side.to_string()]);
    } else if !head.is_empty() {
        held = tree(root, &head).into_iter().map(|(p, what)| ([b"0/", p.as_slice()].concat().into(), what)).collect();
    }
    for path in index.keys().chain(held.keys()) {
        let (git, ours) = (index.get(path), held.get(path));
        // What is only intended to be added is in the index with empty content, and in the side commit's message by name.
        let is_intended = ours.is_none() && intended.contains("Carry-Intent-To-Add: ");
        assert!(git == ours || is_intended, "staged at {path}: {ours:?}, Git has {git:?}");
    }
}

/// Every snapshot must be readable, with the tree it was reported with, down to the last blob.
#[track_caller]
pub(super) fn assert_readable(repo: &TestRepo, reported: &BTreeMap<ObjectId, ObjectId>) {
    let Some(first) = reported.keys().next() else { return };
    let commits: Vec<String> = reported.keys().map(ToString::to_string).collect();
    let log =
        repo.git(["log", "--no-walk=unsorted", "--format=%H %T"].into_iter().chain(commits.iter().map(String::as_str)));
    let expected: String = reported.iter().map(|(commit, tree)| format!("{commit} {tree}\n")).collect();
    assert_eq!(log, expected, "snapshots, first {first}");
    repo.git(["rev-list", "--quiet", "--objects"].into_iter().chain(commits.iter().map(String::as_str)));
}

fn tree(root: &Path, treeish: &str) -> Entries {
    let listing = raw(root, &["ls-tree", "-r", "-z", "--full-tree", treeish]);
    records(&listing).map(|(words, path)| (path.into(), (words[0].clone(), words[2].clone()))).collect()
}

/// The words and the path of each line of a listing.
fn records(listing: &[u8]) -> impl Iterator<Item = (Vec<String>, &[u8])> {
    listing.split(|b| *b == 0).filter(|line| !line.is_empty()).map(|line| {
        let tab = line.iter().position(|b| *b == b'\t').expect("listings put a tab before the path");
        let words = String::from_utf8_lossy(&line[..tab]).split(' ').map(str::to_owned).collect();
        (words, &line[tab + 1..])
    })
}

/// Git's output as bytes; nothing is written.
fn raw(root: &Path, args: &[&str]) -> Vec<u8> {
    git::succeed(command(root).args(args))
}

/// Git in the captured clone, asked in passing.
fn command(root: &Path) -> Command {
    let mut git = git::command(root, Path::new("/nonexistent"), git::EPOCH);
    git.env("GIT_OPTIONAL_LOCKS", "0");
    git
}
