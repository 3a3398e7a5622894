//! Turns: who writes for long lets those through who have little to write.
//!
//! Whoever wants a turn holds a file beside the database locked, together with others who want one, while it waits for SQLite
//! and writes. Whoever writes for long waits between two transactions until nobody holds it. The system lets go of a lock when
//! its holder dies. Where the file cannot be locked, all wait as SQLite does.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Pause between two looks whether somebody still wants a turn, in milliseconds.
const LOOK_MS: u64 = 5;
/// Looks until a turn is over, whoever holds it: one that hangs must not hold up everything.
const LOOKS_MAX: u32 = 600;

/// Asks for a turn, which lasts until the file is dropped.
pub(super) fn ask(database: &Path) -> Option<File> {
    let file = open(database).ok()?;
    file.lock_shared().ok()?;
    Some(file)
}

/// Waits until nobody wants a turn.
pub(super) fn give(database: &Path) {
    let Ok(file) = open(database) else { return };
    for _ in 0..LOOKS_MAX {
        match file.try_lock() {
            Err(std::fs::TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(LOOK_MS)),
            Ok(()) | Err(std::fs::TryLockError::Error(_)) => return,
        }
    }
}

fn open(database: &Path) -> io::Result<File> {
    let mut path = OsString::from(database);
    path.push("-turn");
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(PathBuf::from(path))
}
