//! Edits of files: random ones, scripts of them, and what a script comes to.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use carry_testkit::repo::write_file;
use carry_testkit::rng::Rng;

/// One edit. An edit of what is not there does nothing.
#[derive(Clone, Debug)]
pub(super) enum Edit {
    /// The whole content.
    Write(String, String),
    /// One line of it, counted from 0.
    Line(String, usize, String),
    /// A line in between.
    Insert(String, usize, String),
    Delete(String),
    Rename(String, String),
    /// Executable or not.
    Mode(String, bool),
}

/// Paths with content and whether it is executable.
pub(super) type Files = BTreeMap<String, (String, bool)>;

/// Everything in a working tree but `.git`.
pub(super) fn read(root: &Path) -> Files {
    let mut files = Files::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with(".git") {
                folders.push(path);
            } else if path.is_file() {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                let executable = path.metadata().unwrap().permissions().mode() & 0o100 != 0;
                files.insert(name, (std::fs::read_to_string(&path).unwrap(), executable));
            }
        }
    }
    files
}

impl Edit {
    /// Makes it in memory.
    pub(super) fn apply(&self, files: &mut Files) {
        match self {
            Self::Write(path, content) => {
                let executable = files.get(path).is_some_and(|file| file.1);
                files.insert(path.clone(), (content.clone(), executable));
            }
            Self::Line(path, at, line) => {
                if let Some(file) = files.get_mut(path) {
                    file.0 = changed(&file.0, *at, line, 1);
                }
            }
            Self::Insert(path, at, line) => {
                if let Some(file) = files.get_mut(path) {
                    file.0 = changed(&file.0, *at, line, 0);
                }
            }
            Self::Delete(path) => drop(files.remove(path)),
            Self::Rename(from, to) => {
                if let Some(file) = files.remove(from) {
                    files.insert(to.clone(), file);
                }
            }
            Self::Mode(path, executable) => {
                if let Some(file) = files.get_mut(path) {
                    file.1 = *executable;
                }
            }
        }
    }

    /// Makes it on disk.
    pub(super) fn make(&self, root: &Path) {
        let before = read(root);
        let mut after = before.clone();
        self.apply(&mut after);
        for path in before.keys().filter(|path| !after.contains_key(*path)) {
            std::fs::remove_file(root.join(path)).unwrap();
        }
        for (path, file) in after.iter().filter(|(path, file)| before.get(*path) != Some(file)) {
            write_file(&root.join(path), file.0.as_bytes());
            let mode = if file.1 { 0o755 } else { 0o644 };
            std::fs::set_permissions(root.join(path), std::fs::Permissions::from_mode(mode)).unwrap();
        }
    }
}

/// With `line` in place of the `replaced` lines at `at`.
fn changed(content: &str, at: usize, line: &str, replaced: usize) -> String {
    let mut lines: Vec<&str> = content.lines().collect();
    let at = at % (lines.len() + 1);
    let end = (at + replaced).min(lines.len());
    lines.splice(at..end, [line]);
    lines.join("\n") + "\n"
}

/// Twelve lines that nobody else has.
pub(super) fn content(what: &str) -> String {
    (0..12).map(|n| format!("{what}, line {n}\n")).collect()
}

/// A random edit of one of `paths`; what it writes is told apart by `mark`.
pub(super) fn random(paths: &[String], mark: &str, rng: &mut Rng) -> Edit {
    let path = rng.pick(paths).clone();
    match rng.below(12) {
        0..3 => Edit::Write(path, content(mark)),
        3..6 => Edit::Line(path, rng.below(12), mark.to_owned()),
        6..8 => Edit::Insert(path, rng.below(12), mark.to_owned()),
        8 => Edit::Delete(path),
        9..11 => Edit::Rename(path, rng.pick(paths).clone()),
        _ => Edit::Mode(path, rng.chance(60)),
    }
}

/// Edits of one device on files of its own.
pub(super) fn script(who: usize, edits: usize, rng: &mut Rng) -> Vec<Edit> {
    let paths: Vec<String> = ["a", "b", "in/c"].iter().map(|name| format!("d{who}/{name}")).collect();
    let first = Edit::Write(paths[0].clone(), content(&format!("device {who}")));
    let more = (1..edits).map(|n| random(&paths, &format!("device {who}, edit {n}"), rng));
    std::iter::once(first).chain(more).collect()
}

/// What all scripts together come to, beside what every clone begins with.
pub(super) fn played(scripts: &[Vec<Edit>]) -> Files {
    let mut files = first();
    scripts.iter().flatten().for_each(|edit| edit.apply(&mut files));
    files
}

/// What every clone begins with.
pub(super) fn first() -> Files {
    let mut files: Files =
        ["f0", "f1", "in/f2"].iter().map(|path| ((*path).to_owned(), (content(path), false))).collect();
    files.insert(super::lines::PATH.to_owned(), (super::lines::first(), false));
    files
}
