//! Looking at a large content in pieces that overlap, so that memory has a bound and no secret is cut in two.

use std::io::{self, Read};

use super::{PIECE_BYTES, TEXT_BYTES_MAX, TOO_LARGE, is_wide};
use crate::diff::is_binary;
use crate::git::ByteSlice as _;

/// So much of a piece is in the next one, too, in bytes: more than the longest secret, with what must stand beside it.
pub(super) const OVERLAP_BYTES: usize = 64 << 10;

/// So far back a place to cut is looked for, in bytes.
const CUT_BYTES_MAX: usize = 64 << 10;

/// Hands each piece of a text of `size` bytes to `look`, with the number of line breaks before it; of what is binary or too large,
/// an empty one. Returns what is to be said of the whole of it. `Err` also when there are more or fewer bytes.
///
/// A piece begins and ends at a line break, so that no word looks shorter than it is. Where there is none it ends behind what
/// no token goes over, and at last anywhere.
pub(super) fn look(
    size: u64,
    from: &mut dyn Read,
    look: &mut dyn FnMut(&[u8], u64),
) -> io::Result<Option<&'static str>> {
    let mut piece = Vec::with_capacity(PIECE_BYTES);
    let (mut total, mut lines) = (0, 0);
    let mut is_wide_text = false;
    loop {
        let before = piece.len();
        let room = PIECE_BYTES - before;
        let n = Read::take(&mut *from, room as u64).read_to_end(&mut piece)?;
        if total == 0 {
            is_wide_text = is_wide(&piece);
            let is_text = is_wide_text || !is_binary(&piece);
            if !is_text || size > TEXT_BYTES_MAX {
                look(b"", 0);
                return Ok(is_text.then_some(TOO_LARGE));
            }
            let mark = if is_wide_text { 2 } else { 3 * usize::from(piece.starts_with(b"\xef\xbb\xbf")) };
            piece.drain(..mark);
        }
        if is_wide_text {
            let mut at = 0;
            piece.retain(|&byte| {
                at += 1;
                at <= before || byte != 0
            });
        }
        total += n as u64;
        let is_last = n < room;
        let end = if is_last { piece.len() } else { cut(&piece, piece.len()) };
        look(&piece[..end], lines);
        if is_last {
            break;
        }
        let start = cut(&piece, end.saturating_sub(OVERLAP_BYTES));
        lines += piece[..start].find_iter(b"\n").count() as u64;
        piece.drain(..start);
    }
    if total == size { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Where to cut at `near` or before it.
fn cut(text: &[u8], near: usize) -> usize {
    let from = near.saturating_sub(CUT_BYTES_MAX);
    let back = &text[from..near];
    let ends = |byte: u8| byte.is_ascii_whitespace() || b"\"',;".contains(&byte);
    let at = back.rfind_byte(b'\n').or_else(|| back.iter().rposition(|&byte| ends(byte)));
    at.map_or(near, |at| from + at + 1)
}
