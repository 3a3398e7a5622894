//! Every file of source opens by saying what it is for.

use std::path::{Path, PathBuf};

use crate::Outcome;
use crate::run::root;

/// Fails with every file that does not begin with `//!`. Files that hold only tests explain themselves.
pub(super) fn check() -> Outcome {
    let mut wrong = Vec::new();
    for file in sources()? {
        let text = std::fs::read_to_string(&file)?;
        if !is_test(&file) && !text.starts_with("//!") {
            wrong.push(format!("{} does not begin with //!", file.strip_prefix(root())?.display()));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}

/// Every Rust file of ours.
fn sources() -> Outcome<Vec<PathBuf>> {
    let mut folders = vec![root().join("crates"), root().join("xtask")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() && entry.file_name() != "target" {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn is_test(file: &Path) -> bool {
    let below = file.strip_prefix(root()).unwrap_or(file);
    below.components().any(|part| part.as_os_str() == "tests") || below.ends_with("tests.rs")
}
