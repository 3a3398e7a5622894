//! How everything stands, for people: what was said, what was held back, what came and where it went, what waits.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use carry_exchange::name::LogId;
use carry_exchange::record::AttachmentId;
use carry_kernel::clock::Timestamp;
use carry_kernel::db::DbError;

use super::StreamError;
use super::payload::LinePayload;
use crate::context::Context;
use crate::git::HashKind;
use crate::line::Branch;
use crate::refs;
use crate::registry::{Presence, Registry, SaidLine, Tree};
use crate::repo::Repo;
use crate::secrets::{Finding, Place};

/// How a line of this device stands.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum LineStanding {
    /// Its newest snapshot was said.
    Said,
    /// Held back: it would say secrets that were not said before.
    Held {
        /// Path and kind of each, for people.
        findings: Vec<String>,
        /// What these are in. An earlier version did not say so.
        #[serde(default)]
        places: Vec<Place>,
    },
    /// Its pack would be too large.
    TooLarge {
        /// For people.
        message: String,
    },
    /// It could not be said; it is tried again.
    Failed {
        /// For people.
        message: String,
    },
}

impl LineStanding {
    /// Held back for what was found.
    pub(super) fn held(found: &[Finding]) -> Self {
        let mut places: Vec<Place> = found.iter().map(|one| one.place).collect();
        places.sort();
        places.dedup();
        Self::Held { findings: found.iter().map(Finding::shown).collect(), places }
    }

    /// Not said since making it failed.
    pub(super) fn failed(error: &StreamError) -> Self {
        let message = error.to_string();
        if matches!(error, StreamError::TooLarge { .. }) {
            Self::TooLarge { message }
        } else {
            Self::Failed { message }
        }
    }
}

/// A line of this device in the exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnLine {
    /// The git directory of its repository.
    pub common_dir: PathBuf,
    /// The branch.
    pub branch: Branch,
    /// How it stands.
    pub standing: LineStanding,
    /// When it was last looked at.
    pub looked: Timestamp,
}

/// What other devices ask for, as they lack what a snapshot stands on, and do not get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unanswered {
    /// The git directory of its repository.
    pub common_dir: PathBuf,
    /// The branch; none of a commit that is no snapshot.
    pub branch: Option<Branch>,
    /// What is asked for: a pack that needs nothing, with all history.
    pub id: AttachmentId,
    /// The logs that ask.
    pub asked_by: Vec<LogId>,
    /// Why it is not made.
    pub standing: LineStanding,
    /// When it was tried last.
    pub looked: Timestamp,
}

/// A line that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignLine {
    /// The log that brought it.
    pub log: LogId,
    /// That log's name here.
    pub alias: String,
    /// What its repository is called in that log.
    pub repository: String,
    /// What its repository is called, for people.
    pub name: String,
    /// The remotes of its repository, `host/path`.
    pub urls: Vec<String>,
    /// The hash that names the objects of its repository; none of a record that cannot be read.
    pub hash: Option<HashKind>,
    /// Its ref; empty of a record that cannot be read.
    pub ref_name: String,
    /// The device that wrote it; empty of a record that cannot be read.
    pub device: String,
    /// The branch; none of a record that cannot be read.
    pub branch: Option<Branch>,
    /// The device's label.
    pub label: String,
    /// When its newest snapshot was made.
    pub time: Timestamp,
    /// What must be here before it can be taken: its snapshots. None of a record that cannot be read.
    pub wants: Vec<AttachmentId>,
    /// Repositories here in which it is.
    pub here: Vec<PathBuf>,
    /// Repositories here in which it is not.
    pub refused: Vec<Refusal>,
    /// Why it is nowhere.
    pub problem: Option<String>,
}

/// Why a line is not in a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The git directory of the repository.
    pub common_dir: PathBuf,
    /// Why.
    pub why: String,
    /// Whether it could not be done just then, and is tried with each exchange; else it is none that can be taken.
    pub is_tried_again: bool,
}

impl ForeignLine {
    /// Whether no repository here is the one that it is of: it waits until one is added.
    pub fn is_phantom(&self) -> bool {
        self.here.is_empty() && self.refused.is_empty() && self.problem.is_none()
    }
}

/// Everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// This device's lines.
    pub own: Vec<OwnLine>,
    /// What others ask for and do not get.
    pub unanswered: Vec<Unanswered>,
    /// Others'.
    pub foreign: Vec<ForeignLine>,
    /// Lines that stayed though their log does not count any more: repository, ref, why.
    pub left: Vec<(PathBuf, String, String)>,
}

/// Says that the repository here is the one that is called `repository` in `log` ([`ForeignLine::repository`]), where nothing
/// of it tells so by itself: one that was just made for it. The next delivery puts its lines there. What was noted of a
/// repository that was in the same place before is forgotten.
///
/// # Errors
/// [`DbError`].
pub fn bind(ctx: &Context, log: LogId, repository: &str, repo: &Repo) -> Result<(), DbError> {
    Registry::open(&ctx.home)?.bind(log, repository, repo.common_dir())
}

/// Takes back what [`bind`] said of the repository at `common_dir`, and forgets what was noted of it.
///
/// # Errors
/// [`DbError`].
pub fn unbind(ctx: &Context, common_dir: &Path) -> Result<(), DbError> {
    Registry::open(&ctx.home)?.unbind(common_dir)
}

/// Reads how everything stands in the repositories that are registered and there. Nothing is looked up in them, but whether
/// a branch is still there of which the line is held back or too large: nobody can do anything about one that is gone. What this
/// device says, or does not, of repositories that take no part (`code.exchange`) is left out.
///
/// # Errors
/// [`DbError`].
pub fn standing(ctx: &Context) -> Result<Standing, DbError> {
    let Some(registry) = Registry::open_read_only(&ctx.home)? else { return Ok(Standing::default()) };
    let (mut present, mut sharing) = (BTreeSet::new(), BTreeSet::new());
    let mut trees = registry.trees()?;
    trees.retain(|tree| registry.presence(tree) == Presence::Present);
    for tree in &trees {
        if ctx.config(Some(&tree.root)).bool("code.exchange") {
            sharing.insert(tree.common_dir.clone());
        }
        present.insert(tree.common_dir.clone());
    }
    let is_of_now = |row: &SaidLine| match row.state {
        LineStanding::Held { .. } | LineStanding::TooLarge { .. } => has_branch(&trees, row),
        LineStanding::Said | LineStanding::Failed { .. } => true,
    };
    let said = registry.said_lines()?.into_iter().filter(|row| sharing.contains(&row.common_dir) && is_of_now(row));
    let own = said.map(|row| OwnLine {
        common_dir: row.common_dir,
        branch: row.branch,
        standing: row.state,
        looked: row.tried,
    });
    let unanswered = registry.unanswered()?.into_iter().filter(|row| sharing.contains(&row.common_dir));
    let unanswered = unanswered.map(|row| Unanswered {
        common_dir: row.common_dir,
        branch: row.branch,
        id: row.id,
        asked_by: row.asked_by,
        standing: row.state,
        looked: row.tried,
    });
    let mut foreign = Vec::new();
    for came in registry.came()? {
        let mut places = registry.places_of(&came)?;
        places.retain(|place| present.contains(&place.common_dir));
        let line = LinePayload::parse(&came.payload).ok();
        let here = places.iter().filter(|place| place.problem.is_none()).map(|place| place.common_dir.clone());
        let refused = places.iter().filter_map(|place| {
            Some(Refusal {
                common_dir: place.common_dir.clone(),
                why: place.problem.clone()?,
                is_tried_again: place.again,
            })
        });
        foreign.push(ForeignLine {
            log: came.log,
            alias: came.alias.clone(),
            repository: line.as_ref().map(|line| line.id.to_string()).unwrap_or_default(),
            name: line.as_ref().map(|line| line.identity.name.clone()).unwrap_or_default(),
            urls: line.as_ref().map(|line| line.identity.urls.clone()).unwrap_or_default(),
            hash: line.as_ref().map(|line| line.identity.hash),
            ref_name: line.as_ref().map(|line| line.line.ref_name()).unwrap_or_default(),
            device: line.as_ref().map(|line| line.line.device.to_string()).unwrap_or_default(),
            branch: line.as_ref().map(|line| line.branch.clone()),
            label: line.as_ref().map(|line| line.label.clone()).unwrap_or_default(),
            time: Timestamp::from_secs(line.as_ref().map_or(0, |line| line.time)),
            wants: line.as_ref().map(LinePayload::wants).unwrap_or_default(),
            here: here.collect(),
            refused: refused.collect(),
            problem: came.problem.clone(),
        });
    }
    let left = registry
        .left_lines()?
        .into_iter()
        .filter(|left| present.contains(&left.common_dir))
        .map(|left| (left.common_dir, left.ref_name, left.why));
    Ok(Standing { own: own.collect(), unanswered: unanswered.collect(), foreign, left: left.collect() })
}

/// Whether the branch of a line is there, with or without a commit. Where that cannot be told it counts as there.
fn has_branch(trees: &[Tree], row: &SaidLine) -> bool {
    let Branch::Named(name) = &row.branch else { return true };
    let repos: Vec<_> =
        trees.iter().filter(|tree| tree.common_dir == row.common_dir).map(|t| Repo::open(&t.root)).collect();
    repos.is_empty()
        || repos.iter().any(|repo| {
            let Ok(repo) = repo else { return true };
            let is_checked_out = repo.head().map_or(true, |head| repo.branch_of(&head) == row.branch);
            is_checked_out || !matches!(refs::read(repo, &format!("refs/heads/{name}")), Ok(None))
        })
}
