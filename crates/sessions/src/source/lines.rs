//! Reading files of lines: bounded, from an offset, with a check that what was read before is still there.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use super::{Checkpoint, Mode, ReadError, Sink};

mod probes;
#[cfg(test)]
mod tests;

pub use probes::Probes;

/// Lines longer than this are not parsed; their bytes are kept raw.
pub const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How much is read at once, at first; the buffer grows only with a long line.
const BUFFER_BYTES: usize = 256 * 1024;

/// What one line is.
#[derive(Debug)]
pub enum Line<'a> {
    /// Its bytes without the line break.
    Whole(&'a [u8]),
    /// Too long to be parsed; this many bytes.
    TooLong(u64),
    /// The last bytes of the file, without a line break.
    Unfinished(&'a [u8]),
}

/// Takes the lines: the offset of the line, the line, the sink. What it answers counts for an unfinished line only.
pub type Each<'e> = dyn FnMut(u64, Line<'_>, &mut dyn Sink) -> Result<bool, ReadError> + 'e;

/// Takes the offset and the bytes of a line that is read again.
type EachAgain<'e> = dyn FnMut(u64, &[u8]) -> Result<(), ReadError> + 'e;

/// Reads the lines of `path` from where `mode` says, hands every byte to [`Sink::raw`] and every line with its offset to
/// `each`; returns the checkpoint's offset and probes (the state is the caller's to fill in). An unfinished last line is
/// handed to `each` and its bytes are taken in only if `each` returns `true` for it (it parses: the writer just has not written
/// the line break yet); otherwise it is left for the next time. What is appended while reading is left, too.
///
/// # Errors
/// [`ReadError::NeedsWhole`] when the file shrank below the offset, or the probes say that it was rewritten.
pub fn read(path: &Path, mode: &Mode, sink: &mut dyn Sink, each: &mut Each<'_>) -> Result<Checkpoint, ReadError> {
    let failed = |source| ReadError::Io { path: path.to_owned(), source };
    let file = open(path).map_err(failed)?;
    let end = file.metadata().map_err(failed)?.len();
    let start = match mode {
        Mode::Whole => 0,
        Mode::From(checkpoint) => {
            if !continues(&file, end, checkpoint).map_err(failed)? {
                return Err(ReadError::NeedsWhole { path: path.to_owned() });
            }
            checkpoint.offset
        }
    };
    let mut reader = Reader { file: &file, at: start, end, buffer: Vec::new(), filled: 0 };
    let offset = reader.run(path, sink, each)?;
    let probes = Probes::take(&file, offset).map_err(failed)?.to_bytes();
    Ok(Checkpoint { offset, state: Vec::new(), probes })
}

/// Hands the complete lines between two offsets to `each` again, without raw bytes. Lines that are too long are left out.
///
/// # Errors
/// [`ReadError`]: the file system, or what `each` fails with.
pub(crate) fn again(path: &Path, range: std::ops::Range<u64>, each: &mut EachAgain<'_>) -> Result<(), ReadError> {
    let failed = |source| ReadError::Io { path: path.to_owned(), source };
    let bytes = range.end.saturating_sub(range.start);
    let mut buffer = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX).min(LINE_BYTES_MAX * 2)];
    open(path).and_then(|file| file.read_exact_at(&mut buffer, range.start)).map_err(failed)?;
    let mut from = 0;
    for to in memchr::memchr_iter(b'\n', &buffer).chain(std::iter::once(buffer.len())) {
        let at = range.start + from as u64;
        each(at, without_mark(at, &buffer[from..to]))?;
        from = (to + 1).min(buffer.len());
    }
    Ok(())
}

/// A line without the byte order mark that some editors put at the start of a file.
fn without_mark(at: u64, line: &[u8]) -> &[u8] {
    if at == 0 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line }
}

/// Opens a regular file; anything else (a folder, a pipe) is an error and is not waited for.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok(file)
}

/// Whether the file still begins with what `checkpoint` took in, and goes on with a new line.
fn continues(file: &File, end: u64, checkpoint: &Checkpoint) -> io::Result<bool> {
    let offset = checkpoint.offset;
    let Some(probes) = Probes::from_bytes(&checkpoint.probes) else { return Ok(offset == 0) };
    if end < offset || !probes.hold(file, offset)? {
        return Ok(false);
    }
    if offset == 0 || end == offset {
        return Ok(true);
    }
    // The last line was taken in without its line break: that is what has to come now.
    let mut around = [0; 2];
    file.read_exact_at(&mut around, offset - 1)?;
    Ok(around[0] == b'\n' || matches!(around[1], b'\n' | b'\r'))
}

/// A file that is being read, up to the size it had at first.
struct Reader<'f> {
    file: &'f File,
    /// Offset of the first byte in the buffer.
    at: u64,
    end: u64,
    buffer: Vec<u8>,
    filled: usize,
}

impl Reader<'_> {
    /// Reads to the end; the offset up to which everything was taken in.
    fn run(&mut self, path: &Path, sink: &mut dyn Sink, each: &mut Each<'_>) -> Result<u64, ReadError> {
        let failed = |source| ReadError::Io { path: path.to_owned(), source };
        loop {
            let searched = self.filled;
            let is_end = !self.fill().map_err(failed)?;
            if let Some(last) = memchr::memrchr(b'\n', &self.buffer[searched..self.filled]) {
                self.take(searched + last + 1, sink, each)?;
            } else if is_end {
                return self.finish(sink, each);
            } else if self.filled > LINE_BYTES_MAX && !self.skip(sink, each).map_err(|error| error.at(path))? {
                return Ok(self.at);
            }
        }
    }

    /// Reads once into the room that is left; whether there was anything.
    fn fill(&mut self) -> io::Result<bool> {
        let rest = self.end.saturating_sub(self.at + self.filled as u64);
        if rest == 0 {
            return Ok(false);
        }
        if self.buffer.len() == self.filled {
            let wanted = (self.buffer.len() * 2).clamp(BUFFER_BYTES, LINE_BYTES_MAX + BUFFER_BYTES);
            let rest = usize::try_from(rest).unwrap_or(usize::MAX);
            let size = wanted.min(self.filled.saturating_add(rest)).max(self.filled + 1);
            self.buffer.resize(size, 0);
        }
        let room = (self.buffer.len() - self.filled).min(usize::try_from(rest).unwrap_or(usize::MAX));
        let from = self.at + self.filled as u64;
        let read = loop {
            match self.file.read_at(&mut self.buffer[self.filled..self.filled + room], from) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        if read == 0 {
            // It shrank meanwhile; the next reading notices.
            self.end = from;
        }
        self.filled += read;
        Ok(read > 0)
    }

    /// Hands over the lines in the first `bytes` of the buffer and drops them.
    fn take(&mut self, bytes: usize, sink: &mut dyn Sink, each: &mut Each<'_>) -> Result<(), ReadError> {
        let block = &self.buffer[..bytes];
        sink.raw(block)?;
        let mut from = 0;
        for to in memchr::memchr_iter(b'\n', block) {
            let at = self.at + from as u64;
            match to - from {
                length if length > LINE_BYTES_MAX => each(at, Line::TooLong(length as u64), sink)?,
                _ => each(at, Line::Whole(without_mark(at, &block[from..to])), sink)?,
            };
            from = to + 1;
        }
        self.drop(bytes);
        Ok(())
    }

    fn drop(&mut self, bytes: usize) {
        self.buffer.copy_within(bytes..self.filled, 0);
        self.filled -= bytes;
        self.at += bytes as u64;
        if self.buffer.len() > BUFFER_BYTES * 16 && self.filled <= BUFFER_BYTES {
            self.buffer.truncate(BUFFER_BYTES.max(self.filled));
            self.buffer.shrink_to_fit();
        }
    }

    /// The end of the file: a line without line break, or nothing.
    fn finish(&mut self, sink: &mut dyn Sink, each: &mut Each<'_>) -> Result<u64, ReadError> {
        let rest = &self.buffer[..self.filled];
        if rest.len() > LINE_BYTES_MAX {
            each(self.at, Line::Unfinished(&[]), sink)?;
        } else if !rest.is_empty() && each(self.at, Line::Unfinished(without_mark(self.at, rest)), sink)? {
            sink.raw(rest)?;
            self.at += rest.len() as u64;
        }
        Ok(self.at)
    }

    /// A line that is too long: looks where it ends, and hands it over in pieces. `false` when it does not end yet: then it is
    /// left for the next time.
    fn skip(&mut self, sink: &mut dyn Sink, each: &mut Each<'_>) -> Result<bool, SkipError> {
        let begin = self.at;
        self.buffer.truncate(BUFFER_BYTES);
        self.buffer.shrink_to_fit();
        self.filled = 0;
        let mut at = begin + LINE_BYTES_MAX as u64;
        let length = loop {
            let piece = self.piece(at)?;
            if piece == 0 {
                each(begin, Line::Unfinished(&[]), sink)?;
                return Ok(false);
            }
            if let Some(place) = memchr::memchr(b'\n', &self.buffer[..piece]) {
                break at + place as u64 - begin;
            }
            at += piece as u64;
        };
        let mut given = 0;
        while given < length + 1 {
            let piece = self.piece(begin + given)?;
            let piece = piece.min(usize::try_from(length + 1 - given).unwrap_or(usize::MAX));
            if piece == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            sink.raw(&self.buffer[..piece]).map_err(ReadError::from)?;
            given += piece as u64;
        }
        each(begin, Line::TooLong(length), sink)?;
        self.at = begin + length + 1;
        Ok(true)
    }

    /// Reads into the buffer from the start; how much.
    fn piece(&mut self, at: u64) -> io::Result<usize> {
        let rest = usize::try_from(self.end.saturating_sub(at)).unwrap_or(usize::MAX);
        let room = self.buffer.len().min(rest);
        self.file.read_at(&mut self.buffer[..room], at)
    }
}

/// What goes wrong while a line is skipped.
enum SkipError {
    Io(io::Error),
    Read(ReadError),
}

impl SkipError {
    fn at(self, path: &Path) -> ReadError {
        match self {
            Self::Io(source) => ReadError::Io { path: path.to_owned(), source },
            Self::Read(error) => error,
        }
    }
}

impl From<io::Error> for SkipError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ReadError> for SkipError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}
