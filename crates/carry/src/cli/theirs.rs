//! Snapshots of another device, for `log --device` and `restore --device`.

use carry_code::history::{self, HistoryError};
use carry_code::line::Branch;
use carry_code::repo::Repo;
use carry_code::snapshot::Snapshot;
use carry_code::tips::{self, Tip, Writer};
use carry_kernel::id::TreeId;

use crate::cli::devices;
use crate::failure::Failure;
use crate::wire::Shell;
use crate::{text, writers};

/// Snapshots, newest first.
pub(super) type Snapshots = Box<dyn Iterator<Item = Result<Snapshot, HistoryError>>>;

/// All snapshots of the device that `name` means, of all its branches, newest first. Of git-pulsar's streams the newest of
/// each branch.
pub(super) fn snapshots(shell: &Shell, repo: &Repo, name: &str) -> Result<Snapshots, Failure> {
    let tips = meant(shell, repo, name)?;
    tips.iter().try_for_each(writers::refuse_revoked)?;
    let device = tips.iter().find_map(|tip| match &tip.writer {
        Writer::Carry { line, .. } => Some(line.device.clone()),
        Writer::Pulsar { .. } => None,
    });
    if let Some(device) = device {
        let all = history::of_repository(repo)?;
        // One that cannot be read belongs to nobody; it must not be passed over in silence.
        return Ok(Box::new(all.filter(move |s| s.as_ref().map_or(true, |snapshot| snapshot.meta.device == device))));
    }
    let mut newest = tips.iter().map(|tip| tip.snapshot(repo)).collect::<Result<Vec<_>, _>>()?;
    newest.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.time));
    Ok(Box::new(newest.into_iter().map(Ok)))
}

/// The tips of the one device that `name` means.
fn meant(shell: &Shell, repo: &Repo, name: &str) -> Result<Vec<Tip>, Failure> {
    let ctx = shell.context()?;
    let mut tips = tips::all(&ctx, repo)?;
    tips.retain(|tip| tips::is_meant(&tip.writer, name));
    let mut ids: Vec<String> = tips.iter().map(|tip| tip.writer.id()).collect();
    ids.sort();
    ids.dedup();
    match &ids[..] {
        [] => {
            let failure = Failure::failed(format!("no device called {} has snapshots here", text::line(name)))
                .hint("`carry devices` lists them; `carry sync --dry-run` asks the remotes for new ones.");
            Err(devices::why_nothing_of(shell, name, failure)?)
        }
        [_] => Ok(tips),
        several if several.iter().any(|id| id == name) => {
            tips.retain(|tip| tip.writer.id() == name);
            Ok(tips)
        }
        several => {
            Err(Failure::failed(format!("{} may be {}", text::line(name), several.join(" or ")))
                .hint("Give the whole id."))
        }
    }
}

/// The tip on `branch` of the device that `name` means, unless that was revoked.
pub(super) fn tip<'a>(shell: &Shell, others: &'a [Tip], name: &str, branch: &Branch) -> Result<&'a Tip, Failure> {
    let Some(tip) = writers::find(others, name)? else {
        let failure =
            Failure::failed(format!("no device called {} has work on {}", text::line(name), branch.display()))
                .hint("`carry devices` lists them.");
        return Err(devices::why_nothing_of(shell, name, failure)?);
    };
    writers::refuse_revoked(tip)?;
    Ok(tip)
}

/// The newest snapshot of the device on the branch that is checked out, or the one of its snapshots that `from` names.
pub(super) fn snapshot(
    shell: &Shell,
    repo: &Repo,
    own: &TreeId,
    name: &str,
    from: Option<&str>,
) -> Result<Snapshot, Failure> {
    let branch = repo.head()?.branch;
    if branch == Branch::Detached {
        return Err(Failure::failed("no branch is checked out, and other devices' work is looked up by branch")
            .hint("`carry log --device NAME` lists all of it; --from takes an id."));
    }
    let others = tips::others(&shell.context()?, repo, own, &branch)?;
    let tip = tip(shell, &others, name, &branch)?;
    match (from, &tip.writer) {
        (None, _) => Ok(tip.snapshot(repo)?),
        (Some(spec), Writer::Carry { line, .. }) => shell.find(repo, &line.tree, spec),
        (Some(spec), Writer::Pulsar { .. }) if tip.commit.to_string().starts_with(spec) => Ok(tip.snapshot(repo)?),
        (Some(_), Writer::Pulsar { .. }) => {
            Err(Failure::failed(format!("of {} only the newest snapshot is known", text::line(tip.writer.name())))
                .hint(format!("`git show {}:PATH` and its parents are older ones.", tip.commit)))
        }
    }
}
