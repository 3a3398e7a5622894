//! Uncommitted work in Git working trees, captured continuously.
//!
//! A [`capture::Capturer`] looks at one registered working tree, writes what changed as Git objects in one pack,
//! and moves that tree's *line* (a ref below `refs/carry/`), without touching the user's index, HEAD,
//! branches or files. [`history`] reads lines back, [`restore`] brings files back, [`retention`] and [`budget`]
//! say what is kept. [`stream`] carries lines through the exchange.

pub mod budget;
pub mod capture;
pub mod clean;
pub mod context;
pub mod diff;
pub mod doctor;
pub mod drift;
pub mod durable;
pub mod finalize;
pub mod gather;
pub mod git;
pub mod handoff;
pub mod history;
pub mod keeper;
pub mod line;
pub mod merge;
pub mod message;
pub mod pack;
pub mod prune;
pub mod publish;
pub mod pulsar;
pub mod refs;
pub mod registry;
pub mod remote;
pub mod repo;
pub mod restore;
pub mod retention;
pub mod scan;
pub mod seal;
pub mod secrets;
pub mod seen;
pub mod settings;
pub mod shadow_index;
pub mod snapshot;
pub mod staged;
pub mod stream;
pub mod time;
pub mod tips;
pub mod tree;
pub mod upkeep;
pub mod watch;
