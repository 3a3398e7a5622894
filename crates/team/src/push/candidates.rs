//! Which units should be in a store, and a hash of what each is made of.
//!
//! One pass over briefs of the archive, without reading a message. What counts is what this device has to answer for: sessions
//! that were first archived here, and those that were read from a file here. Others belong to the device they came from.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use carry_kernel::clock::Timestamp;
use carry_redact::Redactor;
use carry_sessions::archive::{Archive, ArchiveError, Brief};

use crate::plan::Wanted;
use crate::shape;
use crate::share::{Mode, ProjectRef, Shares};
use crate::unit::{Digest, UnitKey};

/// What should be in a store.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    /// The units.
    pub wanted: Vec<Wanted>,
    /// By a unit's key: its place among them, and the rows of its sessions.
    pub sessions: HashMap<String, (usize, Vec<i64>)>,
    /// Keys of all units that this archive could have made, shared or not: of these it may say that they should not be there.
    answers_for: HashSet<String>,
}

impl Candidates {
    /// Those of the archive under these rules.
    pub(crate) fn of(archive: &Archive, shares: &Shares, redactor: &Redactor) -> Result<Self, ArchiveError> {
        let mut found = Self::default();
        let mut totals: BTreeMap<String, Totals> = BTreeMap::new();
        let mut projects = HashSet::new();
        archive.briefs(&mut |brief| {
            if is_ours(&brief, archive.origin()) {
                found.answers_for.insert(brief.id.to_string());
                let key = totals_key(&brief, redactor);
                if !projects.contains(&*key) {
                    projects.insert(key.into_owned());
                }
            }
            match mode_of(&brief, archive.origin(), shares) {
                Mode::Off => {}
                Mode::Aggregates => {
                    // Lists and sums leave out what is in the trash.
                    if !brief.is_trashed {
                        totals.entry(totals_key(&brief, redactor).into_owned()).or_default().add(&brief);
                    }
                }
                mode => {
                    let key = UnitKey::Session(brief.id.clone());
                    let input = session_input(&brief, mode);
                    found.add(Wanted { key, mode, input, ended: brief.ended }, vec![brief.n]);
                }
            }
        })?;
        let origin = archive.origin();
        let totals_of = |project| UnitKey::Totals { origin: origin.to_owned(), project }.to_text();
        found.answers_for.extend(projects.into_iter().map(totals_of));
        found.answers_for.extend(archive.deleted()?.iter().map(ToString::to_string));
        for (project, totals) in totals {
            let key = UnitKey::Totals { origin: archive.origin().to_owned(), project };
            let input = totals.input();
            found.add(Wanted { key, mode: Mode::Aggregates, input, ended: totals.ended }, totals.sessions);
        }
        Ok(found)
    }

    fn add(&mut self, wanted: Wanted, sessions: Vec<i64>) {
        self.sessions.insert(wanted.key.to_text(), (self.wanted.len(), sessions));
        self.wanted.push(wanted);
    }

    /// Whether a unit that the store has and that is not wanted is taken out of it: this home remembers having `made` it, or
    /// its archive knows it, or knew it before it was deleted for good. Another archive knows what this one does not: that of a
    /// copied home, say, or of this one before it was lost. What only such a one may know is left alone unless a full push is
    /// asked for.
    pub(crate) fn withdraws(&self, key: &str, made: bool) -> bool {
        made || self.answers_for.contains(key)
    }

    /// A unit by its key.
    pub(crate) fn get(&self, key: &str) -> Option<(&Wanted, &[i64])> {
        let (at, sessions) = self.sessions.get(key)?;
        Some((self.wanted.get(*at)?, sessions))
    }
}

/// How much of a session is shared; nothing of one that is another device's.
pub(crate) fn mode_of(brief: &Brief, origin: &str, shares: &Shares) -> Mode {
    if !is_ours(brief, origin) {
        return Mode::Off;
    }
    let project = brief.project.as_deref();
    let mode = shares.mode_of(ProjectRef {
        key: project.map_or("", |project| &project.key),
        remote: project.and_then(|project| project.remote.as_deref()),
        root: project.and_then(|project| project.root.as_deref()),
        cwd: brief.cwd.as_deref(),
    });
    shape::mode_of(mode, brief.relation)
}

fn is_ours(brief: &Brief, origin: &str) -> bool {
    brief.origin == origin || brief.is_from_here
}

/// The key of a session's project, as this mode shows it.
pub(crate) fn shown_key<'b>(brief: &'b Brief, mode: Mode, redactor: &Redactor) -> Cow<'b, str> {
    let key = |project| shape::project_key(mode, project, |text| redactor.fingerprint(text));
    brief.project.as_deref().map_or(Cow::Borrowed(""), key)
}

/// The same, where sums are shared: what names them.
pub(crate) fn totals_key<'b>(brief: &'b Brief, redactor: &Redactor) -> Cow<'b, str> {
    shown_key(brief, Mode::Aggregates, redactor)
}

/// What a session's unit is made of.
pub(crate) fn session_input(brief: &Brief, mode: Mode) -> Digest {
    let mut hasher = hasher(mode);
    hasher.update(&brief.shown);
    *hasher.finalize().as_bytes()
}

fn hasher(mode: Mode) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new_derive_key("carry team input v1");
    hasher.update(&shape::VERSION.to_le_bytes());
    hasher.update(&(mode.as_str().len() as u64).to_le_bytes());
    hasher.update(mode.as_str().as_bytes());
    hasher
}

/// Sessions of a project of which no more than sums are shared.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    hasher: Option<blake3::Hasher>,
    sessions: Vec<i64>,
    ended: Option<Timestamp>,
}

impl Totals {
    /// Takes one in; they come in the order of their rows.
    pub(crate) fn add(&mut self, brief: &Brief) {
        self.hasher.get_or_insert_with(|| hasher(Mode::Aggregates)).update(&brief.shown);
        self.sessions.push(brief.n);
        self.ended = self.ended.max(brief.ended);
    }

    /// What the unit is made of.
    pub(crate) fn input(&self) -> Digest {
        *self.hasher.clone().unwrap_or_else(|| hasher(Mode::Aggregates)).finalize().as_bytes()
    }
}
