//! Conflicts: registers that several devices set to different values without knowing of each other.
//!
//! One value is shown, the others are kept, until an edit that has seen all of them settles it.

use carry_exchange::strand::registers::{self, ConflictValue, Set};
use carry_kernel::clock::Timestamp;

use super::{REGISTERS, RegisterName};
use crate::archive::{Archive, ArchiveError};
use crate::model::SessionId;

/// A conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The register, as it is called here.
    pub name: RegisterName,
    /// What devices said, the one that is shown first.
    pub values: Vec<ConflictValue>,
}

impl Archive {
    /// How many conflicts there are.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn conflict_count(&self) -> Result<u64, ArchiveError> {
        Ok(registers::conflict_count(self.db.conn()).map_err(self.db.failed())?)
    }

    /// What was said here of sessions and cannot be exchanged, and why not.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn unsaid(&self) -> Result<Vec<(RegisterName, String)>, ArchiveError> {
        let found = registers::unsaid(self.db.conn()).map_err(self.db.failed())?;
        Ok(found.into_iter().map(|(name, why)| (name.into(), why)).collect())
    }

    /// All conflicts, by session and field; of one session or of all.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn conflicts(&self, session: Option<&SessionId>) -> Result<Vec<Conflict>, ArchiveError> {
        let found = REGISTERS.conflicts(self.db.conn(), session.map(SessionId::as_str)).map_err(self.db.failed())?;
        Ok(found.into_iter().map(|found| Conflict { name: found.name.into(), values: found.values }).collect())
    }

    /// Settles a conflict: from now on the register has this value, whatever devices said before. `false` when there is no
    /// conflict and it has that value already.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn resolve(
        &mut self,
        name: &RegisterName,
        value: Option<&str>,
        device: &str,
        now: Timestamp,
    ) -> Result<bool, ArchiveError> {
        let edit = Set { target: name.session.as_str(), field: &name.field, item: &name.item, value };
        self.set(&edit, device, now)
    }
}
