//! `cargo xtask ci`: all rules that can be checked without running a test. Every check runs, then the failures are named.

use crate::run::{cargo, shown};
use crate::{Outcome, docs, out};

mod layers;
mod licences;
mod links;
mod module_docs;
mod rules;

/// A check and its name.
type Check = (&'static str, fn() -> Outcome);

/// Runs every check.
pub(crate) fn run() -> Outcome {
    let checks: &[Check] = &[
        ("formatting", || shown(&mut cargo(&["fmt", "--all", "--check"]))),
        ("lints", || {
            shown(&mut cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))
        }),
        ("documentation", || {
            shown(cargo(&["doc", "--workspace", "--no-deps", "--locked"]).env("RUSTDOCFLAGS", "-D warnings"))
        }),
        ("layers", layers::check),
        ("licences", licences::check),
        ("module documentation", module_docs::check),
        ("links in documents", links::check),
        ("tests that documents name", rules::check),
        ("generated documents", docs::check),
    ];
    let mut failures = Vec::new();
    for (name, check) in checks {
        out::note(&format!("-- {name}"));
        if let Err(error) = check() {
            out::note(&format!("{error}"));
            failures.push(*name);
        }
    }
    if failures.is_empty() {
        out::line(&format!("{} checks passed", checks.len()));
        return Ok(());
    }
    Err(format!("these checks failed: {}", failures.join(", ")).into())
}

/// `cargo metadata` as JSON.
fn metadata(more: &[&str]) -> Outcome<serde_json::Value> {
    let mut metadata = cargo(&["metadata", "--format-version", "1", "--locked"]);
    Ok(serde_json::from_str(&crate::run::captured(metadata.args(more))?)?)
}

/// All packages of `metadata`.
fn packages(metadata: &serde_json::Value) -> &[serde_json::Value] {
    metadata["packages"].as_array().map_or(&[], Vec::as_slice)
}

/// A text field, empty when it is not there.
fn text<'a>(value: &'a serde_json::Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}
