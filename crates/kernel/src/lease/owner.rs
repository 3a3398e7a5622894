//! Which process holds a lease, and whether it still lives.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};

use rustix::process::{Pid, test_kill_process};

/// Who holds a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Host name.
    pub host: String,
    /// Process id.
    pub pid: u32,
    /// The kernel's boot id, or another nonce that changes with each boot; behind a `/` the namespace that
    /// `pid` counts in, so that a container does not take its host's processes for dead. Empty if unknown.
    pub boot: String,
    /// Start time of the process in the kernel's clock ticks, so that a reused pid is another owner. 0 if unknown.
    pub started: u64,
    /// Random per process and handle.
    pub nonce: u64,
}

impl Owner {
    /// This process, under a new nonce. On systems other than Linux boot and start time are unknown.
    pub fn this_process() -> Self {
        let pid = std::process::id();
        Self {
            host: crate::device::host_name(),
            pid,
            boot: boot(),
            started: process(pid).map_or(0, |p| p.started),
            // The standard library's hasher is seeded by the system too, and cannot fail.
            nonce: getrandom::u64().unwrap_or_else(|_| RandomState::new().build_hasher().finish()),
        }
    }

    /// Whether the owner is known to be dead: same boot, and no such process any more; or another boot of the same
    /// host. `false` when it cannot be known. A host's name may change while it runs, so that on the same boot it
    /// says nothing.
    pub fn is_dead(&self) -> bool {
        let here = Self { host: crate::device::host_name(), boot: boot(), pid: 0, started: 0, nonce: 0 };
        self.is_dead_beside(&here)
    }

    /// Like [`Owner::is_dead`], as a process of `here` sees it.
    pub(super) fn is_dead_beside(&self, here: &Self) -> bool {
        let is_same_boot = self.boot == here.boot;
        if self.host != here.host && (!is_same_boot || self.boot.is_empty()) {
            return false;
        }
        if is_same_boot {
            return is_process_gone(self.pid, self.started);
        }
        // With one boot unknown nothing follows; with the same boot the pid counts elsewhere.
        let (theirs, ours) = (self.machine_boot(), here.machine_boot());
        !theirs.is_empty() && !ours.is_empty() && theirs != ours
    }

    /// Whether both read the same steady clock.
    pub(super) fn shares_clock_with(&self, other: &Self) -> bool {
        !self.machine_boot().is_empty() && self.machine_boot() == other.machine_boot()
    }

    fn machine_boot(&self) -> &str {
        self.boot.split_once('/').map_or(&self.boot, |(boot, _)| boot)
    }
}

fn boot() -> String {
    let Ok(id) = std::fs::read_to_string("/proc/sys/kernel/random/boot_id") else { return String::new() };
    match std::fs::read_link("/proc/self/ns/pid") {
        Ok(namespace) => format!("{}/{}", id.trim(), namespace.display()),
        Err(_) => id.trim().to_owned(),
    }
}

fn is_process_gone(pid: u32, started: u64) -> bool {
    let Some(raw) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return true };
    if test_kill_process(raw) == Err(rustix::io::Errno::SRCH) {
        return true;
    }
    // It exists, perhaps only as a zombie or as another process under a reused number.
    process(pid).is_some_and(|p| p.is_zombie || (started != 0 && p.started != started))
}

/// What the kernel says about a process.
#[derive(Debug, PartialEq, Eq)]
struct Process {
    is_zombie: bool,
    started: u64,
}

/// `None` where there is no `/proc`, or no such process.
fn process(pid: u32) -> Option<Process> {
    parse_stat(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Reads fields 3 and 22 of a `stat` file. Field 2 is the program's name in parentheses and may itself
/// contain spaces and parentheses, so counting starts behind the last one.
fn parse_stat(stat: &str) -> Option<Process> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    Some(Process { is_zombie: matches!(state, "Z" | "X" | "x"), started: fields.nth(18)?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_program_name_does_not_shift_the_fields() {
        let stat = "42 (a) Z 1 (b c) S 1 42 42 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 777 1 2 3\n";
        assert_eq!(parse_stat(stat), Some(Process { is_zombie: false, started: 777 }));
        assert_eq!(parse_stat("42 (x) Z 1"), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn this_process_lives_and_each_handle_is_another_owner() {
        let (a, b) = (Owner::this_process(), Owner::this_process());
        assert!(!a.is_dead());
        assert_ne!(a.nonce, b.nonce);
        assert_eq!((a.pid, a.started), (b.pid, b.started));
    }

    #[test]
    fn a_killed_process_is_dead() {
        let mut child = std::process::Command::new("sh").args(["-c", "kill -9 $$"]).spawn().unwrap();
        let owner = Owner { pid: child.id(), started: 0, ..Owner::this_process() };
        child.wait().unwrap();
        assert!(owner.is_dead());
    }

    #[test]
    fn impossible_pids_are_dead() {
        for pid in [0, u32::MAX] {
            assert!(Owner { pid, ..Owner::this_process() }.is_dead());
        }
    }

    #[test]
    fn nothing_is_known_about_other_hosts() {
        for boot in ["another-boot", ""] {
            let owner = Owner { host: "elsewhere.invalid".into(), boot: boot.into(), pid: 0, ..Owner::this_process() };
            assert!(!owner.is_dead());
            assert!(!owner.is_dead_beside(&Owner { boot: String::new(), ..Owner::this_process() }));
        }
    }

    #[test]
    fn a_host_that_was_renamed_is_the_same_host() {
        let here = Owner { host: "before".into(), boot: "b1/pid:[1]".into(), ..Owner::this_process() };
        let renamed = Owner { host: "after.lan".into(), ..here.clone() };
        assert!(!renamed.is_dead_beside(&here), "its process lives");
        assert!(Owner { pid: 0, ..renamed }.is_dead_beside(&here));
    }

    #[test]
    fn pids_of_another_namespace_say_nothing_and_another_boot_says_all() {
        let owner = |boot: &str, pid| Owner { host: "h".into(), pid, boot: boot.into(), started: 0, nonce: 1 };
        let here = owner("b1/pid:[1]", 1);
        assert!(!owner("b1/pid:[2]", 0).is_dead_beside(&here));
        assert!(owner("b2/pid:[1]", std::process::id()).is_dead_beside(&here));
        assert!(!owner("", 0).is_dead_beside(&here));
        assert!(owner("", 0).is_dead_beside(&owner("", 1)), "without boots only the process counts");
        assert!(owner("b1/pid:[2]", 0).shares_clock_with(&here));
        assert!(!owner("", 0).shares_clock_with(&owner("", 0)));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_reused_pid_is_another_owner() {
        let me = Owner::this_process();
        assert_ne!(me.started, 0);
        assert!(Owner { started: me.started + 1, ..me.clone() }.is_dead());
        assert!(!Owner { started: 0, ..me }.is_dead());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_zombie_is_dead() {
        let mut child = std::process::Command::new("sh")
            .args(["-c", "exit 0"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        // The end of its output says that it has exited or is about to; it stays a zombie until it is waited for.
        std::io::Read::read_to_end(child.stdout.as_mut().unwrap(), &mut Vec::new()).unwrap();
        let owner = Owner { pid: child.id(), started: 0, ..Owner::this_process() };
        while !process(child.id()).unwrap().is_zombie {
            std::thread::yield_now();
        }
        assert!(owner.is_dead());
        child.wait().unwrap();
    }
}
