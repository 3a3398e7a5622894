//! Git's tree objects: made from a sorted list of paths, or by editing a tree that is there.

use crate::diff::mode;
use crate::git::{BStr, BString, ByteSlice, ObjectId};

/// What becomes of one path: mode and id, or `None` when it goes.
pub type Edit = (BString, Option<(u32, ObjectId)>);

/// Makes all trees of `entries` (mode, id, full path), which must come in Git's index order and without doubles, and
/// returns the root's id. `write` stores a tree object and returns its id; subtrees are written before what holds them.
pub fn build<'a>(
    entries: impl Iterator<Item = (u32, ObjectId, &'a BStr)>,
    write: &mut dyn FnMut(&[u8]) -> ObjectId,
) -> ObjectId {
    /// A folder under way: where its name begins in the current path, and its object so far.
    struct Open {
        start: usize,
        bytes: Vec<u8>,
    }
    let mut open = vec![Open { start: 0, bytes: Vec::new() }];
    let mut current: Vec<u8> = Vec::new();
    let close = |open: &mut Vec<Open>, current: &[u8], end: usize, write: &mut dyn FnMut(&[u8]) -> ObjectId| {
        let done = open.pop().expect("never called for the root");
        let id = write(&done.bytes);
        let parent = open.last_mut().expect("the root stays open");
        let name_start = parent.start;
        put(&mut parent.bytes, mode::FOLDER, &current[name_start..end], &id);
    };
    for (entry_mode, id, path) in entries {
        // Close folders that this path is not in. `start` is the length of the folder's path with its slash.
        while let Some(top) = open.last()
            && open.len() > 1
            && (path.len() < top.start || path[..top.start] != current[..top.start])
        {
            let end = top.start - 1;
            close(&mut open, &current, end, write);
        }
        let from = open.last().expect("the root stays open").start;
        for at in path[from..].find_iter(b"/").map(|at| from + at).collect::<Vec<_>>() {
            open.push(Open { start: at + 1, bytes: Vec::new() });
        }
        current.clear();
        current.extend_from_slice(path);
        let top = open.last_mut().expect("the root stays open");
        let start = top.start;
        put(&mut top.bytes, entry_mode, &path[start..], &id);
    }
    while open.len() > 1 {
        let end = open.last().expect("more than the root").start - 1;
        close(&mut open, &current, end, write);
    }
    write(&open.pop().expect("the root").bytes)
}

/// One tree object from its direct entries, which must be in Git's order.
pub fn encode(entries: &[(u32, ObjectId, &BStr)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (entry_mode, id, name) in entries {
        put(&mut bytes, *entry_mode, name, id);
    }
    bytes
}

fn put(bytes: &mut Vec<u8>, entry_mode: u32, name: &[u8], id: &ObjectId) {
    bytes.extend_from_slice(format!("{entry_mode:o} ").as_bytes());
    bytes.extend_from_slice(name);
    bytes.push(0);
    bytes.extend_from_slice(id.as_slice());
}

/// Applies `edits` to the tree `base` and returns the new root's id; only folders on the way are read and written.
///
/// # Errors
/// A folder on the way cannot be read.
pub fn edit(
    repo: &gix::Repository,
    base: ObjectId,
    edits: &[Edit],
    write: &mut dyn FnMut(&[u8]) -> ObjectId,
) -> Result<ObjectId, Box<dyn std::error::Error + Send + Sync>> {
    use gix::objs::{Tree, WriteTo as _, tree::EntryKind};
    let hash = repo.object_hash();
    let root =
        if base == ObjectId::empty_tree(hash) { Tree::empty() } else { repo.find_tree(base)?.decode()?.into_owned() };
    let mut editor = gix::objs::tree::Editor::new(root, &repo.objects, hash);
    // First what goes: a file may make room for a folder of its name. Only leaves go, for a folder may have taken a file's place.
    for (path, new) in edits {
        if new.is_none() {
            editor.remove(path.split_str(b"/").map(ByteSlice::as_bstr))?;
        }
    }
    for (path, new) in edits {
        if let Some((entry_mode, id)) = new {
            let kind = match *entry_mode {
                mode::EXECUTABLE => EntryKind::BlobExecutable,
                mode::LINK => EntryKind::Link,
                mode::SUBMODULE => EntryKind::Commit,
                mode::FOLDER => EntryKind::Tree,
                _ => EntryKind::Blob,
            };
            editor.upsert(path.split_str(b"/").map(ByteSlice::as_bstr), kind, *id)?;
        }
    }
    let mut bytes = Vec::new();
    editor.write(|tree| {
        bytes.clear();
        tree.write_to(&mut bytes)?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(write(&bytes))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::HashKind;
    use crate::pack::{Batch, Kind};

    fn blob() -> ObjectId {
        ObjectId::empty_blob(HashKind::Sha1)
    }

    /// Builds with our code and with `git mktree`-like index plumbing, and compares.
    fn check(paths: &[&str]) {
        let dir = tempfile::tempdir().unwrap();
        let git = |args: &[&str], input: &str| {
            use std::io::Write as _;
            let mut child = crate::git::command(dir.path())
                .args(args)
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
            let out = child.wait_with_output().unwrap();
            assert!(out.status.success());
            String::from_utf8(out.stdout).unwrap().trim().to_owned()
        };
        git(&["init", "-q", "."], "");
        git(&["hash-object", "-w", "--stdin"], "");
        let input: String = paths.iter().map(|p| format!("100644 {} 0\t{p}\n", blob())).collect();
        git(&["update-index", "--index-info"], &input);
        let expected = git(&["write-tree"], "");
        let mut sorted = paths.to_vec();
        sorted.sort_unstable();
        let ours = build(sorted.iter().map(|p| (mode::FILE, blob(), BStr::new(p.as_bytes()))), &mut |bytes| {
            Batch::id_of(HashKind::Sha1, Kind::Tree, bytes)
        });
        assert_eq!(ours.to_string(), expected, "{paths:?}");
    }

    #[test]
    fn trees_equal_gits() {
        check(&[]);
        check(&["a"]);
        check(&["a/b", "a.b", "a-b", "a0", "ab/c"]);
        check(&["x/y/z/1", "x/y/z/2", "x/y/1", "x/1", "y/y/y", "y/z"]);
        check(&["a/b/c", "a/bc", "a/b.c/d", "ab"]);
    }
}
