//! A session on one line.

use carry_sessions::archive::SessionRow;
use carry_sessions::export::title;
use carry_sessions::model::RelationKind;

use crate::output::style;
use crate::text;
use crate::wire::Shell;

/// Hex digits of an id in a list: enough to be typed.
const ID_CHARS: usize = 10;
/// Characters of a title in a list.
const TITLE_CHARS: usize = 72;

/// The beginning of an id.
pub(super) fn short_id(session: &SessionRow) -> String {
    session.id.as_str().chars().take(ID_CHARS).collect()
}

/// `1f3a09be00  2 h ago    Claude Code  orchard  Fix the gate  [starred] [review]`.
pub(super) fn line(shell: &Shell, session: &SessionRow) -> String {
    let out = &shell.out;
    let age = session.ended.map_or_else(|| "never".to_owned(), |at| carry_code::time::age(at, shell.now()));
    let mut line = format!(
        "{}  {age:<10} {:<8} {}  {}",
        out.paint(style::ID, short_id(session)),
        session.agent.as_str(),
        out.paint(style::GOOD, text::line(&session.project)),
        text::line(&cut(&title(session), TITLE_CHARS)),
    );
    for mark in marks(session) {
        line.push_str(&format!(" [{}]", text::line(&mark)));
    }
    line
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
pub(super) fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// `$1.23`.
pub(super) fn money(micros: u64) -> String {
    format!("${:.2}", micros as f64 / 1e6)
}

/// `1.2 M`.
pub(super) fn tokens(n: u64) -> String {
    if n < 1_000 {
        n.to_string()
    } else if n < 1_000_000 {
        format!("{:.1} k", n as f64 / 1e3)
    } else {
        format!("{:.1} M", n as f64 / 1e6)
    }
}
