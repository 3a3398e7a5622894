//! The real agentsview, from its Python package, to read what it makes of the same files.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The release that ours is compared with.
pub const VERSION: &str = "0.46.1";

/// Its program; installed below the build folder at the first call. `None`, with a word on stderr, where that cannot be done: no
/// Python, or no way to its package.
#[expect(clippy::print_stderr, reason = "a test that compares nothing says so")]
pub fn program() -> Option<PathBuf> {
    let tools = build_folder().join("tools");
    fs::create_dir_all(&tools).expect("the build folder can be written to");
    // Tests run side by side: one installs, the others wait.
    let lock = File::create(tools.join("agentsview.lock")).expect("a lock file can be made");
    lock.lock().expect("a lock file can be locked");
    let folder = tools.join(format!("agentsview-{VERSION}"));
    let (program, mark) = (folder.join("bin/agentsview"), folder.join("complete"));
    if mark.is_file() {
        return Some(program);
    }
    let _ = fs::remove_dir_all(&folder);
    let steps = [
        Command::new("python3").args(["-m", "venv"]).arg(&folder).stdin(Stdio::null()).output(),
        Command::new(folder.join("bin/pip"))
            .args(["install", "--quiet", "--disable-pip-version-check", &format!("agentsview=={VERSION}")])
            .stdin(Stdio::null())
            .output(),
    ];
    for step in steps {
        if !step.as_ref().is_ok_and(|output| output.status.success()) {
            let why =
                step.map_or_else(|e| e.to_string(), |output| String::from_utf8_lossy(&output.stderr).into_owned());
            eprintln!("agentsview {VERSION} cannot be installed, what it says is not compared: {}", why.trim());
            return None;
        }
    }
    File::create(&mark).expect("the build folder can be written to");
    Some(program)
}

/// Runs it once over the agents' folders below `home` and returns its database; `None` as [`program`].
pub fn sync(home: &Path) -> Option<PathBuf> {
    let output = command(home)?.arg("sync").output().expect("it can be started");
    assert!(output.status.success(), "agentsview sync: {}", String::from_utf8_lossy(&output.stderr));
    Some(home.join(".agentsview/sessions.db"))
}

/// The program with `home` as its home, offline and without a server of its own.
pub fn command(home: &Path) -> Option<Command> {
    let mut command = Command::new(program()?);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("AGENTSVIEW_NO_DAEMON", "1")
        .env("AGENTSVIEW_TELEMETRY_ENABLED", "0")
        .env("AGENTSVIEW_DISABLE_UPDATE_CHECK", "1")
        .stdin(Stdio::null());
    Some(command)
}

/// The folder that cargo builds in: two above a test's program, or the nearest one called `target`.
fn build_folder() -> PathBuf {
    let this = std::env::current_exe().expect("a program knows where it is");
    let target = this.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    target.or(this.parent()).expect("a program lies in a folder").to_owned()
}
