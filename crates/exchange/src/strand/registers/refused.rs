//! What could not be exchanged is refused when it is said, by whom it can be said otherwise.

use carry_kernel::db::rusqlite;
use serde_json::Value;

use super::payload::{FIELD_BYTES_MAX, ITEM_BYTES_MAX, TARGET_BYTES_MAX};
use super::{OF_DELETION, Set};
use crate::limits::VALUE_BYTES_MAX;

/// Why nothing was said.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// SQLite failed.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// A part of a register's name has too many bytes, or none where some must be.
    #[error("the name of {part} has 1 to {max} bytes, this has {bytes}")]
    Name {
        /// A target, a field or an item.
        part: &'static str,
        /// How many it has.
        bytes: usize,
        /// How many it may have.
        max: usize,
    },
    /// A value has too many bytes as JSON.
    #[error("a value has at most {VALUE_BYTES_MAX} bytes as JSON, this has {bytes}")]
    TooLarge {
        /// How many it has.
        bytes: usize,
    },
    /// The field says whether a target was deleted, and is not set.
    #[error("`{0}` is a name that deletions use")]
    OfDeletion(String),
}

impl Set<'_> {
    pub(super) fn check(&self) -> Result<(), RegisterError> {
        check_target(self.target)?;
        check_name("a field", self.field, FIELD_BYTES_MAX)?;
        if !self.item.is_empty() {
            check_name("an item", self.item, ITEM_BYTES_MAX)?;
        }
        if OF_DELETION.contains(&self.field) {
            return Err(RegisterError::OfDeletion(self.field.to_owned()));
        }
        match self.value.map(|value| Value::from(value).to_string().len()).filter(|bytes| *bytes > VALUE_BYTES_MAX) {
            Some(bytes) => Err(RegisterError::TooLarge { bytes }),
            None => Ok(()),
        }
    }
}

pub(super) fn check_target(target: &str) -> Result<(), RegisterError> {
    check_name("a target", target, TARGET_BYTES_MAX)
}

fn check_name(part: &'static str, name: &str, max: usize) -> Result<(), RegisterError> {
    let bytes = name.len();
    if (1..=max).contains(&bytes) { Ok(()) } else { Err(RegisterError::Name { part, bytes, max }) }
}
