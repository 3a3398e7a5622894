//! How sessions go through the exchange: their content as one stream, what the user says about them as another.

pub mod content;
pub mod curation;
mod unread;

pub use unread::{Unread, unread};
