//! `carry sessions restore`: out of the trash, or back to the agent.

use std::path::{Path, PathBuf};

use carry_sessions::archive::{Archive, SessionRow};
use carry_sessions::curation::{Edit, Undeletion};
use serde::Serialize;

use super::gaps::Gaps;
use super::raw::{self, Standing, Version};
use super::{archive, resume, row};
use crate::called::Called;
use crate::failure::Failure;
use crate::wire::Shell;
use crate::{paths, text};

/// Take a session out of the trash, or give the agent its file back
///
/// A session in the trash leaves it, and one that is about to be deleted for good stays. Any other is written back to where its agent had it, byte for byte, so that the agent can
/// go on with it. A file that is there and differs is never replaced without --force.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The session
    #[arg(value_name = "ID")]
    session: String,
    /// Write the file there instead
    #[arg(long, value_name = "PATH", conflicts_with = "in_place")]
    to: Option<PathBuf>,
    /// Give the agent its file back, also when the session is in the trash
    #[arg(long)]
    in_place: bool,
    /// The file as it was before its agent cut or rewrote it; =2 is the one before that
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "1")]
    before: Option<usize>,
    /// Replace a file that differs
    #[arg(long)]
    force: bool,
    /// Show what would be done
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let archive = archive::to_read(shell)?;
    let session = archive.find(&args.session)?;
    if session.is_trashed && args.to.is_none() && !args.in_place && args.before.is_none() {
        return from_trash(shell, args, &session);
    }
    archive::check_is_here(shell, &archive, &session, "there is no file of it here to give back")?;
    let path = match (&args.to, &session.path) {
        (Some(to), _) => paths::without_dots(&shell.cwd.join(to)),
        (None, Some(path)) => path.clone(),
        (None, None) => {
            return Err(Failure::failed(format!(
                "{} did not come from a file on this device",
                archive::name(&session)
            ))
            .hint("`--to PATH` says where to write it."));
        }
    };
    if args.to.is_none() && raw::is_of_container(&archive, &session)? {
        return Err(Failure::failed(format!(
            "{} keeps its sessions in a database, {}, which Carry does not write to",
            session.agent.title(),
            shell.folder(&path)
        ))
        .hint("`--to PATH` writes what the archive has of it, one JSON row a line."));
    }
    to_file(shell, args, &archive, &session, &path)
}

fn from_trash(shell: &Shell, args: &Args, session: &SessionRow) -> Result<(), Failure> {
    if args.dry_run {
        shell.out.note(format_args!("{} would leave the trash. Nothing was changed.", archive::name(session)));
        return Ok(());
    }
    let mut archive = archive::to_change(shell)?;
    let device = shell.context()?.device.id();
    if archive.undelete(&session.id, device.as_str(), shell.now())? == Undeletion::Done {
        let now = archive.session(session.n)?;
        shell.out.say(format_args!("Not to be deleted any more: {}.", archive::name(session)))?;
        if let Some(now) = now.filter(|now| !now.is_trashed) {
            return match shell.out.is_json() {
                true => shell.out.json(&row::json(&now, &Called::read(shell)?, &Gaps::read(shell, &archive)?)),
                false => Ok(()),
            };
        }
    }
    drop(archive);
    let edit = |_: &Archive, _: &SessionRow| Ok(Edit::Trash(false));
    archive::edit(shell, std::slice::from_ref(&args.session), edit, "Out of the trash:", "Not in the trash:")?;
    if session.path.as_deref().is_some_and(|path| !path.exists()) {
        shell.out.note(format_args!(
            "The agent has its file no longer; `carry sessions restore {}` once more gives it back.",
            session.id
        ));
    }
    Ok(())
}

fn to_file(shell: &Shell, args: &Args, archive: &Archive, session: &SessionRow, path: &Path) -> Result<(), Failure> {
    let earlier = archive.generations(session)?;
    let version = args.before.map_or(Version::Now, Version::Before);
    let nothing = || nothing(session, version, &earlier);
    let is_there = match version {
        Version::Now => archive.raw(session, &mut std::io::sink())?.is_some(),
        Version::Before(back) => (1..=earlier.len()).contains(&back),
    };
    if !is_there {
        return Err(nothing());
    }
    let standing = raw::compare(archive, session, version, path)?.ok_or_else(nothing)?;
    let place = shell.folder(path);
    let outcome = match standing {
        Standing::Same => "unchanged",
        Standing::Missing if path.is_symlink() && !args.force => {
            return Err(Failure::failed(format!("a symbolic link that leads nowhere is at {place}"))
                .hint("--force replaces it; --to PATH writes elsewhere."));
        }
        Standing::Longer | Standing::Unfinished | Standing::Different if !args.force => {
            let how = match standing {
                Standing::Unfinished => "has an unfinished line after what the archive has",
                Standing::Longer => "goes on after what the archive has",
                _ => "is not what the archive has",
            };
            return Err(Failure::failed(format!("{place} is there and {how}")).hint(
                "`carry sessions index` archives it as it is now. --force replaces it; --to PATH writes elsewhere.",
            ));
        }
        _ if args.dry_run => "would-write",
        Standing::Missing | Standing::Unfinished | Standing::Longer | Standing::Different => "written",
    };
    let mut bytes = None;
    if outcome == "written" {
        bytes = Some(raw::write(archive, session, version, path, args.force)?.ok_or_else(nothing)?);
    }
    if shell.out.is_json() {
        return shell.out.json(&RestoredJson {
            session: session.id.as_str(),
            path: text::json_file(path),
            outcome,
            bytes,
        });
    }
    match (outcome, bytes) {
        ("unchanged", _) => shell.out.say(format_args!("{place} is there already, to the byte.")),
        ("would-write", _) => {
            shell.out.line(format_args!("{place} would be written."))?;
            shell.out.note("Nothing was changed.");
            Ok(())
        }
        (_, bytes) => {
            shell.out.say(format_args!("Wrote {place} ({}).", text::size(bytes.unwrap_or_default())))?;
            if args.to.is_none() && resume::can(session) {
                shell.out.note(format_args!("`carry sessions resume {}` goes on with it.", session.id));
            }
            Ok(())
        }
    }
}

/// The archive has not what was asked for: says what it has.
fn nothing(session: &SessionRow, version: Version, earlier: &[(i64, u64)]) -> Failure {
    let name = archive::name(session);
    match (version, earlier) {
        (Version::Now, []) => Failure::failed(format!("the archive has no file of {name}"))
            .hint("It came from another archive. `carry sessions export` writes the conversation itself."),
        (Version::Now, [(_, bytes), ..]) => Failure::failed(format!("the file of {name} is empty now")).hint(format!(
            "What it held before ({}) is kept: `carry sessions restore {} --before` writes it.",
            text::size(*bytes),
            session.id
        )),
        (Version::Before(_), []) => {
            Failure::failed(format!("the archive has nothing of {name} that its file does not begin with"))
                .hint("Without --before, the file is written as it was read last.")
        }
        (Version::Before(_), _) => {
            let sizes: Vec<String> = (1..)
                .zip(earlier)
                .map(|(back, (_, bytes))| format!("--before={back} ({})", text::size(*bytes)))
                .collect();
            Failure::failed(format!("the archive has not so many earlier versions of {name}"))
                .hint(format!("It has {}.", sizes.join(", ")))
        }
    }
}

/// What became of a file, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "session-restored")]
struct RestoredJson<'a> {
    session: &'a str,
    path: String,
    outcome: &'static str,
    bytes: Option<u64>,
}
