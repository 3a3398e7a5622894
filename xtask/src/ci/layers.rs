//! Dependencies between our crates point down only, and strands do not know each other.

use super::{metadata, packages, text};
use crate::Outcome;

/// Each crate and those it may stand on. A crate that is not here must first be given its place, which is the point.
const MAY_USE: &[(&str, &[&str])] = &[
    ("carry-kernel", &[]),
    ("carry-redact", &[]),
    ("carry-exchange", &["carry-kernel"]),
    ("carry-code", &["carry-kernel", "carry-exchange"]),
    ("carry-sessions", &["carry-kernel", "carry-redact", "carry-exchange"]),
    ("carry-timeline", &["carry-kernel", "carry-code", "carry-sessions"]),
    ("carry-team", &["carry-kernel", "carry-redact", "carry-sessions"]),
    (
        "carry-daemon",
        &[
            "carry-kernel",
            "carry-exchange",
            "carry-redact",
            "carry-code",
            "carry-sessions",
            "carry-timeline",
            "carry-team",
        ],
    ),
    ("carry-hub", &["carry-kernel", "carry-exchange"]),
    ("carry-sim", &["carry-kernel", "carry-exchange"]),
    (
        "carry",
        &[
            "carry-kernel",
            "carry-redact",
            "carry-code",
            "carry-sessions",
            "carry-timeline",
            "carry-team",
            "carry-exchange",
            "carry-daemon",
            "carry-hub",
        ],
    ),
    // The testkit knows none of what it helps to test, so that it cannot share a mistake with it.
    ("carry-testkit", &[]),
    ("xtask", &["carry-redact", "carry-testkit"]),
];

/// Fails with every line that breaks the rule.
pub(super) fn check() -> Outcome {
    let metadata = metadata(&["--no-deps"])?;
    let mut wrong = Vec::new();
    for package in packages(&metadata) {
        let name = text(package, "name");
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let is_ours = dependency["path"].is_string();
            let is_dev = text(dependency, "kind") == "dev";
            if is_ours && !is_allowed(name, text(dependency, "name"), is_dev) {
                wrong.push(format!("{name} may not depend on {}", text(dependency, "name")));
            }
        }
        if !MAY_USE.iter().any(|(known, _)| *known == name) {
            wrong.push(format!("{name} has no place yet: add it to xtask/src/ci/layers.rs and ARCHITECTURE.md"));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}

fn is_allowed(name: &str, dependency: &str, is_dev: bool) -> bool {
    let floor = MAY_USE.iter().find(|(known, _)| *known == name).map_or(&[][..], |(_, floor)| floor);
    floor.contains(&dependency) || (is_dev && (dependency == "carry-testkit" || dependency == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_depends_upwards_or_on_itself() {
        for (at, (name, floor)) in MAY_USE.iter().enumerate() {
            for dependency in *floor {
                let place = MAY_USE.iter().position(|(known, _)| known == dependency);
                assert!(place.is_some_and(|place| place < at), "{name} on {dependency}");
            }
        }
    }

    #[test]
    fn only_tests_use_the_testkit() {
        assert!(is_allowed("carry-code", "carry-testkit", true));
        assert!(!is_allowed("carry-code", "carry-testkit", false));
        assert!(!is_allowed("carry-kernel", "carry-code", true));
    }
}
