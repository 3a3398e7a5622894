//! Transcripts as text: `user:` and `assistant:` begin turns, `[Tool call] name` with indented arguments and `[Tool result] name`
//! stand in them.

use serde_json::{Map, Value};

use super::{
    CallRef, Odd, Op, ReadEnd, ReadError, ResultStatus, Role, Sink, Unit, call, clean, file_of, message, result, typed,
};
use crate::model::Block;
use crate::source::document;

/// Reads all of it.
pub(super) fn read(unit: &Unit, sink: &mut dyn Sink) -> Result<ReadEnd, ReadError> {
    let bytes = document::read(unit, sink)?;
    let (text, had_control) = clean(String::from_utf8_lossy(&bytes).into_owned());
    if had_control {
        sink.op(Op::Odd { kind: Odd::Control, at: 0 })?;
    }
    let mut reader = Reader { sink, ordinal: 0, turn: None };
    for line in text.strip_prefix('\u{feff}').unwrap_or(&text).lines() {
        reader.line(line)?;
    }
    reader.end_turn()?;
    let skipped = (reader.ordinal == 0).then_some("no turns");
    Ok(ReadEnd { skipped, ..ReadEnd::default() })
}

struct Reader<'a> {
    sink: &'a mut dyn Sink,
    ordinal: u32,
    turn: Option<Turn>,
}

struct Turn {
    role: Role,
    parts: Vec<Part>,
}

enum Part {
    Text(String),
    Thinking(String),
    Call { name: String, arguments: Vec<(String, String)> },
    Result { name: String, text: String },
}

impl Reader<'_> {
    fn line(&mut self, line: &str) -> Result<(), ReadError> {
        let begins = [("user:", Role::User), ("assistant:", Role::Assistant)];
        if let Some((mark, role)) = begins.into_iter().find(|(mark, _)| line.trim_end() == *mark) {
            let _ = mark;
            self.end_turn()?;
            self.turn = Some(Turn { role, parts: Vec::new() });
            return Ok(());
        }
        // What stands before the first turn is no message.
        let Some(turn) = &mut self.turn else { return Ok(()) };
        if let Some(text) = line.strip_prefix("[Thinking]") {
            turn.parts.push(Part::Thinking(text.trim().to_owned()));
        } else if let Some(name) = line.strip_prefix("[Tool call]") {
            turn.parts.push(Part::Call { name: name.trim().to_owned(), arguments: Vec::new() });
        } else if let Some(name) = line.strip_prefix("[Tool result]") {
            turn.parts.push(Part::Result { name: name.trim().to_owned(), text: String::new() });
        } else {
            turn.add(line);
        }
        Ok(())
    }

    fn end_turn(&mut self) -> Result<(), ReadError> {
        let Some(turn) = self.turn.take() else { return Ok(()) };
        let ordinal = self.ordinal;
        let (mut blocks, mut results, mut calls) = (Vec::new(), Vec::new(), Vec::new());
        for part in turn.parts {
            match part {
                Part::Text(text) => {
                    let text = typed(&text, turn.role).trim();
                    if !text.is_empty() {
                        blocks.push(Block::Text(text.to_owned()));
                    }
                }
                Part::Thinking(text) => blocks.push(Block::Thinking(text.trim().to_owned())),
                Part::Call { name, arguments } => {
                    let input: Map<String, Value> =
                        arguments.into_iter().map(|(key, value)| (key, value.into())).collect();
                    let input = Value::Object(input);
                    let index = u32::try_from(calls.len()).unwrap_or(u32::MAX);
                    blocks.push(call(index, None, Some(name.clone()), input.to_string(), file_of(&input)));
                    calls.push(name);
                }
                Part::Result { name, text } => {
                    // It begins on the line after its mark.
                    let text = text.strip_prefix('\n').unwrap_or(&text).trim_end().to_owned();
                    // Results name the tool, not the call: the newest call of that tool in this turn, else the newest call.
                    let at = calls.iter().rposition(|call| *call == name).or(calls.len().checked_sub(1));
                    if let Some(index) = at {
                        let call = CallRef::At { ordinal, index: u32::try_from(index).unwrap_or(u32::MAX) };
                        results.push(result(call, ResultStatus::Unknown, text));
                    } else {
                        blocks.push(Block::Text(text));
                    }
                }
            }
        }
        if !blocks.is_empty() {
            self.sink.op(Op::Message(Box::new(message(ordinal, turn.role, blocks))))?;
            for result in results {
                self.sink.op(Op::Result(Box::new(result)))?;
            }
            self.ordinal += 1;
        }
        Ok(())
    }
}

impl Turn {
    fn add(&mut self, line: &str) {
        match self.parts.last_mut() {
            Some(Part::Call { arguments, .. }) if line.starts_with(' ') => {
                match (line.trim_start().split_once(':'), arguments.last_mut()) {
                    // Four blanks and more belong to the argument before.
                    (_, Some((_, value))) if line.starts_with("    ") => {
                        value.push('\n');
                        value.push_str(line);
                    }
                    (Some((key, value)), _) => arguments.push((key.trim().to_owned(), value.trim().to_owned())),
                    (None, Some((_, value))) => {
                        value.push('\n');
                        value.push_str(line);
                    }
                    (None, None) => arguments.push(("input".to_owned(), line.trim().to_owned())),
                }
            }
            Some(Part::Result { text, .. }) if text.is_empty() => text.push_str(line),
            Some(Part::Result { text, .. } | Part::Text(text) | Part::Thinking(text)) => {
                text.push('\n');
                text.push_str(line);
            }
            _ => self.parts.push(Part::Text(line.to_owned())),
        }
    }
}
