//! Going on with a session in its agent.

use std::path::PathBuf;

use crate::archive::SessionRow;
use crate::model::{Agent, RelationKind};

#[cfg(test)]
mod tests;

/// The command that resumes a session, and where to run it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    /// Program and arguments.
    pub command: Vec<String>,
    /// The folder.
    pub cwd: Option<PathBuf>,
}

/// How to resume; `None` when the agent cannot: subagents are their parents' business, and an id that could be taken for an
/// option is nobody's.
pub fn resume(session: &SessionRow) -> Option<Resume> {
    if matches!(session.parent, Some((_, RelationKind::Subagent))) {
        return None;
    }
    let id = session.resume.as_deref().unwrap_or(&session.native.0);
    if id.is_empty() || id.starts_with('-') || id.contains(char::is_control) {
        return None;
    }
    let command: &[&str] = match session.agent {
        Agent::Claude => &["claude", "--resume", id],
        Agent::Codex => &["codex", "resume", id],
        Agent::Gemini => &["gemini", "--resume", id],
        Agent::Copilot => &["copilot", "--resume", id],
        Agent::OpenCode => &["opencode", "-s", id],
        Agent::Cursor => &["cursor-agent", "--resume", id],
        Agent::Amp => &["amp", "threads", "continue", id],
        Agent::Other(_) => return None,
    };
    Some(Resume {
        command: command.iter().map(|&word| word.to_owned()).collect(),
        cwd: session.cwd.as_ref().filter(|cwd| cwd.starts_with('/')).map(PathBuf::from),
    })
}
