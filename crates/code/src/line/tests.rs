use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn named(name: &[u8]) -> Branch {
    Branch::Named(name.into())
}

fn device() -> DeviceId {
    "laptop-0123abcd".parse().unwrap()
}

fn tree() -> TreeId {
    "0123456789ab".parse().unwrap()
}

/// What a branch may be called, roughly, and worse: any bytes.
fn any_name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[a-zA-Z/._-]{1,12}".prop_map(String::into_bytes),
        "[a-zA-Z/@=%]{80,140}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 1..160),
    ]
}

#[test]
fn a_component_spells_out_what_file_systems_fold_or_git_refuses() {
    assert_eq!(named(b"main").component(), "main");
    assert_eq!(named(b"feature/Ein_x-1").component(), "feature%2f%45in_x-1");
    assert_eq!(named(b"v1.lock").component(), "v1%2elock");
    assert_eq!(named("größe".as_bytes()).component(), "gr%c3%b6%c3%9fe");
    assert_eq!(Branch::Detached.component(), "@");
    assert_eq!(named(b"@").component(), "%40");
}

#[test]
fn a_long_name_is_cut_between_encoded_bytes_and_hashed() {
    let whole = named(&[b'a'; BRANCH_BYTES_MAX]).component();
    assert_eq!(whole, "a".repeat(BRANCH_BYTES_MAX));
    let cut = named(&[b'a'; BRANCH_BYTES_MAX + 1]).component();
    assert_eq!((cut.len(), &cut[..88]), (BRANCH_BYTES_MAX, &*format!("{}=", "a".repeat(87))));
    let boundary = named(format!("{}{}", "a".repeat(86), "/".repeat(40)).as_bytes()).component();
    assert_eq!(&boundary[..87], format!("{}=", "a".repeat(86)));
    assert_eq!(named(b"").component().len(), 33);
}

#[test]
fn a_ref_that_no_branch_makes_is_no_line() {
    let good = LineName::new(&device(), &tree(), &named(b"a/b"));
    assert_eq!(good.ref_name(), "refs/carry/laptop-0123abcd/0123456789ab/a%2fb");
    assert_eq!(LineName::from_ref(&good.ref_name()), Some(good));
    for component in [
        "",
        "A",
        "a.b",
        "%2",
        "%2F",
        "%61",
        "%zz",
        "a/b",
        "@@",
        "a=b",
        "=",
        "é",
        &format!("a={}", "A".repeat(32)),
        &"a".repeat(121),
    ] {
        assert_eq!(
            LineName::from_ref(&format!("refs/carry/laptop-0123abcd/0123456789ab/{component}")),
            None,
            "{component}"
        );
    }
    assert_eq!(LineName::from_ref("refs/carry/laptop/0123456789ab/main"), None);
    assert_eq!(LineName::from_ref("refs/carry/laptop-0123abcd/main"), None);
    assert_eq!(LineName::from_ref("refs/carry-keep/laptop-0123abcd/0123456789ab/main"), None);
}

#[test]
fn a_branch_named_like_the_sign_for_none_is_still_a_branch() {
    for branch in [Branch::Detached, named(b"@"), named(b"(detached)"), named(b" x "), named(b"%40")] {
        assert_eq!(Branch::from_trailer(branch.to_trailer().as_str().into()), Some(branch));
    }
    assert_eq!(Branch::from_trailer("".into()), None);
    assert_eq!(Branch::from_trailer("a%4".into()), None);
    assert_eq!(Branch::from_trailer("a\nb".into()), None);
}

#[test]
fn a_hostile_name_cannot_write_to_the_terminal() {
    assert_eq!(named(b"a\x1b[2J\nb\xff").display(), "a\u{fffd}[2J\u{fffd}b\u{fffd}");
    assert_eq!(named("x\u{202e}y".as_bytes()).display(), "x\u{fffd}y");
    assert_eq!(Branch::Detached.display(), "(detached)");
}

#[test]
fn git_accepts_every_component() {
    let mut names: Vec<Vec<u8>> = (0..=255).map(|b| vec![b]).collect();
    names.extend([b"".to_vec(), b"x.lock".to_vec(), b"-x".to_vec(), b"..".to_vec(), b"@{".to_vec(), vec![b'/'; 300]]);
    for component in names.iter().map(|n| named(n).component()).chain([Branch::Detached.component()]) {
        let name = format!("refs/carry/d/t/{component}");
        let accepted = crate::git::command(&std::env::temp_dir()).args(["check-ref-format", &name]).status().unwrap();
        assert!(accepted.success(), "{name}");
    }
}

proptest! {
    #[test]
    fn distinct_names_never_share_a_component_even_where_case_is_folded(names in prop::collection::hash_set(any_name(), 1..20)) {
        let mut seen = BTreeMap::from([("@".to_owned(), None)]);
        for name in names {
            let component = named(&name).component();
            prop_assert_eq!(component.to_lowercase(), component.clone());
            prop_assert!(seen.insert(component, Some(name)).is_none());
        }
    }

    #[test]
    fn every_component_is_short_and_plain_and_read_back(name in any_name()) {
        let line = LineName::new(&device(), &tree(), &named(&name));
        prop_assert!((1..=BRANCH_BYTES_MAX).contains(&line.component.len()));
        prop_assert!(line.component.bytes().all(|b| stands_for_itself(b) || b == b'%' || b == b'='));
        prop_assert_eq!(LineName::from_ref(&line.ref_name()), Some(line));
    }

    #[test]
    fn a_trailer_keeps_any_name_on_one_printable_line(name in any_name()) {
        let branch = named(&name);
        let text = branch.to_trailer();
        prop_assert!(text.bytes().all(|b| matches!(b, b' '..=b'~')) && text.trim() == text);
        prop_assert_eq!(Branch::from_trailer(text.as_str().into()), Some(branch));
    }

    #[test]
    fn reading_any_text_as_a_ref_or_trailer_never_panics(text in ".{0,60}") {
        let _ = LineName::from_ref(&text);
        let _ = LineName::from_ref(&format!("refs/carry/laptop-0123abcd/0123456789ab/{text}"));
        let _ = Branch::from_trailer(text.as_str().into());
    }
}
