//! How things stand with the captured working trees: what `status`, `list` and `up` show.
//!
//! Read from the registry, the board of workers and the daemon's lock alone: no working tree is scanned and no
//! network is asked, so that it takes milliseconds.

use carry_code::budget::{Budget, Level};
use carry_code::git::BString;
use carry_code::registry::{Coverage, Presence, Registry, Tree, TreeState};
use carry_kernel::config::{Config, Origin, Value};
use carry_kernel::gate::{self, Gate};
use carry_kernel::status::{Row, StatusBoard};
use carry_kernel::worker::{Phase, Status};

use crate::failure::Failure;
use crate::paths;
use crate::text;
use crate::wire::{self, Shell};

/// Skipped paths named one by one for people; JSON has all that are known.
const NAMED_MAX: usize = 5;

/// One tree.
#[derive(Debug)]
pub(crate) struct Overview {
    /// The tree.
    pub(crate) tree: Tree,
    /// Whether it is still there.
    pub(crate) presence: Presence,
    /// What the last look found.
    pub(crate) state: TreeState,
    /// What the running daemon's worker does; none without a daemon.
    pub(crate) worker: Option<Status>,
    /// The budget.
    pub(crate) budget: Budget,
    /// Whether the configuration lets it be captured.
    pub(crate) is_enabled: bool,
    /// Files of settings that cannot be parsed: a phrase each.
    broken: Vec<String>,
    /// What its own file (`carry.toml`) takes away from that: short phrases.
    pub(crate) narrowed: Vec<String>,
    /// Repositories inside it that are registered themselves (root-relative).
    nested_known: Vec<BString>,
}

/// Something that is not covered, or not as it should be: a short phrase, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// What is so.
    pub(crate) text: String,
    /// Whether changes may be lost by it, and not only come late.
    pub(crate) is_gap: bool,
}

/// The daemon's process and how each of `trees` stands.
pub(crate) fn look(
    shell: &Shell,
    registry: &Registry,
    trees: Vec<Tree>,
) -> Result<(Option<u32>, Vec<Overview>), Failure> {
    let daemon = shell.daemon()?;
    let rows = rows(shell, daemon)?;
    let overviews = trees.into_iter().map(|tree| overview(shell, registry, &rows, tree)).collect::<Result<_, _>>()?;
    Ok((daemon, overviews))
}

/// What the workers of the running daemon say of themselves.
pub(crate) fn rows(shell: &Shell, daemon: Option<u32>) -> Result<Vec<Row>, Failure> {
    // Rows of another process describe the past.
    let Some(pid) = daemon else { return Ok(Vec::new()) };
    let board = StatusBoard::open_read_only(&shell.home)?;
    let rows = board.map(|board| board.rows()).transpose()?.unwrap_or_default();
    Ok(rows.into_iter().filter(|row| row.pid == pid).collect())
}

fn overview(shell: &Shell, registry: &Registry, rows: &[Row], tree: Tree) -> Result<Overview, Failure> {
    let presence = registry.presence(&tree);
    let config = shell.config(Some(&tree.root));
    let (repository_used, total_used) = registry.bytes_used(&tree.common_dir)?;
    // A file system that does not say is taken for roomy: writing finds out.
    let free = gate::disk_space(&tree.common_dir).map_or(u64::MAX, |space| space.free);
    let name = format!("code/{}", tree.id);
    let state = registry.state(&tree.id)?;
    let mut nested_known = Vec::new();
    for nested in &state.nested {
        if registry.by_root(&tree.root.join(paths::os(nested)))?.is_some() {
            nested_known.push(nested.clone());
        }
    }
    Ok(Overview {
        presence,
        state,
        nested_known,
        broken: config.broken().iter().map(|warning| wire::broken(warning).trim_end_matches('.').to_owned()).collect(),
        narrowed: narrowed(&config),
        worker: rows.iter().find(|row| row.worker == name).map(|row| row.status.clone()),
        budget: Budget::new(&config, repository_used, total_used, free),
        is_enabled: config.bool("code.enabled"),
        tree,
    })
}

/// What the repository's own file leaves out or limits.
fn narrowed(config: &Config) -> Vec<String> {
    let of_repository = |origin: &Origin| match origin {
        Origin::Repository { file, .. } => Some(file.file_name().unwrap_or_default().display().to_string()),
        _ => None,
    };
    let mut phrases = Vec::new();
    for resolved in config.iter() {
        match &resolved.value {
            Some(Value::List(items)) => {
                let theirs: Vec<_> =
                    items.iter().zip(&resolved.origins).filter_map(|(i, o)| Some((i, of_repository(o)?))).collect();
                let names: Vec<&str> = theirs.iter().map(|(item, _)| item.as_str()).collect();
                if let Some((_, file)) = theirs.first() {
                    phrases.push(format!("{file} here leaves out: {}", names.join(", ")));
                }
            }
            // Only the last of several says what counts. That it is switched off is told apart.
            Some(value) if resolved.key.name != "code.enabled" => {
                if let Some(file) = resolved.origins.last().and_then(of_repository) {
                    phrases.push(format!("{file} here sets {} = {value}", resolved.key.name));
                }
            }
            _ => {}
        }
    }
    phrases
}

impl Overview {
    /// How changes are noticed now.
    pub(crate) fn coverage(&self) -> Coverage {
        match self.worker {
            Some(_) => self.state.coverage.unwrap_or(Coverage::Unwatched),
            None => Coverage::Unwatched,
        }
    }

    /// Gates that hold its worker back.
    pub(crate) fn gates(&self) -> &[Gate] {
        self.worker.as_ref().map_or(&[], |worker| &worker.gates)
    }

    /// In one word or two, for a table.
    pub(crate) fn word(&self) -> &'static str {
        match (self.presence, &self.worker) {
            (Presence::Missing, _) => "missing",
            (Presence::Replaced, _) => "replaced",
            _ if self.tree.paused => "paused",
            _ if !self.is_enabled => "switched off",
            (_, None) => "no daemon",
            (_, Some(worker)) => match worker.phase {
                Phase::Working(_) => "capturing",
                Phase::Failed(_) | Phase::Backoff => "failing",
                Phase::Paused => "paused",
                Phase::Disabled => "off",
                Phase::Idle | Phase::Healthy if self.state.level == Level::Full => "over budget",
                Phase::Idle | Phase::Healthy => match self.coverage() {
                    Coverage::Polled => "polled",
                    Coverage::Unwatched | Coverage::Watched => "watched",
                },
            },
        }
    }

    /// Everything that is not covered and why, the gravest first.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut gap = |text: String| problems.push(Problem { text, is_gap: true });
        match self.presence {
            Presence::Present => {}
            Presence::Missing => {
                gap("the folder is not there: unmounted, deleted, or moved (`carry add` at its new place)".to_owned())
            }
            Presence::Replaced => {
                gap("the repository there is gone or another one (`carry add` registers that)".to_owned())
            }
        }
        for broken in &self.broken {
            gap(format!("`carry now` captures nothing: {broken}"));
        }
        if self.tree.paused {
            gap("paused; `carry resume` goes on".to_owned());
        }
        if !self.is_enabled {
            gap("switched off by code.enabled (`carry config show --origin` says where)".to_owned());
        }
        if self.state.captured.is_none() && self.presence == Presence::Present {
            gap("never captured yet".to_owned());
        }
        match &self.worker {
            None => gap("no daemon runs, so that only `carry now` captures; `carry up` starts it".to_owned()),
            Some(worker) => {
                if let Phase::Failed(_) | Phase::Backoff | Phase::Disabled = worker.phase {
                    let why = worker.message.as_ref().or(self.state.error.as_ref());
                    gap(format!("captures fail: {}", why.map_or("no reason given", String::as_str)));
                }
            }
        }
        if let (None, Some(error)) = (&self.worker, &self.state.error) {
            gap(format!("the last capture failed: {error}"));
        }
        match self.state.level {
            Level::Normal | Level::Tight => {}
            Level::TrackedOnly => gap("the budget is nearly used up, so that untracked files are left out".to_owned()),
            Level::Full => {
                gap("the budget is used up, so that nothing more is written (`carry prune --gc`)".to_owned())
            }
        }
        for skipped in self.state.skipped.iter().take(NAMED_MAX) {
            gap(format!("{} ({})", text::path(skipped.path.as_ref()), text::reason(&skipped.reason)));
        }
        if self.state.skipped.len() > NAMED_MAX {
            gap(format!("{} more", text::count(text::len(&self.state.skipped[NAMED_MAX..]), "file")));
        }
        let nested: Vec<_> = self.state.nested.iter().filter(|path| !self.nested_known.contains(path)).collect();
        for nested in nested.iter().take(NAMED_MAX) {
            gap(format!("{} (a repository of its own; `carry add` it)", text::path((*nested).as_ref())));
        }
        if nested.len() > NAMED_MAX {
            gap(format!("{} more", text::count(text::len(&nested[NAMED_MAX..]), "nested repository")));
        }
        for gate in self.gates() {
            // A battery may run out before the changes are captured; all other gates open again.
            if let Gate::BatteryCritical { .. } = gate {
                gap(format!("nothing is captured for now: {gate} (`carry now` does)"));
            }
        }
        let mut late = |text: String| problems.push(Problem { text, is_gap: false });
        if self.worker.is_some() && self.coverage() == Coverage::Polled {
            let why = self.state.coverage_reason.as_deref().unwrap_or("it cannot be watched");
            late(format!("looked at only now and then: {why}"));
        }
        for gate in self.gates().iter().filter(|gate| !matches!(gate, Gate::BatteryCritical { .. })) {
            late(format!("held back: {gate}"));
        }
        for narrowed in &self.narrowed {
            late(narrowed.clone());
        }
        problems
    }
}
