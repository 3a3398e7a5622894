//! Git's own types as the rest of Carry sees them, and the `git` program with a fixed environment.

use std::cell::Cell;
use std::path::Path;
use std::process::Command;

pub use gix::ObjectId;
pub use gix::bstr::{BStr, BString, ByteSlice, ByteVec};
pub use gix::hash::Kind as HashKind;

#[cfg(test)]
pub(crate) mod fixture;

/// Variables that would redirect Git to another repository, index or identity, or change what it prints.
const CLEARED: &[&str] = &[
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_CEILING_DIRECTORIES",
    "GIT_DISCOVERY_ACROSS_FILESYSTEM",
    "GIT_QUARANTINE_PATH",
    "GIT_SHALLOW_FILE",
    "GIT_GRAFT_FILE",
    "GIT_REPLACE_REF_BASE",
    "GIT_REFERENCE_BACKEND",
    "GIT_ATTR_SOURCE",
    "GIT_INDEX_VERSION",
    "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
    "GIT_AUTHOR_DATE",
    "GIT_COMMITTER_DATE",
    "GIT_TRACE",
    "GIT_TRACE_SETUP",
    "GIT_TRACE2",
    "GIT_EXTERNAL_DIFF",
    "GIT_DIFF_OPTS",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
    "GIT_DEFAULT_HASH",
    "GIT_DEFAULT_REF_FORMAT",
];

thread_local! {
    static COMMANDS: Cell<u64> = const { Cell::new(0) };
}

/// How many [`command`]s this thread has made: what tests count, so that a loop of processes is noticed.
pub fn n_commands() -> u64 {
    COMMANDS.get()
}

/// The `git` program, run in `dir`: redirecting variables cleared, no optional locks, no prompts, no lazy
/// fetches, English messages, standard input closed.
pub fn command(dir: &Path) -> Command {
    COMMANDS.set(COMMANDS.get() + 1);
    let mut git = Command::new("git");
    for name in CLEARED {
        git.env_remove(name);
    }
    git.current_dir(dir)
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env("LC_ALL", "C")
        .stdin(std::process::Stdio::null());
    git
}

/// What the user is called in commits that they make in `dir` (Git's `user.name`); `None` when nobody says.
pub fn user_name(dir: &Path) -> Option<String> {
    let said = command(dir).args(["config", "--get", "user.name"]).output().ok()?;
    let name = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    (said.status.success() && !name.is_empty()).then_some(name)
}

/// A path as the file system wants it. On Unix every sequence of bytes is one.
pub fn path_of(bytes: &[u8]) -> &Path {
    use std::os::unix::ffi::OsStrExt as _;
    Path::new(std::ffi::OsStr::from_bytes(bytes))
}
