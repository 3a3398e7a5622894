//! Listings that are kept, so that a folder is read once for all its pages, not once a page.
//!
//! A listing that begins anew shows the folder as it is: what is kept serves it only if the folder's stamp is still the same.
//! A page that goes on may come from what the page before came from, for as long as that is kept: it is all one reading, and what
//! comes meanwhile is shown by the next listing.
//!
//! Of one folder a window of so many names is kept, so that memory is bounded whatever lies there. Two devices that list a folder
//! with more names than that at the same time take the window from each other, and read more often.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use carry_exchange::remote::{Listing, PAGE_FILES_MAX, RemoteError};

use super::super::stamp::{RACY, READ_EVERY, Stamp};

/// Names in one window. Each takes some 200 bytes, 400 at most.
pub(super) const WINDOW_FILES_MAX: usize = 50_000;
/// Names in all windows.
const FILES_MAX: usize = 200_000;
/// Folders of which one is kept.
const FOLDERS_MAX: usize = 64;

/// The first names after some name, in order.
#[derive(Debug, Default)]
pub(super) struct Window {
    after: String,
    files: Vec<Listing>,
    /// There are further names after the last.
    is_more: bool,
    max: usize,
}

/// What is kept of a folder.
#[derive(Debug)]
struct Kept {
    stamp: Stamp,
    /// When this stamp was first seen.
    changed: Instant,
    read: Instant,
    window: Window,
}

#[derive(Debug, Default)]
struct Shelf {
    /// Something was put or removed here since the last reading began.
    touched: AtomicBool,
    kept: Mutex<Option<Kept>>,
}

#[derive(Debug)]
struct Slot {
    folder: String,
    n_files: usize,
    shelf: Arc<Shelf>,
}

/// The listings that are kept, those used last at the end.
#[derive(Debug, Default)]
pub(in super::super) struct Listings(Mutex<Vec<Slot>>);

impl Window {
    /// An empty one that takes at most `max` names after `after`.
    pub(super) fn new(after: String, max: usize) -> Self {
        Self { after, max, ..Self::default() }
    }

    /// Takes those of `files` that belong in.
    pub(super) fn take(&mut self, files: &[Listing]) {
        self.files.extend(files.iter().filter(|file| file.name > self.after).cloned());
        // Twice as many before it is sorted: so each name is moved a few times only, in whatever order they come.
        if self.files.len() >= 2 * self.max {
            self.trim();
        }
    }

    fn trim(&mut self) {
        self.files.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        // Folders that change while they are read may show a name twice.
        self.files.dedup_by(|a, b| a.name == b.name);
        if self.files.len() > self.max {
            self.files.truncate(self.max);
            self.is_more = true;
        }
    }

    /// The page after `after`, and whether there are further ones; `None` if the window does not show that.
    fn page(&self, after: &str) -> Option<(Vec<Listing>, bool)> {
        if *after < *self.after {
            return None;
        }
        let at = self.files.partition_point(|file| *file.name <= *after);
        let rest = &self.files[at..];
        if rest.is_empty() && self.is_more {
            return None;
        }
        let page = &rest[..rest.len().min(PAGE_FILES_MAX)];
        Some((page.to_vec(), self.is_more || rest.len() > page.len()))
    }
}

impl Kept {
    /// Whether a page after `after` may come from here.
    fn serves(&self, after: &str, stamp: Stamp, was_touched: bool, now: Instant) -> bool {
        let is_fresh = now.duration_since(self.read) < READ_EVERY;
        let is_settled = self.read.duration_since(self.changed) > RACY;
        is_fresh && (!after.is_empty() || (self.stamp == stamp && is_settled && !was_touched))
    }
}

impl Listings {
    /// The page of `folder` after `after`, and whether there are further ones. `stamp` is the folder's, taken `now`; `read`
    /// shows all its files to a window.
    pub(super) fn page(
        &self,
        folder: &str,
        after: String,
        (stamp, now): (Stamp, Instant),
        read: impl FnOnce(&mut Window) -> Result<(), RemoteError>,
    ) -> Result<(Vec<Listing>, bool), RemoteError> {
        let shelf = self.shelf(folder);
        // Who asks for the same folder waits for the one reading.
        let mut kept = shelf.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let was_touched = shelf.touched.load(Ordering::SeqCst);
        if let Some(kept) = kept.as_ref().filter(|kept| kept.serves(&after, stamp, was_touched, now))
            && let Some(page) = kept.window.page(&after)
        {
            return Ok(page);
        }
        shelf.touched.store(false, Ordering::SeqCst);
        let mut window = Window::new(after.clone(), WINDOW_FILES_MAX);
        read(&mut window)?;
        window.trim();
        let page = window.page(&after).unwrap_or_default();
        self.account(folder, window.files.len());
        let changed = kept.as_ref().filter(|kept| kept.stamp == stamp && !was_touched).map_or(now, |kept| kept.changed);
        *kept = Some(Kept { stamp, changed, read: now, window });
        Ok(page)
    }

    /// Something was put into `folder`, or removed: a listing that begins anew reads it.
    pub(in super::super) fn touch(&self, folder: &str) {
        if let Some(slot) = self.slots().iter().find(|slot| slot.folder == folder) {
            slot.shelf.touched.store(true, Ordering::SeqCst);
        }
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is kept of `folder`, now the one used last.
    fn shelf(&self, folder: &str) -> Arc<Shelf> {
        let mut slots = self.slots();
        let slot = match slots.iter().position(|slot| slot.folder == folder) {
            Some(at) => slots.remove(at),
            None => Slot { folder: folder.to_owned(), n_files: 0, shelf: Arc::default() },
        };
        let shelf = slot.shelf.clone();
        slots.push(slot);
        bound(&mut slots);
        shelf
    }

    /// Writes down how many names are kept of `folder`; of those used longest ago some may go.
    fn account(&self, folder: &str, n_files: usize) {
        let mut slots = self.slots();
        if let Some(slot) = slots.iter_mut().find(|slot| slot.folder == folder) {
            slot.n_files = n_files;
        }
        bound(&mut slots);
    }
}

/// Lets go of what was used longest ago until the rest is within bounds.
fn bound(slots: &mut Vec<Slot>) {
    let mut files: usize = slots.iter().map(|slot| slot.n_files).sum();
    let mut n_gone = 0;
    while slots.len() - n_gone > FOLDERS_MAX || files > FILES_MAX {
        let Some(slot) = slots.get(n_gone) else { break };
        files -= slot.n_files;
        n_gone += 1;
    }
    slots.drain(..n_gone);
}

#[cfg(test)]
mod tests;
