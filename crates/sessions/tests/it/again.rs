//! Passes over the same files, and over files that come in pieces.

use std::fs;
use std::path::PathBuf;

use carry_sessions::archive::Written;

use crate::rig::{Rig, assert_same, files, fixtures, generate};

#[test]
fn a_second_pass_reads_and_writes_nothing() {
    let mut rig = Rig::of_fixtures();
    let first = rig.good_pass();
    let before = rig.everything();
    let second = rig.good_pass();
    assert_eq!((second.read, second.missing, second.written), (0, 0, Written::default()));
    assert_eq!(second.unchanged, first.read);
    assert_same(&rig.everything(), &before);
}

/// Every file of a home, by the path below it.
fn contents(home: &std::path::Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    files(home, &mut all);
    all.into_iter().map(|path| (path.strip_prefix(home).unwrap().to_owned(), fs::read(&path).unwrap())).collect()
}

/// Sessions that begin with a replay of another: their agent writes them when the other one is there.
const REPLAYS: [&str; 2] = ["d175ff32-c737-46e3-ba79-71f53069c018", "019cf77e-cc80-70f3-b52b-44bcc5a4ccd7"];

/// Archives `files` in as many pieces, a pass after each, those that replay others at last.
fn in_pieces(files: &[(PathBuf, Vec<u8>)], pieces: usize, is_by_line: bool) -> Rig {
    let mut rig = Rig::new();
    let is_replay = |path: &PathBuf| REPLAYS.iter().any(|id| path.to_string_lossy().contains(id));
    let (replays, others): (Vec<_>, Vec<_>) = files.iter().partition(|(path, _)| is_replay(path));
    for group in [others, replays] {
        for piece in 1..=pieces {
            for (path, bytes) in &group {
                let mut to = bytes.len() * piece / pieces;
                if is_by_line && piece < pieces {
                    to = bytes[..to].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                }
                let is_whole = path.extension().is_none_or(|extension| extension != "jsonl");
                if is_whole || to > 0 {
                    rig.put(path.to_str().unwrap(), if is_whole { bytes } else { &bytes[..to] });
                }
            }
            rig.good_pass();
            rig.verify();
        }
    }
    rig
}

#[test]
fn the_fixtures_in_pieces_are_the_fixtures() {
    let all = contents(&fixtures().join("home"));
    let mut whole = Rig::of_fixtures();
    whole.good_pass();
    let expected = whole.contents();
    for (pieces, is_by_line) in [(2, false), (3, true), (7, false), (16, true)] {
        assert_same(&in_pieces(&all, pieces, is_by_line).contents(), &expected);
    }
}

#[test]
fn generated_sessions_in_pieces_are_the_sessions() {
    let out = tempfile::tempdir().unwrap();
    generate(out.path(), &["--sessions", "6", "--messages", "40", "--seed", "5", "--subagent-rate", "0.2"]);
    let mut whole = Rig::over(out.path());
    whole.good_pass();
    whole.verify();
    assert_same(&in_pieces(&contents(out.path()), 5, false).contents(), &whole.contents());
}
