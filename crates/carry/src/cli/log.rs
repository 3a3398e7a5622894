//! `carry log`: the snapshots of a working tree.

use std::path::PathBuf;

use carry_code::git::{ByteSlice as _, ObjectId};
use carry_code::history;
use carry_code::line::Branch;
use carry_code::snapshot::Snapshot;

use super::snapshot_json::SnapshotJson;
use super::theirs;
use crate::failure::Failure;
use crate::output::style;
use crate::wire::Shell;
use crate::{paths, targets, text};

/// List the snapshots, newest first
///
/// With PATH, only those in which it is not as in the snapshot before.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// File or folder to follow
    path: Option<PathBuf>,
    /// Show at most N snapshots
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<usize>,
    /// Only snapshots made on this branch
    #[arg(short, long)]
    branch: Option<String>,
    /// Snapshots of this device instead
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let (repo, tree) = targets::open_here(shell)?;
    let path = args.path.as_deref().map(|path| paths::below_root(repo.root(), &shell.cwd, path)).transpose()?;
    let branch = args.branch.as_ref().map(|name| match name.as_str() {
        // As `log` prints it; no branch can be called so.
        "(detached)" => Branch::Detached,
        name => Branch::Named(name.into()),
    });
    let all = match &args.device {
        Some(name) => theirs::snapshots(shell, &repo, name)?,
        None => history::of_tree(&repo, &tree.id)?,
    };
    let of_branch =
        all.filter(|snapshot| !matches!((snapshot, &branch), (Ok(s), Some(branch)) if s.meta.branch != *branch));
    let limit = args.limit.unwrap_or(usize::MAX);
    let gix = repo.gix();
    let mut wanted = Wanted::default();
    let mut shown = 0;
    shell.out.start_pager();
    for snapshot in of_branch {
        if shown == limit {
            break;
        }
        let snapshot = snapshot?;
        let wanted = match &path {
            Some(path) => {
                let entry = history::entry_at(&gix, snapshot.tree, path.as_bstr())?;
                wanted.next(snapshot, entry)
            }
            None => Some(snapshot),
        };
        if let Some(snapshot) = wanted {
            show(shell, &snapshot)?;
            shown += 1;
        }
    }
    if shown < limit
        && let Some(first) = wanted.last()
    {
        show(shell, &first)?;
        shown += 1;
    }
    if shown == 0 {
        shell.out.note(match args.path {
            Some(_) => "No snapshot holds it.",
            None if limit == 0 => "None was asked for.",
            None if branch.is_some() => "No snapshot was made on that branch.",
            None => "No snapshot yet; `carry now` makes one.",
        });
    }
    Ok(())
}

/// Lets those through in which a path is not as in the one before, which comes after them.
#[derive(Default)]
struct Wanted {
    /// The snapshot seen last, with what it has at the path.
    newer: Option<(Snapshot, Option<(u32, ObjectId)>)>,
}

impl Wanted {
    /// Takes the next older snapshot with what it has at the path; returns the one seen before if it is wanted.
    fn next(&mut self, snapshot: Snapshot, entry: Option<(u32, ObjectId)>) -> Option<Snapshot> {
        let newer = self.newer.replace((snapshot, entry));
        newer.filter(|(_, newer)| *newer != entry).map(|(snapshot, _)| snapshot)
    }

    /// The oldest one, which has nothing before it: wanted if it has the path.
    fn last(&mut self) -> Option<Snapshot> {
        self.newer.take().filter(|(_, entry)| entry.is_some()).map(|(snapshot, _)| snapshot)
    }
}

fn show(shell: &Shell, snapshot: &Snapshot) -> Result<(), Failure> {
    let out = &shell.out;
    if out.is_json() {
        return out.json(&SnapshotJson::new(snapshot));
    }
    let meta = &snapshot.meta;
    let mut line = format!(
        "{}  {:<10} {}  {}",
        out.paint(style::ID, text::short(&snapshot.commit)),
        carry_code::time::age(snapshot.time, shell.now()),
        out.paint(style::GOOD, meta.branch.display()),
        text::line(&meta.subject),
    );
    if let Some(state) = meta.state {
        line.push_str(&format!(" [{state}]"));
    }
    let skipped = text::len(&meta.skipped) + meta.skipped_more;
    if skipped > 0 {
        line.push_str(&format!(" [{} skipped]", text::count(skipped, "file")));
    }
    out.line(line)
}
