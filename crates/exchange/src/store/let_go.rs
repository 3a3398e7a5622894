//! Lets go of what is damaged, so that a good copy can come in its place.

use std::collections::BTreeSet;
use std::io::Write as _;

use super::places::Guard;
use super::read::{Piece, pieces};
use super::round::forget_rejected_of;
use super::rows::{self, Lane};
use super::seal::{insert_attached, part_name};
use super::verify::{Finding, Findings, of_ranges};
use super::{Store, StoreError};
use crate::name::{LogId, ObjectName, StreamName};
use crate::ranges::Ranges;
use crate::segment::{Attachment, Content, Expected};

/// What was found damaged.
#[derive(Clone, Debug, Default)]
pub struct LetGo {
    /// All of it, in words.
    pub findings: Vec<Finding>,
    /// The damaged segments. Those of others are not held any more; those of the own log stay until a good copy comes.
    pub segments: Vec<Expected>,
    /// What of [`Finding::what`] stands for which object, where a good copy must come in its place.
    pub of: Vec<(String, ObjectName)>,
}

/// What is left of a damaged file: written, and to be noted.
struct Salvaged {
    piece: Piece,
    ranges: Ranges,
    attached: Vec<(usize, Attachment)>,
    _guard: Guard,
}

impl Store {
    /// Lets go of others' files that are damaged, so that they are fetched again; of one of which some blocks are good these
    /// are kept, and what is fetched again is the others. What was folded of them stays. Damaged
    /// files of the own log are named and stay: [`Store::accept_segment`] takes a good copy of one from a remote. Own
    /// files that were merged into others are let go when they are damaged: nothing is lost with them. So are own
    /// attachments that are damaged before they came into a segment: whoever lacks them asks for them. And so are damaged segments
    /// that are kept for a later version of the program: they are fetched again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn let_go_damaged(&mut self) -> Result<LetGo, StoreError> {
        let (mut found, mut segments, mut of) = (Findings(Vec::new()), Vec::new(), Vec::new());
        for lane in rows::lanes(self.db.conn())? {
            for (piece, what) in self.let_go_in(&lane, &mut found)? {
                let expected = piece.expected();
                let name = expected.reference.name(expected.log, &expected.stream);
                of.extend(what.into_iter().chain([of_ranges(&lane)]).map(|what| (what, name.clone())));
                if !segments.contains(&expected) {
                    segments.push(expected);
                }
            }
        }
        let pending = self.damaged_pending(&mut found)?;
        let n_found = found.0.len();
        let mut lists = self.damaged_lists(&mut found)?;
        let names = lists.iter().map(|(log, digest)| ObjectName::list(*log, *digest));
        of.extend(found.0[n_found..].iter().map(|finding| finding.what.clone()).zip(names));
        lists.retain(|(log, _)| *log != self.log);
        let superseded = self.damaged_superseded(&mut found)?;
        let later = self.damaged_later(&mut found)?;
        self.db.write(|tx| {
            pending.iter().try_for_each(|pending| pending.delete(tx))?;
            for (log, digest) in &lists {
                tx.execute("DELETE FROM lists WHERE log = ?1 AND digest = ?2", (log.to_string(), digest.as_bytes()))?;
            }
            for digest in &superseded {
                tx.execute("DELETE FROM superseded WHERE digest = ?1", [digest.as_bytes()])?;
            }
            for (_, name) in &later {
                let file = name.path().rsplit('/').next().unwrap_or_default().to_owned();
                tx.execute("DELETE FROM later WHERE log = ?1 AND file = ?2", (name.log().to_string(), file))?;
                forget_rejected_of(tx, name)?;
            }
            Ok::<_, StoreError>(())
        })?;
        of.extend(later);
        Ok(LetGo { findings: found.0, segments, of })
    }

    /// The same of one lane of another's log.
    pub(super) fn let_go_of(&mut self, lane: &Lane) -> Result<(), StoreError> {
        self.let_go_in(lane, &mut Findings(Vec::new())).map(drop)
    }

    /// The damaged files of a lane, which are let go of unless the log is the own one. Each with what of it was found.
    fn let_go_in(&mut self, lane: &Lane, found: &mut Findings) -> Result<Vec<(Piece, Vec<String>)>, StoreError> {
        let (mut left, mut good, mut bad) = (Ranges::new(), Vec::new(), Vec::new());
        for piece in pieces(self.db.conn(), lane, 1, u64::MAX)? {
            let n_found = found.0.len();
            let ranges = self.verify_piece(&piece, found);
            let ranges = found.take(ranges)?.unwrap_or_default();
            if found.0.len() > n_found {
                bad.push((piece, found.0[n_found..].iter().map(|finding| finding.what.clone()).collect()));
            } else {
                left = left.union(&ranges.into_iter().collect());
                good.push(piece.file);
            }
        }
        if bad.is_empty() || lane.log == self.log {
            return Ok(bad);
        }
        let mut parts = Vec::new();
        for (piece, _) in &bad {
            match self.salvage(piece) {
                Ok(part) => parts.extend(part),
                // It comes whole, then.
                Err(error) => tracing::warn!(file = piece.file, error = %super::describe(&error), "no part is kept"),
            }
        }
        for part in &parts {
            left = left.union(&part.ranges);
            good.push(part.piece.file.clone());
        }
        self.db.write(|tx| {
            for (piece, _) in &bad {
                let sql = "DELETE FROM segments WHERE log = ?1 AND track = ?2 AND stream = ?3 AND file = ?4";
                let log = lane.log.to_string();
                tx.execute(sql, (&log, lane.track, lane.stream.as_str(), &piece.file))?;
                tx.execute("DELETE FROM attached WHERE log = ?1 AND file = ?2", (&log, &piece.file))?;
                if piece.blocks.is_none() {
                    // It is lacking from now on, however long it has been so elsewhere.
                    let expected = piece.expected();
                    forget_rejected_of(tx, &expected.reference.name(expected.log, &expected.stream))?;
                }
            }
            for part in &parts {
                part.piece.insert(tx)?;
                let attached = part.attached.iter().map(|(at, attachment)| (*at, attachment));
                insert_attached(tx, lane.log, part.piece.reference.digest, &part.piece.file, attached)?;
            }
            // What another process took in while this one read is held as it says: it was verified just now.
            let mut left = left.clone();
            for piece in pieces(tx, lane, 1, u64::MAX)? {
                if piece.blocks.is_none() && !good.contains(&piece.file) {
                    left.insert(piece.reference.first, piece.reference.last);
                }
            }
            rows::set_held(tx, lane, &left)
        })?;
        Ok(bad)
    }

    /// Writes the good blocks of a damaged file to a file of their own; `None` when there are none, when an attachment is damaged,
    /// or when nothing else is wrong than what lies around them.
    fn salvage(&self, piece: &Piece) -> Result<Option<Salvaged>, StoreError> {
        let Ok(mut opened) = self.open_piece(piece) else { return Ok(None) };
        let header = opened.header().clone();
        let there: Vec<usize> = (0..header.blocks.len()).filter(|block| opened.place(*block).is_some()).collect();
        let mut incoming = self.places.incoming()?;
        incoming.write_all(&opened.head()?)?;
        let (mut blocks, mut ranges) = (Vec::new(), Ranges::new());
        for block in &there {
            let Ok((stored, _)) = opened.stored(*block) else {
                // Of records the missing ones are asked for; what came with them comes only with all of the file.
                if !matches!(header.blocks[*block].content, Content::Records { .. }) {
                    return Ok(None);
                }
                continue;
            };
            incoming.write_all(&stored)?;
            blocks.push(*block);
            if let Content::Records { first, last, .. } = header.blocks[*block].content {
                ranges.insert(first, last);
            }
        }
        if blocks.is_empty() || blocks == there {
            return Ok(None);
        }
        let is_there = |attachment: &Attachment| {
            let kept: BTreeSet<usize> = blocks.iter().copied().collect();
            attachment.blocks.clone().all(|block| kept.contains(&block))
        };
        let attached = header.attachments.iter().enumerate().filter(|(_, attachment)| is_there(attachment));
        let attached = attached.map(|(at, attachment)| (at, attachment.clone())).collect();
        let file = part_name(&piece.expected(), &blocks);
        let guard = self.places.keep(incoming, &self.places.log_dir(piece.lane.log), &file)?;
        let (base, chain) = (header.base, header.chain);
        let piece = Piece { file, blocks: Some(blocks), base, chain, ..piece.clone() };
        Ok(Some(Salvaged { piece, ranges, attached, _guard: guard }))
    }

    /// Whether any record of a stream of a log is held.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn holds_any(&self, log: LogId, stream: &StreamName) -> Result<bool, StoreError> {
        for lane in rows::lanes(self.db.conn())?.into_iter().filter(|lane| lane.log == log && lane.stream == *stream) {
            if !rows::held(self.db.conn(), &lane)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether all records of a segment are held, on any way of its log. A damaged file counts until it is let go.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn holds_records(&self, expected: &Expected) -> Result<bool, StoreError> {
        let lanes = rows::lanes(self.db.conn())?.into_iter();
        for lane in lanes.filter(|lane| lane.log == expected.log && lane.stream == expected.stream) {
            if rows::held(self.db.conn(), &lane)?.contains_all(expected.reference.first, expected.reference.last) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
