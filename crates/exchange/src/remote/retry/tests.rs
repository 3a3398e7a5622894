use std::sync::Mutex;

use carry_kernel::clock::{Clock as _, ManualClock};

use crate::hash::Digest;
use crate::name::ObjectName;
use crate::remote::{Class, Faults, Faulty, MemoryRemote};

use super::*;

/// Notes the waits, and lets a clock go on by them.
#[derive(Debug, Default)]
struct Waits {
    waits: Mutex<Vec<Duration>>,
    clock: ManualClock,
}

impl Pause for &Waits {
    fn pause(&self, wait: Duration, _deadline: &Deadline<'_>) {
        self.waits.lock().unwrap().push(wait);
        self.clock.advance(wait);
    }
}

const RETRY: Retry = Retry {
    policy: Policy {
        first: Duration::from_millis(100),
        max: Duration::from_secs(5),
        factor: 2.0,
        jitter: 0.0,
        ceiling: 100,
    },
    tries_max: 4,
    wait_max: Duration::from_secs(10),
};

fn memory() -> MemoryRemote {
    let memory = MemoryRemote::new("memory");
    memory.init(&Deadline::NONE).unwrap();
    memory
}

fn file() -> RemoteFile {
    RemoteFile::object(&ObjectName::head(LogId::of_key(&[1; 32]), 1, Digest::of(&[b"x"])))
}

/// Checks a place with these faults; gives the class of the failure and the waits in milliseconds.
fn check(faults: Faults, retry: Retry, deadline_ms: Option<u64>) -> (Option<Class>, Vec<u128>) {
    let waits = Waits::default();
    let remote = Retrying::with_pause(Faulty::new(memory(), 1, faults), retry, 1, &waits);
    let mut deadline = Deadline::NONE;
    if let Some(ms) = deadline_ms {
        deadline = deadline.at(&waits.clock, waits.clock.steady().after(Duration::from_millis(ms)));
    }
    let class = remote.check(&deadline).err().map(|error| error.class());
    let waited = waits.waits.lock().unwrap().iter().map(Duration::as_millis).collect();
    (class, waited)
}

#[test]
fn it_asks_again_so_often_with_waits_that_grow() {
    let down = Faults { before: 100, ..Faults::default() };
    assert_eq!(check(down, RETRY, None), (Some(Class::Unreachable), vec![100, 200, 400]));
    assert_eq!(check(down, Retry { tries_max: 1, ..RETRY }, None), (Some(Class::Unreachable), vec![]));
    assert_eq!(check(Faults::default(), RETRY, None), (None, vec![]));
}

#[test]
fn it_waits_as_long_as_the_place_wants_and_no_longer_than_it_may() {
    let busy = Faults { busy: 100, ..Faults::default() };
    assert_eq!(check(busy, RETRY, None), (Some(Class::Busy), vec![1000, 1000, 1000]));
    let hasty = Retry { wait_max: Duration::from_millis(999), ..RETRY };
    assert_eq!(check(busy, hasty, None), (Some(Class::Busy), vec![]));
}

#[test]
fn it_does_not_wait_past_the_deadline() {
    let down = Faults { before: 100, ..Faults::default() };
    assert_eq!(check(down, RETRY, Some(350)), (Some(Class::Unreachable), vec![100, 200]));
}

#[test]
fn what_does_not_pass_is_answered_at_once() {
    let waits = Waits::default();
    let remote = Retrying::with_pause(MemoryRemote::new("memory"), RETRY, 1, &waits);
    assert_eq!(remote.check(&Deadline::NONE).unwrap_err().class(), Class::NoMarker);
    assert!(waits.waits.lock().unwrap().is_empty());
}

#[test]
fn a_get_goes_on_where_it_broke_off() {
    let content: Vec<u8> = (0..=255).cycle().take(5000).collect();
    let memory = memory();
    memory.put(&file(), Source::Bytes(&content), &Deadline::NONE).unwrap();
    let mut broken = 0;
    for seed in 0..50 {
        let faulty = Faulty::new(memory.clone(), seed, Faults { broken_get: 50, ..Faults::default() });
        let waits = Waits::default();
        let remote = Retrying::with_pause(faulty, Retry { tries_max: 100, ..RETRY }, seed, &waits);
        for (part, expected) in [
            (Part::Whole { bytes_max: 5000 }, &content[..]),
            (Part::Range { from: 100, bytes: 300 }, &content[100..400]),
            (Part::Range { from: 4900, bytes: 300 }, &content[4900..]),
        ] {
            let mut into = Vec::new();
            let got = remote.get(&file(), part, &mut into, &Deadline::NONE).unwrap();
            assert!(into == expected, "seed {seed} {part:?}");
            assert_eq!((got.bytes, got.size), (expected.len() as u64, 5000));
        }
        broken += remote.inner().happened().values().sum::<u64>();
    }
    assert!(broken > 100, "{broken}");
}

#[test]
fn a_sleeper_hears_that_it_is_to_stop() {
    let cancel = std::sync::atomic::AtomicBool::new(true);
    // Were it not heard, this test would take a year.
    SystemPause.pause(Duration::from_secs(365 * 24 * 3600), &Deadline::NONE.on(&cancel));
    SystemPause.pause(Duration::ZERO, &Deadline::NONE);
}
