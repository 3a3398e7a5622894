//! The hub: one HTTP server for what devices ask of each other. A shell over the same libraries as the commands.
//!
//! [`run`] puts it together: a [server](mod@server) with bounds on everything that comes from outside, a [guard] that looks at
//! hosts, origins, [credentials](credential) and [rates](rate), and the [exchange], whose files lie in a folder. Further
//! routes are routers beside that of the exchange; each says for itself who may call it and how much it takes.

pub mod settings;

pub mod credential;
pub mod listen;
pub mod rate;

mod answer;
pub mod exchange;
pub mod guard;
mod health;
mod hex;
pub mod server;
mod tls;

pub mod run;

pub use answer::Refusal;
