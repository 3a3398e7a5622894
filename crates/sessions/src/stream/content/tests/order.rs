//! Records in any order, more than once, and with gaps, make the same archive.

use carry_exchange::ranges::Ranges;
use carry_exchange::strand::{Batch, Folded, Origin, Strand as _};
use carry_kernel::home::Home;
use proptest::prelude::*;

use super::super::{ContentStrand, STREAM};
use super::device::{Device, LIMITS, Recorder, dump};
use crate::archive::StoredMessage;
use crate::mask::pieces::fixture::{answer, output, prompt, redactor, run};

/// Records of three logs: a device's, that of a copy of its home, and another device's, with what sessions go through.
fn histories() -> Vec<(Origin, Folded)> {
    let mut a = Device::new("laptop-3f9a1c00");
    let mut one = vec![prompt(0, "plan"), run(1, "so", "make", &[]), answer(2, "ok")];
    a.put("one", &one);
    a.say();
    one[1].results = vec![output(1, 0, 0, "built"), output(1, 0, 1, "twice")];
    a.put("one", &one);
    a.put("long", &[prompt(0, &"words ".repeat(2000)), answer(1, "short")]);
    a.say();
    let mut copy = a.copy("elsewhere");
    // The clock goes back an hour.
    copy.now_ms -= 3_600_000;
    one.push(prompt(3, "the copy goes on"));
    copy.put("one", &one);
    copy.put("long", &[prompt(0, &"other ".repeat(2000)), answer(1, "short")]);
    copy.say();
    one[3] = prompt(3, "so does the first");
    one.push(answer(4, "yes"));
    a.put("one", &one);
    a.say();
    one.remove(0);
    a.put("one", &one);
    a.put("gone", &[prompt(0, "soon")]);
    a.say();
    let id = a.session("gone").id;
    let now = a.now();
    a.strand.archive_mut().delete_for_good(&id, "laptop", now).unwrap();
    a.now_ms -= 7_200_000;
    one.push(answer(9, "late"));
    one[1].message.is_abandoned = true;
    a.put("one", &one);
    a.say();
    copy.put("one", &[one.as_slice(), &[answer(12, "again")]].concat());
    copy.say();
    let mut other = Device::new("desk-11111111");
    let theirs: Vec<StoredMessage> = (0..30).map(|i| answer(i, &format!("did {i}"))).collect();
    other.put("theirs", &theirs);
    other.say();
    let mut all = Vec::new();
    for device in [&mut a, &mut copy, &mut other] {
        let log = device.store.log();
        let own = Recorder::of(&mut device.store).into_iter().filter(|(origin, ..)| origin.log == log);
        all.extend(own.map(|(origin, _, folded)| (origin, folded)));
    }
    all
}

struct Empty {
    strand: ContentStrand,
    _dir: tempfile::TempDir,
}

impl Empty {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let strand = ContentStrand::open(&Home::at(dir.path()), "shed-22222222", redactor(), LIMITS).unwrap();
        Self { strand, _dir: dir }
    }

    fn fold(&mut self, records: &[(Origin, Folded)]) {
        for one in records.chunk_by(|one, next| one.0 == next.0 && one.1.record.seq < next.1.record.seq) {
            let folded: Vec<Folded> = one.iter().map(|(_, folded)| folded.clone()).collect();
            let covers: Ranges = folded.iter().map(|folded| folded.record.seq..=folded.record.seq).collect();
            let batch = Batch {
                origin: &one[0].0,
                alias: "x",
                is_own: false,
                records: &folded,
                covers: &covers,
                branches: &[],
            };
            self.strand.fold(&batch).unwrap();
        }
    }

    fn check(&self, expected: &str) {
        let found = dump(&self.strand);
        let differences: Vec<(&str, &str)> = found.lines().zip(expected.lines()).filter(|(a, b)| a != b).collect();
        assert!(found == expected, "{differences:#?}");
        assert!(self.strand.archive().verify(&mut |_, _| {}).unwrap().is_empty());
    }
}

#[test]
fn any_order_makes_the_same_archive() {
    let all = histories();
    assert!(all.len() > 25, "{}", all.len());
    let mut expected = Empty::new();
    expected.fold(&all);
    let whole = dump(&expected.strand);
    assert!(whole.contains("theirs") && !whole.contains("\"gone\""));
    expected.check(&whole);
    let strategy = (any::<u64>(), 0..all.len());
    proptest!(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() }, |((seed, held_back) in strategy)| {
        let mut order: Vec<usize> = (0..all.len()).chain((0..all.len()).filter(|i| (seed >> (i % 60)) & 1 == 1)).collect();
        order.sort_by_key(|i| blake3::hash(&[&seed.to_le_bytes()[..], &i.to_le_bytes()].concat()).to_hex().to_string());
        // Some come only when all the others have been folded, and twice.
        let (late, early): (Vec<usize>, Vec<usize>) = order.into_iter().partition(|i| i % (held_back + 2) == 0);
        let records = |of: &[usize]| of.iter().map(|i| all[*i].clone()).collect::<Vec<_>>();
        let mut other = Empty::new();
        other.fold(&records(&early));
        other.fold(&records(&late));
        other.fold(&records(&late));
        other.check(&whole);
    });
}

#[test]
fn what_is_taken_back_and_comes_again_makes_the_same_archive() {
    let all = histories();
    let mut expected = Empty::new();
    expected.fold(&all);
    let whole = dump(&expected.strand);
    let stream: carry_exchange::name::StreamName = STREAM.parse().unwrap();
    for (at, (origin, folded)) in all.iter().enumerate().filter(|(at, _)| at % 3 == 0) {
        let mut other = Empty::new();
        other.fold(&all);
        other.strand.retract(origin, folded.record.seq - 1).unwrap();
        assert!(!other.strand.applied(origin).unwrap().contains(folded.record.seq));
        let mut again = Vec::new();
        for (origin, folded) in &all {
            if !other.strand.applied(origin).unwrap().contains(folded.record.seq) {
                again.push((origin.clone(), folded.clone()));
            }
        }
        assert!(again.len() < all.len(), "not more than needs to be is asked for again");
        if at % 2 == 0 {
            again.reverse();
        }
        other.fold(&again);
        other.check(&whole);
        assert_eq!(other.strand.origins().unwrap().iter().filter(|of| of.stream == stream).count(), 3);
    }
}

#[test]
fn a_session_rewritten_many_times_replaces_what_an_earlier_log_said() {
    let talk = |n: u32| (0..n).map(|i| prompt(i, &format!("do {i}"))).collect::<Vec<_>>();
    let mut a = Device::new("laptop-3f9a1c00");
    a.put("one", &talk(100));
    a.say();
    // Elsewhere, the same device goes on in another log.
    let mut b = a.copy("elsewhere");
    assert_ne!(a.store.log(), b.store.log());
    for n in (2..=75).rev() {
        b.put("one", &talk(n));
        b.say();
    }
    let now = b.now();
    while !b.store.compact(&[&b.strand], now).unwrap().is_empty() {}
    b.publish();
    let mut c = Device::new("desk-11111111");
    c.trust(&a);
    c.trust(&b);
    c.fetch(&a);
    c.pull(&b);
    assert_eq!(c.messages("one"), talk(2));
    c.check();
}
