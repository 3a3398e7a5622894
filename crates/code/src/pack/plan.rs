//! Choosing which packs to fold, as `git repack --geometric=2` does.

/// Each pack is at least this many times as large as all smaller ones together.
const FACTOR: u128 = 2;

/// Which of our packs to fold into one, given their sizes in bytes: keeps the number of packs logarithmic in the total
/// size (sizes form a geometric progression of factor 2) once there are more than `keep` of them. Pure. Returns
/// indexes into `sizes`; empty when nothing is to be done, never a single one.
pub fn plan_fold(sizes: &[u64], keep: usize) -> Vec<usize> {
    if sizes.len() <= keep {
        return Vec::new();
    }
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|at| sizes[*at]);
    // An empty pack would stand in no proportion to anything.
    let size = |place: usize| u128::from(sizes[order[place]].max(1));
    // The largest packs that are in progression stay; the largest that is out of it goes with all smaller ones.
    let out_of_step = |place: &usize| size(*place) < FACTOR * size(*place - 1);
    let Some(last) = (1..order.len()).rev().find(out_of_step) else {
        return Vec::new();
    };
    let mut end = last + 1;
    let mut total: u128 = (0..end).map(size).sum();
    // What comes of them may in turn be too large for the next one.
    while end < order.len() && size(end) < FACTOR * total {
        total += size(end);
        end += 1;
    }
    order.truncate(end);
    order
}
