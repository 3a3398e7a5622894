//! Bounds of the format, with their units and reasons. What lies beyond one is refused by name, never cut silently.

/// The greatest sequence number and head number: names have twelve digits for them.
pub const NUMBER_MAX: u64 = 999_999_999_999;
/// The greatest wall time of a stamp, in milliseconds: its text has thirteen digits.
pub const WALL_MS_MAX: u64 = 9_999_999_999_999;
/// The greatest magnitude of a number in JSON: beyond it, readers that keep numbers as floating point would round.
pub const JSON_NUMBER_MAX: u64 = 1 << 53;
/// How deep arrays and objects in JSON may be nested.
pub const JSON_DEPTH_MAX: usize = 8;

/// Bytes of a head at most.
pub const HEAD_BYTES_MAX: u64 = 64 * 1024;
/// Bytes of a list at most.
pub const LIST_BYTES_MAX: u64 = 1024 * 1024;
/// Segments that a list names at most, over all streams.
pub const LIST_SEGMENTS_MAX: usize = 4096;
/// Segments that a head names itself, over all streams, when the author merges as it should.
pub const TAIL_AIM: usize = 16;
/// Segments that a head names itself at most: an author on a metered link merges later.
pub const TAIL_MAX: usize = 64;
/// Streams of a log at most.
pub const STREAMS_MAX: usize = 16;
/// Logs that a head or a list speaks of at most.
pub const LOGS_MAX: usize = 1024;
/// What a head asks for at most.
pub const HEAD_WANTS_MAX: usize = 32;
/// Bytes of the text of one want at most: the longest name, or a log and an id, with room.
pub const WANT_BYTES_MAX: usize = 160;
/// Segments of other logs that a head serves at most.
pub const SERVES_MAX: usize = 64;

/// Bytes of a segment's header at most.
pub const HEADER_BYTES_MAX: u64 = 1024 * 1024;
/// Blocks of a segment at most.
pub const BLOCKS_MAX: usize = 4096;
/// Plain bytes at which a block of records is closed: small enough to fetch alone, large enough to compress well. Sessions take
/// a ninth less than at half of it.
pub const RECORD_BLOCK_BYTES_AIM: usize = 2 * 1024 * 1024;
/// Plain bytes of a block of records at most.
pub const RECORD_BLOCK_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Stored bytes of a block of records at most: what Zstandard may add to bytes that do not compress.
pub const RECORD_BLOCK_STORED_BYTES_MAX: u64 = 4 * 1024 * 1024 + 32 * 1024;
/// Memory that reading a Zstandard frame may ask for, in bytes.
pub const WINDOW_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Bytes of a block of an attachment at most.
pub const ATTACHMENT_BLOCK_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of an attachment at most.
pub const ATTACHMENT_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Bytes at which a writer closes a segment.
pub const SEGMENT_BYTES_AIM: u64 = 64 * 1024 * 1024;
/// Bytes of a segment at most.
pub const SEGMENT_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// Bytes of a frame at most, its length not counted.
pub const FRAME_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of a record's key at most.
pub const KEY_BYTES_MAX: usize = 128;
/// Attachments that a record wants at most.
pub const RECORD_WANTS_MAX: usize = 64;
/// Bytes of an attachment's id at most.
pub const ATTACHMENT_ID_BYTES_MAX: usize = 64;
/// Bytes of a register's value at most, as JSON.
pub const VALUE_BYTES_MAX: usize = 64 * 1024;
/// Entries of an edit's `seen` at most. What is left out makes a conflict too many, never one too few.
pub const SEEN_MAX: usize = 64;
/// Branches of one forked log that count; those with the smallest names.
pub const BRANCHES_MAX: usize = 8;

/// Bytes that one round fetches from one remote.
pub const ROUND_BYTES: u64 = 256 * 1024 * 1024;
/// Objects larger than this are put after the head, so that a large one holds nothing up.
pub const LARGE_OBJECT_BYTES: u64 = 8 * 1024 * 1024;
