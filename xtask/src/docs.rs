//! `cargo xtask docs`: the parts of the documents that the program itself knows best.
//!
//! Between `<!-- begin: NAME -->` and `<!-- end: NAME -->` stands what a run of the program printed; everything else is
//! written by hand. The check compares instead of writing.

use std::io::Write as _;
use std::path::Path;

use crate::Outcome;
use crate::run::{captured, cargo, root};

/// Document, name of the part, language of the code block, arguments of `carry` that print it.
const PARTS: &[(&str, &str, &str, &[&str])] =
    &[("docs/configuration.md", "config template", "toml", &["config", "template"])];

/// Writes every part.
pub(crate) fn write() -> Outcome {
    for (file, text) in changed()? {
        write_file(&root().join(file), &text)?;
        crate::out::note(&format!("{file} is written anew"));
    }
    Ok(())
}

/// Fails when a part is not what the program prints.
pub(crate) fn check() -> Outcome {
    let stale: Vec<String> = changed()?.into_iter().map(|(file, _)| file.to_owned()).collect();
    if stale.is_empty() {
        return Ok(());
    }
    Err(format!("{} no longer says what the program does; run `cargo xtask docs`", stale.join(", ")).into())
}

/// The documents that must change, with their new text.
fn changed() -> Outcome<Vec<(&'static str, String)>> {
    let home = tempfile::tempdir()?;
    let mut changed = Vec::new();
    for (file, name, language, args) in PARTS {
        let mut program = cargo(&["run", "--quiet", "--locked", "--package", "carry", "--bin", "carry", "--"]);
        let printed = captured(program.env("CARRY_HOME", home.path()).args(*args))?;
        let old = std::fs::read_to_string(root().join(file))?;
        let new = with_part(&old, name, language, &printed).ok_or_else(|| format!("{file} has no part {name:?}"))?;
        if new != old {
            changed.push((*file, new));
        }
    }
    Ok(changed)
}

/// `document` with the part `name` replaced; `None` when it has no such part.
fn with_part(document: &str, name: &str, language: &str, printed: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- begin: {name} -->"), format!("<!-- end: {name} -->"));
    let (head, rest) = document.split_once(&begin)?;
    let (_, tail) = rest.split_once(&end)?;
    Some(format!("{head}{begin}\n```{language}\n{}\n```\n{end}{tail}", printed.trim_end()))
}

/// Writes a file of the checkout: it is under version control, so that it need not be written durably.
pub(crate) fn write_file(path: &Path, text: &str) -> Outcome {
    Ok(std::fs::File::create(path)?.write_all(text.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_part_changes() {
        let document = "a\n<!-- begin: x -->\nold\n<!-- end: x -->\nb\n";
        let expected = "a\n<!-- begin: x -->\n```toml\nnew\n```\n<!-- end: x -->\nb\n";
        assert_eq!(with_part(document, "x", "toml", "new\n\n").as_deref(), Some(expected));
        assert_eq!(with_part(expected, "x", "toml", "new").as_deref(), Some(expected));
        assert_eq!(with_part(document, "y", "toml", "new"), None);
    }
}
