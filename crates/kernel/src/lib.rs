//! The floor every strand of Carry stands on.
//!
//! Who we are ([`device`]), what time it is ([`clock`], [`hlc`]), where things lie ([`home`],
//! [`disk`], [`db`]), what the user asked for ([`config`]), and how background work behaves
//! ([`worker`] with [`backoff`], [`throttle`], [`lease`], [`gate`], [`status`]). The kernel names
//! no strand and never touches the network.

pub mod backoff;
pub mod clock;
pub mod config;
pub mod db;
pub mod device;
pub mod disk;
pub mod fault;
pub mod gate;
pub mod hlc;
pub mod home;
pub mod id;
mod kernel_db;
pub mod lease;
pub mod secret;
pub mod status;
pub mod throttle;
pub mod worker;
