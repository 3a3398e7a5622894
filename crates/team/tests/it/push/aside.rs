//! Units that cannot be pushed for now, while others can.

use std::time::Duration;

use carry_kernel::clock::Timestamp;
use carry_sessions::curation::Edit;
use carry_team::postgres::Limits;
use carry_team::push::{Depth, Report};
use carry_team::sink::Class;
use carry_testkit::postgres::{Options, Server, shared};

use super::content::{in_meadow, talk, turn};
use super::rig::{Device, Mirror, assert_same, rows};
use crate::fixture;
use crate::rig::store_at;

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

/// A server on which locks outlive the session that took them, in transactions that were prepared.
fn lasting() -> Server {
    let settings = vec![("max_prepared_transactions", "5".to_owned())];
    Server::start_with(&Options { is_unsafe: true, settings, ..Options::default() })
}

/// Holds what `sql` locks until [`release`].
fn hold(server: &Server, database: &str, sql: &str) {
    server.admin(database, &format!("BEGIN; SET search_path = carry; {sql}; PREPARE TRANSACTION 'held'"));
}

fn release(server: &Server, database: &str) {
    server.admin(database, "ROLLBACK PREPARED 'held'");
}

fn failed(report: &Report) -> Vec<&str> {
    report.failed.iter().map(|(key, _)| key.as_str()).collect()
}

#[test]
fn what_somebody_else_holds_waits_and_the_rest_goes_on_and_nothing_waits_for_ever() {
    let server = lasting();
    let (database, store) = store_at(&server);
    let mut device = Device::new("");
    device.settings = store;
    device.limits = Limits { lock: Duration::from_millis(200), ..Limits::default() };
    let mirror = Mirror::new();
    turn(&mut device, false);
    device.push().unwrap();

    // One unit's row.
    turn(&mut device, true);
    device.now += 1000;
    let key = device.id("a").to_string();
    hold(&server, &database, &format!("SELECT 1 FROM units WHERE key = '{key}' FOR UPDATE"));
    let report = device.push().unwrap();
    assert_eq!(failed(&report), [key.as_str()]);
    assert_eq!(report.done.len(), 4, "b and the sums, and two that were withdrawn: {:?}", report.done);
    let status = device.status();
    assert_eq!(status.failed.len(), 1);
    assert!(status.failed[0].1.why.contains("55P03"), "{}", status.failed[0].1.why);
    assert_eq!(status.pushed_at, Some(Timestamp::from_millis(device.now)));
    assert_eq!(device.push().unwrap().done, [], "its time has not come");
    release(&server, &database);
    device.now += 11_000;
    assert_eq!(device.push().unwrap().done.len(), 1);
    device.assert_settled(&server, &database, &mirror.of(&device));

    // One that is to be withdrawn, and one that is shared no longer, among others.
    turn(&mut device, false);
    device.push().unwrap();
    let key = device.id("m").to_string();
    hold(&server, &database, &format!("SELECT 1 FROM units WHERE key = '{key}' FOR UPDATE"));
    turn(&mut device, true);
    let report = device.push().unwrap();
    assert_eq!(failed(&report), [key.as_str()]);
    assert!(rows(&server, &database).iter().all(|row| !row.contains(&device.id("n").to_string())));
    release(&server, &database);
    device.now += 11_000;
    device.push().unwrap();
    device.assert_settled(&server, &database, &mirror.of(&device));

    // A table: no session with text goes, but sums do, and heads alone.
    device.fixture.put("a", &talk(5, 8));
    device.fixture.put("b", &talk(6, 8));
    device.edit("still", &Edit::Star(true));
    device.fixture.put_with("n", in_meadow(), &talk(4, 9));
    hold(&server, &database, "LOCK TABLE messages IN ACCESS EXCLUSIVE MODE");
    let report = device.push().unwrap();
    assert_eq!((report.failed.len(), report.done.len()), (2, 2), "{report:?}");
    release(&server, &database);
    // A clock that is days ahead while this happens, and then right again, or the other way round.
    for days in [5, -5] {
        device.now += days * DAY;
        device.fixture.put("a", &talk(if days > 0 { 7 } else { 8 }, 8));
        hold(&server, &database, "LOCK TABLE messages IN ACCESS EXCLUSIVE MODE");
        assert!(!device.push().unwrap().failed.is_empty());
        release(&server, &database);
        device.now -= days * DAY;
        device.now += 3_600_000;
        assert_eq!(device.push().unwrap().failed, [], "{days} days off");
        device.assert_settled(&server, &database, &mirror.of(&device));
    }

    // The table of units itself: nothing goes, and it is not said that it did.
    let (before, pushed_at) = (rows(&server, &database), device.status().pushed_at);
    turn(&mut device, false);
    hold(&server, &database, "LOCK TABLE units IN ACCESS EXCLUSIVE MODE");
    device.now += 1000;
    let pushed = device.push();
    device.assert_failed(pushed, Class::Contended, pushed_at);
    release(&server, &database);
    assert_same(&rows(&server, &database), &before);
    device.push().unwrap();
    device.assert_settled(&server, &database, &mirror.of(&device));
}

#[test]
fn a_clock_that_is_days_off_changes_nothing_in_the_store() {
    let (database, store) = store_at(shared());
    let mut device = Device::new("");
    device.settings = store;
    let mirror = Mirror::new();
    for (at, days) in [0, 9, -9, 4000, -20_000, 0].into_iter().enumerate() {
        device.now = fixture::NOW + days * DAY;
        turn(&mut device, at % 2 == 0);
        device.edit("still", &Edit::Rename(Some(format!("{days} days off"))));
        device.edit("still", &Edit::Pin("#1".to_owned(), Some(format!("{days}"))));
        assert_eq!(device.push().unwrap().failed, []);
        device.assert_settled(shared(), &database, &mirror.of(&device));
        let near = "SELECT bool_and(pushed_at BETWEEN now() - interval '1 hour' AND now()) FROM carry.units";
        assert_eq!(shared().admin(&database, near), "t", "times are the server's own");
        let near = "SELECT bool_and(until BETWEEN now() - interval '1 hour' AND now() + interval '2 minutes') FROM carry.clients";
        assert_eq!(shared().admin(&database, near), "t");
    }
    let report = device.run(Depth::Full).unwrap();
    assert_eq!((report.done, report.traffic.rows_written), (Vec::new(), 0));
}
