//! From a path as it was typed to one below the root of a working tree.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use carry_code::git::{BStr, BString, ByteSlice as _};

use crate::failure::Failure;

/// `typed`, as said in the folder `cwd`, relative to `root`; empty for the root itself. The path need not exist: what is
/// to be restored often does not. A link at its end is meant itself, not what it points at.
pub(crate) fn below_root(root: &Path, cwd: &Path, typed: &Path) -> Result<BString, Failure> {
    let full = without_dots(&cwd.join(typed));
    let below = full.strip_prefix(root).map(Path::to_owned).ok().or_else(|| {
        let resolved = resolve_folder(&full)?;
        resolved.strip_prefix(root).map(Path::to_owned).ok()
    });
    let Some(below) = below else {
        return Err(Failure::usage(format!("{} is outside the working tree {}", typed.display(), root.display())));
    };
    if below.components().any(|part| part.as_os_str().eq_ignore_ascii_case(".git")) {
        return Err(Failure::usage(format!("{} belongs to Git itself, which Carry does not capture", typed.display())));
    }
    Ok(below.as_os_str().as_bytes().into())
}

/// All of them; the root when there is none.
pub(crate) fn all_below_root(root: &Path, cwd: &Path, typed: &[PathBuf]) -> Result<Vec<BString>, Failure> {
    typed.iter().map(|path| below_root(root, cwd, path)).collect()
}

/// The bytes of a path of the file system.
pub(crate) fn bytes(path: &Path) -> &BStr {
    path.as_os_str().as_bytes().as_bstr()
}

/// A path from the root as the system takes it.
pub(crate) fn os(path: &BString) -> &Path {
    Path::new(std::ffi::OsStr::from_bytes(path.as_slice()))
}

/// Takes `.` and `..` out by the text alone, as Git does.
pub(crate) fn without_dots(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean
}

/// Resolves links in all but the last part, as far as the path exists.
pub(crate) fn resolve_folder(path: &Path) -> Option<PathBuf> {
    if let (Some(parent), Some(name)) = (path.parent(), path.file_name()) {
        for ancestor in parent.ancestors() {
            if let Ok(real) = ancestor.canonicalize() {
                let rest = parent.strip_prefix(ancestor).ok()?;
                return Some(real.join(rest).join(name));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(cwd: &str, typed: &str, expected: Option<&str>) {
        let got = below_root(Path::new("/r"), Path::new(cwd), Path::new(typed)).ok();
        assert_eq!(got, expected.map(Into::into), "{typed} in {cwd}");
    }

    #[test]
    fn paths_are_taken_from_where_one_stands() {
        check("/r", "a/b", Some("a/b"));
        check("/r/src", "../a", Some("a"));
        check("/r/src", "./x/../y", Some("src/y"));
        check("/r/src", "/r/z", Some("z"));
        check("/r", ".", Some(""));
    }

    #[test]
    fn paths_outside_and_inside_git_are_refused() {
        check("/r", "../other", None);
        check("/r", "/etc/passwd", None);
        check("/r", ".git/config", None);
        check("/r", "sub/.GIT/config", None);
        check("/r", ".gitignore", Some(".gitignore"));
    }

    #[test]
    fn a_linked_folder_above_the_root_is_seen_through() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().canonicalize().unwrap().join("real");
        std::fs::create_dir(&real).unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert_eq!(below_root(&real, &real, &link.join("gone/file")).unwrap(), "gone/file");
    }
}
