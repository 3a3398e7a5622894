//! Two clones of one remote, and one way to carry a change from the first to the second.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use carry_testkit::git;
use carry_testkit::http_git::HttpGit;
use carry_testkit::pulsar::Pulsar;

use crate::Outcome;
use crate::bench::carry::Carry;
use crate::bench::subject::Subject;
use crate::run::captured;

/// One way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// `carry now --push`, then `carry sync --yes`.
    Carry,
    /// What git-pulsar runs for the same.
    Pulsar,
    /// `git add`, `commit`, `push`, then `git pull`.
    Git,
}

impl Way {
    pub(super) const ALL: [Self; 3] = [Self::Carry, Self::Pulsar, Self::Git];

    /// For the table.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Carry => "`carry now --push`, `carry sync`",
            Self::Pulsar => "git-pulsar's snapshot and push, fetch and checkout",
            Self::Git => "plain Git: add, commit, push, pull",
        }
    }
}

/// One change carried across.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    /// From the save to the remote.
    pub(super) send_ms: f64,
    /// From the remote to the other clone's files.
    pub(super) take_ms: f64,
    /// Bytes of the files that changed.
    pub(super) bytes_changed: u64,
    /// Bytes sent: what the server counted, or what Git said.
    pub(super) bytes_sent: Option<u64>,
    /// Bytes that came back to the other clone; only a server counts them.
    pub(super) bytes_taken: Option<u64>,
}

/// Times of the commands that only look.
#[derive(Debug, Default)]
pub(super) struct Looks {
    pub(super) carry_status: Vec<f64>,
    pub(super) carry_prompt: Vec<f64>,
    pub(super) git_status: Vec<f64>,
}

/// The two clones.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) way: Way,
    one: Subject,
    two: Subject,
    tools: Tools,
    /// Dates of commits, a minute apart.
    now: u64,
}

#[derive(Debug)]
enum Tools {
    Carry(Carry, Carry),
    Pulsar(Pulsar, Pulsar),
    Git,
}

impl Pair {
    /// Clones `seed` to a remote below `served` and that twice, and lets the way meet both.
    pub(super) fn new(
        way: Way,
        folder: &Path,
        seed: &Path,
        served: &Path,
        server: Option<&HttpGit>,
        program: &Path,
    ) -> Outcome<Self> {
        let name = format!("{way:?}.git").to_lowercase();
        let bare = served.join(&name);
        fs::create_dir_all(served)?;
        captured(Command::new("git").args(["clone", "--quiet", "--bare"]).arg(seed).arg(&bare))?;
        let clone = |n: &str| -> Outcome<Subject> {
            let subject = Subject::clone_of(&folder.join(format!("{way:?}-{n}")), &bare)?;
            let url = server.map_or_else(|| bare.display().to_string(), |server| server.url_with_password(&name));
            captured(git(&subject.root, git::EPOCH).args(["remote", "set-url", "origin", &url]))?;
            Ok(subject)
        };
        let (one, two) = (clone("one")?, clone("two")?);
        let tools = match way {
            Way::Carry => {
                let home = |subject: &Subject| Carry::new(program, &subject.folder.join("home"));
                Tools::Carry(home(&one)?, home(&two)?)
            }
            Way::Pulsar => {
                let pulsar = |subject: &Subject, slug| Pulsar::new(&subject.root, &subject.folder, slug);
                Tools::Pulsar(pulsar(&one, "one--01234567"), pulsar(&two, "two--89abcdef"))
            }
            Way::Git => Tools::Git,
        };
        let mut pair = Self { way, one, two, tools, now: git::EPOCH };
        // First captures and first pushes are not what is measured.
        if let Tools::Carry(_, second) = &pair.tools {
            second.run(&pair.two.root, &["now"])?;
        }
        pair.carry_across(1, server)?;
        Ok(pair)
    }

    /// Changes `n` files in the first clone and carries them to the second.
    pub(super) fn carry_across(&mut self, n: usize, server: Option<&HttpGit>) -> Outcome<Sent> {
        self.now += 60;
        let changed = self.one.change(n)?;
        let before = server.map(HttpGit::bytes_in);
        let start = Instant::now();
        let said = self.send()?;
        let send_ms = start.elapsed().as_secs_f64() * 1000.0;
        let counted = server.zip(before).map(|(server, before)| server.bytes_in() - before);
        let before = server.map(HttpGit::bytes_out);
        let start = Instant::now();
        self.take()?;
        let take_ms = start.elapsed().as_secs_f64() * 1000.0;
        let bytes_taken = server.zip(before).map(|(server, before)| server.bytes_out() - before);
        let bytes_changed = self.verify(&changed)?;
        Ok(Sent { send_ms, take_ms, bytes_changed, bytes_sent: counted.or(said), bytes_taken })
    }

    /// Captures and pushes; returns the bytes that Git says it sent.
    fn send(&self) -> Outcome<Option<u64>> {
        let root = &self.one.root;
        match &self.tools {
            Tools::Carry(first, _) => {
                let said = first.run(root, &["now", "--push", "--yes", "--json"])?;
                let objects = said.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
                let bytes: Vec<u64> = objects
                    .filter_map(|object| object["bytes"].as_u64().filter(|_| object["type"] == "push"))
                    .collect();
                Ok((!bytes.is_empty()).then(|| bytes.iter().sum()))
            }
            Tools::Pulsar(first, _) => {
                caught(|| first.snapshot(self.now))?.ok_or("git-pulsar took no snapshot")?;
                captured(git(root, self.now).args(["remote", "get-url", "origin"]))?;
                let stream = first.stream("main");
                self.push(&format!("{stream}:{stream}"))
            }
            Tools::Git => {
                captured(git(root, self.now).args(["add", "-A"]))?;
                captured(git(root, self.now).args(["commit", "--quiet", "-m", "change"]))?;
                self.push("main:main")
            }
        }
    }

    fn push(&self, what: &str) -> Outcome<Option<u64>> {
        let pushed = git(&self.one.root, self.now).args(["push", "--progress", "origin", what]).output()?;
        let said = String::from_utf8_lossy(&pushed.stderr).into_owned();
        if !pushed.status.success() {
            return Err(format!("git push ended with {}: {}", pushed.status, said.trim()).into());
        }
        Ok(written(&said))
    }

    /// Fetches and applies.
    fn take(&self) -> Outcome {
        let root = &self.two.root;
        match &self.tools {
            Tools::Carry(_, second) => second.run(root, &["sync", "--yes"]).map(drop),
            Tools::Pulsar(_, second) => {
                caught(|| second.sync("origin"))?.map(drop).ok_or_else(|| "git-pulsar saw nothing newer".into())
            }
            Tools::Git => captured(git(root, self.now).args(["pull", "--quiet", "--ff-only"])).map(drop),
        }
    }

    /// Whether the second clone has these files as the first has them; returns their bytes.
    fn verify(&self, changed: &[PathBuf]) -> Outcome<u64> {
        let mut bytes = 0;
        for path in changed {
            let wanted = fs::read(self.one.root.join(path))?;
            if fs::read(self.two.root.join(path))? != wanted {
                return Err(format!("{} did not arrive as it was saved", path.display()).into());
            }
            bytes += wanted.len() as u64;
        }
        Ok(bytes)
    }

    /// Times what only looks, in the second clone.
    pub(super) fn looks(&self, rounds: usize) -> Outcome<Looks> {
        let Tools::Carry(_, second) = &self.tools else { return Ok(Looks::default()) };
        let root = &self.two.root;
        let mut looks = Looks::default();
        for round in 0..=rounds {
            let git_status = timed(|| captured(git(root, self.now).args(["status", "--porcelain"])))?;
            let carry_status = timed(|| second.run(root, &["status"]))?;
            let carry_prompt = timed(|| second.run(root, &["prompt"]))?;
            if round > 0 {
                looks.git_status.push(git_status);
                looks.carry_status.push(carry_status);
                looks.carry_prompt.push(carry_prompt);
            }
        }
        Ok(looks)
    }
}

fn git(root: &Path, at: u64) -> Command {
    git::command(root, Path::new("/nonexistent"), at)
}

fn timed(work: impl FnOnce() -> Outcome<String>) -> Outcome<f64> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_secs_f64() * 1000.0)
}

/// What the kit for tests panics of, as an error: here it voids a row.
fn caught<T>(work: impl FnOnce() -> T) -> Outcome<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).map_err(|panic| {
        let said = panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "a command failed".to_owned());
        said.lines().next().unwrap_or_default().to_owned().into()
    })
}

/// Bytes of `Writing objects: 100% (3/3), 1.25 KiB | 1.25 MiB/s, done.`
fn written(progress: &str) -> Option<u64> {
    let line = progress.split(['\r', '\n']).rfind(|line| line.starts_with("Writing objects: 100%"))?;
    let size = line.split(", ").nth(1)?.split(" |").next()?.trim();
    let (number, unit) = size.split_once(' ')?;
    let factor = match unit {
        "bytes" => 1.0,
        "KiB" => 1024.0,
        "MiB" => 1_048_576.0,
        "GiB" => 1_073_741_824.0,
        _ => return None,
    };
    let bytes = number.parse::<f64>().ok()? * factor;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of bytes that Git rounded")]
    Some(bytes.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::written;

    #[test]
    fn gits_own_count_is_read() {
        let said = "Counting objects: 100% (3/3), done.\rWriting objects:  50% (1/2)\rWriting objects: 100% (2/2), 1.50 KiB | 1.50 MiB/s, done.\n";
        assert_eq!(written(said), Some(1536));
        assert_eq!(written("Writing objects: 100% (3/3), 275 bytes | 275.00 KiB/s, done.\n"), Some(275));
        assert_eq!(written("Everything up-to-date\n"), None);
    }
}
