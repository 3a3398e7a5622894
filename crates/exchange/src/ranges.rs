//! Sets of sequence numbers, as ranges: what is held of a stream, gaps included.

use std::fmt;
use std::ops::RangeInclusive;

/// A set of sequence numbers. Inside: ranges in ascending order, none empty, none touching the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// The empty set.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// All numbers from `first` to `last`, both included; none when `first > last`.
    pub fn of(first: u64, last: u64) -> Self {
        if first > last { Self::new() } else { Self(vec![(first, last)]) }
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ranges, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = RangeInclusive<u64>> + '_ {
        self.0.iter().map(|&(first, last)| first..=last)
    }

    /// How many ranges there are.
    pub fn n_ranges(&self) -> usize {
        self.0.len()
    }

    /// How many numbers there are.
    pub fn count(&self) -> u64 {
        self.0.iter().fold(0, |n, (first, last)| n.saturating_add((last - first).saturating_add(1)))
    }

    /// Whether `n` is in it. Logarithmic in the number of ranges.
    pub fn contains(&self, n: u64) -> bool {
        self.0.get(self.ending_at_or_after(n)).is_some_and(|&(first, _)| first <= n)
    }

    /// Whether all of `first..=last` is in it.
    pub fn contains_all(&self, first: u64, last: u64) -> bool {
        first > last
            || self.0.get(self.ending_at_or_after(first)).is_some_and(|&(from, to)| from <= first && last <= to)
    }

    /// Whether any of `first..=last` is in it.
    pub fn intersects(&self, first: u64, last: u64) -> bool {
        first <= last && self.0.get(self.ending_at_or_after(first)).is_some_and(|&(from, _)| from <= last)
    }

    /// Adds `first..=last`; nothing when `first > last`.
    pub fn insert(&mut self, first: u64, last: u64) {
        if first > last {
            return;
        }
        // Ranges that overlap the new one or touch it become one with it.
        let from = self.0.partition_point(|&(_, to)| to < first.saturating_sub(1));
        let to = self.0.partition_point(|&(from, _)| from <= last.saturating_add(1));
        let joined = self.0[from..to].iter().fold((first, last), |(a, b), &(c, d)| (a.min(c), b.max(d)));
        self.0.splice(from..to, [joined]);
    }

    /// Adds one number.
    pub fn insert_one(&mut self, n: u64) {
        self.insert(n, n);
    }

    /// What is in either. Linear.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut all: Vec<(u64, u64)> = self.0.iter().chain(&other.0).copied().collect();
        all.sort_unstable();
        let mut joined: Vec<(u64, u64)> = Vec::with_capacity(all.len());
        for (first, last) in all {
            match joined.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
                _ => joined.push((first, last)),
            }
        }
        Self(joined)
    }

    /// What is in this and not in `other`. Linear.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut left = Vec::new();
        let mut holes = other.0.iter().copied().peekable();
        for &(mut first, last) in &self.0 {
            let mut is_open = true;
            while let Some(&(from, to)) = holes.peek() {
                if to < first {
                    holes.next();
                    continue;
                }
                if from > last {
                    break;
                }
                if from > first {
                    left.push((first, from - 1));
                }
                if to >= last {
                    is_open = false;
                    break;
                }
                first = to + 1;
                holes.next();
            }
            if is_open {
                left.push((first, last));
            }
        }
        Self(left)
    }

    /// What is in both. Linear.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.difference(&self.difference(other))
    }

    /// What of `1..=last` is not in it.
    #[must_use]
    pub fn gaps(&self, last: u64) -> Self {
        self.gaps_in(1, last)
    }

    /// What of `first..=last` is not in it. Looks only at the ranges that lie there.
    #[must_use]
    pub fn gaps_in(&self, first: u64, last: u64) -> Self {
        let there = self.0[self.ending_at_or_after(first)..].iter().take_while(|&&(from, _)| from <= last);
        Self::of(first, last).difference(&Self(there.copied().collect()))
    }

    /// The last number of the run that begins at 1; 0 when 1 is not in it. Only this may be called held without a gap.
    pub fn first_run_end(&self) -> u64 {
        match self.0.first() {
            // A set that begins at 0 was never made from sequence numbers; 0 says nothing about 1.
            Some(&(first, last)) if first <= 1 => last,
            _ => 0,
        }
    }

    /// The greatest number.
    pub fn last(&self) -> Option<u64> {
        self.0.last().map(|&(_, last)| last)
    }

    /// The place of the first range that ends at `n` or later.
    fn ending_at_or_after(&self, n: u64) -> usize {
        self.0.partition_point(|&(_, to)| to < n)
    }
}

impl FromIterator<RangeInclusive<u64>> for Ranges {
    fn from_iter<I: IntoIterator<Item = RangeInclusive<u64>>>(ranges: I) -> Self {
        let all = ranges.into_iter().filter(|range| !range.is_empty()).map(|range| (*range.start(), *range.end()));
        // The union sorts and joins once; inserting one by one would be quadratic on hostile orders.
        Self(all.collect()).union(&Self::new())
    }
}

impl fmt::Display for Ranges {
    /// `1-5 9 12-20`, or `none`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        for (at, &(first, last)) in self.0.iter().enumerate() {
            let space = if at == 0 { "" } else { " " };
            if first == last { write!(f, "{space}{first}")? } else { write!(f, "{space}{first}-{last}")? }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
