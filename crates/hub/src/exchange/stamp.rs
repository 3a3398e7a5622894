//! What tells, without reading a folder, that nothing in it came, went or was renamed.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

/// Within this time of a change another may bear the same stamp.
pub(super) const RACY: Duration = Duration::from_secs(3);
/// How long a reading holds though nothing seems to have happened: a file may be written to in its place.
pub(super) const READ_EVERY: Duration = Duration::from_secs(15);

/// A folder's identity and times; `None` where there is none.
pub(super) type Stamp = Option<(u64, u64, i64, i64, i64, i64)>;

/// The stamp of `folder` now.
pub(super) fn of(folder: &Path) -> Stamp {
    let data = folder.symlink_metadata().ok()?;
    Some((data.dev(), data.ino(), data.mtime(), data.mtime_nsec(), data.ctime(), data.ctime_nsec()))
}
