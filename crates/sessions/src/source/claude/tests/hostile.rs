//! Bytes that nobody meant to be read.

use super::parity::fixture;
use super::*;
use proptest::prelude::*;

#[test]
fn lines_that_cannot_be_read_are_counted_and_the_rest_is_read() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_input = format!("{}{}", "{\"a\":".repeat(100_000), "1".to_owned() + &"}".repeat(100_000));
    let mut bytes = Vec::new();
    for line in [
        "[1]".to_owned(),
        deep.clone(),
        format!("{{\"type\":\"user\",\"message\":{{\"content\":{deep}}}}}"),
        format!("{{\"type\":\"user\",\"extra\":{deep},\"message\":{{\"content\":\"after\"}}}}"),
        format!(
            "{{\"type\":\"assistant\",\"message\":{{\"id\":\"m\",\"content\":[{{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"X\",\"input\":{deep_input}}}]}}}}"
        ),
        "{\"type\":\"user\",\"cwd\":5,\"timestamp\":{},\"message\":{\"content\":\"odd \\u0000\\u001b types\"}}"
            .to_owned(),
        "{\"type\":\"user\",\"type\":\"user\"}".to_owned(),
        "{\"type\":".to_owned(),
    ] {
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
    }
    bytes.extend_from_slice(b"\0\0\0\0\n{\"type\":\"user\",\"message\":{\"content\":\"\xff\xfe\"}}\n");
    let model = read_bytes(&bytes);
    let told = model.session("s");
    assert_eq!(texts(told), ["after", "", "odd  types", "\u{fffd}\u{fffd}"]);
    assert_eq!(calls(&told.messages[&2]).next().unwrap().input, deep_input);
    let counts = [Odd::Malformed, Odd::Unknown, Odd::NotUtf8, Odd::Control].map(|kind| model.odd_count(kind));
    assert_eq!(counts, [4, 1, 1, 1], "{:?}", model.odd);
    assert_eq!(model.raw, bytes);
}

#[test]
fn many_unknown_blocks_in_one_line_take_linear_time() {
    let blocks: Vec<Value> = (0..50_000).map(|n| json!({"type": "novelty", "n": n})).collect();
    let model = read_lines(&[user("u1", "", Value::Array(blocks))]);
    let message = &model.session("s").messages[&0];
    assert_eq!(message.blocks.len(), 50_000);
    assert!(matches!(&message.blocks[7], Block::Other { kind, json } if kind == "novelty" && json.contains("\"n\":7")));
}

#[test]
fn an_answer_that_repeats_itself_stays_one() {
    let call = |n: usize| json!([{"type": "tool_use", "id": format!("t{n}"), "name": "Bash", "input": {"command": "x".repeat(100)}}]);
    let mut lines = vec![user("u1", "", json!("go"))];
    lines.extend((0..6000).map(|n| assistant(&format!("a{n}"), "u1", "m", call(n))));
    let model = read_lines(&lines);
    let told = model.session("s");
    assert_eq!(told.messages.len(), 2);
    let indexes: Vec<u32> = calls(&told.messages[&1]).map(|call| call.index).collect();
    assert_eq!(indexes, (0..6000).collect::<Vec<_>>());
}

#[test]
fn a_file_that_is_a_loop_or_a_folder_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("s.jsonl", folder.path().join("s.jsonl")).unwrap();
    for path in [folder.path().join("s.jsonl"), folder.path().to_owned(), folder.path().join("none.jsonl")] {
        let outcome = Claude.read(&unit(&path), &Mode::Whole, &mut Model::default());
        assert!(matches!(outcome, Err(ReadError::Io { .. })));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Fixture lines with bytes changed, cut, doubled and put elsewhere.
    #[test]
    fn no_bytes_make_it_fail(
        name in proptest::sample::select(&["A", "B", "C", "E", "E2", "I"][..]),
        order in proptest::collection::vec(0..40usize, 1..60),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
    ) {
        let bytes = std::fs::read(fixture(name)).unwrap();
        let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
        let mut mixed: Vec<u8> = order.iter().flat_map(|place| lines[place % lines.len()].iter().copied()).collect();
        for (at, byte) in changes {
            let at = at.index(mixed.len());
            mixed[at] = byte;
        }
        let model = read_bytes(&mixed);
        prop_assert!(mixed.starts_with(&model.raw));

        // And in two pieces it is the same.
        let folder = tempfile::tempdir().unwrap();
        let cut = order[0] * mixed.len() / 40;
        let path = put(&folder.path().join("s.jsonl"), &mixed[..cut]);
        let mut again = Model::default();
        let (end, _) = again.read(&Claude, &unit(&path), Mode::Whole).unwrap();
        append(&path, &mixed[cut..]);
        again.read(&Claude, &unit(&path), Mode::From(end.checkpoint)).unwrap();
        prop_assert_eq!(again.comparable(), model.comparable());
    }

    #[test]
    fn no_noise_makes_it_fail(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        read_bytes(&bytes);
    }
}
