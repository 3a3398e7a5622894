//! Passes over whole home directories, into a real archive, through the public interface alone.
#![cfg(test)]

mod rig;

mod again;
mod agentsview;
mod containers;
mod died;
mod expected;
mod growth;
mod hostile;
mod links;
