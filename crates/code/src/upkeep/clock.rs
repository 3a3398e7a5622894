//! Whether the wall clock can be believed enough to let snapshots go by their age.
//!
//! Each upkeep writes down what the clocks said. When the wall clock went another way than the steady one since, it was
//! set, rightly or wrongly; thinning then waits until it has gone right for an hour.

use std::time::Duration;

use carry_kernel::clock::Timestamp;
use carry_kernel::disk::{DiskError, read_bounded, write_atomic};
use carry_kernel::lease::Owner;

use crate::context::Context;

/// How far the clocks may drift apart, and how long they have to agree.
const HOUR: Duration = Duration::from_secs(60 * 60);

/// More than a record takes.
const RECORD_MAX: u64 = 4096;

/// What the clocks said at an upkeep.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    /// Steady times compare within one boot only.
    boot: String,
    wall: i64,
    steady: i64,
    /// Since when (steady) the wall clock has to prove itself; `None` when it has.
    doubted: Option<i64>,
}

/// Whether it can be believed now. `gap` is how far it may have gone over a restart.
pub(super) fn is_trusted(ctx: &Context, gap: Duration) -> Result<bool, DiskError> {
    let path = ctx.home.state_dir().join("upkeep-clock");
    let before = read_bounded(&path, RECORD_MAX)?.and_then(|bytes| Record::parse(std::str::from_utf8(&bytes).ok()?));
    let boot = Owner::this_process().boot;
    let now = judge(before.as_ref(), boot, ctx.clock.now(), ctx.clock.steady(), gap);
    write_atomic(&path, now.to_text().as_bytes())?;
    Ok(now.doubted.is_none())
}

fn judge(before: Option<&Record>, boot: String, wall: Timestamp, steady: Timestamp, gap: Duration) -> Record {
    let (wall, steady) = (wall.as_millis(), steady.as_millis());
    let millis = |d: Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
    let doubted = before.map_or(Some(steady), |before| {
        let moved = wall.saturating_sub(before.wall);
        let went = steady.saturating_sub(before.steady);
        if before.boot == boot && went >= 0 {
            let set = moved.saturating_sub(went).saturating_abs() > millis(HOUR);
            let since = if set { Some(steady) } else { before.doubted };
            since.filter(|since| steady.saturating_sub(*since) < millis(HOUR))
        } else if moved < 0 || moved > millis(gap) || before.doubted.is_some() {
            Some(steady)
        } else {
            None
        }
    });
    Record { boot, wall, steady, doubted }
}

impl Record {
    fn to_text(&self) -> String {
        let doubted = self.doubted.map_or_else(|| "-".to_owned(), |at| at.to_string());
        format!("{} {} {doubted} {}\n", self.wall, self.steady, self.boot)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.strip_suffix('\n')?.splitn(4, ' ');
        let (wall, steady) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let doubted = match words.next()? {
            "-" => None,
            at => Some(at.parse().ok()?),
        };
        Some(Self { boot: words.next()?.to_owned(), wall, steady, doubted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const H: i64 = 3600;

    /// Upkeeps at these (boot, wall, steady), in seconds; whether each may thin.
    fn trusted(runs: &[(&str, i64, i64)]) -> Vec<bool> {
        let mut last: Option<Record> = None;
        let mut run = |(boot, wall, steady): &(&str, i64, i64)| {
            let (wall, steady) = (Timestamp::from_secs(*wall), Timestamp::from_secs(*steady));
            let now = judge(last.as_ref(), (*boot).to_owned(), wall, steady, HOUR * 24);
            assert_eq!(Record::parse(&now.to_text()).as_ref(), Some(&now));
            let trusted = now.doubted.is_none();
            last = Some(now);
            trusted
        };
        runs.iter().map(&mut run).collect()
    }

    #[test]
    fn a_clock_is_believed_after_an_hour_in_which_it_was_not_set() {
        let even = |n: i64| ("a", 1_000_000 + n, 50 + n);
        assert_eq!(trusted(&[even(0), even(H - 1), even(H), even(500 * H)]), [false, false, true, true]);
    }

    #[test]
    fn a_clock_that_is_set_is_doubted_again() {
        let runs = [("a", 0, 0), ("a", H, H), ("a", 9000 * H, 2 * H), ("a", 3 * H, 3 * H), ("a", 4 * H, 4 * H)];
        assert_eq!(trusted(&runs), [false, true, false, false, true]);
    }

    #[test]
    fn over_a_restart_it_may_go_on_a_day_and_not_back() {
        let start = [("a", 0, 0), ("a", H, H)];
        let then = |wall| trusted(&[&start[..], &[("b", wall, 5)]].concat())[2];
        assert_eq!([then(20 * H), then(26 * H), then(H - 1)], [true, false, false]);
    }
}
