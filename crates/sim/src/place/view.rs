//! What one device sees of a place.

use std::io::Write;
use std::ops::ControlFlow;
use std::sync::MutexGuard;

use carry_exchange::name::{Entry, FORMAT_PATH, Folder, Form, Format};
use carry_exchange::remote::{
    Deadline, Got, Init, Listed, Listing, Part, Put, Remote, RemoteError, RemoteFile, Source, Version,
};

use super::{Kind, Place, Removed, State, Stored};

/// Files of one page of a listing: few, so that there are pages.
const PAGE_FILES: usize = 16;

/// One device's view of a place.
#[derive(Clone, Debug)]
pub struct View {
    place: Place,
    tree: usize,
    device: usize,
}

impl View {
    pub(super) fn new(place: Place, tree: usize, device: usize) -> Self {
        Self { place, tree, device }
    }

    fn unreachable(&self, what: &str) -> RemoteError {
        RemoteError::Unreachable { place: self.place.name().to_owned(), source: format!("made to fail: {what}").into() }
    }

    /// The state, unless the call fails before anything is done.
    fn begin(&self, deadline: &Deadline<'_>) -> Result<MutexGuard<'_, State>, RemoteError> {
        deadline.check(self.place.name())?;
        let mut state = self.place.state();
        let percent = state.faults.before;
        if state.rng.chance(percent) {
            if state.rng.chance(20) {
                let retry_after = Some(std::time::Duration::from_secs(1));
                return Err(RemoteError::Busy { place: self.place.name().to_owned(), retry_after });
            }
            return Err(self.unreachable("before"));
        }
        Ok(state)
    }

    /// The same for a place that must be marked.
    fn marked(&self, deadline: &Deadline<'_>) -> Result<MutexGuard<'_, State>, RemoteError> {
        let state = self.begin(deadline)?;
        let place = || self.place.name().to_owned();
        let tree = &state.trees[self.tree];
        match tree.files.get(FORMAT_PATH).filter(|_| !tree.is_unmounted).map(|marker| Format::read(&marker.bytes)) {
            None => Err(RemoteError::NoMarker { place: place() }),
            Some(Format::Ours) => Ok(state),
            Some(Format::Other(version)) => Err(RemoteError::WrongFormat { place: place(), version: Some(version) }),
            Some(Format::Unknown) => Err(RemoteError::WrongFormat { place: place(), version: None }),
        }
    }

    fn end<T>(&self, state: &mut State, done: T) -> Result<T, RemoteError> {
        let percent = state.faults.after;
        if state.rng.chance(percent) { Err(self.unreachable("after")) } else { Ok(done) }
    }

    /// Puts bytes under a name that is free.
    fn create(&self, state: &mut State, file: &RemoteFile, bytes: &[u8]) {
        state.write(self.tree, file.path(), bytes.into());
        state.books.n_again += u64::from(state.books.putters.contains_key(file.path()));
        let entry = split(file).map(|(folder, name)| Entry::read(folder, name));
        state.books.n_replicas += u64::from(matches!(entry, Some(Entry::Object(_, Form::Replica(_)))));
        state.books.putters.entry(file.path().to_owned()).or_default().insert(self.device);
        state.books.n_writes += 1;
        let percent = state.faults.late;
        if self.place.kind() == Kind::Bucket && state.rng.chance(percent) {
            let later = i64::try_from(state.rng.below_u64(state.delay_ms + 1)).unwrap_or(0);
            let seen_at = state.time.ms() + later;
            if let Some(stored) = state.trees[self.tree].files.get_mut(file.path()) {
                stored.seen_at = seen_at;
            }
        }
        state.carry_on(self.tree, file.path(), Some(bytes.into()));
    }
}

fn version(stored: &Stored) -> Version {
    Version(format!("w{}", stored.version))
}

/// The folder of a file and its name there.
fn split(file: &RemoteFile) -> Option<(Folder, &str)> {
    Some((file.folder_path().parse().ok()?, file.name()))
}

fn read(source: Source<'_>, place: &str) -> Result<Vec<u8>, RemoteError> {
    match source {
        Source::Bytes(bytes) => Ok(bytes.to_vec()),
        Source::File(path) => std::fs::read(path).map_err(|source| RemoteError::Local {
            place: place.to_owned(),
            action: "read what is to be put",
            source: source.into(),
        }),
    }
}

impl Remote for View {
    fn place(&self) -> &str {
        self.place.name()
    }

    fn check(&self, deadline: &Deadline<'_>) -> Result<(), RemoteError> {
        let mut state = self.marked(deadline)?;
        self.end(&mut state, ())
    }

    fn init(&self, deadline: &Deadline<'_>) -> Result<Init, RemoteError> {
        let mut state = self.begin(deadline)?;
        state.books.wrong.push(format!("device {} marks {}", self.device, self.place.name()));
        self.end(&mut state, Init::Already)
    }

    fn list(
        &self,
        folder: Folder,
        deadline: &Deadline<'_>,
        each: &mut dyn FnMut(&[Listing]) -> ControlFlow<()>,
    ) -> Result<Listed, RemoteError> {
        let mut listing = {
            let mut state = self.marked(deadline)?;
            state.books.n_lists += 1;
            let (prefix, now) = (format!("{folder}/"), state.time.ms());
            let files = state.trees[self.tree].files.range(prefix.clone()..);
            let files = files.take_while(|(path, _)| path.starts_with(&prefix));
            let shown = files.filter(|(_, stored)| stored.is_seen(now)).map(|(path, stored)| Listing {
                name: path[prefix.len()..].to_owned(),
                bytes: stored.bytes.len() as u64,
                version: version(stored),
            });
            let mut shown: Vec<Listing> = shown.filter(|listing| !listing.name.contains('/')).collect();
            let before = state.listed.insert((self.tree, prefix), shown.clone());
            let percent = state.faults.stale;
            if let Some(before) = before
                && state.rng.chance(percent)
            {
                shown = before;
            }
            state.rng.shuffle(&mut shown);
            self.end(&mut state, shown)?
        };
        if listing.len() > 2 && self.place.kind() == Kind::Bucket {
            // A page may show again what the one before showed last.
            listing.insert(2, listing[1].clone());
        }
        let stopped = listing.chunks(PAGE_FILES).any(|page| each(page).is_break());
        Ok(if stopped { Listed::Stopped } else { Listed::Whole })
    }

    fn get(
        &self,
        file: &RemoteFile,
        part: Part,
        into: &mut dyn Write,
        deadline: &Deadline<'_>,
    ) -> Result<Got, RemoteError> {
        let place = || self.place.name().to_owned();
        let mut state = self.marked(deadline)?;
        state.books.n_gets += 1;
        let now = state.time.ms();
        let stored = state.trees[self.tree].files.get(file.path()).filter(|stored| stored.is_seen(now)).cloned();
        let Some(stored) = stored else {
            return Err(RemoteError::NotThere { place: place(), file: file.to_string() });
        };
        let size = stored.bytes.len() as u64;
        let (from, to) = match part {
            Part::Whole { bytes_max } if size > bytes_max => {
                return Err(RemoteError::TooLarge { place: place(), file: file.to_string(), bytes: size, bytes_max });
            }
            Part::Whole { .. } => (0, size),
            Part::Range { from, bytes } => (from.min(size), from.saturating_add(bytes).min(size)),
        };
        let local = |source: std::io::Error| RemoteError::Local {
            place: place(),
            action: "store what came",
            source: source.into(),
        };
        let span = usize::try_from(from).unwrap_or(0)..usize::try_from(to).unwrap_or(0);
        let bytes = &stored.bytes[span];
        state.books.bytes_max = state.books.bytes_max.max(bytes.len() as u64);
        let (broken, short) = (state.faults.broken_get, state.faults.short_get);
        let cut = state.rng.below(bytes.len());
        if state.rng.chance(broken) {
            into.write_all(&bytes[..cut]).map_err(local)?;
            return Err(self.unreachable("a get"));
        }
        if !bytes.is_empty() && state.rng.chance(short) {
            into.write_all(&bytes[..cut]).map_err(local)?;
            let got = Got { bytes: cut as u64, size: from + cut as u64, version: version(&stored) };
            return Ok(got);
        }
        into.write_all(bytes).map_err(local)?;
        let got = Got { bytes: to - from, size, version: version(&stored) };
        self.end(&mut state, got)
    }

    fn put(&self, file: &RemoteFile, source: Source<'_>, deadline: &Deadline<'_>) -> Result<Put, RemoteError> {
        let mut state = self.marked(deadline)?;
        let entry = split(file).map(|(folder, name)| Entry::read(folder, name));
        if !matches!(entry, Some(Entry::Object(_, Form::Itself | Form::Replica(_)))) {
            state.books.wrong.push(format!("device {} puts {file}", self.device));
        }
        let bytes = read(source, self.place.name())?;
        state.books.n_puts += 1;
        if let Some(there) = state.trees[self.tree].files.get(file.path()) {
            let bytes = there.bytes.len() as u64;
            return self.end(&mut state, Put::Exists { bytes });
        }
        let torn = state.faults.torn_put;
        if !bytes.is_empty() && state.rng.chance(torn) {
            let cut = state.rng.below(bytes.len());
            self.create(&mut state, file, &bytes[..cut]);
            return Err(self.unreachable("a put"));
        }
        self.create(&mut state, file, &bytes);
        self.end(&mut state, Put::Created)
    }

    fn delete(&self, file: &RemoteFile, deadline: &Deadline<'_>) -> Result<bool, RemoteError> {
        let mut state = self.marked(deadline)?;
        let entry = split(file).map(|(folder, name)| Entry::read(folder, name));
        if !matches!(entry, Some(Entry::Object(..) | Entry::Temporary(_))) {
            state.books.wrong.push(format!("device {} removes {file}", self.device));
        }
        let was = state.trees[self.tree].files.remove(file.path());
        if let Some(was) = &was {
            state.books.n_writes += 1;
            let (tree, path) = (self.tree, file.path().to_owned());
            state.books.removed.push(Removed { device: self.device, tree, path, bytes: was.bytes.clone() });
            state.carry_removal(self.tree, file.path(), was.bytes.clone());
        }
        self.end(&mut state, was.is_some())
    }
}
