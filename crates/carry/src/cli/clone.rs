//! `carry clone`: a repository that is only on other devices, made here from what they exchanged.

use carry_code::git::ObjectId;
use carry_code::line::{Branch, LineName};
use carry_code::stream;
use carry_code::time;
use serde::Serialize;

use super::devices;
use crate::failure::Failure;
use crate::output::style;
use crate::text;
use crate::wire::Shell;
use crate::writers::{self, Place};

mod absent;
mod choice;
mod folder;
mod make;

use choice::Candidate;

/// Make a repository here that is only on other devices
///
/// Takes what came through the exchange: without NAME it lists the repositories of other devices that are not here. With one it
/// makes the repository in a new or empty folder, registers it, and takes over the newest work: files, what was staged, and the
/// commits of its branch. Work may stand on commits that a Git remote has; they are fetched from there when you agree.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The repository, or that of one device; lists them when missing
    #[arg(value_name = "NAME|DEVICE:NAME")]
    name: Option<String>,
    /// A new or empty folder; one called as the repository, below this one, by default
    #[arg(value_name = "DIR", requires = "name")]
    folder: Option<std::path::PathBuf>,
    /// Take over the newest work on this branch
    #[arg(long, value_name = "BRANCH", requires = "name")]
    branch: Option<String>,
    /// Fetch commits that are needed from this Git remote
    #[arg(long, value_name = "URL", requires = "name")]
    from: Option<String>,
    /// Where commits are missing, wait until the other device has sent them
    #[arg(long, conflicts_with = "from", requires = "name")]
    wait: bool,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    shell.check_config(None)?;
    let candidates = choice::candidates(shell)?;
    let Some(name) = &args.name else { return list(shell, &candidates.all) };
    let candidate = choice::find(shell, &candidates, name)?;
    let line = candidate.line(args.branch.as_deref())?;
    let folder = folder::check(shell, args.folder.as_deref(), &candidate)?;
    let cloned = make::make(shell, args, &candidate, line, &folder)?;
    report(shell, &candidate, line, &cloned)
}

/// What came of it.
struct Cloned {
    /// The working tree.
    root: std::path::PathBuf,
    /// What was taken over; nothing while it waits.
    taken: Option<Taken>,
    /// The Git remote that commits came from.
    from: Option<String>,
}

/// What was taken over.
struct Taken {
    commit: ObjectId,
    head: Option<ObjectId>,
    staged: bool,
    n_files: u64,
    problem: Option<Failure>,
}

fn report(shell: &Shell, candidate: &Candidate, line: &stream::ForeignLine, cloned: &Cloned) -> Result<(), Failure> {
    let branch = line.branch.as_ref().map(Branch::display).unwrap_or_default();
    let (root, whose) = (shell.folder(&cloned.root), super::exchange::who(line));
    let is_complete = cloned.taken.as_ref().is_some_and(|taken| taken.problem.is_none());
    if shell.out.is_json() {
        shell.out.json(&ClonedJson {
            name: &candidate.name,
            repository: &candidate.repository,
            root: text::json_file(&cloned.root),
            branch: &branch,
            device: &line.device,
            complete: is_complete,
            commit: cloned.taken.as_ref().map(|taken| taken.commit.to_string()),
            head: cloned.taken.as_ref().and_then(|taken| taken.head).map(|head| head.to_string()),
            staged: cloned.taken.as_ref().is_some_and(|taken| taken.staged),
            files: cloned.taken.as_ref().map_or(0, |taken| taken.n_files),
            from: cloned.from.as_deref(),
        })?;
    }
    let Some(taken) = &cloned.taken else {
        return Err(Failure::partly(format!("{root} is made and empty: it waits for what {whose} has to send"))
            .hint(format!(
                "`carry exchange` there sends it, `carry exchange` here takes it in, and then `carry sync` in {root} takes it over."
            ))
            .hint(format!("To give it up, `carry remove {root}` and delete the folder.")));
    };
    shell.out.say(format_args!(
        "Made {root}: {branch} of {whose}, as it was {}; {}.",
        time::age(line.time, shell.now()),
        text::count(taken.n_files, "file"),
    ))?;
    if let (None, Some(url)) = (&cloned.from, candidate.urls.first()) {
        shell.out.note(format_args!(
            "There it has the Git remote {}; `git remote add origin URL` makes it known here.",
            text::line(url)
        ));
    }
    match &taken.problem {
        None => Ok(()),
        Some(problem) => Err(Failure::partly(problem.in_one_line()).hint(format!("`carry sync` in {root} goes on."))),
    }
}

fn list(shell: &Shell, candidates: &[Candidate]) -> Result<(), Failure> {
    if shell.out.is_json() {
        return candidates.iter().try_for_each(|candidate| shell.out.json(&CandidateJson::new(candidate)));
    }
    if candidates.is_empty() {
        shell.out.note("There is no repository to clone.");
        absent::reasons(shell)?.iter().for_each(|reason| shell.out.note(reason));
        return Ok(());
    }
    for candidate in candidates {
        let named = candidates.iter().filter(|other| other.name == candidate.name).count();
        let name = shell.out.paint(style::TITLE, text::line(&candidate.name));
        let id = if named > 1 { format!(" ({})", candidate.repository) } else { String::new() };
        let urls = candidate.urls.first().map(|url| format!("  {}", text::line(url))).unwrap_or_default();
        shell.out.line(format_args!("{name}{id}{urls}"))?;
        let places: Vec<Place> = candidate.lines().map(place).collect();
        for ((line, place), word) in candidate.lines().zip(&places).zip(writers::apart(&places)) {
            let (whose, branch) = &place.line;
            let tree = word.map(|word| format!(" in {word}")).unwrap_or_default();
            shell.out.line(format_args!("  {whose}  {branch}{tree}  {}", time::age(line.time, shell.now())))?;
        }
    }
    shell.out.note("`carry clone NAME` makes one here.");
    if let Some(status) = carry_exchange::store::status::look(&shell.home)? {
        devices::unapproved(shell, &status, false)?.iter().for_each(|waiting| shell.out.note(waiting));
    }
    Ok(())
}

/// A line, as it is told from others.
fn place(line: &stream::ForeignLine) -> Place {
    let branch = line.branch.as_ref().map(Branch::display).unwrap_or_default();
    Place {
        line: (super::exchange::who(line), branch),
        tree: tree(line).unwrap_or_default(),
        name: Some(text::line(&line.name)),
    }
}

/// The id of its working tree, as `carry list` shows it there.
fn tree(line: &stream::ForeignLine) -> Option<String> {
    LineName::from_ref(&line.ref_name).map(|name| name.tree.to_string())
}

/// A repository that is not here, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "clone-candidate")]
struct CandidateJson<'a> {
    name: &'a str,
    repository: &'a str,
    urls: &'a [String],
    lines: Vec<LineJson<'a>>,
}

#[derive(Serialize)]
struct LineJson<'a> {
    log: String,
    device: &'a str,
    label: &'a str,
    branch: Option<String>,
    tree: Option<String>,
    name: &'a str,
    time: String,
}

impl<'a> CandidateJson<'a> {
    fn new(candidate: &'a Candidate) -> Self {
        let lines = candidate.lines().map(|line| LineJson {
            log: line.log.to_string(),
            device: &line.device,
            label: &line.label,
            branch: line.branch.as_ref().map(Branch::display),
            tree: tree(line),
            name: &line.name,
            time: line.time.to_rfc3339(),
        });
        Self { name: &candidate.name, repository: &candidate.repository, urls: &candidate.urls, lines: lines.collect() }
    }
}

/// What came of it, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "cloned")]
struct ClonedJson<'a> {
    name: &'a str,
    repository: &'a str,
    root: String,
    branch: &'a str,
    device: &'a str,
    complete: bool,
    commit: Option<String>,
    head: Option<String>,
    staged: bool,
    files: u64,
    from: Option<&'a str>,
}
