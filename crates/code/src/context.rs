//! What every operation on code needs to know about this installation.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use carry_kernel::clock::Clock;
use carry_kernel::config::{Config, Sources};
use carry_kernel::device::{Device, DeviceError};
use carry_kernel::home::Home;
use carry_kernel::id::DeviceId;

/// Home, identity, clock and configuration sources; cheap to clone.
#[derive(Clone, Debug)]
pub struct Context {
    /// Where Carry keeps its things.
    pub home: Home,
    /// Who we are.
    pub device: Identity,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where configuration comes from; `repository` is filled in per tree.
    pub sources: Sources,
}

/// Who we are, the same for all clones. It changes in one case only: another machine was found to write as this device.
#[derive(Clone, Debug)]
pub struct Identity(Arc<RwLock<Arc<Device>>>);

impl Identity {
    /// The device as it is now.
    pub fn get(&self) -> Arc<Device> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// Its id.
    pub fn id(&self) -> DeviceId {
        self.get().id().clone()
    }
    /// From now on we are `device`.
    pub fn replace(&self, device: Device) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(device);
    }
}

impl From<Device> for Identity {
    fn from(device: Device) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(device))))
    }
}

impl Context {
    /// Another process may have given this device a new identity, or another label: from here on it is the one that the home has. Where
    /// there is none, what is known stays.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn refresh_device(&self) -> Result<(), DeviceError> {
        let Some(device) = Device::load(&self.home)? else { return Ok(()) };
        let known = self.device.get();
        if device.id() != known.id() {
            tracing::warn!(id = device.id().as_str(), "this device has a new identity");
            self.device.replace(device);
        } else if device.label() != known.label() {
            self.device.replace(device);
        }
        Ok(())
    }

    /// The configuration that holds for the working tree at `root`, or the user's alone.
    pub fn config(&self, root: Option<&Path>) -> Config {
        let mut sources = self.sources.clone();
        sources.repository = root.map(Path::to_owned);
        Config::load(&[carry_kernel::config::KEYS, crate::settings::KEYS], &sources)
    }
}
