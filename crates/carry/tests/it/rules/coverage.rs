//! A snapshot holds what Git would commit, and names what it leaves out.

use std::ffi::OsStr;
use std::fs::Permissions;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use carry_testkit::fingerprint::Fingerprint;

use super::{commit, put, skipped, text};
use crate::world::{World, field};

#[test]
fn tracked_files_that_are_ignored_are_captured() {
    let world = World::with_commit();
    world.file(".gitignore", "*.env\nout/\n");
    world.file("local.env", "1\n");
    world.file("out/kept", "1\n");
    world.git(&["add", "-A", "-f"]);
    world.git(&["commit", "-qm", "with ignored files"]);
    world.file("local.env", "2\n");
    world.file("out/kept", "2\n");
    world.file("out/junk", "2\n");
    let capture = world.as_git();
    assert_eq!(world.held(&capture, "local.env").as_deref(), Some("2\n"));
    assert_eq!(world.held(&capture, "out/kept").as_deref(), Some("2\n"));
    assert_eq!(world.held(&capture, "out/junk"), None);
}

#[test]
fn folders_outside_a_sparse_checkout_stay_in_snapshots() {
    let world = World::with_commit();
    world.file("out/deep/far.txt", "far\n");
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "more"]);
    for index in ["--no-sparse-index", "--sparse-index"] {
        world.git(&["sparse-checkout", "set", "--cone", index, "src"]);
        assert_eq!(world.read("out/deep/far.txt"), None);
        world.file("src/net.rs", &format!("{index}\n"));
        let capture = world.as_git();
        assert_eq!(world.held(&capture, "out/deep/far.txt").as_deref(), Some("far\n"), "{index}");
    }
}

/// A repository with the submodule `sub`, and where that came from.
fn with_submodule() -> World {
    let world = World::with_commit();
    let library = world.home().join("library");
    world.git(&["clone", "-q", "--no-hardlinks", ".", library.to_str().expect("a plain path")]);
    let source = format!("file://{}", library.display());
    world.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &source, "sub"]);
    world.git(&["commit", "-qm", "with a submodule"]);
    world
}

#[test]
fn a_submodule_that_is_not_checked_out_stays_in_snapshots() {
    let world = with_submodule();
    let clone = world.home().join("clone");
    world.git(&["clone", "-q", ".", clone.to_str().unwrap()]);
    put(&clone.join("a.txt"), b"changed\n");
    world.ok(&["add", clone.to_str().unwrap()]);
    let capture = world.as_git_in(&clone);
    let listed = world.git_in(&clone, &["ls-tree", commit(&capture), "sub"]);
    assert!(listed.starts_with("160000 commit "), "{listed}");
}

#[test]
fn a_submodule_is_captured_once_it_is_registered() {
    let world = with_submodule();
    let sub = world.repo().join("sub");
    put(&sub.join("a.txt"), b"changed inside\n");
    world.as_git();
    let capture = world.as_git_in(&sub);
    assert_eq!(world.git_in(&sub, &["show", &format!("{}:a.txt", commit(&capture))]), "changed inside\n");
    world.as_git();
}

#[test]
fn executable_bits_stay_where_the_file_system_keeps_none() {
    let world = World::with_commit();
    world.file("run.sh", "#!/bin/sh\n");
    world.git(&["add", "-A"]);
    world.git(&["update-index", "--chmod=+x", "run.sh"]);
    world.git(&["commit", "-qm", "executable"]);
    world.git(&["config", "core.fileMode", "false"]);
    for content in ["#!/bin/sh\n", "#!/bin/sh\necho changed\n"] {
        world.file("run.sh", content);
        world.file("other.txt", content);
        std::fs::set_permissions(world.repo().join("other.txt"), Permissions::from_mode(0o755)).unwrap();
        let capture = world.as_git();
        let mode = |path| world.git(&["ls-tree", commit(&capture), path])[..6].to_owned();
        assert_eq!((mode("run.sh"), mode("other.txt")), ("100755".to_owned(), "100644".to_owned()));
    }
}

#[test]
fn links_stay_links_where_the_file_system_has_none() {
    let world = World::with_commit();
    std::os::unix::fs::symlink("a.txt", world.repo().join("link")).unwrap();
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "with a link"]);
    world.git(&["config", "core.symlinks", "false"]);
    world.delete("link");
    for target in ["a.txt", "src/net.rs"] {
        world.file("link", target);
        let capture = world.as_git();
        assert!(world.git(&["ls-tree", commit(&capture), "link"]).starts_with("120000 "));
        assert_eq!(world.held(&capture, "link").as_deref(), Some(target));
    }
}

#[test]
fn unmodified_files_keep_their_line_ends() {
    let world = World::with_commit();
    world.file("dos.txt", "a\r\nb\r\n");
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "with carriage returns"]);
    world.git(&["config", "core.autocrlf", "true"]);
    // Written again, so that its status alone says nothing.
    world.delete("dos.txt");
    world.file("dos.txt", "a\r\nb\r\n");
    let capture = world.as_git();
    assert_eq!(text(&capture["snapshot"]["tree"]), world.git(&["rev-parse", "HEAD^{tree}"]).trim());
}

#[test]
fn detached_work_is_captured() {
    let world = World::with_commit();
    world.git(&["switch", "-q", "--detach"]);
    world.file("a.txt", "detached\n");
    let capture = world.as_git();
    assert_eq!(capture["snapshot"]["branch"], serde_json::Value::Null);
    assert_eq!(world.held(&capture, "a.txt").as_deref(), Some("detached\n"));
    world.git(&["switch", "-qc", "named"]);
    assert!(world.ok(&["log", "--json"]).raw.contains(commit(&capture)));
}

#[test]
fn a_bisection_is_captured_and_marked() {
    let world = World::with_commit();
    for n in 0..3 {
        world.file("a.txt", &format!("{n}\n"));
        world.git(&["commit", "-qam", "more"]);
    }
    world.git(&["bisect", "start", "HEAD", "HEAD~3"]);
    world.file("a.txt", "tried\n");
    let capture = world.as_git();
    assert_eq!(text(&capture["snapshot"]["state"]), "bisect");
    assert_eq!(world.held(&capture, "a.txt").as_deref(), Some("tried\n"));
}

#[test]
fn linked_worktrees_are_captured_paused_and_resumed_for_themselves() {
    let world = World::with_commit();
    world.ok(&["now"]);
    let linked = world.home().join("linked");
    world.git(&["worktree", "add", "-q", "-b", "side", linked.to_str().unwrap()]);
    put(&linked.join("a.txt"), b"staged\n");
    world.git_in(&linked, &["add", "a.txt"]);
    put(&linked.join("a.txt"), b"staged and more\n");
    let main = Fingerprint::of(&world.repo());
    let capture = world.as_git_in(&linked);
    assert_eq!(text(&capture["snapshot"]["branch"]), "side");
    assert_eq!(world.git_in(&linked, &["--no-optional-locks", "status", "--porcelain"]), "MM a.txt\n");
    assert_eq!(world.carry_in(&linked, &["pause"]).stdout, "Paused ~/linked. `carry resume` goes on.\n");
    assert_eq!(world.carry_in(&linked, &["now"]).code, 1);
    assert_eq!(world.carry(&["now"]).code, 0, "the main one goes on");
    assert_eq!(world.carry_in(&linked, &["resume"]).code, 0);
    assert_eq!(world.carry_in(&linked, &["now"]).code, 0);
    Fingerprint::of(&world.repo()).assert_same_as(&main);
}

#[test]
fn names_that_are_not_utf8_are_captured_and_come_back() {
    let world = World::with_commit();
    let root = world.home().join(OsStr::from_bytes(b"r\xe9p\xf4"));
    std::fs::rename(world.repo(), &root).unwrap();
    let name = OsStr::from_bytes(b"caf\xe9\xff");
    put(&root.join(name), b"odd\n");
    world.git_in(&root, &["config", "core.precomposeUnicode", "false"]);
    world.as_git_in(&root);
    for command in [&["status"][..], &["list"], &["list", "--json"], &["log"], &["log", "--json"], &["doctor"]] {
        let ran = world.carry_in(&root, command);
        assert!(matches!(ran.code, 0 | 1), "{command:?} {ran:?}");
    }
    std::fs::remove_file(root.join(name)).unwrap();
    let carry = Path::new(env!("CARGO_BIN_EXE_carry"));
    let restored = world.run(world.command(carry, &root).arg("restore").arg(name));
    assert_eq!(restored.code, 0, "{restored:?}");
    assert_eq!(std::fs::read(root.join(name)).unwrap(), b"odd\n");
    // The daemon serves it, too, and the other repositories beside it.
    world.configure("code.quiet = \"50ms\"\n");
    assert_eq!(world.carry_in(&root, &["up"]).code, 0);
    put(&root.join(name), b"by the daemon\n");
    assert_eq!(world.carry_in(&root, &["now"]).code, 0);
    let shown = world.run(world.command(carry, &root).args(["show", "HEAD"]));
    assert_ne!(shown.code, 70, "{shown:?}");
    std::fs::rename(&root, world.repo()).unwrap();
}

#[test]
fn a_branch_whose_name_is_not_utf8_is_captured() {
    let world = World::with_commit();
    let name = OsStr::from_bytes(b"br\xe9");
    let made = world.command(Path::new("git"), &world.repo()).args(["switch", "-qc"]).arg(name).status();
    assert!(made.unwrap().success());
    world.file("a.txt", "two\n");
    let capture = world.as_git();
    assert_eq!(text(&capture["snapshot"]["branch"]), "br%e9");
    assert_eq!(world.ok(&["log", "--json"]).raw.lines().count(), 1);
    assert_eq!(world.carry(&["status"]).code, 0);
}

#[test]
fn names_that_look_like_options_or_patterns_are_names() {
    let world = World::with_commit();
    let names = [
        "-rf",
        "--help",
        ":(top)x",
        ":!y",
        "*",
        "[a]",
        "a\\b",
        "new\nline",
        "tab\there",
        " spaces ",
        "\"quoted\"",
        "{}",
        "~",
    ];
    for name in names {
        world.file(name, &format!("{name}\n"));
    }
    let capture = world.as_git();
    assert_eq!(skipped(&capture), [""; 0]);
    for name in names {
        world.delete(name);
        world.ok(&["restore", "--", name]);
        assert_eq!(world.read(name), Some(format!("{name}\n")));
    }
}

#[test]
fn a_changed_filter_is_applied_to_unchanged_files() {
    let world = World::with_commit();
    world.git(&["config", "filter.case.clean", "tr a-z A-Z"]);
    world.file(".gitattributes", "*.up filter=case\n");
    world.file("word.up", "word\n");
    let capture = world.as_git();
    assert_eq!(world.held(&capture, "word.up").as_deref(), Some("WORD\n"));
    world.git(&["config", "filter.case.clean", "rev"]);
    assert_eq!(world.held(&world.capture(), "word.up").as_deref(), Some("drow\n"));
    world.file(".gitattributes", "*.up -filter\n");
    assert_eq!(world.held(&world.capture(), "word.up").as_deref(), Some("word\n"));
    world.file(".git/info/attributes", "*.up filter=case\n");
    assert_eq!(world.held(&world.capture(), "word.up").as_deref(), Some("drow\n"));
}

#[test]
fn a_changed_setting_of_line_ends_is_applied_to_unchanged_files() {
    let world = World::with_commit();
    world.git(&["config", "core.autocrlf", "false"]);
    world.file("fresh.txt", "x\r\n");
    assert_eq!(world.held(&world.as_git(), "fresh.txt").as_deref(), Some("x\r\n"));
    world.git(&["config", "core.autocrlf", "input"]);
    assert_eq!(world.held(&world.as_git(), "fresh.txt").as_deref(), Some("x\n"));
}

#[test]
fn an_edit_in_the_same_moment_and_of_the_same_size_is_captured() {
    let world = World::with_commit();
    for n in 0..20 {
        world.file("a.txt", &format!("{n:02}\n"));
        world.git(&["add", "a.txt"]);
        world.file("a.txt", &format!("{:02}\n", n + 50));
        let capture = world.capture();
        assert_eq!(world.held(&capture, "a.txt"), Some(format!("{:02}\n", n + 50)));
        world.file("a.txt", &format!("{:02}\n", n + 70));
        let capture = world.capture();
        assert_eq!(world.held(&capture, "a.txt"), Some(format!("{:02}\n", n + 70)));
    }
}

#[test]
fn an_edit_whose_time_was_set_back_is_captured() {
    let world = World::with_commit();
    world.file("a.txt", "111\n");
    world.capture();
    let path = world.repo().join("a.txt");
    let time = std::fs::metadata(&path).unwrap().modified().unwrap();
    world.file("a.txt", "222\n");
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    assert_eq!(world.held(&world.capture(), "a.txt").as_deref(), Some("222\n"));
}

#[test]
fn a_shallow_clone_is_captured() {
    let world = World::with_commit();
    world.file("a.txt", "two\n");
    world.git(&["commit", "-qam", "second"]);
    let clone = world.home().join("shallow");
    let source = format!("file://{}", world.repo().display());
    world.git(&["clone", "-q", "--depth=1", &source, clone.to_str().unwrap()]);
    put(&clone.join("a.txt"), b"three\n");
    world.as_git_in(&clone);
    world.git_in(&clone, &["fsck", "--strict"]);
}

#[test]
fn a_partial_clone_is_captured_without_its_remote() {
    let world = World::with_commit();
    for n in 0..5 {
        world.file(&format!("src/old{n}.rs"), "old\n");
        world.git(&["add", "-A"]);
        world.git(&["commit", "-qm", "more"]);
        world.git(&["rm", "-q", &format!("src/old{n}.rs")]);
        world.git(&["commit", "-qm", "less"]);
    }
    world.git(&["config", "uploadpack.allowFilter", "true"]);
    let clone = world.home().join("partial");
    let source = format!("file://{}", world.repo().display());
    world.git(&["clone", "-q", "--filter=blob:none", "--sparse", &source, clone.to_str().unwrap()]);
    std::fs::rename(world.repo(), world.home().join("away")).unwrap();
    put(&clone.join("a.txt"), b"changed\n");
    put(&clone.join("new.txt"), b"new\n");
    let capture = world.capture_in(&clone);
    assert_eq!(world.git_in(&clone, &["show", &format!("{}:new.txt", commit(&capture))]), "new\n");
    let listed = world.git_in(&clone, &["ls-tree", "-r", "--name-only", commit(&capture)]);
    assert_eq!(listed, "a.txt\nnew.txt\nsrc/net.rs\n");
    std::fs::rename(world.home().join("away"), world.repo()).unwrap();
}

#[test]
fn messages_say_what_changed() {
    let world = World::with_commit();
    world.capture();
    world.file("src/net.rs", "fn a() {}\nfn b() {}\nfn c() {}\n");
    let capture = world.capture();
    assert_eq!(text(&capture["snapshot"]["subject"]), "modified src/net.rs (+2 \u{2212}0)");
    world.file("b.txt", "b\n");
    world.file("c.txt", "c\n");
    world.delete("a.txt");
    let capture = world.capture();
    assert_eq!(text(&capture["snapshot"]["subject"]), "new b.txt (+1), 2 more");
    let message = world.git(&["log", "-1", "--format=%B", commit(&capture)]);
    for trailer in ["Carry-Device: ", "Carry-Branch: main", "Carry-Head: ", "Carry-Hlc: "] {
        assert!(message.contains(trailer), "{message}");
    }
}

#[test]
fn every_state_that_was_captured_can_be_brought_back() {
    let world = World::with_commit();
    let mut commits = Vec::new();
    for n in 0..5 {
        world.file("a.txt", &format!("version {n}\n"));
        commits.push(commit(&world.capture()).to_owned());
    }
    let listed = world.ok(&["log", "--json", "a.txt"]).raw;
    assert!(listed.lines().map(|line| field(line, "commit")).eq(commits.iter().rev().cloned()), "{listed}");
    for (n, commit) in commits.iter().enumerate() {
        world.ok(&["restore", "a.txt", "--from", commit, "--force"]);
        assert_eq!(world.read("a.txt"), Some(format!("version {n}\n")));
    }
}
