//! What is kept between two readings of a session that grows.

use std::collections::{BTreeMap, HashMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use carry_kernel::clock::Timestamp;
use serde::{Deserialize, Serialize};

/// Messages that may be replaced or gone back to without reading the whole file again.
const RECENT_MAX: usize = 64;
/// Messages of one session whose ids are remembered. One that has more is read as a whole whenever it grows.
const IDS_MAX: usize = 16 * 1024;

/// A message that was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    pub(super) ordinal: u32,
    /// Input and cached input before it.
    pub(super) before: (u64, u64),
    /// Hashes of the results that were said.
    pub(super) results: Vec<u64>,
    pub(super) is_abandoned: bool,
}

/// Where reading stopped.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) head: Head,
    /// Messages by a hash of their id.
    pub(super) known: HashMap<u64, Known>,
    /// Hashes of ids of messages that are known no better.
    pub(super) older: HashSet<u64>,
    /// Known messages that are not given up, by their place.
    pub(super) live: BTreeMap<u32, u64>,
}

/// The part of the state that is small.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) native: Option<String>,
    pub(super) has_header: bool,
    /// The next message's place.
    pub(super) next: u32,
    /// Input and cached input so far, and the message that said so.
    pub(super) tokens: (u64, u64),
    pub(super) counted: Option<u32>,
    /// Least and greatest time, in milliseconds.
    pub(super) times: Option<(i64, i64)>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    head: Head,
    recent: BTreeMap<u64, Known>,
    older: String,
}

impl State {
    /// As bytes; `None` when it is too large to be kept.
    pub(super) fn store(self) -> Option<Vec<u8>> {
        if self.known.len() + self.older.len() > IDS_MAX {
            return None;
        }
        let mut all: Vec<(u64, Known)> = self.known.into_iter().collect();
        all.sort_by_key(|(_, known)| std::cmp::Reverse(known.ordinal));
        let rest = all.split_off(all.len().min(RECENT_MAX));
        let older = rest.iter().map(|(id, _)| *id).chain(self.older);
        let older = STANDARD.encode(older.flat_map(u64::to_le_bytes).collect::<Vec<u8>>());
        serde_json::to_vec(&Stored { head: self.head, recent: all.into_iter().collect(), older }).ok()
    }

    /// From the bytes that [`State::store`] made.
    pub(super) fn load(bytes: &[u8]) -> Option<Self> {
        let stored: Stored = serde_json::from_slice(bytes).ok()?;
        let older = STANDARD.decode(stored.older).ok()?;
        let ids = older.as_chunks::<8>().0.iter().map(|id| u64::from_le_bytes(*id)).collect();
        let known: HashMap<u64, Known> = stored.recent.into_iter().collect();
        let live =
            known.iter().filter(|(_, known)| !known.is_abandoned).map(|(id, known)| (known.ordinal, *id)).collect();
        Some(Self { head: stored.head, known, older: ids, live })
    }

    /// Counts a time.
    pub(super) fn saw(&mut self, at: Option<Timestamp>) {
        if let Some(ms) = at.map(Timestamp::as_millis) {
            let (least, greatest) = self.head.times.unwrap_or((ms, ms));
            self.head.times = Some((least.min(ms), greatest.max(ms)));
        }
    }
}
