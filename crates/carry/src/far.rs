//! How a working tree stands with Git remotes and other devices: what `status` shows beside the captures.
//!
//! Read from the registry, the board of workers and the refs here; no remote is asked.

use carry_code::context::Context;
use carry_code::drift::{self, Drift};
use carry_code::handoff::{self, Interrupted};
use carry_code::history;
use carry_code::line::{Branch, LineName};
use carry_code::publish::{LineState, Published};
use carry_code::registry::{Consent, LinkState, Registry, Tree};
use carry_code::remote::{self, Remote};
use carry_code::repo::Repo;
use carry_code::settings::LinkSettings;
use carry_code::tips;
use carry_daemon::run::push_row;
use carry_kernel::clock::Timestamp;
use carry_kernel::status::Row;
use carry_kernel::worker::{Phase, Status};

use crate::failure::Failure;
use crate::size::Size;
use crate::wire::Shell;
use crate::{text, writers};

/// Snapshots of a line that are counted as waiting; more are not told apart.
const WAITING_MAX: usize = 1000;

/// Everything beyond this machine.
#[derive(Debug, Default)]
pub(crate) struct Far {
    /// One row a remote.
    pub(crate) remotes: Vec<RemoteRow>,
    /// Newer work of others.
    pub(crate) drift: Vec<DriftRow>,
    /// A handoff that was begun and not ended.
    pub(crate) interrupted: Option<Interrupted>,
}

/// How a remote stands.
#[derive(Debug)]
pub(crate) struct RemoteRow {
    /// Its name, fit to be shown.
    pub(crate) name: String,
    /// Its URL, fit to be shown.
    pub(crate) url: String,
    /// In a word, for machines.
    pub(crate) state: &'static str,
    /// What there is to say about that, for people.
    pub(crate) why: Option<String>,
    /// Snapshots that it lacks.
    pub(crate) waiting: u64,
    /// When something was last pushed.
    pub(crate) pushed: Option<Timestamp>,
    /// When it was last asked.
    pub(crate) fetched: Option<Timestamp>,
    /// Until when the daemon leaves it alone after a failure.
    pub(crate) backoff: Option<Timestamp>,
    /// What the daemon's push is at, if one runs.
    pub(crate) step: Option<String>,
    /// Why it could not be asked when that was last tried, fit to be shown.
    pub(crate) fetch_error: Option<String>,
}

/// Newer work of another device.
#[derive(Debug)]
pub(crate) struct DriftRow {
    /// Theirs.
    pub(crate) drift: Drift,
    /// Its name.
    pub(crate) name: String,
    /// Files that differ from what was last captured here.
    pub(crate) files: usize,
}

/// Looks. What cannot be read is left out: `doctor` says why.
pub(crate) fn look(shell: &Shell, registry: &Registry, rows: &[Row], tree: &Tree) -> Far {
    let looked = shell.existing_context().and_then(|ctx| match ctx {
        Some(ctx) => found(shell, registry, rows, tree, &ctx),
        None => Ok(Far::default()),
    });
    looked.unwrap_or_else(|failure| {
        tracing::debug!(error = failure.in_one_line(), tree = %tree.id, "what is beyond this machine cannot be read");
        Far::default()
    })
}

fn found(shell: &Shell, registry: &Registry, rows: &[Row], tree: &Tree, ctx: &Context) -> Result<Far, Failure> {
    let repo = Repo::open(&tree.root)?;
    let branch = repo.head()?.branch;
    let config = shell.config(Some(&tree.root));
    let settings = LinkSettings::new(&config);
    let lines = lines(&repo, ctx, tree)?;
    let mut far = Far { interrupted: handoff::interrupted(ctx, tree)?, ..Far::default() };
    for remote in remote::of(&repo, &config, &branch) {
        let mut link = registry.link(&tree.common_dir, &remote.shown_name(), &remote.key())?;
        if let Err(error) = remote.may_push(&repo) {
            link.push_error = Some(error.to_string());
        }
        let mut published = registry.published(&tree.common_dir, &remote.key())?;
        published.retain(|known| known.line.tree == tree.id && known.line.device == ctx.device.id());
        let waiting = waiting(&repo, &lines, &published)?;
        let worker = rows.iter().find(|row| row.worker == push_row(&tree.common_dir, &remote)).map(|row| &row.status);
        far.remotes.push(row(&remote, &settings, &link, &published, waiting, worker));
    }
    if branch != Branch::Detached {
        let ours = tips::own(ctx, &repo, &tree.id, &branch)?;
        for drift in drift::look(ctx, &repo, &tree.id, &branch)? {
            let files = match &ours {
                Some(ours) => Size::files_between(&repo, ours.tree, drift.tip.tree)?,
                None => 0,
            };
            far.drift.push(DriftRow { name: writers::name(shell, &drift.tip), drift, files });
        }
    }
    Ok(far)
}

/// Our lines of the tree.
fn lines(repo: &Repo, ctx: &Context, tree: &Tree) -> Result<Vec<history::Line>, Failure> {
    let device = ctx.device.id();
    let mut lines = history::lines(repo)?;
    lines.retain(|line| line.name.tree == tree.id && line.name.device == device);
    Ok(lines)
}

/// Snapshots that the remote lacks.
fn waiting(repo: &Repo, lines: &[history::Line], published: &[Published]) -> Result<u64, Failure> {
    let known = |name: &LineName| published.iter().find(|known| known.line == *name).and_then(|known| known.snapshot);
    let mut waiting = 0;
    for line in lines {
        let known = known(&line.name);
        for snapshot in history::snapshots(repo, line).take(WAITING_MAX) {
            if Some(snapshot?.commit) == known {
                break;
            }
            waiting += 1;
        }
    }
    Ok(waiting)
}

fn row(
    remote: &Remote,
    settings: &LinkSettings,
    link: &LinkState,
    published: &[Published],
    waiting: u64,
    worker: Option<&Status>,
) -> RemoteRow {
    let backoff = worker
        .and_then(|status| status.backoff_until)
        .filter(|_| worker.is_some_and(|status| matches!(status.phase, Phase::Backoff | Phase::Failed(_))));
    let step = match worker.map(|status| &status.phase) {
        Some(Phase::Working(step)) => Some(text::line(step)),
        _ => None,
    };
    let (state, why) = state(settings, link, published, waiting, worker);
    RemoteRow {
        name: text::line(&remote.shown_name()),
        url: text::line(&remote.shown()),
        state,
        why,
        waiting,
        pushed: link.pushed,
        fetched: link.fetched,
        backoff,
        step,
        fetch_error: link.fetch_error.as_deref().map(|error| text::line(&remote::masked(error))),
    }
}

/// How it stands, in a word for machines and in a phrase for people. The gravest first.
fn state(
    settings: &LinkSettings,
    link: &LinkState,
    published: &[Published],
    waiting: u64,
    worker: Option<&Status>,
) -> (&'static str, Option<String>) {
    if !settings.publish {
        return ("off", Some("off by code.publish".to_owned()));
    }
    match link.consent {
        Some(Consent::Agreed) => {}
        Some(Consent::Declined) => return ("declined", Some("declined by you; `carry publish` agrees".to_owned())),
        // Where nobody may agree, nobody is told to.
        None => {
            let why = link.push_error.as_ref().map(|error| format!("nothing is published: {}", text::line(error)));
            let unasked = "not asked yet, and nothing is published; `carry publish` agrees";
            return ("unasked", why.or_else(|| Some(unasked.to_owned())));
        }
    }
    let of = |known: &Published| match &known.state {
        LineState::Held { findings } => {
            let found = findings.iter().map(|finding| text::line(finding)).collect::<Vec<_>>().join(", ");
            Some(("held", format!("{} is held back: {found}; `carry now --push` asks", known.branch.display())))
        }
        LineState::Refused { message } => {
            Some(("refused", format!("{} was refused: {}", known.branch.display(), text::line(message))))
        }
        LineState::Published | LineState::Pending | LineState::Diverged => None,
    };
    if let Some((state, why)) = published.iter().find_map(of) {
        return (state, Some(why));
    }
    if let Some(known) = published.iter().find(|known| known.state == LineState::Diverged) {
        let branch = known.branch.display();
        let why = "somebody else wrote where this device's line is; the next push looks again";
        return ("diverged", Some(format!("{branch} diverged: {why}")));
    }
    if let Some(error) = &link.push_error {
        return ("failing", Some(format!("pushes fail: {}", text::line(&remote::masked(error)))));
    }
    if waiting == 0 {
        return ("published", None);
    }
    let gates: Vec<String> =
        worker.map(|status| status.gates.iter().map(ToString::to_string).collect()).unwrap_or_default();
    ("waiting", (!gates.is_empty()).then(|| format!("held back: {}", gates.join(", "))))
}

impl RemoteRow {
    /// Whether work here is not where the user wants it, and does not get there by itself.
    pub(crate) fn is_gap(&self) -> bool {
        matches!(self.state, "held" | "refused" | "failing")
    }
}

#[cfg(test)]
mod tests {
    use carry_code::line::LineName;
    use carry_code::remote::Reach;
    use carry_kernel::config::{Config, Sources};
    use carry_kernel::id::DeviceId;

    use super::*;

    fn agreed() -> LinkState {
        LinkState {
            remote: "origin".to_owned(),
            url: "/remote".to_owned(),
            consent: Some(Consent::Agreed),
            fetched: None,
            pushed: None,
            fetch_error: None,
            push_error: None,
        }
    }

    fn row_of(link: &LinkState, published: &[Published], worker: Option<&Status>) -> RemoteRow {
        let remote = Remote { name: link.remote.clone(), url: link.url.clone(), reach: Reach::Local };
        let config = Config::load(&[carry_kernel::config::KEYS, carry_code::settings::KEYS], &Sources::default());
        row(&remote, &LinkSettings::new(&config), link, published, 1, worker)
    }

    #[test]
    fn a_line_where_somebody_else_wrote_is_told() {
        let branch = Branch::Named("main".into());
        let tree = "5f3a09bc11de".parse().unwrap();
        let published = Published {
            line: LineName::new(&DeviceId::new("here", &[1; 32]), &tree, &branch),
            branch,
            seal: None,
            snapshot: None,
            pushed: None,
            state: LineState::Diverged,
        };
        let row = row_of(&agreed(), &[published], None);
        assert_eq!(row.state, "diverged");
        assert_eq!(
            row.why.as_deref(),
            Some("main diverged: somebody else wrote where this device's line is; the next push looks again")
        );
    }

    #[test]
    fn a_running_push_and_a_failing_fetch_are_told() {
        let mut link = agreed();
        link.fetch_error = Some("no route to https://me:secret@host.example/repo.git\u{1b}[2J".to_owned());
        let row = row_of(&link, &[], Some(&Status::new(Phase::Working("writing objects 45 %".to_owned()))));
        assert_eq!((row.state, row.step.as_deref()), ("waiting", Some("writing objects 45 %")));
        let error = row.fetch_error.unwrap();
        assert!(error.starts_with("no route to ") && !error.contains("secret") && !error.contains('\u{1b}'), "{error}");
        assert_eq!(row_of(&agreed(), &[], Some(&Status::new(Phase::Idle))).step, None);
    }
}
