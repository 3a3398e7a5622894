//! Messages in groups.

/// Messages of a bucket: those whose ordinals give the same quotient.
pub const BUCKET_MESSAGES: u32 = 32;

/// Which group of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket(pub u32);

impl Bucket {
    /// The one a message belongs to.
    pub fn of(ordinal: u32) -> Self {
        Self(ordinal / BUCKET_MESSAGES)
    }

    /// The ordinals in it.
    pub fn ordinals(self) -> std::ops::RangeInclusive<u32> {
        let first = self.0.saturating_mul(BUCKET_MESSAGES);
        first..=first.saturating_add(BUCKET_MESSAGES - 1)
    }
}
