//! What `carry now --push` does after capturing: push the lines of a working tree to its remotes, and say what came of it.

use std::collections::BTreeSet;

use carry_code::line::Branch;
use carry_code::publish::{self, Options, Report};
use carry_code::registry::{Consent, Tree};
use carry_code::remote::Remote;
use carry_code::repo::Repo;
use carry_code::secrets::{Finding, Place};
use serde::Serialize;

use crate::failure::Failure;
use crate::links::{self, Here};
use crate::output::style;
use crate::wire::Shell;
use crate::{prompt, take, text};

/// Findings named one by one for people; JSON has all.
const NAMED_MAX: usize = 5;
/// So often a new identity is followed by another push: a third machine may write as this device, too.
const RENEWALS_MAX: usize = 3;

/// Pushes the lines of `tree` to each of its remotes; one that fails does not stop the rest.
pub(super) fn tree(shell: &Shell, tree: &Tree, allow_secrets: bool) -> Result<(), Failure> {
    let here = Here::new(shell, Repo::open(&tree.root)?, tree.clone())?;
    if !here.settings.publish {
        return Err(Failure::failed("publishing is switched off by the setting code.publish")
            .hint("`carry config show --origin` there says where it was set."));
    }
    let remotes = here.some_remotes()?;
    let (mut went, mut failures) = (false, Vec::new());
    let mut outcomes: Vec<Pushed> = Vec::new();
    for remote in remotes {
        let pushed = one(shell, &here, remote, allow_secrets);
        let is_renewed = pushed.as_ref().is_ok_and(|(report, _)| report.renewed);
        let (pushed, allowed) = match pushed {
            Ok((report, allowed)) => (Ok(report), Some(allowed)),
            Err(failure) => (Err(failure), None),
        };
        outcomes.push((remote, pushed, allowed));
        if is_renewed {
            under_new_identity(shell, &here, &mut outcomes);
        }
    }
    for (remote, pushed, _) in outcomes {
        match pushed {
            Ok(report) => {
                went |= !report.pushed.is_empty() || (report.unchanged > 0 && is_whole(&report));
                say(shell, &here, remote, &report)?;
                failures.extend(not_whole(remote, &report));
            }
            Err(failure) => {
                if shell.out.is_json() {
                    shell.out.json(&PushJson::failed(&here, remote, &failure))?;
                }
                failures.push(failure);
            }
        }
    }
    let several = failures.len() > 1;
    let Some(last) = failures.pop() else { return Ok(()) };
    for failure in &failures {
        show(shell, failure);
    }
    match (went, several) {
        (true, _) => Err(last.into_partly()),
        (false, _) => Err(last),
    }
}

fn show(shell: &Shell, failure: &Failure) {
    shell.out.warn(failure.in_one_line());
    for hint in failure.hints() {
        shell.out.problem(style::HINT, "Hint", hint);
    }
}

/// What a push to a remote came to, and whether secrets may go there; `None` where nothing may.
type Pushed<'a> = (&'a Remote, Result<Report, Failure>, Option<bool>);

/// After a new identity: captures under it, and pushes again wherever something was pushed.
fn under_new_identity(shell: &Shell, here: &Here, outcomes: &mut [Pushed<'_>]) {
    for _ in 0..RENEWALS_MAX {
        if let Err(failure) = recapture(shell, here) {
            if let Some((_, pushed, _)) = outcomes.last_mut() {
                *pushed = Err(failure);
            }
            return;
        }
        let mut is_renewed = false;
        for (remote, pushed, allowed) in outcomes.iter_mut() {
            let (Ok(before), Some(allow_secrets)) = (&*pushed, *allowed) else { continue };
            let again = links::push(shell, here, remote, &Options { allow_secrets, ..Options::default() });
            is_renewed |= again.as_ref().is_ok_and(|again| again.renewed);
            *pushed = again.map(|again| added(before, again));
        }
        if !is_renewed {
            return;
        }
    }
}

/// Captures once more: what was captured before says another device.
fn recapture(shell: &Shell, here: &Here) -> Result<(), Failure> {
    // A daemon learns of the new identity first, since it captures if it runs.
    shell.reload_daemon();
    take::each(shell, vec![here.tree.clone()], false).into_iter().try_for_each(|(_, taken)| taken.map(drop))
}

/// What two pushes to a remote came to: how things stand is what the later one says.
fn added(before: &Report, mut report: Report) -> Report {
    let earlier: Vec<Branch> = before.pushed.iter().filter(|b| !report.pushed.contains(b)).cloned().collect();
    report.pushed.splice(0..0, earlier);
    report.bytes = report.bytes.saturating_add(before.bytes);
    report.renewed |= before.renewed;
    report
}

/// Asks where something is to be asked, and pushes. Returns whether secrets may go out, too.
fn one(shell: &Shell, here: &Here, remote: &Remote, allow_secrets: bool) -> Result<(Report, bool), Failure> {
    let consent = links::consent(shell, here, remote)?;
    if consent == Some(Consent::Declined) && !shell.options.yes {
        return Err(Failure::failed(format!("you declined to publish to {}", text::line(&remote.shown_name())))
            .hint("`carry publish` shows what would leave, and agrees; --yes agrees at once."));
    }
    if consent != Some(Consent::Agreed) {
        if !links::ask(shell, here, remote, "--yes agrees, and so does `carry publish`.")? {
            links::withdraw(shell, here, remote)?;
            return Err(Failure::failed(format!("nothing was published to {}", text::line(&remote.shown_name())))
                .hint("`carry publish` agrees later; you are not asked again until then."));
        }
        links::agree(shell, here, remote)?;
        shell.reload_daemon();
    }
    let allow_secrets = allow_secrets || may_publish_secrets(shell, here, remote)?;
    Ok((links::push(shell, here, remote, &Options { allow_secrets, ..Options::default() })?, allow_secrets))
}

/// Asks about secrets that would leave. `--yes` does not answer this: it has a flag of its own.
fn may_publish_secrets(shell: &Shell, here: &Here, remote: &Remote) -> Result<bool, Failure> {
    if !prompt::can_ask(shell) || shell.options.yes {
        // What holds some is held back then, and named.
        return Ok(false);
    }
    let found = publish::secrets(&here.ctx, &here.repo, &here.tree, remote)?;
    if found.is_empty() {
        return Ok(false);
    }
    for (branch, findings) in &found {
        shell.out.warn(format_args!("{} would publish what looks like secrets: {}", branch.display(), named(findings)));
    }
    let question = format!("Publish them to {} all the same?", remote.shown_name());
    prompt::confirm(shell, &question, "--allow-secrets publishes them.")
}

/// Whether everything went out, be it in git-pulsar's layout.
fn is_whole(report: &Report) -> bool {
    report.held.is_empty() && refused(report).next().is_none()
}

/// What was refused and is not there in git-pulsar's layout either.
fn refused(report: &Report) -> impl Iterator<Item = &(Branch, String)> {
    report.refused.iter().filter(|(branch, _)| !report.streamed.contains(branch))
}

/// Says what was pushed, and what was not.
fn say(shell: &Shell, here: &Here, remote: &Remote, report: &Report) -> Result<(), Failure> {
    if shell.out.is_json() {
        shell.out.json(&PushJson::new(here, remote, report))?;
    }
    let name = text::line(&remote.shown_name());
    for branch in &report.pushed {
        let how = if report.streamed.contains(branch) { " in git-pulsar's layout" } else { "" };
        shell.out.say(format_args!("published {} to {name}{how}", shell.out.paint(style::GOOD, branch.display())))?;
    }
    if report.pushed.is_empty() && is_whole(report) {
        shell.out.say(format_args!("{name} has everything already"))?;
    }
    for (branch, findings) in &report.held {
        shell.out.warn(format_args!("{} was held back from {name}: {}", branch.display(), named(findings)));
    }
    for (branch, message) in report.refused.iter().filter(|(branch, _)| report.streamed.contains(branch)) {
        shell.out.note(format_args!(
            "{name} refused {} below refs/carry/ ({}); it is there in git-pulsar's layout only.",
            branch.display(),
            text::line(message)
        ));
    }
    for (branch, message) in refused(report) {
        shell.out.warn(format_args!("{name} refused {}: {}", branch.display(), text::line(message)));
    }
    Ok(())
}

/// What the command ends with when lines were held back or refused.
fn not_whole(remote: &Remote, report: &Report) -> Option<Failure> {
    let name = text::line(&remote.shown_name());
    let lines = |n: usize| text::count(u64::try_from(n).unwrap_or(u64::MAX), "line");
    let refused = refused(report).count();
    let mut failure = match (report.held.len(), refused) {
        (0, 0) => return None,
        (held, 0) => Failure::failed(format!("{} held back from {name}: secrets would be published", were(held))),
        (0, refused) => Failure::failed(format!("{name} refused {}", lines(refused))),
        (held, refused) => {
            Failure::failed(format!("{} held back from {name}, and {} refused", were(held), lines(refused)))
        }
    };
    if !report.held.is_empty() {
        let places: BTreeSet<Place> = report.held.iter().flat_map(|(_, found)| found).map(|one| one.place).collect();
        failure = places.into_iter().map(way_out).fold(failure, Failure::hint);
        failure = failure.hint("--allow-secrets publishes them all the same.");
    }
    if refused > 0 {
        failure = failure.hint("What the remote said tells why; `carry publish --stop` ends the trying.");
    }
    if report.pushed.is_empty() { Some(failure) } else { Some(failure.into_partly()) }
}

/// How a secret does not go out, by what it is in.
fn way_out(place: Place) -> &'static str {
    match place {
        Place::File => "`carry ignore GLOB` leaves the files out; then `carry now --push` again.",
        Place::Name => {
            "Rename the file or folder, or leave it out with `carry ignore GLOB`; then `carry now --push` again."
        }
        Place::Commit => {
            "A commit that was not pushed has it, whatever is in the file now: `git rebase -i` takes it out of the commit."
        }
        Place::Message => {
            "`git commit --amend` or `git rebase -i` changes the message of a commit that was not pushed."
        }
        Place::Snapshot => "A snapshot names the files that changed; the next one names others.",
        Place::Branch => "`git branch -m` renames the branch.",
    }
}

/// `1 line was`, `2 lines were`.
fn were(n: usize) -> String {
    if n == 1 { "1 line was".to_owned() } else { format!("{n} lines were") }
}

fn named(findings: &[Finding]) -> String {
    let one = |finding: &Finding| match finding.line {
        0 => format!("{} ({})", text::line(&finding.path), finding.kind),
        line => format!("{}:{line} ({})", text::line(&finding.path), finding.kind),
    };
    let mut names: Vec<String> = findings.iter().take(NAMED_MAX).map(one).collect();
    if findings.len() > NAMED_MAX {
        names.push(format!("{} more", findings.len() - NAMED_MAX));
    }
    names.join(", ")
}

/// What a push to one remote came to, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "push")]
struct PushJson<'a> {
    repository: &'a str,
    root: String,
    remote: String,
    url: String,
    pushed: Vec<Option<String>>,
    unchanged: usize,
    held: Vec<HeldJson>,
    refused: Vec<RefusedJson<'a>>,
    /// Those of the refused ones that are there in git-pulsar's layout.
    streamed: Vec<Option<String>>,
    bytes: u64,
    renewed: bool,
    error: Option<String>,
}

#[derive(Serialize)]
struct HeldJson {
    branch: Option<String>,
    findings: Vec<FindingJson>,
}

#[derive(Serialize)]
struct FindingJson {
    path: String,
    kind: &'static str,
    line: u64,
}

#[derive(Serialize)]
struct RefusedJson<'a> {
    branch: Option<String>,
    message: &'a str,
}

impl<'a> PushJson<'a> {
    fn new(here: &'a Here, remote: &'a Remote, report: &'a Report) -> Self {
        let finding = |f: &Finding| FindingJson { path: f.path.clone(), kind: f.kind, line: f.line };
        let held = |(branch, findings): &(Branch, Vec<Finding>)| HeldJson {
            branch: branch_json(branch),
            findings: findings.iter().map(finding).collect(),
        };
        Self {
            repository: here.tree.id.as_str(),
            root: text::json_file(&here.tree.root),
            remote: remote.shown_name(),
            url: remote.shown(),
            pushed: report.pushed.iter().map(branch_json).collect(),
            unchanged: report.unchanged,
            held: report.held.iter().map(held).collect(),
            refused: report
                .refused
                .iter()
                .map(|(branch, message)| RefusedJson { branch: branch_json(branch), message })
                .collect(),
            streamed: report.streamed.iter().map(branch_json).collect(),
            bytes: report.bytes,
            renewed: report.renewed,
            error: None,
        }
    }

    fn failed(here: &'a Here, remote: &'a Remote, failure: &Failure) -> Self {
        Self {
            repository: here.tree.id.as_str(),
            root: text::json_file(&here.tree.root),
            remote: remote.shown_name(),
            url: remote.shown(),
            pushed: Vec::new(),
            unchanged: 0,
            held: Vec::new(),
            refused: Vec::new(),
            streamed: Vec::new(),
            bytes: 0,
            renewed: false,
            error: Some(failure.in_one_line()),
        }
    }
}

/// A branch for machines; nothing for a detached HEAD.
pub(super) fn branch_json(branch: &Branch) -> Option<String> {
    match branch {
        Branch::Named(name) => Some(text::json_path(name.as_ref())),
        Branch::Detached => None,
    }
}
