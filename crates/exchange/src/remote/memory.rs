//! A place in memory, for tests and the simulator.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::Bound;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::name::{FORMAT_BYTES, FORMAT_PATH, Folder, Format};

use super::deadline::Deadline;
use super::error::RemoteError;
use super::file::{self, RemoteFile};
use super::marker;
use super::pipe::{self, Opened};
use super::{Got, Init, Listed, Listing, PAGE_FILES_MAX, Part, Put, Remote, Source, Version};

/// A place in memory. Clones are the same place.
#[derive(Clone, Debug)]
pub struct MemoryRemote {
    place: Arc<str>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, Stored>,
    writes: u64,
}

#[derive(Clone, Debug)]
struct Stored {
    bytes: Arc<[u8]>,
    /// The number of the write that made it.
    write: u64,
}

impl State {
    fn write(&mut self, path: &str, bytes: &[u8]) {
        self.writes += 1;
        self.files.insert(path.to_owned(), Stored { bytes: bytes.into(), write: self.writes });
    }

    fn check(&self, place: &str) -> Result<(), RemoteError> {
        marker::judge(place, self.files.get(FORMAT_PATH).map(|marker| Format::read(&marker.bytes)))
    }
}

impl Stored {
    fn version(&self) -> Version {
        Version(format!("w{}", self.write))
    }
}

impl MemoryRemote {
    /// An empty place without a marker, known as `place`.
    pub fn new(place: &str) -> Self {
        Self { place: place.into(), state: Arc::default() }
    }

    /// Writes a file of any path as others might, replacing what is there.
    pub fn plant(&self, path: &str, bytes: &[u8]) {
        self.state().write(path, bytes);
    }

    /// Removes a file of any path as others might; says whether it was there.
    pub fn uproot(&self, path: &str) -> bool {
        self.state().files.remove(path).is_some()
    }

    /// All files with their bytes.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        self.state().files.iter().map(|(path, stored)| (path.clone(), stored.bytes.to_vec())).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is one insertion or removal: a panic elsewhere leaves no half of one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state of a marked place.
    fn marked(&self, deadline: &Deadline<'_>) -> Result<MutexGuard<'_, State>, RemoteError> {
        deadline.check(&self.place)?;
        let state = self.state();
        state.check(&self.place)?;
        Ok(state)
    }

    /// The next page after the path `after`, and whether it may not be the last.
    fn page(
        &self,
        prefix: &str,
        after: &str,
        deadline: &Deadline<'_>,
    ) -> Result<(Vec<Listing>, Option<String>), RemoteError> {
        let state = self.marked(deadline)?;
        let (mut page, mut last) = (Vec::new(), None);
        for (path, stored) in state.files.range::<str, _>((Bound::Excluded(after), Bound::Unbounded)) {
            let Some(name) = path.strip_prefix(prefix) else { break };
            if page.len() == PAGE_FILES_MAX {
                return Ok((page, last));
            }
            last = Some(path.clone());
            if file::is_plain(name) {
                let bytes = stored.bytes.len() as u64;
                page.push(Listing { name: name.to_owned(), bytes, version: stored.version() });
            }
        }
        Ok((page, None))
    }
}

impl Remote for MemoryRemote {
    fn place(&self) -> &str {
        &self.place
    }

    fn check(&self, deadline: &Deadline<'_>) -> Result<(), RemoteError> {
        self.marked(deadline).map(drop)
    }

    fn init(&self, deadline: &Deadline<'_>) -> Result<Init, RemoteError> {
        deadline.check(&self.place)?;
        let mut state = self.state();
        if state.files.contains_key(FORMAT_PATH) {
            return state.check(&self.place).map(|()| Init::Already);
        }
        state.write(FORMAT_PATH, FORMAT_BYTES);
        Ok(Init::Created)
    }

    fn list(
        &self,
        folder: Folder,
        deadline: &Deadline<'_>,
        each: &mut dyn FnMut(&[Listing]) -> ControlFlow<()>,
    ) -> Result<Listed, RemoteError> {
        let prefix = format!("{folder}/");
        let mut after = prefix.clone();
        loop {
            let (page, last) = self.page(&prefix, &after, deadline)?;
            if !page.is_empty() && each(&page).is_break() {
                return Ok(Listed::Stopped);
            }
            match last {
                Some(last) => after = last,
                None => return Ok(Listed::Whole),
            }
        }
    }

    fn get(
        &self,
        file: &RemoteFile,
        part: Part,
        into: &mut dyn Write,
        deadline: &Deadline<'_>,
    ) -> Result<Got, RemoteError> {
        let stored = self.marked(deadline)?.files.get(file.path()).cloned();
        let Some(stored) = stored else {
            return Err(RemoteError::NotThere { place: self.place.to_string(), file: file.to_string() });
        };
        let size = stored.bytes.len() as u64;
        let (from, to) = part.within(size, &self.place, file)?;
        let wanted = usize::try_from(from).ok().zip(usize::try_from(to).ok());
        let bytes = wanted.and_then(|(from, to)| stored.bytes.get(from..to)).unwrap_or_default();
        for piece in bytes.chunks(pipe::PIECE_BYTES) {
            deadline.check(&self.place)?;
            pipe::hand_over(into, piece, &self.place)?;
        }
        Ok(Got { bytes: to - from, size, version: stored.version() })
    }

    fn put(&self, file: &RemoteFile, source: Source<'_>, deadline: &Deadline<'_>) -> Result<Put, RemoteError> {
        file.may_put()?;
        self.check(deadline)?;
        let mut bytes = Vec::new();
        Opened::open(source, &self.place)?.pour(&self.place, deadline, |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        let mut state = self.marked(deadline)?;
        if let Some(there) = state.files.get(file.path()) {
            return Ok(Put::Exists { bytes: there.bytes.len() as u64 });
        }
        state.write(file.path(), &bytes);
        Ok(Put::Created)
    }

    fn delete(&self, file: &RemoteFile, deadline: &Deadline<'_>) -> Result<bool, RemoteError> {
        file.may_delete()?;
        Ok(self.marked(deadline)?.files.remove(file.path()).is_some())
    }
}

impl Part {
    /// Where in a file of `size` bytes it begins and ends.
    pub(super) fn within(self, size: u64, place: &str, file: &RemoteFile) -> Result<(u64, u64), RemoteError> {
        match self {
            Self::Whole { bytes_max } if size > bytes_max => {
                Err(RemoteError::TooLarge { place: place.to_owned(), file: file.to_string(), bytes: size, bytes_max })
            }
            Self::Whole { .. } => Ok((0, size)),
            Self::Range { from, bytes } => {
                let from = from.min(size);
                Ok((from, from.saturating_add(bytes).min(size)))
            }
        }
    }
}
