//! Captures of real repositories, compared with what Git itself says.
#![cfg(test)]

mod rig;

mod capture;
mod converge;
mod exchange;
mod faults;
mod handoff;
mod interleaved;
mod trust;
