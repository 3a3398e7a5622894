//! What the last look at a tree found, as JSON in its row.
//!
//! Fields that are missing take their default and names that are not known are passed over, so that fields can be
//! added. A state that cannot be read at all counts as none: the next look makes it again.

use carry_kernel::clock::Timestamp;
use carry_kernel::db::DbError;
use carry_kernel::db::rusqlite::{Error, OptionalExtension as _, Transaction};
use carry_kernel::id::TreeId;
use serde::{Deserialize, Serialize};

use super::{Coverage, Registry, TreeState};
use crate::budget::Level;
use crate::drift::Noted;
use crate::git::{BString, ByteSlice as _, ObjectId};
use crate::line::quote;
use crate::snapshot::{SkipReason, Skipped, State};

impl Registry {
    /// What the last look found; the default when there was none.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn state(&self, id: &TreeId) -> Result<TreeState, DbError> {
        let mut query = self.db.conn().prepare("SELECT state FROM trees WHERE id = ?").map_err(self.db.failed())?;
        let json: Option<Option<String>> =
            query.query_row([id.as_str()], |row| row.get(0)).optional().map_err(self.db.failed())?;
        Ok(decode(json.flatten().as_deref()))
    }

    /// Changes the remembered state in one transaction. Does nothing when the tree is not registered (any more).
    ///
    /// # Errors
    /// [`DbError`].
    pub fn update_state(&mut self, id: &TreeId, change: impl FnOnce(&mut TreeState)) -> Result<(), DbError> {
        let failed = self.db.failed();
        self.db.write(|tx| {
            let json = tx.query_row("SELECT state FROM trees WHERE id = ?", [id.as_str()], |row| {
                row.get::<_, Option<String>>(0)
            });
            let Some(json) = json.optional().map_err(&failed)? else { return Ok(()) };
            let before = decode(json.as_deref());
            let mut state = before.clone();
            change(&mut state);
            if state != before || json.is_none() {
                put(tx, id, &state).map_err(&failed)?;
            }
            Ok(())
        })
    }
}

/// Writes a state down.
pub(super) fn put(tx: &Transaction<'_>, id: &TreeId, state: &TreeState) -> Result<(), Error> {
    let bytes = i64::try_from(state.bytes).unwrap_or(i64::MAX);
    tx.execute("UPDATE trees SET state = ?, bytes = ? WHERE id = ?", (encode(state), bytes, id.as_str())).map(drop)
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Stored {
    captured: Option<i64>,
    snapshot: Option<String>,
    branch: Option<String>,
    state: Option<String>,
    skipped: Vec<(String, String)>,
    nested: Vec<String>,
    coverage: Option<String>,
    coverage_reason: Option<String>,
    error: Option<String>,
    snapshots: u64,
    bytes: u64,
    level: String,
    drift: Vec<Noted>,
}

const COVERAGES: [(Coverage, &str); 3] =
    [(Coverage::Unwatched, "unwatched"), (Coverage::Watched, "watched"), (Coverage::Polled, "polled")];
const LEVELS: [(Level, &str); 4] =
    [(Level::Normal, "normal"), (Level::Tight, "tight"), (Level::TrackedOnly, "tracked-only"), (Level::Full, "full")];

fn name_of<T: Copy + PartialEq>(all: &[(T, &'static str)], wanted: T) -> &'static str {
    all.iter().find(|(one, _)| *one == wanted).map(|(_, name)| *name).expect("every variant has a name")
}

fn named<T: Copy>(all: &[(T, &'static str)], wanted: &str) -> Option<T> {
    all.iter().find(|(_, name)| *name == wanted).map(|(one, _)| *one)
}

fn path(text: &str) -> Option<BString> {
    quote::unquote(text.into())
}

fn encode(state: &TreeState) -> String {
    let stored = Stored {
        captured: state.captured.map(Timestamp::as_millis),
        snapshot: state.snapshot.map(|id| id.to_string()),
        branch: state.branch.clone(),
        state: state.state.map(|state| state.name().to_owned()),
        skipped: state.skipped.iter().map(|s| (s.reason.name().to_owned(), quote::quote(s.path.as_bstr()))).collect(),
        nested: state.nested.iter().map(|path| quote::quote(path.as_bstr())).collect(),
        coverage: state.coverage.map(|coverage| name_of(&COVERAGES, coverage).to_owned()),
        coverage_reason: state.coverage_reason.clone(),
        error: state.error.clone(),
        snapshots: state.snapshots,
        bytes: state.bytes,
        level: name_of(&LEVELS, state.level).to_owned(),
        drift: state.drift.clone(),
    };
    serde_json::to_string(&stored).expect("text and numbers always fit JSON")
}

fn decode(json: Option<&str>) -> TreeState {
    let stored: Stored = json.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
    TreeState {
        captured: stored.captured.map(Timestamp::from_millis),
        snapshot: stored.snapshot.and_then(|hex| ObjectId::from_hex(hex.as_bytes()).ok()),
        branch: stored.branch,
        state: stored.state.and_then(|name| State::from_name(&name)),
        skipped: stored
            .skipped
            .iter()
            .filter_map(|(reason, text)| Some(Skipped { path: path(text)?, reason: SkipReason::from_name(reason)? }))
            .collect(),
        nested: stored.nested.iter().filter_map(|text| path(text)).collect(),
        coverage: stored.coverage.and_then(|name| named(&COVERAGES, &name)),
        coverage_reason: stored.coverage_reason,
        error: stored.error,
        snapshots: stored.snapshots,
        bytes: stored.bytes,
        level: named(&LEVELS, &stored.level).unwrap_or_default(),
        drift: stored.drift,
    }
}

#[cfg(test)]
mod tests;
