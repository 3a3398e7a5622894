//! A wire that is cut, and how often it is used.

use carry_team::postgres::Postgres;
use carry_team::settings::StoreSettings;
use carry_team::sink::{Class, Sink as _};
use carry_testkit::postgres::{ADMIN, PASSWORD, shared};
use carry_testkit::rng::Rng;
use carry_testkit::wire::{Proxy, Way};

use crate::rig::{Content, client, held, key, put, root_of, settings, store_at};

/// A store that is reached through a proxy.
fn behind(proxy: &Proxy, database: &str) -> StoreSettings {
    settings(&shared().url_at(proxy.port(), ADMIN, PASSWORD, database))
}

/// How often round trips are counted.
const TRIES: usize = 20;

#[test]
fn a_small_session_takes_three_round_trips() {
    let (database, _) = store_at(shared());
    let proxy = Proxy::start(shared().address());
    let mut sink = Postgres::new(&behind(&proxy, &database));
    sink.open(&client("device", "home")).unwrap();
    let mut turns_of = |name: &str, base: Option<u64>, seed: u64| {
        let content = Content::session(seed, 30);
        let before = (proxy.turns(), proxy.frames());
        let change = sink.change(&key(name), base.map(|seed| Content::session(seed, 30).root())).unwrap();
        let carry_team::sink::Begun::Open(mut change) = change else { panic!("it moved") };
        change.put(content.rows.values().cloned().collect()).unwrap();
        change.commit(Some((&content.head, &content.head_digest)), content.root(), "mask 1").unwrap();
        let executed = proxy.frames()[&'E'] - before.1.get(&'E').copied().unwrap_or(0);
        assert!((5..=20).contains(&executed), "{executed} statements");
        proxy.turns() - before.0
    };
    // An answer that overtakes what is still being sent makes turns more, and nothing makes them fewer.
    let turns: Vec<[u64; 2]> = (0..TRIES)
        .map(|at| {
            let name = format!("a{at}");
            [turns_of(&name, None, 1), turns_of(&name, Some(1), 2)]
        })
        .collect();
    for at in [0, 1] {
        assert!(turns.iter().any(|turns| turns[at] <= 3), "{turns:?} round trips");
    }
}

#[test]
fn a_cut_anywhere_leaves_the_old_state_or_the_new_and_the_next_attempt_brings_the_new() {
    let (database, direct) = store_at(shared());
    let proxy = Proxy::start(shared().address());
    let us = client("device", "home");
    let mut watcher = Postgres::new(&direct);
    watcher.open(&us).unwrap();
    let through = behind(&proxy, &database);
    // How much goes over the wire when nothing is cut.
    let start = (proxy.bytes(Way::Up), proxy.bytes(Way::Down));
    let mut sink = Postgres::new(&through);
    sink.open(&us).unwrap();
    assert!(put(&mut sink, &key("measure"), None, &Content::session(0, 40)).unwrap());
    drop(sink);
    let sizes = [proxy.bytes(Way::Up) - start.0, proxy.bytes(Way::Down) - start.1];
    let mut rng = Rng::new(20_261_129);
    let mut current: Option<Content> = None;
    let (mut cut, mut kept_old, mut kept_new) = (0, 0, 0);
    for round in 1..=60_u64 {
        let new = Content::session(round, 40);
        let base = current.as_ref().map(Content::root);
        let way = if round % 2 == 0 { Way::Up } else { Way::Down };
        // Half of them late, where the commit is.
        let size = usize::try_from(sizes[way as usize]).unwrap();
        let from_end = if rng.chance(50) { rng.below(size / 10) } else { rng.below(size) };
        proxy.cut_after(way, (size - from_end) as u64);
        let mut sink = Postgres::new(&through);
        let done = sink.open(&us).and_then(|_| put(&mut sink, &key("a"), base, &new));
        proxy.heal();
        drop(sink);
        let found = held(&mut watcher, &key("a"));
        match &done {
            Ok(true) => assert_eq!(found, Some(new.held()), "round {round}"),
            Ok(false) => panic!("round {round}: it moved"),
            Err(error) => {
                cut += 1;
                assert_eq!(error.class, Class::Unreachable, "round {round}: {error}");
                let old = current.as_ref().map(Content::held);
                assert!(found == Some(new.held()) || found == old, "round {round}: half a unit");
                if found == old { kept_old += 1 } else { kept_new += 1 }
            }
        }
        if let Some(found) = &found {
            assert_eq!(found.root, Some(root_of(&found.head.unwrap(), &found.rows)), "round {round}");
        }
        if found != Some(new.held()) {
            let mut again = Postgres::new(&through);
            again.open(&us).unwrap();
            assert!(put(&mut again, &key("a"), base, &new).unwrap(), "round {round}");
            assert_eq!(held(&mut watcher, &key("a")), Some(new.held()), "round {round}");
        }
        current = Some(new);
    }
    assert!(cut >= 30 && kept_old >= 10, "{cut} cuts, {kept_old} times the old state, {kept_new} times the new");
}

#[test]
fn a_server_that_goes_silent_is_not_waited_for_for_ever() {
    let (database, _) = store_at(shared());
    let proxy = Proxy::start(shared().address());
    let limits = carry_team::postgres::Limits {
        statement: std::time::Duration::from_secs(2),
        bulk: std::time::Duration::from_secs(2),
        ..Default::default()
    };
    let mut sink = Postgres::with_limits(&behind(&proxy, &database), limits);
    sink.open(&client("device", "home")).unwrap();
    proxy.stall();
    let error = sink.summary().unwrap_err();
    assert_eq!(error.class, Class::Unreachable);
    assert!(error.message.contains("does not answer"), "{error}");
    proxy.heal();
    sink.open(&client("device", "home")).unwrap();
    sink.summary().unwrap();
    proxy.refuse();
    assert_eq!(sink.open(&client("device", "home")).unwrap_err().class, Class::Unreachable);
}
