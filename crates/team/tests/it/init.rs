//! Making the tables.

use std::sync::Barrier;

use carry_team::postgres::{FORMAT, Initialised, Postgres};
use carry_team::sink::{Class, Sink as _};
use carry_testkit::postgres::{PASSWORD, shared};

use crate::rig::{client, settings, store_at};

#[test]
fn a_second_init_finds_what_the_first_made_and_needs_no_right() {
    let (database, store) = store_at(shared());
    let again = Postgres::new(&store).init().unwrap();
    assert_eq!((again.from, again.to), (Some(FORMAT), FORMAT));
    let role = shared().role("");
    shared().admin(&database, &format!("GRANT USAGE ON SCHEMA carry TO {role}; GRANT SELECT ON carry.meta TO {role}"));
    let as_role = settings(&shared().url(&role, PASSWORD, &database));
    assert_eq!(Postgres::new(&as_role).init().unwrap(), again);
}

#[test]
fn of_two_at_once_one_makes_the_tables_and_both_say_the_same() {
    let database = shared().database();
    let store = settings(&shared().admin_url(&database));
    let start = Barrier::new(4);
    let all: Vec<Initialised> = std::thread::scope(|scope| {
        let init = || {
            start.wait();
            Postgres::new(&store).init().unwrap()
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(init)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(all.iter().filter(|made| made.from.is_none()).count(), 1);
    assert!(all.iter().all(|made| made.store_id == all[0].store_id && made.store_id.len() == 32));
}

#[test]
fn who_may_not_make_a_schema_is_told_who_must() {
    let database = shared().database();
    let role = shared().role("");
    let store = settings(&shared().url(&role, PASSWORD, &database));
    let error = Postgres::new(&store).init().unwrap_err();
    assert_eq!(error.class, Class::Forbidden);
    assert!(error.message.contains(&format!("permission denied for database {database}")), "{}", error.message);
    assert!(error.hint.unwrap().contains("CREATE SCHEMA \"carry\" AUTHORIZATION"));
    // Nothing is left of the attempt, and a schema that was made for the role is enough.
    assert_eq!(shared().admin(&database, "SELECT count(*) FROM pg_namespace WHERE nspname = 'carry'"), "0");
    shared().admin(&database, &format!("CREATE SCHEMA carry AUTHORIZATION {role}"));
    Postgres::new(&store).init().unwrap();
}

#[test]
fn what_is_not_understood_is_left_alone() {
    let (database, store) = store_at(shared());
    let us = client("device", "home");
    for (sql, said) in [
        ("UPDATE carry.meta SET value = '99' WHERE key = 'format'", "of version 99"),
        ("UPDATE carry.meta SET value = 'x' WHERE key = 'format'", "no number"),
        ("DELETE FROM carry.meta WHERE key = 'format'", "does not say"),
        ("DELETE FROM carry.meta", "not of Carry"),
    ] {
        shared().admin(&database, sql);
        let before = shared().dump(&database);
        for error in [Postgres::new(&store).init().unwrap_err(), Postgres::new(&store).open(&us).unwrap_err()] {
            assert_eq!(error.class, Class::Unsupported, "{sql}");
            assert!(error.message.contains(said), "{sql}: {}", error.message);
            assert!(error.hint.is_some());
        }
        assert!(before == shared().dump(&database), "{sql}");
    }
    shared().admin(&database, "DROP SCHEMA carry CASCADE");
    let error = Postgres::new(&store).open(&us).unwrap_err();
    assert_eq!(error.class, Class::Unsupported);
    assert!(error.hint.unwrap().contains("carry team init"));
}

#[test]
fn a_table_of_another_program_is_not_taken_for_ours() {
    for columns in
        ["key text, value jsonb", "key int, value bytea", "value text", "key text", "key jsonb, value text[]"]
    {
        let database = shared().database();
        let store = settings(&shared().admin_url(&database));
        shared().admin(&database, &format!("CREATE SCHEMA carry; CREATE TABLE carry.meta ({columns})"));
        for fill in [true, false] {
            let before = shared().dump(&database);
            for error in [
                Postgres::new(&store).init().unwrap_err(),
                Postgres::new(&store).open(&client("device", "home")).unwrap_err(),
            ] {
                assert_eq!(error.class, Class::Unsupported, "{columns}: {error}");
            }
            assert!(before == shared().dump(&database), "{columns}");
            if fill && columns == "key text, value jsonb" {
                let rows = "('format', '\"1\"'), ('store', '{\"a\": 1}')";
                shared().admin(&database, &format!("INSERT INTO carry.meta VALUES {rows}"));
            }
        }
    }
}

#[test]
fn a_schema_may_have_any_name_that_stands_for_itself() {
    let database = shared().database();
    let mut store = settings(&shared().admin_url(&database));
    for name in ["My \"team\"; --", "é", "carry.x"] {
        name.clone_into(&mut store.schema);
        Postgres::new(&store).init().unwrap();
        Postgres::new(&store).open(&client("device", "home")).unwrap();
    }
    for name in ["", "pg_team", "a\0b", &"x".repeat(64)] {
        name.clone_into(&mut store.schema);
        assert_eq!(Postgres::new(&store).init().unwrap_err().class, Class::Unsupported, "{name:?}");
    }
}

#[test]
fn a_database_of_another_encoding_is_refused() {
    let name = shared().database();
    let latin = format!("{name}_latin");
    shared().admin("postgres", &format!("CREATE DATABASE {latin} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"));
    let error = Postgres::new(&settings(&shared().admin_url(&latin))).init().unwrap_err();
    assert_eq!(error.class, Class::Unsupported);
    assert!(error.message.contains("LATIN1"));
}
