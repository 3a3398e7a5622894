use proptest::collection::vec;
use proptest::prelude::*;

use carry_kernel::clock::Timestamp;

use super::*;
use crate::source::Checkpoint;

const FILES: Reader<'_> = Reader { name: "files", version: 2, is_container: false };
const BASES: Reader<'_> = Reader { name: "bases", version: 1, is_container: true };
const READERS: [Reader<'_>; 2] = [FILES, BASES];

fn stamp(inode: u64, size: u64, time: i64) -> Stamp {
    Stamp { size, mtime_ns: time, ctime_ns: time, inode, device: 1, beside: 0 }
}

fn found(path: &str, stamp: Stamp) -> (usize, Unit) {
    (0, Unit { path: path.into(), stamp })
}

fn row(id: i64, path: &str, stamp: Stamp) -> UnitRow {
    UnitRow {
        id,
        source: FILES.name.to_owned(),
        path: path.into(),
        stamp,
        version: FILES.version,
        checkpoint: Checkpoint { offset: stamp.size, state: vec![1], probes: vec![2] },
        is_complete: true,
        is_unfinished: false,
        malformed: 0,
        odd: Vec::new(),
        skipped: None,
        error: None,
        missing: None,
    }
}

fn planned(found: &[(usize, Unit)], known: &[UnitRow]) -> Plan {
    plan(found, known, &READERS, &|_| true)
}

/// What is done with one known unit that is found like this: `=` nothing, `+` what was appended, `*` all of it.
fn one(row: UnitRow, now: Stamp) -> char {
    let source = READERS.iter().position(|reader| reader.name == row.source).unwrap();
    let plan = planned(&[(source, Unit { path: row.path.clone(), stamp: now })], &[row]);
    assert!(plan.missing.is_empty() && plan.moved.is_empty());
    match plan.read.first().map(|reading| &reading.mode) {
        None => '=',
        Some(Mode::From(checkpoint)) => {
            assert_eq!(checkpoint.state, [1]);
            '+'
        }
        Some(Mode::Whole) => '*',
    }
}

#[test]
fn a_unit_without_a_place_to_go_on_from_is_read_whole() {
    let then = stamp(7, 100, 5);
    let read_whole = || UnitRow { checkpoint: Checkpoint::default(), ..row(1, "a", then) };
    assert_eq!(one(read_whole(), Stamp { size: 150, mtime_ns: 6, ctime_ns: 6, ..then }), '*');
    assert_eq!(one(read_whole(), Stamp { beside: 9, ..then }), '*');
    assert_eq!(one(read_whole(), then), '=');
}

#[test]
fn a_file_is_read_as_its_stamp_says() {
    let then = stamp(7, 100, 5);
    for (now, expected) in [
        (then, '='),
        (Stamp { size: 150, mtime_ns: 6, ctime_ns: 6, ..then }, '+'),
        (Stamp { size: 150, ..then }, '+'),
        (Stamp { size: 50, mtime_ns: 6, ctime_ns: 6, ..then }, '*'),
        (Stamp { mtime_ns: 6, ctime_ns: 6, ..then }, '*'),
        (Stamp { ctime_ns: 6, ..then }, '*'),
        (Stamp { size: 150, inode: 8, ..then }, '*'),
        (Stamp { inode: 8, ..then }, '*'),
        (Stamp { size: 150, device: 2, ..then }, '*'),
        // The number of the device is another after a boot.
        (Stamp { device: 2, ..then }, '='),
        (Stamp { beside: 9, ..then }, '+'),
    ] {
        assert_eq!(one(row(1, "/a", then), now), expected, "{now:?}");
    }
}

#[test]
fn a_container_knows_itself_what_changed() {
    let then = stamp(7, 100, 5);
    let base = || UnitRow { source: BASES.name.to_owned(), version: 1, ..row(1, "/db", then) };
    assert_eq!(one(base(), then), '=');
    for now in [Stamp { beside: 1, ..then }, Stamp { mtime_ns: 6, ..then }, Stamp { size: 5, inode: 9, ..then }] {
        assert_eq!(one(base(), now), '+', "{now:?}");
    }
    assert_eq!(one(UnitRow { version: 0, ..base() }, then), '*');
    assert_eq!(one(UnitRow { is_complete: false, ..base() }, then), '*');
}

#[test]
fn what_was_read_badly_is_read_again() {
    let then = stamp(7, 100, 5);
    let grown = Stamp { size: 150, ..then };
    for (row, now, expected) in [
        (UnitRow { version: 1, ..row(1, "/a", then) }, then, '*'),
        // A newer program read it; its state means nothing to this one.
        (UnitRow { version: 3, ..row(1, "/a", then) }, then, '='),
        (UnitRow { version: 3, ..row(1, "/a", then) }, grown, '*'),
        (UnitRow { is_complete: false, ..row(1, "/a", then) }, then, '*'),
        (UnitRow { error: Some("no".to_owned()), ..row(1, "/a", then) }, then, '+'),
        (UnitRow { missing: Some(Timestamp::from_secs(1)), ..row(1, "/a", then) }, then, '+'),
        (UnitRow { is_unfinished: true, ..row(1, "/a", then) }, then, '='),
        (UnitRow { skipped: Some("no session".to_owned()), ..row(1, "/a", then) }, then, '='),
    ] {
        assert_eq!(one(row.clone(), now), expected, "{row:?}");
    }
}

#[test]
fn a_new_unit_is_read_whole_and_oldest_first() {
    let found = [found("/b", stamp(2, 1, 30)), found("/a", stamp(1, 1, 20)), found("/c", stamp(3, 1, 10))];
    let plan = planned(&found, &[]);
    let paths: Vec<&Path> = plan.read.iter().map(|reading| reading.unit.path.as_path()).collect();
    assert_eq!(paths, [Path::new("/c"), Path::new("/a"), Path::new("/b")]);
    assert!(plan.read.iter().all(|reading| reading.mode == Mode::Whole));
}

#[test]
fn a_file_that_is_gone_is_missing_where_that_was_looked_at() {
    let known = [row(1, "/seen/a", stamp(1, 1, 1)), row(2, "/unseen/b", stamp(2, 1, 1))];
    let plan = plan(&[], &known, &READERS, &|row| row.path.starts_with("/seen"));
    assert_eq!(plan, Plan { missing: vec![1], ..Plan::default() });
    // It is said once.
    let gone = UnitRow { missing: Some(Timestamp::from_secs(1)), ..row(1, "/seen/a", stamp(1, 1, 1)) };
    assert_eq!(planned(&[], &[gone]), Plan::default());
}

#[test]
fn a_moved_file_takes_its_row_along() {
    let then = stamp(7, 100, 5);
    let now = Stamp { ctime_ns: 9, ..then };
    for now in [now, Stamp { size: 150, mtime_ns: 8, ..now }] {
        let plan = planned(&[found("/new", now)], &[row(1, "/old", then)]);
        assert_eq!(plan.moved, [(1, PathBuf::from("/new"))]);
        assert!(plan.missing.is_empty());
        let [reading] = &plan.read[..] else { panic!("{plan:?}") };
        assert!(matches!(&reading.mode, Mode::From(checkpoint) if checkpoint.offset == 100), "{plan:?}");
    }
}

#[test]
fn an_inode_that_was_given_away_again_is_a_new_file() {
    let then = stamp(7, 100, 5);
    for now in [stamp(7, 90, 9), stamp(7, 100, 9)] {
        let plan = planned(&[found("/new", now)], &[row(1, "/old", then)]);
        assert_eq!((plan.moved.len(), &plan.missing[..], plan.read.len()), (0, &[1][..], 1), "{now:?}");
        assert_eq!(plan.read[0].mode, Mode::Whole);
    }
}

#[test]
fn a_rotated_file_is_read_whole_under_its_name() {
    let known = [row(1, "/log", stamp(7, 100, 5))];
    let plan = planned(&[found("/log", stamp(8, 10, 9)), found("/log.1", stamp(7, 100, 5))], &known);
    assert!(plan.moved.is_empty() && plan.missing.is_empty());
    assert!(plan.read.len() == 2 && plan.read.iter().all(|reading| reading.mode == Mode::Whole));
}

#[test]
fn two_paths_to_one_file_are_one_unit() {
    let at = stamp(7, 100, 5);
    let both = [found("/link/a", at), found("/real/a", at)];
    let plan = planned(&both, &[]);
    assert_eq!((plan.read.len(), &plan.read[0].unit.path), (1, &PathBuf::from("/link/a")));
    // The path that is known stays.
    let plan = planned(&both, &[row(1, "/real/a", at)]);
    assert_eq!(plan, Plan { unchanged: 1, ..Plan::default() });
    // One that was known by both is not missing under either.
    let plan = planned(&both, &[row(1, "/real/a", at), row(2, "/link/a", at)]);
    assert_eq!(plan, Plan { unchanged: 1, ..Plan::default() });
}

/// The rows as they are once a plan was carried out.
fn carried_out(plan: &Plan, mut rows: Vec<UnitRow>) -> Vec<UnitRow> {
    for (id, path) in &plan.moved {
        rows.iter_mut().find(|row| row.id == *id).unwrap().path.clone_from(path);
    }
    for id in &plan.missing {
        rows.iter_mut().find(|row| row.id == *id).unwrap().missing = Some(Timestamp::from_secs(1));
    }
    for reading in &plan.read {
        let (unit, reader) = (&reading.unit, &READERS[reading.source]);
        let id = rows.iter().find(|row| row.path == unit.path).map(|row| row.id);
        let id = id.unwrap_or_else(|| rows.iter().map(|row| row.id).max().unwrap_or(0) + 1);
        rows.retain(|row| row.id != id);
        let read = row(id, unit.path.to_str().unwrap(), unit.stamp);
        rows.push(UnitRow { source: reader.name.to_owned(), version: reader.version, ..read });
    }
    rows
}

fn stamps() -> impl Strategy<Value = Stamp> {
    (0u64..6, 0u64..3, 0i64..3, 1u64..3, 0u64..2).prop_map(|(inode, size, time, device, beside)| Stamp {
        device,
        beside,
        ..stamp(inode, size, time)
    })
}

fn units() -> impl Strategy<Value = Vec<(usize, Unit)>> {
    vec((0usize..2, 0u8..6, stamps()), 0..8).prop_map(|units| {
        // The source decides about its own paths: none is listed by two.
        let unit = |(source, path, stamp)| (source, Unit { path: format!("/{source}/{path}").into(), stamp });
        units.into_iter().map(unit).collect()
    })
}

fn rows() -> impl Strategy<Value = Vec<UnitRow>> {
    vec((0usize..2, 0u8..6, stamps(), 0u32..4, any::<[bool; 3]>()), 0..8).prop_map(|rows| {
        let mut seen = HashSet::new();
        let mut made = Vec::new();
        for (at, (source, path, stamp, version, [is_complete, has_error, is_missing])) in rows.into_iter().enumerate() {
            let path = format!("/{source}/{path}");
            if seen.insert(path.clone()) {
                made.push(UnitRow {
                    source: READERS[source].name.to_owned(),
                    version,
                    is_complete,
                    error: has_error.then(|| "no".to_owned()),
                    missing: is_missing.then_some(Timestamp::from_secs(1)),
                    ..row(at as i64 + 1, &path, stamp)
                });
            }
        }
        made
    })
}

proptest! {
    #[test]
    fn every_file_is_read_or_unchanged_and_a_second_pass_does_nothing(found in units(), known in rows()) {
        let first = planned(&found, &known);
        let paths: HashSet<&Path> = found.iter().map(|(_, unit)| unit.path.as_path()).collect();
        let read: HashSet<&Path> = first.read.iter().map(|reading| reading.unit.path.as_path()).collect();
        prop_assert_eq!(read.len(), first.read.len());
        prop_assert!(read.is_subset(&paths) && first.read.len() + first.unchanged <= paths.len());
        for id in &first.missing {
            let row = known.iter().find(|row| row.id == *id).unwrap();
            prop_assert!(!paths.contains(row.path.as_path()) && row.missing.is_none());
        }
        let second = planned(&found, &carried_out(&first, known));
        prop_assert!(second.read.is_empty() && second.moved.is_empty() && second.missing.is_empty(), "{:?}", second);
        prop_assert_eq!(second.unchanged, first.read.len() + first.unchanged);
    }
}
