//! `push` and `verify`: what goes, what does not, and what is said of it.

use carry_testkit::postgres::shared;

use super::{Store, carry_reading, hides_the_password, pushed, set_up, with_store};
use crate::sessions::{A, archived, id_of, json, values};
use crate::world::World;

#[test]
fn everything_that_is_shared_is_pushed_once() {
    let (world, store) = with_store();
    world.ok(&["team", "share", "--all", "--mode", "full"]);
    let first = &json(&world, &["team", "push"])[0];
    assert_eq!(
        (&first["type"], &first["store"], &first["failed"]),
        (&"team-push".into(), &"default".into(), &serde_json::json!([]))
    );
    let new = first["new"].as_u64().expect("a number");
    assert_eq!(new, store.units());
    assert!(first["rows_written"].as_u64() > Some(new), "{first}");
    let again = &json(&world, &["team", "push"])[0];
    assert_eq!((&again["new"], &again["changed"], &again["rows_written"]), (&0.into(), &0.into(), &0.into()));
    let ran = world.ok(&["team", "push"]);
    assert_eq!(ran.stdout, format!("default has everything: {new} sessions.\n"));
    hides_the_password(&ran);
}

#[test]
fn nothing_leaves_before_something_is_shared() {
    let (world, store) = with_store();
    world.ok(&["team", "push"]);
    assert_eq!(store.units(), 0);
    let ran = world.ok(&["team", "push", "--full"]);
    assert_eq!(store.units(), 0, "{ran:?}");
}

#[test]
fn a_dry_run_says_what_would_go_and_writes_nothing() {
    let (world, store) = with_store();
    world.ok(&["team", "share", "--all", "--mode", "full"]);
    let would = &json(&world, &["team", "push", "--dry-run"])[0];
    assert_eq!(would["dry_run"], true);
    assert!(would["new"].as_u64() > Some(5), "{would}");
    assert_eq!(store.units(), 0);
    let ran = world.ok(&["team", "push", "--dry-run"]);
    assert!(ran.stdout.starts_with("Would push to default: "), "{}", ran.stdout);
    // It is still new for a push in earnest.
    let did = &json(&world, &["team", "push"])[0];
    assert_eq!(did["new"], would["new"]);
}

#[test]
fn what_the_user_says_about_a_session_arrives_and_goes_again() {
    let (world, store) = pushed();
    let id = id_of(&world, A);
    let ask = |what: &str| store.ask(&format!("SELECT {what} FROM sessions JOIN units ON n = unit WHERE key = '{id}'"));
    world.ok(&["sessions", "star", A]);
    world.ok(&["sessions", "rename", A, "The gate"]);
    world.ok(&["sessions", "label", "review", A]);
    world.ok(&["sessions", "pin", A, "1", "--note", "why"]);
    world.ok(&["team", "push"]);
    assert_eq!(ask("is_starred, name, labels"), "t|The gate|{review}");
    assert_eq!(store.ask(&format!("SELECT note FROM pins JOIN units ON n = unit WHERE key = '{id}'")), "why");
    world.ok(&["sessions", "star", A, "--remove"]);
    world.ok(&["sessions", "label", "review", A, "--remove"]);
    world.ok(&["sessions", "pin", A, "1", "--remove"]);
    world.ok(&["sessions", "trash", A]);
    world.ok(&["team", "push"]);
    assert_eq!(ask("is_starred, labels, is_trashed"), "f|{}|t");
    assert_eq!(store.ask("SELECT count(*) FROM pins"), "0");
    world.ok(&["sessions", "delete", A, "--yes"]);
    world.ok(&["team", "push"]);
    assert_eq!(store.ask(&format!("SELECT count(*) FROM units WHERE key = '{id}'")), "0");
}

#[test]
fn what_the_store_refuses_is_set_aside_and_named_and_the_rest_goes() {
    let (world, store) = with_store();
    store.ask("ALTER TABLE sessions ADD CONSTRAINT no_poison CHECK (name IS DISTINCT FROM 'Poison')");
    world.ok(&["team", "share", "--all", "--mode", "full"]);
    world.ok(&["sessions", "rename", A, "Poison"]);
    let id = id_of(&world, A);
    let ran = world.carry(&["team", "push"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stderr.contains(&format!("Warning: {id} was set aside: ")), "{}", ran.stderr);
    assert!(ran.stderr.contains("no_poison") && !ran.stderr.contains("Poison"), "{}", ran.stderr);
    assert!(store.units() > 5);
    assert_eq!(store.ask(&format!("SELECT count(*) FROM units WHERE key = '{id}'")), "0");
    let status = &json(&world, &["team", "status"])[0];
    assert_eq!(
        (&status["set_aside"][0]["unit"], &status["set_aside"][0]["attempts"]),
        (&id.as_str().into(), &1.into())
    );
    assert!(world.ok(&["team", "status"]).stdout.contains(&format!("  set aside  {id}: ")), "{status}");
    assert!(
        world
            .carry(&["doctor"])
            .stdout
            .contains("1 session could not be pushed to the team store default. [team-set-aside]")
    );
    // It waits its time, and whatever else there is goes on.
    let again = world.ok(&["team", "push"]);
    assert!(again.stdout.starts_with("default has everything"), "{}", again.stdout);
    // Changed, it is tried at once.
    world.ok(&["sessions", "rename", A, "Remedy"]);
    world.ok(&["team", "push"]);
    assert_eq!(store.ask(&format!("SELECT name FROM sessions JOIN units ON n = unit WHERE key = '{id}'")), "Remedy");
    assert_eq!(json(&world, &["team", "status"])[0]["set_aside"], serde_json::json!([]));
}

#[test]
fn a_store_is_compared_and_repaired() {
    let (world, store) = pushed();
    let id = id_of(&world, A);
    let ran = world.ok(&["team", "verify"]);
    assert_eq!(ran.stdout, format!("default: {} sessions as it should be, 0 not.\n", store.units()));
    assert_eq!(world.ok(&["team", "verify", "--deep"]).stdout, ran.stdout);
    // Somebody alters what lies there: digests that stand beside it do not notice, reading it back does.
    store.ask(&format!(
        "UPDATE messages SET json = '{{}}' WHERE ordinal = 1 AND unit = (SELECT n FROM units WHERE key = '{id}')"
    ));
    let ran = world.carry(&["--json", "team", "verify", "--deep"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    let found = &values(&ran)[0];
    assert_eq!((&found["type"], &found["damaged"][0]["unit"]), (&"team-verified".into(), &id.as_str().into()));
    // And somebody takes out a whole session.
    store.ask(&format!("DELETE FROM units WHERE key = '{id}'"));
    let ran = world.carry(&["team", "verify"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stderr.contains(&format!("Warning: {id} should be in the store and is not\n")), "{}", ran.stderr);
    assert!(ran.stderr.ends_with("Hint: `carry team push --full` repairs it.\n"), "{}", ran.stderr);
    world.ok(&["team", "push", "--full"]);
    world.ok(&["team", "verify", "--deep"]);
}

#[test]
fn a_store_that_was_brought_back_from_a_backup_is_noticed_and_brought_up_to_date() {
    let (world, store) = pushed();
    let before = store.units();
    // As an older backup would have it: some units are not there yet.
    store.ask("DELETE FROM units WHERE n % 2 = 0");
    let ran = world.ok(&["team", "push"]);
    assert!(ran.stderr.contains("was not as remembered"), "{ran:?}");
    assert_eq!(store.units(), before);
    world.ok(&["team", "verify", "--deep"]);
}

#[test]
fn another_store_under_the_same_name_gets_everything() {
    let (world, first) = pushed();
    let second = Store::new();
    set_up(&world, &second);
    world.ok(&["team", "push"]);
    assert_eq!(second.units(), first.units());
    world.ok(&["team", "verify"]);
}

#[test]
fn two_people_with_the_same_sessions_do_not_overwrite_each_other() {
    let (world, store) = pushed();
    let units = store.units();
    let role = shared().role("");
    store.ask(&format!(
        "GRANT USAGE ON SCHEMA carry TO {role}; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA carry TO {role}"
    ));
    let other = archived();
    let url = shared().url(&role, carry_testkit::postgres::PASSWORD, &store.database);
    let ran = carry_reading(&other, &["team", "init", "--url", "-", "--person", "Other"], &url);
    assert_eq!(ran.code, 0, "{ran:?}");
    other.ok(&["team", "share", "--all", "--mode", "metadata"]);
    other.ok(&["team", "push"]);
    assert_eq!(store.units(), 2 * units);
    other.ok(&["team", "unshare", "--all"]);
    assert_eq!(store.units(), units);
    world.ok(&["team", "verify", "--deep"]);
}

#[test]
fn one_store_that_fails_does_not_hold_up_another() {
    let (world, store) = with_store();
    world.ok(&["config", "set", "team.stores", r#"["away=postgres://nobody@127.0.0.1:1/none"]"#]);
    world.ok(&["team", "share", "--all", "--mode", "metadata"]);
    world.ok(&["team", "share", "--all", "--mode", "metadata", "--store", "away"]);
    let ran = world.carry(&["team", "push"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(store.units() > 0);
}

#[test]
fn without_an_archive_a_push_says_how_to_make_one() {
    let (world, store) = (World::with_commit(), Store::new());
    set_up(&world, &store);
    let ran = world.carry(&["team", "push"]);
    ran.is(1, "", "Error: no session is archived yet\nHint: `carry sessions index` reads what agents have left on this machine.\n");
}
