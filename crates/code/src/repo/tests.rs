use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::chown;
use std::path::Path;

use super::*;
use crate::git::fixture::{self, Fixture, write};

fn named(name: &str) -> Branch {
    Branch::Named(name.into())
}

#[test]
fn a_path_inside_finds_its_root() {
    let fixture = Fixture::new();
    write(&fixture.root().join("a/b/c"), b"");
    for from in ["", "a", "a/b", "a/b/c"] {
        let repo = Repo::discover(&fixture.root().join(from)).unwrap();
        assert_eq!(repo.root(), fixture.root());
        assert_eq!(repo.git_dir(), fixture.root().join(".git"));
        assert_eq!(repo.common_dir(), repo.git_dir());
    }
    assert!(matches!(Repo::open(&fixture.root().join("a")), Err(OpenError::NotARepository { .. })));
}

#[test]
fn links_are_resolved() {
    let fixture = Fixture::new();
    let link = fixture.dir().join("link");
    std::os::unix::fs::symlink(fixture.root(), &link).unwrap();
    assert_eq!(Repo::open(&link).unwrap().root(), fixture.root());
    assert_eq!(Repo::discover(&link).unwrap().root(), fixture.root());
}

#[test]
fn names_that_are_not_utf8_work() {
    let fixture = Fixture::new();
    let odd = fixture.dir().join(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    std::fs::rename(fixture.root(), &odd).unwrap();
    let repo = Repo::open(&odd).unwrap();
    assert_eq!(repo.root(), odd);
    assert!(repo.head().unwrap().commit.is_some());
}

#[test]
fn what_is_not_a_working_tree_is_named_as_what_it_is() {
    let fixture = Fixture::new();
    let dir = fixture.dir();
    fixture::git(&dir, &["init", "--quiet", "--bare", "bare.git"]);
    write(&dir.join("plain/file"), b"");
    assert!(matches!(Repo::open(&dir.join("nothing")), Err(OpenError::Missing { .. })));
    assert!(matches!(Repo::discover(&dir.join("plain/file/x")), Err(OpenError::Missing { .. })));
    assert!(matches!(Repo::discover(&dir.join("plain")), Err(OpenError::NotARepository { .. })));
    assert!(matches!(Repo::open(&dir.join("bare.git")), Err(OpenError::Bare { .. })));
    assert!(matches!(Repo::discover(&dir.join("bare.git/objects")), Err(OpenError::Bare { .. })));
    for inside in [".git", ".git/objects", ".git/HEAD"] {
        let found = Repo::discover(&dir.join("repo").join(inside));
        assert!(matches!(found, Err(OpenError::NotARepository { .. })), "{inside}: {found:?}");
    }
    assert!(matches!(Repo::open(&dir.join("repo/.git")), Err(OpenError::NotARepository { .. })));
}

#[test]
fn a_git_file_that_leads_nowhere_is_damage_and_not_a_part_of_what_is_around_it() {
    let fixture = Fixture::new();
    write(&fixture.root().join("sub/.git"), b"gitdir: ../nowhere\n");
    write(&fixture.root().join("sub/file"), b"");
    assert!(matches!(Repo::discover(&fixture.root().join("sub/file")), Err(OpenError::Damaged { .. })));
    assert!(matches!(Repo::open(&fixture.root().join("sub")), Err(OpenError::Damaged { .. })));
}

#[test]
fn submodules_and_linked_worktrees_have_git_directories_of_their_own() {
    let fixture = Fixture::new();
    let other = Fixture::new();
    let url = other.root();
    fixture.git(&["submodule", "--quiet", "add", url.to_str().unwrap(), "sub"]);
    fixture.git(&["worktree", "add", "--quiet", "-b", "side", "../side"]);
    let sub = Repo::discover(&fixture.root().join("sub/file")).unwrap();
    assert_eq!(sub.root(), fixture.root().join("sub"));
    assert_eq!(sub.git_dir(), fixture.root().join(".git/modules/sub"));
    assert!(matches!(Repo::discover(sub.git_dir()), Err(OpenError::NotARepository { .. })));
    let side = Repo::open(&fixture.dir().join("side")).unwrap();
    assert_eq!(side.git_dir(), fixture.root().join(".git/worktrees/side"));
    assert_eq!(side.common_dir(), fixture.root().join(".git"));
    assert_eq!(side.head().unwrap().branch, named("side"));
    assert_eq!(side.reopen().unwrap().git_dir(), side.git_dir());
}

#[test]
fn worktrees_know_each_other() {
    let fixture = Fixture::new();
    let dir = fixture.dir();
    for name in ["one", "two", "gone", "moved"] {
        fixture.git(&["worktree", "add", "--quiet", "--detach", &format!("../{name}")]);
    }
    fixture.git(&["worktree", "add", "--quiet", "--detach", ".git/inside"]);
    std::fs::remove_dir_all(dir.join("gone")).unwrap();
    std::fs::rename(dir.join("moved"), dir.join("elsewhere")).unwrap();
    let inside = fixture.root().join(".git/inside");
    assert_eq!(fixture.open().other_worktrees(), [dir.join("one"), inside.clone(), dir.join("two")]);
    let one = Repo::open(&dir.join("one")).unwrap();
    assert_eq!(one.other_worktrees(), [fixture.root(), inside.clone(), dir.join("two")]);
    assert_eq!(Repo::discover(&inside.join("file")).unwrap().root(), inside);
    fixture.git(&["config", "core.bare", "true"]);
    assert_eq!(one.other_worktrees(), [inside, dir.join("two")]);
}

#[test]
fn head_is_read_afresh_each_time() {
    let fixture = Fixture::init(&[]);
    let repo = fixture.open();
    assert_eq!(repo.head().unwrap(), Head { branch: named("main"), commit: None });
    let commit = fixture.commit("file", "one\n");
    assert_eq!(repo.head().unwrap(), Head { branch: named("main"), commit: Some(commit) });
    fixture.git(&["pack-refs", "--all"]);
    fixture.git(&["checkout", "--quiet", "-b", "a/b"]);
    assert_eq!(repo.head().unwrap(), Head { branch: named("a/b"), commit: Some(commit) });
    fixture.git(&["checkout", "--quiet", "main"]);
    assert_eq!(repo.head().unwrap(), Head { branch: named("main"), commit: Some(commit) });
    fixture.git(&["checkout", "--quiet", "--detach"]);
    assert_eq!(repo.head().unwrap(), Head { branch: Branch::Detached, commit: Some(commit) });
    fixture.git(&["symbolic-ref", "HEAD", "refs/other/thing"]);
    assert_eq!(repo.head().unwrap(), Head { branch: named("refs/other/thing"), commit: None });
    fixture.git(&["symbolic-ref", "refs/heads/alias", "refs/heads/main"]);
    fixture.git(&["symbolic-ref", "HEAD", "refs/heads/alias"]);
    assert_eq!(repo.head().unwrap(), Head { branch: named("alias"), commit: Some(commit) });
    fixture.git(&["symbolic-ref", "refs/heads/main", "refs/heads/alias"]);
    assert!(matches!(repo.head(), Err(OpenError::Damaged { .. })));
}

#[test]
fn a_torn_head_is_damage() {
    let fixture = Fixture::new();
    let repo = fixture.open();
    write(&fixture.root().join(".git/refs/heads/main"), b"");
    assert!(matches!(repo.head(), Err(OpenError::Damaged { .. })));
    write(&fixture.root().join(".git/HEAD"), b"");
    assert!(matches!(repo.head(), Err(OpenError::Damaged { .. })));
}

/// Two branches, `main` and `side`, that conflict in `file`; on `side`.
fn conflict(args: &[&str]) -> Fixture {
    let fixture = Fixture::init(args);
    fixture.commit("file", "one\n");
    fixture.git(&["checkout", "--quiet", "-b", "side"]);
    fixture.commit("file", "side\n");
    fixture.commit("more", "side\n");
    fixture.git(&["checkout", "--quiet", "main"]);
    fixture.commit("file", "main\n");
    fixture.git(&["checkout", "--quiet", "side"]);
    fixture
}

fn states_are_known(args: &[&str]) {
    let fixture = conflict(args);
    let repo = fixture.open();
    let begin = |args: &[&str]| assert!(!fixture.try_git(args).status.success(), "{args:?} met no conflict");
    assert_eq!(repo.state(), None);

    begin(&["merge", "main"]);
    assert_eq!(repo.state(), Some(State::Merge));
    fixture.git(&["merge", "--abort"]);

    begin(&["cherry-pick", "main"]);
    assert_eq!(repo.state(), Some(State::CherryPick));
    fixture.git(&["cherry-pick", "--abort"]);

    begin(&["revert", "--no-edit", "main"]);
    assert_eq!(repo.state(), Some(State::Revert));
    fixture.git(&["revert", "--abort"]);

    fixture.git(&["bisect", "start"]);
    assert_eq!(repo.state(), Some(State::Bisect));
    assert_eq!(repo.rebasing_branch(), None);

    // Stopped, a rebase has a CHERRY_PICK_HEAD too.
    begin(&["rebase", "main"]);
    assert_eq!(repo.state(), Some(State::Rebase));
    assert_eq!(repo.rebasing_branch(), Some(named("side")));
    assert_eq!(repo.head().unwrap().branch, Branch::Detached);
    fixture.git(&["rebase", "--abort"]);

    begin(&["rebase", "--apply", "main"]);
    assert_eq!(repo.state(), Some(State::Rebase));
    assert_eq!(repo.rebasing_branch(), Some(named("side")));
    fixture.git(&["rebase", "--abort"]);
    fixture.git(&["bisect", "reset"]);
    assert_eq!(repo.state(), None);

    fixture.git(&["format-patch", "--quiet", "-1", "main", "-o", "../patch"]);
    let patch = std::fs::read_dir(fixture.dir().join("patch")).unwrap().next().unwrap().unwrap().path();
    begin(&["am", patch.to_str().unwrap()]);
    assert_eq!(repo.state(), Some(State::Am));
    fixture.git(&["am", "--abort"]);
}

#[test]
fn what_git_is_in_the_middle_of_is_known() {
    states_are_known(&[]);
}

#[test]
fn between_two_picks_of_a_series_it_is_still_a_series() {
    let fixture = conflict(&[]);
    let repo = fixture.open();
    assert!(!fixture.try_git(&["revert", "--no-edit", "main", "side"]).status.success());
    fixture.git(&["checkout", "--quiet", "--theirs", "file"]);
    fixture.git(&["add", "file"]);
    fixture.git(&["commit", "--quiet", "--allow-empty", "-m", "by hand"]);
    assert!(!fixture.root().join(".git/REVERT_HEAD").exists());
    assert_eq!(repo.state(), Some(State::Revert));
}

#[test]
fn reftable_repositories_open_and_know_head_and_state() {
    let fixture = Fixture::init(&["--ref-format=reftable"]);
    let repo = fixture.open();
    assert!(repo.is_reftable());
    assert_eq!(repo.head().unwrap(), Head { branch: named("main"), commit: None });
    let commit = fixture.commit("file", "one\n");
    assert_eq!(repo.head().unwrap(), Head { branch: named("main"), commit: Some(commit) });
    assert!(repo.gix().find_object(commit).is_ok());
    fixture.git(&["worktree", "add", "--quiet", "-b", "side", "../side"]);
    let side = Repo::open(&fixture.dir().join("side")).unwrap();
    assert_eq!(side.head().unwrap().branch, named("side"));
    fixture.git(&["checkout", "--quiet", "--detach"]);
    assert_eq!(repo.head().unwrap(), Head { branch: Branch::Detached, commit: Some(commit) });
    states_are_known(&["--ref-format=reftable"]);
}

#[test]
fn sha256_repositories_open() {
    let fixture = Fixture::init(&["--object-format=sha256"]);
    let commit = fixture.commit("file", "one\n");
    let repo = fixture.open();
    assert_eq!(repo.hash(), HashKind::Sha256);
    assert_eq!(repo.head().unwrap().commit, Some(commit));
    assert!(repo.gix().find_object(commit).is_ok());
}

#[test]
fn formats_that_are_not_known_are_refused_as_git_does() {
    for (key, value) in
        [("extensions.strange", "true"), ("extensions.refStorage", "tables"), ("core.repositoryFormatVersion", "2")]
    {
        let fixture = Fixture::init(&["--object-format=sha256"]);
        fixture.git(&["config", key, value]);
        assert!(!fixture.try_git(&["status"]).status.success());
        assert!(matches!(Repo::open(&fixture.root()), Err(OpenError::Damaged { .. })), "{key}");
    }
    let fixture = Fixture::new();
    fixture.git(&["config", "extensions.strange", "true"]);
    assert!(Repo::open(&fixture.root()).is_ok(), "version 0 knows no extensions");
}

#[test]
fn replaced_objects_are_seen_as_they_are() {
    let fixture = Fixture::new();
    let one = fixture.id("HEAD");
    let two = fixture.commit("file", "two\n");
    fixture.git(&["replace", &two.to_string(), &one.to_string()]);
    let repo = fixture.open().gix();
    assert_eq!(repo.find_object(two).unwrap().into_commit().parent_ids().count(), 1);
}

#[test]
fn configuration_is_read_again_on_reopening_only() {
    let fixture = Fixture::new();
    let repo = fixture.open();
    fixture.git(&["config", "core.excludesFile", "/x"]);
    let value = |repo: &Repo| repo.gix().config_snapshot().string("core.excludesFile").map(|v| v.to_string());
    assert_eq!(value(&repo), None);
    assert_eq!(value(&repo.reopen().unwrap()).as_deref(), Some("/x"));
}

/// What Git says of the same folder, with the configuration of this machine, as we read it.
fn git_trusts(root: &Path) -> bool {
    crate::git::command(root).args(["rev-parse", "--show-toplevel"]).output().unwrap().status.success()
}

#[test]
fn trust_is_as_git_has_it() {
    // Without the right to give files away nothing changes owner, and both agree that all is well.
    let stranger = Some(65_432);
    for parts in [&["", ".git"][..], &[".git"], &[""], &[".git/config"]] {
        let fixture = Fixture::new();
        for part in parts {
            let _ = chown(fixture.root().join(part), stranger, stranger);
        }
        let opened = Repo::open(&fixture.root());
        let found = Repo::discover(&fixture.root().join("file"));
        assert_eq!(opened.is_ok(), git_trusts(&fixture.root()), "{parts:?}: {opened:?}");
        assert_eq!(found.is_ok(), opened.is_ok());
        assert!(matches!(opened, Ok(_) | Err(OpenError::Untrusted { .. })), "{opened:?}");
    }
    let fixture = Fixture::new();
    fixture.git(&["worktree", "add", "--quiet", "--detach", "../side"]);
    for part in ["repo/.git/worktrees/side", "side/.git"] {
        let _ = chown(fixture.dir().join(part), stranger, stranger);
        let side = fixture.dir().join("side");
        assert_eq!(Repo::open(&side).is_ok(), git_trusts(&side), "{part}");
    }
}

/// Runs the test `child` in a process with these variables.
fn in_child(fixture: &Fixture, environment: &[(&str, &str)]) {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "repo::tests::child"])
        .env("CARRY_TEST_ROOT", fixture.root())
        .env_remove("SUDO_UID")
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    assert!(output.status.success(), "{environment:?}: {}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn child() {
    // Nothing to do unless another test runs this as a process of its own.
    if std::env::var_os("CARRY_TEST_ROOT").is_none() {
        return;
    }
    let root = PathBuf::from(std::env::var_os("CARRY_TEST_ROOT").unwrap());
    let opened = Repo::open(&root);
    assert_eq!(opened.is_ok(), git_trusts(&root), "{opened:?}");
    let Ok(repo) = opened else { return };
    assert_eq!((repo.root(), repo.git_dir()), (root.as_path(), root.join(".git").as_path()));
    let gix = repo.gix();
    assert_eq!(gix.index_path(), root.join(".git/index"));
    assert_eq!(gix.namespace(), None);
    let config = gix.config_snapshot();
    assert_eq!(config.string("carry.fromEnvironment"), None);
    for key in ["carry.global", "carry.system"] {
        let output = crate::git::command(&root).args(["config", key]).output().unwrap();
        let value = config.string(key).unwrap_or_default();
        assert_eq!(&**value, output.stdout.trim_ascii(), "{key}");
    }
}

#[test]
fn variables_that_redirect_git_are_ignored() {
    let fixture = Fixture::new();
    let other = Fixture::new();
    let path = |part: &str| other.root().join(part).to_str().unwrap().to_owned();
    let environment = [
        ("GIT_DIR", path(".git")),
        ("GIT_WORK_TREE", path("")),
        ("GIT_INDEX_FILE", path(".git/index")),
        ("GIT_COMMON_DIR", path(".git")),
        ("GIT_OBJECT_DIRECTORY", path(".git/objects")),
        ("GIT_NAMESPACE", "other".to_owned()),
        ("GIT_CEILING_DIRECTORIES", fixture.dir().to_str().unwrap().to_owned()),
    ];
    in_child(&fixture, &environment.each_ref().map(|(name, value)| (*name, value.as_str())));
    let config =
        [("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "carry.fromEnvironment"), ("GIT_CONFIG_VALUE_0", "x")];
    in_child(&fixture, &config);
}

#[test]
fn configuration_comes_from_where_git_reads_it() {
    let fixture = Fixture::new();
    let files = ["global", "system", "home/.gitconfig", "xdg/git/config"].map(|name| {
        let path = fixture.dir().join(name);
        write(&path, format!("[carry]\n\tglobal = {name}\n\tsystem = {name}\n").as_bytes());
        path.to_str().unwrap().to_owned()
    });
    let [global, system, ..] = &files;
    let (home, xdg) = (fixture.dir().join("home"), fixture.dir().join("xdg"));
    let machine = [("HOME", home.to_str().unwrap()), ("XDG_CONFIG_HOME", xdg.to_str().unwrap())];
    let cases: [&[(&str, &str)]; 6] = [
        &[],
        &[("GIT_CONFIG_SYSTEM", system)],
        &[("GIT_CONFIG_GLOBAL", global)],
        &[("GIT_CONFIG_GLOBAL", global), ("GIT_CONFIG_SYSTEM", system)],
        &[("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_SYSTEM", system)],
        &[("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_SYSTEM", system), ("GIT_CONFIG_NOSYSTEM", "true")],
    ];
    for case in cases {
        in_child(&fixture, &[&machine[..], case].concat());
    }
}

#[test]
fn safe_directory_and_sudo_are_honoured_as_git_does() {
    let stranger = Some(65_432);
    for parts in [&["", ".git"][..], &[".git"], &[""]] {
        let fixture = Fixture::new();
        for part in parts {
            let _ = chown(fixture.root().join(part), stranger, stranger);
        }
        in_child(&fixture, &[("SUDO_UID", "65432")]);
        in_child(&fixture, &[("SUDO_UID", "65433")]);
        let (root, dir) = (fixture.root(), fixture.dir());
        let (root, dir) = (root.to_str().unwrap(), dir.to_str().unwrap());
        let file = fixture.dir().join("global");
        for safe in [root, "*", dir, &format!("{dir}/*"), &format!("{root}/"), "/other"] {
            for reset in ["", "\tdirectory =\n"] {
                write(&file, format!("[safe]\n\tdirectory = {safe}\n{reset}").as_bytes());
                in_child(&fixture, &[("GIT_CONFIG_GLOBAL", file.to_str().unwrap())]);
            }
        }
        // The repository cannot vouch for itself.
        fixture::command(&fixture.dir())
            .args(["config", "--file", "repo/.git/config", "safe.directory", "*"])
            .output()
            .unwrap();
        in_child(&fixture, &[]);
    }
}
