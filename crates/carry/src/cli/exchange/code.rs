//! Where uncommitted code stands in the exchange: what is held back here, and what came and is not in its place.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use carry_code::doctor::{Finding, Severity};
use carry_code::secrets::Place;
use carry_code::stream::{self, ForeignLine, LineStanding, OwnLine, Unanswered};
use carry_exchange::store::LogState;
use carry_exchange::store::status;
use serde::Serialize;

use super::names::Names;
use crate::failure::Failure;
use crate::output::style;
use crate::text;
use crate::wire::Shell;

/// Notes of a kind that are given one by one for people.
const NAMED_MAX: usize = 5;

/// How a line, or a repository, stands that is not where it should be.
#[derive(Serialize)]
#[serde(tag = "type", rename = "exchange-code")]
pub(super) struct Note {
    kind: Kind,
    /// The repository here.
    root: Option<String>,
    /// What it is called.
    name: String,
    branch: Option<String>,
    log: Option<String>,
    device: Option<String>,
    reason: Option<String>,
    advice: String,
    #[serde(skip)]
    text: String,
}

/// What is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    /// A line of this device would say secrets.
    Held,
    /// Its pack would be too large.
    TooLarge,
    /// It could not be said.
    Failed,
    /// Another device asks for more of it, and does not get that.
    Unanswered,
    /// A line that came is not taken.
    Refused,
    /// A line stayed though its log does not count any more.
    Left,
    /// Lines of a repository that is not here.
    Elsewhere,
}

impl Kind {
    /// Whether work of this device does not go out because of it.
    fn is_ours(self) -> bool {
        matches!(self, Self::Held | Self::TooLarge | Self::Failed)
    }
}

/// Everything that there is to say; nothing where code is not exchanged.
pub(super) fn notes(shell: &Shell) -> Result<Vec<Note>, Failure> {
    if !shell.exchange().remotes.iter().any(|remote| remote.has_code) {
        return Ok(Vec::new());
    }
    let Some(ctx) = shell.existing_context()? else { return Ok(Vec::new()) };
    let standing = stream::standing(&ctx)?;
    let mut notes: Vec<Note> = standing.own.iter().filter_map(|line| own(shell, line)).collect();
    if !standing.unanswered.is_empty() {
        let names = Names::read(shell)?;
        notes.extend(standing.unanswered.iter().map(|asked| unanswered(shell, asked, &names)));
    }
    for line in &standing.foreign {
        notes.extend(refused(shell, line));
    }
    for (common_dir, ref_name, why) in &standing.left {
        let root = root_of(common_dir);
        notes.push(Note {
            kind: Kind::Left,
            text: format!("{} stayed in {}: {}", text::line(ref_name), shell.folder(root), text::line(why)),
            root: Some(text::json_file(root)),
            name: ref_name.clone(),
            branch: None,
            log: None,
            device: None,
            reason: Some(why.clone()),
            advice: "Nobody approves it any more, and it was moved on since: `git update-ref -d REF` removes it."
                .to_owned(),
        });
    }
    let is_revoked = revoked(shell)?;
    notes.extend(elsewhere(standing.foreign.iter().filter(|line| line.is_phantom() && !is_revoked(line))));
    notes.sort_by_key(|note| note.kind);
    Ok(notes)
}

fn own(shell: &Shell, line: &OwnLine) -> Option<Note> {
    let root = root_of(&line.common_dir);
    let (branch, place) = (line.branch.display(), shell.folder(root));
    let (kind, text, reason, advice) = match &line.standing {
        LineStanding::Said => return None,
        LineStanding::Held { findings, places } => {
            let shown = shown(findings);
            let text = format!("{branch} of {place} is held back, since it holds what looks like a secret: {shown}");
            let ways = way_out(places);
            (Kind::Held, text, findings.join(", "), ways)
        }
        LineStanding::TooLarge { message } => {
            let advice = "`carry ignore` leaves large files out; it goes with the next capture that is small enough.";
            let text = format!("{branch} of {place} is too large to be sent: {}", text::line(message));
            (Kind::TooLarge, text, message.clone(), advice.to_owned())
        }
        LineStanding::Failed { message } => {
            let advice = match message.contains("missing blob") || message.contains("promisor") {
                true => {
                    "It is a partial clone, and what is to be said is not in it; `git fetch --refetch --no-filter` gets it."
                }
                false => "It is tried again. `carry doctor` looks for what is wrong with the repository.",
            };
            let text = format!("{branch} of {place} could not be sent: {}", text::line(message));
            (Kind::Failed, text, message.clone(), advice.to_owned())
        }
    };
    Some(Note {
        kind,
        root: Some(text::json_file(root)),
        name: name_of(root),
        branch: Some(branch),
        log: None,
        device: None,
        reason: Some(reason),
        advice,
        text,
    })
}

/// What was found, for people.
fn shown(findings: &[String]) -> String {
    let mut shown = findings.iter().take(NAMED_MAX).map(|one| text::line(one)).collect::<Vec<_>>().join(", ");
    if findings.len() > NAMED_MAX {
        shown.push_str(&format!(" and {} more", findings.len() - NAMED_MAX));
    }
    shown
}

/// What another device asks for, as it lacks what newer work stands on.
fn unanswered(shell: &Shell, asked: &Unanswered, names: &Names) -> Note {
    let root = root_of(&asked.common_dir);
    let branch = asked.branch.as_ref().map(carry_code::line::Branch::display);
    let what = format!("{} of {}", branch.as_deref().unwrap_or("a commit"), shell.folder(root));
    let who = asked.asked_by.iter().map(|log| names.show(*log)).collect::<Vec<_>>().join(", ");
    let asks = format!("{who} asks for all of {what} with its history");
    let elsewhere = "What that device lacks it may have from the Git remote: `git fetch` there, in a partial clone `git fetch --refetch \
                     --no-filter`, gets it.";
    let (text, reason, advice) = match &asked.standing {
        LineStanding::Held { findings, .. } => (
            format!("{asks}, which is held back, since that holds what looks like a secret: {}", shown(findings)),
            findings.join(", "),
            "`carry config set code.exchange_secrets send` here sends it as it is. To rewrite the commits takes it out of what is said \
             from then on, not of what is asked for.",
        ),
        LineStanding::TooLarge { message } => {
            (format!("{asks}, which is too large to be sent: {}", text::line(message)), message.clone(), "")
        }
        LineStanding::Said => (asks, String::new(), ""),
        LineStanding::Failed { message } => (
            format!("{asks}, which could not be made: {}", text::line(message)),
            message.clone(),
            "It is tried again, at least once a day.",
        ),
    };
    Note {
        kind: Kind::Unanswered,
        root: Some(text::json_file(root)),
        name: name_of(root),
        branch,
        log: asked.asked_by.first().map(ToString::to_string),
        device: asked.asked_by.first().and_then(|log| names.get(*log)?.device.clone()),
        reason: Some(reason),
        advice: format!("{elsewhere} {advice}").trim_end().to_owned(),
        text,
    }
}

/// What others ask for and do not get, for `doctor`.
pub(super) fn findings(shell: &Shell) -> Vec<Finding> {
    // What cannot be read is told by what reads all of it.
    let notes = notes(shell).unwrap_or_default().into_iter().filter(|note| note.kind == Kind::Unanswered);
    let finding = |note: Note| Finding {
        code: "exchange-unanswered",
        severity: Severity::Warning,
        problem: format!("{}.", note.text.trim_end_matches('.')),
        advice: note.advice,
        fix: None,
    };
    notes.map(finding).collect()
}

/// How what is held back for secrets gets out, by what these are in.
fn way_out(places: &[Place]) -> String {
    // An earlier version did not say which.
    let places: &[Place] = if places.is_empty() { &[Place::File, Place::Commit] } else { places };
    let mut ways: Vec<&str> = places
        .iter()
        .map(|place| match place {
            Place::File => "Take it out of the file and of what is staged, or leave the file out with `carry ignore`.",
            Place::Name => "Rename the file or folder, or leave it out with `carry ignore`.",
            Place::Commit => {
                "A commit that was not pushed has it, whatever is in the file now: `git rebase -i` takes it out of the commit."
            }
            Place::Message => "`git commit --amend` or `git rebase -i` changes the message of a commit that was not pushed.",
            Place::Snapshot => "A snapshot names the files that changed; the next one names others.",
            Place::Branch => "`git branch -m` renames the branch.",
        })
        .collect();
    ways.push("Then it goes with the next capture. `carry config set code.exchange_secrets send` sends it as it is.");
    ways.join(" ")
}

/// A line that came and is not taken.
fn refused(shell: &Shell, line: &ForeignLine) -> Vec<Note> {
    let branch = line.branch.as_ref().map(carry_code::line::Branch::display);
    let what = format!("{} of {}", branch.as_deref().unwrap_or("a branch"), who(line));
    let note = |root: Option<&Path>, text: String, reason: &str, advice: &str| Note {
        kind: Kind::Refused,
        root: root.map(text::json_file),
        name: line.name.clone(),
        branch: branch.clone(),
        log: Some(line.log.to_string()),
        device: Some(line.device.clone()),
        reason: Some(reason.to_owned()),
        advice: advice.to_owned(),
        text,
    };
    let unreadable = line.problem.iter().map(|why| {
        let text = format!("a line of {} cannot be read: {}", who(line), text::line(why));
        note(None, text, why, "Its device runs a program that is broken or not Carry: update it there.")
    });
    let refused = line.refused.iter().map(|refusal| {
        let root = root_of(&refusal.common_dir);
        let (word, advice) = match refusal.is_tried_again {
            true => ("could not be taken", "It is tried again with each exchange."),
            false => (
                "is not taken",
                "What was there stays. A device that was set up anew has a new key: `carry devices` shows both.",
            ),
        };
        let text = format!("{what} {word} into {}: {}", shell.folder(root), text::line(&refusal.why));
        note(Some(root), text, &refusal.why, advice)
    });
    unreadable.chain(refused).collect()
}

/// Tells lines of devices that were revoked from others.
pub(in crate::cli) fn revoked(shell: &Shell) -> Result<impl Fn(&ForeignLine) -> bool, Failure> {
    let known = shell.registry_to_read()?.map(|registry| registry.devices()).transpose()?.unwrap_or_default();
    let status = status::look(&shell.home)?;
    Ok(move |line: &ForeignLine| {
        let log = status.as_ref().and_then(|status| status.log(line.log));
        log.is_some_and(|log| log.row.state == LogState::Revoked)
            || known.iter().any(|known| known.id == line.device && known.is_revoked)
    })
}

/// Repositories that are not here, of the lines of others that wait for them. Devices may call one by several names: the newest
/// counts, as where it is cloned.
fn elsewhere<'l>(lines: impl Iterator<Item = &'l ForeignLine>) -> Vec<Note> {
    let mut by_repository: BTreeMap<&str, Vec<&ForeignLine>> = BTreeMap::new();
    for line in lines {
        by_repository.entry(&line.repository).or_default().push(line);
    }
    let note = |(repository, mut lines): (&str, Vec<&ForeignLine>)| {
        lines.sort_by(|a, b| (b.time, &b.ref_name).cmp(&(a.time, &a.ref_name)));
        let name = lines.first().map_or(repository, |line| &line.name);
        let mut whose: Vec<String> = lines.iter().map(|line| who(line)).collect();
        whose.sort();
        whose.dedup();
        let word = if is_plain(name) { name } else { repository };
        Note {
            kind: Kind::Elsewhere,
            root: None,
            name: name.to_owned(),
            branch: None,
            log: lines.first().map(|line| line.log.to_string()),
            device: lines.first().map(|line| line.device.clone()),
            reason: None,
            text: format!("{} of {} is not here: `carry clone {word}` brings it", text::line(name), whose.join(", ")),
            advice: format!("`carry clone {word}` makes it here; `carry add` registers a clone that you have already."),
        }
    };
    let mut notes: Vec<Note> = by_repository.into_iter().map(note).collect();
    notes.sort_by(|a, b| a.name.cmp(&b.name));
    notes
}

/// Whether a shell takes a name as it is.
pub(in crate::cli) fn is_plain(name: &str) -> bool {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !name.is_empty() && !name.starts_with(['-', '.']) && name.chars().all(is_fit)
}

/// Whose a line is.
pub(in crate::cli) fn who(line: &ForeignLine) -> String {
    text::line(if line.label.is_empty() { &line.alias } else { &line.label })
}

/// The folder of a repository for people.
pub(in crate::cli) fn root_of(common_dir: &Path) -> &Path {
    match common_dir.parent() {
        Some(parent) if common_dir.file_name().is_some_and(|name| name == ".git") => parent,
        _ => common_dir,
    }
}

fn name_of(root: &Path) -> String {
    root.file_name().map_or(String::new(), |name| text::json_file(Path::new(name)))
}

/// Says it after an exchange; whether something of ours stayed here that was to go out.
pub(super) fn show(shell: &Shell) -> Result<bool, Failure> {
    let notes = notes(shell)?;
    show_these(shell, &notes)?;
    Ok(notes.iter().any(|note| note.kind.is_ours()))
}

/// What was said already where exchanges go on.
#[derive(Debug, Default)]
pub(super) struct Shown(BTreeSet<String>);

impl Shown {
    /// Says what was not so after the exchange before.
    pub(super) fn show_new(&mut self, shell: &Shell) -> Result<(), Failure> {
        let mut notes = notes(shell)?;
        let now: BTreeSet<String> = notes.iter().map(|note| note.text.clone()).collect();
        notes.retain(|note| !self.0.contains(&note.text));
        self.0 = now;
        show_these(shell, &notes)
    }
}

fn show_these(shell: &Shell, notes: &[Note]) -> Result<(), Failure> {
    if shell.out.is_json() {
        return notes.iter().try_for_each(|note| shell.out.json(note));
    }
    for of_kind in notes.chunk_by(|a, b| a.kind == b.kind) {
        let Some(first) = of_kind.first() else { continue };
        for note in of_kind.iter().take(NAMED_MAX) {
            match first.kind {
                Kind::Elsewhere => shell.out.note(format_args!("{}.", note.text)),
                _ => shell.out.warn(&note.text),
            }
        }
        if of_kind.len() > NAMED_MAX {
            shell.out.note(format_args!("And {} more; `carry exchange stats` names them.", of_kind.len() - NAMED_MAX));
        }
        if first.kind != Kind::Elsewhere {
            let advice: BTreeSet<&str> = of_kind.iter().take(NAMED_MAX).map(|note| note.advice.as_str()).collect();
            advice.iter().for_each(|advice| shell.out.problem(style::HINT, "Hint", advice));
        }
    }
    Ok(())
}

/// All of it, as a part of `stats`.
pub(super) fn stats(shell: &Shell) -> Result<(), Failure> {
    let notes = notes(shell)?;
    if shell.out.is_json() {
        return notes.iter().try_for_each(|note| shell.out.json(note));
    }
    if notes.is_empty() {
        return Ok(());
    }
    shell.out.line(shell.out.paint(style::TITLE, "Code that is not in its place"))?;
    notes.iter().try_for_each(|note| shell.out.line(format_args!("  {}", note.text)))
}

/// How many lines of this device do not go out, and what others ask for and do not get: rows of `status`.
pub(super) fn in_a_word(shell: &Shell) -> Result<Vec<String>, Failure> {
    let notes = notes(shell)?;
    let mut rows = Vec::new();
    let n = notes.iter().filter(|note| note.kind.is_ours()).count();
    if n > 0 {
        let branches = if n == 1 { "1 branch is".to_owned() } else { format!("{n} branches are") };
        rows.push(format!("{branches} held back or could not be sent; `carry exchange stats` says why"));
    }
    let unanswered = notes.into_iter().filter(|note| note.kind == Kind::Unanswered);
    rows.extend(unanswered.map(|note| format!("{}; `carry doctor` says what to do", note.text)));
    Ok(rows)
}
