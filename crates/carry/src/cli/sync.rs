//! `carry sync`: take over another device's work.

use carry_code::drift;
use carry_code::git::{ByteSlice as _, ObjectId};
use carry_code::handoff::{self, Handoff};
use carry_code::line::Branch;
use carry_code::merge::Choice;
use carry_code::refs;
use carry_code::registry::KnownDevice;
use carry_code::restore::Plan;
use carry_code::seen::Relation;
use carry_code::snapshot::Snapshot;
use carry_code::time;
use carry_code::tips::{self, Tip, Trust, Writer};
use carry_exchange::store::status;

use super::devices;
use super::settle::{self, Flags};
use super::sync_json::{SyncPlanJson, SyncedJson};
use super::takeover::{self, Carried};
use super::{restore, theirs, undo};
use crate::failure::Failure;
use crate::links::{self, Here, Known};
use crate::output::style;
use crate::size::Size;
use crate::wire::Shell;
use crate::{prompt, take, text, writers};

/// What answers the question.
const HINT: &str = "--yes takes it over, --dry-run shows what would be done.";

/// Take over newer work of another device
///
/// Fetches what other devices published, captures what is here, and brings the working tree to the newest work on this
/// branch: files, deletions, what was staged, and new commits where this branch has none of its own. What both sides changed
/// is merged. `carry undo` brings everything back.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Take over this device's work; one met at a Git remote and not approved yet is approved with it
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// Check this branch out and take over the work on it
    #[arg(long, value_name = "BRANCH")]
    branch: Option<String>,
    #[command(flatten)]
    conflicts: Flags,
    /// Take the last sync here back
    #[arg(long, conflicts_with_all = ["device", "branch", "ours", "theirs", "markers", "offline"])]
    abort: bool,
    /// Do not ask the remotes; use what was fetched before
    #[arg(long)]
    offline: bool,
    /// Show what would be done
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let here = Here::open(shell)?;
    if args.abort {
        return abort(shell, &here, args.dry_run);
    }
    let branch = args.branch.as_ref().map_or_else(|| here.branch.clone(), |name| writers::branch(name));
    if branch == Branch::Detached {
        return Err(Failure::failed("no branch is checked out, and work is taken over branch by branch")
            .hint("`git switch BRANCH` checks one out, and so does --branch."));
    }
    sync(shell, &here, &branch, args)
}

fn sync(shell: &Shell, here: &Here, branch: &Branch, args: &Args) -> Result<(), Failure> {
    complete(shell, here, args.dry_run)?;
    let known = links::fetch(shell, here, args.offline)?;
    let current = take::one_even_empty(shell, &here.tree)?;
    links::remember(here);
    let Some(chosen) = choose(shell, here, branch, args)? else {
        return up_to_date(shell, here, branch, &known);
    };
    let switch = (*branch != here.branch).then_some(branch);
    let mut handoff = handoff::plan(&here.ctx, &here.repo, &here.tree, &current, &chosen.tip, switch)?;
    say_plan(shell, here, &chosen, &handoff, branch)?;
    if args.dry_run && chosen.tip.trust == Trust::Unknown {
        shell.out.note(format_args!(
            "{} ({}) is not approved yet: taking this over approves it, and so does `carry devices approve {}`.",
            chosen.name,
            text::line(&chosen.tip.writer.id()),
            writers::word(&chosen.tip)
        ));
    }
    let conflicts = handoff.merged.conflicts.clone();
    if args.dry_run && !conflicts.is_empty() && !args.conflicts.settle_all() {
        return show_conflicts(shell, here, &chosen, &handoff);
    }
    let settled = settle::settle(shell, &here.repo, &mut handoff, &args.conflicts);
    let choices = settled.inspect_err(|_| {
        // Machines are told which they are, with what each side has.
        let _ = show_plan_json(shell, here, &chosen, &handoff, None);
    })?;
    let files = handoff::files(&here.repo, &mut handoff, &choices)?;
    show_plan_json(shell, here, &chosen, &handoff, Some(&files))?;
    takeover::show(shell, here, &handoff, &files, args.dry_run && !shell.out.is_json())?;
    if args.dry_run {
        let size = Size::of_steps(&here.repo, &handoff.merged, current.tree, &files.steps)?;
        shell.out.note(format_args!("{size}; nothing was changed."));
        return Ok(());
    }
    let size = Size::of_steps(&here.repo, &handoff.merged, current.tree, &files.steps)?;
    let stranger = stranger(shell, &chosen)?;
    let question = match &stranger {
        Some(known) => {
            devices::tell_known(shell, &chosen.name, known);
            format!("Trust the work of {} from now on, and take it over ({size})?", chosen.name)
        }
        None => format!("Take over {} ({size})?", chosen.name),
    };
    if !prompt::confirm(shell, &question, HINT)? {
        return Err(prompt::cancelled());
    }
    restore::index_is_free(&here.repo)?;
    if let Some(known) = &stranger {
        if !shell.registry()?.approve_unless_revoked(&known.id, shell.now())? {
            return Err(Failure::failed(format!("{} was revoked meanwhile", chosen.name)).hint(format!(
                "Nothing was taken over. `carry devices approve {}` trusts it again.",
                writers::word(&chosen.tip)
            )));
        }
        shell.out.note(format_args!("{} is approved from now on.", chosen.name));
    }
    let carried = takeover::carry_out(shell, here, &handoff, &files, &format!("sync with {}", chosen.name))?;
    for (path, _) in choices.iter().filter(|(_, choice)| *choice == Choice::Markers) {
        shell.out.warn(format_args!("{} holds both sides; edit it before you commit", text::path(path.as_ref())));
    }
    report(shell, here, &chosen, &current, &carried)
}

/// The device whose work is to be taken over, where nobody approved it yet, noted as it is.
fn stranger(shell: &Shell, chosen: &Chosen) -> Result<Option<KnownDevice>, Failure> {
    let tip = &chosen.tip;
    if tip.trust != Trust::Unknown {
        return Ok(None);
    }
    let (id, mut registry) = (tip.writer.id(), shell.registry()?);
    let key = match &tip.writer {
        Writer::Carry { key, .. } => *key,
        Writer::Pulsar { .. } => None,
    };
    // What lies here without having come through a fetch of ours is not noted yet.
    registry.note_device(&id, key, tip.writer.name(), shell.now())?;
    match registry.device(&id)? {
        Some(known) if known.key == key => Ok(Some(known)),
        _ => Err(Failure::failed(format!("{} is known under another key", text::line(&id)))
            .hint("Its work is not taken over; look at `carry devices`.")),
    }
}

/// Whose work is taken over, and whose is not yet.
pub(super) struct Chosen {
    /// Whose.
    pub(super) tip: Tip,
    /// What people call it.
    pub(super) name: String,
    /// Others that have something newer, too, as people call them.
    pub(super) others: Vec<String>,
}

/// The work to take over; nothing when there is none that is newer.
fn choose(shell: &Shell, here: &Here, branch: &Branch, args: &Args) -> Result<Option<Chosen>, Failure> {
    let ours = tips::own(&here.ctx, &here.repo, &here.tree.id, branch)?;
    let others = tips::others(&here.ctx, &here.repo, &here.tree.id, branch)?;
    let chosen = |tip: &Tip, others| Chosen { name: writers::name(shell, tip), tip: tip.clone(), others };
    if let Some(name) = &args.device {
        let tip = theirs::tip(shell, &others, name, branch)?;
        if tip.trust == Trust::Impostor {
            return Err(Failure::failed(format!("{name} has the id of a known device, but another key")).hint(
                "Its work is not taken over. If that device was set up anew, it has a new id; look at `carry devices`.",
            ));
        }
        let is_known = ours.as_ref().is_some_and(|ours| ours.seen.has_seen(&tip.seen));
        return Ok((!is_known).then(|| chosen(tip, Vec::new())));
    }
    let trusting = |tip: &Tip| match tip.trust {
        Trust::Unknown => Tip { trust: Trust::Approved, ..tip.clone() },
        _ => tip.clone(),
    };
    let trusted = drift::between(&here.ctx, &here.repo, ours.as_ref(), &others)?;
    let all = drift::between(&here.ctx, &here.repo, ours.as_ref(), &others.iter().map(trusting).collect::<Vec<_>>())?;
    let drifts = if shell.options.yes { &all } else { &trusted };
    if !shell.options.yes {
        for unknown in all.iter().filter(|d| !trusted.iter().any(|known| known.tip.writer == d.tip.writer)) {
            // One that is hidden by nothing but its being unknown.
            let tip = others.iter().find(|tip| tip.writer == unknown.tip.writer).unwrap_or(&unknown.tip);
            if tip.trust == Trust::Unknown {
                say_unknown(shell, tip);
            }
        }
    }
    let Some(first) = drifts.iter().find(|drift| drift.is_first).or(drifts.first()) else {
        if others.is_empty() && !has_branch(here, branch) {
            return Err(no_such_branch(here, branch)?);
        }
        let committed = ours.as_ref().and_then(|ours| drift::committed(&here.repo, ours, &others));
        return Ok(committed.map(|tip| chosen(tip, Vec::new())));
    };
    // Its own trust, so that it is approved when it is taken over.
    let own = |tip: &Tip| others.iter().find(|other| other.writer == tip.writer).cloned();
    let tip = own(&first.tip).unwrap_or_else(|| first.tip.clone());
    let rest = drifts.iter().filter(|drift| drift.tip.writer != tip.writer);
    let rest = rest.map(|drift| writers::name(shell, &drift.tip)).collect();
    Ok(Some(chosen(&tip, rest)))
}

fn has_branch(here: &Here, branch: &Branch) -> bool {
    let Branch::Named(name) = branch else { return false };
    *branch == here.branch
        || refs::read(&here.repo, &format!("refs/heads/{}", name.to_str_lossy())).is_ok_and(|found| found.is_some())
}

/// A mistyped name must not look like one without news.
fn no_such_branch(here: &Here, branch: &Branch) -> Result<Failure, Failure> {
    let known: Vec<String> = tips::branches(&here.ctx, &here.repo)?.iter().map(Branch::display).collect();
    Ok(Failure::failed(format!("neither this repository nor another device has a branch {}", branch.display()))
        .hint(format!("There is work on: {}.", known.join(", "))))
}

fn say_unknown(shell: &Shell, tip: &Tip) {
    shell.out.note(format_args!(
        "{} ({}) has newer work here, made {}, and is not approved: `carry devices approve {}`; `carry sync --device {}` takes it \
         over and approves the device.",
        writers::name(shell, tip),
        text::line(&tip.writer.id()),
        time::age(tip.time, shell.now()),
        writers::word(tip),
        writers::word(tip),
    ));
}

/// Goes on with a handoff that a process began and did not end.
fn complete(shell: &Shell, here: &Here, dry_run: bool) -> Result<(), Failure> {
    let Some(interrupted) = handoff::interrupted(&here.ctx, &here.tree)? else { return Ok(()) };
    let what = text::line(&interrupted.entry.what);
    let age = time::age(interrupted.since, shell.now());
    if dry_run {
        shell.out.note(format_args!("`{what}` ({age}) was interrupted; `carry sync` would complete it first."));
        return Ok(());
    }
    let current = take::one(shell, &here.tree)?;
    let done = handoff::resume(&here.ctx, &here.repo, &here.tree, &interrupted, &current)?;
    shell.out.say(format_args!("Completed `{what}` ({age}), which was interrupted."))?;
    takeover::capture_after(shell, here);
    takeover::say(shell, &current, &done)
}

/// Takes the newest step back if it is a sync.
fn abort(shell: &Shell, here: &Here, dry_run: bool) -> Result<(), Failure> {
    match shell.registry()?.last_undo(&here.tree.id)? {
        Some(entry) if entry.handoff.is_some() && entry.what.starts_with("sync ") => {
            undo::take_back(shell, here, &entry, dry_run)
        }
        Some(entry) if entry.what.starts_with("undo of sync ") => {
            Err(Failure::failed("the last sync here is taken back already").hint("`carry undo` would do it again."))
        }
        Some(entry) => Err(Failure::failed(format!("the last step here was no sync, but {}", text::line(&entry.what)))
            .hint("`carry undo` takes it back.")),
        None => Err(Failure::failed("there is no sync to take back here")),
    }
}

/// The tree of the commit that HEAD is at.
fn head_tree(here: &Here, head: ObjectId) -> Result<ObjectId, Failure> {
    let gix = here.repo.gix();
    let commit = gix.find_commit(head).map_err(Failure::from_error)?;
    Ok(commit.tree_id().map_err(Failure::from_error)?.detach())
}

fn say_plan(shell: &Shell, here: &Here, chosen: &Chosen, handoff: &Handoff, branch: &Branch) -> Result<(), Failure> {
    let switches = handoff.head.as_ref().is_some_and(|head| head.head.is_some());
    let how = match handoff.relation {
        _ if switches => "which is checked out here",
        Relation::Diverged => "beside what is here; both are merged",
        _ => "newer than what is here",
    };
    shell.out.say(format_args!(
        "{} has work on {} made {}, {how}.",
        shell.out.paint(style::TITLE, &chosen.name),
        branch.display(),
        time::age(handoff.tip.time, shell.now()),
    ))?;
    let is_changed = handoff.current.meta.staged.is_some()
        || handoff.current.meta.head.map(|head| head_tree(here, head)).transpose()? != Some(handoff.current.tree);
    if switches && is_changed {
        shell.out.note(format_args!(
            "What is not committed on {} is put away: snapshot {} holds it, and `carry undo` brings it back.",
            handoff.current.meta.branch.display(),
            text::short(&handoff.current.commit)
        ));
    }
    if handoff.staged_stays_behind() {
        shell.out.note("What is staged there comes as changes that are not staged.");
    }
    if !chosen.others.is_empty() {
        shell.out.note(format_args!("Besides: {}. Run `carry sync` again for that.", chosen.others.join(", ")));
    }
    Ok(())
}

fn show_plan_json(
    shell: &Shell,
    here: &Here,
    chosen: &Chosen,
    handoff: &Handoff,
    files: Option<&Plan>,
) -> Result<(), Failure> {
    if !shell.out.is_json() {
        return Ok(());
    }
    shell.out.json(&SyncPlanJson::new(here, chosen, handoff, files)?)
}

/// A dry run ends here when there are conflicts: what they come to is for the user to say.
fn show_conflicts(shell: &Shell, here: &Here, chosen: &Chosen, handoff: &Handoff) -> Result<(), Failure> {
    if shell.out.is_json() {
        return show_plan_json(shell, here, chosen, handoff, None);
    }
    for conflict in &handoff.merged.conflicts {
        shell.out.line(format_args!("  conflict  {}", text::path(conflict.path.as_ref())))?;
    }
    let n = text::count(text::len(&handoff.merged.conflicts), "conflict");
    shell.out.note(format_args!("{n}; --ours, --theirs or --markers says how to settle them. Nothing was changed."));
    Ok(())
}

fn up_to_date(shell: &Shell, here: &Here, branch: &Branch, known: &[Known]) -> Result<(), Failure> {
    if shell.out.is_json() {
        return shell.out.json(&SyncedJson::up_to_date(here, branch, known));
    }
    shell.out.say(format_args!(
        "Up to date: no approved device has newer work on {} ({}).",
        branch.display(),
        links::how_known(shell, known)
    ))?;
    // What they have on this branch is not known before.
    if let Some(status) = status::look(&shell.home)? {
        devices::unapproved(shell, &status, true)?.iter().for_each(|waiting| shell.out.note(waiting));
    }
    Ok(())
}

fn report(shell: &Shell, here: &Here, chosen: &Chosen, before: &Snapshot, carried: &Carried) -> Result<(), Failure> {
    if shell.out.is_json() {
        shell.out.json(&SyncedJson::new(here, chosen, before, carried))?;
    }
    let restored = &carried.done.files;
    let n = text::len(&restored.written) + text::len(&restored.deleted);
    shell.out.say(format_args!(
        "Took over {}: {} changed{}.",
        chosen.name,
        text::count(n, "file"),
        if carried.done.head_moved { ", and the branch moved" } else { "" }
    ))?;
    if let Writer::Pulsar { .. } = chosen.tip.writer {
        shell.out.note("git-pulsar does not say what was staged; that is as it was here.");
    }
    takeover::say(shell, before, &carried.done)
}
