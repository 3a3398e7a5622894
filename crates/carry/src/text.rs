//! Ids, paths, sizes and counts as people and machines read them.
//!
//! For people a path is cut down to what a terminal can show. In JSON it is text from which every byte can be had
//! back: what is not UTF-8 is written `%xx`, and so is `%` itself.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use carry_code::git::{BStr, BString, ByteSlice as _, ObjectId};
use carry_code::snapshot::SkipReason;
use carry_code::time;
use carry_kernel::clock::Timestamp;

/// Hex digits of an id shown to people.
const ID_HEX: usize = 10;

/// An id as people see it.
pub(crate) fn short(id: &ObjectId) -> String {
    id.to_hex_with_len(ID_HEX).to_string()
}

/// A path for people: what is not UTF-8, or could move a cursor or reorder text, becomes `�`.
pub(crate) fn path(path: &BStr) -> String {
    line(&path.to_str_lossy())
}

/// A path of the file system for people.
pub(crate) fn file(path: &Path) -> String {
    self::path(path.as_os_str().as_bytes().as_bstr())
}

/// Text from elsewhere on one line: what could move a cursor or reorder text becomes `�`.
pub(crate) fn line(text: &str) -> String {
    text.chars().map(|c| if is_unsafe(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// The same, of text that may have several lines.
pub(crate) fn lines(text: &str) -> String {
    let keeps = |c| matches!(c, '\n' | '\t') || !is_unsafe(c);
    text.chars().map(|c| if keeps(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// A path as a word of the shell: quoted unless it is plain.
pub(crate) fn shell_word(path: &Path) -> String {
    let text = path.to_string_lossy();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A folder for people, with `~` for their home.
pub(crate) fn folder(folder: &Path, user_home: Option<&Path>) -> String {
    let below_home = user_home.filter(|home| home.parent().is_some()).and_then(|home| folder.strip_prefix(home).ok());
    match below_home {
        Some(rest) if rest.as_os_str().is_empty() => "~".to_owned(),
        Some(rest) => format!("~/{}", path(rest.as_os_str().as_bytes().as_bstr())),
        None => path(folder.as_os_str().as_bytes().as_bstr()),
    }
}

/// A path for machines.
pub(crate) fn json_path(path: &BStr) -> String {
    let mut text = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c == '%' {
                text.push_str("%25");
            } else {
                text.push(c);
            }
        }
        for byte in chunk.invalid() {
            write!(text, "%{byte:02x}").expect("writing to a string does not fail");
        }
    }
    text
}

/// A file system path for machines.
pub(crate) fn json_file(path: &Path) -> String {
    json_path(path.as_os_str().as_bytes().as_bstr())
}

/// Undoes `%xx`. A `%` that begins no byte stands for itself.
pub(crate) fn unquote(text: &str) -> BString {
    let digit = |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    let mut rest = text.as_bytes();
    let mut bytes = Vec::with_capacity(rest.len());
    while let Some((&first, tail)) = rest.split_first() {
        match (first, digit(tail.first()), digit(tail.get(1))) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(high << 4 | low);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    bytes.into()
}

/// `1.2 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    if bytes < 1024 {
        return count(bytes, "byte");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = "KiB";
    for larger in ["MiB", "GiB", "TiB", "PiB", "EiB"] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = larger;
    }
    format!("{value:.1} {unit}")
}

/// `1 snapshot`, `2 snapshots`.
pub(crate) fn count(n: u64, noun: &str) -> String {
    let ending = match (n, noun.strip_suffix('y')) {
        (1, _) => return format!("1 {noun}"),
        (_, Some(stem)) if !stem.ends_with(['a', 'e', 'o']) => return format!("{n} {stem}ies"),
        _ => "s",
    };
    format!("{n} {noun}{ending}")
}

/// Why a path was skipped, for people.
pub(crate) fn reason(reason: &SkipReason) -> String {
    reason_name(reason.name())
}

/// The same by its name.
pub(crate) fn reason_name(name: &str) -> String {
    name.replace('-', " ")
}

/// A point in time in the zone of this machine.
pub(crate) fn local_time(at: Timestamp) -> String {
    match jiff::Timestamp::from_millisecond(at.as_millis()) {
        Ok(zoned) if time::is_date(at) => {
            zoned.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
        }
        Ok(_) | Err(_) => time::NO_DATE.to_owned(),
    }
}

/// Length as `usize` counts it, as `u64`.
pub(crate) fn len<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_cannot_be_meant_is_none() {
        for none in [-(1 << 53), -1, 1 << 53, i64::MAX] {
            assert_eq!(local_time(Timestamp::from_millis(none)), "no date");
        }
        assert!(local_time(Timestamp::from_secs(1_790_000_000)).starts_with("2026-"));
    }

    #[test]
    fn a_path_in_json_gives_every_byte_back() {
        for bytes in [&b"src/net.rs"[..], b"50%", b"%41", "gr\u{fc}n".as_bytes(), b"\xff\xfe/x", b"a\nb", b""] {
            assert_eq!(unquote(&json_path(bytes.as_bstr())), bytes.as_bstr());
        }
        assert_eq!(json_path(b"\xff 50%".as_bstr()), "%ff 50%25");
    }

    #[test]
    fn a_path_for_people_cannot_steer_the_terminal() {
        assert_eq!(path(b"a\x1b[2Jb\xffc".as_bstr()), "a\u{fffd}[2Jb\u{fffd}c");
    }

    #[test]
    fn text_from_elsewhere_cannot_steer_the_terminal() {
        assert_eq!(line("a\x1b[31m\nb\u{202e}c"), "a\u{fffd}[31m\u{fffd}b\u{fffd}c");
        assert_eq!(lines("a\r\nb\tc\u{7}"), "a\u{fffd}\nb\tc\u{fffd}");
    }

    #[test]
    fn a_path_can_be_pasted_into_a_shell() {
        assert_eq!(shell_word(Path::new("/home/u/src")), "/home/u/src");
        assert_eq!(shell_word(Path::new("/a b/it's $HOME")), r"'/a b/it'\''s $HOME'");
    }

    #[test]
    fn sizes_and_counts_are_readable() {
        assert_eq!(
            [0, 1, 1023, 1024, 1536, 5 << 30].map(size),
            ["0 bytes", "1 byte", "1023 bytes", "1.0 KiB", "1.5 KiB", "5.0 GiB"]
        );
        assert_eq!(
            [count(1, "repository"), count(2, "repository"), count(0, "file"), count(2, "day")],
            ["1 repository", "2 repositories", "0 files", "2 days"]
        );
    }

    #[test]
    fn home_is_a_tilde() {
        let home = Some(Path::new("/home/u"));
        assert_eq!(folder(Path::new("/home/u/src"), home), "~/src");
        assert_eq!(folder(Path::new("/home/u"), home), "~");
        assert_eq!(folder(Path::new("/home/user"), home), "/home/user");
        assert_eq!(folder(Path::new("/x"), Some(Path::new("/"))), "/x");
    }
}
