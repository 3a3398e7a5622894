//! Captures of real repositories, compared with what Git itself says.
#![cfg(test)]

mod rig;

mod capture;
mod faults;
mod interleaved;
mod trust;
