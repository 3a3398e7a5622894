//! What others say and this version cannot read: counted where it is kept, since folding passes it over.

use carry_exchange::name::LogId;
use carry_exchange::store::{Store, StoreError};
use std::collections::BTreeMap;

use super::{content, curation};

/// What of a log's stream cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    /// Messages that cannot be read, or not in full.
    pub n_messages: u64,
    /// Other records that say nothing to this version, and messages without a number, which have no place.
    pub n_records: u64,
}

/// What of the records of approved logs that are held cannot be read, by log and stream. Records of kinds that a later version
/// knows are not among them: they wait to be folded. What is held is counted, also what was said anew since or is of a session that
/// was deleted for good; messages that came in pieces are not put together for that, and not counted.
///
/// # Errors
/// [`StoreError`].
pub fn unread(store: &Store) -> Result<BTreeMap<(LogId, &'static str), Unread>, StoreError> {
    let mut found: BTreeMap<(LogId, &'static str), Unread> = BTreeMap::new();
    for (name, of) in [(content::STREAM, content::unread as fn(&_) -> Unread), (curation::STREAM, curation::unread)] {
        let stream = name.parse().expect("a stream's name");
        store.each_record(&stream, &mut |log, record| {
            let unread = of(record);
            if unread != Unread::default() {
                let sum = found.entry((log, name)).or_default();
                sum.n_messages += unread.n_messages;
                sum.n_records += unread.n_records;
            }
        })?;
    }
    Ok(found)
}
