//! Large working trees from a seed: as many small text files as wanted, committed and packed.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::git;
use crate::rng::Rng;

/// Files in one folder.
const PER_FOLDER: usize = 50;
/// Folders in one folder.
const FOLDERS_PER_FOLDER: usize = 40;
/// Size of a file, in bytes: from, and how much more at most.
const BYTES_MIN: usize = 200;
const BYTES_SPAN: usize = 600;

const WORDS: &[&str] = &[
    "let", "count", "value", "return", "stream", "buffer", "if", "index", "record", "head", "for", "in", "state",
    "match", "error", "path", "line", "read", "write", "open", "close", "begin", "end", "none", "some", "true",
    "false", "result",
];

/// What to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synthetic {
    /// How many files.
    pub files: usize,
    /// The same seed gives the same bytes.
    pub seed: u64,
}

impl Synthetic {
    /// Path of the file `n`, from 0.
    pub fn path(&self, n: usize) -> PathBuf {
        let folder = n / PER_FOLDER;
        PathBuf::from(format!("src/part{:02}/mod{folder:04}/file{n:06}.txt", folder / FOLDERS_PER_FOLDER))
    }

    /// Content of the file `n`: lines of words, 200 to 800 bytes.
    pub fn content(&self, n: usize) -> Vec<u8> {
        let mut rng = Rng::new(self.seed ^ (n as u64).wrapping_mul(0xa076_1d64_78bd_642f));
        let bytes = BYTES_MIN + rng.below(BYTES_SPAN);
        let mut text = Vec::with_capacity(bytes + 16);
        let mut column = 0;
        while text.len() < bytes {
            let word = rng.pick(WORDS);
            text.extend_from_slice(word.as_bytes());
            column += word.len() + 1;
            text.push(if column > 60 { b'\n' } else { b' ' });
            column = if column > 60 { 0 } else { column };
        }
        if let Some(last) = text.last_mut() {
            *last = b'\n';
        }
        text
    }

    /// Makes the repository in `root`, which must be empty or not there: one commit on `main`, objects in one pack, the
    /// working tree checked out.
    #[track_caller]
    pub fn create(&self, root: &Path) {
        std::fs::create_dir_all(root).unwrap_or_else(|error| panic!("cannot make {}: {error}", root.display()));
        let git = |args: &[&str]| {
            let mut git = git::command(root, root, git::EPOCH);
            git.args(args);
            git
        };
        git::succeed(&mut git(&["init", "--quiet", "--initial-branch=main"]));
        for (key, value) in [("gc.auto", "0"), ("maintenance.auto", "false"), ("fastimport.unpackLimit", "0")] {
            git::succeed(&mut git(&["config", key, value]));
        }
        self.import(git(&["fast-import", "--quiet"]));
        git::succeed(&mut git(&["reset", "--hard", "--quiet"]));
    }

    #[track_caller]
    fn import(&self, mut import: Command) {
        let mut child = import.stdin(Stdio::piped()).spawn().unwrap_or_else(|error| panic!("cannot run git: {error}"));
        let pipe = child.stdin.take().expect("asked for a pipe");
        let mut out = std::io::BufWriter::with_capacity(1 << 20, pipe);
        let written = (|| -> std::io::Result<()> {
            writeln!(out, "commit refs/heads/main\ncommitter Test <test@example.com> {} +0000", git::EPOCH)?;
            writeln!(out, "data 5\nfirst")?;
            for n in 0..self.files {
                let content = self.content(n);
                writeln!(out, "M 100644 inline {}\ndata {}", self.path(n).display(), content.len())?;
                out.write_all(&content)?;
                out.write_all(b"\n")?;
            }
            out.flush()
        })();
        drop(out);
        let status = child.wait().expect("the child was started");
        assert!(
            status.success() && written.is_ok(),
            "git fast-import ended with {status}, writing to it with {written:?}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_what_was_asked_for_and_clean() {
        let dir = tempfile::TempDir::new().expect("a temporary folder");
        let root = dir.path().join("tree");
        let wanted = Synthetic { files: 120, seed: 3 };
        wanted.create(&root);
        assert_eq!(git::read(&root, ["status", "--porcelain"]), "");
        assert_eq!(git::read(&root, ["ls-files"]).lines().count(), 120);
        assert_eq!(std::fs::read(root.join(wanted.path(119))).expect("the last file"), wanted.content(119));
        assert!(git::read(&root, ["count-objects", "-v"]).contains("count: 0\n"), "loose objects were left");
    }

    #[test]
    fn another_seed_gives_other_bytes_of_the_promised_size() {
        let (one, two) = (Synthetic { files: 1, seed: 1 }, Synthetic { files: 1, seed: 2 });
        assert_ne!(one.content(0), two.content(0));
        assert_eq!(one.content(0), one.content(0));
        assert!((0..500).all(|n| (200..=820).contains(&one.content(n).len())));
    }
}
