//! Makes segments of the tail.

use std::fs::File;
use std::io::{self, Write as _};

use super::attachments::Pending;
use super::fault::point;
use super::places::{self, Guard, Incoming};
use super::read::Piece;
use super::rows::{self, Lane, int};
use super::{Store, StoreError};
use crate::chain::Link;
use crate::hash::Digest;
use crate::limits::{SEGMENT_BYTES_AIM, SEGMENT_BYTES_MAX};
use crate::name::{LogId, ObjectId, StreamName};
use crate::segment::{Attachment, Expected, Finished, SegmentRef, SegmentWriter};

/// A segment that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The stream.
    pub stream: StreamName,
    /// The segment.
    pub reference: SegmentRef,
}

/// A segment whose file is durable and has no row yet.
pub(super) struct Written {
    pub(super) piece: Piece,
    /// The chain after each block, to be noted.
    pub(super) marks: Vec<(u64, Digest)>,
    pub(super) attachments: Vec<Attachment>,
    _guard: Guard,
}

/// Streams that could not be sealed, and why.
pub type Unsealed = Vec<(StreamName, StoreError)>;

impl Store {
    /// Makes segments of all records that are in none yet, and of the attachments of their streams. One segment a stream,
    /// more when there is much.
    ///
    /// An attachment whose file is damaged is left out; it is named by [`Store::verify`], and whoever waits for it asks for it.
    ///
    /// # Errors
    /// [`StoreError`]; all streams but the one that it is about are sealed.
    pub fn seal(&mut self) -> Result<Vec<Sealed>, StoreError> {
        let (sealed, failed) = self.seal_each()?;
        failed.into_iter().next().map_or(Ok(sealed), |(_, error)| Err(error))
    }

    /// The same, each stream on its own: what was sealed, and the streams of which something is damaged.
    ///
    /// # Errors
    /// [`StoreError`] other than damage; what was sealed before stays so, and the rest is sealed by the next call.
    pub fn seal_each(&mut self) -> Result<(Vec<Sealed>, Unsealed), StoreError> {
        self.refresh()?;
        let (mut sealed, mut failed) = (Vec::new(), Vec::new());
        for stream in self.own_streams(self.log)? {
            loop {
                match self.seal_one(&stream) {
                    Ok(Some(one)) => sealed.push(one),
                    Ok(None) => break,
                    Err(error @ StoreError::Damaged { .. }) => {
                        failed.push((stream, error));
                        break;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok((sealed, failed))
    }

    fn seal_one(&mut self, stream: &StreamName) -> Result<Option<Sealed>, StoreError> {
        let (log, lane) = (self.log, Lane::own(self.log, stream));
        let sql = "SELECT min(seq), max(seq) FROM tail WHERE log = ?1 AND stream = ?2";
        let found: (Option<i64>, Option<i64>) = self
            .db
            .conn()
            .prepare_cached(sql)?
            .query_row((log.to_string(), stream.as_str()), |row| Ok((row.get(0)?, row.get(1)?)))?;
        let (Some(first), Some(last)) = found else { return Ok(None) };
        let number =
            |n: i64| u64::try_from(n).map_err(|_| StoreError::damaged_row("a sequence number", "it is negative"));
        let (first, last) = (number(first)?, number(last)?);
        let base = self.chain_at(&lane, first - 1)?;
        let base =
            base.ok_or_else(|| StoreError::damaged_row(lane.to_string(), "the chain before the tail is not known"))?;
        let spool = self.places.incoming()?;
        let mut writer = SegmentWriter::new(log, stream.clone(), first, base, spool);
        let mut failed = None;
        self.each_link(&lane, first, last, &mut |link| {
            if let Err(error) = push(&mut writer, &link) {
                failed = Some(error);
                return Ok(false);
            }
            Ok(writer.stored_bytes() < SEGMENT_BYTES_AIM)
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        let mut attached = Vec::new();
        for pending in Pending::of(self.db.conn(), log, stream)? {
            // Room for the header is left. What does not fit goes with the next records.
            if writer.stored_bytes() + pending.bytes > SEGMENT_BYTES_MAX - 8 * 1024 * 1024 {
                break;
            }
            // Looked at before any of it is written: what is damaged must not stand in the way of the records.
            let path = self.places.pending_dir().join(&pending.file);
            if let Err(problem) = pending.check(&path) {
                tracing::warn!(file = %path.display(), problem, "a damaged attachment is left out");
                continue;
            }
            let file = places::open(&path)?;
            let mut content = Hashing { inner: file, hash: sha2::Sha256::default() };
            writer.attach(pending.provides.clone(), pending.needs.clone(), &mut content)?;
            if Digest::from_bytes(sha2::Digest::finalize(content.hash).into()) != pending.digest {
                return Err(StoreError::damaged(&pending.file, "its bytes are not those that were handed over"));
            }
            attached.push(pending);
        }
        let written = self.write_segment(lane.clone(), base, writer.finish()?)?;
        let reference = written.piece.reference;
        self.db.write(|tx| {
            // Another process may have sealed the same records meanwhile; its file and ours have the same bytes.
            let sql = "DELETE FROM tail WHERE log = ?1 AND stream = ?2 AND seq BETWEEN ?3 AND ?4";
            let place = (log.to_string(), stream.as_str(), int(reference.first), int(reference.last));
            let n = tx.prepare_cached(sql)?.execute(place)?;
            if n as u64 != reference.last - reference.first + 1 {
                return Err(StoreError::Raced("sealed the same records"));
            }
            for pending in &attached {
                pending.delete(tx)?;
            }
            written.insert(tx)?;
            point("exchange.seal.noted")?;
            Ok(())
        })?;
        Ok(Some(Sealed { stream: stream.clone(), reference }))
    }

    /// Puts a finished segment's file together and makes it durable, then reads all of it again.
    pub(super) fn write_segment(
        &self,
        lane: Lane,
        base: Digest,
        mut finished: Finished<Incoming>,
    ) -> Result<Written, StoreError> {
        let mut file = self.places.incoming()?;
        file.write_all(&finished.head)?;
        let (spool, _) = finished.spool.rewind()?;
        io::copy(spool, &mut file)?;
        let name = file_name(lane.log, &lane.stream, &finished.reference);
        let guard = self.places.keep(file, &self.places.log_dir(lane.log), &name)?;
        let piece =
            Piece { lane, reference: finished.reference, base, chain: finished.chain, file: name, blocks: None };
        let read = self.read_whole(&piece)?;
        Ok(Written { piece, marks: read.marks, attachments: read.attachments, _guard: guard })
    }
}

impl Written {
    /// The rows of a segment.
    pub(super) fn insert(&self, tx: &carry_kernel::db::rusqlite::Connection) -> Result<(), StoreError> {
        let Piece { lane, reference, file, .. } = &self.piece;
        self.piece.insert(tx)?;
        rows::add_held(tx, lane, &crate::ranges::Ranges::of(reference.first, reference.last))?;
        for (seq, chain) in &self.marks {
            rows::add_mark(tx, lane, *seq, *chain)?;
        }
        insert_attached(tx, lane.log, reference.digest, file, self.attachments.iter().enumerate())
    }
}

/// Notes which attachments a file brings.
pub(super) fn insert_attached<'a>(
    tx: &carry_kernel::db::rusqlite::Connection,
    log: LogId,
    digest: Digest,
    file: &str,
    attachments: impl Iterator<Item = (usize, &'a Attachment)>,
) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO attached (log, id, digest, file, attachment) VALUES (?1, ?2, ?3, ?4, ?5)";
    for (at, attachment) in attachments {
        for id in &attachment.provides {
            let row = (log.to_string(), id.as_str(), digest.as_bytes(), file, int(at as u64));
            tx.prepare_cached(sql)?.execute(row)?;
        }
    }
    Ok(())
}

/// The name of a segment's file in its log's folder: the one it has at remotes.
pub(super) fn file_name(log: LogId, stream: &StreamName, reference: &SegmentRef) -> String {
    let path = reference.name(log, stream).path();
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

/// The name of a file that has only some blocks of a segment.
pub(super) fn part_name(expected: &Expected, blocks: &[usize]) -> String {
    let text = blocks.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let id = ObjectId::of(Digest::of(&[text.as_bytes()]));
    let name = file_name(expected.log, &expected.stream, &expected.reference);
    format!("{}.{id}.part", name.trim_end_matches(".seg"))
}

/// Adds a frame that was read and checked.
pub(super) fn push<S: io::Write>(writer: &mut SegmentWriter<S>, link: &Link) -> Result<(), StoreError> {
    // One value has one encoding, so this gives the bytes that were read, and their digest.
    let chain = writer.push_link(link)?;
    if chain != link.chain {
        return Err(StoreError::damaged(format!("record {}", link.frame.first()), "the chain does not lead to it"));
    }
    Ok(())
}

/// Hashes what goes through.
struct Hashing {
    inner: File,
    hash: sha2::Sha256,
}

impl io::Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        sha2::Digest::update(&mut self.hash, &buffer[..n]);
        Ok(n)
    }
}
