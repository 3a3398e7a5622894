//! Keeping Git's hands off a pack until a ref holds what is in it.
//!
//! As `git fetch` does: a `.keep` file beside the pack, removed once the refs have moved. We also hold an advisory lock
//! on it, so that one left by a process that died can be told from one that is in use.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::FlockOperation;

/// What is in such a file of ours.
const CONTENT: &[u8] = b"carry\n";

/// How long to wait for whoever clears such a file away, between attempts.
const WAITS_MS: &[u64] = &[1, 2, 5, 10, 20, 50];

/// A pack that `git repack` and `git gc` leave as it is until this value goes.
#[derive(Debug)]
pub struct Keep {
    path: PathBuf,
    _file: File,
}

impl Keep {
    /// Of a pack that has no name yet. `None` when somebody else keeps one of that name already.
    ///
    /// One that a process left that died is taken over: whoever clears leftovers away then sees that it is in use.
    pub(super) fn new(pack: &Path) -> io::Result<Option<Self>> {
        let path = pack.with_extension("keep");
        let mut waits = WAITS_MS.iter();
        loop {
            let mut file = super::writer::temporary(pack.parent().unwrap_or(pack))?;
            file.write_all(CONTENT)?;
            // Where the file system cannot do it, nobody takes the file for a leftover either.
            let _ = rustix::fs::flock(file.as_file(), FlockOperation::NonBlockingLockExclusive);
            match file.persist_noclobber(&path) {
                Ok(file) => return Ok(Some(Self { path, _file: file })),
                Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e.error),
            }
            if let Ok(Some(file)) = leftover(&path) {
                return Ok(Some(Self { path, _file: file }));
            }
            // It may be about to be cleared away, and the pack with it.
            let Some(ms) = waits.next() else { return Ok(None) };
            std::thread::sleep(Duration::from_millis(*ms));
        }
    }
}

impl Drop for Keep {
    fn drop(&mut self) {
        // Left behind it costs a little space until it is found to be a leftover.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Removes what processes that died left below `objects`: without it Git would never pack those packs again. A pack that
/// did not get its index goes too: nobody can read it, and later it could not be told for ours.
pub fn remove_leftovers(objects: &Path) {
    for entry in std::fs::read_dir(objects.join("pack")).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|e| e != "keep") {
            continue;
        }
        // Held until both are gone.
        let Ok(Some(_lock)) = leftover(&path) else { continue };
        tracing::info!(path = %path.display(), "removing what a process that died left");
        let pack = path.with_extension("pack");
        if super::orphan::lacks_index(objects, &pack) {
            let _ = std::fs::remove_file(&pack);
        }
        let _ = std::fs::remove_file(&path);
    }
}

/// The file at `path`, locked, if a process that died left it.
fn leftover(path: &Path) -> io::Result<Option<File>> {
    let file = File::open(path)?;
    let mut content = Vec::new();
    (&file).take(CONTENT.len() as u64 + 1).read_to_end(&mut content)?;
    if content != CONTENT || rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(None);
    }
    // Cleared away and made anew in the moment before it was locked, it is somebody else's.
    let (held, there) = (file.metadata()?, path.symlink_metadata()?);
    Ok(((held.dev(), held.ino()) == (there.dev(), there.ino())).then_some(file))
}
