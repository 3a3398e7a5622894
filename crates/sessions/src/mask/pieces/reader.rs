//! Reading messages; tests count how many.

use crate::archive::{Archive, ArchiveError, StoredMessage};

use super::Bucket;

/// Reads from one session.
pub(super) struct Reader<'a> {
    archive: &'a Archive,
    session: i64,
    #[cfg(test)]
    messages_read: u64,
}

impl<'a> Reader<'a> {
    pub(super) fn new(archive: &'a Archive, session: i64) -> Self {
        Self {
            archive,
            session,
            #[cfg(test)]
            messages_read: 0,
        }
    }

    /// The messages of a bucket with their results.
    pub(super) fn bucket(&mut self, bucket: Bucket) -> Result<Vec<StoredMessage>, ArchiveError> {
        self.read(bucket.ordinals())
    }

    /// One message.
    pub(super) fn message(&mut self, ordinal: u32) -> Result<Option<StoredMessage>, ArchiveError> {
        Ok(self.read(ordinal..=ordinal)?.pop())
    }

    fn read(&mut self, ordinals: std::ops::RangeInclusive<u32>) -> Result<Vec<StoredMessage>, ArchiveError> {
        let messages = self.archive.messages_in(self.session, ordinals)?;
        #[cfg(test)]
        {
            self.messages_read += messages.len() as u64;
        }
        Ok(messages)
    }

    #[cfg(test)]
    pub(super) fn messages_read(&self) -> u64 {
        self.messages_read
    }
}
