//! Running programs as somebody who is not root, and ending them.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::git::{run, succeed};
use crate::patience;

/// The user and group that the server runs as when we are root.
pub(super) fn other_user() -> Option<(u32, u32)> {
    static USER: OnceLock<Option<(u32, u32)>> = OnceLock::new();
    *USER.get_or_init(|| {
        let number = |args: &[&str]| {
            let said = succeed(Command::new("id").args(args));
            String::from_utf8_lossy(&said).trim().parse::<u32>().expect("id prints a number")
        };
        (number(&["-u"]) == 0).then(|| (number(&["-u", "postgres"]), number(&["-g", "postgres"])))
    })
}

/// A program that is run as that user.
pub(super) fn command(program: &Path) -> Command {
    let Some((user, group)) = other_user() else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={user}")).arg(format!("--regid={group}")).args(["--clear-groups", "--"]).arg(program);
    command.stdin(Stdio::null()).current_dir("/");
    command
}

/// Whether there is such a process, and not only what is left of one.
pub(super) fn is_running(process: u32) -> bool {
    state(process).is_some_and(|(state, _)| state != 'Z')
}

/// Kills a process and its children; returns when they are gone.
#[track_caller]
pub(super) fn kill_tree(process: u32) {
    // Stopped first, it makes no more children.
    signal("STOP", &[process]);
    let numbers = std::fs::read_dir("/proc").expect("Linux").flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut all: Vec<u32> =
        numbers.filter(|other| state(*other).is_some_and(|(_, parent)| parent == process)).collect();
    all.push(process);
    signal("KILL", &all);
    let are_gone = patience::comes(|| !all.iter().any(|process| is_running(*process)));
    assert!(are_gone, "{all:?} cannot be killed");
}

fn signal(name: &str, processes: &[u32]) {
    let mut kill = Command::new("sh");
    kill.args(["-c", "signal=$1; shift; kill -s \"$signal\" \"$@\"", "kill", name]);
    kill.args(processes.iter().map(u32::to_string)).stderr(Stdio::null());
    let _ = run(&mut kill);
}

/// The state and the parent of a process.
fn state(process: u32) -> Option<(char, u32)> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name before it is in brackets and may hold anything.
    let mut words = text.get(text.rfind(')')? + 1..)?.split_whitespace();
    Some((words.next()?.chars().next()?, words.next()?.parse().ok()?))
}
