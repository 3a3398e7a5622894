//! A place under test, with a way to do to it what others might.

use std::ops::ControlFlow;

use carry_exchange::name::{Folder, LogId};
use carry_exchange::remote::{
    Deadline, Got, Listed, Listing, Part, Pause, Put, Remote, RemoteError, RemoteFile, Source,
};

/// The log that writes in these tests.
pub(crate) fn log() -> LogId {
    LogId::of_key(&[7; 32])
}

/// Writes a file at a path below the place as others might, replacing what is there.
pub(crate) type Plant = Box<dyn Fn(&str, &[u8])>;

/// A place under test.
pub(crate) struct Rig {
    pub(crate) remote: Box<dyn Remote>,
    pub(crate) plant: Plant,
    /// Whether an answer may be the second one to the same question.
    pub(crate) repeats: bool,
    /// Whether of several that put one name at the same time one alone is told that it did.
    pub(crate) is_exclusive: bool,
    /// Whether a caller may remove only what it put itself.
    pub(crate) is_guarded: bool,
    /// Kept until the end.
    pub(crate) _held: Box<dyn std::any::Any>,
}

impl Rig {
    pub(crate) fn marked(self) -> Self {
        self.remote.init(&Deadline::NONE).unwrap();
        self
    }

    pub(crate) fn put(&self, file: &RemoteFile, bytes: &[u8]) -> Result<Put, RemoteError> {
        let put = self.remote.put(file, Source::Bytes(bytes), &Deadline::NONE)?;
        let is_own = self.repeats && put == (Put::Exists { bytes: bytes.len() as u64 });
        Ok(if is_own { Put::Created } else { put })
    }

    pub(crate) fn get(&self, file: &RemoteFile, part: Part) -> Result<(Vec<u8>, Got), RemoteError> {
        get(&self.remote, file, part)
    }

    /// The names and sizes of a folder, in order, each once.
    pub(crate) fn names(&self, folder: Folder) -> Result<Vec<(String, u64)>, RemoteError> {
        names(&self.remote, folder)
    }
}

pub(crate) const WHOLE: Part = Part::Whole { bytes_max: 1 << 20 };

pub(crate) fn get(remote: &impl Remote, file: &RemoteFile, part: Part) -> Result<(Vec<u8>, Got), RemoteError> {
    let mut bytes = Vec::new();
    let got = remote.get(file, part, &mut bytes, &Deadline::NONE)?;
    assert_eq!(bytes.len() as u64, got.bytes);
    Ok((bytes, got))
}

pub(crate) fn listings(remote: &impl Remote, folder: Folder) -> Result<Vec<Listing>, RemoteError> {
    let mut all: Vec<Listing> = Vec::new();
    let listed = remote.list(folder, &Deadline::NONE, &mut |page| {
        assert!((1..=1000).contains(&page.len()));
        all.extend_from_slice(page);
        ControlFlow::Continue(())
    })?;
    assert_eq!(listed, Listed::Whole);
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all.dedup();
    Ok(all)
}

pub(crate) fn names(remote: &impl Remote, folder: Folder) -> Result<Vec<(String, u64)>, RemoteError> {
    Ok(listings(remote, folder)?.into_iter().map(|listing| (listing.name, listing.bytes)).collect())
}

/// The `n`th head of the log in these tests; its id is made up.
pub(crate) fn head(n: u64) -> RemoteFile {
    RemoteFile::new(Folder::Heads, &format!("{}-{n:012}-{:032x}.head", log(), n)).unwrap()
}

/// A segment of the log in these tests.
pub(crate) fn segment(n: u64) -> RemoteFile {
    RemoteFile::new(Folder::Log(log()), &format!("notes-{n:012}-{n:012}-{n:032x}.seg")).unwrap()
}

/// A pause in which no time passes.
#[derive(Debug)]
pub(crate) struct NoTime;

impl Pause for NoTime {
    fn pause(&self, _wait: std::time::Duration, _deadline: &Deadline<'_>) {}
}
