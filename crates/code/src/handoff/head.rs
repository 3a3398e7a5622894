//! Branch and HEAD: what becomes of them, and moving them through the git program, with Git's own locks and reflogs.

use super::{HandoffError, HeadMove};
use crate::git::{self, BString, ByteSlice as _, ObjectId};
use crate::line::Branch;
use crate::refs;
use crate::repo::{Head, Repo};

/// Where branches lie.
const BRANCHES: &str = "refs/heads/";

/// What was decided.
#[derive(Debug, Default)]
pub(super) struct Decided {
    pub(super) moves: Option<HeadMove>,
    /// The commit HEAD is at in the end.
    pub(super) commit: Option<ObjectId>,
    /// How many of their commits HEAD lacks then.
    pub(super) commits_as_changes: u64,
}

/// For work on the branch that is checked out: it is fast-forwarded to `theirs` or stays.
pub(super) fn follow(
    repo: &Repo,
    head: &Head,
    branch: &Branch,
    theirs: Option<ObjectId>,
) -> Result<Decided, HandoffError> {
    let stays = |theirs| Decided {
        moves: None,
        commit: head.commit,
        commits_as_changes: count_missing(repo, theirs, head.commit),
    };
    let Some(theirs) = theirs else { return Ok(Decided { commit: head.commit, ..Decided::default() }) };
    if head.branch != *branch || *branch == Branch::Detached || !leads_to(repo, head.commit, theirs) {
        return Ok(stays(theirs));
    }
    if head.commit == Some(theirs) {
        return Ok(Decided { commit: head.commit, ..Decided::default() });
    }
    let moves = HeadMove {
        branch: full_name(branch)?,
        old: head.commit.map(|id| id.to_string()),
        new: theirs.to_string(),
        head: None,
        back: false,
    };
    Ok(Decided { moves: Some(moves), commit: Some(theirs), commits_as_changes: 0 })
}

/// For work on another branch, which is checked out.
pub(super) fn switch(
    repo: &Repo,
    head: &Head,
    branch: &Branch,
    theirs: Option<ObjectId>,
) -> Result<Decided, HandoffError> {
    if head.branch == *branch {
        return follow(repo, head, branch, theirs);
    }
    let name = full_name(branch)?;
    for root in repo.other_worktrees() {
        if Repo::open(&root).and_then(|other| other.head()).is_ok_and(|other| other.branch == *branch) {
            return Err(refused(&name, format!("it is checked out in {}", root.display())));
        }
    }
    let local = value(repo, &name)?;
    let new = match (local, theirs) {
        (local, Some(theirs)) if leads_to(repo, local, theirs) => Some(theirs),
        (local, _) => local,
    };
    let here = place_of(head)?;
    let moves = HeadMove {
        branch: name,
        old: local.map(|id| id.to_string()),
        new: new.unwrap_or_else(|| ObjectId::null(repo.hash())).to_string(),
        head: Some(here),
        back: false,
    };
    let commits_as_changes = theirs.map_or(0, |theirs| count_missing(repo, theirs, new));
    Ok(Decided { moves: Some(moves), commit: new, commits_as_changes })
}

/// The commit of a branch here; `None` when there is no such branch.
pub(super) fn commit_of(repo: &Repo, branch: &Branch) -> Result<Option<ObjectId>, HandoffError> {
    value(repo, &full_name(branch)?)
}

/// Whether a branch at `from` comes to `to` without losing a commit. One without commits comes anywhere.
pub(super) fn leads_to(repo: &Repo, from: Option<ObjectId>, to: ObjectId) -> bool {
    let gix = repo.gix();
    let is_commit = |id| gix.find_commit(id).is_ok();
    match from {
        None => is_commit(to),
        Some(from) if from == to => true,
        Some(from) => is_commit(to) && gix.merge_base(from, to).is_ok_and(|base| base.is_some_and(|base| base == from)),
    }
}

/// How many commits `of` has that `beside` lacks; 0 where that cannot be told.
fn count_missing(repo: &Repo, of: ObjectId, beside: Option<ObjectId>) -> u64 {
    let mut git = git::command(repo.root());
    git.args(["rev-list", "--count", &of.to_string()]);
    if let Some(beside) = beside {
        git.arg(format!("^{beside}"));
    }
    let counted = git.output().ok().filter(|output| output.status.success());
    counted.and_then(|output| output.stdout.trim().to_str().ok()?.parse().ok()).unwrap_or(0)
}

/// The other way round.
pub(super) fn opposite(moves: &HeadMove) -> HeadMove {
    let is_zero = |hex: &str| hex.bytes().all(|b| b == b'0');
    HeadMove {
        branch: moves.branch.clone(),
        old: (!is_zero(&moves.new)).then(|| moves.new.clone()),
        new: moves.old.clone().unwrap_or_else(|| "0".repeat(moves.new.len())),
        head: moves.head.clone(),
        back: !moves.back,
    }
}

/// Why it cannot be done, if the branch is neither where it should come from nor where it should go.
pub(super) fn hindrance(repo: &Repo, moves: &HeadMove) -> Result<Option<String>, HandoffError> {
    let now = value(repo, &moves.branch)?;
    let (old, new) = ends(repo, moves)?;
    Ok((now != old && now != new).then(|| match now {
        Some(now) => format!("it is at {now} by now"),
        None => "it is gone".to_owned(),
    }))
}

/// Whether branch and HEAD are already where they should go.
pub(super) fn is_there(repo: &Repo, head: &Head, moves: &HeadMove) -> bool {
    let Some(other) = &moves.head else { return is_at(repo, moves) };
    let to = if moves.back { other } else { &moves.branch };
    is_at(repo, moves) && place_of(head).is_ok_and(|here| here == *to)
}

/// Whether HEAD is at one of the places that it moves between.
pub(super) fn is_on_the_way(head: &Head, moves: &HeadMove) -> bool {
    place_of(head).is_ok_and(|here| here == moves.branch || moves.head.as_ref() == Some(&here))
}

fn is_at(repo: &Repo, moves: &HeadMove) -> bool {
    match (value(repo, &moves.branch), ends(repo, moves)) {
        (Ok(now), Ok((_, new))) => now == new,
        _ => false,
    }
}

/// What HEAD points at: a ref, or a commit.
fn place_of(head: &Head) -> Result<String, HandoffError> {
    match &head.branch {
        Branch::Named(_) => full_name(&head.branch),
        Branch::Detached => Ok(head.commit.map(|id| id.to_string()).unwrap_or_default()),
    }
}

/// Moves branch and HEAD, as far as they are not there already. Says whether anything moved.
pub(super) fn carry_out(repo: &Repo, moves: &HeadMove) -> Result<bool, HandoffError> {
    if let Some(problem) = hindrance(repo, moves)? {
        return Err(refused(&moves.branch, problem));
    }
    // A branch that goes away must not be checked out any more.
    if moves.back {
        let left = point_head(repo, moves)?;
        return Ok(move_branch(repo, moves)? || left);
    }
    let moved = move_branch(repo, moves)?;
    Ok(point_head(repo, moves)? || moved)
}

fn move_branch(repo: &Repo, moves: &HeadMove) -> Result<bool, HandoffError> {
    let (old, new) = ends(repo, moves)?;
    if value(repo, &moves.branch)? == new {
        return Ok(false);
    }
    let old = old.unwrap_or_else(|| ObjectId::null(repo.hash())).to_string();
    let reason = reason(moves);
    match new {
        Some(new) => run(repo, moves, &["update-ref", "-m", &reason, &moves.branch, &new.to_string(), &old])?,
        None => run(repo, moves, &["update-ref", "-m", &reason, "-d", &moves.branch, &old])?,
    }
    Ok(true)
}

fn point_head(repo: &Repo, moves: &HeadMove) -> Result<bool, HandoffError> {
    let Some(other) = &moves.head else { return Ok(false) };
    let head = repo.head().map_err(|e| refused("HEAD", e.to_string()))?;
    let here = place_of(&head)?;
    let (from, to) = if moves.back { (&moves.branch, other) } else { (other, &moves.branch) };
    if here == *to {
        return Ok(false);
    }
    if here != *from {
        return Err(refused("HEAD", format!("it is at {here} by now")));
    }
    let reason = reason(moves);
    if to.starts_with("refs/") {
        run(repo, moves, &["symbolic-ref", "-m", &reason, "HEAD", to])?;
    } else {
        run(repo, moves, &["update-ref", "--no-deref", "-m", &reason, "HEAD", to])?;
    }
    Ok(true)
}

fn reason(moves: &HeadMove) -> String {
    if moves.back {
        "carry undo: back to what was before".to_owned()
    } else {
        format!("carry sync: take over {}", moves.branch)
    }
}

/// Git without hooks, with what it writes synced. What it notes in reflogs is done by Carry.
fn run(repo: &Repo, moves: &HeadMove, args: &[&str]) -> Result<(), HandoffError> {
    let mut git = git::command(repo.root());
    git.args(["-c", "core.hooksPath=/dev/null", "-c", "core.fsync=all", "-c", "core.fsyncMethod=fsync"]);
    git.env("GIT_COMMITTER_NAME", "Carry").env("GIT_COMMITTER_EMAIL", "carry@localhost");
    let output =
        git.args(args).output().map_err(|e| refused(&moves.branch, format!("git could not be started: {e}")))?;
    if output.status.success() {
        return Ok(());
    }
    Err(refused(&moves.branch, output.stderr.trim().to_str_lossy().into_owned()))
}

fn ends(repo: &Repo, moves: &HeadMove) -> Result<(Option<ObjectId>, Option<ObjectId>), HandoffError> {
    let parse = |hex: &str| match ObjectId::from_hex(hex.as_bytes()) {
        Ok(id) if id.kind() == repo.hash() => Ok(Some(id).filter(|id| !id.is_null())),
        _ => Err(refused(&moves.branch, format!("{hex:?} is no commit"))),
    };
    Ok((moves.old.as_deref().map_or(Ok(None), parse)?, parse(&moves.new)?))
}

fn value(repo: &Repo, name: &str) -> Result<Option<ObjectId>, HandoffError> {
    refs::read(repo, name).map_err(|e| refused(name, e.to_string()))
}

fn full_name(branch: &Branch) -> Result<String, HandoffError> {
    let Branch::Named(name) = branch else {
        return Err(refused("HEAD", "there is no branch to move".to_owned()));
    };
    match name.to_str() {
        Ok(name) => Ok(format!("{BRANCHES}{name}")),
        Err(_) => Err(refused(&branch.display(), "its name is no UTF-8".to_owned())),
    }
}

pub(super) fn refused(branch: &str, message: String) -> HandoffError {
    let short = BString::from(branch.strip_prefix(BRANCHES).unwrap_or(branch));
    HandoffError::Head { branch: crate::line::quote::printable(short.as_bstr()), message }
}
