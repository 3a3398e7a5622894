//! Finds at a remote what this device wrote and did not note there, as after a place was moved to another with all its files.

use std::collections::BTreeSet;

use carry_kernel::clock::Timestamp;

use super::shelf::Shelf;
use super::{Round, RoundError};
use crate::name::{Folder, Form, LogId, ObjectName};
use crate::store::Store;

impl Round<'_> {
    /// Notes as put what is there of an own log and was written by this device, so that it is collected like what it put itself. Its
    /// grace begins now. What another home wrote under the same log stays: this device did not sign it.
    pub(super) fn adopt(&mut self, store: &mut Store, log: LogId, now: Timestamp) -> Result<(), RoundError> {
        let remote = self.options.remote.clone();
        let at_once = store.snapshot()?;
        let mut known = BTreeSet::new();
        for folder in [Folder::Heads, Folder::Log(log)] {
            known.extend(store.puts_in(&remote, folder)?.into_iter().map(|put| put.path));
        }
        drop(at_once);
        // Anybody who can write there can give files names of any number: what is asked of each costs little.
        let lists = store.lists_heard(log)?;
        let mut found = Vec::new();
        for shelf in self.logs.get(&log).into_iter().chain([&self.heads]) {
            for object in shelf.objects().filter(|object| object.log() == log) {
                self.deadline.check(self.remote.place())?;
                let here = candidates(shelf, object).filter(|(path, _)| !known.contains(path)).collect::<Vec<_>>();
                if !here.is_empty() && (lists.contains(object) || store.was_heard(object)?) {
                    found.extend(here);
                }
            }
        }
        if !found.is_empty() {
            tracing::info!(%remote, %log, files = found.len(), "own files are there that were not noted");
            store.note_puts(&remote, &found, now)?;
        }
        Ok(())
    }
}

/// What lies under an object's own name and those of its replicas: paths and bytes. What a sync tool made of it is nobody's.
fn candidates<'s>(shelf: &'s Shelf, object: &'s ObjectName) -> impl Iterator<Item = (String, u64)> + 's {
    let ours = shelf.candidates(object).iter().filter(|one| matches!(one.form, Form::Itself | Form::Replica(_)));
    ours.map(|one| (format!("{}/{}", object.folder(), one.name), one.bytes))
}
