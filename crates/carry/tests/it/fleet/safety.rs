//! What must not happen to the user's things when work goes between devices.

use std::process::Command;

use carry_testkit::fleet::{Device, Transport};
use carry_testkit::repo::write_file;

use super::{drift, fetch, friends, push, remote, state, strangers, sync};

/// A key that no secret scanner can take for anything else; in two parts, so that none finds it here.
fn secret() -> String {
    format!(
        "AWS_ACCESS_KEY_ID={}{}\nAWS_SECRET_ACCESS_KEY={}\n",
        "AKIA", "QYLPMN5HHHFPZAM2", "1tUm636uS1yOEcfP5pvfqJ/ml36mF7AkyHsEU0IU"
    )
}

#[test]
fn nothing_is_published_before_the_user_agreed() {
    let fleet = strangers(Transport::Path, 1);
    let one = fleet.at(0);
    one.write("a.txt", "private\n");
    let ran = one.run(["now", "--push"]);
    assert_ne!(ran.code, Some(0), "{ran:?}");
    assert_eq!(fleet.remote_refs().len(), 1);
    one.carry(["publish", "--yes"]);
    one.carry(["now", "--push"]);
    assert_eq!(fleet.remote_refs().len(), 2);
    one.carry(["publish", "--stop"]);
    one.write("a.txt", "private again\n");
    let before = fleet.remote_refs();
    let ran = one.run(["now", "--push"]);
    assert_ne!(ran.code, Some(0), "{ran:?}");
    assert_eq!(fleet.remote_refs(), before);
}

#[test]
fn secrets_are_held_back_until_they_are_allowed() {
    let fleet = strangers(Transport::Path, 1);
    let one = fleet.at(0);
    push(one);
    let before = fleet.remote_refs();
    one.write(".env", secret());
    let ran = one.run(["now", "--push", "--yes"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains(".env"), "{ran:?}");
    assert_eq!(fleet.remote_refs(), before);
    assert_eq!(remote(one)["state"], "held");
    // A later snapshot without it goes out, and the one that holds it does not come along.
    one.delete(".env").write("a.txt", "clean\n");
    push(one);
    assert_ne!(fleet.remote_refs(), before);
    let objects = fleet.remote_git(["cat-file", "--batch-all-objects", "--batch-check=%(objectname) %(objecttype)"]);
    for line in objects.lines().filter(|line| line.ends_with("blob")) {
        let id = line.split(' ').next().expect("an id");
        assert!(!fleet.remote_git(["cat-file", "blob", id]).contains("AWS_SECRET"), "{id} went out");
    }
    one.write(".env", secret());
    one.carry(["now", "--push", "--yes", "--allow-secrets"]);
    assert_eq!(remote(one)["state"], "published");
}

#[test]
fn no_hook_of_the_user_runs() {
    let fleet = friends(Transport::Path, 2);
    let (one, two) = (fleet.at(0), fleet.at(1));
    let mark = one.home.path().join("hooks-ran");
    for device in fleet.devices() {
        for hook in [
            "pre-push",
            "post-checkout",
            "post-merge",
            "reference-transaction",
            "pre-commit",
            "post-rewrite",
            "post-index-change",
        ] {
            let path = device.path(format!(".git/hooks/{hook}"));
            write_file(
                &path,
                format!("#!/bin/sh\necho {hook} $1 >> {}\ncat > /dev/null\nexit 1\n", mark.display()).as_bytes(),
            );
            Command::new("chmod").arg("+x").arg(&path).status().expect("chmod runs");
        }
    }
    one.write("a.txt", "without hooks\n");
    push(one);
    fetch(two);
    assert_eq!(std::fs::read_to_string(&mark).unwrap_or_default(), "", "while pushing and fetching");
    sync(two);
    assert_eq!(two.read("a.txt").as_deref(), Some("without hooks\n"));
}

#[test]
fn newer_edits_here_are_merged_and_never_lost() {
    let fleet = friends(Transport::Path, 2);
    let (one, two) = (fleet.at(0), fleet.at(1));
    one.write("a.txt", "ONE\ntwo\nthree\nfour\nfive\n");
    push(one);
    // Never captured before: the sync itself must.
    two.write("a.txt", "one\ntwo\nthree\nfour\nFIVE\n").write("notes.txt", "only here\n");
    let before = two.files();
    sync(two);
    assert_eq!(two.read("a.txt").as_deref(), Some("ONE\ntwo\nthree\nfour\nFIVE\n"));
    assert_eq!(two.read("notes.txt").as_deref(), Some("only here\n"));
    two.carry(["undo"]);
    assert_eq!(two.files(), before);
}

#[test]
fn deletions_and_renames_travel() {
    let fleet = friends(Transport::Path, 2);
    let (one, two) = (fleet.at(0), fleet.at(1));
    let long: String = (0..40).map(|n| format!("line {n}\n")).collect();
    one.write("long.txt", &long);
    push(one);
    sync(two);
    assert_eq!(two.read("long.txt").as_deref(), Some(&*long));
    one.delete("long.txt").delete("b.txt").write("moved/long.txt", &long);
    push(one);
    // Edited here under the old name.
    two.write("long.txt", long.replace("line 7\n", "line seven\n"));
    sync(two);
    assert_eq!(two.read("long.txt"), None);
    assert_eq!(two.read("b.txt"), None);
    assert_eq!(two.read("moved/long.txt"), Some(long.replace("line 7\n", "line seven\n")));
}

#[test]
fn what_lies_in_the_way_untracked_or_ignored_is_not_lost() {
    let fleet = friends(Transport::Path, 2);
    let (one, two) = (fleet.at(0), fleet.at(1));
    one.write("build/out.txt", "from one\n");
    push(one);
    // Ignored here, so that no capture holds it.
    write_file(&two.path(".git/info/exclude"), b"build/\n");
    two.write("build/out.txt", "made here\n");
    two.carry(["sync", "--yes"]);
    let kept = || two.files().iter().any(|(_, content)| content == b"made here\n");
    assert!(kept(), "{:?}", two.files());
    two.carry(["undo"]);
    assert!(kept(), "{:?}", two.files());
}

#[test]
fn bits_links_and_names_that_are_no_text_travel() {
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::PermissionsExt as _;
    let fleet = friends(Transport::Path, 2);
    let (one, two) = (fleet.at(0), fleet.at(1));
    one.write("run.sh", "#!/bin/sh\n");
    std::fs::set_permissions(one.path("run.sh"), std::fs::Permissions::from_mode(0o755)).expect("it is ours");
    std::os::unix::fs::symlink("a.txt", one.path("link")).expect("a link");
    let odd = std::path::Path::new(std::ffi::OsStr::from_bytes(b"caf\xe9 \"x\"\n.txt"));
    one.write(odd, "odd\n");
    push(one);
    sync(two);
    assert_eq!(std::fs::metadata(two.path("run.sh")).expect("it came").permissions().mode() & 0o111, 0o111);
    assert_eq!(std::fs::read_link(two.path("link")).expect("it came"), std::path::Path::new("a.txt"));
    assert_eq!(two.read(odd).as_deref(), Some("odd\n"));
    // A clone that does not know executable bits does not take them away from others.
    one.git(["add", "run.sh"]);
    one.git(["commit", "-qm", "a script"]);
    one.write("a.txt", "so that there is something to take over\n");
    push(one);
    sync(two);
    two.git(["config", "core.fileMode", "false"]);
    std::fs::set_permissions(two.path("run.sh"), std::fs::Permissions::from_mode(0o644)).expect("it is ours");
    two.write("run.sh", "#!/bin/sh\necho\n");
    push(two);
    sync(one);
    assert_eq!(one.read("run.sh").as_deref(), Some("#!/bin/sh\necho\n"));
    assert_eq!(std::fs::metadata(one.path("run.sh")).expect("it is there").permissions().mode() & 0o111, 0o111);
}

#[test]
fn a_sparse_checkout_deletes_nothing_elsewhere() {
    let fleet = friends(Transport::Path, 2);
    let (one, two) = (fleet.at(0), fleet.at(1));
    one.git(["sparse-checkout", "set", "--no-cone", "/a.txt"]);
    assert_eq!(one.read("src/net.rs"), None);
    one.write("a.txt", "from a sparse one\n");
    push(one);
    sync(two);
    assert_eq!(two.read("a.txt").as_deref(), Some("from a sparse one\n"));
    assert_eq!(two.read("src/net.rs").as_deref(), Some("fn a() {}\n"));
}

#[test]
fn a_merge_in_progress_is_published_and_not_overwritten() {
    let fleet = friends(Transport::Path, 2);
    let (one, two) = (fleet.at(0), fleet.at(1));
    two.git(["switch", "-qc", "side"]);
    two.write("a.txt", "side\n").git(["commit", "-qam", "side"]);
    two.git(["switch", "-q", "main"]);
    two.write("a.txt", "main\n").git(["commit", "-qam", "main"]);
    assert!(!two.try_git(["merge", "side"]).status.success());
    one.write("b.txt", "newer\n");
    push(one);
    let (files, before) = (two.files(), state(two));
    let ran = two.run(["sync", "--yes"]);
    assert_ne!(ran.code, Some(0), "{ran:?}");
    assert_eq!((two.files(), state(two)), (files, before));
    assert!(two.path(".git/MERGE_HEAD").exists());
}

#[test]
fn the_users_own_things_are_not_touched_by_publishing_and_asking() {
    let fleet = friends(Transport::Path, 2);
    let (one, two) = (fleet.at(0), fleet.at(1));
    one.write("a.txt", "staged\n").git(["add", "a.txt"]);
    one.write("a.txt", "and more\n");
    let print = |device: &Device| carry_testkit::fingerprint::Fingerprint::of(device.root());
    let before = print(one);
    push(one);
    fetch(one);
    one.carry(["status"]);
    one.carry(["prompt"]);
    one.carry(["devices"]);
    print(one).assert_same_as(&before);
    let before = print(two);
    fetch(two);
    assert_eq!(drift(two), ["one"]);
    print(two).assert_same_as(&before);
}

#[test]
fn a_colleagues_work_is_never_taken_for_ones_own() {
    let fleet = strangers(Transport::Path, 2);
    let (one, two) = (fleet.at(0), fleet.at(1));
    one.write("a.txt", "a colleague's\n");
    push(one);
    push(two);
    let files = two.files();
    fetch(two);
    assert_eq!(drift(two), [""; 0]);
    two.carry(["sync"]);
    let ran = two.run(["finalize"]);
    assert_ne!(ran.code, Some(0), "{ran:?}");
    assert_eq!(two.files(), files);
}
