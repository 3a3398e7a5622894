//! Refs kept as files: one file each, or a line in `packed-refs`. Read from the disk at each call.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use carry_kernel::disk::DiskError;

use crate::git::{BStr, BString, ByteSlice as _, HashKind, ObjectId};
use crate::repo::Repo;

/// What a ref says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// An object.
    Id(ObjectId),
    /// Another ref.
    Symbolic(BString),
    /// Nothing that can be read, and why.
    Broken(String),
}

/// Where the file of `name` is. A linked worktree has some refs of its own.
pub(crate) fn path_of(repo: &Repo, name: &BStr) -> PathBuf {
    let own = ["refs/bisect/", "refs/worktree/", "refs/rewritten/"];
    let own = !name.starts_with(b"refs/") || own.iter().any(|prefix| name.starts_with(prefix.as_bytes()));
    let file = crate::git::path_of(name);
    if own { repo.git_dir().join(file) } else { repo.common_dir().join(file) }
}

/// What `name` says; `None` when it does not exist.
pub(crate) fn read(repo: &Repo, name: &BStr) -> Result<Option<Value>, DiskError> {
    // In this order: a ref that is being packed is in `packed-refs` before its file goes.
    if let Some(value) = loose(&path_of(repo, name), repo.hash())? {
        return Ok(Some(value));
    }
    Packed::read(repo)?.map_or(Ok(None), |packed| Ok(packed.get(name)))
}

/// What the file at `path` says; `None` when there is none.
pub(crate) fn loose(path: &Path, hash: HashKind) -> Result<Option<Value>, DiskError> {
    // Long ago Git made symbolic refs as symbolic links.
    if let Ok(target) = path.read_link()
        && target.starts_with("refs")
        && let Ok(target) = gix::path::into_bstr(target)
    {
        return Ok(Some(Value::Symbolic(target.into_owned())));
    }
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(parse(&bytes, hash))),
        Err(e) => match e.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => Ok(None),
            _ => Err(DiskError::at("read", path)(e)),
        },
    }
}

fn parse(bytes: &[u8], hash: HashKind) -> Value {
    if let Some(target) = bytes.strip_prefix(b"ref:") {
        let target = target.trim_ascii();
        return if target.is_empty() {
            Value::Broken("it names no ref".into())
        } else {
            Value::Symbolic(target.into())
        };
    }
    if bytes.is_empty() {
        return Value::Broken("the file is empty".into());
    }
    let (hex, rest) = bytes.split_at(hash.len_in_hex().min(bytes.len()));
    match ObjectId::from_hex(hex) {
        Ok(id) if id.kind() == hash && !id.is_null() && rest.first().is_none_or(u8::is_ascii_whitespace) => {
            Value::Id(id)
        }
        _ => Value::Broken("the file holds no object id".into()),
    }
}

/// All refs whose names begin with `prefix`, by name. Names that are not UTF-8 are none of ours and left out.
pub(crate) fn list(repo: &Repo, prefix: &str) -> Result<BTreeMap<String, Value>, DiskError> {
    let folder = prefix.rfind('/').map_or("", |at| &prefix[..at]);
    let mut found = BTreeMap::new();
    walk(repo, folder, &mut found)?;
    found.retain(|name, _| name.starts_with(prefix));
    // After the files, for the reason given in `read`.
    if let Some(packed) = Packed::read(repo)? {
        for (name, value) in packed.below(prefix) {
            found.entry(name.to_owned()).or_insert(value);
        }
    }
    Ok(found)
}

fn walk(repo: &Repo, folder: &str, found: &mut BTreeMap<String, Value>) -> Result<(), DiskError> {
    let path = path_of(repo, folder.into());
    let entries = match std::fs::read_dir(&path) {
        Ok(entries) => entries,
        // Not there, or a ref by itself.
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(()),
        Err(e) => return Err(DiskError::at("list", &path)(e)),
    };
    for entry in entries {
        let entry = entry.map_err(DiskError::at("list", &path))?;
        let Some(name) = entry.file_name().to_str().map(|n| format!("{folder}/{n}")) else { continue };
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            walk(repo, &name, found)?;
        } else if !name.ends_with(".lock")
            && let Some(value) = loose(&entry.path(), repo.hash())?
        {
            found.insert(name, value);
        }
    }
    Ok(())
}

/// The file `packed-refs` as it was when read.
pub(crate) struct Packed {
    bytes: Vec<u8>,
    hash: HashKind,
}

impl Packed {
    /// Reads it; `None` when there is none.
    pub(crate) fn read(repo: &Repo) -> Result<Option<Self>, DiskError> {
        let path = repo.common_dir().join("packed-refs");
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(Self { bytes, hash: repo.hash() })),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(DiskError::at("read", &path)(e)),
        }
    }

    /// What it says about `name`.
    pub(crate) fn get(&self, name: &BStr) -> Option<Value> {
        // A line is `<id> <name>`; an id holds no blank, so that this finds names only.
        let wanted = [b" ", name.as_bytes(), b"\n"].concat();
        let at = self.bytes.find(wanted)?;
        let start = self.bytes[..at].rfind_byte(b'\n').map_or(0, |nl| nl + 1);
        Some(parse(&self.bytes[start..at], self.hash))
    }

    /// What it says about names that begin with `prefix`.
    pub(crate) fn below(&self, prefix: &str) -> impl Iterator<Item = (&str, Value)> {
        self.bytes.lines().filter_map(move |line| {
            let (id, name) = line.split_once_str(" ")?;
            // Header lines and those with the target of a tag begin with a sign.
            let is_ref = !matches!(line.first(), Some(b'#' | b'^')) && name.starts_with(prefix.as_bytes());
            Some((BStr::new(name).to_str().ok()?, parse(id, self.hash))).filter(|_| is_ref)
        })
    }
}
