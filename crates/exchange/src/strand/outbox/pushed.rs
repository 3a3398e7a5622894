//! What a process that pushes spares itself: packing in the transaction, and unpacking what it has just packed.

use std::collections::BTreeMap;

use crate::packed::{self, Packed};

/// The end of a payload, packed where nobody waits for it.
#[derive(Clone, Debug)]
pub struct End(Packed);

impl End {
    /// `None` where it is kept as it is, being short or noise.
    pub fn pack(end: &[u8]) -> Option<Self> {
        let (bytes, plain_bytes) = packed::pack(end).ok()?;
        plain_bytes.map(|plain_bytes| Self(Packed { bytes: bytes.into_owned(), plain_bytes }))
    }

    pub(super) fn packed(&self) -> &Packed {
        &self.0
    }
}

/// Rows that this process pushed and that were not handed over yet, each with what its strand wants to remember of it. What is
/// remembered of a row is used only while the very same bytes lie there.
#[derive(Debug)]
pub struct Pushed<T>(BTreeMap<u64, Row<T>>);

#[derive(Debug)]
struct Row<T> {
    plain: Vec<u8>,
    /// `None`: it lies there as it is.
    packed: Option<Vec<u8>>,
    own: T,
}

impl<T> Default for Pushed<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Pushed<T> {
    /// Remembers a row whose transaction is committed: its number and packed payload as [`push_before`](super::push_before) gave
    /// them, its payload, and what is to be remembered of it.
    pub fn add(&mut self, (id, packed): (u64, Option<Vec<u8>>), plain: Vec<u8>, own: T) {
        self.0.insert(id, Row { plain, packed, own });
    }

    /// The payload of the row in which `kept` lies, and what was remembered of it. Asked for once.
    pub(super) fn take(&mut self, id: u64, kept: &[u8], plain_bytes: Option<u32>) -> Option<(Vec<u8>, T)> {
        let row = self.0.remove(&id)?;
        let is_same = match (&row.packed, plain_bytes) {
            (Some(packed), Some(bytes)) => packed == kept && usize::try_from(bytes) == Ok(row.plain.len()),
            (None, None) => row.plain == kept,
            _ => false,
        };
        is_same.then_some((row.plain, row.own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_holds_only_for_the_same_bytes() {
        let plain = b"said again and again. ".repeat(100);
        let packed = packed::pack(&plain).unwrap().0.into_owned();
        let length = u32::try_from(plain.len()).ok();
        let remembered = || {
            let mut pushed = Pushed::default();
            pushed.add((1, Some(packed.clone())), plain.clone(), "long");
            pushed.add((2, None), b"x".to_vec(), "short");
            pushed
        };
        assert_eq!(remembered().take(1, &packed, length), Some((plain.clone(), "long")));
        assert_eq!(remembered().take(2, b"x", None), Some((b"x".to_vec(), "short")));
        for (id, kept, plain_bytes) in [
            (1, &packed[1..], length),
            (1, &packed[..], Some(7)),
            (1, &packed[..], None),
            (1, &plain[..], None),
            (2, &b"y"[..], None),
            (2, &b"x"[..], Some(1)),
            (3, &b"x"[..], None),
        ] {
            assert_eq!(remembered().take(id, kept, plain_bytes), None, "{id}");
        }
    }

    #[test]
    fn only_what_gets_shorter_is_an_end() {
        assert!(End::pack(b"short").is_none());
        assert!(End::pack(&b"said again and again. ".repeat(100)).is_some());
    }
}
