//! `erase`: everything of a person goes, and stays away.

use super::pushed;
use crate::sessions::values;

#[test]
fn everything_of_a_person_goes_and_stays_away_until_it_is_lifted() {
    let (world, store) = pushed();
    let before = store.units();
    let ran = world.carry(&["team", "erase", "U"]);
    assert_eq!(ran.code, 1, "without consent: {ran:?}");
    assert_eq!(store.units(), before);
    let ran = world.ok(&["--json", "team", "erase", "U", "--yes"]);
    let erased = &values(&ran)[0];
    assert_eq!(
        (&erased["type"], &erased["person"], &erased["units"]),
        (&"team-erased".into(), &"U".into(), &before.into())
    );
    for table in ["units", "sessions", "messages", "results", "words", "links", "pins", "clients"] {
        assert_eq!(store.ask(&format!("SELECT count(*) FROM {table}")), "0", "{table}");
    }
    let ran = world.carry(&["team", "push"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("erased"), "{}", ran.stderr);
    assert_eq!(store.units(), 0);
    let ran = world.ok(&["team", "erase", "U", "--lift"]);
    assert!(ran.stdout.ends_with("may push again.\n"), "{}", ran.stdout);
    world.ok(&["team", "push"]);
    assert_eq!(store.units(), before);
}

#[test]
fn nobody_of_that_name_is_told() {
    let (world, store) = pushed();
    let before = store.units();
    let ran = world.carry(&["team", "erase", "Nobody", "--yes"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("nobody in the store is called \"Nobody\""), "{}", ran.stderr);
    assert_eq!(store.units(), before);
}
