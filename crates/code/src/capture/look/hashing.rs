//! From what a scan saw to what becomes of each path: files read into the store, and the private index brought up to date.

use super::*;

/// What a scan's findings come to.
pub(super) struct Changes {
    pub(super) edits: Vec<Edit>,
    /// Entries to set (or, with `None`, to forget), by path.
    pub(super) entries: BTreeMap<BString, Option<(u32, ObjectId, Stat, Flags)>>,
    pub(super) skipped: BTreeMap<BString, SkipReason>,
}

/// A file as it would be in a tree.
pub(super) struct Blob {
    pub(super) mode: u32,
    pub(super) id: ObjectId,
    pub(super) stat: Stat,
    /// Whether Git's index had a say in it.
    pub(super) index_decided: bool,
}

pub(super) struct Hashing<'a, 'b, 'r> {
    pub(super) looker: &'a Looker<'a>,
    pub(super) store: &'b mut Store<'r>,
    pub(super) user: Option<&'a gix::index::State>,
    /// Git's index, read late because a file's line ends, or a flag, asked for it.
    pub(super) late: Option<gix::index::State>,
    pub(super) hashed: u64,
    pub(super) bytes: u64,
}

impl Hashing<'_, '_, '_> {
    pub(super) fn apply(
        &mut self,
        seen: &Seen,
        index: &ShadowIndex,
        unseen: &HashMap<BString, (u32, ObjectId)>,
        cleaner: &mut Cleaner<'_>,
    ) -> Result<Changes, CaptureError> {
        let mut changes = Changes { edits: Vec::new(), entries: BTreeMap::new(), skipped: BTreeMap::new() };
        for Skipped { path, reason } in &seen.skipped {
            changes.skipped.insert(path.clone(), reason.clone());
        }
        let total = seen.found.len() as u64;
        for (n, found) in seen.found.iter().enumerate() {
            if n % 64 == 0 {
                self.looker.check_cancel()?;
                (self.looker.request.progress)("hashing", n as u64, total);
            }
            let entry = index.get(found.path.as_bstr());
            let flags = entry.map_or(Flags::default(), |e| e.flags).with(Flags::ABSENT, false);
            let before = entry.filter(|e| !e.flags.has(Flags::ABSENT)).map(|e| (e.mode, e.id));
            let known = entry.map(|e| e.mode).filter(|m| *m != 0);
            match self.read(found, known, cleaner)? {
                Ok(Blob { mode, id, stat, index_decided }) => {
                    let flags = flags.with(Flags::INDEX_DECIDED, index_decided);
                    changes.entries.insert(found.path.clone(), Some((mode, id, stat, flags)));
                    if before != Some((mode, id)) {
                        changes.edits.push((found.path.clone(), Some((mode, id))));
                    }
                }
                Err(Some(reason)) => {
                    changes.skipped.insert(found.path.clone(), reason);
                }
                Err(None) => self.forget(found.path.clone(), entry, &mut changes),
            }
        }
        for folder in &seen.submodules {
            self.submodule(folder, index, &mut changes)?;
        }
        let mut covered: HashSet<usize> = seen.covered.iter().copied().collect();
        if !seen.folders_over.is_empty() {
            let gone: HashSet<usize> = seen.gone.iter().copied().collect();
            covered.extend(seen.folders_over.iter().filter(|at| holds_anything(index, **at, seen, &gone)));
        }
        for at in &seen.gone {
            self.gone(*at, covered.contains(at), index, unseen, &mut changes)?;
        }
        Ok(changes)
    }

    /// Reads one file into the store. Outer error: the capture fails. Inner: skipped with a reason, or gone.
    pub(super) fn read(
        &mut self,
        found: &Found,
        mut known: Option<u32>,
        cleaner: &mut Cleaner<'_>,
    ) -> Result<Result<Blob, Option<SkipReason>>, CaptureError> {
        if let Some((mode, id)) = found.known
            && !self.store.rewrites()
        {
            return Ok(Ok(Blob { mode, id, stat: found.stat, index_decided: true }));
        }
        let path = found.path.as_bstr();
        if cleaner.holds() != (Holds { modes: true, links: true }) {
            known = self.user_index()?.entry_by_path(path).map(shadow_index::git_mode);
        }
        let mut failed = None;
        let mut index_decided = false;
        let cleaned = cleaner.read(self.looker.repo, path, known, &mut || {
            index_decided = true;
            match self.user_index() {
                Ok(state) => state.entry_by_path(path).map(|e| e.id),
                Err(error) => {
                    failed = Some(error);
                    None
                }
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        Ok(match cleaned {
            Cleaned::Content { bytes, mode, stat, converted } => {
                self.hashed += 1;
                self.bytes += bytes.len() as u64;
                // Git believes its index where that has the file's status, even if the rules would have it otherwise.
                if converted
                    && found.known.is_none()
                    && !self.store.rewrites()
                    && let Some((mode, id)) = self.known_to_git(path, &stat, mode == mode::EXECUTABLE)?
                {
                    return Ok(Ok(Blob { mode, id, stat, index_decided: true }));
                }
                let id = self.store.put(Kind::Blob, &bytes);
                // The null id answers content made to collide with other content; Git refuses it too.
                if id.is_null() {
                    Err(Some(SkipReason::Unreadable))
                } else {
                    Ok(Blob { mode, id, stat, index_decided })
                }
            }
            Cleaned::Skip(reason) => Err(Some(reason)),
            Cleaned::Gone => Err(None),
        })
    }

    /// What Git's index says of a file whose status it has.
    pub(super) fn known_to_git(
        &mut self,
        path: &BStr,
        stat: &Stat,
        executable: bool,
    ) -> Result<Option<(u32, ObjectId)>, CaptureError> {
        let (gix, holds) = (self.looker.gix, clean::holds(self.looker.gix));
        let written_ns = Stamp::of(&gix.index_path()).stat.mtime_total_ns();
        Ok(scan::known_to_git(self.user_index()?, written_ns, path, stat, executable, holds))
    }

    /// Git's index, read when it is first asked for.
    pub(super) fn user_index(&mut self) -> Result<&gix::index::State, CaptureError> {
        if let Some(user) = self.user {
            return Ok(user);
        }
        if self.late.is_none() {
            self.late = Some(self.looker.load_user()?.0);
        }
        Ok(self.late.as_ref().expect("just read"))
    }

    /// Takes a path out of the tree. What is tracked stays known, should it come back.
    pub(super) fn forget(&self, path: BString, entry: Option<&Entry>, changes: &mut Changes) {
        if entry.is_some_and(|e| !e.flags.has(Flags::ABSENT)) {
            changes.edits.push((path.clone(), None));
        }
        let tracked = entry.filter(|e| e.flags.has(Flags::TRACKED));
        let absent = tracked.map(|e| (e.mode, e.id, Stat::default(), e.flags.with(Flags::ABSENT, true)));
        changes.entries.insert(path, absent);
    }

    pub(super) fn submodule(
        &mut self,
        folder: &BString,
        index: &ShadowIndex,
        changes: &mut Changes,
    ) -> Result<(), CaptureError> {
        let Some(entry) = index.get(folder.as_bstr()) else { return Ok(()) };
        let head = clean::submodule_head(&self.looker.repo.root().join(path_of(folder)));
        let id = match head {
            Some(id) => Some(id),
            None if entry.mode == mode::SUBMODULE => Some(entry.id),
            // Something else was in its place.
            None => self.user_index()?.entry_by_path(folder.as_bstr()).map(|e| e.id),
        };
        if let Some(id) = id
            && (entry.flags.has(Flags::ABSENT) || (entry.mode, entry.id) != (mode::SUBMODULE, id))
        {
            let flags = entry.flags.with(Flags::ABSENT, false);
            changes.edits.push((folder.clone(), Some((mode::SUBMODULE, id))));
            changes.entries.insert(folder.clone(), Some((mode::SUBMODULE, id, Stat::default(), flags)));
        }
        Ok(())
    }

    /// A path that is not there. Where Git does not expect it, what Git's index says stands, unless something else
    /// covers its place or it was gone (`unseen`) when the index said the same.
    pub(super) fn gone(
        &mut self,
        at: usize,
        covered: bool,
        index: &ShadowIndex,
        unseen: &HashMap<BString, (u32, ObjectId)>,
        changes: &mut Changes,
    ) -> Result<(), CaptureError> {
        use gix::index::entry::Flags as Git;
        let entry = index.entries()[at];
        let path = index.path(&entry).to_owned();
        let was_there = !entry.flags.has(Flags::ABSENT);
        if covered || !entry.flags.has_any(Flags::UNWATCHED) {
            self.forget(path, Some(&entry), changes);
            return Ok(());
        }
        if let Some(git) = self.user_index()?.entry_by_path(path.as_bstr())
            && git.stage_raw() == 0
            && !git.flags.contains(Git::INTENT_TO_ADD)
        {
            let (mode, id) = (shadow_index::git_mode(git), git.id);
            if entry.flags.has(Flags::SKIP_WORKTREE) && unseen.get(&path) == Some(&(mode, id)) {
                self.forget(path, Some(&entry), changes);
            } else if !was_there || id != entry.id || mode != entry.mode {
                changes.edits.push((path.clone(), Some((mode, id))));
                changes.entries.insert(path, Some((mode, id, Stat::default(), entry.flags.with(Flags::ABSENT, false))));
            }
        }
        Ok(())
    }
}

/// Whether anything is captured in the folder that is in the place of entry `at`.
pub(super) fn holds_anything(index: &ShadowIndex, at: usize, seen: &Seen, gone: &HashSet<usize>) -> bool {
    let path = index.path(&index.entries()[at]);
    let below = index.below(0..index.entries().len(), &[path.as_bytes(), b"/"].concat());
    let known = |at: usize| !gone.contains(&at) && !index.entries()[at].flags.has(Flags::ABSENT);
    below.into_iter().any(known) || seen.found.iter().any(|f| is_below(&f.path, &path.to_owned()))
}

/// Brings the private index up to date: sets, adds and drops entries, keeping the order.
pub(super) fn update_entries(
    index: &mut ShadowIndex,
    changes: &BTreeMap<BString, Option<(u32, ObjectId, Stat, Flags)>>,
) {
    let mut structural = false;
    for (path, new) in changes {
        match (index.find_in(0..index.entries().len(), path), new) {
            (Ok(at), Some((mode, id, stat, flags))) => {
                let entry = index.entry_mut(at);
                (entry.mode, entry.id, entry.stat, entry.flags) = (*mode, *id, *stat, *flags);
            }
            (Err(_), None) => {}
            (Ok(_), None) | (Err(_), Some(_)) => structural = true,
        }
    }
    if !structural {
        return;
    }
    let old = index.clone();
    index.clear();
    let mut new = changes.iter().peekable();
    for entry in old.entries() {
        let path = old.path(entry);
        while let Some((p, change)) = new.peek()
            && p.as_bstr() < path
        {
            if let Some((mode, id, stat, flags)) = change {
                index.push(p.as_bstr(), *mode, *id, *stat, *flags);
            }
            new.next();
        }
        if let Some((p, change)) = new.peek()
            && p.as_bstr() == path
        {
            if change.is_some() {
                index.push(path, entry.mode, entry.id, entry.stat, entry.flags);
            }
            new.next();
            continue;
        }
        index.push(path, entry.mode, entry.id, entry.stat, entry.flags);
    }
    for (path, change) in new {
        if let Some((mode, id, stat, flags)) = change {
            index.push(path.as_bstr(), *mode, *id, *stat, *flags);
        }
    }
}
