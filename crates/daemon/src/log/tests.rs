use std::os::unix::fs::PermissionsExt as _;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;

fn log(dir: &Path) -> Rotating {
    Rotating::open(dir.join("log/daemon.log"), 0, false).unwrap()
}

fn fill(log: &mut Rotating, lines: std::ops::Range<u32>) {
    for n in lines {
        // Sixteen such lines fill a file.
        log.write_all(format!("{n:06} {}\n", "x".repeat(1016)).as_bytes()).unwrap();
    }
}

/// The numbers of the lines.
fn numbers(bytes: &[u8]) -> Vec<u32> {
    String::from_utf8_lossy(bytes).lines().map(|line| line[..6].parse().unwrap()).collect()
}

#[test]
fn a_full_log_is_put_aside_and_five_old_ones_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = log(dir.path());
    fill(&mut log, 0..160);
    let mut names: Vec<String> = std::fs::read_dir(dir.path().join("log"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["daemon.log", "daemon.log.1", "daemon.log.2", "daemon.log.3", "daemon.log.4", "daemon.log.5"]);
    for name in names {
        let meta = std::fs::metadata(dir.path().join("log").join(name)).unwrap();
        assert!(meta.len() <= BYTES_MIN);
        assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn the_last_lines_reach_back_into_old_files() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = log(dir.path());
    fill(&mut log, 0..40);
    for n in [0, 1, 5, 8, 20, 39, 40, 100] {
        let expected: Vec<u32> = (40 - n.min(40)..40).collect();
        assert_eq!(numbers(&tail(&log.path, n as usize).unwrap()), expected, "{n}");
    }
}

#[test]
fn a_missing_log_has_no_lines_and_an_unfinished_line_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("daemon.log");
    assert_eq!(tail(&path, 10).unwrap(), b"");
    append(&path).unwrap().write_all(b"one\ntwo\nthr").unwrap();
    assert_eq!(tail(&path, 2).unwrap(), b"two\nthr");
}

#[test]
fn two_writers_do_not_put_each_others_new_file_aside() {
    let dir = tempfile::tempdir().unwrap();
    let (mut one, mut two) = (log(dir.path()), log(dir.path()));
    fill(&mut one, 0..16);
    two.bytes = one.bytes;
    fill(&mut one, 16..18);
    fill(&mut two, 18..19);
    assert_eq!(numbers(&std::fs::read(&one.path).unwrap()), [16, 17, 18]);
}

/// Hands on what is written, and fails once nobody listens.
struct Pipe(Sender<Vec<u8>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes.to_vec()).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn until(shown: &Receiver<Vec<u8>>, all: &mut Vec<u8>, last: u32) {
    let wanted = format!("{last:06} ");
    while !all.windows(7).any(|part| part == wanted.as_bytes()) {
        all.extend(shown.recv_timeout(Duration::from_secs(20)).unwrap());
    }
}

#[test]
fn following_goes_on_through_rotations_until_nobody_reads() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    let mut log = Rotating::open(file(&home), 0, false).unwrap();
    fill(&mut log, 0..4);
    let (sender, shown) = channel();
    let following = std::thread::spawn(move || show(&home, 2, true, &mut Pipe(sender)));
    let mut all = Vec::new();
    until(&shown, &mut all, 3);
    for n in (4..100).step_by(8) {
        fill(&mut log, n..n + 8);
        until(&shown, &mut all, n + 7);
    }
    let mut seen = numbers(&all);
    seen.dedup();
    assert_eq!(seen, (2..100).collect::<Vec<_>>());
    drop(shown);
    fill(&mut log, 100..101);
    following.join().unwrap().unwrap();
}

#[test]
fn starting_twice_is_harmless() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    init(&home, 1 << 20, Some("carry_daemon=debug"), false).unwrap();
    init(&home, 1 << 20, Some("[nonsense"), false).unwrap();
    assert!(file(&home).exists());
}
