//! What the user changes of the rules: which files count, and how they become blobs.

use std::path::Path;

use super::{Operation, User, files};

pub(super) const OPERATIONS: &[Operation] = &[
    (4, "edit ignore rules", ignore),
    (1, "edit private ignore rules", |u| {
        let rules = some_rules(u, IGNORE);
        private(u, ".git/info/exclude", &rules);
    }),
    (2, "switch the trust in modes", |u| {
        let trust = *u.rng.pick(&["true", "false"]);
        u.twins.git(&["config", "core.fileMode", trust]);
    }),
];

/// In aged pairs: what Git makes of these depends on whether files are older than the index.
pub(super) const IN_AGED_PAIRS: &[Operation] = &[
    (3, "check out less", sparse),
    (3, "check out everything", |u| {
        u.twins.git(&["sparse-checkout", "disable"]);
    }),
    (8, "edit attributes", attributes),
    (4, "switch the conversion of line ends", line_ends),
    (1, "edit private attributes", |u| {
        let rules = some_rules(u, ATTRIBUTES);
        private(u, ".git/info/attributes", &rules);
    }),
    (1, "change a filter", |u| {
        let clean = *u.rng.pick(&["tr a-z A-Z", "tr a-m A-M"]);
        u.twins.git(&["config", "filter.up.clean", clean]);
    }),
];

const IGNORE: &[&str] =
    &["*.o", "build/", "/b.txt", "d/", "d/*", "!d/x", "*.md", "logs", "e", "!kept.txt", "f/", "build/*", "*", "!*/"];

const ATTRIBUTES: &[&str] = &[
    "* text=auto",
    "*.txt text",
    "*.txt eol=crlf",
    "*.md -text",
    "*.up filter=up",
    "d/** text eol=lf",
    "* -text",
    "*.md text=auto eol=crlf",
    "a ident",
    "x text",
    "* !text",
    "*.txt crlf=input",
    "b.txt filter=up",
];

/// Up to three lines of `rules`.
fn some_rules(u: &mut User, rules: &[&str]) -> Vec<u8> {
    let n = u.rng.below(4);
    (0..n).map(|_| format!("{}\n", u.rng.pick(rules))).collect::<String>().into_bytes()
}

fn ignore(u: &mut User) {
    let path = *u.rng.pick(&[".gitignore", ".gitignore", "d/.gitignore", "build/.gitignore"]);
    let rules = some_rules(u, IGNORE);
    shared(u, path, &rules);
}

fn attributes(u: &mut User) {
    let path = *u.rng.pick(&[".gitattributes", ".gitattributes", "d/.gitattributes"]);
    let rules = some_rules(u, ATTRIBUTES);
    shared(u, path, &rules);
}

/// Writes rules that lie in the working tree, or takes them away.
fn shared(u: &mut User, path: &str, rules: &[u8]) {
    if rules.is_empty() {
        return files::remove(u, Path::new(path));
    }
    u.twins.note(format!("    {:?}", String::from_utf8_lossy(rules)));
    files::put(u, Path::new(path), rules);
}

fn private(u: &mut User, path: &str, rules: &[u8]) {
    u.twins.note(format!("    {path}: {:?}", String::from_utf8_lossy(rules)));
    u.twins.both(|repo| {
        repo.write(path, rules);
    });
}

fn line_ends(u: &mut User) {
    let (key, value) = *u.rng.pick(&[
        ("core.autocrlf", "true"),
        ("core.autocrlf", "input"),
        ("core.autocrlf", "false"),
        ("core.eol", "crlf"),
        ("core.eol", "lf"),
    ]);
    u.twins.git(&["config", key, value]);
}

fn sparse(u: &mut User) {
    let how = *u.rng.pick(&["--sparse-index", "--no-sparse-index"]);
    let cone = *u.rng.pick(&["d", "d/e", "f", "build"]);
    u.twins.git(&["update-index", "--no-split-index"]);
    u.twins.git(&["sparse-checkout", "set", "--cone", how, cone]);
}
