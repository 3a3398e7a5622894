//! Commits that go out with snapshots, since the remote does not have them.

use std::collections::HashMap;
use std::io::Write as _;
use std::process::Stdio;

use super::Gathered;
use crate::git::{self, ByteSlice as _, ObjectId};
use crate::history::cannot_read;
use crate::refs;
use crate::remote::{Remote, RemoteError};
use crate::repo::Repo;

/// So many commits are looked at for names that the remote has at most.
const BOUNDARY_MAX: usize = 16;

/// What a remote is known to have: what the user's tracking refs say, and what was published.
pub(super) struct There<'r> {
    repo: &'r Repo,
    known: Vec<ObjectId>,
    asked: HashMap<ObjectId, bool>,
}

impl<'r> There<'r> {
    pub(super) fn new(repo: &'r Repo, remote: &Remote, published: Option<ObjectId>) -> Result<Self, RemoteError> {
        let mut known: Vec<ObjectId> = published.into_iter().collect();
        if remote.name != remote.url {
            let tracked = refs::list(repo, &format!("refs/remotes/{}/", remote.name))?;
            known.extend(tracked.into_iter().map(|(_, id)| id));
        }
        known.sort();
        known.dedup();
        Ok(Self { repo, known, asked: HashMap::new() })
    }

    /// Whether it has `commit`.
    pub(super) fn has(&mut self, commit: ObjectId) -> Result<bool, RemoteError> {
        if let Some(known) = self.asked.get(&commit) {
            return Ok(*known);
        }
        let has = !self.known.is_empty() && self.list(&["--max-count=1"], &[commit], &[])?.is_empty();
        self.asked.insert(commit, has);
        Ok(has)
    }

    /// Looks at what `commits` reach and neither the remote nor `without` do.
    pub(super) fn gather(
        &self,
        commits: &[ObjectId],
        without: &[ObjectId],
        gathered: &mut Gathered<'_>,
    ) -> Result<(), RemoteError> {
        if commits.iter().all(|commit| without.contains(commit)) {
            return Ok(());
        }
        for line in self.list(&["--objects"], commits, without)?.lines() {
            gathered.listed(line, true)?;
        }
        Ok(())
    }

    /// The commits there on which those stand that `commit` reaches and the remote does not have.
    pub(super) fn boundary(&self, commit: ObjectId) -> Result<Vec<ObjectId>, RemoteError> {
        let listed = self.list(&["--boundary"], &[commit], &[])?;
        let found = listed.lines().filter_map(|line| ObjectId::from_hex(line.strip_prefix(b"-")?).ok());
        Ok(found.take(BOUNDARY_MAX).collect())
    }

    /// `git rev-list`, which knows of grafts and shallow clones.
    fn list(&self, args: &[&str], commits: &[ObjectId], without: &[ObjectId]) -> Result<Vec<u8>, RemoteError> {
        let failed = |e: String| RemoteError::from(cannot_read("commits that were not pushed", self.repo.root(), e));
        let mut input = String::new();
        commits.iter().for_each(|id| input.push_str(&format!("{id}\n")));
        self.known.iter().chain(without).for_each(|id| input.push_str(&format!("^{id}\n")));
        let mut child = git::command(self.repo.root())
            .args(["rev-list", "--missing=allow-promisor", "--ignore-missing", "--stdin"])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| failed(e.to_string()))?;
        let stdin = child.stdin.take();
        let writer = std::thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(input.as_bytes())));
        let output = child.wait_with_output().map_err(|e| failed(e.to_string()))?;
        let _ = writer.join();
        if !output.status.success() {
            return Err(failed(output.stderr.trim().to_str_lossy().into_owned()));
        }
        Ok(output.stdout)
    }
}
