//! The user's pager, as Git would start it.

use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::process::{Child, ChildStdin, Command, Stdio};

/// A running pager. What is written to it is shown; it may go away at any time.
pub(crate) struct Pager {
    child: Child,
    stdin: ChildStdin,
}

impl Pager {
    /// Starts what `git var GIT_PAGER` names; `None` when paging is off or it does not start.
    pub(crate) fn start() -> Option<Self> {
        let said = Command::new("git").args(["var", "GIT_PAGER"]).stdin(Stdio::null()).output().ok()?;
        let pager = String::from_utf8(said.stdout).ok()?;
        let pager = pager.trim();
        if pager.is_empty() || pager == "cat" {
            return None;
        }
        let mut command = Command::new("sh");
        command.arg("-c").arg(pager).stdin(Stdio::piped());
        // As Git does: quit when all fits, let colours through, leave the screen as it is.
        for (name, value) in [("LESS", "FRX"), ("LV", "-c")] {
            if std::env::var_os(name).is_none() {
                command.env(name, value);
            }
        }
        let mut child = command.spawn().ok()?;
        let stdin = child.stdin.take()?;
        Some(Self { child, stdin })
    }

    /// A copy of its input for a child process.
    pub(crate) fn stdio(&self) -> io::Result<Stdio> {
        Ok(Stdio::from(self.stdin.as_fd().try_clone_to_owned()?))
    }

    /// Says that there is no more, and waits until the user has seen enough.
    pub(crate) fn finish(self) {
        let Self { mut child, stdin } = self;
        drop(stdin);
        // How a pager ends says nothing about our work.
        let _ = child.wait();
    }
}

impl Write for Pager {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stdin.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.stdin.flush()
    }
}
