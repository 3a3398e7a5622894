//! Bytes that lie packed in a row until they are sealed: text takes a third, and is written that much less often.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io;

use zstd::bulk::{Compressor, Decompressor};

use crate::limits::FRAME_BYTES_MAX;

/// Fewer bytes are kept as they are.
const PACK_FROM: usize = 1024;
/// More bytes than any frame has with its length before it.
const BYTES_MAX: usize = FRAME_BYTES_MAX + 16;
/// Zstandard's level: what is kept is unpacked and packed better soon.
const LEVEL: i32 = 1;

thread_local! {
    /// To make contexts costs more than to use them once.
    static CONTEXTS: RefCell<Option<(Compressor<'static>, Decompressor<'static>)>> = const { RefCell::new(None) };
}

fn with<T>(work: impl FnOnce(&mut Compressor<'static>, &mut Decompressor<'static>) -> io::Result<T>) -> io::Result<T> {
    CONTEXTS.with_borrow_mut(|contexts| {
        let (compressor, decompressor) = match contexts {
            Some(contexts) => contexts,
            None => {
                let mut compressor = Compressor::new(LEVEL)?;
                // Nothing else says of a row of an outbox whether it is as it was written.
                compressor.include_checksum(true)?;
                contexts.insert((compressor, Decompressor::new()?))
            }
        };
        work(compressor, decompressor)
    })
}

/// What is kept of these bytes, and how many they were; `None` when they are kept as they are.
pub(crate) fn pack(plain: &[u8]) -> io::Result<(Cow<'_, [u8]>, Option<u32>)> {
    let (Ok(length), PACK_FROM..) = (u32::try_from(plain.len()), plain.len()) else {
        return Ok((Cow::Borrowed(plain), None));
    };
    let packed = with(|compressor, _| compressor.compress(plain))?;
    Ok(match packed.len() < plain.len() {
        true => (Cow::Owned(packed), Some(length)),
        false => (Cow::Borrowed(plain), None),
    })
}

/// The same of `plain` when `end`, its last bytes, was packed before: Zstandard's frames unpack one after the other as if they
/// were one.
pub(crate) fn pack_before<'p>(plain: &'p [u8], end: &Packed) -> io::Result<(Cow<'p, [u8]>, Option<u32>)> {
    let start = usize::try_from(end.plain_bytes).ok().and_then(|bytes| plain.len().checked_sub(bytes));
    let (Some(start), Ok(length)) = (start, u32::try_from(plain.len())) else { return pack(plain) };
    let mut packed = with(|compressor, _| compressor.compress(&plain[..start]))?;
    packed.extend_from_slice(&end.bytes);
    Ok((Cow::Owned(packed), Some(length)))
}

/// Bytes as [`pack`] gave them, where it packed them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packed {
    pub(crate) bytes: Vec<u8>,
    pub(crate) plain_bytes: u32,
}

/// The bytes again.
///
/// # Errors
/// Damaged ones, and those that say to be longer than a frame can be.
pub(crate) fn unpack(kept: Vec<u8>, length: Option<u32>) -> io::Result<Vec<u8>> {
    match length {
        None => Ok(kept),
        Some(length) => unpack_long(&kept, length),
    }
}

/// The same of bytes that were packed.
///
/// # Errors
/// As [`unpack`].
pub(crate) fn unpack_long(kept: &[u8], length: u32) -> io::Result<Vec<u8>> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "packed bytes are not as many as they say");
    let length = usize::try_from(length).ok().filter(|length| *length <= BYTES_MAX).ok_or_else(wrong)?;
    let plain = with(|_, decompressor| decompressor.decompress(kept, length))?;
    (plain.len() == length).then_some(plain).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_as_they_were() {
        let noise: Vec<u8> = (0..4000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        for plain in [Vec::new(), b"short".to_vec(), vec![b'x'; PACK_FROM - 1], vec![b'x'; BYTES_MAX], noise] {
            let (kept, length) = pack(&plain).unwrap();
            assert_eq!(unpack(kept.to_vec(), length).unwrap(), plain);
        }
        let text = "said again and again. ".repeat(1000);
        let (kept, length) = pack(text.as_bytes()).unwrap();
        assert!(kept.len() < text.len() / 10 && length == u32::try_from(text.len()).ok(), "{} bytes", kept.len());
    }

    #[test]
    fn what_was_packed_is_not_packed_again_behind_something_new() {
        let end = "said again and again. ".repeat(1000);
        let (kept, length) = pack(end.as_bytes()).unwrap();
        let packed = Packed { bytes: kept.to_vec(), plain_bytes: length.unwrap() };
        let plain = format!("before it: {end}");
        let (whole, length) = pack_before(plain.as_bytes(), &packed).unwrap();
        assert!(whole.ends_with(&packed.bytes));
        assert_eq!(unpack(whole.to_vec(), length).unwrap(), plain.as_bytes());
        for at in 0..whole.len() {
            let mut flipped = whole.to_vec();
            flipped[at] ^= 4;
            assert!(unpack(flipped, length).map_or(true, |found| found == plain.as_bytes()), "byte {at}");
        }
        for cut in 0..whole.len() {
            assert!(unpack(whole[..cut].to_vec(), length).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn what_is_damaged_or_says_too_much_is_refused() {
        let text = "said again and again. ".repeat(1000);
        let (kept, length) = pack(text.as_bytes()).unwrap();
        let length = length.unwrap();
        for wrong in [0, length - 1, length + 1, u32::MAX] {
            assert!(unpack(kept.to_vec(), Some(wrong)).is_err(), "{wrong}");
        }
        assert!(unpack(kept[..kept.len() - 1].to_vec(), Some(length)).is_err());
        for at in 0..kept.len() {
            let mut flipped = kept.to_vec();
            flipped[at] ^= 4;
            assert!(unpack(flipped, Some(length)).map_or(true, |plain| plain == text.as_bytes()), "byte {at}");
        }
        assert!(unpack(text.clone().into_bytes(), Some(length)).is_err());
    }
}
