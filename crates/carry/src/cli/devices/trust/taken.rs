//! What came in when a device was approved: until then it was kept apart, and no exchange brings it again.

use std::collections::BTreeMap;

use carry_code::stream;
use carry_exchange::name::StreamName;
use carry_sessions::archive::Archive;
use carry_sessions::list::Filter;

use crate::failure::Failure;
use crate::text;
use crate::wire::Shell;

/// Records that were folded, by stream.
pub(super) type Folded = BTreeMap<StreamName, usize>;

/// How much there is of what is counted as people do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stock {
    sessions: u64,
    /// Lines of code of other devices.
    lines: u64,
}

impl Stock {
    /// Looks.
    pub(super) fn look(shell: &Shell) -> Result<Self, Failure> {
        let sessions = match Archive::open_read_only(&shell.home)? {
            Some(archive) => {
                let listed = archive.list(&Filter { all: true, limit: Some(1), ..Filter::default() })?;
                text::len(&listed.sessions) + listed.more
            }
            None => 0,
        };
        let lines = match shell.existing_context()? {
            Some(ctx) => text::len(&stream::standing(&ctx)?.foreign),
            None => 0,
        };
        Ok(Self { sessions, lines })
    }

    /// What came since `before`; `None` where nothing did. Of what is not counted as people do, its records.
    pub(super) fn came(self, before: Self, folded: &Folded) -> Option<String> {
        let words = folded.iter().filter(|(_, n)| **n > 0).map(|(stream, n)| {
            let records = u64::try_from(*n).unwrap_or(u64::MAX);
            let more = |now: u64, before: u64| Some(now.saturating_sub(before)).filter(|more| *more > 0);
            match stream.as_str() {
                "curation" => text::count(records, "edit"),
                "sessions" => match more(self.sessions, before.sessions) {
                    Some(more) => text::count(more, "session"),
                    None => format!("{} of sessions", text::count(records, "record")),
                },
                "code" => match more(self.lines, before.lines) {
                    Some(1) => "1 line of code".to_owned(),
                    Some(more) => format!("{more} lines of code"),
                    None => format!("{} of code", text::count(records, "record")),
                },
                other => format!("{} of {other}", text::count(records, "record")),
            }
        });
        let words: Vec<String> = words.collect();
        (!words.is_empty()).then(|| words.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_is_counted_as_people_do() {
        let folded = |counts: &[(&str, usize)]| -> Folded {
            counts.iter().map(|(stream, n)| (stream.parse().unwrap_or_else(|e| panic!("{e}")), *n)).collect()
        };
        let (before, after) = (Stock { sessions: 3, lines: 0 }, Stock { sessions: 5, lines: 1 });
        let all = folded(&[("code", 4), ("curation", 1), ("notes", 2), ("sessions", 9)]);
        assert_eq!(after.came(before, &all).as_deref(), Some("1 line of code, 1 edit, 2 records of notes, 2 sessions"));
        assert_eq!(after.came(after, &folded(&[("code", 1), ("sessions", 0)])).as_deref(), Some("1 record of code"));
        assert_eq!(after.came(before, &folded(&[("sessions", 0)])), None);
    }
}
