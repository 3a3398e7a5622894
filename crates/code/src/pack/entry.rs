//! One object as it stands in a pack: kind and size, then the compressed bytes.

use flate2::{Compress, Compression, FlushCompress, Status};

use super::Kind;

/// Fast rather than small: Git's gc packs again, with deltas.
const LEVEL: u32 = 1;

/// Compresses objects one after the other.
#[derive(Debug)]
pub(super) struct Compressor(Compress);

impl Default for Compressor {
    fn default() -> Self {
        Self(Compress::new(Compression::new(LEVEL), true))
    }
}

impl Compressor {
    /// Appends an object to `out`; returns the checksum of what was appended.
    pub(super) fn append(&mut self, kind: Kind, bytes: &[u8], out: &mut Vec<u8>) -> u32 {
        let start = out.len();
        header(kind, bytes.len(), out);
        self.0.reset();
        let mut rest = bytes;
        // Incompressible bytes grow by a few per 16 KiB.
        out.reserve((bytes.len() / 2).max(256));
        loop {
            let before = self.0.total_in();
            let status = self.0.compress_vec(rest, out, FlushCompress::Finish);
            let taken = usize::try_from(self.0.total_in() - before).unwrap_or(rest.len());
            rest = &rest[taken..];
            match status.expect("a stream that was reset and is not yet finished takes more input") {
                Status::StreamEnd => break,
                Status::Ok | Status::BufError => out.reserve(rest.len().max(4096)),
            }
        }
        crc32fast::hash(&out[start..])
    }
}

fn header(kind: Kind, len: usize, out: &mut Vec<u8>) {
    let kind: u8 = match kind {
        Kind::Commit => 1,
        Kind::Tree => 2,
        Kind::Blob => 3,
    };
    let mut size = len;
    // Four bits of the size beside the kind, then seven a byte, lowest first.
    let mut byte = (kind << 4) | (size & 0x0f) as u8;
    size >>= 4;
    while size != 0 {
        out.push(byte | 0x80);
        byte = (size & 0x7f) as u8;
        size >>= 7;
    }
    out.push(byte);
}

/// The kind and size an entry begins with, and how long that is; `None` for deltas and tags, which we never write.
pub(super) fn parse_header(entry: &[u8]) -> Option<(Kind, u64, usize)> {
    let first = *entry.first()?;
    let kind = match (first >> 4) & 0x07 {
        1 => Kind::Commit,
        2 => Kind::Tree,
        3 => Kind::Blob,
        _ => return None,
    };
    let mut size = u64::from(first & 0x0f);
    let mut len = 1;
    while entry[len - 1] & 0x80 != 0 {
        let byte = *entry.get(len)?;
        // 4 + 7 × 8 = 60 bits are more than any size.
        let shift = u32::try_from(4 + 7 * (len - 1)).ok().filter(|shift| *shift < 60)?;
        size |= u64::from(byte & 0x7f) << shift;
        len += 1;
    }
    Some((kind, size, len))
}

/// An entry's object; `None` if it is not whole.
pub(super) fn unpack(entry: &[u8]) -> Option<(Kind, Vec<u8>)> {
    let (kind, size, start) = parse_header(entry)?;
    let size = usize::try_from(size).ok()?;
    // A size that lies must not cost memory: this format shrinks bytes to a thousandth at best.
    let mut bytes = Vec::with_capacity(size.min(entry.len().saturating_mul(1100)));
    let mut stream =
        std::io::Read::take(flate2::bufread::ZlibDecoder::new(&entry[start..]), (size as u64).saturating_add(1));
    std::io::Read::read_to_end(&mut stream, &mut bytes).ok()?;
    (bytes.len() == size).then_some((kind, bytes))
}
