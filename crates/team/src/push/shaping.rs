//! A unit as it should be in a store: masked, cut down, as rows, with its root.

use std::collections::{BTreeMap, BTreeSet};

use carry_redact::{Finding, Redactor};
use carry_sessions::archive::{Archive, SessionRow};

use super::UnitError;
use super::candidates::{Totals, mode_of, session_input, shown_key, totals_key};
use super::totals;
use crate::plan::Wanted;
use crate::shape;
use crate::share::{Mode, Shares};
use crate::state::Pushed;
use crate::unit::{Bucket, Digest, Head, Place, Root, Row, UnitKey, bucket_hash, root};
use carry_sessions::mask::pieces::{Known, Masking, MaskingError, NOTHING};

/// What units are made from.
#[derive(Clone, Copy)]
pub(crate) struct Workshop<'a> {
    pub archive: &'a Archive,
    pub shares: &'a Shares,
    pub redactor: &'a Redactor,
    /// What hashes that are remembered are keyed with.
    pub key: &'a [u8; 32],
}

/// What one unit is made from, read at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Material {
    /// How much of it is shared.
    pub mode: Mode,
    /// Its input at that moment.
    pub input: Digest,
    pub(super) sessions: Vec<SessionRow>,
    /// What each of them shows, as a hash.
    pub(super) shown: Vec<Digest>,
    /// The project's key, as the mode shows it.
    pub(super) project_key: String,
}

impl Material {
    /// The project's name, as it is here.
    pub(crate) fn project(&self) -> &str {
        self.sessions.first().map_or("", |session| &session.project)
    }

    /// Whether it is of the project that is called so.
    pub(crate) fn is_of(&self, project: &str) -> bool {
        self.sessions.first().is_some_and(|session| session.project_key == project || session.project == project)
    }
}

/// A unit that is being made.
pub(crate) struct Shaping<'a> {
    mode: Mode,
    inner: Inner<'a>,
    masked: BTreeMap<String, u64>,
}

enum Inner<'a> {
    Whole(Box<Masking<'a>>),
    Head(Box<Head>, Known, Vec<Finding>),
}

/// A few buckets of a unit.
pub(crate) struct Piece {
    /// Their rows, in the order of their places.
    pub buckets: Vec<(Bucket, Vec<Row>)>,
    /// What was masked in these, with the message it stood in.
    pub findings: Vec<(u32, Finding)>,
}

/// A unit that was made.
pub(crate) struct Shaped {
    /// Its head.
    pub head: Head,
    /// The head's digest.
    pub digest: Digest,
    /// Its root.
    pub root: Root,
    /// Its buckets.
    pub known: Known,
    /// Places that were masked, by rule.
    pub masked: BTreeMap<String, u64>,
    /// What was masked in the head.
    pub in_head: Vec<Finding>,
}

impl<'a> Workshop<'a> {
    /// Reads what a unit is made from. `None`: there is no such unit any more, or it is shared in another mode now.
    pub(crate) fn material(&self, wanted: &Wanted, sessions: &[i64]) -> Result<Option<Material>, UnitError> {
        let is_totals = matches!(wanted.key, UnitKey::Totals { .. });
        let (mut rows, mut shown, mut totals, mut input) = (Vec::new(), Vec::new(), Totals::default(), None);
        let mut key = String::new();
        for n in sessions {
            let Some(brief) = self.archive.brief(*n)? else { continue };
            let mode = mode_of(&brief, self.archive.origin(), self.shares);
            let is_it = match &wanted.key {
                UnitKey::Session(id) => brief.id == *id && mode == wanted.mode,
                UnitKey::Totals { project, .. } => {
                    mode == Mode::Aggregates && !brief.is_trashed && totals_key(&brief, self.redactor) == *project
                }
            };
            let Some(mut row) = self.archive.session(*n)?.filter(|_| is_it) else { continue };
            // Where it lies on this disk is nobody's business.
            (row.path, row.missing) = (None, None);
            if is_totals {
                totals.add(&brief);
                strip(&mut row);
            } else {
                input = Some(session_input(&brief, mode));
            }
            key = shown_key(&brief, mode, self.redactor).into_owned();
            shown.push(brief.shown);
            rows.push(row);
        }
        if is_totals && !rows.is_empty() {
            input = Some(totals.input());
        }
        Ok(input.map(|input| Material { mode: wanted.mode, input, sessions: rows, shown, project_key: key }))
    }

    /// Begins to make a unit. With `known`, buckets that have not changed since are left out, see [`Masking::begin`]. Whatever
    /// is shared, all of the session is looked through: what a branch or a name is, a message may tell to be a secret.
    pub(crate) fn begin(&self, material: &Material, known: Option<&Known>) -> Result<Shaping<'a>, UnitError> {
        let inner = match (material.mode, material.sessions.first()) {
            (Mode::Full | Mode::Prompts, Some(session)) => {
                let (pins, links) = (self.archive.pins(&session.id)?, self.archive.links_of(session.n)?);
                let (redactor, key) = (self.redactor, self.key);
                Inner::Whole(Box::new(Masking::begin(
                    self.archive,
                    session,
                    &pins,
                    &links,
                    Vec::new(),
                    redactor,
                    key,
                    known,
                )?))
            }
            (Mode::Metadata, Some(session)) => {
                let (pins, links) = (self.archive.pins(&session.id)?, self.archive.links_of(session.n)?);
                let session = SessionRow { project_key: material.project_key.clone(), ..session.clone() };
                let (redactor, key) = (self.redactor, self.key);
                let masking = Masking::begin(self.archive, &session, &pins, &links, Vec::new(), redactor, key, None)?;
                let head = masking.head().clone();
                let findings = head.findings.clone();
                let head = shape::session_head(material.mode, head, BTreeMap::new());
                Inner::Head(Box::new(head), Known::default(), findings)
            }
            _ => {
                let (head, known, findings) = totals::totals(self, material, known)?;
                Inner::Head(Box::new(Head::Totals(head)), known, findings)
            }
        };
        Ok(Shaping { mode: material.mode, inner, masked: BTreeMap::new() })
    }
}

/// Counts by rule.
fn counted(findings: &[Finding]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for finding in findings {
        *counts.entry(finding.rule.to_owned()).or_default() += 1;
    }
    counts
}

/// Takes everything out of a row that sums do not need: there may be many at once.
fn strip(row: &mut SessionRow) {
    for text in [&mut row.cwd, &mut row.branch, &mut row.name, &mut row.first_prompt, &mut row.resume] {
        *text = None;
    }
    row.labels = Vec::new();
}

impl Shaping<'_> {
    /// The next buckets, in order.
    pub(crate) fn next(&mut self) -> Result<Option<Piece>, MaskingError> {
        let Inner::Whole(masking) = &mut self.inner else { return Ok(None) };
        let Some(piece) = masking.next_piece()? else { return Ok(None) };
        let mut by_bucket: BTreeMap<Bucket, Vec<(u32, Finding)>> = BTreeMap::new();
        for (ordinal, finding) in piece.findings {
            by_bucket.entry(Bucket::of(ordinal)).or_default().push((ordinal, finding));
        }
        let (mut buckets, mut findings) = (Vec::with_capacity(piece.buckets.len()), Vec::new());
        for (bucket, messages) in piece.buckets {
            let rows = shape::rows(self.mode, bucket, &messages);
            let hash = || bucket_hash(rows.iter().map(|row| (row.place, &row.digest)));
            masking.set_shaped(bucket, if rows.is_empty() { NOTHING } else { hash() });
            if let Some(mut found) = by_bucket.remove(&bucket) {
                for (rule, count) in shape::masked_in(&rows, &found) {
                    *self.masked.entry(rule).or_default() += count;
                }
                let shared: BTreeSet<Place> = rows.iter().map(|row| row.place).collect();
                found.retain(|(ordinal, _)| shared.contains(&Place::Message(*ordinal)));
                findings.append(&mut found);
            }
            buckets.push((bucket, rows));
        }
        Ok(Some(Piece { buckets, findings }))
    }

    /// Ends it, after the last piece.
    pub(crate) fn finish(self) -> Shaped {
        let (head, known, in_head) = match self.inner {
            Inner::Whole(masking) => {
                let findings = masking.head().findings.clone();
                let head = shape::session_head(self.mode, masking.head().clone(), self.masked);
                (head, masking.finish(), findings)
            }
            Inner::Head(head, known, findings) => (*head, known, findings),
        };
        let digest = shape::head_digest(&head);
        let root = root(&digest, known.shaped());
        let masked = match &head {
            Head::Session(session) => session.masked.clone(),
            Head::Totals(_) => counted(&in_head),
        };
        Shaped { head, digest, root, known, masked, in_head }
    }
}

impl Shaped {
    /// As it is remembered.
    pub(crate) fn pushed(self, material: &Material, mask: &str) -> Pushed {
        Pushed {
            input: material.input,
            mask: mask.to_owned(),
            shape: shape::VERSION,
            mode: material.mode,
            root: self.root,
            head: self.digest,
            known: self.known,
            masked: self.masked,
        }
    }
}
