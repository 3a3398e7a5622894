//! What others have of a working tree's branch, written down: a prompt reads it in a moment, without opening a repository.

use carry_kernel::clock::Timestamp;
use carry_kernel::db::DbError;
use carry_kernel::id::TreeId;
use serde::{Deserialize, Serialize};

use super::Drift;
use crate::context::Context;
use crate::history::{self, HistoryError};
use crate::line::{Branch, LINES};
use crate::pulsar;
use crate::registry::Registry;
use crate::repo::{OpenError, Repo};
use crate::seen::Relation;

/// Most that is written down of a tree; there is more than a prompt has room for.
const NOTED_MAX: usize = 8;

/// Newer work of another device, as a prompt needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    /// The branch, as in a trailer: on another one this says nothing.
    pub branch: String,
    /// Whose it is, for people.
    pub device: String,
    /// When it was made, by its writer's clock, in milliseconds since 1970.
    pub time: i64,
    /// Whether it can be taken over as it is, or both have something that the other lacks.
    pub diverged: bool,
}

impl Noted {
    fn new(drift: &Drift) -> Self {
        Self {
            branch: drift.tip.branch.to_trailer(),
            device: crate::line::quote::printable(drift.tip.writer.name().into()),
            time: drift.tip.time.as_millis(),
            diverged: drift.relation == Relation::Diverged,
        }
    }

    /// When it was made, by its writer's clock.
    pub fn made(&self) -> Timestamp {
        Timestamp::from_millis(self.time)
    }
}

/// Why drift could not be written down.
#[derive(Debug, thiserror::Error)]
pub enum RememberError {
    /// The working tree could not be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The tips could not be read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Compares the working tree `tree` with what others have of the branch it is on, and notes it for the prompt. Costs next
/// to nothing where nobody else has a line.
///
/// # Errors
/// [`RememberError`].
pub fn remember(ctx: &Context, repo: &Repo, tree: &TreeId) -> Result<Vec<Drift>, RememberError> {
    let branch = repo.head()?.branch;
    let drift = if branch == Branch::Detached || !has_others(ctx, repo, tree)? {
        Vec::new()
    } else {
        super::look(ctx, repo, tree, &branch)?
    };
    let noted: Vec<Noted> = drift.iter().take(NOTED_MAX).map(Noted::new).collect();
    // Where nothing was noted and nothing is to be, nothing is written.
    let known = Registry::open_read_only(&ctx.home)?.map(|registry| registry.state(tree)).transpose()?;
    if known.is_some_and(|state| state.drift != noted) {
        Registry::open(&ctx.home)?.update_state(tree, |state| state.drift = noted)?;
    }
    Ok(drift)
}

/// Whether anybody but the working tree itself has a line here.
fn has_others(ctx: &Context, repo: &Repo, tree: &TreeId) -> Result<bool, HistoryError> {
    let own = format!("{LINES}{}/{tree}/", ctx.device.id());
    if history::lines(repo)?.iter().any(|line| !line.name.ref_name().starts_with(&own)) {
        return Ok(true);
    }
    for place in [pulsar::FETCHED, pulsar::STREAMS] {
        let streams = crate::refs::list(repo, place).map_err(|e| HistoryError::Git {
            what: "the streams of git-pulsar".to_owned(),
            repo: repo.root().to_owned(),
            source: e.into(),
        })?;
        if !streams.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seen::Seen;
    use crate::tips::{Tip, Trust, Writer};

    fn drift(slug: &str, relation: Relation) -> Drift {
        let id = crate::git::ObjectId::from([7; 20]);
        let tip = Tip {
            writer: Writer::Pulsar { slug: slug.to_owned() },
            trust: Trust::Approved,
            branch: Branch::Named("main".into()),
            commit: id,
            tree: id,
            head: None,
            staged: None,
            time: Timestamp::from_secs(5),
            seen: Seen::new(),
            skipped: Vec::new(),
            skipped_more: 0,
            finished: false,
        };
        Drift { tip, relation, is_first: true }
    }

    #[test]
    fn what_is_noted_is_fit_for_a_prompt() {
        let noted = Noted::new(&drift("lap\u{1b}top--0123abcd", Relation::Diverged));
        assert_eq!((noted.device.as_str(), noted.branch.as_str()), ("lap\u{fffd}top", "main"));
        assert_eq!((noted.made(), noted.diverged), (Timestamp::from_secs(5), true));
        assert!(!Noted::new(&drift("x", Relation::Newer)).diverged);
    }
}
