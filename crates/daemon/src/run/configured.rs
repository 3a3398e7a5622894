//! The user's configuration file as the daemon finds it: whether it can be gone by, and since when not.

use carry_kernel::clock::Timestamp;
use carry_kernel::config::{Config, Origin, Warning};

use super::chores::Daemon;
use crate::handle::ConfigProblem;

/// What is known of the file.
#[derive(Debug, Default)]
pub(super) struct Configured {
    /// What is wrong with it.
    pub(super) problem: Option<ConfigProblem>,
    /// Whether it could be read, or was not there, at any time since the daemon began.
    was_read: bool,
}

impl Configured {
    /// Takes in how the file is now, last written at `written`. Says whether it can be gone by again after it could not. Pure.
    fn take_in(&mut self, broken: Option<&Warning>, written: Option<Timestamp>, now: Timestamp) -> bool {
        let Some((file, line, message)) = broken.and_then(of_user) else {
            self.was_read = true;
            return self.problem.take().is_some();
        };
        let since = self.problem.as_ref().map(|before| before.since);
        self.problem = Some(ConfigProblem {
            since: since.unwrap_or_else(|| written.map_or(now, |written| written.min(now))),
            file,
            line,
            message,
            has_earlier: self.was_read,
        });
        false
    }
}

fn of_user(warning: &Warning) -> Option<(String, usize, String)> {
    match &warning.origin {
        Origin::User { file, line } => Some((file.display().to_string(), *line, warning.message.clone())),
        Origin::Default | Origin::Repository { .. } | Origin::Environment(_) | Origin::Flag => None,
    }
}

impl Daemon<'_> {
    /// Looks how the file is. Says whether it was mended.
    pub(super) fn note_config(&mut self) -> bool {
        let config = Config::load(super::KEYS, &self.ctx.sources);
        let file = self.ctx.sources.user.as_deref();
        let written = file.and_then(|file| file.metadata().ok()?.modified().ok()).map(Timestamp::from);
        self.configured.take_in(config.broken().first(), written, self.ctx.clock.now())
    }

    /// Looks how the file is, and takes up what it says once it was mended.
    pub(super) fn look_at_config(&mut self) {
        if self.note_config() {
            self.reload_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(n: i64) -> Timestamp {
        Timestamp::from_millis(n * 1000)
    }

    fn broken(line: usize) -> Warning {
        Warning { origin: Origin::User { file: "/c/config.toml".into(), line }, message: "It is not valid.".to_owned() }
    }

    #[test]
    fn since_when_and_what_is_gone_by_are_told() {
        let mut configured = Configured::default();
        // It was so when the daemon began.
        assert!(!configured.take_in(Some(&broken(3)), Some(second(10)), second(20)));
        let problem = configured.problem.clone().unwrap();
        assert_eq!((problem.since, problem.line, problem.has_earlier), (second(10), 3, false));
        // It is written again, and is still broken, somewhere else.
        assert!(!configured.take_in(Some(&broken(5)), Some(second(25)), second(30)));
        let problem = configured.problem.clone().unwrap();
        assert_eq!((problem.since, problem.line, problem.has_earlier), (second(10), 5, false));
        assert!(configured.take_in(None, Some(second(35)), second(40)));
        assert!(!configured.take_in(None, Some(second(35)), second(41)) && configured.problem.is_none());
        // The file's time lies ahead of the clock.
        configured.take_in(Some(&broken(1)), Some(second(99)), second(50));
        let problem = configured.problem.clone().unwrap();
        assert_eq!((problem.since, problem.has_earlier), (second(50), true));
    }
}
