//! Whether a folder may become a place: one that lies in what Carry captures or keeps would feed on itself.

use std::path::{Path, PathBuf};

/// What a folder must stay apart from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ground {
    /// Where Carry keeps its things.
    Home(PathBuf),
    /// A registered working tree.
    Tree(PathBuf),
    /// Where a coding agent keeps its sessions.
    Agent(PathBuf),
}

impl Ground {
    /// The folder.
    pub fn path(&self) -> &Path {
        match self {
            Self::Home(path) | Self::Tree(path) | Self::Agent(path) => path,
        }
    }
}

/// The first of `grounds` that the exchange in the folder `root` would lie in, or that would lie in it. Paths are compared as they
/// are: resolve links before.
pub fn overlap<'g>(root: &Path, grounds: &'g [Ground]) -> Option<&'g Ground> {
    // All files lie below this one folder.
    let files = root.join("carry");
    grounds.iter().find(|ground| files.starts_with(ground.path()) || ground.path().starts_with(&files))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_lies_neither_in_what_is_captured_nor_around_it() {
        let grounds =
            [Ground::Home("/h/.carry".into()), Ground::Tree("/h/src/a".into()), Ground::Agent("/h/.claude".into())];
        let found = |root: &str| overlap(Path::new(root), &grounds).map(|ground| ground.path().to_owned());
        for root in ["/h/src/a", "/h/src/a/deep", "/h/.carry/data", "/h/.claude"] {
            assert!(found(root).is_some(), "{root}");
        }
        for root in ["/h", "/h/src", "/h/src/ab", "/mnt/nas"] {
            assert_eq!(found(root), None, "{root}");
        }
        let inside = [Ground::Home("/mnt/carry/config".into())];
        assert!(overlap(Path::new("/mnt"), &inside).is_some(), "the home would lie in the exchange");
    }
}
