//! The stream `curation`: what the user says about sessions, as [registers](carry_exchange::strand::registers),
//! and what is deleted for good.

use carry_exchange::record::Record;
use carry_exchange::strand::registers::{Keep, RegisterStrand};
use carry_kernel::db::Db;
use carry_kernel::home::Home;
use carry_redact::Redactor;

use super::Unread;
use crate::archive::{Archive, ArchiveError};
use crate::curation::REGISTERS;

pub use crate::curation::STREAM;

/// The strand.
pub type CurationStrand = RegisterStrand<Archive>;

impl Keep for Archive {
    fn db(&self) -> &Db {
        &self.db
    }

    fn db_mut(&mut self) -> &mut Db {
        &mut self.db
    }
}

/// The strand over the archive of `home`, which is made when missing. `device` is this device's id.
///
/// # Errors
/// [`ArchiveError`].
pub fn open(home: &Home, device: &str, redactor: Redactor) -> Result<CurationStrand, ArchiveError> {
    let archive = Archive::open(home, device)?;
    let mask = Box::new(move |text: &str| redactor.text(text).text.into_owned());
    Ok(RegisterStrand::new(archive, REGISTERS.clone(), device, mask))
}

/// What of a record cannot be read.
pub(super) fn unread(record: &Record) -> Unread {
    Unread { n_records: u64::from(!REGISTERS.is_read(record)), ..Unread::default() }
}

#[cfg(test)]
mod tests;
