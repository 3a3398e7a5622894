//! Takes others' segments in: everything is verified before anything is kept, and noted after the file is durable.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Write as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use super::fault::point;
use super::heads::{Ends, Followed, followed_digests};
use super::incarnation::disk_error;
use super::joint::{Joint, Told, split};
use super::places::{self, Guard, Incoming};
use super::read::{Piece, pieces};
use super::rows::{self, Lane};
use super::seal::{file_name, insert_attached, part_name};
use super::{Store, StoreError};
use crate::chain::Link;
use crate::hash::Digest;
use crate::ranges::Ranges;
use crate::segment::{Attachment, Content, Expected, Part, SegmentError, SegmentHeader, SegmentReader};

/// What came of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It is held now.
    Kept {
        /// On which way of its log.
        track: u32,
        /// Its records that were not held before.
        new: Ranges,
    },
    /// Its records contradict those that are held: the log was forked. It is held now, on a way of its own.
    Forked {
        /// The new way.
        track: u32,
        /// A record after which the two chains differ; the first such may be earlier.
        at: u64,
    },
    /// Only a later version can read it. It is kept whole, and none of its records is held.
    Later,
}

/// What reading a whole file found.
pub(super) struct ReadWhole {
    /// The chain at each place where a block begins or ends.
    pub(super) marks: Vec<(u64, Digest)>,
    pub(super) attachments: Vec<Attachment>,
    pub(super) base: Digest,
    pub(super) chain: Digest,
}

impl Store {
    /// A private file to fetch into. What is in it is believed only once it was accepted.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn incoming(&self) -> Result<Incoming, StoreError> {
        Ok(self.places.incoming()?)
    }

    /// Verifies a whole segment that a followed head names, joins its chain to what is held on both sides, and keeps it. Also
    /// heals a held file that was damaged.
    ///
    /// # Errors
    /// [`StoreError::Segment`] says what is wrong with the bytes; [`StoreError::Full`] that a [limit](StoreError::limit) is reached;
    /// [`StoreError::UnknownLog`] that no followed head names it. Then nothing is kept.
    pub fn accept_segment(&mut self, expected: &Expected, mut incoming: Incoming) -> Result<Accepted, StoreError> {
        let (file, bytes) = incoming.rewind()?;
        let file = file.try_clone()?;
        self.check_room(expected.log, &expected.stream, expected.reference.bytes)?;
        let mut incoming = Some(incoming);
        let taken = self.take_whole(expected, bytes, file, |store, name| {
            let incoming = incoming.take().expect("a file is kept once");
            store.places.keep(incoming, &store.places.log_dir(expected.log), name)
        });
        match (taken, incoming) {
            (Err(StoreError::Segment(error)), Some(incoming)) if error.needs_upgrade() && expected.log != self.log => {
                self.keep_later(expected, incoming)
            }
            (taken, _) => taken,
        }
    }

    /// Reads a whole segment that a followed head names, has `keep` give it the name under which it is held, and notes it.
    pub(super) fn take_whole(
        &mut self,
        expected: &Expected,
        bytes: u64,
        file: impl Read,
        keep: impl FnOnce(&Self, &str) -> Result<Guard, StoreError>,
    ) -> Result<Accepted, StoreError> {
        let naming = self.naming(expected)?;
        let probe = self.probe(&naming.lanes, expected)?;
        let mut joint = Joint::new(&probe);
        let name = file_name(expected.log, &expected.stream, &expected.reference);
        let count =
            &mut |header: &SegmentHeader| self.count_unpacked(expected.log, &name, header.plain_bytes(|_| true));
        let read = read_whole(expected, bytes, file, count, &mut |link| joint.see(link))?;
        joint.see_chain(expected.reference.first - 1, read.base);
        self.check_heads(&naming, expected, Ends { base: read.base, chain: read.chain })?;
        let at = joint.differs.clone();
        let piece = Piece {
            lane: naming.lanes[0].clone(),
            reference: expected.reference,
            base: read.base,
            chain: read.chain,
            file: name,
            blocks: None,
        };
        let ranges = Ranges::of(expected.reference.first, expected.reference.last);
        let attached: Vec<_> = read.attachments.iter().enumerate().collect();
        let guard = keep(self, &piece.file)?;
        self.keep_piece(&naming, piece, &ranges, &read.marks, &attached, &at, guard)
    }

    /// The same for a segment that is in memory.
    ///
    /// # Errors
    /// [`StoreError`], as there.
    pub fn accept_bytes(&mut self, expected: &Expected, bytes: &[u8]) -> Result<Accepted, StoreError> {
        let mut incoming = self.places.incoming()?;
        incoming.write_all(bytes)?;
        self.accept_segment(expected, incoming)
    }

    /// Verifies blocks of a segment that a followed head names and keeps them. `head` is the segment's prelude and header,
    /// `blocks` are stored blocks by their numbers.
    ///
    /// # Errors
    /// [`StoreError`], as of [`Store::accept_segment`].
    pub fn accept_parts(
        &mut self,
        expected: &Expected,
        head: &[u8],
        blocks: &BTreeMap<usize, Vec<u8>>,
    ) -> Result<Accepted, StoreError> {
        let naming = self.naming(expected)?;
        let header = SegmentHeader::read(head, expected)?;
        let bytes = blocks.values().map(|block| block.len() as u64).sum::<u64>() + head.len() as u64;
        self.check_room(expected.log, &expected.stream, bytes)?;
        self.check_heads(&naming, expected, Ends { base: header.base, chain: header.chain })?;
        let numbers: Vec<usize> = blocks.keys().copied().collect();
        let name = part_name(expected, &numbers);
        self.count_unpacked(expected.log, &name, header.plain_bytes(|block| blocks.contains_key(&block)))?;
        let probe = self.probe(&naming.lanes, expected)?;
        let mut joint = Joint::new(&probe);
        let (mut marks, mut ranges) = (Vec::new(), Vec::new());
        let mut incoming = self.places.incoming()?;
        incoming.write_all(head)?;
        for (&block, stored) in blocks {
            let links = header.open_block(block, stored)?;
            if let Content::Records { first, last, before, .. } = header.blocks[block].content {
                joint.see_chain(first - 1, before);
                links.iter().for_each(|link| joint.see(link));
                marks.push((first - 1, before));
                marks.extend(links.last().map(|link| (last, link.chain)));
                ranges.push(first..=last);
            }
            incoming.write_all(stored)?;
        }
        let at = joint.differs.clone();
        let is_there = |attachment: &Attachment| attachment.blocks.clone().all(|block| blocks.contains_key(&block));
        let attached = header.attachments.iter().enumerate().filter(|(_, attachment)| is_there(attachment));
        let piece = Piece {
            lane: naming.lanes[0].clone(),
            reference: expected.reference,
            base: header.base,
            chain: header.chain,
            file: name,
            blocks: Some(numbers),
        };
        let ranges: Ranges = ranges.into_iter().collect();
        let attached: Vec<_> = attached.collect();
        let guard = self.places.keep(incoming, &self.places.log_dir(expected.log), &piece.file)?;
        self.keep_piece(&naming, piece, &ranges, &marks, &attached, &at, guard)
    }

    /// Notes a file that is durable, for every way of the log that names it.
    #[expect(clippy::too_many_arguments, reason = "all of it is one row and what follows from it")]
    fn keep_piece(
        &mut self,
        naming: &Naming,
        piece: Piece,
        ranges: &Ranges,
        marks: &[(u64, Digest)],
        attached: &[(usize, &Attachment)],
        differs: &BTreeMap<u32, u64>,
        _guard: Guard,
    ) -> Result<Accepted, StoreError> {
        point("exchange.accept.kept")?;
        if piece.lane.log == self.log && !differs.is_empty() {
            return Err(StoreError::damaged(piece.lane.to_string(), "its marks contradict its own segments"));
        }
        let told = differs.keys().map(|track| Ok((*track, self.told(piece.lane.log, *track)?)));
        let told: BTreeMap<u32, Vec<Told>> = told.collect::<Result<_, StoreError>>()?;
        let accepted = self.db.write(|tx| {
            // Another process may have taken in a head of this log since: whose the records are is asked again.
            if !differs.is_empty() && followed_digests(tx, piece.lane.log)? != naming.followed {
                return Err(StoreError::UnknownLog(piece.lane.log));
            }
            let mut accepted = None;
            for lane in &naming.lanes {
                let (lane, at) = match (differs.get(&lane.track), told.get(&lane.track)) {
                    (Some(&at), Some(told)) => {
                        let track = split(tx, lane, told, at)?;
                        (Lane { track, ..lane.clone() }, Some(at))
                    }
                    _ => (lane.clone(), None),
                };
                let before = rows::held(tx, &lane)?;
                Piece { lane: lane.clone(), ..piece.clone() }.insert(tx)?;
                rows::set_held(tx, &lane, &before.union(ranges))?;
                for (seq, chain) in marks {
                    rows::add_mark(tx, &lane, *seq, *chain)?;
                }
                let track = lane.track;
                accepted.get_or_insert(match at {
                    Some(at) => Accepted::Forked { track, at },
                    None => Accepted::Kept { track, new: ranges.difference(&before) },
                });
            }
            insert_attached(tx, piece.lane.log, piece.reference.digest, &piece.file, attached.iter().copied())?;
            point("exchange.accept.noted")?;
            accepted.ok_or(StoreError::UnknownLog(piece.lane.log))
        })?;
        if let Accepted::Forked { track, at } = accepted {
            tracing::warn!(log = %piece.lane.log, stream = %piece.lane.stream, track, at, "the log was forked");
        } else if piece.lane.log != self.log && followed_digests(self.db.conn(), piece.lane.log)? != naming.followed {
            // A head that another process took in meanwhile was not compared with it.
            let expected = piece.expected();
            let naming = self.naming(&expected)?;
            self.check_heads(&naming, &expected, Ends { base: piece.base, chain: piece.chain })?;
        }
        Ok(accepted)
    }

    /// The ways of a log whose followed heads name a segment.
    fn naming(&self, expected: &Expected) -> Result<Naming, StoreError> {
        if expected.log == self.log {
            return self.naming_own(expected);
        }
        let followed = self.followed_of(expected.log)?;
        let names = |followed: &&Followed| {
            let segments = followed.segments.as_ref().and_then(|segments| segments.get(&expected.stream));
            segments.is_some_and(|segments| {
                let at = segments.partition_point(|segment| segment.first < expected.reference.first);
                segments.get(at) == Some(&expected.reference)
            })
        };
        let found: Vec<&Followed> = followed.iter().filter(names).collect();
        let lane =
            |followed: &&Followed| Lane { log: expected.log, track: followed.track, stream: expected.stream.clone() };
        let lanes: Vec<Lane> = found.iter().map(lane).collect();
        if lanes.is_empty() {
            return Err(StoreError::UnknownLog(expected.log));
        }
        let heads = found.iter().map(|followed| (*followed).clone()).collect();
        let followed = followed.iter().map(|followed| (followed.track, followed.head.digest())).collect();
        Ok(Naming { lanes, followed, heads })
    }

    /// Refuses a head that names this segment and contradicts it, or another one that it names: that is no fork, as one head
    /// says both.
    fn check_heads(&mut self, naming: &Naming, expected: &Expected, ends: Ends) -> Result<(), StoreError> {
        for followed in &naming.heads {
            let Some(all) = &followed.segments else { continue };
            let (head, stream, reference) = (&followed.head, &expected.stream, &expected.reference);
            if let Some(why) = self.contradicts(head, all, stream, reference, ends)? {
                return Err(self.refuse_head(head, &why)?);
            }
        }
        Ok(())
    }

    /// The same for the own log, whose files may have to be healed.
    fn naming_own(&self, expected: &Expected) -> Result<Naming, StoreError> {
        let lane = Lane::own(self.log, &expected.stream);
        let all = pieces(self.db.conn(), &lane, expected.reference.first, expected.reference.last)?;
        if !all.iter().any(|piece| piece.reference == expected.reference) {
            return Err(StoreError::UnknownLog(self.log));
        }
        Ok(Naming { lanes: vec![lane], followed: Vec::new(), heads: Vec::new() })
    }

    /// What is known here of the chain where a segment can be compared: its ends, every mark within, and where what is held of it
    /// ends.
    pub(super) fn probe(
        &self,
        lanes: &[Lane],
        expected: &Expected,
    ) -> Result<BTreeMap<u32, BTreeMap<u64, Digest>>, StoreError> {
        let (first, last) = (expected.reference.first, expected.reference.last);
        let mut probe = BTreeMap::new();
        for lane in lanes {
            let mut known: BTreeMap<u64, Digest> =
                rows::marks(self.db.conn(), lane, first - 1, last)?.into_iter().collect();
            let held = rows::held(self.db.conn(), lane)?;
            let within = held.intersection(&Ranges::of(first, last));
            for seq in within.iter().map(|run| *run.end()).chain([first - 1, last]) {
                // A damaged file must not keep a good one from coming in its place.
                if (seq == 0 || held.contains(seq))
                    && !known.contains_key(&seq)
                    && let Ok(Some(chain)) = self.chain_at(lane, seq)
                {
                    known.insert(seq, chain);
                }
            }
            probe.insert(lane.track, known);
        }
        Ok(probe)
    }

    /// Reads all of a whole file and checks it, the second half of its blocks on a thread of its own.
    pub(super) fn read_whole(&self, piece: &Piece) -> Result<ReadWhole, StoreError> {
        let path = self.places.file(piece.lane.log, &piece.file);
        let file = places::open(&path)?;
        let bytes = file.metadata().map_err(disk_error("read", &path))?.len();
        let header = SegmentReader::open(&piece.expected(), bytes, &file)?.into_header();
        let half = header.blocks.len() / 2;
        std::thread::scope(|scope| {
            let second = || check_blocks(&header, half..header.blocks.len(), &file);
            let thread = (half > 0).then(|| std::thread::Builder::new().spawn_scoped(scope, second).ok()).flatten();
            check_blocks(&header, 0..half, &file)?;
            match thread.map(std::thread::ScopedJoinHandle::join) {
                Some(Ok(checked)) => checked,
                // Without a thread, or when it panicked, it is looked at here.
                Some(Err(_)) | None => second(),
            }
        })?;
        let mut marks = vec![(header.first - 1, header.base)];
        marks.extend(header.block_ends());
        Ok(ReadWhole { marks, base: header.base, chain: header.chain, attachments: header.attachments })
    }
}

/// Which ways and heads that are followed name a segment, and which heads of its log were followed then.
struct Naming {
    lanes: Vec<Lane>,
    followed: Vec<(u32, Digest)>,
    heads: Vec<Followed>,
}

/// Reads these blocks and checks everything in them.
pub(super) fn check_blocks(header: &SegmentHeader, blocks: Range<usize>, file: &File) -> Result<(), StoreError> {
    let mut stored = Vec::new();
    for block in blocks {
        let Some(place) = header.place(block) else { continue };
        stored.resize(usize::try_from(place.end - place.start).unwrap_or(usize::MAX), 0);
        file.read_exact_at(&mut stored, place.start).map_err(|error| match error.kind() {
            // It was cut since it was opened.
            std::io::ErrorKind::UnexpectedEof => {
                let end = header.blocks.len().checked_sub(1).and_then(|last| header.place(last));
                let expected = end.map_or(place.end, |place| place.end);
                SegmentError::Size { expected, found: file.metadata().map_or(0, |metadata| metadata.len()) }
            }
            _ => SegmentError::Read(error),
        })?;
        header.open_block(block, &stored)?;
    }
    Ok(())
}

/// Reads a whole segment and checks everything in it. `unpacks` may refuse to go on from the header.
pub(super) fn read_whole(
    expected: &Expected,
    bytes: u64,
    input: impl Read,
    unpacks: &mut dyn FnMut(&SegmentHeader) -> Result<(), StoreError>,
    each: &mut dyn FnMut(&Link),
) -> Result<ReadWhole, StoreError> {
    let mut reader = SegmentReader::open(expected, bytes, BufReader::with_capacity(64 * 1024, input))?;
    let header = reader.header();
    unpacks(header)?;
    let mut marks = vec![(header.first - 1, header.base)];
    let (attachments, base, chain) = (header.attachments.clone(), header.base, header.chain);
    while let Some(part) = reader.next_part()? {
        if let Part::Records(links) = part {
            links.iter().for_each(&mut *each);
            marks.extend(links.last().map(|link| (link.frame.last(), link.chain)));
        }
    }
    Ok(ReadWhole { marks, attachments, base, chain })
}
