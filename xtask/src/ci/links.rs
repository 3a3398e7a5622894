//! Links between our documents lead somewhere.

use std::path::{Path, PathBuf};

use crate::Outcome;
use crate::run::root;

/// Fails with every link to a file that is not there.
pub(super) fn check() -> Outcome {
    let mut wrong = Vec::new();
    for file in documents()? {
        let text = std::fs::read_to_string(&file)?;
        let folder = file.parent().unwrap_or(root());
        for target in targets(&text) {
            if !folder.join(target).exists() {
                wrong.push(format!("{}: there is no {target}", file.strip_prefix(root())?.display()));
            }
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}

/// Our Markdown files: those in the root, and everything below `docs`.
fn documents() -> Outcome<Vec<PathBuf>> {
    let mut folders = vec![root().join("docs")];
    let mut files = markdown(root())?;
    while let Some(folder) = folders.pop() {
        files.extend(markdown(&folder)?);
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(files)
}

fn markdown(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    Ok(entries.iter().map(std::fs::DirEntry::path).filter(|path| path.extension().is_some_and(|e| e == "md")).collect())
}

/// Targets of `[text](target)` that are files, without their `#fragment`.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    let links = text.match_indices("](").filter_map(|(at, _)| text[at + 2..].split(')').next());
    let files = links.filter(|target| !target.contains("://") && !target.starts_with('#') && !target.contains(' '));
    files.filter_map(|target| target.split('#').next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_are_looked_for() {
        let text = "[a](docs/a.md#b) [b](https://x.y/z) [c](#here) `x[0](1 2)` [d](d.md)";
        assert_eq!(targets(text).collect::<Vec<_>>(), ["docs/a.md", "d.md"]);
    }
}
