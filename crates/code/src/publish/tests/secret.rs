//! Secrets are held back.

use super::*;

/// A key of nobody's, put together here so that the source holds none.
pub(super) fn key() -> String {
    let body: String = (0..24).map(|n| format!("MIIEpAIBAAKCAQEA{n:048}\n")).collect();
    format!("-----BEGIN {0} PRIVATE KEY-----\n{body}-----END {0} PRIVATE KEY-----\n", "RSA")
}

fn blob(machine: &Machine, commit: ObjectId, path: &str) -> ObjectId {
    ObjectId::from_hex(machine.git(&["rev-parse", &format!("{commit}:{path}")]).as_bytes()).unwrap()
}

#[test]
fn a_line_with_a_secret_is_held_back_and_goes_out_without_it_once_it_is_gone() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.machine("a"), fleet.machine("b"));
    let first = a.work("one");
    a.push();
    a.write("id_rsa", &key());
    let secret = a.capture();
    let there = fleet.lines();
    let report = a.push();
    assert_eq!(report.held.len(), 1, "{report:?}");
    assert_eq!(report.held[0].1[0].path, "id_rsa");
    assert!(matches!(state(&a), LineState::Held { findings } if findings[0].contains("id_rsa")));
    assert_eq!(fleet.lines(), there);
    let asked = super::super::secrets(&a.ctx, &a.repo(), &a.tree, &a.remote()).unwrap();
    assert_eq!(asked, report.held);

    std::fs::remove_file(a.root.join("id_rsa")).unwrap();
    let clean = a.work("two");
    assert_eq!(a.push().pushed, [main()]);
    let later = a.work("three");
    assert_eq!(a.push().pushed, [main()]);
    b.fetch();
    assert_eq!(b.snapshots(&a.line()), [later.commit, clean.commit, first.commit]);
    assert!(!has(&fleet, secret.commit) && !has(&fleet, blob(&a, secret.commit, "id_rsa")));
    assert_eq!(a.snapshots(&a.line()).len(), 4, "here it stays");
}

#[test]
fn what_is_allowed_goes_out() {
    let fleet = Fleet::new();
    let a = fleet.machine("a");
    a.write("id_rsa", &key());
    let secret = a.capture();
    assert_eq!(a.push().held.len(), 1);
    let allowed = Options { allow_secrets: true, ..Options::default() };
    assert_eq!(a.try_push(allowed).unwrap().pushed, [main()]);
    assert!(has(&fleet, secret.commit));
    a.work("two");
    assert_eq!(a.push().pushed, [main()], "what is there already is held back no more");
}

#[test]
fn what_a_commit_there_says_is_no_secret_any_more() {
    let fleet = Fleet::new();
    let a = fleet.machine("a");
    a.write("fixture.pem", &key());
    a.git(&["add", "."]);
    a.git(&["commit", "--quiet", "-m", "a key for tests"]);
    a.git(&["push", "--quiet", "origin", "HEAD:main"]);
    a.work("one");
    assert_eq!(a.push().pushed, [main()]);
}

#[test]
fn a_secret_that_came_with_a_pull_is_no_news_to_the_remote() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.machine("a"), fleet.machine("b"));
    a.work("one");
    a.push();
    b.write("fixture.pem", &key());
    b.git(&["add", "."]);
    b.git(&["commit", "--quiet", "-m", "a key for tests"]);
    b.git(&["push", "--quiet", "origin", "HEAD:main"]);
    a.git(&["pull", "--quiet", "--ff-only", "origin", "main"]);
    a.capture();
    assert_eq!(a.push().pushed, [main()]);
}

#[test]
fn a_secret_in_a_commit_that_was_not_pushed_holds_the_line_back() {
    let fleet = Fleet::new();
    let a = fleet.machine("a");
    a.write("id_rsa", &key());
    a.git(&["add", "."]);
    a.git(&["commit", "--quiet", "-m", "oops"]);
    a.git(&["rm", "--quiet", "id_rsa"]);
    a.git(&["commit", "--quiet", "-m", "better"]);
    a.work("one");
    let report = a.push();
    assert_eq!(report.held.len(), 1, "{report:?}");
    assert!(fleet.lines().is_empty());
}

#[test]
fn commits_with_a_secret_that_were_undone_stay_here() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.machine("a"), fleet.machine("b"));
    a.write("id_rsa", &key());
    a.git(&["add", "."]);
    a.git(&["commit", "--quiet", "-m", "oops"]);
    let oops = ObjectId::from_hex(a.git(&["rev-parse", "HEAD"]).as_bytes()).unwrap();
    a.git(&["rm", "--quiet", "--cached", "id_rsa"]);
    std::fs::remove_file(a.root.join("id_rsa")).unwrap();
    a.work("with oops below");
    a.git(&["reset", "--quiet", "--soft", "HEAD~"]);
    let clean = a.work("without");
    assert_eq!(a.push().pushed, [main()]);
    b.fetch();
    assert_eq!(b.snapshots(&a.line()), [clean.commit]);
    assert!(!has(&fleet, oops));
}

#[test]
fn a_staged_secret_holds_the_line_back() {
    let fleet = Fleet::new();
    let a = fleet.machine("a");
    a.write("id_rsa", &key());
    a.git(&["add", "id_rsa"]);
    std::fs::remove_file(a.root.join("id_rsa")).unwrap();
    a.work("one");
    assert_eq!(a.push().held.len(), 1);
}

/// A token of nobody's, put together here so that the source holds none.
fn token() -> String {
    ["gh", "p_", "Zq81kd0VbN3xW7cT5mR2yL9aH4sJ6uE1pG0f"].concat()
}

#[track_caller]
fn held_for(report: &crate::publish::Report, expected: &[(&str, crate::secrets::Place)]) {
    let found: Vec<_> = report.held.iter().flat_map(|(_, found)| found).collect();
    let is = |path: &str, place| found.iter().any(|one| one.path.starts_with(path) && one.place == place);
    assert!(expected.iter().all(|(path, place)| is(path, *place)) && found.len() == expected.len(), "{found:?}");
}

#[test]
fn a_secret_in_the_message_of_a_commit_that_was_not_pushed_holds_the_line_back() {
    use crate::secrets::Place;
    let fleet = Fleet::new();
    let a = fleet.machine("a");
    a.git(&["commit", "--quiet", "--allow-empty", "-m", &format!("use {} for now", token())]);
    a.git(&["commit", "--quiet", "--allow-empty", "-m", "next", "--author", &format!("{} <me@host.org>", token())]);
    let ids = a.git(&["rev-parse", "HEAD", "HEAD~"]);
    a.work("one");
    let report = a.push();
    let messages: Vec<String> = ids.lines().map(|id| format!("the message of commit {}", &id[..7])).collect();
    held_for(&report, &[(&messages[0], Place::Message), (&messages[1], Place::Message)]);
    a.git(&["reset", "--quiet", "--soft", "HEAD~2"]);
    a.work("two");
    assert_eq!(a.push().pushed, [main()]);
}

#[test]
fn a_secret_in_the_name_of_a_file_holds_the_line_back_until_it_is_renamed() {
    use crate::secrets::Place;
    let fleet = Fleet::new();
    let a = fleet.machine("a");
    a.work("one");
    a.push();
    let name = format!("notes/old-{}.txt", token());
    a.write(&name, "harmless\n");
    let secret = a.capture();
    // Not also for the message of the snapshot, which names the file.
    held_for(&a.push(), &[(&format!("the name of the file {name}"), Place::Name)]);
    a.work("two");
    held_for(&a.push(), &[(&format!("the name of the file {name}"), Place::Name)]);
    std::fs::rename(a.root.join(&name), a.root.join("notes/plain.txt")).unwrap();
    let clean = a.capture();
    assert_eq!(a.push().pushed, [main()]);
    assert!(has(&fleet, clean.commit) && !has(&fleet, secret.commit));
}

#[test]
fn a_name_that_the_remote_has_is_held_back_no_more() {
    let fleet = Fleet::new();
    let a = fleet.machine("a");
    let name = format!("{}.txt", token());
    a.write(&name, "harmless\n");
    a.git(&["add", "."]);
    a.git(&["commit", "--quiet", "-m", "a name for tests"]);
    a.git(&["push", "--quiet", "origin", "HEAD:main"]);
    a.write(&name, "changed\n");
    a.capture();
    assert_eq!(a.push().pushed, [main()]);
    std::fs::create_dir(a.root.join("folder")).unwrap();
    std::fs::rename(a.root.join(&name), a.root.join("folder").join(&name)).unwrap();
    a.capture();
    assert_eq!(a.push().pushed, [main()]);
}

#[test]
fn a_secret_in_the_name_of_a_branch_holds_its_line_back_unless_the_remote_has_it() {
    use crate::secrets::Place;
    let fleet = Fleet::new();
    let a = fleet.machine("a");
    let name = format!("fix/{}", token());
    a.git(&["switch", "--quiet", "-c", &name]);
    a.work("one");
    held_for(&a.push(), &[(&format!("the name of the branch {name}"), Place::Branch)]);
    a.git(&["push", "--quiet", "origin", "HEAD"]);
    assert_eq!(a.push().pushed, [Branch::Named(name.into())]);
}

#[test]
fn a_large_file_with_a_secret_holds_the_line_back() {
    let fleet = Fleet::new();
    let a = fleet.machine("a");
    let filler = "INSERT INTO visits VALUES (17, 'nothing of note', 42);\n".repeat(30_000);
    a.write("dump.sql", &format!("{filler}{}\n{filler}", token()));
    a.capture();
    held_for(&a.push(), &[("dump.sql", crate::secrets::Place::File)]);
    a.write("dump.sql", &filler);
    a.capture();
    assert_eq!(a.push().pushed, [main()]);
}
