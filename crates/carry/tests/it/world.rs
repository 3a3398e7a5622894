//! A home, a repository and an environment of its own for each test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One test's world. Everything lies in a temporary folder.
pub(crate) struct World {
    dir: tempfile::TempDir,
}

/// What a run of the program came to; ids, ages, sizes and paths replaced by names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// As it came.
    pub(crate) raw: String,
}

impl World {
    /// A home without anything, and an empty repository `~/repo`.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let world = Self { dir };
        fs::create_dir_all(world.repo()).expect("a folder");
        world.file("../../gitconfig", "[user]\n\tname = U\n\temail = u@example.org\n[init]\n\tdefaultBranch = main\n");
        world.git(&["init", "-q"]);
        world
    }

    /// The same with one commit of `a.txt` and `src/net.rs`.
    pub(crate) fn with_commit() -> Self {
        let world = Self::new();
        world.file("a.txt", "one\n");
        world.file("src/net.rs", "fn a() {}\n");
        world.git(&["add", "-A"]);
        world.git(&["commit", "-qm", "first"]);
        world
    }

    /// The same, with a bare repository `remote.git` that has the commit and is called `origin`.
    pub(crate) fn with_remote() -> Self {
        let world = Self::with_commit();
        let remote = world.remote();
        world.git(&["init", "-q", "--bare", remote.to_str().expect("a plain path")]);
        world.git(&["remote", "add", "origin", remote.to_str().expect("a plain path")]);
        world.git(&["push", "-q", "--set-upstream", "origin", "main"]);
        world
    }

    /// Another machine: a home of its own, and a clone of the same remote.
    pub(crate) fn beside(other: &Self) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let world = Self { dir };
        fs::create_dir_all(world.home()).expect("a folder");
        world.file("../../gitconfig", "[user]\n\tname = U\n\temail = u@example.org\n[init]\n\tdefaultBranch = main\n");
        let remote = other.remote();
        let mut clone = world.command(Path::new("git"), &world.home());
        let said = clone.args(["clone", "-q"]).arg(remote).arg(world.repo()).output().expect("git");
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        world
    }

    /// However full the disk is that tests run on, what other devices bring is taken in.
    pub(crate) fn roomy(&self) {
        let ran = self.carry_in(&self.home(), &["config", "set", "exchange.free_min", "0"]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }

    /// The bare repository.
    pub(crate) fn remote(&self) -> PathBuf {
        self.root().join("remote.git")
    }
    /// The names of the refs that the remote has.
    pub(crate) fn remote_refs(&self) -> Vec<String> {
        let said = self.git(&["ls-remote", "origin"]);
        said.lines().filter_map(|line| Some(line.split_once('\t')?.1.to_owned())).collect()
    }
    /// Registers the repository, calls this device `label`, and publishes.
    #[track_caller]
    pub(crate) fn publish_as(&self, label: &str) {
        self.ok(&["devices", "rename", label]);
        self.ok(&["now", "--push", "--yes"]);
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().canonicalize().expect("it exists")
    }
    pub(crate) fn home(&self) -> PathBuf {
        self.root().join("home")
    }
    pub(crate) fn repo(&self) -> PathBuf {
        self.root().join("home/repo")
    }

    /// Writes a file of the repository.
    pub(crate) fn file(&self, path: &str, text: &str) {
        let path = self.repo().join(path);
        fs::create_dir_all(path.parent().expect("below the root")).expect("a folder");
        let mut file = fs::File::create(path).expect("a file");
        std::io::Write::write_all(&mut file, text.as_bytes()).expect("room on the disk");
    }
    /// Reads one; `None` when it is not there.
    pub(crate) fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.repo().join(path)).ok()
    }
    pub(crate) fn delete(&self, path: &str) {
        fs::remove_file(self.repo().join(path)).expect("the file is there");
    }

    /// Runs git in the repository and returns what it says.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let said = self.command(Path::new("git"), &self.repo()).args(arguments).output().expect("git");
        assert!(said.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8_lossy(&said.stdout).into_owned()
    }

    /// Runs `carry` in the repository.
    pub(crate) fn carry(&self, arguments: &[&str]) -> Ran {
        self.carry_in(&self.repo(), arguments)
    }
    /// Runs `carry` in a folder.
    pub(crate) fn carry_in(&self, folder: &Path, arguments: &[&str]) -> Ran {
        self.run(self.command(Path::new(env!("CARGO_BIN_EXE_carry")), folder).args(arguments))
    }
    /// Runs `git-carry` in the repository.
    pub(crate) fn git_carry(&self, arguments: &[&str]) -> Ran {
        self.run(self.command(Path::new(env!("CARGO_BIN_EXE_git-carry")), &self.repo()).args(arguments))
    }
    /// Runs `carry` and takes it for granted that it succeeds.
    #[track_caller]
    pub(crate) fn ok(&self, arguments: &[&str]) -> Ran {
        let ran = self.carry(arguments);
        assert_eq!(ran.code, 0, "carry {arguments:?}\n{}\n{}", ran.stdout, ran.stderr);
        ran
    }
    /// Captures and returns the snapshot's id.
    #[track_caller]
    pub(crate) fn snapshot(&self) -> String {
        self.ok(&["now"]);
        self.newest()
    }
    /// The id of the newest snapshot.
    #[track_caller]
    pub(crate) fn newest(&self) -> String {
        let ran = self.ok(&["log", "--json", "--limit", "1"]);
        field(&ran.raw, "commit")
    }

    pub(crate) fn command(&self, program: &Path, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home())
            .env("CARRY_HOME", self.root().join("carry"))
            .env("GIT_CONFIG_GLOBAL", self.root().join("gitconfig"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("TZ", "UTC")
            .env("LC_ALL", "C.UTF-8")
            .current_dir(folder)
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, command: &mut Command) -> Ran {
        let said = command.output().expect("the program starts");
        let raw = String::from_utf8_lossy(&said.stdout).into_owned();
        Ran {
            code: said.status.code().unwrap_or(-1),
            stdout: self.normal(&raw),
            stderr: self.normal(&String::from_utf8_lossy(&said.stderr)),
            raw,
        }
    }

    fn normal(&self, text: &str) -> String {
        let root = self.root();
        let text = text.replace(root.to_str().expect("a plain path"), "<DIR>");
        text.lines().map(|line| normal_line(line) + "\n").collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // A daemon that a test started would outlive it.
        let program = Path::new(env!("CARGO_BIN_EXE_carry"));
        let _ = self.command(program, &self.root()).args(["-q", "daemon", "stop"]).output();
    }
}

impl Ran {
    /// Checks code, stdout and stderr.
    #[track_caller]
    pub(crate) fn is(&self, code: i32, stdout: &str, stderr: &str) {
        assert_eq!((self.code, self.stdout.as_str(), self.stderr.as_str()), (code, stdout, stderr));
    }
}

/// A text field of the first JSON object in `text`.
#[track_caller]
pub(crate) fn field(text: &str, name: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let object: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line:?}"));
    match &object[name] {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Replaces what differs from run to run: ids, ages, sizes, processes.
fn normal_line(line: &str) -> String {
    let words: Vec<String> = line.split(' ').map(normal_word).collect();
    let mut normal = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let word = &words[at];
        let after = |n: usize| words.get(at + n).map_or("", String::as_str);
        let number = word.trim_start_matches('(');
        let is_number = number.parse::<f64>().is_ok();
        let unit = after(1).trim_end_matches([',', '.', ')']);
        if is_number && matches!(unit, "bytes" | "byte" | "KiB" | "MiB" | "GiB" | "TiB") {
            normal.push(format!("{}{}", word.replace(number, "<SIZE>"), &after(1)[unit.len()..]));
            at += 2;
        } else if word == "(process" {
            let rest = after(1).trim_start_matches(|c: char| c.is_ascii_digit());
            normal.push(format!("(process <PID>{rest}"));
            at += 2;
        } else if is_number && unit == "s" && after(2).starts_with("ago") {
            normal.push(format!("{}{}", word.replace(number, "<AGE>"), &after(2)["ago".len()..]));
            at += 3;
        } else {
            normal.push(word.clone());
            at += 1;
        }
    }
    normal.join(" ").replace("just now", "<AGE>")
}

fn normal_word(word: &str) -> String {
    let start = word.find(|c: char| c.is_ascii_hexdigit()).unwrap_or(0);
    let rest = &word[start..];
    let len = rest.find(|c: char| !c.is_ascii_hexdigit() || c.is_ascii_uppercase()).unwrap_or(rest.len());
    if matches!(len, 10 | 12 | 40) { format!("{}<ID>{}", &word[..start], &rest[len..]) } else { word.to_owned() }
}
