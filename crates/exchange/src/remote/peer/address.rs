//! What follows the base in an address.

use crate::name::Folder;
use crate::percent::encode_path;
use crate::remote::RemoteFile;

/// The path of a folder below the base, with a slash at its end; that of the base itself is empty.
pub(super) fn of_folder(folder: Folder) -> String {
    let path = folder.to_string();
    path.strip_prefix("carry/").map(|below| format!("{below}/")).unwrap_or_default()
}

/// The path of a file below the base. Foreign files may have any character in their names.
pub(super) fn of(file: &RemoteFile) -> String {
    let path = file.path();
    encode_path(path.strip_prefix("carry/").unwrap_or(path))
}
