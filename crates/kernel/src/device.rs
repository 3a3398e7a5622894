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
    former: Vec<Former>,
}

/// Who this device was before its identity was renewed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Former {
    /// The id.
    pub id: DeviceId,
    /// The public key.
    pub public_key: [u8; 32],
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
    /// Identities before this one, oldest first.
    #[serde(default)]
    formerly: Vec<FormerlyEntry>,
}

/// An identity that was given up. Its seed is kept: with it alone can be shown that it was ours.
#[derive(Deserialize)]
struct FormerlyEntry {
    id: DeviceId,
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
        let (id, key) = fresh(host)?;
        // A host's name may be anything; what cannot be shown gives way to the id.
        let label = checked_label(host).unwrap_or_else(|_| id.as_str().to_owned());
        let mut file = toml_edit::DocumentMut::new();
        file["version"] = toml_edit::value(i64::from(VERSION));
        file["id"] = toml_edit::value(id.as_str());
        file["label"] = toml_edit::value(label.as_str());
        file["key"] = toml_edit::value(crate::id::hex(key.as_bytes()));
        // The date a person may look up; nothing is decided by it.
        file["created"] = toml_edit::value(SystemClock.now().to_rfc3339());
        let path = home.device_file();
        if disk::create_new(&path, file.to_string().as_bytes())? {
            return Ok(Self { id, label, key, former: Vec::new() });
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
        let key = key_of(&path, &file.id, &file.key)?;
        let former = file.formerly.into_iter().map(|entry| {
            let public_key = key_of(&path, &entry.id, &entry.key)?.verifying_key().to_bytes();
            Ok(Former { id: entry.id, public_key })
        });
        let former = former.collect::<Result<_, DeviceError>>()?;
        Ok(Some(Self { id: file.id, label: file.label, key, former }))
    }

    /// Goes on as a new device, with a new key and id and the old label: for when another machine was found to be this
    /// one, too. The old identity stays in the file as a former one. `host` names the new one. In one step: whoever reads
    /// the file finds the old identity or the new one.
    ///
    /// # Errors
    /// [`DeviceError`]; then nothing changed.
    pub fn renew(home: &Home, host: &str) -> Result<Self, DeviceError> {
        let path = home.device_file();
        let mut file = document(&path)?;
        let old = Self::load(home)?.ok_or_else(|| damaged(&path, &"it is gone"))?;
        if file.get("id").and_then(|id| id.as_str()) != Some(old.id.as_str()) {
            return Err(damaged(&path, &"it changed while it was read"));
        }
        let (id, key) = fresh(host)?;
        let mut entry = toml_edit::Table::new();
        entry["id"] = toml_edit::value(old.id.as_str());
        entry["key"] = toml_edit::value(crate::id::hex(old.key.as_bytes()));
        entry["until"] = toml_edit::value(SystemClock.now().to_rfc3339());
        let formerly = file.entry("formerly").or_insert(toml_edit::Item::ArrayOfTables(Default::default()));
        match formerly.as_array_of_tables_mut() {
            Some(formerly) => formerly.push(entry),
            None => return Err(damaged(&path, &"its former identities are no tables")),
        }
        file["id"] = toml_edit::value(id.as_str());
        file["key"] = toml_edit::value(crate::id::hex(key.as_bytes()));
        disk::write_atomic(&path, file.to_string().as_bytes())?;
        let mut former = old.former;
        former.push(Former { id: old.id, public_key: old.key.verifying_key().to_bytes() });
        Ok(Self { id, label: old.label, key, former })
    }

    /// Changes the label, here and in the file.
    ///
    /// # Errors
    /// [`DeviceError::Label`] if it is empty, too long or holds control characters; otherwise what
    /// reading or writing the file fails with.
    pub fn set_label(&mut self, home: &Home, label: &str) -> Result<(), DeviceError> {
        let label = checked_label(label)?;
        let path = home.device_file();
        let mut file = document(&path)?;
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
    /// Who this device was before, oldest first. Lines under those ids are its own too, unless others wrote them.
    pub fn former(&self) -> &[Former] {
        &self.former
    }
    /// The public key that belongs to `id`, if that is this device's, now or formerly.
    pub fn public_key_of(&self, id: &DeviceId) -> Option<[u8; 32]> {
        if *id == self.id {
            return Some(self.public_key());
        }
        self.former.iter().find(|former| former.id == *id).map(|former| former.public_key)
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

/// A new key, and the id that is made of it.
fn fresh(host: &str) -> Result<(DeviceId, SigningKey), DeviceError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(random_failed)?;
    let key = SigningKey::from_bytes(&seed);
    Ok((DeviceId::new(host, key.verifying_key().as_bytes()), key))
}

/// The key of the identity `id` in the file.
fn key_of(path: &Path, id: &DeviceId, hex: &str) -> Result<SigningKey, DeviceError> {
    let seed = unhex(hex).ok_or_else(|| damaged(path, &"its key is not 64 hex digits"))?;
    let key = SigningKey::from_bytes(&seed);
    if !id.belongs_to(key.verifying_key().as_bytes()) {
        return Err(damaged(path, &"its id does not belong to its key"));
    }
    Ok(key)
}

/// The file, to be changed where it must be and left as it is elsewhere.
fn document(path: &Path) -> Result<toml_edit::DocumentMut, DeviceError> {
    let text = read(path)?.ok_or_else(|| damaged(path, &"it is gone"))?;
    text.parse().map_err(|e: toml_edit::TomlError| damaged(path, &e.message()))
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
