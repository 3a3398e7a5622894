//! The payloads of streams of registers, see `docs/formats/exchange-registers.md`.

use carry_kernel::hlc::{Hlc, WALL_MS_MAX};
use serde_json::{Map, Value, json};

use super::Name;
use super::deletion::Op;
use crate::hash::Digest;
use crate::json::{JsonError, check_payload};
use crate::limits;
use crate::name::StreamName;
use crate::record::Flags;
use crate::register::{EditError, EditPayload, Seen};

/// Records that edit a register.
pub(super) const EDIT: u16 = 1;
/// Records about deletions for good.
pub(super) const DELETION: u16 = 2;
/// The version of both.
pub(super) const VERSION: u16 = 1;

/// Bytes of a target's id at most.
pub(super) const TARGET_BYTES_MAX: usize = 128;
/// Bytes of a field's name at most.
pub(super) const FIELD_BYTES_MAX: usize = 64;
/// Bytes of an item at most: a label, the key of a message.
pub(super) const ITEM_BYTES_MAX: usize = 4096;
/// Bytes of the id of a deletion at most.
const ID_BYTES_MAX: usize = 64;

/// An edit of a register.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Edit {
    pub(super) name: Name,
    pub(super) value: Value,
    pub(super) seen: Seen,
    /// When it was made; the record's own stamp is later.
    pub(super) at: Option<Hlc>,
}

/// A step of a deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Deletion {
    pub(super) target: String,
    pub(super) op: Op,
    /// Names the intent.
    pub(super) id: String,
    pub(super) at: Option<Hlc>,
    /// When the author of an intent makes it final, in milliseconds since 1970.
    pub(super) due_ms: Option<u64>,
}

/// Why a payload is none of these.
#[derive(Debug, thiserror::Error)]
pub(super) enum PayloadError {
    /// It is no edit.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// It is no JSON of ours.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// It does not stand under its key, or lacks a flag.
    #[error("its key or its flags are not those of what it says")]
    Frame,
    /// A member is missing or wrong.
    #[error("`{0}` is missing, too long, or not what it should be")]
    Member(&'static str),
}

impl Edit {
    /// Reads an edit that stands under `key`.
    pub(super) fn under(stream: &StreamName, key: &[u8], bytes: &[u8]) -> Result<Self, PayloadError> {
        let edit = Self::read(bytes)?;
        if edit.name.key(stream).as_bytes() == key { Ok(edit) } else { Err(PayloadError::Frame) }
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, PayloadError> {
        let (target, field, item) = self.name.columns();
        let mut payload = json!({ "t": target, "f": field, "i": item, "v": self.value, "seen": self.seen.to_json() });
        put_stamp(&mut payload, self.at);
        let bytes = payload.to_string().into_bytes();
        // What a reader would refuse is not written.
        Self::read(&bytes)?;
        Ok(bytes)
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, PayloadError> {
        let edit = EditPayload::from_bytes(bytes)?;
        let members = members(bytes)?;
        let item = match members.get("i") {
            None => String::new(),
            Some(_) => text(&members, "i", ITEM_BYTES_MAX)?,
        };
        if edit.field.is_empty() || edit.field.len() > FIELD_BYTES_MAX {
            return Err(PayloadError::Member("f"));
        }
        let name = Name { target: target(&members)?, field: edit.field, item };
        Ok(Self { name, value: edit.value, seen: edit.seen, at: stamp(&members) })
    }
}

impl Deletion {
    /// Reads a step that stands under `key` with `flags`. One that a merge may drop is none.
    pub(super) fn under(stream: &StreamName, key: &[u8], flags: Flags, bytes: &[u8]) -> Result<Self, PayloadError> {
        let step = Self::read(bytes)?;
        let fits = step.key(stream).as_bytes() == key && flags.has(Flags::KEEPS);
        if fits { Ok(step) } else { Err(PayloadError::Frame) }
    }

    /// The key of its record.
    pub(super) fn key(&self, stream: &StreamName) -> Digest {
        let stream = stream.as_str().as_bytes();
        Digest::of(&[b"carry ", stream, b" deletion 1\n", self.op.as_str().as_bytes(), b"\n", self.id.as_bytes()])
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, PayloadError> {
        let mut payload = json!({ "t": self.target, "op": self.op.as_str(), "d": self.id });
        put_stamp(&mut payload, self.at);
        if let Some(due_ms) = self.due_ms {
            payload["due"] = due_ms.into();
        }
        let bytes = payload.to_string().into_bytes();
        Self::read(&bytes)?;
        Ok(bytes)
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, PayloadError> {
        check_payload(bytes)?;
        let members = members(bytes)?;
        let op = Op::named(&text(&members, "op", ID_BYTES_MAX)?).ok_or(PayloadError::Member("op"))?;
        let id = text(&members, "d", ID_BYTES_MAX)?;
        let due_ms = members.get("due").and_then(Value::as_u64).filter(|due| *due <= WALL_MS_MAX);
        Ok(Self { target: target(&members)?, op, id, at: stamp(&members), due_ms })
    }
}

/// The members of an object that was checked.
fn members(bytes: &[u8]) -> Result<Map<String, Value>, PayloadError> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(PayloadError::Member("t")),
    }
}

fn text(members: &Map<String, Value>, name: &'static str, bytes_max: usize) -> Result<String, PayloadError> {
    let text = members.get(name).and_then(Value::as_str).filter(|text| text.len() <= bytes_max);
    text.map(str::to_owned).ok_or(PayloadError::Member(name))
}

fn target(members: &Map<String, Value>) -> Result<String, PayloadError> {
    let target = text(members, "t", TARGET_BYTES_MAX)?;
    if target.is_empty() { Err(PayloadError::Member("t")) } else { Ok(target) }
}

fn put_stamp(payload: &mut Value, at: Option<Hlc>) {
    if let Some(at) = at {
        payload["at"] = json!([at.wall_ms, at.counter]);
    }
}

/// When it was made. What is no stamp is none: the record's own counts then.
fn stamp(members: &Map<String, Value>) -> Option<Hlc> {
    let [wall_ms, counter] = members.get("at")?.as_array()?.as_slice() else { return None };
    let wall_ms = wall_ms.as_u64().filter(|ms| *ms <= limits::WALL_MS_MAX)?;
    Some(Hlc { wall_ms, counter: u16::try_from(counter.as_u64()?).ok()? })
}

#[cfg(test)]
mod tests;
