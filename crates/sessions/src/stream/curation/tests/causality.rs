//! Random histories against a model that knows who knew what.

use proptest::prelude::*;

use super::*;

const NAMES: [&str; 3] = ["a", "b", "c"];
const REGISTERS: u8 = 2;

/// What happens. Devices are taken modulo how many there are.
#[derive(Clone, Debug)]
enum Step {
    /// An edit, with a clock that may say anything. Two in three wait until the device publishes.
    Edit {
        device: usize,
        register: u8,
        ms: i64,
    },
    Publish(usize),
    /// A device takes so many segments of another, in some order, and folds them.
    Pull {
        to: usize,
        from: usize,
        order: u64,
        limit: usize,
    },
    /// Void edits are dropped from a log.
    Compact(usize),
    /// What is folded of one device is folded again.
    Again(usize),
    /// A device takes back what it had folded of another, and folds it again.
    Retract {
        device: usize,
        of: usize,
        after: u64,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let device = 0..NAMES.len();
    let step = prop_oneof![
        5 => (device.clone(), 0..REGISTERS, -50..50_i64).prop_map(|(device, register, ms)| Step::Edit { device, register, ms }),
        3 => device.clone().prop_map(Step::Publish),
        5 => (device.clone(), device.clone(), any::<u64>(), 1..4_usize)
            .prop_map(|(to, from, order, limit)| Step::Pull { to, from, order, limit }),
        1 => device.clone().prop_map(Step::Compact),
        1 => device.clone().prop_map(Step::Again),
        1 => (device.clone(), device, 0..4_u64).prop_map(|(device, of, after)| Step::Retract { device, of, after }),
    ];
    proptest::collection::vec(step, 1..40)
}

/// An edit, and the truth about it: all edits that its author knew when it was made.
struct Made {
    device: usize,
    register: u8,
    value: String,
    past: BTreeSet<usize>,
}

struct Fleet {
    devices: Vec<Device>,
    made: Vec<Made>,
    now_ms: i64,
}

impl Fleet {
    fn new() -> Self {
        let mut devices = NAMES.map(Device::new);
        // From here on edits are noted.
        for device in &mut devices {
            device.publish(0);
        }
        Self { devices: devices.into(), made: Vec::new(), now_ms: 0 }
    }

    fn step(&mut self, step: &Step) {
        self.now_ms += 1;
        let now = self.now_ms;
        match *step {
            Step::Edit { device, register, ms } => {
                let past = self.knows(device, register);
                let value = format!("edit {}", self.made.len());
                assert!(self.devices[device].rename(register, &value, ms));
                self.made.push(Made { device, register, value, past });
            }
            Step::Publish(device) => {
                self.devices[device].publish(now);
            }
            Step::Pull { to, from, order, limit } if to != from => {
                let (to, from) = pair(&mut self.devices, to, from);
                to.fetch(&from.store, order, limit);
                to.deliver();
            }
            Step::Pull { .. } => {}
            Step::Compact(device) => {
                let device = &mut self.devices[device];
                device.store.compact(&[&device.strand], at(now)).unwrap();
            }
            Step::Again(device) => {
                let device = &mut self.devices[device];
                let stream = device.strand.stream().clone();
                let db = &mut device.strand.keeper_mut().db;
                db.write(|tx| Ok::<_, StoreError>(outbox::uncover_all(tx, &stream)?)).unwrap();
                device.deliver();
            }
            Step::Retract { device, of, after } => {
                let log = self.devices[of].store.log();
                let device = &mut self.devices[device];
                let origin = Origin { log, track: 0, stream: device.strand.stream().clone() };
                device.strand.retract(&origin, after).unwrap();
                device.deliver();
            }
        }
    }

    /// The edits of a register that a device has.
    fn held(&self, device: usize, register: u8) -> BTreeSet<usize> {
        let conn = self.devices[device].strand.keeper().db.conn();
        let mut rows = conn
            .prepare(
                "SELECT value FROM register_edits WHERE target = ?1
                 UNION SELECT json_quote(value) FROM register_pending WHERE target = ?1",
            )
            .unwrap();
        let values: BTreeSet<String> =
            rows.query_map([session(register).as_str()], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        let has = |made: &Made| made.register == register && values.contains(&format!("{:?}", made.value));
        (0..self.made.len()).filter(|id| has(&self.made[*id])).collect()
    }

    /// Those, and all that any of them had seen.
    fn knows(&self, device: usize, register: u8) -> BTreeSet<usize> {
        let held = self.held(device, register);
        held.iter().flat_map(|id| self.made[*id].past.iter().copied().chain([*id])).collect()
    }

    /// Whether it has all that these had seen, or later edits of the same device in place of it.
    fn has_heard_all(&self, device: usize, register: u8) -> bool {
        let held = self.held(device, register);
        let is_there = |id: &usize| held.range(id..).any(|later| self.made[*later].device == self.made[*id].device);
        self.knows(device, register).iter().all(is_there)
    }

    /// What is live by the truth: what none of the edits that are known had in its past.
    fn truth(&self, device: usize, register: u8) -> BTreeSet<String> {
        let known = self.knows(device, register);
        let is_live = |id: &&usize| !known.iter().any(|other| self.made[*other].past.contains(id));
        known.iter().filter(is_live).map(|id| format!("{:?}", self.made[*id].value)).collect()
    }

    /// What devices have is the truth; while something has not come that others had seen, there may be a conflict too many.
    fn check(&self) {
        for (at, device) in self.devices.iter().enumerate() {
            let mut n_conflicts = 0;
            for register in 0..REGISTERS {
                let (live, truth) = (device.live(&name(register)), self.truth(at, register));
                let what = || format!("register {register} of {} has {live:?}, true is {truth:?}", device.name);
                assert!(live.is_superset(&truth), "{}", what());
                assert!(live == truth || !self.has_heard_all(at, register), "{}", what());
                n_conflicts += usize::from(live.len() > 1);
                let shown = device.shown(&name(register)).map(|value| format!("{value:?}"));
                assert_eq!(shown.is_some(), !truth.is_empty());
                assert!(shown.is_none_or(|shown| live.contains(&shown)));
            }
            assert_eq!(device.conflicts().len(), n_conflicts);
        }
    }
}

fn pair(devices: &mut [Device], one: usize, other: usize) -> (&mut Device, &Device) {
    let (before, after) = devices.split_at_mut(one.max(other));
    match one < other {
        true => (&mut before[one], &after[0]),
        false => (&mut after[0], &before[other]),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn what_is_live_is_what_nothing_known_had_seen(steps in steps()) {
        let mut fleet = Fleet::new();
        for step in &steps {
            fleet.step(step);
            if matches!(step, Step::Pull { .. } | Step::Publish(_) | Step::Retract { .. } | Step::Again(_)) {
                fleet.check();
            }
        }
        fleet.check();
        // In the end everybody has the same.
        meet(&mut fleet.devices, 1000);
        for device in 0..NAMES.len() {
            prop_assert!((0..REGISTERS).all(|register| fleet.has_heard_all(device, register)));
        }
        fleet.check();
        let [first, rest @ ..] = &fleet.devices[..] else { unreachable!() };
        for other in rest {
            prop_assert_eq!(other.all_shown(), first.all_shown());
            prop_assert_eq!(other.conflicts().len(), first.conflicts().len());
        }
    }
}

#[test]
fn what_an_edit_had_seen_is_superseded_once_it_has_come() {
    let (mut a, mut b, mut reader) = (Device::new("a"), Device::new("b"), Device::new("reader"));
    a.rename(1, "first", 1);
    a.publish(1);
    reader.pull(&a);
    a.rename(1, "second", 2);
    a.publish(2);
    b.pull(&a);
    b.rename(1, "third", 3);
    b.publish(3);
    // Whether there is such an edit as b says nobody can tell before it comes.
    reader.pull(&b);
    assert_eq!(reader.live(&name(1)), BTreeSet::from([r#""first""#.to_owned(), r#""third""#.to_owned()]));
    assert_eq!((reader.conflicts().len(), reader.shown(&name(1)).as_deref()), (1, Some("third")));
    reader.pull(&a);
    assert_eq!(reader.live(&name(1)), BTreeSet::from([r#""third""#.to_owned()]));
    assert_eq!((reader.conflicts(), reader.shown(&name(1)).as_deref()), (vec![], Some("third")));
}

#[test]
fn copies_of_a_home_miss_no_conflict_and_agree() {
    let mut a = Device::new("a");
    let mut c = Device::new("c");
    a.rename(1, "first", 0);
    a.publish(1);
    c.pull(&a);
    // The copy does not know that it is one, and both go on under the same key.
    let mut b = a.copy("here");
    a.rename(1, "of a", 10);
    a.publish(11);
    b.rename(1, "of b", 12);
    b.edit(2, &UserEdit::Star(true), 12);
    b.publish(13);
    assert_eq!(a.store.log(), b.store.log());
    for order in [[0, 1], [1, 0]] {
        let mut reader = Device::new("reader");
        for which in order {
            reader.pull(if which == 0 { &a } else { &b });
        }
        reader.deliver();
        assert_eq!(reader.live(&name(1)), BTreeSet::from([r#""of a""#.to_owned(), r#""of b""#.to_owned()]));
        assert_eq!(reader.conflicts().len(), 1);
        assert_eq!(reader.shown(&named(2, "star", "")).as_deref(), Some("1"));
        // One who saw both settles it, for those who know one way only, too.
        reader.publish(20);
        reader.rename(1, "both", 21);
        reader.publish(22);
        assert_eq!(reader.conflicts(), []);
        c.pull(&a);
        c.pull(&reader);
        assert_eq!(c.shown(&name(1)).as_deref(), Some("both"));
        assert_eq!(c.conflicts(), [], "two readers say the same, unknown to each other");
    }
    // And whoever has seen only one of them does not speak for the other.
    let (mut one, mut all) = (Device::new("one"), Device::new("all"));
    one.pull(&a);
    one.rename(1, "after a", 30);
    one.publish(31);
    for other in [&one, &a, &b] {
        all.pull(other);
    }
    all.deliver();
    assert_eq!(all.live(&name(1)), BTreeSet::from([r#""after a""#.to_owned(), r#""of b""#.to_owned()]));
}
