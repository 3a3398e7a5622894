//! Devices with real archives and stores, which hand each other's segments over directly.

mod device;
mod heard;
mod incomplete;
mod masked;
mod order;
mod pushed;
mod removed;
mod said;
