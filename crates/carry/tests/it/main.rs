//! The program as its users run it: arguments in; output, complaints and exit code out.

mod capturing;
mod configuring;
mod daemon;
mod devices;
mod exchange;
mod exchange_code;
mod finalizing;
mod fleet;
mod help;
mod looking_back;
mod mending;
mod mistakes;
mod prompting;
mod publishing;
mod restoring;
mod rules;
mod serving;
mod sessions;
mod staging;
mod sync;
mod team;
mod thinning;
mod together;
mod world;
