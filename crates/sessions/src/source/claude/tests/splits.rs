//! Going on from a checkpoint gives the same as reading a whole file.

use super::parity::fixture;
use super::*;
use proptest::prelude::*;

const NAMES: &[&str] = &["A", "A_subagent", "B", "C", "E", "E2", "F", "G", "H", "I"];

/// Copies the fixture's folder, so that neighbours are there, with the file cut into pieces that are read one by one.
fn in_pieces(name: &str, cuts: &[usize]) -> (Model, usize) {
    let original = fixture(name);
    let bytes = std::fs::read(&original).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for unit in units(&Claude, &places()) {
        if unit.path.parent() == original.parent() {
            put(&folder.path().join(unit.path.file_name().unwrap()), &std::fs::read(&unit.path).unwrap());
        }
    }
    let meta = original.with_extension("meta.json");
    if let Ok(meta_bytes) = std::fs::read(&meta) {
        put(&folder.path().join(meta.file_name().unwrap()), &meta_bytes);
    }
    let path = put(&folder.path().join(original.file_name().unwrap()), b"");
    let mut model = Model::default();
    let mut mode = Mode::Whole;
    let (mut from, mut wholes) = (0, 0);
    for &to in cuts.iter().chain([&bytes.len()]) {
        append(&path, &bytes[from..to]);
        from = to;
        let (end, is_whole) = model.read(&Claude, &unit(&path), mode).unwrap();
        assert!(end.checkpoint.state.len() < 4096);
        wholes += usize::from(is_whole);
        mode = Mode::From(end.checkpoint);
    }
    (model.comparable(), wholes)
}

fn lines_of(name: &str) -> Vec<usize> {
    let bytes = std::fs::read(fixture(name)).unwrap();
    memchr::memchr_iter(b'\n', &bytes).map(|at| at + 1).collect()
}

#[test]
fn a_split_at_any_line_changes_nothing() {
    for name in NAMES {
        let (whole, _) = in_pieces(name, &[]);
        for cut in lines_of(name) {
            assert_eq!(in_pieces(name, &[cut]).0, whole, "{name} cut at {cut}");
        }
        assert_eq!(in_pieces(name, &lines_of(name)).0, whole, "{name} line by line");
    }
}

#[test]
fn only_a_rewind_needs_the_whole_file_once_there_is_a_message() {
    for (name, rewinds) in [("A", 0), ("B", 0), ("C", 0), ("H", 0), ("I", 0), ("E2", 1), ("E", 1)] {
        let cuts = lines_of(name);
        // The first lines may come before there is a session.
        let cuts = if name == "A" { &cuts[2..] } else { &cuts[..] };
        assert_eq!(in_pieces(name, cuts).1, rewinds, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn splits_at_any_bytes_change_nothing(name in 0..NAMES.len(), cuts in proptest::collection::vec(0.0..1.0f64, 1..6)) {
        let name = NAMES[name];
        let length = std::fs::metadata(fixture(name)).unwrap().len() as f64;
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| (cut * length) as usize).collect();
        cuts.sort_unstable();
        prop_assert_eq!(in_pieces(name, &cuts).0, in_pieces(name, &[]).0);
    }
}
