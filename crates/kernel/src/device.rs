//! Who this installation is: a frozen id, a label, and an Ed25519 key made once.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use ed25519_dalek::SigningKey;
use rustix::fs::OFlags;
use serde::Deserialize;

use crate::clock::{Clock as _, SystemClock};
use crate::disk::{self, DiskError};
use crate::home::Home;
use crate::id::DeviceId;

/// The version of the file's form.
const VERSION: u32 = 1;
/// Longest label, in characters.
const LABEL_CHARS_MAX: usize = 100;
/// Largest file read.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// What others than the owner may do with a file.
const OTHERS: u32 = 0o077;

/// This device. Its `Debug` does not show the key.
#[derive(Clone)]
pub struct Device {
    id: DeviceId,
    label: String,
    key: SigningKey,
}

/// Why the identity could not be had.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// The file is there but damaged. It is never replaced by itself: a new key would be a new device.
    #[error("the device file {} is damaged: {problem}", path.display())]
    Damaged {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// It could not be read or written.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The system gave no random bytes.
    #[error("no random bytes from the system")]
    Random(#[source] io::Error),
    /// A label that cannot be shown.
    #[error("a label is 1 to {LABEL_CHARS_MAX} characters without control characters")]
    Label,
}

/// What is read of the file. It also says when it was `created`, for people. Other keys are kept.
#[derive(Deserialize)]
struct File {
    version: u32,
    id: DeviceId,
    label: String,
    /// The 32-byte seed in hex.
    key: String,
}

impl Device {
    /// Reads the identity below `home`, or makes it once: of two processes that make it at the same
    /// time both get the same. `host` names a new device. A file that others may read is closed to
    /// them, with a warning.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn load_or_create(home: &Home, host: &str) -> Result<Self, DeviceError> {
        if let Some(device) = Self::load(home)? {
            close_to_others(&home.device_file());
            return Ok(device);
        }
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(random_failed)?;
        let key = SigningKey::from_bytes(&seed);
        let id = DeviceId::new(host, key.verifying_key().as_bytes());
        // A host's name may be anything; what cannot be shown gives way to the id.
        let label = checked_label(host).unwrap_or_else(|_| id.as_str().to_owned());
        let mut file = toml_edit::DocumentMut::new();
        file["version"] = toml_edit::value(i64::from(VERSION));
        file["id"] = toml_edit::value(id.as_str());
        file["label"] = toml_edit::value(label.as_str());
        file["key"] = toml_edit::value(crate::id::hex(&seed));
        // The date a person may look up; nothing is decided by it.
        file["created"] = toml_edit::value(SystemClock.now().to_rfc3339());
        let path = home.device_file();
        if disk::create_new(&path, file.to_string().as_bytes())? {
            return Ok(Self { id, label, key });
        }
        Self::load(home)?.ok_or_else(|| damaged(&path, &"it vanished while it was read"))
    }

    /// Reads the identity; `None` when none was made yet. Changes nothing.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn load(home: &Home) -> Result<Option<Self>, DeviceError> {
        let path = home.device_file();
        let Some(text) = read(&path)? else { return Ok(None) };
        let file: File = toml::from_str(&text).map_err(|e| damaged(&path, &e.message()))?;
        if file.version != VERSION {
            return Err(damaged(&path, &format!("it has version {}, this Carry knows {VERSION}", file.version)));
        }
        let seed = unhex(&file.key).ok_or_else(|| damaged(&path, &"its key is not 64 hex digits"))?;
        let key = SigningKey::from_bytes(&seed);
        if !file.id.belongs_to(key.verifying_key().as_bytes()) {
            return Err(damaged(&path, &"its id does not belong to its key"));
        }
        Ok(Some(Self { id: file.id, label: file.label, key }))
    }

    /// Changes the label, here and in the file.
    ///
    /// # Errors
    /// [`DeviceError::Label`] if it is empty, too long or holds control characters; otherwise what
    /// reading or writing the file fails with.
    pub fn set_label(&mut self, home: &Home, label: &str) -> Result<(), DeviceError> {
        let label = checked_label(label)?;
        let path = home.device_file();
        let text = read(&path)?.ok_or_else(|| damaged(&path, &"it is gone"))?;
        let mut file: toml_edit::DocumentMut =
            text.parse().map_err(|e: toml_edit::TomlError| damaged(&path, &e.message()))?;
        if file.get("id").and_then(|id| id.as_str()) != Some(self.id.as_str()) {
            return Err(damaged(&path, &"it is another device's by now"));
        }
        file["label"] = toml_edit::value(label.as_str());
        disk::write_atomic(&path, file.to_string().as_bytes())?;
        self.label = label;
        Ok(())
    }

    /// The frozen id.
    pub fn id(&self) -> &DeviceId {
        &self.id
    }
    /// The name people see; the host's name until it is changed.
    pub fn label(&self) -> &str {
        &self.label
    }
    /// The public key.
    pub fn public_key(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }
    /// Signs `message`.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        use ed25519_dalek::Signer as _;
        self.key.sign(message).to_bytes()
    }
}

/// This machine's host name, as the system gives it.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Device").field("id", &self.id).field("label", &self.label).finish_non_exhaustive()
    }
}

/// The file's text.
fn read(path: &Path) -> Result<Option<String>, DeviceError> {
    let file = match disk::open_regular(path, OFlags::empty()) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(DiskError::at("read", path)(e).into()),
    };
    let bytes = disk::read_at_most(file, FILE_BYTES_MAX).map_err(DiskError::at("read", path))?;
    String::from_utf8(bytes).map(Some).map_err(|_| damaged(path, &"it is not UTF-8 text"))
}

/// Whoever reads the key can speak in our name. A file system without permissions must not keep us from working.
fn close_to_others(path: &Path) {
    let close = || {
        let file = disk::open_regular(path, OFlags::empty())?;
        if file.metadata()?.permissions().mode() & OTHERS == 0 {
            return Ok(false);
        }
        file.set_permissions(Permissions::from_mode(0o600)).map(|()| true)
    };
    match close() {
        Ok(false) => {}
        Ok(true) => {
            tracing::warn!(path = %path.display(), "the device file was open to others; it is closed to them now")
        }
        Err(error) => tracing::warn!(path = %path.display(), %error, "the device file cannot be closed to others"),
    }
}

fn random_failed(error: getrandom::Error) -> DeviceError {
    let cause = error.raw_os_error().map(io::Error::from_raw_os_error);
    DeviceError::Random(cause.unwrap_or_else(|| io::Error::other(error.to_string())))
}

fn damaged(path: &Path, problem: &dyn std::fmt::Display) -> DeviceError {
    DeviceError::Damaged { path: path.to_owned(), problem: problem.to_string() }
}

fn checked_label(label: &str) -> Result<String, DeviceError> {
    let label = label.trim();
    let fits = (1..=LABEL_CHARS_MAX).contains(&label.chars().count()) && !label.chars().any(char::is_control);
    if fits { Ok(label.to_owned()) } else { Err(DeviceError::Label) }
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    if !crate::id::is_hex(text, 64) {
        return None;
    }
    let mut bytes = [0; 32];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
