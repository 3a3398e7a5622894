//! Waiting for what nobody tells: another process has done its part, a server answers.
//!
//! Where an event can be waited for (a line on a pipe, a channel, a connection) a test does that. For the rest there is this one
//! place that asks again and again. No test relies on the pause between: it ends as soon as the answer is yes.

use std::time::{Duration, Instant};

/// Longer than anything takes on a busy machine, shorter than anyone waits.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// The pause between two questions.
const PAUSE: Duration = Duration::from_millis(10);

/// Asks until `holds` says yes.
///
/// # Panics
/// When it has not within [`DEADLINE`]: a test must not hang. `what` says what was waited for.
#[track_caller]
pub fn until(what: &str, holds: impl FnMut() -> bool) {
    assert!(comes(holds), "waited in vain until {what}");
}

/// The same with another deadline, for what would come in time if one waited for long enough, and must not.
///
/// # Panics
/// When `holds` has not said yes by then.
#[track_caller]
pub fn within(deadline: Duration, what: &str, holds: impl FnMut() -> bool) {
    assert!(ask(deadline, holds), "waited in vain until {what}");
}

/// Asks until `holds` says yes; `false` when it has not within [`DEADLINE`].
pub fn comes(holds: impl FnMut() -> bool) -> bool {
    ask(DEADLINE, holds)
}

fn ask(deadline: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + deadline;
    while !holds() {
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(PAUSE);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_asks_until_the_answer_is_yes_and_no_longer() {
        let mut asked = 0;
        until("it was asked three times", || {
            asked += 1;
            asked == 3
        });
        assert_eq!(asked, 3);
    }

    #[test]
    #[should_panic(expected = "waited in vain until pigs fly")]
    fn in_vain_it_ends_at_the_deadline() {
        within(Duration::ZERO, "pigs fly", || false);
    }
}
