//! Frames: the bytes of records, of the stubs that dropped ones leave, and of runs of voided ones.
//!
//! Little-endian, one encoding for one value:
//!
//! ```text
//! frame  = len u32, type u8, body                        len counts type and body
//! record = 0, flags u8, seq u64, wall_ms u64, counter u16, kind u16, kind_version u16, salt [16],
//!          key_len u8, key, wants u8 × (len u8, id), payload
//! stub   = 1, seq u64, r [32], reason u8                 reason 1: void, 2: erased
//! void   = 2, first u64, last u64, h_last [32]
//! ```

use carry_kernel::hlc::Hlc;

use crate::hash::Digest;
use crate::limits::{FRAME_BYTES_MAX, KEY_BYTES_MAX, NUMBER_MAX, RECORD_WANTS_MAX, WALL_MS_MAX};
use crate::name::is_run;
use crate::record::{AttachmentId, Flags, Record};

const RECORD: u8 = 0;
const STUB: u8 = 1;
const VOID: u8 = 2;

/// Bytes of a frame's length.
const LEN_BYTES: usize = 4;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A record.
    Record(Record),
    /// What a dropped record leaves, so that the chain can be computed.
    Stub(Stub),
    /// What many voided records in a row leave.
    Void(VoidRun),
}

/// What one dropped record leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stub {
    /// Where the record stood.
    pub seq: u64,
    /// The record's digest.
    pub r: Digest,
    /// Why it was dropped.
    pub reason: StubReason,
}

/// Why a record was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StubReason {
    /// A later record of the same stream made it void.
    Void,
    /// It was erased.
    Erased,
}

/// What voided records in a row leave, long after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoidRun {
    /// The first of them.
    pub first: u64,
    /// The last of them.
    pub last: u64,
    /// The chain after the last.
    pub chain: Digest,
}

/// Why bytes are no frame, or a frame has no bytes.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FrameError {
    /// The bytes end within it.
    #[error("the frame is cut short")]
    Short,
    /// It is larger than [`FRAME_BYTES_MAX`].
    #[error("the frame has {0} bytes, more than {FRAME_BYTES_MAX}")]
    TooLarge(usize),
    /// A field is out of its bounds.
    #[error("the frame's {0} is out of bounds")]
    Field(&'static str),
    /// Its type is of a later version.
    #[error("the frame is of type {0}, which a later version knows")]
    Newer(u8),
}

impl Frame {
    /// The first sequence number it stands for.
    pub fn first(&self) -> u64 {
        match self {
            Self::Record(record) => record.seq,
            Self::Stub(stub) => stub.seq,
            Self::Void(run) => run.first,
        }
    }

    /// The last sequence number it stands for.
    pub fn last(&self) -> u64 {
        match self {
            Self::Record(record) => record.seq,
            Self::Stub(stub) => stub.seq,
            Self::Void(run) => run.last,
        }
    }

    /// Appends the bytes to `out`. On an error `out` is as it was.
    ///
    /// # Errors
    /// [`FrameError`] when a limit does not hold.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), FrameError> {
        self.check()?;
        let start = out.len();
        out.extend([0; LEN_BYTES]);
        match self {
            Self::Record(record) => encode_record(record, out),
            Self::Stub(stub) => {
                out.push(STUB);
                out.extend(stub.seq.to_le_bytes());
                out.extend(stub.r.as_bytes());
                out.push(stub.reason.code());
            }
            Self::Void(run) => {
                out.push(VOID);
                out.extend(run.first.to_le_bytes());
                out.extend(run.last.to_le_bytes());
                out.extend(run.chain.as_bytes());
            }
        }
        let len = out.len() - start - LEN_BYTES;
        if len > FRAME_BYTES_MAX {
            out.truncate(start);
            return Err(FrameError::TooLarge(len));
        }
        let len = u32::try_from(len).expect("a frame's bound fits 32 bits");
        out[start..start + LEN_BYTES].copy_from_slice(&len.to_le_bytes());
        Ok(())
    }

    /// Whether it can be written with so many bytes more at its end.
    ///
    /// # Errors
    /// As [`Frame::encode`].
    pub(crate) fn check_with(&self, bytes: usize) -> Result<(), FrameError> {
        let mut out = Vec::new();
        self.encode(&mut out)?;
        let len = out.len() - LEN_BYTES + bytes;
        if len > FRAME_BYTES_MAX { Err(FrameError::TooLarge(len)) } else { Ok(()) }
    }

    /// Reads the frame that `bytes` begin with.
    ///
    /// # Errors
    /// [`FrameError`]; every frame that is read has exactly the bytes that [`Frame::encode`] gives.
    pub fn decode(bytes: &[u8]) -> Result<Decoded<'_>, FrameError> {
        let (len, rest) = bytes.split_first_chunk().ok_or(FrameError::Short)?;
        let len = usize::try_from(u32::from_le_bytes(*len)).unwrap_or(usize::MAX);
        if len > FRAME_BYTES_MAX {
            return Err(FrameError::TooLarge(len));
        }
        let (body, rest) = rest.split_at_checked(len).ok_or(FrameError::Short)?;
        let mut from = Cursor(body);
        let frame = match from.u8()? {
            RECORD => Self::Record(decode_record(&mut from)?),
            STUB => {
                let (seq, r) = (from.u64()?, Digest::from_bytes(from.array()?));
                Self::Stub(Stub { seq, r, reason: StubReason::from_code(from.u8()?)? })
            }
            VOID => {
                let (first, last) = (from.u64()?, from.u64()?);
                Self::Void(VoidRun { first, last, chain: Digest::from_bytes(from.array()?) })
            }
            newer => return Err(FrameError::Newer(newer)),
        };
        if !from.0.is_empty() {
            return Err(FrameError::Field("length"));
        }
        frame.check()?;
        Ok(Decoded { frame, body, rest })
    }

    /// Whether all fields are within their bounds.
    fn check(&self) -> Result<(), FrameError> {
        let holds = |fits: bool, field| if fits { Ok(()) } else { Err(FrameError::Field(field)) };
        match self {
            Self::Record(record) => {
                holds((1..=NUMBER_MAX).contains(&record.seq), "sequence number")?;
                holds(record.at.wall_ms <= WALL_MS_MAX, "wall time")?;
                holds(record.key.len() <= KEY_BYTES_MAX, "key")?;
                // Without a key it would void everything that has none.
                holds(!record.flags.has(Flags::REPLACES) || !record.key.is_empty(), "key")?;
                holds(record.wants.len() <= RECORD_WANTS_MAX, "number of wants")?;
                holds(record.wants.windows(2).all(|two| two[0] < two[1]), "order of wants")
            }
            Self::Stub(stub) => holds((1..=NUMBER_MAX).contains(&stub.seq), "sequence number"),
            Self::Void(run) => holds(is_run(run.first, run.last), "run of sequence numbers"),
        }
    }
}

/// A frame that was read, and where.
#[derive(Debug)]
pub struct Decoded<'a> {
    /// The frame.
    pub frame: Frame,
    /// Its bytes after the length, which its digest covers.
    pub body: &'a [u8],
    /// What follows it.
    pub rest: &'a [u8],
}

impl Decoded<'_> {
    /// The digest of the record that stands or stood here; none for a run.
    pub fn r(&self) -> Option<Digest> {
        match &self.frame {
            Frame::Record(_) => Some(record_digest(self.body)),
            Frame::Stub(stub) => Some(stub.r),
            Frame::Void(_) => None,
        }
    }
}

impl Record {
    /// The record's digest `r`.
    ///
    /// # Errors
    /// [`FrameError`] when it is no record that can be written.
    pub fn digest(&self) -> Result<Digest, FrameError> {
        let mut bytes = Vec::new();
        Frame::Record(self.clone()).encode(&mut bytes)?;
        Ok(digest_of_frame(&bytes))
    }
}

impl StubReason {
    fn code(self) -> u8 {
        match self {
            Self::Void => 1,
            Self::Erased => 2,
        }
    }

    fn from_code(code: u8) -> Result<Self, FrameError> {
        match code {
            1 => Ok(Self::Void),
            2 => Ok(Self::Erased),
            _ => Err(FrameError::Field("reason")),
        }
    }
}

/// The digest of a record whose whole frame this is.
pub(crate) fn digest_of_frame(frame: &[u8]) -> Digest {
    record_digest(frame.get(LEN_BYTES..).unwrap_or_default())
}

fn record_digest(body: &[u8]) -> Digest {
    Digest::of(&[b"carry record 1\n", body])
}

/// Lengths fit, since the record was checked.
fn encode_record(record: &Record, out: &mut Vec<u8>) {
    let short = |len: usize| u8::try_from(len).expect("checked against limits below 256");
    out.extend([RECORD, record.flags.0]);
    out.extend(record.seq.to_le_bytes());
    out.extend(record.at.wall_ms.to_le_bytes());
    out.extend(record.at.counter.to_le_bytes());
    out.extend(record.kind.to_le_bytes());
    out.extend(record.kind_version.to_le_bytes());
    out.extend(record.salt);
    out.push(short(record.key.len()));
    out.extend(&record.key);
    out.push(short(record.wants.len()));
    for id in &record.wants {
        out.push(short(id.as_str().len()));
        out.extend(id.as_str().as_bytes());
    }
    out.extend(&record.payload);
}

fn decode_record(from: &mut Cursor<'_>) -> Result<Record, FrameError> {
    let flags = Flags(from.u8()?);
    let seq = from.u64()?;
    let at = Hlc { wall_ms: from.u64()?, counter: from.u16()? };
    let (kind, kind_version) = (from.u16()?, from.u16()?);
    let salt = from.array()?;
    let key = from.short_bytes()?.to_vec();
    let wants = (0..from.u8()?).map(|_| {
        let text = std::str::from_utf8(from.short_bytes()?).ok();
        text.and_then(|text| text.parse::<AttachmentId>().ok()).ok_or(FrameError::Field("wanted id"))
    });
    let wants = wants.collect::<Result<_, _>>()?;
    let payload = std::mem::take(&mut from.0).to_vec();
    Ok(Record { flags, seq, at, kind, kind_version, salt, key, wants, payload })
}

/// Takes fields from the front.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(FrameError::Short)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u8(&mut self) -> Result<u8, FrameError> {
        self.array().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Result<u16, FrameError> {
        self.array().map(u16::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, FrameError> {
        self.array().map(u64::from_le_bytes)
    }

    /// Bytes behind their length of one byte.
    fn short_bytes(&mut self) -> Result<&'a [u8], FrameError> {
        let len = usize::from(self.u8()?);
        let (taken, rest) = self.0.split_at_checked(len).ok_or(FrameError::Short)?;
        self.0 = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests;
