use std::process::{Command, Stdio};

use super::*;

const HOME: &str = "TEST_ARCHIVE_HOME";
const POINTS: [&str; 3] = ["sessions.batch", "sessions.committed", "db.write.done"];

/// The conversation that is read, and how much of it at first.
fn story() -> (Vec<Op>, usize) {
    let mut ops = conversation();
    let first = ops.len();
    ops.push(open("one"));
    ops.push(answer(1, "so, longer", 2));
    ops.push(Op::Abandon { ordinals: 2..=2, is_abandoned: true });
    ops.push(result("call-1-0", "more", ResultStatus::Failed));
    (ops, first)
}

/// Brings the archive to where it should be, from wherever it is, as a pass does.
fn go_on(archive: &mut Archive, batch_bytes: usize) {
    let (ops, first) = story();
    let known = archive.units().unwrap().pop().filter(|unit| unit.is_complete);
    let done = known.map(|unit| unit.checkpoint.offset as usize / 9);
    let limits = WriterLimits { batch_bytes, ..WriterLimits::default() };
    let mut writer = archive.writer(Timestamp::from_millis(NOW), limits);
    let at = done.unwrap_or(first);
    if done.is_none() {
        rig::read(&mut writer, "lines", "a", None, &ops[..first], End::Well).unwrap();
        writer.flush().unwrap();
    }
    if at < ops.len() {
        rig::read(&mut writer, "lines", "a", Some(at), &ops[at..], End::Well).unwrap();
    }
    writer.finish().unwrap();
}

/// Not a test by itself: what dies.
#[test]
fn reads() {
    let Some(home) = std::env::var_os(HOME) else { return };
    let mut archive = Archive::open(&rig::home(std::path::Path::new(&home)), "here").unwrap();
    go_on(&mut archive, 1);
}

#[test]
fn a_reading_may_die_anywhere() {
    let mut undisturbed = Rig::new();
    go_on(&mut undisturbed.archive, 1);
    let mut deaths = 0;
    for point in POINTS {
        for nth in 1.. {
            let dir = tempfile::tempdir().unwrap();
            let ended = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "archive::write::tests::crash::reads"])
                .env(HOME, dir.path())
                .env("CARRY_FAULT", format!("{point}#{nth}=kill"))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .unwrap();
            let mut archive = Archive::open(&rig::home(dir.path()), "here").unwrap();
            let damage: Vec<String> = archive.verify(&mut |_, _| {}).unwrap();
            assert_eq!(damage, Vec::<String>::new(), "{point}#{nth}");
            go_on(&mut archive, 1);
            let after = Rig { archive, limits: WriterLimits::default(), _dir: dir };
            assert_eq!(after.dump(), undisturbed.dump(), "{point}#{nth}");
            assert_eq!(after.verify(), Vec::<String>::new(), "{point}#{nth}");
            if ended.success() {
                break;
            }
            deaths += 1;
        }
    }
    assert!(deaths > 15, "only {deaths} deaths");
}
