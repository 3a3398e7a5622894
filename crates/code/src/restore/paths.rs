//! Paths as asked for and as trees have them: which may be written, and what lies below what. Pure.

use std::collections::HashSet;

use crate::git::{BStr, BString, ByteSlice as _};

/// A path as asked for, without slashes at its ends and `.` parts; empty for the root.
pub(super) fn normal(path: &BStr) -> BString {
    let parts: Vec<&[u8]> = path.split(|b| *b == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
    parts.join(&b'/').into()
}

/// The asked-for paths without those that lie in others.
pub(super) fn outermost(paths: &[BString]) -> Vec<BString> {
    let mut all: Vec<BString> = paths.iter().map(|path| normal(path.as_bstr())).collect();
    all.sort();
    all.dedup();
    let known: HashSet<&BStr> = all.iter().map(|path| path.as_bstr()).collect();
    let within_another = |path: &BString| {
        let above = path.find_iter("/").map(|at| path[..at].as_bstr());
        above.chain((!path.is_empty()).then_some(b"".as_bstr())).any(|above| known.contains(above))
    };
    all.iter().filter(|path| !within_another(path)).cloned().collect()
}

/// Whether `path` is `folder` or lies below it. Everything lies below the empty path.
pub(super) fn is_within(path: &BStr, folder: &BStr) -> bool {
    folder.is_empty() || path.strip_prefix(folder.as_bytes()).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

/// The parts of a path that may be written, by Git's own rules; or why it may not: parts that are empty, `.` or `..`,
/// `.git` in any case and in the spellings that other file systems take for it.
pub(super) fn parts(path: &BStr) -> Result<Vec<&BStr>, String> {
    let options =
        gix::validate::path::component::Options { protect_windows: false, protect_hfs: true, protect_ntfs: true };
    path.split(|b| *b == b'/')
        .map(|part| {
            if part.contains(&0) {
                return Err("its name holds a NUL".to_owned());
            }
            gix::validate::path::component(part.as_bstr(), None, options)
                .map_err(|e| format!("its name is refused: {e}"))
        })
        .collect()
}

/// The folder a path lies in, and its last part.
pub(super) fn split(path: &BStr) -> (&BStr, &BStr) {
    match path.rfind_byte(b'/') {
        Some(at) => (path[..at].as_bstr(), path[at + 1..].as_bstr()),
        None => (b"".as_bstr(), path),
    }
}

/// `folder` and `name` as one path.
pub(super) fn join(folder: &BStr, name: &BStr) -> BString {
    if folder.is_empty() {
        return name.to_owned();
    }
    [folder.as_bytes(), b"/", name.as_bytes()].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asked_for_paths_lose_what_means_nothing() {
        for (given, wanted) in [("", ""), (".", ""), ("./", ""), ("a/", "a"), ("./a//b/.", "a/b"), ("a/../b", "a/../b")]
        {
            assert_eq!(normal(given.into()), wanted, "{given}");
        }
        let asked: Vec<BString> = ["a/b", "a", "ab", "./a/"].into_iter().map(Into::into).collect();
        assert_eq!(outermost(&asked), ["a", "ab"]);
        assert_eq!(outermost(&["x".into(), "".into()]), [""]);
    }

    #[test]
    fn what_git_would_refuse_is_refused() {
        for bad in [
            "",
            "/a",
            "a//b",
            "a/",
            ".",
            "a/../b",
            "..",
            ".git",
            "a/.GIT/hooks/x",
            ".Git",
            "git~1",
            ".g\u{200c}it",
            "a\0b",
        ] {
            assert!(parts(bad.into()).is_err(), "{bad:?}");
        }
        for good in ["a", "a/b", ".gitignore", "git", "...", "a b", "a\\b", ".gitattributes", "\u{e9}"] {
            assert!(parts(good.into()).is_ok(), "{good:?}");
        }
        assert_eq!(parts(b"a/\xff".as_bstr()).unwrap().len(), 2);
    }

    #[test]
    fn a_name_that_only_begins_alike_is_not_within() {
        assert!(is_within("a/b".into(), "a".into()));
        assert!(is_within("a".into(), "a".into()));
        assert!(is_within("a".into(), "".into()));
        assert!(!is_within("ab".into(), "a".into()));
        assert!(!is_within("a".into(), "a/b".into()));
    }

    #[test]
    fn splitting_and_joining_undo_each_other() {
        for path in ["a", "a/b", "a/b/c"] {
            let (folder, name) = split(path.into());
            assert_eq!(join(folder, name), path);
        }
    }
}
