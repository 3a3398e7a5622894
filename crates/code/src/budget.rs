//! How much disk Carry's snapshots may take. Pure.
//!
//! What counts is the bytes Carry wrote for the snapshots that are kept. The ceiling is enforced before writing.

use carry_kernel::config::Config;

/// What may still be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Everything.
    #[default]
    Normal,
    /// Over 80 %: retention is tightened.
    Tight,
    /// Over 90 %: only tracked files are captured.
    TrackedOnly,
    /// Nothing more is written.
    Full,
}

/// The ceilings and what is used of them, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Ceiling of one repository.
    pub repository: u64,
    /// Ceiling of all.
    pub total: u64,
    /// Used by this repository.
    pub repository_used: u64,
    /// Used by all.
    pub total_used: u64,
    /// Free bytes on the repository's file system.
    pub free: u64,
}

/// The default ceiling's fixed part, in bytes.
pub const DEFAULT_MAX: u64 = 2 << 30;
/// Free space below which nothing is written whatever the ceilings say, in bytes: Git and the user need it more.
pub const FREE_MIN: u64 = 16 << 20;

impl Budget {
    /// From configuration and measurement. An unset ceiling is the smaller of [`DEFAULT_MAX`] and 5 % of what is
    /// free plus what we use already.
    pub fn new(config: &Config, repository_used: u64, total_used: u64, free: u64) -> Self {
        let ceiling = |name, used| config.size(name).unwrap_or_else(|| default_ceiling(used, free));
        Self {
            repository: ceiling("budget.repository", repository_used),
            total: ceiling("budget.total", total_used),
            repository_used,
            total_used,
            free,
        }
    }

    /// What may be done before anything is written: by the ceiling that is nearer to being reached.
    pub fn level(&self) -> Level {
        if self.free < FREE_MIN {
            return Level::Full;
        }
        level_of(self.repository_used, self.repository).max(level_of(self.total_used, self.total))
    }

    /// Whether `bytes` more may be written.
    pub fn allows(&self, bytes: u64) -> bool {
        let fits = |used: u64, ceiling| used.checked_add(bytes).is_some_and(|sum| sum <= ceiling);
        fits(self.repository_used, self.repository)
            && fits(self.total_used, self.total)
            && self.free.checked_sub(bytes).is_some_and(|rest| rest >= FREE_MIN)
    }
}

/// What we use counts as if it were free: otherwise the ceiling would sink by our own writing.
fn default_ceiling(used: u64, free: u64) -> u64 {
    (free.saturating_add(used) / 20).min(DEFAULT_MAX)
}

fn level_of(used: u64, ceiling: u64) -> Level {
    // Wide, so that no size overflows.
    let (used, ceiling) = (u128::from(used), u128::from(ceiling));
    match used * 100 {
        _ if used >= ceiling => Level::Full,
        percent if percent > ceiling * 90 => Level::TrackedOnly,
        percent if percent > ceiling * 80 => Level::Tight,
        _ => Level::Normal,
    }
}

#[cfg(test)]
mod tests;
