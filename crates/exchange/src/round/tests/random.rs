//! Whatever happens, all devices show the same when it is over, and then nothing more is written.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Act {
    /// A device says something.
    Say(usize),
    /// It sets a mark, one of two.
    Mark(usize, usize),
    /// It exchanges with one of its places.
    Round(usize, usize),
    /// It does, and dies after so many calls.
    Crash(usize, usize, u64),
    /// It is copied, once; the copy lives on.
    Copy(usize),
    /// A file there is removed, or cut short.
    Lose(usize, usize),
    Cut(usize, usize),
    /// A place is put back to what it was when this was said last.
    Remember(usize),
    RollBack(usize),
    /// Time passes, in minutes.
    Pass(u64),
}

fn act() -> impl Strategy<Value = Act> {
    let device = 0..3usize;
    prop_oneof![
        6 => device.clone().prop_map(Act::Say),
        4 => (device.clone(), 0..2usize).prop_map(|(device, mark)| Act::Mark(device, mark)),
        8 => (device.clone(), 0..2usize).prop_map(|(device, place)| Act::Round(device, place)),
        3 => (device.clone(), 0..2usize, 0..12u64).prop_map(|(device, place, n)| Act::Crash(device, place, n)),
        1 => device.prop_map(Act::Copy),
        1 => (0..2usize, any::<usize>()).prop_map(|(place, which)| Act::Lose(place, which)),
        1 => (0..2usize, any::<usize>()).prop_map(|(place, which)| Act::Cut(place, which)),
        1 => (0..2usize).prop_map(Act::Remember),
        1 => (0..2usize).prop_map(Act::RollBack),
        2 => (1..600u64).prop_map(Act::Pass),
    ]
}

/// The places that a device sees: the middle one sees both.
fn places(device: usize) -> &'static [usize] {
    match device {
        0 => &[0],
        1 => &[0, 1],
        _ => &[1],
    }
}

fn run(acts: &[Act]) {
    run_with(0, acts);
}

/// The same acts with other keys and salts are another story: which file is lost goes by their names.
fn run_with(dice: u64, acts: &[Act]) {
    DICE.set(Some(dice << 32));
    let remotes = [memory(), memory()];
    let mut remembered = [BTreeMap::new(), BTreeMap::new()];
    let mut devices = fleet(3);
    for device in &mut devices {
        device.marks = Some(marks(&device.root));
    }
    let mut seen_by: Vec<usize> = vec![0, 1, 2];
    let (mut said, mut marked) = (BTreeSet::new(), BTreeMap::new());
    for (at, act) in acts.iter().enumerate() {
        match act {
            Act::Say(device) => {
                // The copy speaks now and then.
                let device = if at % 3 == 0 && devices.len() > 3 { 3 } else { *device };
                let text = format!("{device} says {at}");
                devices[device].say(&text);
                said.insert(text);
            }
            Act::Mark(device, mark) => {
                let device = if at % 3 == 0 && devices.len() > 3 { 3 } else { *device };
                let value = format!("{device} at {at}");
                devices[device].mark(*mark, &value);
                marked.insert(*mark, value);
            }
            Act::Round(device, place) | Act::Crash(device, place, _) => {
                let device = if at % 3 == 0 && devices.len() > 3 { 3 } else { *device };
                let places = places(seen_by[device]);
                let place = places[place % places.len()];
                if let Act::Crash(_, _, n) = act {
                    remotes[place].end_after(Some(*n));
                }
                let _ = devices[device].try_round(&remotes[place], &format!("r{place}"));
                if remotes[place].end_after(None) {
                    devices[device].reopen();
                }
            }
            Act::Copy(device) => {
                if devices.len() == 3 {
                    let copy = devices[*device].copy();
                    devices.push(copy);
                    seen_by.push(*device);
                }
            }
            Act::Lose(place, which) | Act::Cut(place, which) => {
                let files = remotes[*place].inner.files();
                let paths: Vec<&String> =
                    files.keys().filter(|path| path.as_str() != crate::name::FORMAT_PATH).collect();
                if let Some(path) = paths.get(which % paths.len().max(1)) {
                    match act {
                        Act::Cut(..) => remotes[*place].inner.plant(path, &files[*path][..files[*path].len() / 2]),
                        _ => drop(remotes[*place].inner.uproot(path)),
                    }
                }
            }
            Act::Remember(place) => remembered[*place] = remotes[*place].inner.files(),
            Act::RollBack(place) => {
                if !remembered[*place].is_empty() {
                    roll_back(&remotes[*place].inner, &remembered[*place]);
                }
            }
            Act::Pass(minutes) => {
                for device in &devices {
                    device.advance(Duration::from_secs(60 * minutes));
                }
            }
        }
    }
    // It is over: everyone exchanges with every place that it sees, some days long.
    let pass = |devices: &mut Vec<Device>| {
        for (at, device) in devices.iter_mut().enumerate() {
            for place in places(seen_by[at]) {
                device.try_round(&remotes[*place], &format!("r{place}")).unwrap();
            }
        }
    };
    for _ in 0..12 {
        pass(&mut devices);
        pass(&mut devices);
        for device in &devices {
            device.advance(25 * 60 * MINUTE);
        }
        let is_same = devices.windows(2).all(|two| two[0].marked() == two[1].marked());
        if is_same && devices.iter().all(|device| device.shown() == said) {
            break;
        }
    }
    for (at, device) in devices.iter().enumerate() {
        assert_eq!(device.marked(), devices[0].marked(), "device {at} of {}", devices.len());
        assert_eq!(device.shown(), said, "device {at} of {}", devices.len());
        assert_eq!(device.store.verify().unwrap(), []);
    }
    // Nobody can have seen what was said last, so that nothing took its place.
    for (mark, last) in &marked {
        let name = Name::new(&mark.to_string(), "mark", "");
        for device in &devices {
            let live = device.marked().into_iter().find(|(at, _)| *at == name).map(|(_, live)| live);
            assert!(live.is_some_and(|live| live.contains(&format!("{last:?}"))), "{mark}: {last}");
        }
    }
    // And it is quiet: after what the last day was due for, nothing is written. A file that is put again is fetched with the next
    // pass, what its readers say of it is carried on to another place with the one after, and so on to where all have it.
    for _ in 0..6 {
        pass(&mut devices);
    }
    for remote in &remotes {
        remote.take();
    }
    for _ in 0..2 {
        pass(&mut devices);
    }
    for remote in &remotes {
        let calls = remote.take();
        assert_eq!((calls.puts, calls.deletes), (0, 0), "{calls:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, max_shrink_iters: 0, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_all_devices_show_the_same_when_it_is_over(
        acts in proptest::collection::vec(act(), 5..60)
    ) {
        run(&acts);
    }
}

#[test]
fn a_copy_that_speaks_first_after_its_original_signed_is_heard() {
    use Act::*;
    run(&[
        RollBack(0),
        Pass(106),
        Cut(1, 14695317738695191801),
        Round(1, 0),
        Round(0, 0),
        Round(0, 1),
        Crash(1, 0, 6),
        Round(1, 1),
        Say(1),
        Round(0, 1),
        Cut(1, 15845172327877213526),
        Say(1),
        Round(1, 0),
        Lose(1, 7882486909037903074),
        Pass(210),
        Remember(0),
        Remember(0),
        Round(2, 1),
        Copy(0),
        Round(0, 1),
        RollBack(0),
        RollBack(0),
        Round(2, 1),
        Pass(563),
        Pass(404),
        Round(1, 1),
        Say(1),
        Say(0),
        Pass(450),
        Round(2, 1),
        Crash(1, 1, 3),
        Lose(0, 4057703660188510666),
    ]);
}

#[test]
fn a_head_of_the_own_log_that_was_cut_short_is_put_again_after_the_log_was_renewed() {
    use Act::*;
    run(&[
        Cut(1, 8124826658626566318),
        Round(0, 0),
        Crash(0, 0, 7),
        Lose(0, 12949647513150176269),
        Round(0, 1),
        Pass(265),
        Round(1, 1),
        Pass(181),
        Round(2, 0),
        Remember(0),
        Cut(0, 15181271677288749617),
        Crash(2, 1, 11),
        Round(2, 0),
        Round(1, 1),
        Round(2, 1),
        Copy(0),
        Crash(1, 0, 5),
        Say(0),
        Crash(0, 1, 6),
        Crash(2, 1, 7),
        Round(2, 0),
        Say(2),
        Round(2, 0),
        Round(0, 0),
        Lose(0, 14954371805922827003),
        Round(1, 0),
        Say(2),
        Say(0),
        Cut(0, 6471416103185445419),
        Pass(571),
        Round(0, 0),
        Crash(1, 1, 4),
        Round(0, 1),
        Round(1, 1),
        Round(0, 0),
        Round(1, 1),
        Round(1, 1),
        Crash(2, 0, 0),
        Remember(1),
        Round(1, 0),
        Round(1, 0),
        Round(2, 0),
        Copy(1),
        Crash(2, 0, 3),
        Pass(192),
        Lose(1, 10176449424498021434),
        Say(2),
        Say(0),
        Round(2, 1),
        Crash(0, 1, 8),
        Round(2, 0),
        Pass(452),
        Say(2),
        Pass(455),
        Copy(2),
        Round(2, 1),
        Copy(0),
        Say(2),
        Say(0),
    ]);
}

#[test]
fn a_copy_whose_head_was_lost_is_heard_whatever_the_other_said_meanwhile() {
    use Act::*;
    run(&[
        Round(0, 0),
        Crash(0, 1, 11),
        Copy(0),
        Say(1),
        Crash(0, 0, 1),
        Round(1, 0),
        Round(2, 0),
        Mark(0, 1),
        Round(2, 0),
        Crash(2, 0, 8),
        Mark(2, 0),
        Lose(0, 13689080841324309148),
        Mark(2, 0),
        Round(0, 0),
        Mark(0, 1),
        Say(2),
        Round(0, 0),
        Say(0),
        Say(0),
        Say(0),
    ]);
}

#[test]
fn a_head_that_is_read_late_lies_on_the_way_whose_head_names_it() {
    use Act::*;
    run(&[
        Mark(2, 0),
        Crash(1, 1, 10),
        Copy(1),
        Say(0),
        Round(1, 1),
        Mark(2, 1),
        Round(1, 0),
        Round(0, 0),
        Say(0),
        Say(1),
        Say(2),
        Mark(0, 1),
        Round(0, 0),
        Say(1),
        Mark(0, 1),
        Say(1),
        Crash(1, 1, 5),
        Cut(0, 14650837758905719144),
        Say(0),
        Lose(1, 3237872394508050122),
        Say(0),
        Round(1, 1),
        Copy(2),
        Round(2, 1),
        Say(0),
        Remember(0),
        Pass(166),
        Round(0, 1),
        Copy(0),
        Pass(378),
        Say(0),
        Round(1, 1),
    ]);
}

#[test]
fn what_a_copy_said_first_takes_nothing_from_what_waits_at_its_original() {
    use Act::*;
    run(&[
        Remember(0),
        Round(1, 1),
        Say(2),
        Mark(1, 1),
        Pass(475),
        Round(0, 0),
        Mark(1, 0),
        Mark(0, 1),
        Remember(1),
        Mark(0, 1),
        Copy(2),
        Round(1, 1),
        Mark(1, 0),
        Remember(1),
        Round(1, 0),
        Mark(1, 0),
        Round(0, 1),
        Mark(1, 0),
        Say(1),
        Round(0, 1),
        Say(0),
        Say(0),
        Remember(0),
        Mark(2, 1),
        Round(0, 0),
        Mark(1, 0),
        Round(1, 1),
        Remember(1),
        Mark(2, 0),
    ]);
}

#[test]
fn a_head_goes_on_from_the_way_that_names_what_it_names_and_no_way_takes_in_what_contradicts_it() {
    use Act::*;
    run(&[
        RollBack(0),
        Mark(1, 1),
        Copy(2),
        Round(0, 0),
        Say(2),
        Round(1, 1),
        Crash(2, 1, 7),
        Say(1),
        RollBack(1),
        Say(1),
        Round(1, 1),
        Mark(1, 1),
        RollBack(1),
        Round(1, 1),
        Lose(0, 17646505812256340070),
        Cut(1, 3462270361107303742),
        Crash(2, 1, 9),
        Crash(1, 1, 9),
        Say(2),
        Cut(0, 9168547776233450441),
        Say(2),
        Crash(1, 1, 10),
        Round(1, 1),
        Pass(321),
        Remember(1),
        Copy(1),
        Round(1, 1),
        Say(1),
        Round(0, 0),
        Round(0, 0),
        Round(1, 1),
        RollBack(1),
        Crash(2, 1, 7),
        Say(1),
        Mark(0, 0),
        Crash(2, 1, 11),
        Cut(0, 14513843877475320823),
        Round(1, 0),
        RollBack(1),
        Round(0, 1),
    ]);
}
