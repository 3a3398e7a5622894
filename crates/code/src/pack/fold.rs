//! Making one pack of several of ours.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use carry_kernel::disk::{DiskError, sync_dir};
use carry_kernel::fault;

use super::index::Entry;
use super::writer::Writer;
use super::{Written, entry, gc};
use crate::git::{ByteSlice as _, HashKind};

/// How much of an entry is copied at a time, in bytes.
const CHUNK_BYTES: usize = 1024 * 1024;

/// Length of what a pack begins with: magic, version, count.
const HEADER_BYTES: u64 = 12;

/// Folds `packs` (all written by [`super::Batch::write`] or [`fold`]) into one, syncs it, then removes them. Objects
/// are copied as they are, compressed.
///
/// Passed over are packs that meanwhile vanished (Git's gc took their content over), that hold deltas or fail their
/// checksums, that have a `.keep` file, or that a multi-pack index names. Nothing is done (`pack` is `None`) when
/// fewer than two remain, or while Git itself collects. Passes the fault points of [`super::Batch::write`], then
/// `pack.fold.removing` before each pack is removed and `pack.fold.idx.removed` between its two files.
///
/// # Errors
/// [`DiskError`]; the old packs are then still there, some perhaps without need.
pub fn fold(objects: &Path, packs: &[PathBuf], hash: HashKind) -> Result<Written, DiskError> {
    if gc::is_running(objects) {
        return Ok(Written::default());
    }
    let multi = multi_pack_index(objects);
    let named = |pack: &&PathBuf| !pack.file_stem().is_some_and(|stem| multi.contains_str(stem.as_encoded_bytes()));
    let mut sources = Vec::new();
    let mut seen = HashSet::new();
    for path in packs.iter().filter(named).filter(|pack| seen.insert(pack.as_path())) {
        match Source::open(path, hash) {
            Ok(Some(source)) => sources.push(source),
            Ok(None) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(DiskError::at("read", path)(e)),
        }
    }
    if sources.len() < 2 {
        return Ok(Written::default());
    }
    let mut known = HashSet::new();
    for source in &mut sources {
        source.entries.retain(|e| known.insert(e.entry.id));
    }
    let written = copy(objects, &sources, known.len(), hash)?;
    remove(objects, &sources, &written)?;
    Ok(Written { fsyncs: written.fsyncs + 1, ..written })
}

fn copy(objects: &Path, sources: &[Source], count: usize, hash: HashKind) -> Result<Written, DiskError> {
    let mut pack = Writer::begin(objects, hash, count)?;
    let mut entries = Vec::with_capacity(count);
    for source in sources {
        for from in &source.entries {
            entries.push(Entry { offset: pack.offset(), ..from.entry });
            let mut taken = Ok(());
            source
                .read(from, |chunk| {
                    taken = pack.append(chunk);
                    taken.is_ok()
                })
                .map_err(DiskError::at("read", &source.path))?;
            taken?;
        }
    }
    // Refs hold all of it already.
    pack.finish(entries).map(|(written, _)| written)
}

/// Removes the packs that were copied: the index first, so that nobody looks for a pack that is gone.
fn remove(objects: &Path, sources: &[Source], written: &Written) -> Result<(), DiskError> {
    for source in sources.iter().filter(|source| written.pack.as_ref() != Some(&source.path)) {
        fault::point("pack.fold.removing").map_err(DiskError::at("remove", &source.path))?;
        for extension in ["idx", "rev", "bitmap", "pack"] {
            let file = source.path.with_extension(extension);
            match std::fs::remove_file(&file) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(DiskError::at("remove", &file)(e)),
            }
            if extension == "idx" {
                fault::point("pack.fold.idx.removed").map_err(DiskError::at("remove", &file))?;
            }
        }
    }
    sync_dir(&objects.join("pack"))
}

/// A pack to copy from.
struct Source {
    path: PathBuf,
    file: File,
    entries: Vec<Located>,
}

/// An entry and where it ends.
struct Located {
    entry: Entry,
    end: u64,
}

impl Source {
    /// Opens a pack and verifies it; `None` when it is to be left alone.
    fn open(path: &Path, hash: HashKind) -> io::Result<Option<Self>> {
        let index_path = path.with_extension("idx");
        if !index_path.try_exists()? || path.with_extension("keep").try_exists()? {
            return Ok(None);
        }
        let Ok(index) = gix::odb::pack::index::File::at(&index_path, hash) else {
            tracing::warn!(index = %index_path.display(), "the index of a pack cannot be read; it is left as it is");
            return Ok(None);
        };
        let file = File::open(path)?;
        let Some(end) = file.metadata()?.len().checked_sub(hash.len_in_bytes() as u64) else { return Ok(None) };
        let mut entries: Vec<Located> = index
            .iter()
            .filter_map(|e| Some(Entry { id: e.oid, crc32: e.crc32?, offset: e.pack_offset }))
            .map(|entry| Located { entry, end })
            .collect();
        entries.sort_by_key(|e| e.entry.offset);
        for at in 1..entries.len() {
            entries[at - 1].end = entries[at].entry.offset;
        }
        let source = Self { path: path.to_owned(), file, entries };
        if source.is_ours(index.num_objects())? {
            return Ok(Some(source));
        }
        tracing::warn!(pack = %path.display(), "a pack is damaged or not of our making; it is left as it is");
        Ok(None)
    }

    /// Whether it holds `count` whole objects, all as their checksums say.
    fn is_ours(&self, count: u32) -> io::Result<bool> {
        let mut header = [0; HEADER_BYTES as usize];
        self.file.read_exact_at(&mut header, 0)?;
        let whole = header[..8] == *b"PACK\0\0\0\x02" && header[8..] == count.to_be_bytes();
        let begins = self.entries.first().is_none_or(|e| e.entry.offset == HEADER_BYTES);
        if !whole || !begins || self.entries.len() != count as usize {
            return Ok(false);
        }
        for located in &self.entries {
            let mut crc = crc32fast::Hasher::new();
            let mut first = true;
            let mut plain = true;
            self.read(located, |chunk| {
                if std::mem::take(&mut first) {
                    plain = entry::parse_header(chunk).is_some();
                }
                crc.update(chunk);
                plain
            })?;
            if first || !plain || crc.finalize() != located.entry.crc32 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Passes the bytes of an entry on until `taker` has enough.
    fn read(&self, from: &Located, mut taker: impl FnMut(&[u8]) -> bool) -> io::Result<()> {
        let mut at = from.entry.offset;
        let mut chunk = Vec::new();
        while at < from.end {
            let n = usize::try_from(from.end - at).map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES));
            chunk.resize(n, 0);
            self.file.read_exact_at(&mut chunk, at)?;
            if !taker(&chunk) {
                break;
            }
            at += n as u64;
        }
        Ok(())
    }
}

/// The bytes of all multi-pack indexes. They name packs in clear text.
pub(super) fn multi_pack_index(objects: &Path) -> Vec<u8> {
    let dir = objects.join("pack");
    let mut bytes = std::fs::read(dir.join("multi-pack-index")).unwrap_or_default();
    for entry in std::fs::read_dir(dir.join("multi-pack-index.d")).into_iter().flatten().flatten() {
        bytes.extend(std::fs::read(entry.path()).unwrap_or_default());
    }
    bytes
}
