//! `clone`: repositories that are only on other devices.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{beside, exchange, joins, meet, objects, shared, state, work};
use crate::world::World;

/// A device with work in a repository, and another that has none; they exchange, and know each other.
fn pair() -> (tempfile::TempDir, World, World) {
    pair_of(World::with_commit())
}

fn pair_of(one: World) -> (tempfile::TempDir, World, World) {
    let folder = shared();
    let two = beside(&one, false);
    one.ok(&["devices", "rename", "laptop"]);
    joins(&one, &folder);
    joins(&two, &folder);
    work(&one);
    meet(&one, &two);
    exchange(&one);
    exchange(&two);
    (folder, one, two)
}

/// The files with records of code at a folder.
fn code_files(folder: &Path) -> BTreeSet<PathBuf> {
    let logs = fs::read_dir(folder.join("carry/l")).expect("a folder").map(|log| log.expect("it is there").path());
    let files = logs.flat_map(|log| fs::read_dir(log).expect("a folder")).map(|file| file.expect("it is there").path());
    files.filter(|file| file.to_string_lossy().contains("/code-")).collect()
}

/// What lies in a home besides Carry's things.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("it is there").file_name());
    let mut names: Vec<String> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_clone_is_as_the_other_device_has_it() {
    let (_folder, one, two) = pair();
    let home = two.home();
    let ran = two.carry_in(&home, &["clone"]);
    assert!(ran.code == 0 && ran.stdout.contains("repo") && ran.stdout.contains("laptop"), "{ran:?}");
    let ran = two.carry_in(&home, &["clone", "repo", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let cloned = &objects(&ran, "cloned")[0];
    assert_eq!((&cloned["branch"], &cloned["complete"]), (&"main".into(), &true.into()), "{cloned}");
    assert_eq!(state(&two, &two.repo()), state(&one, &one.repo()));
    two.git(&["fsck", "--strict"]);
    assert_eq!(objects(&two.carry_in(&home, &["clone", "--json"]), "clone-candidate").len(), 0);

    // From then on it is a repository like any other.
    two.file("a.txt", "from the clone\n");
    two.ok(&["now"]);
    exchange(&two);
    exchange(&one);
    one.ok(&["sync", "--yes"]);
    assert_eq!(state(&two, &two.repo()), state(&one, &one.repo()));
}

#[test]
fn what_was_removed_is_cloned_again_to_the_same_place() {
    let (_folder, one, two) = pair();
    let home = two.home();
    for _ in 0..2 {
        let ran = two.carry_in(&home, &["clone", "laptop:repo"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(state(&two, &two.repo()), state(&one, &one.repo()));
        fs::remove_dir_all(two.repo()).expect("it is there");
    }
}

#[test]
fn objects_are_named_by_the_hash_that_they_have_there() {
    let one = World::new();
    fs::remove_dir_all(one.repo().join(".git")).expect("it is there");
    one.git(&["init", "-q", "--object-format=sha256", "-b", "trunk/next"]);
    one.file("a.txt", "one\n");
    one.file("src/net.rs", "fn a() {}\n");
    one.git(&["add", "-A"]);
    one.git(&["commit", "-qm", "first"]);
    let (_folder, one, two) = pair_of(one);
    let ran = two.carry_in(&two.home(), &["clone", "repo", "elsewhere"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(state(&two, &two.home().join("elsewhere")), state(&one, &one.repo()));
}

#[test]
fn a_repository_without_a_commit_is_cloned_as_it_is() {
    let (folder, one) = (shared(), World::new());
    let two = beside(&one, false);
    joins(&one, &folder);
    joins(&two, &folder);
    one.file("a.txt", "one\n");
    one.ok(&["now"]);
    meet(&one, &two);
    exchange(&one);
    exchange(&two);
    let ran = two.carry_in(&two.home(), &["clone", "repo"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(two.read("a.txt").as_deref(), Some("one\n"));
    assert_eq!(two.git(&["status", "--porcelain"]), "?? a.txt\n");
}

#[test]
fn what_came_and_cannot_be_taken_in_is_named_and_not_looked_for_at_a_git_remote() {
    let one = World::with_commit();
    one.git(&["remote", "add", "origin", "https://example.org/team/repo"]);
    let (_folder, _one, two) = pair_of(one);
    let home = two.home();
    let configure = |arguments: &[&str]| {
        let mut git = two.command(Path::new("git"), &home);
        assert!(git.args(["config", "--global"]).args(arguments).output().expect("git").status.success());
    };
    // Git can take in no pack here, whatever is in it.
    configure(&["pack.indexVersion", "99"]);
    let ran = two.carry_in(&home, &["clone", "repo"]);
    assert!(ran.code == 1 && ran.stderr.contains("a file of it that came could not be taken in: "), "{ran:?}");
    assert!(ran.stderr.contains("indexVersion") && !ran.stderr.contains("broken"), "{ran:?}");
    assert!(!ran.stderr.contains("Git remote"), "{ran:?}");
    assert!(!two.repo().exists(), "nothing is left of it");
    configure(&["--unset", "pack.indexVersion"]);
    let ran = two.carry_in(&home, &["clone", "repo"]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn no_mistake_touches_what_is_there() {
    let (_folder, _one, two) = pair();
    let home = two.home();
    fs::create_dir(home.join("full")).expect("a folder");
    drop(fs::File::create(home.join("full/mine")).expect("a file"));
    fs::create_dir(home.join("empty")).expect("a folder");
    drop(fs::File::create(home.join("file")).expect("a file"));
    let before = names(&home);
    let cases: [(&[&str], i32, &str); 7] = [
        (&["clone", "repo", "full"], 1, "~/full is not empty"),
        (&["clone", "repo", "file"], 1, "~/file is not a folder"),
        (&["clone", "repo", "none/deep"], 1, "there is no folder ~/none"),
        (&["clone", "nothing"], 1, "no other device has a repository \"nothing\" that is not here"),
        (&["clone", "desktop:repo"], 1, "desktop has exchanged no repository repo"),
        (&["clone", "repo", "empty", "--branch", "none"], 1, "no device has work on none of repo"),
        (&["clone", "repo", "empty", "--from", "https://example.org/x", "--wait"], 2, ""),
    ];
    for (arguments, code, said) in cases {
        let ran = two.carry_in(&home, arguments);
        assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
        assert!(said.is_empty() || ran.stderr.starts_with(&format!("Error: {said}")), "{arguments:?}: {ran:?}");
    }
    assert_eq!(names(&home), before);
    assert_eq!((names(&home.join("full")), names(&home.join("empty"))), (vec!["mine".to_owned()], vec![]));
    assert_eq!(objects(&two.carry_in(&home, &["list", "--json"]), "tree").len(), 0);
}

#[test]
fn an_approval_that_was_taken_back_stays_so() {
    let (_folder, one, two) = pair();
    let home = two.home();
    // Its line was here once, and so its device is known.
    assert_eq!(two.carry_in(&home, &["clone", "repo"]).code, 0);
    fs::remove_dir_all(two.repo()).expect("it is there");
    let id = objects(&one.ok(&["devices", "--json"]), "device")[0]["id"].as_str().expect("an id").to_owned();
    let ran = two.carry_in(&home, &["devices", "revoke", &id]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = two.carry_in(&home, &["clone", "repo"]);
    assert_eq!((ran.code, names(&home).contains(&"repo".to_owned())), (1, false), "{ran:?}");
    let ran = two.carry_in(&home, &["clone"]);
    assert!(!ran.stderr.contains("No other device was met"), "{ran:?}");
    let said = two.command(Path::new(env!("CARGO_BIN_EXE_carry")), &home).args(["clone"]).output().expect("it runs");
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    let line =
        said.lines().find(|line| line.contains(" has exchanged code and is revoked here; ")).expect("it is named");
    assert!(line.starts_with("laptop "), "{line}");
    // What it says to do does it.
    let word =
        line.split('`').nth(1).and_then(|command| command.strip_prefix("carry devices approve ")).expect("a command");
    let ran = two.carry_in(&home, &["devices", "approve", word, "--yes"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    exchange(&two);
    assert_eq!(two.carry_in(&home, &["clone", "repo"]).code, 0);
}

#[test]
fn a_repository_of_a_revoked_device_is_not_offered() {
    let (_folder, one, two) = pair();
    let note = "repo of laptop is not here";
    let ran = exchange(&two);
    assert!(ran.stderr.contains(note), "{ran:?}");
    let id = objects(&one.ok(&["devices", "--json"]), "device")[0]["id"].as_str().expect("an id").to_owned();
    let ran = two.carry_in(&two.home(), &["devices", "revoke", &id]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = two.carry_in(&two.home(), &["exchange"]);
    assert!(!ran.stderr.contains("is not here"), "{ran:?}");
}

#[test]
fn a_repository_of_several_names_is_told_once_and_cloned_by_each() {
    let (_folder, one, two) = pair();
    // A second clone of it there, under another name, with the newest work.
    let tree = one.home().join("second");
    let mut git = one.command(Path::new("git"), &one.home());
    assert!(git.args(["clone", "-q"]).arg(one.repo()).arg(&tree).status().expect("git").success());
    fs::File::create(tree.join("new.txt")).expect("a file");
    assert_eq!(one.carry_in(&tree, &["now"]).code, 0);
    exchange(&one);
    let ran = exchange(&two);
    assert_eq!(ran.stderr.matches(" is not here: ").count(), 1, "{ran:?}");
    assert_eq!(objects(&two.carry_in(&two.home(), &["clone", "--json"]), "clone-candidate").len(), 1);
    for name in ["repo", "second", "laptop:repo", "laptop:second"] {
        let folder = format!("from-{}", name.replace(':', "-"));
        let ran = two.carry_in(&two.home(), &["clone", name, &folder]);
        assert_eq!(ran.code, 0, "{ran:?}");
        fs::remove_dir_all(two.home().join(&folder)).expect("it is there");
    }
}

/// A device whose repository has a Git remote with the first commit; and where that lies.
fn with_git_remote() -> World {
    let one = World::with_commit();
    let bare = one.remote();
    one.git(&["init", "-q", "--bare", bare.to_str().expect("a plain path")]);
    one.git(&["remote", "add", "origin", "https://git.example.org/team/tool.git"]);
    one.git(&["push", "-q", bare.to_str().expect("a plain path"), "main"]);
    one.git(&["update-ref", "refs/remotes/origin/main", "main"]);
    one
}

#[test]
fn what_a_git_remote_has_comes_from_there_only_with_consent() {
    let one = with_git_remote();
    let bare = one.remote();
    let (_folder, one, two) = pair_of(one);
    let home = two.home();
    let before = names(&home);
    let ran = two.carry_in(&home, &["clone", "tool"]);
    assert!(ran.code == 1 && ran.stderr.contains("git.example.org/team/tool"), "{ran:?}");
    assert!(ran.stderr.contains("--wait"), "{ran:?}");
    assert_eq!(names(&home), before, "nothing half-made");
    // A remote that cannot be reached.
    let nowhere = home.join("nowhere");
    let ran = two.carry_in(&home, &["clone", "tool", "--from", nowhere.to_str().expect("a plain path")]);
    assert!(ran.code == 1 && ran.stderr.contains("cannot fetch from "), "{ran:?}");
    assert_eq!(names(&home), before, "nothing half-made");
    assert_eq!(objects(&two.carry_in(&home, &["list", "--json"]), "tree").len(), 0);
    // The user's own configuration says where it is.
    let bare = bare.to_str().expect("a plain path");
    let rewrite = ["config", "--global", &format!("url.{bare}.insteadOf"), "https://git.example.org/team/tool"];
    assert!(two.command(Path::new("git"), &home).args(rewrite).output().expect("git").status.success());
    let ran = two.carry_in(&home, &["clone", "tool", "--yes"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(state(&two, &home.join("tool")), state(&one, &one.repo()));
    let said = two.command(Path::new("git"), &home.join("tool")).args(["remote"]).output().expect("git");
    assert_eq!(String::from_utf8_lossy(&said.stdout), "origin\n");
}

/// What is said where the Git remote does not have what the laptop's work needs.
#[track_caller]
fn not_there_either(two: &World) -> String {
    let empty = two.root().join("empty.git");
    let mut git = two.command(Path::new("git"), &two.home());
    assert!(git.args(["init", "-q", "--bare"]).arg(&empty).output().expect("git").status.success());
    let ran = two.carry_in(&two.home(), &["clone", "laptop:tool", "--from", empty.to_str().expect("a plain path")]);
    assert_eq!(ran.code, 1, "{ran:?}");
    ran.stderr
}

#[test]
fn what_is_missing_of_a_line_is_asked_of_whose_it_is_and_who_else_has_it_is_named() {
    let (_folder, _one, two) = pair_of(with_git_remote());
    let said = not_there_either(&two);
    assert!(said.contains("It is the work of laptop: `carry exchange` there and here"), "{said}");
    assert!(said.contains("asks laptop for all.") && !said.contains(" has sent, too"), "{said}");

    let (folder, one, two) = pair_of(with_git_remote());
    let three = beside(&one, false);
    assert_eq!(three.carry_in(&three.home(), &["devices", "rename", "desk"]).code, 0);
    joins(&three, &folder);
    meet(&one, &three);
    exchange(&three);
    exchange(&two);
    assert_eq!(two.carry_in(&two.home(), &["devices", "approve", "--all", "--yes"]).code, 0);
    // What the laptop says next, the desk alone gets before it is gone.
    let before = code_files(folder.path());
    one.file("a.txt", "more of it\n");
    one.ok(&["now"]);
    for world in [&one, &three, &three] {
        exchange(world);
    }
    for file in code_files(folder.path()).difference(&before) {
        fs::remove_file(file).expect("it is there");
    }
    exchange(&two);
    let said = not_there_either(&two);
    assert!(
        said.contains("It is the work of laptop: ") && said.contains("desk holds what laptop has sent, too: "),
        "{said}"
    );
}

#[test]
fn without_a_git_remote_the_other_device_is_asked_for_all_of_it() {
    let (_folder, one, two) = pair_of(with_git_remote());
    let home = two.home();
    let ran = two.carry_in(&home, &["clone", "tool", "--wait"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stderr.contains("carry sync"), "{ran:?}");
    exchange(&one);
    exchange(&two);
    let tool = home.join("tool");
    let ran = two.carry_in(&tool, &["sync", "--yes"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(state(&two, &tool), state(&one, &one.repo()));
}

/// What `clone` says where there is nothing to clone.
#[track_caller]
fn nothing(world: &World, expected: &[&str]) {
    let ran = world.carry_in(&world.home(), &["clone"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{ran:?}");
    assert!(ran.stderr.starts_with("There is no repository to clone.\n"), "{ran:?}");
    let named = world.carry_in(&world.home(), &["clone", "repo"]);
    assert_eq!(named.code, 1, "{named:?}");
    assert!(
        named.stderr.starts_with("Error: no other device has a repository \"repo\" that is not here\n"),
        "{named:?}"
    );
    for word in expected {
        assert!(ran.stderr.contains(word), "{word:?}: {ran:?}");
        assert!(named.stderr.contains(word), "{word:?}: {named:?}");
    }
}

#[test]
fn where_nothing_can_be_cloned_it_is_said_what_to_do_and_on_which_device() {
    let (folder, one) = (shared(), World::with_commit());
    let two = beside(&one, false);
    let place = folder.path().canonicalize().expect("it is there");
    let place = place.to_str().expect("a plain path");
    nothing(
        &two,
        &[
            "exchanges with no other yet",
            "`carry remote add NAME PLACE --code`",
            "on the device that has the repository",
        ],
    );
    two.carry_in(&two.home(), &["remote", "add", "nas", place, "--no-code", "--yes"]);
    nothing(&two, &["Uncommitted code is exchanged with no remote here", "`carry remote add nas ", " --code`"]);
    joins(&two, &folder);
    nothing(&two, &["Nothing was exchanged with nas yet: `carry exchange` does so."]);
    exchange(&two);
    nothing(&two, &["No other device was met at nas yet", "`carry add` in the repository"]);

    joins(&one, &folder);
    one.ok(&["devices", "rename", "laptop"]);
    work(&one);
    exchange(&one);
    exchange(&two);
    let device = objects(&one.ok(&["devices", "--json"]), "device").remove(0);
    let id = device["id"].as_str().expect("an id").to_owned();
    let word = device["exchange"][0]["log"].as_str().expect("a log")[..8].to_owned();
    let approve = format!("`carry devices approve {word}`");
    nothing(&two, &[&id, "has exchanged code, and is not approved here", &approve, "`carry exchange`"]);
    // What it says to do does it.
    let ran = two.carry_in(&two.home(), &["devices", "approve", &word, "--yes"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    exchange(&two);
    let ran = two.carry_in(&two.home(), &["clone"]);
    assert!(
        ran.stdout.contains("repo\n  laptop  main  ") && ran.stderr == "`carry clone NAME` makes one here.\n",
        "{ran:?}"
    );
    let ran = two.carry_in(&two.home(), &["clone", "desktop:repo"]);
    assert!(ran.stderr.contains("Hint: It is on laptop: `carry clone repo`."), "{ran:?}");
    let ran = two.carry_in(&two.home(), &["clone", "rpeo"]);
    assert!(ran.stderr.contains("Hint: There are: repo."), "{ran:?}");
    assert_eq!(two.carry_in(&two.home(), &["clone", "repo"]).code, 0);
    for name in ["repo", "laptop:repo"] {
        let ran = two.carry_in(&two.home(), &["clone", name]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(
            ran.stderr.starts_with("Error: repo is here already, in ~/repo\nHint: `carry sync` in ~/repo "),
            "{ran:?}"
        );
    }
}

#[test]
fn a_folder_that_holds_something_and_a_name_that_several_have_are_told_with_the_way_out() {
    let (folder, one, two) = pair();
    let home = two.home();
    fs::create_dir_all(home.join("repo/.git")).expect("a folder");
    let ran = two.carry_in(&home, &["clone", "repo"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.stderr.contains("~/repo is not empty\nHint: Name a new or empty folder: `carry clone repo DIR`.\n"),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("`carry add ~/repo` registers it"), "{ran:?}");
    fs::remove_dir_all(home.join("repo")).expect("it is there");

    // Another device has another repository of that name.
    let three = World::new();
    three.file("other.txt", "another history\n");
    three.git(&["add", "-A"]);
    three.git(&["commit", "-qm", "another"]);
    three.ok(&["devices", "rename", "desktop"]);
    joins(&three, &folder);
    three.ok(&["now"]);
    meet(&three, &two);
    exchange(&three);
    exchange(&two);
    let ran = two.carry_in(&home, &["clone", "repo"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.starts_with("Error: repo is the name of several repositories\n"), "{ran:?}");
    let said =
        two.command(Path::new(env!("CARGO_BIN_EXE_carry")), &home).args(["clone", "repo"]).output().expect("it runs");
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    for (world, name) in [(&one, "laptop"), (&three, "desktop")] {
        let line = said.lines().find(|line| line.contains(&format!("the one of {name}"))).expect("each is named");
        let id = line.split('`').nth(1).and_then(|command| command.split(' ').nth(2)).expect("a command").to_owned();
        let ran = two.carry_in(&home, &["clone", &id, name]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(state(&two, &home.join(name)), state(world, &world.repo()));
    }
}
