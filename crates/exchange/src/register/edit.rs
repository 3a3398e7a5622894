//! The payload of an edit: `{"t":target,"f":field,"v":value,"seen":[…]}`.

use serde_json::{Value, json};

use super::Seen;
use crate::json::{self, JsonError, ShapeError};
use crate::limits::VALUE_BYTES_MAX;

/// What an edit's record carries.
#[derive(Clone, Debug, PartialEq)]
pub struct EditPayload {
    /// What is edited, e.g. a session. It may not have arrived yet.
    pub target: String,
    /// Which of its registers.
    pub field: String,
    /// The new value.
    pub value: Value,
    /// What the register had seen.
    pub seen: Seen,
}

/// Why a payload is no edit.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// It is no JSON of ours.
    #[error("the edit cannot be read")]
    Json(#[from] JsonError),
    /// A member is missing or wrong.
    #[error("the edit cannot be read")]
    Shape(#[from] ShapeError),
    /// The value is too large.
    #[error("a register's value has at most {VALUE_BYTES_MAX} bytes, this has {0}")]
    Value(usize),
}

impl EditPayload {
    /// The payload's bytes.
    ///
    /// # Errors
    /// [`EditError`] that a reader would report.
    pub fn to_bytes(&self) -> Result<Vec<u8>, EditError> {
        let payload = json!({ "t": self.target, "f": self.field, "v": self.value, "seen": self.seen.to_json() });
        let bytes = payload.to_string().into_bytes();
        Self::from_bytes(&bytes)?;
        Ok(bytes)
    }

    /// Reads a payload. Members that are not known are ignored.
    ///
    /// # Errors
    /// [`EditError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EditError> {
        let payload = json::parse(bytes)?;
        let members = json::object(&payload, "edit", usize::MAX)?;
        let member = |name| json::member(members, name);
        let value = member("v")?.clone();
        let len = value.to_string().len();
        if len > VALUE_BYTES_MAX {
            return Err(EditError::Value(len));
        }
        Ok(Self {
            target: json::text(member("t")?, "t")?.to_owned(),
            field: json::text(member("f")?, "f")?.to_owned(),
            value,
            seen: Seen::from_json(member("seen")?)?,
        })
    }
}
