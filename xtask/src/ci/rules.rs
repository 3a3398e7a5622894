//! Tests that documents name are there.

use std::path::Path;

use crate::Outcome;
use crate::run::root;

/// Documents that name tests, as `path.rs::function`; paths are below `crates`.
const DOCUMENTS: &[&str] = &["docs/design/exchange-rules.md"];

/// Fails with every test that is named and not there, and for a document that names none.
pub(super) fn check() -> Outcome {
    let mut wrong = Vec::new();
    for document in DOCUMENTS {
        let text = std::fs::read_to_string(root().join(document))?;
        let named: Vec<_> = tests(&text).collect();
        if named.is_empty() {
            wrong.push(format!("{document} names no test"));
        }
        let crates = root().join("crates");
        wrong.extend(named.iter().filter(|(file, name)| !is_there(&crates, file, name)).map(|(file, name)| {
            format!(
                "{document}: there is no test {name} in crates/{file}; write it, or name the one that took its place"
            )
        }));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}

/// File and function of every `file.rs::function` in backquotes.
fn tests(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let quoted = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    quoted.filter_map(|words| words.split_once("::").filter(|(file, _)| file.ends_with(".rs")))
}

/// Whether the file has a function of this name; those of a contract are named in a macro, so attributes are not looked at.
fn is_there(crates: &Path, file: &str, name: &str) -> bool {
    std::fs::read_to_string(crates.join(file)).is_ok_and(|code| code.contains(&format!("fn {name}(")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_stand_in_backquotes_with_their_file() {
        let text = "| `a/b.rs::one`, `c.rs::two` | `three` and `Type::four` |\n`d.rs`\n";
        assert_eq!(tests(text).collect::<Vec<_>>(), [("a/b.rs", "one"), ("c.rs", "two")]);
    }

    #[test]
    fn a_test_that_is_renamed_or_moved_is_missed() {
        let dir = tempfile::tempdir().unwrap();
        crate::docs::write_file(&dir.path().join("a.rs"), "#[test]\nfn one() {}\n").unwrap();
        assert!(is_there(dir.path(), "a.rs", "one"));
        assert!(!is_there(dir.path(), "a.rs", "on"));
        assert!(!is_there(dir.path(), "a.rs", "one_more"));
        assert!(!is_there(dir.path(), "b.rs", "one"));
    }
}
