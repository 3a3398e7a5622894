//! Looks at every stored byte, and says what is not as it was written.

use std::collections::BTreeMap;

use carry_kernel::db::rusqlite;

use super::append;
use super::attachments::Pending;
use super::read::{Piece, describe, pieces};
use super::rows::{self, Lane, digest, number, parsed, track};
use super::{Store, StoreError};
use crate::frame::Frame;
use crate::hash::Digest;
use crate::head::{HeadError, ListRef, SignedHead};
use crate::list::List;
use crate::name::{LogId, ObjectName};
use crate::ranges::Ranges;
use crate::segment::Content;

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What: a file, or a row and its table.
    pub what: String,
    /// How.
    pub problem: String,
}

/// One thing that is looked at.
type Part = fn(&Store, &mut Findings) -> Result<(), StoreError>;

/// What was found so far.
pub(super) struct Findings(pub(super) Vec<Finding>);

impl Findings {
    pub(super) fn add(&mut self, what: impl Into<String>, problem: impl Into<String>) {
        self.0.push(Finding { what: what.into(), problem: problem.into() });
    }

    /// What was found, each thing once: of one that several looks are about, with all that they say.
    fn by_what(self) -> Vec<Finding> {
        let mut all: Vec<Finding> = Vec::new();
        let mut at: BTreeMap<String, (usize, Vec<String>)> = BTreeMap::new();
        for finding in self.0 {
            let (at, said) = at.entry(finding.what.clone()).or_insert_with(|| (all.len(), Vec::new()));
            if said.contains(&finding.problem) {
                continue;
            }
            said.push(finding.problem.clone());
            match all.get_mut(*at) {
                Some(first) => first.problem = said.join("; "),
                None => all.push(finding),
            }
        }
        all
    }

    /// Damage is a finding; what else fails ends the search.
    pub(super) fn take<T>(&mut self, result: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(StoreError::Damaged { what, problem, .. }) => {
                self.add(what, problem);
                Ok(None)
            }
            Err(error @ (StoreError::Name(_) | StoreError::Key { .. })) => {
                self.add("the exchange's database", describe(&error));
                Ok(None)
            }
            Err(StoreError::Sqlite(
                error @ (rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::InvalidColumnType(..)),
            )) => {
                self.add("the exchange's database", error.to_string());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// What a finding about the ranges of a lane is about.
pub(super) fn of_ranges(lane: &Lane) -> String {
    format!("the ranges of {lane}")
}

impl Store {
    /// Reads everything that is kept and checks it: files against their names and chains, heads against their signatures,
    /// and every row against what it was made from. Changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] when something cannot be read at all.
    pub fn verify(&self) -> Result<Vec<Finding>, StoreError> {
        let mut found = Findings(Vec::new());
        let intact: String = self.db.conn().query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        if intact != "ok" {
            found.add("the exchange's database", intact);
        }
        let parts: [Part; 9] = [
            Self::verify_keys,
            Self::verify_heads,
            Self::verify_lists,
            Self::verify_lanes,
            Self::verify_marks,
            Self::verify_superseded,
            Self::verify_later,
            Self::verify_pending,
            Self::verify_appended,
        ];
        for part in parts {
            let done = part(self, &mut found);
            found.take(done)?;
        }
        Ok(found.by_what())
    }

    /// Looks only whether every file is there with the bytes it had. Finds what is gone or cut, not what was altered.
    ///
    /// # Errors
    /// [`StoreError`] when something cannot be read at all.
    pub fn verify_quick(&self) -> Result<Vec<Finding>, StoreError> {
        let mut found = Findings(Vec::new());
        self.verify_keys(&mut found)?;
        for lane in rows::lanes(self.db.conn())? {
            for piece in pieces(self.db.conn(), &lane, 1, u64::MAX)? {
                let path = self.places.file(lane.log, &piece.file);
                // What a part of a file has is known only to whoever reads its header.
                let expected = piece.blocks.is_none().then_some(piece.reference.bytes);
                match std::fs::symlink_metadata(&path) {
                    Ok(data) if !data.is_file() => found.add(path.display().to_string(), "it is no file"),
                    Ok(data) => {
                        if let Some(expected) = expected.filter(|expected| *expected != data.len()) {
                            let problem = format!("it has {} bytes instead of {expected}", data.len());
                            found.add(path.display().to_string(), problem);
                        }
                    }
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                        found.add(path.display().to_string(), "it is gone");
                    }
                    Err(e) => return Err(super::incarnation::disk_error("read", &path)(e)),
                }
            }
        }
        self.verify_later(&mut found)?;
        Ok(found.0)
    }

    fn verify_keys(&self, found: &mut Findings) -> Result<(), StoreError> {
        for row in self.logs()? {
            if matches!(row.state, super::LogState::Own | super::LogState::Former) {
                let key = super::incarnation::load_key(&self.places, row.log);
                found.take(key)?;
            }
        }
        if self.state(self.log)? != Some(super::LogState::Own) {
            found.add("the row of the own log", "its state is another");
        }
        if let Some(vouch) = found.take(self.vouch(self.log))?.flatten()
            && !vouch.holds_for(self.key.verifying_key().as_bytes())
        {
            found.add("the word of the earlier key", "its signature does not hold");
        }
        Ok(())
    }

    fn verify_heads(&self, found: &mut Findings) -> Result<(), StoreError> {
        for table in ["heads_signed", "heads_seen"] {
            let sql = format!("SELECT log, n, digest, bytes FROM {table} WHERE bytes IS NOT NULL ORDER BY log, n");
            let mut rows = self.db.conn().prepare(&sql)?;
            let mut rows = rows.query([])?;
            let mut before: Option<(LogId, u64, Digest)> = None;
            while let Some(row) = rows.next()? {
                let (log, n, digest): (LogId, _, _) = (parsed(row, 0)?, number(row, 1)?, digest(row, 2)?);
                let bytes: Vec<u8> = row.get(3)?;
                let what = || format!("head {n} of {log} in {table}");
                let read = SignedHead::read(&ObjectName::head(log, n, digest), &bytes);
                // The name has half of the digest; the row has all of it.
                if Digest::of(&[&bytes]) != digest {
                    found.add(what(), "its bytes are not those that were hashed");
                } else if let Err(error) = &read
                    && !matches!(error, HeadError::Newer { .. })
                {
                    found.add(what(), describe(error));
                }
                if table == "heads_signed" {
                    let prev = read.ok().and_then(|read| read.head().prev);
                    let follows = before.is_some_and(|(other, m, _)| other == log && m + 1 == n);
                    if follows && prev != before.map(|(_, _, digest)| digest) {
                        found.add(what(), "it does not go on from the one before");
                    }
                    before = Some((log, n, digest));
                }
            }
        }
        Ok(())
    }

    fn verify_lists(&self, found: &mut Findings) -> Result<(), StoreError> {
        self.damaged_lists(found).map(drop)
    }

    /// Lists that are not what their digests say.
    pub(super) fn damaged_lists(&self, found: &mut Findings) -> Result<Vec<(LogId, Digest)>, StoreError> {
        let mut bad = Vec::new();
        let mut rows = self.db.conn().prepare("SELECT log, digest, bytes FROM lists")?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let (log, digest, bytes): (LogId, _, Vec<u8>) = (parsed(row, 0)?, digest(row, 1)?, row.get(2)?);
            let reference = ListRef { digest, bytes: bytes.len() as u64 };
            if let Err(error) = List::read(&bytes, log, &reference) {
                found.add(format!("list {digest} of {log}"), describe(&error));
                bad.push((log, digest));
            }
        }
        Ok(bad)
    }

    /// Files, the tail, and what is said to be held.
    fn verify_lanes(&self, found: &mut Findings) -> Result<(), StoreError> {
        let sql = "SELECT DISTINCT log, track, stream FROM segments
                   UNION SELECT DISTINCT log, track, stream FROM ranges UNION SELECT DISTINCT log, 0, stream FROM tail";
        let mut lanes = self.db.conn().prepare(sql)?;
        let lanes = lanes
            .query_map([], |row| Ok(Lane { log: parsed(row, 0)?, track: track(row, 1)?, stream: parsed(row, 2)? }))?;
        for lane in lanes.collect::<rusqlite::Result<Vec<_>>>()? {
            let (mut there, mut bad) = (Vec::new(), Vec::new());
            for piece in pieces(self.db.conn(), &lane, 1, u64::MAX)? {
                let n_found = found.0.len();
                let ranges = self.verify_piece(&piece, found);
                there.extend(found.take(ranges)?.into_iter().flatten());
                if found.0.len() > n_found {
                    bad.push(piece);
                }
            }
            let sealed = there.iter().map(|range: &std::ops::RangeInclusive<u64>| *range.end()).max().unwrap_or(0);
            let mut tail = Vec::new();
            if lane.track == 0 {
                let read = self.each_link(&lane, sealed + 1, u64::MAX, &mut |link| {
                    tail.push(link.frame.first()..=link.frame.last());
                    Ok(true)
                });
                found.take(read)?;
            }
            let there: Ranges = there.into_iter().chain(tail).collect();
            let said = rows::held(self.db.conn(), &lane)?;
            self.compare_ranges(&lane, &said, &there, &bad, found);
        }
        Ok(())
    }

    /// What is said to be held against what is there. Where files that are `bad` explain all of the difference, it is said of
    /// these what is missing with each.
    fn compare_ranges(&self, lane: &Lane, said: &Ranges, there: &Ranges, bad: &[Piece], found: &mut Findings) {
        let in_piece = |piece: &Piece| Ranges::of(piece.reference.first, piece.reference.last);
        let in_bad = bad.iter().fold(Ranges::new(), |all, piece| all.union(&in_piece(piece)));
        let missing = said.difference(there);
        if !there.difference(said).is_empty() || !missing.difference(&in_bad).is_empty() {
            found.add(of_ranges(lane), format!("they say {said}, there is {there}"));
            return;
        }
        for piece in bad {
            let missing = missing.intersection(&in_piece(piece));
            if !missing.is_empty() {
                let path = self.places.file(lane.log, &piece.file).display().to_string();
                let (records, are) = if missing.count() == 1 { ("record", "is") } else { ("records", "are") };
                found.add(path, format!("{records} {missing} {are} missing with it"));
            }
        }
    }

    /// All of one file. Says which records are in it.
    pub(super) fn verify_piece(
        &self,
        piece: &Piece,
        found: &mut Findings,
    ) -> Result<Vec<std::ops::RangeInclusive<u64>>, StoreError> {
        let what = self.places.file(piece.lane.log, &piece.file).display().to_string();
        let mut opened = self.open_piece(piece)?;
        let header = opened.header().clone();
        if (header.base, header.chain) != (piece.base, piece.chain) {
            found.add(format!("the row of {what}"), "its chain is not the file's");
        }
        let mut ranges = Vec::new();
        let mut bytes = header.place(0).map_or(0, |place| place.start);
        for (at, block) in header.blocks.iter().enumerate() {
            if opened.place(at).is_none() {
                continue;
            }
            bytes += block.bytes;
            let stored = opened.stored(at);
            if found.take(stored)?.is_some()
                && let Content::Records { first, last, .. } = block.content
            {
                ranges.push(first..=last);
            }
        }
        let len = opened.into_file().metadata().map_err(super::incarnation::disk_error("read", what.as_ref()))?.len();
        if len != bytes {
            found.add(what, format!("it has {len} bytes instead of {bytes}"));
        }
        Ok(ranges)
    }

    fn verify_marks(&self, found: &mut Findings) -> Result<(), StoreError> {
        let mut rows = self.db.conn().prepare("SELECT log, track, stream, seq, chain, sum FROM marks")?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let lane = Lane { log: parsed(row, 0)?, track: track(row, 1)?, stream: parsed(row, 2)? };
            let (seq, chain, sum): (_, _, [u8; 4]) = (number(row, 3)?, digest(row, 4)?, row.get(5)?);
            if rows::mark_sum(&lane, seq, chain) != sum {
                found.add(format!("the mark at {seq} of {lane}"), "it is not as it was written");
            }
        }
        Ok(())
    }

    fn verify_superseded(&self, found: &mut Findings) -> Result<(), StoreError> {
        self.damaged_superseded(found).map(drop)
    }

    /// Own files that were merged into others and are not as they were written.
    pub(super) fn damaged_superseded(&self, found: &mut Findings) -> Result<Vec<Digest>, StoreError> {
        let mut bad = Vec::new();
        let sql = "SELECT log, stream, first, last, bytes, digest, file FROM superseded";
        let mut rows = self.db.conn().prepare(sql)?;
        let rows = rows.query_map([], |row| {
            let reference = rows::reference(row, 2)?;
            let lane = Lane { log: parsed(row, 0)?, track: 0, stream: parsed(row, 1)? };
            Ok((lane, reference, row.get::<_, String>(6)?))
        })?;
        for row in rows {
            let (lane, reference, file) = row?;
            let nothing = Digest::from_bytes([0; 32]);
            let what = self.places.file(lane.log, &file).display().to_string();
            let piece = Piece { lane, reference, base: nothing, chain: nothing, file, blocks: None };
            let problem = match self.read_whole(&piece) {
                Ok(_) => continue,
                Err(StoreError::Segment(error)) => describe(&error),
                Err(StoreError::Disk(error)) => describe(&error),
                Err(error) => return Err(error),
            };
            found.add(what, problem);
            bad.push(reference.digest);
        }
        Ok(bad)
    }

    fn verify_pending(&self, found: &mut Findings) -> Result<(), StoreError> {
        self.damaged_pending(found).map(drop)
    }

    /// Attachments that are in no segment yet and are not what was handed over.
    pub(super) fn damaged_pending(&self, found: &mut Findings) -> Result<Vec<Pending>, StoreError> {
        let mut bad = Vec::new();
        let mut rows = self.db.conn().prepare("SELECT DISTINCT log, stream FROM pending")?;
        let rows = rows.query_map([], |row| Ok((parsed(row, 0)?, parsed(row, 1)?)))?;
        for row in rows {
            let (log, stream) = row?;
            for pending in Pending::of(self.db.conn(), log, &stream)? {
                let path = self.places.pending_dir().join(&pending.file);
                if let Err(problem) = pending.check(&path) {
                    found.add(path.display().to_string(), problem);
                    bad.push(pending);
                }
            }
        }
        Ok(bad)
    }

    /// What outboxes were told, against the records.
    fn verify_appended(&self, found: &mut Findings) -> Result<(), StoreError> {
        let mut rows = self.db.conn().prepare("SELECT log, stream, seq, r, content, id FROM appended")?;
        let mut rows = rows.query([])?;
        let mut by_lane: BTreeMap<Lane, BTreeMap<u64, (Digest, Digest, u64)>> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let lane = Lane { log: parsed(row, 0)?, track: 0, stream: parsed(row, 1)? };
            let told = (digest(row, 3)?, digest(row, 4)?, number(row, 5)?);
            by_lane.entry(lane).or_default().insert(number(row, 2)?, told);
        }
        for (lane, told) in by_lane {
            let (Some(first), Some(last)) = (told.keys().next(), told.keys().next_back()) else { continue };
            let mut left = told.clone();
            let read = self.each_link(&lane, *first, *last, &mut |link| {
                let Some((r, content, _)) = left.remove(&link.frame.first()) else { return Ok(true) };
                let same = match &link.frame {
                    Frame::Record(record) => append::content_of(record) == content,
                    Frame::Stub(_) | Frame::Void(_) => true,
                };
                if link.r.is_some_and(|found| found != r) || !same {
                    found.add(format!("what was told of record {} of {lane}", link.frame.first()), "it is another");
                }
                Ok(true)
            });
            found.take(read)?;
            for (seq, (_, _, id)) in left {
                found.add(format!("what was told of number {id}"), format!("record {seq} of {lane} is not there"));
            }
        }
        Ok(())
    }
}
