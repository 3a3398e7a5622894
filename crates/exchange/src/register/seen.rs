//! What a register had seen when an edit of it was made.

use serde_json::{Value, json};

use crate::hash;
use crate::json::{self, ShapeError};
use crate::limits::{NUMBER_MAX, SEEN_MAX};
use crate::name::LogId;

/// Names of edits: the log, the sequence number, and the first bytes of the record's digest. Ascending, none twice; honest
/// devices name more than one of a log only where that was forked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen(Vec<(LogId, u64, [u8; 4])>);

impl Seen {
    /// The names.
    pub fn iter(&self) -> impl Iterator<Item = (LogId, u64, [u8; 4])> + '_ {
        self.0.iter().copied()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// `[["<log>",seq,"<8 hex digits>"],…]`.
    pub fn to_json(&self) -> Value {
        self.iter().map(|(log, seq, r4)| json!([log.to_string(), seq, hash::encode_hex(&r4)])).collect()
    }

    /// Reads what [`Seen::to_json`] gives.
    ///
    /// # Errors
    /// [`ShapeError`] when it is something else, or there are more than [`SEEN_MAX`] places, or they do not ascend.
    pub fn from_json(value: &Value) -> Result<Self, ShapeError> {
        let wrong = |expected: &'static str| ShapeError { member: "seen".to_owned(), expected: expected.into() };
        let places = json::array(value, "seen", SEEN_MAX)?.iter().map(|place| {
            let [log, seq, r4] = json::row(place, "seen")?;
            let r4 = hash::decode_hex(json::text(r4, "seen")?).ok_or_else(|| wrong("eight hex digits"))?;
            Ok((json::parsed(log, "seen")?, json::number(seq, "seen", 1, NUMBER_MAX)?, r4))
        });
        let places = places.collect::<Result<Vec<_>, ShapeError>>()?;
        if places.windows(2).any(|two| two[0] >= two[1]) { Err(wrong("ascending")) } else { Ok(Self(places)) }
    }
}

impl FromIterator<(LogId, u64, [u8; 4])> for Seen {
    fn from_iter<I: IntoIterator<Item = (LogId, u64, [u8; 4])>>(places: I) -> Self {
        let mut places: Vec<_> = places.into_iter().collect();
        places.sort_unstable();
        places.dedup();
        Self(places)
    }
}
