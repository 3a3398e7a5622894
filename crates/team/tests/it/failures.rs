//! A server that fails: no room, locks, the end of its power.

use std::time::Duration;

use carry_team::postgres::{Limits, Postgres};
use carry_team::sink::{Begun, Class, Sink as _};
use carry_testkit::postgres::{Options, Server, shared};
use carry_testkit::tmpfs::Tmpfs;

use crate::rig::{Content, client, held, key, message, put, short, store_at};
use carry_team::unit::Place;

#[test]
fn a_full_disk_is_said_and_all_is_well_once_there_is_room() {
    let Some(disk) = Tmpfs::mount(96 << 20) else {
        eprintln!("no disk can be mounted here: nothing is filled");
        return;
    };
    let data = disk.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let server = Server::start_with(&Options { data: Some(data), is_unsafe: true, ..Options::default() });
    let (_, store) = store_at(&server);
    let mut sink = Postgres::new(&store);
    sink.open(&client("device", "home")).unwrap();
    let old = Content::session(1, 3);
    assert!(put(&mut sink, &key("a"), None, &old).unwrap());
    disk.fill(64 << 10);
    let mut text = String::new();
    let mut rng = carry_testkit::rng::Rng::new(1);
    while text.len() < 4 << 20 {
        text.push_str(&format!("{:016x}", rng.next_u64()));
    }
    let new = Content::session(2, 3).with_pair(message(Place::Message(9), &text));
    let error = put(&mut sink, &key("a"), Some(old.root()), &new).unwrap_err();
    assert_eq!(error.class, Class::Full, "{error}");
    assert!(error.message.contains("No space left"), "{error}");
    std::fs::remove_file(disk.path().join("ballast")).unwrap();
    sink.open(&client("device", "home")).unwrap();
    assert_eq!(held(&mut sink, &key("a")), Some(old.held()));
    assert!(put(&mut sink, &key("a"), Some(old.root()), &new).unwrap());
    assert_eq!(held(&mut sink, &key("a")), Some(new.held()));
    drop(sink);
    drop(server);
}

#[test]
fn a_large_row_has_as_long_as_its_bytes_take() {
    let limits = Limits { statement: Duration::from_secs(60), ..Limits::default() };
    assert_eq!(limits.of(1000), Duration::from_secs(60));
    // A megabit in a second is enough for 16 MiB, with time to spare.
    assert!(limits.of(16 << 20) > Duration::from_secs((16 << 20) * 8 / 1_000_000 + 60));
    let (database, store) = store_at(shared());
    let mut sink = Postgres::with_limits(&store, limits);
    sink.open(&client("device", "home")).unwrap();
    // The server's own limit is the same: each row says what it was when it came.
    shared().admin(
        &database,
        "CREATE FUNCTION carry.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         NEW.subtype = current_setting('statement_timeout'); RETURN NEW; END $$; \
         CREATE TRIGGER note BEFORE INSERT ON carry.messages FOR EACH ROW EXECUTE FUNCTION carry.note()",
    );
    let content = Content::session(1, 3).with_pair(message(Place::Message(9), &"x".repeat(16 << 20)));
    assert!(put(&mut sink, &key("a"), None, &content).unwrap());
    let said = shared().admin(&database, "SELECT subtype FROM carry.messages WHERE ordinal IN (0, 9) ORDER BY ordinal");
    assert_eq!(said, "1min\n316s");
}

#[test]
fn a_lock_that_is_not_given_up_makes_the_unit_wait() {
    let (_, store) = store_at(shared());
    let mut first = Postgres::new(&store);
    let us = client("device", "home");
    first.open(&us).unwrap();
    let old = Content::session(1, 3);
    assert!(put(&mut first, &key("a"), None, &old).unwrap());
    let mut second = Postgres::with_limits(&store, short());
    second.open(&us).unwrap();
    let Begun::Open(change) = first.change(&key("a"), Some(old.root())).unwrap() else { panic!("it moved") };
    let error = put(&mut second, &key("a"), Some(old.root()), &Content::session(2, 3)).unwrap_err();
    assert_eq!(error.class, Class::Contended, "{error}");
    assert!(error.class.is_of_unit());
    // The rest goes on meanwhile, and this one after.
    assert!(put(&mut second, &key("b"), None, &Content::session(2, 3)).unwrap());
    drop(change);
    assert!(put(&mut second, &key("a"), Some(old.root()), &Content::session(2, 3)).unwrap());
}

#[test]
fn a_statement_that_takes_too_long_makes_the_unit_wait() {
    let (database, store) = store_at(shared());
    let limits = Limits { statement: Duration::from_secs(2), ..Limits::default() };
    let mut sink = Postgres::with_limits(&store, limits);
    sink.open(&client("device", "home")).unwrap();
    shared().admin(
        &database,
        "CREATE FUNCTION carry.slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN SET LOCAL statement_timeout = 100; \
         PERFORM pg_sleep(1000); RETURN NEW; END $$; \
         CREATE TRIGGER slow BEFORE INSERT ON carry.sessions FOR EACH ROW EXECUTE FUNCTION carry.slow()",
    );
    let error = put(&mut sink, &key("a"), None, &Content::session(1, 3)).unwrap_err();
    assert!(matches!(error.class, Class::Contended | Class::Unreachable), "{error}");
    shared().admin(&database, "DROP TRIGGER slow ON carry.sessions");
    sink.open(&client("device", "home")).unwrap();
    assert!(put(&mut sink, &key("a"), None, &Content::session(1, 3)).unwrap());
}

#[test]
fn what_the_server_refuses_concerns_one_unit_and_is_not_repeated() {
    let (database, store) = store_at(shared());
    let mut sink = Postgres::new(&store);
    sink.open(&client("device", "home")).unwrap();
    let canary = "canary-of-contents";
    shared().admin(
        &database,
        "CREATE FUNCTION carry.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.json::text LIKE '%canary%' THEN \
         RAISE EXCEPTION 'not this: %', NEW.json; END IF; RETURN NEW; END $$; \
         CREATE TRIGGER no BEFORE INSERT ON carry.messages FOR EACH ROW EXECUTE FUNCTION carry.no()",
    );
    let poison = Content::session(1, 3).with_pair(message(Place::Message(1), canary));
    let with_nul = Content::session(1, 3).with_pair(message(Place::Message(1), canary));
    let broken = |json: &str| {
        let mut content = with_nul.clone();
        if let carry_team::unit::Body::Message { json: text, .. } =
            &mut content.rows.get_mut(&Place::Message(1)).unwrap().body
        {
            json.clone_into(text);
        }
        content
    };
    let deep = format!("{}\"{canary}\"", "[".repeat(2_000_000));
    for content in [poison, broken("canary-of-contents\0"), broken("canary-of-contents is no JSON"), broken(&deep)] {
        let error = put(&mut sink, &key("a"), None, &content).unwrap_err();
        assert_eq!(error.class, Class::Refused, "{error}");
        assert!(!format!("{error:?} {error}").contains("canary"), "{error:?}");
        assert_eq!(held(&mut sink, &key("a")), None);
    }
    assert!(put(&mut sink, &key("b"), None, &Content::session(1, 3)).unwrap());
}

#[test]
fn a_server_that_is_killed_in_the_middle_of_a_change_has_the_old_state_and_then_takes_the_new() {
    let mut server = Server::new();
    let (_, store) = store_at(&server);
    let mut sink = Postgres::new(&store);
    let us = client("device", "home");
    sink.open(&us).unwrap();
    let (old, new) = (Content::session(1, 50), Content::session(2, 90));
    assert!(put(&mut sink, &key("a"), None, &old).unwrap());
    let Begun::Open(mut change) = sink.change(&key("a"), Some(old.root())).unwrap() else { panic!("it moved") };
    change.put(new.rows.values().cloned().collect()).unwrap();
    server.kill();
    let error = change.commit(Some((&new.head, &new.head_digest)), new.root(), "mask 1").unwrap_err();
    assert_eq!(error.class, Class::Unreachable, "{error}");
    assert_eq!(sink.summary().unwrap_err().class, Class::Unreachable);
    assert_eq!(sink.open(&us).unwrap_err().class, Class::Unreachable);
    server.start();
    sink.open(&us).unwrap();
    assert_eq!(held(&mut sink, &key("a")), Some(old.held()));
    assert!(put(&mut sink, &key("a"), Some(old.root()), &new).unwrap());
    // What was committed outlives the next power cut.
    server.kill();
    server.start();
    sink.open(&us).unwrap();
    assert_eq!(held(&mut sink, &key("a")), Some(new.held()));
}

#[test]
fn a_server_that_shuts_down_says_so() {
    let (database, store) = store_at(shared());
    let mut sink = Postgres::new(&store);
    sink.open(&client("device", "home")).unwrap();
    let kill = format!("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{database}'");
    shared().admin("postgres", &kill);
    let error = sink.summary().unwrap_err();
    assert!(matches!(error.class, Class::Full | Class::Unreachable), "{error}");
    // It stays so until it is opened again.
    assert_eq!(sink.summary().unwrap_err().class, Class::Unreachable);
    sink.open(&client("device", "home")).unwrap();
    sink.summary().unwrap();
}

#[test]
fn a_database_that_can_only_be_read_is_full() {
    let (database, store) = store_at(shared());
    shared()
        .admin("postgres", &format!("ALTER ROLE admin IN DATABASE {database} SET default_transaction_read_only = on"));
    let error = Postgres::new(&store).open(&client("device", "home")).unwrap_err();
    assert_eq!(error.class, Class::Full, "{error}");
    assert!(error.message.contains("read-only transaction"), "{error}");
}

#[test]
fn a_claim_whose_time_is_over_can_be_taken_and_is_then_lost() {
    let (database, store) = store_at(shared());
    let (mut first, mut second) = (Postgres::new(&store), Postgres::new(&store));
    first.open(&client("device", "one")).unwrap();
    let over = "UPDATE carry.clients SET until = now() - interval '1 second'";
    shared().admin(&database, over);
    // Nobody took it: it goes on, and is renewed.
    assert!(put(&mut first, &key("a"), None, &Content::session(1, 1)).unwrap());
    assert_eq!(shared().admin(&database, "SELECT until > now() + interval '1 minute' FROM carry.clients"), "t");
    shared().admin(&database, over);
    second.open(&client("device", "two")).unwrap();
    let root = Content::session(1, 1).root();
    let error = put(&mut first, &key("a"), Some(root), &Content::session(2, 1)).unwrap_err();
    assert_eq!(error.class, Class::Busy);
    assert_eq!(first.remove(&[key("a").to_text()]).unwrap_err().class, Class::Busy);
    assert_eq!(first.confirm(&[key("a").to_text()], "x").unwrap_err().class, Class::Busy);
    first.close().unwrap();
    assert!(put(&mut second, &key("a"), Some(root), &Content::session(2, 1)).unwrap());
}
