//! What every operation on code needs to know about this installation.

use std::path::Path;
use std::sync::Arc;

use carry_kernel::clock::Clock;
use carry_kernel::config::{Config, Sources};
use carry_kernel::device::Device;
use carry_kernel::home::Home;

/// Home, identity, clock and configuration sources; cheap to clone.
#[derive(Clone, Debug)]
pub struct Context {
    /// Where Carry keeps its things.
    pub home: Home,
    /// Who we are.
    pub device: Arc<Device>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where configuration comes from; `repository` is filled in per tree.
    pub sources: Sources,
}

impl Context {
    /// The configuration that holds for the working tree at `root`, or the user's alone.
    pub fn config(&self, root: Option<&Path>) -> Config {
        let mut sources = self.sources.clone();
        sources.repository = root.map(Path::to_owned);
        Config::load(&[carry_kernel::config::KEYS, crate::settings::KEYS], &sources)
    }
}
