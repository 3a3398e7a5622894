//! `carry sessions list`: what is in the archive.

use carry_sessions::export::session_json;

use super::filter::{FilterArgs, check_names};
use super::{archive, row};
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
    check_names(&archive, &filter)?;
    let listed = archive.list(&filter)?;
    // Whose a session is says nothing where all are of one device.
    let is_of_several = archive.origins()?.len() > 1;
    shell.out.start_pager();
    for session in &listed.sessions {
        if shell.out.is_json() {
            shell.out.json(&session_json(session))?;
        } else {
            let device = is_of_several.then_some(session.origin.as_str());
            shell.out.line(row::line_of(shell, session, device, None))?;
        }
    }
    if listed.sessions.is_empty() {
        shell.out.note(match args.filter.is_empty() {
            true => "No session is archived yet; `carry sessions index` reads what agents have left on this machine.",
            false => "No session is like that.",
        });
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
