//! `publish`, `now --push`, and what `up` and `status` say of remotes.

use crate::world::{World, field};

#[test]
fn nothing_is_published_without_consent() {
    let world = World::with_remote();
    let ran = world.carry(&["now", "--push"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("Error: this needs your consent, and there is no terminal to ask on\n"), "{ran:?}");
    assert!(ran.stderr.contains("Hint: --yes agrees, and so does `carry publish`.\n"), "{ran:?}");
    assert_eq!(world.remote_refs(), ["HEAD", "refs/heads/main"]);
}

#[test]
fn consent_says_what_will_leave_and_holds_from_then_on() {
    let world = World::with_remote();
    world.file("new.txt", "x\n");
    world.ok(&["now"]);
    world.git(&["commit", "-qm", "second", "--allow-empty"]);
    let ran = world.ok(&["publish", "--yes"]);
    assert_eq!(ran.stdout, "Publishing to origin from now on.\n");
    assert!(
        ran.stderr.starts_with(
            "To origin (<DIR>/remote.git) will go: 1 snapshot of uncommitted work, with untracked files, and 1 commit not \
             pushed yet. Later ones follow by themselves. Whoever can read that repository can read them.\n"
        ),
        "{ran:?}"
    );
    let ran = world.ok(&["now", "--push"]);
    assert!(ran.stdout.ends_with("published main to origin\n"), "{ran:?}");
    assert!(world.remote_refs().iter().any(|name| name.starts_with("refs/carry/")), "{:?}", world.remote_refs());
    let ran = world.ok(&["now", "--push"]);
    assert!(ran.stdout.ends_with("origin has everything already\n"), "{ran:?}");
}

#[test]
fn consent_can_be_withdrawn() {
    let world = World::with_remote();
    world.publish_as("one");
    let ran = world.ok(&["publish", "--stop"]);
    assert_eq!(ran.stdout, "Nothing more is published to origin.\n");
    assert!(ran.stderr.starts_with("What is there stays there, below refs/carry/"), "{ran:?}");
    world.file("a.txt", "two\n");
    assert_eq!(world.carry(&["now", "--push"]).code, 1);
    assert_eq!(field(&world.ok(&["publish", "--stop", "--json"]).raw, "agreed"), "false");
}

#[test]
fn a_repository_without_a_remote_says_how_to_add_one() {
    let world = World::with_commit();
    world.ok(&["now"]);
    for command in [&["publish"][..], &["now", "--push", "--yes"]] {
        let ran = world.carry(command);
        assert_eq!(ran.code, 1);
        assert!(ran.stderr.contains("Error: this repository has no Git remote to publish to\n"), "{ran:?}");
    }
}

#[test]
fn a_remote_that_is_not_used_is_refused_by_name() {
    let world = World::with_remote();
    world.ok(&["now"]);
    let ran = world.carry(&["publish", "backup", "--yes"]);
    ran.is(
        1,
        "",
        "Error: snapshots of this working tree do not go to backup\n\
         Hint: There is origin; the setting code.remotes names others.\n",
    );
}

#[test]
fn a_line_with_a_secret_is_held_back_and_the_other_goes() {
    let world = World::with_remote();
    world.ok(&["now"]);
    world.ok(&["publish", "--yes"]);
    world.git(&["switch", "-qc", "other"]);
    world.file("key.pem", &private_key());
    let ran = world.carry(&["now", "--push"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stdout.contains("published main to origin\n"), "{ran:?}");
    assert!(ran.stderr.contains("Warning: other was held back from origin: key.pem:1 (private key)\n"), "{ran:?}");
    assert!(ran.stderr.contains("Error: 1 line was held back from origin: secrets would be published\n"), "{ran:?}");
    let ran = world.carry(&["now", "--push"]);
    assert_eq!(ran.code, 1, "nothing more went: {ran:?}");
    assert!(ran.stderr.contains("Hint: `carry ignore GLOB`") && !ran.stderr.contains("git rebase"), "{ran:?}");
    world.git(&["add", "key.pem"]);
    world.git(&["commit", "-qm", "with a key"]);
    let ran = world.carry(&["now", "--push"]);
    assert!(ran.stderr.contains("`git rebase -i` takes it out") && !ran.stderr.contains("carry ignore"), "{ran:?}");
    let status = world.ok(&["status"]);
    assert!(status.stdout.contains("  remote     origin: other is held back: key.pem: private key;"), "{status:?}");
    // While it is paused, that no daemon runs is no reason.
    let prompt = || {
        world.ok(&["pause"]);
        let ran = world.ok(&["prompt"]);
        world.ok(&["resume"]);
        ran.stdout
    };
    assert_eq!(prompt(), "!\n");
    let ran = world.ok(&["now", "--push", "--allow-secrets"]);
    assert!(ran.stdout.ends_with("published other to origin\n"), "{ran:?}");
    assert_eq!(prompt(), "");
    let status = world.ok(&["status"]);
    assert!(status.stdout.contains("  remote     origin: published, pushed <AGE>"), "{status:?}");
}

#[test]
fn secrets_are_named_to_machines() {
    let world = World::with_remote();
    world.file("key.pem", &private_key());
    let ran = world.carry(&["now", "--push", "--yes", "--json"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let push = ran.raw.lines().find(|line| line.contains("\"type\":\"push\"")).expect("a push");
    assert_eq!(field(push, "pushed"), "[]");
    assert!(
        push.contains(r#""held":[{"branch":"main","findings":[{"path":"key.pem","kind":"private key","line":1}]}]"#)
    );
}

#[test]
fn a_remote_that_is_gone_fails_and_is_named() {
    let world = World::with_remote();
    world.ok(&["now"]);
    std::fs::remove_dir_all(world.remote()).expect("it is there");
    let ran = world.carry(&["now", "--push", "--yes"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("Error: origin: "), "{ran:?}");
    let status = world.ok(&["status"]);
    assert!(status.stdout.contains("  remote     origin: pushes fail: "), "{status:?}");
    let row = world.ok(&["status", "--json"]);
    assert!(row.raw.contains(r#""state":"failing""#), "{}", row.raw);
}

#[test]
fn of_two_machines_with_one_identity_both_are_published_at_the_first_push() {
    let world = World::with_remote();
    world.publish_as("one");
    // The copy lies at the same path, as it would on another machine.
    let (here, away) = (["carry", "home"], ["carry.copy", "home.copy"]);
    for (name, copy) in here.iter().zip(away) {
        let copied = std::process::Command::new("cp").arg("-a").args([name, copy]).current_dir(world.root()).status();
        assert!(copied.expect("cp").success());
    }
    world.file("a.txt", "of the first\n");
    let ran = world.ok(&["now", "--push"]);
    assert!(ran.stdout.ends_with("published main to origin\n"), "{ran:?}");
    for (name, copy) in here.iter().zip(away) {
        let at = |name: &str| world.root().join(name);
        std::fs::rename(at(name), at(&format!("{name}.first"))).expect("it is there");
        std::fs::rename(at(copy), at(name)).expect("it is there");
    }
    world.file("a.txt", "of the second\n");
    let ran = world.ok(&["now", "--push"]);
    assert!(ran.stderr.contains("Warning: another machine writes as this device"), "{ran:?}");
    assert!(ran.stdout.ends_with("published main to origin\n") && !ran.stdout.contains("already"), "{ran:?}");
    let lines: Vec<String> = world.remote_refs().into_iter().filter(|name| name.starts_with("refs/carry/")).collect();
    let texts: Vec<String> = lines
        .iter()
        .map(|line| {
            world.git(&["-C", world.remote().to_str().expect("a plain path"), "show", &format!("{line}:a.txt")])
        })
        .collect();
    assert_eq!(texts.len(), 2, "{lines:?}");
    assert!(texts.contains(&"of the first\n".to_owned()) && texts.contains(&"of the second\n".to_owned()), "{texts:?}");
    let ran = world.ok(&["now", "--push"]);
    assert!(ran.stdout.ends_with("origin has everything already\n"), "{ran:?}");
}

#[test]
fn what_a_remote_refuses_goes_out_in_the_layout_of_git_pulsar_when_that_is_wanted() {
    let world = World::with_remote();
    let there = world.remote();
    let there = there.to_str().expect("a plain path");
    world.git(&["-C", there, "config", "receive.hideRefs", "refs/carry"]);
    world.file("a.txt", "work\n");
    assert_eq!(world.carry(&["now", "--push", "--yes"]).code, 1);
    world.ok(&["config", "set", "code.namespace", "pulsar"]);
    let ran = world.ok(&["now", "--push"]);
    assert!(ran.stdout.ends_with("published main to origin in git-pulsar's layout\n"), "{ran:?}");
    assert!(ran.stderr.contains("origin refused main below refs/carry/ ("), "{ran:?}");
    let refs = world.remote_refs();
    let stream = refs.iter().find(|name| name.starts_with("refs/heads/wip/pulsar/")).expect("a stream");
    assert_eq!(world.git(&["-C", there, "show", &format!("{stream}:a.txt")]), "work\n");
    let status = world.ok(&["status"]);
    assert!(status.stdout.contains("  remote     origin: main was refused: "), "{status:?}");
    world.file("key.pem", &private_key());
    let ran = world.carry(&["now", "--push"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("Warning: main was held back from origin: key.pem:1 (private key)\n"), "{ran:?}");
    assert_eq!(world.git(&["-C", there, "ls-tree", "--name-only", stream]), "a.txt\nsrc\n");
}

#[test]
fn up_says_once_how_to_publish() {
    let world = World::with_remote();
    let ran = world.ok(&["up"]);
    let note = "Nothing is published to origin yet: `carry publish` shows what would leave, and agrees.\n";
    assert!(ran.stderr.contains(note), "{ran:?}");
    let ran = world.ok(&["up", "--yes"]);
    assert!(ran.stdout.contains("Publishing to origin from now on.\n"), "{ran:?}");
    let ran = world.ok(&["up"]);
    assert!(!ran.stderr.contains("`carry publish`"), "{ran:?}");
}

#[test]
fn status_tells_machines_how_a_remote_stands() {
    let world = World::with_remote();
    world.ok(&["now"]);
    let remotes = |world: &World| -> serde_json::Value {
        let status = world.ok(&["status", "--json"]);
        let line = status.raw.lines().nth(1).expect("a repository");
        serde_json::from_str::<serde_json::Value>(line).expect("it is JSON")["remotes"].clone()
    };
    assert_eq!(remotes(&world)[0]["state"], "unasked");
    assert_eq!(remotes(&world)[0]["waiting"], 1);
    world.publish_as("one");
    assert_eq!(remotes(&world)[0]["state"], "published");
    world.file("a.txt", "two\n");
    world.ok(&["now"]);
    assert_eq!((&remotes(&world)[0]["state"], &remotes(&world)[0]["waiting"]), (&"waiting".into(), &1.into()));
    world.ok(&["publish", "--stop"]);
    assert_eq!(remotes(&world)[0]["state"], "declined");
}

/// One that is none: the letters are made up, so that no scanner takes this file for a leak.
fn private_key() -> String {
    let body: String = (0..8).map(|n| format!("{}\n", "MIIEvQIBADANBgkqhkiG9w0B".repeat(2 + n % 2))).collect();
    format!("-----BEGIN {0} KEY-----\n{body}-----END {0} KEY-----\n", "PRIVATE")
}
