//! A line: one device's snapshots of one branch in one working tree, and the ref it lives at.
//!
//! `refs/carry/<device>/<tree>/<branch>`, the branch as one component. Helper refs live below
//! `refs/carry-keep/`, so that every ref below `refs/carry/` is a line.

use std::fmt::Write as _;

use carry_kernel::id::{DeviceId, TreeId};
use sha2::{Digest as _, Sha256};

use crate::git::{BStr, BString, ByteSlice as _};

pub(crate) mod quote;
#[cfg(test)]
mod tests;

/// Where lines live.
pub const LINES: &str = "refs/carry/";
/// Where pins and other helpers live.
pub const KEEP: &str = "refs/carry-keep/";
/// Longest encoded branch name, in bytes; longer ones are cut and hashed.
pub const BRANCH_BYTES_MAX: usize = 120;

/// Hex digits of the name's SHA-256 in a cut component, after its `=`.
const HASH_HEX: usize = 32;
/// What is left of the encoded name in a cut component, at most.
const CUT_BYTES_MAX: usize = BRANCH_BYTES_MAX - 1 - HASH_HEX;
/// Stands for "no branch". A branch may be called `@`, too; that one is written `%40`.
const DETACHED: &str = "@";

/// What HEAD is on, as far as a line is concerned.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Branch {
    /// A branch, without `refs/heads/`; it may not have a commit yet.
    Named(BString),
    /// No branch.
    Detached,
}

/// A line's full name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineName {
    /// Whose.
    pub device: DeviceId,
    /// Of which working tree.
    pub tree: TreeId,
    /// The branch component as it stands in the ref (encoded).
    pub component: String,
}

impl Branch {
    /// The branch as one ref component: `[a-z0-9_-]` stand for themselves, every other byte (upper case too, for
    /// file systems that fold it) as `%xx`; cut and hashed past [`BRANCH_BYTES_MAX`]; `@` when detached.
    ///
    /// A cut component is at most 87 bytes of the encoded name, never half of a `%xx`, then `=`, then the first 32 hex
    /// digits of the SHA-256 of the whole name. `=` stands in no other component, so the two forms never meet.
    pub fn component(&self) -> String {
        let Self::Named(name) = self else { return DETACHED.to_owned() };
        let mut encoded = String::with_capacity(name.len());
        let mut cut = 0;
        for &byte in name.iter() {
            if stands_for_itself(byte) {
                encoded.push(char::from(byte));
            } else {
                write!(encoded, "%{byte:02x}").expect("writing to a string does not fail");
            }
            if encoded.len() <= CUT_BYTES_MAX {
                cut = encoded.len();
            } else if encoded.len() > BRANCH_BYTES_MAX {
                break;
            }
        }
        // Git knows no empty branch name; hashing it keeps the component valid all the same.
        if encoded.is_empty() || encoded.len() > BRANCH_BYTES_MAX {
            encoded.truncate(cut);
            encoded.push('=');
            for byte in &Sha256::digest(name)[..HASH_HEX / 2] {
                write!(encoded, "{byte:02x}").expect("writing to a string does not fail");
            }
        }
        encoded
    }

    /// For people: the name, or `(detached)`. Characters that would move a terminal's cursor or reorder text are replaced.
    pub fn display(&self) -> String {
        match self {
            Self::Named(name) => quote::printable(name.as_bstr()),
            Self::Detached => "(detached)".to_owned(),
        }
    }

    /// For a trailer: printable, reversible with [`Branch::from_trailer`].
    pub fn to_trailer(&self) -> String {
        match self {
            Self::Detached => DETACHED.to_owned(),
            Self::Named(name) if name == DETACHED => "%40".to_owned(),
            Self::Named(name) => quote::quote(name.as_bstr()),
        }
    }

    /// Reads a trailer back; `None` if it is not one.
    pub fn from_trailer(text: &BStr) -> Option<Self> {
        if text == DETACHED {
            return Some(Self::Detached);
        }
        quote::unquote(text).filter(|name| !name.is_empty()).map(Self::Named)
    }
}

impl LineName {
    /// The line of `branch` in `tree` on `device`.
    pub fn new(device: &DeviceId, tree: &TreeId, branch: &Branch) -> Self {
        Self { device: device.clone(), tree: tree.clone(), component: branch.component() }
    }

    /// The ref.
    pub fn ref_name(&self) -> String {
        format!("{LINES}{}/{}/{}", self.device, self.tree, self.component)
    }

    /// From a ref; `None` when it is not a line. Only what [`Branch::component`] makes is taken for a branch.
    pub fn from_ref(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix(LINES)?.split('/');
        let (device, tree, component) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || !is_component(component) {
            return None;
        }
        Some(Self { device: device.parse().ok()?, tree: tree.parse().ok()?, component: component.to_owned() })
    }
}

/// Whether a character could make a terminal or a desktop show something else than was written: one that moves a cursor,
/// ends a line or reorders text.
pub fn is_unfit_to_show(c: char) -> bool {
    quote::is_unsafe(c)
}

/// Bytes that a component holds as they are.
fn stands_for_itself(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-')
}

/// Whether `text` has the form that [`Branch::component`] makes.
fn is_component(text: &str) -> bool {
    if text == DETACHED {
        return true;
    }
    match text.split_once('=') {
        Some((prefix, hash)) => {
            prefix.len() <= CUT_BYTES_MAX
                && is_encoded(prefix)
                && hash.len() == HASH_HEX
                && is_lower_hex(hash.as_bytes())
        }
        None => (1..=BRANCH_BYTES_MAX).contains(&text.len()) && is_encoded(text),
    }
}

/// Whether `text` is bytes that stand for themselves and `%xx` for ones that do not.
fn is_encoded(text: &str) -> bool {
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = match (first, tail) {
            (b'%', [high, low, tail @ ..]) if quote::unhex(*high, *low).is_some_and(|b| !stands_for_itself(b)) => tail,
            (byte, tail) if stands_for_itself(byte) => tail,
            _ => return false,
        };
    }
    true
}

fn is_lower_hex(digits: &[u8]) -> bool {
    digits.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
