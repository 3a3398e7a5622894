//! Unpacks what lies packed in rows, with one Zstandard context a thread: to make one costs more than most rows do.

use std::cell::RefCell;
use std::io;

use zstd::bulk::Decompressor;

thread_local! {
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// The content of a Zstandard frame.
///
/// # Errors
/// A frame that is damaged, or that holds more than `bytes_max`.
pub(crate) fn unzip(packed: &[u8], bytes_max: usize) -> io::Result<Vec<u8>> {
    DECOMPRESSOR.with_borrow_mut(|kept| {
        let decompressor = match kept {
            Some(kept) => kept,
            None => kept.insert(Decompressor::new()?),
        };
        decompressor.decompress(packed, bytes_max)
    })
}
