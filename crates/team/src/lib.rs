//! The team store: masked sessions in a database that a team shares.
//!
//! Nothing is shared until a project is ([`share`]). A [`push`] asks the archive what has changed, masks it ([`carry_sessions::mask::pieces`]), cuts it
//! down to what its project's mode lets through, makes rows of it ([`shape`]) and hands a store what that lacks. A store is
//! anything that can hold rows under keys ([`sink::Sink`]); [`postgres`] is the one there is. What this device knows to be in a
//! store is kept in a database of its own ([`state`]), and is only ever believed after a comparison of digests.
//!
//! Reading what the team has shared ([`reader`]) is apart from all this and needs no more than the right to read.

#[cfg(test)]
#[path = "../../sessions/src/mask/pieces/fixture.rs"]
pub(crate) mod fixture;
pub mod memory;
pub mod plan;
pub mod postgres;
pub mod preview;
pub mod push;
pub(crate) mod readback;
pub mod reader;
pub mod settings;
pub mod shape;
pub mod share;
pub mod sink;
pub mod state;
pub mod unit;
pub mod verify;
