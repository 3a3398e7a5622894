//! One `git push` of all seals, each with a lease, and what came of each.

use std::collections::HashMap;

use super::Ready;
use super::sealing::Sealed;
use crate::git::{ByteSlice as _, ObjectId};
use crate::remote::{Io, Output, Quarantine, Remote, RemoteError, Run, command, masked, push_target};
use crate::repo::Repo;

/// So many lines are pushed at a time at most: a command line has an end.
pub(super) const LINES_MAX: usize = 500;

/// What became of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is there.
    Done,
    /// Something else is there than was thought.
    Stale,
    /// The remote refused it, and said this.
    Refused(String),
}

/// What a push did.
pub(super) struct Sent {
    /// In the order of the lines.
    pub(super) fates: Vec<Fate>,
    /// Bytes sent, as far as Git says.
    pub(super) bytes: u64,
}

/// Pushes `sealed`, the seals of `ready`.
pub(super) fn send(
    repo: &Repo,
    remote: &Remote,
    ready: &[Ready],
    sealed: &[Sealed],
    quarantine: &Quarantine,
    io: &Io<'_>,
) -> Result<Sent, RemoteError> {
    (io.progress)("sending", 0, ready.len() as u64);
    let push = Push { repo, remote, target: push_target(repo, remote), quarantine, io };
    let steps: Vec<Step> = ready
        .iter()
        .zip(sealed)
        .map(|(ready, sealed)| Step { name: ready.due.name.ref_name(), from: ready.due.there(), to: Some(sealed.id) })
        .collect();
    let (mut fates, mut bytes) = push.run(&steps)?;
    // Some servers let no ref go to what does not descend from it. They may let it be removed and made anew.
    for (step, fate) in steps.iter().zip(&mut fates) {
        let forbidden = matches!(fate, Fate::Refused(message) if message.contains("non-fast-forward"));
        if !forbidden || step.from.is_none() {
            continue;
        }
        let (removed, _) = push.run(&[Step { to: None, ..step.clone() }])?;
        if removed != [Fate::Done] {
            continue;
        }
        let (made, more) = push.run(&[Step { from: None, ..step.clone() }])?;
        *fate = made.into_iter().next().unwrap_or(Fate::Stale);
        bytes = u64::saturating_add(bytes, more);
    }
    Ok(Sent { fates, bytes })
}

/// A ref there, and where it goes.
#[derive(Clone, Debug)]
struct Step {
    name: String,
    from: Option<ObjectId>,
    to: Option<ObjectId>,
}

struct Push<'a> {
    repo: &'a Repo,
    remote: &'a Remote,
    target: String,
    quarantine: &'a Quarantine,
    io: &'a Io<'a>,
}

impl Push<'_> {
    fn run(&self, steps: &[Step]) -> Result<(Vec<Fate>, u64), RemoteError> {
        let mut git = command(self.repo, self.io);
        self.quarantine.redirect(&mut git);
        git.args(["-c", "push.negotiate=false"]);
        git.args(["push", "--no-verify", "--no-follow-tags", "--no-signed", "--recurse-submodules=no", "--porcelain"]);
        git.args(["--progress", "--no-force-if-includes"]);
        let id = |id: Option<ObjectId>| id.map(|id| id.to_string()).unwrap_or_default();
        git.args(steps.iter().map(|step| format!("--force-with-lease={}:{}", step.name, id(step.from))));
        git.args(["--", &self.target]);
        git.args(steps.iter().map(|step| format!("{}:{}", id(step.to), step.name)));
        let mut run = Run::new(git, self.remote);
        run.output_max = 16 << 20;
        let output = run.run(self.io)?;
        let results = parse(&output);
        if results.is_empty() && !output.success {
            return Err(output.failure(self.remote));
        }
        let unknown = || Fate::Refused("the remote did not say what became of it".to_owned());
        let fates = steps.iter().map(|step| results.get(&step.name).cloned().unwrap_or_else(unknown)).collect();
        Ok((fates, output.sent))
    }
}

/// Reads what `git push --porcelain` prints, by ref.
fn parse(output: &Output) -> HashMap<String, Fate> {
    let mut results = HashMap::new();
    for line in output.stdout.lines() {
        let mut parts = line.splitn(3, |b| *b == b'\t');
        let (Some(flag), Some(refs), Some(summary)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let Some((_, to)) = refs.rsplit_once_str(":") else { continue };
        let fate = if flag == b"!" { refusal(&summary.to_str_lossy(), &output.said) } else { Fate::Done };
        results.insert(to.to_str_lossy().into_owned(), fate);
    }
    results
}

/// What `[remote rejected] (hook declined)` means, with what the remote said besides.
fn refusal(summary: &str, said: &[String]) -> Fate {
    let why = summary.rsplit_once(" (").map_or(summary, |(_, why)| why.trim_end_matches(')'));
    let raced = [
        "stale info",
        "fetch first",
        "cannot lock ref",
        "failed to update ref",
        "failed to lock",
        "reference already exists",
    ];
    if raced.iter().any(|word| summary.contains(word)) {
        return Fate::Stale;
    }
    let remote: Vec<&str> = said.iter().filter_map(|line| line.strip_prefix("remote:")).map(str::trim).collect();
    let remote = remote.iter().filter(|line| !line.is_empty()).take(5).copied().collect::<Vec<_>>().join(" ");
    let message = if remote.is_empty() { why.to_owned() } else { format!("{why}: {remote}") };
    let message: String = masked(&message).chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect();
    Fate::Refused(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fate(line: &str, said: &[&str]) -> Fate {
        let output = Output {
            stdout: format!("To /there\n{line}\nDone\n").into_bytes(),
            said: said.iter().map(|s| (*s).to_owned()).collect(),
            ..Output::default()
        };
        parse(&output).remove("refs/carry/a/b/c").expect("the ref is named")
    }

    #[test]
    fn each_ref_has_its_own_fate() {
        assert_eq!(fate("*\t12:refs/carry/a/b/c\t[new reference]", &[]), Fate::Done);
        assert_eq!(fate("+\t12:refs/carry/a/b/c\t1...2 (forced update)", &[]), Fate::Done);
        assert_eq!(fate("=\t12:refs/carry/a/b/c\t[up to date]", &[]), Fate::Done);
        assert_eq!(fate("!\t12:refs/carry/a/b/c\t[rejected] (stale info)", &[]), Fate::Stale);
        assert_eq!(fate("!\t12:refs/carry/a/b/c\t[remote rejected] (cannot lock ref 'x')", &[]), Fate::Stale);
    }

    #[test]
    fn a_refusal_carries_what_the_remote_said_without_passwords() {
        let said =
            ["remote: not on a Sunday", "remote: see https://me:secret@host/why", "error: failed to push some refs"];
        let Fate::Refused(message) =
            fate("!\t12:refs/carry/a/b/c\t[remote rejected] (pre-receive hook declined)", &said)
        else {
            panic!("it was refused")
        };
        assert_eq!(message, "pre-receive hook declined: not on a Sunday see https://host/why");
    }
}
