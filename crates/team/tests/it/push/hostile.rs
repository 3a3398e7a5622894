//! Tables in which there is already what we never wrote, and stores that are not of our version.

use carry_kernel::clock::Timestamp;
use carry_team::postgres::Postgres;
use carry_team::push::Depth;
use carry_team::sink::Class;
use carry_team::unit::UnitKey;
use carry_testkit::postgres::shared;

use super::content::turn;
use super::read_back::shown_key;
use super::rig::{Device, Mirror, assert_same, rows, rows_of_role};
use crate::hostile::UNCHECKED;
use crate::rig::store_at;

/// What is done to rows of a unit `n` whose root stays: none of it shows in the summary.
const UNDER_THE_ROOT: [&str; 9] = [
    "UPDATE messages SET digest = sha256('x') WHERE unit = n AND ordinal % 2 = 0",
    "UPDATE results SET digest = '\\x' WHERE unit = n",
    "DELETE FROM messages WHERE unit = n AND ordinal = 1; DELETE FROM words WHERE unit = n AND bucket = 0",
    "INSERT INTO messages SELECT unit, owner, 4000, role, subtype, is_system, is_abandoned, at, model, json, digest \
        FROM messages WHERE unit = n AND ordinal = 2",
    "INSERT INTO messages SELECT unit, owner, o, role, subtype, is_system, is_abandoned, at, model, json, digest \
        FROM messages, unnest(ARRAY[-1, 99999999999]) AS o WHERE unit = n AND ordinal = 2",
    "INSERT INTO results SELECT unit, owner, ordinal, -7, event, status, at, json, digest FROM results \
        WHERE unit = n LIMIT 1",
    "UPDATE words SET words = 'nonsense', digest = sha256('x') WHERE unit = n; \
        INSERT INTO words SELECT unit, owner, bucket, 1, parts, words, digest FROM words WHERE unit = n AND bucket = 0",
    "UPDATE words SET words = 'nonsense' WHERE unit = n",
    "UPDATE messages SET json = '{\"text\": \"not what was said\"}', is_system = NOT is_system WHERE unit = n AND ordinal = 0; \
        UPDATE results SET json = '[]' WHERE unit = n",
];

/// What shows in the summary.
const OF_THE_ROOT: [&str; 6] = [
    "UPDATE units SET root = NULL WHERE units.n = n",
    "UPDATE units SET root = '\\x0102', head_digest = NULL WHERE units.n = n",
    "UPDATE units SET root = NULL, head_digest = NULL, mode = 'everything', mask = 'x' WHERE units.n = n; \
        UPDATE sessions SET name = 'nobody said so', labels = '{x,y}' WHERE unit = n; DELETE FROM pins WHERE unit = n",
    "UPDATE units SET root = sha256('x') WHERE units.n = n; DELETE FROM messages WHERE unit = n; DELETE FROM sessions WHERE unit = n",
    "DELETE FROM units WHERE units.n = n",
    "INSERT INTO units (owner, key, kind, origin, mode, mask) SELECT owner, 'f00dfeedf00dfeed', kind, origin, mode, mask \
        FROM units WHERE units.n = n",
];

/// Does something to the unit with this key.
#[track_caller]
fn tamper(database: &str, key: &str, what: &str) {
    let sql = format!(
        "SET search_path = carry; DO $$ DECLARE n bigint := (SELECT u.n FROM units u WHERE key = '{key}'); \
         BEGIN {what}; END $$"
    );
    // Names of columns are not variables, unless they are this one.
    shared().admin(database, &sql.replace("DECLARE", "#variable_conflict use_variable\nDECLARE"));
}

#[test]
fn rows_that_we_never_wrote_are_gone_after_a_push() {
    let (database, store) = store_at(shared());
    shared().admin(&database, UNCHECKED);
    let mut device = Device::new("");
    device.settings = store;
    turn(&mut device, false);
    let expected = Mirror::new().of(&device);
    device.push().unwrap();
    let key = device.id("a").to_string();
    for what in UNDER_THE_ROOT {
        tamper(&database, &key, what);
        assert_ne!(rows(shared(), &database), expected, "{what}");
        let report = device.run(Depth::Full).unwrap();
        assert_eq!((report.done.len(), &report.done[0].key), (1, &key), "{what}");
        device.assert_settled(shared(), &database, &expected);
    }
    for what in OF_THE_ROOT {
        tamper(&database, &key, what);
        let report = device.push().unwrap();
        assert!(report.was_repaired, "{what}");
        // A unit that nobody here knows may be of a copy of this home.
        if !report.unknown.is_empty() {
            assert_eq!((report.unknown, report.done), (vec!["f00dfeedf00dfeed".to_owned()], Vec::new()));
            device.run(Depth::Full).unwrap();
        }
        device.assert_settled(shared(), &database, &expected);
    }
}

#[test]
fn a_home_that_knows_nothing_makes_right_what_is_there_under_its_keys() {
    let (database, store) = store_at(shared());
    shared().admin(&database, UNCHECKED);
    let mut device = Device::new("");
    device.settings = store;
    turn(&mut device, false);
    let expected = Mirror::new().of(&device);
    device.push().unwrap();
    let natives = ["a", "b", "m", "n", "still"];
    for (native, what) in natives.iter().zip(&UNDER_THE_ROOT[2..]).chain(natives.iter().zip(&OF_THE_ROOT[1..])) {
        let what = format!("{what}; UPDATE units SET root = CASE WHEN n % 2 = 0 THEN root END WHERE units.n = n");
        tamper(&database, &device.id(native).to_string(), &what);
    }
    let mut other = Device::new("");
    (other.settings, other.now) = (device.settings.clone(), device.now);
    turn(&mut other, false);
    shared().admin(&database, "UPDATE carry.clients SET until = now()");
    let report = other.run(Depth::Full).unwrap();
    assert_eq!(report.failed, []);
    other.assert_settled(shared(), &database, &expected);
}

#[test]
fn a_unit_under_our_key_that_another_device_put_stays_and_is_said() {
    let (database, store) = store_at(shared());
    let mut device = Device::new("");
    device.settings = store;
    turn(&mut device, false);
    device.push().unwrap();
    let key = device.id("a").to_string();
    tamper(&database, &key, "UPDATE units SET origin = 'there' WHERE units.n = n");
    let before: Vec<String> =
        rows_of_role(shared(), &database, "admin").into_iter().filter(|row| row.contains(&key)).collect();
    turn(&mut device, true);
    let report = device.push().unwrap();
    assert_eq!(report.elsewhere, [(key.clone(), "there".to_owned())]);
    assert_eq!(device.status().elsewhere, [(key.clone(), "there".to_owned())]);
    device.share(&["*=off"]);
    device.push().unwrap();
    assert_same(&rows_of_role(shared(), &database, "admin"), &before);
}

#[test]
fn a_store_of_another_version_is_left_alone() {
    let (database, store) = store_at(shared());
    let mut device = Device::new("");
    device.settings = store;
    turn(&mut device, false);
    device.push().unwrap();
    let pushed_at = device.status().pushed_at;
    let all = || (shared().dump(&database), rows_of_role(shared(), &database, "admin"));
    for version in ["2", "0", "none"] {
        shared().admin(&database, &format!("UPDATE carry.meta SET value = '{version}' WHERE key = 'format'"));
        let before = all();
        turn(&mut device, true);
        device.now += 1000;
        let pushed = device.push();
        device.assert_failed(pushed, Class::Unsupported, pushed_at);
        let pushed = device.run(Depth::Full);
        device.assert_failed(pushed, Class::Unsupported, pushed_at);
        if version != "0" {
            assert_eq!(Postgres::new(&device.settings).init().unwrap_err().class, Class::Unsupported);
        }
        assert_eq!(all(), before, "{version}");
    }
    shared().admin(&database, "UPDATE carry.meta SET value = '1' WHERE key = 'format'");
    device.push().unwrap();
    device.assert_settled(shared(), &database, &Mirror::new().of(&device));
    assert_eq!(device.status().pushed_at, Some(Timestamp::from_millis(device.now)));
}

#[test]
fn sums_that_are_not_ours_are_made_right() {
    let (database, store) = store_at(shared());
    let mut device = Device::new("");
    device.settings = store;
    turn(&mut device, true);
    device.push().unwrap();
    let expected = Mirror::new().of(&device);
    let project = shown_key(&device.fixture.session("m"));
    let key = UnitKey::Totals { origin: "here".to_owned(), project }.to_text();
    for what in [
        "UPDATE totals SET sessions = 77 WHERE unit = n; UPDATE units SET root = NULL, head_digest = NULL WHERE units.n = n",
        "DELETE FROM totals WHERE unit = n; DELETE FROM projects WHERE unit = n; \
            UPDATE units SET root = sha256('x'), head_digest = sha256('y') WHERE units.n = n",
    ] {
        tamper(&database, &key, what);
        assert!(device.push().unwrap().was_repaired);
        device.assert_settled(shared(), &database, &expected);
    }
}
