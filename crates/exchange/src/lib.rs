//! The exchange's format: what devices hand each other as files, over whatever carries files.
//!
//! Each device writes a log of immutable [`Record`](record::Record)s in streams. Runs of them lie in
//! [segments](segment), and a signed [head] says how far each stream goes; older segments stand in a [list].
//! A [name] says what a file must hold, and every stored byte lies under a hash, so that any copy from anywhere is as
//! good as another. [Registers](register) fold edits to the same state in whatever order they come, and a [plan]
//! compares what is held with what heads name.
//!
//! A [`Remote`](remote::Remote) is a place that devices exchange through, and a [`Location`](location::Location) says where
//! it is. A [`Store`](store::Store) is what one device keeps, and a [`Strand`](strand::Strand) how one kind of work plugs in.
//!
//! Nothing but [`remote`] and [`store`] touches a file, and nothing here reads a clock or randomness, or knows what records mean.
//! The format is described in `docs/formats/exchange.md`.
//!
//! ```
//! use carry_exchange::chain::chain_start;
//! use carry_exchange::frame::Frame;
//! use carry_exchange::name::LogId;
//! use carry_exchange::record::{Flags, Record};
//! use carry_exchange::segment::{Expected, SegmentReader, SegmentWriter};
//!
//! let (log, stream) = (LogId::of_key(&[7; 32]), "notes".parse()?);
//! let record = Record {
//!     flags: Flags::default(),
//!     seq: 1,
//!     at: "1790000000000-0000".parse()?,
//!     kind: 1,
//!     kind_version: 1,
//!     salt: [9; 16],
//!     key: b"note-1".to_vec(),
//!     wants: Vec::new(),
//!     payload: br#"{"text":"hello"}"#.to_vec(),
//! };
//! let mut writer = SegmentWriter::new(log, stream, 1, chain_start(log, &"notes".parse()?), Vec::new());
//! writer.push(&Frame::Record(record))?;
//! let segment = writer.finish()?;
//!
//! let file = segment.to_bytes();
//! let expected = Expected { log, stream: "notes".parse()?, reference: segment.reference };
//! let read = SegmentReader::open(&expected, file.len() as u64, &file[..])?;
//! assert_eq!(read.verify()?.chain, segment.chain);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod limits;

pub mod hash;
pub mod name;

pub mod chain;
pub mod frame;
pub mod json;
pub mod record;
pub mod segment;

pub mod head;
pub mod holds;
pub mod list;

pub mod clock;
mod packed;
pub mod plan;
pub mod ranges;
pub mod register;
pub mod streams;
mod wait;

pub mod location;
mod percent;
pub mod remote;
pub mod round;
pub mod store;
pub mod strand;

#[cfg(test)]
mod fixture;
