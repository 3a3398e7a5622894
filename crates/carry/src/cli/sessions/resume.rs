//! `carry sessions resume`: on with it, in its agent.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use carry_sessions::archive::SessionRow;
use carry_sessions::resume::{Resume, resume};
use serde::Serialize;

use super::archive;
use crate::failure::Failure;
use crate::text;
use crate::wire::Shell;

/// Go on with a session in its agent
///
/// Starts the agent's own command in the folder the session worked in.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The session
    #[arg(value_name = "ID")]
    session: String,
    /// Only print the command
    #[arg(long)]
    print: bool,
}

/// Whether there is a command that goes on with it.
pub(super) fn can(session: &SessionRow) -> bool {
    resume(session).is_some()
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let archive = archive::to_read(shell)?;
    let session = archive.find(&args.session)?;
    archive::check_is_here(shell, &archive, &session, "its agent cannot go on with it here")?;
    let resume = resume(&session).ok_or_else(|| {
        Failure::failed(format!("{} cannot be resumed", archive::name(&session))).hint(match &session.parent {
            Some(_) => "It belongs to another session; resume that one.",
            None => "Its agent has no command for it.",
        })
    })?;
    if shell.out.is_json() {
        return shell.out.json(&ResumeJson {
            session: session.id.as_str(),
            command: &resume.command,
            cwd: resume.cwd.as_deref().map(text::json_file),
        });
    }
    if args.print {
        return shell.out.line(line(&resume));
    }
    if let Some(path) = session.path.as_deref().filter(|path| !path.exists()) {
        return Err(Failure::failed(format!("its agent has the session no longer: {} is gone", shell.folder(path)))
            .hint(format!("`carry sessions restore {}` gives the file back.", session.id)));
    }
    start(shell, &resume)
}

/// Becomes the agent.
fn start(shell: &Shell, resume: &Resume) -> Result<(), Failure> {
    let [program, arguments @ ..] = resume.command.as_slice() else {
        return Err(Failure::failed("there is no command"));
    };
    let mut command = Command::new(program);
    command.args(arguments);
    if let Some(cwd) = &resume.cwd {
        if !cwd.is_dir() {
            return Err(Failure::failed(format!("the folder it worked in is gone: {}", shell.folder(cwd)))
                .hint("`--print` prints the command, to be run elsewhere."));
        }
        command.current_dir(cwd);
    }
    // Only returns when it cannot.
    shell.out.finish()?;
    let error = command.exec();
    Err(Failure::failed(format!("{program} cannot be started: {error}"))
        .hint("Install the agent, or `--print` the command and run it where it is."))
}

/// The command as one types it.
fn line(resume: &Resume) -> String {
    let words: Vec<String> = resume.command.iter().map(|word| text::shell_word(Path::new(word))).collect();
    let command = text::line(&words.join(" "));
    match &resume.cwd {
        Some(cwd) => format!("cd {} && {command}", text::line(&text::shell_word(cwd))),
        None => command,
    }
}

/// The command, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "session-resume")]
struct ResumeJson<'a> {
    session: &'a str,
    command: &'a [String],
    cwd: Option<String>,
}
