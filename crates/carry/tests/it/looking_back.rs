//! `log`, `diff`, `show`.

use crate::world::{World, field};

/// Three snapshots: as committed, `a.txt` changed, `new.txt` added.
fn three_snapshots() -> (World, [String; 3]) {
    let world = World::with_commit();
    let first = world.snapshot();
    world.file("a.txt", "two\n");
    let second = world.snapshot();
    world.file("new.txt", "new\n");
    let third = world.snapshot();
    (world, [first, second, third])
}

fn commits(json: &str) -> Vec<String> {
    json.lines().map(|line| field(line, "commit")).collect()
}

#[test]
fn log_lists_newest_first() {
    let (world, [first, second, third]) = three_snapshots();
    let ran = world.ok(&["log", "--json"]);
    assert_eq!(commits(&ran.raw), [third.as_str(), &second, &first]);
    assert_eq!(commits(&world.ok(&["log", "--json", "--limit", "2"]).raw), [third.as_str(), &second]);
    let ran = world.ok(&["log"]);
    assert_eq!(ran.stdout.lines().count(), 3);
    assert!(ran.stdout.starts_with("<ID>  <AGE>"), "{}", ran.stdout);
    assert!(ran.stdout.contains("main  new new.txt (+1)"), "{}", ran.stdout);
}

#[test]
fn log_of_a_path_lists_where_it_changed() {
    let (world, [first, second, third]) = three_snapshots();
    let of = |path: &str| commits(&world.ok(&["log", "--json", path]).raw);
    assert_eq!(of("a.txt"), [second.as_str(), &first]);
    assert_eq!(of("new.txt"), [third.as_str()]);
    assert_eq!(of("src"), [first.as_str()]);
    let ran = world.carry(&["log", "nothing.txt"]);
    ran.is(0, "", "No snapshot holds it.\n");
    let ran = world.carry_in(&world.repo().join("src"), &["log", "--json", "../a.txt", "--limit", "1"]);
    assert_eq!(commits(&ran.raw), [second.as_str()]);
}

#[test]
fn log_of_a_branch_leaves_the_others_out() {
    let (world, _) = three_snapshots();
    world.git(&["switch", "-qc", "feature/x"]);
    world.file("a.txt", "three\n");
    let on_feature = world.snapshot();
    assert_eq!(commits(&world.ok(&["log", "--json", "--branch", "feature/x"]).raw), [on_feature]);
    assert_eq!(world.ok(&["log", "--json", "--branch", "main"]).raw.lines().count(), 3);
    assert_eq!(world.ok(&["log", "--json"]).raw.lines().count(), 4);
}

#[test]
fn diff_shows_what_changed_since_the_newest_snapshot() {
    let (world, _) = three_snapshots();
    world.carry(&["diff"]).is(0, "", "");
    world.file("new.txt", "newer\n");
    world.file("a.txt", "four\n");
    world.file("fresh.txt", "fresh\n");
    world.delete("src/net.rs");
    let ran = world.ok(&["diff", "--json"]);
    assert_eq!(
        ran.stdout,
        "{\"type\":\"change\",\"path\":\"a.txt\",\"status\":\"modified\"}\n\
         {\"type\":\"change\",\"path\":\"fresh.txt\",\"status\":\"added\"}\n\
         {\"type\":\"change\",\"path\":\"new.txt\",\"status\":\"modified\"}\n\
         {\"type\":\"change\",\"path\":\"src/net.rs\",\"status\":\"deleted\"}\n"
    );
    let ran = world.ok(&["diff", "new.txt"]);
    assert!(ran.stdout.contains("-new\n+newer\n"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("a.txt"), "{}", ran.stdout);
    let ran = world.ok(&["diff", "src/net.rs"]);
    assert!(ran.stdout.contains("-fn a() {}\n"), "{}", ran.stdout);
}

#[test]
fn diff_compares_two_snapshots() {
    let (world, [first, second, third]) = three_snapshots();
    world.file("a.txt", "not asked for\n");
    let ran = world.ok(&["diff", &first[..12], &second[..12]]);
    assert!(ran.stdout.contains("-one\n+two\n"), "{}", ran.stdout);
    let ran = world.ok(&["diff", "--json", &first, &third, "--", "new.txt"]);
    assert_eq!(ran.stdout, "{\"type\":\"change\",\"path\":\"new.txt\",\"status\":\"added\"}\n");
    assert_eq!(world.carry(&["diff", &first, &second, &third]).code, 2);
}

#[test]
fn diff_writes_nothing_to_the_repository() {
    let (world, _) = three_snapshots();
    world.file("untracked.txt", "x\n");
    let count = || world.git(&["count-objects", "-v"]);
    let before = count();
    world.ok(&["diff"]);
    assert_eq!(count(), before);
}

#[test]
fn diff_leaves_ignored_files_and_nested_repositories_out() {
    let (world, _) = three_snapshots();
    world.file(".gitignore", "*.log\n");
    world.file("x.log", "x\n");
    world.file("y.tmp", "y\n");
    world.git(&["init", "-q", "nested"]);
    world.file("nested/z", "z\n");
    let ran = world.ok(&["--config", "files.ignore=[\"*.tmp\"]", "diff", "--json"]);
    assert_eq!(ran.stdout, "{\"type\":\"change\",\"path\":\".gitignore\",\"status\":\"added\"}\n", "{ran:?}");
}

#[test]
fn show_tells_of_a_snapshot() {
    let (world, [_, second, _]) = three_snapshots();
    let ran = world.ok(&["show", &second]);
    assert!(ran.stdout.starts_with("snapshot <ID>\nTime:     "), "{}", ran.stdout);
    assert!(ran.stdout.contains("\n    modified a.txt (+1 −1)\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("-one\n+two\n"), "{}", ran.stdout);
    assert_eq!(field(&world.ok(&["show", &second, "--json"]).raw, "commit"), second);
}

#[test]
fn show_gives_a_file_as_it_was() {
    let (world, [first, _, third]) = three_snapshots();
    assert_eq!(world.ok(&["show", &first, "a.txt"]).raw, "one\n");
    assert_eq!(world.ok(&["show", &format!("{}:src/net.rs", &first[..10])]).raw, "fn a() {}\n");
    assert_eq!(world.ok(&["show", &third, "."]).raw, "a.txt\nnew.txt\nsrc\n");
    let ran = world.carry_in(&world.repo().join("src"), &["show", &first, "net.rs"]);
    assert_eq!(ran.raw, "fn a() {}\n");
    let ran = world.carry(&["show", &first, "new.txt"]);
    ran.is(
        1,
        "",
        "Error: snapshot <ID> has no new.txt\nHint: `carry log PATH` lists the snapshots in which it changed.\n",
    );
}

#[test]
fn show_gives_bytes_as_they_are() {
    let world = World::new();
    let bytes = [0, 255, 10, 13, 27];
    let mut file = std::fs::File::create(world.repo().join("raw")).unwrap();
    std::io::Write::write_all(&mut file, &bytes).unwrap();
    let snapshot = world.snapshot();
    let carry = env!("CARGO_BIN_EXE_carry");
    let said = world.command(carry.as_ref(), &world.repo()).args(["show", &snapshot, "raw"]).output().unwrap();
    assert_eq!(said.stdout, bytes);
}

#[test]
fn a_word_that_is_a_snapshot_and_a_path_is_refused() {
    let (world, [first, ..]) = three_snapshots();
    world.file(&first[..8], "named like a snapshot\n");
    world.file("yesterday", "named like a time\n");
    let ran = world.carry(&["diff", &first[..8]]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains(" names a snapshot and is a path as well\n"), "{ran:?}");
    assert!(ran.stderr.contains(&format!("Hint: `carry diff -- {}` means the path", &first[..8])), "{ran:?}");
    assert!(world.ok(&["diff", "--", &first[..8]]).stdout.contains("+named like a snapshot\n"));
    assert!(world.ok(&["diff", &first]).stdout.contains("+two\n"));
}

#[test]
fn show_gives_objects() {
    let (world, [first, ..]) = three_snapshots();
    let ran = world.ok(&["show", &first, "a.txt", "--json"]);
    assert_eq!(field(&ran.raw, "type"), "object");
    assert_eq!((field(&ran.raw, "kind"), field(&ran.raw, "text")), ("file".to_owned(), "one\n".to_owned()));
    let ran = world.ok(&["show", &first, "src", "--json"]);
    assert_eq!(field(&ran.raw, "kind"), "folder");
    assert!(field(&ran.raw, "entries").contains("\"name\":\"net.rs\""), "{ran:?}");
}

#[test]
fn diff_sees_an_edit_in_the_same_moment_as_the_index() {
    let world = World::with_commit();
    world.git(&["config", "core.trustctime", "false"]);
    world.git(&["config", "core.checkStat", "minimal"]);
    let (file, index) = (world.repo().join("a.txt"), world.repo().join(".git/index"));
    // Longer ago than the second that Git counts in.
    let time = file.metadata().unwrap().modified().unwrap() - std::time::Duration::from_secs(3600);
    let set = |path| std::fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    set(&file);
    world.git(&["update-index", "--refresh"]);
    set(&index);
    world.file("a.txt", "two\n");
    set(&file);
    world.ok(&["now"]);
    world.file("fresh.txt", "x\n");
    let ran = world.ok(&["diff", "--json"]);
    assert_eq!(ran.stdout, "{\"type\":\"change\",\"path\":\"fresh.txt\",\"status\":\"added\"}\n");
}
