use super::*;

fn source(name: &str) -> Source {
    match name {
        "p" => Source::Pulsar("Old Box=1--0a1b2c3d".to_owned()),
        host => Source::line(&format!("{host}-89abcdef").parse().unwrap(), &"0123456789ab".parse().unwrap()),
    }
}

fn seen(counts: &[(&str, u64)]) -> Seen {
    counts.iter().map(|(name, count)| (source(name), *count)).collect()
}

#[track_caller]
fn check(ours: &[(&str, u64)], theirs: &[(&str, u64)], expected: Relation) {
    assert_eq!(seen(ours).compare(&seen(theirs)), expected, "{ours:?} {theirs:?}");
}

#[test]
fn only_counts_say_what_is_newer() {
    check(&[], &[], Relation::Same);
    check(&[("a", 1)], &[], Relation::Newer);
    check(&[("a", 1)], &[("a", 2)], Relation::Older);
    check(&[("a", 1), ("b", 1)], &[("a", 1)], Relation::Newer);
    check(&[("a", 2), ("b", 1)], &[("a", 1), ("b", 2)], Relation::Diverged);
    check(&[("a", 2)], &[("b", 2)], Relation::Diverged);
    check(&[("p", 2)], &[("p", 2)], Relation::Same);
}

#[test]
fn a_union_has_seen_both() {
    let (a, b) = (seen(&[("a", 2), ("b", 1)]), seen(&[("b", 3), ("p", 1)]));
    let both = a.union(&b);
    assert!(both.has_seen(&a) && both.has_seen(&b));
    assert_eq!(both, seen(&[("a", 2), ("b", 3), ("p", 1)]));
}

#[test]
fn both_have_seen_what_they_meet_in() {
    let (a, b) = (seen(&[("a", 2), ("b", 1)]), seen(&[("b", 3), ("p", 1)]));
    assert_eq!(a.meet(&b), seen(&[("b", 1)]));
    assert_eq!(b.meet(&a), a.meet(&b));
    assert!(a.meet(&seen(&[])).is_empty());
}

#[test]
fn sources_survive_being_written() {
    for name in ["a", "p"] {
        let text = source(name).to_string();
        assert!(!text.contains([' ', '=']), "{text}");
        assert_eq!(Source::parse(&text), Some(source(name)), "{text}");
    }
    for wrong in ["", "pulsar/", "laptop-89abcdef", "laptop-89abcdef/x", "x/0123456789ab"] {
        assert_eq!(Source::parse(wrong), None, "{wrong}");
    }
}
