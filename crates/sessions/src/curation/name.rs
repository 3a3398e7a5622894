//! What a register is called.

use carry_exchange::strand::registers::Name;

use crate::model::SessionId;

/// Fields that this version shows. Edits of others are kept for a later one.
pub const FIELDS: [&str; 5] = ["star", "name", "label", "pin", "trash"];

/// Which register: a field of a session, and for sets the element.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegisterName {
    /// The session. It may not have arrived yet.
    pub session: SessionId,
    /// star, name, label, pin, trash; or one of a later version.
    pub field: String,
    /// The label, the message; else empty.
    pub item: String,
}

impl From<Name> for RegisterName {
    fn from(name: Name) -> Self {
        Self { session: SessionId::stored(name.target), field: name.field, item: name.item }
    }
}
