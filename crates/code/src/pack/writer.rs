//! Writing a pack and its index so that Git sees both or none, and a power loss keeps what was reported.

use std::fs::{File, Permissions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use carry_kernel::disk::{DiskError, sync_dir};
use carry_kernel::fault;
use tempfile::NamedTempFile;

use super::index::{self, Entry};
use super::{Keep, Written};
use crate::git::HashKind;

/// How temporary files begin. Git's gc removes old files in this folder whose names begin with `tmp_`.
pub(super) const TEMPORARY: &str = "tmp_pack_carry_";

/// Git's own packs are read-only as well.
const MODE: u32 = 0o444;

/// How much is written at a time, in bytes.
const BUFFER_BYTES: usize = 256 * 1024;

/// A pack being written.
pub(super) struct Writer {
    dir: PathBuf,
    hash: HashKind,
    objects: usize,
    file: BufWriter<NamedTempFile>,
    hasher: gix::hash::Hasher,
    offset: u64,
    fsyncs: u32,
}

impl Writer {
    /// Begins a pack of `objects` objects.
    pub(super) fn begin(store: &Path, hash: HashKind, objects: usize) -> Result<Self, DiskError> {
        let dir = store.join("pack");
        let failed = || DiskError::at("write", &dir);
        fault::point("pack.begin").map_err(failed())?;
        let mut fsyncs = 0;
        if !dir.is_dir() {
            // Only this one: if the repository was moved away, it must not come to be again as an empty folder.
            match std::fs::create_dir(&dir) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                made => made.map_err(failed())?,
            }
            sync_dir(store)?;
            fsyncs += 1;
        }
        let count = u32::try_from(objects).map_err(io::Error::other).map_err(failed())?;
        let file = BufWriter::with_capacity(BUFFER_BYTES, temporary(&dir).map_err(failed())?);
        let mut pack = Self { hash, objects, file, hasher: gix::hash::hasher(hash), offset: 0, fsyncs, dir };
        pack.append(b"PACK")?;
        pack.append(&2u32.to_be_bytes())?;
        pack.append(&count.to_be_bytes())?;
        Ok(pack)
    }

    /// Where the next byte goes.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Appends whole entries or parts of them.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        self.file.write_all(bytes).map_err(DiskError::at("write", &self.dir))?;
        self.hasher.update(bytes);
        self.offset += bytes.len() as u64;
        Ok(())
    }

    /// Ends the pack, writes the index, puts both in place.
    pub(super) fn finish(self, mut entries: Vec<Entry>) -> Result<(Written, Option<Keep>), DiskError> {
        let Self { dir, hash, objects, mut file, hasher, offset, mut fsyncs } = self;
        let failed = || DiskError::at("write", &dir);
        let checksum = hasher.try_finalize().map_err(io::Error::other).map_err(failed())?;
        file.write_all(checksum.as_slice()).map_err(failed())?;
        let pack = file.into_inner().map_err(io::IntoInnerError::into_error).map_err(failed())?;
        torn("pack.written", pack.as_file(), offset).map_err(failed())?;
        pack.as_file().sync_all().map_err(failed())?;
        fault::point("pack.synced").map_err(failed())?;

        let bytes = index::encode(&mut entries, &checksum, hash).map_err(failed())?;
        let mut index = temporary(&dir).map_err(failed())?;
        index.write_all(&bytes).map_err(failed())?;
        index.as_file().sync_all().map_err(failed())?;
        fsyncs += 2;
        fault::point("pack.idx.synced").map_err(failed())?;

        let name = dir.join(format!("pack-{checksum}.pack"));
        let keep = Keep::new(&name).map_err(failed())?;
        fsyncs += publish(pack, index, &name)?;
        sync_dir(&dir)?;
        fsyncs += 1;
        fault::point("pack.done").map_err(failed())?;
        let length = offset + hash.len_in_bytes() as u64 + bytes.len() as u64;
        Ok((Written { pack: Some(name), objects, bytes: length, fsyncs }, keep))
    }
}

/// Gives pack and index their names, unless the same pack is there. Returns the number of syncs.
fn publish(pack: NamedTempFile, index: NamedTempFile, name: &Path) -> Result<u32, DiskError> {
    let index_name = name.with_extension("idx");
    if name.exists() && index_name.exists() {
        // Its name is its content. Whoever wrote it may not have come to sync it.
        for path in [name, &index_name] {
            File::open(path).and_then(|f| f.sync_all()).map_err(DiskError::at("sync", path))?;
        }
        touch(name)?;
        return Ok(2);
    }
    pack.persist(name).map_err(|e| DiskError::at("write", name)(e.error))?;
    let renamed = fault::point("pack.renamed")
        .and_then(|()| index.persist(&index_name).map(drop).map_err(|e| e.error))
        .map_err(DiskError::at("write", &index_name));
    if renamed.is_err() {
        // Without its index nobody can use it, and Git would never remove it.
        let _ = std::fs::remove_file(name);
    }
    renamed.map(|()| 0)
}

/// Stamps `path` with the present time.
pub(crate) fn touch(path: &Path) -> Result<(), DiskError> {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, utimensat};
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let times = Timestamps { last_access: now, last_modification: now };
    utimensat(CWD, path, &times, AtFlags::empty()).map_err(|e| DiskError::at("touch", path)(e.into()))
}

pub(super) fn temporary(dir: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new().prefix(TEMPORARY).permissions(Permissions::from_mode(MODE)).tempfile_in(dir)
}

/// Passes a point at which a test can have half of the file written.
fn torn(point: &str, file: &File, len: u64) -> io::Result<()> {
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    let n = fault::write_point(point, len)?;
    if n < len {
        file.set_len(n as u64)?;
        fault::die();
    }
    Ok(())
}
