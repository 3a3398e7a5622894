//! What follows the base in an address.

use crate::name::Folder;
use crate::remote::RemoteFile;

/// The path of a folder below the base, with a slash at its end; that of the base itself is empty.
pub(super) fn of_folder(folder: Folder) -> String {
    let path = folder.to_string();
    path.strip_prefix("carry/").map(|below| format!("{below}/")).unwrap_or_default()
}

/// The path of a file below the base. Foreign files may have any character in their names.
pub(super) fn of(file: &RemoteFile) -> String {
    let path = file.path();
    encode(path.strip_prefix("carry/").unwrap_or(path), true)
}

/// Percent-encoded but for what stands for itself everywhere; a slash only in a path.
pub(super) fn encode(text: &str, is_path: bool) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, b| {
        match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(b)),
            b'/' if is_path => encoded.push('/'),
            _ => write!(encoded, "%{b:02X}").expect("writing to a string does not fail"),
        }
        encoded
    })
}
