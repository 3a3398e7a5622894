//! `init`: making a store, remembering it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use carry_testkit::postgres::shared;

use super::{Store, carry_reading, hides_the_password, set_up};
use crate::sessions::{archived, values};
use crate::world::World;

#[test]
fn a_store_is_made_once_and_found_the_next_time() {
    let (world, store) = (World::with_commit(), Store::new());
    let ran = carry_reading(&world, &["team", "init", "--url", "-"], &store.url());
    assert_eq!(ran.code, 0, "{ran:?}");
    let said = ran.stdout.replace(&store.database, "<DB>").replace(&shared().port().to_string(), "<PORT>");
    assert_eq!(
        said,
        "Made the tables of the store in the schema carry (version 1).\n\
         Remembered postgres://admin@127.0.0.1:<PORT>/<DB> as default; the password is in <DIR>/carry/config/team-default.url, which only you can read.\n\
         You are U there.\n"
    );
    assert!(ran.stderr.starts_with("Nothing is shared yet: `carry team share . --mode full`"), "{}", ran.stderr);
    hides_the_password(&ran);
    let again = world.ok(&["team", "init"]);
    assert_eq!(again.stdout, "The store is set up and up to date (version 1).\nYou are U there.\n");
    hides_the_password(&again);
}

#[test]
fn a_password_is_in_no_setting_and_its_file_is_the_users_alone() {
    let (world, store) = (World::with_commit(), Store::new());
    set_up(&world, &store);
    let config = world.root().join("carry/config");
    let text = fs::read_to_string(config.join("config.toml")).expect("it was written");
    assert!(text.contains("url_file = ") && !text.contains("s3cret"), "{text}");
    let file = config.join("team-default.url");
    assert_eq!(fs::read_to_string(&file).expect("it was written").trim(), store.url());
    assert_eq!(file.metadata().expect("it is there").permissions().mode() & 0o777, 0o600);
    for arguments in
        [&["config", "show", "--origin"][..], &["team", "status"], &["--json", "team", "status"], &["doctor"]]
    {
        hides_the_password(&world.carry(arguments));
    }
}

#[test]
fn a_url_without_a_password_is_a_setting() {
    let (world, store) = (World::with_commit(), Store::new());
    let url = format!("postgres://admin@127.0.0.1:{}/{}", shared().port(), store.database);
    let mut command = world.command(env!("CARGO_BIN_EXE_carry").as_ref(), &world.repo());
    command.args(["team", "init", "--url", &url]).env("PGPASSWORD", carry_testkit::postgres::PASSWORD);
    let ran = world.run(&mut command);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(world.ok(&["config", "get", "team.url"]).raw.trim(), url);
    assert!(!world.root().join("carry/config/team-default.url").exists());
}

#[test]
fn a_password_in_the_arguments_is_told() {
    let (world, store) = (World::with_commit(), Store::new());
    let ran = world.ok(&["team", "init", "--url", &store.url()]);
    assert!(ran.stderr.contains("`--url -` reads it from standard input"), "{}", ran.stderr);
    hides_the_password(&ran);
}

#[test]
fn a_further_store_has_a_name_and_rules_of_its_own() {
    let (world, store, partner) = (archived(), Store::new(), Store::new());
    set_up(&world, &store);
    let ran = carry_reading(&world, &["team", "init", "--store", "partner", "--url", "-"], &partner.url());
    assert_eq!(ran.code, 0, "{ran:?}");
    hides_the_password(&ran);
    // The same once more is the same.
    let ran = carry_reading(&world, &["team", "init", "--store", "partner", "--url", "-"], &partner.url());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(world.ok(&["config", "get", "team.stores"]).raw.lines().count(), 1);
    world.ok(&["team", "share", "--all", "--mode", "metadata", "--store", "partner"]);
    world.ok(&["team", "push"]);
    assert_eq!(store.units(), 0);
    assert!(partner.units() > 0);
    assert_eq!(partner.ask("SELECT count(*) FROM messages"), "0");
}

#[test]
fn who_one_is_can_be_said() {
    let (world, store) = (World::with_commit(), Store::new());
    let ran = carry_reading(&world, &["--json", "team", "init", "--url", "-", "--person", "Ada L."], &store.url());
    let made = &values(&ran)[0];
    assert_eq!(
        (&made["type"], &made["person"], &made["from"], &made["to"]),
        (&"team-store".into(), &"Ada L.".into(), &serde_json::Value::Null, &1.into())
    );
    assert_eq!(world.ok(&["config", "get", "team.person"]).raw, "Ada L.\n");
}
