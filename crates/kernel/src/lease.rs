//! Who may do a job now: a row with owner, deadline and fencing counter.
//!
//! A lease whose owner is dead on this machine is taken at once; one held elsewhere or by a living
//! process is taken when its deadline has passed. The fencing counter grows with every taking, also across
//! releases, so that a holder that slept through its deadline finds out before it commits
//! ([`Lease::check`]). Correctness rests on that check; the deadline only decides who tries next.
//!
//! Which clock the deadline is read on depends on who asks:
//!
//! | the row was written | it lapses when |
//! |---|---|
//! | on this boot of this machine | its steady deadline has passed |
//! | on another boot of this host | at once |
//! | elsewhere, or where boots cannot be told apart | its wall deadline has passed by [`FOREIGN_MARGIN`] |
//!
//! Steady clocks of two machines that share a home cannot be compared, and wall clocks lie. A wall
//! deadline further ahead than the lease's time plus the margin was written under such a clock, and lapses at
//! once too: otherwise a clock set to the next century would hold the lease until then. With
//! clocks that far apart a living holder can lose its lease early, and its check tells it so.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{OptionalExtension as _, Row, params};

use crate::clock::{Clock, SystemClock, Timestamp};
use crate::db::{Db, DbError, rusqlite};
use crate::kernel_db::SCHEMA;

mod owner;

pub use owner::Owner;

/// How far two machines' wall clocks may lie apart before one takes the other's lease early.
pub const FOREIGN_MARGIN: Duration = Duration::from_secs(5 * 60);

/// A lease held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// What was leased.
    pub name: String,
    /// The fencing counter of this holding.
    pub fence: u64,
    /// Until when, on the steady clock of this boot.
    pub until: Timestamp,
}

/// The outcome of trying. A refusal is an answer, not an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is ours.
    Granted(Held),
    /// Somebody else has it.
    Refused {
        /// Who.
        owner: Owner,
        /// Until when, on the steady clock of this boot.
        until: Timestamp,
    },
}

/// A handle to the lease table of the kernel's database.
#[derive(Debug)]
pub struct Lease {
    db: Db,
    owner: Owner,
    clock: Arc<dyn Clock>,
}

/// A row of the table.
struct Entry {
    fence: i64,
    owner: Option<Owner>,
    ttl: Duration,
    until_steady: Timestamp,
    until_wall: Timestamp,
}

impl Lease {
    /// Opens the table in the kernel's database below `home`.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn open(home: &crate::home::Home, owner: Owner) -> Result<Self, DbError> {
        let db = Db::open(&home.kernel_database(), SCHEMA)?;
        Ok(Self { db, owner, clock: Arc::new(SystemClock) })
    }

    /// Reads the wall clock from `clock`. Only deadlines that another machine compares are on it.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Tries to take `name` for `ttl`. Taking what one holds already renews it with the same fence.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn acquire(&mut self, name: &str, ttl: Duration, now: Timestamp) -> Result<Outcome, DbError> {
        let (owner, wall, failed) = (&self.owner, self.clock.now(), self.db.failed());
        self.db.write(|tx| {
            let entry = tx.query_row(SELECT, [name], Entry::read).optional().map_err(&failed)?;
            let fence = match entry {
                None => 1,
                Some(Entry { fence, owner: None, .. }) => fence + 1,
                Some(Entry { fence, owner: Some(holder), .. }) if holder == *owner => fence,
                Some(Entry { owner: Some(holder), until_steady, until_wall, ttl, fence }) => {
                    let until = if holder.shares_clock_with(owner) {
                        until_steady
                    } else {
                        foreign_deadline(until_wall, ttl, wall, now)
                    };
                    // The deadline first: it is cheaper than asking the system about the process.
                    if now < until && !holder.is_dead_beside(owner) {
                        return Ok(Outcome::Refused { owner: holder, until });
                    }
                    fence + 1
                }
            };
            let until = now.after(ttl);
            tx.execute(
                UPSERT,
                params![
                    name,
                    fence,
                    owner.host,
                    owner.pid,
                    owner.boot,
                    owner.started.cast_signed(),
                    owner.nonce.cast_signed(),
                    millis(ttl),
                    until.as_millis(),
                    wall.after(ttl).as_millis()
                ],
            )
            .map_err(&failed)?;
            Ok(Outcome::Granted(Held { name: name.to_owned(), fence: fence.cast_unsigned(), until }))
        })
    }

    /// Extends a lease still held; `None` when it was lost. One whose deadline has passed, but that nobody
    /// took, is still held.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn renew(&mut self, held: &Held, ttl: Duration, now: Timestamp) -> Result<Option<Held>, DbError> {
        let (owner, wall, failed) = (&self.owner, self.clock.now(), self.db.failed());
        let until = now.after(ttl);
        let n_rows = self.db.write(|tx| {
            tx.execute(
                "UPDATE lease SET ttl_ms = ?4, until_steady = ?5, until_wall = ?6
                 WHERE name = ?1 AND fence = ?2 AND nonce = ?3",
                params![
                    held.name,
                    held.fence.cast_signed(),
                    owner.nonce.cast_signed(),
                    millis(ttl),
                    until.as_millis(),
                    wall.after(ttl).as_millis()
                ],
            )
            .map_err(&failed)
        })?;
        Ok((n_rows == 1).then(|| Held { until, ..held.clone() }))
    }

    /// Whether `held` is still ours (same fence), to be asked inside the step that commits the work: after
    /// all that takes time, right before the first thing others can see.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn check(&self, held: &Held) -> Result<bool, DbError> {
        self.db
            .conn()
            .query_row(
                "SELECT 1 FROM lease WHERE name = ?1 AND fence = ?2 AND nonce = ?3",
                params![held.name, held.fence.cast_signed(), self.owner.nonce.cast_signed()],
                |_| Ok(()),
            )
            .optional()
            .map(|found| found.is_some())
            .map_err(self.db.failed())
    }

    /// Gives it back. Giving back what was lost does nothing.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn release(&mut self, held: Held) -> Result<(), DbError> {
        let (owner, failed) = (&self.owner, self.db.failed());
        self.db.write(|tx| {
            tx.execute(
                "UPDATE lease SET host = NULL, pid = NULL, boot = NULL, started = NULL, nonce = NULL
                 WHERE name = ?1 AND fence = ?2 AND nonce = ?3",
                params![held.name, held.fence.cast_signed(), owner.nonce.cast_signed()],
            )
            .map(drop)
            .map_err(&failed)
        })
    }
}

const SELECT: &str = "SELECT fence, host, pid, boot, started, nonce, ttl_ms, until_steady, until_wall
    FROM lease WHERE name = ?1";

const UPSERT: &str = "INSERT OR REPLACE INTO lease
    (name, fence, host, pid, boot, started, nonce, ttl_ms, until_steady, until_wall)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";

/// When a lease written under another clock lapses, on our steady clock. Not after `now` means already.
fn foreign_deadline(until_wall: Timestamp, ttl: Duration, wall: Timestamp, now: Timestamp) -> Timestamp {
    let left = until_wall.after(FOREIGN_MARGIN).since(wall);
    if left > ttl.saturating_add(FOREIGN_MARGIN * 2) { now } else { now.after(left) }
}

fn millis(d: Duration) -> i64 {
    i64::try_from(d.as_millis()).unwrap_or(i64::MAX)
}

impl Entry {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let host: Option<String> = row.get(1)?;
        let owner = match host {
            None => None,
            Some(host) => Some(Owner {
                host,
                pid: row.get(2)?,
                boot: row.get(3)?,
                started: row.get::<_, i64>(4)?.cast_unsigned(),
                nonce: row.get::<_, i64>(5)?.cast_unsigned(),
            }),
        };
        Ok(Self {
            fence: row.get(0)?,
            owner,
            ttl: Duration::from_millis(row.get::<_, i64>(6)?.max(0).cast_unsigned()),
            until_steady: Timestamp::from_millis(row.get(7)?),
            until_wall: Timestamp::from_millis(row.get(8)?),
        })
    }
}

#[cfg(test)]
mod tests;
