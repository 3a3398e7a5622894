//! Tests of reading lines.

use std::io::{Seek, SeekFrom, Write};

use super::*;
use crate::source::fixture::Model;

/// Lines as text with their offsets; unfinished ones are taken when they end in `}`.
fn lines_of(path: &Path, mode: &Mode, model: &mut Model) -> Result<(Checkpoint, Vec<(u64, String)>), ReadError> {
    let mut lines = Vec::new();
    let checkpoint = read(path, mode, model, &mut |at, line, _| {
        let (text, is_taken) = match line {
            Line::Whole(bytes) => (String::from_utf8_lossy(bytes).into_owned(), true),
            Line::TooLong(bytes) => (format!("too long: {bytes}"), true),
            Line::Unfinished(bytes) => (String::from_utf8_lossy(bytes).into_owned(), bytes.ends_with(b"}")),
        };
        if is_taken {
            lines.push((at, text));
        }
        Ok(is_taken)
    })?;
    Ok((checkpoint, lines))
}

fn file(content: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    file
}

#[test]
fn an_unfinished_line_is_left_unless_it_is_taken() {
    let mut model = Model::default();
    let kept = file(b"{1}\n{2");
    let (checkpoint, lines) = lines_of(kept.path(), &Mode::Whole, &mut model).unwrap();
    assert_eq!((checkpoint.offset, lines), (4, vec![(0, "{1}".into())]));
    assert_eq!(model.raw, b"{1}\n");

    kept.as_file().write_all_at(b"}", 6).unwrap();
    let (checkpoint, lines) = lines_of(kept.path(), &Mode::From(checkpoint), &mut model).unwrap();
    assert_eq!((checkpoint.offset, lines), (7, vec![(4, "{2}".into())]));

    kept.as_file().write_all_at(b"\n{3}\n", 7).unwrap();
    let (checkpoint, lines) = lines_of(kept.path(), &Mode::From(checkpoint), &mut model).unwrap();
    assert_eq!((checkpoint.offset, lines), (12, vec![(7, String::new()), (8, "{3}".into())]));
    assert_eq!(model.raw, b"{1}\n{2}\n{3}\n");
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_line_but_kept_raw() {
    let mark = "\u{feff}";
    for (text, expected) in [
        (format!("{mark}{{1}}\n{mark}{{2}}\n"), vec![(0, "{1}".into()), (7, format!("{mark}{{2}}"))]),
        (format!("{mark}{{1}}"), vec![(0, "{1}".into())]),
        (format!("{mark}\n"), vec![(0, String::new())]),
    ] {
        let (mut model, kept) = (Model::default(), file(text.as_bytes()));
        let (checkpoint, lines) = lines_of(kept.path(), &Mode::Whole, &mut model).unwrap();
        assert_eq!((checkpoint.offset, lines), (text.len() as u64, expected));
        assert_eq!(model.raw, text.as_bytes());
        let mut first = None;
        again(kept.path(), 0..text.len() as u64, &mut |_, line| {
            first.get_or_insert_with(|| line.to_vec());
            Ok(())
        })
        .unwrap();
        assert!(!first.unwrap().starts_with(mark.as_bytes()));
    }
}

#[test]
fn a_line_taken_without_its_line_break_must_not_go_on() {
    let kept = file(b"{1}");
    let (checkpoint, _) = lines_of(kept.path(), &Mode::Whole, &mut Model::default()).unwrap();
    assert_eq!(checkpoint.offset, 3);
    kept.as_file().write_all_at(b"x\n", 3).unwrap();
    let again = lines_of(kept.path(), &Mode::From(checkpoint), &mut Model::default());
    assert!(matches!(again, Err(ReadError::NeedsWhole { .. })));
}

#[test]
fn what_was_rewritten_or_cut_must_be_read_as_a_whole() {
    for bytes in [300, 5_000_000] {
        let content = b"0123456789 abcdefghi\n".repeat(bytes / 21);
        let mut kept = file(&content);
        let (checkpoint, _) = lines_of(kept.path(), &Mode::Whole, &mut Model::default()).unwrap();
        assert!(checkpoint.probes.len() <= 1024, "{}", checkpoint.probes.len());
        let mode = Mode::From(checkpoint.clone());
        assert!(lines_of(kept.path(), &mode, &mut Model::default()).is_ok());
        for at in [0, content.len() as u64 - 2, content.len() as u64 / 8 * 3 + 4] {
            kept.as_file_mut().seek(SeekFrom::Start(at)).unwrap();
            kept.write_all(b"#").unwrap();
            let again = lines_of(kept.path(), &mode, &mut Model::default());
            assert!(matches!(again, Err(ReadError::NeedsWhole { .. })), "changed at {at}");
            kept.as_file().write_all_at(&content[at as usize..=at as usize], at).unwrap();
        }
        kept.as_file().set_len(content.len() as u64 - 1).unwrap();
        assert!(matches!(lines_of(kept.path(), &mode, &mut Model::default()), Err(ReadError::NeedsWhole { .. })));
    }
}

#[test]
fn what_is_appended_while_reading_is_left_for_the_next_time() {
    let kept = file(&b"{}\n".repeat(10));
    let mut read_lines = 0;
    let checkpoint = read(kept.path(), &Mode::Whole, &mut Model::default(), &mut |_, _, _| {
        read_lines += 1;
        let end = kept.as_file().metadata().unwrap().len();
        kept.as_file().write_all_at(b"{}\n{", end).unwrap();
        Ok(true)
    })
    .unwrap();
    assert_eq!((read_lines, checkpoint.offset), (10, 30));
}

#[test]
fn a_line_that_is_too_long_is_kept_raw_and_left_while_it_grows() {
    let mut kept = file(b"{1}\n");
    kept.write_all(&vec![b'x'; LINE_BYTES_MAX + 100_000]).unwrap();
    let mut model = Model::default();
    let (checkpoint, lines) = lines_of(kept.path(), &Mode::Whole, &mut model).unwrap();
    assert_eq!((checkpoint.offset, lines.len(), model.raw.len()), (4, 1, 4));
    kept.write_all(b"\n{2}\n").unwrap();
    let (checkpoint, lines) = lines_of(kept.path(), &Mode::From(checkpoint), &mut model).unwrap();
    assert_eq!(lines[0], (4, format!("too long: {}", LINE_BYTES_MAX + 100_000)));
    assert_eq!(lines[1].1, "{2}");
    assert_eq!(checkpoint.offset, kept.as_file().metadata().unwrap().len());
    assert_eq!(model.raw.len() as u64, checkpoint.offset);
}

#[test]
fn folders_pipes_and_loops_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("loop", folder.path().join("loop")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        folder.path().join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    for path in [folder.path().to_owned(), folder.path().join("loop"), folder.path().join("pipe")] {
        let outcome = lines_of(&path, &Mode::Whole, &mut Model::default());
        assert!(matches!(outcome, Err(ReadError::Io { .. })), "{}", path.display());
    }
}
