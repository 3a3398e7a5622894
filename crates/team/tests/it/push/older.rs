//! A store that was set back, or that is another one.

use carry_sessions::curation::Edit;
use carry_team::postgres::Postgres;
use carry_testkit::postgres::{PASSWORD, shared};

use super::content::{in_meadow, talk, turn};
use super::rig::{Device, Mirror, assert_same, rows, rows_of_role};
use crate::rig::{give_roles, settings, store_at, writer};

#[test]
fn a_store_that_was_set_back_is_noticed_and_brought_up_to_date() {
    let (database, store) = store_at(shared());
    let mut device = Device::new("");
    device.settings = store;
    turn(&mut device, false);
    device.fixture.put("gone", &talk(8, 4));
    device.edit("still", &Edit::Star(true));
    device.push().unwrap();
    let backup = format!("{database}_old");
    let admin = |sql: &str| shared().admin("postgres", sql);
    admin(&format!("CREATE DATABASE {backup} TEMPLATE {database}"));
    // Since then: text, a mode, a deletion for good, the trash, a star taken back, something new.
    turn(&mut device, true);
    device.delete("gone");
    device.edit("b", &Edit::Trash(true));
    device.edit("still", &Edit::Star(false));
    device.fixture.put("new", &talk(6, 40));
    device.push().unwrap();
    let expected = Mirror::new().of(&device);
    device.assert_settled(shared(), &database, &expected);
    admin(&format!("DROP DATABASE {database}"));
    admin(&format!("ALTER DATABASE {backup} RENAME TO {database}"));
    assert_ne!(rows(shared(), &database), expected);
    device.now += 1000;
    let report = device.push().unwrap();
    assert!(report.was_repaired);
    assert_eq!((report.failed, report.unknown), (Vec::new(), Vec::new()));
    device.assert_settled(shared(), &database, &expected);
    assert_eq!(shared().admin(&database, "SELECT count(*) FROM carry.sessions WHERE is_starred"), "1", "b alone");
}

#[test]
fn a_dump_that_was_read_into_another_database_is_the_same_store_and_an_empty_one_is_another() {
    let database = shared().database();
    let url = |database: &str, role: &str| shared().url(role, PASSWORD, database);
    Postgres::new(&settings(&shared().admin_url(&database))).init().unwrap();
    give_roles(shared(), &database);
    let (ann, bob) = (writer(shared()), writer(shared()));
    let mut device = Device::new(&url(&database, &ann));
    let mut other = Device::new(&url(&database, &bob));
    for device in [&mut device, &mut other] {
        turn(device, false);
        device.push().unwrap();
    }
    let dump = shared().dump(&database);
    device.fixture.put_with("n", in_meadow(), &talk(12, 5));
    device.push().unwrap();
    let restored = shared().database();
    shared().admin(&restored, &dump);
    let of_bob = rows_of_role(shared(), &restored, &bob);
    device.settings.address = settings(&url(&restored, &ann)).address;
    let report = device.push().unwrap();
    assert!(report.was_repaired);
    assert_eq!(report.done.len(), 1, "only what is newer than the dump");
    assert_same(&rows_of_role(shared(), &restored, &bob), &of_bob);
    let of_ann = |database: &str| {
        let rows = rows_of_role(shared(), database, &ann);
        rows.into_iter().filter(|row| !row.starts_with("units|")).collect::<Vec<_>>()
    };
    assert_same(&of_ann(&restored), &of_ann(&database));
    // Another store, under the same name and address: nothing that is remembered is of it.
    let (empty, store) = store_at(shared());
    device.settings.address = store.address;
    let report = device.push().unwrap();
    assert!(report.was_repaired);
    device.assert_settled(shared(), &empty, &Mirror::new().of(&device));
}
