//! What a failure of PostgreSQL means, and what may be said of it.
//!
//! Messages of the server can repeat what it was handed. Only those of classes that speak of names, rights and resources are passed
//! on; of the others nothing but the code and the names of table, column and constraint.

use std::fmt::Write as _;

use tokio_postgres::error::DbError;
use tokio_postgres::types::FromSql;
use tokio_postgres::{Error, Row};

use crate::sink::{Class, SinkError};

#[cfg(test)]
mod tests;

/// Longest message of a server that is passed on, in characters.
const MESSAGE_CHARS_MAX: usize = 300;

impl SinkError {
    /// A failure without a cause of its own.
    pub(crate) fn new(class: Class, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), hint: None, source: None }
    }

    /// The same with what to do about it.
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with its cause.
    pub(crate) fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

/// What the server said, as far as it can be passed on.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Said(String);

/// How a failure with this SQLSTATE is to be taken.
pub(crate) fn class_of(code: &str) -> Class {
    match (code, code.get(..2).unwrap_or_default()) {
        ("42501", _) => Class::Forbidden,
        // The server gave up a session that was silent for too long: it is gone.
        ("25P03" | "57P05", _) => Class::Unreachable,
        ("25006", _) => Class::Full,
        ("53200", _) => Class::Exhausted,
        ("57014" | "55P03" | "55006" | "25P04", _) => Class::Contended,
        // More text or more parts than it can take, wherever that is noticed.
        (_, "22" | "23" | "44" | "54" | "P0" | "XX") => Class::Refused,
        (_, "08") => Class::Unreachable,
        (_, "28") => Class::AuthRequired,
        // No such database.
        (_, "3D") => Class::Forbidden,
        (_, "0A" | "26" | "3F" | "42") => Class::Unsupported,
        (_, "40") => Class::Contended,
        (_, "53" | "57" | "58") => Class::Full,
        _ => Class::Internal,
    }
}

/// Makes a failure of ours of one of the client's. `doing` is what could not be done: "the store cannot be opened".
pub(crate) fn failure(doing: &str, error: Error) -> SinkError {
    if let Some(said) = error.as_db_error() {
        return of_server(doing, said);
    }
    let why = causes(&error);
    let (class, hint) = class_of_client(&error, &why);
    SinkError::new(class, format!("{doing}: {why}")).with_hint(hint)
}

/// The same for failures that the server did not report.
fn class_of_client(error: &Error, why: &str) -> (Class, &'static str) {
    let is = |start: &str| why.starts_with(start);
    let holds = |part: &str| why.to_lowercase().contains(part);
    if is("error performing TLS") && holds("certificate") {
        return (
            Class::AuthRequired,
            "The server's certificate must be from an authority that this machine trusts, or from the one in sslrootcert, and be for the host's name.",
        );
    }
    if holds("server does not support tls") {
        return (
            Class::AuthRequired,
            "Whoever runs the server must switch TLS on; or, if nobody can listen on the way there, set team.allow_insecure.",
        );
    }
    if holds("does not allow writes") {
        return (
            Class::Full,
            "The server is a copy that can only be read: the store's URL must name the one that can be written.",
        );
    }
    if is("authentication error") || is("invalid configuration") {
        return (Class::AuthRequired, "Check the user, the password and the certificates of the store.");
    }
    if is_of_cell(error) {
        return (Class::Unsupported, "Its tables are not as Carry made them. Whoever runs the store must look at it.");
    }
    if is("error encoding message") || is("error serializing") {
        return (Class::Refused, "It is larger than PostgreSQL can take.");
    }
    if is_of_connection(error) {
        return (Class::Unreachable, "It is tried again by itself once the server can be reached.");
    }
    (Class::Internal, "Please report this.")
}

fn of_server(doing: &str, said: &DbError) -> SinkError {
    let code = said.code().code();
    let class = class_of(code);
    let mut why = String::new();
    if may_be_repeated(code) {
        why.extend(said.message().chars().filter(|c| !c.is_control()).take(MESSAGE_CHARS_MAX));
    } else {
        why.push_str("the server refuses what it was handed");
    }
    let _ = write!(why, " (SQLSTATE {code}");
    for (what, name) in [("table", said.table()), ("column", said.column()), ("constraint", said.constraint())] {
        if let Some(name) = name {
            let name: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
            let _ = write!(why, ", {what} {name}");
        }
    }
    why.push(')');
    let failed = SinkError::new(class, format!("{doing}: {why}"));
    match hint(code, class) {
        Some(hint) => failed.with_hint(hint),
        None => failed,
    }
    .because(Said(why))
}

fn may_be_repeated(code: &str) -> bool {
    matches!(code, "42501" | "42P01")
        || matches!(code.get(..2), Some("08" | "25" | "28" | "3D" | "3F" | "40" | "53" | "54" | "55" | "57" | "58"))
}

fn hint(code: &str, class: Class) -> Option<&'static str> {
    Some(match (code, class) {
        ("3D000", _) => "Whoever runs the server must make the database, or the store's URL must name another.",
        (_, Class::Forbidden) => {
            "Whoever runs the store must give this role the rights it needs: see team-roles.sql in the documentation."
        }
        (_, Class::AuthRequired) => "Check the user, the password and the certificates of the store.",
        ("42P01" | "3F000", _) => "Whoever runs the store must run `carry team init` there.",
        ("26000", _) => "A pool of connections in between must keep one connection for a whole transaction.",
        (_, Class::Unsupported) => "Its tables are not as Carry made them. Whoever runs the store must look at it.",
        ("53300", _) => "The server has as many connections as it may. It is tried again by itself.",
        ("25006", _) => {
            "The server is a copy that can only be read, or was set to be read only: the store's URL must name the one that can be written."
        }
        (_, Class::Full | Class::Exhausted) => "It is tried again by itself once the server has room and is up.",
        (_, Class::Unreachable) => "It is tried again by itself once the server can be reached.",
        _ => return None,
    })
}

/// What a row says at this place.
///
/// # Errors
/// [`Class::Unsupported`]: it is of another type there, or empty.
pub(crate) fn cell<'r, T: FromSql<'r>>(row: &'r Row, at: usize) -> Result<T, SinkError> {
    row.try_get(at).map_err(|error| failure("the store's tables cannot be read", error))
}

/// Whether an answer came that was not the one that was asked for: the connection is as good as before.
pub(crate) fn is_of_cell(error: &Error) -> bool {
    ["error deserializing column", "invalid column"].iter().any(|start| error.to_string().starts_with(start))
}

/// Whether the connection is to blame, not the statement.
fn is_of_connection(error: &Error) -> bool {
    let text = error.to_string();
    error.is_closed()
        || [
            "error communicating",
            "error connecting",
            "error performing TLS",
            "timeout",
            "unexpected message",
            "error parsing response",
        ]
        .iter()
        .any(|start| text.starts_with(start))
}

/// The error and its causes, in one line.
fn causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.ends_with(&said) {
            let _ = write!(text, ": {said}");
        }
        next = cause.source();
    }
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MESSAGE_CHARS_MAX).collect()
}
