use std::collections::BTreeMap;

use super::*;
use crate::git::fixture::Fixture;
use crate::pack::Kind;

mod bases;
mod random;

/// Files by path; a name before the content says what is no plain file: `x:`, `link:`, `bin:`.
type Files = BTreeMap<String, String>;

/// Parses `path=content path=content`.
fn files(text: &str) -> Files {
    let pair = |word: &str| {
        let (path, content) = word.split_once('=').unwrap();
        (path.to_owned(), content.to_owned())
    };
    text.split_whitespace().map(pair).collect()
}

/// A repository to merge in.
struct Place {
    fixture: Fixture,
    repo: Repo,
}

impl Place {
    fn new() -> Self {
        let fixture = Fixture::new();
        let repo = fixture.open();
        Self { fixture, repo }
    }

    /// Stores a tree. `,` in contents ends a line.
    fn tree(&self, files: &Files) -> ObjectId {
        let mut batch = Batch::new(self.repo.hash());
        let entries: Vec<(u32, ObjectId, BString)> = files
            .iter()
            .map(|(path, content)| {
                let (entry_mode, bytes) = match content.split_once(':') {
                    Some(("x", text)) => (mode::EXECUTABLE, lines(text)),
                    Some(("link", to)) => (mode::LINK, to.into()),
                    Some(("bin", text)) => (mode::FILE, format!("\0{text}")),
                    Some(("sub", n)) => {
                        let id = Batch::id_of(self.repo.hash(), Kind::Commit, n.as_bytes());
                        return (mode::SUBMODULE, id, path.as_str().into());
                    }
                    _ => (mode::FILE, lines(content)),
                };
                (entry_mode, batch.add(Kind::Blob, bytes.as_bytes()), path.as_str().into())
            })
            .collect();
        let sorted = entries.iter().map(|(entry_mode, id, path)| (*entry_mode, *id, path.as_bstr()));
        let tree = crate::tree::build(sorted, &mut |bytes| batch.add(Kind::Tree, bytes));
        batch.write(&self.repo.objects_dir()).unwrap();
        tree
    }

    fn merge(&self, [base, ours, theirs]: [ObjectId; 3]) -> Merged {
        let merged = merge(&self.repo, base, ours, theirs, ["base", "ours", "theirs"]).unwrap();
        merged.objects.write(&self.repo.objects_dir()).unwrap();
        merged
    }

    /// What a tree holds, in the form it was made from.
    fn told(&self, tree: ObjectId) -> String {
        let gix = self.repo.reopen().unwrap().gix();
        let deltas = crate::diff::trees(&gix, None, Some(tree), b"".as_bstr()).unwrap();
        let told: Vec<String> =
            deltas.iter().map(|d| format!("{}={}", d.path, self.told_entry(&gix, d.new.unwrap()))).collect();
        told.join(" ")
    }

    fn told_entry(&self, gix: &gix::Repository, (entry_mode, id): Entry) -> String {
        let content = || String::from_utf8(gix.find_object(id).unwrap().detach().data).unwrap();
        let text = || content().trim_end_matches('\n').replace('\n', ",");
        match entry_mode {
            mode::EXECUTABLE => format!("x:{}", text()),
            mode::LINK => format!("link:{}", content()),
            mode::SUBMODULE => "sub:".to_owned(),
            mode::FOLDER => "folder".to_owned(),
            _ => content().strip_prefix('\0').map_or_else(text, |bytes| format!("bin:{bytes}")),
        }
    }

    /// One conflict: path, then what each side has, then whether it has markers.
    fn told_conflict(&self, conflict: &Conflict) -> String {
        let gix = self.repo.reopen().unwrap().gix();
        let entry = |entry: Option<Entry>| entry.map_or("-".to_owned(), |entry| self.told_entry(&gix, entry));
        let marked = if conflict.marked.is_some() { " marked" } else { "" };
        let [base, ours, theirs] = [conflict.base, conflict.ours, conflict.theirs].map(entry);
        format!("{}: {base} | {ours} | {theirs}{marked}", conflict.path)
    }
}

fn lines(text: &str) -> String {
    text.split(',').map(|line| format!("{line}\n")).collect()
}

/// Merges both ways and compares.
#[track_caller]
fn check(base: &str, ours: &str, theirs: &str, wanted: &str, conflicts: &[&str]) {
    let place = Place::new();
    let trees = [base, ours, theirs].map(|text| place.tree(&files(text)));
    let merged = place.merge(trees);
    let told: Vec<String> = merged.conflicts.iter().map(|conflict| place.told_conflict(conflict)).collect();
    assert_eq!(told, conflicts, "{base} / {ours} / {theirs}");
    assert_eq!(place.told(merged.tree), wanted, "{base} / {ours} / {theirs}");

    let other = place.merge([trees[0], trees[2], trees[1]]);
    let swapped: Vec<(BString, Option<Entry>, Option<Entry>, bool)> =
        other.conflicts.iter().map(|c| (c.path.clone(), c.theirs, c.ours, c.marked.is_some())).collect();
    let as_is: Vec<_> =
        merged.conflicts.iter().map(|c| (c.path.clone(), c.ours, c.theirs, c.marked.is_some())).collect();
    assert_eq!(swapped, as_is, "swapped: {base} / {ours} / {theirs}");
    if conflicts.is_empty() {
        assert_eq!(other.tree, merged.tree, "swapped: {base} / {ours} / {theirs}");
    }
}

#[test]
fn changes_to_different_files_and_lines_come_together() {
    check("a=1 b=1", "a=2 b=1", "a=1 b=2", "a=2 b=2", &[]);
    check("a=1", "a=1 b=2", "a=1 d/c=3", "a=1 b=2 d/c=3", &[]);
    check("a=1,2,3,4,5", "a=x,2,3,4,5", "a=1,2,3,4,y", "a=x,2,3,4,y", &[]);
    check("a=1 b=1", "b=1", "a=1", "", &[]);
    check("a=1", "a=2", "a=2", "a=2", &[]);
    check("", "a=1 b=1", "a=1 c=1", "a=1 b=1 c=1", &[]);
}

#[test]
fn modes_links_and_binary_files_are_merged_as_what_they_are() {
    check("a=1,2,3", "a=x:1,2,3", "a=1,2,y", "a=x:1,2,y", &[]);
    check("a=1", "a=link:b", "a=1 b=1", "a=link:b b=1", &[]);
    check("a=link:b", "a=link:c", "a=link:d", "a=link:c", &["a: link:b | link:c | link:d"]);
    check("a=1", "a=link:c", "a=2", "a=link:c", &["a: 1 | link:c | 2"]);
    check("a=bin:1", "a=bin:2", "a=bin:3", "a=bin:2", &["a: bin:1 | bin:2 | bin:3"]);
    check("a=bin:1", "a=bin:2", "a=bin:1", "a=bin:2", &[]);
    check("a=sub:1", "a=sub:2", "a=sub:3", "a=sub:", &["a: sub: | sub: | sub:"]);
    check("a=sub:1 b=1", "a=sub:2 b=1", "a=sub:1 b=2", "a=sub: b=2", &[]);
    check("", "a=x:1", "a=1", "a=x:1", &["a: - | x:1 | 1 marked"]);
}

#[test]
fn what_both_changed_or_one_deleted_is_a_conflict_and_stays_ours() {
    check("a=1", "a=2", "a=3", "a=2", &["a: 1 | 2 | 3 marked"]);
    check("", "a=2", "a=3", "a=2", &["a: - | 2 | 3 marked"]);
    check("a=1 b=1", "b=1", "a=2 b=1", "b=1", &["a: 1 | - | 2"]);
    check("a=1 b=1", "a=2 b=1", "b=1", "a=2 b=1", &["a: 1 | 2 | -"]);
}

#[test]
fn markers_name_both_sides() {
    let place = Place::new();
    let trees = ["a=1,2,3", "a=1,x,3", "a=1,y,3"].map(|text| place.tree(&files(text)));
    let merged = place.merge(trees);
    let marked = merged.conflicts[0].marked.unwrap();
    let gix = place.repo.reopen().unwrap().gix();
    assert_eq!(place.told_entry(&gix, marked), "1,<<<<<<< ours,x,=======,y,>>>>>>> theirs,3");
}

#[test]
fn renames_take_the_other_sides_changes_along() {
    let long = "1,2,3,4,5,6,7,8";
    let edited = "1,2,3,4,5,6,7,x";
    check(&format!("a={long}"), &format!("b={long}"), &format!("a={edited}"), &format!("b={edited}"), &[]);
    let both = "y,2,3,4,5,6,7,x";
    check(&format!("a={long}"), "b=y,2,3,4,5,6,7,8", &format!("a={edited}"), &format!("b={both}"), &[]);
    check(&format!("a={long}"), &format!("d/a={long}"), &format!("a={edited} c=1"), &format!("c=1 d/a={edited}"), &[]);
    check(&format!("a={long}"), &format!("b={long}"), &format!("b={edited}"), &format!("b={edited}"), &[]);
    // A folder takes the place of the file it was renamed into.
    check(&format!("a={long}"), &format!("a/b={long}"), &format!("a={edited}"), &format!("a/b={edited}"), &[]);
    check(&format!("a={long}"), &format!("b={long}"), "", &format!("b={long}"), &[&format!("b: {long} | {long} | -")]);
}

#[test]
fn renames_that_do_not_agree_are_conflicts_that_lose_nothing() {
    let long = "1,2,3,4,5,6,7,8";
    let edited = "1,2,3,4,5,6,7,x";
    check(
        &format!("a={long}"),
        &format!("b={long}"),
        &format!("c={edited}"),
        &format!("b={long}"),
        &[&format!("b: {long} | {long} | -"), &format!("c: {long} | - | {edited}")],
    );
    // Onto what the other side put there.
    check(
        &format!("a={long}"),
        &format!("b={long}"),
        &format!("a={edited} b=other"),
        &format!("b={long}"),
        &[&format!("a: {long} | - | {edited}"), &format!("b: - | {long} | other marked")],
    );
    // Two files onto one name.
    check(
        &format!("a={long} b=p,q,r,s,t,u,v"),
        &format!("c={long} b=p,q,r,s,t,u,w"),
        &format!("a={edited} c=p,q,r,s,t,u,v"),
        &format!("b=p,q,r,s,t,u,w c={long}"),
        &[
            &format!("a: {long} | - | {edited}"),
            "b: p,q,r,s,t,u,v | p,q,r,s,t,u,w | -",
            &format!("c: - | {long} | p,q,r,s,t,u,v marked"),
        ],
    );
}

#[test]
fn a_file_where_the_other_has_a_folder_is_one_conflict() {
    check("x=1", "a=1 x=1", "a/b=2 x=1", "a=1 x=1", &["a: - | 1 | folder"]);
    check("x=1", "a/b=2 x=1", "a=1 x=1", "a/b=2 x=1", &["a: - | folder | 1"]);
    check("a/b=1 a/c=1", "a=2", "a/b=3 a/c=1", "a=2", &["a: folder | 2 | folder"]);
    // What one side only deleted makes room.
    check("a/b=1", "a=2", "a/b=1", "a=2", &[]);
    check("a=1", "a/b=2", "a=1", "a/b=2", &[]);
    check("a=1", "a/b=2", "a=3", "a/b=2", &["a: 1 | folder | 3"]);
}

#[test]
fn attributes_of_the_index_say_how_texts_are_merged() {
    let place = Place::new();
    place.fixture.commit(".gitattributes", "u merge=union\nn -merge\nd merge=mine\n");
    place.fixture.git(&["config", "merge.mine.driver", "touch ran; false"]);
    let place = Place { repo: place.repo.reopen().unwrap(), ..place };
    let trees = ["d=1 n=1 u=1", "d=2 n=2 u=2", "d=3 n=3 u=3"].map(|text| place.tree(&files(text)));
    let merged = place.merge(trees);
    let told: Vec<String> = merged.conflicts.iter().map(|conflict| place.told_conflict(conflict)).collect();
    assert_eq!(told, ["d: 1 | 2 | 3 marked", "n: 1 | 2 | 3"]);
    let other = place.merge([trees[0], trees[2], trees[1]]);
    let union = |merged: &Merged| {
        let gix = place.repo.reopen().unwrap().gix();
        place.told_entry(&gix, history::entry_at(&gix, merged.tree, "u".into()).unwrap().unwrap())
    };
    assert!(["2,3", "3,2"].contains(&union(&merged).as_str()), "{}", union(&merged));
    assert_eq!(union(&merged), union(&other));
    assert!(!place.fixture.root().join("ran").exists());
}

#[test]
fn conflicts_are_settled_as_chosen() {
    let place = Place::new();
    let trees = ["a=1 b=bin:1 c=1 d=1", "a=2 b=bin:2 d=2 e=1", "a=3 b=bin:3 c=3 e/f=1"].map(|t| place.tree(&files(t)));
    let blob = (mode::EXECUTABLE, place.fixture.loose_blob(b"chosen\n"));
    for (choice, wanted) in [
        (Choice::Ours, "a=2 b=bin:2 d=2 e=1"),
        (Choice::Theirs, "a=3 b=bin:3 c=3 e/f=1"),
        (
            Choice::Markers,
            "a=<<<<<<< ours,2,=======,3,>>>>>>> theirs b=bin:2 b.carry-theirs=bin:3 c.carry-theirs=3 d=2 e=1 e.carry-theirs/f=1",
        ),
        (Choice::Blob(blob), "a=x:chosen b=x:chosen c=x:chosen d=x:chosen e=x:chosen"),
    ] {
        let mut merged = place.merge(trees);
        let choices: Vec<(BString, Choice)> =
            ["a", "b", "c", "d", "e"].iter().map(|path| (BString::from(*path), choice)).collect();
        assert_eq!(merged.conflicts.iter().map(|c| c.path.to_string()).collect::<String>(), "abcde");
        let settled = settle(&place.repo, &mut merged, &choices).unwrap();
        merged.objects.write(&place.repo.objects_dir()).unwrap();
        assert_eq!(place.told(settled), wanted, "{choice:?}");
    }
    let mut merged = place.merge(trees);
    let settled = settle(&place.repo, &mut merged, &[("a".into(), Choice::Theirs)]).unwrap();
    merged.objects.write(&place.repo.objects_dir()).unwrap();
    assert_eq!(place.told(settled), "a=3 b=bin:2 d=2 e=1");
}

#[test]
fn what_is_kept_beside_takes_no_name_that_is_there() {
    let place = Place::new();
    let trees = ["a=bin:1", "a=bin:2 a.carry-theirs=mine", "a=bin:3"].map(|text| place.tree(&files(text)));
    let mut merged = place.merge(trees);
    let settled = settle(&place.repo, &mut merged, &[("a".into(), Choice::Markers)]).unwrap();
    merged.objects.write(&place.repo.objects_dir()).unwrap();
    assert_eq!(place.told(settled), "a=bin:2 a.carry-theirs=mine a.carry-theirs-2=bin:3");
}
