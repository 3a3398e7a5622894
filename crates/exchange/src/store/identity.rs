//! The device that writes: heads say which one it is, and its own key says so of the log.

use super::Store;
use crate::head::Author;

/// Signs a message.
pub type Sign = dyn Fn(&[u8]) -> [u8; 64] + Send;

/// A device as its heads introduce it.
pub struct Identity {
    /// Its public key. The id that the store was opened with belongs to it.
    pub key: [u8; 32],
    /// What people call it.
    pub label: String,
    /// Signs with its key.
    pub sign: Box<Sign>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("label", &self.label).finish_non_exhaustive()
    }
}

impl Identity {
    /// What a head says of it.
    pub(super) fn author(&self, log_key: &[u8; 32]) -> Author {
        Author::new(self.key, &self.label, log_key, &*self.sign)
    }
}

impl Store {
    /// Says who writes. Heads that are signed from now on say so, too; without it they say what the head before said. A key to
    /// which the device's id does not belong is left out.
    pub fn introduce(&mut self, identity: Identity) {
        self.identity = Some(identity);
    }
}
