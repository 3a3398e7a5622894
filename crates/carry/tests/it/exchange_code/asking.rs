//! A device asks for more than it was sent, and does not get that.

use std::fs;
use std::path::Path;

use super::{beside, exchange, joins, meet, notes, objects, shared, token};
use crate::world::World;

/// A clone without files that nobody had checked out, of a repository that both know from the same place.
fn partial_clone(one: &World) -> World {
    let place = "https://example.org/team/tool";
    let two = beside(one, false);
    one.git(&["config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", one.repo().display());
    let mut git = two.command(Path::new("git"), &two.home());
    let said =
        git.args(["clone", "-q", "--filter=blob:none", "--branch=old", &url]).arg(two.repo()).output().expect("git");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    two.git(&["remote", "set-url", "origin", place]);
    one.git(&["remote", "add", "origin", place]);
    one.git(&["update-ref", "refs/remotes/origin/main", "HEAD"]);
    two
}

#[test]
fn what_another_device_asks_for_and_may_not_have_is_named_as_long_as_it_asks() {
    let (folder, one) = (shared(), World::with_commit());
    one.git(&["branch", "old"]);
    let text: String = (0..2000).map(|n| format!("line {n} of many\n")).collect();
    one.file("text", &text);
    one.file("deploy.txt", &token());
    one.git(&["add", "-A"]);
    one.git(&["commit", "-qm", "deploys"]);
    let commit = one.git(&["rev-parse", "--short=7", "HEAD"]);
    let two = partial_clone(&one);
    one.ok(&["devices", "rename", "laptop"]);
    two.ok(&["devices", "rename", "desktop"]);
    joins(&one, &folder);
    joins(&two, &folder);
    two.ok(&["now"]);
    one.file("text", &format!("{text}and one more\n"));
    one.ok(&["now"]);
    meet(&one, &two);
    exchange(&one);
    let ran = exchange(&two);
    assert!(ran.stderr.contains("its device is asked for all of it"), "{ran:?}");
    assert!(ran.stderr.contains("`git fetch --refetch --no-filter` in the clone"), "{ran:?}");

    let n_heads = || fs::read_dir(folder.path().join("carry/h")).expect("a folder").count();
    let mut n_before = None;
    for n in 0..3 {
        // What is kept back from one device fails no exchange.
        let ran = exchange(&one);
        let words = "desktop asks for all of main of ~/repo with its history, which is held back, since that holds what looks like a \
                     secret: deploy.txt: GitHub token (commit ";
        assert!(ran.stderr.contains(words), "{n}: {ran:?}");
        assert!(
            ran.stderr.contains("Hint: What that device lacks") && ran.stderr.contains("exchange_secrets send"),
            "{ran:?}"
        );
        exchange(&two);
        assert!(n == 0 || n_before == Some(n_heads()), "{n}: nobody says anything new");
        n_before = Some(n_heads());
    }
    let reason = format!("deploy.txt: GitHub token (commit {})", commit.trim());
    assert_eq!(notes(&one, &["exchange", "stats", "--json"]), [("unanswered".to_owned(), reason)]);
    let ran = one.ok(&["status", "--all"]);
    assert!(ran.stdout.contains("desktop asks for all of main of ~/repo"), "{ran:?}");
    assert!(!ran.stdout.contains("held back or could not be sent"), "{ran:?}");
    let findings = objects(&one.carry(&["doctor", "--json"]), "finding");
    let finding = findings.iter().find(|one| one["code"] == "exchange-unanswered").expect("a finding");
    assert_eq!(finding["severity"], "warning", "{finding}");
    assert!(finding["problem"].as_str().is_some_and(|problem| problem.contains("deploy.txt")), "{finding}");

    one.ok(&["config", "set", "code.exchange_secrets", "send"]);
    let ran = exchange(&one);
    assert!(!ran.stderr.contains("desktop asks"), "{ran:?}");
    assert_eq!(notes(&one, &["exchange", "stats", "--json"]), []);
    exchange(&two);
    two.git(&["switch", "-q", "-C", "main"]);
    let ran = two.ok(&["log", "--device", "laptop", "--json"]);
    assert!(ran.raw.contains(&one.newest()), "{ran:?}");
}
