//! Clocks that are wrong, and devices that are away.

use carry_testkit::fleet::Transport;

use super::{drift, fetch, friends, push, sync};

const TWO_DAYS: i64 = 2 * 24 * 3600;

#[test]
fn a_clock_two_days_ahead_hides_neither_its_own_work_nor_that_of_others() {
    for transport in Transport::ALL {
        ahead(transport);
    }
}

fn ahead(transport: Transport) {
    let mut fleet = friends(transport, 3);
    fleet.at_mut(0).set_clock_offset(TWO_DAYS);
    let [ahead, two, three] = [fleet.at(0), fleet.at(1), fleet.at(2)];

    ahead.write("a.txt", "from the future\n");
    push(ahead);
    fetch(two);
    assert_eq!(drift(two), ["one"]);
    sync(two);
    assert_eq!(two.read("a.txt").as_deref(), Some("from the future\n"));

    // Made later, though its date is earlier: it is the one to take over.
    two.write("a.txt", "from today\n");
    push(two);
    fetch(three);
    assert_eq!(drift(three), ["two"]);
    sync(three);
    assert_eq!(three.read("a.txt").as_deref(), Some("from today\n"));
    fetch(ahead);
    assert_eq!(drift(ahead), ["two"]);
    sync(ahead);
    assert_eq!(ahead.read("a.txt").as_deref(), Some("from today\n"));

    // It goes on capturing and pushing in spite of the dates.
    ahead.write("a.txt", "and on\n");
    push(ahead);
    sync(two);
    assert_eq!(two.read("a.txt").as_deref(), Some("and on\n"));
    fleet.fsck();
}

#[test]
fn a_clock_that_was_set_back_stops_neither_captures_nor_pushes() {
    let mut fleet = friends(Transport::Path, 2);
    fleet.at_mut(0).set_clock_offset(TWO_DAYS);
    fleet.at(0).write("a.txt", "too early\n");
    push(fleet.at(0));
    fleet.at_mut(0).set_clock_offset(0);
    fleet.at(0).write("a.txt", "corrected\n");
    push(fleet.at(0));
    sync(fleet.at(1));
    assert_eq!(fleet.at(1).read("a.txt").as_deref(), Some("corrected\n"));
}

#[test]
fn a_device_that_was_away_neither_waits_nor_hides_the_others() {
    for transport in Transport::ALL {
        away(transport);
    }
}

fn away(transport: Transport) {
    let mut fleet = friends(transport, 3);
    // The first loses the network: it goes on capturing, and says what it does not know.
    fleet.take_away();
    let one = fleet.at(0);
    one.write("a.txt", "made offline\n");
    let ran = one.run(["now", "--push", "--yes"]);
    assert_eq!(ran.code, Some(1), "{transport:?}: {ran:?}");
    assert!(one.carry(["log", "--json", "--limit", "1"]).contains("a.txt"), "captured all the same");
    let ran = one.run(["sync"]);
    assert!(ran.stderr.contains("could not be asked"), "{transport:?}: {ran:?}");
    one.carry(["sync", "--offline"]);
    fleet.bring_back();

    let [one, two, three] = [fleet.at(0), fleet.at(1), fleet.at(2)];
    two.write("b.txt", "made online\n");
    push(two);
    sync(three);
    assert_eq!(three.read("b.txt").as_deref(), Some("made online\n"), "{transport:?}");

    // Back again: its own work goes out, theirs comes in, nothing is lost.
    push(one);
    fetch(one);
    assert_eq!(drift(one), ["two"], "{transport:?}");
    sync(one);
    assert_eq!(one.read("a.txt").as_deref(), Some("made offline\n"));
    assert_eq!(one.read("b.txt").as_deref(), Some("made online\n"));
    push(one);
    sync(three);
    assert_eq!(three.files(), one.files(), "{transport:?}");
    fleet.fsck();
}
