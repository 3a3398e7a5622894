//! One process at a time says what there is to say.
//!
//! What a strand says follows from what it said before, and a segment from the tail as it is: two that look at the same state
//! would say the same twice, and one would find its work done under its hands. A lock on a file keeps them apart. It ends
//! with the process that holds it, and nobody holds it while a remote is waited for.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;

use carry_kernel::disk::{self, DiskError};

use super::{Store, StoreError};

/// Held by who says what there is to say on this device. Released when dropped, and when the process ends.
#[derive(Debug)]
#[must_use = "others may say something as soon as it is dropped"]
pub struct Saying(#[expect(dead_code, reason = "its lock ends when it is closed")] File);

impl Store {
    /// Waits until nobody else says anything on this device, in this process or another, and keeps others from it. To be held
    /// from the first look at what is to be said until it is signed; never while a remote is waited for, and never taken by
    /// who holds it already: that would wait for itself.
    ///
    /// # Errors
    /// [`StoreError::Disk`] when the file cannot be made or locked.
    pub fn saying(&self) -> Result<Saying, StoreError> {
        let file = self.saying_file()?;
        loop {
            match file.lock() {
                Ok(()) => return Ok(Saying(file)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(DiskError::at("lock", &self.places.saying_file())(error).into()),
            }
        }
    }

    /// The same without waiting; `None` while somebody says something.
    ///
    /// # Errors
    /// As for [`saying`](Self::saying).
    pub fn try_saying(&self) -> Result<Option<Saying>, StoreError> {
        let file = self.saying_file()?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Saying(file))),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => {
                Err(DiskError::at("lock", &self.places.saying_file())(error).into())
            }
        }
    }

    /// Opened anew for each lock: a lock belongs to what was opened, so that threads keep apart, too.
    fn saying_file(&self) -> Result<File, DiskError> {
        let path = self.places.saying_file();
        if let Some(dir) = path.parent() {
            disk::create_dir(dir)?;
        }
        let open = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        open.map_err(DiskError::at("open", &path))
    }
}
