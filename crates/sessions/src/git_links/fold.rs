//! Folds evidence into the links of a session.

use super::{Evidence, GitLink, LinkKind};

/// Starts what [`GitLink::supersedes`] of fresh evidence may say besides an id: which of the session's own commits is replaced
/// is known only when links are folded. No id begins so.
const RELATIVE: &str = "HEAD~";

/// The same: a commit of equal subject is replaced.
const SAME_SUBJECT: &str = "=subject";

/// The same: the link only completes a known commit, and is none of its own.
const COMPLETES: &str = "=complete";

/// The newest `count` commits are replaced.
pub(super) fn newest(count: u32) -> String {
    format!("{RELATIVE}{count}")
}

/// A commit of the same subject is replaced.
pub(super) fn same_subject() -> String {
    SAME_SUBJECT.to_owned()
}

/// Only completes.
pub(super) fn completes() -> String {
    COMPLETES.to_owned()
}

/// Adds `new` to `links`, as [`super::fold`] says.
pub(super) fn fold(links: &mut Vec<GitLink>, new: Vec<GitLink>) {
    for mut link in new {
        if let Some(at) = links.iter().position(|known| is_same(known, &link)) {
            merge(&mut links[at], link);
            continue;
        }
        let relation = link.supersedes.take();
        match relation.as_deref() {
            Some(COMPLETES) => continue,
            Some(SAME_SUBJECT) => {
                let old = links.iter().rposition(|known| is_live(known, &link) && known.subject == link.subject);
                supersede(links, old.as_slice(), &mut link);
            }
            Some(relative) if relative.starts_with(RELATIVE) => {
                let count = relative[RELATIVE.len()..].parse().unwrap_or(1);
                let old: Vec<usize> =
                    (0..links.len()).rev().filter(|at| is_live(&links[*at], &link)).take(count).collect();
                supersede(links, &old, &mut link);
            }
            _ => link.supersedes = relation,
        }
        links.push(link);
    }
}

/// Whether `known` is a commit of the session that stands before `link` and was not replaced.
fn is_live(known: &GitLink, link: &GitLink) -> bool {
    known.kind == LinkKind::Commit
        && known.evidence == Evidence::Created
        && known.superseded_by.is_none()
        && (known.ordinal, known.index) <= (link.ordinal, link.index)
        && !differ(known.repo.as_deref(), link.repo.as_deref())
        && !differ(known.branch.as_deref(), link.branch.as_deref())
}

/// Marks the commits at `old` (the newest first) as replaced by `link`.
fn supersede(links: &mut [GitLink], old: &[usize], link: &mut GitLink) {
    for at in old {
        links[*at].superseded_by = Some(link.target.clone());
        link.supersedes.get_or_insert_with(|| links[*at].target.clone());
    }
}

/// Whether both say something, and not the same.
fn differ(one: Option<&str>, other: Option<&str>) -> bool {
    matches!((one, other), (Some(one), Some(other)) if one != other)
}

fn is_same(known: &GitLink, link: &GitLink) -> bool {
    if known.kind != link.kind || differ(known.repo.as_deref(), link.repo.as_deref()) {
        return false;
    }
    match link.kind {
        LinkKind::Commit => {
            let (one, other) = (whole(known), whole(link));
            one.starts_with(other) || other.starts_with(one)
        }
        LinkKind::PullRequest => {
            known.target == link.target
                || (known.number == link.number
                    && known.number.is_some()
                    && known.repo == link.repo
                    && known.repo.is_some())
        }
        LinkKind::Push => known.target == link.target && !differ(known.branch.as_deref(), link.branch.as_deref()),
    }
}

/// The longest id that a link knows.
fn whole(link: &GitLink) -> &str {
    link.full_sha.as_deref().unwrap_or(&link.target)
}

/// Brings what `link` says into `known`.
fn merge(known: &mut GitLink, link: GitLink) {
    if strength(link.evidence) > strength(known.evidence) {
        known.evidence = link.evidence;
        known.ordinal = link.ordinal;
        known.index = link.index;
    }
    if known.kind == LinkKind::Commit && known.full_sha.is_none() {
        known.full_sha = link.full_sha.or_else(|| Some(link.target).filter(|sha| sha.len() >= 40));
    }
    known.repo = known.repo.take().or(link.repo);
    known.number = known.number.or(link.number);
    known.branch = known.branch.take().or(link.branch);
    known.subject = known.subject.take().or(link.subject);
    known.superseded_by = known.superseded_by.take().or(link.superseded_by);
}

fn strength(evidence: Evidence) -> u8 {
    match evidence {
        Evidence::Mentioned => 0,
        Evidence::Start => 1,
        Evidence::Recorded => 2,
        Evidence::Created => 3,
    }
}
