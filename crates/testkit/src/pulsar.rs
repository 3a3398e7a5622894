//! What git-pulsar does in a repository, with the Git commands that it runs, in their order.
//!
//! Its streams are branches below `refs/heads/wip/pulsar/`, of the same name here and on the remote. Left out are the
//! `git add` on the user's own index that some of its versions ran, and all that asks people.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::git;

/// Where its streams lie.
const NAMESPACE: &str = "refs/heads/wip/pulsar";

/// git-pulsar on one machine in one clone.
#[derive(Clone, Debug)]
pub struct Pulsar {
    root: PathBuf,
    home: PathBuf,
    slug: String,
}

impl Pulsar {
    /// In the working tree `root`, with the user's home folder `home`, as the machine `slug` (`<name>--<id8>`).
    pub fn new(root: &Path, home: &Path, slug: &str) -> Self {
        Self { root: root.to_owned(), home: home.to_owned(), slug: slug.to_owned() }
    }

    /// The stream of `branch`: a full ref name.
    pub fn stream(&self, branch: &str) -> String {
        format!("{NAMESPACE}/{}/{branch}", self.slug)
    }

    /// The branch that is checked out; empty when detached.
    #[track_caller]
    pub fn branch(&self) -> String {
        self.git(git::EPOCH, &["branch", "--show-current"])
    }

    /// Takes a snapshot dated `at` (seconds since 1970); returns its commit. `None` when it would hold what the one before
    /// holds, or HEAD is detached.
    #[track_caller]
    pub fn snapshot(&self, at: u64) -> Option<String> {
        self.git(at, &["ls-files", "--others", "--modified", "--exclude-standard"]);
        let branch = self.branch();
        if branch.is_empty() {
            return None;
        }
        let stream = self.stream(&branch);
        // A stream that is not there yet has no date.
        let _ = self.try_git(at, &["log", "-1", "--format=%ct", &stream]);
        let index = self.root.join(".git/pulsar_index");
        let private = |args: &[&str]| self.said(self.command(at, args).env("GIT_INDEX_FILE", &index));
        private(&["add", "."]);
        let tree = private(&["write-tree"]);
        let _ = std::fs::remove_file(&index);
        let old = self.try_git(at, &["rev-parse", "--verify", "--quiet", &stream]);
        let head = self.try_git(at, &["rev-parse", "--verify", "--quiet", "HEAD"]);
        if let Some(old) = &old
            && self.git(at, &["rev-parse", &format!("{old}^{{tree}}")]) == tree
        {
            return None;
        }
        let message = format!("Shadow backup {}", stamp(at));
        let mut commit = vec!["commit-tree", &tree, "-m", &message];
        for parent in [&old, &head].into_iter().flatten() {
            commit.extend(["-p", parent]);
        }
        let new = self.git(at, &commit);
        let mut update = vec!["update-ref", "-m", "Pulsar backup", &stream, &new];
        update.extend(old.as_deref());
        self.git(at, &update);
        self.git(at, &["log", "-1", "--format=%ct", &stream]);
        Some(new)
    }

    /// Pushes the stream of the branch that is checked out.
    #[track_caller]
    pub fn push(&self, remote: &str) {
        self.git(git::EPOCH, &["remote", "get-url", remote]);
        let stream = self.stream(&self.branch());
        self.git(git::EPOCH, &["push", "--quiet", remote, &format!("{stream}:{stream}")]);
    }

    /// Fetches every machine's stream of the branch that is checked out, as its radar does, whatever comes of it.
    #[track_caller]
    pub fn fetch(&self, remote: &str) -> Output {
        let wanted = format!("{NAMESPACE}/*/{}", self.branch());
        git::run(&mut self.command(git::EPOCH, &["fetch", remote, &format!("{wanted}:{wanted}")]))
    }

    /// The stream with the newest commit of the branch that is checked out, and its machine.
    #[track_caller]
    pub fn newest(&self) -> Option<(String, String)> {
        let pattern = format!("{NAMESPACE}/*/{}", self.branch());
        let refs = self.git(git::EPOCH, &["for-each-ref", "--format=%(refname)", &pattern]);
        let date = |name: &str| self.git(git::EPOCH, &["log", "-1", "--format=%ct", name]).parse::<i64>().unwrap_or(0);
        // The first of equals, as there.
        let name = refs.lines().rev().max_by_key(|name| date(name))?;
        self.git(git::EPOCH, &["log", "-1", "--format=%cr", name]);
        let machine = name.strip_prefix(NAMESPACE)?.split('/').nth(1)?.to_owned();
        Some((name.to_owned(), machine))
    }

    /// Fetches, and takes over the newest stream: an overlay, so that nothing is deleted, and everything is staged. Returns
    /// the stream taken; `None` when the index holds it already, or there is none.
    #[track_caller]
    pub fn sync(&self, remote: &str) -> Option<String> {
        // A failure is only warned of.
        self.fetch(remote);
        let (newest, _) = self.newest()?;
        let tree = self.git(git::EPOCH, &["write-tree"]);
        if tree == self.git(git::EPOCH, &["rev-parse", &format!("{newest}^{{tree}}")]) {
            return None;
        }
        self.git(git::EPOCH, &["checkout", &newest, "--", "."]);
        Some(newest)
    }

    /// Squashes every stream of the branch that is checked out into `main`, as its `finalize` does.
    #[track_caller]
    pub fn finalize(&self, remote: &str) -> Output {
        let branch = self.branch();
        let all = format!("{NAMESPACE}/*");
        // In one block there: without a `main` on the remote the streams are not fetched either.
        if git::run(&mut self.command(git::EPOCH, &["fetch", remote, "main"])).status.success() {
            git::run(&mut self.command(git::EPOCH, &["fetch", remote, &format!("{all}:{all}")]));
        }
        let pattern = format!("{NAMESPACE}/*/{branch}");
        let streams = self.git(git::EPOCH, &["for-each-ref", "--format=%(refname)", &pattern]);
        self.git(git::EPOCH, &["checkout", "--quiet", "main"]);
        let merge: Vec<&str> = ["merge", "--squash"].into_iter().chain(streams.lines()).collect();
        let merged = git::run(&mut self.command(git::EPOCH, &merge));
        if !merged.status.success() {
            return merged;
        }
        git::run(&mut self.command(git::EPOCH, &["commit", "--no-edit"]))
    }

    fn command(&self, at: u64, args: &[&str]) -> Command {
        let mut git = git::command(&self.root, &self.home, at);
        git.args(args);
        git
    }

    #[track_caller]
    fn said(&self, command: &mut Command) -> String {
        String::from_utf8_lossy(&git::succeed(command)).trim_end().to_owned()
    }

    #[track_caller]
    fn git(&self, at: u64, args: &[&str]) -> String {
        self.said(&mut self.command(at, args))
    }

    /// What it printed; `None` when it failed.
    #[track_caller]
    fn try_git(&self, at: u64, args: &[&str]) -> Option<String> {
        let output = git::run(&mut self.command(at, args));
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }
}

/// `YYYY-MM-DD HH:MM:SS` in UTC, which is the zone tests run in.
fn stamp(at: u64) -> String {
    let (days, seconds) = (at / 86_400, at % 86_400);
    // Days to a date, counted from 0000-03-01 so that leap days come last (H. Hinnant, `civil_from_days`).
    let from_march = days + 719_468;
    let (era, day) = (from_march / 146_097, from_march % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let shifted = (5 * day + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let day = day - (153 * shifted + 2) / 5 + 1;
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::TestRepo;

    fn rig() -> (TestRepo, String, Pulsar, TestRepo, Pulsar) {
        let one = TestRepo::new();
        one.write("a.txt", "one\n").write("gone.txt", "gone\n").commit_all("first");
        let bare = one.base().join("bare.git");
        one.git(["init", "--quiet", "--bare", "--initial-branch=main", &bare.display().to_string()]);
        one.git(["remote", "add", "origin", &bare.display().to_string()]);
        one.git(["push", "--quiet", "origin", "main"]);
        let two = one.at(one.base().join("two"));
        one.git(["clone", "--quiet", &bare.display().to_string(), &two.root().display().to_string()]);
        let first = Pulsar::new(one.root(), &one.home(), "alpha--01234567");
        let second = Pulsar::new(two.root(), &one.home(), "beta--89abcdef");
        (one, "origin".to_owned(), first, two, second)
    }

    #[test]
    fn a_snapshot_has_the_stream_and_head_as_parents_and_leaves_the_index_alone() {
        let (one, _, first, ..) = rig();
        one.write("a.txt", "two\n").write("new.txt", "new\n");
        let before = std::fs::read(one.path(".git/index")).expect("there is an index");
        let snapshot = first.snapshot(git::EPOCH + 86_400).expect("something changed");
        assert_eq!(std::fs::read(one.path(".git/index")).expect("still"), before);
        assert_eq!(one.id(&format!("{snapshot}^1")), one.id("HEAD"));
        assert_eq!(first.snapshot(git::EPOCH + 90_000), None);
        one.write("a.txt", "three\n");
        let next = first.snapshot(git::EPOCH + 93_600).expect("something changed");
        assert_eq!([one.id(&format!("{next}^1")), one.id(&format!("{next}^2"))], [snapshot.clone(), one.id("HEAD")]);
        assert_eq!(one.git(["log", "-1", "--format=%s", &snapshot]).trim_end(), "Shadow backup 2025-01-02 00:00:00");
        assert_eq!(one.id(&first.stream("main")), next);
        assert!(!one.path(".git/pulsar_index").exists());
    }

    #[test]
    fn a_sync_lays_the_newest_stream_over_the_tree() {
        let (one, remote, first, two, second) = rig();
        one.write("a.txt", "two\n").delete("gone.txt");
        first.snapshot(git::EPOCH + 1_000);
        first.push(&remote);
        assert_eq!(second.sync(&remote), Some(first.stream("main")));
        assert_eq!(two.read("a.txt"), b"two\n");
        // Its overlay does not delete.
        assert_eq!(two.read("gone.txt"), b"gone\n");
        assert!(two.git(["diff", "--cached", "--name-only"]).contains("a.txt"));
    }

    #[test]
    fn a_fetch_of_a_stream_that_is_ahead_here_fails() {
        let (one, remote, first, ..) = rig();
        one.write("a.txt", "two\n");
        first.snapshot(git::EPOCH + 1_000);
        first.push(&remote);
        assert!(first.fetch(&remote).status.success());
        one.write("a.txt", "three\n");
        first.snapshot(git::EPOCH + 2_000);
        assert!(!first.fetch(&remote).status.success());
    }

    #[test]
    fn finalize_squashes_the_streams_into_main() {
        let (one, remote, first, two, second) = rig();
        for repo in [&one, &two] {
            repo.git(["checkout", "--quiet", "-b", "topic"]);
        }
        one.write("one.txt", "1\n");
        two.write("two.txt", "2\n");
        first.snapshot(git::EPOCH + 1_000);
        first.push(&remote);
        second.snapshot(git::EPOCH + 2_000);
        second.push(&remote);
        one.delete("one.txt");
        let done = first.finalize(&remote);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        assert_eq!((one.read("one.txt"), one.read("two.txt")), (b"1\n".to_vec(), b"2\n".to_vec()));
        assert_eq!(first.branch(), "main");
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(stamp(0), "1970-01-01 00:00:00");
        assert_eq!(stamp(951_782_399), "2000-02-28 23:59:59");
        assert_eq!(stamp(951_782_400), "2000-02-29 00:00:00");
        assert_eq!(stamp(1_767_225_599), "2025-12-31 23:59:59");
    }
}
