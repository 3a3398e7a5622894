//! What a register is called.

use crate::hash::Digest;
use crate::name::StreamName;

/// Which register: a field of a target, and for sets the element.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// What is spoken of: a session, a note. It may not have arrived yet.
    pub target: String,
    /// Which of its fields.
    pub field: String,
    /// The element of a set; else empty.
    pub item: String,
}

impl Name {
    /// The register of a field.
    pub fn new(target: &str, field: &str, item: &str) -> Self {
        Self { target: target.to_owned(), field: field.to_owned(), item: item.to_owned() }
    }

    /// The register with another item.
    #[must_use]
    pub fn with_item(&self, item: &str) -> Self {
        Self { item: item.to_owned(), ..self.clone() }
    }

    /// As parameters of a statement.
    pub(super) fn columns(&self) -> (&str, &str, &str) {
        (&self.target, &self.field, &self.item)
    }

    /// The key of its records in a stream: later ones of one log void earlier ones.
    pub fn key(&self, stream: &StreamName) -> Digest {
        let length = |text: &str| (text.len() as u64).to_le_bytes();
        let (target, field, item) = self.columns();
        let parts = [target, field, item].map(|text| (length(text), text.as_bytes()));
        let mut all: Vec<&[u8]> = vec![b"carry ", stream.as_str().as_bytes(), b" register 1\n"];
        for (length, text) in &parts {
            all.extend([&length[..], text]);
        }
        Digest::of(&all)
    }
}
