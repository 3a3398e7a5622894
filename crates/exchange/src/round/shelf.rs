//! What one folder of a remote showed in this round, with what was put there since.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::name::{Entry, Folder, Form, ObjectName};
use crate::plan::{Copy, Shown};
use crate::remote::{Deadline, Got, Listing, Remote, RemoteError, RemoteFile, Version};
use crate::store::{Store, StoreError};

/// Files of one folder that are looked at: more than any fleet has, and a bound for what a stranger can make us remember.
#[cfg(not(test))]
const FILES_MAX: usize = 200_000;
#[cfg(test)]
const FILES_MAX: usize = 2_000;

/// Files of one object that are looked at: its own name, its replicas, and as many copies as a sync tool may make. Those with the
/// first names stay, so that every page order gives the same.
const CANDIDATES_MAX: usize = 32;

/// A file that may be an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// Its name in the folder.
    pub(super) name: String,
    /// Under what kind of name it lies.
    pub(super) form: Form,
    /// Its bytes.
    pub(super) bytes: u64,
    /// What changes when it does.
    pub(super) stamp: String,
}

/// The candidates of one folder, by object.
#[derive(Clone, Debug, Default)]
pub(super) struct Shelf {
    objects: BTreeMap<ObjectName, Vec<Candidate>>,
    n_files: usize,
    is_cut: bool,
}

/// The stamp of a file's state.
pub(super) fn stamp(bytes: u64, version: &Version) -> String {
    format!("{bytes} {}", version.0)
}

impl Shelf {
    /// Lists a folder.
    pub(super) fn read(remote: &dyn Remote, folder: Folder, deadline: &Deadline<'_>) -> Result<Self, RemoteError> {
        let mut shelf = Self::default();
        remote.list(folder, deadline, &mut |page| {
            for listing in page {
                shelf.add_listing(folder, listing);
            }
            shelf.is_cut = shelf.n_files >= FILES_MAX;
            if shelf.is_cut { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(shelf)
    }

    /// Whether there are more files than are looked at.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }

    fn add_listing(&mut self, folder: Folder, listing: &Listing) {
        let Entry::Object(object, form) = Entry::read(folder, &listing.name) else { return };
        let stamp = stamp(listing.bytes, &listing.version);
        self.insert(object, Candidate { name: listing.name.clone(), form, bytes: listing.bytes, stamp });
    }

    fn insert(&mut self, object: ObjectName, candidate: Candidate) {
        let candidates = self.objects.entry(object).or_default();
        // A page may show a name again.
        match candidates.iter_mut().find(|other| other.name == candidate.name) {
            Some(other) => *other = candidate,
            None => {
                let at =
                    candidates.partition_point(|other| (other.form, &other.name) < (candidate.form, &candidate.name));
                candidates.insert(at, candidate);
                candidates.truncate(CANDIDATES_MAX);
                self.n_files += 1;
            }
        }
    }

    /// Notes a file that was put, or found there though the listing did not show it.
    pub(super) fn add(&mut self, object: &ObjectName, file: &RemoteFile, bytes: u64) {
        // No file has this stamp, so that nothing that is remembered of an earlier state applies.
        self.add_stamped(object, file, bytes, String::new());
    }

    /// Notes a file as it was when it was read.
    pub(super) fn add_read(&mut self, object: &ObjectName, file: &RemoteFile, got: &Got) {
        self.add_stamped(object, file, got.size, stamp(got.size, &got.version));
    }

    fn add_stamped(&mut self, object: &ObjectName, file: &RemoteFile, bytes: u64, stamp: String) {
        let Entry::Object(_, form) = Entry::read(object.folder(), file.name()) else { return };
        self.insert(object.clone(), Candidate { name: file.name().to_owned(), form, bytes, stamp });
    }

    /// Notes that a file was removed.
    pub(super) fn remove(&mut self, object: &ObjectName, name: &str) {
        if let Some(candidates) = self.objects.get_mut(object) {
            candidates.retain(|candidate| candidate.name != name);
        }
    }

    /// The objects of which there is a candidate.
    pub(super) fn objects(&self) -> impl DoubleEndedIterator<Item = &ObjectName> {
        self.objects.iter().filter(|(_, candidates)| !candidates.is_empty()).map(|(object, _)| object)
    }

    /// The candidates of one object, its own name first.
    pub(super) fn candidates(&self, object: &ObjectName) -> &[Candidate] {
        self.objects.get(object).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether there is a candidate of the right size.
    pub(super) fn has(&self, object: &ObjectName, bytes: u64) -> bool {
        self.candidates(object).iter().any(|candidate| candidate.bytes == bytes)
    }

    /// The same for planning, with what is known to be damaged.
    pub(super) fn shown(&self, store: &Store, remote: &str, into: &mut Shown) -> Result<(), StoreError> {
        let Some(folder) = self.objects.keys().next().map(ObjectName::folder) else { return Ok(()) };
        let rejected = store.rejected_in(remote, folder)?;
        for (object, candidates) in &self.objects {
            let copies = candidates.iter().map(|candidate| {
                let known = rejected.get(&format!("{folder}/{}", candidate.name));
                candidate.copy(known.is_some_and(|stamp| *stamp == candidate.stamp))
            });
            into.entry(object.clone()).or_default().extend(copies);
        }
        Ok(())
    }

    /// The same of one object.
    pub(super) fn shown_of(
        &self,
        store: &Store,
        remote: &str,
        object: &ObjectName,
        into: &mut Shown,
    ) -> Result<(), StoreError> {
        for candidate in self.candidates(object) {
            let rejected = store.rejected(remote, &format!("{}/{}", object.folder(), candidate.name))?;
            let is_damaged = rejected.is_some_and(|rejected| rejected.stamp == candidate.stamp);
            into.entry(object.clone()).or_default().push(candidate.copy(is_damaged));
        }
        Ok(())
    }
}

impl Candidate {
    fn copy(&self, is_damaged: bool) -> Copy {
        Copy { form: self.form, bytes: self.bytes, is_damaged }
    }
}
