//! Who may call: a file with a credential for each device.
//!
//! A line is `name token` or, as `carry serve token` writes it, `name sha256:<64 hex digits>`. Empty lines and what begins
//! with `#` do not count. A name may stand twice while a device changes to a new credential. In memory there are digests only,
//! and all of them are compared each time.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use carry_kernel::disk::{self, DiskError};
use sha2::{Digest as _, Sha256};

use crate::hex;

/// Largest file of credentials, in bytes.
const FILE_BYTES_MAX: u64 = 256 * 1024;
/// Credentials at most.
const CREDENTIALS_MAX: usize = 1024;
/// Longest credential that is looked at, in bytes.
const TOKEN_BYTES_MAX: usize = 512;
/// Shortest that is accepted: what is shorter can be guessed.
const TOKEN_BYTES_MIN: usize = 16;
/// Longest name, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// How digests are marked.
const DIGEST: &str = "sha256:";
/// How long a removed credential may still be taken.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why credentials cannot be used. None is ever repeated.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The file cannot be read or written, or others may read it.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A line is not one of ours.
    #[error("line {line} of {}: {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        problem: &'static str,
    },
    /// There are too many.
    #[error("{} holds more than {CREDENTIALS_MAX} credentials", path.display())]
    TooMany {
        /// The file.
        path: PathBuf,
    },
    /// A name that cannot be given.
    #[error(
        "{0:?} is no name for a device: it has up to {NAME_BYTES_MAX} letters, digits and - _ . and begins with a letter or digit"
    )]
    Name(String),
    /// The name has a credential already.
    #[error("{0} has a credential already")]
    Exists(String),
    /// There is no such name.
    #[error("no device is called {0}")]
    Unknown(String),
}

/// A credential: whose it is, and its digest.
#[derive(Clone, Debug)]
struct Credential {
    name: Arc<str>,
    digest: [u8; 32],
}

/// The credentials in a file, read anew when it changes.
#[derive(Debug)]
pub struct Credentials {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    looked: Option<Instant>,
    stamp: Stamp,
    known: Vec<Credential>,
    /// Whether the file could not be used at the last look. Then nobody gets in: who was taken out must stay out.
    is_broken: bool,
}

type Stamp = Option<(u64, u64, i64, i64, u32)>;

/// Who calls, if anybody is let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The device of this name.
    Known(Arc<str>),
    /// Nobody that is known.
    Unknown,
    /// The file cannot be used now.
    Broken,
}

impl Credentials {
    /// Those in `path`, which need not be there yet.
    ///
    /// # Errors
    /// [`CredentialError`].
    pub fn open(path: &Path) -> Result<Self, CredentialError> {
        let state = State { stamp: stamp(path), known: read(path)?, ..State::default() };
        Ok(Self { path: path.to_owned(), state: Mutex::new(state) })
    }

    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).known.is_empty()
    }

    /// Whose `token` is, at `now`.
    pub fn find(&self, token: &[u8], now: Instant) -> Found {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked.is_none_or(|looked| now.saturating_duration_since(looked) >= LOOK_EVERY) {
            state.refresh(&self.path, now);
        }
        let digest: [u8; 32] = match token.len() {
            0..=TOKEN_BYTES_MAX => Sha256::digest(token).into(),
            _ => return Found::Unknown,
        };
        match state.whose(&digest) {
            // It may have been made a moment ago.
            Found::Unknown => {
                state.refresh(&self.path, now);
                state.whose(&digest)
            }
            found => found,
        }
    }
}

impl State {
    fn whose(&self, digest: &[u8; 32]) -> Found {
        if self.is_broken {
            return Found::Broken;
        }
        // All are compared, whichever fits.
        let fitting = self.known.iter().fold(None, |found, credential| {
            if is_same(&credential.digest, digest) { Some(&credential.name) } else { found }
        });
        fitting.map_or(Found::Unknown, |name| Found::Known(name.clone()))
    }

    fn refresh(&mut self, path: &Path, now: Instant) {
        self.looked = Some(now);
        let stamp = stamp(path);
        if stamp == self.stamp && !self.is_broken {
            return;
        }
        self.stamp = stamp;
        match read(path) {
            Ok(known) => {
                tracing::info!(credentials = known.len(), "credentials were read");
                (self.known, self.is_broken) = (known, false);
            }
            Err(error) => {
                if !self.is_broken {
                    tracing::error!(%error, "the credentials cannot be used; nobody is let in until they can");
                }
                self.is_broken = true;
            }
        }
    }
}

fn stamp(path: &Path) -> Stamp {
    let data = path.metadata().ok()?;
    Some((data.ino(), data.len(), data.mtime(), data.mtime_nsec(), data.mode()))
}

/// Compares without telling by its duration how much fits.
fn is_same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    let differing = a.iter().zip(b).fold(0, |differing, (a, b)| std::hint::black_box(differing | (a ^ b)));
    std::hint::black_box(differing) == 0
}

fn read(path: &Path) -> Result<Vec<Credential>, CredentialError> {
    let Some(text) = read_text(path)? else { return Ok(Vec::new()) };
    let lines = text.lines().enumerate().filter(|(_, line)| is_entry(line));
    let credentials = lines.map(|(at, line)| {
        parse(line).map_err(|problem| CredentialError::Line { path: path.to_owned(), line: at + 1, problem })
    });
    let credentials = credentials.collect::<Result<Vec<_>, _>>()?;
    if credentials.len() > CREDENTIALS_MAX {
        return Err(CredentialError::TooMany { path: path.to_owned() });
    }
    Ok(credentials)
}

fn read_text(path: &Path) -> Result<Option<String>, CredentialError> {
    let file = match disk::open_private(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(DiskError::at("use", path)(e).into()),
    };
    let bytes = disk::read_at_most(file, FILE_BYTES_MAX).map_err(DiskError::at("read", path))?;
    let text = String::from_utf8(bytes);
    text.map(Some).map_err(|_| CredentialError::Line { path: path.to_owned(), line: 1, problem: "it is not text" })
}

fn is_entry(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with('#')
}

fn parse(line: &str) -> Result<Credential, &'static str> {
    let mut words = line.split_whitespace();
    let (Some(name), Some(token), None) = (words.next(), words.next(), words.next()) else {
        return Err("it is not a name and a credential");
    };
    if !is_name(name) {
        return Err("the name is not one of letters, digits and - _ .");
    }
    let digest = match token.strip_prefix(DIGEST) {
        Some(digits) => {
            hex::decode(digits).and_then(|bytes| bytes.try_into().ok()).ok_or("the digest is not 64 hex digits")?
        }
        None if (TOKEN_BYTES_MIN..=TOKEN_BYTES_MAX).contains(&token.len()) => Sha256::digest(token).into(),
        None => return Err("the credential is shorter than 16 or longer than 512 characters"),
    };
    Ok(Credential { name: name.into(), digest })
}

fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// The names in the file at `path`, each once, in their order.
///
/// # Errors
/// [`CredentialError`].
pub fn names(path: &Path) -> Result<Vec<String>, CredentialError> {
    let mut names: Vec<String> = Vec::new();
    for credential in read(path)? {
        if !names.iter().any(|name| **name == *credential.name) {
            names.push(credential.name.to_string());
        }
    }
    Ok(names)
}

/// Makes a credential for `name` out of `random` and adds its digest to the file at `path`, which is made when it is missing.
/// The credential is what is returned, and is nowhere else. `replaces` takes away those that the name had.
///
/// # Errors
/// [`CredentialError`].
pub fn issue(path: &Path, name: &str, random: &[u8; 32], replaces: bool) -> Result<String, CredentialError> {
    if !is_name(name) {
        return Err(CredentialError::Name(name.chars().take(160).collect()));
    }
    let known = read(path)?;
    let mut text = read_text(path)?.unwrap_or_default();
    if known.iter().any(|credential| *credential.name == *name) {
        if !replaces {
            return Err(CredentialError::Exists(name.to_owned()));
        }
        text = without(&text, name);
    } else if known.len() >= CREDENTIALS_MAX {
        return Err(CredentialError::TooMany { path: path.to_owned() });
    }
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    let token = format!("carry_{}", hex::encode(random));
    let digest: [u8; 32] = Sha256::digest(&token).into();
    text.push_str(&format!("{name} {DIGEST}{}\n", hex::encode(&digest)));
    disk::write_atomic(path, text.as_bytes())?;
    Ok(token)
}

/// Takes away what `name` has in the file at `path`.
///
/// # Errors
/// [`CredentialError`].
pub fn revoke(path: &Path, name: &str) -> Result<(), CredentialError> {
    if !read(path)?.iter().any(|credential| *credential.name == *name) {
        return Err(CredentialError::Unknown(name.chars().take(160).collect()));
    }
    let text = without(&read_text(path)?.unwrap_or_default(), name);
    Ok(disk::write_atomic(path, text.as_bytes())?)
}

/// The text without this name's lines.
fn without(text: &str, name: &str) -> String {
    let is_its = |line: &str| is_entry(line) && line.split_whitespace().next() == Some(name);
    text.lines().filter(|line| !is_its(line)).map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests;
