//! Conversations with coding agents: found, archived, searched, curated, and safe to share.
//!
//! Agents leave their conversations on disk, each in its own format, and many delete them after a month. A [`source`] reads
//! one format and says what it finds as [`Op`](source::Op)s; an [`ingest`] pass looks for what changed and brings it into
//! the [`archive`], one SQLite file that keeps both the parsed conversation and the raw bytes it came from. Everything else
//! reads the archive: [`search`], [`list`], [`stats`], [`git_links`], [`export`].
//!
//! The archive outlives its sources: a file that vanishes takes nothing with it. Text is kept as it was written; whatever
//! leaves the device goes through [`mask`] first.

#![recursion_limit = "256"]

// Tests of other crates take files in that name this one.
#[cfg(test)]
extern crate self as carry_sessions;

pub mod archive;
pub mod behind;
pub mod curation;
pub mod export;
#[cfg(test)]
pub(crate) mod fixture;
pub mod git_links;
pub mod ingest;
pub mod list;
pub mod mask;
pub mod model;
pub mod price;
pub mod project;
pub mod resume;
pub mod search;
pub mod settings;
pub mod source;
pub mod stats;
pub mod stream;
