//! Files that agents write anew as a whole: read in one piece, bounded.

use std::io::Read as _;
use std::path::Path;

use serde_json::Value;

use super::{ReadError, Sink, Unit};

/// Documents above this size are not read.
const DOCUMENT_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// Raw bytes are handed over in pieces of this size.
const PIECE: usize = 1024 * 1024;

/// Reads the file of `unit` and hands its bytes to the sink.
pub(super) fn read(unit: &Unit, sink: &mut dyn Sink) -> Result<Vec<u8>, ReadError> {
    let bytes = bytes_of(&unit.path)?;
    for piece in bytes.chunks(PIECE) {
        sink.raw(piece)?;
    }
    Ok(bytes)
}

/// The bytes of a file, bounded.
pub(super) fn bytes_of(path: &Path) -> Result<Vec<u8>, ReadError> {
    let failed = |source| ReadError::Io { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(failed(std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is not a file")));
    }
    let mut bytes = Vec::new();
    file.take(DOCUMENT_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > DOCUMENT_BYTES_MAX {
        return Err(failed(std::io::Error::new(std::io::ErrorKind::FileTooLarge, "it is larger than 512 MiB")));
    }
    Ok(bytes)
}

/// The object that the bytes hold, bad UTF-8 replaced, a byte order mark left out; `None` for anything else.
pub(super) fn object(bytes: &[u8]) -> Option<Value> {
    let text = String::from_utf8_lossy(bytes);
    serde_json::from_str(text.strip_prefix('\u{feff}').unwrap_or(&text)).ok().filter(Value::is_object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_does_not_spoil_a_document() {
        assert_eq!(object(b"\xef\xbb\xbf{\"a\":1}"), object(b"{\"a\":1}"));
        assert!(object(b"{\"a\":1}").is_some());
        assert_eq!(object(b"\xef\xbb\xbf[]"), None);
    }
}
