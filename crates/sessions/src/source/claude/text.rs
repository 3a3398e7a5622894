//! What a user entry's text is: typed, a command, or put there by the program.

use std::borrow::Cow;

/// What a text turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said<'a> {
    /// Typed.
    Typed(Cow<'a, str>),
    /// A command of the program: `/model sonnet`.
    Command(String),
    /// Put there by the program.
    System(&'static str, &'a str),
    /// The output of a command: nothing to keep as a message.
    Noise,
}

/// Beginnings of texts that nobody typed, and what they are called.
const PREFIXES: &[(&str, &str)] = &[
    ("This session is being continued from a previous conversation", "continuation"),
    ("Continue from where you left off.", "resume"),
    ("[Request interrupted by user", "interrupted"),
    ("<task-notification>", "task_notification"),
    ("Stop hook feedback:", "stop_hook"),
    ("<stop-hook", "stop_hook"),
];

const NOISE: &[&str] = &["<local-command-stdout>", "<local-command-stderr>", "<local-command-caveat>"];

/// Envelopes that an editor puts before a prompt.
const EDITOR: &[(&str, &str, &str)] = &[
    ("<ide_opened_file>", "</ide_opened_file>", "ide_opened_file"),
    ("<ide_selection>", "</ide_selection>", "ide_selection"),
];

/// Says what a text is.
pub(super) fn classify(text: &str) -> Said<'_> {
    let trimmed = text.trim_start();
    // Everything special begins with one of these.
    if !trimmed.starts_with(['<', '[', 'T', 'C', 'S']) {
        return Said::Typed(Cow::Borrowed(text));
    }
    if NOISE.iter().any(|noise| trimmed.starts_with(noise)) {
        return Said::Noise;
    }
    if let Some(command) = command(trimmed) {
        return Said::Command(command);
    }
    if let Some((_, subtype)) = PREFIXES.iter().find(|(prefix, _)| trimmed.starts_with(prefix)) {
        return Said::System(subtype, text);
    }
    if trimmed.starts_with("<system-reminder>") {
        let rest = without_reminders(trimmed);
        return if rest.is_empty() { Said::System("system_reminder", text) } else { Said::Typed(Cow::Borrowed(rest)) };
    }
    Said::Typed(Cow::Borrowed(text))
}

/// The command in `<command-name>/x</command-name> … <command-args>a</command-args>`, in whatever order, as `/x a`.
pub(super) fn command(text: &str) -> Option<String> {
    if !text.starts_with("<command-") {
        return None;
    }
    let name = between(text, "<command-name>", "</command-name>")?.trim();
    let args = between(text, "<command-args>", "</command-args>").unwrap_or_default().trim();
    let slash = if name.starts_with('/') { "" } else { "/" };
    Some(if args.is_empty() { format!("{slash}{name}") } else { format!("{slash}{name} {args}") })
}

/// The editor's envelopes before a prompt: the first one's name, all of them, and the rest.
pub(super) fn editor(text: &str) -> Option<(&'static str, &str, &str)> {
    let mut rest = text.trim_start();
    let mut name = None;
    while let Some((open, close, subtype)) = EDITOR.iter().find(|(open, ..)| rest.starts_with(open)) {
        let end = memchr::memmem::find(&rest.as_bytes()[open.len()..], close.as_bytes())?;
        name.get_or_insert(*subtype);
        rest = rest[open.len() + end + close.len()..].trim_start();
    }
    let name = name?;
    Some((name, text[..text.len() - rest.len()].trim(), rest))
}

fn without_reminders(text: &str) -> &str {
    let mut rest = text;
    while rest.starts_with("<system-reminder>") {
        let Some(end) = memchr::memmem::find(rest.as_bytes(), b"</system-reminder>") else { return "" };
        rest = rest[end + "</system-reminder>".len()..].trim_start();
    }
    rest
}

/// What stands between two marks.
pub(super) fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let from = memchr::memmem::find(text.as_bytes(), open.as_bytes())? + open.len();
    let to = memchr::memmem::find(&text.as_bytes()[from..], close.as_bytes())? + from;
    Some(&text[from..to])
}

/// The text without control characters, and whether there were any. Line breaks and tabs stay.
pub(super) fn clean(text: &str) -> (Cow<'_, str>, bool) {
    let is_control = |byte: &u8| *byte < 0x20 && !matches!(*byte, b'\n' | b'\r' | b'\t');
    if text.as_bytes().iter().filter(|byte| is_control(byte)).count() == 0 {
        return (Cow::Borrowed(text), false);
    }
    let kept = text.chars().filter(|c| !u8::try_from(*c).is_ok_and(|byte| is_control(&byte)));
    (Cow::Owned(kept.collect()), true)
}
