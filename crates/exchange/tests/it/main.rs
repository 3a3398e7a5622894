//! The format as others see it: bytes that must stay readable. Places of every kind under one contract, and what only folders
//! have to bear.

#[expect(clippy::unwrap_used, reason = "helpers of tests are tests, which clippy does not see")]
mod golden;

#[expect(clippy::unwrap_used, reason = "helpers of tests are tests, which clippy does not see")]
mod rig;

#[expect(clippy::unwrap_used, reason = "helpers of tests are tests, which clippy does not see")]
mod contract;

#[expect(clippy::unwrap_used, reason = "helpers of tests are tests, which clippy does not see")]
mod places;

#[expect(clippy::unwrap_used, reason = "helpers of tests are tests, which clippy does not see")]
mod died;

#[expect(clippy::unwrap_used, reason = "helpers of tests are tests, which clippy does not see")]
mod bucket;

#[expect(clippy::unwrap_used, reason = "helpers of tests are tests, which clippy does not see")]
mod folder;

#[expect(clippy::unwrap_used, reason = "helpers of tests are tests, which clippy does not see")]
mod wrappers;

#[expect(clippy::unwrap_used, reason = "helpers of tests are tests, which clippy does not see")]
mod webdav;

mod told;
