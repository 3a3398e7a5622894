use super::*;
use crate::chain::chain_start;
use crate::fixture::{attachment, bare_head, log, public, segment, sign, state, stream};
use crate::list::List;

/// A head with everything in it, and its list.
pub(crate) fn full() -> (Head, List) {
    let base = chain_start(log(1), &stream("sessions"));
    let (a, b) = (segment("sessions", 1, 4, base, 200), segment("sessions", 5, 9, base, 200));
    let memory = segment("memory", 1, 2, base, 200);
    let holds: Holds = [(log(3), [(stream("memory"), 7)].into())].into();
    let list = List {
        log: log(1),
        streams: [(stream("sessions"), vec![a.reference])].into(),
        holds: [(log(2), [(stream("sessions"), 12), (stream("code"), 1)].into())].into(),
    };
    let mut head = bare_head();
    head.n = 1042;
    head.prev = Some(Digest::of(&[b"before"]));
    let at = [(stream("sessions"), (88, Digest::of(&[b"chain"])))].into();
    head.from = Some(Vouch::new(public(2), at, &public(1), &sign(2)));
    head.epoch = 3;
    head.roster = Some(Digest::of(&[b"roster"]));
    head.list = Some(list.write().unwrap().reference);
    head.streams = [(stream("sessions"), state(&[&b])), (stream("memory"), state(&[&memory]))].into();
    head.streams.get_mut(&stream("memory")).unwrap().relay = Relay::Sealed;
    head.holds = holds;
    head.wants = vec![Want::Object(a.name.clone()), Want::Attachment(log(2), attachment("0a1b2c"))];
    head.serves = vec![Served { log: log(4), stream: stream("code"), reference: memory.reference }];
    (head, list)
}

fn signed() -> SignedHead {
    full().0.sign(&sign(1)).unwrap()
}

/// Reads a first line, whoever signed it.
fn read_line(line: &str, signer: u8) -> Result<SignedHead, HeadError> {
    let signature = crate::hash::encode64(&sign(signer)(format!("carry head 1\n{line}").as_bytes()));
    let bytes = format!("{line}\n{signature}\n").into_bytes();
    SignedHead::read(&ObjectName::head(log(1), 1042, Digest::of(&[&bytes])), &bytes)
}

fn line() -> String {
    let head = signed();
    String::from_utf8(head.bytes().to_vec()).unwrap().lines().next().unwrap().to_owned()
}

#[track_caller]
fn with(from: &str, to: &str) -> Result<SignedHead, HeadError> {
    let line = line();
    assert!(line.contains(from), "{from} is in {line}");
    read_line(&line.replacen(from, to, 1), 1)
}

#[test]
fn what_was_signed_is_read() {
    let head = signed();
    assert_eq!(head.head(), &full().0);
    let again = SignedHead::read(&head.name(), head.bytes()).unwrap();
    assert_eq!(again, head);
    assert_eq!(head.bytes(), signed().bytes(), "equal heads have equal bytes");
    assert_eq!(bare_head().sign(&sign(1)).unwrap().head(), &bare_head());
}

#[test]
fn every_single_bit_is_covered() {
    let head = signed();
    let name = head.name();
    for at in 0..head.bytes().len() {
        for bit in 0..8 {
            let mut changed = head.bytes().to_vec();
            changed[at] ^= 1 << bit;
            let error = SignedHead::read(&name, &changed).unwrap_err();
            assert!(matches!(error, HeadError::Id(_)) && error.is_damage());
        }
    }
}

#[test]
fn every_single_bit_is_signed_for_where_the_name_would_fit() {
    let head = signed();
    for at in 0..head.bytes().len() {
        for bit in 0..8 {
            let mut changed = head.bytes().to_vec();
            changed[at] ^= 1 << bit;
            let name = ObjectName::head(log(1), 1042, Digest::of(&[&changed]));
            assert!(SignedHead::read(&name, &changed).is_err(), "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn nothing_may_stand_around_the_two_lines() {
    let head = signed();
    for bytes in [
        [head.bytes(), b"\n"].concat(),
        [head.bytes(), b"x\n"].concat(),
        [b"\n", head.bytes()].concat(),
        [b" ", head.bytes()].concat(),
        head.bytes()[..head.bytes().len() - 1].to_vec(),
        head.bytes()[..head.bytes().len() / 2].to_vec(),
        Vec::new(),
        vec![b'\n'; 70_000],
    ] {
        let name = ObjectName::head(log(1), 1042, Digest::of(&[&bytes]));
        assert!(SignedHead::read(&name, &bytes).is_err());
    }
}

#[test]
fn only_the_key_speaks_for_its_log() {
    assert!(matches!(read_line(&line(), 2), Err(HeadError::Signature)));
    let other = crate::hash::encode64(&public(2));
    let ours = crate::hash::encode64(&public(1));
    assert!(matches!(with(&format!(r#""key":"{ours}""#), &format!(r#""key":"{other}""#)), Err(HeadError::Identity)));
    // Another's head, under a name that says it is ours.
    let mut foreign = bare_head();
    foreign.key = public(2);
    let foreign = foreign.sign(&sign(2)).unwrap();
    let name = ObjectName::head(log(1), 1, foreign.digest());
    assert!(matches!(SignedHead::read(&name, foreign.bytes()), Err(HeadError::Identity)));
    let name = ObjectName::head(log(2), 2, foreign.digest());
    assert!(matches!(SignedHead::read(&name, foreign.bytes()), Err(HeadError::Identity)));
    let name = ObjectName::list(log(2), foreign.digest());
    assert!(matches!(SignedHead::read(&name, foreign.bytes()), Err(HeadError::Id(_))));
}

#[test]
fn a_weak_key_signs_nothing() {
    // The neutral point: with a lenient check, one signature would hold for every message.
    let mut key = [0; 32];
    key[0] = 1;
    let mut signature = [0; 64];
    signature[0] = 1;
    let mut head = bare_head();
    head.key = key;
    assert!(matches!(head.sign(&|_| signature), Err(HeadError::Signature)));
}

#[test]
fn later_versions_are_known_by_what_they_need() {
    let (from, to) = (r#""v":1,"min":1"#, r#""v":7,"min":1,"new":[{"x":1}]"#);
    assert_eq!(with(from, to).unwrap().head(), &full().0, "members that are not known are ignored");
    let error = with(from, r#""v":7,"min":2"#).unwrap_err();
    assert!(matches!(error, HeadError::Newer { min: 2, n: 1042, .. }), "{error:?}");
    let relay = with(r#""relay":"any""#, r#""relay":"friends""#).unwrap();
    assert_eq!(relay.head().streams[&stream("sessions")].relay, Relay::Own);
    let wants = with(r#""wants":["#, r#""wants":["later/form","#).unwrap();
    assert_eq!(wants.head().wants, full().0.wants);
}

#[test]
fn what_does_not_hold_together_is_refused() {
    let shape = |from: &str, to: &str| {
        let error = with(from, to).unwrap_err();
        assert!(matches!(error, HeadError::Shape(_) | HeadError::Json(_)), "{from} → {to}: {error:?}");
    };
    shape(r#""epoch":3"#, r#""epoch":3,"epoch":3"#);
    shape(r#""epoch":3"#, r#""epoch":-3"#);
    shape(r#""epoch":3"#, r#""epoch":3.0"#);
    shape(r#""epoch":3,"#, "");
    shape(r#""device":"laptop-3f9a1c00""#, r#""device":"../laptop""#);
    shape(r#""last":9"#, r#""last":0"#);
    shape(r#""prev":"#, r#""prev":null,"was":"#);
    shape(r#""sessions":{"#, r#""Sessions":{"#);
    shape(r#""at":[1790000000000,3]"#, r#""at":[1790000000000,65536]"#);
    assert!(matches!(with(r#""last":9"#, r#""last":10"#), Err(HeadError::Tiling(_))));
    let mut head = full().0;
    head.from = Some(Vouch::new(public(2), BTreeMap::new(), &public(3), &sign(2)));
    assert!(matches!(head.sign(&sign(1)), Err(HeadError::Vouch)), "it vouched for another key");
    head.from = Some(Vouch::new(public(1), BTreeMap::new(), &public(1), &sign(1)));
    assert!(matches!(head.sign(&sign(1)), Err(HeadError::Vouch)), "a log does not vouch for itself");
}

#[test]
fn list_and_tail_tile_each_stream() {
    let (head, list) = full();
    let all = segments(&head, Some(&list)).unwrap();
    let ranges = |name| all[&stream(name)].iter().map(|s| (s.first, s.last)).collect::<Vec<_>>();
    assert_eq!(ranges("sessions"), [(1, 4), (5, 9)]);
    assert_eq!(ranges("memory"), [(1, 2)]);
    assert!(segments(&head, None).is_err(), "the older segments are missing");

    let mut other = list.clone();
    other.streams.get_mut(&stream("sessions")).unwrap()[0].last = 3;
    assert!(segments(&head, Some(&other)).is_err(), "a gap");
    other.streams.get_mut(&stream("sessions")).unwrap()[0].last = 5;
    assert!(segments(&head, Some(&other)).is_err(), "an overlap");
    other = list.clone();
    other.streams.insert(stream("code"), other.streams[&stream("sessions")].clone());
    assert!(segments(&head, Some(&other)).is_err(), "a stream that the head does not have");

    let mut all_in_list = head.clone();
    let sessions = all_in_list.streams.get_mut(&stream("sessions")).unwrap();
    sessions.tail.clear();
    sessions.last = 4;
    assert!(all_in_list.sign(&sign(1)).is_ok());
    assert!(segments(&all_in_list, Some(&list)).is_ok());
}

#[test]
fn a_tail_is_bounded_and_has_no_holes() {
    let mut head = bare_head();
    let one = |first: u64| SegmentRef { first, last: first, bytes: 1, digest: Digest::of(&[&first.to_le_bytes()]) };
    let mut put = |tail: Vec<SegmentRef>| {
        let last = tail.last().map_or(1, |segment| segment.last);
        let state = StreamState { last, chain: Digest::of(&[]), relay: Relay::Any, tail };
        head.streams = [(stream("sessions"), state)].into();
        head.sign(&sign(1))
    };
    assert!(put((1..=64).map(one).collect()).is_ok());
    assert!(put((1..=65).map(one).collect()).is_err());
    assert!(put(vec![one(1), one(3)]).is_err());
    assert!(put(vec![one(2)]).is_err());
    assert!(put(vec![]).is_err());
}

#[test]
fn a_device_says_itself_which_log_it_writes() {
    let device = carry_kernel::id::DeviceId::new("laptop", &public(7));
    let with = |author: Author, device: &carry_kernel::id::DeviceId| {
        Head { author: Some(author), device: device.clone(), ..full().0 }.sign(&sign(1))
    };
    let author = Author::new(public(7), " Küche\u{202e} ", &public(1), &sign(7));
    let head = with(author.clone(), &device).unwrap();
    assert_eq!(head.head().author, Some(author));
    assert_eq!(head.head().author.as_ref().unwrap().label.as_deref(), Some("Küche"));
    // For another log, by another key, or under the id of another device.
    for author in [
        Author::new(public(7), "Küche", &public(2), &sign(7)),
        Author::new(public(7), "Küche", &public(1), &sign(8)),
        Author::new(public(8), "Küche", &public(1), &sign(8)),
    ] {
        assert!(matches!(with(author, &device), Err(HeadError::Author)));
    }
}

#[test]
fn a_label_that_cannot_be_shown_is_none_and_refuses_no_head() {
    let device = carry_kernel::id::DeviceId::new("laptop", &public(7));
    let author = Author::new(public(7), "desk", &public(1), &sign(7));
    let head = Head { author: Some(author), device, ..full().0 }.sign(&sign(1)).unwrap();
    let line = String::from_utf8(head.bytes().to_vec()).unwrap().lines().next().unwrap().to_owned();
    let long = format!("\"{}\"", "x".repeat(LABEL_CHARS_MAX + 1));
    for label in ["\"a\\u202eb\"", "\"a\\u001bb\"", "\" a\"", "\"\"", "7", "null", &long] {
        let read = read_line(&line.replacen("\"desk\"", label, 1), 1).unwrap();
        assert_eq!(read.head().author.as_ref().unwrap().label, None, "{label}");
    }
    let read = read_line(&line.replacen("\"desk\"", "\"des\\u006b 電\"", 1), 1).unwrap();
    assert_eq!(read.head().author.as_ref().unwrap().label.as_deref(), Some("desk 電"));
}

#[test]
fn a_want_has_one_text() {
    for want in full().0.wants {
        assert_eq!(want.to_string().parse(), Ok(want.clone()));
        assert!(want.to_string().len() <= crate::limits::WANT_BYTES_MAX);
    }
    for text in ["", "a/", "a/x/y", "h/..", "carry/h/x", "../x"] {
        assert!(text.parse::<Want>().is_err(), "{text}");
    }
}

/// Head `n` of log 1 with streams that end at these records; records of `branch` differ after record 5.
fn going(n: u64, branch: u8, lasts: &[(&str, u64)]) -> SignedHead {
    let mut head = bare_head();
    head.n = n;
    head.prev = (n > 1).then(|| Digest::of(&[b"before"]));
    for (name, last) in lasts {
        let tail = vec![SegmentRef { first: 1, last: *last, bytes: 1, digest: Digest::of(&[name.as_bytes()]) }];
        let state = StreamState { last: *last, chain: chain_at(branch, *last), relay: Relay::Any, tail };
        head.streams.insert(stream(name), state);
    }
    head.sign(&sign(1)).unwrap()
}

fn chain_at(branch: u8, seq: u64) -> Digest {
    Digest::of(&[&[if seq > 5 { branch } else { 0 }], &seq.to_le_bytes()])
}

#[track_caller]
fn check_standing(known: &[(&str, u64)], other: (u64, u8, &[(&str, u64)]), expected: Standing) {
    let (n, branch, lasts) = other;
    let known = going(10, 1, known);
    // Of what is held here, the chain is known up to record 8.
    let mark = |_: &StreamName, seq: u64| (seq <= 8).then(|| chain_at(1, seq));
    assert_eq!(standing(&known, &going(n, branch, lasts), &mark), expected);
}

#[test]
fn a_later_head_is_followed_when_it_covers_all_that_is_known() {
    let newer = |unchecked: &[&str]| Standing::Newer { unchecked: unchecked.iter().map(|name| stream(name)).collect() };
    check_standing(&[("memory", 7)], (11, 1, &[("memory", 7)]), newer(&[]));
    check_standing(&[("memory", 7)], (30, 1, &[("memory", 8), ("code", 3)]), newer(&[]));
    check_standing(&[("memory", 7)], (11, 1, &[("memory", 9)]), newer(&["memory"]));
    check_standing(&[("memory", 7)], (10, 1, &[("memory", 7)]), Standing::Same);
}

#[test]
fn a_head_that_covers_less_is_never_followed() {
    check_standing(&[("memory", 7)], (11, 1, &[("memory", 6)]), Standing::Less(stream("memory")));
    check_standing(&[("memory", 7), ("code", 1)], (11, 1, &[("memory", 7)]), Standing::Less(stream("code")));
    check_standing(&[("memory", 7)], (9, 1, &[("memory", 6)]), Standing::Older);
    check_standing(&[("memory", 7)], (1, 2, &[("memory", 5)]), Standing::Older);
}

#[test]
fn what_cannot_be_compared_yet_is_not_decided() {
    check_standing(&[("memory", 12)], (9, 1, &[("memory", 9)]), Standing::Unclear);
    check_standing(&[("memory", 12)], (11, 2, &[("memory", 9)]), Standing::Unclear);
    check_standing(&[("memory", 12)], (9, 1, &[("memory", 8)]), Standing::Older);
}

#[test]
fn a_fork_is_named_whatever_the_numbers_say() {
    let fork = |at| Standing::Fork { stream: stream("memory"), at };
    check_standing(&[("memory", 7)], (11, 2, &[("memory", 7)]), fork(7));
    check_standing(&[("memory", 7)], (11, 2, &[("memory", 8)]), fork(8));
    check_standing(&[("memory", 7)], (9, 2, &[("memory", 6)]), fork(6));
    check_standing(&[("memory", 7)], (10, 2, &[("memory", 6)]), fork(6));
    check_standing(&[("memory", 7)], (10, 1, &[("memory", 7), ("code", 2)]), Standing::Twin);
    check_standing(&[("memory", 7)], (9, 1, &[("memory", 12)]), Standing::Twin);
    // More of one stream and less of another: neither goes on from the other.
    check_standing(&[("memory", 7), ("code", 1)], (11, 1, &[("memory", 8)]), Standing::Twin);
    check_standing(&[("code", 1)], (11, 1, &[("memory", 8)]), Standing::Twin);
}
