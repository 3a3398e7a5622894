//! Git remotes: settings that would publish or overwrite lines, and what the last exchanges found.

use std::collections::BTreeSet;
use std::ffi::OsStr;

use super::{Finding, Severity, command, sentence, shown};
use crate::git::{BStr, BString, ByteSlice as _};
use crate::line::quote::printable;
use crate::line::{KEEP, LINES};
use crate::publish::LineState;
use crate::registry::{Consent, Registry};
use crate::remote::{key_of, masked};
use crate::repo::Repo;

/// Keeps all refs of ours out of what a remote mirrors.
const EXCLUDE: &str = "^refs/carry*";
/// How many findings in a line that is held back are named.
const NAMED_MAX: usize = 3;

pub(super) fn examine(registry: &Registry, repo: &Repo, findings: &mut Vec<Finding>) {
    configured(repo, findings);
    links(registry, repo, findings);
}

fn configured(repo: &Repo, findings: &mut Vec<Finding>) {
    let gix = repo.gix();
    let config = gix.config_snapshot();
    let sections = config.plumbing().sections_by_name("remote").into_iter().flatten();
    let names: BTreeSet<String> = sections
        .filter_map(|section| section.header().subsection_name().map(|name| name.to_str_lossy().into_owned()))
        .collect();
    for name in names {
        let specs =
            |what: &str| config.plumbing().strings(format!("remote.{name}.{what}").as_str()).unwrap_or_default();
        let excluded = |specs: &[BString]| specs.iter().any(|spec| spec.trim().starts_with(b"^refs/carry"));
        let (fetch, push) = (specs("fetch"), specs("push"));
        let shown_name = printable(name.as_bytes().as_bstr());
        let root = shown(repo.root());
        if config.boolean(format!("remote.{name}.mirror").as_str()) == Some(true) && !excluded(&push) {
            let problem =
                format!("Pushing from {root} to the remote {shown_name} mirrors every ref, snapshots included.");
            let advice = format!(
                "Anyone who can read the remote can then read them, and its other devices' may be deleted. `git config --add remote.{shown_name}.push` with `+refs/*:refs/*` and then with `{EXCLUDE}` keeps them out."
            );
            let script = format!(
                "git -C \"$0\" config --add \"remote.$1.push\" '+refs/*:refs/*' && git -C \"$0\" config --add \"remote.$1.push\" '{EXCLUDE}'"
            );
            let fix = command(&[
                OsStr::new("sh"),
                OsStr::new("-c"),
                OsStr::new(&script),
                repo.root().as_os_str(),
                OsStr::new(&name),
            ]);
            findings.push(Finding { fix, ..Finding::new("mirror-push", Severity::Warning, problem, advice) });
        }
        if fetch.iter().any(|spec| takes_lines(spec.as_bstr())) && !excluded(&fetch) {
            let problem = format!(
                "Fetching into {root} from the remote {shown_name} overwrites snapshots' refs with whatever lies there, and with pruning deletes them."
            );
            let advice = format!("`git config --add remote.{shown_name}.fetch '{EXCLUDE}'` keeps them out.");
            let key = format!("remote.{name}.fetch");
            let git = ["git", "-C"].map(OsStr::new);
            let rest = ["config", "--add", &key, EXCLUDE].map(OsStr::new);
            let fix = command(&[&git[..], &[repo.root().as_os_str()], &rest[..]].concat());
            findings.push(Finding { fix, ..Finding::new("mirror-fetch", Severity::Warning, problem, advice) });
        }
    }
}

/// Whether a fetch refspec moves refs of ours.
fn takes_lines(spec: &BStr) -> bool {
    let spec = spec.trim();
    let Some((_, to)) = spec.strip_prefix(b"+").unwrap_or(spec).split_once_str(":") else { return false };
    let fixed = to.split_once_str("*").map_or(to, |(before, _)| before);
    let is_pattern = fixed.len() < to.len();
    [LINES, KEEP]
        .iter()
        .any(|ours| fixed.starts_with(ours.as_bytes()) || is_pattern && ours.as_bytes().starts_with(fixed))
}

/// What the last exchanges with each remote found.
fn links(registry: &Registry, repo: &Repo, findings: &mut Vec<Finding>) {
    let root = shown(repo.root());
    let links = match registry.links(repo.common_dir()) {
        Ok(links) => links,
        Err(error) => {
            let advice = "What was last found out about its remotes is not known.";
            findings.push(Finding::new("registry-unreadable", Severity::Error, sentence(&error), advice));
            return;
        }
    };
    for link in links {
        // What went wrong at an address that the name does not stand for any more is over.
        if key_of(repo, &link.remote).is_some_and(|key| key != link.url) {
            continue;
        }
        let name = printable(masked(&link.remote).as_bytes().as_bstr());
        if let Some(error) = &link.fetch_error {
            let problem =
                format!("The remote {name} of {root} could not be asked for other devices' work: {}.", plain(error));
            let advice = format!(
                "Try `git fetch {name}` there: in front of a terminal Git asks for what it lacks (a password, a host's key). In the background it may not ask, so a key or a credential helper must answer. It is tried again by itself."
            );
            findings.push(Finding::new("fetch-failed", Severity::Warning, problem, advice));
        }
        // Without consent nothing is pushed, and what once went wrong is over.
        if link.consent != Some(Consent::Agreed) {
            continue;
        }
        if let Some(error) = &link.push_error {
            let problem = format!("The last push of {root} to the remote {name} failed: {}.", plain(error));
            let advice = format!(
                "What was captured since the push before it is on this device only. `carry now --push` tries at once and may ask for a password. To stop publishing there: `carry publish --stop {name}`."
            );
            findings.push(Finding::new("push-failed", Severity::Warning, problem, advice));
        }
        // What is known of the lines fails to be read as the links do.
        for line in registry.published(repo.common_dir(), &link.url).unwrap_or_default() {
            findings.extend(stuck(&root, &name, &line.branch.display(), &line.state));
        }
    }
}

/// A line that will not be published by itself.
fn stuck(root: &str, remote: &str, branch: &str, state: &LineState) -> Option<Finding> {
    let line = format!("The branch {branch} of {root}");
    match state {
        LineState::Published | LineState::Pending => None,
        LineState::Diverged => {
            let problem = format!(
                "{line} is not published to the remote {remote}: somebody else wrote where this device's line is."
            );
            let advice = "The next push looks again, and `carry now --push` does so at once. If another machine runs with a copy of this home, this one then goes on under a new identity, and nothing is lost. If it comes back, something else writes refs below refs/carry/: a mirror of the repository, for example.";
            Some(Finding::new("push-diverged", Severity::Warning, problem, advice))
        }
        LineState::Held { findings } => {
            let named: Vec<String> =
                findings.iter().take(NAMED_MAX).map(|found| printable(found.as_bytes().as_bstr())).collect();
            let more = match findings.len().saturating_sub(NAMED_MAX) {
                0 => String::new(),
                n => format!(" and {n} more"),
            };
            let problem = format!(
                "{line} is not published to the remote {remote}, since it holds secrets: {}{more}.",
                named.join(", ")
            );
            let advice = "Remove or ignore them: the next snapshot without them is published. What is in a commit that was not pushed, or in its message, is gone only when that commit is rewritten (`git rebase -i`). If they may be seen by whoever can read the remote: `carry now --push --allow-secrets`.";
            Some(Finding::new("push-held", Severity::Warning, problem, advice))
        }
        LineState::Refused { message } => {
            let problem =
                format!("The remote {remote} refuses snapshots of the branch {branch} of {root}: {}.", plain(message));
            let advice = "A rule of the server forbids refs below refs/carry/ or their content. Ask whoever runs it, or publish to another remote (code.remotes).";
            Some(Finding::new("push-refused", Severity::Warning, problem, advice))
        }
    }
}

/// What a server said, within a sentence.
fn plain(message: &str) -> String {
    let text = printable(masked(message).as_bytes().as_bstr());
    text.trim().trim_end_matches(['.', '!']).to_owned()
}
