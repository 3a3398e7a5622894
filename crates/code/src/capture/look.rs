//! The first half of a capture: finding what the working tree holds now, as a tree object.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use super::store::Store;
use super::{CaptureError, Request, rules, unseen};
use crate::clean::{self, Cleaned, Cleaner};
use crate::diff::mode;
use crate::git::{BStr, BString, ByteSlice, ObjectId, path_of};
use crate::pack::Kind;
use crate::repo::Repo;
use crate::scan::{self, Found, Scope, Seen};
use crate::settings::Settings;
use crate::shadow_index::{self, Entry, Flags, Holds, ShadowIndex, StagedAt, Stamp, Stat};
use crate::snapshot::{SkipReason, Skipped};
use crate::staged;
use crate::tree::{self, Edit};
use gix::objs::Exists as _;

mod hashing;

use hashing::{Blob, Hashing, update_entries};

/// What is remembered between captures in memory. Small: trees are in the repository, the index on disk.
#[derive(Debug)]
pub(super) struct Memory {
    /// What the working tree held at the last look.
    pub(super) tree: ObjectId,
    /// Git's index then, and what it meant.
    pub(super) user: Stamp,
    pub(super) user_digest: [u8; 32],
    /// What was staged then.
    pub(super) staged: StagedAt,
    /// The files that rules come from, then.
    pub(super) rules: rules::Stamps,
    pub(super) ignore: Vec<String>,
    /// Paths that are not captured, and why.
    pub(super) skipped: BTreeMap<BString, SkipReason>,
    pub(super) nested: BTreeSet<BString>,
    /// Tracked paths that were not there: they count even if ignored.
    pub(super) absent: HashSet<BString>,
    /// Submodules in Git's index: a folder there is not part of this working tree.
    pub(super) submodules: BTreeSet<BString>,
    /// Paths that Git does not expect in the working tree, or takes as unchanged: they need its index.
    pub(super) flagged: bool,
    pub(super) untracked: bool,
}

/// What a look found.
pub(super) struct Looked {
    pub(super) memory: Memory,
    pub(super) looked_at: u64,
    pub(super) hashed: u64,
    pub(super) full: bool,
    /// The private index, if it is worth writing back.
    pub(super) save: Option<ShadowIndex>,
}

/// Most tracked-but-absent paths that are remembered; beyond it every look is a full one.
const ABSENT_MAX: usize = 10_000;
/// A private index is written back when this many bytes …
const SAVE_BYTES: u64 = 1 << 20;
/// … or this many files had to be read because of it.
const SAVE_FILES: u64 = 64;

pub(super) struct Looker<'a> {
    pub(super) repo: &'a Repo,
    pub(super) gix: &'a gix::Repository,
    pub(super) settings: &'a Settings,
    /// The files that rules come from, as they were read.
    pub(super) rules: rules::Stamps,
    pub(super) index_file: PathBuf,
    pub(super) request: &'a Request<'a>,
    /// HEAD's commit and tree.
    pub(super) head: Option<(ObjectId, ObjectId)>,
    /// What the working tree's newest snapshot holds, on whatever line.
    pub(super) last_tree: Option<ObjectId>,
    /// What says which files are gone where a sparse checkout does not show it.
    pub(super) base: Option<unseen::Base>,
    /// The side commit of the line's newest snapshot, to be used again when nothing staged has changed.
    pub(super) side_before: Option<ObjectId>,
    /// Makes a side commit's bytes from tree and message.
    pub(super) side_commit: &'a dyn Fn(&staged::Side) -> Vec<u8>,
    /// Whether untracked files count (the budget may say no).
    pub(super) untracked: bool,
}

fn git_error(what: &str) -> impl FnOnce(Box<dyn std::error::Error + Send + Sync>) -> CaptureError {
    move |source| CaptureError::Git { what: what.to_owned(), source }
}

impl Looker<'_> {
    /// Git's index with a sparse one's folders expanded, and when it was written.
    fn load_user(&self) -> Result<(gix::index::State, i64), CaptureError> {
        let path = self.gix.index_path();
        let written = Stamp::of(&path).stat.mtime_total_ns();
        if !path.exists() {
            return Ok((gix::index::State::new(self.gix.object_hash()), written));
        }
        let file = self.gix.open_index().map_err(|e| git_error("Git's index")(e.into()))?;
        let (mut state, _) = file.into_parts();
        // Git has been seen to write a file after what lies below a folder of its name.
        if !state.entries().is_sorted_by_key(|e| (e.path(&state), e.stage_raw())) {
            state.sort_entries();
        }
        staged::expand_sparse(&mut state, self.gix).map_err(git_error("the folders of a sparse index"))?;
        Ok((state, written))
    }

    /// Looks at every file.
    pub(super) fn everything(&self, store: &mut Store<'_>) -> Result<Looked, CaptureError> {
        // Attributes inside the working tree decide how files become blobs; if one changed, nothing known about files that
        // are not in Git's index can be trusted, and the second look starts from Git's index alone.
        let looked = self.full(store, true)?;
        match looked {
            Some(looked) => Ok(looked),
            None => Ok(self.full(store, false)?.expect("only a look that builds on an old index is given up")),
        }
    }

    fn full(&self, store: &mut Store<'_>, build_on_old: bool) -> Result<Option<Looked>, CaptureError> {
        let taken_ns = shadow_index::file_clock_ns();
        let hash = self.gix.object_hash();
        let stamp = Stamp::of(&self.gix.index_path());
        let rules = rules::digest(self.gix);
        // What it knows of objects holds only in the object store it was made for, and only while nothing is missing there.
        let old = (build_on_old && !store.rewrites()).then(|| ShadowIndex::load(&self.index_file, hash)).flatten();
        let old = old.filter(|o| o.rules == rules && o.tree.is_none_or(|tree| store_has(self.gix, &tree)));
        let attributes = old.as_ref().map(|o| o.attributes);
        let holds = clean::holds(self.gix);
        let head = self.head.map(|h| h.0);
        let mut worth_saving = old.is_none();

        let staged_known = old.as_ref().is_some_and(|o| o.user == stamp && o.staged.is_some_and(|s| s.head == head));
        let flagged = old.as_ref().is_none_or(ShadowIndex::has_unwatched);
        let user = if staged_known && !flagged && !store.rewrites() { None } else { Some(self.load_user()?) };
        let mut index = match (old, &user) {
            (Some(old), None) => old,
            (old, Some((state, _))) => {
                let digest = staged::digest(state);
                match old {
                    Some(mut same) if same.user_digest == digest => {
                        worth_saving |= same.user != stamp;
                        same.user = stamp;
                        same
                    }
                    old => {
                        worth_saving = true;
                        let mut merged = shadow_index::merge_user(old.as_ref(), state, hash, holds);
                        merged.tree = None;
                        merged.user = stamp;
                        merged.user_digest = digest;
                        merged.staged = None;
                        merged.rules = rules;
                        merged
                    }
                }
            }
            (None, None) => unreachable!("Git's index is read whenever there is no private one"),
        };

        let empty = gix::index::State::new(hash);
        let state = user.as_ref().map_or(&empty, |(state, _)| state);
        let excludes = self.excludes(state)?;
        let looked_at = AtomicU64::new(0);
        (self.request.progress)("looking", 0, index.entries().len() as u64);
        let seen = scan::scan(
            &Scope {
                repo: self.repo,
                index: &index,
                user: user.as_ref().filter(|_| !store.rewrites()).map(|(state, written)| (state, *written)),
                excludes: &excludes,
                cancel: self.request.cancel,
                looked_at: &looked_at,
                untracked: self.untracked,
                holds,
                unwatched: index.has_unwatched(),
            },
            BStr::new(b""),
        )
        .map_err(carry_kernel::disk::DiskError::at("list", self.repo.root()))?;
        self.check_cancel()?;

        let mut cleaner = self.cleaner(state)?;
        let mut hashing =
            Hashing { looker: self, store, user: user.as_ref().map(|u| &u.0), late: None, hashed: 0, bytes: 0 };
        let base = self.base.as_ref().filter(|_| index.has_unwatched());
        let unseen = base.map(|base| base.gone(self.gix)).unwrap_or_default();
        let changes = hashing.apply(&seen, &index, &unseen, &mut cleaner)?;
        let (hashed, hashed_bytes) = (hashing.hashed, hashing.bytes);
        worth_saving |= hashed > SAVE_FILES || hashed_bytes > SAVE_BYTES;
        let base = index.tree.filter(|tree| !store.rewrites() && store_has(self.gix, tree));
        let skipped = changes.skipped;
        let edits = changes.edits;
        update_entries(&mut index, &changes.entries);
        index.attributes = index.attributes_digest(&seen.attributes, taken_ns);
        if attributes.is_some_and(|before| before.is_none() || before != index.attributes) {
            return Ok(None);
        }
        let root = match base {
            Some(base) => tree::edit(self.gix, base, &edits, &mut |bytes| store.put(Kind::Tree, bytes))
                .map_err(git_error("the last snapshot's tree"))?,
            None => tree::build(index.tree_entries(), &mut |bytes| store.put(Kind::Tree, bytes)),
        };
        let staged = match (&user, index.staged.filter(|s| s.head == head)) {
            (Some((state, _)), None) => {
                worth_saving = true;
                self.stage(state, store)?
            }
            (_, Some(known)) => known,
            (None, None) => unreachable!("Git's index is read unless what is staged is known"),
        };
        index.tree = Some(root);
        index.taken_ns = taken_ns;
        index.staged = Some(staged);
        let absent: HashSet<BString> = index.tracked_absent().take(ABSENT_MAX + 1).map(ToOwned::to_owned).collect();
        let flagged = index.has_unwatched();
        let memory = Memory {
            tree: self.keep_skipped(root, &skipped, store)?,
            user: stamp,
            user_digest: index.user_digest,
            staged,
            rules: self.rules.clone(),
            ignore: self.settings.ignore.clone(),
            skipped,
            nested: seen.nested.iter().cloned().collect(),
            submodules: index.submodules().map(ToOwned::to_owned).collect(),
            absent,
            flagged,
            untracked: self.untracked,
        };
        Ok(Some(Looked {
            memory,
            looked_at: looked_at.into_inner(),
            hashed,
            full: true,
            save: worth_saving.then_some(index),
        }))
    }

    /// Gives paths that could not be captured what the newest snapshot of the working tree has for them, which the
    /// private index need not know: it may be older, or fresh from Git's.
    fn keep_skipped(
        &self,
        root: ObjectId,
        skipped: &BTreeMap<BString, SkipReason>,
        store: &mut Store<'_>,
    ) -> Result<ObjectId, CaptureError> {
        let Some(last) = self.last_tree.filter(|last| *last != root) else { return Ok(root) };
        let mut edits: Vec<Edit> = Vec::new();
        for path in skipped.keys() {
            if let Some(known) = self.entry_at(last, path.as_bstr())?
                && self.entry_at(root, path.as_bstr())? != Some(known)
            {
                edits.push((path.clone(), Some(known)));
            }
        }
        if edits.is_empty() {
            return Ok(root);
        }
        tree::edit(self.gix, root, &edits, &mut |bytes| store.put(Kind::Tree, bytes))
            .map_err(git_error("the last snapshot's tree"))
    }

    /// Looks only at `paths`, building on what is remembered. `None` when that cannot be enough.
    pub(super) fn at(
        &self,
        paths: &BTreeSet<BString>,
        memory: &Memory,
        store: &mut Store<'_>,
    ) -> Result<Option<Looked>, CaptureError> {
        let special = |p: &BString| {
            let name = p.rsplit_once_str(b"/").map_or(p.as_slice(), |(_, name)| name);
            matches!(name, b".gitattributes" | b".gitignore" | b".git")
        };
        if memory.flagged
            || memory.absent.len() > ABSENT_MAX
            || memory.ignore != self.settings.ignore
            || memory.untracked != self.untracked
            || !self.rules.certainly_same(&memory.rules)
            || paths.iter().any(special)
            || store.rewrites()
            || !store_has(self.gix, &memory.tree)
        {
            return Ok(None);
        }
        let head = self.head.map(|h| h.0);
        let stamp = Stamp::of(&self.gix.index_path());
        let mut user = None;
        if stamp != memory.user {
            let loaded = self.load_user()?;
            if staged::digest(&loaded.0) != memory.user_digest {
                return Ok(None);
            }
            user = Some(loaded.0);
        }
        let staged = if memory.staged.head == head {
            memory.staged
        } else {
            if user.is_none() {
                user = Some(self.load_user()?.0);
            }
            self.stage(user.as_ref().expect("just loaded"), store)?
        };
        let partial = self.partial(paths, memory, user.as_ref(), store)?;
        let Some((edits, skipped, nested, looked_at, hashed)) = partial else { return Ok(None) };
        let root = tree::edit(self.gix, memory.tree, &edits, &mut |bytes| store.put(Kind::Tree, bytes))
            .map_err(git_error("the last snapshot's tree"))?;
        let mut absent = memory.absent.clone();
        for (path, new) in &edits {
            if new.is_some() {
                absent.remove(path);
            } else {
                // It may have been tracked; taking it for tracked costs a look at an ignored file at worst.
                absent.insert(path.clone());
            }
        }
        let memory = Memory {
            tree: root,
            user: stamp,
            user_digest: memory.user_digest,
            staged,
            rules: memory.rules.clone(),
            ignore: memory.ignore.clone(),
            skipped,
            nested,
            submodules: memory.submodules.clone(),
            absent,
            flagged: false,
            untracked: self.untracked,
        };
        Ok(Some(Looked { memory, looked_at, hashed, full: false, save: None }))
    }

    /// Edits for the given paths: each a file, link or folder that may be new, changed or gone.
    #[expect(clippy::type_complexity, reason = "taken apart where it is returned to")]
    fn partial(
        &self,
        paths: &BTreeSet<BString>,
        memory: &Memory,
        user: Option<&gix::index::State>,
        store: &mut Store<'_>,
    ) -> Result<Option<(Vec<Edit>, BTreeMap<BString, SkipReason>, BTreeSet<BString>, u64, u64)>, CaptureError> {
        let empty = gix::index::State::new(self.gix.object_hash());
        let mut excludes = self.excludes(user.unwrap_or(&empty))?;
        let mut cleaner = self.cleaner(user.unwrap_or(&empty))?;
        let nothing_known = ShadowIndex::new(self.gix.object_hash());
        let mut seen = Seen::default();
        let mut edits: Vec<Edit> = Vec::new();
        let looked_at = AtomicU64::new(0);
        let mut skipped = memory.skipped.clone();
        let mut nested = memory.nested.clone();
        for path in paths {
            if path.is_empty() || path.split_str(b"/").any(scan::is_gits_name) {
                return Ok(None);
            }
            skipped.retain(|p, _| p != path && !is_below(p, path));
            nested.retain(|p| p != path && !is_below(p, path));
            if nested.iter().any(|n| is_below(path, n)) {
                continue;
            }
            let before = self.entry_at(memory.tree, path.as_bstr())?;
            // What cannot be looked at is for the full look to name.
            let Ok(now) = lstat_beneath(self.repo.root(), path.as_bstr()) else { return Ok(None) };
            looked_at.fetch_add(1, Ordering::Relaxed);
            match now.as_ref().map(|st| rustix::fs::FileType::from_raw_mode(st.st_mode)) {
                None => {
                    if before.is_some() {
                        edits.push((path.clone(), None));
                    }
                }
                Some(rustix::fs::FileType::Directory) => {
                    match before {
                        Some((mode::SUBMODULE, _)) => {
                            seen.submodules.push(path.clone());
                            continue;
                        }
                        Some(_) if memory.submodules.contains(path) => return Ok(None),
                        // A folder in the place of a file: what is in it follows.
                        Some((m, _)) if m != mode::FOLDER => edits.push((path.clone(), None)),
                        Some(_) => {}
                        None if scan::is_ignored(&mut excludes, &self.gix.objects, path, true)
                            && !memory.absent.iter().any(|a| is_below(a, path)) =>
                        {
                            continue;
                        }
                        None => {}
                    }
                    if before.is_some_and(|(m, _)| m == mode::FOLDER) && self.holds_submodule(memory.tree, path)? {
                        return Ok(None);
                    }
                    if memory.absent.iter().any(|a| a == path || is_below(a, path)) {
                        return Ok(None);
                    }
                    let below = scan::scan(
                        &Scope {
                            repo: self.repo,
                            index: &nothing_known,
                            user: None,
                            excludes: &excludes,
                            cancel: self.request.cancel,
                            looked_at: &looked_at,
                            untracked: true,
                            holds: cleaner.holds(),
                            unwatched: false,
                        },
                        path.as_bstr(),
                    );
                    let Ok(below) = below else { return Ok(None) };
                    // Tracked but ignored files below would be missed here; the index knows them.
                    let known = crate::diff::trees(
                        self.gix,
                        None,
                        before.filter(|b| b.0 == mode::FOLDER).map(|b| b.1),
                        BStr::new(b""),
                    )?;
                    let found: HashSet<&BStr> = below.found.iter().map(|f| f.path.as_bstr()).collect();
                    for delta in known {
                        let full: BString = [path.as_slice(), b"/", delta.path.as_slice()].concat().into();
                        let Ok(there) = lstat_beneath(self.repo.root(), full.as_bstr()) else { return Ok(None) };
                        match there {
                            None => edits.push((full, None)),
                            Some(_) if !found.contains(full.as_bstr()) => return Ok(None),
                            Some(_) => {}
                        }
                    }
                    seen.found.extend(below.found);
                    seen.skipped.extend(below.skipped);
                    seen.nested.extend(below.nested);
                }
                Some(_) => {
                    let captured = before.is_some_and(|(m, _)| m != mode::FOLDER);
                    let ignored = !captured
                        && !memory.absent.contains(path)
                        && scan::is_ignored(&mut excludes, &self.gix.objects, path, false);
                    if ignored {
                        if before.is_some() {
                            edits.push((path.clone(), None));
                        }
                        continue;
                    }
                    if !self.untracked && !captured {
                        return Ok(None);
                    }
                    if before.is_some_and(|(m, _)| m == mode::FOLDER) {
                        edits.push((path.clone(), None));
                    }
                    let stat = Stat::of(now.as_ref().expect("it has a type"));
                    seen.found.push(Found { path: path.clone(), stat, tracked: captured, known: None });
                }
            }
        }
        let mut hashing = Hashing { looker: self, store, user, late: None, hashed: 0, bytes: 0 };
        let mut read = Vec::new();
        for found in &seen.found {
            let known = self.entry_at(memory.tree, found.path.as_bstr())?.map(|e| e.0).filter(|m| *m != mode::FOLDER);
            match hashing.read(found, known, &mut cleaner)? {
                Ok(Blob { mode, id, .. }) => read.push((found.path.clone(), Some((mode, id)))),
                Err(Some(reason)) => {
                    skipped.insert(found.path.clone(), reason);
                }
                Err(None) => read.push((found.path.clone(), None)),
            }
        }
        let hashed = hashing.hashed;
        for folder in &seen.submodules {
            let before = self.entry_at(memory.tree, folder.as_bstr())?;
            if let Some(id) = clean::submodule_head(&self.repo.root().join(path_of(folder)))
                && before.is_some_and(|b| b.1 != id)
            {
                read.push((folder.clone(), Some((mode::SUBMODULE, id))));
            }
        }
        edits.extend(read);
        skipped.extend(seen.skipped.into_iter().map(|s| (s.path, s.reason)));
        nested.extend(seen.nested);
        Ok(Some((edits, skipped, nested, looked_at.into_inner(), hashed)))
    }

    /// Whether a folder of the last tree holds a submodule: those need the full look.
    fn holds_submodule(&self, tree: ObjectId, folder: &BString) -> Result<bool, CaptureError> {
        let entry = self.entry_at(tree, folder.as_bstr())?;
        let below = crate::diff::trees(self.gix, None, entry.map(|e| e.1), BStr::new(b""))?;
        Ok(below.iter().any(|d| d.new.is_some_and(|n| n.0 == mode::SUBMODULE)))
    }

    fn entry_at(&self, tree: ObjectId, path: &BStr) -> Result<Option<(u32, ObjectId)>, CaptureError> {
        Ok(crate::history::entry_at(self.gix, tree, path)?)
    }

    /// Records what is staged, for the HEAD there is now.
    fn stage(&self, user: &gix::index::State, store: &mut Store<'_>) -> Result<StagedAt, CaptureError> {
        let sparse = self.gix.config_snapshot().boolean("core.sparseCheckout").unwrap_or(false);
        let store = std::cell::RefCell::new(store);
        let side = staged::record(
            user,
            self.head.map(|h| h.1),
            sparse,
            &mut |kind, bytes| store.borrow_mut().put(kind, bytes),
            &mut |bytes| store.borrow().id_of(Kind::Tree, bytes),
        );
        let store = store.into_inner();
        let head = self.head.map(|h| h.0);
        let Some(side) = side else { return Ok(StagedAt { head, side: None }) };
        // Blobs that only the index holds were written by the user's Git; HEAD's own need no care.
        let deltas =
            crate::diff::trees(self.gix, self.head.map(|h| h.1), side.staged, BStr::new(b"")).unwrap_or_default();
        let staged = deltas.iter().filter_map(|d| d.new).filter(|(m, _)| *m != mode::SUBMODULE).map(|(_, id)| id);
        let unmerged = user.entries().iter().filter(|e| e.stage_raw() != 0 && !e.mode.is_submodule()).map(|e| e.id);
        for id in staged.chain(unmerged) {
            if store.rewrites() && !store.batch.contains(&id) && !self.gix.objects.exists(&id) {
                // Nobody can write it again, and Git could not commit it either.
                tracing::warn!(%id, "what is staged is damaged; capturing without it");
                return Ok(StagedAt { head, side: None });
            }
            store.rely_on(id);
        }
        if let Some(before) = self.side_before
            && let Ok(commit) = self.gix.find_commit(before)
            && commit.tree_id().is_ok_and(|tree| tree == side.tree)
            && commit.message_raw().is_ok_and(|message| message == side.message.as_slice())
        {
            return Ok(StagedAt { head, side: Some(before) });
        }
        let id = store.put(Kind::Commit, &(self.side_commit)(&side));
        Ok(StagedAt { head, side: Some(id) })
    }

    fn excludes(&self, state: &gix::index::State) -> Result<gix::worktree::Stack, CaptureError> {
        use gix::worktree::stack::state::ignore::Source;
        let overrides =
            gix::ignore::Search::from_overrides(self.settings.ignore.iter(), gix::ignore::search::Ignore::default());
        self.gix
            .excludes(state, Some(overrides), Source::WorktreeThenIdMappingIfNotSkipped)
            .map(gix::AttributeStack::detach)
            .map_err(|e| git_error("ignore rules")(e.into()))
    }

    fn cleaner(&self, state: &gix::index::State) -> Result<Cleaner<'_>, CaptureError> {
        Cleaner::new(self.gix, state, self.settings.large_file).map_err(git_error("filters and attributes"))
    }

    fn check_cancel(&self) -> Result<(), CaptureError> {
        if self.request.cancel.load(Ordering::Relaxed) { Err(CaptureError::Cancelled) } else { Ok(()) }
    }
}

/// Whether the repository (or this capture) has the tree; the empty one always counts.
fn store_has(repo: &gix::Repository, tree: &ObjectId) -> bool {
    *tree == ObjectId::empty_tree(repo.object_hash()) || repo.objects.exists(tree)
}

/// Whether `path` lies below the folder `folder`.
fn is_below(path: &BString, folder: &BString) -> bool {
    path.len() > folder.len() && path.starts_with(folder) && path[folder.len()] == b'/'
}

/// The status of a path if no part of the way to it is a link: what lies behind a link is not in the working tree. `None`
/// when it is certainly not there.
fn lstat_beneath(root: &std::path::Path, path: &BStr) -> rustix::io::Result<Option<rustix::fs::Stat>> {
    use rustix::io::Errno;
    let status = |at: usize| match rustix::fs::lstat(root.join(path_of(&path[..at]))) {
        Ok(st) => Ok(Some(st)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(error) => Err(error),
    };
    for at in path.find_iter(b"/") {
        let parent = status(at)?.map(|st| rustix::fs::FileType::from_raw_mode(st.st_mode));
        if parent != Some(rustix::fs::FileType::Directory) {
            return Ok(None);
        }
    }
    status(path.len())
}
