//! The program as its users run it: arguments in; output, complaints and exit code out.

mod capturing;
mod configuring;
mod daemon;
mod help;
mod looking_back;
mod mending;
mod mistakes;
mod restoring;
mod rules;
mod staging;
mod thinning;
mod world;
