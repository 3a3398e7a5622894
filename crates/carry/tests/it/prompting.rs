//! `prompt`.

use crate::world::{World, field};

#[test]
fn outside_of_registered_repositories_it_says_nothing() {
    let world = World::with_commit();
    world.ok(&["prompt"]).is(0, "", "");
    let ran = world.carry_in(&world.root(), &["prompt"]);
    ran.is(0, "", "");
}

#[test]
fn it_warns_while_no_daemon_captures() {
    let world = World::with_commit();
    world.ok(&["now"]);
    // Whatever changes, at the root or below, in a new file or in one that is there.
    for path in ["new.txt", "a.txt", "src/net.rs"] {
        world.file(path, "changed\n");
        world.ok(&["prompt"]).is(0, "!\n", "");
        world.ok(&["now"]);
    }
    assert_eq!(field(&world.ok(&["prompt", "--json"]).raw, "text"), "!");
    world.ok(&["pause"]);
    world.ok(&["prompt"]).is(0, "", "");
    world.ok(&["resume"]);
    world.ok(&["daemon", "start"]);
    world.ok(&["prompt"]).is(0, "", "");
    world.ok(&["daemon", "stop"]);
    world.ok(&["prompt"]).is(0, "!\n", "");
}

#[test]
fn it_names_newer_work_on_this_branch_alone() {
    let one = World::with_remote();
    let two = World::beside(&one);
    one.publish_as("desktop");
    one.file("a.txt", "two\n");
    one.ok(&["now", "--push"]);
    two.ok(&["now"]);
    two.ok(&["sync", "--dry-run"]);
    assert!(!two.ok(&["prompt"]).stdout.contains("desktop"), "nobody approved it");
    two.ok(&["devices", "approve", "desktop", "--yes"]);
    two.ok(&["sync", "--dry-run"]);
    let ran = two.ok(&["prompt"]);
    assert!(ran.stdout.starts_with("⇣desktop now"), "nothing was done here: {ran:?}");
    two.file("mine.txt", "mine\n");
    two.ok(&["now"]);
    two.ok(&["sync", "--dry-run"]);
    let ran = two.ok(&["prompt"]);
    assert!(ran.stdout.starts_with("⇅desktop"), "both have gone on: {ran:?}");
    two.git(&["switch", "-qc", "other"]);
    assert!(!two.ok(&["prompt"]).stdout.contains("desktop"));
    two.git(&["switch", "-q", "main"]);
    two.ok(&["sync", "--yes"]);
    assert!(!two.ok(&["prompt"]).stdout.contains("desktop"));
}

#[test]
fn a_damaged_registry_does_not_break_the_prompt() {
    let world = World::with_commit();
    world.ok(&["now"]);
    let place = world.root().join("carry");
    let found = std::process::Command::new("find").arg(&place).args(["-name", "code.db"]).output().expect("find");
    let database = String::from_utf8_lossy(&found.stdout).trim().to_owned();
    std::fs::File::create(&database).and_then(|file| file.set_len(7)).expect("room on the disk");
    let ran = world.carry(&["prompt"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
}

#[test]
fn shells_get_their_snippets() {
    let world = World::new();
    for (shell, sign) in
        [("bash", "PS1="), ("zsh", "PROMPT_SUBST"), ("fish", "fish_prompt"), ("starship", "[custom.carry]")]
    {
        let ran = world.ok(&["prompt", "--setup", shell]);
        assert!(ran.stdout.contains(sign) && ran.stdout.contains("carry prompt"), "{ran:?}");
    }
    assert_eq!(world.carry(&["prompt", "--setup", "tcsh"]).code, 2);
}

#[test]
fn the_bash_snippet_keeps_the_exit_code_and_is_put_in_once() {
    let world = World::new();
    let snippet = world.ok(&["prompt", "--setup", "bash"]).raw;
    let script = format!("PS1='> '\n{snippet}{snippet}printf '%s' \"$PS1\"\n");
    let mut bash = world.command(std::path::Path::new("bash"), &world.repo());
    let said = bash.args(["--norc", "-c", &script]).output().expect("bash");
    assert_eq!(String::from_utf8_lossy(&said.stdout), "$(__carry_prompt)> ");
    let script = format!("{snippet}(exit 7)\n__carry_prompt\nprintf '%s' $?\n");
    let mut bash = world.command(std::path::Path::new("bash"), &world.repo());
    let said = bash.args(["--norc", "-c", &script]).output().expect("bash");
    assert_eq!(String::from_utf8_lossy(&said.stdout), "7");
}
