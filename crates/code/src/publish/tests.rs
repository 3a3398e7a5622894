use super::{LineState, Options};
use crate::gather::fixture::{Fleet, Machine};
use crate::git::ObjectId;
use crate::line::Branch;
use crate::{history, refs};

mod secret;

fn main() -> Branch {
    Branch::Named("main".into())
}

fn state(machine: &Machine) -> LineState {
    let rows = machine.registry().published(machine.repo().common_dir(), &machine.url).unwrap();
    rows.into_iter().find(|row| row.line == machine.line()).expect("something is known").state
}

fn count(fleet: &Fleet, machine: &Machine) -> u64 {
    machine.git(&["fetch", "--quiet", "--no-write-fetch-head", "--refmap=", "origin", &machine.line().ref_name()]);
    let value = fleet.lines().into_iter().find(|(name, _)| *name == machine.line().ref_name()).unwrap().1;
    history::seal(&machine.repo().gix(), value).unwrap().unwrap().count
}

fn has(fleet: &Fleet, id: ObjectId) -> bool {
    crate::git::fixture::command(&fleet.remote())
        .args(["cat-file", "-e", &id.to_string()])
        .output()
        .unwrap()
        .status
        .success()
}

/// Puts a hook into the remote.
fn hook(fleet: &Fleet, name: &str, script: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let path = fleet.remote().join("hooks").join(name);
    crate::git::fixture::write(&path, format!("#!/bin/sh\n{script}\n").as_bytes());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_push_publishes_every_line_of_the_tree_and_touches_nothing_of_the_users() {
    let fleet = Fleet::new();
    let a = fleet.machine("a");
    a.work("on main");
    a.git(&["checkout", "--quiet", "-b", "topic"]);
    a.work("on topic");
    let refs_before = a.git(&["for-each-ref"]);
    let mut report = a.push();
    report.pushed.sort();
    assert_eq!(report.pushed, [main(), Branch::Named("topic".into())]);
    assert_eq!(fleet.lines().len(), 2);
    assert_eq!(a.git(&["for-each-ref"]), refs_before);
    assert!(fleet.git(&["branch", "--format=%(refname)"]).lines().eq(["refs/heads/main"]));
    for (_, seal) in fleet.lines() {
        let found = crate::git::fixture::command(&a.root).args(["cat-file", "-e", &seal.to_string()]).output().unwrap();
        assert!(!found.status.success(), "a seal of ours is no part of our repository");
    }
    assert_eq!(state(&a), LineState::Published);
}

#[test]
fn where_the_remote_has_everything_it_is_not_even_asked() {
    let fleet = Fleet::new();
    let a = fleet.machine("a");
    a.work("one");
    a.push();
    std::fs::rename(fleet.remote(), fleet.path().join("away")).unwrap();
    assert_eq!(a.push().unchanged, 1);
    a.work("two");
    let error = a.try_push(Options::default()).unwrap_err();
    assert_eq!(error.reason(), Some(carry_kernel::worker::Reason::Unreachable));
    let link = a.registry().link(a.repo().common_dir(), "origin", &a.url).unwrap();
    assert!(link.push_error.is_some() && link.pushed.is_some());
}

#[test]
fn only_what_is_new_is_sent() {
    let fleet = Fleet::new();
    let a = fleet.machine("a");
    let mut noise = String::new();
    let mut state = 1u64;
    while noise.len() < 200_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        noise.push_str(&format!("{state:x}\n"));
    }
    a.write("noise", &noise);
    a.work("one");
    a.write("noise", "none");
    a.work("two");
    let first = a.push().bytes;
    assert!(first > 50_000, "{first}");
    a.work("three");
    let second = a.push().bytes;
    assert!(second < 5_000, "{second} after {first}");
}

#[test]
fn counts_grow_and_the_same_state_on_two_remotes_is_the_same_seal() {
    let fleet = Fleet::new();
    let a = fleet.machine("a");
    a.work("one");
    a.push();
    assert_eq!(count(&fleet, &a), 1);
    a.work("two");
    a.push();
    assert_eq!(count(&fleet, &a), 2);
    let other = fleet.path().join("other.git");
    crate::git::fixture::git(&fleet.path(), &["init", "--quiet", "--bare", "other.git"]);
    let url = other.to_str().unwrap().to_owned();
    let second = crate::remote::Remote { name: url.clone(), url, reach: crate::remote::Reach::Local };
    let cancel = std::sync::atomic::AtomicBool::new(false);
    let io = crate::gather::fixture::io(&cancel);
    super::push(&a.ctx, &a.repo(), &a.tree, &second, &Options::default(), &io).unwrap();
    let there = crate::git::fixture::git(&other, &["rev-parse", &a.line().ref_name()]);
    assert_eq!(there, fleet.lines()[0].1.to_string());
}

#[test]
fn commits_that_were_not_pushed_travel_along() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.machine("a"), fleet.machine("b"));
    a.write("file", "two");
    a.git(&["commit", "--quiet", "-am", "not pushed"]);
    let head = a.git(&["rev-parse", "HEAD"]);
    let tip = a.work("one");
    a.push();
    b.fetch();
    assert_eq!(b.git(&["rev-parse", &format!("{}^", tip.commit)]), head);
    assert_eq!(b.git(&["show", &format!("{head}:file")]), "two");
    assert_eq!(fleet.git(&["rev-list", "--count", "main"]), "1", "branches stay");
}

#[test]
fn a_remote_that_refuses_one_line_has_the_others() {
    let fleet = Fleet::new();
    let a = fleet.machine("a");
    hook(&fleet, "update", r#"case "$1" in */main) echo "not main, see https://u:p@host/" >&2; exit 1;; esac"#);
    a.work("on main");
    a.git(&["checkout", "--quiet", "-b", "topic"]);
    a.work("on topic");
    let report = a.push();
    assert_eq!(report.pushed, [Branch::Named("topic".into())]);
    let [(branch, message)] = &report.refused[..] else { panic!("{report:?}") };
    assert_eq!(*branch, main());
    assert!(message.contains("not main") && !message.contains("u:p"), "{message}");
    assert_eq!(state(&a), LineState::Refused { message: message.clone() });
    std::fs::remove_file(fleet.remote().join("hooks/update")).unwrap();
    assert_eq!(a.push().pushed, [main()], "it is tried again");
}

#[test]
fn a_remote_that_refuses_all_is_told() {
    let fleet = Fleet::new();
    let a = fleet.machine("a");
    hook(&fleet, "pre-receive", "exit 1");
    a.work("one");
    assert_eq!(a.push().refused.len(), 1);
    assert!(fleet.lines().is_empty());
}

#[test]
fn a_remote_that_allows_no_rewriting_has_lines_made_anew() {
    let fleet = Fleet::new();
    fleet.git(&["config", "receive.denyNonFastForwards", "true"]);
    let (a, b) = (fleet.machine("a"), fleet.machine("b"));
    a.work("one");
    a.push();
    b.fetch();
    a.work("two");
    let report = a.push();
    assert_eq!((report.pushed.len(), report.refused.len()), (1, 0), "{report:?}");
    b.fetch();
    assert_eq!(b.snapshots(&a.line()), a.snapshots(&a.line()));
}

#[test]
fn what_the_remote_has_is_found_out_when_nothing_is_known_any_more() {
    let fleet = Fleet::new();
    let a = fleet.machine("a");
    a.work("one");
    a.push();
    a.work("two");
    a.push();
    let db = carry_kernel::db::rusqlite::Connection::open(a.ctx.home.database("code")).unwrap();
    db.execute_batch("DELETE FROM published; DELETE FROM seals;").unwrap();
    drop(db);
    let there = fleet.lines();
    let report = a.push();
    assert!(report.refused.is_empty() && report.held.is_empty() && !report.renewed, "{report:?}");
    assert_eq!(fleet.lines(), there);
    a.work("three");
    a.push();
    assert_eq!(count(&fleet, &a), 3);
}

#[test]
fn a_finished_line_says_so_until_there_is_more_work() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.machine("a"), fleet.machine("b"));
    a.work("one");
    a.push();
    assert_eq!(a.try_push(Options { finish: Some(main()), ..Options::default() }).unwrap().pushed, [main()]);
    let finished = |b: &Machine| {
        b.fetch();
        let value = refs::read(&b.repo(), &a.line().ref_name()).unwrap().unwrap();
        history::seal(&b.repo().gix(), value).unwrap().unwrap().finished
    };
    assert!(finished(&b));
    a.work("two");
    a.push();
    assert!(!finished(&b));
}

#[test]
fn a_mirroring_remote_gets_lines_and_nothing_else() {
    let fleet = Fleet::new();
    let a = fleet.machine("a");
    a.git(&["config", "remote.origin.mirror", "true"]);
    a.git(&["branch", "private"]);
    a.work("one");
    assert_eq!(a.push().pushed, [main()]);
    assert!(!has(&fleet, ObjectId::null(gix::hash::Kind::Sha1)));
    assert!(fleet.git(&["branch", "--format=%(refname)"]).lines().eq(["refs/heads/main"]));
}

#[test]
fn a_line_that_is_refused_goes_out_in_the_layout_of_git_pulsar_when_that_is_wanted() {
    let fleet = Fleet::new();
    let mut a = fleet.machine("a");
    fleet.git(&["config", "receive.hideRefs", "refs/carry"]);
    let streams = |fleet: &Fleet| fleet.git(&["for-each-ref", "--format=%(refname)", "refs/heads/wip/"]);
    a.work("one");
    let report = a.push();
    assert_eq!((report.refused.len(), report.streamed.len(), streams(&fleet).as_str()), (1, 0, ""), "{report:?}");
    a.ctx.sources.flags.push(("code.namespace".to_owned(), "pulsar".to_owned()));
    let report = a.push();
    assert_eq!((&report.pushed, &report.streamed), (&vec![main()], &vec![main()]), "{report:?}");
    assert!(matches!(state(&a), LineState::Refused { .. }));
    let stream = streams(&fleet);
    assert_eq!(fleet.git(&["show", &format!("{stream}:work")]), "one");
    let again = a.push();
    assert_eq!((again.pushed.len(), &again.streamed), (0, &vec![main()]), "{again:?}");
    let second = a.work("two");
    assert_eq!(a.push().pushed, [main()]);
    assert_eq!(fleet.git(&["show", &format!("{stream}:work")]), "two");
    a.write("id_rsa", &secret::key());
    a.work("three");
    let report = a.push();
    assert_eq!((report.held.len(), report.pushed.len(), report.streamed.len()), (1, 0, 0), "{report:?}");
    assert!(fleet.git(&["log", "-1", "--format=%B", &stream]).contains(&second.commit.to_string()));
    fleet.git(&["config", "--unset", "receive.hideRefs"]);
    std::fs::remove_file(a.root.join("id_rsa")).unwrap();
    a.work("four");
    let report = a.push();
    assert!(report.refused.is_empty() && report.streamed.is_empty() && state(&a) == LineState::Published, "{report:?}");
}

#[test]
fn nothing_is_pushed_where_it_is_not_fetched_from() {
    let fleet = Fleet::new();
    let a = fleet.machine("a");
    let other = fleet.path().join("other.git");
    crate::git::fixture::git(&fleet.path(), &["init", "--quiet", "--bare", "other.git"]);
    a.work("one");
    a.git(&["config", "remote.origin.pushUrl", other.to_str().unwrap()]);
    let error = a.try_push(Options::default()).unwrap_err();
    assert_eq!(error.reason(), Some(carry_kernel::worker::Reason::PolicyForbidden));
    assert!(matches!(error, crate::remote::RemoteError::Elsewhere { .. }), "{error}");
    assert_eq!(crate::git::fixture::git(&other, &["for-each-ref"]), "");
    assert!(fleet.lines().is_empty());
    let link = a.registry().link(a.repo().common_dir(), "origin", &a.url).unwrap();
    assert_eq!(link.push_error, Some(error.to_string()));
    // The same place by another scheme.
    a.git(&["config", "remote.origin.pushUrl", fleet.remote().to_str().unwrap()]);
    assert_eq!(a.push().pushed, [main()]);
    assert!(a.fetch().lost.is_empty());
}

#[test]
fn a_token_in_a_url_is_kept_nowhere_and_a_new_one_keeps_consent() {
    use crate::registry::Consent;
    let fleet = Fleet::new();
    let mut a = fleet.machine("a");
    let remote = |token: &str| {
        let url = format!("https://oauth:{token}@host/team/x.git");
        crate::remote::Remote { name: url.clone(), url, reach: crate::remote::Reach::Local }
    };
    let (first, second) = (remote("s3cr3t-one"), remote("s3cr3t-two"));
    let key = format!("url.file://{}.insteadOf", fleet.remote().display());
    for remote in [&first, &second] {
        a.git(&["config", "--add", &key, &remote.url]);
    }
    let common_dir = a.repo().common_dir().to_owned();
    a.registry()
        .update_link(&common_dir, &first.shown_name(), &first.key(), |link| link.consent = Some(Consent::Agreed))
        .unwrap();
    let cancel = std::sync::atomic::AtomicBool::new(false);
    let io = crate::gather::fixture::io(&cancel);
    a.work("one");
    for remote in [&first, &second] {
        super::push(&a.ctx, &a.repo(), &a.tree, remote, &Options::default(), &io).unwrap();
        crate::gather::fetch(&a.ctx, &a.repo(), std::slice::from_ref(&a.tree), remote, &io).unwrap();
        let link = a.registry().link(&common_dir, &remote.shown_name(), &remote.key()).unwrap();
        assert_eq!(link.consent, Some(Consent::Agreed));
        assert!(link.pushed.is_some() && link.fetched.is_some());
    }
    assert_eq!(fleet.lines().len(), 1);
    a.url = first.url.clone();
    a.git(&["remote", "set-url", "origin", &first.url]);
    a.work("two");
    a.push();
    let found = std::process::Command::new("grep")
        .args(["-raF", "s3cr3t"])
        .arg(a.ctx.home.database("code").parent().unwrap())
        .output();
    assert_eq!(found.unwrap().stdout, b"");
}
