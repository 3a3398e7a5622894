//! What the tests of sources that read JSON lines share: files in scratch folders, splits, and bytes that nobody meant.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::fixture::{Model, unit};
use super::{Mode, ReadEnd, Source};

/// Writes a file and the folders above it.
pub(crate) fn put(path: &Path, bytes: &[u8]) -> PathBuf {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::File::create(path).unwrap().write_all(bytes).unwrap();
    path.to_owned()
}

/// Appends to a file.
pub(crate) fn append(path: &Path, bytes: &[u8]) {
    std::fs::OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
}

/// Reads `bytes` as the file `name` of a scratch folder.
pub(crate) fn whole(source: &dyn Source, name: &str, bytes: &[u8]) -> (Model, ReadEnd) {
    let folder = tempfile::tempdir().unwrap();
    let path = put(&folder.path().join(name), bytes);
    let mut model = Model::default();
    let end = source.read(&unit(&path), &Mode::Whole, &mut model).unwrap();
    (model.comparable(), end)
}

/// Reads `bytes` in pieces that end at `splits`, going on each time from the checkpoint; says how often all had to be read
/// again.
pub(crate) fn in_pieces(source: &dyn Source, name: &str, bytes: &[u8], splits: &[usize]) -> (Model, usize) {
    let folder = tempfile::tempdir().unwrap();
    let path = put(&folder.path().join(name), b"");
    let (mut model, mut mode, mut again, mut from) = (Model::default(), Mode::Whole, 0, 0);
    for to in splits.iter().copied().chain([bytes.len()]) {
        append(&path, &bytes[from..to]);
        from = to;
        let (end, was_again) = model.read(source, &unit(&path), mode).unwrap();
        again += usize::from(was_again);
        mode = Mode::From(end.checkpoint);
    }
    (model.comparable(), again)
}

/// Asserts that reading in two pieces, split at every line and inside each, tells the same as reading at once.
pub(crate) fn assert_splits_agree(source: &dyn Source, name: &str, bytes: &[u8]) {
    let (expected, _) = whole(source, name, bytes);
    let ends: Vec<usize> = memchr::memchr_iter(b'\n', bytes).map(|at| at + 1).collect();
    let inside = ends.iter().map(|end| end.saturating_sub(9)).chain(ends.iter().map(|end| end - 1));
    for split in ends.iter().copied().chain(inside).filter(|split| *split < bytes.len()) {
        let (model, _) = in_pieces(source, name, bytes, &[split]);
        assert_eq!(model, expected, "split at {split}");
    }
    let (model, _) = in_pieces(source, name, bytes, &ends[..ends.len() - 1]);
    assert_eq!(model, expected, "line by line");
}
