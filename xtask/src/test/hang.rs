//! Tests that never end: which they are, and an end to the program they run in. The others still run, and are counted.
//!
//! The test harness has no limit of its own: one test that hangs would hold up all of them until somebody looks.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// So long no test may end, while one of them runs: several times what the slowest takes on a busy machine.
pub(super) const LIMIT: Duration = Duration::from_secs(10 * 60);

/// What the harness has said so far of one program of tests.
#[derive(Debug, Default)]
pub(super) struct Running {
    /// Whether tests of it are still to end.
    is_on: bool,
    /// Tests that were said to take long, and have not ended.
    slow: Vec<String>,
}

impl Running {
    /// Takes in a line of the harness.
    pub(super) fn hear(&mut self, line: &str) {
        if line.starts_with("running ") {
            *self = Self { is_on: true, slow: Vec::new() };
        } else if line.starts_with("test result: ") {
            *self = Self::default();
        } else if let Some(test) = line.strip_prefix("test ") {
            if let Some((name, _)) = test.split_once(" has been running for over ") {
                self.slow.push(name.to_owned());
            } else if let Some((name, _)) = test.split_once(" ... ") {
                self.slow.retain(|slow| slow != name);
            }
        }
    }

    /// Whether silence means that a test hangs. Before the first test all is still being built, in silence.
    pub(super) fn is_on(&self) -> bool {
        self.is_on
    }

    /// What to say when nothing was heard for [`LIMIT`]. `is_ended` says whether the program could be ended.
    pub(super) fn verdict(&self, is_ended: bool) -> String {
        let names = if self.slow.is_empty() { "a test".to_owned() } else { self.slow.join(", ") };
        let then = if is_ended { "The program it runs in is ended." } else { "End the program it runs in." };
        format!("No test ended for {} minutes: {names} hangs. {then}", LIMIT.as_secs() / 60)
    }
}

/// Ends what process `cargo` has started, with all that came of it, but not `cargo` itself, which goes on with the next program.
/// Says whether there was any: processes are known on Linux only.
pub(super) fn end_children(cargo: u32) -> bool {
    let mut found = vec![cargo];
    let processes = processes(Path::new("/proc"));
    let mut n_seen = 0;
    while let Some(&parent) = found.get(n_seen) {
        n_seen += 1;
        found.extend(processes.iter().filter(|(_, of)| *of == parent).map(|(process, _)| process));
    }
    let children: Vec<String> = found[1..].iter().map(ToString::to_string).collect();
    // One that ended meanwhile is none to be ended.
    !children.is_empty() && Command::new("kill").arg("-KILL").args(children).status().is_ok()
}

/// Each process below `proc`, and who started it.
fn processes(proc: &Path) -> Vec<(u32, u32)> {
    let entries = std::fs::read_dir(proc).into_iter().flatten().flatten();
    let process = |entry: std::fs::DirEntry| {
        let process = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        Some((process, parent(&stat)?))
    };
    entries.filter_map(process).collect()
}

/// Who started a process: of `stat` the second word after the name, which stands in brackets and may hold anything.
fn parent(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::process::Stdio;

    use super::*;

    fn after(lines: &[&str]) -> Running {
        let mut running = Running::default();
        lines.iter().for_each(|line| running.hear(line));
        running
    }

    #[test]
    fn who_hangs_is_named() {
        let running = after(&[
            "running 3 tests",
            "test a::is_quick ... ok",
            "test a::hangs has been running for over 60 seconds",
            "test a::is_slow has been running for over 60 seconds",
            "test a::is_slow ... ok",
        ]);
        assert!(running.is_on());
        let verdict = "No test ended for 10 minutes: a::hangs hangs. The program it runs in is ended.";
        assert_eq!(running.verdict(true), verdict);
        assert!(running.verdict(false).ends_with("a::hangs hangs. End the program it runs in."));
    }

    #[test]
    fn between_programs_nothing_hangs() {
        assert!(!after(&[]).is_on(), "it is built");
        let ended = "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s";
        assert!(!after(&["running 1 test", "test passed ... ok", ended]).is_on());
        assert!(after(&["running 1 test", ended, "running 2 tests"]).is_on());
    }

    #[test]
    fn the_parent_is_found_behind_any_name() {
        assert_eq!(parent("17 (a) b) S 4 17 17 0 -1"), Some(4));
        assert_eq!(parent("17 (a"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn children_are_ended_with_theirs_and_the_parent_goes_on() {
        // Both read what nobody writes.
        let script = "sh -c 'cat; true'; echo goes on";
        let mut shell = Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let n_below = |parents: &[u32]| -> Vec<u32> {
            let all = processes(Path::new("/proc"));
            all.iter().filter(|(_, of)| parents.contains(of)).map(|(process, _)| *process).collect()
        };
        carry_testkit::patience::until("it has a child of a child", || !n_below(&n_below(&[shell.id()])).is_empty());
        assert!(end_children(shell.id()));
        let mut said = String::new();
        shell.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(said.trim(), "goes on");
        assert!(shell.wait().unwrap().success());
    }
}
