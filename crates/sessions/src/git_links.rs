//! Commits, pushes and pull requests that a session made or mentions.
//!
//! Evidence comes from single calls ([`evidence_of`], pure): the command is taken apart, its output searched. A session's links
//! are folded from its evidence in order: an amend supersedes, a full id printed later completes a short one.

use crate::model::{Category, ResultEvent, ToolCall};

mod action;
mod address;
mod evidence;
mod fold;
mod output;
mod shell;

#[cfg(test)]
mod tests;

/// What a link points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkKind {
    /// A commit.
    Commit,
    /// A pull or merge request.
    PullRequest,
    /// A push of a range of commits.
    Push,
}

/// How we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Evidence {
    /// The session made it.
    Created,
    /// The agent recorded it.
    Recorded,
    /// It was there when the session began.
    Start,
    /// It is only seen in text.
    Mentioned,
}

/// One link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitLink {
    /// To what.
    pub kind: LinkKind,
    /// The commit's id as short as it was seen, the request's address, or a push's range.
    pub target: String,
    /// How we know.
    pub evidence: Evidence,
    /// `host/owner/repo`, when known.
    pub repo: Option<String>,
    /// The request's number.
    pub number: Option<u64>,
    /// The branch.
    pub branch: Option<String>,
    /// The commit's subject.
    pub subject: Option<String>,
    /// The whole commit id, when the session shows it.
    pub full_sha: Option<String>,
    /// The commit it replaced (amend, rebase, squash).
    pub supersedes: Option<String>,
    /// The commit that replaced it.
    pub superseded_by: Option<String>,
    /// The message.
    pub ordinal: u32,
    /// The call in it.
    pub index: Option<u32>,
}

/// What one call and one of its outputs say, in order. `cwd` is the session's directory.
///
/// What a link supersedes may be said in a way that only [`fold`] understands ("the commit before it"): evidence is not shown
/// or stored before it is folded.
pub fn evidence_of(call: &ToolCall, result: &ResultEvent, ordinal: u32, cwd: Option<&str>) -> Vec<GitLink> {
    evidence::evidence_of(call, &result.content, cwd, evidence::Place { ordinal, index: Some(call.index) })
}

/// The folder in which the last program of the call that makes or shows commits works, when the call has one and the folder can be
/// known: the remote there names the repository of its links.
pub fn directory_of(call: &ToolCall, cwd: Option<&str>) -> Option<String> {
    evidence::actions(call, cwd).1
}

/// What plain text (a message of user or agent) mentions: addresses of pull requests.
pub fn mentions(text: &str, ordinal: u32) -> Vec<GitLink> {
    address::requests(text).into_iter().map(|request| request.link(Evidence::Mentioned, ordinal, None)).collect()
}

/// Adds `new` to `links`: duplicates fold, a stronger evidence replaces a weaker, an amend supersedes, a full id completes. The order
/// of calls is the order of the session. The same evidence again changes nothing.
pub fn fold(links: &mut Vec<GitLink>, new: Vec<GitLink>) {
    fold::fold(links, new);
}

/// Whether outputs of such a call can say anything about links (cheap; most cannot).
pub fn is_of_interest(category: Category, name: &str, input: &str) -> bool {
    evidence::is_of_interest(category, name, input)
}
