//! `carry sessions list`: what is in the archive.

use carry_sessions::archive::Archive;
use carry_sessions::curation::DeletedHow;
use carry_sessions::list::Filter;
use carry_sessions::stream::content::Incomplete;

use super::filter::{FilterArgs, check_names};
use super::gaps::Gaps;
use super::{archive, deleted, row};
use crate::called::Called;
use crate::failure::Failure;
use crate::text;
use crate::wire::Shell;

/// Sessions that are shown unless more are asked for.
const LIMIT: usize = 30;

/// List the sessions, newest first
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    filter: FilterArgs,
    /// Show at most N sessions; 0 shows all
    #[arg(short = 'n', long, value_name = "N", default_value_t = LIMIT)]
    limit: usize,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let archive = archive::to_read(shell)?;
    let limit = (args.limit > 0).then_some(args.limit);
    let filter = args.filter.filter(shell, limit)?;
    check_names(shell, &archive, &filter)?;
    let listed = archive.list(&filter)?;
    // Whose a session is says nothing where all are of this device.
    let own = shell.existing_context()?.map(|ctx| ctx.device.id());
    let origins = archive.origins()?;
    let is_of_others = origins.len() > 1
        || origins.iter().any(|(origin, _)| own.as_ref().is_some_and(|own| own.as_str() != origin.as_str()));
    let called = if is_of_others || shell.out.is_json() { Called::read(shell)? } else { Called::default() };
    let pending = deleted::pending(&archive)?;
    let gaps = Gaps::read(shell, &archive)?;
    shell.out.start_pager();
    let (mut has_pending, mut has_gaps) = (false, false);
    for session in &listed.sessions {
        if shell.out.is_json() {
            shell.out.json(&row::json(session, &called, &gaps))?;
        } else {
            let device = is_of_others.then(|| called.device(&session.origin));
            let goes = pending.get(&session.id).map(|due| deleted::goes(*due));
            has_pending |= goes.is_some();
            let gap = gaps.of(session).map(mark);
            has_gaps |= gap.is_some();
            let marks: Vec<&str> = goes.as_deref().into_iter().chain(gap).collect();
            shell.out.line(row::line_of(shell, session, device.as_deref(), &marks))?;
        }
    }
    if has_pending {
        shell.out.note("What goes was deleted for good on one of your devices; `carry sessions undelete ID` keeps it.");
    }
    if has_gaps {
        shell.out.note(
            "Of what is incomplete something is missing here; `carry sessions show ID` says what, `carry devices` what has not come.",
        );
    }
    // Of what is hidden it is said below.
    if listed.sessions.is_empty() && (listed.hidden == 0 || !args.filter.is_empty()) {
        shell.out.note(nothing(&archive, &filter, args.filter.is_empty())?);
    }
    if listed.more > 0 {
        let more = text::count(listed.more, "more session");
        shell.out.note(format_args!("{more}; `--limit 0` shows all."));
    }
    if listed.hidden > 0 {
        let hidden = match listed.hidden {
            1 => "1 subagent, abandoned branch or automated session is hidden".to_owned(),
            n => format!("{n} subagents, abandoned branches and automated sessions are hidden"),
        };
        shell.out.note(format_args!("{hidden}; --all shows them."));
    }
    Ok(())
}

/// The mark of a session of which something is missing.
fn mark(missing: &Incomplete) -> &'static str {
    match missing.messages.is_empty() && !missing.lacks_facts {
        true => "maybe incomplete",
        false => "incomplete",
    }
}

/// Why none is shown: what is meant may lie in the trash, or be deleted.
fn nothing(archive: &Archive, filter: &Filter, is_all: bool) -> Result<String, Failure> {
    let mut trashed = 0;
    if !filter.is_trashed {
        let listed = archive.list(&Filter { is_trashed: true, limit: Some(1), ..filter.clone() })?;
        trashed = text::len(&listed.sessions) + listed.more;
    }
    Ok(match (trashed, is_all) {
        (0, true) => was_deleted(archive)?,
        (0, false) if filter.is_trashed => "Nothing in the trash is like that.".to_owned(),
        (0, false) => "No session is like that.".to_owned(),
        (1, true) => "The only session lies in the trash; `carry sessions list --trashed` shows it.".to_owned(),
        (n, true) => format!("All {n} sessions lie in the trash; `carry sessions list --trashed` shows them."),
        (1, false) => "No session is like that but one in the trash; --trashed shows it.".to_owned(),
        (n, false) => format!("No session is like that but {n} in the trash; --trashed shows them."),
    })
}

/// Where nothing is archived: what became of what was.
fn was_deleted(archive: &Archive) -> Result<String, Failure> {
    let all = archive.deletions()?;
    let n_pending = all.iter().filter(|one| matches!(one.how, DeletedHow::Pending(_))).count();
    let n_gone = all.iter().filter(|one| matches!(one.how, DeletedHow::Here | DeletedHow::Everywhere)).count();
    Ok(match (n_pending, n_gone) {
        (0, 0) => {
            "No session is archived yet; `carry sessions index` reads what agents have left on this machine.".to_owned()
        }
        (0, n) => format!("No session is left here; `carry sessions deleted` lists the {n} deleted for good."),
        (n, _) => format!(
            "No session is left here; `carry sessions deleted --pending` lists the {n} about to be deleted, and `carry sessions \
             undelete ID` takes that back."
        ),
    })
}
