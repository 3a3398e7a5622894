//! Erasing an owner.

use carry_team::postgres::Postgres;
use carry_team::sink::{Begun, Class, Sink as _};
use carry_testkit::postgres::{PASSWORD, shared};

use crate::rig::{Content, client, give_roles, key, put, settings, writer};

/// A store with the roles of the documentation, and the URL of somebody who runs it.
fn set_up() -> (String, Postgres) {
    let database = shared().database();
    give_roles(shared(), &database);
    let owner = shared().role("IN ROLE carry_owner");
    let mut keeper = sink(&database, &owner);
    keeper.init().unwrap();
    give_roles(shared(), &database);
    (database, keeper)
}

fn sink(database: &str, role: &str) -> Postgres {
    Postgres::new(&settings(&shared().url(role, PASSWORD, database)))
}

fn units(database: &str) -> String {
    shared().admin(database, "SELECT count(*) FROM carry.units")
}

#[test]
fn all_of_an_owner_goes_and_nothing_is_taken_from_it_until_that_is_lifted() {
    let (database, mut keeper) = set_up();
    let (ann, bob) = (writer(shared()), writer(shared()));
    let (mut of_ann, mut of_bob) = (sink(&database, &ann), sink(&database, &bob));
    of_ann.open(&client("device", "home")).unwrap();
    of_bob.open(&client("device", "home")).unwrap();
    for sink in [&mut of_ann, &mut of_bob] {
        assert!(put(sink, &key("a"), None, &Content::session(1, 40)).unwrap());
    }
    let owners = keeper.owners(&ann).unwrap();
    assert_eq!((owners.len(), owners[0].units, owners[0].is_erased), (1, 1, false));
    keeper.erase(&[owners[0].id]).unwrap();
    assert_eq!(units(&database), "1", "the other's stays");
    for table in ["clients", "sessions", "messages", "results", "words", "links", "pins"] {
        let sql = format!("SELECT count(*) FROM carry.{table} WHERE owner = {}", owners[0].id);
        assert_eq!(shared().admin(&database, &sql), "0", "{table}");
    }
    // A push that ran has no claim any more, and a new one is not let in.
    let refused = put(&mut of_ann, &key("b"), None, &Content::session(2, 2));
    assert!(refused.is_err(), "{refused:?}");
    let error = of_ann.open(&client("device", "home")).unwrap_err();
    assert_eq!(error.class, Class::Forbidden);
    assert!(error.message.contains("erased"), "{}", error.message);
    // A client that does not look is refused by the database.
    let sql = format!(
        "INSERT INTO carry.units (owner, key, kind, origin, mode, mask) VALUES ({}, 'x', 'session', 'o', 'full', '')",
        owners[0].id
    );
    let output = shared().psql(&ann, PASSWORD, &database, &sql);
    assert!(String::from_utf8_lossy(&output.stderr).contains("row-level security"));
    assert!(keeper.owners(&ann).unwrap()[0].is_erased);
    keeper.lift(&[owners[0].id]).unwrap();
    of_ann.open(&client("device", "home")).unwrap();
    assert!(put(&mut of_ann, &key("a"), None, &Content::session(1, 3)).unwrap());
    assert_eq!(units(&database), "2");
}

#[test]
fn only_whoever_runs_the_store_may_erase() {
    let (database, _keeper) = set_up();
    let (ann, bob) = (writer(shared()), writer(shared()));
    let (mut of_ann, mut of_bob) = (sink(&database, &ann), sink(&database, &bob));
    let opened = of_ann.open(&client("device", "home")).unwrap();
    assert!(put(&mut of_ann, &key("a"), None, &Content::session(1, 3)).unwrap());
    assert_eq!(of_bob.owners(&ann).unwrap(), []);
    let id = opened.owner.parse().unwrap();
    for sink in [&mut of_bob, &mut of_ann] {
        assert_eq!(sink.erase(&[id]).unwrap_err().class, Class::Forbidden);
        assert_eq!(sink.lift(&[id]).unwrap_err().class, Class::Forbidden);
    }
    assert_eq!(units(&database), "1");
}

#[test]
fn a_device_that_comes_while_its_owner_is_erased_leaves_nothing_behind() {
    let (database, mut keeper) = set_up();
    let ann = writer(shared());
    let (mut first, mut second) = (sink(&database, &ann), sink(&database, &ann));
    let opened = first.open(&client("device", "home")).unwrap();
    let id = opened.owner.parse().unwrap();
    // A unit under way keeps the erasure waiting.
    let Begun::Open(change) = first.change(&key("a"), None).unwrap() else { panic!("it moved") };
    std::thread::scope(|scope| {
        let erasing = scope.spawn(|| keeper.erase(&[id]));
        let waiting =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while shared().admin(&database, waiting) == "0" {
            assert!(!erasing.is_finished(), "nothing was in its way");
        }
        second.open(&client("another", "elsewhere")).unwrap();
        assert!(put(&mut second, &key("b"), None, &Content::session(1, 3)).unwrap());
        drop(change);
        erasing.join().unwrap().unwrap();
    });
    assert_eq!(units(&database), "0");
    assert_eq!(shared().admin(&database, "SELECT count(*) FROM carry.clients"), "0", "nor a claim");
    assert!(put(&mut second, &key("c"), None, &Content::session(1, 3)).is_err());
    assert_eq!(second.open(&client("another", "elsewhere")).unwrap_err().class, Class::Forbidden);
}

#[test]
fn all_owners_of_a_name_are_erased_however_many_there_are() {
    let (database, mut keeper) = set_up();
    shared().admin(
        &database,
        "INSERT INTO carry.owners (role, person) SELECT 'role' || n, 'Ada' FROM generate_series(1, 2345) AS n",
    );
    let owners = keeper.owners("Ada").unwrap();
    assert_eq!(owners.len(), 2345);
    let ids: Vec<i32> = owners.iter().map(|owner| owner.id).collect();
    assert!(ids.is_sorted_by(|a, b| a < b));
    keeper.erase(&ids).unwrap();
    assert_eq!(shared().admin(&database, "SELECT count(*) FROM carry.owners WHERE erased_at IS NULL"), "0");
}
