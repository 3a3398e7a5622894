//! Reading a store: rows as anybody may have written them, read by a role that may only read.

mod finding;
mod hostile;
mod listing;
mod messages;
mod rig;
mod rights;
mod searching;
mod totals;
mod written;
