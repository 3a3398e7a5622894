//! Taking a pack over as it is from another object folder on the same file system, where copying would cost too much.
//!
//! Such a pack is Git's, deltas and all: it is never folded.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use carry_kernel::disk::{DiskError, sync_dir};
use carry_kernel::fault;

use super::Keep;

/// Moves `pack` and what belongs to it into the object folder `objects`. Git leaves it as it is until the second value
/// goes.
pub(crate) fn adopt(objects: &Path, pack: &Path) -> Result<(PathBuf, Option<Keep>), DiskError> {
    let dir = objects.join("pack");
    let name = pack.file_name().ok_or_else(|| DiskError::at("move", pack)(io::ErrorKind::InvalidInput.into()))?;
    let target = dir.join(name);
    for end in ["pack", "idx"] {
        let path = pack.with_extension(end);
        File::open(&path).and_then(|file| file.sync_all()).map_err(DiskError::at("sync", &path))?;
    }
    let keep = Keep::new(&target).map_err(DiskError::at("write", &dir))?;
    let moved = move_all(pack, &target);
    if moved.is_err() {
        // Without its index nobody can use it, and Git would never remove it.
        let _ = std::fs::remove_file(&target);
    }
    moved?;
    sync_dir(&dir)?;
    Ok((target, keep))
}

/// The index last: with it Git sees the pack. `.promisor` says where objects that are missing may be had.
fn move_all(pack: &Path, target: &Path) -> Result<(), DiskError> {
    for end in ["promisor", "rev", "pack", "idx"] {
        let (from, to) = (pack.with_extension(end), target.with_extension(end));
        if end == "idx" {
            fault::point("pack.adopting").map_err(DiskError::at("move", &from))?;
        }
        match std::fs::rename(&from, &to) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound && matches!(end, "promisor" | "rev") => {}
            Err(e) => return Err(DiskError::at("move", &from)(e)),
        }
    }
    Ok(())
}
