//! The background process: runs the workers, owns the control socket.
//!
//! [`run::run`] is the daemon itself; [`handle`] is how commands reach it; [`control`] starts and stops it;
//! [`service`] installs it with the system's service manager; [`log`] writes and shows its log; [`desktop`] tells the user what
//! should not wait; [`metered`] asks whether the network costs money; [`exchange`] makes exchanges between devices.

mod bus;
pub mod control;
pub mod desktop;
pub mod exchange;
pub mod handle;
pub mod log;
pub mod metered;
pub mod run;
pub mod service;
pub mod socket;
