//! A place that counts its calls, and ends all of them after a number, as a crash does.

use std::collections::BTreeSet;
use std::io::Write;
use std::ops::ControlFlow;
use std::sync::Mutex;

use crate::name::Folder;
use crate::remote::{Deadline, Got, Listed, Listing, Part, Put, Remote, RemoteError, RemoteFile, Source, Stop};
use crate::store::Store;

/// Calls, and bytes that went through them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Calls {
    pub(super) lists: u64,
    pub(super) gets: u64,
    pub(super) got_bytes: u64,
    pub(super) puts: u64,
    pub(super) put_bytes: u64,
    pub(super) deletes: u64,
}

#[derive(Debug)]
pub(super) struct Counted<R> {
    pub(super) inner: R,
    state: Mutex<(Calls, Option<u64>)>,
    /// A store where whoever calls must keep nobody from saying something.
    beside: Mutex<Option<Store>>,
    /// Paths that cannot be read, as where a disk has bad sectors.
    unreadable: Mutex<BTreeSet<String>>,
    /// Paths that were not all there when they were listed, and are when they are read.
    growing: Mutex<BTreeSet<String>>,
}

impl<R> Counted<R> {
    pub(super) fn new(inner: R) -> Self {
        let (state, beside, unreadable, growing) = Default::default();
        Self { inner, state, beside, unreadable, growing }
    }

    /// What was counted since the last time this was asked.
    pub(super) fn take(&self) -> Calls {
        std::mem::take(&mut self.state.lock().unwrap().0)
    }

    /// After `calls` more that read or write, every one is the end of it. `None` lets them through again; says whether
    /// it had come to that.
    pub(super) fn end_after(&self, calls: Option<u64>) -> bool {
        std::mem::replace(&mut self.state.lock().unwrap().1, calls) == Some(0)
    }

    /// From now on each call fails while somebody says something in the home of `store`.
    pub(super) fn watch(&self, store: Store) {
        *self.beside.lock().unwrap() = Some(store);
    }

    /// From now on these paths alone cannot be read.
    pub(super) fn fail_reading(&self, paths: impl IntoIterator<Item = String>) {
        *self.unreadable.lock().unwrap() = paths.into_iter().collect();
    }

    /// From now on these paths alone grow between each listing and what is read then.
    pub(super) fn grow(&self, paths: impl IntoIterator<Item = String>) {
        *self.growing.lock().unwrap() = paths.into_iter().collect();
    }

    fn count(&self, note: impl FnOnce(&mut Calls)) -> Result<(), RemoteError> {
        if let Some(beside) = &*self.beside.lock().unwrap() {
            assert!(beside.try_saying().unwrap().is_some(), "a remote is waited for while others may say nothing");
        }
        let mut state = self.state.lock().unwrap();
        match &mut state.1 {
            Some(0) => return Err(RemoteError::Cancelled { place: "memory".to_owned(), why: Stop::Asked }),
            Some(n) => *n -= 1,
            None => {}
        }
        note(&mut state.0);
        Ok(())
    }
}

impl<R: Remote> Remote for Counted<R> {
    crate::passed_on!(inner but list get put delete);

    fn list(
        &self,
        folder: Folder,
        deadline: &Deadline<'_>,
        each: &mut dyn FnMut(&[Listing]) -> ControlFlow<()>,
    ) -> Result<Listed, RemoteError> {
        self.count(|calls| calls.lists += 1)?;
        let growing = self.growing.lock().unwrap();
        self.inner.list(folder, deadline, &mut |page| {
            let mut page = page.to_vec();
            for listing in &mut page {
                let is_whole = !growing.contains(&format!("{folder}/{}", listing.name));
                listing.bytes = if is_whole { listing.bytes } else { listing.bytes / 2 };
            }
            each(&page)
        })
    }

    fn get(
        &self,
        file: &RemoteFile,
        part: Part,
        into: &mut dyn Write,
        deadline: &Deadline<'_>,
    ) -> Result<Got, RemoteError> {
        self.count(|calls| calls.gets += 1)?;
        if self.unreadable.lock().unwrap().contains(file.path()) {
            let source = std::io::Error::other("bad sector").into();
            return Err(RemoteError::Internal { place: "memory".to_owned(), action: "read", source });
        }
        let got = self.inner.get(file, part, into, deadline)?;
        self.state.lock().unwrap().0.got_bytes += got.bytes;
        Ok(got)
    }

    fn put(&self, file: &RemoteFile, source: Source<'_>, deadline: &Deadline<'_>) -> Result<Put, RemoteError> {
        self.count(|calls| calls.puts += 1)?;
        let bytes = match source {
            Source::Bytes(bytes) => bytes.len() as u64,
            Source::File(path) => std::fs::metadata(path).map_or(0, |found| found.len()),
        };
        self.state.lock().unwrap().0.put_bytes += bytes;
        self.inner.put(file, source, deadline)
    }

    fn delete(&self, file: &RemoteFile, deadline: &Deadline<'_>) -> Result<bool, RemoteError> {
        self.count(|calls| calls.deletes += 1)?;
        self.inner.delete(file, deadline)
    }
}
