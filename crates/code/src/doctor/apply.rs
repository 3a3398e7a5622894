//! Carrying out one fix.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::{Fix, home, locks, pulsar, sentence, shown};
use crate::context::Context;
use crate::git::{ByteSlice as _, ObjectId};
use crate::history;
use crate::keeper;
use crate::line::{KEEP, LineName};
use crate::refs;
use crate::registry::Registry;
use crate::repo::Repo;

/// Keepers are small; larger commits are none.
const KEEPER_BYTES_MAX: u64 = 1024;

pub(super) fn apply(ctx: &Context, fix: &Fix) -> Result<(), String> {
    match fix {
        Fix::RemoveStaleLock(path) => remove_lock(ctx, path),
        Fix::RepairRef { root, name } => repair(root, name),
        Fix::Chmod { path, mode } => chmod(ctx, path, *mode),
        Fix::Forget(tree) => {
            let mut registry = Registry::open(&ctx.home).map_err(|e| sentence(&e))?;
            registry.remove(tree).map(drop).map_err(|e| sentence(&e))
        }
        Fix::StartDaemon | Fix::Run(_) => Err("This is for the user's shell to do.".to_owned()),
    }
}

fn remove_lock(ctx: &Context, path: &Path) -> Result<(), String> {
    let refused = |why: &str| format!("{} stays: {why}.", shown(path));
    if path.extension().is_none_or(|ext| ext != "lock") && !pulsar::is_leftover(path) {
        return Err(refused("it is not a lock"));
    }
    let repo = repository_of(ctx, path)?.ok_or_else(|| refused("it belongs to no registered repository"))?;
    let around = locks::around(&repo);
    let now = ctx.clock.now();
    let stale = locks::stale(path, &around, now);
    // Twice, since looking at all processes takes a while in which the lock may have been taken anew.
    if stale.is_none() || locks::stale(path, &around, now) != stale {
        return if path.symlink_metadata().is_ok() {
            Err(refused("it is in use, or was until just now"))
        } else {
            Ok(())
        };
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(refused(&error.to_string())),
        _ => Ok(()),
    }
}

/// The registered repository whose git directory `path` lies in.
fn repository_of(ctx: &Context, path: &Path) -> Result<Option<Repo>, String> {
    let Some(registry) = Registry::open_read_only(&ctx.home).map_err(|e| sentence(&e))? else { return Ok(None) };
    let trees = registry.trees().map_err(|e| sentence(&e))?;
    let opened = trees
        .into_iter()
        .filter(|tree| path.starts_with(&tree.common_dir))
        .find_map(|tree| Repo::open(&tree.root).ok());
    Ok(opened)
}

fn chmod(ctx: &Context, path: &PathBuf, mode: u32) -> Result<(), String> {
    if !home::private(&ctx.home).contains(&(path.clone(), mode)) {
        return Err(format!("{} is not ours to change.", shown(path)));
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .map_err(|e| format!("The mode of {} cannot be changed: {e}.", shown(path)))
}

fn repair(root: &Path, name: &str) -> Result<(), String> {
    let repo = Repo::open(root).map_err(|e| sentence(&e))?;
    let broken = refs::broken(&repo).map_err(|e| sentence(&e))?;
    // One that is whole by now needs nothing.
    let Some(broken) = broken.into_iter().find(|broken| broken.name == name) else { return Ok(()) };
    let candidates = if name.starts_with(KEEP) { pinned(name).into_iter().collect() } else { keepers(&repo, name)? };
    refs::repair(&repo, &broken, &candidates).map_err(|e| sentence(&e))
}

/// A pin's name ends with what it pins.
fn pinned(name: &str) -> Option<ObjectId> {
    ObjectId::from_hex(name.rsplit('-').next()?.as_bytes()).ok()
}

/// Every keeper of a line that the repository still has, newest first. Reads the header of every object there is: a
/// broken ref has no other trace of where it pointed.
fn keepers(repo: &Repo, name: &str) -> Result<Vec<ObjectId>, String> {
    let Some(line) = LineName::from_ref(name) else { return Ok(Vec::new()) };
    let gix = repo.gix();
    let mut found = Vec::new();
    for id in gix.objects.iter().map_err(|e| format!("The objects of {} cannot be listed: {e}.", shown(repo.root())))? {
        // Damaged objects are what this may be about.
        let Ok(id) = id else { continue };
        let small =
            gix.find_header(id).is_ok_and(|h| h.kind() == gix::objs::Kind::Commit && h.size() <= KEEPER_BYTES_MAX);
        if !small || !gix.find_object(id).is_ok_and(|object| object.data.ends_with_str(keeper::MESSAGE)) {
            continue;
        }
        if let Ok((snapshot, _)) = history::keeper(&gix, id)
            && LineName::new(&snapshot.meta.device, &snapshot.meta.tree_id, &snapshot.meta.branch) == line
        {
            found.push((snapshot.meta.hlc, id));
        }
    }
    found.sort();
    found.dedup();
    Ok(found.into_iter().rev().map(|(_, id)| id).collect())
}
