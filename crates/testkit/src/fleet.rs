//! Several devices that share a Git remote: each with a home, a clone and, if wanted, a clock of its own.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::git;
use crate::home::{Ran, TestHome};
use crate::http_git::HttpGit;
use crate::ssh_git::SshGit;

/// The remote's name below the served folder.
const BARE: &str = "shared.git";

/// How the devices reach the remote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// By its path.
    Path,
    /// Over HTTP, with a password that a credential helper knows.
    Http,
    /// Over ssh, with a key that the clone's `core.sshCommand` names.
    Ssh,
}

impl Transport {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Path, Self::Http, Self::Ssh];
}

/// A remote with one commit on `main` (`a.txt`, `b.txt`, `src/net.rs`), and devices that cloned it.
#[derive(Debug)]
pub struct Fleet {
    devices: Vec<Device>,
    url: String,
    /// The server, when it is reached over HTTP.
    pub http: Option<HttpGit>,
    ssh: Option<SshGit>,
    dir: TempDir,
}

/// One device.
#[derive(Debug)]
pub struct Device {
    /// What it is called: `one`, `two`, …
    pub name: String,
    /// Its home, and the program there.
    pub home: TestHome,
    root: PathBuf,
}

/// Names of devices, which are also their labels.
const NAMES: [&str; 6] = ["one", "two", "three", "four", "five", "six"];

impl Fleet {
    /// `n` devices (six at most) that run `program`.
    #[track_caller]
    pub fn new(program: impl Into<PathBuf>, transport: Transport, n: usize) -> Self {
        let dir = TempDir::new().expect("a temporary folder can be made");
        let base = dir.path().canonicalize().expect("the folder was just made");
        let served = base.join("served");
        let seed = base.join("seed");
        let git = |at: &Path, args: &[&OsStr]| git::succeed(git::command(at, &base, git::EPOCH).args(args));
        git(
            &base,
            &["init", "-q", "--bare", "-b", "main"]
                .map(OsStr::new)
                .into_iter()
                .chain([served.join(BARE).as_os_str()])
                .collect::<Vec<_>>(),
        );
        git(
            &base,
            &["init", "-q", "-b", "main"].map(OsStr::new).into_iter().chain([seed.as_os_str()]).collect::<Vec<_>>(),
        );
        for (path, text) in
            [("a.txt", "one\ntwo\nthree\nfour\nfive\n"), ("b.txt", "bee\n"), ("src/net.rs", "fn a() {}\n")]
        {
            crate::repo::write_file(&seed.join(path), text.as_bytes());
        }
        git(&seed, &["add", "-A"].map(OsStr::new));
        git(&seed, &["commit", "-q", "-m", "first"].map(OsStr::new));
        git(&seed, &[OsStr::new("push"), OsStr::new("-q"), served.join(BARE).as_os_str(), OsStr::new("main")]);
        let http = (transport == Transport::Http).then(|| HttpGit::start(&served));
        let ssh = (transport == Transport::Ssh).then(SshGit::start);
        let bare = served.join(BARE);
        let url = match (&http, &ssh) {
            (Some(http), _) => http.url(BARE),
            (_, Some(ssh)) => ssh.url(&bare),
            _ => bare.display().to_string(),
        };
        let mut fleet = Self { devices: Vec::new(), url, http, ssh, dir };
        let program = program.into();
        for name in &NAMES[..n] {
            let device = fleet.device(&program, name);
            fleet.devices.push(device);
        }
        fleet
    }

    #[track_caller]
    fn device(&self, program: &Path, name: &str) -> Device {
        let home = TestHome::new(program);
        let user = home.user_home();
        fs::create_dir_all(&user).expect("the home is ours");
        let mut config = format!(
            "[user]\n\tname = {name}\n\temail = {name}@example.org\n[init]\n\tdefaultBranch = main\n[gc]\n\tauto = 0\n\
             [maintenance]\n\tauto = false\n"
        );
        if self.http.is_some() {
            let helper = HttpGit::credential_helper().replace('\\', "\\\\").replace('"', "\\\"");
            config.push_str(&format!("[credential]\n\thelper = \"{helper}\"\n"));
        }
        crate::repo::write_file(&user.join(".gitconfig"), config.as_bytes());
        // Beside the home, so that both vanish together.
        let base = user.parent().expect("it lies in a folder").canonicalize().expect("the home is there");
        let device = Device { name: name.to_owned(), home, root: base.join("work") };
        let mut clone = device.git_command(&base);
        if let Some(ssh) = &self.ssh {
            clone.args(["-c", &format!("core.sshCommand={}", ssh.ssh_command())]);
        }
        git::succeed(clone.args(["clone", "-q", &self.url]).arg(&device.root));
        if let Some(ssh) = &self.ssh {
            device.git(["config", "core.sshCommand", &ssh.ssh_command()]);
        }
        device
    }

    /// A device, counted from 0.
    pub fn at(&self, n: usize) -> &Device {
        &self.devices[n]
    }
    /// The same, to be changed.
    pub fn at_mut(&mut self, n: usize) -> &mut Device {
        &mut self.devices[n]
    }
    /// All devices.
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// Where the remote lies on disk.
    pub fn bare(&self) -> PathBuf {
        self.dir.path().canonicalize().expect("it is ours").join("served").join(BARE)
    }
    /// The URL the devices cloned.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Nobody reaches the remote from now on: its server is stopped, or its folder is elsewhere.
    #[track_caller]
    pub fn take_away(&mut self) {
        match &mut self.http {
            Some(http) => http.stop(),
            None => fs::rename(self.bare(), self.bare().with_extension("away")).expect("it is there"),
        }
    }
    /// The remote is back.
    #[track_caller]
    pub fn bring_back(&mut self) {
        match &mut self.http {
            Some(http) => http.resume(),
            None => fs::rename(self.bare().with_extension("away"), self.bare()).expect("it was taken away"),
        }
    }

    /// Runs Git in the remote's repository; returns what it says.
    #[track_caller]
    pub fn remote_git<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        let mut git = git::command(&self.bare(), self.dir.path(), git::EPOCH);
        String::from_utf8_lossy(&git::succeed(git.args(args))).trim_end().to_owned()
    }

    /// Every ref of the remote, with its value.
    #[track_caller]
    pub fn remote_refs(&self) -> Vec<(String, String)> {
        refs(&self.remote_git(["for-each-ref", "--format=%(refname) %(objectname)"]))
    }

    /// Checks that no repository, the remote included, lacks an object that something names.
    #[track_caller]
    pub fn fsck(&self) {
        for device in &self.devices {
            device.git(["fsck", "--connectivity-only", "--no-dangling"]);
        }
        self.remote_git(["fsck", "--connectivity-only", "--no-dangling"]);
    }
}

fn refs(lines: &str) -> Vec<(String, String)> {
    lines.lines().filter_map(|line| line.split_once(' ')).map(|(name, id)| (name.to_owned(), id.to_owned())).collect()
}

impl Device {
    /// The root of its clone.
    pub fn root(&self) -> &Path {
        &self.root
    }
    /// A path below it.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path)
    }

    /// Writes a file, making its folders.
    #[track_caller]
    pub fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> &Self {
        crate::repo::write_file(&self.path(path), content.as_ref());
        self
    }
    /// Deletes a file.
    #[track_caller]
    pub fn delete(&self, path: impl AsRef<Path>) -> &Self {
        let path = self.path(path);
        fs::remove_file(&path).unwrap_or_else(|error| panic!("cannot delete {}: {error}", path.display()));
        self
    }
    /// Reads a file; `None` when it is not there.
    pub fn read(&self, path: impl AsRef<Path>) -> Option<String> {
        Some(String::from_utf8_lossy(&fs::read(self.path(path)).ok()?).into_owned())
    }
    /// Every file of the working tree with its content, by path; `.git` left out.
    #[track_caller]
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut found = Vec::new();
        let mut folders = vec![self.root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("the folder is there") {
                let path = entry.expect("it can be read").path();
                if path.ends_with(".git") {
                } else if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(&self.root).expect("it lies below").display().to_string();
                    found.push((name, fs::read(&path).expect("a file")));
                }
            }
        }
        found.sort();
        found
    }

    /// Moves the program's wall clock by this many seconds (in builds with debug assertions).
    pub fn set_clock_offset(&mut self, seconds: i64) {
        self.home.set_env("CARRY_CLOCK_OFFSET", &seconds.to_string());
    }

    /// Runs the program in the clone, whatever comes of it.
    #[track_caller]
    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        self.home.run(&self.root, args)
    }
    /// Runs it with one more variable.
    #[track_caller]
    pub fn run_with<S: AsRef<OsStr>>(&self, variable: (&str, &str), args: impl IntoIterator<Item = S>) -> Ran {
        Ran::from(git::run(self.home.command(&self.root).env(variable.0, variable.1).args(args)))
    }
    /// Runs the program, which must succeed; returns what it printed.
    #[track_caller]
    pub fn carry<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        self.home.carry(&self.root, args)
    }

    /// Git in the clone, as the user of this device runs it.
    fn git_command(&self, dir: &Path) -> Command {
        let mut git = Command::new("git");
        git::isolate(&mut git, &self.home.user_home());
        git.current_dir(dir).stdin(std::process::Stdio::null());
        git
    }
    /// Runs Git, which must succeed; returns what it says, its last line end taken off.
    #[track_caller]
    pub fn git<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        String::from_utf8_lossy(&git::succeed(self.git_command(&self.root).args(args))).trim_end().to_owned()
    }
    /// Runs Git, whatever comes of it.
    #[track_caller]
    pub fn try_git<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Output {
        git::run(self.git_command(&self.root).args(args))
    }
    /// Every ref of the clone, with its value.
    #[track_caller]
    pub fn refs(&self) -> Vec<(String, String)> {
        refs(&self.git(["for-each-ref", "--format=%(refname) %(objectname)"]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_devices_of_every_transport_reach_the_remote() {
        for transport in Transport::ALL {
            let fleet = Fleet::new("true", transport, 2);
            let (one, two) = (fleet.at(0), fleet.at(1));
            one.write("a.txt", "changed\n").git(["commit", "-qam", "change"]);
            one.git(["push", "-q"]);
            two.git(["pull", "-q"]);
            assert_eq!(two.read("a.txt").as_deref(), Some("changed\n"), "{transport:?}");
            assert_eq!(fleet.remote_refs().len(), 1);
            fleet.fsck();
        }
    }
}
