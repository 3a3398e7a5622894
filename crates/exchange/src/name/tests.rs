use proptest::prelude::*;

use super::*;

const LOG: &str = "00112233445566778899aabbccddeeff";
const ID: &str = "ffeeddccbbaa99887766554433221100";

fn log() -> LogId {
    LOG.parse().unwrap()
}

fn segment() -> ObjectName {
    let id = ID.parse().unwrap();
    ObjectName::Segment { log: log(), stream: "sessions".parse().unwrap(), first: 1, last: 90, id }
}

#[track_caller]
fn check(folder: Folder, name: &str, expected: Entry) {
    assert_eq!(Entry::read(folder, name), expected, "{name}");
}

#[test]
fn paths_are_those_of_the_format() {
    let id = ID.parse().unwrap();
    let head = ObjectName::Head { log: log(), n: 1042, id };
    let list = ObjectName::List { log: log(), id };
    assert_eq!(head.path(), format!("carry/h/{LOG}-000000001042-{ID}.head"));
    assert_eq!(list.path(), format!("carry/l/{LOG}/{ID}.list"));
    assert_eq!(segment().path(), format!("carry/l/{LOG}/sessions-000000000001-000000000090-{ID}.seg"));
    assert_eq!(segment().replica_path(3), format!("carry/l/{LOG}/sessions-000000000001-000000000090-{ID}.r3.seg"));
    for name in [head, list, segment()] {
        assert_eq!(name.path().parse(), Ok(name.clone()));
        assert!(name.path().len() <= 120);
    }
}

#[test]
fn a_log_is_named_by_its_key() {
    assert_eq!(LogId::of_key(&[7; 32]).to_string(), "61bf55cbb3a0d522efeb4b3984ec7fc0");
    assert_ne!(LogId::of_key(&[7; 32]), LogId::of_key(&[8; 32]));
}

#[test]
fn what_begins_like_an_object_is_a_candidate() {
    let stem = format!("sessions-000000000001-000000000090-{ID}");
    let folder = Folder::Log(log());
    let found = |form| Entry::Object(segment(), form);
    check(folder, &format!("{stem}.seg"), found(Form::Itself));
    check(folder, &format!("{stem}.r1.seg"), found(Form::Replica(1)));
    check(folder, &format!("{stem}.r9.seg"), found(Form::Replica(9)));
    for rest in [
        ".sync-conflict-20260314-101500-ABCDEFG.seg",
        " (dana's conflicted copy 2026-03-14).seg",
        " (1).seg",
        "-laptop.seg",
        "_conflict.seg",
        "~.seg",
        ".r0.seg",
        ".r10.seg",
        ".seg.part",
        "",
        " é.seg",
    ] {
        check(folder, &format!("{stem}{rest}"), found(Form::Copy));
    }
}

#[test]
fn a_stream_may_look_like_numbers() {
    let name: ObjectName = format!("carry/l/{LOG}/a-000000000001-000000000002-000000000003-{ID}.seg").parse().unwrap();
    let ObjectName::Segment { stream, first, last, .. } = &name else { panic!("{name}") };
    assert_eq!((stream.as_str(), *first, *last), ("a-000000000001", 2, 3));
    assert_eq!(name.path().parse(), Ok(name));
}

#[test]
fn hostile_names_are_left_alone() {
    let folder = Folder::Log(log());
    let long = format!("{ID}.{}", "x".repeat(300));
    for name in [
        "",
        ".",
        "..",
        "con",
        "../../etc/passwd",
        ".hidden",
        &long,
        &format!("{ID}0.list"),
        &format!("{}.list", ID.to_uppercase()),
        &format!("{}.list", &ID[1..]),
        &format!("../{ID}.list"),
        &format!("{ID}/x.list"),
        &format!("{ID}:stream"),
        &format!("{ID}\\x"),
        &format!("{ID}\0.list"),
        &format!("sessions-000000000000-000000000090-{ID}.seg"),
        &format!("sessions-000000000091-000000000090-{ID}.seg"),
        &format!("sessions-00000000001-000000000090-{ID}.seg"),
        &format!("sessions-+00000000001-000000000090-{ID}.seg"),
        &format!("Sessions-000000000001-000000000090-{ID}.seg"),
        &format!("con-000000000001-000000000090-{ID}.seg"),
        &format!("-000000000001-000000000090-{ID}.seg"),
        &format!("é-000000000001-000000000090-{ID}.seg"),
        &format!("a-much-too-long-name-000000000001-000000000090-{ID}.seg"),
        &format!("ſessions-000000000001-000000000090-{ID}.seg"),
    ] {
        check(folder, name, Entry::Other);
    }
    check(Folder::Heads, &format!("{LOG}-000000000000-{ID}.head"), Entry::Other);
    check(Folder::Heads, &format!("{ID}.list"), Entry::Other);
    check(Folder::Root, &format!("{ID}.list"), Entry::Other);
    check(Folder::Root, "Format.json", Entry::Other);
    for path in [
        format!("carry/l/{ID}"),
        format!("carry/l/../{ID}.list"),
        format!("/carry/l/{LOG}/{ID}.list"),
        segment().replica_path(1),
    ] {
        assert!(path.parse::<ObjectName>().is_err(), "{path}");
    }
}

#[test]
fn temporaries_are_known_and_the_marker_is() {
    let temporary = Temporary { log: [0, 0x11, 0x22, 0x33], nonce: [1, 2, 3, 4] };
    assert_eq!(temporary.to_string(), "~00112233-01020304.tmp");
    check(Folder::Heads, "~00112233-01020304.tmp", Entry::Temporary(temporary));
    check(Folder::Heads, "~00112233-0102030.tmp", Entry::Other);
    check(Folder::Root, "format.json", Entry::Format);
}

#[test]
fn streams_are_short_lower_case_words() {
    for text in ["a", "sessions", "a-b-9-", "abcdefghijklmnop", "com", "com10"] {
        assert!(text.parse::<StreamName>().is_ok(), "{text}");
    }
    for text in ["", "-a", "9a", "A", "a_b", "a.b", "abcdefghijklmnopq", "con", "nul", "lpt1", "com0", "é"] {
        assert!(text.parse::<StreamName>().is_err(), "{text}");
    }
}

#[test]
fn only_the_constant_marker_is_ours() {
    assert_eq!(Format::read(FORMAT_BYTES), Format::Ours);
    assert_eq!(Format::read(b"{\"carry\":\"exchange\",\"format\":2}\n"), Format::Other(2));
    assert_eq!(Format::read(b"{\"carry\":\"exchange\",\"format\":0}"), Format::Other(0));
    for bytes in [&b""[..], b"{}", b"[]", &FORMAT_BYTES[..31], b"{\"carry\":\"exchange\",\"format\":1} \n"] {
        assert_eq!(Format::read(bytes), Format::Unknown);
    }
}

proptest! {
    #[test]
    fn no_name_panics_and_what_is_read_as_itself_has_that_path(name in "[a-c0-9~.-]{0,20}|\\PC{0,40}", tail in "\\PC{0,8}") {
        for folder in [Folder::Root, Folder::Heads, Folder::Log(log())] {
            for name in [name.clone(), format!("{ID}{tail}"), format!("{LOG}-000000000001-{ID}{tail}"), format!("{name}-000000000001-000000000002-{ID}{tail}")] {
                if let Entry::Object(object, Form::Itself) = Entry::read(folder, &name) {
                    prop_assert_eq!(object.path(), format!("{folder}/{name}"));
                }
            }
        }
    }
}
