//! What would leave: exactly, and without a connection.
//!
//! It is made by the same code that makes what is pushed, one session at a time.

use std::collections::BTreeMap;

use carry_kernel::clock::Timestamp;
use carry_redact::{Finding, Redactor, placeholder};
use carry_sessions::archive::Archive;
use carry_sessions::export;

use crate::plan::{self, Wanted, Why};
use crate::push::candidates::Candidates;
use crate::push::shaping::{Material, Shaped, Workshop};
use crate::push::{PushError, UnitError};
use crate::settings::StoreSettings;
use crate::share::Mode;
use crate::state::State;
use crate::unit::{Body, Head, Row};

/// What a preview needs.
#[derive(Clone, Copy)]
pub struct Preview<'a> {
    /// The archive.
    pub archive: &'a Archive,
    /// What is known of the store, if anything is.
    pub state: Option<&'a State>,
    /// The store's settings.
    pub store: &'a StoreSettings,
    /// The redactor (see [`crate::push::redactor`]).
    pub redactor: &'a Redactor,
}

/// Which units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// Everything that is shared.
    All,
    /// What is shared of a project: its key (remote, or root) or its name.
    Project(String),
    /// The unit with this key: a session's id.
    Unit(String),
}

/// How a unit stands to the store, as far as this device knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is there as it is.
    Same,
    /// It is there, but not as it is now.
    Changed,
    /// It is not there.
    New,
}

/// A unit that is, or would be, in the store.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Its key.
    pub key: String,
    /// How much of it is shared.
    pub mode: Mode,
    /// The project's name, as shared.
    pub project: String,
    /// What it is called, as shared.
    pub title: String,
    /// Messages that leave.
    pub messages: u64,
    /// About how many bytes of messages and outputs leave.
    pub bytes: u64,
    /// Places that are masked in what leaves, by rule.
    pub masked: BTreeMap<String, u64>,
    /// How it stands to the store.
    pub standing: Standing,
    /// Why it does not leave.
    pub failure: Option<String>,
}

/// A part of what leaves of one unit.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Its head, which comes first.
    Head(Head),
    /// A row; they come in the order of their buckets.
    Row(Row),
    /// A place that was masked.
    Masked {
        /// The rule.
        rule: String,
        /// What stands there instead.
        placeholder: String,
        /// The message; `None`: in the head.
        ordinal: Option<u32>,
    },
}

impl Preview<'_> {
    /// Says each unit to `each`.
    ///
    /// # Errors
    /// [`PushError`].
    pub fn items(&self, which: &Which, each: &mut dyn FnMut(Item)) -> Result<(), PushError> {
        let known = self.known()?;
        let mask = self.redactor.stamp();
        let candidates = self.candidates()?;
        let key = [0; 32];
        for wanted in &candidates.wanted {
            let unit = wanted.key.to_text();
            if matches!(which, Which::Unit(only) if *only != unit) {
                continue;
            }
            let Some((_, sessions)) = candidates.get(&unit) else { continue };
            let _snapshot = self.archive.snapshot()?;
            let material = match self.workshop(&key).material(wanted, sessions) {
                Ok(Some(material)) => material,
                Ok(None) => continue,
                Err(error) => {
                    each(failed(wanted, None, standing(known.get(&unit), wanted, &mask), why(error)?));
                    continue;
                }
            };
            if matches!(which, Which::Project(said) if !material.is_of(said)) {
                continue;
            }
            let standing = standing(known.get(&unit), wanted, &mask);
            let (mut messages, mut bytes) = (0, 0);
            let mut count = |row: Row| {
                messages += u64::from(matches!(row.body, Body::Message { .. }));
                // Words are made of what has been counted.
                bytes += if matches!(row.body, Body::Words(_)) { 0 } else { row.body.bytes() as u64 };
            };
            match self.shape(&material, &key, &mut count, &mut |_, _| {}) {
                Ok(shaped) => {
                    let (project, title) = match &shaped.head {
                        Head::Session(head) => (head.session.project.clone(), export::title(&head.session)),
                        Head::Totals(totals) => (totals.project.clone(), totals.project.clone()),
                    };
                    let (mode, masked) = (wanted.mode, shaped.masked);
                    let item =
                        Item { key: unit, mode, project, title, messages, bytes, masked, standing, failure: None };
                    each(item);
                }
                Err(error) => each(failed(wanted, Some(&material), standing, why(error)?)),
            }
        }
        Ok(())
    }

    /// Keys of units that a push would take out of the store. Those that it would leave alone, since only another copy of this
    /// home may know them, are not among them.
    ///
    /// # Errors
    /// [`PushError`].
    pub fn withdrawals(&self) -> Result<Vec<String>, PushError> {
        let Some(state) = self.state else { return Ok(Vec::new()) };
        let (candidates, known) = (self.candidates()?, self.known()?);
        let mask = self.redactor.stamp();
        let steps = plan::plan(&candidates.wanted, &known, &mask, Timestamp::EPOCH);
        let mut keys = Vec::new();
        for step in steps.into_iter().filter(|step| step.why == Why::Withdraw) {
            let made = known.get(&step.key).is_some_and(plan::Known::is_made);
            // What failed, or is another device's, was never there.
            if candidates.withdraws(&step.key, made) && state.shared(&self.store.name, &step.key)?.is_some() {
                keys.push(step.key);
            }
        }
        Ok(keys)
    }

    /// How many units a push would look at now. Those that are set aside until later are not among them.
    ///
    /// # Errors
    /// [`PushError`].
    pub fn pending(&self, now: Timestamp) -> Result<u64, PushError> {
        let candidates = self.candidates()?;
        let steps = plan::plan(&candidates.wanted, &self.known()?, &self.redactor.stamp(), now);
        let to_withdraw = self.withdrawals()?.len() as u64;
        Ok(to_withdraw + steps.iter().filter(|step| step.why != Why::Withdraw).count() as u64)
    }

    /// Says everything that leaves of one unit to `each`; `false` when no unit of this key is shared.
    ///
    /// # Errors
    /// [`ContentError`].
    pub fn content(&self, key: &str, each: &mut dyn FnMut(Part)) -> Result<bool, ContentError> {
        let candidates = self.candidates()?;
        let Some((wanted, sessions)) = candidates.get(key) else { return Ok(false) };
        let _snapshot = self.archive.snapshot()?;
        let secret = [0; 32];
        let Some(material) = self.workshop(&secret).material(wanted, sessions)? else { return Ok(false) };
        // Made twice: the head counts what is masked in the rows, and comes before them.
        let shaped = self.shape(&material, &secret, &mut |_| {}, &mut |_, _| {})?;
        each(Part::Head(shaped.head));
        for finding in shaped.in_head {
            each(masked(None, &finding));
        }
        let each = std::cell::RefCell::new(each);
        let mut row = |row| (each.borrow_mut())(Part::Row(row));
        let mut found = |ordinal, finding: &Finding| (each.borrow_mut())(masked(Some(ordinal), finding));
        self.shape(&material, &secret, &mut row, &mut found)?;
        Ok(true)
    }

    fn candidates(&self) -> Result<Candidates, PushError> {
        Ok(Candidates::of(self.archive, &self.store.shares, self.redactor)?)
    }

    fn known(&self) -> Result<BTreeMap<String, plan::Known>, PushError> {
        Ok(self.state.map(|state| state.known(&self.store.name)).transpose()?.unwrap_or_default())
    }

    fn workshop<'w>(&'w self, key: &'w [u8; 32]) -> Workshop<'w> {
        Workshop { archive: self.archive, shares: &self.store.shares, redactor: self.redactor, key }
    }

    fn shape(
        &self,
        material: &Material,
        key: &[u8; 32],
        row: &mut dyn FnMut(Row),
        found: &mut dyn FnMut(u32, &Finding),
    ) -> Result<Shaped, UnitError> {
        let workshop = self.workshop(key);
        let mut shaping = workshop.begin(material, None)?;
        while let Some(piece) = shaping.next()? {
            piece.findings.iter().for_each(|(ordinal, finding)| found(*ordinal, finding));
            piece.buckets.into_iter().flat_map(|(_, rows)| rows).for_each(&mut *row);
        }
        Ok(shaping.finish())
    }
}

/// Why what leaves of a unit cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// Nothing of it leaves.
    #[error("nothing of it leaves: {why}")]
    Withheld {
        /// Why.
        why: String,
    },
    /// The archive, or what is known of the store, failed.
    #[error(transparent)]
    Failed(#[from] PushError),
}

impl From<carry_sessions::archive::ArchiveError> for ContentError {
    fn from(error: carry_sessions::archive::ArchiveError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<UnitError> for ContentError {
    fn from(error: UnitError) -> Self {
        why(error).map_or_else(Self::Failed, |why| Self::Withheld { why })
    }
}

/// Why a unit does not leave, or why nothing can go on.
fn why(error: UnitError) -> Result<String, PushError> {
    match error {
        UnitError::Aside { why, .. } => Ok(why),
        UnitError::Fatal(error) => Err(error),
        // Only stores say this, and there is none here.
        UnitError::Moved | UnitError::Elsewhere(_) | UnitError::Stopped => Ok("it was not looked at".to_owned()),
    }
}

fn standing(known: Option<&plan::Known>, wanted: &Wanted, mask: &str) -> Standing {
    match known.and_then(|known| Some((known.input?, &known.mask))) {
        Some((input, there)) if input == wanted.input && there == mask => Standing::Same,
        Some(_) => Standing::Changed,
        None => Standing::New,
    }
}

/// An item of what does not leave. Nothing in it may say what could not be masked.
fn failed(wanted: &Wanted, material: Option<&Material>, standing: Standing, why: String) -> Item {
    Item {
        key: wanted.key.to_text(),
        mode: wanted.mode,
        project: material.map_or_else(String::new, |material| material.project().to_owned()),
        title: wanted.key.to_text(),
        messages: 0,
        bytes: 0,
        masked: BTreeMap::new(),
        standing,
        failure: Some(why),
    }
}

fn masked(ordinal: Option<u32>, finding: &Finding) -> Part {
    let (rule, placeholder) = (finding.rule.to_owned(), placeholder(finding.rule, finding.fingerprint));
    Part::Masked { rule, placeholder, ordinal }
}

#[cfg(test)]
mod tests;
