//! Looks through a pack before Git does: how many objects it has, and how large each of them gets.
//!
//! A few packed bytes can stand for any number of unpacked ones. Git stops at none of that, so the sizes that each object
//! states are added up first; that they are true is checked while they are unpacked to nowhere. Memory does not grow.

use std::io::{self, BufRead, Read};

use flate2::bufread::ZlibDecoder;

use crate::git::{HashKind, ObjectId};

/// Most objects of a pack.
pub(super) const OBJECTS_MAX: u64 = 8_000_000;
/// Largest object, unpacked, in bytes.
pub(super) const OBJECT_BYTES_MAX: u64 = 1 << 30;
/// Largest commit, tree or tag, unpacked, in bytes: Git holds these in memory.
const STRUCTURE_BYTES_MAX: u64 = 256 << 20;
/// All objects together, unpacked, in bytes.
pub(super) const UNPACKED_BYTES_MAX: u64 = 64 << 30;

/// What a pack holds, as far as it says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Scanned {
    /// Objects.
    pub(super) n_objects: u64,
    /// Their bytes, unpacked.
    pub(super) unpacked_bytes: u64,
}

/// Looks through a pack.
///
/// # Errors
/// `InvalidData` with what is wrong, when it is no pack or goes beyond a bound; what reading fails with.
pub(super) fn pack(from: impl BufRead, hash: HashKind) -> io::Result<Scanned> {
    with_bases(from, hash, &mut |_| {})
}

/// The same, and hands over the object that each delta names as its base: one that is not in the pack, as Git makes packs.
///
/// # Errors
/// As [`pack`].
pub(super) fn with_bases(
    mut from: impl BufRead,
    hash: HashKind,
    on_base: &mut dyn FnMut(ObjectId),
) -> io::Result<Scanned> {
    let mut header = [0; 12];
    from.read_exact(&mut header)?;
    let word = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    if &header[..4] != b"PACK" || !matches!(word(4), 2 | 3) {
        return Err(wrong("it is no pack of Git"));
    }
    let mut scanned = Scanned { n_objects: word(8).into(), unpacked_bytes: 0 };
    if scanned.n_objects > OBJECTS_MAX {
        return Err(wrong(format!("it has {} objects, and {OBJECTS_MAX} are the most", scanned.n_objects)));
    }
    for _ in 0..scanned.n_objects {
        let bytes = object(&mut from, hash, on_base)?;
        scanned.unpacked_bytes = scanned.unpacked_bytes.saturating_add(bytes);
        if scanned.unpacked_bytes > UNPACKED_BYTES_MAX {
            return Err(wrong(format!("unpacked it has more than {UNPACKED_BYTES_MAX} bytes")));
        }
    }
    Ok(scanned)
}

/// One object; says how many bytes it has when it is whole.
fn object(from: &mut impl BufRead, hash: HashKind, on_base: &mut dyn FnMut(ObjectId)) -> io::Result<u64> {
    let first = byte(from)?;
    let kind = (first >> 4) & 7;
    let mut size = u64::from(first & 15);
    let (mut shift, mut more) = (4, first & 128 != 0);
    while more {
        let next = byte(from)?;
        if shift > 56 {
            return Err(wrong("an object's size is too long"));
        }
        size |= u64::from(next & 127) << shift;
        (shift, more) = (shift + 7, next & 128 != 0);
    }
    let max = if matches!(kind, 1 | 2 | 4) { STRUCTURE_BYTES_MAX } else { OBJECT_BYTES_MAX };
    check(size, max)?;
    match kind {
        1..=4 => {}
        6 => {
            let mut length = 0;
            while byte(from)? & 128 != 0 {
                length += 1;
                if length > 9 {
                    return Err(wrong("an object's base is too far away"));
                }
            }
        }
        7 => {
            let mut base = [0; 32];
            let base = &mut base[..hash.len_in_bytes()];
            from.read_exact(base)?;
            on_base(ObjectId::from_bytes_or_panic(base));
        }
        _ => return Err(wrong(format!("an object is of the unknown kind {kind}"))),
    }
    let mut content = ZlibDecoder::new(from);
    let whole = if matches!(kind, 6 | 7) {
        // How large the base is, then how large the result.
        let (_, first) = varint(&mut content)?;
        let (result, second) = varint(&mut content)?;
        check(result, OBJECT_BYTES_MAX)?;
        drain(&mut content, size.checked_sub(first + second))?;
        result.max(size)
    } else {
        drain(&mut content, Some(size))?;
        size
    };
    Ok(whole)
}

/// That exactly `left` bytes follow.
fn drain(content: &mut impl Read, left: Option<u64>) -> io::Result<()> {
    let other = || wrong("an object has another size than it states");
    let left = left.ok_or_else(other)?;
    let found = io::copy(&mut content.take(left + 1), &mut io::sink())?;
    if found == left { Ok(()) } else { Err(other()) }
}

fn check(bytes: u64, max: u64) -> io::Result<()> {
    if bytes <= max {
        return Ok(());
    }
    Err(wrong(format!("an object of {bytes} bytes is in it, and {max} are the most")))
}

/// A number in seven bits a byte, and how many bytes it took.
fn varint(from: &mut impl Read) -> io::Result<(u64, u64)> {
    let (mut value, mut n) = (0u64, 0);
    loop {
        let mut next = [0];
        from.read_exact(&mut next)?;
        if n > 8 {
            return Err(wrong("a size in a delta is too long"));
        }
        value |= u64::from(next[0] & 127) << (7 * n);
        n += 1;
        if next[0] & 128 == 0 {
            return Ok((value, n));
        }
    }
}

fn byte(from: &mut impl Read) -> io::Result<u8> {
    let mut one = [0];
    from.read_exact(&mut one)?;
    Ok(one[0])
}

fn wrong(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.into())
}
