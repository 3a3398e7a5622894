//! `config`, `ignore`, `prune`, `doctor`, `completions`, `man`.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use carry_code::capture::{CaptureError, Capturer, Look, Outcome, Request};
use carry_code::context::Context;
use carry_code::registry::Registry;
use carry_kernel::clock::SystemClock;
use carry_kernel::config::Sources;
use carry_kernel::device::Device;
use carry_kernel::home::Home;

use crate::world::{World, field};

#[test]
fn a_value_is_set_shown_with_its_place_and_unset() {
    let world = World::new();
    assert_eq!(world.ok(&["config", "get", "limits.large_file"]).raw, "100 MiB\n");
    world.ok(&["config", "set", "limits.large_file", "7 MiB"]);
    assert_eq!(world.ok(&["config", "get", "limits.large_file"]).raw, "7 MiB\n");
    let ran = world.ok(&["config", "show", "--origin"]);
    let line = ran.raw.lines().find(|line| line.starts_with("limits.large_file ")).unwrap_or_default();
    assert!(line.contains("\"7 MiB\"") && line.ends_with("config.toml:2"), "{line}");
    world.ok(&["config", "unset", "limits.large_file"]);
    assert_eq!(world.ok(&["config", "get", "limits.large_file"]).raw, "100 MiB\n");
}

#[test]
fn flags_and_environment_outweigh_the_file() {
    let world = World::new();
    world.ok(&["config", "set", "code.quiet", "3s"]);
    let carry = env!("CARGO_BIN_EXE_carry");
    let mut command = world.command(carry.as_ref(), &world.repo());
    command.args(["config", "get", "code.quiet"]).env("CARRY_CODE_QUIET", "4s");
    assert_eq!(world.run(&mut command).stdout, "4s\n");
    command.args(["--config", "code.quiet=5s"]);
    assert_eq!(world.run(&mut command).stdout, "5s\n");
    let ran = world.carry(&["--config", "code.quiett=5s", "status"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.starts_with("Error: --config: "), "{ran:?}");
}

#[test]
fn what_a_file_says_without_effect_is_named_with_its_line() {
    let world = World::new();
    world.file("carry.toml", "\n[core]\nremote_name = \"evil\"\n");
    let ran = world.ok(&["config", "show"]);
    assert!(ran.stderr.contains("carry.toml:3: "), "{ran:?}");
}

#[test]
fn a_file_that_cannot_be_parsed_is_named_and_nothing_is_captured_by_what_is_left() {
    let world = World::with_commit();
    world.ok(&["now"]);
    let config = world.root().join("carry/config/config.toml");
    let sound = format!(
        "[files]\nignore = [\"*.key\"]\n[exchange]\nremotes = [\"nas={}\"]\n",
        world.root().join("nas").display()
    );
    std::fs::create_dir_all(config.parent().expect("a folder")).expect("a folder");
    carry_testkit::repo::write_file(&config, sound.as_bytes());
    assert!(world.ok(&["remote", "list"]).stdout.contains("nas"));
    world.file("secret.key", "x\n");
    world.file("other.txt", "x\n");
    carry_testkit::repo::write_file(&config, format!("{sound}oops = = 1\n").as_bytes());

    let said = "config.toml:5: The file has no effect: it is not valid TOML";
    let commands =
        [&["exchange"][..], &["exchange", "--dry-run"], &["remote", "list"], &["remote", "test"], &["now"], &["clone"]];
    for command in commands {
        let ran = world.carry(command);
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
        assert!(ran.stderr.contains("Error: ") && ran.stderr.contains(said), "{ran:?}");
        assert!(ran.stderr.contains("until it is mended"), "{ran:?}");
        assert!(!ran.stderr.contains("no remote"), "{ran:?}");
    }
    let ran = world.ok(&["log"]);
    assert_eq!(ran.stdout.lines().filter(|line| !line.is_empty()).count(), 1, "nothing was captured: {ran:?}");
    assert_eq!(world.carry_in(&world.home(), &["now"]).code, 1, "outside of it, too");
    let ran = world.ok(&["status"]);
    assert!(ran.stdout.contains("attention") && ran.stdout.contains(said), "{ran:?}");
    assert_eq!(ran.stderr.matches(said).count(), 1, "{ran:?}");
    let json: Vec<serde_json::Value> =
        (world.ok(&["status", "--json"]).raw.lines()).map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let problems = json.iter().find_map(|object| object.get("problems")).expect("a repository").to_string();
    assert!(problems.contains(said), "{problems}");
    assert_eq!(world.ok(&["config", "show"]).stderr.matches(said).count(), 1);
    let ran = world.carry(&["doctor", "--json"]);
    let finding = ran.raw.lines().find(|line| line.contains(said)).expect("it is found");
    assert_eq!((field(finding, "code"), field(finding, "severity")), ("configuration".into(), "error".into()));
    assert!(finding.contains("Nothing is captured or exchanged until"), "{finding}");
    let ran = world.carry(&["up"]);
    assert!(ran.code == 1 && ran.stderr.contains(&format!("{said} ")), "{ran:?}");
    assert!(!ran.stdout.contains("From now on"), "{ran:?}");
    world.ok(&["daemon", "stop"]);

    carry_testkit::repo::write_file(&config, sound.as_bytes());
    let ran = world.ok(&["now"]);
    assert!(ran.stdout.starts_with("captured") && ran.stderr.is_empty(), "{ran:?}");
    let ran = world.ok(&["show"]);
    assert!(ran.stdout.contains("other.txt"), "{ran:?}");
    assert!(!ran.stdout.contains("secret.key"), "{ran:?}");
}

/// As a daemon keeps one for a working tree.
fn capturer(world: &World) -> Capturer {
    let home = Home::at(world.root().join("carry"));
    let device = Device::load_or_create(&home, "here").expect("an identity");
    let sources = Sources { user: Some(home.config_file()), ..Sources::default() };
    let registry = Registry::open(&home).expect("the registry");
    let tree = registry.by_root(&world.repo()).expect("the registry").expect("it is registered");
    Capturer::new(Context { home, device: device.into(), clock: Arc::new(SystemClock), sources }, tree)
}

#[test]
fn whoever_captures_all_the_time_keeps_to_the_last_settings_that_could_be_parsed() {
    let world = World::with_commit();
    world.ok(&["now"]);
    let config = world.root().join("carry/config/config.toml");
    std::fs::create_dir_all(config.parent().expect("a folder")).expect("a folder");
    carry_testkit::repo::write_file(&config, "[files]\nignore = [\"*.key\"]\n".as_bytes());
    let capture = |capturer: &mut Capturer| {
        let (look, cancel) = (Look::Everything, AtomicBool::new(false));
        capturer.capture(&Request {
            look,
            may_commit: &|| true,
            cancel: &cancel,
            progress: &|_, _, _| {},
            force: false,
        })
    };
    let mut known = capturer(&world);
    capture(&mut known).expect("a capture");
    carry_testkit::repo::write_file(&config, "[files]\nignore = [\"*.key\"\n".as_bytes());
    world.file("secret.key", "x\n");
    world.file("other.txt", "x\n");
    let fresh = capture(&mut capturer(&world));
    assert!(
        matches!(&fresh, Err(CaptureError::Configuration { problem }) if problem.contains("config.toml:")),
        "{fresh:?}"
    );
    let report = capture(&mut known).expect("a capture");
    assert!(matches!(report.outcome, Outcome::Captured(_)), "{report:?}");
    let shown = world.ok(&["show"]);
    assert!(shown.stdout.contains("other.txt") && !shown.stdout.contains("secret.key"), "{shown:?}");
}

#[test]
fn a_repositorys_file_that_cannot_be_parsed_stops_captures_and_a_shared_one_without_our_part_does_not() {
    let world = World::with_commit();
    world.file("pyproject.toml", "[tool.other]\nname = = \"carry\"\n");
    assert_eq!(world.ok(&["now"]).code, 0);
    world.file("carry.toml", "[files]\nignore = [\"*.key\"\n");
    world.file("secret.key", "x\n");
    let ran = world.carry(&["now"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("carry.toml:") && ran.stderr.contains("not valid TOML"), "{ran:?}");
    world.file("carry.toml", "[files]\nignore = [\"*.key\"]\n");
    assert!(world.ok(&["now"]).stdout.starts_with("captured"));
}

#[test]
fn a_variable_that_cannot_be_used_is_mended_where_it_is_set() {
    let world = World::with_commit();
    world.ok(&["now"]);
    let mut command = world.command(env!("CARGO_BIN_EXE_carry").as_ref(), &world.repo());
    let ran = world.run(command.args(["doctor", "--json"]).env("CARRY_CODE_QUIET", "banana"));
    let finding = ran.raw.lines().find(|line| line.contains("banana")).expect("it is found");
    assert!(finding.contains("set the variable CARRY_CODE_QUIET") && !finding.contains("config edit"), "{finding}");
}

#[test]
fn an_unknown_setting_fails() {
    let world = World::new();
    assert_eq!(world.carry(&["config", "get", "no.such"]).code, 1);
    assert_eq!(world.carry(&["config", "set", "no.such", "1"]).code, 1);
    assert_eq!(world.carry(&["config", "set", "code.quiet", "soon"]).code, 1);
}

#[test]
fn config_edit_opens_the_editor_on_a_template() {
    let world = World::new();
    let carry = env!("CARGO_BIN_EXE_carry");
    let mut command = world.command(carry.as_ref(), &world.repo());
    command.args(["config", "edit"]).env("EDITOR", "sed -i -e 's/^#quiet = .*/quiet = \"9s\"/' -e 's/^#\\[/[/'");
    let ran = world.run(&mut command);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(world.ok(&["config", "get", "code.quiet"]).stdout, "9s\n");
    let ran = world.carry(&["config", "edit"]);
    assert_eq!(ran.code, 1, "without an editor: {ran:?}");
}

#[test]
fn config_lists_every_setting_and_prints_a_template() {
    let world = World::new();
    let ran = world.ok(&["config", "list"]);
    assert!(ran.stdout.contains("retention.all = \"24h\"\n"), "{}", ran.stdout);
    assert!(world.ok(&["config", "template"]).stdout.contains("#quiet = \"2s\"\n"));
    assert_eq!(world.ok(&["config", "path"]).stdout, "<DIR>/carry/config/config.toml\n");
    assert_eq!(field(&world.ok(&["config", "list", "--json"]).raw, "type"), "key");
    assert_eq!(field(&world.ok(&["config", "show", "--json"]).raw, "type"), "setting");
}

#[test]
fn ignored_patterns_are_left_out_and_can_be_taken_back() {
    let world = World::with_commit();
    world.ok(&["now"]);
    world.carry(&["ignore", "*.iso"]).is(0, "*.iso is left out from now on, in every repository.\n", "");
    world.file("disk.iso", "x\n");
    assert!(world.ok(&["now"]).stdout.starts_with("nothing new"));
    assert_eq!(world.ok(&["ignore", "--list"]).stdout, "*.iso  (<DIR>/carry/config/config.toml:2)\n");
    world.ok(&["ignore", "*.iso", "--remove"]);
    assert!(world.ok(&["now"]).stdout.starts_with("captured"));
    assert_eq!(world.carry(&["ignore", "*.iso", "--remove"]).code, 1);
    assert_eq!(world.read(".gitignore"), None, ".gitignore is not ours");
}

#[test]
fn ignoring_tracked_files_is_said_to_be_without_effect() {
    let world = World::with_commit();
    let ran = world.ok(&["ignore", "*.txt"]);
    assert_eq!(ran.stderr, "Warning: Git tracks a.txt: captured all the same.\n");
}

#[test]
fn prune_finds_nothing_among_young_snapshots() {
    let world = World::with_commit();
    world.ok(&["now"]);
    world.carry(&["prune"]).is(0, "There is nothing to thin.\n", "");
}

/// Makes one snapshot a second old and a newer one, which short retention would thin.
fn thinnable() -> (World, Vec<&'static str>) {
    let world = World::with_commit();
    for text in ["two\n", "three\n", "four\n"] {
        world.ok(&["now"]);
        world.file("a.txt", text);
    }
    world.ok(&["now"]);
    let mut policy = Vec::new();
    for key in ["all=0s", "hourly=0s", "daily=0s", "weekly=1y"] {
        policy.extend(["--config".to_owned(), format!("retention.{key}")]);
    }
    (world, policy.into_iter().map(|word| &*word.leak()).collect())
}

#[test]
fn prune_shows_asks_and_thins() {
    let (world, policy) = thinnable();
    let run = |arguments: &[&str]| world.carry(&[&policy[..], arguments].concat());
    let ran = run(&["prune", "--dry-run", "--json"]);
    assert_eq!(field(&ran.raw, "type"), "prune-plan");
    let ran = run(&["prune"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("Hint: Pass --yes to agree"), "{ran:?}");
    assert_eq!(world.ok(&["log", "--json"]).raw.lines().count(), 4);
    let newest = world.newest();
    let ran = run(&["prune", "--yes", "--gc"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(world.ok(&["log", "--json"]).raw.lines().count() < 4);
    assert_eq!(world.newest(), newest);
    world.git(&["fsck", "--strict"]);
}

#[test]
fn doctor_names_a_missing_daemon() {
    let world = World::with_commit();
    assert_eq!(world.carry(&["doctor"]).code, 0);
    world.ok(&["now"]);
    let ran = world.carry(&["doctor"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("error: No daemon runs. [daemon-not-running]\n"), "{ran:?}");
    let ran = world.carry(&["doctor", "--json"]);
    assert!(ran.raw.contains("\"code\":\"daemon-not-running\",\"severity\":\"error\""), "{ran:?}");
}

#[test]
fn doctor_needs_consent_to_mend() {
    let world = World::with_commit();
    world.ok(&["now"]);
    let ran = world.carry(&["doctor", "--fix"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("there is no terminal to ask on"), "{ran:?}");
}

#[test]
fn completions_and_manual_pages_are_made() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = world.ok(&["completions", shell]);
        assert!(ran.stdout.contains("restore"), "{shell}");
    }
    let ran = world.ok(&["man", "pages"]);
    assert!(ran.stdout.starts_with("Wrote "), "{ran:?}");
    for page in ["carry.1", "git-carry.1", "carry-restore.1", "carry-daemon.1"] {
        assert!(world.read(&format!("pages/{page}")).is_some_and(|text| text.contains("Exit codes")), "{page}");
    }
    world.ok(&["man", "--install"]);
    assert!(world.home().join(".local/share/man/man1/git-carry.1").is_file());
}

#[test]
fn the_template_comes_as_an_object() {
    let world = World::new();
    let ran = world.ok(&["config", "template", "--json"]);
    assert_eq!(field(&ran.raw, "type"), "config-template");
    assert!(field(&ran.raw, "text").contains("#quiet = \"2s\"\n"));
}

#[test]
fn manual_pages_are_installed_beside_the_folder_of_programs() {
    let world = World::new();
    let bin = world.root().join("prefix/bin");
    std::fs::create_dir_all(&bin).unwrap();
    let carry = env!("CARGO_BIN_EXE_carry");
    // Not copied by this process: a fork of another test would hold the file open, and it could not be run.
    let made = std::process::Command::new("cp").arg(carry).arg(bin.join("carry")).status().unwrap();
    assert!(made.success());
    let ran = world.run(world.command(&bin.join("carry"), &world.repo()).args(["man", "--install"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.ends_with(" pages to <DIR>/prefix/share/man/man1.\n"), "{ran:?}");
    assert!(world.root().join("prefix/share/man/man1/git-carry.1").is_file());
}

#[test]
fn a_value_of_the_wrong_shape_is_refused_with_the_command_that_sets_it() {
    let world = World::with_commit();
    let place = world.root().join("nas");
    std::fs::create_dir(&place).expect("a folder");
    let nas = format!("nas={}", place.display());
    let file = world.root().join("carry/config/config.toml");
    for (key, value, what, hint) in [
        (
            "exchange.remotes",
            "5",
            "entry 1: it is not \"name=place\" with a name of 1 to 32",
            "carry remote add NAME PLACE",
        ),
        ("exchange.remotes", "/mnt/nas", "entry 1: it is not \"name=place\"", "carry remote add NAME PLACE"),
        (
            "exchange.remotes",
            "[\"NAS=/mnt/nas\"]",
            "entry 1: it is not \"name=place\"",
            "carry remote set-url NAME PLACE",
        ),
        ("exchange.remotes", "[\"nas=here\"]", "a folder is named from / or ~/ on", "carry remote add NAME PLACE"),
        ("exchange.remotes", "[\"a=/x\", \"a=/y\"]", "entry 2: there is a remote named a already", "carry remote"),
        ("exchange.remotes", "[\"a=https://u:hunter2@example.org\"]", "entry 1: the remote a: ", "carry remote"),
        ("exchange.remotes", "{ nas = 1 }", "", ""),
        ("exchange.remotes", "[1, 2]", "", ""),
        ("exchange.code", "true", "it names \"true\", which is no remote", "carry remote add NAME PLACE --code"),
        ("exchange.private", "[\"nobody\"]", "it names \"nobody\", which is no remote", "carry remote list"),
        ("exchange.token_files", "/secret", "entry 1: it is not \"name=path\"", "--token-file FILE"),
        ("exchange.ca_files", "[\"nas=/x\"]", "entry 1: there is no remote of that name", "--ca-file FILE"),
        ("exchange.rates", "[\"nas=1m\"]", "entry 1: there is no remote of that name", "carry remote list"),
        ("exchange.rates", "fast", "entry 1: it is not \"name=size\"", "[\"NAME=500 KiB\""),
        ("sessions.roots", "vim", "it holds \"vim\", which is not \"agent=/absolute/path\"", "carry sessions sources"),
        ("sessions.disabled", "vim", "it holds \"vim\", but the sources are ", "carry sessions sources"),
        ("team.stores", "5", "entry 1: ", "carry team init"),
        ("team.share", "everything", "", "carry team share PROJECT --mode MODE"),
    ] {
        let ran = world.carry(&["config", "set", key, value]);
        assert_eq!(ran.code, 1, "{key} {value} {ran:?}");
        let said = format!("Error: {key} cannot be set so: {what}");
        assert!(ran.stderr.contains(&said) || ran.stderr.contains(what) && ran.stderr.contains(key), "{value} {ran:?}");
        assert!(ran.stderr.contains(hint) && !ran.stderr.contains("hunter2"), "{key} {value} {ran:?}");
        assert!(!file.exists(), "{key} {value}");
    }
    // What is well-formed is taken, and so is what goes on from it.
    world.ok(&["config", "set", "exchange.remotes", &format!("[{nas:?}]")]);
    world.ok(&["config", "set", "exchange.remotes", &format!("[{nas:?}]")]);
    world.ok(&["config", "set", "exchange.remotes", "[\"nas=/elsewhere\", \"b=/b\"]"]);
    let ran = world.carry(&["config", "set", "exchange.remotes", "5"]);
    assert!(ran.stderr.contains("entry 1: "), "what stood there is replaced: {ran:?}");
    world.ok(&["config", "set", "exchange.remotes", &format!("[{nas:?}]")]);
    world.ok(&["config", "set", "exchange.code", "nas"]);
    world.ok(&["config", "set", "exchange.private", "[\"nas\"]"]);
    assert!(world.ok(&["remote", "list", "--json"]).raw.contains("\"code\":true,\"private\":true"));
    world.ok(&["config", "set", "sessions.roots", "[\"claude=/somewhere\"]"]);
}
