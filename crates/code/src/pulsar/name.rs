//! Slugs and branches as parts of a ref's name, reversibly.
//!
//! `[a-z0-9_-]` stand for themselves, every other byte as `%xx`, as in the names of lines. What is longer than a file name
//! may be goes on in the next component: all of its components but the last end in `+`, which nothing else does, so that no
//! name is the folder of another.

use std::fmt::Write as _;

use crate::git::{BStr, BString};
use crate::line::quote;

/// Longest component, in bytes, without its `+`. File systems take 255, and Git adds `.lock`.
const PIECE_BYTES_MAX: usize = 200;

/// As one or more components.
pub(super) fn encode(name: &BStr) -> String {
    let mut text = String::with_capacity(name.len());
    let mut piece = 0;
    for &byte in name.iter() {
        let mut one = String::with_capacity(3);
        if stands_for_itself(byte) {
            one.push(char::from(byte));
        } else {
            write!(one, "%{byte:02x}").expect("writing to a string does not fail");
        }
        if piece + one.len() > PIECE_BYTES_MAX {
            text.push_str("+/");
            piece = 0;
        }
        piece += one.len();
        text.push_str(&one);
    }
    text
}

/// Reads one name off the front of `text`; returns it and what follows its slash. `None` when there is none.
pub(super) fn decode(text: &str) -> Option<(BString, &str)> {
    let mut encoded = String::new();
    let mut rest = text;
    loop {
        let (piece, tail) = rest.split_once('/').unwrap_or((rest, ""));
        rest = tail;
        match piece.strip_suffix('+') {
            Some(piece) => encoded.push_str(piece),
            None => {
                encoded.push_str(piece);
                break;
            }
        }
    }
    let fits = |byte: u8| stands_for_itself(byte) || byte == b'%';
    if encoded.is_empty() || !encoded.bytes().all(fits) {
        return None;
    }
    Some((quote::unquote(encoded.as_str().into())?, rest))
}

fn stands_for_itself(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-')
}
