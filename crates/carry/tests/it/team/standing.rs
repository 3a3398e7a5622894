//! `team status`, and what `status`, `up` and `doctor` say about stores.

use super::{hides_the_password, pushed, with_store};
use crate::sessions::json;
use crate::world::World;

#[test]
fn a_store_that_was_never_pushed_to_says_so() {
    let (world, store) = with_store();
    let ran = world.ok(&["team", "status"]);
    let said = ran.stdout.replace(&store.database, "<DB>");
    assert_eq!(
        said,
        "default  the URL in <DIR>/carry/config/team-default.url\n  pushed     never\n  worker     no daemon pushes to it\n  \
         pending    nothing\n  shares     nothing; `carry team share . --mode full` shares the project you stand in\n"
    );
    let status = &json(&world, &["team", "status"])[0];
    assert_eq!(
        (&status["type"], &status["running"], &status["last_sync_at"], &status["total_sessions_synced"]),
        (&"team-status".into(), &false.into(), &serde_json::Value::Null, &0.into())
    );
}

#[test]
fn after_a_push_it_says_what_is_there_and_what_waits() {
    let (world, store) = pushed();
    let status = &json(&world, &["team", "status"])[0];
    assert_eq!(status["total_sessions_synced"], store.units());
    assert_eq!((&status["pending"], &status["last_error"]), (&0.into(), &serde_json::Value::Null));
    assert!(status["last_sync_at"].is_string() && status["store_id"].is_string() && status["owner"].is_string());
    assert_eq!(status["rules"][0]["pattern"], "*");
    world.ok(&["sessions", "star", crate::sessions::A]);
    let ran = world.ok(&["team", "status"]);
    assert!(ran.stdout.contains("  pending    1 session\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("  shares     every other project as full: "), "{}", ran.stdout);
    hides_the_password(&ran);
}

#[test]
fn status_up_and_doctor_name_the_store_in_a_line() {
    let (world, _store) = pushed();
    let ran = world.ok(&["status", "--all"]);
    assert!(ran.stdout.contains("Team stores\n  default    pushed <AGE>, "), "{}", ran.stdout);
    let overview = json(&world, &["status", "--all"]);
    assert!(overview.iter().any(|line| line["type"] == "team-overview" && line["store"] == "default"), "{overview:?}");
    let ran = world.ok(&["up"]);
    assert!(ran.stdout.contains("The team store default: the daemon pushes what 1 rule shares."), "{}", ran.stdout);
    world.ok(&["daemon", "stop"]);
    let ran = world.carry(&["config", "set", "team.share", r#"["github.com/acme/api=everything"]"#]);
    assert!(
        ran.code == 1 && ran.stderr.contains("`carry team share PROJECT --mode MODE` says what is shared."),
        "{ran:?}"
    );
    // Whoever edits the file may write it all the same.
    world.ok(&["config", "set", "team.share", r#"["github.com/acme/api=off"]"#]);
    let config = world.root().join("carry/config/config.toml");
    let text = std::fs::read_to_string(&config).expect("a configuration");
    carry_testkit::repo::write_file(&config, text.replace("api=off", "api=everything").as_bytes());
    let ran = world.carry(&["doctor"]);
    assert!(ran.stdout.contains("[team-configuration]"), "{}", ran.stdout);
}

#[test]
fn without_a_store_nobody_speaks_of_one() {
    let world = World::with_commit();
    for arguments in [&["status"][..], &["up"], &["doctor"]] {
        let ran = world.carry(arguments);
        assert!(!ran.stdout.to_lowercase().contains("team"), "{arguments:?}: {}", ran.stdout);
    }
}
