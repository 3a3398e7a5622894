//! The server as devices and others meet it: over sockets, with real files.

#[expect(clippy::unwrap_used, reason = "helpers of tests are tests, which clippy does not see")]
#[path = "../../../exchange/tests/it/contract.rs"]
mod contract;

#[expect(clippy::unwrap_used, reason = "helpers of tests are tests, which clippy does not see")]
#[path = "../../../exchange/tests/it/rig.rs"]
mod rig;

#[expect(clippy::unwrap_used, reason = "helpers of tests are tests, which clippy does not see")]
mod hub;

#[expect(clippy::unwrap_used, reason = "helpers of tests are tests, which clippy does not see")]
mod raw;

mod doors;

#[expect(clippy::unwrap_used, reason = "helpers of tests are tests, which clippy does not see")]
mod encrypted;

#[expect(clippy::unwrap_used, reason = "helpers of tests are tests, which clippy does not see")]
mod news;

#[expect(clippy::unwrap_used, reason = "helpers of tests are tests, which clippy does not see")]
mod objects;

#[expect(clippy::unwrap_used, reason = "helpers of tests are tests, which clippy does not see")]
mod places;

#[expect(clippy::unwrap_used, reason = "helpers of tests are tests, which clippy does not see")]
mod unsteady;
