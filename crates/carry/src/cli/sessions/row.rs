//! A session on one line.

use carry_sessions::archive::SessionRow;
use carry_sessions::export::{incomplete_json, session_json, title};
use carry_sessions::model::RelationKind;
use serde_json::Value;

use super::gaps::Gaps;
use crate::called::Called;
use crate::output::style;
use crate::text;
use crate::wire::Shell;

/// Hex digits of an id in a list: enough to be typed.
const ID_CHARS: usize = 10;
/// Characters of a title in a list.
const TITLE_CHARS: usize = 72;

/// The beginning of an id.
pub(in crate::cli) fn short_id(session: &SessionRow) -> String {
    session.id.as_str().chars().take(ID_CHARS).collect()
}

/// `1f3a09be00  2 h ago    claude   orchard  Fix the gate  [starred] [review]`.
pub(in crate::cli) fn line(shell: &Shell, session: &SessionRow) -> String {
    line_of(shell, session, None, &[])
}

/// The same with whose it is before the project, and further marks.
pub(in crate::cli) fn line_of(shell: &Shell, session: &SessionRow, whose: Option<&str>, more: &[&str]) -> String {
    let out = &shell.out;
    let age = session.ended.map_or_else(|| "never".to_owned(), |at| carry_code::time::age(at, shell.now()));
    let whose = whose.map_or_else(String::new, |whose| format!("{}  ", text::line(whose)));
    let mut line = format!(
        "{}  {age:<10} {:<8} {whose}{}  {}",
        out.paint(style::ID, short_id(session)),
        text::line(session.agent.as_str()),
        out.paint(style::GOOD, text::line(&session.project)),
        text::line(&cut(&title(session), TITLE_CHARS)),
    );
    for mark in more.iter().map(|mark| (*mark).to_owned()).chain(marks(session)) {
        line.push_str(&format!(" [{}]", text::line(&mark)));
    }
    line
}

/// A session for machines, with what people call the device that it is of, and what of it is missing here.
pub(in crate::cli) fn json(session: &SessionRow, called: &Called, gaps: &Gaps) -> Value {
    let mut value = session_json(session);
    if let Value::Object(members) = &mut value {
        members.insert("device_label".to_owned(), called.device(&session.origin).into());
        members.insert("incomplete".to_owned(), incomplete_json(gaps.of(session)));
    }
    value
}

/// What is worth a word beside the title.
fn marks(session: &SessionRow) -> Vec<String> {
    let mut marks = Vec::new();
    let mut mark = |holds: bool, name: &str| {
        if holds {
            marks.push(name.to_owned());
        }
    };
    mark(session.is_starred, "starred");
    mark(session.is_trashed, "trash");
    let relation = session.parent.as_ref().map(|(_, kind)| *kind);
    mark(relation == Some(RelationKind::Subagent), "subagent");
    mark(relation == Some(RelationKind::Fork), "fork");
    mark(session.is_automated, "automated");
    mark(session.missing.is_some(), "only here");
    marks.extend(session.labels.iter().cloned());
    marks
}

/// The beginning of a text.
pub(in crate::cli) fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// `$1.23`.
pub(in crate::cli) fn money(micros: u64) -> String {
    format!("${:.2}", micros as f64 / 1e6)
}

/// `1.2 M`.
pub(in crate::cli) fn tokens(n: u64) -> String {
    if n < 1_000 {
        n.to_string()
    } else if n < 1_000_000 {
        format!("{:.1} k", n as f64 / 1e3)
    } else {
        format!("{:.1} M", n as f64 / 1e6)
    }
}
