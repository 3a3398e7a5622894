//! Looking for bytes in files.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use aho_corasick::AhoCorasick;

/// So much is read at once.
const CHUNK: usize = 1 << 20;

/// The regular files below `folders` that hold `needle`.
pub(super) fn files_with(folders: &[&Path], needle: &[u8]) -> Vec<PathBuf> {
    assert!(!needle.is_empty() && needle.len() < CHUNK, "a needle has a few bytes");
    let mut found = BTreeSet::new();
    each_file(folders, &mut |path| {
        if holds(path, needle) {
            found.insert(path.to_owned());
        }
    });
    found.into_iter().collect()
}

/// The regular files below `folders` that hold one of `needles`, in any case, with that needle.
pub(super) fn files_with_any(folders: &[&Path], needles: &[String]) -> Vec<(PathBuf, String)> {
    let finder = AhoCorasick::builder().ascii_case_insensitive(true).build(needles).expect("needles are few and short");
    let mut found = BTreeSet::new();
    each_file(folders, &mut |path| {
        // A file of the server has a GiB at most, and in tests a few megabytes.
        let bytes = fs::read(path).unwrap_or_default();
        found.extend(finder.find_iter(&bytes).map(|at| (path.to_owned(), needles[at.pattern().as_usize()].clone())));
    });
    found.into_iter().collect()
}

fn each_file(folders: &[&Path], act: &mut dyn FnMut(&Path)) {
    let mut left: Vec<PathBuf> = folders.iter().map(|folder| (*folder).to_owned()).collect();
    while let Some(path) = left.pop() {
        // Files come and go while the server runs.
        let Ok(kind) = fs::symlink_metadata(&path).map(|data| data.file_type()) else { continue };
        if kind.is_dir() {
            left.extend(fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
        } else if kind.is_file() {
            act(&path);
        }
    }
}

fn holds(path: &Path, needle: &[u8]) -> bool {
    let Ok(mut file) = fs::File::open(path) else { return false };
    let mut buffer = vec![0; CHUNK];
    let mut kept = 0;
    loop {
        let read = file.read(&mut buffer[kept..]).unwrap_or(0);
        if read == 0 {
            return false;
        }
        let filled = kept + read;
        if memchr::memmem::find(&buffer[..filled], needle).is_some() {
            return true;
        }
        let start = filled.saturating_sub(needle.len() - 1);
        buffer.copy_within(start..filled, 0);
        kept = filled - start;
    }
}
