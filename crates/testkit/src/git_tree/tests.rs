use super::*;
use crate::fingerprint::Fingerprint;
use crate::repo::TestRepo;

fn paths(tree: &GitTree) -> Vec<String> {
    tree.entries.iter().map(|(mode, _, path)| format!("{mode} {}", String::from_utf8_lossy(path))).collect()
}

#[test]
fn asking_writes_nothing_into_the_repository() {
    let repo = TestRepo::new();
    repo.write("a", "1").commit_all("one").write("a", "2").write("b", "new").stage("b");
    let before = Fingerprint::of(repo.root());
    let objects = repo.git(["count-objects", "-v"]);
    let tree = git_tree_of(repo.root());
    Fingerprint::of(repo.root()).assert_same_as(&before);
    assert_eq!(repo.git(["count-objects", "-v"]), objects);
    assert_eq!(paths(&tree), ["100644 a", "100644 b"]);
    repo.git(["add", "--all"]);
    assert_eq!(repo.git(["write-tree"]).trim_end(), tree.id);
}

#[test]
fn nested_repositories_are_left_out_and_submodules_are_not() {
    let repo = TestRepo::new();
    repo.write("a", "1").commit_all("one");
    let other = TestRepo::new();
    other.write("x", "1").commit_all("one");
    let source = other.root().to_str().expect("a temporary path is plain");
    repo.git(["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", source, "linked"]);
    repo.git(["clone", "--quiet", source, "deep/nested"]);
    repo.write("deep/file", "kept");
    let tree = git_tree_of(repo.root());
    assert_eq!(tree.nested, [PathBuf::from("deep/nested")]);
    assert_eq!(paths(&tree), ["100644 .gitmodules", "100644 a", "100644 deep/file", "160000 linked"]);
}

#[test]
fn an_empty_repository_has_the_empty_tree() {
    let repo = TestRepo::new();
    let tree = git_tree_of(repo.root());
    assert_eq!(tree.id, "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
    assert_eq!(tree.entries, []);
}

#[test]
fn a_conflict_is_taken_as_it_lies_in_the_file() {
    let repo = TestRepo::new();
    repo.write("a", "base\n").commit_all("base");
    repo.git(["checkout", "-q", "-b", "other"]);
    repo.write("a", "theirs\n").commit_all("theirs");
    repo.git(["checkout", "-q", "main"]);
    repo.write("a", "ours\n").commit_all("ours");
    assert!(!repo.try_git(["merge", "other"]).status.success());
    let tree = git_tree_of(repo.root());
    let expected = repo.git(["hash-object", "a"]);
    assert_eq!(tree.entries, [("100644".to_owned(), expected.trim_end().to_owned(), b"a".to_vec())]);
}
