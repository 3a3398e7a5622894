//! A shared session, on one line and as JSON.

use carry_sessions::export::{link_json, session_json};
use carry_team::reader::Shared;
use carry_team::share::Mode;
use carry_team::unit::Total;
use serde_json::{Value, json};

use crate::cli::sessions::row;
use crate::text;
use crate::wire::Shell;

/// What a store says nothing about, though the archive does.
pub(super) const LOCAL: [&str; 4] = ["digest", "revision", "path", "missing"];

/// `1f3a09be00  2 h ago    claude   Dana (laptop)  orchard  Fix the gate  [metadata]`.
///
/// Whose it is takes as many columns as `width` says.
pub(super) fn line(shell: &Shell, shared: &Shared, width: usize) -> String {
    let mode = Some(shared.head.mode).filter(|mode| *mode != Mode::Full);
    row::line_of(
        shell,
        &shared.head.session,
        Some(&format!("{:<width$}", whose(shared))),
        mode.map(Mode::as_str).as_slice(),
    )
}

/// Whose it is, and from which device; unsafe to show as it is.
pub(super) fn whose(shared: &Shared) -> String {
    match shared.device.is_empty() {
        true => shared.person.clone(),
        false => format!("{} ({})", shared.person, shared.device),
    }
}

/// What the mode leaves out, as a sentence; nothing when it leaves nothing out.
pub(super) fn left_out(mode: Mode) -> Option<&'static str> {
    match mode {
        Mode::Full => None,
        Mode::Prompts => Some("It is shared as prompts: only what users wrote is in the store."),
        Mode::Metadata => Some("It is shared as metadata: its text is not in the store."),
        Mode::Aggregates | Mode::Off => Some("Its text is not in the store."),
    }
}

/// For machines.
pub(super) fn json(shared: &Shared) -> Value {
    let mut session = session_json(&shared.head.session);
    if let Value::Object(session) = &mut session {
        session.shift_remove("type");
        for name in LOCAL {
            session.shift_remove(name);
        }
    }
    let pins = shared.head.pins.iter().map(|pin| json!({"message": pin.message, "note": pin.note}));
    json!({
        "type": "team-session",
        "link": shared.link.to_string(),
        "person": shared.person,
        "device": shared.device,
        "mode": shared.head.mode.as_str(),
        "pushed": shared.pushed.to_rfc3339(),
        "masked": shared.head.masked,
        "session": session,
        "pins": pins.collect::<Vec<_>>(),
        "links": shared.head.links.iter().map(link_json).collect::<Vec<_>>(),
    })
}

/// Sums of a day, for machines.
pub(super) fn day_json(total: &Total) -> Value {
    json!({
        "day": (!total.day.is_empty()).then_some(&total.day),
        "agent": total.agent,
        "model": (!total.model.is_empty()).then_some(&total.model),
        "sessions": total.sessions,
        "messages": total.messages,
        "user_messages": total.user_messages,
        "calls": total.calls,
        "failures": total.failures,
        "input_tokens": total.input_tokens,
        "output_tokens": total.output_tokens,
        "cache_read_tokens": total.cache_read_tokens,
        "cache_write_tokens": total.cache_write_tokens,
        "cost": total.cost_micros as f64 / 1e6,
    })
}

/// Says what had to be left out of an answer.
pub(super) fn notes(shell: &Shell, notes: &[String]) {
    for note in notes {
        shell.out.warn(text::line(note));
    }
}
