//! Reads records back from what is held, and believes no byte that it has not checked.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use carry_kernel::db::rusqlite;

use super::incarnation::disk_error;
use super::rows::{self, Lane, digest, int, number, reference};
use super::{Store, StoreError, places};
use crate::chain::{Link, chain_next, chain_start};
use crate::frame::Frame;
use crate::hash::Digest;
use crate::packed;
use crate::segment::{Content, Expected, PRELUDE_BYTES, SegmentHeader, SegmentRef, header_bytes};

/// A file that is held, whole or in part.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) lane: Lane,
    pub(super) reference: SegmentRef,
    pub(super) base: Digest,
    pub(super) chain: Digest,
    pub(super) file: String,
    /// The blocks that a part has; none for a whole file.
    pub(super) blocks: Option<Vec<usize>>,
}

impl Piece {
    pub(super) fn expected(&self) -> Expected {
        Expected { log: self.lane.log, stream: self.lane.stream.clone(), reference: self.reference }
    }

    pub(super) fn insert(&self, tx: &rusqlite::Connection) -> Result<(), StoreError> {
        let blocks =
            self.blocks.as_ref().map(|blocks| blocks.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
        let sql = "INSERT OR REPLACE INTO segments (log, track, stream, first, last, bytes, digest, base, chain, file, blocks)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
        let SegmentRef { first, last, bytes, digest } = self.reference;
        tx.prepare_cached(sql)?.execute((
            self.lane.log.to_string(),
            self.lane.track,
            self.lane.stream.as_str(),
            int(first),
            int(last),
            int(bytes),
            digest.as_bytes(),
            self.base.as_bytes(),
            self.chain.as_bytes(),
            &self.file,
            blocks,
        ))?;
        Ok(())
    }
}

/// The files of a lane with records of `first..=last`, ascending.
pub(super) fn pieces(db: &rusqlite::Connection, lane: &Lane, first: u64, last: u64) -> Result<Vec<Piece>, StoreError> {
    let sql = "SELECT first, last, bytes, digest, base, chain, file, blocks FROM segments
               WHERE log = ?1 AND track = ?2 AND stream = ?3 AND last >= ?4 AND first <= ?5 ORDER BY first, last";
    let mut rows = db.prepare_cached(sql)?;
    let place = (lane.log.to_string(), lane.track, lane.stream.as_str(), int(first), int(last));
    let rows = rows.query_map(place, |row| {
        let blocks: Option<String> = row.get(7)?;
        let blocks = blocks.map(|text| text.split(' ').filter_map(|block| block.parse().ok()).collect());
        Ok(Piece {
            lane: lane.clone(),
            reference: reference(row, 0)?,
            base: digest(row, 4)?,
            chain: digest(row, 5)?,
            file: row.get(6)?,
            blocks,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Files, ascending, in groups that do not overlap.
fn clusters(all: Vec<Piece>) -> Vec<Vec<Piece>> {
    let mut clusters: Vec<Vec<Piece>> = Vec::new();
    let mut end = 0;
    for piece in all {
        let last = piece.reference.last;
        match clusters.last_mut() {
            Some(cluster) if piece.reference.first <= end => cluster.push(piece),
            _ => clusters.push(vec![piece]),
        }
        end = end.max(last);
    }
    clusters
}

/// A file whose header was checked.
pub(super) struct Opened {
    file: File,
    path: std::path::PathBuf,
    header: SegmentHeader,
    /// Where each block lies in this file; none for those that a part lacks.
    places: Vec<Option<u64>>,
}

impl Opened {
    pub(super) fn header(&self) -> &SegmentHeader {
        &self.header
    }

    pub(super) fn place(&self, block: usize) -> Option<u64> {
        *self.places.get(block)?
    }

    /// The stored bytes of a block, checked.
    pub(super) fn stored(&mut self, block: usize) -> Result<(Vec<u8>, Vec<Link>), StoreError> {
        let what = || self.path.display().to_string();
        let place = self.place(block).ok_or_else(|| StoreError::damaged(what(), "it lacks a block"))?;
        let bytes = self.header.blocks[block].bytes;
        let mut stored = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)];
        self.file.seek(SeekFrom::Start(place)).map_err(disk_error("read", &self.path))?;
        self.file.read_exact(&mut stored).map_err(|e| short(&self.path, e))?;
        let links = self.header.open_block(block, &stored);
        let links = links.map_err(|e| StoreError::damaged(what(), describe(&e)))?;
        Ok((stored, links))
    }

    /// Prelude and header.
    pub(super) fn head(&mut self) -> Result<Vec<u8>, StoreError> {
        let length = self.header.place(0).map_or(0, |place| place.start);
        let mut head = vec![0; usize::try_from(length).unwrap_or(0)];
        self.file.rewind().map_err(disk_error("read", &self.path))?;
        self.file.read_exact(&mut head).map_err(|e| short(&self.path, e))?;
        Ok(head)
    }

    pub(super) fn into_file(self) -> File {
        self.file
    }
}

/// An error with its causes, in one line.
pub(crate) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn short(path: &std::path::Path, error: std::io::Error) -> StoreError {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => StoreError::damaged(path.display().to_string(), "it is cut short"),
        _ => disk_error("read", path)(error),
    }
}

/// Calls `each` with the frames of a block from `next` to `last`, and moves `next` on. Says whether to go on.
fn each_of_block(
    opened: &mut Opened,
    block: usize,
    next: &mut u64,
    last: u64,
    each: &mut dyn FnMut(Link) -> Result<bool, StoreError>,
) -> Result<bool, StoreError> {
    let Content::Records { first, last: end, .. } = opened.header().blocks[block].content else { return Ok(true) };
    if end < *next || first > last || opened.place(block).is_none() {
        return Ok(true);
    }
    for link in opened.stored(block)?.1 {
        if link.frame.last() < *next || link.frame.first() > last {
            continue;
        }
        *next = link.frame.last() + 1;
        if !each(link)? {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Store {
    /// Opens a held file and checks its header.
    pub(super) fn open_piece(&self, piece: &Piece) -> Result<Opened, StoreError> {
        let path = self.places.file(piece.lane.log, &piece.file);
        let mut file = match places::open(&path) {
            Ok(file) => file,
            Err(e) if e.source.kind() == std::io::ErrorKind::NotFound => {
                return Err(StoreError::damaged(path.display().to_string(), "it is gone"));
            }
            Err(e) => return Err(e.into()),
        };
        let mut head = vec![0; PRELUDE_BYTES];
        file.read_exact(&mut head).map_err(|e| short(&path, e))?;
        let damaged = |e: crate::segment::SegmentError| StoreError::damaged(path.display().to_string(), describe(&e));
        let bytes = header_bytes(head.first_chunk().expect("it has that length")).map_err(damaged)?;
        head.resize(PRELUDE_BYTES + usize::try_from(bytes).unwrap_or(0), 0);
        file.read_exact(&mut head[PRELUDE_BYTES..]).map_err(|e| short(&path, e))?;
        let header = SegmentHeader::read(&head, &piece.expected()).map_err(damaged)?;
        let places = match &piece.blocks {
            None => (0..header.blocks.len()).map(|block| header.place(block).map(|place| place.start)).collect(),
            Some(blocks) => {
                let mut places = vec![None; header.blocks.len()];
                let mut at = head.len() as u64;
                for block in blocks {
                    let Some(place) = places.get_mut(*block) else { continue };
                    *place = Some(at);
                    at += header.blocks[*block].bytes;
                }
                places
            }
        };
        Ok(Opened { file, path, header, places })
    }

    /// The frames of `first..=last` that are held, ascending, each once.
    pub(super) fn links(&self, lane: &Lane, first: u64, last: u64) -> Result<Vec<Link>, StoreError> {
        let mut links = Vec::new();
        self.each_link(lane, first, last, &mut |link| {
            links.push(link);
            Ok(true)
        })?;
        Ok(links)
    }

    /// Calls `each` with the frames of `first..=last` that are held, ascending, each once, until it says no.
    pub(super) fn each_link(
        &self,
        lane: &Lane,
        first: u64,
        last: u64,
        each: &mut dyn FnMut(Link) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let mut next = first;
        for cluster in clusters(pieces(self.db.conn(), lane, first, last)?) {
            if cluster.iter().any(|piece| piece.blocks.is_some()) {
                if !self.each_of_parts(&cluster, &mut next, last, each)? {
                    return Ok(());
                }
                continue;
            }
            for piece in &cluster {
                if piece.reference.last < next {
                    continue;
                }
                let mut opened = self.open_piece(piece)?;
                for block in 0..opened.header().blocks.len() {
                    if !each_of_block(&mut opened, block, &mut next, last, each)? {
                        return Ok(());
                    }
                }
            }
        }
        if lane.track == 0 { self.each_of_tail(lane, next.max(first), last, each) } else { Ok(()) }
    }

    /// The same where some files are parts: their blocks lie between each other's.
    fn each_of_parts(
        &self,
        all: &[Piece],
        next: &mut u64,
        last: u64,
        each: &mut dyn FnMut(Link) -> Result<bool, StoreError>,
    ) -> Result<bool, StoreError> {
        let mut blocks = Vec::new();
        let mut opened = Vec::new();
        for piece in all {
            let one = self.open_piece(piece)?;
            for (at, block) in one.header().blocks.iter().enumerate() {
                if let Content::Records { first, .. } = block.content
                    && one.place(at).is_some()
                {
                    blocks.push((first, opened.len(), at));
                }
            }
            opened.push(one);
        }
        blocks.sort_unstable();
        for (_, which, at) in blocks {
            if !each_of_block(&mut opened[which], at, next, last, each)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Calls `each` with the frames of the tail, checked against the chain beside them, until it says no. One is in memory at a
    /// time: a tail holds what a whole head says.
    fn each_of_tail(
        &self,
        lane: &Lane,
        first: u64,
        last: u64,
        each: &mut dyn FnMut(Link) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let sql = "SELECT seq, frame, chain, plain_bytes FROM tail WHERE log = ?1 AND stream = ?2 AND seq BETWEEN ?3 AND ?4 ORDER BY seq";
        let mut rows = self.db.conn().prepare_cached(sql)?;
        let mut rows = rows.query((lane.log.to_string(), lane.stream.as_str(), int(first), int(last)))?;
        let mut before: Option<Digest> = None;
        while let Some(row) = rows.next()? {
            let (seq, chain) = (number(row, 0)?, digest(row, 2)?);
            let damaged =
                |problem: &str| StoreError::damaged_row(format!("record {seq} of {lane}, not sealed yet"), problem);
            let frame = packed::unpack(row.get(1)?, row.get(3)?).map_err(|e| damaged(&describe(&e)))?;
            let read = Frame::decode(&frame).map_err(|e| damaged(&describe(&e)))?;
            let r = read.r().ok_or_else(|| damaged("it is no record"))?;
            if read.frame.first() != seq || !read.rest.is_empty() {
                return Err(damaged("it stands in another place"));
            }
            let before_it = match before {
                Some(before) => Some(before),
                None if seq == 1 => Some(chain_start(lane.log, &lane.stream)),
                None => self.noted_chain(lane, seq - 1)?,
            };
            if before_it.is_some_and(|before| chain_next(before, r) != chain) {
                return Err(damaged("the chain does not lead to it"));
            }
            before = Some(chain);
            if !each(Link { frame: read.frame, r: Some(r), chain })? {
                break;
            }
        }
        Ok(())
    }

    /// The chain after a record as a row says it.
    fn noted_chain(&self, lane: &Lane, seq: u64) -> Result<Option<Digest>, StoreError> {
        if let Some((_, chain)) = rows::marks(self.db.conn(), lane, seq, seq)?.first() {
            return Ok(Some(*chain));
        }
        let sql = "SELECT chain FROM tail WHERE log = ?1 AND stream = ?2 AND seq = ?3";
        let mut tail = self.db.conn().prepare_cached(sql)?;
        let found = tail.query_row((lane.log.to_string(), lane.stream.as_str(), int(seq)), |row| digest(row, 0));
        Ok(rusqlite::OptionalExtension::optional(found)?)
    }

    /// The chain after a record, if it can be known here: from a mark, or from the block that holds the record.
    pub(super) fn chain_at(&self, lane: &Lane, seq: u64) -> Result<Option<Digest>, StoreError> {
        if seq == 0 {
            return Ok(Some(chain_start(lane.log, &lane.stream)));
        }
        if let Some(chain) = self.noted_chain(lane, seq)? {
            return Ok(Some(chain));
        }
        Ok(self.links(lane, seq, seq)?.into_iter().find(|link| link.frame.last() == seq).map(|link| link.chain))
    }
}
