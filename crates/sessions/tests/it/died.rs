//! A pass whose process is killed: the next one goes on, and in the end nobody can tell.

use std::path::Path;
use std::process::{Command, Stdio};

use carry_kernel::home::Home;
use carry_sessions::archive::{Archive, WriterLimits, Written};

use crate::rig::{Rig, assert_same, pass_over};

/// The folder of the rig that a child works on.
const FOLDER: &str = "TEST_SESSIONS_FOLDER";

/// So small that nearly every message is a batch.
const LIMITS: WriterLimits = WriterLimits { batch_bytes: 256, blob_bytes_max: 1 << 20, keeps_reads: true };

/// A pass in another process.
fn child(rig: &Rig) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "died::passes"]).env(FOLDER, rig.dir.path());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// What the other process runs.
#[test]
fn passes() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    let mut archive = Archive::open(&Home::at(folder.join("carry")), "here").unwrap();
    pass_over(&mut archive, &folder.join("home"), LIMITS).unwrap();
}

/// How many batches a first pass over the fixtures is.
fn batches() -> usize {
    let rig = Rig::of_fixtures();
    let trace = rig.dir.path().join("trace");
    assert!(child(&rig).env("CARRY_FAULT_TRACE", &trace).status().unwrap().success());
    let trace = std::fs::read_to_string(&trace).unwrap();
    let batches = trace.lines().filter(|line| line.contains("sessions.batch")).count();
    assert!(batches > 30, "only {batches} batches");
    batches
}

#[test]
fn a_first_pass_that_was_killed_anywhere_ends_as_if_it_had_not_been() {
    let mut undisturbed = Rig::of_fixtures();
    undisturbed.good_pass();
    let expected = undisturbed.contents();
    let batches = batches();
    for point in ["sessions.batch", "sessions.committed"] {
        for nth in (1..=batches).step_by(batches / 12) {
            let mut rig = Rig::of_fixtures();
            let status = child(&rig).env("CARRY_FAULT", format!("{point}#{nth}=kill")).status().unwrap();
            assert!(!status.success(), "{point} {nth}: it was to be killed");
            rig.good_pass();
            rig.verify();
            assert_same(&rig.contents(), &expected);
            let again = rig.good_pass();
            assert_eq!((again.read, again.written), (0, Written::default()), "{point} {nth}");
        }
    }
}

#[test]
fn a_pass_that_was_killed_again_and_again_comes_to_its_end() {
    let mut undisturbed = Rig::of_fixtures();
    undisturbed.good_pass();
    let mut rig = Rig::of_fixtures();
    // More than any one unit needs: a unit that was cut off is begun anew.
    let fault = format!("sessions.committed#{}=kill", batches() * 2 / 5);
    let mut kills = 0;
    while !child(&rig).env("CARRY_FAULT", &fault).status().unwrap().success() {
        kills += 1;
        assert!(kills < 20, "it never comes to its end");
    }
    assert!(kills > 1, "{kills}");
    rig.good_pass();
    rig.verify();
    assert_same(&rig.contents(), &undisturbed.contents());
}
