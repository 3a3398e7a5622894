//! Databases that were just made, as bytes. Making one takes longer than most of what a device does in its life, so that each
//! new home begins with copies.

use std::io;
use std::path::Path;
use std::sync::LazyLock;

use carry_exchange::store::{SCHEMA, StoreError};
use carry_kernel::db::{Db, Schema};
use carry_kernel::disk;

use crate::strand;

static EXCHANGE: LazyLock<io::Result<Vec<u8>>> = LazyLock::new(|| make(SCHEMA));
static STRANDS: LazyLock<io::Result<Vec<u8>>> = LazyLock::new(|| make(strand::SCHEMA));

/// Puts the databases of a new home where they are not there yet.
///
/// # Errors
/// [`StoreError`] when they cannot be made or written.
pub(crate) fn begin(exchange: &Path, strands: &Path) -> Result<(), StoreError> {
    for (path, template) in [(exchange, &EXCHANGE), (strands, &STRANDS)] {
        if !path.exists() {
            let bytes = template.as_ref().map_err(|error| io::Error::new(error.kind(), error.to_string()))?;
            disk::create_new(path, bytes)?;
        }
    }
    Ok(())
}

fn make(schema: Schema) -> io::Result<Vec<u8>> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("template.db");
    let db = Db::open(&path, schema).map_err(io::Error::other)?;
    // All of it lies in the log until then.
    db.conn().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").map_err(io::Error::other)?;
    drop(db);
    std::fs::read(&path)
}
