//! A damaged row of `exchange.db`: no remote has another copy of it, and there is a way on.

use std::fs;

use carry_kernel::db::rusqlite::Connection;
use serde_json::Value;

use super::{DATABASE, log_of, settled};
use crate::exchange_code::{exchange, objects, shared, state};
use crate::world::World;

const HINT: &str = "Hint: Move exchange.db away, ";

/// The database of the exchange.
fn database(world: &World) -> Connection {
    let home = carry_kernel::home::Home::at(world.root().join("carry"));
    Connection::open(home.database("exchange")).expect("it is there")
}

/// What is here of the log, by stream: how much is held, and what is missing.
fn here(world: &World, log: &str) -> Value {
    let devices = objects(&world.carry_in(&world.home(), &["devices", "--json"]), "device");
    let logs = devices.iter().flat_map(|device| device["exchange"].as_array().cloned().unwrap_or_default());
    let streams = logs.filter(|other| other["log"] == log).map(|other| other["streams"].clone()).next();
    let mut streams = streams.unwrap_or_default();
    for stream in streams.as_object_mut().into_iter().flat_map(|streams| streams.values_mut()) {
        *stream = serde_json::json!([stream["held"], stream["missing"]]);
    }
    streams
}

#[test]
fn a_damaged_row_has_a_way_on_that_loses_nothing() {
    let folder = shared();
    let (one, two) = settled(&folder);
    let (data, old, other) = (one.root().join("carry/data"), log_of(&one), log_of(&two));
    let before = here(&one, &other);
    assert!(before["code"][0].as_u64() >= Some(1), "{before}");
    let db = database(&one);
    let newest = "SELECT n, bytes FROM heads_signed ORDER BY n DESC LIMIT 1";
    let (n, mut bytes): (i64, Vec<u8>) =
        db.query_row(newest, (), |row| Ok((row.get(0)?, row.get(1)?))).expect("it has signed heads");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    db.execute("UPDATE heads_signed SET bytes = ?1 WHERE n = ?2", (&bytes, n)).expect("a row");
    drop(db);
    // It reaches no remote before the way out.
    one.file("later.txt", "what is written later\n");
    one.ok(&["now"]);
    for command in [&["exchange"][..], &["exchange", "verify", "--repair"]] {
        let ran = one.carry_in(&one.home(), command);
        assert!(ran.code == 1 && ran.stderr.contains(" is damaged: ") && ran.stderr.contains(HINT), "{ran:?}");
    }

    fs::create_dir(data.join("kept")).expect("room");
    for name in DATABASE.iter().filter(|name| data.join(name).exists()) {
        fs::rename(data.join(name), data.join("kept").join(name)).expect("it is there");
    }
    exchange(&one);
    assert_ne!(log_of(&one), old);
    one.ok(&["devices", "approve", "--all", "--yes"]);
    for world in [&two, &one, &two] {
        exchange(world);
    }
    assert_eq!(here(&one, &other), before, "what the other said is here again");
    // A file of which no head was signed lies aside; what it says is said again.
    let ran = one.carry_in(&one.home(), &["exchange", "verify"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "Everything is as it was written.\n"), "{ran:?}");
    // The other device takes over the newest, from the new log and without a question.
    two.ok(&["sync", "--yes"]);
    assert_eq!(two.read("later.txt").as_deref(), Some("what is written later\n"));
    assert_eq!(state(&two, &two.repo()), state(&one, &one.repo()));
}

#[test]
fn a_row_that_says_nothing_of_ours_is_told_with_the_way_on() {
    let folder = shared();
    let (one, _two) = settled(&folder);
    let db = database(&one);
    db.execute_batch("PRAGMA ignore_check_constraints = ON").expect("it can be said");
    assert_eq!(db.execute("UPDATE logs SET state = 'apprnved' WHERE state = 'approved'", ()).expect("a row"), 1);
    drop(db);
    for command in [&["exchange"][..], &["exchange", "verify"], &["exchange", "verify", "--repair"]] {
        let ran = one.carry_in(&one.home(), command);
        assert!(ran.code == 1 && ran.stderr.contains(HINT), "{ran:?}");
    }
    let ran = one.carry_in(&one.home(), &["status"]);
    assert!(ran.stdout.contains("  attention  exchange.db is damaged: "), "{ran:?}");
}
