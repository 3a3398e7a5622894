//! One unit, from the archive to the store.
//!
//! What has changed is found by bucket: hashes that are remembered, or what the store itself says, against those of what was made
//! now. Only rows of buckets that differ are compared one by one. A unit that the store does not have yet goes there while it is made;
//! of others the rows are kept until it is known which of them matter, and made again when they are too many to keep.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use super::UnitError;
use super::shaping::{Material, Shaped, Workshop};
use crate::plan::{self, Wanted};
use crate::readback::read_back;
use crate::shape;
use crate::sink::{Begun, Buckets, Change, Held, Sink};
use crate::state::Pushed;
use crate::unit::{Bucket, Digest, Place, Root, Row, bucket_hash};
use carry_sessions::mask::pieces::Known;

/// Bytes of rows that are kept while a unit is made. Few in tests, so that both ways are taken.
const KEPT_BYTES_MAX: usize = if cfg!(test) { 8 * 1024 } else { 16 * 1024 * 1024 };

/// What is thought to be in the store.
#[derive(Clone, Debug)]
pub(super) enum Base {
    /// Nothing.
    New,
    /// Nobody knows: the store is asked.
    Doubted,
    /// This.
    Known(Box<Pushed>),
}

/// What came of it.
pub(super) struct Outcome {
    /// What to remember.
    pub pushed: Pushed,
    /// Rows that were put.
    pub put: u64,
    /// Rows that were taken out.
    pub taken: u64,
    /// Whether anything in the store was, or would be, changed.
    pub is_changed: bool,
}

/// One try.
pub(super) struct Try<'t> {
    /// Makes units.
    pub workshop: Workshop<'t>,
    /// The store.
    pub sink: &'t mut dyn Sink,
    /// The mask's stamp.
    pub mask: &'t str,
    /// Set to stop.
    pub cancel: &'t AtomicBool,
    /// Whether nothing is to be written.
    pub is_dry: bool,
    /// Whether what is in the store is read back, and only believed to be what it is then.
    pub is_thorough: bool,
}

/// What the store has of a unit.
#[derive(Default)]
struct Before {
    root: Option<Root>,
    head: Option<Digest>,
    /// Hashes of buckets with rows.
    buckets: BTreeMap<Bucket, Digest>,
    /// Rows, of all buckets or of those that differ.
    rows: BTreeMap<Bucket, BTreeMap<Place, Digest>>,
}

/// Where rows go while a unit is made.
enum Flow<'s> {
    Kept(BTreeMap<Bucket, Vec<Row>>, usize),
    /// They were too many.
    Dropped,
    Sent(Box<dyn Change + 's>),
}

impl Try<'_> {
    /// Brings the store to what `wanted` is now. `None`: there is no such unit any more.
    pub(super) fn run(self, wanted: &Wanted, sessions: &[i64], base: &Base) -> Result<Option<Outcome>, UnitError> {
        let Self { workshop, sink, mask, cancel, is_dry, is_thorough } = self;
        // Whatever is read is of one moment, also when it is read twice.
        let _snapshot = workshop.archive.snapshot()?;
        let Some(material) = workshop.material(wanted, sessions)? else { return Ok(None) };
        let mut before = before(sink, wanted, base, is_thorough)?;
        let is_new = before.root.is_none() && before.rows.is_empty() && matches!(base, Base::New);
        let mut shaping = workshop.begin(&material, reusable(base, &material, mask))?;
        let mut sink = Some(sink);
        let mut flow = Flow::Kept(BTreeMap::new(), 0);
        let (mut put, mut taken) = (0, 0);
        while let Some(piece) = shaping.next()? {
            if cancel.load(Ordering::Relaxed) {
                return Err(UnitError::Stopped);
            }
            for (bucket, rows) in piece.buckets {
                put += if is_new { rows.len() as u64 } else { 0 };
                flow.take(bucket, rows)?;
            }
            if flow.is_full() {
                flow = match (flow, sink.take()) {
                    (Flow::Kept(kept, _), Some(sink)) if is_new && !is_dry => {
                        let mut change = begin(sink.change(&wanted.key, None)?)?;
                        kept.into_values().try_for_each(|rows| change.put(rows))?;
                        Flow::Sent(change)
                    }
                    (_, same) => {
                        sink = same;
                        Flow::Dropped
                    }
                };
            }
        }
        let shaped = shaping.finish();
        let dirty = if is_new { BTreeSet::new() } else { dirty(&before.buckets, &shaped) };
        let is_same = before.root == Some(shaped.root) && before.head == Some(shaped.digest) && dirty.is_empty();
        if is_same {
            return Ok(Some(Outcome { pushed: shaped.pushed(&material, mask), put, taken, is_changed: false }));
        }
        let mut change = None;
        let kept = match (flow, sink) {
            (Flow::Sent(sent), _) => {
                change = Some(sent);
                BTreeMap::new()
            }
            (flow, Some(sink)) => {
                ask(sink, wanted, base, &dirty, &mut before)?;
                if !is_dry {
                    change = Some(begin(sink.change(&wanted.key, before.root)?)?);
                }
                match flow {
                    Flow::Kept(kept, _) => kept,
                    _ if is_new => BTreeMap::new(),
                    _ => {
                        // Made again, those that differ: they were too many to keep.
                        let mut others = shaped.known.clone();
                        others.buckets.retain(|bucket, _| !dirty.contains(bucket));
                        let mut again = workshop.begin(&material, Some(&others))?;
                        while let Some(piece) = again.next()? {
                            if cancel.load(Ordering::Relaxed) {
                                return Err(UnitError::Stopped);
                            }
                            for (bucket, rows) in piece.buckets {
                                if dirty.contains(&bucket) {
                                    let done = bring(change.as_deref_mut(), before.rows.remove(&bucket), rows)?;
                                    (put, taken) = (put + done.0, taken + done.1);
                                }
                            }
                        }
                        BTreeMap::new()
                    }
                }
            }
            (_, None) => BTreeMap::new(),
        };
        for (bucket, rows) in kept {
            if is_new {
                // They are counted already.
                change.as_deref_mut().map_or(Ok(()), |change| change.put(rows))?;
            } else if dirty.contains(&bucket) {
                let done = bring(change.as_deref_mut(), before.rows.remove(&bucket), rows)?;
                (put, taken) = (put + done.0, taken + done.1);
            }
        }
        for bucket in &dirty {
            // Nothing came in their place.
            let done = bring(change.as_deref_mut(), before.rows.remove(bucket), Vec::new())?;
            taken += done.1;
        }
        if let Some(change) = change {
            let head = (before.head != Some(shaped.digest)).then_some((&shaped.head, &shaped.digest));
            change.commit(head, shaped.root, mask)?;
        }
        Ok(Some(Outcome { pushed: shaped.pushed(&material, mask), put, taken, is_changed: true }))
    }
}

impl Flow<'_> {
    fn take(&mut self, bucket: Bucket, rows: Vec<Row>) -> Result<(), UnitError> {
        match self {
            Self::Sent(change) => change.put(rows)?,
            Self::Dropped => {}
            Self::Kept(kept, bytes) => {
                *bytes += rows.iter().map(|row| row.body.bytes()).sum::<usize>();
                kept.insert(bucket, rows);
            }
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        matches!(self, Self::Kept(_, bytes) if *bytes > KEPT_BYTES_MAX)
    }
}

/// What is known of the buckets, when it is of use for making the unit again.
fn reusable<'b>(base: &'b Base, material: &Material, mask: &str) -> Option<&'b Known> {
    match base {
        Base::Known(pushed) => {
            let is_alike = pushed.mask == mask && pushed.mode == material.mode && pushed.shape == shape::VERSION;
            is_alike.then_some(&pushed.known)
        }
        Base::New | Base::Doubted => None,
    }
}

/// What the store has, as it is remembered, or as it says.
fn before(sink: &mut dyn Sink, wanted: &Wanted, base: &Base, is_thorough: bool) -> Result<Before, UnitError> {
    Ok(match base {
        Base::New => Before::default(),
        Base::Known(pushed) => Before {
            root: Some(pushed.root),
            head: Some(pushed.head),
            buckets: pushed.known.shaped().map(|(bucket, hash)| (bucket, *hash)).collect(),
            rows: BTreeMap::new(),
        },
        Base::Doubted => {
            let mut held = sink.held(&wanted.key, &Buckets::All)?.unwrap_or_default();
            if is_thorough && let Some(wrong) = read_back(sink, &wanted.key, &held)? {
                // Whatever is not what its digest says differs from what should be there.
                held.head = held.head.filter(|_| !wrong.is_head);
                held.rows.extend(wrong.rows.into_iter().map(|place| (place, [0; 32])));
            }
            let (root, head) = (held.root, held.head);
            let rows = by_bucket(held);
            let hash =
                |rows: &BTreeMap<Place, Digest>| bucket_hash(rows.iter().map(|(place, digest)| (*place, digest)));
            Before { root, head, buckets: rows.iter().map(|(bucket, rows)| (*bucket, hash(rows))).collect(), rows }
        }
    })
}

/// Asks for the rows of the buckets that differ, where only hashes are known.
fn ask(
    sink: &mut dyn Sink,
    wanted: &Wanted,
    base: &Base,
    dirty: &BTreeSet<Bucket>,
    before: &mut Before,
) -> Result<(), UnitError> {
    if !matches!(base, Base::Known(_)) {
        return Ok(());
    }
    let there: BTreeSet<Bucket> = dirty.iter().filter(|bucket| before.buckets.contains_key(bucket)).copied().collect();
    if there.is_empty() {
        return Ok(());
    }
    let Some(held) = sink.held(&wanted.key, &Buckets::These(there))? else { return Err(UnitError::Moved) };
    if held.root != before.root {
        return Err(UnitError::Moved);
    }
    before.head = held.head;
    before.rows = by_bucket(held);
    Ok(())
}

fn by_bucket(held: Held) -> BTreeMap<Bucket, BTreeMap<Place, Digest>> {
    let mut buckets: BTreeMap<Bucket, BTreeMap<Place, Digest>> = BTreeMap::new();
    for (place, digest) in held.rows {
        buckets.entry(place.bucket()).or_default().insert(place, digest);
    }
    buckets
}

/// Buckets that are not alike.
fn dirty(before: &BTreeMap<Bucket, Digest>, shaped: &Shaped) -> BTreeSet<Bucket> {
    let now: BTreeMap<Bucket, &Digest> = shaped.known.shaped().collect();
    let gone = before.keys().filter(|bucket| !now.contains_key(bucket)).copied();
    let other = now.iter().filter(|(bucket, hash)| before.get(bucket) != Some(hash)).map(|(bucket, _)| *bucket);
    gone.chain(other).collect()
}

fn begin(begun: Begun<'_>) -> Result<Box<dyn Change + '_>, UnitError> {
    match begun {
        Begun::Open(change) => Ok(change),
        Begun::Moved(_) => Err(UnitError::Moved),
        Begun::Elsewhere { origin } => Err(UnitError::Elsewhere(origin)),
    }
}

/// Brings a bucket of which `held` is there to `rows`; says how many rows were put and taken.
fn bring(
    change: Option<&mut (dyn Change + '_)>,
    held: Option<BTreeMap<Place, Digest>>,
    rows: Vec<Row>,
) -> Result<(u64, u64), UnitError> {
    let held = Held { rows: held.unwrap_or_default(), ..Held::default() };
    let delta = plan::delta(&held, rows);
    let counts = (delta.put.len() as u64, delta.take.len() as u64);
    if let Some(change) = change {
        if !delta.take.is_empty() {
            change.take(&delta.take)?;
        }
        if !delta.put.is_empty() {
            change.put(delta.put)?;
        }
    }
    Ok(counts)
}
