//! What a pack holds, listed once: secrets are looked for in the list, and Git packs what stands in it.
//!
//! After a small change nothing but what differs is read, folder by folder. What else there is, Git lists.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Seek as _, Write as _};

use super::StreamError;
use super::identity::is_shallow;
use super::pack::{StandsOn, revisions};
use super::run::{Input, run};
use crate::diff::mode;
use crate::git::{self, BString, ByteSlice as _, ObjectId};
use crate::history::{self, entries};
use crate::repo::Repo;
use crate::snapshot::Snapshot;

/// Bytes of a list, at most.
pub(super) const LISTING_BYTES_MAX: u64 = 4 << 30;
/// A change is small with so many new commits at most, one on the other, …
const COMMITS_MAX: usize = 64;
/// … so many new objects, …
const OBJECTS_MAX: usize = 2_000;
/// … and so many bytes of files that are new where they are. Of more, Git looks whether they are copies of others.
const FILES_BYTES_MAX: u64 = 1 << 20;
/// Folders are compared with so many others at most: each costs a read.
const KNOWN_MAX: usize = 8;

/// A list as Git writes it: a line an object, with its path; and, after a minus sign, commits whose files the reader has, which
/// new ones may be deltas of.
pub(super) struct Listing {
    file: File,
    /// Objects in it, and folders that were read to find them. What Git reads by itself is not counted.
    pub(super) n_looked_at: u64,
}

impl Listing {
    /// Lists everything that `commit` reaches and what it stands on does not. `snapshot` is what the commit says, if that is known.
    pub(super) fn make(
        repo: &Repo,
        commit: ObjectId,
        on: &StandsOn,
        snapshot: Option<&Snapshot>,
    ) -> Result<Self, StreamError> {
        let mut out = Counted { file: tempfile::tempfile_in(repo.objects_dir())?, n_lines: 0 };
        let is_shallow = is_shallow(repo);
        if let (StandsOn::Snapshot(base), Some(snapshot), false) = (on, snapshot, is_shallow)
            && let Some(change) = Change::find(&repo.gix(), snapshot, *base)
        {
            out.write_all(change.text().as_bytes())?;
            return Ok(Self { n_looked_at: out.n_lines + change.n_read, file: out.file });
        }
        if let StandsOn::Snapshot(base) = on {
            writeln!(out, "-{base}")?;
        }
        let mut command = git::command(repo.root());
        command.args(["rev-list", if is_shallow { "--objects-edge-aggressive" } else { "--objects-edge" }, "--stdin"]);
        let input = Input::Text(revisions(repo, commit, on)?);
        run(repo, "what would be said", command, input, LISTING_BYTES_MAX, &mut out)?;
        Ok(Self { n_looked_at: out.n_lines, file: out.file })
    }

    /// From its beginning.
    pub(super) fn read(&self) -> io::Result<File> {
        let mut file = self.file.try_clone()?;
        file.rewind()?;
        Ok(file)
    }
}

/// A file, and how many lines were written into it.
struct Counted {
    file: File,
    n_lines: u64,
}

impl io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.file.write(bytes)?;
        self.n_lines += bytes[..n].find_iter(b"\n").count() as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A commit that is new.
struct Commit {
    id: ObjectId,
    tree: ObjectId,
    parents: Vec<ObjectId>,
}

/// What a small change brings.
struct Change<'g> {
    gix: &'g gix::Repository,
    commits: Vec<ObjectId>,
    /// Commits that the reader has.
    edges: Vec<ObjectId>,
    objects: Vec<(ObjectId, BString)>,
    seen: HashSet<ObjectId>,
    files_bytes: u64,
    n_read: u64,
}

impl<'g> Change<'g> {
    /// What `snapshot` has and the one that is said, with what that stands on, has not in the same place. `None` when it is not
    /// small, or is not to be had so: Git then says more.
    fn find(gix: &'g gix::Repository, snapshot: &Snapshot, base: ObjectId) -> Option<Self> {
        let base = history::snapshot(gix, base).ok()?;
        let mut new = Vec::new();
        let mut at = snapshot.meta.head;
        while at != base.meta.head {
            let next = commit(gix, at?)?;
            let [parent] = next.parents[..] else { return None };
            new.push(next);
            at = Some(parent);
            if new.len() > COMMITS_MAX {
                return None;
            }
        }
        let heads = [snapshot.meta.head, base.meta.head];
        let stands_on = |commit: &Commit, staged: Option<ObjectId>| {
            commit.parents.iter().all(|parent| heads.contains(&Some(*parent)) || Some(*parent) == staged)
        };
        let tip = commit(gix, snapshot.commit).filter(|tip| stands_on(tip, snapshot.meta.staged))?;
        let staged = snapshot.meta.staged.filter(|staged| Some(*staged) != base.meta.staged);
        let staged = match staged {
            Some(staged) => Some(commit(gix, staged).filter(|staged| stands_on(staged, None))?),
            None => None,
        };
        let mut known = vec![base.tree];
        if let Some(head) = base.meta.head {
            known.push(commit(gix, head)?.tree);
        }
        if let Some(staged) = base.meta.staged {
            let stages = entries(gix, commit(gix, staged)?.tree).ok()?;
            known.extend(stages.iter().filter(|stage| stage.mode == mode::FOLDER).map(|stage| stage.id));
        }
        let commits = [Some(&tip), staged.as_ref()].into_iter().flatten().chain(&new).map(|commit| commit.id).collect();
        let edges = [Some(base.commit), base.meta.head].into_iter().flatten().collect();
        let (objects, seen) = (Vec::new(), HashSet::new());
        let mut change = Self { gix, commits, edges, objects, seen, files_bytes: 0, n_read: 0 };
        // Each is compared with those before it, too.
        for next in new.iter().rev() {
            change.folder(BString::default(), next.tree, &known)?;
            if known.len() == KNOWN_MAX {
                known.remove(1);
            }
            known.push(next.tree);
        }
        change.folder(BString::default(), tip.tree, &known)?;
        if let Some(staged) = staged {
            known.push(tip.tree);
            change.object(staged.tree, BString::default())?;
            for stage in entries(gix, staged.tree).ok()?.into_iter().filter(|stage| stage.mode == mode::FOLDER) {
                change.folder(stage.name, stage.id, &known)?;
            }
        }
        Some(change)
    }

    /// What a folder has that none of `known`, the same folder elsewhere, has under the same name.
    fn folder(&mut self, path: BString, tree: ObjectId, known: &[ObjectId]) -> Option<()> {
        if known.contains(&tree) || !self.seen.insert(tree) {
            return Some(());
        }
        self.object(tree, path.clone())?;
        let mut theirs: HashMap<BString, Vec<(u32, ObjectId)>> = HashMap::new();
        // In a clone without all folders some may be missing.
        for id in known.iter().filter(|id| self.gix.has_object(**id)) {
            for entry in entries(self.gix, *id).ok()? {
                theirs.entry(entry.name).or_default().push((entry.mode, entry.id));
            }
            self.n_read += 1;
        }
        for entry in entries(self.gix, tree).ok()? {
            let known = theirs.get(&entry.name).map_or(&[][..], Vec::as_slice);
            if entry.mode == mode::SUBMODULE || known.iter().any(|(_, id)| *id == entry.id) {
                continue;
            }
            let below =
                if path.is_empty() { entry.name.clone() } else { [&path[..], b"/", &entry.name].concat().into() };
            if entry.mode == mode::FOLDER {
                let known = known.iter().filter(|(known, _)| *known == mode::FOLDER).map(|(_, id)| *id);
                self.folder(below, entry.id, &known.collect::<Vec<_>>())?;
            } else if self.seen.insert(entry.id) {
                // What is not here may be had from elsewhere, or not at all.
                self.files_bytes += self.gix.find_header(entry.id).ok()?.size();
                self.object(entry.id, below)?;
            }
        }
        Some(())
    }

    fn object(&mut self, id: ObjectId, path: BString) -> Option<()> {
        self.objects.push((id, path));
        (self.objects.len() <= OBJECTS_MAX && self.files_bytes <= FILES_BYTES_MAX).then_some(())
    }

    /// As Git lists it.
    fn text(&self) -> BString {
        let edges = self.edges.iter().map(|id| format!("-{id}\n").into());
        let commits = self.commits.iter().map(|id| format!("{id}\n").into());
        let objects = self.objects.iter().map(|(id, path)| {
            let path = path.lines().next().unwrap_or_default();
            [id.to_string().as_bytes(), b" ", path, b"\n"].concat().into()
        });
        edges.chain(commits).chain(objects).collect::<Vec<BString>>().concat().into()
    }
}

/// A commit that is here.
fn commit(gix: &gix::Repository, id: ObjectId) -> Option<Commit> {
    let raw = gix.find_object(id).ok()?;
    let read = gix::objs::CommitRef::from_bytes(&raw.data, id.kind()).ok()?;
    Some(Commit { id, tree: read.tree(), parents: read.parents().collect() })
}
