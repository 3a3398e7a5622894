//! How much is kept, here and at remotes, in numbers.

use carry_kernel::clock::Timestamp;

use super::rows::number;
use super::{Store, StoreError};

/// What of one remote is remembered, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PutTotals {
    /// Files that this device put there, and that it did not remove again.
    pub n_files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files there that could not be used when they were looked at last.
    pub n_rejected: u64,
}

impl Store {
    /// What this device put to a remote, and what it could not use there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_totals(&self, remote: &str) -> Result<PutTotals, StoreError> {
        // What is absent, cannot be placed yet, or is older than what is remembered is not unusable.
        let sql = "SELECT count(*), coalesce(sum(bytes), 0), (
                       SELECT count(*) FROM rejects WHERE remote = ?1 AND kind NOT IN ('absent', 'unclear', 'older'))
                   FROM put WHERE remote = ?1";
        let totals = self.db.conn().prepare_cached(sql)?.query_row([remote], |row| {
            Ok(PutTotals { n_files: number(row, 0)?, bytes: number(row, 1)?, n_rejected: number(row, 2)? })
        });
        Ok(totals?)
    }

    /// How much is kept here: segments, their bytes, and records that are in none yet.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn sizes(&self) -> Result<Sizes, StoreError> {
        let sql = "SELECT (SELECT count(*) FROM segments) + (SELECT count(*) FROM later),
                          (SELECT coalesce(sum(bytes), 0) FROM segments) + (SELECT coalesce(sum(bytes), 0) FROM later),
                          (SELECT count(*) FROM superseded), (SELECT coalesce(sum(bytes), 0) FROM superseded),
                          (SELECT count(*) FROM tail), (SELECT count(*) FROM pending),
                          (SELECT count(*) FROM logs), (SELECT count(*) FROM rotations)";
        let sizes = self.db.conn().prepare_cached(sql)?.query_row([], |row| {
            Ok(Sizes {
                n_segments: number(row, 0)?,
                segment_bytes: number(row, 1)?,
                n_superseded: number(row, 2)?,
                superseded_bytes: number(row, 3)?,
                n_unsealed: number(row, 4)?,
                n_attachments: number(row, 5)?,
                n_logs: number(row, 6)?,
                n_renewals: number(row, 7)?,
            })
        });
        Ok(sizes?)
    }

    /// How many renewals for a changed place lie within [`RENEWALS_WINDOW`](super::RENEWALS_WINDOW) before `now`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn n_recent_renewals(&self, now: Timestamp) -> Result<usize, StoreError> {
        let start = now.before(super::RENEWALS_WINDOW);
        Ok(super::incarnation::renewals(self.db.conn())?.into_iter().filter(|at| *at > start).count())
    }
}

/// How much is kept here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Files with records and attachments.
    pub n_segments: u64,
    /// Their bytes.
    pub segment_bytes: u64,
    /// Own files that were merged into others and are still kept for those who read an older head.
    pub n_superseded: u64,
    /// Their bytes.
    pub superseded_bytes: u64,
    /// Own records that are in no file yet.
    pub n_unsealed: u64,
    /// Own attachments that are in no file yet.
    pub n_attachments: u64,
    /// Logs that are known.
    pub n_logs: u64,
    /// How often this device went on under a new key.
    pub n_renewals: u64,
}
