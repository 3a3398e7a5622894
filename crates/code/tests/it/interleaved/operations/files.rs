//! What the user does to files.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use carry_testkit::rng::Rng;

use super::{Operation, User};

pub(super) const OPERATIONS: &[Operation] = &[
    (14, "edit a line", edit_line),
    (6, "append", append),
    (6, "edit without a change of size", edit_same_size),
    (10, "write a file", write),
    (5, "delete a file", delete),
    (2, "delete a folder", delete_folder),
    (5, "rename", rename),
    (2, "rename a folder", rename_folder),
    (3, "make an empty folder", mkdir),
    (4, "change a mode", chmod),
    (4, "make a link", link),
    (3, "swap a file and a folder", swap),
    (3, "touch", touch),
    (3, "replace a file by a copy of another", copy),
];

/// Few names, so that they meet: files that become folders, names that sort close to a folder's, bytes that are no text.
const NAMES: &[&[u8]] = &[
    b"a",
    b"b.txt",
    b"d/x",
    b"d/y.md",
    b"d/e/z",
    b"d/e/f/deep",
    b"d.x",
    b"d-",
    b"f",
    b"f/x",
    b"f/y",
    b"d/e",
    b"g.o",
    b"build/out",
    b"build/kept.txt",
    b"logs",
    b"logs/1",
    b"caf\xe9/\xff",
    b"with space",
    b"w.up",
    b"~",
];

/// Files (or folders) below `root`, sorted; without what belongs to Git or to a linked worktree.
pub(super) fn list(root: &Path, folders: bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(root.join(&folder)).into_iter().flatten().flatten() {
            let path = folder.join(entry.file_name());
            let is_folder = entry.file_type().is_ok_and(|t| t.is_dir());
            if path == Path::new(".git") || (is_folder && root.join(&path).join(".git").exists()) {
                continue;
            }
            if is_folder == folders {
                found.push(path.clone());
            }
            if is_folder {
                pending.push(path);
            }
        }
    }
    found.sort();
    found
}

pub(super) fn some_name(rng: &mut Rng) -> PathBuf {
    let name = rng.pick::<&[u8]>(NAMES);
    PathBuf::from(OsStr::from_bytes(name))
}

/// A dozen lines of few words, so that edits of two branches sometimes meet and sometimes do not.
fn text(u: &mut User) -> Vec<u8> {
    let end = if u.aged && u.rng.chance(40) { "\r\n" } else { "\n" };
    let lines = 4 + u.rng.below(10);
    let mut text: Vec<u8> = (0..lines).flat_map(|n| format!("line {n} {}{end}", u.rng.below(3)).into_bytes()).collect();
    match u.rng.below(20) {
        0 => text.clear(),
        1 => text.push(0),
        2 => text.extend_from_slice(b"$Id$\n"),
        3 => {
            text.pop();
        }
        _ => {}
    }
    text
}

/// Writes a file of some lines, whatever is in its way.
pub(super) fn write_text(u: &mut User, path: &Path) {
    let text = text(u);
    put(u, path, &text);
}

pub(super) fn put(u: &mut User, path: &Path, content: &[u8]) {
    make_room(u, path);
    u.twins.both(|repo| {
        repo.write(path, content);
    });
    u.twins.note(format!("    {} bytes to {}", content.len(), path.display()));
    u.twins.date(path);
}

/// Takes away what keeps a file from being written at `path`: a folder there, or a file or link on the way to it.
fn make_room(u: &User, path: &Path) {
    u.twins.both(|repo| {
        for parent in path.ancestors().skip(1) {
            if fs::symlink_metadata(repo.path(parent)).is_ok_and(|m| !m.is_dir()) {
                repo.delete(parent);
            }
        }
        if fs::symlink_metadata(repo.path(path)).is_ok_and(|m| !m.is_file()) {
            repo.delete(path);
        }
    });
}

/// Some file that is no link, and its content.
fn some_text(u: &mut User) -> Option<(PathBuf, Vec<u8>)> {
    let path = u.some_file()?;
    let full = u.twins.captured.path(&path);
    let is_file = fs::symlink_metadata(&full).is_ok_and(|m| m.is_file());
    is_file.then(|| fs::read(full).expect("the file is ours")).map(|content| (path, content))
}

fn edit_line(u: &mut User) {
    let Some((path, content)) = some_text(u) else { return write(u) };
    let mut lines: Vec<Vec<u8>> = content.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
    let at = u.rng.below(lines.len() + 1);
    let line = format!("edited {}\n", u.rng.below(4)).into_bytes();
    if at == lines.len() || u.rng.chance(20) {
        lines.insert(at, line);
    } else if u.rng.chance(20) {
        lines.remove(at);
    } else {
        lines[at] = line;
    }
    put(u, &path, &lines.concat());
}

fn append(u: &mut User) {
    let Some((path, mut content)) = some_text(u) else { return };
    content.extend_from_slice(format!("appended {}\n", u.rng.below(4)).as_bytes());
    put(u, &path, &content);
}

fn edit_same_size(u: &mut User) {
    let Some((path, mut content)) = some_text(u) else { return };
    let digits: Vec<usize> = (0..content.len()).filter(|at| content[*at].is_ascii_digit()).collect();
    if !digits.is_empty() {
        let at = *u.rng.pick(&digits);
        content[at] = b'0' + u8::try_from(u.rng.below(10)).expect("a digit");
    }
    put(u, &path, &content);
}

fn write(u: &mut User) {
    let name = some_name(&mut u.rng);
    write_text(u, &name);
}

fn delete(u: &mut User) {
    let Some(path) = u.some_file() else { return };
    remove(u, &path);
}

pub(super) fn remove(u: &mut User, path: &Path) {
    u.twins.both(|repo| {
        repo.delete(path);
    });
    u.twins.note(format!("    {} deleted", path.display()));
}

fn some_folder(u: &mut User) -> Option<PathBuf> {
    let folders = list(u.twins.captured.root(), true);
    (!folders.is_empty()).then(|| u.rng.pick(&folders).clone())
}

fn delete_folder(u: &mut User) {
    let Some(path) = some_folder(u) else { return };
    remove(u, &path);
}

fn rename(u: &mut User) {
    let (Some(from), to) = (u.some_file(), some_name(&mut u.rng)) else { return };
    move_over(u, &from, &to);
}

fn rename_folder(u: &mut User) {
    let Some(from) = some_folder(u) else { return };
    let to = *u.rng.pick(&["d", "f", "moved", "d/moved", "build", "moved.o"]);
    move_over(u, &from, Path::new(to));
}

fn move_over(u: &mut User, from: &Path, to: &Path) {
    if from == to || to.starts_with(from) || from.starts_with(to) {
        return;
    }
    make_room(u, to);
    u.twins.both(|repo| {
        // Making room may have taken the very thing away that was to be moved.
        if fs::symlink_metadata(repo.path(from)).is_ok() {
            repo.delete(to);
            fs::create_dir_all(repo.path(to).parent().expect("below the root")).expect("there is room");
            fs::rename(repo.path(from), repo.path(to)).expect("there is room");
        }
    });
    u.twins.note(format!("    {} to {}", from.display(), to.display()));
    u.twins.date(to);
}

fn mkdir(u: &mut User) {
    let path = some_name(&mut u.rng);
    make_room(u, &path);
    u.twins.both(|repo| {
        repo.delete(&path);
        fs::create_dir_all(repo.path(&path)).expect("there is room");
    });
    u.twins.note(format!("    {}/", path.display()));
}

fn chmod(u: &mut User) {
    let Some((path, _)) = some_text(u) else { return };
    let mode = *u.rng.pick(&[0o755, 0o644, 0o700, 0o600]);
    u.twins.both(|repo| {
        fs::set_permissions(repo.path(&path), fs::Permissions::from_mode(mode)).expect("the file is ours");
    });
    u.twins.note(format!("    {mode:o} {}", path.display()));
    u.twins.date(&path);
}

fn link(u: &mut User) {
    let path = some_name(&mut u.rng);
    let target = *u.rng.pick(&["a", "d", "nowhere", "../outside", "d/x", "."]);
    make_room(u, &path);
    u.twins.both(|repo| {
        repo.delete(&path).symlink(&path, target);
    });
    u.twins.note(format!("    {} -> {target}", path.display()));
    u.twins.date(&path);
}

fn swap(u: &mut User) {
    if u.rng.chance(50)
        && let Some(folder) = some_folder(u)
    {
        write_text(u, &folder);
    } else if let Some(file) = u.some_file()
        && !file.file_name().is_some_and(|name| name.as_bytes().starts_with(b".git"))
    {
        let below = file.join(u.rng.pick(&["x", "in/side", "z.o"]));
        write_text(u, &below);
    }
}

fn touch(u: &mut User) {
    let Some((path, content)) = some_text(u) else { return };
    put(u, &path, &content);
}

/// As editors and installers do it: a new file in the place of the old one.
fn copy(u: &mut User) {
    let Some((from, content)) = some_text(u) else { return };
    let to = u.some_path();
    if from != to && !from.starts_with(&to) && !to.starts_with(&from) {
        make_room(u, &to);
        u.twins.both(|repo| {
            repo.delete(&to);
        });
        put(u, &to, &content);
    }
}
