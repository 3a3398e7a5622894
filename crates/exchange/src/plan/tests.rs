use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::chain::chain_start;
use crate::fixture::{attachment, bare_head, log, public, record, sign, stream};
use crate::frame::Frame;
use crate::hash::Digest;
use crate::head::{Head, ListRef, Relay, Segments, Served, SignedHead, StreamState};
use crate::limits::LARGE_OBJECT_BYTES;
use crate::name::Form;
use crate::ranges::Ranges;
use crate::segment::{Expected, SegmentHeader, SegmentRef, SegmentWriter};
use crate::streams::{Streams, Weight};

const MB: u64 = 1 << 20;

fn reference(first: u64, last: u64, bytes: u64) -> SegmentRef {
    SegmentRef { first, last, bytes, digest: Digest::of(&[&first.to_le_bytes(), &last.to_le_bytes()]) }
}

/// The head of the log of `seed`, with these segments.
fn head(seed: u8, streams: &[(&str, &[SegmentRef])]) -> (Head, Segments) {
    let mut head = bare_head();
    head.key = public(seed);
    let mut segments = Segments::new();
    for (name, tail) in streams {
        let last = tail.last().unwrap().last;
        let state = StreamState { last, chain: Digest::of(&[]), relay: Relay::Any, tail: tail.to_vec() };
        head.streams.insert(stream(name), state);
        segments.insert(stream(name), tail.to_vec());
    }
    (head, segments)
}

/// Some streams, of each weight.
fn streams() -> Streams {
    let of = |names: &[&str], weight| names.iter().map(move |name| (stream(name), weight)).collect::<Vec<_>>();
    let all = [
        of(&["curation", "control"], Weight::Small),
        of(&["memory", "sessions"], Weight::Usual),
        of(&["code"], Weight::Large),
    ];
    all.concat().into_iter().collect()
}

fn nothing() -> Known {
    Known { streams: streams(), ..Known::default() }
}

fn held(ranges: &[(u8, &str, u64, u64)]) -> Known {
    let mut known = nothing();
    for (seed, name, first, last) in ranges {
        known.held.entry((log(*seed), stream(name))).or_default().insert(*first, *last);
    }
    known
}

fn describe(plan: &PullPlan) -> String {
    let fetches = plan.fetches.iter().map(|fetch| {
        let who = if fetch.log == log(1) { "1" } else { "2" };
        let how = match &fetch.how {
            How::Whole => String::new(),
            How::Header => " header".to_owned(),
            How::Parts(parts) => parts.iter().map(|part| format!(" {:?}", part.blocks)).collect(),
        };
        format!("{who}/{} {}-{}{how}", fetch.stream, fetch.reference.first, fetch.reference.last)
    });
    let left = (plan.n_left > 0).then(|| format!("{} left", plan.n_left));
    fetches.chain(left).collect::<Vec<_>>().join(", ")
}

#[track_caller]
fn check(heads: &[&(Head, Segments)], known: &Known, budget: &Budget, expected: &str) {
    let sources: Vec<_> = heads.iter().map(|(head, segments)| Source { head, segments }).collect();
    let plan = plan_pull(&sources, known, budget);
    assert_eq!(describe(&plan), expected);
    let mut turned = sources.clone();
    turned.reverse();
    assert_eq!(plan_pull(&turned, known, budget), plan, "the order of heads is no matter");
}

#[test]
fn what_is_held_is_not_fetched() {
    let one = head(1, &[("sessions", &[reference(1, 10, MB), reference(11, 20, MB), reference(21, 30, MB)])]);
    check(&[&one], &held(&[(1, "sessions", 1, 30)]), &Budget::default(), "");
    check(&[&one], &held(&[(1, "sessions", 11, 20)]), &Budget::default(), "1/sessions 21-30, 1/sessions 1-10");
    check(
        &[&one],
        &held(&[(2, "sessions", 1, 30), (1, "memory", 1, 30)]),
        &Budget::default(),
        "1/sessions 21-30, 1/sessions 11-20, 1/sessions 1-10",
    );
    check(&[], &nothing(), &Budget::default(), "");
}

#[test]
fn what_matters_comes_first_and_the_newest_of_each_log() {
    let tail = [reference(1, 10, MB), reference(11, 20, MB)];
    let one = head(1, &[("code", &tail), ("sessions", &tail), ("zebra", &tail[..1]), ("curation", &tail[..1])]);
    let two = head(2, &[("sessions", &tail), ("control", &tail[..1])]);
    let (a, b) = if log(1) < log(2) { ("1", "2") } else { ("2", "1") };
    let expected = format!(
        "1/curation 1-10, 2/control 1-10, {a}/sessions 11-20, {b}/sessions 11-20, {a}/sessions 1-10, {b}/sessions 1-10, 1/code 11-20, 1/code 1-10, 1/zebra 1-10"
    );
    check(&[&one, &two], &nothing(), &Budget::default(), &expected);
}

#[test]
fn a_round_is_bounded_and_a_large_segment_still_comes() {
    let one = head(1, &[("sessions", &[reference(1, 10, MB), reference(11, 20, 300 * MB), reference(21, 30, MB)])]);
    check(&[&one], &nothing(), &Budget::default(), "1/sessions 21-30, 2 left");
    let known = held(&[(1, "sessions", 21, 30)]);
    check(&[&one], &known, &Budget::default(), "1/sessions 11-20, 1 left");
    let few = Budget { objects: 1, ..Budget::default() };
    check(&[&one], &nothing(), &few, "1/sessions 21-30, 2 left");
}

#[test]
fn what_failed_is_said_and_not_asked_again() {
    let one = head(1, &[("sessions", &[reference(1, 10, MB), reference(11, 20, MB)])]);
    let mut known = held(&[(1, "sessions", 1, 3)]);
    known.failed.insert(reference(1, 10, MB).digest);
    let plan = plan_pull(&[Source { head: &one.0, segments: &one.1 }], &known, &Budget::default());
    assert_eq!(describe(&plan), "1/sessions 11-20");
    assert_eq!(plan.without, BTreeMap::from([((log(1), stream("sessions")), Ranges::of(4, 10))]));
}

/// A segment of 40 records in blocks that hardly compress, and an attachment, of log 1.
fn large() -> (SegmentRef, SegmentHeader) {
    let base = chain_start(log(1), &stream("sessions"));
    let mut writer = SegmentWriter::new(log(1), stream("sessions"), 1, base, Vec::new()).with_block_bytes(100_000);
    for seq in 1..=40u64 {
        let mut record = record(seq);
        record.payload =
            (0..3200u64).flat_map(|n| *Digest::of(&[&seq.to_le_bytes(), &n.to_le_bytes()]).as_bytes()).collect();
        writer.push(&Frame::Record(record)).unwrap();
    }
    writer.attach(vec![attachment("c1")], vec![], &mut &[7; 5000][..]).unwrap();
    let segment = writer.finish().unwrap();
    let expected = Expected { log: log(1), stream: stream("sessions"), reference: segment.reference };
    (segment.reference, SegmentHeader::read(&segment.head, &expected).unwrap())
}

#[test]
fn a_merged_segment_is_not_fetched_by_those_who_have_its_records() {
    let (reference, header) = large();
    assert_eq!(header.blocks.len(), 41);
    let one = head(1, &[("sessions", &[reference])]);
    let ranges = Budget { has_ranges: true, ..Budget::default() };
    check(&[&one], &held(&[(1, "sessions", 1, 40)]), &ranges, "");
    check(&[&one], &nothing(), &ranges, "1/sessions 1-40");
    let mut known = held(&[(1, "sessions", 1, 30), (1, "sessions", 34, 35), (1, "sessions", 37, 40)]);
    check(&[&one], &known, &ranges, "1/sessions 1-40 header");
    check(&[&one], &known, &Budget::default(), "1/sessions 1-40");
    known.headers.insert(reference.digest, header.clone());
    // 31 to 33 and 36 lie two blocks apart, which is more than a request costs.
    check(&[&one], &known, &ranges, "1/sessions 1-40 30..33 35..36");
    check(&[&one], &known, &Budget::default(), "1/sessions 1-40");
    // One block apart is cheaper in one request.
    known.held.insert((log(1), stream("sessions")), [1..=30, 32..=32, 34..=40].into_iter().collect());
    check(&[&one], &known, &ranges, "1/sessions 1-40 30..33");
    // Every second block: all in one request.
    known.held.insert((log(1), stream("sessions")), (1..=40).filter(|n| n % 2 == 0).map(|n| n..=n).collect());
    check(&[&one], &known, &ranges, "1/sessions 1-40 0..39");
    // Records are there, but one waits for the attachment.
    known.held.insert((log(1), stream("sessions")), Ranges::of(1, 40));
    known.wanted.insert(log(1), BTreeSet::from([attachment("c1")]));
    check(&[&one], &known, &ranges, "1/sessions 1-40 40..41");
    known.wanted.insert(log(1), BTreeSet::from([attachment("c2")]));
    check(&[&one], &known, &ranges, "");
}

#[test]
fn parts_lie_where_the_header_says() {
    let (_, header) = large();
    let parts = plan_blocks(&header, &[2..=3, 40..=40].into_iter().collect(), &BTreeSet::new());
    let places: Vec<_> = parts.iter().map(|part| (part.blocks.clone(), part.place.clone())).collect();
    let place = |block| header.place(block).unwrap();
    assert_eq!(places, [(1..3, place(1).start..place(2).end), (39..40, place(39))]);
}

/// A head of log 1 with streams that may be passed on differently, signed, and what it names.
fn signed() -> (SignedHead, Segments) {
    let (mut head, segments) = head(
        1,
        &[
            ("sessions", &[reference(1, 10, MB), reference(11, 20, LARGE_OBJECT_BYTES + 1), reference(21, 30, MB)]),
            ("memory", &[reference(1, 5, MB)]),
            ("control", &[reference(1, 2, MB)]),
        ],
    );
    head.streams.get_mut(&stream("memory")).unwrap().relay = Relay::Sealed;
    head.streams.get_mut(&stream("control")).unwrap().relay = Relay::Own;
    head.list = Some(ListRef { digest: Digest::of(&[b"list"]), bytes: 100 });
    head.serves = vec![Served { log: log(4), stream: stream("code"), reference: reference(1, 9, MB) }];
    (head.sign(&sign(1)).unwrap(), segments)
}

fn puts(puts: &[Put]) -> String {
    let short = |put: &Put| {
        let name = match &put.object.name {
            crate::name::ObjectName::Head { n, .. } => format!("head {n}"),
            crate::name::ObjectName::List { .. } => "list".to_owned(),
            crate::name::ObjectName::Segment { stream, first, .. } => format!("{stream} {first}"),
        };
        put.replica.map_or(name.clone(), |n| format!("{name} as r{n}"))
    };
    puts.iter().map(short).collect::<Vec<_>>().join(", ")
}

fn describe_push(plan: &PushPlan) -> String {
    let head = plan.head.clone().into_iter().collect::<Vec<_>>();
    format!("{} | {} | {}", puts(&plan.before), puts(&head), puts(&plan.after))
}

#[test]
fn all_a_head_rests_on_goes_before_it_and_large_objects_after() {
    let (head, segments) = signed();
    let pushed =
        |whose| describe_push(&plan_push(&Closure::of(&head, &segments, whose, &streams()), &Shown::new(), 0, whose));
    let expected = "list, control 1, memory 1, sessions 21, sessions 1, code 1 | head 1 | sessions 11";
    assert_eq!(pushed(Whose::Author), expected);
    assert_eq!(pushed(Whose::RelaySealed), "list, memory 1, sessions 21, sessions 1, code 1 | head 1 | sessions 11");
    assert_eq!(pushed(Whose::RelayPlain), "list, sessions 21, sessions 1 | head 1 | sessions 11");
}

#[test]
fn only_what_is_missing_or_damaged_is_put() {
    let (head, segments) = signed();
    let closure = Closure::of(&head, &segments, Whose::Author, &streams());
    let all = closure.objects.iter().chain([&closure.head]);
    let copy = |form, bytes, is_damaged| Copy { form, bytes, is_damaged };
    let mut shown: Shown = all.map(|o| (o.name.clone(), vec![copy(Form::Itself, o.bytes, false)])).collect();
    let pushed = |shown: &Shown| plan_push(&closure, shown, 1, Whose::Author);
    assert_eq!(pushed(&shown), PushPlan::default(), "nothing new, nothing to put");
    let memory = closure.objects.iter().find(|o| o.name.path().contains("memory")).unwrap().clone();
    let mut with = |copies: &[Copy]| {
        shown.insert(memory.name.clone(), copies.to_vec());
        pushed(&shown)
    };
    assert_eq!(describe_push(&with(&[])), "memory 1 |  | ");
    let short = copy(Form::Itself, 5, false);
    assert_eq!(describe_push(&with(&[short])), "memory 1 as r1 |  | ");
    assert_eq!(describe_push(&with(&[short, copy(Form::Replica(1), MB, true)])), "memory 1 as r2 |  | ");
    assert_eq!(with(&[short, copy(Form::Replica(4), MB, false)]), PushPlan::default());
    assert_eq!(with(&[short, copy(Form::Copy, MB, false)]), PushPlan::default());
    assert_eq!(describe_push(&with(&[copy(Form::Copy, 7, false)])), "memory 1 |  | ");
    let full: Vec<_> = [short].into_iter().chain((1..=9).map(|n| copy(Form::Replica(n), MB, true))).collect();
    assert_eq!(with(&full).blocked, [Blocked { name: memory.name, is_large: false }]);
}

#[test]
fn a_relay_puts_nothing_where_a_newer_head_is() {
    let (head, segments) = signed();
    for (whose, expected) in [(Whose::RelayPlain, true), (Whose::RelaySealed, true), (Whose::Author, false)] {
        let closure = Closure::of(&head, &segments, whose, &streams());
        assert_eq!(plan_push(&closure, &Shown::new(), 2, whose) == PushPlan::default(), expected);
        assert_ne!(
            plan_push(&closure, &Shown::new(), 1, whose),
            PushPlan::default(),
            "what is missing there is healed"
        );
    }
}
