//! The agent's file, as the archive has it, beside the one on disk.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use carry_kernel::disk;
use carry_sessions::archive::{Archive, SessionRow};
use carry_sessions::source;

use crate::failure::Failure;

/// How a file on disk stands to what the archive has of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// There is none.
    Missing,
    /// The same to the byte.
    Same,
    /// The same, and a line after it that is not finished: the archive takes whole lines.
    Unfinished,
    /// It goes on after what the archive has.
    Longer,
    /// It is another.
    Different,
}

/// Which of the versions that the archive has of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// As it was read last.
    Now,
    /// As it was before its agent took away some of it; 1 is the newest of these.
    Before(usize),
}

impl Version {
    fn copy(self, archive: &Archive, session: &SessionRow, out: &mut dyn Write) -> Result<Option<u64>, Failure> {
        Ok(match self {
            Self::Now => archive.raw(session, out)?,
            Self::Before(back) => archive.raw_before(session, back, out)?,
        })
    }
}

/// Whether the session lies in a database or folder with others, so that what is kept of it are rows and not a file.
pub(super) fn is_of_container(archive: &Archive, session: &SessionRow) -> Result<bool, Failure> {
    let Some(path) = &session.path else { return Ok(false) };
    let unit = archive.units()?.into_iter().find(|unit| unit.path == *path);
    Ok(unit.is_some_and(|unit| is_container(&unit.source)))
}

/// Whether units of the source hold many sessions.
pub(super) fn is_container(name: &str) -> bool {
    source::all().iter().any(|source| source.name() == name && source.is_container())
}

/// Compares the file at `path` with what the archive has of the session.
pub(super) fn compare(
    archive: &Archive,
    session: &SessionRow,
    version: Version,
    path: &Path,
) -> Result<Option<Standing>, Failure> {
    let file = match disk::open_regular(path, rustix::fs::OFlags::empty()) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(Standing::Missing)),
        Err(error) => return Err(disk::DiskError::at("read", path)(error).into()),
    };
    let mut comparing = Comparing { file: BufReader::new(file), is_same: true, buffer: Vec::new() };
    if version.copy(archive, session, &mut comparing)?.is_none() {
        return Ok(None);
    }
    if !comparing.is_same {
        return Ok(Some(Standing::Different));
    }
    rest(&mut comparing.file).map(Some).map_err(|error| disk::DiskError::at("read", path)(error).into())
}

/// How a file stands that is the same so far, by what follows.
fn rest(file: &mut impl io::BufRead) -> io::Result<Standing> {
    let mut standing = Standing::Same;
    loop {
        let bytes = file.fill_buf()?;
        if bytes.is_empty() {
            return Ok(standing);
        }
        if bytes.contains(&b'\n') {
            return Ok(Standing::Longer);
        }
        standing = Standing::Unfinished;
        let read = bytes.len();
        file.consume(read);
    }
}

/// Compares what is written to it with a file.
struct Comparing {
    file: BufReader<File>,
    is_same: bool,
    buffer: Vec<u8>,
}

impl Write for Comparing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_same {
            self.buffer.resize(bytes.len(), 0);
            let read = read_up_to(&mut self.file, &mut self.buffer)?;
            self.is_same = self.buffer[..read] == *bytes;
        }
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Fills the buffer as far as the file goes.
fn read_up_to(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match file.read(&mut buffer[read..]) {
            Ok(0) => break,
            Ok(n) => read += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

/// Writes the session's file to `path`, durably and in one step; says how many bytes, or `None` when the archive has none.
/// Replaces a file there only when `replace` says so.
pub(super) fn write(
    archive: &Archive,
    session: &SessionRow,
    version: Version,
    path: &Path,
    replace: bool,
) -> Result<Option<u64>, Failure> {
    let failed = || disk::DiskError::at("write", path);
    let folder = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .map_or_else(|| PathBuf::from("."), Path::to_owned);
    disk::create_dir(&folder)?;
    let mut file = tempfile::Builder::new()
        .prefix(".carry-")
        .permissions(std::fs::Permissions::from_mode(0o600))
        .tempfile_in(&folder)
        .map_err(failed())?;
    let mut out = BufWriter::new(file.as_file_mut());
    let Some(bytes) = version.copy(archive, session, &mut out)? else { return Ok(None) };
    out.flush().map_err(failed())?;
    drop(out);
    if let Some(at) = session.ended.and_then(|at| u64::try_from(at.as_millis()).ok()) {
        // Agents list their sessions by it. A file system that keeps no times is no reason to fail.
        let at = std::time::UNIX_EPOCH + std::time::Duration::from_millis(at);
        let _ = file.as_file().set_modified(at);
    }
    file.as_file().sync_all().map_err(failed())?;
    let placed = if replace { file.persist(path) } else { file.persist_noclobber(path) };
    placed.map_err(|error| failed()(error.error))?;
    disk::sync_dir(&folder)?;
    Ok(Some(bytes))
}
