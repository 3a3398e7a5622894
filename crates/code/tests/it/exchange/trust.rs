//! Whose line it is, which one is newer, and what goes when a log does not count any more.

use carry_code::line::{Branch, LineName};
use carry_code::seal::Seal;
use carry_code::secrets::Place;
use carry_code::stream::LineStanding;
use carry_code::tips::Trust;
use carry_code::{history, refs};

use super::side::{NOW, Side};

#[test]
fn nothing_of_a_log_that_nobody_approved_is_folded() {
    let mut a = Side::new();
    let mut b = Side::clone_of(&a);
    a.says("one");
    assert_eq!(b.pull(&a).n_folded, 0);
    assert_eq!(b.value(&a.line()), None);
    assert!(b.registry().devices().unwrap().is_empty());
    b.trust(&a);
    assert_eq!(b.deliver().n_folded, 1);
    assert_eq!(b.tip_of(&a.line()).unwrap().trust, Trust::Approved);
}

#[test]
fn an_approval_that_was_taken_back_is_not_given_again() {
    let (mut a, mut b) = Side::pair();
    a.says("one");
    b.pull(&a);
    let id = a.rig.ctx.device.id();
    b.registry().revoke_device(id.as_str()).unwrap();
    a.says("two");
    b.pull(&a);
    assert_eq!(b.tip_of(&a.line()).unwrap().trust, Trust::Revoked);
}

#[test]
fn a_seal_under_another_key_than_the_known_one_is_refused_and_named() {
    let (mut a, mut b) = Side::pair();
    b.registry().note_device(a.rig.ctx.device.id().as_str(), Some([7; 32]), "somebody", NOW).unwrap();
    a.says("one");
    b.pull(&a);
    assert_eq!(b.value(&a.line()), None);
    let refusal = b.foreign().refused.remove(0);
    assert!(!refusal.is_tried_again);
    let why = refusal.why;
    assert!(why.contains("under another key"), "{why}");
    assert_eq!(b.registry().device(a.rig.ctx.device.id().as_str()).unwrap().unwrap().approved, None);
}

#[test]
fn a_line_that_came_over_git_and_is_newer_stays() {
    let (mut a, mut b) = Side::pair();
    a.says("one");
    b.fetch_some(&a.store, &|_| true);
    // A later state, as a fetch would have put it.
    let two = a.work("two");
    a.offer();
    let keeper = a.value(&a.line()).unwrap();
    let device = a.rig.ctx.device.get();
    let seal = Seal {
        line: a.line(),
        branch: Branch::Named("main".into()),
        keeper,
        label: "a".to_owned(),
        key: device.public_key(),
        count: 9,
        finished: false,
    };
    let raw = seal.to_commit(two.tree, two.time, &|bytes| device.sign(bytes));
    let path = a.rig.git.base().join("seal");
    carry_kernel::disk::write_cache(&path, raw.as_ref()).unwrap();
    let id = a.rig.git.git(["hash-object", "-t", "commit", "-w", path.to_str().unwrap()]).trim().to_owned();
    a.rig.git.git(["update-ref", "refs/tmp/seal", &id]);
    let root = a.rig.git.root().to_str().unwrap().to_owned();
    b.rig.git.git(["fetch", "-q", "--no-write-fetch-head", &root, &format!("refs/tmp/seal:{}", a.line().ref_name())]);
    b.deliver();
    assert_eq!(b.value(&a.line()).unwrap().to_string(), id);
    assert_eq!(b.snapshots(&a.line()), a.snapshots(&a.line()));
    assert!(b.foreign().refused.is_empty());
    // What the exchange says next is newer again: its seal counts on.
    let three = a.work("three");
    a.registry().note_seal("elsewhere", &a.line(), b"", 9).unwrap();
    a.say();
    b.pull(&a);
    assert_eq!(b.snapshots(&a.line())[0], three.commit);
}

#[test]
fn lines_of_a_revoked_log_go_and_come_back_with_it() {
    let (mut a, mut b) = Side::pair();
    a.says("one");
    a.says("two");
    b.pull(&a);
    let chains = history::line(&b.repo(), &a.line()).unwrap().unwrap();
    assert!(chains.seal.is_some());
    b.revoke_all(&a);
    b.deliver();
    assert_eq!(b.value(&a.line()), None);
    assert!(b.standing().foreign.is_empty());
    b.rig.fsck();
}

#[test]
fn a_ref_that_moved_on_since_stays_and_is_named() {
    let (mut a, mut b) = Side::pair();
    a.says("one");
    b.pull(&a);
    let value = b.value(&a.line()).unwrap();
    let head = carry_code::git::ObjectId::from_hex(b.rig.git.id("HEAD").as_bytes()).unwrap();
    refs::update(&b.repo(), &a.line().ref_name(), Some(value), head).unwrap();
    b.revoke_all(&a);
    b.deliver();
    assert_eq!(b.value(&a.line()), Some(head));
    let left = b.standing().left;
    assert_eq!((left.len(), left[0].1.as_str()), (1, a.line().ref_name().as_str()));
    assert!(left[0].2.contains("moved on"), "{left:?}");
}

#[test]
fn an_own_line_comes_back_into_a_repository_that_was_made_anew() {
    let mut a = Side::new();
    let mut b = Side::clone_of(&a);
    let snapshot = a.says("one");
    // The same device under a log of its own, as after its database was restored, with the line gone.
    let (name, value): (LineName, _) = (a.line(), a.value(&a.line()).unwrap());
    refs::delete(&a.repo(), &name.ref_name(), value).unwrap();
    b.trust(&a);
    b.pull(&a);
    std::fs::remove_file(a.rig.ctx.home.database("exchange")).unwrap();
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", a.rig.ctx.home.database("exchange").display()));
    }
    let author = std::mem::replace(&mut a.store, super::side::open_store(&b.rig.ctx));
    // What it knew of what it had said went back, too.
    let db = carry_kernel::db::rusqlite::Connection::open(a.rig.ctx.home.database("code")).unwrap();
    db.execute_batch("DELETE FROM applied").unwrap();
    drop(db);
    a.reopen();
    a.store.approve(author.log(), NOW).unwrap();
    // What lies at the remote is what b holds.
    let head = b.store.followed_of(author.log()).unwrap().remove(0);
    a.store.see_head(&head.head.name(), head.head.bytes(), NOW).unwrap();
    a.fetch_log_from(&b.store, author.log());
    a.deliver();
    let back = history::line(&a.repo(), &name).unwrap().unwrap();
    assert_eq!(back.seal, None, "it is ours, and goes on");
    assert_eq!(a.snapshots(&name), [snapshot.commit]);
    let next = a.work("two");
    assert_eq!(a.snapshots(&name), [next.commit, snapshot.commit]);
    a.rig.fsck();
}

#[test]
fn a_secret_is_held_back_and_named_until_it_is_gone_or_allowed() {
    // A key of nobody's, put together here so that the source holds none.
    let body: String = (0..24).map(|n| format!("MIIEpAIBAAKCAQEA{n:048}\n")).collect();
    let key = format!("-----BEGIN {0} PRIVATE KEY-----\n{body}-----END {0} PRIVATE KEY-----\n", "RSA");
    let (mut a, mut b) = Side::pair();
    a.says("harmless");
    a.rig.git.write("id_rsa", &key);
    a.capture();
    assert_eq!(a.say().n_records, 0);
    let LineStanding::Held { findings, .. } = a.own() else { panic!("{:?}", a.own()) };
    assert!(findings[0].starts_with("id_rsa: "), "{findings:?}");
    b.pull(&a);
    assert_eq!(b.snapshots(&a.line()).len(), 1);
    a.rig.git.delete("id_rsa");
    a.capture();
    assert_eq!(a.say().n_records, 1);
    a.rig.git.write("id_rsa", &key).commit_all("oops");
    a.rig.git.delete("id_rsa").commit_all("gone, and still in history");
    a.capture();
    assert_eq!(a.say().n_records, 0);
    a.rig.configure("[code]\nexchange_secrets = \"send\"\n");
    a.reopen();
    assert_eq!(a.say().n_records, 1);
    b.pull(&a);
    assert_eq!(b.snapshots(&a.line())[0], a.snapshots(&a.line())[0]);
}

/// A token of nobody's, put together here so that the source holds none.
pub(super) fn token() -> String {
    ["gh", "p_", "Zq81kd0VbN3xW7cT5mR2yL9aH4sJ6uE1pG0f"].concat()
}

/// What holds our only line back, and what each finding is in.
#[track_caller]
fn held(side: &mut Side) -> (Vec<String>, Vec<Place>) {
    assert_eq!(side.say().n_records, 0);
    let LineStanding::Held { findings, places } = side.own() else { panic!("{:?}", side.own()) };
    (findings, places)
}

#[test]
fn what_is_in_a_commit_is_told_from_what_is_in_a_file() {
    let mut a = Side::new();
    a.says("harmless");
    let filler = "INSERT INTO visits VALUES (17, 'nothing of note', 42);\n".repeat(30_000);
    a.rig.git.write("dump.sql", format!("{filler}{}\n", token()));
    a.capture();
    assert_eq!(held(&mut a), (vec!["dump.sql: GitHub token".to_owned()], vec![Place::File]));
    a.rig.git.commit_all("with a dump");
    let id = a.rig.git.git(["rev-parse", "--short=7", "HEAD"]);
    let in_commit = (vec![format!("dump.sql: GitHub token (commit {})", id.trim())], vec![Place::Commit]);
    a.capture();
    assert_eq!(held(&mut a), in_commit);
    a.rig.git.delete("dump.sql").commit_all("gone, and still in history");
    a.capture();
    assert_eq!(held(&mut a), in_commit);
    a.rig.git.git(["reset", "-q", "--soft", "HEAD~2"]);
    a.work("two");
    assert_eq!(a.say().n_records, 1);
}

#[test]
fn messages_and_names_are_looked_at_and_what_is_there_already_is_no_news() {
    let mut a = Side::new();
    a.says("harmless");
    a.rig.git.git(["commit", "-q", "--allow-empty", "-m", &format!("with {}", token())]);
    let id = a.rig.git.git(["rev-parse", "--short=7", "HEAD"]);
    a.work("one");
    let message = format!("the message of commit {}: GitHub token", id.trim());
    assert_eq!(held(&mut a), (vec![message], vec![Place::Message]));
    a.rig.git.git(["commit", "-q", "--amend", "--allow-empty", "-m", "without"]);
    a.work("two");
    assert_eq!(a.say().n_records, 1);

    // The same content, so that no listing names the file.
    let name = format!("{}.txt", token());
    std::fs::rename(a.rig.git.path("work"), a.rig.git.path(&name)).unwrap();
    a.capture();
    assert_eq!(held(&mut a), (vec![format!("the name of the file {name}: GitHub token")], vec![Place::Name]));
    a.rig.configure("[code]\nexchange_secrets = \"send\"\n");
    a.reopen();
    assert_eq!(a.say().n_records, 1);
    a.rig.configure("");
    a.reopen();
    // What was said once is no news, though what a pack stands on may be older than that.
    a.rig.git.write(&name, "changed");
    a.capture();
    assert_eq!(a.say().n_records, 1);
    a.rig.git.write("harmless", "beside it");
    a.capture();
    assert_eq!(a.say().n_records, 1, "{:?}", a.own());
    a.rig.git.delete(&name);
    a.capture();
    assert_eq!(a.say().n_records, 1, "{:?}", a.own());
    a.rig.git.write(&name, "and back");
    a.capture();
    assert_eq!(a.say().n_records, 1, "{:?}", a.own());
}

#[test]
fn a_secret_that_was_said_is_no_reason_to_hold_back_whatever_a_pack_stands_on() {
    let mut a = Side::new();
    a.says("harmless");
    a.rig.configure("[code]\nexchange_secrets = \"send\"\n");
    a.reopen();
    let content = format!("token = {}\n", token());
    a.rig.git.write("one", &content);
    a.rig.git.git(["commit", "-q", "--allow-empty", "-m", &format!("with {}", token())]);
    a.says("and a message");
    a.rig.configure("");
    a.reopen();
    // The second, third and fourth stand on others than the one before them.
    for n in 0..3 {
        a.says(&format!("{n}"));
        assert_eq!(a.own(), LineStanding::Said, "{n}");
    }
    std::fs::rename(a.rig.git.path("one"), a.rig.git.path("other")).unwrap();
    a.capture();
    assert_eq!(a.say().n_records, 1, "{:?}", a.own());
    a.rig.git.delete("other").commit_all("without");
    a.capture();
    assert_eq!(a.say().n_records, 1, "{:?}", a.own());
    a.rig.git.write("other", format!("{content}# and a second one: {}\n", token().replace("Zq8", "Zq9")));
    a.capture();
    assert_eq!(held(&mut a), (vec!["other: GitHub token".to_owned()], vec![Place::File]));
}

#[test]
fn a_snapshot_whose_message_alone_has_a_secret_is_held_back() {
    let mut a = Side::new();
    a.says("harmless");
    let name = format!("{}.txt", token());
    a.rig.git.write(&name, "secret by its name");
    a.capture();
    a.rig.git.delete(&name);
    let snapshot = a.capture();
    let message = format!("the message of the snapshot {}: GitHub token", &snapshot.commit.to_string()[..7]);
    assert_eq!(held(&mut a), (vec![message], vec![Place::Snapshot]));
    a.work("next");
    assert_eq!(a.say().n_records, 1);
}

#[test]
fn the_name_of_a_branch_is_looked_at_when_it_is_new() {
    let mut a = Side::new();
    let name = format!("fix/{}", token());
    a.rig.git.git(["checkout", "-q", "-b", &name]);
    a.work("one");
    let finding = format!("the name of the branch {name}: GitHub token");
    assert_eq!(held(&mut a), (vec![finding], vec![Place::Branch]));
    a.rig.configure("[code]\nexchange_secrets = \"send\"\n");
    a.reopen();
    assert_eq!(a.say().n_records, 1);
    a.rig.configure("");
    a.reopen();
    a.work("two");
    assert_eq!(a.say().n_records, 1);
}
