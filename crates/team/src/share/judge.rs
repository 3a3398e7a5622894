//! Which rule counts for a session.

use std::borrow::Cow;

use super::pattern::{Pattern, Rank, is_below};
use super::{ProjectRef, Rule};

/// The rule that says how much of a session is shared. `patterns` are those of the rules.
///
/// Of the rules about its remote (or name) and of those about its folder, the most particular one each counts, and of the two
/// the one that shares less; `*` counts where there is neither.
pub(super) fn rule_of<'r>(rules: &'r [Rule], patterns: &[Pattern], of: ProjectRef<'_>) -> Option<&'r Rule> {
    let ruled = || rules.iter().zip(patterns);
    let best = |rank: &dyn Fn(&Pattern) -> Option<Rank>| {
        let ranked = ruled().filter_map(|(rule, pattern)| Some((rank(pattern)?, rule)));
        ranked.max_by_key(|(rank, rule)| (*rank, std::cmp::Reverse(rule.mode))).map(|(_, rule)| rule)
    };
    let is_folder = |path: &&str| path.starts_with('/');
    let name = of.remote.or(Some(of.key).filter(|key| of.root.is_none() && !is_folder(key)));
    let cwd = of.cwd.filter(is_folder).map(tidy);
    let root = of.root.or(Some(of.key)).filter(is_folder).map(tidy);
    let is_around = |root: &Cow<'_, str>| cwd.as_ref().is_some_and(|cwd| cwd == root || is_below(cwd, root));
    // A folder around the one it ran in has no say of its own. Of a remote one root is on record, that of the clone which was
    // looked at last: it may be another one than the session's, and only ever makes it less.
    let root = root.filter(|root| !is_around(root));
    let (own, others) = if of.remote.is_none() { (root, None) } else { (None, root) };
    let of_folder = |folder: Option<Cow<'_, str>>| folder.and_then(|folder| best(&|one| one.rank_of_folder(&folder)));
    let found = [name.and_then(|name| best(&|one| one.rank_of_name(name))), of_folder(cwd.clone()), of_folder(own)];
    let least = found.into_iter().flatten().min_by_key(|rule| rule.mode);
    let all = || ruled().filter(|(_, pattern)| pattern.is_all()).map(|(rule, _)| rule).min_by_key(|rule| rule.mode);
    let least = least.or_else(all)?;
    Some(of_folder(others).filter(|other| other.mode < least.mode).unwrap_or(least))
}

/// A folder by its text alone, without `.`, `..` and doubled or trailing slashes.
fn tidy(path: &str) -> Cow<'_, str> {
    let is_tidy = |part: &str| !matches!(part, "" | "." | "..");
    if path.len() > 1 && path.split('/').skip(1).all(is_tidy) {
        return Cow::Borrowed(path);
    }
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    Cow::Owned(format!("/{}", parts.join("/")))
}
