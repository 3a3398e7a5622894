//! Keys in files of their own: 32 random bytes, made once, for the owner alone.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{self, DiskError};
use crate::id;

/// Bytes of a key's file: 64 hex digits and a line break.
const FILE_BYTES_MAX: u64 = 128;

/// Why a key could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It could not be read or written.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The file is there but holds no key. It is never replaced by itself: what was made with the old key would no longer fit.
    #[error("{} does not hold a key of 64 hex digits", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The system gave no random bytes.
    #[error("no random bytes from the system")]
    Random(#[source] io::Error),
}

/// Reads the key at `path`, or makes it once: of two processes that make it at the same time both get the same.
///
/// # Errors
/// [`SecretError`].
pub fn load_or_create(path: &Path) -> Result<[u8; 32], SecretError> {
    if let Some(key) = load(path)? {
        return Ok(key);
    }
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| {
        let cause = error.raw_os_error().map(io::Error::from_raw_os_error);
        SecretError::Random(cause.unwrap_or_else(|| io::Error::other(error.to_string())))
    })?;
    if disk::create_new(path, format!("{}\n", id::hex(&key)).as_bytes())? {
        return Ok(key);
    }
    load(path)?.ok_or_else(|| SecretError::Damaged { path: path.to_owned() })
}

/// Reads the key at `path`; `None` when none was made yet.
///
/// # Errors
/// [`SecretError`].
pub fn load(path: &Path) -> Result<Option<[u8; 32]>, SecretError> {
    let Some(bytes) = disk::read_bounded(path, FILE_BYTES_MAX)? else { return Ok(None) };
    parse(&bytes, path).map(Some)
}

/// Reads the key at `path`, which others must not be able to read: see [`disk::open_private`].
///
/// # Errors
/// [`SecretError`].
pub fn load_private(path: &Path) -> Result<[u8; 32], SecretError> {
    let bytes = disk::open_private(path).and_then(|file| disk::read_at_most(file, FILE_BYTES_MAX));
    parse(&bytes.map_err(DiskError::at("use", path))?, path)
}

fn parse(bytes: &[u8], path: &Path) -> Result<[u8; 32], SecretError> {
    let key = std::str::from_utf8(bytes).ok().and_then(|text| unhex(text.trim_end()));
    key.ok_or_else(|| SecretError::Damaged { path: path.to_owned() })
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    if !id::is_hex(text, 64) {
        return None;
    }
    let mut bytes = [0; 32];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_is_the_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/mask.key");
        assert_eq!(load(&path).unwrap(), None);
        let key = load_or_create(&path).unwrap();
        assert_eq!(load_or_create(&path).unwrap(), key);
        assert_ne!(load_or_create(&dir.path().join("other")).unwrap(), key);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_key_that_others_can_read_or_replace_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("team.key");
        let key = load_or_create(&path).unwrap();
        assert_eq!(load_private(&path).unwrap(), key);
        for mode in [0o640, 0o604, 0o620, 0o602] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert!(load_private(&path).unwrap_err().to_string().contains("cannot use"));
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
            assert!(load_private(&path).is_err());
        }
    }

    #[test]
    fn a_damaged_key_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mask.key");
        disk::write_atomic(&path, b"not a key").unwrap();
        assert!(matches!(load_or_create(&path), Err(SecretError::Damaged { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), b"not a key");
    }
}
