use std::fs;
use std::path::Path;

use super::{Disk, Repositories, joined, normal_remote, project_of};

/// A disk without repositories.
struct Nothing;

impl Repositories for Nothing {
    fn around(&mut self, _cwd: &str) -> Option<(String, Option<String>)> {
        None
    }
}

fn put(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    carry_kernel::disk::write_atomic(path, text.as_bytes()).unwrap();
}

fn repository(root: &Path, config: &str) {
    put(&root.join(".git/HEAD"), "ref: refs/heads/main\n");
    put(&root.join(".git/config"), config);
}

#[test]
fn all_forms_of_one_address_are_equal() {
    for url in [
        "https://github.com/orchard-labs/orchard-api.git",
        "https://github.com/orchard-labs/orchard-api",
        "https://dana:pw@GitHub.com:443/orchard-labs/orchard-api/",
        "git@github.com:orchard-labs/orchard-api.git",
        "github.com:orchard-labs/orchard-api.git",
        "ssh://git@github.com/orchard-labs/orchard-api.git",
        "ssh://git@github.com:22/orchard-labs/orchard-api.git",
        "ssh://git@ssh.github.com:443/orchard-labs/orchard-api.git",
        "git://github.com/orchard-labs/orchard-api.git",
        "github.com/orchard-labs/orchard-api",
    ] {
        assert_eq!(normal_remote(url).as_deref(), Some("github.com/orchard-labs/orchard-api"), "{url}");
    }
}

#[test]
fn a_normal_form_is_its_own_normal_form() {
    for url in [
        "https://git.internal:8443/a/b.git",
        "git@host:a/b/c.git",
        "git@ssh.dev.azure.com:v3/o/p/r",
        "https://git.internal/scm/k/r.git",
    ] {
        let once = normal_remote(url).unwrap();
        assert_eq!(
            normal_remote(&once),
            Some(once.clone()).filter(|_| once.split('/').next().unwrap().contains('.')),
            "{url}"
        );
    }
    assert_eq!(normal_remote("git@ssh.dev.azure.com:v3/o/p/r"), normal_remote("https://o@dev.azure.com/o/p/_git/r"));
    assert_eq!(normal_remote("https://git.internal:8443/a/b.git").as_deref(), Some("git.internal:8443/a/b"));
}

#[test]
fn what_is_no_address_on_a_host_has_no_normal_form() {
    for url in [
        "",
        "/srv/git/a.git",
        "../a",
        "~/a",
        "C:\\git\\a",
        "file:///srv/a.git",
        "https://github.com",
        "https:///a/b",
        "orchard-api",
        "git@host:",
        "https://a b/c/d",
        "https://h/../a",
        "ext::sh -c x",
        "https://h<x>/a/b",
    ] {
        assert_eq!(normal_remote(url), None, "{url}");
    }
}

#[test]
fn a_password_with_an_at_sign_does_not_stay() {
    assert_eq!(normal_remote("https://dana:p@ss@git.internal/a/b").as_deref(), Some("git.internal/a/b"));
}

#[test]
fn a_folder_in_a_repository_belongs_to_its_root_and_its_remote() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("orchard-web");
    repository(
        &root,
        "[core]\n\tbare = false\n[remote \"fork\"]\n\turl = git@h.internal:me/w.git\n[remote \"origin\"]\n\turl = https://x:y@h.internal/team/w.git\n",
    );
    fs::create_dir_all(root.join("src/deep")).unwrap();
    let cwd = root.join("src/deep");
    let project = project_of(cwd.to_str(), None, None, &mut Disk::default());
    assert_eq!(project.name, "orchard_web");
    assert_eq!(project.key, "h.internal/team/w");
    assert_eq!(project.root.as_deref(), root.to_str());
}

#[test]
fn a_repository_without_remote_is_keyed_by_its_root() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("barn");
    repository(&root, "[include]\n\tpath = ../../other\n");
    let project = project_of(root.to_str(), None, None, &mut Disk::default());
    assert_eq!((project.key.as_str(), project.remote), (root.to_str().unwrap(), None));
    let project = project_of(root.to_str(), None, Some("git@h.internal:t/barn.git"), &mut Disk::default());
    assert_eq!(project.key, "h.internal/t/barn");
}

#[test]
fn a_linked_worktree_belongs_to_the_main_repository() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("barn");
    repository(&root, "[remote \"origin\"]\n\turl = git@h.internal:t/barn.git\n");
    put(&root.join(".git/worktrees/hay/commondir"), "../..\n");
    let tree = home.path().join("elsewhere/hay");
    put(&tree.join(".git"), &format!("gitdir: {}\n", root.join(".git/worktrees/hay").display()));
    let project = project_of(tree.to_str(), None, None, &mut Disk::default());
    assert_eq!((project.name.as_str(), project.key.as_str()), ("barn", "h.internal/t/barn"));
    // A pruned worktree whose folder stayed says where it came from, too.
    fs::remove_dir_all(root.join(".git/worktrees")).unwrap();
    assert_eq!(project_of(tree.to_str(), None, None, &mut Disk::default()).name, "barn");
}

#[test]
fn a_submodule_is_its_own_project() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("barn");
    repository(&root, "");
    put(&root.join(".git/modules/hay/config"), "[remote \"origin\"]\n\turl = https://h.internal/t/hay\n");
    put(&root.join("hay/.git"), "gitdir: ../.git/modules/hay\n");
    let project = project_of(root.join("hay").to_str(), None, None, &mut Disk::default());
    assert_eq!((project.name.as_str(), project.key.as_str()), ("hay", "h.internal/t/hay"));
}

#[test]
fn the_disk_remembers_what_it_was_asked() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("barn");
    repository(&root, "");
    let mut disk = Disk::default();
    let first = disk.around(root.to_str().unwrap());
    fs::remove_dir_all(&root).unwrap();
    assert_eq!(disk.around(root.to_str().unwrap()), first);
    assert_eq!(Disk::default().around(root.to_str().unwrap()), None);
}

#[test]
fn a_vanished_worktree_is_told_by_its_path() {
    let name = |cwd: &str| project_of(Some(cwd), None, None, &mut Nothing).name;
    assert_eq!(name("/home/dana/.superset/worktrees/orchard-web/hay"), "orchard_web");
    assert_eq!(name("/home/dana/conductor/workspaces/orchard-web/lima"), "orchard_web");
    assert_eq!(name("/home/dana/.codex/worktrees/a1b2/orchard-web"), "orchard_web");
    assert_eq!(name("/home/dana/.cursor/worktrees/orchard-web/x1"), "orchard_web");
    assert_eq!(name("/home/dana/code/orchard-web/.claude/worktrees/hay/src"), "orchard_web");
    assert_eq!(name("/home/dana/code/orchard-web/"), "orchard_web");
    assert_eq!(name("C:\\Users\\dana\\orchard-web"), "orchard_web");
    let project = project_of(Some("/w/worktrees/github.com/orchard-labs/orchard-api/x"), None, None, &mut Nothing);
    assert_eq!((project.name.as_str(), project.key.as_str()), ("orchard_api", "github.com/orchard-labs/orchard-api"));
}

#[test]
fn without_a_folder_the_hint_names_the_project() {
    let name = |hint: &str| project_of(None, Some(hint), None, &mut Nothing).name;
    assert_eq!(name("-home-dana-code-orchard-api"), "orchard_api");
    assert_eq!(name("-Users-dana-src-work-barn"), "barn");
    assert_eq!(name("-home-dana-barn-door"), "barn_door");
    assert_eq!(name("-home-dana-code-orchard-web--claude-worktrees-hay"), "orchard_web");
    assert_eq!(name("C--Users-dana-code-barn"), "barn");
    assert_eq!(name("/home/dana/code/barn-door/"), "barn_door");
    assert_eq!(name("barn-door"), "barn_door");
    assert_eq!(name(""), "unknown");
    let recorded = project_of(None, None, Some("git@h.internal:t/barn.git"), &mut Nothing);
    assert_eq!((recorded.name.as_str(), recorded.key.as_str()), ("barn", "h.internal/t/barn"));
}

#[test]
fn odd_paths_and_hints_are_only_odd_names() {
    for text in ["-", "--", "---", "/", "//", "\\", "C--", "\u{0}", "é--", "-é", "a\u{301}--b", ".", ".."] {
        let project = project_of(Some(text), Some(text), Some(text), &mut Disk::default());
        assert!(!project.name.is_empty() && !project.key.is_empty(), "{text:?}");
        assert!(!project_of(None, Some(text), None, &mut Nothing).name.is_empty(), "{text:?}");
    }
}

#[test]
fn paths_join_by_their_text() {
    assert_eq!(joined(Some("/a/b"), "../c/./d").as_deref(), Some("/a/c/d"));
    assert_eq!(joined(Some("/a"), "/x/").as_deref(), Some("/x"));
    assert_eq!(joined(None, "x"), None);
    assert_eq!(joined(Some("/a"), "$HOME/x"), None);
    assert_eq!(joined(Some("/a"), "../../../.."), Some("/".to_owned()));
}
