//! A block of records: one Zstandard frame of a form that cannot cost more than it says.

use std::cell::RefCell;

use zstd::zstd_safe;

use crate::chain::{self, ChainError, Link};
use crate::hash::Digest;
use crate::limits::WINDOW_BYTES_MAX;

/// Zstandard's level. Segments are written once and read by every device. The next one takes nearly
/// twice the time, for a sixteenth less of program text and nothing less of generated sessions.
const LEVEL: i32 = 4;
/// The window that a writer uses at most: 2^22 bytes hold a whole block.
const WINDOW_LOG: u32 = 22;
/// How a Zstandard frame begins.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// How a block is damaged or wrong.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BlockError {
    /// It has not as many bytes as it must.
    #[error("it has {found} bytes instead of {expected}")]
    Size {
        /// What the header says.
        expected: u64,
        /// What there is.
        found: u64,
    },
    /// Its bytes are not those that were hashed.
    #[error("its bytes are not those that were hashed")]
    Digest,
    /// It is no frame of the form that is exchanged.
    #[error("it is not compressed as the format says: {0}")]
    Form(&'static str),
    /// It cannot be unpacked.
    #[error("it cannot be unpacked")]
    Unpack,
    /// Its records are not those that were promised.
    #[error("its records do not fit")]
    Records(#[from] ChainError),
}

std::thread_local! {
    /// What unpacks: making it costs more than unpacking a small block, and each frame begins anew.
    static UNPACKER: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Makes blocks.
pub(super) struct Packer(zstd::bulk::Compressor<'static>);

impl Packer {
    pub(super) fn new() -> std::io::Result<Self> {
        let mut packer = zstd::bulk::Compressor::new(LEVEL)?;
        packer.set_parameter(zstd_safe::CParameter::ChecksumFlag(true))?;
        packer.set_parameter(zstd_safe::CParameter::ContentSizeFlag(true))?;
        packer.set_parameter(zstd_safe::CParameter::WindowLog(WINDOW_LOG))?;
        Ok(Self(packer))
    }

    pub(super) fn pack(&mut self, plain: &[u8]) -> std::io::Result<Vec<u8>> {
        self.0.compress(plain)
    }
}

/// What a block of records must hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Promise {
    pub(super) plain_bytes: usize,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) before: Digest,
    pub(super) after: Digest,
}

/// Unpacks a block whose digest was checked, and checks what is in it.
pub(super) fn unpack(stored: &[u8], promise: &Promise) -> Result<Vec<Link>, BlockError> {
    check_form(stored, promise.plain_bytes)?;
    let plain = UNPACKER.with_borrow_mut(|unpacker| {
        let unpacker = match unpacker {
            Some(unpacker) => unpacker,
            None => unpacker.insert(zstd::bulk::Decompressor::new()?),
        };
        unpacker.decompress(stored, promise.plain_bytes)
    });
    let plain = plain.map_err(|_| BlockError::Unpack)?;
    if plain.len() != promise.plain_bytes {
        return Err(BlockError::Form("its size is another than it says"));
    }
    Ok(chain::walk(&plain, promise.first, promise.last, promise.before, promise.after)?)
}

/// Looks at the frame's own header before anything is unpacked, so that memory is bounded by what the segment's header
/// says: one frame, its size stated, no dictionary, a checksum, a small window.
fn check_form(stored: &[u8], plain_bytes: usize) -> Result<(), BlockError> {
    let wrong = |what| Err(BlockError::Form(what));
    let (Some(magic), Some(&descriptor)) = (stored.first_chunk::<4>(), stored.get(4)) else {
        return wrong("it is cut short");
    };
    if *magic != MAGIC {
        return wrong("it is no Zstandard frame");
    }
    let (is_single, is_reserved) = (descriptor & 0x20 != 0, descriptor & 0x08 != 0);
    if descriptor & 0x04 == 0 {
        return wrong("it has no checksum");
    }
    if descriptor & 0x03 != 0 {
        return wrong("it needs a dictionary");
    }
    if is_reserved {
        return wrong("a reserved bit is set");
    }
    if !is_single {
        let window = stored.get(5).map_or(u64::MAX, |byte| window_bytes(*byte));
        if window > WINDOW_BYTES_MAX {
            return wrong("its window is too large");
        }
    }
    match zstd_safe::get_frame_content_size(stored) {
        Ok(Some(bytes)) if usize::try_from(bytes) == Ok(plain_bytes) => {}
        Ok(Some(_)) => return wrong("its size is another than the header says"),
        Ok(None) | Err(_) => return wrong("its size is not stated"),
    }
    match zstd_safe::find_frame_compressed_size(stored) {
        Ok(bytes) if bytes == stored.len() => Ok(()),
        _ => wrong("it is not exactly one frame"),
    }
}

/// The window that a frame's window descriptor asks for (RFC 8878, 3.1.1.1.2).
fn window_bytes(descriptor: u8) -> u64 {
    let base = 1u64 << (10 + u64::from(descriptor >> 3));
    base + base / 8 * u64::from(descriptor & 7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{log, record, stream};
    use crate::frame::Frame;

    fn plain() -> (Vec<u8>, Promise) {
        let mut plain = Vec::new();
        Frame::Record(record(1)).encode(&mut plain).unwrap();
        let before = chain::chain_start(log(1), &stream("sessions"));
        let after = chain::chain_next(before, record(1).digest().unwrap());
        let promise = Promise { plain_bytes: plain.len(), first: 1, last: 1, before, after };
        (plain, promise)
    }

    #[track_caller]
    fn refused(stored: &[u8], why: &'static str) {
        assert_eq!(unpack(stored, &plain().1), Err(BlockError::Form(why)));
    }

    fn packed(change: impl FnOnce(&mut zstd::bulk::Compressor<'static>)) -> Vec<u8> {
        let mut packer = Packer::new().unwrap();
        change(&mut packer.0);
        packer.pack(&plain().0).unwrap()
    }

    #[test]
    fn a_block_is_one_frame_of_the_one_form() {
        let good = packed(|_| {});
        assert_eq!(unpack(&good, &plain().1).unwrap().len(), 1);
        refused(&[], "it is cut short");
        refused(b"plain text", "it is no Zstandard frame");
        refused(&[&good[..], &good[..]].concat(), "it is not exactly one frame");
        refused(&[&good[..], &[0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]].concat(), "it is not exactly one frame");
        refused(&good[..good.len() - 1], "it is not exactly one frame");
        refused(
            &packed(|p| p.set_parameter(zstd_safe::CParameter::ChecksumFlag(false)).unwrap()),
            "it has no checksum",
        );
        let unsized_frame = packed(|p| p.set_parameter(zstd_safe::CParameter::ContentSizeFlag(false)).unwrap());
        refused(&unsized_frame, "its size is not stated");
    }

    #[test]
    fn a_window_that_asks_for_much_memory_is_refused() {
        // Checksum, size of four bytes, window of 2^27: the rest is not looked at.
        let frame = [&MAGIC[..], &[0x84, 17 << 3], &[0; 20]].concat();
        refused(&frame, "its window is too large");
        assert_eq!(window_bytes(13 << 3), WINDOW_BYTES_MAX);
        assert!(window_bytes(13 << 3 | 1) > WINDOW_BYTES_MAX);
        assert!(window_bytes(255) > WINDOW_BYTES_MAX);
    }

    #[test]
    fn a_block_that_unpacks_to_more_than_was_said_is_not_unpacked() {
        let bomb = Packer::new().unwrap().pack(&vec![0; 4_000_000]).unwrap();
        assert!(bomb.len() < 1000);
        refused(&bomb, "its size is another than the header says");
    }

    #[test]
    fn other_records_are_not_those_that_were_promised() {
        let (_, promise) = plain();
        let good = packed(|_| {});
        let with = |change: &dyn Fn(&mut Promise)| {
            let mut promise = promise;
            change(&mut promise);
            unpack(&good, &promise).unwrap_err()
        };
        let chain = |error| BlockError::Records(error);
        assert_eq!(with(&|p| p.first = 2), chain(ChainError::Order { expected: 2, found: 1 }));
        assert_eq!(with(&|p| p.last = 2), chain(ChainError::End { expected: 2, found: 1 }));
        assert_eq!(with(&|p| p.before = Digest::of(&[])), chain(ChainError::Chain { last: 1 }));
        assert_eq!(with(&|p| p.after = Digest::of(&[])), chain(ChainError::Chain { last: 1 }));
    }
}
