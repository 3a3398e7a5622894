//! What was noted while the clock was years ahead.

use super::*;

const YEARS: Duration = Duration::from_secs(4 * 365 * 24 * 60 * 60);

#[test]
fn what_was_damaged_while_the_clock_was_ahead_is_read_and_asked_for_when_it_is_set_right() {
    let (remote, mut author, mut device) = (memory(), Author::new(9), Device::new());
    device.trust(author.log);
    let name = author.seal(&remote.inner, "one");
    let name = author.name_of(&name);
    author.head(&remote.inner);
    let good = remote.inner.files()[&name.path()].clone();
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    remote.inner.plant(&name.path(), &bad);
    device.clock.set(NOW.after(YEARS));
    assert_eq!(device.round(&remote).problems, [Problem::Arriving(name.clone())]);
    device.clock.set(NOW);
    remote.take();
    assert_eq!(device.round(&remote).problems, [Problem::Arriving(name.clone())]);
    assert_eq!(remote.take().gets, 1, "it is read again");
    device.advance(2 * wants::DAMAGED_FOR);
    assert_eq!(device.round(&remote).problems, [Problem::Damaged(name.clone())]);
    let now = carry_kernel::clock::Clock::now(&device.clock);
    assert_eq!(wants::wants(&device.store, &[], now).unwrap(), [crate::head::Want::Object(name)]);
}

#[test]
fn what_was_forgotten_while_the_clock_was_ahead_is_met_again() {
    let (remote, mut author, mut device) = (memory(), Author::new(9), Device::new());
    author.seal(&remote.inner, "one");
    author.head(&remote.inner);
    for (at, is_met) in [(NOW.after(MINUTE), false), (NOW.after(YEARS), true)] {
        device.round(&remote);
        device.store.forget(author.log, at).unwrap();
        device.round(&remote);
        assert_eq!(device.store.state(author.log).unwrap().is_some(), is_met);
        device.clock.set(NOW.after(YEARS));
        device.round(&remote);
        device.clock.set(NOW);
    }
}
