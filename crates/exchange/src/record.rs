//! Records: what one device says once and never changes.
//!
//! The exchange knows a record's place, its time, what it voids and what it waits for. What it means stands in its
//! payload, which only its strand reads.

use std::fmt;
use std::str::FromStr;

use carry_kernel::hlc::Hlc;

use crate::limits::ATTACHMENT_ID_BYTES_MAX;
use crate::name::{LogId, NameError, StreamName};

/// One record as its author wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What it does to other records.
    pub flags: Flags,
    /// Its place in its stream, from 1.
    pub seq: u64,
    /// When its author says it was written. Breaks ties and is displayed; never decides what is newer.
    pub at: Hlc,
    /// What kind of record of its stream it is.
    pub kind: u16,
    /// The version of that kind's payload.
    pub kind_version: u16,
    /// Random bytes, so that the digest of an erased record confirms no guess of what it was.
    pub salt: [u8; 16],
    /// The unit that [`Flags::REPLACES`] works on: a session's content, one register, one snapshot. At most 128 bytes.
    pub key: Vec<u8>,
    /// The attachments without which it waits; ascending, none twice, at most 64.
    pub wants: Vec<AttachmentId>,
    /// A JSON object, see [`check_payload`](crate::json::check_payload); to the exchange, bytes.
    pub payload: Vec<u8>,
}

/// What a record does to others. Bits that no version has named yet are kept as they came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// Voids all earlier records of its key in its stream of its log.
    pub const REPLACES: Self = Self(1);
    /// Is never dropped: a tombstone.
    pub const KEEPS: Self = Self(2);

    /// Whether all flags of `other` are set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The id of an attachment, such as a commit: 1 to 64 bytes of `[A-Za-z0-9._:-]`, so that it has one form in JSON.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttachmentId(String);

impl AttachmentId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AttachmentId {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let fits = (1..=ATTACHMENT_ID_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-'));
        if fits { Ok(Self(text.to_owned())) } else { Err(NameError::new("the id of an attachment", text)) }
    }
}
impl fmt::Display for AttachmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The identity of a record. `r4` tells apart the records that stand at one place after a log was forked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dot {
    /// The log.
    pub log: LogId,
    /// The stream.
    pub stream: StreamName,
    /// The place in it.
    pub seq: u64,
    /// The first bytes of the record's digest.
    pub r4: [u8; 4],
}

impl fmt::Display for Dot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}-{}", self.log, self.stream, self.seq, crate::hash::encode_hex(&self.r4))
    }
}
