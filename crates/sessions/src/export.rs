//! Sessions as files: Markdown, JSON, HTML that stands alone.

use crate::archive::{SessionRow, StoredMessage};
use crate::curation::Pin;
use crate::git_links::{Evidence, GitLink, LinkKind};
use crate::mask::Safe;
use crate::model::{Message, ResultStatus};
use crate::stream::content::{Incomplete, run_in_words};

mod html;
mod json;
mod markdown;
mod read;
#[cfg(test)]
mod tests;

pub use html::html;
pub use json::{
    incomplete as incomplete_json, json, link as link_json, message as message_json, pin as pin_json,
    session as session_json,
};
pub use markdown::markdown;
pub use read::{JsonError, input_text, message_of_json, result_of_json};

/// What is written out.
#[derive(Clone, Debug)]
pub struct Document {
    /// The session.
    pub session: SessionRow,
    /// Its messages.
    pub messages: Vec<StoredMessage>,
    /// Its pins.
    pub pins: Vec<Pin>,
    /// Its links.
    pub links: Vec<GitLink>,
    /// The mask's version; `None` for raw text.
    pub mask: Option<String>,
    /// What of it is missing here.
    pub incomplete: Option<Incomplete>,
}

impl Document {
    /// Of what was masked.
    pub fn masked(safe: Safe, version: &str) -> Self {
        Self {
            session: safe.session,
            messages: safe.messages,
            pins: safe.pins,
            links: safe.links,
            mask: Some(version.to_owned()),
            incomplete: None,
        }
    }

    /// The runs of missing messages that come before the message at this place, in words.
    fn gaps_before(&self, at: usize) -> impl Iterator<Item = String> {
        let ordinal = |at: usize| Some(self.messages.get(at)?.message.ordinal);
        let after = at.checked_sub(1).and_then(ordinal);
        let before = ordinal(at).unwrap_or(u32::MAX);
        let runs = self.incomplete.iter().flat_map(move |missing| missing.between(after, before));
        runs.map(|run| format!("{} missing here", run_in_words(run)))
    }

    /// The session's title.
    fn title(&self) -> String {
        title(&self.session)
    }

    /// The note on a message, when it is pinned.
    fn pin_of(&self, message: &Message) -> Option<&Pin> {
        self.pins.iter().find(|pin| {
            message.key.as_deref() == Some(&pin.message)
                || pin.message.strip_prefix('#').and_then(|n| n.parse().ok()) == Some(message.ordinal)
        })
    }
}

/// What to call a session: its name, else its first prompt, else its id. One line.
pub fn title(session: &SessionRow) -> String {
    let said = [&session.name, &session.first_prompt].into_iter().flatten().find(|text| !text.trim().is_empty());
    match said {
        Some(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        None => format!("{} {}", session.agent.title(), session.id),
    }
}

/// A status's name, for machines and people.
fn status(status: ResultStatus) -> Option<&'static str> {
    match status {
        ResultStatus::Unknown => None,
        ResultStatus::Running => Some("running"),
        ResultStatus::Completed => Some("completed"),
        ResultStatus::Failed => Some("failed"),
    }
}

/// The name of a kind of link.
fn link_kind(kind: LinkKind) -> &'static str {
    match kind {
        LinkKind::Commit => "commit",
        LinkKind::PullRequest => "pull-request",
        LinkKind::Push => "push",
    }
}

/// The name of an evidence.
fn evidence(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Created => "created",
        Evidence::Recorded => "recorded",
        Evidence::Start => "start",
        Evidence::Mentioned => "mentioned",
    }
}

/// What a message is that nobody typed or said; else who speaks.
fn speaker(message: &Message) -> String {
    match &message.subtype {
        Some(subtype) => subtype.replace('_', " "),
        None if message.is_system => "system".to_owned(),
        None => message.role.to_string(),
    }
}

/// What says most about an input in one line: a command, a file, a pattern.
pub fn gist(call: &crate::model::ToolCall) -> String {
    if let Some(file) = &call.file {
        return one_line(file, GIST_CHARS);
    }
    let Ok(serde_json::Value::Object(input)) = serde_json::from_str(&call.input) else {
        return one_line(&call.input, GIST_CHARS);
    };
    let told = ["command", "cmd", "pattern", "query", "url", "description", "prompt", "skill", "name"]
        .into_iter()
        .find_map(|name| input.get(name));
    let told = told.or_else(|| input.values().next());
    match told {
        Some(serde_json::Value::String(text)) => one_line(text, GIST_CHARS),
        Some(serde_json::Value::Array(items)) => {
            let words: Vec<&str> = items.iter().filter_map(serde_json::Value::as_str).collect();
            one_line(&words.join(" "), GIST_CHARS)
        }
        Some(other) => one_line(&other.to_string(), GIST_CHARS),
        None => String::new(),
    }
}

/// Characters of a gist.
const GIST_CHARS: usize = 100;

/// The beginning of a text on one line.
fn one_line(text: &str, chars: usize) -> String {
    let mut line = String::new();
    let mut n = 0;
    for word in text.split_whitespace() {
        if n > 0 {
            line.push(' ');
            n += 1;
        }
        for c in word.chars() {
            if n == chars {
                line.push('…');
                return line;
            }
            line.push(c);
            n += 1;
        }
    }
    line
}

/// JSON as people read it; what is not JSON stays as it is.
pub fn pretty(json: &str) -> String {
    /// Longer inputs are left in one line: laying them out would only make them longer.
    const BYTES_MAX: usize = 1024 * 1024;
    if json.len() > BYTES_MAX {
        return json.to_owned();
    }
    match serde_json::from_str::<serde_json::Value>(json) {
        Ok(value) => serde_json::to_string_pretty(&value).unwrap_or_else(|_| json.to_owned()),
        Err(_) => json.to_owned(),
    }
}

/// What bytes of a media type are called.
fn picture_or_document(media: &str) -> &'static str {
    if media.starts_with("image/") { "Picture" } else { "Document" }
}
