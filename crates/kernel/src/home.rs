//! Where Carry keeps its things.
//!
//! `CARRY_HOME` moves everything below one folder; otherwise the platform's places are used (XDG on
//! Linux, `~/Library/Application Support` on macOS). Nothing here creates anything: [`Home`] only
//! names places, and whoever writes makes the folder with [`crate::disk::create_dir`].

use std::path::{Path, PathBuf};

/// The three folders of one installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    config: PathBuf,
    data: PathBuf,
    state: PathBuf,
}

/// Why no home could be named.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// Neither `CARRY_HOME` nor the user's home directory is known.
    #[error("cannot tell where your home directory is; set CARRY_HOME or HOME")]
    Unknown,
    /// A path that must be absolute is not.
    #[error("{name} is {path:?}, which is not an absolute path")]
    Relative {
        /// The environment variable.
        name: &'static str,
        /// Its value.
        path: PathBuf,
    },
}

impl Home {
    /// Everything below `root`: `root/config`, `root/data`, `root/state`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        Self { config: root.join("config"), data: root.join("data"), state: root.join("state") }
    }

    /// From environment variables, looked up through `var` so that tests need not set any:
    /// `CARRY_HOME`, else `XDG_CONFIG_HOME`, `XDG_DATA_HOME`, `XDG_STATE_HOME` and `HOME`. Empty
    /// values count as unset. A relative XDG folder is ignored, as its specification asks.
    ///
    /// # Errors
    /// [`HomeError`] if nothing usable is set.
    pub fn from_env(var: impl Fn(&str) -> Option<std::ffi::OsString>) -> Result<Self, HomeError> {
        let set = |name: &str| var(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let absolute = |name: &'static str| match set(name) {
            Some(path) if path.is_relative() => Err(HomeError::Relative { name, path }),
            path => Ok(path),
        };
        if let Some(root) = absolute("CARRY_HOME")? {
            return Ok(Self::at(root));
        }
        let user = || absolute("HOME")?.ok_or(HomeError::Unknown);
        if cfg!(target_os = "macos") {
            return Ok(Self::at(user()?.join("Library/Application Support/carry")));
        }
        let xdg = |name: &'static str, below_home: &str| match set(name).filter(|p| p.is_absolute()) {
            Some(dir) => Ok(dir.join("carry")),
            None => Ok(user()?.join(below_home).join("carry")),
        };
        Ok(Self {
            config: xdg("XDG_CONFIG_HOME", ".config")?,
            data: xdg("XDG_DATA_HOME", ".local/share")?,
            state: xdg("XDG_STATE_HOME", ".local/state")?,
        })
    }

    /// `config.toml`, the user's configuration.
    pub fn config_file(&self) -> PathBuf {
        self.config.join("config.toml")
    }
    /// Folder of the configuration.
    pub fn config_dir(&self) -> &Path {
        &self.config
    }
    /// Folder of what must not be lost: key, databases.
    pub fn data_dir(&self) -> &Path {
        &self.data
    }
    /// Folder of what can be made again: logs, sockets, status, private indexes.
    pub fn state_dir(&self) -> &Path {
        &self.state
    }
    /// The device's identity: id, label and key.
    pub fn device_file(&self) -> PathBuf {
        self.data.join("device.toml")
    }
    /// The database of the strand `strand`, e.g. `code` gives `code.db`.
    pub fn database(&self, strand: &str) -> PathBuf {
        self.data.join(format!("{strand}.db"))
    }
    /// The kernel's database: leases and worker status.
    pub fn kernel_database(&self) -> PathBuf {
        self.state.join("kernel.db")
    }
    /// The daemon's control socket.
    pub fn socket(&self) -> PathBuf {
        self.state.join("daemon.sock")
    }
    /// The file whose lock says that a daemon lives.
    pub fn daemon_lock(&self) -> PathBuf {
        self.state.join("daemon.lock")
    }
    /// Folder of the logs.
    pub fn log_dir(&self) -> PathBuf {
        self.state.join("log")
    }
    /// Folder of one captured working tree's private state.
    pub fn tree_dir(&self, tree: &crate::id::TreeId) -> PathBuf {
        self.state.join("trees").join(tree.as_str())
    }
}

#[cfg(test)]
mod tests;
