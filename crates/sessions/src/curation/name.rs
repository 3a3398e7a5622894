//! What a register is called.

use carry_exchange::hash::Digest;

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

impl RegisterName {
    /// The register of a field.
    pub fn new(session: &SessionId, field: &str, item: &str) -> Self {
        Self { session: session.clone(), field: field.to_owned(), item: item.to_owned() }
    }

    /// Whether this version knows what the field means.
    pub fn is_known(&self) -> bool {
        FIELDS.contains(&self.field.as_str())
    }

    /// The register with another item.
    pub(crate) fn with_item(&self, item: &str) -> Self {
        Self { item: item.to_owned(), ..self.clone() }
    }

    /// As parameters of a statement.
    pub(crate) fn columns(&self) -> (&str, &str, &str) {
        (self.session.as_str(), &self.field, &self.item)
    }

    /// The key of its records: later ones of one log void earlier ones.
    pub(crate) fn key(&self) -> Digest {
        let length = |text: &str| (text.len() as u64).to_le_bytes();
        let (session, field, item) = self.columns();
        let parts = [session, field, item].map(|text| (length(text), text.as_bytes()));
        let mut all: Vec<&[u8]> = vec![b"carry curation register 1\n"];
        for (length, text) in &parts {
            all.extend([&length[..], text]);
        }
        Digest::of(&all)
    }
}
