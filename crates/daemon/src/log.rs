//! The log: a file that rotates by size, five old ones kept.
//!
//! `daemon.log` is written, `daemon.log.1` is the one before it, and so on. Lines are whole: a rotation never splits one.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use carry_kernel::disk::{self, DiskError};
use carry_kernel::home::Home;
use tracing_subscriber::EnvFilter;

/// Old files kept.
const OLD_MAX: usize = 5;

/// Smallest size at which the log is rotated, so that a nonsensical setting does not rotate at each line.
const BYTES_MIN: u64 = 16 * 1024;

/// How often new lines are looked for while following.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What is read at a time from the end of a file.
const BLOCK: u64 = 16 * 1024;

/// Starts logging of this process to `home`'s log (and to stderr when `also_stderr`), rotated at `max_bytes`. The filter is
/// `CARRY_LOG`'s syntax, `info` when `None`; one that cannot be understood is named in the log and counts as `info`. Call
/// once; another call does nothing.
///
/// # Errors
/// [`carry_kernel::disk::DiskError`].
pub fn init(home: &Home, max_bytes: u64, filter: Option<&str>, also_stderr: bool) -> Result<(), DiskError> {
    let writer = Rotating::open(file(home), max_bytes, also_stderr)?;
    let asked = filter.map(|text| EnvFilter::try_new(text).map_err(|error| (text, error)));
    let (filter, bad) = match asked {
        None => (EnvFilter::new("info"), None),
        Some(Ok(filter)) => (filter, None),
        Some(Err(bad)) => (EnvFilter::new("info"), Some(bad)),
    };
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(Mutex::new(writer)).with_ansi(false).finish();
    // It fails when there is one already, and that one goes on.
    if tracing::subscriber::set_global_default(subscriber).is_ok()
        && let Some((text, error)) = bad
    {
        tracing::warn!(filter = text, %error, "the log filter cannot be understood; `info` counts");
    }
    Ok(())
}

/// The current log file.
pub fn file(home: &Home) -> PathBuf {
    home.log_dir().join("daemon.log")
}

/// Writes the last `lines` lines to `out`; with `follow`, goes on with new ones (through rotations) until `out` fails. That
/// the reader of `out` went away is no error.
///
/// # Errors
/// Reading or writing failed.
pub fn show(home: &Home, lines: usize, follow: bool, out: &mut dyn Write) -> io::Result<()> {
    match show_from(&file(home), lines, follow, out) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

/// The last `lines` lines, from older files too; empty when there is no log.
pub(crate) fn tail(path: &Path, lines: usize) -> io::Result<Vec<u8>> {
    let mut found = Vec::new();
    let mut missing = lines;
    for n in 0..=OLD_MAX {
        if missing == 0 {
            break;
        }
        let mut file = match File::open(old(path, n)) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(e),
        };
        let end = file.seek(SeekFrom::End(0))?;
        let part = last_lines(&mut file, end, missing)?;
        missing -= count_lines(&part).min(missing);
        found = [part, found].concat();
    }
    Ok(found)
}

fn show_from(path: &Path, lines: usize, follow: bool, out: &mut dyn Write) -> io::Result<()> {
    // Opened before the tail is read: what is written in between is shown twice rather than not at all.
    let mut current = open_end(path)?;
    out.write_all(&tail(path, lines)?)?;
    out.flush()?;
    if !follow {
        return Ok(());
    }
    loop {
        let mut new = Vec::new();
        if let Some(file) = &mut current {
            file.read_to_end(&mut new)?;
        }
        out.write_all(&new)?;
        out.flush()?;
        // A rotated file is read to its end once more: its last lines may have come after the read above.
        match (&mut current, File::open(path)) {
            (Some(file), Ok(next)) if file.metadata()?.ino() == next.metadata()?.ino() => {
                if next.metadata()?.len() < file.stream_position()? {
                    file.rewind()?;
                }
            }
            (file, Ok(next)) => {
                if let Some(file) = file {
                    let mut rest = Vec::new();
                    file.read_to_end(&mut rest)?;
                    out.write_all(&rest)?;
                }
                current = Some(next);
                continue;
            }
            (_, Err(e)) if e.kind() == io::ErrorKind::NotFound => {}
            (_, Err(e)) => return Err(e),
        }
        if new.is_empty() {
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

fn open_end(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(mut file) => {
            file.seek(SeekFrom::End(0))?;
            Ok(Some(file))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// The last `lines` lines of the first `end` bytes.
fn last_lines(file: &mut File, end: u64, lines: usize) -> io::Result<Vec<u8>> {
    let mut found: Vec<u8> = Vec::new();
    let mut start = end;
    // One more than asked for, to know where the first one begins.
    while start > 0 && count_lines(&found) <= lines {
        let from = start.saturating_sub(BLOCK);
        file.seek(SeekFrom::Start(from))?;
        let mut block = Vec::new();
        io::Read::by_ref(file).take(start - from).read_to_end(&mut block)?;
        block.append(&mut found);
        (found, start) = (block, from);
    }
    let surplus = count_lines(&found).saturating_sub(lines);
    let skip =
        found.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1).nth(surplus.wrapping_sub(1));
    Ok(if surplus == 0 { found } else { found.split_off(skip.unwrap_or(0)) })
}

/// Lines, the last one also without its line feed.
fn count_lines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count() + usize::from(bytes.last().is_some_and(|byte| *byte != b'\n'))
}

/// The `n`-th file before the current one.
fn old(path: &Path, n: usize) -> PathBuf {
    if n == 0 {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{n}"));
    name.into()
}

/// A file that is put aside when it is full.
#[derive(Debug)]
struct Rotating {
    path: PathBuf,
    file: File,
    bytes: u64,
    bytes_max: u64,
    also_stderr: bool,
}

impl Rotating {
    fn open(path: PathBuf, bytes_max: u64, also_stderr: bool) -> Result<Self, DiskError> {
        if let Some(dir) = path.parent() {
            disk::create_dir(dir)?;
        }
        let file = append(&path).map_err(DiskError::at("open", &path))?;
        let bytes = file.metadata().map_err(DiskError::at("read", &path))?.len();
        Ok(Self { path, file, bytes, bytes_max: bytes_max.max(BYTES_MIN), also_stderr })
    }

    /// Puts the file aside. Another process may have done so already; then its new one is ours too.
    fn rotate(&mut self) -> io::Result<()> {
        let is_ours =
            std::fs::metadata(&self.path).is_ok_and(|m| self.file.metadata().is_ok_and(|f| f.ino() == m.ino()));
        if is_ours {
            for n in (0..OLD_MAX).rev() {
                match std::fs::rename(old(&self.path, n), old(&self.path, n + 1)) {
                    Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                    _ => {}
                }
            }
        }
        self.file = append(&self.path)?;
        self.bytes = self.file.metadata()?.len();
        Ok(())
    }
}

impl Write for Rotating {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.bytes > 0 && self.bytes.saturating_add(line.len() as u64) > self.bytes_max {
            // A log that cannot be rotated goes on where it is, which is better than none.
            let _ = self.rotate();
        }
        if self.also_stderr {
            // Nobody may be listening there.
            let _ = io::stderr().write_all(line);
        }
        self.file.write_all(line)?;
        self.bytes += line.len() as u64;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests;
