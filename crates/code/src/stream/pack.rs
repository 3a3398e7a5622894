//! Making packs, and looking for secrets in what would be in them.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write};

use super::identity::is_shallow;
use super::listing::{LISTING_BYTES_MAX, Listing};
use super::run::{Input, run, text_of};
use super::{StreamError, scan};
use crate::git::{self, ByteSlice as _, ObjectId};
use crate::history::HistoryError;
use crate::line::Branch;
use crate::publish::Gathered;
use crate::refs;
use crate::repo::Repo;
use crate::secrets::Finding;
use crate::snapshot::Snapshot;

/// So many commits of Git remotes a pack stands on at most.
const BOUNDARY_MAX: usize = 16;
/// Longest line of a list that is looked at, in bytes.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// What a pack stands on: whoever takes it in has that, with all it reaches.
pub(super) enum StandsOn {
    /// Nothing.
    Nothing,
    /// A snapshot that the log brings.
    Snapshot(ObjectId),
    /// Commits that are had from a Git remote. What they stand on themselves, a shallow clone does not have.
    Commits(Vec<ObjectId>),
}

impl StandsOn {
    pub(super) fn commits(&self) -> &[ObjectId] {
        match self {
            Self::Nothing => &[],
            Self::Snapshot(snapshot) => std::slice::from_ref(snapshot),
            Self::Commits(commits) => commits,
        }
    }
}

/// The commits on remote-tracking branches where the history of `commit` leaves what Git remotes have. Whoever has a clone
/// has these, or gets them from where we did. None where no remote can be reached from elsewhere.
pub(super) fn boundary(repo: &Repo, commit: ObjectId, has_remote: bool) -> Result<Vec<ObjectId>, StreamError> {
    if !has_remote {
        return Ok(Vec::new());
    }
    let tracked = refs::list(repo, "refs/remotes/")?;
    if tracked.is_empty() {
        return Ok(Vec::new());
    }
    let mut input = format!("{commit}\n");
    tracked.iter().for_each(|(_, id)| input.push_str(&format!("^{id}\n")));
    let mut command = git::command(repo.root());
    command.args(["rev-list", "--boundary", "--ignore-missing", "--stdin"]);
    let listed = text_of(repo, "what Git remotes have already", command, Input::Text(input))?;
    let found = listed.lines().filter_map(|line| line.strip_prefix(b"-"));
    Ok(found.filter_map(|hex| ObjectId::from_hex(hex).ok()).take(BOUNDARY_MAX).collect())
}

/// The commits whose parents a shallow repository does not have, among those that a pack would hold: the parents are needed.
pub(super) fn cut_off(repo: &Repo, commit: ObjectId, on: &StandsOn) -> Result<Vec<ObjectId>, StreamError> {
    if !is_shallow(repo) {
        return Ok(Vec::new());
    }
    let path = repo.common_dir().join("shallow");
    let text = carry_kernel::disk::read_bounded(&path, 16 << 20)?.unwrap_or_default();
    let ends: HashSet<ObjectId> = text.lines().filter_map(|line| ObjectId::from_hex(line).ok()).collect();
    let mut command = git::command(repo.root());
    command.args(["rev-list", "--stdin"]);
    let listed = text_of(repo, "where its history is cut off", command, Input::Text(revisions(repo, commit, on)?))?;
    let gix = repo.gix();
    let mut parents = Vec::new();
    for end in listed.lines().filter_map(|line| ObjectId::from_hex(line).ok()).filter(|id| ends.contains(id)) {
        let raw = crate::history::find_commit(&gix, end)?;
        let raw = gix::objs::CommitRef::from_bytes(&raw.data, end.kind());
        parents.extend(raw.map(|commit| commit.parents().collect::<Vec<_>>()).unwrap_or_default());
    }
    parents.sort();
    parents.dedup();
    parents.retain(|parent| !on.commits().contains(parent));
    if parents.len() > BOUNDARY_MAX {
        let message = "its history is cut off in too many places".to_owned();
        return Err(StreamError::Git { what: "a pack".to_owned(), repo: repo.root().to_owned(), message });
    }
    Ok(parents)
}

/// Secrets in what a pack of `commit` would hold, which is listed, and in the name of its branch unless it is known. Of a snapshot
/// it is told what its commits hold; any other commit is the user's. What one of `said` has, which went out before, is no news, whatever the pack stands on.
pub(super) fn secrets(
    repo: &Repo,
    (commit, on, listing): (ObjectId, &StandsOn, &Listing),
    said: &[ObjectId],
    snapshot: Option<&Snapshot>,
    is_branch_known: bool,
) -> Result<Vec<Finding>, StreamError> {
    let branch = snapshot.map_or(&Branch::Detached, |snapshot| &snapshot.meta.branch);
    let mut screen = Screen::new(repo);
    screen.take(&mut listing.read()?)?;
    if screen.gathered.is_empty() {
        return Ok(screen.gathered.finish(&[], branch, is_branch_known)?);
    }
    // Only now it matters which of it went out before, and what is in commits.
    let gix = repo.gix();
    let head = snapshot.and_then(|snapshot| snapshot.meta.head).filter(|head| gix.has_object(*head));
    let mut screen = Screen { is_committed: true, gathered: Gathered::in_order(repo), ..Screen::new(repo) };
    let (mut known, mut snapshots) = (Vec::new(), said.to_vec());
    match on {
        StandsOn::Snapshot(base) => snapshots.push(*base),
        StandsOn::Nothing | StandsOn::Commits(_) => known.extend(on.commits()),
    }
    snapshots.sort();
    snapshots.dedup();
    snapshots.retain(|snapshot| gix.has_object(*snapshot));
    let mut there = without(&gix, on)?;
    for snapshot in snapshots {
        there.push_str(&without(&gix, &StandsOn::Snapshot(snapshot))?);
        known.push(snapshot);
        known.extend(parents_here(&gix, snapshot)?);
    }
    let mut input = format!("{commit}\n{there}");
    if let Some(head) = head {
        screen.list(format!("{head}\n{there}"))?;
        input.push_str(&format!("^{head}\n"));
    }
    screen.is_committed = snapshot.is_none();
    screen.list(input)?;
    Ok(screen.gathered.finish(&known, branch, is_branch_known)?)
}

/// The parents of a commit that are here. One of a shallow clone may not be.
fn parents_here(gix: &gix::Repository, commit: ObjectId) -> Result<Vec<ObjectId>, StreamError> {
    let raw = crate::history::find_commit(gix, commit)?;
    let parents = gix::objs::CommitRefIter::from_bytes(&raw.data, commit.kind()).parent_ids();
    Ok(parents.filter(|parent| gix.has_object(*parent)).collect())
}

/// Makes the pack of what is listed, in a file without a name.
pub(super) fn make(repo: &Repo, listing: &Listing, bytes_max: u64) -> Result<(File, u64), StreamError> {
    let mut command = git::command(repo.root());
    // One thread makes the same pack of the same objects, and leaves the other cores to whoever works.
    command.args(["-c", "pack.threads=1", "pack-objects", "--stdout", "--delta-base-offset", "--quiet"]);
    let input = Input::File(listing.read()?);
    let mut file = tempfile::tempfile_in(repo.objects_dir())?;
    run(repo, "the pack of a snapshot", command, input, bytes_max, &mut file)?;
    rewind(&mut file)?;
    // What readers refuse is not said.
    scan::pack(io::BufReader::new(&file), repo.hash()).map_err(|e| match e.kind() {
        io::ErrorKind::InvalidData => StreamError::Git {
            what: "the pack of a snapshot".to_owned(),
            repo: repo.root().to_owned(),
            message: e.to_string(),
        },
        _ => e.into(),
    })?;
    rewind(&mut file)?;
    let bytes = file.metadata()?.len();
    Ok((file, bytes))
}

fn rewind(file: &mut File) -> io::Result<()> {
    io::Seek::rewind(file)
}

/// As Git reads them: what is wanted, and what is not.
pub(super) fn revisions(repo: &Repo, commit: ObjectId, on: &StandsOn) -> Result<String, StreamError> {
    Ok(format!("{commit}\n{}", without(&repo.gix(), on)?))
}

/// What is not wanted.
///
/// Git takes the files of a commit that is not wanted for known only where what is wanted stands on it. A snapshot stands on no
/// other one, so that the trees of what is needed are named besides, and those of what a needed snapshot stands on: it came with
/// them, and its side commit has what was staged.
fn without(gix: &gix::Repository, on: &StandsOn) -> Result<String, StreamError> {
    let mut input = String::new();
    let mut add = |id: ObjectId| -> Result<(), StreamError> {
        let raw = crate::history::find_commit(gix, id)?;
        let tree = gix::objs::CommitRefIter::from_bytes(&raw.data, id.kind()).tree_id();
        // In a clone without all trees it may be missing.
        if let Some(tree) = tree.ok().filter(|tree| gix.has_object(*tree)) {
            input.push_str(&format!("^{tree}\n"));
        }
        Ok(())
    };
    for need in on.commits() {
        add(*need)?;
        if let StandsOn::Snapshot(_) = on {
            parents_here(gix, *need)?.into_iter().try_for_each(&mut add)?;
        }
    }
    on.commits().iter().for_each(|id| input.push_str(&format!("^{id}\n")));
    Ok(input)
}

/// Looks at each object of a list as it comes.
struct Screen<'r> {
    repo: &'r Repo,
    gathered: Gathered<'r>,
    /// Whether the list is of the user's commits.
    is_committed: bool,
    line: Vec<u8>,
    failed: Option<HistoryError>,
}

impl<'r> Screen<'r> {
    fn new(repo: &'r Repo) -> Self {
        Self { repo, gathered: Gathered::new(repo), is_committed: false, line: Vec::new(), failed: None }
    }

    /// Looks at what Git lists.
    fn list(&mut self, input: String) -> Result<(), StreamError> {
        let mut command = git::command(self.repo.root());
        command.args(["rev-list", "--objects", "--in-commit-order", "--reverse", "--stdin"]);
        let listed = run(self.repo, "what would be said", command, Input::Text(input), LISTING_BYTES_MAX, self);
        self.ended(listed)
    }

    /// Looks at what was listed.
    fn take(&mut self, listed: &mut File) -> Result<(), StreamError> {
        let copied = io::copy(listed, self).map(drop);
        self.ended(copied.map_err(StreamError::from))
    }

    fn ended(&mut self, done: Result<(), StreamError>) -> Result<(), StreamError> {
        match self.failed.take() {
            Some(failed) => Err(failed.into()),
            None => done,
        }
    }

    fn add(&mut self, part: &[u8]) {
        let room = LINE_BYTES_MAX.saturating_sub(self.line.len());
        self.line.extend_from_slice(&part[..part.len().min(room)]);
    }
}

impl Write for Screen<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while let Some(at) = rest.find_byte(b'\n') {
            self.add(&rest[..at]);
            let line = std::mem::take(&mut self.line);
            if let Err(error) = self.gathered.listed(&line, self.is_committed) {
                self.failed = Some(error);
                return Err(io::Error::other("an object could not be looked at"));
            }
            rest = &rest[at + 1..];
        }
        self.add(rest);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
