//! Which attachments of segments that are merged are still of use.

use std::collections::BTreeSet;

use crate::record::AttachmentId;
use crate::segment::Attachment;

/// An attachment, and whether it may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) provides: Vec<AttachmentId>,
    pub(super) needs: Vec<AttachmentId>,
    /// Whether it stays in any case: it is not in what is merged, or too new to be judged.
    pub(super) stays: bool,
}

impl Candidate {
    pub(super) fn of(attachment: &Attachment, stays: bool) -> Self {
        Self { provides: attachment.provides.clone(), needs: attachment.needs.clone(), stays }
    }
}

/// Which of the attachments are kept, by their places: those that a record wants, those that stay, and what these need, and so on.
/// Pure.
pub(super) fn kept(all: &[Candidate], wanted: &BTreeSet<AttachmentId>) -> Vec<bool> {
    let mut wanted = wanted.clone();
    let mut kept = vec![false; all.len()];
    loop {
        let mut is_done = true;
        for (candidate, kept) in all.iter().zip(&mut kept) {
            if !*kept && (candidate.stays || candidate.provides.iter().any(|id| wanted.contains(id))) {
                *kept = true;
                is_done = false;
                wanted.extend(candidate.needs.iter().cloned());
            }
        }
        if is_done {
            return kept;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a b<c` provides a and b and needs c; with `!` before it, it stays.
    #[track_caller]
    fn check(all: &[&str], wanted: &str, expected: &[bool]) {
        let ids = |text: &str| -> Vec<AttachmentId> { text.split_whitespace().map(|id| id.parse().unwrap()).collect() };
        let candidate = |text: &&str| {
            let (provides, needs) = text.split_once('<').unwrap_or((text, ""));
            Candidate {
                provides: ids(provides.trim_start_matches('!')),
                needs: ids(needs),
                stays: provides.starts_with('!'),
            }
        };
        let all: Vec<_> = all.iter().map(candidate).collect();
        assert_eq!(kept(&all, &ids(wanted).into_iter().collect()), expected);
    }

    #[test]
    fn what_is_wanted_is_kept_with_all_that_it_needs() {
        check(&["a", "b"], "a", &[true, false]);
        check(&["c", "b<c", "a<b", "d"], "a", &[true, true, true, false]);
        check(&["a b", "c"], "b", &[true, false]);
        check(&["!d<a", "a<b", "b", "c"], "", &[true, true, true, false]);
        check(&["a<b", "b<a"], "", &[false, false]);
        check(&["a<b", "b<a", "a"], "b", &[true, true, true]);
        check(&[], "a", &[]);
    }
}
