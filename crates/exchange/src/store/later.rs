//! Segments that only a later version of the program can read. Every byte of one is checked against the signed head that names
//! it; what is in it is not known. It is kept whole and passed on, and none of its records counts as held, until another version
//! of the program runs and looks at it again, or no head that is kept names it any more.

use std::collections::BTreeSet;

use carry_kernel::db::rusqlite::{self, Connection};

use super::fault::point;
use super::heads::{READER, followed_digests};
use super::incarnation::disk_error;
use super::places::{self, Incoming};
use super::read::describe;
use super::rows::{int, parsed, reference};
use super::seal::file_name;
use super::sign::find_list;
use super::status::followed;
use super::verified::Verified;
use super::verify::Findings;
use super::{Accepted, Store, StoreError};
use crate::hash::Digest;
use crate::head::{Segments, segments};
use crate::name::{LogId, ObjectName, StreamName};
use crate::segment::{Expected, check_segment};

impl Store {
    /// Keeps a whole segment that this version cannot read, once its bytes are found to be those that were named.
    pub(super) fn keep_later(&mut self, expected: &Expected, mut incoming: Incoming) -> Result<Accepted, StoreError> {
        let name = expected.reference.name(expected.log, &expected.stream);
        let (file, bytes) = incoming.rewind()?;
        check_segment(&name, bytes, file)?;
        let file = file_name(expected.log, &expected.stream, &expected.reference);
        let _guard = self.places.keep(incoming, &self.places.log_dir(expected.log), &file)?;
        point("exchange.later.kept")?;
        let reference = expected.reference;
        self.db.write(|tx| {
            let sql = "INSERT OR REPLACE INTO later (log, stream, first, last, bytes, digest, file, reader)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
            tx.prepare_cached(sql)?.execute((
                expected.log.to_string(),
                expected.stream.as_str(),
                int(reference.first),
                int(reference.last),
                int(reference.bytes),
                reference.digest.as_bytes(),
                &file,
                READER,
            ))?;
            Ok::<_, StoreError>(())
        })?;
        Ok(Accepted::Later)
    }

    /// Looks again at segments that another version of the program could not read: this one may. What no followed head names any
    /// more, or turns out to be wrong, is let go; where it is, it is found again.
    pub(super) fn reconsider_segments(&mut self) {
        let kept = match self.later_segments("WHERE reader <> ?1", &[READER]) {
            Ok(kept) => kept,
            Err(error) => {
                tracing::warn!(error = %describe(&error), "segments that were kept cannot be looked at again");
                return;
            }
        };
        for expected in kept {
            let done = self.reconsider_segment(&expected);
            let name = expected.reference.name(expected.log, &expected.stream);
            match done {
                Ok(is_read) => tracing::info!(%name, is_read, "a segment was looked at again by another version"),
                // It stays, and is looked at again when the store is opened.
                Err(error) => tracing::warn!(%name, error = %describe(&error), "a segment cannot be looked at again"),
            }
        }
    }

    fn reconsider_segment(&mut self, expected: &Expected) -> Result<bool, StoreError> {
        let name = file_name(expected.log, &expected.stream, &expected.reference);
        let guard = self.places.guard()?;
        let taken = places::open(&self.places.file(expected.log, &name)).map_err(StoreError::from);
        let taken = taken.and_then(|file| {
            let bytes = file.metadata().map_err(StoreError::from)?.len();
            self.take_whole(expected, bytes, file, |_, _| Ok(guard))
        });
        let is_later = matches!(&taken, Err(StoreError::Segment(error)) if error.needs_upgrade());
        let is_gone = match &taken {
            Ok(_) | Err(StoreError::Segment(_) | StoreError::UnknownLog(_)) => true,
            Err(StoreError::Disk(error)) => error.source.kind() == std::io::ErrorKind::NotFound,
            Err(_) => false,
        };
        let (log, file) = (expected.log.to_string(), name);
        if is_later {
            let sql = "UPDATE later SET reader = ?3 WHERE log = ?1 AND file = ?2";
            self.db.write(|tx| Ok::<_, StoreError>(tx.execute(sql, (&log, &file, READER))?))?;
            return Ok(false);
        }
        if is_gone {
            let sql = "DELETE FROM later WHERE log = ?1 AND file = ?2";
            self.db.write(|tx| Ok::<_, StoreError>(tx.execute(sql, (&log, &file))?))?;
        }
        match taken {
            Ok(_) => Ok(true),
            Err(_) if is_gone => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The segments of a log that are kept for a later version.
    pub(crate) fn kept_for_later(&self, log: LogId) -> Result<BTreeSet<Digest>, StoreError> {
        let all = self.later_segments("WHERE log = ?1", &[&log.to_string()])?;
        Ok(all.into_iter().map(|expected| expected.reference.digest).collect())
    }

    /// Whether a followed head of a log that counts names something of a stream that only a later version can read.
    pub(crate) fn awaits_upgrade(&self, stream: &StreamName) -> Result<bool, StoreError> {
        let sql = "SELECT DISTINCT k.log FROM later k JOIN logs l ON l.log = k.log
                       WHERE k.stream = ?1 AND l.state IN ('approved', 'former')";
        let mut rows = self.db.conn().prepare_cached(sql)?;
        let logs =
            rows.query_map([stream.as_str()], |row| parsed(row, 0))?.collect::<rusqlite::Result<Vec<LogId>>>()?;
        for log in logs {
            if named_later(self.db.conn(), log)?.iter().any(|kept| kept.stream == *stream) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Lets go of the segments of a log that neither a followed head names nor an older one that is kept: an author merges
    /// segments, and none of these counts as held. What a head may name whose list is not here stays.
    pub(super) fn drop_unnamed_later(&mut self, log: LogId) -> Result<(), StoreError> {
        let kept = self.later_segments("WHERE log = ?1", &[&log.to_string()])?;
        if kept.is_empty() {
            return Ok(());
        }
        let followed = self.followed_of(log)?;
        let mut named = BTreeSet::new();
        for one in &followed {
            let Some(segments) = &one.segments else { return Ok(()) };
            named.extend(digests(segments));
            for (_, segments) in self.older_heads(log, one.track)? {
                named.extend(digests(&segments));
            }
        }
        let tracks: Vec<_> = followed.iter().map(|one| (one.track, one.head.digest())).collect();
        self.db.write(|tx| {
            // What another process follows by now may name others.
            if followed_digests(tx, log)? != tracks {
                return Ok::<_, StoreError>(());
            }
            for expected in kept.iter().filter(|expected| !named.contains(&expected.reference.digest)) {
                let file = file_name(log, &expected.stream, &expected.reference);
                tx.execute("DELETE FROM later WHERE log = ?1 AND file = ?2", (log.to_string(), file))?;
            }
            Ok(())
        })
    }

    fn later_segments(&self, which: &str, params: &[&str]) -> Result<Vec<Expected>, StoreError> {
        later_segments(self.db.conn(), which, params)
    }

    pub(super) fn verify_later(&self, found: &mut Findings) -> Result<(), StoreError> {
        self.damaged_later(found).map(drop)
    }

    /// Segments for a later version that are not what they were, with what of it was found.
    pub(super) fn damaged_later(&self, found: &mut Findings) -> Result<Vec<(String, ObjectName)>, StoreError> {
        let mut bad = Vec::new();
        for expected in self.later_segments("", &[])? {
            let name = expected.reference.name(expected.log, &expected.stream);
            let path = self.places.file(expected.log, &file_name(expected.log, &expected.stream, &expected.reference));
            let problem = match places::open(&path) {
                Err(error) if error.source.kind() == std::io::ErrorKind::NotFound => "it is gone".to_owned(),
                Err(error) => return Err(error.into()),
                Ok(file) => {
                    let bytes = file.metadata().map_err(disk_error("read", &path))?.len();
                    let checked = match bytes == expected.reference.bytes {
                        true => check_segment(&name, bytes, std::io::BufReader::new(file)).map_err(|e| describe(&e)),
                        false => Err(format!("it has {bytes} bytes instead of {}", expected.reference.bytes)),
                    };
                    let Err(problem) = checked else { continue };
                    problem
                }
            };
            found.add(path.display().to_string(), problem);
            bad.push((path.display().to_string(), name));
        }
        Ok(bad)
    }
}

/// The segments of a log that are kept for a later version and that a followed head names, as far as can be told: all of them
/// while the list of one is not here.
pub(super) fn named_later(db: &Connection, log: LogId) -> Result<Vec<Expected>, StoreError> {
    let mut kept = later_segments(db, "WHERE log = ?1", &[&log.to_string()])?;
    if kept.is_empty() {
        return Ok(kept);
    }
    let mut named = BTreeSet::new();
    for (_, head, _) in followed(db, log)? {
        let list = match &head.head().list {
            None => None,
            Some(list) => match find_list(db, &Verified::default(), log, list) {
                Ok(Some(found)) => Some(found),
                Ok(None) | Err(StoreError::Damaged { .. }) => return Ok(kept),
                Err(error) => return Err(error),
            },
        };
        named.extend(digests(&segments(head.head(), list.as_deref()).unwrap_or_default()));
    }
    kept.retain(|expected| named.contains(&expected.reference.digest));
    Ok(kept)
}

fn digests(segments: &Segments) -> impl Iterator<Item = Digest> {
    segments.values().flatten().map(|segment| segment.digest)
}

fn later_segments(db: &Connection, which: &str, params: &[&str]) -> Result<Vec<Expected>, StoreError> {
    let sql = format!("SELECT log, stream, first, last, bytes, digest FROM later {which} ORDER BY log, stream, first");
    let mut rows = db.prepare_cached(&sql)?;
    let rows = rows.query_map(rusqlite::params_from_iter(params), |row| {
        Ok(Expected { log: parsed(row, 0)?, stream: parsed(row, 1)?, reference: reference(row, 2)? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
