//! Markdown that other programs render, too: fences longer than what they hold, no raw HTML.

mod prose;

use std::fmt::Write as _;

use super::{Document, gist, link_kind, picture_or_document, pretty, speaker, status};
use crate::archive::{StoredMessage, StoredResult};
use crate::model::{Block, CallRef, Image, ToolCall};

/// Markdown.
pub fn markdown(document: &Document) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = head(document, &mut out);
    for (at, stored) in document.messages.iter().enumerate() {
        let _ = gaps(document, at, &mut out);
        let _ = message(document, stored, &mut out);
    }
    let _ = gaps(document, document.messages.len(), &mut out);
    out
}

fn head(document: &Document, out: &mut String) -> std::fmt::Result {
    let session = &document.session;
    writeln!(out, "# {}\n", plain(&document.title()))?;
    let mut row = |name: &str, value: Option<String>| match value {
        Some(value) => writeln!(out, "- {name}: {value}"),
        None => Ok(()),
    };
    row("Agent", Some(session.agent.title().to_owned()))?;
    row("Session", Some(code(session.id.as_str())))?;
    row("Project", Some(plain(&session.project)))?;
    row("Folder", session.cwd.as_deref().map(code))?;
    row("Branch", session.branch.as_deref().map(code))?;
    row("Model", session.model.as_deref().map(code))?;
    row("Started", session.started.map(|at| at.to_rfc3339()))?;
    row("Ended", session.ended.map(|at| at.to_rfc3339()))?;
    row("Labels", (!session.labels.is_empty()).then(|| plain(&session.labels.join(", "))))?;
    row("Cost", session.cost_micros.map(|micros| format!("${:.2}", micros as f64 / 1e6)))?;
    row("Masked", document.mask.as_deref().map(|version| format!("yes, rules {}", plain(version))))?;
    row("Missing here", document.incomplete.as_ref().map(|missing| plain(&missing.to_string())))?;
    for link in &document.links {
        let subject = link.subject.as_deref().map(|subject| format!(" {}", plain(subject))).unwrap_or_default();
        writeln!(out, "- {}: {}{subject}", link_kind(link.kind), code(&link.target))?;
    }
    out.push('\n');
    Ok(())
}

fn gaps(document: &Document, at: usize, out: &mut String) -> std::fmt::Result {
    document.gaps_before(at).try_for_each(|gap| writeln!(out, "*{}*\n", plain(&gap)))
}

fn message(document: &Document, stored: &StoredMessage, out: &mut String) -> std::fmt::Result {
    let message = &stored.message;
    let at = message.at.map(|at| format!(", {}", at.to_rfc3339())).unwrap_or_default();
    let abandoned = if message.is_abandoned { ", abandoned" } else { "" };
    writeln!(out, "## #{} {}{at}{abandoned}\n", message.ordinal, plain(&speaker(message)))?;
    if let Some(pin) = document.pin_of(message) {
        writeln!(out, "> Pinned. {}\n", plain(&pin.note))?;
    }
    for block in &message.blocks {
        match block {
            Block::Text(text) => writeln!(out, "{}\n", prose::safe(text))?,
            Block::Thinking(text) => {
                writeln!(out, "*Thinking*\n")?;
                for line in prose::safe(text).lines() {
                    writeln!(out, "> {line}")?;
                }
                out.push('\n');
            }
            Block::Call(made) => {
                call(made, out)?;
                for result in stored.results.iter().filter(|result| is_of(result, made)) {
                    output(result, out)?;
                }
            }
            Block::Image(picture) => image(picture, out)?,
            Block::Other { kind, json } => {
                writeln!(out, "*{}*\n", plain(kind))?;
                fence(&pretty(json), "json", out)?;
            }
        }
    }
    Ok(())
}

/// Whether a result belongs to a call of the same message.
pub(super) fn is_of(result: &StoredResult, call: &ToolCall) -> bool {
    matches!(result.result.call, CallRef::At { index, .. } if index == call.index)
}

fn call(call: &ToolCall, out: &mut String) -> std::fmt::Result {
    let gist = gist(call);
    let gist = if gist.is_empty() { gist } else { format!(": {}", code(&gist)) };
    writeln!(out, "**{}**{gist}\n", plain(&call.name))?;
    fence(&pretty(&call.input), "json", out)
}

fn output(stored: &StoredResult, out: &mut String) -> std::fmt::Result {
    let result = &stored.result;
    let ended = status(result.status).map(|status| format!(" ({status})")).unwrap_or_default();
    writeln!(out, "*Output{ended}*\n")?;
    if result.content.is_empty() && result.content_bytes > 0 {
        writeln!(out, "{} bytes, not kept.\n", result.content_bytes)?;
    } else {
        fence(&result.content, "", out)?;
    }
    result.images.iter().try_for_each(|picture| image(picture, out))
}

fn image(image: &Image, out: &mut String) -> std::fmt::Result {
    let what = picture_or_document(&image.media);
    writeln!(out, "*{what}: {}, {} bytes, {}*\n", plain(&image.media), image.bytes, code(&image.hash))
}

/// A block of code that nothing in it can end.
fn fence(text: &str, language: &str, out: &mut String) -> std::fmt::Result {
    let fence = "`".repeat(longest_run(text).max(2) + 1);
    writeln!(out, "{fence}{language}\n{}\n{fence}\n", text.trim_end_matches('\n'))
}

/// A span of code on one line.
fn code(text: &str) -> String {
    let text = text.replace(['\n', '\r'], " ");
    let ticks = "`".repeat(longest_run(&text) + 1);
    if text.starts_with('`') || text.ends_with('`') || text.is_empty() {
        format!("{ticks} {text} {ticks}")
    } else {
        format!("{ticks}{text}{ticks}")
    }
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// Text in which nothing means anything to Markdown. Brackets stay, so that placeholders can be found by their text.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '<' | '>' | '#' | '|' | '~' | '!' => {
                out.push('\\');
                out.push(c);
            }
            '(' if out.ends_with(']') => out.push_str("\\("),
            '\n' | '\r' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
