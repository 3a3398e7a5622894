//! What leaves of one session, to be read.

use std::collections::BTreeMap;

use carry_sessions::archive::StoredMessage;
use carry_sessions::export::{link_json, message_of_json, pin_json, result_of_json, session_json, title};
use carry_team::preview::{Part, Preview};
use carry_team::unit::{Body, Head, Place, Row, SessionHead, TotalsHead};
use serde_json::{Value, json};

use super::shared::{self, LOCAL};
use crate::cli::sessions::row;
use crate::cli::sessions::show::{Look, message};
use crate::failure::Failure;
use crate::output::style;
use crate::text;
use crate::wire::Shell;

/// Places that were masked that are named one by one.
const NAMED_MAX: usize = 200;

/// How much is shown to people; machines get all.
#[derive(Clone, Copy, Debug)]
pub(super) struct How<'h> {
    pub(super) full: bool,
    pub(super) thinking: bool,
    /// What goes with it in every mode.
    pub(super) with: &'h str,
}

/// Shows everything that leaves of a unit.
pub(super) fn show(shell: &Shell, preview: &Preview<'_>, key: &str, how: How<'_>) -> Result<(), Failure> {
    shell.out.start_pager();
    let mut page = Page { shell, how, messages: BTreeMap::new(), masked: Vec::new(), bucket: None };
    let mut told = Ok(());
    let is_shared = preview.content(key, &mut |part| {
        if told.is_ok() {
            told = page.part(part);
        }
    })?;
    told?;
    if !is_shared {
        return Err(Failure::failed(format!("nothing leaves of {key}: its project is not shared"))
            .hint("`carry team share` lists what is shared; --mode shows what would leave in a mode."));
    }
    page.finish()
}

/// What is shown so far.
struct Page<'s> {
    shell: &'s Shell,
    how: How<'s>,
    /// Messages of the bucket at hand: their results come after them.
    messages: BTreeMap<u32, StoredMessage>,
    bucket: Option<u32>,
    /// What was masked: rule, placeholder, message.
    masked: Vec<(String, String, Option<u32>)>,
}

impl Page<'_> {
    fn part(&mut self, part: Part) -> Result<(), Failure> {
        match part {
            Part::Masked { rule, placeholder, ordinal } if self.shell.out.is_json() => {
                let (rule, placeholder) = (rule.as_str(), placeholder.as_str());
                let line = json!({"type": "team-preview-masked", "rule": rule, "placeholder": placeholder, "message": ordinal});
                self.shell.out.json(&line)
            }
            Part::Masked { rule, placeholder, ordinal } => {
                self.masked.push((rule, placeholder, ordinal));
                Ok(())
            }
            Part::Head(head) if self.shell.out.is_json() => self.shell.out.json(&head_json(&head)),
            Part::Head(Head::Session(head)) => self.head(&head),
            Part::Head(Head::Totals(totals)) => self.totals(&totals),
            Part::Row(row) if self.shell.out.is_json() => self.shell.out.json(&row_json(&row)),
            Part::Row(row) => self.row(row),
        }
    }

    fn head(&self, head: &SessionHead) -> Result<(), Failure> {
        let (out, session) = (&self.shell.out, &head.session);
        out.line(out.paint(style::TITLE, text::line(&title(session))))?;
        let mut facts = vec![
            out.paint(style::ID, session.id.as_str()),
            session.agent.title().to_owned(),
            text::line(&session.project),
            text::line(&session.project_key),
        ];
        facts.extend(session.branch.as_deref().map(|branch| format!("on {}", text::line(branch))));
        facts.extend(session.cwd.as_deref().map(|cwd| format!("in {}", text::line(cwd))));
        facts.extend(session.model.as_deref().map(text::line));
        facts.extend(session.started.map(text::local_time));
        facts.extend(session.cost_micros.map(row::money));
        facts.push(format!("shared as {}", head.mode));
        out.line(facts.join("  "))?;
        let labels: Vec<String> = session.labels.iter().map(|label| text::line(label)).collect();
        if !labels.is_empty() {
            out.line(format_args!("labels: {}", labels.join(", ")))?;
        }
        for pin in &head.pins {
            out.line(format_args!("pinned: {} {}", text::line(&pin.message), text::line(&pin.note)))?;
        }
        for link in &head.links {
            let value = link_json(link);
            let said = |name: &str| value[name].as_str().map(text::line).unwrap_or_default();
            out.line(format_args!("{}: {} {}", said("kind"), said("target"), said("subject")))?;
        }
        out.line("")
    }

    fn totals(&self, totals: &TotalsHead) -> Result<(), Failure> {
        let out = &self.shell.out;
        out.line(out.paint(style::TITLE, text::line(&totals.project)))?;
        out.line(format_args!("{}  shared as aggregates\n", text::line(&totals.project_key)))?;
        let mut table = out.table(&["DAY", "AGENT", "MODEL", "SESSIONS", "MESSAGES", "CALLS", "OUTPUT", "COST"]);
        for day in &totals.days {
            table.add_row([
                text::line(&day.day),
                text::line(&day.agent),
                text::line(&day.model),
                day.sessions.to_string(),
                day.messages.to_string(),
                day.calls.to_string(),
                row::tokens(day.output_tokens),
                row::money(day.cost_micros),
            ]);
        }
        out.line(table.trim_fmt())
    }

    fn row(&mut self, row: Row) -> Result<(), Failure> {
        let bucket = row.place.bucket().0;
        if self.bucket.replace(bucket).is_some_and(|before| before != bucket) {
            self.flush()?;
        }
        let ours =
            |error: &dyn std::fmt::Display| Failure::failed(format!("a row that would leave cannot be read: {error}"));
        match (row.place, &row.body) {
            (Place::Message(ordinal), Body::Message { json, .. }) => {
                let value: Value = serde_json::from_str(json).map_err(|error| ours(&error))?;
                self.messages.insert(ordinal, message_of_json(&value).map_err(|error| ours(&error))?);
            }
            (Place::Result { ordinal, .. }, Body::Result { json, .. }) => {
                let value: Value = serde_json::from_str(json).map_err(|error| ours(&error))?;
                let result = result_of_json(&value).map_err(|error| ours(&error))?;
                if let Some(message) = self.messages.get_mut(&ordinal) {
                    message.results.push(result);
                }
            }
            // Words are those of what is shown.
            _ => {}
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        // Everything that leaves is shown, hidden branches and what the program put in, too.
        let look = Look { full: self.how.full, thinking: self.how.thinking, all: true, is_one: false, user: "You" };
        for (_, stored) in std::mem::take(&mut self.messages) {
            message(self.shell, &stored, &look)?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(), Failure> {
        self.flush()?;
        if self.shell.out.is_json() {
            return Ok(());
        }
        let out = &self.shell.out;
        out.note(self.how.with);
        if self.masked.is_empty() {
            return out.line("Nothing in it is masked.");
        }
        out.line(out.paint(style::TITLE, format!("{} masked", text::count(text::len(&self.masked), "secret"))))?;
        for (rule, placeholder, ordinal) in self.masked.iter().take(NAMED_MAX) {
            let place = ordinal.map_or_else(|| "head".to_owned(), |ordinal| format!("#{ordinal}"));
            out.line(format_args!("{place:>6} {rule:<24} {placeholder}"))?;
        }
        if self.masked.len() > NAMED_MAX {
            out.line(format_args!("       and {} more", self.masked.len() - NAMED_MAX))?;
        }
        Ok(())
    }
}

fn head_json(head: &Head) -> Value {
    match head {
        Head::Session(head) => {
            let mut session = session_json(&head.session);
            if let Value::Object(session) = &mut session {
                session.shift_remove("type");
                for name in LOCAL {
                    session.shift_remove(name);
                }
            }
            json!({
                "type": "team-preview-head",
                "mode": head.mode.as_str(),
                "session": session,
                "pins": head.pins.iter().map(pin_json).collect::<Vec<_>>(),
                "links": head.links.iter().map(link_json).collect::<Vec<_>>(),
                "masked": head.masked,
            })
        }
        Head::Totals(totals) => json!({
            "type": "team-preview-head",
            "mode": "aggregates",
            "project": totals.project,
            "project_key": totals.project_key,
            "days": totals.days.iter().map(shared::day_json).collect::<Vec<_>>(),
        }),
    }
}

fn row_json(row: &Row) -> Value {
    // A row's text is JSON itself.
    let parsed = |json: &str| serde_json::from_str::<Value>(json).unwrap_or_else(|_| json.into());
    match (row.place, &row.body) {
        (Place::Message(ordinal), Body::Message { json, .. }) => {
            json!({"type": "team-preview-message", "message": ordinal, "row": parsed(json)})
        }
        (Place::Result { ordinal, index, event }, Body::Result { json, .. }) => {
            json!({"type": "team-preview-result", "message": ordinal, "call": index, "event": event, "row": parsed(json)})
        }
        (place, Body::Words(words)) => {
            json!({"type": "team-preview-words", "bucket": place.bucket().0, "words": words})
        }
        (place, Body::Message { json, .. } | Body::Result { json, .. }) => {
            json!({"type": "team-preview-message", "message": place.bucket().ordinals().start(), "row": parsed(json)})
        }
    }
}
