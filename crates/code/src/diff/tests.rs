use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use proptest::prelude::*;

use super::*;
use crate::history::fixture::{Fixture, id};

/// What `git diff` prints between two trees, and what we print.
fn both(fixture: &Fixture, old: ObjectId, new: ObjectId) -> (String, String) {
    let (old_hex, new_hex) = (old.to_string(), new.to_string());
    let theirs = fixture.git(&["-c", "diff.noprefix=false", "diff", "--no-renames", "--no-color", &old_hex, &new_hex]);
    let repo = fixture.gix();
    let ours = trees(&repo, Some(old), Some(new), "".into()).unwrap();
    let ours = ours.iter().map(|delta| unified::unified(&repo, delta).unwrap().to_string()).collect::<String>();
    (theirs, ours.trim_end_matches('\n').to_owned())
}

/// Compares with Git, and lets Git apply what we print.
#[track_caller]
fn same_as_git(fixture: &Fixture, old: ObjectId, new: ObjectId) {
    let (theirs, ours) = both(fixture, old, new);
    assert_eq!(ours, theirs);
    if ours.is_empty() || ours.contains("Binary files") {
        return;
    }
    fixture.git(&["read-tree", &old.to_string()]);
    let mut git = crate::git::command(&fixture.root());
    git.args(["apply", "--cached", "-"]).stdin(Stdio::piped());
    let mut child = git.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), format!("{ours}\n").as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{ours}");
    assert_eq!(fixture.git(&["write-tree"]), new.to_string());
}

fn numbered(lines: impl Iterator<Item = u32>) -> String {
    lines.map(|n| format!("line {n}\n")).collect()
}

#[test]
fn a_diff_reads_as_gits_own() {
    let fixture = Fixture::new();
    let body = "fn first() {\n    let a = 1;\n}\n\nstruct S;\n\nfn second(x: u32) {   \n";
    fixture.file("src/a.rs", format!("{body}{}}}\n", "    work();\n".repeat(20)));
    fixture.file("gone", "x\ny");
    fixture.file("one", "only\n");
    fixture.file("with space/ü\t\"q\".txt", "a\n");
    fixture.file("mode", "run\n");
    fixture.file("both", "b\n");
    fixture.file("binary", b"a\0b");
    fixture.file("kind", "text\n");
    fixture.file("folder", "soon a folder\n");
    fixture.file("long", numbered(1..100));
    let old = fixture.tree();
    let text = format!("{body}{}    more();\n}}\n", "    work();\n".repeat(19)).replace("a = 1", "a = 2");
    fixture.file("src/a.rs", text);
    std::fs::remove_file(fixture.root().join("gone")).unwrap();
    fixture.file("one", "only");
    fixture.file("with space/ü\t\"q\".txt", "a\nb\n");
    fixture.file("new", "n\n");
    fixture.file("empty", "");
    fixture.file("binary", b"a\0c");
    for path in ["mode", "both"] {
        std::fs::set_permissions(fixture.root().join(path), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    fixture.file("both", "c\n");
    std::fs::remove_file(fixture.root().join("kind")).unwrap();
    std::os::unix::fs::symlink("one", fixture.root().join("kind")).unwrap();
    std::fs::remove_file(fixture.root().join("folder")).unwrap();
    fixture.file("folder/x", "x\n");
    fixture.file("long", numbered((1..10).chain([1000]).chain(11..17).chain(18..25).chain(24..90).chain([7, 8, 9])));
    let new = fixture.tree();
    same_as_git(&fixture, old, new);
    same_as_git(&fixture, new, old);

    // Git applies no patch with a binary file that it was not told the content of: once more without it.
    std::fs::remove_file(fixture.root().join("binary")).unwrap();
    let text_only = fixture.tree();
    fixture.git(&["read-tree", &old.to_string()]);
    fixture.git(&["rm", "-q", "--cached", "binary"]);
    let text_only_before = id(&fixture.git(&["write-tree"]));
    same_as_git(&fixture, text_only_before, text_only);
    same_as_git(&fixture, text_only, text_only_before);
}

#[test]
fn a_submodule_shows_its_commits() {
    let fixture = Fixture::new();
    let tree = |commit: &str| {
        fixture.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},sub")]);
        id(&fixture.git(&["write-tree"]))
    };
    let (old, new) = (tree(&"1".repeat(40)), tree(&"2".repeat(40)));
    same_as_git(&fixture, old, new);
    same_as_git(&fixture, ObjectId::empty_tree(gix::hash::Kind::Sha1), new);
}

#[test]
fn deltas_come_by_path_with_folders_opened() {
    let fixture = Fixture::new();
    fixture.file("a", "file");
    fixture.file("a.x", "1");
    fixture.file("b/c/d", "same");
    fixture.file("b/e", "1");
    let old = fixture.tree();
    std::fs::remove_file(fixture.root().join("a")).unwrap();
    fixture.file("a/z", "file");
    fixture.file("a.x", "2");
    fixture.file("b/e", "2");
    let new = fixture.tree();
    let repo = fixture.gix();
    let paths = |old, new, path: &str| -> Vec<(String, bool, bool)> {
        let deltas = trees(&repo, old, new, path.into()).unwrap();
        deltas.iter().map(|d| (d.path.to_string(), d.old.is_some(), d.new.is_some())).collect()
    };
    let row = |path: &str, old, new| (path.to_owned(), old, new);
    let all = [row("a", true, false), row("a.x", true, true), row("a/z", false, true), row("b/e", true, true)];
    assert_eq!(paths(Some(old), Some(new), ""), all);
    assert_eq!(paths(Some(old), Some(new), "b"), [row("b/e", true, true)]);
    assert_eq!(paths(Some(old), Some(new), "b/e"), [row("b/e", true, true)]);
    assert_eq!(paths(Some(old), Some(new), "a"), [row("a", true, false), row("a/z", false, true)]);
    assert!(paths(Some(old), Some(new), "b/c").is_empty());
    assert!(paths(Some(old), Some(new), "nowhere").is_empty());
    assert!(paths(Some(old), Some(old), "").is_empty());
    let first = [row("a", false, true), row("a.x", false, true), row("b/c/d", false, true), row("b/e", false, true)];
    assert_eq!(paths(None, Some(old), ""), first);
    assert_eq!(to_changes(&trees(&repo, None, Some(old), "a".into()).unwrap())[0].old, None);
}

#[test]
fn a_tree_that_cannot_be_read_is_an_error() {
    let fixture = Fixture::new();
    fixture.file("a", "1");
    let (tree, blob) = (fixture.tree(), fixture.object("blob", b"x"));
    assert!(trees(&fixture.gix(), Some(tree), Some(blob), "".into()).is_err());
    let lost = Delta { path: "x".into(), old: None, new: Some((mode::FILE, id(&"1".repeat(40)))) };
    assert!(unified::unified(&fixture.gix(), &lost).is_err());
}

#[test]
fn counts_are_of_lines_and_not_of_binary_files() {
    assert_eq!(line_counts(b"a\nb\nc\n", b"a\nx\ny\nc\n"), Some((2, 1)));
    assert_eq!(line_counts(b"", b"a"), Some((1, 0)));
    assert_eq!(line_counts(b"a", b"a\n"), Some((1, 1)));
    assert_eq!(line_counts(b"a\0", b"a"), None);
    let late = [&[b'x'; BINARY_BYTES][..], b"\0"].concat();
    assert_eq!(line_counts(&late, b"").is_some(), !is_binary(&late));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_change_of_lines_applies_and_gives_the_new_file(
        old in prop::collection::vec(0..6u8, 0..40), new in prop::collection::vec(0..6u8, 0..40), ends in any::<[bool; 2]>(),
    ) {
        let fixture = Fixture::new();
        let text = |lines: &[u8], end: bool| {
            let text: String = lines.iter().map(|n| format!("{n}\n")).collect();
            if end { text } else { text.trim_end().to_owned() }
        };
        let tree = |content: String| { fixture.file("f", content); fixture.tree() };
        let (old, new) = (tree(text(&old, ends[0])), tree(text(&new, ends[1])));
        let repo = fixture.gix();
        let patch: String = trees(&repo, Some(old), Some(new), "".into()).unwrap().iter()
            .map(|delta| unified::unified(&repo, delta).unwrap().to_string()).collect();
        if !patch.is_empty() {
            fixture.git(&["read-tree", &old.to_string()]);
            fixture.file("../patch", patch);
            fixture.git(&["apply", "--cached", "../patch"]);
            prop_assert_eq!(fixture.git(&["write-tree"]), new.to_string());
        }
    }
}
