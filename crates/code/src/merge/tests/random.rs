//! Merges of what nobody thought of, against Git's own.

use proptest::prelude::*;

use super::*;
use crate::git::fixture;

const NAMES: [&str; 6] = ["a", "b", "d/a", "d/b", "d/e/a", "f"];

/// A text of few different lines, some of them repeated.
fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["1", "2", "3", "4", "5"]), 1..8).prop_map(|lines| lines.join(","))
}

/// A file, now and then one of another kind.
fn content() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => text(),
        1 => text().prop_map(|text| format!("x:{text}")),
        1 => prop::sample::select(vec!["link:a", "link:b", "bin:1", "bin:2"]).prop_map(str::to_owned),
    ]
}

fn tree() -> impl Strategy<Value = Files> {
    prop::collection::btree_map(prop::sample::select(NAMES.to_vec()).prop_map(str::to_owned), content(), 0..6)
}

/// What one side does to a tree.
#[derive(Clone, Debug)]
enum Change {
    Write(&'static str, String),
    Delete(&'static str),
    Rename(&'static str, &'static str),
    Append(&'static str, String),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let name = || prop::sample::select([&NAMES[..], &["d", "a/x"]].concat());
    let change = prop_oneof![
        (name(), content()).prop_map(|(path, content)| Change::Write(path, content)),
        name().prop_map(Change::Delete),
        (name(), name()).prop_map(|(from, to)| Change::Rename(from, to)),
        (name(), text()).prop_map(|(path, text)| Change::Append(path, text)),
    ];
    prop::collection::vec(change, 0..5)
}

/// Puts a file where nothing but folders may be in its way.
fn put(files: &mut Files, path: &str, content: String) {
    files.retain(|other, _| !other.starts_with(&format!("{path}/")) && !path.starts_with(&format!("{other}/")));
    files.insert(path.to_owned(), content);
}

fn changed(files: &Files, changes: &[Change]) -> Files {
    let mut files = files.clone();
    for change in changes {
        match change {
            Change::Write(path, content) => put(&mut files, path, content.clone()),
            Change::Delete(path) => drop(files.remove(*path)),
            Change::Rename(from, to) => {
                if let Some(content) = files.remove(*from) {
                    put(&mut files, to, content);
                }
            }
            Change::Append(path, more) => {
                if let Some(content) = files.get_mut(*path).filter(|content| !content.contains(':')) {
                    content.push_str(&format!(",{more}"));
                }
            }
        }
    }
    files
}

/// What `git merge-file` makes of three texts; `None` in a conflict.
fn merge_file(place: &Place, texts: [&str; 3]) -> Option<String> {
    let [base, ours, theirs] = ["base", "ours", "theirs"].map(|name| place.fixture.dir().join(name));
    for (path, text) in [&base, &ours, &theirs].into_iter().zip(texts) {
        fixture::write(path, lines(text).as_bytes());
    }
    let output = fixture::command(&place.fixture.dir())
        .args(["merge-file", "-p", "--quiet"])
        .args([ours, base, theirs])
        .output()
        .unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim_end().replace('\n', ","))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn texts_merge_as_git_merges_them(base in text(), ours in text(), theirs in text()) {
        let place = Place::new();
        let trees = [&base, &ours, &theirs].map(|text| place.tree(&files(&format!("a={text}"))));
        let merged = place.merge(trees);
        let git = merge_file(&place, [&base, &ours, &theirs]);
        if let (true, Some(git)) = (merged.conflicts.is_empty(), &git) {
            prop_assert_eq!(place.told(merged.tree), format!("a={git}"));
        }
        // Where Git sees a conflict there is one.
        prop_assert!(git.is_some() || !merged.conflicts.is_empty());
        let other = place.merge([trees[0], trees[2], trees[1]]);
        prop_assert_eq!(other.conflicts.is_empty(), merged.conflicts.is_empty());
        if merged.conflicts.is_empty() {
            prop_assert_eq!(other.tree, merged.tree);
        }
    }

    #[test]
    fn swapping_the_sides_swaps_the_conflicts_and_nothing_else(
        base in tree(), ours in changes(), theirs in changes()
    ) {
        let place = Place::new();
        let base = changed(&Files::new(), &base.iter().map(|(path, content)| {
            let path = NAMES.iter().find(|name| *name == path).unwrap();
            Change::Write(path, content.clone())
        }).collect::<Vec<_>>());
        let all = [base.clone(), changed(&base, &ours), changed(&base, &theirs)];
        let trees = [0, 1, 2].map(|n| place.tree(&all[n]));
        let merged = place.merge(trees);
        let other = place.merge([trees[0], trees[2], trees[1]]);
        let sides = |merged: &Merged, swap: bool| -> Vec<_> {
            merged.conflicts.iter().map(|c| {
                let (ours, theirs) = if swap { (c.theirs, c.ours) } else { (c.ours, c.theirs) };
                (c.path.clone(), c.base, ours, theirs, c.marked.is_some())
            }).collect()
        };
        prop_assert_eq!(sides(&merged, false), sides(&other, true));

        // Settled the same way, both are the same.
        let settled = |mut merged: Merged, choice: Choice| {
            let choices: Vec<_> = merged.conflicts.iter().map(|c| (c.path.clone(), choice)).collect();
            settle(&place.repo, &mut merged, &choices).unwrap()
        };
        let is_clean = merged.conflicts.is_empty();
        let (one, two) = (settled(merged, Choice::Theirs), settled(other, Choice::Ours));
        prop_assert_eq!(one, two);

        // What is neither in conflict nor renamed nor changed by the other side is as it was left.
        if is_clean {
            let git = fixture::command(&place.fixture.root())
                .args(["-c", "merge.directoryRenames=false", "merge-tree", "--write-tree"])
                .args([&format!("--merge-base={}", trees[0]), &trees[1].to_string(), &trees[2].to_string()])
                .output().unwrap();
            if git.status.success() {
                let tree = String::from_utf8(git.stdout).unwrap();
                prop_assert_eq!(place.told(one), place.told(ObjectId::from_hex(tree.trim().as_bytes()).unwrap()));
            }
        }
    }

    #[test]
    fn one_sided_and_equal_changes_are_taken_as_they_are(base in tree(), ours in changes()) {
        let place = Place::new();
        let base = changed(&Files::new(), &base.iter().map(|(path, content)| {
            let path = NAMES.iter().find(|name| *name == path).unwrap();
            Change::Write(path, content.clone())
        }).collect::<Vec<_>>());
        let [base, ours] = [&base, &changed(&base, &ours)].map(|files| place.tree(files));
        for trees in [[base, ours, base], [base, base, ours], [base, ours, ours]] {
            let merged = place.merge(trees);
            prop_assert!(merged.conflicts.is_empty());
            prop_assert_eq!(merged.tree, ours);
        }
    }

    #[test]
    fn changes_to_different_files_always_merge(
        base in text(), ours in prop::collection::vec(text(), 3), theirs in prop::collection::vec(text(), 3)
    ) {
        let place = Place::new();
        let all = |side: &[String], name: &str, other: &str| {
            let mut all = files(&format!("{other}0={base} {other}1={base} {name}0={base} {name}1={base}"));
            all.insert(format!("{name}0"), side[0].clone());
            all.insert(format!("{name}/new"), side[1].clone());
            all.insert(format!("d/{name}"), side[2].clone());
            all
        };
        let base_tree = place.tree(&files(&format!("o0={base} o1={base} t0={base} t1={base}")));
        let merged = place.merge([base_tree, place.tree(&all(&ours, "o", "t")), place.tree(&all(&theirs, "t", "o"))]);
        prop_assert!(merged.conflicts.is_empty());
        let wanted = place.tree(&all(&ours, "o", "t").into_iter().filter(|(path, _)| !path.contains('t'))
            .chain(all(&theirs, "t", "o").into_iter().filter(|(path, _)| path.contains('t'))).collect());
        prop_assert_eq!(merged.tree, wanted);
    }
}
