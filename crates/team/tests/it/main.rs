//! What a store owes, asked of each one there is, through the public interface alone; and what only a real server can be asked.
#![cfg(test)]

#[path = "../../../sessions/src/mask/pieces/fixture.rs"]
mod fixture;
mod rig;

mod columns;
mod contract;
mod cuts;
mod erase;
mod failures;
mod hostile;
mod init;
mod push;
mod reader;
mod roles;
mod tls;
